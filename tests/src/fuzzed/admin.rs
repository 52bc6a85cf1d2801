//! Any requests to the admin socket's routes, on a whole engine that stands still: one request a line, method, target, body.
//!
//! In: lines such as `POST /v1/freeze {"reason":"x"}`; `$HOME` in a body stands for the engine's folder. Out: a panic when an answer
//! is no answer: a defect's status, a body that is not what it says it is, a refusal without a sentence.
//! Never: writes outside the folder: a backup goes where `$HOME` says, or is not asked for.

use beffroi::admin::{App, Inside};
use beffroi::clock::{Dice, SimClock};
use beffroi::config::Base;
use beffroi::daemon::{Engine, Injected};
use beffroi::domain::{Json, Timestamp};
use beffroi::network::ScriptedNetwork;
use beffroi::rehearsal::Rehearsal;
use beffroi::store::Mode;
use http_body_util::BodyExt as _;
use hyper::{Request, header};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Most requests of one input.
const MOST: usize = 12;
/// What waits for a run is given the engine's turns after this long; nothing else takes so long.
const PATIENCE: Duration = Duration::from_millis(3);

const CONFIG: &str = r#"
[business]
name = "Boulangerie"
zone = "Europe/Paris"
language = "en"
[limits]
watch = false
[people.owner]
channel = "folder"
folder = "mail"
[accounts.vitrine]
network = "instagram"
folder = "out"
approval = "always"
[feeds.ville]
file = "ville.xml"
[workflows.count]
script = "count.rhai"
schedule = "30 7 * * *"
[workflows.bread]
script = "bread.rhai"
"#;

const FEED: &str =
    "<rss version=\"2.0\"><channel><title>Ville</title><item><title>Marché</title><guid>1</guid></item></channel></rss>";

/// The requests, one after the other, on an engine that has a post waiting and a run behind it.
pub fn admin(data: &[u8]) {
    thread_local! {
        // What a first start takes its time for is there already: scripts that were found good, one post that waits.
        static TEMPLATE: tempfile::TempDir = laid_out();
    }
    let home = tempfile::tempdir().expect("a temporary folder");
    TEMPLATE.with(|template| copy(template.path(), home.path()));
    let hand = engine(home.path());
    let app = App::new(hand.engine.clone(), Box::new(Engine::reload));
    let inside = Inside::of(&app);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for line in data.split(|b| *b == b'\n').take(MOST) {
        let Some(request) = request(line, home.path()) else { continue };
        let shown = format!("{} {}", request.method(), request.uri());
        runtime.block_on(async {
            let asked = inside.ask(request);
            tokio::pin!(asked);
            let answer = loop {
                match tokio::time::timeout(PATIENCE, &mut asked).await {
                    Ok(answer) => break answer,
                    Err(_) => drop(hand.settle().expect("the engine comes to rest")),
                }
            };
            answered(&shown, answer).await;
        });
        hand.settle().expect("the engine comes to rest");
    }
}

fn laid_out() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| std::fs::write(home.path().join(name), text).expect("written");
    std::fs::create_dir(home.path().join("scripts")).expect("made");
    file("scripts/count.rhai", "let n = state::get(\"n\", 0) + 1; state::set(\"n\", n); log::info(`${n}`); n");
    file("scripts/bread.rhai", "posts::plan(#{ text: \"Bread!\", accounts: [\"vitrine\"], why: [\"morning\"] });");
    file("ville.xml", FEED);
    file("beffroi.toml", CONFIG);
    let hand = engine(home.path());
    hand.run("bread", None).expect("the run ends");
    hand.settle().expect("the engine comes to rest");
    drop(hand);
    home
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("readable").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&to).expect("made");
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("copied");
        }
    }
}

fn engine(home: &Path) -> Rehearsal {
    let clock = Arc::new(SimClock::new(Timestamp::parse(crate::START).expect("an instant")));
    let network = Arc::new(ScriptedNetwork::new());
    let injected =
        Injected { clock: clock.clone(), dice: Arc::new(Dice::seeded(1)), network: network.clone(), mode: Mode::Inline };
    let engine = Engine::start(&home.join("beffroi.toml"), Base::default(), injected).expect("the engine starts");
    Rehearsal { engine, clock, network }
}

/// A line as a request; none where it is not one, or would write somewhere else.
fn request(line: &[u8], home: &Path) -> Option<Request<Vec<u8>>> {
    let mut words = line.splitn(3, |b| *b == b' ');
    let (method, target, body) = (words.next()?, words.next()?, words.next().unwrap_or_default());
    let mut body = body.to_vec();
    if target.to_ascii_lowercase().windows(6).any(|w| w == b"backup") {
        let asked: Json = serde_json::from_slice(&body).ok()?;
        let name = asked["file"].as_str()?.strip_prefix("$HOME/")?.to_owned();
        if name.contains(['/', '\0']) || name == ".." {
            return None;
        }
        body = serde_json::json!({ "file": home.join(name) }).to_string().into_bytes();
    }
    Request::builder().method(method).uri(target).body(body).ok()
}

async fn answered<B: hyper::body::Body>(shown: &str, answer: hyper::Response<B>)
where
    B::Error: std::fmt::Debug,
{
    let status = answer.status();
    assert!(status.as_u16() < 500 || status.as_u16() == 503, "{shown}: {status}");
    let header =
        |name: header::HeaderName| answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let (kind, length) = (header(header::CONTENT_TYPE), header(header::CONTENT_LENGTH));
    if kind.starts_with("text/event-stream") {
        return;
    }
    let bytes = answer.into_body().collect().await.unwrap_or_else(|e| panic!("{shown}: {e:?}")).to_bytes();
    if shown.starts_with("HEAD ") && bytes.is_empty() {
        return;
    }
    assert!(length.is_empty() || length == bytes.len().to_string(), "{shown}: {length} bytes announced, {} sent", bytes.len());
    if status.is_success() && kind.starts_with("text/plain") {
        assert!(std::str::from_utf8(&bytes).is_ok(), "{shown}");
        return;
    }
    assert_eq!(kind, "application/json", "{shown}: {status} {}", String::from_utf8_lossy(&bytes));
    let read: Json =
        serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{shown}: {e}: {}", String::from_utf8_lossy(&bytes)));
    if !status.is_success() {
        assert!(read["error"].as_str().is_some_and(|e| e.trim().len() > 5), "{shown}: {status} without a sentence: {read}");
    }
}
