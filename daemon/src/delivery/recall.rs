//! Takes posts down that somebody called back.
//!
//! In: recalls of posts that are online. Out: each gone, or to be tried again, or left to a person with the post's address.
//! Never: touches the delivery itself, which stays what it is: it was online. A freeze does not stop this, for nothing is sent.

use super::handover::Matter;
use super::sending::{PATIENT_TRIES, TRIES, backoff};
use super::{Outbox, Work, gone};
use crate::craft::show;
use crate::domain::{DeliveryId, Language, Timestamp};
use crate::kinds::KindError;
use crate::store::outbox::{self, OutboxOp, RecallRow, TakeDown};
use crate::store::view::{self, DeliveryRow};
use crate::store::{Change, CommitError, Op};
use std::time::Duration;

/// A recall that waits for its account to come back into the configuration is looked at this often.
const REST: Duration = Duration::from_secs(3_600);

/// What taking a post down came to.
enum Came {
    Gone,
    Again(String, Timestamp),
    Impossible(String),
}

impl Outbox {
    /// Why a post that was called back in time ends.
    pub(super) fn recalled_before(&self, recall: &RecallRow, language: Language) -> String {
        let why = recall.reason.as_deref().unwrap_or_default();
        language.pick(format!("rappelé avant d'être en ligne : {why}"), format!("recalled before it was online: {why}"))
    }

    /// Takes down what is to be taken down by now, each account's in its own lane. Gives back how many were tried.
    pub(super) fn take_down(&self, now: Timestamp) -> Result<usize, CommitError> {
        let due = outbox::recalls_due(&*self.store.read()?, now)?;
        let mut tried = 0;
        for (id, target) in due {
            let Some(_lane) = self.lane(&target) else { continue };
            let row = view::delivery(&*self.store.read()?, id)?;
            let open = |row: &DeliveryRow| row.recall.as_ref().is_some_and(|r| matches!(r.state.as_str(), "asked" | "retrying"));
            let Some(row) = row.filter(open) else { continue };
            tried += 1;
            match self.take_one_down(&Work::new(row), id) {
                // Somebody answered for it meanwhile.
                Ok(()) | Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(tried)
    }

    fn take_one_down(&self, row: &Work, id: DeliveryId) -> Result<(), CommitError> {
        let instance = self.current.get();
        let language = instance.business.language;
        let Some(account) = instance.accounts.values().find(|a| a.name.as_str() == row.target) else {
            return self.took(row, Came::Again(gone(row, language).into(), self.clock.now().plus(REST)), false);
        };
        let Some(remote_id) = row.remote_id.clone() else {
            let text = language.pick("son identifiant sur le réseau n'est pas connu", "its name on the network is not known");
            return self.took(row, Came::Impossible(text.into()), false);
        };
        // A name of its own: some networks take a name they have seen for a request they have answered.
        let key = format!("{}-recall", self.key(row));
        let answer =
            self.adapters.channel(&instance, account).unpublish(&self.call(&instance, row, &key, self.clock.now()), &remote_id);
        let now = self.clock.now();
        let tries = row.recall.as_ref().map_or(0, |r| r.attempts) + 1;
        let again = |why: &str, not_before: Option<Timestamp>, most: u32| {
            if tries >= most {
                return Came::Impossible(
                    language
                        .pick(format!("abandonné après {tries} essais : {why}"), format!("given up after {tries} tries: {why}")),
                );
            }
            let at = now.plus(backoff(tries)).max(not_before.unwrap_or(Timestamp::EPOCH));
            let wait = show::span(at.since(now), language);
            Came::Again(language.pick(format!("{why} Nouvel essai dans {wait}."), format!("{why} Tried again in {wait}.")), at)
        };
        let came = match answer {
            None => Came::Impossible(
                language
                    .pick(
                        "le module de ce réseau ne sait pas retirer un message",
                        "this network's adapter cannot take posts down",
                    )
                    .into(),
            ),
            Some(Ok(())) => Came::Gone,
            Some(Err(KindError::Reject(failure))) => Came::Impossible(failure.message),
            Some(Err(KindError::Retry(failure, not_before))) => again(&failure.message, not_before, PATIENT_TRIES),
            Some(Err(KindError::Reconnect(failure))) => again(&failure.message, None, PATIENT_TRIES),
            // Taking down may be repeated: what is gone already counts as gone.
            Some(Err(KindError::Uncertain(failure) | KindError::Internal(failure))) => again(&failure.message, None, TRIES),
        };
        debug_assert_eq!(row.id, id);
        self.took(row, came, true)
    }

    fn took(&self, row: &Work, came: Came, attempt: bool) -> Result<(), CommitError> {
        let language = self.current.get().business.language;
        let now = self.clock.now();
        let (to, note, look_at) = match came {
            Came::Gone => ("gone", language.pick("retiré du réseau", "taken down from the network").to_owned(), Timestamp::NEVER),
            Came::Again(why, at) => ("retrying", why, at),
            Came::Impossible(why) => {
                let (why, place) =
                    (why.trim_end_matches('.'), row.url.as_deref().or(row.remote_id.as_deref()).unwrap_or(&row.target));
                let id = row.id;
                let text = language.pick(
                    format!("{why}. Retirez-le à la main : {place} ; puis : beffroi recall {id} --done"),
                    format!("{why}. Take it down by hand: {place}; then: beffroi recall {id} --done"),
                );
                ("impossible", text, Timestamp::NEVER)
            }
        };
        let same = row.recall.as_ref().is_some_and(|r| r.state == to && r.note.as_ref() == Some(&note));
        let private = row.keep.take();
        let step = TakeDown { id: row.id, to, note: note.clone(), look_at, attempt, private };
        let mut ops = vec![Op::Outbox(OutboxOp::TakeDown(Box::new(step)))];
        if to == "impossible" {
            tracing::error!(delivery = %row.id, account = %row.target, "{note}");
            ops.extend(self.letters(row, Matter::StaysOnline, &note, now)?);
        }
        self.store.commit(Change::new(now, ops))?;
        if !same {
            self.pulse.tell("post", row.id, if to == "gone" { "gone" } else { "recalled" }, format!("{}: {note}", row.target));
        }
        Ok(())
    }
}
