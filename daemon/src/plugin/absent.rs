//! What stands in for a plugin that cannot be called: not installed, suspended, or without the ability asked for.
//!
//! In: the sentence that says why. Out: an adapter of each kind that gives that sentence.
//! Never: loses anything: whatever needs the plugin waits for it.

use crate::kinds::{
    Call, Catalog, Channel, Failure, Finding, Generation, Generator, KindError, Notice, Notifier, Outcome, Outgoing, Preparation,
    Prompt, Receipt, SignalPage, Source, StockPage,
};

/// Says why.
pub(super) struct Absent(pub(super) Failure);

impl Absent {
    fn wait<T>(&self) -> Result<T, KindError> {
        Err(KindError::Retry(self.0.clone(), None))
    }
}

impl Channel for Absent {
    fn objections(&self, _post: &Outgoing) -> Vec<Failure> {
        // A refusal is for ever; a plugin may come back.
        Vec::new()
    }

    fn prepare(&self, _call: &Call<'_>, _key: &str, _post: &Outgoing, _so_far: Option<&str>) -> Result<Preparation, KindError> {
        self.wait()
    }

    fn publish(&self, _call: &Call<'_>, _key: &str, _post: &Outgoing, _prepared: Option<&str>) -> Result<Outcome, KindError> {
        self.wait()
    }

    fn find(&self, _: &Call<'_>, _: &str, _: &Outgoing, _: Option<&str>) -> Option<Result<Finding, KindError>> {
        Some(self.wait())
    }

    fn check(&self, _call: &Call<'_>) -> Option<Result<String, KindError>> {
        Some(self.wait())
    }
}

impl Source for Absent {
    fn poll(&self, _call: &Call<'_>, _since: Option<&str>) -> Result<SignalPage, KindError> {
        self.wait()
    }
}

impl Catalog for Absent {
    fn poll(&self, _call: &Call<'_>, _since: Option<&str>) -> Result<StockPage, KindError> {
        self.wait()
    }
}

impl Notifier for Absent {
    fn notify(&self, _call: &Call<'_>, _key: &str, _notice: &Notice) -> Result<Receipt, KindError> {
        self.wait()
    }

    fn find(&self, _: &Call<'_>, _: &str, _: &Notice) -> Option<Result<Finding, KindError>> {
        Some(self.wait())
    }
}

impl Generator for Absent {
    fn generate(&self, _call: &Call<'_>, _prompt: &Prompt) -> Result<Generation, KindError> {
        self.wait()
    }
}
