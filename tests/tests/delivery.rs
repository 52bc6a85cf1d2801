//! Delivery under everything that goes wrong: approvals, guards, ceilings, freezes, lost answers, broken adapters, restarts.

use beffroi::domain::{DeliveryId, Json};
use beffroi::store::Op;
use beffroi::store::view;
use beffroi_tests::World;
use beffroi_tests::channel::{Answer, ReadBack, ScriptedChannel, Step};
use serde_json::json;
use std::sync::Arc;

/// A world with a workflow that plans what it is given, and the account `facebook` without limits on this channel.
fn world(channel: &Arc<ScriptedChannel>) -> World {
    open_world("").channel("facebook", channel)
}

/// The same without a channel of its own, with more lines for the account.
fn open_world(account: &str) -> World {
    let ceilings = if account.contains("ceilings") {
        ""
    } else {
        "ceilings = { spacing = \"0s\", per_minute = 1000, per_hour = 1000, per_day = 1000 }"
    };
    World::new()
        .with(&format!(
            "\n[accounts.facebook]\nnetwork = \"facebook\"\nchannel = \"folder\"\nfolder = \"posts\"\n{ceilings}\n{account}\n"
        ))
        .workflow("say", "", "posts::plan(run::payload());")
        .workflow("tell", "", "notify::send(run::payload());")
}

fn post(world: &mut World, post: Json) {
    let run = world.run_with("say", Some(post));
    assert_eq!(run.row.state, "done", "{:?}", run.row.error);
}

fn states(world: &mut World) -> Vec<String> {
    world.deliveries().into_iter().map(|d| d.state).collect()
}

fn state(world: &mut World, number: i64) -> String {
    world.delivery(number).0
}

fn channel(answers: impl IntoIterator<Item = Answer>) -> Arc<ScriptedChannel> {
    Arc::new(ScriptedChannel::new(answers))
}

/// A number that grows with everything that happens to deliveries.
fn written(world: &mut World) -> i64 {
    let raw = rusqlite::Connection::open(world.database()).expect("the store can be read");
    raw.query_row("SELECT sum(look_at) + sum(attempts) + (SELECT count(*) FROM delivery_event) FROM delivery", [], |r| r.get(0))
        .expect("the store can be read")
}

// ---- approval -------------------------------------------------------------------------------------------------------

#[test]
fn a_draft_goes_out_after_a_yes_and_not_before() {
    let network = channel([]);
    let mut world = world(&network);
    post(&mut world, json!({ "text": "Taste this.", "draft": true, "at": "2h" }));
    world.advance("1h");
    // A reload makes everything be looked at again; a draft stays one that can be answered.
    world.reconfigure(|c| c);
    world.settle();
    assert_eq!(world.delivery(1), ("held".into(), "waits for a yes".into()));
    world.approve(1);
    world.settle();
    assert_eq!(state(&mut world, 1), "due", "the yes came before its time");
    assert!(network.online().is_empty());
    world.advance("1h");
    assert_eq!(network.online(), ["Taste this."]);
    assert_eq!(state(&mut world, 1), "online");
}

#[test]
fn postiz_1758_gate() {
    let network = channel([]);
    let mut world = world(&network);
    post(&mut world, json!({ "text": "One.", "draft": true }));
    post(&mut world, json!({ "text": "Two.", "draft": true }));
    post(&mut world, json!({ "text": "Three.", "draft": true }));
    post(&mut world, json!({ "text": "Four.", "draft": true }));
    world.settle();
    // A yes to other bytes is none.
    let wrong = Op::Approve { id: DeliveryId(1), seal: "0".repeat(64), by: "owner".into() };
    assert!(world.order(vec![wrong]).is_err());
    let raw = rusqlite::Connection::open(world.database()).unwrap();
    for tampering in [
        "UPDATE delivery SET approval = 'none' WHERE id = 1",
        "UPDATE delivery SET approval = 'given', approved_seal = 'x' WHERE id = 1",
        "UPDATE delivery SET state = 'armed' WHERE id = 1",
        "UPDATE delivery SET content = replace(content, 'One', 'Won') WHERE id = 1",
        "UPDATE delivery SET until = NULL WHERE id = 1",
        "UPDATE delivery SET due = 1 WHERE id = 1",
        "UPDATE delivery SET target = 'other' WHERE id = 1",
        "UPDATE delivery SET seal = 'x' WHERE id = 1",
        "UPDATE delivery SET guards = NULL WHERE id = 1",
    ] {
        assert!(raw.execute(tampering, []).is_err(), "{tampering}");
    }
    // Somebody who takes the triggers away first meets the seal.
    raw.execute_batch("DROP TRIGGER content_is_sealed; DROP TRIGGER a_yes_is_not_taken_back;").unwrap();
    world.approve(2);
    world.approve(3);
    for change in ["content = replace(content, 'Two', 'Won') WHERE id = 2", "until = until + 1 WHERE id = 3"] {
        assert_eq!(raw.execute(&format!("UPDATE delivery SET {change}"), []).unwrap(), 1);
    }
    raw.execute("UPDATE delivery SET approval = 'given', approved_seal = 'x', look_at = 0 WHERE id = 4", []).unwrap();
    world.settle();
    for number in 2..=4 {
        assert_eq!(world.delivery(number), ("dead".into(), "the content is not what was approved".into()), "{number}");
    }
    assert!(network.asked("publish").is_empty());
    world.approve(1);
    world.settle();
    assert_eq!(network.online(), ["One."], "the others do not stand in its way");
}

#[test]
fn a_row_that_the_store_refuses_to_arm_does_not_stop_the_others() {
    let network = channel([]);
    let mut world = world(&network);
    post(&mut world, json!({ "text": "One.", "draft": true }));
    post(&mut world, json!({ "text": "Two.", "at": "1h" }));
    world.settle();
    world.approve(1);
    let raw = rusqlite::Connection::open(world.database()).unwrap();
    raw.execute_batch(
        "CREATE TRIGGER odd BEFORE UPDATE OF state ON delivery WHEN NEW.id = 1 BEGIN SELECT RAISE(ABORT, 'odd'); END",
    )
    .unwrap();
    world.advance("2h");
    assert_eq!(network.online(), ["Two."]);
    raw.execute_batch("DROP TRIGGER odd").unwrap();
    world.advance("2h");
    assert_eq!(network.online(), ["Two.", "One."]);
}

#[test]
fn a_no_and_a_window_that_ends_are_both_final() {
    let network = channel([]);
    let mut world = world(&network);
    post(&mut world, json!({ "text": "No.", "draft": true }));
    post(&mut world, json!({ "text": "Too late.", "draft": true, "expires": "3h" }));
    world.settle();
    world.order(vec![Op::Reject { id: DeliveryId(1), by: "owner".into(), reason: "not like this".into() }]).unwrap();
    world.advance("4h");
    assert_eq!(world.delivery(1), ("cancelled".into(), "not like this".into()));
    let (state, reason) = world.delivery(2);
    assert_eq!(state, "cancelled");
    assert!(reason.contains("its window ended") && reason.contains("waits for a yes"), "{reason}");
    for number in [1, 2] {
        let seal = world.ask(|db| view::delivery(db, DeliveryId(number))).unwrap().seal;
        assert!(world.order(vec![Op::Approve { id: DeliveryId(number), seal, by: "owner".into() }]).is_err());
    }
    world.advance("10d");
    assert!(network.asked("publish").is_empty());
}

#[test]
fn an_account_that_always_asks_asks_for_what_was_planned_before_too() {
    let network = channel([]);
    let mut world = world(&network);
    post(&mut world, json!({ "text": "Planned before.", "at": "2h" }));
    world.reconfigure(|c| c.replace("folder = \"posts\"", "folder = \"posts\"\napproval = \"always\""));
    post(&mut world, json!({ "text": "Planned after.", "at": "2h" }));
    world.advance("3h");
    assert_eq!(states(&mut world), ["held", "held"]);
    assert!(network.asked("publish").is_empty());
    world.approve(1);
    world.approve(2);
    world.advance("15m");
    assert_eq!(network.online(), ["Planned before.", "Planned after."]);
    assert_eq!(network.rhythm(), [0, 900], "both are late by now");
}

// ---- when -----------------------------------------------------------------------------------------------------------

#[test]
fn a_post_keeps_its_hour_and_the_hours_of_its_account_also_over_midnight_and_when_clocks_change() {
    let network = channel([]);
    let mut world = open_world("hours = [\"22:00-02:00\"]").at("2026-03-28T15:00:00+01:00").channel("facebook", &network);
    post(&mut world, json!({ "text": "Night." }));
    world.settle();
    assert!(world.delivery(1).1.contains("outside the account's hours, until 28\u{a0}March 22:00"), "{:?}", world.delivery(1));
    world.advance("12h30m");
    assert_eq!(network.asked("publish")[0].at.rfc3339(beffroi::sample::ZONE), "2026-03-28T22:00:00+01:00");
    // It is half past four in summer time by now; the next hours begin at ten in the evening.
    post(&mut world, json!({ "text": "Next night." }));
    world.advance("1d");
    assert_eq!(network.asked("publish")[1].at.rfc3339(beffroi::sample::ZONE), "2026-03-29T22:00:00+02:00");
}

#[test]
fn rop_1102_stale_flood() {
    let network = channel([]);
    let mut world = open_world("ceilings = { spacing = \"20m\", per_hour = 100, per_day = 1000 }").channel("facebook", &network);
    for n in 0..8 {
        post(&mut world, json!({ "text": format!("Old {n}."), "at": "1h" }));
    }
    for n in 0..4 {
        post(&mut world, json!({ "text": format!("For the month {n}."), "at": "1h", "expires": "90d" }));
    }
    world.restart("60d");
    world.advance("1d");
    // What nobody said to be good for so long is gone with a reason; the rest comes one by one.
    let mut rows = world.deliveries();
    let late = rows.split_off(8);
    assert!(rows.iter().all(|d| d.state == "cancelled" && d.reason.as_ref().unwrap().contains("its window ended")), "{rows:#?}");
    assert!(late.iter().all(|d| d.state == "online"));
    assert_eq!(network.rhythm(), [0, 1_200, 2_400, 3_600]);
    assert_eq!(network.online(), ["For the month 0.", "For the month 1.", "For the month 2.", "For the month 3."]);
}

#[test]
fn mixpost_backlog_all_at_once() {
    let network = channel([]);
    let mut world = open_world("ceilings = { spacing = \"10m\", per_hour = 100, per_day = 1000 }").channel("facebook", &network);
    for n in [3, 1, 2] {
        post(&mut world, json!({ "text": format!("{n}"), "at": format!("{n}h") }));
    }
    world.restart("5h");
    post(&mut world, json!({ "text": "4" }));
    world.advance("1h");
    assert_eq!(network.online(), ["1", "2", "3", "4"], "the order in which they were due, whatever the order of planning");
    assert_eq!(network.rhythm(), [0, 600, 1_200, 1_800]);
}

// ---- guards ---------------------------------------------------------------------------------------------------------

const STOCK: &str = "\n[catalogs.till]\nfile = \"stock.csv\"\nmax_age = \"6h\"\n";

fn shop(network: &Arc<ScriptedChannel>, stock: &str) -> World {
    let world = open_world("").with(STOCK).channel("facebook", network);
    world.file("stock.csv", stock);
    world
}

fn csv(available: &str, price: &str) -> String {
    format!("sku,title,stock,price\nTARTE,Tarte,{available},{price}\nPAIN,Pain,9,1.00\n")
}

#[test]
fn a_sold_out_product_holds_its_post_until_it_is_back() {
    let network = channel([]);
    let mut world = shop(&network, &csv("0", "12.00"));
    let guards = json!({ "sku": "TARTE", "at_least": 2, "price": 1_200 });
    post(&mut world, json!({ "text": "Tarte at €12.", "guards": guards }));
    world.advance("20m");
    assert_eq!(world.delivery(1), ("held".into(), "\"Tarte\" is sold out".into()));
    let writes = written(&mut world);
    world.advance("3h");
    assert_eq!(written(&mut world), writes, "waiting writes nothing");
    world.file("stock.csv", &csv("1", "12.00"));
    world.advance("20m");
    assert!(world.delivery(1).1.contains("only 1 of \"Tarte\""));
    world.file("stock.csv", &csv("5", "13.00"));
    world.advance("20m");
    assert!(world.delivery(1).1.contains("the price of \"Tarte\" has changed: €13.00"));
    world.file("stock.csv", &csv("5", "12.00"));
    world.advance("20m");
    assert_eq!(network.online(), ["Tarte at €12."]);
}

#[test]
fn data_that_is_old_missing_or_unreadable_lets_nothing_pass() {
    let network = channel([]);
    let mut world = shop(&network, &csv("5", "12.00"));
    post(&mut world, json!({ "text": "Stale.", "at": "7h", "guards": { "sku": "TARTE" } }));
    post(&mut world, json!({ "text": "Unknown.", "guards": { "sku": "FLAN" } }));
    post(&mut world, json!({ "text": "Dropped.", "guards": { "sku": "FLAN" }, "on_fail": "drop" }));
    world.advance("7h");
    let (held, reason) = world.delivery(1);
    assert_eq!((held.as_str(), reason.contains("09:00, more than 6\u{a0}h ago")), ("held", true), "{reason}");
    assert_eq!(world.delivery(2), ("held".into(), "the product FLAN is in no catalog".into()));
    assert_eq!(world.delivery(3), ("cancelled".into(), "the product FLAN is in no catalog".into()));
    // Nothing is known after a restart with a file that cannot be read.
    std::fs::remove_file(world.path("stock.csv")).unwrap();
    world.restart("1m");
    world.advance("10m");
    let (held, reason) = world.delivery(1);
    assert!(held == "held" && reason.contains("stock.csv"), "{reason}");
    world.advance("2d");
    let (ended, reason) = world.delivery(1);
    assert!(ended == "cancelled" && reason.contains("its window ended") && reason.contains("stock.csv"), "{reason}");
    assert!(network.asked("publish").is_empty());
}

// ---- ceilings, breakers, freezes --------------------------------------------------------------------------------------

#[test]
fn postiz_1321_loop() {
    let (facebook, other) = (channel([]), channel([]));
    let mut world = open_world("ceilings = { spacing = \"0s\", per_minute = 2, per_hour = 5, per_day = 100 }")
        .with("\n[accounts.other]\nnetwork = \"x\"\nchannel = \"folder\"\nfolder = \"x\"\n")
        .workflow("loop", "schedule = \"* * * * *\"", "posts::plan(#{ text: \"Again!\", account: \"facebook\" });")
        .channel("facebook", &facebook)
        .channel("other", &other);
    world.advance("30m");
    assert_eq!(facebook.online().len(), 5, "the ceiling of the hour");
    world.restart("1m");
    world.advance("3h");
    assert_eq!(facebook.online().len(), 5, "the breaker survives the restart, and time does not mend it");
    post(&mut world, json!({ "text": "Elsewhere.", "account": "other" }));
    world.settle();
    assert_eq!(other.online(), ["Elsewhere."]);
    let breakers = world.ask(view::breakers);
    assert_eq!(breakers, [("facebook".to_owned(), "the ceiling of 5 per hour is reached".to_owned())]);
    let held = world.deliveries().into_iter().find(|d| d.state == "held").unwrap();
    assert!(held.reason.unwrap().contains("beffroi thaw facebook"));
    // A person lets it go on: it may send again as much as the ceiling allows, and no more.
    world.thaw(Some("facebook"));
    world.settle();
    assert_eq!(facebook.online().len(), 7, "two in a minute");
    world.advance("20m");
    assert!(facebook.online().len() <= 10, "the ceiling of the hour holds for the backlog too");
    assert_eq!(world.ask(view::breakers)[0].1, "the ceiling of 5 per hour is reached", "what plans without end is found again");
}

#[test]
fn a_thaw_right_after_a_breaker_tripped_lets_the_account_go_on() {
    let network = channel([]);
    let mut world = open_world("ceilings = { spacing = \"0s\", per_day = 1 }").channel("facebook", &network);
    post(&mut world, json!({ "text": "1" }));
    post(&mut world, json!({ "text": "2" }));
    world.settle();
    assert_eq!(network.online(), ["1"]);
    world.advance("1m");
    world.thaw(Some("facebook"));
    world.settle();
    assert_eq!(network.online(), ["1", "2"], "somebody said yes: what was counted before does not trip it again");
}

#[test]
fn a_freeze_stops_everything_survives_a_restart_and_a_thaw_takes_it_up_again() {
    let network = channel([]);
    let mut world = world(&network);
    post(&mut world, json!({ "text": "Held.", "at": "1h", "expires": "30d" }));
    post(&mut world, json!({ "text": "Will be stale.", "at": "1h" }));
    world.freeze("a storm");
    world.advance("2h");
    assert_eq!(world.delivery(1), ("held".into(), "everything is frozen: a storm".into()));
    world.restart("2d");
    world.settle();
    let writes = written(&mut world);
    world.advance("1d");
    assert_eq!(written(&mut world), writes, "a frozen world rests");
    assert!(network.asked("publish").is_empty());
    world.thaw(None);
    world.settle();
    assert_eq!(network.online(), ["Held."]);
    let (ended, reason) = world.delivery(2);
    assert!(ended == "cancelled" && reason.contains("everything is frozen: a storm"), "{reason}");
}

/// A channel in whose preparation somebody freezes everything.
struct FreezesMeanwhile(ScriptedChannel, std::sync::Mutex<Option<std::sync::Weak<beffroi::daemon::Engine>>>);

impl beffroi::kinds::Channel for FreezesMeanwhile {
    fn objections(&self, post: &beffroi::kinds::Outgoing) -> Vec<beffroi::kinds::Failure> {
        self.0.objections(post)
    }

    fn prepare(
        &self,
        call: &beffroi::kinds::Call<'_>,
        key: &str,
        post: &beffroi::kinds::Outgoing,
        so_far: Option<&str>,
    ) -> Result<beffroi::kinds::Preparation, beffroi::kinds::KindError> {
        if let Some(engine) = self.1.lock().expect("nobody panicked with it").take().and_then(|e| e.upgrade()) {
            let freeze = vec![Op::Freeze(Some("now".into()))];
            engine.store.commit(beffroi::store::Change::new(call.now, freeze)).expect("frozen");
        }
        self.0.prepare(call, key, post, so_far)
    }

    fn publish(
        &self,
        call: &beffroi::kinds::Call<'_>,
        key: &str,
        post: &beffroi::kinds::Outgoing,
        prepared: Option<&str>,
    ) -> Result<beffroi::kinds::Outcome, beffroi::kinds::KindError> {
        self.0.publish(call, key, post, prepared)
    }

    fn find(
        &self,
        call: &beffroi::kinds::Call<'_>,
        key: &str,
        post: &beffroi::kinds::Outgoing,
        prepared: Option<&str>,
    ) -> Option<Result<beffroi::kinds::Finding, beffroi::kinds::KindError>> {
        self.0.find(call, key, post, prepared)
    }
}

#[test]
fn a_freeze_between_the_last_look_and_the_arming_still_stops_the_post() {
    let network = Arc::new(FreezesMeanwhile(ScriptedChannel::default(), std::sync::Mutex::default()));
    let mut world = open_world("").channel("facebook", &network);
    let engine = Arc::downgrade(&world.on().engine);
    *network.1.lock().unwrap() = Some(engine);
    post(&mut world, json!({ "text": "Nearly." }));
    world.settle();
    assert_eq!(network.0.asked("prepare").len(), 1);
    assert!(network.0.asked("publish").is_empty());
    assert_eq!(world.delivery(1), ("held".into(), "everything is frozen: now".into()));
    world.thaw(None);
    world.settle();
    assert_eq!(network.0.online(), ["Nearly."]);
}

// ---- lost answers -----------------------------------------------------------------------------------------------------

#[test]
fn postiz_1813_timeout_after_publish() {
    let network = channel([Answer::LostAfter]);
    let mut world = world(&network);
    post(&mut world, json!({ "text": "Once." }));
    world.settle();
    assert_eq!(world.delivery(1), ("unknown".into(), "The network did not answer in time.".into()));
    world.advance("1m");
    assert_eq!(state(&mut world, 1), "online");
    world.advance("1d");
    assert_eq!((network.online().len(), network.asked("publish").len()), (1, 1));
}

#[test]
fn what_is_certainly_not_there_is_sent_again_under_the_same_name() {
    let network = channel([Answer::LostBefore, Answer::LostBefore]);
    let mut world = world(&network);
    post(&mut world, json!({ "text": "At last." }));
    world.advance("10m");
    assert_eq!(network.online(), ["At last."]);
    let published = network.asked("publish");
    assert_eq!(published.len(), 3);
    assert!(published.iter().all(|p| p.key == published[0].key));
    assert!(network.asked("find").len() >= 2, "each lost answer was read back first");
}

#[test]
fn an_answer_that_is_lost_each_time_ends_with_a_person_and_not_with_a_flood() {
    let network = Arc::new(ScriptedChannel::always(Answer::LostAfter).read_back(ReadBack::DeniesAll));
    let mut world = world(&network);
    post(&mut world, json!({ "text": "A lying network.", "expires": "30d" }));
    world.advance("30d");
    assert_eq!(network.asked("publish").len(), 8);
    let (dead, reason) = world.delivery(1);
    assert!(dead == "dead" && reason.contains("given up after 8 tries") && reason.contains("--again"), "{reason}");
}

#[test]
fn a_network_that_cannot_tell_is_asked_again_and_the_owner_too_and_nothing_is_sent_blindly() {
    for how in [ReadBack::Unsure, ReadBack::No, ReadBack::Fails] {
        let network = Arc::new(ScriptedChannel::new([Answer::LostAfter]).read_back(how));
        let mut world = world(&network);
        post(&mut world, json!({ "text": "Perhaps.", "expires": "1h" }));
        world.advance("3h");
        let (unknown, reason) = world.delivery(1);
        assert!(unknown == "unknown" && reason.contains("it may have gone out"), "{reason}");
        assert_eq!(reason.contains("--done"), how != ReadBack::Fails, "{reason}");
        assert_eq!(network.asked("publish").len(), 1);
        let asked = network.asked("find").len();
        assert!(if how == ReadBack::No { asked == 1 } else { (4..40).contains(&asked) }, "{how:?}: {asked}");
        // It is over in the owner's or in the network's time, whichever is first.
        network.now_reads_back(ReadBack::True);
        world.advance("2h");
        if how == ReadBack::No {
            world.reconfigure(|c| c);
            world.settle();
        }
        assert_eq!(state(&mut world, 1), "online", "{how:?}");
        assert_eq!(network.asked("publish").len(), 1);
    }
}

#[test]
fn the_process_may_end_at_the_worst_moment() {
    for (answer, tries, soon) in [(Answer::PanicAfter, 1, "online"), (Answer::PanicBefore, 2, "unknown")] {
        let network = channel([answer]);
        let mut world = world(&network);
        post(&mut world, json!({ "text": "Mid-air." }));
        world.settle();
        assert_eq!(network.asked("publish").len(), 1);
        // As a process that died after arming leaves it.
        let raw = rusqlite::Connection::open(world.database()).unwrap();
        raw.execute("UPDATE delivery SET state = 'armed', look_at = armed_at + 60000", []).unwrap();
        drop(raw);
        world.restart("2s");
        world.settle();
        assert_eq!((state(&mut world, 1).as_str(), network.asked("publish").len()), (soon, 1), "the network is given a minute");
        world.advance("5m");
        assert_eq!(state(&mut world, 1), "online");
        assert_eq!((network.online().len(), network.asked("publish").len()), (1, tries));
    }
}

#[test]
fn a_broken_adapter_harms_neither_the_outbox_nor_the_other_accounts() {
    let (broken, well) = (Arc::new(ScriptedChannel::always(Answer::PanicBefore)), channel([]));
    let mut world = open_world("")
        .with("\n[accounts.other]\nnetwork = \"x\"\nchannel = \"folder\"\nfolder = \"x\"\n")
        .channel("facebook", &broken)
        .channel("other", &well);
    post(&mut world, json!({ "text": "objections panic", "account": "facebook", "expires": "30d" }));
    post(&mut world, json!({ "text": "Well.", "account": "other" }));
    world.settle();
    assert_eq!(well.online(), ["Well."]);
    let (unknown, reason) = world.delivery(1);
    assert!(unknown == "unknown" && reason.contains("The adapter that serves \"facebook\" broke down"), "{reason}");
    world.advance("1d");
    assert_eq!(state(&mut world, 1), "dead");
    assert_eq!(broken.asked("publish").len(), 8);
    // A defect proves nothing: without read-back it is not repeated.
    let blind = Arc::new(ScriptedChannel::always(Answer::Defect).read_back(ReadBack::No));
    let mut world = self::world(&blind);
    post(&mut world, json!({ "text": "Who knows." }));
    world.advance("20h");
    assert_eq!((state(&mut world, 1).as_str(), blind.asked("publish").len()), ("unknown", 1));
    // Before anything could go out it is only a failure.
    let early = Arc::new(ScriptedChannel::default().steps([Step::Panic, Step::Fail]));
    let mut world = self::world(&early);
    post(&mut world, json!({ "text": "Later." }));
    world.advance("5m");
    assert_eq!(early.online(), ["Later."]);
}

// ---- steps, retries, order ---------------------------------------------------------------------------------------------

#[test]
fn every_handle_is_kept_before_the_next_step_also_over_a_restart() {
    let steps = [Step::Again("upload-1", 0), Step::Again("upload-2", 90), Step::Fail];
    let network = Arc::new(ScriptedChannel::default().steps(steps));
    let mut world = world(&network);
    post(&mut world, json!({ "text": "With a film." }));
    post(&mut world, json!({ "text": "Behind it." }));
    world.settle();
    assert_eq!(world.delivery(1), ("preparing".into(), "uploading".into()));
    assert_eq!(state(&mut world, 2), "due", "the order of the account is kept");
    world.restart("30s");
    world.advance("10m");
    let mut handles: Vec<Option<String>> = network.asked("prepare").into_iter().map(|a| a.handle).collect();
    assert_eq!(handles.pop(), Some(None), "the second post has its own handle");
    let upload = |n: &str| Some(format!("upload-{n}"));
    assert_eq!(handles, [None, upload("1"), upload("2"), upload("2")]);
    assert_eq!(network.asked("publish")[0].handle, upload("2"));
    assert_eq!(network.online(), ["With a film.", "Behind it."]);
}

#[test]
fn a_preparation_that_never_ends_costs_little_and_ends_with_the_window() {
    let network = Arc::new(ScriptedChannel::default().steps(vec![Step::Again("again", 0); 100_000]));
    let mut world = world(&network);
    post(&mut world, json!({ "text": "For ever.", "expires": "1h" }));
    world.advance("1m");
    let writes = written(&mut world);
    world.advance("50m");
    assert_eq!(written(&mut world), writes, "what does not move writes nothing");
    world.advance("1h");
    assert_eq!(state(&mut world, 1), "cancelled");
    assert!(network.asked("prepare").len() <= 3_600 / 5 + 4, "{}", network.asked("prepare").len());
    assert!(network.asked("publish").is_empty());
}

#[test]
fn what_the_network_took_but_does_not_show_yet_is_followed() {
    let network = channel([Answer::Pending(4)]);
    let mut world = world(&network);
    post(&mut world, json!({ "text": "In moderation." }));
    world.settle();
    assert_eq!(world.delivery(1), ("unknown".into(), "being processed".into()));
    world.restart("1s");
    world.advance("10m");
    assert_eq!(state(&mut world, 1), "online");
    assert_eq!((network.asked("publish").len(), network.asked("find").len()), (1, 4));
    assert_eq!(network.asked("find")[0].handle.as_deref(), Some("container-1"));
}

#[test]
fn dagu_2436_poison_head_of_queue() {
    for (broken, tries) in [(Answer::Retry(None), 30), (Answer::Defect, 8)] {
        let network = Arc::new(ScriptedChannel::always(broken));
        let mut world = world(&network);
        post(&mut world, json!({ "text": "Poison.", "expires": "30d" }));
        post(&mut world, json!({ "text": "Good.", "at": "1s", "expires": "30d" }));
        world.advance("20s");
        assert!(network.asked("publish").iter().all(|p| p.text == "Poison."), "the order is kept while it may still work");
        // From now on only what the first one is stays poison.
        world.advance("10m");
        assert!(network.asked("publish").iter().any(|p| p.text == "Good."), "{:#?}", world.deliveries());
        world.advance("5d");
        let (dead, reason) = world.delivery(1);
        assert!(dead == "dead" && reason.contains(&format!("given up after {tries} tries")), "{reason}");
        assert_eq!(network.asked("publish").iter().filter(|p| p.text == "Poison.").count(), tries);
    }
}

#[test]
fn a_preparation_that_always_fails_is_a_dead_letter_too() {
    let network = Arc::new(ScriptedChannel::default().steps(vec![Step::Fail; 1_000]));
    let mut world = world(&network);
    post(&mut world, json!({ "text": "Never.", "expires": "30d" }));
    world.advance("5d");
    assert_eq!((state(&mut world, 1).as_str(), network.asked("prepare").len()), ("dead", 30));
    assert!(network.asked("publish").is_empty());
}

#[test]
fn postiz_2084_502_is_not_auth() {
    let network = Arc::new(ScriptedChannel::always(Answer::Retry(None)));
    let mut world = world(&network);
    for n in 0..4 {
        post(&mut world, json!({ "text": format!("{n}") }));
    }
    world.advance("12h");
    assert!(world.ask(view::breakers).is_empty());
    assert_eq!(states(&mut world), ["retrying"; 4]);
    network.now_answers(Answer::Online);
    world.advance("1h");
    let mut online = network.online();
    online.sort();
    assert_eq!(online, ["0", "1", "2", "3"]);
}

#[test]
fn a_network_that_names_its_moment_is_not_asked_before() {
    let at = beffroi::domain::Timestamp::parse("2026-01-01T10:30:00+01:00").unwrap();
    let network = channel([Answer::Retry(Some(at))]);
    let mut world = world(&network);
    post(&mut world, json!({ "text": "Patience." }));
    world.advance("3h");
    assert_eq!(network.asked("publish")[1].at, at);
    // A moment behind the window does not prolong it.
    let never = beffroi::domain::Timestamp::parse("2027-01-01T10:30:00+01:00").unwrap();
    let network = channel([Answer::Retry(Some(never))]);
    let mut world = self::world(&network);
    post(&mut world, json!({ "text": "Gone by then.", "expires": "1h" }));
    world.advance("2h");
    let (ended, reason) = world.delivery(1);
    assert!(ended == "cancelled" && reason.contains("The network is overloaded."), "{reason}");
}

#[test]
fn an_account_without_its_credential_pauses_and_keeps_its_queue() {
    let network = Arc::new(ScriptedChannel::always(Answer::Reconnect));
    let mut world = world(&network);
    for n in 0..5 {
        post(&mut world, json!({ "text": format!("{n}"), "expires": "7d" }));
    }
    world.advance("1d");
    assert_eq!(network.asked("publish").len(), 1, "one refusal is enough to know");
    assert_eq!(states(&mut world), ["held"; 5]);
    assert!(world.delivery(3).1.contains("the account is stopped: The token has expired"), "{:?}", world.delivery(3));
    network.now_answers(Answer::Online);
    world.thaw(Some("facebook"));
    world.settle();
    assert_eq!(network.online(), ["0"]);
    world.advance("1h");
    assert_eq!(network.online(), ["0", "1", "2", "3", "4"], "one by one, since they are all late");
}

#[test]
fn what_the_network_refuses_for_good_is_told_and_not_repeated() {
    let network = channel([Answer::Reject]);
    let mut world = world(&network);
    post(&mut world, json!({ "text": "Bad." }));
    post(&mut world, json!({ "text": "Good." }));
    world.advance("1d");
    assert_eq!(world.delivery(1), ("refused".into(), "The network does not take this.".into()));
    assert_eq!(network.online(), ["Good."]);
    assert_eq!(network.asked("publish").len(), 2);
}

// ---- configuration -----------------------------------------------------------------------------------------------------

#[test]
fn an_account_may_leave_the_configuration_and_come_back() {
    let network = channel([Answer::LostAfter]);
    let mut world = world(&network).with("\n[accounts.other]\nnetwork = \"x\"\nchannel = \"folder\"\nfolder = \"x\"\n");
    post(&mut world, json!({ "text": "In flight.", "account": "facebook" }));
    world.settle();
    post(&mut world, json!({ "text": "Waiting.", "account": "facebook", "at": "1h", "expires": "30d" }));
    assert_eq!(states(&mut world), ["unknown", "due"]);
    world.reconfigure(|c| c.replace("[accounts.facebook]", "[accounts.renamed]"));
    world.advance("2d");
    let (unknown, reason) = world.delivery(1);
    assert!(unknown == "unknown" && reason.contains("no longer in the configuration"), "{reason}");
    assert_eq!(world.delivery(2), ("held".into(), "the account is no longer in the configuration".into()));
    world.restart("1d");
    world.reconfigure(|c| c.replace("[accounts.renamed]", "[accounts.facebook]"));
    world.settle();
    assert_eq!(states(&mut world), ["online"; 3], "the third is the owner's notice about the first");
    assert_eq!(network.online(), ["In flight.", "Waiting."], "the first was read back, not sent again");
}

// ---- notices -----------------------------------------------------------------------------------------------------------

#[test]
fn a_person_is_told_once_whatever_happens_on_the_way() {
    let post_box = channel([Answer::LostAfter, Answer::Retry(None), Answer::Defect]);
    let mut world = world(&channel([])).notifier("owner", &post_box);
    for title in ["Flour is low", "Flour is low", "Sugar is low"] {
        let run = world.run_with("tell", Some(json!({ "title": title, "text": "Two bags.", "once": title })));
        assert_eq!(run.row.state, "done", "{:?}", run.row.error);
    }
    world.advance("1h");
    let mut told = post_box.online();
    told.sort();
    assert_eq!(told, ["Flour is low", "Sugar is low"]);
    assert_eq!(states(&mut world), ["online", "online"]);
}

#[test]
fn a_notice_waits_for_a_person_who_is_not_there() {
    let post_box = Arc::new(ScriptedChannel::always(Answer::Reconnect));
    let mut world = world(&channel([])).notifier("owner", &post_box);
    world.run_with("tell", Some(json!({ "title": "Hello", "text": "x" })));
    world.advance("5h");
    assert_eq!(world.delivery(1), ("held".into(), "The token has expired.".into()));
    world.reconfigure(|c| c.replace("[people.owner]", "[people.boss]"));
    world.advance("1d");
    assert_eq!(world.delivery(1), ("held".into(), "this person is no longer in the configuration".into()));
    post_box.now_answers(Answer::Online);
    world.reconfigure(|c| c.replace("[people.boss]", "[people.owner]"));
    world.settle();
    assert_eq!(post_box.online(), ["Hello"]);
}

// ---- rest --------------------------------------------------------------------------------------------------------------

#[test]
fn a_queue_that_waits_writes_nothing() {
    let network = channel([]);
    let mut world = open_world("ceilings = { spacing = \"1h\", per_hour = 10, per_day = 100 }").channel("facebook", &network);
    for n in 0..20 {
        post(&mut world, json!({ "text": format!("{n:02}"), "expires": "7d" }));
    }
    world.advance("10m");
    let before = world.changes();
    world.advance("5h");
    // Each of the five that went out was armed and settled; the others are not rewritten at every hour.
    let written = world.changes() - before;
    assert!(written <= 5 * 2 + 5 + 6, "{written} changes in five hours");
    world.advance("16h");
    assert_eq!(network.online().len(), 20);
    assert!(network.online().is_sorted());
}
