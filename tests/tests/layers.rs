//! The walls of the house: a module names only modules of the layers below it.
//!
//! Reads every `crate::…` path in the daemon's sources. The table here is the one in `daemon/ARCHITECTURE.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. A module may name what stands on an earlier line, and its own parts.
const LAYERS: &[&[&str]] = &[
    &["domain"],
    &["clock", "problem"],
    &["network", "written"],
    &["kinds", "plugin::manifest", "run::function", "run::wit", "schedule::cron"],
    &["craft", "instance", "store"],
    &["effects", "pulse", "sample", "secrets"],
    &["plugin"],
    &["adapters", "config", "egress", "schedule"],
    &["run"],
    &["collect", "delivery"],
    &["daemon"],
    &["demo", "rehearsal"],
    &["admin", "script_tests", "simulate"],
    &["service"],
    &["cli"],
];

fn layer_of(path: &str) -> Option<(usize, &'static str)> {
    let named = |name: &&'static str| path == *name || path.starts_with(&format!("{name}::"));
    // The longest name wins: `schedule::cron` stands lower than the rest of `schedule`.
    let mut found: Vec<(usize, &'static str)> =
        LAYERS.iter().enumerate().flat_map(|(rank, names)| names.iter().filter(|n| named(n)).map(move |n| (rank, *n))).collect();
    found.sort_by_key(|(_, name)| name.len());
    found.pop()
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources are there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// What a source says outside comments and tests.
fn spoken(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn modules_name_only_lower_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../daemon/src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = BTreeSet::new();
    let mut seen = 0;
    for file in files {
        let relative = file.strip_prefix(&root).expect("below the root").with_extension("");
        let module = relative.to_string_lossy().replace('/', "::");
        let module = module.trim_end_matches("::mod").to_owned();
        if ["lib", "main"].contains(&module.as_str()) || module.contains("test") && module != "script_tests" {
            continue;
        }
        let (rank, own) =
            layer_of(&module).unwrap_or_else(|| panic!("the module {module} stands on no layer: add it to the table"));
        let text = fs::read_to_string(&file).expect("readable");
        for path in spoken(&text).split("crate::").skip(1) {
            let path: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
            let Some((named, name)) = layer_of(path.trim_end_matches(':')) else { continue };
            seen += 1;
            if name != own && named >= rank {
                wrong.insert(format!("{module} (layer {rank}) names {path} (layer {named})"));
            }
        }
    }
    assert!(seen > 200, "only {seen} paths were read: the test reads nothing");
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}
