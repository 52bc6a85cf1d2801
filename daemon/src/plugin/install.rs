//! Installs, upgrades, suspends and removes plugins.
//!
//! In: a package from a file or the network, and a person's consent. Out: a file in the daemon's folder and rows that say what was
//! granted, both or neither.
//! Never: installs what is not signed, what another key signed than the first time, or what asks for more than somebody said yes to.

pub mod shown;
mod source;

pub use source::Source;

use super::manifest::{self, Manifest};
use super::package::{self, Package, Publisher, Refused};
use super::rights::{self, Change, Rights};
use crate::domain::{Digest, Language, Timestamp};
use crate::instance::{CatalogSource, ChannelConfig, Instance, Location, NotifierConfig, PluginUse};
use crate::network::Network;
use crate::store::{self, GrantRow, Op, PluginOp, PluginRow, Store};
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What is done when plugins change.
pub struct Hooks<'h> {
    /// Compiles a package and finds out whether it can be called, before anything is written down.
    pub prepare: &'h dyn Fn(&Package) -> Result<(), String>,
    /// A plugin of this name was installed, replaced, suspended, resumed or removed.
    pub changed: &'h dyn Fn(&str),
}

impl Default for Hooks<'_> {
    fn default() -> Self {
        Self { prepare: &|_| Ok(()), changed: &|_| {} }
    }
}

/// Where plugins are kept.
pub struct Shelf<'s> {
    /// The store.
    pub store: &'s Store,
    /// The folder of the packages.
    pub folder: PathBuf,
    /// Where packages can be fetched from.
    pub network: &'s dyn Network,
    /// Now.
    pub now: Timestamp,
    /// The owner's language.
    pub language: Language,
    /// What is done when plugins change.
    pub hooks: Hooks<'s>,
}

/// How a package stands to what is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// No plugin of this name is installed.
    First,
    /// This very file is installed.
    Same,
    /// The same version, built or packed anew.
    Again,
    /// A newer version.
    Upgrade,
    /// An older version.
    Downgrade,
}

/// A package, held against what is installed.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The package.
    pub package: Package,
    /// Where it came from.
    pub source: String,
    /// Whose it is.
    pub publisher: Publisher,
    /// What it asks for.
    pub asked: Rights,
    /// How it stands to what is installed.
    pub step: Step,
    /// What is installed under this name.
    pub before: Option<PluginRow>,
    /// The key pinned to the name, when it is another one.
    pub other_key: Option<Publisher>,
    /// What changes for the owner, against what is granted.
    pub change: Change,
    /// Names the question: publisher, name and rights. A yes is given to this.
    pub consent: Digest,
    /// Whether a person has to say yes.
    pub asks: bool,
}

/// What a person allows.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// The question that was answered with yes: [`Examined::consent`] as text.
    pub grant: Option<String>,
    /// Who says so.
    pub by: String,
    /// An older version may replace a newer one.
    pub force: bool,
    /// Another key may replace the one pinned to the name.
    pub new_key: bool,
}

/// The names of the parts of the configuration that use a plugin, such as `account:bluesky`.
pub fn used_by(instance: &Instance, name: &str) -> Vec<String> {
    let mut uses: Vec<&PluginUse> = Vec::new();
    for account in instance.accounts.values() {
        if let ChannelConfig::Plugin(used) = &account.channel {
            uses.push(used);
        }
    }
    for feed in instance.feeds.values() {
        if let Location::Plugin(used) = &feed.location {
            uses.push(used);
        }
    }
    for catalog in instance.catalogs.values() {
        if let CatalogSource::Plugin(used) = &catalog.source {
            uses.push(used);
        }
    }
    uses.extend(instance.generators.values().map(|generator| &generator.plugin));
    for person in instance.people.values() {
        if let NotifierConfig::Plugin(used) = &person.notifier {
            uses.push(used);
        }
    }
    uses.extend(instance.workflows.values().filter_map(|workflow| workflow.plugin.as_deref()));
    uses.into_iter().filter(|used| used.plugin.as_str() == name).map(|used| used.scope.to_string()).collect()
}

/// Where packages are kept: beside the database.
pub fn folder(database: &Path) -> PathBuf {
    database.parent().unwrap_or(Path::new("")).join("plugins")
}

/// The file of a package.
pub fn file(folder: &Path, name: &str, digest: &str) -> PathBuf {
    folder.join(format!("{name}-{digest}.wasm"))
}

/// Manifest and grant of an installed plugin.
///
/// # Errors
/// A sentence, when the database holds something that no daemon wrote.
pub fn known(row: &PluginRow) -> Result<(Manifest, Rights), Refused> {
    let wrong = || Refused(format!("What the database says of the plugin {} cannot be read. Install it again.", row.name));
    let manifest = manifest::parse(&row.manifest, Path::new("beffroi-plugin.toml")).map_err(|_| wrong())?;
    Ok((manifest, Rights::from_json(&row.rights).map_err(Refused)?))
}

/// The package of an installed plugin, if its file is still the one that was installed.
///
/// # Errors
/// A sentence.
pub fn stored(folder: &Path, row: &PluginRow) -> Result<Package, Refused> {
    let path = file(folder, &row.name, &row.digest);
    let bytes = fs::read(&path)
        .map_err(|error| Refused(format!("The file of the plugin {} cannot be read ({error}). Install it again.", row.name)))?;
    if Digest::of(&bytes).to_string() != row.digest {
        return Err(Refused(format!(
            "The file {} is not the one that was installed: somebody changed it, or the disk is damaged. Install the plugin again.",
            path.display()
        )));
    }
    package::read(bytes)
}

#[allow(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn unreadable(error: rusqlite::Error) -> Refused {
    Refused(format!("The database cannot be read: {error}. Check the disk and the file's permissions."))
}

impl Shelf<'_> {
    /// Gets a package from where it is.
    ///
    /// # Errors
    /// A sentence.
    pub fn fetch(&self, source: &Source) -> Result<Vec<u8>, Refused> {
        source.fetch(self.network)
    }

    fn row(&self, name: &str) -> Result<Option<PluginRow>, Refused> {
        let reader = self.store.read().map_err(unreadable)?;
        Ok(store::plugins::plugins(&reader, Some(name)).map_err(unreadable)?.pop())
    }

    /// Every installed plugin.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn rows(&self) -> Result<Vec<PluginRow>, Refused> {
        let reader = self.store.read().map_err(unreadable)?;
        store::plugins::plugins(&reader, None).map_err(unreadable)
    }

    /// Holds a package against what is installed. Changes nothing.
    ///
    /// # Errors
    /// When it could not be installed whatever anybody says: it is damaged, unsigned, no plugin.
    pub fn examine(&self, bytes: Vec<u8>, source: &str) -> Result<Examined, Refused> {
        let package = package::read(bytes)?;
        let publisher = package.signed()?.clone();
        let name = package.manifest.name.as_str();
        let asked = rights::asked(&package.manifest);
        let before = self.row(name)?;
        let reader = self.store.read().map_err(unreadable)?;
        let pinned = store::plugins::pinned_key(&reader, name).map_err(unreadable)?;
        let digest = asked.digest().to_string();
        let said = store::plugins::granted(&reader, name, publisher.as_str(), &digest).map_err(unreadable)?.is_some();
        drop(reader);
        let other_key = match pinned {
            Some(key) if key != publisher.as_str() => Some(Publisher::parse(&key)?),
            _ => None,
        };
        let step = match &before {
            None => Step::First,
            Some(row) if row.digest == package.digest.to_string() => Step::Same,
            Some(row) => match (manifest::version(&package.manifest.version), manifest::version(&row.version)) {
                (Ok(new), Ok(old)) => match new.cmp_precedence(&old) {
                    Ordering::Greater => Step::Upgrade,
                    Ordering::Equal => Step::Again,
                    Ordering::Less => Step::Downgrade,
                },
                _ => Step::Again,
            },
        };
        // A grant to another key is none to this one.
        let held = before.as_ref().filter(|row| row.publisher == publisher.as_str()).map(known).transpose().ok().flatten();
        let (change, covered) = match &held {
            Some((old, granted)) => {
                let change = Change::between(old, granted, &package.manifest, self.language);
                let covered = asked.beyond(granted).is_nothing();
                (change, covered)
            }
            None => (Change { new: rights::consent(&package.manifest, &asked, self.language), gone: Vec::new() }, false),
        };
        let consent = Digest::of(format!("{name}\n{publisher}\n{digest}").as_bytes());
        let source = source.to_owned();
        Ok(Examined { asks: !(said || covered), package, source, publisher, asked, step, before, other_key, change, consent })
    }

    /// Installs what was examined, if everything that it needs was allowed.
    ///
    /// # Errors
    /// A sentence; nothing has changed then.
    pub fn install(&self, examined: &Examined, allowed: &Allowed) -> Result<PluginRow, Refused> {
        let package = &examined.package;
        let name = package.manifest.name.as_str();
        self.admit(examined, allowed)?;
        (self.hooks.prepare)(package).map_err(Refused)?;
        let digest = package.digest.to_string();
        let path = file(&self.folder, name, &digest);
        let kept = path.exists() && fs::read(&path).is_ok_and(|bytes| Digest::of(&bytes) == package.digest);
        if !kept {
            write(&self.folder, &path, &package.bytes).map_err(|error| {
                Refused(format!(
                    "The package cannot be kept in {}: {error}. Check the disk and the folder.",
                    self.folder.display()
                ))
            })?;
        }
        let rights = examined.asked.to_json();
        let row = PluginRow {
            name: name.to_owned(),
            version: package.manifest.version.clone(),
            digest,
            publisher: examined.publisher.as_str().to_owned(),
            manifest: package.text.clone(),
            rights: rights.clone(),
            source: examined.source.clone(),
            installed_at: self.now,
            suspended: None,
        };
        let (plugin, key) = (row.name.clone(), row.publisher.clone());
        let pin = match &examined.other_key {
            Some(_) => PluginOp::Repin { name: plugin.clone(), key: key.clone() },
            None => PluginOp::Pin { name: plugin.clone(), key: key.clone() },
        };
        let mut ops = vec![pin];
        if examined.asks {
            let asked = examined.asked.digest().to_string();
            ops.push(PluginOp::Grant(Box::new(GrantRow { plugin, publisher: key, asked, rights, by: allowed.by.clone() })));
        }
        ops.push(PluginOp::Install(Box::new(row.clone())));
        if let Err(refused) = self.commit(ops) {
            let in_use = self.row(name).ok().flatten().is_some_and(|row| file(&self.folder, name, &row.digest) == path);
            if !kept && !in_use {
                // What cannot be removed now is a leftover, and goes at the next start.
                let _ = fs::remove_file(&path);
            }
            return Err(refused);
        }
        (self.hooks.changed)(name);
        if let Some(old) = examined.before.as_ref().filter(|old| old.digest != row.digest) {
            let _ = fs::remove_file(file(&self.folder, name, &old.digest));
        }
        Ok(row)
    }

    /// Refuses what was not allowed.
    fn admit(&self, examined: &Examined, allowed: &Allowed) -> Result<(), Refused> {
        let say = |fr: String, en: String| Err(Refused(self.language.pick(fr, en)));
        let (name, version) = (examined.package.manifest.name.as_str(), &examined.package.manifest.version);
        let mark = |row: PluginRow| (row.digest, row.publisher);
        if self.row(name)?.map(mark) != examined.before.clone().map(mark) {
            return say(
                format!("Le plugin {name} a changé entre-temps. Regardez de nouveau, puis répétez la commande."),
                format!("The plugin {name} was changed meanwhile. Look again, then repeat the command."),
            );
        }
        if let Some(pinned) = examined.other_key.as_ref().filter(|_| !allowed.new_key) {
            let (before, now) = (pinned.short(), examined.publisher.short());
            return say(
                format!(
                    "Le plugin {name} était signé par {before}, celui-ci l'est par {now}. Quelqu'un d'autre l'a fait, ou l'auteur a une \
                     nouvelle clé. Demandez à l'auteur par un moyen sûr ; si la clé est la sienne, répétez la commande avec --new-key."
                ),
                format!(
                    "The plugin {name} was signed by {before}, this one by {now}. Somebody else made it, or the author has a new key. Ask \
                     the author in a way you trust; if the key is theirs, repeat the command with --new-key."
                ),
            );
        }
        if let (Step::Downgrade, Some(old), false) = (examined.step, &examined.before, allowed.force) {
            let old = &old.version;
            return say(
                format!(
                    "La version {version} de {name} est plus ancienne que {old}, qui est installée, et peut avoir des défauts corrigés \
                     depuis. Pour l'installer quand même, répétez la commande avec --force."
                ),
                format!(
                    "Version {version} of {name} is older than {old}, which is installed, and may have defects that were mended since. To \
                     install it all the same, repeat the command with --force."
                ),
            );
        }
        if !examined.asks {
            return Ok(());
        }
        let consent = examined.consent;
        match &allowed.grant {
            Some(grant) if *grant == consent.to_string() => Ok(()),
            Some(_) => say(
                format!(
                    "Votre accord portait sur autre chose que ce que {name} demande. Relisez ce qu'il demande, puis acceptez {consent}."
                ),
                format!(
                    "The yes was given to something else than what {name} asks for. Look again at what it asks, then say yes to {consent}."
                ),
            ),
            None => {
                let new: String = examined.change.new.iter().map(|line| format!("\n  • {line}")).collect();
                let asks = match new.is_empty() {
                    true => self.language.pick(
                        "ne demande aucun droit, mais personne n'a encore accepté son auteur.",
                        "asks for no right, but nobody has agreed to its publisher yet.",
                    ),
                    false => self.language.pick("demande ce que personne n'a accepté :", "asks for what nobody has agreed to:"),
                };
                say(
                    format!(
                        "{name} {version} {asks}{new}\nInstallez-le dans un terminal pour répondre, ou acceptez par : --grant {consent}"
                    ),
                    format!(
                        "{name} {version} {asks}{new}\nInstall it at a terminal to be asked, or agree with: --grant {consent}"
                    ),
                )
            }
        }
    }

    fn commit(&self, ops: impl IntoIterator<Item = PluginOp>) -> Result<(), Refused> {
        let ops = ops.into_iter().map(Op::Plugin).collect();
        self.store.commit(store::Change::new(self.now, ops)).map(drop).map_err(|error| Refused(error.to_string()))
    }

    fn installed(&self, name: &str) -> Result<PluginRow, Refused> {
        let rows = self.rows()?;
        let near = crate::problem::perhaps(name, rows.iter().map(|row| row.name.as_str()));
        rows.iter().find(|row| row.name == name).cloned().ok_or_else(|| {
            Refused(format!("There is no plugin \"{name}\".{near} 'beffroi plugin list' shows those that are installed."))
        })
    }

    /// Removes a plugin with its private state and its tokens. Its key stays pinned.
    ///
    /// # Errors
    /// When there is none, or the database cannot be written.
    pub fn remove(&self, name: &str) -> Result<PluginRow, Refused> {
        let row = self.installed(name)?;
        self.commit([PluginOp::Remove { name: name.to_owned() }])?;
        (self.hooks.changed)(name);
        let _ = fs::remove_file(file(&self.folder, name, &row.digest));
        Ok(row)
    }

    /// Suspends a plugin, or lets it go on with `None`.
    ///
    /// # Errors
    /// When there is none, or the database cannot be written.
    pub fn suspend(&self, name: &str, reason: Option<String>) -> Result<PluginRow, Refused> {
        let row = self.installed(name)?;
        self.commit([PluginOp::Suspend { name: name.to_owned(), reason }])?;
        (self.hooks.changed)(name);
        Ok(row)
    }

    /// Removes files that no installed plugin needs: what an interrupted installation left behind.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tidy(&self) -> Result<(), Refused> {
        let needed: BTreeSet<PathBuf> = self.rows()?.iter().map(|row| file(&self.folder, &row.name, &row.digest)).collect();
        // Without the folder there is nothing to remove; a file that stays costs space and no more.
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let ours = path.extension().is_some_and(|end| end == "wasm" || end == "new");
            if ours && !needed.contains(&path) && path.is_file() {
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }
}

/// Writes a file that is there whole or not at all.
fn write(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let new = path.with_extension("new");
    let written = (|| {
        let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&new, path)?;
        fs::File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}
