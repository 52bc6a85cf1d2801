//! The adapters that come with the daemon, behind the same traits as plugins.
//!
//! In: files and folders of the owner's, feeds. Out: signals, products, library items, posts and notices as files.
//! Never: touches the store; what has to be remembered goes back to the caller as a cursor or a receipt.

mod contained;
pub mod csv;
pub mod feed;
mod files;
pub mod folder;
mod hub;
pub mod library;
pub mod mailbox;
pub mod media;
mod stamp;

pub use hub::{Adapters, Stock};

#[cfg(test)]
mod testing {
    use crate::domain::{Language, Timestamp};
    use crate::kinds::{Call, Keep};
    use crate::network::ScriptedNetwork;
    use std::sync::LazyLock;
    use std::time::Duration;

    static NETWORK: LazyLock<ScriptedNetwork> = LazyLock::new(ScriptedNetwork::new);
    static KEEP: LazyLock<Keep> = LazyLock::new(Keep::default);

    /// A call at this moment in Paris, on a network that answers nothing.
    pub(super) fn call(at: &str, language: Language) -> Call<'static> {
        let now = Timestamp::parse(at).expect("a time");
        let (network, zone) = (&*NETWORK, chrono_tz::Europe::Paris);
        Call { id: "test", attempt: 1, time: Duration::from_secs(60), keep: &KEEP, now, network, zone, language }
    }
}
