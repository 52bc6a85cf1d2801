//! The owner of a simulation, who reads drafts and says yes.
//!
//! In: drafts that wait, and how soon they are answered. Out: yeses, given when a shop is open.
//! Never: says no, thaws what is stopped, or answers sooner than was said.

use super::stock::instant;
use crate::daemon::Engine;
use crate::domain::{DeliveryId, Language, Timestamp, Zone, parse_span, show_span};
use crate::store::{Change, CommitError, Op, calendar};
use chrono::{Days, NaiveTime, Timelike};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Somebody is there from eight in the morning to eight in the evening.
const THERE: (u32, u32) = (8, 20);

/// How drafts are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approvals {
    /// Not at all.
    Never,
    /// With a yes, at once.
    Always,
    /// With a yes after this long, when somebody is there.
    After(Duration),
}

impl Default for Approvals {
    fn default() -> Self {
        Self::After(Duration::from_secs(2 * 3_600))
    }
}

impl Approvals {
    /// Reads `never`, `always`, `after:2h`.
    ///
    /// # Errors
    /// A sentence that shows the forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "never" => Ok(Self::Never),
            None if text == "always" => Ok(Self::Always),
            Some(("after", span)) => parse_span(span).map(Self::After).map_err(|e| e.to_string()),
            _ => Err("write never, always, or after:2h".into()),
        }
    }

    /// The word as it is typed.
    pub fn word(self) -> String {
        match self {
            Self::Never => "never".into(),
            Self::Always => "always".into(),
            Self::After(span) => format!("after:{}", show_span(span)),
        }
    }

    /// As a sentence.
    pub fn sentence(self, language: Language) -> String {
        let (from, to) = THERE;
        match self {
            Self::Never => language.pick("Aucun brouillon ne reçoit de réponse.", "No draft is answered.").into(),
            Self::Always => language.pick("Chaque brouillon est approuvé aussitôt.", "Every draft is approved at once.").into(),
            Self::After(span) => {
                let span = crate::craft::show::span(span, language);
                language.pick(
                    format!("Chaque brouillon est approuvé {span} plus tard, entre {from} h et {to} h."),
                    format!("Every draft is approved {span} later, between {from}:00 and {to}:00."),
                )
            }
        }
    }

    /// When a draft that waits since a moment gets its yes.
    pub fn answer(self, since: Timestamp, zone: Zone) -> Option<Timestamp> {
        let at = match self {
            Self::Never => return None,
            Self::Always => return Some(since),
            Self::After(span) => since.plus(span),
        };
        let local = at.local(zone);
        let (from, to) = THERE;
        let day = if local.hour() >= to { local.date_naive().checked_add_days(Days::new(1))? } else { local.date_naive() };
        if (from..to).contains(&local.hour()) {
            return Some(at);
        }
        Some(instant(zone, day.and_time(NaiveTime::from_hms_opt(from, 0, 0)?)))
    }
}

/// The owner at work.
#[derive(Debug)]
pub(super) struct Owner {
    approvals: Approvals,
    /// When each draft that was seen gets its yes.
    answers: BTreeMap<DeliveryId, Option<Timestamp>>,
    /// When each yes was given.
    given: BTreeMap<DeliveryId, Timestamp>,
    /// The changes to deliveries that were seen.
    seen: Option<u64>,
}

impl Owner {
    pub(super) fn new(approvals: Approvals) -> Self {
        Self { approvals, answers: BTreeMap::new(), given: BTreeMap::new(), seen: None }
    }

    /// Reads what waits, and answers what is ripe. True when something was answered.
    pub(super) fn turn(&mut self, engine: &Engine) -> Result<bool, String> {
        let now = engine.clock.now();
        let changes = engine.store.counters().outbox.load(Ordering::Relaxed);
        let ripe = self.next().is_some_and(|at| at <= now);
        if self.approvals == Approvals::Never || (self.seen == Some(changes) && !ripe) {
            return Ok(false);
        }
        let zone = engine.current.get().business.zone;
        let waiting = engine.store.read().and_then(|db| calendar::waiting_for_a_yes(&db)).map_err(|e| e.to_string())?;
        self.answers.retain(|id, _| waiting.iter().any(|(other, ..)| other == id));
        let mut answered = false;
        for (id, seal, _) in waiting {
            let at = *self.answers.entry(id).or_insert_with(|| self.approvals.answer(now, zone));
            if at.is_none_or(|at| at > now) {
                continue;
            }
            let yes = Op::Approve { id, seal, by: "simulation".into() };
            match engine.store.commit(Change::new(now, vec![yes])) {
                Ok(_) => {
                    self.given.insert(id, now);
                    answered = true;
                }
                // It ended in this very moment.
                Err(CommitError::Refused(_) | CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.to_string()),
            }
            self.answers.remove(&id);
        }
        self.seen = (!answered).then_some(changes);
        Ok(answered)
    }

    /// When the next yes is given.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.answers.values().flatten().min().copied()
    }

    /// When a yes was given.
    pub(super) fn given(&self, id: DeliveryId) -> Option<Timestamp> {
        self.given.get(&id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_comes_when_somebody_is_there() {
        let zone = chrono_tz::Europe::Paris;
        let answer = |approvals: Approvals, at: &str| {
            approvals.answer(Timestamp::parse(at).unwrap(), zone).map(|at| at.rfc3339(zone)).unwrap_or_default()
        };
        let soon = Approvals::default();
        assert_eq!(answer(soon, "2026-12-01T09:30:00+01:00"), "2026-12-01T11:30:00+01:00");
        assert_eq!(answer(soon, "2026-12-01T19:00:00+01:00"), "2026-12-02T08:00:00+01:00");
        assert_eq!(answer(soon, "2026-12-01T03:00:00+01:00"), "2026-12-01T08:00:00+01:00");
        assert_eq!(answer(soon, "2026-10-24T23:00:00+02:00"), "2026-10-25T08:00:00+01:00");
        assert_eq!(answer(Approvals::Always, "2026-12-01T03:00:00+01:00"), "2026-12-01T03:00:00+01:00");
        assert_eq!(answer(Approvals::Never, "2026-12-01T03:00:00+01:00"), "");
    }

    #[test]
    fn the_word_reads_back() {
        for text in ["never", "always", "after:2h", "after:1h30m"] {
            assert_eq!(Approvals::parse(text).unwrap().word(), text);
        }
        for wrong in ["", "sometimes", "after", "after:", "after:soon"] {
            assert!(Approvals::parse(wrong).is_err(), "{wrong}");
        }
    }
}
