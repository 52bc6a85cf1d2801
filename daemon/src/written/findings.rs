//! What is not as it should be in what a person wrote, collected until everything was read.
//!
//! In: places, sentences and remedies, in any order. Out: problems in the order of the file, with line, column and excerpt.
//! Never: reports what only follows from another problem.

use crate::problem::{Problem, Severity};
use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

/// More problems than these are counted, not listed: nobody mends more in one sitting.
const SHOWN: usize = 1_000;
/// A longer line than this is not shown as an excerpt.
const LONG_LINE: usize = 4_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    /// The text is not TOML.
    Syntax,
    /// A value is wrong.
    Value,
    /// Something is missing or refers to nothing: not certain when a part of the file could not be read.
    Dependent,
    /// It works, but probably not as meant.
    Doubt,
}

#[derive(Debug)]
struct Finding {
    at: Range<usize>,
    nature: Nature,
    message: String,
    help: String,
}

/// The findings so far. Readers share it, so it is written to through a shared reference.
#[derive(Debug)]
pub(crate) struct Findings<'t> {
    text: &'t str,
    list: RefCell<Vec<Finding>>,
}

impl<'t> Findings<'t> {
    /// None so far, about this text.
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, list: RefCell::default() }
    }

    /// The text of the file.
    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    fn add(&self, nature: Nature, at: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.list.borrow_mut().push(Finding { at, nature, message: message.into(), help: help.into() });
    }

    /// Something wrong with what was written at a place.
    pub(crate) fn error(&self, at: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Nature::Value, at, message, help);
    }

    /// The same, from sentences of which the last is the remedy.
    pub(crate) fn sentences(&self, at: Range<usize>, text: &str) {
        match text.rsplit_once(". ") {
            Some((message, help)) => self.error(at, format!("{message}."), help),
            None => self.error(at, text, ""),
        }
    }

    /// Something that does not parse.
    pub(crate) fn syntax(&self, at: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Nature::Syntax, at, message, help);
    }

    /// Something that is missing or refers to nothing.
    pub(crate) fn dependent(&self, at: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Nature::Dependent, at, message, help);
    }

    /// Something that works, but probably not as meant.
    pub(crate) fn doubt(&self, at: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.add(Nature::Doubt, at, message, help);
    }

    /// The problems, in the order of the file.
    pub(crate) fn finish(self, file: &Path) -> Vec<Problem> {
        let mut list = self.list.into_inner();
        let mut lines = Lines { text: self.text, start: 0, number: 1, counted: 0, characters: 0 };
        list.sort_by_key(|finding| (finding.at.start, finding.nature == Nature::Doubt));

        // After a slip in the syntax of a line its value is a guess, and a part of the file may not have been read at all.
        let broken: HashSet<usize> = {
            let mut lines = Lines { ..lines };
            list.iter()
                .filter(|finding| finding.nature == Nature::Syntax)
                .map(|finding| lines.place(finding.at.start).0)
                .collect()
        };
        let mut told = HashSet::new();
        let mut problems = Vec::new();
        let mut more = 0_usize;
        for finding in list {
            let (line, column) = lines.place(finding.at.start);
            let keep = match finding.nature {
                Nature::Syntax => told.insert(line),
                Nature::Value => !broken.contains(&line),
                Nature::Dependent | Nature::Doubt => broken.is_empty(),
            };
            if !keep {
                continue;
            }
            if problems.len() == SHOWN {
                more += 1;
                continue;
            }
            let rest = lines.line();
            // A return alone ends what is shown, and the place may lie behind it.
            let end = finding.at.end.min(lines.start + rest.len()).max(finding.at.start);
            let severity = if finding.nature == Nature::Doubt { Severity::Warning } else { Severity::Error };
            problems.push(Problem {
                line,
                column,
                severity,
                excerpt: if rest.len() > LONG_LINE { String::new() } else { rest.to_owned() },
                width: self.text.get(finding.at.start..end).map_or(0, |part| part.chars().count().min(LONG_LINE)),
                ..Problem::file(file, finding.message, finding.help)
            });
        }
        if more > 0 {
            let message = format!("There are {more} more problems.");
            problems.push(Problem::file(file, message, "Mend those above first, then check again."));
        }
        problems
    }
}

/// Counts lines and columns for places that come in order, reading the text once.
struct Lines<'t> {
    text: &'t str,
    start: usize,
    number: usize,
    /// How far characters of this line were counted, and how many there were.
    counted: usize,
    characters: usize,
}

impl<'t> Lines<'t> {
    fn place(&mut self, at: usize) -> (usize, usize) {
        let mut at = at.min(self.text.len()).max(self.counted);
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &self.text[self.counted..at];
        if let Some(last) = before.rfind('\n') {
            self.number += before.bytes().filter(|byte| *byte == b'\n').count();
            self.start = self.counted + last + 1;
            self.counted = self.start;
            self.characters = 0;
        }
        self.characters += self.text[self.counted..at].chars().count();
        self.counted = at;
        (self.number, self.characters + 1)
    }

    fn line(&self) -> &'t str {
        self.text[self.start..].split(['\n', '\r']).next().unwrap_or_default()
    }
}
