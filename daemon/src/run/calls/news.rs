//! What the feeds bring, and what rises in it.
//!
//! In: what the feeds give and what the store kept of them. Out: new signals for this workflow, topics that rise.
//! Never: shows a workflow the same signal twice, once the run that saw it is committed.

use super::fields::Args;
use super::{Row, may, row};
use crate::craft::topics::{self, Inquiry, Sighting};
use crate::domain::{FeedName, Json};
use crate::effects::{FeedRead, PlannedNotice};
use crate::instance::Feed;
use crate::kinds::{KindError, Notice, Signal};
use crate::problem::perhaps;
use crate::run::desk::{Answer, RunDesk};
use crate::run::function::Kind::Map;
use crate::run::function::Refusal;
use crate::store::NewSignal;
use crate::store::view::{self, SignalRow};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

pub(super) const ROWS: &[Row] = &[
    row!(Read feeds::fresh(may("options", Map, "feeds (a list of names; all when left out), limit (200)")) -> List,
        "Reads the feeds and gives back what this workflow has not seen, oldest first: #{feed, topic, id, title, url, published, summary}. When the run commits, all of it counts as seen. A feed that cannot be read is logged and does not stop the others.",
        "for signal in feeds::fresh() { log::info(signal.title); }", fresh),
    row!(Read feeds::rising(may("options", Map, "window (\"24h\"), baseline (\"14d\"), min_sources (1), limit (10)")) -> List,
        "What the feeds write about more than usual, best first: #{key, label, score, count, sources, baseline, relevance, why, signals}. Copies and rewordings count once; relevance weighs the business's words and town.",
        "for topic in feeds::rising(#{ min_sources: 2 }) { log::info(topic.why); }", rising),
];

fn chosen(desk: &RunDesk, names: Option<&[String]>) -> Result<Vec<Feed>, Refusal> {
    match names {
        None => Ok(desk.instance.feeds.values().cloned().collect()),
        Some(names) => names
            .iter()
            .map(|name| {
                let feeds = &desk.instance.feeds;
                feeds.values().find(|f| f.name.as_str() == name).cloned().ok_or_else(|| {
                    let near = perhaps(name, feeds.keys().map(FeedName::as_str));
                    Refusal::Error(format!(
                        "There is no feed \"{name}\" under [feeds].{near} Name one of those, or add this one."
                    ))
                })
            })
            .collect(),
    }
}

fn shown(feed: &Feed, signal: &Signal) -> Json {
    json!({
        "feed": feed.name, "topic": feed.topic, "id": signal.id, "title": signal.title, "url": signal.url,
        "published": signal.published.map(crate::domain::Timestamp::millis), "summary": signal.summary,
    })
}

fn fresh(desk: &mut RunDesk, mut args: Args) -> Answer {
    let mut options = args.map();
    let names = options.texts("feeds")?;
    let limit = options.count("limit")?.unwrap_or(200);
    options.end()?;
    let (mut found, mut out) = (Vec::new(), 0);
    for feed in chosen(desk, names.as_deref())? {
        let name = feed.name.as_str().to_owned();
        // What this run was given once is not fresh a second time.
        if desk.effects.feeds.iter().any(|f| f.feed == name) {
            continue;
        }
        desk.built_on(format!("feed/{name}"))?;
        let workflow = desk.workflow().as_str().to_owned();
        let unseen =
            desk.sense_signals(&format!("unseen {name} {limit}"), |db| view::unseen_signals(db, &workflow, &name, limit))?;
        // All of them count as seen, so those beyond the limit are told below like any others that are left out.
        if unseen.len() == limit {
            let all =
                desk.sense(&format!("unseen {name}"), |desk, _| desk.look(|db| view::unseen_count(db, &workflow, &name)))?;
            out += all.saturating_sub(unseen.len());
        }
        found.extend(unseen.iter().map(|row| shown(&feed, &row.signal)));
        let read = poll(desk, &feed)?;
        found.extend(read.signals.iter().map(|new| shown(&feed, &new.signal)));
        desk.effects.feeds.push(read);
    }
    out += found.len().saturating_sub(limit);
    if out > 0 {
        desk.write_log("info", &format!("{out} signals were left out: the limit is {limit}"));
        found.truncate(limit);
    }
    Ok(found.into())
}

/// What a feed gave, without what the daemon had.
#[derive(Default, Serialize, Deserialize)]
struct Polled {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    new: Vec<Signal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<String>,
    /// The sentence, and whether trying again may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<(String, bool)>,
}

/// Reads one feed over the network, and keeps what is new in it.
fn poll(desk: &mut RunDesk, feed: &Feed) -> Result<FeedRead, Refusal> {
    let name = feed.name.as_str().to_owned();
    // Written down without what was known: a feed repeats itself with every read.
    let polled = desk.sense(&format!("feed {name}"), |desk, tools| {
        let cursor = desk.look(|db| view::feed_cursor(db, &name))?;
        match tools.adapters.source(feed).poll(&desk.adapter_call(tools), cursor.as_deref()) {
            Ok(page) => {
                let ids: Vec<&str> = page.signals.iter().map(|s| s.id.as_str()).collect();
                let known = desk.look(|db| view::known_signals(db, &name, &ids))?;
                let new = page.signals.into_iter().filter(|s| !known.contains(&s.id)).collect();
                Ok(Polled { new, cursor: page.cursor, remarks: page.remarks, error: None })
            }
            Err(error) => {
                let passing = matches!(error, KindError::Retry(..));
                Ok(Polled { error: Some((error.to_string(), passing)), ..Polled::default() })
            }
        }
    })?;
    if let Some((error, passing)) = polled.error {
        let word = if passing { "this time" } else { "" };
        desk.write_log("warn", &format!("the feed {name} could not be read {word}: {error}").replace("  ", " "));
        alert(desk, feed, &error)?;
        return Ok(FeedRead { feed: name, new: 0, error: Some(error), cursor: None, signals: Vec::new(), seen: true });
    }
    for remark in &polled.remarks {
        desk.write_log("info", &format!("{name}: {remark}"));
    }
    let mut signals: Vec<NewSignal> = polled.new.into_iter().map(|signal| NewSignal { signal, feed: name.clone() }).collect();
    // Oldest first, as they happened; what has no date keeps its place in the feed, which is newest first.
    signals.reverse();
    signals.sort_by_key(|s| s.signal.published);
    Ok(FeedRead { feed: name, new: signals.len(), error: None, cursor: polled.cursor, signals, seen: true })
}

/// Tells people that a feed cannot be read, at the failure that makes it enough in a row: one is an accident, and many are one piece
/// of news.
fn alert(desk: &mut RunDesk, feed: &Feed, error: &str) -> Result<(), Refusal> {
    let name = feed.name.as_str();
    let failures = desk.sense(&format!("failures {name}"), |desk, _| desk.look(|db| view::feed_failures(db, name)))? + 1;
    if failures != feed.alert_after {
        return Ok(());
    }
    for person in desk.instance.clone().people.values() {
        let title = person
            .language
            .pick(format!("Le flux « {name} » ne se lit plus"), format!("The feed \"{name}\" can no longer be read"));
        let text = person.language.pick(
            format!("{failures} lectures de suite ont échoué. La dernière fois :\n\n{error}\n\nIl est relu comme d'habitude ; sans nouvelle de votre part, rien d'autre ne vous sera dit.\n"),
            format!("{failures} reads in a row have failed. The last time:\n\n{error}\n\nIt is read on as usual, and you will not be told again until it has worked in between.\n"),
        );
        let notice = Notice { kind: "alert".into(), title, text, html: None };
        desk.effects.notices.push(PlannedNotice { to: person.name.clone(), once: None, notice });
    }
    Ok(())
}

fn rising(desk: &mut RunDesk, mut args: Args) -> Answer {
    let mut options = args.map();
    let window = options.span("window")?.unwrap_or(DAY);
    let baseline = options.span("baseline")?.unwrap_or(DAY * 14);
    let min_sources = options.count("min_sources")?.unwrap_or(1);
    let limit = options.count("limit")?.unwrap_or(10);
    options.end()?;
    let now = desk.facts.now;
    let since = now.minus(window + baseline);
    let question = format!("signals {}", (window + baseline).as_secs());
    let mut rows = desk.sense_signals(&question, |db| view::signals_since(db, since))?;
    for read in &desk.effects.feeds {
        rows.extend(read.signals.iter().map(|new| SignalRow {
            seq: 0,
            feed: new.feed.clone(),
            seen_at: now,
            signal: new.signal.clone(),
        }));
    }
    let instance = desk.instance.clone();
    let known: Vec<(&SignalRow, &Feed)> =
        rows.iter().filter_map(|row| instance.feeds.values().find(|f| f.name.as_str() == row.feed).map(|f| (row, f))).collect();
    let sightings: Vec<Sighting<'_>> = known
        .iter()
        .map(|(row, feed)| Sighting {
            signal: &row.signal,
            feed: &row.feed,
            topic: &feed.topic,
            weight: feed.weight,
            seen: row.seen_at,
        })
        .collect();
    let business = &instance.business;
    let inquiry = Inquiry {
        sightings: &sightings,
        now,
        window,
        baseline,
        words: &business.words,
        town: &business.town,
        avoid: &business.avoid,
        language: business.language,
        min_sources,
        limit,
    };
    Ok(topics::rising(&inquiry)
        .into_iter()
        .map(|topic| {
            let signals: Vec<Json> = topic.signals.iter().map(|at| shown(known[*at].1, &known[*at].0.signal)).collect();
            json!({
                "key": topic.key, "label": topic.label, "score": topic.score, "count": topic.count, "sources": topic.sources,
                "baseline": topic.baseline, "relevance": topic.relevance, "why": topic.why, "signals": signals,
            })
        })
        .collect())
}
