//! Reads an hour as people say it: `09:00`, `9h`, `2026-11-20 09:00`, `monday 09:00`, `hier`.
//!
//! In: a text, now, a zone. Out: from when to when is meant.
//! Never: guesses between two readings: an hour without a day is the last time the clock showed it.

use crate::domain::{Timestamp, Zone};
use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeZone};
use std::time::Duration;

/// A time that is meant: from here, itself included, to there, itself not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// Whether a whole day is meant rather than a minute.
    pub(super) day: bool,
}

const DAYS: [[&str; 3]; 7] = [
    ["monday", "lundi", "mon"],
    ["tuesday", "mardi", "tue"],
    ["wednesday", "mercredi", "wed"],
    ["thursday", "jeudi", "thu"],
    ["friday", "vendredi", "fri"],
    ["saturday", "samedi", "sat"],
    ["sunday", "dimanche", "sun"],
];

/// Reads a text; `None` when it is no time.
pub(super) fn read(text: &str, now: Timestamp, zone: Zone) -> Option<Meant> {
    let text = text.trim();
    if let Some(at) = Timestamp::parse(text) {
        return Some(minute(at));
    }
    let lower = text.to_lowercase().replace(" at ", " ").replace(" à ", " ");
    let (day, time) = match lower.split_once(['t', ' ']).filter(|(day, _)| NaiveDate::parse_from_str(day, "%Y-%m-%d").is_ok()) {
        Some((day, time)) => (Some(day.to_owned()), Some(time.trim().to_owned())),
        None => {
            let mut words = lower.split_whitespace();
            let (first, second) = (words.next()?, words.next());
            if words.next().is_some() {
                return None;
            }
            match second {
                Some(time) => (Some(first.to_owned()), Some(time.to_owned())),
                None if clock(first).is_some() => (None, Some(first.to_owned())),
                None => (Some(first.to_owned()), None),
            }
        }
    };
    let today = now.day(zone);
    let Some(time) = time else {
        let day = date(&day?, today, |_| true)?;
        let (from, to) =
            (instant(day, NaiveTime::MIN, zone)?, instant(day.checked_add_days(Days::new(1))?, NaiveTime::MIN, zone)?);
        return Some(Meant { from, to, day: true });
    };
    let time = clock(&time)?;
    let passed = |day: NaiveDate| instant(day, time, zone).is_some_and(|at| at <= now);
    let day = match day {
        Some(day) => date(&day, today, passed)?,
        None if passed(today) => today,
        None => today.checked_sub_days(Days::new(1))?,
    };
    instant(day, time, zone).map(minute)
}

fn minute(at: Timestamp) -> Meant {
    Meant { from: at, to: at.plus(Duration::from_secs(60)), day: false }
}

/// `09:00`, `9:05`, `9h`, `9h05`, `09:00:30`.
fn clock(text: &str) -> Option<NaiveTime> {
    let (hour, rest) = text.split_once([':', 'h'])?;
    let (minute, second) = rest.split_once(':').unwrap_or((rest, "0"));
    let number = |part: &str| if part.is_empty() { Some(0) } else { part.parse::<u32>().ok() };
    if hour.is_empty() || (minute.is_empty() && !text.ends_with('h')) {
        return None;
    }
    NaiveTime::from_hms_opt(number(hour)?, number(minute)?, number(second)?)
}

/// A date, a weekday (the last one whose time has passed), today, yesterday, tomorrow.
fn date(word: &str, today: NaiveDate, passed: impl Fn(NaiveDate) -> bool) -> Option<NaiveDate> {
    let one = Days::new(1);
    match word {
        "today" | "aujourd'hui" | "aujourd’hui" => return Some(today),
        "yesterday" | "hier" => return today.checked_sub_days(one),
        "tomorrow" | "demain" => return today.checked_add_days(one),
        _ => {}
    }
    if let Some(at) = DAYS.iter().position(|names| names.contains(&word)) {
        let wanted = u32::try_from(at).ok()?;
        let back = |days: u64| today.checked_sub_days(Days::new(days));
        return (0..=7).filter_map(back).find(|day| day.weekday().num_days_from_monday() == wanted && passed(*day));
    }
    NaiveDate::parse_from_str(word, "%Y-%m-%d").ok()
}

/// The first instant at which the clock shows this time or, where it jumps over it, a later one.
fn instant(day: NaiveDate, time: NaiveTime, zone: Zone) -> Option<Timestamp> {
    let local = day.and_time(time);
    let shown = |minutes: i64| zone.from_local_datetime(&(local + chrono::TimeDelta::minutes(minutes))).earliest();
    (0..=180).step_by(15).find_map(shown).map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Zone = chrono_tz::Europe::Paris;

    fn said(text: &str) -> Option<String> {
        // A Sunday.
        let now = Timestamp::parse("2026-11-22T10:30:00+01:00").unwrap();
        read(text, now, ZONE).map(|meant| meant.from.rfc3339(ZONE))
    }

    #[test]
    fn hours_are_read_as_people_say_them() {
        for (text, meant) in [
            ("09:00", "2026-11-22T09:00:00+01:00"),
            ("9h", "2026-11-22T09:00:00+01:00"),
            ("9h05", "2026-11-22T09:05:00+01:00"),
            // Not yet today: the last time was yesterday.
            ("11:00", "2026-11-21T11:00:00+01:00"),
            ("2026-11-20T09:00", "2026-11-20T09:00:00+01:00"),
            ("2026-11-20 09:00", "2026-11-20T09:00:00+01:00"),
            ("2026-11-20T09:00:00+00:00", "2026-11-20T10:00:00+01:00"),
            ("monday 09:00", "2026-11-16T09:00:00+01:00"),
            ("Lundi 9h", "2026-11-16T09:00:00+01:00"),
            ("sunday 09:00", "2026-11-22T09:00:00+01:00"),
            ("dimanche 11:00", "2026-11-15T11:00:00+01:00"),
            ("hier 9:00", "2026-11-21T09:00:00+01:00"),
            ("tomorrow 09:00", "2026-11-23T09:00:00+01:00"),
            ("hier", "2026-11-21T00:00:00+01:00"),
            ("monday", "2026-11-16T00:00:00+01:00"),
            // The hour that is left out in spring begins at its end; the one that comes twice is the first.
            ("2026-03-29 02:30", "2026-03-29T03:00:00+02:00"),
            ("2026-10-25 02:30", "2026-10-25T02:30:00+02:00"),
        ] {
            assert_eq!(said(text).as_deref(), Some(meant), "{text}");
        }
        for wrong in ["", "rotation", "25:00", "9", "2026-13-01", "next week", "a b c", "09:", "noon"] {
            assert_eq!(said(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_day_is_as_long_as_it_is() {
        let now = Timestamp::parse("2026-11-22T10:30:00+01:00").unwrap();
        let spring = read("2026-03-29", now, ZONE).unwrap();
        assert_eq!((spring.day, spring.to.since(spring.from)), (true, Duration::from_secs(23 * 3_600)));
        assert!(!read("09:00", now, ZONE).unwrap().day);
    }
}
