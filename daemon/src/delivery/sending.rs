//! The dangerous part of a delivery: prepare, arm, publish, and find out what came of it.
//!
//! In: content that was cleared for sending, or a delivery whose outcome is unknown. Out: the next state, with the reason.
//! Never: publishes what is not armed on disk, or again while it is unknown whether the first time took effect.

use super::handover::Matter;
use super::{Cleared, Content, Outbox, SHORTEST_WAIT, Work, gone};
use crate::craft::show;
use crate::domain::{Language, Timestamp};
use crate::instance::Instance;
use crate::kinds::{Finding, KindError, Outcome, Pause, Preparation, Receipt};
use crate::store::view::DeliveryRow;
use crate::store::{Change, CommitError, DeliveryMove, MarkRead, Op};
use std::time::Duration;

/// Tries before a delivery that meets a defect, or whose answer is lost each time, waits for a person.
pub(super) const TRIES: u32 = 8;
/// Tries while only the road is blocked: about a day, so that a night without network costs nothing.
pub(super) const PATIENT_TRIES: u32 = 30;
/// The first wait between two tries; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// What is armed and has no answer after this long is read back.
const ANSWER_IN: Duration = Duration::from_secs(60);
/// An answer that was lost is looked for after this long.
const LOOK_BACK: Duration = Duration::from_secs(5);
/// For this long a read-back that cannot tell is repeated by itself; from then on only a person, or a reload, asks again.
const LOOK_BACK_FOR: Duration = Duration::from_secs(86_400);
/// From then on an answer that does not come is told to the people.
const HAND_OVER_AFTER: Duration = LOOK_BACK_FOR;
/// The same for a network that answers, and cannot tell.
const UNSURE_FOR: Duration = Duration::from_secs(3_600);
/// A preparation that has not moved is asked again after this long at the earliest.
const NO_PROGRESS: Duration = Duration::from_secs(5);
/// Steps of preparation in one turn, so that one large upload does not hold up the others.
const PREPARE_STEPS: usize = 4;

/// The wait after so many tries.
pub(super) fn backoff(tries: u32) -> Duration {
    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1))).min(LONGEST_WAIT)
}

impl Outbox {
    /// The name of this delivery towards networks: the same for every attempt, different on every installation.
    pub(super) fn key(&self, row: &DeliveryRow) -> String {
        format!("{}-{}", self.store.instance(), row.id)
    }

    pub(super) fn send(&self, mut row: Work, instance: &Instance, cleared: &Cleared, now: Timestamp) -> Result<(), CommitError> {
        let key = self.key(&row);
        let language = instance.business.language;
        if let Content::Post(post, channel) = &cleared.content {
            for turn in 1.. {
                match channel.prepare(&self.call(instance, &row, &key, now), &key, post, row.prepared.as_deref()) {
                    Ok(Preparation::Ready(handle)) => {
                        row.row.prepared = handle;
                        break;
                    }
                    Ok(Preparation::Again(Pause { handle, not_before, message })) => {
                        // The handle is on disk before the next step is taken.
                        if row.state == "preparing" && row.prepared.as_ref() == Some(&handle) {
                            // No step was taken: nothing to write down, and no hurry.
                            return self.wait(&row, "preparing", message, not_before.max(now.plus(NO_PROGRESS)));
                        }
                        let wait = not_before > now || turn >= PREPARE_STEPS;
                        let look_at = if wait { not_before.max(now.plus(SHORTEST_WAIT)) } else { now };
                        self.step(&row, "preparing", message.clone(), look_at, |m| m.prepared = Some(handle.clone()))?;
                        if wait {
                            return Ok(());
                        }
                        let done = &mut row.row;
                        (done.state, done.reason, done.prepared) = ("preparing".into(), Some(message), Some(handle));
                    }
                    Err(error) => return self.failed(&row, error, now, language),
                }
            }
        }
        // Armed on disk before the first byte leaves: from here on, no answer means unknown.
        let arm = DeliveryMove {
            prepared: row.prepared.clone(),
            attempt: true,
            tell: false,
            ..self.new_move(&row, "armed", language.pick("envoi en cours", "being sent").into(), now.plus(ANSWER_IN))
        };
        let freeze = MarkRead::Mark("freeze".into(), cleared.freeze);
        self.store.commit(Change { built_on: vec![freeze], ops: vec![Op::Move(Box::new(arm))], at: now })?;
        let mut armed = row;
        (armed.row.state, armed.row.attempts, armed.row.armed_at) = ("armed".into(), armed.attempts + 1, Some(now));
        let answer = cleared.content.publish(&self.call(instance, &armed, &key, now), &key, armed.prepared.as_deref());
        self.silence.begins(armed.id, cleared.content.settles_within(), self.clock.monotonic());
        match answer {
            Ok(Outcome::Online(receipt)) => self.online(&armed, &receipt, language),
            Ok(Outcome::Pending(pause)) => self.pending(&armed, pause, now),
            // A defect may have struck after the post had left: it proves no more than silence does.
            Err(KindError::Uncertain(failure) | KindError::Internal(failure)) => {
                self.step(&armed, "unknown", failure.message, self.clock.now().plus(LOOK_BACK), |_| {})
            }
            Err(error) => self.failed(&armed, error, self.clock.now(), language),
        }
    }

    fn online(&self, row: &Work, receipt: &Receipt, language: Language) -> Result<(), CommitError> {
        let place = receipt.url.clone().unwrap_or_else(|| receipt.remote_id.clone());
        let reason = language.pick(format!("en ligne : {place}"), format!("online: {place}"));
        self.step(row, "online", reason, Timestamp::NEVER, |m| m.receipt = Some(receipt.clone()))
    }

    /// Accepted, and not yet there: followed until it is, more and more rarely.
    fn pending(&self, row: &Work, pause: Pause, now: Timestamp) -> Result<(), CommitError> {
        let Pause { handle, not_before, message } = pause;
        let open_for = now.since(row.armed_at.unwrap_or(now));
        if open_for >= HAND_OVER_AFTER {
            self.hand_over(row, Matter::Pending, &message, now)?;
        }
        let later = now.plus((open_for / 4).clamp(SHORTEST_WAIT, LONGEST_WAIT));
        if row.prepared.as_ref() == Some(&handle) {
            return self.wait(row, "unknown", message, not_before.max(later));
        }
        self.step(row, "unknown", message, not_before.max(now.plus(SHORTEST_WAIT)), |m| m.prepared = Some(handle))
    }

    /// After a failure that certainly had no effect.
    fn failed(&self, row: &Work, error: KindError, now: Timestamp, language: Language) -> Result<(), CommitError> {
        match error {
            KindError::Reject(failure) => self.step(row, "refused", failure.message, Timestamp::NEVER, |_| {}),
            KindError::Reconnect(failure) if row.kind == "post" => self.trip(row, &failure.message, language),
            KindError::Reconnect(failure) => self.step(row, "held", failure.message, now.plus(LONGEST_WAIT), |_| {}),
            KindError::Retry(failure, not_before) => self.retry(row, &failure.message, not_before, PATIENT_TRIES, now, language),
            KindError::Uncertain(failure) | KindError::Internal(failure) => {
                self.retry(row, &failure.message, None, TRIES, now, language)
            }
        }
    }

    fn retry(
        &self,
        row: &Work,
        why: &str,
        not_before: Option<Timestamp>,
        most: u32,
        now: Timestamp,
        language: Language,
    ) -> Result<(), CommitError> {
        // What was armed was counted then; what failed before that counts too, or it would be tried for ever.
        let counted = matches!(row.state.as_str(), "armed" | "unknown");
        let tries = row.attempts + u32::from(!counted);
        if tries >= most {
            let text = language.pick(
                format!("abandonné après {tries} essais : {why} Réessayez avec : beffroi approve {} --again", row.id),
                format!("given up after {tries} tries: {why} Try again with: beffroi approve {} --again", row.id),
            );
            tracing::error!(delivery = %row.id, account = %row.target, "{text}");
            return self.step(row, "dead", text, Timestamp::NEVER, |m| m.attempt = !counted);
        }
        let at = now.plus(backoff(tries)).max(not_before.unwrap_or(Timestamp::EPOCH));
        let text = language.pick(
            format!("{why} Nouvel essai dans {}.", show::span(at.since(now), language)),
            format!("{why} Tried again in {}.", show::span(at.since(now), language)),
        );
        tracing::warn!(delivery = %row.id, account = %row.target, "{text}");
        self.step(row, "retrying", text, at, |m| m.attempt = !counted)
    }

    /// An armed delivery without an answer, from a lost reply or a process that ended: read back, never repeated blindly.
    pub(super) fn settle_unknown(&self, row: &Work, instance: &Instance, now: Timestamp) -> Result<(), CommitError> {
        let language = instance.business.language;
        let content = match row.kind.as_str() {
            "notice" => instance.people.values().find(|p| p.name.as_str() == row.target).and_then(|person| {
                Some(Content::Notice(serde_json::from_value(row.content.clone()).ok()?, self.adapters.notifier(person)))
            }),
            _ => instance.accounts.values().find(|a| a.name.as_str() == row.target).and_then(|account| {
                let post = serde_json::from_value(row.content.clone()).ok()?;
                Some(Content::Post(post, self.adapters.channel(instance, account)))
            }),
        };
        let Some(content) = content else {
            let text = language.pick(
                format!("peut-être parti, mais {} ; vérifié dès son retour", gone(row, language)),
                format!("it may have gone out, but {}; read back as soon as it is there again", gone(row, language)),
            );
            self.hand_over(row, Matter::Unknown, &text, now)?;
            return self.wait(row, "unknown", text, Timestamp::NEVER);
        };
        // More and more rarely, the longer it stays open.
        let open_for = now.since(row.armed_at.unwrap_or(now));
        let later = now.plus(open_for.clamp(FIRST_WAIT, LONGEST_WAIT));
        let key = self.key(row);
        let silent = self.silence.left(row.id, content.settles_within(), self.clock.monotonic());
        match content.find(&self.call(instance, row, &key, now), &key, row.prepared.as_deref()) {
            Some(Ok(Finding::Online(receipt))) => self.online(row, &receipt, language),
            Some(Ok(Finding::Absent)) if !silent.is_zero() => {
                let text = language.pick("peut-être parti ; vérifié de nouveau", "it may have gone out; read back again");
                self.wait(row, "unknown", text.into(), now.plus(silent))
            }
            Some(Ok(Finding::Absent)) => {
                if let Some(recall) = &row.recall {
                    let text = self.recalled_before(recall, language);
                    return self.step(row, "cancelled", text, Timestamp::NEVER, |_| {});
                }
                let text = language.pick("Vérifié : ce n'était pas parti.", "Read back: it had not gone out.");
                // Once is an accident and is made good at once; more often, something is wrong over there.
                if row.attempts <= 1 {
                    return self.step(row, "retrying", text.into(), now, |_| {});
                }
                self.retry(row, text, None, TRIES, now, language)
            }
            Some(Ok(Finding::Refused(why))) => self.step(row, "refused", why, Timestamp::NEVER, |_| {}),
            Some(Ok(Finding::Pending(pause))) => self.pending(row, pause, now),
            Some(Ok(Finding::Unsure(why))) => {
                if open_for >= UNSURE_FOR {
                    self.hand_over(row, Matter::Unknown, &why, now)?;
                }
                self.ask_owner(row, &why, if open_for < LOOK_BACK_FOR { later } else { Timestamp::NEVER }, language)
            }
            Some(Err(error)) => {
                let text = language.pick(
                    format!("peut-être parti ; la vérification a échoué : {error}"),
                    format!("it may have gone out; reading back failed: {error}"),
                );
                if open_for >= HAND_OVER_AFTER {
                    self.hand_over(row, Matter::Unknown, &text, now)?;
                }
                self.wait(row, "unknown", text, later)
            }
            None => {
                let why = language.pick("ce réseau ne permet pas de le vérifier", "this network cannot be read back");
                self.hand_over(row, Matter::Unknown, why, now)?;
                self.ask_owner(row, why, Timestamp::NEVER, language)
            }
        }
    }

    fn ask_owner(&self, row: &Work, why: &str, until: Timestamp, language: Language) -> Result<(), CommitError> {
        let (id, why) = (row.id, why.trim_end_matches('.'));
        let text = language.pick(
            format!("peut-être parti : {why}. Regardez sur le réseau, puis répondez : beffroi approve {id} --again (pas parti) ou --done (parti)"),
            format!("it may have gone out: {why}. Look on the network, then answer: beffroi approve {id} --again (it did not) or --done (it did)"),
        );
        if row.reason.as_deref() != Some(&text) {
            tracing::error!(delivery = %id, account = %row.target, "{text}");
        }
        self.wait(row, "unknown", text, until)
    }
}
