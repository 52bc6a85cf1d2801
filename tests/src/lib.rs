//! A world for tests of the whole daemon: a temporary folder, a simulated clock, a scripted network, seeded dice.
//!
//! In: a configuration as text and files. Out: an engine that does exactly what the daemon does, when the test says so.
//! Never: waits, or reaches anything outside its folder.

pub mod channel;
pub mod component;
pub mod disk;
pub mod faults;
pub mod fuzzed;

use beffroi::clock::Clock;
use beffroi::config::Base;
use beffroi::domain::{AccountName, DeliveryId, GeneratorName, Json, PersonName, Timestamp, parse_span};
use beffroi::kinds::{Channel, Generator, Notifier};
use beffroi::plugin::install::Allowed;
use beffroi::rehearsal::Rehearsal;
use beffroi::store::view::{self, DeliveryRow, RunDetail};
use beffroi::store::{Change, CommitError, Op};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub mod stage;

/// Thursday 1 January 2026, nine in the morning in Paris.
pub const START: &str = "2026-01-01T09:00:00+01:00";

/// The beginning of every configuration here: one firm, one person.
pub const HEAD: &str = r#"
[business]
name = "Test"
zone = "Europe/Paris"
language = "en"
[people.owner]
channel = "folder"
folder = "mail"
[limits]
watch = false
"#;

/// One account that may post at any time, as often as it likes.
pub const ACCOUNT: &str = r#"
[accounts.facebook]
network = "facebook"
channel = "folder"
folder = "posts"
ceilings = { spacing = "0s", per_minute = 1000, per_hour = 1000, per_day = 1000 }
"#;

/// One world.
pub struct World {
    folder: tempfile::TempDir,
    config: String,
    seed: u64,
    start: Timestamp,
    writes: std::cell::Cell<u64>,
    channels: Vec<(AccountName, Arc<dyn Channel>)>,
    notifiers: Vec<(PersonName, Arc<dyn Notifier>)>,
    generators: Vec<(GeneratorName, Arc<dyn Generator>)>,
    rehearsal: Option<Rehearsal>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A world with a firm and a person in it, and nothing else.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let start = Timestamp::parse(START).expect("an instant");
        let (writes, channels, notifiers, generators) = Default::default();
        Self { folder, config: HEAD.to_owned(), seed: 1, start, writes, channels, notifiers, generators, rehearsal: None }
    }

    /// The same on files that are kept in memory where the system has such a place: for years in seconds. A power cut means nothing to it.
    pub fn in_memory() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder");
        Self { folder, ..Self::new() }
    }

    /// The sample business, laid out for this moment.
    pub fn sample(now: &str) -> Self {
        let mut world = Self::new();
        world.start = Timestamp::parse(now).expect("an instant");
        beffroi::sample::lay_out(world.folder.path(), world.start).expect("the sample is laid out");
        world.config = std::fs::read_to_string(world.path("beffroi.toml")).expect("the sample's configuration");
        world
    }

    /// The same with other dice.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same, starting at another moment.
    #[must_use]
    pub fn at(mut self, now: &str) -> Self {
        self.start = Timestamp::parse(now).expect("an instant");
        self
    }

    /// Adds to the configuration.
    #[must_use]
    pub fn with(mut self, config: &str) -> Self {
        self.config.push_str(config);
        self
    }

    /// Adds an account that may post at any time.
    #[must_use]
    pub fn account(self) -> Self {
        self.with(ACCOUNT)
    }

    /// Adds a workflow with its script.
    #[must_use]
    pub fn workflow(self, name: &str, config: &str, script: &str) -> Self {
        self.file(&format!("scripts/{name}.rhai"), script);
        self.with(&format!("\n[workflows.{name}]\nscript = \"{name}.rhai\"\n{config}\n"))
    }

    /// Lets this channel serve an account, from the start on and after every restart.
    #[must_use]
    pub fn channel(mut self, account: &str, channel: &Arc<impl Channel + 'static>) -> Self {
        self.channels.push((AccountName::parse(account).expect("a name"), channel.clone()));
        self
    }

    /// Lets this notifier reach a person.
    #[must_use]
    pub fn notifier(mut self, person: &str, notifier: &Arc<impl Notifier + 'static>) -> Self {
        self.notifiers.push((PersonName::parse(person).expect("a name"), notifier.clone()));
        self
    }

    /// Lets this generator write under that name.
    #[must_use]
    pub fn generator(mut self, name: &str, generator: &Arc<impl Generator + 'static>) -> Self {
        self.generators.push((GeneratorName::parse(name).expect("a name"), generator.clone()));
        self
    }

    /// A path in the world's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("made");
        std::fs::write(&path, text).expect("written");
        let now = self.rehearsal.as_ref().map_or(self.start, |r| r.clock.now());
        beffroi::sample::date_file(&path, now, self.writes.replace(self.writes.get() + 1)).expect("dated");
        path
    }

    /// Replaces the configuration and reloads it.
    pub fn reconfigure(&mut self, change: impl FnOnce(String) -> String) {
        self.config = change(std::mem::take(&mut self.config));
        self.file("beffroi.toml", &self.config);
        if let Some(rehearsal) = &self.rehearsal {
            rehearsal.engine.reload().expect("the new configuration is good");
        }
    }

    fn base() -> Base {
        Base { state: None, builtin: Some(beffroi::sample::builtin) }
    }

    /// The engine, started when it is first asked for.
    pub fn on(&mut self) -> &Rehearsal {
        if self.rehearsal.is_none() {
            self.try_on().unwrap_or_else(|e| panic!("the engine does not start:\n{e}"));
        }
        self.rehearsal.as_ref().expect("started above")
    }

    /// Starts the engine, or says why it does not start.
    ///
    /// # Errors
    /// The same as for the daemon, as text.
    pub fn try_on(&mut self) -> Result<(), String> {
        let file = self.file("beffroi.toml", &self.config);
        let started = Rehearsal::start(&file, Self::base(), self.start, self.seed).map_err(|e| e.to_string())?;
        self.equip(&started);
        self.rehearsal = Some(started);
        Ok(())
    }

    fn equip(&self, rehearsal: &Rehearsal) {
        for (account, channel) in &self.channels {
            rehearsal.engine.adapters.install_channel(account.clone(), channel.clone());
        }
        for (person, notifier) in &self.notifiers {
            rehearsal.engine.adapters.install_notifier(person.clone(), notifier.clone());
        }
        for (name, generator) in &self.generators {
            rehearsal.engine.adapters.install_generator(name.clone(), generator.clone());
        }
    }

    /// Ends the process, in effect: everything in memory is gone, and a new engine starts `later` on the same files.
    pub fn restart(&mut self, later: &str) {
        let old = self.rehearsal.take().expect("an engine to restart");
        let (clock, network) = (old.clock.clone(), old.network.clone());
        drop(old);
        clock.advance(parse_span(later).expect("a span"));
        let started = Rehearsal::resume(&self.path("beffroi.toml"), Self::base(), clock, network, self.seed);
        let started = started.unwrap_or_else(|e| panic!("the engine does not start again:\n{e}"));
        self.equip(&started);
        self.rehearsal = Some(started);
    }

    /// Installs one of this repository's plugins, saying yes to whatever it asks for.
    pub fn install(&mut self, plugin: &str) {
        let bytes = std::fs::read(package(plugin)).expect("the package is there");
        install(&self.on().engine, bytes);
    }

    /// Lets time pass.
    pub fn advance(&mut self, span: &str) {
        let span = parse_span(span).expect("a span");
        self.on().advance(span).expect("the engine goes on");
    }

    /// Does what there is to do now.
    pub fn settle(&mut self) {
        self.on().settle().expect("the engine comes to rest");
    }

    /// Runs a workflow by hand.
    pub fn run(&mut self, workflow: &str) -> RunDetail {
        self.run_with(workflow, None)
    }

    /// Runs a workflow by hand with a payload.
    pub fn run_with(&mut self, workflow: &str, payload: Option<Json>) -> RunDetail {
        self.on().run(workflow, payload).expect("the run ends")
    }

    /// Asks the store.
    pub fn ask<T>(&mut self, question: impl FnOnce(&view::Db) -> Result<T, view::DbError>) -> T {
        let reader = self.on().engine.store.read().expect("a reader");
        question(&reader).expect("an answer")
    }

    /// The ledger, oldest first: due (in the zone), fate or state, reason.
    pub fn ledger(&mut self) -> Vec<(String, String, String)> {
        let mut rows = self.ask(|db| view::runs(db, None, 100_000));
        rows.reverse();
        let shown = |t: Timestamp| t.rfc3339(beffroi::sample::ZONE);
        rows.into_iter()
            .map(|r| (shown(r.due), r.fate.map_or(r.state, |f| f.word().to_owned()), r.reason.unwrap_or_default()))
            .collect()
    }

    /// Deliveries in the order in which they were planned.
    pub fn deliveries(&mut self) -> Vec<DeliveryRow> {
        let mut rows = self.ask(|db| view::deliveries(db, None, None, 100_000));
        rows.reverse();
        rows
    }

    /// A delivery by its number, from 1 in the order of planning: state and reason.
    pub fn delivery(&mut self, number: i64) -> (String, String) {
        let row = self.ask(|db| view::delivery(db, DeliveryId(number))).expect("such a delivery");
        (row.state, row.reason.unwrap_or_default())
    }

    /// Writes to the store, as a command of the owner's would.
    ///
    /// # Errors
    /// The store's.
    pub fn order(&mut self, ops: Vec<Op>) -> Result<(), CommitError> {
        let rehearsal = self.on();
        rehearsal.engine.store.commit(Change::new(rehearsal.clock.now(), ops)).map(drop)
    }

    /// Says yes to a delivery as it stands.
    pub fn approve(&mut self, number: i64) {
        let id = DeliveryId(number);
        let seal = self.ask(|db| view::delivery(db, id)).expect("such a delivery").seal;
        self.order(vec![Op::Approve { id, seal, by: "owner".into() }]).expect("it waits for a yes");
    }

    /// Freezes all sending.
    pub fn freeze(&mut self, reason: &str) {
        self.order(vec![Op::Freeze(Some(reason.into()))]).expect("frozen");
    }

    /// Lets everything go on, or one account.
    pub fn thaw(&mut self, account: Option<&str>) {
        let op = account.map_or(Op::Freeze(None), |a| Op::Breaker { account: a.into(), reason: None });
        self.order(vec![op, Op::Wake { target: account.map(str::to_owned) }]).expect("thawed");
    }

    /// The database file.
    pub fn database(&mut self) -> PathBuf {
        self.on().engine.store.path().to_owned()
    }

    /// How many changes the store has committed since the start.
    pub fn changes(&mut self) -> u64 {
        self.on().engine.store.counters().changes.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// A state key's value.
    pub fn state(&mut self, key: &str) -> Json {
        let found = self.ask(|db| view::state(db, key));
        found.map(|(text, _)| serde_json::from_str(&text).expect("JSON")).unwrap_or_default()
    }

    /// Names of the files in a folder with this ending, sorted.
    pub fn files(&self, folder: &str, ending: &str) -> Vec<String> {
        names(&self.path(folder), ending)
    }
}

/// Installs a package, saying yes to whatever it asks for.
///
/// # Panics
/// When the daemon does not take it.
pub fn install(engine: &beffroi::daemon::Engine, package: Vec<u8>) {
    let installed = engine.with_shelf(|shelf| {
        let examined = shelf.examine(package, "test")?;
        let allowed = Allowed { grant: Some(examined.consent.to_string()), by: "owner".into(), ..Allowed::default() };
        shelf.install(&examined, &allowed)
    });
    installed.unwrap_or_else(|refused| panic!("{refused}"));
}

/// The folder of the packages of this repository's plugins and guests, built when that has not been done since the last change.
///
/// # Panics
/// When they cannot be built; the reason is said first.
pub fn packages() -> &'static Path {
    static BUILT: std::sync::LazyLock<PathBuf> = std::sync::LazyLock::new(|| {
        let root = beffroi_plugins::root();
        beffroi_plugins::build(&root).unwrap_or_else(|sentence| panic!("{sentence}")).folder
    });
    &BUILT
}

/// One of these packages, by the plugin's name.
pub fn package(name: &str) -> PathBuf {
    let file = packages().join(format!("{name}.wasm"));
    assert!(file.is_file(), "there is no plugin {name} in this repository");
    file
}

/// Names of the files in a folder with this ending, sorted.
pub fn names(folder: &Path, ending: &str) -> Vec<String> {
    let Ok(list) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        list.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).filter(|n| n.ends_with(ending)).collect();
    names.sort();
    names
}
