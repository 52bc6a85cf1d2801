//! Reads the text of an expression into the numbers it means.
//!
//! In: what a person wrote. Out: one set of numbers per field, or an error with field, place and remedy.
//! Never: knows about zones or dates; whether a day exists is found by the calendar.

use super::CronError;
use super::calendar::{MonthDays, Weekdays, full, has};
use super::hint;
use std::ops::Range;

/// English month names as crontab(5) writes them.
pub(super) const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/// English weekday names as crontab(5) writes them; the place is the number.
pub(super) const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Short forms and the five fields they stand for.
pub(super) const SHORTHANDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// An expression as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression {
    pub(super) seconds: Field,
    pub(super) minutes: Field,
    pub(super) hours: Field,
    pub(super) days: Field,
    pub(super) months: Field,
    pub(super) weekdays: Field,
}

/// What one field means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Field {
    /// It starts with `*`, which Vixie's rules look at.
    pub(super) star: bool,
    /// Bit n: the value n.
    pub(super) values: u64,
    /// Day of the month: bit n for `L-n`. Weekday: bit n for `nL`.
    pub(super) last: u64,
    /// Weekday: bit n of the kth for `n#(k + 1)`.
    pub(super) nth: [u8; 5],
    /// The step of a field that is `*/step` alone, otherwise 0: for describing.
    pub(super) step: u32,
    /// Its place in the text.
    pub(super) span: Range<usize>,
}

impl Expression {
    /// Whether it follows real time on the days the clocks change.
    pub(super) fn wildcard(&self) -> bool {
        self.seconds.star || self.minutes.star || self.hours.star
    }
}

impl Field {
    /// As days of the month.
    pub(super) fn month_days(&self) -> MonthDays {
        MonthDays { days: self.values, from_end: self.last }
    }

    /// As weekdays.
    pub(super) fn weekdays(&self) -> Weekdays {
        Weekdays { every: self.values, last: self.last, nth: self.nth }
    }
}

/// What a field is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Second,
    Minute,
    Hour,
    MonthDay,
    Month,
    Weekday,
}

use Unit::{Hour, Minute, Month, MonthDay, Second, Weekday};

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Second => "second",
            Minute => "minute",
            Hour => "hour",
            MonthDay => "day-of-month",
            Month => "month",
            Weekday => "weekday",
        }
    }

    fn range(self) -> Range<u32> {
        match self {
            Second | Minute => 0..60,
            Hour => 0..24,
            MonthDay => 1..32,
            Month => 1..13,
            Weekday => 0..8,
        }
    }

    /// The last number of `*` and of `5/15`: Saturday for weekdays, since 7 is Sunday again.
    fn end(self) -> u32 {
        if self == Weekday { 6 } else { self.range().end - 1 }
    }

    fn bounds(self) -> &'static str {
        match self {
            Second => "Seconds go from 0 to 59.",
            Minute => "Minutes go from 0 to 59.",
            Hour => "Hours go from 0 to 23; midnight is 0.",
            MonthDay => "Days of the month go from 1 to 31; L is the last one.",
            Month => "Months go from 1 to 12, or jan to dec.",
            Weekday => "Weekdays go from 0 to 7, where 0 and 7 are both Sunday, or sun to sat.",
        }
    }

    pub(super) fn names(self) -> (&'static [&'static str], u32) {
        match self {
            Month => (&MONTHS, 1),
            Weekday => (&WEEKDAYS, 0),
            Second | Minute | Hour | MonthDay => (&[], 0),
        }
    }
}

/// A piece of the text with its place.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Piece<'a> {
    pub(super) fn span(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    fn from(self, start: usize) -> Self {
        Self { text: &self.text[start..], at: self.at + start }
    }

    fn to(self, end: usize) -> Self {
        Self { text: &self.text[..end], at: self.at }
    }

    /// The parts before and after the first of this character.
    fn split(self, mark: char) -> Option<(Self, Self)> {
        let at = self.text.find(mark)?;
        Some((self.to(at), self.from(at + mark.len_utf8())))
    }

    /// The pieces between white space, or between commas.
    fn pieces(self, between: fn(char) -> bool) -> impl Iterator<Item = Piece<'a>> {
        let start = self.text.as_ptr().addr();
        self.text.split(between).map(move |text| Piece { text, at: self.at + (text.as_ptr().addr() - start) })
    }
}

/// Reads an expression.
pub(super) fn expression(text: &str) -> Result<Expression, CronError> {
    let whole = Piece { text, at: 0 };
    let words: Vec<Piece<'_>> = whole.pieces(char::is_whitespace).filter(|piece| !piece.text.is_empty()).collect();
    match words.as_slice() {
        [] => Err(CronError::new(
            0..text.len(),
            "The expression is empty.",
            "Write five fields, such as \"30 7 * * *\" for every day at 7:30.",
        )),
        [word] if word.text.starts_with('@') => shorthand(*word),
        [minute, hour, day, month, weekday] => fields(None, [*minute, *hour, *day, *month, *weekday]),
        [second, minute, hour, day, month, weekday] => fields(Some(*second), [*minute, *hour, *day, *month, *weekday]),
        _ => Err(hint::wrong_count(text, &words)),
    }
    .map_err(|error| hint::better(text, &words, error))
}

/// Reads the fields, with or without seconds.
pub(super) fn fields(second: Option<Piece<'_>>, five: [Piece<'_>; 5]) -> Result<Expression, CronError> {
    let [minute, hour, day, month, weekday] = five;
    let seconds = match second {
        Some(second) => field(Second, second)?,
        None => Field { values: 1, ..Field::default() },
    };
    Ok(Expression {
        seconds,
        minutes: field(Minute, minute)?,
        hours: field(Hour, hour)?,
        days: field(MonthDay, day)?,
        months: field(Month, month)?,
        weekdays: field(Weekday, weekday)?,
    })
}

fn shorthand(word: Piece<'_>) -> Result<Expression, CronError> {
    let lower = word.text.to_ascii_lowercase();
    match SHORTHANDS.iter().find(|(name, _)| *name == lower) {
        Some((_, means)) => expression(means),
        None => Err(hint::unknown_shorthand(word)),
    }
}

fn field(unit: Unit, piece: Piece<'_>) -> Result<Field, CronError> {
    let mut field = Field { star: piece.text.starts_with('*'), span: piece.span(), ..Field::default() };
    if piece.text == "?" && matches!(unit, MonthDay | Weekday) {
        return Ok(Field { star: true, values: full(unit.range().start..unit.end() + 1), ..field });
    }
    let mut count = 0;
    for item in piece.pieces(|c| c == ',') {
        count += 1;
        if item.text.is_empty() {
            let span = item.at.min(piece.span().end - 1)..(item.at + 1).min(piece.span().end);
            return Err(CronError::new(
                span,
                format!("The {} field has a comma with nothing on one side.", unit.name()),
                "Join values with single commas and no spaces, such as \"1,15\".",
            ));
        }
        let step = self::item(unit, item, &mut field)?;
        if field.star {
            field.step = step;
        }
    }
    if count > 1 {
        field.step = 0;
    }
    if unit == Weekday && has(field.values, 7) {
        field.values = field.values & full(0..7) | 1;
    }
    Ok(field)
}

/// One element of a list; answers its step, 0 when it has none.
fn item(unit: Unit, item: Piece<'_>, field: &mut Field) -> Result<u32, CronError> {
    if special(unit, item, field)? {
        return Ok(0);
    }
    let (base, step) = match item.split('/') {
        Some((base, step)) => (base, Some(self::step(unit, item, step)?)),
        None => (item, None),
    };
    let (low, high) = if base.text == "*" {
        (unit.range().start, unit.end())
    } else if let Some((low, high)) = base.split('-') {
        range(unit, base, low, high)?
    } else {
        let low = value(unit, base, item)?;
        // "5/15" runs to the end of the field; 7 is past the end of the week, and stands for itself.
        (low, if step.is_some() { unit.end().max(low) } else { low })
    };
    for number in (low..=high).step_by(step.unwrap_or(1) as usize) {
        field.values |= 1 << number;
    }
    Ok(step.unwrap_or(0))
}

fn step(unit: Unit, item: Piece<'_>, step: Piece<'_>) -> Result<u32, CronError> {
    let wrong = |what: &str| {
        Err(CronError::new(
            item.span(),
            format!("The {} field has \"{}\": {what}.", unit.name(), item.text),
            "After \"/\" comes one number from 1 on, such as \"*/5\" for every fifth.",
        ))
    };
    if step.text.is_empty() {
        return wrong("the step after \"/\" is missing");
    }
    if !step.text.bytes().all(|byte| byte.is_ascii_digit()) {
        return wrong("the step after \"/\" is not a number");
    }
    match step.text.parse::<u32>() {
        Ok(0) => wrong("a step of 0 would never move on"),
        Ok(number) if number < 10_000 => Ok(number),
        _ => wrong("the step after \"/\" is too large"),
    }
}

fn range(unit: Unit, base: Piece<'_>, low: Piece<'_>, high: Piece<'_>) -> Result<(u32, u32), CronError> {
    if low.text.is_empty() || high.text.is_empty() {
        return Err(CronError::new(
            base.span(),
            format!("The {} field has \"{}\": a range needs both ends.", unit.name(), base.text),
            format!("{} Write for example \"{}-{}\".", unit.bounds(), unit.range().start, unit.end()),
        ));
    }
    if high.text.contains('-') {
        return Err(CronError::new(
            base.span(),
            format!("The {} field has \"{}\": a range has two ends, not more.", unit.name(), base.text),
            "Join several ranges with commas.",
        ));
    }
    let start = value(unit, low, base)?;
    let mut end = value(unit, high, base)?;
    // "fri-sun" can only mean the Sunday at the week's end.
    if unit == Weekday && end == 0 && start > 0 && high.text.eq_ignore_ascii_case("sun") {
        end = 7;
    }
    if start <= end {
        return Ok((start, end));
    }
    let (first, last) = (unit.range().start, unit.end());
    // 5-0 and 7-2 run over the Sunday, which has a number at either end of the week.
    let instead = match (unit, start, end) {
        (Weekday, start, 0) => format!("{start}-7"),
        (Weekday, 7, end) => format!("0-{end}"),
        (_, start, end) => {
            let run = |from: u32, to: u32| if from == to { format!("{from}") } else { format!("{from}-{to}") };
            format!("{},{}", run(start, last), run(first, end))
        }
    };
    Err(CronError::new(
        base.span(),
        format!("The {} field has \"{}\": the range ends before it starts.", unit.name(), base.text),
        format!("If it is meant to go round the end, write \"{instead}\"."),
    ))
}

/// `L`, `#` and the letters of other dialects; answers whether the element was one of these.
fn special(unit: Unit, item: Piece<'_>, field: &mut Field) -> Result<bool, CronError> {
    let wrong = |message: &str, help: &str| {
        Err(CronError::new(item.span(), format!("The {} field has \"{}\": {message}.", unit.name(), item.text), help))
    };
    let upper = item.text.to_ascii_uppercase();
    if upper.contains('?') {
        return if matches!(unit, MonthDay | Weekday) {
            wrong("\"?\" stands alone or not at all", "Write \"*\" for every day.")
        } else {
            wrong("\"?\" belongs to the two day fields only", "Write \"*\" for all values.")
        };
    }
    match unit {
        MonthDay if upper.ends_with('W') => wrong(
            "\"W\", the nearest working day, is not supported",
            "Name the days, such as \"1,15\"; or choose weekdays in the last field, such as \"1-5\" or \"1#1\" for the first \
             Monday.",
        ),
        MonthDay if upper.starts_with('L') => {
            let back = match upper.strip_prefix("L-") {
                None if upper == "L" => Some(0),
                Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    digits.parse().ok().filter(|back| *back <= 30)
                }
                _ => None,
            };
            match back {
                Some(back) => {
                    field.last |= 1_u64 << back;
                    Ok(true)
                }
                None => wrong(
                    "after \"L\" only \"-\" and a number from 0 to 30 may follow",
                    "\"L\" is the last day of the month, \"L-3\" the third before it.",
                ),
            }
        }
        Weekday if upper == "L" => {
            wrong("\"L\" alone does not say which weekday", "Write \"5L\" or \"friL\" for the last Friday of the month.")
        }
        Weekday if upper.ends_with('L') => {
            let day = item.to(item.text.len() - 1);
            if day.text.contains(['-', '/', '#', '*']) {
                return wrong("\"L\" follows one weekday", "Write a list such as \"1L,5L\" for several.");
            }
            field.last |= 1 << (value(unit, day, item)? % 7);
            Ok(true)
        }
        _ if upper.contains('#') => {
            if unit != Weekday {
                return wrong(
                    "\"#\" belongs to the weekday field",
                    "The second Friday of the month is \"5#2\" in the last field.",
                );
            }
            let (day, nth) = item.split('#').expect("the element has a #");
            let weekday = value(unit, day, item)? % 7;
            match ["1", "2", "3", "4", "5"].iter().position(|known| *known == nth.text) {
                Some(nth) => {
                    field.nth[nth] |= 1 << weekday;
                    Ok(true)
                }
                None => wrong(
                    "after \"#\" comes a number from 1 to 5",
                    "\"5#2\" is the second Friday of the month; the last one is \"5L\".",
                ),
            }
        }
        _ => Ok(false),
    }
}

/// A number or a name; `item` is what people see quoted.
fn value(unit: Unit, piece: Piece<'_>, item: Piece<'_>) -> Result<u32, CronError> {
    let range = unit.range();
    let shown = if piece.text == item.text { String::new() } else { format!(" in \"{}\"", item.text) };
    let wrong = |why: &str, help: String| {
        // An empty piece has no place of its own.
        let span = if piece.text.is_empty() { item.span() } else { piece.span() };
        Err(CronError::new(span, format!("The {} field has \"{}\"{shown}: {why}.", unit.name(), piece.text), help))
    };
    if !piece.text.is_empty() && piece.text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match piece.text.parse::<u32>() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => wrong("this is out of range", unit.bounds().to_owned()),
        };
    }
    let (names, first) = unit.names();
    let lower = piece.text.to_lowercase();
    if let Some(place) = (0..).zip(names).find_map(|(place, name)| (**name == lower).then_some(place)) {
        return Ok(first + place);
    }
    if piece.text.is_empty() {
        return wrong("a value is missing", unit.bounds().to_owned());
    }
    if piece.text.starts_with('*') {
        return wrong("\"*\" stands alone or before a step", "Write \"*\", or \"*/5\" for every fifth.".to_owned());
    }
    if !piece.text.chars().all(char::is_alphabetic) {
        let names = if names.is_empty() { "" } else { " or a name" };
        return wrong(
            &format!("this is not a number{names}"),
            format!("{} Ranges are written \"1-5\", lists \"1,5\", steps \"*/5\".", unit.bounds()),
        );
    }
    if let Some(meant) = hint::meant_name(unit, &lower) {
        return wrong("this is not a name crontab knows", format!("Did you mean \"{meant}\"?"));
    }
    if let Some(other) = [Month, Weekday].into_iter().find(|other| *other != unit && other.names().0.contains(&lower.as_str())) {
        let place = if other == Month { "the month is the second field from the right" } else { "the weekday is the last field" };
        return wrong(
            &format!("\"{lower}\" is a {}", other.name()),
            format!("{}; {place}.", unit.bounds().trim_end_matches('.')),
        );
    }
    if lower == "h" {
        return wrong("\"H\", a time of the program's choice, is not supported", unit.bounds().to_owned());
    }
    wrong(if names.is_empty() { "this is not a number" } else { "this is not a number or a name" }, unit.bounds().to_owned())
}
