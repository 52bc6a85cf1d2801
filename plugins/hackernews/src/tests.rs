//! The plugin against answers as the search service gives them.

use super::*;
use beffroi_plugin::fake::{Answer, Host};

fn host(list: &str) -> Host {
    Host::new()
        .now(1_767_265_200_000)
        .settings(json!({ "list": list, "query": " rust ", "points": 50, "hours": 48, "count": 30 }))
}

const TOP: &str = "GET https://hn.algolia.com/api/v1/search";
const NEW: &str = "GET https://hn.algolia.com/api/v1/search_by_date";

#[test]
fn the_front_page_is_one_request() {
    let hits = json!({ "hits": [
        { "objectID": "1", "title": "A &amp; B", "url": "https://a.example", "points": 120, "num_comments": 30, "author": "pg", "created_at_i": 1_767_000_000, "story_text": null },
        { "objectID": "2", "title": "Ask HN: bread?", "url": null, "points": 60, "story_text": "<p>Which &lt;flour&gt;?" },
        { "objectID": "3", "title": null },
        { "title": "no number" },
        "garbage",
    ]});
    let host = host("top").answer(TOP, Answer::json(200, hits));
    let page = host.run(|| HackerNews::poll(None)).expect("read");
    assert_eq!(page.signals.len(), 2);
    let first = &page.signals[0];
    assert_eq!((first.id.as_str(), first.title.as_str(), first.url.as_deref()), ("1", "A & B", Some("https://a.example")));
    assert_eq!(first.published, Some(1_767_000_000_000));
    assert!(first.attributes.contains(&Attribute::new("weight", "120")));
    assert!(first.attributes.contains(&Attribute::new("discussion", "https://news.ycombinator.com/item?id=1")));
    let second = &page.signals[1];
    assert_eq!(
        (second.url.as_deref(), second.summary.as_str()),
        (Some("https://news.ycombinator.com/item?id=2"), "Which <flour>?")
    );
    assert_eq!((page.next, page.unchanged), (None, false));
    let url = &host.requests()[0].url;
    assert!(url.ends_with("?tags=front_page&hitsPerPage=30&query=rust&numericFilters=points%3E%3D50"), "{url}");
}

#[test]
fn recent_stories_are_looked_at_again_until_they_are_old() {
    let host = host("new").answer(NEW, Answer::json(200, json!({ "hits": [] })));
    assert_eq!(host.run(|| HackerNews::poll(Some("whatever"))).map(|page| page.signals.len()), Ok(0));
    let url = &host.requests()[0].url;
    assert!(url.contains("tags=story"), "{url}");
    assert!(url.ends_with("numericFilters=points%3E%3D50%2Ccreated_at_i%3E1767092400"), "{url}");
}

#[test]
fn what_is_no_list_is_tried_again() {
    for answer in [
        Answer::text(200, "{\"hits\": [{"),
        Answer::json(200, json!({ "message": "?" })),
        Answer::text(200, ""),
        Answer::status(503),
        Answer::status(429),
        Answer::lost(),
        Answer::not_sent(),
    ] {
        let host = host("top").answer(TOP, answer);
        assert!(matches!(host.run(|| HackerNews::poll(None)), Err(Error::Retry(_))));
    }
    let host = host("top").answer(TOP, Answer::json(400, json!({ "message": "invalid numericFilters" })));
    assert!(matches!(host.run(HackerNews::check), Err(Error::Reject(_))));
}

#[test]
fn settings_out_of_range_are_brought_in() {
    let host = Host::new()
        .settings(json!({ "list": "top", "count": 100_000, "points": 0 }))
        .answer(TOP, Answer::json(200, json!({ "hits": [] })));
    assert_eq!(host.run(HackerNews::check), Ok("Hacker News (0 sujets)".into()));
    assert!(host.requests()[0].url.ends_with("?tags=front_page&hitsPerPage=100"));
}
