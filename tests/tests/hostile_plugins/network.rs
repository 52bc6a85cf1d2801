//! Requests to where a plugin may not go.
//!
//! In: addresses in every disguise. Out: a refusal before anything leaves. Never: a connection that was not granted.

use crate::bench::{Bench, Case, End, Nowhere, Seen, Setup, address, place, rules, told};
use crate::server::{Server, ok, redirect};
use beffroi::clock::SystemClock;
use beffroi::egress::{Egress, Lookup};
use beffroi::network::Network;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const BOTH: &str = "[\"GET\", \"POST\"]";
const ALL: &str = "[\"/*\"]";

/// Granted by the owner's setting.
pub(crate) fn granted(url: &str) -> Setup {
    Setup {
        manifest: [address("service"), place("setting:service", BOTH, ALL)].concat(),
        settings: json!({ "service": url }),
        ..Setup::default()
    }
}

/// Granted by name, and of that only some paths.
fn api() -> Setup {
    Setup::with(place("api.example.com", BOTH, "[\"/v1/posts*\"]"))
}

pub(crate) fn get(url: &str) -> Value {
    json!({ "do": "fetch", "requests": [{ "url": url }] })
}

pub(crate) fn fetch(bench: &Bench, name: &str, setup: &Setup, orders: &Value, network: &dyn Network) -> Seen {
    Seen::of(bench.poll(name, setup, orders, network), told)
}

/// Calls a private address: once with the plugin's right to it, once without.
fn private(bench: &Bench, name: &str, place: &str) -> Seen {
    let net = bench.opening(&[]);
    let with = fetch(bench, name, &granted(place), &get(&format!("{place}/latest/meta-data")), &net);
    let without = fetch(bench, name, &api(), &get(&format!("{place}/latest/meta-data")), &net);
    Seen::stopped(format!("{} // {}", with.sentence, without.sentence))
}

/// Calls this machine, where somebody listens.
fn home(bench: &Bench, name: &str, host: &str) -> Seen {
    let server = Server::saying(ok("treasure"));
    let seen = private(bench, name, &format!("https://{host}:{}", server.port()));
    if server.connections() > 0 { Seen::stopped("a connection was made") } else { seen }
}

/// Calls what a name leads to.
fn names(bench: &Bench, name: &str, leads: &'static [&'static str]) -> Seen {
    let lookup: Lookup = Arc::new(move |_| {
        let found = leads.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), 0)).collect();
        Box::pin(std::future::ready(Ok(found)))
    });
    let net = bench.asking(lookup);
    fetch(bench, name, &granted("https://shop.example"), &get("https://shop.example/x"), &net)
}

/// Sends what the rights to `https://api.example.com/v1/posts*` do not cover. There is a network that would tell.
fn beyond(bench: &Bench, name: &str, requests: &Value) -> Seen {
    let seen = fetch(bench, name, &api(), &json!({ "do": "fetch", "requests": requests }), &Nowhere);
    if seen.sentence.contains("NotSent") { Seen::stopped(format!("let through: {}", seen.sentence)) } else { seen }
}

/// A server that may be called answers with a redirect to `to`.
fn led(bench: &Bench, name: &str, status: u16, to: &str) -> Seen {
    let server = Server::saying(redirect(status, to));
    fetch(bench, name, &granted(&server.url("")), &get(&server.url("/x")), &bench.opening(&[server.rule()]))
}

const PRIVATE: &[&str] = &["is not on the public internet", "allow_private", "may not send GET to", "[[http]] host"];
const RIGHTS: &[&str] = &["NotAllowed", "may not send"];

macro_rules! case {
    ($name:literal, $what:literal, $rule:literal, $says:expr, $end:ident, $act:expr) => {
        Case { name: $name, what: $what, rule: $rule, says: $says, end: End::$end, act: $act }
    };
}
pub(crate) use case;

pub(crate) const CASES: &[Case] = &[
    case!("private-ten", "calls 10.0.0.0/8", "private addresses", PRIVATE, Stopped, |b, n| private(b, n, "https://10.0.0.1")),
    case!("private-home", "calls 192.168.0.0/16", "private addresses", PRIVATE, Stopped, |b, n| private(
        b,
        n,
        "https://192.168.1.1"
    )),
    case!("private-twelve", "calls 172.16.0.0/12", "private addresses", PRIVATE, Stopped, |b, n| private(
        b,
        n,
        "https://172.31.0.9"
    )),
    case!("private-carrier", "calls 100.64.0.0/10", "private addresses", PRIVATE, Stopped, |b, n| private(
        b,
        n,
        "https://100.100.100.200"
    )),
    case!("loopback", "calls this machine", "private addresses", PRIVATE, Stopped, |b, n| home(b, n, "127.0.0.1")),
    case!("loopback-six", "calls this machine by IPv6", "private addresses", PRIVATE, Stopped, |b, n| private(
        b,
        n,
        "https://[::1]"
    )),
    case!(
        "loopback-mapped",
        "calls this machine by an IPv4 address inside IPv6",
        "private addresses",
        PRIVATE,
        Stopped,
        |b, n| home(b, n, "[::ffff:127.0.0.1]")
    ),
    case!("loopback-number", "writes 127.0.0.1 as one number", "private addresses", PRIVATE, Stopped, |b, n| home(
        b,
        n,
        "2130706433"
    )),
    case!("loopback-octal", "writes 127.0.0.1 in octal", "private addresses", PRIVATE, Stopped, |b, n| home(b, n, "0177.0.0.01")),
    case!("loopback-hex", "writes 127.0.0.1 in hexadecimal", "private addresses", PRIVATE, Stopped, |b, n| home(b, n, "0x7f.1")),
    case!("loopback-round", "writes 127.0.0.1 with rounded digits", "private addresses", PRIVATE, Stopped, |b, n| home(
        b,
        n,
        "①②⑦.0.0.1"
    )),
    case!("nowhere", "calls 0.0.0.0, which is this machine", "private addresses", PRIVATE, Stopped, |b, n| home(b, n, "0.0.0.0")),
    case!(
        "metadata",
        "asks the cloud's metadata service for credentials",
        "private addresses",
        PRIVATE,
        Stopped,
        |b, n| private(b, n, "https://169.254.169.254")
    ),
    case!("metadata-six", "asks the metadata service by IPv6", "private addresses", PRIVATE, Stopped, |b, n| private(
        b,
        n,
        "https://[fd00:ec2::254]"
    )),
    case!("metadata-translated", "asks the metadata service through NAT64", "private addresses", PRIVATE, Stopped, |b, n| {
        private(b, n, "https://[64:ff9b::a9fe:a9fe]")
    }),
    case!(
        "manifest-private",
        "asks for a private address in its manifest",
        "manifests name hosts, not addresses",
        &["not addresses of machines", "setting:NAME"],
        Refused,
        |_, n| {
            let text = crate::bench::manifest_text(n, &place("169.254.169.254", BOTH, ALL));
            crate::packages::refusal_of_manifest(&text)
        }
    ),
    case!(
        "name-home",
        "calls a name that leads to this machine",
        "every resolved address is checked",
        &["shop.example:443 (127.0.0.1) is not on the public internet"],
        Stopped,
        |b, n| names(b, n, &["127.0.0.1"])
    ),
    case!(
        "name-metadata",
        "calls a name that leads to the metadata service",
        "every resolved address is checked",
        &["(169.254.169.254) is not on the public internet"],
        Stopped,
        |b, n| names(b, n, &["169.254.169.254", "fd00:ec2::254"])
    ),
    case!(
        "name-mapped",
        "calls a name that leads to a private address inside IPv6",
        "every resolved address is checked",
        &["is not on the public internet"],
        Stopped,
        |b, n| names(b, n, &["::ffff:10.0.0.1", "::1"])
    ),
    case!(
        "rebinding",
        "changes where its name leads after the first answer",
        "what was checked is what is connected",
        &["answer 200", "(127.0.0.2) is not on the public internet"],
        Stopped,
        rebinding
    ),
    case!("redirect-private", "is led into the private network", "rights hold at every redirect", RIGHTS, Stopped, |b, n| led(
        b,
        n,
        302,
        "https://10.0.0.1/admin"
    )),
    case!(
        "redirect-metadata",
        "is led to the metadata service",
        "rights hold at every redirect",
        &["NotAllowed", "may only use https"],
        Stopped,
        |b, n| led(b, n, 307, "http://169.254.169.254/latest/meta-data/iam/security-credentials/")
    ),
    case!(
        "redirect-granted-private",
        "is led to a private place it was granted and that nobody opened",
        "private addresses",
        &["is not on the public internet"],
        Stopped,
        redirect_granted
    ),
    case!(
        "redirect-port",
        "is led to another port of the same machine",
        "rights name ports",
        &["NotAllowed"],
        Stopped,
        |b, n| {
            let treasure = Server::saying(ok("treasure"));
            let seen = led(b, n, 301, &treasure.url("/"));
            if treasure.connections() > 0 { Seen::stopped("a connection was made") } else { seen }
        }
    ),
    case!(
        "redirect-plain",
        "is led from a granted place to a public one without encryption",
        "https only",
        &["may only use https", "nobody on the way reads along"],
        Stopped,
        |b, n| led(b, n, 302, "http://www.example.com/")
    ),
    case!(
        "redirect-file",
        "is led to a file",
        "http and https only",
        &["of the kind file", "may only use https"],
        Stopped,
        |b, n| led(b, n, 302, "file:///etc/passwd")
    ),
    case!(
        "redirect-password",
        "is led to an address with a password",
        "no names or passwords in addresses",
        &["may not put a name or password into an address"],
        Stopped,
        |b, n| led(b, n, 302, "https://me:pw@10.0.0.1/")
    ),
    case!(
        "redirect-chain",
        "is led on and on",
        "at most 5 redirects",
        &["leads on from one address to the next more than 5 times"],
        Stopped,
        |b, n| {
            let server = Server::new(|nth, _, stream| {
                drop(std::io::Write::write_all(stream, &redirect(302, &format!("/{nth}"))));
            });
            fetch(b, n, &granted(&server.url("")), &get(&server.url("/0")), &b.opening(&[server.rule()]))
        }
    ),
    case!(
        "redirect-post",
        "is led to send a post elsewhere",
        "posts do not follow redirects",
        &["answered a POST with a redirect", "not followed"],
        Stopped,
        |b, n| {
            let server = Server::saying(redirect(307, "/elsewhere"));
            let orders = json!({ "do": "fetch", "requests": [{ "method": "POST", "url": server.url("/x"), "body": "b" }] });
            fetch(b, n, &granted(&server.url("")), &orders, &b.opening(&[server.rule()]))
        }
    ),
    case!(
        "ungranted-host",
        "calls a host it did not ask for",
        "rights",
        &["may not send GET to evil.example/x", "[[http]] host"],
        Stopped,
        |b, n| beyond(b, n, &json!([{ "url": "https://evil.example/x" }]))
    ),
    case!("suffix", "calls a host that begins like a granted one", "rights compare whole hosts", RIGHTS, Stopped, |b, n| {
        beyond(
            b,
            n,
            &json!([
                { "url": "https://api.example.com.evil.test/v1/posts" }, { "url": "https://xapi.example.com/v1/posts" },
                { "url": "https://api.example.comevil.test/v1/posts" }, { "url": "https://example.com/v1/posts" },
                { "url": "https://evil.test/api.example.com/v1/posts" }, { "url": "https://api.example.com:444/v1/posts" },
            ]),
        )
    }),
    case!(
        "userinfo",
        "hides the host behind a name and an @",
        "no names or passwords in addresses",
        &["may not put a name or password into an address"],
        Stopped,
        |b, n| {
            beyond(
                b,
                n,
                &json!([{ "url": "https://api.example.com@evil.test/v1/posts" }, { "url": "https://me:pw@api.example.com/v1/posts" }]),
            )
        }
    ),
    case!(
        "backslash",
        "confuses readers of addresses with \\ and tabs",
        "one reading of addresses",
        &["NotAllowed"],
        Stopped,
        |b, n| {
            beyond(
                b,
                n,
                &json!([
                    { "url": "https://evil.test\\@api.example.com/v1/posts" }, { "url": "https:\\\\evil.test\\v1\\posts" },
                    { "url": "https://evil.test\t.api.example.com/v1/posts" }, { "url": "https://evil.test#@api.example.com/v1/posts" },
                    { "url": "https://evil.test?@api.example.com/v1/posts" },
                ]),
            )
        }
    ),
    case!(
        "scheme",
        "tries other schemes than https",
        "https only",
        &["is not a whole http address", "may only use https"],
        Stopped,
        |b, n| {
            beyond(
                b,
                n,
                &json!([
                    { "url": "http://api.example.com/v1/posts" }, { "url": "file:///etc/passwd" }, { "url": "ftp://api.example.com/v1/posts" },
                    { "url": "data:text/plain,x" }, { "url": "gopher://api.example.com/v1/posts" }, { "url": "//api.example.com/v1/posts" },
                ]),
            )
        }
    ),
    case!(
        "traversal",
        "climbs out of the granted paths",
        "paths are compared as servers read them",
        &["NotAllowed", "may lead out of the paths"],
        Stopped,
        |b, n| {
            beyond(
                b,
                n,
                &json!([
                    { "url": "https://api.example.com/v1/posts/../admin" }, { "url": "https://api.example.com/v1/posts/%2e%2e/admin" },
                    { "url": "https://api.example.com/v1/posts/..%2fadmin" }, { "url": "https://api.example.com/v1/posts/%252e%252e/admin" },
                    { "url": "https://api.example.com/v1/posts/..;/admin" }, { "url": "https://api.example.com/v1/posts\\..\\..\\admin" },
                    { "url": "https://api.example.com/v1/posts/%2e%2e%5cadmin" }, { "url": "https://api.example.com//v1/posts" },
                    { "url": "https://api.example.com/V1/posts" }, { "url": "https://api.example.com/" },
                ]),
            )
        }
    ),
    case!("method", "uses a method it was not granted", "rights name methods", &["may not send DELETE"], Stopped, |b, n| beyond(
        b,
        n,
        &json!([{ "method": "DELETE", "url": "https://api.example.com/v1/posts/1" }])
    )),
    case!(
        "method-tunnel",
        "asks for a tunnel or an echo",
        "a list of methods",
        &["CONNECT", "is not a method plugins may use"],
        Stopped,
        |b, n| {
            beyond(
                b,
                n,
                &json!([
                    { "method": "CONNECT", "url": "https://api.example.com/v1/posts" }, { "method": "TRACE", "url": "https://api.example.com/v1/posts" },
                    { "method": "get", "url": "https://api.example.com/v1/posts" }, { "method": "", "url": "https://api.example.com/v1/posts" },
                    { "method": "GET /admin HTTP/1.1\r\nHost: x\r\n\r\nGET", "url": "https://api.example.com/v1/posts" },
                ]),
            )
        }
    ),
    case!(
        "header-ours",
        "sets headers that are the daemon's",
        "headers that frame and name are the daemon's",
        &["belongs to the daemon"],
        Stopped,
        |b, n| {
            let ours = [
                "Host",
                "Authorization",
                "Cookie",
                "Content-Length",
                "Transfer-Encoding",
                "Connection",
                "Proxy-Authorization",
                "Upgrade",
                "Expect",
                "Sec-Fetch-Site",
                "TE",
            ];
            let requests: Vec<Value> =
                ours.iter().map(|name| json!({ "url": "https://api.example.com/v1/posts", "headers": [[name, "x"]] })).collect();
            all_stopped(&beyond(b, n, &json!(requests)), "belongs to the daemon")
        }
    ),
    case!(
        "header-injection",
        "smuggles a second request in a header",
        "no line ends in headers",
        &["holds a forbidden character"],
        Stopped,
        |b, n| {
            let evil = [
                ["X-A", "b\r\nHost: evil.test"],
                ["X-A\r\nHost", "evil.test"],
                ["X-A", "b\nX"],
                ["X A", "b"],
                ["X-A:", "b"],
                ["", "b"],
                ["X-A", "b\0c"],
            ];
            let requests: Vec<Value> =
                evil.iter().map(|header| json!({ "url": "https://api.example.com/v1/posts", "headers": [header] })).collect();
            all_stopped(&beyond(b, n, &json!(requests)), "holds a forbidden character")
        }
    ),
    case!("header-bomb", "sends ten thousand headers", "at most 100 headers", &["at most 100 headers"], Stopped, |b, n| beyond(
        b,
        n,
        &json!([{ "url": "https://api.example.com/v1/posts", "many-headers": 10_000 }])
    )),
    case!(
        "url-bomb",
        "calls an address of a megabyte",
        "addresses have an end",
        &["is not a whole http address"],
        Stopped,
        |b, n| beyond(b, n, &json!([{ "url": format!("https://api.example.com/v1/posts?{}", "x".repeat(1 << 20)) }]))
    ),
    case!(
        "not-offline",
        "asks the network while it judges a text",
        "judging is without network",
        &["must not ask the network"],
        Cleaned,
        |b, n| {
            let server = Server::saying(ok("treasure"));
            let orders = json!({ "do": "validate-by-network", "url": server.url("/") });
            let used = b.attacker(n, &Setup { scope: "account:town".into(), ..granted(&server.url("")) }, &orders);
            let said = b.plugins.channel(&used).objections(&crate::bench::post(b));
            let called = if server.connections() > 0 { "a connection was made " } else { "" };
            Seen::cleaned(format!("{called}{}", said.first().map(|f| f.message.clone()).unwrap_or_default()))
        }
    ),
];

/// Nothing but refusals of this kind.
fn all_stopped(seen: &Seen, words: &str) -> Seen {
    let through: Vec<&str> = seen.sentence.split(" | ").filter(|one| !one.contains(words)).collect();
    if through.is_empty() { Seen::stopped(seen.sentence.clone()) } else { Seen::stopped(format!("let through: {through:?}")) }
}

/// A name that leads to a place that may be called, and after the first answer to one that may not.
fn rebinding(bench: &mut Bench, name: &str) -> Seen {
    let first = Server::saying(ok("bait"));
    let second = Server::at("127.0.0.2", first.port(), |_, _, stream| drop(std::io::Write::write_all(stream, &ok("treasure"))));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let lookup: Lookup = Arc::new(move |_| {
        let ip = if count.fetch_add(1, Ordering::SeqCst) == 0 { [127, 0, 0, 1] } else { [127, 0, 0, 2] };
        Box::pin(std::future::ready(Ok(vec![SocketAddr::from((ip, 0))])))
    });
    let port = first.port();
    // The owner opened one address, with its port, and lets the plugin call the name without encryption.
    let host = format!("rebind.example:{port}");
    bench.decide(|instance| instance.limits.allow_private = vec![host.clone()]);
    let net = Egress::asking(&rules(&[first.rule()]), Arc::new(SystemClock::new()), lookup).expect("good rules");
    let url = format!("http://{host}/x");
    let orders = json!({ "do": "fetch", "count": 2, "requests": [{ "url": url }] });
    let seen = fetch(bench, name, &granted(&format!("http://{host}")), &orders, &net);
    if second.connections() > 0 { Seen::stopped("a connection was made") } else { seen }
}

/// Two settings: a server that may be called, and a private one that was granted and never opened.
fn redirect_granted(bench: &mut Bench, name: &str) -> Seen {
    let treasure = Server::saying(ok("treasure"));
    let inside = format!("https://127.0.0.1:{}", treasure.port());
    let server = Server::saying(redirect(302, &inside));
    let setup = Setup {
        manifest: [
            address("service"),
            address("inside"),
            place("setting:service", BOTH, ALL),
            place("setting:inside", BOTH, ALL),
        ]
        .concat(),
        settings: json!({ "service": server.url(""), "inside": inside }),
        ..Setup::default()
    };
    let seen = fetch(bench, name, &setup, &get(&server.url("/x")), &bench.opening(&[server.rule()]));
    if treasure.connections() > 0 { Seen::stopped("a connection was made") } else { seen }
}
