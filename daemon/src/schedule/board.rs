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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
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
            start_at: self.start_at,
            payload: self.payload.clone(),
            ..NewOccurrence::open(self.id, self.workflow.name.as_str(), self.kind, self.due)
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
    /// Threads that wait for a claim. The one that came last is called first: its stack and its memory are still warm.
    idle: Vec<Thread>,
    /// The one thread that waits for the time of the earliest timed claim, so that the others need not wake up for it.
    watch: Option<Thread>,
    closed: bool,
}

/// The board. Shared behind an `Arc`.
#[derive(Default)]
pub struct Board {
    inner: Mutex<Inner>,
}

/// The longest watch over timed claims: lets a jump of the machine's clock be noticed.
const LONGEST_WATCH: Duration = Duration::from_secs(30);

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
        let news = inner.put(claim, now);
        Self::call(inner, news);
    }

    /// Puts up scheduled claims: `now` may start at their time; each of `behind` starts when the scheduled one before it has
    /// ended. One step under the lock, so that no end slips in between.
    pub fn post_scheduled(&self, now_or_timed: Vec<Claim>, behind: Vec<Claim>, now: Timestamp) {
        let mut inner = self.lock();
        let mut news = News::default();
        for claim in now_or_timed {
            inner.flags.insert(claim.id, claim.cancel.clone());
            inner.note_scheduled(&claim);
            news.add(inner.put(claim, now));
        }
        for claim in behind {
            inner.flags.insert(claim.id, claim.cancel.clone());
            let free = !inner.scheduled.contains_key(&claim.workflow.name);
            inner.note_scheduled(&claim);
            if free {
                news.add(inner.put(claim, now));
            } else {
                inner.turn.entry(claim.workflow.name.clone()).or_default().push_back(claim);
            }
        }
        Self::call(inner, news);
    }

    /// Wakes as many threads as the news needs, and no more: each one woken for nothing costs a run's worth of time.
    fn call(mut inner: MutexGuard<'_, Inner>, news: News) {
        let needed = news.ready + usize::from(news.sooner && inner.watch.is_none());
        let from = inner.idle.len().saturating_sub(needed);
        let mut called = inner.idle.split_off(from);
        if news.sooner || called.len() < needed {
            called.extend(inner.watch.take());
        }
        // Whoever wakes up needs the board at once.
        drop(inner);
        called.iter().for_each(Thread::unpark);
    }

    /// The scheduled occurrences of a workflow that are still open.
    pub fn scheduled_open(&self, workflow: &WorkflowName) -> Vec<RunId> {
        self.lock().scheduled.get(workflow).map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    /// Takes what may run now, if anything.
    pub fn take_now(&self, clock: &dyn Clock) -> Option<Claim> {
        let mut inner = self.lock();
        let now = clock.now();
        inner.come_due(now);
        inner.take(now)
    }

    /// Takes what may run, waiting for it; `None` when the board is closed.
    pub fn take(&self, clock: &dyn Clock) -> Option<Claim> {
        let mut inner = self.lock();
        loop {
            if inner.closed {
                return None;
            }
            let now = clock.now();
            let due = inner.come_due(now);
            if let Some(claim) = inner.take(now) {
                // What came due by time has called nobody, and whoever watched over the rest may be leaving now.
                let sooner = inner.watch.is_none() && !inner.timed.is_empty();
                let ready = due.min(inner.ready.len());
                Self::call(inner, News { ready, sooner });
                return Some(claim);
            }
            let me = thread::current();
            let until = inner.timed.peek().filter(|_| inner.watch.is_none()).map(|Reverse(t)| t.0.start_at);
            match until {
                Some(at) => {
                    inner.watch = Some(me.clone());
                    drop(inner);
                    thread::park_timeout((at.since(now) + Duration::from_millis(1)).min(LONGEST_WATCH));
                }
                None => {
                    inner.idle.push(me.clone());
                    drop(inner);
                    thread::park();
                }
            }
            inner = self.lock();
            // A thread that was called is on neither list any more; one that woke up by itself still is.
            inner.idle.retain(|other| other.id() != me.id());
            inner.watch.take_if(|other| other.id() == me.id());
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
        Self::call(inner, News { ready: 1, sooner: false });
    }

    /// Puts a claim back for a later attempt.
    pub fn later(&self, claim: Claim, now: Timestamp) {
        let mut inner = self.lock();
        inner.running.remove(&claim.id);
        let news = inner.put(claim, now);
        Self::call(inner, news);
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
            let news = inner.put(claim, now);
            Self::call(inner, news);
        }
    }

    /// Asks a run to stop, running or not yet started. False when it is not open.
    pub fn cancel(&self, id: RunId) -> bool {
        let mut inner = self.lock();
        let Some(flag) = inner.flags.get(&id) else { return false };
        flag.store(true, Ordering::Relaxed);
        // What waits for its time, such as another attempt, ends now and not then: others may wait in turn behind it.
        if inner.timed.iter().any(|Reverse(t)| t.0.id == id) {
            let news = inner.hurry(|claim| claim.id == id);
            Self::call(inner, news);
        }
        true
    }

    /// Lets go of waits that only a clock far ahead can have set: from `now` no attempt is that far away by itself.
    pub fn clock_went_back(&self, now: Timestamp) {
        let mut inner = self.lock();
        let news = inner.hurry(|claim| claim.start_at > claim.latest_start(now));
        Self::call(inner, news);
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

    /// Whether an occurrence is on the board: waiting for its time or turn, ready, or running.
    pub fn holds(&self, id: RunId) -> bool {
        self.lock().flags.contains_key(&id)
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
        let mut inner = self.lock();
        inner.closed = true;
        Self::call(inner, News { ready: usize::MAX, sooner: false });
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
    fn hurry(&mut self, which: impl Fn(&Claim) -> bool) -> News {
        let (now, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.timed).into_vec().into_iter().partition(|Reverse(t)| which(&t.0));
        self.timed = BinaryHeap::from(later);
        let ready = now.len();
        self.ready.extend(now.into_iter().map(|Reverse(Timed(claim))| claim));
        News { ready, sooner: false }
    }

    fn put(&mut self, claim: Claim, now: Timestamp) -> News {
        if claim.start_at <= now {
            self.ready.push_back(claim);
            News { ready: 1, sooner: false }
        } else {
            let sooner = self.timed.peek().is_none_or(|Reverse(first)| claim.start_at < first.0.start_at);
            self.timed.push(Reverse(Timed(claim)));
            News { ready: 0, sooner }
        }
    }

    /// Puts timed claims whose time has come in line, and says how many those were.
    fn come_due(&mut self, now: Timestamp) -> usize {
        let mut count = 0;
        while self.timed.peek().is_some_and(|Reverse(t)| t.0.start_at <= now) {
            if let Some(Reverse(Timed(claim))) = self.timed.pop() {
                self.ready.push_back(claim);
                count += 1;
            }
        }
        count
    }

    fn take(&mut self, now: Timestamp) -> Option<Claim> {
        let claim = self.ready.pop_front()?;
        let running = Running { id: claim.id, workflow: claim.workflow.name.clone(), since: now, cancel: claim.cancel.clone() };
        self.running.insert(claim.id, running);
        Some(claim)
    }
}

/// What happened on the board that a waiting thread should hear of.
#[derive(Debug, Clone, Copy, Default)]
struct News {
    /// Claims that may be taken at once.
    ready: usize,
    /// Whether the earliest timed claim comes sooner than whoever watches knows.
    sooner: bool,
}

impl News {
    fn add(&mut self, more: Self) {
        self.ready += more.ready;
        self.sooner |= more.sooner;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::instance::{Budget, Missed, Overlap};
    use std::sync::mpsc;

    fn workflow() -> Arc<Workflow> {
        Arc::new(Workflow {
            plugin: None,
            name: WorkflowName::parse("w").unwrap(),
            purpose: "".into(),
            script: std::path::Path::new("w.rhai").into(),
            version: crate::domain::Digest::of(b""),
            source: "".into(),
            schedules: Vec::new(),
            events: Vec::new(),
            jitter: Duration::ZERO,
            missed: Missed::Latest,
            window: Duration::ZERO,
            overlap: Overlap::Skip,
            retries: 0,
            backoff: Duration::ZERO,
            pause_after: 0,
            budget: Budget::default(),
            accounts: Vec::new().into(),
            settings: Arc::new(Json::Null),
            enabled: true,
        })
    }

    /// Threads that take claims and tell of each.
    fn takers(
        board: &Arc<Board>,
        clock: &Arc<SystemClock>,
        count: usize,
    ) -> (mpsc::Receiver<RunId>, Vec<thread::JoinHandle<()>>) {
        let (to, from) = mpsc::channel();
        let threads = (0..count)
            .map(|_| {
                let (board, clock, to) = (board.clone(), clock.clone(), to.clone());
                thread::spawn(move || {
                    while let Some(claim) = board.take(&*clock) {
                        board.ended(claim.id, &claim.workflow.name, clock.now());
                        to.send(claim.id).unwrap();
                    }
                })
            })
            .collect();
        (from, threads)
    }

    #[test]
    fn every_claim_is_taken_once_however_they_come() {
        let (board, clock, workflow) = (Arc::new(Board::default()), Arc::new(SystemClock::new()), workflow());
        let (from, threads) = takers(&board, &clock, 4);
        let posters: Vec<_> = (0..4)
            .map(|poster| {
                let (board, clock, workflow) = (board.clone(), clock.clone(), workflow.clone());
                thread::spawn(move || {
                    for n in 0..500 {
                        let now = clock.now();
                        let mut claim = Claim::new(RunId(poster * 1_000 + n), workflow.clone(), TriggerKind::Hand, now);
                        // Some wait for their time, in no order.
                        claim.start_at = now.plus(Duration::from_millis(u64::try_from(n * 7 % 20).unwrap()));
                        board.post(claim, now);
                    }
                })
            })
            .collect();
        posters.into_iter().for_each(|p| p.join().unwrap());
        let mut taken: Vec<RunId> = (0..2_000).map(|_| from.recv_timeout(Duration::from_secs(20)).unwrap()).collect();
        taken.sort();
        taken.dedup();
        assert_eq!(taken.len(), 2_000);
        assert_eq!(board.counts(), (0, 0, 0));
        board.close();
        threads.into_iter().for_each(|t| t.join().unwrap());
    }

    #[test]
    fn whoever_leaves_the_watch_calls_another() {
        let (board, clock, workflow) = (Arc::new(Board::default()), Arc::new(SystemClock::new()), workflow());
        let now = clock.now();
        for (id, wait) in [(1, 20), (2, 60)] {
            let mut claim = Claim::new(RunId(id), workflow.clone(), TriggerKind::Later, now);
            claim.start_at = now.plus(Duration::from_millis(wait));
            board.post(claim, now);
        }
        let (to, from) = mpsc::channel();
        let (gate, gated) = mpsc::channel::<()>();
        let gated = Arc::new(Mutex::new(gated));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (board, clock, to, gated) = (board.clone(), clock.clone(), to.clone(), gated.clone());
                thread::spawn(move || {
                    let claim = board.take(&*clock).unwrap();
                    to.send(claim.id).unwrap();
                    // Busy until the test is over.
                    let _ = gated.lock().unwrap().recv();
                })
            })
            .collect();
        assert_eq!(from.recv_timeout(Duration::from_secs(20)), Ok(RunId(1)));
        assert_eq!(from.recv_timeout(Duration::from_secs(20)), Ok(RunId(2)), "the other thread slept on");
        drop(gate);
        threads.into_iter().for_each(|t| t.join().unwrap());
    }

    #[test]
    fn an_earlier_claim_is_not_overslept() {
        let (board, clock, workflow) = (Arc::new(Board::default()), Arc::new(SystemClock::new()), workflow());
        let now = clock.now();
        let claim = |id, wait| {
            let mut claim = Claim::new(RunId(id), workflow.clone(), TriggerKind::Later, now);
            claim.start_at = now.plus(wait);
            claim
        };
        board.post(claim(1, Duration::from_secs(3_600)), now);
        let (from, threads) = takers(&board, &clock, 2);
        while board.lock().watch.is_none() || board.lock().idle.is_empty() {
            thread::yield_now();
        }
        board.post(claim(2, Duration::from_millis(30)), now);
        assert_eq!(from.recv_timeout(Duration::from_secs(20)), Ok(RunId(2)));
        board.close();
        threads.into_iter().for_each(|t| t.join().unwrap());
    }
}
