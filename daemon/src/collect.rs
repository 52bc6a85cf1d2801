//! Collects figures: what each account reached, day by day.
//!
//! In: the metrics files of the configuration, as CSV with the columns account, date, name, value; in `accounts`, the networks
//! themselves. Out: rows of the metric series; a file read again replaces what it said before.
//! Never: guesses a figure. A line that makes no sense is told and left out; a day without a line stays unknown.

mod accounts;

pub use accounts::{AccountReader, Reached};

use crate::clock::{Clock, Turn};
use crate::domain::Digest;
use crate::instance::Current;
use crate::store::{Change, CommitError, Op, Store, view};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Files are looked at again after this long.
const REST: Duration = Duration::from_secs(600);
/// A file larger than this is not one of figures per day.
const LARGEST: u64 = 32 << 20;
/// Most remarks about one file.
const REMARKS: usize = 5;

/// Reads metrics files. One per daemon.
pub struct Collector {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    current: Arc<Current>,
    next: crate::domain::Timestamp,
}

impl Collector {
    /// A collector that looks at every file at its first turn.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>, current: Arc<Current>) -> Self {
        Self { store, clock, current, next: crate::domain::Timestamp::EPOCH }
    }

    /// Makes the next turn look at every file.
    pub fn look_again(&mut self) {
        self.next = crate::domain::Timestamp::EPOCH;
    }

    /// Reads the files that changed.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn turn(&mut self) -> Result<Turn, CommitError> {
        let now = self.clock.now();
        if now < self.next && self.next.since(now) <= REST {
            return Ok(Turn::Idle(Some(self.next)));
        }
        let instance = self.current.get();
        for file in &instance.metrics {
            if let Err(problem) = self.read(file)? {
                tracing::warn!("{problem}");
            }
        }
        self.next = now.plus(REST);
        Ok(Turn::Idle(Some(self.next)))
    }

    fn read(&self, file: &Path) -> Result<Result<(), String>, CommitError> {
        let name = file.display().to_string();
        let bytes = match bytes_of(file) {
            Ok(bytes) => bytes,
            Err(problem) => return Ok(Err(problem)),
        };
        let cursor = Digest::of(&bytes).to_string();
        if view::metric_cursor(&*self.store.read()?, &name)?.as_deref() == Some(&cursor) {
            return Ok(Ok(()));
        }
        let (rows, remarks) = match rows(&bytes) {
            Ok(read) => read,
            Err(problem) => return Ok(Err(format!("{name}: {problem}"))),
        };
        for remark in remarks.iter().take(REMARKS) {
            tracing::warn!("{name}: {remark}");
        }
        if remarks.len() > REMARKS {
            tracing::warn!("{name}: {} more lines could not be read.", remarks.len() - REMARKS);
        }
        self.store.commit(Change::new(self.clock.now(), vec![Op::Metrics { path: name, cursor, rows }]))?;
        Ok(Ok(()))
    }
}

fn bytes_of(file: &Path) -> Result<Vec<u8>, String> {
    let name = file.display();
    let cannot =
        |error: std::io::Error| format!("The metrics file {name} cannot be read: {error}. Check its path under [metrics].");
    let about = std::fs::metadata(file).map_err(cannot)?;
    if !about.is_file() {
        return Err(format!("The metrics file {name} is not a plain file. Check its path under [metrics]."));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file).and_then(|f| f.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("The metrics file {name} is larger than 32 MiB. Keep older years in a file of their own."));
    }
    Ok(bytes)
}

/// What is wrong with a metrics file, in sentences: with the whole of it, or with single lines.
pub fn remarks(file: &Path) -> Vec<String> {
    match bytes_of(file).and_then(|bytes| rows(&bytes)) {
        Ok((_, remarks)) => remarks,
        Err(problem) => vec![problem],
    }
}

/// Account, name, day and value of each line.
type Figures = Vec<(String, String, String, f64)>;

/// Reads a metrics file: the figures, and a sentence for each line that makes no sense.
///
/// # Errors
/// A sentence, when the file as a whole is not such a file.
pub fn rows(bytes: &[u8]) -> Result<(Figures, Vec<String>), String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("The file is written in UTF-16. Save it as \"CSV UTF-8\".".into());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let delimiter = if first.contains(&b';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let wrong = "The first line must name the columns account, date, name and value.";
    let headers = reader.headers().map_err(|e| format!("{wrong} ({e})"))?.clone();
    let column = |name: &str| headers.iter().position(|h| h.eq_ignore_ascii_case(name)).ok_or_else(|| wrong.to_owned());
    let (account, date, name, value) = (column("account")?, column("date")?, column("name")?, column("value")?);
    let (mut rows, mut remarks) = (Vec::new(), Vec::new());
    for (at, record) in reader.records().enumerate() {
        let line = at + 2;
        let Ok(record) = record else {
            remarks.push(format!("line {line} is not text in UTF-8."));
            continue;
        };
        let field = |at: usize| record.get(at).unwrap_or_default();
        let day: Result<chrono::NaiveDate, _> = field(date).parse();
        let number: Result<f64, _> = field(value).replace(',', ".").parse();
        match (day, number) {
            (Ok(day), Ok(number)) if number.is_finite() && !field(account).is_empty() && !field(name).is_empty() => {
                rows.push((field(account).to_owned(), field(name).to_owned(), day.to_string(), number));
            }
            (Err(_), _) => remarks.push(format!("line {line}: \"{}\" is not a day such as 2026-11-22.", field(date))),
            _ => remarks.push(format!("line {line} lacks an account, a name or a number.")),
        }
    }
    Ok((rows, remarks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_lines_are_kept_and_bad_ones_are_named() {
        let text = "account;date;name;value\nfacebook;2026-11-16;clicks;12\nfacebook;16/11/2026;clicks;3\n;2026-11-16;clicks;1\nx;2026-11-17;revenue;3,5\n";
        let (rows, remarks) = rows(text.as_bytes()).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1], ("x".into(), "revenue".into(), "2026-11-17".into(), 3.5));
        assert!(remarks[0].contains("line 3") && remarks[1].contains("line 4"), "{remarks:?}");
    }

    #[test]
    fn another_file_is_refused_with_a_sentence() {
        assert!(rows(b"sku,stock\nA,1\n").unwrap_err().contains("account, date, name and value"));
        assert!(rows(b"").is_err());
        assert!(rows(&[0xff, 0xfe, 0x00, 0x61]).is_err());
    }
}
