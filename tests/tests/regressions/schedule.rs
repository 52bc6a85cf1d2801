//! Schedules that stopped, thinned out, replayed, or fired twice.

use super::{ZONE, at, ended, next};
use beffroi::domain::Timestamp;
use beffroi::store::view::{self, Db};
use beffroi_tests::World;
use beffroi_tests::stage::Stage;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The due times of a ledger's rows, by the town's clock, from the day on.
fn times(world: &mut World) -> Vec<String> {
    world.ledger().into_iter().map(|row| row.0[8..16].to_owned()).collect()
}

/// The machine sleeps through a tick. The next time comes from the schedule and the ledger, so it is the next one, not one in a year;
/// and the one that was slept through has its row.
#[test]
fn n8n_23906_missed_tick_year() {
    let mut world = World::new()
        .at("2026-02-28T23:00:00+01:00")
        .workflow("daily", "schedule = \"0 9 * * *\"\nmissed = \"skip\"", "1")
        .workflow("yearly", "schedule = \"0 9 1 3 *\"\nmissed = \"latest\"\nwindow = \"2d\"", "1");
    world.settle();
    // Asleep, with the process alive, and later with the process gone.
    world.on().clock.set(at("2026-03-01T09:20:00+01:00"));
    world.settle();
    assert_eq!(next(&mut world, "daily").as_deref(), Some("2026-03-02T09:00:00+01:00"));
    assert_eq!(next(&mut world, "yearly").as_deref(), Some("2027-03-01T09:00:00+01:00"));
    world.restart("3d");
    world.settle();
    assert_eq!(next(&mut world, "daily").as_deref(), Some("2026-03-05T09:00:00+01:00"));
    let daily = times(&mut world).iter().filter(|t| t.ends_with("09:00")).count();
    assert_eq!(daily, 1 + 4, "one row for the year, one for each day");
    let open = world.ledger().into_iter().filter(|row| !["ran", "missed"].contains(&row.1.as_str())).count();
    assert_eq!(open, 0, "{:#?}", world.ledger());
}

/// A schedule is edited again and again, also on its very instant. From each edit on the new one counts, and what still waited of a
/// workflow that was taken out is closed with a reason.
#[test]
fn n8n_23711_edit_kills_schedule() {
    let mut world = World::new().workflow("w", "schedule = \"0 10 * * *\"", "1").workflow(
        "gone",
        "schedule = \"0 10 * * *\"\nretries = 5\nbackoff = \"1h\"",
        "throw \"not yet\"",
    );
    world.settle();
    let mut now = "0 10 * * *".to_owned();
    for (when, then) in [("2026-01-01T10:00:00+01:00", "0 12 * * *"), ("2026-01-01T12:30:00+01:00", "30 15 * * *")] {
        world.on().clock.set(at(when));
        world.settle();
        world.reconfigure(|text| text.replacen(&now, then, 1));
        world.settle();
        now = then.to_owned();
    }
    world.reconfigure(|text| text[..text.find("\n[workflows.gone]").expect("it is there")].to_owned());
    world.advance("3d");
    let rows = world.ledger();
    let of: Vec<&str> = rows.iter().filter(|r| r.1 == "ran").map(|r| &r.0[8..16]).collect();
    assert_eq!(of, ["01T10:00", "01T12:00", "01T15:30", "02T15:30", "03T15:30"], "{rows:#?}");
    let closed: Vec<_> = rows.iter().filter(|r| r.1 != "ran").collect();
    assert!(
        closed.len() == 1 && closed[0].1 == "skipped" && closed[0].2.contains("no longer in the configuration"),
        "{closed:?}"
    );
    assert_eq!(next(&mut world, "w").as_deref(), Some("2026-01-04T15:30:00+01:00"));
}

/// A new version of a workflow takes over at the instant at which the old one was due, and while the old one runs. Each occurrence is
/// run by one version.
#[test]
fn n8n_30607_old_version_also_fires() {
    let mut world = World::new().workflow("w", "schedule = \"0 * * * *\"", "state::add(\"old\", 1)");
    world.advance("59m");
    world.file("scripts/w.rhai", "state::add(\"new\", 1)");
    world.on().clock.set(at("2026-01-01T10:00:00+01:00"));
    world.reconfigure(|text| text.replace("\"0 * * * *\"", "[\"0 * * * *\", \"0 10 * * *\"]"));
    world.settle();
    world.advance("2h");
    assert_eq!((world.state("old"), world.state("new")), (Value::Null, json!(3)));
    assert_eq!(times(&mut world), ["01T10:00", "01T11:00", "01T12:00"]);
    // In the middle of a run.
    let stage = Stage::start(
        "[workflows.w]\nscript = \"w.rhai\"\nschedule = \"0 * * * *\"",
        &[("w", "http::get(\"https://slow.example/\"); state::add(\"old\", 1)")],
    );
    let file = stage.path("scripts/w.rhai");
    stage.once_asked(move |engine, _| {
        std::fs::write(&file, "state::add(\"new\", 1)").expect("written");
        engine.reload().expect("good");
        while engine.turn().expect("the engine goes on") == beffroi::clock::Turn::Did {}
    });
    stage.advance("1h30m");
    assert_eq!(stage.rows().len(), 1);
    let (old, new) = (stage.state("old"), stage.state("new"));
    assert!((old == 1) != (new == 1), "one of them: {old} {new}");
    stage.advance("1h");
    assert_eq!((stage.state("old"), stage.rows().len()), (old, 2), "from then on the new one");
}

/// Everything the database holds about runs that have ended.
fn finished(world: &mut World) -> Vec<String> {
    world.ask(|db| {
        db.prepare(
            "SELECT o.id || ' ' || o.fate || ' ' || coalesce(o.reason, '') || ' ' || r.state || ' ' || r.attempt || ' ' ||
                 coalesce(r.started, '') || ' ' || coalesce(r.finished, '') || ' ' || coalesce(r.error, '') || ' ' || coalesce(r.effects_hash, '')
             FROM occurrence o JOIN run r ON r.id = o.id ORDER BY o.id",
        )?
        .query_map([], |row| row.get(0))?
        .collect()
    })
}

/// The daemon is started again after runs have ended well, badly, and by a person's word. None of them changes in any way.
#[test]
fn n8n_23807_recovery_overwrites_success() {
    let mut world = World::new().workflow("good", "schedule = \"0 * * * *\"", "state::add(\"n\", 1)").workflow(
        "bad",
        "schedule = \"0 * * * *\"\nretries = 0\npause_after = 0",
        "throw \"no\"",
    );
    world.advance("3h30m");
    let before = finished(&mut world);
    assert_eq!(before.len(), 6, "{before:#?}");
    for _ in 0..4 {
        world.restart("1s");
        world.settle();
    }
    assert_eq!(finished(&mut world), before);
    assert_eq!(world.state("n"), 3, "nothing was done again");
    // A fate is given once, whoever asks.
    let raw = rusqlite::Connection::open(world.database()).expect("the file is there");
    for fate in ["failed", "skipped", "missed"] {
        assert!(raw.execute("UPDATE occurrence SET fate = ?1 WHERE fate = 'ran'", [fate]).is_err(), "{fate}");
    }
}

/// The database does not answer at the instant of a run, and the run itself fails. Neither is the end of the schedule: the next time is
/// due whatever came of the last.
#[test]
fn windmill_10168_chain_broken_by_db_error() {
    let mut world = World::new().workflow("w", "schedule = \"0 * * * *\"", "state::add(\"ran\", 1)").workflow(
        "fails",
        "schedule = \"30 * * * *\"\nretries = 0\npause_after = 0",
        "throw \"a database error\"",
    );
    world.settle();
    let database = world.database();
    world.on().clock.set(at("2026-01-01T10:00:00+01:00"));
    let other = Db::open(database).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    assert!(world.on().engine.turn().is_err(), "the store does not answer");
    other.execute_batch("COMMIT").expect("unlocked");
    world.advance("5h45m");
    assert_eq!(world.state("ran"), 6);
    assert_eq!((ended(&mut world, "ran"), ended(&mut world, "failed")), (6, 7), "{:#?}", world.ledger());
}

/// A run that takes longer than the time between two ticks. Every tick that it covers has a row of its own that names the run.
#[test]
fn windmill_10917_thinned_grid() {
    let stage = Stage::start(
        "[workflows.slow]\nscript = \"slow.rhai\"\nschedule = \"*/2 * * * *\"\noverlap = \"skip\"\nretries = 0\ntimeout = \"1h\"",
        &[("slow", "http::get(\"https://slow.example/\"); state::add(\"done\", 1);")],
    );
    stage.once_asked(|engine, clock| {
        for _ in 0..13 {
            Stage::pass(engine, clock, "1m");
        }
    });
    stage.advance("30m");
    let rows = stage.rows();
    let due: BTreeSet<Timestamp> = rows.iter().map(|row| row.due).collect();
    let grid: Vec<Timestamp> = (1..=15).map(|n| at(beffroi_tests::START).plus(std::time::Duration::from_secs(n * 120))).collect();
    assert_eq!(due.into_iter().collect::<Vec<_>>(), grid, "no point of the grid is missing");
    let skipped: Vec<_> = rows.iter().filter(|r| r.fate.is_some_and(|f| f.word() == "skipped")).collect();
    assert_eq!((rows.len(), skipped.len()), (15, 6));
    assert!(skipped.iter().all(|r| r.reason.as_ref().is_some_and(|w| w.contains("r1, the run before it"))), "{skipped:?}");
    assert_eq!(stage.state("done"), 9);
}

/// One instant, reached again and again: by restarts on it, by a clock that goes back before it, by a death in the middle of its run.
/// It is run once.
#[test]
fn kestra_18422_triple_fire() {
    let mut world = World::new().workflow("w", "schedule = \"0 10 * * *\"", "state::add(\"ran\", 1)");
    world.settle();
    world.on().clock.set(at("2026-01-01T10:00:00+01:00"));
    for _ in 0..3 {
        world.settle();
        world.restart("0s");
    }
    for back in ["2026-01-01T09:59:59+01:00", "2026-01-01T08:00:00+01:00", "2025-12-31T10:00:00+01:00"] {
        world.on().clock.set(at(back));
        world.settle();
        world.restart("0s");
        world.on().clock.set(at("2026-01-01T10:00:00+01:00"));
        world.settle();
    }
    assert_eq!(world.state("ran"), 1);
    assert_eq!(times(&mut world).iter().filter(|t| *t == "01T10:00").count(), 1, "{:#?}", world.ledger());
    // The planner has written the row, and the process ends before the run begins.
    let mut world = World::new().workflow("w", "schedule = \"0 10 * * *\"", "state::add(\"ran\", 1)");
    world.settle();
    world.on().clock.set(at("2026-01-01T10:00:00+01:00"));
    for _ in 0..3 {
        let _ = world.on().engine.turn().expect("one step");
        world.restart("0s");
    }
    world.settle();
    assert_eq!((world.state("ran"), world.ledger().len()), (json!(1), 1));
}

/// Pausing and switching off are not downtime: whoever lets a workflow go on again does not get the time in between replayed.
#[test]
fn kestra_6027_reenable_replays_gap() {
    let hourly = "schedule = \"0 * * * *\"\nmissed = \"all\"\nwindow = \"30d\"";
    let mut world = World::new().workflow("paused", hourly, "1").workflow("off", hourly, "1");
    world.advance("1h30m");
    world.on().engine.pause("paused", Some("holidays".into())).expect("paused");
    world.reconfigure(|text| text.replace("[workflows.off]\n", "[workflows.off]\nenabled = false\n"));
    world.advance("10d");
    world.restart("1h");
    world.on().engine.pause("paused", None).expect("resumed");
    world.reconfigure(|text| text.replace("enabled = false\n", ""));
    world.advance("1h");
    let runs = world.ask(|db| view::runs(db, None, 1_000));
    for name in ["paused", "off"] {
        let ran = runs.iter().filter(|r| r.workflow == name && r.fate.is_some_and(|f| f.word() == "ran")).count();
        assert_eq!(ran, 2, "{name}: one before and one after");
    }
    let skipped: Vec<_> = runs.iter().filter(|r| r.fate.is_some_and(|f| f.word() == "skipped")).collect();
    assert!(!skipped.is_empty() && skipped.iter().all(|r| r.reason.as_deref() == Some("paused: holidays")), "{skipped:?}");
}

/// The process dies under a run. The next start finds the row that says it is running, and none stays so: what can be done again is,
/// what belongs to no workflow any more is closed.
#[test]
fn activepieces_14372_zombie_run() {
    let mut world =
        World::new().workflow("kept", "events = \"never\"", "state::add(\"ran\", 1)").workflow("gone", "events = \"never\"", "1");
    for name in ["kept", "kept", "gone"] {
        world.on().engine.run_soon(name, None).expect("recorded");
    }
    let database = world.database();
    Db::open(database)
        .and_then(|db| {
            db.execute_batch(
                "INSERT INTO run (id, state, attempt, version, started)
                 VALUES (1, 'running', 1, '', 1), (2, 'running', 1, '', 1), (3, 'running', 1, '', 1)",
            )
        })
        .expect("written");
    let text = std::fs::read_to_string(world.path("beffroi.toml")).expect("read");
    world.file("beffroi.toml", &text[..text.find("\n[workflows.gone]").expect("there")]);
    world.restart("1m");
    world.settle();
    let told: Vec<_> =
        world.ask(|db| view::runs(db, None, 10)).into_iter().rev().map(|r| (r.workflow, r.state, r.attempt)).collect();
    let row = |name: &str, state: &str, attempt| (name.to_owned(), state.to_owned(), attempt);
    assert_eq!(told, [row("kept", "done", 2), row("kept", "done", 2), row("gone", "cancelled", 1)]);
    assert_eq!(world.state("ran"), 2);
}

/// A schedule that has silently stopped is what nobody sees. Here every due instant is owed a row, so one without it is missed by the
/// daily count, and people are told, once.
#[test]
fn inngest_4387_silent_cron() {
    let mut world = World::new().workflow("w", "schedule = \"0 * * * *\"\nmissed = \"skip\"", "1");
    world.advance("26h");
    assert!(world.deliveries().is_empty(), "while all is well nobody is told anything");
    // Whatever else stopped them: these occurrences never came to be.
    let raw = rusqlite::Connection::open(world.database()).expect("the file is there");
    raw.execute_batch("PRAGMA foreign_keys = OFF").expect("set");
    let lost = raw.execute("DELETE FROM occurrence WHERE id IN (SELECT id FROM occurrence ORDER BY due DESC LIMIT 3)", []);
    assert_eq!(lost.expect("deleted"), 3);
    world.advance("30h");
    let told = world.deliveries();
    assert!(!told.is_empty() && told.len() <= 2, "at most once a day: {told:#?}");
    let notice = &told[0].content;
    assert!(notice["kind"] == "alert" && notice["text"].to_string().contains("3 due times without a row"), "{notice}");
    assert_eq!(told[0].state, "online");
}

/// The schedule was edited while the machine was off. What had come due before counts by the expression it came from, and each row
/// names it.
#[test]
fn dbos_backfill_uses_new_cron() {
    let mut world = World::new().workflow("w", "schedule = \"0 * * * *\"\nmissed = \"all\"\nwindow = \"1d\"", "1");
    world.settle();
    let edited = std::fs::read_to_string(world.path("beffroi.toml")).expect("read").replace("0 * * * *", "20,40 * * * *");
    world.file("beffroi.toml", &edited);
    world.restart("3h30m");
    world.advance("1h");
    let rows: Vec<(String, String)> = world.ask(|db| {
        db.prepare("SELECT due, schedule FROM occurrence ORDER BY due")?
            .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?
            .map(|row| row.map(|(due, text)| (Timestamp::from_millis(due).rfc3339(ZONE)[11..16].to_owned(), text)))
            .collect()
    });
    let of: Vec<(&str, &str)> =
        rows.iter().map(|(time, text)| (time.as_str(), text.split(" |").next().unwrap_or_default())).collect();
    let (old, new) = ("0 * * * *", "20,40 * * * *");
    assert_eq!(of, [("10:00", old), ("11:00", old), ("12:00", old), ("12:40", new), ("13:20", new)]);
}
