//! The run itself, shared state, events, notices, HTTP, and small tools: json, text, time, log.
//!
//! In: the desk and checked arguments. Out: answers, and on the desk what the run wants changed, told or asked elsewhere.
//! Never: writes state, events or notices itself; and posts to the outside only inside a step.

use super::fields::{Args, when};
use super::{Row, may, need, row};
use crate::craft::{markup, show, words};
use crate::domain::{Digest, Json, PersonName, Timestamp};
use crate::effects::{DEPTH, PlannedEvent, PlannedNotice, PlannedRun, brought};
use crate::kinds::Notice;
use crate::network::{NetworkError, Request};
use crate::problem::perhaps;
use crate::run::desk::{Answer, RunDesk};
use crate::run::function::Kind;
use crate::run::function::Kind::{Any, Instant, List, Map, Text, When, Whole};
use crate::run::function::{Refusal, Stop};
use crate::store::{MarkRead, view};
use chrono::{Datelike, Timelike};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// A chain of events that answer each other ends here: two workflows that call each other would never stop.
const EVENT_DEPTH: u64 = 8;
/// A run asked for comes this much later at the soonest.
const SOONEST: Duration = Duration::from_secs(1);
/// Largest value of one state key, in bytes of JSON.
const STATE_BYTES: usize = 1 << 20;

pub(super) const ROWS: &[Row] = &[
    row!(Read run::workflow() -> Text, "The name of the workflow.", "log::info(run::workflow());",
        |desk, _| Ok(desk.workflow().as_str().into())),
    row!(Read run::id() -> Text, "The number of this run, such as r12.", "log::info(run::id());",
        |desk, _| Ok(desk.facts.id.to_string().into())),
    row!(Read run::kind() -> Text, "What started the run: schedule, hand, event or later.", "if run::kind() == \"hand\" { log::info(\"somebody is looking\"); }",
        |desk, _| Ok(desk.facts.kind.word().into())),
    row!(Read run::due() -> Instant, "When the run was due; earlier than now after downtime.", "let day = time::show(run::due(), \"%Y-%m-%d\");",
        |desk, _| Ok(desk.facts.due.millis().into())),
    row!(Read run::now() -> Instant, "What the run takes for now: the moment its attempt started. It does not move while the run goes on.", "let soon = run::now() + time::span(\"2h\");",
        |desk, _| Ok(desk.facts.now.millis().into())),
    row!(Read run::attempt() -> Whole, "1 at the first attempt of this run.", "if run::attempt() > 1 { log::warn(\"trying again\"); }",
        |desk, _| Ok(desk.facts.attempt.into())),
    row!(Read run::payload() -> Any, "What the event, the person or the earlier run gave to this one; nothing for a scheduled run.", "let wish = run::payload();",
        |desk, _| Ok(payload(&desk.facts.payload))),
    row!(Read run::setting(need("name", Text, "the setting's name"), may("default", Any, "what to take when it is not set")) -> Any,
        "A value from the workflow's settings in the configuration. Without a default, a missing setting is an error.",
        "let weeks = run::setting(\"weeks\", 8);", setting),
    row!(Read run::settings() -> Map, "All settings of the workflow, as a map.", "let all = run::settings();",
        |desk, _| Ok((*desk.facts.workflow.settings).clone())),
    row!(Read run::accounts() -> List, "The names of the accounts that this workflow may post to.", "for account in run::accounts() { log::info(account); }", accounts),
    row!(Read run::account(need("name", Text, "an account's name")) -> Map, "What the configuration says about an account: name, network, formats, max_chars.",
        "let limit = run::account(\"x\").max_chars;", account),
    row!(Read run::business() -> Map, "What the configuration says about the firm: name, town, language, words, site.", "let town = run::business().town;", business),
    row!(Plan run::later(need("when", When, "an instant, or a length of time from now such as \"2h\""), may("payload", Any, "what that run gets")) -> Instant,
        "Plans one future run of this workflow and gives back when it will be.", "run::later(\"2h\", #{ reason: \"look again\" });", later),
    row!(Read state::get(need("key", Text, "the key"), may("default", Any, "what to take when the key is not there")) -> Any,
        "The value of a key, shared by all workflows. If somebody changes it before this run commits, the run is done again.",
        "let visits = state::get(\"visits\", 0);", state_get),
    row!(Plan state::set(need("key", Text, "the key, up to 256 characters"), need("value", Any, "anything that can be written as JSON")) -> Nothing,
        "Sets a key when the run commits. The run itself sees the new value at once.", "state::set(\"visits\", 3);", state_set),
    row!(Plan state::remove(need("key", Text, "the key")) -> Nothing, "Removes a key when the run commits.", "state::remove(\"visits\");", state_remove),
    row!(Plan state::add(need("key", Text, "the key"), need("number", Kind::Number, "what to add; may be negative")) -> Any,
        "Adds to a number and gives back the sum. A missing key counts as 0; nothing is ever lost between two runs.", "let visits = state::add(\"visits\", 1);", state_add),
    row!(Read state::list(need("prefix", Text, "how the keys begin; empty for all")) -> List, "All keys that begin with a prefix, in order, each as #{key, value}.",
        "for entry in state::list(\"topic/\") { log::info(entry.key); }", state_list),
    row!(Plan events::emit(need("name", Text, "the event's name"), may("payload", Any, "what it brings")) -> Nothing,
        "Lets every workflow that lists this event run, when this run commits.", "events::emit(\"stock.low\", #{ sku: \"TARTE\" });", emit),
    row!(Plan notify::send(need("notice", Map, "to (a person's name; everybody when left out), kind (note, digest, alert, approval), title, text, html, once (at most one notice per person for this key)")) -> Nothing,
        "Plans a notice to a person.", "notify::send(#{ title: \"Flour is low\", text: \"Two bags are left.\", once: \"flour/low\" });", notify_send),
    row!(Read http::get(need("url", Text, "an http or https address"), may("options", Map, "headers (a map of texts), timeout (such as \"10s\")")) -> Map,
        "Reads an address and gives back #{status, headers, body}. Addresses of this machine and of private networks are refused unless the configuration lists them.",
        "let page = http::get(\"https://example.org/today.json\"); if page.status == 200 { let today = json::parse(page.body); }", http_get),
    row!(Now http::post(need("url", Text, "an http or https address"), need("body", Any, "a text, or a value that is sent as JSON"), may("options", Map, "headers (a map of texts), timeout (such as \"10s\")")) -> Map,
        "Sends something to an address and gives back #{status, headers, body}. Only inside a step, because it must not be repeated; it carries an Idempotency-Key made of run and step.",
        "step(\"order\", || http::post(\"https://example.org/orders\", #{ bags: 2 }));", http_post),
    row!(Pure json::parse(need("text", Text, "JSON")) -> Any, "Reads a text of JSON.", "let value = json::parse(\"{\\\"a\\\": 1}\");", |_, mut args| {
        let text = args.text();
        serde_json::from_str(&text).map_err(|e| args.refuse(&format!("this is not JSON: {e}.")))
    }),
    row!(Pure json::write(need("value", Any, "anything")) -> Text, "Writes a value as JSON.", "let text = json::write(#{ a: 1 });", |_, mut args| Ok(args.any().to_string().into())),
    row!(Pure text::fit(need("text", Text, "a text"), need("max", Whole, "most characters")) -> Text,
    "Shortens a text at a word, with \"…\" at the end, never inside a link or a tag.", "let short = text::fit(\"a long sentence\", 8);", |_, mut args| {
        let (text, max) = (args.text(), args.whole());
        Ok(words::fit(&text, usize::try_from(max).unwrap_or(0)).into())
    }),
    row!(Read text::words(need("text", Text, "a text")) -> List, "The words that carry the meaning: folded, without accents and little words.", "let words = text::words(\"Les croissants du matin\");",
        |desk, mut args| Ok(words::content_words(&args.text(), Some(desk.instance.business.language)).into())),
    row!(Pure text::similar(need("a", Text, "a text"), need("b", Text, "another text")) -> Number, "How alike two texts are, from 0 to 1.", "let alike = text::similar(\"pain frais\", \"du pain frais\");",
        |_, mut args| Ok(words::similar(&args.text(), &args.text()).into())),
    row!(Pure text::slug(need("text", Text, "a text")) -> Text, "A text as a short key: small letters, digits and dashes.", "let key = text::slug(\"Marché de Noël\");",
        |_, mut args| Ok(words::slug(&args.text()).into())),
    row!(Pure text::plain(need("html", Text, "HTML")) -> Text, "The text of a piece of HTML, without its markup.", "let text = text::plain(\"<b>Pain</b>\");",
        |_, mut args| Ok(markup::plain(&args.text()).into())),
    row!(Pure text::fill(need("template", Text, "a text with names in braces; {{ is a brace"), need("values", Map, "a value for each name")) -> Text,
        "Puts values in the place of the names in braces. A name without a value is an error.", "let text = text::fill(\"{title}: {price}\", #{ title: \"Tarte\", price: \"12 €\" });", fill),
    row!(Pure text::tags(need("words", List, "a list of texts")) -> Text, "Words as tags, such as #Pain #Arras.", "let tags = text::tags([\"pain\", \"Arras\"]);",
        |_, mut args| Ok(words::tags(&args.texts()?).into())),
    row!(Read time::show(need("instant", Instant, "an instant"), may("format", Text, "as in strftime; day and date in the business's language when left out")) -> Text,
        "An instant in the business's zone.", "let day = time::show(run::due(), \"%Y-%m-%d\");", time_show),
    row!(Pure time::parse(need("text", Text, "RFC 3339, such as 2026-03-28T22:50:00+01:00")) -> Instant, "Reads an instant.", "let then = time::parse(\"2026-12-24T18:00:00+01:00\");", |_, mut args| {
        let text = args.text();
        Timestamp::parse(&text).map(|t| t.millis().into()).ok_or_else(|| args.refuse(&format!("\"{text}\" is not an instant such as 2026-03-28T22:50:00+01:00.")))
    }),
    row!(Pure time::span(need("text", Text, "a length of time such as \"36h\"")) -> Whole, "A length of time in milliseconds.", "let two_hours = time::span(\"2h\");", |_, mut args| {
        let text = args.text();
        let span = crate::domain::parse_span(&text).map_err(|e| args.refuse(&e.0))?;
        Ok(i64::try_from(span.as_millis()).unwrap_or(i64::MAX).into())
    }),
    row!(Read time::part(need("instant", Instant, "an instant"), need("part", Text, "hour, minute, day, weekday (1 is Monday), month, week or year")) -> Whole,
        "One part of an instant in the business's zone.", "let hour = time::part(run::now(), \"hour\");", time_part),
    row!(Plan log::debug(need("text", Text, "the line")) -> Nothing, "Writes a line into the run's log, for the author of the script.", "log::debug(\"here\");", |desk, args| log(desk, "debug", args)),
    row!(Plan log::info(need("text", Text, "the line")) -> Nothing, "Writes a line into the run's log.", "log::info(\"nothing new\");", |desk, args| log(desk, "info", args)),
    row!(Plan log::warn(need("text", Text, "the line")) -> Nothing, "Writes a line that somebody should see into the run's log.", "log::warn(\"no figures yet\");", |desk, args| log(desk, "warn", args)),
    row!(Plan log::error(need("text", Text, "the line")) -> Nothing, "Writes a line about something that went wrong into the run's log.", "log::error(\"the shop does not answer\");", |desk, args| log(desk, "error", args)),
];

pub(super) fn payload(stored: &Json) -> Json {
    match stored {
        Json::Object(map) if map.contains_key(DEPTH) => map.get("payload").cloned().unwrap_or_default(),
        other => other.clone(),
    }
}

fn log(desk: &mut RunDesk, level: &str, mut args: Args) -> Answer {
    desk.write_log(level, &args.text());
    Ok(Json::Null)
}

fn setting(desk: &mut RunDesk, mut args: Args) -> Answer {
    let name = args.text();
    if let Some(value) = desk.facts.workflow.settings.get(&name) {
        return Ok(value.clone());
    }
    let given_default = args.has_more();
    if given_default {
        return Ok(args.any());
    }
    let known: Vec<&str> =
        desk.facts.workflow.settings.as_object().map(|m| m.keys().map(String::as_str).collect()).unwrap_or_default();
    let near = perhaps(&name, known);
    let sentence = format!(
        "the workflow \"{}\" has no setting \"{name}\".{near} Add it under settings, or give a default.",
        desk.workflow()
    );
    Err(args.refuse(&sentence))
}

fn accounts(desk: &mut RunDesk, _: Args) -> Answer {
    let own = &desk.facts.workflow.accounts;
    let names: Vec<&str> = if own.is_empty() {
        desk.instance.accounts.keys().map(|n| n.as_str()).collect()
    } else {
        own.iter().map(|n| n.as_str()).collect()
    };
    Ok(names.into())
}

fn account(desk: &mut RunDesk, mut args: Args) -> Answer {
    let name = args.text();
    let account = desk.account(&name).map_err(|sentence| args.refuse(&sentence))?;
    Ok(json!({ "name": name, "network": account.network, "formats": account.formats, "max_chars": account.max_chars }))
}

fn business(desk: &mut RunDesk, _: Args) -> Answer {
    let b = &desk.instance.business;
    Ok(json!({ "name": b.name, "town": b.town, "language": b.language, "words": b.words, "site": b.site }))
}

fn later(desk: &mut RunDesk, mut args: Args) -> Answer {
    let now = desk.facts.now;
    let at = when(&args.any(), now).ok_or_else(|| args.refuse("needs an instant, or a length of time such as \"2h\"."))?;
    let payload = args.any();
    // A run that asks for itself at once, and again, would fill the ledger as fast as the machine can.
    let at = at.max(now.plus(SOONEST));
    desk.effects.later.push(PlannedRun { at, payload });
    Ok(at.millis().into())
}

fn key(args: &mut Args) -> Result<String, Refusal> {
    let key = args.text();
    if key.is_empty() || key.chars().count() > 256 { Err(args.refuse("a key has 1 to 256 characters.")) } else { Ok(key) }
}

/// A key's value as the run sees it: its own writes first, then what it read before, then the store.
fn current(desk: &mut RunDesk, key: &str) -> Result<Option<Json>, Refusal> {
    if let Some(own) = desk.effects.state.get(key) {
        return Ok(own.clone());
    }
    if let Some(read) = desk.read_state.get(key) {
        return Ok(read.clone());
    }
    let found = desk.sense(&format!("state {key}"), |desk, _| desk.look(|db| view::state(db, key)))?;
    let version = found.as_ref().map(|(_, version)| *version);
    let value = found
        .map(|(text, _)| serde_json::from_str(&text))
        .transpose()
        .map_err(|e| Refusal::Error(format!("The stored value of \"{key}\" cannot be read: {e}.")))?;
    desk.reads.note(MarkRead::Key(key.to_owned(), version));
    desk.read_state.insert(key.to_owned(), value.clone());
    Ok(value)
}

fn state_get(desk: &mut RunDesk, mut args: Args) -> Answer {
    let key = key(&mut args)?;
    Ok(current(desk, &key)?.unwrap_or_else(|| args.any()))
}

fn put(desk: &mut RunDesk, key: String, value: Json, args: &Args) -> Answer {
    if value.to_string().len() > STATE_BYTES {
        return Err(
            args.refuse("a value takes at most 1 MiB as JSON. Keep large things in files, or split them over several keys.")
        );
    }
    desk.effects.state.insert(key, Some(value));
    Ok(Json::Null)
}

fn state_set(desk: &mut RunDesk, mut args: Args) -> Answer {
    let key = key(&mut args)?;
    let value = args.any();
    put(desk, key, value, &args)
}

fn state_remove(desk: &mut RunDesk, mut args: Args) -> Answer {
    let key = key(&mut args)?;
    desk.effects.state.insert(key, None);
    Ok(Json::Null)
}

fn state_add(desk: &mut RunDesk, mut args: Args) -> Answer {
    let key = key(&mut args)?;
    let by = args.any();
    let sum = match (current(desk, &key)?.unwrap_or_else(|| 0.into()), &by) {
        (Json::Number(a), Json::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => {
                a.checked_add(b).map(Json::from).ok_or_else(|| args.refuse("the sum is larger than a whole number can be."))?
            }
            _ => {
                let sum = a.as_f64().unwrap_or_default() + b.as_f64().unwrap_or_default();
                if !sum.is_finite() {
                    return Err(args.refuse("the sum is larger than a number can be."));
                }
                json!(sum)
            }
        },
        _ => return Err(args.refuse(&format!("the value of \"{key}\" is not a number."))),
    };
    put(desk, key, sum.clone(), &args)?;
    Ok(sum)
}

fn state_list(desk: &mut RunDesk, mut args: Args) -> Answer {
    let prefix = args.text();
    let (rows, count, newest) =
        desk.sense(&format!("states {prefix}"), |desk, _| desk.look(|db| view::state_list(db, &prefix)))?;
    desk.reads.note(MarkRead::Prefix(prefix.clone(), count, newest));
    let mut all: BTreeMap<String, Json> =
        rows.into_iter().map(|(k, v)| (k, serde_json::from_str(&v).unwrap_or_default())).collect();
    for (key, value) in desk.effects.state.iter().filter(|(k, _)| k.starts_with(&prefix)) {
        match value {
            Some(value) => all.insert(key.clone(), value.clone()),
            None => all.remove(key),
        };
    }
    Ok(all.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect())
}

fn emit(desk: &mut RunDesk, mut args: Args) -> Answer {
    let name = args.text();
    if name.is_empty() || name.chars().count() > 100 {
        return Err(args.refuse("an event's name has 1 to 100 characters."));
    }
    let depth = desk.facts.payload.get(DEPTH).and_then(Json::as_u64).unwrap_or(0) + 1;
    if depth > EVENT_DEPTH {
        return Err(args.refuse("events have answered each other eight times in a row; the chain ends here. Look for two workflows that call each other."));
    }
    let payload = brought(&name, depth, args.any());
    desk.effects.events.push(PlannedEvent { name, payload });
    Ok(Json::Null)
}

fn notify_send(desk: &mut RunDesk, mut args: Args) -> Answer {
    let mut fields = args.map();
    let to = fields.text("to")?;
    let kind = fields.text("kind")?.unwrap_or_else(|| "note".into());
    let (title, text) = (fields.needed_text("title")?, fields.needed_text("text")?);
    let (html, once) = (fields.text("html")?, fields.text("once")?);
    if !["note", "digest", "alert", "approval"].contains(&kind.as_str()) {
        return Err(fields.refuse("the kind is note, digest, alert or approval."));
    }
    let people: Vec<PersonName> = match &to {
        None => desk.instance.people.keys().cloned().collect(),
        Some(name) => match desk.instance.people.keys().find(|p| p.as_str() == name) {
            Some(person) => vec![person.clone()],
            None => return Err(fields.refuse(&format!("there is nobody called \"{name}\" under [people]."))),
        },
    };
    fields.end()?;
    if people.is_empty() {
        desk.write_log(
            "warn",
            &format!("nobody gets the notice \"{title}\": there is nobody under [people] in the configuration"),
        );
    }
    for to in people {
        let used = match &once {
            None => false,
            Some(key) => {
                desk.effects.notices.iter().any(|n| n.to == to && n.once.as_ref() == Some(key))
                    || desk.sense(&format!("noticed {to} {key}"), |desk, _| {
                        desk.look(|db| view::notice_used(db, to.as_str(), key))
                    })?
            }
        };
        if used {
            continue;
        }
        let notice = Notice { kind: kind.clone(), title: title.clone(), text: text.clone(), html: html.clone() };
        desk.effects.notices.push(PlannedNotice { to, once: once.clone(), notice });
    }
    Ok(Json::Null)
}

fn request(desk: &RunDesk, method: &str, url: String, args: &mut Args) -> Result<Request, Refusal> {
    let mut options = args.map();
    let headers = options.pairs("headers")?;
    let timeout = options.span("timeout")?.unwrap_or(Duration::from_secs(20));
    options.end()?;
    if let (Some(reach), Ok(url)) = (&desk.reach, url::Url::parse(&url)) {
        reach.allows(method, &url).map_err(|sentence| args.refuse(&sentence))?;
    }
    let (timeout, reach) = (timeout.min(desk.time_left()), desk.reach.clone());
    Ok(Request { method: method.into(), headers, timeout, reach, ..Request::get(&url) })
}

fn send(desk: &mut RunDesk, request: &Request, args: &Args) -> Answer {
    let question = format!("{} {}", request.method, request.url);
    let answer: Result<Json, String> = desk.sense(&question, |desk, tools| {
        if request.method != "GET" && !desk.counts() {
            let sentence =
                format!("Here the run would send {question}. Nothing was sent, and what comes after depends on the answer.");
            return Err(Stop::Refused(sentence).into());
        }
        Ok(match tools.network.send(request) {
            Ok(response) => {
                let headers: serde_json::Map<String, Json> = response.headers.into_iter().map(|(k, v)| (k, v.into())).collect();
                Ok(json!({ "status": response.status, "headers": headers, "body": String::from_utf8_lossy(&response.body) }))
            }
            Err(NetworkError::Lost(why)) => Err(format!("{why} It may have taken effect.")),
            Err(error) => Err(error.to_string()),
        })
    })?;
    answer.map_err(|sentence| args.refuse(&sentence))
}

fn http_get(desk: &mut RunDesk, mut args: Args) -> Answer {
    let url = args.text();
    let request = request(desk, "GET", url, &mut args)?;
    send(desk, &request, &args)
}

fn http_post(desk: &mut RunDesk, mut args: Args) -> Answer {
    let (url, body) = (args.text(), args.any());
    let mut request = request(desk, "POST", url, &mut args)?;
    let Some(step) = desk.steps.last().cloned() else {
        return Err(args.refuse("this changes something elsewhere, so it needs a step: step(\"name\", || http::post(…)). A step's answer is kept, and a run that is tried again does not send it twice."));
    };
    let place = desk.sent.entry(step.clone()).or_default();
    *place += 1;
    // The digest tells apart what looks alike as a slug: names of steps in any script, and several requests of one step.
    let exact = Digest::of(format!("{place} {step}").as_bytes()).short();
    let shown: String = words::slug(&step).chars().filter(char::is_ascii).collect();
    let key = format!("{}-{}-{shown}-{exact}", desk.installation(), desk.facts.id);
    let has = |name: &str| request.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let (keyed, typed) = (has("idempotency-key"), has("content-type"));
    if !keyed {
        request.headers.push(("Idempotency-Key".into(), key));
    }
    request.body = match body {
        Json::String(text) => text.into_bytes(),
        value => {
            if !typed {
                request.headers.push(("Content-Type".into(), "application/json".into()));
            }
            value.to_string().into_bytes()
        }
    };
    send(desk, &request, &args)
}

fn fill(_: &mut RunDesk, mut args: Args) -> Answer {
    let template = args.text();
    let values: BTreeMap<String, String> = match args.any() {
        Json::Object(map) => map
            .into_iter()
            .map(|(k, v)| match v {
                Json::String(text) => (k, text),
                Json::Null => (k, String::new()),
                other => (k, other.to_string()),
            })
            .collect(),
        _ => BTreeMap::new(),
    };
    words::fill(&template, &values).map(Json::from).map_err(|e| args.refuse(&e.to_string()))
}

fn time_show(desk: &mut RunDesk, mut args: Args) -> Answer {
    let local = args.instant().local(desk.zone());
    let language = desk.instance.business.language;
    let Some(format) = args.given_text() else {
        return Ok(format!(
            "{} {} {}",
            show::weekday(local.date_naive(), language),
            show::day(local.date_naive(), language),
            local.format("%H:%M")
        )
        .into());
    };
    // chrono answers a wrong format only when it is written out.
    let mut out = String::new();
    match std::fmt::Write::write_fmt(&mut out, format_args!("{}", local.format(&format))) {
        Ok(()) => Ok(out.into()),
        Err(_) => Err(args.refuse(&format!("\"{format}\" is not a format. Write for example \"%d/%m/%Y %H:%M\"."))),
    }
}

fn time_part(desk: &mut RunDesk, mut args: Args) -> Answer {
    let local = args.instant().local(desk.zone());
    let part = args.text();
    Ok(match part.as_str() {
        "hour" => local.hour().into(),
        "minute" => local.minute().into(),
        "day" => local.day().into(),
        "weekday" => local.weekday().number_from_monday().into(),
        "month" => local.month().into(),
        "week" => local.iso_week().week().into(),
        "year" => local.year().into(),
        _ => return Err(args.refuse("the part is hour, minute, day, weekday, month, week or year.")),
    })
}
