//! What is going on, for those who watch: a stream of happenings, counters, and the doorbells of the workers.
//!
//! In: a word from whoever did something. Out: events for listeners, numbers for the metrics page, wake-ups.
//! Never: carries work. Nothing is lost when nobody listens: the database says what there is to do.

use crate::clock::Nudge;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::broadcast;

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
pub struct Happening {
    /// `run`, `post`, `notice`, `workflow`, `configuration`, `freeze`…
    pub kind: &'static str,
    /// Which one: a run's or delivery's number, a workflow's name.
    pub id: String,
    /// What happened to it, such as `done` or `online`.
    pub what: String,
    /// One sentence for people, may be empty.
    pub text: String,
}

/// Upper bounds of the buckets of [`Timing`], in milliseconds.
const BOUNDS: [u64; 10] = [1, 3, 10, 30, 100, 300, 1_000, 10_000, 60_000, 600_000];

/// A histogram of spans.
#[derive(Debug, Default)]
pub struct Timing {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    sum: AtomicU64,
}

impl Timing {
    /// Adds one span.
    pub fn add(&self, span: std::time::Duration) {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        if let Some(at) = BOUNDS.iter().position(|bound| millis <= *bound) {
            self.buckets[at].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(millis, Ordering::Relaxed);
    }

    /// Bounds in milliseconds with the number of spans up to each, then the number and the sum of all.
    pub fn read(&self) -> (Vec<(u64, u64)>, u64, u64) {
        let mut below = 0;
        let mut bucket = |(at, bound): (usize, &u64)| {
            below += self.buckets[at].load(Ordering::Relaxed);
            (*bound, below)
        };
        let buckets = BOUNDS.iter().enumerate().map(&mut bucket).collect();
        (buckets, self.count.load(Ordering::Relaxed), self.sum.load(Ordering::Relaxed))
    }
}

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Meters {
    /// Runs by how their attempt ended: `done`, `failed`, `cancelled`, `retried`, `redone`.
    runs: Mutex<BTreeMap<&'static str, u64>>,
    /// Deliveries by the state they reached.
    deliveries: Mutex<BTreeMap<&'static str, u64>>,
    /// From due to started, for scheduled runs.
    pub start_lag: Timing,
    /// From started to committed.
    pub run_time: Timing,
}

impl Meters {
    /// Counts the end of an attempt.
    pub fn run(&self, how: &'static str) {
        *self.runs.lock().unwrap_or_else(PoisonError::into_inner).entry(how).or_default() += 1;
    }

    /// Counts a delivery's new state.
    pub fn delivery(&self, state: &'static str) {
        *self.deliveries.lock().unwrap_or_else(PoisonError::into_inner).entry(state).or_default() += 1;
    }

    /// Runs by how they ended, deliveries by state.
    pub fn read(&self) -> (BTreeMap<&'static str, u64>, BTreeMap<&'static str, u64>) {
        let copy = |m: &Mutex<BTreeMap<&'static str, u64>>| m.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (copy(&self.runs), copy(&self.deliveries))
    }
}

/// The pulse of one daemon.
#[derive(Debug)]
pub struct Pulse {
    happenings: broadcast::Sender<Happening>,
    /// Counters.
    pub meters: Meters,
    /// Rung when there may be something to deliver.
    pub outbox: Nudge,
    /// Rung when the schedules may have changed.
    pub planner: Nudge,
    /// Rung when the daemon ends.
    pub collector: Nudge,
    /// Rung when accounts may be read anew.
    pub accounts: Nudge,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            happenings: broadcast::channel(256).0,
            meters: Meters::default(),
            outbox: Nudge::default(),
            planner: Nudge::default(),
            collector: Nudge::default(),
            accounts: Nudge::default(),
        }
    }
}

impl Pulse {
    /// Tells whoever listens. Costs next to nothing when nobody does.
    pub fn tell(&self, kind: &'static str, id: impl ToString, what: impl ToString, text: impl ToString) {
        if self.happenings.receiver_count() > 0 {
            let happening = Happening { kind, id: id.to_string(), what: what.to_string(), text: text.to_string() };
            // Nobody listening any more is no error.
            let _ = self.happenings.send(happening);
        }
    }

    /// Listens from now on. A slow listener is told how much it missed, and delays nobody.
    pub fn listen(&self) -> broadcast::Receiver<Happening> {
        self.happenings.subscribe()
    }
}
