//! Says an expression in plain words.
//!
//! In: the numbers of an expression. Out: one phrase such as "Every day at 7:30" or "Chaque jour à 7 h 30".
//! Never: leaves something out; what has no short form is said field by field.

use super::calendar::{full, has};
use super::parse::{Expression, Field};
use crate::domain::Language;

const DAYS: [(&str, &str); 7] = [
    ("dimanche", "Sunday"),
    ("lundi", "Monday"),
    ("mardi", "Tuesday"),
    ("mercredi", "Wednesday"),
    ("jeudi", "Thursday"),
    ("vendredi", "Friday"),
    ("samedi", "Saturday"),
];
const MONTHS: [(&str, &str); 12] = [
    ("janvier", "January"),
    ("février", "February"),
    ("mars", "March"),
    ("avril", "April"),
    ("mai", "May"),
    ("juin", "June"),
    ("juillet", "July"),
    ("août", "August"),
    ("septembre", "September"),
    ("octobre", "October"),
    ("novembre", "November"),
    ("décembre", "December"),
];
/// More single times than this are not listed one by one.
const MOST_TIMES: u32 = 6;

/// The whole expression as one phrase with a capital.
pub(super) fn sentence(expression: &Expression, language: Language) -> String {
    let words = Words(language);
    let (days, all_days) = words.days(expression);
    let phrase = match words.time(expression) {
        Time::At(times) => format!("{days} {times}"),
        Time::Every(interval) if all_days => interval,
        Time::Every(interval) => format!("{interval}, {days}"),
    };
    let mut letters = phrase.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

enum Time {
    /// Single times, to follow the days.
    At(String),
    /// An interval, to go before the days.
    Every(String),
}

struct Words(Language);

impl Words {
    fn pick<T>(&self, fr: T, en: T) -> T {
        self.0.pick(fr, en)
    }

    fn time(&self, expression: &Expression) -> Time {
        let (seconds, minutes, hours) = (expression.seconds.values, expression.minutes.values, expression.hours.values);
        let count = seconds.count_ones() * minutes.count_ones() * hours.count_ones();
        let range = run(hours);
        let on_the_hour = seconds == 1 && minutes.count_ones() == 1;
        let row_of_hours = on_the_hour && range.is_some_and(|(first, last)| last - first >= 3);
        if count <= MOST_TIMES && !row_of_hours {
            return Time::At(self.single_times(seconds, minutes, hours));
        }
        self.interval(expression, range).map_or_else(|| Time::At(self.field_by_field(seconds, minutes, hours)), Time::Every)
    }

    fn single_times(&self, seconds: u64, minutes: u64, hours: u64) -> String {
        let mut times = Vec::new();
        for hour in members(hours) {
            for minute in members(minutes) {
                times.extend(members(seconds).map(|second| self.clock(hour, minute, second)));
            }
        }
        format!("{} {}", self.pick("à", "at"), self.join(&times, self.and()))
    }

    /// A regular interval, perhaps within some hours; `hours` is their first and last when they have no gap.
    fn interval(&self, expression: &Expression, hours: Option<(u32, u32)>) -> Option<String> {
        let (seconds, minutes) = (&expression.seconds, &expression.minutes);
        let all_hours = expression.hours.values == full(0..24);
        if let Some(every) = every(seconds, 60) {
            let (all_minutes, one) = (minutes.values == full(0..60), self.pick("chaque seconde", "every second"));
            let many = self.pick(format!("toutes les {every} secondes"), format!("every {every} seconds"));
            return (all_minutes && all_hours).then(|| if every == 1 { one.to_owned() } else { many });
        }
        if seconds.values != 1 {
            return None;
        }
        if let Some(every) = every(minutes, 60) {
            let one = self.pick("chaque minute", "every minute").to_owned();
            let many = self.pick(format!("toutes les {every} minutes"), format!("every {every} minutes"));
            let interval = if every == 1 { one } else { many };
            return if all_hours {
                Some(interval)
            } else {
                let (first, last) = hours?;
                Some(format!("{interval} {}", self.window(&self.clock(first, 0, 0), &self.clock(last, 60 - every, 0))))
            };
        }
        let marks: Vec<String> = members(minutes.values).map(|minute| minute.to_string()).collect();
        let minute = minutes.values.trailing_zeros();
        if all_hours && marks.len() <= 4 {
            let hourly = self.pick("chaque heure", "every hour");
            return Some(if minutes.values == 1 { hourly.to_owned() } else { format!("{hourly} {}", self.at_minutes(&marks)) });
        }
        if marks.len() > 1 {
            return None;
        }
        if let Some((first, last)) = hours {
            let hourly = self.pick("chaque heure", "every hour");
            return Some(format!("{hourly} {}", self.window(&self.clock(first, minute, 0), &self.clock(last, minute, 0))));
        }
        let every = every(&expression.hours, 24)?;
        let interval = self.pick(format!("toutes les {every} heures"), format!("every {every} hours"));
        Some(format!("{interval} {}", self.starting(&self.clock(0, minute, 0))))
    }

    fn field_by_field(&self, seconds: u64, minutes: u64, hours: u64) -> String {
        let mut parts = Vec::new();
        let mut say = |set: u64, size: u32, fr: &str, en: &str| {
            if set != full(0..size) {
                parts.push(format!("{} {}", self.pick(fr, en), self.join(&self.runs(set), self.pick("ou", "or"))));
            }
        };
        if seconds != 1 {
            say(seconds, 60, "la seconde est", "the second is");
        }
        say(minutes, 60, "la minute est", "the minute is");
        say(hours, 24, "l'heure est", "the hour is");
        format!("{} {}", self.pick("quand", "when"), self.join(&parts, self.and()))
    }

    /// The days, and whether they are simply all.
    fn days(&self, expression: &Expression) -> (String, bool) {
        let (days, weekdays, months) = (&expression.days, &expression.weekdays, expression.months.values);
        let any_day = days.values == full(1..32);
        let any_weekday = weekdays.values == full(0..7);
        let either = !days.star && !weekdays.star;
        let every_day = if either { any_day || any_weekday } else { any_day && any_weekday };
        let all_months = months == full(1..13);
        if every_day {
            let daily = self.pick("chaque jour", "every day");
            return if all_months { (daily.to_owned(), true) } else { (format!("{daily} {}", self.months(months)), false) };
        }
        let yearly = months.count_ones() == 1 && days.values.count_ones() == 1 && days.last == 0;
        if yearly && any_weekday && !either {
            let (day, month) = (days.values.trailing_zeros(), MONTHS[months.trailing_zeros() as usize - 1]);
            let leap = (day, month) == (29, MONTHS[1]);
            let year = if leap {
                self.pick("chaque année bissextile", "every leap year")
            } else {
                self.pick("chaque année", "every year")
            };
            let date = self.pick(format!("{year} le {} {}", self.ordinal(day), month.0), format!("{year} on {day} {}", month.1));
            return (date, false);
        }
        let phrase = match (any_day, any_weekday) {
            _ if either => format!("{} {} {}", self.month_days(days), self.and(), self.weekdays(weekdays)),
            (true, _) => self.weekdays(weekdays),
            (_, true) => self.month_days(days),
            _ => {
                let only = self.pick("seulement si c'est", "only if it is");
                format!("{} ({only} {})", self.month_days(days), self.one_of(weekdays))
            }
        };
        let months = if all_months { String::new() } else { format!(" {}", self.months(months)) };
        (format!("{phrase}{months}"), false)
    }

    fn month_days(&self, days: &Field) -> String {
        let from_end = members(days.last).map(|back| match back {
            0 => self.pick("le dernier jour", "the last day").to_owned(),
            1 => self.pick("l'avant-dernier jour", "the last day but one").to_owned(),
            _ => self.pick(format!("{back} jours avant le dernier jour"), format!("{back} days before the last day")),
        });
        if (2..=15).contains(&days.step) {
            let step = days.step;
            return self.pick(
                format!("tous les {step} jours à partir du 1er du mois"),
                format!("every {step} days from the 1st of the month"),
            );
        }
        let mut parts = Vec::new();
        for (first, last) in runs(days.values) {
            if last - first >= 2 {
                let (first, last) = (self.ordinal(first), self.ordinal(last));
                parts.push(self.pick(format!("du {first} au {last}"), format!("from the {first} to the {last}")));
            } else {
                parts.extend((first..=last).map(|day| format!("{} {}", self.pick("le", "the"), self.ordinal(day))));
            }
        }
        parts.extend(from_end);
        let on = if parts[0].starts_with("the ") { "on " } else { "" };
        format!("{on}{} {}", self.join(&parts, self.and()), self.of_the_month())
    }

    fn weekdays(&self, weekdays: &Field) -> String {
        let mut parts = Vec::new();
        // The week starts on Monday here: 1 to 7.
        let week = weekdays.values & !1 | (weekdays.values & 1) << 7;
        match run(week) {
            Some((first, last)) if last - first >= 2 => {
                let (first, last) = (self.weekday(first), self.weekday(last));
                parts.push(self.pick(format!("du {first} au {last}"), format!("from {first} to {last}")));
            }
            _ if week.count_ones() == 6 => {
                let missing = self.weekday((!week >> 1).trailing_zeros() + 1);
                parts.push(self.pick(format!("chaque jour sauf le {missing}"), format!("every day except {missing}")));
            }
            _ if week != 0 => {
                let names: Vec<String> = members(week).map(|day| self.weekday(day).to_owned()).collect();
                parts.push(format!("{} {}", self.pick("chaque", "every"), self.join(&names, self.and())));
            }
            _ => {}
        }
        parts.extend(self.certain_weekdays(weekdays).into_iter().map(|day| format!("{}{day}", self.pick("", "on "))));
        self.join(&parts, self.and())
    }

    /// "a Monday or the last Friday of the month"
    fn one_of(&self, weekdays: &Field) -> String {
        let mut parts: Vec<String> =
            members(weekdays.values).map(|day| format!("{} {}", self.pick("un", "a"), self.weekday(day))).collect();
        parts.extend(self.certain_weekdays(weekdays));
        self.join(&parts, self.pick("ou", "or"))
    }

    /// "the second Friday of the month"
    fn certain_weekdays(&self, weekdays: &Field) -> Vec<String> {
        const NTH: [(&str, &str); 5] = [
            ("premier", "first"),
            ("deuxième", "second"),
            ("troisième", "third"),
            ("quatrième", "fourth"),
            ("cinquième", "fifth"),
        ];
        let nth = weekdays.nth.iter().zip(NTH).flat_map(|(set, (fr, en))| members(u64::from(*set)).map(move |day| (day, fr, en)));
        let last = members(weekdays.last).map(|day| (day, "dernier", "last"));
        nth.chain(last)
            .map(|(day, fr, en)| {
                let (the, which) = self.pick(("le", fr), ("the", en));
                format!("{the} {which} {} {}", self.weekday(day), self.of_the_month())
            })
            .collect()
    }

    fn months(&self, months: u64) -> String {
        let name = |month: u32| self.pick(MONTHS[month as usize - 1].0, MONTHS[month as usize - 1].1);
        match run(months) {
            Some((first, last)) if last - first >= 2 => {
                let (first, last) = (name(first), name(last));
                let of = if first.starts_with(['a', 'o']) { "d'" } else { "de " };
                self.pick(format!("{of}{first} à {last}"), format!("from {first} to {last}"))
            }
            _ => {
                let names: Vec<String> = members(months).map(|month| name(month).to_owned()).collect();
                format!("{} {}", self.pick("en", "in"), self.join(&names, self.and()))
            }
        }
    }

    fn weekday(&self, day: u32) -> &'static str {
        let (fr, en) = DAYS[day as usize % 7];
        self.pick(fr, en)
    }

    fn ordinal(&self, day: u32) -> String {
        let end = match day {
            1 | 21 | 31 => "st",
            2 | 22 => "nd",
            3 | 23 => "rd",
            _ => "th",
        };
        self.pick(if day == 1 { "1er".to_owned() } else { day.to_string() }, format!("{day}{end}"))
    }

    fn clock(&self, hour: u32, minute: u32, second: u32) -> String {
        match (self.0, minute, second) {
            (Language::Fr, 0, 0) => format!("{hour} h"),
            (Language::Fr, _, 0) => format!("{hour} h {minute:02}"),
            (Language::Fr, _, _) => format!("{hour} h {minute:02} min {second:02} s"),
            (Language::En, _, 0) => format!("{hour}:{minute:02}"),
            (Language::En, _, _) => format!("{hour}:{minute:02}:{second:02}"),
        }
    }

    fn at_minutes(&self, marks: &[String]) -> String {
        let marks_joined = self.join(marks, self.and());
        if marks.len() == 1 {
            self.pick(format!("à la minute {marks_joined}"), format!("at minute {marks_joined}"))
        } else {
            self.pick(format!("aux minutes {marks_joined}"), format!("at minutes {marks_joined}"))
        }
    }

    fn starting(&self, start: &str) -> String {
        self.pick(format!("à partir de {start}"), format!("from {start}"))
    }

    fn window(&self, start: &str, end: &str) -> String {
        self.pick(format!("de {start} à {end}"), format!("from {start} to {end}"))
    }

    fn of_the_month(&self) -> &'static str {
        self.pick("du mois", "of the month")
    }

    fn and(&self) -> &'static str {
        self.pick("et", "and")
    }

    fn runs(&self, set: u64) -> Vec<String> {
        let to = self.pick("à", "to");
        let mut out = Vec::new();
        for (first, last) in runs(set) {
            if last - first >= 2 {
                out.push(format!("{first} {to} {last}"));
            } else {
                out.extend((first..=last).map(|number| number.to_string()));
            }
        }
        out
    }

    fn join(&self, parts: &[String], last_word: &str) -> String {
        match parts {
            [] => String::new(),
            [one] => one.clone(),
            [most @ .., last] => format!("{} {last_word} {last}", most.join(", ")),
        }
    }
}

/// The numbers of a set, in order.
fn members(set: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |number| has(set, *number))
}

/// First and last of each stretch without a gap.
fn runs(set: u64) -> Vec<(u32, u32)> {
    let mut out: Vec<(u32, u32)> = Vec::new();
    for number in members(set) {
        match out.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => out.push((number, number)),
        }
    }
    out
}

/// First and last of a set that has no gap.
fn run(set: u64) -> Option<(u32, u32)> {
    match runs(set).as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

/// The regular distance of a field that is `*` or `*/n` and fits the whole evenly.
fn every(field: &Field, whole: u32) -> Option<u32> {
    let step = field.step.max(1);
    let even = field.star && whole.is_multiple_of(step) && step < whole;
    (even && field.values.count_ones() == whole / step).then_some(step)
}
