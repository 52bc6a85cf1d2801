//! The desk as plugins see it: every function of the table, without a line for any of them.
//!
//! In: the table, and the desk of the run that goes on. Out: the interface `desk` of the contract.
//! Never: knows what a function does. What the table says of its parameters is all that is checked here.

use super::inside::Inside;
use super::sandbox::{Line, Weight, one_line};
use crate::domain::Json;
use crate::run::function::{Desk, Function, Kind, Level, Param, Refusal, Stop};
use crate::run::wit;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Linker, Val};

/// The interface's name in the contract.
const DESK: &str = "beffroi:plugin/desk@0.1.0";

/// The desk of a run, with the steps that are open.
pub(super) struct AtDesk {
    desk: Box<dyn Desk>,
    steps: Vec<String>,
    /// Which functions of the table it may call.
    allowed: Arc<[bool]>,
    /// Bytes that the plugin handed over so far.
    handed: usize,
}

/// The most that a run may hand over to the desk, all calls together: what it keeps and plans is held until the run ends.
const HANDED: usize = 16 << 20;

impl AtDesk {
    pub(super) fn new(desk: Box<dyn Desk>, allowed: Arc<[bool]>) -> Self {
        Self { desk, steps: Vec::new(), allowed, handed: 0 }
    }

    /// The time left, as the run is told it.
    pub(super) fn time_left(&mut self, truly: Duration) -> wasmtime::Result<Duration> {
        self.desk.time_left(truly).map_err(|stop| wasmtime::Error::new(Ends(stop)))
    }

    /// The desk back, with every step closed and every line told.
    pub(super) fn leave(mut self, lines: &[Line]) -> Box<dyn Desk> {
        self.tell(lines);
        while let Some(step) = self.steps.pop() {
            self.desk.step_failed(&step);
        }
        self.desk
    }

    /// Counts what is handed over, up to a limit.
    fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.handed = self.handed.saturating_add(bytes);
        if self.handed <= HANDED {
            return Ok(());
        }
        Err(format!("This run has handed more than {} MiB to the desk. Plan and keep less in one run.", HANDED >> 20).into())
    }

    /// Whether the run must end now.
    pub(super) fn stop(&self) -> Option<Stop> {
        self.desk.stop()
    }

    fn tell(&mut self, lines: &[Line]) {
        for line in lines {
            let level = if line.weight == Weight::Debug { Level::Debug } else { Level::Info };
            self.desk.log(level, &line.text);
        }
    }
}

/// There is no desk in this call.
#[derive(Debug, thiserror::Error)]
#[error("only a workflow's run is at a desk")]
pub(super) struct Elsewhere;

/// The desk ends the run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Ends(pub(super) Stop);

/// Links every function of the table.
pub(super) fn link(linker: &mut Linker<Inside>, table: &'static [Function]) -> wasmtime::Result<()> {
    let mut desk = linker.instance(DESK)?;
    desk.func_new("step-begin", |mut store, _, params, results| {
        let name = text(&params[0])?;
        let at = at_desk(store.data_mut())?;
        results[0] = answered(at.desk.step_kept(&name).map(|kept| {
            if kept.is_none() {
                at.steps.push(name);
            }
            Some(Val::Option(kept.map(|kept| Box::new(Val::String(kept.to_string())))))
        }))?;
        Ok(())
    })?;
    desk.func_new("step-end", |mut store, _, params, results| {
        let (name, answer) = (text(&params[0])?, text(&params[1])?);
        let at = at_desk(store.data_mut())?;
        results[0] = answered(end_step(at, &name, &answer).map(|()| None))?;
        Ok(())
    })?;
    desk.func_new("step-fail", |mut store, _, params, _| {
        let name = text(&params[0])?;
        let at = at_desk(store.data_mut())?;
        if at.steps.last() == Some(&name) {
            at.steps.pop();
            at.desk.step_failed(&name);
        }
        Ok(())
    })?;
    for (index, function) in table.iter().enumerate().filter(|(_, function)| wit::has(function)) {
        desk.func_new(&wit::name(function), move |mut store, _, params, results| {
            let at = at_desk(store.data_mut())?;
            results[0] = answered(call(at, index, function, params))?;
            Ok(())
        })?;
    }
    Ok(())
}

/// The desk of this call. What the plugin wrote so far is told first, so that the run's log is in order.
fn at_desk(inside: &mut Inside) -> wasmtime::Result<&mut AtDesk> {
    let lines = inside.lines.untold();
    match &mut inside.desk {
        Some(at) => {
            at.tell(&lines);
            Ok(at)
        }
        None => Err(wasmtime::Error::new(Elsewhere)),
    }
}

fn text(value: &Val) -> wasmtime::Result<String> {
    match value {
        Val::String(text) => Ok(text.clone()),
        other => Err(wasmtime::Error::msg(format!("a text was expected, not {other:?}"))),
    }
}

fn answered(answer: Result<Option<Val>, Refusal>) -> wasmtime::Result<Val> {
    match answer {
        Ok(value) => Ok(Val::Result(Ok(value.map(Box::new)))),
        Err(Refusal::Error(sentence)) => Ok(Val::Result(Err(Some(Box::new(Val::String(sentence)))))),
        Err(Refusal::Stop(stop)) => Err(wasmtime::Error::new(Ends(stop))),
    }
}

fn end_step(at: &mut AtDesk, name: &str, answer: &str) -> Result<(), Refusal> {
    at.take(name.len() + answer.len())?;
    if at.steps.last().map(String::as_str) != Some(name) {
        let name = one_line(name, 80);
        return Err(format!("step-end: the step \"{name}\" is not the one that was begun last.").into());
    }
    let answer: Json = serde_json::from_str(answer)
        .map_err(|e| format!("step-end: the answer of the step \"{}\" is not JSON: {e}.", one_line(name, 80)))?;
    at.desk.step_done(name, &answer)?;
    at.steps.pop();
    Ok(())
}

fn call(at: &mut AtDesk, index: usize, function: &Function, params: &[Val]) -> Result<Option<Val>, Refusal> {
    if !at.allowed.get(index).copied().unwrap_or_default() {
        let name = function.full_name();
        return Err(format!(
            "{name} was not granted to this plugin. Its manifest would have to ask for it: [workflow] desk = [\"{name}\"]."
        )
        .into());
    }
    at.take(params.iter().map(weight).sum())?;
    // What is left out at the end is left out, as in scripts: a default that is nothing is something else than no default.
    let left_out = params.iter().rev().take_while(|value| matches!(value, Val::Option(None))).count();
    let given_params = function.params.iter().zip(&params[..params.len() - left_out]).enumerate();
    let arguments = given_params.map(|(place, (param, value))| argument(function, place, param, value));
    let arguments = arguments.collect::<Result<Vec<Json>, String>>()?;
    let answer = at.desk.call(index, arguments)?;
    given(function, answer).map_err(Refusal::Error)
}

/// The bytes of a parameter, where there are many.
fn weight(value: &Val) -> usize {
    match value {
        Val::String(text) => text.len(),
        Val::Option(Some(value)) => weight(value),
        _ => 16,
    }
}

/// A value of the contract as the table's kinds have it.
fn argument(function: &Function, place: usize, param: &Param, value: &Val) -> Result<Json, String> {
    let wrong = |why: String| format!("{}: {} takes {}{why}.", function.full_name(), param.name, param.kind.phrase());
    let value = match value {
        Val::Option(None) => return Ok(Json::Null),
        Val::Option(Some(value)) => value,
        value => value,
    };
    let json = match value {
        Val::String(text) if matches!(param.kind, Kind::Text) => Json::String(text.clone()),
        Val::String(text) => serde_json::from_str(text).map_err(|e| wrong(format!(", written as JSON: {e}")))?,
        Val::S64(number) => Json::from(*number),
        // The contract has one type for numbers; a whole one stays whole, so that counters do.
        Val::Float64(number) if number.fract() == 0.0 && number.abs() < 9e15 => Json::from(*number as i64),
        Val::Float64(number) => serde_json::Number::from_f64(*number).map(Json::Number).ok_or_else(|| wrong(String::new()))?,
        Val::Bool(truth) => Json::Bool(*truth),
        other => return Err(wrong(format!(", not {other:?}"))),
    };
    let absent = param.optional && json.is_null();
    if absent || param.kind.fits(&json) { Ok(json) } else { Err(function.misfit(place, phrase(&json))) }
}

/// What sort of value this is, for the middle of a sentence.
fn phrase(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "true or false",
        Json::Number(number) if number.is_i64() => "a whole number",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}

/// An answer of the desk as the contract has it.
fn given(function: &Function, answer: Json) -> Result<Option<Val>, String> {
    let odd = |answer: &Json| format!("{} gave {answer}, which is not {}.", function.full_name(), function.returns.phrase());
    Ok(match function.returns {
        Kind::Nothing => None,
        Kind::Text => match answer {
            Json::String(text) => Some(Val::String(text)),
            other => return Err(odd(&other)),
        },
        Kind::Whole | Kind::Instant => Some(Val::S64(answer.as_i64().ok_or_else(|| odd(&answer))?)),
        Kind::Number => Some(Val::Float64(answer.as_f64().ok_or_else(|| odd(&answer))?)),
        Kind::Truth => Some(Val::Bool(answer.as_bool().ok_or_else(|| odd(&answer))?)),
        Kind::List | Kind::Map | Kind::When | Kind::Any => Some(Val::String(answer.to_string())),
    })
}
