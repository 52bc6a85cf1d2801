//! What is generated from the one table of functions is checked in, and is what the table says today.
//!
//! After a change of the table: `BEFFROI_WRITE=1 cargo test -p beffroi-tests --test generated`.

use beffroi::daemon::functions;
use beffroi::run::script::reference;
use beffroi::run::wit;
use std::path::{Path, PathBuf};

fn compare(file: &Path, text: &str) {
    if std::env::var_os("BEFFROI_WRITE").is_some() {
        std::fs::create_dir_all(file.parent().expect("in a folder")).expect("made");
        std::fs::write(file, text).expect("written");
    }
    let there = std::fs::read_to_string(file).unwrap_or_default();
    assert!(there == text, "{} is not what the table says. Write it anew with BEFFROI_WRITE=1.", file.display());
}

#[test]
fn the_reference_and_the_editor_definitions_are_up_to_date() {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    compare(&scripts.join("REFERENCE.md"), &reference::markdown(functions()));
    let definitions = reference::definitions(functions());
    assert!(definitions.len() > 10, "one file for each namespace");
    for (name, text) in &definitions {
        compare(&scripts.join("definitions").join(name), text);
    }
    let there = beffroi_tests::names(&scripts.join("definitions"), "");
    assert_eq!(there.len(), definitions.len(), "a definition of a namespace that is gone: {there:?}");
}

#[test]
fn the_desk_of_the_plugin_contract_is_up_to_date() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk/wit/desk.wit");
    compare(&file, &wit::desk(functions()));
}
