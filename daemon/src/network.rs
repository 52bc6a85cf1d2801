//! HTTP as the program sees it: one request, one answer, and exactly what is known when there is none.
//!
//! In: a request. Out: a response, or an error that says whether anything can have left.
//! Never: opens a socket here; the real network is `egress`, the scripted one serves tests and `beffroi test`.

use crate::domain::{Secret, Timestamp};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::{Host, Url};

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, … in capitals.
    pub method: String,
    /// Absolute URL.
    pub url: String,
    /// Header names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// For the whole exchange, redirects and body included.
    pub timeout: Duration,
    /// Most bytes of body to take, after decompression.
    pub max_body: usize,
    /// Where it may go, redirects included; `None` for what the owner wrote, which may go wherever the daemon may.
    pub reach: Option<Arc<Reach>>,
    /// Secrets that go along, and only as far as the place they were meant for.
    pub sealed: Sealed,
}

/// The secrets of a request. They are no part of what is logged, kept or compared.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// Header names and values. They stay behind when a redirect leads to another scheme, host or port.
    pub headers: Vec<(String, Secret)>,
    /// The address with a secret in its path or query, sent instead of `url`. Redirects are not followed then.
    pub url: Option<Secret>,
    /// The body with a secret in it, sent instead of `body`. Redirects are not followed then.
    pub body: Option<Secret>,
}

/// The places a plugin may call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// Any of them.
    pub places: Vec<Place>,
    /// Whom to name when a place is not among them: a plugin.
    pub of: String,
}

/// One place, as the manifest asked for it and the owner granted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `example.com`, `*.example.com`, or with a port `example.com:8080`. Without a port it means that of https, or of http for
    /// an address that may be plain.
    pub host: String,
    /// Whether plain http will do: only for hosts that the owner listed as private.
    pub plain: bool,
    /// Methods in capitals.
    pub methods: Vec<String>,
    /// Exact paths, or prefixes that end in `*`.
    pub paths: Vec<String>,
}

impl Reach {
    /// Whether a request may go there.
    ///
    /// # Errors
    /// A sentence that names the rule, with the lines of the manifest that would allow it.
    pub fn allows(&self, method: &str, url: &Url) -> Result<(), String> {
        if self.places.iter().any(|place| place.covers(method, url)) {
            return Ok(());
        }
        let of = &self.of;
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!(
                "The plugin {of} may not put a name or password into an address. Take out what stands before the @."
            ));
        }
        let Some(path) = plain_path(url.path()) else {
            return Err(format!(
                "The plugin {of} may not send {method} to {host}{}: an encoded \"..\" or control sign may lead out of the paths \
                 it was granted. Take it out of the address.",
                url.path()
            ));
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "The plugin {of} may not call an address of the kind {}: it may only use https. Use an address that starts with \
                 https://.",
                url.scheme()
            ));
        }
        if url.scheme() != "https" && !self.places.iter().any(|p| p.plain && p.names(url)) {
            return Err(format!(
                "The plugin {of} may not call {host} by {}: it may only use https, where nobody on the way reads along. Plain \
                 http is for hosts listed in allow_private under [limits]. Use an address that starts with https://.",
                url.scheme()
            ));
        }
        Err(format!(
            "The plugin {of} may not send {method} to {host}{path}. Its manifest would have to ask for it: \
             [[http]] host = \"{host}\", methods = [\"{method}\"], paths = [\"{path}\"]"
        ))
    }
}

impl Place {
    /// Whether this is the host and port of an address, and its scheme will do. Methods and paths are not looked at.
    pub fn names(&self, url: &Url) -> bool {
        let default = match url.scheme() {
            "https" => 443,
            "http" if self.plain => 80,
            _ => return false,
        };
        // A name and a password in an address are nobody's right.
        if !url.username().is_empty() || url.password().is_some() {
            return false;
        }
        let Some((host, port)) = split_port(&self.host) else { return false };
        if url.port_or_known_default() != Some(port.unwrap_or(default)) {
            return false;
        }
        match (host.strip_prefix("*."), url.host()) {
            (Some(rest), Some(Host::Domain(there))) => match Host::parse(rest) {
                Ok(Host::Domain(rest)) => {
                    let rest = rest.strip_suffix('.').unwrap_or(&rest);
                    let there = there.strip_suffix('.').unwrap_or(there);
                    let head = there.strip_suffix(rest).and_then(|head| head.strip_suffix('.'));
                    !rest.is_empty() && head.is_some_and(|head| head.split('.').all(|label| !label.is_empty()))
                }
                // `*.0.0.1` is no group of hosts.
                _ => false,
            },
            (None, Some(Host::Domain(there))) => {
                let there = there.strip_suffix('.').unwrap_or(there);
                matches!(Host::parse(host), Ok(Host::Domain(host)) if host.strip_suffix('.').unwrap_or(&host) == there)
            }
            (None, Some(there)) => Host::parse(host).is_ok_and(|host| host == there.to_owned()),
            _ => false,
        }
    }

    fn covers(&self, method: &str, url: &Url) -> bool {
        let Some(path) = plain_path(url.path()) else { return false };
        let reached = |pattern: &String| {
            let (start, open) = pattern.strip_suffix('*').map_or((pattern.as_str(), false), |start| (start, true));
            // Patterns are written as addresses are, and go the same way before they are compared.
            let Some(start) = pattern_path(start) else { return false };
            if open { path.starts_with(&start) } else { path == start }
        };
        self.names(url) && self.methods.iter().any(|m| m == method) && self.paths.iter().any(reached)
    }
}

/// Host and port of a pattern; `None` when it is neither.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let number = |port: &str| port.parse().ok().filter(|port: &u16| *port > 0);
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => Some((host, Some(number(port)?))),
        _ => Some((text, None)),
    }
}

/// The beginning of a path in the form in which addresses are sent, then as [`plain_path`].
fn pattern_path(pattern: &str) -> Option<String> {
    if !pattern.starts_with('/') || pattern.contains(['?', '#']) {
        return None;
    }
    let mut url = Url::parse("https://pattern.invalid/").expect("this is an address");
    url.set_path(pattern);
    plain_path(url.path())
}

/// A path with needless escapes undone, so that one path has one form; `None` when a server that undoes more of them than we do
/// could read it as one that climbs upwards.
pub(crate) fn plain_path(path: &str) -> Option<String> {
    let mut read = path.to_owned();
    // Some servers undo escapes twice, and there may be proxies before them.
    for _ in 0..4 {
        let climbs = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
        if read.split(['/', '\\']).any(climbs) || read.chars().any(char::is_control) {
            return None;
        }
        let next = undo(&read, |_| true);
        if next == read {
            return Some(undo(path, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)));
        }
        read = next;
    }
    None
}

/// Undoes the escapes of these bytes; the others are written in capitals.
fn undo(path: &str, which: impl Fn(u8) -> bool) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = (bytes[at] == b'%').then(|| path.get(at + 1..at + 3)).flatten();
        match digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(digits) => {
                match u8::from_str_radix(digits, 16) {
                    Ok(byte) if which(byte) => out.push(byte),
                    _ => out.extend(format!("%{}", digits.to_ascii_uppercase()).bytes()),
                }
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Request {
    /// A plain GET with a timeout of 20 s and at most 4 MiB of answer.
    pub fn get(url: &str) -> Self {
        Self {
            method: "GET".into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(20),
            max_body: 4 << 20,
            reach: None,
            sealed: Sealed::default(),
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What came back, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The whole body, decompressed.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name (given in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// A host that asks for a longer rest than this is asked again after this.
const LONGEST_REST: Duration = Duration::from_secs(86_400);

/// When a 429 or 503 asks to come back, at most a day from now.
pub fn retry_after(response: &Response, now: Timestamp) -> Option<Timestamp> {
    read_retry_after(response.header("retry-after")?, now)
}

/// Reads a `Retry-After` header: seconds, or a date.
pub fn read_retry_after(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    let until = match text.parse::<u64>() {
        Ok(seconds) => now.plus(Duration::from_secs(seconds)),
        Err(_) => Timestamp::from(chrono::DateTime::parse_from_rfc2822(text).ok()?),
    };
    (until > now).then_some(until.min(now.plus(LONGEST_REST)))
}

/// Why there is no response. Each sentence is fit for an owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Our own rules forbid it: address, scheme, redirect. Trying again will not help.
    #[error("{0}")]
    Forbidden(String),
    /// Nothing left: name resolution, connection or TLS failed. Safe to try again.
    #[error("{0}")]
    NotSent(String),
    /// It left, at least in part, and no whole answer came: it may have taken effect.
    #[error("{0}")]
    Lost(String),
    /// The answer is larger than the request allowed.
    #[error("{0}")]
    TooLarge(String),
}

/// Sends requests. Blocks the calling thread until the answer is whole or the timeout has passed.
pub trait Network: Send + Sync {
    /// Sends one request.
    ///
    /// # Errors
    /// See [`NetworkError`]. A 4xx or 5xx answer is a response, not an error.
    fn send(&self, request: &Request) -> Result<Response, NetworkError>;
}

/// A network that answers from a list and remembers what it was asked.
#[derive(Debug, Default)]
pub struct ScriptedNetwork {
    inner: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    routes: Vec<(String, VecDeque<Result<Response, NetworkError>>)>,
    seen: Vec<Request>,
}

impl ScriptedNetwork {
    /// A network that knows no address yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues an answer for `METHOD URL` (the URL without its query also matches). The last answer of a
    /// route is given again for every further request.
    pub fn answer(&self, route: &str, answer: Result<Response, NetworkError>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.routes.iter_mut().find(|(r, _)| r == route) {
            Some((_, queue)) => queue.push_back(answer),
            None => inner.routes.push((route.into(), VecDeque::from([answer]))),
        }
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).seen.clone()
    }
}

impl Network for ScriptedNetwork {
    fn send(&self, request: &Request) -> Result<Response, NetworkError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.seen.push(request.clone());
        let whole = format!("{} {}", request.method, request.url);
        let bare = whole.split('?').next().unwrap_or_default().to_owned();
        match inner.routes.iter_mut().find(|(r, _)| *r == whole || *r == bare) {
            Some((_, queue)) if queue.len() > 1 => queue.pop_front().expect("the queue has two answers or more"),
            Some((_, queue)) => queue.front().cloned().expect("a route has at least one answer"),
            None => Err(NetworkError::NotSent(format!("The scripted network has no answer for {whole}. Add one to the test."))),
        }
    }
}

#[cfg(test)]
mod tests;
