//! Calls to the account's server with its token, and the shapes of what it answers.
//!
//! In: a path and values. Out: an answer, or the status and what a refusal means for the daemon.
//! Never: trusts a status alone; servers that only resemble Mastodon answer in HTML, with 422 for a bad token and with 404
//! for what they cannot do.

use beffroi_plugin::prelude::*;

// Answers stay JSON: a type for each of them would double the size of the plugin.

/// A text in an answer; empty when it is not there.
pub(crate) fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_default()
}

/// What the owner filled in.
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
        let settings: Value = settings::get()?;
        let filled = |name: &str| Some(text(&settings, name).trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        let server = text(&settings, "server").trim_end_matches('/').to_owned();
        Ok(Self { server, visibility: filled("visibility"), language: filled("language") })
    }

    /// The server without its scheme.
    pub(crate) fn host(&self) -> &str {
        self.server.split_once("://").map_or(self.server.as_str(), |(_, host)| host)
    }
}

/// A post as servers give it.
pub(crate) struct Status(Value);

impl Status {
    /// A post, if that is what it is.
    pub(crate) fn of(value: Value) -> Option<Self> {
        (!text(&value, "id").is_empty()).then_some(Self(value))
    }

    /// A post, or the answer makes no sense.
    pub(crate) fn expected(value: Value, harmless: bool) -> Result<Self, Error> {
        Self::of(value).ok_or_else(|| nonsense(harmless))
    }

    /// The server's identifier.
    pub(crate) fn id(&self) -> &str {
        text(&self.0, "id")
    }

    /// A text of it; some servers leave some out.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0[name].as_str()
    }

    /// A number of it.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or(0)
    }

    /// How many pictures and films go with it.
    pub(crate) fn files(&self) -> usize {
        self.0["media_attachments"].as_array().map_or(0, Vec::len)
    }

    /// When it was made.
    pub(crate) fn at(&self) -> Option<u64> {
        time::parse(text(&self.0, "created_at"))
    }

    /// Where people see it.
    pub(crate) fn page(&self) -> Option<String> {
        self.text("url").or_else(|| self.text("uri")).map(str::to_owned)
    }
}

/// An answer that is not what was asked for.
pub(crate) fn nonsense(harmless: bool) -> Error {
    if harmless {
        let text = pick(
            "Votre serveur a donné une réponse incompréhensible. Rien à faire : Beffroi réessaiera tout seul.",
            "Your server gave an answer that makes no sense. Nothing to do: Beffroi will try again by itself.",
        );
        return Error::retry("answer", text);
    }
    let text = pick(
        "Votre serveur a donné une réponse incompréhensible : le post est peut-être en ligne. Rien à faire : Beffroi va regarder.",
        "Your server gave an answer that makes no sense: the post may be online. Nothing to do: Beffroi will look.",
    );
    Error::uncertain("answer", text)
}

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
pub(crate) fn read(path: &str, values: &[(&str, &str)]) -> Result<Value, Failed> {
    let request = values.iter().fold(get(path)?, |request, (name, value)| request.query(name, value));
    Ok(answer(request, true)?.json()?)
}

/// Removes; what is gone already stays gone.
pub(crate) fn delete(path: &str) -> Result<(), Failed> {
    answer(http::delete(format!("{}{path}", Settings::get()?.server)).harmless(), true).map(drop)
}

/// Whose token it is.
pub(crate) fn who() -> Result<Value, Failed> {
    let account = read(WHO, &[])?;
    if text(&account, "id").is_empty() { Err(nonsense(true).into()) } else { Ok(account) }
}

/// Sends a request. `harmless` says that it may be repeated.
pub(crate) fn answer(request: http::Request, harmless: bool) -> Result<http::Response, Failed> {
    let response = request.credential("token").send_raw().map_err(|cause| http::explain(cause, harmless))?;
    if (200..300).contains(&response.status) {
        return Ok(response);
    }
    let said: Value = response.json().unwrap_or_default();
    let sentence = match text(&said, "error_description") {
        "" => text(&said, "error"),
        longer => longer,
    };
    if response.status == 422 && sentence.is_empty() && !token_works()? {
        return Err(Failed { status: 422, error: reconnect() });
    }
    Err(Failed { status: response.status, error: meaning(&response, sentence) })
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

fn meaning(response: &http::Response, sentence: &str) -> Error {
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
