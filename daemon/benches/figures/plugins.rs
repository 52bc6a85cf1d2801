//! Plugins: what a call costs, what a loaded one weighs, how long it takes to load them and to compile one.
//!
//! In: the guest of the host's tests, in the real host. Out: figures.
//! Never: counts what the network or a disk would cost: the call that is measured reads its settings and answers.

use crate::place::Watch;
use crate::{Figure, median, share};
use beffroi::domain::{Digest, Json, Language, Timestamp, Zone};
use beffroi::instance::{Ceiling, PluginUse};
use beffroi::kinds::{Call, Keep};
use beffroi::network::ScriptedNetwork;
use beffroi::plugin::bridge::Trial;
use beffroi::plugin::host::{Duty, Host, Loaded};
use beffroi::plugin::manifest::{self, Manifest};
use beffroi::plugin::rights;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const CALLS: usize = 20_000;
const LOADED: usize = 10;

pub(crate) fn measure() -> Vec<Figure> {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("compiled");
    let (wasm, manifest) = guest();
    let host = host(&cache);
    let watch = Watch::start();
    let first = load(&host, &manifest, 0, &wasm);
    let compiled = watch.millis();
    let calls = calls(&first, CALLS);
    for n in 1..LOADED {
        load(&host, &manifest, n, &wasm);
    }
    drop((first, host));
    let host = self::host(&cache);
    load(&host, &manifest, 0, &[]);
    let before = resident();
    let watch = Watch::start();
    let loaded: Vec<Arc<Loaded>> = (0..LOADED).map(|n| load(&host, &manifest, n, &[])).collect();
    let took = watch.millis();
    for one in &loaded {
        self::calls(one, 1);
    }
    #[allow(clippy::cast_precision_loss, reason = "sizes of a benchmark")]
    let each = resident().saturating_sub(before) as f64 / LOADED as f64 / 1_048_576.0;
    let note = format!("{} KiB of component", wasm.len() / 1_024);
    vec![
        Figure::below(
            "a plugin: fresh memory, one call",
            60.0,
            "µs",
            median(calls.clone()),
            format!("p99 {:.0} µs", share(calls, 0.99)),
        ),
        Figure::below("ten plugins from the cache", 10.0, "ms", took, String::new()),
        Figure::below("memory of each loaded plugin, after a call", 3.0, "MiB", each, String::new()),
        Figure::below("compiling a plugin at its installation", 1_000.0, "ms", compiled, note),
    ]
}

fn host(cache: &Path) -> Host {
    Host::new(beffroi::run::calls::functions(), Some(cache.to_owned()), None, None)
}

/// Loads the guest as if it were the package of that number.
fn load(host: &Host, manifest: &Manifest, number: usize, wasm: &[u8]) -> Arc<Loaded> {
    let digest = Digest::of(number.to_string().as_bytes());
    Arc::new(host.load(Arc::new(manifest.clone()), digest, || Ok(wasm.to_vec())).expect("the guest is a plugin"))
}

/// Microseconds of each call.
fn calls(loaded: &Arc<Loaded>, count: usize) -> Vec<f64> {
    let manifest = &loaded.manifest;
    let used = PluginUse {
        plugin: manifest.name.clone(),
        scope: "feed:town".into(),
        settings: Arc::new(Json::Null),
        secrets: Arc::new(BTreeMap::new()),
    };
    let settings = Json::Object(serde_json::Map::new());
    let force = rights::force(manifest, &rights::asked(manifest), &Ceiling::default(), &settings, &[]);
    let duty = Arc::new(Duty::new(used, settings, force, Language::En));
    let trial = Trial::new(loaded.clone(), duty, Timestamp::EPOCH, Zone::UTC, Language::En);
    let (keep, network) = (Keep::default(), ScriptedNetwork::new());
    let call = Call {
        id: "bench",
        attempt: 1,
        time: Duration::from_secs(5),
        keep: &keep,
        now: Timestamp::EPOCH,
        network: &network,
        zone: Zone::UTC,
        language: Language::En,
    };
    let measured = (0..count).map(|_| {
        trial.records();
        let watch = Watch::start();
        trial.check(&call).expect("the guest answers");
        watch.span().as_secs_f64() * 1_000_000.0
    });
    measured.collect()
}

/// Bytes of memory that this process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1_024
}

/// The guest, built as plugins are, and its manifest.
fn guest() -> (Vec<u8>, Manifest) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join("target/plugins");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(&root)
        .args(["build", "--quiet", "--package", "beffroi-guest-probe", "--target", "wasm32-wasip2", "--profile", "plugin"])
        .arg("--target-dir")
        .arg(&target)
        .status();
    assert!(status.is_ok_and(|status| status.success()), "the guest could not be built");
    let wasm = std::fs::read(target.join("wasm32-wasip2/plugin/beffroi_guest_probe.wasm")).expect("the guest was built");
    let file = root.join("tests/guests/probe/beffroi-plugin.toml");
    let text = std::fs::read_to_string(&file).expect("the guest has a manifest");
    (wasm, manifest::parse(&text, &file).expect("the manifest is good"))
}
