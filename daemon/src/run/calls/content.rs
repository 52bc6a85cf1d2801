//! The content library, and the figures of the week.
//!
//! In: the library, what was posted, the metric rows. Out: the next item for an account with its reasons, and the week as figures
//! and as a digest.
//! Never: chooses or judges; `craft` does, from what is gathered here.

use super::fields::Args;
use super::posts::posts_mark;
use super::{Row, may, need, row};
use crate::adapters::library::{Library, LibraryItem};
use crate::craft::digest::{self, Facts, Published};
use crate::craft::kpi::{self, Week};
use crate::craft::rotation::{self, Candidate, Choice, Recent, Use, Wanted};
use crate::craft::words;
use crate::domain::{Json, Timestamp};
use crate::run::desk::{Answer, RunDesk, Tools};
use crate::run::function::Kind::{Map, Text};
use crate::run::function::Refusal;
use crate::run::journal;
use crate::store::view;
use chrono::{Datelike, NaiveDate, TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Posts of an account that are looked at for themes and likeness.
const LOOK_BACK: usize = 12;

const NO_LIBRARY: &str = "there is no [library] in the configuration. Add one with its folder.";

pub(super) const ROWS: &[Row] = &[
    row!(Read library::next(need("account", Text, "an account's name"), may("wish", Map, "format, theme")) -> Map,
        "The library item that this account should post next: #{item, text, link, media, theme, format, why}; item is nothing when none fits, and why says what stood in the way. Never the same item inside its cool-down.",
        "let next = library::next(\"facebook\"); if next.item != () { posts::plan(#{ account: \"facebook\", item: next.item, why: next.why }); }", next),
    row!(Read library::items() -> List, "Everything in the content library: #{item, title, theme, formats}.", "for entry in library::items() { log::debug(entry.item); }", items),
    row!(Read kpi::week(may("account", Text, "an account's name; all when left out")) -> Map,
        "The figures of the last whole week: #{from, to, values, before}, where before holds the mean of the 8 weeks before.", "let clicks = kpi::week().values.get(\"clicks\");", week),
    row!(Read kpi::digest(may("options", Map, "weeks (8): how many weeks to compare with")) -> Any,
        "The digest of the last whole week against the weeks before: #{key, title, text, html, period}; nothing when there are no figures.",
        "let digest = kpi::digest(#{ weeks: 8 }); if digest != () { notify::send(#{ kind: \"digest\", title: digest.title, text: digest.text, html: digest.html, once: digest.key }); }", digest),
];

/// An item reduced to what planning a post needs.
pub(super) struct PlannedItem {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) variants: std::collections::BTreeMap<String, String>,
    pub(super) link: Option<String>,
    pub(super) media: Vec<crate::kinds::Media>,
    pub(super) theme: String,
    pub(super) formats: Vec<String>,
}

fn text_with_tags(item: &LibraryItem, text: &str) -> String {
    if item.tags.is_empty() { text.to_owned() } else { format!("{}\n\n{}", text.trim_end(), words::tags(&item.tags)) }
}

impl RunDesk {
    /// An item of the library, as it is posted.
    pub(super) fn library_item(&mut self, id: &str) -> Result<Result<PlannedItem, String>, Refusal> {
        let Some(library) = self.library()? else { return Ok(Err(NO_LIBRARY.into())) };
        let Some(item) = library.items.iter().find(|item| item.id == id) else {
            return Ok(Err(format!("the library has no item \"{id}\". library::items() lists what it has.")));
        };
        Ok(Ok(PlannedItem {
            text: text_with_tags(item, &item.text),
            variants: item.variants.iter().map(|(network, text)| (network.clone(), text_with_tags(item, text))).collect(),
            link: item.link.clone(),
            media: item.media.clone(),
            theme: item.theme().to_owned(),
            formats: item.formats.clone(),
            id: item.id.clone(),
        }))
    }

    /// The library as it is now; `None` when the configuration has none. A run sees one library, whatever people save meanwhile.
    fn library(&mut self) -> Result<Option<Arc<Library>>, Refusal> {
        if self.instance.library.is_none() {
            return Ok(None);
        }
        if let Some(seen) = &self.read_library {
            return Ok(Some(seen.clone()));
        }
        let library = self.sense_shared(
            "library",
            |desk, tools| {
                let config = desk.instance.library.as_ref().ok_or_else(|| Refusal::Error(NO_LIBRARY.into()))?;
                Ok(tools.adapters.library(config).0)
            },
            |tools, library| {
                let mut kept = tools.library.lock().unwrap_or_else(PoisonError::into_inner);
                match &*kept {
                    Some((digest, part)) if *digest == library.digest => part.clone(),
                    _ => {
                        let part = journal::part(&serde_json::to_vec(library).expect("a library is plain data"));
                        *kept = Some((library.digest, part.clone()));
                        part
                    }
                }
            },
        )?;
        self.read_library = Some(library.clone());
        Ok(Some(library))
    }
}

fn next(desk: &mut RunDesk, mut args: Args) -> Answer {
    let name = args.text();
    let mut wish = args.map();
    let (format, theme) = (wish.text("format")?, wish.text("theme")?);
    wish.end()?;
    let account = desk.account(&name).map_err(|sentence| args.refuse(&sentence))?;
    let instance = desk.instance.clone();
    let Some(config) = &instance.library else {
        return Err(args.refuse(NO_LIBRARY));
    };
    let library = desk.library()?.ok_or_else(|| args.refuse(NO_LIBRARY))?;
    // Whoever plans a post for this account meanwhile makes this choice be made again.
    desk.built_on(posts_mark(&account.name))?;
    let now = desk.facts.now;
    let today = now.day(desk.zone());
    let candidates: Vec<Candidate<'_>> = library.items.iter().map(|item| item.candidate(today, config.cool_down)).collect();
    let account_name = account.name.as_str();
    let mut used: HashMap<String, Use> = desk
        .sense(&format!("uses {account_name}"), |desk, _| desk.look(|db| view::item_uses(db, account_name)))?
        .into_iter()
        .map(|(id, last, count)| (id, Use { last, count }))
        .collect();
    let mut recent: Vec<(Timestamp, String, String)> = desk
        .sense(&format!("last {account_name}"), |desk, _| desk.look(|db| view::last_posts(db, account_name, LOOK_BACK)))?
        .into_iter()
        .map(|(at, theme, item)| (at, theme.unwrap_or_default(), item.unwrap_or_default()))
        .collect();
    for post in &desk.effects.posts {
        for delivery in post.deliveries.iter().filter(|d| d.account == account.name) {
            recent.push((delivery.at, post.theme.clone().unwrap_or_default(), post.item.clone().unwrap_or_default()));
            let standing = delivery.fallback.as_ref().and_then(|f| f.item.as_ref());
            for item in post.item.iter().chain(standing) {
                let entry = used.entry(item.clone()).or_insert(Use { last: delivery.at, count: 0 });
                (entry.last, entry.count) = (entry.last.max(delivery.at), entry.count + 1);
            }
        }
    }
    let recent: Vec<Recent<'_>> = recent.iter().map(|(at, theme, item)| Recent { at: *at, item, theme, words: &[] }).collect();
    let wanted = Wanted {
        account: account_name,
        network: &account.network,
        formats: &account.formats,
        format: format.as_deref(),
        theme: theme.as_deref(),
        theme_spacing: config.theme_spacing,
        now,
        zone: desk.zone(),
        language: instance.business.language,
        seed: desk.sense("chance", |_, tools| Ok(tools.dice.any()))?,
    };
    Ok(match rotation::next(&wanted, &candidates, &used, &recent) {
        Choice::Nothing { reasons } => json!({ "item": null, "why": reasons.join(" ") }),
        Choice::Pick { id, format, reasons } => {
            let item = library.items.iter().find(|item| item.id == id).expect("what was picked is in the library");
            let media: Vec<Json> = item.media.iter().map(|m| json!({ "path": m.path, "alt": m.alt })).collect();
            json!({
                "item": id, "text": text_with_tags(item, item.text_for(&account.network)), "link": item.link, "media": media,
                "theme": item.theme(), "format": format, "why": reasons,
            })
        }
    })
}

fn items(desk: &mut RunDesk, args: Args) -> Answer {
    let library = desk.library()?.ok_or_else(|| args.refuse(NO_LIBRARY))?;
    Ok(library
        .items
        .iter()
        .map(|i| json!({ "item": i.id, "title": i.title, "theme": i.theme(), "formats": i.formats }))
        .collect())
}

fn figures(db: &rusqlite::Connection, week: Week, weeks: usize) -> rusqlite::Result<Vec<kpi::Row>> {
    let day = |date: NaiveDate| format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
    let rows = view::metrics(db, &day(week.before(weeks).first()), &day(week.last()))?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some(kpi::Row { account: row.account, name: row.name, day: row.day.parse().ok()?, value: row.value }))
        .collect())
}

fn week(desk: &mut RunDesk, mut args: Args) -> Answer {
    let account = args.given_text();
    let week = Week::last_whole(desk.facts.now, desk.zone());
    let rows = desk.sense(&format!("figures {} 8", week.last()), |desk, _| desk.look(|db| figures(db, week, 8)))?;
    let (values, before) = kpi::Table::of(&rows).summary(account.as_deref(), week, 8);
    Ok(json!({ "from": week.first().to_string(), "to": week.last().to_string(), "values": values, "before": before }))
}

fn digest(desk: &mut RunDesk, mut args: Args) -> Answer {
    let mut options = args.map();
    let weeks = options.count("weeks")?.unwrap_or(8).clamp(1, 52);
    options.end()?;
    let zone = desk.zone();
    let week = Week::last_whole(desk.facts.now, zone);
    let instance = desk.instance.clone();
    let language = instance.business.language;
    let midnight = |day: NaiveDate| {
        let start = day.and_hms_opt(0, 0, 0).and_then(|t| zone.from_local_datetime(&t).earliest());
        start.map_or(Timestamp::EPOCH, Timestamp::from)
    };
    let (from, to) = (midnight(week.first()), midnight(week.last()).plus(Duration::from_secs(86_400)));
    let Gathered { rows, posts, held, to_approve, refused, stopped, paused } =
        desk.sense(&format!("digest {} {weeks}", week.last()), |_, tools| gather(tools, week, weeks, from, to).map_err(unread))?;
    let mut needs: Vec<String> = stopped
        .into_iter()
        .map(|(account, why)| language.pick(format!("{account} est bloqué : {why}"), format!("{account} is stopped: {why}")))
        .collect();
    needs.extend(
        paused
            .into_iter()
            .map(|(name, why)| language.pick(format!("« {name} » est en pause : {why}"), format!("\"{name}\" is paused: {why}"))),
    );
    if to_approve > 0 {
        needs.push(language.pick(
            format!("{to_approve} brouillon(s) attendent votre accord : beffroi posts --state held"),
            format!("{to_approve} draft(s) wait for your yes: beffroi posts --state held"),
        ));
    }
    if rows.is_empty() && posts.is_empty() {
        return Ok(Json::Null);
    }
    let accounts: Vec<String> = instance.accounts.keys().map(|n| n.as_str().to_owned()).collect();
    let facts = Facts {
        business: &instance.business.name,
        language,
        currency: instance.business.currency,
        zone,
        week,
        weeks,
        accounts: &accounts,
        rows: &rows,
        posts: &posts,
        held,
        refused,
        needs: &needs,
    };
    let digest = digest::write(&facts);
    let period = format!("{} – {}", week.first(), week.last());
    Ok(json!({ "key": digest.key, "title": digest.title, "text": digest.text, "html": digest.html, "period": period }))
}

/// What the store knows about a week.
#[derive(Serialize, Deserialize)]
struct Gathered {
    rows: Vec<kpi::Row>,
    posts: Vec<Published>,
    held: usize,
    to_approve: usize,
    refused: usize,
    /// Accounts, and why.
    stopped: Vec<(String, String)>,
    /// Workflows, and why.
    paused: Vec<(String, String)>,
}

/// One snapshot: what is counted and what is listed belong to the same moment.
fn gather(tools: &Tools, week: Week, weeks: usize, from: Timestamp, to: Timestamp) -> rusqlite::Result<Gathered> {
    let reader = tools.store.read().and_then(crate::store::Reader::snapshot)?;
    let waiting = view::deliveries(&reader, Some("held"), None, 500)?;
    let published = |d: view::DeliveryRow| Published {
        account: d.target,
        at: d.settled_at.unwrap_or(d.due),
        text: d.content.get("text").and_then(Json::as_str).unwrap_or_default().lines().next().unwrap_or_default().to_owned(),
        reference: d.id.to_string(),
        url: d.url,
        clicks: None,
        orders: None,
        rows: 0,
    };
    Ok(Gathered {
        rows: figures(&reader, week, weeks)?,
        posts: view::published(&reader, from, to)?.into_iter().map(published).collect(),
        held: waiting.len(),
        to_approve: waiting.iter().filter(|d| d.approval == "needed" && !d.stands_by()).count(),
        refused: view::ended_between(&reader, "refused", from, to)?,
        stopped: view::breakers(&reader)?,
        paused: view::workflows(&reader)?.into_iter().filter_map(|row| Some((row.name, row.paused?))).collect(),
    })
}

fn unread(error: rusqlite::Error) -> Refusal {
    Refusal::Error(format!("The figures cannot be read from the database: {error}."))
}
