//! Figures and inboxes that networks give, and what channels want remembered.

use beffroi::domain::{DeliveryId, Json, Timestamp};
use beffroi::kinds::{Failure, KindError, Message, Sample};
use beffroi::store::{plugins, view};
use beffroi_tests::World;
use beffroi_tests::channel::{Answer, ReadBack, ScriptedChannel, Step};
use std::sync::Arc;

const POSTER: &str = "posts::plan(#{ text: `post ${run::id()}`, expires: \"7d\" });";

fn sample(post: Option<&str>, name: &str, value: f64) -> Sample {
    Sample { remote_id: post.map(str::to_owned), name: name.into(), value }
}

fn message(id: &str, text: &str) -> Message {
    Message {
        id: id.into(),
        kind: "comment".into(),
        author: "@odile".into(),
        text: text.into(),
        at: Timestamp::parse("2026-01-01T08:00:00+01:00").expect("an instant"),
        reply_to: None,
        url: None,
    }
}

fn world(channel: &Arc<ScriptedChannel>) -> World {
    World::new().account().workflow("poster", "events = \"never\"", POSTER).channel("facebook", channel)
}

fn figures(world: &mut World, day: &str) -> Vec<(String, f64)> {
    let rows = world.ask(|db| view::metrics(db, day, day));
    rows.into_iter().map(|row| (row.name, row.value)).collect()
}

fn online(world: &mut World) -> String {
    world.run("poster");
    world.settle();
    let number = i64::try_from(world.deliveries().len()).expect("few");
    let row = world.ask(|db| view::delivery(db, DeliveryId(number))).expect("it is there");
    assert_eq!(row.state, "online", "{:?}", row.reason);
    row.remote_id.expect("a receipt")
}

#[test]
fn whatever_a_channel_wants_remembered_is_on_disk_with_the_move_it_led_to() {
    for (name, channel) in [
        ("online at once", ScriptedChannel::default()),
        ("refused", ScriptedChannel::always(Answer::Reject)),
        ("the answer is lost, and it is there", ScriptedChannel::new([Answer::LostAfter])),
        ("the answer is lost, and it is not", ScriptedChannel::new([Answer::LostBefore])),
        ("nobody can tell", ScriptedChannel::new([Answer::LostAfter]).read_back(ReadBack::Unsure)),
        ("pending for three looks", ScriptedChannel::new([Answer::Pending(3)])),
        ("later", ScriptedChannel::new([Answer::Retry(None), Answer::Retry(None)])),
        ("the token is gone", ScriptedChannel::always(Answer::Reconnect)),
        ("a defect", ScriptedChannel::new([Answer::Defect])),
        ("a long upload", ScriptedChannel::default().steps([Step::Again("a", 0), Step::Again("b", 30), Step::Again("b", 30)])),
        ("an upload that fails", ScriptedChannel::default().steps([Step::Fail, Step::Again("a", 0)])),
    ] {
        let channel = Arc::new(channel.keeping());
        let mut world = world(&channel);
        world.run("poster");
        let (owner, scope) = ScriptedChannel::OWNER;
        for round in 0..6 {
            world.settle();
            for what in ["prepare", "publish", "find"] {
                let kept = world.ask(|db| plugins::private(db, owner, scope, what));
                let kept = kept.map_or(0, |bytes| String::from_utf8(bytes).expect("text").parse::<usize>().expect("a number"));
                assert_eq!(kept, channel.asked(what).len(), "{name}, round {round}: what {what} kept");
            }
            world.advance("1m");
        }
        assert!(!channel.asked("prepare").is_empty(), "{name}");
    }
}

#[test]
fn figures_count_what_was_added_on_the_day_it_was_seen() {
    let channel = Arc::new(ScriptedChannel::default());
    channel.now_counts(Vec::new());
    let mut world = world(&channel);
    let post = online(&mut world);
    channel.now_counts(vec![sample(Some(&post), "likes", 5.0), sample(None, "followers", 80.0)]);
    world.advance("6h");
    assert_eq!(figures(&mut world, "2026-01-01"), [("followers".into(), 80.0), ("likes".into(), 5.0)]);
    channel.now_counts(vec![sample(Some(&post), "likes", 8.0), sample(None, "followers", 79.0)]);
    world.advance("6h");
    assert_eq!(figures(&mut world, "2026-01-01"), [("followers".into(), 79.0), ("likes".into(), 8.0)]);
    world.advance("6h");
    assert_eq!(figures(&mut world, "2026-01-01")[1].1, 8.0, "what was counted is not counted again");
    channel.now_counts(vec![sample(Some(&post), "likes", 10.0), sample(None, "followers", 81.0)]);
    world.restart("1h");
    world.advance("6h");
    assert_eq!(figures(&mut world, "2026-01-02"), [("followers".into(), 81.0), ("likes".into(), 2.0)]);
    let before = channel.asked("metrics").len();
    world.advance("31d");
    let last = channel.asked("metrics");
    assert!(last.len() > before + 100, "every six hours");
    assert_eq!(last.last().expect("asked").text, "", "a post of last month is no longer asked about");
}

#[test]
fn the_inbox_is_read_to_its_end_and_only_new_messages_start_runs() {
    let channel = Arc::new(ScriptedChannel::default());
    channel.now_holds(vec![message("1", "a"), message("2", "b"), message("3", "c")]);
    let answer =
        "let m = run::payload(); state::add(\"heard\", 1); state::set(`said/${m.id}`, `${m.account} ${m.author}: ${m.text}`);";
    let mut world = world(&channel).workflow("answer", "events = \"message\"", answer);
    world.settle();
    assert_eq!(world.ask(|db| plugins::messages(db, None, 10)).len(), 3);
    assert_eq!(world.state("heard"), Json::Null, "what lay there before anybody looked starts nothing");
    let more = ["1", "2", "3", "4", "5", "5", "6"].map(|id| message(id, "new"));
    channel.now_holds(more.to_vec());
    world.advance("10m");
    assert_eq!((world.state("heard"), world.state("said/5")), (3.into(), "facebook @odile: new".into()));
    world.advance("1h");
    assert_eq!(world.state("heard"), 3, "nothing is heard twice");
    let mut later = more.to_vec();
    later.push(message("7", "while nobody was there"));
    channel.now_holds(later);
    world.restart("3h");
    world.settle();
    assert_eq!(world.state("heard"), 4);
}

#[test]
fn a_network_that_does_not_answer_is_asked_again_more_and_more_rarely_and_says_why() {
    let channel = Arc::new(ScriptedChannel::default());
    channel.now_holds(vec![message("1", "a")]);
    let down = Failure::new("http-503", "The network is down.");
    channel.now_fails_to_read(Some(KindError::Retry(down.clone(), None)));
    let mut world = world(&channel);
    world.advance("5m");
    // At once, after one minute, and two minutes later.
    assert_eq!(channel.asked("inbox").len(), 3);
    let errors = world.ask(plugins::reading_errors);
    assert_eq!(errors, [("facebook".to_owned(), "inbox".to_owned(), "The network is down.".to_owned())]);
    world.advance("2h");
    assert!((10..=20).contains(&channel.asked("inbox").len()), "{}", channel.asked("inbox").len());
    channel.now_fails_to_read(None);
    world.advance("10m");
    assert!(world.ask(plugins::reading_errors).is_empty());
    assert_eq!(world.ask(|db| plugins::messages(db, Some("facebook"), 10)).len(), 1);
    // What will not pass by itself is not asked for more often than what works.
    channel.now_fails_to_read(Some(KindError::Reconnect(down)));
    let before = channel.asked("inbox").len();
    world.advance("1h");
    assert_eq!(channel.asked("inbox").len(), before + 6);
    assert!(world.ask(|db| view::breaker(db, "facebook")).is_none(), "reading stops nothing");
}
