//! Two languages, one desk: every function gives a script and a plugin the same answers, plans the same, and refuses in the same words.

use beffroi::daemon::functions;
use beffroi::domain::{Json, RunId};
use beffroi::run::replay::Recording;
use beffroi::run::wit;
use beffroi_tests::World;
use serde_json::{Map, json};
use std::collections::{BTreeMap, BTreeSet};

const NOW: &str = "2026-11-23T09:00:00+01:00";

/// Calls of every function: arguments that do, and arguments that do not.
fn cases() -> BTreeMap<&'static str, Vec<Json>> {
    let post = json!({ "text": "Pain frais", "account": "facebook", "once": "k", "why": "essai", "expires": "2h" });
    let rich = json!({
        "text": "Bonjour", "accounts": ["facebook"], "link": "https://boulangerie-du-beffroi.example/x", "draft": true, "reply_to": "r1",
        "options": { "visibility": "unlisted" }, "guards": { "sku": "TAR-001", "at_least": 3 }, "on_fail": "drop", "campaign": "c",
        "per_network": { "facebook": "Salut" }, "theme": "pain", "at": "1h", "expires": "2d",
    });
    let list: [(&str, Vec<Json>); 48] = [
        ("events::emit", vec![json!(["x.y"]), json!(["x.y", { "a": 1 }]), json!([""])]),
        (
            "feeds::fresh",
            vec![
                json!([]),
                json!([{ "limit": 2, "feeds": ["ville"] }]),
                json!([{ "feeds": ["vile"] }]),
                json!([[1]]),
                json!([{ "x": 1 }]),
            ],
        ),
        ("feeds::rising", vec![json!([{ "limit": 1 }]), json!([{ "window": "soon" }])]),
        (
            "http::get",
            vec![
                json!(["https://shop.example/a"]),
                json!(["https://shop.example/a", { "headers": { "a": "b" }, "timeout": "5s" }]),
                json!(["https://shop.example/a", { "timeout": 5 }]),
                json!(["https://shop.example/a", 5]),
            ],
        ),
        ("http::post", vec![json!(["https://shop.example/b", { "bags": 2 }])]),
        ("json::parse", vec![json!(["{\"a\": [1, 2.5, null]}"]), json!(["{"])]),
        ("json::write", vec![json!([{ "a": [1, true, "é"] }])]),
        ("kpi::digest", vec![json!([]), json!([{ "weeks": 4 }]), json!([{ "weeks": -1 }])]),
        ("kpi::week", vec![json!([]), json!(["facebook"])]),
        ("library::items", vec![json!([])]),
        (
            "library::next",
            vec![
                json!(["facebook"]),
                json!(["facebook", { "format": "story" }]),
                json!(["facebok"]),
                json!(["facebook", ["story"]]),
            ],
        ),
        ("log::debug", vec![json!(["d"])]),
        ("log::error", vec![json!(["e"])]),
        ("log::info", vec![json!(["i"])]),
        ("log::warn", vec![json!(["w"])]),
        (
            "notify::send",
            vec![
                json!([{ "title": "T", "text": "t", "to": "claire", "once": "n" }]),
                json!([{ "title": "T" }]),
                json!([{ "title": "T", "text": "t", "to": "clair" }]),
                json!(["T"]),
            ],
        ),
        (
            "posts::plan",
            vec![
                json!([post]),
                json!([rich]),
                json!([{ "text": " " }]),
                json!([{ "text": "a", "acount": "x" }]),
                json!([{ "text": "a", "options": { "v": 1 } }]),
                json!([{ "text": "a", "reply_to": 4 }]),
                json!(["a"]),
            ],
        ),
        ("posts::recent", vec![json!(["facebook"]), json!(["facebook", "7d"]), json!(["facebook", "soon"]), json!(["nobody"])]),
        ("posts::withdraw", vec![json!(["offer/", "over"]), json!(["", "over"])]),
        ("run::account", vec![json!(["facebook"]), json!(["x"])]),
        ("run::accounts", vec![json!([])]),
        ("run::attempt", vec![json!([])]),
        ("run::business", vec![json!([])]),
        ("run::due", vec![json!([])]),
        ("run::id", vec![json!([])]),
        ("run::kind", vec![json!([])]),
        (
            "run::later",
            vec![json!(["2h"]), json!(["2h", { "a": 1 }]), json!([4_102_444_800_000_i64]), json!([true]), json!(["soon"])],
        ),
        ("run::now", vec![json!([])]),
        ("run::payload", vec![]),
        ("run::setting", vec![json!(["greeting"]), json!(["none", 5]), json!(["greting"])]),
        ("run::settings", vec![json!([])]),
        ("run::workflow", vec![]),
        ("state::add", vec![json!(["n", 2]), json!(["n", 0.5]), json!(["text", 1])]),
        ("state::get", vec![json!(["kept"]), json!(["none"]), json!(["none", [1]]), json!([""])]),
        ("state::list", vec![json!([""]), json!(["ke"])]),
        ("state::remove", vec![json!(["kept"])]),
        ("state::set", vec![json!(["a", { "b": [1, "é"] }]), json!(["", 1])]),
        ("stock::get", vec![json!(["TAR-001"]), json!(["TAR-001", "caisse"]), json!(["NONE"]), json!(["TAR-001", "caise"])]),
        ("stock::items", vec![json!([{ "catalog": "caisse" }]), json!([{ "catalogue": "caisse" }])]),
        ("text::fill", vec![json!(["{a} {b}", { "a": "x", "b": 2 }]), json!(["{a}", {}]), json!(["{a}", ["x"]])]),
        ("text::fit", vec![json!(["un texte plutôt long", 8])]),
        ("text::plain", vec![json!(["<b>Pain</b> &amp; beurre"])]),
        ("text::similar", vec![json!(["pain frais", "du pain frais"])]),
        ("text::slug", vec![json!(["Marché de Noël"])]),
        ("text::tags", vec![json!([["pain", "Arras"]]), json!([[1]]), json!(["pain"])]),
        ("text::words", vec![json!(["Les croissants du matin"])]),
        ("texts::write", vec![json!([{ "task": "a" }]), json!([{ "tsak": "a" }]), json!([[]])]),
        ("time::parse", vec![json!(["2026-12-24T18:00:00+01:00"]), json!(["noon"])]),
    ];
    let times: [(&str, Vec<Json>); 3] = [
        ("time::part", vec![json!([1_700_000_000_000_i64, "hour"]), json!([0, "century"])]),
        ("time::show", vec![json!([1_700_000_000_000_i64]), json!([1_700_000_000_000_i64, "%d/%m"]), json!([0, "%Q"])]),
        ("time::span", vec![json!(["36h"]), json!(["long"])]),
    ];
    list.into_iter().chain(times).collect()
}

/// A value as a script writes it.
fn rhai(value: &Json) -> String {
    match value {
        Json::Null => "()".into(),
        Json::Array(list) => format!("[{}]", list.iter().map(rhai).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let pairs: Vec<String> = map.iter().map(|(k, v)| format!("{}: {}", Json::from(k.as_str()), rhai(v))).collect();
            format!("#{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

/// A world with one workflow for each call; the same for both languages but for what the workflow is.
fn world(how: impl Fn(usize) -> String, count: usize) -> World {
    let mut world = World::sample(NOW).with("\n[generators.writer]\nplugin = \"none\"\n");
    for at in 0..count {
        world = world.with(&format!(
            "\n[workflows.calls{at}]\n{}\nevents = \"never\"\naccounts = [\"facebook\", \"google\"]\nsettings = {{ greeting = \"bonjour\", most = 3 }}\n",
            how(at)
        ));
    }
    world
}

struct Told {
    answer: Json,
    effects: Json,
    log: Vec<(String, String)>,
}

fn outcome(world: &mut World, at: usize, payload: Option<Json>) -> Told {
    let network = world.on().network.clone();
    for method in ["GET https://shop.example/a", "POST https://shop.example/b"] {
        network.answer(method, Ok(beffroi::network::Response { status: 200, headers: Vec::new(), body: b"ok".to_vec() }));
    }
    for (key, value) in [("kept", "\"once\""), ("text", "\"a\"")] {
        let set = beffroi::store::Op::State { key: key.into(), value: Some(value.into()), run: beffroi::domain::RunId(0) };
        world.order(vec![set]).expect("set");
    }
    let run = world.run_with(&format!("calls{at}"), payload);
    replays(world, run.row.run);
    let log = run.log.into_iter().map(|line| (line.level, line.text)).collect();
    let mut effects = run.effects.unwrap_or_default();
    let state = effects.get_mut("state").and_then(Json::as_object_mut);
    let told = state.and_then(|state: &mut Map<String, Json>| state.shift_remove("told"));
    if effects["state"].as_object().is_some_and(Map::is_empty) {
        effects.as_object_mut().expect("a map").shift_remove("state");
    }
    let answer = told.unwrap_or_else(|| panic!("calls{at} came to no answer: {:?}", run.row.error));
    Told { answer, effects, log }
}

/// Done again from what it was told, the run plans the same, in either language.
fn replays(world: &mut World, run: RunId) {
    let engine = world.on().engine.clone();
    let recording = {
        let reader = engine.store.read().expect("a reader");
        Recording::of_run(&reader, run).unwrap_or_else(|why| panic!("{why}"))
    };
    let asked = world.on().network.requests().len();
    let again = engine.aside(|runner| runner.replay(&recording)).expect("a thread").unwrap_or_else(|why| panic!("{why}"));
    assert!(again.is_as(&recording), "{run} {}: {again:#?}", recording.scene.workflow.name);
    assert_eq!((again.unanswered, again.unasked), (Vec::<String>::new(), Vec::new()), "{run}");
    assert_eq!(world.on().network.requests().len(), asked, "a replay reaches nothing");
}

#[test]
fn a_plugin_that_asks_how_much_time_is_left_is_told_the_same_again() {
    let mut world = world(|_| "plugin = \"desk-guest\"".into(), 1);
    world.install("desk-guest");
    let told = outcome(&mut world, 0, Some(json!([{ "function": "time left" }])));
    let left = told.answer["ok"].as_u64().expect("a number");
    assert!((1..=60_000).contains(&left), "{left}");
}

/// The sentence in a script's error, without where it happened.
fn sentence(text: &str) -> String {
    text.trim_start_matches("Runtime error: ").split(" (line ").next().unwrap_or_default().trim().to_owned()
}

#[test]
fn every_function_is_the_same_in_both_languages() {
    let cases = cases();
    let known: BTreeSet<String> = functions().iter().filter(|f| wit::has(f)).map(|f| f.full_name()).collect();
    let tried: BTreeSet<String> = cases.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(known, tried, "each function of the table needs a case here, and each case a function");
    let mut asked: Vec<(String, Json)> = Vec::new();
    for (name, calls) in cases {
        for arguments in calls {
            let list = arguments.as_array().expect("a list");
            let call = format!("{name}({})", list.iter().map(rhai).collect::<Vec<_>>().join(", "));
            let mut ask = json!({ "function": name, "arguments": list });
            let call = if name == "http::post" {
                ask["step"] = "s".into();
                format!("step(\"s\", || {call})")
            } else {
                call
            };
            asked.push((call, ask));
        }
    }
    let mut scripted = world(|at| format!("script = \"calls{at}.rhai\""), asked.len());
    for (at, (call, _)) in asked.iter().enumerate() {
        let text = format!(
            "let told = #{{}}; try {{ told.ok = {call}; }} catch (e) {{ told.error = `${{e}}`; }} state::set(\"told\", told);"
        );
        scripted.file(&format!("scripts/calls{at}.rhai"), &text);
    }
    let mut plugged = world(|_| "plugin = \"desk-guest\"".into(), asked.len());
    plugged.install("desk-guest");
    let mut wrong = Vec::new();
    for (at, (call, ask)) in asked.into_iter().enumerate() {
        let payload = json!([ask]);
        let mut spoken = outcome(&mut scripted, at, Some(payload.clone()));
        let heard = outcome(&mut plugged, at, Some(payload));
        if let Some(error) = spoken.answer.get("error").and_then(Json::as_str) {
            spoken.answer = json!({ "error": sentence(error) });
        }
        for (what, script, plugin) in [("answer", &spoken.answer, &heard.answer), ("effects", &spoken.effects, &heard.effects)] {
            if script != plugin {
                wrong.push(format!("{call}: {what}\n  script: {script}\n  plugin: {plugin}"));
            }
        }
        if spoken.log != heard.log {
            wrong.push(format!("{call}: log\n  script: {:?}\n  plugin: {:?}", spoken.log, heard.log));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
