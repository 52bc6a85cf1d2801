//! What belongs to one call: its facts, its log, its state, its pictures, and what it may still use up.
//!
//! In: what a plugin asks of the interfaces `run`, `log`, `settings`, `state` and `media`. Out: the answers.
//! Never: outlives the call, or writes anything: what is to be remembered is handed out when the call has succeeded.

use super::contract::wire;
use super::desk::AtDesk;
use super::http::{Budget, Errands};
use super::media::Asset;
use super::sandbox::{Ceiling, Lines, Weight, one_line};
use super::state::State;
use super::{Duty, Facts};
use crate::clock::{Clock, SystemClock};
use crate::plugin::manifest::Manifest;
use crate::secrets::Secrets;
use std::sync::Arc;
use std::time::Duration;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

/// The data of one call's store.
pub(in crate::plugin) struct Inside {
    pub(super) wasi: WasiCtx,
    pub(super) table: ResourceTable,
    pub(super) ceiling: Ceiling,
    pub(super) manifest: Arc<Manifest>,
    pub(super) duty: Arc<Duty>,
    pub(super) secrets: Option<Arc<Secrets>>,
    pub(super) facts: Facts,
    pub(super) lines: Lines,
    pub(super) state: State,
    pub(super) media: Vec<Asset>,
    pub(super) http: Budget,
    pub(super) errands: Errands,
    pub(super) desk: Option<AtDesk>,
    pub(super) clock: Arc<SystemClock>,
    pub(super) until: Duration,
}

impl WasiView for Inside {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl Inside {
    /// How long the call may still take.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_sub(self.clock.monotonic())
    }

    /// The files of the post in hand.
    pub(in crate::plugin) fn assets(&self) -> Vec<wire::media::Asset> {
        self.media.iter().map(|asset| asset.shown.clone()).collect()
    }

    /// A sentence in the firm's language.
    pub(super) fn pick(&self, fr: String, en: String) -> String {
        self.facts.language.pick(fr, en)
    }
}

impl wire::types::Host for Inside {}
impl wire::post_types::Host for Inside {}

impl wire::run::Host for Inside {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.facts.id.clone())
    }

    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(self.facts.now.millis()).unwrap_or_default())
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        Ok(self.facts.attempt)
    }

    fn time_left(&mut self) -> wasmtime::Result<u64> {
        let truly = self.left();
        let left = match &mut self.desk {
            Some(at) => at.time_left(truly)?,
            None => truly,
        };
        Ok(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    fn name(&mut self) -> wasmtime::Result<String> {
        Ok(self.duty.name().to_owned())
    }

    fn time_zone(&mut self) -> wasmtime::Result<String> {
        Ok(self.facts.zone.name().to_owned())
    }

    fn language(&mut self) -> wasmtime::Result<String> {
        Ok(self.facts.language.pick("fr", "en").to_owned())
    }
}

impl wire::log::Host for Inside {
    fn write(&mut self, level: wire::log::Level, message: String, fields: Vec<wire::types::Attribute>) -> wasmtime::Result<()> {
        let weight = match level {
            wire::log::Level::Error => Weight::Error,
            wire::log::Level::Warn => Weight::Warn,
            wire::log::Level::Info => Weight::Info,
            wire::log::Level::Debug => Weight::Debug,
        };
        let mut text = message;
        for field in fields.iter().take(20) {
            text.push_str(&format!(" {}={}", one_line(&field.name, 64), one_line(&field.value, 500)));
        }
        self.lines.write(weight, &text);
        Ok(())
    }
}

impl wire::settings::Host for Inside {
    fn get(&mut self) -> wasmtime::Result<String> {
        Ok(self.duty.settings.clone())
    }
}

impl wire::state::Host for Inside {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.state.get(&key)
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        let quota = self.duty.force.limits.state;
        self.state.set(key, value, quota, self.facts.language)
    }

    fn remove(&mut self, key: String) -> wasmtime::Result<()> {
        self.state.remove(key)
    }

    fn keys(&mut self, prefix: String, after: Option<String>, limit: u32) -> wasmtime::Result<Vec<String>> {
        self.state.keys(&prefix, after.as_deref().unwrap_or_default(), limit)
    }
}

impl wire::media::Host for Inside {
    fn read(&mut self, id: String, offset: u64, length: u32) -> wasmtime::Result<Result<Vec<u8>, String>> {
        let language = self.facts.language;
        // Bytes that go into the plugin have to fit there.
        let most = u32::try_from(self.ceiling.most()).unwrap_or(u32::MAX);
        Ok(match self.media.iter_mut().find(|asset| asset.shown.id == id) {
            Some(asset) => asset.read(offset, length.min(most), language),
            None => Err(self.pick(
                format!("Il n'y a pas de fichier «\u{a0}{}\u{a0}» dans cet appel.", one_line(&id, 80)),
                format!("There is no file \"{}\" in this call.", one_line(&id, 80)),
            )),
        })
    }
}
