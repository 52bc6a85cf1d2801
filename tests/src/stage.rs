//! An engine on a simulated clock whose network is a function of the test: while a run waits for an answer, anything may
//! happen. Runs interleave as the test says, on one thread.
//!
//! In: a configuration, scripts, what happens when a request leaves. Out: the engine, and the requests in order.
//! Never: waits, or reaches anything outside its folder.

use beffroi::clock::{Clock, Dice, SimClock};
use beffroi::config::Base;
use beffroi::daemon::{Engine, Injected};
use beffroi::domain::{Json, RunId, Timestamp, parse_span};
use beffroi::network::{Network, NetworkError, Request, Response, ScriptedNetwork};
use beffroi::rehearsal::Rehearsal;
use beffroi::store::Mode;
use beffroi::store::view::{self, RunDetail, RunRow};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What a request comes to.
pub type Reply = Result<Response, NetworkError>;
type Hook = Box<dyn FnMut(&Arc<Engine>, &SimClock, &Request) -> Reply + Send>;

/// The network of a stage: 200 and nothing to whatever is asked, until told otherwise.
pub struct Hooked {
    clock: Arc<SimClock>,
    engine: Mutex<Weak<Engine>>,
    hook: Mutex<Option<Hook>>,
    seen: Mutex<Vec<Request>>,
}

/// An answer of this status with this body.
pub fn answer(status: u16, body: &str) -> Reply {
    Ok(Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Network for Hooked {
    fn send(&self, request: &Request) -> Reply {
        lock(&self.seen).push(request.clone());
        let engine = lock(&self.engine).upgrade();
        // Taken out meanwhile: what the hook sets off may send requests of its own, which get the plain answer.
        let Some(mut hook) = lock(&self.hook).take() else { return answer(200, "") };
        let reply = hook(&engine.expect("the engine lives while it runs"), &self.clock, request);
        lock(&self.hook).get_or_insert(hook);
        reply
    }
}

/// One engine with its folder.
pub struct Stage {
    folder: tempfile::TempDir,
    /// The engine in the test's hand.
    pub hand: Rehearsal,
    net: Arc<Hooked>,
}

impl Stage {
    /// Starts on a configuration (after [`crate::HEAD`]) and scripts by name.
    pub fn start(config: &str, scripts: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["scripts", "library"] {
            std::fs::create_dir(folder.path().join(name)).expect("made");
        }
        for (name, text) in scripts {
            std::fs::write(folder.path().join(format!("scripts/{name}.rhai")), text).expect("written");
        }
        let file = folder.path().join("beffroi.toml");
        std::fs::write(&file, format!("{}{config}", crate::HEAD)).expect("written");
        let clock = Arc::new(SimClock::new(Timestamp::parse(crate::START).expect("an instant")));
        let (hand, net) = Self::engine(&file, clock);
        Self { folder, hand, net }
    }

    fn engine(file: &Path, clock: Arc<SimClock>) -> (Rehearsal, Arc<Hooked>) {
        let net =
            Arc::new(Hooked { clock: clock.clone(), engine: Mutex::default(), hook: Mutex::default(), seen: Mutex::default() });
        let injected =
            Injected { clock: clock.clone(), dice: Arc::new(Dice::seeded(1)), network: net.clone(), mode: Mode::Inline };
        let base = Base { state: None, builtin: Some(beffroi::sample::builtin) };
        let engine = Engine::start(file, base, injected).unwrap_or_else(|e| panic!("the engine does not start:\n{e}"));
        *lock(&net.engine) = Arc::downgrade(&engine);
        (Rehearsal { engine, clock, network: Arc::new(ScriptedNetwork::new()) }, net)
    }

    /// What happens from now on when a request leaves.
    pub fn when_asked(&self, hook: impl FnMut(&Arc<Engine>, &SimClock, &Request) -> Reply + Send + 'static) {
        *lock(&self.net.hook) = Some(Box::new(hook));
    }

    /// What happens when the next request leaves; later ones get the plain answer.
    pub fn once_asked(&self, hook: impl FnOnce(&Arc<Engine>, &SimClock) + Send + 'static) {
        let mut hook = Some(hook);
        self.when_asked(move |engine, clock, _| {
            if let Some(hook) = hook.take() {
                hook(engine, clock);
            }
            answer(200, "")
        });
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.net.seen).clone()
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a workflow by hand.
    pub fn run(&self, workflow: &str) -> RunDetail {
        self.hand.run(workflow, None).expect("the run ends")
    }

    /// Lets time pass.
    pub fn advance(&self, span: &str) {
        self.hand.advance(parse_span(span).expect("a span")).expect("the engine goes on");
    }

    /// Does what there is to do now.
    pub fn settle(&self) {
        self.hand.settle().expect("the engine comes to rest");
    }

    /// Everything about a run.
    pub fn detail(&self, id: RunId) -> RunDetail {
        self.ask(|db| view::run(db, id)).expect("the run has a row")
    }

    /// All occurrences, oldest first.
    pub fn rows(&self) -> Vec<RunRow> {
        let mut rows = self.ask(|db| view::runs(db, None, 100_000));
        rows.reverse();
        rows
    }

    /// Asks the store.
    pub fn ask<T>(&self, question: impl FnOnce(&view::Db) -> Result<T, view::DbError>) -> T {
        question(&self.hand.engine.store.read().expect("a reader")).expect("an answer")
    }

    /// A state key's value.
    pub fn state(&self, key: &str) -> Json {
        let found = self.ask(|db| view::state(db, key));
        found.map(|(text, _)| serde_json::from_str(&text).expect("JSON")).unwrap_or_default()
    }

    /// Moves the clock and does what is to be done then, while a run is under way.
    pub fn pass(engine: &Arc<Engine>, clock: &SimClock, span: &str) {
        clock.advance(parse_span(span).expect("a span"));
        while engine.turn().expect("the engine goes on") == beffroi::clock::Turn::Did {}
    }

    /// Runs a workflow to its end while another run is under way.
    pub fn run_beside(engine: &Arc<Engine>, workflow: &str) {
        engine.run_soon(workflow, None).expect("the workflow exists");
        while engine.run_turn() == beffroi::clock::Turn::Did {}
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.hand.clock.now()
    }
}
