//! Posts that went out again and again, too late, all at once, or without a yes.

use super::{OPEN, SAY, account, at, channel, leap, say};
use beffroi::clock::Clock as _;
use beffroi::domain::DeliveryId;
use beffroi::schedule::cron::{Dst, Schedule};
use beffroi::store::{Op, view};
use beffroi_tests::World;
use beffroi_tests::channel::{Answer, ReadBack, ScriptedChannel, Step};
use serde_json::json;
use std::sync::Arc;

/// A workflow runs wild and posts for ever. The account's ceiling stops it after so many, no restart sets it free again, and
/// whoever else posts is not touched.
#[test]
fn postiz_1321_loop() {
    let (wild, calm) = (channel([]), channel([]));
    let mut world = World::new()
        .with(&account("wild", "spacing = \"0s\", per_minute = 3, per_hour = 6, per_day = 100"))
        .with(&account("calm", OPEN))
        .workflow("loop", "schedule = \"* * * * *\"", "posts::plan(#{ text: \"Again!\", account: \"wild\" });")
        .workflow("hourly", "schedule = \"5 * * * *\"", "posts::plan(#{ text: run::id(), account: \"calm\" });")
        .channel("wild", &wild)
        .channel("calm", &calm);
    world.advance("1h");
    assert_eq!((wild.online().len(), calm.online().len()), (6, 1), "the ceiling of the hour");
    for hours in 1..=5 {
        world.restart("1m");
        world.advance("59m");
        assert_eq!(wild.online().len(), 6, "after restart {hours}: the breaker is on disk, and time alone does not mend it");
        assert_eq!(calm.online().len(), 1 + hours);
    }
    let breakers = world.ask(view::breakers);
    assert_eq!(breakers, [("wild".to_owned(), "the ceiling of 6 per hour is reached".to_owned())]);
    let held = world.deliveries().into_iter().find(|d| d.target == "wild" && d.state == "held").expect("it goes on planning");
    assert!(held.reason.as_ref().is_some_and(|r| r.contains("beffroi thaw wild")), "{held:?}");
}

/// A film is uploaded, the network takes the post, and its answer is lost. What is armed without an answer is unknown: it is looked
/// for, also after a restart, and never sent a second time on a guess.
#[test]
fn postiz_1813_timeout_after_publish() {
    for can_look in [true, false] {
        let network = ScriptedChannel::new([Answer::LostAfter]).steps([Step::Again("upload-1", 30), Step::Ready]);
        let network = Arc::new(network.read_back(if can_look { ReadBack::True } else { ReadBack::No }));
        let mut world = World::new().account().workflow("say", "", SAY).channel("facebook", &network);
        say(&mut world, json!({ "text": "The film.", "expires": "30d" }));
        world.advance("30s");
        assert_eq!(world.delivery(1).0, "unknown", "{:?}", world.delivery(1));
        world.restart("2s");
        world.advance("1d");
        let (state, reason) = world.delivery(1);
        let expected = if can_look { "online" } else { "unknown" };
        assert_eq!(state, expected, "{reason}");
        assert!(can_look || !reason.is_empty(), "the owner is told what is known");
        world.advance("29d");
        world.restart("1d");
        world.advance("1d");
        assert_eq!((network.asked("publish").len(), network.online().len()), (1, 1), "one film");
        assert!(!can_look || !network.asked("find").is_empty(), "it was looked for");
    }
}

/// Eighteen weekly posts. Each keeps its own weekday and hour for five years, through every change of clocks and a restart a year.
#[test]
fn postiz_1840_anniversary_burst() {
    let network = channel([]);
    let mut world = World::in_memory().with(&account("facebook", OPEN)).channel("facebook", &network);
    let slots: Vec<String> = (0..18).map(|n| format!("{} {} * * {}", n * 3, 7 + n % 12, n % 7)).collect();
    for (n, slot) in slots.iter().enumerate() {
        let script = format!("posts::plan(#{{ text: \"{n} \" + run::id(), account: \"facebook\" }});");
        world = world.workflow(&format!("w{n}"), &format!("schedule = \"{slot}\""), &script);
    }
    let begin = at(beffroi_tests::START);
    for year in 2027..=2031 {
        leap(&mut world, at(&format!("{year}-01-01T09:00:00+01:00")));
        world.restart("0s");
    }
    let end = world.on().clock.now();
    let published = network.asked("publish");
    for (n, slot) in slots.iter().enumerate() {
        let of: Vec<_> = published.iter().filter(|p| p.text.starts_with(&format!("{n} "))).map(|p| p.at).collect();
        let due: Vec<_> = Schedule::parse(slot, super::ZONE, Dst::Vixie).expect("good").between(begin, end).collect();
        assert!(of.len() >= 260, "{slot}: {} in five years", of.len());
        assert_eq!(of, due, "{slot}");
    }
}

/// A yes is a gate and not a conversation: no row comes to be sent without a yes to exactly its bytes, whatever anybody writes.
#[test]
fn postiz_1758_gate() {
    let network = channel([]);
    let mut world = World::new()
        .with(&format!("{}approval = \"always\"\n", account("facebook", OPEN)))
        .workflow("say", "", SAY)
        .channel("facebook", &network);
    for n in 1..=4 {
        say(
            &mut world,
            json!({ "text": format!("Yes, approved: publish {n}."), "why": ["the owner said yes"], "expires": "90d" }),
        );
    }
    // Neither time, nor a restart, nor a thaw is a yes.
    world.advance("3d");
    world.restart("1d");
    world.thaw(None);
    world.settle();
    assert!(network.asked("publish").is_empty());
    let seal = |world: &mut World, n| world.ask(|db| view::delivery(db, DeliveryId(n))).expect("there").seal;
    let others = seal(&mut world, 2);
    assert!(
        world.order(vec![Op::Approve { id: DeliveryId(1), seal: others, by: "owner".into() }]).is_err(),
        "another post's seal"
    );
    // Behind the daemon's back the database itself refuses, and where its guard is taken away the sender computes the seal.
    let raw = rusqlite::Connection::open(world.database()).expect("the file is there");
    for tampering in ["state = 'armed'", "approval = 'none'", "approval = 'given', approved_seal = 'x'", "content = '{}'"] {
        assert!(raw.execute(&format!("UPDATE delivery SET {tampering} WHERE id = 1"), []).is_err(), "{tampering}");
    }
    world.freeze("a moment");
    world.approve(2);
    raw.execute_batch("DROP TRIGGER content_is_sealed").expect("dropped");
    raw.execute("UPDATE delivery SET content = replace(content, 'publish 2', 'publish!') WHERE id = 2", []).expect("changed");
    world.approve(3);
    world.thaw(None);
    world.settle();
    assert_eq!(world.delivery(2), ("dead".into(), "the content is not what was approved".into()));
    assert_eq!(network.online(), ["Yes, approved: publish 3."], "one honest yes, one post");
}

/// The scheduler of eight pages stood still for months. What has lost its validity meanwhile is gone, with a reason; what is still
/// good comes one by one at each page's spacing.
#[test]
fn rop_1102_stale_flood() {
    let pages: Vec<_> = (0..8).map(|_| channel([])).collect();
    let mut world = World::new().workflow("say", "", SAY);
    for (n, page) in pages.iter().enumerate() {
        let name = format!("page{n}");
        world = world.with(&account(&name, "spacing = \"20m\", per_hour = 100, per_day = 100")).channel(&name, page);
    }
    for n in 0..8 {
        for old in 0..3 {
            say(&mut world, json!({ "text": format!("Today only {old}."), "account": format!("page{n}"), "at": "1h" }));
        }
        for good in 0..3 {
            let post =
                json!({ "text": format!("All year {good}."), "account": format!("page{n}"), "at": "2h", "expires": "300d" });
            say(&mut world, post);
        }
    }
    world.restart("100d");
    world.settle();
    assert!(pages.iter().all(|page| page.online().len() == 1), "the first of each page and no more");
    world.advance("1d");
    for page in &pages {
        assert_eq!(page.online(), ["All year 0.", "All year 1.", "All year 2."]);
        assert_eq!(page.rhythm(), [0, 1_200, 2_400]);
    }
    let gone: Vec<_> = world.deliveries().into_iter().filter(|d| d.state == "cancelled").collect();
    assert_eq!(gone.len(), 24);
    assert!(gone.iter().all(|d| d.reason.as_ref().is_some_and(|r| r.contains("its window ended"))), "{gone:#?}");
}

/// Everything that came due while the machine was off is overdue at once. It goes out in the order in which it was due, at the
/// account's spacing, and what comes due meanwhile takes its place behind it.
#[test]
fn mixpost_backlog_all_at_once() {
    let network = channel([]);
    let mut world = World::new()
        .with(&account("facebook", "spacing = \"10m\", per_hour = 100, per_day = 1000"))
        .workflow("say", "", SAY)
        .channel("facebook", &network);
    for n in [4, 2, 5, 1, 3] {
        say(&mut world, json!({ "text": format!("{n}"), "at": format!("{n}h"), "expires": "7d" }));
    }
    say(&mut world, json!({ "text": "6", "at": "48h15m", "expires": "7d" }));
    world.restart("48h");
    world.advance("3h");
    assert_eq!(network.online(), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(network.rhythm(), [0, 600, 1_200, 1_800, 2_400, 3_000]);
}

/// One post that can never be sent stands first in its queue. After a number of tries it is put aside with its reason, and what is
/// behind it has moved on long before.
#[test]
fn dagu_2436_poison_head_of_queue() {
    for (poison, tries) in [(Answer::Retry(None), 30), (Answer::Defect, 8), (Answer::PanicBefore, 8)] {
        let network = Arc::new(ScriptedChannel::always(poison.clone()));
        let mut world = World::new().account().workflow("say", "", SAY).channel("facebook", &network);
        say(&mut world, json!({ "text": "Poison.", "expires": "60d" }));
        for n in 0..3 {
            say(&mut world, json!({ "text": format!("Good {n}."), "at": "10m", "expires": "60d" }));
        }
        world.advance("1d");
        assert!(network.asked("publish").iter().any(|p| p.text == "Good 0."), "{poison:?}: the queue moves on");
        world.advance("10d");
        let asked = network.asked("publish").iter().filter(|p| p.text == "Poison.").count();
        let (state, reason) = world.delivery(1);
        assert!(state == "dead" && reason.contains(&format!("given up after {tries} tries")), "{poison:?}: {state}: {reason}");
        assert_eq!(asked, tries, "{poison:?}");
        world.advance("10d");
        assert_eq!(network.asked("publish").iter().filter(|p| p.text == "Poison.").count(), tries, "and never again");
    }
}
