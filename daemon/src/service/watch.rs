//! Notices that a file of the configuration was changed.
//!
//! In: the files the engine names. Out: a word without content when one of them was written, put in place or removed.
//! Never: reads a file, or polls.

use crate::daemon::Engine;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// So long nothing must happen before the files are read again.
pub(super) const QUIET: Duration = Duration::from_millis(300);

/// The watch.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    /// What counts when something happens near it: files, and folders whose every file counts.
    wanted: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// What the system was asked to look at.
    watched: BTreeSet<PathBuf>,
    changes: Sender<()>,
}

impl Watch {
    /// A watch that looks at nothing yet; the system is asked for nothing before it is needed.
    pub(super) fn new(changes: Sender<()>) -> Self {
        Self { watcher: None, wanted: Arc::default(), watched: BTreeSet::new(), changes }
    }

    /// Looks at what the configuration in force was read from, or at nothing when it says so.
    pub(super) fn follow(&mut self, engine: &Engine) {
        let watch = engine.current.get().limits.watch;
        let files: BTreeSet<PathBuf> = if watch { engine.watched().iter().map(|f| whole(f)).collect() } else { BTreeSet::new() };
        // Every commit writes into the store's folder: what lies there is watched by itself.
        let busy = engine.store.path().parent().map(whole);
        let places: BTreeSet<PathBuf> = files.iter().map(|file| place(file, busy.as_deref())).collect();
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = files;
        if places.is_empty() {
            self.watcher = None;
            self.watched.clear();
            return;
        }
        if self.watcher.is_none() {
            self.watcher = self.start();
        }
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.watched.difference(&places) {
            // It may have been removed from the disk, and the watch with it.
            let _ = watcher.unwatch(gone);
        }
        for place in &places {
            // A file that was replaced is another file under the old name: it is watched anew every time.
            if self.watched.contains(place) && !place.is_dir() {
                let _ = watcher.unwatch(place);
            } else if self.watched.contains(place) {
                continue;
            }
            if let Err(error) = watcher.watch(place, RecursiveMode::NonRecursive) {
                tracing::warn!("Changes of {} are not noticed: {error}. Use 'beffroi reload' after an edit.", place.display());
            }
        }
        self.watched = places;
    }

    fn start(&self) -> Option<RecommendedWatcher> {
        let (wanted, changes) = (self.wanted.clone(), self.changes.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            // Reading is an event, too; taking it for a change would read for ever.
            if matches!(event.kind, EventKind::Access(_)) {
                return;
            }
            let wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
            let counts = |path: &PathBuf| wanted.contains(path) || path.parent().is_some_and(|folder| wanted.contains(folder));
            if event.paths.iter().any(counts) {
                // One word that is still unread says as much as two.
                let _ = changes.try_send(());
            }
        });
        watcher
            .inspect_err(|error| tracing::warn!("Changes of files are not noticed: {error}. Use 'beffroi reload' after an edit."))
            .ok()
    }
}

fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What to watch for a file: its folder, since editors put a new file in its place; the file itself where the folder is busy.
fn place(file: &Path, busy: Option<&Path>) -> PathBuf {
    if file.is_dir() {
        return file.to_owned();
    }
    match file.parent() {
        Some(folder) if busy != Some(folder) || !file.exists() => folder.to_owned(),
        _ => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_watched_by_its_folder_unless_the_folder_is_busy() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("beffroi.toml");
        assert_eq!(place(&file, Some(home.path())), home.path(), "a missing file can only be seen coming");
        std::fs::write(&file, "").unwrap();
        assert_eq!(place(&file, Some(home.path())), file);
        assert_eq!(place(&file, None), home.path());
        assert_eq!(place(home.path(), None), home.path());
    }
}
