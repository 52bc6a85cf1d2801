//! A problem in something a person wrote: where it is, what is wrong, what to do.
//!
//! In: places and sentences from the readers of configuration, scripts, library files. Out: the same
//! for people (with the excerpt) and for programs (JSON).
//! Never: stops at the first problem; readers collect them all.

use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing starts before this is mended.
    Error,
    /// It works, but probably not as meant.
    Warning,
}

/// One problem at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, as the person named it.
    pub file: PathBuf,
    /// Line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 when the whole line is meant.
    pub column: usize,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: a whole sentence.
    pub message: String,
    /// What to do: a whole sentence, empty when the message says it all.
    pub help: String,
    /// The line of the file, for people.
    #[serde(skip)]
    pub excerpt: String,
    /// How many characters to underline from `column`.
    #[serde(skip)]
    pub width: usize,
}

impl Problem {
    /// A problem with a whole file.
    pub fn file(file: &Path, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            severity: Severity::Error,
            message: message.into(),
            help: help.into(),
            excerpt: String::new(),
            width: 0,
        }
    }

    /// A problem at a byte range of a text.
    pub fn span(
        file: &Path,
        text: &str,
        range: std::ops::Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let start = floor_boundary(text, range.start);
        let before = &text[..start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let end = floor_boundary(text, range.end).max(start);
        let width = text[start..end].split('\n').next().unwrap_or_default().chars().count();
        Self::at(file, text, line, column, width, message, help)
    }

    /// A problem at a line and column (from 1) of a text; `width` characters are underlined.
    pub fn at(
        file: &Path,
        text: &str,
        line: usize,
        column: usize,
        width: usize,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let excerpt = if line == 0 { String::new() } else { text.lines().nth(line - 1).unwrap_or_default().to_owned() };
        Self { line, column, excerpt, width, ..Self::file(file, message, help) }
    }

    /// The same, as a warning.
    #[must_use]
    pub fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// For people: place, sentence, excerpt with the place underlined, remedy.
    pub fn render(&self) -> String {
        let mut out = String::new();
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = match (self.line, self.column) {
            (0, _) => format!("{}", self.file.display()),
            (line, 0) => format!("{}:{line}", self.file.display()),
            (line, column) => format!("{}:{line}:{column}", self.file.display()),
        };
        let _ = writeln!(out, "{place}: {word}: {}", self.message);
        if !self.excerpt.trim().is_empty() {
            // A very long line is shown around the place only.
            let skip = self.column.saturating_sub(60);
            let shown: String = self.excerpt.chars().skip(skip).take(120).map(|c| if c == '\t' { ' ' } else { c }).collect();
            let _ = writeln!(out, "  {:>5} | {}", self.line, shown.trim_end());
            if self.column > 0 {
                let _ = writeln!(out, "        | {}{}", " ".repeat(self.column - 1 - skip), "^".repeat(self.width.clamp(1, 60)));
            }
        }
        if !self.help.is_empty() {
            let _ = writeln!(out, "        = {}", self.help);
        }
        out
    }
}

/// Whether any of these stops the daemon from starting.
pub fn any_error(problems: &[Problem]) -> bool {
    problems.iter().any(|p| p.severity == Severity::Error)
}

/// The nearest of `known` to what was written, when it is near enough to be a slip of the hand.
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::normalized_damerau_levenshtein(written, k), k))
        .filter(|(score, _)| *score >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

/// The nearest of `known` as a question that follows a sentence, with the space before it; empty when nothing is near.
pub fn perhaps<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    did_you_mean(written, known).map(|near| format!(" Did you mean \"{near}\"?")).unwrap_or_default()
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_counted_in_characters_and_underlined() {
        let text = "a = 1\nété = \"corn\"\n";
        let start = text.find("corn").expect("in the text");
        let p = Problem::span(Path::new("b.toml"), text, start..start + 4, "No such word.", "Write cron.");
        assert_eq!((p.line, p.column), (2, 8));
        assert_eq!(
            p.render(),
            "b.toml:2:8: error: No such word.\n      2 | été = \"corn\"\n        |        ^^^^\n        = Write cron.\n"
        );
    }

    #[test]
    fn near_words_are_offered_and_far_ones_are_not() {
        assert_eq!(did_you_mean("shedule", ["schedule", "script"]), Some("schedule"));
        assert_eq!(did_you_mean("zzz", ["schedule", "script"]), None);
        assert_eq!(perhaps("shedule", ["schedule", "script"]), " Did you mean \"schedule\"?");
        assert_eq!(perhaps("zzz", ["schedule", "script"]), "");
    }
}
