//! Reads `beffroi.toml`: what was written becomes the [`Instance`] that was meant, or every reason why it cannot.
//!
//! In: the file's path and where the daemon keeps its own things. Out: a [`Loaded`], or all problems at once with line,
//! column and remedy.
//! Never: runs or checks a script, touches the store, or gives back something half valid.

mod files;
mod meant;
mod plugins;
mod sections;
mod shape;
#[cfg(test)]
mod tests;
mod workflows;

use crate::instance::Instance;
use crate::problem::{Problem, any_error};
use crate::written::Findings;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// A configuration larger than this is something else by mistake.
const LARGEST: u64 = 256 << 20;

/// What the caller knows before the file is read.
#[derive(Debug, Clone, Default)]
pub struct Base {
    /// Where what the daemon writes goes when its path is relative: store, socket, folders of channels and people. The
    /// configuration's own folder when not said.
    pub state: Option<PathBuf>,
    /// The sources of scripts that came with the daemon, by file name.
    pub builtin: Option<fn(&str) -> Option<&'static str>>,
}

/// A configuration that can be run.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Everything the workers need.
    pub instance: Instance,
    /// The database file.
    pub store: PathBuf,
    /// The admin socket.
    pub socket: PathBuf,
    /// What this was read from, to be watched: the file itself, the folder of scripts and each script. What is read later, again
    /// and again (feeds, stock, figures, the library), is not among them.
    pub files: Vec<PathBuf>,
    /// What works, but probably not as meant.
    pub warnings: Vec<Problem>,
}

/// Reads the configuration and every script it names.
///
/// # Errors
/// All problems, in the order of the file; at least one of them is an error. Warnings are among them.
pub fn load(file: &Path, base: &Base) -> Result<Loaded, Vec<Problem>> {
    let bytes = read(file).map_err(|problem| vec![*problem])?;
    let text = decode(file, bytes).map_err(|problem| vec![*problem])?;
    // Editors on Windows write a byte order mark; it is no part of the first key.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let nothing = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    if nothing {
        let message = "This file says nothing: it is empty or holds only remarks.";
        return Err(vec![Problem::file(file, message, "Write at least [business] with its name and zone.")]);
    }
    let findings = Findings::new(text);
    let loaded = meant::mean(file, text, base, &findings);
    let problems = findings.finish(file);
    match loaded {
        Some(loaded) if !any_error(&problems) => Ok(Loaded { warnings: problems, ..loaded }),
        _ => Err(problems),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Box<Problem>> {
    let problem = |message: String, help: &str| Box::new(Problem::file(file, message, help));
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => problem(
            "There is no such file.".into(),
            "Name your configuration with --config, or start from the annotated one in config/beffroi.toml.",
        ),
        ErrorKind::PermissionDenied => problem(
            "This file may not be read by the user the daemon runs as.".into(),
            "Let that user read it, for example with: chgrp beffroi FILE && chmod 640 FILE",
        ),
        _ => problem(format!("This file cannot be read: {error}."), "Check the disk and the path."),
    };
    let mut opened = File::open(file).map_err(failed)?;
    let about = opened.metadata().map_err(failed)?;
    if about.is_dir() {
        return Err(problem("This is a folder, not a file.".into(), "Name the file in it, for example beffroi.toml."));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len().min(LARGEST)).unwrap_or(0) + 1);
    opened.by_ref().take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(problem("This file is larger than 256 MiB.".into(), "Check that it is the configuration."));
    }
    Ok(bytes)
}

fn decode(file: &Path, bytes: Vec<u8>) -> Result<String, Box<Problem>> {
    let help = "Save it as UTF-8: in the editor choose \"Save as\" and the encoding UTF-8.";
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Box::new(Problem::file(file, "This file is written in UTF-16, not in UTF-8.", help)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(&bytes[start..at]).chars().count() + 1;
        let length = bytes[start..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - start);
        // What Windows editors write, and what the byte most probably means.
        let (meant, ..) = encoding_rs::WINDOWS_1252.decode(&bytes[at..=at]);
        let (shown, ..) = encoding_rs::WINDOWS_1252.decode(&bytes[start..start + length]);
        let message = format!("This file is not written in UTF-8: \"{meant}\" on this line is in an older Windows encoding.");
        Box::new(Problem {
            line,
            column,
            width: 1,
            excerpt: shown.trim_end().to_owned(),
            ..Problem::file(file, message, format!("{help} On a server: iconv -f WINDOWS-1252 -t UTF-8."))
        })
    })
}
