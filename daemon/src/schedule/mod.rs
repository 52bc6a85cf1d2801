//! When workflows are due.
//!
//! In: what people wrote about time, and instants given by the caller. Out: due instants.
//! Never: reads a clock, or starts anything by itself.

pub mod cron;
