//! A simulation as text for a terminal.
//!
//! In: what a simulation found, and how wide the terminal is. Out: the days, then what deserves a look.
//! Never: writes a line wider than that, as far as words allow.

use super::{assumptions, dates, one_line, say, standing, summary};
use crate::craft::calendar::{Entry, Kind};
use crate::craft::show;
use crate::craft::words::fit;
use crate::simulate::Simulated;
use std::fmt::Write as _;

/// The narrowest and the widest a page of text gets.
const WIDTH: std::ops::RangeInclusive<usize> = 48..=160;

/// As text, at most this wide.
pub fn text(simulated: &Simulated, width: usize) -> String {
    let width = width.clamp(*WIDTH.start(), *WIDTH.end());
    let (span, language) = (&simulated.span, simulated.span.language);
    let mut out = String::new();
    let title = say(
        language,
        format!("{}, {} : simulation", simulated.business, dates(simulated)),
        format!("{}, {}: simulation", simulated.business, dates(simulated)),
    );
    wrapped(&mut out, &title, "", width);
    wrapped(&mut out, &summary(simulated), "", width);
    for sentence in assumptions(simulated) {
        wrapped(&mut out, &sentence, "  ", width);
    }
    let name = span.entries.iter().map(|e| e.target.chars().count()).max().unwrap_or(0).min(16);
    for day in span.days() {
        let heading = format!("{} {}", show::weekday(day.date, language), show::day(day.date, language));
        let _ = writeln!(out, "\n{heading}");
        if day.entries.is_empty() {
            let _ = writeln!(out, "  —");
        }
        for entry in day.entries {
            line(&mut out, simulated, entry, name, width);
        }
    }
    let heading = say(language, "À regarder", "Worth a look");
    let _ = writeln!(out, "\n{heading}");
    if simulated.findings.is_empty() {
        wrapped(&mut out, language.pick("Rien : tout se passe comme prévu.", "Nothing: all goes as planned."), "  ", width);
    }
    for finding in &simulated.findings {
        wrapped(&mut out, &finding.sentence, "  • ", width);
        wrapped(&mut out, &finding.remedy, "    → ", width);
    }
    out
}

/// One post or notice: time, where, what; below it why, and how it stands when it is not simply out.
fn line(out: &mut String, simulated: &Simulated, entry: &Entry, name: usize, width: usize) {
    let (zone, language) = (simulated.span.zone, simulated.span.language);
    let time = entry.at().local(zone).format("%H:%M").to_string();
    let target = fit(&entry.target, 16);
    let what = if entry.kind == Kind::Notice { format!("✉ {}", one_line(&entry.text)) } else { one_line(&entry.text) };
    let lead = 2 + 5 + 2 + name + 2;
    let _ = writeln!(out, "  {time}  {target:<name$}  {}", fit(&what, width.saturating_sub(lead)));
    let mut why: Vec<String> = vec![entry.workflow.clone()];
    why.extend([&entry.item, &entry.theme].into_iter().flatten().filter(|w| !w.is_empty()).cloned());
    let mut second = why.join(" · ");
    if !entry.is_out() {
        let reason = if entry.reason.is_empty() { String::new() } else { format!(" ({})", entry.reason.trim_end_matches('.')) };
        let _ = write!(second, " · {}{reason}", standing(entry, language));
    } else if entry.moved().as_secs() >= 60 {
        let wanted = entry.wanted.max(entry.planned).local(zone);
        let moment = if wanted.date_naive() == entry.at().day(zone) {
            wanted.format("%H:%M").to_string()
        } else {
            format!("{} {}", show::day(wanted.date_naive(), language), wanted.format("%H:%M"))
        };
        let _ =
            write!(second, " · {}", say(language, format!("voulait partir le {moment}"), format!("wanted to leave {moment}")));
    }
    let _ = writeln!(out, "{:lead$}{}", "", fit(&one_line(&second), width.saturating_sub(lead)));
}

/// A sentence over as many lines as it needs; `lead` stands before the first, and as much room before the others.
fn wrapped(out: &mut String, sentence: &str, lead: &str, width: usize) {
    let indent = lead.chars().count();
    let mut used = indent;
    out.push_str(lead);
    for (at, word) in sentence.split(' ').enumerate() {
        let length = word.chars().count();
        if at > 0 && used + 1 + length > width {
            let _ = write!(out, "\n{:indent$}", "");
            used = indent;
        } else if at > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out.push('\n');
}
