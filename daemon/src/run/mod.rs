//! Executes claimed runs: what a workflow may say, the script that says it, and the commit of what it planned.
//!
//! In: claims from the board. Out: one change for each, with all its effects and the end of its occurrence.
//! Never: delivers anything; that begins with the rows a run's commit leaves behind.

pub mod calls;
mod component;
pub mod desk;
mod dry;
pub mod function;
pub mod journal;
pub mod replay;
pub mod runner;
pub mod scene;
pub mod script;
pub mod shadow;
mod wire;
pub mod wit;
