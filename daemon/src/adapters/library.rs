//! The content library: a folder of Markdown files, each one thing that may be posted, with its rules on top.
//!
//! In: the folder. Out: the items that can be used, and every problem with its place and remedy.
//! Never: hands on an item with a mistake in its rules, or follows a link out of the folder.
//!
//! Keys on top of a file: `id`, `title`, `theme` or `themes`, `formats`, `networks`, `accounts`, `from`, `until`, `season`,
//! `cool_down`, `max_uses`, `weight`, `link`, `media`, `hashtags`. The body is the text; a heading `## instagram` starts the
//! variant for that network. Files called `README.md` and hidden files are for people and are not read.

mod front;
mod item;
mod plain;
mod season;

pub(in crate::adapters) use front::{Value, parse as front_matter};
pub use plain::plain_text;
pub use season::Season;

use super::media::MediaCache;
use crate::craft::rotation::Candidate;
use crate::domain::Digest;
use crate::kinds::Media;
use crate::problem::Problem;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use unicode_normalization::UnicodeNormalization;

/// Networks whose names may head a variant.
pub const NETWORKS: [&str; 14] = [
    "facebook",
    "instagram",
    "linkedin",
    "x",
    "tiktok",
    "threads",
    "mastodon",
    "bluesky",
    "pinterest",
    "youtube",
    "google",
    "whatsapp",
    "telegram",
    "snapchat",
];

/// Formats of a post.
pub const FORMATS: [&str; 4] = ["post", "story", "reel", "long"];

/// A text file larger than this is not one that somebody wrote to be posted.
const LARGEST: u64 = 1 << 20;
/// Folders in folders; more is a mistake.
const DEEPEST: usize = 16;

/// All usable items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Library {
    /// Ordered by path.
    pub items: Vec<LibraryItem>,
    /// Changes when an item, its text or one of its pictures does.
    pub digest: Digest,
}

/// One thing that may be posted, more than once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LibraryItem {
    /// Its name for the ledger; the path without extension when the file does not say otherwise.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// What it is about; the first one is the main theme. May be empty.
    pub themes: Vec<String>,
    /// `post`, `story`, `reel`, `long`; `post` when the file does not say.
    pub formats: Vec<String>,
    /// The networks it is for; empty for all.
    pub networks: Vec<String>,
    /// The accounts it is for; empty for all.
    pub accounts: Vec<String>,
    /// The text for every network without a variant, as plain text.
    pub text: String,
    /// Texts for single networks.
    pub variants: BTreeMap<String, String>,
    /// A link that goes with it.
    pub link: Option<String>,
    /// Pictures and films in display order, with absolute paths.
    pub media: Vec<Media>,
    /// The first day it may be posted.
    pub valid_from: Option<NaiveDate>,
    /// The last day it may be posted.
    pub valid_until: Option<NaiveDate>,
    /// The part of each year it is for.
    pub season: Option<Season>,
    /// How long it rests after a use; `None` for the library's rule.
    pub cool_down: Option<Duration>,
    /// The most times it is used; `None` for no limit.
    pub max_uses: Option<u32>,
    /// How often it is chosen compared with others; 1 when the file does not say.
    pub weight: f64,
    /// Hashtags without the hash.
    pub tags: Vec<String>,
    /// The file it was read from.
    #[serde(skip)]
    pub file: PathBuf,
}

impl LibraryItem {
    /// The main theme; empty when there is none.
    pub fn theme(&self) -> &str {
        self.themes.first().map_or("", String::as_str)
    }

    /// The item as the rotation weighs it on a day; `cool_down` is the library's rule.
    pub fn candidate(&self, today: NaiveDate, cool_down: Duration) -> Candidate<'_> {
        Candidate {
            id: &self.id,
            theme: self.theme(),
            formats: &self.formats,
            networks: &self.networks,
            accounts: &self.accounts,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            season_ok: self.season.as_ref().is_none_or(|season| season.contains(today)),
            cool_down: self.cool_down.unwrap_or(cool_down),
            max_uses: self.max_uses,
            weight: self.weight,
            words: &[],
        }
    }

    /// The text for a network: its variant, or the text for all.
    pub fn text_for(&self, network: &str) -> &str {
        self.variants.get(network).unwrap_or(&self.text)
    }
}

/// Reads a library whole. Items with a mistake are left out and all mistakes are told.
pub fn read(folder: &Path, media: &MediaCache) -> (Library, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut items: Vec<LibraryItem> = Vec::new();
    let mut sum = String::new();
    let root = match folder.canonicalize() {
        Ok(root) if root.is_dir() => root,
        Ok(_) => {
            let help = "Give the folder that holds the Markdown files.";
            problems.push(Problem::file(folder, "The content library is a file, not a folder.", help));
            return (Library { items, digest: Digest::of(b"") }, problems);
        }
        Err(error) => {
            problems.push(Problem::file(folder, cannot_read("the content library", &error), remedy(&error)));
            return (Library { items, digest: Digest::of(b"") }, problems);
        }
    };
    let mut files = Vec::new();
    list(folder, &root, Path::new(""), &mut files, &mut problems);
    files.sort();

    let mut owners: HashMap<String, PathBuf> = HashMap::new();
    for relative in files {
        let file = folder.join(&relative);
        let Some(text) = read_text(&file, &mut problems) else { continue };
        let place = item::Place { root: &root, file: &file, relative: &relative };
        let Some((item, id_at)) = item::read(&place, &text, media, &mut problems) else { continue };
        if let Some(other) = owners.get(&item.id) {
            let message = format!("The id \"{}\" is already that of {}.", item.id, other.display());
            let help = "Give one of the two another id; this file is left out.";
            problems.push(match id_at {
                Some(range) => Problem::span(&file, &text, range, message, help),
                None => Problem::file(&file, message, help),
            });
            continue;
        }
        owners.insert(item.id.clone(), file);
        sum.push_str(&format!("{}\n{}\n", item.id, Digest::of(text.as_bytes())));
        item.media.iter().for_each(|m| sum.push_str(&m.digest));
        items.push(item);
    }
    (Library { items, digest: Digest::of(sum.as_bytes()) }, problems)
}

fn cannot_read(what: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("There is no such folder for {what}."),
        io::ErrorKind::PermissionDenied => format!("The program may not read {what}."),
        _ => format!("Reading {what} failed: {error}."),
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "Create the folder, or correct its path in the configuration.",
        io::ErrorKind::PermissionDenied => "Give read permission to the user the program runs as.",
        _ => "Check the disk or the network share.",
    }
}

/// Collects the Markdown files below a folder, as paths relative to the library.
fn list(folder: &Path, root: &Path, below: &Path, files: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    let here = folder.join(below);
    let entries = match fs::read_dir(&here).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(Problem::file(&here, cannot_read("this folder", &error), remedy(&error)));
            return;
        }
    };
    for entry in entries {
        let name = entry.file_name();
        let relative = below.join(&name);
        let lower = name.to_string_lossy().to_lowercase();
        let Ok(kind) = entry.file_type() else { continue };
        let is_text = lower.ends_with(".md") || lower.ends_with(".markdown");
        if lower.starts_with('.') {
            continue;
        }
        if kind.is_symlink() {
            // What a link inside the library points to is read under its own name; what lies outside is not ours.
            let inside = folder.join(&relative).canonicalize().is_ok_and(|target| target.starts_with(root));
            if !inside && is_text {
                let help = "Put the file itself into the library.";
                let problem = Problem::file(&folder.join(&relative), "This link leads out of the library and is not read.", help);
                problems.push(problem.warning());
            }
        } else if kind.is_dir() {
            if below.components().count() >= DEEPEST {
                let help = "Move the files up.";
                problems.push(Problem::file(&folder.join(&relative), "This folder lies too deep and is not read.", help));
            } else {
                list(folder, root, &relative, files, problems);
            }
        } else if kind.is_file() && is_text && !lower.starts_with("readme.") {
            files.push(relative);
        }
    }
}

/// The text of a file in UTF-8, with `\n` at the end of lines.
fn read_text(file: &Path, problems: &mut Vec<Problem>) -> Option<String> {
    let bytes = match fs::metadata(file).and_then(|meta| if meta.len() > LARGEST { Ok(None) } else { fs::read(file).map(Some) }) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            let help = "Keep one post per file; a text has some thousand characters at most.";
            problems.push(Problem::file(file, "This file is larger than 1 MB and is not read.", help));
            return None;
        }
        // A file that goes while we read is an edit in progress.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            problems.push(Problem::file(file, cannot_read("this file", &error), remedy(&error)));
            return None;
        }
    };
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(&bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains('\r') => Some(text.replace("\r\n", "\n").replace('\r', "\n")),
        Ok(text) => Some(text.to_owned()),
        Err(error) => {
            let shown = String::from_utf8_lossy(bytes);
            let start = error.valid_up_to();
            let help = "Save the file with the encoding UTF-8.";
            problems.push(Problem::span(file, &shown, start..start + 3, "From here on, this is not UTF-8.", help));
            None
        }
    }
}

/// The id of a file that does not name one: its path without extension, in the form that all systems agree on.
fn default_id(relative: &Path) -> String {
    let parts: Vec<String> = relative.with_extension("").iter().map(|p| p.to_string_lossy().nfc().collect()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests;
