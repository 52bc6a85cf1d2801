//! One file of the library: its keys checked one by one, its text and variants.
//!
//! In: the text of a file and where it lies. Out: an item, or the problems that keep it from being one.
//! Never: guesses what a key was meant to be; it asks "did you mean".

use super::front::{self, Entry, Node, Value};
use super::{FORMATS, LibraryItem, NETWORKS, Season, default_id, plain_text, season};
use crate::adapters::media::{MediaCache, Shape};
use crate::domain::parse_span;
use crate::kinds::Media;
use crate::problem::{Problem, did_you_mean};
use chrono::NaiveDate;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

const KEYS: [&str; 16] = [
    "id",
    "title",
    "theme",
    "themes",
    "formats",
    "networks",
    "accounts",
    "from",
    "until",
    "season",
    "cool_down",
    "max_uses",
    "weight",
    "link",
    "media",
    "hashtags",
];

/// Where a file lies.
pub(super) struct Place<'a> {
    /// The library, as the system calls it.
    pub(super) root: &'a Path,
    /// The file, as people call it.
    pub(super) file: &'a Path,
    /// The file, seen from the library.
    pub(super) relative: &'a Path,
}

/// Reads one file. `None` when a mistake keeps it from being used; the range is that of its `id`.
pub(super) fn read(
    place: &Place<'_>,
    text: &str,
    media: &MediaCache,
    problems: &mut Vec<Problem>,
) -> Option<(LibraryItem, Option<Range<usize>>)> {
    let mut desk = Checks { place, text, problems: Vec::new() };
    let item = desk.item(media);
    let bad = crate::problem::any_error(&desk.problems);
    problems.append(&mut desk.problems);
    (!bad).then_some(item)
}

/// A text with its place.
type Spot = (String, Range<usize>);

struct Checks<'a> {
    place: &'a Place<'a>,
    text: &'a str,
    problems: Vec<Problem>,
}

impl Checks<'_> {
    fn error(&mut self, at: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::span(self.place.file, self.text, at, message, help));
    }

    fn warning(&mut self, at: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::span(self.place.file, self.text, at, message, help).warning());
    }

    fn item(&mut self, media: &MediaCache) -> (LibraryItem, Option<Range<usize>>) {
        let front = front::parse(self.text);
        // Front matter without an end swallows the text: one sentence about it is enough.
        let swallowed = front.entries.is_empty() && !front.slips.is_empty() && front.body == self.text.len();
        for slip in front.slips {
            self.error(slip.range, slip.message, slip.help);
        }
        let id = default_id(self.place.relative);
        let mut item = LibraryItem {
            title: String::new(),
            id,
            themes: Vec::new(),
            formats: vec!["post".into()],
            networks: Vec::new(),
            accounts: Vec::new(),
            text: String::new(),
            variants: BTreeMap::new(),
            link: None,
            media: Vec::new(),
            valid_from: None,
            valid_until: None,
            season: None,
            cool_down: None,
            max_uses: None,
            weight: 1.0,
            tags: Vec::new(),
            file: self.place.file.to_owned(),
        };
        let mut id_at = None;
        let mut until_at = 0..0;
        for entry in &front.entries {
            match entry.key.as_str() {
                "id" => {
                    id_at = Some(entry.node.range.clone());
                    item.id = self.id(entry).unwrap_or(item.id);
                }
                "until" => until_at = entry.node.range.clone(),
                _ => {}
            }
            self.key(entry, &mut item, media);
        }
        if let (Some(from), Some(until)) = (item.valid_from, item.valid_until)
            && until < from
        {
            let help = "Correct one of the two dates.";
            self.error(until_at, format!("It would end on {until}, before it starts on {from}."), help);
        }
        if !swallowed {
            self.body(front.body, &mut item);
        }
        if item.title.is_empty() {
            item.title.clone_from(&item.id);
        }
        (item, id_at)
    }

    fn key(&mut self, entry: &Entry, item: &mut LibraryItem, media: &MediaCache) {
        let node = &entry.node;
        // Other tools write `cool-down`; and one theme or several, one format or several are the same question.
        match entry.key.replace('-', "_").as_str() {
            "id" => {}
            "title" => item.title = self.one(entry).map(|(t, _)| t).unwrap_or_default(),
            "theme" | "themes" => item.themes = self.names(entry).into_iter().map(|(name, _)| name).collect(),
            "format" | "formats" => {
                item.formats = self.known(entry, &FORMATS, "format");
                if item.formats.is_empty() {
                    item.formats.push("post".into());
                }
            }
            "network" | "networks" => item.networks = self.networks(entry),
            "account" | "accounts" => item.accounts = self.names(entry).into_iter().map(|(name, _)| name).collect(),
            "from" => item.valid_from = self.date(entry),
            "until" => item.valid_until = self.date(entry),
            "season" => item.season = self.season(entry),
            "cool_down" => {
                if let Some((text, at)) = self.one(entry) {
                    match parse_span(&text) {
                        Ok(span) => item.cool_down = Some(span),
                        Err(wrong) => self.error(at, wrong.to_string(), ""),
                    }
                }
            }
            "max_uses" => {
                if let Some((text, at)) = self.one(entry) {
                    match text.parse::<u32>() {
                        Ok(count) if count > 0 => item.max_uses = Some(count),
                        _ => self.error(at, format!("\"{text}\" is not a number of uses."), "Write a whole number from 1."),
                    }
                }
            }
            "weight" => {
                if let Some((text, at)) = self.one(entry) {
                    match text.replace(',', ".").parse::<f64>() {
                        Ok(weight) if weight.is_finite() && weight > 0.0 => item.weight = weight,
                        _ => self.error(
                            at,
                            format!("\"{text}\" is not a weight."),
                            "Write a number above 0; 2 is chosen twice as often as 1.",
                        ),
                    }
                }
            }
            "link" => {
                if let Some((text, at)) = self.one(entry) {
                    if url::Url::parse(&text).is_ok_and(|u| matches!(u.scheme(), "http" | "https")) {
                        item.link = Some(text);
                    } else {
                        self.error(at, format!("\"{text}\" is not an address."), "Write it whole, starting with https://.");
                    }
                }
            }
            "media" => item.media = self.media(node, media),
            "hashtags" | "hashtag" => item.tags = self.hashtags(entry),
            other => {
                let help = match did_you_mean(other, KEYS) {
                    Some(near) => format!("Did you mean \"{near}\"?"),
                    None => format!("The keys are {}.", KEYS.join(", ")),
                };
                self.error(entry.at.clone(), format!("There is no key \"{}\".", entry.key), help);
            }
        }
    }

    fn id(&mut self, entry: &Entry) -> Option<String> {
        let (id, at) = self.one(entry)?;
        if id.chars().count() > 120 || id.chars().any(char::is_control) {
            self.error(at, "This id is too long or holds control characters.", "Use a short name, such as pain-de-campagne.");
            return None;
        }
        Some(id)
    }

    /// The one text of a key; an empty value counts as none.
    fn one(&mut self, entry: &Entry) -> Option<Spot> {
        match &entry.node.value {
            Value::Text(text) if text.trim().is_empty() => None,
            Value::Text(text) => Some((text.trim().to_owned(), entry.node.range.clone())),
            _ => {
                let message = format!("The key \"{}\" takes one value.", entry.key);
                self.error(entry.node.range.clone(), message, "Write the value behind the colon, without brackets.");
                None
            }
        }
    }

    /// The texts of a key that takes one, several in a list, or several with commas.
    fn names(&mut self, entry: &Entry) -> Vec<Spot> {
        match &entry.node.value {
            Value::Text(text) => {
                let parts = text.split(',').map(str::trim).filter(|t| !t.is_empty());
                parts.map(|t| (t.to_owned(), entry.node.range.clone())).collect()
            }
            Value::List(nodes) => {
                let mut out = Vec::new();
                for node in nodes {
                    match &node.value {
                        Value::Text(text) if text.trim().is_empty() => {}
                        Value::Text(text) => out.push((text.trim().to_owned(), node.range.clone())),
                        _ => self.error(node.range.clone(), "A text is wanted here.", "Write a flat list, such as [a, b]."),
                    }
                }
                out
            }
            Value::Map(_) => {
                let message = format!("The key \"{}\" takes a list of texts.", entry.key);
                self.error(entry.node.range.clone(), message, "Write for example [a, b].");
                Vec::new()
            }
        }
    }

    fn known(&mut self, entry: &Entry, known: &[&str], what: &str) -> Vec<String> {
        let mut out = Vec::new();
        for (name, at) in self.names(entry) {
            let lower = name.to_lowercase();
            if known.contains(&lower.as_str()) {
                out.push(lower);
            } else {
                let help = match did_you_mean(&lower, known.iter().copied()) {
                    Some(near) => format!("Did you mean \"{near}\"?"),
                    None => format!("Use one of {}.", known.join(", ")),
                };
                self.error(at, format!("There is no {what} \"{name}\"."), help);
            }
        }
        out
    }

    fn networks(&mut self, entry: &Entry) -> Vec<String> {
        let mut out = Vec::new();
        for (name, at) in self.names(entry) {
            let network = network_name(&name);
            if !NETWORKS.contains(&network.as_str()) {
                // A network we have never heard of may be a plugin's; one that is nearly ours is a slip.
                match did_you_mean(&network, NETWORKS) {
                    Some(near) => self.error(at, format!("There is no network \"{name}\"."), format!("Did you mean \"{near}\"?")),
                    None => self.warning(
                        at,
                        format!("\"{name}\" is not a network this program knows."),
                        "It is kept, in case an account has that network.",
                    ),
                }
            }
            out.push(network);
        }
        out
    }

    fn date(&mut self, entry: &Entry) -> Option<NaiveDate> {
        let (text, at) = self.one(entry)?;
        // TOML may give a time as well; days are what counts here.
        let day = text.split(['T', ' ']).next().unwrap_or_default();
        let date = NaiveDate::parse_from_str(day, "%Y-%m-%d").or_else(|_| NaiveDate::parse_from_str(day, "%d/%m/%Y"));
        // "1/2/26" reads as the year 26.
        match date.ok().filter(|d| (1970..=9999).contains(&chrono::Datelike::year(d))) {
            Some(date) => Some(date),
            None => {
                self.error(at, format!("\"{text}\" is not a date."), "Write year, month and day, such as 2026-12-24.");
                None
            }
        }
    }

    fn season(&mut self, entry: &Entry) -> Option<Season> {
        let words = self.names(entry);
        let mut good = Vec::new();
        for (word, at) in &words {
            if Season::parse([word.as_str()]).is_ok() {
                good.push(word.as_str());
                continue;
            }
            let help = match did_you_mean(&season::plain(word), season::known()) {
                Some(near) => format!("Did you mean \"{near}\"?"),
                None => "Write a season, a month, a feast such as noël, or days such as 12-01..12-24.".to_owned(),
            };
            self.error(at.clone(), format!("\"{word}\" is not a season."), help);
        }
        (!good.is_empty()).then(|| Season::parse(good).ok()).flatten()
    }

    fn hashtags(&mut self, entry: &Entry) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for (text, at) in self.names(entry) {
            for word in text.split_whitespace() {
                let tag = word.trim_start_matches('#');
                let sound = tag.chars().all(|c| c.is_alphanumeric() || c == '_') && tag.chars().any(char::is_alphabetic);
                if !sound {
                    let help = "Use letters, digits and \"_\" only, with at least one letter.";
                    self.warning(at.clone(), format!("\"{word}\" does not work as a hashtag and is left out."), help);
                } else if !out.iter().any(|t| t.to_lowercase() == tag.to_lowercase()) {
                    out.push(tag.to_owned());
                }
            }
        }
        out
    }

    fn media(&mut self, node: &Node, cache: &MediaCache) -> Vec<Media> {
        let mut wanted: Vec<(Spot, Option<String>)> = Vec::new();
        match &node.value {
            Value::List(nodes) => {
                for node in nodes {
                    self.one_medium(node, &mut wanted);
                }
            }
            _ => self.one_medium(node, &mut wanted),
        }
        wanted.into_iter().filter_map(|((name, at), alt)| self.medium(&name, at, alt, cache)).collect()
    }

    /// `pain.jpg | Une miche`, `{file: pain.jpg, alt: Une miche}` or `{pain.jpg: Une miche}`.
    fn one_medium(&mut self, node: &Node, wanted: &mut Vec<(Spot, Option<String>)>) {
        match &node.value {
            Value::Text(text) if text.trim().is_empty() => {}
            Value::Text(text) => {
                let (name, alt) = text.split_once('|').map_or((text.as_str(), None), |(n, a)| (n, Some(a.trim().to_owned())));
                wanted.push(((name.trim().to_owned(), node.range.clone()), alt));
            }
            Value::Map(entries) => {
                let text = |e: &Entry| match &e.node.value {
                    Value::Text(t) => t.trim().to_owned(),
                    _ => String::new(),
                };
                let get = |key: &str| entries.iter().find(|e| e.key == key);
                let Some(file) = get("file") else {
                    for e in entries {
                        wanted.push(((e.key.clone(), e.at.clone()), Some(text(e))));
                    }
                    return;
                };
                for e in entries.iter().filter(|e| e.key != "file" && e.key != "alt") {
                    self.error(e.at.clone(), format!("A picture has no key \"{}\".", e.key), "Write file and alt.");
                }
                wanted.push(((text(file), file.node.range.clone()), get("alt").map(text)));
            }
            Value::List(_) => {
                let help = "Write one entry per picture: pain.jpg | Une miche dorée.";
                self.error(node.range.clone(), "A list inside the list of media cannot be read.", help);
            }
        }
    }

    fn medium(&mut self, name: &str, at: Range<usize>, alt: Option<String>, cache: &MediaCache) -> Option<Media> {
        let root = self.place.root;
        let beside = root.join(self.place.relative.parent().unwrap_or(Path::new("")));
        // Beside the text first, then from the top of the library. An absolute path replaces what it is joined to.
        let found = [beside.join(name), root.join(name)].into_iter().find_map(|p| p.canonicalize().ok());
        let Some(path) = found.filter(|_| !name.is_empty()) else {
            let help = "Put the picture beside the text, or give its path from the top of the library.";
            self.error(at, format!("There is no file \"{name}\"."), help);
            return None;
        };
        if !path.starts_with(root) {
            self.error(at, format!("\"{name}\" lies outside the library."), "Copy the picture into the library.");
            return None;
        }
        let digest = match cache.digest(&path) {
            Ok(digest) => digest,
            Err(error) => {
                self.error(at, format!("\"{name}\" cannot be read: {error}."), "Check the file and its permissions.");
                return None;
            }
        };
        if Shape::of(name) == Shape::Other {
            let help = "Networks take jpg, png, webp, gif, mp4, mov and webm.";
            self.warning(at.clone(), format!("\"{name}\" is neither a picture nor a film by its name."), help);
        }
        let alt = alt.unwrap_or_default();
        if alt.is_empty() {
            let help = format!("Say in a sentence what it shows: {name} | Une miche dorée sur une planche.");
            self.warning(at, format!("\"{name}\" has no description for people who cannot see it."), help);
        }
        Some(Media { path: path.to_string_lossy().into_owned(), alt, digest })
    }

    /// The text, its variants, and the title when the first line is a heading.
    fn body(&mut self, start: usize, item: &mut LibraryItem) {
        let body = self.text.get(start..).unwrap_or_default();
        // The text for all networks first, then that of each variant with its network.
        let mut sections: Vec<(Option<Spot>, String)> = vec![(None, String::new())];
        let mut fence = false;
        let mut at = start;
        let mut first = true;
        for raw in body.split_inclusive('\n') {
            let line = raw.trim();
            let range = at..at + raw.trim_end().len();
            at += raw.len();
            fence ^= line.starts_with("```");
            if first && !line.is_empty() {
                first = false;
                if let Some(title) = line.strip_prefix("# ").filter(|_| item.title.is_empty()) {
                    item.title = plain_text(title);
                    continue;
                }
            }
            let heading = raw.strip_prefix("## ").filter(|_| !fence).map(|h| h.trim().trim_end_matches('#').trim_end());
            match heading {
                Some(heading) if self.heads_variant(heading, &range, item) => {
                    sections.push((Some((network_name(heading), range)), String::new()));
                }
                _ => {
                    if let Some((_, text)) = sections.last_mut() {
                        text.push_str(raw);
                    }
                }
            }
        }
        for (head, text) in sections {
            let text = plain_text(&text);
            let Some((network, range)) = head else {
                item.text = text;
                continue;
            };
            if text.is_empty() {
                let message = format!("The variant for {network} is empty; the general text is used.");
                self.warning(range, message, "Write it, or remove the heading.");
            } else if let Some(earlier) = item.variants.insert(network.clone(), text) {
                self.error(range, format!("There are two variants for {network}."), "Join them, or remove one.");
                item.variants.insert(network, earlier);
            }
        }
        if item.text.is_empty() && item.variants.is_empty() {
            let end = self.text.trim_end().len();
            let last = self.text[..end].rfind('\n').map_or(0, |n| n + 1);
            if item.media.is_empty() {
                self.error(last..end, "There is no text below the keys.", "Write the text of the post after the front matter.");
            } else {
                self.warning(
                    last..end,
                    "There is no text; the post will be its pictures alone.",
                    "Write a text if that is not meant.",
                );
            }
        }
    }

    fn heads_variant(&mut self, heading: &str, at: &Range<usize>, item: &LibraryItem) -> bool {
        let network = network_name(heading);
        if NETWORKS.contains(&network.as_str()) || item.networks.contains(&network) {
            return true;
        }
        let is_word = !heading.contains(char::is_whitespace);
        if let Some(near) = did_you_mean(&network, NETWORKS).filter(|_| is_word && network.len() > 3) {
            let help = format!("Write \"## {near}\" if that is meant; as it stands, the heading is part of the text.");
            self.warning(at.clone(), format!("\"{heading}\" is not a network this program knows."), help);
        }
        false
    }
}

fn network_name(written: &str) -> String {
    match written.trim().to_lowercase().as_str() {
        "twitter" | "x (twitter)" | "twitter/x" | "x/twitter" => "x".to_owned(),
        other => other.to_owned(),
    }
}
