//! The days on which the clocks change, in every zone there is.

use super::{ZONE, at, leap};
use beffroi::domain::{Timestamp, Zone};
use beffroi::schedule::cron::{Dst, Schedule};
use beffroi_tests::World;
use chrono::{DateTime, Offset as _, Timelike as _};
use std::time::Duration;

/// An instant at which a zone's clocks change, and by how many seconds.
struct Change {
    zone: Zone,
    at: i64,
    before: i64,
    by: i64,
}

fn offset(zone: Zone, second: i64) -> i64 {
    let utc = DateTime::from_timestamp(second, 0).expect("within the calendar");
    i64::from(utc.with_timezone(&zone).offset().fix().local_minus_utc())
}

/// Every change of clocks from 2025 to 2027, in every zone.
fn changes() -> Vec<Change> {
    let (from, to) = (at("2025-01-01T00:00:00Z").millis() / 1_000, at("2028-01-01T00:00:00Z").millis() / 1_000);
    let mut found = Vec::new();
    for zone in chrono_tz::TZ_VARIANTS {
        let mut day = from;
        while day < to {
            let (mut low, mut high) = (day, day + 86_400);
            let (before, after) = (offset(zone, low), offset(zone, high));
            if before != after {
                while high - low > 1 {
                    let middle = low + (high - low) / 2;
                    if offset(zone, middle) == before { low = middle } else { high = middle }
                }
                found.push(Change { zone, at: high, before, by: after - before });
            }
            day += 86_400;
        }
    }
    found
}

/// How often a fixed time in the middle of what the clocks leave out or show twice is due around the change, under each policy.
fn due(change: &Change) -> [Vec<i64>; 3] {
    // What the clock shows in the middle of the gap, or of the stretch that comes twice.
    let shown = change.at + change.before + change.by / 2;
    let local = DateTime::from_timestamp(shown, 0).expect("within the calendar");
    let text = format!("{} {} {} * * *", local.second(), local.minute(), local.hour());
    let begin = Timestamp::from_millis((change.at - 11 * 3_600) * 1_000);
    let end = Timestamp::from_millis((change.at + 11 * 3_600) * 1_000);
    [Dst::Vixie, Dst::Skip, Dst::Twice].map(|dst| {
        let schedule = Schedule::parse(&text, change.zone, dst).expect("a good expression");
        schedule.between(begin, end).map(|t| t.millis() / 1_000 - change.at).collect()
    })
}

/// A time that the clock shows twice is due once, at its first pass, unless the owner asked for both.
#[test]
fn ha_166783_dst_double() {
    let back: Vec<Change> = changes().into_iter().filter(|c| c.by < 0).collect();
    assert!(back.len() > 300, "{} changes", back.len());
    for change in &back {
        let (first, second) = (change.by / 2, change.by / 2 - change.by);
        assert_eq!(due(change), [vec![first], vec![first], vec![first, second]], "{} at {}", change.zone, change.at);
    }
    let mut world = World::new().at("2026-10-23T12:00:00+02:00").workflow("night", "schedule = \"30 2 * * *\"", "1").workflow(
        "both",
        "schedule = \"30 2 * * *\"\ndst = \"twice\"",
        "1",
    );
    leap(&mut world, at("2026-10-26T12:00:00+01:00"));
    let rows = world.ask(|db| beffroi::store::view::runs(db, None, 100));
    let of = |name: &str| {
        rows.iter().filter(|r| r.workflow == name).map(|r| r.due.rfc3339(ZONE)[8..19].to_owned()).rev().collect::<Vec<_>>()
    };
    assert_eq!(of("night"), ["24T02:30:00", "25T02:30:00", "26T02:30:00"]);
    assert_eq!(of("both"), ["24T02:30:00", "25T02:30:00", "25T02:30:00", "26T02:30:00"]);
}

/// A time that the clock leaves out is made up for at once, unless the owner asked for it to be dropped.
#[test]
fn ha_114612_dst_skip() {
    let on: Vec<Change> = changes().into_iter().filter(|c| c.by > 0).collect();
    assert!(on.len() > 300, "{} changes", on.len());
    for change in &on {
        assert_eq!(due(change), [vec![0], vec![], vec![0]], "{} at {}", change.zone, change.at);
    }
    let mut world = World::new().at("2026-03-27T12:00:00+01:00").workflow("night", "schedule = \"30 2 * * *\"", "1").workflow(
        "dropped",
        "schedule = \"30 2 * * *\"\ndst = \"skip\"",
        "1",
    );
    leap(&mut world, at("2026-03-30T12:00:00+02:00"));
    let rows = world.ask(|db| beffroi::store::view::runs(db, None, 100));
    let of = |name: &str| {
        rows.iter().filter(|r| r.workflow == name).map(|r| r.due.rfc3339(ZONE)[8..19].to_owned()).rev().collect::<Vec<_>>()
    };
    assert_eq!(of("night"), ["28T02:30:00", "29T03:00:00", "30T02:30:00"]);
    assert_eq!(of("dropped"), ["28T02:30:00", "30T02:30:00"]);
}

/// A weekly report comes at eight by the town's clock, in summer and in winter.
#[test]
fn posthog_42016_dst_report_shift() {
    let mut world = World::new().workflow("report", "schedule = \"0 8 * * 1\"", "1");
    leap(&mut world, at("2027-06-01T00:00:00+02:00"));
    let rows = world.ledger();
    assert_eq!(rows.len(), 74, "every Monday");
    assert!(rows.iter().all(|r| r.1 == "ran" && &r.0[11..19] == "08:00:00"), "{rows:#?}");
    let winter = rows.iter().filter(|r| r.0.ends_with("+01:00")).count();
    assert!(winter > 30 && winter < 50, "{winter}: both halves of the year are in it");
}

/// A tick every fifteen seconds goes on through the hour that comes twice, and through the one that does not come.
#[test]
fn cronplus_108_lost_hour() {
    for (begin, end, ticks) in [
        ("2026-10-25T01:59:50+02:00", "2026-10-25T03:00:00+01:00", 2 * 240 + 1),
        ("2026-03-29T01:59:50+01:00", "2026-03-29T04:00:00+02:00", 240 + 1),
    ] {
        let mut world = World::new().at(begin).workflow("w", "schedule = \"*/15 * * * * *\"", "1");
        leap(&mut world, at(end));
        let rows = world.ask(|db| beffroi::store::view::runs(db, None, 10_000));
        assert_eq!(rows.len(), ticks, "from {begin}");
        assert!(rows.iter().all(|r| r.fate.is_some_and(|f| f.word() == "ran")));
        assert!(rows.windows(2).all(|w| w[0].due.since(w[1].due) == Duration::from_secs(15)), "from {begin}");
    }
}
