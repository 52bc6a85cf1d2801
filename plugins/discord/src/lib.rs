//! Posts to a Discord channel as a bot, reads the post back when an answer was lost, and brings what people answer.
//!
//! In: posts, and the bot's token, which only the host knows. Out: calls of Discord's API, version 10.
//! Never: pings anybody. A text that looks like a mention stays a text.

mod inbox;
mod posting;
#[cfg(test)]
mod tests;

use beffroi_plugin::loose;
use beffroi_plugin::prelude::*;

/// The plugin.
pub struct Discord;

beffroi_plugin::export!(Discord: publish, prepare, lookup, unpublish, metrics, inbox);

/// Posts whose figures are asked for one by one, when they are too old for the page of recent messages.
const SINGLE_READS: usize = 20;

/// Where a message is: `channel/message`. Receipts and the inbox use it, so that it survives a change of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) channel: u64,
    pub(crate) message: u64,
}

impl Place {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (channel, message) = text.split_once('/')?;
        Some(Self { channel: channel.parse().ok()?, message: message.parse().ok()? })
    }

    pub(crate) fn text(self) -> String {
        format!("{}/{}", self.channel, self.message)
    }
}

/// A number of Discord's. They are too large for JSON's numbers and therefore text.
pub(crate) fn number(value: &Value, pointer: &str) -> Option<u64> {
    loose::text(value, pointer).parse().ok()
}

/// What the owner filled in.
pub(crate) struct Settings {
    pub(crate) channel: u64,
    pub(crate) all_messages: bool,
    service: String,
}

impl Settings {
    pub(crate) fn read() -> Result<Self, Error> {
        let all: Value = settings::get()?;
        let channel = loose::text(&all, "/channel").trim().parse().map_err(|_| {
            Error::reconnect(
                "channel-setting",
                pick(
                    "Le réglage « channel » doit être le numéro du salon : clic droit sur le salon, « Copier l'identifiant ».",
                    "The setting “channel” must be the channel's number: right click on the channel, “Copy channel ID”.",
                ),
            )
        })?;
        let service = loose::text(&all, "/service").trim_end_matches('/').to_owned();
        Ok(Self { channel, all_messages: loose::text(&all, "/inbox") == "all", service })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/api/v10/{path}", self.service)
    }

    /// Reads something.
    pub(crate) fn read_value(&self, path: &str) -> Result<Value, Error> {
        send(http::get(self.url(path)), true)?.json()
    }
}

/// Adds what each request needs. Discord turns away clients that do not say who they are in its own form.
pub(crate) fn send(request: http::Request, harmless: bool) -> Result<http::Response, Error> {
    let request = request
        .credential("token")
        .header("user-agent", concat!("DiscordBot (https://beffroi.example, ", env!("CARGO_PKG_VERSION"), ")"));
    let response = request.send_raw().map_err(|e| http::explain(e, harmless))?;
    if (200..300).contains(&response.status) { Ok(response) } else { Err(refusal(&response)) }
}

/// What a refusal means for the account or for the post.
fn refusal(response: &http::Response) -> Error {
    let body: Value = response.json().unwrap_or_default();
    let said = loose::text(&body, "/message");
    match (response.status, loose::whole(&body, "/code").unwrap_or(0)) {
        (429, _) => {
            // The body is exact to the millisecond; a limit of Discord's outer wall has no such body, only the header.
            let wait = body.pointer("/retry_after").and_then(Value::as_f64).filter(|s| (0.0..1e7).contains(s));
            match wait {
                Some(seconds) => Error::retry_at(
                    "too-many-requests",
                    pick(
                        "Discord demande une pause avant le prochain message.",
                        "Discord asks for a rest before the next message.",
                    ),
                    run::now() + (seconds * 1000.0).ceil() as u64,
                ),
                None => response.error(),
            }
        }
        (401, _) => Error::reconnect(
            "token-refused",
            pick(
                "Discord ne connaît pas ce robot : refaites son jeton, page « Bot » de l'application, et enregistrez-le.",
                "Discord does not know this bot: make a new token on the application's “Bot” page, and store it.",
            ),
        ),
        (403, 50_001 | 50_013) => Error::reconnect(
            "rights-missing",
            pick(
                "Le robot n'a pas les droits dans ce salon : donnez-lui « Voir le salon », « Envoyer des messages », \
                 « Joindre des fichiers » et « Voir les anciens messages ».",
                "The bot has not the rights in this channel: give it “View channel”, “Send messages”, “Attach files” and \
                 “Read message history”.",
            ),
        ),
        (404, 10_003) => Error::reconnect(
            "channel-gone",
            pick(
                "Ce salon n'existe pas, ou le robot n'est pas sur le serveur : vérifiez le réglage « channel ».",
                "There is no such channel, or the bot is not on the server: check the setting “channel”.",
            ),
        ),
        (413, _) | (_, 40_005) => Error::reject(
            "file-too-large",
            pick(
                "Discord refuse cet envoi, trop lourd : réduisez les fichiers, ou le réglage « file-limit ».",
                "Discord refuses this upload as too large: make the files smaller, or the setting “file-limit”.",
            ),
        ),
        (400, code) if code != 0 => {
            let error = Error::reject(
                "discord-refused",
                pick(
                    format!("Discord refuse ce message : {said}. Corrigez-le avant de le renvoyer."),
                    format!("Discord refuses this message: {said}. Mend it before sending it again."),
                ),
            );
            match body.pointer("/errors") {
                Some(errors) => error.with("errors", loose::compact(errors)),
                None => error,
            }
        }
        (404, 10_008) => Error::reject("message-gone", pick("Ce message n'existe plus.", "This message is no longer there.")),
        _ => response.error(),
    }
}

impl Plugin for Discord {
    fn check() -> Result<String, Error> {
        let settings = Settings::read()?;
        let me = settings.read_value("users/@me")?;
        let channel = settings.read_value(&format!("channels/{}", settings.channel))?;
        // 0 text, 5 announcement, 10 to 12 threads; a category, a forum or a voice channel takes no posts of a bot like this.
        if !matches!(loose::whole(&channel, "/type"), Some(0 | 5 | 10 | 11 | 12)) {
            return Err(Error::reconnect(
                "channel-kind",
                pick(
                    "Ce numéro n'est pas celui d'un salon textuel : vérifiez le réglage « channel ».",
                    "This number is not that of a text channel: check the setting “channel”.",
                ),
            ));
        }
        Ok(format!("#{} ({})", loose::text(&channel, "/name"), loose::text(&me, "/username")))
    }
}

impl Unpublish for Discord {
    fn unpublish(remote_id: &str) -> Result<(), Error> {
        let Some(place) = Place::parse(remote_id) else {
            return Err(Error::reject(
                "no-such-post",
                pick(
                    format!("« {remote_id} » n'est pas un message de Discord."),
                    format!("“{remote_id}” is no message of Discord's."),
                ),
            ));
        };
        let settings = Settings::read()?;
        let url = settings.url(&format!("channels/{}/messages/{}", place.channel, place.message));
        match send(http::delete(url).harmless(), true) {
            Ok(_) => Ok(()),
            // Gone already: what was wanted.
            Err(error) if error.code() == "message-gone" => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Metrics for Discord {
    /// Reactions as `likes`, members of the server as `followers`. Discord counts no views.
    fn read(remote_ids: &[String]) -> Result<Vec<Sample>, Error> {
        let settings = Settings::read()?;
        let mut samples = Vec::new();
        let recent = settings.read_value(&format!("channels/{}/messages?limit=100", settings.channel))?;
        let mut single = 0;
        for id in remote_ids {
            let Some(place) = Place::parse(id) else { continue };
            let known = loose::list(&recent, "").iter().find(|message| number(message, "/id") == Some(place.message));
            let fetched;
            let message = match known {
                Some(message) => message,
                None if single < SINGLE_READS => {
                    single += 1;
                    match settings.read_value(&format!("channels/{}/messages/{}", place.channel, place.message)) {
                        Ok(message) => {
                            fetched = message;
                            &fetched
                        }
                        Err(error) if error.code() == "message-gone" => continue,
                        Err(error) => return Err(error),
                    }
                }
                None => continue,
            };
            let likes: i64 =
                loose::list(message, "/reactions").iter().filter_map(|reaction| loose::whole(reaction, "/count")).sum();
            samples.push(Sample::of_post(id, "likes", likes as f64));
        }
        let channel = settings.read_value(&format!("channels/{}", settings.channel))?;
        if let Some(guild) = number(&channel, "/guild_id") {
            let guild = settings.read_value(&format!("guilds/{guild}?with_counts=true"))?;
            if let Some(members) = loose::whole(&guild, "/approximate_member_count") {
                samples.push(Sample::of_account("followers", members as f64));
            }
        }
        Ok(samples)
    }
}
