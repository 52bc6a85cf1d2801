//! Plugins come, go, are replaced under running calls, break down too often, and are resumed.

use super::*;
use crate::clock::SimClock;
use crate::config;
use crate::instance::Instance;
use crate::kinds::Keep;
use crate::network::{Network, NetworkError, Request, Response};
use crate::plugin::testing::{self, probe_bytes};
use crate::store::{Change, Mode, Op, PluginOp, PluginRow};
use serde_json::json;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

struct World {
    plugins: Arc<Plugins>,
    store: Arc<Store>,
    folder: tempfile::TempDir,
}

fn world() -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(Store::open(&folder.path().join("b.db"), Mode::Inline).expect("a store"));
    World { plugins: plugins(&store), store, folder }
}

fn plugins(store: &Arc<Store>) -> Arc<Plugins> {
    let file = store.path().with_file_name("beffroi.toml");
    std::fs::write(&file, "[business]\nname = \"Boulangerie\"\nzone = \"Europe/Paris\"\nlanguage = \"en\"\n").expect("written");
    let instance = config::load(&file, &config::Base::default()).expect("a configuration").instance;
    shelves(store, instance, testing::cache())
}

fn shelves(store: &Arc<Store>, instance: Instance, cache: PathBuf) -> Arc<Plugins> {
    let host = Arc::new(Host::new(crate::run::calls::functions(), Some(cache), Some(store.clone()), None));
    let clock = Arc::new(SimClock::new(NOW));
    Arc::new(Plugins::new(host, store.clone(), Arc::new(Current::new(instance)), clock))
}

fn installed(version: &str) -> Installed {
    let manifest = Manifest {
        settings: testing::orders(),
        places: vec![testing::place("api.example.com")],
        version: version.into(),
        ..testing::plain("probe")
    };
    Installed {
        rights: rights::asked(&manifest),
        manifest: Arc::new(manifest),
        digest: Digest::of(probe_bytes()),
        suspended: None,
    }
}

fn put(plugins: &Plugins, installed: Installed) -> Arc<Loaded> {
    plugins.put(installed, || Ok(probe_bytes().to_vec())).expect("the guest is a plugin")
}

fn used(orders: serde_json::Value) -> PluginUse {
    PluginUse {
        plugin: PluginName::parse("probe").expect("a name"),
        scope: "feed:town".into(),
        settings: Arc::new(orders),
        secrets: Arc::default(),
    }
}

struct Nowhere;

impl Network for Nowhere {
    fn send(&self, _request: &Request) -> Result<Response, NetworkError> {
        Err(NetworkError::NotSent("There is no network.".into()))
    }
}

fn poll(plugins: &Plugins, orders: serde_json::Value, network: &dyn Network, at: Timestamp) -> Result<String, KindError> {
    let keep = Keep::default();
    let call = Call {
        id: "f1",
        attempt: 1,
        time: Duration::from_secs(20),
        keep: &keep,
        now: at,
        network,
        zone: chrono_tz::Europe::Paris,
        language: Language::En,
    };
    plugins.source(&used(orders)).poll(&call, None).map(|page| page.signals[0].title.clone())
}

fn code(answer: &Result<String, KindError>) -> &str {
    answer.as_ref().expect_err("a failure").failure().code.as_str()
}

#[test]
fn without_plugins_tidying_up_does_not_start_the_machine() {
    let world = world();
    let instance = world.plugins.works.as_ref().expect("there are shelves").current.get();
    let cache = world.folder.path().join("compiled");
    std::fs::create_dir(&cache).expect("made");
    let left = cache.join(format!("{}-0.cwasm", Digest::of(b"long gone")));
    std::fs::write(&left, "x").expect("written");
    let plugins = shelves(&world.store, (*instance).clone(), cache);
    plugins.tidy();
    assert!(!left.exists());
    let host = &plugins.works.as_ref().expect("there are shelves").host;
    assert!(!host.is_started());
    put(&plugins, installed("1.0.0"));
    assert!(host.is_started());
}

#[test]
fn what_is_not_there_says_so_and_what_is_there_works() {
    let World { plugins, folder: _folder, .. } = world();
    let ask = |orders| poll(&plugins, orders, &Nowhere, NOW);
    assert_eq!(code(&ask(json!({}))), "plugin-absent");
    put(&plugins, installed("0.1.0"));
    assert_eq!(ask(json!({ "do": "hello" })).as_deref(), Ok("hello"));
    assert_eq!(code(&ask(json!({ "doo": "hello" }))), "plugin-settings");
    let keep = Keep::default();
    let call = Call {
        id: "g",
        attempt: 1,
        time: Duration::from_secs(1),
        keep: &keep,
        now: NOW,
        network: &Nowhere,
        zone: chrono_tz::UTC,
        language: Language::En,
    };
    let lacks = plugins.generator(&used(json!({}))).generate(
        &call,
        &crate::kinds::Prompt {
            instructions: String::new(),
            task: String::new(),
            facts: Vec::new(),
            variants: 1,
            max_chars: None,
            language: Language::Fr,
        },
    );
    assert!(lacks.is_err_and(|e| e.failure().code == "plugin-ability"));
    plugins.remove("probe");
    assert_eq!(code(&ask(json!({}))), "plugin-absent");
}

#[test]
fn a_plugin_is_replaced_under_a_call_that_goes_on() {
    struct Waits(mpsc::Sender<()>, std::sync::Mutex<mpsc::Receiver<()>>);
    impl Network for Waits {
        fn send(&self, _request: &Request) -> Result<Response, NetworkError> {
            self.0.send(()).expect("the test listens");
            self.1.lock().expect("unpoisoned").recv().expect("the test speaks");
            Ok(Response { status: 200, ..Response::default() })
        }
    }
    let World { plugins, folder: _folder, .. } = world();
    let old = Arc::downgrade(&put(&plugins, installed("0.1.0")));
    let (sent, seen) = mpsc::channel();
    let (go, wait) = mpsc::channel();
    let network = Waits(sent, std::sync::Mutex::new(wait));
    std::thread::scope(|scope| {
        let orders = json!({ "do": "get", "url": "https://api.example.com/" });
        let going = scope.spawn(|| poll(&plugins, orders, &network, NOW));
        seen.recv().expect("the old one is in the middle of a call");
        put(&plugins, installed("0.2.0"));
        assert_eq!(plugins.loaded("probe").expect("loaded").manifest.version, "0.2.0");
        assert_eq!(poll(&plugins, json!({ "do": "new" }), &Nowhere, NOW).as_deref(), Ok("new"), "the new one works at once");
        assert!(old.upgrade().is_some(), "the old one is still at work");
        go.send(()).expect("the call waits");
        assert_eq!(going.join().expect("no panic").as_deref(), Ok("200"));
    });
    assert!(old.upgrade().is_none(), "nothing is left of the old one");
}

#[test]
fn too_many_defects_suspend_until_the_owner_resumes_even_over_a_restart() {
    let World { plugins, store, folder: _folder } = world();
    let row = PluginRow {
        name: "probe".into(),
        version: "0.1.0".into(),
        digest: String::new(),
        publisher: "key".into(),
        manifest: String::new(),
        rights: String::new(),
        source: String::new(),
        installed_at: NOW,
        suspended: None,
    };
    let ops =
        vec![Op::Plugin(PluginOp::Pin { name: "probe".into(), key: "key".into() }), Op::Plugin(PluginOp::Install(Box::new(row)))];
    store.commit(Change::new(NOW, ops)).expect("committed");
    put(&plugins, installed("0.1.0"));
    for n in 0..5_u64 {
        let deed = if n % 2 == 0 { "panic" } else { "fail" };
        let answer = poll(&plugins, json!({ "do": deed }), &Nowhere, NOW.plus(Duration::from_secs(60 * n)));
        assert!(matches!(answer, Err(KindError::Internal(_))), "{answer:?}");
    }
    let answer = poll(&plugins, json!({ "do": "hello" }), &Nowhere, NOW);
    assert_eq!(code(&answer), "plugin-suspended");
    let text = answer.expect_err("suspended").failure().message.clone();
    assert!(text.contains("the oven is cold") && text.contains("beffroi plugin resume probe"), "{text}");

    // The next start reads it from the store.
    let stored = {
        let db = store.read().expect("readable");
        crate::store::plugins::plugins(&db, Some("probe")).expect("read").remove(0).suspended
    };
    assert!(stored.is_some());
    let next = self::plugins(&store);
    put(&next, Installed { suspended: stored, ..installed("0.1.0") });
    assert_eq!(code(&poll(&next, json!({ "do": "hello" }), &Nowhere, NOW)), "plugin-suspended");
    assert!(next.resume("probe", NOW));
    assert_eq!(poll(&next, json!({ "do": "hello" }), &Nowhere, NOW).as_deref(), Ok("hello"));
    assert!(matches!(poll(&next, json!({ "do": "panic" }), &Nowhere, NOW), Err(KindError::Internal(_))));
    assert_eq!(poll(&next, json!({ "do": "hello" }), &Nowhere, NOW).as_deref(), Ok("hello"), "the old ones are forgotten");
}
