//! What must hold whatever the bytes: one check for each thing that reads what others wrote.
//!
//! In: any bytes, from a fuzzer or from a kept corpus. Out: nothing; a panic when the daemon breaks its word.
//! Never: writes outside a temporary folder, waits, or knows who calls; the fuzz targets and the plain test share every line.

mod admin;
mod cron;
mod readers;

pub use admin::admin;
pub use cron::cron;
pub use readers::{config, csv, feed, library, manifest};

use beffroi::problem::Problem;

/// A check and its name.
pub type Target = (&'static str, fn(&[u8]));

/// Every check, by the name of its target and of its folder in the corpus.
pub const TARGETS: [Target; 7] = [
    ("cron", cron),
    ("config", config),
    ("feed", feed),
    ("csv", csv),
    ("library", library),
    ("manifest", manifest),
    ("admin", admin),
];

/// A problem with a text names a place within it, says something, and can be shown to people and programs.
fn problem_holds(problem: &Problem, text: &str) {
    assert!(!problem.message.trim().is_empty(), "a problem without a sentence: {problem:?}");
    if problem.line > 0 {
        // Readers count from after a byte order mark, and a return alone is shown as what it is.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let line = text.split('\n').nth(problem.line - 1);
        let line = line.unwrap_or_else(|| panic!("the text has no line {}: {problem:?}", problem.line));
        assert!(problem.column <= line.chars().count() + 1, "the line has no column {}: {problem:?}", problem.column);
    }
    assert!(!problem.render().is_empty());
    serde_json::to_string(problem).expect("a problem is JSON for programs");
}
