//! The host with a real guest that does what plugins should not do.

use super::*;
use crate::domain::PluginName;
use crate::instance::Ceiling;
use crate::kinds::{Catalog, Channel, Keep, KindError, Media, Outgoing, Source};
use crate::network::{NetworkError, Response, ScriptedNetwork};
use crate::plugin::bridge::{Record, Trial, Trigger};
use crate::plugin::manifest::Asked;
use crate::plugin::rights;
use crate::plugin::testing::{self, probe};
use crate::run::function::{Level, Refusal, Stop};
use serde_json::json;
use std::collections::BTreeMap;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
const ZONE: Zone = chrono_tz::Europe::Paris;

/// A plugin at work, and everything around it.
struct World {
    loaded: Arc<Loaded>,
    network: ScriptedNetwork,
    keep: Keep,
    language: Language,
    records: Vec<Record>,
}

impl World {
    fn with(manifest: Manifest) -> Self {
        let loaded = Arc::new(probe(manifest));
        let (network, keep) = (ScriptedNetwork::new(), Keep::default());
        Self { loaded, network, keep, language: Language::En, records: Vec::new() }
    }

    fn new(limits: Asked) -> Self {
        let places = vec![testing::place("api.example.com")];
        Self::with(Manifest { limits, places, ..testing::plain("probe") })
    }

    fn trial(&self, orders: Json) -> Trial {
        let used = PluginUse {
            plugin: PluginName::parse("probe").expect("a name"),
            scope: "feed:town".into(),
            settings: Arc::new(Json::Null),
            secrets: Arc::new(BTreeMap::new()),
        };
        let manifest = &self.loaded.manifest;
        let force = rights::force(manifest, &rights::asked(manifest), &Ceiling::default(), &orders, &[]);
        let duty = Arc::new(Duty::new(used, orders, force, self.language));
        Trial::new(self.loaded.clone(), duty, NOW, ZONE, self.language)
    }

    fn call<'a>(&'a self, id: &'a str, attempt: u32) -> Call<'a> {
        let time = Duration::from_secs(20);
        Call { id, attempt, time, keep: &self.keep, now: NOW, network: &self.network, zone: ZONE, language: self.language }
    }

    /// The title of the one signal that the plugin tells its deed in.
    fn poll(&mut self, orders: Json) -> Result<String, KindError> {
        let trial = self.trial(orders);
        let page = Source::poll(&trial.source(), &self.call("r7", 2), None);
        self.records = trial.records();
        page.map(|page| page.signals[0].title.clone())
    }

    fn told(&mut self, deed: &str) -> String {
        self.poll(json!({ "do": deed })).expect("the call succeeds")
    }

    fn said(&mut self, orders: Json) -> (String, KindError) {
        let error = self.poll(orders).expect_err("the call is stopped");
        (error.failure().message.clone(), error)
    }

    fn lines(&self) -> Vec<(Weight, &str)> {
        self.records.iter().flat_map(|r| &r.lines).map(|l| (l.weight, l.text.as_str())).collect()
    }
}

fn quick() -> Asked {
    Asked { time: Duration::from_millis(400), ..Asked::default() }
}

fn answer(status: u16, body: &str) -> Result<Response, NetworkError> {
    Ok(Response { status, body: body.into(), ..Response::default() })
}

#[test]
fn every_stop_has_a_sentence_of_its_own() {
    let mut world = World::new(quick());
    for (deed, says) in [
        ("loop", "took longer than 400ms"),
        ("sleep", "took longer than 400ms"),
        ("hoard", "needed more than 32 MiB of memory"),
        ("dig", "called each other without end"),
        ("panic", "the oven is cold"),
        ("divide", "attempt to divide by zero"),
        ("exit", "ended itself (code 1)"),
    ] {
        let (text, error) = world.said(json!({ "do": deed }));
        assert!(text.contains(says), "{deed}: {text}");
        assert!(text.starts_with("The plugin probe ") && text.ends_with('.'), "{deed}: {text}");
        assert!(matches!(error, KindError::Internal(_)), "{deed}: {error:?}");
    }
    world.language = Language::Fr;
    assert!(world.said(json!({ "do": "panic" })).0.starts_with("Le plugin probe a planté (dans "));
    assert_eq!(world.told("hello"), "hello", "the plugin works as before after each stop");
}

#[test]
fn time_that_others_took_is_no_defect() {
    struct Slow;
    impl crate::network::Network for Slow {
        fn send(&self, request: &crate::network::Request) -> Result<Response, NetworkError> {
            std::thread::park_timeout(request.timeout);
            Err(NetworkError::Lost("No answer.".into()))
        }
    }
    let world = World::new(quick());
    let ask = |deed: &str| {
        let trial = world.trial(json!({ "do": deed, "url": "https://api.example.com/" }));
        Source::poll(&trial.source(), &Call { network: &Slow, ..world.call("r7", 1) }, None).expect_err("stopped")
    };
    let error = ask("post-then-loop");
    assert!(matches!(&error, KindError::Uncertain(f) if f.code == "plugin-waited"), "something may have been done: {error:?}");
}

#[test]
fn there_is_nothing_in_the_world_but_the_moment_and_repeatable_chance() {
    let mut world = World::new(Asked::default());
    let first = world.told("look");
    assert!(first.starts_with("0 true true 1795000000000 "), "{first}");
    assert_eq!(world.told("look"), first, "each attempt sees the same");
    let trial = world.trial(json!({ "do": "look" }));
    let other = Source::poll(&trial.source(), &world.call("r8", 1), None).expect("polled").signals[0].title.clone();
    assert_ne!(other, first, "another run has other chance");
    assert_eq!(world.told("facts"), "r7 1795000000000 2 town Europe/Paris en true");
    assert_eq!(world.told("nap"), "woke");
}

#[test]
fn what_is_written_is_kept_line_by_line_and_a_flood_is_cut() {
    let mut world = World::new(Asked { log_lines: 20, ..Asked::default() });
    world.told("talk");
    assert_eq!(
        world.lines(),
        [(Weight::Warn, "the oven heat=180"), (Weight::Info, "out"), (Weight::Warn, "err"), (Weight::Info, "an unfinished line")]
    );
    assert_eq!(world.told("flood"), "flooded", "writing too much is no error");
    let lines = world.lines();
    assert_eq!(lines.len(), 21);
    assert_eq!(lines[20].1, "… 199981 more lines of this call were dropped.");
}

#[test]
fn private_state_goes_out_with_a_call_that_succeeds_and_with_no_other() {
    let mut world = World::new(Asked { state: 10_000, ..Asked::default() });
    assert_eq!(world.told("count"), "1 [\"n\"]");
    assert_eq!(world.told("count"), "2 [\"n\"]", "what an earlier call wants kept is seen");
    world.said(json!({ "do": "count-and-fail" }));
    world.said(json!({ "do": "count-and-panic" }));
    let kept: Vec<_> = world.keep.take().into_iter().map(|w| (w.scope, w.key, w.value)).collect();
    let write = |n: &[u8]| ("feed:town".to_owned(), "n".to_owned(), Some(n.to_vec()));
    assert_eq!(kept, [write(b"1"), write(b"2")]);
    assert!(world.told("fill").starts_with("9 The plugin's private state is full: 10000 bytes."));
}

#[test]
fn requests_are_held_to_rights_and_budgets() {
    let url = "https://api.example.com/a";
    let mut world = World::new(Asked { requests: 3, bytes: 200, response: 50, ..Asked::default() });
    world.network.answer("GET https://api.example.com/a", answer(404, "none"));
    world.network.answer("GET https://api.example.com/big", Err(NetworkError::TooLarge("Too large.".into())));
    let mut ask =
        |deed: &str, url: &str, count: u64| world.poll(json!({ "do": deed, "url": url, "count": count })).expect("an answer");
    assert_eq!(ask("get", url, 0), "404 none", "any status is an answer");
    let refused = ask("get", "https://other.example.com/a", 0);
    assert!(refused.starts_with("NotAllowed") && refused.contains("host = \\\"other.example.com"), "{refused}");
    assert!(ask("get", "not an address", 0).contains("is not a whole http address"));
    assert!(ask("header", url, 0).contains("The header authorization belongs to the daemon"));
    let fourth = ask("gets", url, 5);
    assert!(fourth.starts_with("404 404 404 Exhausted((\"The plugin probe has sent its 3 requests"), "{fourth}");
    let bytes = ask("gets", &format!("{url}?{}", "x".repeat(60)), 3);
    assert!(bytes.starts_with("404 404 Exhausted((\"The plugin probe has used its 200 bytes"), "{bytes}");
    assert!(ask("get", "https://api.example.com/big", 0).starts_with("TooLarge"));
    assert!(ask("credential", url, 0).starts_with("NoCredential"));
    let sent = world.network.requests();
    assert!(sent.iter().all(|r| r.reach.is_some() && r.max_body <= 50), "the network checks again");
}

#[test]
fn a_post_takes_its_files_along_and_judging_it_asks_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pain.gif");
    let gif = b"GIF89a\x03\x00\x02\x00\x00\x00\x00;";
    std::fs::write(&path, gif).expect("written");
    let medium = Media { path: path.display().to_string(), alt: "Un pain".into(), digest: Digest::of(gif).to_string() };
    let post = Outgoing { text: "Bonjour".into(), media: vec![medium], format: "post".into(), ..Outgoing::default() };
    let world = World::new(Asked::default());
    world.network.answer("POST https://api.example.com/media", answer(201, "{}"));
    let channel = world.trial(json!({ "url": "https://api.example.com/media" })).channel();
    let online = channel.publish(&world.call("d1", 1), "key", &post, None).expect("published");
    assert!(
        matches!(&online, crate::kinds::Outcome::Online(r) if r.remote_id == "image/gif 14 Some((3, 2)) 14 201"),
        "{online:?}"
    );
    let sent = &world.network.requests()[0];
    let body = String::from_utf8_lossy(&sent.body);
    assert!(body.contains("name=\"file\"; filename=") && body.contains("GIF89a") && body.contains("Bonjour"), "{body}");
    let judged =
        world.trial(json!({ "do": "get", "url": "https://api.example.com/a" })).channel().objections(&Outgoing::default());
    assert_eq!(judged[0].code, "empty");
    assert!(judged[0].message.contains("This function must not ask the network"), "{judged:?}");
    assert_eq!(world.network.requests().len(), 1);
    std::fs::write(&path, b"GIF89a changed").expect("written");
    let changed = channel.publish(&world.call("d1", 1), "key", &post, None).expect_err("the picture changed");
    assert!(changed.failure().message.contains("changed since the post was planned"), "{changed:?}");
}

#[test]
fn a_catalog_is_read_page_by_page_and_never_without_end() {
    let world = World::new(Asked::default());
    let page = Catalog::poll(&world.trial(json!({ "count": 3 })).catalog(), &world.call("c", 1), None).expect("read");
    assert_eq!((page.items.len(), page.cursor.as_deref(), page.changes), (30, Some("end"), false));
    let endless = Catalog::poll(&world.trial(json!({ "do": "endless" })).catalog(), &world.call("c", 1), None);
    assert!(endless.is_err_and(|e| e.failure().code == "plugin-pages"));
}

/// A desk that notes what it was asked.
#[derive(Default)]
struct Notes {
    asked: Vec<String>,
    logged: Vec<String>,
    stop_at: Option<&'static str>,
    cancelled: bool,
}

impl Desk for Notes {
    fn call(&mut self, index: usize, arguments: Vec<Json>) -> Result<Json, Refusal> {
        let name = crate::run::calls::functions()[index].full_name();
        self.asked.push(format!("{name} {}", Json::from(arguments)));
        if self.stop_at == Some(&name) {
            return Err(Stop::Calls(7).into());
        }
        Ok(match name.as_str() {
            "run::now" => json!(NOW.millis()),
            "state::get" => json!(41),
            "text::similar" => json!(1.0),
            "log::info" => Json::Null,
            "state::set" => Json::Null,
            _ => return Err(format!("{name} is not for today.").into()),
        })
    }

    fn step_kept(&mut self, name: &str) -> Result<Option<Json>, Refusal> {
        self.asked.push(format!("begin {name}"));
        Ok(None)
    }

    fn step_done(&mut self, name: &str, answer: &Json) -> Result<(), Refusal> {
        self.asked.push(format!("end {name} {answer}"));
        Ok(())
    }

    fn step_failed(&mut self, name: &str) {
        self.asked.push(format!("fail {name}"));
    }

    fn stop(&self) -> Option<Stop> {
        self.cancelled.then_some(Stop::Cancelled)
    }

    fn log(&mut self, _level: Level, text: &str) {
        self.logged.push(text.to_owned());
    }
}

type Ran = (Box<Notes>, Result<String, crate::plugin::bridge::WorkflowFailure>);

fn run(world: &World, orders: Json, desk: Notes) -> Ran {
    let trigger = Trigger { kind: "hand".into(), due: NOW, payload: json!({ "n": 1 }) };
    let (desk, line, _) = world.trial(orders).workflow().run(Box::new(desk), &world.call("r9", 1), &trigger);
    let desk: Box<dyn std::any::Any> = desk;
    (desk.downcast().expect("the desk that went in"), line)
}

fn at_desk(functions: &[&str]) -> World {
    let desk = functions.iter().map(|f| (*f).to_owned()).collect();
    World::with(Manifest { desk, limits: quick(), ..testing::plain("probe") })
}

#[test]
fn a_workflow_meets_the_desk_it_was_granted() {
    let world = at_desk(&["run::*", "state::*", "log::info", "text::similar"]);
    let (desk, line) = run(&world, json!({}), Notes::default());
    let line = line.expect("the run succeeds");
    assert!(line.starts_with("hand {\"n\":1} 1795000000000 41 1 "), "{line}");
    assert!(line.contains("events::emit was not granted") && line.contains("desk = [\"events::emit\"]"), "{line}");
    assert_eq!(
        desk.asked,
        [
            "begin bake",
            "run::now []",
            "end bake 1795000000000",
            "log::info [\"baked\"]",
            "state::get [\"hits\",0]",
            "state::set [\"hits\",42]",
            "text::similar [\"pain chaud\",\"pain chaud\"]"
        ]
    );
    assert_eq!(desk.logged, ["printed"]);
}

#[test]
fn the_desk_ends_a_run_and_open_steps_with_it() {
    let world = at_desk(&["run::*", "state::*", "log::*"]);
    let (desk, line) = run(&world, json!({}), Notes { stop_at: Some("run::now"), ..Notes::default() });
    assert_eq!(line.expect_err("stopped").stop, Some(Stop::Calls(7)));
    assert_eq!(desk.asked.last().map(String::as_str), Some("fail bake"));
    let (_, line) = run(&world, json!({ "do": "loop" }), Notes { cancelled: true, ..Notes::default() });
    assert_eq!(line.expect_err("cancelled").stop, Some(Stop::Cancelled));
    let (_, line) = run(&world, json!({ "do": "loop" }), Notes::default());
    assert_eq!(line.expect_err("too long").stop, Some(Stop::Deadline(quick().time)));
    let (desk, line) = run(&world, json!({ "do": "panic" }), Notes::default());
    assert!(line.expect_err("broken").sentence.contains("the oven is cold"));
    assert!(desk.logged.iter().any(|l| l.contains("panicked")), "{:?}", desk.logged);
}
