//! A span of days as the accounts will live it, and what deserves a look before it comes.
//!
//! In: the posts and notices of the span as rows, the accounts' rules, how the workflows fared, what the library holds. Out: the same
//! rows as days, and findings: each a sentence with its remedy.
//! Never: reads a clock or the store, or judges a text.

mod findings;
#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;

pub use findings::findings;

use crate::domain::{Language, Timestamp, Zone};
use chrono::NaiveDate;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What stands in a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A post on its way to one account.
    Post,
    /// A notice on its way to one person.
    Notice,
}

/// One post to one account, or one notice to one person, as it stands at the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number, such as `d12`.
    pub id: String,
    /// Post or notice.
    pub kind: Kind,
    /// Account or person.
    pub target: String,
    /// The workflow that planned it.
    pub workflow: String,
    /// Where it stands: `online`, `held`, `cancelled`…
    pub state: String,
    /// Why it stands there.
    pub reason: String,
    /// When it was planned.
    pub planned: Timestamp,
    /// When it was to leave.
    pub wanted: Timestamp,
    /// Not after.
    pub until: Option<Timestamp>,
    /// When it left.
    pub left: Option<Timestamp>,
    /// When it ended, however it did.
    pub ended: Option<Timestamp>,
    /// The text, or the title of a notice.
    pub text: String,
    /// Its link.
    pub link: Option<String>,
    /// `post`, `story`…, or the kind of a notice.
    pub format: String,
    /// The library item.
    pub item: Option<String>,
    /// The theme.
    pub theme: Option<String>,
    /// Why it was planned.
    pub why: Vec<String>,
    /// `none`, `needed`, `given` or `refused`.
    pub approval: String,
    /// When the yes was given.
    pub approved: Option<Timestamp>,
    /// What its guard does when it does not hold.
    pub guard: Option<Guard>,
    /// What it waited for: since when, and in words.
    pub waits: Vec<(Timestamp, String)>,
}

/// What a guard that does not hold does to its post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// It waits.
    Holds,
    /// It is dropped.
    Drops,
}

impl Entry {
    /// Where it belongs in time: when it left, else when it was to.
    pub fn at(&self) -> Timestamp {
        self.left.unwrap_or(self.wanted)
    }

    /// Whether it is out.
    pub fn is_out(&self) -> bool {
        self.state == "online"
    }

    /// Whether a person still has to answer.
    pub fn waits_for_a_yes(&self) -> bool {
        self.state == "held" && self.approval == "needed"
    }

    /// From when it could have left until it did; nothing for what is not out.
    pub fn moved(&self) -> Duration {
        self.left.filter(|_| self.is_out()).map_or(Duration::ZERO, |left| left.since(self.wanted.max(self.planned)))
    }
}

/// One account and its rules.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// The shortest distance between two posts.
    pub spacing: Duration,
    /// Local hours in which posts may go out, as minutes from midnight, half open; empty for always.
    pub hours: Vec<(u16, u16)>,
    /// Why it is stopped at the end of the span, and since when.
    pub stopped: Option<(String, Timestamp)>,
}

/// How due instants of a workflow ended that were not simply run.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The workflow.
    pub workflow: String,
    /// `failed`, `skipped`, `coalesced`, `missed` or `held`.
    pub fate: String,
    /// How many.
    pub count: i64,
    /// The first of them.
    pub first: Timestamp,
    /// What was said about that one.
    pub reason: String,
}

/// An item of the library.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shelved {
    /// Its identifier.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Accounts that could take it on some day of the span.
    pub fits: Vec<String>,
    /// Most uses on an account.
    pub max_uses: Option<u32>,
    /// Uses by account, up to the end of the span.
    pub uses: BTreeMap<String, u32>,
}

/// What counts as worth a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// An account that is silent for longer than this is told, whatever its rhythm.
    pub silent: Duration,
    /// A post that leaves later than it wanted by more than this is told.
    pub moved: Duration,
    /// The same item or text on several accounts within this is told.
    pub together: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        let hours = |n: u64| Duration::from_secs(n * 3_600);
        Self { silent: hours(8 * 24), moved: hours(1), together: hours(1) }
    }
}

/// A span of days.
#[derive(Debug, Clone)]
pub struct Span {
    /// Its first instant.
    pub from: Timestamp,
    /// Its end, which no longer belongs to it.
    pub to: Timestamp,
    /// The zone of its days.
    pub zone: Zone,
    /// The language of the findings.
    pub language: Language,
    /// The accounts, in order.
    pub accounts: Vec<Account>,
    /// Posts and notices.
    pub entries: Vec<Entry>,
    /// When the accounts posted before, by account.
    pub before: BTreeMap<String, Vec<Timestamp>>,
    /// How the workflows fared.
    pub ended: Vec<Ended>,
    /// The library; empty when there is none.
    pub library: Vec<Shelved>,
    /// Why all sending is frozen.
    pub frozen: Option<String>,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// Nothing leaves at all, or nothing to one account, until a person answers.
    Stopped,
    /// A ceiling was reached, or a network refused.
    Breach,
    /// Posts that never left.
    Unsent,
    /// Conditions that made posts wait or dropped them.
    Guard,
    /// An account that is silent for long.
    Gap,
    /// Posts in each other's way.
    Collision,
    /// The same thing in several places at once.
    Echo,
    /// Posts that leave later than they wanted.
    Moved,
    /// Items of the library that nobody takes, or that are used up.
    Starved,
    /// Workflows that failed, or did not run.
    Workflow,
    /// Drafts that wait for a yes.
    Draft,
}

/// Something that deserves a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub about: About,
    /// The account, when it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The workflow, when it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// When it begins.
    pub at: Timestamp,
    /// What is found: a sentence.
    pub sentence: String,
    /// What to do about it: a sentence.
    pub remedy: String,
    /// The posts it is about, at most a few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub posts: Vec<String>,
}

/// One day of a calendar.
#[derive(Debug, PartialEq)]
pub struct Day<'a> {
    /// The date in the span's zone.
    pub date: NaiveDate,
    /// What belongs to it, in order of time.
    pub entries: Vec<&'a Entry>,
}

impl Span {
    /// Every day of the span, also those on which nothing happens.
    pub fn days(&self) -> Vec<Day<'_>> {
        let last = Timestamp::from_millis(self.to.millis().saturating_sub(1)).max(self.from).day(self.zone);
        let mut days: Vec<Day<'_>> = self
            .from
            .day(self.zone)
            .iter_days()
            .take_while(|date| *date <= last)
            .map(|date| Day { date, entries: Vec::new() })
            .collect();
        let first = self.from.day(self.zone);
        for entry in &self.entries {
            let day = entry.at().day(self.zone).clamp(first, last);
            let at = usize::try_from((day - first).num_days()).unwrap_or(0);
            if let Some(day) = days.get_mut(at) {
                day.entries.push(entry);
            }
        }
        for day in &mut days {
            day.entries.sort_by_key(|e| (e.at(), e.kind, &e.target, e.id.len(), &e.id));
        }
        days
    }
}
