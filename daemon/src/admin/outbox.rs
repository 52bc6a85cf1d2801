//! What the owner decides about deliveries one by one: what goes on after a freeze, what gets another moment, what comes down.
//!
//! In: a person's words. Out: one change for all of them, and what will come of each.
//! Never: sends or takes down anything itself: the outbox does, from the rows.

use super::reads::{Asked, asked, delivery_id};
use super::shown::{self, instant};
use super::words::{self, first_words};
use super::writes::{by, known_account, language, mark, read, settle};
use super::{Answer, App, Refusal, answer, aside, unreadable};
use crate::delivery::{Fate, forecast};
use crate::domain::{DeliveryId, Json, Language, Timestamp, Zone, parse_span};
use crate::effects::seal;
use crate::instance::Instance;
use crate::store::outbox::{self, OutboxOp, TakeDown};
use crate::store::view::{self, DeliveryRow};
use crate::store::{Change, NewDelivery, NewFallback, Op};
use axum::body::Bytes;
use axum::extract::{Path, State};
use chrono::{NaiveDateTime, TimeZone};
use serde::Deserialize;
use serde_json::{Map, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Deliveries that one answer tells about.
const MOST: usize = 1_000;

/// What waits to stand in for a delivery.
pub(super) fn twin(db: &view::Db, row: &DeliveryRow) -> Result<Option<DeliveryRow>, Refusal> {
    let Some(id) = row.fallback else { return Ok(None) };
    Ok(view::delivery(db, id).map_err(unreadable)?.filter(|twin| twin.stands_by() && twin.state == "held"))
}

/// The one that a yes to this delivery covers too. A yes to that one alone is refused.
pub(super) fn twin_to_approve(app: &App, id: DeliveryId) -> Result<Option<DeliveryId>, Refusal> {
    let reader = app.engine.store.read().map_err(unreadable)?;
    let Some(row) = view::delivery(&reader, id).map_err(unreadable)? else { return Ok(None) };
    if let Some(post) = row.stands_in_for.filter(|_| row.stands_by()) {
        return Err(Refusal::conflict(format!("{id} stands in for {post}: say yes to {post}, which covers both.")));
    }
    Ok(twin(&reader, &row)?.filter(|twin| twin.approval == "needed").map(|twin| twin.id))
}

/// Posts that could not be taken down.
pub(super) fn in_need(db: &view::Db, zone: Zone) -> Result<Vec<Json>, Refusal> {
    let mut posts = Vec::new();
    for id in outbox::recalls_in_need(db).map_err(unreadable)? {
        posts.extend(view::delivery(db, id).map_err(unreadable)?.map(|row| shown::delivery(&row, zone)));
    }
    Ok(posts)
}

/// One sentence about a post that was called back after it had gone out.
pub(super) fn standing(row: &DeliveryRow, language: Language, when: impl Fn(Timestamp) -> String) -> Option<String> {
    let recall = row.recall.as_ref().filter(|_| row.state == "online")?;
    let (id, target, note) = (row.id, &row.target, recall.note.as_deref().unwrap_or_default().trim_end_matches('.'));
    let out = row.settled_at.map(&when).unwrap_or_default();
    Some(match recall.state.as_str() {
        "gone" => {
            let at = recall.settled_at.map(&when).unwrap_or_default();
            language.pick(
                format!("{id} a été en ligne sur {target} ({out}), et retiré {at}."),
                format!("{id} was online on {target} ({out}), and taken down {at}."),
            )
        }
        "impossible" => language.pick(
            format!("{id} est encore en ligne sur {target} : {note}."),
            format!("{id} is still online on {target}: {note}."),
        ),
        _ if note.is_empty() => language.pick(
            format!("{id} est en ligne sur {target} et va être retiré."),
            format!("{id} is online on {target} and will be taken down."),
        ),
        _ => language.pick(
            format!("{id} est en ligne sur {target} et va être retiré : {note}."),
            format!("{id} is online on {target} and will be taken down: {note}."),
        ),
    })
}

/// What surrounds a delivery, for `why`: what stands in for it, and how its recall stands.
pub(super) fn around(
    db: &view::Db,
    row: &DeliveryRow,
    language: Language,
    when: impl Fn(Timestamp) -> String,
) -> Result<Vec<(&'static str, Vec<String>)>, Refusal> {
    let mut all = Vec::new();
    if let Some(other) = row.fallback.map(|id| view::delivery(db, id)).transpose().map_err(unreadable)?.flatten() {
        let text = first_words(other.content["text"].as_str().unwrap_or_default(), 80);
        let colon = language.pick(" :", ":");
        all.push((language.pick("Remplaçant", "Stand-in"), vec![format!("{}{colon} {text}", other.id)]));
    }
    if let Some(recall) = &row.recall {
        let (by, asked) = (&recall.by, when(recall.asked_at));
        let why = recall.reason.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        let mut lines =
            vec![language.pick(format!("demandé par {by}, {asked}{why}"), format!("asked for by {by}, {asked}{why}"))];
        let state = words::state(if recall.state == "asked" { "recalled" } else { &recall.state }, language);
        let note = recall.note.as_deref().unwrap_or(state);
        lines.push(recall.settled_at.map_or_else(|| note.to_owned(), |at| format!("{}  {note}", when(at))));
        all.push((language.pick("Retrait", "Recall"), lines));
    }
    Ok(all)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecallAsked {
    reason: Option<String>,
    by: Option<String>,
    #[serde(default)]
    done: bool,
}

/// `POST /v1/deliveries/{delivery}/recall`
pub(super) async fn recall(State(app): State<Arc<App>>, Path(id): Path<String>, body: Bytes) -> Answer {
    let id = delivery_id(&id)?;
    let RecallAsked { reason, by: name, done } = read(&body)?;
    aside(&app, move |app| {
        let (by, language) = (by(name), language(app));
        if !done {
            let reason = reason.unwrap_or_else(|| language.pick("rappelé", "recalled").into());
            return settle(app, id, "recalled", vec![Op::Outbox(OutboxOp::Recall { id, by, reason })]);
        }
        let row = app.engine.store.read().and_then(|db| view::delivery(&db, id)).map_err(unreadable)?;
        let state = row.and_then(|row| row.recall).map(|recall| recall.state).unwrap_or_default();
        if !matches!(state.as_str(), "asked" | "retrying" | "impossible") {
            return Err(Refusal::conflict(format!("{id} is not being taken down. See 'beffroi why {id}'.")));
        }
        let note = language.pick(format!("retiré à la main par {by}"), format!("taken down by hand, says {by}"));
        let step = TakeDown { id, to: "gone", note, look_at: Timestamp::NEVER, attempt: false, private: Vec::new() };
        settle(app, id, "gone", vec![Op::Outbox(OutboxOp::TakeDown(Box::new(step)))])
    })
    .await
}

/// These deliveries, each with what would become of it if nothing were frozen or stopped.
fn foretold(db: &view::Db, instance: &Instance, rows: &[&DeliveryRow], now: Timestamp) -> Result<Vec<Json>, Refusal> {
    let zone = instance.business.zone;
    let mut queues: BTreeMap<&str, Vec<&DeliveryRow>> = BTreeMap::new();
    for row in rows {
        queues.entry(&row.target).or_default().push(row);
    }
    let mut fates = BTreeMap::new();
    for (target, queue) in queues {
        let account = instance.accounts.values().find(|a| a.name.as_str() == target);
        let since = now.minus(account.map_or(Duration::ZERO, |a| a.ceilings.spacing).max(Duration::from_secs(86_400)));
        let sent = outbox::sent_since(db, target, since, DeliveryId(0)).map_err(unreadable)?;
        let told = forecast(&queue, account, sent, now, zone);
        fates.extend(queue.iter().map(|row| row.id).zip(told));
    }
    let told = |row: &&DeliveryRow| {
        let mut told = shown::delivery(row, zone);
        told["would"] = match fates.get(&row.id).copied().unwrap_or(Fate::NoAccount) {
            Fate::Leaves(at) => json!({ "what": "leaves", "at": instant(at, zone), "now": at <= now }),
            Fate::Expires(at) => json!({ "what": "expires", "at": instant(at, zone) }),
            Fate::NeedsYes => json!({ "what": "needs_yes" }),
            Fate::NoAccount => json!({ "what": "no_account" }),
        };
        told
    };
    Ok(rows.iter().map(told).collect())
}

/// Whether nothing of it can be out.
fn unsent(row: &DeliveryRow) -> bool {
    !matches!(row.state.as_str(), "armed" | "unknown")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitsAsked {
    account: Option<String>,
}

/// `GET /v1/thaw`
pub(super) async fn waits(State(app): State<Arc<App>>, query: Asked<WaitsAsked>) -> Answer {
    let WaitsAsked { account } = asked(query)?;
    aside(&app, move |app| {
        if let Some(name) = &account {
            known_account(app, name)?;
        }
        let (instance, now) = (app.engine.current.get(), app.engine.clock.now());
        let reader = app.engine.store.read().and_then(crate::store::Reader::snapshot).map_err(unreadable)?;
        let stopped: Map<String, Json> =
            view::breakers(&reader).map_err(unreadable)?.into_iter().map(|(name, why)| (name, why.into())).collect();
        let rows = view::open_deliveries(&reader, account.as_deref(), MOST).map_err(unreadable)?;
        let (due, later): (Vec<_>, Vec<_>) = rows.iter().filter(|row| unsent(row)).partition(|row| row.due <= now);
        let waits = foretold(&reader, &instance, &due, now)?;
        let frozen = view::freeze(&reader).map_err(unreadable)?;
        Ok(answer(&json!({ "account": account, "frozen": frozen, "stopped": stopped, "waits": waits, "later": later.len() })))
    })
    .await
}

/// What a person says about one delivery.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    Send,
    Drop,
    At(Timestamp),
}

fn choice(id: DeliveryId, text: &str, now: Timestamp, zone: Zone) -> Result<Choice, Refusal> {
    match text {
        "send" => return Ok(Choice::Send),
        "drop" => return Ok(Choice::Drop),
        _ => {}
    }
    let wrong = || {
        Refusal::wrong(format!(
            "\"{text}\" says nothing about {id}. Write send, drop, at:2026-11-23T10:00 (the business's clock) or at:2h."
        ))
    };
    let at = text.strip_prefix("at:").ok_or_else(wrong)?;
    let local = || {
        let local =
            ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"].iter().find_map(|form| NaiveDateTime::parse_from_str(at, form).ok())?;
        zone.from_local_datetime(&local).earliest().map(Timestamp::from)
    };
    let span = || parse_span(at).ok().map(|span| now.plus(span));
    let at = Timestamp::parse(at).or_else(local).or_else(span).ok_or_else(wrong)?;
    if at <= now {
        return Err(Refusal::wrong(format!("The moment for {id} has passed. Name a later one, or write send.")));
    }
    Ok(Choice::At(at))
}

/// The same content at another moment, with a seal of its own. It is good as long as before; when that has ended by then, for as
/// long after its new moment as it was after the old one.
fn reslotted(row: &DeliveryRow, twin: Option<&DeliveryRow>, at: Timestamp) -> NewDelivery {
    let until = row.until.map(|end| if at < end { end } else { at.plus(end.since(row.due)) });
    let content = row.content.to_string();
    let needs_yes = row.approval != "none";
    let fallback = twin.map(|twin| {
        let content = twin.content.to_string();
        let seal = seal(&row.target, &content, at, until);
        Box::new(NewFallback { seal, content, item: twin.item.clone(), theme: twin.theme.clone() })
    });
    NewDelivery {
        target: row.target.clone(),
        held: needs_yes.then(|| "waits for a yes".to_owned()),
        seal: seal(&row.target, &content, at, until),
        content,
        needs_yes,
        due: at,
        until,
        guards: row.guards.as_ref().map(Json::to_string),
        fallback,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThawAsked {
    account: Option<String>,
    #[serde(default)]
    items: Map<String, Json>,
    all: Option<String>,
    #[serde(default)]
    yes: bool,
    by: Option<String>,
}

/// What a request comes to.
#[derive(Default)]
struct Decided {
    ops: Vec<Op>,
    sent: BTreeSet<DeliveryId>,
    dropped: Vec<Json>,
    moved: Vec<(DeliveryId, DeliveryId, bool)>,
    /// Those that get a new number: the old one, whether it will need a yes, and how many rows come of it.
    moving: Vec<(DeliveryId, bool, usize)>,
}

/// One request, from one moment of the store.
struct Thawing<'a> {
    reader: &'a view::Db,
    by: String,
    yes: bool,
    language: Language,
    zone: Zone,
    now: Timestamp,
}

impl Thawing<'_> {
    fn decide(&self, row: &DeliveryRow, choice: &Choice, decided: &mut Decided) -> Result<(), Refusal> {
        let (id, by) = (row.id, self.by.clone());
        if !unsent(row) {
            return Err(Refusal::conflict(format!(
                "{id} may be out already, so it can only be called back: beffroi recall {id}"
            )));
        }
        match choice {
            Choice::Send if row.approval == "needed" => {
                return Err(Refusal::conflict(format!("{id} waits for a yes: beffroi approve {id}")));
            }
            Choice::Send => {
                let note =
                    self.language.pick(format!("libéré par {by} malgré le gel"), format!("let through the freeze by {by}"));
                decided.ops.push(Op::Outbox(OutboxOp::Release { id, by, note }));
                decided.sent.insert(id);
            }
            Choice::Drop => {
                let reason = self.language.pick("écarté au dégel", "dropped when sending went on").to_owned();
                decided.ops.push(Op::Reject { id, by, reason });
                decided.dropped.push(shown::delivery(row, self.zone));
            }
            Choice::At(at) => {
                if row.kind != "post" {
                    return Err(Refusal::wrong(format!("{id} is a notice: it can be sent or dropped, not put off.")));
                }
                let twin = twin(self.reader, row)?;
                let to = Box::new(reslotted(row, twin.as_ref(), *at));
                let when = words::moment(&at.local(self.zone), self.now.day(self.zone), self.language);
                let note = self.language.pick(
                    format!("déplacé {when} par {by} : c'est maintenant {{id}}"),
                    format!("moved to {when} by {by}: it is {{id}} now"),
                );
                let keeps = self.yes && row.approval == "given";
                decided.moving.push((id, to.needs_yes && !keeps, 1 + usize::from(twin.is_some())));
                let yes = self.yes.then_some(by);
                decided.ops.push(Op::Outbox(OutboxOp::Reslot { id, to, note, yes }));
            }
        }
        Ok(())
    }
}

/// `POST /v1/thaw`
pub(super) async fn thaw(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let asked: ThawAsked = read(&body)?;
    aside(&app, move |app| thawed(app, asked)).await
}

fn thawed(app: &App, asked: ThawAsked) -> Answer {
    let ThawAsked { account, items, all, yes, by: name } = asked;
    let (instance, now) = (app.engine.current.get(), app.engine.clock.now());
    let zone = instance.business.zone;
    let drop_rest = match all.as_deref() {
        None | Some("send") => false,
        Some("drop") => true,
        Some(_) => return Err(Refusal::wrong("\"all\" is \"send\" or \"drop\".")),
    };
    // Single decisions leave the rest as it is; without any, or with one for all, everything goes on.
    let goes_on = items.is_empty() || all.is_some();
    let reader = app.engine.store.read().and_then(crate::store::Reader::snapshot).map_err(unreadable)?;
    let stopped = view::breakers(&reader).map_err(unreadable)?;
    let was = match &account {
        None => view::freeze(&reader).map_err(unreadable)?,
        Some(name) => {
            let was = stopped.iter().find(|(stopped, _)| stopped == name).map(|(_, reason)| reason.clone());
            // An account that left the configuration while it was stopped can still be mended.
            if was.is_none() {
                known_account(app, name)?;
            }
            was
        }
    };
    let thawing = Thawing { reader: &reader, by: by(name), yes, language: language(app), zone, now };
    let mut decided = Decided::default();
    let mut named = BTreeSet::new();
    for (id, text) in &items {
        let id = delivery_id(id)?;
        let row = view::delivery(&reader, id).map_err(unreadable)?;
        let row =
            row.ok_or_else(|| Refusal::missing(format!("There is no delivery {id}. 'beffroi thaw --list' shows what waits.")))?;
        thawing.decide(&row, &choice(id, text.as_str().unwrap_or_default(), now, zone)?, &mut decided)?;
        named.insert(id);
    }
    let rows = view::open_deliveries(&reader, account.as_deref(), MOST).map_err(unreadable)?;
    if drop_rest {
        let rest = rows.iter().filter(|row| row.kind == "post" && row.due <= now && unsent(row) && !named.contains(&row.id));
        for row in rest {
            thawing.decide(row, &Choice::Drop, &mut decided)?;
        }
    }
    drop(thawing);
    drop(reader);
    if goes_on {
        decided.ops.push(match &account {
            None => Op::Freeze(None),
            Some(name) => Op::Breaker { account: name.clone(), reason: None },
        });
        decided.ops.extend([mark(), Op::Wake { target: account.clone() }]);
    }
    let made = app.engine.store.commit(Change::new(now, std::mem::take(&mut decided.ops)))?;
    app.engine.pulse.outbox.ring();
    let mut new = made.deliveries.iter();
    for (old, needs_yes, rows) in std::mem::take(&mut decided.moving) {
        if let Some(id) = new.next() {
            decided.moved.push((old, *id, needs_yes));
        }
        for _ in 1..rows {
            new.next();
        }
    }
    if goes_on {
        let kind = if account.is_some() { "account" } else { "freeze" };
        app.engine.pulse.tell(kind, account.as_deref().unwrap_or("all"), "thawed", "");
    }
    after(app, account.as_deref(), was, goes_on, &decided, &instance)
}

/// How things stand after a thaw, and what will leave when.
fn after(app: &App, account: Option<&str>, was: Option<String>, goes_on: bool, decided: &Decided, instance: &Instance) -> Answer {
    let (now, zone) = (app.engine.clock.now(), instance.business.zone);
    let reader = app.engine.store.read().and_then(crate::store::Reader::snapshot).map_err(unreadable)?;
    let frozen = view::freeze(&reader).map_err(unreadable)?;
    let stopped = view::breakers(&reader).map_err(unreadable)?;
    let rows = view::open_deliveries(&reader, account, MOST).map_err(unreadable)?;
    let held = |row: &DeliveryRow| frozen.is_some() || stopped.iter().any(|(name, _)| *name == row.target);
    let goes = |row: &&DeliveryRow| decided.sent.contains(&row.id) || (goes_on && !held(row));
    let going: Vec<&DeliveryRow> = rows.iter().filter(|row| unsent(row) && row.approval != "needed").filter(goes).collect();
    let posts = foretold(&reader, instance, &going, now)?;
    let moved: Vec<Json> = decided
        .moved
        .iter()
        .map(|(from, to, needs_yes)| {
            let row = view::delivery(&reader, *to).map_err(unreadable)?;
            let shown = row.map(|row| shown::delivery(&row, zone)).unwrap_or_default();
            Ok(json!({ "from": from, "to": to, "needs_yes": needs_yes, "delivery": shown }))
        })
        .collect::<Result<_, Refusal>>()?;
    let waits = rows.iter().filter(|row| row.approval == "needed").count();
    let still = stopped.into_iter().find(|(name, _)| Some(name.as_str()) == account).map(|(_, why)| why);
    Ok(answer(&json!({
        "account": account, "was": was, "goes_on": goes_on, "frozen": frozen, "stopped": still, "posts": posts,
        "dropped": decided.dropped, "moved": moved, "waiting_for_a_yes": waits,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_one_of_the_business_or_says_its_own_offset_and_lies_ahead() {
        let zone = chrono_tz::Europe::Paris;
        let now = Timestamp::parse("2026-11-22T10:00:00+01:00").unwrap();
        let at = |text: &str| choice(DeliveryId(1), text, now, zone).ok();
        let when = |text: &str| Some(Choice::At(Timestamp::parse(text).unwrap()));
        assert_eq!(at("send"), Some(Choice::Send));
        assert_eq!(at("at:2026-11-23T10:00"), when("2026-11-23T10:00:00+01:00"));
        assert_eq!(at("at:2026-11-23T10:00:00Z"), when("2026-11-23T11:00:00+01:00"));
        assert_eq!(at("at:2h"), when("2026-11-22T12:00:00+01:00"));
        for wrong in ["", "later", "at:", "at:soon", "at:2026-11-21T10:00", "2026-11-23T10:00", "at:2027-03-28T02:30"] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}
