//! Attacks at the desk: what a workflow may plan, keep and call.
//!
//! In: runs of the attacker as a workflow of a real engine. Out: a refusal told to the plugin, or a run that failed and planned nothing.
//! Never: a post to an account that is not the workflow's.

use crate::bench::{Bench, Case, End, Seen};
use crate::network::case;
use serde_json::{Value, json};

/// Runs it, and says what came of the run and of the outbox.
fn run(bench: &mut Bench, orders: &Value) -> Seen {
    let before = bench.planned();
    let run = bench.run_as_workflow(orders);
    let planned = bench.planned() - before;
    match run.row.error {
        None => Seen::stopped(format!("{} planned: {planned}", run.value.unwrap_or_default())),
        Some(error) => Seen { end: End::Retry, sentence: format!("{error} planned: {planned}") },
    }
}

pub(crate) const CASES: &[Case] = &[
    case!(
        "desk-ungranted",
        "calls a function of the desk that it did not ask for",
        "rights name functions of the desk",
        &["http::get was not granted to this plugin", "[workflow] desk"],
        Stopped,
        |b, _| run(b, &json!({ "do": "desk-get", "url": "http://127.0.0.1:1/" }))
    ),
    case!(
        "desk-account",
        "plans a post to an account that is not there",
        "accounts are the owner's",
        &["nobody", "planned: 0"],
        Stopped,
        |b, _| run(b, &json!({ "do": "desk-plan", "text": "Bonjour", "account": "nobody" }))
    ),
    case!(
        "desk-account-other",
        "plans a post to an account that is not the workflow's",
        "accounts are the workflow's",
        &["facebook", "planned: 0"],
        Stopped,
        |b, _| run(b, &json!({ "do": "desk-plan", "text": "Bonjour", "account": "facebook" }))
    ),
    case!("step-nested", "begins a step within a step", "steps nest, and each is kept once", &["nested"], Stopped, |b, _| run(
        b,
        &json!({ "do": "step-nested" })
    )),
    case!("step-same", "begins a step within itself", "steps do not nest", &["step"], Stopped, |b, _| run(
        b,
        &json!({ "do": "step-same" })
    )),
    case!("step-huge", "keeps an answer of 5 MB", "16 MiB per run", &["kept 5000000"], Stopped, |b, _| run(
        b,
        &json!({ "do": "step-huge", "size": 5_000_000 })
    )),
    case!(
        "desk-state-bomb",
        "keeps without end",
        "16 MiB per run handed to the desk",
        &["refused at", "handed more than 16 MiB to the desk"],
        Stopped,
        |b, _| run(b, &json!({ "do": "state-bomb", "count": 200, "size": 500_000 }))
    ),
];
