//! The week's figures against the weeks before, with what can honestly be said about the difference.
//!
//! In: metric rows by account, name and day. Out: figures that know how many rows and which days they rest on.
//! Never: takes missing data for zero, or calls a difference one when it is within what is usual.

use crate::domain::{Timestamp, Zone};
use chrono::{Datelike, Days, NaiveDate};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// One number somebody measured.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Row {
    /// The account.
    pub account: String,
    /// `impressions`, `reach`, `likes`, `replies`, `shares`, `clicks`, `saves`, `followers`, `messages`, `orders`, `revenue`.
    pub name: String,
    /// The day it is about, in the business's zone.
    pub day: NaiveDate,
    /// The number; `revenue` in minor units.
    pub value: f64,
}

/// Seven days from a Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Week(NaiveDate);

impl Week {
    /// The week a day lies in.
    pub fn of(day: NaiveDate) -> Self {
        Self(day - Days::new(u64::from(day.weekday().num_days_from_monday())))
    }

    /// The last week that is over, as the clocks of a zone show it.
    pub fn last_whole(now: Timestamp, zone: Zone) -> Self {
        Self::of(now.day(zone)).before(1)
    }

    /// Its Monday.
    pub fn first(self) -> NaiveDate {
        self.0
    }

    /// Its Sunday.
    pub fn last(self) -> NaiveDate {
        self.0 + Days::new(6)
    }

    /// So many weeks earlier.
    #[must_use]
    pub fn before(self, weeks: usize) -> Self {
        Self(self.0.checked_sub_days(Days::new(7 * weeks as u64)).unwrap_or(self.0))
    }

    /// Whether a day lies in it.
    pub fn contains(self, day: NaiveDate) -> bool {
        (self.first()..=self.last()).contains(&day)
    }

    /// ISO 8601, such as `2026-W47`.
    pub fn key(self) -> String {
        let week = self.0.iso_week();
        format!("{}-W{:02}", week.year(), week.week())
    }

    /// Its days, Monday first.
    pub fn days(self) -> impl Iterator<Item = NaiveDate> {
        (0..7).map(move |day| self.0 + Days::new(day))
    }
}

/// What is measured: one metric, or several that mean the same to an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// Its name in JSON.
    pub key: &'static str,
    /// The metrics it adds up.
    pub names: &'static [&'static str],
    /// How its days make a week.
    pub kind: Kind,
}

/// How the days of a measure make a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Events: added up.
    Count,
    /// Minor units: added up.
    Money,
    /// A level such as followers: the last one counts.
    Level,
}

/// Clicks on links.
pub const CLICKS: Measure = Measure { key: "clicks", names: &["clicks"], kind: Kind::Count };
/// People who wrote: replies and messages.
pub const CONVERSATIONS: Measure = Measure { key: "conversations", names: &["replies", "messages"], kind: Kind::Count };
/// Orders.
pub const ORDERS: Measure = Measure { key: "orders", names: &["orders"], kind: Kind::Count };
/// What they brought.
pub const REVENUE: Measure = Measure { key: "revenue", names: &["revenue"], kind: Kind::Money };
/// What an owner can feel, in the order of a digest.
pub const MAIN: [Measure; 4] = [CLICKS, CONVERSATIONS, ORDERS, REVENUE];
/// What looks good and says little.
pub const VANITY: [Measure; 6] = [
    Measure { key: "followers", names: &["followers"], kind: Kind::Level },
    Measure { key: "likes", names: &["likes"], kind: Kind::Count },
    Measure { key: "shares", names: &["shares"], kind: Kind::Count },
    Measure { key: "saves", names: &["saves"], kind: Kind::Count },
    Measure { key: "reach", names: &["reach"], kind: Kind::Count },
    Measure { key: "impressions", names: &["impressions"], kind: Kind::Count },
];

/// A number and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The number; `None` when there is no row.
    pub value: Option<f64>,
    /// Rows behind it.
    pub rows: usize,
    /// Different days behind it.
    pub days: usize,
    /// The first day of its period.
    pub from: NaiveDate,
    /// The last day of its period.
    pub to: NaiveDate,
}

impl Figure {
    /// For programs: the value with its rows, days and period.
    pub fn json(&self) -> Json {
        json!({ "value": self.value, "rows": self.rows, "days": self.days, "from": self.from.to_string(), "to": self.to.to_string() })
    }
}

/// What is usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usual {
    /// The mean of the weeks used.
    pub mean: f64,
    /// Their median.
    pub median: f64,
    /// Their standard deviation; for counts at least what chance alone brings.
    pub sd: f64,
    /// Mean minus two standard deviations, not below zero.
    pub low: f64,
    /// Mean plus two standard deviations.
    pub high: f64,
    /// How many weeks.
    pub weeks: usize,
}

impl Usual {
    /// Fewer weeks than this say nothing about what is usual.
    pub const ENOUGH: usize = 4;

    fn of(values: &[f64], kind: Kind) -> Option<Self> {
        if values.len() < Self::ENOUGH {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        // A few weeks may agree by luck; a count cannot be steadier than chance (Poisson) lets it be.
        let sd = if kind == Kind::Count { variance.max(mean.max(0.0)) } else { variance }.sqrt();
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + sorted[middle]) / 2.0 } else { sorted[middle] };
        Some(Self { mean, median, sd, low: (mean - 2.0 * sd).max(0.0), high: mean + 2.0 * sd, weeks: values.len() })
    }
}

/// What can be said about this week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// More than usual.
    Above,
    /// Less than usual.
    Below,
    /// Within what is usual.
    Usual,
    /// So few weeks to compare with.
    TooFew(usize),
    /// Days are missing in this week.
    Incomplete,
    /// There is no row in this week.
    NoData,
}

impl Verdict {
    /// A word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
            Self::Usual => "usual",
            Self::TooFew(_) => "too-few-weeks",
            Self::Incomplete => "incomplete",
            Self::NoData => "no-data",
        }
    }
}

/// A week's figure beside those before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// This week.
    pub now: Figure,
    /// The weeks before, oldest first, and whether each is complete enough to compare with.
    pub before: Vec<(Figure, bool)>,
    /// What is usual, when there are enough weeks.
    pub usual: Option<Usual>,
    /// What can be said.
    pub verdict: Verdict,
}

impl Compared {
    fn new(now: Figure, complete: bool, before: Vec<(Figure, bool)>, kind: Kind) -> Self {
        let values: Vec<f64> = before.iter().filter(|(_, used)| *used).filter_map(|(figure, _)| figure.value).collect();
        let usual = Usual::of(&values, kind);
        let verdict = match (now.value, usual) {
            (None, _) => Verdict::NoData,
            (Some(_), _) if !complete => Verdict::Incomplete,
            (Some(_), None) => Verdict::TooFew(values.len()),
            (Some(value), Some(usual)) if value > usual.high => Verdict::Above,
            (Some(value), Some(usual)) if value < usual.low => Verdict::Below,
            (Some(_), Some(_)) => Verdict::Usual,
        };
        Self { now, before, usual, verdict }
    }

    /// The change against the mean, such as 0.18; only where a comparison is honest.
    pub fn change(&self) -> Option<f64> {
        let comparable = matches!(self.verdict, Verdict::Above | Verdict::Below | Verdict::Usual);
        let usual = self.usual.filter(|usual| comparable && usual.mean > 0.0)?;
        self.now.value.map(|value| value / usual.mean - 1.0)
    }

    /// For programs: every number with its rows and period.
    pub fn json(&self) -> Json {
        let mut out = self.now.json();
        let usual = self
            .usual
            .map(|u| json!({ "mean": u.mean, "median": u.median, "sd": u.sd, "low": u.low, "high": u.high, "weeks": u.weeks }));
        let before: Vec<Json> = self
            .before
            .iter()
            .map(|(figure, used)| {
                let mut one = figure.json();
                one["used"] = json!(used);
                one
            })
            .collect();
        out["verdict"] = json!(self.verdict.word());
        out["change"] = json!(self.change());
        out["usual"] = json!(usual);
        out["before"] = json!(before);
        out
    }
}

/// Which days an account has data for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coverage {
    /// Every day that should be there.
    Whole,
    /// Nothing was ever collected.
    Never,
    /// Nothing from this day to the end of the week.
    Since(NaiveDate),
    /// These days are missing, with data after them.
    Gaps(Vec<NaiveDate>),
}

/// The sum and the number of rows of each day.
type Daily = BTreeMap<NaiveDate, (f64, usize)>;

/// Rows, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct Table<'a> {
    /// By account and name of metric.
    cells: BTreeMap<&'a str, BTreeMap<&'a str, Daily>>,
}

impl<'a> Table<'a> {
    /// Sorts the rows. Several rows for the same account, name and day add up; numbers that are none are left out.
    pub fn of(rows: &'a [Row]) -> Self {
        let mut table = Self::default();
        for row in rows.iter().filter(|row| row.value.is_finite()) {
            let days = table.cells.entry(&row.account).or_default().entry(&row.name).or_default();
            let cell = days.entry(row.day).or_default();
            cell.0 += row.value;
            cell.1 += 1;
        }
        table
    }

    /// The accounts that have rows.
    pub fn accounts(&self) -> impl Iterator<Item = &'a str> {
        self.cells.keys().copied()
    }

    /// A measure of one account in one week.
    pub fn figure(&self, account: &str, measure: Measure, week: Week) -> Figure {
        let mut figure = Figure { value: None, rows: 0, days: 0, from: week.first(), to: week.last() };
        let mut days = BTreeSet::new();
        for name in measure.names {
            let Some(cells) = self.cells.get(account).and_then(|names| names.get(name)) else { continue };
            for (day, (value, rows)) in cells.range(week.first()..=week.last()) {
                figure.value = Some(match (figure.value, measure.kind) {
                    (Some(sum), Kind::Count | Kind::Money) => sum + value,
                    (_, Kind::Level) | (None, _) => *value,
                });
                figure.rows += rows;
                days.insert(*day);
            }
        }
        figure.days = days.len();
        figure
    }

    /// A measure of one account beside the weeks before.
    pub fn compare(&self, account: &str, measure: Measure, week: Week, weeks: usize) -> Compared {
        let daily = self.reports_daily(account, week, weeks);
        let before: Vec<(Figure, bool)> = (1..=weeks)
            .rev()
            .map(|n| {
                let week = week.before(n);
                let figure = self.figure(account, measure, week);
                (figure, figure.value.is_some() && (!daily || self.covered(account, week).len() >= 6))
            })
            .collect();
        let now = self.figure(account, measure, week);
        let usual_days = median_of(before.iter().filter(|(_, used)| *used).map(|(figure, _)| figure.days).collect());
        let whole = !daily || self.covered(account, week).len() == 7;
        Compared::new(now, whole && (usual_days < 7 || now.days == 7), before, measure.kind)
    }

    /// A measure of several accounts together: compared only with weeks in which all of them have data.
    pub fn total(&self, accounts: &[&str], measure: Measure, week: Week, weeks: usize) -> Compared {
        // An account that never reports this measure is no reason to call every week incomplete.
        let parts: Vec<Compared> = accounts
            .iter()
            .map(|account| self.compare(account, measure, week, weeks))
            .filter(|part| part.now.value.is_some() || part.before.iter().any(|(figure, _)| figure.value.is_some()))
            .collect();
        let add = |figures: Vec<Figure>, week: Week| Figure {
            value: figures.iter().filter_map(|figure| figure.value).reduce(|a, b| a + b),
            rows: figures.iter().map(|figure| figure.rows).sum(),
            days: figures.iter().map(|figure| figure.days).max().unwrap_or(0),
            from: week.first(),
            to: week.last(),
        };
        let before = (0..weeks)
            .map(|at| {
                let figures = parts.iter().map(|part| part.before[at].0).collect();
                (add(figures, week.before(weeks - at)), !parts.is_empty() && parts.iter().all(|part| part.before[at].1))
            })
            .collect();
        let complete = parts.iter().all(|part| !matches!(part.verdict, Verdict::Incomplete | Verdict::NoData));
        Compared::new(add(parts.iter().map(|part| part.now).collect(), week), complete, before, measure.kind)
    }

    /// Which days of a week an account has data for.
    pub fn coverage(&self, account: &str, week: Week, weeks: usize) -> Coverage {
        let covered = self.covered(account, week);
        let known = self
            .cells
            .get(account)
            .into_iter()
            .flat_map(|names| names.values())
            .filter_map(|days| days.range(..=week.last()).next_back().map(|(day, _)| *day));
        let Some(last) = known.max() else { return Coverage::Never };
        if covered.is_empty() {
            return Coverage::Since(last + Days::new(1));
        }
        if covered.len() == 7 || !self.reports_daily(account, week, weeks) {
            return Coverage::Whole;
        }
        if last < week.last() {
            return Coverage::Since(last + Days::new(1));
        }
        Coverage::Gaps(week.days().filter(|day| !covered.contains(day)).collect())
    }

    /// The sums of a week (levels: the last) and the means of the weeks before, by name of metric, for one account or all.
    pub fn summary(&self, account: Option<&str>, week: Week, weeks: usize) -> (BTreeMap<String, f64>, BTreeMap<String, f64>) {
        let accounts: Vec<&str> = self.accounts().filter(|known| account.is_none_or(|wanted| wanted == *known)).collect();
        let names: BTreeSet<&str> = accounts.iter().flat_map(|account| self.cells[account].keys().copied()).collect();
        let mut now = BTreeMap::new();
        let mut before = BTreeMap::new();
        for name in names {
            let value = |week: Week| -> Option<f64> {
                let sum = |account: &&str| {
                    let mut days = self.cells[account].get(name)?.range(week.first()..=week.last()).map(|(_, (value, _))| *value);
                    if name == "followers" { days.next_back() } else { days.reduce(|a, b| a + b) }
                };
                accounts.iter().filter_map(sum).reduce(|a, b| a + b)
            };
            now.extend(value(week).map(|v| (name.to_owned(), v)));
            let past: Vec<f64> = (1..=weeks).filter_map(|n| value(week.before(n))).collect();
            if !past.is_empty() {
                before.insert(name.to_owned(), past.iter().sum::<f64>() / past.len() as f64);
            }
        }
        (now, before)
    }

    /// The days of a week with any row.
    fn covered(&self, account: &str, week: Week) -> BTreeSet<NaiveDate> {
        let names = self.cells.get(account).into_iter().flat_map(|names| names.values());
        names.flat_map(|days| days.range(week.first()..=week.last()).map(|(day, _)| *day)).collect()
    }

    /// Whether an account usually has rows for every day; one whose past is unknown is taken to.
    fn reports_daily(&self, account: &str, week: Week, weeks: usize) -> bool {
        let days: Vec<usize> =
            (1..=weeks).map(|n| self.covered(account, week.before(n)).len()).filter(|days| *days > 0).collect();
        days.is_empty() || median_of(days) >= 6
    }
}

fn median_of(mut values: Vec<usize>) -> usize {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn week() -> Week {
        Week::of(date("2026-11-18"))
    }

    /// The same number every day of the week `ago` weeks before.
    fn daily(account: &str, name: &str, ago: usize, value: f64) -> Vec<Row> {
        week().before(ago).days().map(|day| Row { account: account.into(), name: name.into(), day, value }).collect()
    }

    fn history(account: &str, name: &str, weeks: &[f64]) -> Vec<Row> {
        weeks.iter().rev().enumerate().flat_map(|(ago, value)| daily(account, name, ago, *value)).collect()
    }

    #[test]
    fn weeks_begin_on_monday_and_know_their_iso_number() {
        assert_eq!((week().first(), week().last(), week().key()), (date("2026-11-16"), date("2026-11-22"), "2026-W47".into()));
        assert_eq!(Week::of(date("2027-01-01")).key(), "2026-W53");
        let monday = Timestamp::parse("2026-11-23T00:30:00+01:00").expect("RFC 3339");
        assert_eq!(Week::last_whole(monday, chrono_tz::Europe::Paris), week());
        assert_eq!(Week::last_whole(monday, chrono_tz::UTC), week().before(1), "in UTC it is still Sunday");
    }

    #[test]
    fn a_difference_is_one_only_outside_the_usual_band() {
        let rows = history("a", "clicks", &[10.0, 11.0, 9.0, 10.0, 10.0, 11.0, 9.0, 10.0, 30.0]);
        let table = Table::of(&rows);
        let compared = table.compare("a", CLICKS, week(), 8);
        assert_eq!((compared.now.value, compared.now.rows, compared.verdict), (Some(210.0), 7, Verdict::Above));
        assert_eq!(compared.change(), Some(2.0));
        let rows = history("a", "clicks", &[10.0, 11.0, 9.0, 10.0, 10.0, 11.0, 9.0, 10.0, 11.0]);
        assert_eq!(Table::of(&rows).compare("a", CLICKS, week(), 8).verdict, Verdict::Usual);
        let rows = history("a", "clicks", &[10.0, 10.0, 10.0, 1.0]);
        assert_eq!(Table::of(&rows).compare("a", CLICKS, week(), 8).verdict, Verdict::TooFew(3));
    }

    #[test]
    fn five_steady_weeks_of_three_orders_do_not_make_four_a_success() {
        let usual = Usual::of(&[3.0, 3.0, 3.0, 3.0, 3.0], Kind::Count).expect("enough weeks");
        assert!(usual.low < 1.0 && usual.high > 6.0, "{usual:?}");
        let exact = Usual::of(&[300.0, 100.0, 200.0, 200.0], Kind::Money).expect("enough weeks");
        assert_eq!((exact.mean, exact.median), (200.0, 200.0));
        assert!((exact.sd - (20_000.0_f64 / 3.0).sqrt()).abs() < 1e-9);
    }

    #[test]
    fn missing_is_not_zero() {
        let mut rows = history("a", "clicks", &[10.0; 9]);
        rows.retain(|row| row.day < date("2026-11-17") || row.day > date("2026-11-22"));
        let table = Table::of(&rows);
        assert_eq!(table.coverage("a", week(), 8), Coverage::Since(date("2026-11-17")));
        assert_eq!(table.compare("a", CLICKS, week(), 8).verdict, Verdict::Incomplete);
        assert_eq!(table.figure("a", ORDERS, week()).value, None);
        assert_eq!(table.compare("a", ORDERS, week(), 8).verdict, Verdict::NoData);
        assert_eq!(table.coverage("b", week(), 8), Coverage::Never);
    }

    #[test]
    fn a_metric_that_stops_is_incomplete_though_others_go_on() {
        let mut rows = history("a", "clicks", &[10.0; 9]);
        rows.retain(|row| row.day <= date("2026-11-18"));
        rows.extend(history("a", "likes", &[5.0; 9]));
        let table = Table::of(&rows);
        assert_eq!(table.coverage("a", week(), 8), Coverage::Whole);
        assert_eq!(table.compare("a", CLICKS, week(), 8).verdict, Verdict::Incomplete);
    }

    #[test]
    fn who_reports_once_a_week_is_complete_with_one_row() {
        let rows: Vec<Row> = (0..9)
            .map(|ago| Row { account: "a".into(), name: "orders".into(), day: week().before(ago).first(), value: 20.0 })
            .collect();
        let table = Table::of(&rows);
        assert_eq!(
            (table.coverage("a", week(), 8), table.compare("a", ORDERS, week(), 8).verdict),
            (Coverage::Whole, Verdict::Usual)
        );
    }

    #[test]
    fn a_total_compares_only_weeks_in_which_everybody_has_data() {
        let mut rows = history("a", "clicks", &[10.0; 9]);
        rows.extend(history("b", "clicks", &[1.0; 6]));
        let table = Table::of(&rows);
        let total = table.total(&["a", "b", "silent"], CLICKS, week(), 8);
        assert_eq!((total.now.value, total.now.rows), (Some(77.0), 14));
        assert_eq!(total.usual.map(|u| u.weeks), Some(5));
        rows.retain(|row| row.account == "a" || row.day < week().first());
        let total = Table::of(&rows).total(&["a", "b"], CLICKS, week(), 8);
        assert_eq!((total.now.value, total.verdict), (Some(70.0), Verdict::Incomplete));
    }

    #[test]
    fn followers_are_a_level_and_conversations_two_metrics() {
        let mut rows = daily("a", "followers", 0, 500.0);
        rows[6].value = 512.0;
        rows.extend(daily("a", "replies", 0, 2.0));
        rows.extend(daily("a", "messages", 0, 1.0));
        rows.push(Row { account: "a".into(), name: "replies".into(), day: week().first(), value: f64::NAN });
        let table = Table::of(&rows);
        assert_eq!(table.figure("a", VANITY[0], week()).value, Some(512.0));
        let talks = table.figure("a", CONVERSATIONS, week());
        assert_eq!((talks.value, talks.rows, talks.days), (Some(21.0), 14, 7));
        let (now, before) = table.summary(None, week(), 8);
        assert_eq!((now.get("followers"), now.get("replies"), before.len()), (Some(&512.0), Some(&14.0), 0));
    }

    proptest! {
        #[test]
        fn every_comparison_is_finite_and_counts_its_rows(
            cells in prop::collection::vec((0usize..3, 0usize..4, 0u64..70, -10.0f64..1e6), 0..200),
        ) {
            const NAMES: [&str; 4] = ["clicks", "replies", "messages", "revenue"];
            let rows: Vec<Row> = cells
                .iter()
                .map(|(account, name, ago, value)| Row {
                    account: ["a", "b", "c"][*account].into(),
                    name: NAMES[*name].into(),
                    day: week().last() - Days::new(*ago),
                    value: *value,
                })
                .collect();
            let table = Table::of(&rows);
            for measure in MAIN {
                let total = table.total(&["a", "b", "c"], measure, week(), 8);
                let expected = rows.iter().filter(|r| measure.names.contains(&r.name.as_str()) && week().contains(r.day)).count();
                prop_assert_eq!(total.now.rows, expected);
                prop_assert_eq!(total.now.value.is_some(), expected > 0);
                prop_assert!(total.usual.is_none_or(|u| u.low <= u.high && u.sd.is_finite()));
                prop_assert!(total.change().is_none_or(f64::is_finite));
            }
        }
    }
}
