//! Where a plugin may send: every way to write an address, judged as it is sent.

use super::*;
use proptest::prelude::*;

#[test]
fn answers_come_in_order_and_the_last_one_stays() {
    let net = ScriptedNetwork::new();
    let ok = |n| Ok(Response { status: n, ..Response::default() });
    net.answer("GET https://a.example/x", ok(500));
    net.answer("GET https://a.example/x", ok(200));
    let ask = || net.send(&Request::get("https://a.example/x?page=2")).expect("scripted").status;
    assert_eq!([ask(), ask(), ask()], [500, 200, 200]);
    assert!(matches!(net.send(&Request::get("https://b.example/")), Err(NetworkError::NotSent(_))));
    assert_eq!(net.requests().len(), 4);
}

fn place(host: &str, paths: &[&str]) -> Place {
    let paths = paths.iter().map(|p| (*p).to_owned()).collect();
    Place { host: host.into(), plain: false, methods: vec!["GET".into()], paths }
}

fn reach(host: &str, paths: &[&str]) -> Reach {
    Reach { places: vec![place(host, paths)], of: "bluesky".into() }
}

fn reaches(host: &str, paths: &[&str], url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| reach(host, paths).allows("GET", &url).is_ok())
}

fn names(host: &str, url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| place(host, &[]).names(&url))
}

#[test]
fn a_host_is_that_host_however_it_is_written() {
    for (host, url) in [
        ("api.example.com", "https://api.example.com/"),
        ("API.Example.com", "https://api.eXample.COM/"),
        ("api.example.com", "https://api.example.com./"),
        ("api.example.com.", "https://api.example.com/"),
        ("api.example.com", "https://api.example.com:443/"),
        ("api.example.com:443", "https://api.example.com/"),
        ("api.example.com:8443", "https://api.example.com:8443/"),
        ("api.example.com", "https://api%2eexample.com/"),
        ("api.example.com", "https://ａｐｉ.example。com/"),
        ("bücher.example", "https://xn--bcher-kva.example/"),
        ("xn--bcher-kva.example", "https://BÜCHER.example/"),
        ("93.184.216.34", "https://0x5db8d822/"),
        ("[2606:4700::1]", "https://[2606:4700:0::0001]/"),
        ("[2606:4700::1]:8443", "https://[2606:4700::1]:8443/"),
        ("*.example.com", "https://a.example.com/"),
        ("*.example.com", "https://a.b.EXAMPLE.com./"),
        ("*.bücher.example", "https://a.xn--bcher-kva.example/"),
        ("*.example.com:8443", "https://a.example.com:8443/"),
    ] {
        assert!(names(host, url), "{host} does not name {url}");
    }
}

#[test]
fn no_other_host_is() {
    for (host, url) in [
        ("api.example.com", "http://api.example.com/"),
        ("api.example.com", "http://api.example.com:443/"),
        ("api.example.com", "https://api.example.com:80/"),
        ("api.example.com", "https://api.example.com:8443/"),
        ("api.example.com:8443", "https://api.example.com/"),
        ("api.example.com", "https://user@api.example.com/"),
        ("api.example.com", "https://user:pw@api.example.com/"),
        ("api.example.com", "https://api.example.com@evil.example/"),
        ("api.example.com", "https://api.example.com.evil.example/"),
        ("api.example.com", "https://evilapi.example.com/"),
        ("api.example.com", "https://example.com/"),
        ("api.example.com", "https://api.example.com../"),
        ("api.example.com", "https://аpi.example.com/"),
        ("api.example.com", "wss://api.example.com/"),
        ("api.example.com", "ftp://api.example.com/"),
        ("api.example.com:0", "https://api.example.com:0/"),
        ("api.example.com:99999", "https://api.example.com:0/"),
        ("api.example.com:99999", "https://api.example.com/"),
        ("api.example.com:", "https://api.example.com/"),
        ("*.example.com", "https://example.com/"),
        ("*.example.com", "https://.example.com/"),
        ("*.example.com", "https://..example.com/"),
        ("*.example.com", "https://a..example.com/"),
        ("*.example.com", "https://evilexample.com/"),
        ("*.example.com", "https://a.example.com.evil.example/"),
        ("*.0.0.1", "https://127.0.0.1/"),
        ("*", "https://a.example/"),
        ("*.", "https://a.example/"),
        ("*.*", "https://a.example/"),
        ("", "https://a.example/"),
        ("a*.example.com", "https://ab.example.com/"),
        ("127.0.0.1", "https://[::ffff:127.0.0.1]/"),
        ("::1", "https://[::1]/"),
    ] {
        assert!(!names(host, url), "{host} names {url}");
    }
}

#[test]
fn plain_http_is_for_places_that_may() {
    let plain = |host: &str| Place { plain: true, ..place(host, &["/*"]) };
    let url = |text: &str| Url::parse(text).expect("a URL");
    assert!(plain("nas.local").names(&url("http://nas.local/")) && plain("nas.local").names(&url("https://nas.local/")));
    assert!(plain("nas.local:8080").names(&url("http://nas.local:8080/")));
    assert!(!plain("nas.local").names(&url("http://nas.local:443/")));
    assert!(plain("[::1]:8080").names(&url("http://[::1]:8080/")));
}

#[test]
fn a_path_is_judged_as_servers_may_read_it() {
    for (paths, path) in [
        (&["/xrpc/*"][..], "/xrpc/a"),
        (&["/xrpc/*"], "/xrpc/"),
        (&["/xrpc/*"], "/x/../xrpc/a"),
        (&["/xrpc/*"], "/x/%2e%2E/xrpc/a?b=/../../admin"),
        (&["/xrpc/*"], "/xrpc/a%2Fb"),
        (&["/xrpc/*"], "/xrpc//a"),
        (&["/xrpc/*"], "/xrpc/a.b..c"),
        (&["/xrpc/*"], "/%78rpc/a"),
        (&["/xrpc/*"], "\\xrpc\\a"),
        (&["/xrpc/*"], "/xrpc/100%25"),
        (&["/xrpc/*"], "/xrpc/%E9t%C3%A9"),
        (&["/a", "/b"], "/b"),
        (&["/a"], "/%61"),
        (&["/é/*"], "/%c3%a9/x"),
        (&["/caf%c3%a9"], "/café"),
        (&["/bot{token}/*"], "/bot{token}/send"),
        (&["/bot{token}/*"], "/bot%7btoken%7d/send"),
        (&["/a b"], "/a%20b"),
        (&["/*"], "//x//y"),
        (&["/~me"], "/%7Eme"),
    ] {
        assert!(reaches("a.example", paths, &format!("https://a.example{path}")), "{paths:?} does not reach {path}");
    }
    for (paths, path) in [
        (&["/xrpc/*"][..], "/admin"),
        (&["/xrpc/*"], "/xrpc"),
        (&["/xrpc/*"], "/xrpc/../admin"),
        (&["/xrpc/*"], "/xrpc/%2e%2e/admin"),
        (&["/xrpc/*"], "/xrpc/.%2E/admin"),
        (&["/xrpc/*"], "/xrpc/..%2fadmin"),
        (&["/xrpc/*"], "/xrpc/..%5Cadmin"),
        (&["/xrpc/*"], "/xrpc/%252e%252e/admin"),
        (&["/xrpc/*"], "/xrpc/%252e%252e%252fadmin"),
        (&["/xrpc/*"], "/xrpc/%25252e%25252e%25252fadmin"),
        (&["/xrpc/*"], "/xrpc/%2525252525252e"),
        (&["/xrpc/*"], "/xrpc/..;/admin"),
        (&["/xrpc/*"], "/xrpc/..;a=b/admin"),
        (&["/xrpc/*"], "/xrpc/a%00"),
        (&["/xrpc/*"], "/xrpc/a%0d%0aX:y"),
        (&["/xrpc/*"], "//xrpc/a"),
        (&["/xrpc/*"], "/Xrpc/a"),
        (&["/a"], "/a/"),
        (&["/a"], "/ab"),
        (&["/a/b"], "/a%2Fb"),
        (&["*"], "/a"),
        (&[""], "/"),
        (&["xrpc/*"], "/xrpc/a"),
        (&["/x?*"], "/x?a"),
        (&[], "/"),
    ] {
        assert!(!reaches("a.example", paths, &format!("https://a.example{path}")), "{paths:?} reaches {path}");
    }
}

#[test]
fn a_refusal_says_what_would_help() {
    let refusal = |method: &str, url: &str| {
        reach("a.example", &["/x/*"]).allows(method, &Url::parse(url).expect("a URL")).expect_err("refused")
    };
    let text = refusal("POST", "https://a.example:8443/y?q=1");
    assert!(
        text.ends_with(r#"[[http]] host = "a.example:8443", methods = ["POST"], paths = ["/y"]"#) && text.contains("bluesky"),
        "{text}"
    );
    assert!(refusal("GET", "http://a.example/x/").contains("https://"));
    assert!(refusal("GET", "https://me:pw@a.example/x/").contains("before the @"));
    assert!(!refusal("GET", "https://me:pw@a.example/x/").contains("pw@"));
    assert!(refusal("GET", "https://a.example/x/..%2fy").contains("lead out"));
    for method in ["get", "HEAD", "Get", ""] {
        assert!(reach("a.example", &["/x/*"]).allows(method, &Url::parse("https://a.example/x/").expect("a URL")).is_err());
    }
}

/// Undoes every escape again and again, then climbs as a careless server would.
fn careless(path: &str) -> String {
    let mut read = path.to_owned();
    loop {
        let next = undo(&read, |_| true);
        if next == read {
            break;
        }
        read = next;
    }
    let mut out: Vec<&str> = Vec::new();
    for segment in read.split(['/', '\\']).filter(|s| !s.is_empty()) {
        match segment.split(';').next() {
            Some("..") => drop(out.pop()),
            Some(".") => {}
            _ => out.push(segment),
        }
    }
    format!("/{}", out.join("/"))
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("/".to_owned()),
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just("%2e".to_owned()),
        Just("%2E".to_owned()),
        Just("%2f".to_owned()),
        Just("%5c".to_owned()),
        Just("\\".to_owned()),
        Just("%25".to_owned()),
        Just("2e".to_owned()),
        Just("2f".to_owned()),
        Just(";".to_owned()),
        Just("%".to_owned()),
        Just("in".to_owned()),
        Just("é".to_owned()),
        "[a-zA-Z0-9._~%/-]{1,4}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_granted_leads_out_of_its_prefix(pieces in prop::collection::vec(piece(), 0..12)) {
        let url = format!("https://a.example/in/{}", pieces.concat());
        if reaches("a.example", &["/in/*"], &url) {
            let sent = Url::parse(&url).expect("it was granted");
            let read = careless(sent.path());
            prop_assert!(read == "/in" || read.starts_with("/in/"), "{} is read as {}", sent, read);
        }
    }

    #[test]
    fn any_address_is_judged_without_a_fault(url in "\\PC{0,60}", host in "\\PC{0,20}", path in "\\PC{0,20}") {
        for url in [url.clone(), format!("https://{url}"), format!("https://a.example/{url}")] {
            if let Ok(url) = Url::parse(&url) {
                let _ = reach(&host, &[&path]).allows("GET", &url);
            }
        }
    }

    #[test]
    fn what_a_wildcard_names_ends_with_its_name(head in "[a-z0-9.%@:/#?\\\\-]{0,12}", rest in "[a-z]{1,5}\\.example") {
        let url = format!("https://{head}{rest}/");
        if names(&format!("*.{rest}"), &url) {
            let sent = Url::parse(&url).expect("it was named");
            let there = sent.host_str().expect("a host");
            let label = there.strip_suffix(&format!(".{rest}"));
            prop_assert!(label.is_some_and(|l| !l.is_empty() && !l.starts_with('.') && !l.ends_with('.')), "{}", sent);
        }
    }

    #[test]
    fn exactly_this_host_and_port_is_named(
        host in "[a-z]{1,3}\\.[a-z]{2}", other in "[a-z]{1,3}\\.[a-z]{2}", port in 1_u16.., there in 1_u16..,
    ) {
        let named = names(&format!("{host}:{port}"), &format!("https://{other}:{there}/"));
        prop_assert_eq!(named, host == other && port == there);
    }

    #[test]
    fn escapes_that_mean_the_same_are_judged_the_same(path in "[a-z0-9._~-]{1,8}", which in any::<u8>()) {
        let written: String = path.bytes().enumerate().map(|(n, b)| {
            if (which >> (n % 8)) & 1 == 1 { format!("%{b:02x}") } else { char::from(b).to_string() }
        }).collect();
        let pattern = format!("/in/{path}");
        let url = format!("https://a.example/in/{written}");
        // In an address, a segment of dots means another path, and so it does in a pattern.
        prop_assume!(path != "." && path != "..");
        prop_assert!(reaches("a.example", &[&pattern], &url));
    }
}
