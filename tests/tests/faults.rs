//! The engine under seeded faults: whatever goes wrong, nothing is lost, nothing is sent twice, nothing happens in silence.
//!
//! `BEFFROI_SEED=123 cargo test -p beffroi-tests --test faults` lives one life again. The long run:
//! `BEFFROI_SEEDS=10000 cargo test --release -p beffroi-tests --test faults -- --ignored --nocapture`.

use beffroi_tests::faults::{Life, live, live_with};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How to live this life again, with what broke in it.
fn report(seed: u64, life: &Life) -> Option<String> {
    if life.broken.is_empty() {
        return None;
    }
    let many = life.broken.len();
    let first = life.broken.iter().take(12).map(|b| format!("  {b}\n")).collect::<String>();
    Some(format!("{many} promises broken:\n{first}  BEFFROI_SEED={seed} cargo test -p beffroi-tests --test faults one_seed\n"))
}

fn lived(seed: u64, folder: &Path, cut_at: Option<u64>) -> Result<Life, String> {
    catch_unwind(AssertUnwindSafe(|| live_with(seed, folder, cut_at))).map_err(|panic| {
        let said = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        format!("a panic ({said:?}); BEFFROI_SEED={seed} cargo test -p beffroi-tests --test faults one_seed")
    })
}

/// Lives many lives on all cores; gives back what was counted.
fn many(seeds: impl Iterator<Item = (u64, Option<u64>)> + Send) -> BTreeMap<&'static str, u64> {
    let seeds = Mutex::new(seeds);
    let (counts, failures) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    let lives = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                let folder = tempfile::tempdir().expect("a folder");
                loop {
                    let Some((seed, cut_at)) = seeds.lock().expect("no panic").next() else { break };
                    match lived(seed, folder.path(), cut_at) {
                        Ok(life) => {
                            if let Some(said) = report(seed, &life) {
                                failures.lock().expect("no panic").push(format!("seed {seed}, cut at {cut_at:?}: {said}"));
                            }
                            let mut sum = counts.lock().expect("no panic");
                            for (what, count) in life.counts {
                                *sum.entry(what).or_insert(0) += count;
                            }
                            *sum.entry("acts of the disk").or_insert(0) += life.acts;
                        }
                        Err(said) => failures.lock().expect("no panic").push(said),
                    }
                    lives.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    let counts = counts.into_inner().expect("no panic");
    println!("{} lives", lives.load(Ordering::Relaxed));
    for (what, count) in &counts {
        println!("{count:>10}  {what}");
    }
    let shown = failures.iter().take(5).cloned().collect::<String>();
    assert!(failures.is_empty(), "{} lives went wrong:\n{shown}", failures.len());
    counts
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The life of one seed, told when it is named.
#[test]
fn one_seed() {
    let Some(seed) = number("BEFFROI_SEED") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let life = live_with(seed, folder.path(), number("BEFFROI_CUT_AT"));
    println!("{life:#?}");
    assert!(life.broken.is_empty());
}

#[test]
fn whatever_goes_wrong_nothing_is_lost_doubled_or_silent() {
    let counts = many((0..number("BEFFROI_SEEDS").unwrap_or(200)).map(|seed| (seed, None)));
    let seen = |what: &str| counts.get(what).copied().unwrap_or(0);
    assert!(
        seen("losses of power") > 300 && seen("armed mark found on the synced disk") > 50,
        "too little went wrong: {counts:?}"
    );
}

#[test]
fn the_same_seed_lives_the_same_life() {
    let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    for seed in 0..8 {
        let (first, again) = (live(seed, one.path()), live(seed, other.path()));
        assert_eq!(first.digest, again.digest, "seed {seed}");
        assert_eq!((first.counts, first.acts, first.broken), (again.counts, again.acts, again.broken), "seed {seed}");
    }
}

#[test]
#[ignore = "the long run; see the top of this file"]
fn long() {
    let count = number("BEFFROI_SEEDS").unwrap_or(10_000);
    let first = number("BEFFROI_FIRST").unwrap_or(1_000);
    many((first..first + count).map(|seed| (seed, None)));
}
