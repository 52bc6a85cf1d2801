//! The reference of the desk's functions, for people and for editors.
//!
//! In: the table. Out: Markdown, and definition files (`.d.rhai`) that editors with Rhai support read.
//! Never: says anything that is not in the table.

use super::natives::{PRINT, STEP};
use crate::run::function::{Effect, Function, Kind};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The reference as Markdown, one section for each namespace.
pub fn markdown(table: &'static [Function]) -> String {
    let mut out = String::from("# Functions of scripts\n");
    for (space, functions) in spaces(table) {
        let _ = write!(out, "\n## {}\n", if space.is_empty() { "Everywhere" } else { space });
        for function in functions {
            let _ = write!(
                out,
                "\n### `{}({})` → {}\n\n{}\n",
                function.full_name(),
                function.parameters(),
                function.returns.name(),
                function.doc
            );
            if let Some(note) = note(function.effect) {
                let _ = write!(out, "\n*{note}*\n");
            }
            if !function.params.is_empty() {
                out.push('\n');
            }
            for param in function.params {
                let optional = if param.optional { ", may be left out" } else { "" };
                let _ = write!(out, "- `{}` ({}{optional})", param.name, param.kind.name());
                let _ = writeln!(out, "{}{}", if param.doc.is_empty() { "" } else { ": " }, param.doc);
            }
            if !function.example.is_empty() {
                let _ = write!(out, "\n```rhai\n{}\n```\n", function.example);
            }
        }
    }
    out
}

/// Definition files for editors: name and text of each, one for each namespace and one for the rest.
pub fn definitions(table: &'static [Function]) -> Vec<(String, String)> {
    let file = |(space, functions): (&str, Vec<&Function>)| {
        let mut out = format!("module {};\n", if space.is_empty() { "static" } else { space });
        for function in functions {
            let (least, most) = function.arity();
            for count in least..=most {
                out.push('\n');
                for line in documentation(function, count) {
                    let _ = writeln!(out, "{}", format!("/// {line}").trim_end());
                }
                let params: Vec<String> =
                    function.params[..count].iter().map(|p| format!("{}: {}", p.name, type_name(p.kind))).collect();
                let _ = writeln!(out, "fn {}({}) -> {};", function.name, params.join(", "), type_name(function.returns));
            }
        }
        (format!("{}.d.rhai", if space.is_empty() { "__static__" } else { space }), out)
    };
    spaces(table).into_iter().map(file).collect()
}

fn documentation(function: &Function, count: usize) -> Vec<String> {
    let mut lines: Vec<String> = function.doc.lines().map(str::to_owned).collect();
    lines.extend(note(function.effect).map(str::to_owned));
    let documented = function.params[..count].iter().filter(|p| !p.doc.is_empty());
    lines.extend(documented.map(|p| format!("* `{}`: {}", p.name, p.doc)));
    if !function.example.is_empty() {
        lines.extend([String::new(), "```rhai".to_owned()]);
        lines.extend(function.example.lines().map(str::to_owned));
        lines.push("```".to_owned());
    }
    lines
}

fn spaces(table: &'static [Function]) -> BTreeMap<&'static str, Vec<&'static Function>> {
    let mut spaces: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
    spaces.insert("", vec![&STEP, &PRINT]);
    for function in table {
        spaces.entry(function.space).or_default().push(function);
    }
    spaces
}

fn note(effect: Effect) -> Option<&'static str> {
    match effect {
        Effect::Pure | Effect::Read => None,
        Effect::Plan => Some("Planned: it happens when the run has ended well, together with everything else the run planned."),
        Effect::Now => Some("At once, while the run is still going; so it is only allowed inside a `step`."),
    }
}

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "String",
        Kind::Whole | Kind::Instant => "int",
        Kind::Number => "float",
        Kind::Truth => "bool",
        Kind::List => "Array",
        Kind::Map => "Map",
        Kind::When | Kind::Any => "?",
        Kind::Nothing => "()",
    }
}
