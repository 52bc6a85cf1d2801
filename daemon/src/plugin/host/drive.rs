//! Drives a call to its end on the thread that made it, and no longer than it may take.
//!
//! In: a future and a moment. Out: what the future gave, or nothing when the moment came first.
//! Never: makes the calling thread part of a runtime: what serves a plugin's requests may start one of its own there.

use crate::clock::{Clock, SystemClock};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;
use wasmtime::EngineWeak;

/// How often a plugin that computes is asked whether its time is up.
const TICK: Duration = Duration::from_millis(10);
/// Ticks without any call after which the ticker rests.
const LINGER: u32 = 100;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls until there is an answer or `until` has come.
pub(super) fn drive<T>(clock: &SystemClock, until: Duration, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(answer) = poll(&mut context) {
            return Some(answer);
        }
        let left = until.saturating_sub(clock.monotonic());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}

/// Counts up the engine's epoch while calls are going on. Without calls its thread rests.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    calls: AtomicUsize,
    resting: AtomicBool,
    closing: AtomicBool,
}

/// A call that goes on.
pub(super) struct Going<'a>(&'a Shared);

impl Ticker {
    pub(super) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let inner = shared.clone();
        let thread = std::thread::Builder::new().name("plugin-ticks".into()).spawn(move || inner.tick(&engine))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn going(&self) -> Going<'_> {
        self.shared.calls.fetch_add(1, Ordering::SeqCst);
        if self.shared.resting.swap(false, Ordering::SeqCst)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
        Going(&self.shared)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread only sleeps and counts; when it panicked there is nothing left to end.
            drop(thread.join());
        }
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn tick(&self, engine: &EngineWeak) {
        let mut quiet = 0;
        while !self.closing.load(Ordering::SeqCst) {
            std::thread::park_timeout(TICK);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
            drop(engine);
            quiet = if self.calls.load(Ordering::SeqCst) == 0 { quiet + 1 } else { 0 };
            if quiet < LINGER {
                continue;
            }
            quiet = 0;
            self.resting.store(true, Ordering::SeqCst);
            // A call that began in between has seen `resting` or is seen here.
            while self.resting.load(Ordering::SeqCst)
                && self.calls.load(Ordering::SeqCst) == 0
                && !self.closing.load(Ordering::SeqCst)
            {
                std::thread::park();
            }
            self.resting.store(false, Ordering::SeqCst);
        }
    }
}

/// Places for calls that go on at once: whoever finds none waits.
pub(super) struct Places {
    free: Mutex<usize>,
    bell: Condvar,
}

/// A place that is taken.
pub(super) struct Place<'a>(&'a Places);

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), bell: Condvar::new() }
    }

    /// Takes a place; nothing when there was none for this long.
    pub(super) fn take(&self, patience: Duration) -> Option<Place<'_>> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut free, _) =
            self.bell.wait_timeout_while(free, patience, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        if *free == 0 {
            return None;
        }
        *free -= 1;
        Some(Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.bell.notify_one();
    }
}
