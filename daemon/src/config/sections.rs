//! Where the sections of a TOML text begin and end, found without parsing it.
//!
//! In: the text. Out: the ranges of each workflow's sections, and those of all the rest.
//! Never: judges what stands in a section, except that it was never closed.

use super::shape::TOP;
use crate::written::Findings;
use std::borrow::Cow;
use std::ops::Range;
use toml::de::DeTable;

/// The text in pieces.
#[derive(Debug, Default)]
pub(super) struct Sections<'t> {
    /// Everything that is not about one workflow.
    pub(super) rest: Vec<Range<usize>>,
    /// The sections of workflows, by the workflow's name; those of one name stand together, in the order of the file.
    pub(super) workflows: Vec<(Cow<'t, str>, Range<usize>)>,
}

/// Cuts the text at its section headers.
///
/// A list or a long text that is never closed would swallow all that follows. It is told here, with the place where it opens, and its
/// lines up to the next header belong to no piece.
pub(super) fn sections<'t>(text: &'t str, findings: &Findings<'_>) -> Sections<'t> {
    let bytes = text.as_bytes();
    let mut out = Sections::default();
    let mut start = 0;
    let mut name: Option<Cow<'t, str>> = None;
    // The places of brackets that are still open.
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let line = at;
        at += bytes[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let header = bytes.get(at) == Some(&b'[') && (open.is_empty() || is_known_header(&text[at..]));
        if header {
            let until = told(&mut open, findings).unwrap_or(line);
            let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
            out.push(name, start..until);
            name = workflow_name(&text[at..end]);
            start = line;
            at = (end + 1).min(text.len());
            continue;
        }
        at = skip_line(text, at, &mut open);
    }
    let until = told(&mut open, findings).unwrap_or(text.len());
    out.push(name, start..until);
    // Stable: sections of one workflow stay in order, wherever they stand in the file.
    out.workflows.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

impl<'t> Sections<'t> {
    fn push(&mut self, name: Option<Cow<'t, str>>, range: Range<usize>) {
        match name {
            Some(name) => self.workflows.push((name, range)),
            None if range.is_empty() => {}
            None => self.rest.push(range),
        }
    }
}

/// Tells what is still open, if anything, and where the line begins from which the section cannot be understood.
fn told(open: &mut Vec<usize>, findings: &Findings<'_>) -> Option<usize> {
    let text = findings.text();
    // Quotes are always innermost: brackets inside a text are not brackets.
    let is_quote = |at: &usize| matches!(text.as_bytes()[*at], b'"' | b'\'');
    let (first, last) = (*open.first()?, *open.last()?);
    if is_quote(&last) {
        let quotes = &text[last..last + 3];
        findings.syntax(last..last + 3, "This text over several lines is never closed.", format!("Close it with {quotes}."));
    } else {
        let close = if text.as_bytes()[first] == b'{' { "}" } else { "]" };
        let message = format!("The \"{close}\" for this bracket is missing.");
        findings.syntax(first..first + 1, message, format!("Close it with \"{close}\"."));
    }
    open.clear();
    Some(text[..first].rfind('\n').map_or(0, |newline| newline + 1))
}

/// The end of the line from `at`, or of the last line that a text or list reaches into.
fn skip_line(text: &str, mut at: usize, open: &mut Vec<usize>) -> usize {
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\n' => return at + 1,
            b'#' => at += bytes[at..].iter().take_while(|byte| **byte != b'\n').count(),
            b'"' | b'\'' => at = skip_text(text, at, open),
            b'[' | b'{' => {
                open.push(at);
                at += 1;
            }
            b']' | b'}' => {
                open.pop();
                at += 1;
            }
            _ => at += 1,
        }
    }
    at
}

/// Behind the closing quote of the text that opens at `at`, or before the end of its line if there is none.
fn skip_text(text: &str, at: usize, open: &mut Vec<usize>) -> usize {
    let bytes = text.as_bytes();
    let quote = bytes[at];
    let long = bytes[at..].starts_with(&[quote; 3]);
    let mut end = at + if long { 3 } else { 1 };
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'\n' if !long => return end,
            b'\\' if quote == b'"' && bytes.get(end + 1).is_some_and(|next| *next != b'\n') => end += 1,
            _ if !long && *byte == quote => return end + 1,
            // Up to two quotes may stand directly before the closing three.
            _ if long && bytes[end..].starts_with(&[quote; 3]) => {
                return end + bytes[end..].iter().take(5).take_while(|byte| **byte == quote).count();
            }
            _ => {}
        }
        end += 1;
    }
    if long {
        open.push(at);
    }
    bytes.len()
}

/// Whether this is surely the header of a section, even where a list is still open.
fn is_known_header(text: &str) -> bool {
    let inner = text.trim_start_matches('[');
    let word = inner.bytes().take_while(u8::is_ascii_lowercase).count();
    matches!(inner.as_bytes().get(word), Some(b'.' | b']')) && TOP.keys.contains(&&inner[..word])
}

/// The workflow whose section this header opens.
fn workflow_name(header: &str) -> Option<Cow<'_, str>> {
    let plain = header.strip_prefix("[workflows.").and_then(|rest| {
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
        (length > 0 && matches!(rest.as_bytes().get(length), Some(b']' | b'.'))).then(|| Cow::Borrowed(&rest[..length]))
    });
    // Names in quotes or with blanks around them are rare and left to the parser.
    plain.or_else(|| {
        let all = header.contains("workflows").then(|| DeTable::parse(header).ok())??.into_inner();
        let (_, named) = all.get("workflows")?.get_ref().as_table()?.iter().next().map(|(name, value)| (value, name))?;
        Some(Cow::Owned(named.get_ref().to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_workflows_sections_are_found_wherever_they_stand_and_however_they_are_written() {
        let text = "a = [\n[1],\n[2]\n]\n[workflows.b]\nx = \"\"\"\n[workflows.no]\n\"\"\"\n[limits]\n[workflows . \"a\"]\n[workflows.b.settings]\n";
        let findings = Findings::new(text);
        let all = sections(text, &findings);
        let shown: Vec<_> =
            all.workflows.iter().map(|(name, range)| (name.as_ref(), text[range.clone()].lines().count())).collect();
        assert_eq!(shown, [("a", 1), ("b", 4), ("b", 1)]);
        assert_eq!(all.rest.iter().map(|range| &text[range.clone()]).collect::<String>(), "a = [\n[1],\n[2]\n]\n[limits]\n");
        assert!(findings.finish("b.toml".as_ref()).is_empty());
    }

    proptest! {
        #[test]
        fn the_pieces_cover_any_text_once_but_for_what_is_never_closed(text in r#"([a-z=. \n\[\]{}"'#\\é]|\[workflows\.a\]|"""|\n\[limits\]\n){0,60}"#) {
            let findings = Findings::new(&text);
            let all = sections(&text, &findings);
            let unclosed = !findings.finish("b.toml".as_ref()).is_empty();
            let mut ranges: Vec<_> = all.rest.into_iter().chain(all.workflows.into_iter().map(|(_, range)| range)).collect();
            ranges.sort_by_key(|range| range.start);
            let joined: String = ranges.iter().map(|range| &text[range.clone()]).collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
            prop_assert!(joined == text || (unclosed && joined.len() < text.len()));
        }
    }
}
