//! `beffroi thaw` and `beffroi recall`: what the owner decides about single posts, typed and told.
//!
//! In: what was typed, the daemon's answers. Out: requests, and text in French or English.
//! Never: splits one command into several changes: whatever was chosen at once happens at once or not at all.

use super::ask::{Asking, given, merged, reader};
use super::caller::{address, part};
use super::page::{Reader, content, list, nothing_to_answer, stands_by, table, text, whole_content};
use super::{Said, user};
use crate::admin::words::{self, first_words};
use crate::craft::show;
use crate::domain::Json;
use anyhow::bail;
use clap::Args;
use serde_json::{Map, json};
use std::fmt::Write as _;

/// What goes on after a freeze.
#[derive(Debug, Args)]
pub struct Thaw {
    /// One account; or single deliveries: d12=send, d13=drop, d14=at:2026-11-23T10:00
    #[arg(value_name = "ACCOUNT|ID=WHAT")]
    pub what: Vec<String>,
    /// Only lists what waits, and what would become of it
    #[arg(long, conflicts_with_all = ["all", "yes"])]
    pub list: bool,
    /// For whatever else was due by now; then everything goes on
    #[arg(long, value_parser = ["send", "drop"])]
    pub all: Option<String>,
    /// The yes that a post had holds for its new moment too
    #[arg(long)]
    pub yes: bool,
    /// Who says so
    #[arg(long, default_value_t = user())]
    pub by: String,
}

/// What comes down again.
#[derive(Debug, Args)]
pub struct Recall {
    /// Deliveries (d12) or posts (p7: all of its deliveries)
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// Why
    #[arg(long)]
    pub reason: Option<String>,
    /// It was taken down by hand
    #[arg(long)]
    pub done: bool,
    /// Who says so
    #[arg(long, default_value_t = user())]
    pub by: String,
}

/// Carries out `beffroi thaw`.
pub(super) fn thaw(asking: &mut Asking, thaw: Thaw) -> anyhow::Result<Said> {
    let mut account = None;
    let mut items = Map::new();
    for word in thaw.what {
        match word.split_once('=') {
            Some((id, what)) => {
                if items.insert(id.to_owned(), what.into()).is_some() {
                    bail!("{id} is named twice. Say one thing about each delivery.");
                }
            }
            None if account.is_none() => account = Some(word),
            None => bail!("\"{word}\" is a second account. Name one, or single deliveries such as d12=send."),
        }
    }
    if thaw.list {
        if !items.is_empty() {
            bail!("--list only looks. Leave it out to decide about single deliveries.");
        }
        return asking.show(&address("/v1/thaw", &[("account", account.as_deref())]), waits);
    }
    let mut body = merged(given("account", account), given("all", thaw.all));
    body["by"] = json!(thaw.by);
    if !items.is_empty() {
        body["items"] = items.into();
    }
    if thaw.yes {
        body["yes"] = json!(true);
    }
    asking.act("/v1/thaw", &body, thawed)
}

/// Carries out `beffroi recall`.
pub(super) fn recall(asking: &mut Asking, recall: &Recall) -> anyhow::Result<Said> {
    let mut said = Vec::new();
    let mut text = String::new();
    for id in &recall.ids {
        let (deliveries, language) = asking.meant(id)?;
        // One that was named itself is asked about even when it is too late for it: the daemon says why.
        let whole = deliveries.len() > 1;
        let open =
            |d: &Json| !["cancelled", "refused"].iter().any(|state| d["state"] == *state) && d["recall"]["state"] != "gone";
        let chosen: Vec<&Json> = deliveries.iter().filter(|d| !whole || open(d) && !stands_by(d)).collect();
        if chosen.is_empty() {
            bail!("{}", nothing_to_answer(id, language));
        }
        for delivery in chosen {
            let number = delivery["id"].as_str().unwrap_or_default();
            let mut body = merged(json!({ "by": recall.by }), given("reason", recall.reason.clone()));
            if recall.done {
                body["done"] = json!(true);
            }
            let reply = asking.caller.post(&format!("/v1/deliveries/{}/recall", part(number)), &body)?;
            let answer = reply.json()?;
            text.push_str(&recalled(&answer, reader(reply.language)));
            said.push(answer);
        }
    }
    Ok(if asking.as_json { super::offline::document(&Json::Array(said)) } else { Said::good(text) })
}

fn recalled(delivery: &Json, to: Reader) -> String {
    let (id, account) = (text(delivery, "id"), text(delivery, "target"));
    let head = match (text(delivery, "state"), text(&delivery["recall"], "state")) {
        (_, "gone") => to.pick(format!("{id} est noté comme retiré de {account} :"), format!("{id} is noted as taken down from {account}:")),
        ("online", _) => to.pick(
            format!("{id} va être retiré de {account}. La suite : beffroi why {id}"),
            format!("{id} will be taken down from {account}. What comes of it: beffroi why {id}"),
        ),
        ("cancelled", _) => to.pick(
            format!("{id} n'était pas parti : il ne partira pas sur {account}."),
            format!("{id} had not gone out: it will not go out on {account}."),
        ),
        _ => to.pick(
            format!("Personne ne sait encore si {id} est en ligne sur {account}. S'il l'est, il sera retiré ; sinon il ne partira pas."),
            format!("Nobody knows yet whether {id} is online on {account}. If it is, it will be taken down; else it will not go out."),
        ),
    };
    format!("{}\n{}", to.set(head), whole_content(delivery))
}

/// What would become of a delivery, in a few words.
fn would(delivery: &Json, to: Reader) -> String {
    let would = &delivery["would"];
    let at = to.when(&would["at"]);
    match text(would, "what") {
        "leaves" if would["now"] == true => to.pick("part tout de suite", "leaves at once").to_owned(),
        "leaves" => to.pick(format!("part {at}"), format!("leaves {at}")),
        "expires" => to.pick(format!("périmé ({at})"), format!("expires ({at})")),
        "needs_yes" => to.pick("attend votre accord", "waits for your yes").to_owned(),
        "no_account" => to.pick("compte inconnu", "account not configured").to_owned(),
        other => other.to_owned(),
    }
}

fn waits(answer: &Json, to: Reader) -> String {
    let mut out = String::new();
    if let Some(reason) = answer["frozen"].as_str() {
        let line = to.pick(format!("Tout envoi est gelé ({reason})."), format!("All sending is frozen ({reason})."));
        let _ = writeln!(out, "{}", to.set(line));
    }
    for (name, reason) in answer["stopped"].as_object().into_iter().flatten() {
        let reason = reason.as_str().unwrap_or_default();
        let line =
            to.pick(format!("Le compte {name} est bloqué ({reason})."), format!("The account {name} is stopped ({reason})."));
        let _ = writeln!(out, "{}", to.set(line));
    }
    let waits = list(answer, "waits");
    if waits.is_empty() {
        out.push_str(to.pick("Rien n'attend d'être envoyé.\n", "Nothing waits to be sent.\n"));
    } else {
        out.push_str(&to.set(to.pick("En attente, et ce qui arriverait au dégel :\n", "Waiting, and what would come of it:\n")));
        let rows = waits.iter().map(|d| {
            let reason = words::happened(text(d, "reason"), to.language);
            [
                text(d, "id").to_owned(),
                text(d, "target").to_owned(),
                to.when(&d["due"]),
                would(d, to),
                first_words(content(d), 40),
                first_words(&to.set(reason), 40),
            ]
        });
        out.push_str(&table(
            to.pick(["Nº", "Pour", "Prévu", "Alors", "Texte", "Raison"], ["No.", "For", "Due", "Then", "Text", "Reason"]),
            rows,
        ));
        let first = text(&waits[0], "id");
        let line = to.pick(
            format!("Choisissez : beffroi thaw {first}=send, {first}=drop ou {first}=at:2h ; ou tout : beffroi thaw"),
            format!("Choose: beffroi thaw {first}=send, {first}=drop or {first}=at:2h; or all of it: beffroi thaw"),
        );
        let _ = writeln!(out, "{}", to.set(line));
    }
    if let Some(count) = answer["later"].as_i64().filter(|n| *n > 0) {
        let (fr, en) = (
            show::counted(count, "autre est prévu plus tard.", "autres sont prévus plus tard.", to.language),
            show::counted(count, "other is due later.", "others are due later.", to.language),
        );
        let _ = writeln!(out, "{}", to.pick(fr, en));
    }
    out
}

/// The first line: what a thaw did to everything, or to an account.
fn thawed_head(answer: &Json, to: Reader) -> String {
    if answer["goes_on"] == false {
        return match (answer["frozen"].as_str(), answer["stopped"].as_str()) {
            (Some(reason), _) => to.pick(
                format!("C'est noté. Le reste demeure gelé ({reason}).\n"),
                format!("Done. The rest stays frozen ({reason}).\n"),
            ),
            _ => to.pick("C'est noté.\n", "Done.\n").to_owned(),
        };
    }
    match (answer["account"].as_str(), answer["was"].is_null()) {
        (None, true) => to.pick("Rien n'était gelé.\n", "Nothing was frozen.\n").to_owned(),
        (None, false) => to.pick("Les envois reprennent.\n", "Sending goes on.\n").to_owned(),
        (Some(name), true) => {
            to.pick(format!("Le compte {name} n'était pas bloqué.\n"), format!("The account {name} was not stopped.\n"))
        }
        (Some(name), false) => to.pick(format!("Le compte {name} est débloqué.\n"), format!("The account {name} goes on.\n")),
    }
}

fn thawed(answer: &Json, to: Reader) -> String {
    let mut out = to.set(thawed_head(answer, to));
    let told = |fr: String, en: String| format!("{}\n", to.set(to.pick(fr, en)));
    for d in list(answer, "dropped") {
        let (id, account, words) = (text(d, "id"), text(d, "target"), first_words(content(d), 50));
        out.push_str(&told(format!("Écarté : {id} ({account}) {words}"), format!("Dropped: {id} ({account}) {words}")));
    }
    for moved in list(answer, "moved") {
        let (from, id, when) = (text(moved, "from"), text(moved, "to"), to.when(&moved["delivery"]["due"]));
        out.push_str(&told(format!("Déplacé : {from} devient {id}, {when}."), format!("Moved: {from} becomes {id}, {when}.")));
        if moved["needs_yes"] == true {
            out.push_str(&told(
                format!("  Votre accord valait pour l'ancien moment ; pour le nouveau : beffroi approve {id}"),
                format!("  A yes was to the old moment; for the new one: beffroi approve {id}"),
            ));
        }
    }
    let frozen = answer["frozen"].as_str().filter(|_| answer["goes_on"] == true);
    if let Some(reason) = frozen {
        out.push_str(&told(
            format!("Mais tout est encore gelé ({reason}). Pour tout reprendre : beffroi thaw"),
            format!("But everything is still frozen ({reason}). To let all go on: beffroi thaw"),
        ));
        return out;
    }
    let posts = list(answer, "posts");
    if !posts.is_empty() {
        out.push_str(&to.set(to.pick(
            "Partiront, chacun à son heure et selon les règles de son compte :\n",
            "These will go out, each at its time and by the rules of its account:\n",
        )));
        let rows = posts
            .iter()
            .map(|d| [text(d, "id").to_owned(), text(d, "target").to_owned(), would(d, to), first_words(content(d), 50)]);
        out.push_str(&table(to.pick(["Nº", "Pour", "Quand", "Texte"], ["No.", "For", "When", "Text"]), rows));
    } else if answer["goes_on"] == true {
        out.push_str(to.pick("Rien n'attend d'être envoyé.\n", "Nothing waits to be sent.\n"));
    }
    if let Some(count) = answer["waiting_for_a_yes"].as_i64().filter(|n| *n > 0) {
        let (fr, en) = (
            show::counted(count, "message attend encore votre accord.", "messages attendent encore votre accord.", to.language),
            show::counted(count, "post still waits for your yes.", "posts still wait for your yes.", to.language),
        );
        out.push_str(&format!("{}\n", to.pick(fr, en)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Language, Timestamp};

    fn to(language: Language) -> Reader {
        Reader { language, now: Timestamp::parse("2026-11-22T10:00:00+01:00").expect("a moment") }
    }

    #[test]
    fn the_list_says_what_would_come_of_each_and_how_to_choose() {
        let post = |id: &str, would: Json| {
            json!({ "id": id, "kind": "post", "target": "vitrine", "due": "2026-11-22T08:00:00+01:00", "content": { "text": "Bonjour" },
                "reason": "tout est gelé", "would": would })
        };
        let answer = json!({
            "frozen": "orage", "stopped": {}, "later": 2,
            "waits": [
                post("d2", json!({ "what": "leaves", "at": "2026-11-22T10:00:00+01:00", "now": true })),
                post("d3", json!({ "what": "leaves", "at": "2026-11-22T10:15:00+01:00", "now": false })),
                post("d4", json!({ "what": "needs_yes" })),
            ],
        });
        let english = "All sending is frozen (orage).\nWaiting, and what would come of it:\n\
            No.  For      Due          Then                Text     Reason\n\
            d2   vitrine  today 08:00  leaves at once      Bonjour  tout est gelé\n\
            d3   vitrine  today 08:00  leaves today 10:15  Bonjour  tout est gelé\n\
            d4   vitrine  today 08:00  waits for your yes  Bonjour  tout est gelé\n\
            Choose: beffroi thaw d2=send, d2=drop or d2=at:2h; or all of it: beffroi thaw\n2\u{a0}others are due later.\n";
        assert_eq!(waits(&answer, to(Language::En)), english);
        let french = waits(&answer, to(Language::Fr));
        assert!(
            french.contains("d3  vitrine  aujourd'hui 08:00  part aujourd'hui 10:15")
                || french.contains("part aujourd'hui 10:15"),
            "{french}"
        );
    }

    #[test]
    fn a_thaw_of_some_says_that_the_rest_stays_frozen_and_whose_yes_is_void() {
        let answer = json!({
            "account": null, "was": "orage", "goes_on": false, "frozen": "orage", "stopped": null, "waiting_for_a_yes": 0,
            "posts": [], "dropped": [{ "id": "d3", "kind": "post", "target": "vitrine", "content": { "text": "Trop tard" } }],
            "moved": [{ "from": "d4", "to": "d9", "needs_yes": true, "delivery": { "due": "2026-11-23T10:00:00+01:00" } }],
        });
        assert_eq!(
            thawed(&answer, to(Language::En)),
            "Done. The rest stays frozen (orage).\nDropped: d3 (vitrine) Trop tard\nMoved: d4 becomes d9, tomorrow 10:00.\n\
             \x20 A yes was to the old moment; for the new one: beffroi approve d9\n"
        );
        assert!(thawed(&answer, to(Language::Fr)).starts_with("C'est noté. Le reste demeure gelé (orage).\nÉcarté\u{a0}: d3"));
    }
}
