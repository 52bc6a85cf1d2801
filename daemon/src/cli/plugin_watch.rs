//! `beffroi plugin dev`: builds, tries and installs a plugin after each change of its project.
//!
//! In: a project's folder, and a daemon if one runs. Out: a card after each change; the daemon meets the new version at its next call.
//! Never: installs what failed its trial, or asks for less than an installation by hand: the first one is agreed to in person.

use super::plugin_dev::{self, Project};
use super::plugins::{self, Allow, Plugin, PluginAsk};
use super::{Config, Said};
use anyhow::{Context, bail};
use clap::Args;
use notify::{EventKind, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// So long nothing must happen before the build begins.
const QUIET: Duration = Duration::from_millis(300);
/// Folders in which builds and tools write.
const BUSY: &[&str] = &["build", "target", "node_modules", ".venv", ".git", "__pycache__", "sdk"];

/// Working on a plugin.
#[derive(Debug, Args)]
pub struct DevPlugin {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Builds and tries, and installs nothing
    #[arg(long)]
    pub no_install: bool,
    /// Does it once and ends
    #[arg(long)]
    pub once: bool,
    /// Says yes to the first installation
    #[arg(long)]
    pub yes: bool,
}

/// `beffroi plugin dev`
pub(super) fn dev(socket: &Path, ask: &DevPlugin) -> anyhow::Result<Said> {
    let script = ask.dir.join("build.sh");
    if !script.exists() {
        bail!("There is no {}. A project begins with: beffroi plugin new", script.display());
    }
    if ask.once {
        let status = u8::from(!round(socket, ask)?);
        return Ok(Said { text: String::new(), status });
    }
    let (sender, changes) = mpsc::channel();
    let folder = std::path::absolute(&ask.dir)?;
    let watched = folder.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let counts = |path: &PathBuf| {
            let inside = path.strip_prefix(&watched).unwrap_or(path);
            let first = inside.components().next().map(|c| c.as_os_str().to_string_lossy().into_owned());
            first.is_some_and(|first| !BUSY.contains(&first.as_str()) && first != "dev.key")
        };
        if !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(counts) {
            // Whoever listens has ended when this fails.
            let _ = sender.send(());
        }
    })?;
    watcher.watch(&folder, RecursiveMode::Recursive).with_context(|| format!("{} cannot be watched", folder.display()))?;
    loop {
        if let Err(error) = round(socket, ask) {
            eprintln!("{error:#}");
        }
        eprintln!("Waiting for a change in {}. Ctrl-C ends it.", ask.dir.display());
        if !settled(&changes) {
            return Ok(Said::default());
        }
    }
}

/// Waits for a change, and until nothing changes any more. False when there is nothing to wait for.
fn settled(changes: &Receiver<()>) -> bool {
    if changes.recv().is_err() {
        return false;
    }
    loop {
        match changes.recv_timeout(QUIET) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// Builds, tries and installs once. False when it went wrong before the installation.
fn round(socket: &Path, ask: &DevPlugin) -> anyhow::Result<bool> {
    let built = Command::new("./build.sh").current_dir(&ask.dir).status();
    if !built.context("The build script cannot be started. Make it executable: chmod +x build.sh")?.success() {
        eprintln!("The build went wrong; nothing is installed.");
        return Ok(false);
    }
    let project = Project::find(&ask.dir, None)?;
    let card = plugin_dev::tried(&project)?;
    print!("{}", plugin_dev::shown(&card));
    if card.counts().1 > 0 {
        eprintln!("What failed its trial is not installed.");
        return Ok(false);
    }
    if ask.no_install {
        return Ok(true);
    }
    if !socket.exists() {
        eprintln!(
            "No daemon listens at {}, so nothing is installed. Start one, or name its socket with --socket.",
            socket.display()
        );
        return Ok(true);
    }
    let file = plugin_dev::packed(&project, None, None)?.0;
    let allow = Allow { yes: ask.yes, grant: None, force: false, new_key: false };
    let config = Config { config: None, state: None };
    let source = file.display().to_string();
    let said = plugins::run(socket, false, Plugin { ask: PluginAsk::Install { source, allow, config } })?;
    print!("{}", said.text);
    eprintln!("Signed with the key for trying of this project: for this machine only.");
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_changes_are_one() {
        let (sender, changes) = mpsc::channel();
        for _ in 0..3 {
            sender.send(()).expect("somebody listens");
        }
        assert!(settled(&changes));
        assert!(changes.try_recv().is_err(), "nothing is left");
        drop(sender);
        assert!(!settled(&changes));
    }
}
