//! Publishes to Mastodon and to the servers that speak its language.
//!
//! In: posts. Out: statuses, each under the delivery's idempotency key; and figures, mentions and answers read back.
//! Never: relies on the key alone. Some servers ignore it, so preparation notes what the account's list shows, and the list
//! alone tells afterwards whether a post without an answer is there.

mod api;
mod limits;
mod readback;
mod words;

use api::{Failed, Settings, Status};
use beffroi_plugin::prelude::*;
use limits::Limits;
use readback::{Anchor, Wanted};

/// The channel.
pub struct Mastodon;

beffroi_plugin::export!(Mastodon: publish, prepare, lookup, unpublish, metrics, inbox);

/// Who can see a post, in Mastodon's words.
pub(crate) const VISIBILITIES: [&str; 4] = ["public", "unlisted", "private", "direct"];

/// How long a server may take to digest one file: this many looks, up to a minute apart.
const LOOKS: u64 = 60;
/// Posts whose figures are asked for one by one, when the newest pages do not show them.
const ONE_BY_ONE: usize = 30;
/// Notifications asked for in one request.
const NOTIFICATIONS: usize = 40;
/// Notifications of a first read.
const FIRST: usize = 20;
const OWN: &str = "account";

/// What preparation has reached; kept by the host between steps.
struct Handle {
    account: String,
    /// Files that the server has digested.
    files: Vec<String>,
    /// The file that it digests, and how often it was looked at.
    waiting: Option<(String, u64)>,
    /// What the account's list showed when all was ready.
    anchor: Option<Anchor>,
}

impl Handle {
    fn write(&self) -> String {
        let anchor = self.anchor.as_ref().map(Anchor::write);
        json!({ "account": self.account, "files": self.files, "waiting": self.waiting, "anchor": anchor }).to_string()
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
        let handle: Value = json::from_str(written).ok()?;
        let files = handle["files"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let waiting = match &handle["waiting"] {
            Value::Null => None,
            waiting => Some((waiting[0].as_str()?.to_owned(), waiting[1].as_u64()?)),
        };
        let anchor = match &handle["anchor"] {
            Value::Null => None,
            anchor => Some(Anchor::understand(anchor)?),
        };
        Some(Self { account: handle["account"].as_str()?.to_owned(), files, waiting, anchor })
    }
}

/// The text as it is sent: with the link after it, unless it has it already.
pub(crate) fn text(post: &Post) -> String {
    let text = post.text.trim();
    match post.link.as_deref().filter(|link| !text.contains(link)) {
        Some(link) if text.is_empty() => link.to_owned(),
        Some(link) => format!("{text}\n\n{link}"),
        None => text.to_owned(),
    }
}

/// Who sees this post: as it wishes itself, else as the account is set up.
fn visibility(post: &Post) -> Result<String, Error> {
    if let Some(wish) = post.option("visibility") {
        return Ok(wish.to_owned());
    }
    Ok(Settings::get()?.visibility.unwrap_or_else(|| "public".into()))
}

fn language(post: &Post) -> Result<String, Error> {
    if let Some(wish) = post.option("language") {
        return Ok(wish.to_owned());
    }
    Ok(Settings::get()?.language.unwrap_or_else(run::language))
}

/// Identifiers become parts of addresses: nothing but what servers use for them.
fn sound(id: &str) -> Result<&str, Error> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) && !id.contains("..") {
        return Ok(id);
    }
    let text = pick("Ce n'est pas le numéro d'un post de Mastodon.", "This is not the number of a post on Mastodon.");
    Err(Error::reject("unknown-post", text))
}

impl Plugin for Mastodon {
    fn check() -> Result<String, Error> {
        let account = api::who()?;
        let name = api::text(&account, "acct");
        Ok(if name.contains('@') { format!("@{name}") } else { format!("@{name}@{}", Settings::get()?.host()) })
    }
}

impl Prepare for Mastodon {
    fn prepare(_delivery: &str, post: &Post, so_far: Option<&str>) -> Result<Preparation, Error> {
        if let Some(problem) = Limits::fresh()?.problems(post).into_iter().next() {
            return Err(Error::reject(problem.code, problem.message));
        }
        let mut handle = match so_far {
            Some(written) => Handle::read(written)?,
            None => Handle { account: own(&own_account()?), files: Vec::new(), waiting: None, anchor: None },
        };
        if handle.anchor.is_some() {
            return Ok(Preparation::Ready(Some(handle.write())));
        }
        if let Some(waiting) = handle.waiting.take() {
            return digest(handle, waiting, post);
        }
        if let Some(asset) = post.assets.get(handle.files.len()) {
            let (file, digested) = upload(asset)?;
            if digested {
                handle.files.push(file);
                return Ok(again(&handle, post, run::now()));
            }
            handle.waiting = Some((file, 0));
            return Ok(again(&handle, post, run::now() + 1_000));
        }
        // Last, so that as little as possible comes between it and the post.
        handle.anchor = Some(Anchor::drop_here(sound(&handle.account)?)?);
        Ok(Preparation::Ready(Some(handle.write())))
    }
}

/// The account, whose identifier is kept for telling answers from mentions.
fn own_account() -> Result<Value, Error> {
    let account = api::who()?;
    state::set(OWN, own(&account))?;
    Ok(account)
}

fn own(account: &Value) -> String {
    api::text(account, "id").to_owned()
}

fn again(handle: &Handle, post: &Post, not_before: u64) -> Preparation {
    let (done, all) = (handle.files.len(), post.assets.len());
    let message = if handle.waiting.is_some() {
        pick(
            format!("Votre serveur traite le fichier {} sur {all}.", done + 1),
            format!("Your server works on file {} of {all}.", done + 1),
        )
    } else {
        pick(format!("Fichier {done} sur {all} envoyé."), format!("File {done} of {all} sent."))
    };
    Preparation::Again(Pause::new(handle.write(), not_before, message))
}

/// Sends a file. Gives its identifier and whether the server is done with it.
fn upload(asset: &Asset) -> Result<(String, bool), Error> {
    let send = |path: &str| {
        let mut parts = vec![http::part_file("file", asset)];
        if !asset.alt.is_empty() {
            parts.push(http::part("description", asset.alt.as_str()));
        }
        api::answer(api::post(path)?.form(parts).harmless(), true)
    };
    let response = match send("/api/v2/media") {
        Err(failed) if failed.is_missing() => send("/api/v1/media")?,
        other => other?,
    };
    let file: Value = response.json()?;
    match api::text(&file, "id") {
        "" => Err(api::nonsense(true)),
        id => Ok((id.to_owned(), response.status != 202)),
    }
}

/// Looks whether the server is done with a file.
fn digest(mut handle: Handle, (file, looks): (String, u64), post: &Post) -> Result<Preparation, Error> {
    let looks = looks + 1;
    match api::answer(api::get(&format!("/api/v1/media/{}", sound(&file)?))?, true) {
        Ok(response) if response.status == 206 => {
            if looks >= LOOKS {
                let text = pick(
                    "Votre serveur n'arrive pas à traiter un fichier. Essayez avec un fichier plus petit.",
                    "Your server does not get a file done. Try with a smaller file.",
                );
                return Err(Error::reject("file-not-digested", text));
            }
            handle.waiting = Some((file, looks));
            Ok(again(&handle, post, run::now() + looks.min(30) * 2_000))
        }
        Ok(_) => {
            handle.files.push(file);
            Ok(again(&handle, post, run::now()))
        }
        // It forgot the file: send it again, but not for ever.
        Err(failed) if failed.is_missing() && looks < 3 => {
            let Some(asset) = post.assets.get(handle.files.len()) else { return Err(failed.into()) };
            let (id, digested) = upload(asset)?;
            if digested {
                handle.files.push(id);
            } else {
                handle.waiting = Some((id, looks));
            }
            Ok(again(&handle, post, run::now() + 2_000))
        }
        Err(failed) => Err(failed.into()),
    }
}

/// What was prepared, when it is complete.
fn complete(prepared: Option<&str>) -> Result<Option<(Handle, Anchor)>, Error> {
    let handle = prepared.map(Handle::read).transpose()?;
    Ok(handle.and_then(|mut handle| handle.anchor.take().map(|anchor| (handle, anchor))))
}

/// Looks for the post in the account's list.
fn look(delivery: &str, post: &Post, handle: &Handle, anchor: &Anchor) -> Result<Finding, Error> {
    let visibility = visibility(post)?;
    let text = text(post);
    let wanted = Wanted {
        delivery,
        text: &text,
        reply_to: post.reply_to.as_deref(),
        files: handle.files.len(),
        listed: matches!(visibility.as_str(), "public" | "unlisted") || Limits::kept().genuine,
    };
    readback::look(sound(&handle.account)?, anchor, &wanted)
}

impl Publish for Mastodon {
    fn validate(post: &Post) -> Vec<Problem> {
        Limits::kept().problems(post)
    }

    fn publish(delivery: &str, post: &Post, prepared: Option<&str>) -> Result<Outcome, Error> {
        let Some((handle, anchor)) = complete(prepared)? else {
            let text = pick(
                "Ce post n'a pas été préparé avant d'être publié. Signalez-le à l'auteur de Beffroi.",
                "This post was not prepared before it was published. Report it to the author of Beffroi.",
            );
            return Err(Error::reject("not-prepared", text));
        };
        // An earlier attempt may have come through late, after it was looked for. Nothing is sent yet: an error here is harmless.
        if run::attempt() > 1
            && let Finding::Online(receipt) = look(delivery, post, &handle, &anchor)?
        {
            return Ok(Outcome::Online(receipt));
        }
        let visibility = visibility(post)?;
        let mut body = json!({ "status": text(post), "visibility": visibility, "language": language(post)? });
        if !handle.files.is_empty() {
            body["media_ids"] = json!(handle.files);
        }
        if let Some(reply_to) = &post.reply_to {
            body["in_reply_to_id"] = json!(reply_to);
        }
        if let Some(warning) = post.option("warning") {
            body["spoiler_text"] = json!(warning);
        }
        if post.option("sensitive") == Some("true") {
            body["sensitive"] = json!(true);
        }
        let request = api::post("/api/v1/statuses")?.header("idempotency-key", delivery).json(&body);
        let status = match api::answer(request, false) {
            Ok(response) => Status::expected(response.json()?, false)?,
            Err(failed) => return Err(refused(failed, post)),
        };
        readback::claim(delivery, status.id())?;
        if let Some(other) = status.text("visibility").filter(|other| *other != visibility) {
            log::warn(pick(
                format!("Le serveur a publié en « {other} » ce qui devait l'être en « {visibility} »."),
                format!("The server published as `{other}` what should have been `{visibility}`."),
            ));
        }
        Ok(Outcome::Online(Receipt::new(status.id(), status.page())))
    }
}

/// What a refused post means. The server answered, so it is not online.
fn refused(failed: Failed, post: &Post) -> Error {
    if failed.is_missing() && post.reply_to.is_some() {
        let text = pick(
            "Le message auquel répondre n'existe plus. Publiez sans répondre, ou laissez tomber.",
            "The message to answer no longer exists. Post without answering, or drop it.",
        );
        return Error::reject("reply-gone", text);
    }
    failed.into()
}

impl Lookup for Mastodon {
    fn find(delivery: &str, post: &Post, prepared: Option<&str>) -> Result<Finding, Error> {
        match complete(prepared)? {
            Some((handle, anchor)) => look(delivery, post, &handle, &anchor),
            // Nothing is ever sent without a complete preparation.
            None => Ok(Finding::Absent),
        }
    }
}

impl Unpublish for Mastodon {
    fn unpublish(remote_id: &str) -> Result<(), Error> {
        let path = format!("/api/v1/statuses/{}", sound(remote_id)?);
        match api::delete(&path) {
            Ok(()) => return Ok(()),
            Err(failed) if failed.is_missing() || failed.status == 405 => {}
            Err(failed) => return Err(failed.into()),
        }
        // Gone, or a server that does not know how to delete: only the post itself tells.
        match api::read(&path, &[]) {
            Err(failed) if failed.is_missing() => Ok(()),
            Err(failed) => Err(failed.into()),
            Ok(status) => {
                let page = Status::expected(status, true)?.page().unwrap_or_default();
                let text = pick(
                    format!("Votre serveur ne laisse pas les applications retirer un post. Retirez-le vous-même : {page}"),
                    format!("Your server does not let applications take a post down. Take it down yourself: {page}"),
                );
                Err(Error::reject("delete-unsupported", text))
            }
        }
    }
}

/// The figures of a post.
fn figures(status: &Status, samples: &mut Vec<Sample>) {
    let shares = status.count("reblogs_count") + status.count("quotes_count");
    for (name, value) in
        [("likes", status.count("favourites_count")), ("shares", shares), ("replies", status.count("replies_count"))]
    {
        samples.push(Sample::of_post(status.id(), name, value as f64));
    }
}

impl Metrics for Mastodon {
    fn read(remote_ids: &[String]) -> Result<Vec<Sample>, Error> {
        let account = own_account()?;
        let mut samples = Vec::new();
        // A list: a few dozen at most, and sets come with a sort.
        let mut missing: Vec<&str> = Vec::new();
        for id in remote_ids {
            if !missing.contains(&id.as_str()) {
                missing.push(id);
            }
        }
        // The account's own list carries the figures of many posts at once, on every kind of server.
        let mut last: Option<String> = None;
        for _ in 0..2 {
            if missing.is_empty() {
                break;
            }
            let page = readback::page(sound(api::text(&account, "id"))?, last.as_deref())?;
            for status in &page {
                if let Some(at) = missing.iter().position(|id| *id == status.id()) {
                    missing.remove(at);
                    figures(status, &mut samples);
                }
            }
            match page.last() {
                Some(status) if last.as_deref() != Some(status.id()) => last = Some(status.id().to_owned()),
                _ => break,
            }
        }
        for id in missing.into_iter().take(ONE_BY_ONE) {
            match api::read(&format!("/api/v1/statuses/{}", sound(id)?), &[]) {
                Ok(status) => figures(&Status::expected(status, true)?, &mut samples),
                // It was taken down.
                Err(failed) if failed.is_missing() => {}
                Err(failed) => return Err(failed.into()),
            }
        }
        if let Some(followers) = account["followers_count"].as_u64() {
            samples.push(Sample::of_account("followers", followers as f64));
        }
        Ok(samples)
    }
}

impl Inbox for Mastodon {
    fn poll(since: Option<&str>) -> Result<InboxPage, Error> {
        let account = match state::get(OWN).and_then(|id| String::from_utf8(id).ok()) {
            Some(id) => id,
            None => own(&own_account()?),
        };
        let limit = if since.is_some() { NOTIFICATIONS } else { FIRST };
        let asked = limit.to_string();
        let mut values = vec![("types[]", "mention"), ("limit", asked.as_str())];
        // The oldest after it, so that no page is skipped when there are many.
        values.extend(since.map(|id| ("min_id", id)));
        let Value::Array(page) = api::read("/api/v1/notifications", &values)? else { return Err(api::nonsense(true)) };
        let newest = page.first().and_then(|newest| newest["id"].as_str());
        let next = newest.or(since).map(str::to_owned);
        let more = since.is_some() && page.len() >= limit && next.as_deref() != since;
        let messages = page.into_iter().filter_map(|one| message(one, &account)).collect();
        Ok(InboxPage { messages, next, more })
    }
}

fn message(mut one: Value, own: &str) -> Option<Message> {
    let status = Status::of(one["status"].take()).filter(|_| one["type"] == "mention")?;
    let kind = match (status.text("visibility"), status.text("in_reply_to_account_id")) {
        (Some("direct"), _) => "direct",
        (_, Some(answered)) if answered == own => "comment",
        _ => "mention",
    };
    let name = api::text(&one["account"], "acct");
    let author = match api::text(&one["account"], "display_name").trim() {
        "" => format!("@{name}"),
        shown => format!("{shown} (@{name})"),
    };
    Some(Message {
        remote_id: status.id().to_owned(),
        kind: kind.into(),
        author,
        text: words::plain(status.text("content").unwrap_or_default()),
        at: status.at().or_else(|| time::parse(api::text(&one, "created_at")))?,
        in_reply_to: status.text("in_reply_to_id").map(str::to_owned),
        url: status.page(),
        attributes: Vec::new(),
    })
}
