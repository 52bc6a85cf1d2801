//! What a workflow sees and plans: one function for each function of the contract's interface `desk`.
//!
//! In: texts, numbers, and anything that can be written as JSON. Out: the same, JSON as [`Value`].
//! Never: does anything by itself; what was planned is committed when the workflow's `run` gives `Ok`.
//!
//! Where the contract has an optional JSON parameter, `()` leaves it out: `desk::feeds_fresh(())`,
//! `desk::feeds_fresh(json!({ "limit": 5 }))`.

use crate::error::pick;
use crate::json::{self, Value, Write};
use crate::values::Error;
use serde::de::DeserializeOwned;

/// Does a piece of work once in a run: what it gave at an earlier attempt is given again.
///
/// For what is slow, costs money, or must not be repeated.
///
/// # Errors
/// The work's own error, and `Internal` when the answer cannot be kept or read again.
pub fn step<T: Write + DeserializeOwned + 'static>(name: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    if let Some(kept) = raw::step_begin(name).map_err(|e| refused("step-begin", e))? {
        return json::from_str(&kept).map_err(|e| defect(&e));
    }
    let answer = match work() {
        Ok(answer) => answer,
        Err(error) => {
            raw::step_fail(name);
            return Err(error);
        }
    };
    let text = match json::to_string(&answer) {
        Ok(text) => text,
        Err(e) => {
            raw::step_fail(name);
            return Err(defect(&e));
        }
    };
    raw::step_end(name, &text).map_err(|e| refused("step-end", e))?;
    Ok(answer)
}

/// The desk says no, with a sentence.
fn refused(function: &str, message: String) -> Error {
    Error::reject(format!("desk-{function}"), message)
}

fn defect(cause: &json::Error) -> Error {
    let text = pick(
        "Ce module n'a pas pu lire ou écrire une valeur. Signalez-le à son auteur.",
        "This plugin could not read or write a value. Report it to its author.",
    );
    Error::internal("json", text).with("detail", cause.to_string())
}

fn write(value: impl Write) -> Result<String, Error> {
    json::to_string(&value).map_err(|e| defect(&e))
}

fn write_unless_null(value: impl Write) -> Result<Option<String>, Error> {
    write(value).map(|text| if text == "null" { None } else { Some(text) })
}

/// A parameter of the contract in Rust: as the plugin gives it, as it travels, and as the fake host notes it.
macro_rules! parameter {
    (type json) => { impl Write };
    (type maybe_json) => { impl Write };
    (type text) => { &str };
    (type maybe_text) => { Option<&str> };
    (type whole) => { i64 };
    (type number) => { f64 };
    (travels json $name:ident) => { &write($name)? };
    (travels maybe_json $name:ident) => { write_unless_null($name)?.as_deref() };
    (travels $other:ident $name:ident) => { $name };
    (raw json) => { &str };
    (raw maybe_json) => { Option<&str> };
    (raw $other:ident) => { parameter!(type $other) };
    (note json $name:ident) => { crate::json::from_str($name).unwrap_or_default() };
    (note maybe_json $name:ident) => { $name.and_then(|text| crate::json::from_str(text).ok()).unwrap_or_default() };
    (note $other:ident $name:ident) => { crate::json::Value::from($name) };
}

/// An answer of the contract in Rust, in the same places.
macro_rules! answer {
    (type json) => {
        Value
    };
    (type $other:ty) => {
        $other
    };
    (read json $answer:ident) => {
        json::from_str(&$answer).map_err(|e| defect(&e))
    };
    (read $other:tt $answer:ident) => {
        Ok($answer)
    };
    (raw json) => {
        String
    };
    (raw $other:ty) => {
        $other
    };
    (scripted json $name:literal $answer:ident) => {
        Ok($answer.to_string())
    };
    (scripted $other:tt $name:literal $answer:ident) => {
        crate::fake::desk::typed::<$other>($name, $answer)
    };
}

/// One Rust function for each line, and the list that a test holds against the contract.
macro_rules! desk {
    ($($(#[$doc:meta])* $function:ident = $name:literal ($($param:ident: $kind:ident),*) -> $returns:tt;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            /// `Reject` with the desk's sentence.
            pub fn $function($($param: parameter!(type $kind)),*) -> Result<answer!(type $returns), Error> {
                let answer = raw::$function($(parameter!(travels $kind $param)),*).map_err(|e| refused($name, e))?;
                answer!(read $returns answer)
            }
        )*

        #[cfg(target_family = "wasm")]
        use crate::wire::desk as raw;

        /// The contract's functions as the fake host has them.
        #[cfg(not(target_family = "wasm"))]
        mod raw {
            pub(super) use crate::fake::desk::{step_begin, step_end, step_fail};
            $(
                pub(super) fn $function($($param: parameter!(raw $kind)),*) -> Result<answer!(raw $returns), String> {
                    let arguments = [$((stringify!($param), parameter!(note $kind $param))),*];
                    let answer = crate::fake::desk::call($name, arguments)?;
                    answer!(scripted $returns $name answer)
                }
            )*
        }

        /// Each function with its parameters and its answer.
        #[cfg(test)]
        const TABLE: &[(&str, &[(&str, &str)], &str)] =
            &[$(($name, &[$((stringify!($param), stringify!($kind))),*], stringify!($returns))),*];
    };
}

desk! {
    /// Lets every workflow that lists this event run, when this run commits.
    /// - `name`: the event's name
    /// - `payload`: what it brings
    events_emit = "events-emit" (name: text, payload: maybe_json) -> ();

    /// Reads the feeds and gives back what this workflow has not seen, oldest first: #{feed, topic, id, title, url,
    /// published, summary}. When the run commits, all of it counts as seen. A feed that cannot be read is logged and does
    /// not stop the others.
    /// - `options`: feeds (a list of names; all when left out), limit (200)
    feeds_fresh = "feeds-fresh" (options: maybe_json) -> json;

    /// What the feeds write about more than usual, best first: #{key, label, score, count, sources, baseline, relevance,
    /// why, signals}. Copies and rewordings count once; relevance weighs the business's words and town.
    /// - `options`: window ("24h"), baseline ("14d"), min_sources (1), limit (10)
    feeds_rising = "feeds-rising" (options: maybe_json) -> json;

    /// Reads an address and gives back #{status, headers, body}. Addresses of this machine and of private networks are
    /// refused unless the configuration lists them.
    /// - `url`: an http or https address
    /// - `options`: headers (a map of texts), timeout (such as "10s")
    http_get = "http-get" (url: text, options: maybe_json) -> json;

    /// Sends something to an address and gives back #{status, headers, body}. Only inside a step, because it must not be
    /// repeated; it carries an Idempotency-Key made of run and step.
    /// - `url`: an http or https address
    /// - `body`: a text, or a value that is sent as JSON
    /// - `options`: headers (a map of texts), timeout (such as "10s")
    http_post = "http-post" (url: text, body: json, options: maybe_json) -> json;

    /// Reads a text of JSON.
    /// - `text`: JSON
    json_parse = "json-parse" (text: text) -> json;

    /// Writes a value as JSON.
    /// - `value`: anything
    json_write = "json-write" (value: json) -> String;

    /// The figures of the last whole week: #{from, to, values, before}, where before holds the mean of the 8 weeks before.
    /// - `account`: an account's name; all when left out
    kpi_week = "kpi-week" (account: maybe_text) -> json;

    /// The digest of the last whole week against the weeks before: #{key, title, text, html, period}; nothing when there
    /// are no figures.
    /// - `options`: weeks (8): how many weeks to compare with
    kpi_digest = "kpi-digest" (options: maybe_json) -> json;

    /// The library item that this account should post next: #{item, text, link, media, theme, format, why}; item is nothing
    /// when none fits, and why says what stood in the way. Never the same item inside its cool-down.
    /// - `account`: an account's name
    /// - `wish`: format, theme
    library_next = "library-next" (account: text, wish: maybe_json) -> json;

    /// Everything in the content library: #{item, title, theme, formats}.
    library_items = "library-items" () -> json;

    /// Writes a line into the run's log, for the author of the script.
    /// - `text`: the line
    log_debug = "log-debug" (text: text) -> ();

    /// Writes a line into the run's log.
    /// - `text`: the line
    log_info = "log-info" (text: text) -> ();

    /// Writes a line that somebody should see into the run's log.
    /// - `text`: the line
    log_warn = "log-warn" (text: text) -> ();

    /// Writes a line about something that went wrong into the run's log.
    /// - `text`: the line
    log_error = "log-error" (text: text) -> ();

    /// Plans a notice to a person.
    /// - `notice`: to (a person's name; everybody when left out), kind (note, digest, alert, approval), title, text, html,
    /// once (at most one notice per person for this key)
    notify_send = "notify-send" (notice: json) -> ();

    /// Plans a post. It leaves after the run has committed, when it is due, its guards hold, and a person has said yes
    /// where one is needed. Gives back false when its once key was used before.
    /// - `post`: text, or item (a library item); accounts or account (all of the workflow's when left out); link, media (a
    /// list of #{path, alt}, in the library folder), format, theme; draft (true holds it for a yes); at (earliest), expires
    /// (latest; an instant or a length of time; when left out, 24 hours after the earliest moment, and 7 days for what
    /// needs a yes); once (at most one post ever for this key); per_network (a map of texts), campaign, why; reply_to (the
    /// network's identifier of the message it answers); options (a map of texts for one network, such as visibility);
    /// guards (#{sku, catalog, at_least, price, max_age}), on_fail (hold, drop or swap); fallback (what takes its place
    /// with swap: a library item, or a map of text, link, media, per_network)
    posts_plan = "posts-plan" (post: json) -> bool;

    /// What an account published or will publish, newest first: #{post, text, at, state, theme, item}; without what was
    /// cancelled or refused.
    /// - `account`: an account's name
    /// - `span`: how far back, 30d when left out
    posts_recent = "posts-recent" (account: text, span: maybe_text) -> json;

    /// Cancels this workflow's posts that have not been sent and whose once key begins like this. Gives back how many there
    /// are now.
    /// - `prefix`: how the once keys of the posts begin
    /// - `reason`: why, for the owner
    posts_withdraw = "posts-withdraw" (prefix: text, reason: text) -> i64;

    /// The name of the workflow.
    run_workflow = "run-workflow" () -> String;

    /// The number of this run, such as r12.
    run_id = "run-id" () -> String;

    /// What started the run: schedule, hand, event or later.
    run_kind = "run-kind" () -> String;

    /// When the run was due; earlier than now after downtime.
    run_due = "run-due" () -> i64;

    /// What the run takes for now: the moment its attempt started. It does not move while the run goes on.
    run_now = "run-now" () -> i64;

    /// 1 at the first attempt of this run.
    run_attempt = "run-attempt" () -> i64;

    /// What the event, the person or the earlier run gave to this one; nothing for a scheduled run.
    run_payload = "run-payload" () -> json;

    /// A value from the workflow's settings in the configuration. Without a default, a missing setting is an error.
    /// - `name`: the setting's name
    /// - `default`: what to take when it is not set
    run_setting = "run-setting" (name: text, default: maybe_json) -> json;

    /// All settings of the workflow, as a map.
    run_settings = "run-settings" () -> json;

    /// The names of the accounts that this workflow may post to.
    run_accounts = "run-accounts" () -> json;

    /// What the configuration says about an account: name, network, formats, max_chars.
    /// - `name`: an account's name
    run_account = "run-account" (name: text) -> json;

    /// What the configuration says about the firm: name, town, language, words, site.
    run_business = "run-business" () -> json;

    /// Plans one future run of this workflow and gives back when it will be.
    /// - `when`: an instant, or a length of time from now such as "2h"
    /// - `payload`: what that run gets
    run_later = "run-later" (when: json, payload: maybe_json) -> i64;

    /// The value of a key, shared by all workflows. If somebody changes it before this run commits, the run is done again.
    /// - `key`: the key
    /// - `default`: what to take when the key is not there
    state_get = "state-get" (key: text, default: maybe_json) -> json;

    /// Sets a key when the run commits. The run itself sees the new value at once.
    /// - `key`: the key, up to 256 characters
    /// - `value`: anything that can be written as JSON
    state_set = "state-set" (key: text, value: json) -> ();

    /// Removes a key when the run commits.
    /// - `key`: the key
    state_remove = "state-remove" (key: text) -> ();

    /// Adds to a number and gives back the sum. A missing key counts as 0; nothing is ever lost between two runs.
    /// - `key`: the key
    /// - `number`: what to add; may be negative
    state_add = "state-add" (key: text, number: number) -> json;

    /// All keys that begin with a prefix, in order, each as #{key, value}.
    /// - `prefix`: how the keys begin; empty for all
    state_list = "state-list" (prefix: text) -> json;

    /// A product as the catalog has it now: #{sku, title, available, price, price_text, was, was_text, url, image,
    /// category, as_of}; nothing when no catalog knows it. Prices are in minor units; available is nothing when the product
    /// is not counted.
    /// - `sku`: the product's identifier
    /// - `catalog`: a catalog's name; all are asked when left out
    stock_get = "stock-get" (sku: text, catalog: maybe_text) -> json;

    /// All products, each as stock::get gives it.
    /// - `options`: catalog, category
    stock_items = "stock-items" (options: maybe_json) -> json;

    /// Shortens a text at a word, with "…" at the end, never inside a link or a tag.
    /// - `text`: a text
    /// - `max`: most characters
    text_fit = "text-fit" (text: text, max: whole) -> String;

    /// The words that carry the meaning: folded, without accents and little words.
    /// - `text`: a text
    text_words = "text-words" (text: text) -> json;

    /// How alike two texts are, from 0 to 1.
    /// - `a`: a text
    /// - `b`: another text
    text_similar = "text-similar" (a: text, b: text) -> f64;

    /// A text as a short key: small letters, digits and dashes.
    /// - `text`: a text
    text_slug = "text-slug" (text: text) -> String;

    /// The text of a piece of HTML, without its markup.
    /// - `html`: HTML
    text_plain = "text-plain" (html: text) -> String;

    /// Puts values in the place of the names in braces. A name without a value is an error.
    /// - `template`: a text with names in braces; {{ is a brace
    /// - `values`: a value for each name
    text_fill = "text-fill" (template: text, values: json) -> String;

    /// Words as tags, such as #Pain #Arras.
    /// - `words`: a list of texts
    text_tags = "text-tags" (words: json) -> String;

    /// Lets a generator write, and gives back #{texts, model, cost}; cost is nothing when the generator does not say it.
    /// The answer is kept like that of a step: a run that is tried again gets the same texts and pays nothing. A generator
    /// whose budget of the month is used up is not asked; that is an error.
    /// - `prompt`: task (what to write now; may quote others), instructions (who writes, and what it must never do), facts
    /// (a map of texts to use), variants (how many texts, 1), max_chars, language (fr or en; the business's when left out),
    /// generator (a name under `[generators]`; needed when there are several)
    texts_write = "texts-write" (prompt: json) -> json;

    /// An instant in the business's zone.
    /// - `instant`: an instant
    /// - `format`: as in strftime; day and date in the business's language when left out
    time_show = "time-show" (instant: whole, format: maybe_text) -> String;

    /// Reads an instant.
    /// - `text`: RFC 3339, such as 2026-03-28T22:50:00+01:00
    time_parse = "time-parse" (text: text) -> i64;

    /// A length of time in milliseconds.
    /// - `text`: a length of time such as "36h"
    time_span = "time-span" (text: text) -> i64;

    /// One part of an instant in the business's zone.
    /// - `instant`: an instant
    /// - `part`: hour, minute, day, weekday (1 is Monday), month, week or year
    time_part = "time-part" (instant: whole, part: text) -> i64;
}

#[cfg(test)]
mod tests {
    use super::TABLE;

    /// What the contract calls a parameter's type in the table, and an answer's.
    fn of_the_contract(kind: &str) -> &str {
        match kind {
            "json" => "json",
            "option<json>" => "maybe_json",
            "string" => "text",
            "option<string>" => "maybe_text",
            "s64" => "whole",
            "f64" => "number",
            other => panic!("the table has no word for {other}"),
        }
    }

    fn answer_of_the_contract(kind: &str) -> &str {
        match kind {
            "_" => "()",
            "json" => "json",
            "string" => "String",
            "bool" => "bool",
            "s64" => "i64",
            "f64" => "f64",
            other => panic!("the table has no word for {other}"),
        }
    }

    #[test]
    fn every_function_of_the_contract_is_here_as_the_contract_has_it() {
        let contract = include_str!("../wit/desk.wit");
        let mut left: Vec<_> = TABLE.iter().map(|(name, ..)| *name).collect();
        for line in contract.lines() {
            let Some((name, rest)) = line.trim().split_once(": func(") else { continue };
            if ["step-begin", "step-end", "step-fail"].contains(&name) {
                continue;
            }
            let (params, rest) = rest.split_once(") -> result<").expect("each function gives a result");
            let returns = rest.strip_suffix(", string>;").expect("the error is a sentence");
            let (_, here, gives) = TABLE.iter().find(|(n, ..)| *n == name).unwrap_or_else(|| panic!("{name} is missing"));
            let here: Vec<_> = here.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
            let there: Vec<_> = params
                .split(", ")
                .filter(|p| !p.is_empty())
                .map(|p| p.split_once(": ").expect("a parameter has a type"))
                .map(|(name, kind)| (name.trim_start_matches('%').replace('-', "_"), of_the_contract(kind)))
                .collect();
            assert_eq!((here, *gives), (there, answer_of_the_contract(returns)), "{name}");
            left.retain(|n| *n != name);
        }
        assert!(left.is_empty(), "the contract does not have {left:?}");
    }
}
