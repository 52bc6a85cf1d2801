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
use crate::store::{Change, CommitError, Fate, NewOccurrence, Op, Store, TriggerKind, ledger, view};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// An occurrence this late is a missed one; before that it is merely on its way.
const LATE: Duration = Duration::from_secs(60);
/// Operations in one commit: bounds how long other writers wait behind a long catch-up.
const CHUNK: usize = 2_000;
/// What stands in place of the schedule of a workflow that left the configuration.
pub(crate) const REMOVED: &str = "removed";
/// What stands in place of the schedule of a workflow that is switched off.
pub(crate) const OFF: &str = "off";
/// A clock that went back further than this was wrong before, and the ledger goes back with it. A smaller step is waited
/// out: what is due in between has its rows, if the schedules were in force back then already.
const STEP_BACK: Duration = Duration::from_secs(3_600);
/// More missed instants than this in a row become one row that counts them.
const STRETCH: usize = 100;

struct Entry {
    workflow: Arc<Workflow>,
    /// Every due instant up to here has its row.
    until: Timestamp,
    /// The furthest `until` ever was. While the clock goes through the time between the two again, what has come due in it
    /// already has its row.
    accounted: Timestamp,
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
    /// The latest `until` of all.
    latest: Timestamp,
    /// Since when the newest of the schedules is in force. It has no rows for the time before, should that come again.
    newest: Timestamp,
}

/// The workflows whose ledger must go back with a clock that says `now`: those that are far ahead of it, and those whose
/// schedules came into force at a time that is yet to come again.
struct Ahead {
    now: Timestamp,
    newer: HashSet<String>,
}

impl Ahead {
    fn of(db: &view::Db, now: Timestamp) -> Result<Self, view::DbError> {
        Ok(Self { now, newer: ledger::begun_after(db, now)?.into_iter().collect() })
    }

    fn has(&self, workflow: &str, until: Timestamp) -> bool {
        until > self.now.plus(STEP_BACK) || until > self.now && self.newer.contains(workflow)
    }
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

/// The schedules of a text as the ledger keeps it; none for a workflow that was off or away. `None` when it cannot be read.
pub(crate) fn kept(text: &str) -> Option<Vec<Schedule>> {
    if text == OFF || text == REMOVED { Some(Vec::new()) } else { reread(text) }
}

/// A schedule in words and as it was written.
pub(crate) fn described(schedule: &Schedule, language: crate::domain::Language) -> String {
    format!("{} ({}, {})", schedule.describe(language), schedule.text(), schedule.zone().name())
}

/// What a workflow's ledger is to say of its schedules, as the configuration has it.
pub(crate) fn meant(workflow: &Workflow) -> String {
    if workflow.enabled { written(workflow) } else { OFF.to_owned() }
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
        let mut planner = Self {
            store,
            clock,
            dice,
            board,
            entries: HashMap::new(),
            due: BinaryHeap::new(),
            latest: Timestamp::EPOCH,
            newest: Timestamp::EPOCH,
        };
        planner.adopt(instance, Vec::new())?;
        Ok(planner)
    }

    /// Takes over a configuration: new workflows start now, edited ones are planned anew from now, removed ones end. Other
    /// changes that come with it are made in the same commit.
    ///
    /// # Errors
    /// When the store cannot be read or written; the configuration before it stays in force then.
    pub fn adopt(&mut self, instance: &Instance, with: Vec<Op>) -> Result<(), CommitError> {
        let now = self.clock.now();
        // What has come due up to now belongs to the configuration that was in force up to now.
        self.turn_at(now)?;
        let reader = self.store.read()?;
        let mut known: HashMap<String, view::WorkflowRow> =
            view::workflows(&reader)?.into_iter().map(|row| (row.name.clone(), row)).collect();
        let ahead = Ahead::of(&reader, now)?;
        let mut newest = ledger::newest(&reader)?.map_or(now, |newest| newest.min(now));
        drop(reader);
        let mut entries = HashMap::with_capacity(instance.workflows.len());
        let mut latest = Timestamp::EPOCH;
        let mut heap = Vec::with_capacity(instance.workflows.len());
        let mut fresh = Vec::new();
        for (name, workflow) in &instance.workflows {
            let row = known.remove(name.as_str());
            let schedule = meant(workflow);
            let edited = row.as_ref().is_some_and(|r| r.schedule != schedule);
            if let Some(row) = &row {
                self.board.set_standing(name, Standing { failures: row.failures, paused: row.paused.clone() });
            }
            let mut entry = Entry { workflow: workflow.clone(), until: now, accounted: now, next: None, former: None };
            match row {
                Some(row) if workflow.enabled => {
                    (entry.until, entry.accounted) = (row.ledger_until, row.accounted.max(row.ledger_until));
                    if edited && entry.until > now || ahead.has(&row.name, entry.until) {
                        // The clock was ahead: what comes now is the time of the schedules of now.
                        entry.until = now;
                        fresh.push(Op::LedgerUntil { workflow: row.name, until: now, schedule });
                    } else if edited {
                        // One that was removed or switched off has no former schedules: it starts anew.
                        entry.former = Some(reread(&row.schedule).unwrap_or_default());
                    }
                }
                Some(row) if edited => self.end(row, now, OFF, &mut fresh)?,
                Some(_) => {}
                None => fresh.push(Op::LedgerUntil { workflow: name.as_str().into(), until: now, schedule }),
            }
            latest = latest.max(entry.until);
            if let Some(next) = entries.entry(name.clone()).insert_entry(entry).get_mut().replan() {
                heap.push(Reverse((next, name.clone())));
            }
        }
        // Workflows that left the configuration keep their rows; should they come back, they start anew.
        for row in known.into_values().filter(|row| row.schedule != REMOVED) {
            self.end(row, now, REMOVED, &mut fresh)?;
        }
        if !fresh.is_empty() {
            newest = now;
        }
        fresh.extend(with);
        if !fresh.is_empty() {
            self.store.commit(Change::new(now, fresh))?;
        }
        // Only now: a configuration that could not be taken over leaves the one before it in force.
        (self.entries, self.due, self.latest, self.newest) = (entries, BinaryHeap::from(heap), latest, newest);
        Ok(())
    }

    /// Closes the ledger of a workflow that is gone or switched off. What came due before that, while nobody was there, was
    /// missed; nothing is made up for it.
    fn end(&self, row: view::WorkflowRow, now: Timestamp, why: &str, ops: &mut Vec<Op>) -> Result<(), CommitError> {
        let reader = self.store.read()?;
        let former = reread(&row.schedule).unwrap_or_default();
        let schedules: Vec<&Schedule> = former.iter().collect();
        let mut lost = Stretch::default();
        for (due, schedule) in due_between(&schedules, row.ledger_until, now) {
            // In time that comes again, what came due the first time has its row.
            if due > row.accounted || view::ledger_row(&reader, &row.name, due)?.is_none() {
                lost.add(due, schedule);
            }
        }
        for missed in lost.take() {
            let reason = "Beffroi was not running, and then the workflow was removed or switched off".to_owned();
            ops.push(Op::Occur(missed.occurrence(self.store.next_run(), &row.name, (Fate::Missed, reason))));
        }
        ops.push(Op::LedgerUntil { workflow: row.name, until: now, schedule: why.into() });
        Ok(())
    }

    /// Goes back with a clock that was ahead. Rows stay as they are; each instant is looked up when it comes again.
    fn go_back(&mut self, now: Timestamp) -> Result<(), CommitError> {
        let reader = self.store.read()?;
        let ahead = Ahead::of(&reader, now)?;
        let mut ops = Vec::new();
        for row in view::workflows(&reader)?.into_iter().filter(|row| ahead.has(&row.name, row.ledger_until)) {
            ops.push(Op::LedgerUntil { workflow: row.name, until: now, schedule: row.schedule });
        }
        drop(reader);
        self.store.commit(Change::new(now, ops))?;
        tracing::warn!("the clock went back from {} to {now}; the ledger goes on from here", self.latest);
        let mut heap = Vec::with_capacity(self.entries.len());
        (self.latest, self.newest) = (now, now);
        for (name, entry) in &mut self.entries {
            if ahead.has(name.as_str(), entry.until) || entry.former.is_some() && entry.until > now {
                entry.until = now;
            }
            self.latest = self.latest.max(entry.until);
            heap.extend(entry.replan().map(|next| Reverse((next, name.clone()))));
        }
        self.due = BinaryHeap::from(heap);
        self.board.clock_went_back(now);
        Ok(())
    }

    /// Records everything that has come due and puts up what is to run.
    ///
    /// # Errors
    /// When the store cannot be written; nothing was put up then, and the next turn tries again.
    pub fn turn(&mut self) -> Result<Turn, CommitError> {
        self.turn_at(self.clock.now())
    }

    fn turn_at(&mut self, now: Timestamp) -> Result<Turn, CommitError> {
        if self.latest > now.plus(STEP_BACK) || self.newest > now {
            self.go_back(now)?;
        }
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
                    (entry.until, entry.accounted) = (now, entry.accounted.max(now));
                    if entry.former.take().is_some() {
                        self.newest = now;
                    }
                }
            }
            if done.is_ok() {
                self.latest = self.latest.max(now);
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
            let plan = Plan { planner: self, entry, now, ops: &mut ops, starts: &mut starts };
            if let Err(error) = plan.account() {
                return (count, Err(error));
            }
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
    fn account(mut self) -> Result<(), CommitError> {
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
            let known = if due <= self.entry.accounted { self.known(due)? } else { None };
            if let Some(row) = known {
                // The clock was ahead: this comes a second time. What nobody was there for keeps the row it has.
                if due >= late_from && self.is_free(row, due, &schedules) {
                    on_time.push((due, schedule));
                }
            } else if due < window_from {
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
            return Ok(());
        }
        let outside = format!("Beffroi was not running, and it is longer ago than the window of {}", show_span(workflow.window));
        lost.take().into_iter().for_each(|row| self.row(row, Fate::Missed, &outside));
        let mut catching_up = !late.is_empty() && workflow.missed != Missed::Skip;
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
                    // It waits for a run that goes on: skipped, it would leave nobody to run for the others.
                    let id = self.start(due, schedule, catching_up);
                    for (due, schedule) in late {
                        self.coalesce(due, schedule, id);
                    }
                }
                catching_up = false;
            }
            Missed::All => late.into_iter().for_each(|(due, schedule)| {
                self.start(due, schedule, true);
            }),
        }
        for (due, schedule) in on_time {
            self.start(due, schedule, catching_up);
        }
        Ok(())
    }

    /// The row of an instant that may come a second time. After an edit in between there may be none.
    fn known(&self, due: Timestamp) -> Result<Option<view::LedgerRow>, CommitError> {
        Ok(view::ledger_row(&*self.planner.store.read()?, self.entry.workflow.name.as_str(), due)?)
    }

    /// Whether nothing ran yet for an instant that comes a second time. The row that says it was missed, or skipped, while
    /// the clock was ahead is taken back: it was not true after all.
    fn is_free(&mut self, row: view::LedgerRow, due: Timestamp, schedules: &[&Schedule]) -> bool {
        if row.ran {
            return false;
        }
        let just_before = |t: Timestamp| t.minus(Duration::from_millis(1));
        let (mut passed, mut last) = (0, None);
        for (at, _) in due_between(schedules, just_before(row.first), just_before(due)).take_while(|_| row.count > 1) {
            (passed, last) = (passed + 1, Some(at));
        }
        // An edit since then may have changed how many there are; none gets lost, and none is invented.
        let passed: i64 = passed.min(row.count - 1);
        let left = row.count - passed - 1;
        let next = due_between(schedules, due, row.last).next().filter(|_| left > 0);
        let after = next.map(|(at, _)| (self.planner.store.next_run(), at, left));
        self.ops.push(Op::Carve { id: row.id, before: last.map(|at| (at, passed)), after });
        true
    }

    fn occurrence(&self, due: Timestamp, schedule: &Schedule) -> NewOccurrence {
        scheduled(self.planner.store.next_run(), self.entry.workflow.name.as_str(), due, schedule)
    }

    fn row(&mut self, row: Row<'_>, fate: Fate, reason: &str) {
        let (id, name) = (self.planner.store.next_run(), self.entry.workflow.name.as_str());
        self.ops.push(Op::Occur(row.occurrence(id, name, (fate, reason.into()))));
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
        let open = self.planner.board.scheduled_open(&workflow.name);
        let own = self.starts.now.iter().rev().find(|c| c.workflow.name == workflow.name).map(|c| c.id);
        let ahead = open.first().copied().or(own);
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
            (Some(_), overlap) => {
                if overlap == Overlap::CancelRunning && !catching_up {
                    // Those that wait as well: only the newest is to run.
                    let waiting = self.starts.behind.iter().filter(|c| c.workflow.name == workflow.name).map(|c| c.id);
                    self.starts.cancel.extend(waiting.chain(own).chain(open));
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

fn scheduled(id: RunId, workflow: &str, due: Timestamp, schedule: &Schedule) -> NewOccurrence {
    let open = NewOccurrence::open(id, workflow, TriggerKind::Schedule, due);
    NewOccurrence { schedule: Some(source(schedule)), ..open }
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

    fn occurrence(&self, id: RunId, workflow: &str, fate: (Fate, String)) -> NewOccurrence {
        let stretch = (self.count > 1).then_some((self.last, self.count));
        NewOccurrence { fate: Some(fate), stretch, ..scheduled(id, workflow, self.first, self.schedule) }
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
