//! When workflows are due, and the ledger that says so.
//!
//! In: what people wrote about time, and the clock. Out: occurrences: rows in the ledger, claims on the board.
//! Never: runs a workflow.

pub mod audit;
pub mod board;
pub mod cron;
pub mod daily;
pub mod ledger;
mod recover;

pub use recover::recover;
