//! The host with a real guest that does what plugins should not do.

use super::*;
use crate::clock::SimClock;
use crate::domain::{PluginName, Timestamp};
use crate::instance::PluginUse;
use crate::kinds::{Call, Keep, KindError, SignalPage, Source};
use crate::network::{NetworkError, Place, Response, ScriptedNetwork};
use crate::plugin::bridge::Bridge;
use crate::plugin::manifest::{Asked, Credential, CredentialKind};
use crate::plugin::testing::{self, probe};
use crate::plugin::ward::Ward;
use serde_json::json;
use std::collections::BTreeMap;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

/// A plugin at work, and everything around it.
struct World {
    loaded: Arc<Loaded>,
    network: ScriptedNetwork,
    keep: Keep,
    time: Duration,
    language: Language,
}

fn place(host: &str) -> Place {
    Place { host: host.into(), plain: false, methods: vec!["GET".into(), "POST".into()], paths: vec!["/*".into()] }
}

impl World {
    fn new(limits: Asked) -> Self {
        let manifest =
            Manifest { limits, credentials: vec![testing::bearer("token", "api.example.com")], ..testing::plain("probe") };
        let loaded = Arc::new(probe(manifest));
        Self {
            loaded,
            network: ScriptedNetwork::new(),
            keep: Keep::default(),
            time: Duration::from_secs(20),
            language: Language::En,
        }
    }

    fn bridge(&self, orders: Json) -> Bridge {
        let used = PluginUse {
            plugin: PluginName::parse("probe").expect("a name"),
            scope: "feed:town".into(),
            settings: Arc::new(Json::Null),
            secrets: Arc::new(BTreeMap::new()),
        };
        let reach = Reach { places: vec![place("api.example.com")], of: "probe".into() };
        Bridge {
            loaded: self.loaded.clone(),
            duty: Arc::new(Duty::new(used, &orders, Arc::new(reach), Ceiling::default())),
            ward: Arc::new(Ward::new(PluginName::parse("probe").expect("a name"), None, None)),
            now: NOW,
            zone: chrono_tz::Europe::Paris,
            language: self.language,
        }
    }

    fn poll(&self, orders: Json) -> Result<SignalPage, KindError> {
        let call = Call {
            id: "r7",
            attempt: 2,
            time: self.time,
            keep: &self.keep,
            now: NOW,
            network: &self.network,
            zone: chrono_tz::Europe::Paris,
            language: self.language,
        };
        Source::poll(&self.bridge(orders), &call, None)
    }

    /// What the plugin told.
    fn told(&self, deed: &str) -> String {
        self.poll(json!({ "do": deed })).expect("the call succeeds").signals[0].title.clone()
    }

    fn said(&self, orders: Json) -> (String, KindError) {
        let error = self.poll(orders).expect_err("the call is stopped");
        (error.failure().message.clone(), error)
    }
}

fn quick() -> Asked {
    Asked { time: Duration::from_millis(300), ..Asked::default() }
}

#[test]
fn every_stop_has_a_sentence_of_its_own() {
    let world = World::new(quick());
    for (deed, says) in [
        ("loop", "took longer than 300ms"),
        ("sleep", "took longer than 300ms"),
        ("hoard", "needed more than 32 MiB of memory"),
        ("dig", "called each other without end (in beffroi_guest_probe::dig)"),
        ("panic", "the oven is cold"),
        ("divide", "attempt to divide by zero"),
        ("exit", "ended itself (code 3)"),
    ] {
        let (text, error) = world.said(json!({ "do": deed }));
        assert!(text.contains(says), "{deed}: {text}");
        assert!(text.starts_with("The plugin probe ") && text.ends_with('.'), "{deed}: {text}");
        assert!(matches!(error, KindError::Internal(_)), "{deed}: {error:?}");
    }
    let french = World { language: Language::Fr, ..world };
    assert!(french.said(json!({ "do": "panic" })).0.starts_with("Le plugin probe a planté (dans "));
}
