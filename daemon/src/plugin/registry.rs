//! The plugins of one daemon, by name.
//!
//! In: what is installed. Out: the adapter for each use of a plugin; a stand-in that says why where there is none.
//! Never: calls a plugin that is suspended, or takes one away from under a call that goes on.

use super::absent::Absent;
use super::bridge::{Bridge, PluginWorkflow};
use super::host::{Duty, Host, Loaded, Refused};
use super::manifest::{Manifest, Words};
use super::package::Package;
use super::rights::{self, Rights};
use super::settings;
use super::ward::Ward;
use crate::clock::Clock;
use crate::domain::{Digest, Language, PluginName, Timestamp, Zone};
use crate::instance::{Ceiling, Current, Limits, PluginUse};
use crate::kinds::{Call, Catalog, Channel, Failure, Generator, KindError, Notifier, Source};
use crate::store::Store;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A plugin as it was installed.
pub struct Installed {
    /// What it says of itself.
    pub manifest: Arc<Manifest>,
    /// The package's digest.
    pub digest: Digest,
    /// What was granted.
    pub rights: Rights,
    /// Why it is suspended, and since when.
    pub suspended: Option<(String, Timestamp)>,
}

/// Every plugin of one daemon.
#[derive(Default)]
pub struct Plugins {
    works: Option<Works>,
    shelf: RwLock<Arc<Shelf>>,
}

type Shelf = BTreeMap<String, Arc<Shelved>>;

struct Works {
    host: Arc<Host>,
    store: Arc<Store>,
    current: Arc<Current>,
    clock: Arc<dyn Clock>,
}

/// One plugin, ready or not.
struct Shelved {
    loaded: Result<Arc<Loaded>, Refused>,
    rights: Rights,
    ward: Arc<Ward>,
    /// What it is at work for, by scope.
    duties: Mutex<HashMap<Arc<str>, Known>>,
}

/// A duty, and what it was made of.
struct Known {
    duty: Arc<Duty>,
    ceiling: Ceiling,
    allow_private: Vec<String>,
    language: Language,
}

/// A standing of a plugin, for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// What it can do.
    pub abilities: Vec<&'static str>,
    /// Why it is suspended, and since when.
    pub suspended: Option<(String, Timestamp)>,
    /// Why it cannot be loaded.
    pub refused: Option<Words>,
}

impl Plugins {
    /// No plugin yet.
    pub fn new(host: Arc<Host>, store: Arc<Store>, current: Arc<Current>, clock: Arc<dyn Clock>) -> Self {
        Self { works: Some(Works { host, store, current, clock }), shelf: RwLock::default() }
    }

    fn shelf(&self) -> Arc<Shelf> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Shelf)) {
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = Shelf::clone(&shelf);
        change(&mut next);
        *shelf = Arc::new(next);
    }

    /// Takes up a plugin, in the place of the one of that name if there is one: calls that go on end with the old one, the next
    /// ones meet the new one. `wasm` is only asked for when the package was not compiled before.
    ///
    /// # Errors
    /// Why it cannot be loaded. It is known by name all the same, so that whatever needs it can say so, unless another one of
    /// that name works: that one stays.
    pub fn put(&self, installed: Installed, wasm: impl FnOnce() -> std::io::Result<Vec<u8>>) -> Result<Arc<Loaded>, Refused> {
        let Some(works) = &self.works else {
            return Err(Refused(Words {
                fr: "Ce démon tourne sans plugins.".into(),
                en: "This daemon runs without plugins.".into(),
            }));
        };
        let Installed { manifest, digest, rights, suspended } = installed;
        let name = manifest.name.clone();
        let loaded = works.host.load(manifest, digest, wasm).map(Arc::new);
        let ward = Arc::new(Ward::new(name.clone(), Some(works.store.clone()), suspended));
        let shelved = Arc::new(Shelved { loaded: loaded.clone(), rights, ward, duties: Mutex::default() });
        self.change(|shelf| {
            let stays = loaded.is_err() && shelf.get(name.as_str()).is_some_and(|old| old.loaded.is_ok());
            if !stays {
                shelf.insert(name.to_string(), shelved);
            }
        });
        loaded
    }

    /// Compiles a package and finds out whether it could be called, without taking it up.
    ///
    /// # Errors
    /// Why not.
    pub fn try_out(&self, package: &Package) -> Result<(), Refused> {
        let Some(works) = &self.works else { return Ok(()) };
        let manifest = Arc::new(package.manifest.clone());
        works.host.load(manifest, package.digest, || Ok(package.bytes.to_vec())).map(drop)
    }

    /// Forgets a plugin. Calls that go on come to their end.
    pub fn remove(&self, name: &str) {
        self.change(|shelf| drop(shelf.remove(name)));
    }

    /// Suspends a plugin, on disk too. False when there is none of that name.
    pub fn suspend(&self, name: &str, reason: &str, at: Timestamp) -> bool {
        self.shelf().get(name).map(|shelved| shelved.ward.suspend(reason, at)).is_some()
    }

    /// Lets a suspended plugin work again, on disk too. False when there is none of that name.
    pub fn resume(&self, name: &str, at: Timestamp) -> bool {
        self.shelf().get(name).map(|shelved| shelved.ward.resume(at)).is_some()
    }

    /// How every plugin stands, by name.
    pub fn all(&self) -> BTreeMap<String, Shown> {
        let shown = |shelved: &Shelved| Shown {
            abilities: shelved.loaded.as_ref().map(|loaded| loaded.abilities()).unwrap_or_default(),
            suspended: shelved.ward.suspended(),
            refused: shelved.loaded.as_ref().err().map(|refused| refused.0.clone()),
        };
        self.shelf().iter().map(|(name, shelved)| (name.clone(), shown(shelved))).collect()
    }

    /// The plugin of that name, if it is loaded.
    pub fn loaded(&self, name: &str) -> Option<Arc<Loaded>> {
        self.shelf().get(name).and_then(|shelved| shelved.loaded.as_ref().ok().cloned())
    }

    /// Removes compiled plugins that no longer belong to any.
    pub fn tidy(&self) {
        if let Some(works) = &self.works {
            let digests: Vec<Digest> =
                self.shelf().values().filter_map(|s| s.loaded.as_ref().ok()).map(|loaded| loaded.digest).collect();
            works.host.tidy(&digests);
        }
    }

    fn bridge(&self, used: &PluginUse, ability: &str) -> Result<Bridge, Failure> {
        let Some(works) = &self.works else { return Err(missing(&used.plugin, Language::default())) };
        let instance = works.current.get();
        let (language, zone) = (instance.business.language, instance.business.zone);
        let shelf = self.shelf();
        let Some(shelved) = shelf.get(used.plugin.as_str()) else { return Err(missing(&used.plugin, language)) };
        if let Some((why, since)) = shelved.ward.suspended() {
            return Err(suspended(&used.plugin, &why, since, zone, language));
        }
        let loaded = match &shelved.loaded {
            Ok(loaded) => loaded.clone(),
            Err(refused) => return Err(Failure::new("plugin-refused", refused.0.pick(language))),
        };
        if !ability.is_empty() && !loaded.abilities().contains(&ability) {
            return Err(lacks(used.plugin.as_str(), ability, language));
        }
        let duty = shelved.duty(used, &loaded, &instance.limits, language)?;
        Ok(Bridge { loaded, duty, ward: shelved.ward.clone(), now: works.clock.now(), zone, language, records: None })
    }

    /// The channel of an account.
    pub fn channel(&self, used: &PluginUse) -> Arc<dyn Channel> {
        match self.bridge(used, "publish") {
            Ok(bridge) => Arc::new(bridge),
            Err(failure) => Arc::new(Absent(failure)),
        }
    }

    /// The source of a feed.
    pub fn source(&self, used: &PluginUse) -> Arc<dyn Source> {
        match self.bridge(used, "feed") {
            Ok(bridge) => Arc::new(bridge),
            Err(failure) => Arc::new(Absent(failure)),
        }
    }

    /// A catalog.
    pub fn catalog(&self, used: &PluginUse) -> Arc<dyn Catalog> {
        match self.bridge(used, "stock") {
            Ok(bridge) => Arc::new(bridge),
            Err(failure) => Arc::new(Absent(failure)),
        }
    }

    /// What reaches a person.
    pub fn notifier(&self, used: &PluginUse) -> Arc<dyn Notifier> {
        match self.bridge(used, "notify") {
            Ok(bridge) => Arc::new(bridge),
            Err(failure) => Arc::new(Absent(failure)),
        }
    }

    /// What writes texts.
    pub fn generator(&self, used: &PluginUse) -> Arc<dyn Generator> {
        match self.bridge(used, "generate") {
            Ok(bridge) => Arc::new(bridge),
            Err(failure) => Arc::new(Absent(failure)),
        }
    }

    /// A workflow.
    ///
    /// # Errors
    /// Why there is none now.
    pub fn workflow(&self, used: &PluginUse) -> Result<PluginWorkflow, Failure> {
        self.bridge(used, "workflow").map(PluginWorkflow)
    }

    /// Whether a plugin works for this use: the name to show.
    ///
    /// # Errors
    /// What the plugin said, or why it cannot be asked.
    pub fn check(&self, used: &PluginUse, call: &Call<'_>) -> Result<String, KindError> {
        self.bridge(used, "").map_err(|failure| KindError::Retry(failure, None))?.check_plugin(call)
    }
}

impl Shelved {
    /// What the plugin is at work for: made anew when the configuration changed.
    fn duty(&self, used: &PluginUse, loaded: &Loaded, limits: &Limits, language: Language) -> Result<Arc<Duty>, Failure> {
        let mut duties = self.duties.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = duties.get(&used.scope)
            && known.duty.used == *used
            && known.ceiling == limits.plugins
            && known.allow_private == limits.allow_private
            && known.language == language
        {
            return Ok(known.duty.clone());
        }
        // A workflow's settings are read at the desk, too, and may be whatever it likes: the plugin's own are among them.
        let own = used.scope.starts_with("workflow:").then(|| settings::own(&loaded.manifest, &used.settings));
        let unfit = |problems: Vec<String>| Failure::new("plugin-settings", problems.join(" "));
        let settings = settings::complete(&loaded.manifest, own.as_ref().unwrap_or(&used.settings), language).map_err(unfit)?;
        let unknown = settings::unknown_secrets(&loaded.manifest, used, language);
        if !unknown.is_empty() {
            return Err(unfit(unknown));
        }
        let force = rights::force(&loaded.manifest, &self.rights, &limits.plugins, &settings, &limits.allow_private);
        let duty = Arc::new(Duty::new(used.clone(), settings, force, language));
        let known =
            Known { duty: duty.clone(), ceiling: limits.plugins.clone(), allow_private: limits.allow_private.clone(), language };
        duties.insert(used.scope.clone(), known);
        Ok(duty)
    }
}

fn missing(name: &PluginName, language: Language) -> Failure {
    Failure::new(
        "plugin-absent",
        language.pick(
            format!(
                "Le plugin {name} n'est pas installé. Ce qui en a besoin l'attend. Installez-le : beffroi plugin install FICHIER."
            ),
            format!("The plugin {name} is not installed. What needs it waits for it. Install it: beffroi plugin install FILE."),
        ),
    )
}

fn suspended(name: &PluginName, why: &str, since: Timestamp, zone: Zone, language: Language) -> Failure {
    let since = since.local(zone).format(language.pick("%d/%m/%Y à %H:%M", "%Y-%m-%d %H:%M"));
    Failure::new(
        "plugin-suspended",
        language.pick(
            format!("Le plugin {name} est suspendu depuis le {since}\u{a0}: {why} Ce qui en a besoin l'attend. Pour le relancer : beffroi plugin resume {name}."),
            format!("The plugin {name} is suspended since {since}: {why} What needs it waits for it. Let it work again: beffroi plugin resume {name}."),
        ),
    )
}

/// It is there, and cannot do this.
pub(super) fn lacks(name: &str, ability: &str, language: Language) -> Failure {
    Failure::new(
        "plugin-ability",
        language.pick(
            format!("Le plugin {name} ne sait pas faire cela : il n'a pas la capacité «\u{a0}{ability}\u{a0}». Voyez ce qu'il sait faire : beffroi plugin inspect {name}."),
            format!("The plugin {name} cannot do this: it has no ability \"{ability}\". See what it can do: beffroi plugin inspect {name}."),
        ),
    )
}

#[cfg(test)]
mod tests;
