//! Values of the contract as the daemon has them, and the other way round.
//!
//! In: what a plugin gave, or what it is to get. Out: the same in the other's words, within bounds.
//! Never: trusts a plugin's text with more than one line, a readable length, and no secret.

use crate::domain::{Currency, Money, Timestamp};
use crate::kinds::{
    Failure, Finding, Generation, Item, KindError, Message, Notice, Outcome, Outgoing, Pause, Preparation, Prompt, Receipt,
    Sample, Signal,
};
use crate::plugin::host::{abilities, masked, one_line, wire};

/// Longest sentence taken from a plugin.
const SENTENCE: usize = 1_000;
/// Longest summary of a signal, in characters.
const SUMMARY: usize = 2_000;
/// Longest text of anything else.
const TEXT: usize = 20_000;

fn sentence(text: &str) -> String {
    masked(&one_line(text.trim(), SENTENCE))
}

fn cut(text: String, most: usize) -> String {
    if text.chars().count() <= most { text } else { text.chars().take(most).collect() }
}

pub(super) fn moment(millis: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// A failure in the plugin's words.
pub(super) fn failure(plugin: &str, failure: wire::types::Failure) -> Failure {
    let good = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
    let code: String = failure.code.chars().filter(good).take(64).collect();
    let code = if code.is_empty() { "plugin-failure".to_owned() } else { code };
    let mut message = sentence(&failure.message);
    if message.is_empty() {
        message = format!("{plugin}: {code}.");
    }
    for attribute in failure.attributes.iter().take(20) {
        tracing::debug!(plugin, code, "{}: {}", one_line(&attribute.name, 64), sentence(&attribute.value));
    }
    Failure { message, code }
}

/// What a plugin says went wrong.
pub(super) fn error(plugin: &str, error: wire::types::Error) -> KindError {
    use wire::types::Error as E;
    match error {
        E::Retry(retry) => KindError::Retry(failure(plugin, retry.failure), retry.not_before.map(moment)),
        E::Reconnect(f) => KindError::Reconnect(failure(plugin, f)),
        E::Reject(f) => KindError::Reject(failure(plugin, f)),
        E::Uncertain(f) => KindError::Uncertain(failure(plugin, f)),
        E::Internal(f) => KindError::Internal(failure(plugin, f)),
    }
}

/// A post, with the files as the call's media names them.
pub(super) fn post(post: &Outgoing, assets: Vec<wire::media::Asset>) -> wire::post_types::Post {
    let options = post.options.iter().map(|(name, value)| wire::types::Attribute { name: name.clone(), value: value.clone() });
    wire::post_types::Post {
        text: post.text.clone(),
        link: post.link.clone(),
        assets,
        format: post.format.clone(),
        reply_to: post.reply_to.clone(),
        options: options.collect(),
    }
}

pub(super) fn receipt(receipt: wire::post_types::Receipt) -> Receipt {
    Receipt { remote_id: cut(receipt.remote_id, SUMMARY), url: receipt.url.and_then(link) }
}

/// An address to show: http or https, or none.
fn link(url: String) -> Option<String> {
    let web = url::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    (web && url.len() <= SUMMARY).then_some(url)
}

fn pause(pause: wire::post_types::Pause) -> Pause {
    Pause { handle: pause.handle, not_before: moment(pause.not_before), message: sentence(&pause.message) }
}

pub(super) fn outcome(outcome: wire::post_types::Outcome) -> Outcome {
    match outcome {
        wire::post_types::Outcome::Online(r) => Outcome::Online(receipt(r)),
        wire::post_types::Outcome::Pending(p) => Outcome::Pending(pause(p)),
    }
}

pub(super) fn preparation(preparation: wire::post_types::Preparation) -> Preparation {
    match preparation {
        wire::post_types::Preparation::Ready(handle) => Preparation::Ready(handle),
        wire::post_types::Preparation::Again(p) => Preparation::Again(pause(p)),
    }
}

pub(super) fn finding(finding: wire::post_types::Finding) -> Finding {
    match finding {
        wire::post_types::Finding::Online(r) => Finding::Online(receipt(r)),
        wire::post_types::Finding::Absent => Finding::Absent,
        wire::post_types::Finding::Refused(why) => Finding::Refused(sentence(&why)),
        wire::post_types::Finding::Unsure(why) => Finding::Unsure(sentence(&why)),
        wire::post_types::Finding::Pending(p) => Finding::Pending(pause(p)),
    }
}

pub(super) fn objection(problem: &wire::post_types::Problem) -> Failure {
    Failure { message: sentence(&problem.message), code: one_line(&problem.code, 64) }
}

pub(super) fn sample(sample: abilities::metrics::Sample) -> Option<Sample> {
    sample.value.is_finite().then(|| Sample {
        remote_id: sample.remote_id,
        name: one_line(&sample.name, 64),
        value: sample.value,
    })
}

pub(super) fn message(message: abilities::inbox::Message) -> Message {
    Message {
        id: cut(message.remote_id, SUMMARY),
        kind: one_line(&message.kind, 64),
        author: one_line(&message.author, 200),
        text: cut(message.text, TEXT),
        at: moment(message.at),
        reply_to: message.in_reply_to,
        url: message.url.and_then(link),
    }
}

pub(super) fn signal(signal: abilities::feed::Signal) -> Signal {
    Signal {
        id: cut(signal.id, SUMMARY),
        title: one_line(signal.title.trim(), 500),
        url: signal.url.and_then(link),
        published: signal.published.map(moment),
        summary: cut(signal.summary, SUMMARY),
    }
}

/// A product; with a remark when its price cannot be understood.
pub(super) fn item(item: abilities::stock::Item, remarks: &mut Vec<String>) -> Item {
    let mut money = |price: Option<abilities::stock::Price>| {
        let price = price?;
        let currency = Currency::parse(&price.currency);
        if currency.is_none() {
            remarks.push(format!(
                "The price of {} is left out: \"{}\" is no currency.",
                one_line(&item.sku, 80),
                one_line(&price.currency, 20)
            ));
        }
        Some(Money { minor: price.minor, currency: currency? })
    };
    let (price, was) = (money(item.price), money(item.was));
    Item {
        sku: cut(item.sku, 500),
        title: one_line(item.title.trim(), 500),
        available: item.available,
        price,
        was,
        url: item.url.and_then(link),
        image: item.image.and_then(link),
        category: item.category.map(|c| one_line(&c, 200)),
    }
}

pub(super) fn prompt(prompt: &Prompt) -> abilities::generate::Prompt {
    let facts = prompt.facts.iter().map(|(name, value)| wire::types::Attribute { name: name.clone(), value: value.clone() });
    abilities::generate::Prompt {
        instructions: prompt.instructions.clone(),
        task: prompt.task.clone(),
        facts: facts.collect(),
        variants: prompt.variants,
        max_characters: prompt.max_chars,
        language: prompt.language.pick("fr", "en").to_owned(),
    }
}

pub(super) fn generation(generation: abilities::generate::Generation, variants: u32) -> Generation {
    Generation {
        texts: generation.texts.into_iter().take(variants as usize).map(|text| cut(text, TEXT)).collect(),
        model: one_line(&generation.usage.model, 200),
        input_tokens: generation.usage.input_tokens,
        output_tokens: generation.usage.output_tokens,
        cost_micros: generation.usage.cost_micros,
    }
}

pub(super) fn notice(notice: &Notice) -> abilities::notify::Notice {
    abilities::notify::Notice {
        kind: notice.kind.clone(),
        title: notice.title.clone(),
        text: notice.text.clone(),
        html: notice.html.clone(),
    }
}
