//! Builds the plugins of this repository and the guests of its tests: compiled for WebAssembly, with their manifests, signed.
//!
//! In: the crates under `plugins/` and `tests/guests/` that have a `beffroi-plugin.toml`. Out: one package for each in
//! `target/plugins/packages`, signed with a development key that lies beside them.
//! Never: touches the build of anything else: it has a target folder of its own, and no flag or wrapper of the outer build reaches it.

use beffroi::plugin::package::{self, SigningKey};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "plugin";
const MANIFEST: &str = "beffroi-plugin.toml";

/// What a build came to.
pub struct Built {
    /// Where the packages lie, as `NAME.wasm`.
    pub folder: PathBuf,
    /// Their names.
    pub names: Vec<String>,
    /// Whether everything was there already.
    pub fresh: bool,
}

/// The folder of this repository.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_owned()
}

/// One crate to build.
struct Source {
    /// Its folder.
    folder: PathBuf,
    /// The crate.
    package: String,
    /// The plugin, as its manifest says.
    name: String,
}

/// Builds what has changed. Several processes may ask at once: one builds, the others wait.
///
/// # Errors
/// A sentence; what the compiler had to say has been on standard error by then.
pub fn build(root: &Path) -> Result<Built, String> {
    let target = root.join("target/plugins");
    let folder = target.join("packages");
    let cannot = |path: &Path, e: std::io::Error| format!("{} cannot be written: {e}.", path.display());
    fs::create_dir_all(&folder).map_err(|e| cannot(&folder, e))?;
    let lock = target.join("lock");
    let lock = File::create(&lock).and_then(|file| file.lock().map(|()| file)).map_err(|e| cannot(&lock, e))?;
    let sources = sources(root)?;
    let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
    let mark = target.join("fresh");
    let now = stamp(root, &sources)?;
    let there = names.iter().all(|name| folder.join(format!("{name}.wasm")).is_file());
    if there && fs::read_to_string(&mark).is_ok_and(|before| before == now) {
        return Ok(Built { folder, names, fresh: true });
    }
    need_target()?;
    compile(root, &target, &sources)?;
    let key = signing_key(&target.join("dev.key"))?;
    for source in &sources {
        pack(source, &target, &folder, &key)?;
    }
    remove_others(&folder, &names);
    // Last: a build that was interrupted is done again. What was changed while it went on is seen by the next one.
    fs::write(&mark, now).map_err(|e| cannot(&mark, e))?;
    drop(lock);
    Ok(Built { folder, names, fresh: false })
}

fn sources(root: &Path) -> Result<Vec<Source>, String> {
    let mut found = Vec::new();
    for under in ["plugins", "tests/guests"] {
        let Ok(list) = fs::read_dir(root.join(under)) else { continue };
        let mut folders: Vec<PathBuf> = list.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        for folder in folders.into_iter().filter(|folder| folder.join(MANIFEST).is_file() && folder.join("Cargo.toml").is_file())
        {
            let package = value(&folder.join("Cargo.toml"), "package", "name")?;
            let name = value(&folder.join(MANIFEST), "plugin", "name")?;
            found.push(Source { folder, package, name });
        }
    }
    Ok(found)
}

/// One text in a TOML file.
fn value(file: &Path, table: &str, key: &str) -> Result<String, String> {
    let text = fs::read_to_string(file).map_err(|e| format!("{} cannot be read: {e}.", file.display()))?;
    let read: toml::Table = text.parse().map_err(|e| format!("{}: {e}", file.display()))?;
    let found = read.get(table).and_then(|table| table.get(key)).and_then(|value| value.as_str());
    found.map(str::to_owned).ok_or_else(|| format!("{} has no \"{key}\" under [{table}].", file.display()))
}

/// What changes when a file that goes into a package does.
fn stamp(root: &Path, sources: &[Source]) -> Result<String, String> {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    for file in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"] {
        note(&root.join(file), &mut hasher);
    }
    walk(&root.join("plugin-sdk"), &mut hasher)?;
    for source in sources {
        walk(&source.folder, &mut hasher)?;
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn walk(folder: &Path, hasher: &mut DefaultHasher) -> Result<(), String> {
    let list = fs::read_dir(folder).map_err(|e| format!("{} cannot be read: {e}.", folder.display()))?;
    let mut paths: Vec<PathBuf> = list.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            // Templates are for other people's plugins, and a build of one has its own target folder.
            if !path.ends_with("target") && !path.ends_with("templates") {
                walk(&path, hasher)?;
            }
        } else {
            note(&path, hasher);
        }
    }
    Ok(())
}

fn note(path: &Path, hasher: &mut DefaultHasher) {
    path.hash(hasher);
    if let Ok(about) = fs::metadata(path) {
        about.len().hash(hasher);
        about.modified().ok().hash(hasher);
    }
}

/// Makes sure that the compiler can write WebAssembly.
fn need_target() -> Result<(), String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = clean(&mut Command::new(&rustc)).args(["--print", "target-libdir", "--target", TARGET]).output();
    let libraries = asked.map_err(|e| format!("The compiler {} cannot be asked: {e}.", rustc.display()))?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&libraries.stdout).trim());
    let there = || fs::read_dir(&libraries).is_ok_and(|mut list| list.next().is_some());
    if there() {
        return Ok(());
    }
    eprintln!("The compiler cannot write {TARGET} yet; rustup adds that now, once: rustup target add {TARGET}");
    let by_hand = format!(
        "Install the standard library for {TARGET} in the way your toolchain was installed; with rustup: rustup target add {TARGET}"
    );
    match Command::new("rustup").args(["target", "add", TARGET]).status() {
        Ok(status) if status.success() && there() => Ok(()),
        Ok(status) if status.success() => {
            Err(format!("rustup has added {TARGET}, but not to the compiler in use ({}). {by_hand}", rustc.display()))
        }
        Ok(status) => Err(format!("rustup could not add {TARGET} ({status}). Look at what it says above, then try again.")),
        Err(e) => Err(format!("Plugins need the compilation target {TARGET}, and rustup cannot be run: {e}. {by_hand}")),
    }
}

/// Takes away what an outer build, a lint or a measurement of coverage has put into the environment.
fn clean(command: &mut Command) -> &mut Command {
    const KEPT: [&str; 7] =
        ["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_TERM_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_", "CARGO_SOURCE_"];
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let outer = name.starts_with("CARGO")
            || name.starts_with("RUSTC")
            || [
                "RUSTFLAGS",
                "RUSTDOCFLAGS",
                "MAKEFLAGS",
                "MFLAGS",
                "LLVM_PROFILE_FILE",
                "DEBUG",
                "OPT_LEVEL",
                "TARGET",
                "PROFILE",
            ]
            .contains(&name);
        if outer && !KEPT.iter().any(|kept| name.starts_with(kept)) {
            command.env_remove(name);
        }
    }
    command
}

fn compile(root: &Path, target: &Path, sources: &[Source]) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    clean(&mut command).current_dir(root).args(["build", "--profile", PROFILE, "--target", TARGET, "--target-dir"]).arg(target);
    for source in sources {
        command.args(["--package", &source.package]);
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("The plugins could not be built; the compiler says above why.".into()),
        Err(e) => Err(format!("{} cannot be run: {e}.", cargo.display())),
    }
}

/// The key that signs what is built here. It proves nothing but that this machine built it.
fn signing_key(file: &Path) -> Result<SigningKey, String> {
    if let Ok(text) = fs::read_to_string(file) {
        return SigningKey::parse(&text, None).map_err(|e| format!("{}: {e} Delete it, and a new one is made.", file.display()));
    }
    let key = SigningKey::generate().map_err(|e| e.to_string())?;
    let text = key.to_text().map_err(|e| e.to_string())?;
    written(file, text.as_bytes())?;
    Ok(key)
}

fn pack(source: &Source, target: &Path, folder: &Path, key: &SigningKey) -> Result<(), String> {
    let file = target.join(TARGET).join(PROFILE).join(format!("{}.wasm", source.package.replace('-', "_")));
    let component = fs::read(&file).map_err(|e| format!("{} cannot be read: {e}.", file.display()))?;
    let manifest = source.folder.join(MANIFEST);
    let text = fs::read_to_string(&manifest).map_err(|e| format!("{} cannot be read: {e}.", manifest.display()))?;
    let told = |e: package::Refused| format!("{}: {e}", manifest.display());
    let unsigned = package::embed(&component, &text).map_err(told)?;
    let package = folder.join(format!("{}.wasm", source.name));
    // A signature holds its time; the same plugin stays the same file.
    let before = fs::read(&package).ok();
    let same = before.as_deref().is_some_and(|before| {
        package::unsigned(before).is_ok_and(|before| before == unsigned)
            && package::read(before).is_ok_and(|package| package.publisher.as_ref() == Some(&key.publisher()))
    });
    if same {
        return Ok(());
    }
    let signed = package::sign(&unsigned, key).map_err(told)?;
    package::read(signed.clone()).map_err(told)?;
    written(&package, &signed)
}

/// Writes a file whole or not at all.
fn written(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let beside = file.with_extension("new");
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, file))
        .map_err(|e| format!("{} cannot be written: {e}.", file.display()))
}

/// Packages of plugins that are no longer here.
fn remove_others(folder: &Path, names: &[String]) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|e| e == "wasm") && !names.iter().any(|known| known == name) {
            // One that stays does no harm.
            drop(fs::remove_file(&path));
        }
    }
}
