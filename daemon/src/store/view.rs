//! Every question the program asks of the store, by name.
//!
//! In: a read-only connection (or a snapshot of one). Out: rows as plain values.
//! Never: writes, or leaves SQL to anybody else.

use super::outbox::{RecallRow, recall_row};
use super::{Fate, LogLine, RunState, TriggerKind, instant};
use crate::domain::{DeliveryId, Json, PostId, RunId, Timestamp};
use crate::kinds::Signal;
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};
use serde::{Deserialize, Serialize};

/// A connection that only reads.
pub type Db = Connection;
/// Why a question has no answer.
pub type DbError = rusqlite::Error;

/// Keys under a prefix: how many, and the newest version among them.
pub(super) const PREFIX_MARK: &str =
    "SELECT count(*), coalesce(max(version), 0) FROM state WHERE key >= ?1 AND key < ?1 || char(1114111)";

fn opt_instant(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

fn json(row: &Row<'_>, column: &str) -> Result<Option<Json>> {
    Ok(row.get::<_, Option<String>>(column)?.and_then(|text| serde_json::from_str(&text).ok()))
}

/// A state key's value (JSON text) and version.
pub fn state(db: &Connection, key: &str) -> Result<Option<(String, i64)>> {
    db.prepare_cached("SELECT value, version FROM state WHERE key = ?1")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// A key and its value as JSON text.
pub type Pair = (String, String);

/// Keys under a prefix with their values, in order, and the mark of the prefix.
pub fn state_list(db: &Connection, prefix: &str) -> Result<(Vec<Pair>, i64, i64)> {
    // Rows and mark come from one statement: two would let a commit slip in between, and the mark of the new state would
    // vouch for the rows of the old one.
    let mut newest = 0;
    let rows: Vec<Pair> = db
        .prepare_cached("SELECT key, value, version FROM state WHERE key >= ?1 AND key < ?1 || char(1114111) ORDER BY key")?
        .query_map([prefix], |row| {
            newest = newest.max(row.get(2)?);
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<_>>()?;
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    Ok((rows, count, newest))
}

/// A mark's version, 0 when nothing ever touched it.
pub fn mark(db: &Connection, name: &str) -> Result<i64> {
    Ok(db
        .prepare_cached("SELECT version FROM mark WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}

/// A step's kept answer (JSON text).
pub fn step(db: &Connection, run: RunId, name: &str) -> Result<Option<String>> {
    db.prepare_cached("SELECT answer FROM step WHERE run = ?1 AND name = ?2")?
        .query_row(params![run.0, name], |row| row.get(0))
        .optional()
}

/// What is known of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowRow {
    /// Its name.
    pub name: String,
    /// Every due instant up to here has its row.
    pub ledger_until: Timestamp,
    /// The furthest that ever was: ahead of `ledger_until` only after the clock went back.
    pub accounted: Timestamp,
    /// The schedules those rows came from.
    pub schedule: String,
    /// Failed occurrences in a row.
    pub failures: u32,
    /// Why it is paused.
    pub paused: Option<String>,
}

/// All workflows the store knows, in the configuration or not.
pub fn workflows(db: &Connection) -> Result<Vec<WorkflowRow>> {
    db.prepare_cached("SELECT * FROM workflow ORDER BY name")?
        .query_map([], |row| {
            Ok(WorkflowRow {
                name: row.get("name")?,
                ledger_until: instant(row, "ledger_until")?,
                accounted: instant(row, "accounted")?,
                schedule: row.get("schedule")?,
                failures: row.get("failures")?,
                paused: row.get("paused")?,
            })
        })?
        .collect()
}

/// The ledger row that accounts for a due instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerRow {
    /// Its number.
    pub id: RunId,
    /// The first instant it stands for.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many.
    pub count: i64,
    /// Whether something ran for it, or is still to run.
    pub ran: bool,
}

/// The ledger row that accounts for a due instant of a workflow.
pub fn ledger_row(db: &Connection, workflow: &str, due: Timestamp) -> Result<Option<LedgerRow>> {
    // Only the nearest row before it can stand for it: stretches do not lie within each other.
    db.prepare_cached(
        "SELECT * FROM (SELECT id, due, coalesce(last_due, due) AS last, count,
                 fate IS NULL OR EXISTS (SELECT 1 FROM run r WHERE r.id = o.id) AS ran
             FROM occurrence o WHERE workflow = ?1 AND kind = 'schedule' AND due <= ?2 ORDER BY due DESC LIMIT 1)
         WHERE last >= ?2",
    )?
    .query_row(params![workflow, due.millis()], |row| {
        Ok(LedgerRow {
            id: RunId(row.get("id")?),
            first: instant(row, "due")?,
            last: instant(row, "last")?,
            count: row.get("count")?,
            ran: row.get("ran")?,
        })
    })
    .optional()
}

/// An occurrence that has no fate yet.
#[derive(Debug, Clone)]
pub struct OpenOccurrence {
    /// Its number.
    pub id: RunId,
    /// Its workflow.
    pub workflow: String,
    /// What made it.
    pub kind: TriggerKind,
    /// When it was due.
    pub due: Timestamp,
    /// When its next attempt may start.
    pub start_at: Timestamp,
    /// What the trigger brought.
    pub payload: Option<Json>,
    /// The attempt that was made last, 0 for none.
    pub attempt: u32,
    /// How many attempts ended with the process rather than by themselves.
    pub interrupted: u32,
    /// Whether that attempt had begun and not ended.
    pub running: bool,
}

/// All open occurrences, oldest first.
pub fn open_occurrences(db: &Connection) -> Result<Vec<OpenOccurrence>> {
    db.prepare_cached(
        "SELECT o.id, o.workflow, o.kind, o.due, o.start_at, o.payload, coalesce(r.attempt, 0) AS attempt,
             coalesce(r.interrupted, 0) AS interrupted, coalesce(r.state = 'running', 0) AS running
         FROM occurrence o LEFT JOIN run r ON r.id = o.id WHERE o.fate IS NULL ORDER BY o.start_at, o.id",
    )?
    .query_map([], |row| {
        Ok(OpenOccurrence {
            id: RunId(row.get("id")?),
            workflow: row.get("workflow")?,
            kind: row.get("kind")?,
            due: instant(row, "due")?,
            start_at: instant(row, "start_at")?,
            payload: json(row, "payload")?,
            attempt: row.get("attempt")?,
            interrupted: row.get("interrupted")?,
            running: row.get("running")?,
        })
    })?
    .collect()
}

/// One line of the run history.
#[derive(Debug, Clone, Serialize)]
pub struct RunRow {
    /// Its number.
    pub run: RunId,
    /// Its workflow.
    pub workflow: String,
    /// What started it.
    pub trigger: TriggerKind,
    /// When it was due.
    pub due: Timestamp,
    /// `open` before the first attempt, else the run's state or the occurrence's fate.
    pub state: String,
    /// How the occurrence ended.
    pub fate: Option<Fate>,
    /// Why.
    pub reason: Option<String>,
    /// The attempt, 0 before the first.
    pub attempt: u32,
    /// When the last attempt started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// The line its script returned.
    pub line: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// For a stretch of missed instants: the last of them.
    pub last_due: Option<Timestamp>,
    /// How many due instants the row stands for.
    pub count: i64,
}

const RUN_COLUMNS: &str =
    "o.id, o.workflow, o.kind, o.due, o.fate, o.reason, o.last_due, o.count, r.state, coalesce(r.attempt, 0) AS attempt,
     r.started, r.finished, r.line, r.error";

fn run_row(row: &Row<'_>) -> Result<RunRow> {
    let fate: Option<Fate> = row.get("fate")?;
    let state: Option<RunState> = row.get("state")?;
    Ok(RunRow {
        run: RunId(row.get("id")?),
        workflow: row.get("workflow")?,
        trigger: row.get("kind")?,
        due: instant(row, "due")?,
        state: state.map(RunState::word).or(fate.map(Fate::word)).unwrap_or("open").to_owned(),
        fate,
        reason: row.get("reason")?,
        attempt: row.get("attempt")?,
        started: opt_instant(row, "started")?,
        finished: opt_instant(row, "finished")?,
        line: row.get("line")?,
        error: row.get("error")?,
        last_due: opt_instant(row, "last_due")?,
        count: row.get("count")?,
    })
}

/// The latest occurrences, newest first, of one workflow or of all.
pub fn runs(db: &Connection, workflow: Option<&str>, most: usize) -> Result<Vec<RunRow>> {
    let filter = if workflow.is_some() { "WHERE o.workflow = ?1" } else { "WHERE ?1 IS NULL" };
    db.prepare_cached(&format!(
        "SELECT {RUN_COLUMNS} FROM occurrence o LEFT JOIN run r ON r.id = o.id {filter} ORDER BY o.id DESC LIMIT ?2"
    ))?
    .query_map(params![workflow, i64::try_from(most).unwrap_or(i64::MAX)], run_row)?
    .collect()
}

/// Everything about one run.
#[derive(Debug, Clone, Serialize)]
pub struct RunDetail {
    /// The line of the history.
    #[serde(flatten)]
    pub row: RunRow,
    /// What its script returned.
    pub value: Option<Json>,
    /// Digest of the script it ran.
    pub version: Option<String>,
    /// What it planned.
    pub effects: Option<Json>,
    /// Digest of that.
    pub effects_hash: Option<String>,
    /// What it used.
    pub usage: Option<Json>,
    /// What the trigger brought.
    pub payload: Option<Json>,
    /// Names of the steps whose answers are kept.
    pub steps: Vec<String>,
    /// Its log.
    pub log: Vec<LogLine>,
}

/// One run with its log.
pub fn run(db: &Connection, id: RunId) -> Result<Option<RunDetail>> {
    let found = db
        .prepare_cached(&format!(
            "SELECT {RUN_COLUMNS}, r.value, r.version, r.effects, r.effects_hash, r.usage, o.payload
             FROM occurrence o LEFT JOIN run r ON r.id = o.id WHERE o.id = ?1"
        ))?
        .query_row([id.0], |row| {
            Ok(RunDetail {
                row: run_row(row)?,
                value: json(row, "value")?,
                version: row.get("version")?,
                effects: json(row, "effects")?,
                effects_hash: row.get("effects_hash")?,
                usage: json(row, "usage")?,
                payload: json(row, "payload")?,
                steps: Vec::new(),
                log: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut detail) = found else { return Ok(None) };
    detail.steps = db
        .prepare_cached("SELECT name FROM step WHERE run = ?1 ORDER BY at, name")?
        .query_map([id.0], |row| row.get(0))?
        .collect::<Result<_>>()?;
    detail.log = log(db, id)?;
    Ok(Some(detail))
}

/// A run's log lines.
pub fn log(db: &Connection, id: RunId) -> Result<Vec<LogLine>> {
    db.prepare_cached("SELECT at, level, text FROM run_log WHERE run = ?1 ORDER BY seq")?
        .query_map([id.0], |row| Ok(LogLine { at: instant(row, "at")?, level: row.get("level")?, text: row.get("text")? }))?
        .collect()
}

/// One delivery, whole.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryRow {
    /// Its number.
    pub id: DeliveryId,
    /// `post` or `notice`.
    pub kind: String,
    /// Its post.
    pub post: Option<PostId>,
    /// The run that planned it.
    pub run: RunId,
    /// The workflow of that run.
    pub workflow: String,
    /// Account or person.
    pub target: String,
    /// Where it stands.
    pub state: String,
    /// Why it stands there.
    pub reason: Option<String>,
    /// The exact content.
    pub content: Json,
    /// Digest over content, target and window.
    pub seal: String,
    /// `none`, `needed`, `given` or `refused`.
    pub approval: String,
    /// The seal the yes was given to.
    pub approved_seal: Option<String>,
    /// Who said yes.
    pub approved_by: Option<String>,
    /// Not before.
    pub due: Timestamp,
    /// Not after.
    pub until: Option<Timestamp>,
    /// When the worker looks at it next.
    pub look_at: Timestamp,
    /// How often sending was tried.
    pub attempts: u32,
    /// Conditions at the moment of sending.
    pub guards: Option<Json>,
    /// The library item.
    pub item: Option<String>,
    /// The theme.
    pub theme: Option<String>,
    /// The adapter's handle.
    pub prepared: Option<String>,
    /// The network's identifier.
    pub remote_id: Option<String>,
    /// Where it can be seen.
    pub url: Option<String>,
    /// When it was planned.
    pub created: Timestamp,
    /// When the dangerous step was about to be taken.
    pub armed_at: Option<Timestamp>,
    /// When it ended.
    pub settled_at: Option<Timestamp>,
    /// Why the post was planned.
    pub why: Vec<String>,
    /// The post's once key.
    pub once: Option<String>,
    /// What it stands in for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stands_in_for: Option<DeliveryId>,
    /// When it took the place of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swapped_at: Option<Timestamp>,
    /// What stands in for it, or took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<DeliveryId>,
    /// How its recall stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recall: Option<RecallRow>,
}

impl DeliveryRow {
    /// Whether it waits to stand in for another one, which may still go out.
    pub fn stands_by(&self) -> bool {
        self.stands_in_for.is_some() && self.swapped_at.is_none()
    }
}

const DELIVERY: &str = "SELECT d.*, o.workflow AS workflow, coalesce(p.why, '[]') AS why, coalesce(p.once, d.once) AS once_key,
         f.stands_in_for AS stands_in_for, f.swapped_at AS swapped_at, g.delivery AS fallback,
         r.state AS recall_state, r.reason AS recall_reason, r.note AS recall_note, r.by_whom AS recall_by,
         r.attempts AS recall_attempts, r.asked_at AS recall_asked_at, r.settled_at AS recall_settled_at
     FROM delivery d LEFT JOIN post p ON p.id = d.post LEFT JOIN occurrence o ON o.id = d.run
         LEFT JOIN fallback f ON f.delivery = d.id LEFT JOIN fallback g ON g.stands_in_for = d.id
         LEFT JOIN recall r ON r.delivery = d.id";

/// Leaves out what only waits to stand in for another one.
const NOT_STANDING_BY: &str = "NOT EXISTS (SELECT 1 FROM fallback s WHERE s.delivery = d.id AND s.swapped_at IS NULL)";

fn delivery_row(row: &Row<'_>) -> Result<DeliveryRow> {
    Ok(DeliveryRow {
        id: DeliveryId(row.get("id")?),
        kind: row.get("kind")?,
        post: row.get::<_, Option<i64>>("post")?.map(PostId),
        run: RunId(row.get("run")?),
        workflow: row.get::<_, Option<String>>("workflow")?.unwrap_or_default(),
        target: row.get("target")?,
        state: row.get("state")?,
        reason: row.get("reason")?,
        content: json(row, "content")?.unwrap_or_default(),
        seal: row.get("seal")?,
        approval: row.get("approval")?,
        approved_seal: row.get("approved_seal")?,
        approved_by: row.get("approved_by")?,
        due: instant(row, "due")?,
        until: opt_instant(row, "until")?,
        look_at: instant(row, "look_at")?,
        attempts: row.get("attempts")?,
        guards: json(row, "guards")?,
        item: row.get("item")?,
        theme: row.get("theme")?,
        prepared: row.get("prepared")?,
        remote_id: row.get("remote_id")?,
        url: row.get("url")?,
        created: instant(row, "created")?,
        armed_at: opt_instant(row, "armed_at")?,
        settled_at: opt_instant(row, "settled_at")?,
        why: serde_json::from_str(&row.get::<_, String>("why")?).unwrap_or_default(),
        once: row.get("once_key")?,
        stands_in_for: row.get::<_, Option<i64>>("stands_in_for")?.map(DeliveryId),
        swapped_at: opt_instant(row, "swapped_at")?,
        fallback: row.get::<_, Option<i64>>("fallback")?.map(DeliveryId),
        recall: recall_row(row)?,
    })
}

/// One delivery.
pub fn delivery(db: &Connection, id: DeliveryId) -> Result<Option<DeliveryRow>> {
    db.prepare_cached(&format!("{DELIVERY} WHERE d.id = ?1"))?.query_row([id.0], delivery_row).optional()
}

/// The deliveries of one post.
pub fn deliveries_of(db: &Connection, post: PostId) -> Result<Vec<DeliveryRow>> {
    db.prepare_cached(&format!("{DELIVERY} WHERE d.post = ?1 ORDER BY d.id"))?.query_map([post.0], delivery_row)?.collect()
}

/// Deliveries, newest first; of one state or of one target when given.
pub fn deliveries(db: &Connection, state: Option<&str>, target: Option<&str>, most: usize) -> Result<Vec<DeliveryRow>> {
    db.prepare_cached(&format!(
        "{DELIVERY} WHERE (?1 IS NULL OR d.state = ?1) AND (?2 IS NULL OR d.target = ?2) ORDER BY d.id DESC LIMIT ?3"
    ))?
    .query_map(params![state, target, i64::try_from(most).unwrap_or(i64::MAX)], delivery_row)?
    .collect()
}

/// Posts, newest first; in one state or of one account when given.
pub fn posts(db: &Connection, state: Option<&str>, account: Option<&str>, most: usize) -> Result<Vec<DeliveryRow>> {
    db.prepare_cached(&format!(
        "{DELIVERY} WHERE d.kind = 'post' AND (?1 IS NULL OR d.state = ?1) AND (?2 IS NULL OR d.target = ?2) ORDER BY d.id DESC LIMIT ?3"
    ))?
    .query_map(params![state, account, i64::try_from(most).unwrap_or(i64::MAX)], delivery_row)?
    .collect()
}

/// Deliveries that have not ended, earliest due first; of one target when given.
pub fn open_deliveries(db: &Connection, target: Option<&str>, most: usize) -> Result<Vec<DeliveryRow>> {
    db.prepare_cached(&format!(
        "{DELIVERY} WHERE d.state IN ('held', 'due', 'preparing', 'armed', 'retrying', 'unknown') AND (?1 IS NULL OR d.target = ?1)
             AND {NOT_STANDING_BY}
         ORDER BY d.due, d.id LIMIT ?2"
    ))?
    .query_map(params![target, i64::try_from(most).unwrap_or(i64::MAX)], delivery_row)?
    .collect()
}

/// An open delivery whose time to be looked at has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its number.
    pub id: DeliveryId,
    /// Account or person.
    pub target: String,
    /// Since when.
    pub look_at: Timestamp,
    /// `none`, `needed`, `given` or `refused`.
    pub approval: String,
}

/// All open deliveries to look at by now, in the order in which they are to be looked at: what may have gone out already comes
/// first, because the others of its account wait for it; then whatever was due first.
pub fn looks(db: &Connection, now: Timestamp) -> Result<Vec<Look>> {
    db.prepare_cached(
        "SELECT id, target, look_at, approval FROM delivery
         WHERE state IN ('held', 'due', 'preparing', 'armed', 'retrying', 'unknown') AND look_at <= ?1 ORDER BY state IN ('armed', 'unknown') DESC, due, id",
    )?
    .query_map([now.millis()], |row| {
        Ok(Look {
            id: DeliveryId(row.get("id")?),
            target: row.get("target")?,
            look_at: instant(row, "look_at")?,
            approval: row.get("approval")?,
        })
    })?
    .collect()
}

/// When the next open delivery wants to be looked at, after this moment.
pub fn next_look(db: &Connection, now: Timestamp) -> Result<Option<Timestamp>> {
    let at: Option<i64> = db
        .prepare_cached(
            "SELECT min(look_at) FROM delivery
             WHERE state IN ('held', 'due', 'preparing', 'armed', 'retrying', 'unknown') AND look_at > ?1",
        )?
        .query_row([now.millis()], |row| row.get(0))?;
    Ok(at.map(Timestamp::from_millis))
}

/// What happened to a delivery, oldest first: when, state, in words.
pub fn delivery_history(db: &Connection, id: DeliveryId) -> Result<Vec<(Timestamp, String, String)>> {
    db.prepare_cached("SELECT at, state, text FROM delivery_event WHERE delivery = ?1 ORDER BY rowid")?
        .query_map([id.0], |row| Ok((instant(row, "at")?, row.get("state")?, row.get("text")?)))?
        .collect()
}

/// When this account's posts were armed, newest first, since an instant; `except` is left out.
pub fn armed_since(db: &Connection, target: &str, since: Timestamp, except: DeliveryId) -> Result<Vec<Timestamp>> {
    db.prepare_cached(
        "SELECT armed_at FROM delivery WHERE target = ?1 AND armed_at > ?2 AND id <> ?3 AND kind = 'post' ORDER BY armed_at DESC",
    )?
    .query_map(params![target, since.millis(), except.0], |row| instant(row, "armed_at"))?
    .collect()
}

/// How long an earlier post holds up those behind it.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// While it was tried fewer times than this.
    pub tries: u32,
    /// While it is in preparation, if it was due after this.
    pub due_since: Timestamp,
    /// While its outcome is unknown, if it was sent after this.
    pub armed_since: Timestamp,
}

/// What keeps this account's order before a delivery, if anything does: another post that is being sent, or an earlier one that
/// is on its way. Gives back when that one is looked at next.
pub fn before_it(db: &Connection, row: &DeliveryRow, patience: Patience) -> Result<Option<Timestamp>> {
    let at: Option<i64> = db
        .prepare_cached(
            "SELECT max(look_at) FROM delivery
             WHERE target = :target AND kind = 'post' AND id <> :id AND state IN ('armed', 'unknown', 'preparing', 'retrying')
                 AND (state = 'armed' OR ((due, id) < (:due, :id) AND ((state = 'preparing' AND due > :due_since)
                     OR (state = 'retrying' AND attempts < :tries) OR (state = 'unknown' AND armed_at > :armed_since))))",
        )?
        .query_row(
            named_params! {
                ":target": row.target, ":id": row.id.0, ":due": row.due.millis(), ":tries": patience.tries,
                ":due_since": patience.due_since.millis(), ":armed_since": patience.armed_since.millis(),
            },
            |row| row.get(0),
        )?;
    Ok(at.map(Timestamp::from_millis))
}

/// What an account published or will publish since an instant, newest due first, without what was cancelled or refused.
pub fn recent_posts(db: &Connection, account: &str, since: Timestamp) -> Result<Vec<DeliveryRow>> {
    db.prepare_cached(&format!(
        "{DELIVERY} WHERE d.target = ?1 AND d.kind = 'post' AND d.due >= ?2 AND d.state NOT IN ('cancelled', 'refused')
             AND {NOT_STANDING_BY} ORDER BY d.due DESC, d.id DESC"
    ))?
    .query_map(params![account, since.millis()], delivery_row)?
    .collect()
}

/// How often and when last each library item was used by an account.
pub fn item_uses(db: &Connection, account: &str) -> Result<Vec<(String, Timestamp, u32)>> {
    db.prepare_cached(
        "SELECT item, max(due) AS last, count(*) AS uses FROM delivery
         WHERE target = ?1 AND item IS NOT NULL AND state NOT IN ('cancelled', 'refused') GROUP BY item",
    )?
    .query_map([account], |row| Ok((row.get("item")?, instant(row, "last")?, row.get("uses")?)))?
    .collect()
}

/// When a post was or will be due, its theme and its library item.
pub type LastPost = (Timestamp, Option<String>, Option<String>);

/// An account's last posts, newest first.
pub fn last_posts(db: &Connection, account: &str, most: usize) -> Result<Vec<LastPost>> {
    db.prepare_cached(&format!(
        "SELECT due, theme, item FROM delivery d WHERE target = ?1 AND kind = 'post' AND state NOT IN ('cancelled', 'refused')
             AND {NOT_STANDING_BY}
         ORDER BY due DESC, id DESC LIMIT ?2"
    ))?
    .query_map(params![account, i64::try_from(most).unwrap_or(i64::MAX)], |row| {
        Ok((instant(row, "due")?, row.get(1)?, row.get(2)?))
    })?
    .collect()
}

/// How many posts ended in a state in a span.
pub fn ended_between(db: &Connection, state: &str, from: Timestamp, to: Timestamp) -> Result<usize> {
    db.prepare_cached(
        "SELECT count(*) FROM delivery WHERE kind = 'post' AND state = ?1 AND settled_at >= ?2 AND settled_at < ?3",
    )?
    .query_row(params![state, from.millis(), to.millis()], |row| row.get::<_, u32>(0).map(|n| n as usize))
}

/// Whether a workflow ever used this once key.
pub fn once_used(db: &Connection, workflow: &str, once: &str) -> Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM post WHERE workflow = ?1 AND once = ?2)")?
        .query_row([workflow, once], |row| row.get(0))
}

/// Whether a person ever got a notice for this once key.
pub fn notice_used(db: &Connection, person: &str, once: &str) -> Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM delivery WHERE kind = 'notice' AND target = ?1 AND once = ?2)")?
        .query_row([person, once], |row| row.get(0))
}

/// The unsent deliveries of a workflow's (?1) posts whose once key begins so (?2). It goes through what is open, not through all that the
/// workflow ever posted, which is what the planner would choose.
pub(super) fn withdrawable_rows() -> String {
    format!(
        "FROM delivery d INDEXED BY delivery_open CROSS JOIN post p ON p.id = d.post
         WHERE d.state IN ('held', 'due', 'preparing', 'armed', 'retrying', 'unknown') AND d.state <> 'armed' AND d.state <> 'unknown'
             AND p.workflow = ?1 AND substr(p.once, 1, length(?2)) = ?2 AND {NOT_STANDING_BY}"
    )
}

/// How many unsent deliveries a withdrawal would cancel now.
pub fn withdrawable(db: &Connection, workflow: &str, prefix: &str) -> Result<i64> {
    db.prepare_cached(&format!("SELECT count(*) {}", withdrawable_rows()))?.query_row([workflow, prefix], |row| row.get(0))
}

/// A feed's cursor.
pub fn feed_cursor(db: &Connection, feed: &str) -> Result<Option<String>> {
    Ok(db.prepare_cached("SELECT cursor FROM feed WHERE name = ?1")?.query_row([feed], |row| row.get(0)).optional()?.flatten())
}

/// How often in a row a feed could not be read, up to its last read.
pub fn feed_failures(db: &Connection, feed: &str) -> Result<u32> {
    Ok(db
        .prepare_cached("SELECT failures FROM feed WHERE name = ?1")?
        .query_row([feed], |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}

/// How feeds stand: name, last read, last error.
pub fn feeds(db: &Connection) -> Result<Vec<(String, Timestamp, Option<String>)>> {
    db.prepare_cached("SELECT name, read_at, error FROM feed ORDER BY name")?
        .query_map([], |row| Ok((row.get("name")?, instant(row, "read_at")?, row.get("error")?)))?
        .collect()
}

/// A stored signal: its feed, when it was first seen, and itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalRow {
    /// Its place in the order in which signals were stored; 0 for one that is not stored yet.
    pub seq: i64,
    /// The feed.
    pub feed: String,
    /// When it was first seen.
    pub seen_at: Timestamp,
    /// The signal.
    pub signal: Signal,
}

fn signal_row(row: &Row<'_>) -> Result<SignalRow> {
    Ok(SignalRow {
        seq: row.get("seq")?,
        feed: row.get("feed")?,
        seen_at: instant(row, "seen_at")?,
        signal: Signal {
            id: row.get("id")?,
            title: row.get("title")?,
            url: row.get("url")?,
            published: opt_instant(row, "published")?,
            summary: row.get("summary")?,
        },
    })
}

/// A feed's signals that a workflow has not seen, oldest first.
pub fn unseen_signals(db: &Connection, workflow: &str, feed: &str, most: usize) -> Result<Vec<SignalRow>> {
    db.prepare_cached(
        "SELECT * FROM signal INDEXED BY signal_by_feed WHERE feed = ?2 AND seq > coalesce((SELECT seq FROM feed_seen WHERE workflow = ?1 AND feed = ?2), 0)
         ORDER BY seq LIMIT ?3",
    )?
    .query_map(params![workflow, feed, i64::try_from(most).unwrap_or(i64::MAX)], signal_row)?
    .collect()
}

/// How many of a feed's signals a workflow has not seen.
pub fn unseen_count(db: &Connection, workflow: &str, feed: &str) -> Result<usize> {
    db.prepare_cached(
        "SELECT count(*) FROM signal INDEXED BY signal_by_feed WHERE feed = ?2 AND seq > coalesce((SELECT seq FROM feed_seen WHERE workflow = ?1 AND feed = ?2), 0)",
    )?
    .query_row(params![workflow, feed], |row| row.get::<_, i64>(0))
    .map(|count| usize::try_from(count).unwrap_or(0))
}

/// Which of these ids a feed has already given.
pub fn known_signals(db: &Connection, feed: &str, ids: &[&str]) -> Result<std::collections::HashSet<String>> {
    let mut known = std::collections::HashSet::new();
    let mut query = db.prepare_cached("SELECT 1 FROM signal WHERE feed = ?1 AND id = ?2")?;
    for id in ids {
        if query.exists([feed, id])? {
            known.insert((*id).to_owned());
        }
    }
    Ok(known)
}

/// All signals seen since an instant, newest first; at most 20,000. What was published since then and seen before counts from
/// when it was seen.
pub fn signals_since(db: &Connection, since: Timestamp) -> Result<Vec<SignalRow>> {
    db.prepare_cached("SELECT * FROM signal INDEXED BY signal_seen_at WHERE seen_at >= ?1 ORDER BY seq DESC LIMIT 20000")?
        .query_map([since.millis()], signal_row)?
        .collect()
}

/// The signals of these spans of numbers, in their order; a span may go downwards. One that is no longer there is left out.
pub fn signals_numbered(db: &Connection, spans: &[(i64, i64)]) -> Result<Vec<SignalRow>> {
    let mut rows = Vec::new();
    for (first, last) in spans {
        let order = if first <= last { "ASC" } else { "DESC" };
        let mut query = db.prepare_cached(&format!("SELECT * FROM signal WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq {order}"))?;
        for row in query.query_map([first.min(last), first.max(last)], signal_row)? {
            rows.push(row?);
        }
    }
    Ok(rows)
}

/// One measured figure.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// The account.
    pub account: String,
    /// What was measured.
    pub name: String,
    /// The day, `2026-11-22`.
    pub day: String,
    /// How much.
    pub value: f64,
}

/// Figures from one day to another, both included.
pub fn metrics(db: &Connection, from: &str, to: &str) -> Result<Vec<MetricRow>> {
    db.prepare_cached("SELECT * FROM metric WHERE day BETWEEN ?1 AND ?2 ORDER BY account, name, day")?
        .query_map([from, to], |row| {
            Ok(MetricRow { account: row.get("account")?, name: row.get("name")?, day: row.get("day")?, value: row.get("value")? })
        })?
        .collect()
}

/// The cursor of a metrics file.
pub fn metric_cursor(db: &Connection, path: &str) -> Result<Option<String>> {
    db.prepare_cached("SELECT cursor FROM metric_file WHERE path = ?1")?.query_row([path], |row| row.get(0)).optional()
}

/// Posts that went online in a span, oldest first.
pub fn published(db: &Connection, from: Timestamp, to: Timestamp) -> Result<Vec<DeliveryRow>> {
    db.prepare_cached(&format!(
        "{DELIVERY} WHERE d.kind = 'post' AND d.state = 'online' AND d.settled_at >= ?1 AND d.settled_at < ?2 ORDER BY d.settled_at, d.id"
    ))?
    .query_map([from.millis(), to.millis()], delivery_row)?
    .collect()
}

/// How many posts are in each state.
pub fn delivery_counts(db: &Connection) -> Result<Vec<(String, i64)>> {
    db.prepare_cached(&format!(
        "SELECT state, count(*) FROM delivery d WHERE kind = 'post' AND {NOT_STANDING_BY} GROUP BY state ORDER BY state"
    ))?
    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

/// Which program version found no error in a script.
pub fn script_checked(db: &Connection, digest: &str) -> Result<Option<String>> {
    db.prepare_cached("SELECT checked FROM script WHERE digest = ?1")?.query_row([digest], |row| row.get(0)).optional()
}

/// A script version's name and source.
pub fn script(db: &Connection, digest: &str) -> Result<Option<(String, String)>> {
    db.prepare_cached("SELECT name, source FROM script WHERE digest = ?1")?
        .query_row([digest], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Why all sending is frozen.
pub fn freeze(db: &Connection) -> Result<Option<String>> {
    db.prepare_cached("SELECT value FROM meta WHERE key = 'freeze'")?.query_row([], |row| row.get(0)).optional()
}

/// An account's breaker: why it tripped (`None` when it was mended), and since when.
pub fn breaker(db: &Connection, account: &str) -> Result<Option<(Option<String>, Timestamp)>> {
    db.prepare_cached("SELECT breaker, at FROM account WHERE name = ?1")?
        .query_row([account], |row| Ok((row.get("breaker")?, instant(row, "at")?)))
        .optional()
}

/// Accounts whose breaker tripped, and why.
pub fn breakers(db: &Connection) -> Result<Vec<(String, String)>> {
    db.prepare_cached("SELECT name, breaker FROM account WHERE breaker IS NOT NULL ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// The latest occurrence of a workflow that has ended, and how long ago its last good one was.
pub fn last_runs(db: &Connection) -> Result<Vec<(String, RunRow)>> {
    db.prepare_cached(&format!(
        "SELECT {RUN_COLUMNS} FROM occurrence o LEFT JOIN run r ON r.id = o.id
         WHERE o.id IN (SELECT max(id) FROM occurrence WHERE fate IS NOT NULL GROUP BY workflow)"
    ))?
    .query_map([], run_row)?
    .map(|row| row.map(|r| (r.workflow.clone(), r)))
    .collect()
}
