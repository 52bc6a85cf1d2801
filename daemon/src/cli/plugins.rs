//! `beffroi plugin`: what plugins are, and which are installed.
//!
//! In: a command, a package, a person at the terminal. Out: the same words whether a daemon runs or not.
//! Never: says yes for anybody: a yes is typed, or names the question it answers.

use super::caller::{Caller, own_language, part};
use super::offline::document;
use super::{Config, Said, plugin_dev, plugin_watch, user};
use crate::admin::words::moment_of;
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::craft::show::{list, typeset};
use crate::domain::{Json, Language, Timestamp};
use crate::egress::{Egress, Rules};
use crate::instance::Instance;
use crate::plugin::install::{self, Allowed, Hooks, Shelf, Source, shown};
use crate::plugin::package::{self, SigningKey};
use crate::problem::Problem;
use crate::service;
use crate::store::{Mode, Store};
use anyhow::{Context, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::json;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Plugins.
#[derive(Debug, Args)]
pub struct Plugin {
    /// What to do
    #[command(subcommand)]
    pub ask: PluginAsk,
}

/// What to do about plugins.
#[derive(Debug, Subcommand)]
pub enum PluginAsk {
    /// Lists the installed plugins
    List {
        /// Where the plugins are, when no daemon runs
        #[command(flatten)]
        config: Config,
    },
    /// Shows what a package is and what it would ask for
    Inspect {
        /// The package
        file: PathBuf,
    },
    /// Checks that a package is whole and signed
    Verify {
        /// The package
        file: PathBuf,
        /// The key it has to be signed with, or a file that holds it
        #[arg(long)]
        key: Option<String>,
    },
    /// Installs a plugin
    Install {
        /// A file, https://…#sha256=… or oci://…@sha256:…
        source: String,
        /// What is allowed
        #[command(flatten)]
        allow: Allow,
        /// Where the plugins are, when no daemon runs
        #[command(flatten)]
        config: Config,
    },
    /// Replaces an installed plugin by another version of it
    Upgrade {
        /// The plugin
        name: String,
        /// A file, https://…#sha256=… or oci://…@sha256:…
        source: String,
        /// What is allowed
        #[command(flatten)]
        allow: Allow,
        /// Where the plugins are, when no daemon runs
        #[command(flatten)]
        config: Config,
    },
    /// Removes a plugin with all it remembers
    Remove {
        /// The plugin
        name: String,
        /// Does not ask
        #[arg(long)]
        yes: bool,
        /// Where the plugins are, when no daemon runs
        #[command(flatten)]
        config: Config,
    },
    /// Stops calling a plugin; whatever needs it waits
    Suspend {
        /// The plugin
        name: String,
        /// Why
        #[arg(long)]
        reason: Option<String>,
        /// Where the plugins are, when no daemon runs
        #[command(flatten)]
        config: Config,
    },
    /// Calls a plugin again
    Resume {
        /// The plugin
        name: String,
        /// Where the plugins are, when no daemon runs
        #[command(flatten)]
        config: Config,
    },
    /// Writes a new plugin project that builds and passes its tests
    New(plugin_dev::NewPlugin),
    /// Tries the built plugin in the real host: its recordings, and what every plugin of its kind has to pass
    Test(plugin_dev::TestPlugin),
    /// Puts the manifest into the built component and signs it
    Pack(plugin_dev::PackPlugin),
    /// Builds, tries and installs a plugin after each change
    Dev(plugin_watch::DevPlugin),
    /// Makes a key to sign plugins with, or shows the public half of one
    Key {
        /// The secret key's file; a new one is made when it is not there
        file: PathBuf,
    },
}

/// What may be done without being asked.
#[derive(Debug, Args)]
pub struct Allow {
    /// Says yes to a first installation; never to more than an installed version may do
    #[arg(long)]
    pub yes: bool,
    /// Says yes to the question of this number, as an earlier attempt showed it
    #[arg(long, value_name = "DIGEST")]
    pub grant: Option<String>,
    /// Lets an older version replace a newer one
    #[arg(long)]
    pub force: bool,
    /// Lets a package be signed by another key than before
    #[arg(long)]
    pub new_key: bool,
}

/// Carries out a command about plugins.
pub(super) fn run(socket: &Path, as_json: bool, plugin: Plugin) -> anyhow::Result<Said> {
    match plugin.ask {
        PluginAsk::New(new) => plugin_dev::new(&new, as_json),
        PluginAsk::Test(test) => plugin_dev::test(&test, as_json),
        PluginAsk::Pack(pack) => plugin_dev::pack(&pack, as_json),
        PluginAsk::Dev(dev) => plugin_watch::dev(socket, &dev),
        PluginAsk::Inspect { file } => inspect(&file, as_json),
        PluginAsk::Verify { file, key } => verify(&file, key.as_deref(), as_json),
        PluginAsk::Key { file } => key(&file, as_json),
        PluginAsk::List { config } => {
            let (all, language) = Home::open(socket, &config)?.list()?;
            Ok(if as_json { document(&all) } else { Said::good(listed(&all, language)) })
        }
        PluginAsk::Install { source, allow, config } => Home::open(socket, &config)?.install(&source, None, &allow, as_json),
        PluginAsk::Upgrade { name, source, allow, config } => {
            Home::open(socket, &config)?.install(&source, Some(&name), &allow, as_json)
        }
        PluginAsk::Remove { name, yes, config } => Home::open(socket, &config)?.remove(&name, yes, as_json),
        PluginAsk::Suspend { name, reason, config } => {
            let (answer, language) = Home::open(socket, &config)?.suspend(&name, Some(reason))?;
            let text = language.pick(
                format!("{name} est suspendu. Ce qui en a besoin attend. Pour le reprendre : beffroi plugin resume {name}\n"),
                format!("{name} is suspended. Whatever needs it waits. To let it go on: beffroi plugin resume {name}\n"),
            );
            Ok(if as_json { document(&answer) } else { Said::good(typeset(&text, language)) })
        }
        PluginAsk::Resume { name, config } => {
            let (answer, language) = Home::open(socket, &config)?.suspend(&name, None)?;
            let text = language.pick(format!("{name} est de nouveau appelé.\n"), format!("{name} is called again.\n"));
            Ok(if as_json { document(&answer) } else { Said::good(text) })
        }
    }
}

fn bytes_of(file: &Path) -> anyhow::Result<Vec<u8>> {
    // A file needs no network: none is opened for it.
    let none = crate::network::ScriptedNetwork::new();
    Ok(Source::File(file.to_owned()).fetch(&none)?)
}

/// `beffroi plugin inspect`
fn inspect(file: &Path, as_json: bool) -> anyhow::Result<Said> {
    let package = package::read(bytes_of(file)?)?;
    let language = own_language();
    let shown = shown::package(&package, language);
    Ok(if as_json { document(&shown) } else { Said::good(described(&shown, language)) })
}

/// `beffroi plugin verify`
fn verify(file: &Path, key: Option<&str>, as_json: bool) -> anyhow::Result<Said> {
    let package = package::read(bytes_of(file)?)?;
    let publisher = package.signed()?;
    if let Some(key) = key {
        let text = if Path::new(key).is_file() {
            std::fs::read_to_string(key).context("The key cannot be read")?
        } else {
            key.to_owned()
        };
        let wanted = package::Publisher::parse(&text)?;
        if wanted != *publisher {
            bail!("This package was signed by {}, not by {}. It is not from whom you think.", publisher.short(), wanted.short());
        }
    }
    let manifest = &package.manifest;
    if as_json {
        let shown = json!({ "name": manifest.name, "version": manifest.version, "publisher": publisher.as_str(), "digest": package.digest });
        return Ok(document(&shown));
    }
    let language = own_language();
    let text = language.pick(
        format!("{} {} est entier et signé par {publisher}.\nsha256 : {}\n", manifest.name, manifest.version, package.digest),
        format!("{} {} is whole and signed by {publisher}.\nsha256: {}\n", manifest.name, manifest.version, package.digest),
    );
    Ok(Said::good(typeset(&text, language)))
}

/// `beffroi plugin key`
fn key(file: &Path, as_json: bool) -> anyhow::Result<Said> {
    let language = own_language();
    let (key, new) = match std::fs::read_to_string(file) {
        Ok(text) => {
            let password = std::env::var("BEFFROI_KEY_PASSWORD").ok();
            (SigningKey::parse(&text, password.as_deref())?, false)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = SigningKey::generate()?;
            let failed = || format!("The key cannot be written to {}", file.display());
            let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).with_context(failed)?;
            out.write_all(key.to_text()?.as_bytes()).and_then(|()| out.sync_all()).with_context(failed)?;
            (key, true)
        }
        Err(error) => bail!("The file {} cannot be read: {error}.", file.display()),
    };
    let publisher = key.publisher();
    if as_json {
        return Ok(document(&json!({ "publisher": publisher.as_str(), "file": file, "new": new })));
    }
    let mut text = String::new();
    if new {
        let line = language.pick(
            format!(
                "Nouvelle clé dans {}. Gardez ce fichier secret et sauvegardez-le : sans lui, plus de nouvelle version.",
                file.display()
            ),
            format!(
                "A new key is in {}. Keep this file secret and keep a copy: without it there is no new version.",
                file.display()
            ),
        );
        let _ = writeln!(text, "{line}");
    }
    let line = language.pick(
        format!("Publiez cette ligne à côté de vos plugins, pour que chacun reconnaisse votre clé :\n{publisher}"),
        format!("Publish this line beside your plugins, so that everybody knows your key:\n{publisher}"),
    );
    let _ = writeln!(text, "{line}");
    Ok(Said::good(typeset(&text, language)))
}

/// Where plugins are installed: in a running daemon, or in its store while none runs.
enum Home {
    Daemon(Caller),
    Store(Box<Alone>),
}

/// The store of a daemon that does not run.
struct Alone {
    store: Store,
    network: Egress,
    instance: Instance,
}

impl Alone {
    fn open(config: &Config) -> anyhow::Result<Self> {
        let loaded = config::load(&config.file(), &service::base(config.state.clone()))
            .map_err(|problems| anyhow!(problems.iter().map(Problem::render).collect::<String>().trim_end().to_owned()))?;
        let rules = Rules { allow_private: loaded.instance.limits.allow_private.clone(), ..Rules::default() };
        let network = Egress::new(&rules, Arc::new(SystemClock::new()))?;
        Ok(Self { store: Store::open(&loaded.store, Mode::Threaded)?, network, instance: loaded.instance })
    }

    fn shelf(&self) -> Shelf<'_> {
        Shelf {
            store: &self.store,
            folder: install::folder(self.store.path()),
            network: &self.network,
            now: SystemClock::new().now(),
            language: self.instance.business.language,
            // It is compiled when the daemon starts.
            hooks: Hooks::default(),
        }
    }
}

impl Home {
    fn open(socket: &Path, config: &Config) -> anyhow::Result<Self> {
        match Caller::connect(socket) {
            Ok(caller) => Ok(Self::Daemon(caller)),
            // Without a configuration the missing daemon is what there is to say.
            Err(silent) if !config.file().exists() => Err(silent),
            Err(_) => Ok(Self::Store(Box::new(Alone::open(config)?))),
        }
    }

    fn list(&mut self) -> anyhow::Result<(Json, Language)> {
        match self {
            Self::Daemon(caller) => {
                let reply = caller.get("/v1/plugins")?;
                Ok((reply.json()?, reply.language))
            }
            Self::Store(alone) => Ok((shown::list(&alone.shelf(), &alone.instance)?, alone.instance.business.language)),
        }
    }

    fn suspend(&mut self, name: &str, reason: Option<Option<String>>) -> anyhow::Result<(Json, Language)> {
        match self {
            Self::Daemon(caller) => {
                let (verb, body) = match reason {
                    Some(Some(reason)) => ("suspend", json!({ "reason": reason })),
                    Some(None) => ("suspend", json!({})),
                    None => ("resume", json!({})),
                };
                let reply = caller.post(&format!("/v1/plugins/{}/{verb}", part(name)), &body)?;
                Ok((reply.json()?, reply.language))
            }
            Self::Store(alone) => {
                let shelf = alone.shelf();
                let reason = reason.map(|reason| reason.unwrap_or_else(|| shelf.language.pick("à la main", "by hand").into()));
                shelf.suspend(name, reason.clone())?;
                Ok((json!({ "name": name, "suspended": reason }), shelf.language))
            }
        }
    }

    fn remove(&mut self, name: &str, yes: bool, as_json: bool) -> anyhow::Result<Said> {
        let (all, language) = self.list()?;
        let used =
            all.as_array().into_iter().flatten().find(|plugin| plugin["name"] == name).map(|plugin| words(&plugin["used_by"]));
        let used = used.filter(|used| !used.is_empty()).map(|used| {
            let used = list(&used, language);
            language.pick(format!("Il sert à : {used}. "), format!("It is used by: {used}. "))
        });
        let question = language.pick(
            format!("{}Retirer {name}, avec tout ce qu'il a retenu ?", used.clone().unwrap_or_default()),
            format!("{}Remove {name}, with all it remembers?", used.unwrap_or_default()),
        );
        if !yes && !ask(&question, language)? {
            bail!("{}", language.pick("Rien n'est changé.", "Nothing has changed."));
        }
        let answer = match self {
            Self::Daemon(caller) => caller.send(Method::DELETE, &format!("/v1/plugins/{}", part(name)), None)?.json()?,
            Self::Store(alone) => {
                let row = alone.shelf().remove(name)?;
                json!({ "name": name, "version": row.version, "removed": true })
            }
        };
        let text = language.pick(format!("{name} est retiré.\n"), format!("{name} is removed.\n"));
        Ok(if as_json { document(&answer) } else { Said::good(text) })
    }

    fn install(&mut self, source: &str, name: Option<&str>, allow: &Allow, as_json: bool) -> anyhow::Result<Said> {
        let parsed = Source::parse(source)?;
        let bytes = match &parsed {
            Source::File(file) => Some(bytes_of(file)?),
            Source::Web { .. } | Source::Oci { .. } => None,
        };
        let mut body = json!({ "source": source, "by": user(), "force": allow.force, "new_key": allow.new_key });
        if let Some(name) = name {
            body["name"] = json!(name);
        }
        if let (Self::Daemon(_), Some(bytes)) = (&*self, &bytes) {
            body["package"] = json!(BASE64.encode(bytes));
        }
        let mut allowed = Allowed { grant: allow.grant.clone(), by: user(), force: allow.force, new_key: allow.new_key };
        match self {
            Self::Daemon(caller) => {
                let reply = caller.post("/v1/plugins/examine", &body)?;
                let (examined, language) = (reply.json()?, reply.language);
                if let Some(name) = name {
                    needed(&examined, name)?;
                }
                allowed.grant = agree(&examined, allow, language)?;
                if let Some(grant) = &allowed.grant {
                    body["grant"] = json!(grant);
                }
                let reply = caller.post("/v1/plugins", &body)?;
                let done = reply.json()?;
                Ok(if as_json { document(&done) } else { Said::good(installed(&examined, &done, language)) })
            }
            Self::Store(alone) => {
                let shelf = alone.shelf();
                let bytes = match bytes {
                    Some(bytes) => bytes,
                    None => shelf.fetch(&parsed)?,
                };
                let examined = shelf.examine(bytes, source)?;
                let shown = shown::examined(&examined, shelf.language);
                if let Some(name) = name {
                    needed(&shown, name)?;
                }
                allowed.grant = agree(&shown, allow, shelf.language)?;
                let row = shelf.install(&examined, &allowed)?;
                let done = shown::installed(&shelf, &row, &alone.instance, alone.instance.business.zone);
                Ok(if as_json { document(&done) } else { Said::good(installed(&shown, &done, shelf.language)) })
            }
        }
    }
}

/// Refuses an upgrade of what is not installed, or by something else.
fn needed(examined: &Json, name: &str) -> anyhow::Result<()> {
    let found = text(examined, "name");
    if found != name {
        bail!("This package is the plugin {found}, not {name}.");
    }
    if examined["before"].is_null() {
        bail!("{name} is not installed. Install it with: beffroi plugin install SOURCE");
    }
    Ok(())
}

/// The yes that goes along, if one is needed: typed, or given beforehand.
fn agree(examined: &Json, allow: &Allow, language: Language) -> anyhow::Result<Option<String>> {
    if examined["asks"] != true || allow.grant.is_some() {
        return Ok(allow.grant.clone());
    }
    let grant = examined["grant"].as_str().map(str::to_owned);
    let blocked = (examined["step"] == "downgrade" && !allow.force) || (!examined["other_key"].is_null() && !allow.new_key);
    // What is refused anyway is not worth a question: the refusal says why.
    if blocked {
        return Ok(None);
    }
    // Nobody said yes yet to anything of this plugin: that much can be said beforehand. What an upgrade adds cannot.
    if allow.yes && examined["before"].is_null() && examined["other_key"].is_null() {
        return Ok(grant);
    }
    if !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    eprint!("{}", asked(examined, language));
    let question = match examined["before"].as_str() {
        None => language.pick("L'installer ?", "Install it?"),
        Some(_) => language.pick("L'accepter ?", "Agree?"),
    };
    if ask(question, language)? { Ok(grant) } else { bail!("{}", language.pick("Rien n'est changé.", "Nothing has changed.")) }
}

/// Asks a person at the terminal; without one the answer is no.
fn ask(question: &str, language: Language) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let hint = language.pick("[o/N]", "[y/N]");
    eprint!("{} {hint} ", typeset(question, language));
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes", "o", "oui"].contains(&answer.trim().to_lowercase().as_str())
}

fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_default()
}

fn words(json: &Json) -> Vec<String> {
    json.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// What a person has to know before they say yes.
fn asked(examined: &Json, language: Language) -> String {
    let mut out = String::new();
    let (title, version, summary) = (text(examined, "title"), text(examined, "version"), text(examined, "summary"));
    let _ = writeln!(out, "{title} {version} — {summary}");
    let publisher = text(examined, "publisher");
    let line = match (examined["other_key"].as_str(), examined["before"].as_str()) {
        (Some(other), _) => language.pick(
            format!("! Signé par une autre clé qu'avant.\n  Avant :      {other}\n  Maintenant : {publisher}"),
            format!("! Signed by another key than before.\n  Before: {other}\n  Now:    {publisher}"),
        ),
        (None, Some(before)) => language.pick(
            format!("Signé par la même clé que la version {before}, qui est installée."),
            format!("Signed by the same key as version {before}, which is installed."),
        ),
        (None, None) => language.pick(
            format!("Signé par la clé {publisher}\nComparez-la à celle que l'auteur publie."),
            format!("Signed by the key {publisher}\nCompare it with the one the author publishes."),
        ),
    };
    let _ = writeln!(out, "{line}\n");
    let question = text(examined, "question");
    if question.is_empty() {
        let head = language.pick("Cette version demande en plus :", "In addition, this version wants to:");
        let _ = writeln!(out, "{head}");
        for line in words(&examined["new"]) {
            let _ = writeln!(out, "  • {line}");
        }
        let gone = words(&examined["gone"]);
        if !gone.is_empty() {
            let _ = writeln!(out, "{}", language.pick("Elle ne demande plus :", "It no longer wants to:"));
            for line in gone {
                let _ = writeln!(out, "  • {line}");
            }
        }
    } else {
        out.push_str(question);
    }
    out.push('\n');
    typeset(&out, language)
}

/// What came of an installation, and what is left to do.
fn installed(examined: &Json, done: &Json, language: Language) -> String {
    let (name, version) = (text(done, "name"), text(done, "version"));
    let mut out = match text(examined, "step") {
        "same" => {
            language.pick(format!("{name} {version} est déjà installé.\n"), format!("{name} {version} is installed already.\n"))
        }
        _ => match examined["before"].as_str().filter(|before| *before != version) {
            Some(before) => language.pick(
                format!("{name} {version} remplace {before}. Ce qu'il a retenu est gardé.\n"),
                format!("{name} {version} replaces {before}. What it remembers is kept.\n"),
            ),
            None => language.pick(format!("{name} {version} est installé.\n"), format!("{name} {version} is installed.\n")),
        },
    };
    if words(&done["used_by"]).is_empty() {
        out.push_str(&recipe(done, language));
    }
    typeset(&out, language)
}

/// How a plugin is put to use in the configuration.
fn recipe(done: &Json, language: Language) -> String {
    let name = text(done, "name");
    let abilities = words(&done["abilities"]);
    let can = |ability: &str| abilities.iter().any(|found| found == ability);
    let section = match () {
        () if can("publish") => "accounts",
        () if can("feed") => "feeds",
        () if can("stock") => "catalogs",
        () if can("generate") => "generators",
        () if can("notify") => "people",
        () if can("workflow") => "workflows",
        () => return String::new(),
    };
    let mut out = language
        .pick("Pour vous en servir, écrivez dans votre configuration :\n", "To use it, write into your configuration:\n")
        .to_owned();
    let _ = writeln!(out, "\n  [{section}.{name}]");
    if section == "accounts" {
        let _ = writeln!(out, "  network = \"{name}\"");
    }
    let _ = writeln!(out, "  plugin = \"{name}\"");
    let settings: Vec<String> = done["settings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|setting| setting["needed"] == true)
        .map(|setting| format!("{} = \"…\"", text(setting, "name")))
        .collect();
    if !settings.is_empty() {
        let _ = writeln!(out, "  settings = {{ {} }}", settings.join(", "));
    }
    for credential in done["credentials"].as_array().into_iter().flatten() {
        let (key, label) = (text(credential, "name"), text(credential, "label"));
        let _ = writeln!(
            out,
            "{}",
            language.pick(
                format!("\nMettez « {label} » dans le fichier secrets/{name}-{key} (droits 0600)."),
                format!("\nPut \"{label}\" into the file secrets/{name}-{key} (mode 0600).")
            )
        );
    }
    out
}

/// What abilities are for.
fn ability(word: &str, language: Language) -> &str {
    let (fr, en) = match word {
        "plugin" => ("", ""),
        "publish" => ("publier", "publish"),
        "prepare" => ("préparer", "prepare"),
        "lookup" => ("vérifier", "look up"),
        "unpublish" => ("retirer", "take down"),
        "metrics" => ("chiffres", "figures"),
        "inbox" => ("messages", "inbox"),
        "feed" => ("actualités", "news"),
        "stock" => ("produits", "products"),
        "generate" => ("écrire", "write"),
        "notify" => ("prévenir", "notify"),
        "workflow" => ("programme", "workflow"),
        other => (other, other),
    };
    language.pick(fr, en)
}

fn abilities(json: &Json, language: Language) -> String {
    let all = words(json);
    all.iter().map(|word| ability(word, language)).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
}

/// `beffroi plugin list`
fn listed(all: &Json, language: Language) -> String {
    let rows = all.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return language
            .pick(
                "Aucun plugin n'est installé. Pour en installer un : beffroi plugin install FICHIER\n",
                "No plugin is installed. To install one: beffroi plugin install FILE\n",
            )
            .to_owned();
    }
    let now: Timestamp = SystemClock::new().now();
    let mut remarks = String::new();
    let shown = rows.iter().map(|plugin| {
        let name = text(plugin, "name");
        let state = match text(plugin, "state") {
            "suspended" => {
                let since = moment_of(text(plugin, "since"), now, language);
                let reason = text(plugin, "reason");
                let _ = writeln!(
                    remarks,
                    "{}",
                    language.pick(
                        format!("• {name} est suspendu depuis {since} : {reason}\n    beffroi plugin resume {name}"),
                        format!("• {name} is suspended since {since}: {reason}\n    beffroi plugin resume {name}")
                    )
                );
                language.pick("suspendu", "suspended")
            }
            "broken" => {
                let _ = writeln!(remarks, "• {}", text(plugin, "problem"));
                language.pick("abîmé", "broken")
            }
            _ => language.pick("prêt", "ready"),
        };
        let used: Vec<String> =
            words(&plugin["used_by"]).iter().map(|scope| scope.split(':').next_back().unwrap_or(scope).to_owned()).collect();
        let used = if used.is_empty() { "—".to_owned() } else { used.join(", ") };
        [
            name.to_owned(),
            text(plugin, "version").to_owned(),
            text(plugin, "key").to_owned(),
            abilities(&plugin["abilities"], language),
            used,
            state.to_owned(),
        ]
    });
    let head = language
        .pick(["Nom", "Version", "Clé", "Sait faire", "Sert à", "État"], ["Name", "Version", "Key", "Can", "Used by", "State"]);
    let table = super::page::table(head, shown.collect::<Vec<_>>().into_iter());
    let gap = if remarks.is_empty() { "" } else { "\n" };
    format!("{table}{gap}{}", typeset(&remarks, language))
}

/// `beffroi plugin inspect`
fn described(package: &Json, language: Language) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{} {} — {}", text(package, "name"), text(package, "version"), text(package, "summary"));
    let mut line = |fr: &str, en: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "  {}", language.pick(format!("{fr} : {value}"), format!("{en}: {value}")));
        }
    };
    match package["publisher"].as_str() {
        Some(publisher) => line("Signé par", "Signed by", publisher),
        None => {
            line(
                "Signature",
                "Signature",
                language.pick("aucune ; il ne peut pas être installé", "none; it cannot be installed"),
            );
        }
    }
    line("sha256", "sha256", text(package, "digest"));
    line("Licence", "License", text(package, "license"));
    line("Site", "Site", text(package, "homepage"));
    line("Sait faire", "Can", &abilities(&package["abilities"], language));
    line("Inconnu ici", "Unknown here", &words(&package["unknown"]).join(", "));
    let rights = words(&package["rights"]);
    let _ = writeln!(
        out,
        "{}",
        match rights.is_empty() {
            true => language.pick("Il ne demande aucun droit.", "It asks for no right."),
            false => language.pick("Il veut :", "It wants to:"),
        }
    );
    for right in rights {
        let _ = writeln!(out, "  • {right}");
    }
    let settings = package["settings"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !settings.is_empty() {
        let _ = writeln!(out, "{}", language.pick("Ce que vous remplissez :", "What you fill in:"));
    }
    for setting in settings {
        let usual = match &setting["default"] {
            Json::Null if setting["needed"] == true => String::new(),
            Json::Null => language.pick(" (facultatif)", " (optional)").to_owned(),
            value => format!(" ({value})"),
        };
        let _ = writeln!(out, "  • {} — {}{usual}", text(setting, "name"), text(setting, "label"));
    }
    typeset(&out, language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        for yes in ["y\n", "Yes\n", "o", "OUI"] {
            assert!(is_yes(yes), "{yes}");
        }
        for no in ["", "\n", "n", "non", "yep", "y y"] {
            assert!(!is_yes(no), "{no}");
        }
    }

    #[test]
    fn a_list_says_who_uses_what_and_what_to_do_about_the_rest() {
        let all = json!([
            { "name": "bluesky", "version": "0.1.0", "key": "…abc", "abilities": ["plugin", "publish", "inbox"],
              "used_by": ["account:vitrine"], "state": "ready" },
            { "name": "hn", "version": "1.0.0", "key": "…def", "abilities": ["plugin", "feed"], "used_by": [], "state": "suspended",
              "reason": "too many defects", "since": "2026-11-22T07:30:00+01:00" },
        ]);
        let text = listed(&all, Language::En);
        for part in ["bluesky", "publish, inbox", "vitrine", "ready", "too many defects", "beffroi plugin resume hn"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(listed(&json!([]), Language::Fr).contains("beffroi plugin install"));
    }

    #[test]
    fn a_yes_given_beforehand_covers_a_first_installation_and_no_more() {
        let allow = |yes| Allow { yes, grant: None, force: false, new_key: false };
        let first = json!({ "asks": true, "grant": "q", "step": "first" });
        assert_eq!(agree(&first, &allow(true), Language::En).unwrap().as_deref(), Some("q"));
        let wider = json!({ "asks": true, "grant": "q", "step": "upgrade", "before": "0.1.0" });
        if !std::io::stdin().is_terminal() {
            assert_eq!(agree(&wider, &allow(true), Language::En).unwrap(), None);
            assert_eq!(agree(&first, &allow(false), Language::En).unwrap(), None);
        }
        let nothing = json!({ "asks": false, "grant": "q", "step": "upgrade", "before": "0.1.0" });
        assert_eq!(agree(&nothing, &allow(false), Language::En).unwrap(), None);
    }
}
