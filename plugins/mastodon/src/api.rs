//! Calls to the account's server with its token, and the shapes of what it answers.
//!
//! In: a path and values. Out: an answer, or the status and what a refusal means for the daemon.
//! Never: trusts a status alone; servers that only resemble Mastodon answer in HTML, with 422 for a bad token and with 404
//! for what they cannot do.

use beffroi_plugin::prelude::*;
use serde::de::DeserializeOwned;

/// What the owner filled in.
#[derive(Deserialize)]
pub(crate) struct Settings {
    /// The server's address.
    pub(crate) server: String,
    /// Who sees the posts.
    pub(crate) visibility: Option<String>,
    /// ISO 639.
    pub(crate) language: Option<String>,
}

impl Settings {
    /// Reads them.
    pub(crate) fn get() -> Result<Self, Error> {
        let mut settings: Self = settings::get()?;
        settings.server.truncate(settings.server.trim_end_matches('/').len());
        Ok(settings)
    }

    /// The server without its scheme.
    pub(crate) fn host(&self) -> &str {
        self.server.split_once("://").map_or(self.server.as_str(), |(_, host)| host)
    }
}

/// The account that the token is for.
#[derive(Deserialize)]
pub(crate) struct Account {
    /// The server's identifier.
    pub(crate) id: String,
    /// `name`, or `name@server` when it lives elsewhere.
    pub(crate) acct: String,
    /// The name shown; may be empty.
    #[serde(default)]
    pub(crate) display_name: String,
    /// How many follow it.
    pub(crate) followers_count: Option<u64>,
}

/// A post as servers give it. What some of them leave out has a default.
#[derive(Deserialize)]
pub(crate) struct Status {
    /// The server's identifier.
    pub(crate) id: String,
    /// Where people see it.
    pub(crate) url: Option<String>,
    /// Its name in the fediverse, mostly the same.
    pub(crate) uri: Option<String>,
    #[serde(default)]
    pub(crate) created_at: String,
    /// HTML.
    #[serde(default)]
    pub(crate) content: String,
    /// What was sent, to the letter; few servers say.
    pub(crate) text: Option<String>,
    pub(crate) visibility: Option<String>,
    pub(crate) in_reply_to_id: Option<String>,
    pub(crate) in_reply_to_account_id: Option<String>,
    #[serde(default)]
    pub(crate) media_attachments: Vec<Attached>,
    #[serde(default)]
    pub(crate) favourites_count: u64,
    #[serde(default)]
    pub(crate) reblogs_count: u64,
    #[serde(default)]
    pub(crate) quotes_count: u64,
    #[serde(default)]
    pub(crate) replies_count: u64,
}

impl Status {
    /// Where people see it.
    pub(crate) fn page(&self) -> Option<String> {
        self.url.clone().or_else(|| self.uri.clone())
    }
}

/// A picture or film of a post; only how many there are matters.
#[derive(Deserialize)]
pub(crate) struct Attached {}

/// What a call came to when there is no answer to use.
#[derive(Debug)]
pub(crate) struct Failed {
    /// 0 when there was no answer at all.
    pub(crate) status: u16,
    /// What it means for the daemon.
    pub(crate) error: Error,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { status: 0, error }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

impl Failed {
    /// Whether the server says that there is no such thing.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.status, 404 | 410)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Refusal {
    error: String,
    error_description: String,
}

const WHO: &str = "/api/v1/accounts/verify_credentials";

/// A request to read from the account's server.
pub(crate) fn get(path: &str) -> Result<http::Request, Error> {
    Ok(http::get(format!("{}{path}", Settings::get()?.server)))
}

/// A request to write.
pub(crate) fn post(path: &str) -> Result<http::Request, Error> {
    Ok(http::post(format!("{}{path}", Settings::get()?.server)))
}

/// Reads.
pub(crate) fn read<T: DeserializeOwned>(path: &str, values: &[(&str, &str)]) -> Result<T, Failed> {
    let request = values.iter().fold(get(path)?, |request, (name, value)| request.query(name, value));
    Ok(answer(request, true)?.json()?)
}

/// Removes; what is gone already stays gone.
pub(crate) fn delete(path: &str) -> Result<(), Failed> {
    answer(http::delete(format!("{}{path}", Settings::get()?.server)).harmless(), true).map(drop)
}

/// Whose token it is.
pub(crate) fn who() -> Result<Account, Failed> {
    read(WHO, &[])
}

/// Sends a request. `harmless` says that it may be repeated.
pub(crate) fn answer(request: http::Request, harmless: bool) -> Result<http::Response, Failed> {
    let response = request.credential("token").send_raw().map_err(|cause| http::explain(cause, harmless))?;
    if (200..300).contains(&response.status) {
        return Ok(response);
    }
    let said: Refusal = serde_json::from_slice(&response.body).unwrap_or_default();
    let silent = said.error.is_empty();
    if response.status == 422 && silent && !token_works()? {
        return Err(Failed { status: 422, error: reconnect() });
    }
    Err(Failed { status: response.status, error: meaning(&response, &said) })
}

/// Whether the token is good, asked when a refusal says nothing: some servers answer 422 for a bad token.
fn token_works() -> Result<bool, Error> {
    let response = get(WHO)?.credential("token").send_raw().map_err(|cause| http::explain(cause, true))?;
    match response.status {
        200..300 => Ok(true),
        401 | 403 | 422 => Ok(false),
        _ => Err(response.error()),
    }
}

fn reconnect() -> Error {
    let text = pick(
        "Votre serveur refuse le jeton d'accès. Créez-en un nouveau (Préférences, Développement) et reconnectez le compte.",
        "Your server refuses the access token. Make a new one (Preferences, Development) and reconnect the account.",
    );
    Error::reconnect("token-refused", text)
}

fn meaning(response: &http::Response, said: &Refusal) -> Error {
    let sentence = if said.error_description.is_empty() { &said.error } else { &said.error_description };
    let sentence = sentence.trim_end_matches('.');
    match response.status {
        401 => reconnect(),
        403 if !sentence.is_empty() => {
            let text = pick(
                format!(
                    "Votre serveur n'autorise pas cela : {sentence}. Vérifiez le compte et les droits du jeton, puis reconnectez-le."
                ),
                format!(
                    "Your server does not allow this: {sentence}. Check the account and the token's scopes, then reconnect it."
                ),
            );
            Error::reconnect("not-allowed-there", text)
        }
        400 | 422 if !sentence.is_empty() => {
            let text = pick(
                format!("Votre serveur refuse ce post : {sentence}. Corrigez-le et planifiez-le de nouveau."),
                format!("Your server refuses this post: {sentence}. Correct it and plan it again."),
            );
            Error::reject(format!("http-{}", response.status), text)
        }
        413 => {
            let text = pick(
                "Un fichier est trop lourd pour votre serveur : réduisez-le.",
                "A file is too large for your server: make it smaller.",
            );
            Error::reject("file-too-large", text)
        }
        _ => response.error(),
    }
}
