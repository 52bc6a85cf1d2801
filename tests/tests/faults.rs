//! The engine under seeded faults: whatever goes wrong, nothing is lost, nothing is sent twice, nothing happens in silence.
//!
//! `BEFFROI_SEED=123 cargo test -p beffroi-tests --test faults` lives one life again. The long run:
//! `BEFFROI_SEEDS=10000 cargo test --release -p beffroi-tests --test faults -- --ignored --nocapture`.

use beffroi_tests::faults::{Life, Way, live};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

/// How to live this life again, with what broke in it.
fn report(seed: u64, way: Way, broken: &[String]) -> Option<String> {
    if broken.is_empty() {
        return None;
    }
    let first = broken.iter().take(12).map(|b| format!("  {b}\n")).collect::<String>();
    let cut = way.cut_at.map(|at| format!("BEFFROI_CUT_AT={at} ")).unwrap_or_default();
    let again = format!("{cut}BEFFROI_SEED={seed} cargo test -p beffroi-tests --test faults one_seed -- --nocapture");
    Some(format!("{} promises broken:\n{first}  {again}\n", broken.len()))
}

/// A life, and a panic in it as one more broken promise.
fn lived(seed: u64, folder: &Path, way: Way) -> Life {
    catch_unwind(AssertUnwindSafe(|| live(seed, folder, way))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Life {
            broken: vec![format!("a panic: {said:?}")],
            counts: BTreeMap::new(),
            digest: String::new(),
            acts: 0,
            tale: Vec::new(),
        }
    })
}

/// Lives many lives on all cores; gives back what was counted.
fn many(lives: impl Iterator<Item = (u64, Way)> + Send) -> BTreeMap<&'static str, u64> {
    let lives = Mutex::new(lives);
    let (counts, failures) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                let folder = tempfile::tempdir().expect("a folder");
                loop {
                    let Some((seed, way)) = lives.lock().expect("no panic").next() else { break };
                    let life = lived(seed, folder.path(), way);
                    if let Some(said) = report(seed, way, &life.broken) {
                        println!("{said}");
                        failures.lock().expect("no panic").push(said);
                    }
                    let mut sum = counts.lock().expect("no panic");
                    let more = [("lives", 1), ("acts of the disk", life.acts)];
                    for (what, count) in life.counts.into_iter().chain(more) {
                        *sum.entry(what).or_insert(0) += count;
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    let counts = counts.into_inner().expect("no panic");
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
    let life = live(seed, folder.path(), Way { cut_at: number("BEFFROI_CUT_AT"), ..Way::default() });
    println!("{life:#?}");
    assert!(life.broken.is_empty());
}

#[test]
fn whatever_goes_wrong_nothing_is_lost_doubled_or_silent() {
    let counts = many((0..number("BEFFROI_SEEDS").unwrap_or(120)).map(|seed| (seed, Way::default())));
    let seen = |what: &str| counts.get(what).copied().unwrap_or(0);
    let lives = seen("lives");
    assert!(seen("losses of power") > 5 * lives && seen("armed mark found on the synced disk") > 2 * lives, "{counts:?}");
}

/// Lives in which nothing goes wrong but one loss of power: at this act of the disk, and at that, and so on.
fn cuts(step: usize) -> BTreeMap<&'static str, u64> {
    let folder = tempfile::tempdir().expect("a folder");
    let seed = number("BEFFROI_SEED").unwrap_or(5);
    // As many acts as half a day takes; the rest is peace.
    let acts = live(seed, folder.path(), Way { cut_at: Some(u64::MAX >> 1), ..Way::default() }).acts;
    many((1..=acts).step_by(step).map(|at| (seed, Way { cut_at: Some(at), ..Way::default() })))
}

#[test]
fn the_power_may_go_at_any_act_of_the_disk() {
    let counts = cuts(83);
    // The last acts are those of an orderly end, which a life cut before them does not come to.
    assert!(counts["losses of power"] * 5 > counts["lives"] * 4, "{counts:?}");
}

#[test]
#[ignore = "every act of the disk, one after the other"]
fn the_power_may_go_at_every_single_act_of_the_disk() {
    cuts(1);
}

#[test]
fn a_plugin_that_traps_takes_nothing_with_it() {
    for seed in 0..3 {
        let folder = tempfile::tempdir().expect("a folder");
        let life = live(seed, folder.path(), Way { traps: true, ..Way::default() });
        assert!(life.broken.is_empty(), "seed {seed}: {:#?}", life.broken);
        assert!(
            life.counts.get("runs that failed").copied().unwrap_or(0) > 0,
            "seed {seed}: nothing ever trapped: {:?}",
            life.counts
        );
    }
}

#[test]
fn a_store_that_does_not_wait_for_the_disk_is_found_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let found =
        (0..4).map(|seed| lived(seed, folder.path(), Way { durable: false, ..Way::default() }).broken).find(|b| !b.is_empty());
    assert!(found.is_some(), "four lives without a single sync, and nobody noticed");
}

#[test]
fn the_same_seed_lives_the_same_life() {
    let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    for seed in 0..6 {
        let (first, again) = (live(seed, one.path(), Way::default()), live(seed, other.path(), Way::default()));
        assert_eq!(first.digest, again.digest, "seed {seed}");
        assert_eq!((first.counts, first.acts, first.broken), (again.counts, again.acts, again.broken), "seed {seed}");
    }
}

#[test]
#[ignore = "the long run; see the top of this file"]
fn long() {
    let count = number("BEFFROI_SEEDS").unwrap_or(10_000);
    let first = number("BEFFROI_FIRST").unwrap_or(1_000);
    many((first..first + count).map(|seed| (seed, Way::default())));
}
