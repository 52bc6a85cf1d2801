//! Values of the contract as recordings write them.
//!
//! In: TOML of a recording. Out: posts, prompts and notices; and, the other way, what a plugin gave as JSON.
//! Never: more than recordings need.

use crate::domain::Money;
use crate::domain::{Json, Language};
use crate::kinds::{
    Finding, Generation, Item, MessagePage, Notice, Outcome, Outgoing, Pause, Prompt, Receipt, Sample, SignalPage, StockPage,
};
use serde_json::{Map, json};

fn text(map: &Json, key: &str) -> Option<String> {
    map.get(key).and_then(Json::as_str).map(str::to_owned)
}

pub(super) fn post(given: Option<&Json>) -> Outgoing {
    let none = Json::Null;
    let given = given.unwrap_or(&none);
    let options = given.get("options").and_then(Json::as_object).cloned().unwrap_or_default();
    Outgoing {
        text: text(given, "text").unwrap_or_else(|| "Les croissants sont prêts.".into()),
        link: text(given, "link"),
        format: text(given, "format").unwrap_or_else(|| "post".into()),
        reply_to: text(given, "reply_to"),
        options: options.into_iter().filter_map(|(k, v)| Some((k, v.as_str()?.to_owned()))).collect(),
        ..Outgoing::default()
    }
}

pub(super) fn prompt(given: Option<&Json>) -> Prompt {
    let none = Json::Null;
    let given = given.unwrap_or(&none);
    let number = |key: &str| given.get(key).and_then(Json::as_u64).and_then(|n| u32::try_from(n).ok());
    let facts = given.get("facts").and_then(Json::as_object).cloned().unwrap_or_default();
    Prompt {
        instructions: text(given, "instructions").unwrap_or_else(|| "Sois bref.".into()),
        task: text(given, "task").unwrap_or_else(|| "Un mot sur le levain.".into()),
        facts: facts.into_iter().filter_map(|(k, v)| Some((k, v.as_str()?.to_owned()))).collect(),
        variants: number("variants").unwrap_or(1),
        max_chars: number("max_characters"),
        language: if text(given, "language").is_some_and(|l| l == "en") { Language::En } else { Language::Fr },
    }
}

pub(super) fn notice(given: Option<&Json>) -> Notice {
    let none = Json::Null;
    let given = given.unwrap_or(&none);
    Notice {
        kind: text(given, "kind").unwrap_or_else(|| "note".into()),
        title: text(given, "title").unwrap_or_else(|| "Demain".into()),
        text: text(given, "text").unwrap_or_else(|| "La farine arrive à huit heures.".into()),
        html: text(given, "html"),
    }
}

pub(super) fn receipt(receipt: &Receipt) -> Json {
    json!({ "remote_id": receipt.remote_id, "url": receipt.url })
}

fn pause(pause: &Pause) -> Json {
    json!({ "pending": { "handle": pause.handle, "not_before": pause.not_before.millis(), "message": pause.message } })
}

pub(super) fn outcome(outcome: &Outcome) -> Json {
    match outcome {
        Outcome::Online(proof) => json!({ "online": receipt(proof) }),
        Outcome::Pending(wait) => pause(wait),
    }
}

pub(super) fn finding(finding: &Finding) -> Json {
    match finding {
        Finding::Online(proof) => json!({ "online": receipt(proof) }),
        Finding::Absent => json!("absent"),
        Finding::Refused(why) => json!({ "refused": why }),
        Finding::Unsure(why) => json!({ "unsure": why }),
        Finding::Pending(wait) => pause(wait),
    }
}

pub(super) fn signals(page: &SignalPage) -> Json {
    let signals: Vec<Json> = page
        .signals
        .iter()
        .map(|s| json!({ "id": s.id, "title": s.title, "url": s.url, "published": s.published.map(|t| t.millis()), "summary": s.summary }))
        .collect();
    json!({ "signals": signals, "cursor": page.cursor, "unchanged": page.unchanged })
}

fn money(money: &Option<Money>) -> Json {
    money.as_ref().map_or(Json::Null, |money| json!({ "minor": money.minor, "currency": money.currency.code() }))
}

fn item(item: &Item) -> Json {
    json!({
        "sku": item.sku, "title": item.title, "available": item.available, "price": money(&item.price), "was": money(&item.was),
        "url": item.url, "image": item.image, "category": item.category,
    })
}

pub(super) fn stock(page: &StockPage) -> Json {
    let items: Vec<Json> = page.items.iter().map(item).collect();
    json!({ "items": items, "removed": page.removed, "changes": page.changes, "cursor": page.cursor })
}

pub(super) fn generation(generation: &Generation) -> Json {
    json!({
        "texts": generation.texts, "model": generation.model, "input_tokens": generation.input_tokens,
        "output_tokens": generation.output_tokens, "cost_micros": generation.cost_micros,
    })
}

pub(super) fn samples(samples: &[Sample]) -> Json {
    samples.iter().map(|s| json!({ "remote_id": s.remote_id, "name": s.name, "value": s.value })).collect()
}

pub(super) fn messages(page: &MessagePage) -> Json {
    let messages: Vec<Json> = page
        .messages
        .iter()
        .map(|m| {
            let mut map = Map::new();
            map.insert("id".into(), json!(m.id));
            map.insert("kind".into(), json!(m.kind));
            map.insert("author".into(), json!(m.author));
            map.insert("text".into(), json!(m.text));
            map.insert("at".into(), json!(m.at.millis()));
            map.insert("reply_to".into(), json!(m.reply_to));
            map.insert("url".into(), json!(m.url));
            Json::Object(map)
        })
        .collect();
    json!({ "messages": messages, "cursor": page.cursor, "more": page.more })
}
