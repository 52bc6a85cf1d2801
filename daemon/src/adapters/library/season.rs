//! The part of every year in which a text makes sense: days, months, seasons and feasts by their names.
//!
//! In: words such as `noël`, `12-01..12-24`, `juin..août`. Out: a set of days that comes back each year.
//! Never: names a year; that is what `from` and `until` are for.

use chrono::{Datelike, Days, NaiveDate};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Days that come back each year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Season {
    spans: Vec<Span>,
}

/// A day of any year.
type Day = (u32, u32);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Span {
    /// From the first to the last day; goes over the new year when the first is later than the last.
    Days(Day, Day),
    /// Days counted from Easter Sunday.
    Easter(RangeInclusive<i64>),
}

impl Season {
    /// Reads one or several words; the season is all of them together.
    ///
    /// # Errors
    /// The word that is none of those known.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let spans = words.into_iter().map(|w| span(w).ok_or_else(|| w.to_owned())).collect::<Result<_, _>>()?;
        Ok(Self { spans })
    }

    /// Whether this day is in season.
    pub fn contains(&self, date: NaiveDate) -> bool {
        let day = (date.month(), date.day());
        self.spans.iter().any(|span| match span {
            Span::Days(first, last) if first <= last => (first..=last).contains(&&day),
            Span::Days(first, last) => day >= *first || day <= *last,
            Span::Easter(days) => easter(date.year()).is_some_and(|e| days.contains(&(date - e).num_days())),
        })
    }
}

const MONTHS: [(&str, &str); 12] = [
    ("janvier", "january"),
    ("fevrier", "february"),
    ("mars", "march"),
    ("avril", "april"),
    ("mai", "may"),
    ("juin", "june"),
    ("juillet", "july"),
    ("aout", "august"),
    ("septembre", "september"),
    ("octobre", "october"),
    ("novembre", "november"),
    ("decembre", "december"),
];

const NAMED: [(&[&str], Day, Day); 15] = [
    (&["printemps", "spring"], (3, 20), (6, 20)),
    (&["ete", "summer"], (6, 21), (9, 22)),
    (&["automne", "autumn", "fall"], (9, 23), (12, 20)),
    (&["hiver", "winter"], (12, 21), (3, 19)),
    (&["noel", "christmas"], (12, 1), (12, 25)),
    (&["avent", "advent"], (12, 1), (12, 24)),
    (&["fetes", "fin d'annee", "holidays"], (12, 1), (1, 1)),
    (&["nouvel an", "new year"], (12, 27), (1, 5)),
    (&["epiphanie", "galette", "epiphany"], (1, 2), (1, 31)),
    (&["chandeleur", "candlemas"], (1, 25), (2, 2)),
    (&["saint valentin", "valentine"], (2, 1), (2, 14)),
    (&["fete nationale", "bastille day"], (7, 7), (7, 14)),
    (&["rentree", "back to school"], (8, 25), (9, 15)),
    (&["halloween"], (10, 20), (10, 31)),
    (&["toussaint", "all saints"], (10, 25), (11, 2)),
];

const MOVABLE: [(&[&str], RangeInclusive<i64>); 2] =
    [(&["paques", "easter"], -21..=1), (&["mardi gras", "carnaval", "carnival"], -61..=-47)];

/// The words this module knows, for suggestions.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    let months = MONTHS.iter().flat_map(|(fr, en)| [*fr, *en]);
    let named = NAMED.iter().flat_map(|(names, ..)| names.iter().copied());
    months.chain(named).chain(MOVABLE.iter().flat_map(|(names, _)| names.iter().copied()))
}

/// Small letters without accents; hyphens, underscores and runs of spaces as one space.
pub(super) fn plain(word: &str) -> String {
    let letters: String = word
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            '’' => '\'',
            '-' | '_' => ' ',
            c => c,
        })
        .collect();
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn span(word: &str) -> Option<Span> {
    if let Some((from, to)) = word.split_once("..") {
        let ((first, _), (_, last)) = (days(from)?, days(to)?);
        return Some(Span::Days(first, last));
    }
    let name = plain(word);
    if let Some((_, around)) = MOVABLE.iter().find(|(names, _)| names.contains(&name.as_str())) {
        return Some(Span::Easter(around.clone()));
    }
    days(word).map(|(first, last)| Span::Days(first, last))
}

/// The first and last day of a day, a month or a named season.
fn days(word: &str) -> Option<(Day, Day)> {
    let word = word.trim();
    if let Some((month, day)) = word.split_once('-')
        && let (Ok(month), Ok(day)) = (month.parse(), day.parse())
    {
        return (day >= 1 && day <= length(month)?).then_some(((month, day), (month, day)));
    }
    let name = plain(word);
    if let Some((_, first, last)) = NAMED.iter().find(|(names, ..)| names.contains(&name.as_str())) {
        return Some((*first, *last));
    }
    let number = name.parse::<u32>().ok().filter(|n| (1..=12).contains(n));
    let month = number.or_else(|| {
        // "juil" and "sept." are enough; "ju" is two months.
        let short = name.trim_end_matches('.');
        let mut hits =
            MONTHS.iter().zip(1..).filter(|((fr, en), _)| short.len() >= 3 && (fr.starts_with(short) || en.starts_with(short)));
        match (hits.next(), hits.next()) {
            (Some((_, month)), None) => Some(month),
            _ => None,
        }
    })?;
    Some(((month, 1), (month, length(month)?)))
}

/// The most days a month has; 29 for February, so that a season that ends with it never loses a day.
fn length(month: u32) -> Option<u32> {
    Some(match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    })
}

/// Easter Sunday in the Gregorian calendar: the Sunday after the first full moon of the church's spring.
fn easter(year: i32) -> Option<NaiveDate> {
    let century = year / 100;
    let golden = year % 19;
    // Age of the moon, corrected for the leap days left out and the drift of the lunar cycle.
    let epact = (century - century / 4 - (8 * century + 13) / 25 + 19 * golden + 15) % 30;
    let moon = epact - (epact / 28) * (1 - (29 / (epact + 1)) * ((21 - golden) / 11));
    // Days from 21 March to the full moon, then on to Sunday.
    let full = NaiveDate::from_ymd_opt(year, 3, 21)?.checked_add_days(Days::new(u64::try_from(moon).ok()?))?;
    let to_sunday = 7 - u64::from(full.weekday().num_days_from_sunday());
    full.checked_add_days(Days::new(to_sunday))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn seasons_hold_their_days() {
        for (word, inside, outside) in [
            ("noël", "2026-12-01", "2026-12-26"),
            ("Été", "2026-09-22", "2026-09-23"),
            ("summer", "2026-06-21", "2026-06-20"),
            ("hiver", "2027-01-15", "2027-03-20"),
            ("winter", "2026-12-21", "2026-12-20"),
            ("12-01..12-24", "2026-12-24", "2026-12-25"),
            ("12-20..01-10", "2027-01-10", "2027-01-11"),
            ("février", "2028-02-29", "2028-03-01"),
            ("11..2", "2027-02-28", "2027-03-01"),
            ("sept.", "2026-09-30", "2026-10-01"),
            ("juin..août", "2026-07-14", "2026-05-31"),
            ("pâques", "2026-04-05", "2026-04-07"),
            ("mardi-gras", "2026-02-17", "2026-02-18"),
            ("Saint-Valentin", "2026-02-14", "2026-02-15"),
            ("02-29", "2028-02-29", "2028-02-28"),
        ] {
            let season = Season::parse([word]).unwrap_or_else(|w| panic!("{w} is unknown"));
            assert!(season.contains(date(inside)), "{inside} is not in {word}");
            assert!(!season.contains(date(outside)), "{outside} is in {word}");
        }
        let both = Season::parse(["mai", "noel"]).expect("known");
        assert!(both.contains(date("2026-05-01")) && both.contains(date("2026-12-25")) && !both.contains(date("2026-08-01")));
        for wrong in ["", "ju", "13", "02-30", "13-01..14-01", "soon", "1..", "..", "2026-12-01..2026-12-24"] {
            assert!(Season::parse([wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn easter_falls_where_the_almanac_says() {
        for day in [
            "2000-04-23",
            "2008-03-23",
            "2011-04-24",
            "2024-03-31",
            "2025-04-20",
            "2026-04-05",
            "2027-03-28",
            "2038-04-25",
            "1981-04-19",
            "1954-04-18",
        ] {
            assert_eq!(easter(date(day).year()), Some(date(day)));
        }
    }

    proptest! {
        #[test]
        fn any_word_is_known_or_not(word in "\\PC{0,20}", near in "[0-9.-]{0,12}", day in 0_i64..40_000) {
            let date = date("1990-01-01") + chrono::Duration::days(day);
            for word in [&word, &near] {
                if let Ok(season) = Season::parse([word.as_str()]) {
                    season.contains(date);
                }
            }
            prop_assert!(easter(date.year()).is_some_and(|e| e.weekday() == chrono::Weekday::Sun));
        }
    }
}
