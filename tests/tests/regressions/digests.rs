//! Digests that came twice, or came with holes.

use super::{at, ended, leap};
use beffroi_tests::World;
use beffroi_tests::channel::{Answer, ScriptedChannel};
use beffroi_tests::stage::{Stage, answer};
use std::collections::BTreeMap;
use std::sync::Arc;

const FIGURES: &str =
    "account,date,name,value\nfacebook,2026-01-05,clicks,12\nfacebook,2026-01-06,clicks,9\nfacebook,2026-01-13,clicks,20\n";

/// The weekly digest has gone out, its answer is lost, the daemon is started again, and somebody runs the workflow by hand. Each
/// person has one digest for each week, for ever.
#[test]
fn metabase_47949_double_digest() {
    let post = Arc::new(ScriptedChannel::new([Answer::LostAfter]));
    let mut world = World::new()
        .account()
        .with("\n[metrics]\nfiles = [\"metrics.csv\"]\n[workflows.digest]\nscript = \"digest.rhai\"\nschedule = \"0 8 * * 1\"\n")
        .with("\n[people.second]\nchannel = \"folder\"\nfolder = \"second\"\n")
        .notifier("owner", &post);
    world.file("metrics.csv", FIGURES);
    leap(&mut world, at("2026-01-12T08:00:00+01:00"));
    for _ in 0..3 {
        world.restart("10m");
        world.settle();
        world.run("digest");
        world.settle();
    }
    world.advance("5d");
    assert_eq!((post.asked("publish").len(), post.online().len()), (1, 1), "{:#?}", world.deliveries());
    let digests = world.deliveries().iter().filter(|d| d.content["kind"] == "digest").count();
    assert_eq!((digests, world.files("second", ".txt").len().max(1)), (2, 1), "one for each of two people");
    // The next week is another one.
    leap(&mut world, at("2026-01-19T09:00:00+01:00"));
    world.restart("1m");
    world.run("digest");
    world.settle();
    assert_eq!(post.online().len(), 2);
    assert_eq!(ended(&mut world, "failed"), 0);
}

/// While a digest collects what has come in, more comes in. It reads one state of affairs: what it names it takes away, what came
/// meanwhile waits for the next one, and nothing is dropped or told twice.
#[test]
fn huginn_2389_digest_race() {
    let stage = Stage::start(
        "[workflows.gather]\nscript = \"gather.rhai\"\nevents = \"never\"\n[workflows.digest]\nscript = \"digest.rhai\"\nevents = \"never\"\n",
        &[
            ("gather", "let n = state::get(\"next\", 0); state::set(\"next\", n + 1); state::set(`item/${n}`, `item ${n};`);"),
            (
                "digest",
                "let items = state::list(\"item/\");
                 http::get(\"https://slow.example/\");
                 let text = \"\";
                 for item in items { text += item.value; state::remove(item.key); }
                 if text != \"\" { notify::send(#{ kind: \"digest\", title: \"What came in\", text: text }); }",
            ),
        ],
    );
    for _ in 0..12 {
        Stage::run_beside(&stage.hand.engine, "gather");
    }
    let mut left = 8;
    stage.when_asked(move |engine, _, _| {
        // In the middle of the digest, also when it is done again.
        for _ in 0..left.min(3) {
            Stage::run_beside(engine, "gather");
            left -= 1;
        }
        answer(200, "")
    });
    for _ in 0..4 {
        stage.run("digest");
        stage.settle();
    }
    let mut told: BTreeMap<String, u32> = BTreeMap::new();
    for row in stage.ask(|db| beffroi::store::view::deliveries(db, None, None, 100)) {
        let text = row.content["text"].as_str().expect("a text").to_owned();
        for item in text.split(';').filter(|item| !item.is_empty()) {
            *told.entry(item.to_owned()).or_default() += 1;
        }
    }
    assert_eq!(told.len(), 20, "none of 20 is dropped: {told:?}");
    assert!(told.values().all(|times| *times == 1), "none is told twice: {told:?}");
}

/// The same with what a feed brings: more than a workflow asks for at once is said to be left out, and not forgotten silently.
#[test]
fn huginn_2389_digest_says_what_it_leaves_out() {
    let mut world = World::new()
        .with("\n[feeds.a]\nfile = \"a.xml\"\n")
        .workflow("gather", "events = \"never\"", "feeds::fresh(#{ limit: 1000 }).len()")
        .workflow("digest", "events = \"never\"", "feeds::fresh(#{ limit: 200 }).len()");
    let items: String = (0..250).map(|n| format!("<item><title>Item {n}</title><guid>{n}</guid></item>")).collect();
    world.file("a.xml", &format!("<rss version=\"2.0\"><channel><title>t</title>{items}</channel></rss>"));
    assert_eq!(world.run("gather").row.line.as_deref(), Some("250"));
    let run = world.run("digest");
    assert_eq!(run.row.line.as_deref(), Some("200"));
    assert!(run.log.iter().any(|line| line.text == "50 signals were left out: the limit is 200"), "{:?}", run.log);
}
