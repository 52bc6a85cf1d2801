//! Turns the passing of time into rows of the occurrence ledger.
//!
//! In: the schedules, the clock, and up to when the ledger is written. Out: one row for every due instant, and a claim on
//! the board for each one that is to run.
//! Never: runs anything, and never lets a due instant pass without a row: what is not run has a fate and a reason.

use super::board::{Board, Claim, Standing};
use crate::clock::{Clock, Dice, Turn};
use crate::domain::{RunId, Timestamp, WorkflowName, show_span};
use crate::instance::{Instance, Missed, Overlap, Workflow};
use crate::schedule::cron::{Dst, Schedule};
use crate::store::{Change, CommitError, Fate, NewOccurrence, Op, Store, TriggerKind, view};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// An occurrence this late is a missed one; before that it is merely on its way.
const LATE: Duration = Duration::from_secs(60);
/// Operations in one commit: bounds how long other writers wait behind a long catch-up.
const CHUNK: usize = 2_000;
/// What stands in place of the schedule of a workflow that left the configuration.
const REMOVED: &str = "removed";
/// More missed instants than this in a row become one row that counts them.
const STRETCH: usize = 100;

struct Entry {
    workflow: Arc<Workflow>,
    /// Every due instant up to here has its row.
    until: Timestamp,
    next: Option<Timestamp>,
    /// Schedules that were in force up to now and are not any more: they account for the time before the edit.
    former: Option<Vec<Schedule>>,
}

/// Writes the ledger. One per daemon.
pub struct Planner {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    dice: Arc<Dice>,
    board: Arc<Board>,
    entries: HashMap<WorkflowName, Entry>,
    due: BinaryHeap<Reverse<(Timestamp, WorkflowName)>>,
}

/// The schedules of a workflow as the ledger keeps them, to know an edit when it comes.
fn written(workflow: &Workflow) -> String {
    let mut out = String::new();
    for schedule in &workflow.schedules {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&source(schedule));
    }
    out
}

fn source(schedule: &Schedule) -> String {
    format!("{} | {} | {}", schedule.text(), schedule.zone(), schedule.dst())
}

fn reread(text: &str) -> Option<Vec<Schedule>> {
    text.lines()
        .map(|line| {
            let mut parts = line.split(" | ");
            let (expression, zone, dst) = (parts.next()?, parts.next()?.parse().ok()?, Dst::parse(parts.next()?).ok()?);
            Schedule::parse(expression, zone, dst).ok()
        })
        .collect()
}

fn next_of<'a>(schedules: impl IntoIterator<Item = &'a Schedule>, after: Timestamp) -> Option<Timestamp> {
    schedules.into_iter().filter_map(|s| s.next(after)).min()
}

/// Due instants of several schedules in order, each once, with the schedule it came from.
fn due_between<'a>(
    schedules: &'a [&'a Schedule],
    after: Timestamp,
    until: Timestamp,
) -> impl Iterator<Item = (Timestamp, &'a Schedule)> + 'a {
    let mut at = after;
    std::iter::from_fn(move || {
        let (next, from) = schedules.iter().filter_map(|s| s.next(at).map(|t| (t, *s))).min_by_key(|(t, _)| *t)?;
        at = next;
        (next <= until).then_some((next, from))
    })
}

impl Planner {
    /// A planner for this configuration, which takes over where the ledger ends.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        dice: Arc<Dice>,
        board: Arc<Board>,
        instance: &Instance,
    ) -> Result<Self, CommitError> {
        let mut planner = Self { store, clock, dice, board, entries: HashMap::new(), due: BinaryHeap::new() };
        planner.adopt(instance)?;
        Ok(planner)
    }

    /// Takes over a configuration: new workflows start now, edited ones are planned anew from now, removed ones end.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn adopt(&mut self, instance: &Instance) -> Result<(), CommitError> {
        let now = self.clock.now();
        let reader = self.store.read()?;
        let mut known: HashMap<String, view::WorkflowRow> =
            view::workflows(&reader)?.into_iter().map(|row| (row.name.clone(), row)).collect();
        drop(reader);
        self.entries = HashMap::with_capacity(instance.workflows.len());
        let mut heap = Vec::with_capacity(instance.workflows.len());
        let mut fresh = Vec::new();
        for (name, workflow) in &instance.workflows {
            let row = known.remove(name.as_str());
            let schedule = written(workflow);
            let edited = row.as_ref().is_some_and(|r| r.schedule != schedule);
            let is_new = row.is_none();
            if let Some(row) = &row {
                self.board.set_standing(name, Standing { failures: row.failures, paused: row.paused.clone() });
            }
            let (until, former) = match row {
                // A workflow that is switched off accounts for nothing, and starts anew when it is switched on.
                Some(row) if workflow.enabled => (row.ledger_until, edited.then(|| reread(&row.schedule).unwrap_or_default())),
                Some(_) | None => (now, None),
            };
            let entry = Entry { workflow: workflow.clone(), until, next: None, former };
            if is_new || !workflow.enabled {
                fresh.push(Op::LedgerUntil { workflow: name.as_str().into(), until: now, schedule });
            }
            if let Some(next) = self.entries.entry(name.clone()).insert_entry(entry).get_mut().replan() {
                heap.push(Reverse((next, name.clone())));
            }
        }
        // Workflows that left the configuration keep their rows; should they come back, they start anew.
        for row in known.into_values().filter(|row| row.schedule != REMOVED) {
            fresh.push(Op::LedgerUntil { workflow: row.name, until: now, schedule: REMOVED.into() });
        }
        self.due = BinaryHeap::from(heap);
        if !fresh.is_empty() {
            self.store.commit(Change::new(now, fresh))?;
        }
        Ok(())
    }

    /// Records everything that has come due and puts up what is to run.
    ///
    /// # Errors
    /// When the store cannot be written; nothing was put up then, and the next turn tries again.
    pub fn turn(&mut self) -> Result<Turn, CommitError> {
        let now = self.clock.now();
        let mut names = Vec::new();
        while let Some(Reverse((at, _))) = self.due.peek() {
            if *at > now {
                break;
            }
            let Some(Reverse((at, name))) = self.due.pop() else { break };
            if self.entries.get(&name).is_some_and(|e| e.next == Some(at)) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return Ok(Turn::Idle(self.due.peek().map(|Reverse((at, _))| *at)));
        }
        let mut result = Ok(Turn::Did);
        let mut rest = names.as_slice();
        while !rest.is_empty() && result.is_ok() {
            let (count, done) = self.record(rest, now);
            for name in &rest[..count] {
                if let (Ok(()), Some(entry)) = (&done, self.entries.get_mut(name)) {
                    entry.until = now;
                    entry.former = None;
                }
            }
            rest = &rest[count..];
            result = done.map(|()| Turn::Did);
        }
        for name in names {
            if let Some(next) = self.entries.get_mut(&name).and_then(Entry::replan) {
                self.due.push(Reverse((next, name)));
            }
        }
        result
    }

    /// When a workflow is due next.
    pub fn next_due(&self, name: &WorkflowName) -> Option<Timestamp> {
        self.entries.get(name).and_then(|e| e.next)
    }

    /// Records as many of these workflows as fit one commit, and says how many that were. Rows and the mark that says they
    /// are there go together, so a crash leaves each workflow either accounted for or not.
    fn record(&self, names: &[WorkflowName], now: Timestamp) -> (usize, Result<(), CommitError>) {
        let mut ops = Vec::new();
        let mut starts = Starts::default();
        let mut count = 0;
        for name in names {
            count += 1;
            let Some(entry) = self.entries.get(name) else { continue };
            Plan { planner: self, entry, now, ops: &mut ops, starts: &mut starts }.account();
            ops.push(Op::LedgerUntil { workflow: name.as_str().into(), until: now, schedule: written(&entry.workflow) });
            if ops.len() >= CHUNK {
                break;
            }
        }
        let done = self.store.commit(Change::new(now, ops)).map(|_| {
            self.board.post_scheduled(starts.now, starts.behind, now);
            starts.cancel.into_iter().for_each(|id| {
                self.board.cancel(id);
            });
        });
        (count, done)
    }
}

/// What the ledger's new rows put up on the board once they are committed.
#[derive(Default)]
struct Starts {
    now: Vec<Claim>,
    behind: Vec<Claim>,
    cancel: Vec<RunId>,
}

impl Entry {
    fn replan(&mut self) -> Option<Timestamp> {
        self.next = if !self.workflow.enabled {
            None
        } else if self.former.is_some() {
            // The time before the edit is accounted for at the next turn, whatever the new schedule says.
            Some(self.until)
        } else {
            next_of(self.workflow.schedules.iter().map(|s| &**s), self.until)
        };
        self.next
    }
}

/// Accounts for one workflow's due instants from the end of its ledger until now.
struct Plan<'a> {
    planner: &'a Planner,
    entry: &'a Entry,
    now: Timestamp,
    ops: &'a mut Vec<Op>,
    starts: &'a mut Starts,
}

impl Plan<'_> {
    fn account(&mut self) {
        let workflow = &self.entry.workflow;
        let schedules: Vec<&Schedule> = match &self.entry.former {
            Some(former) => former.iter().collect(),
            None => workflow.schedules.iter().map(|s| &**s).collect(),
        };
        let window_from = self.now.minus(workflow.window.max(LATE));
        let late_from = self.now.minus(LATE);
        let mut lost = Stretch::default();
        let mut late = Vec::new();
        let mut on_time = Vec::new();
        for (due, schedule) in due_between(&schedules, self.entry.until, self.now) {
            if due < window_from {
                lost.add(due, schedule);
            } else if due < late_from {
                late.push((due, schedule));
            } else {
                on_time.push((due, schedule));
            }
        }
        if let Some(reason) = &self.planner.board.standing(&workflow.name).paused {
            let reason = format!("paused: {reason}");
            lost.take().into_iter().for_each(|row| self.row(row, Fate::Missed, &reason));
            for (due, schedule) in late.into_iter().chain(on_time) {
                self.row(Row::one(due, schedule), Fate::Skipped, &reason);
            }
            return;
        }
        let outside = format!("Beffroi was not running, and it is longer ago than the window of {}", show_span(workflow.window));
        lost.take().into_iter().for_each(|row| self.row(row, Fate::Missed, &outside));
        match workflow.missed {
            Missed::Skip => {
                let mut missed = Stretch::default();
                late.into_iter().for_each(|(due, schedule)| missed.add(due, schedule));
                missed
                    .take()
                    .into_iter()
                    .for_each(|row| self.row(row, Fate::Missed, "Beffroi was not running, and missed = \"skip\""));
            }
            Missed::Latest => {
                // The latest stands for all: an occurrence that is on time does, if there is one.
                let runs = if on_time.is_empty() { late.pop() } else { Some(on_time.remove(0)) };
                if let Some((due, schedule)) = runs {
                    let id = self.start(due, schedule, false);
                    for (due, schedule) in late {
                        self.coalesce(due, schedule, id);
                    }
                }
            }
            Missed::All => late.into_iter().for_each(|(due, schedule)| {
                self.start(due, schedule, true);
            }),
        }
        let catching_up = !self.starts.behind.is_empty() && workflow.missed == Missed::All;
        for (due, schedule) in on_time {
            self.start(due, schedule, catching_up);
        }
    }

    fn occurrence(&self, due: Timestamp, schedule: &Schedule) -> NewOccurrence {
        NewOccurrence {
            id: self.planner.store.next_run(),
            workflow: self.entry.workflow.name.as_str().into(),
            kind: TriggerKind::Schedule,
            due,
            start_at: due,
            schedule: Some(source(schedule)),
            payload: None,
            fate: None,
            into: None,
            stretch: None,
        }
    }

    fn row(&mut self, row: Row<'_>, fate: Fate, reason: &str) {
        let stretch = (row.count > 1).then_some((row.last, row.count));
        self.ops.push(Op::Occur(NewOccurrence {
            fate: Some((fate, reason.into())),
            stretch,
            ..self.occurrence(row.first, row.schedule)
        }));
    }

    fn coalesce(&mut self, due: Timestamp, schedule: &Schedule, into: RunId) {
        let reason = format!("{into} runs for it");
        self.ops.push(Op::Occur(NewOccurrence {
            fate: Some((Fate::Coalesced, reason)),
            into: Some(into),
            ..self.occurrence(due, schedule)
        }));
    }

    /// Lets an occurrence run, now or after the one before it, or not at all, as the overlap policy says. While catching up
    /// (`missed = "all"`) the occurrences wait for each other whatever the policy: none of them overlaps by its own fault.
    fn start(&mut self, due: Timestamp, schedule: &Schedule, catching_up: bool) -> RunId {
        let workflow = self.entry.workflow.clone();
        let mut occurrence = self.occurrence(due, schedule);
        let id = occurrence.id;
        let open = self.planner.board.scheduled_open(&workflow.name).into_iter().next();
        let ahead = open.or_else(|| self.starts.now.iter().rev().find(|c| c.workflow.name == workflow.name).map(|c| c.id));
        let jitter = self.planner.dice.below(u64::try_from(workflow.jitter.as_millis()).unwrap_or(u64::MAX));
        occurrence.start_at = due.plus(Duration::from_millis(jitter));
        let mut claim = Claim::new(id, workflow.clone(), TriggerKind::Schedule, due);
        claim.start_at = occurrence.start_at;
        claim.recorded = true;
        match (ahead, workflow.overlap) {
            (Some(ahead), Overlap::Skip) if !catching_up => {
                occurrence.fate = Some((Fate::Skipped, format!("{ahead}, the run before it, was still going")));
                self.ops.push(Op::Occur(occurrence));
            }
            (Some(ahead), overlap) => {
                if overlap == Overlap::CancelRunning && !catching_up {
                    self.starts.cancel.push(ahead);
                }
                self.ops.push(Op::Occur(occurrence));
                self.starts.behind.push(claim);
            }
            (None, _) => {
                self.ops.push(Op::Occur(occurrence));
                if claim.start_at <= self.now {
                    claim.begun = true;
                    self.ops.push(Op::Attempt { id, attempt: 1, interrupted: 0, version: workflow.version.to_string() });
                }
                self.starts.now.push(claim);
            }
        }
        id
    }
}

struct Row<'a> {
    first: Timestamp,
    last: Timestamp,
    count: i64,
    schedule: &'a Schedule,
}

impl<'a> Row<'a> {
    fn one(due: Timestamp, schedule: &'a Schedule) -> Self {
        Self { first: due, last: due, count: 1, schedule }
    }
}

/// Collects missed instants: singly while they are few, as one stretch when they are many.
#[derive(Default)]
struct Stretch<'a> {
    rows: Vec<Row<'a>>,
    whole: bool,
}

impl<'a> Stretch<'a> {
    fn add(&mut self, due: Timestamp, schedule: &'a Schedule) {
        match self.rows.first_mut() {
            Some(first) if self.whole => {
                first.last = due;
                first.count += 1;
            }
            _ => self.rows.push(Row::one(due, schedule)),
        }
        if !self.whole && self.rows.len() > STRETCH {
            let first = self.rows[0].first;
            let count = i64::try_from(self.rows.len()).unwrap_or(i64::MAX);
            self.rows = vec![Row { first, last: due, count, schedule }];
            self.whole = true;
        }
    }

    fn take(self) -> Vec<Row<'a>> {
        self.rows
    }
}
