//! Reads the arguments of a call, and the keys of map arguments.
//!
//! In: JSON values that fit the table's kinds. Out: typed values, or a sentence that names the function, the key and what it takes.
//! Never: ignores a key it does not know: a slip of the hand would change what happens without a word.

use crate::domain::{Json, Timestamp, parse_span};
use crate::problem::perhaps;
use crate::run::function::{Function, Refusal};
use serde_json::Map;
use std::time::Duration;

/// The arguments of one call.
pub(super) struct Args {
    function: &'static Function,
    values: std::vec::IntoIter<Json>,
}

impl Args {
    pub(super) fn new(function: &'static Function, values: Vec<Json>) -> Self {
        Self { function, values: values.into_iter() }
    }

    /// The next argument; null when it was left out.
    pub(super) fn any(&mut self) -> Json {
        self.values.next().unwrap_or(Json::Null)
    }

    /// Whether another argument was given, null or not.
    pub(super) fn has_more(&self) -> bool {
        self.values.len() > 0
    }

    /// The next argument, if it was given.
    pub(super) fn given(&mut self) -> Option<Json> {
        self.values.next().filter(|v| !v.is_null())
    }

    /// The next argument as text.
    pub(super) fn text(&mut self) -> String {
        match self.any() {
            Json::String(text) => text,
            other => other.to_string(),
        }
    }

    /// The next argument as text, if it was given.
    pub(super) fn given_text(&mut self) -> Option<String> {
        self.given().and_then(|v| v.as_str().map(str::to_owned))
    }

    /// The next argument as a whole number.
    pub(super) fn whole(&mut self) -> i64 {
        self.any().as_i64().unwrap_or_default()
    }

    /// The next argument as an instant.
    pub(super) fn instant(&mut self) -> Timestamp {
        Timestamp::from_millis(self.whole())
    }

    /// The next argument as a list of texts.
    pub(super) fn texts(&mut self) -> Result<Vec<String>, Refusal> {
        let name = self.function.full_name();
        texts(self.any()).ok_or_else(|| Refusal::Error(format!("{name} needs a list of texts.")))
    }

    /// The next argument, a map whose keys are read one by one; empty when it was left out.
    pub(super) fn map(&mut self) -> Fields {
        let map = match self.any() {
            Json::Object(map) => map,
            _ => Map::new(),
        };
        Fields { of: self.function.full_name(), map, known: Vec::new() }
    }

    /// A refusal that names the function.
    pub(super) fn refuse(&self, sentence: &str) -> Refusal {
        Refusal::Error(format!("{}: {sentence}", self.function.full_name()))
    }
}

fn texts(value: Json) -> Option<Vec<String>> {
    match value {
        Json::Array(list) => list.into_iter().map(|v| v.as_str().map(str::to_owned)).collect(),
        Json::String(one) => Some(vec![one]),
        _ => None,
    }
}

/// An instant, or a span from `now`.
pub(super) fn when(value: &Json, now: Timestamp) -> Option<Timestamp> {
    match value {
        Json::Number(n) => n.as_i64().filter(|n| *n >= 0).map(Timestamp::from_millis),
        Json::String(text) => parse_span(text).ok().map(|span| now.plus(span)).or_else(|| Timestamp::parse(text)),
        _ => None,
    }
}

/// A map argument.
pub(super) struct Fields {
    of: String,
    map: Map<String, Json>,
    known: Vec<&'static str>,
}

impl Fields {
    fn take(&mut self, key: &'static str) -> Option<Json> {
        self.known.push(key);
        self.map.shift_remove(key).filter(|v| !v.is_null())
    }

    fn wrong(&self, key: &str, needs: &str) -> Refusal {
        Refusal::Error(format!("{}: the key \"{key}\" needs {needs}.", self.of))
    }

    fn read<T>(&mut self, key: &'static str, needs: &str, read: impl FnOnce(Json) -> Option<T>) -> Result<Option<T>, Refusal> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| self.wrong(key, needs)),
        }
    }

    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<String>, Refusal> {
        self.read(key, "a text", |v| v.as_str().map(str::to_owned))
    }

    pub(super) fn needed_text(&mut self, key: &'static str) -> Result<String, Refusal> {
        self.text(key)?.ok_or_else(|| Refusal::Error(format!("{}: the key \"{key}\" is missing.", self.of)))
    }

    pub(super) fn truth(&mut self, key: &'static str) -> Result<bool, Refusal> {
        Ok(self.read(key, "true or false", |v| v.as_bool())?.unwrap_or(false))
    }

    pub(super) fn whole(&mut self, key: &'static str) -> Result<Option<i64>, Refusal> {
        self.read(key, "a whole number", |v| v.as_i64())
    }

    pub(super) fn count(&mut self, key: &'static str) -> Result<Option<usize>, Refusal> {
        self.read(key, "a whole number that is not negative", |v| v.as_u64().and_then(|n| usize::try_from(n).ok()))
    }

    pub(super) fn texts(&mut self, key: &'static str) -> Result<Option<Vec<String>>, Refusal> {
        self.read(key, "a list of texts", texts)
    }

    pub(super) fn span(&mut self, key: &'static str) -> Result<Option<Duration>, Refusal> {
        self.read(key, "a length of time such as \"36h\"", |v| v.as_str().and_then(|t| parse_span(t).ok()))
    }

    pub(super) fn when(&mut self, key: &'static str, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
        self.read(key, "an instant, or a length of time from now such as \"36h\"", |v| when(&v, now))
    }

    pub(super) fn any(&mut self, key: &'static str) -> Option<Json> {
        self.take(key)
    }

    pub(super) fn list(&mut self, key: &'static str) -> Result<Option<Vec<Json>>, Refusal> {
        self.read(key, "a list", |v| match v {
            Json::Array(list) => Some(list),
            _ => None,
        })
    }

    /// A map inside the map.
    pub(super) fn map(&mut self, key: &'static str) -> Result<Option<Fields>, Refusal> {
        let of = format!("{} ({key})", self.of);
        self.read(key, "a map", |v| match v {
            Json::Object(map) => Some(Fields { of, map, known: Vec::new() }),
            _ => None,
        })
    }

    /// A map that was taken out as a value of this key.
    pub(super) fn inner(&self, key: &'static str, value: Json) -> Result<Fields, Refusal> {
        match value {
            Json::Object(map) => Ok(Self { of: format!("{} ({key})", self.of), map, known: Vec::new() }),
            _ => Err(self.wrong(key, "a library item's name or a map")),
        }
    }

    /// All pairs of a map of texts.
    pub(super) fn pairs(&mut self, key: &'static str) -> Result<Vec<(String, String)>, Refusal> {
        let pairs = self.read(key, "a map of texts", |v| match v {
            Json::Object(map) => map.into_iter().map(|(k, v)| v.as_str().map(|v| (k, v.to_owned()))).collect::<Option<Vec<_>>>(),
            _ => None,
        })?;
        Ok(pairs.unwrap_or_default())
    }

    /// A refusal that names the function.
    pub(super) fn refuse(&self, sentence: &str) -> Refusal {
        Refusal::Error(format!("{}: {sentence}", self.of))
    }

    /// Says so when a key is left that nobody asked for.
    pub(super) fn end(self) -> Result<(), Refusal> {
        let Some(key) = self.map.keys().next() else { return Ok(()) };
        let near = perhaps(key, self.known.iter().copied());
        Err(Refusal::Error(format!("{} does not know the key \"{key}\".{near} It takes: {}.", self.of, self.known.join(", "))))
    }
}
