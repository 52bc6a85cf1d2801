//! The plugins of one daemon, by name.
//!
//! In: what is installed. Out: the adapter for each use of a plugin; a stand-in that says why where there is none.
//! Never: calls a plugin that is suspended.

use super::absent::Absent;
use crate::instance::PluginUse;
use crate::kinds::{Catalog, Channel, Failure, Generator, Notifier, Source};
use std::sync::Arc;

/// Every plugin of one daemon.
#[derive(Default)]
pub struct Plugins {}

impl Plugins {
    /// The channel of an account.
    pub fn channel(&self, used: &PluginUse) -> Arc<dyn Channel> {
        Arc::new(absent(used))
    }

    /// The source of a feed.
    pub fn source(&self, used: &PluginUse) -> Arc<dyn Source> {
        Arc::new(absent(used))
    }

    /// A catalog.
    pub fn catalog(&self, used: &PluginUse) -> Arc<dyn Catalog> {
        Arc::new(absent(used))
    }

    /// What reaches a person.
    pub fn notifier(&self, used: &PluginUse) -> Arc<dyn Notifier> {
        Arc::new(absent(used))
    }

    /// What writes texts.
    pub fn generator(&self, used: &PluginUse) -> Arc<dyn Generator> {
        Arc::new(absent(used))
    }
}

fn absent(used: &PluginUse) -> Absent {
    let name = &used.plugin;
    Absent(Failure::new("plugin-absent", format!("The plugin {name} is not installed. Install it: beffroi plugin install FILE.")))
}
