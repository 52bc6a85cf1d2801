//! The same as the owner types it, and reads it in French or English.

use super::*;
use beffroi::admin::{self, App, Phase};
use beffroi::cli::{self, Arguments, Command};
use beffroi::daemon::Engine;
use std::collections::BTreeMap;

/// The socket of a world's engine, and its command line.
struct Typed {
    app: Arc<App>,
    server: Option<tokio::runtime::Runtime>,
}

impl Typed {
    fn open(world: &mut World) -> Self {
        let engine = world.on().engine.clone();
        let listening = admin::socket::listen(engine.socket()).expect("a socket");
        let app = App::new(engine, Box::new(Engine::reload));
        let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let serving = app.clone();
        server.spawn(async move {
            let server = listening.server().expect("it listens");
            admin::serve(serving, server).await.expect("it serves");
            drop(listening);
        });
        Self { app, server: Some(server) }
    }

    fn say(&self, command: Command) -> Result<String, String> {
        let socket = Some(self.app.engine.socket().to_owned());
        cli::run(Arguments { socket, json: false, command })
            .map(|said| said.text.replace('\u{a0}', " "))
            .map_err(|e| e.to_string())
    }

    fn json(&self, command: Command) -> Json {
        let socket = Some(self.app.engine.socket().to_owned());
        let said = cli::run(Arguments { socket, json: true, command }).expect("an answer");
        serde_json::from_str(&said.text).expect("JSON")
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        self.app.enter(Phase::Ended);
        if let Some(server) = self.server.take() {
            server.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

fn thaw(what: &[&str]) -> cli::Thaw {
    cli::Thaw { what: what.iter().map(|w| (*w).to_owned()).collect(), list: false, all: None, yes: false, by: "Ana".into() }
}

fn thaw_list() -> Command {
    Command::Thaw(cli::Thaw { list: true, ..thaw(&[]) })
}

fn recall_typed(id: &str, done: bool) -> Command {
    Command::Recall(cli::Recall { ids: vec![id.into()], reason: Some("mauvais prix".into()), done, by: "Ana".into() })
}

fn why(subject: &str) -> Command {
    Command::Why { subject: subject.into(), when: Vec::new() }
}

fn frozen_shop(network: &Arc<ScriptedChannel>, posts: usize) -> World {
    let mut world = world(network);
    world.reconfigure(|c| c.replace("language = \"en\"", "language = \"fr\""));
    for n in 0..posts {
        post(&mut world, json!({ "text": format!("Message {n}"), "at": "1h", "expires": "30d" }));
    }
    world.freeze("congés");
    world.advance("3h");
    world
}

#[test]
fn the_owner_decides_post_by_post_in_one_command() {
    let network = channel([]);
    let mut world = frozen_shop(&network, 5);
    let typed = Typed::open(&mut world);
    let list = typed.say(thaw_list()).unwrap();
    assert!(list.starts_with("Tout envoi est gelé (congés).\nEn attente, et ce qui arriverait au dégel :\n"), "{list}");
    assert!(list.contains("part tout de suite") && list.contains("beffroi thaw d1=send, d1=drop ou d1=at:2h"), "{list}");
    // What is wrong about one of them undoes the others.
    for (wrong, word) in [
        (&["d1=send", "d9=send"][..], "There is no delivery d9"),
        (&["d1=drop", "d2=later"], "says nothing about d2"),
        (&["d1=drop", "d2=at:2026-01-01T10:00"], "has passed"),
        (&["d1=send", "d1=drop"], "named twice"),
        (&["facebook", "d1=send", "other"], "second account"),
    ] {
        let error = typed.say(Command::Thaw(thaw(wrong))).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
    world.settle();
    assert!(network.online().is_empty() && world.deliveries().iter().all(|d| d.state == "held"));

    let said = typed.say(Command::Thaw(thaw(&["d3=send", "d4=drop", "d5=at:2026-01-02T10:00"]))).unwrap();
    assert!(
        said.starts_with(
            "C'est noté. Le reste demeure gelé (congés).\nÉcarté : d4 (facebook) Message 3\nDéplacé : d5 devient d6, 2 janvier"
        ),
        "{said}"
    );
    world.settle();
    assert_eq!(network.online(), ["Message 2"]);
    assert!(typed.say(why("d3")).unwrap().contains("libéré par Ana malgré le gel"));
    assert!(typed.say(why("d5")).unwrap().contains("par Ana : c'est maintenant d6"));
    assert!(typed.say(why("d4")).unwrap().contains("non de Ana : écarté au dégel"));
    let said = typed.say(Command::Thaw(thaw(&["d4=send"]))).unwrap_err();
    assert!(said.contains("d4 does not wait to be sent"), "{said}");

    let said = typed.say(Command::Thaw(cli::Thaw { all: Some("drop".into()), ..thaw(&["d1=send"]) })).unwrap();
    assert!(said.starts_with("Les envois reprennent.\nÉcarté : d2 (facebook) Message 1\nPartiront"), "{said}");
    drop(typed);
    world.restart("1m");
    world.advance("1d");
    assert_eq!(network.online(), ["Message 2", "Message 0", "Message 4"]);
    let moved = row(&mut world, 6);
    assert_eq!(moved.armed_at.unwrap().rfc3339(beffroi::sample::ZONE), "2026-01-02T10:00:00+01:00");
}

#[test]
fn what_the_list_foresees_is_what_a_thaw_then_does() {
    let network = channel([]);
    let mut world = frozen_shop(&network, 4);
    post(&mut world, json!({ "text": "on time", "at": "1m" }));
    post(&mut world, json!({ "text": "too short", "expires": "20m" }));
    world.advance("2m");
    let typed = Typed::open(&mut world);
    let foreseen: BTreeMap<String, Json> = typed.json(thaw_list())["waits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| (d["id"].as_str().unwrap().to_owned(), d["would"]["at"].clone()))
        .collect();
    assert_eq!(foreseen.len(), 6);
    let said = typed.say(Command::Thaw(thaw(&[]))).unwrap();
    assert!(said.starts_with("Les envois reprennent."), "{said}");
    drop(typed);
    world.advance("3h");
    for (id, at) in foreseen {
        let row = world.ask(|db| view::delivery(db, DeliveryId::parse(&id).unwrap())).unwrap();
        assert_eq!(row.armed_at.map(|at| json!(at.rfc3339(beffroi::sample::ZONE))), Some(at), "{id} {}", row.state);
    }
}

#[test]
fn a_yes_that_was_given_holds_for_another_moment_only_when_the_owner_says_so() {
    for yes in [false, true] {
        let network = channel([]);
        let mut world = world(&network);
        post(&mut world, json!({ "text": "Sealed.", "draft": true, "expires": "2h" }));
        world.settle();
        world.approve(1);
        world.freeze("storm");
        world.advance("1h");
        let typed = Typed::open(&mut world);
        let said = typed.say(Command::Thaw(cli::Thaw { yes, ..thaw(&["d1=at:5h"]) })).unwrap();
        assert_eq!(said.contains("beffroi approve d2"), !yes, "{said}");
        typed.say(Command::Thaw(thaw(&[]))).unwrap();
        drop(typed);
        world.advance("6h");
        assert_eq!(network.online().len(), usize::from(yes));
        assert_eq!(world.delivery(2).0, if yes { "online" } else { "held" });
    }
}

#[test]
fn a_yes_shows_the_post_and_what_stands_in_for_it_and_is_given_to_both() {
    let network = channel([]);
    let mut world = world(&network);
    for text in ["x", "y"] {
        post(&mut world, with(guarded(text), json!({ "draft": true })));
    }
    world.settle();
    let typed = Typed::open(&mut world);
    let status = typed.say(Command::Status).unwrap();
    assert!(status.contains("d1 waits for your yes") && !status.contains("d2 waits"), "{status}");
    // A yes to one of the two alone is none.
    let mut caller = cli::caller::Caller::connect(world.on().engine.socket()).unwrap();
    let shown = caller.get("/v1/deliveries/d1").unwrap().json().unwrap();
    assert_eq!(shown["standing_by"]["content"]["text"], "Instead of x");
    let error = caller.post("/v1/deliveries/d1/approve", &json!({ "seal": shown["seal"] })).err().unwrap().to_string();
    assert!(error.contains("d2 stands in for d1, and a yes covers both"), "{error}");
    let error =
        caller.post("/v1/deliveries/d2/approve", &json!({ "seal": shown["standing_by"]["seal"] })).err().unwrap().to_string();
    assert!(error.contains("say yes to d1"), "{error}");
    let wrong = json!({ "seal": shown["seal"], "fallback": shown["seal"] });
    assert!(caller.post("/v1/deliveries/d1/approve", &wrong).is_err());
    assert_eq!(row(&mut world, 1).approval, "needed", "all of it or nothing");

    let approve = |id: &str| {
        Command::Approve(cli::Approve { ids: vec![id.into()], by: "Ana".into(), again: false, done: false, url: None })
    };
    for (id, other) in [("d1", "x"), ("p2", "y")] {
        let said = typed.say(approve(id)).unwrap();
        for part in [
            "approved for facebook",
            &format!("  │ {other}\n"),
            "Approved too, in its place if a condition",
            &format!("  │ Instead of {other}\n"),
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let why = typed.say(why("d1")).unwrap();
    assert!(why.contains("else another one takes its place") && why.contains("d2: Instead of x"), "{why}");
    drop(typed);
    stock(&world, 0);
    world.advance("1h");
    assert_eq!(network.online(), ["Instead of x", "Instead of y"]);
}

#[test]
fn a_recall_is_told_in_the_owners_language_from_the_asking_to_the_end() {
    let network = Arc::new(ScriptedChannel::default().taking_down([Down::Gone, Down::Rejects]));
    let mut world = world(&network);
    world.reconfigure(|c| c.replace("language = \"en\"", "language = \"fr\""));
    for text in ["Un", "Deux"] {
        post(&mut world, json!({ "text": text }));
    }
    post(&mut world, json!({ "text": "Trois", "at": "1h" }));
    world.settle();
    let typed = Typed::open(&mut world);
    for (id, says) in [("d1", "d1 va être retiré de facebook"), ("p2", "d2 va être retiré"), ("d3", "d3 n'était pas parti")]
    {
        let said = typed.say(recall_typed(id, false)).unwrap();
        assert!(said.starts_with(says) && said.contains("  │ "), "{said}");
    }
    world.settle();
    let told = typed.say(why("d1")).unwrap();
    assert!(
        told.contains("d1 a été en ligne sur facebook") && told.contains("et retiré ") && told.contains("mauvais prix"),
        "{told}"
    );
    let posts = typed.say(Command::Posts { state: None, account: None, limit: 20 }).unwrap();
    assert!(posts.contains("en ligne, retiré ") && posts.contains("en ligne, non retiré"), "{posts}");
    let status = typed.say(Command::Status).unwrap();
    assert!(status.contains("d2 est encore en ligne sur facebook") && status.contains("beffroi recall d2 --done"), "{status}");
    assert!(typed.say(recall_typed("d2", true)).unwrap().starts_with("d2 est noté comme retiré"));
    assert!(!typed.say(Command::Status).unwrap().contains("d2 est encore"));
    assert!(typed.say(why("d2")).unwrap().contains("retiré à la main par Ana"));
    assert!(typed.say(recall_typed("d1", true)).unwrap_err().contains("not being taken down"));
    assert!(typed.say(recall_typed("d9", false)).unwrap_err().contains("There is no delivery d9"));
}
