//! Requests of plugins: checked, counted, carried out by the daemon's network, with credentials that plugins never see.
//!
//! In: what a plugin wants sent. Out: the answer, or a sentence that names the rule.
//! Never: a request that the rights do not cover, a header that speaks for the daemon, or more than the call's budget.

use super::Duty;
use super::contract::wire::http as wire;
use super::inside::Inside;
use super::sandbox::one_line;
use crate::clock::Clock;
use crate::domain::{Digest, Language};
use crate::kinds::Call;
use crate::network::{NetworkError, Request, Response, Sealed};
use crate::plugin::manifest::Credential;
use crate::secrets::{SecretError, Secrets};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

/// Headers that are the daemon's to set.
const OURS: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Most headers, and most bytes of them.
const HEADERS: (usize, usize) = (100, 32 << 10);
/// Longest address.
const URL: usize = 16 << 10;
/// What remains of a call when a remote does not answer, so that the plugin can say so itself.
const MARGIN: Duration = Duration::from_millis(500);

/// What a call used of the network.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    /// Why this call may not use it at all.
    pub(super) closed: bool,
    pub(super) requests: u32,
    pub(super) bytes: u64,
    /// Time spent in waiting for answers.
    pub(super) waited: Duration,
    /// Whether something was sent that a remote may have acted on.
    pub(super) acted: bool,
}

/// What the plugin's side leaves for the calling thread, which alone may use the call's network.
#[derive(Clone, Default)]
pub(super) struct Errands(Arc<Mutex<Errand>>);

#[derive(Default)]
enum Errand {
    #[default]
    None,
    Asked(Box<Job>),
    Done(Answer),
}

struct Job {
    request: Request,
    credential: Option<Credential>,
}

type Answer = Result<Response, SecretError>;

impl Errands {
    fn lock(&self) -> std::sync::MutexGuard<'_, Errand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, on the plugin's side, until the calling thread has done it.
    async fn ask(&self, job: Job) -> Answer {
        *self.lock() = Errand::Asked(Box::new(job));
        poll_fn(|_| {
            let mut errand = self.lock();
            match std::mem::take(&mut *errand) {
                Errand::Done(answer) => Poll::Ready(answer),
                other => {
                    *errand = other;
                    // The calling thread polls again as soon as it has the answer.
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Does what was asked for, on the calling thread. Says whether there was anything.
    pub(super) fn run(&self, call: &Call<'_>, duty: &Duty, secrets: Option<&Secrets>) -> bool {
        let job = {
            let mut errand = self.lock();
            match std::mem::take(&mut *errand) {
                Errand::Asked(job) => job,
                other => {
                    *errand = other;
                    return false;
                }
            }
        };
        let answer = send(call, *job, duty, secrets);
        *self.lock() = Errand::Done(answer);
        true
    }
}

/// Sends one request, with its credential if it names one.
fn send(call: &Call<'_>, job: Job, duty: &Duty, secrets: Option<&Secrets>) -> Answer {
    match (job.credential, secrets) {
        (None, _) => call.network.send(&job.request).map_err(SecretError::Network),
        (Some(credential), Some(secrets)) => {
            secrets.send(call.network, job.request, &credential, &duty.secrets, &|host| duty.place(host))
        }
        (Some(credential), None) => Err(no_secrets(call.language, &credential)),
    }
}

/// In a preview nobody has secrets.
fn no_secrets(language: Language, credential: &Credential) -> SecretError {
    let label = credential.label.pick(language);
    SecretError::NoCredential(language.pick(
        format!("Il n'y a pas de secrets ici\u{a0}: «\u{a0}{label}\u{a0}» ({}) ne peut pas servir.", credential.name),
        format!("There are no secrets here: \"{label}\" ({}) cannot be used.", credential.name),
    ))
}

type Sent<T> = Result<T, wire::HttpError>;

fn refused(fr: impl Into<String>, en: impl Into<String>, language: Language) -> wire::HttpError {
    wire::HttpError::NotAllowed(language.pick(fr.into(), en.into()))
}

impl Inside {
    /// The request as the network takes it, when every rule allows it.
    fn checked(&mut self, asked: wire::Request) -> Sent<Job> {
        let language = self.facts.language;
        let plugin = self.manifest.name.clone();
        if self.http.closed {
            return Err(refused(
                "Cette fonction ne doit rien demander au réseau : elle juge le texte seul.",
                "This function must not ask the network: it judges the text alone.",
                language,
            ));
        }
        let limits = self.duty.force.limits.clone();
        if self.http.requests >= limits.requests {
            let most = limits.requests;
            return Err(wire::HttpError::Exhausted((
                language.pick(
                    format!("Le plugin {plugin} a déjà envoyé ses {most} requêtes de cet appel. Le manifeste peut en demander plus : [limits] requests."),
                    format!("The plugin {plugin} has sent its {most} requests of this call. Its manifest may ask for more: [limits] requests."),
                ),
                None,
            )));
        }
        if !METHODS.contains(&asked.method.as_str()) {
            let method = one_line(&asked.method, 20);
            return Err(refused(
                format!("«\u{a0}{method}\u{a0}» n'est pas une méthode permise : {}.", METHODS.join(", ")),
                format!("\"{method}\" is not a method plugins may use: {}.", METHODS.join(", ")),
                language,
            ));
        }
        let shown = one_line(&asked.url, 200);
        let url = url::Url::parse(&asked.url).ok().filter(|url| url.has_host() && asked.url.len() <= URL);
        let Some(url) = url else {
            return Err(refused(
                format!("«\u{a0}{shown}\u{a0}» n'est pas une adresse http complète."),
                format!("\"{shown}\" is not a whole http address."),
                language,
            ));
        };
        self.duty.reach.allows(&asked.method, &url).map_err(wire::HttpError::NotAllowed)?;
        let credential = match &asked.credential {
            None => None,
            Some(name) => Some(self.credential(name)?),
        };
        let mut headers = headers(&asked.headers, language)?;
        let body = self.body(asked.body, &mut headers)?;
        let sent = (body.len() + asked.url.len()) as u64;
        let Some(left) = limits.bytes.checked_sub(self.http.bytes + sent).filter(|left| *left > 0) else {
            return Err(self.out_of_bytes());
        };
        let remaining = self.left();
        let timeout = remaining.saturating_sub(MARGIN.min(remaining / 4));
        if timeout < Duration::from_millis(1) {
            return Err(wire::HttpError::NotSent(language.pick(
                format!("Le temps de cet appel du plugin {plugin} est écoulé."),
                format!("The time of this call of the plugin {plugin} is used up."),
            )));
        }
        self.http.requests += 1;
        self.http.bytes += sent;
        let max_body = limits.response.min(usize::try_from(left).unwrap_or(usize::MAX));
        Ok(Job {
            request: Request {
                method: asked.method,
                url: asked.url,
                headers,
                body,
                timeout,
                max_body,
                reach: Some(self.duty.reach.clone()),
                sealed: Sealed::default(),
            },
            credential,
        })
    }

    fn credential(&self, name: &str) -> Sent<Credential> {
        let found = self.manifest.credentials.iter().find(|c| c.name == name);
        found.and_then(|asked| self.duty.credential(asked)).ok_or_else(|| {
            let name = one_line(name, 64);
            wire::HttpError::NoCredential(self.pick(
                format!("Le plugin n'a pas d'accès «\u{a0}{name}\u{a0}» ici. Son manifeste devrait le demander : [[credentials]] name = \"{name}\"."),
                format!("The plugin has no credential \"{name}\" here. Its manifest would have to ask for it: [[credentials]] name = \"{name}\"."),
            ))
        })
    }

    fn out_of_bytes(&self) -> wire::HttpError {
        let (plugin, most) = (&self.manifest.name, self.duty.force.limits.bytes);
        wire::HttpError::Exhausted((
            self.pick(
                format!("Le plugin {plugin} a échangé ses {most} octets de cet appel. Le manifeste peut en demander plus : [limits] bytes."),
                format!("The plugin {plugin} has used its {most} bytes of this call. Its manifest may ask for more: [limits] bytes."),
            ),
            None,
        ))
    }

    /// The bytes of a file, unless there are more than may be sent.
    fn file(&self, id: &str) -> Sent<(Vec<u8>, String)> {
        let language = self.facts.language;
        let Some(asset) = self.media.iter().find(|asset| asset.shown.id == id) else {
            let id = one_line(id, 80);
            return Err(refused(
                format!("Il n'y a pas de fichier «\u{a0}{id}\u{a0}» dans cet appel."),
                format!("There is no file \"{id}\" in this call."),
                language,
            ));
        };
        if asset.shown.size > self.duty.force.limits.bytes.saturating_sub(self.http.bytes) {
            return Err(self.out_of_bytes());
        }
        let bytes = asset.whole(language).map_err(wire::HttpError::NotAllowed)?;
        Ok((bytes, asset.shown.media_type.clone()))
    }

    fn body(&self, body: wire::Body, headers: &mut Vec<(String, String)>) -> Sent<Vec<u8>> {
        let typed = headers.iter().any(|(name, _)| name == "content-type");
        match body {
            wire::Body::Empty => Ok(Vec::new()),
            wire::Body::Bytes(bytes) => Ok(bytes),
            wire::Body::File(id) => {
                let (bytes, media_type) = self.file(&id)?;
                if !typed {
                    headers.push(("content-type".into(), media_type));
                }
                Ok(bytes)
            }
            wire::Body::Form(parts) => {
                let (bytes, boundary) = self.form(parts)?;
                headers.retain(|(name, _)| name != "content-type");
                headers.push(("content-type".into(), format!("multipart/form-data; boundary={boundary}")));
                Ok(bytes)
            }
        }
    }

    fn form(&self, parts: Vec<wire::Part>) -> Sent<(Vec<u8>, String)> {
        let language = self.facts.language;
        let digest = Digest::of(format!("{}/{}/{}", self.manifest.name, self.facts.id, self.http.requests).as_bytes());
        let boundary = format!("beffroi-{}", &digest.to_string()[..32]);
        let mut out = Vec::new();
        for part in parts {
            let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(&part.name));
            if let Some(name) = &part.filename {
                head.push_str(&format!("; filename=\"{}\"", quoted(name)));
            }
            let (bytes, media_type) = match part.content {
                wire::Content::Bytes(bytes) => (bytes, None),
                wire::Content::File(id) => {
                    let (bytes, media_type) = self.file(&id)?;
                    (bytes, Some(media_type))
                }
            };
            if let Some(media_type) = part.media_type.or(media_type) {
                if !fits_header(&media_type) {
                    return Err(refused(
                        "Le type d'une partie contient un caractère interdit.",
                        "The media type of a part holds a forbidden character.",
                        language,
                    ));
                }
                head.push_str(&format!("\r\nContent-Type: {media_type}"));
            }
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
            out.extend_from_slice(&bytes);
            out.extend_from_slice(b"\r\n");
            if out.len() as u64 > self.duty.force.limits.bytes {
                return Err(self.out_of_bytes());
            }
        }
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Ok((out, boundary))
    }
}

/// As browsers write names in forms.
fn quoted(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().take(500) {
        match c {
            '"' => out.push_str("%22"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

fn fits_header(value: &str) -> bool {
    value.chars().all(|c| c == '\t' || !c.is_control())
}

fn headers(asked: &[wire::Header], language: Language) -> Sent<Vec<(String, String)>> {
    let mut out = Vec::with_capacity(asked.len() + 1);
    let bytes: usize = asked.iter().map(|h| h.name.len() + h.value.len()).sum();
    if asked.len() > HEADERS.0 || bytes > HEADERS.1 {
        return Err(refused(
            format!("Une requête porte au plus {} en-têtes, de {} octets en tout.", HEADERS.0, HEADERS.1),
            format!("A request carries at most {} headers, of {} bytes in all.", HEADERS.0, HEADERS.1),
            language,
        ));
    }
    for header in asked {
        let name = header.name.to_ascii_lowercase();
        let shown = one_line(&name, 64);
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) || !fits_header(&header.value) {
            return Err(refused(
                format!("L'en-tête «\u{a0}{shown}\u{a0}» contient un caractère interdit."),
                format!("The header \"{shown}\" holds a forbidden character."),
                language,
            ));
        }
        if OURS.contains(&name.as_str()) || name.starts_with("proxy-") || name.starts_with("sec-") {
            return Err(refused(
                format!(
                    "L'en-tête {shown} appartient au démon. Un secret se nomme : credential, déclaré dans le manifeste sous [[credentials]]."
                ),
                format!(
                    "The header {shown} belongs to the daemon. Name a secret instead: credential, declared in the manifest under [[credentials]]."
                ),
                language,
            ));
        }
        out.push((name, header.value.clone()));
    }
    Ok(out)
}

impl wire::Host for Inside {
    async fn send(&mut self, asked: wire::Request) -> wasmtime::Result<Sent<wire::Response>> {
        let job = match self.checked(asked) {
            Ok(job) => job,
            Err(error) => return Ok(Err(error)),
        };
        let safe = matches!(job.request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let cut = job.request.max_body < self.duty.force.limits.response;
        let before = self.clock.monotonic();
        let answer = self.errands.ask(job).await;
        self.http.waited += self.clock.monotonic().saturating_sub(before);
        let left = match &answer {
            Ok(_) | Err(SecretError::Network(NetworkError::Lost(_) | NetworkError::TooLarge(_))) => true,
            Err(_) => false,
        };
        self.http.acted |= left && !safe;
        Ok(match answer {
            Ok(response) => {
                let heads: usize = response.headers.iter().map(|(n, v)| n.len() + v.len()).sum();
                self.http.bytes += (response.body.len() + heads) as u64;
                Ok(wire::Response {
                    status: response.status,
                    headers: response.headers.into_iter().map(|(name, value)| wire::Header { name, value }).collect(),
                    body: response.body,
                })
            }
            Err(SecretError::NoCredential(text) | SecretError::NotBound(text) | SecretError::Reconnect(text)) => {
                Err(wire::HttpError::NoCredential(text))
            }
            Err(SecretError::Retry(text, moment)) => {
                let millis = moment.and_then(|moment| u64::try_from(moment.millis()).ok());
                Err(wire::HttpError::Exhausted((text, millis)))
            }
            Err(SecretError::Network(NetworkError::Forbidden(text))) => Err(wire::HttpError::NotAllowed(text)),
            Err(SecretError::Network(NetworkError::NotSent(text))) => Err(wire::HttpError::NotSent(text)),
            Err(SecretError::Network(NetworkError::Lost(text))) => Err(wire::HttpError::Lost(text)),
            Err(SecretError::Network(NetworkError::TooLarge(_))) if cut => {
                self.http.bytes = self.duty.force.limits.bytes;
                Err(self.out_of_bytes())
            }
            Err(SecretError::Network(NetworkError::TooLarge(text))) => Err(wire::HttpError::TooLarge(text)),
        })
    }

    fn sign(&mut self, credential: String, data: Vec<u8>) -> wasmtime::Result<Sent<Vec<u8>>> {
        let credential = match self.credential(&credential) {
            Ok(credential) => credential,
            Err(error) => return Ok(Err(error)),
        };
        let signed = match &self.secrets {
            Some(secrets) => secrets.sign(&credential, &self.duty.secrets, &data),
            None => Err(no_secrets(self.facts.language, &credential)),
        };
        Ok(signed.map_err(|error| wire::HttpError::NoCredential(error.to_string())))
    }
}
