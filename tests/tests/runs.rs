//! A run is one transaction: what it reads, what it plans, and what becomes of both when it fails, is cut off, or meets
//! another run on its way.
//!
//! While a run of these tests waits for an answer from its network, the test does something beside it.

use beffroi::clock::{Clock, Dice, SystemClock, Turn};
use beffroi::config::Base;
use beffroi::daemon::{Engine, Injected};
use beffroi::domain::{Json, RunId};
use beffroi::network::{NetworkError, ScriptedNetwork};
use beffroi::store::Mode;
use beffroi::store::view::{self, Db};
use beffroi_tests::stage::{Stage, answer};
use beffroi_tests::{ACCOUNT, HEAD, World};
use serde_json::json;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A workflow that runs by hand only.
const BY_HAND: &str = "schedule = \"0 0 1 1 *\"\nretries = 0";

fn workflow(name: &str, more: &str) -> String {
    format!("\n[workflows.{name}]\nscript = \"{name}.rhai\"\nschedule = \"0 0 1 1 *\"\n{more}\n")
}

/// Two workflows by hand: "one" is asked to wait, "two" runs meanwhile.
fn pair(more: &str, one: &str, two: &str) -> Stage {
    Stage::start(
        &format!("{more}{}{}", workflow("one", "retries = 0"), workflow("two", "retries = 0")),
        &[("one", one), ("two", two)],
    )
}

const WAIT: &str = "http::get(\"https://wait.example/\");";

// ── Serialisability ───────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn two_runs_that_count_on_one_key_lose_nothing() {
    let stage =
        pair("", &format!("let n = state::get(\"n\", 0); {WAIT} state::set(\"n\", n + 1); n + 1"), "state::add(\"n\", 10)");
    stage.once_asked(|engine, _| Stage::run_beside(engine, "two"));
    let run = stage.run("one");
    assert_eq!((stage.state("n"), run.row.state.as_str(), run.row.attempt), (json!(11), "done", 1));
    assert_eq!(run.usage.expect("counted")["redone"], 1);
    assert_eq!(stage.requests().len(), 2, "it was done again from the beginning");
}

#[test]
fn a_run_that_reads_a_prefix_is_done_again_when_a_key_under_it_comes_or_goes() {
    for other in ["state::set(\"topic/b\", 2)", "state::remove(\"topic/a\")", "state::set(\"topic/a\", 5)"] {
        let sum = format!("let sum = 0; for e in state::list(\"topic/\") {{ sum += e.value; }} {WAIT} state::set(\"sum\", sum)");
        let stage = pair("", &sum, other);
        let seed = stage.hand.engine.store.commit(beffroi::store::Change::new(
            stage.now(),
            vec![beffroi::store::Op::State { key: "topic/a".into(), value: Some("1".into()), run: RunId(1) }],
        ));
        seed.expect("committed");
        stage.once_asked(|engine, _| Stage::run_beside(engine, "two"));
        let run = stage.run("one");
        assert_eq!(run.usage.expect("counted")["redone"], 1, "{other}");
        let now: i64 =
            stage.ask(|db| view::state_list(db, "topic/")).0.iter().map(|(_, v)| v.parse::<i64>().expect("a number")).sum();
        assert_eq!(stage.state("sum"), now, "{other}");
    }
}

#[test]
fn a_run_does_not_meet_keys_it_did_not_read() {
    let stage = pair(
        "",
        &format!("state::list(\"topic/\"); state::set(\"mine\", 1); {WAIT}"),
        "state::set(\"topics\", 2); state::set(\"mine\", 3)",
    );
    stage.once_asked(|engine, _| Stage::run_beside(engine, "two"));
    assert_eq!(stage.run("one").usage.expect("counted")["redone"], 0, "a key that was only written is no reason");
    assert_eq!(stage.state("mine"), 1, "the later commit holds");
}

#[test]
fn a_run_sees_its_own_writes_and_reads_the_same_twice() {
    let stage = pair(
        "",
        "let out = [];
         state::set(\"k/1\", 1); state::set(\"k/2\", 2); state::remove(\"k/1\"); state::add(\"k/3\", 4); state::add(\"k/3\", 4);
         out.push(state::list(\"k/\").map(|e| `${e.key}=${e.value}`)); out.push(state::get(\"k/1\", \"gone\"));
         out.push(state::get(\"other\", 0)); http::get(\"https://wait.example/\"); out.push(state::get(\"other\", 0));
         out",
        "state::set(\"other\", 9)",
    );
    stage.once_asked(|engine, _| Stage::run_beside(engine, "two"));
    let run = stage.run("one");
    // Done again after the conflict: both reads give what two wrote.
    assert_eq!(run.value, Some(json!([["k/2=2", "k/3=8"], "gone", 9, 9])));
    assert_eq!(run.usage.expect("counted")["redone"], 1);
}

#[test]
fn a_script_that_fails_over_what_others_were_changing_is_done_again() {
    let check = format!("let a = state::get(\"a\", 0); {WAIT} if a != state::get(\"b\", 0) {{ throw \"a and b differ\" }}");
    let stage = pair("", &check, "state::add(\"a\", 1); state::add(\"b\", 1)");
    stage.once_asked(|engine, _| Stage::run_beside(engine, "two"));
    let run = stage.run("one");
    assert_eq!((run.row.state.as_str(), run.row.error), ("done", None), "no run ever saw a and b differ");
}

#[test]
fn many_threads_count_on_one_key_and_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("beffroi.toml");
    std::fs::create_dir(folder.path().join("scripts")).expect("made");
    std::fs::write(&file, format!("{HEAD}runs = 6\n{}{}", workflow("one", ""), workflow("two", ""))).expect("written");
    std::fs::write(folder.path().join("scripts/one.rhai"), "state::set(\"n\", state::get(\"n\", 0) + 1)").expect("written");
    std::fs::write(folder.path().join("scripts/two.rhai"), "step(\"s\", || 1); state::add(\"n\", 1)").expect("written");
    let engine = threaded(&file, Arc::new(ScriptedNetwork::new()));
    let workers = engine.threads().expect("threads");
    let (done, ended) = mpsc::channel();
    for at in 0..60 {
        let done = done.clone();
        let name = if at % 2 == 0 { "one" } else { "two" };
        engine.run_now(name, None, Box::new(move |id| done.send(id).expect("listened to"))).expect("taken");
    }
    for _ in 0..60 {
        ended.recv_timeout(Duration::from_secs(60)).expect("every run ends");
    }
    let count = view::state(&engine.store.read().expect("a reader"), "n").expect("read").expect("there").0;
    let states = view::runs(&engine.store.read().expect("a reader"), None, 100).expect("read");
    engine.begin_stop();
    workers.join(&engine, Duration::from_secs(5));
    assert!(states.iter().all(|r| r.state == "done"), "{:?}", states.iter().filter(|r| r.state != "done").collect::<Vec<_>>());
    assert_eq!((count.as_str(), states.len()), ("60", 60));
}

fn threaded(file: &std::path::Path, network: Arc<ScriptedNetwork>) -> Arc<Engine> {
    let injected =
        Injected { clock: Arc::new(SystemClock::new()), dice: Arc::new(Dice::seeded(1)), network, mode: Mode::Threaded };
    Engine::start(file, Base { state: None, builtin: None }, injected).unwrap_or_else(|e| panic!("{e}"))
}

// ── Failure, and steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_failed_run_leaves_its_log_and_nothing_else() {
    let script = "log::info(\"beginning\"); state::set(\"k\", 1); posts::plan(#{ text: \"Hello\" }); \
         notify::send(#{ title: \"t\", text: \"x\" }); events::emit(\"go\"); run::later(\"1m\"); throw \"it broke\"";
    let mut world = World::new().account().workflow("w", BY_HAND, script).workflow("listener", "events = [\"go\"]", "1");
    let run = world.run("w");
    world.advance("1h");
    assert_eq!(run.row.state, "failed");
    assert!(run.row.error.as_deref().is_some_and(|e| e.contains("it broke") && e.contains("w.rhai")), "{run:?}");
    let log: Vec<(&str, bool)> = run.log.iter().map(|l| (l.level.as_str(), l.text.contains("it broke"))).collect();
    assert_eq!(log, [("info", false), ("error", true)]);
    assert_eq!(run.effects, None);
    assert_eq!((world.state("k"), world.deliveries().len(), world.ledger().len()), (Json::Null, 0, 1));
}

#[test]
fn a_step_runs_once_whatever_becomes_of_its_run() {
    let script = "let order = step(\"order\", || { state::set(\"lost\", 1); http::post(\"https://shop.example/orders\", #{ bags: 2 }).body });
         if run::attempt() < 3 { throw \"later\" }
         let n = state::get(\"n\", 0); http::get(\"https://wait.example/\"); state::set(\"n\", n + 1);
         order";
    let config = format!("{}{}", workflow("one", "retries = 5\nbackoff = \"1m\"\nevents = [\"go\"]"), workflow("two", ""));
    let stage = Stage::start(
        &config,
        &[("one", script), ("two", "if run::kind() == \"hand\" { events::emit(\"go\") } state::add(\"n\", 5)")],
    );
    let mut beside = false;
    stage.when_asked(move |engine, _, request| {
        if request.method == "GET" && !std::mem::replace(&mut beside, true) {
            engine.run_soon("two", Some(json!("quiet"))).expect("taken");
            // Only the state changes matter here; the event it emits starts "one" once more, later.
            assert_eq!(engine.run_turn(), Turn::Did);
        }
        answer(200, "order 7")
    });
    stage.run("two");
    stage.advance("10m");
    let first = stage.detail(RunId(2));
    assert_eq!((first.row.state.as_str(), first.row.attempt, first.value), ("done", 3, Some(json!("order 7"))));
    assert_eq!(first.usage.expect("counted")["redone"], 1, "and it met a conflict as well");
    let orders: Vec<_> = stage.requests().into_iter().filter(|r| r.method == "POST").collect();
    assert_eq!(orders.len(), 2, "one for each of the two occurrences of \"one\"");
    assert_eq!(stage.state("lost"), Json::Null, "what a kept step planned in a failed attempt is not planned again");
}

#[test]
fn a_run_by_hand_that_meets_a_conflict_after_a_step_finds_what_the_step_kept() {
    let one = format!(
        "let a = step(\"pay\", || http::post(\"https://bank.example/\", \"1\").body); let n = state::get(\"n\", 0); {WAIT} state::set(\"n\", n + 1); a"
    );
    let stage = pair("", &one, "state::add(\"n\", 10)");
    stage.when_asked({
        let mut beside = false;
        move |engine, _, request| {
            if request.method == "GET" && !std::mem::replace(&mut beside, true) {
                Stage::run_beside(engine, "two");
            }
            answer(200, "paid")
        }
    });
    let run = stage.run("one");
    assert_eq!(
        (run.row.state.as_str(), run.value, stage.state("n")),
        ("done", Some(json!("paid")), json!(11)),
        "{:?}",
        run.row.error
    );
    assert_eq!(stage.requests().iter().filter(|r| r.method == "POST").count(), 1);
    assert_eq!(run.steps, ["pay"]);
}

#[test]
fn what_leaves_at_once_needs_a_step() {
    let stage = pair("", "http::post(\"https://shop.example/\", \"x\")", "1");
    let run = stage.run("one");
    assert!(run.row.error.is_some_and(|e| e.contains("inside a step")));
    assert!(stage.requests().is_empty());
}

#[test]
fn each_request_of_a_run_has_its_own_key_and_the_same_one_when_it_is_sent_again() {
    let script = "fn post(n) { http::post(\"https://shop.example/\", n) }
         step(\"order 1\", || post(1)); step(\"order-1\", || post(2)); step(\"заказ\", || post(3));
         step(\"two\", || { post(4); post(5); if run::attempt() < 2 { throw \"the answer was lost\" } });";
    let config = [workflow("one", "retries = 1\nbackoff = \"1m\"\nevents = [\"go\"]"), workflow("two", "")].concat();
    let stage = Stage::start(&config, &[("one", script), ("two", "events::emit(\"go\")")]);
    stage.run("two");
    stage.advance("5m");
    assert_eq!(stage.detail(RunId(2)).row.state, "done", "{:?}", stage.detail(RunId(2)).row.error);
    let keys: Vec<(String, String)> = stage
        .requests()
        .iter()
        .map(|r| {
            let key =
                r.headers.iter().find(|(name, _)| name == "Idempotency-Key").map(|(_, key)| key.clone()).unwrap_or_default();
            (String::from_utf8_lossy(&r.body).into_owned(), key)
        })
        .collect();
    let bodies: Vec<&str> = keys.iter().map(|(body, _)| body.as_str()).collect();
    assert_eq!(bodies, ["1", "2", "3", "4", "5", "4", "5"]);
    assert!(keys.iter().all(|(_, key)| key.is_ascii() && key.len() > 16), "{keys:?}");
    let mut distinct: Vec<&String> = keys[..5].iter().map(|(_, key)| key).collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 5, "{keys:?}");
    assert_eq!((&keys[3], &keys[4]), (&keys[5], &keys[6]), "what is sent again is known again");
}

#[test]
fn another_attempt_runs_the_script_as_it_is_by_then() {
    let mut world = World::new()
        .workflow("w", "events = [\"go\"]\nretries = 3\nbackoff = \"10m\"", "step(\"s\", || \"kept\"); throw \"a bug\"")
        .workflow("go", BY_HAND, "events::emit(\"go\")");
    world.run("go");
    world.settle();
    let old = world.ask(|db| view::run(db, RunId(2))).expect("a row").version;
    world.file("scripts/w.rhai", "step(\"s\", || \"done anew\")");
    world.reconfigure(|text| text);
    world.advance("10m");
    let run = world.ask(|db| view::run(db, RunId(2))).expect("a row");
    assert_eq!((run.row.state.as_str(), run.value), ("done", Some(json!("kept"))));
    assert_ne!(run.version, old, "the run names the version that did it");
    let kept: i64 = world.ask(|db| db.query_row("SELECT count(*) FROM script WHERE name LIKE '%w.rhai'", [], |row| row.get(0)));
    assert_eq!(kept, 2, "both versions are kept by content");
}

#[test]
fn a_conflict_runs_the_edited_script_too() {
    let stage =
        pair("", &format!("let n = state::get(\"n\", 0); {WAIT} state::set(\"n\", n + 1); \"old\""), "state::add(\"n\", 10)");
    let script = stage.path("scripts/one.rhai");
    stage.once_asked(move |engine, _| {
        std::fs::write(&script, "state::add(\"n\", 100); \"new\"").expect("written");
        engine.reload().expect("good");
        Stage::run_beside(engine, "two");
    });
    let run = stage.run("one");
    assert_eq!((run.value, stage.state("n")), (Some(json!("new")), json!(110)));
}

// ── Budgets, cancelling ───────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn each_budget_ends_the_run_with_a_sentence_and_nothing_else_happens() {
    let cases = [
        ("calls = 5", "for i in 0..9 { try { state::set(`k${i}`, i) } catch {} }", "after 5 calls"),
        ("operations = 1000", "loop { try { let x = 1; } catch {} }", "after 1000 operations"),
        ("memory = \"2MiB\"", "let a = []; loop { a.push(`a text that takes some room ${a.len()}`); }", "2 MiB of memory"),
        (
            "memory = \"2MiB\"\ncalls = 1000000",
            "let i = 0; loop { i += 1; state::set(`k${i}`, `a text that takes some room ${i}`); }",
            "2 MiB of memory",
        ),
        ("timeout = \"2s\"", "http::get(\"https://slow.example/\"); let n = 0; while n < 500 { n += 1; }", "longer than 2s"),
    ];
    for (budget, script, sentence) in cases {
        let script = format!("state::set(\"k\", 1); {script}");
        let stage = Stage::start(&workflow("w", &format!("{budget}\nretries = 0")), &[("w", script.as_str())]);
        stage.when_asked(|_, clock, _| {
            clock.advance(Duration::from_secs(3));
            answer(200, "")
        });
        let run = stage.run("w");
        assert_eq!(run.row.state, "failed", "{budget}: {script}");
        let error = run.row.error.unwrap_or_default();
        assert!(error.contains(sentence), "{budget}: {error}");
        assert_eq!(stage.state("k"), Json::Null, "{budget}");
    }
}

#[test]
fn a_cancelled_run_stops_at_its_next_word_and_cannot_catch_it() {
    let stage =
        pair("", "state::set(\"k\", 1); http::get(\"https://wait.example/\"); loop { try { state::get(\"x\"); } catch {} }", "1");
    stage.once_asked(|engine, _| {
        let running = engine.board.running();
        assert_eq!(running.len(), 1);
        assert!(engine.board.cancel(running[0].id));
    });
    let run = stage.run("one");
    assert_eq!((run.row.state.as_str(), run.row.fate.map(|f| f.word())), ("cancelled", Some("skipped")));
    assert_eq!(stage.state("k"), Json::Null);
    assert!(!stage.hand.engine.board.cancel(RunId(1)), "it is over");
}

#[test]
fn a_run_that_does_not_end_in_time_when_the_daemon_stops_is_taken_up_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("beffroi.toml");
    std::fs::create_dir(folder.path().join("scripts")).expect("made");
    std::fs::write(&file, format!("{HEAD}{}", workflow("w", "timeout = \"1h\"\noperations = 1000000000000"))).expect("written");
    let script = "if step(\"first\", || run::attempt()) == run::attempt() { loop {} } state::add(\"done\", 1)";
    std::fs::write(folder.path().join("scripts/w.rhai"), script).expect("written");
    let engine = threaded(&file, Arc::new(ScriptedNetwork::new()));
    let workers = engine.threads().expect("threads");
    let id = engine.run_soon("w", None).expect("recorded");
    let clock = SystemClock::new();
    let bell = beffroi::clock::Nudge::default();
    while view::run(&engine.store.read().expect("a reader"), id).expect("read").is_none_or(|r| r.steps.is_empty()) {
        clock.wait(&bell, Some(clock.now().plus(Duration::from_millis(5))));
    }
    engine.begin_stop();
    workers.join(&engine, Duration::from_millis(20));
    drop(engine);
    let engine = threaded(&file, Arc::new(ScriptedNetwork::new()));
    let open = view::run(&engine.store.read().expect("a reader"), id).expect("read").expect("a row");
    assert_eq!((open.row.fate, open.row.state.as_str()), (None, "running"), "nobody cancelled it");
    let workers = engine.threads().expect("threads");
    let ended = || view::run(&engine.store.read().expect("a reader"), id).expect("read").filter(|r| r.row.fate.is_some());
    let run = loop {
        match ended() {
            Some(run) => break run,
            None => clock.wait(&bell, Some(clock.now().plus(Duration::from_millis(5)))),
        }
    };
    engine.begin_stop();
    workers.join(&engine, Duration::from_secs(5));
    assert_eq!((run.row.state.as_str(), run.row.attempt), ("done", 2));
}

// ── Commit ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn equal_runs_have_equal_effects_and_others_do_not() {
    let effects = |seed: u64, word: &str| {
        let script = format!(
            "posts::plan(#{{ text: \"{word}\", once: \"a\", why: [\"b\", \"a\"] }}); state::set(\"z\", #{{ b: 1, a: [1.5, ()] }});
             state::set(\"a\", 1); notify::send(#{{ title: \"t\", text: \"x\" }}); events::emit(\"e\", #{{ y: 1, x: 2 }}); run::later(\"1h\");"
        );
        let mut world = World::new().seed(seed).account().workflow("w", BY_HAND, &script);
        let run = world.run("w");
        (run.effects.expect("kept").to_string(), run.effects_hash.expect("kept"))
    };
    assert_eq!(effects(1, "Bread"), effects(1, "Bread"));
    assert_ne!(effects(1, "Bread").1, effects(1, "Rolls").1);
    let (text, _) = effects(1, "Bread");
    assert!(text.contains(r#""state":{"a":1,"z":{"a":[1.5,null],"b":1}}"#), "{text}");
}

#[test]
fn nothing_that_a_run_plans_starts_before_its_commit() {
    let stage = Stage::start(
        &format!("{ACCOUNT}{}{}", workflow("one", ""), workflow("two", "events = [\"go\"]")),
        &[
            (
                "one",
                "events::emit(\"go\"); run::later(\"0s\"); posts::plan(#{ text: \"Hello\" }); notify::send(#{ title: \"t\", text: \"x\" }); http::get(\"https://wait.example/\")",
            ),
            ("two", "1"),
        ],
    );
    let seen = Arc::new(Mutex::new(None));
    let told = seen.clone();
    stage.once_asked(move |engine, _| {
        let (ready, timed, running) = engine.board.counts();
        let rows = view::runs(&engine.store.read().expect("a reader"), None, 10).expect("read").len();
        let posts = view::deliveries(&engine.store.read().expect("a reader"), None, None, 10).expect("read").len();
        *told.lock().expect("free") = Some((ready, timed, running, rows, posts));
    });
    assert_eq!(stage.run("one").row.state, "done");
    assert_eq!(*seen.lock().expect("free"), Some((0, 0, 1, 0, 0)));
    stage.settle();
    let rows = stage.rows();
    let told: Vec<(&str, &str)> = rows.iter().map(|r| (r.workflow.as_str(), r.trigger.word())).collect();
    assert_eq!(told[..2], [("one", "hand"), ("two", "event")]);
    assert_eq!(told[2], ("one", "later"));
    assert!(stage.ask(|db| view::deliveries(db, None, None, 10)).iter().any(|d| d.state == "online"));
}

#[test]
fn a_commit_that_the_store_cannot_take_is_made_later_and_the_run_is_not_lost() {
    let stage = Stage::start(
        &workflow("one", "retries = 0"),
        &[("one", "let n = step(\"s\", || 1); http::get(\"https://wait.example/\"); state::add(\"n\", n)")],
    );
    let other = Arc::new(Mutex::new(Db::open(stage.hand.engine.store.path()).expect("opened")));
    let lock = other.clone();
    stage.once_asked(move |_, _| lock.lock().expect("free").execute_batch("BEGIN IMMEDIATE").expect("locked"));
    let id = stage.hand.engine.run_soon("one", None).expect("recorded");
    assert_eq!(stage.hand.engine.run_turn(), Turn::Did);
    assert_eq!(stage.detail(id).row.fate, None, "neither done nor failed");
    other.lock().expect("free").execute_batch("COMMIT").expect("unlocked");
    stage.advance("1m");
    let run = stage.detail(id);
    assert_eq!((run.row.state.as_str(), run.row.attempt, stage.state("n")), ("done", 1, json!(1)));
}

#[test]
fn a_plan_that_the_database_refuses_ends_the_run_with_the_reason() {
    let mut world = World::new().workflow("w", BY_HAND, "events::emit(\"forbidden\")").workflow("fine", BY_HAND, "1");
    let database = world.on().engine.store.path().to_owned();
    Db::open(database)
        .and_then(|db| {
            db.execute_batch("CREATE TRIGGER no BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'not this one'); END")
        })
        .expect("written");
    let run = world.run("w");
    assert_eq!(run.row.state, "failed");
    assert!(run.row.error.is_some_and(|e| e.contains("not this one")));
    world.advance("1h");
    assert_eq!(world.ledger().len(), 1, "it is not done again and again");
    assert_eq!(world.run("fine").row.state, "done");
}

#[test]
fn details_of_old_runs_go_whether_they_ended_well_or_not() {
    let mut world = World::new()
        .with("keep_runs = \"10d\"\n")
        .workflow("good", BY_HAND, "step(\"s\", || 1); log::info(\"x\")")
        .workflow("bad", BY_HAND, "step(\"s\", || 1); throw \"no\"");
    world.run("good");
    world.run("bad");
    world.advance("9d");
    let count = |world: &mut World, table: &str| -> i64 {
        world.ask(|db| db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)))
    };
    assert_eq!((count(&mut world, "run_log"), count(&mut world, "step")), (2, 2));
    world.advance("2d");
    assert_eq!((count(&mut world, "run_log"), count(&mut world, "step")), (0, 0));
    assert_eq!(world.ledger().len(), 2, "the ledger stays");
}

// ── Once keys, withdrawals, library, feeds ────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_once_key_makes_one_post_and_one_notice_per_person_for_ever() {
    let script =
        "let first = posts::plan(#{ text: \"A\", once: \"k\" }); let second = posts::plan(#{ text: \"B\", once: \"k\" });
         notify::send(#{ title: \"t\", text: \"x\", once: \"n\" }); notify::send(#{ title: \"t\", text: \"y\", once: \"n\" });
         [first, second]";
    let mut world = World::new()
        .with("[people.other]\nchannel = \"folder\"\nfolder = \"mail2\"\n")
        .account()
        .workflow("w", BY_HAND, script)
        .workflow("v", BY_HAND, script);
    assert_eq!(world.run("w").value, Some(json!([true, false])));
    assert_eq!(world.run("w").value, Some(json!([false, false])));
    world.restart("400d");
    assert_eq!(world.run("w").value, Some(json!([false, false])));
    assert_eq!(world.run("v").value, Some(json!([true, false])), "post keys belong to their workflow");
    world.settle();
    let kinds = |kind: &str| world.ask(|db| view::deliveries(db, None, None, 100)).iter().filter(|d| d.kind == kind).count();
    let mut kinds = kinds;
    assert_eq!((kinds("post"), kinds("notice")), (2, 2), "a notice for each of two people, whoever sends it");
}

#[test]
fn a_run_whose_once_key_is_taken_meanwhile_is_done_again_and_hears_no() {
    let one = "let mine = posts::plan(#{ text: \"A\", once: \"k\" }); if run::payload() == () { http::get(\"https://wait.example/\"); } if mine { state::add(\"planned\", 1) } mine";
    let stage = Stage::start(&format!("{ACCOUNT}{}", workflow("one", "retries = 0")), &[("one", one)]);
    stage.once_asked(|engine, _| {
        engine.run_soon("one", Some(json!("quick"))).expect("taken");
        assert_eq!(engine.run_turn(), Turn::Did);
    });
    assert_eq!(stage.run("one").value, Some(json!(false)));
    assert_eq!(stage.state("planned"), 1, "exactly one of the two believes that it planned the post");
}

#[test]
fn a_withdrawal_takes_what_was_planned_before_it_and_leaves_what_comes_after() {
    let script = "posts::plan(#{ text: \"before\", once: \"offer/1\", at: run::now() + time::span(\"2d\") });
         posts::plan(#{ text: \"other\", once: \"else/1\", at: run::now() + time::span(\"2d\") });
         let gone = posts::withdraw(\"offer/\", \"over\");
         posts::plan(#{ text: \"after\", once: \"offer/2\", at: run::now() + time::span(\"2d\") }); gone";
    let earlier = "posts::plan(#{ text: \"someone else's\", once: \"offer/1\", at: run::now() + time::span(\"2d\") })";
    let mut world = World::new().account().workflow("w", BY_HAND, script).workflow("v", BY_HAND, earlier);
    world.run("v");
    assert_eq!(world.run("w").value, Some(json!(1)));
    assert_eq!(world.run("w").value, Some(json!(2)), "its own new plan of offer/1 and the stored offer/2");
    let told: Vec<(String, String)> =
        world.deliveries().into_iter().map(|d| (d.content["text"].as_str().unwrap_or_default().to_owned(), d.state)).collect();
    let told: Vec<(&str, &str)> = told.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(told, [("someone else's", "due"), ("other", "due"), ("after", "cancelled")]);
}

#[test]
fn two_workflows_never_give_an_account_the_same_item() {
    let next = "let next = library::next(\"facebook\"); if run::payload() == () { http::get(\"https://wait.example/\"); }
         if next.item != () { posts::plan(#{ account: \"facebook\", item: next.item }); } next.item";
    let stage = {
        let config = format!(
            "{ACCOUNT}[library]\nfolder = \"library\"\ntheme_spacing = 0\n{}{}",
            workflow("one", "retries = 0"),
            workflow("two", "retries = 0")
        );
        let stage = Stage::start(&config, &[("one", next), ("two", next)]);
        for name in ["a", "b", "c"] {
            std::fs::write(
                stage.path(&format!("library/{name}.md")),
                format!("---\ntitle: {name}\nformats: [post]\n---\nText of {name}.\n"),
            )
            .expect("written");
        }
        stage.hand.engine.reload().expect("good");
        stage
    };
    let mut picked = Vec::new();
    for (first, second) in [("one", "two"), ("two", "one")] {
        stage.once_asked(move |engine, _| {
            engine.run_soon(second, Some(json!("quick"))).expect("taken");
            assert_eq!(engine.run_turn(), Turn::Did);
        });
        let run = stage.run(first);
        assert_eq!(run.usage.expect("counted")["redone"], 1);
        picked.push(run.value);
    }
    let items: Vec<String> = stage.ask(|db| view::deliveries(db, None, None, 10)).into_iter().filter_map(|d| d.item).collect();
    let mut distinct = items.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(
        (distinct.len(), items.len()),
        (3, 3),
        "three items, three posts; the fourth run finds nothing: {items:?} {picked:?}"
    );
    assert_eq!(picked.last(), Some(&None), "{picked:?}");
}

fn feed(titles: &[&str]) -> String {
    let items: String = titles.iter().map(|t| format!("<item><guid>{t}</guid><title>{t}</title></item>")).collect();
    format!("<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>News</title>{items}</channel></rss>")
}

#[test]
fn each_workflow_sees_each_signal_once_even_when_runs_meet() {
    let fresh =
        "let titles = feeds::fresh().map(|s| s.title); let again = feeds::fresh().len(); if again != 0 { throw \"twice\" }
         let all = state::get(`seen/${run::workflow()}`, []); all += titles; state::set(`seen/${run::workflow()}`, all); titles";
    let config = format!(
        "[feeds.news]\nurl = \"https://news.example/feed.xml\"\ntopic = \"town\"\n{}{}",
        workflow("one", "retries = 0"),
        workflow("two", "retries = 0")
    );
    let stage = Stage::start(&config, &[("one", fresh), ("two", fresh)]);
    let page = Arc::new(Mutex::new(feed(&["a", "b"])));
    let (shown, mut asked) = (page, 0);
    stage.when_asked(move |engine, _, _| {
        asked += 1;
        let now = shown.lock().expect("free").clone();
        // Every other time another workflow reads the same feed while this one waits for it.
        if asked % 3 == 1 {
            *shown.lock().expect("free") =
                now.replace("</channel>", &format!("<item><guid>n{asked}</guid><title>n{asked}</title></item></channel>"));
            engine.run_soon("two", None).expect("taken");
            assert_eq!(engine.run_turn(), Turn::Did);
        }
        answer(200, &shown.lock().expect("free").clone())
    });
    for _ in 0..4 {
        assert_eq!(stage.run("one").row.state, "done");
        stage.settle();
    }
    stage.run("two");
    let rows = stage.rows();
    assert!(rows.iter().all(|r| r.state == "done"), "{:?}", rows.iter().filter_map(|r| r.error.clone()).collect::<Vec<_>>());
    let seen = |name: &str| -> Vec<String> {
        let mut all: Vec<String> = serde_json::from_value(stage.state(&format!("seen/{name}"))).expect("a list");
        all.sort();
        all
    };
    let given: Vec<String> = {
        let mut all: Vec<String> =
            stage.ask(|db| db.prepare("SELECT title FROM signal")?.query_map([], |row| row.get(0))?.collect());
        all.sort();
        all
    };
    assert!(given.len() >= 4, "{given:?}");
    assert_eq!(seen("two"), given);
    let one = seen("one");
    let mut distinct = one.clone();
    distinct.dedup();
    assert_eq!(one, distinct, "nothing twice");
    assert!(
        given.iter().filter(|t| !one.contains(t)).count() <= 1,
        "only what came with the last look of two: {one:?} of {given:?}"
    );
}

// ── Limits of what is kept ────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn state_refuses_what_it_could_not_give_back() {
    let cases = [
        ("state::set(\"\", 1)", "1 to 256 characters"),
        ("let k = \"\"; k.pad(257, 'k'); state::set(k, 1)", "1 to 256 characters"),
        ("let v = \"\"; v.pad(1100000, 'v'); state::set(\"k\", v)", "at most 1 MiB"),
        ("state::set(\"k\", 9223372036854775807); state::add(\"k\", 1)", "larger than a whole number"),
        ("state::set(\"k\", 1.7e308); state::add(\"k\", 1.7e308)", "larger than a number"),
        ("state::set(\"k\", \"text\"); state::add(\"k\", 1)", "is not a number"),
    ];
    for (script, sentence) in cases {
        let mut world = World::new().workflow("w", BY_HAND, script);
        let run = world.run("w");
        let error = run.row.error.unwrap_or_default();
        assert!(run.row.state == "failed" && error.contains(sentence), "{script}: {error}");
    }
    let mut world = World::new().workflow(
        "w",
        BY_HAND,
        "let v = \"\"; v.pad(1000000, 'é'); state::set(\"k\", \"é\"); state::add(\"x\", 0.5); state::add(\"x\", 1)",
    );
    assert_eq!(world.run("w").row.state, "done");
    assert_eq!((world.state("k"), world.state("x")), (json!("é"), json!(1.5)));
}

#[test]
fn a_lost_answer_says_so_and_leaves_the_step_open() {
    let script = "let sent = step(\"order\", || { let r = \"\"; try { r = http::post(\"https://shop.example/\", \"1\").body } catch (e) { if run::attempt() < 2 { throw e } r = \"gave up\" } r }); sent";
    let config = [workflow("one", "retries = 1\nbackoff = \"1m\"\nevents = [\"go\"]"), workflow("two", "")].concat();
    let stage = Stage::start(&config, &[("one", script), ("two", "events::emit(\"go\")")]);
    let mut lost = true;
    stage.when_asked(move |_, _, _| {
        if std::mem::take(&mut lost) { Err(NetworkError::Lost("The connection ended.".into())) } else { answer(200, "fine") }
    });
    stage.run("two");
    stage.settle();
    let between = stage.detail(RunId(2));
    assert!(between.row.error.is_some_and(|e| e.contains("may have taken effect")));
    assert!(between.steps.is_empty());
    stage.advance("1m");
    assert_eq!(stage.detail(RunId(2)).value, Some(json!("fine")));
}
