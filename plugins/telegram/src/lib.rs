//! Posts to a Telegram channel or group with a bot, reads what people answer, and counts subscribers.
//!
//! In: posts, and the bot's token, which only the host knows. Out: calls of the Bot API.
//! Never: claims to know whether a post without an answer went out. A bot is not told of its own posts and cannot read a
//! channel's history, so there is no `lookup`, and the owner is asked.

mod inbox;
mod posting;
#[cfg(test)]
mod tests;

use beffroi_plugin::loose;
use beffroi_plugin::prelude::*;

/// The plugin.
pub struct Telegram;

beffroi_plugin::export!(Telegram: publish, unpublish, metrics, inbox);

/// Where a message is: `-1001234:56`. What receipts and the inbox use as identifier, so that it survives a change of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) chat: i64,
    pub(crate) message: i64,
}

impl Place {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (chat, message) = text.split_once(':')?;
        Some(Self { chat: chat.parse().ok()?, message: message.parse().ok().filter(|id| *id > 0)? })
    }

    /// The place of a message as the Bot API gives it.
    pub(crate) fn of(message: &Value) -> Option<Self> {
        Some(Self { chat: loose::whole(message, "/chat/id")?, message: loose::whole(message, "/message_id")? })
    }

    pub(crate) fn text(self) -> String {
        format!("{}:{}", self.chat, self.message)
    }
}

/// The address a person can open, where there is one: by name for public chats, by number for supergroups and channels.
pub(crate) fn address(message: &Value) -> Option<String> {
    let place = Place::of(message)?;
    if let Some(name) = loose::some_text(message, "/chat/username") {
        return matches!(loose::text(message, "/chat/type").as_str(), "channel" | "supergroup")
            .then(|| format!("https://t.me/{name}/{}", place.message));
    }
    let number = place.chat.to_string();
    number.strip_prefix("-100").map(|inner| format!("https://t.me/c/{inner}/{}", place.message))
}

/// What the owner filled in.
pub(crate) struct Settings {
    pub(crate) chat: String,
    pub(crate) silent: bool,
    pub(crate) preview: bool,
    service: String,
}

impl Settings {
    pub(crate) fn read() -> Result<Self, Error> {
        let all: Value = settings::get()?;
        let chat = loose::text(&all, "/chat").trim().to_owned();
        let named = chat.strip_prefix('@').is_some_and(|name| !name.is_empty());
        if !named && chat.parse::<i64>().is_err() {
            return Err(Error::reconnect(
                "chat-setting",
                pick(
                    "Le réglage « chat » doit être un nom comme @boulangerie, ou un numéro comme -1001234567890.",
                    "The setting “chat” must be a name such as @bakery, or a number such as -1001234567890.",
                ),
            ));
        }
        let service = loose::text(&all, "/service").trim_end_matches('/').to_owned();
        Ok(Self { chat, silent: loose::truth(&all, "/silent"), preview: loose::truth(&all, "/preview"), service })
    }

    /// A request for one method. The host puts the token where the placeholder stands.
    pub(crate) fn method(&self, name: &str) -> http::Request {
        http::post(format!("{}/bot{{token}}/{name}", self.service)).credential("token")
    }
}

/// Sends a request that changes nothing that a repetition would double, and gives its result.
pub(crate) fn ask(request: http::Request) -> Result<Value, Error> {
    answer(request.harmless(), false)
}

/// Sends a request that puts something online. An answer that cannot be read leaves it open whether it did.
pub(crate) fn post(request: http::Request) -> Result<Value, Error> {
    answer(request, true)
}

fn answer(request: http::Request, posting: bool) -> Result<Value, Error> {
    let response = request.send_raw().map_err(|e| http::explain(e, !posting))?;
    let status = response.status;
    match response.json::<Value>() {
        Ok(mut body) if loose::truth(&body, "/ok") && body.get("result").is_some() => Ok(body["result"].take()),
        Ok(body) if body.get("ok").is_some() && (400..500).contains(&status) => Err(refusal(status, &body)),
        _ if status >= 300 => Err(response.error()),
        _ if posting => Err(Error::uncertain(
            "answer-unreadable",
            pick(
                "La réponse de Telegram est illisible : le message est peut-être en ligne. Regardez le canal.",
                "Telegram's answer cannot be read: the message may be online. Look at the channel.",
            ),
        )),
        _ => Err(Error::retry(
            "answer-unreadable",
            pick("La réponse de Telegram est illisible.", "Telegram's answer cannot be read."),
        )),
    }
}

/// What a refusal means for the account or for the post. A refusal in Telegram's own form says that nothing went out.
fn refusal(status: u16, body: &Value) -> Error {
    let said = loose::text(body, "/description");
    let lower = said.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if let Some(seconds) = loose::whole(body, "/parameters/retry_after") {
        let not_before = run::now() + u64::try_from(seconds).unwrap_or(0) * 1000;
        return Error::retry_at(
            "too-many-requests",
            pick("Telegram demande une pause avant le prochain message.", "Telegram asks for a rest before the next message."),
            not_before,
        );
    }
    if let Some(chat) = loose::whole(body, "/parameters/migrate_to_chat_id") {
        return Error::reconnect(
            "chat-migrated",
            pick(
                format!("Le groupe est devenu un supergroupe : mettez {chat} dans le réglage « chat »."),
                format!("The group has become a supergroup: put {chat} into the setting “chat”."),
            ),
        );
    }
    match status {
        429 => Error::retry("too-many-requests", pick("Telegram demande une pause.", "Telegram asks for a rest.")),
        401 | 404 => Error::reconnect(
            "token-refused",
            pick(
                "Telegram ne connaît pas ce robot : redemandez son jeton à @BotFather.",
                "Telegram does not know this bot: ask @BotFather for its token again.",
            ),
        ),
        409 if has(&["webhook"]) => Error::reject(
            "webhook-set",
            pick(
                "Un webhook est posé sur ce robot : ses messages partent ailleurs. Retirez-le (deleteWebhook), ou prenez \
                 un autre robot.",
                "A webhook is set on this bot: its messages go elsewhere. Remove it (deleteWebhook), or use another bot.",
            ),
        ),
        409 => Error::retry(
            "other-reader",
            pick("Un autre programme lit les messages de ce robot.", "Another program is reading this bot's messages."),
        ),
        403 => Error::reconnect(
            "bot-shut-out",
            pick(
                format!("Le robot n'a plus accès à la conversation : ajoutez-le comme administrateur. Telegram dit : {said}"),
                format!("The bot has no access to the chat any more: add it as administrator. Telegram says: {said}"),
            ),
        ),
        _ if has(&[
            "chat not found",
            "chat_write_forbidden",
            "not enough rights",
            "need administrator rights",
            "have no rights",
        ]) =>
        {
            Error::reconnect(
                "chat-closed",
                pick(
                    format!(
                        "Le robot ne peut pas publier là : vérifiez le réglage « chat », et que le robot y est \
                         administrateur. Telegram dit : {said}"
                    ),
                    format!(
                        "The bot cannot post there: check the setting “chat”, and that the bot is an administrator. \
                         Telegram says: {said}"
                    ),
                ),
            )
        }
        413 => Error::reject(
            "file-too-large",
            pick("Le fichier est trop lourd pour Telegram.", "The file is too large for Telegram."),
        ),
        _ => Error::reject(
            "telegram-refused",
            pick(
                format!("Telegram refuse ce message : {said}. Corrigez-le avant de le renvoyer."),
                format!("Telegram refuses this message: {said}. Mend it before sending it again."),
            ),
        ),
    }
}

impl Plugin for Telegram {
    fn check() -> Result<String, Error> {
        let settings = Settings::read()?;
        let me = ask(settings.method("getMe"))?;
        let chat = ask(settings.method("getChat").json(&json!({ "chat_id": settings.chat })))?;
        if loose::text(&chat, "/type") == "channel" {
            let (Some(chat_id), Some(bot)) = (loose::whole(&chat, "/id"), loose::whole(&me, "/id")) else {
                return Err(Error::internal("no-identifier", "Telegram gave a chat or a bot without a number."));
            };
            let member = ask(settings.method("getChatMember").json(&json!({ "chat_id": chat_id, "user_id": bot })))?;
            let status = loose::text(&member, "/status");
            if status != "creator" && !loose::truth(&member, "/can_post_messages") {
                return Err(Error::reconnect(
                    "not-administrator",
                    pick(
                        "Le robot n'a pas le droit de publier dans ce canal : ajoutez-le comme administrateur, avec \
                         « Publier des messages ».",
                        "The bot may not post in this channel: add it as administrator, with “Post messages”.",
                    ),
                ));
            }
        }
        let title = loose::some_text(&chat, "/title").unwrap_or(settings.chat);
        Ok(format!("{title} (@{})", loose::text(&me, "/username")))
    }
}

impl Unpublish for Telegram {
    fn unpublish(remote_id: &str) -> Result<(), Error> {
        let Some(first) = Place::parse(remote_id) else {
            return Err(Error::reject(
                "no-such-post",
                pick(
                    format!("« {remote_id} » n'est pas un message de Telegram."),
                    format!("“{remote_id}” is no message of Telegram's."),
                ),
            ));
        };
        let settings = Settings::read()?;
        let album: Value = state::get_json(&posting::album_key(first))?.unwrap_or_default();
        let album: Vec<i64> = loose::list(&album, "").iter().filter_map(Value::as_i64).collect();
        for message in [first.message].into_iter().chain(album) {
            let request = settings.method("deleteMessage").json(&json!({ "chat_id": first.chat, "message_id": message }));
            match ask(request) {
                Ok(_) => {}
                // Gone already: what was wanted.
                Err(Error::Reject(failure)) if failure.message.contains("message to delete not found") => {}
                Err(Error::Reject(failure)) if failure.message.contains("can't be deleted") => {
                    return Err(Error::reject(
                        "too-old-to-delete",
                        pick(
                            "Telegram ne laisse plus le robot retirer ce message : donnez-lui le droit de supprimer, ou \
                             retirez-le à la main.",
                            "Telegram does not let the bot remove this message any more: give it the right to delete, or \
                             remove it by hand.",
                        ),
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        state::remove(&posting::album_key(first));
        Ok(())
    }
}

impl Metrics for Telegram {
    /// Subscribers only: the Bot API shows neither views nor reactions counts of a channel's posts.
    fn read(_remote_ids: &[String]) -> Result<Vec<Sample>, Error> {
        let settings = Settings::read()?;
        let count = ask(settings.method("getChatMemberCount").json(&json!({ "chat_id": settings.chat })))?;
        Ok(count.as_i64().map(|value| Sample::of_account("followers", value as f64)).into_iter().collect())
    }
}
