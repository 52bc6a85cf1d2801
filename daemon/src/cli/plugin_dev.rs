//! The author's commands: `beffroi plugin new`, `test`, `dev` and `pack`.
//!
//! In: a project's folder. Out: a new project, the card of its plugin, a package.
//! Never: writes over a file that is there, except what a build made.

use super::Said;
use super::caller::own_language;
use crate::domain::PluginName;
use crate::plugin::manifest;
use crate::plugin::package::{self, SigningKey};
use crate::plugin::rights::question;
use crate::plugin::template::{self, Kind, Tongue};
use crate::problem::Problem;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A new plugin.
#[derive(Debug, Args)]
pub struct NewPlugin {
    /// What it is for
    pub kind: Kind,
    /// Its name, such as my-network
    pub name: String,
    /// What it is written in
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    pub lang: Tongue,
    /// Where to; else a folder named like the plugin
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// For Rust: where the crate beffroi-plugin lies; else a copy of it comes along
    #[arg(long, value_name = "DIR")]
    pub sdk: Option<PathBuf>,
}

/// A package to be.
#[derive(Debug, Args)]
pub struct PackPlugin {
    /// The project's folder, or a component with beffroi-plugin.toml beside it
    #[arg(value_name = "DIR|FILE", default_value = ".")]
    pub what: PathBuf,
    /// The publisher's secret key; else a key for trying is made in the project's folder
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The manifest; else beffroi-plugin.toml of the project
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// The package; else NAME-VERSION.wasm in the project's folder build
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `beffroi plugin new`
pub(super) fn new(ask: &NewPlugin, as_json: bool) -> anyhow::Result<Said> {
    let good = |text: &str| {
        text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
    };
    if !good(&ask.name) {
        bail!(
            "\"{}\" cannot name a plugin. Use small letters without accents, digits and \"-\", and begin with a letter.",
            ask.name
        );
    }
    let name = PluginName::parse(&ask.name)?;
    let sdk = ask.sdk.as_ref().map(|path| {
        let failed = || format!("There is no folder {}. Name the folder that holds the SDK's Cargo.toml", path.display());
        path.canonicalize().with_context(failed)
    });
    let folder = ask.dir.clone().unwrap_or_else(|| PathBuf::from(&ask.name));
    if std::fs::read_dir(&folder).is_ok_and(|mut list| list.next().is_some()) {
        bail!("The folder {} is not empty. Choose another one with --dir.", folder.display());
    }
    let files = template::project(ask.kind, ask.lang, &name, sdk.transpose()?.as_deref());
    for file in &files {
        write_new(&folder.join(&file.path), &file.bytes, file.executable)?;
    }
    if as_json {
        let paths: Vec<&PathBuf> = files.iter().map(|file| &file.path).collect();
        return Ok(super::offline::document(&json!({ "folder": folder, "files": paths })));
    }
    let readme = files.iter().find(|file| file.path == Path::new("README.md"));
    let readme = readme.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default();
    let steps: String = readme.lines().filter(|line| line.starts_with("    ")).map(|line| format!("{line}\n")).collect();
    Ok(Said::good(format!(
        "{} holds {name}, a {} in {}. Go on there:\n\n    cd {}\n{steps}",
        folder.display(),
        ask.kind.word(),
        ask.lang.word(),
        folder.display()
    )))
}

fn write_new(path: &Path, bytes: &[u8], executable: bool) -> anyhow::Result<()> {
    let failed = || format!("{} cannot be written. Choose another folder with --dir", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    if executable {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o755);
    }
    options.open(path).and_then(|mut file| file.write_all(bytes)).with_context(failed)
}

/// `beffroi plugin pack`
pub(super) fn pack(ask: &PackPlugin, as_json: bool) -> anyhow::Result<Said> {
    let project = Project::find(&ask.what, ask.manifest.as_deref())?;
    let unsigned = project.unsigned()?;
    let key = match &ask.key {
        Some(file) => read_key(file)?,
        None => own_key(&project.folder)?,
    };
    let package = package::read(package::sign(&unsigned, &key)?)?;
    let file = ask.out.clone().unwrap_or_else(|| {
        let name = format!("{}-{}.wasm", package.manifest.name, package.manifest.version);
        project.component.with_file_name(name)
    });
    let failed = || format!("{} cannot be written. Choose another place with --out", file.display());
    std::fs::write(&file, &package.bytes).with_context(failed)?;
    let language = own_language();
    let publisher = package.signed()?;
    if as_json {
        return Ok(super::offline::document(&json!({
            "file": file,
            "name": package.manifest.name,
            "version": package.manifest.version,
            "bytes": package.bytes.len(),
            "digest": package.digest.to_string(),
            "abilities": package.abilities,
            "publisher": publisher.as_str(),
            "trying": ask.key.is_none(),
        })));
    }
    let mut text = format!(
        "{}\n  size       {}\n  digest     {}\n  abilities  {}\n  publisher  {publisher}\n",
        file.display(),
        size(package.bytes.len()),
        package.digest,
        package.abilities.join(", "),
    );
    if ask.key.is_none() {
        let own = project.folder.join(DEV_KEY);
        text.push_str(&format!(
            "\nThis key ({}) was made for trying. To publish, sign with a key of your own that you keep: --key FILE.\n",
            own.display()
        ));
    }
    text.push_str("\nAn owner will be asked:\n\n");
    for line in question(&package.manifest, language).lines() {
        text.push_str(&format!("  {line}\n"));
    }
    Ok(Said::good(text))
}

/// Where a project keeps the key for trying.
const DEV_KEY: &str = "dev.key";
/// Where every build script leaves the component.
const COMPONENT: &str = "build/plugin.wasm";
const MANIFEST: &str = "beffroi-plugin.toml";

/// A plugin's folder as it lies on the disk.
pub(super) struct Project {
    pub(super) folder: PathBuf,
    pub(super) component: PathBuf,
    manifest: PathBuf,
}

impl Project {
    /// The project in this folder, or of this component.
    pub(super) fn find(what: &Path, manifest: Option<&Path>) -> anyhow::Result<Self> {
        let (folder, component) = if what.is_dir() {
            (what.to_owned(), what.join(COMPONENT))
        } else if what.exists() {
            // A component lies in its project, or in the project's folder build.
            let around = what.ancestors().skip(1).take(3).find(|folder| folder.join(MANIFEST).exists());
            (around.or(what.parent()).unwrap_or(Path::new("")).to_owned(), what.to_owned())
        } else {
            bail!("There is no {}. Name the project's folder, or the component that its build script made.", what.display());
        };
        let manifest = manifest.map_or_else(|| folder.join(MANIFEST), Path::to_owned);
        Ok(Self { folder, component, manifest })
    }

    /// The component with its manifest in it.
    pub(super) fn unsigned(&self) -> anyhow::Result<Vec<u8>> {
        let component = std::fs::read(&self.component)
            .with_context(|| format!("{} cannot be read. Build the plugin first: ./build.sh", self.component.display()))?;
        let manifest = match std::fs::read_to_string(&self.manifest) {
            Ok(text) => text,
            // A package brings its manifest along.
            Err(_) if package::read(component.clone()).is_ok() => return Ok(component),
            Err(error) => {
                let failed = format!("{} cannot be read. Name the manifest with --manifest", self.manifest.display());
                return Err(anyhow::Error::new(error).context(failed));
            }
        };
        if let Err(problems) = manifest::parse(&manifest, &self.manifest) {
            bail!("{}", problems.iter().map(Problem::render).collect::<String>().trim_end());
        }
        Ok(package::embed(&component, &manifest)?)
    }
}

fn read_key(file: &Path) -> anyhow::Result<SigningKey> {
    let text = std::fs::read_to_string(file).with_context(|| format!("The key {} cannot be read", file.display()))?;
    Ok(SigningKey::parse(&text, std::env::var("BEFFROI_KEY_PASSWORD").ok().as_deref())?)
}

/// The project's own key for trying, made when it is not there yet.
fn own_key(folder: &Path) -> anyhow::Result<SigningKey> {
    let file = folder.join(DEV_KEY);
    if file.exists() {
        return read_key(&file);
    }
    let key = SigningKey::generate()?;
    let text = key.to_text()?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let failed = || format!("The key {} cannot be written", file.display());
    options.open(&file).and_then(|mut out| out.write_all(text.as_bytes())).with_context(failed)?;
    Ok(key)
}

fn size(bytes: usize) -> String {
    if bytes >= 1 << 20 {
        format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
    } else {
        format!("{} KiB", bytes.div_ceil(1024))
    }
}
