//! Hostile plugins against the real host, the real network and a whole engine: each is stopped, in bounded time, with a sentence that
//! names the rule, and everything beside it goes on working.
//!
//! In: one guest that attacks as it is told (`tests/guests/hostile`), and files forged by hand. Out: a table of attacks, each with what
//! it does, the rule that must stop it, and the words that its sentence must hold.
//! Never: reaches anything outside this machine.

mod answers;
mod bench;
mod desk;
mod forge;
mod given;
mod network;
mod packages;
mod remotes;
mod runtime;
mod server;

use bench::{Bench, Case, End, Seen};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The longest that any attack may hold up its caller. The longest limit of a call here is 2 s; the rest is for busy machines.
const BOUND: Duration = Duration::from_secs(20);

fn tables() -> [(&'static str, &'static [Case]); 7] {
    [
        ("network", network::CASES),
        ("remotes", remotes::CASES),
        ("given", given::CASES),
        ("runtime", runtime::CASES),
        ("answers", answers::CASES),
        ("packages", packages::CASES),
        ("desk", desk::CASES),
    ]
}

/// Carries out all attacks of one table; beside each, a good plugin and a good workflow go on working.
fn carry_out(table: &str) {
    let (_, cases) = tables().into_iter().find(|(name, _)| *name == table).expect("such a table");
    let mut bench = Bench::new();
    bench.assert_unharmed("before any attack");
    let mut wrong = Vec::new();
    for case in cases {
        let started = Instant::now();
        let Seen { end, sentence } = (case.act)(&mut bench, case.name);
        let took = started.elapsed();
        println!("{:<32} {:>6} ms  {end:?}: {}", case.name, took.as_millis(), shown(&sentence));
        let mut say =
            |what: String| wrong.push(format!("{} ({}; must be stopped by: {}): {what}", case.name, case.what, case.rule));
        if took > BOUND {
            say(format!("took {took:?}"));
        }
        if end != case.end {
            say(format!("ended as {end:?}, not {:?}: {sentence}", case.end));
        }
        for words in case.says {
            if !sentence.contains(words) {
                say(format!("does not say \"{words}\": {}", shown(&sentence)));
            }
        }
        if let Some(steers) = sentence.chars().find(|c| c.is_control() && *c != '\n') {
            say(format!("lets {steers:?} through: {sentence:?}"));
        }
        let defects = bench.defects(case.name);
        if (defects > 0) != (end == End::Defect) {
            say(format!("{defects} defects were counted"));
        }
        if end != End::Stopped && end != End::Cleaned && bench.kept() > 0 {
            say("something was kept of a call that failed".into());
        }
        bench.assert_unharmed(case.name);
    }
    assert!(wrong.is_empty(), "{} attacks were not stopped as they should be:\n{}", wrong.len(), wrong.join("\n"));
}

fn shown(sentence: &str) -> String {
    let line: String = sentence.chars().take(400).collect();
    line.replace('\n', " / ")
}

#[test]
fn requests_to_where_they_may_not_go_are_stopped() {
    carry_out("network");
}

#[test]
fn remotes_that_play_along_are_stopped() {
    carry_out("remotes");
}

#[test]
fn what_the_host_gives_cannot_be_turned_against_it() {
    carry_out("given");
}

#[test]
fn attacks_on_time_memory_and_stack_are_stopped() {
    carry_out("runtime");
}

#[test]
fn answers_meant_to_harm_are_cleaned_or_refused() {
    carry_out("answers");
}

#[test]
fn a_run_plans_no_more_than_it_may() {
    carry_out("desk");
}

#[test]
fn files_that_are_not_what_they_seem_are_refused() {
    carry_out("packages");
}

#[test]
fn there_are_many_attacks_and_no_two_are_the_same() {
    let names: Vec<&str> = tables().iter().flat_map(|(_, cases)| cases.iter().map(|case| case.name)).collect();
    assert!(names.len() >= 100, "only {} attacks", names.len());
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "every attack has its own name");
    for (_, cases) in tables() {
        for case in cases {
            assert!(!case.what.is_empty() && !case.rule.is_empty() && !case.says.is_empty(), "{} says nothing", case.name);
        }
    }
}
