//! Public failures of other systems, each as a test of the whole engine that carries the other project's name and number.
//!
//! In: a world in which what went wrong there goes wrong here. Out: what must hold here instead.
//! Never: a part alone; the engine that answers is the daemon's own, on a clock that the test moves.

mod delivery;
mod digests;
mod feeds;
mod schedule;
mod sessions;
mod zones;

use beffroi::domain::{Json, Timestamp, WorkflowName, Zone};
use beffroi_tests::World;
use beffroi_tests::channel::{Answer, ScriptedChannel};
use std::sync::Arc;

pub(crate) const ZONE: Zone = beffroi::sample::ZONE;

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("an instant")
}

pub(crate) fn channel(answers: impl IntoIterator<Item = Answer>) -> Arc<ScriptedChannel> {
    Arc::new(ScriptedChannel::new(answers))
}

/// An account with these ceilings.
pub(crate) fn account(name: &str, ceilings: &str) -> String {
    format!(
        "\n[accounts.{name}]\nnetwork = \"facebook\"\nchannel = \"folder\"\nfolder = \"{name}\"\nceilings = {{ {ceilings} }}\n"
    )
}

/// Ceilings that nothing in a test reaches.
pub(crate) const OPEN: &str = "spacing = \"0s\", per_minute = 1000, per_hour = 1000, per_day = 1000";

/// Plans a post, or several.
pub(crate) fn say(world: &mut World, post: Json) {
    let run = world.run_with("say", Some(post));
    assert_eq!(run.row.state, "done", "{:?}", run.row.error);
}

/// The workflow that plans what it is given.
pub(crate) const SAY: &str = "posts::plan(run::payload());";

/// When a workflow is due next, by the town's clock.
pub(crate) fn next(world: &mut World, workflow: &str) -> Option<String> {
    let name = WorkflowName::parse(workflow).expect("a name");
    world.on().engine.next_due(&name).map(|t| t.rfc3339(ZONE))
}

/// Goes from one due instant to the next, as the daemon does, without the time in between.
pub(crate) fn leap(world: &mut World, until: Timestamp) {
    world.settle();
    while let Some((next, _)) = world.on().engine.upcoming().first().filter(|(next, _)| *next <= until).cloned() {
        world.on().clock.set(next);
        world.settle();
    }
    world.on().clock.set(until);
    world.settle();
}

/// How many rows of the ledger ended like this.
pub(crate) fn ended(world: &mut World, fate: &str) -> usize {
    world.ledger().iter().filter(|row| row.1 == fate).count()
}
