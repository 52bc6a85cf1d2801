//! Sessions: tokens that the host gets, keeps sealed, and renews, whoever needs them and however many at once.
//!
//! In: a request of a plugin, the exchanges of its manifest. Out: the answer under a token in force.
//! Never: uses tokens before they are on disk, logs in where a refresh will do, or gives a session up because a line or a server
//! is down.

use super::exchange::{self, Outcome};
use super::{SecretError, SecretUse, Secrets, apply, bound, keep_back, mask};
use crate::domain::{Digest, Json, PluginName, Secret, Timestamp};
use crate::network::{Network, Place, Request, Response, plain_path};
use crate::plugin::manifest::{Credential, Session};
use crate::store::{Change, Op, PluginOp, plugins};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use url::Url;

/// After a refused login, the same secret is not tried again for this long.
const REFUSED_REST: Duration = Duration::from_secs(15 * 60);
/// At most this many logins with one secret …
const LOGINS: usize = 3;
/// … in this time. Services lock accounts that log in all the time.
const LOGINS_WITHIN: Duration = Duration::from_secs(5 * 60);

/// The tokens of a session.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    pub(super) access: Secret,
    /// Empty when the service gave none.
    pub(super) refresh: Secret,
    /// From when on the access token is not used any more; unknown until the service says so with a 401.
    pub(super) renew_at: Option<Timestamp>,
    /// What they were got with: secret, settings, places. With another one they are not used.
    pub(super) origin: Digest,
}

impl Tokens {
    fn to_bytes(&self) -> Vec<u8> {
        let json = serde_json::json!({
            "access": self.access.expose(),
            "refresh": self.refresh.expose(),
            "renew_at": self.renew_at.map(Timestamp::millis),
            "origin": self.origin,
        });
        json.to_string().into_bytes()
    }

    fn from_bytes(bytes: &[u8], origin: Digest) -> Option<Self> {
        let json: Json = serde_json::from_slice(bytes).ok()?;
        if json.get("origin")?.as_str()? != origin.to_string() {
            return None;
        }
        let text = |name: &str| json.get(name).and_then(Json::as_str).map(Secret::new);
        let renew_at = json.get("renew_at").and_then(Json::as_i64).map(Timestamp::from_millis);
        Some(Self { access: text("access")?, refresh: text("refresh")?, renew_at, origin })
    }
}

/// All sessions of one daemon.
#[derive(Default)]
pub(super) struct Sessions {
    /// By plugin, scope and credential.
    slots: Mutex<HashMap<(String, String, String), Arc<Slot>>>,
    /// By what they are made with.
    logins: Mutex<HashMap<Digest, Logins>>,
}

/// One session. Who holds the lock may talk to the service about tokens; all others wait and take what comes of it.
#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    /// How often tokens were asked for: who waited sees whether somebody else has tried.
    tries: AtomicU64,
}

#[derive(Default)]
struct State {
    tokens: Option<Tokens>,
    /// Whether the store was asked for them.
    loaded: bool,
    /// Whether they are still to be written down.
    unsaved: bool,
    /// What the latest try came to, if not to tokens.
    failed: Option<SecretError>,
    /// The service wants to be left alone until then.
    rest: Option<Timestamp>,
}

/// Logins with one secret, in monotonic time.
#[derive(Default)]
struct Logins {
    recent: Vec<Duration>,
    refused: Option<Duration>,
}

impl Sessions {
    fn slot(&self, using: &Use<'_>) -> Arc<Slot> {
        let key = (using.user.plugin.to_string(), using.user.scope.to_string(), using.credential.name.clone());
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone()
    }

    pub(super) fn forget(&self, plugin: &PluginName) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).retain(|(name, ..), _| name != plugin.as_str());
    }

    fn logins(&self) -> MutexGuard<'_, HashMap<Digest, Logins>> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One use of a session, with all that goes with it.
pub(super) struct Use<'a> {
    pub(super) network: &'a dyn Network,
    pub(super) credential: &'a Credential,
    pub(super) session: &'a Session,
    pub(super) user: &'a SecretUse,
    pub(super) secret: &'a Secret,
    pub(super) places: Vec<Place>,
    pub(super) origin: Digest,
    /// Whom to name in sentences.
    pub(super) host: String,
    exchanges: Vec<Url>,
}

impl<'a> Use<'a> {
    pub(super) fn new(
        network: &'a dyn Network,
        credential: &'a Credential,
        session: &'a Session,
        user: &'a SecretUse,
        secret: &'a Secret,
        places: Vec<Place>,
    ) -> Result<Self, SecretError> {
        let origin = Digest::of(b"");
        let mut made =
            Self { network, credential, session, user, secret, places, origin, host: String::new(), exchanges: Vec::new() };
        for exchange in session.login.iter().chain([&session.refresh]) {
            let url = exchange::place(&made, exchange).map_err(SecretError::NoCredential)?;
            bound(credential, &made.places, &url, user)?;
            made.exchanges.push(url);
        }
        made.host = made.exchanges.last().and_then(Url::host_str).unwrap_or_default().to_owned();
        made.origin = made.origin()?;
        Ok(made)
    }

    /// Everything the tokens hang on. A token of one service never goes to another because a setting has changed.
    fn origin(&self) -> Result<Digest, SecretError> {
        let mut hosts: Vec<&str> = self.places.iter().map(|p| p.host.as_str()).collect();
        hosts.sort_unstable();
        let bodies: Vec<String> = (self.session.login.iter())
            .map(|login| exchange::body_text(self, login))
            .collect::<Result<_, _>>()
            .map_err(SecretError::NoCredential)?;
        let urls: Vec<&str> = self.exchanges.iter().map(Url::as_str).collect();
        let all = serde_json::json!([self.secret.expose(), hosts, urls, bodies]);
        Ok(Digest::of(all.to_string().as_bytes()))
    }

    /// Refuses a plugin's own request to where tokens are given: the answer would hold them.
    pub(super) fn not_for_guests(&self, url: &Url) -> Result<(), SecretError> {
        // Compared as a lenient server would read it.
        let read = |url: &Url| {
            let path = plain_path(url.path())?.to_ascii_lowercase();
            Some(path.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect::<Vec<_>>())
        };
        let asked = read(url);
        if asked.is_some() && self.exchanges.iter().all(|e| read(e) != asked) {
            return Ok(());
        }
        let (name, path) = (&self.credential.name, url.path());
        Err(SecretError::NotBound(self.user.language.pick(
            format!("{path} donne les jetons de l'accès {name} : Beffroi seul l'appelle. Signalez-le à l'auteur du plugin."),
            format!("{path} gives the tokens of the credential {name}: only Beffroi calls it. Tell the plugin's author."),
        )))
    }

    fn purpose(&self) -> String {
        serde_json::json!(["token", self.user.plugin.as_str(), &*self.user.scope, self.credential.name]).to_string()
    }

    fn learn(&self, tokens: &Tokens) {
        let of = self.purpose();
        mask::learn(&format!("access {of}"), &tokens.access);
        mask::learn(&format!("refresh {of}"), &tokens.refresh);
    }

    /// The sentence for a service that wants a new secret.
    fn reconnect(&self, answer: &str) -> SecretError {
        let (language, host) = (self.user.language, &self.host);
        let (name, label) = (self.user.secret_name(&self.credential.name), self.credential.label.pick(language));
        SecretError::Reconnect(language.pick(
            format!("{host} n'accepte plus l'accès de {} ({answer}). Renouvelez le secret {name} ({label}).", self.user.name),
            format!(
                "{host} no longer accepts the credential of {} ({answer}). Renew the secret {name} ({label}).",
                self.user.name
            ),
        ))
    }
}

impl Secrets {
    /// Sends a request under the session's token; once more under a new one if the service says that the first has expired.
    pub(super) fn send_in_session(&self, using: &Use<'_>, mut request: Request) -> Result<Response, SecretError> {
        let (mut access, fresh) = self.access(using, None)?;
        apply::bearer(&mut request, &access);
        let mut response = using.network.send(&request)?;
        // The refusal proves that the request had no effect. A token of a moment ago is not what is wrong with it.
        if !fresh && expired(using.session, &response) {
            (access, _) = self.access(using, Some(&access))?;
            apply::bearer(&mut request, &access);
            response = using.network.send(&request)?;
        }
        keep_back(&mut response, &access);
        Ok(response)
    }

    /// The access token, and whether it is of this very moment. `stale` is one that was refused.
    fn access(&self, using: &Use<'_>, stale: Option<&Secret>) -> Result<(Secret, bool), SecretError> {
        let slot = self.sessions.slot(using);
        let before = slot.tries.load(Ordering::SeqCst);
        let mut state = slot.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if state.tokens.as_ref().is_some_and(|t| t.origin != using.origin) {
            *state = State::default();
        }
        if !state.loaded {
            state.tokens = self.load(using)?;
            state.loaded = true;
        }
        if state.unsaved {
            let tokens = state.tokens.clone().expect("what is unsaved is there");
            self.save(using, &tokens)?;
            state.unsaved = false;
        }
        if let Some(tokens) = &state.tokens
            && Some(&tokens.access) != stale
            && tokens.renew_at.is_none_or(|at| now < at)
        {
            return Ok((tokens.access.clone(), false));
        }
        if slot.tries.load(Ordering::SeqCst) != before
            && let Some(failed) = &state.failed
        {
            // Somebody has just tried while we waited: to try again at once would be no better.
            return Err(failed.clone());
        }
        if let Some(rest) = state.rest.filter(|rest| *rest > now) {
            return Err(later(using, rest));
        }
        slot.tries.fetch_add(1, Ordering::SeqCst);
        let asked = self.renew(using, state.tokens.as_ref(), now);
        match asked {
            Ok(tokens) => {
                using.learn(&tokens);
                *state = State { tokens: Some(tokens.clone()), loaded: true, unsaved: true, failed: None, rest: None };
                // When the disk is full, the new tokens are all there is: they stay in memory until they can be kept.
                self.save(using, &tokens).inspect_err(|error| state.failed = Some(error.clone()))?;
                state.unsaved = false;
                Ok((tokens.access, true))
            }
            Err(error) => {
                if let SecretError::Retry(_, when) = &error {
                    state.rest = *when;
                }
                state.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Asks for new tokens: with the refresh token if there is one, else with the secret.
    fn renew(&self, using: &Use<'_>, old: Option<&Tokens>, now: Timestamp) -> Result<Tokens, SecretError> {
        let kept = old.map(|t| &t.refresh).filter(|r| !r.expose().is_empty());
        // Where there is no login, the owner's secret is the first refresh token.
        let refresh = kept.or_else(|| using.session.login.is_none().then_some(using.secret));
        let mut refused = None;
        if let Some(refresh) = refresh {
            match exchange::ask(using, &using.session.refresh, Some(refresh), now) {
                Outcome::Given(tokens) => {
                    tracing::debug!(plugin = %using.user.plugin, scope = %using.user.scope, "session renewed");
                    return Ok(tokens);
                }
                Outcome::Later(text, when) => return Err(SecretError::Retry(text, when)),
                Outcome::Forbidden(text) => return Err(SecretError::NotBound(text)),
                Outcome::Refused(answer) => refused = Some(answer),
            }
        }
        match &using.session.login {
            None => Err(using.reconnect(&refused.unwrap_or_default())),
            Some(login) => {
                self.may_log_in(using, now)?;
                match exchange::ask(using, login, None, now) {
                    Outcome::Given(tokens) => {
                        tracing::info!(plugin = %using.user.plugin, scope = %using.user.scope, "logged in to {}", using.host);
                        Ok(tokens)
                    }
                    Outcome::Later(text, when) => Err(SecretError::Retry(text, when)),
                    Outcome::Forbidden(text) => Err(SecretError::NotBound(text)),
                    Outcome::Refused(answer) => {
                        let refused = Some(self.clock.monotonic());
                        self.sessions.logins().entry(using.origin).or_default().refused = refused;
                        Err(using.reconnect(&answer))
                    }
                }
            }
        }
    }

    /// Counts a login, or says why there is none now.
    fn may_log_in(&self, using: &Use<'_>, now: Timestamp) -> Result<(), SecretError> {
        let here = self.clock.monotonic();
        let mut all = self.sessions.logins();
        all.retain(|_, l| {
            l.recent.retain(|at| here < *at + LOGINS_WITHIN);
            l.refused = l.refused.filter(|at| here < *at + REFUSED_REST);
            !l.recent.is_empty() || l.refused.is_some()
        });
        let logins = all.entry(using.origin).or_default();
        if let Some(at) = logins.refused {
            let until = now.plus((at + REFUSED_REST).saturating_sub(here));
            return Err(using.reconnect(&using.user.language.pick(
                format!("déjà refusé ; le même secret n'est pas réessayé avant {until}"),
                format!("refused before; the same secret is not tried again until {until}"),
            )));
        }
        if logins.recent.len() >= LOGINS {
            return Err(later(using, now.plus((logins.recent[0] + LOGINS_WITHIN).saturating_sub(here))));
        }
        logins.recent.push(here);
        Ok(())
    }

    fn load(&self, using: &Use<'_>) -> Result<Option<Tokens>, SecretError> {
        let user = using.user;
        let read = || {
            let reader = self.store.read()?;
            plugins::token(&reader, user.plugin.as_str(), &user.scope, &using.credential.name)
        };
        let sealed = read().map_err(|e| SecretError::Retry(crate::store::CommitError::from(e).to_string(), None))?;
        let Some(sealed) = sealed else { return Ok(None) };
        let opened =
            self.seal.open(&self.sources(), &using.purpose(), &sealed, user.language).map_err(SecretError::NoCredential)?;
        if opened.is_none() {
            tracing::warn!(
                plugin = %user.plugin, scope = %user.scope,
                "the kept session was sealed under another key and cannot be opened; a new one is begun"
            );
        }
        let tokens = opened.and_then(|bytes| Tokens::from_bytes(&bytes, using.origin));
        if let Some(tokens) = &tokens {
            using.learn(tokens);
        }
        Ok(tokens)
    }

    fn save(&self, using: &Use<'_>, tokens: &Tokens) -> Result<(), SecretError> {
        let user = using.user;
        let sealed = self
            .seal
            .seal(&self.sources(), &using.purpose(), &tokens.to_bytes(), user.language)
            .map_err(SecretError::NoCredential)?;
        let op = PluginOp::Token {
            plugin: user.plugin.to_string(),
            scope: user.scope.to_string(),
            credential: using.credential.name.clone(),
            sealed,
        };
        let change = Change::new(self.clock.now(), vec![Op::Plugin(op)]);
        self.store.commit(change).map(drop).map_err(|e| SecretError::Retry(e.to_string(), None))
    }
}

/// The sentence for a service that is left alone for a while.
fn later(using: &Use<'_>, until: Timestamp) -> SecretError {
    let host = &using.host;
    let text = using.user.language.pick(
        format!("{host} n'est pas rappelé pour un jeton avant {until}. Nouvel essai après."),
        format!("{host} is not asked for a token before {until}. It is tried again after that."),
    );
    SecretError::Retry(text, Some(until))
}

/// Whether an answer says that the access token is no longer good.
fn expired(session: &Session, response: &Response) -> bool {
    let coded = || {
        let json: Json = serde_json::from_slice(&response.body).unwrap_or_default();
        exchange::error_code(&json).is_some_and(|code| session.expired.iter().any(|e| e == code))
    };
    response.status == 401 || (response.status == 400 && coded())
}
