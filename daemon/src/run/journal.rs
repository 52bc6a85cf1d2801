//! What a run was told, in the order in which it asked: compact enough to be kept for every run.
//!
//! In: questions, each as a short text, and what was answered. Out: bytes for the store and the parts they name; and the same
//! answers again, to the same questions.
//! Never: knows what a question means, or answers one that was not asked.
//!
//! An answer is plain text (JSON as a rule), a sentence that says why there is none, the numbers of signals that the store has for
//! good, or a *part*: content kept once under its digest, because it is large or the same for many runs. Answers are found by question, the n-th time by the n-th answer, so that
//! a changed script may ask in another order. Everything is deflated when that makes it smaller.

use crate::domain::Digest;
use crate::store::journal::Part;
use crate::store::view::SignalRow;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// An answer of more bytes than this becomes a part.
const LARGE: usize = 2_048;
/// Bodies of fewer bytes than this stay as they are: deflating them gains less than it costs.
const SMALL: usize = 160;
/// A journal or part that unfolds to more than this is damaged.
const MOST: usize = 256 << 20;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// Text, in the form the question has.
    Text(String),
    /// There was no answer: a sentence.
    Refused(String),
    /// Stored signals.
    Signals(Vec<SignalRow>),
}

/// The answers of one run as it goes on.
#[derive(Debug, Default)]
pub struct Journal {
    body: Vec<u8>,
    parts: Vec<Part>,
    count: usize,
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("seven bits"));
}

fn text(out: &mut Vec<u8>, value: &[u8]) {
    number(out, value.len() as u64);
    out.extend_from_slice(value);
}

impl Journal {
    /// Adds an answer.
    pub fn add(&mut self, question: &str, told: &Told) {
        match told {
            Told::Text(answer) if answer.len() > LARGE => self.add_part(question, part(answer.as_bytes())),
            Told::Text(answer) => self.entry(question, 0, answer.as_bytes()),
            Told::Refused(sentence) => self.entry(question, 1, sentence.as_bytes()),
            Told::Signals(rows) => self.add_signals(question, rows),
        }
    }

    /// Adds signals that are stored: their numbers say which.
    pub fn add_signals(&mut self, question: &str, rows: &[SignalRow]) {
        let mut spans: Vec<(i64, i64)> = Vec::new();
        for row in rows {
            match spans.last_mut() {
                // Down as well as up: what is newest first is one span too.
                Some((first, last)) if row.seq - *last == 1 && *last >= *first => *last = row.seq,
                Some((first, last)) if *last - row.seq == 1 && *last <= *first => *last = row.seq,
                _ => spans.push((row.seq, row.seq)),
            }
        }
        let mut answer = Vec::with_capacity(spans.len() * 4);
        for (first, last) in spans {
            number(&mut answer, first.unsigned_abs());
            number(&mut answer, last.unsigned_abs());
        }
        self.entry(question, 3, &answer);
    }

    /// Adds an answer that is kept as a part.
    pub fn add_part(&mut self, question: &str, part: Part) {
        self.entry(question, 2, &part.0.0);
        if !self.parts.iter().any(|known| known.0 == part.0) {
            self.parts.push(part);
        }
    }

    fn entry(&mut self, question: &str, kind: u8, answer: &[u8]) {
        text(&mut self.body, question.as_bytes());
        self.body.push(kind);
        text(&mut self.body, answer);
        self.count += 1;
    }

    /// How many answers there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bytes to keep, and the parts they name.
    pub fn finish(self) -> (Vec<u8>, Vec<Part>) {
        (fold(&self.body), self.parts)
    }
}

/// Content as a part: its digest, and its bytes deflated.
pub fn part(content: &[u8]) -> Part {
    (Digest::of(content), fold(content).into())
}

/// Ready for the next journal: setting one up costs more than a small run's whole journal, and each holds a third of a megabyte, so
/// there are as many as journals are folded at once, and few are kept.
static SPARE: Mutex<Vec<Compress>> = Mutex::new(Vec::new());
const SPARES: usize = 2;

/// Deflates, when that makes it smaller. The first byte says which.
fn fold(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() >= SMALL {
        let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut deflate = spare.unwrap_or_else(|| Compress::new(Compression::new(6), false));
        deflate.reset();
        let mut out = Vec::with_capacity(bytes.len() + 16);
        out.push(1);
        let done = deflate.compress_vec(bytes, &mut out, FlushCompress::Finish);
        let mut spares = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < SPARES {
            spares.push(deflate);
        }
        drop(spares);
        if matches!(done, Ok(Status::StreamEnd)) && out.len() <= bytes.len() {
            return out;
        }
    }
    let mut plain = Vec::with_capacity(bytes.len() + 1);
    plain.push(0);
    plain.extend_from_slice(bytes);
    plain
}

/// The content of what was folded; `None` when it is damaged.
pub fn unfold(bytes: &[u8]) -> Option<Vec<u8>> {
    match bytes.split_first()? {
        (0, plain) => Some(plain.to_vec()),
        (1, folded) => {
            let mut inflate = Decompress::new(false);
            let mut out = Vec::with_capacity(folded.len().saturating_mul(4).clamp(256, 1 << 20));
            loop {
                let from = usize::try_from(inflate.total_in()).ok()?;
                let before = (inflate.total_in(), inflate.total_out());
                let status = inflate.decompress_vec(&folded[from..], &mut out, FlushDecompress::None).ok()?;
                if status == Status::StreamEnd {
                    return Some(out);
                }
                if out.len() == out.capacity() {
                    if out.len() >= MOST {
                        return None;
                    }
                    out.reserve(out.len().max(1024));
                } else if before == (inflate.total_in(), inflate.total_out()) {
                    return None;
                }
            }
        }
        _ => None,
    }
}

/// An answer as it was written down.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// Here.
    Told(Told),
    /// In the part of this digest.
    Part(Digest),
    /// The stored signals of these spans of numbers; a span may go downwards.
    Signals(Vec<(i64, i64)>),
}

/// Reads a journal's answers in their order; `None` when it is damaged.
pub fn entries(data: &[u8]) -> Option<Vec<(String, Written)>> {
    fn read_number(bytes: &mut &[u8]) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = bytes.split_first()?;
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
    fn read_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
        let length = usize::try_from(read_number(bytes)?).ok()?;
        let (text, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        Some(text)
    }
    let body = unfold(data)?;
    let mut rest = body.as_slice();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let question = String::from_utf8(read_text(&mut rest)?.to_vec()).ok()?;
        let (kind, after) = rest.split_first()?;
        rest = after;
        let answer = read_text(&mut rest)?;
        let plain = || String::from_utf8(answer.to_vec()).ok();
        let written = match kind {
            0 => Written::Told(Told::Text(plain()?)),
            1 => Written::Told(Told::Refused(plain()?)),
            2 => Written::Part(Digest(answer.try_into().ok()?)),
            3 => {
                let (mut answer, mut spans) = (answer, Vec::new());
                while !answer.is_empty() {
                    let (first, last) = (read_number(&mut answer)?, read_number(&mut answer)?);
                    spans.push((i64::try_from(first).ok()?, i64::try_from(last).ok()?));
                }
                Written::Signals(spans)
            }
            _ => return None,
        };
        found.push((question, written));
    }
    Some(found)
}

/// Answers to be given again.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    answers: HashMap<String, Given>,
}

#[derive(Debug, Clone, Default)]
struct Given {
    told: Vec<Arc<Told>>,
    next: usize,
}

impl Recorded {
    /// These answers, in the order in which they were given.
    pub fn new(entries: impl IntoIterator<Item = (String, Arc<Told>)>) -> Self {
        let mut answers: HashMap<String, Given> = HashMap::new();
        for (question, told) in entries {
            answers.entry(question).or_default().told.push(told);
        }
        Self { answers }
    }

    /// The next answer to a question. Whoever asks more often than before hears the last answer again; `None` when it was never
    /// asked.
    pub fn answer(&mut self, question: &str) -> Option<Arc<Told>> {
        let given = self.answers.get_mut(question)?;
        let at = given.next.min(given.told.len().checked_sub(1)?);
        given.next += 1;
        Some(given.told[at].clone())
    }

    /// Questions that were asked before and were not asked again, in order.
    pub fn unasked(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.answers.iter().filter(|(_, g)| g.next == 0).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_damaged_is_no_journal() {
        assert_eq!(entries(&[]), None);
        assert_eq!(entries(&[7, 1, 2]), None);
        assert_eq!(entries(&[0, 200]), None, "cut inside a number");
        assert_eq!(entries(&[0, 3, b'a']), None, "cut inside a text");
        assert_eq!(entries(&[1, 9, 9, 9, 9]), None, "not deflated");
        assert_eq!(entries(&[0]), Some(Vec::new()));
    }

    #[test]
    fn the_nth_question_hears_the_nth_answer_and_then_the_last() {
        let told = |text: &str| Arc::new(Told::Text(text.into()));
        let mut recorded = Recorded::new([("a".to_owned(), told("1")), ("b".to_owned(), told("x")), ("a".to_owned(), told("2"))]);
        assert_eq!(recorded.unasked(), ["a", "b"]);
        assert_eq!(recorded.answer("a"), Some(told("1")));
        assert_eq!(recorded.answer("a"), Some(told("2")));
        assert_eq!(recorded.answer("a"), Some(told("2")));
        assert_eq!(recorded.answer("c"), None);
        assert_eq!(recorded.unasked(), ["b"]);
    }

    #[test]
    fn what_is_large_becomes_a_part_that_stands_once() {
        let mut journal = Journal::default();
        let large = Told::Text("stock ".repeat(2_000));
        journal.add("one", &large);
        journal.add("two", &large);
        journal.add("three", &Told::Text("small".into()));
        let (data, parts) = journal.finish();
        assert_eq!(parts.len(), 1);
        assert!(parts[0].1.len() < 200, "{} bytes", parts[0].1.len());
        assert_eq!(unfold(&parts[0].1).map(|content| Digest::of(&content)), Some(parts[0].0));
        let read = entries(&data).expect("readable");
        assert_eq!(read[0].1, Written::Part(parts[0].0));
        assert_eq!(read[2].1, Written::Told(Told::Text("small".into())));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(entries_in in prop::collection::vec((".{0,40}", any::<bool>(), ".{0,300}"), 0..40)) {
            let mut journal = Journal::default();
            let mut wanted = Vec::new();
            for (question, refused, answer) in entries_in {
                let told = if refused { Told::Refused(answer) } else { Told::Text(answer) };
                journal.add(&question, &told);
                wanted.push((question, Written::Told(told)));
            }
            let (data, parts) = journal.finish();
            prop_assert!(parts.is_empty());
            prop_assert_eq!(entries(&data), Some(wanted));
        }

        #[test]
        fn damage_never_ends_the_process(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = entries(&bytes);
        }
    }
}
