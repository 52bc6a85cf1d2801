//! What is generated from the one table of functions is checked in, and is what the table says today.
//!
//! After a change of the table: `BEFFROI_WRITE=1 cargo test -p beffroi-tests --test generated`.

use beffroi::daemon::functions;
use beffroi::run::function::{Function, Kind, Param};
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

/// The match by which the guest of the desk's tests finds the function that it is told to call.
fn guest_calls(table: &[Function]) -> String {
    let argument = |at: usize, param: &Param| match (param.kind, param.optional) {
        (Kind::Text, false) => format!("text(a, {at})?"),
        (Kind::Text, true) => format!("may_text(a, {at})?"),
        (Kind::Whole | Kind::Instant, false) => format!("whole(a, {at})?"),
        (Kind::Number, false) => format!("number(a, {at})?"),
        (Kind::When | Kind::List | Kind::Map | Kind::Any, _) => format!("any(a, {at})"),
        (kind, optional) => panic!("no function takes {kind:?} (optional: {optional}) yet: say here how the guest gives it"),
    };
    let mut out = String::from(
        "//! Finds a function of the desk by its name. Made from the daemon's table of functions by a test; changed there, not here.\n\
         //!\n//! In: a name and arguments as JSON. Out: the typed call, and its answer as JSON. Never: anything else.\n\n\
         use beffroi_plugin::prelude::*;\n\n\
         pub(crate) fn call(name: &str, a: &[Value]) -> Result<Value, Error> {\n    Ok(match name {\n",
    );
    for function in table.iter().filter(|f| wit::has(f)) {
        let arguments: Vec<String> = function.params.iter().enumerate().map(|(at, param)| argument(at, param)).collect();
        let rust = wit::name(function).replace('-', "_");
        out.push_str(&format!("        \"{}\" => json!(desk::{rust}({})?),\n", function.full_name(), arguments.join(", ")));
    }
    out.push_str(
        "        _ => return Err(Error::reject(\"name\", format!(\"The guest does not know {name}.\"))),\n    })\n}\n\n\
         fn any(a: &[Value], at: usize) -> Value {\n    a.get(at).cloned().unwrap_or_default()\n}\n\n\
         fn wrong(at: usize) -> Error {\n    Error::reject(\"typed\", format!(\"Argument {at} cannot be said in the contract.\"))\n}\n\n\
         fn text(a: &[Value], at: usize) -> Result<&str, Error> {\n    a.get(at).and_then(Value::as_str).ok_or_else(|| wrong(at))\n}\n\n\
         fn may_text(a: &[Value], at: usize) -> Result<Option<&str>, Error> {\n\
         \x20   a.get(at).filter(|v| !v.is_null()).map(|v| v.as_str().ok_or_else(|| wrong(at))).transpose()\n}\n\n\
         fn whole(a: &[Value], at: usize) -> Result<i64, Error> {\n    a.get(at).and_then(Value::as_i64).ok_or_else(|| wrong(at))\n}\n\n\
         fn number(a: &[Value], at: usize) -> Result<f64, Error> {\n    a.get(at).and_then(Value::as_f64).ok_or_else(|| wrong(at))\n}\n",
    );
    out
}

#[test]
fn the_guest_that_calls_the_desk_knows_every_function() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("guests/desk/src/calls.rs");
    compare(&file, &guest_calls(functions()));
}
