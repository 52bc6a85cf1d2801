//! Executes one claimed run: what a workflow may say, and the script that says it.
//!
//! In: a compiled script, a desk, the limits of one attempt. Out: how it ended, and the desk with what it planned.
//! Never: commits, schedules or sends anything; that is for whoever gave the desk.

pub mod function;
pub mod script;
