//! Scripts that mean harm, on the real daemon's threads: each ends within its budget with a sentence, and the others go on.

use beffroi::clock::{Dice, SystemClock};
use beffroi::config::Base;
use beffroi::daemon::{Engine, Injected};
use beffroi::network::ScriptedNetwork;
use beffroi::store::{Mode, view};
use beffroi_tests::{ACCOUNT, HEAD};
use std::fmt::Write as _;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Name, script, what its error must say.
const HOSTILE: &[(&str, &str, &str)] = &[
    ("loop", "loop { }", "took longer"),
    ("countdown", "let n = 0; while true { n += 1; }", "took longer"),
    ("doubling", "let s = \"xxxxxxxx\"; loop { s += s; }", "memory|grew"),
    ("map-bomb", "let m = #{}; let n = 0; loop { m[`k${n}`] = [n, n, n, n]; n += 1; }", "memory|values|longer"),
    ("nesting", "let m = #{}; loop { m = #{ a: m }; }", "memory|values|longer|nested"),
    ("list-nesting", "let a = []; loop { a = [a]; }", "memory|values|longer|nested"),
    ("recursion", "fn f(x) { f(x + 1) } f(0)", "deep|stack|levels|calls"),
    ("pad", "let a = []; a.pad(10000000000, 1);", "memory|grew|large"),
    ("pad-text", "let s = \"x\"; s.pad(10000000000, \"a\");", "memory|grew|large"),
    ("replace", "let s = \"x\"; for i in 0..19 { s += s; } s.replace(\"x\", s);", "memory|grew|large"),
    ("swallow", "loop { try { state::get(\"a\"); loop { } } catch { } }", "took longer"),
    ("callback", "loop { [1, 2, 3].map(|x| { try { loop { } } catch { } x }); }", "took longer"),
    ("sort", "loop { [3, 1, 2].sort(|a, b| { loop { } a - b }); }", "took longer"),
    ("outside", "import \"../../etc/passwd\" as p; p::x()", "import|outside|path|folder|module"),
    ("sleep", "sleep(3600);", "run::later"),
    ("calls", "loop { state::get(\"a\"); }", "calls|longer"),
    ("log-flood", "loop { log::info(\"flood\"); }", "calls|longer"),
    ("step-nest", "fn s(n) { step(`s${n}`, || s(n + 1)) } s(0)", "deep|levels|stack"),
];

#[test]
fn each_ends_in_its_budget_and_the_others_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = format!("{HEAD}runs = 24\n{ACCOUNT}");
    std::fs::create_dir(folder.path().join("scripts")).expect("made");
    let script =
        |name: &str, text: &str| std::fs::write(folder.path().join(format!("scripts/{name}.rhai")), text).expect("written");
    for (name, text, _) in HOSTILE {
        // What the checker refuses beforehand never runs; the one import is tried at its own run.
        script(name, text);
        let _ = write!(config, "\n[workflows.{name}]\nscript = \"{name}.rhai\"\ntimeout = \"2s\"\nmemory = \"32MB\"\n");
    }
    script("good", "state::add(\"good\", 1)");
    config.push_str("\n[workflows.good]\nscript = \"good.rhai\"\n");
    let file = folder.path().join("beffroi.toml");
    std::fs::write(&file, &config).expect("written");
    let base = || Base { state: None, builtin: None };

    // The checker finds what can be found without running.
    let found = beffroi::daemon::check(&file, &base());
    let refused: Vec<String> = found
        .iter()
        .filter(|p| p.severity == beffroi::problem::Severity::Error)
        .map(|p| p.file.file_stem().expect("a script").to_string_lossy().into_owned())
        .collect();
    for name in &refused {
        let problem =
            found.iter().find(|p| p.file.file_stem().is_some_and(|s| s.to_string_lossy() == **name)).expect("found above");
        assert!(!problem.message.is_empty() && problem.line > 0, "{problem:?}");
        script(name, "// refused beforehand");
    }
    assert!(refused.iter().all(|r| ["outside", "sleep"].contains(&r.as_str())), "{refused:?}");

    let injected = Injected {
        clock: Arc::new(SystemClock::new()),
        dice: Arc::new(Dice::seeded(1)),
        network: Arc::new(ScriptedNetwork::new()),
        mode: Mode::Threaded,
    };
    let engine = Engine::start(&file, base(), injected).unwrap_or_else(|e| panic!("{e}"));
    let workers = engine.threads().expect("threads");
    let (to, ended) = mpsc::channel();
    let begin = engine.clock.monotonic();
    for (name, _, _) in HOSTILE.iter().filter(|(name, _, _)| !refused.iter().any(|r| r == name)) {
        let to = to.clone();
        engine
            .run_now(name, None, Box::new(move |id| to.send(((*name).to_owned(), id)).expect("somebody listens")))
            .expect("it exists");
    }
    // Meanwhile a good workflow runs again and again.
    let (good_to, good) = mpsc::channel();
    let mut good_runs = 0_i64;
    let mut open = HOSTILE.len() - refused.len();
    while open > 0 {
        let to = good_to.clone();
        engine.run_now("good", None, Box::new(move |id| to.send(id).expect("somebody listens"))).expect("it exists");
        good.recv_timeout(Duration::from_secs(20)).expect("a good run ends although hostile ones go on");
        good_runs += 1;
        while let Ok((name, id)) = ended.try_recv() {
            let reader = engine.store.read().expect("a reader");
            let run = view::run(&reader, id).expect("readable").expect("a row");
            let error = run.row.error.unwrap_or_default();
            let (_, _, says) = HOSTILE.iter().find(|(n, _, _)| *n == name).expect("one of them");
            assert_eq!(run.row.state, "failed", "{name}: {error}");
            assert!(says.split('|').any(|word| error.contains(word)), "{name} says: {error}");
            open -= 1;
        }
    }
    // Two cores share two dozen threads here: the budget of two seconds each is kept within a wide margin.
    let took = engine.clock.monotonic().saturating_sub(begin);
    assert!(took < Duration::from_secs(60), "{took:?}");
    let reader = engine.store.read().expect("a reader");
    let (count, _) = view::state(&reader, "good").expect("readable").expect("counted");
    assert_eq!(count, good_runs.to_string());
    assert!(good_runs >= 3, "the good workflow hardly ran: {good_runs}");
    drop(reader);
    engine.begin_stop();
    workers.join(&engine, Duration::from_secs(5));
}
