//! Why something went out, or did not: the chain of causes in plain words.
//!
//! In: a delivery, a post, a run, an account, a workflow, an item of the library, a product, an hour. Out: one sentence that answers,
//! and the causes in their order.
//! Never: guesses: every line is a row of the store or a line of the configuration.

mod hour;
mod moments;
mod place;
mod post;
mod run;
mod thing;

use super::words::moment;
use super::{App, Refusal, unreadable};
use crate::domain::{AccountName, DeliveryId, Json, Language, PostId, RunId, Timestamp, WorkflowName};
use crate::instance::Instance;
use crate::problem::perhaps;
use crate::store::Reader;
use serde_json::json;
use std::sync::Arc;

/// Explains something; an account or a workflow at a certain time, if one is said.
///
/// # Errors
/// When there is no such thing, or the database cannot be read.
pub fn why(app: &App, subject: &str, when: Option<&str>) -> Result<Json, Refusal> {
    let instance = app.engine.current.get();
    let reader = app.engine.store.read().and_then(Reader::snapshot).map_err(unreadable)?;
    let asking = Asking { reader, now: app.engine.clock.now(), language: instance.business.language, instance, app };
    asking.answer(subject.trim(), when.map(str::trim).filter(|when| !when.is_empty()))
}

/// One question, answered from one moment of the store.
struct Asking<'a> {
    app: &'a App,
    reader: Reader<'a>,
    instance: Arc<Instance>,
    language: Language,
    now: Timestamp,
}

/// The causes so far.
#[derive(Default)]
struct Chain(Vec<Json>);

impl Chain {
    /// One cause with its lines; without lines there is nothing to say about it.
    fn add(&mut self, what: &str, lines: &[String]) {
        if !lines.is_empty() {
            self.0.push(json!({ "what": what, "lines": lines }));
        }
    }

    fn answer(self, subject: &str, kind: &str, answer: &str) -> Json {
        json!({ "subject": subject, "kind": kind, "answer": answer, "steps": self.0 })
    }
}

impl Asking<'_> {
    fn answer(&self, subject: &str, when: Option<&str>) -> Result<Json, Refusal> {
        let instance = &self.instance;
        let account = instance.accounts.values().find(|a| a.name.as_str() == subject);
        let workflow = instance.workflows.values().find(|w| w.name.as_str() == subject);
        if let Some(text) = when {
            // An hour may have come in two words.
            let whole = format!("{subject} {text}");
            let meant = |text: &str| moments::read(text, self.now, instance.business.zone);
            return match (account, workflow, meant(text)) {
                (Some(account), _, Some(meant)) => self.account_at(account, meant),
                (_, Some(workflow), Some(meant)) => self.workflow_at(workflow.name.as_str(), meant),
                (None, None, Some(meant)) if self.knew(subject)? => self.workflow_at(subject, meant),
                _ => match meant(&whole) {
                    Some(meant) => self.everything_at(meant),
                    None if account.is_some() || workflow.is_some() => Err(Refusal::wrong(format!(
                        "\"{text}\" is no time. Write for example 2026-11-20T09:00, 09:00, monday 09:00 or yesterday."
                    ))),
                    None => Err(self.nothing(subject)),
                },
            };
        }
        let starts = |letter: char| subject.starts_with(letter) || subject.chars().all(|c| c.is_ascii_digit());
        if let Some(id) = DeliveryId::parse(subject).filter(|_| starts('d')) {
            return self.delivery(id);
        }
        if let Some(id) = PostId::parse(subject).filter(|_| starts('p')) {
            return self.post(id);
        }
        if let Some(id) = RunId::parse(subject).filter(|_| starts('r')) {
            return self.run(id);
        }
        if let Some(account) = account {
            return self.account(account);
        }
        if let Some(workflow) = workflow {
            return self.workflow(workflow);
        }
        if let Some(meant) = moments::read(subject, self.now, instance.business.zone) {
            return self.everything_at(meant);
        }
        match subject.split_once(':') {
            Some(("item", id)) => self.item(id)?.ok_or_else(|| self.nothing(subject)),
            Some(("sku" | "product" | "produit", sku)) => self.product(sku)?.ok_or_else(|| self.nothing(subject)),
            _ => match self.item(subject)? {
                Some(said) => Ok(said),
                None => self.product(subject)?.ok_or_else(|| self.nothing(subject)),
            },
        }
    }

    /// There is nothing of that name.
    fn nothing(&self, subject: &str) -> Refusal {
        let names = self.instance.accounts.keys().map(AccountName::as_str);
        let names = names.chain(self.instance.workflows.keys().map(WorkflowName::as_str));
        let near = perhaps(subject, names);
        Refusal::missing(format!(
            "\"{subject}\" is neither a delivery (d12), a post (p7) nor a run (r5), nor an account, a workflow, an item of the library, a \
             product or an hour (2026-11-20T09:00).{near}"
        ))
    }

    fn pick<T>(&self, fr: T, en: T) -> T {
        self.language.pick(fr, en)
    }

    fn when(&self, at: Timestamp) -> String {
        let zone = self.instance.business.zone;
        moment(&at.local(zone), self.now.day(zone), self.language)
    }
}
