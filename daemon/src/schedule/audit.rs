//! Counts the ledger again from nothing: what the schedules say was due, against what the ledger holds.
//!
//! In: the spans in which schedules were in force, and the ledger's rows, both one after the other. Out: how many due instants
//! there were, and each that has no row, more than one, or a row without a fate.
//! Never: trusts how far the planner says it got, mends anything, or holds more than a few examples in memory.

use super::cron::Schedule;
use super::ledger::{OFF, kept, meant};
use crate::domain::Timestamp;
use crate::instance::Instance;
use crate::store::RunState;
use crate::store::ledger::{self, Span, StretchRow};
use crate::store::view::{Db, DbError, workflows};
use serde::Serialize;
use std::iter::Peekable;
use std::time::Duration;

/// Examples kept of each sort.
const EXAMPLES: usize = 20;
/// What is open this long after it might have started, and neither runs nor waits behind one that does, has been forgotten.
const LATELY: Duration = Duration::from_secs(3_600);
/// No attempt takes this long.
const LONGEST_RUN: Duration = Duration::from_secs(86_400);

/// Due instants of one workflow, in a row, of which the same is to be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The workflow.
    pub workflow: String,
    /// The first of them.
    pub due: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many.
    pub count: u64,
}

/// How many there are of a sort, and the first few.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// All of them.
    pub count: u64,
    /// The first few.
    pub examples: Vec<Example>,
    /// Whether the next one continues the last example.
    #[serde(skip)]
    runs_on: bool,
}

impl Found {
    fn add(&mut self, workflow: &str, due: Timestamp, count: u64) {
        self.count += count;
        let room = self.examples.len() < EXAMPLES;
        match self.examples.last_mut().filter(|e| self.runs_on && e.workflow == workflow) {
            Some(example) => (example.last, example.count) = (due, example.count + count),
            None if room => {
                self.examples.push(Example { workflow: workflow.to_owned(), due, last: due, count });
                self.runs_on = true;
            }
            None => {}
        }
    }

    fn and(mut self, more: Self) -> Self {
        self.count += more.count;
        self.examples.extend(more.examples);
        self.examples.truncate(EXAMPLES);
        self
    }
}

/// What a count came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// From here, itself included.
    pub from: Timestamp,
    /// Up to here, itself not.
    pub to: Timestamp,
    /// Due instants by the schedules that were in force.
    pub expected: u64,
    /// Those of them that the ledger has.
    pub found: u64,
    /// Due instants without a row.
    pub missing: Found,
    /// Rows at instants at which nothing was due.
    pub extra: Found,
    /// Rows that should have had their fate long ago.
    pub without_fate: Found,
    /// Instants with more than one row.
    pub doubled: Found,
    /// Workflows whose history of schedules cannot be read, or does not lead up to what is in force.
    pub unknown: Vec<String>,
}

impl Audit {
    /// Whether every due instant has exactly one row and one fate.
    pub fn holds(&self) -> bool {
        let none = |found: &Found| found.count == 0;
        none(&self.missing) && none(&self.extra) && none(&self.without_fate) && none(&self.doubled) && self.unknown.is_empty()
    }

    /// Two counts that follow each other as one.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        let mut unknown = self.unknown;
        unknown.extend(later.unknown);
        unknown.sort();
        unknown.dedup();
        Self {
            from: self.from,
            to: later.to,
            expected: self.expected + later.expected,
            found: self.found + later.found,
            missing: self.missing.and(later.missing),
            extra: self.extra.and(later.extra),
            without_fate: self.without_fate.and(later.without_fate),
            doubled: self.doubled.and(later.doubled),
            unknown,
        }
    }
}

/// Counts the ledger in a window: `from <= t < to`. Whatever came due before `to` must have its row by now.
///
/// # Errors
/// When the database cannot be read.
pub fn audit(db: &Db, from: Timestamp, to: Timestamp) -> Result<Audit, DbError> {
    let mut audit = Audit {
        from,
        to,
        expected: 0,
        found: 0,
        missing: Found::default(),
        extra: Found::default(),
        without_fate: Found::default(),
        doubled: Found::default(),
        unknown: ledger::without_history(db)?,
    };
    let spans = ledger::spans(db, None, from, to)?;
    for spans in spans.chunk_by(|a, b| a.workflow == b.workflow) {
        let workflow = spans[0].workflow.as_str();
        let Some(due) = Due::of(spans, from, to) else {
            if !audit.unknown.iter().any(|name| name == workflow) {
                audit.unknown.push(workflow.to_owned());
            }
            continue;
        };
        let stretches = ledger::stretches(db, workflow, from, to)?;
        let twice = spans.iter().filter(|s| s.again > s.since).map(|s| (s.since, s.again)).collect();
        let mut merge = Merge {
            workflow,
            known: spans[0].known,
            due: due.peekable(),
            stretches: stretches.into_iter().peekable(),
            twice,
            open: None,
            before: None,
            audit: &mut audit,
        };
        merge.reach_in(from);
        ledger::each_due(db, workflow, from, to, |due| merge.row(due))?;
        merge.finish();
    }
    forgotten(db, &mut audit)?;
    Ok(audit)
}

/// Open rows that nobody works on and that nothing holds up.
fn forgotten(db: &Db, audit: &mut Audit) -> Result<(), DbError> {
    let rows = ledger::open_rows(db)?;
    for rows in rows.chunk_by(|a, b| a.workflow == b.workflow) {
        // Those behind the first wait for it.
        let held_up = rows.iter().take(1).any(|first| match (first.state, first.started) {
            (Some(RunState::Running), Some(started)) => started > audit.to.minus(LONGEST_RUN),
            (None | Some(RunState::Waiting), _) => first.start_at > audit.to.minus(LATELY),
            _ => false,
        });
        if held_up {
            continue;
        }
        let (from, to) = (audit.from, audit.to);
        for row in rows.iter().filter(|row| row.due >= from && row.due < to && row.start_at <= to.minus(LATELY)) {
            audit.without_fate.runs_on = false;
            audit.without_fate.add(&row.workflow, row.due, 1);
        }
    }
    Ok(())
}

/// Workflows that the configuration and the ledger's history do not agree about: an edit that was never taken over.
///
/// # Errors
/// When the database cannot be read.
pub fn adrift(db: &Db, instance: &Instance) -> Result<Vec<String>, DbError> {
    let rows = workflows(db)?;
    let known = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.schedule.as_str());
    let astray = instance.workflows.values().filter(|w| known(w.name.as_str()).is_none_or(|kept| kept != meant(w)));
    let mut names: Vec<String> = astray.map(|w| w.name.as_str().to_owned()).collect();
    let here = |name: &str| instance.workflows.keys().any(|n| n.as_str() == name);
    names.extend(
        rows.iter().filter(|r| !here(&r.name) && kept(&r.schedule).is_none_or(|s| !s.is_empty())).map(|r| r.name.clone()),
    );
    Ok(names)
}

/// The oldest due instant that should have a row by now and has none, or whose row is open although it might long have started:
/// what a schedule that has silently stopped looks like from outside.
///
/// # Errors
/// When the database cannot be read.
pub fn overdue(db: &Db, now: Timestamp) -> Result<Option<(Timestamp, String)>, DbError> {
    let mut oldest: Option<(Timestamp, String)> = None;
    let mut older = |at: Timestamp, workflow: &str| {
        if at <= now && oldest.as_ref().is_none_or(|(first, _)| at < *first) {
            oldest = Some((at, workflow.to_owned()));
        }
    };
    for row in workflows(db)?.iter().filter(|row| row.schedule != OFF) {
        let next = kept(&row.schedule).into_iter().flatten().filter_map(|s| s.next(row.ledger_until)).min();
        if let Some(next) = next {
            older(next, &row.name);
        }
    }
    let rows = ledger::open_rows(db)?;
    for rows in rows.chunk_by(|a, b| a.workflow == b.workflow) {
        let working = rows.iter().any(|row| row.state == Some(RunState::Running));
        if let Some(first) = rows.first().filter(|_| !working) {
            older(first.start_at, &first.workflow);
        }
    }
    Ok(oldest)
}

/// Schedules in force for a while, and when they are due next in it.
struct Cursor {
    schedules: Vec<Schedule>,
    until: Timestamp,
    next: Option<Timestamp>,
}

impl Cursor {
    fn go_on(&mut self, after: Timestamp) {
        self.next = self.schedules.iter().filter_map(|s| s.next(after)).min().filter(|at| *at <= self.until);
    }
}

/// The due instants of a workflow's spans in a window, in order. `None` when a schedule cannot be read.
pub fn due_in(spans: &[Span], from: Timestamp, to: Timestamp) -> Option<impl Iterator<Item = Timestamp> + use<>> {
    Due::of(spans, from, to)
}

/// The due instants of a workflow in order, each once.
struct Due {
    cursors: Vec<Cursor>,
    to: Timestamp,
}

impl Due {
    /// Starts anew at the beginning of the window. `None` when a schedule cannot be read.
    fn of(spans: &[Span], from: Timestamp, to: Timestamp) -> Option<Self> {
        let just_before = from.minus(Duration::from_millis(1));
        let mut cursors = Vec::with_capacity(spans.len());
        for span in spans {
            let until = span.until.unwrap_or(Timestamp::NEVER);
            let mut cursor = Cursor { schedules: kept(&span.schedule)?, until, next: None };
            cursor.go_on(span.since.max(just_before));
            cursors.push(cursor);
        }
        Some(Self { cursors, to })
    }
}

impl Iterator for Due {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        let at = self.cursors.iter().filter_map(|c| c.next).min().filter(|at| *at < self.to)?;
        self.cursors.iter_mut().filter(|c| c.next == Some(at)).for_each(|cursor| cursor.go_on(at));
        Some(at)
    }
}

/// A stretch that the count is within.
struct Within {
    row: StretchRow,
    seen: u64,
    whole: bool,
}

/// Goes through due instants and rows side by side.
struct Merge<'a> {
    workflow: &'a str,
    known: Timestamp,
    due: Peekable<Due>,
    stretches: Peekable<std::vec::IntoIter<StretchRow>>,
    /// Where time was lived twice, under different schedules perhaps: there a stretch is not counted instant by instant.
    twice: Vec<(Timestamp, Timestamp)>,
    open: Option<Within>,
    before: Option<Timestamp>,
    audit: &'a mut Audit,
}

impl Merge<'_> {
    /// Begins within a stretch that began before the window.
    fn reach_in(&mut self, from: Timestamp) {
        while let Some(row) = self.stretches.next_if(|row| row.first < from) {
            self.open = Some(Within { row, seen: 0, whole: false });
        }
    }

    /// The next row begins at this instant.
    fn row(&mut self, at: Timestamp) {
        if self.before == Some(at) {
            self.audit.doubled.add(self.workflow, at, 1);
            return;
        }
        self.up_to(at);
        self.before = Some(at);
        let was_due = self.due.next_if(|due| *due == at).is_some();
        if let Some(open) = &self.open {
            // Rows of the first time and of the second may stand side by side.
            if at <= open.row.last && !self.lived_twice(open.row) {
                self.audit.doubled.add(self.workflow, at, 1);
            }
        }
        let stretch = self.stretches.next_if(|row| row.first == at);
        if at <= self.known {
            // From before the history began: nothing is known of it.
            return;
        }
        if was_due {
            self.audit.expected += 1;
            self.audit.found += 1;
            self.audit.missing.runs_on = false;
        } else {
            self.audit.extra.add(self.workflow, at, 1);
        }
        if let Some(row) = stretch {
            self.close();
            self.open = Some(Within { row, seen: u64::from(was_due), whole: row.last < self.audit.to });
        }
    }

    /// Counts the due instants before this one that begin no row.
    fn up_to(&mut self, at: Timestamp) {
        while let Some(due) = self.due.next_if(|due| *due < at) {
            if self.open.as_ref().is_some_and(|open| due > open.row.last) {
                self.close();
            }
            self.audit.expected += 1;
            if let Some(open) = &mut self.open {
                open.seen += 1;
                self.audit.found += 1;
                self.audit.missing.runs_on = false;
            } else {
                self.audit.missing.add(self.workflow, due, 1);
            }
        }
        if self.open.as_ref().is_some_and(|open| at > open.row.last) {
            self.close();
        }
    }

    /// Leaves a stretch: it must have stood for as many instants as it says.
    fn close(&mut self) {
        let Some(Within { row, seen, whole }) = self.open.take() else { return };
        let count = u64::try_from(row.count).unwrap_or(0);
        if self.lived_twice(row) {
            return;
        }
        if seen > count {
            self.audit.found -= (seen - count).min(self.audit.found);
            self.audit.missing.runs_on = false;
            self.audit.missing.add(self.workflow, row.first, seen - count);
        } else if whole && seen < count {
            self.audit.extra.runs_on = false;
            self.audit.extra.add(self.workflow, row.first, count - seen);
        }
    }

    fn lived_twice(&self, row: StretchRow) -> bool {
        self.twice.iter().any(|(since, again)| row.first <= *again && row.last > *since)
    }

    fn finish(mut self) {
        self.up_to(Timestamp::NEVER);
        self.close();
        for found in [&mut self.audit.missing, &mut self.audit.extra, &mut self.audit.doubled] {
            found.runs_on = false;
        }
    }
}
