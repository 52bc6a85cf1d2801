//! Recordings of an author: what a service answers, and what the plugin has to make of it.
//!
//! In: the project's `tests/*.toml`. Out: [`Recording`]s.
//! Never: guesses; an unknown key is a mistake with its place.

use super::remote::{Fate, Route};
use crate::domain::{Json, Timestamp};
use crate::network::Response;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One file of `tests/`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recording {
    /// What holds.
    pub(super) name: String,
    /// What the calls take for now, as RFC 3339.
    #[serde(default)]
    now: Option<String>,
    /// What the owner filled in.
    #[serde(default)]
    pub(super) settings: BTreeMap<String, Json>,
    #[serde(default)]
    answer: Vec<Answer>,
    /// What the desk answers, by function such as `library-next`.
    #[serde(default)]
    pub(super) desk: BTreeMap<String, Json>,
    /// The calls, in order.
    pub(super) call: Vec<Recorded>,
    #[serde(skip)]
    pub(super) file: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    to: String,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    json: Option<Json>,
    #[serde(default)]
    text: Option<String>,
    /// A file beside the recording.
    #[serde(default)]
    file: Option<PathBuf>,
    #[serde(default)]
    fails: Option<Failing>,
    #[serde(skip)]
    bytes: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Failing {
    Lost,
    NotSent,
}

/// One call, and what has to come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recorded {
    /// `check`, `validate`, `prepare`, `publish`, `find`, `unpublish`, `metrics`, `inbox`, `poll`, `generate`, `notify` or `run`.
    #[serde(rename = "do")]
    pub(super) what: String,
    /// What stays the same for every attempt.
    #[serde(default)]
    pub(super) delivery: Option<String>,
    #[serde(default)]
    pub(super) post: Option<Json>,
    #[serde(default)]
    pub(super) prepared: Option<String>,
    #[serde(default)]
    pub(super) since: Option<String>,
    #[serde(default)]
    pub(super) remote_id: Option<String>,
    #[serde(default)]
    pub(super) remote_ids: Vec<String>,
    #[serde(default)]
    pub(super) prompt: Option<Json>,
    #[serde(default)]
    pub(super) notice: Option<Json>,
    #[serde(default)]
    pub(super) payload: Json,
    /// What comes back; keys that are not written here may be anything.
    #[serde(default)]
    pub(super) gives: Option<Json>,
    /// `retry`, `reconnect`, `reject`, `uncertain` or `internal`, when an error has to come back.
    #[serde(default)]
    pub(super) fails: Option<String>,
    /// The requests it sends, in order; only what is written here is compared.
    #[serde(default)]
    pub(super) sends: Option<Vec<Sent>>,
    /// Calls at the desk that have to be among those it makes, in order.
    #[serde(default)]
    pub(super) asks: Vec<Json>,
}

/// A request that has to be sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sent {
    pub(super) to: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) json: Option<Json>,
    /// A text that its body holds.
    #[serde(default)]
    pub(super) holds: Option<String>,
}

impl Recording {
    /// The answers as routes.
    pub(super) fn routes(&self) -> Vec<Route> {
        let fate = |answer: &Answer| match answer.fails {
            Some(Failing::Lost) => Fate::Lost,
            Some(Failing::NotSent) => Fate::NotSent,
            None => {
                let mut headers: Vec<(String, String)> =
                    answer.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
                let (kind, body) = match (&answer.json, &answer.text, &answer.bytes) {
                    (Some(json), _, _) => ("application/json", json.to_string().into_bytes()),
                    (None, Some(text), _) => ("text/plain; charset=utf-8", text.clone().into_bytes()),
                    (None, None, bytes) => ("application/octet-stream", bytes.clone().unwrap_or_default()),
                };
                if !answer.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
                    headers.push(("content-type".into(), kind.into()));
                }
                Fate::Answer(Response { status: answer.status.unwrap_or(200), headers, body })
            }
        };
        self.answer.iter().map(|answer| (answer.to.clone(), fate(answer))).collect()
    }

    /// What its calls take for now.
    pub(super) fn now(&self) -> Option<Timestamp> {
        self.now.as_deref().and_then(Timestamp::parse)
    }

    fn read(file: &Path) -> Result<Self, String> {
        let shown = file.display();
        let text = std::fs::read_to_string(file).map_err(|e| format!("{shown} cannot be read: {e}."))?;
        let mut recording: Self = toml::from_str(&text).map_err(|e| format!("{shown}: {}", e.to_string().trim_end()))?;
        if let Some(now) = &recording.now
            && Timestamp::parse(now).is_none()
        {
            return Err(format!("{shown}: now = \"{now}\" is no instant such as 2026-01-05T08:00:00+01:00."));
        }
        for answer in &mut recording.answer {
            if let Some(beside) = &answer.file {
                let path = file.with_file_name(beside);
                answer.bytes = Some(std::fs::read(&path).map_err(|e| format!("{} cannot be read: {e}.", path.display()))?);
            }
        }
        recording.file = file.to_owned();
        Ok(recording)
    }
}

/// All recordings of a project, by file name.
///
/// # Errors
/// A sentence with the file and the place.
pub(super) fn all(project: &Path) -> Result<Vec<Recording>, String> {
    let Ok(list) = std::fs::read_dir(project.join("tests")) else { return Ok(Vec::new()) };
    let mut files: Vec<PathBuf> =
        list.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    files.iter().map(|file| Recording::read(file)).collect()
}

/// Where what is there differs from what has to be there; keys that are not expected may be anything.
pub(super) fn difference(expected: &Json, actual: &Json, at: &str) -> Option<String> {
    match (expected, actual) {
        (Json::Object(expected), Json::Object(actual)) => expected.iter().find_map(|(key, value)| {
            let inside = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            difference(value, actual.get(key).unwrap_or(&Json::Null), &inside)
        }),
        (Json::Array(expected), Json::Array(actual)) if expected.len() == actual.len() => {
            expected.iter().zip(actual).enumerate().find_map(|(n, (e, a))| difference(e, a, &format!("{at}[{n}]")))
        }
        _ if expected == actual => None,
        _ if at.is_empty() => Some(format!("{expected} was expected, and it is {actual}")),
        _ => Some(format!("{expected} was expected at {at}, and it is {actual}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_written_is_compared() {
        assert_eq!(difference(&json!({ "a": 1 }), &json!({ "a": 1, "b": 2 }), ""), None);
        let wrong = difference(&json!({ "a": [{ "b": 1 }] }), &json!({ "a": [{ "b": 2 }] }), "").expect("they differ");
        assert_eq!(wrong, "1 was expected at a[0].b, and it is 2");
        assert!(difference(&json!([1]), &json!([1, 2]), "x").is_some());
    }
}
