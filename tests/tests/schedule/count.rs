//! The daemon counts its own ledger: it finds what is lost, doubled, left open or made up, and raises no false alarm.

use super::{ZONE, at, due, rows, schedules};
use beffroi::clock::{Clock, Dice};
use beffroi::domain::{Timestamp, parse_span};
use beffroi::schedule::audit::{Audit, adrift, audit, overdue};
use beffroi::store::{ledger, view};
use beffroi_tests::{HEAD, START, World};
use std::time::Duration;

const HOURLY: &str = "schedule = \"0 * * * *\"\nmissed = \"latest\"\nwindow = \"3h\"";

/// Two days of an hourly workflow, with half a day of downtime in the middle.
fn two_days() -> World {
    let mut world = World::new().workflow("tick", HOURLY, "1").workflow("other", "schedule = \"30 8 * * *\"", "1");
    world.advance("20h");
    world.restart("12h");
    world.advance("16h");
    world
}

fn count(world: &mut World) -> Audit {
    let now = world.on().clock.now();
    world.ask(|db| audit(db, at(START), now.plus(Duration::from_secs(1))))
}

/// Changes the file by hand, as nobody should.
fn tamper(world: &mut World, sql: &str) -> usize {
    let raw = rusqlite::Connection::open(world.database()).expect("the file opens");
    sql.split(';')
        .filter(|s| !s.trim().is_empty())
        .map(|s| raw.execute(s, []).unwrap_or_else(|e| panic!("{s}: {e}")))
        .last()
        .unwrap_or(0)
}

fn instants(expression: &str, from: &str, until: Timestamp) -> u64 {
    due(&schedules(&[expression]), at(from), until).len() as u64
}

#[test]
fn a_ledger_that_was_left_alone_comes_out_even() {
    let mut world = two_days();
    let now = world.on().clock.now();
    let counted = count(&mut world);
    assert!(counted.holds(), "{counted:?}");
    assert_eq!(counted.expected, instants("0 * * * *", START, now) + instants("30 8 * * *", START, now));
}

#[test]
fn a_row_that_is_taken_away_is_missed() {
    let mut world = two_days();
    let whole = count(&mut world).expected;
    let three = "kind = 'schedule' AND workflow = 'tick' AND due BETWEEN 1767268800000 AND 1767276000000";
    assert_eq!(tamper(&mut world, &format!("DELETE FROM occurrence WHERE {three}")), 3);
    let counted = count(&mut world);
    assert_eq!((counted.expected, counted.found, counted.missing.count), (whole, whole - 3, 3));
    let example = &counted.missing.examples[0];
    assert_eq!((example.workflow.as_str(), example.count), ("tick", 3), "what belongs together is told together");
    assert_eq!((example.due.millis(), example.last.millis()), (1_767_268_800_000, 1_767_276_000_000));
    assert_eq!((counted.extra.count, counted.doubled.count, counted.without_fate.count), (0, 0, 0));
}

#[test]
fn a_row_that_is_there_twice_is_found_even_without_the_index_that_forbids_it() {
    let mut world = two_days();
    let copy = "INSERT INTO occurrence (id, workflow, kind, due, start_at, schedule, fate, reason)
        SELECT id + 100000, workflow, kind, due, start_at, schedule, fate, reason FROM occurrence WHERE kind = 'schedule' AND workflow = 'tick' LIMIT 2";
    tamper(&mut world, &format!("DROP INDEX occurrence_once; {copy}"));
    let counted = count(&mut world);
    assert_eq!((counted.doubled.count, counted.missing.count, counted.extra.count), (2, 0, 0), "{counted:?}");
    assert!(!counted.holds());
}

#[test]
fn a_row_that_loses_its_fate_is_found_and_one_that_waits_or_runs_is_not() {
    let config = "schedule = \"0 * * * *\"\nretries = 4\nbackoff = \"50m\"\noverlap = \"queue\"";
    let mut world = two_days_of(config, "throw \"not yet\"");
    let counted = count(&mut world);
    assert!(counted.holds(), "what waits for another attempt, and what waits behind it, is not forgotten: {counted:?}");
    let mut world = two_days();
    let one =
        "UPDATE occurrence SET fate = NULL WHERE id = (SELECT min(id) FROM occurrence WHERE kind = 'schedule' AND fate = 'ran')";
    tamper(&mut world, &format!("DROP TRIGGER fate_is_final; {one}"));
    let counted = count(&mut world);
    assert_eq!((counted.without_fate.count, counted.missing.count, counted.doubled.count), (1, 0, 0), "{counted:?}");
}

fn two_days_of(config: &str, script: &str) -> World {
    let mut world = World::new().workflow("tick", &format!("{config}\npause_after = 0"), script);
    world.advance("3h10m");
    world
}

#[test]
fn a_row_that_nobody_was_due_for_is_found() {
    let mut world = two_days();
    let odd = "INSERT INTO occurrence (id, workflow, kind, due, start_at, fate) VALUES (100000, 'tick', 'schedule', 1767270000001, 1767270000001, 'ran')";
    tamper(&mut world, odd);
    let counted = count(&mut world);
    assert_eq!((counted.extra.count, counted.missing.count), (1, 0), "{counted:?}");
    // A row by hand at any time is nobody's business.
    tamper(&mut world, "UPDATE occurrence SET kind = 'hand' WHERE id = 100000");
    assert!(count(&mut world).holds());
}

#[test]
fn a_stretch_that_counts_wrong_is_found_both_ways() {
    for (change, missing, extra) in [("count - 2", 2, 0), ("count + 3", 0, 3)] {
        let mut world = World::new().workflow("tick", "schedule = \"*/5 * * * *\"\nmissed = \"skip\"", "1");
        world.advance("1h");
        world.restart("3d");
        world.advance("1h");
        assert!(rows(&mut world).iter().any(|row| row.count > 100));
        let counted = count(&mut world);
        assert!(counted.holds(), "{counted:?}");
        tamper(&mut world, &format!("UPDATE occurrence SET count = {change} WHERE count > 100"));
        let counted = count(&mut world);
        assert_eq!((counted.missing.count, counted.extra.count), (missing, extra), "{counted:?}");
        assert_eq!(counted.found + counted.missing.count, counted.expected);
    }
}

#[test]
fn a_history_that_somebody_changed_is_not_believed() {
    let mut world = two_days();
    tamper(&mut world, "UPDATE schedule_span SET schedule = 'whenever | Europe/Paris | vixie' WHERE workflow = 'tick'");
    let counted = count(&mut world);
    assert_eq!(counted.unknown, ["tick"]);
    assert_eq!(counted.expected, instants("30 8 * * *", START, world.on().clock.now()), "the others are counted all the same");
}

#[test]
fn an_edit_that_was_not_taken_over_is_seen() {
    let mut world = two_days();
    let astray = |world: &mut World| {
        let instance = world.on().engine.current.get();
        world.ask(|db| adrift(db, &instance))
    };
    assert!(astray(&mut world).is_empty());
    tamper(&mut world, "UPDATE workflow SET schedule = '0 3 * * * | Europe/Paris | vixie' WHERE name = 'tick'");
    assert_eq!(astray(&mut world), ["tick"]);
    assert_eq!(count(&mut world).unknown, ["tick"], "nor does its history lead there");
}

/// What was lived twice, by a clock that was ahead, under schedules that changed in between.
#[test]
fn a_clock_that_was_ahead_and_edits_in_between_raise_no_false_alarm() {
    let pick = |dice: &Dice, words: &[&'static str]| words[usize::try_from(dice.below(words.len() as u64)).expect("small")];
    for seed in 0..30 {
        let dice = Dice::seeded(seed);
        let mut world = World::new().seed(seed);
        world.file("scripts/nothing.rhai", "1");
        let shuffle = |dice: &Dice| {
            let expression = pick(dice, &["*/7 * * * *", "0 * * * *", "15,45 */3 * * *", "*/20 8-18 * * *", "*/2 * * * *"]);
            let missed = pick(dice, &["skip", "latest", "all"]);
            let enabled = dice.below(5) > 0;
            format!(
                "{HEAD}[workflows.a]\nscript = \"nothing.rhai\"\nschedule = {expression:?}\nmissed = {missed:?}\nwindow = \"2h\"\nenabled = {enabled}\n"
            )
        };
        let first = shuffle(&dice);
        world.reconfigure(|_| first);
        world.on();
        let mut told = Vec::new();
        for _ in 0..12 {
            let what = dice.below(5);
            told.push(what);
            match what {
                0 => world.advance(pick(&dice, &["3m", "50m", "4h"])),
                1 => {
                    world.on().clock.advance(parse_span(pick(&dice, &["70m", "9h", "3d"])).expect("a span"));
                    world.settle();
                }
                2 => {
                    let clock = world.on().clock.clone();
                    let back = parse_span(pick(&dice, &["2m", "2h", "11h", "4d"])).expect("a span");
                    clock.set(clock.now().minus(back).max(at(START)));
                    world.settle();
                }
                3 => {
                    let config = shuffle(&dice);
                    world.reconfigure(|_| config);
                    world.settle();
                }
                _ => world.restart(pick(&dice, &["0s", "5m", "5h", "2d"])),
            }
            world.settle();
            let now = world.on().clock.now();
            let counted = world.ask(|db| audit(db, at(START).minus(Duration::from_secs(86_400)), now));
            assert!(
                counted.holds(),
                "seed {seed} {told:?}: {counted:?}\n{:#?}",
                world.ask(|db| ledger::spans(db, None, Timestamp::EPOCH, Timestamp::NEVER))
            );
        }
    }
}

#[test]
fn the_count_is_made_once_a_day_and_kept() {
    let mut world = World::new().workflow("tick", HOURLY, "1");
    world.advance("30s");
    assert!(world.ask(ledger::last_check).is_none(), "what a start makes up for comes first");
    world.advance("1m");
    let (first, total) = world.ask(ledger::last_check).expect("counted");
    assert_eq!((first.expected, total, first.missing), (0, 0, 0));
    world.advance("23h");
    assert_eq!(world.ask(ledger::last_check).expect("counted").0, first, "not twice on one day");
    world.restart("10m");
    world.advance("3d");
    let (last, total) = world.ask(ledger::last_check).expect("counted");
    let now = world.on().clock.now();
    assert!(now.since(last.at) < Duration::from_secs(86_400));
    assert_eq!(total, instants("0 * * * *", START, last.until), "each due time is counted into the sum once");
    assert_eq!((last.expected, last.found), (48, 48), "a day, and the day before it once more");
    assert!(world.files("mail", ".txt").is_empty(), "nobody is told that all is well");
}

#[test]
fn a_count_that_does_not_come_out_even_is_told_once_a_day_in_each_ones_language() {
    let french = "[people.zoe]\nchannel = \"folder\"\nfolder = \"poste\"\nlanguage = \"fr\"\n";
    let mut world = World::new().with(french).workflow("tick", HOURLY, "1");
    world.advance("20h");
    tamper(&mut world, "DELETE FROM occurrence WHERE kind = 'schedule' AND due = 1767268800000");
    world.advance("8h");
    let mail = world.files("mail", ".txt");
    assert_eq!(mail.len(), 1, "{mail:?}");
    let said = std::fs::read_to_string(world.path("mail").join(&mail[0])).expect("readable");
    assert!(said.contains("1 due time without a row") && said.contains("tick 2026-01-01 13:00:00"), "{said}");
    let post = std::fs::read_to_string(world.path("poste").join(&world.files("poste", ".txt")[0])).expect("readable");
    assert!(post.contains("1 échéance sans ligne") && post.contains("beffroi doctor"), "{post}");
    let (check, _) = world.ask(ledger::last_check).expect("counted");
    assert_eq!((check.missing, check.expected - check.found), (1, 1));
    world.restart("1m");
    world.advance("10h");
    assert_eq!(world.files("mail", ".txt").len(), 1, "once a day");
    world.advance("5d");
    assert_eq!(world.files("mail", ".txt").len(), 2, "again the day after, and no more when those days are past");
}

/// Crons that stop silently: what should have started and did not shows from outside, in seconds.
#[test]
fn what_should_have_started_and_has_not_shows_as_overdue() {
    let mut world = World::new().workflow("tick", HOURLY, "1");
    world.advance("90m");
    let late = |world: &mut World| {
        let now = world.on().clock.now();
        world.ask(|db| overdue(db, now)).map(|(at, name)| (now.since(at).as_secs(), name))
    };
    assert_eq!(late(&mut world), None);
    // Time passes and nobody plans.
    world.on().clock.advance(Duration::from_secs(2 * 3_600));
    assert_eq!(late(&mut world), Some((5_400, "tick".into())));
    world.settle();
    assert_eq!(late(&mut world), None);
    // A row that is open beyond its start, though nothing runs.
    tamper(&mut world, "DROP TRIGGER fate_is_final; UPDATE occurrence SET fate = NULL WHERE id = 1");
    assert_eq!(late(&mut world).map(|(seconds, _)| seconds), Some(2 * 3_600 + 1_800));
}

#[test]
fn an_older_database_is_counted_from_where_its_ledger_ended() {
    let mut world = two_days();
    let file = world.database();
    let until = world.ask(view::workflows).into_iter().find(|row| row.name == "tick").expect("known").ledger_until;
    // As it was before there was a history.
    tamper(
        &mut world,
        "DROP TABLE schedule_span; DROP TABLE ledger_check; DROP TABLE boot; ALTER TABLE feed DROP COLUMN failing_since;
         DROP INDEX occurrence_stretch; DROP INDEX post_by_run; DROP INDEX occurrence_other;
         ALTER TABLE feed DROP COLUMN failures; DROP INDEX delivery_under_way; DROP INDEX signal_by_feed; DROP INDEX run_detailed;
         CREATE INDEX run_finished ON run (finished) WHERE finished IS NOT NULL",
    );
    let raw = rusqlite::Connection::open(&file).expect("opens");
    raw.pragma_update(None, "user_version", 5).expect("set");
    drop(raw);
    world.restart("5h");
    world.advance("5h");
    let now = world.on().clock.now();
    let counted = count(&mut world);
    assert!(counted.holds(), "{counted:?}");
    let since = until.rfc3339(ZONE);
    let owed = instants("0 * * * *", &since, now);
    assert!(owed > 5 && counted.expected >= owed, "{owed} {counted:?}");
}

#[test]
#[ignore = "a measurement: cargo test --release -p beffroi-tests --test schedule -- --ignored --nocapture year"]
fn a_year_of_two_hundred_workflows_is_counted_in_a_blink() {
    let mut world = World::new();
    world.file("scripts/nothing.rhai", "1");
    let mut config = HEAD.to_owned();
    for n in 0..200 {
        config.push_str(&format!("[workflows.w{n}]\nscript = \"nothing.rhai\"\nschedule = \"{} * * * *\"\n", n % 60));
    }
    world.reconfigure(|_| config);
    world.on();
    let fill = "WITH RECURSIVE h(t) AS (VALUES (0) UNION ALL SELECT t + 1 FROM h WHERE t < 8759), w(n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM w WHERE n < 199)
        INSERT INTO occurrence (id, workflow, kind, due, start_at, schedule, fate)
        SELECT NULL, 'w' || n, 'schedule', 1767254400000 + t * 3600000 + (n % 60) * 60000, 1767254400000 + t * 3600000, 'x', 'ran' FROM h, w WHERE t > 0 OR n % 60 > 0";
    tamper(&mut world, &fill.replace('\n', " "));
    let (from, to) = (at("2026-01-01T09:00:00+01:00"), Timestamp::from_millis(1_767_254_400_000 + 8_760 * 3_600_000));
    let clock = beffroi::clock::SystemClock::new();
    let begin = clock.monotonic();
    let counted = world.ask(|db| audit(db, from, to));
    assert!(counted.missing.count == 0 && counted.extra.count == 0, "{counted:?}");
    println!("{} due times, {} missing, in {:?}", counted.expected, counted.missing.count, clock.monotonic() - begin);
}
