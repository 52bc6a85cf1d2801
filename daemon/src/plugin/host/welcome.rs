//! Whether a file is a plugin that this daemon can run, said in a sentence before anything is compiled.
//!
//! In: bytes, or the names of a component's imports and exports. Out: nothing, or why not.
//! Never: a linker's words.

use super::sandbox::{PARTS, TABLE};
use crate::plugin::manifest::Words;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

/// The line of the contract that this daemon offers.
pub const API: &str = "0.1";
/// Interfaces of the contract that plugins may import.
const OFFERED: &[&str] = &["types", "post-types", "run", "log", "settings", "state", "media", "http", "desk"];
/// Parts of WASI 0.2 that plugins see, with nothing in them.
const WASI: &[&str] = &["wasi:io/", "wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:sockets/", "wasi:random/"];

/// Most functions of a plugin. An interpreter with its library has some ten thousand.
const FUNCTIONS: u32 = 200_000;
/// Most bytes of one function.
const BODY: u64 = 2 << 20;
/// Most variables times bytes of one function: what compiling takes grows with both, and a bomb would take the daemon with it.
const DENSE: u64 = 1_000_000_000;

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.en)]
pub struct Refused(pub Words);

impl Refused {
    pub(super) fn new(fr: impl Into<String>, en: impl Into<String>) -> Self {
        Self(Words { fr: fr.into(), en: en.into() })
    }
}

/// What a component asks for and gives, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

/// Reads the outline of a component.
pub(super) fn outline(bytes: &[u8]) -> Result<Outline, Refused> {
    if bytes.get(..4) != Some(b"\0asm") {
        return Err(Refused::new(
            "Ce fichier n'est pas un plugin : ce n'est pas du WebAssembly. Un plugin est un fichier .wasm.",
            "This file is no plugin: it is not WebAssembly. A plugin is a .wasm file.",
        ));
    }
    if Parser::is_core_wasm(bytes) {
        return Err(Refused::new(
            "Ce fichier est un module WebAssembly, pas un composant. L'auteur le construit pour wasm32-wasip2, ou l'emballe avec un outil de composants.",
            "This file is a WebAssembly module, not a component. Its author builds it for wasm32-wasip2, or wraps it with a tool for components.",
        ));
    }
    let mut found = Outline::default();
    let (mut depth, mut functions) = (0_u32, 0_u32);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|_| damaged())? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::CodeSectionEntry(body) => {
                functions += 1;
                let locals =
                    body.get_locals_reader().and_then(|all| all.into_iter().try_fold(0, |sum, one| Ok(sum + u64::from(one?.0))));
                let locals = locals.map_err(|_| damaged())?;
                let size = body.range().len() as u64;
                if functions > FUNCTIONS || size > BODY || size.saturating_mul(locals) > DENSE {
                    return Err(too_large());
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    found.imports.push(import.map_err(|_| damaged())?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    found.exports.push(export.map_err(|_| damaged())?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

pub(super) fn damaged() -> Refused {
    Refused::new(
        "Ce fichier est abîmé : ce n'est pas un composant entier. Téléchargez-le de nouveau, et vérifiez-le : beffroi plugin verify FICHIER.",
        "This file is damaged: it is not a whole component. Download it again, and verify it: beffroi plugin verify FILE.",
    )
}

/// Why a component cannot be compiled: it is not whole, or it is whole and more than any plugin may be.
pub(super) fn uncompiled(bytes: &[u8]) -> Refused {
    if Validator::new_with_features(WasmFeatures::default()).validate_all(bytes).is_ok() { too_much() } else { damaged() }
}

/// Compiling it would take all there is.
fn too_large() -> Refused {
    Refused::new(
        "Ce plugin est trop gros pour être compilé : il a trop de fonctions, ou l'une d'elles est trop grande. C'est un défaut du plugin\u{a0}: signalez-le à son auteur.",
        "This plugin is too large to be compiled: it has too many functions, or one of them is too large. This is a defect of the plugin: tell its author.",
    )
}

/// It asks for more than plugins get, before it has done anything.
pub(super) fn too_much() -> Refused {
    Refused::new(
        format!(
            "Ce plugin demande trop de la machine avant d'avoir rien fait : au plus {PARTS} mémoires et {PARTS} tables, et {TABLE} éléments par table. C'est un défaut du plugin\u{a0}: signalez-le à son auteur."
        ),
        format!(
            "This plugin asks too much of the machine before it has done anything: at most {PARTS} memories and {PARTS} tables, and {TABLE} elements in a table. This is a defect of the plugin: tell its author."
        ),
    )
}

/// The parts of `beffroi:plugin/NAME@VERSION`.
fn ours(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix("beffroi:plugin/")?;
    Some(rest.split_once('@').unwrap_or((rest, "")))
}

/// `0.1` of `0.1.7`.
fn line(version: &str) -> &str {
    version.match_indices('.').nth(1).map_or(version, |(at, _)| &version[..at])
}

/// Whether this daemon offers all that a component asks for, and the component is a plugin at all.
pub(super) fn welcome(outline: &Outline) -> Result<(), Refused> {
    for name in &outline.imports {
        match ours(name) {
            Some((_, version)) if line(version) != API => {
                let line = line(version);
                return Err(Refused::new(
                    format!(
                        "Ce plugin a besoin de l'API {line}, ce démon offre {API}. Mettez à jour le démon, ou installez une version du plugin faite pour {API}."
                    ),
                    format!(
                        "This plugin needs API {line}, this daemon offers {API}. Update the daemon, or install a version of the plugin made for {API}."
                    ),
                ));
            }
            Some((interface, _)) if OFFERED.contains(&interface) => {}
            None if WASI.iter().any(|prefix| name.starts_with(prefix)) => {}
            _ => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
                return Err(Refused::new(
                    format!(
                        "Ce plugin demande «\u{a0}{name}\u{a0}», que ce démon n'offre pas. Mettez à jour le démon, ou demandez à l'auteur une version sans cela."
                    ),
                    format!(
                        "This plugin asks for \"{name}\", which this daemon does not offer. Update the daemon, or ask the author for a version without it."
                    ),
                ));
            }
        }
    }
    let mut line_of_export = None;
    for (interface, version) in outline.exports.iter().filter_map(|name| ours(name)) {
        if interface == "plugin" {
            line_of_export = Some(line(version).to_owned());
        }
    }
    match line_of_export {
        Some(line) if line == API => Ok(()),
        Some(line) => Err(Refused::new(
            format!(
                "Ce plugin a besoin de l'API {line}, ce démon offre {API}. Mettez à jour le démon, ou installez une version du plugin faite pour {API}."
            ),
            format!(
                "This plugin needs API {line}, this daemon offers {API}. Update the daemon, or install a version of the plugin made for {API}."
            ),
        )),
        None => Err(Refused::new(
            "Ce fichier est un composant WebAssembly, mais pas un plugin de Beffroi : il n'exporte pas beffroi:plugin/plugin.",
            "This file is a WebAssembly component, but no plugin for Beffroi: it does not export beffroi:plugin/plugin.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlined(imports: &[&str], exports: &[&str]) -> Outline {
        let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        Outline { imports: owned(imports), exports: owned(exports) }
    }

    #[test]
    fn another_line_is_refused_with_both_lines() {
        let mine = "beffroi:plugin/plugin@0.1.0";
        assert_eq!(welcome(&outlined(&["beffroi:plugin/run@0.1.3", "wasi:io/poll@0.2.6"], &[mine])), Ok(()));
        for (imports, exports) in [(&["beffroi:plugin/run@0.2.0"][..], &[mine][..]), (&[], &["beffroi:plugin/plugin@0.2.1"])] {
            let refused = welcome(&outlined(imports, exports)).expect_err("another line");
            assert!(refused.0.en.contains("needs API 0.2, this daemon offers 0.1"), "{refused}");
        }
    }

    #[test]
    fn what_is_no_plugin_is_named_for_what_it_is() {
        let said = |bytes: &[u8]| outline(bytes).map_or_else(|r| r.0.en, |o| format!("{o:?}"));
        assert!(said(b"#!/bin/sh").contains("not WebAssembly"));
        assert!(said(b"\0asm\x01\0\0\0").contains("a WebAssembly module"));
        assert!(said(b"\0asm\x0d\0\x01\0\x07\xff").contains("damaged"));
        let empty = outline(b"\0asm\x0d\0\x01\0").expect("an empty component");
        assert!(welcome(&empty).expect_err("exports nothing").0.en.contains("no plugin for Beffroi"));
        let asks = outlined(&["wasi:http/outgoing-handler@0.2.0"], &["beffroi:plugin/plugin@0.1.0"]);
        assert!(welcome(&asks).expect_err("not offered").0.fr.contains("wasi:http/outgoing-handler"));
    }
}
