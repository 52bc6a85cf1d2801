//! The remote of a trial: answers from a recording, or the same way to everything, and a note of each request.
//!
//! In: requests as they leave the host. Out: scripted answers; what was asked, in order.
//! Never: the network. What nobody scripted did not leave.

use crate::domain::Json;
use crate::network::{Network, NetworkError, Request, Response};
use crate::plugin::manifest::{CredentialKind, Manifest, Session};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// What happens to a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    /// An answer.
    Answer(Response),
    /// It leaves, and no answer comes.
    Lost,
    /// It does not leave.
    NotSent,
}

impl Fate {
    pub(super) fn status(status: u16) -> Self {
        Self::body(status, "application/json", b"{}".to_vec())
    }

    pub(super) fn body(status: u16, media_type: &str, body: Vec<u8>) -> Self {
        Self::Answer(Response { status, headers: vec![("content-type".into(), media_type.into())], body })
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer(response) = &mut self {
            response.headers.push((name.into(), value.into()));
        }
        self
    }
}

/// Which requests meet their fate; the others get what was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// None: all is as recorded.
    Nobody,
    /// All of them.
    All,
    /// Those that change something.
    Writes,
}

/// A recorded answer: `METHOD URL`, and what happens.
pub(super) type Route = (String, Fate);

/// A remote for one case.
pub(super) struct Remote {
    whom: Whom,
    fate: Fate,
    routes: Mutex<Vec<(String, VecDeque<Fate>)>>,
    sessions: Vec<Session>,
    seen: Mutex<Vec<Request>>,
    unknown: Mutex<Vec<String>>,
}

impl Remote {
    /// A remote at which these requests meet this fate, and the others what was recorded.
    pub(super) fn new(manifest: &Manifest, routes: &[Route], whom: Whom, fate: Fate) -> Self {
        let mut queues: Vec<(String, VecDeque<Fate>)> = Vec::new();
        for (route, fate) in routes {
            match queues.iter_mut().find(|(known, _)| known == route) {
                Some((_, queue)) => queue.push_back(fate.clone()),
                None => queues.push((route.clone(), VecDeque::from([fate.clone()]))),
            }
        }
        let session = |kind: &CredentialKind| match kind {
            CredentialKind::Session(session) => Some((**session).clone()),
            _ => None,
        };
        let sessions = manifest.credentials.iter().filter_map(|c| session(&c.kind)).collect();
        Self { whom, fate, routes: Mutex::new(queues), sessions, seen: Mutex::default(), unknown: Mutex::default() }
    }

    /// Every request of the plugin so far, in order. The host's own requests for tokens are not among them.
    pub(super) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests that nobody recorded.
    pub(super) fn unknown(&self) -> Vec<String> {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tokens for the host, if this is where it gets them.
    fn tokens(&self, request: &Request) -> Option<Response> {
        let path = |url: &str| url.split_once("://").map_or(url, |(_, rest)| rest).split_once('/').map(|(_, p)| p.to_owned());
        let asked = path(&request.url)?;
        let meant = |template: &str| {
            template.rsplit_once('}').map_or_else(|| path(template), |(_, p)| Some(p.trim_start_matches('/').into()))
        };
        let is_login = |s: &Session| s.login.as_ref().and_then(|login| meant(&login.url)).as_ref() == Some(&asked);
        let session = self.sessions.iter().find(|s| is_login(s) || meant(&s.refresh.url).as_ref() == Some(&asked))?;
        let mut body = Json::Object(serde_json::Map::new());
        put(&mut body, &session.access, "an-access-token-for-trying".into());
        put(&mut body, &session.refresh_token, "a-refresh-token-for-trying".into());
        if let Some(pointer) = &session.expires_in {
            put(&mut body, pointer, 3600.into());
        }
        Some(Response {
            status: 200,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
        })
    }

    fn recorded(&self, request: &Request) -> Fate {
        let whole = format!("{} {}", request.method, request.url);
        let bare = whole.split('?').next().unwrap_or_default().to_owned();
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let at = routes.iter().position(|(r, _)| *r == whole).or_else(|| routes.iter().position(|(r, _)| *r == bare));
        let fate = at.and_then(|at| {
            let queue = &mut routes[at].1;
            if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() }
        });
        fate.unwrap_or_else(|| {
            self.unknown.lock().unwrap_or_else(PoisonError::into_inner).push(whole);
            Fate::NotSent
        })
    }
}

/// Puts a value where a JSON pointer points, through objects.
fn put(into: &mut Json, pointer: &str, value: Json) {
    let mut at = into;
    for key in pointer.split('/').skip(1) {
        if !at.is_object() {
            *at = Json::Object(serde_json::Map::new());
        }
        at = &mut at[key];
    }
    *at = value;
}

impl Network for Remote {
    fn send(&self, request: &Request) -> Result<Response, NetworkError> {
        if let Some(tokens) = self.tokens(request) {
            return Ok(tokens);
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let writes = !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let struck = match self.whom {
            Whom::Nobody => false,
            Whom::All => true,
            Whom::Writes => writes,
        };
        match if struck { self.fate.clone() } else { self.recorded(request) } {
            Fate::Answer(response) if response.body.len() > request.max_body => {
                Err(NetworkError::TooLarge(format!("The answer is larger than {} bytes.", request.max_body)))
            }
            Fate::Answer(response) => Ok(response),
            Fate::Lost => Err(NetworkError::Lost("The connection broke before the answer came.".into())),
            Fate::NotSent => Err(NetworkError::NotSent(format!("No recording answers {} {}.", request.method, request.url))),
        }
    }
}

/// A request as two of them are compared: without what is no part of the message.
pub(super) fn essence(request: &Request) -> (String, String, Vec<(String, String)>, Vec<u8>) {
    (request.method.clone(), request.url.clone(), request.headers.clone(), request.body.clone())
}

/// Whether a request shows a text anywhere that a service can see it.
pub(super) fn shows(request: &Request, text: &str) -> bool {
    request.url.contains(text)
        || request.headers.iter().any(|(_, value)| value.contains(text))
        || request.body.windows(text.len()).any(|window| window == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_makes_its_way() {
        let mut body = Json::Null;
        put(&mut body, "/a/b", 1.into());
        put(&mut body, "/c", 2.into());
        assert_eq!(body, serde_json::json!({ "a": { "b": 1 }, "c": 2 }));
    }
}
