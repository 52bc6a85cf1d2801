//! The ledger seen as a whole: which schedules were in force when, which due instants have rows, when the daemon was there.
//!
//! In: a moved end of a workflow's ledger, a start. Out: spans, due instants one after the other, open rows, gaps.
//! Never: enumerates a schedule. Whoever counts does that by themselves, or the count would prove nothing.

use super::{RunState, instant};
use crate::domain::{RunId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};
use serde::Serialize;

/// Schedules of a workflow that were in force for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The workflow.
    pub workflow: String,
    /// Its schedules as the ledger writes them.
    pub schedule: String,
    /// In force after this.
    pub since: Timestamp,
    /// Up to here, itself included; `None` for what is in force.
    pub until: Option<Timestamp>,
    /// Up to here time had been lived before, by a clock that was ahead.
    pub again: Timestamp,
    /// Before this nothing is known of the workflow.
    pub known: Timestamp,
}

fn span(row: &Row<'_>) -> Result<Span> {
    Ok(Span {
        workflow: row.get("workflow")?,
        schedule: row.get("schedule")?,
        since: instant(row, "since")?,
        until: row.get::<_, Option<i64>>("until")?.map(Timestamp::from_millis),
        again: instant(row, "again")?,
        known: instant(row, "known")?,
    })
}

/// What was in force at some time of a window, of one workflow or of all, in the order of workflows and time.
pub fn spans(db: &Connection, workflow: Option<&str>, from: Timestamp, to: Timestamp) -> Result<Vec<Span>> {
    db.prepare_cached(
        "SELECT s.*, (SELECT min(since) FROM schedule_span f WHERE f.workflow = s.workflow) AS known FROM schedule_span s
         WHERE (?1 IS NULL OR workflow = ?1) AND since < ?3 AND coalesce(until, ?3) >= ?2 ORDER BY workflow, since, id",
    )?
    .query_map(params![workflow, from.millis(), to.millis()], span)?
    .collect()
}

/// The workflows whose schedules came into force after this instant: by a clock that has gone back since.
pub fn begun_after(db: &Connection, at: Timestamp) -> Result<Vec<String>> {
    db.prepare_cached("SELECT workflow FROM schedule_span WHERE until IS NULL AND since > ?1")?
        .query_map([at.millis()], |row| row.get(0))?
        .collect()
}

/// Since when the newest of the schedules in force is.
pub fn newest(db: &Connection) -> Result<Option<Timestamp>> {
    let at: Option<i64> =
        db.prepare_cached("SELECT max(since) FROM schedule_span WHERE until IS NULL")?.query_row([], |row| row.get(0))?;
    Ok(at.map(Timestamp::from_millis))
}

/// Workflows whose history does not lead up to what is in force: somebody changed the file by hand.
pub fn without_history(db: &Connection) -> Result<Vec<String>> {
    db.prepare_cached(
        "SELECT w.name FROM workflow w LEFT JOIN schedule_span s ON s.workflow = w.name AND s.until IS NULL
         WHERE s.schedule IS NOT w.schedule ORDER BY w.name",
    )?
    .query_map([], |row| row.get(0))?
    .collect()
}

/// Notes that the end of a workflow's ledger moves to another schedule, or back, before it does: each begins a span. The one before it
/// ends where the ledger was with it: that far, and no further, what it names has its rows.
pub(super) fn moved(db: &Connection, workflow: &str, until: Timestamp, schedule: &str) -> Result<()> {
    let until = until.millis();
    let was: Option<(i64, i64)> = db
        .prepare_cached("SELECT ledger_until, max(ledger_until, accounted) FROM workflow WHERE name = ?1")?
        .query_row([workflow], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (ledger_until, furthest) = was.unwrap_or((until, until));
    let end = ledger_until.max(until);
    db.prepare_cached("DELETE FROM schedule_span WHERE workflow = ?1 AND until IS NULL AND since >= ?2")?
        .execute(params![workflow, end])?;
    db.prepare_cached("UPDATE schedule_span SET until = ?2 WHERE workflow = ?1 AND until IS NULL")?
        .execute(params![workflow, end])?;
    db.prepare_cached("INSERT INTO schedule_span (workflow, schedule, since, again) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![workflow, schedule, until, furthest.max(until)])?;
    Ok(())
}

/// Every due instant of a workflow's schedule that begins a row, in order, one after the other.
pub fn each_due(db: &Connection, workflow: &str, from: Timestamp, to: Timestamp, mut each: impl FnMut(Timestamp)) -> Result<()> {
    let mut query = db.prepare_cached(
        "SELECT due FROM occurrence WHERE kind = 'schedule' AND workflow = ?1 AND due >= ?2 AND due < ?3 ORDER BY due",
    )?;
    let mut rows = query.query(params![workflow, from.millis(), to.millis()])?;
    while let Some(row) = rows.next()? {
        each(instant(row, "due")?);
    }
    Ok(())
}

/// A row that stands for several missed instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StretchRow {
    /// The first of them.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many.
    pub count: i64,
}

/// A workflow's stretches that reach into a window, in order.
pub fn stretches(db: &Connection, workflow: &str, from: Timestamp, to: Timestamp) -> Result<Vec<StretchRow>> {
    db.prepare_cached(
        // Named, because without statistics the planner would rather walk through all rows of the workflow.
        "SELECT due, last_due, count FROM occurrence INDEXED BY occurrence_stretch
         WHERE count > 1 AND kind = 'schedule' AND workflow = ?1 AND last_due >= ?2 AND due < ?3 ORDER BY due",
    )?
    .query_map(params![workflow, from.millis(), to.millis()], |row| {
        Ok(StretchRow { first: instant(row, "due")?, last: instant(row, "last_due")?, count: row.get("count")? })
    })?
    .collect()
}

/// A row of the schedule that has no fate yet.
#[derive(Debug, Clone)]
pub struct OpenRow {
    /// Its number.
    pub run: RunId,
    /// The workflow.
    pub workflow: String,
    /// When it was due.
    pub due: Timestamp,
    /// When its next attempt may start.
    pub start_at: Timestamp,
    /// Where its run stands, if it ever began.
    pub state: Option<RunState>,
    /// Since when.
    pub started: Option<Timestamp>,
}

/// All rows of the schedule without a fate, by workflow, oldest first.
pub fn open_rows(db: &Connection) -> Result<Vec<OpenRow>> {
    db.prepare_cached(
        // Named, because without statistics the planner would rather walk through the whole ledger in the order asked for.
        "SELECT o.id, o.workflow, o.due, o.start_at, r.state, r.started FROM occurrence o INDEXED BY occurrence_open
             LEFT JOIN run r ON r.id = o.id
         WHERE o.fate IS NULL AND o.kind = 'schedule' ORDER BY o.workflow, o.id",
    )?
    .query_map([], |row| {
        Ok(OpenRow {
            run: RunId(row.get("id")?),
            workflow: row.get("workflow")?,
            due: instant(row, "due")?,
            start_at: instant(row, "start_at")?,
            state: row.get("state")?,
            started: row.get::<_, Option<i64>>("started")?.map(Timestamp::from_millis),
        })
    })?
    .collect()
}

/// What a count of the ledger came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckRow {
    /// When.
    pub at: Timestamp,
    /// From here.
    pub since: Timestamp,
    /// Up to here.
    pub until: Timestamp,
    /// Due instants that there were.
    pub expected: u64,
    /// Those that no count before had counted.
    pub fresh: u64,
    /// Those that have a row.
    pub found: u64,
    /// Those that have none.
    pub missing: u64,
    /// Rows at instants that were not due.
    pub extra: u64,
    /// Rows that should long have had a fate.
    pub without_fate: u64,
    /// Instants with more than one row.
    pub doubled: u64,
    /// Workflows whose history cannot be read.
    pub unknown: u64,
}

/// Counts that are kept.
const KEPT: i64 = 400;

pub(super) fn keep_check(db: &Connection, check: &CheckRow) -> Result<()> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    db.prepare_cached(
        "INSERT INTO ledger_check (at, since, until, expected, fresh, found, missing, extra, without_fate, doubled, unknown)
         VALUES (:at, :since, :until, :expected, :fresh, :found, :missing, :extra, :without_fate, :doubled, :unknown)",
    )?
    .execute(named_params! {
        ":at": check.at.millis(), ":since": check.since.millis(), ":until": check.until.millis(), ":expected": number(check.expected),
        ":fresh": number(check.fresh), ":found": number(check.found), ":missing": number(check.missing), ":extra": number(check.extra),
        ":without_fate": number(check.without_fate), ":doubled": number(check.doubled), ":unknown": number(check.unknown),
    })?;
    // The oldest gives what it counted to the one after it, so that the sum stays true.
    let surplus = db.last_insert_rowid() - KEPT;
    db.prepare_cached("UPDATE ledger_check SET fresh = fresh + (SELECT coalesce(sum(fresh), 0) FROM ledger_check WHERE id <= ?1) WHERE id = ?1 + 1")?
        .execute([surplus])?;
    db.prepare_cached("DELETE FROM ledger_check WHERE id <= ?1")?.execute([surplus])?;
    Ok(())
}

/// The latest count of the ledger, and how many due instants were counted by all counts together.
pub fn last_check(db: &Connection) -> Result<Option<(CheckRow, u64)>> {
    let number = |row: &Row<'_>, column: &str| row.get::<_, i64>(column).map(|n| u64::try_from(n).unwrap_or(0));
    db.prepare_cached("SELECT *, (SELECT sum(fresh) FROM ledger_check) AS total FROM ledger_check ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| {
            let check = CheckRow {
                at: instant(row, "at")?,
                since: instant(row, "since")?,
                until: instant(row, "until")?,
                expected: number(row, "expected")?,
                fresh: number(row, "fresh")?,
                found: number(row, "found")?,
                missing: number(row, "missing")?,
                extra: number(row, "extra")?,
                without_fate: number(row, "without_fate")?,
                doubled: number(row, "doubled")?,
                unknown: number(row, "unknown")?,
            };
            Ok((check, number(row, "total")?))
        })
        .optional()
}

/// Notes a start, and with it the last sign of life of the process before.
pub(super) fn started(db: &Connection, at: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE boot SET seen = max(seen, coalesce((SELECT max(ledger_until) FROM workflow WHERE ledger_until <= ?1), 0),
             coalesce((SELECT max(finished) FROM (SELECT finished FROM run ORDER BY id DESC LIMIT 200) WHERE finished <= ?1), 0),
             min(coalesce((SELECT at FROM delivery_event ORDER BY rowid DESC LIMIT 1), 0), ?1))
         WHERE number = (SELECT max(number) FROM boot)",
    )?
    .execute([at])?;
    db.prepare_cached(
        "INSERT INTO boot SELECT value + 0, ?1, ?1 FROM meta WHERE key = 'boots' ON CONFLICT (number) DO UPDATE SET seen = excluded.seen",
    )?
    .execute([at])?;
    Ok(())
}

/// Notes that the process is alive.
pub(super) fn alive(db: &Connection, at: i64) -> Result<()> {
    db.prepare_cached("UPDATE boot SET seen = max(seen, ?1) WHERE number = (SELECT max(number) FROM boot)")?.execute([at])?;
    Ok(())
}

/// The downtime around an instant: the last sign of life before it, and the start after it.
pub fn downtime(db: &Connection, at: Timestamp) -> Result<Option<(Timestamp, Timestamp)>> {
    db.prepare_cached(
        "SELECT b.seen AS seen, n.at AS back FROM boot b JOIN boot n ON n.number = (SELECT min(number) FROM boot WHERE number > b.number)
         WHERE b.seen <= ?1 AND n.at >= ?1 ORDER BY b.number DESC LIMIT 1",
    )?
    .query_row([at.millis()], |row| Ok((instant(row, "seen")?, instant(row, "back")?)))
    .optional()
}

/// Up to where the furthest workflow's ledger goes: the planner was there then.
pub fn end(db: &Connection) -> Result<Option<Timestamp>> {
    let at: Option<i64> = db.query_row("SELECT max(ledger_until) FROM workflow", [], |row| row.get(0))?;
    Ok(at.map(Timestamp::from_millis))
}
