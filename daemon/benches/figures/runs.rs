//! Runs: how many in a second, how soon after the trigger, how punctual when many are due at once.
//!
//! In: an engine with its threads and full durability. Out: figures; each round is also checked for lost counts.
//! Never: counts a run before its commit is on disk.

use crate::place::{Place, Watch};
use crate::{Figure, median, share};
use beffroi::daemon::Engine;
use beffroi::domain::Json;
use beffroi::store::view;
use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Reads a key, adds one, stores it, answers.
pub(crate) const COUNT: &str = "let key = run::payload();\nlet n = state::get(key, 0) + 1;\nstate::set(key, n);\nn\n";
pub(crate) const COUNT_SECTION: &str = "[workflows.count]\nscript = \"count.rhai\"\n";
pub(crate) const CLIENTS: u64 = 16;
pub(crate) const KEYS: u64 = 64;
const ROUND: Duration = Duration::from_millis(1_500);
const ROUNDS: usize = 5;

/// Durable runs in a second, and the time from trigger to commit.
pub(crate) fn measure() -> Vec<Figure> {
    let place = Place::new(COUNT_SECTION).script("count", COUNT);
    let engine = place.engine();
    let workers = engine.threads().expect("the machine gives threads");
    let told = AtomicU64::new(0);
    let next = AtomicU64::new(0);
    // One key after the other: no two runs of a moment share one.
    let turn = |_: u64| next.fetch_add(1, Ordering::Relaxed) % KEYS;
    // Drawn by chance: what is built on a key that changed meanwhile is done again.
    let draw = |client: u64| {
        let n = next.fetch_add(1, Ordering::Relaxed) + client;
        (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % KEYS
    };
    round(&engine, &turn, &told);
    let before = grouped(&engine);
    let rates: Vec<f64> = (0..ROUNDS).map(|_| round(&engine, &turn, &told)).collect();
    let after = grouped(&engine);
    let drawn: Vec<f64> = (0..3).map(|_| round(&engine, &draw, &told)).collect();
    let one: Vec<f64> = (0..400).map(|_| single(&engine, &told)).collect();
    let synced = disk(&place);
    engine.begin_stop();
    workers.join(&engine, Duration::from_secs(5));
    let lost = check(&engine, told.load(Ordering::Relaxed));
    let group = (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64;
    vec![
        Figure::above(
            "durable runs, 16 at a time, 64 keys",
            8_000.0,
            "1/s",
            median(rates),
            format!("{group:.1} runs in one commit; {lost}"),
        ),
        Figure::shown("the same, keys drawn by chance", "1/s", median(drawn), "runs that met on a key were done again".into()),
        Figure::below(
            "from trigger to committed, one at a time",
            3.0,
            "ms",
            median(one.clone()),
            format!("99 % within {:.2} ms", share(one, 0.99)),
        ),
        Figure::shown(
            "fdatasync of 4 KiB on the same disk",
            "ms",
            median(synced.clone()),
            format!("99 % within {:.2} ms", share(synced, 0.99)),
        ),
    ]
}

/// Durable runs in a second, each on a key of its own.
pub(crate) fn rate(engine: &Engine) -> f64 {
    let (next, told) = (AtomicU64::new(0), AtomicU64::new(0));
    round(engine, &|_| next.fetch_add(1, Ordering::Relaxed) % KEYS, &told)
}

fn grouped(engine: &Engine) -> (u64, u64) {
    let counters = engine.store.counters();
    (counters.changes.load(Ordering::Relaxed), counters.commits.load(Ordering::Relaxed))
}

/// Runs in a second: each client waits for its run's commit before it asks for the next.
fn round(engine: &Engine, key: &(impl Fn(u64) -> u64 + Sync), told: &AtomicU64) -> f64 {
    let watch = Watch::start();
    let done: u64 = std::thread::scope(|scope| {
        let client = |client: u64| {
            let (to, from) = mpsc::channel();
            let mut count = 0;
            while watch.span() < ROUND {
                ask(engine, key(client), &to);
                from.recv().expect("every run ends");
                count += 1;
            }
            count
        };
        let clients: Vec<_> = (0..CLIENTS).map(|at| scope.spawn(move || client(at))).collect();
        clients.into_iter().map(|c| c.join().expect("no client fails")).sum()
    });
    told.fetch_add(done, Ordering::Relaxed);
    done as f64 / watch.span().as_secs_f64()
}

fn ask(engine: &Engine, key: u64, to: &mpsc::Sender<()>) {
    let to = to.clone();
    let payload = Json::String(format!("key/{key}"));
    let waiter = Box::new(move |_| {
        // A client that is gone needs no answer.
        let _ = to.send(());
    });
    engine.run_now("count", Some(payload), waiter).expect("there is such a workflow");
}

fn single(engine: &Engine, told: &AtomicU64) -> f64 {
    let (to, from) = mpsc::channel();
    let watch = Watch::start();
    ask(engine, 0, &to);
    from.recv().expect("every run ends");
    told.fetch_add(1, Ordering::Relaxed);
    watch.millis()
}

fn disk(place: &Place) -> Vec<f64> {
    let mut file = File::create(place.folder().join("synced")).expect("the folder can be written");
    let mut sync = || {
        let watch = Watch::start();
        file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).expect("the disk can be written");
        watch.millis()
    };
    (0..300).map(|_| sync()).collect()
}

/// The sum over all keys must be the number of runs, and the ledger must say that each ran.
fn check(engine: &Engine, told: u64) -> String {
    let reader = engine.store.read().expect("the store can be read");
    let (keys, ..) = view::state_list(&reader, "key/").expect("the store can be read");
    let sum: u64 = keys.iter().map(|(_, value)| value.parse::<u64>().expect("a count")).sum();
    let ran: i64 = reader
        .query_row(
            "SELECT count(*) FROM occurrence o JOIN run r ON r.id = o.id WHERE o.fate = 'ran' AND r.state = 'done'",
            [],
            |row| row.get(0),
        )
        .expect("the store can be read");
    assert!(sum == told && ran.cast_unsigned() == told, "{told} runs were told, the keys count {sum}, the ledger {ran}");
    format!("{told} runs, none lost")
}

/// 200 schedules that are due in the same second: the delay of the last to start.
pub(crate) fn burst() -> Vec<Figure> {
    const MANY: usize = 200;
    let sections: String =
        (0..MANY).map(|n| format!("[workflows.w{n}]\nscript = \"lag.rhai\"\nschedule = \"*/2 * * * * *\"\n")).collect();
    // The script answers with the delay of its own start, in milliseconds.
    let place = Place::new(&sections).script("lag", "run::now() - run::due()\n");
    let engine = place.engine();
    let workers = engine.threads().expect("the machine gives threads");
    std::thread::sleep(Duration::from_secs(14));
    engine.begin_stop();
    workers.join(&engine, Duration::from_secs(5));
    let reader = engine.store.read().expect("the store can be read");
    let mut rows = reader
        .prepare("SELECT max(CAST(r.line AS INTEGER)), count(*) FROM occurrence o JOIN run r ON r.id = o.id WHERE r.state = 'done' GROUP BY o.due")
        .expect("the store can be read");
    let seconds: Vec<(i64, usize)> = rows
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))
        .expect("the store can be read")
        .map(|row| row.map(|(lag, count)| (lag, usize::try_from(count).unwrap_or(0))).expect("the store can be read"))
        .collect();
    assert!(seconds.iter().filter(|(_, count)| *count == MANY).count() >= 5, "all {MANY} ran each time: {seconds:?}");
    // Clocks are read in whole milliseconds, cut off; the delay is up to one more.
    let lags: Vec<f64> = seconds.iter().map(|(lag, _)| *lag as f64 + 1.0).collect();
    let worst = lags.iter().copied().fold(0.0, f64::max);
    vec![Figure::below(
        "200 schedules due in one second: all started within",
        30.0,
        "ms",
        median(lags),
        format!("{} rounds, the worst {worst:.0} ms", seconds.len()),
    )]
}
