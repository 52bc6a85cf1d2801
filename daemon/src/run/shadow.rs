//! A new version of a script beside the one in force: it is told the same, and what it plans is only compared.
//!
//! In: the versions that the owner put beside, and what a run in force was told and planned. Out: one comparison for each run, kept with
//! the run's own change.
//! Never: lets anything the version beside plans happen, or lets its failure touch the run in force.

use super::desk::{Facts, Outside, RunDesk, Tools};
use super::journal::Recorded;
use super::replay::{resolve, run_script};
use super::script::Scripts;
use crate::craft::compare::{self, Voice};
use crate::domain::{Json, Language, WorkflowName, Zone};
use crate::instance::Instance;
use crate::store::journal::{self, JournalOp, Part, ShadowRow, ShadowRun};
use crate::store::{CommitError, Op, Store, view};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// The versions beside those in force, by workflow.
#[derive(Default)]
pub struct Shadows(RwLock<HashMap<String, Arc<ShadowRow>>>);

impl Shadows {
    /// Takes up what the store has.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn take_up(&self, store: &Store) -> Result<(), CommitError> {
        let rows = journal::shadows(&*store.read()?)?;
        let rows = rows.into_iter().map(|row| (row.workflow.clone(), Arc::new(row))).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = rows;
        Ok(())
    }

    /// The version beside this workflow's.
    pub fn of(&self, workflow: &WorkflowName) -> Option<Arc<ShadowRow>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(workflow.as_str()).cloned()
    }
}

/// What a run in force was told and planned.
pub(super) struct Original<'a> {
    pub(super) facts: &'a Facts,
    pub(super) data: &'a [u8],
    pub(super) parts: &'a [Part],
    pub(super) effects: &'a str,
}

/// Lets the version beside plan on what the run in force was told, and compares.
pub(super) fn compared(
    tools: &Arc<Tools>,
    scripts: &Scripts,
    instance: &Arc<Instance>,
    row: &ShadowRow,
    original: &Original<'_>,
) -> Op {
    let facts = original.facts;
    let Voice { language, zone } = voice(instance);
    let mut run = ShadowRun {
        run: facts.id,
        workflow: row.workflow.clone(),
        digest: row.digest,
        at: facts.now,
        same: false,
        error: None,
        difference: Json::Array(Vec::new()),
    };
    let part = |digest| Ok(original.parts.iter().find(|(known, _)| *known == digest).map(|(_, data)| data.to_vec()));
    let signals = |spans: &[(i64, i64)]| {
        let reader = tools.store.read().map_err(|e| e.to_string())?;
        view::signals_numbered(&reader, spans).map_err(|e| e.to_string())
    };
    match resolve(original.data, part, signals) {
        Err(why) => run.error = Some(why),
        Ok(answers) => {
            let outside = Outside::beside(tools.clone(), Recorded::new(answers));
            let desk = RunDesk::new(outside, instance.clone(), facts.clone(), Arc::default(), false, false);
            let (done, _) = run_script(scripts, Path::new(&row.file), &row.source, desk);
            let planned: Json = serde_json::from_str(original.effects).expect("effects are JSON");
            let lines = compare::effects(&planned, &done.effects, Voice { language, zone });
            run.same = done.error.is_none() && !compare::differs(&lines);
            run.error = done.error;
            if !run.same {
                run.difference = serde_json::to_value(lines).expect("lines are plain data");
            }
        }
    }
    Op::Journal(Box::new(JournalOp::Compared(run)))
}

/// In whose words comparisons are kept.
pub(super) fn voice(instance: &Instance) -> Voice {
    let (language, zone): (Language, Zone) = (instance.business.language, instance.business.zone);
    Voice { language, zone }
}
