//! The routes about doing runs again and trying things without effect.
//!
//! In: a run, a workflow, a script. Out: recordings, what would be planned beside what the calendar holds, comparisons.
//! Never: lets anything that is planned here happen.

use super::reads::run_id;
use super::writes::read;
use super::{Answer, App, Refusal, answer, aside, unreadable};
use crate::craft::compare::{self, Line, Sign, Voice};
use crate::craft::show;
use crate::domain::{Json, RunId, Timestamp};
use crate::run::replay::{Recording, Replayed, Replayer};
use crate::secrets;
use crate::store::journal;
use crate::store::view::{self, Db};
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn recording(app: &App, id: RunId) -> Result<Recording, Refusal> {
    let reader = app.engine.store.read().map_err(unreadable)?;
    Recording::of_run(&reader, id).map_err(Refusal::missing)
}

/// `GET /v1/runs/{run}/recording`
pub(super) async fn recorded(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let id = run_id(&id)?;
    aside(&app, move |app| Ok(answer(&serde_json::to_value(recording(app, id)?).expect("a recording is plain data")))).await
}

/// `GET /v1/runs/{run}/bundle`
pub(super) async fn bundle(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let id = run_id(&id)?;
    aside(&app, move |app| {
        let whole = recording(app, id)?;
        // Here, because only the daemon knows what its secrets are.
        let find = |text: &str| secrets::mask(text).into_owned();
        let clean = Replayer::new().and_then(|replayer| whole.redact(&replayer, &find)).map_err(Refusal::conflict)?;
        Ok(answer(&serde_json::to_value(clean).expect("a recording is plain data")))
    })
    .await
}

/// `POST /v1/replay`
pub(super) async fn replay(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        recording: Recording,
    }
    let Asked { recording } = read(&body)?;
    aside(&app, move |app| {
        let done = app.engine.aside(|runner| runner.replay(&recording)).and_then(|done| done).map_err(Refusal::conflict)?;
        let same = done.is_as(&recording);
        Ok(answer(&json!({ "same": same, "replayed": done })))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DryAsked {
    payload: Option<Json>,
    from: Option<String>,
    recording: Option<Recording>,
}

/// `POST /v1/workflows/{name}/dry`
pub(super) async fn dry(State(app): State<Arc<App>>, Path(name): Path<String>, body: Bytes) -> Answer {
    let DryAsked { payload, from, recording: given } = read(&body)?;
    aside(&app, move |app| {
        let workflow = app.engine.workflow(&name).map_err(Refusal::missing)?;
        let told = match (given, from) {
            (Some(given), _) => Some(given),
            (None, Some(run)) => Some(recording(app, run_id(&run)?)?),
            (None, None) => None,
        };
        let (done, made) = match told {
            Some(told) => {
                let done = app.engine.aside(|runner| runner.dry_on(&workflow, &told)).map_err(Refusal::unavailable)?;
                (done, None)
            }
            None => {
                let payload = payload.unwrap_or_default();
                let done = app.engine.aside(|runner| runner.dry(&workflow, payload)).and_then(|done| done);
                let (done, made) = done.map_err(Refusal::unavailable)?;
                (done, Some(made))
            }
        };
        let instance = app.engine.current.get();
        let voice = Voice { language: instance.business.language, zone: instance.business.zone };
        let mut lines = compare::effects(&json!({}), &done.effects, voice);
        let reader = app.engine.store.read().map_err(unreadable)?;
        state_before(&reader, &done, &mut lines, voice).map_err(unreadable)?;
        let calendar = calendar(&reader, &done, voice).map_err(unreadable)?;
        Ok(answer(&json!({ "workflow": name, "lines": lines, "calendar": calendar, "replayed": done, "recording": made })))
    })
    .await
}

/// Says of each key what it was.
fn state_before(db: &Db, done: &Replayed, lines: &mut [Line], voice: Voice) -> rusqlite::Result<()> {
    let Some(state) = done.effects.get("state").and_then(Json::as_object) else { return Ok(()) };
    for (key, value) in state {
        let before = view::state(db, key)?.map(|(text, _)| text);
        let Some(before) = before else { continue };
        let same = serde_json::from_str::<Json>(&before).ok().as_ref() == Some(value);
        let (fr, en) = (format!("la clé {key} "), format!("the key {key} "));
        for line in lines.iter_mut().filter(|l| l.text.starts_with(&fr) || l.text.starts_with(&en)) {
            if same {
                line.sign = Sign::Same;
                line.text = voice.language.pick(format!("la clé {key} reste {before}"), format!("the key {key} stays {before}"));
                continue;
            }
            line.sign = Sign::Changed;
            line.details =
                vec![voice.language.pick(format!("valeur : {before} → {value}"), format!("value: {before} → {value}"))];
        }
    }
    Ok(())
}

/// One post in a day's calendar: when, whether it is there already, and its text.
type Mark = (Timestamp, Sign, String);

/// What the accounts' calendars hold on the days on which something would be planned, with what would come.
fn calendar(db: &Db, done: &Replayed, voice: Voice) -> rusqlite::Result<Json> {
    const DAY: Duration = Duration::from_secs(86_400);
    let mut days: BTreeMap<(String, String), Vec<Mark>> = BTreeMap::new();
    let day_of = |at: Timestamp| at.day(voice.zone);
    let mut windows: Vec<(String, Timestamp)> = Vec::new();
    for post in done.effects.get("posts").and_then(Json::as_array).into_iter().flatten() {
        for delivery in post["deliveries"].as_array().into_iter().flatten() {
            let account = delivery["account"].as_str().unwrap_or_default().to_owned();
            let Some(at) = compare::read_instant(&delivery["at"]) else { continue };
            let text = delivery["content"]["text"].as_str().unwrap_or_default().to_owned();
            let key = (account.clone(), day_of(at).to_string());
            if !days.contains_key(&key) {
                windows.push((account, at));
            }
            days.entry(key).or_default().push((at, Sign::New, text));
        }
    }
    for (account, at) in windows {
        for row in view::recent_posts(db, &account, at.minus(DAY))? {
            if day_of(row.due) == day_of(at) {
                let text = row.content["text"].as_str().unwrap_or_default().to_owned();
                days.entry((account.clone(), day_of(at).to_string())).or_default().push((row.due, Sign::Same, text));
            }
        }
    }
    Ok(days
        .into_iter()
        .map(|((account, day), mut entries)| {
            entries.sort_by_key(|(at, sign, _)| (*at, *sign == Sign::New));
            let title = day.parse().map(|d| format!("{} {}", show::weekday(d, voice.language), show::day(d, voice.language)));
            let entries: Vec<Json> = entries
                .into_iter()
                .map(|(at, sign, text)| json!({ "at": at.local(voice.zone).format("%H:%M").to_string(), "sign": sign, "text": text }))
                .collect();
            json!({ "account": account, "day": title.unwrap_or(day), "entries": entries })
        })
        .collect())
}

/// `GET /v1/workflows/{name}/shadow`
pub(super) async fn shadow(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer {
    aside(&app, move |app| shadow_of(app, &name)).await
}

fn shadow_of(app: &App, name: &str) -> Answer {
    let workflow = app.engine.workflow(name).map_err(Refusal::missing)?;
    let reader = app.engine.store.read().map_err(unreadable)?;
    let rows = journal::shadows(&reader).map_err(unreadable)?;
    let Some(row) = rows.into_iter().find(|row| row.workflow == name) else {
        return Err(Refusal::missing(format!(
            "No version runs beside \"{name}\". Put one there with: beffroi shadow {name} --put FILE"
        )));
    };
    let (runs, same, failed) = journal::shadow_counts(&reader, name).map_err(unreadable)?;
    let zone = app.engine.current.get().business.zone;
    let latest: Vec<Json> = journal::shadow_runs(&reader, name, 20)
        .map_err(unreadable)?
        .into_iter()
        .map(|run| json!({ "run": run.run, "at": run.at.rfc3339(zone), "same": run.same, "error": run.error, "difference": run.difference }))
        .collect();
    Ok(answer(&json!({
        "workflow": name, "script": workflow.script, "in_force": workflow.version, "digest": row.digest, "file": row.file,
        "source": row.source, "since": row.since.rfc3339(zone), "by": row.put_by,
        "runs": runs, "same": same, "failed": failed, "latest": latest,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShadowAsked {
    file: PathBuf,
    source: String,
    by: Option<String>,
}

/// `PUT /v1/workflows/{name}/shadow`
pub(super) async fn put_shadow(State(app): State<Arc<App>>, Path(name): Path<String>, body: Bytes) -> Answer {
    let ShadowAsked { file, source, by } = read(&body)?;
    aside(&app, move |app| {
        app.engine.workflow(&name).map_err(Refusal::missing)?;
        // The name only tells people where it came from: what it imports lies in the daemon's folder of scripts.
        let file = PathBuf::from(file.file_name().unwrap_or_default());
        let by = by.unwrap_or_else(|| "admin".into());
        match app.engine.beside(&name, Some((file, source)), &by) {
            Ok(()) => shadow_of(app, &name),
            Err(problems) => {
                Err(Refusal { problems: Some(problems), ..Refusal::wrong("The script has errors, so it does not run beside.") })
            }
        }
    })
    .await
}

/// `DELETE /v1/workflows/{name}/shadow`
pub(super) async fn no_shadow(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer {
    aside(&app, move |app| {
        shadow_of(app, &name)?;
        app.engine
            .beside(&name, None, "")
            .map_err(|problems| Refusal::unavailable(problems.first().map(|p| p.message.clone()).unwrap_or_default()))?;
        Ok(answer(&json!({ "workflow": name, "removed": true })))
    })
    .await
}
