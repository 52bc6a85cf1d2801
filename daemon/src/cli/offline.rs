//! Commands that need no daemon: times of an expression, the check of a configuration, a feed, the reference.
//!
//! In: arguments and files. Out: what the command says.
//! Never: opens a database, or speaks to a daemon.

use super::caller::own_language;
use super::{Next, Said};
use crate::adapters::feed::FeedSource;
use crate::clock::{Clock, SystemClock};
use crate::craft::show;
use crate::daemon;
use crate::domain::{Json, Language, Timestamp, Zone};
use crate::egress::{Egress, Rules};
use crate::kinds::{Call, Keep, Source};
use crate::problem::{Problem, Severity, any_error};
use crate::run::script::reference;
use crate::schedule::cron::Schedule;
use crate::service;
use anyhow::{Context, anyhow, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// JSON for standard output.
pub(super) fn document(json: &Json) -> Said {
    Said::good(format!("{json}\n"))
}

/// Whether this is an expression and not the name of a workflow.
pub(super) fn is_expression(what: &str) -> bool {
    what.trim().contains(char::is_whitespace) || what.trim_start().starts_with('@')
}

/// `beffroi next 'EXPRESSION'`
pub(super) fn next(next: &Next, as_json: bool) -> anyhow::Result<Said> {
    let zone = next.zone.unwrap_or_else(own_zone);
    let schedule = Schedule::parse(&next.what, zone, next.dst).map_err(|error| {
        let problem = Problem::span(Path::new("expression"), &next.what, error.span, error.message, error.help);
        anyhow!(problem.render().trim_end().to_owned())
    })?;
    let from = next.from.unwrap_or_else(|| SystemClock::new().now());
    let times: Vec<Timestamp> =
        std::iter::successors(schedule.next(from), |at| schedule.next(*at)).take(usize::from(next.count)).collect();
    let texts: Vec<String> = times.iter().map(|at| at.rfc3339(zone)).collect();
    if as_json {
        return Ok(document(&json!(texts)));
    }
    let language = own_language();
    Ok(Said::good(timetable(&[schedule.describe(language)], &texts, language)))
}

/// Due times for people, after what they come from.
pub(super) fn timetable(describe: &[String], times: &[String], language: Language) -> String {
    let mut out = String::new();
    for sentence in describe {
        out.push_str(sentence);
        out.push('\n');
    }
    for time in times {
        let day =
            chrono::DateTime::parse_from_rfc3339(time).map(|at| show::weekday(at.date_naive(), language)).unwrap_or_default();
        out.push_str(&format!("{time}  {day}\n"));
    }
    out
}

/// The zone of this machine's clock.
fn own_zone() -> Zone {
    let said = std::env::var("TZ").ok().and_then(|name| name.trim_start_matches(':').parse().ok());
    let link = || {
        let path = std::fs::read_link("/etc/localtime").ok()?;
        path.to_str()?.split_once("zoneinfo/")?.1.parse().ok()
    };
    said.or_else(link).unwrap_or(Zone::UTC)
}

/// `beffroi check`
pub(super) fn check(file: &Path, state: Option<PathBuf>, as_json: bool) -> Said {
    let problems = daemon::check(file, &service::base(state));
    let status = u8::from(any_error(&problems));
    let text = if as_json {
        format!("{}\n", json!(problems))
    } else {
        let count = |severity| problems.iter().filter(|p| p.severity == severity).count();
        let shown: String = problems.iter().map(|p| format!("{}\n", p.render())).collect();
        format!("{shown}{}\n", summary(file, count(Severity::Error), count(Severity::Warning)))
    };
    Said { text, status }
}

fn summary(file: &Path, errors: usize, warnings: usize) -> String {
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => format!("{}: no problem found.", file.display()),
        (0, _) => format!("{}: {}; it can be used.", file.display(), plural(warnings, "warning")),
        (_, 0) => format!("{}: {}.", file.display(), plural(errors, "error")),
        _ => format!("{}: {} and {}.", file.display(), plural(errors, "error"), plural(warnings, "warning")),
    }
}

/// `beffroi test`
pub(super) fn test(paths: &[PathBuf], as_json: bool) -> anyhow::Result<Said> {
    let verdicts = crate::script_tests::run(paths).map_err(|e| anyhow!(e))?;
    let failed = verdicts.iter().filter(|v| !v.passed).count();
    let status = u8::from(failed > 0);
    if as_json {
        return Ok(Said { text: format!("{}\n", json!(verdicts)), status });
    }
    let mut text = String::new();
    for verdict in &verdicts {
        let word = if verdict.passed { "ok    " } else { "FAILED" };
        text.push_str(&format!("{word}  {}  {}\n", verdict.file.display(), verdict.test));
        if let Some(problem) = &verdict.problem {
            text.push_str(&format!("{}\n", problem.render()));
        }
    }
    text.push_str(&format!("{} passed, {failed} failed\n", verdicts.len() - failed));
    Ok(Said { text, status })
}

/// `beffroi feed`
pub(super) fn feed(place: &str, allow_private: Vec<String>, as_json: bool) -> anyhow::Result<Said> {
    let clock = Arc::new(SystemClock::new());
    let network = Egress::new(&Rules { allow_private, ..Rules::default() }, clock.clone())?;
    let lower = place.to_ascii_lowercase();
    if let Some((scheme, _)) = lower.split_once("://").filter(|(scheme, _)| !["http", "https"].contains(scheme)) {
        bail!("Feeds are read from files and from http and https addresses, not over {scheme}.");
    }
    let source = if lower.starts_with("http://") || lower.starts_with("https://") {
        FeedSource::url(place)
    } else {
        FeedSource::file(place)
    };
    let language = own_language();
    let zone = own_zone();
    let keep = Keep::default();
    let time = Duration::from_secs(60);
    let call = Call { id: "feed", attempt: 1, time, keep: &keep, now: clock.now(), network: &network, zone, language };
    let page = source.poll(&call, None).map_err(|error| {
        // Here there is no configuration to write it into.
        let sentence = error.to_string();
        let host = sentence.split_once("allow_private = [\"").and_then(|(_, rest)| rest.split_once('"')).map(|(host, _)| host);
        let hint = host.map(|host| format!(" For this command: --allow-private {host}")).unwrap_or_default();
        anyhow!("{sentence}{hint}")
    })?;
    for remark in &page.remarks {
        eprintln!("{remark}");
    }
    if as_json {
        let shown = page.signals.iter().map(|signal| {
            json!({
                "id": signal.id,
                "title": signal.title,
                "url": signal.url,
                "published": signal.published.map(|at| at.rfc3339(Zone::UTC)),
                "summary": signal.summary,
            })
        });
        return Ok(document(&shown.collect()));
    }
    let mut out = String::new();
    for signal in &page.signals {
        let date = signal.published.map_or_else(|| "          ".to_owned(), |at| at.day(zone).to_string());
        out.push_str(&format!("{date}  {}\n", signal.title));
        if let Some(url) = &signal.url {
            out.push_str(&format!("            {url}\n"));
        }
    }
    let count = i64::try_from(page.signals.len()).unwrap_or(i64::MAX);
    out.push_str(
        &language.pick(show::counted(count, "nouvelle", "nouvelles", language), show::counted(count, "item", "items", language)),
    );
    out.push_str(".\n");
    Ok(Said::good(out))
}

/// `beffroi functions`
pub(super) fn functions(definitions: Option<&Path>, as_json: bool) -> anyhow::Result<Said> {
    let Some(folder) = definitions else {
        let text = reference::markdown(daemon::functions());
        return Ok(if as_json { document(&json!({ "markdown": text })) } else { Said::good(text) });
    };
    let failed = || format!("The folder {} cannot be written. Check that it may be made and written by you", folder.display());
    std::fs::create_dir_all(folder).with_context(failed)?;
    let mut files = Vec::new();
    for (name, text) in reference::definitions(daemon::functions()) {
        let file = folder.join(name);
        std::fs::write(&file, text).with_context(failed)?;
        files.push(file);
    }
    if as_json {
        return Ok(document(&json!(files)));
    }
    Ok(Said::good(files.iter().map(|file| format!("{}\n", file.display())).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::cron::Dst;

    fn asked(what: &str) -> Next {
        Next {
            what: what.into(),
            zone: Some(chrono_tz::Europe::Paris),
            from: Timestamp::parse("2026-03-28T22:50:00+01:00"),
            count: 2,
            dst: Dst::Vixie,
        }
    }

    #[test]
    fn an_expression_is_told_from_a_name() {
        assert!(is_expression("0 7 * * *") && is_expression("@daily") && is_expression(" @daily"));
        assert!(!is_expression("rotation"));
    }

    #[test]
    fn the_missing_hour_of_spring_is_made_up_for_at_its_end() {
        let said = next(&asked("30 2 * * *"), true).unwrap();
        assert_eq!(said.text, "[\"2026-03-29T03:00:00+02:00\",\"2026-03-30T02:30:00+02:00\"]\n");
        let table = timetable(&["Every day.".into()], &["2026-03-30T02:30:00+02:00".into()], Language::En);
        assert_eq!(table, "Every day.\n2026-03-30T02:30:00+02:00  Monday\n");
    }

    #[test]
    fn a_wrong_expression_is_shown_with_its_place() {
        let error = next(&asked("61 * * * *"), true).unwrap_err().to_string();
        assert!(error.starts_with("expression:1:1: error: ") && error.contains("| ^^"), "{error}");
    }

    #[test]
    fn the_summary_counts_in_words() {
        let said = |e, w| summary(Path::new("b.toml"), e, w);
        assert_eq!(said(0, 0), "b.toml: no problem found.");
        assert_eq!(said(1, 2), "b.toml: 1 error and 2 warnings.");
        assert_eq!(said(0, 1), "b.toml: 1 warning; it can be used.");
    }
}
