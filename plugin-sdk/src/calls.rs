//! The host's functions that are no more than a call: the run, the log, the settings, the private state, files.
//!
//! In: the contract's functions, or those of the fake host in tests. Out: the same with Rust's types.
//! Never: keeps anything between two calls.

/// Facts about the call that is going on.
pub mod run {
    use crate::wire;

    /// Names this call in remote logs: a run, a delivery.
    pub fn id() -> String {
        wire::run::id()
    }

    /// What this call takes for now, in milliseconds since 1970. The same during the whole call.
    pub fn now() -> u64 {
        wire::run::now()
    }

    /// The attempt, from 1.
    pub fn attempt() -> u32 {
        wire::run::attempt()
    }

    /// How many milliseconds are left before the host stops the call.
    pub fn time_left() -> u64 {
        wire::run::time_left()
    }

    /// The name the owner gave to the account, feed, catalog, generator, person or workflow that this call is for.
    pub fn name() -> String {
        wire::run::name()
    }

    /// The firm's IANA zone, such as `Europe/Paris`.
    pub fn time_zone() -> String {
        wire::run::time_zone()
    }

    /// The firm's language: `fr` or `en`.
    pub fn language() -> String {
        wire::run::language()
    }
}

/// Lines in the log.
pub mod log {
    pub use crate::bindings::contract::log::Level;
    use crate::values::Attribute;
    use crate::wire;

    /// Writes a line with fields.
    pub fn write(level: Level, message: &str, fields: &[Attribute]) {
        wire::log::write(level, message, fields);
    }

    /// For the author.
    pub fn debug(message: impl AsRef<str>) {
        write(Level::Debug, message.as_ref(), &[]);
    }

    /// Something the owner would recognise.
    pub fn info(message: impl AsRef<str>) {
        write(Level::Info, message.as_ref(), &[]);
    }

    /// Something that somebody should see.
    pub fn warn(message: impl AsRef<str>) {
        write(Level::Warn, message.as_ref(), &[]);
    }

    /// Something that went wrong.
    pub fn error(message: impl AsRef<str>) {
        write(Level::Error, message.as_ref(), &[]);
    }
}

/// What the owner filled in.
pub mod settings {
    use crate::error::pick;
    use crate::json;
    use crate::values::Error;
    use crate::wire;
    use serde::de::DeserializeOwned;

    /// All settings, as a type of the plugin's own.
    ///
    /// # Errors
    /// `Internal` with the code `settings` when type and manifest do not agree.
    pub fn get<T: DeserializeOwned + 'static>() -> Result<T, Error> {
        json::from_slice(wire::settings::get().as_bytes()).map_err(|e| {
            Error::internal(
                "settings",
                pick(
                    "Ce module ne comprend pas ses réglages. Signalez-le à son auteur.",
                    "This plugin does not understand its settings. Report it to its author.",
                ),
            )
            .with("detail", e.to_string())
        })
    }
}

/// A small store, private to this plugin and to what the call is for. Writes take effect if the call succeeds.
pub mod state {
    use crate::error::pick;
    use crate::json;
    use crate::values::Error;
    use crate::wire;
    use serde::de::DeserializeOwned;

    /// Reads a value, one that this call wrote included.
    pub fn get(key: &str) -> Option<Vec<u8>> {
        wire::state::get(key)
    }

    /// Writes a value.
    ///
    /// # Errors
    /// `Internal` with the code `state` when the key is empty or too long, or the quota is used up.
    pub fn set(key: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        wire::state::set(key, value.as_ref()).map_err(|message| Error::internal("state", message))
    }

    /// Removes a key, if it is there.
    pub fn remove(key: &str) {
        wire::state::remove(key);
    }

    /// At most `limit` keys that begin with `prefix`, in order, after `after` if given.
    pub fn keys(prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        wire::state::keys(prefix, after, limit)
    }

    /// Reads a value that [`set_json`] wrote.
    ///
    /// # Errors
    /// `Internal` with the code `state` when what is there is something else.
    pub fn get_json<T: DeserializeOwned + 'static>(key: &str) -> Result<Option<T>, Error> {
        get(key).map(|bytes| json::from_slice(&bytes).map_err(|e| unreadable(key, &e))).transpose()
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// As [`set`], and when the value cannot be written as JSON.
    pub fn set_json(key: &str, value: &impl json::Write) -> Result<(), Error> {
        set(key, json::to_string(value).map_err(|e| unreadable(key, &e))?)
    }

    fn unreadable(key: &str, cause: &json::Error) -> Error {
        Error::internal(
            "state",
            pick(
                "Ce module ne comprend pas ce qu'il avait retenu. Signalez-le à son auteur.",
                "This plugin does not understand what it kept. Report it to its author.",
            ),
        )
        .with("key", key)
        .with("detail", cause.to_string())
    }
}

/// Files that go with posts.
pub mod media {
    use crate::values::{Asset, Error};
    use crate::wire;

    /// As much as [`read_all`] asks for at once.
    const PIECE: u32 = 1 << 20;

    /// Part of a file's bytes.
    ///
    /// # Errors
    /// `Reject` with the code `media` when there is no such file in this call, or the range is outside it.
    pub fn read(asset: &Asset, offset: u64, length: u32) -> Result<Vec<u8>, Error> {
        wire::media::read(&asset.id, offset, length).map_err(|message| Error::reject("media", message))
    }

    /// A whole file. It has to fit into the plugin's memory; to send one, name it in a request instead.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read_all(asset: &Asset) -> Result<Vec<u8>, Error> {
        let mut whole = Vec::new();
        while (whole.len() as u64) < asset.size {
            let left = asset.size - whole.len() as u64;
            let piece = read(asset, whole.len() as u64, u32::try_from(left).unwrap_or(PIECE).min(PIECE))?;
            if piece.is_empty() {
                break;
            }
            whole.extend(piece);
        }
        Ok(whole)
    }
}
