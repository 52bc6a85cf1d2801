//! Publishes to Bluesky: texts, pictures, link cards, answers.
//!
//! In: posts. Out: a record under a key that is chosen and kept before it is sent, so that the same post sent twice is one
//! post; and figures, mentions and answers read back.
//! Never: logs in, holds a token, or writes a record under a second key.

mod facets;
mod record;
mod xrpc;

use beffroi_plugin::prelude::*;
use record::{COLLECTION, Parts, Place};
use xrpc::{Failed, needed, text};

/// The channel.
pub struct Bluesky;

beffroi_plugin::export!(Bluesky: publish, prepare, lookup, unpublish, metrics, inbox);

/// Posts asked for in one request.
const POSTS_AT_ONCE: usize = 25;
/// Mentions looked up for one post.
const PEOPLE: usize = 10;
/// Notifications asked for in one request.
const NOTIFICATIONS: usize = 50;

/// What preparation has reached; kept by the host between steps.
struct Handle {
    did: String,
    /// One for each picture that is uploaded.
    blobs: Vec<Value>,
    /// The record, once all of it is known.
    ready: Option<Ready>,
}

/// What will be sent, to the letter.
struct Ready {
    rkey: String,
    record: Value,
}

impl Handle {
    fn write(&self) -> String {
        let ready = self.ready.as_ref().map(|ready| json!({ "rkey": ready.rkey, "record": ready.record }));
        json!({ "did": self.did, "blobs": self.blobs, "ready": ready }).to_string()
    }

    fn read(written: &str) -> Result<Self, Error> {
        Self::understand(written).ok_or_else(|| {
            let text = pick(
                "Ce module ne comprend plus la préparation de ce post. Planifiez-le de nouveau.",
                "This plugin no longer understands how this post was prepared. Plan it again.",
            );
            Error::reject("handle", text)
        })
    }

    fn understand(written: &str) -> Option<Self> {
        let mut handle: Value = json::from_str(written).ok()?;
        let did = handle["did"].as_str()?.to_owned();
        let blobs = handle["blobs"].as_array()?.clone();
        let ready = match handle["ready"].take() {
            Value::Null => None,
            mut ready => Some(Ready { rkey: ready["rkey"].as_str()?.to_owned(), record: ready["record"].take() }),
        };
        Some(Self { did, blobs, ready })
    }
}

fn session() -> Result<Value, Failed> {
    xrpc::query("com.atproto.server.getSession", &[])
}

impl Plugin for Bluesky {
    fn check() -> Result<String, Error> {
        let session = session()?;
        if session["active"] == false {
            let text = pick(
                "Ce compte Bluesky est désactivé. Réactivez-le chez Bluesky, puis reconnectez-le.",
                "This Bluesky account is deactivated. Activate it at Bluesky, then reconnect it.",
            );
            return Err(Error::reconnect("account-deactivated", text));
        }
        Ok(format!("@{}", needed(&session, "handle")?))
    }
}

impl Prepare for Bluesky {
    fn prepare(delivery: &str, post: &Post, so_far: Option<&str>) -> Result<Preparation, Error> {
        if let Some(problem) = record::problems(post).into_iter().next() {
            return Err(Error::reject(problem.code, problem.message));
        }
        let mut handle = match so_far {
            Some(written) => Handle::read(written)?,
            None => Handle { did: needed(&session()?, "did")?, blobs: Vec::new(), ready: None },
        };
        if handle.ready.is_some() {
            return Ok(Preparation::Ready(Some(handle.write())));
        }
        if let Some(asset) = post.assets.get(handle.blobs.len()) {
            handle.blobs.push(xrpc::upload(asset)?);
            let (done, all) = (handle.blobs.len(), post.assets.len());
            let message = pick(format!("Image {done} sur {all} envoyée."), format!("Picture {done} of {all} sent."));
            return Ok(Preparation::Again(Pause::new(handle.write(), run::now(), message)));
        }
        let parts = Parts {
            blobs: handle.blobs.clone(),
            people: people(post)?,
            reply: post.reply_to.as_deref().map(reply).transpose()?,
            languages: languages(post)?,
        };
        let now = run::now();
        handle.ready = Some(Ready { rkey: record::key(now, delivery), record: record::record(post, &parts, now) });
        Ok(Preparation::Ready(Some(handle.write())))
    }
}

fn languages(post: &Post) -> Result<String, Error> {
    if let Some(language) = post.option("language") {
        return Ok(language.to_owned());
    }
    let settings: Value = settings::get()?;
    Ok(match text(&settings, "language").trim() {
        "" => run::language(),
        language => language.to_owned(),
    })
}

/// Who is behind the handles in the text. A handle that leads nowhere stays plain text.
fn people(post: &Post) -> Result<Vec<(String, String)>, Error> {
    let mut people: Vec<(String, String)> = Vec::new();
    for facet in record::shown(post).facets {
        let facets::Feature::Mention(name) = facet.feature else { continue };
        if people.len() >= PEOPLE || people.iter().any(|(known, _)| *known == name) {
            continue;
        }
        match xrpc::query("com.atproto.identity.resolveHandle", &[("handle", &name)]) {
            Ok(identity) => people.push((name, needed(&identity, "did")?)),
            Err(failed) if matches!(failed.name.as_str(), "HandleNotFound" | "InvalidRequest" | "InvalidHandle") => {
                log::info(pick(
                    format!("@{name} n'existe pas sur Bluesky : ce nom restera du texte."),
                    format!("@{name} does not exist on Bluesky: this name stays plain text."),
                ));
            }
            Err(failed) => return Err(failed.into()),
        }
    }
    Ok(people)
}

fn read_record(place: &Place<'_>) -> Result<Value, Failed> {
    let values = [("repo", place.repo), ("collection", place.collection), ("rkey", place.rkey)];
    xrpc::query("com.atproto.repo.getRecord", &values)
}

/// The `reply` of a record: the message answered, and the one that the conversation began with.
fn reply(uri: &str) -> Result<Value, Error> {
    let unknown = || {
        let text = pick(
            "Le message auquel répondre n'est plus sur Bluesky. Publiez sans répondre, ou laissez tomber.",
            "The message to answer is no longer on Bluesky. Post without answering, or drop it.",
        );
        Error::reject("reply-gone", text)
    };
    let parent = match read_record(&Place::parse(uri).ok_or_else(unknown)?) {
        Ok(parent) => parent,
        Err(failed) if failed.name == "RecordNotFound" => return Err(unknown()),
        Err(failed) => return Err(failed.into()),
    };
    let own = json!({ "uri": needed(&parent, "uri")?, "cid": needed(&parent, "cid")? });
    let root = parent.pointer("/value/reply/root").filter(|root| root["uri"].is_string() && root["cid"].is_string());
    Ok(json!({ "root": root.unwrap_or(&own), "parent": own }))
}

/// What was prepared, when it is complete.
fn prepared_record(prepared: Option<&str>) -> Result<Option<(String, Ready)>, Error> {
    let handle = prepared.map(Handle::read).transpose()?;
    Ok(handle.and_then(|handle| Some((handle.did, handle.ready?))))
}

fn online(did: &str, ready: &Ready) -> Receipt {
    let uri = record::address(did, &ready.rkey);
    Receipt::new(uri.as_str(), record::page(&uri))
}

impl Publish for Bluesky {
    fn validate(post: &Post) -> Vec<Problem> {
        record::problems(post)
    }

    fn publish(_delivery: &str, post: &Post, prepared: Option<&str>) -> Result<Outcome, Error> {
        let Some((did, ready)) = prepared_record(prepared)? else {
            let text = pick(
                "Ce post n'a pas été préparé avant d'être publié. Signalez-le à l'auteur de Beffroi.",
                "This post was not prepared before it was published. Report it to the author of Beffroi.",
            );
            return Err(Error::reject("not-prepared", text));
        };
        match put(&did, &ready) {
            Ok(()) => Ok(Outcome::Online(online(&did, &ready))),
            Err(failed) if failed.name == "InvalidSwap" => taken(&did, &ready),
            Err(failed) if failed.name == "BlobNotFound" => {
                // Pictures that no post uses are forgotten after a while. The same bytes are the same blob.
                for asset in &post.assets {
                    xrpc::upload(asset)?;
                }
                put(&did, &ready)?;
                Ok(Outcome::Online(online(&did, &ready)))
            }
            Err(failed) => Err(failed.into()),
        }
    }
}

/// Writes the record if nothing is under its key, or if it is there already.
fn put(did: &str, ready: &Ready) -> Result<(), Failed> {
    // `swapRecord: null` says that nothing may be there; an identical record is taken as done all the same.
    let body = json!({
        "repo": did, "collection": COLLECTION, "rkey": ready.rkey, "swapRecord": null, "record": ready.record,
    });
    let answer = xrpc::commit("com.atproto.repo.putRecord", &body)?;
    if text(&answer, "uri").is_empty() {
        let text = pick(
            "Bluesky a donné une réponse incompréhensible : le post est peut-être en ligne. Rien à faire : Beffroi va regarder.",
            "Bluesky gave an answer that makes no sense: the post may be online. Nothing to do: Beffroi will look.",
        );
        return Err(Error::uncertain("answer", text).into());
    }
    Ok(())
}

/// Something is under the key: ours from an earlier attempt, as the server may have written it in its own way.
fn taken(did: &str, ready: &Ready) -> Result<Outcome, Error> {
    match look(did, ready) {
        Ok(Finding::Online(receipt)) => Ok(Outcome::Online(receipt)),
        Ok(Finding::Unsure(message)) => Err(Error::reject("key-taken", message)),
        Ok(_) => {
            let text = pick(
                "Bluesky se contredit sur ce post. Rien à faire : Beffroi regardera de nouveau.",
                "Bluesky contradicts itself about this post. Nothing to do: Beffroi will look again.",
            );
            Err(Error::uncertain("contradiction", text))
        }
        Err(error) => Err(Error::uncertain(error.code(), error.message())),
    }
}

/// Whether the record is there.
fn look(did: &str, ready: &Ready) -> Result<Finding, Error> {
    let place = Place { repo: did, collection: COLLECTION, rkey: &ready.rkey };
    match read_record(&place) {
        Ok(kept) if record::same(&ready.record, &kept["value"]) => Ok(Finding::Online(online(did, ready))),
        Ok(_) => Ok(Finding::Unsure(pick(
            "Un autre post occupe la place de celui-ci sur Bluesky. Regardez votre profil et tranchez.",
            "Another post sits in the place of this one on Bluesky. Look at your profile and decide.",
        ))),
        Err(failed) if failed.name == "RecordNotFound" => Ok(Finding::Absent),
        Err(failed) => Err(failed.into()),
    }
}

impl Lookup for Bluesky {
    fn find(_delivery: &str, _post: &Post, prepared: Option<&str>) -> Result<Finding, Error> {
        match prepared_record(prepared)? {
            Some((did, ready)) => look(&did, &ready),
            // Nothing is ever sent without a complete preparation.
            None => Ok(Finding::Absent),
        }
    }
}

impl Unpublish for Bluesky {
    fn unpublish(remote_id: &str) -> Result<(), Error> {
        let Some(place) = Place::parse(remote_id) else {
            let text = pick("Ce n'est pas l'adresse d'un post de Bluesky.", "This is not the address of a post on Bluesky.");
            return Err(Error::reject("unknown-post", text));
        };
        let body = json!({ "repo": place.repo, "collection": place.collection, "rkey": place.rkey });
        xrpc::harmless("com.atproto.repo.deleteRecord", &body)?;
        Ok(())
    }
}

impl Metrics for Bluesky {
    fn read(remote_ids: &[String]) -> Result<Vec<Sample>, Error> {
        let mut samples = Vec::new();
        for some in remote_ids.chunks(POSTS_AT_ONCE) {
            let values: Vec<(&str, &str)> = some.iter().map(|uri| ("uris", uri.as_str())).collect();
            let read = xrpc::query("app.bsky.feed.getPosts", &values)?;
            for post in read["posts"].as_array().into_iter().flatten() {
                let count = |name: &str| post[name].as_u64();
                let mut add = |name: &str, value: u64| samples.push(Sample::of_post(text(post, "uri"), name, value as f64));
                add("likes", count("likeCount").unwrap_or(0));
                add("replies", count("replyCount").unwrap_or(0));
                add("shares", count("repostCount").unwrap_or(0) + count("quoteCount").unwrap_or(0));
                if let Some(saves) = count("bookmarkCount") {
                    add("saves", saves);
                }
            }
        }
        let own = match remote_ids.iter().find_map(|uri| Place::parse(uri)) {
            Some(place) => place.repo.to_owned(),
            None => needed(&session()?, "did")?,
        };
        let profile = xrpc::query("app.bsky.actor.getProfile", &[("actor", &own)])?;
        if let Some(followers) = profile["followersCount"].as_u64() {
            samples.push(Sample::of_account("followers", followers as f64));
        }
        Ok(samples)
    }
}

/// Where reading got to. Bluesky pages from the newest backwards: a sweep keeps where it began, where it is, and how far
/// back it goes, and only its end moves `seen`.
#[derive(Default)]
struct Cursor {
    /// The newest date of the last whole sweep.
    seen: Option<u64>,
    /// The newest date of the sweep that is going on.
    newest: Option<u64>,
    /// Bluesky's own cursor in the sweep that is going on.
    page: Option<String>,
}

impl Cursor {
    /// A cursor that cannot be read means reading the recent page again; known messages are dropped.
    fn read(written: &str) -> Self {
        let value: Value = json::from_str(written).unwrap_or_default();
        let page = value["page"].as_str().map(str::to_owned);
        Self { seen: value["seen"].as_u64(), newest: value["newest"].as_u64(), page }
    }

    fn write(&self) -> String {
        json!({ "seen": self.seen, "newest": self.newest, "page": self.page }).to_string()
    }
}

impl Inbox for Bluesky {
    fn poll(since: Option<&str>) -> Result<InboxPage, Error> {
        let cursor = since.map(Cursor::read).unwrap_or_default();
        let limit = NOTIFICATIONS.to_string();
        let mut values = vec![("limit", limit.as_str()), ("reasons", "mention"), ("reasons", "reply"), ("reasons", "quote")];
        if let Some(page) = &cursor.page {
            values.push(("cursor", page));
        }
        let read = xrpc::query("app.bsky.notification.listNotifications", &values)?;
        let notifications: &[Value] = read["notifications"].as_array().map_or(&[], Vec::as_slice);
        let dates: Vec<u64> = notifications.iter().filter_map(|one| time::parse(text(one, "indexedAt"))).collect();
        let newest = cursor.newest.max(dates.iter().copied().max());
        // The date itself is read again: two notifications can share it, and known messages are dropped.
        let reached = cursor.seen.is_none_or(|seen| dates.iter().any(|date| *date < seen));
        let messages = notifications.iter().filter_map(|one| message(one, cursor.seen)).collect();
        let next =
            match read["cursor"].as_str().filter(|page| !reached && !dates.is_empty() && cursor.page.as_deref() != Some(page)) {
                Some(page) => Cursor { seen: cursor.seen, newest, page: Some(page.to_owned()) },
                None => Cursor { seen: newest.max(cursor.seen), newest: None, page: None },
            };
        let more = next.page.is_some();
        Ok(InboxPage { messages, next: Some(next.write()), more })
    }
}

fn message(one: &Value, seen: Option<u64>) -> Option<Message> {
    let kind = match text(one, "reason") {
        "reply" => "comment",
        "mention" | "quote" => "mention",
        _ => return None,
    };
    let at = time::parse(text(one, "indexedAt"))?;
    if seen.is_some_and(|seen| at < seen) {
        return None;
    }
    let handle = text(&one["author"], "handle");
    let author = match text(&one["author"], "displayName").trim() {
        "" => format!("@{handle}"),
        name => format!("{name} (@{handle})"),
    };
    let uri = one["uri"].as_str()?;
    Some(Message {
        remote_id: uri.to_owned(),
        kind: kind.into(),
        author,
        text: text(&one["record"], "text").to_owned(),
        at,
        in_reply_to: one.pointer("/record/reply/parent/uri").and_then(Value::as_str).map(str::to_owned),
        url: record::page(uri),
        attributes: Vec::new(),
    })
}
