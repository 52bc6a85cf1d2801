//! What a calendar asks of the store.
//!
//! In: a read-only connection. Out: rows as plain values.
//! Never: writes.

use super::view::{self, DeliveryRow};
use super::{OpenError, instant, sorted};
use crate::domain::{DeliveryId, Timestamp};
use rusqlite::{Connection, OpenFlags, Result, params};
use std::path::Path;

/// The last moment of which a database file knows anything; the first of all when it knows nothing.
///
/// # Errors
/// When the file is none of ours or cannot be read.
pub fn last_moment(path: &Path) -> std::result::Result<Timestamp, OpenError> {
    let sort = |error: rusqlite::Error| sorted(path, &error);
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sort)?;
    db.query_row(
        "SELECT max((SELECT coalesce(max(ledger_until), 0) FROM workflow), (SELECT coalesce(max(finished), 0) FROM run),
             (SELECT coalesce(max(at), 0) FROM delivery_event), (SELECT coalesce(max(read_at), 0) FROM feed))",
        [],
        |row| row.get(0).map(Timestamp::from_millis),
    )
    .map_err(|error| match error.sqlite_error_code() {
        // Some other program's tables.
        Some(rusqlite::ErrorCode::Unknown) => OpenError::Foreign(path.to_owned()),
        _ => sort(error),
    })
}

/// Deliveries that belong to a span: those that left in it, those that ended in it, and those that are open and were to leave before
/// its end.
pub fn deliveries_between(db: &Connection, from: Timestamp, to: Timestamp) -> Result<Vec<DeliveryRow>> {
    let ids: Vec<i64> = db
        .prepare_cached(
            "SELECT id FROM delivery WHERE CASE WHEN state = 'online' THEN coalesce(armed_at, settled_at) >= ?1
                 AND coalesce(armed_at, settled_at) < ?2 WHEN settled_at IS NOT NULL THEN settled_at >= ?1 AND due < ?2
                 ELSE due < ?2 END ORDER BY id",
        )?
        .query_map(params![from.millis(), to.millis()], |row| row.get(0))?
        .collect::<Result<_>>()?;
    ids.into_iter().filter_map(|id| view::delivery(db, DeliveryId(id)).transpose()).collect()
}

/// When accounts posted in a span: account and moment, oldest first.
pub fn posted_between(db: &Connection, from: Timestamp, to: Timestamp) -> Result<Vec<(String, Timestamp)>> {
    db.prepare_cached(
        "SELECT target, armed_at FROM delivery WHERE kind = 'post' AND state = 'online' AND armed_at >= ?1 AND armed_at < ?2
         ORDER BY armed_at, id",
    )?
    .query_map(params![from.millis(), to.millis()], |row| Ok((row.get(0)?, instant(row, "armed_at")?)))?
    .collect()
}

/// How many due instants of a span a workflow ended in some other way than by running: workflow, fate, how many, the first, and what
/// was said about that one.
pub type Fated = (String, String, i64, Timestamp, String);

/// How the due instants of a span ended that were not simply run, by workflow and fate.
pub fn fates_between(db: &Connection, from: Timestamp, to: Timestamp) -> Result<Vec<Fated>> {
    db.prepare_cached(
        "SELECT o.workflow, o.fate, sum(o.count) AS many, min(o.due) AS first, coalesce(o.reason, '') AS why FROM occurrence o
         WHERE o.fate <> 'ran' AND o.due >= ?1 AND o.due < ?2 GROUP BY o.workflow, o.fate ORDER BY o.workflow, o.fate",
    )?
    .query_map(params![from.millis(), to.millis()], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, instant(row, "first")?, row.get(4)?))
    })?
    .collect()
}

/// How many due instants of a span there are, and how many of them ran.
pub fn occurrences_between(db: &Connection, from: Timestamp, to: Timestamp) -> Result<(i64, i64)> {
    db.prepare_cached(
        "SELECT coalesce(sum(count), 0), coalesce(sum(iif(fate = 'ran', count, 0)), 0) FROM occurrence WHERE due >= ?1 AND due < ?2",
    )?
    .query_row(params![from.millis(), to.millis()], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Posts that wait for a yes: number, seal and account.
pub fn waiting_for_a_yes(db: &Connection) -> Result<Vec<(DeliveryId, String, String)>> {
    // The list of states is that of the index of open deliveries, word for word, so that the others are not looked through; and the
    // order is not that of the table for the same reason.
    db.prepare_cached(
        "SELECT id, seal, target FROM delivery
         WHERE state IN ('held', 'due', 'preparing', 'armed', 'retrying', 'unknown') AND state = 'held' AND approval = 'needed'
         ORDER BY +id",
    )?
    .query_map([], |row| Ok((DeliveryId(row.get(0)?), row.get(1)?, row.get(2)?)))?
    .collect()
}
