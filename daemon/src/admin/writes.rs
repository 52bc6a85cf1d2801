//! The routes that change something.
//!
//! In: a person's word. Out: one committed change each, and what came of it.
//! Never: sends anything itself, or says that something is done before it is on disk.

use super::reads::{Asked, accounts_of, asked, delivery_id, delivery_of, run_id, run_of};
use super::{Answer, App, Phase, Refusal, answer, aside, outbox, unreadable};
use crate::domain::{AccountName, DeliveryId, Json, Language, RunId, Timestamp};
use crate::kinds::Receipt;
use crate::problem::perhaps;
use crate::store::view;
use crate::store::{Change, DeliveryMove, Op};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Reads a body. None at all counts as an empty object; its content type does not matter, so that `curl -d` works.
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text)
        .map_err(|e| Refusal::wrong(format!("The body cannot be used: {e}. GET /v1/openapi.json shows its form.")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunAsked {
    #[serde(default)]
    wait: bool,
    payload: Option<Json>,
}

/// `POST /v1/workflows/{name}/run`
pub(super) async fn run(State(app): State<Arc<App>>, Path(name): Path<String>, body: Bytes) -> Answer {
    let RunAsked { wait, payload } = read(&body)?;
    if app.engine.stopping() {
        return Err(stopping());
    }
    if !wait {
        return aside(&app, move |app| {
            app.engine.workflow(&name).map_err(Refusal::missing)?;
            let id = app.engine.run_soon(&name, payload).map_err(Refusal::unavailable)?;
            Ok(answer(&json!({ "run": id, "workflow": name })))
        })
        .await;
    }
    let (ended, end) = oneshot::channel();
    // Whoever asked may have gone away; the run stands all the same.
    let waiter = Box::new(move |id: RunId| {
        let _ = ended.send(id);
    });
    app.engine.run_now(&name, payload, waiter).map_err(Refusal::missing)?;
    let mut phase = app.phase();
    let id = tokio::select! {
        biased;
        id = end => id.map_err(|_| stopping())?,
        _ = phase.wait_for(|phase| *phase == Phase::Ended) => return Err(stopping()),
    };
    // Not set aside: the row was written a moment ago, and callers wait for this answer.
    Ok(answer(&run_of(&app, id)?))
}

fn stopping() -> Refusal {
    Refusal::unavailable("Beffroi is stopping and takes no new work. Ask again when it has been started.")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonAsked {
    reason: Option<String>,
}

/// `POST /v1/workflows/{name}/pause`
pub(super) async fn pause(State(app): State<Arc<App>>, Path(name): Path<String>, body: Bytes) -> Answer {
    let ReasonAsked { reason } = read(&body)?;
    aside(&app, move |app| {
        let reason = reason.unwrap_or_else(|| language(app).pick("à la main", "by hand").into());
        set_paused(app, &name, Some(reason.clone()))?;
        Ok(answer(&json!({ "workflow": name, "paused": reason })))
    })
    .await
}

/// `POST /v1/workflows/{name}/resume`
pub(super) async fn resume(State(app): State<Arc<App>>, Path(name): Path<String>, body: Bytes) -> Answer {
    let Nothing {} = read(&body)?;
    aside(&app, move |app| {
        let was = app.engine.workflow(&name).map_err(Refusal::missing).map(|w| app.engine.board.standing(&w.name).paused)?;
        set_paused(app, &name, None)?;
        Ok(answer(&json!({ "workflow": name, "was": was })))
    })
    .await
}

fn set_paused(app: &App, name: &str, reason: Option<String>) -> Result<(), Refusal> {
    app.engine.workflow(name).map_err(Refusal::missing)?;
    let word = if reason.is_some() { "paused" } else { "resumed" };
    let text = reason.clone().unwrap_or_default();
    app.engine.pause(name, reason).map_err(Refusal::unavailable)?;
    app.engine.pulse.tell("workflow", name, word, text);
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

pub(super) fn language(app: &App) -> Language {
    app.engine.current.get().business.language
}

/// `POST /v1/runs/{run}/cancel`
pub(super) async fn cancel(State(app): State<Arc<App>>, Path(id): Path<String>, body: Bytes) -> Answer {
    let Nothing {} = read(&body)?;
    let id = run_id(&id)?;
    if app.engine.board.cancel(id) {
        return Ok(answer(&json!({ "run": id, "cancelled": true })));
    }
    aside(&app, move |app| {
        let run = run_of(app, id)?;
        let state = run["state"].as_str().unwrap_or_default();
        Err(Refusal::conflict(format!("{id} has ended already ({state}). See 'beffroi show {id}'.")))
    })
    .await
}

fn commit(app: &App, ops: Vec<Op>) -> Result<usize, Refusal> {
    let done = app.engine.store.commit(Change::new(app.engine.clock.now(), ops))?;
    app.engine.pulse.outbox.ring();
    Ok(done.touched)
}

/// Commits what was said about a delivery, and shows how it stands then.
pub(super) fn settle(app: &App, id: DeliveryId, word: &'static str, ops: Vec<Op>) -> Answer {
    let before = delivery_of(app, id)?;
    commit(app, ops)?;
    let kind = if before["kind"] == "notice" { "notice" } else { "post" };
    app.engine.pulse.tell(kind, id, word, "");
    Ok(answer(&delivery_of(app, id)?))
}

pub(super) fn by(name: Option<String>) -> String {
    name.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).unwrap_or_else(|| "admin".into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApproveAsked {
    seal: String,
    fallback: Option<String>,
    by: Option<String>,
}

/// `POST /v1/deliveries/{delivery}/approve`
pub(super) async fn approve(State(app): State<Arc<App>>, Path(id): Path<String>, body: Bytes) -> Answer {
    let id = delivery_id(&id)?;
    let ApproveAsked { seal, fallback, by: name } = read(&body)?;
    aside(&app, move |app| {
        let by = by(name);
        let mut ops = vec![Op::Approve { id, seal, by: by.clone() }];
        // One yes for both: whoever said it has seen both, or it is none.
        match (outbox::twin_to_approve(app, id)?, fallback) {
            (None, None) => {}
            (Some(twin), Some(seal)) => ops.push(Op::Approve { id: twin, seal, by }),
            (Some(twin), None) => {
                return Err(Refusal::conflict(format!(
                    "{twin} stands in for {id}, and a yes covers both: give the seal of {twin} as \"fallback\" too."
                )));
            }
            (None, Some(_)) => {
                return Err(Refusal::conflict(format!("Nothing that needs a yes stands in for {id}. See 'beffroi why {id}'.")));
            }
        }
        settle(app, id, "approved", ops)
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgainAsked {
    by: Option<String>,
}

/// `POST /v1/deliveries/{delivery}/again`
pub(super) async fn again(State(app): State<Arc<App>>, Path(id): Path<String>, body: Bytes) -> Answer {
    let id = delivery_id(&id)?;
    let AgainAsked { by: name } = read(&body)?;
    aside(&app, move |app| {
        expect_state(app, id, &["unknown", "dead"])?;
        let name = by(name);
        let reason = language(app).pick(
            format!("{name} a vérifié : ce n'était pas parti, on recommence"),
            format!("{name} looked: it had not gone out, so it is sent again"),
        );
        settle(app, id, "retrying", vec![answered(id, &["unknown", "dead"], "retrying", reason, app.engine.clock.now(), None)])
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DoneAsked {
    by: Option<String>,
    url: Option<String>,
}

/// `POST /v1/deliveries/{delivery}/done`
pub(super) async fn done(State(app): State<Arc<App>>, Path(id): Path<String>, body: Bytes) -> Answer {
    let id = delivery_id(&id)?;
    let DoneAsked { by: name, url } = read(&body)?;
    aside(&app, move |app| {
        expect_state(app, id, &["unknown"])?;
        let name = by(name);
        let reason = language(app).pick(format!("{name} a vérifié : c'est en ligne"), format!("{name} looked: it is online"));
        let receipt = url.map(|url| Receipt { remote_id: url.clone(), url: Some(url) });
        settle(app, id, "online", vec![answered(id, &["unknown"], "online", reason, Timestamp::NEVER, receipt)])
    })
    .await
}

fn expect_state(app: &App, id: DeliveryId, states: &[&str]) -> Result<(), Refusal> {
    let delivery = delivery_of(app, id)?;
    let now = delivery["state"].as_str().unwrap_or_default();
    if states.contains(&now) {
        return Ok(());
    }
    Err(Refusal::conflict(format!("{id} is {now}, so there is nothing to answer. See 'beffroi why {id}'.")))
}

fn answered(
    id: DeliveryId,
    from: &'static [&'static str],
    to: &'static str,
    reason: String,
    look_at: Timestamp,
    receipt: Option<Receipt>,
) -> Op {
    Op::Move(Box::new(DeliveryMove {
        id,
        from,
        to,
        reason,
        look_at,
        prepared: None,
        receipt,
        attempt: false,
        tell: true,
        private: Vec::new(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RejectAsked {
    by: Option<String>,
    reason: Option<String>,
}

/// `POST /v1/deliveries/{delivery}/reject`
pub(super) async fn reject(State(app): State<Arc<App>>, Path(id): Path<String>, body: Bytes) -> Answer {
    let id = delivery_id(&id)?;
    let RejectAsked { by: name, reason } = read(&body)?;
    aside(&app, move |app| {
        let reason = reason.unwrap_or_else(|| language(app).pick("refusé", "rejected").into());
        settle(app, id, "cancelled", vec![Op::Reject { id, by: by(name), reason }])
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetAsked {
    key: String,
    /// Told apart from `null`, which is a value.
    #[serde(default, deserialize_with = "given")]
    value: Option<Json>,
}

fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(from).map(Some)
}

/// `PUT /v1/state`
pub(super) async fn set_state(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let SetAsked { key, value } = read(&body)?;
    let value = value.ok_or_else(|| Refusal::wrong("The body has no \"value\"."))?;
    if key.is_empty() {
        return Err(Refusal::wrong("The key is empty."));
    }
    aside(&app, move |app| {
        commit(app, vec![Op::State { key: key.clone(), value: Some(value.to_string()), run: RunId(0) }])?;
        Ok(answer(&json!({ "key": key, "value": value })))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveAsked {
    key: String,
}

/// `DELETE /v1/state`
pub(super) async fn remove_state(State(app): State<Arc<App>>, query: Asked<RemoveAsked>) -> Answer {
    let RemoveAsked { key } = asked(query)?;
    aside(&app, move |app| {
        let known = app.engine.store.read().and_then(|reader| view::state(&reader, &key)).map_err(unreadable)?;
        if known.is_none() {
            return Err(Refusal::missing(format!("There is no key \"{key}\". 'beffroi state list' shows all keys.")));
        }
        commit(app, vec![Op::State { key: key.clone(), value: None, run: RunId(0) }])?;
        Ok(answer(&json!({ "key": key, "removed": true })))
    })
    .await
}

/// `POST /v1/reload`
pub(super) async fn reload(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let Nothing {} = read(&body)?;
    aside(&app, |app| match app.reload() {
        Ok(problems) => Ok(answer(&json!({ "file": app.engine.config_file(), "problems": problems }))),
        Err(problems) => {
            let error = "The new configuration has errors, so the one that was in force stays. Mend them and reload again.";
            Err(Refusal { problems: Some(problems), ..Refusal::wrong(error) })
        }
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FreezeAsked {
    account: Option<String>,
    reason: Option<String>,
}

/// Everything that is about to be armed was cleared under the freeze's mark: touching it makes all of that look again.
pub(super) fn mark() -> Op {
    Op::Mark("freeze".into())
}

/// `POST /v1/freeze`
pub(super) async fn freeze(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let FreezeAsked { account, reason } = read(&body)?;
    aside(&app, move |app| {
        let reason = reason.unwrap_or_else(|| language(app).pick("à la main", "by hand").into());
        let op = match &account {
            None => Op::Freeze(Some(reason.clone())),
            Some(name) => {
                known_account(app, name)?;
                Op::Breaker { account: name.clone(), reason: Some(reason.clone()) }
            }
        };
        commit(app, vec![op, mark()])?;
        match &account {
            None => app.engine.pulse.tell("freeze", "all", "frozen", &reason),
            Some(name) => app.engine.pulse.tell("account", name, "stopped", &reason),
        }
        Ok(answer(&json!({ "account": account, "frozen": reason })))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckAsked {
    account: Option<String>,
}

/// `POST /v1/accounts/check`
pub(super) async fn check_accounts(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let CheckAsked { account } = read(&body)?;
    aside(&app, move |app| {
        if let Some(name) = &account {
            known_account(app, name)?;
        }
        let instance = app.engine.current.get();
        let mut all = accounts_of(app, account.as_deref())?;
        for shown in &mut all {
            let Some(account) = shown["account"].as_str().and_then(|name| instance.accounts.get(name)) else { continue };
            let (works, says) = match app.engine.accounts.check(&instance, account)? {
                None => (Json::Null, None),
                Some(Ok(name)) => (true.into(), Some(name)),
                Some(Err(error)) => (false.into(), Some(error.to_string())),
            };
            (shown["works"], shown["says"]) = (works, says.into());
        }
        Ok(answer(&Json::Array(all)))
    })
    .await
}

/// Refuses an account that the configuration does not have.
pub(super) fn known_account(app: &App, name: &str) -> Result<(), Refusal> {
    let instance = app.engine.current.get();
    if instance.accounts.keys().any(|known| known.as_str() == name) {
        return Ok(());
    }
    let near = perhaps(name, instance.accounts.keys().map(AccountName::as_str));
    Err(Refusal::missing(format!(
        "There is no account \"{name}\" in the configuration.{near} Write it as it stands under [accounts]."
    )))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupAsked {
    file: PathBuf,
}

/// `POST /v1/backup`
pub(super) async fn backup(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let BackupAsked { file } = read(&body)?;
    if !file.is_absolute() {
        return Err(Refusal::wrong("\"file\" is an absolute path on the daemon's machine."));
    }
    aside(&app, move |app| {
        app.engine.store.backup(&file).map_err(Refusal::conflict)?;
        let size = std::fs::metadata(&file).map(|m| m.len()).unwrap_or_default();
        Ok(answer(&json!({ "file": file, "bytes": size })))
    })
    .await
}

/// `POST /v1/stop`
pub(super) async fn stop(State(app): State<Arc<App>>, body: Bytes) -> Result<(StatusCode, axum::response::Response), Refusal> {
    let Nothing {} = read(&body)?;
    app.enter(Phase::Stopping);
    Ok((StatusCode::ACCEPTED, answer(&json!({ "stopping": true, "pid": std::process::id() }))))
}
