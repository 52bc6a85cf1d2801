//! The offsets of a zone as a table, so that asking for the next instant needs no search in the zone database.
//!
//! In: a zone. Out: its spans of constant offset from 1970 to 2100, built once per zone and shared.
//! Never: knows about expressions.

use super::{DAY, END};
use crate::domain::Zone;
use chrono::{DateTime, Offset, TimeZone};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Changes are looked for at this distance. The two closest changes of any zone since 1970 are almost seven days apart
/// (Noronha in 2000, Gaza in 2040), so there is at most one between two looks; a test compares with a finer search.
const STRIDE: i64 = 3 * DAY;

/// The offsets of one zone, in order.
pub(super) struct Offsets {
    spans: Box<[Span]>,
}

/// A span of constant offset, up to the start of the following one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Its first instant, in UTC seconds.
    pub(super) from: i64,
    /// Local readings before this one were shown before the span began.
    pub(super) seen: i64,
    /// Local minus UTC, in seconds.
    pub(super) offset: i64,
}

impl Offsets {
    /// The table of a zone.
    pub(super) fn of(zone: Zone) -> Arc<Self> {
        static TABLES: LazyLock<Mutex<HashMap<Zone, Arc<Offsets>>>> = LazyLock::new(Mutex::default);
        // A table is put in whole or not at all, so a panic elsewhere cannot have left a broken one.
        let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tables.entry(zone).or_insert_with(|| Arc::new(Self::build(zone))))
    }

    fn build(zone: Zone) -> Self {
        let offset_at = |second: i64| {
            let utc = DateTime::from_timestamp(second, 0).expect("the years to 2100 are within chrono's range").naive_utc();
            i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
        };
        let mut last = Span { from: 0, seen: offset_at(0), offset: offset_at(0) };
        let mut spans = vec![last];
        let mut known = 0;
        while known < END {
            let next = (known + STRIDE).min(END);
            if offset_at(next) != last.offset {
                let (mut before, mut after) = (known, next);
                while after - before > 1 {
                    let middle = before + (after - before) / 2;
                    if offset_at(middle) == last.offset { before = middle } else { after = middle }
                }
                last = Span { from: after, seen: last.seen.max(after + last.offset), offset: offset_at(after) };
                spans.push(last);
            }
            known = next;
        }
        Self { spans: spans.into() }
    }

    /// The span that holds this instant.
    pub(super) fn at(&self, second: i64) -> Span {
        self.spans[self.index(second)]
    }

    /// The span that holds this instant, and all later ones.
    pub(super) fn since(&self, second: i64) -> impl Iterator<Item = Span> + '_ {
        self.spans[self.index(second)..].iter().copied()
    }

    /// The span in which the clock first shows this local time or a later one.
    pub(super) fn first_to_show(&self, local: i64) -> Span {
        self.spans[self.spans.partition_point(|span| span.seen <= local).saturating_sub(1)]
    }

    fn index(&self, second: i64) -> usize {
        self.spans.partition_point(|span| span.from <= second).saturating_sub(1)
    }
}
