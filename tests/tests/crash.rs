//! `kill -9` at any moment of short runs that count on a shared key and plan posts: after the restarts the count, the posts and the
//! ledger agree exactly. The process that is killed is this test's own executable, started again as a daemon.

use beffroi::clock::{Dice, SystemClock};
use beffroi::config::Base;
use beffroi::daemon::{Engine, Injected};
use beffroi::network::ScriptedNetwork;
use beffroi::store::{Mode, view};
use beffroi_tests::{ACCOUNT, HEAD, names};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const CHILD: &str = "BEFFROI_CRASH_FOLDER";

const SCRIPT: &str = r#"
let n = state::add("count", 1);
posts::plan(#{ text: `Post number ${n}.`, account: "facebook", once: run::id(), expires: "7d" });
n
"#;

fn engine(folder: &Path) -> Arc<Engine> {
    let injected = Injected {
        clock: Arc::new(SystemClock::new()),
        dice: Arc::new(Dice::fair()),
        network: Arc::new(ScriptedNetwork::new()),
        mode: Mode::Threaded,
    };
    Engine::start(&folder.join("beffroi.toml"), Base::default(), injected).unwrap_or_else(|e| panic!("{e}"))
}

fn configure(folder: &Path) {
    std::fs::create_dir(folder.join("scripts")).expect("made");
    std::fs::write(folder.join("scripts/count.rhai"), SCRIPT).expect("written");
    let config =
        format!("{HEAD}{ACCOUNT}\n[workflows.count]\nscript = \"count.rhai\"\n[workflows.count-too]\nscript = \"count.rhai\"\n");
    let config = config
        .replace("per_minute = 1000, per_hour = 1000, per_day = 1000", "per_minute = 10000, per_hour = 10000, per_day = 10000");
    std::fs::write(folder.join("beffroi.toml"), config).expect("written");
}

fn wanted() -> usize {
    std::env::var("BEFFROI_CRASH_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(500)
}

/// Not a test of its own: the daemon that the other test kills. Says a word for everything that happens.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let engine = engine(Path::new(&folder));
    let mut happenings = engine.pulse.listen();
    let workers = engine.threads().expect("threads");
    let recorded = {
        let reader = engine.store.read().expect("a reader");
        view::runs(&reader, None, usize::MAX >> 1).expect("readable").len()
    };
    let starter = {
        let engine = engine.clone();
        std::thread::spawn(move || {
            for n in recorded..wanted() {
                engine.run_soon(if n % 2 == 0 { "count" } else { "count-too" }, None).expect("recorded");
            }
        })
    };
    let mut out = std::io::stdout();
    let mut done = false;
    while !done {
        match happenings.blocking_recv() {
            Ok(h) => writeln!(out, "{} {} {}", h.kind, h.id, h.what).expect("the parent reads"),
            Err(tokio::sync::broadcast::error::RecvError::Lagged(n)) => writeln!(out, "lagged {n}").expect("the parent reads"),
            Err(tokio::sync::broadcast::error::RecvError::Closed) => break,
        }
        let reader = engine.store.read().expect("a reader");
        let online =
            view::delivery_counts(&reader).expect("readable").into_iter().find(|(s, _)| s == "online").map_or(0, |(_, n)| n);
        done = usize::try_from(online).expect("a count") >= wanted();
    }
    starter.join().expect("all are recorded");
    engine.begin_stop();
    workers.join(&engine, Duration::from_secs(10));
}

#[test]
fn kill_9_at_any_moment_loses_nothing_and_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path());
    let seed = std::env::var("BEFFROI_CRASH_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(7);
    let dice = Dice::seeded(seed);
    let mut kills = 0;
    loop {
        let mut child = Command::new(std::env::current_exe().expect("this executable"))
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the daemon starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        // The moment of death is a number of happenings, and a few hundred thousand turns of nothing after the last of them.
        let word = lines.by_ref().take(usize::try_from(dice.below(120)).expect("small")).last();
        for _ in 0..dice.below(400_000) {
            std::hint::spin_loop();
        }
        if kills >= 60 || matches!(word, Some(Err(_))) {
            // Enough: the rest may end in peace.
            lines.for_each(drop);
            assert!(child.wait().expect("it ends").success());
            break;
        }
        child.kill().expect("SIGKILL");
        let ended = child.wait().expect("it ends");
        if ended.success() {
            break;
        }
        kills += 1;
    }
    println!("killed {kills} times, seed {seed}");
    assert!(kills >= 5, "the daemon was killed {kills} times only: seed {seed}");

    let engine = engine(folder.path());
    let reader = engine.store.read().expect("a reader");
    let wanted = wanted();
    let (count, _) = view::state(&reader, "count").expect("readable").expect("counted");
    assert_eq!(count, wanted.to_string(), "seed {seed}");
    let runs = view::runs(&reader, None, wanted * 2).expect("readable");
    assert_eq!(runs.iter().filter(|r| r.state == "done").count(), wanted, "seed {seed}");
    assert_eq!(runs.len(), wanted, "seed {seed}");
    let deliveries = view::deliveries(&reader, None, None, wanted * 2).expect("readable");
    let texts: BTreeSet<&str> = deliveries.iter().map(|d| d.content["text"].as_str().expect("a text")).collect();
    assert_eq!((deliveries.len(), texts.len()), (wanted, wanted), "seed {seed}");
    assert!(deliveries.iter().all(|d| d.state == "online"), "seed {seed}");
    let files = names(&folder.path().join("posts"), ".md");
    assert_eq!(files.len(), wanted, "as many posts in the folder as were planned: seed {seed}");
}

#[test]
fn two_workflows_that_count_on_one_key_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path());
    let engine = engine(folder.path());
    let workers = engine.threads().expect("threads");
    let (to, ended) = mpsc::channel();
    for n in 0..200 {
        let to = to.clone();
        let workflow = if n % 2 == 0 { "count" } else { "count-too" };
        engine.run_now(workflow, None, Box::new(move |id| to.send(id).expect("somebody listens"))).expect("it exists");
    }
    let ids: BTreeSet<_> = (0..200).map(|_| ended.recv_timeout(Duration::from_secs(60)).expect("it ends")).collect();
    assert_eq!(ids.len(), 200);
    let reader = engine.store.read().expect("a reader");
    assert_eq!(view::state(&reader, "count").expect("readable").expect("counted").0, "200");
    let (runs, _) = engine.pulse.meters.read();
    assert!(runs.get("redone").copied().unwrap_or(0) > 0, "nothing ever met: the test shows nothing ({runs:?})");
    drop(reader);
    engine.begin_stop();
    workers.join(&engine, Duration::from_secs(10));
}
