//! Keeps an adapter's panic inside the adapter: whoever called it gets an ordinary failure.
//!
//! In: any adapter. Out: the same adapter, whose panics are [`KindError::Internal`] with the adapter's name.
//! Never: says what a panic means. In the middle of publishing it means that nobody knows, and the outbox treats it so.

use crate::domain::Language;
use crate::kinds::{
    Call, Catalog, Channel, Failure, Finding, Generation, Generator, KindError, MessagePage, Notice, Notifier, Outcome, Outgoing,
    Preparation, Prompt, Receipt, Sample, SignalPage, Source, StockPage,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// An adapter under its name in the configuration.
pub(super) struct Contained<T: ?Sized> {
    name: String,
    inner: Arc<T>,
}

impl<T: ?Sized> Contained<T> {
    /// `name` is how the owner calls what the adapter serves.
    pub(super) fn new(name: &str, inner: Arc<T>) -> Self {
        Self { name: name.to_owned(), inner }
    }

    fn call<A>(&self, language: Language, call: impl FnOnce(&T) -> Result<A, KindError>) -> Result<A, KindError> {
        // Adapters keep what they remember behind locks of their own; the daemon shares nothing else with them.
        catch_unwind(AssertUnwindSafe(|| call(&self.inner))).unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            let said = said.map(|s| format!(" ({s})")).unwrap_or_default();
            let name = &self.name;
            let text = language.pick(
                format!("Le module qui sert « {name} » a planté{said}. C'est un défaut du module : signalez-le à son auteur."),
                format!("The adapter that serves \"{name}\" broke down{said}. This is a defect in it: tell its author."),
            );
            tracing::error!(adapter = name, "{text}");
            Err(KindError::Internal(Failure::new("adapter-defect", text)))
        })
    }
}

impl Channel for Contained<dyn Channel> {
    fn settles_within(&self) -> Duration {
        self.inner.settles_within()
    }

    /// No objection when the adapter breaks down over it: a refusal is for ever, and publishing will tell.
    fn objections(&self, post: &Outgoing) -> Vec<Failure> {
        self.call(Language::En, |c| Ok(c.objections(post))).unwrap_or_default()
    }

    fn prepare(&self, call: &Call<'_>, key: &str, post: &Outgoing, so_far: Option<&str>) -> Result<Preparation, KindError> {
        self.call(call.language, |c| c.prepare(call, key, post, so_far))
    }

    fn publish(&self, call: &Call<'_>, key: &str, post: &Outgoing, prepared: Option<&str>) -> Result<Outcome, KindError> {
        self.call(call.language, |c| c.publish(call, key, post, prepared))
    }

    fn find(&self, call: &Call<'_>, key: &str, post: &Outgoing, prepared: Option<&str>) -> Option<Result<Finding, KindError>> {
        self.call(call.language, |c| c.find(call, key, post, prepared).transpose()).transpose()
    }

    fn check(&self, call: &Call<'_>) -> Option<Result<String, KindError>> {
        self.call(call.language, |c| c.check(call).transpose()).transpose()
    }

    fn unpublish(&self, call: &Call<'_>, remote_id: &str) -> Option<Result<(), KindError>> {
        self.call(call.language, |c| c.unpublish(call, remote_id).transpose()).transpose()
    }

    fn metrics(&self, call: &Call<'_>, remote_ids: &[String]) -> Option<Result<Vec<Sample>, KindError>> {
        self.call(call.language, |c| c.metrics(call, remote_ids).transpose()).transpose()
    }

    fn inbox(&self, call: &Call<'_>, since: Option<&str>) -> Option<Result<MessagePage, KindError>> {
        self.call(call.language, |c| c.inbox(call, since).transpose()).transpose()
    }
}

impl Notifier for Contained<dyn Notifier> {
    fn settles_within(&self) -> Duration {
        self.inner.settles_within()
    }

    fn notify(&self, call: &Call<'_>, key: &str, notice: &Notice) -> Result<Receipt, KindError> {
        self.call(call.language, |n| n.notify(call, key, notice))
    }

    fn find(&self, call: &Call<'_>, key: &str, notice: &Notice) -> Option<Result<Finding, KindError>> {
        self.call(call.language, |n| n.find(call, key, notice).transpose()).transpose()
    }
}

impl Source for Contained<dyn Source> {
    fn poll(&self, call: &Call<'_>, since: Option<&str>) -> Result<SignalPage, KindError> {
        self.call(call.language, |s| s.poll(call, since))
    }
}

impl Catalog for Contained<dyn Catalog> {
    fn poll(&self, call: &Call<'_>, since: Option<&str>) -> Result<StockPage, KindError> {
        self.call(call.language, |c| c.poll(call, since))
    }

    fn rest(&self) -> Duration {
        self.inner.rest()
    }
}

impl Generator for Contained<dyn Generator> {
    fn generate(&self, call: &Call<'_>, prompt: &Prompt) -> Result<Generation, KindError> {
        self.call(call.language, |g| g.generate(call, prompt))
    }
}
