//! Watching what others publish: alerts about nothing, and alerts at the first hiccup.

use beffroi_tests::World;
use serde_json::json;

const WATCH: &str =
    "for signal in feeds::fresh() { state::add(\"seen\", 1); notify::send(#{ title: signal.title, text: signal.title }); }";

fn feed(built: &str, items: &[(u32, &str)]) -> String {
    let items: String =
        items.iter().map(|(id, title)| format!("<item><title>{title}</title><guid>{id}</guid></item>\n")).collect();
    format!(
        "<rss version=\"2.0\"><channel><title>A competitor</title><lastBuildDate>{built}</lastBuildDate>{items}</channel></rss>"
    )
}

fn watching(feed_config: &str) -> World {
    World::new()
        .with(&format!("\n[feeds.competitor]\nfile = \"competitor.xml\"\ntopic = \"competitor\"\n{feed_config}\n"))
        .workflow("watch", "schedule = \"0 * * * *\"", WATCH)
}

/// A page changes in ways that mean nothing: its date, the order of its entries, an entry that goes and comes back, white space. None of
/// it is news. And what a single source says is no trend where the owner asked for two.
#[test]
fn changedetection_1679_empty_diff_alert() {
    let mut world = watching("").with("\n[feeds.other]\nfile = \"other.xml\"\n").workflow(
        "trend",
        "events = \"never\"",
        "feeds::fresh(); feeds::rising(#{ min_sources: 2, window: \"24h\" }).len()",
    );
    world.file("other.xml", &feed("Thu, 01 Jan 2026 08:00:00 +0100", &[(7, "Quite another thing")]));
    let noise = [
        feed("Thu, 01 Jan 2026 09:30:00 +0100", &[(1, "Galettes at half price"), (2, "New opening hours")]),
        feed("Thu, 01 Jan 2026 10:30:00 +0100", &[(1, "Galettes at half price"), (2, "New opening hours")]),
        feed("Thu, 01 Jan 2026 11:30:00 +0100", &[(2, "New opening hours"), (1, "Galettes  at  half price ")]),
        feed("Thu, 01 Jan 2026 12:30:00 +0100", &[(2, "New opening hours")]),
        feed("Thu, 01 Jan 2026 13:30:00 +0100", &[]),
        feed("Thu, 01 Jan 2026 14:30:00 +0100", &[(1, "Galettes at half price"), (2, "New opening hours")]),
    ];
    for page in noise {
        world.file("competitor.xml", &page);
        world.advance("1h");
    }
    assert_eq!(world.state("seen"), json!(3), "two entries of the competitor, one of the other, once each");
    assert_eq!(world.deliveries().len(), 3, "{:#?}", world.deliveries());
    assert_eq!(world.run("trend").row.line.as_deref(), Some("0"), "one source is not two");
    world.file("other.xml", &feed("Thu, 01 Jan 2026 15:30:00 +0100", &[(8, "Galettes at half price at the corner too")]));
    world.file("competitor.xml", &feed("Thu, 01 Jan 2026 15:30:00 +0100", &[(3, "Galettes at half price again")]));
    assert_ne!(world.run("trend").row.line.as_deref(), Some("0"), "two are");
}

/// A page cannot be read once, and later for a day. The first time nobody is told; after so many failures in a row everybody is, once;
/// and it takes as many again before they are told again.
#[test]
fn changedetection_1678_alert_after_n() {
    for (config, n) in [("", 3), ("alert_after = 5", 5), ("alert_after = 0", 0)] {
        let mut world = watching(config);
        let good = feed("Thu, 01 Jan 2026 09:30:00 +0100", &[(1, "Galettes")]);
        world.file("competitor.xml", &good);
        world.advance("1h");
        let alerts =
            |world: &mut World| world.deliveries().into_iter().filter(|d| d.content["kind"] == "alert").collect::<Vec<_>>();
        let mut expected = 0;
        for round in 0..3 {
            // Down for a moment, again and again: each time it works in between.
            for _ in 0..2 {
                world.file("competitor.xml", "<html><body>Bad gateway</body></html>");
                world.advance("2h");
                world.file("competitor.xml", &good);
                world.advance("1h");
            }
            assert_eq!(alerts(&mut world).len(), expected, "round {round}: one failure or two are an accident");
            // Down for long.
            world.file("competitor.xml", "<html><body>Bad gateway</body></html>");
            world.advance("2h");
            world.restart("0s");
            world.advance("22h");
            expected += usize::from(n > 0);
            assert_eq!(alerts(&mut world).len(), expected, "round {round}: told once");
            world.file("competitor.xml", &good);
            world.advance("1h");
        }
        let told = alerts(&mut world);
        if let Some(first) = told.first() {
            let text = first.content["text"].as_str().unwrap_or_default();
            assert!(first.content["title"].to_string().contains("competitor"), "{first:?}");
            assert!(text.starts_with(&format!("{n} reads in a row have failed")) && text.contains("web page"), "{text}");
        }
        assert_eq!(world.state("seen"), json!(1), "and what it says is no news for being back");
    }
}
