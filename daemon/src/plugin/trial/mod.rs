//! Tries a built plugin in the real host: the author's recordings, then the cases that every plugin of its kind has to pass.
//!
//! In: a package, and the project it comes from. Out: a [`Card`].
//! Never: a daemon, its data, a real secret, or the network.

mod cases;
mod channel;
mod desk;
mod readers;
mod recorded;
mod recording;
mod remote;
mod stage;
mod values;

use super::package::{self, Package};
use crate::domain::Language;
use crate::run::function::Function;
use serde::Serialize;
use stage::Stage;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The language in which plugins are tried: the sentences on a card are for authors.
const fn language() -> Language {
    Language::En
}

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// As it has to be.
    Passed,
    /// Not so.
    Failed {
        /// What has to come of it.
        expected: String,
        /// What came of it.
        seen: String,
        /// Why it matters.
        why: String,
    },
    /// It could not be tried.
    Skipped {
        /// What is missing for it.
        reason: String,
    },
}

/// One case on a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Case {
    /// What it is about: an ability, or `recording`.
    pub ability: &'static str,
    /// What holds.
    pub name: String,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Requests sent.
    pub requests: usize,
    /// The most bytes of memory that a call had.
    pub memory: usize,
    /// How long it took, by the wall.
    #[serde(rename = "millis", serialize_with = "millis")]
    pub took: Duration,
}

fn millis<S: serde::Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((span.as_secs_f64() * 1e5).round() / 100.0)
}

/// What a plugin can do, case by case.
#[derive(Debug, Clone, Serialize)]
pub struct Card {
    /// The plugin.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// What it exports.
    pub abilities: Vec<&'static str>,
    /// Bytes of the package.
    pub bytes: usize,
    /// Every case, in order.
    pub cases: Vec<Case>,
}

impl Card {
    /// How many cases passed, failed, and could not be tried.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |is: fn(&Verdict) -> bool| self.cases.iter().filter(|case| is(&case.verdict)).count();
        (
            count(|v| *v == Verdict::Passed),
            count(|v| matches!(v, Verdict::Failed { .. })),
            count(|v| matches!(v, Verdict::Skipped { .. })),
        )
    }
}

/// Tries a package. `project` is where its recordings lie; `cache` keeps it compiled from one trial to the next; `table` is what the
/// desk offers.
///
/// # Errors
/// A sentence: it is no plugin, or a recording cannot be read.
pub fn run(bytes: Vec<u8>, project: Option<&Path>, cache: Option<PathBuf>, table: &'static [Function]) -> Result<Card, String> {
    let package: Package = package::read(bytes).map_err(|refused| refused.0)?;
    let recordings = project.map(recording::all).transpose()?.unwrap_or_default();
    let stage = Stage::set(&package, cache, recordings, table)?;
    let mut cases = recorded::all(&stage);
    cases.extend(cases::all(&stage));
    Ok(Card {
        plugin: package.manifest.name.to_string(),
        version: package.manifest.version.clone(),
        abilities: package.abilities.clone(),
        bytes: package.bytes.len(),
        cases,
    })
}
