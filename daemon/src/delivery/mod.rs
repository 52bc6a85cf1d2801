//! Brings planned posts and notices to where they belong, each exactly once.
//!
//! In: delivery rows whose time to be looked at has come. Out: the next state of each, with the reason; receipts.
//! Never: sends what is not armed on disk, arms what lacks the yes it needs, or sends again while it is unknown whether the
//! first time took effect.

mod forecast;
mod guards;
mod handover;
mod limits;
mod recall;
mod sending;
mod silence;

pub use forecast::{Fate, forecast};
pub use limits::opens_at;

use crate::adapters::{Adapters, Stock};
use crate::clock::{Clock, Turn};
use crate::craft::show;
use crate::domain::{DeliveryId, Language, Timestamp};
use crate::effects::{Guards, OnFail, seal};
use crate::instance::{Account, Approval, Current, Instance};
use crate::kinds::{Call, Channel, Finding, Keep, KindError, Notice, Notifier, Outcome, Outgoing};
use crate::network::Network;
use crate::pulse::Pulse;
use crate::store::outbox::{self, OutboxOp};
use crate::store::view::{self, DeliveryRow, Look};
use crate::store::{Change, CommitError, DeliveryMove, Op, Store};
use handover::Matter;
use limits::{Lately, Limit};
use silence::Silence;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a guard that does not hold rests before it is asked again.
const GUARD_REST: Duration = Duration::from_secs(300);
/// A wait up to this long that changes nothing else is kept in memory, so that what waits does not wear out the disk.
const SHORT_WAIT: Duration = Duration::from_secs(3_600);
/// The shortest wait, whatever anybody asks for.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// Looks in one turn, so that the end of the daemon is seen in between.
const LOOKS: usize = 32;
/// Most time one call of an adapter may take.
const CALL_TIME: Duration = Duration::from_secs(120);
/// A post that was tried this often, is in preparation for this long, or has had no answer for this long, no longer holds up
/// those behind it.
fn patience(now: Timestamp) -> view::Patience {
    let ago = |seconds| now.minus(Duration::from_secs(seconds));
    view::Patience { tries: 3, due_since: ago(3_600), armed_since: ago(120) }
}

/// Delivers. Shared by its threads; each account is served by one of them at a time.
pub struct Outbox {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    network: Arc<dyn Network>,
    adapters: Arc<Adapters>,
    current: Arc<Current>,
    pulse: Arc<Pulse>,
    busy: Mutex<HashSet<String>>,
    rests: Mutex<HashMap<DeliveryId, Rest>>,
    silence: Silence,
}

/// A look that was put off without writing it down. Void as soon as somebody touches the row.
struct Rest {
    look_at: Timestamp,
    approval: String,
    until: Timestamp,
}

impl Rest {
    fn holds(&self, look: &Look, now: Timestamp) -> bool {
        self.until > now && self.look_at == look.look_at && self.approval == look.approval
    }
}

/// A delivery being served, with what adapters want remembered of the calls made for it.
///
/// Every move of the delivery takes that along, into the same change: what a channel keeps and what became of the post are either
/// both on disk or both not.
struct Work {
    row: DeliveryRow,
    keep: Keep,
}

impl Work {
    fn new(row: DeliveryRow) -> Self {
        Self { row, keep: Keep::default() }
    }
}

impl std::ops::Deref for Work {
    type Target = DeliveryRow;

    fn deref(&self) -> &DeliveryRow {
        &self.row
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let lost = self.keep.take();
        debug_assert!(
            lost.is_empty() || std::thread::panicking(),
            "{}: a move forgot what an adapter keeps: {lost:?}",
            self.row.id
        );
    }
}

/// A lane that is served; free again when dropped.
struct Lane<'a> {
    outbox: &'a Outbox,
    target: String,
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.outbox.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.target);
    }
}

/// What a look at a delivery came to.
enum Next {
    /// Nothing stands in the way.
    Send(Cleared),
    /// Wait in this state, for this reason, until this moment.
    Wait(&'static str, String, Timestamp),
    /// It ends here.
    End(&'static str, String),
    /// Wait, and trip the account's breaker.
    Trip(String),
    /// Wait for a yes that was not needed when it was planned.
    AskYes(String),
    /// A condition does not hold: what stands in for it takes its place.
    Swap(String),
}

/// Content that may be sent: made by [`Outbox::clear_post`] and [`Outbox::clear_notice`] only, which check the seal.
struct Cleared {
    content: Content,
    /// The mark of the freeze as it was seen: arming fails when somebody froze in between.
    freeze: i64,
}

enum Content {
    Post(Outgoing, Arc<dyn Channel>),
    Notice(Notice, Arc<dyn Notifier>),
}

impl Content {
    fn settles_within(&self) -> Duration {
        match self {
            Self::Post(_, channel) => channel.settles_within(),
            Self::Notice(_, notifier) => notifier.settles_within(),
        }
    }

    fn publish(&self, call: &Call<'_>, key: &str, prepared: Option<&str>) -> Result<Outcome, KindError> {
        match self {
            Self::Post(post, channel) => channel.publish(call, key, post, prepared),
            Self::Notice(notice, notifier) => notifier.notify(call, key, notice).map(Outcome::Online),
        }
    }

    fn find(&self, call: &Call<'_>, key: &str, prepared: Option<&str>) -> Option<Result<Finding, KindError>> {
        match self {
            Self::Post(post, channel) => channel.find(call, key, post, prepared),
            Self::Notice(notice, notifier) => notifier.find(call, key, notice),
        }
    }
}

impl Outbox {
    /// An outbox.
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        network: Arc<dyn Network>,
        adapters: Arc<Adapters>,
        current: Arc<Current>,
        pulse: Arc<Pulse>,
    ) -> Self {
        let silence = Silence::new(clock.monotonic());
        Self { store, clock, network, adapters, current, pulse, busy: Mutex::default(), rests: Mutex::default(), silence }
    }

    /// Looks at the deliveries that want it.
    ///
    /// # Errors
    /// When the store cannot be read or written; the next turn tries again.
    pub fn turn(&self) -> Result<Turn, CommitError> {
        let now = self.clock.now();
        // What is to come down comes first: it is seen by more people every minute.
        let mut looked = self.take_down(now)?;
        let looks = view::looks(&*self.store.read()?, now)?;
        let wanted = self.without_rests(looks, now);
        for look in wanted {
            let Some(_lane) = self.lane(&look.target) else { continue };
            // Another thread may have served it between the look and the lane.
            let row = view::delivery(&*self.store.read()?, look.id)?;
            looked += 1;
            let Some(row) = row.filter(|row| row.look_at == look.look_at && row.approval == look.approval) else { continue };
            match self.serve(row.clone(), self.clock.now()) {
                // Somebody moved it meanwhile (a person's no, a freeze): the next look sees how it stands.
                Ok(()) | Err(CommitError::Conflict(_)) => {}
                // A rule of the store stands against this one: the others go on.
                Err(CommitError::Refused(rule)) => self.park(Work::new(row), &rule)?,
                Err(error) => return Err(error),
            }
            if looked >= LOOKS {
                break;
            }
        }
        if looked > 0 {
            return Ok(Turn::Did);
        }
        let rested = self.rests.lock().unwrap_or_else(PoisonError::into_inner).values().map(|r| r.until).min();
        let reader = self.store.read()?;
        let (next, recall) = (view::next_look(&reader, now)?, outbox::next_recall(&reader, now)?);
        Ok(Turn::Idle([rested, next, recall].into_iter().flatten().min().map(|at| at.max(now.plus(Duration::from_millis(1))))))
    }

    /// Leaves out what rests, and forgets rests that are over.
    fn without_rests(&self, looks: Vec<Look>, now: Timestamp) -> Vec<Look> {
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        if rests.is_empty() {
            return looks;
        }
        let mut holding = HashSet::new();
        let wanted = looks
            .into_iter()
            .filter(|look| {
                let holds = rests.get(&look.id).is_some_and(|rest| rest.holds(look, now));
                if holds {
                    holding.insert(look.id);
                }
                !holds
            })
            .collect();
        rests.retain(|id, _| holding.contains(id));
        wanted
    }

    /// Whether there is nothing to look at now, and nobody looks at anything.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn at_rest(&self) -> Result<bool, CommitError> {
        let now = self.clock.now();
        let reader = self.store.read()?;
        let waiting = self.without_rests(view::looks(&reader, now)?, now);
        let rests = waiting.is_empty() && outbox::recalls_due(&reader, now)?.is_empty();
        drop(reader);
        Ok(rests && self.busy.lock().unwrap_or_else(PoisonError::into_inner).is_empty())
    }

    /// Puts the next look off in memory only.
    fn rest(&self, row: &DeliveryRow, until: Timestamp) {
        let rest = Rest { look_at: row.look_at, approval: row.approval.clone(), until };
        self.rests.lock().unwrap_or_else(PoisonError::into_inner).insert(row.id, rest);
    }

    /// A delivery that the store does not let go on waits for a person.
    fn park(&self, row: Work, rule: &str) -> Result<(), CommitError> {
        let language = self.current.get().business.language;
        let text = language.pick(
            format!("la base de données s'y oppose : {rule}. Quelqu'un a-t-il modifié le fichier à la main ?"),
            format!("the database forbids it: {rule}. Did somebody change the file by hand?"),
        );
        tracing::error!(delivery = %row.id, account = %row.target, "{text}");
        match self.step(&row, "dead", text, Timestamp::NEVER, |_| {}) {
            Err(CommitError::Refused(_) | CommitError::Conflict(_)) => {
                self.rest(&row, self.clock.now().plus(SHORT_WAIT));
                Ok(())
            }
            other => other,
        }
    }

    fn lane(&self, target: &str) -> Option<Lane<'_>> {
        let free = self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(target.to_owned());
        free.then(|| Lane { outbox: self, target: target.to_owned() })
    }

    fn serve(&self, row: DeliveryRow, now: Timestamp) -> Result<(), CommitError> {
        let instance = self.current.get();
        let row = Work::new(row);
        if matches!(row.state.as_str(), "armed" | "unknown") {
            return self.settle_unknown(&row, &instance, now);
        }
        if let Some(recall) = &row.recall {
            // It was called back while nobody knew whether it was out, and it was not.
            let text = self.recalled_before(recall, instance.business.language);
            return self.step(&row, "cancelled", text, Timestamp::NEVER, |_| {});
        }
        match self.look(&row, &instance, now)? {
            Next::Send(cleared) => self.send(row, &instance, &cleared, now),
            Next::Wait(state, reason, until) => self.wait(&row, state, reason, until),
            Next::End(state, reason) => self.step(&row, state, reason, Timestamp::NEVER, |_| {}),
            Next::Trip(reason) => self.trip(&row, &reason, instance.business.language),
            Next::AskYes(reason) => {
                // Asked before any adapter is: there is nothing to remember. A yes covers what stands in for it too.
                let ask = |id| Op::AskYes { id, reason: reason.clone() };
                let mut ops = vec![ask(row.id)];
                ops.extend(self.standing_by(&row)?.filter(|twin| twin.approval == "none").map(|twin| ask(twin.id)));
                self.store.commit(Change::new(now, ops))?;
                self.told(&row, "held", &reason);
                Ok(())
            }
            Next::Swap(obstacle) => self.swap(row, &obstacle, instance.business.language, now),
        }
    }

    /// What waits to stand in for this delivery.
    fn standing_by(&self, row: &DeliveryRow) -> Result<Option<DeliveryRow>, CommitError> {
        let Some(id) = row.fallback else { return Ok(None) };
        Ok(view::delivery(&*self.store.read()?, id)?.filter(|twin| twin.stands_by() && twin.state == "held"))
    }

    /// Puts what stands in for a delivery in its place, in one change, and looks at that at once: its place in the order of the
    /// account is that of the delivery.
    fn swap(&self, row: Work, obstacle: &str, language: Language, now: Timestamp) -> Result<(), CommitError> {
        let Some(twin) = self.standing_by(&row)? else {
            let text = language.pick(
                format!("{obstacle} ; plus rien ne peut le remplacer"),
                format!("{obstacle}; nothing can stand in for it any more"),
            );
            return self.step(&row, "cancelled", text, Timestamp::NEVER, |_| {});
        };
        let text =
            language.pick(format!("{obstacle} ; {} le remplace", twin.id), format!("{obstacle}; {} stands in for it", twin.id));
        let reason = language.pick(format!("remplace {} : {obstacle}", row.id), format!("stands in for {}: {obstacle}", row.id));
        let step = Box::new(self.new_move(&row, "cancelled", text.clone(), Timestamp::NEVER));
        let swap = OutboxOp::Swap { step, fallback: twin.id, reason: reason.clone() };
        self.store.commit(Change::new(self.clock.now(), vec![Op::Outbox(swap)]))?;
        self.told(&row, "cancelled", &text);
        self.told(&twin, "held", &reason);
        drop(row);
        match view::delivery(&*self.store.read()?, twin.id)? {
            Some(twin) => self.serve(twin, now),
            None => Ok(()),
        }
    }

    /// Stops the account until a person lets it go on; its queue waits.
    fn trip(&self, row: &Work, reason: &str, language: Language) -> Result<(), CommitError> {
        let reason = reason.trim_end_matches('.');
        let why = language.pick(
            format!("{reason}. Le compte est bloqué jusqu'à ce que quelqu'un réponde : beffroi thaw {}", row.target),
            format!("{reason}. The account is stopped until somebody answers: beffroi thaw {}", row.target),
        );
        let trip = Op::Breaker { account: row.target.clone(), reason: Some(reason.to_owned()) };
        let wait = self.new_move(row, "held", why.clone(), row.until.unwrap_or(Timestamp::NEVER));
        self.store.commit(Change::new(self.clock.now(), vec![trip, Op::Move(Box::new(wait))]))?;
        tracing::error!(account = %row.target, "{why}");
        self.pulse.tell("account", &row.target, "stopped", &why);
        self.told(row, "held", &why);
        Ok(())
    }

    /// Everything that may stand between a delivery and its sending, in the order in which an owner would ask.
    fn look(&self, row: &Work, instance: &Instance, now: Timestamp) -> Result<Next, CommitError> {
        let language = instance.business.language;
        let zone = instance.business.zone;
        let moment = |at: Timestamp| {
            let local = at.local(zone);
            format!("{} {}", show::day(local.date_naive(), language), local.format("%H:%M"))
        };
        if let Some(end) = row.until.filter(|end| *end <= now) {
            let was =
                row.reason.as_deref().filter(|_| row.due <= now && matches!(row.state.as_str(), "held" | "retrying" | "due"));
            let was = was.map(|r| format!(" ({r})")).unwrap_or_default();
            let text = language.pick(
                format!("sa fenêtre s'est terminée le {}{was}", moment(end)),
                format!("its window ended on {}{was}", moment(end)),
            );
            return Ok(Next::End("cancelled", text));
        }
        if let Some(post) = row.stands_in_for.filter(|_| row.stands_by()) {
            let text = language.pick(
                format!("remplace {post} si une condition ne tient pas"),
                format!("stands in for {post} if a condition does not hold"),
            );
            return Ok(Next::Wait("held", text, Timestamp::NEVER));
        }
        // Before its time comes too: who is asked early can answer early.
        let ask = language.pick("attend votre accord", "waits for a yes");
        if row.approval == "needed" {
            return Ok(Next::Wait("held", ask.into(), Timestamp::NEVER));
        }
        if row.due > now {
            return Ok(Next::Wait("due", moment(row.due), row.due));
        }
        let reader = self.store.read()?;
        let freeze = view::mark(&reader, "freeze")?;
        let (through_freeze, through_stop) = outbox::let_through(&reader, row.id)?;
        if let Some(reason) = view::freeze(&reader)?.filter(|_| !through_freeze) {
            return Ok(Next::Wait(
                "held",
                language.pick(format!("tout est gelé : {reason}"), format!("everything is frozen: {reason}")),
                Timestamp::NEVER,
            ));
        }
        if row.kind == "notice" {
            return Ok(self.clear_notice(row, instance, freeze));
        }
        let Some((_, account)) = instance.accounts.iter().find(|(name, _)| name.as_str() == row.target) else {
            return Ok(Next::Wait("held", gone(row, language).into(), Timestamp::NEVER));
        };
        let breaker = view::breaker(&reader, &row.target)?;
        let mended = match breaker {
            // What one post that a person let through does, is counted from when the account was stopped.
            Some((Some(_), since)) if through_stop => since,
            Some((Some(reason), _)) => {
                let text = language.pick(format!("le compte est bloqué : {reason}"), format!("the account is stopped: {reason}"));
                return Ok(Next::Wait("held", text, Timestamp::NEVER));
            }
            Some((None, mended)) => mended,
            None => Timestamp::EPOCH,
        };
        if account.approval == Approval::Always && row.approval == "none" {
            return Ok(Next::AskYes(ask.into()));
        }
        // What is untrue is said before what is only too early, and this look is the one that sends: nothing comes between.
        let mut swap = None;
        match self.guarded(row, instance, now, moment) {
            // Not before nothing else stands in its way: by then the condition may hold again.
            Some(Next::Swap(obstacle)) => swap = Some(obstacle),
            Some(next) => return Ok(next),
            None => {}
        }
        if let Some(opens) = opens_at(account, now, zone) {
            let text = language.pick(
                format!("hors des heures du compte, jusqu'au {}", moment(opens)),
                format!("outside the account's hours, until {}", moment(opens)),
            );
            return Ok(Next::Wait("held", text, opens));
        }
        if let Some(next) = view::before_it(&reader, row, patience(now))? {
            let text = language
                .pick("le message précédent du compte est encore en route", "the account's post before it is still on its way");
            // It may be settled long before it is looked at again.
            let soon = now.plus(Duration::from_secs(2));
            return Ok(Next::Wait("due", text.into(), next.min(now.plus(Duration::from_secs(30))).max(soon)));
        }
        let since = now.minus(limits::DAY.max(account.ceilings.spacing));
        let sent = outbox::sent_since(&reader, &row.target, since, row.id)?;
        let lately = Lately { due_then: outbox::due_since(&reader, &row.target, since, now, row.id)?, sent };
        match limits::ceilings(account, &lately, row.due, mended, now, language) {
            // Without the moment, which moves with every post that leaves: the sentence stays, and waiting writes nothing.
            Some(Limit::Until(free, text)) => return Ok(Next::Wait("held", text, free)),
            Some(Limit::Trip(text)) => return Ok(Next::Trip(text)),
            None => {}
        }
        if let Some(obstacle) = swap {
            return Ok(Next::Swap(obstacle));
        }
        Ok(self.clear_post(row, instance, account, freeze))
    }

    fn guarded(&self, row: &Work, instance: &Instance, now: Timestamp, moment: impl Fn(Timestamp) -> String) -> Option<Next> {
        let language = instance.business.language;
        let guards: Guards = match serde_json::from_value(row.guards.clone()?) {
            Ok(guards) => guards,
            Err(error) => return Some(unreadable(("ses conditions", "its guards"), &error, language)),
        };
        let known: Vec<(std::time::Duration, Result<Arc<Stock>, String>)> = instance
            .catalogs
            .values()
            .filter(|c| guards.catalog.as_deref().is_none_or(|name| name == c.name.as_str()))
            .map(|c| (c.max_age, self.adapters.stock(c, &self.call(instance, row, "", now))))
            .collect();
        let obstacle = guards::obstacle(&guards, &known, now, language, moment)?;
        Some(match guards.on_fail {
            OnFail::Hold => Next::Wait("held", obstacle, now.plus(GUARD_REST)),
            OnFail::Drop => Next::End("cancelled", obstacle),
            OnFail::Swap => Next::Swap(obstacle),
        })
    }

    /// The only way to content that may be sent: the seal must be that of exactly these bytes, and a yes must be to that seal.
    fn clear_post(&self, row: &DeliveryRow, instance: &Instance, account: &Account, freeze: i64) -> Next {
        let language = instance.business.language;
        if let Some(broken) = broken_seal(row, language) {
            return broken;
        }
        let post: Outgoing = match serde_json::from_value(row.content.clone()) {
            Ok(post) => post,
            Err(error) => return unreadable(CONTENT, &error, language),
        };
        let channel = self.adapters.channel(instance, account);
        let objections = channel.objections(&post);
        if !objections.is_empty() {
            let text = objections.into_iter().map(|o| o.message).collect::<Vec<_>>().join(" ");
            return Next::End("refused", text);
        }
        Next::Send(Cleared { content: Content::Post(post, channel), freeze })
    }

    fn clear_notice(&self, row: &DeliveryRow, instance: &Instance, freeze: i64) -> Next {
        let language = instance.business.language;
        if let Some(broken) = broken_seal(row, language) {
            return broken;
        }
        let Some(person) = instance.people.values().find(|p| p.name.as_str() == row.target) else {
            return Next::Wait("held", gone(row, language).into(), Timestamp::NEVER);
        };
        match serde_json::from_value(row.content.clone()) {
            Ok(notice) => Next::Send(Cleared { content: Content::Notice(notice, self.adapters.notifier(person)), freeze }),
            Err(error) => unreadable(CONTENT, &error, language),
        }
    }

    fn call<'a>(&'a self, instance: &Instance, row: &'a Work, key: &'a str, now: Timestamp) -> Call<'a> {
        let business = &instance.business;
        Call {
            id: key,
            // What is armed was counted then.
            attempt: row.attempts + u32::from(!matches!(row.state.as_str(), "armed" | "unknown")),
            time: CALL_TIME,
            keep: &row.keep,
            now,
            network: &*self.network,
            zone: business.zone,
            language: business.language,
        }
    }

    fn new_move(&self, row: &Work, to: &'static str, reason: String, look_at: Timestamp) -> DeliveryMove {
        let from: &'static [&'static str] = match row.state.as_str() {
            "armed" => &["armed"],
            "unknown" => &["unknown", "armed"],
            _ => &["held", "due", "preparing", "retrying"],
        };
        let tell = row.state != to || row.reason.as_deref() != Some(&reason);
        let private = row.keep.take();
        DeliveryMove { id: row.id, from, to, reason, look_at, prepared: None, receipt: None, attempt: false, tell, private }
    }

    /// Waits. Nothing is written when nothing but the next look would change, and no adapter wants anything remembered.
    fn wait(&self, row: &Work, to: &'static str, reason: String, until: Timestamp) -> Result<(), CommitError> {
        let now = self.clock.now();
        let look_at = self.bounded(row, to, until).max(now.plus(SHORTEST_WAIT));
        let same = row.state == to && row.reason.as_deref() == Some(&reason) && row.keep.is_empty();
        if same && look_at.since(now) <= SHORT_WAIT {
            self.rest(row, look_at);
            return Ok(());
        }
        self.step(row, to, reason, look_at, |_| {})
    }

    /// Whatever a delivery waits for, the end of its window ends the wait; unless it may be out already.
    fn bounded(&self, row: &DeliveryRow, to: &str, until: Timestamp) -> Timestamp {
        row.until.filter(|_| matches!(to, "held" | "due" | "preparing" | "retrying")).map_or(until, |end| end.min(until))
    }

    fn step(
        &self,
        row: &Work,
        to: &'static str,
        reason: String,
        look_at: Timestamp,
        more: impl FnOnce(&mut DeliveryMove),
    ) -> Result<(), CommitError> {
        let mut step = self.new_move(row, to, reason, self.bounded(row, to, look_at));
        more(&mut step);
        let tell = step.tell.then(|| step.reason.clone());
        let now = self.clock.now();
        // Nobody looks at it again by itself: who is to do so is told in the same change.
        let letters = if to == "dead" { self.letters(row, Matter::Dead, &step.reason, now)? } else { Vec::new() };
        let mut ops = vec![Op::Move(Box::new(step))];
        ops.extend(letters);
        self.store.commit(Change::new(now, ops))?;
        if let Some(reason) = tell {
            self.told(row, to, &reason);
        }
        Ok(())
    }

    fn told(&self, row: &DeliveryRow, to: &'static str, reason: &str) {
        self.pulse.meters.delivery(to);
        tracing::info!(delivery = %row.id, target_name = %row.target, state = to, "{reason}");
        let kind = if row.kind == "notice" { "notice" } else { "post" };
        self.pulse.tell(kind, row.id, to, format!("{}: {reason}", row.target));
    }
}

fn gone(row: &DeliveryRow, language: Language) -> &'static str {
    if row.kind == "notice" {
        language.pick("cette personne n'est plus dans la configuration", "this person is no longer in the configuration")
    } else {
        language.pick("le compte n'est plus dans la configuration", "the account is no longer in the configuration")
    }
}

const CONTENT: (&str, &str) = ("son contenu", "its content");

/// The end of a delivery whose row holds something that this program cannot read.
fn unreadable(what: (&str, &str), error: &serde_json::Error, language: Language) -> Next {
    let (fr, en) = what;
    let text = language.pick(
        format!("{fr} ne se lit pas ({error})\u{a0}; rien n'est parti, relancez le programme qui l'a prévu"),
        format!("{en} cannot be read ({error}); nothing was sent, run the workflow that planned it again"),
    );
    Next::End("dead", text)
}

/// Content that is not what its seal says, or a yes to something else: a person must look.
fn broken_seal(row: &DeliveryRow, language: Language) -> Option<Next> {
    let now = seal(&row.target, &row.content.to_string(), row.due, row.until).to_string();
    let approved = row.approval != "given" || row.approved_seal.as_deref() == Some(&now);
    (now != row.seal || !approved).then(|| {
        let text = language.pick("le contenu n'est pas celui qui a été approuvé", "the content is not what was approved");
        Next::End("dead", text.into())
    })
}
