//! Planning posts, looking at what was planned, withdrawing what was not sent.
//!
//! In: a map that says what to post, where and when. Out: planned posts on the desk, or a sentence that says what is wrong.
//! Never: sends anything; that begins with the rows of the run's commit.

use super::fields::{Args, Fields};
use super::{Row, may, need, row};
use crate::craft::words;
use crate::domain::{AccountName, CatalogName, Json, Timestamp};
use crate::effects::{Effects, Guards, OnFail, PlannedDelivery, PlannedFallback, PlannedPost, Withdrawal};
use crate::instance::Account;
use crate::kinds::{Media, Outgoing};
use crate::problem::perhaps;
use crate::run::desk::{Answer, RunDesk};
use crate::run::function::Kind::{Map, Text};
use crate::run::function::Refusal;
use crate::store::{MarkRead, view};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const ROWS: &[Row] = &[
    row!(Plan posts::plan(need("post", Map, "text, or item (a library item); accounts or account (all of the workflow's when left out); link, media (a list of #{path, alt}, in the library folder), format, theme; draft (true holds it for a yes); at (earliest), expires (latest; an instant or a length of time; when left out, 24 hours after the earliest moment, and 7 days for what needs a yes); once (at most one post ever for this key); per_network (a map of texts), campaign, why; reply_to (the network's identifier of the message it answers); options (a map of texts for one network, such as visibility); guards (#{sku, catalog, at_least, price, max_age}), on_fail (hold, drop or swap); fallback (what takes its place with swap: a library item, or a map of text, link, media, per_network)")) -> Truth,
        "Plans a post. It leaves after the run has committed, when it is due, its guards hold, and a person has said yes where one is needed. Gives back false when its once key was used before.",
        "posts::plan(#{ text: \"Les croissants sont sortis du four.\", account: \"facebook\", expires: \"2h\" });", plan),
    row!(Read posts::recent(need("account", Text, "an account's name"), may("span", Text, "how far back, 30d when left out")) -> List,
        "What an account published or will publish, newest first: #{post, text, at, state, theme, item}; without what was cancelled or refused.",
        "let before = posts::recent(\"facebook\", \"7d\");", recent),
    row!(Plan posts::withdraw(need("prefix", Text, "how the once keys of the posts begin"), need("reason", Text, "why, for the owner")) -> Whole,
        "Cancels this workflow's posts that have not been sent and whose once key begins like this. Gives back how many there are now.",
        "posts::withdraw(\"offer/TARTE/\", \"the offer is over\");", withdraw),
];

/// A post that does not say until when it is good is good for this long after its earliest moment: enough for a night
/// outside the account's hours or a day's queue, and too little for news of last month to go out after a long silence.
const DEFAULT_WINDOW: Duration = Duration::from_secs(86_400);
/// The same for a post that a person has to see first.
const DEFAULT_WINDOW_FOR_A_YES: Duration = Duration::from_secs(7 * 86_400);

impl RunDesk {
    /// An account this workflow may post to.
    pub(super) fn account(&self, name: &str) -> Result<Account, String> {
        let own = &self.facts.workflow.accounts;
        let Some((_, account)) = self.instance.accounts.iter().find(|(n, _)| n.as_str() == name) else {
            let near = perhaps(name, self.instance.accounts.keys().map(AccountName::as_str));
            return Err(format!("there is no account \"{name}\" under [accounts].{near} Name one of those, or add this one."));
        };
        if !own.is_empty() && !own.iter().any(|n| n.as_str() == name) {
            return Err(format!(
                "the workflow \"{}\" may not post to \"{name}\". Add it to the workflow's accounts in the configuration.",
                self.workflow()
            ));
        }
        Ok(account.clone())
    }
}

fn plan(desk: &mut RunDesk, mut args: Args) -> Answer {
    let mut fields = args.map();
    let now = desk.facts.now;
    let once = fields.text("once")?;
    let accounts = match (fields.texts("accounts")?, fields.text("account")?) {
        (Some(_), Some(_)) => return Err(fields.refuse("give accounts or account, not both.")),
        (Some(many), None) => many,
        (None, Some(one)) => vec![one],
        (None, None) if desk.facts.workflow.accounts.is_empty() => {
            desk.instance.accounts.keys().map(|n| n.as_str().to_owned()).collect()
        }
        (None, None) => desk.facts.workflow.accounts.iter().map(|n| n.as_str().to_owned()).collect(),
    };
    let accounts: Vec<Account> =
        accounts.iter().map(|name| desk.account(name)).collect::<Result<_, _>>().map_err(|sentence| fields.refuse(&sentence))?;
    if accounts.is_empty() {
        return Err(fields.refuse("there is no account to post to. Add one under [accounts], or name it."));
    }
    let item = match fields.text("item")? {
        None => None,
        Some(id) => Some(desk.library_item(&id)?.map_err(|sentence| fields.refuse(&sentence))?),
    };
    let text = fields.text("text")?;
    if text.as_deref().is_none_or(|t| t.trim().is_empty()) && item.is_none() {
        return Err(fields.refuse("a post needs a text, or an item of the library."));
    }
    let per_network: BTreeMap<String, String> = fields.pairs("per_network")?.into_iter().collect();
    let link = fields.text("link")?.or_else(|| item.as_ref().and_then(|i| i.link.clone()));
    let media = match fields.list("media")? {
        Some(list) => media(desk, &list, &fields)?,
        None => item.as_ref().map(|i| i.media.clone()).unwrap_or_default(),
    };
    let format = fields.text("format")?;
    let theme = fields.text("theme")?.or_else(|| item.as_ref().map(|i| i.theme.clone()).filter(|t| !t.is_empty()));
    let draft = fields.truth("draft")?;
    let reply_to = fields.text("reply_to")?;
    let options: BTreeMap<String, String> = fields.pairs("options")?.into_iter().collect();
    let at = fields.when("at", now)?.unwrap_or(now).max(now);
    let until = fields.when("expires", now)?;
    let campaign = fields.text("campaign")?.unwrap_or_else(|| desk.workflow().as_str().to_owned());
    let why = match fields.any("why") {
        None => Vec::new(),
        Some(Json::Array(reasons)) => {
            reasons.into_iter().map(|r| r.as_str().map_or_else(|| r.to_string(), str::to_owned)).collect()
        }
        Some(Json::String(reason)) => vec![reason],
        Some(_) => return Err(fields.refuse("the key \"why\" needs a text or a list of texts.")),
    };
    let on_fail = match fields.text("on_fail")?.as_deref() {
        None | Some("hold") => OnFail::Hold,
        Some("drop") => OnFail::Drop,
        Some("swap") => OnFail::Swap,
        Some(_) => return Err(fields.refuse("the key \"on_fail\" needs \"hold\", \"drop\" or \"swap\".")),
    };
    let guards = match fields.map("guards")? {
        None => None,
        Some(given) => Some(read_guards(desk, given, on_fail)?),
    };
    let fallback = match (fields.any("fallback"), on_fail) {
        (None, OnFail::Swap) => {
            return Err(fields.refuse("on_fail \"swap\" needs a fallback: a library item, or a map with its text."));
        }
        (Some(_), OnFail::Swap) if guards.is_none() => {
            return Err(fields.refuse("on_fail \"swap\" needs guards: without them nothing is ever swapped."));
        }
        (Some(given), OnFail::Swap) => Some(Fallback::read(desk, given, &fields)?),
        (Some(_), _) => {
            return Err(fields.refuse("a fallback is used with on_fail: \"swap\". Say so, or leave the fallback out."));
        }
        (None, _) => None,
    };
    if until.is_some_and(|until| until <= at) {
        return Err(fields.refuse("the post's window ends before it begins: look at \"at\" and \"expires\"."));
    }
    let taken = match &once {
        None => false,
        Some(key) => {
            desk.effects.posts.iter().any(|p| p.once.as_ref() == Some(key))
                || desk
                    .sense(&format!("once {key}"), |desk, _| desk.look(|db| view::once_used(db, desk.workflow().as_str(), key)))?
        }
    };
    fields.end()?;
    if taken {
        return Ok(false.into());
    }
    if let Some(once) = &once {
        // Another run of this workflow may take the key before this one commits; then this one is done again and hears no.
        desk.reads.note(MarkRead::Once(desk.workflow().as_str().to_owned(), once.clone()));
    }
    let mut deliveries = Vec::new();
    for account in accounts {
        let variant = per_network.get(&account.network).cloned();
        let from_item = || item.as_ref().map(|i| i.variants.get(&account.network).unwrap_or(&i.text).clone());
        let text = variant.or_else(|| text.clone()).or_else(from_item).unwrap_or_default();
        let text = desk.fitted(text, &account);
        let format = format.clone().or_else(|| shared_format(&account, item.as_ref())).unwrap_or_else(|| "post".into());
        let link = link.as_ref().map(|link| tagged(link, desk, &account, &campaign));
        let needs_yes = Effects::needs_yes(&desk.instance, &account.name, draft);
        let window = if needs_yes { DEFAULT_WINDOW_FOR_A_YES } else { DEFAULT_WINDOW };
        deliveries.push(PlannedDelivery {
            needs_yes,
            fallback: fallback.as_ref().map(|f| f.planned(desk, &account, &campaign, (&format, &reply_to, &options))),
            content: Outgoing { text, link, media: media.clone(), format, reply_to: reply_to.clone(), options: options.clone() },
            account: account.name,
            at,
            until: Some(until.unwrap_or_else(|| at.plus(window))),
        });
    }
    let item = item.map(|i| i.id);
    desk.effects.posts.push(PlannedPost { once, item, theme, campaign: Some(campaign), why, guards, deliveries });
    Ok(true.into())
}

/// What stands in for a post, before it is made for each account.
struct Fallback {
    item: Option<super::content::PlannedItem>,
    text: Option<String>,
    per_network: BTreeMap<String, String>,
    link: Option<String>,
    media: Vec<Media>,
}

impl Fallback {
    /// A library item by its name, or a map that says what to post.
    fn read(desk: &mut RunDesk, given: Json, of: &Fields) -> Result<Self, Refusal> {
        if let Json::String(id) = &given {
            let item = desk.library_item(id)?.map_err(|sentence| of.refuse(&sentence))?;
            let (link, media) = (item.link.clone(), item.media.clone());
            return Ok(Self { item: Some(item), text: None, per_network: BTreeMap::new(), link, media });
        }
        let mut fields = of.inner("fallback", given)?;
        let text = fields.text("text")?.filter(|text| !text.trim().is_empty());
        if text.is_none() {
            return Err(fields.refuse("what stands in for a post needs a text."));
        }
        let per_network: BTreeMap<String, String> = fields.pairs("per_network")?.into_iter().collect();
        let link = fields.text("link")?;
        let media = match fields.list("media")? {
            Some(list) => media(desk, &list, &fields)?,
            None => Vec::new(),
        };
        fields.end()?;
        Ok(Self { item: None, text, per_network, link, media })
    }

    fn planned(
        &self,
        desk: &mut RunDesk,
        account: &Account,
        campaign: &str,
        (format, reply_to, options): (&str, &Option<String>, &BTreeMap<String, String>),
    ) -> PlannedFallback {
        let own = self.per_network.get(&account.network).cloned();
        let from_item = || self.item.as_ref().map(|i| i.variants.get(&account.network).unwrap_or(&i.text).clone());
        let text = own.or_else(|| self.text.clone()).or_else(from_item).unwrap_or_default();
        let text = desk.fitted(text, account);
        let link = self.link.as_ref().map(|link| tagged(link, desk, account, campaign));
        let format = shared_format(account, self.item.as_ref()).unwrap_or_else(|| format.to_owned());
        PlannedFallback {
            item: self.item.as_ref().map(|i| i.id.clone()),
            theme: self.item.as_ref().map(|i| i.theme.clone()).filter(|theme| !theme.is_empty()),
            content: Outgoing {
                text,
                link,
                media: self.media.clone(),
                format,
                reply_to: reply_to.clone(),
                options: options.clone(),
            },
        }
    }
}

/// The first format that item and account share.
fn shared_format(account: &Account, item: Option<&super::content::PlannedItem>) -> Option<String> {
    let item = item?;
    item.formats.iter().find(|f| account.formats.is_empty() || account.formats.contains(f)).or(account.formats.first()).cloned()
}

impl RunDesk {
    /// A text that fits the account, with a word in the log when it had to be shortened.
    fn fitted(&mut self, text: String, account: &Account) -> String {
        if account.max_chars == 0 || words::count(&text, &account.network) <= account.max_chars {
            return text;
        }
        let line = format!(
            "the text for {} was shortened to the {} characters that {} takes",
            account.name, account.max_chars, account.network
        );
        self.write_log("warn", &line);
        words::fit_for(&text, account.max_chars, &account.network)
    }
}

/// A link to the firm's own site says where its visitors come from; other people's links stay as they are.
fn tagged(link: &str, desk: &RunDesk, account: &Account, campaign: &str) -> String {
    let own = desk.instance.business.site.as_deref().and_then(|s| url::Url::parse(s).ok());
    let (Some(own), Ok(mut url)) = (own, url::Url::parse(link)) else { return link.to_owned() };
    let host = |u: &url::Url| u.host_str().map(|h| h.trim_start_matches("www.").to_owned());
    if host(&own) != host(&url) || url.query_pairs().any(|(k, _)| k.starts_with("utm_")) {
        return link.to_owned();
    }
    url.query_pairs_mut()
        .append_pair("utm_source", &account.network)
        .append_pair("utm_medium", "social")
        .append_pair("utm_campaign", &words::slug(campaign))
        .append_pair("utm_content", desk.workflow().as_str());
    url.into()
}

fn media(desk: &mut RunDesk, list: &[Json], fields: &Fields) -> Result<Vec<Media>, Refusal> {
    list.iter()
        .map(|entry| {
            let path = entry.get("path").and_then(Json::as_str).ok_or_else(|| fields.refuse("every medium needs a path."))?;
            let alt = entry.get("alt").and_then(Json::as_str).unwrap_or_default();
            let found: Result<Media, String> =
                desk.sense(&format!("medium {path}"), |desk, tools| Ok(tools.adapters.medium(&desk.instance, path, alt)))?;
            // The words for it are the script's, whatever they were in the recording.
            found.map(|medium| Media { alt: alt.to_owned(), ..medium }).map_err(|sentence| fields.refuse(&sentence))
        })
        .collect()
}

fn read_guards(desk: &RunDesk, mut given: Fields, on_fail: OnFail) -> Result<Guards, Refusal> {
    let sku = given.needed_text("sku")?;
    let catalog = given.text("catalog")?;
    let at_least = given.whole("at_least")?.unwrap_or(1);
    let price = given.whole("price")?;
    let max_age = given.span("max_age")?.map(|span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
    if let Some(name) = &catalog
        && !desk.instance.catalogs.keys().any(|c| c.as_str() == name)
    {
        let near = perhaps(name, desk.instance.catalogs.keys().map(CatalogName::as_str));
        let text = format!("there is no catalog \"{name}\" under [catalogs].{near} Name one of those, or add this one.");
        return Err(given.refuse(&text));
    }
    if desk.instance.catalogs.is_empty() {
        return Err(
            given.refuse("there is no catalog in the configuration, so stock cannot be guarded. Add one under [catalogs].")
        );
    }
    given.end()?;
    Ok(Guards { sku, catalog, at_least, price, max_age, on_fail })
}

/// What a run is told of a post that was planned before.
#[derive(Serialize, Deserialize)]
struct Known {
    post: Option<String>,
    text: Json,
    at: Timestamp,
    state: String,
    theme: Option<String>,
    item: Option<String>,
}

fn recent(desk: &mut RunDesk, mut args: Args) -> Answer {
    let name = args.text();
    let account = desk.account(&name).map_err(|sentence| args.refuse(&sentence))?;
    let span = match args.given_text() {
        None => Duration::from_secs(30 * 86_400),
        Some(text) => crate::domain::parse_span(&text).map_err(|e| args.refuse(&e.0))?,
    };
    let since = desk.facts.now.minus(span);
    desk.built_on(posts_mark(&account.name))?;
    let rows: Vec<Known> = desk.sense(&format!("recent {} {}", account.name, span.as_secs()), |desk, _| {
        let rows = desk.look(|db| view::recent_posts(db, account.name.as_str(), since))?;
        Ok(rows
            .into_iter()
            .map(|row| Known {
                post: row.post.map(|p| p.to_string()),
                text: row.content.get("text").cloned().unwrap_or_default(),
                at: row.due,
                state: row.state,
                theme: row.theme,
                item: row.item,
            })
            .collect())
    })?;
    let entry = |post: Option<String>, text: &Json, at: Timestamp, state: &str, theme: Option<&String>, item: Option<&String>| json!({ "post": post, "text": text, "at": at.millis(), "state": state, "theme": theme, "item": item });
    let mut list: Vec<Json> = Vec::new();
    for post in &desk.effects.posts {
        for d in post.deliveries.iter().filter(|d| d.account == account.name) {
            list.push(entry(None, &d.content.text.clone().into(), d.at, "planned", post.theme.as_ref(), post.item.as_ref()));
        }
    }
    for row in rows {
        list.push(entry(row.post, &row.text, row.at, &row.state, row.theme.as_ref(), row.item.as_ref()));
    }
    Ok(list.into())
}

/// The mark that every post planned for an account touches.
pub(super) fn posts_mark(account: &AccountName) -> String {
    format!("posts/{account}")
}

fn withdraw(desk: &mut RunDesk, mut args: Args) -> Answer {
    let (prefix, reason) = (args.text(), args.text());
    if prefix.is_empty() {
        return Err(args.refuse("needs the beginning of the once keys; an empty one would withdraw everything."));
    }
    let workflow = desk.workflow().as_str().to_owned();
    let count =
        desk.sense(&format!("withdrawable {prefix}"), |desk, _| desk.look(|db| view::withdrawable(db, &workflow, &prefix)))?;
    let before = desk.effects.posts.len();
    desk.effects.posts.retain(|p| !p.once.as_ref().is_some_and(|once| once.starts_with(&prefix)));
    let own = before - desk.effects.posts.len();
    desk.effects.withdrawn.push(Withdrawal { prefix, reason });
    Ok((count + i64::try_from(own).unwrap_or(0)).into())
}
