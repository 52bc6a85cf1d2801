//! The craft of the four workflows: topics that rise, the next item of a rotation, the week in figures, and words.
//!
//! In: plain data that somebody read from the store. Out: choices and texts, each with its reasons.
//! Never: reads a clock, a file, the network or the store; the same data always gives the same answer.

pub mod calendar;
pub mod compare;
pub mod digest;
pub mod kpi;
pub mod markup;
pub mod rotation;
pub mod show;
pub mod topics;
pub mod words;
