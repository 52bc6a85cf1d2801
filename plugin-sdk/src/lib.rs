//! What a plugin for Beffroi is written with.
//!
//! In: a type with some of the traits [`Publish`], [`Feed`], [`Stock`], [`Workflow`]… and one line of [`export!`].
//! Out: a component that has exactly these abilities, and, in `cargo test`, the same functions against a [`fake`] host.
//! Never: a socket, a file, a secret; what a plugin may do is in its manifest, and the host holds the credentials.
//!
//! ```
//! use beffroi_plugin::prelude::*;
//!
//! struct Example;
//!
//! impl Plugin for Example {
//!     fn check() -> Result<String, Error> {
//!         let me: Value = http::get("https://api.example.com/me").credential("token").send()?.json()?;
//!         Ok(me["name"].as_str().unwrap_or("?").to_owned())
//!     }
//! }
//!
//! beffroi_plugin::export!(Example:);
//! # fn main() {}
//! ```

mod abilities;
pub mod amount;
#[doc(hidden)]
pub mod bindings;
mod calls;
pub mod desk;
mod error;
#[cfg(not(target_family = "wasm"))]
pub mod fake;
pub mod http;
pub mod json;
pub mod loose;
pub mod roll;
pub mod text;
pub mod time;
pub mod values;

pub use abilities::{Feed, Generate, Inbox, Lookup, Metrics, Notify, Plugin, Prepare, Publish, Stock, Unpublish, Workflow};
pub use calls::{log, media, run, settings, state};
pub use error::pick;
pub use values::Error;

#[cfg(target_family = "wasm")]
use bindings::contract as wire;
#[cfg(not(target_family = "wasm"))]
use fake::wire;

/// All that most plugins need, in one line.
pub mod prelude {
    pub use crate::abilities::*;
    pub use crate::json::Value;
    pub use crate::values::*;
    pub use crate::{desk, http, json, log, media, pick, run, settings, state, time};
    pub use serde::{Deserialize, Serialize};
    pub use serde_json;
}

pub use serde_json;

/// The examples of `README.md` are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
