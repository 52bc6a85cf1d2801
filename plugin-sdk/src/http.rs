//! HTTP: a builder for requests, answers, and what a failed request means for the daemon.
//!
//! In: a request step by step. Out: an answer, or an `Error` by the default map of [`Response::error`] and [`explain`].
//! Never: sees a secret, follows a redirect, or repeats a request; the first two are the host's, the third nobody's.

use crate::bindings::contract::http as contract;
use crate::error::{french, pick};
use crate::values::{Asset, Error as CallError};
use crate::{json, run, time, wire};
use serde::de::DeserializeOwned;

pub use contract::{Body, Content, Header, HttpError as Error, Part};

/// As much of a refused answer as an error keeps, in bytes.
const EXCERPT: usize = 300;

/// A request that is being put together.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    inner: contract::Request,
    harmless: bool,
    broken: Option<String>,
}

/// Reads.
pub fn get(url: impl Into<String>) -> Request {
    request("GET", url)
}

/// Reads the headers only.
pub fn head(url: impl Into<String>) -> Request {
    request("HEAD", url)
}

/// Sends something new.
pub fn post(url: impl Into<String>) -> Request {
    request("POST", url)
}

/// Puts something in a place of its own.
pub fn put(url: impl Into<String>) -> Request {
    request("PUT", url)
}

/// Changes a part.
pub fn patch(url: impl Into<String>) -> Request {
    request("PATCH", url)
}

/// Removes.
pub fn delete(url: impl Into<String>) -> Request {
    request("DELETE", url)
}

/// Any method.
pub fn request(method: impl Into<String>, url: impl Into<String>) -> Request {
    let method = method.into();
    let harmless = method == "GET" || method == "HEAD";
    let inner = contract::Request { method, url: url.into(), headers: Vec::new(), body: Body::Empty, credential: None };
    Request { inner, harmless, broken: None }
}

/// HMAC-SHA256 of these bytes under a credential of the kind `hmac`.
///
/// # Errors
/// As [`Request::send`] when nothing was sent.
pub fn sign(credential: &str, data: &[u8]) -> Result<Vec<u8>, CallError> {
    wire::http::sign(credential, data).map_err(|e| explain(e, true))
}

impl Request {
    /// Adds a parameter to the address, escaped.
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let url = &mut self.inner.url;
        let fragment = url.find('#').map(|at| url.split_off(at));
        url.push(if url.contains('?') { '&' } else { '?' });
        escape(name, url);
        url.push('=');
        escape(value.as_ref(), url);
        url.push_str(fragment.as_deref().unwrap_or_default());
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inner.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// Names the credential of the manifest that the host applies on the way out.
    pub fn credential(mut self, name: impl Into<String>) -> Self {
        self.inner.credential = Some(name.into());
        self
    }

    /// Says that sending it twice does no more than sending it once, as with an upload or a remote that knows the
    /// delivery's key. A lost answer is then a reason to try again, and not uncertain.
    pub fn harmless(mut self) -> Self {
        self.harmless = true;
        self
    }

    /// Sends a value as JSON.
    pub fn json(mut self, value: &impl json::Write) -> Self {
        match json::to_string(value) {
            Ok(text) => self.bytes(text, "application/json"),
            Err(e) => {
                self.broken = Some(e.to_string());
                self
            }
        }
    }

    /// Sends bytes of a type.
    pub fn bytes(mut self, bytes: impl Into<Vec<u8>>, media_type: &str) -> Self {
        self.inner.body = Body::Bytes(bytes.into());
        self.header("content-type", media_type)
    }

    /// Sends a whole file; its bytes never enter the plugin.
    pub fn file(mut self, asset: &Asset) -> Self {
        self.inner.body = Body::File(asset.id.clone());
        self.header("content-type", &asset.media_type)
    }

    /// Sends parts as `multipart/form-data`; see [`part`], [`part_bytes`] and [`part_file`].
    pub fn form(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.inner.body = Body::Form(parts.into_iter().collect());
        self
    }

    /// Sends fields as `application/x-www-form-urlencoded`.
    pub fn fields<N: AsRef<str>, V: AsRef<str>>(self, fields: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut body = String::new();
        for (name, value) in fields {
            if !body.is_empty() {
                body.push('&');
            }
            escape(name.as_ref(), &mut body);
            body.push('=');
            escape(value.as_ref(), &mut body);
        }
        self.bytes(body, "application/x-www-form-urlencoded")
    }

    /// Sends it and gives an answer of 200 to 299, or 304; all else is an error by the default map.
    ///
    /// # Errors
    /// [`Response::error`] for other answers, [`explain`] when there is none.
    pub fn send(self) -> Result<Response, CallError> {
        let harmless = self.harmless;
        let response = self.transmit()?.map_err(|e| explain(e, harmless))?;
        if response.is_good() { Ok(response) } else { Err(response.error()) }
    }

    /// Sends it and gives every answer, whatever its status.
    ///
    /// # Errors
    /// [`Error`] when there is no answer; [`explain`] makes the usual error of it.
    pub fn send_raw(self) -> Result<Response, Error> {
        self.transmit().unwrap_or_else(|e| Err(Error::NotSent(e.message().to_owned())))
    }

    /// The outer error is a request that could not even be written.
    fn transmit(self) -> Result<Result<Response, Error>, CallError> {
        if let Some(cause) = self.broken {
            let text = pick(
                "Ce module n'a pas pu écrire sa demande. Signalez-le à son auteur.",
                "This plugin could not write its request. Report it to its author.",
            );
            return Err(CallError::internal("json", text).with("detail", cause));
        }
        let harmless = self.harmless;
        let place = place(&self.inner.url).to_owned();
        Ok(wire::http::send(&self.inner).map(|r| Response {
            status: r.status,
            headers: r.headers,
            body: r.body,
            place,
            harmless,
        }))
    }
}

/// A part of a form that is a text.
pub fn part(name: impl Into<String>, value: impl Into<String>) -> Part {
    Part { name: name.into(), filename: None, media_type: None, content: Content::Bytes(value.into().into_bytes()) }
}

/// A part of a form that is bytes of a type, with a file name.
pub fn part_bytes(name: impl Into<String>, filename: impl Into<String>, media_type: impl Into<String>, bytes: Vec<u8>) -> Part {
    Part {
        name: name.into(),
        filename: Some(filename.into()),
        media_type: Some(media_type.into()),
        content: Content::Bytes(bytes),
    }
}

/// A part of a form that is a whole file.
pub fn part_file(name: impl Into<String>, asset: &Asset) -> Part {
    let ending = asset.media_type.rsplit('/').next().unwrap_or("bin");
    Part {
        name: name.into(),
        filename: Some(format!("file.{ending}")),
        media_type: Some(asset.media_type.clone()),
        content: Content::File(asset.id.clone()),
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// 100 to 599.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<Header>,
    /// The whole body, decompressed.
    pub body: Vec<u8>,
    place: String,
    harmless: bool,
}

impl Response {
    /// Whether [`Request::send`] takes it for an answer: 200 to 299, and 304 for what has not changed.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status) || self.status == 304
    }

    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value.as_str())
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is something else: `Retry` after a harmless request, `Uncertain` after another, which was taken after all.
    pub fn json<T: DeserializeOwned + 'static>(&self) -> Result<T, CallError> {
        json::from_slice(&self.body).map_err(|e| {
            let error = if self.harmless {
                let what = ("a donné une réponse incompréhensible", "gave an answer that makes no sense");
                CallError::retry("answer", sentence(&self.place, what, None, BY_ITSELF))
            } else {
                CallError::uncertain("answer", sentence(&self.place, NOT_CLEAR, None, LOOK_FIRST))
            };
            error.with("detail", e.to_string()).with("answer", self.excerpt())
        })
    }

    /// What this answer means by the default map, whatever a plugin finds wrong with it.
    ///
    /// 401 and 403 ask the owner to reconnect. 408, 425 and 429 are tried again, not before the moment in `Retry-After`,
    /// `RateLimit-Reset` or `X-RateLimit-Reset`. 500 and above are tried again when the request was harmless, and are
    /// uncertain otherwise. The rest is final, with a code such as `http-404`.
    pub fn error(&self) -> CallError {
        let code = format!("http-{}", self.status);
        let say = |what, remedy| sentence(&self.place, what, Some(self.status), remedy);
        let error = match self.status {
            401 | 403 => CallError::reconnect(
                code,
                say(
                    ("refuse cet accès", "refuses this access"),
                    (
                        "Reconnectez-le, ou vérifiez ses droits sur le service.",
                        "Reconnect it, or check its rights at the service.",
                    ),
                ),
            ),
            408 | 425 | 429 => self.later(code, say(("demande d'attendre", "asks to wait"), BY_ITSELF)),
            500.. if self.harmless => self.later(code, say(("est en panne", "is out of order"), BY_ITSELF)),
            500.. => CallError::uncertain(code, say(NOT_CLEAR, LOOK_FIRST)),
            404 | 410 => CallError::reject(
                code,
                say(
                    ("ne trouve pas ce qui est demandé", "cannot find what is asked for"),
                    ("Vérifiez l'adresse et les réglages.", "Check the address and the settings."),
                ),
            ),
            _ => CallError::reject(
                code,
                say(
                    ("refuse cette demande", "refuses this request"),
                    ("Corrigez le contenu ou les réglages.", "Correct the content or the settings."),
                ),
            ),
        };
        let excerpt = self.excerpt();
        if excerpt.is_empty() { error } else { error.with("answer", excerpt) }
    }

    /// When the other side wants to be asked again, in milliseconds since 1970.
    pub fn retry_at(&self) -> Option<u64> {
        ["retry-after", "ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"]
            .into_iter()
            .find_map(|name| moment(self.header(name)?, run::now()))
    }

    fn later(&self, code: String, message: String) -> CallError {
        match self.retry_at() {
            Some(moment) => CallError::retry_at(code, message, moment),
            None => CallError::retry(code, message),
        }
    }

    fn excerpt(&self) -> String {
        let mut text = self.text();
        let end = text.floor_char_boundary(EXCERPT);
        text.truncate(end);
        text
    }
}

/// What it means that there is no answer. `harmless` says that sending the request again does no harm.
///
/// Nothing left: try again. Lost, or too large to read: try again when harmless, uncertain otherwise. Not allowed: final.
/// No credential: reconnect. Exhausted: try again, not before the moment given.
pub fn explain(error: Error, harmless: bool) -> CallError {
    match error {
        Error::NotAllowed(text) => CallError::reject("not-allowed", text),
        Error::NoCredential(text) => CallError::reconnect("no-credential", text),
        Error::NotSent(text) => CallError::retry("not-sent", text),
        Error::Lost(text) if harmless => CallError::retry("lost", text),
        Error::Lost(text) => CallError::uncertain("lost", text),
        Error::TooLarge(text) if harmless => CallError::reject("too-large", text),
        Error::TooLarge(text) => CallError::uncertain("too-large", text),
        Error::Exhausted((text, Some(moment))) => CallError::retry_at("exhausted", text, moment),
        Error::Exhausted((text, None)) => CallError::retry("exhausted", text),
    }
}

/// A French and an English text.
type Both = (&'static str, &'static str);

const BY_ITSELF: Both =
    ("Rien à faire : Beffroi réessaiera tout seul.", "There is nothing to do: Beffroi will try again by itself.");
const NOT_CLEAR: Both = ("n'a pas répondu clairement", "gave no clear answer");
const LOOK_FIRST: Both = (
    "La demande est peut-être passée : regardez sur le service avant de recommencer.",
    "The request may have gone through: look at the service before doing it again.",
);

/// Who did what, with which status, and what to do. One function, because each formatted sentence costs the plugin bytes.
fn sentence(place: &str, what: Both, status: Option<u16>, remedy: Both) -> String {
    let french = french();
    let choose = |(fr, en): Both| if french { fr } else { en };
    let answer = status.map(|s| format!(" ({} {s})", choose(("réponse", "answer")))).unwrap_or_default();
    format!("{place} {}{answer}. {}", choose(what), choose(remedy))
}

/// The host in an address, for sentences.
fn place(url: &str) -> &str {
    let rest = url.split_once(':').map_or(url, |(_, rest)| rest).trim_start_matches('/');
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}

/// What services write: a date, seconds from now, seconds or milliseconds since 1970; seconds with a fraction, too.
fn moment(text: &str, now: u64) -> Option<u64> {
    let text = text.trim_ascii();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return time::parse(text);
    }
    let number: u64 = whole.parse().ok()?;
    // Rounded up: too late by less than a second is better than too early.
    let seconds = number.checked_add(u64::from(!fraction.is_empty()))?;
    // A length of time never reaches a thousand million seconds, and an instant in milliseconds is far beyond.
    if number < 1_000_000_000 {
        now.checked_add(seconds * 1000)
    } else if number < 100_000_000_000 {
        Some(seconds * 1000)
    } else {
        Some(number)
    }
}

/// Escapes all but what an address may hold anywhere.
fn escape(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}
