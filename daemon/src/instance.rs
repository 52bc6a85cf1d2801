//! The whole configuration as it is meant: one value, complete and checked, that the workers share.
//!
//! In: built by `config` from what people wrote, or by a test. Out: plain data behind an `Arc`.
//! Never: half valid. A reload builds a new one and swaps it, or leaves the old one in place.

use crate::domain::{
    AccountName, CatalogName, Currency, Digest, FeedName, GeneratorName, Json, Language, Money, PersonName, PluginName,
    WorkflowName, Zone,
};
use crate::schedule::cron::Schedule;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Everything the daemon was told.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The firm.
    pub business: Business,
    /// Presences on networks, by name.
    pub accounts: BTreeMap<AccountName, Account>,
    /// What to read, by name.
    pub feeds: BTreeMap<FeedName, Feed>,
    /// What is sold, by name.
    pub catalogs: BTreeMap<CatalogName, CatalogConfig>,
    /// Where the content library lies.
    pub library: Option<LibraryConfig>,
    /// CSV files of past and present figures per account and day.
    pub metrics: Vec<PathBuf>,
    /// Who writes texts, by name.
    pub generators: BTreeMap<GeneratorName, GeneratorConfig>,
    /// The folder of secret files, each readable by the daemon alone.
    pub secrets: PathBuf,
    /// Who gets notices, by name.
    pub people: BTreeMap<PersonName, Person>,
    /// What to do and when, by name.
    pub workflows: BTreeMap<WorkflowName, Arc<Workflow>>,
    /// Limits of the daemon itself.
    pub limits: Limits,
    /// Where scripts may be imported from: the folder that holds them.
    pub scripts: PathBuf,
}

/// The configuration in force: read by everyone, replaced whole by a reload.
#[derive(Debug)]
pub struct Current(std::sync::RwLock<Arc<Instance>>);

impl Current {
    /// Puts a configuration in force.
    pub fn new(instance: Instance) -> Self {
        Self(std::sync::RwLock::new(Arc::new(instance)))
    }

    /// The configuration in force now. Whoever works on something keeps the one it began with.
    pub fn get(&self) -> Arc<Instance> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Puts another one in force.
    pub fn set(&self, instance: Instance) {
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(instance);
    }
}

/// The firm.
#[derive(Debug, Clone)]
pub struct Business {
    /// Its name, as customers know it.
    pub name: String,
    /// The town.
    pub town: String,
    /// The zone its clocks show.
    pub zone: Zone,
    /// The language of its customers and of notices.
    pub language: Language,
    /// Words that say what it is about; topics are weighed against them.
    pub words: Vec<String>,
    /// Words never to be posted.
    pub avoid: Vec<String>,
    /// Its site; links under it get campaign tags.
    pub site: Option<String>,
    /// What prices without a sign are in.
    pub currency: Currency,
}

/// When a person has to say yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// For every post.
    Always,
    /// For posts that a workflow marked as a draft.
    Drafts,
}

/// One presence on one network.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// `facebook`, `instagram`, `linkedin`, `x`, …: chooses variants, length limits and formats.
    pub network: String,
    /// How posts get there.
    pub channel: ChannelConfig,
    /// Most posts per span and the shortest distance between two.
    pub ceilings: Ceilings,
    /// Local hours in which posts may go out, as minutes from midnight, half open; empty means always.
    pub hours: Vec<(u16, u16)>,
    /// When a person has to say yes.
    pub approval: Approval,
    /// Formats this account takes: `post`, `story`, `reel`, `long`.
    pub formats: Vec<String>,
    /// Most characters of a text; 0 for no limit.
    pub max_chars: usize,
}

/// How posts reach a network.
#[derive(Debug, Clone)]
pub enum ChannelConfig {
    /// Each post becomes a file and a preview page in this folder.
    Folder(PathBuf),
    /// A plugin.
    Plugin(PluginUse),
}

/// A plugin at work for something of the configuration: an account, a feed, a catalog, a generator, a person, a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginUse {
    /// Which.
    pub plugin: PluginName,
    /// What it is for, such as `account:bluesky`: its private state and tokens hang on this.
    pub scope: Arc<str>,
    /// What the owner filled in; checked against the manifest when the plugin is looked up.
    pub settings: Arc<Json>,
    /// Names of secrets by the manifest's names of credentials; one that is not here is called `<name>-<credential>`.
    pub secrets: Arc<BTreeMap<String, String>>,
}

/// Somebody or something that writes texts.
#[derive(Debug, Clone)]
pub struct GeneratorConfig {
    /// Its name.
    pub name: GeneratorName,
    /// The plugin.
    pub plugin: PluginUse,
    /// The most it may cost in a calendar month.
    pub budget: Option<Money>,
}

/// Ceilings above every script and plugin. `None` means none was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ceilings {
    /// Most posts in any 60 seconds.
    pub per_minute: Option<u32>,
    /// Most posts in any 60 minutes.
    pub per_hour: Option<u32>,
    /// Most posts in any 24 hours.
    pub per_day: Option<u32>,
    /// Shortest distance between two posts.
    pub spacing: Duration,
}

/// One feed to read.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Its name.
    pub name: FeedName,
    /// Where it is.
    pub location: Location,
    /// `sector`, `competitor`, `town` or another word of the owner's.
    pub topic: String,
    /// How much its signals count, 1.0 when not said.
    pub weight: f64,
    /// After so many failed reads in a row people are told, once; 0 for never.
    pub alert_after: u32,
}

/// A file on this machine or an address.
#[derive(Debug, Clone, PartialEq)]
pub enum Location {
    /// A file.
    File(PathBuf),
    /// An http or https address.
    Url(String),
    /// A plugin.
    Plugin(PluginUse),
}

/// One catalog of products.
#[derive(Debug, Clone)]
pub struct CatalogConfig {
    /// Its name.
    pub name: CatalogName,
    /// Where it is read from.
    pub source: CatalogSource,
    /// Older data than this is not believed by guards.
    pub max_age: Duration,
    /// What prices without a sign are in.
    pub currency: Currency,
}

/// Where a catalog is read from.
#[derive(Debug, Clone, PartialEq)]
pub enum CatalogSource {
    /// A CSV file.
    File {
        /// The file.
        file: PathBuf,
        /// Column names by meaning (`sku`, `title`, `available`, `price`, …) where they are not the usual ones.
        columns: BTreeMap<String, String>,
    },
    /// A plugin.
    Plugin(PluginUse),
}

/// Where the content library lies, and its rules for items that do not say otherwise.
#[derive(Debug, Clone)]
pub struct LibraryConfig {
    /// The folder of Markdown files.
    pub folder: PathBuf,
    /// An item rests this long per account before it is used again.
    pub cool_down: Duration,
    /// A theme rests for this many posts of the account.
    pub theme_spacing: usize,
}

/// Somebody who gets notices.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their name in the configuration.
    pub name: PersonName,
    /// How notices reach them.
    pub notifier: NotifierConfig,
    /// Their language.
    pub language: Language,
}

/// How notices reach a person.
#[derive(Debug, Clone)]
pub enum NotifierConfig {
    /// Each notice becomes a text file and, where it has one, an HTML page in this folder.
    Folder(PathBuf),
    /// A plugin.
    Plugin(PluginUse),
}

/// What to do about occurrences that came due while nobody was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missed {
    /// None is made up for; each is recorded as missed.
    Skip,
    /// The latest within the window runs once; the others are recorded as coalesced into it.
    #[default]
    Latest,
    /// All within the window run, oldest first.
    All,
}

/// What to do when an occurrence comes due while an earlier run of the same workflow is still going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// The new one is recorded as skipped.
    #[default]
    Skip,
    /// The new one waits its turn.
    Queue,
    /// The running one is cancelled and the new one starts.
    CancelRunning,
}

/// One workflow.
///
/// What many workflows have in common is behind an `Arc` and held once, so that a hundred thousand fit on a small machine.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// Its name.
    pub name: WorkflowName,
    /// What it is for, in one line.
    pub purpose: Arc<str>,
    /// The plugin that is run instead of a script.
    pub plugin: Option<Arc<PluginUse>>,
    /// The script file, or `builtin:` and its name for one that came with the daemon.
    pub script: Arc<Path>,
    /// Digest of the script's source: the version a run names.
    pub version: Digest,
    /// The script's source.
    pub source: Arc<str>,
    /// When it rings; several are alternatives.
    pub schedules: Vec<Arc<Schedule>>,
    /// Events it answers.
    pub events: Vec<String>,
    /// The most a due time is delayed by chance, to spread load.
    pub jitter: Duration,
    /// What to do about missed occurrences, and how far back.
    pub missed: Missed,
    /// Missed occurrences older than this are never made up for.
    pub window: Duration,
    /// What to do when two would run at once.
    pub overlap: Overlap,
    /// How often a failed run is tried again.
    pub retries: u32,
    /// The first wait before another try; doubled each time, at most an hour.
    pub backoff: Duration,
    /// After this many failed occurrences in a row the workflow is paused; 0 for never.
    pub pause_after: u32,
    /// Budgets of one attempt.
    pub budget: Budget,
    /// Accounts it may post to; empty means all.
    pub accounts: Arc<[AccountName]>,
    /// Values for the script, as `settings`.
    pub settings: Arc<Json>,
    /// False keeps it in the configuration without running it.
    pub enabled: bool,
}

/// What one attempt may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Wall-clock time.
    pub time: Duration,
    /// Bytes of memory.
    pub memory: usize,
    /// Script operations.
    pub operations: u64,
    /// Desk calls.
    pub calls: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { time: Duration::from_secs(60), memory: 64 << 20, operations: 50_000_000, calls: 10_000 }
    }
}

/// Limits of the daemon itself.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most runs at once.
    pub runs: usize,
    /// Finished runs (their log and effects) are kept this long; the ledger is kept for ever.
    pub keep_runs: Duration,
    /// What runs were told (their journals) is kept this long, so that they can be replayed.
    pub keep_journals: Duration,
    /// Most bytes of journals; the oldest go first. 0 keeps none.
    pub journal_size: u64,
    /// Whether a changed file is taken up without being asked.
    pub watch: bool,
    /// Hosts or addresses that scripts and feeds may reach although they are private, such as `127.0.0.1:8080`.
    pub allow_private: Vec<String>,
    /// The most that plugins get, whatever they ask for.
    pub plugins: Ceiling,
}

/// The most that any plugin gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceiling {
    /// Bytes of memory.
    pub memory: usize,
    /// Wall-clock time of one call.
    pub time: Duration,
    /// Hosts, as in manifests; empty for any public one.
    pub hosts: Vec<String>,
}

impl Default for Ceiling {
    fn default() -> Self {
        Self { memory: 64 << 20, time: Duration::from_secs(60), hosts: Vec::new() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            runs: 16,
            keep_runs: Duration::from_secs(90 * 86_400),
            keep_journals: Duration::from_secs(30 * 86_400),
            journal_size: 64 << 20,
            watch: true,
            allow_private: Vec::new(),
            plugins: Ceiling::default(),
        }
    }
}
