//! The only time, the only chance and the only way to wait.
//!
//! In: the machine's clock, or a simulated one; a seed. Out: instants, numbers, wake-ups.
//! Never: decides anything. Everything else takes these as arguments, so that a test, a preview or
//! a replay can put its own in their place.

use crate::domain::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What time it is.
pub trait Clock: Send + Sync {
    /// Wall-clock time.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary start, never going back: for deadlines and measurements.
    fn monotonic(&self) -> Duration;

    /// Waits until `nudge` is rung or `until` is reached, whichever comes first.
    fn wait(&self, nudge: &Nudge, until: Option<Timestamp>);
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// The longest wait in one go: after a jump of the machine's clock, due work is seen at most this late.
    const LONGEST_WAIT: Duration = Duration::from_secs(30);

    /// A clock whose monotonic time starts now.
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from(chrono::Utc::now())
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn wait(&self, nudge: &Nudge, until: Option<Timestamp>) {
        let span = until.map_or(Self::LONGEST_WAIT, |t| {
            // Timestamps are cut to whole milliseconds; one more makes sure the instant has come.
            let left = t.since(self.now());
            if left.is_zero() { left } else { (left + Duration::from_millis(1)).min(Self::LONGEST_WAIT) }
        });
        nudge.wait_at_most(span);
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct SimClock {
    start: Timestamp,
    now: AtomicI64,
}

impl SimClock {
    /// A clock standing at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self { start, now: AtomicI64::new(start.millis()) }
    }

    /// Moves the clock; backwards too, as machines' clocks do.
    pub fn set(&self, to: Timestamp) {
        self.now.store(to.millis(), Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.now().since(self.start)
    }

    /// Returns at once: who drives the simulation decides when time passes.
    fn wait(&self, _nudge: &Nudge, _until: Option<Timestamp>) {}
}

/// What one turn of a worker came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It did something; there may be more.
    Did,
    /// There is nothing to do before this moment, or before the next nudge.
    Idle(Option<Timestamp>),
}

/// A doorbell without a message: who is woken looks at the database to see what there is to do.
#[derive(Debug, Default)]
pub struct Nudge {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Nudge {
    /// Wakes one waiter, now or at its next wait.
    pub fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }

    fn wait_at_most(&self, span: Duration) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        if !*rung && !span.is_zero() {
            rung = self.bell.wait_timeout_while(rung, span, |rung| !*rung).unwrap_or_else(PoisonError::into_inner).0;
        }
        *rung = false;
    }
}

/// The one source of chance, seeded: the same seed gives the same numbers in the same order.
#[derive(Debug)]
pub struct Dice(Mutex<fastrand::Rng>);

impl Dice {
    /// Dice that fall the same way for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// Dice seeded by the operating system.
    pub fn fair() -> Self {
        Self(Mutex::new(fastrand::Rng::new()))
    }

    /// A number from 0 to `below` - 1; 0 when `below` is 0.
    pub fn below(&self, below: u64) -> u64 {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if below == 0 { 0 } else { rng.u64(0..below) }
    }

    /// Any 64-bit number.
    pub fn any(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).u64(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the test measures real waiting")]
    fn a_nudge_rung_before_the_wait_is_not_lost() {
        let nudge = Nudge::default();
        nudge.ring();
        let before = Instant::now();
        nudge.wait_at_most(Duration::from_secs(20));
        assert!(before.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn the_same_seed_falls_the_same_way() {
        let throw = |seed| {
            let dice = Dice::seeded(seed);
            (0..8).map(|_| dice.below(100)).collect::<Vec<_>>()
        };
        assert_eq!(throw(7), throw(7));
        assert_ne!(throw(7), throw(8));
    }

    #[test]
    fn a_simulated_clock_stands_still_and_may_go_back() {
        let clock = SimClock::new(Timestamp::from_millis(1_000));
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now().millis(), 6_000);
        clock.set(Timestamp::from_millis(500));
        assert_eq!((clock.now().millis(), clock.monotonic()), (500, Duration::ZERO));
    }
}
