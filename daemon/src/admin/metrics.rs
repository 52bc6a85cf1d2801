//! Figures for monitoring, in the text format of Prometheus.
//!
//! In: counters of the pulse, a few counts of the store, the process. Out: one text.
//! Never: asks anything that grows with the age of the installation, except the posts by state.

use super::{Answer, App, Refusal, aside, unreadable};
use crate::domain::Timestamp;
use crate::pulse::Timing;
use crate::schedule::audit::overdue;
use crate::store::ledger::{self, CheckRow};
use crate::store::view;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The content type.
pub(super) const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Answer {
    aside(&app, |app| Ok(([(header::CONTENT_TYPE, TYPE)], text(app)?).into_response())).await
}

/// Bytes of memory this process holds.
pub(super) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1_024)
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, label: Option<(&str, &str)>, value: impl Display) {
        let _ = match label {
            None => writeln!(self.0, "{name} {value}"),
            Some((key, text)) => {
                let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                writeln!(self.0, "{name}{{{key}=\"{text}\"}} {value}")
            }
        };
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.line(name, None, value);
    }

    fn timing(&mut self, name: &str, help: &str, timing: &Timing) {
        self.head(name, "histogram", help);
        let (buckets, count, sum) = timing.read();
        let bucket = format!("{name}_bucket");
        for (bound, below) in buckets {
            self.line(&bucket, Some(("le", &(bound as f64 / 1e3).to_string())), below);
        }
        self.line(&bucket, Some(("le", "+Inf")), count);
        self.line(&format!("{name}_sum"), None, sum as f64 / 1e3);
        self.line(&format!("{name}_count"), None, count);
    }
}

/// What the daily count of the ledger came to, and how late the latest thing is: what an alert watches.
fn ledger_lines(page: &mut Page, db: &view::Db, now: Timestamp) -> Result<(), view::DbError> {
    let (check, total) = ledger::last_check(db)?.unzip();
    let of = |field: fn(&CheckRow) -> u64| check.as_ref().map_or(0, field);
    page.one("beffroi_ledger_expected_total", "counter", "Due times that were counted against the ledger.", total.unwrap_or(0));
    page.one("beffroi_ledger_missing", "gauge", "Due times without a row, at the last count.", of(|c| c.missing));
    page.one("beffroi_ledger_extra", "gauge", "Rows at times that were not due, at the last count.", of(|c| c.extra));
    page.one("beffroi_ledger_doubled", "gauge", "Due times with more than one row, at the last count.", of(|c| c.doubled));
    page.one("beffroi_ledger_without_fate", "gauge", "Rows left open for long, at the last count.", of(|c| c.without_fate));
    page.one("beffroi_ledger_unknown", "gauge", "Workflows that could not be counted, at the last count.", of(|c| c.unknown));
    let at = check.as_ref().map_or(0, |c| c.at.millis() / 1_000);
    page.one("beffroi_ledger_last_check_timestamp_seconds", "gauge", "When the ledger was last counted; 0 for never.", at);
    let late = overdue(db, now)?.map_or(0.0, |(at, _)| now.since(at).as_secs_f64());
    page.one(
        "beffroi_occurrence_overdue_seconds",
        "gauge",
        "How long ago the oldest due time that has not started should have; stays near 0 while the schedules are kept.",
        late,
    );
    Ok(())
}

fn text(app: &App) -> Result<String, Refusal> {
    let engine = &app.engine;
    let meters = &engine.pulse.meters;
    let reader = engine.store.read().map_err(unreadable)?;
    let mut page = Page::default();
    page.head("beffroi_info", "gauge", "The version that runs.");
    page.line("beffroi_info", Some(("version", env!("CARGO_PKG_VERSION"))), 1);
    page.one("beffroi_start_time_seconds", "gauge", "When the daemon started.", engine.started.millis() as f64 / 1e3);
    let (runs, deliveries) = meters.read();
    page.head("beffroi_runs_total", "counter", "Attempts of runs since the start, by their end.");
    runs.iter().for_each(|(end, count)| page.line("beffroi_runs_total", Some(("end", end)), count));
    page.head("beffroi_deliveries_total", "counter", "Steps of deliveries since the start, by the state reached.");
    deliveries.iter().for_each(|(state, count)| page.line("beffroi_deliveries_total", Some(("state", state)), count));
    page.timing("beffroi_start_lag_seconds", "From when a scheduled run might start until it started.", &meters.start_lag);
    page.timing("beffroi_run_time_seconds", "From the start of an attempt until it was on disk.", &meters.run_time);
    let counters = engine.store.counters();
    let (commits, changes) = (counters.commits.load(Ordering::Relaxed), counters.changes.load(Ordering::Relaxed));
    page.one("beffroi_store_commits_total", "counter", "Transactions since the start.", commits);
    page.one("beffroi_store_changes_total", "counter", "Changes since the start; several share a transaction.", changes);
    let (ready, later, running) = engine.board.counts();
    page.one("beffroi_runs_running", "gauge", "Runs that go on.", running);
    page.one("beffroi_occurrences_ready", "gauge", "Occurrences that wait for a thread.", ready);
    page.one("beffroi_occurrences_later", "gauge", "Open occurrences that wait for their time or turn.", later);
    page.head("beffroi_posts", "gauge", "Posts by state.");
    for (state, count) in view::delivery_counts(&reader).map_err(unreadable)? {
        page.line("beffroi_posts", Some(("state", &state)), count);
    }
    let feeds = view::feeds(&reader).map_err(unreadable)?;
    page.head("beffroi_feed_read_timestamp_seconds", "gauge", "When a feed was last read.");
    feeds
        .iter()
        .for_each(|(feed, at, _)| page.line("beffroi_feed_read_timestamp_seconds", Some(("feed", feed)), at.millis() / 1_000));
    page.head("beffroi_feed_failing", "gauge", "Whether the last read of a feed failed.");
    feeds.iter().for_each(|(feed, _, error)| page.line("beffroi_feed_failing", Some(("feed", feed)), u8::from(error.is_some())));
    ledger_lines(&mut page, &reader, engine.clock.now()).map_err(unreadable)?;
    let instance = engine.current.get();
    page.head("beffroi_workflow_paused", "gauge", "Whether a workflow is paused; the others are not listed.");
    for row in view::workflows(&reader).map_err(unreadable)? {
        if row.paused.is_some() && instance.workflows.keys().any(|name| name.as_str() == row.name) {
            page.line("beffroi_workflow_paused", Some(("workflow", &row.name)), 1);
        }
    }
    page.head("beffroi_account_stopped", "gauge", "Whether an account is stopped; the others are not listed.");
    for (account, _) in view::breakers(&reader).map_err(unreadable)? {
        page.line("beffroi_account_stopped", Some(("account", &account)), 1);
    }
    let frozen = view::freeze(&reader).map_err(unreadable)?.is_some();
    page.one("beffroi_frozen", "gauge", "Whether all sending is frozen.", u8::from(frozen));
    page.one("beffroi_configuration_refused", "gauge", "Whether the last reload was refused.", u8::from(app.refused().is_some()));
    if let Some(bytes) = resident() {
        page.one("process_resident_memory_bytes", "gauge", "Memory this process holds.", bytes);
    }
    Ok(page.0)
}
