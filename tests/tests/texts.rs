//! Texts that a generator writes: once per run, and within the month's budget.

use beffroi::kinds::{Call, Failure, Generation, Generator, KindError, Prompt};
use beffroi::store::plugins;
use beffroi_tests::World;
use std::sync::{Arc, Mutex, PoisonError};

/// Writes what it was asked, at a price.
struct Writer {
    asked: Mutex<Vec<Prompt>>,
    cost: Option<u64>,
    fails: bool,
}

impl Writer {
    fn at(cost: Option<u64>) -> Arc<Self> {
        Arc::new(Self { asked: Mutex::default(), cost, fails: false })
    }

    fn asked(&self) -> Vec<Prompt> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Generator for Writer {
    fn generate(&self, _: &Call<'_>, prompt: &Prompt) -> Result<Generation, KindError> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(prompt.clone());
        if self.fails {
            return Err(KindError::Retry(Failure::new("http-503", "The model is busy."), None));
        }
        let texts = (1..=prompt.variants + 1).map(|n| format!("{} {n}", prompt.task)).collect();
        Ok(Generation { texts, model: "test-1".into(), input_tokens: 1, output_tokens: 2, cost_micros: self.cost })
    }
}

const WRITER: &str = "\n[generators.writer]\nplugin = \"writer\"\nbudget = \"1 EUR\"\n";

fn world(script: &str, config: &str, writer: &Arc<Writer>) -> World {
    World::new()
        .with(config)
        .workflow("w", "events = \"never\"\nretries = 2\nbackoff = \"1m\"", script)
        .generator("writer", writer)
}

fn spent(world: &mut World, month: &str) -> (i64, u32) {
    world.ask(|db| plugins::spent(db, "writer", month))
}

#[test]
fn texts_come_with_model_and_cost() {
    let writer = Writer::at(Some(2_500));
    let script = "texts::write(#{ task: \"tart\", instructions: \"be brief\", facts: #{ price: \"12 €\" }, variants: 2, max_chars: 80, language: \"fr\" })";
    let mut world = world(script, WRITER, &writer);
    let run = world.run("w");
    assert_eq!(run.row.error, None);
    assert_eq!(run.value, Some(serde_json::json!({ "texts": ["tart 1", "tart 2"], "model": "test-1", "cost": 0.0025 })));
    let prompt = &writer.asked()[0];
    assert_eq!((prompt.instructions.as_str(), prompt.variants, prompt.max_chars), ("be brief", 2, Some(80)));
    assert_eq!(
        (prompt.facts.as_slice(), prompt.language),
        (&[("price".to_owned(), "12 €".to_owned())][..], beffroi::domain::Language::Fr)
    );
    assert_eq!(spent(&mut world, "2026-01"), (2_500, 1));
}

#[test]
fn a_run_that_is_tried_again_gets_the_same_texts_and_pays_once() {
    let writer = Writer::at(Some(1_000));
    let script = "let a = texts::write(#{ task: \"a\" }); let b = texts::write(#{ task: \"a\" }); let c = step(\"own\", || texts::write(#{ task: \"c\" }));
        if run::attempt() < 3 { throw \"not yet\"; }
        `${a.texts[0]}, ${b.texts[0]}, ${c.texts[0]}`";
    let mut world = world(script, WRITER, &writer);
    // By hand nothing is tried again; an event's run is.
    assert!(world.run("w").row.error.is_some());
    assert_eq!(writer.asked().len(), 3);
    assert_eq!(spent(&mut world, "2026-01"), (3_000, 3), "the money is gone although the run failed");
    let mut world = self::world(script, WRITER, &writer).workflow("go", "events = \"x\"", "events::emit(\"never\");");
    world.run("go");
    world.advance("10m");
    assert_eq!(writer.asked().len(), 6, "three attempts, each text asked for once");
    assert_eq!(spent(&mut world, "2026-01"), (3_000, 3));
    let ledger = world.ledger();
    assert!(ledger.iter().all(|(_, fate, _)| fate == "ran"), "{ledger:?}");
}

#[test]
fn a_used_up_budget_is_an_error_before_the_call_and_a_new_month_in_the_firms_zone_begins_anew() {
    let writer = Writer::at(Some(600_000));
    let mut world = world("texts::write(#{ task: `t${run::id()}` }).texts[0]", WRITER, &writer).at("2026-01-31T22:00:00+01:00");
    assert_eq!(world.run("w").row.error, None);
    assert_eq!(world.run("w").row.error, None, "what is left may be overdrawn by one text");
    let error = world.run("w").row.error.expect("nothing is left");
    assert!(
        error.contains("the budget of €1.00 for 2026-01 is used up by 2 calls of writer") && error.contains("Raise \"budget\""),
        "{error}"
    );
    assert_eq!(writer.asked().len(), 2);
    // 23:00 UTC is midnight in Paris.
    world.advance("2h");
    assert_eq!(world.run("w").row.error, None);
    assert_eq!((spent(&mut world, "2026-01"), spent(&mut world, "2026-02")), ((1_200_000, 2), (600_000, 1)));
}

#[test]
fn slips_are_told_and_nobody_is_asked() {
    let writer = Writer::at(None);
    let two = format!("{WRITER}[generators.other]\nplugin = \"other\"\n");
    for (script, config, told) in [
        ("texts::write(#{ task: \"a\" })", "", "Add a section [generators.writer]"),
        ("texts::write(#{ task: \"a\" })", two.as_str(), "several generators: other, writer"),
        ("texts::write(#{ task: \"a\", generator: \"wirter\" })", WRITER, "Did you mean \"writer\"?"),
        ("texts::write(#{ tsak: \"a\" })", WRITER, "the key \"task\" is missing"),
        ("texts::write(#{ task: \" \" })", WRITER, "the task is empty"),
        ("texts::write(#{ task: \"a\", variants: 0 })", WRITER, "from 1 to 20"),
        ("texts::write(#{ task: \"a\", language: \"de\" })", WRITER, "\"fr\" or \"en\""),
        ("texts::write(#{ task: \"a\", length: 3 })", WRITER, "does not know the key \"length\""),
    ] {
        let error = world(script, config, &writer).run("w").row.error.unwrap_or_default();
        assert!(error.contains(told), "{script}: {error}");
    }
    assert!(writer.asked().is_empty());
    let mut unpriced = world("texts::write(#{ task: \"a\" }).cost", WRITER, &writer);
    let run = unpriced.run("w");
    assert_eq!((run.row.error.clone(), run.value.clone()), (None, None));
    assert!(run.log.iter().any(|line| line.text.contains("its budget cannot be held")), "{:?}", run.log);
    let broken = Arc::new(Writer { asked: Mutex::default(), cost: None, fails: true });
    let error = world("texts::write(#{ task: \"a\" })", WRITER, &broken).run("w").row.error.unwrap_or_default();
    assert!(error.contains("The generator writer did not write: The model is busy."), "{error}");
}
