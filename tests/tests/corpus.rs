//! Plugins that were compiled for released lines of the contract load today, and answer.
//!
//! `plugin-sdk/corpus/LINE/` holds them as they were packed then; they are added to, never built anew.

use beffroi::daemon::functions;
use beffroi::domain::Digest;
use beffroi::plugin::host::Host;
use beffroi::plugin::package;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn packages(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the corpus is there");
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "wasm")).collect();
    found.sort();
    found
}

#[test]
fn plugins_of_released_lines_keep_loading() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk/corpus/0.1");
    let sums = std::fs::read_to_string(corpus.join("SHA256SUMS")).expect("the digests stand beside the files");
    let host = Host::new(functions(), None, None, None);
    let all = packages(&corpus);
    assert!(all.len() >= 4, "a channel, a source, a workflow and one that is not Rust: {all:?}");
    for file in all {
        let name = file.file_name().expect("a file").to_string_lossy().into_owned();
        let bytes = std::fs::read(&file).expect("readable");
        let digest = Digest::of(&bytes);
        assert!(sums.contains(&format!("{digest}  {name}")), "{name} is not the file that was released");
        let read = package::read(bytes.clone()).unwrap_or_else(|refused| panic!("{name}: {refused}"));
        let abilities = read.abilities.clone();
        let loaded = host
            .load(Arc::new(read.manifest), digest, || Ok(bytes))
            .unwrap_or_else(|refused| panic!("{name} no longer loads: {}", refused.0.en));
        let (mut promised, mut found) = (abilities, loaded.abilities());
        for list in [&mut promised, &mut found] {
            list.retain(|ability| *ability != "plugin");
            list.sort_unstable();
        }
        assert_eq!(found, promised, "{name} lost an ability");
    }
}
