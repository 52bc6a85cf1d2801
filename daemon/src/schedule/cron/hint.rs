//! What a person probably meant: the sentences about expressions that are wrong as a whole.
//!
//! In: an expression that could not be read, or that no day matches. Out: the error with its place and a remedy.
//! Never: makes a wrong expression pass.

use super::CronError;
use super::calendar::has;
use super::parse::Unit::{Hour, Minute, Month, MonthDay, Second, Weekday};
use super::parse::{Expression, Piece, SHORTHANDS, Unit, expression, fields};
use crate::problem::did_you_mean;

/// A better error than that of the first wrong field, where the whole shows what was meant.
pub(super) fn better(text: &str, words: &[Piece<'_>], error: CronError) -> CronError {
    opening(text, words).or_else(|| command(text, words)).unwrap_or_else(|| with_order(error, words))
}

/// The error for a word with `@` that is no short form.
pub(super) fn unknown_shorthand(word: Piece<'_>) -> CronError {
    let lower = word.text.to_ascii_lowercase();
    let (message, help) = match lower.as_str() {
        "@reboot" => (
            "\"@reboot\" is not a time: a workflow is due by the clock, not because the daemon was started.".to_owned(),
            "Give it a time such as \"@hourly\" and let the setting \"missed\" decide what is made up for after a stop; to \
             run it once now, use 'beffroi run'."
                .to_owned(),
        ),
        "@every" => (
            "\"@every\" is not a crontab word.".to_owned(),
            "For every 15 minutes write \"*/15 * * * *\", for every 6 hours \"0 */6 * * *\".".to_owned(),
        ),
        _ => {
            let near = did_you_mean(&lower, SHORTHANDS.iter().map(|(name, _)| *name));
            let near = near.map(|name| format!("Did you mean \"{name}\"? ")).unwrap_or_default();
            (
                format!("\"{}\" is not a known short form.", word.text),
                format!("{near}There are @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly."),
            )
        }
    };
    CronError::new(word.span(), message, help)
}

/// The error for too few or too many fields.
pub(super) fn wrong_count(text: &str, words: &[Piece<'_>]) -> CronError {
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
        return Some(unknown_shorthand(*first));
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
fn with_order(error: CronError, words: &[Piece<'_>]) -> CronError {
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
            let help =
                format!("{} The order is: minute, hour, day of the month, month, weekday. Did you mean \"{meant}\"?", error.help);
            return CronError { help: help.trim_start().to_owned(), ..error };
        }
    }
    error
}

/// The name meant by a slip of the hand, a long form, or a French word.
pub(super) fn meant_name(unit: Unit, lower: &str) -> Option<&'static str> {
    const LONG_MONTHS: &str = "january february march april may june july august september october november december";
    const LONG_WEEKDAYS: &str = "sunday monday tuesday wednesday thursday friday saturday";
    const FRENCH_MONTHS: &str = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre";
    const FRENCH_WEEKDAYS: &str = "dimanche lundi mardi mercredi jeudi vendredi samedi";
    let (long, french) = match unit {
        Month => (LONG_MONTHS, FRENCH_MONTHS),
        Weekday => (LONG_WEEKDAYS, FRENCH_WEEKDAYS),
        Second | Minute | Hour | MonthDay => return None,
    };
    let (names, _) = unit.names();
    let begun = |words: &str| words.split(' ').position(|word| lower.chars().count() >= 3 && word.starts_with(lower));
    let slip =
        |words: &str| did_you_mean(lower, words.split(' ')).and_then(|near| words.split(' ').position(|word| word == near));
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
    const NAMES: &str = "January February March April May June July August September October November December";
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
    let names = months.iter().filter_map(|month| NAMES.split(' ').nth(*month)).collect::<Vec<_>>().join(" or ");
    let written: Vec<String> = (1..32).filter(|day| has(days.values, *day)).map(|day| day.to_string()).collect();
    let message = if days.last == 0 && written.len() == 1 && months.len() == 1 {
        format!("No year has a {} {names}.", written[0])
    } else {
        format!("No year has a day \"{}\" in {names}.", &text[days.span.clone()])
    };
    CronError::new(span, message, "The last day of a month, however long it is, is \"L\" in the day-of-month field.")
}
