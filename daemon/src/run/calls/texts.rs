//! Texts that somebody else writes: a language model, behind a plugin.
//!
//! In: a task and facts. Out: texts, who wrote them, what they cost.
//! Never: asks twice for what a run has been given once, or asks at all when the month's budget is used up.

use super::fields::Args;
use super::{Row, need, row};
use crate::domain::{Digest, GeneratorName, Money};
use crate::instance::GeneratorConfig;
use crate::kinds::{Generation, Prompt};
use crate::problem::perhaps;
use crate::run::desk::{Answer, RunDesk};
use crate::run::function::Kind::Map;
use crate::run::function::{Desk as _, Refusal};
use crate::store::{Op, PluginOp, plugins};
use serde_json::json;

/// Most texts of one call.
const MOST: usize = 20;
/// Millionths in a unit.
const MICROS: i64 = 1_000_000;

pub(super) const ROWS: &[Row] = &[
    row!(Read texts::write(need("prompt", Map, "task (what to write now; may quote others), instructions (who writes, and what it must never do), facts (a map of texts to use), variants (how many texts, 1), max_chars, language (fr or en; the business's when left out), generator (a name under [generators]; needed when there are several)")) -> Map,
    "Lets a generator write, and gives back #{texts, model, cost}; cost is nothing when the generator does not say it. The answer is kept like that of a step: a run that is tried again gets the same texts and pays nothing. A generator whose budget of the month is used up is not asked; that is an error.",
    "let draft = texts::write(#{ task: \"Announce the apple tart in two sentences.\", max_chars: 280 });", write),
];

fn write(desk: &mut RunDesk, mut args: Args) -> Answer {
    let mut fields = args.map();
    let task = fields.needed_text("task")?;
    let instructions = fields.text("instructions")?.unwrap_or_default();
    let facts = fields.pairs("facts")?;
    let variants = fields.count("variants")?.unwrap_or(1);
    let max_chars = fields.count("max_chars")?.and_then(|n| u32::try_from(n).ok());
    let language = fields.text("language")?;
    let wanted = fields.text("generator")?;
    if task.trim().is_empty() {
        return Err(fields.refuse("the task is empty. Say what to write."));
    }
    if !(1..=MOST).contains(&variants) {
        return Err(fields.refuse(&format!("\"variants\" is a whole number from 1 to {MOST}.")));
    }
    let own = desk.instance.business.language;
    let language = match language {
        None => own,
        Some(word) => {
            crate::domain::Language::parse(&word).ok_or_else(|| fields.refuse("the key \"language\" needs \"fr\" or \"en\"."))?
        }
    };
    let generator = chosen(desk, wanted.as_deref()).map_err(|sentence| fields.refuse(&sentence))?;
    fields.end()?;
    let variants = u32::try_from(variants).unwrap_or(1);
    let prompt = Prompt { instructions, task, facts, variants, max_chars, language };
    if !desk.steps.is_empty() {
        return ask(desk, &generator, &prompt);
    }
    // A step of its own: the same question at the same place of a later attempt has its answer already.
    let question = serde_json::to_string(&prompt).expect("a prompt is plain data");
    let name = format!("texts::write {} {}", generator.name, Digest::of(question.as_bytes()).short());
    let asked = desk.sent.entry(name.clone()).or_default();
    *asked += 1;
    let name = format!("{name} {asked}");
    if let Some(kept) = desk.step_kept(&name)? {
        return Ok(kept);
    }
    match ask(desk, &generator, &prompt) {
        Ok(answer) => desk.step_done(&name, &answer).map(|()| answer),
        Err(refusal) => {
            desk.step_failed(&name);
            Err(refusal)
        }
    }
}

fn chosen(desk: &RunDesk, wanted: Option<&str>) -> Result<GeneratorConfig, String> {
    let all = &desk.instance.generators;
    let names = || all.keys().map(GeneratorName::as_str);
    match (wanted, all.len()) {
        (_, 0) => Err("there is nobody who writes. Add a section [generators.writer] with its plugin.".into()),
        (None, 1) => Ok(all.values().next().expect("there is one").clone()),
        (None, _) => {
            Err(format!("there are several generators: {}. Name one with \"generator\".", names().collect::<Vec<_>>().join(", ")))
        }
        (Some(name), _) => all.get(name).cloned().ok_or_else(|| {
            let near = perhaps(name, names());
            format!("there is no generator \"{name}\" under [generators].{near} Name one of those, or add this one.")
        }),
    }
}

/// Asks, within the budget, and writes down what it cost before anything else happens.
fn ask(desk: &mut RunDesk, generator: &GeneratorConfig, prompt: &Prompt) -> Answer {
    let name = &generator.name;
    let month = desk.facts.now.local(desk.zone()).format("%Y-%m").to_string();
    if let Some(budget) = generator.budget {
        let (spent, calls) =
            desk.sense(&format!("spent {name} {month}"), |desk, _| desk.look(|db| plugins::spent(db, name.as_str(), &month)))?;
        if spent >= micros(budget) {
            let language = desk.instance.business.language;
            let text = format!(
                "texts::write: the budget of {} for {month} is used up by {calls} calls of {name}. Raise \"budget\" under [generators.{name}], or wait for the next month.",
                budget.show(language)
            );
            return Err(Refusal::Error(text));
        }
    }
    let Generation { texts, model, cost_micros, .. } = desk.sense(&format!("generate {name}"), |desk, tools| {
        if !desk.counts() {
            return Ok(stand_in(name, prompt));
        }
        let answer = tools.adapters.generator(generator).generate(&desk.adapter_call(tools), prompt);
        answer.map_err(|error| Refusal::Error(format!("The generator {name} did not write: {error}")))
    })?;
    let cost = cost_micros.map(|micros| i64::try_from(micros).unwrap_or(i64::MAX));
    // On disk at once: the money is gone, whatever becomes of the run.
    let spend = PluginOp::Spend { generator: name.as_str().into(), month, micros: cost.unwrap_or(0) };
    desk.commit_now(vec![Op::Plugin(spend)])?;
    if cost.is_none() && generator.budget.is_some() {
        desk.write_log("warn", &format!("{name} does not say what its texts cost, so its budget cannot be held"));
    }
    if texts.is_empty() {
        return Err(Refusal::Error(format!("The generator {name} has written nothing. Change the task, or try again later.")));
    }
    let texts: Vec<String> = texts.into_iter().take(prompt.variants as usize).collect();
    Ok(json!({ "texts": texts, "model": model, "cost": cost.map(|micros| micros as f64 / MICROS as f64) }))
}

/// What stands for a text while nothing may be spent.
fn stand_in(name: &GeneratorName, prompt: &Prompt) -> Generation {
    let text = prompt.language.pick(format!("[ici, un texte de {name}]"), format!("[here, a text by {name}]"));
    Generation { texts: vec![text; prompt.variants as usize], ..Generation::default() }
}

fn micros(money: Money) -> i64 {
    let unit = 10_i64.pow(money.currency.decimals());
    money.minor.saturating_mul(MICROS / unit)
}
