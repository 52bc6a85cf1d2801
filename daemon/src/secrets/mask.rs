//! Hides every secret in use from what people and files are told.
//!
//! In: secrets as they are read, texts on their way out. Out: the same texts with `***` where a secret stood, however it was
//! written down: as it is, percent-encoded, in base64, in hexadecimal, or as JSON.
//! Never: forgets one that is in use, or costs anything while none is known.

use crate::domain::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What stands where a secret stood.
const STARS: &str = "***";
/// A form shorter than this would hide ordinary words.
pub(super) const SHORTEST: usize = 6;
/// Values remembered for one place: a rotated token may still be on its way into a log when the next one comes.
const REMEMBERED: usize = 4;

/// Whether there is anything to look for.
static ANY: AtomicBool = AtomicBool::new(false);
/// The latest values by what they are of. One list for the whole process: the log is the whole process's, too.
static VALUES: Mutex<BTreeMap<String, VecDeque<Secret>>> = Mutex::new(BTreeMap::new());
/// All that must not be seen, longest first. Only ever replaced whole: what is logged while a secret is learnt must not wait.
static FORMS: RwLock<Option<Arc<[String]>>> = RwLock::new(None);

/// Takes a secret into the list. `of` says what it is of: the next values of the same push the oldest ones out.
pub fn learn(of: &str, secret: &Secret) {
    if secret.expose().len() < SHORTEST {
        return;
    }
    let mut all = VALUES.lock().unwrap_or_else(PoisonError::into_inner);
    let values = all.entry(of.to_owned()).or_default();
    if values.front() == Some(secret) {
        return;
    }
    values.retain(|v| v != secret);
    values.push_front(secret.clone());
    values.truncate(REMEMBERED);
    let mut found: Vec<String> = all.values().flatten().flat_map(|s| forms(s.expose())).collect();
    found.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    found.dedup();
    *FORMS.write().unwrap_or_else(PoisonError::into_inner) = Some(found.into());
    ANY.store(true, Ordering::Release);
}

/// The text with every known secret replaced.
pub fn mask(text: &str) -> Cow<'_, str> {
    if !ANY.load(Ordering::Acquire) {
        return Cow::Borrowed(text);
    }
    let forms = FORMS.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
    hide(text, forms.iter().map(String::as_str))
}

/// The text with all of these replaced. Where two of them overlap, both are covered whole.
pub(super) fn hide<'t, 'f>(text: &'t str, forms: impl Iterator<Item = &'f str>) -> Cow<'t, str> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for form in forms {
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find(form)).map(|at| from + at) {
            found.push((at, at + form.len()));
            from = at + text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_unstable();
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end) in found {
        if start >= done {
            out.push_str(&text[done..start]);
            out.push_str(STARS);
        }
        done = done.max(end);
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

/// Every way in which a secret may be written down.
pub(super) fn forms(secret: &str) -> Vec<String> {
    let json = serde_json::to_string(secret).expect("a text is JSON");
    let json = &json[1..json.len() - 1];
    let ascii = |text: &str| {
        text.chars().fold(String::new(), |mut out, c| {
            if c.is_ascii() {
                out.push(c);
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            out
        })
    };
    let debug = format!("{secret:?}");
    let percent = percent(secret, |_| false);
    let hex = secret.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    });
    let mut all = vec![
        secret.to_owned(),
        json.to_owned(),
        json.replace('/', "\\/"),
        ascii(json),
        debug[1..debug.len() - 1].to_owned(),
        lower_escapes(&percent),
        super::apply::in_path(secret),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        percent,
        hex.to_uppercase(),
        hex,
    ];
    all.extend(inside_base64(secret.as_bytes()));
    // The journal takes a text line by line.
    all.extend(secret.lines().map(str::to_owned));
    all.retain(|form| form.len() >= SHORTEST);
    all.sort_unstable();
    all.dedup();
    all
}

/// Percent-encodes all but the letters, digits and signs that never need it, and what `plain` lets through.
pub(super) fn percent(text: &str, plain: impl Fn(u8) -> bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || plain(byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn lower_escapes(percent: &str) -> String {
    let mut out = String::with_capacity(percent.len());
    let mut left = 0;
    for c in percent.chars() {
        out.push(if left > 0 { c.to_ascii_lowercase() } else { c });
        left = if c == '%' { 2 } else { usize::max(left, 1) - 1 };
    }
    out
}

/// What base64 makes of these bytes wherever they stand in a longer text, as in `user:password`: at each of the three offsets,
/// the characters that depend on them alone.
fn inside_base64(bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    for offset in 0..3 {
        let padded = [&vec![0; offset], bytes].concat();
        // The first characters mix with what stands before, the last one may mix with what follows.
        let (first, last) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
        for text in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            all.extend(text.get(first..last).filter(|t| t.len() >= SHORTEST).map(str::to_owned));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hidden(text: &str, secret: &str) -> String {
        let forms = forms(secret);
        hide(text, forms.iter().map(String::as_str)).into_owned()
    }

    #[test]
    fn a_secret_is_hidden_however_it_is_written() {
        let secret = "pä/ss \"wörd\"+%7";
        for written in [
            secret.to_owned(),
            serde_json::to_string(secret).expect("JSON"),
            format!("{secret:?}"),
            percent(secret, |_| false),
            percent(secret, |_| false).to_lowercase(),
            url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
            STANDARD_NO_PAD.encode(secret),
        ] {
            let out = hidden(&format!("before {written} after"), secret);
            assert!(out.contains("before ") && out.contains(STARS) && out.contains(" after"), "{out}");
            assert!(!out.contains("rd") && !out.contains(&written), "{written}: {out}");
        }
    }

    #[test]
    fn a_secret_of_several_lines_is_hidden_line_by_line() {
        let out = hidden("<3>first line\n<3>second line\n", "first line\nsecond line\n");
        assert_eq!(out, "<3>***\n<3>***\n");
    }

    #[test]
    fn overlapping_secrets_leave_no_rest() {
        assert_eq!(hide("xABCDEFGHx", ["ABCDEF", "DEFGH"].into_iter()), "x***x");
        assert_eq!(hide("aaaaaaa", std::iter::once("aaaaaa")), "***");
        assert_eq!(hide("ABABABABA-ABABAB", std::iter::once("ABABAB")), "***A-***");
    }

    #[test]
    fn text_without_secrets_is_not_even_copied() {
        assert!(matches!(hide("nothing here", std::iter::once("secret")), Cow::Borrowed(_)));
    }

    #[test]
    fn only_the_latest_values_of_one_place_are_remembered() {
        for n in 0..9 {
            learn("test:rotating", &Secret::new(format!("rotating-value-{n}")));
        }
        assert_eq!(mask("rotating-value-8 rotating-value-5 rotating-value-4"), "*** *** rotating-value-4");
    }

    proptest! {
        #[test]
        fn base64_hides_it_in_any_company(secret in "[!-~]{12,40}", before in "[a-z]{0,9}", after in "[a-z]{0,9}") {
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                let out = hidden(&engine.encode(format!("{before}:{secret}{after}")), &secret);
                prop_assert!(out.contains(STARS));
                // What is left of it are the characters it shares with its neighbours.
                prop_assert!(out.len() <= (before.len() + after.len() + 1) * 4 / 3 + 3 + 5, "{}", out);
            }
        }

        #[test]
        fn nothing_else_is_lost(text in "\\PC{0,60}", secret in "[a-z]{6,9}") {
            let out = hidden(&text, &secret);
            prop_assert!(!out.contains(&secret));
            if out == text { return Ok(()); }
            prop_assert!(out.contains(STARS));
        }
    }
}
