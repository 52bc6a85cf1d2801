//! A run without effect: any workflow, now, on what the world says now or on what another run was told.
//!
//! In: a workflow, what its trigger would bring; perhaps a recording. Out: what it would plan, and what it was told on the way.
//! Never: commits anything, sends anything that changes something elsewhere, or spends money.

use super::component;
use super::desk::{Facts, Outside, RunDesk};
use super::journal::{Journal, Recorded};
use super::replay::{Recording, Replayed, replayed, resolve, run_script};
use super::runner::Runner;
use super::scene::Scene;
use crate::domain::{Json, RunId};
use crate::instance::{Instance, Workflow};
use crate::store::{TriggerKind, view};
use std::sync::Arc;

impl Runner {
    /// Lets a workflow plan on what the world says now, and gives a recording of it. Needs a thread with the stack that scripts need.
    ///
    /// # Errors
    /// A sentence, when what it was told cannot be put together.
    pub fn dry(&self, workflow: &Arc<Workflow>, payload: Json) -> Result<(Replayed, Recording), String> {
        let now = self.tools().clock.now();
        let facts =
            Facts { id: RunId(0), workflow: workflow.clone(), kind: TriggerKind::Hand, due: now, now, attempt: 1, payload };
        let instance = self.tools().current.get();
        let (done, journal) = self.plan(&instance, facts.clone(), Outside::dry(self.tools().clone()));
        let (data, parts) = journal.unwrap_or_default().finish();
        let part = |digest| Ok(parts.iter().find(|(known, _)| *known == digest).map(|(_, data)| data.to_vec()));
        let signals = |spans: &[(i64, i64)]| {
            let reader = self.tools().store.read().map_err(|e| e.to_string())?;
            view::signals_numbered(&reader, spans).map_err(|e| e.to_string())
        };
        let answers = resolve(&data, part, signals)?;
        let scene = Scene::of(&instance, workflow, self.imports(workflow));
        let recording = Recording::of_dry(&facts, scene, answers, &done);
        Ok((done, recording))
    }

    /// Lets a workflow, as it is now, plan on what a recorded run was told. Needs a thread with the stack that scripts need.
    pub fn dry_on(&self, workflow: &Arc<Workflow>, recording: &Recording) -> Replayed {
        let instance = self.tools().current.get();
        self.plan(&instance, facts_of(recording, workflow), self.recorded(recording)).0
    }

    /// Does a recorded run of a plugin again: the plugin has to be here, in the version that ran. Needs a thread with the stack that
    /// scripts need.
    ///
    /// # Errors
    /// A sentence, when the plugin is not here as it was.
    pub fn replay(&self, recording: &Recording) -> Result<Replayed, String> {
        let instance = Arc::new(recording.scene.instance()?);
        let workflow = instance.workflows.values().next().cloned().ok_or("The recording names no workflow.")?;
        if let Some(used) = &workflow.plugin {
            let here = self.tools().adapters.plugins().loaded(used.plugin.as_str()).map(|loaded| loaded.digest);
            if here != Some(workflow.version) {
                return Err(format!(
                    "The run was made by the plugin {} in the version {}, which is not installed. Install that package again to replay it.",
                    used.plugin,
                    workflow.version.short()
                ));
            }
        }
        Ok(self.plan(&instance, facts_of(recording, &workflow), self.recorded(recording)).0)
    }

    fn recorded(&self, recording: &Recording) -> Outside {
        Outside::recorded(Recorded::new(recording.answers.iter().cloned()), self.tools().clock.clone())
    }

    fn plan(&self, instance: &Arc<Instance>, facts: Facts, outside: Outside) -> (Replayed, Option<Journal>) {
        let workflow = facts.workflow.clone();
        let desk = RunDesk::new(outside, instance.clone(), facts, Arc::default(), false, false);
        match &workflow.plugin {
            Some(used) => {
                let (desk, ended) = component::execute(self.tools(), instance, used, desk);
                let (line, error) = match ended.answer {
                    Ok(line) => (line, None),
                    Err(failed) => (String::new(), Some(failed.sentence)),
                };
                replayed(desk.leave(), line, error)
            }
            None => run_script(self.scripts(), &workflow.script, &workflow.source, desk),
        }
    }
}

fn facts_of(recording: &Recording, workflow: &Arc<Workflow>) -> Facts {
    Facts {
        id: RunId(recording.run),
        workflow: workflow.clone(),
        kind: recording.trigger,
        due: recording.due,
        now: recording.now,
        attempt: recording.attempt,
        payload: recording.payload.clone(),
    }
}
