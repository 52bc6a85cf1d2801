//! The released contract stays what it is.
//!
//! In: `wit-frozen/VERSION/`, with the files as released and their digests in `SHA256SUMS`; the present `wit/`.
//! Out: a failure when a frozen file differs, is missing or is new, and when the present contract of the same line breaks
//! a plugin that was built with the frozen one. Host interfaces may gain functions; abilities and worlds may be added.
//!
//! `BEFFROI_FREEZE=1 cargo test -p beffroi-plugin --test frozen` writes the folder of the present version.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use wit_parser::{Function, InterfaceId, Resolve, Type, TypeDefKind, TypeOwner, WorldItem, WorldKey};

const SUMS: &str = "SHA256SUMS";

fn here(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|e| e.expect("the folder can be read").path()).filter(|p| p.extension().is_some_and(|x| x == "wit"));
    paths
        .map(|p| {
            let name = p.file_name().and_then(|n| n.to_str()).expect("names are UTF-8").to_owned();
            (name, fs::read(&p).expect("the file can be read"))
        })
        .collect()
}

fn sums(files: &BTreeMap<String, Vec<u8>>) -> String {
    let hex = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    files.iter().map(|(name, bytes)| format!("{}  {name}\n", hex(bytes))).collect()
}

/// A contract as what a plugin sees of it, each thing with its shape, and the interfaces that plugins export.
#[derive(Clone)]
struct Contract {
    version: String,
    things: BTreeMap<String, String>,
    abilities: BTreeSet<String>,
    interfaces: BTreeSet<String>,
    worlds: BTreeSet<String>,
}

impl Contract {
    fn read(folder: &Path) -> Self {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(folder).unwrap_or_else(|e| panic!("{}: {e:?}", folder.display()));
        let name = &resolve.packages[package].name;
        let version = name.version.as_ref().map(ToString::to_string).expect("the contract has a version");
        let (mut things, mut abilities) = (BTreeMap::new(), BTreeSet::new());
        let package = &resolve.packages[package];
        for (name, id) in &package.interfaces {
            let interface = &resolve.interfaces[*id];
            for (ty, id) in &interface.types {
                things.insert(format!("type {name}.{ty}"), kind(&resolve, &resolve.types[*id].kind));
            }
            for (function, shape) in &interface.functions {
                things.insert(format!("function {name}.{function}"), signature(&resolve, shape));
            }
        }
        for (name, id) in &package.worlds {
            let world = &resolve.worlds[*id];
            for key in world.imports.keys() {
                things.insert(format!("import {name}.{}", key_name(&resolve, key)), String::new());
            }
            for (key, item) in &world.exports {
                assert!(matches!(item, WorldItem::Interface { .. }), "worlds export interfaces only");
                things.insert(format!("export {name}.{}", key_name(&resolve, key)), String::new());
                abilities.insert(key_name(&resolve, key));
            }
        }
        let interfaces = package.interfaces.keys().cloned().collect();
        let worlds = package.worlds.keys().cloned().collect();
        Self { version, things, abilities, interfaces, worlds }
    }

    /// What a plugin built with this contract would miss or misread in a later one.
    fn broken_by(&self, later: &Self) -> Vec<String> {
        let mut broken = Vec::new();
        for (thing, shape) in &self.things {
            match later.things.get(thing) {
                None => broken.push(format!("{thing} is gone")),
                Some(other) if other != shape => broken.push(format!("{thing} was {shape} and is {other}")),
                Some(_) => {}
            }
        }
        for thing in later.things.keys().filter(|t| !self.things.contains_key(*t)) {
            let (what, path) = thing.split_once(' ').expect("a kind and a path");
            let owner = path.split('.').next().expect("split gives one piece at least");
            let frozen = match what {
                "function" | "type" => self.interfaces.contains(owner) && self.abilities.contains(owner),
                "export" => self.worlds.contains(owner),
                _ => false,
            };
            if frozen {
                broken.push(format!("{thing} is new, and {owner} is frozen"));
            }
        }
        broken
    }
}

fn interface_name(resolve: &Resolve, id: InterfaceId) -> String {
    resolve.interfaces[id].name.clone().unwrap_or_default()
}

fn key_name(resolve: &Resolve, key: &WorldKey) -> String {
    match key {
        WorldKey::Name(name) => name.clone(),
        WorldKey::Interface(id) => interface_name(resolve, *id),
    }
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let params: Vec<_> = function.params.iter().map(|p| format!("{}: {}", p.name, shape(resolve, &p.ty))).collect();
    format!("func({}) -> {}", params.join(", "), maybe(resolve, function.result.as_ref()))
}

fn maybe(resolve: &Resolve, ty: Option<&Type>) -> String {
    ty.map_or_else(|| "_".to_owned(), |t| shape(resolve, t))
}

/// A type where it is used: by its name if it has one.
fn shape(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else { return format!("{ty:?}").to_lowercase() };
    let def = &resolve.types[*id];
    match (&def.name, def.owner) {
        (Some(name), TypeOwner::Interface(owner)) => format!("{}.{name}", interface_name(resolve, owner)),
        (Some(name), _) => name.clone(),
        (None, _) => kind(resolve, &def.kind),
    }
}

/// A type where it is defined.
fn kind(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let of = |ty: &Type| shape(resolve, ty);
    let list = |items: Vec<String>| items.join(", ");
    match kind {
        TypeDefKind::Record(r) => {
            format!("record {{{}}}", list(r.fields.iter().map(|f| format!("{}: {}", f.name, of(&f.ty))).collect()))
        }
        TypeDefKind::Variant(v) => {
            let case = |c: &wit_parser::Case| format!("{}({})", c.name, maybe(resolve, c.ty.as_ref()));
            format!("variant {{{}}}", list(v.cases.iter().map(case).collect()))
        }
        TypeDefKind::Enum(e) => format!("enum {{{}}}", list(e.cases.iter().map(|c| c.name.clone()).collect())),
        TypeDefKind::Flags(f) => format!("flags {{{}}}", list(f.flags.iter().map(|f| f.name.clone()).collect())),
        TypeDefKind::Tuple(t) => format!("tuple<{}>", list(t.types.iter().map(of).collect())),
        TypeDefKind::Option(t) => format!("option<{}>", of(t)),
        TypeDefKind::Result(r) => {
            format!("result<{}, {}>", maybe(resolve, r.ok.as_ref()), maybe(resolve, r.err.as_ref()))
        }
        TypeDefKind::List(t) => format!("list<{}>", of(t)),
        TypeDefKind::Type(t) => format!("= {}", of(t)),
        other => panic!("the contract does without {}", other.as_str()),
    }
}

/// The line of versions that a plugin says in its manifest: `0.1` of `0.1.3`.
fn line(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(line, _)| line)
}

/// The folders of all released versions, after the present one was written if that was asked for.
fn frozen() -> &'static [PathBuf] {
    static FOLDERS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FOLDERS.get_or_init(|| {
        if std::env::var("BEFFROI_FREEZE").is_ok_and(|v| v == "1") {
            let folder = here("wit-frozen").join(Contract::read(&here("wit")).version);
            let files = files(&here("wit"));
            fs::create_dir_all(&folder).expect("the folder can be made");
            for (name, bytes) in &files {
                fs::write(folder.join(name), bytes).expect("the file can be written");
            }
            fs::write(folder.join(SUMS), sums(&files)).expect("the digests can be written");
        }
        let entries = fs::read_dir(here("wit-frozen")).expect("nothing is frozen; BEFFROI_FREEZE=1 does it");
        entries.map(|e| e.expect("the folder can be read").path()).collect()
    })
}

#[test]
fn no_frozen_file_has_changed() {
    for folder in frozen() {
        let digests = fs::read_to_string(folder.join(SUMS)).unwrap_or_else(|e| panic!("{}/{SUMS}: {e}", folder.display()));
        assert_eq!(
            digests,
            sums(&files(folder)),
            "{}: the released contract was changed; change it in a new version",
            folder.display()
        );
        let version = folder.file_name().and_then(|n| n.to_str()).expect("a version");
        assert_eq!(version, Contract::read(folder).version, "the folder is named after the version");
    }
}

#[test]
fn what_was_built_with_a_frozen_contract_still_fits() {
    let present = Contract::read(&here("wit"));
    for folder in frozen() {
        let frozen = Contract::read(folder);
        if line(&frozen.version) == line(&present.version) {
            let broken = frozen.broken_by(&present);
            assert!(broken.is_empty(), "plugins built with {} would break:\n{}", frozen.version, broken.join("\n"));
        }
    }
}

#[test]
fn only_what_breaks_no_plugin_may_change() {
    let frozen = Contract::read(&here("wit"));
    let change = |thing: &str, shape: &str| {
        let mut later = frozen.clone();
        later.things.insert(thing.to_owned(), shape.to_owned());
        frozen.broken_by(&later).len()
    };
    assert_eq!(change("function http.wait", "func() -> _"), 0, "a host interface gains a function");
    assert_eq!(change("type http.patience", "record {}"), 0, "and a type for it");
    assert_eq!(change("function greet.greet", "func() -> _"), 0, "a new ability");
    assert_eq!(change("export greeter.greet", ""), 0, "a new world");
    assert_eq!(change("function publish.again", "func() -> _"), 1, "an ability gains a function");
    assert_eq!(change("type metrics.unit", "= string"), 1, "or a type");
    assert_eq!(change("export channel.inbox", ""), 1, "a world wants more of plugins");
    assert_eq!(change("type types.attribute", "record {name: string}"), 1, "a record loses a field");
    let mut later = frozen.clone();
    later.things.remove("function state.keys").expect("there is such a function");
    assert_eq!(frozen.broken_by(&later).len(), 1, "a function goes");
}
