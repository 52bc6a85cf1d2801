//! How deliveries come to be and move, and what surrounds them: what stands in for what, what is to be taken down, what was let go
//! on although all is frozen.
//!
//! In: new deliveries, their moves, and the owner's decisions, as [`OutboxOp`]. Out: rows, all of a change's or none; answers as plain values.
//! Never: decides which of them is right. It refuses what must not be: a fallback beside its post, a second moment for what has
//! gone out, a post sent again that was called back.

use super::change::{Committed, NewDelivery, one, touch};
use super::{CommitError, DeliveryMove, instant};
use crate::domain::{DeliveryId, PostId, RunId, Timestamp};
use crate::kinds::PrivateWrite;
use rusqlite::{Connection, OptionalExtension, Result, named_params, params};
use serde::Serialize;

/// What stands in for a delivery, as planned. Account and window are those of the delivery.
#[derive(Debug, Clone)]
pub struct NewFallback {
    /// The exact content as JSON.
    pub content: String,
    /// Digest over content, target and window.
    pub seal: crate::domain::Digest,
    /// The library item it came from.
    pub item: Option<String>,
    /// Its theme.
    pub theme: Option<String>,
}

/// One change to what surrounds a delivery.
#[derive(Debug)]
pub enum OutboxOp {
    /// Cancels a post and puts what stands in for it in its place.
    Swap {
        /// How the post ends.
        step: Box<DeliveryMove>,
        /// What takes its place.
        fallback: DeliveryId,
        /// Why, for people.
        reason: String,
    },
    /// A person calls a delivery back: what has not gone out is cancelled, what is or may be online is taken down.
    Recall {
        /// Which.
        id: DeliveryId,
        /// Who says so.
        by: String,
        /// Why.
        reason: String,
    },
    /// What came of taking a post down.
    TakeDown(Box<TakeDown>),
    /// Lets one delivery go on although everything is frozen or its account is stopped.
    Release {
        /// Which.
        id: DeliveryId,
        /// Who says so.
        by: String,
        /// What its history says of it.
        note: String,
    },
    /// Gives a delivery another moment: it ends, and a new one with the same content and a seal of its own takes its place.
    Reslot {
        /// Which.
        id: DeliveryId,
        /// The new one.
        to: Box<NewDelivery>,
        /// Why the old one ended; `{id}` stands for the new one.
        note: String,
        /// Who extends the yes that the old one had to the new moment, if anybody does.
        yes: Option<String>,
    },
}

/// A step of taking a post down.
#[derive(Debug)]
pub struct TakeDown {
    /// Which.
    pub id: DeliveryId,
    /// `retrying`, `gone` or `impossible`.
    pub to: &'static str,
    /// How it stands, for people.
    pub note: String,
    /// When to try again.
    pub look_at: Timestamp,
    /// Counts one attempt.
    pub attempt: bool,
    /// What adapters want remembered of the calls that led here.
    pub private: Vec<PrivateWrite>,
}

/// States in which nothing of a delivery can be out.
const UNSENT: [&str; 4] = ["held", "due", "preparing", "retrying"];

pub(super) fn apply(
    db: &Connection,
    op: &OutboxOp,
    at: i64,
    version: i64,
    made: &mut Committed,
) -> std::result::Result<(), CommitError> {
    match op {
        OutboxOp::Swap { step, fallback, reason } => {
            // The mark first would be refused, and the end of the post would end its fallback: so the place is taken in between.
            move_delivery(db, step, at, |db| {
                let changed = db
                    .prepare_cached("UPDATE fallback SET swapped_at = ?3 WHERE delivery = ?1 AND stands_in_for = ?2")?
                    .execute(params![fallback.0, step.id.0, at])?;
                one(changed, || format!("{fallback} does not stand in for {}.", step.id))?;
                let changed = db
                    .prepare_cached("UPDATE delivery SET reason = ?2, look_at = ?3 WHERE id = ?1 AND state = 'held'")?
                    .execute(params![fallback.0, reason, at])?;
                one(changed, || format!("{fallback} does not wait any more."))?;
                Ok(tell(db, fallback.0, at, "held", reason)?)
            })?;
            super::plugins::keep(db, &step.private)?;
        }
        OutboxOp::Recall { id, by, reason } => recall_one(db, *id, by, reason, at)?,
        OutboxOp::TakeDown(step) => {
            let settled = matches!(step.to, "gone" | "impossible");
            let changed = db
                .prepare_cached(
                    "UPDATE recall SET state = :to, note = :note, look_at = :look_at, attempts = attempts + :attempt,
                         settled_at = iif(:settled, :at, NULL)
                     WHERE delivery = :id AND state <> 'gone'",
                )?
                .execute(named_params! {
                    ":id": step.id.0, ":to": step.to, ":note": step.note, ":look_at": step.look_at.millis(),
                    ":attempt": i64::from(step.attempt), ":settled": settled, ":at": at,
                })?;
            if changed == 0 {
                return Err(CommitError::Conflict(format!("the recall of {}", step.id)));
            }
            let word = if step.to == "retrying" { "recalled" } else { step.to };
            tell(db, step.id.0, at, word, &step.note)?;
            super::plugins::keep(db, &step.private)?;
        }
        OutboxOp::Release { id, by, note } => {
            db.prepare_cached("INSERT INTO mark VALUES ('frozen', ?1) ON CONFLICT DO NOTHING")?.execute([version])?;
            let changed = db
                .prepare_cached(
                    "INSERT INTO released (delivery, frozen, stopped, by_whom, at)
                     SELECT id, iif(EXISTS (SELECT 1 FROM meta WHERE key = 'freeze'), (SELECT version FROM mark WHERE name = 'frozen'), NULL),
                         (SELECT at FROM account WHERE name = target AND breaker IS NOT NULL), ?2, ?3
                     FROM delivery WHERE id = ?1 AND state IN ('held', 'due', 'preparing', 'retrying') AND approval <> 'needed'
                         AND NOT EXISTS (SELECT 1 FROM fallback WHERE delivery = ?1 AND swapped_at IS NULL)
                     ON CONFLICT (delivery) DO UPDATE SET frozen = excluded.frozen, stopped = excluded.stopped,
                         by_whom = excluded.by_whom, at = excluded.at",
                )?
                .execute(params![id.0, by, at])?;
            one(changed, || format!("{id} does not wait to be sent. See 'beffroi why {id}'."))?;
            wake(db, *id, at)?;
            tell(db, id.0, at, "held", note)?;
        }
        OutboxOp::Reslot { id, to, note, yes } => reslot(db, *id, to, note, yes.as_deref(), at, version, made)?,
    }
    Ok(())
}

/// Where a delivery comes from.
pub(super) struct Origin<'a> {
    pub(super) kind: &'static str,
    pub(super) post: Option<i64>,
    pub(super) run: RunId,
    pub(super) once: Option<&'a str>,
    pub(super) item: Option<&'a str>,
    pub(super) theme: Option<&'a str>,
}

/// Adds a delivery, and right behind it what stands in for it: whatever is planned later has its place after both.
pub(super) fn deliver(
    db: &Connection,
    origin: &Origin<'_>,
    new: &NewDelivery,
    at: i64,
    made: &mut Committed,
) -> Result<(), CommitError> {
    let id = deliver_one(db, origin, new, new.due, at, made)?;
    if let Some(fallback) = &new.fallback {
        let twin = NewDelivery {
            target: new.target.clone(),
            held: Some(format!("stands in for {}", DeliveryId(id))),
            content: fallback.content.clone(),
            seal: fallback.seal,
            needs_yes: new.needs_yes,
            due: new.due,
            until: new.until,
            guards: None,
            fallback: None,
        };
        let origin = Origin { item: fallback.item.as_deref(), theme: fallback.theme.as_deref(), ..*origin };
        let standing = deliver_one(db, &origin, &twin, twin.until.unwrap_or(Timestamp::NEVER), at, made)?;
        db.prepare_cached("INSERT INTO fallback (delivery, stands_in_for) VALUES (?1, ?2)")?.execute([standing, id])?;
    }
    Ok(())
}

fn deliver_one(
    db: &Connection,
    origin: &Origin<'_>,
    new: &NewDelivery,
    look_at: Timestamp,
    at: i64,
    made: &mut Committed,
) -> Result<i64, CommitError> {
    let state = if new.held.is_some() { "held" } else { "due" };
    db.prepare_cached(
        "INSERT INTO delivery (kind, post, run, target, state, reason, content, seal, approval, due, until, look_at, guards, once,
             item, theme, created)
         VALUES (:kind, :post, :run, :target, :state, :reason, :content, :seal, :approval, :due, :until, :look_at, :guards, :once,
             :item, :theme, :created)",
    )?
    .execute(named_params! {
        ":kind": origin.kind, ":post": origin.post, ":run": origin.run.0, ":target": new.target, ":state": state, ":reason": new.held,
        ":content": new.content, ":seal": new.seal.to_string(), ":approval": if new.needs_yes { "needed" } else { "none" },
        ":due": new.due.millis(), ":until": new.until.map(Timestamp::millis), ":look_at": look_at.millis(), ":guards": new.guards,
        ":once": origin.once, ":item": origin.item, ":theme": origin.theme, ":created": at,
    })?;
    let id = db.last_insert_rowid();
    tell(db, id, at, state, new.held.as_deref().unwrap_or("planned"))?;
    made.deliveries.push(DeliveryId(id));
    Ok(id)
}

pub(super) fn tell(db: &Connection, delivery: i64, at: i64, state: &str, text: &str) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO delivery_event VALUES (?1, ?2, ?3, ?4)")?.execute(params![delivery, at, state, text])?;
    Ok(())
}

/// Moves a delivery. `then` is done right after, before what hangs on the delivery ends with it.
pub(super) fn move_delivery(
    db: &Connection,
    step: &DeliveryMove,
    at: i64,
    then: impl FnOnce(&Connection) -> Result<(), CommitError>,
) -> Result<(), CommitError> {
    let now: Option<String> =
        db.prepare_cached("SELECT state FROM delivery WHERE id = ?1")?.query_row([step.id.0], |row| row.get(0)).optional()?;
    let now = now.unwrap_or_default();
    if !step.from.contains(&now.as_str()) {
        return Err(CommitError::Conflict(format!("{} is {now}, not {}", step.id, step.from.join(" or "))));
    }
    let settled = matches!(step.to, "online" | "refused" | "cancelled" | "dead");
    db.prepare_cached(
        "UPDATE delivery SET state = :to, reason = :reason, look_at = :look_at, prepared = coalesce(:prepared, prepared),
             remote_id = coalesce(:remote, remote_id), url = coalesce(:url, url),
             attempts = iif(state = 'dead', 0, attempts) + :attempt,
             armed_at = iif(:to = 'armed', :at, armed_at), settled_at = iif(:settled, :at, settled_at)
         WHERE id = :id",
    )?
    .execute(named_params! {
        ":id": step.id.0, ":to": step.to, ":reason": step.reason, ":look_at": step.look_at.millis(), ":prepared": step.prepared,
        ":remote": step.receipt.as_ref().map(|r| &r.remote_id), ":url": step.receipt.as_ref().and_then(|r| r.url.as_ref()),
        ":attempt": i64::from(step.attempt), ":at": at, ":settled": settled,
    })?;
    if step.tell {
        tell(db, step.id.0, at, step.to, &step.reason)?;
    }
    then(db)?;
    if matches!(step.to, "online" | "refused" | "cancelled") {
        ended(db, step.id.0, step.to, at)?;
    }
    Ok(())
}

/// Makes a delivery be looked at now. Its `look_at` is another one in any case, so that a rest in memory does not hide that.
fn wake(db: &Connection, id: DeliveryId, at: i64) -> Result<()> {
    db.prepare_cached("UPDATE delivery SET look_at = iif(look_at > ?2, ?2, look_at - 1) WHERE id = ?1")?
        .execute(params![id.0, at])?;
    Ok(())
}

/// A delivery has ended: what stood in for it is not needed any more, and what was to be taken down is certainly not there.
pub(super) fn ended(db: &Connection, id: i64, how: &str, at: i64) -> Result<()> {
    let standing: Option<i64> = db
        .prepare_cached(
            "SELECT f.delivery FROM fallback f JOIN delivery d ON d.id = f.delivery
             WHERE f.stands_in_for = ?1 AND f.swapped_at IS NULL AND d.state NOT IN ('online', 'cancelled', 'refused')",
        )?
        .query_row([id], |row| row.get(0))
        .optional()?;
    if let Some(standing) = standing {
        let reason = format!("{} ended without it", DeliveryId(id));
        db.prepare_cached("UPDATE delivery SET state = 'cancelled', reason = ?2, settled_at = ?3 WHERE id = ?1")?
            .execute(params![standing, reason, at])?;
        tell(db, standing, at, "cancelled", &reason)?;
    }
    if how != "online" {
        db.prepare_cached(
            "UPDATE recall SET state = 'gone', settled_at = ?2 WHERE delivery = ?1 AND state IN ('asked', 'retrying')",
        )?
        .execute(params![id, at])?;
    }
    Ok(())
}

fn recall_one(db: &Connection, id: DeliveryId, by: &str, reason: &str, at: i64) -> std::result::Result<(), CommitError> {
    let found: Option<(String, String)> = db
        .prepare_cached("SELECT kind, state FROM delivery WHERE id = ?1")?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (kind, state) = found.ok_or_else(|| CommitError::Refused(format!("There is no delivery {id}.")))?;
    let said = format!("recalled by {by}: {reason}");
    if UNSENT.contains(&state.as_str()) || state == "dead" {
        db.prepare_cached("UPDATE delivery SET state = 'cancelled', reason = ?2, settled_at = ?3 WHERE id = ?1")?
            .execute(params![id.0, reason, at])?;
        tell(db, id.0, at, "cancelled", &said)?;
        return Ok(ended(db, id.0, "cancelled", at)?);
    }
    if kind != "post" {
        return Err(CommitError::Refused(format!(
            "{id} is a notice to a person, who has read it by now. Only posts can be taken down."
        )));
    }
    if !["armed", "unknown", "online"].contains(&state.as_str()) {
        return Err(CommitError::Refused(format!("{id} is {state}: it is not online, so there is nothing to take down.")));
    }
    let changed = db
        .prepare_cached(
            "INSERT INTO recall (delivery, state, reason, by_whom, look_at, asked_at) VALUES (?1, 'asked', ?2, ?3, ?4, ?4)
             ON CONFLICT (delivery) DO UPDATE SET state = 'asked', reason = excluded.reason, by_whom = excluded.by_whom, attempts = 0,
                 look_at = excluded.look_at, asked_at = excluded.asked_at, settled_at = NULL
             WHERE state <> 'gone'",
        )?
        .execute(params![id.0, reason, by, at])?;
    one(changed, || format!("{id} was taken down already. See 'beffroi why {id}'."))?;
    Ok(tell(db, id.0, at, "recalled", &said)?)
}

#[allow(clippy::too_many_arguments, reason = "one operation with its fields")]
fn reslot(
    db: &Connection,
    id: DeliveryId,
    to: &NewDelivery,
    note: &str,
    yes: Option<&str>,
    at: i64,
    version: i64,
    made: &mut Committed,
) -> std::result::Result<(), CommitError> {
    let no = || CommitError::Conflict(id.to_string());
    let old = db
        .prepare_cached(
            "SELECT post, run, content, approval, item, theme, target, state FROM delivery
             WHERE id = ?1 AND kind = 'post' AND NOT EXISTS (SELECT 1 FROM fallback WHERE delivery = ?1 AND swapped_at IS NULL)",
        )?
        .query_row([id.0], |row| {
            let texts: [String; 4] = [row.get("content")?, row.get("approval")?, row.get("target")?, row.get("state")?];
            let (item, theme): (Option<String>, Option<String>) = (row.get("item")?, row.get("theme")?);
            Ok((PostId(row.get("post")?), RunId(row.get("run")?), texts, item, theme))
        })
        .optional()?;
    let (post, run, [content, approval, target, state], item, theme) = old.ok_or_else(no)?;
    if !UNSENT.contains(&state.as_str()) || content != to.content || target != to.target || to.needs_yes != (approval != "none") {
        return Err(no());
    }
    let origin = Origin { kind: "post", post: Some(post.0), run, once: None, item: item.as_deref(), theme: theme.as_deref() };
    let first = made.deliveries.len();
    deliver(db, &origin, to, at, made)?;
    let new: Vec<DeliveryId> = made.deliveries[first..].to_vec();
    if let (Some(by), "given") = (yes, approval.as_str()) {
        // Only a yes that was there is extended, and to the same bytes: what nobody has seen yet waits on.
        for id in &new {
            db.prepare_cached(
                "UPDATE delivery SET approval = 'given', approved_seal = seal, approved_by = ?2, reason = NULL,
                     look_at = iif(look_at > due, due, look_at) WHERE id = ?1",
            )?
            .execute(params![id.0, by])?;
            let seal: String = db.query_row("SELECT seal FROM delivery WHERE id = ?1", [id.0], |row| row.get(0))?;
            tell(db, id.0, at, "held", &format!("approved by {by}, sealed to {}", &seal[..seal.len().min(12)]))?;
        }
    }
    let reason = note.replace("{id}", &new.first().map(ToString::to_string).unwrap_or_default());
    db.prepare_cached("UPDATE delivery SET state = 'cancelled', reason = ?2, settled_at = ?3 WHERE id = ?1")?
        .execute(params![id.0, reason, at])?;
    tell(db, id.0, at, "cancelled", &reason)?;
    ended(db, id.0, "cancelled", at)?;
    Ok(touch(db, &format!("posts/{target}"), version)?)
}

/// How the taking down of a post stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecallRow {
    /// `asked`, `retrying`, `gone` or `impossible`.
    pub state: String,
    /// Why it was asked for.
    pub reason: Option<String>,
    /// How it stands, in words.
    pub note: Option<String>,
    /// Who asked.
    pub by: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When it ended.
    pub settled_at: Option<Timestamp>,
}

/// The recall in a row that joins it, with its columns under `recall_…`.
pub(super) fn recall_row(row: &rusqlite::Row<'_>) -> Result<Option<RecallRow>> {
    let Some(state) = row.get::<_, Option<String>>("recall_state")? else { return Ok(None) };
    Ok(Some(RecallRow {
        state,
        reason: row.get("recall_reason")?,
        note: row.get("recall_note")?,
        by: row.get("recall_by")?,
        attempts: row.get("recall_attempts")?,
        asked_at: instant(row, "recall_asked_at")?,
        settled_at: row.get::<_, Option<i64>>("recall_settled_at")?.map(Timestamp::from_millis),
    }))
}

const TAKEN_DOWN_NOW: &str =
    "FROM recall r JOIN delivery d ON d.id = r.delivery WHERE r.state IN ('asked', 'retrying') AND d.state = 'online'";

/// Posts that are online and to be taken down by now, in the order in which that was asked for: number and account.
pub fn recalls_due(db: &Connection, now: Timestamp) -> Result<Vec<(DeliveryId, String)>> {
    db.prepare_cached(&format!("SELECT d.id, d.target {TAKEN_DOWN_NOW} AND r.look_at <= ?1 ORDER BY r.asked_at, d.id"))?
        .query_map([now.millis()], |row| Ok((DeliveryId(row.get(0)?), row.get(1)?)))?
        .collect()
}

/// When a post is to be taken down next, after this moment.
pub fn next_recall(db: &Connection, now: Timestamp) -> Result<Option<Timestamp>> {
    let at: Option<i64> = db
        .prepare_cached(&format!("SELECT min(r.look_at) {TAKEN_DOWN_NOW} AND r.look_at > ?1"))?
        .query_row([now.millis()], |row| row.get(0))?;
    Ok(at.map(Timestamp::from_millis))
}

/// Posts that could not be taken down and that a person has not answered for, newest first.
pub fn recalls_in_need(db: &Connection) -> Result<Vec<DeliveryId>> {
    db.prepare_cached("SELECT delivery FROM recall WHERE state = 'impossible' ORDER BY delivery DESC LIMIT 100")?
        .query_map([], |row| row.get(0).map(DeliveryId))?
        .collect()
}

/// Whether a person let this delivery go on although everything is frozen, and although its account is stopped: as things are now.
pub fn let_through(db: &Connection, id: DeliveryId) -> Result<(bool, bool)> {
    let found = db
        .prepare_cached(
            "SELECT coalesce(r.frozen = (SELECT version FROM mark WHERE name = 'frozen'), 0),
                 coalesce(r.stopped = (SELECT a.at FROM account a WHERE a.name = d.target AND a.breaker IS NOT NULL), 0)
             FROM released r JOIN delivery d ON d.id = r.delivery WHERE r.delivery = ?1",
        )?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// A post of an account that was sent, or that somebody tried to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Timestamp,
    /// When it was due.
    pub due: Timestamp,
    /// Whether it is, or may be, out.
    pub out: bool,
}

/// This account's sendings since an instant, newest first; `except` is left out.
pub fn sent_since(db: &Connection, target: &str, since: Timestamp, except: DeliveryId) -> Result<Vec<Sent>> {
    db.prepare_cached(
        "SELECT armed_at, due, state IN ('armed', 'unknown', 'online') AS out FROM delivery
         WHERE target = ?1 AND armed_at > ?2 AND id <> ?3 AND kind = 'post' ORDER BY armed_at DESC",
    )?
    .query_map(params![target, since.millis(), except.0], |row| {
        Ok(Sent { at: instant(row, "armed_at")?, due: instant(row, "due")?, out: row.get("out")? })
    })?
    .collect()
}

/// When this account's posts were due, from an instant to another: those that were sent or only wait for their turn. `except` is
/// left out, and so is what waits for a yes or to stand in for another one.
pub fn due_since(db: &Connection, target: &str, since: Timestamp, to: Timestamp, except: DeliveryId) -> Result<Vec<Timestamp>> {
    db.prepare_cached(
        "SELECT due FROM delivery d WHERE target = ?1 AND due > ?2 AND due <= ?3 AND id <> ?4 AND kind = 'post' AND approval <> 'needed'
             AND (armed_at IS NOT NULL OR state IN ('held', 'due', 'preparing'))
             AND NOT EXISTS (SELECT 1 FROM fallback f WHERE f.delivery = d.id AND f.swapped_at IS NULL)",
    )?
    .query_map(params![target, since.millis(), to.millis(), except.0], |row| instant(row, "due"))?
    .collect()
}
