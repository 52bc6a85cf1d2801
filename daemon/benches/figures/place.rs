//! A folder with a configuration and scripts to measure on, and an engine that works in it.
//!
//! In: the workflows' sections and their scripts. Out: files on the same disk as the build, removed at the end.
//! Never: touches anything outside that folder.

use beffroi::clock::{Clock, Dice, SystemClock};
use beffroi::config::Base;
use beffroi::daemon::{Engine, Injected};
use beffroi::network::ScriptedNetwork;
use beffroi::store::Mode;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const BUSINESS: &str = "[business]\nname = \"Mesures\"\ntown = \"Arras\"\nzone = \"Europe/Paris\"\n\n";

/// A folder to measure in.
pub(crate) struct Place(TempDir);

impl Place {
    /// A folder with this configuration, after the `[business]` section.
    pub(crate) fn new(sections: &str) -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("the build folder can be written");
        fs::create_dir(folder.path().join("scripts")).expect("the folder is new");
        let place = Self(folder);
        place.write("beffroi.toml", &format!("{BUSINESS}{sections}"));
        place
    }

    /// Adds a script.
    pub(crate) fn script(self, name: &str, text: &str) -> Self {
        self.write(&format!("scripts/{name}.rhai"), text);
        self
    }

    /// Adds a file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the folder can be written");
        fs::write(path, text).expect("the folder can be written");
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.path().join("beffroi.toml")
    }

    /// The engine as the daemon has it: the machine's clock, a thread that writes, full durability.
    pub(crate) fn engine(&self) -> Arc<Engine> {
        engine(&self.config(), Mode::Threaded)
    }
}

/// An engine for a configuration file, on the machine's clock.
pub(crate) fn engine(config: &Path, mode: Mode) -> Arc<Engine> {
    let injected = Injected {
        clock: Arc::new(SystemClock::new()),
        dice: Arc::new(Dice::seeded(1)),
        network: Arc::new(ScriptedNetwork::new()),
        mode,
    };
    Engine::start(config, Base::default(), injected).unwrap_or_else(|error| panic!("{error}"))
}

/// A stopwatch.
pub(crate) struct Watch(SystemClock);

impl Watch {
    pub(crate) fn start() -> Self {
        Self(SystemClock::new())
    }

    pub(crate) fn span(&self) -> Duration {
        self.0.monotonic()
    }

    pub(crate) fn millis(&self) -> f64 {
        self.span().as_secs_f64() * 1_000.0
    }
}
