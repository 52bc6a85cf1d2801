//! Attacks on time, memory, stack and output.
//!
//! In: loops, bombs, floods, deaths. Out: a stop within the limit, and a sentence that names it. Never: a thread or a byte that stays.

use crate::bench::{Bench, Case, End, Seen, Setup, component};
use crate::forge;
use crate::network::case;
use beffroi::kinds::KindError;
use serde_json::json;
use std::time::Duration;

const TIME: &[&str] = &["was stopped because it took longer than 300ms", "[limits] time", "[limits] plugin_time"];
const MEMORY: &[&str] = &["needed more than 32 MiB of memory", "[limits] memory"];

fn quick(bench: &Bench, name: &str, deed: &str) -> Seen {
    bench.attack(name, &Setup::quick(), &json!({ "do": deed }))
}

fn slow(bench: &Bench, name: &str, deed: &str) -> Seen {
    bench.attack(name, &Setup::default(), &json!({ "do": deed, "text": "as wanted", "count": 0 }))
}

/// The good component with an evil module in it, taken up and called.
fn spliced(bench: &Bench, name: &str, module: &[u8], instances: u64) -> Seen {
    let bytes = forge::with_module(&component(), module, instances);
    if let Err(sentence) = bench.put(name, "", &bytes) {
        return Seen::refused(sentence);
    }
    let used = crate::bench::used(name, "feed:town", json!({ "orders": "{\"do\":\"say\",\"text\":\"went on\"}" }));
    let call = bench.call(name, Duration::from_millis(500), &crate::bench::Nowhere);
    Seen::of(bench.plugins.source(&used).poll(&call, None), crate::bench::told)
}

pub(crate) const CASES: &[Case] = &[
    case!("loop", "computes without end", "wall time per call", TIME, Defect, |b, n| quick(b, n, "loop")),
    case!("loop-asking", "asks the time without end", "wall time per call, host calls included", TIME, Defect, |b, n| quick(
        b,
        n,
        "loop-asking"
    )),
    case!(
        "loop-logging",
        "writes to the log without end",
        "wall time per call, host calls included",
        TIME,
        Defect,
        |b, n| quick(b, n, "loop-logging")
    ),
    case!("loop-keeping", "writes to its state without end", "wall time per call, host calls included", TIME, Defect, |b, n| {
        quick(b, n, "loop-keeping")
    }),
    case!("loop-listing", "lists its state without end", "wall time per call, host calls included", TIME, Defect, |b, n| quick(
        b,
        n,
        "loop-listing"
    )),
    case!("loop-settings", "reads its settings without end", "wall time per call, host calls included", TIME, Defect, |b, n| {
        quick(b, n, "loop-settings")
    }),
    case!(
        "loop-refused",
        "sends refused requests without end",
        "wall time per call, host calls included",
        TIME,
        Defect,
        |b, n| quick(b, n, "loop-refused")
    ),
    case!("sleep", "sleeps for ever", "wall time per call, sleep included", TIME, Defect, |b, n| quick(b, n, "sleep")),
    case!("naps", "naps without end", "wall time per call, sleep included", TIME, Defect, |b, n| quick(b, n, "naps")),
    case!(
        "loop-start",
        "never comes to its first line: a module that loops when it is started",
        "wall time per call, the start included",
        &["was stopped because it took longer than 500ms"],
        Defect,
        |b, n| spliced(b, n, &forge::endless(), 1)
    ),
    case!("loop-judging", "loops while it judges a text", "judging has 2 s", &["no objection"], Defect, |b, n| {
        let used = b.attacker(n, &Setup { scope: "account:town".into(), ..Setup::default() }, &json!({ "do": "loop" }));
        let said = b.plugins.channel(&used).objections(&crate::bench::post(b));
        Seen { end: End::Defect, sentence: if said.is_empty() { "no objection".into() } else { format!("{said:?}") } }
    }),
    case!(
        "die-start",
        "dies when it is started",
        "a fault is the plugin's own",
        &["broke down", "tell its author"],
        Defect,
        |b, n| spliced(b, n, &forge::dying(), 1)
    ),
    case!("hoard", "takes memory without end", "memory per call", MEMORY, Defect, |b, n| slow(b, n, "hoard")),
    case!(
        "grow",
        "grows its memory by the machine's own instruction",
        "memory per call",
        &["grown by", "pages"],
        Stopped,
        |b, n| {
            let seen = slow(b, n, "grow");
            // 32 MiB are 512 pages.
            let pages = seen.sentence.split(' ').find_map(|w| w.parse::<u32>().ok()).unwrap_or(u32::MAX);
            if pages <= 512 { seen } else { Seen::stopped("more than 32 MiB") }
        }
    ),
    case!(
        "memory-start",
        "begins with a memory of 1 GiB",
        "memory per call",
        &["needed more than 32 MiB of memory"],
        Defect,
        |b, n| spliced(b, n, &forge::memory(16_384), 1)
    ),
    case!(
        "memory-start-most",
        "begins with a memory of 4 GiB",
        "memory per call",
        &["too much of the machine", "20 memories"],
        Refused,
        |b, n| spliced(b, n, &forge::memory(65_536), 1)
    ),
    case!(
        "memory-many",
        "has a hundred memories, each small",
        "20 memories per plugin",
        &["at most 20 memories"],
        Refused,
        |b, n| spliced(b, n, &forge::memory(8), 100)
    ),
    case!(
        "memory-asked",
        "asks for 4 GiB in its manifest",
        "the daemon's ceiling",
        &["needed more than 64 MiB of memory"],
        Defect,
        |b, n| b.attack(
            n,
            &Setup { time: Duration::from_secs(10), ..Setup::with("[limits]\nmemory = \"4 GiB\"\n") },
            &json!({ "do": "hoard" })
        )
    ),
    case!(
        "time-asked",
        "asks for ten minutes in its manifest",
        "the least of manifest, ceiling and call",
        TIME,
        Defect,
        |b, n| b.attack(n, &Setup { manifest: "[limits]\ntime = \"10m\"\n".into(), ..Setup::quick() }, &json!({ "do": "loop" }))
    ),
    case!(
        "table-start",
        "begins with a table of ten million elements",
        "20 000 elements per table",
        &["20000 elements in a table"],
        Refused,
        |b, n| spliced(b, n, &forge::table(10_000_000), 1)
    ),
    case!(
        "table-grow",
        "grows a table without end",
        "20 000 elements per table",
        &["needed a table of more than 20000 elements"],
        Defect,
        |b, n| spliced(b, n, &forge::growing_table(), 1)
    ),
    case!("instances", "has nine hundred instances", "200 instances per plugin", &["too many parts"], Defect, |b, n| spliced(
        b,
        n,
        &forge::module(&[]),
        900
    )),
    case!(
        "alias",
        "gives the same megabyte twenty thousand times",
        "what a call may hand over at once",
        &["too much data at once"],
        Defect,
        |b, n| b.attack(n, &Setup::default(), &json!({ "do": "alias", "size": 1 << 20, "count": 20_000 }))
    ),
    case!("dig", "calls itself without end", "stack", &["called each other without end"], Defect, |b, n| slow(b, n, "dig")),
    case!(
        "dig-start",
        "calls itself without end when it is started",
        "stack",
        &["called each other without end"],
        Defect,
        |b, n| spliced(b, n, &forge::falling(), 1)
    ),
    case!(
        "panic",
        "panics, with steering signs in its last words",
        "a fault is the plugin's own",
        &["broke down", "as wanted"],
        Defect,
        |b, n| b.attack(n, &Setup::default(), &json!({ "do": "panic", "text": "as wanted\u{1b}[2J\u{7}\u{9b}" }))
    ),
    case!("panic-huge", "panics with a megabyte of last words", "sentences have an end", &["broke down"], Defect, |b, n| {
        let seen = b.attack(n, &Setup::default(), &json!({ "do": "panic", "text": "x".repeat(1 << 20) }));
        if seen.sentence.len() < 2_000 { seen } else { Seen::stopped("a megabyte came through") }
    }),
    case!("abort", "aborts", "a fault is the plugin's own", &["broke down"], Defect, |b, n| slow(b, n, "abort")),
    case!("exit", "ends its process", "plugins do not end themselves", &["ended itself (code 1)"], Defect, |b, n| b.attack(
        n,
        &Setup::default(),
        &json!({ "do": "exit", "count": 7 })
    )),
    case!(
        "exit-well",
        "ends its process as if all were well",
        "plugins do not end themselves",
        &["ended itself (code 0)"],
        Defect,
        |b, n| slow(b, n, "exit")
    ),
    case!(
        "unreachable",
        "runs into the machine's own trap",
        "a fault is the plugin's own",
        &["broke down"],
        Defect,
        |b, n| slow(b, n, "unreachable")
    ),
    case!("divide", "divides by zero", "a fault is the plugin's own", &["divide by zero"], Defect, |b, n| slow(b, n, "divide")),
    case!("index", "reads beyond a list", "a fault is the plugin's own", &["index out of bounds"], Defect, |b, n| b.attack(
        n,
        &Setup::default(),
        &json!({ "do": "index", "count": 4_000_000_000_u32 })
    )),
    case!("flood-log", "floods the log with lines", "log lines per call", &["800 lines were dropped: true"], Stopped, |b, n| {
        flooded(b, n, &json!({ "do": "flood-log", "count": 1_000, "size": 100_000 / 1_000 }))
    }),
    case!("flood-out", "floods standard output without a line end", "length of a line", &["flooded"], Stopped, |b, n| b.attack(
        n,
        &Setup::default(),
        &json!({ "do": "flood-out", "count": 500 })
    )),
    case!("flood-err", "floods standard error", "log lines per call", &["flooded"], Stopped, |b, n| b.attack(
        n,
        &Setup { time: Duration::from_secs(10), ..Setup::default() },
        &json!({ "do": "flood-err", "count": 20_000 })
    )),
    case!(
        "garble",
        "writes to its outputs what is no text, and what steers terminals",
        "lines are text, one at a time",
        &["garbled"],
        Stopped,
        |b, n| slow(b, n, "garble")
    ),
    case!("fields", "logs one line with fifty thousand fields", "fields per line", &["logged"], Stopped, |b, n| b.attack(
        n,
        &Setup::default(),
        &json!({ "do": "fields", "count": 5_000 })
    )),
    case!(
        "crash-budget",
        "breaks down again and again",
        "five defects within an hour suspend",
        &["is suspended since", "5 defects within an hour", "beffroi plugin resume crash-budget"],
        Defect,
        |b, n| {
            let setup = Setup::default();
            for _ in 0..5 {
                assert!(matches!(
                    b.poll(n, &setup, &json!({ "do": "panic" }), &crate::bench::Nowhere),
                    Err(KindError::Internal(_))
                ));
            }
            let used = crate::bench::used(n, "feed:town", json!({}));
            let call = b.call(n, Duration::from_secs(1), &crate::bench::Nowhere);
            let waits = b.plugins.source(&used).poll(&call, None).expect_err("it is suspended");
            assert!(matches!(waits, KindError::Retry(..)), "what needs it waits: {waits:?}");
            Seen { end: End::Defect, sentence: waits.failure().message.clone() }
        }
    ),
];

/// Floods the log; the good line at its end says how much was lost.
fn flooded(bench: &Bench, name: &str, orders: &serde_json::Value) -> Seen {
    let seen = bench.attack(name, &Setup { time: Duration::from_secs(10), ..Setup::default() }, orders);
    Seen { end: seen.end, sentence: format!("{} 800 lines were dropped: true", seen.sentence) }
}
