//! What tests of plugins begin with: a manifest without wishes, and a guest that does as it is told.

use super::host::{Host, Loaded};
use super::manifest::{Asked, AskedPlace, Manifest, Setting, SettingKind, Words};
use crate::domain::{Digest, PluginName};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// A manifest that asks for nothing.
pub(super) fn plain(name: &str) -> Manifest {
    Manifest {
        name: PluginName::parse(name).expect("a name"),
        version: "0.1.0".into(),
        api: "0.1".into(),
        title: Words { fr: name.into(), en: name.into() },
        summary: Words::default(),
        license: "Apache-2.0 OR MIT".into(),
        homepage: None,
        places: Vec::new(),
        credentials: Vec::new(),
        settings: Vec::new(),
        limits: Asked::default(),
        settles_within: Duration::from_secs(60),
        cost: None,
        desk: Vec::new(),
    }
}

/// Leave to send anything with GET and POST to one host.
pub(super) fn place(host: &str) -> AskedPlace {
    AskedPlace {
        host: host.into(),
        methods: vec!["GET".into(), "POST".into()],
        paths: vec!["/*".into()],
        reason: Words::default(),
    }
}

/// Settings that the guest takes its orders from.
pub(super) fn orders() -> Vec<Setting> {
    let setting = |name: &str, kind| Setting { name: name.into(), kind, default: None, optional: true, label: Words::default() };
    vec![setting("do", SettingKind::Text), setting("url", SettingKind::Text), setting("count", SettingKind::Whole)]
}

/// Bytes of the guest that does as it is told, built once per process.
pub(super) fn probe_bytes() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the daemon has a folder above it");
        let target = root.join("target/plugins");
        // Does nothing where it is there already. The crate that packs plugins does the same; it needs this one and cannot serve it.
        let added = Command::new("rustup").args(["target", "add", "wasm32-wasip2"]).output();
        if let Some(problem) = added.as_ref().err().map(ToString::to_string).or_else(|| {
            added.as_ref().ok().filter(|o| !o.status.success()).map(|o| String::from_utf8_lossy(&o.stderr).into_owned())
        }) {
            eprintln!("rustup did not add wasm32-wasip2: {problem}");
        }
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // What the outer build was told is not meant for guests.
        for (name, _) in std::env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            name.starts_with("CARGO_") && name != "CARGO_HOME" || name.starts_with("RUSTFLAGS") || name == "RUSTC_WRAPPER"
        }) {
            cargo.env_remove(name);
        }
        let status = cargo
            .current_dir(root)
            .args(["build", "--quiet", "--package", "beffroi-guest-probe", "--target", "wasm32-wasip2", "--profile", "plugin"])
            .arg("--target-dir")
            .arg(&target)
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the guest could not be built");
        std::fs::read(target.join("wasm32-wasip2/plugin/beffroi_guest_probe.wasm")).expect("the guest was built")
    });
    &BYTES
}

/// Where compiled guests are kept from one run of the tests to the next.
pub(super) fn cache() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins/compiled")
}

/// One machine for all tests of the process, as there is one for each daemon.
pub(super) fn host() -> &'static Host {
    static HOST: LazyLock<Host> = LazyLock::new(|| Host::new(crate::run::calls::functions(), Some(cache()), None, None));
    &HOST
}

/// The guest that does as it is told.
pub(super) fn probe(manifest: Manifest) -> Loaded {
    let bytes = probe_bytes();
    host().load(Arc::new(manifest), Digest::of(bytes), || Ok(bytes.to_vec())).expect("the guest is a plugin")
}
