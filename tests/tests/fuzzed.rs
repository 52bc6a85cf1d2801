//! The kept corpus of every fuzz target, and everything that fuzzing ever found, read again by the checks that the targets use.

use beffroi_tests::fuzzed::TARGETS;
use std::path::{Path, PathBuf};

/// Files of a folder below `tests/fuzz`, sorted.
fn files(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder).join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn holds(target: &str) {
    let (_, check) = TARGETS.iter().find(|(name, _)| *name == target).expect("such a target");
    let kept = files("corpus", target);
    assert!(!kept.is_empty(), "the corpus of {target} is gone");
    for file in kept.into_iter().chain(files("findings", target)) {
        // Said before, so that it stands above the panic of whatever file breaks the check.
        println!("{}", file.display());
        check(&std::fs::read(&file).expect("readable"));
    }
}

macro_rules! targets {
    ($($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                holds(stringify!($name));
            }
        )*

        #[test]
        fn every_target_has_its_test_and_its_binary() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(tested.to_vec(), TARGETS.map(|(name, _)| name).to_vec());
            for name in tested {
                assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/targets/{name}.rs")).is_file(), "{name}");
            }
        }
    };
}

targets!(cron, config, feed, csv, library, manifest, admin);

/// A corpus is read by every run of the tests: it stays small.
#[test]
fn the_kept_corpus_is_small() {
    for (target, _) in TARGETS {
        let files = files("corpus", target);
        let bytes: u64 = files.iter().map(|file| std::fs::metadata(file).expect("there").len()).sum();
        assert!(files.len() <= 40 && bytes <= 200 << 10, "{target}: {} files, {bytes} bytes", files.len());
    }
}
