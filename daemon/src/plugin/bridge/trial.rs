//! A plugin on trial: called like any other, with a record of every call.
//!
//! In: a loaded plugin and what it is to be at work for. Out: its adapters, and what each call wrote and used.
//! Never: suspends it, or touches a store: defects are in the records.

use super::{Bridge, PluginWorkflow, Record, Records};
use crate::domain::{Language, Timestamp, Zone};
use crate::kinds::{Call, Catalog, Channel, Generator, KindError, Notifier, Source};
use crate::plugin::host::{Duty, Loaded};
use crate::plugin::ward::Ward;
use std::sync::{Arc, PoisonError};

/// A plugin on trial.
pub struct Trial {
    loaded: Arc<Loaded>,
    duty: Arc<Duty>,
    now: Timestamp,
    zone: Zone,
    language: Language,
    records: Arc<Records>,
}

impl Trial {
    /// A trial of a plugin for one duty; `now` is the moment for what is asked without a call.
    pub fn new(loaded: Arc<Loaded>, duty: Arc<Duty>, now: Timestamp, zone: Zone, language: Language) -> Self {
        Self { loaded, duty, now, zone, language, records: Arc::default() }
    }

    fn bridge(&self) -> Bridge {
        let name = self.loaded.manifest.name.clone();
        Bridge {
            loaded: self.loaded.clone(),
            duty: self.duty.clone(),
            ward: Arc::new(Ward::new(name, None, None)),
            now: self.now,
            zone: self.zone,
            language: self.language,
            records: Some(self.records.clone()),
        }
    }

    /// Whether it works.
    ///
    /// # Errors
    /// What the plugin said.
    pub fn check(&self, call: &Call<'_>) -> Result<String, KindError> {
        self.bridge().check_plugin(call)
    }

    /// As a channel.
    pub fn channel(&self) -> impl Channel + use<> {
        self.bridge()
    }

    /// As a source.
    pub fn source(&self) -> impl Source + use<> {
        self.bridge()
    }

    /// As a catalog.
    pub fn catalog(&self) -> impl Catalog + use<> {
        self.bridge()
    }

    /// As a notifier.
    pub fn notifier(&self) -> impl Notifier + use<> {
        self.bridge()
    }

    /// As a writer of texts.
    pub fn generator(&self) -> impl Generator + use<> {
        self.bridge()
    }

    /// As a workflow.
    pub fn workflow(&self) -> PluginWorkflow {
        PluginWorkflow(self.bridge())
    }

    /// Takes the records of the calls since the last time.
    pub fn records(&self) -> Vec<Record> {
        std::mem::take(&mut *self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
