//! The adapters that come with the daemon, behind the same traits that plugins implement.
//!
//! In: calls from runs and deliveries. Out: what `kinds` names: pages, receipts, failures.
//! Never: keeps anything between two calls; whatever must be remembered goes back as a cursor or a handle.

pub mod feed;
