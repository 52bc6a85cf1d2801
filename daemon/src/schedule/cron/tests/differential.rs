//! The code under test against the walk of [`super::oracle`]: random expressions, and all zones.

use super::super::zone::Offsets;
use super::super::{DAY, Dst, END, Schedule};
use super::oracle::Part::{All, EveryFromStart, One};
use super::oracle::{Meant, Part, Walk, changes, date, offset};
use super::{at, seconds};
use crate::domain::{Timestamp, Zone};
use chrono::{LocalResult, TimeZone};
use chrono_tz::{America, Antarctica, Asia, Australia, Europe, Pacific, TZ_VARIANTS};
use fastrand::Rng;
use std::collections::{BTreeMap, HashSet};

const HOUR: i64 = 3_600;

/// Zones that change in unlike ways: by an hour, half an hour, two hours, a whole day, at midnight, never.
const ZONES: [Zone; 14] = [
    Europe::Paris,
    Europe::London,
    America::New_York,
    America::Sao_Paulo,
    America::St_Johns,
    Australia::Lord_Howe,
    Pacific::Apia,
    Pacific::Chatham,
    Antarctica::Troll,
    Asia::Tehran,
    Asia::Kathmandu,
    Asia::Beirut,
    America::Havana,
    Zone::UTC,
];

fn dst(rng: &mut Rng) -> Dst {
    [Dst::Vixie, Dst::Skip, Dst::Twice][rng.usize(0..3)]
}

/// Reads the expression; an impossible one must be impossible for the oracle as well.
fn read(meant: &Meant, zone: Zone, dst: Dst) -> Option<Schedule> {
    match Schedule::parse(&meant.text, zone, dst) {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            assert!(error.message.contains("No year has") || error.message.contains("never meet"), "{}: {error}", meant.text);
            // From 1970 to 2099 the calendar repeats every 28 years.
            let start = seconds("2000-01-01T00:00:00Z") / DAY;
            let found = (start..start + 28 * 366).map(date).find(|date| meant.has_date(*date));
            assert_eq!(found, None, "{} was called impossible", meant.text);
            None
        }
    }
}

/// Compares what comes after some instants of a walk; answers how many due instants were compared.
fn compare(walk: &Walk, meant: &Meant, schedule: &Schedule, end: i64, starts: &[i64], most: usize) -> usize {
    let due = walk.due(meant);
    let due = due.under(schedule.dst());
    let mut compared = 0;
    for start in starts {
        let wanted: Vec<i64> = due.iter().copied().filter(|t| t > start).take(most).collect();
        let got: Vec<i64> = schedule.between(at(*start), at(end - 1)).take(most).map(|t| t.millis() / 1_000).collect();
        assert_eq!(got, wanted, "{schedule:?} after {}", at(*start).rfc3339(schedule.zone()));
        compared += got.len();
    }
    compared
}

/// Walks of a few days: around changes of each zone, and anywhere.
fn stretches(rng: &mut Rng, zone: Zone, count: usize, before: i64, after: i64, unit: i64) -> Vec<(Walk, i64, i64)> {
    let changes = changes(zone, seconds("1990-01-01T00:00:00Z"), seconds("2060-01-01T00:00:00Z"));
    (0..count)
        .map(|nth| {
            let middle = match nth {
                _ if changes.is_empty() || nth % 5 == 4 => {
                    rng.i64(seconds("1990-01-01T00:00:00Z")..seconds("2090-01-01T00:00:00Z"))
                }
                // The rarest kind, a day left out, must not be missed.
                0 => changes.iter().max_by_key(|(_, old, new)| (new - old).abs()).expect("not empty").0,
                _ => changes[rng.usize(0..changes.len())].0,
            };
            let middle = middle - middle.rem_euclid(60);
            (Walk::new(zone, middle - before, middle + after, unit), middle, middle + after)
        })
        .collect()
}

#[test]
fn ten_thousand_random_expressions_agree_with_a_walk_over_every_minute() {
    let mut rng = Rng::with_seed(0x0bef_f401);
    let (mut expressions, mut compared) = (0, 0);
    for zone in ZONES {
        for (walk, middle, end) in stretches(&mut rng, zone, 7, 52 * HOUR, 30 * HOUR, 60) {
            for _ in 0..110 {
                let meant = Meant::random(&mut rng, false);
                expressions += 1;
                let Some(schedule) = read(&meant, zone, dst(&mut rng)) else { continue };
                // The first day of a walk only tells what the clock has shown before.
                let starts = [middle - 26 * HOUR, middle + rng.i64(-3 * HOUR..3 * HOUR), middle + rng.i64(-1..=1)];
                compared += compare(&walk, &meant, &schedule, end, &starts, 6);
            }
        }
    }
    assert!(expressions >= 10_000 && compared >= 50_000, "{expressions} expressions, {compared} instants");
}

#[test]
fn expressions_with_seconds_agree_with_a_walk_over_every_second() {
    let mut rng = Rng::with_seed(0x0bef_f402);
    let (mut expressions, mut compared) = (0, 0);
    for zone in ZONES {
        for (walk, middle, end) in stretches(&mut rng, zone, 3, 5 * HOUR, 4 * HOUR, 1) {
            for _ in 0..40 {
                let meant = Meant::random(&mut rng, true);
                expressions += 1;
                let Some(schedule) = read(&meant, zone, dst(&mut rng)) else { continue };
                let starts = [middle + rng.i64(-2 * HOUR..2 * HOUR), middle + rng.i64(-1..=1)];
                compared += compare(&walk, &meant, &schedule, end, &starts, 6);
            }
        }
    }
    assert!(expressions >= 1_000 && compared >= 3_000, "{expressions} expressions, {compared} instants");
}

/// The due instants on a matching date, found by asking chrono about each local time.
fn on_date(meant: &Meant, zone: Zone, dst: Dst, day: i64, times: &[i64]) -> Vec<i64> {
    let mut due = Vec::new();
    for time in times {
        let mut local = (at(day * DAY + time)).utc().naive_utc();
        match zone.from_local_datetime(&local) {
            LocalResult::Single(one) => due.push(one.timestamp()),
            LocalResult::Ambiguous(one, two) => {
                due.push(one.timestamp());
                if meant.wildcard() || dst == Dst::Twice {
                    due.push(two.timestamp());
                }
            }
            LocalResult::None if meant.wildcard() || dst == Dst::Skip => {}
            LocalResult::None => due.push(loop {
                local += chrono::Duration::minutes(1);
                if let Some(end) = zone.from_local_datetime(&local).earliest() {
                    break end.timestamp();
                }
            }),
        }
    }
    due
}

#[test]
fn rare_dates_agree_with_a_walk_over_the_days_of_many_years() {
    let mut rng = Rng::with_seed(0x0bef_f403);
    let mut compared = 0;
    for _ in 0..2_500 {
        let (zone, dst) = (ZONES[rng.usize(0..ZONES.len())], dst(&mut rng));
        let meant = Meant::random(&mut rng, false);
        let Some(schedule) = read(&meant, zone, dst) else { continue };
        let start = rng.i64(seconds("1990-01-01T00:00:00Z")..seconds("2085-01-01T00:00:00Z"));
        let times = meant.times();
        if times.len() > 200 {
            continue; // busy days are the business of the walk over minutes
        }
        let (mut wanted, mut last_day) = (Vec::new(), None);
        for day in start / DAY - 2..start / DAY + 9 * 366 {
            if last_day.is_some_and(|last| day > last) {
                break;
            }
            if meant.has_date(date(day)) {
                wanted.extend(on_date(&meant, zone, dst, day, &times).into_iter().filter(|t| *t > start));
                if wanted.len() >= 3 && last_day.is_none() {
                    // A later date may be due earlier where the clocks are put back over midnight.
                    last_day = Some(day + 2);
                }
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted.truncate(3);
        let until = wanted.last().copied().unwrap_or(start + 9 * 365 * DAY);
        let got: Vec<i64> = schedule.between(at(start), at(until)).take(3).map(|t| t.millis() / 1_000).collect();
        assert_eq!(got, wanted, "{schedule:?} after {}", at(start).rfc3339(zone));
        compared += got.len();
    }
    assert!(compared >= 3_000, "{compared} instants");
}

/// Expressions that meet a change of the clocks at its edges and in its middle.
fn family(change: i64, before: i64, after: i64, rng: &mut Rng) -> Vec<Meant> {
    let (low, high) = (change + before.min(after), change + before.max(after));
    let middle = (low + high) / 2;
    let time = |local: i64| {
        let minute = local.rem_euclid(DAY) / 60;
        (One((minute % 60) as u32), One((minute / 60) as u32))
    };
    let ((low_m, low_h), (mid_m, mid_h), (high_m, high_h)) = (time(low), time(middle), time(high));
    let (edge_m, edge_h) = time(high - 60);
    let day = date(middle.div_euclid(DAY));
    let (month_day, month) = (One(chrono::Datelike::day(&day)), One(chrono::Datelike::month(&day)));
    let weekday = One(chrono::Datelike::weekday(&day).num_days_from_sunday());
    let daily = |minutes: Vec<Part>, hours: Vec<Part>| [minutes, hours, vec![All], vec![All], vec![All]];
    let five = [
        daily(vec![low_m], vec![low_h]),
        daily(vec![mid_m], vec![mid_h]),
        daily(vec![high_m], vec![high_h]),
        daily(vec![edge_m], vec![edge_h]),
        daily(vec![low_m, mid_m, high_m], vec![low_h, mid_h, high_h]),
        daily(vec![One(30)], vec![One(2)]),
        daily(vec![One(0)], vec![One(0), One(3)]),
        daily(vec![One(59)], vec![One(23)]),
        [vec![mid_m], vec![mid_h], vec![month_day], vec![month], vec![All]],
        [vec![mid_m], vec![mid_h], vec![All], vec![All], vec![weekday]],
        daily(vec![One(0)], vec![All]),
        daily(vec![mid_m, One(59)], vec![All]),
        daily(vec![EveryFromStart(30)], vec![All]),
        daily(vec![EveryFromStart(15)], vec![low_h, mid_h]),
        daily(vec![One(7), One(37)], vec![EveryFromStart(2)]),
    ];
    five.into_iter().map(|five| Meant::new(None, five, rng)).collect()
}

#[test]
fn every_zone_agrees_with_a_walk_around_every_change_from_1990_to_2037() {
    let mut rng = Rng::with_seed(0x0bef_f404);
    let (from, until) = (seconds("1990-01-01T00:00:00Z"), seconds("2038-01-01T00:00:00Z"));
    // Zones that share all changes are one zone under several names.
    let mut known = HashSet::new();
    let mut by_change: BTreeMap<(i64, i64, i64), Vec<Zone>> = BTreeMap::new();
    for zone in TZ_VARIANTS {
        let changes = changes(zone, from, until);
        if known.insert((offset(zone, from), changes.clone())) {
            changes.into_iter().for_each(|change| by_change.entry(change).or_default().push(zone));
        }
    }
    let (mut pairs, mut compared) = (0, 0);
    for ((change, before, after), zones) in &by_change {
        let walk = Walk::around(*change, *before, *after, 26 * HOUR);
        for meant in family(*change, *before, *after, &mut rng) {
            let due = walk.due(&meant);
            let model = Schedule::parse(&meant.text, Zone::UTC, Dst::Vixie).expect("the family is well formed");
            // Busy ones are compared near the change, daily ones on the following day as well.
            let reach = if meant.wildcard() { 5 * HOUR / 2 } else { 25 * HOUR };
            let policies: &[Dst] = if meant.wildcard() { &[Dst::Vixie] } else { &[Dst::Vixie, Dst::Skip, Dst::Twice] };
            let (start, end) = (change - reach.min(3 * HOUR), change + reach);
            for zone in zones {
                for dst in policies {
                    let schedule = Schedule { zone: *zone, dst: *dst, offsets: Offsets::of(*zone), ..model.clone() };
                    let wanted = due.under(*dst).iter().copied().filter(|t| *t > start && *t <= end);
                    let got = schedule.between(at(start), at(end)).map(|t| t.millis() / 1_000);
                    assert!(got.eq(wanted), "{schedule:?} around {}", at(*change));
                    compared += 1;
                }
                pairs += 1;
            }
        }
    }
    // 2025b has 4309 different changes in these years; newer zone data has about as many.
    assert!(by_change.len() > 4_000 && pairs > 100_000 && compared > 300_000, "{} changes, {pairs}, {compared}", by_change.len());
}

#[test]
fn the_offset_table_of_every_zone_misses_no_change() {
    for zone in TZ_VARIANTS {
        let table = Offsets::of(zone);
        for second in (0..END).step_by(34 * 3_600) {
            assert_eq!(table.at(second).offset, offset(zone, second), "{zone} at {}", at(second));
        }
    }
}

#[test]
fn due_instants_strictly_increase_for_every_policy() {
    let mut rng = Rng::with_seed(0x0bef_f405);
    for round in 0..600 {
        let zone = ZONES[rng.usize(0..ZONES.len())];
        let meant = Meant::random(&mut rng, round % 4 == 0);
        let Some(schedule) = read(&meant, zone, dst(&mut rng)) else { continue };
        let start = at(rng.i64(0..seconds("2099-01-01T00:00:00Z")));
        let mut last = start;
        for due in schedule.between(start, Timestamp::NEVER).take(40) {
            assert!(due > last, "{schedule:?}: {due} after {last}");
            last = due;
        }
    }
}
