//! What people write in the channel: answers to the bot's posts, mentions, or everything.
//!
//! In: the messages after the cursor. Out: those that people wrote, and the number of the newest as cursor.
//! Never: messages of bots and webhooks, or those without a text: without the “Message Content” intent, Discord empties them.

use crate::{Discord, Place, Settings, number};
use beffroi_plugin::loose;
use beffroi_plugin::prelude::*;

/// Messages per page, the most that Discord gives, and at a first read.
const PAGE: usize = 100;
const FIRST: usize = 50;

impl Inbox for Discord {
    fn poll(since: Option<&str>) -> Result<InboxPage, Error> {
        let settings = Settings::read()?;
        let since: Option<u64> = since.and_then(|since| since.parse().ok());
        let me = number(&settings.read_value("users/@me")?, "/id").unwrap_or(0);
        let range = since.map_or_else(|| format!("limit={FIRST}"), |after| format!("limit={PAGE}&after={after}"));
        let page = settings.read_value(&format!("channels/{}/messages?{range}", settings.channel))?;
        let page = loose::list(&page, "");
        let empty = page.iter().filter(|message| by_a_person(message) && loose::text(message, "/content").is_empty()).count();
        if empty > 0 {
            log::info(pick(
                format!("{empty} messages sans texte : activez « Message Content Intent » pour que Discord les montre."),
                format!("{empty} messages without text: switch on the “Message Content Intent” for Discord to show them."),
            ));
        }
        let mut messages: Vec<Message> = page.iter().filter_map(|message| read(message, &settings, me)).collect();
        // Discord gives the newest first.
        messages.reverse();
        let newest = page.iter().filter_map(|message| number(message, "/id")).max().max(since);
        Ok(InboxPage { messages, next: newest.map(|id| id.to_string()), more: since.is_some() && page.len() >= PAGE })
    }
}

/// Whether a person wrote it: 0 is a message, 19 an answer; the rest are notices such as « joined the server ».
fn by_a_person(message: &Value) -> bool {
    !loose::truth(message, "/author/bot")
        && message.get("webhook_id").is_none_or(Value::is_null)
        && matches!(loose::whole(message, "/type"), Some(0 | 19))
}

fn read(message: &Value, settings: &Settings, me: u64) -> Option<Message> {
    if !by_a_person(message) {
        return None;
    }
    let text = loose::some_text(message, "/content")?;
    let answers_us = number(message, "/referenced_message/author/id") == Some(me);
    let names_us = loose::list(message, "/mentions").iter().any(|person| number(person, "/id") == Some(me));
    if !(answers_us || names_us || settings.all_messages) {
        return None;
    }
    let channel = number(message, "/channel_id").unwrap_or(settings.channel);
    let author = loose::some_text(message, "/author/global_name").unwrap_or_else(|| loose::text(message, "/author/username"));
    Some(Message {
        remote_id: Place { channel, message: number(message, "/id")? }.text(),
        kind: if names_us && !answers_us { "mention" } else { "comment" }.into(),
        author,
        text,
        at: time::parse(&loose::text(message, "/timestamp"))?,
        in_reply_to: number(message, "/message_reference/message_id").map(|answered| {
            Place { channel: number(message, "/message_reference/channel_id").unwrap_or(channel), message: answered }.text()
        }),
        url: None,
        attributes: Vec::new(),
    })
}
