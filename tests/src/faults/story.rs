//! One life: some days with accidents, then peace until nothing is open any more.
//!
//! In: a seed. Out: what happened. The engine is turned by hand; time passes only here and in slow answers.
//! Never: tells the engine anything that a daemon would not know.

use super::check;
use super::firm::{Firm, PERSON};
use super::world::{Line, Outside, Time};
use crate::disk::{Disk, Failing, Loss};
use beffroi::clock::{Clock, Dice, Turn};
use beffroi::config::Base;
use beffroi::daemon::{Engine, Injected};
use beffroi::domain::{AccountName, DeliveryId, Json, PersonName, RunId, Timestamp};
use beffroi::store::view::{self, DeliveryRow};
use beffroi::store::{Change, DeliveryMove, Medium, Mode, Op};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// How long a daemon rests when its store does not answer.
const STORE_REST: Duration = Duration::from_secs(5);
/// Turns without time passing after which something goes round in circles.
const TURNS: u32 = 20_000;
/// Peace never takes longer than this.
const LONGEST_PEACE: i64 = 20 * DAY;

/// What goes wrong, or is done, at some moment.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// The power goes now.
    Cut,
    /// The power goes in the middle of the n-th act of the disk from now.
    CutAt(u64),
    /// The disk is full for so long.
    Full(i64),
    /// So many syncs fail.
    FailSyncs(u32, Failing),
    /// The machine's clock jumps.
    Jump(i64),
    /// The configuration is edited and read again.
    Edit,
    /// The configuration is edited, and read at the next start.
    EditUnseen,
    /// The person looks at what waits for them.
    Person,
    /// Everything is frozen, and thawed when the person comes.
    Freeze,
    /// Somebody lets a workflow run.
    Hand,
    /// The daemon is stopped in order, and started again later.
    Stop,
    /// So many of a hundred calls go wrong from now on.
    Trouble(u64),
    /// What is settled now is noted, to be found unchanged at the end.
    Witness,
}

/// What a life came to.
#[derive(Debug)]
pub struct Life {
    /// Every promise that was broken, and how.
    pub broken: Vec<String>,
    /// What was counted: calls, accidents, runs, posts.
    pub counts: BTreeMap<&'static str, u64>,
    /// Of the database's content and of the record of the outside.
    pub digest: String,
    /// How many acts the disk carried out.
    pub acts: u64,
    /// What went wrong and was done, in order, by true time and by the machine's clock.
    pub tale: Vec<String>,
}

/// An edit of the configuration, by the machine's clock.
#[derive(Debug)]
pub(super) struct Edit {
    /// How many edits there had been with it.
    pub(super) number: usize,
    /// When it was written.
    pub(super) written: Timestamp,
    /// From here on it may have been in force: the furthest back the clock was with it.
    pub(super) perhaps: Timestamp,
    /// From here on it was surely in force: the furthest back the clock was when the engine had nothing left to do.
    pub(super) surely: Option<Timestamp>,
    /// The furthest the clock had been when it was first surely in force: nothing of the edit before comes after this.
    pub(super) settled: Option<Timestamp>,
}

impl Edit {
    fn written(number: usize, now: Timestamp) -> Self {
        Self { number, written: now, perhaps: now, surely: None, settled: None }
    }
}

/// What somebody outside was told and will hold against the daemon.
#[derive(Default)]
pub(super) struct Told {
    /// Runs that were promised.
    pub(super) promised: Vec<RunId>,
    /// Deliveries that got their yes.
    pub(super) approved: Vec<DeliveryId>,
    /// Fates and ends as they were seen: occurrences and deliveries by number.
    pub(super) fates: BTreeMap<i64, String>,
    pub(super) ends: BTreeMap<i64, String>,
    /// Edits, in their order; the first is the configuration of the beginning.
    pub(super) edits: Vec<Edit>,
    /// The furthest the clock was when the engine had nothing left to do.
    pub(super) rested_until: Timestamp,
    /// The furthest the clock ever was.
    pub(super) furthest: Timestamp,
    /// The furthest back it ever was: what comes due then, before the first start, is run like anything else.
    pub(super) earliest: Timestamp,
}

struct Story<'a> {
    folder: &'a Path,
    firm: Firm,
    dice: Dice,
    outside: Arc<Outside>,
    engine: Option<Arc<Engine>>,
    edits: usize,
    told: Told,
    frozen: bool,
    seed: u64,
    /// How long the machine stays off when the power goes.
    downtime: i64,
    loss: Option<Loss>,
    full_until: Option<i64>,
    started_once: bool,
    /// Whether the clock may go back by more than an hour.
    goes_back: bool,
    /// Whether anything may still go wrong.
    accidents: bool,
    durable: bool,
    traps: bool,
    /// An edit that the disk did not let come into force yet.
    unread: bool,
    /// Failing syncs forget what they should have kept.
    forgets: bool,
    tale: Vec<String>,
}

/// In which way a life is lived.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// Nothing goes wrong but one loss of power, in the middle of the n-th act of the disk.
    pub cut_at: Option<u64>,
    /// Whether the store waits for the disk, as the daemon's does.
    pub durable: bool,
    /// Whether one of the workflows is a plugin that ends in a trap. It wants a folder of its own.
    pub traps: bool,
}

impl Default for Way {
    fn default() -> Self {
        Self { cut_at: None, durable: true, traps: false }
    }
}

/// Lives the life of a seed. The folder is for the configuration; it may be used for one life after the other.
pub fn live(seed: u64, folder: &Path, way: Way) -> Life {
    let Way { cut_at, durable, traps } = way;
    let dice = Dice::seeded(seed);
    let starts =
        ["2026-01-01T05:00:00+01:00", "2026-03-28T12:00:00+01:00", "2026-10-24T12:00:00+02:00", "2026-06-10T05:00:00+02:00"];
    let start = starts[usize::try_from(dice.below(4)).expect("few")];
    let time = Arc::new(Time::new(Timestamp::parse(start).expect("an instant")));
    let disk = Disk::new(folder);
    let outside = Arc::new(Outside::new(dice.any(), time, disk));
    // Either schedules are edited or the clock goes back by more than an hour: both at once leave open what should have been.
    let edits = dice.below(2) == 0;
    let firm = Firm::new(&dice, edits, traps);
    let mut story = Story {
        folder,
        firm,
        dice,
        outside,
        engine: None,
        edits: 0,
        told: Told { earliest: Timestamp::NEVER, ..Told::default() },
        frozen: false,
        seed,
        downtime: 0,
        loss: None,
        full_until: None,
        started_once: false,
        goes_back: !edits,
        accidents: cut_at.is_none(),
        durable,
        traps,
        unread: false,
        forgets: false,
        tale: Vec::new(),
    };
    story.lay_out();
    match cut_at {
        Some(at) => story.one_cut(at),
        None => story.live(),
    }
    story.end()
}

impl Story<'_> {
    fn lay_out(&self) {
        let scripts = self.folder.join("scripts");
        if !scripts.is_dir() {
            std::fs::create_dir_all(&scripts).expect("the folder can be written");
            for (name, text) in Firm::scripts() {
                std::fs::write(self.folder.join(name), text).expect("written");
            }
        }
        self.write_configuration();
    }

    fn write_configuration(&self) {
        std::fs::write(self.folder.join("beffroi.toml"), self.firm.configuration(self.edits)).expect("written");
    }

    fn now(&self) -> Timestamp {
        self.outside.time.now()
    }

    fn chance(&self, of: u64) -> u64 {
        self.dice.below(of)
    }

    fn span(&self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.dice.below(u64::try_from(to - from).expect("from is less"))).expect("it came from one")
    }

    /// Accidents in the order in which they come.
    fn plan(&self, days: i64) -> Vec<(i64, Event)> {
        let mut plan = Vec::new();
        for _ in 0..8 + self.chance(10) {
            let event = match self.chance(23) {
                0 | 1 => Event::Cut,
                2..=5 => Event::CutAt(1 + self.chance(60)),
                6 => Event::CutAt(1 + self.chance(2_000)),
                7 => Event::Full(self.span(1_000, 2 * HOUR)),
                8 => Event::FailSyncs(1, Failing::Kept),
                9 => Event::FailSyncs(1 + u32::try_from(self.chance(20)).expect("few"), Failing::Forgotten),
                10 => Event::Jump(self.span(MINUTE, 3 * HOUR)),
                11 => Event::Jump(self.span(HOUR, 2 * DAY)),
                12 => Event::Jump(-self.span(MINUTE, 55 * MINUTE)),
                13 if self.goes_back => Event::Jump(-self.span(HOUR, DAY)),
                13 | 14 => Event::Edit,
                15 => Event::EditUnseen,
                16 => Event::Freeze,
                17 => Event::Hand,
                18 => Event::Stop,
                19 | 20 => Event::Trouble(self.chance(60)),
                21 => Event::Witness,
                _ => Event::Person,
            };
            plan.push((self.span(10_000, days * DAY), event));
        }
        for n in 0..days * 4 {
            plan.push((n * 6 * HOUR + self.span(0, 6 * HOUR), Event::Person));
        }
        plan.sort_by_key(|(at, _)| *at);
        plan
    }

    fn live(&mut self) {
        let days = 1 + i64::try_from(self.chance(2)).expect("few");
        let plan = self.plan(days);
        self.outside.now_troubled(10 + self.chance(30));
        self.until(1);
        if let Some(engine) = self.engine.as_ref().filter(|_| self.traps) {
            crate::install(engine, std::fs::read(crate::package("hostile")).expect("the package was built"));
        }
        for (at, event) in plan {
            self.until(at);
            self.happens(event);
        }
        self.until(days * DAY);
    }

    /// Hours without accident, but for one.
    fn one_cut(&mut self, at: u64) {
        self.started_once = true;
        self.outside.now_troubled(0);
        self.outside.disk.cut_after(at);
        for n in 1..=4 {
            self.until(n * 3 * HOUR);
            self.happens(Event::Person);
        }
    }

    /// Lets the engine work until so much time has truly passed.
    fn until(&mut self, end: i64) {
        let mut turns = 0;
        while self.outside.time.truth() < end {
            let now = self.now();
            self.told.furthest = self.told.furthest.max(now);
            self.told.earliest = self.told.earliest.min(now);
            if let Some(edit) = self.told.edits.last_mut() {
                edit.perhaps = edit.perhaps.min(now);
            }
            if self.full_until.is_some_and(|until| until <= self.outside.time.truth()) {
                self.full_until = None;
                self.outside.disk.now_full(false);
            }
            let limit = self.full_until.unwrap_or(end).min(end);
            if self.outside.disk.is_off() {
                self.die();
                continue;
            }
            let Some(engine) = self.engine.clone() else {
                self.boot();
                continue;
            };
            let before = self.outside.time.truth();
            self.outside.count("turns");
            match engine.turn() {
                Ok(Turn::Did) => {
                    turns += 1;
                    if turns > TURNS {
                        self.outside.breaks("the engine goes round in circles".into());
                        return self.outside.time.pass(Duration::from_secs(3_600));
                    }
                }
                Ok(Turn::Idle(next)) => {
                    turns = 0;
                    self.rested();
                    let wait = next.map_or(i64::MAX, |at| (at.millis() - self.now().millis()).max(1));
                    let left = (limit - self.outside.time.truth()).max(0);
                    self.pass(wait.min(left));
                }
                // The same as the daemon's threads do.
                Err(_) if !self.outside.disk.is_off() => {
                    self.outside.count("turns that the store refused");
                    self.outside.time.pass(STORE_REST);
                }
                Err(_) => {}
            }
            if self.outside.time.truth() > before {
                turns = 0;
            }
        }
    }

    fn pass(&self, millis: i64) {
        self.outside.time.pass(Duration::from_millis(u64::try_from(millis).expect("time goes on")));
    }

    /// The engine had nothing left to do: what was edited is in force, what has come due has its row.
    fn rested(&mut self) {
        let now = self.now();
        self.told.rested_until = self.told.rested_until.max(now);
        if self.unread {
            // Whoever edited it asks again.
            self.unread = self.engine.as_ref().is_some_and(|engine| engine.reload().is_err());
            return;
        }
        let furthest = self.told.furthest.max(now);
        let Some(edit) = self.told.edits.last_mut() else { return };
        // Should the clock go back from here, then it is in force all the sooner.
        edit.surely = Some(edit.surely.map_or(now, |surely| surely.min(now)));
        if edit.settled.is_none() {
            edit.settled = Some(furthest);
            let number = edit.number;
            self.tell(format!("edit {number} is in force"));
        }
    }

    fn die(&mut self) {
        self.outside.count("losses of power");
        self.engine = None;
        let loss = self.loss.take().unwrap_or_else(|| match self.chance(8) {
            0 => Loss::All,
            1 => Loss::Nothing,
            _ => Loss::Seeded(self.dice.any()),
        });
        self.tell(format!("the power is gone; {loss:?}"));
        self.outside.disk.restore(loss);
        self.outside.starts.fetch_add(1, Ordering::SeqCst);
        self.full_until = None;
        let downtime = std::mem::take(&mut self.downtime);
        self.pass(downtime);
        if self.chance(4) == 0 && self.accidents {
            // A machine without a clock of its own comes back with another time.
            let by = match self.chance(3) {
                0 if self.goes_back => -self.span(HOUR, DAY),
                0 => -self.span(1, 50 * MINUTE),
                1 => self.span(MINUTE, 3 * HOUR),
                _ => self.span(MINUTE, 2 * DAY),
            };
            self.happens(Event::Jump(by));
        }
        if self.accidents && self.started_once && self.chance(5) == 0 {
            // Once more, while it starts.
            self.outside.disk.cut_after(1 + self.chance(25));
        }
    }

    fn boot(&mut self) {
        let outside = self.outside.clone();
        let injected = Injected {
            clock: outside.time.clone(),
            dice: Arc::new(Dice::seeded(self.seed)),
            network: outside.clone(),
            mode: Mode::Inline,
        };
        let file = self.folder.join("beffroi.toml");
        let base = Base { state: None, builtin: None };
        let medium = Medium { durable: self.durable, ..outside.disk.medium() };
        let engine = match Engine::start_on(&file, base, injected, medium) {
            Ok(engine) => engine,
            Err(error) => {
                assert!(self.started_once || outside.disk.is_off(), "the engine does not start: {error}");
                if !outside.disk.is_off() {
                    self.outside.count("starts that the disk refused");
                    if outside.disk.failures() == 0 {
                        self.outside.breaks(format!("the engine does not start: {error}"));
                    }
                    self.pass(5_000);
                }
                return;
            }
        };
        for (name, manner) in &self.firm.accounts {
            let line = Line { outside: outside.clone(), target: (*name).to_owned(), manner: *manner };
            engine.adapters.install_channel(AccountName::parse(name).expect("a name"), Arc::new(line));
        }
        let line = Line { outside: outside.clone(), target: PERSON.to_owned(), manner: self.firm.person() };
        engine.adapters.install_notifier(PersonName::parse(PERSON).expect("a name"), Arc::new(line));
        outside.beside(&engine);
        self.outside.count("starts");
        self.tell(format!("started, with edit {}", self.edits));
        self.unread = false;
        check::whole(&engine, &self.outside);
        self.started_once = true;
        if self.told.edits.is_empty() {
            let now = self.now();
            self.told.edits.push(Edit { surely: Some(now), settled: Some(now), ..Edit::written(0, now) });
        }
        self.engine = Some(engine);
    }

    fn tell(&mut self, what: String) {
        let zone = beffroi::domain::Zone::UTC;
        self.tale.push(format!("{:>9} s, {}: {what}", self.outside.time.truth() / 1_000, self.now().rfc3339(zone)));
    }

    fn happens(&mut self, event: Event) {
        self.tell(format!("{event:?}"));
        let disk = &self.outside.disk;
        match event {
            Event::Cut => {
                self.downtime = self.after_dark();
                self.outside.disk.cut();
            }
            Event::CutAt(n) => {
                disk.cut_after(n);
                self.downtime = self.after_dark();
            }
            Event::Full(span) => {
                disk.now_full(true);
                self.outside.count("full disks");
                self.full_until = Some(self.outside.time.truth() + span);
            }
            Event::FailSyncs(count, how) => {
                // Whoever opens the file anew reads what the system remembers and the disk forgot, and builds on it: SQLite has no
                // answer to that. So it only happens to a process that goes on, and ends with it.
                let how = if self.engine.is_some() { how } else { Failing::Kept };
                disk.fail_syncs(count, how);
                self.forgets = how == Failing::Forgotten;
                self.outside.count("failing syncs");
            }
            Event::Jump(by) => {
                self.outside.time.jump(by);
                self.outside.count(if by > 0 { "jumps of the clock forwards" } else { "jumps of the clock backwards" });
            }
            Event::Edit | Event::EditUnseen => {
                self.edits += 1;
                self.write_configuration();
                self.told.edits.push(Edit::written(self.edits, self.now()));
                let read = matches!(event, Event::Edit);
                if let Some(engine) = self.engine.as_ref().filter(|_| read) {
                    self.outside.count("edits read while running");
                    // What the disk refuses now is read at the next start.
                    if let Err(problems) = engine.reload() {
                        self.unread = true;
                        if !self.outside.disk.is_off() && self.outside.disk.failures() == 0 {
                            self.outside.breaks(format!("the edit is not taken over: {}", problems[0].render()));
                        }
                    }
                }
                if !read {
                    self.outside.count("edits read at a start");
                    self.stop();
                }
            }
            Event::Person => self.person(false),
            Event::Freeze => {
                if self.order(vec![Op::Freeze(Some("a look first".into()))]) {
                    self.frozen = true;
                    self.outside.count("freezes");
                }
            }
            Event::Hand => {
                let name = self.firm.programs[usize::try_from(self.chance(5)).expect("few")].name.clone();
                if let Some(Ok(id)) = self.engine.as_ref().map(|engine| engine.run_soon(&name, None)) {
                    self.told.promised.push(id);
                    self.outside.count("runs asked for by hand");
                }
            }
            Event::Stop => self.stop(),
            Event::Trouble(percent) => self.outside.now_troubled(percent),
            Event::Witness => self.witness(),
        }
    }

    /// How long the machine stays off.
    fn after_dark(&self) -> i64 {
        match self.chance(4) {
            0 => 0,
            1 => self.span(0, MINUTE),
            2 => self.span(MINUTE, 3 * HOUR),
            _ => self.span(HOUR, 14 * HOUR),
        }
    }

    /// The daemon ends in order. Its lock goes with it.
    fn stop(&mut self) {
        self.outside.count("stops in order");
        if std::mem::take(&mut self.forgets) {
            self.outside.disk.fail_syncs(0, Failing::Kept);
        }
        self.engine = None;
        let span = self.span(0, 2 * HOUR);
        self.pass(span);
    }

    /// Writes to the store as a person's command would; says whether it was taken.
    fn order(&self, ops: Vec<Op>) -> bool {
        let Some(engine) = &self.engine else { return false };
        engine.store.commit(Change::new(self.now(), ops)).is_ok()
    }

    fn ask<T: Default>(&self, question: impl FnOnce(&view::Db) -> Result<T, view::DbError>) -> T {
        let Some(engine) = &self.engine else { return T::default() };
        engine.store.read().ok().and_then(|reader| question(&reader).ok()).unwrap_or_default()
    }

    /// The person answers what waits for them. In peace nothing is left unanswered.
    fn person(&mut self, peace: bool) {
        let waiting = self.ask(|db| view::open_deliveries(db, None, 10_000));
        if self.frozen || peace {
            self.frozen &= !self.order(vec![Op::Freeze(None), Op::Wake { target: None }]);
        }
        for (account, _) in self.ask(view::breakers) {
            if peace || self.chance(3) > 0 {
                self.order(vec![Op::Breaker { account: account.clone(), reason: None }, Op::Wake { target: Some(account) }]);
            }
        }
        for row in self.ask(view::workflows) {
            if row.paused.is_some()
                && (peace || self.chance(2) == 0)
                && let Some(engine) = &self.engine
            {
                // A store that does not answer is asked again the next time.
                let _ = engine.pause(&row.name, None);
            }
        }
        for row in waiting {
            self.answer(&row, peace);
        }
        for row in self.ask(|db| view::deliveries(db, Some("dead"), None, 10_000)) {
            self.outside.looks(&row.target, &row.id.to_string());
            self.again(&row);
        }
    }

    fn approve(&mut self, row: &DeliveryRow) {
        if self.order(vec![Op::Approve { id: row.id, seal: row.seal.clone(), by: PERSON.into() }]) {
            self.told.approved.push(row.id);
            self.outside.count("a person's yes");
        }
    }

    fn answer(&mut self, row: &DeliveryRow, peace: bool) {
        match row.state.as_str() {
            "held" if row.approval == "needed" => match if peace { 0 } else { self.chance(6) } {
                0..=3 => self.approve(row),
                4 => {
                    self.order(vec![Op::Reject { id: row.id, by: PERSON.into(), reason: "not this one".into() }]);
                }
                _ => {}
            },
            "unknown" => {
                // Only what is left to a person: the rest settles itself.
                if row.look_at != Timestamp::NEVER || (!peace && self.chance(3) == 0) {
                    return;
                }
                self.outside.count("a person's look");
                if self.outside.looks(&row.target, &row.id.to_string()) {
                    self.order(vec![Self::said(row, "online", "somebody looked: it is online", Timestamp::NEVER)]);
                } else {
                    self.again(row);
                }
            }
            _ => {}
        }
    }

    fn again(&self, row: &DeliveryRow) {
        self.order(vec![Self::said(row, "retrying", "somebody looked: it had not gone out", self.now())]);
    }

    fn said(row: &DeliveryRow, to: &'static str, reason: &str, look_at: Timestamp) -> Op {
        Op::Move(Box::new(DeliveryMove {
            id: row.id,
            from: &["unknown", "dead"],
            to,
            reason: reason.into(),
            look_at,
            prepared: None,
            receipt: None,
            attempt: false,
            tell: true,
            private: Vec::new(),
        }))
    }

    fn witness(&mut self) {
        let runs = self.ask(|db| view::runs(db, None, 100_000));
        self.told.fates.extend(runs.iter().filter_map(|r| Some((r.run.0, r.fate?.word().to_owned()))));
        let deliveries = self.ask(|db| view::deliveries(db, None, None, 100_000));
        let ended = deliveries.iter().filter(|d| matches!(d.state.as_str(), "online" | "refused" | "cancelled"));
        self.told.ends.extend(ended.map(|d| (d.id.0, d.state.clone())));
        self.outside.count("looks of a witness");
    }

    /// Peace: everything works again, and people answer, until nothing is open.
    fn end(mut self) -> Life {
        self.outside.disk.heal();
        self.accidents = false;
        (self.full_until, self.downtime) = (None, 0);
        self.started_once = true;
        self.outside.now_troubled(0);
        let begin = self.outside.time.truth();
        self.until(begin + MINUTE);
        let quiet = Op::State { key: "quiet".into(), value: Some(Json::Bool(true).to_string()), run: RunId(0) };
        if !self.order(vec![quiet]) {
            self.outside.breaks("the store does not take a change in peace".into());
        }
        let mut open = (1, 1);
        while open != (0, 0) && self.outside.time.truth() < begin + LONGEST_PEACE {
            let next = self.outside.time.truth() + 3 * HOUR;
            self.until(next);
            self.person(true);
            let more = self.outside.time.truth() + 20 * MINUTE;
            self.until(more);
            open = (self.ask(view::open_occurrences).len(), self.ask(|db| view::open_deliveries(db, None, 10_000)).len());
        }
        if let Some(engine) = self.engine.take() {
            check::everything(&engine, &self.firm, &self.outside, &self.told);
            let digest = check::digest(&engine, &self.outside, self.folder);
            check::count(&engine, &self.outside);
            drop(engine);
            let acts = self.outside.disk.acts();
            return Life { broken: self.outside.broken(), counts: self.outside.counts(), digest, acts, tale: self.tale };
        }
        Life {
            broken: vec!["there is no engine at the end".into()],
            counts: self.outside.counts(),
            digest: String::new(),
            acts: self.outside.disk.acts(),
            tale: self.tale,
        }
    }
}
