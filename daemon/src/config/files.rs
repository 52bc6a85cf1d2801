//! The files that the configuration names: whether they are there, and the sources of scripts.
//!
//! In: paths as written. Out: paths to use, script sources with their digests, each read once.
//! Never: reads feeds, stock or content; the adapters do that when it is their turn.

use super::Base;
use crate::domain::Digest;
use crate::problem::did_you_mean;
use crate::written::Findings;
use crate::written::Text;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// A script larger than this is something else by mistake.
const LARGEST_SCRIPT: u64 = 1 << 20;

/// What a path has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// A file.
    File,
    /// A folder.
    Folder,
}

/// Resolves paths against the configuration's folder.
#[derive(Debug)]
pub(super) struct Files<'a> {
    /// The configuration's folder.
    pub(super) folder: &'a Path,
    /// Where what the daemon writes goes.
    pub(super) state: &'a Path,
    findings: &'a Findings<'a>,
}

impl<'a> Files<'a> {
    /// Paths count from `folder`, and those the daemon writes to from `state`.
    pub(super) fn new(folder: &'a Path, state: &'a Path, findings: &'a Findings<'a>) -> Self {
        Self { folder, state, findings }
    }

    /// A file that other programs write and replace. That it is not there now is worth a word, and no reason not to start: what
    /// needs it says so when its turn comes, and goes on when it is back.
    pub(super) fn data(&self, text: &Text<'_>) -> PathBuf {
        let path = self.folder.join(text.value);
        if !matches!(fs::metadata(&path), Err(error) if error.kind() == ErrorKind::NotFound) {
            return self.existing(text, Want::File);
        }
        let (message, help) = self.nothing_at(text, &path, "file");
        self.findings.doubt(text.at.clone(), message, help);
        path
    }

    fn nothing_at(&self, text: &Text<'_>, path: &Path, word: &str) -> (String, String) {
        let help = match near(path, |_| true) {
            Some(name) => format!("Did you mean \"{}\"?", Path::new(text.value).with_file_name(name).display()),
            None => format!("Put it there, or correct the path: it counts from {}.", shown(self.folder)),
        };
        (format!("There is no {word} \"{}\".", text.value), help)
    }

    /// A file or folder that has to be there.
    pub(super) fn existing(&self, text: &Text<'_>, want: Want) -> PathBuf {
        let path = self.folder.join(text.value);
        let word = if want == Want::File { "file" } else { "folder" };
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() == (want == Want::Folder) => {}
            Ok(_) => {
                let other = if want == Want::File { "a folder, not a file" } else { "a file, not a folder" };
                self.findings.error(text.at.clone(), format!("\"{}\" is {other}.", text.value), format!("Name a {word}."));
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let message = format!("\"{}\" may not be read by the user the daemon runs as.", text.value);
                self.findings.error(text.at.clone(), message, "Let that user read it and the folders above it.");
            }
            Err(_) => {
                let (message, help) = self.nothing_at(text, &path, word);
                self.findings.error(text.at.clone(), message, help);
            }
        }
        path
    }

    /// A path the daemon writes to.
    pub(super) fn written(&self, path: &str) -> PathBuf {
        self.state.join(path)
    }
}

fn shown(folder: &Path) -> String {
    if folder.as_os_str().is_empty() { "the current folder".into() } else { format!("the folder {}", folder.display()) }
}

/// The name of a neighbour that `path` was perhaps meant to be.
fn near(path: &Path, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A folder of media may hold very many files; a suggestion is not worth reading them all.
    let names: Vec<String> =
        fs::read_dir(parent).ok()?.take(2_000).filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let written = path.file_name()?.to_str()?;
    did_you_mean(written, names.iter().map(String::as_str).filter(|name| wanted(name))).map(str::to_owned)
}

/// A path without `.` and with `..` taken back, to tell whether two are the same place. Reads no links.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// One script's source.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// The file, or `builtin:` and the name.
    pub(super) path: Arc<Path>,
    /// Digest of the source.
    pub(super) version: Digest,
    /// The source.
    pub(super) source: Arc<str>,
}

/// The scripts, each read and hashed once however many workflows share it.
#[derive(Debug)]
pub(super) struct Scripts<'a> {
    folder: PathBuf,
    base: &'a Base,
    known: BTreeMap<String, Result<Script, (String, String)>>,
}

impl<'a> Scripts<'a> {
    /// Scripts of this folder and of the daemon.
    pub(super) fn new(folder: PathBuf, base: &'a Base) -> Self {
        Self { folder, base, known: BTreeMap::new() }
    }

    /// The script of this name; why not becomes a finding at every place that names it.
    pub(super) fn get(&mut self, text: &Text<'_>, findings: &Findings<'_>) -> Option<&Script> {
        if !self.known.contains_key(text.value) {
            let read = self.read(text.value);
            self.known.insert(text.value.to_owned(), read);
        }
        match self.known.get(text.value)? {
            Ok(script) => Some(script),
            Err((message, help)) => {
                findings.error(text.at.clone(), message, help);
                None
            }
        }
    }

    /// The files that were read.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.known.values().flatten().map(|script| script.path.to_path_buf()).filter(|path| !is_builtin(path))
    }

    fn read(&self, name: &str) -> Result<Script, (String, String)> {
        let inside = Path::new(name).components().all(|component| matches!(component, Component::Normal(_)));
        if !inside {
            return Err((
                format!("The script \"{name}\" lies outside the folder of scripts."),
                format!("Put it into {} and name it without \"..\" and without a leading \"/\".", self.folder.display()),
            ));
        }
        let path = self.folder.join(name);
        let (path, bytes) = match read_script(&path) {
            Ok(bytes) if bytes.len() as u64 > LARGEST_SCRIPT => {
                return Err((
                    format!("The script \"{name}\" is larger than 1 MiB."),
                    "Check that it is the script, and keep texts and data in the library or in the settings.".into(),
                ));
            }
            Ok(bytes) => (path, bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => match self.base.builtin.and_then(|builtin| builtin(name)) {
                Some(source) => (PathBuf::from(format!("builtin:{name}")), source.as_bytes().to_vec()),
                None => return Err(self.missing(name, &path)),
            },
            Err(_) if path.is_dir() => {
                return Err((format!("The script \"{name}\" is a folder."), "Name the .rhai file in it.".into()));
            }
            Err(error) => {
                let help = format!("Let the user the daemon runs as read {}.", path.display());
                return Err((format!("The script \"{name}\" cannot be read: {error}."), help));
            }
        };
        let utf_16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        let text = String::from_utf8(bytes).map_err(|_| {
            let written = if utf_16 { "is written in UTF-16, not in UTF-8." } else { "is not written in UTF-8." };
            (format!("The script \"{name}\" {written}"), "Save it with the encoding UTF-8 in your editor.".to_owned())
        })?;
        let source = text.strip_prefix('\u{feff}').unwrap_or(&text);
        Ok(Script { path: path.into(), version: Digest::of(source.as_bytes()), source: source.into() })
    }

    fn missing(&self, name: &str, path: &Path) -> (String, String) {
        let with_ending = format!("{name}.rhai");
        let ending_forgotten = path.with_file_name(&with_ending).is_file()
            || self.base.builtin.is_some_and(|builtin| builtin(&with_ending).is_some());
        let help = if ending_forgotten {
            format!("Did you mean \"{with_ending}\"?")
        } else if let Some(near) = near(path, |name| name.ends_with(".rhai")) {
            format!("Did you mean \"{}\"?", Path::new(name).with_file_name(near).display())
        } else {
            format!("Put it into {}, or correct the name.", self.folder.display())
        };
        (format!("There is no script \"{name}\"."), help)
    }
}

/// The bytes of a script, up to one more than there may be.
fn read_script(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LARGEST_SCRIPT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a script's path says that it came with the daemon.
fn is_builtin(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.starts_with("builtin:"))
}
