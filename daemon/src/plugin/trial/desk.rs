//! The cases of workflows, and the desk that they meet: scripted answers, and a note of each call.
//!
//! In: what a recording says that the desk answers. Out: cases for `workflow`.
//! Never: a plan that anybody carries out.

use super::Case;
use super::cases::{Found, Rule, STEADY, case};
use super::remote::{Fate, Whom};
use super::stage::Stage;
use crate::domain::Json;
use crate::run::function::{Desk, Function, Level, Refusal, Stop};
use serde_json::{Map, json};
use std::any::Any;
use std::collections::BTreeMap;

/// A desk with scripted answers.
pub(super) struct Scripted {
    table: &'static [Function],
    answers: BTreeMap<String, Json>,
    refuses: bool,
    steps: BTreeMap<String, Json>,
    /// Each call: `function` and the arguments by name.
    pub(super) calls: Vec<Json>,
}

impl Scripted {
    pub(super) fn new(table: &'static [Function], answers: BTreeMap<String, Json>, refuses: bool) -> Box<Self> {
        Box::new(Self { table, answers, refuses, steps: BTreeMap::new(), calls: Vec::new() })
    }
}

impl Desk for Scripted {
    fn call(&mut self, index: usize, arguments: Vec<Json>) -> Result<Json, Refusal> {
        let function = &self.table[index];
        let name = format!("{}-{}", function.space, function.name).replace('_', "-");
        let mut noted = Map::from_iter([("function".to_owned(), json!(name))]);
        noted.extend(function.params.iter().map(|p| p.name.to_owned()).zip(arguments));
        self.calls.push(Json::Object(noted));
        if self.refuses {
            return Err(Refusal::Error("The desk refuses everything today.".into()));
        }
        match (self.answers.get(&name), function.space) {
            (Some(answer), _) => Ok(answer.clone()),
            (None, "log" | "notify" | "events") => Ok(Json::Null),
            (None, _) => Err(Refusal::Error(format!("The recording's [desk] has no answer for {name}. Add {name} = …"))),
        }
    }

    fn step_kept(&mut self, name: &str) -> Result<Option<Json>, Refusal> {
        Ok(self.steps.get(name).cloned())
    }

    fn step_done(&mut self, name: &str, answer: &Json) -> Result<(), Refusal> {
        self.steps.insert(name.to_owned(), answer.clone());
        Ok(())
    }

    fn step_failed(&mut self, _name: &str) {}

    fn stop(&self) -> Option<Stop> {
        None
    }

    fn log(&mut self, _level: Level, _text: &str) {}
}

/// What a desk noted.
pub(super) fn noted(desk: Box<dyn Desk>) -> Vec<Json> {
    let desk: Box<dyn Any> = desk;
    desk.downcast::<Scripted>().map(|desk| desk.calls).unwrap_or_default()
}

const RUNS: Rule = Rule {
    name: "a run comes to its end",
    expected: "a line for the list of runs",
    why: "The line is what the owner sees of the run.",
};
const REFUSED: Rule = Rule {
    name: "a desk that refuses ends the run in words",
    expected: "an error with a sentence, or a run that goes on without",
    why: "Any function may refuse, for want of a right or of a product; a plugin that breaks down over it is suspended.",
};
const ODD: Rule = Rule {
    name: "an odd payload does not break it",
    expected: "a line, or an error with a sentence",
    why: "Payloads come from events, people and other plugins.",
};

pub(super) fn all(stage: &Stage, cases: &mut Vec<Case>) {
    if !stage.can("workflow") {
        return;
    }
    let answers = stage.recordings.iter().find(|r| !r.desk.is_empty()).map(|r| r.desk.clone()).unwrap_or_default();
    let scene = || stage.scene(Whom::Nobody, Fate::NotSent);
    // The host's own words for a plugin that broke down name the plugin; its own errors are its own sentences.
    let broke = |sentence: &str| sentence.contains("a defect of the plugin");
    let run = |refuses: bool, payload: Json| scene().work(Scripted::new(stage.table, answers.clone(), refuses), payload);
    cases.push(case("workflow", &RUNS, &scene(), |_| match run(false, Json::Null) {
        Err(sentence) => Found::Missing(sentence),
        Ok(_) if answers.is_empty() => Found::Missing("No recording in tests/ has a [desk].".into()),
        Ok((_, Ok(line))) if !line.is_empty() => Found::Good,
        Ok((_, Ok(_))) => Found::Wrong("An empty line.".into()),
        Ok((_, Err(failure))) => Found::Wrong(failure.sentence),
    }));
    let in_words = |refuses: bool, payload: Json| match run(refuses, payload) {
        Err(sentence) => Found::Missing(sentence),
        Ok((_, Err(failure))) if broke(&failure.sentence) => Found::Wrong(failure.sentence),
        Ok(_) => Found::Good,
    };
    cases.push(case("workflow", &REFUSED, &scene(), |_| in_words(true, Json::Null)));
    cases.push(case("workflow", &ODD, &scene(), |_| in_words(false, json!([{ "é": [null, 1e300, "\u{0}"] }]))));
    cases.push(case("workflow", &STEADY, &scene(), |_| match (run(false, Json::Null), run(false, Json::Null)) {
        (Ok((one, _)), Ok((other, _))) => {
            let (one, other) = (noted(one), noted(other));
            if one == other { Found::Good } else { Found::Wrong(format!("{} calls at the desk, and then others.", one.len())) }
        }
        (Err(sentence), _) | (_, Err(sentence)) => Found::Missing(sentence),
    }));
}
