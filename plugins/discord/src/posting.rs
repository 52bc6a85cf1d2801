//! What a post becomes on Discord, and how to tell afterwards whether it went out.
//!
//! In: a post. Out: one message with a nonce; before it, a note of the newest message, after which the post must be.
//! Never: takes an empty list for proof of absence. A bot that may not read the history sees an empty channel, without an error.

use crate::{Discord, Place, Settings, number, send};
use beffroi_plugin::prelude::*;
use beffroi_plugin::{loose, text};

/// Longest text. Discord counts characters; counting UTF-16 units is never too generous.
const TEXT: usize = 2000;
/// Files in a message.
const FILES: usize = 10;
/// Longest description of a file.
const ALT: usize = 1024;
/// Pages of a hundred messages that a read-back goes through.
const PAGES: usize = 5;

/// What `prepare` notes: the server, for the address of the post, and the newest message that was there before.
struct Before {
    guild: u64,
    last: u64,
}

impl Before {
    fn parse(handle: Option<&str>) -> Option<Self> {
        let (guild, last) = handle?.split_once('/')?;
        Some(Self { guild: guild.parse().ok()?, last: last.parse().ok()? })
    }
}

/// The key by which Discord knows a repetition: at most 25 characters, the same for the same delivery.
///
/// A delivery's name may be longer, so the nonce is the first hundred bits of its FNV-1a hash.
pub(crate) fn nonce(delivery: &str) -> String {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in delivery.bytes() {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    format!("{:025x}", hash >> 28)
}

/// The channel a post goes to: that of the message it answers, or the account's.
fn channel(settings: &Settings, post: &Post) -> u64 {
    post.reply_to.as_deref().and_then(Place::parse).map_or(settings.channel, |place| place.channel)
}

fn receipt(place: Place, guild: u64) -> Receipt {
    let url = (guild > 0).then(|| format!("https://discord.com/channels/{guild}/{}/{}", place.channel, place.message));
    Receipt::new(place.text(), url)
}

/// The message that goes out, without its files.
fn body(delivery: &str, post: &Post) -> Value {
    let mut body = json!({
        "content": text::with_link(&post.text, post.link.as_deref()),
        "nonce": nonce(delivery),
        "enforce_nonce": true,
        "allowed_mentions": { "parse": [] },
    });
    if let Some(place) = post.reply_to.as_deref().and_then(Place::parse) {
        // A message that was deleted meanwhile makes the answer a plain message instead of an error.
        body["message_reference"] = json!({ "message_id": place.message.to_string(), "fail_if_not_exists": false });
    }
    if !post.assets.is_empty() {
        let files = post.assets.iter().enumerate().map(|(index, asset)| {
            let mut file = json!({ "id": index, "filename": filename(index, asset) });
            if !asset.alt.is_empty() {
                file["description"] = json!(text::shorten(&asset.alt, ALT));
            }
            file
        });
        body["attachments"] = Value::Array(files.collect());
    }
    body
}

/// A name whose ending lets Discord show the file in place.
fn filename(index: usize, asset: &Asset) -> String {
    let ending = match asset.media_type.as_str() {
        "image/jpeg" => "jpg",
        "video/quicktime" => "mov",
        other => other.rsplit('/').next().unwrap_or("bin"),
    };
    format!("{}.{ending}", index + 1)
}

impl Publish for Discord {
    fn validate(post: &Post) -> Vec<Problem> {
        let mut problems = Vec::new();
        let length = text::utf16_len(text::with_link(&post.text, post.link.as_deref()).trim());
        if length == 0 && post.assets.is_empty() {
            problems.push(Problem::new("empty", pick("Il n'y a ni texte ni image.", "There is neither text nor picture.")));
        }
        if length > TEXT {
            problems.push(Problem::new(
                "text-too-long",
                pick(
                    format!("Discord accepte {TEXT} caractères ; il y en a {length}. Raccourcissez le texte."),
                    format!("Discord takes {TEXT} characters; there are {length}. Shorten the text."),
                ),
            ));
        }
        if !matches!(post.format.as_str(), "" | "post" | "long") {
            problems.push(Problem::new(
                "format",
                pick("Discord ne publie que des messages.", "Discord publishes nothing but messages."),
            ));
        }
        if post.assets.len() > FILES {
            problems.push(Problem::new(
                "too-many-files",
                pick(
                    format!("Un message Discord porte {FILES} fichiers au plus."),
                    format!("A Discord message carries at most {FILES} files."),
                ),
            ));
        }
        let limit =
            settings::get::<Value>().ok().and_then(|all| loose::whole(&all, "/file-limit")).unwrap_or(10).clamp(1, 100) as u64;
        if post.assets.iter().map(|asset| asset.size).sum::<u64>() > limit << 20 {
            problems.push(Problem::new(
                "file-too-large",
                pick(
                    format!("Les fichiers dépassent {limit} Mio : réduisez-les."),
                    format!("The files are larger than {limit} MiB: make them smaller."),
                ),
            ));
        }
        if post.reply_to.as_deref().is_some_and(|to| Place::parse(to).is_none()) {
            problems.push(Problem::new(
                "reply-to",
                pick(
                    "Le message auquel répondre n'est pas un message de Discord.",
                    "The message to answer is no message of Discord's.",
                ),
            ));
        }
        problems
    }

    fn publish(delivery: &str, post: &Post, prepared: Option<&str>) -> Result<Outcome, Error> {
        if let Some(problem) = Self::validate(post).into_iter().next() {
            return Err(Error::reject(problem.code, problem.message));
        }
        let settings = Settings::read()?;
        let channel = channel(&settings, post);
        let request = http::post(settings.url(&format!("channels/{channel}/messages")));
        let body = body(delivery, post);
        let request = if post.assets.is_empty() {
            request.json(&body)
        } else {
            let files = post.assets.iter().enumerate().map(|(index, asset)| {
                let mut part = http::part_file(format!("files[{index}]"), asset);
                part.filename = Some(filename(index, asset));
                part
            });
            request.form([http::part("payload_json", loose::compact(&body))].into_iter().chain(files))
        };
        let sent: Value = send(request, false)?.json()?;
        let Some(message) = number(&sent, "/id") else {
            return Err(Error::uncertain(
                "no-number",
                pick("Discord a répondu sans donner le numéro du message.", "Discord answered without the message's number."),
            ));
        };
        let guild = Before::parse(prepared).map_or(0, |before| before.guild);
        Ok(Outcome::Online(receipt(Place { channel, message }, guild)))
    }
}

impl Prepare for Discord {
    fn prepare(_delivery: &str, post: &Post, _so_far: Option<&str>) -> Result<Preparation, Error> {
        let settings = Settings::read()?;
        let found = settings.read_value(&format!("channels/{}", channel(&settings, post)))?;
        let guild = number(&found, "/guild_id").unwrap_or(0);
        Ok(Preparation::Ready(Some(format!("{guild}/{}", number(&found, "/last_message_id").unwrap_or(0)))))
    }
}

impl Lookup for Discord {
    fn find(delivery: &str, post: &Post, prepared: Option<&str>) -> Result<Finding, Error> {
        let Some(before) = Before::parse(prepared) else {
            return Ok(Finding::Unsure(pick(
                "Rien ne dit où en était le salon avant l'envoi : regardez si le message y est.",
                "There is no note of what was in the channel before: look whether the message is there.",
            )));
        };
        let settings = Settings::read()?;
        let channel = channel(&settings, post);
        let me = number(&settings.read_value("users/@me")?, "/id");
        let content = text::with_link(&post.text, post.link.as_deref());
        let nonce = nonce(delivery);
        let mut oldest: Option<u64> = None;
        for _ in 0..PAGES {
            let before_it = oldest.map_or(String::new(), |id| format!("&before={id}"));
            let page = settings.read_value(&format!("channels/{channel}/messages?limit=100{before_it}"))?;
            let page = loose::list(&page, "");
            for message in page {
                let Some(id) = number(message, "/id").filter(|id| *id > before.last) else { continue };
                // Read back, a message seldom has its nonce; then it is ours, after the note, and says the same.
                let same = loose::text(message, "/nonce") == nonce
                    || number(message, "/author/id") == me
                        && loose::text(message, "/content").trim() == content.trim()
                        && loose::list(message, "/attachments").len() == post.assets.len();
                if same {
                    return Ok(Finding::Online(receipt(Place { channel, message: id }, before.guild)));
                }
            }
            match page.iter().filter_map(|message| number(message, "/id")).min() {
                None if oldest.is_none() => {
                    return Ok(Finding::Unsure(pick(
                        "Discord ne montre rien de ce salon. Donnez au robot « Voir les anciens messages », ou regardez \
                         si le message y est.",
                        "Discord shows nothing of this channel. Give the bot “Read message history”, or look whether the \
                         message is there.",
                    )));
                }
                None => return Ok(Finding::Absent),
                Some(id) if id <= before.last || page.len() < 100 => return Ok(Finding::Absent),
                Some(id) => oldest = Some(id),
            }
        }
        Ok(Finding::Unsure(pick(
            "Trop de messages sont arrivés dans ce salon depuis : regardez si le vôtre y est.",
            "Too many messages have come into this channel since: look whether yours is there.",
        )))
    }
}
