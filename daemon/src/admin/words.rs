//! Moments, states and first words as a shop owner reads them.
//!
//! In: values and a language. Out: short texts.
//! Never: asks the store or decides what is worth showing.

use crate::craft::show;
use crate::domain::{Language, Timestamp};
use chrono::{DateTime, Datelike, NaiveDate, Offset};
use unicode_segmentation::UnicodeSegmentation;

/// A moment near another one: `today 07:30`, `lundi 23 novembre 07:30`.
pub fn moment<O: Offset, Z: chrono::TimeZone<Offset = O>>(at: &DateTime<Z>, today: NaiveDate, language: Language) -> String {
    let date = at.date_naive();
    let time = at.format_hour();
    let day = match (date - today).num_days() {
        0 => language.pick("aujourd'hui", "today").to_owned(),
        1 => language.pick("demain", "tomorrow").to_owned(),
        -1 => language.pick("hier", "yesterday").to_owned(),
        near @ -6..=6 if near != 0 => format!("{} {}", show::weekday(date, language), show::day(date, language)),
        _ if date.year() == today.year() => show::day(date, language),
        _ => format!("{} {}", show::day(date, language), date.year()),
    };
    format!("{day} {time}")
}

trait Hour {
    fn format_hour(&self) -> String;
}

impl<Z: chrono::TimeZone> Hour for DateTime<Z> {
    fn format_hour(&self) -> String {
        self.naive_local().format("%H:%M").to_string()
    }
}

/// An RFC 3339 text as a moment, or the text itself when it is none.
pub fn moment_of(text: &str, now: Timestamp, language: Language) -> String {
    let Ok(at) = DateTime::parse_from_rfc3339(text) else { return text.to_owned() };
    let today = now.utc().with_timezone(at.offset()).date_naive();
    moment(&at, today, language)
}

/// A delivery's state.
pub fn state(word: &str, language: Language) -> &str {
    language.pick(
        match word {
            "held" => "en attente",
            "due" => "prévu",
            "preparing" => "en préparation",
            "armed" => "en cours d'envoi",
            "online" => "en ligne",
            "refused" => "refusé par le réseau",
            "retrying" => "nouvel essai",
            "unknown" => "à vérifier",
            "dead" => "abandonné",
            "cancelled" => "annulé",
            "recalled" => "à retirer",
            "gone" => "retiré",
            "impossible" => "resté en ligne",
            other => other,
        },
        match word {
            "held" => "waiting",
            "due" => "planned",
            "preparing" => "being prepared",
            "armed" => "being sent",
            "online" => "online",
            "refused" => "refused by the network",
            "retrying" => "trying again",
            "unknown" => "to be checked",
            "dead" => "given up",
            "cancelled" => "cancelled",
            "recalled" => "to be taken down",
            "gone" => "taken down",
            "impossible" => "still online",
            other => other,
        },
    )
}

/// How a run ended.
pub fn run_state(word: &str, language: Language) -> &str {
    language.pick(
        match word {
            "open" => "pas encore commencé",
            "running" => "en cours",
            "waiting" => "nouvel essai prévu",
            "done" => "fait",
            "failed" => "échec",
            "cancelled" => "arrêté",
            "ran" => "fait",
            "skipped" => "sauté",
            "coalesced" => "regroupé",
            "missed" => "manqué",
            "held" => "en attente",
            other => other,
        },
        match word {
            "open" => "not yet begun",
            "running" => "going on",
            "waiting" => "to be tried again",
            "ran" => "done",
            other => other,
        },
    )
}

/// What started a run.
pub fn trigger(word: &str, language: Language) -> &str {
    match word {
        "schedule" => language.pick("par l'horaire", "by its schedule"),
        "hand" => language.pick("à la main", "by hand"),
        "event" => language.pick("par un événement", "by an event"),
        "later" => language.pick("pour un moment choisi", "for a moment that was chosen"),
        other => other,
    }
}

/// What the store notes about a delivery by itself, in the reader's language; all else is in it already.
pub fn happened(text: &str, language: Language) -> String {
    if text == "planned" {
        return String::new();
    }
    if text == "waits for a yes" {
        return language.pick("attend votre accord", "waits for a yes").to_owned();
    }
    if let Some((by, _)) = text.strip_prefix("approved by ").and_then(|rest| rest.rsplit_once(", sealed to ")) {
        return language.pick(format!("oui de {by}"), format!("yes by {by}"));
    }
    if let Some(post) = text.strip_prefix("stands in for ").filter(|rest| !rest.contains([' ', ':'])) {
        return language.pick(format!("remplace {post} au besoin"), format!("stands in for {post} if need be"));
    }
    if let Some(post) = text.strip_suffix(" ended without it") {
        return language.pick(format!("{post} s'est terminé sans lui"), text.to_owned());
    }
    if let Some((by, reason)) = text.strip_prefix("recalled by ").and_then(|rest| rest.split_once(": ")) {
        return language.pick(format!("rappelé par {by} : {reason}"), text.to_owned());
    }
    match text.strip_prefix("rejected by ").and_then(|rest| rest.split_once(": ")) {
        Some((by, reason)) => language.pick(format!("non de {by} : {reason}"), format!("no by {by}: {reason}")),
        None => text.to_owned(),
    }
}

/// Why an occurrence has the fate it has, as the ledger notes it, in the reader's language; what people wrote stays as it is.
pub fn said(text: &str, language: Language) -> String {
    let (Language::Fr, text) = (language, text.trim_end_matches('.')) else { return text.trim_end_matches('.').to_owned() };
    if let Some(reason) = text.strip_prefix("paused: ") {
        return format!("en pause : {}", said(reason, language));
    }
    if let Some(times) = text.strip_prefix("it failed ").and_then(|rest| rest.strip_suffix(" times in a row")) {
        return format!("échec {times} fois de suite");
    }
    if let Some(run) = text.strip_suffix(", the run before it, was still going") {
        return format!("le passage précédent, {run}, n'était pas fini");
    }
    if let Some(run) = text.strip_suffix(" runs for it") {
        return format!("{run} tourne pour lui");
    }
    if let Some(window) = text.strip_prefix("Beffroi was not running, and it is longer ago than the window of ") {
        return format!("Beffroi ne tournait pas, et c'est plus ancien que ce qui se rattrape (window = {window})");
    }
    let name = text
        .strip_prefix("the workflow \"")
        .and_then(|r| r.strip_suffix("\" is no longer in the configuration, or is switched off"));
    if let Some(name) = name {
        return format!("le programme « {name} » n'est plus dans la configuration, ou est désactivé");
    }
    match text {
        "Beffroi was not running, and missed = \"skip\"" => {
            "Beffroi ne tournait pas, et rien ne se rattrape (missed = \"skip\")".to_owned()
        }
        "Beffroi was not running, and then the workflow was removed or switched off" => {
            "Beffroi ne tournait pas, puis le programme a été retiré ou désactivé".to_owned()
        }
        other => other.to_owned(),
    }
}

/// The first words of a text on one line.
pub fn first_words(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let letters: Vec<&str> = line.graphemes(true).collect();
    if letters.len() <= most {
        return line;
    }
    let cut = letters[..most.saturating_sub(1)].concat();
    let whole_word = letters[most.saturating_sub(1)] == " ";
    let end = if whole_word { None } else { cut.rfind(' ') };
    let end = end.filter(|at| *at * 3 > cut.len() * 2).unwrap_or(cut.len());
    format!("{}…", cut[..end].trim_end_matches([' ', ',', ';', ':']))
}

/// Bytes as people speak of them: `24 MB`.
pub fn bytes(count: u64, language: Language) -> String {
    let mega = count as f64 / 1e6;
    format!("{}{}{}", show::number(mega, language), show::WIDE, language.pick("Mo", "MB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_moments_are_named_and_far_ones_dated() {
        let now = Timestamp::parse("2026-11-22T10:00:00+01:00").unwrap();
        let fr = |text: &str| moment_of(text, now, Language::Fr);
        assert_eq!(fr("2026-11-22T07:30:00+01:00"), "aujourd'hui 07:30");
        assert_eq!(fr("2026-11-23T00:05:00+01:00"), "demain 00:05");
        assert_eq!(fr("2026-11-26T09:00:00+01:00"), "jeudi 26\u{a0}novembre 09:00");
        assert_eq!(moment_of("2026-12-24T09:00:00+01:00", now, Language::En), "24\u{a0}December 09:00");
        assert_eq!(moment_of("2027-01-02T09:00:00+01:00", now, Language::En), "2\u{a0}January 2027 09:00");
        assert_eq!(fr("not a moment"), "not a moment");
    }

    #[test]
    fn what_the_store_notes_is_said_in_the_readers_language() {
        let fr = |text: &str| happened(text, Language::Fr);
        assert_eq!(fr("planned"), "");
        assert_eq!(fr("approved by Ana, sealed to 79316cf06250"), "oui de Ana");
        assert_eq!(fr("rejected by Ana: trop tôt"), "non de Ana : trop tôt");
        assert_eq!(fr("attend votre accord"), "attend votre accord");
    }

    #[test]
    fn first_words_end_at_a_word_and_say_that_there_is_more() {
        assert_eq!(first_words("Les croissants\n sont  prêts.", 40), "Les croissants sont prêts.");
        assert_eq!(first_words("Les croissants sont prêts, venez vite !", 27), "Les croissants sont prêts…");
        assert_eq!(first_words("Anticonstitutionnellement", 10), "Anticonst…");
    }
}
