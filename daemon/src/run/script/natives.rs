//! The desk's functions as scripts call them, `step`, and what scripts print.
//!
//! In: the table of functions. Out: one native for each of them and each number of arguments it takes, which checks the
//! arguments against the table, turns them into JSON, asks the desk of the current run and turns the answer back.
//! Never: answers by itself, or lets a stopped run do anything.

use super::context::{self, Run, sentence, terminated};
use super::value;
use crate::domain::Json;
use crate::run::function::{Effect, Function, Kind, Level, Param};
use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, FuncRegistration, ImmutableString, Module, NativeCallContext, Position};
use rhai::{RhaiFunc, Shared};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::rc::Rc;

type Answer = Result<Dynamic, Box<EvalAltResult>>;

/// `step`, for the reference and the checker. The engine answers it itself, because it takes a closure.
pub(super) const STEP: Function = Function {
    space: "",
    name: "step",
    params: &[
        Param { name: "name", kind: Kind::Text, optional: false, doc: "Names the step; each name once in a run." },
        Param { name: "closure", kind: Kind::Any, optional: false, doc: "What to do: || ... or a function without parameters." },
    ],
    returns: Kind::Any,
    doc: "Runs the closure and keeps its answer at once. When the run is tried again, a step that has an answer gives it \
          again without running. Use it around what is slow, costs money or must not happen twice.",
    example: "let page = step(\"fetch\", || http::get(\"https://example.org/\"));",
    effect: Effect::Read,
};

/// The functions of the language itself that the reference shows as ours, because they behave differently here.
pub(super) const PRINT: Function = Function {
    space: "",
    name: "print",
    params: &[Param { name: "value", kind: Kind::Any, optional: false, doc: "What to write." }],
    returns: Kind::Nothing,
    doc: "Writes a line into the run's log.",
    example: "print(`Planned ${count} posts.`);",
    effect: Effect::Pure,
};

/// Registers the table, `step`, `print` and `debug`.
pub(super) fn register(engine: &mut Engine, table: &'static [Function]) {
    let mut spaces: BTreeMap<&str, Module> = BTreeMap::new();
    let mut global = Module::new();
    for (index, function) in table.iter().enumerate() {
        let module = if function.space.is_empty() { &mut global } else { spaces.entry(function.space).or_default() };
        let (least, most) = function.arity();
        for count in least..=most {
            FuncRegistration::new(function.name).set_into_module_raw(
                module,
                vec![TypeId::of::<Dynamic>(); count],
                RhaiFunc::Method {
                    func: Shared::new(move |context: Option<NativeCallContext<'_>>, arguments: &mut [&mut Dynamic]| {
                        let position = context.map_or(Position::NONE, |c| c.call_position());
                        call(function, index, arguments, position)
                    }),
                    has_context: true,
                    is_pure: true,
                    is_volatile: true,
                },
            );
        }
    }
    engine.register_global_module(global.into());
    for (space, module) in spaces {
        engine.register_static_module(space, module.into());
    }
    engine.register_raw_fn("step", [TypeId::of::<ImmutableString>(), TypeId::of::<FnPtr>()], |context, arguments| {
        step(&context, arguments)
    });
    engine.on_print(|text| {
        if let Some(run) = context::current() {
            run.log(Level::Info, text);
        }
    });
    engine.on_debug(|text, _, position| {
        if let Some(run) = context::current() {
            let line = position.line().map_or_else(String::new, |line| format!("line {line}: "));
            run.log(Level::Debug, &format!("{line}{text}"));
        }
    });
}

/// The current run.
///
/// # Errors
/// There is none, or it is stopped.
pub(super) fn running(position: Position) -> Result<Rc<Run>, Box<EvalAltResult>> {
    let run = context::current().ok_or_else(|| sentence("This can only be called while a workflow runs.", position))?;
    run.guard(position)?;
    Ok(run)
}

fn call(function: &'static Function, index: usize, arguments: &mut [&mut Dynamic], position: Position) -> Answer {
    let run = running(position)?;
    if function.effect == Effect::Now && !run.is_in_step() {
        return Err(sentence(
            format!(
                "{name} does something outside at once, so it must be inside a step, which remembers that it was done: \
                 step(\"a name\", || {name}(...)).",
                name = function.full_name()
            ),
            position,
        ));
    }
    let pieces = run.pieces();
    let mut values = Vec::with_capacity(arguments.len());
    for (place, (param, given)) in function.params.iter().zip(arguments.iter()).enumerate() {
        values.push(argument(function, place, param, given, &run, position)?);
    }
    let answer = run.desk(position, |desk| desk.call(index, values))?;
    let answered = run.pieces();
    let value = value::from_json(&answer)
        .map_err(|e| sentence(e.sentence(&format!("The answer of {}", function.full_name())), position))?;
    // Of all that was made meanwhile, the script keeps the answer; what the desk keeps cannot nest the script's values.
    let received = run.pieces().saturating_sub(answered);
    drop(answer);
    run.bill_pieces(pieces + received);
    run.guard(position)?;
    Ok(value)
}

fn argument(
    function: &Function,
    place: usize,
    param: &Param,
    given: &Dynamic,
    run: &Run,
    position: Position,
) -> Result<Json, Box<EvalAltResult>> {
    let json = value::to_json(given, run).map_err(|e| match run.guard(position) {
        Ok(()) => sentence(format!("{}: {}", function.full_name(), e.sentence(param.name)), position),
        Err(stopped) => stopped,
    })?;
    if param.kind.fits(&json) || (param.optional && json.is_null()) {
        return Ok(json);
    }
    Err(sentence(function.misfit(place, value::phrase(given)), position))
}

fn step(context: &NativeCallContext<'_>, arguments: &mut [&mut Dynamic]) -> Answer {
    let position = context.call_position();
    let run = running(position)?;
    let name = arguments[0].as_immutable_string_ref().map(|n| n.to_string()).unwrap_or_default();
    if name.trim().is_empty() || name.len() > 200 {
        return Err(sentence("A step needs a name of 1 to 200 characters, such as step(\"fetch\", || ...).", position));
    }
    let closure = arguments[1].clone().try_cast::<FnPtr>().ok_or_else(|| sentence("A step needs a closure.", position))?;
    if let Some(kept) = run.desk(position, |desk| desk.step_kept(&name))? {
        return revive(&name, &kept, position);
    }
    let inside = run.in_step();
    let result = closure.call_raw(context, None, []);
    drop(inside);
    let answer = match result {
        Err(error) => {
            run.step_failed(&name);
            return Err(error);
        }
        Ok(_) if run.over() => {
            run.step_failed(&name);
            return Err(terminated(position));
        }
        Ok(answer) => answer,
    };
    let json = match value::to_json(&answer, &run) {
        Ok(json) => json,
        Err(unfit) => {
            run.step_failed(&name);
            run.guard(position)?;
            return Err(sentence(unfit.sentence(&format!("The answer of step \"{name}\"")), position));
        }
    };
    run.desk(position, |desk| desk.step_done(&name, &json))?;
    // What the script goes on with is what a later attempt would be given: the kept form.
    revive(&name, &json, position)
}

fn revive(name: &str, kept: &Json, position: Position) -> Answer {
    value::from_json(kept).map_err(|e| sentence(e.sentence(&format!("The answer of step \"{name}\"")), position))
}
