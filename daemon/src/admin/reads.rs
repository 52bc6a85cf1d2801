//! The routes that only look.
//!
//! In: a request's path and query. Out: JSON from the store's views and the engine.
//! Never: changes anything.

use super::doctor::{self, Wanted};
use super::shown::{self, instant};
use super::writes::known_account;
use super::{Answer, App, Refusal, answer, aside, metrics, outbox, unreadable, why};
use crate::domain::{DeliveryId, Json, PostId, RunId, Timestamp, WorkflowName, Zone};
use crate::instance::{ChannelConfig, Instance, Workflow};
use crate::store::plugins;
use crate::store::view::{self, DeliveryRow, RunRow};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Map, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What followed the question mark.
pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

/// What followed the question mark, or why it cannot be used.
pub(super) fn asked<T>(query: Asked<T>) -> Result<T, Refusal> {
    let wrong = |e: QueryRejection| Refusal::wrong(format!("What follows the question mark cannot be read: {}.", e.body_text()));
    query.map(|Query(value)| value).map_err(wrong)
}

/// Reads a run's number.
pub(super) fn run_id(text: &str) -> Result<RunId, Refusal> {
    RunId::parse(text)
        .ok_or_else(|| Refusal::wrong(format!("\"{text}\" is no run. Runs are named like r12; 'beffroi runs' lists them.")))
}

/// Reads a delivery's number.
pub(super) fn delivery_id(text: &str) -> Result<DeliveryId, Refusal> {
    let wrong = || format!("\"{text}\" is no delivery. Deliveries are named like d12; 'beffroi posts' lists them.");
    DeliveryId::parse(text).ok_or_else(|| Refusal::wrong(wrong()))
}

fn limit(asked: Option<usize>) -> Result<usize, Refusal> {
    match asked.unwrap_or(50) {
        limit @ 1..=1_000 => Ok(limit),
        _ => Err(Refusal::wrong("\"limit\" is a number from 1 to 1000.")),
    }
}

/// `GET /v1/status`
pub(super) async fn status(State(app): State<Arc<App>>) -> Answer {
    aside(&app, |app| Ok(answer(&status_of(app)?))).await
}

fn status_of(app: &App) -> Result<Json, Refusal> {
    let engine = &app.engine;
    let instance = engine.current.get();
    let zone = instance.business.zone;
    let reader = engine.store.read().and_then(crate::store::Reader::snapshot).map_err(unreadable)?;
    let running: Vec<Json> = engine
        .board
        .running()
        .iter()
        .map(|run| json!({ "run": run.id, "workflow": run.workflow, "since": instant(run.since, zone) }))
        .collect();
    let next: Vec<Json> = engine
        .upcoming()
        .into_iter()
        .take(5)
        .map(|(at, name)| json!({ "workflow": name, "due": instant(at, zone), "purpose": purpose(&instance, &name) }))
        .collect();
    let counts: Map<String, Json> =
        view::delivery_counts(&reader).map_err(unreadable)?.into_iter().map(|(state, count)| (state, count.into())).collect();
    let open = view::open_deliveries(&reader, None, 1_000).map_err(unreadable)?;
    let posts = |wanted: &dyn Fn(&DeliveryRow) -> bool| -> Vec<Json> {
        open.iter().filter(|row| wanted(row)).map(|row| shown::delivery(row, zone)).collect()
    };
    let dead = view::deliveries(&reader, Some("dead"), None, 100).map_err(unreadable)?;
    let dead: Vec<Json> = dead.iter().map(|row| shown::delivery(row, zone)).collect();
    let paused: Vec<Json> = view::workflows(&reader)
        .map_err(unreadable)?
        .into_iter()
        .filter(|row| instance.workflows.keys().any(|name| name.as_str() == row.name))
        .filter_map(|row| row.paused.map(|reason| json!({ "workflow": row.name, "reason": reason })))
        .collect();
    let stopped: Vec<Json> = view::breakers(&reader)
        .map_err(unreadable)?
        .into_iter()
        .map(|(account, reason)| json!({ "account": account, "reason": reason }))
        .collect();
    let feeds: Vec<Json> = feeds_of(&reader, &instance)?.into_iter().filter(|feed| !feed["error"].is_null()).collect();
    let refused = app.refused().map(|refused| json!({ "at": instant(refused.at, zone), "problems": refused.problems }));
    let (ready, waiting, _) = engine.board.counts();
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "business": instance.business.name,
        "now": instant(engine.clock.now(), zone),
        "since": instant(engine.started, zone),
        "stopping": engine.stopping(),
        "pid": std::process::id(),
        "configuration": { "file": engine.config_file(), "refused": refused },
        "database": engine.store.path(),
        "workflows": instance.workflows.len(),
        "accounts": instance.accounts.len(),
        "running": running,
        "ready": ready,
        "later": waiting,
        "next": next,
        "posts": counts,
        "needs": {
            "approval": posts(&|row| row.approval == "needed"),
            "recalls": outbox::in_need(&reader, zone)?,
            "unknown": posts(&|row| row.state == "unknown"),
            "dead": dead,
            "paused": paused,
            "stopped": stopped,
            "frozen": view::freeze(&reader).map_err(unreadable)?,
            "feeds": feeds,
        },
        "memory": metrics::resident(),
    }))
}

fn purpose(instance: &Instance, name: &WorkflowName) -> String {
    instance.workflows.get(name).map(|w| w.purpose.to_string()).unwrap_or_default()
}

/// What is asked of the store for a list of workflows, once for all of them.
struct Standing {
    paused: HashMap<String, String>,
    last: HashMap<String, RunRow>,
    due: BTreeMap<WorkflowName, Timestamp>,
}

fn standing(app: &App) -> Result<Standing, Refusal> {
    let reader = app.engine.store.read().map_err(unreadable)?;
    let rows = view::workflows(&reader).map_err(unreadable)?;
    Ok(Standing {
        paused: rows.into_iter().filter_map(|row| Some((row.name, row.paused?))).collect(),
        last: view::last_runs(&reader).map_err(unreadable)?.into_iter().collect(),
        due: app.engine.upcoming().into_iter().map(|(at, name)| (name, at)).collect(),
    })
}

fn workflow_of(workflow: &Workflow, instance: &Instance, standing: &Standing) -> Json {
    let (zone, language) = (instance.business.zone, instance.business.language);
    let name = workflow.name.as_str();
    let schedules: Vec<Json> = workflow
        .schedules
        .iter()
        .map(|s| json!({ "schedule": s.text(), "zone": s.zone().name(), "describe": s.describe(language) }))
        .collect();
    json!({
        "workflow": name,
        "purpose": &*workflow.purpose,
        "enabled": workflow.enabled,
        "paused": standing.paused.get(name),
        "next": standing.due.get(&workflow.name).map(|at| instant(*at, zone)),
        "last": standing.last.get(name).map(|row| shown::run(row, zone)),
        "schedules": schedules,
        "events": workflow.events,
        "script": &*workflow.script,
        "version": workflow.version.to_string(),
    })
}

/// `GET /v1/workflows`
pub(super) async fn workflows(State(app): State<Arc<App>>) -> Answer {
    aside(&app, |app| {
        let instance = app.engine.current.get();
        let standing = standing(app)?;
        Ok(answer(&instance.workflows.values().map(|w| workflow_of(w, &instance, &standing)).collect()))
    })
    .await
}

/// `GET /v1/workflows/{name}`
pub(super) async fn workflow(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer {
    aside(&app, move |app| {
        let workflow = app.engine.workflow(&name).map_err(Refusal::missing)?;
        Ok(answer(&workflow_of(&workflow, &app.engine.current.get(), &standing(app)?)))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NextAsked {
    from: Option<String>,
    zone: Option<String>,
    count: Option<usize>,
}

/// `GET /v1/workflows/{name}/next`
pub(super) async fn next(State(app): State<Arc<App>>, Path(name): Path<String>, query: Asked<NextAsked>) -> Answer {
    let NextAsked { from, zone, count } = asked(query)?;
    let workflow = app.engine.workflow(&name).map_err(Refusal::missing)?;
    let from = match from {
        None => app.engine.clock.now(),
        Some(text) => {
            Timestamp::parse(&text).ok_or_else(|| Refusal::wrong("\"from\" is a moment such as 2026-03-28T22:50:00+01:00."))?
        }
    };
    let zone: Option<Zone> = match zone {
        None => None,
        Some(text) => Some(
            text.parse().map_err(|_| Refusal::wrong(format!("There is no zone \"{text}\". Write for example Europe/Paris.")))?,
        ),
    };
    let count = count.unwrap_or(5);
    if !(1..=1_000).contains(&count) {
        return Err(Refusal::wrong("\"count\" is a number from 1 to 1000."));
    }
    let instance = app.engine.current.get();
    let zone = zone.or(workflow.schedules.first().map(|s| s.zone())).unwrap_or(instance.business.zone);
    let times: Vec<String> = following(&workflow, from, count).into_iter().map(|at| at.rfc3339(zone)).collect();
    let describe: Vec<String> = workflow.schedules.iter().map(|s| s.describe(instance.business.language)).collect();
    Ok(answer(&json!({ "times": times, "describe": describe, "events": workflow.events, "enabled": workflow.enabled })))
}

/// The next due instants of a workflow: several schedules are alternatives, and an instant two of them share counts once.
fn following(workflow: &Workflow, from: Timestamp, count: usize) -> Vec<Timestamp> {
    let next = |after: &Timestamp| workflow.schedules.iter().filter_map(|s| s.next(*after)).min();
    std::iter::successors(next(&from), next).take(count).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunsAsked {
    workflow: Option<String>,
    limit: Option<usize>,
}

/// `GET /v1/runs`
pub(super) async fn runs(State(app): State<Arc<App>>, query: Asked<RunsAsked>) -> Answer {
    let RunsAsked { workflow, limit: most } = asked(query)?;
    let most = limit(most)?;
    aside(&app, move |app| {
        let zone = app.engine.current.get().business.zone;
        let rows =
            app.engine.store.read().and_then(|reader| view::runs(&reader, workflow.as_deref(), most)).map_err(unreadable)?;
        if rows.is_empty()
            && let Some(name) = &workflow
        {
            // A workflow that left the configuration keeps its history; one that never was is a slip.
            app.engine.workflow(name).map_err(Refusal::missing)?;
        }
        Ok(answer(&rows.iter().map(|row| shown::run(row, zone)).collect()))
    })
    .await
}

/// One run as everybody sees it.
pub(super) fn run_of(app: &App, id: RunId) -> Result<Json, Refusal> {
    let zone = app.engine.current.get().business.zone;
    let found = app.engine.store.read().and_then(|reader| view::run(&reader, id)).map_err(unreadable)?;
    let mut found = found.ok_or_else(|| Refusal::missing(format!("There is no run {id}. 'beffroi runs' lists the latest.")))?;
    Ok(shown::detail(&mut found, zone))
}

/// `GET /v1/runs/{run}`
pub(super) async fn run(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let id = run_id(&id)?;
    aside(&app, move |app| Ok(answer(&run_of(app, id)?))).await
}

/// `GET /v1/runs/{run}/log`
pub(super) async fn log(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let id = run_id(&id)?;
    aside(&app, move |app| Ok(answer(&run_of(app, id)?["log"]))).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PostsAsked {
    state: Option<String>,
    account: Option<String>,
    limit: Option<usize>,
}

const STATES: [&str; 10] = ["held", "due", "preparing", "armed", "online", "refused", "retrying", "unknown", "dead", "cancelled"];

/// `GET /v1/posts`
pub(super) async fn posts(State(app): State<Arc<App>>, query: Asked<PostsAsked>) -> Answer {
    let PostsAsked { state, account, limit: most } = asked(query)?;
    let most = limit(most)?;
    if let Some(state) = state.as_deref().filter(|state| !STATES.contains(state)) {
        return Err(Refusal::wrong(format!("There is no state \"{state}\". States are: {}.", STATES.join(", "))));
    }
    aside(&app, move |app| {
        let zone = app.engine.current.get().business.zone;
        let reader = app.engine.store.read().map_err(unreadable)?;
        let rows = view::posts(&reader, state.as_deref(), account.as_deref(), most).map_err(unreadable)?;
        // An account that was removed from the configuration may still have posts.
        if let Some(account) = account.filter(|_| rows.is_empty()) {
            known_account(app, &account)?;
        }
        Ok(answer(&rows.iter().map(|row| shown::delivery(row, zone)).collect()))
    })
    .await
}

/// `GET /v1/posts/{post}`
pub(super) async fn post(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let wrong = || Refusal::wrong(format!("\"{id}\" is no post. Posts are named like p7; 'beffroi posts' lists them."));
    let id = PostId::parse(&id).ok_or_else(wrong)?;
    aside(&app, move |app| {
        let zone = app.engine.current.get().business.zone;
        let rows = app.engine.store.read().and_then(|reader| view::deliveries_of(&reader, id)).map_err(unreadable)?;
        if rows.is_empty() {
            return Err(Refusal::missing(format!("There is no post {id}. 'beffroi posts' lists the latest.")));
        }
        Ok(answer(&rows.iter().map(|row| shown::delivery(row, zone)).collect()))
    })
    .await
}

/// One delivery with its history.
pub(super) fn delivery_of(app: &App, id: DeliveryId) -> Result<Json, Refusal> {
    let zone = app.engine.current.get().business.zone;
    let reader = app.engine.store.read().map_err(unreadable)?;
    let row = view::delivery(&reader, id).map_err(unreadable)?;
    let row = row.ok_or_else(|| Refusal::missing(format!("There is no delivery {id}. 'beffroi posts' lists the latest.")))?;
    let history = view::delivery_history(&reader, id).map_err(unreadable)?;
    let mut whole = shown::delivery_with(&row, &history, zone);
    if let Some(twin) = outbox::twin(&reader, &row)? {
        whole["standing_by"] = shown::delivery(&twin, zone);
    }
    Ok(whole)
}

/// `GET /v1/deliveries/{delivery}`
pub(super) async fn delivery(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let id = delivery_id(&id)?;
    aside(&app, move |app| Ok(answer(&delivery_of(app, id)?))).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhyAsked {
    when: Option<String>,
}

/// `GET /v1/why/{subject}`
pub(super) async fn because(State(app): State<Arc<App>>, Path(subject): Path<String>, query: Asked<WhyAsked>) -> Answer {
    let WhyAsked { when } = asked(query)?;
    aside(&app, move |app| Ok(answer(&why(app, &subject, when.as_deref())?))).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DoctorAsked {
    #[serde(default)]
    deep: bool,
    since: Option<String>,
}

/// `GET /v1/doctor`
pub(super) async fn doctor(State(app): State<Arc<App>>, query: Asked<DoctorAsked>) -> Answer {
    let DoctorAsked { deep, since } = asked(query)?;
    let wrong = || Refusal::wrong("\"since\" is a moment such as 2026-03-28T22:50:00+01:00.");
    let since = since.map(|text| Timestamp::parse(&text).ok_or_else(wrong)).transpose()?;
    aside(&app, move |app| Ok(answer(&doctor::online(app, Wanted { deep, since })?.json()))).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateAsked {
    key: Option<String>,
    prefix: Option<String>,
}

/// `GET /v1/state`
pub(super) async fn state(State(app): State<Arc<App>>, query: Asked<StateAsked>) -> Answer {
    let StateAsked { key, prefix } = asked(query)?;
    let value = |text: &str| serde_json::from_str(text).unwrap_or(Json::Null);
    aside(&app, move |app| {
        let reader = app.engine.store.read().map_err(unreadable)?;
        let Some(key) = key else {
            let (rows, ..) = view::state_list(&reader, prefix.as_deref().unwrap_or_default()).map_err(unreadable)?;
            return Ok(answer(&Json::Object(rows.into_iter().map(|(key, text)| (key, value(&text))).collect())));
        };
        match view::state(&reader, &key).map_err(unreadable)? {
            Some((text, _)) => Ok(answer(&value(&text))),
            None => Err(Refusal::missing(format!("There is no key \"{key}\". 'beffroi state list' shows all keys."))),
        }
    })
    .await
}

/// How the feeds of the configuration stand.
fn feeds_of(reader: &rusqlite::Connection, instance: &Instance) -> Result<Vec<Json>, Refusal> {
    let zone = instance.business.zone;
    let mut known: HashMap<String, (Timestamp, Option<String>)> =
        view::feeds(reader).map_err(unreadable)?.into_iter().map(|(name, at, error)| (name, (at, error))).collect();
    Ok(instance
        .feeds
        .values()
        .map(|feed| {
            let (at, error) = known.remove(feed.name.as_str()).map_or((None, None), |(at, error)| (Some(at), error));
            json!({ "feed": feed.name, "topic": feed.topic, "read": at.map(|at| instant(at, zone)), "error": error })
        })
        .collect())
}

/// `GET /v1/feeds`
pub(super) async fn feeds(State(app): State<Arc<App>>) -> Answer {
    aside(&app, |app| {
        let reader = app.engine.store.read().map_err(unreadable)?;
        Ok(answer(&Json::Array(feeds_of(&reader, &app.engine.current.get())?)))
    })
    .await
}

/// The accounts as the configuration and the store know them.
pub(super) fn accounts_of(app: &App, only: Option<&str>) -> Result<Vec<Json>, Refusal> {
    let instance = app.engine.current.get();
    let reader = app.engine.store.read().map_err(unreadable)?;
    let stopped: BTreeMap<String, String> = view::breakers(&reader).map_err(unreadable)?.into_iter().collect();
    let errors = plugins::reading_errors(&reader).map_err(unreadable)?;
    let shown = |account: &crate::instance::Account| {
        let name = account.name.as_str();
        let (folder, plugin) = match &account.channel {
            ChannelConfig::Folder(folder) => (Some(folder), None),
            ChannelConfig::Plugin(used) => (None, Some(&used.plugin)),
        };
        let errors: Map<String, Json> = errors
            .iter()
            .filter(|(account, ..)| account == name)
            .map(|(_, what, error)| (what.clone(), error.clone().into()))
            .collect();
        json!({
            "account": name, "network": account.network, "folder": folder, "plugin": plugin,
            "stopped": stopped.get(name), "errors": errors,
        })
    };
    Ok(instance.accounts.values().filter(|a| only.is_none_or(|name| a.name.as_str() == name)).map(shown).collect())
}

/// `GET /v1/accounts`
pub(super) async fn accounts(State(app): State<Arc<App>>) -> Answer {
    aside(&app, |app| Ok(answer(&Json::Array(accounts_of(app, None)?)))).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboxAsked {
    account: Option<String>,
    limit: Option<usize>,
}

/// `GET /v1/inbox`
pub(super) async fn inbox(State(app): State<Arc<App>>, query: Asked<InboxAsked>) -> Answer {
    let InboxAsked { account, limit: most } = asked(query)?;
    let most = u32::try_from(limit(most)?).unwrap_or(u32::MAX);
    aside(&app, move |app| {
        if let Some(name) = &account {
            known_account(app, name)?;
        }
        let zone = app.engine.current.get().business.zone;
        let reader = app.engine.store.read().map_err(unreadable)?;
        let messages = plugins::messages(&reader, account.as_deref(), most).map_err(unreadable)?;
        Ok(answer(&messages.iter().map(|(account, message)| shown::message(account, message, zone)).collect()))
    })
    .await
}
