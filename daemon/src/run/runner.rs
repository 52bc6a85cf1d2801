//! Carries out claimed occurrences.
//!
//! In: a claim from the board. Out: one change that holds everything the run planned together with the end of its
//! occurrence; or another attempt; or a failure with its reason.
//! Never: lets a part of a run happen, or loses a claim: what cannot be committed now is kept and tried again.

use super::component;
use super::desk::{Facts, Leavings, Outside, RunDesk, Tools, occurrence};
use super::function::Stop;
use super::journal::{self, Journal};
use super::scene::Scene;
use super::script::{Ended, Limits, Outcome, Scripts};
use super::shadow::{self, Original, Shadows};
use crate::clock::Turn;
use crate::domain::{Digest, Json, RunId, Timestamp, WorkflowName, show_span};
use crate::effects::PlannedNotice;
use crate::instance::{Instance, Workflow};
use crate::kinds::Notice;
use crate::pulse::Pulse;
use crate::schedule::board::{Board, Claim, LONGEST_BACKOFF, gone};
use crate::store::journal::{JournalOp, JournalRow, Part};
use crate::store::{Answer, Change, CommitError, FinishedRun, LogLine, Op, RunState, TriggerKind, Usage};
use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// A run that was done again this often without coming to a commit counts as failed.
const REDONE: u32 = 200;
/// How long a claim rests when the store cannot take its change (a full disk, say).
const STORE_REST: Duration = Duration::from_secs(5);
/// Stack of a thread that runs scripts; only touched pages count. See [`super::script::STACK`].
pub const STACK: usize = super::script::STACK;
/// Runs claims. Shared by all script threads.
pub struct Runner {
    tools: Arc<Tools>,
    scripts: Arc<Scripts>,
    board: Arc<Board>,
    pulse: Arc<Pulse>,
    /// Versions of scripts that run beside those in force.
    pub shadows: Shadows,
    scenes: Mutex<HashMap<WorkflowName, Known>>,
}

/// The scene of a workflow, as long as configuration and script stay as they are.
struct Known {
    instance: Weak<Instance>,
    version: Digest,
    scene: Part,
}

/// What an attempt came to, before its change is committed.
struct Attempt {
    claim: Claim,
    started: Timestamp,
    change: Change,
    /// Occurrences to put up when the change is committed.
    follow: Vec<Claim>,
    end: End,
    /// Whether there may be something to deliver.
    delivers: bool,
}

enum End {
    /// The occurrence has its fate.
    Final { state: RunState, text: String, standing: Option<crate::schedule::board::Standing> },
    /// Another attempt follows at this moment.
    Retry(Timestamp, String),
}

impl Runner {
    /// A runner.
    pub fn new(tools: Arc<Tools>, scripts: Arc<Scripts>, board: Arc<Board>, pulse: Arc<Pulse>) -> Self {
        Self { tools, scripts, board, pulse, shadows: Shadows::default(), scenes: Mutex::default() }
    }

    pub(super) fn tools(&self) -> &Arc<Tools> {
        &self.tools
    }

    pub(super) fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    /// Runs claims until the board is closed. For a thread with a stack of [`STACK`].
    pub fn work(self: &Arc<Self>) {
        while let Some(claim) = self.board.take(&*self.tools.clock) {
            self.execute(claim);
        }
    }

    /// Runs one claim if one may run now: the same as [`Runner::work`], for whoever moves the clock.
    pub fn turn(self: &Arc<Self>) -> Turn {
        match self.board.take_now(&*self.tools.clock) {
            Some(claim) => {
                self.execute(claim);
                Turn::Did
            }
            None => Turn::Idle(self.board.next_start()),
        }
    }

    fn execute(self: &Arc<Self>, mut claim: Claim) {
        let now = self.tools.clock.now();
        let instance = self.tools.current.get();
        // A reload since the claim was made: the occurrence runs in the version that is in force when it starts.
        if let Some(workflow) = instance.workflows.get(&claim.workflow.name) {
            claim.workflow = workflow.clone();
        }
        if let Some(reason) = self.hindrance(&claim, &instance) {
            let attempt = self.dropped(claim, now, reason);
            return self.submit(attempt);
        }
        if let Some(why) = claim.refused.clone() {
            let facts = Facts::of(&claim, now);
            let left = Leavings { recorded: claim.recorded, ..Leavings::default() };
            let error = format!("The database does not take what the run planned: {why}");
            let attempt = self.failed(claim, &facts, now, left, Usage::default(), &error, None, None);
            return self.submit(attempt);
        }
        if claim.recorded && !claim.begun {
            let Claim { id, attempt, interrupted, .. } = claim;
            let begin = Op::Attempt { id, attempt, interrupted, version: claim.workflow.version.to_string() };
            if let Err(error) = self.tools.store.commit(Change::new(now, vec![begin])) {
                tracing::error!(run = %claim.id, workflow = %claim.workflow.name, "{error}");
                return self.rest(claim);
            }
            claim.begun = true;
        }
        if claim.kind == TriggerKind::Schedule && claim.redone == 0 {
            self.pulse.meters.start_lag.add(now.since(claim.start_at));
        }
        self.pulse.tell("run", claim.id, "started", &claim.workflow.name);
        if let Some(attempt) = self.attempt(claim, instance, now) {
            self.submit(attempt);
        }
    }

    fn submit(self: &Arc<Self>, attempt: Attempt) {
        let Attempt { claim, started, change, follow, end, delivers } = attempt;
        let runner = self.clone();
        self.tools.store.submit(change, move |answer| runner.settle(claim, started, follow, end, delivers, answer));
    }

    /// What forbids an attempt that is about to start, when much may have happened since its claim was made.
    fn hindrance(&self, claim: &Claim, instance: &Instance) -> Option<String> {
        if claim.cancel.load(Ordering::Relaxed) {
            return Some(Stop::Cancelled.to_string());
        }
        // Whoever runs it by hand means it, paused or not.
        if claim.kind == TriggerKind::Hand {
            return None;
        }
        let name = &claim.workflow.name;
        if !instance.workflows.get(name).is_some_and(|w| w.enabled) {
            return Some(gone(name.as_str()));
        }
        self.board.standing(name).paused.map(|reason| format!("paused: {reason}"))
    }

    /// The change for an occurrence that does not run: nothing but its end and the reason.
    fn dropped(&self, claim: Claim, now: Timestamp, reason: String) -> Attempt {
        let facts = Facts::of(&claim, now);
        let mut ops = Vec::with_capacity(2);
        if !claim.recorded {
            ops.push(Op::Occur(occurrence(&facts)));
        }
        ops.push(Op::Finish(Box::new(FinishedRun::without_effect(
            claim.id,
            RunState::Cancelled,
            claim.attempt,
            claim.workflow.version,
            now,
            reason.clone(),
        ))));
        let end = End::Final { state: RunState::Cancelled, text: reason, standing: None };
        Attempt { claim, started: now, change: Change::new(now, ops), follow: Vec::new(), end, delivers: false }
    }

    /// One attempt; `None` when it was stopped because the process ends, and is left to the next start.
    fn attempt(&self, mut claim: Claim, instance: Arc<Instance>, now: Timestamp) -> Option<Attempt> {
        let facts = Facts::of(&claim, now);
        let workflow = claim.workflow.clone();
        let desk = |claim: &Claim| {
            let told = instance.limits.journal_size > 0 || self.shadows.of(&facts.workflow.name).is_some();
            let outside = Outside::live(self.tools.clone(), told);
            RunDesk::new(outside, instance.clone(), facts.clone(), claim.cancel.clone(), claim.recorded, claim.begun)
        };
        let (mut leavings, ended, operations, memory) = match &workflow.plugin {
            Some(used) => {
                let (desk, component::Ended { answer, memory }) = component::execute(&self.tools, &instance, used, desk(&claim));
                let ended = match answer {
                    Ok(line) => Ok((component::value(&line), line)),
                    Err(component::Failed { sentence, stop, not_before }) => Err((sentence, stop, not_before)),
                };
                (desk.leave(), ended, 0, memory)
            }
            None => {
                let compiled = match self.scripts.compile(&workflow.script, &workflow.source) {
                    Ok(compiled) => compiled,
                    Err(problems) => {
                        let text = problems.iter().map(crate::problem::Problem::render).collect::<String>();
                        let nothing = Leavings { recorded: claim.recorded, ..Leavings::default() };
                        return Some(self.failed(claim, &facts, now, nothing, Usage::default(), text.trim_end(), None, None));
                    }
                };
                let limits = Limits { operations: workflow.budget.operations, memory: workflow.budget.memory };
                let (desk, Ended { outcome, operations, peak }) = self.scripts.execute(&compiled, Box::new(desk(&claim)), limits);
                let desk: Box<dyn Any> = desk;
                let desk = desk.downcast::<RunDesk>().expect("the desk that went in comes out");
                let ended = match outcome {
                    Outcome::Finished { value, line } => Ok((value, line)),
                    Outcome::Failed { problem, stop } => Err((problem.render().trim_end().to_owned(), stop, None)),
                };
                (desk.leave(), ended, operations, peak)
            }
        };
        // A step may have made the run known before its end; doing it again must find what the step kept.
        (claim.recorded, claim.begun) = (leavings.recorded, claim.begun || leavings.recorded);
        let millis = u64::try_from(self.tools.clock.now().since(now).as_millis()).unwrap_or(u64::MAX);
        let usage = Usage {
            operations,
            memory: u64::try_from(memory).unwrap_or(u64::MAX),
            calls: leavings.calls,
            millis,
            redone: claim.redone,
        };
        match ended {
            Ok(answer) => Some(self.finished(claim, &facts, &instance, leavings, usage, answer)),
            Err((_, Some(Stop::Cancelled), _)) if self.board.is_left(claim.id) => {
                tracing::info!(run = %claim.id, workflow = %claim.workflow.name, "stopped; the next start takes it up");
                None
            }
            Err((why, stop, not_before)) => {
                let journal = leavings.journal.take().filter(|_| instance.limits.journal_size > 0);
                let mut attempt = self.failed(claim, &facts, now, leavings, usage, &why, stop, not_before);
                if let (Some(journal), End::Final { .. }) = (journal, &attempt.end) {
                    let (data, parts) = journal.finish();
                    attempt.change.ops.push(self.keep(&facts, &instance, data, parts));
                }
                Some(attempt)
            }
        }
    }

    /// The operation that keeps what a run was told.
    fn keep(&self, facts: &Facts, instance: &Arc<Instance>, data: Vec<u8>, mut parts: Vec<Part>) -> Op {
        let scene = self.scene(facts, instance);
        let row = JournalRow { run: facts.id, at: facts.now, scene: scene.0, data };
        parts.push(scene);
        Op::Journal(Box::new(JournalOp::Keep(row, parts)))
    }

    /// The files that a workflow's script imports, by the path it imports them under.
    pub(super) fn imports(&self, workflow: &Workflow) -> Vec<(String, Arc<str>)> {
        let compiled = match &workflow.plugin {
            Some(_) => None,
            None => self.scripts.compile(&workflow.script, &workflow.source).ok(),
        };
        compiled.map(|c| c.imports.iter().map(|i| (i.path.clone(), i.source.clone())).collect()).unwrap_or_default()
    }

    /// What a run of this workflow can see, as content of journals.
    fn scene(&self, facts: &Facts, instance: &Arc<Instance>) -> Part {
        let workflow = &facts.workflow;
        let mut scenes = self.scenes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = scenes.get(&workflow.name)
            && known.version == workflow.version
            && std::ptr::eq(known.instance.as_ptr(), Arc::as_ptr(instance))
        {
            return known.scene.clone();
        }
        let scene = Scene::of(instance, workflow, self.imports(workflow));
        let scene = serde_json::to_vec(&scene).expect("a scene is plain data");
        let scene = journal::part(&scene);
        let known = Known { instance: Arc::downgrade(instance), version: workflow.version, scene: scene.clone() };
        scenes.insert(workflow.name.clone(), known);
        scene
    }

    fn finished(
        &self,
        claim: Claim,
        facts: &Facts,
        instance: &Arc<Instance>,
        mut left: Leavings,
        usage: Usage,
        (value, line): (Json, String),
    ) -> Attempt {
        let workflow = &facts.workflow;
        let effects = left.effects.to_json();
        let effects_hash = Some(Digest::of(effects.as_bytes()));
        let delivers = !left.effects.posts.is_empty() || !left.effects.notices.is_empty();
        let mut ops = Vec::with_capacity(7);
        if let Some((data, parts)) = left.journal.take().map(Journal::finish) {
            if let Some(row) = self.shadows.of(&workflow.name) {
                let original = Original { facts, data: &data, parts: &parts, effects: &effects };
                ops.push(shadow::compared(&self.tools, &self.scripts, instance, &row, &original));
            }
            if instance.limits.journal_size > 0 {
                ops.push(self.keep(facts, instance, data, parts));
            }
        }
        let (planned, started) =
            left.effects.into_ops(claim.id, &workflow.name, instance, facts.now, || self.tools.store.next_run());
        ops.extend(planned);
        if !left.log.is_empty() {
            ops.push(Op::Log { id: claim.id, lines: left.log });
        }
        let standing = self.board.standing(&workflow.name);
        let mended = (standing.failures > 0).then_some(crate::schedule::board::Standing { failures: 0, ..standing });
        if mended.is_some() {
            ops.push(Op::Failures { workflow: workflow.name.as_str().into(), count: 0 });
        }
        let run = FinishedRun {
            id: claim.id,
            state: RunState::Done,
            attempt: claim.attempt,
            version: workflow.version.to_string(),
            started: facts.now,
            line: (!line.is_empty()).then_some(line.clone()),
            value: (!value.is_null()).then(|| value.to_string()),
            error: None,
            effects: Some(effects),
            effects_hash,
            usage,
        };
        ops.push(if left.recorded { Op::Finish(Box::new(run)) } else { Op::Ran(Box::new((occurrence(facts), run))) });
        let follow = started
            .into_iter()
            .map(|(row, workflow)| {
                let mut claim = Claim::new(row.id, workflow, row.kind, row.due);
                claim.payload = row.payload;
                claim.recorded = true;
                claim
            })
            .collect();
        let change = Change { built_on: left.reads.into_marks(), ops, at: self.tools.clock.now() };
        let end = End::Final { state: RunState::Done, text: line, standing: mended };
        Attempt { claim, started: facts.now, change, follow, end, delivers }
    }

    /// The change for an attempt that failed or was stopped: its log is kept, its plans are not.
    #[allow(clippy::too_many_arguments, reason = "the parts of one attempt, each used once")]
    fn failed(
        &self,
        claim: Claim,
        facts: &Facts,
        now: Timestamp,
        left: Leavings,
        usage: Usage,
        error: &str,
        stop: Option<Stop>,
        not_before: Option<Timestamp>,
    ) -> Attempt {
        let workflow = &facts.workflow;
        let mut log = left.log;
        log.push(LogLine { at: self.tools.clock.now(), level: "error".into(), text: error.to_owned() });
        let mut ops = Vec::with_capacity(4);
        if !left.recorded {
            ops.push(Op::Occur(occurrence(facts)));
        }
        ops.push(Op::Log { id: claim.id, lines: log });
        let tries = claim.attempt.saturating_sub(claim.interrupted);
        let cancelled = stop == Some(Stop::Cancelled);
        // Whoever runs it by hand sees the error and decides; only what runs unattended is tried again by itself.
        let again = !cancelled && claim.kind != TriggerKind::Hand && tries <= workflow.retries;
        let (end, delivers) = if again {
            let wait = workflow.backoff.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1))).min(LONGEST_BACKOFF);
            let start_at = now.plus(wait).max(not_before.unwrap_or(now).min(now.plus(LONGEST_BACKOFF)));
            if !left.recorded {
                ops.push(Op::Attempt {
                    id: claim.id,
                    attempt: claim.attempt,
                    interrupted: 0,
                    version: workflow.version.to_string(),
                });
            }
            ops.push(Op::Postpone { id: claim.id, start_at, error: error.to_owned() });
            (End::Retry(start_at, format!("tried again in {}", show_span(start_at.since(now)))), false)
        } else {
            let state = if cancelled { RunState::Cancelled } else { RunState::Failed };
            let mut standing = None;
            let mut notified = false;
            if !cancelled && claim.kind != TriggerKind::Hand {
                let mut now_stands = self.board.standing(&workflow.name);
                now_stands.failures += 1;
                ops.push(Op::Failures { workflow: workflow.name.as_str().into(), count: now_stands.failures });
                if workflow.pause_after > 0 && now_stands.failures >= workflow.pause_after && now_stands.paused.is_none() {
                    let reason = format!("it failed {} times in a row", now_stands.failures);
                    ops.push(Op::Pause { workflow: workflow.name.as_str().into(), reason: Some(reason.clone()) });
                    ops.extend(self.alerts(claim.id, workflow, &reason, error));
                    now_stands.paused = Some(reason);
                    notified = true;
                }
                standing = Some(now_stands);
            }
            ops.push(Op::Finish(Box::new(FinishedRun {
                usage,
                ..FinishedRun::without_effect(claim.id, state, claim.attempt, workflow.version, facts.now, error.to_owned())
            })));
            (End::Final { state, text: error.to_owned(), standing }, notified)
        };
        // A script that failed over values that others were changing is done again like one that came to its end.
        let built_on = if stop.is_none() { left.reads.into_marks() } else { Vec::new() };
        let change = Change { built_on, ops, at: self.tools.clock.now() };
        Attempt { claim, started: facts.now, change, follow: Vec::new(), end, delivers }
    }

    /// Tells everybody that a workflow was paused.
    fn alerts(&self, run: RunId, workflow: &Workflow, reason: &str, error: &str) -> Vec<Op> {
        let instance = self.tools.current.get();
        let now = self.tools.clock.now();
        let notice = |person: &crate::instance::Person| {
            let title = person.language.pick(
                format!("Le programme « {} » est en pause", workflow.name),
                format!("The workflow \"{}\" is paused", workflow.name),
            );
            let text = person.language.pick(
                format!("Il a échoué plusieurs fois de suite. Dernière erreur :\n\n{error}\n\nCorrigez-la, puis relancez-le : beffroi resume {}\n", workflow.name),
                format!("It was paused because {reason}. The last error:\n\n{error}\n\nMend it, then let it go on: beffroi resume {}\n", workflow.name),
            );
            let notice = Notice { kind: "alert".into(), title, text, html: None };
            PlannedNotice { to: person.name.clone(), once: Some(format!("paused/{run}")), notice }.into_op(run, now)
        };
        instance.people.values().map(notice).collect()
    }

    /// What follows when the store has answered. Called on the store's thread: quick, and without committing anything itself.
    fn settle(
        self: &Arc<Self>,
        mut claim: Claim,
        started: Timestamp,
        follow: Vec<Claim>,
        end: End,
        delivers: bool,
        answer: Answer,
    ) {
        let now = self.tools.clock.now();
        match answer {
            Err(CommitError::Conflict(_)) if claim.redone < REDONE => {
                claim.redone += 1;
                self.pulse.meters.run("redone");
                self.board.again(claim);
            }
            // Doing it again would plan the same again.
            Err(CommitError::Refused(why)) if claim.refused.is_none() => {
                claim.refused = Some(why);
                self.board.again(claim);
            }
            Err(CommitError::Refused(why)) => {
                tracing::error!(run = %claim.id, workflow = %claim.workflow.name, "given up: {why}");
                self.board.ended(claim.id, &claim.workflow.name, now);
                if let Some(waiter) = claim.waiter {
                    waiter(claim.id);
                }
            }
            Err(error) => {
                tracing::error!(run = %claim.id, workflow = %claim.workflow.name, "{error} The run is done again.");
                claim.redone = 0;
                self.rest(claim);
            }
            Ok(_) => {
                self.pulse.meters.run_time.add(now.since(started));
                for next in follow {
                    self.board.post(next, now);
                }
                if delivers {
                    self.pulse.outbox.ring();
                }
                match end {
                    End::Final { state, text, standing } => {
                        if let Some(standing) = standing {
                            self.board.set_standing(&claim.workflow.name, standing);
                        }
                        self.report(&claim, state, &text);
                        self.board.ended(claim.id, &claim.workflow.name, now);
                        if let Some(waiter) = claim.waiter {
                            waiter(claim.id);
                        }
                    }
                    End::Retry(start_at, text) => {
                        self.pulse.meters.run("retried");
                        tracing::warn!(run = %claim.id, workflow = %claim.workflow.name, attempt = claim.attempt, "failed, {text}");
                        self.pulse.tell("run", claim.id, "retry", text);
                        claim.attempt += 1;
                        (claim.redone, claim.refused) = (0, None);
                        claim.start_at = start_at;
                        (claim.recorded, claim.begun) = (true, false);
                        self.board.later(claim, now);
                    }
                }
            }
        }
    }

    fn report(&self, claim: &Claim, state: RunState, text: &str) {
        self.pulse.meters.run(state.word());
        let workflow = &claim.workflow.name;
        match state {
            RunState::Done if claim.kind == TriggerKind::Schedule => tracing::info!(run = %claim.id, %workflow, "done {text}"),
            RunState::Done => tracing::debug!(run = %claim.id, %workflow, "done {text}"),
            RunState::Cancelled => tracing::info!(run = %claim.id, %workflow, "cancelled"),
            _ => tracing::error!(run = %claim.id, %workflow, "{text}"),
        }
        self.pulse.tell("run", claim.id, state.word(), format!("{workflow}: {text}"));
    }

    /// Keeps a claim whose change the store could not take, and looks again in a while.
    fn rest(&self, mut claim: Claim) {
        let now = self.tools.clock.now();
        claim.start_at = now.plus(STORE_REST);
        self.board.later(claim, now);
    }
}
