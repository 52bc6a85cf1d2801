//! Brings planned posts and notices to where they belong, each exactly once.
//!
//! In: delivery rows whose time to be looked at has come. Out: the next state of each, with the reason; receipts.
//! Never: sends what is not armed on disk, arms what lacks the yes it needs, or sends again while it is unknown whether the
//! first time took effect.

mod guards;

use crate::adapters::{Adapters, Stock};
use crate::clock::{Clock, Turn};
use crate::craft::show;
use crate::domain::{Language, Timestamp, show_span};
use crate::effects::{Guards, OnFail, seal};
use crate::instance::{Account, Current, Instance};
use crate::kinds::{Call, Channel, Finding, KindError, Notice, Notifier, Outcome, Outgoing, Preparation, Receipt};
use crate::network::Network;
use crate::pulse::Pulse;
use crate::store::view::{self, DeliveryRow};
use crate::store::{Change, CommitError, DeliveryMove, MarkRead, Op, Store};
use chrono::{Duration as Days, TimeZone, Timelike};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Tries before a delivery is given up and waits for a person.
const TRIES: u32 = 8;
/// The first wait between two tries; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// How long a guard that does not hold rests before it is asked again.
const GUARD_REST: Duration = Duration::from_secs(300);
/// Steps of preparation in one turn, so that one large upload does not hold up the others.
const PREPARE_STEPS: usize = 4;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Delivers. Shared by its threads; each account is served by one of them at a time.
pub struct Outbox {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    network: Arc<dyn Network>,
    adapters: Arc<Adapters>,
    current: Arc<Current>,
    pulse: Arc<Pulse>,
    busy: Mutex<HashSet<String>>,
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
}

/// Content that may be sent: made by [`Outbox::clear`] only, which checks the seal.
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
        Self { store, clock, network, adapters, current, pulse, busy: Mutex::default() }
    }

    /// Looks at the next delivery that wants it.
    ///
    /// # Errors
    /// When the store cannot be read or written; the next turn tries again.
    pub fn turn(&self) -> Result<Turn, CommitError> {
        let now = self.clock.now();
        let rows = view::deliveries_to_look_at(&*self.store.read()?, now, 32)?;
        for row in rows {
            let Some(_lane) = self.lane(&row.target) else { continue };
            // Another thread may have served it between the look and the lane.
            let Some(row) = view::delivery(&*self.store.read()?, row.id)? else { continue };
            if row.look_at > now {
                continue;
            }
            match self.serve(&row, now) {
                // Somebody moved it meanwhile (a person's no, a freeze): the next look sees how it stands.
                Ok(()) | Err(CommitError::Conflict(_)) => return Ok(Turn::Did),
                Err(error) => return Err(error),
            }
        }
        Ok(Turn::Idle(view::next_look(&*self.store.read()?)?.filter(|at| *at > now)))
    }

    fn lane(&self, target: &str) -> Option<Lane<'_>> {
        let free = self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(target.to_owned());
        free.then(|| Lane { outbox: self, target: target.to_owned() })
    }

    fn serve(&self, row: &DeliveryRow, now: Timestamp) -> Result<(), CommitError> {
        let instance = self.current.get();
        let language = instance.business.language;
        if matches!(row.state.as_str(), "armed" | "unknown") {
            return self.settle_unknown(row, &instance, now);
        }
        match self.look(row, &instance, now)? {
            Next::Send(cleared) => self.send(row, &instance, cleared, now),
            Next::Wait(state, reason, until) => {
                // Whatever it waits for, the end of its window ends the wait.
                let look_at = row.until.map_or(until, |end| end.min(until));
                self.step(row, state, reason, look_at.max(now.plus(Duration::from_secs(1))), |_| {})
            }
            Next::End(state, reason) => self.step(row, state, reason, Timestamp::NEVER, |_| {}),
            Next::Trip(reason) => {
                let why = language.pick(
                    format!("{reason}. Le compte est bloqué jusqu'à ce que quelqu'un réponde : beffroi thaw {}", row.target),
                    format!("{reason}. The account is stopped until somebody answers: beffroi thaw {}", row.target),
                );
                let trip = Op::Breaker { account: row.target.clone(), reason: Some(reason) };
                let wait = self.move_op(row, "held", why.clone(), row.until.unwrap_or(Timestamp::NEVER));
                self.store.commit(Change::new(now, vec![trip, wait]))?;
                tracing::error!(account = %row.target, "{why}");
                self.pulse.tell("account", &row.target, "stopped", why);
                Ok(())
            }
        }
    }

    /// Everything that may stand between a delivery and its sending, in the order in which an owner would ask.
    fn look(&self, row: &DeliveryRow, instance: &Instance, now: Timestamp) -> Result<Next, CommitError> {
        let language = instance.business.language;
        let zone = instance.business.zone;
        let moment = |at: Timestamp| {
            let local = at.local(zone);
            format!("{} {}", show::day(local.date_naive(), language), local.format("%H:%M"))
        };
        if let Some(end) = row.until.filter(|end| *end <= now) {
            let was = row.reason.as_deref().filter(|_| row.state == "held").map(|r| format!(" ({r})")).unwrap_or_default();
            let text = language.pick(
                format!("sa fenêtre s'est terminée le {}{was}", moment(end)),
                format!("its window ended on {}{was}", moment(end)),
            );
            return Ok(Next::End("cancelled", text));
        }
        if row.due > now {
            return Ok(Next::Wait("due", moment(row.due), row.due));
        }
        if row.approval == "needed" {
            return Ok(Next::Wait("held", language.pick("attend votre accord", "waits for a yes").into(), Timestamp::NEVER));
        }
        let reader = self.store.read()?;
        let freeze = view::mark(&reader, "freeze")?;
        if let Some(reason) = view::freeze(&reader)? {
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
            let text =
                language.pick("le compte n'est plus dans la configuration", "the account is no longer in the configuration");
            return Ok(Next::Wait("held", text.into(), Timestamp::NEVER));
        };
        if let Some((_, reason)) = view::breakers(&reader)?.into_iter().find(|(name, _)| *name == row.target) {
            let text = language.pick(format!("le compte est bloqué : {reason}"), format!("the account is stopped: {reason}"));
            return Ok(Next::Wait("held", text, Timestamp::NEVER));
        }
        // What is untrue is said before what is only too early, and this look is the one that sends: nothing comes between.
        if let Some(next) = self.guarded(row, instance, now) {
            return Ok(next);
        }
        if let Some(opens) = opens_at(account, now, zone) {
            let text = language.pick(
                format!("hors des heures du compte, jusqu'au {}", moment(opens)),
                format!("outside the account's hours, until {}", moment(opens)),
            );
            return Ok(Next::Wait("held", text, opens));
        }
        if view::in_flight(&reader, &row.target, row.id)? {
            let text = language
                .pick("le message précédent du compte est encore en route", "the account's post before it is still on its way");
            return Ok(Next::Wait("due", text.into(), now.plus(Duration::from_secs(2))));
        }
        if let Some(next) =
            ceilings(account, &view::armed_since(&reader, &row.target, now.minus(DAY), row.id)?, now, language, moment)
        {
            return Ok(next);
        }
        Ok(self.clear_post(row, instance, account, freeze))
    }

    fn guarded(&self, row: &DeliveryRow, instance: &Instance, now: Timestamp) -> Option<Next> {
        let language = instance.business.language;
        let guards: Guards = match serde_json::from_value(row.guards.clone()?) {
            Ok(guards) => guards,
            Err(error) => return Some(Next::End("dead", format!("its guards cannot be read: {error}"))),
        };
        let known: Vec<(std::time::Duration, Result<Arc<Stock>, String>)> = instance
            .catalogs
            .values()
            .filter(|c| guards.catalog.as_deref().is_none_or(|name| name == c.name.as_str()))
            .map(|c| (c.max_age, self.adapters.stock(c, &self.call(instance, now))))
            .collect();
        let obstacle = guards::obstacle(&guards, &known, now, language)?;
        Some(match guards.on_fail {
            OnFail::Hold => Next::Wait("held", obstacle, now.plus(GUARD_REST)),
            OnFail::Drop => Next::End("cancelled", obstacle),
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
            Err(error) => return Next::End("dead", format!("its content cannot be read: {error}")),
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
            let text =
                language.pick("cette personne n'est plus dans la configuration", "this person is no longer in the configuration");
            return Next::Wait("held", text.into(), Timestamp::NEVER);
        };
        match serde_json::from_value(row.content.clone()) {
            Ok(notice) => Next::Send(Cleared { content: Content::Notice(notice, self.adapters.notifier(person)), freeze }),
            Err(error) => Next::End("dead", format!("its content cannot be read: {error}")),
        }
    }

    fn call<'a>(&'a self, instance: &Instance, now: Timestamp) -> Call<'a> {
        Call { now, network: &*self.network, zone: instance.business.zone, language: instance.business.language }
    }

    /// The name of this delivery towards networks: the same for every attempt, different on every installation.
    fn key(&self, row: &DeliveryRow) -> String {
        format!("{}-{}", self.store.instance(), row.id)
    }

    fn send(&self, row: &DeliveryRow, instance: &Instance, cleared: Cleared, now: Timestamp) -> Result<(), CommitError> {
        let key = self.key(row);
        let language = instance.business.language;
        let mut prepared = row.prepared.clone();
        if let Content::Post(post, channel) = &cleared.content {
            for turn in 0.. {
                match channel.prepare(&self.call(instance, now), &key, post, prepared.as_deref()) {
                    Ok(Preparation::Ready(handle)) => {
                        prepared = handle;
                        break;
                    }
                    Ok(Preparation::Again(pause)) => {
                        // The handle is on disk before the next step is taken.
                        prepared = Some(pause.handle.clone());
                        self.step(row, "preparing", pause.message, pause.not_before, |m| m.prepared.clone_from(&prepared))?;
                        if turn + 1 >= PREPARE_STEPS || pause.not_before > now {
                            return Ok(());
                        }
                    }
                    Err(error) => return self.refused(row, error, now, language),
                }
            }
        }
        // Armed on disk before the first byte leaves: from here on, no answer means unknown.
        let arm = DeliveryMove {
            prepared: prepared.clone(),
            attempt: true,
            tell: false,
            ..self.new_move(row, "armed", language.pick("envoi en cours", "being sent").into(), now.plus(MINUTE))
        };
        let freeze = MarkRead::Mark("freeze".into(), cleared.freeze);
        self.store.commit(Change { built_on: vec![freeze], ops: vec![Op::Move(Box::new(arm))], at: now })?;
        let armed = DeliveryRow { state: "armed".into(), attempts: row.attempts + 1, ..row.clone() };
        match cleared.content.publish(&self.call(instance, now), &key, prepared.as_deref()) {
            Ok(Outcome::Online(receipt)) => self.online(&armed, receipt, language),
            Ok(Outcome::Pending(pause)) => {
                self.step(&armed, "unknown", pause.message, pause.not_before, |m| m.prepared = Some(pause.handle.clone()))
            }
            Err(KindError::Uncertain(failure)) => {
                let reason = failure.message;
                self.step(&armed, "unknown", reason, now.plus(Duration::from_secs(5)), |_| {})
            }
            Err(error) => self.refused(&armed, error, now, language),
        }
    }

    fn online(&self, row: &DeliveryRow, receipt: Receipt, language: Language) -> Result<(), CommitError> {
        let place = receipt.url.clone().unwrap_or_else(|| receipt.remote_id.clone());
        let reason = language.pick(format!("en ligne : {place}"), format!("online: {place}"));
        self.step(row, "online", reason, Timestamp::NEVER, |m| m.receipt = Some(receipt.clone()))
    }

    /// After a failure that certainly had no effect.
    fn refused(&self, row: &DeliveryRow, error: KindError, now: Timestamp, language: Language) -> Result<(), CommitError> {
        match error {
            KindError::Reject(failure) => self.step(row, "refused", failure.message, Timestamp::NEVER, |_| {}),
            KindError::Reconnect(failure) => self.step(row, "held", failure.message, now.plus(HOUR), |_| {}),
            KindError::Uncertain(failure) => self.step(row, "retrying", failure.message, now.plus(FIRST_WAIT), |_| {}),
            KindError::Retry(failure, not_before) => self.retry(row, &failure.message, not_before, now, language),
            KindError::Internal(failure) => self.retry(row, &failure.message, None, now, language),
        }
    }

    fn retry(
        &self,
        row: &DeliveryRow,
        why: &str,
        not_before: Option<Timestamp>,
        now: Timestamp,
        language: Language,
    ) -> Result<(), CommitError> {
        if row.attempts >= TRIES {
            let text = language.pick(
                format!("abandonné après {} essais : {why} Réessayez avec : beffroi approve {} --again", row.attempts, row.id),
                format!("given up after {} tries: {why} Try again with: beffroi approve {} --again", row.attempts, row.id),
            );
            tracing::error!(delivery = %row.id, account = %row.target, "{text}");
            return self.step(row, "dead", text, Timestamp::NEVER, |_| {});
        }
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(row.attempts.saturating_sub(1))).min(LONGEST_WAIT);
        let at = now.plus(wait).max(not_before.unwrap_or(Timestamp::EPOCH));
        let text = language.pick(
            format!("{why} Nouvel essai dans {}.", show_span(at.since(now))),
            format!("{why} Tried again in {}.", show_span(at.since(now))),
        );
        tracing::warn!(delivery = %row.id, account = %row.target, "{text}");
        self.step(row, "retrying", text, at, |_| {})
    }

    /// An armed delivery without an answer, from a lost reply or a process that ended: read back, never repeated blindly.
    fn settle_unknown(&self, row: &DeliveryRow, instance: &Instance, now: Timestamp) -> Result<(), CommitError> {
        let language = instance.business.language;
        let content = match row.kind.as_str() {
            "notice" => match self.clear_notice(row, instance, 0) {
                Next::Send(cleared) => Some(cleared.content),
                _ => None,
            },
            _ => instance.accounts.values().find(|a| a.name.as_str() == row.target).and_then(|account| {
                let post = serde_json::from_value(row.content.clone()).ok()?;
                Some(Content::Post(post, self.adapters.channel(instance, account)))
            }),
        };
        let found = content.and_then(|c| c.find(&self.call(instance, now), &self.key(row), row.prepared.as_deref()));
        match found {
            Some(Ok(Finding::Online(receipt))) => self.online(row, receipt, language),
            Some(Ok(Finding::Absent)) => {
                let text = language.pick("vérifié : ce n'était pas parti", "read back: it had not gone out");
                self.step(row, "retrying", text.into(), now, |_| {})
            }
            Some(Ok(Finding::Unsure(why))) => self.ask_owner(row, &why, language),
            Some(Err(error)) => {
                let text = language.pick(
                    format!("peut-être parti ; la vérification a échoué : {error}"),
                    format!("it may have gone out; reading back failed: {error}"),
                );
                self.step(row, "unknown", text, now.plus(FIRST_WAIT.saturating_mul(4)), |_| {})
            }
            None => self.ask_owner(
                row,
                language.pick("ce réseau ne permet pas de le vérifier", "this network cannot be read back"),
                language,
            ),
        }
    }

    fn ask_owner(&self, row: &DeliveryRow, why: &str, language: Language) -> Result<(), CommitError> {
        let text = language.pick(
            format!("peut-être parti : {why}. Regardez sur le réseau, puis répondez : beffroi approve {} --again (pas parti) ou --done (parti)", row.id),
            format!("it may have gone out: {why}. Look on the network, then answer: beffroi approve {} --again (it did not) or --done (it did)", row.id),
        );
        tracing::error!(delivery = %row.id, account = %row.target, "{text}");
        self.step(row, "unknown", text, Timestamp::NEVER, |_| {})
    }

    fn new_move(&self, row: &DeliveryRow, to: &'static str, reason: String, look_at: Timestamp) -> DeliveryMove {
        let from: &'static [&'static str] = match row.state.as_str() {
            "armed" => &["armed"],
            "unknown" => &["unknown", "armed"],
            _ => &["held", "due", "preparing", "retrying"],
        };
        let tell = row.state != to || row.reason.as_deref() != Some(&reason);
        DeliveryMove { id: row.id, from, to, reason, look_at, prepared: None, receipt: None, attempt: false, tell }
    }

    fn move_op(&self, row: &DeliveryRow, to: &'static str, reason: String, look_at: Timestamp) -> Op {
        Op::Move(Box::new(self.new_move(row, to, reason, look_at)))
    }

    fn step(
        &self,
        row: &DeliveryRow,
        to: &'static str,
        reason: String,
        look_at: Timestamp,
        more: impl FnOnce(&mut DeliveryMove),
    ) -> Result<(), CommitError> {
        let mut step = self.new_move(row, to, reason, look_at);
        more(&mut step);
        let tell = step.tell.then(|| step.reason.clone());
        self.store.commit(Change::new(self.clock.now(), vec![Op::Move(Box::new(step))]))?;
        if let Some(reason) = tell {
            self.pulse.meters.delivery(to);
            tracing::info!(delivery = %row.id, target_name = %row.target, state = to, "{reason}");
            self.pulse.tell(
                if row.kind == "notice" { "notice" } else { "post" },
                row.id,
                to,
                format!("{}: {reason}", row.target),
            );
        }
        Ok(())
    }
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

/// When the account's hours begin next; `None` when they are on.
pub fn opens_at(account: &Account, now: Timestamp, zone: crate::domain::Zone) -> Option<Timestamp> {
    if account.hours.is_empty() {
        return None;
    }
    let local = now.local(zone);
    let minute = u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(0);
    if account.hours.iter().any(|(from, to)| (*from..*to).contains(&minute)) {
        return None;
    }
    // Today's and tomorrow's beginnings, as the wall clock has them; one that a change of clocks leaves out comes a day later.
    let starts = (0..3).flat_map(|day| account.hours.iter().map(move |(from, _)| (day, *from)));
    starts
        .filter_map(|(day, from)| {
            let date = local.date_naive() + Days::days(day);
            let time = date.and_hms_opt(u32::from(from / 60), u32::from(from % 60), 0)?;
            zone.from_local_datetime(&time).earliest().map(Timestamp::from)
        })
        .filter(|at| *at > now)
        .min()
}

/// Spacing lets posts drip; a count that is reached means something runs wild, and needs a person.
fn ceilings(
    account: &Account,
    armed: &[Timestamp],
    now: Timestamp,
    language: Language,
    moment: impl Fn(Timestamp) -> String,
) -> Option<Next> {
    let limits = &account.ceilings;
    if let Some(last) = armed.first() {
        let free = last.plus(limits.spacing);
        if free > now {
            let text = language.pick(
                format!("laisse {} entre deux messages, jusqu'au {}", show_span(limits.spacing), moment(free)),
                format!("keeps {} between two posts, until {}", show_span(limits.spacing), moment(free)),
            );
            return Some(Next::Wait("held", text, free));
        }
    }
    for (most, span, fr, en) in [
        (limits.per_minute, MINUTE, "minute", "minute"),
        (limits.per_hour, HOUR, "heure", "hour"),
        (limits.per_day, DAY, "jour", "day"),
    ] {
        let Some(most) = most else { continue };
        let from = now.minus(span);
        let count = armed.iter().filter(|at| **at > from).count();
        if count >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Some(Next::Trip(language.pick(
                format!("le plafond de {most} par {fr} est atteint"),
                format!("the ceiling of {most} per {en} is reached"),
            )));
        }
    }
    None
}
