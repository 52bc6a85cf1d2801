//! When an account may post: its hours, its spacing, its ceilings.
//!
//! In: the account's limits and when it posted before. Out: nothing, or when it may again, or that somebody must look.
//! Never: reads a clock or the store.

use crate::craft::show;
use crate::domain::{Language, Timestamp, Zone};
use crate::instance::Account;
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

/// Spacing lets posts drip; a count that is reached means something runs wild, and needs a person.
///
/// `armed` holds when other posts were sent, newest first. Those before `mended` do not count towards a ceiling: a person has
/// seen them and let the account go on.
pub(super) fn ceilings(
    account: &Account,
    armed: &[Timestamp],
    mended: Timestamp,
    now: Timestamp,
    language: Language,
) -> Option<Limit> {
    let limits = &account.ceilings;
    if let Some(free) = armed.first().map(|last| last.plus(limits.spacing)).filter(|free| *free > now) {
        let text = language.pick(
            format!("laisse {} entre deux messages", show::span(limits.spacing, language)),
            format!("keeps {} between two posts", show::span(limits.spacing, language)),
        );
        return Some(Limit::Until(free, text));
    }
    for (most, span, fr, en) in [
        (limits.per_minute, MINUTE, "minute", "minute"),
        (limits.per_hour, HOUR, "heure", "hour"),
        (limits.per_day, DAY, "jour", "day"),
    ] {
        let Some(most) = most else { continue };
        let from = now.minus(span);
        let count = armed.iter().filter(|at| **at > from && **at >= mended).count();
        if count >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Some(Limit::Trip(language.pick(
                format!("le plafond de {most} par {fr} est atteint"),
                format!("the ceiling of {most} per {en} is reached"),
            )));
        }
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

    #[test]
    fn a_ceiling_counts_only_what_came_after_somebody_mended_it() {
        let ceilings_of = |per_hour, spacing| Ceilings { per_hour: Some(per_hour), spacing, ..Ceilings::default() };
        let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
        let strict = account(&[], ceilings_of(2, Duration::ZERO));
        let said = |armed: &[Timestamp], mended| ceilings(&strict, armed, mended, at(100), Language::En);
        assert_eq!(said(&[at(90)], at(0)), None);
        assert_eq!(said(&[at(90), at(40)], at(0)), None, "the older one is more than an hour ago");
        assert_eq!(said(&[at(90), at(41)], at(0)), Some(Limit::Trip("the ceiling of 2 per hour is reached".into())));
        assert_eq!(said(&[at(90), at(41)], at(91)), None, "thawed after the last one");
        let spaced = account(&[], ceilings_of(1, Duration::from_secs(600)));
        assert_eq!(
            ceilings(&spaced, &[at(95)], at(0), at(100), Language::En),
            Some(Limit::Until(at(105), "keeps 10\u{a0}min between two posts".into())),
            "spacing comes first: it needs nobody"
        );
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
