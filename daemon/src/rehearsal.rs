//! The whole engine on a clock that is moved by hand, with a scripted network and seeded dice.
//!
//! In: a configuration file, a moment, a seed. Out: runs carried out and time passed exactly as the daemon would, with
//! nothing else going on: the same inputs give the same database, byte for byte of its content.
//! Never: waits, opens a socket, or looks at the machine's clock.

use crate::clock::{Clock, Dice, SimClock, Turn};
use crate::config::{Base, Loaded};
use crate::daemon::{Engine, Injected, StartError};
use crate::domain::{Json, RunId, Timestamp};
use crate::network::{Network, ScriptedNetwork};
use crate::store::view::RunDetail;
use crate::store::{Mode, view};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Turns without time passing after which something must be going round in circles.
const TURNS: u32 = 1_000_000;

/// An engine under the hand of whoever holds it.
pub struct Rehearsal<N = ScriptedNetwork> {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Its clock.
    pub clock: Arc<SimClock>,
    /// Its network.
    pub network: Arc<N>,
}

impl Rehearsal {
    /// Starts an engine that stands still at `now`.
    ///
    /// # Errors
    /// The same as for the daemon.
    pub fn start(config: &Path, base: Base, now: Timestamp, seed: u64) -> Result<Self, StartError> {
        Self::resume(config, base, Arc::new(SimClock::new(now)), Arc::new(ScriptedNetwork::new()), seed)
    }

    /// Starts an engine with a clock and a network that are there already: the same machine after a restart.
    ///
    /// # Errors
    /// The same as for the daemon.
    pub fn resume(
        config: &Path,
        base: Base,
        clock: Arc<SimClock>,
        network: Arc<ScriptedNetwork>,
        seed: u64,
    ) -> Result<Self, StartError> {
        let injected =
            Injected { clock: clock.clone(), dice: Arc::new(Dice::seeded(seed)), network: network.clone(), mode: Mode::Inline };
        let engine = Engine::start(config, base, injected)?;
        Ok(Self { engine, clock, network })
    }
}

impl<N: Network + 'static> Rehearsal<N> {
    /// Starts an engine whose database is in memory: it begins as the one that `loaded` names, and that one is never written.
    ///
    /// # Errors
    /// The same as for the daemon.
    pub fn imagine(
        config: &Path,
        base: Base,
        loaded: Loaded,
        now: Timestamp,
        network: Arc<N>,
        seed: u64,
    ) -> Result<Self, StartError> {
        let clock = Arc::new(SimClock::new(now));
        let injected =
            Injected { clock: clock.clone(), dice: Arc::new(Dice::seeded(seed)), network: network.clone(), mode: Mode::Imagined };
        let engine = Engine::start_with(config, base, loaded, injected)?;
        Ok(Self { engine, clock, network })
    }

    /// Lets every worker do what there is to do now. Gives back the next moment at which there will be something.
    ///
    /// # Errors
    /// A sentence from the store.
    pub fn settle(&self) -> Result<Option<Timestamp>, String> {
        for _ in 0..TURNS {
            if let Turn::Idle(next) = self.engine.turn().map_err(|e| e.to_string())? {
                return Ok(next);
            }
        }
        Err("The engine does not come to rest: something wakes something else for ever.".into())
    }

    /// Lets time pass, stopping at every moment at which something is to be done.
    ///
    /// # Errors
    /// A sentence from the store.
    pub fn advance(&self, span: Duration) -> Result<(), String> {
        self.advance_to(self.clock.now().plus(span))
    }

    /// The same, to a moment.
    ///
    /// # Errors
    /// A sentence from the store.
    pub fn advance_to(&self, end: Timestamp) -> Result<(), String> {
        loop {
            let next = self.settle()?;
            // Time never stands still between two rounds, whatever a worker asks for.
            let least = self.clock.now().plus(Duration::from_millis(1));
            match next {
                Some(at) if at <= end => self.clock.set(at.max(least)),
                _ => {
                    self.clock.set(end.max(self.clock.now()));
                    self.settle()?;
                    return Ok(());
                }
            }
        }
    }

    /// Runs a workflow now and gives back what came of it. Only the run: nothing is delivered before [`Rehearsal::settle`].
    ///
    /// # Errors
    /// A sentence: there is no such workflow, or the store fails.
    pub fn run(&self, workflow: &str, payload: Option<Json>) -> Result<RunDetail, String> {
        let ended: Arc<Mutex<Option<RunId>>> = Arc::default();
        let seen = ended.clone();
        let waiter = Box::new(move |id| *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(id));
        let id = self.engine.run_now(workflow, payload, waiter)?;
        for _ in 0..TURNS {
            if ended.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                break;
            }
            if self.engine.run_turn() != Turn::Did {
                return Err(format!("The run {id} did not come to an end."));
            }
        }
        let reader = self.engine.store.read().map_err(|e| e.to_string())?;
        view::run(&reader, id).map_err(|e| e.to_string())?.ok_or_else(|| format!("The run {id} left no row."))
    }
}
