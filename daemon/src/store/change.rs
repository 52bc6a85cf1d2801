//! The only words in which the store can be changed.
//!
//! In: a [`Change`]: what it was built on, and the operations. Out: rows, all of them or none.
//! Never: decides what should happen. It only refuses what must not: a closed fate reopened, a settled delivery moved,
//! a change built on something that is no longer so.

use super::CommitError;
use super::outbox::{self, NewFallback, Origin, OutboxOp, deliver, move_delivery, tell};
use crate::domain::{DeliveryId, Digest, Json, PostId, RunId, Timestamp};
use rusqlite::{Connection, OptionalExtension, named_params, params};
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$case_doc])* $case,)+ }

        impl $name {
            /// The word in the database, in JSON and on the screen.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$case => $word,)+ }
            }

            /// Reads the word.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$case),)+ _ => None }
            }
        }

        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok(self.word().into())
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                Self::parse(value.as_str()?).ok_or(rusqlite::types::FromSqlError::InvalidType)
            }
        }
    };
}

words!(
    /// What can start a run.
    TriggerKind {
        /// A due instant of a schedule.
        Schedule = "schedule",
        /// A person.
        Hand = "hand",
        /// An event that another run emitted.
        Event = "event",
        /// A moment a run asked for.
        Later = "later",
    }
);
words!(
    /// How an occurrence ended. Every due instant ends as exactly one of these.
    Fate {
        /// Its run finished.
        Ran = "ran",
        /// It was not run on purpose.
        Skipped = "skipped",
        /// Another occurrence ran for it.
        Coalesced = "coalesced",
        /// Nobody was there when it was due.
        Missed = "missed",
        /// It waits for a person.
        Held = "held",
        /// Its run failed for good.
        Failed = "failed",
    }
);
words!(
    /// Where a run stands.
    RunState {
        /// An attempt is going on.
        Running = "running",
        /// Between two attempts.
        Waiting = "waiting",
        /// Finished, its effects committed.
        Done = "done",
        /// Given up; it had no effect.
        Failed = "failed",
        /// Stopped on request; it had no effect.
        Cancelled = "cancelled",
    }
);

/// Something a change was built on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MarkRead {
    /// A state key and the version it had, `None` when it was absent.
    Key(String, Option<i64>),
    /// All keys with a prefix: how many there were and the newest version among them.
    Prefix(String, i64, i64),
    /// A workflow and a once key that it had not used.
    Once(String, String),
    /// A mark and its version, 0 when nothing ever touched it.
    Mark(String, i64),
}

/// A change: applied whole, or not at all.
#[derive(Debug, Default)]
pub struct Change {
    /// What must still be so.
    pub built_on: Vec<MarkRead>,
    /// What to do, in order.
    pub ops: Vec<Op>,
    /// The time written beside the rows.
    pub at: Timestamp,
}

impl Change {
    /// A change that depends on nothing.
    pub fn new(at: Timestamp, ops: Vec<Op>) -> Self {
        Self { built_on: Vec::new(), ops, at }
    }
}

/// A new occurrence.
#[derive(Debug, Clone)]
pub struct NewOccurrence {
    /// Its number, from [`super::Store::next_run`].
    pub id: RunId,
    /// Its workflow.
    pub workflow: String,
    /// What made it.
    pub kind: TriggerKind,
    /// When it was due.
    pub due: Timestamp,
    /// When its run may start: later than due by jitter or backoff.
    pub start_at: Timestamp,
    /// The schedule it came from: expression, zone and policy.
    pub schedule: Option<String>,
    /// What the trigger brought.
    pub payload: Option<Json>,
    /// How it ended, if it ended at once.
    pub fate: Option<(Fate, String)>,
    /// The occurrence that runs for it.
    pub into: Option<RunId>,
    /// For a stretch of missed instants: the last of them, and how many.
    pub stretch: Option<(Timestamp, i64)>,
}

impl NewOccurrence {
    /// An open occurrence that starts when it is due, and that no schedule made.
    pub fn open(id: RunId, workflow: &str, kind: TriggerKind, due: Timestamp) -> Self {
        Self {
            id,
            workflow: workflow.into(),
            kind,
            due,
            start_at: due,
            schedule: None,
            payload: None,
            fate: None,
            into: None,
            stretch: None,
        }
    }
}

/// One line of a run's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// The line.
    pub text: String,
}

/// What an attempt used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Script operations.
    pub operations: u64,
    /// Peak of memory in bytes.
    pub memory: u64,
    /// Desk calls.
    pub calls: u32,
    /// Milliseconds from start to finish, waiting included.
    pub millis: u64,
    /// How often it was done again because something it read had changed.
    pub redone: u32,
}

/// The end of a run.
#[derive(Debug, Clone)]
pub struct FinishedRun {
    /// Its number.
    pub id: RunId,
    /// `Done`, `Failed` or `Cancelled`.
    pub state: RunState,
    /// Which attempt this was, from 1.
    pub attempt: u32,
    /// Digest of the script.
    pub version: String,
    /// When the attempt started.
    pub started: Timestamp,
    /// The line for the run history.
    pub line: Option<String>,
    /// What its script returned, as JSON.
    pub value: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// What it planned, as JSON.
    pub effects: Option<String>,
    /// Digest of the planned effects.
    pub effects_hash: Option<Digest>,
    /// What it used.
    pub usage: Usage,
}

impl FinishedRun {
    /// The end of a run that had no effect, and why.
    pub fn without_effect(id: RunId, state: RunState, attempt: u32, version: Digest, started: Timestamp, error: String) -> Self {
        Self {
            id,
            state,
            attempt,
            version: version.to_string(),
            started,
            line: None,
            value: None,
            error: Some(error),
            effects: None,
            effects_hash: None,
            usage: Usage::default(),
        }
    }
}

/// A new post.
#[derive(Debug, Clone)]
pub struct NewPost {
    /// The run that planned it.
    pub run: RunId,
    /// Its workflow.
    pub workflow: String,
    /// At most one post is ever made for a given key and workflow.
    pub once: Option<String>,
    /// The library item it came from.
    pub item: Option<String>,
    /// Its theme.
    pub theme: Option<String>,
    /// The campaign its links are tagged with.
    pub campaign: Option<String>,
    /// Why it was planned, for `why`.
    pub why: Vec<String>,
    /// One for each account.
    pub deliveries: Vec<NewDelivery>,
}

/// A new delivery: a post to an account, or a notice to a person.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Account or person.
    pub target: String,
    /// `held`, or `due`.
    pub held: Option<String>,
    /// The exact content as JSON.
    pub content: String,
    /// Digest over content, target and window.
    pub seal: Digest,
    /// Whether a person has to say yes.
    pub needs_yes: bool,
    /// Not before.
    pub due: Timestamp,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Conditions checked at the moment of sending, as JSON.
    pub guards: Option<String>,
    /// What stands in for it when one of them does not hold.
    pub fallback: Option<Box<NewFallback>>,
}

/// A signal from a feed.
#[derive(Debug, Clone)]
pub struct NewSignal {
    /// The signal.
    pub signal: crate::kinds::Signal,
    /// Its feed.
    pub feed: String,
}

/// A delivery's next state. Refused when the delivery is not in one of the states `from`.
#[derive(Debug, Clone)]
pub struct DeliveryMove {
    /// Which.
    pub id: DeliveryId,
    /// States it may be in now.
    pub from: &'static [&'static str],
    /// The next state.
    pub to: &'static str,
    /// Why, for people.
    pub reason: String,
    /// When to look at it again.
    pub look_at: Timestamp,
    /// The adapter's handle, when it changed.
    pub prepared: Option<String>,
    /// The proof, when it is online: identifier and address.
    pub receipt: Option<crate::kinds::Receipt>,
    /// Counts one attempt.
    pub attempt: bool,
    /// Whether the reason goes into the delivery's history (false for a repeated look with the same result).
    pub tell: bool,
    /// What adapters want remembered of the calls that led here.
    pub private: Vec<crate::kinds::PrivateWrite>,
}

/// One operation.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields of each case are named after the columns they fill")]
pub enum Op {
    /// Adds a row to the ledger.
    Occur(NewOccurrence),
    /// Closes an open occurrence without a run.
    Close { id: RunId, fate: Fate, reason: String, into: Option<RunId> },
    /// Records that an attempt starts, before it does.
    Attempt { id: RunId, attempt: u32, interrupted: u32, version: String },
    /// Puts an open occurrence's next attempt off.
    Postpone { id: RunId, start_at: Timestamp, error: String },
    /// Ends a run and gives its occurrence its fate.
    Finish(Box<FinishedRun>),
    /// The same for a run whose occurrence has no row yet: it gets one that is closed from the beginning.
    Ran(Box<(NewOccurrence, FinishedRun)>),
    /// Adds lines to a run's log.
    Log { id: RunId, lines: Vec<LogLine> },
    /// Keeps a step's answer.
    KeepStep { id: RunId, name: String, answer: String },
    /// Says up to when a workflow's due instants have rows, and by which schedule.
    LedgerUntil { workflow: String, until: Timestamp, schedule: String },
    /// Takes one instant out of a row of the ledger for which nothing ran, because it is to run after all: what is left before it
    /// (its last instant and their number) and after it (a row of its own, with its first instant and their number).
    Carve { id: RunId, before: Option<(Timestamp, i64)>, after: Option<(RunId, Timestamp, i64)> },
    /// Counts failed occurrences in a row; 0 starts anew.
    Failures { workflow: String, count: u32 },
    /// Pauses a workflow, or resumes it with `None`.
    Pause { workflow: String, reason: Option<String> },
    /// Keeps a script version.
    KeepScript { digest: Digest, name: String, source: std::sync::Arc<str>, checked: String },
    /// Sets a key, or removes it with `None`.
    State { key: String, value: Option<String>, run: RunId },
    /// Touches a mark.
    Mark(String),
    /// Plans a post with its deliveries.
    Plan(Box<NewPost>),
    /// Plans a notice; nothing happens when this person already got one for this key.
    Notice { run: RunId, once: Option<String>, delivery: Box<NewDelivery> },
    /// Cancels unsent deliveries of a workflow's posts whose key starts with a prefix.
    Withdraw { workflow: String, prefix: String, reason: String },
    /// Records an event.
    Event { name: String, payload: Json, run: Option<RunId> },
    /// Records what a feed gave and where it stands.
    FeedRead { feed: String, cursor: Option<String>, error: Option<String>, signals: Vec<NewSignal> },
    /// Records that a workflow has seen all signals that a feed has given so far.
    FeedSeen { workflow: String, feed: String },
    /// Moves a delivery.
    Move(Box<DeliveryMove>),
    /// Makes an unsent delivery wait for a yes that it did not need when it was planned.
    AskYes { id: DeliveryId, reason: String },
    /// Says yes to exactly these bytes.
    Approve { id: DeliveryId, seal: String, by: String },
    /// Says no.
    Reject { id: DeliveryId, by: String, reason: String },
    /// Trips an account's breaker, or mends it with `None`.
    Breaker { account: String, reason: Option<String> },
    /// Freezes all sending, or thaws it with `None`.
    Freeze(Option<String>),
    /// Makes every delivery that waits be looked at now. Its `look_at` is another one in any case, so that who has put off
    /// the next look in memory sees it.
    Wake { target: Option<String> },
    /// At a start nobody is sending: what an earlier process left in the middle is looked at now, not at its next look.
    NobodySends,
    /// Replaces a file's metrics.
    Metrics { path: String, cursor: String, rows: Vec<(String, String, String, f64)> },
    /// Changes what is known of plugins, or what they keep.
    Plugin(super::PluginOp),
    /// Keeps, compares and forgets what runs were told.
    Journal(Box<super::JournalOp>),
    /// Keeps what a count of the ledger came to.
    LedgerCounted(super::ledger::CheckRow),
    /// Changes what surrounds deliveries: what stands in for what, what is taken down, what is let go on.
    Outbox(OutboxOp),
    /// Forgets the details of runs finished before an instant, at most this many.
    Prune { before: Timestamp, most: u32 },
}

impl Op {
    /// Whether a delivery may have to be looked at after this. False only for what is known to leave them all as they are.
    pub(super) const fn concerns_deliveries(&self) -> bool {
        !matches!(
            self,
            Self::Occur(_)
                | Self::Close { .. }
                | Self::Attempt { .. }
                | Self::Postpone { .. }
                | Self::Finish(_)
                | Self::Ran(_)
                | Self::Log { .. }
                | Self::KeepStep { .. }
                | Self::LedgerUntil { .. }
                | Self::Carve { .. }
                | Self::Failures { .. }
                | Self::Pause { .. }
                | Self::KeepScript { .. }
                | Self::State { .. }
                | Self::Mark(_)
                | Self::Event { .. }
                | Self::FeedRead { .. }
                | Self::FeedSeen { .. }
                | Self::Metrics { .. }
                | Self::Journal(_)
                | Self::LedgerCounted(_)
                | Self::Prune { .. }
        )
    }
}

/// What a committed change made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Posts in the order they were planned; `None` where the key had been used.
    pub posts: Vec<Option<PostId>>,
    /// New deliveries of posts and notices, in order.
    pub deliveries: Vec<DeliveryId>,
    /// Rows that a withdrawal, a wake or a pruning touched.
    pub touched: usize,
}

/// Whether everything the change was built on is still so. Writes nothing.
pub(super) fn check(db: &Connection, change: &Change) -> Result<(), CommitError> {
    change.built_on.iter().try_for_each(|mark| still_so(db, mark))
}

/// Carries out the operations. An error may leave some of them done: whoever calls takes them back.
pub(super) fn apply(db: &Connection, change: &Change, version: i64) -> Result<Committed, CommitError> {
    let mut made = Committed::default();
    for op in &change.ops {
        apply_op(db, op, change.at.millis(), version, &mut made)?;
    }
    Ok(made)
}

fn still_so(db: &Connection, mark: &MarkRead) -> Result<(), CommitError> {
    let (same, what) = match mark {
        MarkRead::Key(key, version) => {
            let now: Option<i64> =
                db.prepare_cached("SELECT version FROM state WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()?;
            (now == *version, format!("the state key \"{key}\""))
        }
        MarkRead::Prefix(prefix, count, newest) => {
            let now: (i64, i64) =
                db.prepare_cached(super::view::PREFIX_MARK)?.query_row([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?;
            (now == (*count, *newest), format!("a state key under \"{prefix}\""))
        }
        MarkRead::Once(workflow, once) => (!super::view::once_used(db, workflow, once)?, format!("the once key \"{once}\"")),
        MarkRead::Mark(name, version) => {
            let now: Option<i64> =
                db.prepare_cached("SELECT version FROM mark WHERE name = ?1")?.query_row([name], |row| row.get(0)).optional()?;
            (now.unwrap_or(0) == *version, name.clone())
        }
    };
    if same { Ok(()) } else { Err(CommitError::Conflict(what)) }
}

pub(super) fn one(changed: usize, what: impl FnOnce() -> String) -> Result<(), CommitError> {
    if changed == 1 { Ok(()) } else { Err(CommitError::Refused(what())) }
}

pub(super) fn touch(db: &Connection, mark: &str, version: i64) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO mark VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET version = excluded.version")?
        .execute(params![mark, version])?;
    Ok(())
}

#[allow(
    clippy::too_many_lines,
    reason = "one flat list of cases, each a statement or two, reads better than many tiny functions"
)]
fn apply_op(db: &Connection, op: &Op, at: i64, version: i64, made: &mut Committed) -> Result<(), CommitError> {
    match op {
        Op::Plugin(op) => super::plugins::apply(db, op, at)?,
        Op::Journal(op) => super::journal::apply(db, op, at, &mut made.touched)?,
        Op::LedgerCounted(check) => super::ledger::keep_check(db, check)?,
        Op::Outbox(op) => outbox::apply(db, op, at, version, made)?,
        Op::Occur(o) => {
            let fate = o.fate.as_ref().map(|(fate, reason)| (*fate, Some(reason.as_str())));
            occur(db, o, fate)?;
        }
        Op::Close { id, fate, reason, into } => {
            let changed = db
                .prepare_cached("UPDATE occurrence SET fate = ?2, reason = ?3, into_id = ?4 WHERE id = ?1 AND fate IS NULL")?
                .execute(params![id.0, fate, reason, into.map(|i| i.0)])?;
            one(changed, || format!("Occurrence {id} is not open."))?;
            // An attempt that a crash cut off, or that waited for the next one, ends with its occurrence.
            db.prepare_cached(
                "UPDATE run SET state = 'cancelled', error = ?2, finished = ?3, usage = '{}' WHERE id = ?1 AND state IN ('running', 'waiting')",
            )?
            .execute(params![id.0, reason, at])?;
        }
        Op::Attempt { id, attempt, interrupted, version } => {
            db.prepare_cached(
                "INSERT INTO run (id, state, attempt, interrupted, version, started) VALUES (?1, 'running', ?2, ?3, ?4, ?5)
                 ON CONFLICT (id) DO UPDATE SET state = 'running', attempt = excluded.attempt, interrupted = excluded.interrupted,
                     version = excluded.version, started = excluded.started",
            )?
            .execute(params![id.0, attempt, interrupted, version, at])?;
        }
        Op::Postpone { id, start_at, error } => {
            let changed = db
                .prepare_cached("UPDATE occurrence SET start_at = ?2 WHERE id = ?1 AND fate IS NULL")?
                .execute(params![id.0, start_at.millis()])?;
            one(changed, || format!("Occurrence {id} is not open."))?;
            db.prepare_cached("UPDATE run SET state = 'waiting', error = ?2 WHERE id = ?1")?.execute(params![id.0, error])?;
        }
        Op::Finish(run) => {
            let (fate, reason) = fate_of(run);
            let changed = db
                .prepare_cached("UPDATE occurrence SET fate = ?2, reason = ?3 WHERE id = ?1 AND fate IS NULL")?
                .execute(params![run.id.0, fate, reason])?;
            one(changed, || format!("Occurrence {} is not open.", run.id))?;
            end(db, run, at)?;
        }
        Op::Ran(both) => {
            let (occurrence, run) = &**both;
            occur(db, occurrence, Some(fate_of(run)))?;
            end(db, run, at)?;
        }
        Op::Log { id, lines } => {
            let mut insert = db.prepare_cached(
                "INSERT INTO run_log VALUES (?1, (SELECT coalesce(max(seq), 0) + 1 FROM run_log WHERE run = ?1), ?2, ?3, ?4)",
            )?;
            for line in lines {
                insert.execute(params![id.0, line.at.millis(), line.level, line.text])?;
            }
        }
        Op::KeepStep { id, name, answer } => {
            db.prepare_cached("INSERT INTO step VALUES (?1, ?2, ?3, ?4)")?.execute(params![id.0, name, answer, at])?;
        }
        Op::LedgerUntil { workflow, until, schedule } => {
            // Nearly always it only goes on, and nothing begins or ends with it.
            let goes_on = db
                .prepare_cached(
                    "UPDATE workflow SET ledger_until = ?2, accounted = max(accounted, ?2) WHERE name = ?1 AND schedule = ?3 AND ledger_until <= ?2",
                )?
                .execute(params![workflow, until.millis(), schedule])?;
            if goes_on == 0 {
                super::ledger::moved(db, workflow, *until, schedule)?;
                db.prepare_cached(
                    "INSERT INTO workflow (name, ledger_until, schedule, accounted) VALUES (?1, ?2, ?3, ?2)
                     ON CONFLICT (name) DO UPDATE SET ledger_until = excluded.ledger_until, schedule = excluded.schedule,
                         accounted = max(accounted, ledger_until, excluded.ledger_until)",
                )?
                .execute(params![workflow, until.millis(), schedule])?;
            }
        }
        Op::Carve { id, before, after } => {
            if let Some((new, first, count)) = after {
                // The copy is one instant of the stretch, which no row has as its first.
                db.prepare_cached(
                    "INSERT INTO occurrence (id, workflow, kind, due, start_at, schedule, fate, reason, last_due, count)
                     SELECT ?2, workflow, kind, ?3, ?3, schedule, fate, reason, last_due, ?4 FROM occurrence WHERE id = ?1",
                )?
                .execute(params![id.0, new.0, first.millis(), count])?;
            }
            match before {
                Some((last, count)) => db
                    .prepare_cached("UPDATE occurrence SET last_due = ?2, count = ?3 WHERE id = ?1")?
                    .execute(params![id.0, last.millis(), count])?,
                None => db.prepare_cached("DELETE FROM occurrence WHERE id = ?1")?.execute([id.0])?,
            };
        }
        Op::Failures { workflow, count } => {
            db.prepare_cached("UPDATE workflow SET failures = ?2 WHERE name = ?1")?.execute(params![workflow, count])?;
        }
        Op::Pause { workflow, reason } => {
            let changed = db
                .prepare_cached(
                    "UPDATE workflow SET paused = ?2, paused_at = iif(?2 IS NULL, NULL, ?3), failures = iif(?2 IS NULL, 0, failures)
                     WHERE name = ?1",
                )?
                .execute(params![workflow, reason, at])?;
            one(changed, || format!("There is no workflow \"{workflow}\"."))?;
        }
        Op::KeepScript { digest, name, source, checked } => {
            db.prepare_cached(
                "INSERT INTO script VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (digest) DO UPDATE SET checked = excluded.checked",
            )?
            .execute(params![digest.to_string(), name, &**source, at, checked])?;
        }
        Op::State { key, value: Some(value), run } => {
            db.prepare_cached(
                "INSERT INTO state VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (key) DO UPDATE SET value = excluded.value,
                     version = excluded.version, run = excluded.run, at = excluded.at",
            )?
            .execute(params![key, value, version, run.0, at])?;
        }
        Op::State { key, value: None, .. } => {
            db.prepare_cached("DELETE FROM state WHERE key = ?1")?.execute([key])?;
        }
        Op::Mark(name) => touch(db, name, version)?,
        Op::Plan(post) => plan(db, post, at, version, made)?,
        Op::Notice { run, once, delivery } => {
            let taken: bool = match once {
                None => false,
                Some(once) => db
                    .prepare_cached("SELECT EXISTS (SELECT 1 FROM delivery WHERE kind = 'notice' AND target = ?1 AND once = ?2)")?
                    .query_row(params![delivery.target, once], |row| row.get(0))?,
            };
            if !taken {
                let origin = Origin { kind: "notice", post: None, run: *run, once: once.as_deref(), item: None, theme: None };
                deliver(db, &origin, delivery, at, made)?;
            }
        }
        Op::Withdraw { workflow, prefix, reason } => {
            let found: Vec<i64> = db
                .prepare_cached(&format!("SELECT d.id {} ORDER BY d.id", super::view::withdrawable_rows()))?
                .query_map(params![workflow, prefix], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for id in found {
                db.prepare_cached("UPDATE delivery SET state = 'cancelled', reason = ?2, settled_at = ?3 WHERE id = ?1")?
                    .execute(params![id, reason, at])?;
                tell(db, id, at, "cancelled", reason)?;
                outbox::ended(db, id, "cancelled", at)?;
                made.touched += 1;
            }
        }
        Op::Event { name, payload, run } => {
            db.prepare_cached("INSERT INTO event (name, payload, run, at) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
                name,
                payload.to_string(),
                run.map(|r| r.0),
                at
            ])?;
        }
        Op::FeedRead { feed, cursor, error, signals } => {
            db.prepare_cached(
                "INSERT INTO feed (name, cursor, read_at, error, failing_since, failures)
                 VALUES (?1, ?2, ?3, ?4, iif(?4 IS NULL, NULL, ?3), ?4 IS NOT NULL)
                 ON CONFLICT (name) DO UPDATE SET cursor = coalesce(excluded.cursor, cursor), read_at = excluded.read_at,
                     error = excluded.error, failing_since = iif(?4 IS NULL, NULL, coalesce(failing_since, ?3)),
                     failures = iif(?4 IS NULL, 0, failures + 1)",
            )?
            .execute(params![feed, cursor, at, error])?;
            let mut insert = db.prepare_cached(
                "INSERT INTO signal (feed, id, title, url, published, summary, seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (feed, id) DO NOTHING",
            )?;
            for NewSignal { signal, feed } in signals {
                let published = signal.published.map(Timestamp::millis);
                insert.execute(params![feed, signal.id, signal.title, signal.url, published, signal.summary, at])?;
            }
            touch(db, &format!("feed/{feed}"), version)?;
        }
        Op::FeedSeen { workflow, feed } => {
            db.prepare_cached(
                "INSERT INTO feed_seen VALUES (?1, ?2, (SELECT coalesce(max(seq), 0) FROM signal))
                 ON CONFLICT (workflow, feed) DO UPDATE SET seq = excluded.seq",
            )?
            .execute(params![workflow, feed])?;
        }
        Op::Move(step) => {
            move_delivery(db, step, at, |_| Ok(()))?;
            super::plugins::keep(db, &step.private)?;
        }
        Op::AskYes { id, reason } => {
            let changed = db
                .prepare_cached(
                    "UPDATE delivery SET approval = 'needed', state = 'held', reason = ?2, look_at = coalesce(until, ?3)
                     WHERE id = ?1 AND approval = 'none' AND state IN ('held', 'due', 'preparing', 'retrying')",
                )?
                .execute(params![id.0, reason, Timestamp::NEVER.millis()])?;
            one(changed, || format!("{id} is not open, or waits for a yes already."))?;
            tell(db, id.0, at, "held", reason)?;
        }
        Op::Approve { id, seal, by } => {
            let changed = db
                .prepare_cached(
                    "UPDATE delivery SET approval = 'given', approved_seal = ?2, approved_by = ?3, reason = NULL, look_at = ?4
                     WHERE id = ?1 AND seal = ?2 AND approval = 'needed' AND state = 'held'",
                )?
                .execute(params![id.0, seal, by, at])?;
            one(changed, || {
                format!(
                    "{id} does not wait for a yes, or its content is not what was shown. Look at it again with 'beffroi why {id}'."
                )
            })?;
            tell(db, id.0, at, "held", &format!("approved by {by}, sealed to {}", &seal[..seal.len().min(12)]))?;
        }
        Op::Reject { id, by, reason } => {
            let changed = db
                .prepare_cached(
                    "UPDATE delivery SET approval = 'refused', state = 'cancelled', reason = ?2, settled_at = ?3
                     WHERE id = ?1 AND state IN ('held', 'due', 'preparing', 'retrying', 'dead')",
                )?
                .execute(params![id.0, reason, at])?;
            one(changed, || format!("{id} can no longer be rejected. See 'beffroi why {id}'."))?;
            tell(db, id.0, at, "cancelled", &format!("rejected by {by}: {reason}"))?;
            outbox::ended(db, id.0, "cancelled", at)?;
        }
        Op::Breaker { account, reason } => {
            db.prepare_cached(
                "INSERT INTO account VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET breaker = excluded.breaker, at = excluded.at",
            )?
            .execute(params![account, reason, at])?;
            // Whatever was cleared for sending before this is looked at again before it is armed.
            touch(db, "freeze", version)?;
        }
        Op::Freeze(reason) => {
            touch(db, "freeze", version)?;
            if reason.is_some() {
                // Names this freeze: what was let through an earlier one is not let through it.
                touch(db, "frozen", version)?;
            }
            match reason {
                Some(reason) => db
                    .prepare_cached(
                        "INSERT INTO meta VALUES ('freeze', ?1) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    )?
                    .execute([reason])?,
                None => db.prepare_cached("DELETE FROM meta WHERE key = 'freeze'")?.execute([])?,
            };
        }
        Op::Wake { target } => {
            made.touched += db
                .prepare_cached(
                    "UPDATE delivery INDEXED BY delivery_open SET look_at = iif(look_at > ?1, ?1, look_at - 1)
                     WHERE state IN ('held', 'due', 'preparing', 'armed', 'retrying', 'unknown') AND state <> 'preparing' AND state <> 'armed' AND (?2 IS NULL OR target = ?2)",
                )?
                .execute(params![at, target])?;
            db.prepare_cached(
                "UPDATE recall SET look_at = min(look_at, ?1) WHERE state IN ('asked', 'retrying')
                     AND (?2 IS NULL OR (SELECT target FROM delivery WHERE id = recall.delivery) = ?2)",
            )?
            .execute(params![at, target])?;
        }
        Op::NobodySends => {
            super::ledger::started(db, at)?;
            made.touched += db
                .prepare_cached(
                    "UPDATE delivery INDEXED BY delivery_open SET look_at = ?1
                     WHERE state IN ('held', 'due', 'preparing', 'armed', 'retrying', 'unknown') AND state IN ('armed', 'preparing') AND look_at > ?1",
                )?
                .execute([at])?;
        }
        Op::Metrics { path, cursor, rows } => {
            let mut insert = db.prepare_cached(
                "INSERT INTO metric VALUES (?1, ?2, ?3, ?4) ON CONFLICT (account, name, day) DO UPDATE SET value = excluded.value",
            )?;
            for (account, name, day, value) in rows {
                insert.execute(params![account, name, day, value])?;
            }
            db.prepare_cached(
                "INSERT INTO metric_file VALUES (?1, ?2) ON CONFLICT (path) DO UPDATE SET cursor = excluded.cursor",
            )?
            .execute([path, cursor])?;
        }
        Op::Prune { before, most } => {
            super::ledger::alive(db, at)?;
            let old: Vec<i64> = db
                .prepare_cached("SELECT id FROM run WHERE finished < ?1 AND usage IS NOT NULL ORDER BY finished LIMIT ?2")?
                .query_map(params![before.millis(), most], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for id in old {
                db.prepare_cached("DELETE FROM run_log WHERE run = ?1")?.execute([id])?;
                db.prepare_cached("DELETE FROM step WHERE run = ?1")?.execute([id])?;
                db.prepare_cached("UPDATE run SET effects = NULL, usage = NULL WHERE id = ?1")?.execute([id])?;
                made.touched += 1;
            }
        }
    }
    Ok(())
}

fn occur(db: &Connection, o: &NewOccurrence, fate: Option<(Fate, Option<&str>)>) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO occurrence (id, workflow, kind, due, start_at, schedule, payload, fate, reason, into_id, last_due, count)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        o.id.0,
        o.workflow,
        o.kind,
        o.due.millis(),
        o.start_at.millis(),
        o.schedule,
        o.payload.as_ref().map(Json::to_string),
        fate.map(|(fate, _)| fate),
        fate.and_then(|(_, reason)| reason),
        o.into.map(|i| i.0),
        o.stretch.map(|(last, _)| last.millis()),
        o.stretch.map_or(1, |(_, count)| count),
    ])?;
    Ok(())
}

fn fate_of(run: &FinishedRun) -> (Fate, Option<&str>) {
    match run.state {
        RunState::Done => (Fate::Ran, None),
        RunState::Cancelled => (Fate::Skipped, run.error.as_deref()),
        RunState::Failed | RunState::Running | RunState::Waiting => (Fate::Failed, run.error.as_deref()),
    }
}

fn end(db: &Connection, run: &FinishedRun, at: i64) -> Result<(), CommitError> {
    let usage = serde_json::to_string(&run.usage).map_err(|e| {
        CommitError::Storage(format!("A value cannot be written as JSON: {e}. This is a defect; please report it."))
    })?;
    db.prepare_cached(
        "INSERT INTO run (id, state, attempt, version, started, finished, line, value, error, effects, effects_hash, usage)
         VALUES (:id, :state, :attempt, :version, :started, :finished, :line, :value, :error, :effects, :hash, :usage)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, attempt = excluded.attempt, version = excluded.version,
             finished = excluded.finished, line = excluded.line, value = excluded.value, error = excluded.error, effects = excluded.effects,
             effects_hash = excluded.effects_hash, usage = excluded.usage",
    )?
    .execute(named_params! {
        ":id": run.id.0, ":state": run.state, ":attempt": run.attempt, ":version": run.version, ":started": run.started.millis(),
        ":finished": at, ":line": run.line, ":value": run.value, ":error": run.error, ":effects": run.effects,
        ":hash": run.effects_hash.map(|h| h.to_string()), ":usage": usage,
    })?;
    Ok(())
}

fn plan(db: &Connection, post: &NewPost, at: i64, version: i64, made: &mut Committed) -> Result<(), CommitError> {
    let why = serde_json::to_string(&post.why).map_err(|e| {
        CommitError::Storage(format!("A value cannot be written as JSON: {e}. This is a defect; please report it."))
    })?;
    let id: Option<i64> = db
        .prepare_cached(
            "INSERT INTO post (run, workflow, once, item, theme, campaign, why, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (workflow, once) WHERE once IS NOT NULL DO NOTHING RETURNING id",
        )?
        .query_row(params![post.run.0, post.workflow, post.once, post.item, post.theme, post.campaign, why, at], |row| row.get(0))
        .optional()?;
    made.posts.push(id.map(PostId));
    if let Some(id) = id {
        for delivery in &post.deliveries {
            let (item, theme) = (post.item.as_deref(), post.theme.as_deref());
            deliver(db, &Origin { kind: "post", post: Some(id), run: post.run, once: None, item, theme }, delivery, at, made)?;
            touch(db, &format!("posts/{}", delivery.target), version)?;
        }
    }
    Ok(())
}
