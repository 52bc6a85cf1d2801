//! Third parties' plugins: installed without trusting them.
//!
//! In: signed packages, the owner's consent, and calls of the daemon for an account, a feed, a catalog, a person. Out: adapters like
//! the built-in ones.
//! Never: gives a plugin more than its manifest asked for, the owner granted and the daemon's ceiling allows; lets it see a
//! secret; or lets its defect become the daemon's.

mod absent;
pub mod bridge;
pub mod host;
pub mod install;
pub mod manifest;
pub mod package;
mod registry;
pub mod rights;
pub mod settings;
pub mod template;
#[cfg(test)]
mod testing;
pub mod trial;
mod ward;

pub use registry::{Installed, Plugins, Shown};
