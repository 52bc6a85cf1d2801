//! What lies outside the process: true time, networks, a shop. They remember what they accepted, whatever the database says.
//!
//! In: calls of the engine, and a seed that says what goes wrong. Out: answers, true and lost ones; at the end the record.
//! Never: forgets anything when the machine loses its power, or lets a rule be broken without writing it down.

use crate::disk::{Disk, Loss};
use beffroi::clock::{Clock, Dice, Nudge};
use beffroi::daemon::Engine;
use beffroi::domain::Timestamp;
use beffroi::kinds::{
    Call, Channel, Failure, Finding, KindError, Notice, Notifier, Outcome, Outgoing, Pause, Preparation, Receipt,
};
use beffroi::network::{Network, NetworkError, Request, Response};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// True time, and what the machine's clock makes of it.
pub struct Time {
    start: Timestamp,
    truth: AtomicI64,
    skew: AtomicI64,
}

impl Time {
    /// A clock that is right.
    pub fn new(start: Timestamp) -> Self {
        Self { start, truth: AtomicI64::new(0), skew: AtomicI64::new(0) }
    }

    /// Milliseconds that have truly passed.
    pub fn truth(&self) -> i64 {
        self.truth.load(Ordering::SeqCst)
    }

    /// Lets time pass.
    pub fn pass(&self, by: Duration) {
        self.truth.fetch_add(i64::try_from(by.as_millis()).expect("a span of a test is short"), Ordering::SeqCst);
    }

    /// Lets the machine's clock jump.
    pub fn jump(&self, by: i64) {
        self.skew.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.start.millis() + self.truth() + self.skew.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.truth()).expect("time does not go back"))
    }

    /// Returns at once: the story says when time passes.
    fn wait(&self, _nudge: &Nudge, _until: Option<Timestamp>) {}
}

/// How a network serves an account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// It can be asked whether a post is there.
    pub reads_back: bool,
    /// It knows a second post with the same key for the first.
    pub honours_keys: bool,
    /// How long after its acceptance a post may stay out of sight.
    pub lag: Duration,
}

/// How long every network here takes at most to show what it accepted.
const SETTLES: Duration = Duration::from_secs(120);

/// What is known of one key.
#[derive(Debug, Default, Clone)]
pub struct Kept {
    /// What was published under it.
    pub text: String,
    /// When each copy can be seen, in true milliseconds.
    pub copies: Vec<i64>,
    /// Calls of `publish`.
    pub calls: u32,
    /// It was refused for good.
    pub refused: bool,
    /// Accepted, and to be shown later.
    pending: bool,
    attempts: BTreeSet<u32>,
    /// Whether another call is in order: it certainly did not go out, or somebody looked.
    may: bool,
}

/// What is known of one order at the shop.
#[derive(Debug, Default, Clone)]
pub struct Order {
    /// Its key.
    pub key: String,
    /// How often it was asked for.
    pub calls: u32,
    /// Whether the shop took it.
    pub taken: bool,
    /// In which spell without accidents it was answered.
    answered: Option<(u64, u64)>,
}

struct Inner {
    dice: Dice,
    trouble: u64,
    kept: BTreeMap<(String, String), Kept>,
    orders: BTreeMap<String, Order>,
    instance: Option<String>,
    broken: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
    engine: Weak<Engine>,
}

/// Everything outside.
pub struct Outside {
    inner: Mutex<Inner>,
    /// True time and the machine's clock.
    pub time: Arc<Time>,
    /// The machine's disk.
    pub disk: Disk,
    /// How often the power has come back.
    pub starts: AtomicU64,
}

fn failure(code: &str, says: &str) -> Failure {
    Failure::new(code, says)
}

impl Outside {
    /// A world in which chance falls by this seed.
    pub fn new(seed: u64, time: Arc<Time>, disk: Disk) -> Self {
        let inner = Inner {
            dice: Dice::seeded(seed),
            trouble: 0,
            kept: BTreeMap::new(),
            orders: BTreeMap::new(),
            instance: None,
            broken: Vec::new(),
            counts: BTreeMap::new(),
            engine: Weak::new(),
        };
        Self { inner: Mutex::new(inner), time, disk, starts: AtomicU64::new(0) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on so many of a hundred calls go wrong.
    pub fn now_troubled(&self, percent: u64) {
        self.inner().trouble = percent;
    }

    /// This engine's other threads may work while a network answers.
    pub fn beside(&self, engine: &Arc<Engine>) {
        self.inner().engine = Arc::downgrade(engine);
    }

    /// A rule was broken.
    pub fn breaks(&self, rule: String) {
        self.inner().broken.push(rule);
    }

    /// Every rule that was broken so far.
    pub fn broken(&self) -> Vec<String> {
        self.inner().broken.clone()
    }

    /// Counts something, for the figures.
    pub fn count(&self, what: &'static str) {
        *self.inner().counts.entry(what).or_default() += 1;
    }

    /// What was counted.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.inner().counts.clone()
    }

    /// Everything that was published or tried, by account or person and key.
    pub fn kept(&self) -> BTreeMap<(String, String), Kept> {
        self.inner().kept.clone()
    }

    /// Everything the shop was asked for.
    pub fn orders(&self) -> BTreeMap<String, Order> {
        self.inner().orders.clone()
    }

    /// A person looks whether a post is there, having waited long enough. When it is not, it may be sent again.
    pub fn looks(&self, target: &str, key: &str) -> bool {
        let mut inner = self.inner();
        let Some(kept) = inner.kept.get_mut(&(target.to_owned(), key.to_owned())) else { return false };
        let there = !kept.copies.is_empty();
        if !there {
            kept.may = true;
            kept.attempts.clear();
        }
        there
    }

    /// Nothing has gone wrong with the machine between two equal spells.
    fn spell(&self) -> (u64, u64) {
        (self.starts.load(Ordering::SeqCst), self.disk.failures())
    }

    /// While one thread waits for an answer, another one works.
    fn meanwhile(&self) {
        let engine = {
            let inner = self.inner();
            if inner.dice.below(8) > 0 {
                return;
            }
            inner.engine.upgrade()
        };
        let Some(engine) = engine else { return };
        let work = move || engine.run_turn();
        let thread = std::thread::Builder::new().stack_size(beffroi::run::runner::STACK).spawn(work).expect("a thread");
        assert!(thread.join().is_ok(), "a run does not panic");
        self.count("runs beside a call");
    }

    /// What the disk would hold if the power went now: the delivery is armed there, for this attempt.
    fn armed_on_disk(&self, target: &str, id: i64, attempt: u32) {
        let image = self.disk.after(Loss::All);
        let found = image.open(super::DATABASE).and_then(|db| {
            db.query_row("SELECT state, attempts FROM delivery WHERE id = ?1", [id], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?))
            })
        });
        match found {
            Ok((state, attempts)) if state == "armed" && attempts == attempt => self.count("armed mark found on the synced disk"),
            other => {
                self.breaks(format!("d{id} to {target} is sent (attempt {attempt}), and on the synced disk it is {other:?}"));
            }
        }
    }

    /// The number of a delivery out of its key; every key begins with the name of the same instance.
    fn number(&self, key: &str) -> (String, i64) {
        let (instance, number) = key.rsplit_once('-').unwrap_or(("", key));
        let mut inner = self.inner();
        let first = inner.instance.get_or_insert_with(|| instance.to_owned()).clone();
        if first != instance {
            inner.broken.push(format!("the instance was called {first}, and now {instance}"));
        }
        (number.to_owned(), number.trim_start_matches('d').parse().unwrap_or(0))
    }

    fn publish(&self, manner: Manner, target: &str, call: &Call<'_>, key: &str, text: &str) -> Result<Outcome, KindError> {
        let dead = || KindError::Uncertain(failure("dead", "The machine is off."));
        if self.disk.is_off() {
            return Err(dead());
        }
        let (key, id) = self.number(key);
        self.count("calls of publish");
        if self.inner().dice.below(16) == 0 {
            self.armed_on_disk(target, id, call.attempt);
        }
        self.meanwhile();
        if self.disk.is_off() {
            return Err(dead());
        }
        let now = self.time.truth();
        let mut inner = self.inner();
        let inner = &mut *inner;
        let kept = inner.kept.entry((target.to_owned(), key.clone())).or_default();
        if kept.calls > 0 && !kept.may {
            inner.broken.push(format!("{key} to {target} is sent again, and nobody knows whether it went out before"));
        }
        if !kept.attempts.insert(call.attempt) {
            inner.broken.push(format!("{key} to {target}: two calls for one attempt ({})", call.attempt));
        }
        if kept.calls > 0 && kept.text != text {
            inner.broken.push(format!("{key} to {target} was \"{}\" and now is \"{text}\"", kept.text));
        }
        (kept.calls, kept.may) = (kept.calls + 1, false);
        text.clone_into(&mut kept.text);
        let trouble = inner.dice.below(100) < inner.trouble;
        let lag = i64::try_from(inner.dice.below(u64::try_from(manner.lag.as_millis()).unwrap_or(0) + 1)).unwrap_or(0);
        let what = if trouble { inner.dice.below(15) } else { 100 };
        let accepts = matches!(what, 0..=4 | 13..);
        let known = manner.honours_keys && !kept.copies.is_empty();
        if accepts && !known {
            // What is answered "online" may still be out of sight for a while, like everything else.
            kept.copies.push(now + lag);
            if kept.copies.len() > 1 {
                inner.broken.push(format!("{key} is on {target} {} times", kept.copies.len()));
            }
        }
        let receipt = Receipt { remote_id: format!("remote-{key}"), url: None };
        let (word, answer) = match what {
            0 | 1 => ("accepted, answer lost", Err(KindError::Uncertain(failure("timeout", "No answer came in time.")))),
            2 => ("accepted, adapter broke down", Ok(None)),
            3 => {
                self.disk.cut();
                ("accepted, power lost", Err(dead()))
            }
            4 => {
                kept.pending = true;
                let not_before = call.now.plus(Duration::from_secs(20));
                (
                    "accepted, shown later",
                    Ok(Some(Outcome::Pending(Pause { handle: "job-1".into(), not_before, message: "being processed".into() }))),
                )
            }
            5 | 6 => ("lost on the way", Err(KindError::Uncertain(failure("timeout", "No answer came in time.")))),
            7 => ("adapter broke down before", Ok(None)),
            8 => {
                self.disk.cut();
                ("power lost before", Err(dead()))
            }
            9 => {
                kept.may = true;
                ("503", Err(KindError::Retry(failure("http-503", "The network is overloaded."), None)))
            }
            10 => {
                kept.may = true;
                let until = call.now.plus(Duration::from_secs(600));
                ("429", Err(KindError::Retry(failure("http-429", "Too many posts."), Some(until))))
            }
            11 => {
                kept.may = true;
                ("401", Err(KindError::Reconnect(failure("http-401", "The token has expired."))))
            }
            12 => {
                kept.refused = true;
                ("refused", Err(KindError::Reject(failure("no", "The network does not take this."))))
            }
            13 | 14 => {
                // Slow, and in the end it works.
                self.time.pass(Duration::from_secs(15 + inner.dice.below(90)));
                ("slow", Ok(Some(Outcome::Online(receipt))))
            }
            _ => ("accepted", Ok(Some(Outcome::Online(receipt)))),
        };
        if what <= 6 && inner.dice.below(5) == 0 {
            // The machine's clock is set while nobody knows what became of the post.
            self.time.jump(1_000 * i64::try_from(inner.dice.below(40_000)).expect("small"));
            *inner.counts.entry("jumps of the clock while an answer is out").or_default() += 1;
        }
        *inner.counts.entry(word).or_default() += 1;
        match answer {
            Ok(Some(outcome)) => Ok(outcome),
            Ok(None) => std::panic::resume_unwind(Box::new("the adapter is broken".to_owned())),
            Err(error) => Err(error),
        }
    }

    fn find(&self, manner: Manner, target: &str, call: &Call<'_>, key: &str) -> Option<Result<Finding, KindError>> {
        if !manner.reads_back {
            return None;
        }
        let retry = |code, says| Some(Err(KindError::Retry(failure(code, says), None)));
        if self.disk.is_off() {
            return retry("dead", "The machine is off.");
        }
        let (key, _) = self.number(key);
        let now = self.time.truth();
        let mut inner = self.inner();
        let inner = &mut *inner;
        *inner.counts.entry("calls of find").or_default() += 1;
        if inner.dice.below(100) < inner.trouble {
            let what = inner.dice.below(4);
            *inner.counts.entry("read-backs that fail").or_default() += 1;
            match what {
                0 => return retry("http-502", "The network is down."),
                1 => return Some(Ok(Finding::Unsure("the list is not up to date".into()))),
                2 => std::panic::resume_unwind(Box::new("the adapter is broken".to_owned())),
                _ => self.time.pass(Duration::from_secs(30)),
            }
        }
        let receipt = || Receipt { remote_id: format!("remote-{key}"), url: None };
        let Some(kept) = inner.kept.get_mut(&(target.to_owned(), key.clone())) else { return Some(Ok(Finding::Absent)) };
        if kept.refused {
            return Some(Ok(Finding::Refused("The network does not take this.".into())));
        }
        if kept.copies.iter().any(|at| *at <= now) {
            return Some(Ok(Finding::Online(receipt())));
        }
        if kept.pending && !kept.copies.is_empty() {
            let not_before = call.now.plus(Duration::from_secs(20));
            return Some(Ok(Finding::Pending(Pause { handle: "job-1".into(), not_before, message: "being processed".into() })));
        }
        // Out of sight is not absent: only when nothing is on its way is another call in order.
        kept.may |= kept.copies.is_empty();
        Some(Ok(Finding::Absent))
    }
}

/// The shop's answers to `http::post`; it honours keys.
impl Network for Outside {
    fn send(&self, request: &Request) -> Result<Response, NetworkError> {
        let lost = || NetworkError::Lost("The shop did not answer.".into());
        if self.disk.is_off() {
            return Err(lost());
        }
        self.meanwhile();
        if self.disk.is_off() {
            return Err(lost());
        }
        let what = String::from_utf8_lossy(&request.body).into_owned();
        let key =
            request.headers.iter().find(|(name, _)| name == "Idempotency-Key").map(|(_, key)| key.clone()).unwrap_or_default();
        let spell = self.spell();
        let mut inner = self.inner();
        let inner = &mut *inner;
        *inner.counts.entry("orders asked for").or_default() += 1;
        let order = inner.orders.entry(what.clone()).or_insert_with(|| Order { key: key.clone(), ..Order::default() });
        if order.key != key || key.is_empty() {
            inner.broken.push(format!("the order {what} came under the key {}, and now under {key}", order.key));
        }
        if order.answered == Some(spell) {
            inner.broken.push(format!("the order {what} was answered and kept, and is sent again"));
        }
        order.calls += 1;
        let trouble = inner.dice.below(100) < inner.trouble;
        let accident = if trouble { inner.dice.below(8) } else { 100 };
        order.taken |= matches!(accident, 0..=2 | 7..);
        match accident {
            0 | 1 => Err(lost()),
            2 => {
                self.disk.cut();
                Err(lost())
            }
            3 => Err(lost()),
            4 => Err(NetworkError::NotSent("The shop cannot be reached.".into())),
            5 => Ok(Response { status: 503, ..Response::default() }),
            6 => {
                self.disk.cut();
                Err(lost())
            }
            _ => {
                if accident == 7 {
                    self.time.pass(Duration::from_secs(9));
                }
                order.answered = Some(spell);
                Ok(Response { status: 200, body: what.into_bytes(), ..Response::default() })
            }
        }
    }
}

/// One account, or one person, as a network serves it.
pub(super) struct Line {
    /// Everything outside.
    pub outside: Arc<Outside>,
    /// The account or the person.
    pub target: String,
    /// How it is served.
    pub manner: Manner,
}

impl Channel for Line {
    fn objections(&self, _post: &Outgoing) -> Vec<Failure> {
        Vec::new()
    }

    fn prepare(&self, call: &Call<'_>, _key: &str, _post: &Outgoing, so_far: Option<&str>) -> Result<Preparation, KindError> {
        let inner = self.outside.inner();
        if inner.dice.below(100) >= inner.trouble / 2 {
            return Ok(Preparation::Ready(so_far.map(str::to_owned)));
        }
        match inner.dice.below(3) {
            0 if so_far.is_none() => {
                let not_before = call.now.plus(Duration::from_secs(inner.dice.below(40)));
                Ok(Preparation::Again(Pause { handle: "upload-1".into(), not_before, message: "uploading".into() }))
            }
            1 => Err(KindError::Retry(failure("http-500", "The upload failed."), None)),
            _ => Ok(Preparation::Ready(so_far.map(str::to_owned))),
        }
    }

    fn publish(&self, call: &Call<'_>, key: &str, post: &Outgoing, _prepared: Option<&str>) -> Result<Outcome, KindError> {
        self.outside.publish(self.manner, &self.target, call, key, &post.text)
    }

    fn settles_within(&self) -> Duration {
        SETTLES
    }

    fn find(&self, call: &Call<'_>, key: &str, _post: &Outgoing, _prepared: Option<&str>) -> Option<Result<Finding, KindError>> {
        self.outside.find(self.manner, &self.target, call, key)
    }
}

impl Notifier for Line {
    fn notify(&self, call: &Call<'_>, key: &str, notice: &Notice) -> Result<Receipt, KindError> {
        match self.outside.publish(self.manner, &self.target, call, key, &notice.title)? {
            Outcome::Online(receipt) => Ok(receipt),
            // A notifier has no word for "later": it does not know.
            Outcome::Pending(pause) => Err(KindError::Uncertain(failure("later", &pause.message))),
        }
    }

    fn settles_within(&self) -> Duration {
        SETTLES
    }

    fn find(&self, call: &Call<'_>, key: &str, _notice: &Notice) -> Option<Result<Finding, KindError>> {
        self.outside.find(self.manner, &self.target, call, key)
    }
}
