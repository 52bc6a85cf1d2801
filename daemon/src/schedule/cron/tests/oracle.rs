//! A slow second opinion: expressions made from a structure, and a walk over every minute (or second) of real time.
//!
//! In: a source of chance, or parts. Out: the text of an expression and the instants it is due, found without the code
//! under test.
//! Never: reads an expression; the text is printed from the structure, and the structure is what the walk asks.

use super::super::{DAY, Dst};
use crate::domain::Zone;
use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone};
use fastrand::Rng;

/// One element of a list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    All,
    EveryFromStart(u32),
    One(u32),
    Range(u32, u32),
    RangeStep(u32, u32, u32),
    EveryFrom(u32, u32),
    /// `L-n`
    DaysBeforeEnd(u32),
    /// `nL`
    LastWeekday(u32),
    /// `n#k`
    NthWeekday(u32, u32),
}

use Part::*;

/// An expression as it was meant: seconds, minute, hour, day of the month, month, weekday.
#[derive(Debug, Clone)]
pub(super) struct Meant {
    pub(super) text: String,
    fields: [Vec<Part>; 6],
    with_seconds: bool,
    seconds: Vec<bool>,
    minutes: Vec<bool>,
    hours: Vec<bool>,
}

const LOW: [u32; 6] = [0, 0, 0, 1, 1, 0];
const HIGH: [u32; 6] = [59, 59, 23, 31, 12, 6];

impl Meant {
    /// Five fields, or six when seconds are given.
    pub(super) fn new(seconds: Option<Vec<Part>>, five: [Vec<Part>; 5], rng: &mut Rng) -> Self {
        let with_seconds = seconds.is_some();
        let [minute, hour, day, month, weekday] = five;
        let fields = [seconds.unwrap_or_else(|| vec![One(0)]), minute, hour, day, month, weekday];
        let words: Vec<String> = (usize::from(!with_seconds)..6).map(|at| print(at, &fields[at], rng)).collect();
        let set = |at: usize| (0..=HIGH[at]).map(|value| fields[at].iter().any(|part| holds(*part, at, value))).collect();
        Self { text: words.join(" "), seconds: set(0), minutes: set(1), hours: set(2), with_seconds, fields }
    }

    /// Any expression; most are ordinary, some use every corner of the language.
    pub(super) fn random(rng: &mut Rng, with_seconds: bool) -> Self {
        let seconds = with_seconds.then(|| random_field(0, rng));
        let five = [1, 2, 3, 4, 5].map(|at| random_field(at, rng));
        Self::new(seconds, five, rng)
    }

    pub(super) fn wildcard(&self) -> bool {
        let from = usize::from(!self.with_seconds);
        self.fields[from..3].iter().any(|field| starts_with_star(field))
    }

    /// Whether a day of the calendar matches.
    pub(super) fn has_date(&self, date: NaiveDate) -> bool {
        let [_, _, _, days, months, weekdays] = &self.fields;
        if !months.iter().any(|part| holds(*part, 4, date.month())) {
            return false;
        }
        let next_month = if date.month() == 12 { (date.year() + 1, 1) } else { (date.year(), date.month() + 1) };
        let first_of_next = NaiveDate::from_ymd_opt(next_month.0, next_month.1, 1).expect("a first of a month");
        let left = u32::try_from((first_of_next - date).num_days()).expect("later") - 1;
        let day = days.iter().any(|part| match part {
            DaysBeforeEnd(back) => left == *back,
            part => holds(*part, 3, date.day()),
        });
        let number = date.weekday().num_days_from_sunday();
        let weekday = weekdays.iter().any(|part| match part {
            LastWeekday(wanted) => number == wanted % 7 && left < 7,
            NthWeekday(wanted, nth) => number == wanted % 7 && date.day().div_ceil(7) == *nth,
            part => holds(*part, 5, number) || (number == 0 && holds(*part, 5, 7)),
        });
        if starts_with_star(days) || starts_with_star(weekdays) { day && weekday } else { day || weekday }
    }

    /// Whether a second of a day matches.
    pub(super) fn has_time(&self, second: i64) -> bool {
        let at = |value: i64| usize::try_from(value).expect("a time of the day");
        self.hours[at(second / 3_600)] && self.minutes[at(second / 60 % 60)] && self.seconds[at(second % 60)]
    }

    /// The times of a day, in seconds.
    pub(super) fn times(&self) -> Vec<i64> {
        (0..DAY).step_by(if self.with_seconds { 1 } else { 60 }).filter(|second| self.has_time(*second)).collect()
    }
}

fn starts_with_star(field: &[Part]) -> bool {
    matches!(field[0], All | EveryFromStart(_))
}

fn holds(part: Part, at: usize, value: u32) -> bool {
    // The week's second Sunday can be named, but no star and no open step reaches it.
    let second_sunday = at == 5 && value == 7;
    match part {
        All => !second_sunday,
        EveryFromStart(step) => !second_sunday && value >= LOW[at] && (value - LOW[at]).is_multiple_of(step),
        One(one) => value == one,
        Range(low, high) => (low..=high).contains(&value),
        RangeStep(low, high, step) => (low..=high).contains(&value) && (value - low).is_multiple_of(step),
        EveryFrom(low, step) => value == low || (!second_sunday && value >= low && (value - low).is_multiple_of(step)),
        DaysBeforeEnd(_) | LastWeekday(_) | NthWeekday(..) => false,
    }
}

fn random_field(at: usize, rng: &mut Rng) -> Vec<Part> {
    // Days and months are mostly left free, as people do.
    let free = [20, 15, 25, 60, 70, 55][at];
    if rng.u32(0..100) < free {
        return vec![All];
    }
    let (low, high) = (LOW[at], if at == 5 { 7 } else { HIGH[at] });
    let mut part = || {
        let one = rng.u32(low..=high);
        let two = rng.u32(one..=high);
        let step = rng.u32(1..=(high / 2).max(2));
        match (rng.u32(0..100), at) {
            (0..15, 3) => DaysBeforeEnd(rng.u32(0..=30) * rng.u32(0..=1)),
            (0..15, 5) => LastWeekday(one),
            (15..30, 5) => NthWeekday(one, rng.u32(1..=5)),
            (0..50, _) => One(one),
            (50..65, _) => Range(one, two),
            (65..75, _) => RangeStep(one, two, step),
            (75..82, _) => EveryFrom(one, step),
            (82..97, _) => EveryFromStart(step),
            _ => All,
        }
    };
    let mut parts = vec![part()];
    while parts.len() < 4 && matches!(parts[parts.len() - 1], One(value) if value % 2 == 0) {
        parts.push(part());
    }
    parts
}

fn print(at: usize, field: &[Part], rng: &mut Rng) -> String {
    let mut value = |number: u32| {
        let names: &[&str] = match at {
            4 => &["", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
            5 => &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
            _ => &[],
        };
        match names.get(number as usize) {
            Some(name) if rng.u32(0..3) == 0 => {
                name.chars().map(|c| if rng.bool() { c.to_ascii_uppercase() } else { c }).collect()
            }
            _ => number.to_string(),
        }
    };
    let parts: Vec<String> = field
        .iter()
        .map(|part| match *part {
            All => "*".to_owned(),
            EveryFromStart(step) => format!("*/{step}"),
            One(one) => value(one),
            Range(low, high) => format!("{}-{}", value(low), value(high)),
            RangeStep(low, high, step) => format!("{}-{}/{step}", value(low), value(high)),
            EveryFrom(low, step) => format!("{}/{step}", value(low)),
            DaysBeforeEnd(0) => "L".to_owned(),
            DaysBeforeEnd(back) => format!("L-{back}"),
            LastWeekday(day) => format!("{}L", value(day)),
            NthWeekday(day, nth) => format!("{}#{nth}", value(day)),
        })
        .collect();
    parts.join(",")
}

/// What a zone's wall clock shows at every minute (or second) of a stretch of real time.
pub(super) struct Walk {
    start: i64,
    unit: i64,
    /// Local seconds since 1970, one per unit of real time.
    readings: Vec<i64>,
}

/// The instants an expression is due under each policy.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) vixie: Vec<i64>,
    pub(super) skip: Vec<i64>,
    pub(super) twice: Vec<i64>,
}

impl Due {
    pub(super) fn under(&self, dst: Dst) -> &[i64] {
        match dst {
            Dst::Vixie => &self.vixie,
            Dst::Skip => &self.skip,
            Dst::Twice => &self.twice,
        }
    }
}

impl Walk {
    /// From one instant up to another, by steps of a minute or a second.
    pub(super) fn new(zone: Zone, start: i64, end: i64, unit: i64) -> Self {
        let start = start - start.rem_euclid(unit);
        let readings = (start..end).step_by(usize::try_from(unit).expect("a step")).map(|t| t + offset(zone, t)).collect();
        Self { start, unit, readings }
    }

    /// The same around a change that is known, without asking the zone.
    pub(super) fn around(change: i64, before: i64, after: i64, reach: i64) -> Self {
        let reading = |t: i64| t + if t < change { before } else { after };
        let readings = (change - reach..change + reach).step_by(60).map(reading).collect();
        Self { start: change - reach, unit: 60, readings }
    }

    /// Asks the expression about every reading, remembering the latest one shown so far.
    pub(super) fn due(&self, meant: &Meant) -> Due {
        let first_day = self.readings.iter().min().expect("a walk is not empty").div_euclid(DAY);
        let last_day = self.readings.iter().max().expect("a walk is not empty").div_euclid(DAY);
        let dates: Vec<bool> = (first_day..=last_day).map(|day| meant.has_date(date(day))).collect();
        let matches = |reading: i64| {
            let day = usize::try_from(reading.div_euclid(DAY) - first_day).expect("within the walk");
            dates[day] && meant.has_time(reading.rem_euclid(DAY))
        };
        let mut due = Due::default();
        let mut shown = self.readings[0] - self.unit;
        let mut now = self.start - self.unit;
        for reading in self.readings.iter().copied() {
            now += self.unit;
            let is_new = reading > shown;
            // Only a step of more than one unit leaves readings out.
            let left_out = || (shown + self.unit..reading).step_by(self.unit as usize).any(matches);
            if matches(reading) {
                due.twice.push(now);
                if is_new {
                    due.vixie.push(now);
                    due.skip.push(now);
                }
            } else if reading > shown + self.unit && left_out() {
                due.vixie.push(now);
                due.twice.push(now);
            }
            shown = shown.max(reading);
        }
        if meant.wildcard() {
            let real: Vec<i64> = due.twice.iter().copied().filter(|t| matches(self.reading(*t))).collect();
            due = Due { vixie: real.clone(), skip: real.clone(), twice: real };
        }
        due
    }

    fn reading(&self, second: i64) -> i64 {
        self.readings[usize::try_from((second - self.start) / self.unit).expect("within the walk")]
    }
}

pub(super) fn offset(zone: Zone, second: i64) -> i64 {
    let utc = DateTime::from_timestamp(second, 0).expect("in range").naive_utc();
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

pub(super) fn date(day: i64) -> NaiveDate {
    DateTime::from_timestamp(day * DAY, 0).expect("in range").date_naive()
}

/// The instants at which a zone's offset changes between two others, with the offsets before and after.
pub(super) fn changes(zone: Zone, from: i64, until: i64) -> Vec<(i64, i64, i64)> {
    let stride = DAY;
    let mut found = Vec::new();
    let (mut at, mut here) = (from, offset(zone, from));
    while at < until {
        let there = offset(zone, at + stride);
        if there != here {
            let (mut low, mut high) = (at, at + stride);
            while high - low > 1 {
                let middle = (low + high) / 2;
                if offset(zone, middle) == here { low = middle } else { high = middle }
            }
            found.push((high, here, there));
        }
        (at, here) = (at + stride, there);
    }
    found
}
