//! What answers, and missing answers, mean to the daemon; and what is said to the owner.

use beffroi_plugin::fake::{Answer, Host};
use beffroi_plugin::http;
use beffroi_plugin::prelude::*;

const NOW: u64 = 1_774_734_600_000;
const PLACE: &str = "https://api.example.com/things";

fn meaning(error: &Error) -> &'static str {
    match error {
        Error::Retry(_) => "retry",
        Error::Reconnect(_) => "reconnect",
        Error::Reject(_) => "reject",
        Error::Uncertain(_) => "uncertain",
        Error::Internal(_) => "internal",
    }
}

fn failed(method: &str, harmless: bool, answer: Answer, language: &str) -> Error {
    let host = Host::new().now(NOW).language(language).answer(&format!("{method} {PLACE}"), answer);
    let request = http::request(method, PLACE);
    let request = if harmless { request.harmless() } else { request };
    host.run(|| request.send()).expect_err("this is no answer to go on with")
}

#[test]
fn each_status_has_one_meaning() {
    let table: &[(u16, &str, &str)] = &[
        (302, "reject", "reject"),
        (400, "reject", "reject"),
        (401, "reconnect", "reconnect"),
        (403, "reconnect", "reconnect"),
        (404, "reject", "reject"),
        (408, "retry", "retry"),
        (409, "reject", "reject"),
        (410, "reject", "reject"),
        (413, "reject", "reject"),
        (422, "reject", "reject"),
        (425, "retry", "retry"),
        (429, "retry", "retry"),
        (500, "retry", "uncertain"),
        (502, "retry", "uncertain"),
        (503, "retry", "uncertain"),
        (504, "retry", "uncertain"),
    ];
    for &(status, harmless, otherwise) in table {
        for (method, marked, expected) in [
            ("GET", false, harmless),
            ("HEAD", false, harmless),
            ("POST", true, harmless),
            ("PUT", true, harmless),
            ("POST", false, otherwise),
            ("PUT", false, otherwise),
            ("DELETE", false, otherwise),
        ] {
            let error = failed(method, marked, Answer::status(status), "en");
            assert_eq!(meaning(&error), expected, "{method} {status}");
            assert_eq!(error.code(), format!("http-{status}"));
        }
    }
}

#[test]
fn owners_read_whole_sentences_with_a_remedy_in_their_language() {
    for status in [302, 400, 401, 403, 404, 408, 410, 422, 425, 429, 500, 503] {
        for method in ["GET", "POST"] {
            let (fr, en) = (
                failed(method, false, Answer::status(status), "fr").message().to_owned(),
                failed(method, false, Answer::status(status), "en").message().to_owned(),
            );
            for text in [&fr, &en] {
                assert!(text.starts_with("api.example.com "), "{text}");
                assert!(text.ends_with('.') && text.matches(". ").count() == 1, "what happened, then what to do: {text}");
                assert!(!text.contains("things"), "no addresses: {text}");
            }
            assert!(fr.contains(&format!("(réponse {status})")) && en.contains(&format!("(answer {status})")), "{fr} {en}");
        }
    }
}

#[test]
fn answers_that_are_good_are_no_errors() {
    for status in [200, 201, 202, 204, 304] {
        let host = Host::new().answer(&format!("POST {PLACE}"), Answer::status(status));
        assert_eq!(host.run(|| http::post(PLACE).send()).map(|r| r.status), Ok(status));
    }
}

#[test]
fn a_missing_answer_means_what_may_have_happened() {
    use http::Error as E;
    let text = || "The host says why.".to_owned();
    let table = [
        (E::NotAllowed(text()), "reject", "reject", "not-allowed"),
        (E::NoCredential(text()), "reconnect", "reconnect", "no-credential"),
        (E::NotSent(text()), "retry", "retry", "not-sent"),
        (E::Lost(text()), "retry", "uncertain", "lost"),
        (E::TooLarge(text()), "reject", "uncertain", "too-large"),
        (E::Exhausted((text(), Some(NOW + 5))), "retry", "retry", "exhausted"),
        (E::Exhausted((text(), None)), "retry", "retry", "exhausted"),
    ];
    for (error, harmless, otherwise, code) in table {
        for (method, marked, expected) in [("GET", false, harmless), ("POST", true, harmless), ("POST", false, otherwise)] {
            let error = failed(method, marked, Answer::error(error.clone()), "en");
            assert_eq!((meaning(&error), error.code(), error.message()), (expected, code, "The host says why."), "{method}");
        }
    }
    let Error::Retry(retry) = failed("GET", false, Answer::error(E::Exhausted((text(), Some(NOW + 5)))), "en") else {
        panic!("exhausted means later");
    };
    assert_eq!(retry.not_before, Some(NOW + 5));
}

#[test]
fn the_wait_is_read_as_services_write_it() {
    let cases = [
        ("retry-after", "30", Some(NOW + 30_000)),
        ("Retry-After", "Sat, 28 Mar 2026 21:51:00 GMT", Some(NOW + 60_000)),
        ("ratelimit-reset", "12", Some(NOW + 12_000)),
        ("RateLimit-Reset", "1774734660", Some(NOW + 60_000)),
        ("x-ratelimit-reset", "1774734660.25", Some(NOW + 61_000)),
        ("x-ratelimit-reset", "1774734660000", Some(NOW + 60_000)),
        ("X-RateLimit-Reset", "2026-03-28T21:51:00.000Z", Some(NOW + 60_000)),
        ("retry-after", "0", Some(NOW)),
        ("retry-after", "soon", None),
        ("retry-after", "-5", None),
        ("retry-after", "", None),
        ("retry-after", ".", None),
        ("retry-after", "99999999999999999999", None),
        ("x-something", "5", None),
    ];
    for (name, value, expected) in cases {
        for status in [429, 503] {
            let Error::Retry(retry) = failed("GET", false, Answer::status(status).header(name, value), "en") else {
                panic!("{status} to a harmless request means later");
            };
            assert_eq!(retry.not_before, expected, "{name}: {value}");
        }
    }
    let both = Answer::status(429).header("x-ratelimit-reset", "9").header("retry-after", "3");
    let Error::Retry(retry) = failed("GET", false, both, "en") else { panic!("429 means later") };
    assert_eq!(retry.not_before, Some(NOW + 3000), "what asks to wait comes before what merely counts");
}

#[test]
fn an_answer_that_makes_no_sense_is_read_again_or_looked_up() {
    for (method, expected) in [("GET", "retry"), ("POST", "uncertain")] {
        let host = Host::new().answer(&format!("{method} {PLACE}"), Answer::text(200, "<html>"));
        let error = host.run(|| http::request(method, PLACE).send()?.json::<Value>()).expect_err("that is no JSON");
        assert_eq!(meaning(&error), expected);
        assert!(error.failure().attributes.iter().any(|a| a.name == "answer" && a.value == "<html>"));
    }
}

#[test]
fn an_error_keeps_a_whole_character_of_a_long_answer() {
    let error = failed("GET", false, Answer::text(400, "é".repeat(1000)), "fr");
    let kept = &error.failure().attributes[0];
    assert_eq!((kept.name.as_str(), kept.value.as_str()), ("answer", "é".repeat(150).as_str()));
}

#[test]
fn requests_leave_as_they_were_built() {
    let any = |method: &str| format!("{method} {PLACE}");
    let host = Host::new()
        .file("film", "video/mp4", vec![7; 10])
        .answer(&any("GET"), Answer::status(204))
        .answer(&any("POST"), Answer::status(204));
    let film = host.asset("film");
    host.run(|| {
        http::get(PLACE).query("q", "pain & café").query("n", "5").header("accept", "text/plain").credential("token").send()?;
        http::get("https://api.example.com/things?a=1#end").query("b", "2").send()?;
        http::post(PLACE).json(&json!({ "text": "Bonjour" })).send()?;
        http::post(PLACE).fields([("a", "x y"), ("b", "é")]).send()?;
        http::post(PLACE).file(&film).send()?;
        http::post(PLACE).form([http::part("text", "Bonjour"), http::part_file("film", &film)]).send()
    })
    .expect("all are answered");
    let sent = host.requests();
    assert_eq!(sent[0].url, "https://api.example.com/things?q=pain%20%26%20caf%C3%A9&n=5");
    assert_eq!((sent[0].header("Accept"), sent[0].credential.as_deref()), (Some("text/plain"), Some("token")));
    assert_eq!(sent[1].url, "https://api.example.com/things?a=1&b=2#end");
    assert_eq!((sent[2].header("content-type"), sent[2].json()), (Some("application/json"), json!({ "text": "Bonjour" })));
    assert_eq!(sent[3].text(), "a=x%20y&b=%C3%A9");
    assert_eq!((sent[4].file(), sent[4].header("content-type")), (Some("film"), Some("video/mp4")));
    assert_eq!((sent[5].part("text").as_deref(), sent[5].part("film").as_deref()), (Some("Bonjour"), Some("film")));
    assert_eq!(sent[5].parts()[1].filename.as_deref(), Some("file.mp4"));
}

#[test]
fn a_value_that_is_no_json_stays_at_home() {
    let host = Host::new();
    let odd = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = host.run(|| http::post(PLACE).json(&odd).send()).expect_err("keys of JSON are texts");
    assert_eq!((meaning(&error), host.requests().len()), ("internal", 0));
}
