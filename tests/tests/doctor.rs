//! What `beffroi doctor` finds, each thing provoked once, with a daemon and without one.

use beffroi::admin::App;
use beffroi::admin::doctor::{self, Finding, Grade, Report, Wanted};
use beffroi::clock::Clock;
use beffroi::config::Base;
use beffroi::daemon::Engine;
use beffroi::domain::{Language, Timestamp};
use beffroi::store::Op;
use beffroi_tests::World;
use beffroi_tests::channel::{Answer, ReadBack, ScriptedChannel};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

fn world() -> World {
    World::new().account().workflow("tick", "schedule = \"0 * * * *\"", "1").workflow("say", "", "posts::plan(run::payload());")
}

fn look(world: &mut World) -> Report {
    look_for(world, Wanted::default())
}

fn look_for(world: &mut World, wanted: Wanted) -> Report {
    let app = App::new(world.on().engine.clone(), Box::new(Engine::reload));
    doctor::online(&app, wanted).unwrap_or_else(|refusal| panic!("{}", refusal.sentence()))
}

fn base(folder: &Path) -> Base {
    Base { state: Some(folder.to_owned()), builtin: Some(beffroi::sample::builtin) }
}

/// Without a daemon, on a copy of the world's files.
fn look_at_copy(world: &mut World, change: impl FnOnce(&Path)) -> Report {
    let folder = tempfile::tempdir().expect("a folder");
    copy(world, folder.path());
    change(folder.path());
    let now = world.on().clock.now();
    doctor::offline(&folder.path().join("beffroi.toml"), &base(folder.path()), Wanted::default(), now, Language::En)
}

fn copy(world: &mut World, folder: &Path) {
    world.on().engine.store.backup(&folder.join("beffroi.db")).expect("copied");
    std::fs::copy(world.path("beffroi.toml"), folder.join("beffroi.toml")).expect("copied");
    std::fs::create_dir_all(folder.join("scripts")).expect("made");
    for script in world.files("scripts", ".rhai") {
        std::fs::copy(world.path("scripts").join(&script), folder.join("scripts").join(&script)).expect("copied");
    }
}

fn tamper(world: &mut World, sql: &str) {
    let raw = rusqlite::Connection::open(world.database()).expect("opens");
    raw.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// The finding of a check that is not in order.
fn found<'a>(report: &'a Report, check: &str) -> &'a Finding {
    let bad = |f: &&Finding| f.check == check && f.severity != Grade::Ok;
    report.findings.iter().find(bad).unwrap_or_else(|| panic!("{check} is not among {report:#?}"))
}

fn says(report: &Report, check: &str, grade: Grade, text: &str, help: &str) {
    let finding = found(report, check);
    assert_eq!(finding.severity, grade, "{finding:?}");
    assert!(finding.text.contains(text) && finding.help.contains(help), "{finding:?}");
}

#[test]
fn a_sound_daemon_has_nothing_to_mend_and_each_check_says_so() {
    let mut world = world();
    world.advance("30h30m");
    let report = look_for(&mut world, Wanted { deep: true, since: None });
    assert_eq!(report.worst(), Grade::Ok, "{report:#?}");
    let checks: Vec<&str> = report.findings.iter().map(|f| f.check).collect();
    let all =
        ["disk", "configuration", "database", "clock", "ledger", "overdue", "runs", "deliveries", "stopped", "backlog", "feeds"];
    assert_eq!(checks, all);
    assert!(report.findings[4].text.contains("30\u{a0}due times, each with one row"), "{report:#?}");
    assert!(report.running && report.findings.iter().all(|f| f.help.is_empty() && f.text.ends_with('.')), "{report:#?}");
    let french = look(&mut in_french());
    assert!(french.findings.iter().any(|f| f.text == "La base de données est entière."), "{french:#?}");
}

fn in_french() -> World {
    let mut world = world();
    world.reconfigure(|config| config.replace("language = \"en\"", "language = \"fr\""));
    world.advance("2h");
    world
}

#[test]
fn what_a_person_or_a_breaker_stopped_is_found_with_the_way_back() {
    let mut world = world();
    world.advance("1m");
    world.freeze("holidays");
    world.on().engine.pause("tick", Some("works".into())).expect("paused");
    world
        .order(vec![Op::Breaker { account: "facebook".into(), reason: Some("The token has expired.".into()) }])
        .expect("stopped");
    let plugin = "INSERT INTO plugin VALUES ('toot', '1.0.0', '', '', '{}', '{}', '', 0, 'it crashed', 1)";
    tamper(&mut world, plugin);
    let report = look(&mut world);
    says(&report, "freeze", Grade::Warning, "frozen: holidays", "beffroi thaw");
    says(
        &report,
        "accounts",
        Grade::Error,
        "facebook is stopped: The token has expired. Nothing goes out",
        "beffroi thaw facebook",
    );
    says(&report, "workflows", Grade::Warning, "\"tick\" is paused: works", "beffroi resume tick");
    says(&report, "plugins", Grade::Warning, "\"toot\" is suspended: it crashed", "beffroi plugin resume toot");
    assert_eq!(report.worst(), Grade::Error);
}

#[test]
fn a_workflow_that_paused_itself_is_told_in_the_readers_language() {
    let mut world = World::new().workflow("bad", "schedule = \"*/10 * * * *\"\nretries = 0\npause_after = 2", "throw \"no\"");
    world.reconfigure(|config| config.replace("language = \"en\"", "language = \"fr\""));
    world.advance("1h");
    says(&look(&mut world), "workflows", Grade::Warning, "« bad » est en pause : échec 2 fois de suite.", "beffroi resume bad");
}

#[test]
fn posts_in_doubt_and_posts_given_up_are_found_with_the_answer_to_give() {
    let network = Arc::new(ScriptedChannel::always(Answer::LostAfter).read_back(ReadBack::No));
    let mut world = world().channel("facebook", &network);
    world.run_with("say", Some(json!({ "text": "Hello", "account": "facebook" })));
    world.advance("10m");
    says(
        &look(&mut world),
        "deliveries",
        Grade::Error,
        "whether d1 went out on facebook, for 10",
        "beffroi approve d1 --done (it did) or --again",
    );
    // While it can still be read back, nobody has to do anything.
    network.now_reads_back(ReadBack::Unsure);
    world.run_with("say", Some(json!({ "text": "Again", "account": "facebook" })));
    world.advance("5m");
    let report = look(&mut world);
    let second =
        report.findings.iter().find(|f| f.text.contains("d3")).expect("the second one; d2 is the letter about the first");
    assert_eq!((second.severity, second.help.as_str()), (Grade::Warning, "Beffroi reads it back by itself."));
    tamper(
        &mut world,
        "UPDATE delivery SET state = 'dead', reason = 'given up after 8 tries', settled_at = armed_at WHERE state = 'unknown'",
    );
    let report = look(&mut world);
    says(&report, "deliveries", Grade::Error, "d1 did not go out on facebook: given up after 8 tries", "beffroi reject d1");
}

#[test]
fn a_ledger_that_does_not_come_out_even_is_an_error_with_examples() {
    let mut world = world();
    world.advance("30h");
    tamper(&mut world, "DELETE FROM occurrence WHERE kind = 'schedule' AND due = 1767268800000");
    let report = look(&mut world);
    says(&report, "ledger", Grade::Error, "1 due time without a row. For example: tick 2026-01-01 13:00:00", "beffroi run");
    let since = Timestamp::parse("2026-01-01T14:00:00+01:00");
    let later = look_for(&mut world, Wanted { deep: false, since });
    assert!(later.findings.iter().any(|f| f.check == "ledger" && f.severity == Grade::Ok), "{later:#?}");
    tamper(&mut world, "UPDATE ledger_check SET at = at - 300000000; DELETE FROM schedule_span WHERE workflow = 'say'");
    let report = look_for(&mut world, Wanted { deep: false, since });
    says(&report, "ledger", Grade::Error, "1 workflow whose history does not follow the configuration", "");
    assert!(report.findings.iter().any(|f| f.text.contains("daily count of the ledger was last made")), "{report:#?}");
}

#[test]
fn runs_that_nobody_owns_and_what_is_overdue_are_found() {
    let mut world = world();
    world.advance("3h");
    tamper(&mut world, "DROP TRIGGER fate_is_final; UPDATE occurrence SET fate = NULL WHERE due = 1767258000000");
    let report = look(&mut world);
    says(&report, "runs", Grade::Error, "nobody works on them: r1 (tick)", "takes them up again");
    says(&report, "overdue", Grade::Error, "\"tick\" should have started 2\u{a0}h ago", "beffroi why tick");
    says(&report, "database", Grade::Error, "lacks safeguards: trigger fate_is_final", "backup");
    // A run that waits for its next attempt has an owner.
    let mut world = World::new().workflow("slow", "schedule = \"0 * * * *\"\nretries = 3\nbackoff = \"50m\"", "throw \"no\"");
    world.advance("70m");
    let report = look(&mut world);
    assert!(report.findings.iter().all(|f| f.check != "runs" || f.severity == Grade::Ok), "{report:#?}");
}

#[test]
fn what_piles_up_is_found_and_what_waits_for_a_yes_before_it_is_too_late() {
    let closed = "hours = [\"20:00-21:00\"]";
    let account = format!("[accounts.late]\nnetwork = \"facebook\"\nfolder = \"late\"\n{closed}\n");
    let mut world = world().with(&account).workflow("again", "", "posts::plan(run::payload());");
    world.run_with("again", Some(json!({ "text": "Hello", "account": "late" })));
    world.run_with("again", Some(json!({ "text": "Draft", "account": "facebook", "draft": true, "expires": "20h" })));
    world.advance("30m");
    let calm = look(&mut world);
    assert!(calm.findings.iter().all(|f| !f.text.contains("is late")), "half an hour is nothing: {calm:#?}");
    world.advance("2h");
    let report = look(&mut world);
    says(
        &report,
        "backlog",
        Grade::Warning,
        "d1 on late, has waited for 2\u{a0}h 30\u{a0}min: outside the account's hours",
        "beffroi why d1",
    );
    let yes = report.findings.iter().find(|f| f.text.contains("waits for your yes")).expect("the draft");
    assert!(yes.text.contains("d2 tomorrow 05:00") && yes.help.contains("beffroi approve d2"), "{yes:?}");
}

#[test]
fn a_feed_that_fails_is_told_after_a_day_and_until_it_can_be_read() {
    let mut world = world().with("[feeds.town]\nfile = \"town.xml\"\ntopic = \"town\"\n");
    world.file("town.xml", "<rss version=\"2.0\"><channel><title>t</title></channel></rss>");
    let read = |error: Option<&str>| Op::FeedRead {
        feed: "town".into(),
        cursor: None,
        error: error.map(str::to_owned),
        signals: Vec::new(),
    };
    world.order(vec![read(Some("the address answers 404"))]).expect("noted");
    world.advance("20h");
    world.order(vec![read(Some("the address answers 410"))]).expect("noted");
    assert!(look(&mut world).findings.iter().all(|f| f.check != "feeds" || f.severity == Grade::Ok), "not at the first error");
    world.advance("5h");
    says(
        &look(&mut world),
        "feeds",
        Grade::Warning,
        "\"town\" has not been readable for 1\u{a0}day 1\u{a0}h: the address answers 410",
        "beffroi feed",
    );
    world.order(vec![read(None)]).expect("noted");
    assert!(look(&mut world).findings.iter().all(|f| f.check != "feeds" || f.severity == Grade::Ok));
}

#[test]
fn a_clock_that_went_back_shows() {
    let mut world = world();
    world.advance("5h");
    let clock = world.on().clock.clone();
    clock.set(clock.now().minus(std::time::Duration::from_secs(3 * 3_600)));
    world.settle();
    says(
        &look(&mut world),
        "clock",
        Grade::Warning,
        "speaks of today 14:00 already, but this machine's clock says today 11:00",
        "timedatectl",
    );
}

#[test]
fn faults_of_the_configuration_on_disk_are_found_before_a_reload() {
    let mut world = world();
    world.advance("1m");
    let good = std::fs::read_to_string(world.path("beffroi.toml")).expect("readable");
    world.file("beffroi.toml", &format!("{good}\n[workflows.new]\nscript = \"new.rhai\"\nschedule = \"61 * * * *\"\n"));
    let report = look(&mut world);
    let finding = found(&report, "configuration");
    assert!(finding.severity == Grade::Error && finding.text.contains("beffroi.toml:"), "{finding:?}");
    let app = App::new(world.on().engine.clone(), Box::new(Engine::reload));
    assert!(app.reload().is_err());
    let report = doctor::online(&app, Wanted::default()).unwrap_or_else(|r| panic!("{}", r.sentence()));
    says(&report, "configuration", Grade::Error, "was refused: the one before stays in force", "beffroi reload");
}

#[test]
fn without_a_daemon_the_same_is_found_and_not_a_byte_is_written() {
    let mut world = world();
    world.advance("30h");
    world.freeze("holidays");
    tamper(&mut world, "DELETE FROM occurrence WHERE kind = 'schedule' AND due = 1767268800000");
    let folder = tempfile::tempdir().expect("a folder");
    copy(&mut world, folder.path());
    let files = |folder: &Path| -> BTreeMap<String, Vec<u8>> {
        let list = std::fs::read_dir(folder).expect("listed").flatten().filter(|e| e.path().is_file());
        list.map(|e| (e.file_name().to_string_lossy().into_owned(), std::fs::read(e.path()).expect("readable"))).collect()
    };
    let before = files(folder.path());
    // Long after: what came due since is for the next start to account for.
    let now = world.on().clock.now().plus(std::time::Duration::from_secs(5 * 86_400));
    let report = doctor::offline(&folder.path().join("beffroi.toml"), &base(folder.path()), Wanted::default(), now, Language::En);
    assert!(!report.running);
    says(&report, "daemon", Grade::Warning, "does not run", "beffroi start");
    says(&report, "freeze", Grade::Warning, "holidays", "beffroi thaw");
    says(&report, "ledger", Grade::Error, "1 due time without a row", "");
    assert!(files(folder.path()) == before, "something was written");
    assert_eq!(report.json()["worst"], "error");
}

#[test]
fn without_a_daemon_files_that_are_not_right_are_told_apart() {
    let mut world = world();
    world.advance("2h");
    let change = |sql: &'static str| {
        move |folder: &Path| {
            let raw = rusqlite::Connection::open(folder.join("beffroi.db")).expect("opens");
            raw.execute_batch(sql).expect("changed");
        }
    };
    let sound = look_at_copy(&mut world, |_| {});
    assert_eq!(sound.worst(), Grade::Warning, "only that it does not run: {sound:#?}");
    let newer = look_at_copy(&mut world, change("PRAGMA user_version = 99"));
    says(&newer, "database", Grade::Error, "has schema 99", "newer Beffroi");
    let older = look_at_copy(&mut world, change("PRAGMA user_version = 1"));
    says(&older, "database", Grade::Warning, "has schema 1", "next start");
    let foreign = look_at_copy(&mut world, change("PRAGMA application_id = 7"));
    says(&foreign, "database", Grade::Error, "is not a Beffroi's", "[store] path");
    let unguarded = look_at_copy(&mut world, change("DROP TRIGGER armed_needs_the_seal"));
    says(&unguarded, "database", Grade::Error, "lacks safeguards: trigger armed_needs_the_seal", "backup");
    let damaged = look_at_copy(&mut world, |folder| {
        let file = folder.join("beffroi.db");
        let mut bytes = std::fs::read(&file).expect("read");
        let middle = bytes.len() / 2 / 4_096 * 4_096;
        bytes[middle..middle + 4_096].fill(0x5a);
        std::fs::write(&file, bytes).expect("written");
    });
    says(&damaged, "database", Grade::Error, "database", "copy");
    let none = look_at_copy(&mut world, |folder| std::fs::remove_file(folder.join("beffroi.db")).expect("removed"));
    says(&none, "database", Grade::Warning, "There is no database yet", "--state");
    let broken = look_at_copy(&mut world, |folder| std::fs::write(folder.join("beffroi.toml"), "[business").expect("written"));
    assert_eq!(found(&broken, "configuration").severity, Grade::Error);
    assert!(
        broken.findings.iter().any(|f| f.check == "ledger" && f.severity == Grade::Ok),
        "the rest is looked at all the same: {broken:#?}"
    );
}

#[test]
fn a_daemon_that_holds_the_file_and_does_not_answer_is_told_from_one_that_does_not_run() {
    let mut world = world();
    world.advance("2h");
    let (now, file) = (world.on().clock.now(), world.path("beffroi.toml"));
    let base = Base { state: None, builtin: Some(beffroi::sample::builtin) };
    let report = doctor::offline(&file, &base, Wanted::default(), now, Language::En);
    says(&report, "daemon", Grade::Error, "holds the database, but does not answer", "--socket");
}
