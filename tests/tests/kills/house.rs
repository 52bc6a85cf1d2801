//! The daemon that is killed: its configuration, its clock, and the wires to the outside.
//!
//! In: a folder and a socket. Out: an engine whose threads work as the daemon's do, and for whom half an hour is a second.
//! Never: remembers anything that is not in its database.

use crate::outside::{ACCOUNTS, call};
use beffroi::clock::{Clock, Dice, Nudge, SystemClock};
use beffroi::config::Base;
use beffroi::daemon::{Engine, Injected};
use beffroi::domain::{AccountName, Timestamp};
use beffroi::kinds::{Call, Channel, Failure, Finding, KindError, Outcome, Outgoing, Receipt};
use beffroi::network::{Network, NetworkError, Request, Response};
use beffroi::store::view::{self, DeliveryRow};
use beffroi::store::{Change, DeliveryMove, Mode, Op};
use beffroi_tests::HEAD;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How many seconds pass in one. What is late leaves post by post, a quarter of an hour apart: half a true second here.
const SPEED: u32 = 1_800;
/// How long a network here takes at most to show a post: a tenth of a true second.
const SETTLES: Duration = Duration::from_millis(SPEED as u64 * 100);

const SCRIPT: &str = r#"
let n = state::add("count", 1);
let answer = step("order", || http::post("https://shop.example/", run::id()).body);
posts::plan(#{ text: `${run::id()} for all`, once: run::id(), expires: "90d" });
answer
"#;

/// A clock that runs faster than the machine's, from the same moment on in every process.
struct Fast {
    system: SystemClock,
    from: Timestamp,
}

impl Clock for Fast {
    fn now(&self) -> Timestamp {
        self.from.plus(self.system.now().since(self.from) * SPEED)
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic() * SPEED
    }

    fn wait(&self, nudge: &Nudge, until: Option<Timestamp>) {
        let real = |at: Timestamp| self.system.now().plus(at.since(self.now()) / SPEED);
        self.system.wait(nudge, until.map(real));
    }
}

struct Wire {
    socket: PathBuf,
    target: &'static str,
    reads_back: bool,
}

fn failure(says: &str) -> Failure {
    Failure::new("test", says)
}

/// The end of a key; the rest names the instance.
fn short(key: &str) -> &str {
    key.rsplit_once('-').map_or(key, |(_, short)| short)
}

impl Channel for Wire {
    fn objections(&self, _: &Outgoing) -> Vec<Failure> {
        Vec::new()
    }

    fn publish(&self, said: &Call<'_>, key: &str, post: &Outgoing, _: Option<&str>) -> Result<Outcome, KindError> {
        let attempt = said.attempt.to_string();
        match call(&self.socket, &["publish", self.target, short(key), &attempt, &post.text]).as_deref() {
            Some("online") => Ok(Outcome::Online(Receipt { remote_id: key.into(), url: None })),
            Some(_) => Err(KindError::Retry(failure("Not now."), None)),
            None => Err(KindError::Uncertain(failure("No answer came."))),
        }
    }

    fn settles_within(&self) -> Duration {
        SETTLES
    }

    fn find(&self, _: &Call<'_>, key: &str, _: &Outgoing, _: Option<&str>) -> Option<Result<Finding, KindError>> {
        if !self.reads_back {
            return None;
        }
        Some(match call(&self.socket, &["find", self.target, short(key)]).as_deref() {
            Some("online") => Ok(Finding::Online(Receipt { remote_id: key.into(), url: None })),
            Some(_) => Ok(Finding::Absent),
            None => Err(KindError::Retry(failure("No answer came."), None)),
        })
    }
}

/// The shop.
impl Network for Wire {
    fn send(&self, request: &Request) -> Result<Response, NetworkError> {
        let key = request.headers.iter().find(|(name, _)| name == "Idempotency-Key").map_or("", |(_, key)| key);
        match call(&self.socket, &["order", key, &String::from_utf8_lossy(&request.body)]) {
            Some(body) => Ok(Response { status: 200, body: body.into_bytes(), ..Response::default() }),
            None => Err(NetworkError::Lost("The shop did not answer.".into())),
        }
    }
}

/// Writes the configuration.
pub(crate) fn configure(folder: &Path) {
    std::fs::create_dir(folder.join("scripts")).expect("made");
    std::fs::write(folder.join("scripts/work.rhai"), SCRIPT).expect("written");
    let mut config = HEAD.to_owned();
    for (name, ..) in ACCOUNTS {
        config.push_str(&format!(
            "[accounts.{name}]\nnetwork = \"facebook\"\nchannel = \"folder\"\nfolder = \"posts-{name}\"\n\
             ceilings = {{ spacing = \"0s\", per_minute = 10000, per_hour = 10000, per_day = 10000 }}\n"
        ));
    }
    config.push_str("[workflows.one]\nscript = \"work.rhai\"\nretries = 9\npause_after = 0\ntimeout = \"30m\"\n");
    config.push_str("[workflows.two]\nscript = \"work.rhai\"\nretries = 9\npause_after = 0\ntimeout = \"30m\"\n");
    std::fs::write(folder.join("beffroi.toml"), config).expect("written");
}

/// An engine on the real disk.
pub(crate) fn engine(folder: &Path, socket: &Path, from: Timestamp) -> Arc<Engine> {
    let wire = |target, reads_back| Arc::new(Wire { socket: socket.to_owned(), target, reads_back });
    let injected = Injected {
        clock: Arc::new(Fast { system: SystemClock::new(), from }),
        dice: Arc::new(Dice::fair()),
        network: wire("shop", false),
        mode: Mode::Threaded,
    };
    let started = Engine::start(&folder.join("beffroi.toml"), Base::default(), injected);
    let engine = started.unwrap_or_else(|e| panic!("the daemon does not start: {e}"));
    for (target, reads_back, _) in ACCOUNTS {
        engine.adapters.install_channel(AccountName::parse(target).expect("a name"), wire(target, *reads_back));
    }
    engine
}

/// A person looks at the network and answers whatever is left to them.
pub(crate) fn answer_all(engine: &Engine, socket: &Path) {
    let all = |state| {
        let reader = engine.store.read().expect("a reader");
        view::deliveries(&reader, Some(state), None, 100_000).expect("readable")
    };
    let asked = all("unknown").into_iter().filter(|row| row.look_at == Timestamp::NEVER);
    for row in asked.chain(all("dead")) {
        let id = row.id.to_string();
        let op = match call(socket, &["look", &row.target, &id]).as_deref() {
            Some("online") => said(&row, "online", Timestamp::NEVER),
            Some(_) => said(&row, "retrying", engine.clock.now()),
            None => continue,
        };
        // Whoever settled it meanwhile was faster.
        let _ = engine.store.commit(Change::new(engine.clock.now(), vec![op]));
    }
    engine.pulse.outbox.ring();
}

fn said(row: &DeliveryRow, to: &'static str, look_at: Timestamp) -> Op {
    Op::Move(Box::new(DeliveryMove {
        id: row.id,
        from: &["unknown", "dead"],
        to,
        reason: "somebody looked".into(),
        look_at,
        prepared: None,
        receipt: None,
        attempt: false,
        tell: true,
        private: Vec::new(),
    }))
}
