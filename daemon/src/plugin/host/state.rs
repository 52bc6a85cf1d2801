//! A plugin's private store as one call sees it.
//!
//! In: the database, what earlier calls of the same step want kept, and this call's writes. Out: the three laid over each other.
//! Never: writes to the database. The writes go out with what comes of the call.

use crate::domain::Language;
use crate::kinds::PrivateWrite;
use crate::store::{Store, plugins};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Longest key, in bytes.
const KEY: usize = 256;
/// Most keys that one question gives.
const KEYS: u32 = 1_000;

/// The store of one plugin for one purpose.
pub(super) struct State {
    store: Option<Arc<Store>>,
    owner: Arc<str>,
    scope: Arc<str>,
    /// What is to be committed, this call's writes included.
    over: BTreeMap<String, Option<Vec<u8>>>,
    /// What this call wrote, in order.
    written: Vec<PrivateWrite>,
    /// Bytes kept in all scopes, once known.
    bytes: Option<u64>,
}

fn unreadable(error: &rusqlite::Error) -> wasmtime::Error {
    wasmtime::Error::msg(format!("the database cannot be read: {error}"))
}

fn size(key: &str, value: Option<&[u8]>) -> u64 {
    value.map_or(0, |v| (key.chars().count() + v.len()) as u64)
}

impl State {
    pub(super) fn new(store: Option<Arc<Store>>, owner: Arc<str>, scope: Arc<str>, kept: Vec<PrivateWrite>) -> Self {
        let over = kept.into_iter().map(|w| (w.key, w.value)).collect();
        Self { store, owner, scope, over, written: Vec::new(), bytes: None }
    }

    /// What this call wants remembered.
    pub(super) fn written(self) -> Vec<PrivateWrite> {
        self.written
    }

    fn stored(&self, key: &str) -> wasmtime::Result<Option<Vec<u8>>> {
        let Some(store) = &self.store else { return Ok(None) };
        let db = store.read().map_err(|e| unreadable(&e))?;
        plugins::private(&db, &self.owner, &self.scope, key).map_err(|e| unreadable(&e))
    }

    pub(super) fn get(&self, key: &str) -> wasmtime::Result<Option<Vec<u8>>> {
        match self.over.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.stored(key),
        }
    }

    /// Bytes in use with everything that lies over the database.
    fn bytes(&mut self) -> wasmtime::Result<u64> {
        if let Some(bytes) = self.bytes {
            return Ok(bytes);
        }
        let mut bytes = match &self.store {
            Some(store) => {
                let db = store.read().map_err(|e| unreadable(&e))?;
                u64::try_from(plugins::private_bytes(&db, &self.owner).map_err(|e| unreadable(&e))?).unwrap_or_default()
            }
            None => 0,
        };
        for (key, value) in &self.over {
            let before = size(key, self.stored(key)?.as_deref());
            bytes = bytes.saturating_sub(before) + size(key, value.as_deref());
        }
        self.bytes = Some(bytes);
        Ok(bytes)
    }

    fn put(&mut self, key: String, value: Option<Vec<u8>>, bytes: u64) {
        self.bytes = Some(bytes);
        self.over.insert(key.clone(), value.clone());
        self.written.push(PrivateWrite { owner: self.owner.to_string(), scope: self.scope.to_string(), key, value });
    }

    pub(super) fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        quota: u64,
        language: Language,
    ) -> wasmtime::Result<Result<(), String>> {
        if key.is_empty() || key.len() > KEY || key.contains('\0') {
            return Ok(Err(language
                .pick(
                    "Une clé de l'état privé a de 1 à 256 octets, sans octet nul.",
                    "A key of private state has 1 to 256 bytes, none of them zero.",
                )
                .into()));
        }
        let before = size(&key, self.get(&key)?.as_deref());
        let bytes = (self.bytes()?.saturating_sub(before)).saturating_add(size(&key, Some(&value)));
        if bytes > quota {
            return Ok(Err(language.pick(
                format!(
                    "L'état privé du plugin est plein : {quota} octets. Retirez des clés, ou demandez plus : [limits] state."
                ),
                format!("The plugin's private state is full: {quota} bytes. Remove keys, or ask for more: [limits] state."),
            )));
        }
        self.put(key, Some(value), bytes);
        Ok(Ok(()))
    }

    pub(super) fn remove(&mut self, key: String) -> wasmtime::Result<()> {
        if let Some(before) = self.get(&key)? {
            let bytes = self.bytes()?.saturating_sub(size(&key, Some(&before)));
            self.put(key, None, bytes);
        }
        Ok(())
    }

    pub(super) fn keys(&self, prefix: &str, after: &str, limit: u32) -> wasmtime::Result<Vec<String>> {
        let limit = limit.min(KEYS);
        let mut keys = BTreeSet::new();
        if let Some(store) = &self.store {
            // As many as the removed ones may hide.
            let hidden = u32::try_from(self.over.values().filter(|v| v.is_none()).count()).unwrap_or(u32::MAX);
            let db = store.read().map_err(|e| unreadable(&e))?;
            let wanted = limit.saturating_add(hidden);
            let stored = plugins::private_keys(&db, &self.owner, &self.scope, prefix, after, wanted);
            keys.extend(stored.map_err(|e| unreadable(&e))?);
        }
        for (key, value) in self.over.iter().filter(|(k, _)| k.as_str() > after && k.starts_with(prefix)) {
            if value.is_some() {
                keys.insert(key.clone());
            } else {
                keys.remove(key);
            }
        }
        Ok(keys.into_iter().take(limit as usize).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::store::{Change, Mode, Op, PluginOp};

    fn write(key: &str, value: Option<&[u8]>) -> PrivateWrite {
        PrivateWrite { owner: "p".into(), scope: "account:a".into(), key: key.into(), value: value.map(<[u8]>::to_vec) }
    }

    fn set(state: &mut State, key: &str, value: &[u8], quota: u64) -> Result<(), String> {
        state.set(key.into(), value.to_vec(), quota, Language::En).expect("the database answers")
    }

    #[test]
    fn own_writes_lie_over_kept_ones_and_those_over_the_database() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(Store::open(&folder.path().join("b.db"), Mode::Inline).expect("a store"));
        let ops = vec![write("a", Some(b"stored")), write("b", Some(b"stored")), write("c", Some(b"stored"))];
        store.commit(Change::new(Timestamp::EPOCH, vec![Op::Plugin(PluginOp::State(ops))])).expect("committed");
        let kept = vec![write("b", Some(b"kept")), write("c", None)];
        let mut state = State::new(Some(store), "p".into(), "account:a".into(), kept);
        let get = |state: &State, key: &str| state.get(key).expect("read").map(|v| String::from_utf8(v).expect("text"));
        assert_eq!(get(&state, "a").as_deref(), Some("stored"));
        assert_eq!(get(&state, "b").as_deref(), Some("kept"));
        assert_eq!(get(&state, "c"), None);
        set(&mut state, "d", b"own", 100).expect("there is room");
        state.remove("a".into()).expect("removed");
        assert_eq!(state.keys("", "", 10).expect("keys"), ["b", "d"]);
        assert_eq!(state.keys("", "b", 10).expect("keys"), ["d"]);
        assert_eq!(state.keys("", "", 1).expect("keys"), ["b"]);
        assert_eq!(state.written().len(), 2, "only what this call wrote goes out");
    }

    #[test]
    fn the_quota_counts_what_is_kept_and_forgets_what_is_replaced() {
        let mut state = State::new(None, "p".into(), "s".into(), Vec::new());
        set(&mut state, "k", &[0; 9], 10).expect("ten bytes fit");
        set(&mut state, "k", &[1; 9], 10).expect("the same again replaces");
        assert!(set(&mut state, "l", b"", 10).is_err_and(|e| e.contains("10 bytes")));
        state.remove("k".into()).expect("removed");
        set(&mut state, "l", b"123456789", 10).expect("there is room again");
        assert!(set(&mut state, "", b"", 10).is_err() && set(&mut state, &"k".repeat(257), b"", 1_000).is_err());
    }
}
