//! Beffroi: an automation daemon that keeps a small firm's social networks alive, with a person in charge.
//!
//! `ARCHITECTURE.md` beside this crate shows the way of the data, the layers and the invariants.

pub mod adapters;
pub mod admin;
pub mod cli;
pub mod clock;
pub mod collect;
pub mod config;
pub mod craft;
pub mod daemon;
pub mod delivery;
pub mod demo;
pub mod domain;
pub mod effects;
pub mod egress;
pub mod instance;
pub mod kinds;
pub mod network;
pub mod plugin;
pub mod problem;
pub mod pulse;
pub mod rehearsal;
pub mod run;
pub mod sample;
pub mod schedule;
pub mod script_tests;
pub mod secrets;
pub mod service;
pub mod simulate;
pub mod store;
mod written;
