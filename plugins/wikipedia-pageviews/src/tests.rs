//! The plugin against answers as Wikimedia gives them.

use super::*;
use beffroi_plugin::fake::{Answer, Host};

/// 2026-11-22T06:00:00Z.
const NOW: u64 = 1_795_327_200_000;

fn host() -> Host {
    Host::new().now(NOW).settings(json!({ "contact": "claire@bakery.example", "project": "fr.wikipedia", "count": 3, "exclude": "Cookie (informatique), " }))
}

fn on(day: &str) -> String {
    format!("GET https://wikimedia.org/api/rest_v1/metrics/pageviews/top/fr.wikipedia/all-access/{day}")
}

fn top(articles: &[(&str, i64)]) -> Answer {
    let articles: Vec<Value> = articles
        .iter()
        .enumerate()
        .map(|(i, (title, views))| json!({ "article": title, "views": views, "rank": i + 1 }))
        .collect();
    Answer::json(200, json!({ "items": [{ "project": "fr.wikipedia", "articles": articles }] }))
}

fn attribute<'a>(signal: &'a Signal, name: &str) -> Option<&'a str> {
    signal.attributes.iter().find(|a| a.name == name).map(|a| a.value.as_str())
}

#[test]
fn articles_stay_and_the_rest_goes() {
    let listed = [
        ("Wikipédia:Accueil_principal", 900),
        ("Spécial:Recherche", 800),
        ("-", 700),
        ("Cookie_(informatique)", 600),
        ("Mission:_Impossible_(film)", 500),
        ("Été", 400),
        ("AC/DC", 300),
        ("Pain", 200),
    ];
    let host = host().answer(&on("2026/11/21"), top(&listed));
    let page = host.run(|| Pageviews::poll(None)).expect("read");
    let titles: Vec<&str> = page.signals.iter().map(|s| s.title.as_str()).collect();
    assert_eq!(titles, ["Mission: Impossible (film)", "Été", "AC/DC"]);
    assert_eq!(page.signals[1].url.as_deref(), Some("https://fr.wikipedia.org/wiki/%C3%89t%C3%A9"));
    assert_eq!(page.signals[2].url.as_deref(), Some("https://fr.wikipedia.org/wiki/AC%2FDC"));
    assert_eq!(page.signals[2].id, "fr.wikipedia/2026-11-21/AC/DC");
    assert_eq!((attribute(&page.signals[0], "rank"), attribute(&page.signals[0], "weight")), (Some("1"), Some("500")));
    assert_eq!(attribute(&page.signals[0], "change"), None, "nothing to compare with yet");
    assert_eq!(page.signals[0].published, Some(NOW / DAY * DAY - DAY));
    assert_eq!(page.next.as_deref(), Some("fr.wikipedia 2026-11-21"));
    let agent = host.requests()[0].header("user-agent").map(str::to_owned);
    assert_eq!(agent.as_deref(), Some("beffroi-wikipedia-pageviews/0.1.0 (claire@bakery.example)"));
}

#[test]
fn a_day_that_is_not_counted_yet_gives_way_to_the_one_before() {
    let host = host()
        .answer(&on("2026/11/21"), Answer::json(404, json!({ "title": "Not found." })))
        .answer(&on("2026/11/20"), top(&[("Pain", 5)]));
    let page = host.run(|| Pageviews::poll(None)).expect("read");
    assert_eq!(page.next.as_deref(), Some("fr.wikipedia 2026-11-20"));
    assert!(!page.unchanged);

    // Asked again: the day before is known, so only the new day is asked for.
    let page = host.run(|| Pageviews::poll(Some("fr.wikipedia 2026-11-20"))).expect("read");
    assert!(page.unchanged && page.signals.is_empty());
    assert_eq!(page.next.as_deref(), Some("fr.wikipedia 2026-11-20"));
    assert_eq!(host.requests().len(), 3);
}

#[test]
fn nothing_is_asked_when_the_newest_day_is_known() {
    let host = host();
    assert_eq!(host.run(|| Pageviews::poll(Some("fr.wikipedia 2026-11-21"))).map(|page| page.unchanged), Ok(true));
    assert!(host.requests().is_empty());
}

#[test]
fn the_change_against_the_last_ranking_is_told() {
    let host = host()
        .answer(&on("2026/11/20"), top(&[("Pain", 100), ("Sel", 50)]))
        .answer(&on("2026/11/21"), Answer::status(404))
        .answer(&on("2026/11/21"), top(&[("Pain", 250), ("Brioche", 80), ("Sel", 40)]));
    host.run(|| Pageviews::poll(None)).expect("read");
    let page = host.run(|| Pageviews::poll(Some("fr.wikipedia 2026-11-20"))).expect("read");
    let changes: Vec<_> = page.signals.iter().map(|s| attribute(s, "change")).collect();
    assert_eq!(changes, [Some("150"), Some("new"), Some("-20")]);
}

#[test]
fn another_project_begins_anew() {
    let host = host().answer(&on("2026/11/21"), top(&[("Pain", 100)]));
    assert_eq!(host.run(|| Pageviews::poll(Some("en.wikipedia 2026-11-21"))).map(|page| page.signals.len()), Ok(1));
}

#[test]
fn trouble_is_tried_again_and_settings_are_checked() {
    for answer in [
        Answer::text(200, "{\"items\":[{\"art"),
        Answer::json(200, json!({ "items": [] })),
        Answer::status(500),
        Answer::status(429),
        Answer::status(403),
        Answer::lost(),
    ] {
        let host = host().answer(&on("2026/11/21"), answer);
        assert!(matches!(host.run(|| Pageviews::poll(None)), Err(Error::Retry(_))));
    }
    let silent = ["21", "20", "19", "18"]
        .iter()
        .fold(host(), |host, day| host.answer(&on(&format!("2026/11/{day}")), Answer::status(404)));
    assert_eq!(silent.run(Pageviews::check).map_err(|e| e.code().to_owned()), Err("nothing-counted".into()));
    let nobody = Host::new().settings(json!({ "contact": " ", "project": "fr.wikipedia" }));
    assert_eq!(nobody.run(Pageviews::check).map_err(|e| e.code().to_owned()), Err("contact-setting".into()));
    let forged = Host::new().settings(json!({ "contact": "x", "project": "fr.wikipedia/../.." }));
    assert_eq!(forged.run(Pageviews::check).map_err(|e| e.code().to_owned()), Err("project-setting".into()));
}

#[test]
fn a_contact_cannot_break_out_of_its_header() {
    let host = Host::new()
        .now(NOW)
        .settings(json!({ "contact": "a@b.example\r\nX-Evil: é", "project": "fr.wikipedia" }))
        .answer(&on("2026/11/21"), top(&[]));
    host.run(Pageviews::check).expect("read");
    assert_eq!(host.requests()[0].header("user-agent"), Some("beffroi-wikipedia-pageviews/0.1.0 (a@b.exampleX-Evil:)"));
}
