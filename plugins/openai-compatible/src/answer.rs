//! What the model answered.
//!
//! In: the body of an answer. Out: whole texts that keep to the length.
//! Never: half a text. Where an answer was cut off, its last text goes, and all of them where that cannot be told.

use crate::asking::{BETWEEN, variants};
use beffroi_plugin::loose;
use beffroi_plugin::prelude::*;

/// The service's own filter stepped in.
pub(crate) fn filtered() -> Error {
    Error::reject(
        "content-filter",
        pick(
            "Le filtre du service a arrêté ce texte : reformulez la consigne.",
            "The service's filter stopped this text: put the task differently.",
        ),
    )
}

/// The texts of an answer.
pub(crate) fn texts(body: &Value, prompt: &Prompt, schema: bool) -> Result<Vec<String>, Error> {
    let Some(choice) = body.pointer("/choices/0") else {
        return Err(Error::retry(
            "no-text",
            pick("Le service de texte a répondu sans texte.", "The text service answered without a text."),
        ));
    };
    if let Some(refusal) = loose::some_text(choice, "/message/refusal") {
        return Err(Error::reject(
            "model-refused",
            pick(format!("Le modèle refuse d'écrire cela : {refusal}"), format!("The model refuses to write this: {refusal}")),
        ));
    }
    let finish = loose::text(choice, "/finish_reason");
    if finish == "content_filter" {
        return Err(filtered());
    }
    let cut = finish == "length";
    let content = content(choice);
    let content = without_thoughts(&content);
    let found = if schema { of_schema(content) } else { None };
    let found = match found {
        Some(texts) => texts,
        // JSON that was cut off.
        None if schema && content.trim_start().starts_with(['{', '`']) => Vec::new(),
        None => of_plain(content, variants(prompt), cut),
    };
    let mut texts: Vec<String> = Vec::new();
    let mut too_long = 0;
    for text in found {
        let text = text.trim().to_owned();
        if text.is_empty() || texts.contains(&text) {
            continue;
        }
        if prompt.max_characters.is_some_and(|max| text.chars().count() > max as usize) {
            too_long += 1;
            continue;
        }
        texts.push(text);
    }
    texts.truncate(variants(prompt) as usize);
    if too_long > 0 {
        log::info(pick(
            format!("{too_long} textes trop longs ont été écartés."),
            format!("{too_long} texts were left out because they are too long."),
        ));
    }
    if cut {
        log::warn(pick(
            "La réponse du modèle a été coupée : augmentez le réglage « max-tokens ».",
            "The model's answer was cut off: raise the setting “max-tokens”.",
        ));
    }
    Ok(texts)
}

/// The text of a choice, in one piece or in parts.
fn content(choice: &Value) -> String {
    match choice.pointer("/message/content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().map(|part| loose::text(part, "/text")).collect(),
        _ => String::new(),
    }
}

/// Some models think aloud first.
fn without_thoughts(content: &str) -> &str {
    match content.trim_start().strip_prefix("<think>") {
        Some(thoughts) => thoughts.split_once("</think>").map_or("", |(_, rest)| rest),
        None => content,
    }
}

/// What stands in `{"texts": […]}`, also inside a fence of code.
fn of_schema(content: &str) -> Option<Vec<String>> {
    let start = content.find('{')?;
    let end = content.rfind('}')?;
    let object = loose::document(content.get(start..=end)?);
    let texts = object.get("texts")?.as_array()?;
    Some(texts.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Texts between lines of `=====`. Where one text was asked for, it is all of the answer.
fn of_plain(content: &str, count: u32, cut: bool) -> Vec<String> {
    // A model without schemas may answer in JSON all the same.
    if let Some(texts) = of_schema(content).filter(|_| !cut) {
        return texts;
    }
    let mut texts: Vec<String> = vec![String::new()];
    for line in content.trim().lines() {
        let bar = line.trim();
        if count > 1 && bar.len() >= BETWEEN.len() && bar.bytes().all(|b| b == b'=') {
            texts.push(String::new());
        } else if let Some(text) = texts.last_mut() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line);
        }
    }
    if cut {
        texts.pop();
    }
    texts.iter().map(|text| bare(text.trim()).to_owned()).collect()
}

/// A text without the quotation marks that models like to put around it.
fn bare(text: &str) -> &str {
    for (open, close) in [("\"", "\""), ("“", "”"), ("«", "»")] {
        let inner = text.strip_prefix(open).and_then(|text| text.strip_suffix(close));
        if let Some(inner) = inner.filter(|inner| !inner.contains(open) && !inner.contains(close)) {
            return inner.trim();
        }
    }
    text
}
