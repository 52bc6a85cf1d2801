//! One door to every adapter: the right one for each configured thing, and what was last read from each.
//!
//! In: a feed, a catalog, an account, a person of the configuration. Out: the adapter that serves it; stock and library as
//! last read, no older than they need be.
//! Never: believes a half-written file: what was good before stays, with the time it was true.

use super::contained::Contained;
use super::csv::CsvCatalog;
use super::feed::FeedSource;
use super::folder::FolderChannel;
use super::library::{self, Library, LibraryItem};
use super::mailbox::FolderNotifier;
use super::media::MediaCache;
use crate::clock::Clock;
use crate::domain::{AccountName, CatalogName, FeedName, GeneratorName, PersonName, Timestamp};
use crate::instance::{
    Account, CatalogConfig, CatalogSource, ChannelConfig, Feed, GeneratorConfig, Instance, LibraryConfig, Location,
    NotifierConfig, Person,
};
use crate::kinds::{Call, Catalog, Channel, Generator, Item, Media, Notifier, Source};
use crate::plugin::Plugins;
use crate::problem::Problem;
use crate::store::journal::Part;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

/// The library is looked through for changes at most this often.
const LIBRARY_REST: Duration = Duration::from_secs(5);

/// A catalog at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Stock {
    /// Every product.
    pub items: Vec<Item>,
    /// The moment for which it is true.
    pub as_of: Timestamp,
    #[serde(skip)]
    by_sku: HashMap<String, usize>,
    /// The same as content of journals, made when a run first reads it.
    #[serde(skip)]
    kept: OnceLock<Part>,
}

impl<'de> Deserialize<'de> for Stock {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Plain {
            items: Vec<Item>,
            as_of: Timestamp,
        }
        Plain::deserialize(from).map(|plain| Self::new(plain.items, plain.as_of))
    }
}

impl Stock {
    /// These products, as they were at this moment.
    pub fn new(items: Vec<Item>, as_of: Timestamp) -> Self {
        let by_sku = items.iter().enumerate().map(|(at, item)| (item.sku.clone(), at)).collect();
        Self { items, as_of, by_sku, kept: OnceLock::new() }
    }

    /// This stock as content of journals; `make` is called once for all runs that read it.
    pub fn part(&self, make: impl FnOnce(&Self) -> Part) -> Part {
        self.kept.get_or_init(|| make(self)).clone()
    }

    /// The same with these products new or changed, and without those.
    fn with(&self, changed: Vec<Item>, removed: &[String], as_of: Timestamp) -> Self {
        let replaced = |item: &Item| removed.contains(&item.sku) || changed.iter().any(|c| c.sku == item.sku);
        let mut items: Vec<Item> = self.items.iter().filter(|item| !replaced(item)).cloned().collect();
        items.extend(changed);
        Self::new(items, as_of)
    }

    /// The product with this identifier.
    pub fn get(&self, sku: &str) -> Option<&Item> {
        self.by_sku.get(sku).map(|at| &self.items[*at])
    }
}

/// What is known of one catalog. Each has a lock of its own: one that is slow to read holds up nobody else's.
#[derive(Default)]
struct KnownStock {
    source: Option<CatalogSource>,
    cursor: Option<String>,
    stock: Option<Arc<Stock>>,
    read: Duration,
}

struct KnownLibrary {
    folder: PathBuf,
    looked: Duration,
    stamp: u64,
    library: Arc<Library>,
    by_id: Arc<HashMap<String, usize>>,
}

/// Adapters that stand in the place of built-in ones, by the name of what they serve.
#[derive(Default)]
struct Installed {
    channels: HashMap<AccountName, Arc<dyn Channel>>,
    notifiers: HashMap<PersonName, Arc<dyn Notifier>>,
    sources: HashMap<FeedName, Arc<dyn Source>>,
    catalogs: HashMap<CatalogName, Arc<dyn Catalog>>,
    generators: HashMap<GeneratorName, Arc<dyn Generator>>,
}

/// All adapters of one daemon.
pub struct Adapters {
    clock: Arc<dyn Clock>,
    media: MediaCache,
    stocks: Mutex<HashMap<CatalogName, Arc<Mutex<KnownStock>>>>,
    plugins: Arc<Plugins>,
    library: Mutex<Option<KnownLibrary>>,
    installed: RwLock<Installed>,
}

impl Adapters {
    /// The built-in adapters, which have read nothing yet.
    pub fn new(clock: Arc<dyn Clock>, plugins: Arc<Plugins>) -> Self {
        let (media, stocks, library) = Default::default();
        Self { clock, media, stocks, library, plugins, installed: RwLock::default() }
    }

    /// Installed plugins.
    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    fn installed(&self) -> RwLockReadGuard<'_, Installed> {
        self.installed.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn install(&self, change: impl FnOnce(&mut Installed)) {
        change(&mut self.installed.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets this channel serve the account from its next delivery on, whatever the configuration says.
    pub fn install_channel(&self, account: AccountName, channel: Arc<dyn Channel>) {
        self.install(|i| drop(i.channels.insert(account, channel)));
    }

    /// Lets this notifier reach the person from their next notice on.
    pub fn install_notifier(&self, person: PersonName, notifier: Arc<dyn Notifier>) {
        self.install(|i| drop(i.notifiers.insert(person, notifier)));
    }

    /// Lets this source serve the feed from its next read on.
    pub fn install_source(&self, feed: FeedName, source: Arc<dyn Source>) {
        self.install(|i| drop(i.sources.insert(feed, source)));
    }

    /// Lets this catalog stand for the one of that name; what was read from the one before is forgotten.
    pub fn install_catalog(&self, name: CatalogName, catalog: Arc<dyn Catalog>) {
        self.stocks.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        self.install(|i| drop(i.catalogs.insert(name, catalog)));
    }

    /// Lets this generator write for whoever asks the one of that name.
    pub fn install_generator(&self, name: GeneratorName, generator: Arc<dyn Generator>) {
        self.install(|i| drop(i.generators.insert(name, generator)));
    }

    /// The source that serves a feed.
    pub fn source(&self, feed: &Feed) -> Box<dyn Source> {
        let source = self.installed().sources.get(&feed.name).cloned().unwrap_or_else(|| match &feed.location {
            Location::File(path) => Arc::new(FeedSource::file(path.clone())),
            Location::Url(url) => Arc::new(FeedSource::url(url.clone())),
            Location::Plugin(used) => self.plugins.source(used),
        });
        Box::new(Contained::new(feed.name.as_str(), source))
    }

    /// The channel that serves an account.
    pub fn channel(&self, instance: &Instance, account: &Account) -> Arc<dyn Channel> {
        let channel = self.installed().channels.get(&account.name).cloned().unwrap_or_else(|| match &account.channel {
            ChannelConfig::Folder(folder) => Arc::new(
                FolderChannel::new(
                    folder.clone(),
                    account.name.as_str(),
                    &account.network,
                    &instance.business.name,
                    account.max_chars,
                )
                .in_language(instance.business.language),
            ),
            ChannelConfig::Plugin(used) => self.plugins.channel(used),
        });
        Arc::new(Contained::new(account.name.as_str(), channel))
    }

    /// The notifier that reaches a person.
    pub fn notifier(&self, person: &Person) -> Arc<dyn Notifier> {
        let notifier = self.installed().notifiers.get(&person.name).cloned().unwrap_or_else(|| match &person.notifier {
            NotifierConfig::Folder(folder) => Arc::new(FolderNotifier::new(folder.clone())),
            NotifierConfig::Plugin(used) => self.plugins.notifier(used),
        });
        Arc::new(Contained::new(person.name.as_str(), notifier))
    }

    /// What writes texts.
    pub fn generator(&self, config: &GeneratorConfig) -> Arc<dyn Generator> {
        let installed = self.installed().generators.get(&config.name).cloned();
        Arc::new(Contained::new(config.name.as_str(), installed.unwrap_or_else(|| self.plugins.generator(&config.plugin))))
    }

    fn catalog(&self, config: &CatalogConfig) -> Contained<dyn Catalog> {
        let catalog = self.installed().catalogs.get(&config.name).cloned().unwrap_or_else(|| match &config.source {
            CatalogSource::File { file, columns } => Arc::new(CsvCatalog::new(file.clone(), columns.clone(), config.currency)),
            CatalogSource::Plugin(used) => self.plugins.catalog(used),
        });
        Contained::new(config.name.as_str(), catalog)
    }

    /// What a catalog says. A file that is being written leaves what was read before in force, with the time it was true.
    ///
    /// # Errors
    /// A sentence, when it cannot be read and never could.
    pub fn stock(&self, config: &CatalogConfig, call: &Call<'_>) -> Result<Arc<Stock>, String> {
        let known = {
            let mut stocks = self.stocks.lock().unwrap_or_else(PoisonError::into_inner);
            stocks.entry(config.name.clone()).or_default().clone()
        };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.source.as_ref() != Some(&config.source) {
            *known = KnownStock { source: Some(config.source.clone()), ..KnownStock::default() };
        }
        let catalog = self.catalog(config);
        let now = self.clock.monotonic();
        if let Some(stock) = known.stock.as_ref().filter(|_| now.saturating_sub(known.read) < catalog.rest()) {
            return Ok(stock.clone());
        }
        match (catalog.poll(call, known.cursor.as_deref()), known.stock.clone()) {
            (Ok(page), Some(stock)) if page.unchanged => {
                known.read = now;
                Ok(stock)
            }
            (Ok(page), before) => {
                for remark in &page.remarks {
                    tracing::warn!(catalog = %config.name, "{remark}");
                }
                let as_of = page.as_of.unwrap_or(call.now);
                let stock = match before.filter(|_| page.changes) {
                    Some(before) => before.with(page.items, &page.removed, as_of),
                    None => Stock::new(page.items, as_of),
                };
                let stock = Arc::new(stock);
                (known.cursor, known.stock, known.read) = (page.cursor, Some(stock.clone()), now);
                Ok(stock)
            }
            (Err(error), Some(stock)) => {
                tracing::warn!(catalog = %config.name, "{error} What was read before stays in force.");
                Ok(stock)
            }
            (Err(error), None) => Err(error.to_string()),
        }
    }

    /// The content library, with the position of each item by its identifier. Changed files are noticed within seconds.
    pub fn library(&self, config: &LibraryConfig) -> (Arc<Library>, Arc<HashMap<String, usize>>) {
        let mut known = self.library.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.monotonic();
        if let Some(k) = known.as_mut().filter(|k| k.folder == config.folder) {
            let rested = now.saturating_sub(k.looked) < LIBRARY_REST;
            if rested || stamp(&config.folder) == k.stamp {
                if !rested {
                    k.looked = now;
                }
                return (k.library.clone(), k.by_id.clone());
            }
        }
        let stamp = stamp(&config.folder);
        let (library, problems) = library::read(&config.folder, &self.media);
        for problem in &problems {
            tracing::warn!("{}", problem.render().trim_end());
        }
        let by_id = Arc::new(library.items.iter().enumerate().map(|(at, item)| (item.id.clone(), at)).collect::<HashMap<_, _>>());
        let library = Arc::new(library);
        *known = Some(KnownLibrary {
            folder: config.folder.clone(),
            looked: now,
            stamp,
            library: library.clone(),
            by_id: by_id.clone(),
        });
        (library, by_id)
    }

    /// One item of the library.
    pub fn library_item(&self, config: &LibraryConfig, id: &str) -> Option<LibraryItem> {
        let (library, by_id) = self.library(config);
        by_id.get(id).map(|at| library.items[*at].clone())
    }

    /// Every problem of the library's files.
    pub fn library_problems(&self, config: &LibraryConfig) -> Vec<Problem> {
        library::read(&config.folder, &self.media).1
    }

    /// A picture or film below the library folder, with its digest.
    ///
    /// # Errors
    /// A sentence: there is no library, or the file is not in it.
    pub fn medium(&self, instance: &Instance, path: &str, alt: &str) -> Result<Media, String> {
        let Some(config) = &instance.library else {
            return Err("there is no [library] in the configuration, so there is no folder for media.".into());
        };
        let outside = || format!("the file \"{path}\" is not in the library folder {}.", config.folder.display());
        let root = config.folder.canonicalize().map_err(|_| outside())?;
        let file = root.join(path).canonicalize().map_err(|_| outside())?;
        if !file.starts_with(&root) {
            return Err(outside());
        }
        let digest = self.media.digest(&file).map_err(|e| format!("the file \"{path}\" cannot be read: {e}."))?;
        Ok(Media { path: file.display().to_string(), alt: alt.to_owned(), digest })
    }
}

/// A number that changes when a file below the folder comes, goes, or is written.
fn stamp(folder: &Path) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    let mut folders = vec![folder.to_owned()];
    let mut entries = 0_u32;
    while let Some(folder) = folders.pop() {
        let Ok(list) = std::fs::read_dir(&folder) else { continue };
        let mut names: Vec<_> = list.flatten().map(|e| e.path()).collect();
        names.sort();
        for path in names {
            // A folder with more than this is no library; its changes are seen at the next start.
            entries += 1;
            if entries > 20_000 {
                return hasher.finish();
            }
            let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
            path.hash(&mut hasher);
            meta.len().hash(&mut hasher);
            meta.modified().ok().hash(&mut hasher);
            if meta.is_dir() {
                folders.push(path);
            }
        }
    }
    hasher.finish()
}
