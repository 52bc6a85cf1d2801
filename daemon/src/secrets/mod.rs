//! Secrets that plugins name and never see: found, applied, renewed, and hidden everywhere else.
//!
//! In: a request without secrets and the credential it names. Out: the answer, or an error that says what to do next.
//! Never: hands a secret to a plugin, sends one to a place its manifest did not bind it to, or writes one down unsealed.

mod apply;
mod exchange;
mod mask;
mod seal;
mod session;
mod source;

pub use mask::{learn as hide_from_now_on, mask};
pub use source::{Environment, Sources};

use crate::clock::Clock;
use crate::domain::{Json, Language, PluginName, Secret, Timestamp};
use crate::instance::PluginUse;
use crate::network::{Network, NetworkError, Place, Request, Response};
use crate::plugin::manifest::{Credential, CredentialKind};
use crate::store::Store;
use seal::Seal;
use session::Sessions;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use url::Url;

/// Secrets shorter than this are not looked for in answers: a word of an answer may look like them.
const LOOKED_FOR: usize = 12;

/// On whose behalf a credential is used.
#[derive(Debug, Clone, PartialEq)]
pub struct SecretUse {
    /// The plugin.
    pub plugin: PluginName,
    /// What it is at work for, such as `account:bluesky`.
    pub scope: Arc<str>,
    /// The name alone, such as `bluesky`.
    pub name: Arc<str>,
    /// What the owner filled in.
    pub settings: Arc<Json>,
    /// Names of secrets by the manifest's names of credentials; one that is not here is called `<name>-<credential>`.
    pub secrets: Arc<BTreeMap<String, String>>,
    /// The owner's language.
    pub language: Language,
}

impl SecretUse {
    /// The use of secrets that belongs to this use of a plugin. `settings` are those with the manifest's defaults filled in.
    pub fn of(used: &PluginUse, settings: Arc<Json>, language: Language) -> Self {
        Self {
            plugin: used.plugin.clone(),
            scope: used.scope.clone(),
            name: used.scope.rsplit(':').next().unwrap_or_default().into(),
            settings,
            secrets: used.secrets.clone(),
            language,
        }
    }

    /// The name of the secret for a credential.
    pub fn secret_name(&self, credential: &str) -> String {
        self.secrets.get(credential).cloned().unwrap_or_else(|| format!("{}-{credential}", self.name))
    }
}

/// Why a request with a credential got no answer, by what to do next. Each sentence is fit for an owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is no usable secret: the owner has to put one in place.
    #[error("{0}")]
    NoCredential(String),
    /// The credential may not be used for this request. Trying again will not help.
    #[error("{0}")]
    NotBound(String),
    /// The service no longer accepts the secret: the owner has to renew it.
    #[error("{0}")]
    Reconnect(String),
    /// The request itself failed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// No token could be had for now, and the request had no effect: try again, not before the moment given.
    #[error("{0}")]
    Retry(String, Option<Timestamp>),
}

/// What a pattern of hosts means for this use: places whose methods and paths do not matter here.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Vec<Place>;

/// The secrets of one daemon.
pub struct Secrets {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    sources: RwLock<Sources>,
    seal: Seal,
    sessions: Sessions,
}

impl Secrets {
    /// Secrets from these sources; sessions are kept in the store, sealed under the key in `state`.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>, sources: Sources, state: &Path) -> Self {
        Self { store, clock, sources: RwLock::new(sources), seal: Seal::new(state), sessions: Sessions::default() }
    }

    /// Looks for secrets in another folder from now on.
    pub fn set_folder(&self, folder: PathBuf) {
        self.sources.write().unwrap_or_else(PoisonError::into_inner).folder = folder;
    }

    /// Forgets the sessions of a plugin that was removed.
    pub fn forget(&self, plugin: &PluginName) {
        self.sessions.forget(plugin);
    }

    /// Whether the secret of a credential is there and fit for use.
    ///
    /// # Errors
    /// [`SecretError::NoCredential`], with the ways to put it there.
    pub fn check(&self, credential: &Credential, user: &SecretUse) -> Result<(), SecretError> {
        self.secret(credential, user).map(drop)
    }

    /// Sends a request with a credential.
    ///
    /// # Errors
    /// [`SecretError`]. As from the network alone, a 4xx or 5xx answer is a response.
    pub fn send(
        &self,
        network: &dyn Network,
        request: Request,
        credential: &Credential,
        user: &SecretUse,
        resolve: Resolve<'_>,
    ) -> Result<Response, SecretError> {
        self.send_openly(network, request, credential, user, resolve).map_err(|error| {
            // Whatever a service or the system said, what people are told of it holds no secret.
            let hide = |text: String| mask(&text).into_owned();
            match error {
                SecretError::NoCredential(text) => SecretError::NoCredential(hide(text)),
                SecretError::NotBound(text) => SecretError::NotBound(hide(text)),
                SecretError::Reconnect(text) => SecretError::Reconnect(hide(text)),
                SecretError::Retry(text, when) => SecretError::Retry(hide(text), when),
                SecretError::Network(error) => SecretError::Network(match error {
                    NetworkError::Forbidden(text) => NetworkError::Forbidden(hide(text)),
                    NetworkError::NotSent(text) => NetworkError::NotSent(hide(text)),
                    NetworkError::Lost(text) => NetworkError::Lost(hide(text)),
                    NetworkError::TooLarge(text) => NetworkError::TooLarge(hide(text)),
                }),
            }
        })
    }

    fn send_openly(
        &self,
        network: &dyn Network,
        mut request: Request,
        credential: &Credential,
        user: &SecretUse,
        resolve: Resolve<'_>,
    ) -> Result<Response, SecretError> {
        let language = user.language;
        let Ok(url) = Url::parse(request.url.trim()) else {
            let shown: String = request.url.chars().take(120).collect();
            let sentence = language.pick(
                format!("« {shown} » n'est pas une adresse du web. Elle s'écrit https://hôte/chemin."),
                format!("\"{shown}\" is not a web address. Write it as https://host/path."),
            );
            return Err(NetworkError::Forbidden(sentence).into());
        };
        let places: Vec<Place> = credential.hosts.iter().flat_map(|pattern| resolve(pattern)).collect();
        bound(credential, &places, &url, user)?;
        let secret = self.secret(credential, user)?;
        let mut response = if let CredentialKind::Session(session) = &credential.kind {
            let session = session::Use::new(network, credential, session, user, &secret, places)?;
            session.not_for_guests(&url)?;
            self.send_in_session(&session, request)?
        } else {
            apply::apply(&mut request, &url, &credential.kind, &secret, &user.settings, language)
                .map_err(SecretError::NotBound)?;
            network.send(&request)?
        };
        keep_back(&mut response, &secret);
        Ok(response)
    }

    /// HMAC-SHA256 of these bytes under a credential of kind `hmac`.
    ///
    /// # Errors
    /// [`SecretError::NotBound`] for a credential of another kind, [`SecretError::NoCredential`] without a secret.
    pub fn sign(&self, credential: &Credential, user: &SecretUse, bytes: &[u8]) -> Result<Vec<u8>, SecretError> {
        if credential.kind != CredentialKind::Hmac {
            let name = &credential.name;
            return Err(SecretError::NotBound(user.language.pick(
                format!("L'accès {name} du plugin {} ne sert pas à signer. Signalez-le à son auteur.", user.plugin),
                format!("The credential {name} of the plugin {} is not for signing. Tell its author.", user.plugin),
            )));
        }
        let secret = self.secret(credential, user)?;
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.expose().as_bytes());
        Ok(ring::hmac::sign(&key, bytes).as_ref().to_vec())
    }

    /// The text with every secret and token in use replaced by `***`.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        mask(text)
    }

    /// Reads the secret of a credential, and has it hidden from now on.
    fn secret(&self, credential: &Credential, user: &SecretUse) -> Result<Secret, SecretError> {
        let name = user.secret_name(&credential.name);
        let secret = self.sources().read(&name, user.language).map_err(SecretError::NoCredential)?;
        mask::learn(&format!("secret {name}"), &secret);
        if matches!(&credential.kind, CredentialKind::Basic { user: None })
            && let Some((_, password)) = secret.expose().split_once(':')
        {
            mask::learn(&format!("password in {name}"), &Secret::new(password));
        }
        Ok(secret)
    }

    fn sources(&self) -> Sources {
        self.sources.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether a credential may go where this address leads.
fn bound(credential: &Credential, places: &[Place], url: &Url, user: &SecretUse) -> Result<(), SecretError> {
    if places.iter().any(|place| place.names(url)) {
        return Ok(());
    }
    let scheme = if url.scheme() == "https" { "" } else { "http://" };
    let host = format!("{scheme}{}", url[url::Position::BeforeHost..url::Position::AfterPort].to_owned());
    let (name, plugin) = (&credential.name, &user.plugin);
    let known = places.iter().map(|p| p.host.as_str()).collect::<Vec<_>>().join(", ");
    Err(SecretError::NotBound(user.language.pick(
        format!(
            "L'accès {name} du plugin {plugin} n'est pas lié à {host} mais à : {known}. Corrigez le réglage, ou \
             signalez-le à l'auteur du plugin."
        ),
        format!(
            "The credential {name} of the plugin {plugin} is not bound to {host} but to: {known}. Correct the setting, or \
             tell the plugin's author."
        ),
    )))
}

/// A service that repeats what it was sent does not thereby tell the plugin.
fn keep_back(response: &mut Response, secret: &Secret) {
    if secret.expose().len() < LOOKED_FOR {
        return;
    }
    let forms: Vec<String> = mask::forms(secret.expose()).into_iter().filter(|f| f.len() >= LOOKED_FOR).collect();
    for (_, value) in &mut response.headers {
        if let Cow::Owned(hidden) = mask::hide(value, forms.iter().map(String::as_str)) {
            *value = hidden;
        }
    }
    for form in &forms {
        if let Some(hidden) = without(&response.body, form.as_bytes()) {
            response.body = hidden;
        }
    }
}

/// The bytes with `***` in place of these; `None` when they do not occur.
fn without(bytes: &[u8], form: &[u8]) -> Option<Vec<u8>> {
    let next = |from: usize| bytes[from..].windows(form.len()).position(|w| w == form).map(|at| from + at);
    let (mut at, mut done, mut out) = (next(0)?, 0, Vec::with_capacity(bytes.len()));
    loop {
        out.extend_from_slice(&bytes[done..at]);
        out.extend_from_slice(b"***");
        done = at + form.len();
        match next(done) {
            Some(found) => at = found,
            None => break,
        }
    }
    out.extend_from_slice(&bytes[done..]);
    Some(out)
}

#[cfg(test)]
mod tests;
