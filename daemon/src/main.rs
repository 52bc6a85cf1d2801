//! Beffroi from the command line: reads the arguments, carries them out, says how it went.
//!
//! In: arguments. Out: an exit status: 0 when it went well, 2 for a wrong call, 1 for anything else.
//! Never: knows what a command does.

use beffroi::cli::{self, Arguments};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = cli::run(Arguments::parse()).and_then(|said| {
        cli::print(&said)?;
        Ok(said.status)
    });
    match done {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
