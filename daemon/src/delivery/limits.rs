//! When an account may post: its hours, its spacing, its ceilings.
//!
//! In: the account's limits and when it posted before. Out: nothing, or when it may again, or that somebody must look.
//! Never: reads a clock or the store.

use crate::craft::show;
use crate::domain::{Language, Timestamp, Zone};
use crate::instance::Account;
use crate::store::outbox::Sent;
use chrono::Timelike;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// The longest span over which posts are counted.
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// What a limit asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// To wait until then.
    Until(Timestamp, String),
    /// To stop the account.
    Trip(String),
}

/// When the account's hours begin next; `None` when they are on.
pub fn opens_at(account: &Account, now: Timestamp, zone: Zone) -> Option<Timestamp> {
    let open = |at: Timestamp| {
        let local = at.local(zone);
        let minute = u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(0);
        account.hours.iter().any(|(from, to)| (*from..*to).contains(&minute))
    };
    if account.hours.is_empty() || open(now) {
        return None;
    }
    // Minute by minute as the wall clock goes: right through every change of clocks. Two days hold every minute of a day, even
    // where a whole day was left out.
    let into_minute = now.millis().rem_euclid(60_000);
    let minutes = (1..=2 * 1_440).map(|n| Timestamp::from_millis(now.millis() - into_minute + n * 60_000));
    Some(minutes.into_iter().find(|at| open(*at)).unwrap_or(Timestamp::NEVER))
}

/// Later than this after its moment, a post is late: it leaves with others that are late, and they leave one by one.
pub(super) const LATE: Duration = Duration::from_secs(5 * 60);
/// The distance between two late posts where the account's own spacing is shorter than [`LATE`].
const DRIP: Duration = Duration::from_secs(15 * 60);

/// What happened on an account lately, besides the post in question.
#[derive(Debug, Default)]
pub(super) struct Lately {
    /// Posts that were sent, newest first.
    pub(super) sent: Vec<Sent>,
    /// When posts were due that were sent or only wait for their turn.
    pub(super) due_then: Vec<Timestamp>,
}

/// Whether a post that was due then is late now.
pub(super) fn late(due: Timestamp, now: Timestamp) -> bool {
    now.since(due) > LATE
}

/// The distance between two late posts: what the owner set, where that keeps them apart at all.
pub(super) fn drip(account: &Account) -> Duration {
    if account.ceilings.spacing >= LATE { account.ceilings.spacing } else { DRIP }
}

/// Spacing lets posts drip; a count that is reached means something runs wild, and needs a person.
///
/// What came before `mended` does not count towards a ceiling: a person has seen it and let the account go on. A backlog is
/// nothing wild: what is late waits where others would trip, and those trip only when too many were due in that time, not when
/// too many of those that were due before left in it.
pub(super) fn ceilings(
    account: &Account,
    Lately { sent, due_then }: &Lately,
    due: Timestamp,
    mended: Timestamp,
    now: Timestamp,
    language: Language,
) -> Option<Limit> {
    let limits = &account.ceilings;
    if let Some(free) = sent.first().map(|last| last.at.plus(limits.spacing)).filter(|free| *free > now) {
        let text = language.pick(
            format!("laisse {} entre deux messages", show::span(limits.spacing, language)),
            format!("keeps {} between two posts", show::span(limits.spacing, language)),
        );
        return Some(Limit::Until(free, text));
    }
    let is_late = late(due, now);
    // What certainly did not get out, such as a try while the network was down, holds nothing up.
    let last_late = sent.iter().find(|other| other.out && late(other.due, other.at));
    if let Some(free) = last_late.map(|last| last.at.plus(drip(account))).filter(|free| is_late && *free > now) {
        let text = language.pick(
            format!("laisse {} entre deux messages en retard", show::span(drip(account), language)),
            format!("keeps {} between two late posts", show::span(drip(account), language)),
        );
        return Some(Limit::Until(free, text));
    }
    for (most, span, fr, en) in [
        (limits.per_minute, MINUTE, "minute", "minute"),
        (limits.per_hour, HOUR, "heure", "hour"),
        (limits.per_day, DAY, "jour", "day"),
    ] {
        let Some(most) = most.and_then(|most| usize::try_from(most).ok()) else { continue };
        let from = now.minus(span);
        let counted: Vec<&Sent> = sent.iter().filter(|other| other.at > from && other.at >= mended).collect();
        if counted.len() < most {
            continue;
        }
        let were_due = due_then.iter().filter(|then| **then > from && **then >= mended).count();
        if !is_late && were_due >= most {
            return Some(Limit::Trip(language.pick(
                format!("le plafond de {most} par {fr} est atteint"),
                format!("the ceiling of {most} per {en} is reached"),
            )));
        }
        // Free again when so many have left the span that one fits. Without a single post allowed, never.
        let free = most.checked_sub(1).and_then(|nth| counted.get(nth)).map_or(Timestamp::NEVER, |other| other.at.plus(span));
        let text = language.pick(
            format!("rattrapage : reste sous le plafond de {most} par {fr}"),
            format!("catching up: keeps below the ceiling of {most} per {en}"),
        );
        return Some(Limit::Until(free, text));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AccountName;
    use crate::instance::{Approval, Ceilings, ChannelConfig};
    use proptest::prelude::*;

    fn account(hours: &[(u16, u16)], ceilings: Ceilings) -> Account {
        Account {
            name: AccountName::parse("facebook").unwrap(),
            network: "facebook".into(),
            channel: ChannelConfig::Folder("posts".into()),
            ceilings,
            hours: hours.to_vec(),
            approval: Approval::Drafts,
            formats: Vec::new(),
            max_chars: 0,
        }
    }

    fn opens(hours: &[(u16, u16)], now: &str) -> Option<String> {
        let zone = chrono_tz::Europe::Paris;
        opens_at(&account(hours, Ceilings::default()), Timestamp::parse(now).unwrap(), zone).map(|at| at.rfc3339(zone))
    }

    #[test]
    fn hours_follow_the_wall_clock_through_both_changes_of_clocks() {
        let day = [(7 * 60, 20 * 60 + 30)];
        assert_eq!(opens(&day, "2026-01-05T07:00:00+01:00"), None);
        assert_eq!(opens(&day, "2026-01-05T20:29:59+01:00"), None);
        assert_eq!(opens(&day, "2026-01-05T20:30:00+01:00").unwrap(), "2026-01-06T07:00:00+01:00");
        assert_eq!(opens(&day, "2026-03-28T23:00:30+01:00").unwrap(), "2026-03-29T07:00:00+02:00");
        assert_eq!(opens(&day, "2026-10-25T02:30:00+01:00").unwrap(), "2026-10-25T07:00:00+01:00");
        let night = [(22 * 60, 1_440), (0, 2 * 60)];
        assert_eq!(opens(&night, "2026-01-05T01:59:00+01:00"), None);
        assert_eq!(opens(&night, "2026-01-05T02:00:00+01:00").unwrap(), "2026-01-05T22:00:00+01:00");
        // Half past two is left out in spring: the hours begin where the clock goes on. In autumn it comes twice.
        let small = [(2 * 60 + 30, 4 * 60)];
        assert_eq!(opens(&small, "2026-03-29T01:50:00+01:00").unwrap(), "2026-03-29T03:00:00+02:00");
        assert_eq!(opens(&[(90, 135)], "2026-10-25T02:20:00+02:00").unwrap(), "2026-10-25T02:00:00+01:00");
        // A range that is wholly left out comes a day later.
        assert_eq!(opens(&[(130, 170)], "2026-03-29T01:00:00+01:00").unwrap(), "2026-03-30T02:10:00+02:00");
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    fn lately(sent: &[Sent]) -> Lately {
        Lately { sent: sent.to_vec(), due_then: sent.iter().map(|other| other.due).collect() }
    }

    /// Sent when it was due.
    fn sent(minute: i64) -> Sent {
        Sent { at: at(minute), due: at(minute), out: true }
    }

    /// Sent long after it was due.
    fn sent_late(minute: i64) -> Sent {
        Sent { due: at(0), ..sent(minute) }
    }

    #[test]
    fn a_ceiling_counts_only_what_came_after_somebody_mended_it() {
        let ceilings_of = |per_hour, spacing| Ceilings { per_hour: Some(per_hour), spacing, ..Ceilings::default() };
        let strict = account(&[], ceilings_of(2, Duration::ZERO));
        let said = |sent: &[Sent], mended| ceilings(&strict, &lately(sent), at(100), mended, at(100), Language::En);
        assert_eq!(said(&[sent(90)], at(0)), None);
        assert_eq!(said(&[sent(90), sent(40)], at(0)), None, "the older one is more than an hour ago");
        assert_eq!(said(&[sent(90), sent(41)], at(0)), Some(Limit::Trip("the ceiling of 2 per hour is reached".into())));
        assert_eq!(said(&[sent(90), sent(41)], at(91)), None, "thawed after the last one");
        let spaced = account(&[], ceilings_of(1, Duration::from_secs(600)));
        assert_eq!(
            ceilings(&spaced, &lately(&[sent(95)]), at(100), at(0), at(100), Language::En),
            Some(Limit::Until(at(105), "keeps 10\u{a0}min between two posts".into())),
            "spacing comes first: it needs nobody"
        );
    }

    #[test]
    fn what_is_late_drips_and_trips_nothing() {
        let limits = Ceilings { per_hour: Some(3), ..Ceilings::default() };
        let said =
            |sent: &[Sent], due: i64| ceilings(&account(&[], limits), &lately(sent), at(due), at(0), at(100), Language::En);
        let wait = |minute, text: &str| Some(Limit::Until(at(minute), text.into()));
        assert_eq!(said(&[sent_late(90)], 20), wait(105, "keeps 15\u{a0}min between two late posts"));
        assert_eq!(said(&[sent_late(90)], 96), None, "what is on time is not slowed");
        assert_eq!(said(&[sent(99)], 20), None, "and slows nobody");
        assert_eq!(said(&[Sent { out: false, ..sent_late(99) }], 20), None, "a try that came to nothing neither");
        let full = [sent_late(80), sent_late(65), sent_late(50)];
        assert_eq!(said(&full, 20), wait(110, "catching up: keeps below the ceiling of 3 per hour"));
        assert_eq!(
            said(&full, 100),
            wait(110, "catching up: keeps below the ceiling of 3 per hour"),
            "a backlog is nothing wild"
        );
        assert!(matches!(said(&[sent(99), sent(98), sent(97)], 100), Some(Limit::Trip(_))));
        assert!(matches!(said(&[sent(79), sent(78), sent(77)], 20), Some(Limit::Until(..))));
        let spaced = account(&[], Ceilings { spacing: Duration::from_secs(1_800), ..limits });
        let said = ceilings(&spaced, &lately(&[sent_late(60)]), at(20), at(0), at(100), Language::En);
        assert_eq!(said, None, "half an hour has passed");
        assert_eq!(drip(&spaced), Duration::from_secs(1_800));
        // A loop that plans without end behind a backlog is still found: by what it plans, not by what gets out.
        let wild = Lately { sent: full.to_vec(), due_then: vec![at(97), at(98), at(99)] };
        let said = |mended| ceilings(&account(&[], limits), &wild, at(100), mended, at(100), Language::En);
        assert!(matches!(said(at(0)), Some(Limit::Trip(_))));
        assert!(said(at(98)).is_none(), "mended after most of it");
    }

    proptest! {
        #[test]
        fn what_opens_is_open_and_nothing_before_it_was(from in 0_u16..1_439, length in 1_u16..600, start in 0_i64..40_000_000_000) {
            let hours = [(from, (from + length).min(1_440))];
            let now = Timestamp::from_millis(1_767_222_000_000 + start);
            let who = account(&hours, Ceilings::default());
            let zone = chrono_tz::Europe::Paris;
            if let Some(at) = opens_at(&who, now, zone) {
                prop_assert!(at > now && at.since(now) <= Duration::from_secs(49 * 3_600));
                prop_assert_eq!(opens_at(&who, at, zone), None);
                prop_assert!(opens_at(&who, at.minus(Duration::from_millis(1)), zone).is_some());
            }
        }
    }
}
