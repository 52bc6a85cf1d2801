//! `beffroi doctor`: what is out of order, and what to do about it.
//!
//! In: a running daemon, or the files of one that does not run. Out: findings, the worst first. Exit status: 0 when all is in order,
//! 1 when somebody should look, 2 when something does not work or was not done.
//! Never: writes a byte.

use super::caller::{Caller, address, own_language};
use super::{Config, Said};
use crate::admin::doctor::{self, Wanted};
use crate::clock::{Clock, SystemClock};
use crate::craft::show::{self, typeset};
use crate::domain::{Json, Language, Timestamp, Zone, parse_span};
use crate::service;
use clap::Args;
use std::fmt::Write as _;
use std::path::Path;

/// What to look at.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Reads every page and every index of the database, which may take a while
    #[arg(long)]
    pub deep: bool,
    /// Counts the ledger from here: a moment such as 2026-03-28T22:50:00+01:00, a day, or a span such as 90d; else 31 days
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<Since>,
    /// For a daemon that does not run
    #[command(flatten)]
    pub config: Config,
}

/// Where a count begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// At this moment.
    At(Timestamp),
    /// So long ago.
    Ago(std::time::Duration),
}

fn since(text: &str) -> Result<Since, String> {
    let day = || Timestamp::parse(&format!("{text}T00:00:00+00:00"));
    if let Some(at) = Timestamp::parse(text).or_else(day) {
        return Ok(Since::At(at));
    }
    parse_span(text).map(Since::Ago).map_err(|_| "write for example 2026-03-28T22:50:00+01:00, 2026-03-28 or 90d".to_owned())
}

/// Carries it out.
pub(super) fn run(socket: &Path, as_json: bool, asked: &Doctor) -> anyhow::Result<Said> {
    let now = SystemClock::new().now();
    let since = asked.since.map(|since| match since {
        Since::At(at) => at,
        Since::Ago(span) => now.minus(span),
    });
    // A configuration or a folder that was named is looked at as it lies there, whoever answers at the usual socket.
    let named = asked.config.config.is_some() || asked.config.state.is_some();
    let (report, language) = match Caller::connect(socket) {
        Ok(mut caller) if !named => {
            let since = since.map(|at| at.rfc3339(Zone::UTC));
            let deep = asked.deep.then_some("true");
            let reply = caller.get(&address("/v1/doctor", &[("deep", deep), ("since", since.as_deref())]))?;
            (reply.json()?, reply.language)
        }
        _ => {
            let base = service::base(asked.config.state.clone());
            let wanted = Wanted { deep: asked.deep, since };
            let report = doctor::offline(&asked.config.file(), &base, wanted, now, own_language());
            let language = report.language;
            (report.json(), language)
        }
    };
    let status = match report["worst"].as_str() {
        Some("ok") => 0,
        Some("warning") => 1,
        _ => 2,
    };
    let text = if as_json { format!("{report}\n") } else { page(&report, language) };
    Ok(Said { text, status })
}

/// The findings for people: what does not work, what to look at, and in one line each what is in order.
fn page(report: &Json, language: Language) -> String {
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |grade: &str| -> Vec<&Json> { findings.iter().filter(|f| f["severity"] == grade).collect() };
    let text = |finding: &Json, key: &str| typeset(finding[key].as_str().unwrap_or_default(), language);
    let (errors, warnings, fine) = (of("error"), of("warning"), of("ok"));
    let mut out = String::new();
    let number = |count: usize, fr: (&str, &str), en: (&str, &str)| {
        let (one, many) = language.pick(fr, en);
        show::counted(i64::try_from(count).unwrap_or(i64::MAX), one, many, language)
    };
    let mut head = Vec::new();
    if !errors.is_empty() {
        head.push(number(errors.len(), ("chose à régler", "choses à régler"), ("thing to mend", "things to mend")));
    }
    if !warnings.is_empty() {
        head.push(number(warnings.len(), ("chose à regarder", "choses à regarder"), ("thing to look at", "things to look at")));
    }
    if head.is_empty() {
        let _ = writeln!(out, "{}", language.pick("Tout est en ordre.", "Everything is in order."));
    } else {
        let _ = writeln!(out, "{}.", show::list(&head, language));
    }
    for (mark, list) in [("✗", &errors), ("!", &warnings)] {
        for finding in list {
            let _ = writeln!(out, "\n{mark} {}", text(finding, "text"));
            let help = text(finding, "help");
            if !help.is_empty() {
                let _ = writeln!(out, "    {help}");
            }
        }
    }
    if !fine.is_empty() {
        out.push('\n');
    }
    for finding in fine {
        let _ = writeln!(out, "✓ {}", text(finding, "text"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_worst_comes_first_with_its_remedy() {
        let report = json!({ "worst": "error", "findings": [
            { "check": "disk", "severity": "ok", "text": "24 MB are left.", "help": "" },
            { "check": "workflows", "severity": "warning", "text": "The workflow \"a\" is paused.", "help": "beffroi resume a" },
            { "check": "accounts", "severity": "error", "text": "The account b is stopped.", "help": "beffroi thaw b" },
        ] });
        assert_eq!(
            page(&report, Language::En),
            "1\u{a0}thing to mend and 1\u{a0}thing to look at.\n\n✗ The account b is stopped.\n    beffroi thaw b\n\n\
             ! The workflow \"a\" is paused.\n    beffroi resume a\n\n✓ 24 MB are left.\n"
        );
        let calm = json!({ "worst": "ok", "findings": [] });
        assert_eq!(page(&calm, Language::Fr), "Tout est en ordre.\n");
    }

    #[test]
    fn a_count_begins_at_a_moment_a_day_or_a_span_ago() {
        assert_eq!(since("90d"), Ok(Since::Ago(std::time::Duration::from_secs(90 * 86_400))));
        assert_eq!(since("2026-03-28"), Ok(Since::At(Timestamp::parse("2026-03-28T00:00:00+00:00").unwrap())));
        assert!(since("lately").is_err());
    }
}
