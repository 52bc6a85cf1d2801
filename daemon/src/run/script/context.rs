//! The run that the current thread is executing: its desk, its limits, and whether it has been stopped.
//!
//! In: limits, a desk, the modules its script imports. Out: the one place that host functions and the engine's progress
//! callback ask. A stop is remembered here: scripts can catch errors, and callbacks of lists can swallow them, but once
//! stopped every operation fails until the script is out.
//! Never: lets a stopped run call its desk.

use super::memory::{self, Gauge};
use crate::run::function::{Desk, Level, Refusal, Stop};
use rhai::{Dynamic, EvalAltResult, Module, Position, Shared};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// What one execution may use. Time and the number of calls are the desk's to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Script operations.
    pub operations: u64,
    /// Bytes of memory.
    pub memory: usize,
}

/// Separate allocations a run may hold at once. It bounds how deeply a value can be nested (each level takes at least
/// two), and with it the stack that copying or dropping the value needs; see [`super::STACK`].
pub(super) const PIECES: usize = 500_000;

/// The desk is asked whether to stop once in so many operations.
const ASK_EVERY: u64 = 32;

/// Imported files, by the path a script imports them under.
pub(super) type Modules = BTreeMap<String, Shared<Module>>;

/// One run on its thread.
pub(super) struct Run {
    limits: Limits,
    gauge: Cell<Gauge>,
    stopped: Cell<bool>,
    stop: RefCell<Option<Stop>>,
    operations: Cell<u64>,
    peak: Cell<usize>,
    steps: Cell<u32>,
    desk: RefCell<Option<Box<dyn Desk>>>,
    modules: Arc<Modules>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Run>>> = const { RefCell::new(None) };
}

/// Makes a run the thread's current one until dropped; then the one before is current again.
pub(super) struct Entered {
    outer: Option<Rc<Run>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.replace(self.outer.take());
    }
}

/// The run of this thread.
pub(super) fn current() -> Option<Rc<Run>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Called by the engine before every operation: `Some` ends the script.
#[inline]
pub(super) fn tick() -> Option<Dynamic> {
    CURRENT.with_borrow(|run| match run {
        Some(run) if run.tick() => Some(Dynamic::UNIT),
        _ => None,
    })
}

/// The error that unwinds a stopped script.
pub(super) fn terminated(position: Position) -> Box<EvalAltResult> {
    EvalAltResult::ErrorTerminated(Dynamic::UNIT, position).into()
}

/// An error with a sentence, which a script may catch.
pub(super) fn sentence(text: impl Into<String>, position: Position) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(text.into().into(), position).into()
}

impl Run {
    pub(super) fn new(limits: Limits, desk: Option<Box<dyn Desk>>, modules: Arc<Modules>) -> Rc<Self> {
        Rc::new(Self {
            limits,
            gauge: Cell::new(Gauge::start()),
            stopped: Cell::new(false),
            stop: RefCell::new(None),
            operations: Cell::new(0),
            peak: Cell::new(0),
            steps: Cell::new(0),
            desk: RefCell::new(desk),
            modules,
        })
    }

    pub(super) fn enter(self: &Rc<Self>) -> Entered {
        Entered { outer: CURRENT.replace(Some(Rc::clone(self))) }
    }

    /// Counts an operation; true when the run is stopped.
    fn tick(&self) -> bool {
        if self.stopped.get() {
            return true;
        }
        let operations = self.operations.get() + 1;
        self.operations.set(operations);
        if operations > self.limits.operations {
            self.halt(Stop::Operations(self.limits.operations));
        } else if operations.is_multiple_of(ASK_EVERY) {
            self.ask();
        }
        self.over()
    }

    fn ask(&self) {
        let stop = match self.desk.try_borrow() {
            Ok(desk) => desk.as_ref().and_then(|desk| desk.stop()),
            Err(_) => None,
        };
        if let Some(stop) = stop {
            self.halt(stop);
        }
    }

    /// Whether the run is stopped, after a look at its memory. Long work of host functions asks this as it goes.
    #[inline]
    pub(super) fn over(&self) -> bool {
        if self.stopped.get() {
            return true;
        }
        let (bytes, pieces) = self.gauge.get().taken();
        if bytes > self.peak.get() {
            self.peak.set(bytes);
        }
        if bytes > self.limits.memory {
            self.exhausted();
        } else if memory::largest() > self.large() {
            self.halt(Stop::Large(self.large()));
        } else if pieces > PIECES {
            self.halt(Stop::Pieces(PIECES));
        }
        self.stopped.get()
    }

    /// The most bytes one text or list may have: natives of the language may for a moment need several times its size.
    fn large(&self) -> usize {
        (self.limits.memory / 8).max(1 << 20)
    }

    /// Makes sure that work about to take so many bytes, in so many pieces, stays within the limits.
    ///
    /// # Errors
    /// The run is stopped.
    pub(super) fn room(&self, bytes: usize, pieces: usize, position: Position) -> Result<(), Box<EvalAltResult>> {
        let (taken, kept) = self.gauge.get().taken();
        if bytes > self.limits.memory.saturating_sub(taken) {
            self.exhausted();
        } else if pieces > PIECES.saturating_sub(kept) {
            self.halt(Stop::Pieces(PIECES));
        }
        self.guard(position)
    }

    /// The memory the run has not used yet.
    pub(super) fn left(&self) -> usize {
        self.limits.memory.saturating_sub(self.gauge.get().taken().0)
    }

    /// The separate allocations the script holds.
    pub(super) fn pieces(&self) -> usize {
        self.gauge.get().taken().1
    }

    /// Sets what [`Run::pieces`] counts from now on.
    pub(super) fn bill_pieces(&self, pieces: usize) {
        self.gauge.set(self.gauge.get().with_pieces(pieces));
    }

    /// Stops the run. The first reason is the one that counts.
    pub(super) fn halt(&self, stop: Stop) {
        self.stopped.set(true);
        self.stop.borrow_mut().get_or_insert(stop);
    }

    /// Stops the run for want of memory.
    pub(super) fn exhausted(&self) {
        self.halt(Stop::Memory(self.limits.memory));
    }

    /// # Errors
    /// The run is stopped.
    pub(super) fn guard(&self, position: Position) -> Result<(), Box<EvalAltResult>> {
        if self.over() { Err(terminated(position)) } else { Ok(()) }
    }

    /// Calls the desk. A refusal that ends the run is remembered.
    ///
    /// # Errors
    /// The desk's refusal, as the script sees it.
    pub(super) fn desk<T>(
        &self,
        position: Position,
        call: impl FnOnce(&mut dyn Desk) -> Result<T, Refusal>,
    ) -> Result<T, Box<EvalAltResult>> {
        self.guard(position)?;
        let answer = match self.desk.borrow_mut().as_deref_mut() {
            Some(desk) => call(desk),
            None => Err(Refusal::Error(
                "An imported file cannot call this while it is loaded; put the call into a function of that file.".to_owned(),
            )),
        };
        // What the desk needed for itself in one piece, such as a database page, is not the script's.
        memory::take_largest();
        match answer {
            Ok(answer) => self.guard(position).map(|()| answer),
            Err(Refusal::Error(text)) => Err(sentence(text, position)),
            Err(Refusal::Stop(stop)) => {
                self.halt(stop);
                Err(terminated(position))
            }
        }
    }

    /// Tells the desk that a step failed, even when the run is stopped.
    pub(super) fn step_failed(&self, name: &str) {
        if let Some(desk) = self.desk.borrow_mut().as_deref_mut() {
            desk.step_failed(name);
        }
    }

    pub(super) fn log(&self, level: Level, text: &str) {
        if self.over() {
            return;
        }
        if let Some(desk) = self.desk.borrow_mut().as_deref_mut() {
            desk.log(level, text);
        }
    }

    /// Counts as being inside a step until the answer is dropped.
    pub(super) fn in_step(&self) -> impl Drop + '_ {
        struct Inside<'a>(&'a Cell<u32>);
        impl Drop for Inside<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        self.steps.set(self.steps.get() + 1);
        Inside(&self.steps)
    }

    pub(super) fn is_in_step(&self) -> bool {
        self.steps.get() > 0
    }

    pub(super) fn module(&self, path: &str) -> Option<Shared<Module>> {
        self.modules.get(path).cloned()
    }

    /// Why it was stopped, if it was.
    pub(super) fn stopped(&self) -> Option<Stop> {
        self.stop.borrow().clone()
    }

    pub(super) fn operations(&self) -> u64 {
        self.operations.get()
    }

    /// The most memory seen at any operation.
    pub(super) fn peak(&self) -> usize {
        self.peak.get()
    }

    /// Takes the desk back.
    pub(super) fn take_desk(&self) -> Option<Box<dyn Desk>> {
        self.desk.take()
    }
}
