//! The daemon's answers as a shop owner reads them, in French or English.
//!
//! In: JSON of the admin socket. Out: text.
//! Never: asks anything, or leaves out what needs a person.

use super::caller::problem_of;
use crate::admin::words::{self, first_words, moment_of};
use crate::craft::show::{self, typeset};
use crate::domain::{Json, Language, Timestamp};
use comfy_table::{Table, presets};
use std::fmt::Write as _;

/// Who reads, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader {
    /// Their language.
    pub(super) language: Language,
    /// Their now.
    pub(super) now: Timestamp,
}

impl Reader {
    pub(super) fn pick<T>(self, fr: T, en: T) -> T {
        self.language.pick(fr, en)
    }

    pub(super) fn when(self, at: &Json) -> String {
        at.as_str().map(|text| moment_of(text, self.now, self.language)).unwrap_or_default()
    }

    pub(super) fn set(self, text: impl AsRef<str>) -> String {
        typeset(text.as_ref(), self.language)
    }

    fn quoted(self, text: &str, most: usize) -> String {
        let words = first_words(text, most);
        // Quoted already, it gets no second pair.
        if words.starts_with(['«', '"', '“']) {
            return self.set(words);
        }
        self.set(self.pick(format!("« {words} »"), format!("\"{words}\"")))
    }
}

pub(super) fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_default()
}

pub(super) fn list<'a>(json: &'a Json, key: &str) -> &'a [Json] {
    json[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head);
    for row in rows {
        table.add_row(row);
    }
    let whole = table.trim_fmt();
    let lines: Vec<&str> = whole.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n") + "\n"
}

/// What a delivery says, whatever it is.
pub(super) fn content(delivery: &Json) -> &str {
    let content = &delivery["content"];
    content["text"].as_str().filter(|_| delivery["kind"] != "notice").or(content["title"].as_str()).unwrap_or_default()
}

/// `beffroi status`
pub(super) fn status(s: &Json, to: Reader) -> String {
    let mut out = String::new();
    let since = to.when(&s["since"]);
    let head = to.pick(
        format!("{} — Beffroi {}, en marche depuis {since}", text(s, "business"), text(s, "version")),
        format!("{} — Beffroi {}, running since {since}", text(s, "business"), text(s, "version")),
    );
    let _ = writeln!(out, "{head}");
    let file = text(&s["configuration"], "file");
    let _ = writeln!(out, "{}", to.set(to.pick(format!("Configuration : {file}"), format!("Configuration: {file}"))));
    let refused = &s["configuration"]["refused"];
    if !refused.is_null() {
        let at = to.when(&refused["at"]);
        let line = to.pick(
            format!("  ! Modifiée {at}, mais elle a des erreurs : l'ancienne reste en vigueur."),
            format!("  ! Changed {at}, but it has errors: the one before stays in force."),
        );
        let _ = writeln!(out, "{}", to.set(line));
        for problem in list(refused, "problems").iter().filter(|p| p["severity"] == "error") {
            for line in problem_of(problem).render().lines() {
                let _ = writeln!(out, "    {line}");
            }
        }
    }
    if s["stopping"] == true {
        let _ = writeln!(out, "{}", to.set(to.pick("  ! Beffroi est en train de s'arrêter.", "  ! Beffroi is stopping.")));
    }
    out.push('\n');
    let running = list(s, "running");
    if running.is_empty() {
        let _ = writeln!(out, "{}", to.pick("Rien ne tourne en ce moment.", "Nothing runs at the moment."));
    } else {
        let _ = writeln!(out, "{}", to.set(to.pick("En cours :", "Running:")));
        for run in running {
            let (name, id, since) = (text(run, "workflow"), text(run, "run"), to.when(&run["since"]));
            let _ =
                writeln!(out, "  {}", to.pick(format!("{name} ({id}), depuis {since}"), format!("{name} ({id}), since {since}")));
        }
    }
    let next = list(s, "next");
    if next.is_empty() {
        let _ = writeln!(out, "{}", to.pick("Rien n'est prévu.", "Nothing is planned."));
    } else {
        let _ = writeln!(out, "{}", to.set(to.pick("À venir :", "Next:")));
        let width = next.iter().map(|n| to.when(&n["due"]).chars().count()).max().unwrap_or(0);
        for due in next {
            let when = to.when(&due["due"]);
            let purpose = text(due, "purpose");
            let purpose = if purpose.is_empty() { String::new() } else { format!(" — {}", first_words(purpose, 60)) };
            let _ = writeln!(out, "  {when:width$}  {}{purpose}", text(due, "workflow"));
        }
    }
    let counts: Vec<String> = s["posts"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(state, count)| format!("{count} {}", words::state(state, to.language)))
        .collect();
    if !counts.is_empty() {
        let all = counts.join(", ");
        let _ = writeln!(out, "{}", to.set(to.pick(format!("Messages : {all}."), format!("Posts: {all}."))));
    }
    out.push('\n');
    out.push_str(&needs(&s["needs"], to));
    if let Some(bytes) = s["memory"].as_u64() {
        let bytes = words::bytes(bytes, to.language);
        let _ = writeln!(out, "\n{}", to.set(to.pick(format!("Mémoire : {bytes}."), format!("Memory: {bytes}."))));
    }
    out
}

/// What waits for a person, each with the command that answers it.
fn needs(needs: &Json, to: Reader) -> String {
    let mut lines = Vec::new();
    if let Some(reason) = needs["frozen"].as_str() {
        lines.push((
            to.pick(format!("Tout envoi est gelé ({reason})."), format!("All sending is frozen ({reason}).")),
            "beffroi thaw --list | beffroi thaw".into(),
        ));
    }
    for account in list(needs, "stopped") {
        let (name, reason) = (text(account, "account"), text(account, "reason"));
        let line =
            to.pick(format!("Le compte {name} est bloqué : {reason}."), format!("The account {name} is stopped: {reason}."));
        lines.push((line, format!("beffroi thaw {name}")));
    }
    for workflow in list(needs, "paused") {
        let (name, reason) = (text(workflow, "workflow"), text(workflow, "reason"));
        let line = to.pick(format!("{name} est en pause : {reason}."), format!("{name} is paused: {reason}."));
        lines.push((line, format!("beffroi resume {name}")));
    }
    for post in list(needs, "approval") {
        let (id, account, when) = (text(post, "id"), text(post, "target"), to.when(&post["due"]));
        let words = to.quoted(content(post), 48);
        let line = to.pick(
            format!("{id} attend votre accord ({account}, {when}) : {words}"),
            format!("{id} waits for your yes ({account}, {when}): {words}"),
        );
        lines.push((line, format!("beffroi approve {id}")));
    }
    for post in list(needs, "unknown") {
        let (id, account) = (text(post, "id"), text(post, "target"));
        let line = to.pick(
            format!("{id} est peut-être parti sur {account} : regardez, puis répondez."),
            format!("{id} may have gone out on {account}: look, then answer."),
        );
        lines.push((line, format!("beffroi approve {id} --done | --again")));
    }
    for post in list(needs, "dead") {
        let (id, reason) = (text(post, "id"), first_words(text(post, "reason"), 90));
        let line = to.pick(format!("{id} est abandonné : {reason}"), format!("{id} was given up: {reason}"));
        lines.push((line, format!("beffroi approve {id} --again | beffroi reject {id}")));
    }
    for post in list(needs, "recalls") {
        let (id, account, note) = (text(post, "id"), text(post, "target"), first_words(text(&post["recall"], "note"), 90));
        let line = to.pick(
            format!("{id} est encore en ligne sur {account} : {note}"),
            format!("{id} is still online on {account}: {note}"),
        );
        lines.push((line, format!("beffroi recall {id} --done | beffroi recall {id}")));
    }
    for feed in list(needs, "feeds") {
        let (name, error) = (text(feed, "feed"), text(feed, "error"));
        let line =
            to.pick(format!("Le flux {name} ne peut pas être lu : {error}"), format!("The feed {name} cannot be read: {error}"));
        lines.push((line, String::new()));
    }
    if lines.is_empty() {
        return to.pick("Rien ne demande votre attention.\n", "Nothing needs you.\n").to_owned();
    }
    let mut out = format!("{}\n", to.set(to.pick("Ce qui vous attend :", "What needs you:")));
    for (line, command) in lines {
        let _ = writeln!(out, "  • {}", to.set(line));
        if !command.is_empty() {
            let _ = writeln!(out, "      {command}");
        }
    }
    out
}

/// `beffroi workflows`
pub(super) fn workflows(all: &Json, to: Reader) -> String {
    let rows = all.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return to.pick("Aucun programme dans la configuration.\n", "There is no workflow in the configuration.\n").to_owned();
    }
    let rows = rows.iter().map(|w| {
        let next = match (w["paused"].as_str(), w["enabled"] == true, w["next"].is_null()) {
            (_, false, _) => to.pick("désactivé", "disabled").to_owned(),
            (Some(reason), ..) => to.pick(format!("en pause ({reason})"), format!("paused ({reason})")),
            (.., true) if !list(w, "events").is_empty() => to.pick("sur événement", "on an event").to_owned(),
            (.., true) => to.pick("à la main", "by hand").to_owned(),
            _ => to.when(&w["next"]),
        };
        let last = &w["last"];
        let last = if last.is_null() {
            "—".to_owned()
        } else {
            let at = if last["finished"].is_null() { &last["due"] } else { &last["finished"] };
            format!("{}, {}", words::run_state(text(last, "state"), to.language), to.when(at))
        };
        [text(w, "workflow").to_owned(), first_words(text(w, "purpose"), 50), next, last]
    });
    table(to.pick(["Nom", "Rôle", "Prochain", "Dernier"], ["Name", "Purpose", "Next", "Last"]), rows)
}

/// `beffroi runs`
pub(super) fn runs(all: &Json, to: Reader) -> String {
    let rows = all.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return to.pick("Rien n'a encore tourné.\n", "Nothing has run yet.\n").to_owned();
    }
    let rows = rows.iter().map(|r| {
        let said = ["line", "error", "reason"].iter().map(|key| text(r, key)).find(|t| !t.is_empty()).unwrap_or_default();
        let said = first_words(said, 60);
        [
            text(r, "run").to_owned(),
            text(r, "workflow").to_owned(),
            to.when(&r["due"]),
            words::run_state(text(r, "state"), to.language).to_owned(),
            said,
        ]
    });
    table(
        to.pick(["Nº", "Programme", "Prévu", "État", "Ce qu'il dit"], ["No.", "Workflow", "Due", "State", "What it says"]),
        rows,
    )
}

/// `beffroi show`, `beffroi run --wait`
pub(super) fn run(r: &Json, to: Reader) -> String {
    let mut out = String::new();
    let (id, name) = (text(r, "run"), text(r, "workflow"));
    let state = words::run_state(text(r, "state"), to.language);
    let _ = writeln!(out, "{}", to.set(to.pick(format!("{id} {name} : {state}"), format!("{id} {name}: {state}"))));
    let (trigger, due) = (words::trigger(text(r, "trigger"), to.language), to.when(&r["due"]));
    let _ = writeln!(out, "  {}", to.pick(format!("Lancé {trigger}, prévu {due}."), format!("Started {trigger}, due {due}.")));
    if let Some(attempt) = r["attempt"].as_u64().filter(|n| *n > 1) {
        let _ = writeln!(out, "  {}", to.pick(format!("Essai nº {attempt}."), format!("Attempt no. {attempt}.")));
    }
    for (key, fr, en) in [("line", "Il dit", "It says"), ("error", "Erreur", "Error"), ("reason", "Raison", "Reason")] {
        let said = text(r, key);
        if said.is_empty() || (key == "reason" && r["error"] == r["reason"]) {
            continue;
        }
        let said = said.replace('\n', "\n    ");
        let _ = writeln!(out, "  {}", to.set(to.pick(format!("{fr} : {said}"), format!("{en}: {said}"))));
    }
    if !r["payload"].is_null() {
        let _ = writeln!(
            out,
            "  {}",
            to.set(to.pick(format!("Il a reçu : {}", r["payload"]), format!("It was given: {}", r["payload"])))
        );
    }
    let effects = effects(&r["effects"], to);
    if !effects.is_empty() {
        let _ = writeln!(out, "{}", to.set(to.pick("  Ce qu'il a fait :", "  What it did:")));
        for line in effects {
            let _ = writeln!(out, "    • {line}");
        }
    } else if r["state"] == "done" {
        let pruned = r["effects"].is_null();
        let line = if pruned {
            to.pick("Les détails d'il y a longtemps ne sont plus gardés.", "Details from long ago are no longer kept.")
        } else {
            to.pick("Il n'a rien changé.", "It changed nothing.")
        };
        let _ = writeln!(out, "  {line}");
    }
    let steps = list(r, "steps");
    if !steps.is_empty() {
        let names: Vec<&str> = steps.iter().filter_map(Json::as_str).collect();
        let names = names.join(", ");
        let _ = writeln!(out, "  {}", to.set(to.pick(format!("Étapes gardées : {names}"), format!("Steps kept: {names}"))));
    }
    let log = log(&r["log"], to);
    if !list(r, "log").is_empty() {
        let _ = writeln!(out, "{}", to.set(to.pick("  Journal :", "  Log:")));
        for line in log.lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    let usage = &r["usage"];
    if let (Some(millis), Some(calls)) = (usage["millis"].as_u64(), usage["calls"].as_i64()) {
        let memory = words::bytes(usage["memory"].as_u64().unwrap_or(0), to.language);
        let calls = show::counted(calls, to.pick("appel", "call"), to.pick("appels", "calls"), to.language);
        let _ = writeln!(out, "  {millis} ms, {calls}, {memory}.");
    }
    out
}

/// What a run planned, line by line.
fn effects(effects: &Json, to: Reader) -> Vec<String> {
    let mut lines = Vec::new();
    for post in list(effects, "posts") {
        for delivery in list(post, "deliveries") {
            let (account, when) = (text(delivery, "account"), to.when(&delivery["at"]));
            let words = to.quoted(text(&delivery["content"], "text"), 60);
            let yes = if delivery["needs_yes"] == true { to.pick(", attend votre accord", ", waits for your yes") } else { "" };
            lines.push(to.pick(
                format!("message pour {account}, {when}{yes} : {words}"),
                format!("post for {account}, {when}{yes}: {words}"),
            ));
            if !delivery["fallback"].is_null() {
                let words = to.quoted(text(&delivery["fallback"]["content"], "text"), 60);
                lines.push(to.pick(format!("  à défaut : {words}"), format!("  failing that: {words}")));
            }
        }
    }
    for notice in list(effects, "notices") {
        let (person, title) = (text(notice, "to"), text(&notice["notice"], "title"));
        lines.push(to.pick(format!("avis à {person} : {title}"), format!("notice to {person}: {title}")));
    }
    for withdrawal in list(effects, "withdrawn") {
        let (prefix, reason) = (text(withdrawal, "prefix"), text(withdrawal, "reason"));
        lines.push(to.pick(
            format!("messages retirés s'ils n'étaient pas partis ({prefix}…) : {reason}"),
            format!("posts taken back unless they had gone out ({prefix}…): {reason}"),
        ));
    }
    for feed in list(effects, "feeds") {
        let name = text(feed, "feed");
        lines.push(match feed["error"].as_str() {
            Some(error) => to.pick(format!("flux {name} : {error}"), format!("feed {name}: {error}")),
            None => {
                let new = show::counted(
                    feed["new"].as_i64().unwrap_or(0),
                    to.pick("nouveauté", "new item"),
                    to.pick("nouveautés", "new items"),
                    to.language,
                );
                to.pick(format!("flux {name} lu : {new}"), format!("feed {name} read: {new}"))
            }
        });
    }
    for event in list(effects, "events") {
        let name = text(event, "name");
        lines.push(to.pick(format!("événement {name}"), format!("event {name}")));
    }
    for later in list(effects, "later") {
        let when = to.when(&later["at"]);
        lines.push(to.pick(format!("nouveau passage {when}"), format!("another run {when}")));
    }
    for (key, value) in effects["state"].as_object().into_iter().flatten() {
        lines.push(if value.is_null() {
            to.pick(format!("mémoire : {key} effacé"), format!("memory: {key} removed"))
        } else {
            let value = first_words(&value.to_string(), 60);
            to.pick(format!("mémoire : {key} = {value}"), format!("memory: {key} = {value}"))
        });
    }
    lines.iter().map(|line| to.set(line)).collect()
}

/// `beffroi logs`
pub(super) fn log(lines: &Json, to: Reader) -> String {
    let lines = lines.as_array().map(Vec::as_slice).unwrap_or_default();
    if lines.is_empty() {
        return to.pick("Ce passage n'a rien noté.\n", "This run logged nothing.\n").to_owned();
    }
    let line = |l: &Json| {
        let time = text(l, "at").get(11..19).unwrap_or_default();
        format!("{time} {:5} {}\n", text(l, "level"), text(l, "text").replace('\n', "\n               "))
    };
    lines.iter().map(line).collect()
}

/// `beffroi posts`
pub(super) fn posts(all: &Json, to: Reader) -> String {
    let rows = all.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return to.pick("Aucun message.\n", "There are no posts.\n").to_owned();
    }
    table(
        to.pick(["Nº", "Compte", "Quand", "État", "Texte", "Raison"], ["No.", "Account", "When", "State", "Text", "Reason"]),
        rows.iter().map(|d| post_row(d, to)),
    )
}

/// Whether it only waits to stand in for another one.
pub(super) fn stands_by(d: &Json) -> bool {
    !d["stands_in_for"].is_null() && d["swapped_at"].is_null()
}

/// Its state, and what became of it when it was called back.
fn state_of(d: &Json, to: Reader) -> String {
    let state = words::state(text(d, "state"), to.language);
    let recall = &d["recall"];
    match recall["state"].as_str().filter(|_| d["state"] == "online") {
        None => state.to_owned(),
        Some("gone") => {
            let at = to.when(&recall["settled_at"]);
            to.pick(format!("{state}, retiré {at}"), format!("{state}, taken down {at}"))
        }
        Some("impossible") => to.pick(format!("{state}, non retiré"), format!("{state}, not taken down")),
        Some(_) => to.pick(format!("{state}, à retirer"), format!("{state}, to be taken down")),
    }
}

fn post_row(d: &Json, to: Reader) -> [String; 6] {
    let when = if d["settled_at"].is_null() { &d["due"] } else { &d["settled_at"] };
    let recall = text(&d["recall"], "note");
    [
        text(d, "id").to_owned(),
        text(d, "target").to_owned(),
        to.when(when),
        state_of(d, to),
        first_words(content(d), 40),
        // Where it can be seen is too long for a table; 'why' says it.
        if d["state"] == "online" {
            if d["recall"]["state"] == "gone" { String::new() } else { first_words(recall, 60) }
        } else {
            first_words(&to.set(words::happened(text(d, "reason"), to.language)), 60)
        },
    ]
}

/// `beffroi inbox`
pub(super) fn inbox(all: &Json, to: Reader) -> String {
    let rows = all.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return to.pick("Personne n'a écrit.\n", "Nobody has written.\n").to_owned();
    }
    let mut out = String::new();
    for m in rows {
        let kind = match text(m, "kind") {
            "comment" => to.pick("commentaire", "comment"),
            "mention" => to.pick("mention", "mention"),
            "direct" => to.pick("message", "message"),
            "review" => to.pick("avis", "review"),
            other => other,
        };
        let _ = writeln!(out, "{}  {}  {}  {kind}", to.when(&m["at"]), text(m, "account"), text(m, "author"));
        for line in text(m, "text").lines().filter(|line| !line.trim().is_empty()) {
            let _ = writeln!(out, "    {line}");
        }
        if let Some(url) = m["url"].as_str() {
            let _ = writeln!(out, "    {url}");
        }
    }
    out
}

fn served(account: &Json, to: Reader) -> String {
    match account["plugin"].as_str() {
        Some(plugin) => to.pick(format!("module {plugin}"), format!("plugin {plugin}")),
        None => to.pick(format!("dossier {}", text(account, "folder")), format!("folder {}", text(account, "folder"))),
    }
}

/// `beffroi accounts`
pub(super) fn accounts(all: &Json, to: Reader) -> String {
    let rows = all.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return to.pick("Aucun compte.\n", "There are no accounts.\n").to_owned();
    }
    let obstacle = |account: &Json| {
        let stopped = account["stopped"].as_str().map(|why| to.pick(format!("bloqué : {why}"), format!("stopped: {why}")));
        let error = || account["errors"].as_object().and_then(|errors| errors.values().next()?.as_str().map(str::to_owned));
        stopped.or_else(error).unwrap_or_default()
    };
    table(
        to.pick(["Compte", "Réseau", "Par", "Remarque"], ["Account", "Network", "Through", "Remark"]),
        rows.iter().map(|a| {
            [text(a, "account").to_owned(), text(a, "network").to_owned(), served(a, to), first_words(&to.set(obstacle(a)), 90)]
        }),
    )
}

/// `beffroi accounts --check`
pub(super) fn checked_accounts(all: &Json, to: Reader) -> String {
    let mut out = String::new();
    for account in all.as_array().into_iter().flatten() {
        let (name, says) = (text(account, "account"), text(account, "says"));
        let line = match account["works"].as_bool() {
            None => to.pick(
                format!("{name} : {}, rien à vérifier sur un réseau.", served(account, to)),
                format!("{name}: {}, nothing to check on a network.", served(account, to)),
            ),
            Some(true) => to.pick(format!("{name} : en ordre, {says}."), format!("{name}: in order, {says}.")),
            Some(false) => to.pick(format!("{name} : {says}"), format!("{name}: {says}")),
        };
        let _ = writeln!(out, "{}", to.set(line));
    }
    if out.is_empty() { to.pick("Aucun compte.\n", "There are no accounts.\n").to_owned() } else { out }
}

/// `beffroi why`
pub(super) fn why(answer: &Json, to: Reader) -> String {
    let mut out = format!("{}\n", to.set(text(answer, "answer")));
    for step in list(answer, "steps") {
        let _ = writeln!(out, "  {}", to.set(text(step, "what")));
        for line in list(step, "lines") {
            let _ = writeln!(out, "    {}", to.set(line.as_str().unwrap_or_default().replace('\n', "\n    ")));
        }
    }
    out
}

/// `beffroi state list`
pub(super) fn state(all: &Json, to: Reader) -> String {
    match all.as_object().filter(|keys| !keys.is_empty()) {
        Some(keys) => keys.iter().map(|(key, value)| format!("{key} = {}\n", first_words(&value.to_string(), 120))).collect(),
        None => to.pick("Aucune clé.\n", "There are no keys.\n").to_owned(),
    }
}

/// `beffroi pause`
pub(super) fn paused(answer: &Json, to: Reader) -> String {
    let name = text(answer, "workflow");
    to.set(to.pick(
        format!("{name} est en pause. Il reprend avec : beffroi resume {name}\n"),
        format!("{name} is paused. It goes on with: beffroi resume {name}\n"),
    ))
}

/// `beffroi resume`
pub(super) fn resumed(answer: &Json, to: Reader) -> String {
    let name = text(answer, "workflow");
    if answer["was"].is_null() {
        return to.pick(format!("{name} n'était pas en pause.\n"), format!("{name} was not paused.\n"));
    }
    to.pick(format!("{name} reprend.\n"), format!("{name} goes on.\n"))
}

/// `beffroi freeze`
pub(super) fn frozen(answer: &Json, to: Reader) -> String {
    let account = answer["account"].as_str();
    to.set(match account {
        None => to.pick(
            "Tout envoi est gelé. Rien ne part avant : beffroi thaw\n".to_owned(),
            "All sending is frozen. Nothing goes out before: beffroi thaw\n".to_owned(),
        ),
        Some(name) => to.pick(
            format!("Le compte {name} est bloqué. Rien n'y part avant : beffroi thaw {name}\n"),
            format!("The account {name} is stopped. Nothing goes out there before: beffroi thaw {name}\n"),
        ),
    })
}

/// `beffroi cancel`
pub(super) fn cancelled(answer: &Json, to: Reader) -> String {
    let run = text(answer, "run");
    to.pick(
        format!("{run} va s'arrêter ; rien de ce qu'il prévoyait n'aura lieu.\n"),
        format!("{run} is asked to stop; nothing it planned will happen.\n"),
    )
}

/// `beffroi backup`
pub(super) fn backup(answer: &Json, to: Reader) -> String {
    let (file, bytes) = (text(answer, "file"), words::bytes(answer["bytes"].as_u64().unwrap_or(0), to.language));
    to.set(to.pick(
        format!("Copie écrite et vérifiée : {file} ({bytes}).\n"),
        format!("Copy written and checked: {file} ({bytes}).\n"),
    ))
}

/// A workflow without due times.
pub(super) fn never_due(events: &[String], language: Language) -> String {
    if events.is_empty() {
        return language
            .pick("Il n'a pas d'horaire : il se lance à la main.\n", "It has no schedule: it is run by hand.\n")
            .to_owned();
    }
    let names = show::list(events, language);
    language.pick(format!("Il n'a pas d'horaire : il répond à {names}.\n"), format!("It has no schedule: it answers {names}.\n"))
}

/// When a whole post has nothing to say yes or no to.
pub(super) fn nothing_to_answer(id: &str, language: Language) -> String {
    language.pick(
        format!("{id} n'attend pas de réponse. Voyez : beffroi why {id}"),
        format!("{id} waits for no answer. See: beffroi why {id}"),
    )
}

/// What stands in the way of an account, in one line; nothing when it is free.
pub(super) fn may_wait(why: &Json, to: Reader) -> String {
    if why["free"] == false { format!("{}\n", to.set(text(why, "answer"))) } else { String::new() }
}

/// What a yes or no was given to: all of it, since that is what it covers.
pub(super) fn answered(delivery: &Json, verb: &str, to: Reader) -> String {
    let (id, account, when) = (text(delivery, "id"), text(delivery, "target"), to.when(&delivery["due"]));
    let head = match verb {
        "approve" => {
            to.pick(format!("{id} est approuvé pour {account}, {when} :"), format!("{id} is approved for {account}, {when}:"))
        }
        "again" => {
            to.pick(format!("{id} sera envoyé de nouveau sur {account} :"), format!("{id} will be sent to {account} again:"))
        }
        "done" => {
            to.pick(format!("{id} est noté comme en ligne sur {account} :"), format!("{id} is noted as online on {account}:"))
        }
        _ => to.pick(
            format!("{id} est refusé et ne partira pas sur {account} :"),
            format!("{id} is rejected and will not go out on {account}:"),
        ),
    };
    let mut out = format!("{}\n{}", to.set(head), whole_content(delivery));
    let twin = &delivery["standing_by"];
    if !twin.is_null() && matches!(verb, "approve" | "reject") {
        let id = text(twin, "id");
        let line = match verb {
            "approve" => to.pick(
                format!("Approuvé aussi, à sa place si une condition ne tient pas ({id}) :"),
                format!("Approved too, in its place if a condition does not hold ({id}):"),
            ),
            _ => to
                .pick(format!("Avec lui, ce qui devait le remplacer ({id}) :"), format!("With it, what stood in for it ({id}):")),
        };
        let _ = write!(out, "{}\n{}", to.set(line), whole_content(twin));
    }
    out
}

/// Everything that a delivery would show to the public.
pub(super) fn whole_content(delivery: &Json) -> String {
    let mut out = content(delivery).lines().map(|line| format!("  │ {line}\n")).collect::<String>();
    let content = &delivery["content"];
    if let Some(link) = content["link"].as_str() {
        let _ = writeln!(out, "  │ → {link}");
    }
    for media in list(content, "media") {
        let _ = writeln!(out, "  │ [{}] {}", text(media, "path"), text(media, "alt"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn to(language: Language) -> Reader {
        Reader { language, now: Timestamp::parse("2026-11-22T10:00:00+01:00").expect("a moment") }
    }

    #[test]
    fn the_status_page_says_what_needs_a_person_and_how_to_answer() {
        let status_of = json!({
            "business": "Boulangerie", "version": "0.1.0", "since": "2026-11-21T07:00:00+01:00", "stopping": false,
            "configuration": { "file": "b.toml", "refused": null }, "running": [],
            "next": [{ "workflow": "pain", "due": "2026-11-23T12:00:00+01:00", "purpose": "Le pain." }],
            "posts": { "held": 1, "unknown": 1 }, "memory": 24_600_000,
            "needs": {
                "approval": [{ "id": "d2", "kind": "post", "target": "vitrine", "due": "2026-11-22T12:00:00+01:00", "content": { "text": "Bonjour" } }],
                "unknown": [{ "id": "d3", "kind": "post", "target": "vitrine" }],
                "dead": [], "paused": [{ "workflow": "kpi", "reason": "travaux" }], "stopped": [], "frozen": null, "feeds": [],
            },
        });
        let english = "Boulangerie — Beffroi 0.1.0, running since yesterday 07:00\nConfiguration: b.toml\n\n\
            Nothing runs at the moment.\nNext:\n  tomorrow 12:00  pain — Le pain.\nPosts: 1 waiting, 1 to be checked.\n\n\
            What needs you:\n  • kpi is paused: travaux.\n      beffroi resume kpi\n\
            \u{20} • d2 waits for your yes (vitrine, today 12:00): \"Bonjour\"\n      beffroi approve d2\n\
            \u{20} • d3 may have gone out on vitrine: look, then answer.\n      beffroi approve d3 --done | --again\n\n\
            Memory: 24.6\u{a0}MB.\n";
        assert_eq!(status(&status_of, to(Language::En)), english);
        let french = status(&status_of, to(Language::Fr));
        assert!(french.contains("d2 attend votre accord (vitrine, aujourd'hui 12:00)\u{a0}: «\u{a0}Bonjour\u{a0}»"), "{french}");
        let calm = json!({ "needs": {} });
        assert!(status(&calm, to(Language::Fr)).contains("Rien ne demande votre attention."));
    }

    #[test]
    fn effects_are_told_in_words() {
        let planned = json!({
            "posts": [{ "deliveries": [{ "account": "vitrine", "at": "2026-11-22T12:00:00+01:00", "needs_yes": true, "content": { "text": "Bonjour" } }] }],
            "notices": [{ "to": "ana", "notice": { "title": "Bilan" } }],
            "feeds": [{ "feed": "ville", "new": 1, "error": null }, { "feed": "metier", "new": 0, "error": "parti" }],
            "later": [{ "at": "2026-11-23T09:00:00+01:00", "payload": null }],
            "state": { "a": { "n": 1 }, "b": null },
        });
        assert_eq!(
            effects(&planned, to(Language::En)),
            [
                "post for vitrine, today 12:00, waits for your yes: \"Bonjour\"",
                "notice to ana: Bilan",
                "feed ville read: 1\u{a0}new item",
                "feed metier: parti",
                "another run tomorrow 09:00",
                "memory: a = {\"n\":1}",
                "memory: b removed",
            ]
        );
        assert_eq!(effects(&Json::Null, to(Language::En)), Vec::<String>::new());
    }

    #[test]
    fn tables_line_up_and_end_without_spaces() {
        let rows =
            json!([{ "run": "r10", "workflow": "pain", "due": "2026-11-22T07:30:00+01:00", "state": "done", "line": "a\nb" }]);
        assert_eq!(
            runs(&rows, to(Language::En)),
            "No.  Workflow  Due          State  What it says\nr10  pain      today 07:30  done   a b\n"
        );
        assert_eq!(runs(&json!([]), to(Language::Fr)), "Rien n'a encore tourné.\n");
    }

    #[test]
    fn a_yes_shows_everything_it_covers() {
        let delivery = json!({
            "id": "d2", "kind": "post", "target": "vitrine", "due": "2026-11-22T12:00:00+01:00",
            "content": { "text": "Un\nDeux", "link": "https://b.example", "media": [{ "path": "pain.jpg", "alt": "du pain" }] },
        });
        let said = answered(&delivery, "approve", to(Language::En));
        assert_eq!(
            said,
            "d2 is approved for vitrine, today 12:00:\n  │ Un\n  │ Deux\n  │ → https://b.example\n  │ [pain.jpg] du pain\n"
        );
    }
}
