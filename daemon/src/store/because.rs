//! Questions about causes: what an hour came to, what a run led to, where an item or a product is named.
//!
//! In: a connection that only reads. Out: numbers of rows, which [`super::view`] tells more about.
//! Never: interprets what it finds.

use super::instant;
use crate::domain::{DeliveryId, PostId, RunId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Result, params};

/// What an occurrence has besides its line in the history.
#[derive(Debug, Clone)]
pub struct Occurrence {
    /// When its next attempt may start.
    pub start_at: Timestamp,
    /// The schedule it came from: expression, zone and policy.
    pub schedule: Option<String>,
    /// The occurrence that ran for it.
    pub into: Option<RunId>,
}

/// What an occurrence has besides its line in the history.
pub fn occurrence(db: &Connection, run: RunId) -> Result<Option<Occurrence>> {
    db.prepare_cached("SELECT start_at, schedule, into_id FROM occurrence WHERE id = ?1")?
        .query_row([run.0], |row| {
            Ok(Occurrence {
                start_at: instant(row, "start_at")?,
                schedule: row.get("schedule")?,
                into: row.get::<_, Option<i64>>("into_id")?.map(RunId),
            })
        })
        .optional()
}

fn runs(rows: rusqlite::MappedRows<'_, impl FnMut(&rusqlite::Row<'_>) -> Result<i64>>) -> Result<Vec<RunId>> {
    rows.map(|id| id.map(RunId)).collect()
}

/// A workflow's occurrences that were due in a window, of whatever kind; stretches that reach into it as well.
pub fn due_between(db: &Connection, workflow: &str, from: Timestamp, to: Timestamp, most: u32) -> Result<Vec<RunId>> {
    let mut query = db.prepare_cached(
        "SELECT id FROM (
             SELECT id, due FROM occurrence WHERE kind = 'schedule' AND workflow = ?1 AND due >= ?2 AND due < ?3
             UNION SELECT id, due FROM occurrence WHERE count > 1 AND workflow = ?1 AND last_due >= ?2 AND due < ?3
             UNION SELECT id, due FROM occurrence WHERE kind <> 'schedule' AND workflow = ?1 AND due >= ?2 AND due < ?3)
         ORDER BY due, id LIMIT ?4",
    )?;
    runs(query.query_map(params![workflow, from.millis(), to.millis(), most], |row| row.get(0))?)
}

/// A workflow's last scheduled occurrence before an instant.
pub fn last_before(db: &Connection, workflow: &str, at: Timestamp) -> Result<Option<RunId>> {
    db.prepare_cached(
        "SELECT id FROM occurrence WHERE workflow = ?1 AND kind = 'schedule' AND due < ?2 ORDER BY due DESC LIMIT 1",
    )?
    .query_row(params![workflow, at.millis()], |row| row.get(0).map(RunId))
    .optional()
}

/// An open occurrence of the same workflow that came before this one.
pub fn open_before(db: &Connection, workflow: &str, run: RunId) -> Result<Option<RunId>> {
    db.prepare_cached(
        "SELECT id FROM occurrence WHERE workflow = ?1 AND id < ?2 AND fate IS NULL AND kind = 'schedule' ORDER BY id DESC LIMIT 1",
    )?
    .query_row(params![workflow, run.0], |row| row.get(0).map(RunId))
    .optional()
}

/// The posts that a run planned.
pub fn posts_of(db: &Connection, run: RunId) -> Result<Vec<PostId>> {
    db.prepare_cached("SELECT id FROM post WHERE run = ?1 ORDER BY id")?
        .query_map([run.0], |row| row.get(0).map(PostId))?
        .collect()
}

/// The last post of a workflow that an earlier run than this one planned.
pub fn post_before(db: &Connection, workflow: &str, run: RunId) -> Result<Option<PostId>> {
    db.prepare_cached("SELECT id FROM post WHERE workflow = ?1 AND run < ?2 ORDER BY id DESC LIMIT 1")?
        .query_row(params![workflow, run.0], |row| row.get(0).map(PostId))
        .optional()
}

fn deliveries(rows: rusqlite::MappedRows<'_, impl FnMut(&rusqlite::Row<'_>) -> Result<i64>>) -> Result<Vec<DeliveryId>> {
    rows.map(|id| id.map(DeliveryId)).collect()
}

/// An account's posts that were due in a window.
pub fn posts_due(db: &Connection, target: &str, from: Timestamp, to: Timestamp, most: u32) -> Result<Vec<DeliveryId>> {
    let mut query = db.prepare_cached(
        "SELECT id FROM delivery WHERE target = ?1 AND kind = 'post' AND due >= ?2 AND due < ?3 ORDER BY due, id LIMIT ?4",
    )?;
    deliveries(query.query_map(params![target, from.millis(), to.millis(), most], |row| row.get(0))?)
}

/// An account's posts next to an instant: the last one due before it, the first one from it on.
pub fn posts_near(db: &Connection, target: &str, at: Timestamp) -> Result<(Option<DeliveryId>, Option<DeliveryId>)> {
    let before = "SELECT id FROM delivery WHERE target = ?1 AND kind = 'post' AND due < ?2 ORDER BY due DESC, id DESC LIMIT 1";
    let after = "SELECT id FROM delivery WHERE target = ?1 AND kind = 'post' AND due >= ?2 ORDER BY due, id LIMIT 1";
    let one =
        |sql: &str| db.prepare_cached(sql)?.query_row(params![target, at.millis()], |row| row.get(0).map(DeliveryId)).optional();
    Ok((one(before)?, one(after)?))
}

/// The posts of a library item on an account, newest first.
pub fn posts_with(db: &Connection, target: &str, item: &str, most: u32) -> Result<Vec<DeliveryId>> {
    let mut query =
        db.prepare_cached("SELECT id FROM delivery WHERE target = ?1 AND item = ?2 ORDER BY due DESC, id DESC LIMIT ?3")?;
    deliveries(query.query_map(params![target, item, most], |row| row.get(0))?)
}

/// Accounts that ever had a post of a library item.
pub fn accounts_with(db: &Connection, item: &str) -> Result<Vec<String>> {
    db.prepare_cached("SELECT DISTINCT target FROM delivery WHERE item = ?1 ORDER BY target")?
        .query_map([item], |row| row.get(0))?
        .collect()
}

/// Posts whose conditions name a product, newest first.
pub fn posts_about(db: &Connection, sku: &str, most: u32) -> Result<Vec<DeliveryId>> {
    let mut query = db.prepare_cached(
        "SELECT id FROM delivery WHERE guards IS NOT NULL AND guards ->> '$.sku' = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    deliveries(query.query_map(params![sku, most], |row| row.get(0))?)
}
