//! `cargo plugins`: builds and packs every plugin of this repository.
//!
//! In: nothing. Out: `target/plugins/packages/NAME.wasm`, and a line that says so. Never: builds what has not changed.

use std::process::ExitCode;

fn main() -> ExitCode {
    match beffroi_plugins::build(&beffroi_plugins::root()) {
        Ok(built) => {
            let state = if built.fresh { "up to date" } else { "packed" };
            println!("{} plugins are {state} in {}", built.names.len(), built.folder.display());
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}
