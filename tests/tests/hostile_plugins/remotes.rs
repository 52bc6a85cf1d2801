//! Budgets, credentials, and remotes that play along with a plugin.
//!
//! In: servers that never end, lie, or repeat secrets. Out: a bound, and a sentence that names it.
//! Never: a secret in what a plugin sees.

use crate::bench::{Bench, CANARY, Case, End, Nowhere, Seen, Setup, address, place};
use crate::network::{case, fetch, get, granted};
use crate::server::{Server, ok, redirect};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

/// Asks a server that may be called.
fn asked(bench: &Bench, name: &str, server: &Server, orders: &Value, time: Duration) -> Seen {
    let setup = Setup { time, ..granted(&server.url("")) };
    fetch(bench, name, &setup, orders, &bench.opening(&[server.rule()]))
}

fn one(bench: &Bench, name: &str, act: impl Fn(usize, &str, &mut TcpStream) + Send + Sync + 'static) -> Seen {
    let server = Server::new(act);
    asked(bench, name, &server, &get(&server.url("/x")), Duration::from_secs(2))
}

fn saying(bench: &Bench, name: &str, answer: impl Into<Vec<u8>>) -> Seen {
    let server = Server::saying(answer);
    asked(bench, name, &server, &get(&server.url("/x")), Duration::from_secs(2))
}

/// A token for the server, which the plugin names and never sees.
fn with_token(server: &Server, kind: &str) -> Setup {
    let credential = format!(
        "[[credentials]]\nname = \"token\"\n{kind}\nhosts = [\"setting:service\"]\nlabel = {{ fr = \"Jeton\", en = \"Token\" }}\n\
         reason = {{ fr = \"essai\", en = \"test\" }}\n\n"
    );
    let base = granted(&server.url(""));
    Setup { manifest: [base.manifest.clone(), credential].concat(), ..base }
}

/// Sends these requests with a token to a server that answers with all it was sent. What it says back must not hold the secret.
fn reflected(bench: &Bench, name: &str, kind: &str, requests: impl Fn(&Server) -> Value) -> Seen {
    let server = Server::new(|_, request, stream| {
        let echoed: String = request.chars().filter(|c| !c.is_control()).collect();
        let head = format!("HTTP/1.1 200 OK\r\nX-Echo: {echoed}\r\nContent-Length: {}\r\n\r\n{request}", request.len());
        drop(stream.write_all(head.as_bytes()));
    });
    let orders = json!({ "do": "fetch", "requests": requests(&server) });
    let seen = fetch(bench, name, &with_token(&server, kind), &orders, &bench.opening(&[server.rule()]));
    let sent = server.seen().iter().any(|request| request.contains(CANARY));
    let sentence = seen.sentence.replace(['\r', '\n'], " ");
    Seen { end: seen.end, sentence: told_nothing(format!("the server got the secret: {sent}. {sentence}")) }
}

/// Whether a text holds the canary in a way that a plugin could read.
fn told_nothing(text: String) -> String {
    if text.contains(CANARY) { format!("LEAKED {}", text.len()) } else { text }
}

/// A deflated megabyte is a kilobyte: a hundred of them.
fn gzip_bomb() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..100 {
        encoder.write_all(&zeros).expect("written");
    }
    encoder.finish().expect("compressed")
}

pub(crate) const CASES: &[Case] = &[
    case!(
        "budget-requests",
        "sends more requests than it may",
        "requests per call",
        &["has sent its 50 requests", "[limits] requests"],
        Stopped,
        |b, n| {
            let server = Server::new(|_, _, stream| drop(stream.write_all(&ok(""))));
            let orders = json!({ "do": "fetch", "count": 60, "requests": [{ "url": server.url("/x") }] });
            let seen = asked(b, n, &server, &orders, Duration::from_secs(10));
            if server.seen().len() == 50 { seen } else { Seen::stopped(format!("{} requests arrived", server.seen().len())) }
        }
    ),
    case!(
        "budget-bytes",
        "sends more bytes than it may",
        "bytes per call",
        &["has used its 20971520 bytes", "[limits] bytes"],
        Stopped,
        |b, n| {
            let server = Server::new(|_, _, stream| drop(stream.write_all(&ok(""))));
            let request = json!({ "method": "POST", "url": server.url("/x"), "size": 3 << 20 });
            asked(b, n, &server, &json!({ "do": "fetch", "count": 8, "requests": [request] }), Duration::from_secs(15))
        }
    ),
    case!(
        "answer-large",
        "has a remote answer with 5 MiB",
        "bytes per answer",
        &["TooLarge", "is larger than 4 MiB"],
        Stopped,
        |b, n| saying(b, n, ok(&"x".repeat(5 << 20)))
    ),
    case!(
        "answer-lies",
        "has a remote promise more bytes than there are",
        "bytes per answer",
        &["TooLarge", "is larger than 4 MiB"],
        Stopped,
        |b, n| saying(b, n, "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nx")
    ),
    case!(
        "answer-bomb",
        "has a remote answer with a bomb of compressed zeros",
        "bytes per answer, after decompression",
        &["TooLarge", "is larger than 4 MiB"],
        Stopped,
        |b, n| {
            let bomb = gzip_bomb();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
            saying(b, n, [head.as_bytes(), &bomb].concat())
        }
    ),
    case!(
        "answer-endless",
        "has a remote answer without end",
        "bytes per answer",
        &["TooLarge", "is larger than 4 MiB"],
        Stopped,
        |b, n| {
            one(b, n, |_, _, stream| {
                let piece = [format!("{:x}\r\n", 64 << 10).as_bytes(), &vec![b'x'; 64 << 10], b"\r\n"].concat();
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
                while stream.write_all(&piece).is_ok() {}
            })
        }
    ),
    case!(
        "answer-drips",
        "has a remote answer byte by byte",
        "wall time per call",
        &["Lost", "did not answer completely within"],
        Stopped,
        |b, n| one(b, n, |_, _, stream| {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"));
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        })
    ),
    case!(
        "answer-never",
        "has a remote take the request and say nothing",
        "wall time per call",
        &["Lost", "did not answer completely within"],
        Stopped,
        |b, n| one(b, n, |_, _, stream| {
            let mut buffer = [0];
            drop(std::io::Read::read(stream, &mut buffer));
        })
    ),
    case!(
        "answer-head-endless",
        "has a remote send headers without end",
        "one answer has one head",
        &["Lost"],
        Stopped,
        |b, n| one(b, n, |_, _, stream| {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\n"));
            let line = format!("X-Again: {}\r\n", "x".repeat(1_000));
            while stream.write_all(line.as_bytes()).is_ok() {}
        })
    ),
    case!(
        "answer-interim-endless",
        "has a remote send interim answers without end",
        "one answer has one head",
        &["Lost"],
        Stopped,
        |b, n| one(b, n, |_, _, stream| while stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n").is_ok() {})
    ),
    case!(
        "answer-breaks",
        "has a remote break off in the middle",
        "half an answer is none",
        &["Lost", "broke off"],
        Stopped,
        |b, n| saying(b, n, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    ),
    case!("answer-garbage", "has a remote answer with garbage", "an answer is HTTP", &["Lost"], Stopped, |b, n| saying(
        b,
        n,
        &b"\x00\xff\xfe not http at all\r\n\r\n"[..]
    )),
    case!(
        "answer-rest",
        "has a remote ask for rest until the end of days",
        "at most a day of rest",
        &["answer 429", "NotSent", "asked to be left alone until 20"],
        Stopped,
        |b, n| {
            let server = Server::saying("HTTP/1.1 429 Slow\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n");
            asked(
                b,
                n,
                &server,
                &json!({ "do": "fetch", "count": 2, "requests": [{ "url": server.url("/x") }] }),
                Duration::from_secs(2),
            )
        }
    ),
    case!(
        "cookies",
        "has a remote set a cookie, to be known again",
        "the daemon keeps no cookies",
        &["answer 200", "cookies came back: false"],
        Stopped,
        |b, n| {
            let server = Server::new(|_, _, stream| {
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\nSet-Cookie: id=1\r\nContent-Length: 0\r\n\r\n"));
            });
            let orders = json!({ "do": "fetch", "count": 2, "requests": [{ "url": server.url("/x") }] });
            let seen = asked(b, n, &server, &orders, Duration::from_secs(2));
            let back = server.seen().iter().any(|r| r.to_ascii_lowercase().contains("cookie:"));
            Seen::stopped(format!("{} cookies came back: {back}", seen.sentence))
        }
    ),
    case!(
        "send-then-loop",
        "posts something, then hides in a loop",
        "wall time per call; what may be out is never repeated blindly",
        &["took longer than", "[limits] time"],
        Defect,
        |b, n| {
            let server = Server::new(|_, _, stream| drop(stream.write_all(&ok(""))));
            let request = json!({ "method": "POST", "url": server.url("/x"), "body": "b" });
            asked(b, n, &server, &json!({ "do": "fetch-and-loop", "requests": [request] }), Duration::from_millis(600))
        }
    ),
    case!(
        "send-then-panic",
        "posts something, then dies",
        "a defect proves nothing",
        &["broke down", "tell its author"],
        Defect,
        |b, n| {
            let server = Server::new(|_, _, stream| drop(stream.write_all(&ok(""))));
            let request = json!({ "method": "POST", "url": server.url("/x"), "body": "b" });
            asked(b, n, &server, &json!({ "do": "fetch-and-panic", "requests": [request] }), Duration::from_secs(2))
        }
    ),
    case!(
        "slow-for-ever",
        "waits for a slow remote until its time is up",
        "wall time per call; a slow remote is no defect",
        &["did not answer completely within"],
        Stopped,
        |b, n| {
            one(b, n, |_, _, stream| {
                std::thread::sleep(Duration::from_secs(3));
                drop(stream.write_all(&ok("")));
            })
        }
    ),
    case!(
        "credential-unknown",
        "names a credential it did not ask for",
        "credentials are those of the manifest",
        &["NoCredential", "has no credential", "other-token", "[[credentials]]"],
        Stopped,
        |b, n| {
            let server = Server::saying(ok(""));
            let orders = json!({ "do": "fetch", "requests": [
                { "url": server.url("/x"), "credential": "other-token" }, { "url": server.url("/x"), "credential": "../town-token" },
                { "url": server.url("/x"), "credential": "" },
            ] });
            let seen = fetch(b, n, &with_token(&server, "kind = \"bearer\""), &orders, &b.opening(&[server.rule()]));
            if server.connections() > 0 { Seen::stopped("a connection was made") } else { seen }
        }
    ),
    case!(
        "credential-elsewhere",
        "sends a credential to a host that it is not bound to",
        "credentials are bound to hosts",
        &["NoCredential", "is not bound to"],
        Stopped,
        |b, n| {
            let (server, other) = (Server::saying(ok("")), Server::saying(ok("")));
            let base = with_token(&server, "kind = \"bearer\"");
            let setup = Setup {
                manifest: [base.manifest, address("other"), place("setting:other", "[\"GET\"]", "[\"/*\"]")].concat(),
                settings: json!({ "service": server.url(""), "other": other.url("") }),
                ..Setup::default()
            };
            let orders = json!({ "do": "fetch", "requests": [{ "url": other.url("/x"), "credential": "token" }] });
            let seen = fetch(b, n, &setup, &orders, &b.opening(&[server.rule(), other.rule()]));
            if other.connections() > 0 { Seen::stopped("a connection was made") } else { seen }
        }
    ),
    case!(
        "credential-redirected",
        "has a remote lead a credential to another granted place",
        "secrets stay behind when the place changes",
        &["answer 200", "the secret came along: false"],
        Stopped,
        |b, n| {
            let other = Server::new(|_, _, stream| drop(stream.write_all(&ok(""))));
            let to = redirect(302, &other.url("/y"));
            let server = Server::saying(to);
            let base = with_token(&server, "kind = \"bearer\"");
            let setup = Setup {
                manifest: [base.manifest, address("other"), place("setting:other", "[\"GET\"]", "[\"/*\"]")].concat(),
                settings: json!({ "service": server.url(""), "other": other.url("") }),
                ..Setup::default()
            };
            let orders = json!({ "do": "fetch", "requests": [{ "url": server.url("/x"), "credential": "token" }] });
            let seen = fetch(b, n, &setup, &orders, &b.opening(&[server.rule(), other.rule()]));
            let came = other.seen().iter().any(|request| request.contains(CANARY));
            let sent = server.seen().iter().any(|request| request.contains(CANARY));
            assert!(sent, "the first place is the credential's own: {}", seen.sentence);
            Seen::stopped(format!("{} the secret came along: {came}", seen.sentence))
        }
    ),
    case!(
        "credential-redirect-repeats",
        "has a remote put the secret into a redirect",
        "secrets are masked in sentences and answers",
        &["***"],
        Stopped,
        |b, n| {
            let server = Server::new(|_, request, stream| {
                let secret = request.lines().find_map(|l| l.split_once("earer ")).map_or("", |(_, s)| s.trim());
                drop(stream.write_all(&redirect(302, &format!("https://api.example.com/{secret}"))));
            });
            let orders = json!({ "do": "fetch", "requests": [{ "url": server.url("/x"), "credential": "token" }] });
            let seen = fetch(b, n, &with_token(&server, "kind = \"bearer\""), &orders, &b.opening(&[server.rule()]));
            Seen { end: seen.end, sentence: told_nothing(seen.sentence) }
        }
    ),
    case!(
        "credential-reflected",
        "has a remote repeat the secret in body and headers",
        "answers are masked",
        &["the server got the secret: true", "answer 200", "Bearer ***"],
        Stopped,
        |b, n| reflected(b, n, "kind = \"bearer\"", |s| json!([{ "url": s.url("/x"), "credential": "token" }]))
    ),
    case!(
        "credential-reflected-query",
        "has a remote repeat an address with a secret in it",
        "answers are masked",
        &["the server got the secret: true", "key=***"],
        Stopped,
        |b, n| reflected(
            b,
            n,
            "kind = \"query\"\nparameter = \"key\"",
            |s| json!([{ "url": s.url("/x?a=b"), "credential": "token" }])
        )
    ),
    case!(
        "credential-reflected-path",
        "puts the placeholder into path and query, to get it back",
        "only the path is filled in",
        &["the server got the secret: true", "/bot***/x?"],
        Stopped,
        |b, n| reflected(
            b,
            n,
            "kind = \"path\"\nplaceholder = \"{token}\"",
            |s| json!([{ "url": s.url("/bot{token}/x?{token}"), "credential": "token" }])
        )
    ),
    case!(
        "credential-placeholder",
        "writes placeholders wherever it can",
        "nothing is filled in outside the declared place",
        &["the server got the secret: false", "{secret}"],
        Stopped,
        |b, n| reflected(b, n, "kind = \"bearer\"", |s| json!([{
            "method": "POST", "url": s.url("/{secret}?{token}={refresh}"), "headers": [["X-A", "{secret} ${town-token}"]], "body": "{secret} {token}",
        }]))
    ),
    case!(
        "credential-settings",
        "asks the settings for secrets",
        "settings hold no secrets",
        &["orders", "service"],
        Stopped,
        |b, n| {
            let server = Server::saying(ok(""));
            let seen = fetch(b, n, &with_token(&server, "kind = \"bearer\""), &json!({ "do": "ask-settings" }), &Nowhere);
            Seen { end: seen.end, sentence: told_nothing(seen.sentence) }
        }
    ),
    case!(
        "sign-bearer",
        "signs with a credential that is not for signing",
        "credentials are used as declared",
        &["is not for signing"],
        Stopped,
        |b, n| {
            let server = Server::saying(ok(""));
            fetch(b, n, &with_token(&server, "kind = \"bearer\""), &json!({ "do": "sign", "credential": "token" }), &Nowhere)
        }
    ),
    case!(
        "hmac-sent",
        "has a signing key sent as if it were a token",
        "a signing key never leaves",
        &["the server got the secret: false", "No"],
        Stopped,
        |b, n| reflected(b, n, "kind = \"hmac\"", |s| json!([{ "url": s.url("/x"), "credential": "token" }]))
    ),
];
