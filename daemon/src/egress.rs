//! The real network: HTTP out, with every rule about it in one place.
//!
//! In: requests from scripts, sources and channels, on plain threads. Out: a whole response, or an error that says
//! exactly whether anything can have left.
//! Never: connects to an address it has not checked, follows a proxy, or builds anything before the first request.

mod guard;
mod polite;

pub use guard::{Allow, Lookup, is_public, parse_allow};

use crate::clock::Clock;
use crate::network::{Network, NetworkError, Reach, Request, Response, read_retry_after};
use guard::{Guard, Refused, SharedAllow, TARGET, Target, check_url};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use polite::Hosts;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use std::convert::Infallible;
use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Runtime;
use url::Url;

const MAX_REDIRECTS: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the owner decides about calls to the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Private places that may be called: `127.0.0.1:8080`, `localhost:3000`, `10.0.0.5` (any port), `192.168.1.0/24`.
    pub allow_private: Vec<String>,
    /// How the daemon names itself.
    pub user_agent: String,
    /// Most requests to one host at once; at least 1.
    pub per_host: usize,
    /// Least distance between the starts of two requests to one host.
    pub spacing: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            allow_private: Vec::new(),
            user_agent: concat!("beffroi/", env!("CARGO_PKG_VERSION")).into(),
            per_host: 2,
            spacing: Duration::from_millis(250),
        }
    }
}

/// Why rules cannot be used. Each sentence is fit for an owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// A line of `allow_private` is neither a host nor an address.
    #[error("In allow_private: {0}")]
    Allow(String),
    /// The name of the daemon cannot be sent.
    #[error("The user agent \"{0}\" cannot be sent. Use letters, digits and simple signs only.")]
    UserAgent(String),
}

/// The rules, ready for use.
struct Manners {
    user_agent: HeaderValue,
    per_host: usize,
    spacing: Duration,
}

fn compile(rules: &Rules) -> Result<(Manners, Arc<[Allow]>), EgressError> {
    let allow = rules.allow_private.iter().map(|a| parse_allow(a)).collect::<Result<_, _>>().map_err(EgressError::Allow)?;
    let user_agent = HeaderValue::from_str(&rules.user_agent).map_err(|_| EgressError::UserAgent(rules.user_agent.clone()))?;
    Ok((Manners { user_agent, per_host: rules.per_host.max(1), spacing: rules.spacing }, allow))
}

/// The real [`Network`].
pub struct Egress {
    shared: Arc<Shared>,
    engine: Mutex<Engine>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    manners: RwLock<Arc<Manners>>,
    allow: SharedAllow,
    lookup: Lookup,
    hosts: Hosts,
}

/// What costs something to have: made at the first request.
#[derive(Default)]
struct Engine {
    runtime: Option<Runtime>,
    /// For requests that only read: keeps connections for the next one.
    reading: Option<Client>,
    /// For all others: a kept connection may just have been closed by the other side, and then nobody could tell
    /// whether the request was carried out. They get a new one each time.
    writing: Option<Client>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A runtime dropped inside another one panics; left to end by itself it does not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Egress {
    /// A network under these rules. `clock` tells when a host that asked for rest may be called again.
    ///
    /// # Errors
    /// When a rule cannot be understood.
    pub fn new(rules: &Rules, clock: Arc<dyn Clock>) -> Result<Self, EgressError> {
        Self::asking(rules, clock, guard::system())
    }

    /// The same, asking this for the addresses of names.
    ///
    /// # Errors
    /// When a rule cannot be understood.
    pub fn asking(rules: &Rules, clock: Arc<dyn Clock>, lookup: Lookup) -> Result<Self, EgressError> {
        let (manners, allow) = compile(rules)?;
        let shared = Shared {
            clock,
            manners: RwLock::new(Arc::new(manners)),
            allow: Arc::new(RwLock::new(allow)),
            lookup,
            hosts: Hosts::default(),
        };
        Ok(Self { shared: Arc::new(shared), engine: Mutex::default() })
    }

    /// Replaces the rules; requests on their way end under the old ones.
    ///
    /// # Errors
    /// When a rule cannot be understood; the old rules stay then.
    pub fn set_rules(&self, rules: &Rules) -> Result<(), EgressError> {
        let (manners, allow) = compile(rules)?;
        *self.shared.manners.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(manners);
        *self.shared.allow.write().unwrap_or_else(PoisonError::into_inner) = allow;
        // Open connections were checked under the old rules: the next request starts without any.
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        (engine.reading, engine.writing) = (None, None);
        Ok(())
    }

    fn start(&self, harmless: bool) -> Result<(tokio::runtime::Handle, Client), NetworkError> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if engine.runtime.is_none() {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .max_blocking_threads(8)
                .thread_name("egress")
                .enable_io()
                .enable_time()
                .build()
                .map_err(|e| {
                    NetworkError::NotSent(format!("The network part of Beffroi cannot start: {e}. Restart the daemon."))
                })?;
            engine.runtime = Some(runtime);
        }
        let handle = engine.runtime.as_ref().expect("it was made above").handle().clone();
        let (kept, idle) = if harmless { (&mut engine.reading, 2) } else { (&mut engine.writing, 0) };
        if let Some(client) = kept {
            return Ok((handle, client.clone()));
        }
        Ok((handle, kept.insert(client(&self.shared.allow, &self.shared.lookup, idle)?).clone()))
    }
}

fn client(allow: &SharedAllow, lookup: &Lookup, idle: usize) -> Result<Client, NetworkError> {
    // An error says that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .dns_resolver(Arc::new(Guard { allow: allow.clone(), lookup: lookup.clone() }))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(idle)
            .tcp_nodelay(true)
    };
    // The system's certificates first: they are kept up to date and know a firm's own. A minimal server has none.
    let built = builder().build().or_else(|_| {
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let roots = roots.map(|der| reqwest::Certificate::from_der(der)).collect::<Result<Vec<_>, _>>()?;
        builder().tls_certs_only(roots).build()
    });
    built.map_err(|e| {
        NetworkError::NotSent(format!("The network part of Beffroi cannot start: {}. Restart the daemon.", root(&e)))
    })
}

impl Network for Egress {
    fn send(&self, request: &Request) -> Result<Response, NetworkError> {
        let prepared = Prepared::new(request)?;
        let (runtime, client) = self.start(prepared.harmless())?;
        let (shared, timeout) = (self.shared.clone(), request.timeout);
        let (answer, wait) = mpsc::sync_channel(1);
        // A task rather than `block_on`: that one panics when the caller happens to run inside a runtime.
        runtime.spawn(async move {
            let host = prepared.url.host_str().unwrap_or_default().to_owned();
            let stage = Arc::new(Stage::default());
            let result = tokio::time::timeout(timeout, exchange(&shared, &client, prepared, &stage)).await;
            // Nobody listens any more when the daemon is going down.
            let _ = answer.send(result.unwrap_or_else(|_| Err(stage.too_late(&host, timeout))));
        });
        wait.recv().unwrap_or_else(|_| Err(NetworkError::Lost("The request was given up because the daemon is stopping.".into())))
    }
}

/// How far a request has come: what may be said when time runs out.
#[derive(Default)]
struct Stage(AtomicU8);

impl Stage {
    const WAITING: u8 = 0;
    const CONNECTING: u8 = 1;
    const SENT: u8 = 2;

    fn set(&self, stage: u8) {
        self.0.store(stage, Ordering::SeqCst);
    }

    fn may_have_left(&self) -> bool {
        self.0.load(Ordering::SeqCst) == Self::SENT
    }

    fn too_late(&self, host: &str, timeout: Duration) -> NetworkError {
        let span = crate::domain::show_span(timeout);
        match self.0.load(Ordering::SeqCst) {
            Self::WAITING => NetworkError::NotSent(format!(
                "Other requests to {host} are still under way, and after {span} it was not this one's turn. It is tried again \
                 later."
            )),
            Self::CONNECTING => {
                NetworkError::NotSent(format!("{host} did not accept a connection within {span}. It is tried again later."))
            }
            _ => NetworkError::Lost(format!("{host} did not answer completely within {span}.")),
        }
    }
}

/// A request whose parts have been checked.
struct Prepared {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    max_body: usize,
    reach: Option<Arc<Reach>>,
    /// Headers with secrets in them, for the place of the first address alone.
    sealed: HeaderMap,
    /// The address with a secret in it, sent instead of the open one.
    sealed_url: Option<Url>,
    /// Whether the body is a secret.
    sealed_body: bool,
}

impl Prepared {
    fn new(request: &Request) -> Result<Self, NetworkError> {
        let forbidden = |text: String| Err(NetworkError::Forbidden(text));
        let url = match Url::parse(request.url.trim()) {
            Ok(url) => url,
            Err(_) => {
                let shown: String = request.url.chars().take(120).collect();
                return forbidden(format!("\"{shown}\" is not a web address. Write it as https://host/path."));
            }
        };
        let method = match Method::from_bytes(request.method.as_bytes()) {
            Ok(method) if method != Method::CONNECT && method != Method::TRACE => method,
            _ => {
                return forbidden(format!("The method \"{}\" is not sent. Use GET, POST, PUT, PATCH or DELETE.", request.method));
            }
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let (key, content) = header_line(name, value)?;
            headers.append(key, content);
        }
        let mut sealed = HeaderMap::new();
        for (name, value) in &request.sealed.headers {
            let (key, mut content) = header_line(name, value.expose())?;
            content.set_sensitive(true);
            headers.remove(&key);
            sealed.append(key, content);
        }
        let sealed_url = match request.sealed.url.as_ref().map(|s| Url::parse(s.expose())) {
            None => None,
            Some(Ok(sealed))
                if sealed.origin() == url.origin() && sealed.username().is_empty() && sealed.password().is_none() =>
            {
                Some(sealed)
            }
            // The address itself is a secret: it is not shown.
            Some(_) => {
                return forbidden("The secret would change where the request goes, so it is not sent. Check the secret.".into());
            }
        };
        let body = request.sealed.body.as_ref().map_or_else(|| request.body.clone(), |s| s.expose().as_bytes().to_vec());
        Ok(Self {
            method,
            url,
            headers,
            body: body.into(),
            max_body: request.max_body,
            reach: request.reach.clone(),
            sealed,
            sealed_url,
            sealed_body: request.sealed.body.is_some(),
        })
    }

    /// Whether the rights of whoever sends it cover where it goes now.
    fn in_reach(&self) -> Result<(), NetworkError> {
        let Some(reach) = &self.reach else { return Ok(()) };
        reach.allows(self.method.as_str(), &self.url).map_err(NetworkError::Forbidden)
    }

    /// Whether sending it twice does no harm.
    fn harmless(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
}

fn header_line(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), NetworkError> {
    let (Ok(key), Ok(content)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) else {
        return Err(NetworkError::Forbidden(format!(
            "The header \"{name}\" cannot be sent as written: its name or value has signs a header may not have."
        )));
    };
    if SET_HERE.contains(&key) {
        return Err(NetworkError::Forbidden(format!("The header \"{name}\" is set by Beffroi itself. Leave it out.")));
    }
    Ok((key, content))
}

/// Headers that decide how a message is framed or where it goes.
const SET_HERE: [HeaderName; 7] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::PROXY_AUTHORIZATION,
];

/// Headers that say nothing about who asks: only these go along when a redirect leads to another host.
const HARMLESS: [HeaderName; 6] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::ACCEPT_ENCODING,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::USER_AGENT,
];

async fn exchange(shared: &Shared, client: &Client, mut request: Prepared, stage: &Arc<Stage>) -> Result<Response, NetworkError> {
    let manners = shared.manners.read().unwrap_or_else(PoisonError::into_inner).clone();
    for _ in 0..=MAX_REDIRECTS {
        // Rights first: a plugin must not bring an owner to open a private place that the plugin was never granted.
        request.in_reach()?;
        let allow = shared.allow.read().unwrap_or_else(PoisonError::into_inner).clone();
        let target = check_url(&request.url, &allow).map_err(|Refused(text)| NetworkError::Forbidden(text))?;
        stage.set(Stage::WAITING);
        let _place = turn(shared, &manners, &target).await?;
        stage.set(Stage::CONNECTING);
        let response = TARGET.scope(target.clone(), answer(client, &request, &manners, &target, stage)).await?;
        note_rest(shared, &manners, &target, &response);
        match location(&response) {
            None => return take(response, &target, request.max_body).await,
            Some(to) => follow(&mut request, &target, response.status().as_u16(), &to)?,
        }
    }
    Err(NetworkError::Forbidden(format!(
        "{} leads on from one address to the next more than {MAX_REDIRECTS} times. Use the address where it ends.",
        request.url.host_str().unwrap_or_default()
    )))
}

/// Waits until this host may be called, and refuses while it rests.
async fn turn(shared: &Shared, manners: &Manners, target: &Target) -> Result<tokio::sync::OwnedSemaphorePermit, NetworkError> {
    let rests = || match shared.hosts.resting(&target.host, shared.clock.now()) {
        Some(until) => Err(NetworkError::NotSent(format!(
            "{} asked to be left alone until {until}. It is tried again after that.",
            target.host
        ))),
        None => Ok(()),
    };
    rests()?;
    shared.hosts.tidy(shared.clock.now(), shared.clock.monotonic());
    let place = shared.hosts.place(&target.host, manners.per_host).await;
    let wait = shared.hosts.book(&target.host, manners.per_host, shared.clock.monotonic(), manners.spacing);
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    // Another request may have been told to stay away in the meantime.
    rests()?;
    Ok(place)
}

fn note_rest(shared: &Shared, manners: &Manners, target: &Target, response: &reqwest::Response) {
    if matches!(response.status().as_u16(), 429 | 503) {
        let value = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
        if let Some(until) = value.and_then(|v| read_retry_after(v, shared.clock.now())) {
            shared.hosts.rest(&target.host, manners.per_host, until);
        }
    }
}

/// Sends one request and waits for the head of the answer.
async fn answer(
    client: &Client,
    request: &Prepared,
    manners: &Manners,
    target: &Target,
    stage: &Arc<Stage>,
) -> Result<reqwest::Response, NetworkError> {
    let mut tries = if request.harmless() { 2 } else { 1 };
    loop {
        tries -= 1;
        let mut out = reqwest::Request::new(request.method.clone(), request.sealed_url.as_ref().unwrap_or(&request.url).clone());
        *out.headers_mut() = request.headers.clone();
        out.headers_mut().extend(request.sealed.clone());
        out.headers_mut().entry(header::USER_AGENT).or_insert_with(|| manners.user_agent.clone());
        if request.body.is_empty() {
            // Without a body there is no telling when the head has left: it counts as sent from the start.
            stage.set(Stage::SENT);
            if matches!(request.method, Method::POST | Method::PUT | Method::PATCH) {
                // Many servers refuse a request of these that does not say that it has no body.
                out.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
        } else {
            *out.body_mut() = Some(reqwest::Body::wrap(Watched { bytes: Some(request.body.clone()), stage: stage.clone() }));
        }
        match client.execute(out).await {
            Ok(response) => {
                stage.set(Stage::SENT);
                return Ok(response);
            }
            // A kept connection may have been closed by the other side just as it was used again.
            Err(e) if tries > 0 && !e.is_connect() && !e.is_timeout() => {}
            // The address in the error may be the one with a secret in it.
            Err(e) => return Err(failure(&e.without_url(), target, stage)),
        }
    }
}

/// A body that notes when it is asked for: from then on the request may have reached the other side.
struct Watched {
    bytes: Option<Bytes>,
    stage: Arc<Stage>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.stage.set(Stage::SENT);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |b| b.len() as u64))
    }
}

fn failure(error: &reqwest::Error, target: &Target, stage: &Stage) -> NetworkError {
    if let Some(refused) = inside::<Refused>(error) {
        return NetworkError::Forbidden(refused.0.clone());
    }
    if !error.is_connect() && stage.may_have_left() {
        return NetworkError::Lost(format!("{target} took the request and broke off before it answered ({}).", root(error)));
    }
    let host = &target.host;
    NetworkError::NotSent(if error.is_dns() {
        format!("The name {host} cannot be found. Check how it is written, and this machine's connection to the network.")
    } else if let Some(tls) = inside::<rustls::Error>(error) {
        format!("No secure connection to {target}: {tls}. Check that its certificate is valid and this machine's clock is right.")
    } else if inside::<io::Error>(error).is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
        format!("{target} refuses connections. Check that the service there is running.")
    } else if error.is_timeout() {
        format!("{target} did not accept a connection within {}.", crate::domain::show_span(CONNECT_TIMEOUT))
    } else {
        format!("No connection to {target}: {}.", root(error))
    })
}

/// The first error of this type in a chain of causes.
fn inside<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // An io error hands on the cause of its content and hides the content itself.
        let content = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = content.map(|e| e as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}

/// The deepest cause, which says most.
fn root(error: &(dyn StdError + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Where a redirect leads, if this response is one.
fn location(response: &reqwest::Response) -> Option<String> {
    if !matches!(response.status().as_u16(), 300..=303 | 307 | 308) {
        return None;
    }
    response.headers().get(header::LOCATION).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
}

/// Turns the request to where a redirect leads, or says why not.
fn follow(request: &mut Prepared, target: &Target, status: u16, to: &str) -> Result<(), NetworkError> {
    let secret = request.sealed_url.is_some() || request.sealed_body || !request.sealed.is_empty();
    let next = match request.url.join(to) {
        Ok(next) => next,
        Err(_) => {
            // An address that answers a secret may repeat it.
            let to = if secret { "something" } else { to };
            return Err(NetworkError::Forbidden(format!("{target} redirects to \"{to}\", which is not an address.")));
        }
    };
    let shown = if secret { next[..url::Position::BeforePath].to_owned() } else { next.to_string() };
    if !request.harmless() {
        // After 302 and 303 the request has usually been carried out, and only its result lies elsewhere.
        let text = format!("{target} answered a {} with a redirect to {shown}, which is not followed.", request.method);
        return Err(if matches!(status, 302 | 303) {
            NetworkError::Lost(format!("{text} It may have been carried out all the same."))
        } else {
            NetworkError::Forbidden(format!("{text} Use that address directly."))
        });
    }
    if request.sealed_url.is_some() || request.sealed_body {
        return Err(NetworkError::Forbidden(format!(
            "{target} redirects a request with a secret in its address or body to {shown}, which is not followed. Use an address \
             that answers itself."
        )));
    }
    if request.url.scheme() == "https" && next.scheme() != "https" {
        return Err(NetworkError::Forbidden(format!(
            "{target} redirects from https to {shown}, where anybody on the way can read along; it is not followed. Use an \
             address that stays on https."
        )));
    }
    if request.url.origin() != next.origin() {
        // Not even on the way up to https: secrets are for one place.
        request.sealed.clear();
    }
    let upgraded = request.url.port().is_none() && next.port().is_none() && request.url.host() == next.host();
    if request.url.origin() != next.origin() && !upgraded {
        let mut kept = HeaderMap::new();
        for (name, value) in &request.headers {
            if HARMLESS.contains(name) {
                kept.append(name.clone(), value.clone());
            }
        }
        request.headers = kept;
        request.body = Bytes::new();
    }
    request.url = next;
    Ok(())
}

/// Takes the whole answer, counting bytes after decompression.
async fn take(mut response: reqwest::Response, target: &Target, max_body: usize) -> Result<Response, NetworkError> {
    let too_large = || {
        let limit = if max_body >= 1 << 20 { format!("{} MiB", max_body >> 20) } else { format!("{max_body} bytes") };
        NetworkError::TooLarge(format!("The answer of {target} is larger than {limit} and was not read further."))
    };
    let status = response.status().as_u16();
    let text = |v: &HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(n, v)| (n.as_str().to_owned(), text(v))).collect();
    if response.content_length().is_some_and(|n| n > max_body as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > max_body => return Err(too_large()),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(Response { status, headers, body }),
            Err(e) => {
                return Err(NetworkError::Lost(format!(
                    "{target} broke off in the middle of its answer ({}).",
                    root(&e.without_url())
                )));
            }
        }
    }
}

#[cfg(test)]
mod tests;
