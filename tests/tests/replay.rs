//! Runs done again from what they were told: the same plans, offline, on another machine, and with a changed script.

use beffroi::domain::RunId;
use beffroi::run::replay::{Recording, Replayer};
use beffroi::store::journal;
use beffroi_tests::World;

const MORNING: &str = "2026-11-23T09:00:00+01:00";

/// The recordings of every run that has ended.
fn recordings(world: &mut World) -> Vec<Recording> {
    let runs = world.ask(|db| beffroi::store::view::runs(db, None, 100_000));
    let ended: Vec<RunId> = runs.iter().filter(|r| r.finished.is_some()).map(|r| r.run).collect();
    ended
        .into_iter()
        .map(|id| {
            let reader = world.on().engine.store.read().expect("a reader");
            Recording::of_run(&reader, id).unwrap_or_else(|why| panic!("{id}: {why}"))
        })
        .collect()
}

#[test]
fn every_run_of_four_days_of_the_sample_gives_the_same_effects_again() {
    let mut world = World::sample(MORNING);
    world.on();
    world.advance("4d");
    let all = recordings(&mut world);
    assert!(all.len() > 300, "{} runs", all.len());
    let replayer = Replayer::new().expect("a replayer");
    let mut planned = 0;
    for recording in &all {
        let again = replayer.replay(recording, None).unwrap_or_else(|why| panic!("r{}: {why}", recording.run));
        assert!(again.is_as(recording), "r{} {}: {again:#?}", recording.run, recording.scene.workflow.name);
        assert!(again.unanswered.is_empty(), "r{}: {:?}", recording.run, again.unanswered);
        assert!(again.unasked.is_empty(), "r{}: {:?}", recording.run, again.unasked);
        planned += usize::from(again.effects.get("posts").is_some());
    }
    assert!(planned > 5, "{planned} runs planned something");
}

#[test]
fn the_journal_of_a_median_poll_run_is_small() {
    let mut world = World::sample(MORNING);
    world.advance("4d");
    let polls = world.ask(|db| beffroi::store::view::runs(db, Some("trends"), 100_000));
    let mut sizes: Vec<usize> = polls
        .iter()
        .filter_map(|run| world.ask(|db| journal::journal(db, run.run)))
        .map(|row| row.data.len())
        .collect();
    sizes.sort_unstable();
    let (median, most) = (sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
    let (journals, parts) = world.ask(journal::journal_bytes);
    println!("{} polls: median {median} bytes, most {most}; all journals {journals}, parts {parts}", sizes.len());
    assert!(median < 1_500, "{median} bytes");
    let (runs, all) = (world.ask(|db| beffroi::store::view::runs(db, None, 100_000)).len(), journals + parts);
    assert!(all < i64::try_from(runs * 1_500).expect("a size"), "{all} bytes for {runs} runs, what they share included");
}
