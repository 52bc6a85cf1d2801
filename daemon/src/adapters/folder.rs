//! A channel that is a folder: each post becomes a text file, with a page that shows it as it would look.
//!
//! In: a post and the key of its delivery. Out: `2026-11-22-0930-<account>-<key>.md`, the same as `.html`, copies of its
//! pictures in `media/`, and an `index.html` of all posts.
//! Never: writes a second post for the same key. The text file comes last and is the proof that the post is there.

mod page;

use super::files::{self, WriteError};
use super::library::FORMATS;
use super::media::{self, MediaCache};
use crate::domain::{Language, Timestamp};
use crate::kinds::{Call, Channel, Failure, Finding, KindError, Media, Outcome, Outgoing, Preparation, Receipt};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use unicode_segmentation::UnicodeSegmentation;

/// Where copies of pictures lie, seen from the folder.
const MEDIA: &str = "media";

/// The index and the pictures belong to all accounts that share a folder: one writer at a time.
static SHARED: Mutex<()> = Mutex::new(());

/// Publishes to a folder.
#[derive(Debug)]
pub struct FolderChannel {
    folder: PathBuf,
    account: String,
    network: String,
    business: String,
    max_chars: usize,
    language: Language,
    digests: MediaCache,
}

impl FolderChannel {
    /// A channel that writes to this folder, which is made when it is not there. `max_chars` of 0 means no limit.
    pub fn new(
        folder: impl Into<PathBuf>,
        account: impl Into<String>,
        network: impl Into<String>,
        business: impl Into<String>,
        max_chars: usize,
    ) -> Self {
        Self {
            folder: folder.into(),
            account: account.into(),
            network: network.into(),
            business: business.into(),
            max_chars,
            language: Language::default(),
            digests: MediaCache::default(),
        }
    }

    /// The same, with its objections in this language; French when this is not called.
    #[must_use]
    pub fn in_language(self, language: Language) -> Self {
        Self { language, ..self }
    }

    fn receipt(&self, stem: &str) -> Receipt {
        Receipt { remote_id: format!("{stem}.md"), url: files::address(&self.folder, &format!("{stem}.html")) }
    }

    fn trouble(&self, language: Language, error: &WriteError) -> KindError {
        files::trouble(language, &self.folder, error)
    }

    fn retry(&self, language: Language, error: io::Error) -> KindError {
        self.trouble(language, &WriteError::NotDone(error))
    }

    /// The length of a text as this network counts it: Bluesky counts what people see as letters, the others code points.
    fn length(&self, text: &str) -> usize {
        if self.network == "bluesky" { text.graphemes(true).count() } else { text.chars().count() }
    }

    /// Copies the pictures that are not in the folder yet, and says under which names they lie there.
    fn copy_media(&self, language: Language, post: &Outgoing) -> Result<Vec<String>, KindError> {
        if post.media.is_empty() {
            return Ok(Vec::new());
        }
        let folder = self.folder.join(MEDIA);
        let _only_us = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        files::open_folder(&folder).map_err(|e| self.retry(language, e))?;
        post.media.iter().map(|medium| self.copy_one(language, &folder, medium)).collect()
    }

    fn copy_one(&self, language: Language, folder: &Path, medium: &Media) -> Result<String, KindError> {
        let digest = medium.digest.to_ascii_lowercase();
        if digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(KindError::Reject(changed(language, &medium.path)));
        }
        let name = match media::extension(&medium.path) {
            ext if ext.is_empty() => digest[..32].to_owned(),
            ext => format!("{}.{ext}", &digest[..32]),
        };
        // What lies there under its digest was whole when it got that name, and is what the approval was given for.
        if folder.join(&name).is_file() {
            return Ok(format!("{MEDIA}/{name}"));
        }
        let mut source = File::open(&medium.path).map_err(|e| KindError::media_missing(language, &medium.path, &e))?;
        let mut is_same = false;
        let copied = files::write_with(folder, &name, |file| {
            is_same = media::copy_digesting(&mut source, file)?.0 == digest;
            if is_same { Ok(()) } else { Err(io::Error::other("another picture")) }
        });
        match copied {
            Ok(()) => Ok(format!("{MEDIA}/{name}")),
            Err(WriteError::NotDone(e)) if !is_same && e.raw_os_error().is_none() => {
                Err(KindError::Reject(changed(language, &medium.path)))
            }
            // A picture may be copied again at any time: nothing about it is uncertain.
            Err(WriteError::NotDone(e) | WriteError::Unknown(e)) => Err(self.retry(language, e)),
        }
    }

    fn text_file(&self, call: &Call<'_>, key: &str, post: &Outgoing, media: &[String]) -> String {
        // A JSON string is a quoted text of YAML too.
        let quote = |text: &str| serde_json::Value::from(text).to_string();
        let mut out = String::from("---\n");
        for (name, value) in [
            ("key", key),
            ("account", &self.account),
            ("network", &self.network),
            ("format", &post.format),
            ("date", &call.now.rfc3339(call.zone)),
        ] {
            let _ = writeln!(out, "{name}: {}", quote(value));
        }
        if let Some(link) = &post.link {
            let _ = writeln!(out, "link: {}", quote(link));
        }
        if !media.is_empty() {
            out.push_str("media:\n");
        }
        for (name, medium) in media.iter().zip(&post.media) {
            let _ = writeln!(out, "  - file: {}\n    alt: {}", quote(name), quote(&medium.alt));
        }
        let _ = write!(out, "---\n{}\n", post.text);
        out
    }

    fn page(&self, call: &Call<'_>, key: &str, stem: &str, post: &Outgoing, media: &[String]) -> Result<String, KindError> {
        let shown = page::Post {
            business: &self.business,
            account: &self.account,
            network: &self.network,
            format: &post.format,
            text: &post.text,
            link: post.link.as_deref(),
            media: media.iter().map(String::as_str).zip(post.media.iter().map(|m| m.alt.as_str())).collect(),
            stem,
            key,
            length: self.length(&post.text),
            max_chars: self.max_chars,
        };
        page::preview(&shown, call)
            .map_err(|e| KindError::Internal(Failure::new("preview", format!("The preview page failed: {e:#}."))))
    }

    /// Writes the list of all posts again. It can be made at any time, so its failure is no failure of the post.
    fn refresh_index(&self, call: &Call<'_>) {
        let _only_us = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let done = page::index(&self.folder, &self.business, call).map_err(io::Error::other);
        if let Err(error) = done.and_then(|html| files::replace(&self.folder, "index.html", html.as_bytes())) {
            tracing::warn!(%error, folder = %self.folder.display(), "the list of posts could not be written; the next post does it again");
        }
    }
}

fn changed(language: Language, path: &str) -> Failure {
    Failure::new(
        "media-changed",
        language.pick(
            format!("L'image «\u{a0}{path}\u{a0}» a changé depuis que le post a été préparé. Préparez-le de nouveau."),
            format!("The picture \"{path}\" changed since the post was planned. Plan it again."),
        ),
    )
}

impl Channel for FolderChannel {
    /// A file is there or it is not.
    fn settles_within(&self) -> Duration {
        Duration::ZERO
    }

    fn objections(&self, post: &Outgoing) -> Vec<Failure> {
        let say = |code, fr: String, en: String| Failure::new(code, self.language.pick(fr, en));
        let mut out = Vec::new();
        let length = self.length(&post.text);
        if post.text.trim().is_empty() && post.media.is_empty() {
            out.push(say(
                "text-empty",
                "Le post est vide. Écrivez un texte ou ajoutez une image.".into(),
                "The post is empty. Write a text or add a picture.".into(),
            ));
        }
        if self.max_chars > 0 && length > self.max_chars {
            let (most, over, network) = (self.max_chars, length - self.max_chars, page::network_label(&self.network));
            out.push(say(
                "text-too-long",
                format!("Le texte a {length} caractères\u{a0}; {network} en prend {most}. Raccourcissez-le de {over}."),
                format!("The text has {length} characters; {network} takes {most}. Shorten it by {over}."),
            ));
        }
        if !FORMATS.contains(&post.format.as_str()) {
            let (format, list) = (&post.format, FORMATS.join(", "));
            out.push(say(
                "format-unknown",
                format!("Le format «\u{a0}{format}\u{a0}» n'existe pas. Utilisez l'un de\u{a0}: {list}."),
                format!("There is no format \"{format}\". Use one of: {list}."),
            ));
        }
        for medium in &post.media {
            match self.digests.digest(Path::new(&medium.path)) {
                Ok(digest) if digest.eq_ignore_ascii_case(&medium.digest) => {}
                Ok(_) => out.push(changed(self.language, &medium.path)),
                Err(e) => out.push(KindError::media_missing(self.language, &medium.path, &e).failure().clone()),
            }
        }
        out
    }

    fn prepare(&self, call: &Call<'_>, _key: &str, post: &Outgoing, so_far: Option<&str>) -> Result<Preparation, KindError> {
        files::open_folder(&self.folder).map_err(|e| self.retry(call.language, e))?;
        self.copy_media(call.language, post)?;
        Ok(Preparation::Ready(so_far.map(str::to_owned)))
    }

    fn publish(&self, call: &Call<'_>, key: &str, post: &Outgoing, _prepared: Option<&str>) -> Result<Outcome, KindError> {
        let token = files::token(key);
        files::open_folder(&self.folder).map_err(|e| self.retry(call.language, e))?;
        let look = |extension| files::find(&self.folder, &token, extension).map_err(|e| self.retry(call.language, e));
        let stem = match look("md")? {
            Some(stem) => stem,
            None => {
                // A page without its text is what an attempt that was cut short leaves: its name is used again.
                let stem = match look("html")? {
                    Some(stem) => stem,
                    None => files::stem(call.now, call.zone, &self.account, &token),
                };
                let media = self.copy_media(call.language, post)?;
                let page = self.page(call, key, &stem, post, &media)?;
                let text = self.text_file(call, key, post, &media);
                files::write_whole(&self.folder, &format!("{stem}.html"), page.as_bytes())
                    .map_err(|(WriteError::NotDone(e) | WriteError::Unknown(e))| self.retry(call.language, e))?;
                files::write_whole(&self.folder, &format!("{stem}.md"), text.as_bytes())
                    .map_err(|e| self.trouble(call.language, &e))?;
                stem
            }
        };
        self.refresh_index(call);
        Ok(Outcome::Online(self.receipt(&stem)))
    }

    fn find(&self, call: &Call<'_>, key: &str, _post: &Outgoing, _prepared: Option<&str>) -> Option<Result<Finding, KindError>> {
        Some(match files::find(&self.folder, &files::token(key), "md") {
            Ok(Some(stem)) => Ok(Finding::Online(self.receipt(&stem))),
            Ok(None) => Ok(Finding::Absent),
            // Nothing but this channel makes the folder: where it is not, no post was ever finished.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Finding::Absent),
            Err(e) => Err(self.retry(call.language, e)),
        })
    }

    /// Pictures stay: another post may show the same.
    fn unpublish(&self, call: &Call<'_>, remote_id: &str) -> Option<Result<(), KindError>> {
        let stem = remote_id.strip_suffix(".md").filter(|stem| !stem.is_empty() && !stem.starts_with('.') && !stem.contains('/'));
        let Some(stem) = stem else {
            let text = call.language.pick(
                format!("« {remote_id} » n'est pas un fichier de ce dossier."),
                format!("\"{remote_id}\" is no file of this folder."),
            );
            return Some(Err(KindError::Reject(Failure::new("not-ours", text))));
        };
        let done = remove(&self.folder, stem).map_err(|e| self.retry(call.language, e));
        if done.is_ok() && self.folder.exists() {
            self.refresh_index(call);
        }
        Some(done)
    }
}

/// What takes a post's files away; what is gone already counts as gone.
fn remove(folder: &Path, stem: &str) -> io::Result<()> {
    // The text file is the proof that the post is there: it goes last.
    for extension in ["html", "md"] {
        match fs::remove_file(folder.join(format!("{stem}.{extension}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match File::open(folder).and_then(|opened| opened.sync_all()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A post read back from its text file.
struct Written {
    network: String,
    account: String,
    format: String,
    date: Option<Timestamp>,
    text: String,
    /// The first picture: file and description.
    picture: Option<(String, String)>,
}

impl Written {
    fn read(path: &Path) -> io::Result<Self> {
        use super::library::{Value, front_matter};
        let content = fs::read_to_string(path)?;
        let front = front_matter(&content);
        let get = |key: &str| {
            front.entries.iter().find(|e| e.key == key).and_then(|e| match &e.node.value {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            })
        };
        let pictures = front.entries.iter().find(|e| e.key == "media").and_then(|e| match &e.node.value {
            Value::List(list) => list.first(),
            _ => None,
        });
        let picture = pictures.and_then(|node| match &node.value {
            Value::Map(entries) => {
                let part = |key: &str| {
                    entries.iter().find(|e| e.key == key).and_then(|e| match &e.node.value {
                        Value::Text(text) => Some(text.clone()),
                        _ => None,
                    })
                };
                Some((part("file")?, part("alt").unwrap_or_default()))
            }
            _ => None,
        });
        Ok(Self {
            network: get("network").unwrap_or_default(),
            account: get("account").unwrap_or_default(),
            format: get("format").unwrap_or_default(),
            date: get("date").as_deref().and_then(Timestamp::parse),
            text: content.get(front.body..).unwrap_or_default().trim_end().to_owned(),
            picture,
        })
    }
}

#[cfg(test)]
mod tests;
