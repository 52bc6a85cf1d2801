//! New plugin projects: what `beffroi plugin new` writes, for each kind and each language.
//!
//! In: a kind, a language, a name. Out: the files of a project that builds and passes its tests at once.
//! Never: writes them; the command line does, and never over a file that is there.
//!
//! A project is put together from three folders: what a kind is in every language (manifest, recording, world), what a language needs
//! for every kind (build script, helpers), and the one file in which both meet.

use crate::domain::PluginName;
use include_dir::{Dir, DirEntry, include_dir};
use std::path::{Path, PathBuf};

static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../plugin-sdk/templates");
static CONTRACT: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../plugin-sdk/wit");
static SDK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../plugin-sdk/src");
const SDK_MANIFEST: &str = include_str!("../../../plugin-sdk/Cargo.toml");

/// What a plugin can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Publishes posts to a network
    Channel,
    /// Reads trends, news, events
    Source,
    /// Reads products, stock and prices
    Catalog,
    /// Writes texts
    Generator,
    /// Tells people something
    Notifier,
    /// Decides what to say, and when
    Workflow,
}

/// What a plugin can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Tongue {
    /// Rust, with the SDK's traits and its host for cargo test
    Rust,
    /// JavaScript, by componentize-qjs
    Javascript,
    /// Python, by componentize-py
    Python,
    /// C, by clang
    C,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Channel, Self::Source, Self::Catalog, Self::Generator, Self::Notifier, Self::Workflow];

    /// As it is typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Source => "source",
            Self::Catalog => "catalog",
            Self::Generator => "generator",
            Self::Notifier => "notifier",
            Self::Workflow => "workflow",
        }
    }
}

impl Tongue {
    /// Every language.
    pub const ALL: [Self; 4] = [Self::Rust, Self::Javascript, Self::Python, Self::C];

    /// As it is typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Javascript => "javascript",
            Self::Python => "python",
            Self::C => "c",
        }
    }
}

/// One file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFile {
    /// Where, inside the project.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Whether it is a script.
    pub executable: bool,
}

/// The files of a new project. `sdk` is where the Rust SDK lies; without it a copy comes along.
pub fn project(kind: Kind, tongue: Tongue, name: &PluginName, sdk: Option<&Path>) -> Vec<ProjectFile> {
    let words = Words {
        name: name.to_string(),
        title: title(name),
        kind: kind.word(),
        sdk: sdk.map_or_else(|| "sdk".into(), |path| path.display().to_string()),
    };
    let mut files = Vec::new();
    let folder = |parts: [&str; 2]| TEMPLATES.get_dir(format!("{}/{}", parts[0], parts[1]));
    for dir in [folder(["shared", kind.word()]), folder([tongue.word(), "all"]), folder([tongue.word(), kind.word()])]
        .into_iter()
        .flatten()
    {
        collect(dir, dir.path(), Path::new(""), Some(&words), &mut files);
    }
    if tongue == Tongue::Rust {
        // The SDK brings the contract along and writes its own worlds.
        files.retain(|file| file.path != Path::new("world.wit"));
        if sdk.is_none() {
            files.push(ProjectFile {
                path: "sdk/Cargo.toml".into(),
                bytes: standalone(SDK_MANIFEST).into_bytes(),
                executable: false,
            });
            collect(&SDK, SDK.path(), Path::new("sdk/src"), None, &mut files);
            collect(&CONTRACT, CONTRACT.path(), Path::new("sdk/wit"), None, &mut files);
        }
    } else {
        for file in files.iter_mut().filter(|file| file.path == Path::new("world.wit")) {
            file.path = "wit/project.wit".into();
        }
        collect(&CONTRACT, CONTRACT.path(), Path::new("wit/deps/beffroi-plugin"), None, &mut files);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// What stands between double braces in templates.
struct Words {
    name: String,
    title: String,
    kind: &'static str,
    sdk: String,
}

impl Words {
    fn fill(&self, text: &str) -> String {
        text.replace("{{name}}", &self.name)
            .replace("{{crate}}", &self.name.replace('-', "_"))
            .replace("{{title}}", &self.title)
            .replace("{{kind}}", self.kind)
            .replace("{{sdk}}", &self.sdk)
    }
}

fn collect(dir: &Dir<'_>, base: &Path, to: &Path, words: Option<&Words>, files: &mut Vec<ProjectFile>) {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(dir) => collect(dir, base, to, words, files),
            DirEntry::File(file) => {
                let path = to.join(file.path().strip_prefix(base).unwrap_or(file.path()));
                // Such files would mean something to tools where the template lies.
                let path = match path.to_str() {
                    Some("gitignore.in") => ".gitignore".into(),
                    Some(text) => PathBuf::from(text.strip_suffix(".in").unwrap_or(text)),
                    None => path,
                };
                let bytes = match (words, file.contents_utf8()) {
                    (Some(words), Some(text)) => words.fill(text).into_bytes(),
                    _ => file.contents().to_vec(),
                };
                let executable = bytes.starts_with(b"#!");
                files.push(ProjectFile { path, bytes, executable });
            }
        }
    }
}

/// `mon-reseau` as people write it: `Mon reseau`.
fn title(name: &PluginName) -> String {
    let text = name.to_string().replace('-', " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The SDK's manifest without what it takes from the workspace it lies in here.
fn standalone(manifest: &str) -> String {
    let mut out = String::new();
    let mut skipping = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            // Tests stay where the workspace is, and so does what only they need.
            skipping = line == "[lints]" || line == "[dev-dependencies]" || line == "[[test]]";
        }
        if skipping {
            continue;
        }
        let line = match line.split_once(".workspace") {
            Some(("version", _)) => concat!("version = \"", env!("CARGO_PKG_VERSION"), "\""),
            Some(("edition", _)) => "edition = \"2024\"",
            Some(("rust-version", _)) => concat!("rust-version = \"", env!("CARGO_PKG_RUST_VERSION"), "\""),
            Some(("license", _)) => "license = \"Apache-2.0 OR MIT\"",
            _ => line,
        };
        out.push_str(line);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(kind: Kind, tongue: Tongue) -> Vec<ProjectFile> {
        project(kind, tongue, &PluginName::parse("mon-reseau").expect("a name"), None)
    }

    #[test]
    fn every_project_is_whole_and_has_no_gap_left() {
        for kind in Kind::ALL {
            for tongue in Tongue::ALL {
                let files = made(kind, tongue);
                let what = format!("{} in {}", kind.word(), tongue.word());
                let has = |path: &str| files.iter().any(|f| f.path == Path::new(path));
                assert!(has("beffroi-plugin.toml") && has("README.md") && has("build.sh") && has(".gitignore"), "{what}");
                assert!(
                    files.iter().any(|f| f.path.starts_with("tests") && f.path.extension().is_some_and(|e| e == "toml")),
                    "{what}"
                );
                assert!(files.iter().any(|f| f.path.ends_with("plugin.wit")), "{what}: the contract comes along");
                assert!(files.windows(2).all(|pair| pair[0].path != pair[1].path), "{what}: a path twice");
                for file in &files {
                    let text = String::from_utf8_lossy(&file.bytes);
                    for gap in ["{{name}}", "{{crate}}", "{{title}}", "{{kind}}", "{{sdk}}"] {
                        assert!(!text.contains(gap), "{what}: {gap} in {}", file.path.display());
                    }
                    assert_eq!(file.executable, file.path.extension().is_some_and(|e| e == "sh"), "{}", file.path.display());
                }
            }
        }
    }

    #[test]
    fn the_copy_of_the_sdk_stands_alone() {
        let manifest: toml::Table = standalone(SDK_MANIFEST).parse().expect("TOML");
        assert_eq!(manifest["package"]["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
        assert!(!standalone(SDK_MANIFEST).contains("workspace"));
    }

    #[test]
    fn a_given_sdk_is_used_and_not_copied() {
        let name = PluginName::parse("mon-reseau").expect("a name");
        let files = project(Kind::Source, Tongue::Rust, &name, Some(Path::new("/opt/sdk")));
        assert!(!files.iter().any(|f| f.path.starts_with("sdk")));
        let cargo = files.iter().find(|f| f.path == Path::new("Cargo.toml")).expect("a manifest");
        assert!(String::from_utf8_lossy(&cargo.bytes).contains("path = \"/opt/sdk\""));
    }
}
