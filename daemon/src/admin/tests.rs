//! Tests of the socket as its callers see it.

use super::*;
use crate::cli::caller::Caller as Client;
use crate::clock::{Dice, SystemClock};
use crate::config::Base;
use crate::daemon::{Injected, Workers};
use crate::network::ScriptedNetwork;
use crate::store::Mode;
use hyper::Method;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

const CONFIG: &str = r#"
[business]
name = "Boulangerie"
zone = "Europe/Paris"
language = "en"
[limits]
watch = false
[accounts.vitrine]
network = "instagram"
folder = "out"
approval = "always"
[workflows.count]
script = "count.rhai"
schedule = "30 7 * * *"
[workflows.bread]
script = "bread.rhai"
"#;

/// A daemon in this process.
struct Home {
    folder: TempDir,
    app: Arc<App>,
    workers: Option<Workers>,
    server: Option<tokio::runtime::Runtime>,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("scripts")).unwrap();
        std::fs::write(path("scripts/count.rhai"), "let n = state::get(\"n\", 0) + 1; state::set(\"n\", n); `${n}`").unwrap();
        std::fs::write(
            path("scripts/bread.rhai"),
            "posts::plan(#{ text: \"Bread!\", accounts: [\"vitrine\"], why: [\"morning\"] });",
        )
        .unwrap();
        std::fs::write(path("beffroi.toml"), CONFIG).unwrap();
        let injected = Injected {
            clock: Arc::new(SystemClock::new()),
            dice: Arc::new(Dice::seeded(1)),
            network: Arc::new(ScriptedNetwork::new()),
            mode: Mode::Threaded,
        };
        let engine = Engine::start(&path("beffroi.toml"), Base::default(), injected).unwrap();
        let workers = Some(engine.threads().unwrap());
        let listening = socket::listen(engine.socket()).unwrap();
        let app = App::new(engine, Box::new(Engine::reload));
        let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let serving = app.clone();
        server.spawn(async move {
            let server = listening.server().unwrap();
            serve(serving, server).await.unwrap();
            drop(listening);
        });
        Self { folder, app, workers, server: Some(server) }
    }

    fn socket(&self) -> PathBuf {
        self.app.engine.socket().to_owned()
    }

    fn client(&self) -> Client {
        Client::connect(&self.socket()).unwrap()
    }

    /// A raw exchange: status and everything after the head.
    fn raw(&self, request: &str) -> (u16, String) {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap();
        (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.app.engine.begin_stop();
        if let Some(workers) = self.workers.take() {
            workers.join(&self.app.engine, Duration::from_secs(5));
        }
        self.app.enter(Phase::Ended);
        if let Some(server) = self.server.take() {
            server.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

#[test]
fn every_route_answers_and_the_document_knows_exactly_the_routes() {
    let home = Home::new();
    let mut client = home.client();
    let document = client.get("/v1/openapi.json").unwrap().json().unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["summary"].as_str().is_some_and(|s| s.ends_with('.')), "{method} {path}");
            described.insert((method.clone(), path.clone()));
        }
    }
    let table: BTreeSet<(String, String)> = routes().iter().map(|r| (r.method.into(), r.path.into())).collect();
    assert_eq!(described, table);
    for route in routes() {
        let path = route.path.replace("{name}", "count").replace("{run}", "r9").replace("{post}", "p9");
        let path = path.replace("{delivery}", "d9").replace("{subject}", "count");
        let method = route.method.to_ascii_uppercase();
        if path == "/v1/events" {
            continue;
        }
        let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        let (status, body) = home.raw(&head);
        assert!(!matches!(status, 405 | 500..), "{method} {path}: {status} {body}");
        assert!(!body.contains("no such address"), "{method} {path}");
        if status >= 400 {
            assert!(serde_json::from_str::<Json>(&body).unwrap()["error"].is_string(), "{method} {path}: {body}");
        }
    }
}

#[test]
fn a_run_that_is_waited_for_comes_back_whole() {
    let home = Home::new();
    let mut client = home.client();
    let run = client.post("/v1/workflows/count/run", &json!({ "wait": true, "payload": { "at": 5 } })).unwrap().json().unwrap();
    assert_eq!((&run["state"], &run["trigger"], &run["line"]), (&json!("done"), &json!("hand"), &json!("1")));
    assert_eq!(run["effects"], json!({ "state": { "n": 1 } }));
    assert_eq!(run["payload"], json!({ "at": 5 }), "a script's own values keep their form");
    assert!(run["due"].as_str().unwrap().contains('T'), "{run}");
    let again = client.get(&format!("/v1/runs/{}", run["run"].as_str().unwrap())).unwrap().json().unwrap();
    assert_eq!(again, run);
}

#[test]
fn web_pages_are_refused_and_errors_are_sentences() {
    let home = Home::new();
    let ask = |line: &str, head: &str, body: &str| {
        home.raw(&format!(
            "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}content-length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    for head in ["origin: https://evil.example\r\n", "referer: https://evil.example/\r\n"] {
        assert_eq!(ask("GET /v1/status", head, "").0, 403);
    }
    assert_eq!(ask("GET /v1/status", "", "").0, 200);
    for (line, body, status, word) in [
        ("GET /v2/status", "", 404, "openapi.json"),
        ("DELETE /v1/status", "", 405, "method"),
        ("POST /v1/workflows/cuont/run", "", 404, "Did you mean \\\"count\\\"?"),
        ("POST /v1/workflows/count/run", "{\"wiat\": true}", 422, "wiat"),
        ("GET /v1/runs/nine", "", 422, "r12"),
        ("GET /v1/runs/r999", "", 404, "There is no run r999"),
        ("GET /v1/runs?limit=0", "", 422, "from 1 to 1000"),
        ("GET /v1/posts?state=gone", "", 422, "held, due"),
        ("GET /v1/workflows/count/next?from=monday", "", 422, "2026-03-28"),
        ("PUT /v1/state", "{\"key\": \"a\"}", 422, "value"),
        ("DELETE /v1/state?key=missing", "", 404, "missing"),
        ("POST /v1/freeze", "{\"account\": \"vitrnie\"}", 404, "Did you mean \\\"vitrine\\\"?"),
        ("POST /v1/backup", "{\"file\": \"here.db\"}", 422, "absolute"),
        ("GET /v1/why/nobody", "", 404, "neither"),
    ] {
        let (found, text) = ask(line, "", body);
        assert_eq!(found, status, "{line}: {text}");
        assert!(text.contains(word), "{line}: {text}");
    }
}

#[test]
fn what_no_route_sees_is_refused_in_the_same_form() {
    let home = Home::new();
    let large = "x".repeat(3 << 20);
    for (line, body, expected, word) in [
        ("GET /v1/why/%ff", "", 400, "UTF-8"),
        ("POST /v1/freeze", large.as_str(), 413, "larger"),
        ("PATCH /v1/status", "", 405, "method"),
    ] {
        let inside = Inside::of(&home.app);
        let (method, path) = line.split_once(' ').unwrap();
        let request = hyper::Request::builder().method(method).uri(path).body(body.as_bytes().to_vec()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (status, text) = runtime.block_on(async {
            let answer = inside.ask(request).await;
            let status = answer.status().as_u16();
            (status, axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap())
        });
        assert_eq!(status, expected, "{line}");
        let refused: Json = serde_json::from_slice(&text).unwrap();
        assert!(refused["error"].as_str().unwrap().contains(word), "{line}: {refused}");
    }
}

/// Waits on the stream of events, not on a clock.
fn until(events: &mut impl BufRead, name: &str, word: &str) {
    let (mut line, mut event) = (String::new(), String::new());
    loop {
        line.clear();
        assert!(events.read_line(&mut line).unwrap() > 0, "the stream ended before {name} {word}");
        if let Some(found) = line.strip_prefix("event: ") {
            event = found.trim().to_owned();
        }
        if event == name && line.starts_with("data: ") && line.contains(word) {
            return;
        }
    }
}

#[test]
fn a_yes_goes_to_the_seal_that_was_seen_and_events_tell_of_it() {
    let home = Home::new();
    let mut stream = UnixStream::connect(home.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut events = BufReader::new(stream);
    let mut line = String::new();
    while line.trim() != ": connected" {
        line.clear();
        assert!(events.read_line(&mut line).unwrap() > 0);
    }
    let mut client = home.client();
    client.post("/v1/workflows/bread/run", &json!({ "wait": true })).unwrap();
    until(&mut events, "run", "done");
    let post = client.get("/v1/deliveries/d1").unwrap().json().unwrap();
    assert_eq!((&post["approval"], &post["target"]), (&json!("needed"), &json!("vitrine")));
    let wrong = client.post("/v1/deliveries/d1/approve", &json!({ "seal": "0".repeat(64) }));
    assert!(wrong.err().unwrap().to_string().contains("not what was shown"));
    client.post("/v1/deliveries/d1/approve", &json!({ "seal": post["seal"], "by": "Ana" })).unwrap();
    until(&mut events, "post", "online");
    let why = client.get("/v1/why/p1").unwrap().json().unwrap();
    assert!(why["answer"].as_str().unwrap().starts_with("d1 is online on vitrine"), "{why}");
    let text = why.to_string();
    for part in ["by hand", "morning", "yes by Ana", "out/"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let settled = client.post("/v1/deliveries/d1/again", &json!({})).err().unwrap().to_string();
    assert!(settled.contains("d1 is online"), "{settled}");
}

#[test]
fn a_freeze_stops_what_is_approved_and_a_thaw_says_what_goes() {
    let home = Home::new();
    let mut client = home.client();
    client.post("/v1/freeze", &json!({ "reason": "holidays" })).unwrap();
    client.post("/v1/workflows/bread/run", &json!({ "wait": true })).unwrap();
    let seal = client.get("/v1/deliveries/d1").unwrap().json().unwrap()["seal"].clone();
    client.post("/v1/deliveries/d1/approve", &json!({ "seal": seal })).unwrap();
    let status = client.get("/v1/status").unwrap().json().unwrap();
    assert_eq!(status["needs"]["frozen"], "holidays");
    let why = client.get("/v1/why/vitrine").unwrap().json().unwrap();
    assert!(why["answer"].as_str().unwrap().contains("everything is frozen (holidays)"), "{why}");
    let thawed = client.post("/v1/thaw", &json!({})).unwrap().json().unwrap();
    assert_eq!((&thawed["was"], &thawed["posts"][0]["id"]), (&json!("holidays"), &json!("d1")));
    assert_eq!(client.get("/v1/status").unwrap().json().unwrap()["needs"]["frozen"], Json::Null);
}

#[test]
fn the_shared_state_can_be_read_and_changed_by_hand() {
    let home = Home::new();
    let mut client = home.client();
    let put = json!({ "key": "a/é b", "value": null });
    client.send(Method::PUT, "/v1/state", Some(&put)).unwrap();
    assert_eq!(client.get("/v1/state?prefix=a/").unwrap().json().unwrap(), json!({ "a/é b": null }));
    assert_eq!(client.get("/v1/state?key=a%2F%C3%A9%20b").unwrap().text, "null");
    client.send(Method::DELETE, "/v1/state?key=a%2F%C3%A9%20b", None).unwrap();
    assert_eq!(client.get("/v1/state").unwrap().text, "{}");
}

#[test]
fn a_refused_reload_is_remembered_until_one_is_taken() {
    let home = Home::new();
    let file = home.folder.path().join("beffroi.toml");
    std::fs::write(&file, format!("{CONFIG}\nsurprise = 1\n")).unwrap();
    let mut client = home.client();
    let error = client.post("/v1/reload", &json!({})).err().unwrap().to_string();
    assert!(error.contains("surprise") && error.contains("stays"), "{error}");
    let refused = |client: &mut Client| client.get("/v1/status").unwrap().json().unwrap()["configuration"]["refused"].clone();
    assert!(refused(&mut client)["problems"].as_array().unwrap().iter().any(|p| p["severity"] == "error"));
    std::fs::write(&file, CONFIG).unwrap();
    client.post("/v1/reload", &json!({})).unwrap();
    assert_eq!(refused(&mut client), Json::Null);
}

#[test]
fn the_doctor_answers_and_why_takes_a_time() {
    let home = Home::new();
    let mut client = home.client();
    client.post("/v1/freeze", &json!({ "reason": "holidays" })).unwrap();
    let report = client.get("/v1/doctor?deep=true&since=2026-01-01T00%3A00%3A00%2B01%3A00").unwrap().json().unwrap();
    assert_eq!((&report["worst"], &report["running"]), (&json!("warning"), &json!(true)), "{report}");
    let frozen = report["findings"].as_array().unwrap().iter().find(|f| f["check"] == "freeze").unwrap().clone();
    let wanted = json!({ "check": "freeze", "severity": "warning", "text": "All sending is frozen: holidays.", "help": "To let it go on: beffroi thaw" });
    assert_eq!(frozen, wanted);
    assert!(client.get("/v1/doctor?since=lately").err().unwrap().to_string().contains("is a moment such as"));
    assert!(client.get("/v1/doctor?deeper=true").is_err());
    let why = client.get("/v1/why/count?when=2020-01-01%2007%3A30").unwrap().json().unwrap();
    assert_eq!((&why["kind"], &why["obstacle"]), (&json!("hour"), &json!("not-known")), "{why}");
    let wrong = client.get("/v1/why/count?when=whenever").err().unwrap().to_string();
    assert!(wrong.contains("is no time"), "{wrong}");
}

#[test]
fn the_metrics_page_is_well_formed() {
    let home = Home::new();
    let mut client = home.client();
    client.post("/v1/workflows/count/run", &json!({ "wait": true })).unwrap();
    let page = client.get("/metrics").unwrap().text;
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let family = name.split('{').next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| family.strip_suffix(end)).unwrap_or(family);
        assert!(page.contains(&format!("# TYPE {family} ")), "{line}");
    }
    assert!(page.contains("beffroi_runs_total{end=\"done\"} 1\n"), "{page}");
    assert!(page.contains("beffroi_run_time_seconds_bucket{le=\"+Inf\"} 1\n"), "{page}");
    for line in ["beffroi_ledger_expected_total 0", "beffroi_ledger_missing 0", "beffroi_ledger_last_check_timestamp_seconds 0"] {
        assert!(page.contains(&format!("{line}\n")), "{line}: {page}");
    }
    assert!(page.contains("beffroi_occurrence_overdue_seconds 0\n"), "{page}");
}

#[test]
fn a_stop_lets_requests_that_wait_have_their_answer() {
    let home = Home::new();
    home.client().post("/v1/stop", &json!({})).unwrap();
    let mut phase = home.app.phase();
    assert_eq!(*phase.borrow_and_update(), Phase::Stopping);
    home.app.engine.begin_stop();
    let error = home.client().post("/v1/workflows/count/run", &json!({ "wait": true })).err().unwrap().to_string();
    assert!(error.contains("is stopping"), "{error}");
}
