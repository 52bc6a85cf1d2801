//! A simulation as a calendar file (RFC 5545), for the calendar people look at anyway.
//!
//! In: what a simulation found. Out: one event for each post that goes out or waits, and for each notice.
//! Never: an alarm: nobody has to do anything at those times.

use super::{dates, one_line, standing};
use crate::craft::calendar::{Entry, Kind};
use crate::craft::words::fit;
use crate::domain::{Digest, Timestamp};
use crate::simulate::Simulated;
use std::collections::BTreeMap;

/// Most octets of a line.
const FOLD: usize = 75;

/// As a calendar file.
pub fn ics(simulated: &Simulated) -> String {
    let mut out = Lines::default();
    let language = simulated.span.language;
    for (name, value) in [
        ("BEGIN", "VCALENDAR"),
        ("VERSION", "2.0"),
        ("PRODID", "-//Beffroi//simulate 1//EN"),
        ("CALSCALE", "GREGORIAN"),
        ("METHOD", "PUBLISH"),
    ] {
        out.line(name, value);
    }
    out.text("X-WR-CALNAME", &format!("{}, {}", simulated.business, dates(simulated)));
    out.line("X-WR-TIMEZONE", simulated.span.zone.name());
    let stamp = stamp(simulated.span.from);
    let mut twins: BTreeMap<String, u32> = BTreeMap::new();
    for entry in simulated.span.days().into_iter().flat_map(|day| day.entries) {
        // What ended without leaving happens at no time.
        if matches!(entry.state.as_str(), "cancelled" | "refused") {
            continue;
        }
        out.line("BEGIN", "VEVENT");
        out.line("UID", &uid(simulated, entry, &mut twins));
        out.line("DTSTAMP", &stamp);
        out.line("DTSTART", &self::stamp(entry.at()));
        out.line("DURATION", "PT5M");
        out.text("SUMMARY", &fit(&format!("{} · {}", entry.target, one_line(&entry.text)), 90));
        let mut about = vec![entry.text.clone(), String::new(), entry.workflow.clone()];
        about.extend(entry.item.iter().chain(&entry.theme).filter(|w| !w.is_empty()).cloned());
        about.extend(entry.why.iter().cloned());
        if !entry.is_out() {
            about.push(format!("{} {}", standing(entry, language), entry.reason).trim_end().to_owned());
        }
        out.text("DESCRIPTION", &about.join("\n"));
        out.text("CATEGORIES", &entry.workflow);
        if let Some(link) = entry.link.as_deref().filter(|link| link.chars().all(|c| c.is_ascii_graphic())) {
            out.line("URL", link);
        }
        out.line("STATUS", if entry.is_out() { "CONFIRMED" } else { "TENTATIVE" });
        out.line("TRANSP", "TRANSPARENT");
        out.line("END", "VEVENT");
    }
    out.line("END", "VCALENDAR");
    out.0
}

/// The same event has the same name in the next simulation, so that a calendar replaces it instead of doubling it.
fn uid(simulated: &Simulated, entry: &Entry, twins: &mut BTreeMap<String, u32>) -> String {
    let kind = if entry.kind == Kind::Notice { "notice" } else { "post" };
    let what =
        [simulated.business.as_str(), kind, &entry.target, &entry.workflow, &entry.wanted.to_string(), &entry.text].join("\n");
    let short = Digest::of(what.as_bytes()).to_string()[..32].to_owned();
    let twin = twins.entry(short.clone()).or_default();
    *twin += 1;
    if *twin == 1 { format!("{short}@simulation.beffroi") } else { format!("{short}-{twin}@simulation.beffroi") }
}

/// A moment in UTC.
fn stamp(at: Timestamp) -> String {
    at.utc().format("%Y%m%dT%H%M%SZ").to_string()
}

/// Content lines, each ended and folded as the standard wants.
#[derive(Default)]
struct Lines(String);

impl Lines {
    /// A line whose value is no text.
    fn line(&mut self, name: &str, value: &str) {
        let mut room = FOLD;
        for letter in name.chars().chain([':']).chain(value.chars().filter(|c| !c.is_control())) {
            if letter.len_utf8() > room {
                self.0.push_str("\r\n ");
                room = FOLD - 1;
            }
            self.0.push(letter);
            room -= letter.len_utf8();
        }
        self.0.push_str("\r\n");
    }

    /// A line whose value is a text, with whatever could be taken for something else escaped.
    fn text(&mut self, name: &str, value: &str) {
        let mut escaped = String::with_capacity(value.len() + 8);
        for letter in value.replace("\r\n", "\n").chars() {
            match letter {
                '\\' | ';' | ',' => escaped.extend(['\\', letter]),
                '\n' | '\r' => escaped.push_str("\\n"),
                _ => escaped.push(letter),
            }
        }
        self.line(name, &escaped);
    }
}
