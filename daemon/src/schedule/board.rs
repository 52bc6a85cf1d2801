//! The board of open occurrences: what may run now, what runs, what waits for its time or its turn.
//!
//! In: occurrences, as the ledger records them (or by hand, before they are recorded). Out: at most one claim for each,
//! to whoever asks first.
//! Never: invents work. After a restart it is filled again from the ledger's open rows; a claim is taken by value, so that
//! an occurrence cannot be run twice.

use crate::clock::Clock;
use crate::domain::{Json, RunId, Timestamp, WorkflowName};
use crate::instance::Workflow;
use crate::store::{NewOccurrence, TriggerKind};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest wait between two attempts.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(3_600);

/// Called once with the number of a run that has ended for good.
pub type Waiter = Box<dyn FnOnce(RunId) + Send>;

/// Why an occurrence of a workflow that is not there does not run.
pub fn gone(workflow: &str) -> String {
    format!("the workflow \"{workflow}\" is no longer in the configuration, or is switched off")
}

/// An occurrence that somebody may run. Consumed by running it.
pub struct Claim {
    /// Its number.
    pub id: RunId,
    /// What to run.
    pub workflow: Arc<Workflow>,
    /// What made it.
    pub kind: TriggerKind,
    /// When it was due.
    pub due: Timestamp,
    /// When the attempt may start.
    pub start_at: Timestamp,
    /// What the trigger brought.
    pub payload: Option<Json>,
    /// The number of the coming attempt, from 1.
    pub attempt: u32,
    /// Attempts that ended with the process.
    pub interrupted: u32,
    /// How often this attempt was begun again because something it read had changed.
    pub redone: u32,
    /// Whether the ledger has its row.
    pub recorded: bool,
    /// Whether the ledger knows that this attempt starts.
    pub begun: bool,
    /// Why the database would not take what the attempt before this one planned.
    pub refused: Option<String>,
    /// Set to stop the run.
    pub cancel: Arc<AtomicBool>,
    /// Who waits for the end.
    pub waiter: Option<Waiter>,
}

impl Claim {
    /// A claim for a first attempt, neither recorded nor begun.
    pub fn new(id: RunId, workflow: Arc<Workflow>, kind: TriggerKind, due: Timestamp) -> Self {
        Self {
            id,
            workflow,
            kind,
            due,
            start_at: due,
            payload: None,
            attempt: 1,
            interrupted: 0,
            redone: 0,
            recorded: false,
            begun: false,
            refused: None,
            cancel: Arc::default(),
            waiter: None,
        }
    }
}

impl Claim {
    /// The ledger row of an occurrence that nobody has recorded yet.
    pub fn row(&self) -> NewOccurrence {
        NewOccurrence {
            id: self.id,
            workflow: self.workflow.name.as_str().into(),
            kind: self.kind,
            due: self.due,
            start_at: self.start_at,
            schedule: None,
            payload: self.payload.clone(),
            fate: None,
            into: None,
            stretch: None,
        }
    }

    /// The latest moment at which it can start by the rules, if now is now. A run that a script asked for may be as far
    /// away as the script wanted.
    pub fn latest_start(&self, now: Timestamp) -> Timestamp {
        match self.kind {
            TriggerKind::Later if self.attempt == 1 => Timestamp::NEVER,
            _ => now.plus(LONGEST_BACKOFF.max(self.workflow.jitter)),
        }
    }
}

/// A run that goes on now.
#[derive(Debug, Clone)]
pub struct Running {
    /// Its number.
    pub id: RunId,
    /// Its workflow.
    pub workflow: WorkflowName,
    /// When the attempt started.
    pub since: Timestamp,
    cancel: Arc<AtomicBool>,
}

struct Timed(Claim);

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}
impl Eq for Timed {}
impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0.start_at, self.0.id).cmp(&(other.0.start_at, other.0.id))
    }
}

/// What is known of a workflow between its runs.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Failed occurrences in a row.
    pub failures: u32,
    /// Why it is paused.
    pub paused: Option<String>,
}

#[derive(Default)]
struct Inner {
    /// Workflows that failed lately or are paused; the others are not in here.
    standing: HashMap<WorkflowName, Standing>,
    ready: VecDeque<Claim>,
    timed: BinaryHeap<Reverse<Timed>>,
    running: BTreeMap<RunId, Running>,
    /// Scheduled occurrences of a workflow that are open, oldest first: overlap is decided on these.
    scheduled: HashMap<WorkflowName, VecDeque<RunId>>,
    /// Scheduled occurrences that wait until the one before them has ended.
    turn: HashMap<WorkflowName, VecDeque<Claim>>,
    /// The stop flag of every open claim, running or not.
    flags: HashMap<RunId, Arc<AtomicBool>>,
    /// Runs that were stopped because the process ends: nobody wanted them cancelled, the next start takes them up.
    left: HashSet<RunId>,
    closed: bool,
}

/// The board. Shared behind an `Arc`.
#[derive(Default)]
pub struct Board {
    inner: Mutex<Inner>,
    bell: Condvar,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts up a claim; it may be taken from its `start_at` on.
    pub fn post(&self, claim: Claim, now: Timestamp) {
        let mut inner = self.lock();
        inner.flags.insert(claim.id, claim.cancel.clone());
        if claim.kind == TriggerKind::Schedule {
            inner.note_scheduled(&claim);
        }
        inner.put(claim, now);
        drop(inner);
        self.bell.notify_one();
    }

    /// Puts up scheduled claims: `now` may start at their time; each of `behind` starts when the scheduled one before it has
    /// ended. One step under the lock, so that no end slips in between.
    pub fn post_scheduled(&self, now_or_timed: Vec<Claim>, behind: Vec<Claim>, now: Timestamp) {
        let mut inner = self.lock();
        for claim in now_or_timed {
            inner.flags.insert(claim.id, claim.cancel.clone());
            inner.note_scheduled(&claim);
            inner.put(claim, now);
        }
        for claim in behind {
            inner.flags.insert(claim.id, claim.cancel.clone());
            let free = !inner.scheduled.contains_key(&claim.workflow.name);
            inner.note_scheduled(&claim);
            if free {
                inner.put(claim, now);
            } else {
                inner.turn.entry(claim.workflow.name.clone()).or_default().push_back(claim);
            }
        }
        drop(inner);
        self.bell.notify_all();
    }

    /// The scheduled occurrences of a workflow that are still open.
    pub fn scheduled_open(&self, workflow: &WorkflowName) -> Vec<RunId> {
        self.lock().scheduled.get(workflow).map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    /// Takes what may run now, if anything.
    pub fn take_now(&self, clock: &dyn Clock) -> Option<Claim> {
        self.lock().take(clock.now())
    }

    /// Takes what may run, waiting for it; `None` when the board is closed.
    pub fn take(&self, clock: &dyn Clock) -> Option<Claim> {
        let mut inner = self.lock();
        loop {
            if inner.closed {
                return None;
            }
            let now = clock.now();
            if let Some(claim) = inner.take(now) {
                if !inner.ready.is_empty() {
                    self.bell.notify_one();
                }
                return Some(claim);
            }
            // The cap lets a jump of the machine's clock be noticed.
            let most = Duration::from_secs(30);
            let span =
                inner.timed.peek().map_or(most, |Reverse(t)| (t.0.start_at.since(now) + Duration::from_millis(1)).min(most));
            inner = self.bell.wait_timeout(inner, span).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// When the next claim may start, if one waits for its time.
    pub fn next_start(&self) -> Option<Timestamp> {
        self.lock().timed.peek().map(|Reverse(t)| t.0.start_at)
    }

    /// Puts a claim back at the head of the line: something it read had changed while it ran.
    pub fn again(&self, claim: Claim) {
        let mut inner = self.lock();
        inner.running.remove(&claim.id);
        inner.ready.push_front(claim);
        drop(inner);
        self.bell.notify_one();
    }

    /// Puts a claim back for a later attempt.
    pub fn later(&self, claim: Claim, now: Timestamp) {
        let mut inner = self.lock();
        inner.running.remove(&claim.id);
        inner.put(claim, now);
        drop(inner);
        self.bell.notify_one();
    }

    /// Says that an occurrence has ended for good; the next in turn may start.
    pub fn ended(&self, id: RunId, workflow: &WorkflowName, now: Timestamp) {
        let mut inner = self.lock();
        inner.running.remove(&id);
        inner.flags.remove(&id);
        let mut was_scheduled = false;
        if let Some(open) = inner.scheduled.get_mut(workflow) {
            let before = open.len();
            open.retain(|other| *other != id);
            was_scheduled = open.len() < before;
            if open.is_empty() {
                inner.scheduled.remove(workflow);
            }
        }
        // Only the end of a scheduled run lets the next one in turn start.
        let next = if was_scheduled { inner.turn.get_mut(workflow).and_then(VecDeque::pop_front) } else { None };
        if inner.turn.get(workflow).is_some_and(VecDeque::is_empty) {
            inner.turn.remove(workflow);
        }
        if let Some(claim) = next {
            inner.put(claim, now);
            drop(inner);
            self.bell.notify_one();
        }
    }

    /// Asks a run to stop, running or not yet started. False when it is not open.
    pub fn cancel(&self, id: RunId) -> bool {
        let mut inner = self.lock();
        let Some(flag) = inner.flags.get(&id) else { return false };
        flag.store(true, Ordering::Relaxed);
        // What waits for its time, such as another attempt, ends now and not then: others may wait in turn behind it.
        if inner.timed.iter().any(|Reverse(t)| t.0.id == id) {
            inner.hurry(|claim| claim.id == id);
            drop(inner);
            self.bell.notify_one();
        }
        true
    }

    /// Lets go of waits that only a clock far ahead can have set: from `now` no attempt is that far away by itself.
    pub fn clock_went_back(&self, now: Timestamp) {
        self.lock().hurry(|claim| claim.start_at > claim.latest_start(now));
        self.bell.notify_all();
    }

    /// How a workflow stands.
    pub fn standing(&self, workflow: &WorkflowName) -> Standing {
        self.lock().standing.get(workflow).cloned().unwrap_or_default()
    }

    /// Notes how a workflow stands.
    pub fn set_standing(&self, workflow: &WorkflowName, standing: Standing) {
        let mut inner = self.lock();
        if standing.failures == 0 && standing.paused.is_none() {
            inner.standing.remove(workflow);
        } else {
            inner.standing.insert(workflow.clone(), standing);
        }
    }

    /// What runs now.
    pub fn running(&self) -> Vec<Running> {
        self.lock().running.values().cloned().collect()
    }

    /// How many claims are ready, how many wait for their time or turn, how many run.
    pub fn counts(&self) -> (usize, usize, usize) {
        let inner = self.lock();
        (inner.ready.len(), inner.timed.len() + inner.turn.values().map(VecDeque::len).sum::<usize>(), inner.running.len())
    }

    /// Hands out no more claims and wakes whoever waits for one. What is open stays in the ledger.
    pub fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_all();
    }

    /// Asks every running attempt to stop because the process ends. The ledger keeps them open for the next start.
    pub fn cancel_running(&self) {
        let mut inner = self.lock();
        let wanted: Vec<RunId> =
            inner.running.values().filter(|run| !run.cancel.swap(true, Ordering::Relaxed)).map(|run| run.id).collect();
        inner.left.extend(wanted);
    }

    /// Whether a run was stopped only because the process ends.
    pub fn is_left(&self, id: RunId) -> bool {
        self.lock().left.contains(&id)
    }
}

impl Inner {
    fn note_scheduled(&mut self, claim: &Claim) {
        self.scheduled.entry(claim.workflow.name.clone()).or_default().push_back(claim.id);
    }

    /// Makes claims ready that wait for their time.
    fn hurry(&mut self, which: impl Fn(&Claim) -> bool) {
        let (now, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.timed).into_vec().into_iter().partition(|Reverse(t)| which(&t.0));
        self.timed = BinaryHeap::from(later);
        self.ready.extend(now.into_iter().map(|Reverse(Timed(claim))| claim));
    }

    fn put(&mut self, claim: Claim, now: Timestamp) {
        if claim.start_at <= now {
            self.ready.push_back(claim);
        } else {
            self.timed.push(Reverse(Timed(claim)));
        }
    }

    fn take(&mut self, now: Timestamp) -> Option<Claim> {
        while self.timed.peek().is_some_and(|Reverse(t)| t.0.start_at <= now) {
            if let Some(Reverse(Timed(claim))) = self.timed.pop() {
                self.ready.push_back(claim);
            }
        }
        let claim = self.ready.pop_front()?;
        let running = Running { id: claim.id, workflow: claim.workflow.name.clone(), since: now, cancel: claim.cancel.clone() };
        self.running.insert(claim.id, running);
        Some(claim)
    }
}
