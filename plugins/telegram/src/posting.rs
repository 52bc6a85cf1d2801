//! What a post becomes on Telegram: a message, a picture or film with a caption, or an album.
//!
//! In: a post. Out: one request, and the proof out of its answer.
//! Never: shortens a text or drops a file; what does not fit is a problem for the owner.

use crate::{Place, Settings, Telegram, address, post};
use beffroi_plugin::prelude::*;
use beffroi_plugin::{loose, text};

/// Longest text, and longest caption of a picture, as Telegram counts after markup.
const TEXT: usize = 4096;
const CAPTION: usize = 1024;
/// Files in an album.
const ALBUM: usize = 10;

/// How a file goes to Telegram: the method, the field, the largest size in MiB.
struct Way {
    method: &'static str,
    field: &'static str,
    megabytes: u64,
}

fn way(asset: &Asset) -> Option<Way> {
    match asset.media_type.as_str() {
        "image/jpeg" | "image/png" | "image/webp" => Some(Way { method: "sendPhoto", field: "photo", megabytes: 10 }),
        "image/gif" => Some(Way { method: "sendAnimation", field: "animation", megabytes: 50 }),
        "video/mp4" => Some(Way { method: "sendVideo", field: "video", megabytes: 50 }),
        _ => None,
    }
}

/// The text as it goes out, whether it is HTML, and its length as Telegram counts it.
fn words(post: &Post) -> (String, bool, usize) {
    match (post.option("link-text").map(str::trim).filter(|label| !label.is_empty()), &post.link) {
        (Some(label), Some(link)) => {
            let gap = if post.text.trim().is_empty() { "" } else { "\n\n" };
            let html = format!(
                "{}{gap}<a href=\"{}\">{}</a>",
                text::escape_html(post.text.trim_end()),
                text::escape_html(link),
                text::escape_html(label)
            );
            let length = text::utf16_len(post.text.trim_end()) + gap.len() + text::utf16_len(label);
            (html, true, length)
        }
        _ => {
            let plain = text::with_link(&post.text, post.link.as_deref());
            let length = text::utf16_len(plain.trim());
            (plain, false, length)
        }
    }
}

/// Where the rest of an album is kept, so that taking it down takes all of it.
pub(crate) fn album_key(first: Place) -> String {
    format!("album:{}", first.text())
}

impl Publish for Telegram {
    fn validate(post: &Post) -> Vec<Problem> {
        let mut problems = Vec::new();
        let (_, _, length) = words(post);
        if length == 0 && post.assets.is_empty() {
            problems.push(Problem::new("empty", pick("Il n'y a ni texte ni image.", "There is neither text nor picture.")));
        }
        let limit = if post.assets.is_empty() { TEXT } else { CAPTION };
        if length > limit {
            problems.push(Problem::new(
                "text-too-long",
                pick(
                    format!("Telegram accepte {limit} caractères ici ; il y en a {length}. Raccourcissez le texte."),
                    format!("Telegram takes {limit} characters here; there are {length}. Shorten the text."),
                ),
            ));
        }
        if !matches!(post.format.as_str(), "" | "post" | "long") {
            problems.push(Problem::new(
                "format",
                pick("Un robot Telegram ne publie que des messages.", "A Telegram bot publishes nothing but messages."),
            ));
        }
        if post.assets.len() > ALBUM {
            problems.push(Problem::new(
                "too-many-files",
                pick(
                    format!("Un album Telegram a {ALBUM} fichiers au plus."),
                    format!("A Telegram album has at most {ALBUM} files."),
                ),
            ));
        }
        for asset in &post.assets {
            match way(asset) {
                None => problems.push(Problem::new(
                    "file-type",
                    pick(
                        format!("Telegram ne montre pas de fichier {} : prenez JPEG, PNG, WebP, GIF ou MP4.", asset.media_type),
                        format!("Telegram shows no {} file: take JPEG, PNG, WebP, GIF or MP4.", asset.media_type),
                    ),
                )),
                Some(way) => {
                    if asset.size > way.megabytes << 20 {
                        problems.push(Problem::new(
                            "file-too-large",
                            pick(
                                format!("Ce fichier dépasse {} Mio : réduisez-le.", way.megabytes),
                                format!("This file is larger than {} MiB: make it smaller.", way.megabytes),
                            ),
                        ));
                    }
                    if way.method == "sendAnimation" && post.assets.len() > 1 {
                        problems.push(Problem::new(
                            "animation-in-album",
                            pick(
                                "Un GIF ne va pas dans un album : publiez-le seul.",
                                "A GIF cannot be part of an album: post it alone.",
                            ),
                        ));
                    }
                    if let (Some((width, height)), "photo") = (asset.dimensions, way.field)
                        && (u64::from(width) + u64::from(height) > 10_000 || width.max(height) > 20 * width.min(height).max(1))
                    {
                        problems.push(Problem::new(
                            "picture-shape",
                            pick(
                                "Telegram refuse les images de plus de 10 000 pixels en tout (largeur et hauteur) ou \
                                 vingt fois plus longues que larges.",
                                "Telegram refuses pictures of more than 10,000 pixels (width and height together) or \
                                 twenty times as long as wide.",
                            ),
                        ));
                    }
                }
            }
        }
        if post.reply_to.as_deref().is_some_and(|to| Place::parse(to).is_none()) {
            problems.push(Problem::new(
                "reply-to",
                pick(
                    "Le message auquel répondre n'est pas un message de Telegram.",
                    "The message to answer is no message of Telegram's.",
                ),
            ));
        }
        problems
    }

    fn publish(_delivery: &str, wanted: &Post, _prepared: Option<&str>) -> Result<Outcome, Error> {
        if let Some(problem) = Self::validate(wanted).into_iter().next() {
            return Err(Error::reject(&problem.code, problem.message));
        }
        let settings = Settings::read()?;
        let sent = post(request(&settings, wanted))?;
        let messages: Vec<Value> = match sent {
            Value::Array(messages) => messages,
            message => vec![message],
        };
        let places: Vec<Place> = messages.iter().filter_map(Place::of).collect();
        let Some(first) = places.first() else {
            return Err(Error::uncertain(
                "no-number",
                pick("Telegram a répondu sans donner le numéro du message.", "Telegram answered without the message's number."),
            ));
        };
        if places.len() > 1 {
            let rest: Vec<i64> = places[1..].iter().map(|place| place.message).collect();
            // The post is online: a full store may not turn that into a failure.
            let _ = state::set_json(&album_key(*first), &rest);
        }
        Ok(Outcome::Online(Receipt { remote_id: first.text(), url: address(&messages[0]) }))
    }
}

/// The one request that puts a post online.
fn request(settings: &Settings, post: &Post) -> http::Request {
    let (words, html, _) = words(post);
    let reply = post.reply_to.as_deref().and_then(Place::parse);
    // An answer goes where the message is that it answers: comments of a channel live in its discussion group.
    let chat = reply.map_or_else(|| settings.chat.clone(), |place| place.chat.to_string());
    let reply = reply.map(|place| json!({ "message_id": place.message }));
    match post.assets.as_slice() {
        [] => {
            let mut body = json!({
                "chat_id": chat,
                "text": words,
                "disable_notification": settings.silent,
                "link_preview_options": { "is_disabled": !settings.preview },
            });
            if let (Some(link), true) = (&post.link, settings.preview) {
                body["link_preview_options"]["url"] = json!(link);
            }
            if html {
                body["parse_mode"] = json!("HTML");
            }
            if let Some(reply) = reply {
                body["reply_parameters"] = reply;
            }
            settings.method("sendMessage").json(&body)
        }
        [asset] => {
            // `validate` has let through only files that have a way.
            let way = way(asset).unwrap_or(Way { method: "sendDocument", field: "document", megabytes: 50 });
            let mut parts = vec![
                http::part("chat_id", &chat),
                http::part("disable_notification", if settings.silent { "true" } else { "false" }),
            ];
            if !words.trim().is_empty() {
                parts.push(http::part("caption", words.as_str()));
            }
            if html {
                parts.push(http::part("parse_mode", "HTML"));
            }
            if let Some(reply) = reply {
                parts.push(http::part("reply_parameters", loose::compact(&reply)));
            }
            parts.push(http::part_file(way.field, asset));
            settings.method(way.method).form(parts)
        }
        assets => {
            let media: Vec<Value> = assets
                .iter()
                .enumerate()
                .map(|(index, asset)| {
                    let kind = if asset.media_type.starts_with("video/") { "video" } else { "photo" };
                    let mut entry = json!({ "type": kind, "media": format!("attach://file{index}") });
                    // An album shows the caption of its first file, if no other has one.
                    if index == 0 && !words.trim().is_empty() {
                        entry["caption"] = json!(words);
                        if html {
                            entry["parse_mode"] = json!("HTML");
                        }
                    }
                    entry
                })
                .collect();
            let mut parts = vec![
                http::part("chat_id", &chat),
                http::part("disable_notification", if settings.silent { "true" } else { "false" }),
                http::part("media", loose::compact(&Value::from(media))),
            ];
            if let Some(reply) = reply {
                parts.push(http::part("reply_parameters", loose::compact(&reply)));
            }
            parts.extend(assets.iter().enumerate().map(|(index, asset)| http::part_file(format!("file{index}"), asset)));
            settings.method("sendMediaGroup").form(parts)
        }
    }
}
