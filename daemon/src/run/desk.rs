//! The desk: the one place where a run reads, plans and asks, whatever language it is written in.
//!
//! In: calls of the functions in [`super::calls`], through one gate that checks budget, deadline and cancellation and keeps
//! count. Out: answers, and at the end what the run planned and what it was built on.
//! Never: makes anything happen before the run's commit, except a step's kept answer and the network calls a step makes.

use super::calls;
use super::function::{Desk, Level, Refusal, Stop};
use crate::adapters::Adapters;
use crate::clock::{Clock, Dice};
use crate::domain::{Json, RunId, Timestamp, WorkflowName, Zone};
use crate::effects::{Effects, Reads};
use crate::instance::{Current, Instance, Workflow};
use crate::kinds::{Call, Keep, PrivateWrite};
use crate::network::{Network, Reach};
use crate::schedule::board::Claim;
use crate::store::{Change, CommitError, LogLine, MarkRead, NewOccurrence, Op, Store, TriggerKind, view};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Most lines of log one run keeps; the last says that there were more.
const LOG_LINES: usize = 1_000;
/// Most characters of one line.
const LOG_CHARS: usize = 4_000;
/// Most steps inside one another.
const STEP_DEPTH: usize = 16;

/// What every run works with. One per daemon; all that differs between the real daemon, a test and a preview is in here.
pub struct Tools {
    /// The store.
    pub store: Arc<Store>,
    /// The only time.
    pub clock: Arc<dyn Clock>,
    /// The only chance.
    pub dice: Arc<Dice>,
    /// The only network.
    pub network: Arc<dyn Network>,
    /// Feeds, catalogs, library, channels.
    pub adapters: Arc<Adapters>,
    /// The configuration in force.
    pub current: Arc<Current>,
}

/// Facts about the attempt, fixed when it starts.
#[derive(Clone)]
pub struct Facts {
    /// The run's number.
    pub id: RunId,
    /// Its workflow, as it is for this attempt.
    pub workflow: Arc<Workflow>,
    /// What made it.
    pub kind: TriggerKind,
    /// When it was due.
    pub due: Timestamp,
    /// What it takes for now.
    pub now: Timestamp,
    /// The attempt, from 1.
    pub attempt: u32,
    /// What the trigger brought.
    pub payload: Json,
}

impl Facts {
    /// The facts of a claim's coming attempt.
    pub fn of(claim: &Claim, now: Timestamp) -> Self {
        Self {
            id: claim.id,
            workflow: claim.workflow.clone(),
            kind: claim.kind,
            due: claim.due,
            now,
            attempt: claim.attempt,
            payload: claim.payload.clone().unwrap_or_default(),
        }
    }
}

/// What a run leaves behind.
#[derive(Default)]
pub struct Leavings {
    /// What it planned.
    pub effects: Effects,
    /// What it read.
    pub reads: Reads,
    /// What it logged.
    pub log: Vec<LogLine>,
    /// How many calls it made.
    pub calls: u32,
    /// Whether the ledger has the run's row by now.
    pub recorded: bool,
    /// Whether something happened that doing the run again would repeat: then a conflict may not redo it blindly.
    pub steps: u32,
}

/// The desk of one attempt.
pub struct RunDesk {
    pub(super) tools: Arc<Tools>,
    pub(super) instance: Arc<Instance>,
    pub(super) facts: Facts,
    /// The run's number as remote logs see it.
    id: String,
    /// What adapters want remembered.
    keep: Keep,
    /// Where requests may go, when the workflow is a plugin.
    pub(super) reach: Option<Arc<Reach>>,
    pub(super) effects: Effects,
    pub(super) reads: Reads,
    /// State as this run has read it: a key reads the same twice, whatever others do meanwhile.
    pub(super) read_state: HashMap<String, Option<Json>>,
    /// Names and depth of the steps going on.
    pub(super) steps: Vec<String>,
    /// How many requests each step has sent, to tell them apart at the other end.
    pub(super) sent: HashMap<String, u32>,
    log: Vec<LogLine>,
    dropped_lines: usize,
    calls: u32,
    kept_steps: u32,
    started: Duration,
    cancel: Arc<AtomicBool>,
    recorded: bool,
    begun: bool,
    /// False for tests and previews, which must not write while they run.
    keeps_steps: bool,
}

/// What a call gives.
pub(super) type Answer = Result<Json, Refusal>;

impl RunDesk {
    /// A desk for an attempt that starts now.
    pub fn new(
        tools: Arc<Tools>,
        instance: Arc<Instance>,
        facts: Facts,
        cancel: Arc<AtomicBool>,
        recorded: bool,
        begun: bool,
    ) -> Self {
        let started = tools.clock.monotonic();
        Self {
            tools,
            instance,
            id: facts.id.to_string(),
            keep: Keep::default(),
            reach: None,
            facts,
            effects: Effects::default(),
            reads: Reads::default(),
            read_state: HashMap::new(),
            steps: Vec::new(),
            sent: HashMap::new(),
            log: Vec::new(),
            dropped_lines: 0,
            calls: 0,
            kept_steps: 0,
            started,
            cancel,
            recorded,
            begun,
            keeps_steps: true,
        }
    }

    /// Ends the attempt.
    pub fn leave(mut self) -> Leavings {
        if self.dropped_lines > 0 {
            let text = format!("{} more lines were not kept; a run keeps {LOG_LINES}.", self.dropped_lines);
            self.log.push(LogLine { at: self.facts.now, level: "warn".into(), text });
        }
        self.effects.private = self.keep.take();
        Leavings {
            effects: self.effects,
            reads: self.reads,
            log: self.log,
            calls: self.calls,
            recorded: self.recorded,
            steps: self.kept_steps,
        }
    }

    /// The business's zone.
    pub(super) fn zone(&self) -> Zone {
        self.instance.business.zone
    }

    /// The workflow's name.
    pub(super) fn workflow(&self) -> &WorkflowName {
        &self.facts.workflow.name
    }

    /// What an adapter is called with.
    pub(super) fn adapter_call(&self) -> Call<'_> {
        Call {
            id: &self.id,
            attempt: self.facts.attempt,
            time: self.time_left(),
            keep: &self.keep,
            now: self.facts.now,
            network: &*self.tools.network,
            zone: self.zone(),
            language: self.instance.business.language,
        }
    }

    /// What is left of the attempt's time.
    pub(super) fn time_left(&self) -> Duration {
        let used = self.tools.clock.monotonic().saturating_sub(self.started);
        self.facts.workflow.budget.time.saturating_sub(used)
    }

    /// Adds to what is remembered when the run commits.
    pub(super) fn remember(&self, writes: Vec<PrivateWrite>) {
        self.keep.add(writes);
    }

    /// Reads from the store.
    pub(super) fn look<T>(&self, question: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>) -> Result<T, Refusal> {
        let reader = self.tools.store.read().map_err(storage)?;
        question(&reader).map_err(storage)
    }

    /// Reads a mark and remembers that the run was built on it.
    pub(super) fn built_on(&mut self, mark: String) -> Result<(), Refusal> {
        let version = self.look(|db| view::mark(db, &mark))?;
        self.reads.note(MarkRead::Mark(mark, version));
        Ok(())
    }

    /// Adds a line to the run's log.
    pub(super) fn write_log(&mut self, level: &str, text: &str) {
        if self.log.len() >= LOG_LINES {
            self.dropped_lines += 1;
            return;
        }
        let text = text.chars().take(LOG_CHARS).collect();
        self.log.push(LogLine { at: self.tools.clock.now(), level: level.into(), text });
    }

    /// Commits something that is so whatever becomes of the run.
    pub(super) fn commit_now(&self, ops: Vec<Op>) -> Result<(), Refusal> {
        self.tools.store.commit(Change::new(self.tools.clock.now(), ops)).map(drop).map_err(commit)
    }

    /// Makes sure the ledger knows this attempt before something durable or outward happens in it.
    fn make_known(&mut self) -> Result<(), Refusal> {
        if self.begun {
            return Ok(());
        }
        let facts = &self.facts;
        let mut ops = Vec::new();
        if !self.recorded {
            ops.push(Op::Occur(occurrence(facts)));
        }
        let version = facts.workflow.version.to_string();
        ops.push(Op::Attempt { id: facts.id, attempt: facts.attempt, interrupted: 0, version });
        self.tools.store.commit(Change::new(facts.now, ops)).map_err(commit)?;
        (self.recorded, self.begun) = (true, true);
        Ok(())
    }
}

/// The ledger row of a run that was not recorded before it ran.
pub(super) fn occurrence(facts: &Facts) -> NewOccurrence {
    NewOccurrence {
        payload: (!facts.payload.is_null()).then(|| facts.payload.clone()),
        ..NewOccurrence::open(facts.id, facts.workflow.name.as_str(), facts.kind, facts.due)
    }
}

fn storage(error: rusqlite::Error) -> Refusal {
    commit(CommitError::from(error))
}

fn commit(error: CommitError) -> Refusal {
    Refusal::Stop(Stop::Refused(error.to_string()))
}

impl Desk for RunDesk {
    fn call(&mut self, index: usize, arguments: Vec<Json>) -> Answer {
        // The one gate: cancellation and deadline first, then the count, which goes into the run's row, then the work.
        if let Some(stop) = self.stop() {
            return Err(stop.into());
        }
        self.calls += 1;
        let most = self.facts.workflow.budget.calls;
        if self.calls > most {
            return Err(Stop::Calls(most).into());
        }
        calls::answer(self, index, arguments)
    }

    fn step_kept(&mut self, name: &str) -> Result<Option<Json>, Refusal> {
        if let Some(stop) = self.stop() {
            return Err(stop.into());
        }
        if name.is_empty() || name.len() > 200 {
            return Err(Refusal::Error("A step needs a name of 1 to 200 characters, such as step(\"fetch\", || …).".into()));
        }
        if self.steps.len() >= STEP_DEPTH {
            return Err(Refusal::Error(format!("Steps may lie inside one another {STEP_DEPTH} deep, not deeper.")));
        }
        if self.steps.iter().any(|s| s == name) {
            return Err(Refusal::Error(format!("The step \"{name}\" is going on already. Give the inner one another name.")));
        }
        // A run that nobody recorded has no earlier attempt, so it has no kept answer either.
        let kept = if self.recorded { self.look(|db| view::step(db, self.facts.id, name))? } else { None };
        match kept {
            Some(text) => {
                let answer = serde_json::from_str(&text);
                answer.map(Some).map_err(|e| Refusal::Error(format!("The kept answer of step \"{name}\" cannot be read: {e}.")))
            }
            None => {
                if self.keeps_steps {
                    self.make_known()?;
                }
                // A step that is done anew sends the same requests as before, under the same keys.
                self.sent.remove(name);
                self.steps.push(name.to_owned());
                Ok(None)
            }
        }
    }

    fn step_done(&mut self, name: &str, answer: &Json) -> Result<(), Refusal> {
        self.step_failed(name);
        if self.keeps_steps {
            let keep = Op::KeepStep { id: self.facts.id, name: name.to_owned(), answer: answer.to_string() };
            self.tools.store.commit(Change::new(self.tools.clock.now(), vec![keep])).map_err(commit)?;
            self.kept_steps += 1;
        }
        Ok(())
    }

    fn step_failed(&mut self, name: &str) {
        if let Some(at) = self.steps.iter().rposition(|s| s == name) {
            self.steps.truncate(at);
        }
    }

    fn stop(&self) -> Option<Stop> {
        if self.cancel.load(Ordering::Relaxed) {
            return Some(Stop::Cancelled);
        }
        self.time_left().is_zero().then_some(Stop::Deadline(self.facts.workflow.budget.time))
    }

    fn log(&mut self, level: Level, text: &str) {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
        };
        self.write_log(level, text);
    }
}
