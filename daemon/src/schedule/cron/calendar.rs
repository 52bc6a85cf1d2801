//! The two halves of an expression as searchable calendars: which days, and which times of a day.
//!
//! In: the sets of numbers an expression means. Out: the first matching day or time from a given one, in naive local time.
//! Never: knows about zones.
//!
//! Both halves are schedules of the `cron` crate, fed with numbers only, because its own reading of expressions differs from
//! crontab(5): it counts weekdays from Sunday = 1, demands both day fields at once and knows neither `L` nor `#`.
//! Equal halves are shared between expressions: most workflows of an installation run on a handful of kinds of days.

use super::DAY;
use super::parse::Expression;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use cron::Schedule as Crate;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::Hash;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

/// The day on which times of day are searched; any would do.
const REFERENCE: i64 = 0;

/// Times of a day.
pub(super) struct Times {
    every: Crate,
    first: i64,
    last: i64,
}

/// Days of all years.
pub(super) struct Days {
    /// One search per alternative; a day matches when any does.
    searches: Box<[Search]>,
    /// Every day matches: there is nothing to search.
    all: bool,
}

/// Candidates from the `cron` crate, and the conditions it cannot express.
struct Search {
    candidates: Crate,
    month_days: Option<MonthDays>,
    weekdays: Option<Weekdays>,
}

/// Days of the month, counted from its start and from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct MonthDays {
    /// Bit n: the nth day.
    pub(super) days: u64,
    /// Bit n: n days before the last one.
    pub(super) from_end: u64,
}

/// Weekdays, every one or only some of the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Weekdays {
    /// Bit n: each such weekday, Sunday is 0.
    pub(super) every: u64,
    /// Bit n: the last such weekday of a month.
    pub(super) last: u64,
    /// Bit n of the kth: the (k + 1)th such weekday of a month.
    pub(super) nth: [u8; 5],
}

impl Times {
    /// The times of an expression.
    pub(super) fn of(expression: &Expression) -> Arc<Self> {
        static SHARED: LazyLock<Shared<[u64; 3], Times>> = LazyLock::new(Shared::default);
        let key = [expression.seconds.values, expression.minutes.values, expression.hours.values];
        SHARED.get(key, || {
            let [seconds, minutes, hours] = key;
            let every =
                build(&format!("{} {} {} * * *", numbers(seconds, 0..60), numbers(minutes, 0..60), numbers(hours, 0..24)));
            let (first, last) = (lowest(seconds, minutes, hours), highest(seconds, minutes, hours));
            Self { every, first, last }
        })
    }

    /// The first time of the day, in seconds.
    pub(super) fn first(&self) -> i64 {
        self.first
    }

    /// The first time of the day that is not before this one.
    pub(super) fn at_or_after(&self, second: i64) -> Option<i64> {
        if second <= self.first {
            Some(self.first)
        } else if second > self.last {
            None
        } else {
            let found = self.every.after(&utc(REFERENCE * DAY + second - 1)).next()?;
            Some(found.timestamp() - REFERENCE * DAY)
        }
    }
}

impl Days {
    /// The days of an expression; none when no day of any year matches.
    pub(super) fn of(expression: &Expression) -> Option<Arc<Self>> {
        static SHARED: LazyLock<Shared<(u64, MonthDays, Weekdays, bool), Days>> = LazyLock::new(Shared::default);
        let months = expression.months.values;
        let (month_days, weekdays) = (expression.days.month_days(), expression.weekdays.weekdays());
        let either = !expression.days.star && !expression.weekdays.star;
        let days = SHARED.get((months, month_days, weekdays, either), || Self::build(months, month_days, weekdays, either));
        days.at_or_after(0).is_some().then_some(days)
    }

    fn build(months: u64, month_days: MonthDays, weekdays: Weekdays, either: bool) -> Self {
        let all = months == full(1..13)
            && if either { month_days.is_full() || weekdays.is_full() } else { month_days.is_full() && weekdays.is_full() };
        let searches = if either {
            vec![Search::build(months, month_days, Weekdays::ANY), Search::build(months, MonthDays::ANY, weekdays)]
        } else {
            vec![Search::build(months, month_days, weekdays)]
        };
        Self { searches: searches.into_iter().flatten().collect(), all }
    }

    /// The first matching day that is not before this one; days are counted from 1970-01-01.
    pub(super) fn at_or_after(&self, day: i64) -> Option<i64> {
        // Days before 1970 belong to nobody; the crate starts there too.
        let day = day.max(0);
        if self.all {
            return Some(day);
        }
        self.searches.iter().filter_map(|search| search.at_or_after(day)).min()
    }
}

impl Search {
    /// None when the two conditions leave no day of the month.
    fn build(months: u64, month_days: MonthDays, weekdays: Weekdays) -> Option<Self> {
        let days = month_days.candidates() & weekdays.candidate_days();
        if days == 0 {
            return None;
        }
        let text = format!(
            "0 0 0 {} {} {}",
            numbers(days, 1..32),
            numbers(months, 1..13),
            numbers(weekdays.candidates() << 1, 1..8), // the crate's Sunday is 1
        );
        let search = Self {
            candidates: build(&text),
            month_days: (month_days.from_end != 0).then_some(month_days),
            weekdays: (weekdays.last != 0 || weekdays.nth != [0; 5]).then_some(weekdays),
        };
        // An alternative that no day of any year matches (30 February, or a Friday) would be searched in vain each time.
        search.at_or_after(0).is_some().then_some(search)
    }

    fn at_or_after(&self, day: i64) -> Option<i64> {
        // Without special conditions the first candidate is taken; with them, at most a few are passed over per month.
        self.candidates.after(&utc(day * DAY - 1)).find(|found| self.accepts(found)).map(|found| found.timestamp() / DAY)
    }

    fn accepts(&self, found: &DateTime<Utc>) -> bool {
        if self.month_days.is_none() && self.weekdays.is_none() {
            return true;
        }
        let date = found.date_naive();
        let length = month_length(date);
        self.month_days.is_none_or(|wanted| wanted.contains(date.day(), length))
            && self.weekdays.is_none_or(|wanted| wanted.contains(date, length))
    }
}

impl MonthDays {
    const ANY: Self = Self { days: full(1..32), from_end: 0 };

    fn is_full(self) -> bool {
        self.days == full(1..32)
    }

    fn contains(self, day: u32, length: u32) -> bool {
        has(self.days, day) || has(self.from_end, length - day)
    }

    /// The days that match in some month.
    fn candidates(self) -> u64 {
        let from_end =
            (28..=31).flat_map(|length| (0..length).filter(|back| has(self.from_end, *back)).map(move |back| length - back));
        from_end.fold(self.days, |set, day| set | 1 << day)
    }
}

impl Weekdays {
    const ANY: Self = Self { every: full(0..7), last: 0, nth: [0; 5] };

    fn is_full(self) -> bool {
        self.every == full(0..7)
    }

    fn contains(self, date: NaiveDate, length: u32) -> bool {
        let weekday = date.weekday().num_days_from_sunday();
        let week = (date.day() - 1) / 7;
        has(self.every, weekday)
            || (has(self.last, weekday) && date.day() + 7 > length)
            || has(u64::from(self.nth[week as usize]), weekday)
    }

    /// The days of the month that can match: the second Friday is one of the days from 8 to 14.
    fn candidate_days(self) -> u64 {
        if self.every != 0 {
            return full(1..32);
        }
        let last = if self.last == 0 { 0 } else { full(22..32) };
        let weeks = (0..5).zip(self.nth).filter(|(_, days)| *days != 0);
        weeks.fold(last, |set, (week, _)| set | full(week * 7 + 1..(week * 7 + 8).min(32)))
    }

    /// The weekdays that match in some week.
    fn candidates(self) -> u64 {
        self.nth.iter().fold(self.every | self.last, |set, nth| set | u64::from(*nth))
    }
}

/// Whether a set holds a number.
pub(super) const fn has(set: u64, number: u32) -> bool {
    set >> number & 1 == 1
}

/// The set of all numbers of a range.
pub(super) const fn full(range: std::ops::Range<u32>) -> u64 {
    (1 << range.end) - (1 << range.start)
}

fn lowest(seconds: u64, minutes: u64, hours: u64) -> i64 {
    i64::from(hours.trailing_zeros()) * 3_600 + i64::from(minutes.trailing_zeros()) * 60 + i64::from(seconds.trailing_zeros())
}

fn highest(seconds: u64, minutes: u64, hours: u64) -> i64 {
    i64::from(hours.ilog2()) * 3_600 + i64::from(minutes.ilog2()) * 60 + i64::from(seconds.ilog2())
}

fn month_length(date: NaiveDate) -> u32 {
    match date.month() {
        4 | 6 | 9 | 11 => 30,
        2 if date.leap_year() => 29,
        2 => 28,
        _ => 31,
    }
}

fn utc(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).expect("the years to 2100 are within chrono's range")
}

fn build(text: &str) -> Crate {
    Crate::from_str(text).expect("sets of numbers within their fields are always a valid expression")
}

/// A set of numbers the way the `cron` crate reads it: `*` when it is full, otherwise runs and single numbers.
fn numbers(set: u64, range: std::ops::Range<u32>) -> String {
    if set == full(range.clone()) {
        return "*".to_owned();
    }
    let mut out = String::new();
    let mut at = range.start;
    while at < range.end {
        if !has(set, at) {
            at += 1;
            continue;
        }
        let start = at;
        while at < range.end && has(set, at) {
            at += 1;
        }
        let comma = if out.is_empty() { "" } else { "," };
        // Writing into a String cannot fail.
        let _ = if at - start == 1 { write!(out, "{comma}{start}") } else { write!(out, "{comma}{start}-{}", at - 1) };
    }
    out
}

/// Values by what they were made of, as long as somebody holds them.
struct Shared<K, V>(Mutex<Entries<K, V>>);

struct Entries<K, V> {
    known: HashMap<K, Weak<V>>,
    /// When the map grows to this, entries nobody holds any more are dropped.
    sweep_at: usize,
}

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Entries { known: HashMap::new(), sweep_at: 64 }))
    }
}

impl<K: Eq + Hash, V> Shared<K, V> {
    fn get(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        // The map is only ever added to and swept, so a panic elsewhere cannot have left it wrong.
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = entries.known.get(&key).and_then(Weak::upgrade) {
            return value;
        }
        if entries.known.len() >= entries.sweep_at {
            entries.known.retain(|_, value| value.strong_count() > 0);
            entries.sweep_at = 64.max(entries.known.len() * 2);
        }
        let value = Arc::new(make());
        entries.known.insert(key, Arc::downgrade(&value));
        value
    }
}
