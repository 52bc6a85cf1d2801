//! Numbers, money, dates and lists as a reader of French or English expects them.
//!
//! In: values and a language. Out: short texts, with the unbreakable spaces that French typography asks for.
//! Never: decides what is worth showing.

use crate::domain::{Currency, Language};
use chrono::{Datelike, NaiveDate};
use std::time::Duration;

/// The unbreakable space before `:`, `%` and currency signs, and inside `« »`.
pub const WIDE: char = '\u{a0}';
/// The narrow unbreakable space before `;`, `!`, `?` and between thousands.
pub const NARROW: char = '\u{202f}';

const MONTHS_FR: [&str; 12] =
    ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"];
const MONTHS_EN: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS_FR: [&str; 7] = ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"];
const DAYS_EN: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A sentence with ordinary spaces, with the unbreakable ones put where French needs them; English is left as it is.
pub fn typeset(sentence: &str, language: Language) -> String {
    if language == Language::En {
        return sentence.to_owned();
    }
    let mut out = String::with_capacity(sentence.len() + 16);
    let mut letters = sentence.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied();
        match (letter, next) {
            (' ', Some(':' | '%' | '»' | '€')) => out.push(WIDE),
            (' ', Some(';' | '!' | '?')) => out.push(NARROW),
            ('«', Some(' ')) => {
                letters.next();
                out.push('«');
                out.push(WIDE);
            }
            _ => out.push(letter),
        }
    }
    out
}

/// A whole number with its thousands apart: `12 345` or `12,345`.
pub fn whole(number: i64, language: Language) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + 8);
    if number < 0 {
        out.push('−');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(language.pick(NARROW, ','));
        }
        out.push(digit);
    }
    out
}

/// A number with at most one decimal: `1 234,5` or `1,234.5`. The decimal is left out when it would be a zero.
pub fn number(value: f64, language: Language) -> String {
    let tenths = to_whole(value * 10.0);
    let (units, tenth) = (tenths / 10, (tenths % 10).abs());
    if tenth == 0 {
        return whole(units, language);
    }
    // -0.4 has no whole part to carry its sign.
    let sign = if tenths < 0 && units == 0 { "−" } else { "" };
    format!("{sign}{}{}{tenth}", whole(units, language), language.pick(',', '.'))
}

/// A change such as 0.18 with its sign: `+18 %` or `+18%`.
pub fn change(ratio: f64, language: Language) -> String {
    let percent = to_whole(ratio * 100.0);
    let sign = if percent > 0 { "+" } else { "" };
    match language {
        Language::Fr => format!("{sign}{}{WIDE}%", whole(percent, language)),
        Language::En => format!("{sign}{}%", whole(percent, language)),
    }
}

/// An amount in minor units, without decimals when they would be zeros: `612 €`, `1 234,50 €`, `€612`.
pub fn money(minor: f64, currency: Currency, language: Language) -> String {
    let minor = to_whole(minor);
    let unit = 10_i64.pow(currency.decimals());
    let (units, part) = (minor / unit, (minor % unit).abs());
    let sign = if minor < 0 { "−" } else { "" };
    let mut digits = whole(units.abs(), language);
    if part != 0 {
        let width = currency.decimals() as usize;
        digits.push_str(&format!("{}{part:0width$}", language.pick(',', '.')));
    }
    let symbol = match currency.code() {
        "EUR" => "€",
        "USD" => "$",
        "GBP" => "£",
        other => return format!("{sign}{digits}{WIDE}{other}"),
    };
    match language {
        Language::Fr => format!("{sign}{digits}{WIDE}{symbol}"),
        Language::En => format!("{sign}{symbol}{digits}"),
    }
}

/// A length of time as people say it, its two largest parts: `2 h`, `1 jour 12 h`.
pub fn span(length: Duration, language: Language) -> String {
    let mut left = length.as_secs();
    let mut parts = Vec::new();
    for (size, one, many) in [
        (86_400, language.pick("jour", "day"), language.pick("jours", "days")),
        (3_600, "h", "h"),
        (60, "min", "min"),
        (1, "s", "s"),
    ] {
        let count = left / size;
        left %= size;
        if count > 0 && parts.len() < 2 {
            parts.push(format!("{count}{WIDE}{}", if count == 1 { one } else { many }));
        }
    }
    if parts.is_empty() { format!("0{WIDE}s") } else { parts.join(" ") }
}

/// A count with its noun: `1 clic`, `312 clics`. French keeps the singular for zero.
pub fn counted(count: i64, one: &str, many: &str, language: Language) -> String {
    let single = count == 1 || (count == 0 && language == Language::Fr);
    format!("{}{WIDE}{}", whole(count, language), if single { one } else { many })
}

/// A day without its year: `3 décembre`, `1er mars`, `3 December`.
pub fn day(date: NaiveDate, language: Language) -> String {
    let month = date.month0() as usize;
    match language {
        Language::Fr if date.day() == 1 => format!("1er{WIDE}{}", MONTHS_FR[month]),
        Language::Fr => format!("{}{WIDE}{}", date.day(), MONTHS_FR[month]),
        Language::En => format!("{}{WIDE}{}", date.day(), MONTHS_EN[month]),
    }
}

/// A day of the week: `lundi`, `Monday`.
pub fn weekday(date: NaiveDate, language: Language) -> &'static str {
    let at = date.weekday().num_days_from_monday() as usize;
    language.pick(DAYS_FR[at], DAYS_EN[at])
}

/// A range of days, both included: `du 16 au 22 novembre 2026`, `16–22 November 2026`.
pub fn range(from: NaiveDate, to: NaiveDate, language: Language) -> String {
    let end = format!("{} {}", day(to, language), to.year());
    let start = match language {
        Language::Fr if (from.year(), from.month()) == (to.year(), to.month()) && from.day() == 1 => "1er".to_owned(),
        _ if (from.year(), from.month()) == (to.year(), to.month()) => from.day().to_string(),
        _ if from.year() == to.year() => day(from, language),
        _ => format!("{} {}", day(from, language), from.year()),
    };
    match language {
        Language::Fr => format!("du {start} au {end}"),
        Language::En if (from.year(), from.month()) == (to.year(), to.month()) => format!("{start}–{end}"),
        Language::En => format!("{start} – {end}"),
    }
}

/// A list in words: `a, b et c`, `a, b and c`.
pub fn list<T: AsRef<str>>(parts: &[T], language: Language) -> String {
    let and = language.pick(" et ", " and ");
    match parts {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{}{and}{}", first.join(", "), last.as_ref())
        }
    }
}

/// The nearest whole number; what is not finite counts as zero.
fn to_whole(value: f64) -> i64 {
    // The cast turns NaN into 0; the limit keeps the arithmetic on signs in range.
    value.round().clamp(-9e15, 9e15) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{En, Fr};

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn a_length_of_time_is_told_by_its_two_largest_parts() {
        let fr = |seconds| span(Duration::from_secs(seconds), Language::Fr);
        assert_eq!(fr(7_200), "2\u{a0}h");
        assert_eq!(fr(5_400), "1\u{a0}h 30\u{a0}min");
        assert_eq!(fr(86_400 + 43_200), "1\u{a0}jour 12\u{a0}h");
        assert_eq!(fr(3 * 86_400 + 61), "3\u{a0}jours 1\u{a0}min");
        assert_eq!(fr(0), "0\u{a0}s");
        assert_eq!(span(Duration::from_secs(172_800), Language::En), "2\u{a0}days");
    }

    #[test]
    fn numbers_are_written_in_the_readers_way() {
        assert_eq!(number(1234.5, Fr), "1\u{202f}234,5");
        assert_eq!(number(1234.5, En), "1,234.5");
        assert_eq!(number(-0.44, Fr), "−0,4");
        assert_eq!(number(2.04, Fr), "2");
        assert_eq!(number(f64::NAN, Fr), "0");
        assert_eq!(whole(-1_234_567, En), "−1,234,567");
        assert_eq!(whole(i64::MIN, En), "−9,223,372,036,854,775,808");
        assert_eq!(change(0.184, Fr), "+18\u{a0}%");
        assert_eq!(change(-0.5, En), "−50%");
    }

    #[test]
    fn money_leaves_out_decimals_that_say_nothing() {
        assert_eq!(money(61_200.0, Currency::EUR, Fr), "612\u{a0}€");
        assert_eq!(money(123_450.0, Currency::EUR, Fr), "1\u{202f}234,50\u{a0}€");
        assert_eq!(money(-5.0, Currency::EUR, En), "−€0.05");
        assert_eq!(money(300.0, Currency::parse("jpy").expect("a code"), En), "300\u{a0}JPY");
    }

    #[test]
    fn ranges_say_each_thing_once() {
        assert_eq!(range(date("2026-11-16"), date("2026-11-22"), Fr), "du 16 au 22\u{a0}novembre 2026");
        assert_eq!(range(date("2026-11-30"), date("2026-12-06"), Fr), "du 30\u{a0}novembre au 6\u{a0}décembre 2026");
        assert_eq!(range(date("2026-12-28"), date("2027-01-03"), En), "28\u{a0}December 2026 – 3\u{a0}January 2027");
        assert_eq!(range(date("2026-06-01"), date("2026-06-07"), Fr), "du 1er au 7\u{a0}juin 2026");
    }

    #[test]
    fn french_gets_its_unbreakable_spaces_and_english_is_left_alone() {
        assert_eq!(typeset("« ici » : 5 % ; oui ?", Fr), "«\u{a0}ici\u{a0}»\u{a0}: 5\u{a0}%\u{202f}; oui\u{202f}?");
        assert_eq!(typeset("a : b", En), "a : b");
        assert_eq!(counted(0, "clic", "clics", Fr), "0\u{a0}clic");
        assert_eq!(counted(0, "click", "clicks", En), "0\u{a0}clicks");
        assert_eq!(list(&["a", "b", "c"], Fr), "a, b et c");
    }
}
