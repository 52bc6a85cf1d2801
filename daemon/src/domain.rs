//! The values everything else speaks in: time, money, names, ids, languages.
//!
//! In: text from people, numbers from the store. Out: values whose invariants hold from then on.
//! Never: reads a clock, a file or the network; a value is made once at the edge and trusted inside.

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeZone, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A JSON document, used where the shape belongs to a script, a plugin or a remote service.
pub type Json = serde_json::Value;

/// An IANA time zone such as `Europe/Paris`.
pub type Zone = chrono_tz::Tz;

/// UTC milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first instant, used as "before everything".
    pub const EPOCH: Timestamp = Timestamp(0);
    /// The last instant this program can print (end of the year 9999), used as "never".
    pub const NEVER: Timestamp = Timestamp(253_402_300_799_000);

    /// From UTC milliseconds; values outside 1970 to 9999 are brought to the nearest end.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < 0 {
            Self::EPOCH
        } else if millis > Self::NEVER.0 {
            Self::NEVER
        } else {
            Self(millis)
        }
    }

    /// UTC milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339, such as `2026-03-28T22:50:00+01:00`.
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text.trim()).ok().map(|t| Self::from_millis(t.timestamp_millis()))
    }

    /// This instant as a chrono value in UTC.
    pub fn utc(self) -> DateTime<Utc> {
        Utc.timestamp_millis_opt(self.0).single().expect("a Timestamp lies between 1970 and 9999")
    }

    /// This instant as a chrono value in a zone.
    pub fn local(self, zone: Zone) -> DateTime<Zone> {
        self.utc().with_timezone(&zone)
    }

    /// The calendar day in a zone.
    pub fn day(self, zone: Zone) -> NaiveDate {
        self.local(zone).date_naive()
    }

    /// RFC 3339 with the zone's offset; milliseconds only when there are any.
    pub fn rfc3339(self, zone: Zone) -> String {
        self.local(zone).to_rfc3339_opts(SecondsFormat::AutoSi, true).replace('Z', "+00:00")
    }

    /// Later by a span, stopping at [`Timestamp::NEVER`].
    pub fn plus(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Earlier by a span, stopping at [`Timestamp::EPOCH`].
    pub fn minus(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// The span from `earlier` to this instant; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

impl<T: chrono::TimeZone> From<DateTime<T>> for Timestamp {
    fn from(value: DateTime<T>) -> Self {
        Self::from_millis(value.timestamp_millis())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not one of the values of this module. The sentence says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAValue(pub String);

/// Reads a span such as `45s`, `30m`, `6h`, `2d`, `1w`, or several in a row: `1h30m`.
///
/// # Errors
/// A sentence that shows the accepted forms.
pub fn parse_span(text: &str) -> Result<Duration, NotAValue> {
    let wrong = || {
        NotAValue(format!("\"{text}\" is not a length of time. Write for example \"45s\", \"30m\", \"6h\", \"2d\" or \"1h30m\"."))
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit_len = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match &rest[..unit_len] {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" | "j" => 86_400_000,
            "w" => 604_800_000,
            _ => return Err(wrong()),
        };
        rest = rest[unit_len..].trim_start();
        millis = number.checked_mul(unit).and_then(|part| millis.checked_add(part)).ok_or_else(wrong)?;
    }
    // A thousand years is more than any rule of a shop needs, and keeps date arithmetic in range.
    if millis > 1_000 * 366 * 86_400_000 {
        return Err(wrong());
    }
    Ok(Duration::from_millis(millis))
}

/// Writes a span the way [`parse_span`] reads it, largest units first, at most two of them.
pub fn show_span(span: Duration) -> String {
    let mut left = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut out = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        let count = left / size;
        if count > 0 && out.matches(char::is_alphabetic).count() < 2 {
            out.push_str(&format!("{count}{unit}"));
        }
        left %= size;
    }
    if out.is_empty() { "0s".into() } else { out }
}

/// An amount of money in minor units (cents) of an ISO 4217 currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Minor units: 240 is 2.40 for a currency with two decimals.
    pub minor: i64,
    /// ISO 4217 code, upper case, such as `EUR`.
    pub currency: Currency,
}

/// An ISO 4217 currency code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro.
    pub const EUR: Currency = Currency(*b"EUR");

    /// Reads a three-letter code in any case, or one of the signs €, $, £.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "€" => return Some(Self(*b"EUR")),
            "$" => return Some(Self(*b"USD")),
            "£" => return Some(Self(*b"GBP")),
            _ => {}
        }
        let upper = text.trim().to_ascii_uppercase();
        let code: [u8; 3] = upper.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_uppercase).then_some(Self(code))
    }

    /// The code, such as `EUR`.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency code is ASCII")
    }

    /// Digits after the decimal mark (ISO 4217): 0 for the yen, 3 for the dinars, else 2.
    pub fn decimals(&self) -> u32 {
        match &self.0 {
            b"JPY" | b"KRW" | b"VND" | b"CLP" | b"ISK" | b"XAF" | b"XOF" | b"XPF" | b"UGX" | b"RWF" | b"PYG" => 0,
            b"BHD" | b"KWD" | b"OMR" | b"TND" | b"JOD" | b"IQD" | b"LYD" => 3,
            _ => 2,
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a currency is three letters, such as EUR"))
    }
}

/// The language of what people read: French first, English as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// French.
    #[default]
    Fr,
    /// English.
    En,
}

impl Language {
    /// Reads `fr`, `fr-FR`, `en`, `en-GB`…
    pub fn parse(text: &str) -> Option<Self> {
        match text.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "fr" => Some(Self::Fr),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// Chooses between the French and the English form.
    pub fn pick<T>(self, fr: T, en: T) -> T {
        match self {
            Self::Fr => fr,
            Self::En => en,
        }
    }
}

impl Money {
    /// An amount in euros given in cents.
    pub const fn eur(minor: i64) -> Self {
        Self { minor, currency: Currency::EUR }
    }

    /// The way a shop window in this language shows it: `2,40 €` or `€2.40`.
    pub fn show(&self, language: Language) -> String {
        let decimals = self.currency.decimals();
        let unit = 10_i64.pow(decimals);
        let sign = if self.minor < 0 { "-" } else { "" };
        let (whole, part) = (self.minor.abs() / unit, self.minor.abs() % unit);
        let width = decimals as usize;
        let number = |mark: &str| if decimals == 0 { format!("{whole}") } else { format!("{whole}{mark}{part:0width$}") };
        let symbol = match self.currency.code() {
            "EUR" => "€",
            "USD" => "$",
            "GBP" => "£",
            other => return format!("{sign}{}\u{a0}{other}", number(language.pick(",", "."))),
        };
        match language {
            Language::Fr => format!("{sign}{}\u{a0}{symbol}", number(",")),
            Language::En => format!("{sign}{symbol}{}", number(".")),
        }
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub i64);

        impl $name {
            #[doc = concat!("Reads `", $prefix, "12` or `12`.")]
            pub fn parse(text: &str) -> Option<Self> {
                let digits = text.strip_prefix($prefix).unwrap_or(text);
                digits.parse().ok().filter(|n| *n > 0).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
    };
}

id!(
    /// One occurrence of a workflow, and the run that carried it out: they share a number.
    RunId, "r"
);
id!(
    /// One post, as planned by a run, for one or more accounts.
    PostId, "p"
);
id!(
    /// One post on its way to one account, or one notice on its way to one person.
    DeliveryId, "d"
);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
        #[serde(transparent)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Reads a name: 1 to 64 characters of `a-z`, `0-9`, `-` and `_`, starting with a letter or digit.
            ///
            /// # Errors
            /// A sentence that says what a name is.
            pub fn parse(text: &str) -> Result<Self, NotAValue> {
                let good = (1..=64).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
                    && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
                if good {
                    Ok(Self(text.into()))
                } else {
                    Err(NotAValue(format!(
                        concat!("\"{}\" cannot name ", $what, ". Use up to 64 small letters without accents, digits, \"-\" and \"_\"."),
                        text.chars().take(80).collect::<String>()
                    )))
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// The name of a workflow in the configuration.
    WorkflowName, "a workflow"
);
name!(
    /// The name of an account in the configuration: one presence on one network.
    AccountName, "an account"
);
name!(
    /// The name of a feed in the configuration.
    FeedName, "a feed"
);
name!(
    /// The name of a catalog of products in the configuration.
    CatalogName, "a catalog"
);
name!(
    /// The name of a person who gets notices and may approve.
    PersonName, "a person"
);
name!(
    /// The name of a plugin, as its manifest says.
    PluginName, "a plugin"
);
name!(
    /// The name of a generator of texts in the configuration.
    GeneratorName, "a generator"
);

/// Something nobody may read by accident: it has no `Display`, and its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Keeps this text to itself.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the wire and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A SHA-256 digest, printed in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Reads the 64 digits that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut out = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        for (at, byte) in out.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(out))
    }

    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The first twelve hexadecimal characters: enough for people to tell two apart.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every run writes down two of these: one text of known length is much quicker than 32 formatted numbers.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let text = std::array::from_fn::<u8, 64, _>(|at| DIGITS[usize::from(self.0[at / 2] >> (4 - at % 2 * 4) & 15)]);
        f.write_str(std::str::from_utf8(&text).expect("these digits are ASCII"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("\"{text}\" is no digest")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_show() {
        for (text, seconds) in [("45s", 45), ("30m", 1_800), ("1h30m", 5_400), ("2d", 172_800), ("1w", 604_800)] {
            assert_eq!(parse_span(text), Ok(Duration::from_secs(seconds)));
        }
        assert_eq!(show_span(Duration::from_secs(5_400)), "1h30m");
        assert_eq!(show_span(Duration::ZERO), "0s");
        for wrong in ["", "h", "5", "5 parsecs", "-3m", "99999999999999999999s", "999999w"] {
            assert!(parse_span(wrong).is_err(), "{wrong} was taken for a span");
        }
    }

    #[test]
    fn money_is_shown_in_the_readers_way() {
        assert_eq!(Money::eur(240).show(Language::Fr), "2,40\u{a0}€");
        assert_eq!(Money::eur(-5).show(Language::En), "-€0.05");
        let yen = Money { minor: 300, currency: Currency::parse("jpy").expect("a code") };
        assert_eq!(yen.show(Language::En), "300\u{a0}JPY");
    }

    #[test]
    fn names_refuse_what_a_path_or_a_key_could_abuse() {
        assert!(WorkflowName::parse("rotation-fb_2").is_ok());
        for wrong in ["", "é", "a b", "../x", "-x", "A", &"x".repeat(65)] {
            assert!(WorkflowName::parse(wrong).is_err(), "{wrong} was taken for a name");
        }
    }

    #[test]
    fn timestamps_round_trip_with_offset() {
        let t = Timestamp::parse("2026-03-28T22:50:00+01:00").expect("RFC 3339");
        assert_eq!(t.rfc3339(chrono_tz::Europe::Paris), "2026-03-28T22:50:00+01:00");
        assert_eq!(t.rfc3339(chrono_tz::UTC), "2026-03-28T21:50:00+00:00");
        assert_eq!(Timestamp::NEVER.plus(Duration::from_secs(1)), Timestamp::NEVER);
    }
}
