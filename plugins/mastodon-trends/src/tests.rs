//! The plugin against answers as Mastodon gives them.

use super::*;
use beffroi_plugin::fake::{Answer, Host};

fn host(kind: &str, language: &str) -> Host {
    Host::new().settings(json!({ "service": "https://mastodon.example/", "kind": kind, "count": 30, "language": language }))
}

fn on(kind: &str) -> String {
    format!("GET https://mastodon.example/api/v1/trends/{kind}")
}

fn attribute<'a>(signal: &'a Signal, name: &str) -> Option<&'a str> {
    signal.attributes.iter().find(|a| a.name == name).map(|a| a.value.as_str())
}

#[test]
fn links_have_their_counts_which_are_text() {
    let links = json!([
        { "url": "https://a.example/x", "title": "Bread &amp; butter", "description": "<p>Long", "language": "fr-FR", "provider_name": "A", "published_at": "2026-11-21T08:00:00.000Z",
          "history": [{ "day": "1795305600", "accounts": "12", "uses": "15" }, { "day": "1795219200", "accounts": "3", "uses": "4" }, { "day": "1795132800", "accounts": "99", "uses": "99" }] },
        { "url": "https://b.example", "title": "Deutsch", "language": "de", "history": [] },
        { "title": "no address" },
    ]);
    let host = host("links", "fr").answer(&on("links"), Answer::json(200, links));
    let page = host.run(|| Trends::poll(None)).expect("read");
    assert_eq!(page.signals.len(), 1);
    let signal = &page.signals[0];
    assert_eq!(
        (signal.id.as_str(), signal.title.as_str(), signal.summary.as_str()),
        ("https://a.example/x", "Bread & butter", "Long")
    );
    assert_eq!(
        (attribute(signal, "weight"), attribute(signal, "uses"), attribute(signal, "provider")),
        (Some("15"), Some("19"), Some("A"))
    );
    assert!(signal.published.is_some());
    assert!(host.requests()[0].url.ends_with("/links?limit=20"), "the server gives no more");
}

#[test]
fn a_tag_is_news_again_another_day() {
    let tags = |day: &str| json!([{ "name": "Pain", "url": "https://mastodon.example/tags/Pain", "history": [{ "day": day, "accounts": "2", "uses": "3" }] }]);
    let host = host("tags", "fr")
        .answer(&on("tags"), Answer::json(200, tags("1795305600")))
        .answer(&on("tags"), Answer::json(200, tags("1795392000")))
        .answer(&on("tags"), Answer::json(200, json!([{ "name": "Pain" }])));
    let ids: Vec<String> = (0..3).map(|_| host.run(|| Trends::poll(None)).expect("read").signals[0].id.clone()).collect();
    assert_eq!(ids, ["#pain/2026-11-22", "#pain/2026-11-23", "#pain/2026-01-01"]);
}

#[test]
fn statuses_are_plain_text_and_sensitive_ones_are_left_out() {
    let statuses = json!([
        { "uri": "https://m.example/1", "url": "https://m.example/@a/1", "content": "<p>Hello <a href=\"x\">#<span>bread</span></a></p><p>More</p>", "created_at": "2026-11-21T08:00:00.000Z",
          "reblogs_count": 5, "favourites_count": 7, "language": "fr", "account": { "acct": "a@m.example" }, "sensitive": false },
        { "uri": "https://m.example/2", "content": "<p>hidden</p>", "sensitive": true },
        { "uri": "https://m.example/3", "content": "", "sensitive": false },
    ]);
    let host = host("statuses", "").answer(&on("statuses"), Answer::json(200, statuses));
    let page = host.run(|| Trends::poll(None)).expect("read");
    assert_eq!(page.signals.len(), 1);
    let signal = &page.signals[0];
    assert_eq!((signal.title.as_str(), signal.summary.as_str()), ("Hello #bread", "Hello #bread\nMore"));
    assert_eq!((attribute(signal, "weight"), attribute(signal, "author")), (Some("12"), Some("a@m.example")));
}

#[test]
fn a_server_without_trends_or_in_trouble_is_told_apart() {
    let cases = [
        (Answer::status(401), "trends-closed"),
        (Answer::json(422, json!({ "error": "This method requires an authenticated user" })), "trends-closed"),
        (Answer::text(404, "<html>"), "no-trends"),
        (Answer::status(503), "http-503"),
        (Answer::status(429), "http-429"),
        (Answer::text(200, "[{\"url\":"), "answer"),
        (Answer::json(200, json!({ "error": "?" })), "no-list"),
        (Answer::lost(), "lost"),
    ];
    for (answer, code) in cases {
        let host = host("links", "").answer(&on("links"), answer);
        assert_eq!(host.run(Trends::check).map_err(|e| e.code().to_owned()), Err(code.into()));
    }
    let empty = host("links", "").answer(&on("links"), Answer::json(200, json!([])));
    assert_eq!(empty.run(Trends::check), Ok("mastodon.example".into()));
}
