//! What people write to the bot: direct messages, comments under posts, mentions.
//!
//! In: the bot's updates. Out: messages, and the number of the next update as cursor.
//! Never: confirms an update before the host has kept it: Telegram forgets an update only when the next read names a later
//! one, and that read happens after the page was committed.

use crate::{Place, Settings, Telegram, address, ask};
use beffroi_plugin::loose;
use beffroi_plugin::prelude::*;

/// Updates per page, the most that Telegram gives.
const PAGE: usize = 100;

impl Inbox for Telegram {
    fn poll(since: Option<&str>) -> Result<InboxPage, Error> {
        let settings = Settings::read()?;
        let me = ask(settings.method("getMe"))?;
        let chat = ask(settings.method("getChat").json(&json!({ "chat_id": settings.chat })))?;
        let ours: Vec<i64> = ["/id", "/linked_chat_id"].iter().filter_map(|at| loose::whole(&chat, at)).collect();
        let mut wanted = json!({ "limit": PAGE, "timeout": 0, "allowed_updates": ["message"] });
        if let Some(offset) = since.and_then(|since| since.parse::<i64>().ok()) {
            wanted["offset"] = json!(offset);
        }
        let updates = ask(settings.method("getUpdates").json(&wanted))?;
        let updates = loose::list(&updates, "");
        let last = updates.iter().filter_map(|update| loose::whole(update, "/update_id")).max();
        Ok(InboxPage {
            messages: updates.iter().filter_map(|update| message(update.get("message")?, &me, &ours)).collect(),
            next: last.map(|id| (id + 1).to_string()).or_else(|| since.map(str::to_owned)),
            more: updates.len() >= PAGE,
        })
    }
}

/// One message, if it is meant for the firm: written to the bot, or in the chat of this account or its discussion group.
fn message(message: &Value, me: &Value, ours: &[i64]) -> Option<Message> {
    let place = Place::of(message)?;
    let private = loose::text(message, "/chat/type") == "private";
    // Posts of the channel itself come back into its discussion group: they are no answers.
    if loose::truth(message, "/from/is_bot")
        || loose::truth(message, "/is_automatic_forward")
        || !(private || ours.contains(&place.chat))
    {
        return None;
    }
    let text = loose::some_text(message, "/text").or_else(|| loose::some_text(message, "/caption"))?;
    let name = loose::text(me, "/username").to_ascii_lowercase();
    let kind = if private {
        "direct"
    } else if !name.is_empty() && text.to_ascii_lowercase().contains(&format!("@{name}")) {
        "mention"
    } else {
        "comment"
    };
    Some(Message {
        remote_id: place.text(),
        kind: kind.into(),
        author: author(message),
        text,
        at: u64::try_from(loose::whole(message, "/date")?).ok()? * 1000,
        in_reply_to: message.get("reply_to_message").and_then(answered),
        url: address(message),
        attributes: Vec::new(),
    })
}

/// The name to show: that of a person, or of the channel or group that speaks as itself.
fn author(message: &Value) -> String {
    let from = if message.get("sender_chat").is_some() { "/sender_chat" } else { "/from" };
    if let Some(name) = loose::some_text(message, &format!("{from}/username")) {
        return format!("@{name}");
    }
    let parts = ["title", "first_name", "last_name"].map(|part| loose::text(message, &format!("{from}/{part}")));
    parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// What a message answers: a post of the channel by its place in the channel, not by that of its copy in the group.
fn answered(message: &Value) -> Option<String> {
    if loose::truth(message, "/is_automatic_forward") {
        let origin = loose::whole(message, "/forward_origin/chat/id").zip(loose::whole(message, "/forward_origin/message_id"));
        let older = loose::whole(message, "/forward_from_chat/id").zip(loose::whole(message, "/forward_from_message_id"));
        if let Some((chat, message)) = origin.or(older) {
            return Some(Place { chat, message }.text());
        }
    }
    Place::of(message).map(Place::text)
}
