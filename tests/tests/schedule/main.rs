//! What the schedules say and what the ledger holds, whatever happens to the process, the clock and the configuration.
//!
//! Tests that carry another project's name and number show that its failure does not happen here.

mod complete;
mod count;

use beffroi::domain::Timestamp;
use beffroi::schedule::cron::{Dst, Schedule};
use beffroi::store::view::Db;
use beffroi_tests::World;
use beffroi_tests::stage::{Stage, answer};
use std::collections::BTreeMap;
use std::time::Duration;

const ZONE: beffroi::domain::Zone = beffroi::sample::ZONE;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an instant")
}

/// A row of the ledger.
#[derive(Debug, Clone)]
struct Row {
    id: i64,
    workflow: String,
    due: Timestamp,
    last: Timestamp,
    count: i64,
    fate: Option<String>,
    reason: String,
    schedule: String,
    start_at: Timestamp,
    into: Option<i64>,
    attempt: i64,
}

impl Row {
    fn fate(&self) -> &str {
        self.fate.as_deref().unwrap_or("open")
    }

    fn local(&self) -> String {
        self.due.rfc3339(ZONE)
    }
}

/// The scheduled part of the ledger, in the order of due instants.
fn ledger(db: &Db) -> Vec<Row> {
    let instant = |millis: i64| Timestamp::from_millis(millis);
    db.prepare(
        "SELECT o.id, o.workflow, o.due, coalesce(o.last_due, o.due), o.count, o.fate, coalesce(o.reason, ''),
             coalesce(o.schedule, ''), o.start_at, o.into_id, coalesce(r.attempt, 0)
         FROM occurrence o LEFT JOIN run r ON r.id = o.id WHERE o.kind = 'schedule' ORDER BY o.due, o.workflow",
    )
    .and_then(|mut query| {
        query
            .query_map([], |row| {
                Ok(Row {
                    id: row.get(0)?,
                    workflow: row.get(1)?,
                    due: instant(row.get(2)?),
                    last: instant(row.get(3)?),
                    count: row.get(4)?,
                    fate: row.get(5)?,
                    reason: row.get(6)?,
                    schedule: row.get(7)?,
                    start_at: instant(row.get(8)?),
                    into: row.get(9)?,
                    attempt: row.get(10)?,
                })
            })?
            .collect()
    })
    .expect("the ledger can be read")
}

fn rows(world: &mut World) -> Vec<Row> {
    world.ask(|db| Ok(ledger(db)))
}

/// How many rows have each fate.
fn fates(rows: &[Row]) -> BTreeMap<String, i64> {
    let mut out = BTreeMap::new();
    for row in rows {
        *out.entry(row.fate().to_owned()).or_default() += row.count;
    }
    out
}

fn counted(pairs: &[(&str, i64)]) -> BTreeMap<String, i64> {
    pairs.iter().map(|(fate, count)| ((*fate).to_owned(), *count)).collect()
}

fn schedules(expressions: &[&str]) -> Vec<Schedule> {
    expressions.iter().map(|text| Schedule::parse(text, ZONE, Dst::Vixie).expect("a good expression")).collect()
}

/// Due instants in `(after, until]`, each once.
fn due(schedules: &[Schedule], after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let mut all: Vec<Timestamp> = schedules.iter().flat_map(|s| s.between(after, until).collect::<Vec<_>>()).collect();
    all.sort();
    all.dedup();
    all
}

// ── Missed ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

fn after_downtime(policies: &str, downtime: &str) -> Vec<Row> {
    let config = format!("schedule = \"0 * * * *\"\n{policies}");
    let mut world = World::new().workflow("hourly", &config, "1");
    world.settle();
    world.restart(downtime);
    world.settle();
    rows(&mut world)
}

#[test]
fn missed_skip_makes_up_for_nothing_and_says_so() {
    let rows = after_downtime("missed = \"skip\"", "5h30m");
    assert_eq!(fates(&rows), counted(&[("missed", 5)]));
    assert!(rows.iter().all(|r| r.count == 1 && r.reason.contains("not running")), "{rows:?}");
}

#[test]
fn missed_latest_runs_the_latest_for_all_in_the_window() {
    let rows = after_downtime("missed = \"latest\"\nwindow = \"3h\"", "5h30m");
    assert_eq!(fates(&rows), counted(&[("missed", 2), ("coalesced", 2), ("ran", 1)]));
    let ran = rows.last().expect("five rows");
    assert_eq!((ran.fate(), ran.local().as_str()), ("ran", "2026-01-01T14:00:00+01:00"));
    assert!(rows.iter().filter(|r| r.fate() == "coalesced").all(|r| r.into == Some(ran.id)), "{rows:?}");
    assert!(rows[0].reason.contains("window of 3h"), "{rows:?}");
}

#[test]
fn missed_all_runs_each_in_the_window_oldest_first_one_after_the_other() {
    let mut world = World::new().workflow(
        "hourly",
        "schedule = \"0 * * * *\"\nmissed = \"all\"\nwindow = \"4h\"\noverlap = \"skip\"",
        "let seen = state::get(\"seen\", []); seen.push(time::part(run::due(), \"hour\")); state::set(\"seen\", seen);",
    );
    world.settle();
    world.restart("6h30m");
    world.settle();
    assert_eq!(fates(&rows(&mut world)), counted(&[("missed", 2), ("ran", 4)]));
    assert_eq!(world.state("seen"), serde_json::json!([12, 13, 14, 15]));
}

#[test]
fn a_long_downtime_is_one_row_that_counts() {
    let rows = after_downtime("missed = \"latest\"\nwindow = \"2h\"", "60d");
    let stretch = &rows[0];
    // 1,440 hours less the three in the window (14:00 two hours ago is one of them by a hair: the clock shows 9:00 sharp).
    assert_eq!(stretch.count, 1_437, "{stretch:?}");
    assert_eq!((stretch.fate(), stretch.local().as_str()), ("missed", "2026-01-01T10:00:00+01:00"));
    assert_eq!(fates(&rows), counted(&[("missed", 1_437), ("coalesced", 2), ("ran", 1)]));
}

#[test]
fn the_missed_run_waits_for_one_that_a_crash_interrupted() {
    // The process ends while the run of 10:00 goes on: it is open when the hours after it are found missed.
    let mut world = World::new().workflow("hourly", "schedule = \"0 * * * *\"\noverlap = \"skip\"\nwindow = \"6h\"", "1");
    world.settle();
    world.on().clock.set(at("2026-01-01T10:00:00+01:00"));
    let crash = world.path("beffroi.db");
    world.on();
    // As the planner leaves it behind: recorded and begun, not ended.
    let database = world.on().engine.store.path().to_owned();
    assert!(database.starts_with(crash.parent().expect("the world's folder")));
    Db::open(database)
        .and_then(|db| {
            db.execute_batch(
                "INSERT INTO occurrence (id, workflow, kind, due, start_at, schedule) VALUES (900, 'hourly', 'schedule', 1767258000000, 1767258000000, '');
                 INSERT INTO run (id, state, attempt, version, started) VALUES (900, 'running', 1, '', 1767258000000);
                 UPDATE workflow SET ledger_until = 1767258000000;",
            )
        })
        .expect("written");
    world.restart("3h30m");
    world.settle();
    let rows = rows(&mut world);
    assert_eq!(fates(&rows), counted(&[("ran", 2), ("coalesced", 2)]), "{rows:?}");
    let last = rows.last().expect("four rows");
    assert!(rows.iter().filter(|r| r.fate() == "coalesced").all(|r| r.into == Some(last.id)), "they name one that ran: {rows:?}");
}

#[test]
fn catching_up_of_one_workflow_is_nothing_to_another() {
    // Both come due in one turn; only "late" has something to catch up with.
    let mut world = World::new()
        .workflow("late", "schedule = \"*/10 * * * *\"\nmissed = \"all\"\nwindow = \"2h\"", "1")
        .workflow("other", "schedule = \"0,20,40 * * * * *\"\nmissed = \"all\"\noverlap = \"skip\"\nwindow = \"0s\"", "1");
    world.advance("1m");
    world.on().clock.advance(Duration::from_secs(3_600));
    world.settle();
    let found = rows(&mut world);
    let last_minute: Vec<&Row> = found
        .iter()
        .filter(|r| r.workflow == "other" && r.due.plus(Duration::from_secs(60)) >= at("2026-01-01T10:01:00+01:00"))
        .collect();
    let words: Vec<&str> = last_minute.iter().map(|r| r.fate()).collect();
    assert!(words.contains(&"skipped") && !words.contains(&"missed"), "overlap = skip holds: {words:?}");
}

// ── Overlap ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// A run that is under way for five minutes, and a schedule that rings every two.
fn slow(overlap: &str, minutes: &'static str) -> (Stage, Vec<Row>) {
    let config = format!(
        "[workflows.slow]\nscript = \"slow.rhai\"\nschedule = \"*/2 * * * *\"\noverlap = \"{overlap}\"\nretries = 0\ntimeout = \"1h\""
    );
    let stage = Stage::start(
        &config,
        &[("slow", "http::get(\"https://slow.example/\"); let n = 0; while n < 100 { n += 1; } state::add(\"done\", 1);")],
    );
    stage.once_asked(move |engine, clock| {
        for _ in 0..5 {
            Stage::pass(engine, clock, minutes);
        }
    });
    stage.advance("2m");
    stage.settle();
    let rows = stage.ask(|db| Ok(ledger(db)));
    (stage, rows)
}

#[test]
fn windmill_10917_thinned_grid() {
    let (stage, rows) = slow("skip", "1m");
    assert_eq!(fates(&rows), counted(&[("ran", 1), ("skipped", 2)]), "{rows:?}");
    assert!(rows[1..].iter().all(|r| r.reason == "r1, the run before it, was still going"), "{rows:?}");
    stage.advance("1m");
    assert_eq!(fates(&stage.ask(|db| Ok(ledger(db)))), counted(&[("ran", 2), ("skipped", 2)]), "the next one runs again");
}

#[test]
fn overlap_queue_runs_them_in_turn() {
    let (stage, rows) = slow("queue", "1m");
    assert_eq!(fates(&rows), counted(&[("ran", 3)]), "{rows:?}");
    assert_eq!(stage.state("done"), 3);
    let started: Vec<Timestamp> = stage.rows().iter().filter_map(|r| r.started).collect();
    assert!(started.is_sorted(), "{started:?}");
}

#[test]
fn overlap_cancel_running_leaves_only_the_newest() {
    let (stage, rows) = slow("cancel-running", "1m");
    let words: Vec<&str> = rows.iter().map(Row::fate).collect();
    assert_eq!(words, ["skipped", "skipped", "ran"], "the one that waited its turn is out of date as well: {rows:?}");
    assert_eq!(stage.state("done"), 1, "a cancelled run leaves nothing behind");
    assert!(rows[0].reason.contains("cancelled"), "{rows:?}");
}

#[test]
fn a_cancelled_run_that_waits_for_another_try_makes_room_at_once() {
    let stage = Stage::start(
        "[workflows.w]\nscript = \"w.rhai\"\nschedule = \"*/10 * * * *\"\noverlap = \"cancel-running\"\nretries = 5\nbackoff = \"1h\"",
        &[("w", "if time::part(run::due(), \"minute\") == 10 { throw \"the first one fails\" }")],
    );
    stage.advance("20m");
    let rows = stage.ask(|db| Ok(ledger(db)));
    assert_eq!(rows.iter().map(Row::fate).collect::<Vec<_>>(), ["skipped", "ran"], "{rows:?}");
}

#[test]
fn a_run_that_is_cancelled_before_it_starts_does_not_start() {
    let mut world = World::new().workflow("w", "schedule = \"0 0 1 1 *\"", "state::add(\"ran\", 1)");
    let id = world.on().engine.run_soon("w", None).expect("recorded");
    assert!(world.on().engine.board.cancel(id));
    world.settle();
    assert_eq!(world.state("ran"), serde_json::Value::Null);
    assert_eq!(world.ledger()[0].1, "skipped");
}

// ── Jitter, retries, pause ────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn jitter_moves_the_start_and_not_the_due_time_the_same_way_for_the_same_seed() {
    let starts = |seed: u64| {
        let mut world = World::new().seed(seed).workflow("w", "schedule = \"0 * * * *\"\njitter = \"20m\"", "1");
        world.advance("6h30m");
        let rows = rows(&mut world);
        assert_eq!(fates(&rows), counted(&[("ran", 6)]));
        for (row, hour) in rows.iter().zip(10..) {
            assert_eq!(row.local(), format!("2026-01-01T{hour}:00:00+01:00"));
            assert!(row.start_at >= row.due && row.start_at.since(row.due) < Duration::from_secs(1_200), "{row:?}");
        }
        let started = world.ask(|db| beffroi::store::view::runs(db, None, 10));
        assert!(started.iter().all(|r| rows.iter().any(|row| Some(row.start_at) == r.started)), "each starts when it was told");
        rows.iter().map(|r| r.start_at).collect::<Vec<_>>()
    };
    assert_eq!(starts(3), starts(3));
    assert_ne!(starts(3), starts(4));
    assert!(starts(3).windows(2).any(|w| w[1].since(w[0]) != Duration::from_secs(3_600)));
}

#[test]
fn retries_wait_twice_as_long_each_time_and_at_most_an_hour() {
    let mut world = World::new().workflow(
        "w",
        "schedule = \"0 10 1 1 *\"\nretries = 6\nbackoff = \"10m\"\npause_after = 0",
        "let at = step(`attempt ${run::attempt()}`, || run::now()); throw \"no luck\"",
    );
    world.advance("1d");
    let times: Vec<i64> = world
        .ask(|db| db.prepare("SELECT CAST(answer AS INTEGER) FROM step ORDER BY at")?.query_map([], |row| row.get(0))?.collect());
    let waits: Vec<i64> = times.windows(2).map(|w| (w[1] - w[0]) / 60_000).collect();
    assert_eq!(waits, [10, 20, 40, 60, 60, 60]);
    let rows = rows(&mut world);
    assert_eq!((rows.len(), rows[0].fate(), rows[0].attempt), (1, "failed", 7));
    assert!(rows[0].reason.contains("no luck"), "{rows:?}");
}

#[test]
fn a_workflow_that_keeps_failing_is_paused_people_are_told_and_resuming_starts_the_count_anew() {
    let script = "if state::get(\"broken\", true) { throw \"the shop is down\" }";
    let mut world = World::new().workflow("w", "schedule = \"*/10 * * * *\"\nretries = 0\npause_after = 3", script).workflow(
        "mend",
        "schedule = \"0 0 1 1 *\"",
        "state::set(\"broken\", false)",
    );
    world.advance("1h");
    let found = rows(&mut world);
    assert_eq!(fates(&found), counted(&[("failed", 3), ("skipped", 3)]), "{found:?}");
    assert!(found[3..].iter().all(|r| r.reason == "paused: it failed 3 times in a row"), "{found:?}");
    let mail = world.files("mail", ".txt");
    let notices = world.deliveries();
    assert_eq!((notices.len(), notices[0].state.as_str()), (1, "online"), "one notice, delivered: {mail:?}");
    assert!(
        notices[0].content["text"].as_str().is_some_and(|t| t.contains("the shop is down") && t.contains("beffroi resume w"))
    );
    // Resumed without being mended: it takes three more failures, not one.
    world.restart("0s");
    world.on().engine.pause("w", None).expect("resumed");
    world.advance("20m");
    assert_eq!(fates(&rows(&mut world)), counted(&[("failed", 5), ("skipped", 3)]));
    world.run("mend");
    world.advance("30m");
    assert_eq!(fates(&rows(&mut world)), counted(&[("failed", 5), ("skipped", 3), ("ran", 3)]));
    // And a success in between starts the count anew as well.
    let standing = world.on().engine.board.standing(&beffroi::domain::WorkflowName::parse("w").expect("a name"));
    assert_eq!((standing.failures, standing.paused), (0, None));
}

#[test]
fn what_a_person_runs_is_not_tried_again_and_pauses_nothing() {
    let mut world = World::new().workflow("w", "schedule = \"0 0 1 1 *\"\nretries = 5\npause_after = 1", "throw \"no\"");
    let run = world.run("w");
    assert_eq!((run.row.state.as_str(), run.row.attempt), ("failed", 1));
    world.advance("2h");
    assert_eq!(world.ledger().len(), 1);
    assert!(world.deliveries().is_empty());
    world.on().engine.pause("w", Some("for a while".into())).expect("paused");
    assert_eq!(world.run("w").row.state, "failed", "by hand it runs although it is paused");
}

#[test]
fn a_paused_workflow_starts_nothing_by_event_retry_queue_or_plan() {
    let mut world = World::new()
        .workflow(
            "w",
            "events = [\"go\"]\nretries = 3\nbackoff = \"10m\"",
            "if run::kind() == \"hand\" { run::later(\"20m\"); } else { throw \"no\" }",
        )
        .workflow("caller", "schedule = \"0 0 1 1 *\"", "events::emit(\"go\")");
    world.run("caller");
    world.settle();
    world.run("w");
    world.on().engine.pause("w", Some("closed".into())).expect("paused");
    world.run("caller");
    world.advance("1d");
    let ledger = world.ledger();
    let of: Vec<(&str, &str)> = ledger.iter().filter(|l| l.1 != "ran").map(|l| (l.1.as_str(), l.2.as_str())).collect();
    assert_eq!(of, [("skipped", "paused: closed"); 3], "the retry, the planned run and the event: {ledger:#?}");
}

#[test]
fn kestra_6027_reenable_replays_gap() {
    let tick = "schedule = \"0 * * * *\"\nmissed = \"all\"\nwindow = \"7d\"";
    let mut world = World::new().workflow("paused", tick, "1").workflow("off", tick, "1");
    world.advance("2h");
    world.on().engine.pause("paused", Some("holidays".into())).expect("paused");
    let off = |text: String| text.replace("[workflows.off]\n", "[workflows.off]\nenabled = false\n");
    world.reconfigure(off);
    world.advance("1d");
    world.restart("1h");
    world.on().engine.pause("paused", None).expect("resumed");
    world.reconfigure(|text| text.replace("enabled = false\n", ""));
    world.advance("2h");
    let found = rows(&mut world);
    let of = |name: &str| fates(&found.iter().filter(|r| r.workflow == name).cloned().collect::<Vec<_>>());
    assert_eq!(of("off"), counted(&[("ran", 4)]), "switched off is not downtime");
    assert_eq!(of("paused"), counted(&[("ran", 4), ("skipped", 25)]), "each hour of the pause has its row, and none is replayed");
}

// ── Triggers ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_run_asked_for_later_comes_once_at_its_moment_even_after_a_restart() {
    let mut world = World::new().workflow(
        "w",
        "schedule = \"0 0 1 1 *\"",
        "if run::kind() == \"hand\" { run::later(\"90m\", #{ n: 7 }); } else { state::add(\"sum\", run::payload().n); }",
    );
    world.run("w");
    world.advance("89m");
    assert_eq!(world.state("sum"), serde_json::Value::Null);
    world.restart("0s");
    world.advance("1m");
    world.restart("0s");
    world.advance("3h");
    assert_eq!(world.state("sum"), 7);
    let later: Vec<_> =
        world.ask(|db| beffroi::store::view::runs(db, None, 10)).into_iter().filter(|r| r.trigger.word() == "later").collect();
    assert_eq!(later.len(), 1);
    assert_eq!(later[0].started.map(|t| t.rfc3339(ZONE)).as_deref(), Some("2026-01-01T10:30:00+01:00"));
}

#[test]
fn an_event_runs_everybody_who_listens_and_nobody_else() {
    let count = "state::add(`seen/${run::workflow()}`, run::payload().n)";
    let mut world = World::new()
        .workflow(
            "caller",
            "schedule = \"0 0 1 1 *\"",
            "events::emit(\"stock.low\", #{ n: 2 }); events::emit(\"other\", #{ n: 5 });",
        )
        .workflow("one", "events = [\"stock.low\"]", count)
        .workflow("two", "events = [\"stock.low\", \"other\"]", count)
        .workflow("three", "events = [\"stock.high\"]", count)
        .workflow("off", "events = [\"stock.low\"]\nenabled = false", count);
    world.run("caller");
    world.settle();
    let seen: Vec<_> = ["one", "two", "three", "off"].iter().map(|w| world.state(&format!("seen/{w}"))).collect();
    assert_eq!(seen, [serde_json::json!(2), serde_json::json!(7), serde_json::Value::Null, serde_json::Value::Null]);
}

#[test]
fn workflows_that_call_each_other_come_to_an_end() {
    let mut world = World::new()
        .workflow("ping", "events = [\"pong\"]\nretries = 0", "state::add(\"calls\", 1); events::emit(\"ping\")")
        .workflow("pong", "events = [\"ping\"]\nretries = 0", "state::add(\"calls\", 1); events::emit(\"pong\")");
    world.run("ping");
    world.settle();
    let ledger = world.ledger();
    assert_eq!(ledger.len(), 9, "the first and eight in answer: {ledger:#?}");
    assert!(ledger[8].2.contains("the chain ends here"), "{ledger:#?}");
    assert_eq!(world.state("calls"), 8, "the ninth failed, and left nothing");
}

// ── Edits and restarts ────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn dbos_backfill_uses_new_cron() {
    let mut world = World::new().workflow("w", "schedule = \"0 * * * *\"\nmissed = \"all\"\nwindow = \"1d\"", "1");
    world.settle();
    let edited = std::fs::read_to_string(world.path("beffroi.toml")).expect("read").replace("0 * * * *", "30 */2 * * *");
    world.file("beffroi.toml", &edited);
    world.restart("3h15m");
    world.advance("2h30m");
    let found: Vec<(String, String)> = rows(&mut world)
        .iter()
        .map(|r| (r.local()[11..16].to_owned(), r.schedule.split(" |").next().unwrap_or_default().to_owned()))
        .collect();
    let told = |time: &str, text: &str| (time.to_owned(), text.to_owned());
    assert_eq!(
        found,
        [
            told("10:00", "0 * * * *"),
            told("11:00", "0 * * * *"),
            told("12:00", "0 * * * *"),
            told("12:30", "30 */2 * * *"),
            told("14:30", "30 */2 * * *")
        ],
    );
}

#[test]
fn n8n_23711_edit_kills_schedule() {
    let mut world = World::new().workflow("w", "schedule = \"0 9 * * *\"", "1");
    world.settle();
    let mut at = "0 9 * * *".to_owned();
    for hour in [12, 15, 18] {
        let next = format!("0 {hour} * * *");
        world.reconfigure(|text| text.replace(&at, &next));
        at = next;
        world.advance("1h");
    }
    world.advance("3d");
    assert_eq!(rows(&mut world).iter().map(|r| r.local()[8..13].to_owned()).collect::<Vec<_>>(), ["01T18", "02T18", "03T18"]);
}

#[test]
fn n8n_30607_old_version_also_fires() {
    let mut world = World::new().workflow("w", "schedule = \"0 10 * * *\"", "state::add(\"old\", 1)");
    world.advance("59m");
    world.file("scripts/w.rhai", "state::add(\"new\", 1)");
    // The edit comes at the very instant at which the occurrence is due, before the planner has looked.
    world.on().clock.set(at("2026-01-01T10:00:00+01:00"));
    world.reconfigure(|text| text.replace("\"0 10 * * *\"", "[\"0 10 * * *\", \"0 11 * * *\"]"));
    world.settle();
    assert_eq!((world.state("old"), world.state("new")), (serde_json::Value::Null, serde_json::json!(1)));
    assert_eq!(rows(&mut world).len(), 1);
}

#[test]
fn what_is_due_at_the_moment_of_a_removal_has_its_row_and_does_not_run() {
    let mut world = World::new().workflow("gone", "schedule = \"0 10 * * *\"", "state::add(\"ran\", 1)").workflow(
        "stays",
        "schedule = \"0 0 1 1 *\"",
        "1",
    );
    world.settle();
    world.on().clock.set(at("2026-01-01T10:00:00+01:00"));
    world.reconfigure(|text| {
        text[..text.find("[workflows.gone]").expect("there")].to_owned() + &text[text.find("[workflows.stays]").expect("there")..]
    });
    world.settle();
    let found = rows(&mut world);
    assert_eq!(fates(&found), counted(&[("skipped", 1)]), "{found:?}");
    assert!(found[0].reason.contains("no longer in the configuration"), "{found:?}");
    assert_eq!(world.state("ran"), serde_json::Value::Null);
}

#[test]
fn activepieces_14372_zombie_run() {
    let mut world = World::new().workflow("kept", "schedule = \"0 0 1 1 *\"", "state::add(\"ran\", 1)").workflow(
        "gone",
        "schedule = \"0 0 1 1 *\"",
        "state::add(\"ran\", 100)",
    );
    for name in ["kept", "gone"] {
        world.on().engine.run_soon(name, None).expect("recorded");
    }
    // As a process that was killed in the middle leaves them.
    let database = world.on().engine.store.path().to_owned();
    Db::open(database).and_then(|db| db.execute_batch("INSERT INTO run (id, state, attempt, version, started) VALUES (1, 'running', 1, '', 1), (2, 'running', 1, '', 1)")).expect("written");
    let text = std::fs::read_to_string(world.path("beffroi.toml")).expect("read");
    world.file("beffroi.toml", &text[..text.find("[workflows.gone]").expect("there")]);
    world.restart("1m");
    world.settle();
    let runs = world.ask(|db| beffroi::store::view::runs(db, None, 10));
    let told: Vec<(&str, &str, u32)> = runs.iter().map(|r| (r.workflow.as_str(), r.state.as_str(), r.attempt)).collect();
    assert_eq!(told, [("gone", "cancelled", 1), ("kept", "done", 2)], "no run is running for ever");
    assert_eq!(world.state("ran"), 1);
}

#[test]
fn a_run_that_ends_the_process_again_and_again_is_given_up() {
    let mut world = World::new().workflow("w", "schedule = \"0 0 1 1 *\"", "state::add(\"ran\", 1)");
    world.on().engine.run_soon("w", None).expect("recorded");
    let database = world.on().engine.store.path().to_owned();
    Db::open(database)
        .and_then(|db| {
            db.execute_batch(
                "INSERT INTO run (id, state, attempt, interrupted, version, started) VALUES (1, 'running', 11, 10, '', 1)",
            )
        })
        .expect("written");
    world.restart("1m");
    world.settle();
    let run = world.ask(|db| beffroi::store::view::run(db, beffroi::domain::RunId(1))).expect("a row");
    assert_eq!(run.row.state, "failed");
    assert!(run.row.error.is_some_and(|e| e.contains("ended 11 times")));
    assert_eq!(world.state("ran"), serde_json::Value::Null);
}

#[test]
fn kestra_18422_triple_fire() {
    let mut world = World::new().workflow("w", "schedule = \"0 10 * * *\"", "state::add(\"ran\", 1)");
    world.settle();
    world.on().clock.set(at("2026-01-01T10:00:00+01:00"));
    for _ in 0..3 {
        world.settle();
        world.restart("0s");
    }
    // Back before the instant, and through it again.
    for _ in 0..3 {
        world.on().clock.set(at("2026-01-01T09:59:00+01:00"));
        world.settle();
        world.restart("0s");
        world.advance("2m");
    }
    assert_eq!(world.state("ran"), 1);
    assert_eq!(rows(&mut world).len(), 1);
}

#[test]
fn n8n_23906_missed_tick_year() {
    let mut world = World::new().workflow("yearly", "schedule = \"0 9 1 3 *\"\nmissed = \"latest\"\nwindow = \"2d\"", "1");
    world.settle();
    world.on().clock.set(at("2026-02-28T23:00:00+01:00"));
    world.settle();
    // Down over the instant by more than the window; the next year's is due as ever.
    world.restart("4d");
    world.settle();
    let next = world.on().engine.next_due(&beffroi::domain::WorkflowName::parse("yearly").expect("a name"));
    assert_eq!(next.map(|t| t.rfc3339(ZONE)).as_deref(), Some("2027-03-01T09:00:00+01:00"));
    world.on().clock.set(at("2027-03-01T08:00:00+01:00"));
    world.settle();
    world.restart("90m");
    world.settle();
    assert_eq!(rows(&mut world).iter().map(Row::fate).collect::<Vec<_>>(), ["missed", "ran"]);
}

#[test]
fn windmill_10168_chain_broken_by_db_error() {
    let mut world = World::new().workflow("w", "schedule = \"0 10,11 * * *\"", "state::add(\"ran\", 1)");
    world.settle();
    let database = world.on().engine.store.path().to_owned();
    world.on().clock.set(at("2026-01-01T10:00:00+01:00"));
    let other = Db::open(database).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    assert!(world.on().engine.turn().is_err(), "the store does not answer");
    other.execute_batch("COMMIT").expect("unlocked");
    world.settle();
    world.advance("1h");
    assert_eq!(world.state("ran"), 2);
    assert_eq!(fates(&rows(&mut world)), counted(&[("ran", 2)]));
}

// ── The days the clocks change ────────────────────────────────────────────────────────────────────────────────────────────────

/// Goes from one due instant to the next, as the daemon does, without the minutes in between.
fn leap(world: &mut World, workflow: &str, until: Timestamp) {
    let name = beffroi::domain::WorkflowName::parse(workflow).expect("a name");
    world.settle();
    while let Some(next) = world.on().engine.next_due(&name).filter(|next| *next <= until) {
        world.on().clock.set(next);
        world.settle();
    }
}

#[test]
fn postiz_1840_anniversary_burst_and_posthog_42016_dst_report_shift() {
    let mut world = World::new().workflow("weekly", "schedule = \"30 18 * * 5\"", "1");
    leap(&mut world, "weekly", at("2031-01-01T00:00:00+01:00"));
    let rows = rows(&mut world);
    assert_eq!(rows.len(), 261, "every Friday of five years");
    assert!(
        rows.iter().all(|r| r.fate() == "ran" && &r.local()[11..19] == "18:30:00"),
        "each at half past six by the town's clock"
    );
    let days: Vec<i64> = rows.windows(2).map(|w| (w[1].due.day(ZONE) - w[0].due.day(ZONE)).num_days()).collect();
    assert!(days.iter().all(|d| *d == 7));
}

#[test]
fn ha_166783_dst_double_and_ha_114612_dst_skip() {
    let mut world = World::new().at("2026-03-27T12:00:00+01:00").workflow("night", "schedule = \"30 2 * * *\"", "1");
    leap(&mut world, "night", at("2026-03-31T12:00:00+02:00"));
    world.on().clock.set(at("2026-10-23T12:00:00+02:00"));
    world.restart("0s");
    leap(&mut world, "night", at("2026-10-27T12:00:00+01:00"));
    let ran: Vec<String> =
        rows(&mut world).into_iter().filter(|r| r.fate() == "ran").map(|r| r.local()[5..].to_owned()).collect();
    let spring = ["03-28T02:30:00+01:00", "03-29T03:00:00+02:00", "03-30T02:30:00+02:00", "03-31T02:30:00+02:00"];
    let autumn = ["10-24T02:30:00+02:00", "10-25T02:30:00+02:00", "10-26T02:30:00+01:00", "10-27T02:30:00+01:00"];
    assert_eq!(ran[..4], spring);
    assert_eq!(ran[ran.len() - 4..], autumn);
}

#[test]
fn cronplus_108_lost_hour() {
    let mut world = World::new().at("2026-10-25T01:59:50+02:00").workflow("w", "schedule = \"*/15 * * * * *\"", "1");
    leap(&mut world, "w", at("2026-10-25T03:00:00+01:00"));
    let rows = rows(&mut world);
    // Two real hours between two and three, a tick every fifteen seconds.
    assert_eq!(fates(&rows), counted(&[("ran", 2 * 240 + 1)]));
    assert!(rows.windows(2).all(|w| w[1].due.since(w[0].due) == Duration::from_secs(15)));
}

#[test]
fn a_request_that_is_never_answered_in_time_does_not_stop_the_schedule() {
    let stage = Stage::start(
        "[workflows.w]\nscript = \"w.rhai\"\nschedule = \"*/10 * * * *\"\nretries = 0\ntimeout = \"1m\"\npause_after = 0",
        &[("w", "http::get(\"https://slow.example/\"); state::add(\"ran\", 1)")],
    );
    stage.when_asked(|_, clock, request| {
        clock.advance(request.timeout);
        clock.advance(Duration::from_secs(50));
        answer(200, "")
    });
    stage.advance("1h");
    let rows = stage.ask(|db| Ok(ledger(db)));
    assert_eq!(fates(&rows), counted(&[("failed", 6)]));
    assert!(rows.iter().all(|r| r.reason.contains("took longer than 1m")), "{rows:?}");
}
