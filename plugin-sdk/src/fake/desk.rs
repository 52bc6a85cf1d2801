//! The desk of the fake host, for workflows.
//!
//! In: scripted answers. Out: those, or the little that the fake can do by itself, and a note of each call.
//! Never: an invented answer; a function that nobody scripted ends the test with a sentence.
//!
//! By itself it keeps the answers of steps, sets and reads the shared state, takes posts, notices, events and log lines,
//! reads and writes JSON, and tells what the host knows about the run.

use super::{World, with};
use crate::json;
use crate::json::Value;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A call at the desk.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The function's name in the contract, such as `posts-plan`.
    pub function: String,
    /// The arguments by name; `null` for what was left out.
    pub arguments: Value,
}

type Closure = Box<dyn FnMut(&str, &Value) -> Option<Result<Value, String>>>;

/// What is scripted, what is kept, what was asked.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) calls: Vec<Call>,
    pub(crate) closure: Option<Closure>,
    scripted: HashMap<String, VecDeque<Result<Value, String>>>,
    steps: BTreeMap<String, String>,
    /// The state that workflows share, as the last good run left it.
    kept: BTreeMap<String, Value>,
    /// The same as the run in hand sees it.
    shared: BTreeMap<String, Value>,
}

impl Desk {
    /// A run begins with what is kept.
    pub(crate) fn begin(&mut self) {
        self.shared = self.kept.clone();
    }

    /// A run ended well.
    pub(crate) fn commit(&mut self) {
        self.kept = self.shared.clone();
    }

    pub(crate) fn script(&mut self, function: &str, answer: Result<Value, String>) {
        self.scripted.entry(function.to_owned()).or_default().push_back(answer);
    }
}

/// Answers one call.
pub(crate) fn call<const N: usize>(function: &str, arguments: [(&str, Value); N]) -> Result<Value, String> {
    let arguments: Value = arguments.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let closure = with(|w| {
        w.desk.calls.push(Call { function: function.to_owned(), arguments: arguments.clone() });
        w.desk.closure.take()
    });
    if let Some(mut closure) = closure {
        // Outside of the borrow: the closure may ask the host, too.
        let answer = closure(function, &arguments);
        with(|w| w.desk.closure = Some(closure));
        if let Some(answer) = answer {
            return answer;
        }
    }
    let answer = with(|w| match w.desk.scripted.get_mut(function) {
        Some(list) if list.len() > 1 => list.pop_front(),
        Some(list) => list.front().cloned(),
        None => by_itself(w, function, &arguments),
    });
    answer.unwrap_or_else(|| panic!("the desk has no answer for {function}; script it with `desk`"))
}

fn by_itself(world: &mut World, function: &str, arguments: &Value) -> Option<Result<Value, String>> {
    let text = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
    let shared = &mut world.desk.shared;
    Some(Ok(match function {
        "log-debug" | "log-info" | "log-warn" | "log-error" | "events-emit" | "notify-send" => Value::Null,
        "posts-plan" => json!(true),
        "json-parse" => return Some(json::from_str(&text("text")).map_err(|e| format!("This is no JSON: {e}."))),
        "json-write" => json!(arguments["value"].to_string()),
        "state-get" => shared.get(&text("key")).unwrap_or(&arguments["default"]).clone(),
        "state-set" => {
            shared.insert(text("key"), arguments["value"].clone());
            Value::Null
        }
        "state-remove" => {
            shared.remove(&text("key"));
            Value::Null
        }
        "state-list" => {
            let prefix = text("prefix");
            shared.iter().filter(|(k, _)| k.starts_with(&prefix)).map(|(k, v)| json!({ "key": k, "value": v })).collect()
        }
        "run-workflow" => json!(world.name),
        "run-id" => json!(world.id),
        "run-now" | "run-due" => json!(world.now),
        "run-attempt" => json!(world.attempt),
        "run-settings" => world.settings.clone(),
        "run-setting" => {
            let name = text("name");
            match (world.settings.get(&name), &arguments["default"]) {
                (Some(value), _) => value.clone(),
                (None, Value::Null) => return Some(Err(format!("The setting {name} is missing."))),
                (None, default) => default.clone(),
            }
        }
        _ => return None,
    }))
}

/// A scripted answer as the type that the function gives.
pub(crate) fn typed<T: DeserializeOwned + 'static>(function: &str, answer: Value) -> Result<T, String> {
    Ok(json::from_value(answer).unwrap_or_else(|e| panic!("the scripted answer of {function} does not fit: {e}")))
}

pub(crate) fn step_begin(name: &str) -> Result<Option<String>, String> {
    with(|w| {
        w.desk.calls.push(Call { function: "step-begin".to_owned(), arguments: json!({ "name": name }) });
        Ok(w.desk.steps.get(name).cloned())
    })
}

pub(crate) fn step_end(name: &str, answer: &str) -> Result<(), String> {
    with(|w| {
        w.desk.steps.insert(name.to_owned(), answer.to_owned());
        Ok(())
    })
}

pub(crate) fn step_fail(name: &str) {
    with(|w| w.desk.calls.push(Call { function: "step-fail".to_owned(), arguments: json!({ "name": name }) }));
}
