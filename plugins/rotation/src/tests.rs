//! The plugin against a fake host: what it asks, what it plans, what it leaves alone.

use super::*;
use beffroi_plugin::fake::Host;

const HOUR: u64 = 3_600_000;

fn host(settings: Value) -> Host {
    host_with(settings, json!({ "item": "levain", "why": ["it rested longest"] }))
}

fn host_with(settings: Value, next: Value) -> Host {
    Host::new()
        .desk("run-settings", settings)
        .desk("run-due", 1_000)
        .desk("run-accounts", json!(["facebook", "x"]))
        .desk("library-next", next)
}

fn run(host: &Host) -> String {
    let trigger = Trigger { kind: "schedule".into(), due: HOUR, payload: "null".into() };
    host.run(|| Rotation::run(&trigger)).expect("it runs")
}

fn planned(host: &Host) -> Vec<Value> {
    host.desk_calls_of("posts-plan").into_iter().map(|arguments| arguments["post"].clone()).collect()
}

#[test]
fn each_account_gets_one_post_with_its_reasons_and_a_key() {
    let host = host(json!({}));
    assert_eq!(run(&host), "{\"planned\":2}");
    let post = |account: &str| json!({ "account": account, "item": "levain", "why": ["it rested longest"], "once": format!("{account}/1000") });
    assert_eq!(planned(&host), [post("facebook"), post("x")]);
    assert!(host.desk_calls_of("posts-recent").is_empty(), "nobody said how often");
}

#[test]
fn an_account_that_had_a_library_post_of_late_rests() {
    for (post, rests) in [
        (json!({ "item": "levain", "state": "online" }), true),
        (json!({ "item": "levain", "state": "planned" }), true),
        (json!({ "item": null, "state": "online" }), false),
        (json!({ "item": "levain", "state": "cancelled" }), false),
        (json!({ "item": "levain", "state": "refused" }), false),
    ] {
        let host = host(json!({ "every": { "x": "3d" } })).desk("posts-recent", json!([post]));
        run(&host);
        assert_eq!(planned(&host).len(), if rests { 1 } else { 2 }, "{post}");
        assert_eq!(host.desk_calls_of("posts-recent"), [json!({ "account": "x", "span": "3d" })]);
    }
}

#[test]
fn format_and_theme_are_passed_on_and_nothing_fitting_is_a_warning() {
    let settings = json!({ "formats": { "x": "story" }, "theme": "pain" });
    let host = host_with(settings, json!({ "item": null, "why": "all rest." }));
    assert_eq!(run(&host), "{\"planned\":0}");
    let wishes: Vec<Value> = host.desk_calls_of("library-next").into_iter().map(|a| a["wish"].clone()).collect();
    assert_eq!(wishes[1], json!({ "format": "story", "theme": "pain" }));
    let warnings = host.desk_calls_of("log-warn");
    assert_eq!(warnings.last(), Some(&json!({ "text": "x: nothing fits today: all rest." })));
}

#[test]
fn what_the_desk_refuses_ends_the_run() {
    let host = host(json!({})).desk_refuses("posts-plan", "there is no account to post to.");
    let trigger = Trigger { kind: "hand".into(), due: HOUR, payload: "null".into() };
    let error = host.run(|| Rotation::run(&trigger)).expect_err("refused");
    assert_eq!(error.message(), "there is no account to post to.");
    assert_eq!(host.run(Rotation::check).expect("it works"), "rotation de la bibliothèque");
}
