//! Where attacks are carried out: a real engine on a simulated clock, the real host with its store, a good plugin beside the bad one.
//!
//! In: a case's orders and setting. Out: what the daemon saw of it. Never: a host or a limit other than the daemon's own.

use beffroi::clock::{Clock, SystemClock};
use beffroi::domain::{Digest, Json, Language, PluginName, Timestamp};
use beffroi::egress::{Egress, Lookup, Rules};
use beffroi::instance::{Current, Instance, PluginUse};
use beffroi::kinds::{Call, Keep, KindError, Media, Outgoing, SignalPage};
use beffroi::network::{Network, NetworkError, Request, Response};
use beffroi::plugin::host::Host;
use beffroi::plugin::manifest::{self, Manifest};
use beffroi::plugin::{Installed, Plugins, install, package, rights};
use beffroi::secrets::{Secrets, Sources};
use beffroi::store::view::RunDetail;
use beffroi::store::{Store, plugins};
use beffroi_tests::World;
use serde_json::json;
use std::collections::BTreeMap;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// One attack.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) what: &'static str,
    /// The rule that must stop it.
    pub(crate) rule: &'static str,
    /// Words that the sentence must hold.
    pub(crate) says: &'static [&'static str],
    /// How it must end.
    pub(crate) end: End,
    pub(crate) act: fn(&mut Bench, &str) -> Seen,
}

/// How an attack ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The plugin was told no, and went on.
    Stopped,
    /// What it answered was cut, cleaned or left out.
    Cleaned,
    /// The call failed, and a defect was counted.
    Defect,
    /// The call failed and is tried again later.
    Retry,
    /// The call failed for good.
    Reject,
    /// Something may have been sent: it is read back.
    Uncertain,
    /// The file was refused.
    Refused,
}

/// What was seen of it.
pub(crate) struct Seen {
    pub(crate) end: End,
    pub(crate) sentence: String,
}

impl Seen {
    pub(crate) fn stopped(sentence: impl Into<String>) -> Self {
        Self { end: End::Stopped, sentence: sentence.into() }
    }

    pub(crate) fn cleaned(sentence: impl Into<String>) -> Self {
        Self { end: End::Cleaned, sentence: sentence.into() }
    }

    pub(crate) fn refused(sentence: impl Into<String>) -> Self {
        Self { end: End::Refused, sentence: sentence.into() }
    }

    /// What a call came to, when what it gives is not looked at.
    pub(crate) fn of<T>(answer: Result<T, KindError>, told: impl FnOnce(T) -> String) -> Self {
        match answer {
            Ok(answer) => Self::stopped(told(answer)),
            Err(error) => Self::failed(&error),
        }
    }

    pub(crate) fn failed(error: &KindError) -> Self {
        let end = match error {
            KindError::Internal(_) => End::Defect,
            KindError::Retry(..) => End::Retry,
            KindError::Reject(_) | KindError::Reconnect(_) => End::Reject,
            KindError::Uncertain(_) => End::Uncertain,
        };
        Self { end, sentence: error.failure().message.clone() }
    }
}

/// The attacker, compiled once per process.
pub(crate) static BYTES: LazyLock<Vec<u8>> =
    LazyLock::new(|| std::fs::read(beffroi_tests::package("hostile")).expect("the package was built"));

/// Its bytes before a manifest was put into them.
pub(crate) fn component() -> Vec<u8> {
    let signed = &*BYTES;
    let unsigned = package::unsigned(signed).expect("a package");
    super::forge::without_manifest(unsigned)
}

/// Where compiled plugins are kept from one run of the tests to the next.
pub(crate) fn compiled() -> PathBuf {
    let folder = beffroi_tests::packages().parent().expect("packages lie in a folder").join("compiled");
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("made private");
    folder
}

/// A network that is not there.
pub(crate) struct Nowhere;

impl Network for Nowhere {
    fn send(&self, _: &Request) -> Result<Response, NetworkError> {
        Err(NetworkError::NotSent("There is no network here.".into()))
    }
}

/// How an attacker is set up.
pub(crate) struct Setup {
    /// More of its manifest.
    pub(crate) manifest: String,
    /// What the owner filled in beside the orders.
    pub(crate) settings: Json,
    /// The most time of its calls.
    pub(crate) time: Duration,
    /// What it is at work for.
    pub(crate) scope: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self { manifest: String::new(), settings: json!({}), time: Duration::from_secs(4), scope: "feed:town".into() }
    }
}

impl Setup {
    pub(crate) fn quick() -> Self {
        Self { time: Duration::from_millis(300), ..Self::default() }
    }

    pub(crate) fn with(manifest: impl Into<String>) -> Self {
        Self { manifest: manifest.into(), ..Self::default() }
    }
}

/// A canary: no attack may see it.
pub(crate) const CANARY: &str = "canary-3f9a1c7be2d84056";

pub(crate) struct Bench {
    world: World,
    store: Arc<Store>,
    current: Arc<Current>,
    clock: Arc<dyn Clock>,
    pub(crate) plugins: Plugins,
    keep: Keep,
    good: PluginUse,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let mut world = World::new()
            .account()
            .with(&beffroi_tests::ACCOUNT.replace("facebook", "mastodon").replace("posts", "other-posts"))
            .workflow("good", "events = \"never\"", "state::set(\"n\", state::get(\"n\", 0) + 1)");
        let clock: Arc<dyn Clock> = world.on().clock.clone();
        let (store, current) = (world.on().engine.store.clone(), world.on().engine.current.clone());
        let folder = world.path("secrets");
        std::fs::create_dir(&folder).expect("made");
        secret(&folder.join("town-token"), CANARY);
        secret(&folder.join("other-token"), "the-secret-of-somebody-else");
        let sources = Sources { credentials: None, folder, environment: Arc::new(|_| None) };
        let secrets = Arc::new(Secrets::new(store.clone(), clock.clone(), sources, &world.path("")));
        let host = Host::new(beffroi::daemon::functions(), Some(compiled()), Some(store.clone()), Some(secrets));
        let plugins = Plugins::new(Arc::new(host), store.clone(), current.clone(), clock.clone());
        let good = used("good", "feed:good", json!({ "orders": json!({ "do": "say", "text": "Bonjour" }).to_string() }));
        let bench = Self { world, store, current, clock, plugins, keep: Keep::default(), good };
        bench.put("good", "", &BYTES).expect("the good plugin is one");
        bench
    }

    /// Lets it attack as a workflow of the engine.
    pub(crate) fn run_as_workflow(&mut self, orders: &Json) -> RunDetail {
        if self.world.on().engine.plugins.loaded("hostile").is_none() {
            let compiled_here = install::folder(self.store.path()).join("compiled");
            std::fs::create_dir_all(&compiled_here).expect("made");
            std::fs::set_permissions(&compiled_here, std::fs::Permissions::from_mode(0o700)).expect("made private");
            let prefix = Digest::of(&BYTES).to_string();
            for entry in std::fs::read_dir(compiled()).expect("the cache").flatten() {
                if entry.file_name().to_string_lossy().starts_with(&prefix) {
                    std::fs::copy(entry.path(), compiled_here.join(entry.file_name())).expect("copied");
                }
            }
            self.world.install("hostile");
        }
        let orders = orders.to_string();
        self.world.reconfigure(|config| {
            let before = config.split("\n[workflows.evil]").next().unwrap_or_default().to_owned();
            format!(
                "{before}\n[workflows.evil]\nplugin = \"hostile\"\nevents = \"never\"\naccounts = [\"mastodon\"]\nsettings = {{ orders = '{orders}' }}\n"
            )
        });
        self.world.run("evil")
    }

    /// How many deliveries were planned so far.
    pub(crate) fn planned(&mut self) -> usize {
        self.world.deliveries().len()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.world.path(name)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Changes what the owner decides.
    pub(crate) fn decide(&self, change: impl FnOnce(&mut Instance)) {
        let mut instance = Instance::clone(&self.current.get());
        change(&mut instance);
        self.current.set(instance);
    }

    /// The real network, when the owner has opened these private places and no others.
    pub(crate) fn opening(&self, allow: &[String]) -> Egress {
        self.decide(|instance| instance.limits.allow_private = allow.to_vec());
        Egress::new(&rules(allow), Arc::new(SystemClock::new())).expect("good rules")
    }

    /// The same with nothing opened, and names that lead where the test says.
    pub(crate) fn asking(&self, lookup: Lookup) -> Egress {
        self.decide(|instance| instance.limits.allow_private.clear());
        Egress::asking(&rules(&[]), Arc::new(SystemClock::new()), lookup).expect("good rules")
    }

    /// Takes up a plugin with everything that its manifest asks for granted.
    pub(crate) fn put(&self, name: &str, more: &str, bytes: &[u8]) -> Result<(), String> {
        let manifest = Arc::new(manifest_of(name, more));
        let rights = rights::asked(&manifest);
        let installed = Installed { manifest, digest: Digest::of(bytes), rights, suspended: None };
        self.plugins.put(installed, || Ok(bytes.to_vec())).map(drop).map_err(|refused| refused.0.en)
    }

    /// The attacker under this name, set up like this.
    pub(crate) fn attacker(&self, name: &str, setup: &Setup, orders: &Json) -> PluginUse {
        self.put(name, &setup.manifest, &BYTES).expect("the attacker is a plugin");
        let mut settings = setup.settings.clone();
        settings["orders"] = orders.to_string().into();
        used(name, &setup.scope, settings)
    }

    pub(crate) fn call<'c>(&'c self, name: &'c str, time: Duration, network: &'c dyn Network) -> Call<'c> {
        Call {
            id: name,
            attempt: 1,
            time,
            keep: &self.keep,
            now: self.now(),
            network,
            zone: self.current.get().business.zone,
            language: Language::En,
        }
    }

    /// Lets it attack as a feed.
    pub(crate) fn poll(&self, name: &str, setup: &Setup, orders: &Json, network: &dyn Network) -> Result<SignalPage, KindError> {
        let used = self.attacker(name, setup, orders);
        self.plugins.source(&used).poll(&self.call(name, setup.time, network), None)
    }

    /// The same, and what it told.
    pub(crate) fn attack(&self, name: &str, setup: &Setup, orders: &Json) -> Seen {
        Seen::of(self.poll(name, setup, orders, &Nowhere), told)
    }

    /// How many defects were counted under this name, and every other name that begins with it.
    pub(crate) fn defects(&self, name: &str) -> u32 {
        let db = self.store.read().expect("a reader");
        plugins::crashes(&db, name, Timestamp::EPOCH).expect("an answer")
    }

    /// How much was kept since this was last asked.
    pub(crate) fn kept(&self) -> usize {
        self.keep.take().len()
    }

    /// A good plugin and a good workflow do their work.
    pub(crate) fn assert_unharmed(&mut self, after: &str) {
        self.keep.take();
        let page = self.plugins.source(&self.good).poll(&self.call("good", Duration::from_secs(10), &Nowhere), None);
        let page = page.unwrap_or_else(|e| panic!("after {after}, the good plugin fails: {e}"));
        assert_eq!(told(page), "Bonjour", "after {after}");
        let run = self.world.run("good");
        assert_eq!(run.row.error, None, "after {after}, the good workflow fails");
    }
}

/// What the attacker told, put together again.
pub(crate) fn told(page: SignalPage) -> String {
    page.signals.into_iter().map(|signal| signal.title).collect()
}

pub(crate) fn used(name: &str, scope: &str, settings: Json) -> PluginUse {
    PluginUse {
        plugin: PluginName::parse(name).expect("a name"),
        scope: scope.into(),
        settings: Arc::new(settings),
        secrets: Arc::new(BTreeMap::new()),
    }
}

/// A manifest as text.
pub(crate) fn manifest_text(name: &str, more: &str) -> String {
    format!(
        "[plugin]\nname = \"{name}\"\nversion = \"0.1.0\"\napi = \"0.1\"\ntitle = {{ fr = \"Essai\", en = \"Test\" }}\n\
         summary = {{ fr = \"Essai.\", en = \"Test.\" }}\nlicense = \"MIT\"\n\n[settings.orders]\ntype = \"text\"\ndefault = \"{{}}\"\n\
         label = {{ fr = \"Ordres\", en = \"Orders\" }}\n\n{more}"
    )
}

fn manifest_of(name: &str, more: &str) -> Manifest {
    let text = manifest_text(name, more);
    manifest::parse(&text, Path::new("beffroi-plugin.toml"))
        .unwrap_or_else(|problems| panic!("{}", problems.iter().map(|p| p.render()).collect::<String>()))
}

/// A place of a manifest, by a setting of the owner's or a host.
pub(crate) fn place(host: &str, methods: &str, paths: &str) -> String {
    format!("[[http]]\nhost = \"{host}\"\nmethods = {methods}\npaths = {paths}\nreason = {{ fr = \"essai\", en = \"test\" }}\n\n")
}

/// A setting that is an address.
pub(crate) fn address(name: &str) -> String {
    format!("[settings.{name}]\ntype = \"url\"\noptional = true\nlabel = {{ fr = \"Adresse\", en = \"Address\" }}\n\n")
}

pub(crate) fn rules(allow: &[String]) -> Rules {
    Rules { allow_private: allow.to_vec(), spacing: Duration::ZERO, ..Rules::default() }
}

pub(crate) fn secret(path: &Path, text: &str) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).expect("made");
    file.write_all(text.as_bytes()).expect("written");
}

/// A post with a picture.
pub(crate) fn post(bench: &Bench) -> Outgoing {
    const GIF: &[u8] = b"GIF89a\x03\x00\x02\x00\x00\x00\x00;";
    let path = bench.path("pain.gif");
    std::fs::write(&path, GIF).expect("written");
    let medium = Media { path: path.display().to_string(), alt: String::new(), digest: Digest::of(GIF).to_string() };
    Outgoing { text: "Bonjour".into(), media: vec![medium], format: "post".into(), ..Outgoing::default() }
}
