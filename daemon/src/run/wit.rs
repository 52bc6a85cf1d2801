//! The table of functions as the interface `desk` of the plugin contract.
//!
//! In: the one table. Out: the text of `plugin-sdk/wit/desk.wit`, and how each function and kind of value is called there.
//! Never: says anything that the table does not say: whoever changes the table changes both languages.

use super::function::{Function, Kind, Param};

/// The name of a function in the contract: `posts::plan` is `posts-plan`.
pub fn name(function: &Function) -> String {
    let full = if function.space.is_empty() { function.name.to_owned() } else { format!("{}-{}", function.space, function.name) };
    full.replace('_', "-")
}

/// Whether plugins have it too. Steps take a closure in scripts and are three functions of their own here; what a plugin
/// prints is kept as it is.
pub fn has(function: &Function) -> bool {
    !(function.space.is_empty() && matches!(function.name, "step" | "print"))
}

/// The type of a value of this kind. What has no fixed shape is JSON.
pub const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "string",
        Kind::Whole | Kind::Instant => "s64",
        Kind::Number => "f64",
        Kind::Truth => "bool",
        Kind::List | Kind::Map | Kind::When | Kind::Any => "json",
        Kind::Nothing => "_",
    }
}

fn param(p: &Param) -> String {
    let name = p.name.replace('_', "-");
    if p.optional { format!("%{name}: option<{}>", kind(p.kind)) } else { format!("%{name}: {}", kind(p.kind)) }
}

fn comment(out: &mut String, text: &str) {
    const WIDTH: usize = 116;
    let mut line = String::new();
    let flush = |line: &mut String, out: &mut String| {
        if !line.is_empty() {
            out.push_str(&format!("    /// {line}\n"));
            line.clear();
        }
    };
    for paragraph in text.lines() {
        for word in paragraph.split_whitespace() {
            if line.chars().count() + word.chars().count() + 1 > WIDTH {
                flush(&mut line, out);
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        flush(&mut line, out);
    }
}

/// The whole file.
pub fn desk(table: &[Function]) -> String {
    let mut out = String::from(
        "package beffroi:plugin@0.1.0;\n\n\
         /// What a workflow can see and plan: the same functions as scripts have, under the same names.\n\
         ///\n\
         /// What has no fixed shape is JSON; `scripts/REFERENCE.md` says which keys maps have. An error is a sentence.\n\
         ///\n\
         /// Made from the daemon's table of functions by a test: changed there, not here.\n\
         interface desk {\n    use types.{json};\n\n\
         \x20   /// Begins a step: the answer kept by an earlier attempt of this run, if there is one. Without one, do the work,\n\
         \x20   /// then `step-end` or `step-fail`. For what is slow, costs money, or must not be repeated.\n\
         \x20   step-begin: func(name: string) -> result<option<json>, string>;\n\n\
         \x20   /// Keeps a step's answer, durably and at once.\n\
         \x20   step-end: func(name: string, answer: json) -> result<_, string>;\n\n\
         \x20   /// The step did not work out; nothing is kept.\n\
         \x20   step-fail: func(name: string);\n",
    );
    for function in table.iter().filter(|f| has(f)) {
        out.push('\n');
        comment(&mut out, function.doc);
        for p in function.params {
            comment(&mut out, &format!("- `{}`: {}", p.name.replace('_', "-"), p.doc));
        }
        let params = function.params.iter().map(param).collect::<Vec<_>>().join(", ");
        out.push_str(&format!("    {}: func({params}) -> result<{}, string>;\n", name(function), kind(function.returns)));
    }
    out.push_str("}\n");
    out
}
