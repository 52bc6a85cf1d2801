//! The sample business on the simulated engine: its first round, its scripts' own tests, a day, and a day again.

use beffroi_tests::World;
use std::path::PathBuf;

const MORNING: &str = "2026-11-23T09:00:00+01:00";

#[test]
fn the_scripts_that_come_along_pass_their_own_tests() {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let verdicts = beffroi::script_tests::run(&[scripts]).expect("there are tests");
    assert!(verdicts.len() >= 15, "{} tests", verdicts.len());
    let failed: Vec<String> = verdicts
        .iter()
        .filter(|v| !v.passed)
        .map(|v| format!("{}: {}", v.test, v.problem.as_ref().map(|p| p.render()).unwrap_or_default()))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn the_sample_has_no_problem() {
    let mut world = World::sample(MORNING);
    world.on();
    let base = beffroi::config::Base { state: None, builtin: None };
    let problems = beffroi::daemon::check(&world.path("beffroi.toml"), &base);
    assert!(problems.is_empty(), "{}", problems.iter().map(|p| p.render()).collect::<String>());
}

#[test]
fn the_four_workflows_do_their_work() {
    let mut world = World::sample(MORNING);
    for workflow in ["rotation", "trends", "promotions", "digest"] {
        let run = world.run(workflow);
        assert_eq!(run.row.state, "done", "{workflow}: {:?}", run.row.error);
    }
    world.settle();
    let deliveries = world.deliveries();
    let shown: Vec<String> = deliveries
        .iter()
        .map(|d| format!("{} {} {} {}", d.id, d.target, d.state, d.reason.clone().unwrap_or_default()))
        .collect();
    let count = |state: &str, kind: &str| deliveries.iter().filter(|d| d.state == state && d.kind == kind).count();
    assert!(count("online", "post") >= 3, "{shown:#?}");
    assert!(deliveries.iter().any(|d| d.state == "held" && d.approval == "needed"), "a draft waits: {shown:#?}");
    assert!(
        deliveries.iter().any(|d| d.state == "held" && d.reason.as_deref().is_some_and(|r| r.contains("épuisé"))),
        "{shown:#?}"
    );
    assert_eq!(world.files("notices/claire", ".html").len(), 1, "the digest can be opened");
    assert!(!world.files("posts/instagram", ".md").is_empty(), "a post lies in its folder: {shown:#?}");
}

#[test]
fn two_days_are_the_same_twice_and_say_nothing_twice() {
    let two_days = || {
        let mut world = World::sample(MORNING);
        world.advance("2d");
        let ledger = world.ledger();
        let posts: Vec<(String, String, String)> = world
            .deliveries()
            .into_iter()
            .filter(|d| d.item.is_some())
            .map(|d| (d.target, d.state, d.content["text"].as_str().unwrap_or_default().to_owned()))
            .collect();
        (ledger, posts)
    };
    let (first, second) = (two_days(), two_days());
    assert_eq!(first, second, "the same inputs and the same seed give the same two days");
    let (ledger, posts) = first;
    // 28 half hours of trends, 56 quarters of promotions, 1 rotation a day; the digest is due on Mondays at seven.
    assert!(ledger.len() >= 160, "{}", ledger.len());
    assert!(ledger.iter().all(|(_, fate, _)| fate == "ran"), "{:#?}", ledger.iter().filter(|l| l.1 != "ran").collect::<Vec<_>>());
    let mut online: Vec<&(String, String, String)> = posts.iter().filter(|p| p.1 == "online").collect();
    let before = online.len();
    online.sort();
    online.dedup();
    assert!(before >= 3, "{posts:#?}");
    assert_eq!(before, online.len(), "an account showed the same library item twice");
}

/// What a run planned, without names: two workflows that do the same.
fn planned(world: &mut World, workflow: &str) -> serde_json::Value {
    let run = world.run(workflow);
    assert_eq!(run.row.error, None, "{workflow}");
    run.effects.expect("effects")
}

#[test]
fn rotation_as_a_plugin_plans_what_the_script_plans() {
    let mut any = 0;
    for (seed, settings) in [
        (1, "every = { facebook = \"40h\", instagram = \"40h\", linkedin = \"6d\" }"),
        (7, "formats = { instagram = \"story\" }"),
        (9, "theme = \"pain\""),
    ] {
        let both = ["script = \"rotation.rhai\"", "plugin = \"rotation\""].map(|how| {
            let twin = format!(
                "\n[workflows.twin]\n{how}\nevents = \"never\"\naccounts = [\"facebook\", \"instagram\", \"linkedin\"]\nsettings = {{ {settings} }}\n"
            );
            let mut world = World::sample(MORNING).seed(seed).with(&twin);
            world.install("rotation");
            let first = planned(&mut world, "twin");
            world.settle();
            world.advance("1d");
            (first, planned(&mut world, "twin"))
        });
        any += both[0].0["posts"].as_array().map_or(0, Vec::len);
        assert_eq!(both[0], both[1], "{settings}");
    }
    assert!(any >= 3, "{any} posts");
}
