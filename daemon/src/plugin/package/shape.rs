//! What a component gives and takes: the interfaces it exports and imports, and the line of the contract it was built for.
//!
//! In: the bytes of a component. Out: its abilities and imports, checked against what this daemon has.
//! Never: takes a component that would fail later for want of a function, or with a linker's words.

use super::super::manifest::Manifest;
use super::{Refused, cut};
use crate::problem::perhaps;
use std::collections::BTreeSet;
use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::Types;
use wasmparser::{Payload, Validator, WasmFeatures};

/// The line of the contract this daemon offers.
pub const API: &str = "0.1";

const CONTRACT: &str = "beffroi:plugin/";

/// What plugins can export, in the order in which abilities are listed, with the functions that belong to it.
pub const ABILITIES: [(&str, &[&str]); 12] = [
    ("plugin", &["check"]),
    ("publish", &["validate", "publish"]),
    ("prepare", &["prepare"]),
    ("lookup", &["find"]),
    ("unpublish", &["unpublish"]),
    ("metrics", &["read"]),
    ("inbox", &["poll"]),
    ("feed", &["poll"]),
    ("stock", &["poll"]),
    ("generate", &["generate"]),
    ("notify", &["notify"]),
    ("workflow", &["run"]),
];

/// What plugins can import, with its functions. The desk's are made from the daemon's table of functions and checked there.
pub(super) const HOST: [(&str, &[&str]); 9] = [
    ("types", &[]),
    ("post-types", &[]),
    ("run", &["id", "now", "attempt", "time-left", "name", "time-zone", "language"]),
    ("log", &["write"]),
    ("settings", &["get"]),
    ("state", &["get", "set", "remove", "keys"]),
    ("media", &["read"]),
    ("http", &["send", "sign"]),
    (DESK, &[]),
];
const DESK: &str = "desk";

/// Parts of WASI 0.2 that languages expect. There is nothing in them: no files, no sockets, no environment.
const WASI: [&str; 6] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// What a component gives and takes.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) abilities: Vec<&'static str>,
    pub(super) imports: Vec<String>,
    pub(super) desk: Vec<String>,
    pub(super) unknown: Vec<String>,
    /// Lines of the contract it names.
    lines: BTreeSet<String>,
}

impl Shape {
    /// Refuses a manifest that says something else than the component.
    pub(super) fn offered(&self, manifest: &Manifest) -> Result<(), Refused> {
        if manifest.api != API {
            return Err(too_new(&manifest.api));
        }
        if !manifest.desk.is_empty() && !self.abilities.contains(&"workflow") {
            return Err(Refused::new(
                "The manifest asks for functions of the desk, but the component is no workflow. Take [workflow] out of the manifest, or \
                 export workflow.",
            ));
        }
        Ok(())
    }
}

fn too_new(line: &str) -> Refused {
    let remedy = if newer(line) {
        "Update Beffroi, or ask the author for a version for API 0.1."
    } else {
        "Ask the author for a newer version."
    };
    Refused(format!("This plugin needs API {line}, this daemon offers {API}. {remedy}"))
}

fn newer(line: &str) -> bool {
    let numbers = |line: &str| line.split('.').map(|part| part.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>();
    numbers(line) > numbers(API)
}

/// Validates a component and reads what it gives and takes.
pub(super) fn of(bytes: &[u8]) -> Result<Shape, Refused> {
    // The features of components in WASI 0.2, and nothing that is still being discussed.
    let features = WasmFeatures::default();
    let types = Validator::new_with_features(features).validate_all(bytes).map_err(|error| damaged(&error))?;
    let mut shape = Shape::default();
    let mut depth = 0_usize;
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| damaged(&error))? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let name = import.map_err(|error| damaged(&error))?.name.name;
                    shape.import(name, &functions(&types, types.component_item_for_import(name).map(|item| item.ty)))?;
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let name = export.map_err(|error| damaged(&error))?.name.name;
                    shape.export(name, &functions(&types, types.component_item_for_export(name).map(|item| item.ty)))?;
                }
            }
            _ => {}
        }
    }
    // The contract's order, whatever the file's.
    shape.abilities.sort_by_key(|ability| ABILITIES.iter().position(|(name, _)| name == ability));
    if let Some(line) = shape.lines.iter().find(|line| *line != API) {
        return Err(too_new(line));
    }
    if !shape.abilities.contains(&"plugin") {
        return Err(Refused::new(
            "This component is no plugin of Beffroi: it does not export beffroi:plugin/plugin. Build it with the SDK, or for a world of \
             the contract.",
        ));
    }
    if shape.abilities.len() == 1 {
        let known: Vec<&str> = ABILITIES.iter().skip(1).map(|(name, _)| *name).collect();
        return Err(Refused(format!("This plugin can do nothing: it exports none of {}.", known.join(", "))));
    }
    Ok(shape)
}

fn damaged(error: &wasmparser::BinaryReaderError) -> Refused {
    let text: String = error.message().chars().take(160).flat_map(char::escape_debug).collect();
    Refused(format!("{} (The validator says: {text}.)", cut(error.offset())))
}

/// The functions of an interface.
fn functions(types: &Types, item: Option<ComponentEntityType>) -> Option<BTreeSet<String>> {
    let Some(ComponentEntityType::Instance(id)) = item else { return None };
    let is_function = |ty: &ComponentEntityType| matches!(ty, ComponentEntityType::Func(_));
    Some(types[id].exports.iter().filter(|(_, item)| is_function(&item.ty)).map(|(name, _)| name.clone()).collect())
}

/// An interface's name and version: `beffroi:plugin/http@0.1.0`.
fn versioned(name: &str) -> (&str, &str) {
    name.rsplit_once('@').unwrap_or((name, ""))
}

fn shown(name: &str) -> String {
    name.chars().take(100).flat_map(char::escape_debug).collect()
}

impl Shape {
    /// The name within the contract, if it is one of its interfaces. Its line is noted.
    fn ours<'n>(&mut self, name: &'n str) -> Option<&'n str> {
        let (name, version) = versioned(name);
        let own = name.strip_prefix(CONTRACT)?;
        let line: Vec<&str> = version.split('.').take(2).collect();
        self.lines.insert(if version.is_empty() { "0".to_owned() } else { line.join(".") });
        Some(own)
    }

    fn import(&mut self, name: &str, functions: &Option<BTreeSet<String>>) -> Result<(), Refused> {
        let Some(own) = self.ours(name) else {
            let (bare, version) = versioned(name);
            if WASI.iter().any(|part| bare.starts_with(part)) && version.starts_with("0.2.") && functions.is_some() {
                return Ok(());
            }
            if bare.starts_with("wasi:http/") {
                return Err(Refused::new(
                    "This plugin wants wasi:http, which plugins do not get: they send requests with beffroi:plugin/http, to the places \
                     that their manifest asks for.",
                ));
            }
            return Err(Refused(format!(
                "This plugin wants \"{}\", which this daemon does not have. Plugins get the interfaces of beffroi:plugin and an empty WASI \
                 0.2.",
                shown(name)
            )));
        };
        if self.lines.iter().any(|line| line != API) {
            // Said once, at the end, for the whole component.
            return Ok(());
        }
        let Some((_, known)) = HOST.iter().find(|(host, _)| *host == own) else {
            // Interfaces of plugins may stand among the imports for the sake of their types.
            if ABILITIES.iter().any(|(ability, _)| *ability == own) && functions.as_ref().is_some_and(BTreeSet::is_empty) {
                return Ok(());
            }
            let near = perhaps(own, HOST.iter().map(|(host, _)| *host));
            return Err(Refused(format!(
                "This plugin wants beffroi:plugin/{}, which this daemon does not have.{near} Update Beffroi, or ask the author for another \
                 version.",
                shown(own)
            )));
        };
        let functions = functions.as_ref().ok_or_else(|| not_an_interface(name))?;
        if own == DESK {
            self.desk = functions.iter().cloned().collect();
        } else if let Some(missing) = functions.iter().find(|function| !known.contains(&function.as_str())) {
            return Err(Refused(format!(
                "This plugin wants the function {} of beffroi:plugin/{own}, which this daemon does not have. Update Beffroi, or ask the \
                 author for another version.",
                shown(missing)
            )));
        }
        self.imports.push(own.to_owned());
        Ok(())
    }

    fn export(&mut self, name: &str, functions: &Option<BTreeSet<String>>) -> Result<(), Refused> {
        let Some(own) = self.ours(name) else { return Ok(()) };
        if self.lines.iter().any(|line| line != API) {
            return Ok(());
        }
        let Some((ability, wanted)) = ABILITIES.iter().find(|(ability, _)| *ability == own) else {
            self.unknown.push(shown(own));
            return Ok(());
        };
        let functions = functions.as_ref().ok_or_else(|| not_an_interface(name))?;
        if let Some(missing) = wanted.iter().find(|function| !functions.contains(**function)) {
            return Err(Refused(format!(
                "This plugin exports beffroi:plugin/{own} without the function {missing}. Its author has to build it against the contract \
                 as it is."
            )));
        }
        self.abilities.push(ability);
        Ok(())
    }
}

fn not_an_interface(name: &str) -> Refused {
    Refused(format!(
        "\"{}\" is not an interface in this component. Its author has to build it against the contract.",
        shown(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_say_what_the_contract_says() {
        let text = include_str!("../../../../plugin-sdk/wit/plugin.wit");
        let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("interface ") {
                found.push((name.trim_end_matches(" {"), Vec::new()));
            } else if let Some((name, _)) = line.split_once(": func(")
                && let Some((_, functions)) = found.last_mut()
            {
                functions.push(name.trim_start_matches('%'));
            }
        }
        // The desk's functions stand in a file of their own, made from the daemon's table.
        found.push((DESK, Vec::new()));
        let mut known: Vec<(&str, Vec<&str>)> =
            HOST.iter().chain(&ABILITIES).map(|(name, functions)| (*name, functions.to_vec())).collect();
        for list in [&mut found, &mut known] {
            list.sort();
            list.iter_mut().for_each(|(_, functions)| functions.sort_unstable());
        }
        assert_eq!(known, found);
    }
}
