//! The desk: the one place where a run reads, plans and asks, whatever language it is written in.
//!
//! In: calls of the functions in [`super::calls`], through one gate that checks budget, deadline and cancellation and keeps
//! count. Out: answers, and at the end what the run planned, what it was built on, and what it was told.
//! Never: makes anything happen before the run's commit, except a step's kept answer and the network calls a step makes. Never
//! lets anything from outside reach a run but through `RunDesk::sense`, which writes it down, or gives it again in a replay.

use super::calls;
use super::function::{Desk, Level, Refusal, Stop};
use super::journal::{Journal, Recorded, Told};
use super::wire::{Left, Wire};
use crate::adapters::Adapters;
use crate::adapters::library::Library;
use crate::clock::{Clock, Dice};
use crate::domain::{Digest, Json, RunId, Timestamp, WorkflowName, Zone};
use crate::effects::{Effects, Reads};
use crate::instance::{Current, Instance, PluginUse, Workflow};
use crate::kinds::{Call, Keep, PrivateWrite};
use crate::network::{Network, Reach};
use crate::schedule::board::Claim;
use crate::store::journal::Part;
use crate::store::plugins;
use crate::store::view::SignalRow;
use crate::store::{Change, CommitError, LogLine, MarkRead, NewOccurrence, Op, Store, TriggerKind, view};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
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
    /// The library as content of journals, made when a run first reads it as it is.
    pub library: Mutex<Option<(Digest, Part)>>,
}

/// Where a run's answers come from, and whether what it does counts.
pub struct Outside {
    tools: Option<Arc<Tools>>,
    recorded: Option<Recorded>,
    clock: Arc<dyn Clock>,
    counts: bool,
    journal: Option<Journal>,
}

impl Outside {
    /// The world, for a run that counts. `journal` says whether what it is told is written down.
    pub fn live(tools: Arc<Tools>, journal: bool) -> Self {
        let clock = tools.clock.clone();
        Self { tools: Some(tools), recorded: None, clock, counts: true, journal: journal.then(Journal::default) }
    }

    /// The world to look at only: steps are not kept, nothing that changes something elsewhere leaves, nothing costs money.
    pub fn dry(tools: Arc<Tools>) -> Self {
        let clock = tools.clock.clone();
        Self { tools: Some(tools), recorded: None, clock, counts: false, journal: Some(Journal::default()) }
    }

    /// What another run was told, and the world to look at for what that one did not ask.
    pub fn beside(tools: Arc<Tools>, recorded: Recorded) -> Self {
        let clock = tools.clock.clone();
        Self { tools: Some(tools), recorded: Some(recorded), clock, counts: false, journal: None }
    }

    /// What another run was told, and nothing else. The clock only measures how long it takes.
    pub fn recorded(recorded: Recorded, clock: Arc<dyn Clock>) -> Self {
        Self { tools: None, recorded: Some(recorded), clock, counts: false, journal: None }
    }
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
    /// What it was told.
    pub journal: Option<Journal>,
    /// What it asked and no recording could answer.
    pub unanswered: Vec<String>,
    /// What the recording holds and it did not ask.
    pub unasked: Vec<String>,
}

/// The desk of one attempt.
pub struct RunDesk {
    outside: Outside,
    pub(super) instance: Arc<Instance>,
    pub(super) facts: Facts,
    /// The run's number as remote logs see it.
    id: String,
    /// What adapters want remembered.
    keep: Keep,
    /// What the workflow itself wants remembered, when it is a plugin.
    own: Vec<PrivateWrite>,
    /// Where requests may go, when the workflow is a plugin.
    pub(super) reach: Option<Arc<Reach>>,
    pub(super) effects: Effects,
    pub(super) reads: Reads,
    /// State as this run has read it: a key reads the same twice, whatever others do meanwhile.
    pub(super) read_state: HashMap<String, Option<Json>>,
    /// The library as this run has read it.
    pub(super) read_library: Option<Arc<Library>>,
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
    unanswered: Vec<String>,
}

/// What a call gives.
pub(super) type Answer = Result<Json, Refusal>;

impl RunDesk {
    /// A desk for an attempt that starts now.
    pub fn new(
        outside: Outside,
        instance: Arc<Instance>,
        facts: Facts,
        cancel: Arc<AtomicBool>,
        recorded: bool,
        begun: bool,
    ) -> Self {
        let started = outside.clock.monotonic();
        Self {
            outside,
            instance,
            id: facts.id.to_string(),
            keep: Keep::default(),
            own: Vec::new(),
            reach: None,
            facts,
            effects: Effects::default(),
            reads: Reads::default(),
            read_state: HashMap::new(),
            read_library: None,
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
            unanswered: Vec::new(),
        }
    }

    /// Ends the attempt.
    pub fn leave(mut self) -> Leavings {
        if self.dropped_lines > 0 {
            let text = format!("{} more lines were not kept; a run keeps {LOG_LINES}.", self.dropped_lines);
            self.log.push(LogLine { at: self.facts.now, level: "warn".into(), text });
        }
        let kept = match &mut self.outside.recorded {
            None => self.keep.take(),
            Some(recorded) => match recorded.answer(KEPT).as_deref() {
                Some(Told::Text(text)) => serde_json::from_str(text).unwrap_or_default(),
                _ => Vec::new(),
            },
        };
        if let (Some(journal), false) = (&mut self.outside.journal, kept.is_empty()) {
            journal.add(KEPT, &Told::Text(serde_json::to_string(&kept).expect("writes are plain data")));
        }
        self.effects.private = kept;
        self.effects.private.append(&mut self.own);
        let unasked = self.outside.recorded.as_ref().map(|r| r.unasked().into_iter().map(str::to_owned).collect());
        Leavings {
            effects: self.effects,
            reads: self.reads,
            log: self.log,
            calls: self.calls,
            recorded: self.recorded,
            steps: self.kept_steps,
            journal: self.outside.journal,
            unanswered: self.unanswered,
            unasked: unasked.unwrap_or_default(),
        }
    }

    /// The one way by which anything from outside reaches a run: asks the recording first, then the world, and writes down what
    /// came. `question` names it: the same question hears the same answers in a replay. A sentence is an answer too.
    pub(super) fn sense<T: Serialize + DeserializeOwned>(
        &mut self,
        question: &str,
        live: impl FnOnce(&Self, &Tools) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        match self.again(question)? {
            Some(told) => read_again(question, &told),
            None => {
                let answer = self.ask(question, live)?;
                self.written(question, answer, |journal, value| {
                    let text = serde_json::to_string(value).expect("answers are plain data");
                    journal.add(question, &Told::Text(text));
                })
            }
        }
    }

    /// The same for content that many runs read, which is kept once.
    pub(super) fn sense_shared<T: DeserializeOwned>(
        &mut self,
        question: &str,
        live: impl FnOnce(&Self, &Tools) -> Result<Arc<T>, Refusal>,
        part: impl FnOnce(&Tools, &T) -> Part,
    ) -> Result<Arc<T>, Refusal> {
        match self.again(question)? {
            Some(told) => read_again(question, &told).map(Arc::new),
            None => {
                let answer = self.ask(question, live)?;
                let tools = self.outside.tools.clone();
                self.written(question, answer, |journal, value| {
                    if let Some(tools) = &tools {
                        journal.add_part(question, part(tools, value));
                    }
                })
            }
        }
    }

    /// The same for stored signals, which never change: only their numbers are written down.
    pub(super) fn sense_signals(
        &mut self,
        question: &str,
        live: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<Vec<SignalRow>>,
    ) -> Result<Vec<SignalRow>, Refusal> {
        match self.again(question)?.as_deref() {
            Some(Told::Signals(rows)) => Ok(rows.to_vec()),
            Some(other) => read_again(question, other),
            None => {
                let answer = self.ask(question, |desk, _| desk.look(live))?;
                self.written(question, answer, |journal, rows| journal.add_signals(question, rows))
            }
        }
    }

    /// What a recording answers; `None` when the world is to be asked.
    fn again(&mut self, question: &str) -> Result<Option<Arc<Told>>, Refusal> {
        let told = self.outside.recorded.as_mut().and_then(|recorded| recorded.answer(question));
        match told.as_deref() {
            Some(Told::Refused(sentence)) => Err(Refusal::Error(sentence.clone())),
            Some(_) => Ok(told),
            None => Ok(None),
        }
    }

    fn ask<T>(
        &mut self,
        question: &str,
        live: impl FnOnce(&Self, &Tools) -> Result<T, Refusal>,
    ) -> Result<Result<T, Refusal>, Refusal> {
        if self.outside.recorded.is_some() {
            self.unanswered.push(question.to_owned());
        }
        match self.outside.tools.clone() {
            Some(tools) => Ok(live(self, &tools)),
            None => {
                let sentence = format!("The recording ends here: it holds no answer to \"{}\".", shortened(question));
                Err(Stop::Refused(sentence).into())
            }
        }
    }

    fn written<T>(
        &mut self,
        question: &str,
        answer: Result<T, Refusal>,
        write: impl FnOnce(&mut Journal, &T),
    ) -> Result<T, Refusal> {
        if let Some(journal) = &mut self.outside.journal {
            match &answer {
                Ok(value) => write(journal, value),
                Err(Refusal::Error(sentence)) => journal.add(question, &Told::Refused(sentence.clone())),
                // The run ends here, and so does what it was told.
                Err(Refusal::Stop(_)) => {}
            }
        }
        answer
    }

    /// The name of this installation towards others; the same in all replays.
    pub(super) fn installation(&self) -> &str {
        self.outside.tools.as_ref().map_or("replay", |tools| tools.store.instance())
    }

    /// The private store of the plugin that is the workflow, as it was when the run began: to be laid over the database in a replay.
    pub(super) fn private(&mut self, tools: &Tools, used: &PluginUse) -> Result<Vec<PrivateWrite>, String> {
        let (owner, scope) = (used.plugin.as_str(), &*used.scope);
        let stored = || {
            let reader = tools.store.read().map_err(|e| e.to_string())?;
            plugins::private_all(&reader, owner, scope).map_err(|e| e.to_string())
        };
        let write = |key: String, value| PrivateWrite { owner: owner.into(), scope: scope.into(), key, value };
        if self.outside.recorded.is_none() {
            if let Some(journal) = &mut self.outside.journal {
                let now = stored()?;
                if !now.is_empty() {
                    journal.add(PRIVATE, &Told::Text(serde_json::to_string(&now).expect("bytes are plain data")));
                }
            }
            return Ok(Vec::new());
        }
        let then: Vec<(String, Vec<u8>)> = match self.again(PRIVATE) {
            Ok(Some(told)) => read_again(PRIVATE, &told).map_err(|_| "The recorded private store cannot be read.".to_owned())?,
            _ => Vec::new(),
        };
        // What has come since was not there then.
        let mut over: Vec<PrivateWrite> = stored()?.into_iter().map(|(key, _)| write(key, None)).collect();
        over.extend(then.into_iter().map(|(key, value)| write(key, Some(value))));
        Ok(over)
    }

    /// The network for a workflow that is a plugin.
    pub(super) fn wire<'t>(&self, tools: &'t Tools) -> Wire<'t> {
        let live = self.outside.tools.is_some();
        Wire::new(live.then_some(&*tools.network as &dyn Network), self.outside.counts, self.outside.recorded.clone())
    }

    /// Writes down what a plugin was told over its wire.
    pub(super) fn told_by(&mut self, wire: Wire<'_>) {
        let Left { told, unanswered, asked } = wire.leave();
        self.unanswered.extend(unanswered);
        if let Some(recorded) = &mut self.outside.recorded {
            asked.iter().for_each(|question| drop(recorded.answer(question)));
        }
        if let Some(journal) = &mut self.outside.journal {
            for (question, told) in &told {
                journal.add(question, told);
            }
        }
    }

    /// Whether what this run does counts. When not, nothing may leave, cost money or be kept.
    pub(super) fn counts(&self) -> bool {
        self.outside.counts
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
    pub(super) fn adapter_call<'a>(&'a self, tools: &'a Tools) -> Call<'a> {
        Call {
            id: &self.id,
            attempt: self.facts.attempt,
            time: self.time_left(),
            keep: &self.keep,
            now: self.facts.now,
            network: &*tools.network,
            zone: self.zone(),
            language: self.instance.business.language,
        }
    }

    /// The one gate before a question: cancellation and deadline first, then the count, which goes into the run's row.
    fn gate(&mut self) -> Result<(), Stop> {
        if let Some(stop) = self.stop() {
            return Err(stop);
        }
        self.calls += 1;
        let most = self.facts.workflow.budget.calls;
        if self.calls > most { Err(Stop::Calls(most)) } else { Ok(()) }
    }

    /// What is left of the attempt's time.
    pub(super) fn time_left(&self) -> Duration {
        let used = self.outside.clock.monotonic().saturating_sub(self.started);
        self.facts.workflow.budget.time.saturating_sub(used)
    }

    /// Adds what the workflow itself, a plugin, wants remembered when the run commits.
    pub(super) fn remember(&mut self, writes: Vec<PrivateWrite>) {
        self.own.extend(writes);
    }

    /// Reads from the store. Only for what [`RunDesk::sense`] writes down.
    pub(super) fn look<T>(&self, question: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>) -> Result<T, Refusal> {
        let Some(tools) = &self.outside.tools else {
            return Err(Stop::Refused("A replay has no database.".into()).into());
        };
        let reader = tools.store.read().map_err(storage)?;
        question(&reader).map_err(storage)
    }

    /// Reads a mark and remembers that the run was built on it.
    pub(super) fn built_on(&mut self, mark: String) -> Result<(), Refusal> {
        if !self.outside.counts {
            return Ok(());
        }
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
        let at = self.outside.tools.as_ref().map_or(self.facts.now, |tools| tools.clock.now());
        self.log.push(LogLine { at, level: level.into(), text });
    }

    /// Commits something that is so whatever becomes of the run. A run that does not count commits nothing.
    pub(super) fn commit_now(&self, ops: Vec<Op>) -> Result<(), Refusal> {
        self.commit_at(self.outside.clock.now(), ops)
    }

    fn commit_at(&self, at: Timestamp, ops: Vec<Op>) -> Result<(), Refusal> {
        match self.outside.tools.as_ref().filter(|_| self.outside.counts) {
            Some(tools) => tools.store.commit(Change::new(at, ops)).map(drop).map_err(commit),
            None => Ok(()),
        }
    }

    /// What an earlier attempt kept of a step.
    fn kept_answer(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        let question = format!("step {name}");
        if self.outside.recorded.is_some() {
            // A step that was carried out in the recorded attempt is carried out again, on what it was told then.
            return self.again(&question)?.map(|told| read_again(&question, &told)).transpose();
        }
        // A run that nobody recorded has no earlier attempt, so it has no kept answer either.
        let kept = if self.recorded { self.look(|db| view::step(db, self.facts.id, name))? } else { None };
        if let (Some(answer), Some(journal)) = (&kept, &mut self.outside.journal) {
            journal.add(&question, &Told::Text(serde_json::to_string(answer).expect("text is plain data")));
        }
        Ok(kept)
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
        self.commit_at(facts.now, ops)?;
        (self.recorded, self.begun) = (true, true);
        Ok(())
    }
}

/// The question under which a journal keeps what adapters want remembered.
const KEPT: &str = "kept";
/// The same for what a workflow that is a plugin found in its private store.
const PRIVATE: &str = "private";

fn read_again<T: DeserializeOwned>(question: &str, told: &Told) -> Result<T, Refusal> {
    let unreadable = |why: &dyn std::fmt::Display| {
        let sentence = format!("The recorded answer to \"{}\" cannot be read: {why}.", shortened(question));
        Refusal::Stop(Stop::Refused(sentence))
    };
    match told {
        Told::Text(text) => serde_json::from_str(text).map_err(|e| unreadable(&e)),
        Told::Signals(_) => Err(unreadable(&"it is a list of signals")),
        Told::Refused(sentence) => Err(Refusal::Error(sentence.clone())),
    }
}

/// A question short enough for a sentence.
fn shortened(question: &str) -> String {
    match question.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &question[..end]),
        None => question.to_owned(),
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
        self.gate()?;
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
        match self.kept_answer(name)? {
            Some(text) => {
                let answer = serde_json::from_str(&text);
                answer.map(Some).map_err(|e| Refusal::Error(format!("The kept answer of step \"{name}\" cannot be read: {e}.")))
            }
            None => {
                if self.outside.counts {
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
        if self.outside.counts {
            self.commit_now(vec![Op::KeepStep { id: self.facts.id, name: name.to_owned(), answer: answer.to_string() }])?;
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

    fn time_left(&mut self, truly: Duration) -> Result<Duration, Stop> {
        // Counted like any question: each answer lies in the journal.
        self.gate()?;
        let millis = u64::try_from(truly.as_millis()).unwrap_or(u64::MAX);
        match self.sense("time left", |_, _| Ok(millis)) {
            Ok(millis) => Ok(Duration::from_millis(millis)),
            Err(Refusal::Stop(stop)) => Err(stop),
            Err(Refusal::Error(_)) => Ok(truly),
        }
    }
}
