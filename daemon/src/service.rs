//! The daemon as a service: ready, reload, watchdog, orderly end, and its log.
//!
//! In: a configuration file, signals, changes of files, a stop over the socket. Out: one exit status.
//! Never: does the work of the engine or of the admin socket, or uses any time while nothing happens.

mod log;
mod watch;

pub use log::start as start_log;

use crate::admin::{self, App, Phase, Reload, socket};
use crate::clock::{Dice, Nudge, SystemClock};
use crate::config::Base;
use crate::daemon::{Engine, Injected, Workers};
use crate::egress::{Egress, Rules};
use crate::instance::Instance;
use crate::store::Mode;
use anyhow::{Context, anyhow};
use sd_notify::NotifyState;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long runs may go on after a stop was asked for.
const GRACE: Duration = Duration::from_secs(30);
/// Threads that answer the admin socket.
const ADMIN_THREADS: usize = 2;
/// The most requests that wait for a disk at once.
const WAITING_THREADS: usize = 8;

/// What the daemon knows before it reads its configuration. Without `state` it is systemd's folder for it, else the
/// configuration's own folder.
pub fn base(state: Option<PathBuf>) -> Base {
    let given = || std::env::var("STATE_DIRECTORY").ok()?.split(':').next().filter(|s| !s.is_empty()).map(PathBuf::from);
    Base { state: state.or_else(given), builtin: Some(crate::sample::builtin) }
}

fn tell(state: &[NotifyState<'_>]) {
    // Without systemd this does nothing; with it, a lost message shows as a start that never becomes ready.
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("systemd cannot be told how the daemon is: {error}");
    }
}

fn rules(instance: &Instance) -> Rules {
    Rules { allow_private: instance.limits.allow_private.clone(), ..Rules::default() }
}

/// What is done once, beside everything else, when the daemon is ready.
pub type First = Box<dyn FnOnce(&Arc<Engine>) + Send>;

/// The real engine: the machine's clock, fair dice, HTTP to the outside.
///
/// # Errors
/// One sentence, or every problem of what people wrote.
pub fn engine(config: &Path, state: Option<PathBuf>) -> anyhow::Result<(Arc<Engine>, Arc<Egress>)> {
    let clock = Arc::new(SystemClock::new());
    let egress = Arc::new(Egress::new(&Rules::default(), clock.clone())?);
    let injected = Injected { clock, dice: Arc::new(Dice::fair()), network: egress.clone(), mode: Mode::Threaded };
    let engine = Engine::start(config, base(state), injected).map_err(|e| anyhow!("{e}"))?;
    egress.set_rules(&rules(&engine.current.get()))?;
    Ok((engine, egress))
}

/// Runs the daemon until it is asked to stop.
///
/// # Errors
/// One sentence, or every problem of what people wrote.
pub fn run(config: &Path, state: Option<PathBuf>, first: Option<First>) -> anyhow::Result<()> {
    let (engine, egress) = engine(config, state)?;
    let listening = socket::listen(engine.socket()).map_err(|text| anyhow!(text))?;
    let workers = engine.threads().context("The machine gives no more threads. Stop something else, or lower [limits] runs")?;
    let app = App::new(engine, reload(egress));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(ADMIN_THREADS)
        .max_blocking_threads(WAITING_THREADS)
        .thread_name("admin")
        .enable_all()
        .build()
        .context("The machine gives no more threads. Stop something else, then start again")?;
    let outcome = runtime.block_on(serve(&app, workers, &listening, first));
    drop(listening);
    runtime.shutdown_timeout(Duration::from_secs(1));
    tracing::info!("stopped");
    outcome
}

/// How a configuration is read again: systemd hears of it, and the network follows the new rules.
fn reload(egress: Arc<Egress>) -> Reload {
    Box::new(move |engine| {
        // systemd wants to know since when, on its own clock.
        tell(&[Some(NotifyState::Reloading), NotifyState::monotonic_usec_now().ok()].into_iter().flatten().collect::<Vec<_>>());
        let outcome = engine.reload();
        match &outcome {
            Ok(warnings) => {
                for warning in warnings {
                    tracing::warn!("{}", warning.render().trim_end());
                }
                if let Err(error) = egress.set_rules(&rules(&engine.current.get())) {
                    tracing::error!("{error} The rules for calls to the outside stay as they were.");
                }
                tracing::info!("configuration reloaded");
                tell(&[NotifyState::Ready, NotifyState::Status(&standing(engine))]);
            }
            Err(problems) => {
                for problem in problems {
                    tracing::error!("{}", problem.render().trim_end());
                }
                let text = "The new configuration has errors; the one before stays in force. See 'beffroi status'.";
                tracing::error!("{text}");
                tell(&[NotifyState::Ready, NotifyState::Status(text)]);
            }
        }
        outcome
    })
}

/// The one line that `systemctl status` shows.
fn standing(engine: &Engine) -> String {
    let instance = engine.current.get();
    let zone = instance.business.zone;
    let next = engine.upcoming().into_iter().next();
    let next = next.map(|(at, name)| format!(", next is {name} on {}", at.local(zone).format("%Y-%m-%d %H:%M")));
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!(
        "Ready: {}, {}{}.",
        plural(instance.workflows.len(), "workflow"),
        plural(instance.accounts.len(), "account"),
        next.unwrap_or_default()
    )
}

/// The signals that ask the daemon to end.
struct End {
    terminate: Signal,
    interrupt: Signal,
}

impl End {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// One of them.
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn serve(app: &Arc<App>, workers: Workers, listening: &socket::Listening, first: Option<First>) -> anyhow::Result<()> {
    let engine = app.engine.clone();
    let mut end = End::new().context("Signals cannot be received")?;
    let mut hangup = signal(SignalKind::hangup()).context("Signals cannot be received")?;
    let mut server = tokio::spawn({
        let app = app.clone();
        let listener =
            listening.server().with_context(|| format!("The admin socket {} cannot be used", listening.path().display()))?;
        async move { admin::serve(app, listener).await }
    });
    let (changes, mut changed) = tokio::sync::mpsc::channel(1);
    let mut watch = watch::Watch::new(changes);
    watch.follow(&engine);
    tracing::info!("admin socket {}", listening.path().display());
    let status = standing(&engine);
    tracing::info!("{status}");
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
    if let Some(first) = first {
        let engine = engine.clone();
        tokio::task::spawn_blocking(move || first(&engine));
    }
    feed_watchdog(&engine).context("The machine gives no more threads. Stop something else, then start again")?;
    let mut phase = app.phase();
    let failed = loop {
        tokio::select! {
            () = end.asked() => break None,
            stopping = phase.wait_for(|phase| *phase >= Phase::Stopping) => {
                drop(stopping);
                break None;
            }
            _ = hangup.recv() => again(app).await,
            Some(()) = changed.recv() => {
                // An editor writes in several steps; what counts is how the files are when it is done.
                while let Ok(Some(())) = tokio::time::timeout(watch::QUIET, changed.recv()).await {}
                again(app).await;
            }
            done = &mut server => break Some(done),
        }
        watch.follow(&engine);
    };
    app.enter(Phase::Stopping);
    tell(&[NotifyState::Stopping, NotifyState::Status("Stopping: runs that go on may finish.")]);
    tracing::info!("stopping");
    engine.begin_stop();
    let join = tokio::task::spawn_blocking({
        let engine = engine.clone();
        move || workers.join(&engine, GRACE)
    });
    tokio::select! {
        _ = join => {}
        () = end.asked() => {
            tracing::warn!("stopped at once; what was going on is taken up at the next start");
            listening.remove();
            // Everything that matters is on disk: this is what the ledger is for.
            std::process::exit(130);
        }
    }
    app.enter(Phase::Ended);
    if let Some(done) = failed {
        return done.context("The admin server has ended")?.context("The admin server has ended");
    }
    // Whoever keeps a connection open and silent does not keep the daemon.
    let _ = tokio::time::timeout(Duration::from_secs(2), &mut server).await;
    Ok(())
}

/// Reads the configuration again beside everything else.
async fn again(app: &Arc<App>) {
    let app = app.clone();
    // The problems are logged and kept for `status` where they are found.
    let _ = tokio::task::spawn_blocking(move || app.reload().is_ok()).await;
}

/// Tells systemd that the daemon lives, as long as its workers can go on. On a thread of its own, so that requests which wait
/// for a slow disk do not pass for a daemon that hangs.
fn feed_watchdog(engine: &Arc<Engine>) -> std::io::Result<()> {
    let Some(limit) = sd_notify::watchdog_enabled() else { return Ok(()) };
    let (engine, clock) = (Arc::downgrade(engine), engine.clock.clone());
    let feed = move || {
        let bell = Nudge::default();
        // The engine ends when its last owner lets go, which is not this thread.
        while let Some(engine) = engine.upgrade() {
            // When this waits for ever, nobody feeds the watchdog, and that is its purpose.
            if engine.answers() {
                tell(&[NotifyState::Watchdog]);
            }
            drop(engine);
            clock.wait(&bell, Some(clock.now().plus(limit / 2)));
        }
    };
    std::thread::Builder::new().name("watchdog".into()).spawn(feed).map(drop)
}
