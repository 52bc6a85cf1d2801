//! Beffroi: an automation daemon that keeps a small firm's social networks alive, with a person in charge.
//!
//! `ARCHITECTURE.md` beside this crate shows the way of the data, the layers and the invariants.

pub mod adapters;
pub mod clock;
pub mod domain;
pub mod kinds;
pub mod network;
pub mod problem;
