//! The daemon's engine with a real network, real plugins and real secrets, on a clock that is moved by hand.
//!
//! In: accounts, secrets, a line to a server. Out: deliveries as the daemon makes them, and what is in its folder.
//! Never: waits for time to pass.

use crate::proxy::Proxy;
use beffroi::clock::{Clock as _, Dice, SimClock, SystemClock};
use beffroi::config::Base;
use beffroi::daemon::{Engine, Injected};
use beffroi::domain::{Json, Timestamp, parse_span};
use beffroi::egress::{Egress, Rules};
use beffroi::kinds::{Call, Channel, Keep, KindError};
use beffroi::network::{Network as _, Request, Response, ScriptedNetwork};
use beffroi::rehearsal::Rehearsal;
use beffroi::store::view::{self, DeliveryRow};
use beffroi::store::{Change, Mode, Op, plugins};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A picture.
pub(crate) const PIXEL: &[u8] = include_bytes!("../../../plugins/bluesky/tests/pixel.png");

/// The daemon in its folder.
pub(crate) struct House {
    folder: PathBuf,
    /// Its engine.
    pub(crate) hand: Rehearsal,
    network: Arc<Egress>,
}

/// The machine's time.
pub(crate) fn now() -> Timestamp {
    SystemClock::new().now()
}

/// A variable that the lane sets.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run .ci/lanes/servers.sh, or see .ci/servers/README.md"))
}

/// The port in such an address as `http://127.0.0.1:38583`.
pub(crate) fn port(url: &str) -> u16 {
    url.rsplit(':').next().and_then(|p| p.trim_end_matches('/').parse().ok()).expect("the address ends in a port")
}

/// Where chance begins: the same each time, unless told otherwise.
pub(crate) fn seed() -> u64 {
    std::env::var("BEFFROI_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_122)
}

fn open(rules: &[String], clock: Arc<dyn beffroi::clock::Clock>) -> Egress {
    let rules = Rules { allow_private: rules.to_vec(), spacing: Duration::ZERO, ..Rules::default() };
    Egress::new(&rules, clock).expect("good rules")
}

/// A request past the daemon, straight to the server.
pub(crate) fn straight(method: &str, url: &str, token: Option<&str>, body: Option<&Json>) -> Response {
    let headers = token.map(|t| ("Authorization".to_owned(), format!("Bearer {t}"))).into_iter();
    let headers = headers.chain(body.map(|_| ("Content-Type".to_owned(), "application/json".to_owned()))).collect();
    let body = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
    let request = Request { method: method.into(), headers, body, ..Request::get(url) };
    let network = open(&[format!("127.0.0.1:{}", port(url.split('/').nth(2).unwrap_or_default()))], Arc::new(SystemClock::new()));
    network.send(&request).unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

/// The same, read as JSON.
pub(crate) fn read(url: &str, token: Option<&str>) -> Json {
    let answer = straight("GET", url, token, None);
    assert_eq!(answer.status, 200, "{url}: {}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// Writes a secret as an owner does.
pub(crate) fn put_secret(folder: &Path, name: &str, secret: &str) {
    std::fs::create_dir_all(folder.join("secrets")).expect("made");
    let path = folder.join("secrets").join(name);
    let mut file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path).expect("opened");
    file.write_all(secret.as_bytes()).expect("written");
}

/// An account that may post as often as it likes.
pub(crate) fn account(name: &str, plugin: &str, settings: &str, secret: &str) -> String {
    format!(
        "[accounts.{name}]\nnetwork = \"{plugin}\"\nplugin = \"{plugin}\"\nsettings = {{ {settings} }}\nsecrets = {{ {secret} }}\n\
         ceilings = {{ spacing = \"0s\", per_minute = 1000, per_hour = 1000, per_day = 1000 }}\n"
    )
}

impl House {
    /// Starts with these accounts, and installs the plugin.
    pub(crate) fn start(folder: &Path, accounts: &str, plugin: &str, proxy: &Proxy, clock: &Arc<SimClock>) -> Self {
        for (name, text) in
            [("say", "posts::plan(run::payload());"), ("many", "for post in run::payload() { posts::plan(post); }")]
        {
            std::fs::create_dir_all(folder.join("scripts")).expect("made");
            std::fs::write(folder.join(format!("scripts/{name}.rhai")), text).expect("written");
        }
        std::fs::create_dir_all(folder.join("library")).expect("made");
        std::fs::write(folder.join("library/pixel.png"), PIXEL).expect("written");
        let own = format!("127.0.0.1:{}", proxy.port);
        let config = format!(
            "{}allow_private = [\"{own}\"]\n[library]\nfolder = \"library\"\n{accounts}\
             [workflows.say]\nscript = \"say.rhai\"\n[workflows.many]\nscript = \"many.rhai\"\n",
            beffroi_tests::HEAD
        );
        let file = folder.join("beffroi.toml");
        std::fs::write(&file, config).expect("written");
        let network = Arc::new(open(&[own], clock.clone()));
        let injected =
            Injected { clock: clock.clone(), dice: Arc::new(Dice::seeded(seed())), network: network.clone(), mode: Mode::Inline };
        let base = Base { state: None, builtin: Some(beffroi::sample::builtin) };
        let engine = Engine::start(&file, base, injected).unwrap_or_else(|e| panic!("the engine does not start:\n{e}"));
        beffroi_tests::install(&engine, std::fs::read(beffroi_tests::package(plugin)).expect("the package is there"));
        let hand = Rehearsal { engine, clock: clock.clone(), network: Arc::new(ScriptedNetwork::new()) };
        Self { folder: folder.to_owned(), hand, network }
    }

    /// Plans and delivers what can be delivered now; gives the newest delivery.
    pub(crate) fn say(&self, post: &Json) -> DeliveryRow {
        self.run("say", post);
        self.settle();
        self.deliveries().pop().expect("it was planned")
    }

    /// The same, and it is online.
    pub(crate) fn deliver(&self, post: &Json) -> DeliveryRow {
        let row = self.say(post);
        // A picture is sent in steps, a second apart.
        self.advance("5s");
        let row = self.delivery(&row);
        assert_eq!(row.state, "online", "{post}: {:?}", row.reason);
        row
    }

    /// Runs a workflow.
    pub(crate) fn run(&self, workflow: &str, payload: &Json) {
        let run = self.hand.run(workflow, Some(payload.clone())).expect("the run ends");
        assert_eq!(run.row.state, "done", "{:?}", run.row.error);
    }

    /// Does what there is to do.
    pub(crate) fn settle(&self) {
        self.hand.settle().expect("the engine comes to rest");
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, span: &str) {
        self.hand.advance(parse_span(span).expect("a span")).expect("the engine goes on");
    }

    /// Every delivery, oldest first.
    pub(crate) fn deliveries(&self) -> Vec<DeliveryRow> {
        let mut rows = view::deliveries(&self.reader(), None, None, 10_000).expect("an answer");
        rows.reverse();
        rows
    }

    /// A delivery as it is now.
    pub(crate) fn delivery(&self, row: &DeliveryRow) -> DeliveryRow {
        view::delivery(&self.reader(), row.id).expect("an answer").expect("it is there")
    }

    /// The reason why an account is stopped.
    pub(crate) fn stopped(&self, account: &str) -> Option<String> {
        view::breaker(&self.reader(), account).expect("an answer").and_then(|(reason, _)| reason)
    }

    /// Lets an account go on, as the owner does.
    pub(crate) fn thaw(&self, account: &str) {
        let ops = vec![Op::Breaker { account: account.into(), reason: None }, Op::Wake { target: Some(account.into()) }];
        self.hand.engine.store.commit(Change::new(self.hand.clock.now(), ops)).expect("thawed");
        self.settle();
    }

    /// The tokens of a session as they lie in the database.
    pub(crate) fn kept(&self, plugin: &str, account: &str, credential: &str) -> Vec<u8> {
        let kept = plugins::token(&self.reader(), plugin, &format!("account:{account}"), credential);
        kept.expect("an answer").expect("tokens are kept")
    }

    fn reader(&self) -> impl std::ops::Deref<Target = view::Db> {
        self.hand.engine.store.read().expect("a reader")
    }

    /// Writes a secret.
    pub(crate) fn secret(&self, name: &str, secret: &str) {
        put_secret(&self.folder, name, secret);
    }

    /// Asks the channel of an account something for which the daemon has no work of its own.
    pub(crate) fn ask<T>(
        &self,
        account: &str,
        question: impl FnOnce(&dyn Channel, &Call<'_>) -> Option<Result<T, KindError>>,
    ) -> Result<T, KindError> {
        let instance = self.hand.engine.current.get();
        let found = instance.accounts.values().find(|a| a.name.as_str() == account).expect("such an account");
        let channel = self.hand.engine.adapters.channel(&instance, found);
        let keep = Keep::default();
        let call = Call {
            id: "asked",
            attempt: 1,
            time: Duration::from_secs(60),
            keep: &keep,
            now: self.hand.clock.now(),
            network: &*self.network,
            zone: instance.business.zone,
            language: instance.business.language,
        };
        question(&*channel, &call).expect("the channel can")
    }
}
