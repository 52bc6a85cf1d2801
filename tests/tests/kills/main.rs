//! `kill -9` at random instants, on the real disk, with networks in another process that accept, drop answers, refuse, and ignore
//! keys: nothing is lost, doubled or silent, and where nothing can be read back nothing is repeated blindly.
//!
//! The long run: `cargo test --release -p beffroi-tests --test kills -- --ignored --nocapture`. `BEFFROI_KILLS` and `BEFFROI_SEED`
//! change what it does. What is killed is this test's own executable, started again as a daemon.

mod house;
mod outside;

use beffroi::clock::{Clock, Dice, SystemClock};
use beffroi::daemon::Engine;
use beffroi::domain::Timestamp;
use beffroi::store::view;
use house::{answer_all, configure, engine};
use outside::{Outside, Record, call, deaths};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const CHILD: &str = "BEFFROI_KILLS_FOLDER";
/// Runs that each daemon asks for as soon as it lives.
const RUNS: usize = 2;
/// Posts that may wait before no more runs are asked for.
const WAITING: usize = 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("outside.sock")
}

fn beginning(folder: &Path) -> Timestamp {
    Timestamp::parse(&std::fs::read_to_string(folder.join("beginning")).expect("written by the parent")).expect("an instant")
}

/// Not a test of its own: the daemon that the others kill.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let socket = socket(&folder);
    let engine = engine(&folder, &socket, beginning(&folder));
    answer_all(&engine, &socket);
    let _workers = engine.threads().expect("threads");
    // What lies there already comes first, or there would be more and more of it.
    let waiting = {
        let reader = engine.store.read().expect("a reader");
        view::open_deliveries(&reader, None, 100_000).expect("readable").len()
    };
    for n in 0..if waiting < WAITING { RUNS } else { 0 } {
        let id = engine.run_soon(if n % 2 == 0 { "one" } else { "two" }, None).expect("recorded");
        // From the answer on it is promised, whatever happens.
        call(&socket, &["promise", &id.to_string()]);
    }
    loop {
        std::thread::sleep(Duration::from_millis(40));
        answer_all(&engine, &socket);
    }
}

struct Ended {
    kills: u64,
    /// From the start of a daemon until its first run was promised, the longest and the sum.
    spans: (Duration, Duration),
}

fn kill(folder: &Path, seed: u64, kills: u64) -> (Arc<Outside>, Ended) {
    configure(folder);
    let clock = SystemClock::new();
    std::fs::write(folder.join("beginning"), clock.now().rfc3339(beffroi::domain::Zone::UTC)).expect("written");
    let (asks, asked) = deaths();
    let outside = Outside::listen(&socket(folder), seed, asks);
    let dice = Dice::seeded(seed ^ 0x6b69_6c6c);
    let mut ended = Ended { kills: 0, spans: Default::default() };
    while ended.kills < kills {
        while asked.try_recv().is_ok() {}
        let begin = clock.monotonic();
        let mut child = Command::new(std::env::current_exe().expect("this executable"))
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        // One in four dies while it starts or soon after; the others when a call asks for it, or a little later.
        if dice.below(4) == 0 {
            std::thread::sleep(Duration::from_micros(dice.below(120_000)));
        } else {
            // A daemon that asks for nothing, because much is waiting, is heard of by its calls.
            let heard = || {
                let record = outside.record();
                record.promised.len() as u64 + record.counts.values().sum::<u64>()
            };
            let before = heard();
            while heard() == before && matches!(child.try_wait(), Ok(None)) && asked.try_recv().is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let span = clock.monotonic() - begin;
            ended.spans = (ended.spans.0.max(span), ended.spans.1 + span);
            let _ = asked.recv_timeout(Duration::from_micros(dice.below(500_000)));
        }
        child.kill().expect("SIGKILL");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "seed {seed}, after {} kills the daemon said:\n{said}", ended.kills);
        outside.drain(&socket(folder));
        ended.kills += 1;
    }
    (outside, ended)
}

/// The last daemon is not killed: it brings everything to its end.
fn in_peace(folder: &Path, outside: &Outside) -> Arc<Engine> {
    outside.calm();
    let engine = engine(folder, &socket(folder), beginning(folder));
    let workers = engine.threads().expect("threads");
    let open = || {
        let reader = engine.store.read().expect("a reader");
        let runs = view::open_occurrences(&reader).expect("readable").len();
        runs + view::open_deliveries(&reader, None, 100_000).expect("readable").len()
    };
    let (mut left, mut rounds) = (open(), 0);
    while left > 0 {
        std::thread::sleep(Duration::from_millis(50));
        let now = open();
        rounds = if now == left { rounds + 1 } else { 0 };
        assert!(rounds < 1_200, "{left} things stay open");
        left = now;
        answer_all(&engine, &socket(folder));
    }
    engine.begin_stop();
    workers.join(&engine, Duration::from_secs(10));
    engine
}

fn check(engine: &Engine, record: &mut Record) {
    let db = engine.store.read().expect("a reader");
    let mut broken = std::mem::take(&mut record.broken);
    let none = |sql: &str| -> Vec<String> {
        let mut statement = db.prepare(sql).expect("SQL");
        statement.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("texts")
    };
    broken.extend(none("SELECT 'damaged: ' || integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'"));
    broken.extend(none("SELECT 'r' || id || ' has no fate' FROM occurrence WHERE fate IS NULL"));
    broken.extend(none("SELECT 'r' || id || ' says nothing' FROM occurrence WHERE fate <> 'ran' AND coalesce(reason, '') = ''"));
    broken.extend(none("SELECT 'd' || id || ' says nothing' FROM delivery WHERE coalesce(reason, '') = ''"));
    broken.extend(none("SELECT 'd' || id || ' is ' || state || ': ' || reason FROM delivery WHERE state <> 'online'"));
    broken.extend(none(
        "SELECT 'r' || o.id || ' is ' || o.fate || ' and planned ' || count(d.id) FROM occurrence o LEFT JOIN delivery d ON d.run = o.id AND d.kind = 'post'
         GROUP BY o.id HAVING count(d.id) <> iif(o.fate = 'ran', 4, 0)",
    ));
    broken.extend(none(
        "SELECT 'd' || id || ' was armed without its seal' FROM delivery WHERE armed_at IS NOT NULL AND approval = 'needed'",
    ));
    for said in none(
        "SELECT count(*) || ' ' || fate || ': ' || substr(max(reason), 1, 160) FROM occurrence WHERE fate <> 'ran' GROUP BY fate",
    ) {
        println!("{said}");
    }
    let ran: Vec<String> = none("SELECT 'r' || id FROM occurrence WHERE fate = 'ran' ORDER BY id");
    let counted = view::state(&db, "count").expect("readable").map_or("0".into(), |(value, _)| value);
    if counted != ran.len().to_string() {
        broken.push(format!("{} runs ran and counted {counted}", ran.len()));
    }
    for run in &ran {
        if !record.orders.get(run).is_some_and(|(_, taken)| *taken) {
            broken.push(format!("{run} ran, and its order never arrived"));
        }
    }
    let keys: std::collections::BTreeSet<&String> = record.orders.values().map(|(key, _)| key).collect();
    if keys.len() != record.orders.len() {
        broken.push("two orders under one key".into());
    }
    let known: std::collections::BTreeSet<String> = none("SELECT 'r' || id FROM occurrence").into_iter().collect();
    broken.extend(record.promised.iter().filter(|id| !known.contains(&format!("r{id}"))).map(|id| format!("r{id} was promised")));
    let online: std::collections::BTreeMap<(String, String), String> = view::deliveries(&db, Some("online"), None, 1_000_000)
        .expect("readable")
        .into_iter()
        // Letters about posts that nobody could settle lie in the owner's folder.
        .filter(|d| d.kind == "post")
        .map(|d| ((d.target.clone(), d.id.to_string()), d.content["text"].as_str().unwrap_or_default().to_owned()))
        .collect();
    for (place, text) in &online {
        match record.kept.get(place) {
            Some(kept) if kept.copies == 1 && kept.text == *text => {}
            other => broken.push(format!("{place:?} is said to be online: {other:?}")),
        }
    }
    broken.extend(
        record
            .kept
            .iter()
            .filter(|(place, kept)| kept.copies > 0 && !online.contains_key(*place))
            .map(|(place, _)| format!("{place:?} is online and not known")),
    );
    record.counts.insert("runs promised", record.promised.len() as u64);
    record.counts.insert("runs that ran", ran.len() as u64);
    record.counts.insert("posts online", online.len() as u64);
    record.broken = broken;
}

fn live_and_die(kills: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let seed = number("BEFFROI_SEED").unwrap_or(11);
    let (outside, ended) = kill(folder.path(), seed, kills);
    let engine = in_peace(folder.path(), &outside);
    let mut record = outside.record();
    check(&engine, &mut record);
    println!("{:>10}  kills, seed {seed}", ended.kills);
    println!("{:>10?}  the longest from the start to the first promise; in all {:?}", ended.spans.0, ended.spans.1);
    for (what, count) in &record.counts {
        println!("{count:>10}  {what}");
    }
    let first: Vec<&String> = record.broken.iter().take(20).collect();
    assert!(record.broken.is_empty(), "seed {seed}: {} promises broken: {first:#?}", record.broken.len());
    assert!(record.kept.values().map(|k| k.calls).sum::<u32>() > 0, "nothing was ever sent");
}

#[test]
fn kill_9_at_random_instants_loses_doubles_and_hides_nothing() {
    live_and_die(number("BEFFROI_KILLS").unwrap_or(15));
}

#[test]
#[ignore = "a thousand kills take some minutes"]
fn a_thousand_kills() {
    live_and_die(number("BEFFROI_KILLS").unwrap_or(1_000));
}
