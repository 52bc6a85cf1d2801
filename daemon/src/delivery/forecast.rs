//! What would become of the posts that wait if they were let go now.
//!
//! In: an account's rules, what it sent lately, what waits. Out: for each, when it would leave, or what still stands in its way.
//! Never: promises. Conditions on stock and prices, and the network's answers, are known only when it is sent.

use super::limits::{drip, late, opens_at};
use crate::domain::{Timestamp, Zone};
use crate::instance::Account;
use crate::store::outbox::Sent;
use crate::store::view::DeliveryRow;

/// What becomes of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It leaves at about this moment.
    Leaves(Timestamp),
    /// Its window ends before its turn comes.
    Expires(Timestamp),
    /// It waits for a yes.
    NeedsYes,
    /// Its account is not in the configuration.
    NoAccount,
}

/// Foresees deliveries of one account or person, to be asked in the order of their due times.
#[derive(Debug)]
pub struct Forecast {
    /// When the last one leaves.
    last: Option<Timestamp>,
    /// When the last late one leaves.
    last_late: Option<Timestamp>,
}

/// A forecast that begins with what was sent lately, newest first.
pub fn forecast(sent: &[Sent]) -> Forecast {
    let last_late = sent.iter().find(|other| other.out && late(other.due, other.at)).map(|other| other.at);
    Forecast { last: sent.first().map(|other| other.at), last_late }
}

impl Forecast {
    /// What becomes of the next one.
    pub fn next(&mut self, row: &DeliveryRow, account: Option<&Account>, now: Timestamp, zone: Zone) -> Fate {
        if row.approval == "needed" {
            return Fate::NeedsYes;
        }
        let mut at = row.due.max(now);
        if row.kind == "post" {
            let Some(account) = account else { return Fate::NoAccount };
            let apart = |last: Option<Timestamp>, span| last.map_or(Timestamp::EPOCH, |last: Timestamp| last.plus(span));
            at = at.max(apart(self.last, account.ceilings.spacing));
            if late(row.due, at) {
                at = at.max(apart(self.last_late, drip(account)));
            }
            at = opens_at(account, at, zone).unwrap_or(at);
        }
        if let Some(end) = row.until.filter(|end| *end <= at) {
            return Fate::Expires(end);
        }
        if row.kind == "post" {
            self.last = self.last.max(Some(at));
            if late(row.due, at) {
                self.last_late = self.last_late.max(Some(at));
            }
        }
        Fate::Leaves(at)
    }
}
