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
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long runs may go on when the first round is over.
const GRACE: Duration = Duration::from_secs(10);

fn round(engine: &Engine, folder: &Path) -> Result<Report, String> {
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
pub(super) fn run(folder: &Path, once: bool, as_json: bool) -> anyhow::Result<Said> {
    service::start_log(tracing::Level::ERROR);
    let config = demo::prepare(folder, SystemClock::new().now()).map_err(|e| anyhow!(e))?;
    let folder = config.parent().unwrap_or(folder).to_owned();
    let shown = move |report: &Report, running: bool| {
        if as_json { format!("{}\n", report.json()) } else { report.words(own_language(), running, &program()) }
    };
    if once {
        let (engine, _) = service::engine(&config, None)?;
        let workers = engine.threads().context("The machine gives no more threads. Stop something else, then try again")?;
        let report = round(&engine, &folder);
        engine.begin_stop();
        workers.join(&engine, GRACE);
        let report = report.map_err(|e| anyhow!(e))?;
        return Ok(Said { text: shown(&report, false), status: u8::from(!report.good()) });
    }
    let first = move |engine: &Arc<Engine>| {
        let text = match round(engine, &folder) {
            Ok(report) => shown(&report, true),
            Err(sentence) => return eprintln!("{sentence}"),
        };
        // Nobody reads it: the daemon goes on all the same.
        let _ = super::print(&Said { text, status: 0 });
    };
    service::run(&config, None, Some(Box::new(first)))?;
    Ok(Said::default())
}
