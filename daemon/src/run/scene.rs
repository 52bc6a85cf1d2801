//! The part of the configuration that a run can see, with its script: what a replay needs besides the answers.
//!
//! In: the configuration and the workflow of a run. Out: plain data that can be kept, shown and turned back into a configuration in
//! which nothing reaches the outside.
//! Never: holds an address of a feed, a path of this machine, a name of a secret, or anything else a run's plans do not depend on.

use crate::domain::{
    AccountName, CatalogName, Currency, Digest, FeedName, GeneratorName, Json, Language, Money, PersonName, WorkflowName, Zone,
};
use crate::instance::{
    Account, Approval, Budget, Business, CatalogConfig, CatalogSource, Ceilings, ChannelConfig, Feed, GeneratorConfig, Instance,
    LibraryConfig, Limits, Location, Missed, NotifierConfig, Overlap, Person, PluginUse, Workflow,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What a run can see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// The program that ran it.
    pub program: String,
    business: SceneBusiness,
    accounts: Vec<SceneAccount>,
    feeds: Vec<SceneFeed>,
    catalogs: Vec<(String, u64, Currency)>,
    people: Vec<(String, Language)>,
    generators: Vec<(String, Option<Money>)>,
    /// Cool-down in milliseconds, and spacing of themes.
    library: Option<(u64, usize)>,
    /// The workflow.
    pub workflow: SceneWorkflow,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SceneBusiness {
    name: String,
    town: String,
    zone: String,
    language: Language,
    words: Vec<String>,
    avoid: Vec<String>,
    site: Option<String>,
    currency: Currency,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SceneAccount {
    name: String,
    network: String,
    always_approve: bool,
    formats: Vec<String>,
    max_chars: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SceneFeed {
    name: String,
    topic: String,
    weight: f64,
    alert_after: u32,
}

/// The workflow of a scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneWorkflow {
    /// Its name.
    pub name: String,
    /// The script file, below the folder of scripts where it lies there.
    pub script: String,
    /// The script.
    pub source: Arc<str>,
    /// Imported files by the path they were imported under.
    pub imports: Vec<(String, Arc<str>)>,
    /// The plugin that is run instead of the script, with the digest of its package.
    pub plugin: Option<ScenePlugin>,
    /// Digest of what it ran: the version a run names.
    pub version: String,
    accounts: Vec<String>,
    settings: Json,
    time: u64,
    memory: usize,
    operations: u64,
    calls: u32,
}

/// The plugin of a scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenePlugin {
    /// Its name.
    pub name: String,
    /// What it is used for.
    pub scope: String,
    /// What the owner filled in.
    pub settings: Json,
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A path without the folder it lies in, so that nothing of this machine is told.
fn below(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or_else(|_| Path::new(path.file_name().unwrap_or_default())).display().to_string()
}

impl Scene {
    /// What a run of this workflow can see. `imports` are the files its script imports.
    pub fn of(instance: &Instance, workflow: &Workflow, imports: Vec<(String, Arc<str>)>) -> Self {
        let b = &instance.business;
        let script = &workflow.script;
        let builtin = script.to_string_lossy().starts_with("builtin:");
        Self {
            program: env!("CARGO_PKG_VERSION").into(),
            business: SceneBusiness {
                name: b.name.clone(),
                town: b.town.clone(),
                zone: b.zone.to_string(),
                language: b.language,
                words: b.words.clone(),
                avoid: b.avoid.clone(),
                site: b.site.clone(),
                currency: b.currency,
            },
            accounts: instance
                .accounts
                .values()
                .map(|a| SceneAccount {
                    name: a.name.as_str().into(),
                    network: a.network.clone(),
                    always_approve: a.approval == Approval::Always,
                    formats: a.formats.clone(),
                    max_chars: a.max_chars,
                })
                .collect(),
            feeds: instance
                .feeds
                .values()
                .map(|f| SceneFeed {
                    name: f.name.as_str().into(),
                    topic: f.topic.clone(),
                    weight: f.weight,
                    alert_after: f.alert_after,
                })
                .collect(),
            catalogs: instance.catalogs.values().map(|c| (c.name.as_str().into(), millis(c.max_age), c.currency)).collect(),
            people: instance.people.values().map(|p| (p.name.as_str().into(), p.language)).collect(),
            generators: instance.generators.values().map(|g| (g.name.as_str().into(), g.budget)).collect(),
            library: instance.library.as_ref().map(|l| (millis(l.cool_down), l.theme_spacing)),
            workflow: SceneWorkflow {
                name: workflow.name.as_str().into(),
                script: if builtin { script.display().to_string() } else { below(&instance.scripts, script) },
                source: workflow.source.clone(),
                imports,
                plugin: workflow.plugin.as_ref().map(|used| ScenePlugin {
                    name: used.plugin.as_str().into(),
                    scope: used.scope.to_string(),
                    settings: (*used.settings).clone(),
                }),
                version: workflow.version.to_string(),
                accounts: workflow.accounts.iter().map(|a| a.as_str().to_owned()).collect(),
                settings: (*workflow.settings).clone(),
                time: millis(workflow.budget.time),
                memory: workflow.budget.memory,
                operations: workflow.budget.operations,
                calls: workflow.budget.calls,
            },
        }
    }

    /// The configuration again: what a run can see is as it was, all else is empty.
    ///
    /// # Errors
    /// A sentence, when the scene was not written by this program or a related one.
    pub fn instance(&self) -> Result<Instance, String> {
        let bad = |what: &str| format!("The recording's scene cannot be used: {what}. Make it again with 'beffroi bundle'.");
        let named = |e: crate::domain::NotAValue| bad(&e.0);
        let b = &self.business;
        let zone: Zone = b.zone.parse().map_err(|_| bad(&format!("\"{}\" is no zone", b.zone)))?;
        let mut instance = Instance {
            business: Business {
                name: b.name.clone(),
                town: b.town.clone(),
                zone,
                language: b.language,
                words: b.words.clone(),
                avoid: b.avoid.clone(),
                site: b.site.clone(),
                currency: b.currency,
            },
            accounts: BTreeMap::new(),
            feeds: BTreeMap::new(),
            catalogs: BTreeMap::new(),
            library: self.library.map(|(cool_down, theme_spacing)| LibraryConfig {
                folder: PathBuf::new(),
                cool_down: Duration::from_millis(cool_down),
                theme_spacing,
            }),
            metrics: Vec::new(),
            generators: BTreeMap::new(),
            secrets: PathBuf::new(),
            people: BTreeMap::new(),
            workflows: BTreeMap::new(),
            limits: Limits::default(),
            scripts: PathBuf::new(),
        };
        for a in &self.accounts {
            let name = AccountName::parse(&a.name).map_err(named)?;
            let account = Account {
                name: name.clone(),
                network: a.network.clone(),
                channel: ChannelConfig::Folder(PathBuf::new()),
                ceilings: Ceilings::default(),
                hours: Vec::new(),
                approval: if a.always_approve { Approval::Always } else { Approval::Drafts },
                formats: a.formats.clone(),
                max_chars: a.max_chars,
            };
            instance.accounts.insert(name, account);
        }
        for f in &self.feeds {
            let name = FeedName::parse(&f.name).map_err(named)?;
            let location = Location::File(PathBuf::new());
            instance.feeds.insert(
                name.clone(),
                Feed { name, location, topic: f.topic.clone(), weight: f.weight, alert_after: f.alert_after },
            );
        }
        for (name, max_age, currency) in &self.catalogs {
            let name = CatalogName::parse(name).map_err(named)?;
            let source = CatalogSource::File { file: PathBuf::new(), columns: BTreeMap::new() };
            let max_age = Duration::from_millis(*max_age);
            instance.catalogs.insert(name.clone(), CatalogConfig { name, source, max_age, currency: *currency });
        }
        for (name, language) in &self.people {
            let name = PersonName::parse(name).map_err(named)?;
            let notifier = NotifierConfig::Folder(PathBuf::new());
            instance.people.insert(name.clone(), Person { name, notifier, language: *language });
        }
        for (name, budget) in &self.generators {
            let name = GeneratorName::parse(name).map_err(named)?;
            let plugin = PluginUse {
                plugin: crate::domain::PluginName::parse("none").map_err(named)?,
                scope: "".into(),
                settings: Arc::default(),
                secrets: Arc::default(),
            };
            instance.generators.insert(name.clone(), GeneratorConfig { name, plugin, budget: *budget });
        }
        let workflow = self.workflow()?;
        instance.workflows.insert(workflow.name.clone(), Arc::new(workflow));
        Ok(instance)
    }

    fn workflow(&self) -> Result<Workflow, String> {
        let w = &self.workflow;
        let named = |e: crate::domain::NotAValue| format!("The recording's workflow cannot be used: {}", e.0);
        let plugin = match &w.plugin {
            None => None,
            Some(p) => Some(Arc::new(PluginUse {
                plugin: crate::domain::PluginName::parse(&p.name).map_err(named)?,
                scope: p.scope.as_str().into(),
                settings: Arc::new(p.settings.clone()),
                secrets: Arc::default(),
            })),
        };
        Ok(Workflow {
            name: WorkflowName::parse(&w.name).map_err(named)?,
            purpose: "".into(),
            plugin,
            script: Path::new(&w.script).into(),
            version: Digest::parse(&w.version).unwrap_or_else(|| Digest::of(w.source.as_bytes())),
            source: w.source.clone(),
            schedules: Vec::new(),
            events: Vec::new(),
            jitter: Duration::ZERO,
            missed: Missed::default(),
            window: Duration::ZERO,
            overlap: Overlap::default(),
            retries: 0,
            backoff: Duration::ZERO,
            pause_after: 0,
            budget: Budget { time: Duration::from_millis(w.time), memory: w.memory, operations: w.operations, calls: w.calls },
            accounts: w.accounts.iter().map(|a| AccountName::parse(a)).collect::<Result<Vec<_>, _>>().map_err(named)?.into(),
            settings: Arc::new(w.settings.clone()),
            enabled: true,
        })
    }
}
