//! `beffroi demo`: the sample business, once through or until it is stopped.
//!
//! In: a folder. Out: the report of the first round; without `--once`, a daemon that goes on.
//! Never: writes outside the folder.

use super::Said;
use super::caller::own_language;
use crate::clock::{Clock, SystemClock};
use crate::daemon::Engine;
use crate::demo::{self, Report};
use crate::service;
use anyhow::{Context, anyhow};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long runs may go on when the first round is over.
const GRACE: Duration = Duration::from_secs(10);

/// The folder of packages: the one named, else what `cargo plugins` has built here, else what came with the program.
fn packages(named: Option<PathBuf>) -> Result<Option<PathBuf>, String> {
    if let Some(folder) = named {
        return match demo::package(&folder).is_file() {
            true => Ok(Some(folder)),
            false => {
                Err(format!("There is no {} there. Build the plugins with: cargo plugins", demo::package(&folder).display()))
            }
        };
    }
    let own = std::env::current_exe().ok().and_then(|file| file.canonicalize().ok());
    let installed = own.as_deref().and_then(Path::parent).and_then(Path::parent).map(|root| root.join("share/beffroi/plugins"));
    let places = [Some(PathBuf::from("target/plugins/packages")), installed];
    Ok(places.into_iter().flatten().find(|folder| demo::package(folder).is_file()))
}

/// Said where no package is at hand.
fn without_plugin() -> String {
    own_language().pick(
        "Sans module WebAssembly : pour en voir un au travail aussi, construisez-le (cargo plugins), puis relancez dans un dossier neuf.\n",
        "Without a WebAssembly plugin: to see one at work too, build it (cargo plugins), then start again in a new folder.\n",
    )
    .to_owned()
}

fn round(engine: &Engine, folder: &Path, packages: Option<&Path>) -> Result<Report, String> {
    if let Some(packages) = packages {
        demo::install(engine, packages)?;
    }
    let runs = demo::first_round(engine)?;
    Report::of(engine, folder, &runs)
}

/// How this program is typed: its name where the shell finds it, else its path.
fn program() -> String {
    const NAME: &str = "beffroi";
    let Ok(own) = std::env::current_exe() else { return NAME.to_owned() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).filter_map(|folder| folder.join(NAME).canonicalize().ok()).next();
    if found == own.canonicalize().ok() {
        return NAME.to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    let shown = own.strip_prefix(&here).unwrap_or(&own).display().to_string();
    if shown.contains(char::is_whitespace) { format!("\"{shown}\"") } else { shown }
}

/// `beffroi demo`
pub(super) fn run(folder: &Path, once: bool, plugins: Option<PathBuf>, as_json: bool) -> anyhow::Result<Said> {
    service::start_log(tracing::Level::ERROR);
    let packages = packages(plugins).map_err(|e| anyhow!(e))?;
    let config = demo::prepare(folder, SystemClock::new().now(), packages.is_some()).map_err(|e| anyhow!(e))?;
    if packages.is_none() && !as_json {
        eprint!("{}", without_plugin());
    }
    let folder = config.parent().unwrap_or(folder).to_owned();
    let shown = move |report: &Report, running: bool| {
        if as_json { format!("{}\n", report.json()) } else { report.words(own_language(), running, &program()) }
    };
    if once {
        let (engine, _) = service::engine(&config, None)?;
        let workers = engine.threads().context("The machine gives no more threads. Stop something else, then try again")?;
        let report = round(&engine, &folder, packages.as_deref());
        engine.begin_stop();
        workers.join(&engine, GRACE);
        let report = report.map_err(|e| anyhow!(e))?;
        return Ok(Said { text: shown(&report, false), status: u8::from(!report.good()) });
    }
    let first = move |engine: &Arc<Engine>| {
        let text = match round(engine, &folder, packages.as_deref()) {
            Ok(report) => shown(&report, true),
            Err(sentence) => return eprintln!("{sentence}"),
        };
        // Nobody reads it: the daemon goes on all the same.
        let _ = super::print(&Said { text, status: 0 });
    };
    service::run(&config, None, Some(Box::new(first)))?;
    Ok(Said::default())
}
