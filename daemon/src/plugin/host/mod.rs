//! Runs plugins: the only place that names the machine they run on.
//!
//! In: a component with its manifest, and a call with what it is for. Out: the plugin's answer, or why there is none; what it
//! wrote, sent and wants remembered.
//! Never: keeps anything of one call for another: each begins in fresh memory.

mod cache;
mod contract;
mod desk;
mod drive;
mod http;
mod inside;
mod media;
mod sandbox;
mod state;
mod stops;
#[cfg(test)]
mod tests;
mod welcome;

pub(super) use contract::{abilities, wire};
pub(super) use inside::Inside;
pub(super) use media::{Asset, open as open_media};
pub(super) use sandbox::{masked, one_line, steers};
/// What a function of the machine gives.
pub(super) type Outcome<T> = wasmtime::Result<T>;
pub use sandbox::{Line, Weight};
pub use stops::Stopped;
pub(super) use wasmtime::{Store, component::Instance};
pub use welcome::{API, Refused};

use crate::clock::{Clock, SystemClock};
use crate::domain::{Digest, Json, Language, Timestamp, Zone};
use crate::instance::PluginUse;
use crate::kinds::{Call, PrivateWrite};
use crate::network::{Place, Reach};
use crate::plugin::manifest::{Credential, Manifest, covers};
use crate::plugin::rights::{Force, desk_allows};
use crate::run::function::{Desk, Function};
use crate::secrets::{SecretUse, Secrets};
use crate::store::Store as Database;
use cache::Cache;
use desk::AtDesk;
use drive::{Places, Ticker, drive};
use http::{Budget, Errands};
use sandbox::{Lines, Writer};
use state::State;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use stops::OutOfTime;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, UpdateDeadline};

/// Calls of adapters that may go on at once; more wait.
const CALLS: usize = 32;
/// Runs of workflows that may go on at once. They have places of their own, for a run may call a plugin in its turn.
const RUNS: usize = 32;
/// The most memory that any plugin can have, whatever manifest and configuration say.
const MEMORY: usize = 1 << 30;
/// Bytes of a released memory that are cleared rather than given back: what most calls touch.
const WARM: usize = 256 << 10;

/// The machine, made when the first plugin is loaded: a daemon without plugins does not pay for it.
pub struct Host {
    table: &'static [Function],
    cache: Option<PathBuf>,
    database: Option<Arc<Database>>,
    secrets: Option<Arc<Secrets>>,
    works: Mutex<Option<Arc<Works>>>,
}

struct Works {
    engine: Engine,
    linker: Linker<Inside>,
    cache: Option<Cache>,
    ticker: Ticker,
    /// Where the timers of sleeping plugins are.
    runtime: tokio::runtime::Runtime,
    calls: Places,
    runs: Places,
    clock: Arc<SystemClock>,
}

impl Works {
    fn start(table: &'static [Function], cache: Option<PathBuf>) -> wasmtime::Result<Self> {
        let engine = Engine::new(&config(true)).or_else(|error| {
            // A machine that limits address space has no room for a pool.
            tracing::warn!("plugins start more slowly than they could: {error:#}");
            Engine::new(&config(false))
        })?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        fn itself(inside: &mut Inside) -> &mut Inside {
            inside
        }
        wire::types::add_to_linker::<_, HasSelf<Inside>>(&mut linker, itself)?;
        wire::post_types::add_to_linker::<_, HasSelf<Inside>>(&mut linker, itself)?;
        wire::run::add_to_linker::<_, HasSelf<Inside>>(&mut linker, itself)?;
        wire::log::add_to_linker::<_, HasSelf<Inside>>(&mut linker, itself)?;
        wire::settings::add_to_linker::<_, HasSelf<Inside>>(&mut linker, itself)?;
        wire::state::add_to_linker::<_, HasSelf<Inside>>(&mut linker, itself)?;
        wire::media::add_to_linker::<_, HasSelf<Inside>>(&mut linker, itself)?;
        wire::http::add_to_linker::<_, HasSelf<Inside>>(&mut linker, itself)?;
        desk::link(&mut linker, table)?;
        let ticker = Ticker::start(engine.weak())?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("plugin-timers").enable_time().build()?;
        let cache = cache.map(|folder| Cache::new(folder, &engine));
        let (calls, runs, clock) = (Places::new(CALLS), Places::new(RUNS), Arc::new(SystemClock::new()));
        Ok(Self { engine, linker, cache, ticker, runtime, calls, runs, clock })
    }
}

fn config(pool: bool) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true).epoch_interruption(true);
    if pool {
        let places = u32::try_from(CALLS + RUNS).expect("there are few places");
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(places)
            .total_stacks(places)
            .total_memories(places * 2)
            .total_tables(places * 4)
            .total_core_instances(places * 32)
            .max_memory_size(MEMORY)
            .table_elements(sandbox::TABLE)
            .max_unused_warm_slots(4)
            .linear_memory_keep_resident(WARM)
            .table_keep_resident(16 << 10)
            .async_stack_keep_resident(16 << 10);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// What a plugin is at work for, settled once for all its calls.
#[derive(Debug)]
pub struct Duty {
    /// As the configuration has it.
    pub used: PluginUse,
    /// The plugin's name, for logs.
    plugin: Arc<str>,
    /// The settings as one JSON object, complete.
    settings: String,
    secrets: SecretUse,
    reach: Arc<Reach>,
    /// What it may do and use up.
    pub force: Force,
}

impl Duty {
    /// A duty with settings that were checked and completed.
    pub fn new(used: PluginUse, settings: Json, force: Force, language: Language) -> Self {
        Self {
            plugin: used.plugin.as_str().into(),
            settings: settings.to_string(),
            secrets: SecretUse::of(&used, Arc::new(settings), language),
            reach: Arc::new(force.reach.clone()),
            used,
            force,
        }
    }

    /// A credential as far as it is in force: bound to hosts, not to wishes.
    fn credential(&self, asked: &Credential) -> Option<Credential> {
        let granted = self.force.credentials.iter().find(|granted| granted.name == asked.name)?;
        Some(Credential { hosts: granted.hosts.iter().cloned().collect(), ..asked.clone() })
    }

    /// A host of a credential in force as a place.
    fn place(&self, host: &str) -> Vec<Place> {
        let plain = self.reach.places.iter().any(|place| place.plain && covers(&place.host, host));
        vec![Place { host: host.to_owned(), plain, methods: Vec::new(), paths: Vec::new() }]
    }

    /// How the owner calls what it is for: `bluesky` of `account:bluesky`.
    pub fn name(&self) -> &str {
        self.used.scope.split_once(':').map_or(&*self.used.scope, |(_, name)| name)
    }
}

/// Facts of one call.
struct Facts {
    id: String,
    attempt: u32,
    now: Timestamp,
    zone: Zone,
    language: Language,
}

/// How a call is to go on.
#[derive(Default)]
pub(super) struct Terms {
    /// Files of the post in hand.
    pub(super) media: Vec<Asset>,
    /// Whether it must do without the network.
    pub(super) offline: bool,
    /// The desk of the run.
    pub(super) desk: Option<Box<dyn Desk>>,
}

/// What a call used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Bytes of memory at its end.
    pub memory: usize,
    /// Requests sent.
    pub requests: u32,
    /// Bytes sent and received.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
    /// How much of that was waiting for answers.
    pub waited: Duration,
}

/// What came of a call.
pub(super) struct Done<R> {
    pub(super) answer: Result<R, Stopped>,
    /// What it wants remembered, if the call has succeeded.
    pub(super) written: Vec<PrivateWrite>,
    pub(super) lines: Vec<Line>,
    pub(super) used: Used,
    /// Whether something left that a remote may have acted on.
    pub(super) acted: bool,
    pub(super) desk: Option<Box<dyn Desk>>,
}

/// A plugin that is ready to be called.
pub struct Loaded {
    works: Arc<Works>,
    database: Option<Arc<Database>>,
    pre: InstancePre<Inside>,
    /// What it says of itself.
    pub manifest: Arc<Manifest>,
    /// The package's digest.
    pub digest: Digest,
    pub(super) can: Abilities,
    table: &'static [Function],
    secrets: Option<Arc<Secrets>>,
}

/// Where each ability is found in an instance.
pub(super) struct Abilities {
    pub(super) plugin: abilities::plugin::GuestIndices,
    pub(super) publish: Option<abilities::publish::GuestIndices>,
    pub(super) prepare: Option<abilities::prepare::GuestIndices>,
    pub(super) lookup: Option<abilities::lookup::GuestIndices>,
    pub(super) unpublish: Option<abilities::unpublish::GuestIndices>,
    pub(super) metrics: Option<abilities::metrics::GuestIndices>,
    pub(super) inbox: Option<abilities::inbox::GuestIndices>,
    pub(super) feed: Option<abilities::feed::GuestIndices>,
    pub(super) stock: Option<abilities::stock::GuestIndices>,
    pub(super) generate: Option<abilities::generate::GuestIndices>,
    pub(super) notify: Option<abilities::notify::GuestIndices>,
    pub(super) workflow: Option<abilities::workflow::GuestIndices>,
}

impl Host {
    /// A host that offers these functions at its desk, keeps compiled plugins in this folder, reads private state from this
    /// database, and has these secrets put to requests. Nothing is started before the first plugin is loaded.
    pub fn new(
        table: &'static [Function],
        cache: Option<PathBuf>,
        database: Option<Arc<Database>>,
        secrets: Option<Arc<Secrets>>,
    ) -> Self {
        Self { table, cache, database, secrets, works: Mutex::new(None) }
    }

    fn works(&self) -> Result<Arc<Works>, Refused> {
        let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(works) = &*works {
            return Ok(works.clone());
        }
        let started = Works::start(self.table, self.cache.clone()).map_err(|error| {
            Refused::new(
                format!("Les plugins ne peuvent pas tourner sur cette machine : {error:#}."),
                format!("Plugins cannot run on this machine: {error:#}."),
            )
        })?;
        Ok(works.insert(Arc::new(started)).clone())
    }

    /// Loads a plugin: from the cache if it was compiled before, else from its bytes, which are only then asked for.
    ///
    /// # Errors
    /// A sentence: the file is no plugin, or not one for this daemon.
    pub fn load(
        &self,
        manifest: Arc<Manifest>,
        digest: Digest,
        wasm: impl FnOnce() -> std::io::Result<Vec<u8>>,
    ) -> Result<Loaded, Refused> {
        let works = self.works()?;
        let engine = &works.engine;
        let found = works.cache.as_ref().and_then(|cache| cache.find(&digest, engine));
        let component = match found {
            Some(component) => component,
            None => {
                let wasm = wasm().map_err(|error| {
                    Refused::new(
                        format!("Le fichier du plugin {} ne se lit pas ({error}). Réinstallez-le.", manifest.name),
                        format!("The file of the plugin {} cannot be read ({error}). Install it again.", manifest.name),
                    )
                })?;
                welcome::welcome(&welcome::outline(&wasm)?)?;
                let started = works.clock.monotonic();
                let compiled = match &works.cache {
                    Some(cache) => cache.compile(&digest, engine, &wasm),
                    None => Component::new(engine, &wasm),
                };
                let component = compiled.map_err(|error| {
                    tracing::debug!(plugin = %manifest.name, "{error:?}");
                    welcome::uncompiled(&wasm)
                })?;
                let took = works.clock.monotonic().saturating_sub(started);
                tracing::info!(plugin = %manifest.name, millis = took.as_millis(), "compiled");
                component
            }
        };
        let kind = component.component_type();
        let names = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect();
        welcome::welcome(&welcome::Outline {
            imports: names(&mut kind.imports(engine).map(|(name, _)| name)),
            exports: names(&mut kind.exports(engine).map(|(name, _)| name)),
        })?;
        let misfit = |error: wasmtime::Error| {
            tracing::debug!(plugin = %manifest.name, "{error:?}");
            Refused::new(
                format!(
                    "Ce plugin a été fait pour une autre édition de l'API {API} que celle de ce démon. Mettez à jour le démon, ou demandez à l'auteur de le reconstruire."
                ),
                format!(
                    "This plugin was made for another edition of API {API} than this daemon's. Update the daemon, or ask the author to build it again."
                ),
            )
        };
        if let Some(needs) = component.resources_required() {
            let tables = needs.max_initial_table_size.unwrap_or_default();
            if needs.num_memories > sandbox::PARTS || needs.num_tables > sandbox::PARTS || tables > sandbox::TABLE as u64 {
                return Err(welcome::too_much());
            }
        }
        let pre = works.linker.instantiate_pre(&component).map_err(misfit)?;
        let can = Abilities {
            plugin: abilities::plugin::GuestIndices::new(&pre).map_err(misfit)?,
            publish: abilities::publish::GuestIndices::new(&pre).ok(),
            prepare: abilities::prepare::GuestIndices::new(&pre).ok(),
            lookup: abilities::lookup::GuestIndices::new(&pre).ok(),
            unpublish: abilities::unpublish::GuestIndices::new(&pre).ok(),
            metrics: abilities::metrics::GuestIndices::new(&pre).ok(),
            inbox: abilities::inbox::GuestIndices::new(&pre).ok(),
            feed: abilities::feed::GuestIndices::new(&pre).ok(),
            stock: abilities::stock::GuestIndices::new(&pre).ok(),
            generate: abilities::generate::GuestIndices::new(&pre).ok(),
            notify: abilities::notify::GuestIndices::new(&pre).ok(),
            workflow: abilities::workflow::GuestIndices::new(&pre).ok(),
        };
        let (database, secrets) = (self.database.clone(), self.secrets.clone());
        Ok(Loaded { works, database, secrets, pre, manifest, digest, can, table: self.table })
    }

    /// Removes compiled plugins that none of these packages need.
    pub fn tidy(&self, digests: &[Digest]) {
        // Not by way of `works`: to tidy up is no reason to start the machine.
        let works = self.works.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (works, &self.cache) {
            (Some(works), _) => works.cache.iter().for_each(|cache| cache.keep_only(digests)),
            // Nothing was loaded.
            (None, Some(folder)) => cache::keep_only(folder, &[]),
            (None, None) => {}
        }
    }

    /// Whether the machine has been started.
    #[cfg(test)]
    pub(crate) fn is_started(&self) -> bool {
        self.works.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Loaded {
    /// Names of what it can do: `publish`, `feed`, …
    pub fn abilities(&self) -> Vec<&'static str> {
        let c = &self.can;
        let all = [
            ("publish", c.publish.is_some()),
            ("prepare", c.prepare.is_some()),
            ("lookup", c.lookup.is_some()),
            ("unpublish", c.unpublish.is_some()),
            ("metrics", c.metrics.is_some()),
            ("inbox", c.inbox.is_some()),
            ("feed", c.feed.is_some()),
            ("stock", c.stock.is_some()),
            ("generate", c.generate.is_some()),
            ("notify", c.notify.is_some()),
            ("workflow", c.workflow.is_some()),
        ];
        all.into_iter().filter(|(_, can)| *can).map(|(name, _)| name).collect()
    }

    /// Which functions of the table it may call.
    fn covered(&self, duty: &Duty) -> Arc<[bool]> {
        self.table.iter().map(|function| desk_allows(&duty.force.desk, &function.full_name())).collect()
    }

    /// Time since the machine was started, by the real clock.
    pub(super) fn elapsed(&self) -> Duration {
        self.works.clock.monotonic()
    }

    /// Calls the plugin in fresh memory, on this thread.
    pub(super) fn call<R>(
        &self,
        duty: &Arc<Duty>,
        call: &Call<'_>,
        terms: Terms,
        work: impl AsyncFnOnce(&mut Store<Inside>, &Instance) -> wasmtime::Result<R>,
    ) -> Done<R> {
        let works = &*self.works;
        let limits = &duty.force.limits;
        let limit = limits.time.min(call.time);
        let places = if terms.desk.is_some() { &works.runs } else { &works.calls };
        let Some(_place) = places.take(limit) else {
            let (lines, used) = Default::default();
            return Done { answer: Err(Stopped::Busy), written: Vec::new(), lines, used, acted: false, desk: terms.desk };
        };
        let _going = works.ticker.going();
        let _timers = works.runtime.enter();
        let started = works.clock.monotonic();
        let until = started + limit;
        let owner = duty.plugin.clone();
        let scope = duty.used.scope.clone();
        let lines = Lines::new(Writer { plugin: owner.clone(), scope: scope.clone() }, limits.log_lines);
        let errands = Errands::default();
        let now = Duration::from_millis(u64::try_from(call.now.millis()).unwrap_or_default());
        let inside = Inside {
            wasi: sandbox::wasi(&lines, now, seed(&owner, call.id)),
            table: wasmtime::component::ResourceTable::new(),
            ceiling: sandbox::Ceiling::new(limits.memory.min(MEMORY)),
            manifest: self.manifest.clone(),
            duty: duty.clone(),
            secrets: self.secrets.clone(),
            facts: Facts {
                id: call.id.to_owned(),
                attempt: call.attempt,
                now: call.now,
                zone: call.zone,
                language: call.language,
            },
            lines: lines.clone(),
            state: State::new(self.database.clone(), owner.clone(), scope.clone(), call.keep.of(&owner, &scope)),
            media: terms.media,
            http: Budget { closed: terms.offline, ..Budget::default() },
            errands: errands.clone(),
            desk: terms.desk.map(|desk| AtDesk::new(desk, self.covered(duty))),
            clock: works.clock.clone(),
            until,
        };
        let mut store = Store::new(&works.engine, inside);
        store.limiter(|inside| &mut inside.ceiling);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            let inside = context.data();
            if inside.left().is_zero() {
                return Err(wasmtime::Error::new(OutOfTime));
            }
            match inside.desk.as_ref().and_then(AtDesk::stop) {
                Some(stop) => Err(wasmtime::Error::new(desk::Ends(stop))),
                None => Ok(UpdateDeadline::Continue(1)),
            }
        });
        let answer = {
            let mut guest = pin!(async {
                let instance = self.pre.instantiate_async(&mut store).await?;
                work(&mut store, &instance).await
            });
            drive(&works.clock, until, |context| {
                loop {
                    match guest.as_mut().poll(context) {
                        Poll::Pending if errands.run(call, duty, self.secrets.as_deref()) => {}
                        other => return other,
                    }
                }
            })
        };
        let inside = store.into_data();
        lines.end();
        let answer = match answer {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => {
                tracing::debug!(plugin = &*owner, "{error:?}");
                Err(Stopped::of(&error, &inside, limit))
            }
            None => Err(Stopped::Time(limit, inside.http.waited)),
        };
        let used = Used {
            memory: inside.ceiling.used(),
            requests: inside.http.requests,
            bytes: inside.http.bytes,
            took: works.clock.monotonic().saturating_sub(started),
            waited: inside.http.waited,
        };
        let untold = lines.untold();
        Done {
            answer,
            written: inside.state.written(),
            lines: lines.all(),
            used,
            acted: inside.http.acted,
            desk: inside.desk.map(|at| at.leave(&untold)),
        }
    }
}

/// The same for every attempt at the same thing.
fn seed(plugin: &str, id: &str) -> u64 {
    let digest = Digest::of(format!("{plugin}/{id}").as_bytes());
    u64::from_le_bytes(digest.0[..8].try_into().expect("a digest has more than eight bytes"))
}
