//! What would become of the posts that wait if they were let go now.
//!
//! In: an account's rules, what it sent lately, what waits. Out: for each, when it would leave, or what still stands in its way.
//! Never: promises. Conditions on stock and prices, and the network's answers, are known only when it is sent.

use super::limits::{LATE, Lately, Limit, ceilings, late, opens_at};
use crate::domain::{Timestamp, Zone};
use crate::instance::Account;
use crate::store::outbox::Sent;
use crate::store::view::DeliveryRow;
use std::time::Duration;

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

/// What becomes of the deliveries of one account or person, by the same rules by which they will be sent. `rows` are in the order
/// of their due times, `sent` newest first; the answers come in the order of `rows`.
pub fn forecast(rows: &[&DeliveryRow], account: Option<&Account>, mut sent: Vec<Sent>, now: Timestamp, zone: Zone) -> Vec<Fate> {
    let mut fates: Vec<Option<Fate>> = rows
        .iter()
        .map(|row| match (row.approval.as_str(), row.kind.as_str(), account) {
            ("needed", ..) => Some(Fate::NeedsYes),
            (_, "notice", _) => Some(Fate::Leaves(row.due.max(now))),
            (.., None) => Some(Fate::NoAccount),
            _ => None,
        })
        .collect();
    let Some(account) = account else { return fates.into_iter().map(|fate| fate.unwrap_or(Fate::NoAccount)).collect() };
    let mut at = now;
    while at < Timestamp::NEVER && fates.contains(&None) {
        if let Some(opens) = opens_at(account, at, zone) {
            at = opens;
            continue;
        }
        let mut next = Timestamp::NEVER;
        // Of those that are late all have the same rules, and of those that are not: the first of each speaks for it.
        let mut asked = [false, false];
        let mut leaves = None;
        for (row, fate) in rows.iter().zip(&mut fates).filter(|(_, fate)| fate.is_none()) {
            if let Some(end) = row.until.filter(|end| *end <= at) {
                *fate = Some(Fate::Expires(end));
                continue;
            }
            if row.due > at {
                next = next.min(row.due);
                break;
            }
            let is_late = late(row.due, at);
            if std::mem::replace(&mut asked[usize::from(is_late)], true) {
                continue;
            }
            let lately = Lately { sent: std::mem::take(&mut sent), due_then: Vec::new() };
            let limit = ceilings(account, &lately, row.due, Timestamp::EPOCH, at, crate::domain::Language::En);
            sent = lately.sent;
            match limit {
                Some(Limit::Until(free, _)) => next = next.min(free),
                // So many at once that somebody will be asked; how it goes on then is theirs to say.
                Some(Limit::Trip(_)) => {}
                None => {
                    *fate = Some(Fate::Leaves(at));
                    leaves = Some(row.due);
                    break;
                }
            }
            if !is_late {
                next = next.min(row.due.plus(LATE + Duration::from_millis(1)));
            }
        }
        match leaves {
            Some(due) => sent.insert(0, Sent { at, due, out: true }),
            None => at = next,
        }
    }
    let end = |row: &DeliveryRow| row.until.map_or(Fate::Leaves(Timestamp::NEVER), Fate::Expires);
    rows.iter().zip(fates).map(|(row, fate)| fate.unwrap_or_else(|| end(row))).collect()
}
