//! The network of a workflow that is a plugin: what it is told goes into the journal, and in a replay comes from there.
//!
//! In: the requests a plugin sends during its run. Out: answers, and a list of them.
//! Never: lets a request leave in a replay, or one that changes something leave in a run that does not count.

use super::journal::{Recorded, Told};
use crate::network::{Network, NetworkError, Request, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

/// An answer as it is kept: the body as text where it is text.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
}

/// Why there was none, as it is kept.
#[derive(Serialize, Deserialize)]
enum Failed {
    Forbidden(String),
    NotSent(String),
    Lost(String),
    TooLarge(String),
}

type Line = Result<Kept, Failed>;

/// The wire of one run.
pub(super) struct Wire<'a> {
    /// The world's; none in a replay.
    network: Option<&'a dyn Network>,
    counts: bool,
    recorded: Mutex<Option<Recorded>>,
    told: Mutex<Vec<(String, Told)>>,
    unanswered: Mutex<Vec<String>>,
    /// Questions that the recording answered.
    asked: Mutex<Vec<String>>,
}

/// What became of a wire.
pub(super) struct Left {
    /// What was told, in order.
    pub(super) told: Vec<(String, Told)>,
    /// What no recording could answer.
    pub(super) unanswered: Vec<String>,
    /// What the recording answered.
    pub(super) asked: Vec<String>,
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Wire<'a> {
    /// A wire to this network. `recorded` is asked first.
    pub(super) fn new(network: Option<&'a dyn Network>, counts: bool, recorded: Option<Recorded>) -> Self {
        Self {
            network,
            counts,
            recorded: Mutex::new(recorded),
            told: Mutex::default(),
            unanswered: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// What became of it.
    pub(super) fn leave(self) -> Left {
        Left {
            told: self.told.into_inner().unwrap_or_else(PoisonError::into_inner),
            unanswered: self.unanswered.into_inner().unwrap_or_else(PoisonError::into_inner),
            asked: self.asked.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Network for Wire<'_> {
    fn send(&self, request: &Request) -> Result<Response, NetworkError> {
        let question = format!("{} {}", request.method, request.url);
        let told = held(&self.recorded).as_mut().and_then(|recorded| recorded.answer(&question));
        if let Some(Told::Text(text)) = told.as_deref() {
            let line: Line = serde_json::from_str(text)
                .map_err(|e| NetworkError::NotSent(format!("The recorded answer to {question} cannot be read: {e}.")))?;
            held(&self.asked).push(question);
            return give(line);
        }
        let recorded = held(&self.recorded).is_some();
        let Some(network) = self.network else {
            held(&self.unanswered).push(question.clone());
            return Err(NetworkError::NotSent(format!("The recording holds no answer to {question}.")));
        };
        if recorded {
            held(&self.unanswered).push(question.clone());
        }
        if !self.counts && !matches!(request.method.as_str(), "GET" | "HEAD") {
            return Err(NetworkError::NotSent(format!("Here the run would send {question}. Nothing was sent.")));
        }
        let answer = network.send(request);
        let line = keep(&answer);
        let text = serde_json::to_string(&line).expect("an answer is plain data");
        held(&self.told).push((question, Told::Text(text)));
        answer
    }
}

fn keep(answer: &Result<Response, NetworkError>) -> Line {
    match answer {
        Ok(response) => {
            let (text, bytes) = match std::str::from_utf8(&response.body) {
                Ok(text) => (Some(text.to_owned()), None),
                Err(_) => (None, Some(STANDARD.encode(&response.body))),
            };
            Ok(Kept { status: response.status, headers: response.headers.clone(), text, bytes })
        }
        Err(error) => Err(match error.clone() {
            NetworkError::Forbidden(why) => Failed::Forbidden(why),
            NetworkError::NotSent(why) => Failed::NotSent(why),
            NetworkError::Lost(why) => Failed::Lost(why),
            NetworkError::TooLarge(why) => Failed::TooLarge(why),
        }),
    }
}

fn give(line: Line) -> Result<Response, NetworkError> {
    match line {
        Ok(Kept { status, headers, text, bytes }) => {
            let body = match (text, bytes) {
                (Some(text), _) => text.into_bytes(),
                (None, Some(bytes)) => STANDARD.decode(bytes).unwrap_or_default(),
                (None, None) => Vec::new(),
            };
            Ok(Response { status, headers, body })
        }
        Err(Failed::Forbidden(why)) => Err(NetworkError::Forbidden(why)),
        Err(Failed::NotSent(why)) => Err(NetworkError::NotSent(why)),
        Err(Failed::Lost(why)) => Err(NetworkError::Lost(why)),
        Err(Failed::TooLarge(why)) => Err(NetworkError::TooLarge(why)),
    }
}
