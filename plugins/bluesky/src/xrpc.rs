//! Calls to the account's server, with the session's credential.
//!
//! In: the name of a procedure or query, and its values. Out: its answer, or the name that the server gave to its refusal
//! together with what the refusal means for the daemon.
//! Never: logs in or sees a token. Logins are counted (300 a day); the host keeps the session and refreshes it.

use beffroi_plugin::prelude::*;

/// The credential of the manifest.
const SESSION: &str = "session";

/// What a call came to when there is no answer to use.
pub(crate) struct Failed {
    /// The server's name for it, such as `RecordNotFound`; empty when it gave none.
    pub(crate) name: String,
    /// What it means for the daemon.
    pub(crate) error: Error,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { name: String::new(), error }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

fn url(name: &str) -> Result<String, Error> {
    let settings: Value = settings::get()?;
    Ok(format!("{}/xrpc/{name}", text(&settings, "service").trim_end_matches('/')))
}

// Answers stay JSON: a type for each of them would double the size of the plugin.

/// A text in an answer; empty when it is not there.
pub(crate) fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_default()
}

/// A text without which an answer makes no sense.
pub(crate) fn needed(answer: &Value, name: &str) -> Result<String, Error> {
    if let Some(text) = answer[name].as_str() {
        return Ok(text.to_owned());
    }
    let text = pick(
        "Le serveur Bluesky a donné une réponse incompréhensible. Rien à faire : Beffroi réessaiera tout seul.",
        "The Bluesky server gave an answer that makes no sense. Nothing to do: Beffroi will try again by itself.",
    );
    Err(Error::retry("answer", text).with("missing", name))
}

/// Reads.
pub(crate) fn query(name: &str, values: &[(&str, &str)]) -> Result<Value, Failed> {
    let request = values.iter().fold(http::get(url(name)?), |request, (key, value)| request.query(key, value));
    answer(request, true)
}

/// Writes in a way that may be repeated without harm.
pub(crate) fn harmless(name: &str, body: &Value) -> Result<Value, Failed> {
    answer(http::post(url(name)?).json(body).harmless(), true)
}

/// Puts a post online: without an answer nobody knows whether it is there.
pub(crate) fn commit(name: &str, body: &Value) -> Result<Value, Failed> {
    answer(http::post(url(name)?).json(body), false)
}

/// Sends a picture and gives what stands for it in a record. The same bytes always give the same blob.
pub(crate) fn upload(asset: &Asset) -> Result<Value, Failed> {
    let mut uploaded = answer(http::post(url("com.atproto.repo.uploadBlob")?).file(asset).harmless(), true)?;
    needed(&uploaded["blob"], "$type")?;
    Ok(uploaded["blob"].take())
}

fn answer(request: http::Request, harmless: bool) -> Result<Value, Failed> {
    let response = request.credential(SESSION).send_raw().map_err(|cause| http::explain(cause, harmless))?;
    if (200..300).contains(&response.status) {
        return Ok(response.json()?);
    }
    let said: Value = response.json().unwrap_or_default();
    let name = text(&said, "error");
    let error = meaning(&response, name, text(&said, "message"));
    Err(Failed { name: name.to_owned(), error })
}

/// What a refusal means. Bluesky says 400 for much that others call 401, 403 or 404; its names say more than its numbers.
fn meaning(response: &http::Response, name: &str, message: &str) -> Error {
    let closed = match name {
        "InvalidToken" | "ExpiredToken" | "AuthMissing" | "AuthenticationRequired" | "AuthFactorTokenRequired" => pick(
            "Bluesky refuse le mot de passe d'application. Créez-en un nouveau (Paramètres, Confidentialité et sécurité) et reconnectez le compte.",
            "Bluesky refuses the app password. Make a new one (Settings, Privacy and security) and reconnect the account.",
        ),
        "AccountTakedown" | "RepoTakendown" | "AccountSuspended" | "RepoSuspended" => pick(
            "Bluesky a suspendu ce compte. Voyez avec Bluesky, puis reconnectez-le.",
            "Bluesky has suspended this account. Settle it with Bluesky, then reconnect it.",
        ),
        "AccountDeactivated" | "RepoDeactivated" => pick(
            "Ce compte Bluesky est désactivé. Réactivez-le chez Bluesky, puis reconnectez-le.",
            "This Bluesky account is deactivated. Activate it at Bluesky, then reconnect it.",
        ),
        _ if response.status == 400 && !message.is_empty() => {
            let message = message.trim_end_matches('.');
            let text = pick(
                format!("Bluesky refuse ce post : {message}. Corrigez-le et planifiez-le de nouveau."),
                format!("Bluesky refuses this post: {message}. Correct it and plan it again."),
            );
            return Error::reject(code(name), text);
        }
        _ if response.status == 413 => {
            let text = pick(
                "Une image est trop lourde pour votre serveur Bluesky : réduisez-la.",
                "A picture is too large for your Bluesky server: make it smaller.",
            );
            return Error::reject("picture-too-large", text);
        }
        _ => return response.error(),
    };
    Error::reconnect(code(name), closed)
}

/// `InvalidRequest` becomes `invalid-request`.
fn code(name: &str) -> String {
    let mut code = String::new();
    for letter in name.chars().filter(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !code.is_empty() {
            code.push('-');
        }
        code.push(letter.to_ascii_lowercase());
    }
    if code.is_empty() { "http-400".into() } else { code }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_become_codes() {
        assert_eq!(super::code("InvalidRequest"), "invalid-request");
        assert_eq!(super::code("BlobNotFound"), "blob-not-found");
        assert_eq!(super::code(""), "http-400");
    }
}
