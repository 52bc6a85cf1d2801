//! What a workflow can say: the rows of the one table of functions, and who answers them.
//!
//! In: a `&'static [Function]` written elsewhere. Out: types that scripts, the reference, the editor definitions and the
//! checker all read, and the [`Desk`] that answers a call.
//! Never: knows what any function does, or which language calls it.

use crate::domain::{Json, show_span};
use std::fmt;
use std::time::Duration;

/// What sort of value a parameter takes or a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Whole,
    /// Any number.
    Number,
    /// `true` or `false`.
    Truth,
    /// A list.
    List,
    /// A map.
    Map,
    /// An instant: milliseconds UTC as a whole number.
    Instant,
    /// An instant, or a span from now such as `"36h"`.
    When,
    /// Anything that can be written as JSON.
    Any,
    /// Nothing, `()`.
    Nothing,
}

impl Kind {
    /// The word used in the reference.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Whole => "whole number",
            Self::Number => "number",
            Self::Truth => "truth",
            Self::List => "list",
            Self::Map => "map",
            Self::Instant => "instant",
            Self::When => "instant or span",
            Self::Any => "any value",
            Self::Nothing => "nothing",
        }
    }

    /// The same for the middle of a sentence.
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Whole => "a whole number",
            Self::Number => "a number",
            Self::Truth => "true or false",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Instant => "an instant (milliseconds, as run::now() gives)",
            Self::When => "an instant or a span such as \"36h\"",
            Self::Any => "any value",
            Self::Nothing => "nothing",
        }
    }

    /// Whether a value is of this kind.
    pub fn fits(self, value: &Json) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Whole | Self::Instant => value.is_i64(),
            Self::Number => value.is_number(),
            Self::Truth => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Map => value.is_object(),
            Self::When => value.is_i64() || value.is_string(),
            Self::Any => true,
            Self::Nothing => value.is_null(),
        }
    }
}

/// One parameter. Optional ones come last.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name in the reference.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it may be left out.
    pub optional: bool,
    /// What it means; for a map, its keys.
    pub doc: &'static str,
}

/// What sort of thing a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Works on its arguments only.
    Pure,
    /// Reads something.
    Read,
    /// Plans something that happens when the run commits.
    Plan,
    /// Does something outside at once; only allowed inside a `step`.
    Now,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// The namespace, such as `state`; empty for a function of its own.
    pub space: &'static str,
    /// The name in the namespace.
    pub name: &'static str,
    /// The parameters in order.
    pub params: &'static [Param],
    /// What it gives.
    pub returns: Kind,
    /// What it does: whole sentences.
    pub doc: &'static str,
    /// A line or a few of script that uses it.
    pub example: &'static str,
    /// What sort of thing it does.
    pub effect: Effect,
}

impl Function {
    /// The name as scripts write it, such as `state::get`.
    pub fn full_name(&self) -> String {
        if self.space.is_empty() { self.name.to_owned() } else { format!("{}::{}", self.space, self.name) }
    }

    /// The parameters as people read them, such as `key, [default]`.
    pub fn parameters(&self) -> String {
        let shown = |p: &Param| if p.optional { format!("[{}]", p.name) } else { p.name.to_owned() };
        self.params.iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    /// Why an argument does not do, whatever language gave it: a sentence that says what is needed.
    pub fn misfit(&self, place: usize, given: &str) -> String {
        const ORDER: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
        let which = if self.params.len() == 1 { "" } else { ORDER.get(place).copied().unwrap_or("next") };
        let space = if which.is_empty() { "" } else { " " };
        let (kind, name) = self.params.get(place).map_or(("something else", ""), |param| (param.kind.phrase(), param.name));
        format!("{} needs {kind} as its {which}{space}argument ({name}), not {given}.", self.full_name())
    }

    /// How many arguments it takes, at least and at most.
    pub fn arity(&self) -> (usize, usize) {
        (self.params.iter().filter(|p| !p.optional).count(), self.params.len())
    }

    /// A sentence such as `state::get takes 1 to 2 arguments (key, [default]).`
    pub fn usage(&self) -> String {
        let count = match self.arity() {
            (0, 0) => return format!("{} takes no arguments.", self.full_name()),
            (least, most) if least == most => format!("{most} argument{}", if most == 1 { "" } else { "s" }),
            (least, most) => format!("{least} to {most} argument{}", if most == 1 { "" } else { "s" }),
        };
        format!("{} takes {count} ({}).", self.full_name(), self.parameters())
    }
}

/// How much a line of the run's log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the author of the script.
    Debug,
    /// For whoever looks at the run.
    Info,
}

/// Why a run ends although its script has not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The wall-clock budget is used up.
    Deadline(Duration),
    /// A person or the scheduler cancelled it.
    Cancelled,
    /// More bytes than the budget allows.
    Memory(usize),
    /// One text or list of more bytes than one may have.
    Large(usize),
    /// More separate values than a run may keep.
    Pieces(usize),
    /// More script operations than the budget allows.
    Operations(u64),
    /// More desk calls than the budget allows.
    Calls(u32),
    /// The desk ends the run for a reason of its own: a whole sentence.
    Refused(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline(span) => write!(f, "The run was stopped because it took longer than {}.", show_span(*span)),
            Self::Cancelled => f.write_str("The run was cancelled."),
            Self::Memory(bytes) => write!(f, "The run was stopped because it needed more than {} of memory.", show_bytes(*bytes)),
            Self::Large(bytes) => {
                write!(f, "The run was stopped because one of its texts or lists grew beyond {}.", show_bytes(*bytes))
            }
            Self::Pieces(count) => write!(f, "The run was stopped because it kept more than {count} separate values at once."),
            Self::Operations(count) => write!(f, "The run was stopped after {count} operations of its script."),
            Self::Calls(count) => write!(f, "The run was stopped after {count} calls of desk functions."),
            Self::Refused(sentence) => f.write_str(sentence),
        }
    }
}

impl Stop {
    /// What to do about it: a sentence, empty when there is nothing to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Deadline(_) => "Look for a loop that does not end or a slow call; or raise the time in the workflow's budget.",
            Self::Memory(_) => "Handle fewer things at a time; or raise the memory in the workflow's budget.",
            Self::Large(_) => {
                "Build it in smaller parts; or raise the memory in the workflow's budget: one value may have an eighth."
            }
            Self::Pieces(_) => "Handle fewer things at a time, and keep only what is needed of each.",
            Self::Operations(_) => "Look for a loop that does not end; or raise the operations in the workflow's budget.",
            Self::Calls(_) => "Look for a loop that calls too often; or raise the calls in the workflow's budget.",
            Self::Cancelled | Self::Refused(_) => "",
        }
    }
}

fn show_bytes(bytes: usize) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

/// Why the desk does not answer a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A sentence; the script may catch it and go on.
    Error(String),
    /// The run ends here; the script cannot catch it.
    Stop(Stop),
}

impl From<String> for Refusal {
    fn from(sentence: String) -> Self {
        Self::Error(sentence)
    }
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// Who answers a run's calls and keeps what it plans. One desk serves one run, on one thread at a time.
pub trait Desk: std::any::Any + Send {
    /// Answers a call of the function at `index` of the table. The arguments fit the table's kinds; optional ones at the
    /// end may be absent, or null.
    ///
    /// # Errors
    /// A sentence for the script, or the end of the run.
    fn call(&mut self, index: usize, arguments: Vec<Json>) -> Result<Json, Refusal>;

    /// Begins a step: the answer kept by an earlier attempt, if there is one. Without one, the step's closure runs next and
    /// [`Desk::step_done`] or [`Desk::step_failed`] follows; steps inside it come and go in between.
    ///
    /// # Errors
    /// A sentence for the script, or the end of the run.
    fn step_kept(&mut self, name: &str) -> Result<Option<Json>, Refusal>;

    /// Keeps a step's answer durably, before anything after it runs.
    ///
    /// # Errors
    /// A sentence for the script, or the end of the run.
    fn step_done(&mut self, name: &str, answer: &Json) -> Result<(), Refusal>;

    /// A step's closure failed; nothing is kept.
    fn step_failed(&mut self, name: &str);

    /// Whether the run must end now. Asked every few operations: cheap, and never runs a script.
    fn stop(&self) -> Option<Stop>;

    /// Takes a line that the script printed.
    fn log(&mut self, level: Level, text: &str);

    /// The time that is left, for a plugin that asks for it: what a recorded run was told, else what is truly left.
    ///
    /// # Errors
    /// The end of the run.
    fn time_left(&mut self, truly: Duration) -> Result<Duration, Stop> {
        Ok(truly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_counts_optional_parameters() {
        const KEY: Param = Param { name: "key", kind: Kind::Text, optional: false, doc: "" };
        const DEFAULT: Param = Param { name: "default", kind: Kind::Any, optional: true, doc: "" };
        let get = |params| Function {
            space: "state",
            name: "get",
            params,
            returns: Kind::Any,
            doc: "",
            example: "",
            effect: Effect::Read,
        };
        assert_eq!(get(&[KEY, DEFAULT]).usage(), "state::get takes 1 to 2 arguments (key, [default]).");
        assert_eq!(get(&[KEY]).usage(), "state::get takes 1 argument (key).");
        assert_eq!(get(&[]).usage(), "state::get takes no arguments.");
        assert_eq!(get(&[DEFAULT]).usage(), "state::get takes 0 to 1 argument ([default]).");
    }
}
