//! The world outside as a simulation has it: it takes everything and tells nobody.
//!
//! In: posts, notices, prompts, requests, and what runs were told when they last asked. Out: receipts, sample texts, the same answers
//! again, and for every other request that the network is down.
//! Never: lets anything out, or writes anything but its answers.

use crate::kinds::{
    Call, Channel, Failure, Finding, Generation, Generator, KindError, Notice, Notifier, Outcome, Outgoing, Prompt, Receipt,
};
use crate::network::{Network, NetworkError, Request, Response};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A receipt that names the delivery and nothing of this database.
fn receipt(key: &str) -> Receipt {
    Receipt { remote_id: key.rsplit('-').next().unwrap_or_default().to_owned(), url: None }
}

/// An account that takes whatever the real channel would have taken.
pub struct Taken(pub Arc<dyn Channel>);

impl Channel for Taken {
    fn objections(&self, post: &Outgoing) -> Vec<Failure> {
        self.0.objections(post)
    }

    fn publish(&self, call: &Call<'_>, key: &str, post: &Outgoing, _: Option<&str>) -> Result<Outcome, KindError> {
        // A picture that is not there would keep the real one from going out as well.
        for medium in &post.media {
            if let Err(error) = std::fs::metadata(&medium.path) {
                return Err(KindError::media_missing(call.language, &medium.path, &error));
            }
        }
        Ok(Outcome::Online(receipt(key)))
    }

    fn settles_within(&self) -> Duration {
        Duration::ZERO
    }

    fn find(&self, _: &Call<'_>, key: &str, _: &Outgoing, _: Option<&str>) -> Option<Result<Finding, KindError>> {
        // What an earlier life of the database left in the air has arrived.
        Some(Ok(Finding::Online(receipt(key))))
    }
}

/// A person whom every notice reaches.
pub struct Told;

impl Notifier for Told {
    fn notify(&self, _: &Call<'_>, key: &str, _: &Notice) -> Result<Receipt, KindError> {
        Ok(receipt(key))
    }

    fn settles_within(&self) -> Duration {
        Duration::ZERO
    }

    fn find(&self, _: &Call<'_>, key: &str, _: &Notice) -> Option<Result<Finding, KindError>> {
        Some(Ok(Finding::Online(receipt(key))))
    }
}

/// Writes a sample that says that it is one, at no cost.
pub struct Sample(pub String);

impl Generator for Sample {
    fn generate(&self, call: &Call<'_>, prompt: &Prompt) -> Result<Generation, KindError> {
        let task = crate::craft::words::fit(prompt.task.lines().next().unwrap_or_default(), 60);
        let text = |variant: u32| {
            let text = call.language.pick(
                format!("[Texte d'exemple {variant} de « {} » : {task}]", self.0),
                format!("[Sample text {variant} by \"{}\": {task}]", self.0),
            );
            let most = prompt.max_chars.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
            text.chars().take(most).collect()
        };
        let texts = (1..=prompt.variants.clamp(1, 20)).map(text).collect();
        Ok(Generation { texts, model: "simulation".into(), cost_micros: Some(0), ..Generation::default() })
    }
}

/// A network that only remembers: whoever reads a page gets what the last run was told that read it. For all else it is down.
#[derive(Debug, Default)]
pub struct Remembered(OnceLock<HashMap<String, Response>>);

impl Remembered {
    /// Takes over the answers by address, once.
    pub fn learn(&self, answers: HashMap<String, Response>) {
        let _ = self.0.set(answers);
    }
}

impl Network for Remembered {
    fn send(&self, request: &Request) -> Result<Response, NetworkError> {
        if let Some(response) = self.0.get().filter(|_| request.method == "GET").and_then(|answers| answers.get(&request.url)) {
            return Ok(response.clone());
        }
        let host = url::Url::parse(&request.url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        Err(NetworkError::NotSent(format!(
            "A simulation asks nobody: {host} was not called. This is as if the network were down."
        )))
    }
}
