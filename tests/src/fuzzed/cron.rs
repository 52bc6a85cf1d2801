//! Any text as a crontab expression: what is taken does what the documentation of expressions says.
//!
//! In: bytes that choose a zone, a policy and a moment, and a text. Out: a panic when `next` goes back, stands still, or differs
//! from a walk over real time by a reader of its own.
//! Never: asks the code under test what an expression means.

use beffroi::domain::{Language, Timestamp, Zone};
use beffroi::schedule::cron::{Dst, Schedule};
use chrono::{DateTime, Datelike as _, NaiveDate, Offset as _};

/// Zones in which clocks do every odd thing they did since 1990: half hours, changes at midnight, a day left out, none at all.
const ZONES: [Zone; 10] = [
    Zone::UTC,
    Zone::Europe__Paris,
    Zone::America__New_York,
    Zone::Australia__Lord_Howe,
    Zone::Pacific__Apia,
    Zone::Africa__Casablanca,
    Zone::America__St_Johns,
    Zone::Asia__Kathmandu,
    Zone::America__Sao_Paulo,
    Zone::Asia__Tehran,
];

/// Moments with something about to happen in one of them, and some ordinary ones, as seconds.
const MOMENTS: [i64; 12] = [
    1_774_742_400, // 29 March 2026, 00:00 UTC: Paris springs forward
    1_792_886_400, // 25 October 2026, 00:00 UTC: Paris falls back
    1_772_928_000, // 8 March 2026: New York
    1_793_491_200, // 1 November 2026: New York
    1_775_314_800, // 4 April 2026, 15:00 UTC: Lord Howe, half an hour back
    1_791_039_600, // 3 October 2026: Lord Howe, half an hour forward
    1_325_200_000, // 29 December 2011: Apia leaves a day out
    1_508_025_600, // 15 October 2017: midnight does not exist in São Paulo
    1_783_000_000,
    1_709_164_800, // 29 February 2024
    1_735_600_000,
    4_102_400_000, // the last day
];

/// Minutes that the walk looks at, and seconds where an expression has seconds.
const MINUTES: i64 = 1_440 + 240;
const SECONDS: i64 = 3_600;
/// How long before its start the walk begins, to know what clocks have shown already.
const BEFORE: i64 = 27 * 3_600;

/// The first bytes choose zone, policy and moment, the rest is the expression.
pub fn cron(data: &[u8]) {
    let (head, text) = data.split_at(data.len().min(4));
    let [zone, dst, moment, later] = [0, 1, 2, 3].map(|at| usize::from(head.get(at).copied().unwrap_or(b'0')));
    let zone = ZONES[zone % ZONES.len()];
    let dst = [Dst::Vixie, Dst::Skip, Dst::Twice][dst % 3];
    let from = MOMENTS[moment % MOMENTS.len()] + i64::try_from(later).expect("a byte") * 337;
    let text = String::from_utf8_lossy(text);
    match Schedule::parse(&text, zone, dst) {
        Err(error) => {
            assert!(!error.message.is_empty() && error.to_string().len() >= error.message.len());
            assert!(error.span.start <= error.span.end && error.span.end <= text.len(), "{text:?}: {error:?}");
            assert!(text.get(error.span.clone()).is_some(), "{text:?}: the place cuts a letter: {error:?}");
        }
        Ok(schedule) => holds(&schedule, &text, from),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

fn holds(schedule: &Schedule, text: &str, from: i64) {
    for language in [Language::Fr, Language::En] {
        assert!(!schedule.describe(language).trim().is_empty(), "{schedule:?} has no words");
    }
    // Strictly onward, the same from every moment in between, and the same in a row as one by one.
    let start = at(from);
    let mut last = start;
    let mut some = Vec::new();
    for _ in 0..4 {
        let Some(next) = schedule.next(last) else { break };
        assert!(next > last, "{schedule:?} goes from {last} to {next}");
        assert_eq!(next.millis() % 1_000, 0, "{schedule:?}: due at a fraction of a second");
        let between = Timestamp::from_millis(last.millis() + (next.millis() - last.millis()) / 2);
        assert_eq!(schedule.next(between), Some(next), "{schedule:?}");
        assert_eq!(schedule.next(Timestamp::from_millis(next.millis() - 1)), Some(next), "{schedule:?}");
        some.push(next);
        last = next;
    }
    if let Some(end) = some.last() {
        assert_eq!(schedule.between(start, *end).collect::<Vec<_>>(), some, "{schedule:?}");
    }
    let meant =
        Meant::read(text).unwrap_or_else(|| panic!("{text:?} is taken, but the documentation does not say what it means"));
    let walk = Walk { meant: &meant, zone: schedule.zone(), dst: schedule.dst() };
    let (step, steps) = if meant.whole_minutes() { (60, MINUTES) } else { (1, SECONDS) };
    let end = (from + step * steps).min(4_102_444_799);
    let expected = walk.due(from, end, step);
    let due: Vec<i64> = schedule.between(start, at(end)).map(|t| t.millis() / 1_000).take(expected.len() + 1).collect();
    assert_eq!(due, expected, "{schedule:?} after {start} until {}", at(end));
}

/// What an expression means, read by its documentation alone.
struct Meant {
    seconds: [bool; 60],
    minutes: [bool; 60],
    hours: [bool; 24],
    days: Vec<Day>,
    months: [bool; 13],
    weekdays: Vec<Weekday>,
    /// Whether the times follow real time, and whether a day field starts with a star.
    wildcard: bool,
    both: bool,
}

#[derive(Clone, Copy)]
enum Day {
    /// A day of the month.
    On(u32),
    /// So many days before its last.
    BeforeLast(u32),
}

#[derive(Clone, Copy)]
enum Weekday {
    Each(u32),
    Last(u32),
    Nth(u32, u32),
}

impl Meant {
    fn read(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let usual = match lower.as_str() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            own => own,
        };
        let mut words: Vec<&str> = usual.split_whitespace().collect();
        let seconds = if words.len() == 6 { words.remove(0) } else { "0" };
        let [minutes, hours, days, months, weekdays] = <[&str; 5]>::try_from(words).ok()?;
        let months_named: Vec<(&str, u32)> = "jan feb mar apr may jun jul aug sep oct nov dec".split(' ').zip(1..).collect();
        let star = |field: &str| field.starts_with('*');
        Some(Self {
            seconds: flags(seconds, 0, 59, &[])?,
            minutes: flags(minutes, 0, 59, &[])?,
            hours: flags(hours, 0, 23, &[])?,
            days: month_days(days)?,
            months: flags(months, 1, 12, &months_named)?,
            weekdays: week(weekdays)?,
            wildcard: [seconds, minutes, hours].into_iter().any(star),
            both: [days, weekdays].into_iter().any(|field| star(field) || field == "?"),
        })
    }

    fn whole_minutes(&self) -> bool {
        self.seconds[0] && self.seconds.iter().filter(|s| **s).count() == 1
    }

    fn has_time(&self, second: i64) -> bool {
        let of = |value: i64| usize::try_from(value).expect("part of a day");
        self.hours[of(second / 3_600)] && self.minutes[of(second / 60 % 60)] && self.seconds[of(second % 60)]
    }

    fn has_day(&self, date: NaiveDate) -> bool {
        let left = last_of_month(date) - date.day();
        let day = self.days.iter().any(|day| match *day {
            Day::On(number) => number == date.day(),
            Day::BeforeLast(number) => number == left,
        });
        let number = date.weekday().num_days_from_sunday();
        let weekday = self.weekdays.iter().any(|weekday| match *weekday {
            Weekday::Each(wanted) => wanted % 7 == number,
            Weekday::Last(wanted) => wanted % 7 == number && left < 7,
            Weekday::Nth(wanted, nth) => wanted % 7 == number && (date.day() - 1) / 7 + 1 == nth,
        });
        let month = self.months[date.month() as usize];
        month && if self.both { day && weekday } else { day || weekday }
    }
}

fn last_of_month(date: NaiveDate) -> u32 {
    (28..=31).rev().find(|day| date.with_day(*day).is_some()).expect("every month has 28 days")
}

/// The numbers of one field without its specials, as low, high and step of each part.
fn part(text: &str, low: u32, high: u32, names: &[(&str, u32)]) -> Option<Vec<u32>> {
    let number = |word: &str| {
        let named = names.iter().find(|(name, _)| *name == word).map(|(_, number)| *number);
        let digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
        named.or_else(|| word.parse().ok().filter(|_| digits))
    };
    let (base, step) = match text.split_once('/') {
        Some((base, step)) => (base, Some(step.parse::<usize>().ok().filter(|step| *step > 0)?)),
        None => (text, None),
    };
    let (first, last) = match base.split_once('-') {
        _ if base == "*" => (low, high),
        Some((first, last)) => (number(first)?, if (last, high) == ("sun", 6) { 7 } else { number(last)? }),
        None => (number(base)?, if step.is_some() { high.max(number(base)?) } else { number(base)? }),
    };
    // From Sunday to Sunday is one day.
    let last = if (first, last) == (0, 7) && base.ends_with("sun") { 0 } else { last };
    (first <= last).then(|| (first..=last).step_by(step.unwrap_or(1)).collect())
}

fn flags<const N: usize>(text: &str, low: u32, high: u32, names: &[(&str, u32)]) -> Option<[bool; N]> {
    let mut flags = [false; N];
    for piece in text.split(',') {
        for number in part(piece, low, high, names)? {
            *flags.get_mut(number as usize).filter(|_| number <= high)? = true;
        }
    }
    Some(flags)
}

fn month_days(text: &str) -> Option<Vec<Day>> {
    let mut days = Vec::new();
    for piece in if text == "?" { "*" } else { text }.split(',') {
        match piece.strip_prefix('l') {
            Some("") => days.push(Day::BeforeLast(0)),
            Some(back) => days.push(Day::BeforeLast(back.strip_prefix('-')?.parse().ok()?)),
            None => days.extend(part(piece, 1, 31, &[])?.into_iter().map(Day::On)),
        }
    }
    Some(days)
}

fn week(text: &str) -> Option<Vec<Weekday>> {
    let names: Vec<(&str, u32)> = "sun mon tue wed thu fri sat".split(' ').zip(0..).collect();
    let mut days = Vec::new();
    for piece in if text == "?" { "*" } else { text }.split(',') {
        let one = |word: &str| part(word, 0, 6, &names)?.first().copied();
        if let Some(day) = piece.strip_suffix('l') {
            days.push(Weekday::Last(one(day)?));
        } else if let Some((day, nth)) = piece.split_once('#') {
            days.push(Weekday::Nth(one(day)?, nth.parse().ok()?));
        } else {
            days.extend(part(piece, 0, 6, &names)?.into_iter().map(Weekday::Each));
        }
    }
    Some(days)
}

/// A walk over real time with an eye on the clock on the wall.
struct Walk<'a> {
    meant: &'a Meant,
    zone: Zone,
    dst: Dst,
}

impl Walk<'_> {
    /// What the clock shows, as seconds of a clock that never changes.
    fn shown(&self, second: i64) -> i64 {
        let utc = DateTime::from_timestamp(second, 0).expect("within the calendar");
        second + i64::from(utc.with_timezone(&self.zone).offset().fix().local_minus_utc())
    }

    fn matches(&self, reading: i64) -> bool {
        let date = || DateTime::from_timestamp(reading, 0).expect("within the calendar").date_naive();
        self.meant.has_time(reading.rem_euclid(86_400)) && self.meant.has_day(date())
    }

    /// Due seconds after `from` and up to `end`.
    fn due(&self, from: i64, end: i64, step: i64) -> Vec<i64> {
        let mut due = Vec::new();
        let mut second = (from - BEFORE).div_euclid(60) * 60;
        let mut before = self.shown(second);
        let mut highest = before;
        // The time before the start is only looked at for what clocks have shown.
        while second < end {
            second += if second < from - 120 { 60 } else { step };
            let reading = self.shown(second);
            let now = if self.meant.wildcard {
                self.matches(reading)
            } else {
                let left_out = reading - before > step.max(60);
                let missed = |from: i64| (from + 1..=reading).filter(|r| r % step == 0).any(|r| self.matches(r));
                match self.dst {
                    Dst::Vixie => reading > highest && if left_out { missed(highest) } else { self.matches(reading) },
                    Dst::Skip => reading > highest && self.matches(reading),
                    Dst::Twice => {
                        if left_out {
                            missed(before)
                        } else {
                            self.matches(reading)
                        }
                    }
                }
            };
            if now && second > from && second <= end {
                due.push(second);
            }
            before = reading;
            highest = highest.max(reading);
        }
        due
    }
}
