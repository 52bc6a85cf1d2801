//! TOML as people wrote it: tables, keys and values, each with its place in the file.
//!
//! In: the text of a configuration or of a plugin's manifest, and the keys each of its sections may have. Out: tables that give
//! typed values, and findings about whatever is not as it should be.
//! Never: stops at the first finding, or holds more than the part of the file that is being read.

mod findings;

pub(crate) use findings::Findings;

use crate::domain::{parse_span, show_span};
use crate::problem::did_you_mean;
use std::borrow::Cow;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A stretch of the file that parses by itself.
///
/// The workflows are read one after the other, because the tree of a hundred thousand tables takes several times the memory of
/// everything that is kept of them.
pub(crate) struct Piece<'t> {
    text: Cow<'t, str>,
    /// Where stretches of `text` begin, there and in the file.
    map: Vec<(usize, usize)>,
}

impl<'t> Piece<'t> {
    /// These stretches of the file, one after the other.
    pub(crate) fn new(file: &'t str, ranges: &[Range<usize>]) -> Self {
        let adjacent = ranges.windows(2).all(|pair| pair[0].end == pair[1].start);
        if let (Some(first), Some(last), true) = (ranges.first(), ranges.last(), adjacent) {
            return Self { text: Cow::Borrowed(&file[first.start..last.end]), map: vec![(0, first.start)] };
        }
        let mut text = String::with_capacity(ranges.iter().map(Range::len).sum());
        let mut map = Vec::with_capacity(ranges.len());
        for range in ranges {
            map.push((text.len(), range.start));
            text.push_str(&file[range.clone()]);
        }
        Self { text: Cow::Owned(text), map }
    }

    /// The place in the file of a place in this piece.
    fn place(&self, range: Range<usize>) -> Range<usize> {
        let at = self.map.partition_point(|(here, _)| *here <= range.start);
        let Some((here, there)) = at.checked_sub(1).and_then(|at| self.map.get(at)) else { return range };
        let start = there + (range.start - here);
        start..start + range.len()
    }

    /// The tables of this piece, as far as they can be read; syntax errors become findings.
    pub(crate) fn parse(&self, findings: &Findings<'_>) -> DeTable<'_> {
        let (document, errors) = DeTable::parse_recoverable(&self.text);
        for error in errors {
            let range = error.span().unwrap_or(0..0);
            let raw = self.text.get(range.clone()).unwrap_or_default();
            let (message, help) = sentence(error.message(), raw, self.text.get(range.end..).unwrap_or_default());
            findings.syntax(self.place(range), message, help);
        }
        document.into_inner()
    }
}

/// A text and where its literal stands in the file.
#[derive(Clone)]
pub(crate) struct Text<'p> {
    /// What it says.
    pub(crate) value: &'p str,
    /// The place of the literal, quotes included.
    pub(crate) at: Range<usize>,
}

impl Text<'_> {
    /// The place of a part of this text. With escapes in the literal it cannot be told, and the whole literal is meant.
    pub(crate) fn part(&self, file: &str, part: Range<usize>) -> Range<usize> {
        let literal = file.get(self.at.clone()).unwrap_or_default();
        let quotes = if literal.starts_with("\"\"\"") || literal.starts_with("'''") { 3 } else { 1 };
        let inner = literal.get(quotes..literal.len().saturating_sub(quotes));
        if inner != Some(self.value) || part.end > self.value.len() || part.start > part.end {
            return self.at.clone();
        }
        self.at.start + quotes + part.start..self.at.start + quotes + part.end
    }
}

/// The keys of one kind of section.
#[derive(Debug)]
pub(crate) struct Keys {
    /// The first part of the section's name; with brackets around it for one that may stand several times.
    pub(crate) section: &'static str,
    /// The key that holds this table, where it is a table inside a section.
    pub(crate) inner: Option<&'static str>,
    /// What may stand in it.
    pub(crate) keys: &'static [&'static str],
    /// Whether any other key may, too.
    pub(crate) open: bool,
}

/// How people name a table: `[accounts.facebook]`.
#[derive(Clone, Copy)]
struct Label<'p> {
    keys: &'static Keys,
    name: Option<&'p str>,
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(inner) = self.keys.inner {
            write!(f, "\"{inner}\" of ")?;
        }
        match self.name {
            Some(name) => write!(f, "[{}.{name}]", self.keys.section),
            None => write!(f, "[{}]", self.keys.section),
        }
    }
}

/// One table, with the keys it may have.
pub(crate) struct Table<'p> {
    table: &'p DeTable<'p>,
    /// The place of its name.
    pub(crate) at: Range<usize>,
    label: Label<'p>,
    /// Known keys that unknown ones were perhaps meant to be.
    suggested: Vec<&'static str>,
    piece: &'p Piece<'p>,
    findings: &'p Findings<'p>,
}

type Value<'p> = Spanned<DeValue<'p>>;

impl<'p> Table<'p> {
    /// The top level of a piece, with the sections there are. Its unknown keys become findings.
    pub(crate) fn root(table: &'p DeTable<'p>, piece: &'p Piece<'p>, findings: &'p Findings<'p>, top: &'static Keys) -> Self {
        let root = Self { table, at: 0..0, label: Label { keys: top, name: None }, suggested: Vec::new(), piece, findings };
        for (key, value) in table {
            if top.keys.contains(&key.get_ref().as_ref()) {
                continue;
            }
            let (at, written) = (piece.place(key.span()), key.get_ref().as_ref());
            // Both may follow from a header that could not be read.
            if !value.get_ref().is_table() && !is_sections(value.get_ref()) {
                let help =
                    format!("Write it below the section it belongs to, such as [{}].", top.keys.first().unwrap_or(&"name"));
                findings.dependent(at, format!("\"{written}\" stands in no section."), help);
                continue;
            }
            let help = match did_you_mean(written, top.keys.iter().copied()) {
                Some(near) => format!("Did you mean [{near}]?"),
                None => format!("Known sections: [{}].", top.keys.join("], [")),
            };
            findings.dependent(at, format!("There is no section [{written}]."), help);
        }
        root
    }

    fn open(&self, at: Range<usize>, value: &'p Value<'p>, keys: &'static Keys, name: Option<&'p str>) -> Option<Self> {
        let label = Label { keys, name };
        let DeValue::Table(table) = value.get_ref() else {
            let message = format!("{label} is a section with keys of its own, not {}.", kind(value.get_ref()));
            let help = match (keys.inner, name) {
                (Some(inner), _) => format!("Write {inner} = {{ {} = … }}.", keys.keys.first().unwrap_or(&"key")),
                (None, Some(_)) => format!("Write {label} on a line of its own and its keys below."),
                (None, None) => format!("Write {label} once, with single brackets, and its keys below."),
            };
            self.findings.dependent(self.piece.place(value.span()), message, help);
            return None;
        };
        let mut suggested = Vec::new();
        for key in table.keys() {
            let written = key.get_ref().as_ref();
            if !keys.open && !keys.keys.contains(&written) {
                let near = did_you_mean(written, keys.keys.iter().copied());
                suggested.extend(near);
                let help = match near {
                    Some(near) => format!("Did you mean \"{near}\"?"),
                    None => format!("Known keys: {}.", keys.keys.join(", ")),
                };
                self.findings.error(self.piece.place(key.span()), format!("There is no key \"{written}\" in {label}."), help);
            }
        }
        Some(Self { table, at, label, suggested, piece: self.piece, findings: self.findings })
    }

    /// The kind of section this is.
    pub(crate) fn keys(&self) -> &'static Keys {
        self.label.keys
    }

    /// A table under this one.
    pub(crate) fn table(&self, key: &'static str, keys: &'static Keys) -> Option<Self> {
        let (name, value) = self.table.get_key_value(key)?;
        self.open(self.piece.place(name.span()), value, keys, self.label.name)
    }

    /// The tables under `key`, by name: `[accounts.facebook]`, `[accounts.linkedin]`.
    pub(crate) fn tables(&self, key: &'static str, keys: &'static Keys) -> Vec<(Text<'p>, Self)> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let DeValue::Table(all) = value.get_ref() else {
            self.findings.dependent(
                self.piece.place(value.span()),
                format!("[{key}] holds sections with names, not {}.", kind(value.get_ref())),
                format!("Write [{key}.name] on a line of its own and its keys below."),
            );
            return Vec::new();
        };
        all.iter()
            .filter_map(|(name, value)| {
                let text = Text { value: name.get_ref().as_ref(), at: self.piece.place(name.span()) };
                let table = self.open(text.at.clone(), value, keys, Some(text.value))?;
                Some((text, table))
            })
            .collect()
    }

    /// The tables that stand under `[[key]]`, in order.
    pub(crate) fn rows(&self, key: &'static str, keys: &'static Keys) -> Vec<Self> {
        let Some((name, value)) = self.table.get_key_value(key) else { return Vec::new() };
        let at = self.piece.place(name.span());
        let DeValue::Array(all) = value.get_ref() else {
            let message = format!("[[{key}]] is a section that may stand several times, not {}.", kind(value.get_ref()));
            self.findings.dependent(at, message, format!("Write [[{key}]], with double brackets."));
            return Vec::new();
        };
        all.iter()
            .filter_map(|row| {
                // The first key of a row tells rows apart better than the name they share.
                let first =
                    row.get_ref().as_table().and_then(|table| table.keys().map(Spanned::span).min_by_key(|span| span.start));
                let place = first.map_or_else(|| at.clone(), |span| self.piece.place(span));
                self.open(place, row, keys, None)
            })
            .collect()
    }

    /// Any value as JSON, with its place; findings about what JSON cannot hold.
    pub(crate) fn any(&self, key: &'static str) -> Option<(serde_json::Value, Range<usize>)> {
        let value = self.find(key)?;
        Some((self.to_json(value)?, self.piece.place(value.span())))
    }

    /// Keys and texts of a table whose keys are free.
    pub(crate) fn entries(&self) -> Vec<(Text<'p>, Text<'p>)> {
        self.table
            .iter()
            .filter_map(|(key, value)| {
                let name = Text { value: key.get_ref().as_ref(), at: self.piece.place(key.span()) };
                let text = self.text_of(name.value, value, "a text")?;
                Some((name, text))
            })
            .collect()
    }

    /// How people name this table.
    pub(crate) fn label(&self) -> String {
        self.label.to_string()
    }

    /// Whether the key holds a list with nothing in it.
    pub(crate) fn is_empty_list(&self, key: &'static str) -> bool {
        self.find(key).and_then(|value| value.get_ref().as_array()).is_some_and(|list| list.is_empty())
    }

    fn find(&self, key: &'static str) -> Option<&'p Value<'p>> {
        debug_assert!(self.label.keys.keys.contains(&key), "{key} is missing among the keys of {}", self.label);
        self.table.get(key)
    }

    /// Whether the key was written.
    pub(crate) fn has(&self, key: &'static str) -> bool {
        self.find(key).is_some()
    }

    /// Whether the key was written, or one that was perhaps meant to be it.
    pub(crate) fn has_or_nearly(&self, key: &'static str) -> bool {
        self.has(key) || self.suggested.contains(&key)
    }

    /// The place of a key's value, or of the table's name when the key was not written.
    pub(crate) fn place(&self, key: &'static str) -> Range<usize> {
        self.find(key).map_or_else(|| self.at.clone(), |value| self.piece.place(value.span()))
    }

    /// The value as JSON; findings about what JSON cannot hold.
    pub(crate) fn json(&self, key: &'static str) -> Option<serde_json::Value> {
        let value = self.find(key)?;
        if !value.get_ref().is_table() {
            self.wrong(key, value, "a table", "{ key = \"value\" }");
            return None;
        }
        self.to_json(value)
    }

    fn to_json(&self, value: &Value<'_>) -> Option<serde_json::Value> {
        use serde_json::Value as Json;
        let refuse = |message: &str, help: &str| {
            self.findings.error(self.piece.place(value.span()), message, help);
            None
        };
        match value.get_ref() {
            DeValue::String(text) => Some(Json::String(text.clone().into_owned())),
            DeValue::Boolean(flag) => Some(Json::Bool(*flag)),
            // Scripts have no dates of their own; RFC 3339 is what their time functions read.
            DeValue::Datetime(moment) => Some(Json::String(moment.to_string())),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Some(Json::from(number)),
                Err(_) => refuse("This number is too large.", "Write it as a text, between quotes."),
            },
            DeValue::Float(number) => match number.as_str().parse().ok().and_then(serde_json::Number::from_f64) {
                Some(number) => Some(Json::Number(number)),
                None => refuse("This is not a number a script can count with.", "Write an ordinary number, such as 1.5."),
            },
            // `map_while` would hide later findings, so every element is read before the list is judged.
            DeValue::Array(list) => {
                let all: Vec<_> = list.iter().map(|element| self.to_json(element)).collect();
                all.into_iter().collect::<Option<Vec<_>>>().map(Json::Array)
            }
            DeValue::Table(table) => {
                let all: Vec<_> = table.iter().map(|(key, value)| (key.get_ref().to_string(), self.to_json(value))).collect();
                all.into_iter()
                    .map(|(key, value)| Some((key, value?)))
                    .collect::<Option<serde_json::Map<_, _>>>()
                    .map(Json::Object)
            }
        }
    }

    fn wrong(&self, key: &str, value: &Value<'_>, wanted: &str, example: &str) {
        let at = self.piece.place(value.span());
        let raw = self.findings.text().get(at.clone()).unwrap_or_default();
        let bare = value.get_ref().as_str();
        let plain = !value.get_ref().is_array() && !value.get_ref().is_table() && raw.len() <= 60;
        // What was written is shown mended where that is certain; else a good value is shown.
        let help = match bare {
            Some(text) if !example.starts_with(['"', '[', '{']) && same_kind(text, example) => {
                format!("Write {key} = {text}, without quotes.")
            }
            None if plain && example == "\"…\"" => format!("Write {key} = \"{raw}\", between quotes."),
            _ if example == "\"…\"" => format!("Write {key} = \"…\", one text between quotes."),
            _ => format!("Write for example {key} = {example}."),
        };
        self.findings.error(at, format!("\"{key}\" is {wanted}, not {}.", kind(value.get_ref())), help);
    }

    fn text_of(&self, key: &str, value: &'p Value<'p>, wanted: &str) -> Option<Text<'p>> {
        let DeValue::String(text) = value.get_ref() else {
            self.wrong(key, value, wanted, "\"…\"");
            return None;
        };
        Some(Text { value: text.as_ref(), at: self.piece.place(value.span()) })
    }

    /// A text; an empty one is a finding.
    pub(crate) fn text(&self, key: &'static str) -> Option<Text<'p>> {
        let text = self.text_of(key, self.find(key)?, "a text")?;
        if text.value.trim().is_empty() {
            self.findings.error(
                text.at,
                format!("\"{key}\" is empty."),
                "Write something between the quotes, or leave the key out.",
            );
            return None;
        }
        Some(text)
    }

    /// A text that must be there; `remedy` says what to write when it is not.
    pub(crate) fn required(&self, key: &'static str, remedy: &str) -> Option<Text<'p>> {
        if !self.has_or_nearly(key) {
            self.findings.dependent(self.at.clone(), format!("{} has no \"{key}\".", self.label), remedy);
            return None;
        }
        self.text(key)
    }

    /// A list of texts.
    pub(crate) fn texts(&self, key: &'static str) -> Vec<Text<'p>> {
        match self.find(key) {
            None => Vec::new(),
            Some(value) => match value.get_ref() {
                DeValue::Array(list) => list.iter().filter_map(|element| self.element(key, element)).collect(),
                DeValue::String(_) => {
                    let at = self.piece.place(value.span());
                    let raw = self.findings.text().get(at.clone()).unwrap_or_default();
                    self.findings.error(
                        at,
                        format!("\"{key}\" is a list of texts, not one text."),
                        format!("Write {key} = [{raw}]."),
                    );
                    Vec::new()
                }
                _ => {
                    self.wrong(key, value, "a list of texts", "[\"…\", \"…\"]");
                    Vec::new()
                }
            },
        }
    }

    /// A text, or a list of several.
    pub(crate) fn one_or_more(&self, key: &'static str) -> Vec<Text<'p>> {
        match self.find(key).map(|value| (value, value.get_ref())) {
            Some((value, DeValue::String(_))) => self.element(key, value).into_iter().collect(),
            _ => self.texts(key),
        }
    }

    fn element(&self, key: &'static str, value: &'p Value<'p>) -> Option<Text<'p>> {
        let at = self.piece.place(value.span());
        match value.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => {
                self.findings.error(
                    at,
                    format!("There is an empty text in \"{key}\"."),
                    "Write something between the quotes, or take it out.",
                );
                None
            }
            DeValue::String(text) => Some(Text { value: text.as_ref(), at }),
            other => {
                let message = format!("Each element of \"{key}\" is a text, not {}.", kind(other));
                self.findings.error(at, message, "Put it between quotes.");
                None
            }
        }
    }

    /// A length of time.
    pub(crate) fn span(&self, key: &'static str, within: RangeInclusive<Duration>, default: Duration) -> Duration {
        let Some(value) = self.find(key) else { return default };
        let DeValue::String(text) = value.get_ref() else {
            let example = match value.get_ref() {
                DeValue::Integer(number) => format!("\"{}s\", with its unit", number.as_str()),
                _ => format!("\"{}\"", show_span(default)),
            };
            self.wrong(key, value, "a length of time such as \"45s\", \"30m\" or \"6h\"", &example);
            return default;
        };
        let at = self.piece.place(value.span());
        match parse_span(text) {
            Ok(span) if within.contains(&span) => span,
            Ok(_) => {
                let message = format!("\"{key}\" is {}, which is out of range.", text.trim());
                let help = format!(
                    "Write a length of time from \"{}\" to \"{}\".",
                    show_span(*within.start()),
                    show_span(*within.end())
                );
                self.findings.error(at, message, help);
                default
            }
            Err(wrong) => {
                self.findings.sentences(at, &wrong.0);
                default
            }
        }
    }

    /// A whole number.
    pub(crate) fn number(&self, key: &'static str, within: RangeInclusive<u64>, default: u64) -> u64 {
        self.number_if(key, within, default).unwrap_or(default)
    }

    /// A whole number, `None` when it was not written; `example` stands in the remedy.
    pub(crate) fn number_if(&self, key: &'static str, within: RangeInclusive<u64>, example: u64) -> Option<u64> {
        let value = self.find(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong(key, value, "a whole number", &example.to_string());
            return None;
        };
        let read = i128::from_str_radix(number.as_str(), number.radix()).ok().and_then(|n| u64::try_from(n).ok());
        if let Some(number) = read.filter(|number| within.contains(number)) {
            return Some(number);
        }
        let message = format!("\"{key}\" is {number}, which is out of range.");
        self.findings.error(
            self.piece.place(value.span()),
            message,
            format!("Write a whole number from {} to {}.", within.start(), within.end()),
        );
        None
    }

    /// A number that need not be whole.
    pub(crate) fn decimal(&self, key: &'static str, within: RangeInclusive<f64>, default: f64) -> f64 {
        let Some(value) = self.find(key) else { return default };
        let read = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n as f64),
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => {
                self.wrong(key, value, "a number", &format!("{default:?}"));
                return default;
            }
        };
        if let Some(number) = read.filter(|number| within.contains(number)) {
            return number;
        }
        self.findings.error(
            self.piece.place(value.span()),
            format!("\"{key}\" is out of range."),
            format!("Write a number from {} to {}.", within.start(), within.end()),
        );
        default
    }

    /// True or false.
    pub(crate) fn flag(&self, key: &'static str, default: bool) -> bool {
        match self.find(key) {
            None => default,
            Some(value) => match value.get_ref() {
                DeValue::Boolean(flag) => *flag,
                _ => {
                    self.wrong(key, value, "true or false", if default { "true" } else { "false" });
                    default
                }
            },
        }
    }

    /// An amount of memory: `64MB`, `64MiB`, `512kB`, `1GB`.
    pub(crate) fn size(&self, key: &'static str, within: RangeInclusive<usize>, default: usize) -> usize {
        let Some(value) = self.find(key) else { return default };
        let DeValue::String(text) = value.get_ref() else {
            self.wrong(key, value, "an amount of memory such as \"64MB\"", "\"64MB\"");
            return default;
        };
        let at = self.piece.place(value.span());
        match parse_size(text) {
            Some(size) if within.contains(&size) => size,
            Some(_) => {
                let help = format!("Write an amount from \"{}MiB\" to \"{}MiB\".", within.start() >> 20, within.end() >> 20);
                self.findings.error(at, format!("\"{key}\" is {}, which is out of range.", text.trim()), help);
                default
            }
            None => {
                self.findings.error(
                    at,
                    format!("\"{text}\" is not an amount of memory."),
                    "Write for example \"64MB\", \"64MiB\" or \"1GB\".",
                );
                default
            }
        }
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, key: &'static str, words: &[(&'static str, T)], default: T) -> T {
        self.text(key).and_then(|text| self.pick(key, &text, words)).unwrap_or(default)
    }

    /// One of a few words, for a text that was read already.
    pub(crate) fn pick<T: Copy>(&self, key: &str, text: &Text<'_>, words: &[(&'static str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let known = || words.iter().map(|(word, _)| *word);
            let help = match did_you_mean(&text.value.to_lowercase(), known()) {
                Some(near) => format!("Did you mean \"{near}\"?"),
                None if words.len() == 1 => format!("Write \"{}\".", words[0].0),
                None => format!("Write one of: \"{}\".", known().collect::<Vec<_>>().join("\", \"")),
            };
            self.findings.error(text.at.clone(), format!("\"{key}\" cannot be \"{}\".", text.value), help);
        }
        found
    }
}

/// Whether this is what `[[name]]` makes.
fn is_sections(value: &DeValue<'_>) -> bool {
    value.as_array().is_some_and(|rows| !rows.is_empty() && rows.iter().all(|row| row.get_ref().is_table()))
}

/// Whether a text would be what the example is, if it had no quotes.
fn same_kind(text: &str, example: &str) -> bool {
    match example {
        "true" | "false" => matches!(text, "true" | "false"),
        _ => {
            !text.is_empty()
                && text.parse::<f64>().is_ok_and(f64::is_finite)
                && (example.contains('.') || text.parse::<u64>().is_ok())
        }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a decimal point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or an hour",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Reads `64MB` (powers of ten), `64MiB` (powers of two), French `64Mo` and `64Mio`, and bare bytes `4096B`.
pub(crate) fn parse_size(text: &str) -> Option<usize> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: usize = text[..digits].parse().ok()?;
    let unit: usize = match text[digits..].trim_start().to_ascii_lowercase().as_str() {
        "b" | "o" => 1,
        "kb" | "ko" => 1_000,
        "mb" | "mo" => 1_000_000,
        "gb" | "go" => 1_000_000_000,
        "kib" | "kio" => 1 << 10,
        "mib" | "mio" => 1 << 20,
        "gib" | "gio" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// A syntax error as a sentence and a remedy. `raw` is what it is about and `after` what follows.
fn sentence(message: &str, raw: &str, after: &str) -> (String, String) {
    let shown: String = raw.chars().take(60).collect();
    let (message, help) = match message.split(',').next().unwrap_or_default() {
        "string values must be quoted" if raw.is_empty() => {
            ("There is no value after the \"=\".".into(), "Write key = \"value\".".into())
        }
        "string values must be quoted" => {
            let help = match raw.to_lowercase().as_str() {
                "yes" | "on" | "oui" | "vrai" => "Write true.".to_owned(),
                "no" | "off" | "non" | "faux" => "Write false.".to_owned(),
                _ => match raw.trim_matches(['“', '”', '‘', '’', '«', '»', ' ', '\u{a0}']) {
                    bare if bare.len() < raw.len() => format!("Use straight quotes: \"{bare}\"."),
                    bare => format!("Write \"{bare}\"."),
                },
            };
            (format!("The text {shown} is not between quotes."), help)
        }
        "invalid basic string" | "invalid literal string" if after.is_empty() || after.starts_with(['\n', '\r']) => (
            "The closing quote of this text is missing.".into(),
            "Close the text with a quote at its end, on the same line.".into(),
        ),
        "key with no value" | "missing value for key" => (
            "There is no \"=\" after this key.".into(),
            "Write key = \"value\", or start the line with # to make it a remark.".into(),
        ),
        "duplicate key" => {
            (format!("\"{shown}\" is written twice."), "Keep one of the two, or give them different names.".into())
        }
        "too few unicode value digits" | "missing escaped value" | "invalid value" => (
            "In a text between double quotes, a backslash starts a special character.".into(),
            "Write the text between single quotes, '…', or write each backslash twice.".into(),
        ),
        "unclosed table" => {
            ("The \"]\" after the name of this section is missing.".into(), "Write [section] or [section.name].".into())
        }
        "unclosed array table" => (
            "The \"]]\" is missing here.".into(),
            "Write [section.name], or [[section]] where it may stand several times.".into(),
        ),
        "unquoted keys cannot be empty" => ("There is no key before the \"=\".".into(), "Write key = \"value\".".into()),
        "invalid unquoted key" if raw == ":" => {
            ("A key and its value are joined by \"=\", not \":\".".into(), "Write key = \"value\".".into())
        }
        "invalid unquoted key" => (
            format!("\"{}\" cannot stand in a key.", shown.escape_debug()),
            "Write keys with letters without accents, digits, \"-\" and \"_\" only.".into(),
        ),
        "unexpected key or value" => {
            ("Something follows the value that does not belong there.".into(), "Write one key and one value per line.".into())
        }
        "unexpected leading zero" => (
            "A number does not start with 0.".into(),
            "Leave the 0 out, or put the value between quotes when it is a text.".into(),
        ),
        "missing comma between array elements" | "missing comma between key-value pairs" => {
            ("A comma is missing here.".into(), "Put a comma between two elements of a list.".into())
        }
        "invalid boolean" => (format!("{shown} is not a value."), "Write true or false, in small letters.".into()),
        "cannot recurse further; max recursion depth met" | "recursion limit" => {
            ("Lists and tables are nested too deeply here.".into(), "Nest them less than eighty deep.".into())
        }
        _ => (format!("This is not TOML: {message}."), "Lines are key = \"value\", [section] or # remark.".into()),
    };
    (message, help)
}
