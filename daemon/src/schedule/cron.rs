//! crontab(5) expressions in a time zone: which instants they mean, and how to say them in words.
//!
//! In: an expression, a zone and a policy for the days the clocks change. Out: due instants, strictly increasing, or an
//! error that names the field, its place and the remedy.
//! Never: reads a clock; goes back in time; gives the same instant twice.
//!
//! # What an expression may say
//! Five fields, minute, hour, day of the month, month, weekday; or six, with seconds first. `*`, numbers, ranges (`9-17`),
//! steps (`*/5`, `10-40/10`, `5/15` from 5 to the end of the field), lists, the names `jan`…`dec` and `sun`…`sat` in any
//! case, 0 or 7 for Sunday, `?` for `*` in a day field, `L` (last day of the month) and `L-3` in the day of the month,
//! `5L` (last Friday) and `5#2` (second Friday) in the weekday. `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`,
//! `@midnight` and `@hourly` stand for the usual five fields. When neither day field starts with `*`, a day matches if
//! *either* does; otherwise both must. This is Vixie's rule: `*/2` starts with a star, `1-31` does not.
//!
//! # What happens when the clocks change
//! An expression is either *fixed* or *wildcard*. It is wildcard when its second, minute or hour field starts with `*`.
//! - **Wildcard** expressions follow real time, whatever the policy: they are due at every real instant at which the wall
//!   clock shows a matching time. Where the clock jumps forward, nothing is due for the readings that never appear; where
//!   it is put back, both passes count. `@hourly` is therefore due once in every real hour.
//! - **Fixed** expressions follow the policy, [`Dst`]. Under the usual one, `vixie`, a time is due at the first real
//!   instant at which the wall clock shows it *or a later time*: in the gap that is the gap's end (several times in the
//!   same gap make one instant, and so does a time equal to the gap's end), in the overlap it is the first pass. The same
//!   holds where a zone drops a whole day: times of that day are due once, when the next day begins.
//!
//! # How it works
//! Days and times of day are two small calendars on the `cron` crate (`calendar`), searched in *naive local time*, where
//! no clock ever changes. The result is carried into the zone with a table of the zone's offsets (`zone`). Expressions
//! that agree in a half share it, so 100,000 workflows need little more memory than their texts.
//!
//! Time goes from the local start of 1970 to the end of 2099 in UTC; after that there is nothing.

mod calendar;
mod describe;
mod hint;
mod parse;
mod zone;

#[cfg(test)]
mod tests;

use crate::domain::{Language, NotAValue, Timestamp, Zone};
use crate::problem::did_you_mean;
use calendar::{Days, Times};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use zone::Offsets;

/// 2100-01-01T00:00:00Z in seconds: the offsets of zones are known until here.
const END: i64 = 4_102_444_800;
const DAY: i64 = 86_400;

/// What fixed times do on the days the clocks change. Wildcard times follow real time under every policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dst {
    /// In the gap at its end, in the overlap once, at the first pass.
    #[default]
    Vixie,
    /// In the gap not at all, in the overlap once, at the first pass.
    Skip,
    /// In the gap at its end, in the overlap at both passes.
    Twice,
}

impl Dst {
    /// Reads `vixie`, `skip` or `twice`.
    ///
    /// # Errors
    /// A sentence that shows the three words.
    pub fn parse(text: &str) -> Result<Self, NotAValue> {
        match text.trim() {
            "vixie" => Ok(Self::Vixie),
            "skip" => Ok(Self::Skip),
            "twice" => Ok(Self::Twice),
            other => {
                let near = did_you_mean(&other.to_lowercase(), ["vixie", "skip", "twice"]);
                let near = near.map(|word| format!(" Did you mean \"{word}\"?")).unwrap_or_default();
                Err(NotAValue(format!(
                    "\"{other}\" is not a rule for the days the clocks change. Write \"vixie\" (a time that is left out is made up \
                     for at once, a time that comes twice counts once), \"skip\" (a time that is left out is dropped) or \"twice\" \
                     (a time that comes twice counts twice).{near}"
                )))
            }
        }
    }

    /// The word [`Dst::parse`] reads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vixie => "vixie",
            Self::Skip => "skip",
            Self::Twice => "twice",
        }
    }
}

impl fmt::Display for Dst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronError {
    /// The offending part, in bytes of the expression.
    pub span: Range<usize>,
    /// Which field is wrong and why: a whole sentence.
    pub message: String,
    /// What to write instead: a whole sentence, empty when the message says it all.
    pub help: String,
}

impl CronError {
    fn new(span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: help.into() }
    }
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, " {}", self.help) }
    }
}

impl std::error::Error for CronError {}

/// A crontab expression in a zone, ready to be asked when it is due.
#[derive(Clone)]
pub struct Schedule {
    text: Box<str>,
    times: Arc<Times>,
    days: Arc<Days>,
    offsets: Arc<Offsets>,
    zone: Zone,
    dst: Dst,
    wildcard: bool,
}

impl Schedule {
    /// Reads an expression.
    ///
    /// # Errors
    /// The first wrong field, with its place and a remedy. An expression that no day of any year can match is an error too.
    pub fn parse(text: &str, zone: Zone, dst: Dst) -> Result<Self, CronError> {
        let expression = parse::expression(text)?;
        let days = Days::of(&expression).ok_or_else(|| hint::impossible(text, &expression))?;
        Ok(Self {
            text: text.into(),
            times: Times::of(&expression),
            days,
            offsets: Offsets::of(zone),
            zone,
            dst,
            wildcard: expression.wildcard(),
        })
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The zone whose wall clock it follows.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// What fixed times do on the days the clocks change.
    pub fn dst(&self) -> Dst {
        self.dst
    }

    /// The first due instant strictly after this one, if there is one before 2100.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        // Due instants are whole seconds, so the started second is the bound.
        let after = after.millis().div_euclid(1_000);
        let due = match (self.wildcard, self.dst) {
            (true, _) => self.every_pass(after, false),
            (false, Dst::Twice) => self.every_pass(after, true),
            (false, Dst::Vixie) => self.first_pass(after, true),
            (false, Dst::Skip) => self.first_pass(after, false),
        };
        due.filter(|second| *second < END).map(|second| Timestamp::from_millis(second * 1_000))
    }

    /// All due instants after the one and up to the other: `after < t <= until`.
    pub fn between(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let within = move |due: &Timestamp| *due <= until;
        std::iter::successors(self.next(after).filter(within), move |last| self.next(*last).filter(within))
    }

    /// The expression in plain words: `Every day at 7:30`, `Chaque jour à 7 h 30`.
    pub fn describe(&self, language: Language) -> String {
        let expression = parse::expression(&self.text).expect("the same text was read when this schedule was made");
        describe::sentence(&expression, language)
    }

    /// The first matching local time after this one; both are seconds of a clock that never changes.
    fn naive_next(&self, after: i64) -> Option<i64> {
        let (today, second) = ((after + 1).div_euclid(DAY), (after + 1).rem_euclid(DAY));
        // One search for the day is enough: today only counts while some of its times are left.
        let (earliest, time_today) = match self.times.at_or_after(second) {
            Some(time) => (today, time),
            None => (today + 1, self.times.first()),
        };
        let day = self.days.at_or_after(earliest)?;
        Some(day * DAY + if day == today { time_today } else { self.times.first() })
    }

    /// Each local time counts once, at the first instant at which the clock shows it or a later time.
    fn first_pass(&self, after: i64, at_gap_end: bool) -> Option<i64> {
        let here = self.offsets.at(after);
        // Readings before `seen` were shown before this span began, even where the clock shows them again now.
        let mut cursor = (after + here.offset).max(here.seen - 1);
        loop {
            let local = self.naive_next(cursor)?;
            let there = self.offsets.first_to_show(local);
            let due = local - there.offset;
            if due >= there.from {
                return Some(due);
            }
            // The clock jumped over this reading.
            if at_gap_end {
                return Some(there.from);
            }
            cursor = there.from + there.offset - 1;
        }
    }

    /// Each instant at which the clock shows a matching time counts, and the ends of gaps over matching times if wanted.
    fn every_pass(&self, after: i64, at_gap_end: bool) -> Option<i64> {
        let mut spans = self.offsets.since(after);
        let mut here = spans.next()?;
        let mut local = self.naive_next(after + here.offset)?;
        for next in spans {
            let (end, start) = (next.from + here.offset, next.from + next.offset);
            if local < end {
                break;
            }
            if local < start && at_gap_end {
                return Some(next.from);
            }
            // Unless the match found lies beyond the change, it is looked for again from where the clock now stands.
            if local < start || start < end {
                local = self.naive_next(start - 1)?;
            }
            here = next;
        }
        Some(local - here.offset)
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.zone, self.dst) == (&other.text, other.zone, other.dst)
    }
}

impl Eq for Schedule {}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({:?}, {}, {})", self.text, self.zone, self.dst)
    }
}
