//! The real network against small servers on this machine.

use super::*;
use crate::clock::{SimClock, SystemClock};
use crate::domain::{Secret, Timestamp};
use crate::network::{Place, Sealed};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::thread;

/// A server that hands every request (head and body) to a closure, which writes the answer.
struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(act: impl Fn(usize, &str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (act, log) = (Arc::new(act), seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (act, log) = (act.clone(), log.clone());
                thread::spawn(move || serve(stream, &*act, &log));
            }
        });
        Self { port, seen }
    }

    /// Answers every request with the same bytes and closes the connection.
    fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |_, _, stream| {
            let _ = stream.write_all(&answer);
            let _ = stream.shutdown(Shutdown::Both);
        })
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn rule(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("not poisoned").clone()
    }
}

fn serve(stream: TcpStream, act: &dyn Fn(usize, &str, &mut TcpStream), log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut stream = stream;
    loop {
        let (mut request, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if !matches!(reader.read_line(&mut line), Ok(n) if n > 0) {
                return;
            }
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().expect("a length");
            }
            request.push_str(&line);
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        request.push_str(&String::from_utf8_lossy(&body));
        let nth = {
            let mut log = log.lock().expect("not poisoned");
            log.push(request.clone());
            log.len()
        };
        act(nth, &request, &mut stream);
    }
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Kind: Test\r\n\r\n{body}", body.len()).into_bytes()
}

fn redirect(status: u16, to: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

fn rules(allow: &[String]) -> Rules {
    Rules { allow_private: allow.to_vec(), spacing: Duration::ZERO, ..Rules::default() }
}

fn egress(allow: &[String]) -> Egress {
    Egress::new(&rules(allow), Arc::new(SystemClock::new())).expect("good rules")
}

fn post(url: &str) -> Request {
    Request { method: "POST".into(), body: b"hello".to_vec(), ..Request::get(url) }
}

#[test]
fn a_listed_server_is_called_and_answers() {
    let server = Server::saying(ok("bonjour"));
    let net = egress(&[server.rule()]);
    let response = net.send(&Request::get(&server.url("/x?y=1")).header("Accept", "text/plain")).expect("an answer");
    assert_eq!((response.status, response.body.as_slice(), response.header("x-kind")), (200, &b"bonjour"[..], Some("Test")));
    let seen = server.seen().remove(0).to_ascii_lowercase();
    assert!(seen.starts_with("get /x?y=1 http/1.1\r\n") && seen.contains("accept: text/plain"), "{seen}");
    assert!(seen.contains(concat!("user-agent: beffroi/", env!("CARGO_PKG_VERSION"))), "{seen}");
    assert!(!seen.contains("content-length"), "a GET has no body: {seen}");
    net.send(&post(&server.url("/"))).expect("an answer");
    assert!(server.seen()[1].ends_with("hello"));
}

#[test]
fn private_places_are_refused_by_address_and_by_name() {
    let server = Server::saying(ok("secret"));
    let net = egress(&[]);
    for url in
        [server.url("/"), format!("http://localhost:{}/", server.port), format!("http://[::ffff:127.0.0.1]:{}/", server.port)]
    {
        let Err(NetworkError::Forbidden(text)) = net.send(&Request::get(&url)) else { panic!("{url} was called") };
        assert!(text.contains("allow_private = ["), "{text}");
    }
    assert!(server.seen().is_empty());
}

#[test]
fn a_name_may_be_called_when_it_or_where_it_leads_is_listed_with_this_port() {
    let (server, other) = (Server::saying(ok("a")), Server::saying(ok("b")));
    for rule in [server.rule(), format!("localhost:{}", server.port)] {
        let net = egress(&[rule]);
        assert!(net.send(&Request::get(&format!("http://localhost:{}/", server.port))).is_ok());
        let elsewhere = net.send(&Request::get(&format!("http://localhost:{}/", other.port)));
        assert!(matches!(elsewhere, Err(NetworkError::Forbidden(_))), "{elsewhere:?}");
    }
}

#[test]
fn new_rules_hold_from_the_next_request_on() {
    let server = Server::new(|_, _, stream| stream.write_all(&ok("kept open")).expect("sent"));
    let url = format!("http://localhost:{}/", server.port);
    let net = egress(&[server.rule()]);
    assert!(net.send(&Request::get(&url)).is_ok());
    assert!(matches!(net.set_rules(&rules(&["http://x".into()])), Err(EgressError::Allow(_))));
    assert!(net.send(&Request::get(&url)).is_ok(), "bad rules change nothing");
    net.set_rules(&rules(&[])).expect("good rules");
    assert!(matches!(net.send(&Request::get(&url)), Err(NetworkError::Forbidden(_))));
}

#[test]
fn a_redirect_into_a_private_place_is_refused() {
    let inner = Server::saying(ok("secret"));
    for to in [
        inner.url("/"),
        format!("http://localhost:{}/", inner.port),
        "http://169.254.169.254/".into(),
        "file:///etc/passwd".into(),
    ] {
        let outer = Server::saying(redirect(302, &to));
        let answer = egress(&[outer.rule()]).send(&Request::get(&outer.url("/")));
        assert!(matches!(answer, Err(NetworkError::Forbidden(_))), "{to}: {answer:?}");
    }
    assert!(inner.seen().is_empty());
}

#[test]
fn what_tells_who_asks_stays_behind_when_the_host_changes() {
    let last = Server::saying(ok("there"));
    let to = format!("http://localhost:{}/b", last.port);
    let first = Server::new(move |nth, _, stream| {
        let answer = if nth == 1 { redirect(301, "/a") } else { redirect(307, &to) };
        stream.write_all(&answer).expect("sent");
    });
    let request = Request::get(&first.url("/"))
        .header("Authorization", "Bearer s3cret")
        .header("Cookie", "a=s3cret")
        .header("X-Api-Key", "s3cret")
        .header("X-Shop", "s3cret")
        .header("Accept", "text/plain");
    let response = egress(&[first.rule(), last.rule()]).send(&request).expect("an answer");
    assert_eq!(response.body, b"there");
    assert_eq!(first.seen()[1].matches("s3cret").count(), 4, "the same host still gets them");
    assert!(!last.seen()[0].contains("s3cret") && last.seen()[0].contains("accept: text/plain"), "{}", last.seen()[0]);
}

#[test]
fn redirects_end_after_five() {
    let server = Server::new(|nth, _, stream| stream.write_all(&redirect(302, &format!("/{nth}"))).expect("sent"));
    let answer = egress(&[server.rule()]).send(&Request::get(&server.url("/")));
    assert!(matches!(answer, Err(NetworkError::Forbidden(_))), "{answer:?}");
    assert_eq!(server.seen().len(), 6);
}

#[test]
fn only_reading_requests_follow_a_redirect() {
    for (status, lost) in [(303, true), (302, true), (307, false), (301, false)] {
        let server = Server::saying(redirect(status, "/elsewhere"));
        match egress(&[server.rule()]).send(&post(&server.url("/"))) {
            Err(NetworkError::Lost(_)) if lost => {}
            Err(NetworkError::Forbidden(_)) if !lost => {}
            other => panic!("{status}: {other:?}"),
        }
        assert_eq!(server.seen().len(), 1);
    }
    let server = Server::saying("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n");
    assert_eq!(egress(&[server.rule()]).send(&Request::get(&server.url("/"))).expect("an answer").status, 304);
    let server = Server::saying("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(egress(&[server.rule()]).send(&Request::get(&server.url("/"))).expect("an answer").status, 302);
}

#[test]
fn https_never_becomes_http() {
    let target = check_url(&Url::parse("https://a.example/").expect("a URL"), &[]).expect("public");
    let mut request = Prepared::new(&Request::get("https://a.example/").header("Cookie", "x")).expect("good");
    assert!(matches!(follow(&mut request, &target, 301, "http://a.example/"), Err(NetworkError::Forbidden(_))));
    let mut request = Prepared::new(&Request::get("http://a.example/").header("Cookie", "x")).expect("good");
    follow(&mut request, &target, 301, "https://a.example/").expect("the way up");
    assert!(request.headers.contains_key("cookie"), "the same host on a safer road is the same host");
}

#[test]
fn a_body_is_capped_as_declared_and_as_unpacked() {
    let server = Server::saying(ok(&"x".repeat(2_000)));
    let net = egress(&[server.rule()]);
    let small = Request { max_body: 1_999, ..Request::get(&server.url("/")) };
    assert!(matches!(net.send(&small), Err(NetworkError::TooLarge(_))));
    assert_eq!(net.send(&Request { max_body: 2_000, ..small }).expect("it fits").body.len(), 2_000);

    let packed = gzip_of_zeros(50);
    assert!(packed.len() < 32 << 10);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
    let bomb = Server::saying([head.into_bytes(), packed].concat());
    let answer = egress(&[bomb.rule()]).send(&Request { max_body: 1 << 20, ..Request::get(&bomb.url("/")) });
    assert!(matches!(&answer, Err(NetworkError::TooLarge(text)) if text.contains("1 MiB")), "{answer:?}");
    let fits = egress(&[bomb.rule()]).send(&Request { max_body: 4 << 20, ..Request::get(&bomb.url("/")) }).expect("it fits");
    assert_eq!(fits.body.len(), 50 * 65_536);
}

/// A gzip file of `blocks` times 64 KiB of zeros, written by hand: fixed Huffman codes, one long match after another.
fn gzip_of_zeros(blocks: usize) -> Vec<u8> {
    let total = blocks * 65_536;
    let mut bits: Vec<bool> = Vec::new();
    let mut code = |value: u32, width: u32| bits.extend((0..width).rev().map(|n| (value >> n) & 1 == 1));
    code(1, 1); // last block
    code(0b10, 2); // fixed codes (two bits, low one first: 01)
    code(0x30, 8); // the literal 0
    let mut left = total - 1;
    while left >= 258 {
        code(0b1100_0101, 8); // length 258
        code(0, 5); // distance 1
        left -= 258;
    }
    (0..left).for_each(|_| code(0x30, 8));
    code(0, 7); // end
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    out.extend(bits.chunks(8).map(|c| c.iter().enumerate().fold(0_u8, |byte, (n, bit)| byte | (u8::from(*bit) << n))));
    let crc =
        (0..total).fold(u32::MAX, |crc, _| (0..8).fold(crc, |c, _| if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 }));
    out.extend((!crc).to_le_bytes());
    out.extend(u32::try_from(total).expect("small").to_le_bytes());
    out
}

#[test]
fn an_answer_that_breaks_off_is_lost_and_a_post_is_sent_once() {
    let server = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    let answer = egress(&[server.rule()]).send(&Request::get(&server.url("/")));
    assert!(matches!(answer, Err(NetworkError::Lost(_))), "{answer:?}");

    let mute = Server::saying("");
    let net = egress(&[mute.rule()]);
    assert!(matches!(net.send(&post(&mute.url("/"))), Err(NetworkError::Lost(_))));
    assert_eq!(mute.seen().len(), 1);
    let delete = Request { method: "DELETE".into(), ..Request::get(&mute.url("/")) };
    assert!(matches!(net.send(&delete), Err(NetworkError::Lost(_))));
    assert_eq!(mute.seen().len(), 2);
}

#[test]
fn a_reading_request_survives_a_stale_connection() {
    let server = Server::new(|nth, _, stream| {
        if nth == 2 {
            let _ = stream.shutdown(Shutdown::Both);
        } else {
            stream.write_all(&ok("fine")).expect("sent");
        }
    });
    let net = egress(&[server.rule()]);
    for _ in 0..2 {
        assert_eq!(net.send(&Request::get(&server.url("/"))).expect("an answer").body, b"fine");
    }
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn a_request_that_changes_something_never_meets_a_stale_connection() {
    let server = Server::saying(ok("closed without a word"));
    let net = egress(&[server.rule()]);
    for n in 1..=20 {
        assert!(net.send(&Request::get(&server.url("/"))).is_ok());
        assert_eq!(net.send(&post(&server.url("/"))).map(|r| r.status), Ok(200), "post {n}");
    }
}

#[test]
fn no_answer_in_time_is_lost() {
    let (hold, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let server = Server::new(move |_, _, _| {
        let _ = held.lock().expect("not poisoned").recv();
    });
    let net = egress(&[server.rule()]);
    for request in [Request::get(&server.url("/")), post(&server.url("/"))] {
        let answer = net.send(&Request { timeout: Duration::from_millis(150), ..request });
        assert!(matches!(&answer, Err(NetworkError::Lost(text)) if text.contains("150ms")), "{answer:?}");
    }
    drop(hold);
}

#[test]
fn nothing_is_sent_when_nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port that was free").port();
    let net = egress(&["127.0.0.1".into()]);
    for request in [Request::get(&format!("http://127.0.0.1:{port}/")), post(&format!("http://127.0.0.1:{port}/"))] {
        let answer = net.send(&request);
        assert!(matches!(&answer, Err(NetworkError::NotSent(text)) if text.contains("refuses connections")), "{answer:?}");
    }
    let answer = net.send(&Request::get("http://no-such-name.invalid/"));
    assert!(matches!(&answer, Err(NetworkError::NotSent(text)) if text.contains("cannot be found")), "{answer:?}");
}

#[test]
fn a_failed_handshake_means_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut hello = [0; 1_024];
            let _ = stream.read(&mut hello).and_then(|_| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    let answer = egress(&["127.0.0.1".into()]).send(&post(&format!("https://127.0.0.1:{port}/")));
    assert!(matches!(&answer, Err(NetworkError::NotSent(text)) if text.contains("secure connection")), "{answer:?}");
}

#[test]
fn a_host_that_asks_for_rest_gets_it() {
    let server = Server::new(|nth, _, stream| {
        let answer: &[u8] =
            if nth == 1 { b"HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n" } else { &ok("again") };
        stream.write_all(answer).expect("sent");
    });
    let start = Timestamp::parse("2026-03-28T10:00:00Z").expect("RFC 3339");
    let clock = Arc::new(SimClock::new(start));
    let net = Egress::new(&rules(&[server.rule()]), clock.clone()).expect("good rules");
    assert_eq!(net.send(&Request::get(&server.url("/"))).expect("an answer").status, 429);
    let answer = net.send(&post(&server.url("/other")));
    assert!(matches!(&answer, Err(NetworkError::NotSent(text)) if text.contains("2026-03-28T10:02:00Z")), "{answer:?}");
    assert_eq!(server.seen().len(), 1);
    clock.advance(Duration::from_secs(120));
    assert_eq!(net.send(&Request::get(&server.url("/"))).expect("an answer").body, b"again");
}

#[test]
fn retry_after_is_read_in_both_forms_and_has_an_end() {
    let now = Timestamp::parse("2026-03-28T10:00:00Z").expect("RFC 3339");
    let later = |seconds| Some(now.plus(Duration::from_secs(seconds)));
    for (text, moment) in [
        ("30", later(30)),
        (" 30 ", later(30)),
        ("Sat, 28 Mar 2026 10:05:00 GMT", later(300)),
        ("Sat, 28 Mar 2020 10:05:00 GMT", None),
        ("99999999999", later(86_400)),
        ("0", None),
        ("soon", None),
        ("-5", None),
    ] {
        assert_eq!(read_retry_after(text, now), moment, "{text}");
    }
}

#[test]
fn no_more_than_agreed_reach_one_host_at_once() {
    let (here, arrived) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    let (gate, inside, most) = (Mutex::new(gate), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen_most = most.clone();
    let server = Server::new(move |_, _, stream| {
        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        here.send(()).expect("the test listens");
        gate.lock().expect("not poisoned").recv().expect("the test lets everybody go");
        inside.fetch_sub(1, Ordering::SeqCst);
        stream.write_all(&ok("done")).expect("sent");
    });
    let net = Arc::new(egress(&[server.rule()]));
    let callers: Vec<_> = (0..6)
        .map(|_| {
            let (net, url) = (net.clone(), server.url("/"));
            thread::spawn(move || net.send(&Request::get(&url)).map(|r| r.status))
        })
        .collect();
    let arrives = || arrived.recv().expect("a request arrives");
    let let_one_go = || go.send(()).expect("the server listens");
    (0..2).for_each(|_| arrives());
    for _ in 0..4 {
        let_one_go();
        arrives();
    }
    (0..2).for_each(|_| let_one_go());
    assert!(callers.into_iter().all(|c| c.join().expect("no panic") == Ok(200)));
    assert_eq!(seen_most.load(Ordering::SeqCst), 2);
}

#[test]
fn who_waits_too_long_for_a_turn_has_sent_nothing() {
    let (here, arrived) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let server = Server::new(move |_, _, stream| {
        here.send(()).expect("the test listens");
        let _ = gate.lock().expect("not poisoned").recv();
        let _ = stream.write_all(&ok("done"));
    });
    let one = Rules { per_host: 1, ..rules(&[server.rule()]) };
    let net = Arc::new(Egress::new(&one, Arc::new(SystemClock::new())).expect("good rules"));
    let first = thread::spawn({
        let (net, url) = (net.clone(), server.url("/"));
        move || net.send(&Request::get(&url))
    });
    arrived.recv().expect("the first request arrives");
    let second = net.send(&Request { timeout: Duration::from_millis(100), ..post(&server.url("/")) });
    assert!(matches!(second, Err(NetworkError::NotSent(_))), "{second:?}");
    go.send(()).expect("the server listens");
    assert_eq!(first.join().expect("no panic").expect("an answer").status, 200);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn requests_to_one_host_keep_their_distance() {
    let server = Server::new(|_, _, stream| stream.write_all(&ok("x")).expect("sent"));
    let clock = SystemClock::new();
    let spaced = Rules { spacing: Duration::from_millis(60), ..rules(&[server.rule()]) };
    let net = Egress::new(&spaced, Arc::new(SystemClock::new())).expect("good rules");
    let before = clock.monotonic();
    (0..3).for_each(|_| assert!(net.send(&Request::get(&server.url("/"))).is_ok()));
    assert!(clock.monotonic() - before >= Duration::from_millis(120));
}

#[test]
fn what_cannot_be_sent_is_refused_before_anything_is_built() {
    let net = egress(&[]);
    let get = || Request::get("https://a.example/");
    for request in [
        Request::get("not a url"),
        Request { method: "CONNECT".into(), ..get() },
        Request { method: "GET /x".into(), ..get() },
        get().header("Host", "b.example"),
        get().header("Content-Length", "3"),
        get().header("X", "a\r\nY: b"),
        get().header("a b", "c"),
    ] {
        assert!(matches!(net.send(&request), Err(NetworkError::Forbidden(_))), "{request:?}");
    }
    assert!(net.engine.lock().expect("not poisoned").runtime.is_none());
}

#[test]
fn it_can_be_called_and_dropped_inside_a_runtime() {
    let server = Server::saying(ok("fine"));
    let rule = server.rule();
    let url = server.url("/");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let status = runtime.block_on(async move { egress(&[rule]).send(&Request::get(&url)).map(|r| r.status) });
    assert_eq!(status, Ok(200));
}

fn place(host: &str, paths: &[&str]) -> Place {
    let paths = paths.iter().map(|p| (*p).to_owned()).collect();
    Place { host: host.into(), plain: true, methods: vec!["GET".into()], paths }
}

fn reach(places: Vec<Place>) -> Option<Arc<Reach>> {
    Some(Arc::new(Reach { places, of: "bluesky".into() }))
}

fn sealed(request: Request, headers: &[(&str, &str)]) -> Request {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), Secret::new(*v))).collect();
    Request { sealed: Sealed { headers, ..Sealed::default() }, ..request }
}

/// What must never be told.
const SECRET: &str = "s3cret-t0ken";

fn silent(answer: &Result<Response, NetworkError>) {
    assert!(!format!("{answer:?}").contains(SECRET), "{answer:?}");
    if let Err(error) = answer {
        assert!(!error.to_string().contains(SECRET), "{error}");
    }
}

#[test]
fn rights_are_checked_before_the_first_byte() {
    let server = Server::saying(ok("x"));
    let net = egress(&[server.rule()]);
    let granted = reach(vec![place(&server.rule(), &["/a/*"])]);
    let ask = |request: Request| net.send(&Request { reach: granted.clone(), ..request });
    assert!(ask(Request::get(&server.url("/a/b"))).is_ok());
    for request in [
        Request::get(&server.url("/b")),
        Request::get(&server.url("/a/../b")),
        Request::get(&server.url("/a/..%2fb")),
        Request::get("https://example.com/a/b"),
        post(&server.url("/a/b")),
        Request { method: "HEAD".into(), ..Request::get(&server.url("/a/b")) },
    ] {
        let answer = ask(request);
        assert!(matches!(&answer, Err(NetworkError::Forbidden(text)) if text.contains("The plugin bluesky")), "{answer:?}");
    }
    assert_eq!(server.seen().len(), 1);
    let nowhere = net.send(&Request { reach: reach(Vec::new()), ..Request::get(&server.url("/")) });
    assert!(matches!(nowhere, Err(NetworkError::Forbidden(_))), "no place is no right");
}

#[test]
fn a_right_to_call_is_no_way_around_the_owners_list_of_private_places() {
    let server = Server::saying(ok("x"));
    let everywhere = reach(vec![place(&server.rule(), &["/*"]), place(&format!("localhost:{}", server.port), &["/*"])]);
    for url in [server.url("/"), format!("http://localhost:{}/", server.port)] {
        let answer = egress(&[]).send(&Request { reach: everywhere.clone(), ..Request::get(&url) });
        assert!(matches!(&answer, Err(NetworkError::Forbidden(text)) if text.contains("allow_private")), "{answer:?}");
    }
    assert!(server.seen().is_empty());
}

#[test]
fn a_redirect_leads_to_granted_places_only_and_the_secret_stays_behind() {
    let last = Server::saying(ok("there"));
    for (to, granted) in [("/yes", true), ("/no", false), ("/yes/../no", false), ("/yes%2f..%2fno", false)] {
        let to = last.url(to);
        let first = Server::saying(redirect(302, &to));
        let net = egress(&[first.rule(), last.rule()]);
        let request = Request {
            reach: reach(vec![place(&first.rule(), &["/*"]), place(&last.rule(), &["/yes"])]),
            ..Request::get(&first.url("/")).header("Accept", "text/plain")
        };
        let answer = net.send(&sealed(request, &[("Authorization", SECRET), ("X-Key", SECRET), ("Accept-Language", SECRET)]));
        silent(&answer);
        assert_eq!(first.seen()[0].matches(SECRET).count(), 3);
        match answer {
            Ok(response) if granted => assert_eq!(response.body, b"there"),
            Err(NetworkError::Forbidden(text)) if !granted => assert!(text.contains("The plugin bluesky"), "{text}"),
            other => panic!("{to}: {other:?}"),
        }
    }
    let seen = last.seen();
    assert_eq!(seen.len(), 1);
    assert!(!seen[0].contains(SECRET) && seen[0].contains("accept: text/plain"), "{}", seen[0]);
}

#[test]
fn a_redirect_into_an_ungranted_host_or_a_private_one_is_refused() {
    let inner = Server::saying(ok("inside"));
    for (allowed, to) in [(true, inner.url("/")), (false, inner.url("/")), (false, "http://169.254.169.254/latest".to_owned())] {
        let first = Server::saying(redirect(307, &to));
        let mut allow = vec![first.rule()];
        allow.extend(allowed.then(|| inner.rule()));
        // Where the owner allows the place the rights do not, and where the rights do the owner does not.
        let mut places = vec![place(&first.rule(), &["/*"])];
        places.extend((!allowed).then(|| place(&inner.rule(), &["/*"])));
        places.extend((!allowed).then(|| place("169.254.169.254", &["/*"])));
        let answer =
            egress(&allow).send(&sealed(Request { reach: reach(places), ..Request::get(&first.url("/")) }, &[("A", SECRET)]));
        silent(&answer);
        assert!(matches!(answer, Err(NetworkError::Forbidden(_))), "{to}: {answer:?}");
    }
    assert!(inner.seen().is_empty());
}

#[test]
fn a_secret_goes_along_in_the_same_place_and_never_comes_back_after_leaving_it() {
    let way =
        Server::new(|nth, _, stream| stream.write_all(&if nth == 1 { redirect(301, "/b") } else { ok("b") }).expect("sent"));
    let net = egress(&[way.rule()]);
    net.send(&sealed(Request::get(&way.url("/")), &[("Authorization", SECRET)])).expect("an answer");
    assert!(way.seen().iter().all(|r| r.contains(SECRET)), "the same scheme, host and port");

    // Out to another port and back again.
    let (home, away) = (Arc::new(Mutex::new(String::new())), Arc::new(Mutex::new(String::new())));
    let to_away = away.clone();
    let first = Server::new(move |nth, _, stream| {
        let to = to_away.lock().expect("not poisoned").clone();
        stream.write_all(&if nth == 1 { redirect(302, &to) } else { ok("home") }).expect("sent");
    });
    let to_home = home.clone();
    let second = Server::new(move |_, _, stream| {
        stream.write_all(&redirect(302, &to_home.lock().expect("not poisoned"))).expect("sent");
    });
    *home.lock().expect("not poisoned") = first.url("/back");
    *away.lock().expect("not poisoned") = second.url("/away");
    let net = egress(&[first.rule(), second.rule()]);
    let answer = net.send(&sealed(Request::get(&first.url("/")), &[("Authorization", SECRET)])).expect("an answer");
    assert_eq!(answer.body, b"home");
    assert!(first.seen()[0].contains(SECRET) && !first.seen()[1].contains(SECRET) && !second.seen()[0].contains(SECRET));
}

#[test]
fn on_the_way_up_to_https_a_secret_stays_behind() {
    let target = check_url(&Url::parse("https://a.example/").expect("a URL"), &[]).expect("public");
    let request = sealed(Request::get("http://a.example/").header("Cookie", "x"), &[("Authorization", SECRET)]);
    let mut request = Prepared::new(&request).expect("good");
    follow(&mut request, &target, 301, "https://a.example/").expect("the way up");
    assert!(request.sealed.is_empty() && request.headers.contains_key("cookie"));
}

#[test]
fn a_secret_in_the_address_or_body_is_sent_and_not_redirected() {
    let base = |server: &Server, path: &str| Request::get(&server.url(path));
    let with_url = |server: &Server| {
        let url = Some(Secret::new(server.url(&format!("/bot{SECRET}/x?key={SECRET}"))));
        Request { sealed: Sealed { url, ..Sealed::default() }, ..base(server, "/bot-/x") }
    };
    let with_body = |server: &Server| {
        let body = Some(Secret::new(format!("password={SECRET}")));
        Request { method: "POST".into(), sealed: Sealed { body, ..Sealed::default() }, ..base(server, "/login") }
    };
    let fine = Server::saying(ok("fine"));
    let net = egress(&[fine.rule()]);
    assert!(net.send(&with_url(&fine)).is_ok() && net.send(&with_body(&fine)).is_ok());
    assert!(fine.seen()[0].starts_with(&format!("GET /bot{SECRET}/x?key={SECRET} HTTP/1.1")));
    assert!(fine.seen()[1].ends_with(&format!("password={SECRET}")));
    for to in ["/same-place".to_owned(), format!("https://evil.example/{SECRET}"), format!("http://[{SECRET}/")] {
        for status in [301, 302, 307] {
            let server = Server::saying(redirect(status, &to));
            let net = egress(&[server.rule()]);
            for request in [with_url(&server), with_body(&server), Request { method: "GET".into(), ..with_body(&server) }] {
                let answer = net.send(&request);
                silent(&answer);
                assert!(matches!(answer, Err(NetworkError::Forbidden(_) | NetworkError::Lost(_))), "{answer:?}");
            }
            assert_eq!(server.seen().len(), 3);
        }
    }
}

#[test]
fn no_error_tells_a_secret() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port that was free").port();
    let mute = Server::saying("");
    let half = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    let noise = Server::saying("nothing like HTTP\r\n\r\n");
    let bad_gzip = Server::saying("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope");
    let net = egress(&["127.0.0.1".into()]);
    for port in [nobody, mute.port, half.port, noise.port, bad_gzip.port] {
        for method in ["GET", "POST"] {
            let url = format!("http://127.0.0.1:{port}/");
            let request = Request {
                method: method.into(),
                sealed: Sealed {
                    headers: vec![("Authorization".into(), Secret::new(SECRET))],
                    url: Some(Secret::new(format!("{url}{SECRET}"))),
                    body: Some(Secret::new(SECRET)),
                },
                ..Request::get(&url)
            };
            assert!(!format!("{request:?}").contains(SECRET));
            let answer = net.send(&request);
            assert!(answer.is_err(), "{answer:?}");
            silent(&answer);
        }
    }
    for wrong in [
        sealed(Request::get("https://a.example/"), &[("Authorization", "s3cret-t0ken\r\nX: y")]),
        sealed(Request::get("https://a.example/"), &[("Host", SECRET)]),
        Request {
            sealed: Sealed { url: Some(Secret::new(format!("https://{SECRET}.example/"))), ..Sealed::default() },
            ..Request::get("https://a.example/")
        },
        Request {
            sealed: Sealed { url: Some(Secret::new(format!("https://{SECRET}@a.example/"))), ..Sealed::default() },
            ..Request::get("https://a.example/")
        },
        Request { sealed: Sealed { url: Some(Secret::new(SECRET)), ..Sealed::default() }, ..Request::get("https://a.example/") },
    ] {
        let answer = net.send(&wrong);
        assert!(matches!(answer, Err(NetworkError::Forbidden(_))), "{answer:?}");
        silent(&answer);
    }
}

#[test]
fn the_plugins_own_header_gives_way_to_the_secret() {
    let server = Server::saying(ok("x"));
    let request = Request::get(&server.url("/")).header("authorization", "mine").header("X-Other", "mine");
    egress(&[server.rule()]).send(&sealed(request, &[("Authorization", SECRET)])).expect("an answer");
    let seen = server.seen()[0].to_ascii_lowercase();
    assert_eq!(seen.matches("authorization:").count(), 1, "{seen}");
    assert!(seen.contains(&format!("authorization: {SECRET}")) && seen.contains("x-other: mine"));
}

#[test]
fn a_post_without_a_body_says_so() {
    let server = Server::saying(ok("x"));
    egress(&[server.rule()]).send(&Request { method: "POST".into(), ..Request::get(&server.url("/")) }).expect("an answer");
    assert!(server.seen()[0].to_ascii_lowercase().contains("content-length: 0"), "{}", server.seen()[0]);
}

/// Answers names from a list, in turn; the last answer stays.
fn names(answers: Vec<Vec<&str>>) -> (Lookup, Arc<AtomicUsize>) {
    let parsed: Vec<Vec<std::net::SocketAddr>> = answers
        .into_iter()
        .map(|a| a.into_iter().map(|ip| (ip.parse::<std::net::IpAddr>().expect("an address"), 0).into()).collect())
        .collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let lookup: Lookup = Arc::new(move |_| {
        let nth = count.fetch_add(1, Ordering::SeqCst);
        let answer = parsed[nth.min(parsed.len() - 1)].clone();
        Box::pin(async move { Ok(answer) })
    });
    (lookup, asked)
}

/// A server on another address of this machine than 127.0.0.1, which stands for a public one, and its port.
fn elsewhere(answer: Vec<u8>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.2:0").expect("a free port");
    let (port, seen) = (listener.local_addr().expect("bound").port(), Arc::new(Mutex::new(Vec::new())));
    let log = seen.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let act = |_: usize, _: &str, stream: &mut TcpStream| {
                let _ = stream.write_all(&answer);
                let _ = stream.shutdown(Shutdown::Both);
            };
            serve(stream, &act, &log);
        }
    });
    (port, seen)
}

#[test]
fn of_a_mixed_answer_only_the_permitted_addresses_are_connected() {
    let (port, seen) = elsewhere(ok("outside"));
    // Nobody may connect here, though the name leads here first.
    let inside = TcpListener::bind(("127.0.0.1", port)).expect("the same port on another address");
    inside.set_nonblocking(true).expect("set");
    let (lookup, _) = names(vec![vec!["127.0.0.1", "10.0.0.1", "127.0.0.2", "::1"]]);
    let net = Egress::asking(&rules(&[format!("127.0.0.2:{port}")]), Arc::new(SystemClock::new()), lookup).expect("good rules");
    let url = format!("http://mixed.example:{port}/");
    for request in [Request::get(&url), post(&url)] {
        assert_eq!(net.send(&request).expect("an answer").body, b"outside");
    }
    assert_eq!(seen.lock().expect("not poisoned").len(), 2);
    assert!(inside.accept().is_err(), "the private address was connected");
}

#[test]
fn a_name_that_turns_private_between_two_answers_is_not_followed() {
    let (port, seen) = elsewhere(ok("outside"));
    let inside = TcpListener::bind(("127.0.0.1", port)).expect("the same port on another address");
    inside.set_nonblocking(true).expect("set");
    let (lookup, asked) = names(vec![vec!["127.0.0.2"], vec!["127.0.0.1"]]);
    let net = Egress::asking(&rules(&[format!("127.0.0.2:{port}")]), Arc::new(SystemClock::new()), lookup).expect("good rules");
    let url = format!("http://rebinding.example:{port}/");
    assert_eq!(net.send(&post(&url)).expect("an answer").body, b"outside");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "what was checked is what was connected: nobody asked twice");
    let answer = net.send(&post(&url));
    assert!(matches!(&answer, Err(NetworkError::Forbidden(text)) if text.contains("127.0.0.1")), "{answer:?}");
    assert_eq!(seen.lock().expect("not poisoned").len(), 1);
    assert!(inside.accept().is_err(), "the private address was connected");
}

#[test]
fn a_redirect_to_a_name_that_leads_inside_is_refused() {
    let inner = Server::saying(ok("inside"));
    let first = Server::saying(redirect(302, &format!("http://sly.example:{}/", inner.port)));
    let (lookup, _) = names(vec![vec!["127.0.0.1"]]);
    let net = Egress::asking(&rules(&[first.rule()]), Arc::new(SystemClock::new()), lookup).expect("good rules");
    let everywhere = vec![place(&first.rule(), &["/*"]), place(&format!("sly.example:{}", inner.port), &["/*"])];
    let answer = net.send(&Request { reach: reach(everywhere), ..Request::get(&first.url("/")) });
    assert!(matches!(&answer, Err(NetworkError::Forbidden(text)) if text.contains("sly.example")), "{answer:?}");
    assert!(inner.seen().is_empty());
}
