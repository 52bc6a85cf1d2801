//! Numbers, prices and quantities as French and English people and cash registers write them.
//!
//! In: the text of one cell and the decimal mark the file seems to use. Out: a value, or nothing when it is not one.
//! Never: guesses where two readings differ by a factor of a thousand and the file gives no hint.

use crate::domain::{Currency, Money};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Words without case, accents and punctuation: `"Qté (en stock)"` becomes `qte en stock`.
pub(super) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'œ' => out.push_str("oe"),
            'æ' => out.push_str("ae"),
            c if c.is_alphanumeric() => out.push(c),
            _ if out.ends_with(' ') || out.is_empty() => {}
            _ => out.push(' '),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// A decimal number as written: digits only, without separators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) negative: bool,
    whole: String,
    fraction: String,
}

fn is_space(c: char) -> bool {
    // Narrow, thin, figure and no-break spaces all count as white space in Unicode, except the byte order mark.
    c.is_whitespace() || c == '\u{feff}'
}

fn unsigned(text: &str) -> (bool, &str) {
    let text = text.trim_matches(is_space);
    match text.strip_prefix(['-', '\u{2212}', '\u{2013}']) {
        Some(rest) => (true, rest.trim_start_matches(is_space)),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// The decimal mark this number proves, if it proves one: `2,40` does, `1.234` and `12` do not.
pub(super) fn evidence(text: &str) -> Option<char> {
    let (_, text) = unsigned(text);
    let text = text.trim_matches(|c: char| !c.is_ascii_digit() && c != '.' && c != ',');
    let (at, mark) = text.char_indices().rfind(|(_, c)| matches!(c, '.' | ','))?;
    let (head, tail) = (&text[..at], &text[at + 1..]);
    if tail.is_empty() || !tail.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let other = if mark == '.' { ',' } else { '.' };
    match (head.contains(mark), head.contains(other)) {
        (true, _) => Some(other),
        (false, true) => Some(mark),
        (false, false) => (tail.len() != 3 || head == "0" || head.is_empty() || head.len() > 3).then_some(mark),
    }
}

/// Reads a number; `decimal` says what a single mark before three digits means.
pub(super) fn number(text: &str, decimal: char) -> Option<Number> {
    let (negative, text) = unsigned(text);
    if !text.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let split = match evidence(text) {
        Some(mark) => text.find(mark).map(|at| (at, mark)),
        // Nothing is proven: one mark before three digits, or none at all.
        None => text.find(decimal).map(|at| (at, decimal)),
    };
    let (head, fraction) = match split {
        Some((at, mark)) => (&text[..at], &text[at + mark.len_utf8()..]),
        None => (text, ""),
    };
    if split.is_some() && fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let groups: Vec<&str> = head.split(|c: char| is_space(c) || matches!(c, '.' | ',' | '\'' | '’')).collect();
    let sound = |g: &&str| g.bytes().all(|b| b.is_ascii_digit());
    let grouped = groups.len() == 1 || ((1..=3).contains(&groups[0].len()) && groups[1..].iter().all(|g| g.len() == 3));
    if !grouped || !groups.iter().all(sound) || (head.is_empty() && fraction.is_empty()) {
        return None;
    }
    Some(Number { negative, whole: groups.concat(), fraction: fraction.to_owned() })
}

impl Number {
    /// The nearest whole number towards minus infinity, and whether that lost anything.
    fn floor(&self) -> Option<(i64, bool)> {
        let whole: i64 = if self.whole.is_empty() { 0 } else { self.whole.parse().ok()? };
        let broken = self.fraction.bytes().any(|b| b != b'0');
        Some((if self.negative { -whole - i64::from(broken) } else { whole }, broken))
    }

    /// The amount in minor units, and whether it had to be rounded.
    fn minor(&self, decimals: u32) -> Option<(i64, bool)> {
        let width = decimals as usize;
        let kept: String = self.fraction.chars().chain(std::iter::repeat('0')).take(width).collect();
        let minor: i64 = format!("0{}{kept}", self.whole).parse().ok()?;
        let rest = self.fraction.get(width..).unwrap_or_default();
        let up = rest.bytes().next().is_some_and(|b| b >= b'5');
        let rounded = rest.bytes().any(|b| b != b'0');
        minor.checked_add(i64::from(up)).map(|m| (if self.negative { -m } else { m }, rounded))
    }
}

/// A price as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Price {
    pub(super) money: Money,
    pub(super) rounded: bool,
}

/// Codes that may stand beside a number without a column that says so. Any three letters would take "kg2" for money.
const CODES: [&str; 24] = [
    "EUR", "USD", "GBP", "CHF", "CAD", "AUD", "NZD", "JPY", "MAD", "TND", "DZD", "XAF", "XOF", "XPF", "SEK", "NOK", "DKK", "PLN",
    "CZK", "HUF", "RON", "BGN", "INR", "CNY",
];

/// Words that say there is no price to show.
const NO_PRICE: [&str; 8] = ["", "sur devis", "sur demande", "nc", "n a", "on request", "none", "null"];

/// Reads a price: `2,40 €`, `EUR 2.40`, `2€40`, `1 234,50 € TTC`. `Ok(None)` when the cell says there is none.
pub(super) fn price(text: &str, currency: Currency, decimal: char) -> Result<Option<Price>, ()> {
    let text = text.trim_matches(is_space);
    if NO_PRICE.contains(&fold(text).as_str()) && !text.bytes().any(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    let mut currency = currency;
    let mut digits = String::new();
    let mut word = String::new();
    // A space at the end closes the last word.
    for c in text.chars().chain([' ']) {
        if c.is_alphabetic() {
            word.push(c);
            continue;
        }
        match word.to_ascii_uppercase().as_str() {
            "" | "TTC" => {}
            "EURO" | "EUROS" => currency = Currency::EUR,
            code if CODES.contains(&code) => currency = Currency::parse(code).ok_or(())?,
            _ => return Err(()),
        }
        word.clear();
        match c {
            '€' | '$' | '£' => {
                currency = Currency::parse(c.encode_utf8(&mut [0; 4])).ok_or(())?;
                digits.push('€');
            }
            c => digits.push(c),
        }
    }
    let mut digits = digits.trim_matches(|c| is_space(c) || c == '€').to_owned();
    // French hand: the sign stands where the mark would.
    if let Some((euros, cents)) = digits.split_once('€') {
        let plain = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if !plain(euros) || !plain(cents) || cents.len() != 2 {
            return Err(());
        }
        digits = format!("{euros}.{cents}");
    }
    let number = number(&digits, decimal).filter(|n| !n.negative).ok_or(())?;
    let (minor, rounded) = number.minor(currency.decimals()).ok_or(())?;
    Ok(Some(Price { money: Money { minor, currency }, rounded }))
}

/// A quantity as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// The catalog does not count this product.
    Uncounted,
    Exactly(i64),
    /// Rounded down from a fraction.
    Floored(i64),
    /// Less than nothing: a stock that was not kept up to date.
    Negative,
}

const UNCOUNTED: [&str; 14] = [
    "",
    "illimite",
    "illimitee",
    "infini",
    "unlimited",
    "infinite",
    "non suivi",
    "non gere",
    "not tracked",
    "en stock",
    "in stock",
    "disponible",
    "available",
    "toujours",
];
const NOTHING: [&str; 14] = [
    "rupture",
    "rupture de stock",
    "en rupture",
    "epuise",
    "epuisee",
    "sold out",
    "out of stock",
    "indisponible",
    "unavailable",
    "vendu",
    "aucun",
    "aucune",
    "none",
    "zero",
];
const UNITS: [&str; 13] = ["pcs", "pc", "pieces", "piece", "u", "unites", "unite", "units", "unit", "kg", "g", "l", "ex"];

/// Reads a quantity: a number with or without a unit, or a word such as `rupture` or `illimité`.
pub(super) fn quantity(text: &str, decimal: char) -> Option<Quantity> {
    let text = text.trim_matches(is_space);
    if text == "∞" {
        return Some(Quantity::Uncounted);
    }
    if !text.bytes().any(|b| b.is_ascii_digit()) {
        let word = fold(text);
        return match word.as_str() {
            // A dash or a question mark folds to nothing, and says nothing.
            "" if !text.is_empty() => None,
            w if UNCOUNTED.contains(&w) => Some(Quantity::Uncounted),
            w if NOTHING.contains(&w) => Some(Quantity::Exactly(0)),
            _ => None,
        };
    }
    let bare = text.trim_end_matches(|c: char| c.is_alphabetic() || c == '.').trim_end_matches(is_space);
    let unit = fold(&text[bare.len()..]);
    if !unit.is_empty() && !UNITS.contains(&unit.as_str()) {
        return None;
    }
    let (count, broken) = number(bare, decimal)?.floor()?;
    Some(match (count, broken) {
        (i64::MIN..0, _) => Quantity::Negative,
        (n, true) => Quantity::Floored(n),
        (n, false) => Quantity::Exactly(n),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Language;
    use proptest::prelude::*;

    #[test]
    fn prices_read_in_every_hand() {
        let table = [
            ("2,40 €", ',', "2,40\u{a0}€"),
            ("2.40", ',', "2,40\u{a0}€"),
            ("2.4", ',', "2,40\u{a0}€"),
            ("EUR 2.40", ',', "2,40\u{a0}€"),
            ("2€40", ',', "2,40\u{a0}€"),
            ("€ 2.40", '.', "2,40\u{a0}€"),
            ("1 234,50 € TTC", ',', "1234,50\u{a0}€"),
            ("1\u{202f}234,50\u{a0}€", ',', "1234,50\u{a0}€"),
            ("1.234,50", ',', "1234,50\u{a0}€"),
            ("1,234.50", '.', "1234,50\u{a0}€"),
            ("1'234.50 CHF", '.', "1234,50\u{a0}CHF"),
            ("1,234,567", '.', "1234567,00\u{a0}€"),
            ("1.234", ',', "1234,00\u{a0}€"),
            ("1.234", '.', "1,23\u{a0}€"),
            ("1,234", ',', "1,23\u{a0}€"),
            ("0,900", '.', "0,90\u{a0}€"),
            (",50", ',', "0,50\u{a0}€"),
            ("12", ',', "12,00\u{a0}€"),
            ("3 euros", ',', "3,00\u{a0}€"),
            ("$5", '.', "5,00\u{a0}$"),
            ("500 JPY", '.', "500\u{a0}JPY"),
        ];
        for (text, decimal, shown) in table {
            let read = price(text, Currency::EUR, decimal).unwrap_or_else(|()| panic!("{text} was refused"));
            assert_eq!(read.expect("a price").money.show(Language::Fr), shown, "{text}");
        }
        assert_eq!(price("2,405", Currency::EUR, ',').map(|p| p.map(|p| (p.money.minor, p.rounded))), Ok(Some((241, true))));
        assert_eq!(price("2,400", Currency::EUR, ',').map(|p| p.map(|p| (p.money.minor, p.rounded))), Ok(Some((240, false))));
        for none in ["sur devis", "N/A", "-", "--", "€", ""] {
            assert_eq!(price(none, Currency::EUR, ','), Ok(None), "{none}");
        }
    }

    #[test]
    fn what_is_not_a_price_is_refused() {
        for text in ["abc", "12,", "2,40 €/kg", "-3", "1 23,50", "12 34", "2,4,0", "2€4", "abc 3", "9999999999999999999", "1.2.3"]
        {
            assert_eq!(price(text, Currency::EUR, ','), Err(()), "{text}");
        }
    }

    #[test]
    fn quantities_are_numbers_or_words() {
        use Quantity::{Exactly, Floored, Negative, Uncounted};
        for (text, wanted) in [
            ("", Some(Uncounted)),
            ("Illimité", Some(Uncounted)),
            ("UNLIMITED", Some(Uncounted)),
            ("0", Some(Exactly(0))),
            ("Épuisé", Some(Exactly(0))),
            ("rupture", Some(Exactly(0))),
            ("Sold out", Some(Exactly(0))),
            ("12 pcs", Some(Exactly(12))),
            ("1 200", Some(Exactly(1200))),
            ("2,5 kg", Some(Floored(2))),
            ("0,9", Some(Floored(0))),
            ("-3", Some(Negative)),
            ("-0", Some(Exactly(0))),
            ("-", None),
            ("?", None),
            ("12 boîtes rouges", None),
            ("10+", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(quantity(text, ','), wanted, "{text}");
        }
    }

    #[test]
    fn folding_leaves_words() {
        for (text, folded) in
            [("Qté (en stock)", "qte en stock"), ("  PRIX TTC (€) ", "prix ttc"), ("N° cœur", "n coeur"), ("—", "")]
        {
            assert_eq!(fold(text), folded);
        }
    }

    proptest! {
        #[test]
        fn any_cell_is_read_or_refused_and_never_panics(text in ".{0,24}", odd in "[-+0-9 .,'€a-z\u{a0}]{0,14}", comma: bool) {
            let mark = if comma { ',' } else { '.' };
            for cell in [&text, &odd] {
                let _ = (price(cell, Currency::EUR, mark), quantity(cell, mark), fold(cell));
            }
        }

        #[test]
        fn what_is_shown_is_read_back(minor in 0_i64..100_000_000_000) {
            let money = Money::eur(minor);
            for (language, mark) in [(Language::Fr, ','), (Language::En, '.')] {
                prop_assert_eq!(price(&money.show(language), Currency::EUR, mark).map(|p| p.map(|p| p.money)), Ok(Some(money)));
            }
        }
    }
}
