//! A simulation for people and programs: as text, as JSON, as a calendar file, as a page.
//!
//! In: what a simulation found. Out: one document, the same bytes for the same simulation.
//! Never: names the machine, the folder or the moment it was made on.

mod ics;
mod page;
mod text;

pub use ics::ics;
pub use page::page;
pub use text::text;

use super::{Assumed, Origin, Past, Simulated};
use crate::craft::calendar::{Entry, Kind};
use crate::craft::show;
use crate::domain::{Digest, Json, Language, Timestamp};
use serde_json::json;

/// The version of the JSON document; raised when something that is there changes its meaning.
pub const VERSION: u32 = 1;

/// A sentence with the spaces its language wants.
fn say(language: Language, fr: impl AsRef<str>, en: impl AsRef<str>) -> String {
    show::typeset(language.pick(fr.as_ref(), en.as_ref()), language)
}

/// What stands where an entry is: for people.
fn standing(entry: &Entry, language: Language) -> &'static str {
    match entry.state.as_str() {
        "online" if entry.kind == Kind::Notice => language.pick("envoyé", "sent"),
        "online" => language.pick("en ligne", "online"),
        "held" if entry.approval == "needed" => language.pick("attend votre accord", "waits for your yes"),
        "held" | "due" | "preparing" | "armed" | "retrying" => language.pick("attend", "waits"),
        "cancelled" if entry.approval == "refused" => language.pick("refusé par quelqu'un", "refused by somebody"),
        "cancelled" => language.pick("ne part pas", "does not leave"),
        "refused" => language.pick("refusé", "refused"),
        _ => language.pick("sans issue connue", "of unknown outcome"),
    }
}

/// The days of the span in words: `du 1er au 31 décembre 2026`.
fn dates(simulated: &Simulated) -> String {
    let span = &simulated.span;
    let last = Timestamp::from_millis(span.to.millis() - 1).max(span.from);
    show::range(span.from.day(span.zone), last.day(span.zone), span.language)
}

/// What was taken for given, as sentences.
fn assumptions(simulated: &Simulated) -> Vec<String> {
    let language = simulated.span.language;
    let Assumed { seed, approvals, feeds, stock, pages, past } = &simulated.assumed;
    let mut out = vec![
        match past {
            Past::None => {
                say(language, "Au départ, rien n'a encore été publié.", "At the beginning nothing has been posted yet.")
            }
            Past::Running => {
                say(language, "Au départ, la base de données telle qu'elle est.", "It begins with the database as it is.")
            }
            Past::Resting => say(
                language,
                "Au départ, la base de données telle qu'elle est ; Beffroi démarre au début de la période.",
                "It begins with the database as it is; Beffroi is started when the span begins.",
            ),
        },
        show::typeset(&approvals.sentence(language), language),
    ];
    let named = |origin: Origin| {
        let names: Vec<&str> = feeds.iter().filter(|(_, o)| **o == origin).map(|(name, _)| name.as_str()).collect();
        (!names.is_empty()).then(|| show::list(&names, language))
    };
    if let Some(names) = named(Origin::Recorded) {
        out.push(say(
            language,
            format!("Flux rejoués d'après les dernières semaines : {names}."),
            format!("Feeds played again from the last weeks: {names}."),
        ));
    }
    if let Some(names) = named(Origin::Generated) {
        out.push(say(
            language,
            format!("Flux inventés (graine {seed}) : {names}."),
            format!("Feeds made up (seed {seed}): {names}."),
        ));
    }
    for (name, word) in stock {
        out.push(match *word {
            "unknown" => say(
                language,
                format!("Stock de {name} : inconnu, faute de réseau."),
                format!("Stock of {name}: unknown without the network."),
            ),
            "file" => {
                say(language, format!("Stock de {name} : d'après le fichier."), format!("Stock of {name}: as the file says."))
            }
            "file and curve" => say(
                language,
                format!("Stock de {name} : d'après le fichier, le reste par une courbe inventée."),
                format!("Stock of {name}: as the file says, the rest by a made-up curve."),
            ),
            _ => say(
                language,
                format!("Stock de {name} : part de l'état présent, puis une courbe inventée."),
                format!("Stock of {name}: from what is there, then a made-up curve."),
            ),
        });
    }
    if *pages > 0 {
        let number = i64::try_from(*pages).unwrap_or(i64::MAX);
        let (fr, en) =
            (show::counted(number, "page lue", "pages lues", Language::Fr), show::counted(number, "page", "pages", Language::En));
        out.push(say(
            language,
            format!("{fr} par les scripts : comme à la dernière lecture."),
            format!("{en} that scripts read: as they last were."),
        ));
    }
    out.push(say(language, "Rien n'est parti et personne n'a été interrogé.", "Nothing was sent and nobody was asked."));
    out
}

/// How many posts went out, how many notices, how many due instants there were, in words.
fn summary(simulated: &Simulated) -> String {
    let language = simulated.span.language;
    let out = |kind| simulated.span.entries.iter().filter(|e| e.kind == kind && e.is_out()).count();
    let counted = |count: usize, fr: (&str, &str), en: (&str, &str)| {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        show::counted(count, language.pick(fr.0, en.0), language.pick(fr.1, en.1), language)
    };
    let (due, ran) = simulated.occurrences;
    let due_words = show::counted(
        due,
        language.pick("passage prévu", "due instant"),
        language.pick("passages prévus", "due instants"),
        language,
    );
    let ran_words = show::whole(ran, language);
    let posts = counted(out(Kind::Post), ("publication", "publications"), ("post", "posts"));
    let notices = counted(out(Kind::Notice), ("message", "messages"), ("notice", "notices"));
    let found =
        counted(simulated.findings.len(), ("point à regarder", "points à regarder"), ("thing to look at", "things to look at"));
    say(
        language,
        format!("{posts}, {notices} ; {due_words}, dont {ran_words} faits ; {found}."),
        format!("{posts}, {notices}; {due_words}, {ran_words} ran; {found}."),
    )
}

/// One line of text, whatever it was.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As one JSON document. What is in it, by name:
///
/// `version` (1), `business`, `zone`, `language`, `from`, `to` (not included), `seed`, `approvals`, `past`, `feeds` and `stock` (by
/// name), `pages` (how many read as they last were), `assumptions` (sentences), `occurrences` (`due`, `ran`), `accounts`, `days` (each `date`, `entries`), `findings`.
///
/// An entry has `id`, `kind` (`post`, `notice`), `target`, `at` (when it left, else when it was to), `wanted`, `planned`, `state`,
/// `reason`, `workflow`, `item`, `theme`, `format`, `text`, `link`, `digest` (of the text), `why`. A finding has `about`, `account`,
/// `workflow`, `at`, `sentence`, `remedy`, `posts`; what does not apply is left out.
pub fn json(simulated: &Simulated) -> String {
    let span = &simulated.span;
    let time = |at: Timestamp| at.rfc3339(span.zone);
    let entry = |e: &&Entry| {
        let mut shown = json!({
            "id": e.id, "kind": e.kind, "target": e.target, "at": time(e.at()), "wanted": time(e.wanted), "planned": time(e.planned),
            "state": e.state, "reason": e.reason, "workflow": e.workflow, "item": e.item, "theme": e.theme, "format": e.format,
            "text": e.text, "link": e.link, "digest": Digest::of(e.text.as_bytes()).short(), "why": e.why,
        });
        if let Some(shown) = shown.as_object_mut() {
            shown.retain(|_, value| !value.is_null());
        }
        shown
    };
    let days: Vec<Json> = span
        .days()
        .iter()
        .map(|day| json!({ "date": day.date.to_string(), "entries": day.entries.iter().map(entry).collect::<Vec<_>>() }))
        .collect();
    let findings: Vec<Json> = simulated
        .findings
        .iter()
        .map(|finding| {
            let mut shown = json!(finding);
            shown["at"] = time(finding.at).into();
            shown
        })
        .collect();
    let Assumed { seed, approvals, feeds, stock, pages, past } = &simulated.assumed;
    let origin = |origin: &Origin| if *origin == Origin::Recorded { "recorded" } else { "generated" };
    let document = json!({
        "version": VERSION,
        "business": simulated.business,
        "zone": span.zone.name(),
        "language": span.language,
        "from": time(span.from),
        "to": time(span.to),
        "seed": seed,
        "approvals": approvals.word(),
        "past": match past { Past::None => "none", Past::Running => "running", Past::Resting => "resting" },
        "feeds": feeds.iter().map(|(name, o)| (name.clone(), origin(o).into())).collect::<serde_json::Map<_, _>>(),
        "pages": pages,
        "stock": stock.iter().map(|(name, word)| (name.clone(), (*word).into())).collect::<serde_json::Map<_, _>>(),
        "assumptions": assumptions(simulated),
        "occurrences": { "due": simulated.occurrences.0, "ran": simulated.occurrences.1 },
        "accounts": span.accounts.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(),
        "days": days,
        "findings": findings,
    });
    format!("{document:#}\n")
}
