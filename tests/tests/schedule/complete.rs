//! The ledger is complete: every due instant has one row, through downtime, edits, clocks that jump and runs that are cut off.
//!
//! A small model of the rules goes beside the daemon through random days and says which rows there must be.

use super::{Row, at, due, rows, schedules};
use beffroi::clock::{Clock, Dice};
use beffroi::domain::{Timestamp, parse_span};
use beffroi::schedule::audit::{Audit, audit};
use beffroi_tests::{HEAD, World};
use std::collections::BTreeMap;
use std::time::Duration;

const EXPRESSIONS: &[&str] =
    &["*/7 * * * *", "0 * * * *", "30 6 * * 1-5", "15,45 */3 * * *", "30 2 * * *", "*/20 8-18 * * *", "0 9 1 * *", "59 23 * * 0"];

/// One workflow as the model knows it.
#[derive(Debug, Clone, Default)]
struct Model {
    expressions: Vec<&'static str>,
    policies: String,
    enabled: bool,
    present: bool,
    /// Up to here, what was owed is in `owed`.
    since: Timestamp,
    /// Since when its expressions are in force.
    begun: Timestamp,
    /// Instants that must have a row, of the times before.
    owed: Vec<Timestamp>,
}

impl Model {
    fn settle(&mut self, now: Timestamp) {
        if self.present && self.enabled {
            self.owed.extend(due(&schedules(&self.expressions), self.since, now));
        }
        self.since = now;
    }

    /// The clock goes back. What came due before it did has its rows; expressions that are newer than what the clock says now are in
    /// force all the sooner.
    fn go_back(&mut self, from: Timestamp, to: Timestamp) {
        self.settle(from);
        if self.begun > to {
            (self.since, self.begun) = (to, to);
        }
    }

    fn in_force(&self) -> String {
        if self.present && self.enabled {
            format!("{:?}", self.expressions)
        } else {
            format!("{} {}", self.present, self.enabled)
        }
    }

    /// Edited at the moment up to which it is settled.
    fn shuffle(&mut self, dice: &Dice) {
        let before = self.in_force();
        let pick = |words: &[&'static str]| words[usize::try_from(dice.below(words.len() as u64)).expect("small")];
        let mut chosen: Vec<&str> = (0..=dice.below(3)).map(|_| pick(EXPRESSIONS)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        self.expressions = chosen;
        self.enabled = dice.below(6) > 0;
        self.present = dice.below(6) > 0;
        self.policies = format!(
            "missed = \"{}\"\noverlap = \"{}\"\nwindow = \"{}\"\njitter = \"{}\"",
            pick(&["skip", "latest", "all"]),
            pick(&["skip", "queue", "cancel-running"]),
            pick(&["0s", "2h", "1d"]),
            pick(&["0s", "0s", "10m"])
        );
        if self.in_force() != before {
            self.begun = self.since;
        }
    }
}

fn written(models: &BTreeMap<&'static str, Model>) -> String {
    let mut text = HEAD.to_owned();
    for (name, model) in models.iter().filter(|(_, m)| m.present) {
        text.push_str(&format!(
            "[workflows.{name}]\nscript = \"nothing.rhai\"\nschedule = {:?}\nenabled = {}\n{}\n",
            model.expressions, model.enabled, model.policies
        ));
    }
    text
}

fn pick(dice: &Dice, words: &[&'static str]) -> &'static str {
    words[usize::try_from(dice.below(words.len() as u64)).expect("small")]
}

/// A few days in which everything happens that the ledger has to stand.
fn eventful_days(seed: u64) {
    let dice = Dice::seeded(seed);
    let mut models: BTreeMap<&'static str, Model> = ["a", "b", "c"].into_iter().map(|name| (name, Model::default())).collect();
    // The clocks go forward in the night of the 29th.
    let mut world = World::new().seed(seed).at("2026-03-27T17:00:00+01:00");
    world.file("scripts/nothing.rhai", "\"nothing to do\"");
    let start = at("2026-03-27T17:00:00+01:00");
    for model in models.values_mut() {
        model.since = start;
        model.shuffle(&dice);
        model.begun = start;
    }
    world.reconfigure(|_| written(&models));
    world.on();
    let mut told = Vec::new();
    for _ in 0..10 {
        let what = dice.below(9);
        told.push(what);
        match what {
            0 | 1 => world.advance(pick(&dice, &["1m", "20m", "3h", "9h"])),
            2 => world.restart(pick(&dice, &["0s", "30s", "40m", "7h", "3d"])),
            3 => {
                for model in models.values_mut() {
                    model.settle(world.on().clock.now());
                    model.shuffle(&dice);
                }
                world.reconfigure(|_| written(&models));
                world.settle();
            }
            4 => {
                // Edited while nobody was there.
                let before = world.on().clock.now();
                let downtime = pick(&dice, &["0s", "2h", "2d"]);
                for model in models.values_mut() {
                    model.settle(before.plus(parse_span(downtime).expect("a span")));
                    model.shuffle(&dice);
                }
                world.file("beffroi.toml", &written(&models));
                world.restart(downtime);
                world.settle();
            }
            5 => {
                let name = pick(&dice, &["a", "b", "c"]);
                if models[name].present {
                    world.on().engine.pause(name, Some("the shop is closed".into())).expect("paused");
                }
            }
            6 => {
                let name = pick(&dice, &["a", "b", "c"]);
                if models[name].present {
                    world.on().engine.pause(name, None).expect("resumed");
                }
            }
            7 => {
                // The machine slept.
                world.on().clock.advance(parse_span(pick(&dice, &["50s", "4m", "5h"])).expect("a span"));
                world.settle();
            }
            _ => {
                // The clock is set back a little, and time goes on.
                let clock = world.on().clock.clone();
                let (from, back) = (clock.now(), parse_span(pick(&dice, &["1s", "90s", "50m"])).expect("a span"));
                models.values_mut().for_each(|model| model.go_back(from, from.minus(back)));
                clock.set(from.minus(back));
                world.settle();
                world.advance("1h");
            }
        }
    }
    world.settle();
    let now = world.on().clock.now();
    for model in models.values_mut() {
        model.settle(now);
        model.enabled = false;
        model.owed.sort_unstable();
        model.owed.dedup();
    }
    // The daemon's own count says exactly what the model says, of the whole time and of any part of it.
    for (from, to) in [(start, now), (start.plus(Duration::from_secs(40_000)), now.minus(Duration::from_secs(7_000)))] {
        let counted = counted(&mut world, from, to);
        assert!(counted.holds(), "seed {seed} {told:?}: {counted:?}");
        let owed = models.values().flat_map(|m| &m.owed).filter(|t| **t >= from && **t < to).count() as u64;
        assert_eq!((counted.expected, counted.found), (owed, owed), "seed {seed} {told:?}: {counted:?}");
    }
    // What waits by jitter finds its workflow switched off, and ends with that reason.
    world.reconfigure(|_| written(&models));
    world.advance("20m");
    let found = rows(&mut world);
    for (name, model) in &models {
        let mut rows: Vec<Timestamp> = Vec::new();
        for row in found.iter().filter(|r| r.workflow == *name) {
            assert!(row.fate.is_some(), "seed {seed} {told:?}: {name} {row:?} has no fate");
            assert!(row.fate() == "ran" || !row.reason.is_empty(), "seed {seed} {told:?}: {name} {row:?} has no reason");
            let covered: Vec<Timestamp> = model.owed.iter().copied().filter(|t| *t >= row.due && *t <= row.last).collect();
            assert_eq!(covered.len() as i64, row.count, "seed {seed} {told:?}: {name} {row:?} counts wrong");
            rows.extend(covered);
        }
        rows.sort();
        assert_eq!(rows, model.owed, "seed {seed} {told:?}: {name} with {model:?}");
    }
}

/// The daemon's own count of the ledger.
fn counted(world: &mut World, from: Timestamp, to: Timestamp) -> Audit {
    world.ask(|db| audit(db, from, to))
}

#[test]
fn every_due_instant_has_one_row_whatever_happens() {
    for seed in 0..40 {
        eventful_days(seed);
    }
}

#[test]
fn a_time_that_comes_a_second_time_gets_no_second_row() {
    for seed in 0..12 {
        let dice = Dice::seeded(seed);
        let missed = pick(&dice, &["skip", "latest", "all"]);
        let config =
            format!("schedule = [\"*/5 * * * *\", \"0 * * * *\"]\nmissed = \"{missed}\"\nwindow = \"3h\"\npause_after = 0");
        let mut world = World::new().seed(seed).workflow("tick", &config, "1");
        world.on();
        let mut passed = Vec::new();
        for _ in 0..8 {
            // A wrong clock for a while: hours or years ahead, then back.
            let ahead = pick(&dice, &["70m", "5h", "3d", "80d"]);
            let right = world.on().clock.now();
            world.on().clock.advance(parse_span(ahead).expect("a span"));
            world.settle();
            world.advance(pick(&dice, &["1m", "11m"]));
            if dice.below(2) == 0 {
                world.restart("0s");
            }
            world.on().clock.set(right);
            if dice.below(2) == 0 {
                world.restart("0s");
            }
            world.settle();
            let after = world.on().clock.now();
            world.advance("2h");
            passed.extend(due(&schedules(&["*/5 * * * *"]), after, world.on().clock.now()));
        }
        let found = rows(&mut world);
        for instant in &passed {
            let own: Vec<&Row> = found.iter().filter(|r| r.due <= *instant && r.last >= *instant && r.count > 0).collect();
            assert_eq!(own.len(), 1, "seed {seed}: {instant} has {own:?}");
            assert_eq!(own[0].fate(), "ran", "seed {seed}, missed = {missed}: {instant} came and did not run: {:?}", own[0]);
        }
        for pair in found.windows(2) {
            assert!(pair[0].last < pair[1].due, "seed {seed}: {:?} and {:?} overlap", pair[0], pair[1]);
        }
        let now = world.on().clock.now();
        let counted = counted(&mut world, at(beffroi_tests::START), now);
        let owed = due(&schedules(&["*/5 * * * *"]), at(beffroi_tests::START), now.minus(Duration::from_millis(1))).len() as u64;
        assert!(counted.holds() && counted.expected == owed, "seed {seed}: {owed} were due, {counted:?}");
    }
}

/// Found by lives under seeded faults: the power went while an edit came into force, and came back with the clock put right.
#[test]
fn a_clock_put_back_behind_an_edit_leaves_out_nothing_of_the_new_schedule() {
    for restarted in [false, true] {
        let mut world = World::new().workflow("tick", "schedule = \"0 * * * *\"", "1");
        world.on().clock.set(at("2026-01-01T10:35:00+01:00"));
        world.settle();
        world.reconfigure(|config| config.replace("0 * * * *", "15 * * * *"));
        world.settle();
        world.on().clock.set(at("2026-01-01T09:49:00+01:00"));
        if restarted {
            world.restart("0s");
        }
        world.settle();
        world.advance("2h");
        let ran: Vec<String> = rows(&mut world).into_iter().filter(|r| r.fate() == "ran").map(|r| r.local()).collect();
        let (old, new) = ("2026-01-01T10:00:00+01:00", ["2026-01-01T10:15:00+01:00", "2026-01-01T11:15:00+01:00"]);
        assert_eq!(ran, [[old].as_slice(), &new].concat(), "restarted: {restarted}");
        let now = world.on().clock.now();
        let counted = counted(&mut world, at(beffroi_tests::START), now);
        assert!(counted.holds() && counted.expected == 3, "{counted:?}");
    }
}

#[test]
fn a_clock_that_was_years_ahead_does_not_stop_the_schedule() {
    let mut world = World::new().workflow("tick", "schedule = \"*/10 * * * *\"\nmissed = \"skip\"\nretries = 3", "1");
    world.advance("30m");
    let right = world.on().clock.now();
    world.on().clock.set(at("2030-06-01T12:00:00+02:00"));
    world.settle();
    world.on().clock.set(right);
    world.settle();
    world.advance("1h");
    let after: Vec<String> = rows(&mut world)
        .into_iter()
        .filter(|r| r.due > right && r.due <= right.plus(Duration::from_secs(3_600)))
        .map(|r| r.fate().to_owned())
        .collect();
    assert_eq!(after, ["ran"; 6], "the hour after the clock was put right");
    let (now, found) = (world.on().clock.now(), rows(&mut world));
    let rest = found.iter().find(|r| r.count > 1).expect("the years that never came are still one stretch");
    assert!(rest.due > now, "{rest:?}");
    let whole = due(&schedules(&["*/10 * * * *"]), at("2026-01-01T09:00:00+01:00"), at("2030-06-01T12:00:00+02:00"));
    assert_eq!(found.iter().map(|r| r.count).sum::<i64>(), whole.len() as i64, "each instant is still counted once");
}

#[test]
fn a_retry_planned_by_a_clock_that_was_ahead_does_not_wait_for_years() {
    let mut world = World::new().workflow(
        "tick",
        "schedule = \"0 * * * *\"\nmissed = \"latest\"\nretries = 5\nbackoff = \"1m\"",
        "if run::attempt() < 2 { throw \"not yet\" }",
    );
    world.on().clock.set(at("2031-01-01T09:00:30+01:00"));
    world.settle();
    world.on().clock.set(at("2026-01-01T09:30:00+01:00"));
    world.settle();
    let ran = rows(&mut world).into_iter().find(|r| r.fate() == "ran").expect("it was tried again at once");
    assert_eq!((ran.attempt, ran.local().as_str()), (2, "2031-01-01T09:00:00+01:00"));
}
