//! `beffroi simulate`: the days ahead, lived in advance.
//!
//! In: a configuration, and a copy of the database: over the socket of a daemon that runs, else of the file itself, else none. Out: a
//! calendar in one of four forms.
//! Never: changes anything of the instance; the copy lies in a private folder that is removed at the end.

use super::caller::{Caller, own_language};
use super::{Config, Said};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Loaded};
use crate::problem::Problem;
use crate::service;
use crate::simulate::feeds::Origin;
use crate::simulate::{self, Approvals, COPY, MOST_DAYS, Past, Wish, show};
use crate::store;
use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};

/// How wide text is where no terminal says.
const WIDTH: usize = 100;

/// The days ahead.
#[derive(Debug, Args)]
pub struct Simulate {
    #[command(flatten)]
    config: Config,
    /// The first day, such as 2026-12-01, or a moment; else now
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// How many days, up to 366
    #[arg(long, value_name = "N", default_value_t = 31, allow_hyphen_values = true, value_parser = days)]
    days: u32,
    /// What all chance is drawn from: the same number gives the same calendar
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Writes it into this file instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How drafts are answered: never, always, or after:2h (when somebody is there, from 8 to 20 h)
    #[arg(long, value_name = "WHEN", default_value = "after:2h", value_parser = Approvals::parse)]
    approve: Approvals,
    /// Where feeds come from: recorded plays the last weeks again, generated makes news up; auto takes what is there
    #[arg(long, value_enum, default_value_t = Feeds::Auto)]
    feeds: Feeds,
    /// Stock levels to come: a CSV file with the columns sku, date and available
    #[arg(long, value_name = "FILE")]
    stock: Option<PathBuf>,
}

/// How a simulation is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// For programs
    Json,
    /// For a calendar
    Ics,
    /// For a browser
    Page,
}

/// Where feeds come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Feeds {
    /// Recorded where enough is known
    Auto,
    /// What the database remembers, week for week
    Recorded,
    /// By seed
    Generated,
}

fn days(text: &str) -> Result<u32, String> {
    let days = text.parse().ok().filter(|days| (1..=MOST_DAYS).contains(days));
    days.ok_or_else(|| format!("write a number of days from 1 to {MOST_DAYS}"))
}

/// `beffroi simulate`
pub(super) fn run(asked: Simulate, socket: Option<PathBuf>, as_json: bool) -> anyhow::Result<Said> {
    let format = if as_json { Format::Json } else { asked.format };
    let file = asked.config.file();
    let base = service::base(asked.config.state);
    let loaded = config::load(&file, &base).map_err(|problems| {
        let shown: String = problems.iter().map(Problem::render).collect();
        anyhow!(shown.trim_end().to_owned())
    })?;
    let now = SystemClock::new().now();
    let wish = Wish {
        from: asked.from,
        days: asked.days,
        seed: asked.seed,
        approvals: asked.approve,
        feeds: match asked.feeds {
            Feeds::Auto => None,
            Feeds::Recorded => Some(Origin::Recorded),
            Feeds::Generated => Some(Origin::Generated),
        },
        stock: asked.stock,
    };
    // What was typed is judged before anything is copied.
    simulate::span(&wish, now, loaded.instance.business.zone).map_err(|e| anyhow!(e))?;
    let folder = tempfile::Builder::new().prefix("beffroi-simulation-").tempdir();
    let folder = folder.context("A temporary folder cannot be made. Make room, or name another place with TMPDIR")?;
    let past = past(&loaded, socket, folder.path())?;
    let simulated = simulate::run(&file, base, loaded, &wish, (past, folder.path()), now).map_err(|e| anyhow!(e))?;
    let document = match format {
        Format::Text => {
            let terminal = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
            show::text(&simulated, terminal.unwrap_or(WIDTH))
        }
        Format::Json => show::json(&simulated),
        Format::Ics => show::ics(&simulated),
        Format::Page => show::page(&simulated).map_err(|e| anyhow!(e))?,
    };
    let Some(out) = asked.out else { return Ok(Said::good(document)) };
    std::fs::write(&out, &document)
        .with_context(|| format!("{} cannot be written. Check the folder after --out", out.display()))?;
    let (bytes, shown) = (document.len(), out.display());
    if as_json {
        return Ok(super::offline::document(&json!({ "file": out, "bytes": bytes })));
    }
    Ok(Said::good(own_language().pick(format!("La simulation est dans {shown}.\n"), format!("The simulation is in {shown}.\n"))))
}

/// Puts a copy of the database into the folder: from the daemon that runs, else of the file, else nothing.
fn past(loaded: &Loaded, socket: Option<PathBuf>, folder: &Path) -> anyhow::Result<Past> {
    let named = socket.is_some();
    let socket = socket.unwrap_or_else(|| loaded.socket.clone());
    match Caller::connect(&socket) {
        Ok(mut caller) => {
            let copy = folder.join(COPY);
            let told = caller.post("/v1/backup", &json!({ "file": copy }));
            // A daemon that may not write here, or has a temporary folder of its own, is read beside.
            if told.is_err() || !copy.exists() {
                let why = told.err().map(|e| e.to_string()).unwrap_or_default();
                store::copy(&loaded.store, &copy).map_err(|e| {
                    anyhow!(
                        "The daemon's database cannot be copied. {why} {e} Use sudo, or name a folder both may write with TMPDIR."
                    )
                })?;
            }
            Ok(Past::Running)
        }
        Err(error) if named => bail!(error),
        Err(_) if loaded.store.exists() => {
            simulate::copy_resting(&loaded.store, folder).map_err(|e| anyhow!(e))?;
            Ok(Past::Resting)
        }
        Err(_) => Ok(Past::None),
    }
}
