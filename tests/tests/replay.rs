//! Runs done again from what they were told: the same plans, offline, on another machine, and with a changed script.

use beffroi::craft::compare::{self, Line, Sign, Voice};
use beffroi::domain::{Digest, Json, Language, RunId};
use beffroi::kinds::{Call, Generation, Generator, KindError, Prompt};
use beffroi::network::{NetworkError, Response};
use beffroi::run::replay::{Other, Recording, Replayed, Replayer};
use beffroi::store::journal;
use beffroi_tests::World;
use std::sync::Arc;

const MORNING: &str = "2026-11-23T09:00:00+01:00";

/// The recordings of every run that has ended.
fn recordings(world: &mut World) -> Vec<Recording> {
    let runs = world.ask(|db| beffroi::store::view::runs(db, None, 100_000));
    let ended: Vec<RunId> = runs.iter().filter(|r| r.finished.is_some()).map(|r| r.run).collect();
    ended
        .into_iter()
        .map(|id| {
            let reader = world.on().engine.store.read().expect("a reader");
            Recording::of_run(&reader, id).unwrap_or_else(|why| panic!("{id}: {why}"))
        })
        .collect()
}

#[test]
fn every_run_of_four_days_of_the_sample_gives_the_same_effects_again() {
    let mut world = World::sample(MORNING);
    world.on();
    world.advance("4d");
    let all = recordings(&mut world);
    assert!(all.len() > 300, "{} runs", all.len());
    let replayer = Replayer::new().expect("a replayer");
    let mut planned = 0;
    for recording in &all {
        let again = replayer.replay(recording, None).unwrap_or_else(|why| panic!("r{}: {why}", recording.run));
        assert!(again.is_as(recording), "r{} {}: {again:#?}", recording.run, recording.scene.workflow.name);
        assert!(again.unanswered.is_empty(), "r{}: {:?}", recording.run, again.unanswered);
        assert!(again.unasked.is_empty(), "r{}: {:?}", recording.run, again.unasked);
        planned += usize::from(again.effects.get("posts").is_some());
    }
    assert!(planned > 5, "{planned} runs planned something");
}

#[test]
fn the_journal_of_a_median_poll_run_is_small() {
    let mut world = World::sample(MORNING);
    world.advance("4d");
    let polls = world.ask(|db| beffroi::store::view::runs(db, Some("trends"), 100_000));
    let mut sizes: Vec<usize> =
        polls.iter().filter_map(|run| world.ask(|db| journal::journal(db, run.run))).map(|row| row.data.len()).collect();
    sizes.sort_unstable();
    let (median, most) = (sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
    let (journals, parts) = world.ask(journal::journal_bytes);
    println!("{} polls: median {median} bytes, most {most}; all journals {journals}, parts {parts}", sizes.len());
    assert!(median < 1_500, "{median} bytes");
    let (runs, all) = (world.ask(|db| beffroi::store::view::runs(db, None, 100_000)).len(), journals + parts);
    assert!(all < i64::try_from(runs * 1_500).expect("a size"), "{all} bytes for {runs} runs, what they share included");
}

/// Asks for everything there is to ask, so that nothing reaches a run without being written down.
const EVERYTHING: &str = r##"
let n = state::add("count", 1);
state::set("seen", state::list("").len());
state::remove("nothing");
let page = http::get("https://shop.example/a");
let lost = "";
try { http::get("https://shop.example/broken"); } catch (e) { lost = e.to_string(); }
let order = step("order", || http::post("https://shop.example/b", #{ bags: 2 }));
let recent = posts::recent("facebook", "30d");
posts::withdraw("old/", "over");
let next = library::next("instagram");
let text = texts::write(#{ task: "one line", variants: 1 }).texts[0];
let cake = stock::get("TAR-001");
let shelf = stock::items().len();
let week = kpi::week();
let digest = kpi::digest();
let fresh = feeds::fresh(#{ limit: 5 });
let rising = feeds::rising();
posts::plan(#{ item: next.item, account: "instagram", once: `a/${run::due()}`, why: next.why });
posts::plan(#{ text: `${text} ${page.body} ${order.status} ${cake.price_text}`, account: "facebook", once: "b",
               guards: #{ sku: "TAR-001", at_least: 1 } });
notify::send(#{ title: "T", text: `${shelf} ${fresh.len()} ${rising.len()} ${recent.len()} ${lost}`, once: "n" });
notify::send(#{ title: "W", text: json::write(week), html: if digest == () { "" } else { digest.html }, once: "w" });
run::later("2h", #{ n: n });
events::emit("done", #{ n: n });
#{ n: n, fresh: fresh.len() }
"##;

struct Writer;

impl Generator for Writer {
    fn generate(&self, call: &Call<'_>, _: &Prompt) -> Result<Generation, KindError> {
        Ok(Generation { texts: vec![format!("written in {}", call.id)], cost_micros: Some(10), ..Generation::default() })
    }
}

fn asking(script: &str) -> World {
    let mut world = World::sample(MORNING)
        .with("\n[generators.writer]\nplugin = \"none\"\nbudget = \"1 EUR\"\n")
        .generator("writer", &Arc::new(Writer))
        .workflow("everything", "", script);
    let network = &world.on().network;
    let body = |text: &str| Ok(Response { status: 200, headers: vec![("x-a".into(), "b".into())], body: text.into() });
    network.answer("GET https://shop.example/a", body("hello"));
    network.answer("GET https://shop.example/broken", Err(NetworkError::NotSent("The shop is closed.".into())));
    network.answer("POST https://shop.example/b", body("{\"id\": 7}"));
    world
}

fn recording(world: &mut World, id: RunId) -> Recording {
    let reader = world.on().engine.store.read().expect("a reader");
    Recording::of_run(&reader, id).unwrap_or_else(|why| panic!("{id}: {why}"))
}

#[test]
fn what_a_run_asks_is_all_it_needs_on_another_machine() {
    let mut world = asking(EVERYTHING);
    world.advance("1d");
    let run = world.run("everything");
    assert_eq!(run.row.state, "done", "{:?}", run.row.error);
    let text = recording(&mut world, run.row.run).write();
    // The machine, its database and its network are gone.
    drop(world);
    let recording = Recording::read(&text).expect("a recording");
    let again = Replayer::new().and_then(|r| r.replay(&recording, None)).expect("replayed");
    assert!(again.is_as(&recording), "{again:#?}");
    assert_eq!(again.effects, run.effects.expect("effects"));
    assert_eq!(again.effects_hash, run.effects_hash);
    assert_eq!((again.unanswered.len(), again.unasked.len()), (0, 0), "{:?} {:?}", again.unanswered, again.unasked);
    // Bit for bit, as often as one likes.
    let second = Replayer::new().and_then(|r| r.replay(&recording, None)).expect("replayed");
    assert_eq!(second.effects.to_string(), again.effects.to_string());
}

#[test]
fn a_step_that_an_earlier_attempt_kept_is_found_in_the_replay() {
    let script = r#"
        let order = step("order", || http::post("https://shop.example/b", #{ bags: 2 }));
        if run::attempt() < 3 { throw "not yet"; }
        state::set("order", order.body);
    "#;
    let mut world = asking("").workflow("retried", "schedule = \"0 10 * * *\"\nretries = 3\nbackoff = \"1m\"", script);
    world.reconfigure(|config| config);
    world.advance("2h");
    let sent = world.on().network.requests().iter().filter(|r| r.method == "POST").count();
    assert_eq!(sent, 1, "the step was kept");
    let run = world.ask(|db| beffroi::store::view::runs(db, Some("retried"), 1)).remove(0);
    assert_eq!((run.state.as_str(), run.attempt), ("done", 3));
    let recording = recording(&mut world, run.run);
    let again = Replayer::new().and_then(|r| r.replay(&recording, None)).expect("replayed");
    assert!(again.is_as(&recording), "{again:#?}");
}

#[test]
fn a_run_that_failed_fails_again_in_the_same_words() {
    let mut world = asking(r#"let p = http::get("https://shop.example/a"); throw `no bread today: ${p.body}`;"#);
    let run = world.run("everything");
    assert_eq!(run.row.state, "failed");
    let recording = recording(&mut world, run.row.run);
    let again = Replayer::new().and_then(|r| r.replay(&recording, None)).expect("replayed");
    assert!(again.error.as_deref().is_some_and(|e| e.contains("No bread today: hello")), "{again:?}");
    assert!(again.is_as(&recording), "{:?} against {:?}", again.error, recording.error);
}

#[test]
fn a_changed_script_is_tried_on_what_the_run_was_told() {
    let mut world = asking(EVERYTHING);
    let run = world.run("everything");
    let recording = recording(&mut world, run.row.run);
    let replayer = Replayer::new().expect("a replayer");
    let with = |from: &str, to: &str| {
        let source = EVERYTHING.replace(from, to);
        assert_ne!(source, EVERYTHING);
        let other = Other { file: "changed.rhai".into(), source };
        replayer.replay(&recording, Some(&other)).expect("replayed")
    };
    let voice = Voice { language: Language::Fr, zone: beffroi::sample::ZONE };
    let before = recording.effects.clone().expect("effects");
    let lines = |done: &Replayed| compare::effects(&before, &done.effects, voice);

    let done = with("`${text} ${page.body}", "`Bonjour ${page.body}");
    assert!(done.error.is_none() && done.unanswered.is_empty(), "{done:?}");
    let changed: Vec<Line> = lines(&done).into_iter().filter(|l| l.sign != Sign::Same).collect();
    assert_eq!(changed.len(), 1, "{changed:#?}");
    assert_eq!(changed[0].sign, Sign::Changed);
    assert!(changed[0].details[0].starts_with("texte : « written in r"), "{changed:#?}");
    assert!(changed[0].details[0].contains("→ « Bonjour hello 200"), "{changed:#?}");

    // What it does not ask any more is no fault; what it asks anew has no answer.
    let done = with("let lost = \"\";", "let lost = \"\"; return #{};");
    assert!(
        lines(&done).iter().any(|l| l.sign == Sign::Gone && l.text.contains("publication sur instagram")),
        "{:#?}",
        lines(&done)
    );
    assert!(done.unasked.iter().any(|q| q == "library"), "{:?}", done.unasked);
    let done = with("https://shop.example/a", "https://shop.example/other");
    assert_eq!(done.unanswered, ["GET https://shop.example/other"]);
    assert!(done.error.as_deref().is_some_and(|e| e.contains("holds no answer")), "{done:?}");
    assert!(world.on().network.requests().iter().all(|r| !r.url.contains("other")), "a replay reaches nothing");
}

#[test]
fn journals_are_forgotten_by_age_and_by_size_and_say_so() {
    let mut world = World::new().account().workflow(
        "tick",
        "schedule = \"* * * * *\"",
        r#"state::set("text", "a text that is as long as a line"); state::add("n", 1)"#,
    );
    world.reconfigure(|config| config.replace("[limits]", "[limits]\nkeep_journals = \"6h\""));
    world.advance("1d");
    let runs = world.ask(|db| beffroi::store::view::runs(db, None, 10_000));
    let kept = |world: &mut World, id: RunId| world.ask(|db| journal::journal(db, id)).is_some();
    assert!(kept(&mut world, runs[0].run));
    assert!(!kept(&mut world, runs[runs.len() - 1].run), "older than six hours");
    let reader = world.on().engine.store.read().expect("a reader");
    let why = Recording::of_run(&reader, runs[runs.len() - 1].run).expect_err("forgotten");
    assert!(why.contains("its journal is not kept") && why.contains("keep_journals"), "{why}");
    drop(reader);
    let (journals, _) = world.ask(journal::journal_bytes);
    world.reconfigure(|config| config.replace("keep_journals = \"6h\"", "journal_size = \"4kB\""));
    world.advance("3h");
    let (now, parts) = world.ask(journal::journal_bytes);
    assert!(now + parts <= 4_096 + 70 * 60 && now < journals, "{now} + {parts} bytes, {journals} before");
    let newest = world.ask(|db| beffroi::store::view::runs(db, None, 1)).remove(0).run;
    let recording = recording(&mut world, newest);
    let again = Replayer::new().and_then(|r| r.replay(&recording, None)).expect("its parts are still there");
    assert!(again.is_as(&recording));
}

#[test]
fn a_bundle_holds_no_address_and_no_token_and_still_replays() {
    let script = r#"
        let page = http::get("https://shop.example/list?token=abcdef123456&page=2");
        let who = json::parse(page.body);
        log::info(who.mail);
        posts::plan(#{ text: `${who.items} items`, account: "facebook" });
        notify::send(#{ title: "Customer", text: `write to ${who.mail} or ${who.phone}` });
    "#;
    let mut world = asking(script);
    let body = r#"{"mail": "jeanne.durand@client.example", "phone": "+33612345678", "items": 3, "key": "s3cr3t-of-the-house"}"#;
    let headers = vec![("set-cookie".to_owned(), "sid=778899".to_owned())];
    world.on().network.answer("GET https://shop.example/list", Ok(Response { status: 200, headers, body: body.into() }));
    let run = world.run_with("everything", Some(serde_json::json!({ "from": "jeanne.durand@client.example" })));
    assert_eq!(run.row.state, "done", "{:?}", run.row.error);
    let replayer = Replayer::new().expect("a replayer");
    let hide = |text: &str| text.replace("s3cr3t-of-the-house", "***");
    let clean = recording(&mut world, run.row.run).redact(&replayer, &hide).expect("redacted");
    let text = clean.write();
    for private in ["jeanne.durand", "client.example", "+33612345678", "abcdef123456", "sid=778899", "s3cr3t-of-the-house"] {
        assert!(!text.contains(private), "{private} is in the bundle");
    }
    let folder = world.path("").display().to_string();
    assert!(!text.contains(&folder), "a path of this machine is in the bundle");
    let read = Recording::read(&text).expect("a recording");
    let again = replayer.replay(&read, None).expect("replayed");
    assert!(again.is_as(&read), "{again:#?}");
    assert!(again.effects.to_string().contains("3 items"));
    assert_ne!(
        read.redacted.as_ref().expect("redacted").effects_hash,
        read.effects_hash,
        "the notice was touched, which is said"
    );
}

/// Everything in the database, as one digest.
fn contents(world: &mut World) -> Digest {
    let tables: Vec<String> = world.ask(|db| {
        db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?
            .query_map([], |row| row.get(0))?
            .collect()
    });
    let mut all = String::new();
    for table in tables {
        world.ask(|db| {
            let mut query = db.prepare(&format!("SELECT * FROM {table}"))?;
            let columns = query.column_count();
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                for column in 0..columns {
                    all.push_str(&format!("{:?};", row.get_ref(column)?));
                }
            }
            Ok(())
        });
    }
    Digest::of(all.as_bytes())
}

#[test]
fn a_dry_run_reads_the_world_and_changes_nothing() {
    let script = EVERYTHING.replace("step(\"order\", || http::post(\"https://shop.example/b\", #{ bags: 2 }))", "#{ status: 0 }");
    let mut world = asking(&script);
    world.advance("1h");
    let before = contents(&mut world);
    let engine = world.on().engine.clone();
    let workflow = engine.workflow("everything").expect("it is there");
    let (done, recording) = engine.aside(|runner| runner.dry(&workflow, Json::Null)).expect("a thread").expect("planned");
    assert!(done.error.is_none(), "{done:?}");
    assert!(done.effects["posts"].as_array().is_some_and(|p| p.len() == 2), "{:#?}", done.effects);
    assert!(done.effects.to_string().contains("[ici, un texte de writer]"), "no text was paid for: {}", done.effects);
    world.settle();
    assert_eq!(contents(&mut world), before, "a dry run left a trace in the database");
    // On what it was told, it plans the same with no network at all.
    let asked = world.on().network.requests().len();
    let again = engine.aside(|runner| runner.dry_on(&workflow, &recording)).expect("a thread");
    assert_eq!(again.effects_hash, done.effects_hash);
    assert_eq!(world.on().network.requests().len(), asked);
    assert_eq!(contents(&mut world), before);
}

#[test]
fn a_dry_run_stops_where_something_would_be_sent() {
    let mut world = asking(
        r#"state::set("a", 1); let order = step("order", || http::post("https://shop.example/b", 1)); state::set("b", order.status);"#,
    );
    let engine = world.on().engine.clone();
    let before = contents(&mut world);
    let workflow = engine.workflow("everything").expect("it is there");
    let (done, _) = engine.aside(|runner| runner.dry(&workflow, Json::Null)).expect("a thread").expect("planned");
    assert!(
        done.error.as_deref().is_some_and(|e| e.contains("Here the run would send POST https://shop.example/b.")),
        "{done:?}"
    );
    assert_eq!(done.effects["state"], serde_json::json!({ "a": 1 }), "what it planned until then is shown");
    assert!(world.on().network.requests().is_empty());
    assert_eq!(contents(&mut world), before);
}

#[test]
fn a_version_beside_only_compares() {
    let script = r#"
        let n = state::add("n", 1);
        let page = http::get("https://shop.example/a");
        let order = step("order", || http::post("https://shop.example/b", #{ n: n }));
        posts::plan(#{ text: `${page.body} ${n}`, account: "facebook", once: `k/${n}` });
    "#;
    let mut world = asking(script);
    let engine = world.on().engine.clone();
    let put = |source: String| engine.beside("everything", Some(("new.rhai".into(), source)), "claire");
    let latest = |world: &mut World| world.ask(|db| journal::shadow_runs(db, "everything", 10)).remove(0);

    put(script.to_owned()).expect("good");
    world.run("everything");
    let same = latest(&mut world);
    assert!(same.same && same.error.is_none(), "{same:?}");

    put(script.replace("`${page.body} ${n}`", "`${page.body}, ${n} !`")).expect("good");
    world.run("everything");
    let other = latest(&mut world);
    assert!(!other.same, "{other:?}");
    assert!(other.difference.to_string().contains("« hello 2 » → « hello, 2 ! »"), "{other:?}");

    // It fails, loops, asks what the other did not ask and would post: the run in force goes on as ever.
    for (bad, word) in [
        ("throw \"broken\"; ", "broken"),
        ("loop { } ", "operations"),
        (
            "step(\"more\", || http::post(\"https://shop.example/b\", #{})); step(\"else\", || http::post(\"https://shop.example/c\", #{})); ",
            "would send",
        ),
    ] {
        put(format!("{bad}{script}")).expect("it parses");
        let run = world.run("everything");
        assert_eq!(run.row.state, "done", "{:?}", run.row.error);
        let failed = latest(&mut world);
        assert!(failed.error.as_deref().is_some_and(|e| e.contains(word)), "{word}: {failed:?}");
    }
    assert_eq!(world.state("n"), serde_json::json!(5));
    let sent = world.on().network.requests().iter().filter(|r| r.method == "POST").count();
    assert_eq!(sent, 5, "each run sent its own order, and no version beside sent any");

    let refused = put("let x = ;".into()).expect_err("it has an error");
    assert!(!refused.is_empty());
    engine.beside("everything", None, "claire").expect("taken away");
    world.run("everything");
    assert!(world.ask(|db| journal::shadow_runs(db, "everything", 10)).is_empty());
}

#[test]
fn a_version_beside_stays_over_a_restart() {
    let mut world = World::new().account().workflow("count", "", "state::add(\"n\", 1)");
    world.on().engine.beside("count", Some(("new.rhai".into(), "state::add(\"n\", 2)".into())), "claire").expect("put");
    world.restart("1m");
    world.run("count");
    let found = world.ask(|db| journal::shadow_runs(db, "count", 10));
    assert_eq!(found.len(), 1);
    assert!(found[0].difference.to_string().contains("1 → 2"), "{found:?}");
    assert_eq!(world.state("n"), serde_json::json!(1));
}
