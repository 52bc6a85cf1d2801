//! The author's recordings as cases.
//!
//! In: a stage with its recordings. Out: one case for each recording.
//! Never: goes on after the first call of a recording that went wrong: the later ones build on it.

use super::desk::{Scripted, noted};
use super::recording::{Recorded, Recording, Sent, difference};
use super::stage::{Scene, Stage};
use super::{Case, Verdict, values};
use crate::domain::Json;
use crate::kinds::KindError;
use crate::network::Request;
use serde_json::json;

const DELIVERY: &str = "d-1";

pub(super) fn all(stage: &Stage) -> Vec<Case> {
    stage.recordings.iter().map(|recording| one(stage, recording)).collect()
}

fn one(stage: &Stage, recording: &Recording) -> Case {
    let scene = stage.recorded(recording);
    let wrong = recording.call.iter().enumerate().find_map(|(n, call)| {
        let found = play(&scene, recording, call)?;
        Some(format!("Call {} ({}): {found}", n + 1, call.what))
    });
    let verdict = match wrong {
        None => Verdict::Passed,
        Some(seen) => Verdict::Failed {
            expected: "what the recording says".into(),
            seen,
            why: format!("{} is what its author promises.", recording.file.display()),
        },
    };
    Case {
        ability: "recording",
        name: recording.name.clone(),
        verdict,
        requests: scene.remote.seen().len(),
        memory: scene.used().0,
        took: scene.took(),
    }
}

/// What is wrong with one call.
fn play(scene: &Scene<'_>, recording: &Recording, call: &Recorded) -> Option<String> {
    let before = scene.remote.seen().len();
    let mut asked = Vec::new();
    let answer = match ask(scene, recording, call, &mut asked) {
        Ok(answer) => answer,
        Err(sentence) => return Some(sentence),
    };
    let unknown = scene.remote.unknown();
    let hint =
        if unknown.is_empty() { String::new() } else { format!(" No [[answer]] is to = \"{}\".", unknown.join("\" or \"")) };
    match (&answer, &call.fails) {
        (Ok(given), None) => {
            if let Some(wrong) = call.gives.as_ref().and_then(|expected| difference(expected, given, "")) {
                return Some(format!("{wrong}.{hint}"));
            }
        }
        (Ok(given), Some(word)) => return Some(format!("{word} was expected, and it gave {given}.")),
        (Err((word, sentence)), None) => return Some(format!("it gave {word}: {sentence}{hint}")),
        (Err((word, sentence)), Some(expected)) if word != expected => {
            return Some(format!("{expected} was expected, and it gave {word}: {sentence}{hint}"));
        }
        (Err(_), Some(_)) => {}
    }
    if let Some(sends) = &call.sends {
        let seen = scene.remote.seen().split_off(before);
        if seen.len() != sends.len() {
            let list: Vec<String> = seen.iter().map(|r| format!("{} {}", r.method, r.url)).collect();
            return Some(format!("{} requests were expected, and it sent {}: {}", sends.len(), seen.len(), list.join(", ")));
        }
        if let Some(wrong) = sends.iter().zip(&seen).find_map(|(expected, request)| differs(expected, request)) {
            return Some(wrong);
        }
    }
    let mut rest = asked.iter();
    let missing = call.asks.iter().find(|expected| !rest.any(|asked| difference(expected, asked, "").is_none()));
    missing.map(|expected| format!("It did not ask the desk for {expected}, or not in this order."))
}

type Given = Result<Json, (&'static str, String)>;

fn given<T>(answer: Result<T, KindError>, as_json: impl FnOnce(&T) -> Json) -> Given {
    answer.as_ref().map(as_json).map_err(|error| {
        let word = match error {
            KindError::Retry(..) => "retry",
            KindError::Reconnect(_) => "reconnect",
            KindError::Reject(_) => "reject",
            KindError::Uncertain(_) => "uncertain",
            KindError::Internal(_) => "internal",
        };
        (word, error.failure().message.clone())
    })
}

fn ask(scene: &Scene<'_>, recording: &Recording, call: &Recorded, asked: &mut Vec<Json>) -> Result<Given, String> {
    let delivery = call.delivery.as_deref().unwrap_or(DELIVERY);
    let post = values::post(call.post.as_ref());
    let (since, prepared) = (call.since.as_deref(), call.prepared.as_deref());
    Ok(match call.what.as_str() {
        "check" => given(scene.check()?, |name| json!(name)),
        "validate" => Ok(scene.validate(&post)?.iter().map(|p| json!({ "code": p.code, "message": p.message })).collect()),
        "prepare" => given(scene.prepared(delivery, &post)?, |handle| json!(handle)),
        "publish" => given(scene.publish(delivery, &post, prepared)?, values::outcome),
        "find" => given(scene.find(delivery, &post, prepared)?, values::finding),
        "unpublish" => given(scene.unpublish(call.remote_id.as_deref().unwrap_or_default())?, |()| Json::Null),
        "metrics" => given(scene.metrics(&call.remote_ids)?, |samples| values::samples(samples)),
        "inbox" => given(scene.inbox(since)?, values::messages),
        "poll" if scene.reads("feed") => given(scene.feed(since)?, values::signals),
        "poll" if scene.reads("stock") => given(scene.stock(since)?, values::stock),
        "generate" => given(scene.generate(&values::prompt(call.prompt.as_ref()))?, values::generation),
        "notify" => given(scene.notify(delivery, &values::notice(call.notice.as_ref()))?, values::receipt),
        "run" => {
            let (desk, answer) =
                scene.work(Scripted::new(scene.stage.table, recording.desk.clone(), false), call.payload.clone())?;
            *asked = noted(desk);
            answer.map(|line| json!(line)).map_err(|failure| ("error", failure.sentence))
        }
        other => return Err(format!("there is no call \"{other}\" for what this plugin can do.")),
    })
}

fn differs(expected: &Sent, request: &Request) -> Option<String> {
    let to = format!("{} {}", request.method, request.url);
    if expected.to != to {
        return Some(format!("{} was expected, and it sent {to}.", expected.to));
    }
    for (name, value) in &expected.headers {
        let sent = request.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v);
        if sent != Some(value) {
            return Some(format!("{to}: {name}: {value} was expected, and it is {}.", sent.map_or("not there", String::as_str)));
        }
    }
    let body = String::from_utf8_lossy(&request.body);
    if let Some(text) = &expected.holds
        && !body.contains(text)
    {
        return Some(format!("{to}: the body does not hold {text:?}."));
    }
    let json = expected.json.as_ref()?;
    let sent = serde_json::from_str(&body).unwrap_or_default();
    difference(json, &sent, "").map(|wrong| format!("{to}: {wrong}."))
}
