//! Runs a workflow that is a plugin, at the same desk as a script.
//!
//! In: the desk of an attempt, and which plugin. Out: the desk with what was planned, and how the attempt ended.
//! Never: gives a plugin more than its rights through the desk: what it asks for there is held to the same places.

use super::desk::{RunDesk, Tools};
use super::function::{Desk, Stop};
use crate::domain::{Json, Timestamp};
use crate::instance::{Instance, PluginUse};
use crate::kinds::{Call, Keep};
use crate::plugin::bridge::Trigger;
use std::any::Any;

/// How the attempt of a plugin ended.
pub(super) struct Ended {
    /// Its line, or why it failed.
    pub(super) answer: Result<String, Failed>,
    /// Bytes of memory.
    pub(super) memory: usize,
}

/// Why an attempt failed.
pub(super) struct Failed {
    pub(super) sentence: String,
    pub(super) stop: Option<Stop>,
    pub(super) not_before: Option<Timestamp>,
}

/// Runs the plugin once.
pub(super) fn execute(tools: &Tools, instance: &Instance, used: &PluginUse, mut desk: RunDesk) -> (RunDesk, Ended) {
    let workflow = match tools.adapters.plugins().workflow(used) {
        Ok(workflow) => workflow,
        Err(failure) => {
            let answer = Err(Failed { sentence: failure.message, stop: None, not_before: None });
            return (desk, Ended { answer, memory: 0 });
        }
    };
    desk.reach = Some(workflow.reach());
    let facts = desk.facts.clone();
    let (id, time, keep) = (facts.id.to_string(), desk.time_left(), Keep::default());
    // What it finds in its private store is something it is told; what lies over the database is what it sees.
    let before = match desk.private(tools, used) {
        Ok(before) => before,
        Err(sentence) => return (desk, Ended { answer: Err(Failed { sentence, stop: None, not_before: None }), memory: 0 }),
    };
    let lies_over = before.len();
    keep.add(before);
    let wire = desk.wire(tools);
    let call = Call {
        id: &id,
        attempt: facts.attempt,
        time,
        keep: &keep,
        now: facts.now,
        network: &wire,
        zone: instance.business.zone,
        language: instance.business.language,
    };
    let payload = super::calls::payload(&facts.payload);
    let trigger = Trigger { kind: facts.kind.word().into(), due: facts.due, payload };
    let (desk, answer, used) = workflow.run(Box::new(desk), &call, &trigger);
    let desk: Box<dyn Any> = desk;
    let mut desk = *desk.downcast::<RunDesk>().expect("the desk that went in comes out");
    desk.remember(keep.take().split_off(lies_over));
    desk.told_by(wire);
    let answer = answer.map_err(|failure| {
        // A stop that the desk ordered while the plugin was computing is the desk's.
        let stop = failure.stop.map(|stop| desk.stop().unwrap_or(stop));
        let sentence = match &stop {
            Some(stop @ (Stop::Cancelled | Stop::Calls(_) | Stop::Refused(_))) => stop.to_string(),
            _ => failure.sentence,
        };
        Failed { sentence, stop, not_before: failure.not_before }
    });
    (desk, Ended { answer, memory: used.memory })
}

/// What a plugin's line is worth as the run's value.
pub(super) fn value(line: &str) -> Json {
    if line.is_empty() { Json::Null } else { Json::String(line.to_owned()) }
}
