//! Where a read of the catalog stands, from one call to the next.
//!
//! In: the cursor of the call before. Out: which page to read, and the cursor for the next call.
//! Never: asks anybody anything.

use beffroi_plugin::loose;
use beffroi_plugin::prelude::*;

/// How far back a read of changes looks before the last one began: for clocks that differ and for writes under way.
const OVERLAP: u64 = 10 * 60_000;
/// How often a read begins again because the number of products changed, before it goes on regardless.
const RESTARTS: u64 = 2;

/// One read of the catalog, of all of it or of what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pass {
    /// When it began.
    started: u64,
    /// When the last complete one began; its own beginning, for a complete one.
    last_full: u64,
    pub(crate) full: bool,
    pub(crate) modified_after: Option<u64>,
    /// From 1.
    pub(crate) page: u64,
    /// Products of this page that were given already.
    pub(crate) skip: usize,
    /// How many products there were at the first page.
    total: Option<u64>,
    restarts: u64,
}

impl Pass {
    fn begin(now: u64, full: bool, last: u64, last_full: u64) -> Self {
        Self {
            started: now,
            last_full: if full { now } else { last_full },
            full,
            modified_after: (!full).then(|| last.saturating_sub(OVERLAP)),
            page: 1,
            skip: 0,
            total: None,
            restarts: 0,
        }
    }

    /// Goes on where a cursor says, or begins anew. A cursor that makes no sense is none.
    pub(crate) fn after(cursor: Option<&str>, now: u64, full_every: u64) -> Self {
        let cursor: Value = cursor.map(loose::document).unwrap_or_default();
        let number = |name: &str| loose::whole(&cursor, name).and_then(|n| u64::try_from(n).ok());
        let (Some(last), Some(last_full)) = (number("/started"), number("/last_full")) else {
            return Self::begin(now, true, 0, 0);
        };
        let Some(page) = number("/page").filter(|page| *page > 0) else {
            let due = now.saturating_sub(last_full) >= full_every;
            return Self::begin(now, due, last, last_full);
        };
        Self {
            started: last,
            last_full,
            full: loose::truth(&cursor, "/full"),
            modified_after: number("/after"),
            page,
            skip: number("/skip").unwrap_or(0) as usize,
            total: number("/total"),
            restarts: number("/restarts").unwrap_or(0),
        }
    }

    pub(crate) fn text(&self) -> String {
        loose::compact(&json!({
            "started": self.started, "last_full": self.last_full, "full": self.full, "after": self.modified_after,
            "page": self.page, "skip": self.skip, "total": self.total, "restarts": self.restarts,
        }))
    }

    /// The cursor after the last page.
    pub(crate) fn over(&self) -> String {
        loose::compact(&json!({ "started": self.started, "last_full": self.last_full }))
    }

    /// A fresh start, when products came or went meanwhile: pages shift then, and one could be skipped and be taken for gone.
    pub(crate) fn restarted(&self, total: Option<u64>) -> Option<Self> {
        let changed = self.full && self.total.is_some() && total.is_some() && self.total != total;
        (changed && self.restarts < RESTARTS).then(|| Self {
            page: 1,
            skip: 0,
            total: None,
            restarts: self.restarts + 1,
            ..self.clone()
        })
    }

    /// What comes after this page, of which so many products are done; none when that was all.
    pub(crate) fn next(&self, done: usize, whole_page: bool, last_page: bool, total: Option<u64>) -> Option<Self> {
        let total = self.total.or(total);
        match (whole_page, last_page) {
            (false, _) => Some(Self { skip: done, total, ..self.clone() }),
            (true, false) => Some(Self { page: self.page + 1, skip: 0, total, ..self.clone() }),
            (true, true) => None,
        }
    }
}
