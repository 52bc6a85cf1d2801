//! A workflow written as a plugin.
//!
//! In: the desk of a run and why it runs. Out: the desk back, with what was planned, and the run's line or its failure.
//! Never: commits anything: whoever gave the desk does, if the run came to its end.

use super::{Bridge, convert};
use crate::domain::{Json, Timestamp};
use crate::kinds::{Call, KindError};
use crate::network::Reach;
use crate::plugin::host::{Stopped, Terms, Used, abilities, masked, one_line};
use crate::run::function::{Desk, Stop};
use std::sync::Arc;

/// Why a workflow runs now.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// `schedule`, `hand`, `event`, `later`.
    pub kind: String,
    /// When it was due.
    pub due: Timestamp,
    /// What came with it.
    pub payload: Json,
}

/// Why a run did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowFailure {
    /// For the owner.
    pub sentence: String,
    /// When the run was stopped rather than failed.
    pub stop: Option<Stop>,
    /// When the plugin itself said when to try again.
    pub not_before: Option<Timestamp>,
}

/// A workflow of a plugin, ready to run.
pub struct PluginWorkflow(pub(in crate::plugin) Bridge);

impl PluginWorkflow {
    /// Where the plugin may call, also through the desk.
    pub fn reach(&self) -> Arc<Reach> {
        Arc::new(self.0.duty.force.reach.clone())
    }

    /// Runs once at this desk. Time and memory are the least of what call, manifest and ceiling allow.
    pub fn run(
        &self,
        desk: Box<dyn Desk>,
        call: &Call<'_>,
        trigger: &Trigger,
    ) -> (Box<dyn Desk>, Result<String, WorkflowFailure>, Used) {
        let bridge = &self.0;
        let refuse = |sentence| Err(WorkflowFailure { sentence, stop: None, not_before: None });
        let Some(indices) = &bridge.loaded.can.workflow else {
            let lacks = bridge.cannot("workflow");
            return (desk, refuse(lacks.failure().message.clone()), Used::default());
        };
        let asked = abilities::workflow::Trigger {
            kind: trigger.kind.clone(),
            due: u64::try_from(trigger.due.millis()).unwrap_or_default(),
            payload: trigger.payload.to_string(),
        };
        let terms = Terms { desk: Some(desk), ..Terms::default() };
        let done = bridge.run(call, terms, async |store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_run(&mut *store, &asked).await
        });
        let desk = done.desk.expect("a desk that went in comes out");
        let answer = match done.answer {
            Ok(Ok(line)) => {
                call.keep.add(done.written);
                Ok(masked(&one_line(line.trim(), 500)))
            }
            Ok(Err(error)) => {
                let error = convert::error(bridge.plugin(), error, call.now);
                if let KindError::Internal(failure) = &error {
                    bridge.ward.defect(&failure.message, call.now, call.language);
                }
                let not_before = if let KindError::Retry(_, not_before) = &error { *not_before } else { None };
                Err(WorkflowFailure { sentence: error.failure().message.clone(), stop: None, not_before })
            }
            Err(stopped) => {
                let sentence = stopped.sentence(bridge.plugin(), call.language);
                if stopped.is_defect() {
                    bridge.ward.defect(&sentence, call.now, call.language);
                }
                let stop = match stopped {
                    Stopped::Desk(stop) => Some(stop),
                    Stopped::Time(limit, _) => Some(Stop::Deadline(limit)),
                    Stopped::Memory(most) => Some(Stop::Memory(most)),
                    _ => None,
                };
                Err(WorkflowFailure { sentence, stop, not_before: None })
            }
        };
        (desk, answer, done.used)
    }
}
