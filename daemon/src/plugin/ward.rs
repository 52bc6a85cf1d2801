//! Watches over one plugin: counts its defects, and suspends it when there are too many.
//!
//! In: defects, and the owner's word. Out: rows of the store; whether the plugin may be called.
//! Never: suspends silently: the reason is in the store, in the log, and in every sentence about what waits.

use crate::domain::{Language, PluginName, Timestamp};
use crate::store::{Change, Op, PluginOp, Store, plugins};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many defects suspend a plugin,
const DEFECTS: usize = 5;
/// within this time.
const WITHIN: Duration = Duration::from_secs(3_600);

/// The watch over one plugin.
pub(super) struct Ward {
    name: PluginName,
    store: Option<Arc<Store>>,
    standing: Mutex<Standing>,
}

#[derive(Default)]
struct Standing {
    suspended: Option<(String, Timestamp)>,
    /// Moments of defects, as far as this process saw them.
    defects: Vec<Timestamp>,
}

impl Ward {
    pub(super) fn new(name: PluginName, store: Option<Arc<Store>>, suspended: Option<(String, Timestamp)>) -> Self {
        Self { name, store, standing: Mutex::new(Standing { suspended, defects: Vec::new() }) }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why it may not be called, and since when.
    pub(super) fn suspended(&self) -> Option<(String, Timestamp)> {
        self.standing().suspended.clone()
    }

    fn commit(&self, op: PluginOp, at: Timestamp) {
        if let Some(store) = &self.store
            && let Err(error) = store.commit(Change::new(at, vec![Op::Plugin(op)]))
        {
            tracing::error!(plugin = %self.name, "{error}");
        }
    }

    /// Defects of the last while, before a restart included.
    fn recent(&self, at: Timestamp) -> usize {
        let since = at.minus(WITHIN);
        let here = self.standing().defects.iter().filter(|t| **t >= since).count();
        let stored = self.store.as_ref().and_then(|store| {
            let db = store.read().ok()?;
            plugins::crashes(&db, self.name.as_str(), since).ok()
        });
        here.max(stored.unwrap_or_default() as usize)
    }

    /// Notes a defect, and suspends the plugin if it was one too many.
    pub(super) fn defect(&self, text: &str, at: Timestamp, language: Language) {
        tracing::warn!(plugin = %self.name, "{text}");
        {
            let mut standing = self.standing();
            standing.defects.push(at);
            let since = at.minus(WITHIN);
            standing.defects.retain(|t| *t >= since);
        }
        self.commit(PluginOp::Crash { name: self.name.to_string(), text: text.to_owned() }, at);
        let recent = self.recent(at);
        if recent < DEFECTS || self.suspended().is_some() {
            return;
        }
        let reason = language.pick(
            format!("{recent} défauts en moins d'une heure. Le dernier\u{a0}: {text}"),
            format!("{recent} defects within an hour. The last one: {text}"),
        );
        tracing::error!(plugin = %self.name, "suspended: {reason} Let it work again: beffroi plugin resume {}", self.name);
        self.suspend(&reason, at);
    }

    /// Suspends it.
    pub(super) fn suspend(&self, reason: &str, at: Timestamp) {
        self.standing().suspended = Some((reason.to_owned(), at));
        self.commit(PluginOp::Suspend { name: self.name.to_string(), reason: Some(reason.to_owned()) }, at);
    }

    /// Lets it work again and forgets its defects.
    pub(super) fn resume(&self, at: Timestamp) {
        *self.standing() = Standing::default();
        self.commit(PluginOp::Suspend { name: self.name.to_string(), reason: None }, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(n: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).plus(Duration::from_secs(60 * n))
    }

    #[test]
    fn five_defects_within_an_hour_suspend_and_a_word_resumes() {
        let ward = Ward::new(PluginName::parse("probe").expect("a name"), None, None);
        for n in 0..4 {
            ward.defect("It broke down.", minutes(n * 20), Language::En);
        }
        assert_eq!(ward.suspended(), None, "four, and the first is almost an hour ago");
        ward.defect("It broke down.", minutes(61), Language::En);
        assert_eq!(ward.suspended(), None, "the first no longer counts");
        ward.defect("It broke down again.", minutes(62), Language::En);
        ward.defect("It broke down again.", minutes(63), Language::En);
        let (reason, since) = ward.suspended().expect("suspended");
        assert!(reason.contains("It broke down again."), "{reason}");
        assert!(since >= minutes(62));
        ward.resume(minutes(70));
        assert_eq!(ward.suspended(), None);
        ward.defect("Once more.", minutes(71), Language::En);
        assert_eq!(ward.suspended(), None, "the old ones are forgotten");
    }
}
