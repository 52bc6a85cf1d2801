//! Where trials take place: the built plugin in the real host, with a fixed clock, a scripted remote and secrets made up for it.
//!
//! In: a package and its project. Out: calls of the plugin as the daemon makes them, and what they asked for.
//! Never: touches a daemon, its data, or the network.

use super::recording::{Recorded, Recording};
use super::remote::{Fate, Remote, Route, Whom, shows};
use crate::clock::{Clock, SystemClock};
use crate::domain::{Json, Timestamp, Zone};
use crate::instance::{Ceiling, PluginUse};
use crate::kinds::{
    Call, Catalog, Channel, Finding, Generation, Generator, Keep, KindError, MessagePage, Notice, Notifier, Outcome, Outgoing,
    Preparation, Prompt, Receipt, Sample, SignalPage, Source, StockPage,
};
use crate::network::Request;
use crate::plugin::bridge::{Bridge, PluginWorkflow, Records, Trigger, WorkflowFailure};
use crate::plugin::host::{Duty, Host, Loaded};
use crate::plugin::manifest::Manifest;
use crate::plugin::package::Package;
use crate::plugin::rights;
use crate::plugin::settings;
use crate::plugin::ward::Ward;
use crate::run::function::{Desk, Function};
use crate::secrets::{Secrets, Sources};
use crate::store::{Mode, Store};
use serde_json::json;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Monday 5 January 2026, eight in the morning in Paris.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_767_596_400_000);
/// The secret that must never be seen. As long and odd as real ones are; half of it is a password with its user.
pub(super) const CANARY: &str = "canary:1f9c0a77e2d84b56";
/// Most steps of preparing.
const STEPS: usize = 20;

/// The plugin, loaded.
pub(super) struct Stage {
    pub(super) manifest: Arc<Manifest>,
    pub(super) abilities: Vec<&'static str>,
    pub(super) recordings: Vec<Recording>,
    pub(super) table: &'static [Function],
    loaded: Arc<Loaded>,
    clock: SystemClock,
    /// Where the sessions of credentials are kept while the trial goes on.
    _folder: tempfile::TempDir,
}

/// A desk after a run, and what came of it.
pub(super) type Worked = (Box<dyn Desk>, Result<String, WorkflowFailure>);

/// One scene: a remote, a state, a moment.
pub(super) struct Scene<'s> {
    pub(super) stage: &'s Stage,
    pub(super) remote: Remote,
    pub(super) keep: Keep,
    now: Timestamp,
    settings: Json,
    records: Arc<Records>,
    began: Duration,
}

impl Stage {
    pub(super) fn set(
        package: &Package,
        cache: Option<PathBuf>,
        recordings: Vec<Recording>,
        table: &'static [Function],
    ) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| format!("There is no room for a trial: {e}."))?;
        let store = Store::open(&folder.path().join("beffroi.db"), Mode::Inline).map_err(|e| e.to_string())?;
        let clock = Arc::new(SystemClock::new());
        let canary = Arc::new(|name: &str| name.starts_with("BEFFROI_SECRET_").then(|| CANARY.to_owned()));
        let sources = Sources { credentials: None, folder: folder.path().join("secrets"), environment: canary };
        let store = Arc::new(store);
        let secrets = Arc::new(Secrets::new(store, clock, sources, folder.path()));
        let host = Host::new(table, cache, None, Some(secrets));
        let manifest = Arc::new(package.manifest.clone());
        let bytes = package.bytes.clone();
        let loaded = host
            .load(manifest.clone(), package.digest, || Ok(bytes.to_vec()))
            .map_err(|refused| refused.0.pick(super::language()).to_owned())?;
        let abilities = package.abilities.clone();
        Ok(Self { manifest, abilities, recordings, table, loaded: Arc::new(loaded), clock: SystemClock::new(), _folder: folder })
    }

    pub(super) fn can(&self, ability: &str) -> bool {
        self.abilities.contains(&ability)
    }

    /// Every recorded answer, of all recordings that have the settings of the first.
    pub(super) fn routes(&self) -> Vec<Route> {
        let settings = self.settings();
        self.recordings.iter().filter(|r| json!(r.settings) == settings).flat_map(Recording::routes).collect()
    }

    /// What the author's recordings fill in.
    pub(super) fn settings(&self) -> Json {
        self.recordings.first().map(|r| json!(r.settings)).unwrap_or_else(|| json!({}))
    }

    /// The first recorded call of this kind that has to succeed.
    pub(super) fn example(&self, what: &str) -> Option<&Recorded> {
        let settings = self.settings();
        let mut calls = self.recordings.iter().filter(|r| json!(r.settings) == settings).flat_map(|r| &r.call);
        calls.find(|call| call.what == what && call.fails.is_none())
    }

    pub(super) fn scene(&self, whom: Whom, fate: Fate) -> Scene<'_> {
        self.play(&self.routes(), whom, fate, self.settings(), NOW)
    }

    pub(super) fn recorded(&self, recording: &Recording) -> Scene<'_> {
        let now = recording.now().unwrap_or(NOW);
        self.play(&recording.routes(), Whom::Nobody, Fate::NotSent, json!(recording.settings), now)
    }

    fn play(&self, routes: &[Route], whom: Whom, fate: Fate, settings: Json, now: Timestamp) -> Scene<'_> {
        Scene {
            remote: Remote::new(&self.manifest, routes, whom, fate),
            stage: self,
            keep: Keep::default(),
            now,
            settings,
            records: Arc::default(),
            began: self.clock.monotonic(),
        }
    }

    fn duty(&self, settings: &Json) -> Result<Arc<Duty>, String> {
        let language = super::language();
        let settings =
            settings::complete(&self.manifest, &with_examples(&self.manifest, settings), language).map_err(|p| p.join(" "))?;
        let used = PluginUse {
            plugin: self.manifest.name.clone(),
            scope: "account:trial".into(),
            settings: Arc::new(settings.clone()),
            secrets: Arc::default(),
        };
        let rights = rights::asked(&self.manifest);
        let ceiling = Ceiling { memory: 1 << 30, ..Ceiling::default() };
        let force = rights::force(&self.manifest, &rights, &ceiling, &settings, &[]);
        Ok(Arc::new(Duty::new(used, settings, force, language)))
    }
}

/// A value for each setting that has none, so that a plugin without recordings can be tried.
fn with_examples(manifest: &Manifest, given: &Json) -> Json {
    use crate::plugin::manifest::SettingKind;
    let mut all = given.as_object().cloned().unwrap_or_default();
    for setting in manifest.settings.iter().filter(|s| s.default.is_none() && !s.optional) {
        let example = match &setting.kind {
            SettingKind::Text => json!("example"),
            SettingKind::Url => json!("https://service.example.com"),
            SettingKind::Whole | SettingKind::Number => json!(1),
            SettingKind::Truth => json!(true),
            SettingKind::Choice(choices) => json!(choices.first()),
        };
        all.entry(setting.name.clone()).or_insert(example);
    }
    Json::Object(all)
}

impl Scene<'_> {
    fn bridge(&self) -> Result<Bridge, String> {
        Ok(Bridge {
            loaded: self.stage.loaded.clone(),
            duty: self.stage.duty(&self.settings)?,
            ward: Arc::new(Ward::new(self.stage.manifest.name.clone(), None, None)),
            now: self.now,
            zone: Zone::Europe__Paris,
            language: super::language(),
            records: Some(self.records.clone()),
        })
    }

    fn call<'c>(&'c self, id: &'c str) -> Call<'c> {
        Call {
            id,
            attempt: 1,
            time: Duration::from_secs(60),
            keep: &self.keep,
            now: self.now,
            network: &self.remote,
            zone: Zone::Europe__Paris,
            language: super::language(),
        }
    }

    pub(super) fn reads(&self, ability: &str) -> bool {
        self.stage.can(ability)
    }

    pub(super) fn took(&self) -> Duration {
        self.stage.clock.monotonic().saturating_sub(self.began)
    }

    /// The most bytes of memory that a call had, and the most lines it logged.
    pub(super) fn used(&self) -> (usize, usize) {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().fold((0, 0), |(memory, lines), r| (memory.max(r.used.memory), lines.max(r.lines.len())))
    }

    /// Requests that show a secret where only the host may put it.
    pub(super) fn leaks(&self) -> Vec<Request> {
        self.remote.seen().into_iter().filter(|request| shows(request, CANARY)).collect()
    }

    pub(super) fn check(&self) -> Result<Result<String, KindError>, String> {
        Ok(self.bridge()?.check_plugin(&self.call("check")))
    }

    pub(super) fn validate(&self, post: &Outgoing) -> Result<Vec<crate::kinds::Failure>, String> {
        Ok(self.bridge()?.objections(post))
    }

    /// All steps of preparing, up to the handle for publishing.
    pub(super) fn prepared(&self, delivery: &str, post: &Outgoing) -> Result<Result<Option<String>, KindError>, String> {
        let bridge = self.bridge()?;
        let mut so_far = None;
        for _ in 0..STEPS {
            match bridge.prepare(&self.call(delivery), delivery, post, so_far.as_deref()) {
                Ok(Preparation::Ready(handle)) => return Ok(Ok(handle)),
                Ok(Preparation::Again(pause)) => so_far = Some(pause.handle),
                Err(error) => return Ok(Err(error)),
            }
        }
        Err(format!("Preparing took more than {STEPS} steps."))
    }

    pub(super) fn publish(
        &self,
        delivery: &str,
        post: &Outgoing,
        prepared: Option<&str>,
    ) -> Result<Result<Outcome, KindError>, String> {
        Ok(self.bridge()?.publish(&self.call(delivery), delivery, post, prepared))
    }

    pub(super) fn find(
        &self,
        delivery: &str,
        post: &Outgoing,
        prepared: Option<&str>,
    ) -> Result<Result<Finding, KindError>, String> {
        let call = self.call(delivery);
        let found = Channel::find(&self.bridge()?, &call, delivery, post, prepared);
        found.ok_or_else(|| "It has no ability lookup.".to_owned())
    }

    pub(super) fn unpublish(&self, remote_id: &str) -> Result<Result<(), KindError>, String> {
        self.bridge()?.unpublish(&self.call("unpublish"), remote_id).ok_or_else(|| "It has no ability unpublish.".to_owned())
    }

    pub(super) fn metrics(&self, remote_ids: &[String]) -> Result<Result<Vec<Sample>, KindError>, String> {
        self.bridge()?.metrics(&self.call("metrics"), remote_ids).ok_or_else(|| "It has no ability metrics.".to_owned())
    }

    pub(super) fn inbox(&self, since: Option<&str>) -> Result<Result<MessagePage, KindError>, String> {
        self.bridge()?.inbox(&self.call("inbox"), since).ok_or_else(|| "It has no ability inbox.".to_owned())
    }

    pub(super) fn feed(&self, since: Option<&str>) -> Result<Result<SignalPage, KindError>, String> {
        Ok(Source::poll(&self.bridge()?, &self.call("poll"), since))
    }

    pub(super) fn stock(&self, since: Option<&str>) -> Result<Result<StockPage, KindError>, String> {
        Ok(Catalog::poll(&self.bridge()?, &self.call("poll"), since))
    }

    pub(super) fn generate(&self, prompt: &Prompt) -> Result<Result<Generation, KindError>, String> {
        Ok(self.bridge()?.generate(&self.call("generate"), prompt))
    }

    pub(super) fn notify(&self, delivery: &str, notice: &Notice) -> Result<Result<Receipt, KindError>, String> {
        Ok(self.bridge()?.notify(&self.call(delivery), delivery, notice))
    }

    pub(super) fn work(&self, desk: Box<dyn Desk>, payload: Json) -> Result<Worked, String> {
        let workflow = PluginWorkflow(self.bridge()?);
        let trigger = Trigger { kind: "hand".into(), due: self.now, payload };
        let (desk, answer, _) = workflow.run(desk, &self.call("r1"), &trigger);
        Ok((desk, answer))
    }
}
