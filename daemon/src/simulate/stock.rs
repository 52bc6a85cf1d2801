//! How stock goes: what is sold during the day, what is baked or delivered again, by seed; or as a file says.
//!
//! In: a catalog's products as they are, a seed, and perhaps a file of levels. Out: the same products at any later moment.
//! Never: changes a price or a title, or invents a product that is in neither.

use crate::domain::{Digest, Timestamp, Zone};
use crate::kinds::{Call, Catalog, Failure, Item, KindError, StockPage};
use chrono::{Datelike, Duration, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The till counts from six in the morning to eight in the evening, every half hour.
const OPENS: u32 = 6 * 60;
const STEP: u32 = 30;
const STEPS: u32 = 28;
/// A file of levels with more lines than this is something else.
const LINES: usize = 1_000_000;

/// The first instant of a local time; an hour later where the clocks leave it out.
pub(super) fn instant(zone: Zone, local: NaiveDateTime) -> Timestamp {
    let found = zone.from_local_datetime(&local).earliest();
    found.or_else(|| zone.from_local_datetime(&(local + Duration::hours(1))).earliest()).map_or(Timestamp::EPOCH, Timestamp::from)
}

/// A step of the till: the day, and how many half hours since it opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    day: NaiveDate,
    half_hours: u32,
}

impl Step {
    /// The last step up to a moment.
    fn at(now: Timestamp, zone: Zone) -> Self {
        let local = now.local(zone);
        let minute = local.hour() * 60 + local.minute();
        match minute.checked_sub(OPENS) {
            Some(since) => Self { day: local.date_naive(), half_hours: (since / STEP).min(STEPS) },
            None => Self { day: local.date_naive().pred_opt().unwrap_or_default(), half_hours: STEPS },
        }
    }

    fn instant(self, zone: Zone) -> Timestamp {
        let minute = OPENS + self.half_hours * STEP;
        let time = NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap_or_default();
        instant(zone, self.day.and_time(time))
    }

    /// Steps since the first day of all.
    fn number(self) -> i64 {
        i64::from(self.day.num_days_from_ce()) * i64::from(STEPS) + i64::from(self.half_hours)
    }
}

/// Levels by product, as a file says: from each of these moments on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels(BTreeMap<String, BTreeMap<Timestamp, Option<i64>>>);

impl Levels {
    /// Reads a file with the columns sku, date and available.
    ///
    /// # Errors
    /// A sentence with the line and what it should look like.
    pub fn parse(text: &str, zone: Zone) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let delimiter = if text.lines().next().unwrap_or_default().contains(';') { b';' } else { b',' };
        let mut reader =
            csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
        let wrong = "The first line must name the columns sku, date and available.";
        let headers = reader.headers().map_err(|e| format!("{wrong} ({e})"))?.clone();
        let column = |name: &str| headers.iter().position(|h| h.eq_ignore_ascii_case(name)).ok_or_else(|| wrong.to_owned());
        let (sku, date, available) = (column("sku")?, column("date")?, column("available")?);
        let mut levels = Self::default();
        for (at, record) in reader.records().enumerate().take(LINES) {
            let line = at + 2;
            let record = record.map_err(|e| format!("Line {line} cannot be read: {e}. Save the file as \"CSV UTF-8\"."))?;
            let field = |at: usize| record.get(at).unwrap_or_default();
            let name = field(sku);
            if name.is_empty() {
                return Err(format!("Line {line} names no product. Write its identifier in the column sku."));
            }
            let when = moment(field(date), zone).ok_or_else(|| {
                format!("Line {line}: \"{}\" is no moment. Write for example 2026-12-01 or 2026-12-01 14:30.", field(date))
            })?;
            let level = match field(available) {
                "" => None,
                text => Some(text.parse().map_err(|_| {
                    format!(
                        "Line {line}: \"{text}\" is no number of pieces. Write a whole number, or nothing for \"not counted\"."
                    )
                })?),
            };
            levels.0.entry(name.to_owned()).or_default().insert(when, level);
        }
        Ok(levels)
    }

    fn of(&self, sku: &str, now: Timestamp) -> Option<Option<i64>> {
        self.0.get(sku)?.range(..=now).next_back().map(|(_, level)| *level)
    }

    /// The last moment up to now at which any level changed.
    fn changed(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.values().filter_map(|levels| levels.range(..=now).next_back().map(|(at, _)| *at)).max()
    }

    /// The products it names.
    fn products(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn instants(&self) -> impl Iterator<Item = Timestamp> {
        self.0.values().flat_map(|levels| levels.keys().copied())
    }
}

/// A day, a local time or an instant.
pub(super) fn moment(text: &str, zone: Zone) -> Option<Timestamp> {
    let day = || Some(instant(zone, text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN)));
    let local = |form: &str| Some(instant(zone, NaiveDateTime::parse_from_str(text, form).ok()?));
    day().or_else(|| Timestamp::parse(text)).or_else(|| local("%Y-%m-%d %H:%M")).or_else(|| local("%Y-%m-%dT%H:%M"))
}

/// A catalog whose stock goes by a curve.
#[derive(Debug)]
pub struct Curve {
    items: Vec<Item>,
    /// A number of its own for each product, drawn from the seed.
    numbers: Vec<u64>,
    start: Step,
    zone: Zone,
    levels: Levels,
    /// What the last poll found, and of when: between two steps nothing changes.
    known: Mutex<Option<(Standing, String)>>,
}

/// The last step, and the last change of a level that a file says.
type Standing = (Step, Option<Timestamp>);

impl Curve {
    /// The curve of a catalog that holds these products now. Products that only the levels name are added, uncounted until their
    /// first level.
    pub fn new(mut items: Vec<Item>, now: Timestamp, zone: Zone, seed: u64, levels: Levels) -> Self {
        for sku in levels.products() {
            if !items.iter().any(|item| item.sku == sku) {
                let nothing = (None, None, None, None, None, None);
                let (available, price, was, url, image, category) = nothing;
                items.push(Item { sku: sku.into(), title: sku.into(), available, price, was, url, image, category });
            }
        }
        let number = |item: &Item| {
            let digest = Digest::of(format!("{seed}\n{}", item.sku).as_bytes());
            u64::from_be_bytes(std::array::from_fn(|at| digest.0[at]))
        };
        let numbers = items.iter().map(number).collect();
        Self { items, numbers, start: Step::at(now, zone), zone, levels, known: Mutex::default() }
    }

    fn standing(&self, now: Timestamp) -> Standing {
        (Step::at(now, self.zone).max(self.start), self.levels.changed(now))
    }

    /// The products at a moment, and since when they are so.
    pub fn at(&self, now: Timestamp) -> (Vec<Item>, Timestamp) {
        let (step, changed) = self.standing(now);
        let level = |(item, number): (&Item, &u64)| {
            let curve = || item.available.map(|here| self.level(*number, here, step));
            Item { available: self.levels.of(&item.sku, now).unwrap_or_else(curve), ..item.clone() }
        };
        let items = self.items.iter().zip(&self.numbers).map(level).collect();
        let since = step.instant(self.zone).min(now);
        (items, changed.map_or(since, |at| at.max(since)))
    }

    /// Every moment in a span at which the levels may change.
    pub fn moments(&self, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let mut out: Vec<Timestamp> = self.levels.instants().collect();
        let days = from.day(self.zone).iter_days().take_while(|day| *day <= to.day(self.zone));
        out.extend(days.flat_map(|day| (0..=STEPS).map(move |half_hours| Step { day, half_hours }.instant(self.zone))));
        out.retain(|at| *at > from && *at < to);
        out.sort_unstable();
        out.dedup();
        out
    }

    /// How many there are of a product: it sells down over some days, and is there again.
    fn level(&self, number: u64, first: i64, step: Step) -> i64 {
        let steps = i64::from(STEPS);
        let days = draw(number, 1, 0, 1..=4);
        let offset = draw(number, 2, 0, 0..=3);
        let round = |step: Step| (i64::from(step.day.num_days_from_ce()) + offset).div_euclid(days);
        let begin = |round: i64| (round * days - offset) * steps;
        let (here, there) = (round(self.start), round(step));
        let usual = if first > 0 { first } else { draw(number, 3, 0, 4..=15) };
        // What is there at the beginning of the round, and what customers would take of it until its end.
        let (full, begun) = if here == there {
            (first, self.start.number() - begin(here))
        } else if draw(number, 4, there, 1..=100) <= 5 {
            (0, 0)
        } else {
            (usual * draw(number, 5, there, 75..=125) / 100, 0)
        };
        let wanted = usual * draw(number, 6, there, 50..=125) / 100;
        let sold = wanted * (step.number() - begin(there) - begun).max(0) / (days * steps);
        (full - sold).max(0)
    }
}

/// A number between two, by chance: the same for the same product, question and round.
fn draw(number: u64, question: u64, round: i64, between: std::ops::RangeInclusive<i64>) -> i64 {
    let seed = number ^ question.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ round.cast_unsigned().wrapping_mul(0xd1b5_4a32_d192_ed03);
    fastrand::Rng::with_seed(seed).i64(between)
}

impl Catalog for Curve {
    fn poll(&self, call: &Call<'_>, since: Option<&str>) -> Result<StockPage, KindError> {
        let standing = self.standing(call.now);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, cursor)) = known.as_ref().filter(|(at, cursor)| *at == standing && since == Some(cursor)) {
            return Ok(StockPage { cursor: Some(cursor.clone()), unchanged: true, ..StockPage::default() });
        }
        let (items, as_of) = self.at(call.now);
        let levels: String = items.iter().map(|item| format!("{}={:?}\n", item.sku, item.available)).collect();
        let cursor = Digest::of(levels.as_bytes()).short();
        *known = Some((standing, cursor.clone()));
        // The same content is no news, as with a file that was written again as it was.
        let unchanged = since == Some(&cursor);
        let items = if unchanged { Vec::new() } else { items };
        Ok(StockPage { items, as_of: Some(as_of), cursor: Some(cursor), unchanged, ..StockPage::default() })
    }
}

/// A catalog that cannot be read without the network.
#[derive(Debug)]
pub struct Unread(pub String);

impl Catalog for Unread {
    fn poll(&self, call: &Call<'_>, _: Option<&str>) -> Result<StockPage, KindError> {
        let why = &self.0;
        let text = call.language.pick(
            format!("Ce catalogue ne se lit pas pendant une simulation ({why}). Donnez ses niveaux avec --stock."),
            format!("This catalog cannot be read in a simulation ({why}). Give its levels with --stock."),
        );
        Err(KindError::Retry(Failure::new("simulated", text), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Money;
    use proptest::prelude::*;

    const ZONE: Zone = chrono_tz::Europe::Paris;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn item(sku: &str, available: Option<i64>) -> Item {
        let (was, url, image, category) = (None, None, None, None);
        Item { sku: sku.into(), title: sku.into(), available, price: Some(Money::eur(100)), was, url, image, category }
    }

    #[test]
    fn a_curve_begins_with_what_is_there_and_sells_and_restocks() {
        let now = at("2026-12-01T12:10:00+01:00");
        let curve = Curve::new(vec![item("A", Some(40)), item("B", None)], now, ZONE, 7, Levels::default());
        let level = |t: Timestamp| curve.at(t).0[0].available.unwrap();
        assert_eq!(level(now), 40);
        assert_eq!(curve.at(now).0[1].available, None, "what is not counted stays so");
        let month: Vec<i64> = curve.moments(now, at("2027-01-01T00:00:00+01:00")).into_iter().map(level).collect();
        assert!(month.windows(2).any(|w| w[1] > w[0]) && month.windows(2).any(|w| w[1] < w[0]), "{month:?}");
        assert!(month.iter().all(|level| (0..=50).contains(level)));
    }

    #[test]
    fn a_file_of_levels_stands_above_the_curve_and_may_name_more() {
        let levels = Levels::parse("sku;date;available\nA;2026-12-02;3\nA;2026-12-02 14:30;0\nN;2026-12-03;5\n", ZONE).unwrap();
        let now = at("2026-12-01T12:00:00+01:00");
        let curve = Curve::new(vec![item("A", Some(40))], now, ZONE, 7, levels);
        let level = |t: &str, n: usize| curve.at(at(t)).0[n].available;
        assert_eq!(level("2026-12-02T10:00:00+01:00", 0), Some(3));
        assert_eq!(level("2026-12-02T14:30:00+01:00", 0), Some(0));
        assert_eq!((level("2026-12-02T10:00:00+01:00", 1), level("2026-12-03T00:00:00+01:00", 1)), (None, Some(5)));
    }

    #[test]
    fn a_wrong_file_of_levels_is_refused_with_its_line() {
        let refused = |text: &str| Levels::parse(text, ZONE).unwrap_err();
        assert!(refused("a,b\n1,2\n").contains("sku, date and available"));
        assert!(
            refused("sku,date,available\nA,soon,3\n").contains("Line 2")
                && refused("sku,date,available\nA,2026-12-01,x\n").contains("\"x\"")
        );
        assert!(refused("sku,date,available\n,2026-12-01,3\n").contains("names no product"));
    }

    proptest! {
        #[test]
        fn levels_change_only_at_the_moments_that_are_told(seed in 0_u64..1_000, hours in 0_u64..700, first in 0_i64..90) {
            let start = at("2026-10-10T11:03:00+02:00");
            let curve = Curve::new(vec![item("A", Some(first))], start, ZONE, seed, Levels::default());
            let now = start.plus(std::time::Duration::from_secs(hours * 3_600 + 1_234));
            let last = curve.moments(start, now.plus(std::time::Duration::from_millis(1))).last().copied().unwrap_or(start);
            prop_assert_eq!(curve.at(now).0, curve.at(last).0);
        }
    }
}
