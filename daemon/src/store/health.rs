//! Whether the file is in good order, and what in it has been lying around for too long.
//!
//! In: a connection that only reads, or a path when no daemon has the file. Out: what is wrong, as plain values.
//! Never: mends or changes anything.

use super::{APPLICATION_ID, MIGRATIONS, RunState, instant};
use crate::domain::{DeliveryId, RunId, Timestamp};
use rusqlite::{Connection, OpenFlags, Result, params};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Opens the file of a daemon that does not run, to look at. With nothing left in its write-ahead log not even the files that
/// SQLite keeps beside a database are made.
///
/// # Errors
/// When there is no such file, or it cannot be read.
pub fn look_at(path: &Path) -> Result<Connection> {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let settled = !is_held(path) && std::fs::metadata(&wal).map_or(true, |about| about.len() == 0);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let mut name = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            name.push(char::from(*byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name.push_str(if settled { "?immutable=1" } else { "?mode=ro" });
    let connection = Connection::open_with_flags(name, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
    Ok(connection)
}

/// Whether a process has the file open for writing.
pub fn is_held(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let Ok(file) = std::fs::File::open(&name) else { return false };
    // Shared, and given back at once: nobody who starts in this moment is turned away for longer than that.
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

/// What is damaged, in SQLite's words; empty when nothing is.
pub fn damage(db: &Connection, deep: bool) -> Result<Vec<String>> {
    let check = if deep { "PRAGMA integrity_check(20)" } else { "PRAGMA quick_check(20)" };
    let words: Vec<String> = db.prepare(check)?.query_map([], |row| row.get(0))?.collect::<Result<_>>()?;
    Ok(words.into_iter().filter(|word| word != "ok").map(|word| word.split_whitespace().collect::<Vec<_>>().join(" ")).collect())
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Whether it is Beffroi's.
    pub ours: bool,
    /// Its schema.
    pub schema: i64,
    /// The newest schema this program knows.
    pub known: i64,
}

/// What kind of file it is.
pub fn kind(db: &Connection) -> Result<Kind> {
    let pragma = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    Ok(Kind { ours: pragma("application_id")? == APPLICATION_ID, schema: pragma("user_version")?, known })
}

/// Tables, indexes and triggers that this program's schema has and the file has not: without some of them what must never
/// happen can happen.
pub fn lacks(db: &Connection) -> Result<Vec<String>> {
    const NAMES: &str = "SELECT type || ' ' || name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'";
    let names = |db: &Connection| -> Result<BTreeSet<String>> { db.prepare(NAMES)?.query_map([], |row| row.get(0))?.collect() };
    let model = Connection::open_in_memory()?;
    for migration in MIGRATIONS {
        model.execute_batch(migration)?;
    }
    Ok(names(&model)?.difference(&names(db)?).cloned().collect())
}

/// The newest instant that any row claims as its own past.
pub fn newest(db: &Connection) -> Result<Option<Timestamp>> {
    let at: Option<i64> = db.query_row(
        "SELECT max(coalesce((SELECT max(ledger_until) FROM workflow), 0), coalesce((SELECT max(finished) FROM run WHERE finished IS NOT NULL), 0),
             coalesce((SELECT at FROM delivery_event ORDER BY rowid DESC LIMIT 1), 0), coalesce((SELECT max(seen) FROM boot), 0))",
        [],
        |row| row.get(0),
    )?;
    Ok(at.filter(|at| *at > 0).map(Timestamp::from_millis))
}

/// An occurrence that has begun or should have.
#[derive(Debug, Clone)]
pub struct Unfinished {
    /// Its number.
    pub run: RunId,
    /// The workflow.
    pub workflow: String,
    /// When it may start, or started.
    pub since: Timestamp,
    /// Whether an attempt had begun and not ended.
    pub running: bool,
}

/// Open occurrences of every kind that could have started before this instant.
pub fn unfinished(db: &Connection, before: Timestamp) -> Result<Vec<Unfinished>> {
    db.prepare_cached(
        "SELECT o.id, o.workflow, coalesce(r.started, o.start_at) AS since, r.state FROM occurrence o INDEXED BY occurrence_open
             LEFT JOIN run r ON r.id = o.id
         WHERE o.fate IS NULL AND o.start_at <= ?1 ORDER BY o.id",
    )?
    .query_map([before.millis()], |row| {
        let state: Option<RunState> = row.get("state")?;
        Ok(Unfinished {
            run: RunId(row.get("id")?),
            workflow: row.get("workflow")?,
            since: instant(row, "since")?,
            running: state == Some(RunState::Running),
        })
    })?
    .collect()
}

/// A delivery that has been where it is for long.
#[derive(Debug, Clone)]
pub struct Stuck {
    /// Its number.
    pub id: DeliveryId,
    /// Account or person.
    pub target: String,
    /// Where it is.
    pub state: String,
    /// Why.
    pub reason: String,
    /// When it was armed, or else due.
    pub since: Timestamp,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Whether only a person can answer.
    pub asks: bool,
}

fn stuck(db: &Connection, condition: &str, before: Timestamp) -> Result<Vec<Stuck>> {
    db.prepare_cached(&format!(
        "SELECT id, target, state, coalesce(reason, '') AS reason, coalesce(armed_at, due) AS since, until, look_at FROM delivery
         WHERE {condition} ORDER BY coalesce(armed_at, due), id"
    ))?
    .query_map(params![before.millis()], |row| {
        Ok(Stuck {
            id: DeliveryId(row.get("id")?),
            target: row.get("target")?,
            state: row.get("state")?,
            reason: row.get("reason")?,
            since: instant(row, "since")?,
            until: row.get::<_, Option<i64>>("until")?.map(Timestamp::from_millis),
            asks: instant(row, "look_at")? == Timestamp::NEVER,
        })
    })?
    .collect()
}

/// Deliveries that were armed before this instant and of which nobody knows yet whether they went out.
pub fn undecided(db: &Connection, before: Timestamp) -> Result<Vec<Stuck>> {
    stuck(db, "state IN ('armed', 'unknown') AND coalesce(armed_at, due) <= ?1", before)
}

/// Deliveries that were given up after this instant.
pub fn given_up(db: &Connection, after: Timestamp) -> Result<Vec<Stuck>> {
    stuck(db, "state = 'dead' AND coalesce(settled_at, due) > ?1", after)
}

/// Deliveries that were due before this instant and still wait, though nobody has to say yes.
pub fn behind(db: &Connection, before: Timestamp) -> Result<Vec<Stuck>> {
    stuck(db, "state IN ('held', 'due', 'preparing', 'retrying') AND approval <> 'needed' AND due < ?1", before)
}

/// Deliveries that wait for a yes, those whose window ends before this instant.
pub fn unanswered(db: &Connection, before: Timestamp) -> Result<Vec<Stuck>> {
    stuck(db, "state = 'held' AND approval = 'needed' AND coalesce(until, ?1) <= ?1", before)
}

/// A feed that fails: its name, since when, and why.
pub type Failing = (String, Timestamp, String);

/// Feeds that have failed since before this instant.
pub fn failing_feeds(db: &Connection, before: Timestamp) -> Result<Vec<Failing>> {
    db.prepare_cached(
        "SELECT name, failing_since, coalesce(error, '') AS error FROM feed WHERE failing_since <= ?1 ORDER BY failing_since, name",
    )?
    .query_map([before.millis()], |row| Ok((row.get("name")?, instant(row, "failing_since")?, row.get("error")?)))?
    .collect()
}
