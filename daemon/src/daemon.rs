//! Puts the workers together, lets them run, and ends them in order.
//!
//! In: a configuration and what is injected: clock, chance, network. Out: one engine: driven by threads in the daemon, or
//! turn by turn by a test or a preview; the same code does the same things.
//! Never: does a worker's work, or takes over a configuration that has an error in it.

use crate::adapters::{Adapters, Stock};
use crate::clock::{Clock, Dice, Turn};
use crate::collect::{self, AccountReader, Collector, Reached};
use crate::config::{self, Base, Loaded};
use crate::delivery::Outbox;
use crate::domain::{Digest, Json, PluginName, RunId, Timestamp, WorkflowName};
use crate::instance::{CatalogConfig, CatalogSource, Current, Instance};
use crate::kinds::{Call, Keep};
use crate::network::Network;
use crate::plugin::host::Host;
use crate::plugin::install::{self, Hooks, Shelf};
use crate::plugin::package::Package;
use crate::plugin::{Installed, Plugins};
use crate::problem::{Problem, any_error, perhaps};
use crate::pulse::Pulse;
use crate::run::calls;
use crate::run::desk::Tools;
use crate::run::function::Function;
use crate::run::runner::{Runner, STACK};
use crate::run::script::{Scripts, on_stack, reference};
use crate::schedule::board::{Board, Claim, Waiter};
use crate::schedule::daily::Auditor;
use crate::schedule::ledger::Planner;
use crate::schedule::recover;
use crate::secrets::{Secrets, Sources};
use crate::store::journal::{JournalOp, ShadowRow};
use crate::store::plugins as stored_plugins;
use crate::store::{Change, CommitError, Medium, Mode, Op, OpenError, Store, TriggerKind, view};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Threads that deliver; each account is served by one at a time.
const OUTBOX_THREADS: usize = 2;
/// How long a worker rests when the store does not answer.
const STORE_REST: Duration = Duration::from_secs(5);
/// Details of old runs are looked through for pruning this often, this many at a time.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);
const PRUNE_AT_ONCE: u32 = 500;
/// Most remarks about one metrics file when everything is checked.
const REMARKS: usize = 20;

/// What differs between the real daemon, a test and a preview.
pub struct Injected {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Arc<Dice>,
    /// The network.
    pub network: Arc<dyn Network>,
    /// How the store commits.
    pub mode: Mode,
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What people wrote has errors.
    #[error("{}", render(.0))]
    Problems(Vec<Problem>),
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store could not be used.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The machine refused something.
    #[error("{0}")]
    Machine(String),
}

fn render(problems: &[Problem]) -> String {
    problems.iter().map(Problem::render).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// The engine: every worker, and what they share.
pub struct Engine {
    /// The store.
    pub store: Arc<Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The configuration in force.
    pub current: Arc<Current>,
    /// Open occurrences.
    pub board: Arc<Board>,
    /// Events, counters, doorbells.
    pub pulse: Arc<Pulse>,
    /// Feeds, catalogs, library, channels.
    pub adapters: Arc<Adapters>,
    /// Installed plugins.
    pub plugins: Arc<Plugins>,
    secrets: Arc<Secrets>,
    network: Arc<dyn Network>,
    scripts: Arc<Scripts>,
    runner: Arc<Runner>,
    outbox: Arc<Outbox>,
    planner: Mutex<Planner>,
    collector: Mutex<Collector>,
    auditor: Mutex<Auditor>,
    /// Reads figures and inboxes, and asks whether accounts work.
    pub accounts: AccountReader,
    pruned: Mutex<Timestamp>,
    quiet: Mutex<Option<Quiet>>,
    source: Source,
    stopping: AtomicBool,
    /// When the engine started.
    pub started: Timestamp,
}

/// An outbox that had nothing to do.
struct Quiet {
    /// The changes that may concern it, up to then.
    changes: u64,
    /// When that was.
    since: Timestamp,
    /// When there will be something.
    next: Option<Timestamp>,
}

/// Where the configuration came from, to read it again.
struct Source {
    file: PathBuf,
    base: Base,
    files: Mutex<Vec<PathBuf>>,
    socket: PathBuf,
    root: PathBuf,
}

/// What names the checker that found a script good: the program and what it offers to scripts.
fn checker() -> String {
    static NAME: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let offered = Digest::of(reference::markdown(calls::functions()).as_bytes());
        format!("beffroi {} {}", env!("CARGO_PKG_VERSION"), offered.short())
    });
    NAME.clone()
}

/// Every function a script can call.
pub fn functions() -> &'static [Function] {
    calls::functions()
}

/// Checks scripts that nobody has found good yet. Each distinct text is checked once.
fn check_scripts(instance: &Instance, scripts: &Scripts, store: Option<&Store>) -> Result<(Vec<Problem>, Vec<Op>), CommitError> {
    let mut problems: Vec<Problem> = Vec::new();
    let mut good = Vec::new();
    let mut seen = BTreeSet::new();
    let checker = checker();
    let reader = store.map(Store::read).transpose()?;
    for workflow in instance.workflows.values().filter(|w| w.plugin.is_none()) {
        if !seen.insert(workflow.version) {
            continue;
        }
        // What a script imports may have changed although the script has not.
        let imports = workflow.source.contains("import");
        let checked = match &reader {
            Some(reader) if !imports => view::script_checked(reader, &workflow.version.to_string())?.as_deref() == Some(&checker),
            _ => false,
        };
        if checked {
            continue;
        }
        let found = scripts.check(&workflow.script, &workflow.source);
        if !any_error(&found) {
            good.push(Op::KeepScript {
                digest: workflow.version,
                name: workflow.script.display().to_string(),
                source: workflow.source.clone(),
                checked: checker.clone(),
            });
        }
        for problem in found {
            // Two scripts that share a file share its problems.
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    Ok((problems, good))
}

/// Every problem of a configuration, its scripts, its figures and its library, without starting anything.
pub fn check(file: &Path, base: &Base) -> Vec<Problem> {
    let loaded = match config::load(file, base) {
        Ok(loaded) => loaded,
        Err(problems) => return problems,
    };
    let mut problems = loaded.warnings;
    let scripts = Scripts::new(functions(), &loaded.instance.scripts);
    if let Ok((found, _)) = check_scripts(&loaded.instance, &scripts, None) {
        problems.extend(found);
    }
    for file in &loaded.instance.metrics {
        // One that is not there is among the warnings already.
        let remarks = if file.exists() { collect::remarks(file) } else { Vec::new() };
        let told = remarks.into_iter().take(REMARKS);
        problems.extend(told.map(|text| Problem::file(file, text, "").warning()));
    }
    if let Some(library) = &loaded.instance.library {
        let adapters = Adapters::new(Arc::new(crate::clock::SystemClock::new()), Arc::default());
        problems.extend(adapters.library_problems(library));
    }
    problems
}

/// A script that imports others is a version together with them: gives such workflows the digest of the whole, and the
/// operations that keep it.
fn with_imports(instance: &mut Instance, scripts: &Scripts) -> Vec<Op> {
    let mut kept = Vec::new();
    for workflow in instance.workflows.values_mut().filter(|w| w.source.contains("import")) {
        let Ok(compiled) = scripts.compile(&workflow.script, &workflow.source) else { continue };
        if compiled.imports.is_empty() {
            continue;
        }
        let mut whole = workflow.source.to_string();
        for import in &compiled.imports {
            whole.push_str(&format!("\n// import {}\n{}", import.path, import.source));
        }
        let digest = Digest::of(whole.as_bytes());
        Arc::make_mut(workflow).version = digest;
        kept.push(Op::KeepScript {
            digest,
            name: workflow.script.display().to_string(),
            source: whole.into(),
            checked: checker(),
        });
    }
    kept
}

/// The plugins of this daemon, those taken up that are installed, and the secrets they use.
fn plugins(store: &Arc<Store>, clock: &Arc<dyn Clock>, current: &Arc<Current>) -> (Arc<Plugins>, Arc<Secrets>) {
    let state = store.path().parent().unwrap_or(Path::new("")).to_owned();
    let sources = Sources::of_process(current.get().secrets.clone());
    let secrets = Arc::new(Secrets::new(store.clone(), clock.clone(), sources, &state));
    let compiled = install::folder(store.path()).join("compiled");
    let host = Arc::new(Host::new(functions(), Some(compiled), Some(store.clone()), Some(secrets.clone())));
    let plugins = Arc::new(Plugins::new(host, store.clone(), current.clone(), clock.clone()));
    put(store, &plugins, None);
    (plugins, secrets)
}

/// Takes up every installed plugin, or the one of this name; one that is no longer installed is forgotten. What is wrong with one
/// is told, and whatever needs it waits and says so.
fn put(store: &Store, plugins: &Plugins, only: Option<&str>) {
    let rows = store.read().map_err(CommitError::from).and_then(|db| Ok(stored_plugins::plugins(&db, only)?));
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return tracing::error!("{error}"),
    };
    if let Some(name) = only.filter(|_| rows.is_empty()) {
        plugins.remove(name);
    }
    let folder = install::folder(store.path());
    for row in rows {
        let (manifest, rights) = match install::known(&row) {
            Ok(known) => known,
            Err(refused) => {
                tracing::error!(plugin = row.name, "{refused}");
                continue;
            }
        };
        let Some(digest) = Digest::parse(&row.digest) else {
            tracing::error!(plugin = row.name, "The digest in the database is none. Install the plugin again.");
            continue;
        };
        let suspended = row.suspended.clone();
        let installed = Installed { manifest: Arc::new(manifest), digest, rights, suspended };
        let package = || {
            let package = install::stored(&folder, &row).map_err(|refused| std::io::Error::other(refused.to_string()))?;
            Ok(package.bytes.to_vec())
        };
        if let Err(refused) = plugins.put(installed, package) {
            tracing::error!(plugin = row.name, "{}", refused.0.en);
        }
    }
}

/// A workflow that is a plugin is a version by its package.
fn name_versions(instance: &mut Instance, plugins: &Plugins) {
    for workflow in instance.workflows.values_mut() {
        let loaded = workflow.plugin.as_ref().and_then(|used| plugins.loaded(used.plugin.as_str()));
        if let Some(loaded) = loaded.filter(|loaded| loaded.digest != workflow.version) {
            Arc::make_mut(workflow).version = loaded.digest;
        }
    }
}

impl Engine {
    /// Opens the store, takes over what was open, and is ready to turn. Nothing runs yet.
    ///
    /// # Errors
    /// [`StartError`], with every problem at once.
    pub fn start(file: &Path, base: Base, injected: Injected) -> Result<Arc<Self>, StartError> {
        let medium = Medium::of(injected.mode);
        Self::start_on(file, base, injected, medium)
    }

    /// The same with the store on another medium than the machine's disk.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_on(file: &Path, base: Base, injected: Injected, medium: Medium) -> Result<Arc<Self>, StartError> {
        let loaded = config::load(file, &base).map_err(StartError::Problems)?;
        Self::start_whole(file, base, loaded, injected, medium)
    }

    /// The same with a configuration that has been read, and perhaps given another place for what it writes.
    ///
    /// # Errors
    /// [`StartError`], with every problem at once.
    pub fn start_with(file: &Path, base: Base, loaded: Loaded, injected: Injected) -> Result<Arc<Self>, StartError> {
        let medium = Medium::of(injected.mode);
        Self::start_whole(file, base, loaded, injected, medium)
    }

    fn start_whole(file: &Path, base: Base, loaded: Loaded, injected: Injected, medium: Medium) -> Result<Arc<Self>, StartError> {
        let Loaded { mut instance, store, socket, files, warnings } = loaded;
        for warning in &warnings {
            tracing::warn!("{}", warning.render().trim_end());
        }
        let Injected { clock, dice, network, mode } = injected;
        let store = Arc::new(Store::open_on(&store, mode, medium)?);
        let scripts = Arc::new(Scripts::new(functions(), &instance.scripts));
        let (problems, good) = check_scripts(&instance, &scripts, Some(&store))?;
        if any_error(&problems) {
            return Err(StartError::Problems(problems));
        }
        for problem in &problems {
            tracing::warn!("{}", problem.render().trim_end());
        }
        let now = clock.now();
        let mut first = good;
        first.extend(with_imports(&mut instance, &scripts));
        first.push(Op::NobodySends);
        store.commit(Change::new(now, first))?;
        let root = instance.scripts.clone();
        let board = Arc::new(Board::default());
        let pulse = Arc::new(Pulse::default());
        let current = Arc::new(Current::new(instance));
        let (plugins, secrets) = plugins(&store, &clock, &current);
        let mut instance = (*current.get()).clone();
        name_versions(&mut instance, &plugins);
        current.set(instance.clone());
        let adapters = Arc::new(Adapters::new(clock.clone(), plugins.clone()));
        let planner = Planner::new(store.clone(), clock.clone(), dice.clone(), board.clone(), &instance)?;
        recover(&store, &board, &instance, now)?;
        let tools = Arc::new(Tools {
            store: store.clone(),
            clock: clock.clone(),
            dice,
            network: network.clone(),
            adapters: adapters.clone(),
            current: current.clone(),
            library: Mutex::default(),
        });
        let runner = Arc::new(Runner::new(tools, scripts.clone(), board.clone(), pulse.clone()));
        runner.shadows.take_up(&store)?;
        let accounts = AccountReader::new(Reached {
            store: store.clone(),
            clock: clock.clone(),
            network: network.clone(),
            adapters: adapters.clone(),
            current: current.clone(),
            board: board.clone(),
            pulse: pulse.clone(),
        });
        let outbox = Arc::new(Outbox::new(
            store.clone(),
            clock.clone(),
            network.clone(),
            adapters.clone(),
            current.clone(),
            pulse.clone(),
        ));
        let collector = Mutex::new(Collector::new(store.clone(), clock.clone(), current.clone()));
        let auditor = Mutex::new(Auditor::new(store.clone(), clock.clone(), current.clone(), pulse.clone()));
        let source = Source { file: file.to_owned(), base, files: Mutex::new(files), socket, root };
        let engine = Self {
            store,
            clock,
            current,
            board,
            pulse,
            adapters,
            plugins,
            secrets,
            network,
            scripts,
            runner,
            outbox,
            planner: Mutex::new(planner),
            collector,
            auditor,
            accounts,
            pruned: Mutex::new(now),
            quiet: Mutex::default(),
            source,
            stopping: AtomicBool::new(false),
            started: now,
        };
        if let Err(error) = engine.shelf().tidy() {
            tracing::warn!("{error}");
        }
        engine.plugins.tidy();
        // Figures are in before the first digest could ask for them.
        engine.collect()?;
        Ok(Arc::new(engine))
    }

    /// Where the admin socket is to be.
    pub fn socket(&self) -> &Path {
        &self.source.socket
    }

    /// The configuration file.
    pub fn config_file(&self) -> &Path {
        &self.source.file
    }

    /// Where plugins are kept, to install and remove them.
    pub fn shelf(&self) -> Shelf<'_> {
        self.shelf_with(Hooks::default())
    }

    /// Does something with the shelf of plugins. What it changes is in force when this returns.
    pub fn with_shelf<T>(&self, work: impl FnOnce(&Shelf<'_>) -> T) -> T {
        let changed = |name: &str| self.take_up(name);
        let prepare = |package: &Package| {
            let language = self.current.get().business.language;
            self.plugins.try_out(package).map_err(|refused| refused.0.pick(language).to_owned())
        };
        work(&self.shelf_with(Hooks { prepare: &prepare, changed: &changed }))
    }

    /// A plugin was installed, replaced, suspended, resumed or removed: what is on disk comes into force.
    fn take_up(&self, name: &str) {
        put(&self.store, &self.plugins, Some(name));
        // One at a time with a reload, which holds this too.
        let planner = self.planner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut instance = (*self.current.get()).clone();
        name_versions(&mut instance, &self.plugins);
        self.current.set(instance);
        drop(planner);
        if let Ok(name) = PluginName::parse(name) {
            self.secrets.forget(&name);
        }
        self.accounts.look_again();
        // What waited for the plugin is looked at again.
        let wake = Change::new(self.clock.now(), vec![Op::Wake { target: None }]);
        if let Err(error) = self.store.commit(wake) {
            tracing::warn!("{error}");
        }
        for bell in [&self.pulse.outbox, &self.pulse.accounts] {
            bell.ring();
        }
    }

    fn shelf_with<'s>(&'s self, hooks: Hooks<'s>) -> Shelf<'s> {
        Shelf {
            store: &self.store,
            folder: install::folder(self.store.path()),
            network: &*self.network,
            now: self.clock.now(),
            language: self.current.get().business.language,
            hooks,
        }
    }

    /// The files whose change means a reload.
    pub fn watched(&self) -> Vec<PathBuf> {
        self.source.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn plan(&self) -> Result<Turn, CommitError> {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner).turn()
    }

    /// Brings the ledger up to now: whatever has come due has its row when this returns.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn bring_up_to_date(&self) -> Result<(), CommitError> {
        self.plan().map(drop)
    }

    /// What a catalog that is a file says now; `None` for one that would have to be asked over a network.
    pub fn stock(&self, config: &CatalogConfig) -> Option<Result<Arc<Stock>, String>> {
        if !matches!(config.source, CatalogSource::File { .. }) {
            return None;
        }
        let business = self.current.get().business.clone();
        let call = Call {
            id: "why",
            attempt: 1,
            time: STORE_REST,
            keep: &Keep::default(),
            now: self.clock.now(),
            network: &*self.network,
            zone: business.zone,
            language: business.language,
        };
        Some(self.adapters.stock(config, &call))
    }

    /// Every problem of the configuration as it lies on disk now, its scripts, its figures and its library.
    pub fn problems(&self) -> Vec<Problem> {
        check(&self.source.file, &self.source.base)
    }

    fn collect(&self) -> Result<Turn, CommitError> {
        let turn = self.collector.lock().unwrap_or_else(PoisonError::into_inner).turn()?;
        let now = self.clock.now();
        let mut pruned = self.pruned.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(*pruned) >= PRUNE_EVERY {
            let before = now.minus(self.current.get().limits.keep_runs);
            let limits = self.current.get().limits.clone();
            let journals = JournalOp::Prune {
                before: now.minus(limits.keep_journals),
                bytes: i64::try_from(limits.journal_size).unwrap_or(i64::MAX),
                most: PRUNE_AT_ONCE,
            };
            let ops = vec![Op::Prune { before, most: PRUNE_AT_ONCE }, Op::Journal(Box::new(journals))];
            let done = self.store.commit(Change::new(now, ops))?;
            if done.touched < PRUNE_AT_ONCE as usize {
                *pruned = now;
            }
        }
        drop(pruned);
        let counted = self.auditor.lock().unwrap_or_else(PoisonError::into_inner).turn(|| self.plan())?;
        Ok(match (turn, counted) {
            (Turn::Idle(one), Turn::Idle(other)) => Turn::Idle([one, other].into_iter().flatten().min()),
            _ => Turn::Did,
        })
    }

    /// One turn of every worker in a fixed order, for whoever moves the clock: a test, a preview. Idle when none has
    /// anything to do, with the next moment at which one will.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn turn(&self) -> Result<Turn, CommitError> {
        let mut next: Option<Timestamp> = None;
        for turn in [self.collect()?, self.plan()?, self.runner.turn(), self.deliver()?, self.accounts.turn()?] {
            match turn {
                Turn::Did => return Ok(Turn::Did),
                Turn::Idle(at) => next = [next, at].into_iter().flatten().min(),
            }
        }
        Ok(Turn::Idle(next))
    }

    /// A turn of the outbox, unless it found nothing to do last time, no change since then can have made a difference to it, and the
    /// moment it named has not come.
    fn deliver(&self) -> Result<Turn, CommitError> {
        let now = self.clock.now();
        let changes = self.store.counters().outbox.load(Ordering::Relaxed);
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(quiet) = quiet.as_ref().filter(|q| q.changes == changes && q.since <= now && q.next.is_none_or(|at| now < at))
        {
            return Ok(Turn::Idle(quiet.next));
        }
        let turn = self.outbox.turn()?;
        *quiet = match turn {
            Turn::Did => None,
            Turn::Idle(next) => Some(Quiet { changes, since: now, next }),
        };
        Ok(turn)
    }

    /// Reads the metrics files now, whatever was read before.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn collect_again(&self) -> Result<(), CommitError> {
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        collector.look_again();
        collector.turn().map(drop)
    }

    /// Whether everything that could be delivered by now has been.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn delivered(&self) -> Result<bool, CommitError> {
        self.outbox.at_rest()
    }

    /// One turn of the runs alone.
    pub fn run_turn(&self) -> Turn {
        self.runner.turn()
    }

    /// Starts the threads of the daemon.
    ///
    /// # Errors
    /// When the machine gives no thread.
    pub fn threads(self: &Arc<Self>) -> std::io::Result<Workers> {
        let mut threads = Vec::new();
        let mut scripts = Vec::new();
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| std::thread::Builder::new().name(name.into()).spawn(work);
        let engine = self.clone();
        threads.push(spawn("planner", Box::new(move || engine.serve(|e| &e.pulse.planner, Self::plan)))?);
        let engine = self.clone();
        threads.push(spawn("collector", Box::new(move || engine.serve_quietly()))?);
        let engine = self.clone();
        threads.push(spawn("accounts", Box::new(move || engine.serve(|e| &e.pulse.accounts, |e| e.accounts.turn())))?);
        for _ in 0..OUTBOX_THREADS {
            let engine = self.clone();
            threads.push(spawn("outbox", Box::new(move || engine.serve(|e| &e.pulse.outbox, |e| e.outbox.turn())))?);
        }
        for _ in 0..self.current.get().limits.runs.max(1) {
            let runner = self.runner.clone();
            scripts.push(std::thread::Builder::new().name("script".into()).stack_size(STACK).spawn(move || runner.work())?);
        }
        Ok(Workers { threads, scripts })
    }

    fn serve(&self, bell: impl Fn(&Self) -> &crate::clock::Nudge, turn: impl Fn(&Self) -> Result<Turn, CommitError>) {
        while !self.stopping() {
            match turn(self) {
                Ok(Turn::Did) => {}
                Ok(Turn::Idle(until)) => self.clock.wait(bell(self), until),
                Err(error) => {
                    tracing::error!("{error}");
                    self.clock.wait(bell(self), Some(self.clock.now().plus(STORE_REST)));
                }
            }
        }
        // Another thread may wait at the same bell.
        bell(self).ring();
    }

    fn serve_quietly(&self) {
        self.serve(|e| &e.pulse.collector, Self::collect);
    }

    /// Whether the engine is ending.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Takes no new work. What is open stays in the ledger and is taken up at the next start.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.board.close();
        for bell in [&self.pulse.planner, &self.pulse.outbox, &self.pulse.collector, &self.pulse.accounts] {
            bell.ring();
        }
    }

    /// Runs a workflow now and calls `waiter` with its number when it has ended. Nothing is promised before that.
    ///
    /// # Errors
    /// A sentence, when there is no such workflow.
    pub fn run_now(&self, name: &str, payload: Option<Json>, waiter: Waiter) -> Result<RunId, String> {
        let now = self.clock.now();
        let mut claim = Claim::new(self.store.next_run(), self.workflow(name)?, TriggerKind::Hand, now);
        claim.payload = payload;
        claim.waiter = Some(waiter);
        let id = claim.id;
        self.board.post(claim, now);
        Ok(id)
    }

    /// Does something with the runner that needs the stack of scripts and has no effect: a dry run, a replay.
    ///
    /// # Errors
    /// A sentence, when the machine gives no thread.
    pub fn aside<T: Send>(&self, work: impl FnOnce(&Runner) -> T + Send) -> Result<T, String> {
        on_stack("aside", || work(&self.runner))
            .map_err(|e| format!("The machine gives no thread: {e}."))?
            .map_err(|_| "That failed in itself. This is a fault of the program; please report it.".to_owned())
    }

    /// Puts a version of a workflow's script beside the one in force, or takes it away. It counts from the next run on.
    ///
    /// # Errors
    /// Every problem of the script, or why the store cannot take it.
    pub fn beside(&self, name: &str, version: Option<(PathBuf, String)>, by: &str) -> Result<(), Vec<Problem>> {
        let told = |sentence: String| vec![Problem::file(&self.source.file, sentence, "")];
        let workflow = self.workflow(name).map_err(told)?;
        let now = self.clock.now();
        let op = match version {
            None => JournalOp::NoShadow(name.to_owned()),
            Some((file, source)) => {
                if workflow.plugin.is_some() {
                    return Err(told(format!(
                        "The workflow \"{name}\" is a plugin. A version beside is a script: try another package in a copy of the instance."
                    )));
                }
                let found = self.scripts.check(&file, &source);
                if any_error(&found) {
                    return Err(found);
                }
                let digest = Digest::of(source.as_bytes());
                let file = file.display().to_string();
                let (workflow, put_by) = (name.to_owned(), by.to_owned());
                JournalOp::Shadow(ShadowRow { workflow, digest, file, source, since: now, put_by })
            }
        };
        self.store.commit(Change::new(now, vec![Op::Journal(Box::new(op))])).map_err(|e| told(e.to_string()))?;
        self.runner.shadows.take_up(&self.store).map_err(|e| told(e.to_string()))
    }

    /// Records that a workflow is to run now, and leaves it to run. From the answer on it will, whatever happens.
    ///
    /// # Errors
    /// A sentence, when there is no such workflow or the store cannot take it.
    pub fn run_soon(&self, name: &str, payload: Option<Json>) -> Result<RunId, String> {
        let now = self.clock.now();
        let workflow = self.workflow(name)?;
        let mut claim = Claim::new(self.store.next_run(), workflow, TriggerKind::Hand, now);
        claim.payload = payload;
        claim.recorded = true;
        let id = claim.id;
        self.store.commit(Change::new(now, vec![Op::Occur(claim.row())])).map_err(|e| e.to_string())?;
        self.board.post(claim, now);
        Ok(id)
    }

    /// Records one occurrence of every enabled workflow, due now, and leaves them to run.
    ///
    /// # Errors
    /// A sentence, when the store cannot take them.
    pub fn begin_all(&self, mut waiter: impl FnMut() -> Waiter) -> Result<Vec<RunId>, String> {
        let now = self.clock.now();
        let instance = self.current.get();
        let mut ops = Vec::new();
        let mut claims = Vec::new();
        for workflow in instance.workflows.values().filter(|w| w.enabled) {
            let mut claim = Claim::new(self.store.next_run(), workflow.clone(), TriggerKind::Later, now);
            claim.recorded = true;
            claim.waiter = Some(waiter());
            ops.push(Op::Occur(claim.row()));
            claims.push(claim);
        }
        self.store.commit(Change::new(now, ops)).map_err(|e| e.to_string())?;
        let ids = claims.iter().map(|c| c.id).collect();
        claims.into_iter().for_each(|claim| self.board.post(claim, now));
        Ok(ids)
    }

    /// A workflow of the configuration in force.
    ///
    /// # Errors
    /// A sentence, when there is none of this name.
    pub fn workflow(&self, name: &str) -> Result<Arc<crate::instance::Workflow>, String> {
        let instance = self.current.get();
        instance.workflows.get(name).cloned().ok_or_else(|| {
            let near = perhaps(name, instance.workflows.keys().map(WorkflowName::as_str));
            format!("There is no workflow \"{name}\".{near} 'beffroi workflows' lists them.")
        })
    }

    /// When a workflow is due next.
    pub fn next_due(&self, name: &WorkflowName) -> Option<Timestamp> {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner).next_due(name)
    }

    /// When every workflow that has a next time is due, earliest first.
    pub fn upcoming(&self) -> Vec<(Timestamp, WorkflowName)> {
        let instance = self.current.get();
        let planner = self.planner.lock().unwrap_or_else(PoisonError::into_inner);
        let next = |name: &WorkflowName| planner.next_due(name).map(|at| (at, name.clone()));
        let mut all: Vec<_> = instance.workflows.keys().filter_map(next).collect();
        drop(planner);
        all.sort_unstable();
        all
    }

    /// Whether the workers can go on: the store answers and nobody sits on the planner. Waits for both, so whoever asks
    /// for a watchdog is itself the measure.
    pub fn answers(&self) -> bool {
        drop(self.planner.lock().unwrap_or_else(PoisonError::into_inner));
        self.store.read().is_ok_and(|reader| view::freeze(&reader).is_ok())
    }

    /// Pauses a workflow, or resumes it with `None`.
    ///
    /// # Errors
    /// A sentence, when there is no such workflow or the store cannot take it.
    pub fn pause(&self, name: &str, reason: Option<String>) -> Result<(), String> {
        let workflow = self.workflow(name)?;
        // What has come due up to now is judged by how things stood when it did.
        self.plan().map_err(|e| e.to_string())?;
        let op = Op::Pause { workflow: name.into(), reason: reason.clone() };
        self.store.commit(Change::new(self.clock.now(), vec![op])).map_err(|e| e.to_string())?;
        let mut standing = self.board.standing(&workflow.name);
        if reason.is_none() {
            standing.failures = 0;
        }
        standing.paused = reason;
        self.board.set_standing(&workflow.name, standing);
        self.pulse.planner.ring();
        Ok(())
    }

    /// Reads the configuration again and puts it in force, if it has no error in it.
    ///
    /// # Errors
    /// Every problem; the configuration that was in force stays so.
    pub fn reload(&self) -> Result<Vec<Problem>, Vec<Problem>> {
        let Loaded { mut instance, store, socket, files, warnings } = config::load(&self.source.file, &self.source.base)?;
        let mut problems = warnings;
        let fixed = [
            ("[store] path", store != self.store.path()),
            ("[admin] socket", socket != self.source.socket),
            ("[scripts] folder", instance.scripts != self.source.root),
        ];
        for (what, _) in fixed.iter().filter(|(_, changed)| *changed) {
            let message = format!("{what} has changed, which a running daemon cannot take over.");
            problems.push(Problem::file(&self.source.file, message, "Restart Beffroi, or put the old value back."));
        }
        let internal = |error: CommitError| vec![Problem::file(&self.source.file, error.to_string(), "")];
        let (found, good) = check_scripts(&instance, &self.scripts, Some(&self.store)).map_err(internal)?;
        problems.extend(found);
        if any_error(&problems) {
            return Err(problems);
        }
        let mut with = good;
        with.extend(with_imports(&mut instance, &self.scripts));
        // The planner stands still meanwhile: no occurrence is planned by one configuration and run by half of another.
        let mut planner = self.planner.lock().unwrap_or_else(PoisonError::into_inner);
        planner.adopt(&instance, with).map_err(internal)?;
        name_versions(&mut instance, &self.plugins);
        self.secrets.set_folder(instance.secrets.clone());
        self.current.set(instance);
        drop(planner);
        *self.source.files.lock().unwrap_or_else(PoisonError::into_inner) = files;
        // What waited for an account or a person to come back is looked at again: only now, or it would find the old ones.
        if let Err(error) = self.store.commit(Change::new(self.clock.now(), vec![Op::Wake { target: None }])) {
            let message = format!("The configuration is in force, but what waited for it still waits: {error}");
            problems.push(Problem::file(&self.source.file, message, "Ask for it once more with 'beffroi reload'.").warning());
        }
        self.accounts.look_again();
        for bell in [&self.pulse.planner, &self.pulse.outbox, &self.pulse.accounts] {
            bell.ring();
        }
        self.pulse.tell("configuration", self.source.file.display(), "reloaded", "");
        Ok(problems)
    }
}

/// The daemon's threads.
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    scripts: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Waits for the end of every thread. Runs that still go on may finish within `grace`; then they are told to stop, and
    /// the ledger keeps them for the next start.
    pub fn join(self, engine: &Engine, grace: Duration) {
        for thread in self.threads {
            let _ = thread.join();
        }
        let begin = engine.clock.monotonic();
        let bell = crate::clock::Nudge::default();
        while self.scripts.iter().any(|t| !t.is_finished()) {
            if engine.clock.monotonic().saturating_sub(begin) >= grace {
                engine.board.cancel_running();
                break;
            }
            engine.clock.wait(&bell, Some(engine.clock.now().plus(Duration::from_millis(20))));
        }
        for thread in self.scripts {
            let _ = thread.join();
        }
    }
}
