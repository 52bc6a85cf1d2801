//! The whole engine under one seed, with everything going wrong: power, disk, clock, networks, and edits in the middle.
//!
//! In: a seed. Out: a life of some days in which the seed lets things go wrong, some days of peace, and then what was found:
//! figures, a digest that is the same whenever the seed is, and every promise that was broken.
//! Never: waits, uses a real disk for the database, or believes the database without asking the outside.

mod check;
mod firm;
mod story;
mod world;

pub use story::{Life, Way, live};
pub use world::Outside;

/// The database file on the simulated disk.
const DATABASE: &str = "beffroi.db";
