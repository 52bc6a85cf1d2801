//! The author's commands: `beffroi plugin new`, `test`, `dev` and `pack`.
//!
//! In: a project's folder. Out: a new project, the card of its plugin, a package.
//! Never: writes over a file that is there, except what a build made.

use super::Said;
use crate::domain::PluginName;
use crate::plugin::template::{self, Kind, Tongue};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A new plugin.
#[derive(Debug, Args)]
pub struct NewPlugin {
    /// What it is for
    pub kind: Kind,
    /// Its name, such as my-network
    pub name: String,
    /// What it is written in
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    pub lang: Tongue,
    /// Where to; else a folder named like the plugin
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// For Rust: where the crate beffroi-plugin lies; else a copy of it comes along
    #[arg(long, value_name = "DIR")]
    pub sdk: Option<PathBuf>,
}

/// `beffroi plugin new`
pub(super) fn new(ask: &NewPlugin, as_json: bool) -> anyhow::Result<Said> {
    let good = |text: &str| {
        text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
    };
    if !good(&ask.name) {
        bail!("\"{}\" cannot name a plugin. Use small letters without accents, digits and \"-\", and begin with a letter.", ask.name);
    }
    let name = PluginName::parse(&ask.name)?;
    let sdk = ask.sdk.as_ref().map(|path| {
        let failed = || format!("There is no folder {}. Name the folder that holds the SDK's Cargo.toml", path.display());
        path.canonicalize().with_context(failed)
    });
    let folder = ask.dir.clone().unwrap_or_else(|| PathBuf::from(&ask.name));
    if std::fs::read_dir(&folder).is_ok_and(|mut list| list.next().is_some()) {
        bail!("The folder {} is not empty. Choose another one with --dir.", folder.display());
    }
    let files = template::project(ask.kind, ask.lang, &name, sdk.transpose()?.as_deref());
    for file in &files {
        write_new(&folder.join(&file.path), &file.bytes, file.executable)?;
    }
    if as_json {
        let paths: Vec<&PathBuf> = files.iter().map(|file| &file.path).collect();
        return Ok(super::offline::document(&json!({ "folder": folder, "files": paths })));
    }
    let readme = files.iter().find(|file| file.path == Path::new("README.md"));
    let readme = readme.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default();
    let steps: String = readme.lines().filter(|line| line.starts_with("    ")).map(|line| format!("{line}\n")).collect();
    Ok(Said::good(format!("{} holds {name}, a {} in {}. Go on there:\n\n    cd {}\n{steps}", folder.display(), ask.kind.word(), ask.lang.word(), folder.display())))
}

fn write_new(path: &Path, bytes: &[u8], executable: bool) -> anyhow::Result<()> {
    let failed = || format!("{} cannot be written. Choose another folder with --dir", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    if executable {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o755);
    }
    options.open(path).and_then(|mut file| file.write_all(bytes)).with_context(failed)
}
