//! The roll of a catalog: which products it had at the last complete read, so that those that are gone can be told.
//!
//! In: the products of each page of a complete read. Out: at its end, the products that are there no more.
//! Never: takes a read that was cut short for a complete one, or a full store for an empty shop: then nobody is missing.
//!
//! It lives in the plugin's private state under `roll:`. Shops have no list of what they deleted, hence this one.

use crate::json::{Map, Value};
use crate::values::Error;
use crate::{log, pick, state};

const KNOWN: &str = "roll:known";
const SEEN: &str = "roll:seen";

/// A complete read begins.
///
/// # Errors
/// When the state cannot be written.
pub fn begin() -> Result<(), Error> {
    write(SEEN, Value::Object(Map::new()))
}

/// Products that the complete read has met.
///
/// # Errors
/// When what is in the state is not a roll.
pub fn note<'a>(skus: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    add(SEEN, skus)
}

/// Products that came in between complete reads.
///
/// # Errors
/// When what is in the state is not a roll.
pub fn join<'a>(skus: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    add(KNOWN, skus)
}

/// The complete read is over: which products are no longer there.
///
/// # Errors
/// When what is in the state is not a roll.
pub fn finish() -> Result<Vec<String>, Error> {
    let (known, seen) = (read(KNOWN)?, read(SEEN)?);
    state::remove(SEEN);
    state::remove(KNOWN);
    let Some(seen) = seen else { return Ok(Vec::new()) };
    let gone = known.unwrap_or_default().into_iter().map(|(sku, _)| sku).filter(|sku| !seen.contains_key(sku)).collect();
    write(KNOWN, Value::Object(seen))?;
    Ok(gone)
}

/// A roll; none when there is none, or it was too long to keep.
fn read(key: &str) -> Result<Option<Map>, Error> {
    Ok(match state::get_json(key)? {
        Some(Value::Object(roll)) => Some(roll),
        _ => None,
    })
}

/// The names are the keys of an object: the type that plugins carry anyway.
fn write(key: &str, roll: Value) -> Result<(), Error> {
    state::set_json(key, &roll)
}

fn add<'a>(key: &str, skus: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    // `null` stays where a roll was given up, so that the rest of it is not taken for the whole.
    let Some(mut roll) = read(key)? else { return Ok(()) };
    roll.extend(skus.into_iter().map(|sku| (sku, 1)));
    if write(key, Value::Object(roll)).is_err() {
        log::warn(pick(
            "Ce catalogue est trop long pour retenir ses articles : les articles retirés ne seront pas signalés.",
            "This catalog is too long to keep a roll of: products that are taken away will not be reported.",
        ));
        write(key, Value::Null)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Host;

    fn read_all(pages: &[&[&str]]) -> Result<Vec<String>, Error> {
        begin()?;
        for page in pages {
            note(page.iter().copied())?;
        }
        finish()
    }

    #[test]
    fn what_is_missing_from_a_complete_read_is_gone() {
        let host = Host::new();
        assert_eq!(host.run(|| read_all(&[&["a", "b"], &["c"]])), Ok(vec![]));
        assert_eq!(host.run(|| read_all(&[&["a"], &["c", "d"]])), Ok(vec!["b".to_owned()]));
        assert_eq!(host.run(|| join(["e"])), Ok(()));
        assert_eq!(host.run(|| read_all(&[&["a"]])), Ok(vec!["c".to_owned(), "d".to_owned(), "e".to_owned()]));
    }

    #[test]
    fn a_read_that_was_cut_short_proves_nothing() {
        let host = Host::new();
        assert_eq!(host.run(|| read_all(&[&["a", "b"]])), Ok(vec![]));
        assert!(host.run(|| begin().and_then(|()| note(["a"])).and(Err::<(), _>(Error::retry("lost", "Lost.")))).is_err());
        assert_eq!(host.run(|| read_all(&[&["a", "b"]])), Ok(vec![]));
    }

    #[test]
    fn a_roll_too_long_to_keep_reports_nobody() {
        let host = Host::new().quota(70);
        assert_eq!(host.run(|| read_all(&[&["a"]])), Ok(vec![]));
        let long = "x".repeat(50);
        assert_eq!(host.run(|| read_all(&[&[long.as_str()], &["b"]])), Ok(vec![]));
        assert_eq!(host.log().len(), 1);
        assert_eq!(host.run(|| read_all(&[&["b"]])), Ok(vec![]));
        assert_eq!(host.run(|| read_all(&[&[]])), Ok(vec!["b".to_owned()]));
    }
}
