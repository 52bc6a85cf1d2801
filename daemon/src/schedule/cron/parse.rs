//! Reads the text of an expression into the numbers it means.
//!
//! In: what a person wrote. Out: one set of numbers per field, or an error with field, place and remedy.
<<<<<<< HEAD
//! Never: knows about zones or dates; whether a day exists is found by the calendar, only the sentence about it is made here.

use super::CronError;
use super::calendar::{MonthDays, Weekdays, full, has};
use crate::problem::did_you_mean;
=======
//! Never: knows about zones or dates; whether a day exists is found by the calendar.

use super::CronError;
use super::calendar::{MonthDays, Weekdays, full, has};
use super::hint;
>>>>>>> w-cron
use std::ops::Range;

/// English month names as crontab(5) writes them.
pub(super) const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/// English weekday names as crontab(5) writes them; the place is the number.
pub(super) const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

<<<<<<< HEAD
const ORDER: &str = "The order is: minute, hour, day of the month, month, weekday.";
=======
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
>>>>>>> w-cron

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
<<<<<<< HEAD
enum Unit {
=======
pub(super) enum Unit {
>>>>>>> w-cron
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

<<<<<<< HEAD
    fn names(self) -> (&'static [&'static str], u32) {
=======
    pub(super) fn names(self) -> (&'static [&'static str], u32) {
>>>>>>> w-cron
        match self {
            Month => (&MONTHS, 1),
            Weekday => (&WEEKDAYS, 0),
            Second | Minute | Hour | MonthDay => (&[], 0),
        }
    }
}

/// A piece of the text with its place.
#[derive(Clone, Copy)]
<<<<<<< HEAD
struct Piece<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Piece<'a> {
    fn span(self) -> Range<usize> {
=======
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Piece<'a> {
    pub(super) fn span(self) -> Range<usize> {
>>>>>>> w-cron
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
<<<<<<< HEAD
        _ => Err(wrong_count(text, &words)),
    }
    .map_err(|error| opening(text, &words).or_else(|| command(text, &words)).unwrap_or_else(|| with_order_hint(error, &words)))
}

fn fields(second: Option<Piece<'_>>, five: [Piece<'_>; 5]) -> Result<Expression, CronError> {
=======
        _ => Err(hint::wrong_count(text, &words)),
    }
    .map_err(|error| hint::better(text, &words, error))
}

/// Reads the fields, with or without seconds.
pub(super) fn fields(second: Option<Piece<'_>>, five: [Piece<'_>; 5]) -> Result<Expression, CronError> {
>>>>>>> w-cron
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
<<<<<<< HEAD
    const KNOWN: [(&str, &str); 7] = [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ];
    let lower = word.text.to_ascii_lowercase();
    if let Some((_, means)) = KNOWN.iter().find(|(name, _)| *name == lower) {
        return expression(means);
    }
    let (message, help) = match lower.as_str() {
        "@reboot" => (
            "\"@reboot\" is not a time: a workflow is due by the clock, not because the daemon was started.".to_owned(),
            "Give it a time such as \"@hourly\" and let the setting \"missed\" decide what is made up for after a stop; to run it \
             once now, use 'beffroi run'."
                .to_owned(),
        ),
        "@every" => (
            "\"@every\" is not a crontab word.".to_owned(),
            "For every 15 minutes write \"*/15 * * * *\", for every 6 hours \"0 */6 * * *\".".to_owned(),
        ),
        _ => {
            let near = did_you_mean(&lower, KNOWN.iter().map(|(name, _)| *name));
            let near = near.map(|name| format!("Did you mean \"{name}\"? ")).unwrap_or_default();
            (
                format!("\"{}\" is not a known short form.", word.text),
                format!("{near}There are @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly."),
            )
        }
    };
    Err(CronError::new(word.span(), message, help))
}

fn wrong_count(text: &str, words: &[Piece<'_>]) -> CronError {
    let span = words[0].at..text.trim_end().len();
    if words.len() > 6 {
        let help = if words.len() == 7 {
            "A field for the year does not exist here. Write minute, hour, day of the month, month, weekday; or the same with \
             seconds first."
        } else {
            "Write minute, hour, day of the month, month, weekday; or the same with seconds first. Lists are joined with commas \
             and no spaces: \"0,30\"."
        };
        return CronError::new(
            words[6].at..span.end,
            format!("The expression has {} fields; there are 5, or 6 with seconds.", words.len()),
            help,
        );
    }
    let plural = if words.len() == 1 { "field" } else { "fields" };
    let stars = " *".repeat(5 - words.len());
    let written = words.iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
    let filled = format!("{written}{stars}");
    let example = if expression(&filled).is_ok() {
        format!("If the rest does not matter, write \"{filled}\".")
    } else {
        "Every day at 7:30 is \"30 7 * * *\".".to_owned()
    };
    CronError::new(
        span,
        format!("The expression has {} {plural}; crontab needs 5: minute, hour, day of the month, month, weekday.", words.len()),
        example,
    )
}

/// The error for a first word that cannot be followed by fields.
fn opening(text: &str, words: &[Piece<'_>]) -> Option<CronError> {
    let [first, second, ..] = words else { return None };
    if first.text.eq_ignore_ascii_case("@every") {
        return shorthand(*first).err();
    }
    if first.text.starts_with('@') {
        let message = format!("Nothing may follow \"{}\".", first.text);
        return Some(CronError::new(second.at..text.trim_end().len(), message, "It stands for the whole expression."));
    }
    first.text.to_ascii_uppercase().contains("TZ=").then(|| {
        CronError::new(
            first.span(),
            "A time zone cannot be given inside the expression.",
            "Leave it out here and name it with the setting \"zone\".",
        )
    })
}

/// The error for a whole line of a crontab: five fields and a command.
fn command(text: &str, words: &[Piece<'_>]) -> Option<CronError> {
    let [minute, hour, day, month, weekday, rest, ..] = words else { return None };
    // `friL` or `5#2` is a field of an expression with seconds; a path, a file name or a longer word is not.
    let name = rest.text.trim_matches(|c: char| !c.is_alphabetic());
    let foreign = rest.text.starts_with(['/', '.', '~']) || (name.len() > 4 && !name.contains([',', '-', '*']));
    let readable = foreign && fields(None, [*minute, *hour, *day, *month, *weekday]).is_ok();
    readable.then(|| {
        CronError::new(
            rest.at..text.trim_end().len(),
            "A command follows the five fields.",
            "Write only the five fields here; what is done is the workflow's script.",
        )
    })
}

/// Adds what was probably meant when two neighbouring fields were exchanged.
fn with_order_hint(error: CronError, words: &[Piece<'_>]) -> CronError {
    if !(5..=6).contains(&words.len()) {
        return error;
    }
    let Some(wrong) = words.iter().position(|word| word.span().contains(&error.span.start)) else { return error };
    let first = words.len() - 5;
    for left in first..words.len() - 1 {
        if left != wrong && left + 1 != wrong {
            continue;
        }
        let mut order = words.to_vec();
        order.swap(left, left + 1);
        let second = if first == 1 { Some(order[0]) } else { None };
        let five: [Piece<'_>; 5] = order[first..].try_into().expect("five fields follow the optional seconds");
        if fields(second, five).is_ok() {
            let meant = order.iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
            let help = format!("{} {ORDER} Did you mean \"{meant}\"?", error.help);
            return CronError { help: help.trim_start().to_owned(), ..error };
        }
    }
    error
=======
    let lower = word.text.to_ascii_lowercase();
    match SHORTHANDS.iter().find(|(name, _)| *name == lower) {
        Some((_, means)) => expression(means),
        None => Err(hint::unknown_shorthand(word)),
    }
>>>>>>> w-cron
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
<<<<<<< HEAD
            "Name the days, such as \"1,15\"; or choose weekdays in the last field, such as \"1-5\" or \"1#1\" for the first Monday.",
=======
            "Name the days, such as \"1,15\"; or choose weekdays in the last field, such as \"1-5\" or \"1#1\" for the first \
             Monday.",
>>>>>>> w-cron
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
<<<<<<< HEAD
            match nth.text.parse::<usize>() {
                Ok(nth @ 1..=5) => {
                    field.nth[nth - 1] |= 1 << weekday;
                    Ok(true)
                }
                _ => wrong(
=======
            match ["1", "2", "3", "4", "5"].iter().position(|known| *known == nth.text) {
                Some(nth) => {
                    field.nth[nth] |= 1 << weekday;
                    Ok(true)
                }
                None => wrong(
>>>>>>> w-cron
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
<<<<<<< HEAD
    if let Some(meant) = meant_name(unit, &lower) {
=======
    if let Some(meant) = hint::meant_name(unit, &lower) {
>>>>>>> w-cron
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
<<<<<<< HEAD

/// The name meant by a slip of the hand, a long form, or a French word.
fn meant_name(unit: Unit, lower: &str) -> Option<&'static str> {
    const LONG: [&str; 19] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    const FRENCH: [&str; 19] = [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
        "dimanche",
        "lundi",
        "mardi",
        "mercredi",
        "jeudi",
        "vendredi",
        "samedi",
    ];
    let (names, _) = unit.names();
    let places = match unit {
        Month => 0..12,
        Weekday => 12..19,
        Second | Minute | Hour | MonthDay => return None,
    };
    let long = &LONG[places.clone()];
    let french = &FRENCH[places];
    let begun = |words: &[&str]| words.iter().position(|word| lower.chars().count() >= 3 && word.starts_with(lower));
    let slip =
        |words: &[&str]| did_you_mean(lower, words.iter().copied()).and_then(|near| words.iter().position(|word| *word == near));
    let place = begun(long).or_else(|| begun(french)).or_else(|| slip(long)).or_else(|| slip(french));
    place.map(|place| names[place]).or_else(|| {
        // The usual measure is made for longer words: of three letters, two in their place are near enough.
        let alike =
            |name: &&&str| name.len() == lower.len() && name.bytes().zip(lower.bytes()).filter(|(a, b)| a == b).count() == 2;
        did_you_mean(lower, names.iter().copied()).or_else(|| names.iter().find(alike).copied())
    })
}

/// The sentence about an expression that no day of any year matches.
pub(super) fn impossible(text: &str, expression: &Expression) -> CronError {
    const LONGEST: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let months: Vec<usize> = (0..12).filter(|month| has(expression.months.values >> 1, *month as u32)).collect();
    let days = &expression.days;
    let fits = |month: &usize| {
        let length = LONGEST[*month];
        (1..=length).any(|day| has(days.values, day) || has(days.last, length - day))
    };
    let span = days.span.start..expression.months.span.end.max(days.span.end);
    if months.iter().any(fits) {
        return CronError::new(
            days.span.start..expression.weekdays.span.end,
            format!(
                "The day-of-month field \"{}\" and the weekday field \"{}\" never meet on one day.",
                &text[days.span.clone()],
                &text[expression.weekdays.span.clone()]
            ),
            "Both must match here because one of them starts with \"*\". Write \"*\" in one of the two fields.",
        );
    }
    let names = months.iter().map(|month| NAMES[*month]).collect::<Vec<_>>().join(" or ");
    let written: Vec<String> = (1..32).filter(|day| has(days.values, *day)).map(|day| day.to_string()).collect();
    let message = if days.last == 0 && written.len() == 1 && months.len() == 1 {
        format!("No year has a {} {names}.", written[0])
    } else {
        format!("No year has a day \"{}\" in {names}.", &text[days.span.clone()])
    };
    CronError::new(span, message, "The last day of a month, however long it is, is \"L\" in the day-of-month field.")
}
=======
>>>>>>> w-cron
