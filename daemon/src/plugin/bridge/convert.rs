//! Values of the contract as the daemon has them, and the other way round.
//!
//! In: what a plugin gave, or what it is to get. Out: the same in the other's words, within bounds.
//! Never: trusts a plugin's text with more than one line, a readable length, and no secret.

use crate::domain::{Currency, Language, Money, Timestamp};
use crate::kinds::{
    Failure, Finding, Generation, Item, KindError, Message, Notice, Outcome, Outgoing, Pause, Preparation, Prompt, Receipt,
    Sample, Signal,
};
use crate::plugin::host::{abilities, masked, one_line, steers, wire};
use std::collections::HashSet;
use std::time::Duration;

/// Longest sentence taken from a plugin.
const SENTENCE: usize = 1_000;
/// Longest summary of a signal, in characters.
const SUMMARY: usize = 2_000;
/// Longest text of anything else.
const TEXT: usize = 20_000;
/// Longest handle or cursor, in bytes.
const HANDLE: usize = 64 << 10;
/// The longest that a plugin may have the daemon wait.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 86_400);
/// How far ahead of now a date may lie: events are announced.
const FUTURE: Duration = Duration::from_secs(3 * 366 * 86_400);
/// The largest count, and the largest amount in minor units or millionths: far beyond any shop, and far from where sums overflow.
const LARGEST: i64 = 1_000_000_000_000;

fn sentence(text: &str) -> String {
    masked(&one_line(text.trim(), SENTENCE))
}

/// A text of several lines, without other characters that steer.
fn plain(text: &str, most: usize) -> String {
    text.chars().filter(|c| *c == '\n' || *c == '\t' || !steers(*c)).take(most).collect()
}

/// A name that others gave: one line, whole or cut.
fn name(text: &str, most: usize) -> String {
    text.chars().filter(|c| !steers(*c)).take(most).collect()
}

/// An answer that no plugin should give: the rest of a sentence that begins with the plugin's name.
pub(super) struct Odd {
    pub(super) fr: String,
    pub(super) en: String,
}

/// What a plugin wants back: its own business, up to a length.
fn given_back(text: String) -> Result<String, Odd> {
    if text.len() <= HANDLE {
        return Ok(text);
    }
    Err(Odd {
        fr: format!("veut retrouver un repère de plus de {HANDLE} octets"),
        en: format!("wants to be given back a handle or cursor longer than {HANDLE} bytes"),
    })
}

/// The cursor of a page.
pub(super) fn cursor(next: Option<String>) -> Result<Option<String>, Odd> {
    next.map(given_back).transpose()
}

fn moment(millis: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// When to ask again: whatever a plugin says, people are not kept waiting for longer than this.
fn again(millis: u64, now: Timestamp) -> Timestamp {
    moment(millis).min(now.plus(LONGEST_WAIT))
}

/// When something appeared: nothing comes from a distant future.
fn past(millis: u64, now: Timestamp) -> Option<Timestamp> {
    Some(moment(millis)).filter(|at| *at <= now.plus(FUTURE))
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
pub(super) fn error(plugin: &str, error: wire::types::Error, now: Timestamp) -> KindError {
    use wire::types::Error as E;
    match error {
        E::Retry(retry) => KindError::Retry(failure(plugin, retry.failure), retry.not_before.map(|at| again(at, now))),
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
    Receipt { remote_id: name(&receipt.remote_id, SUMMARY), url: receipt.url.and_then(link) }
}

/// An address to show, as browsers write it: http or https, and nobody's name before the host; or none.
fn link(url: String) -> Option<String> {
    let url = url::Url::parse(&url).ok().filter(|_| url.len() <= SUMMARY)?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    (web && url.username().is_empty() && url.password().is_none()).then(|| url.into())
}

fn pause(pause: wire::post_types::Pause, now: Timestamp) -> Result<Pause, Odd> {
    let not_before = again(pause.not_before, now);
    Ok(Pause { handle: given_back(pause.handle)?, not_before, message: sentence(&pause.message) })
}

pub(super) fn outcome(outcome: wire::post_types::Outcome, now: Timestamp) -> Result<Outcome, Odd> {
    Ok(match outcome {
        wire::post_types::Outcome::Online(r) => Outcome::Online(receipt(r)),
        wire::post_types::Outcome::Pending(p) => Outcome::Pending(pause(p, now)?),
    })
}

pub(super) fn preparation(preparation: wire::post_types::Preparation, now: Timestamp) -> Result<Preparation, Odd> {
    Ok(match preparation {
        wire::post_types::Preparation::Ready(handle) => Preparation::Ready(cursor(handle)?),
        wire::post_types::Preparation::Again(p) => Preparation::Again(pause(p, now)?),
    })
}

pub(super) fn finding(finding: wire::post_types::Finding, now: Timestamp) -> Result<Finding, Odd> {
    Ok(match finding {
        wire::post_types::Finding::Online(r) => Finding::Online(receipt(r)),
        wire::post_types::Finding::Absent => Finding::Absent,
        wire::post_types::Finding::Refused(why) => Finding::Refused(sentence(&why)),
        wire::post_types::Finding::Unsure(why) => Finding::Unsure(sentence(&why)),
        wire::post_types::Finding::Pending(p) => Finding::Pending(pause(p, now)?),
    })
}

pub(super) fn objection(problem: &wire::post_types::Problem) -> Failure {
    Failure { message: sentence(&problem.message), code: one_line(&problem.code, 64) }
}

/// A figure of one of these posts or of the account: a running total, which is a number and never below nothing.
pub(super) fn sample(sample: abilities::metrics::Sample, asked: &[String]) -> Option<Sample> {
    let what = one_line(sample.name.trim(), 64);
    let ours = sample.remote_id.as_ref().is_none_or(|id| asked.contains(id));
    let good = ours && !what.is_empty() && sample.value.is_finite() && sample.value >= 0.0;
    good.then_some(Sample { remote_id: sample.remote_id, name: what, value: sample.value })
}

/// A message, if it can be told from others.
pub(super) fn message(message: abilities::inbox::Message, now: Timestamp) -> Option<Message> {
    let id = name(&message.remote_id, SUMMARY);
    (!id.is_empty()).then(|| Message {
        id,
        kind: one_line(&message.kind, 64),
        author: one_line(&message.author, 200),
        text: plain(&message.text, TEXT),
        at: past(message.at, now).unwrap_or(now),
        reply_to: message.in_reply_to.map(|id| name(&id, SUMMARY)),
        url: message.url.and_then(link),
    })
}

/// Signals, each once; those that cannot be told from others are left out.
pub(super) fn signals(signals: impl IntoIterator<Item = abilities::feed::Signal>, now: Timestamp) -> Vec<Signal> {
    let mut known = HashSet::new();
    let signals = signals.into_iter().map(|signal| Signal {
        id: name(&signal.id, SUMMARY),
        title: one_line(signal.title.trim(), 500),
        url: signal.url.and_then(link),
        published: signal.published.and_then(|at| past(at, now)),
        summary: plain(&signal.summary, SUMMARY),
    });
    signals.filter(|signal| !signal.id.is_empty() && known.insert(signal.id.clone())).collect()
}

/// A product's number.
pub(super) fn sku(number: &str) -> String {
    name(number, 500)
}

/// About how many bytes a product takes.
pub(super) fn weight(item: &Item) -> usize {
    let texts = [&item.url, &item.image, &item.category].into_iter().flatten().map(String::len).sum::<usize>();
    size_of::<Item>() + item.sku.len() + item.title.len() + texts
}

/// A product, if it has a number; with a remark when its price makes no sense.
pub(super) fn item(item: abilities::stock::Item, remarks: &mut Vec<String>, language: Language) -> Option<Item> {
    let sku = sku(&item.sku);
    if sku.is_empty() {
        let title = one_line(&item.title, 80);
        remarks.push(language.pick(
            format!("Un produit sans référence (\u{ab}\u{a0}{title}\u{a0}\u{bb}) est laissé de côté."),
            format!("A product without a number (\"{title}\") is left out."),
        ));
        return None;
    }
    let mut money = |price: Option<abilities::stock::Price>| {
        let price = price?;
        let (shown, code) = (one_line(&sku, 80), one_line(&price.currency, 20));
        let currency = Currency::parse(&price.currency);
        if currency.is_none() {
            remarks.push(language.pick(
                format!("Le prix de {shown} est laissé de côté : «\u{a0}{code}\u{a0}» n'est pas une monnaie."),
                format!("The price of {shown} is left out: \"{code}\" is no currency."),
            ));
        } else if !(0..=LARGEST).contains(&price.minor) {
            remarks.push(language.pick(
                format!("Le prix de {shown} est laissé de côté : {} n'est pas un prix.", price.minor),
                format!("The price of {shown} is left out: {} is no price.", price.minor),
            ));
            return None;
        }
        Some(Money { minor: price.minor, currency: currency? })
    };
    let (price, was) = (money(item.price), money(item.was));
    Some(Item {
        title: one_line(item.title.trim(), 500),
        // Shops sell beyond nothing; there is nothing to offer then.
        available: item.available.map(|n| n.clamp(0, LARGEST)),
        price,
        was,
        url: item.url.and_then(link),
        image: item.image.and_then(link),
        category: item.category.map(|c| one_line(&c, 200)),
        sku,
    })
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
        texts: generation.texts.into_iter().take(variants as usize).map(|text| plain(&text, TEXT)).collect(),
        model: one_line(&generation.usage.model, 200),
        input_tokens: generation.usage.input_tokens.min(LARGEST as u64),
        output_tokens: generation.usage.output_tokens.min(LARGEST as u64),
        cost_micros: generation.usage.cost_micros.map(|cost| cost.min(LARGEST as u64)),
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
