//! Packages as they come from strangers: whole or refused with a sentence, whatever was done to them; and how they are installed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use beffroi::admin::{self, App, Phase, socket};
use beffroi::cli::caller::Caller;
use beffroi::clock::{Dice, SystemClock};
use beffroi::config::Base;
use beffroi::daemon::{Engine, Injected};
use beffroi::domain::{Digest, Language, Timestamp};
use beffroi::network::{Response, ScriptedNetwork};
use beffroi::plugin::install::{self, Allowed, Examined, Hooks, Shelf, Source, Step};
use beffroi::plugin::package::{self, Package, Publisher, Refused, SigningKey};
use beffroi::store::{Mode, Op, PluginOp, Store};
use beffroi_tests::component::{FEED, component, manifest, module};
use hyper::Method;
use serde_json::json;
use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const PLACE: &str = "[[http]]\nhost = \"api.example.com\"\nmethods = [\"GET\"]\npaths = [\"/*\"]\n\
                     reason = { fr = \"pour lire\", en = \"to read\" }\n";

fn packed(version: &str, more: &str) -> Vec<u8> {
    package::embed(&component(&[], FEED), &manifest("trial", version, more)).expect("a component")
}

fn signed(version: &str, more: &str, key: &SigningKey) -> Vec<u8> {
    package::sign(&packed(version, more), key).expect("a package")
}

fn key() -> SigningKey {
    SigningKey::generate().expect("chance")
}

/// What an installation takes: whole, known, signed.
fn take(bytes: Vec<u8>) -> Result<Package, Refused> {
    let package = package::read(bytes)?;
    package.signed()?;
    Ok(package)
}

fn refused(bytes: Vec<u8>) -> String {
    take(bytes).expect_err("it is not to be taken").0
}

/// A custom section.
fn section(name: &str, content: &[u8]) -> Vec<u8> {
    use wasm_encoder::{CustomSection, Encode};
    let mut out = vec![0];
    CustomSection { name: name.into(), data: content.into() }.encode(&mut out);
    out
}

#[test]
fn a_signed_package_is_read_whole() {
    let key = key();
    let bytes = signed("0.1.0", PLACE, &key);
    let package = take(bytes.clone()).expect("whole");
    assert_eq!((package.manifest.name.as_str(), package.abilities.as_slice()), ("trial", &["plugin", "feed"][..]));
    assert_eq!(package.publisher, Some(key.publisher()));
    assert_eq!(package.digest, Digest::of(&bytes));
    let again = package::sign(&bytes, &key).expect("signed anew");
    assert_eq!(package::unsigned(&again).expect("whole"), packed("0.1.0", PLACE), "the signature is replaced, not added");
    assert!(refused(packed("0.1.0", "")).contains("not signed"));
}

#[test]
fn a_truncated_package_is_refused_at_every_byte() {
    let bytes = signed("0.1.0", "", &key());
    for end in 0..bytes.len() {
        let sentence = refused(bytes[..end].to_vec());
        assert!(sentence.ends_with(['.', ')']) || sentence.contains("plugin pack"), "{end}: {sentence}");
    }
}

#[test]
fn a_changed_bit_anywhere_is_a_refused_package() {
    let bytes = signed("0.1.0", PLACE, &key());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(take(changed).is_err(), "byte {at}, bit {bit}");
        }
    }
    let dice = Dice::seeded(7);
    for _ in 0..2_000 {
        let mut changed = bytes.clone();
        for _ in 0..=dice.below(6) {
            let at = usize::try_from(dice.below(changed.len() as u64)).expect("small");
            changed[at] = u8::try_from(dice.below(256)).expect("a byte");
        }
        assert!(changed == bytes || take(changed).is_err());
    }
}

#[test]
fn what_is_no_component_is_named_for_what_it_is() {
    for (bytes, words) in [
        (b"".to_vec(), "is empty"),
        (b"#!/bin/sh".to_vec(), "not WebAssembly"),
        (b"<!doctype html>".to_vec(), "web page"),
        (b"(component)".to_vec(), "as text"),
        (b"\0as".to_vec(), "cut short"),
        (b"\0asm\x02\0\x03\0".to_vec(), "version 2, layer 3"),
        (module().finish(), "core WebAssembly module, not a component"),
        (component(&[], FEED), "carries no manifest"),
        (vec![0; package::LARGEST + 1], "64 MiB"),
    ] {
        let sentence = package::read(bytes).expect_err(words).0;
        assert!(sentence.contains(words), "{words}: {sentence}");
    }
}

#[test]
fn a_component_for_another_contract_is_refused_in_words() {
    let with = |imports: &[(&str, &[&str])], exports: &[(&str, &[&str])]| {
        let bytes = component(imports, exports);
        package::read(package::embed(&bytes, &manifest("trial", "0.1.0", "")).expect("packed")).expect_err("another contract").0
    };
    let newer = with(&[("beffroi:plugin/http@0.2.0", &["send"])], FEED);
    assert!(newer.contains("needs API 0.2, this daemon offers 0.1"), "{newer}");
    let newer = with(&[], &[("beffroi:plugin/plugin@0.2.1", &["check"])]);
    assert!(newer.contains("needs API 0.2, this daemon offers 0.1"), "{newer}");
    let patch = with(&[("beffroi:plugin/http@0.1.3", &["send", "stream"])], FEED);
    assert!(patch.contains("function stream of beffroi:plugin/http"), "{patch}");
    let unknown = with(&[("beffroi:plugin/htp@0.1.0", &["send"])], FEED);
    assert!(unknown.contains("beffroi:plugin/htp") && unknown.contains("\"http\""), "{unknown}");
    let sockets = with(&[("wasi:http/outgoing-handler@0.2.0", &["handle"])], FEED);
    assert!(sockets.contains("beffroi:plugin/http"), "{sockets}");
    let foreign = with(&[("evil:host/files@1.0.0", &["read"])], FEED);
    assert!(foreign.contains("evil:host/files@1.0.0"), "{foreign}");
    let partial = with(&[], &[FEED[0], ("beffroi:plugin/publish@0.1.0", &["publish"])]);
    assert!(partial.contains("without the function validate"), "{partial}");
    assert!(with(&[], &[FEED[1]]).contains("does not export beffroi:plugin/plugin"));
    assert!(with(&[], &[FEED[0]]).contains("can do nothing"));
    let line = manifest("trial", "0.1.0", "").replace("api = \"0.1\"", "api = \"0.3\"");
    let line = package::read(package::embed(&component(&[], FEED), &line).expect("packed")).expect_err("another line").0;
    assert!(line.contains("needs API 0.3"), "{line}");
    // What a later contract adds to exports is not used, and no reason to refuse.
    let later = component(&[("wasi:io/poll@0.2.6", &["poll"])], &[FEED[0], FEED[1], ("beffroi:plugin/karaoke@0.1.2", &["sing"])]);
    let later = package::read(package::embed(&later, &manifest("trial", "0.1.0", "")).expect("packed")).expect("known enough");
    assert_eq!((later.unknown.as_slice(), later.abilities.as_slice()), (&["karaoke".to_owned()][..], &["plugin", "feed"][..]));
}

#[test]
fn forged_packages_are_refused_each_with_its_sentence() {
    let (mine, other) = (key(), key());
    let good = signed("0.1.0", "", &mine);
    let bare = packed("0.1.0", "");
    let said = |bytes: Vec<u8>, words: &str| {
        let sentence = refused(bytes);
        assert!(sentence.contains(words), "{words}: {sentence}");
    };
    let text = manifest("trial", "0.1.0", PLACE);
    let two = [bare.clone(), section("beffroi:manifest", text.as_bytes())].concat();
    said(two.clone(), "two sections beffroi:manifest");
    assert!(package::sign(&two, &mine).is_err(), "and cannot be signed");
    said([good.clone(), section("beffroi:manifest", text.as_bytes())].concat(), "follows the signature");
    said([good.clone(), section("name", b"")].concat(), "follows the signature");
    let signature = good[bare.len()..].to_vec();
    said([good.clone(), signature.clone()].concat(), "follows the signature");
    said([packed("9.9.9", ""), signature].concat(), "changed after it was signed");
    let (publisher, text) = package::signature(&good).expect("signed");
    assert_eq!(publisher, mine.publisher());
    let forged =
        |key: &Publisher, text: &str| [bare.clone(), section("beffroi:signature", format!("{key}\n{text}").as_bytes())].concat();
    assert_eq!(forged(&publisher, &text), good);
    said(forged(&other.publisher(), &text), "Somebody put another key in");
    said(
        forged(&publisher, &text.replace("untrusted comment: ", "untrusted comment: by the Beffroi team, ")),
        "not one that minisign",
    );
    said(forged(&publisher, &text.replace("trusted comment: plugin", "trusted comment: Plugin")), "changed after it was signed");
    said(forged(&publisher, &(text + "\n")), "not one that minisign");
    said(forged(&publisher, ""), "not one that minisign");
    said([bare.clone(), section("beffroi:signature", &[0xff])].concat(), "not text");
    said([bare, section("beffroi:extras", b"")].concat(), "does not know");
    let broken = [component(&[], FEED), section("beffroi:manifest", b"[plugin]\nname = 3\n")].concat();
    said(broken, "beffroi-plugin.toml:2:8");
}

#[test]
fn minisign_itself_agrees() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    if Command::new("minisign").arg("-v").output().is_err() {
        eprintln!("minisign is not installed: not compared");
        return;
    }
    let tool = |arguments: &[&str]| {
        let done = Command::new("minisign").args(arguments).current_dir(folder.path()).output().expect("it runs");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    // Ours, checked by the tool.
    let mine = key();
    let good = signed("0.1.0", "", &mine);
    let (publisher, signature) = package::signature(&good).expect("signed");
    std::fs::write(path("p.wasm"), package::unsigned(&good).expect("whole")).expect("written");
    std::fs::write(path("p.wasm.minisig"), signature).expect("written");
    tool(&["-Vm", "p.wasm", "-P", publisher.as_str()]);
    // The tool's, attached and checked by us.
    tool(&["-GW", "-p", "tool.pub", "-s", "tool.key"]);
    tool(&["-Sm", "p.wasm", "-s", "tool.key", "-x", "tool.minisig", "-t", "by the tool"]);
    let read = |name: &str| std::fs::read_to_string(path(name)).expect("written");
    let publisher = Publisher::parse(&read("tool.pub")).expect("a key");
    let bytes = package::attach(&good, &publisher, &read("tool.minisig")).expect("its signature fits");
    assert_eq!(take(bytes).expect("whole").publisher, Some(publisher.clone()));
    // Keys go both ways.
    let theirs = SigningKey::parse(&read("tool.key"), None).expect("their key");
    assert_eq!(theirs.publisher(), publisher);
    std::fs::write(path("mine.key"), mine.to_text().expect("text")).expect("written");
    tool(&["-Sm", "p.wasm", "-s", "mine.key", "-x", "mine.minisig"]);
    package::attach(&good, &mine.publisher(), &read("mine.minisig")).expect("signed with our key by the tool");
}

/// A store and a folder, without a daemon.
struct Bench {
    folder: tempfile::TempDir,
    store: Store,
    network: ScriptedNetwork,
    changed: RefCell<Vec<String>>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("beffroi.db"), Mode::Inline).expect("a store");
        Self { folder, store, network: ScriptedNetwork::new(), changed: RefCell::default() }
    }

    fn with<T>(&self, prepare: &dyn Fn(&Package) -> Result<(), String>, work: impl FnOnce(&Shelf<'_>) -> T) -> T {
        let changed = |name: &str| self.changed.borrow_mut().push(name.to_owned());
        work(&Shelf {
            store: &self.store,
            folder: install::folder(self.store.path()),
            network: &self.network,
            now: Timestamp::from_millis(1_000),
            language: Language::En,
            hooks: Hooks { prepare, changed: &changed },
        })
    }

    fn shelf<T>(&self, work: impl FnOnce(&Shelf<'_>) -> T) -> T {
        self.with(&|_| Ok(()), work)
    }

    fn examine(&self, bytes: &[u8]) -> Examined {
        self.shelf(|shelf| shelf.examine(bytes.to_vec(), "trial.wasm")).expect("a good package")
    }

    fn install(&self, bytes: &[u8], allowed: &Allowed) -> Result<(), String> {
        let examined = self.examine(bytes);
        self.shelf(|shelf| shelf.install(&examined, allowed)).map(drop).map_err(|refused| refused.0)
    }

    fn agreed(&self, bytes: &[u8]) {
        let allowed = Allowed { grant: Some(self.examine(bytes).consent.to_string()), by: "Ana".into(), ..Allowed::default() };
        self.install(bytes, &allowed).expect("agreed to");
    }

    fn files(&self) -> Vec<PathBuf> {
        let folder = install::folder(self.store.path());
        let mut all: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        all.sort();
        all
    }

    fn version(&self) -> Option<String> {
        self.shelf(|shelf| shelf.rows()).expect("readable").pop().map(|row| row.version)
    }
}

#[test]
fn a_first_installation_needs_a_yes_to_exactly_what_was_asked() {
    let bench = Bench::new();
    let bytes = signed("0.1.0", PLACE, &key());
    let examined = bench.examine(&bytes);
    assert_eq!((examined.step, examined.asks), (Step::First, true));
    let none = bench.install(&bytes, &Allowed::default()).expect_err("nobody said yes");
    assert!(none.contains("read at api.example.com: \"to read\"") && none.contains(&examined.consent.to_string()), "{none}");
    let other = Allowed { grant: Some("0".repeat(64)), ..Allowed::default() };
    assert!(bench.install(&bytes, &other).expect_err("another question").contains("something else"));
    assert_eq!((bench.version(), bench.files().len()), (None, 0), "nothing is left behind");
    bench.agreed(&bytes);
    assert_eq!(bench.version().as_deref(), Some("0.1.0"));
    let [file] = bench.files().try_into().expect("one file");
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(bench.changed.borrow().as_slice(), ["trial"]);
    let row = bench.shelf(|shelf| shelf.rows()).expect("readable").remove(0);
    assert_eq!(install::stored(file.parent().expect("a folder"), &row).expect("whole").digest.to_string(), row.digest);
    std::fs::write(&file, &bytes[1..]).expect("written");
    assert!(install::stored(file.parent().expect("a folder"), &row).expect_err("changed").0.contains("somebody changed it"));
}

#[test]
fn the_same_rights_by_the_same_key_are_asked_once() {
    let bench = Bench::new();
    let key = key();
    bench.agreed(&signed("0.1.0", PLACE, &key));
    let newer = signed("0.2.0", &PLACE.replace("to read", "to read the news"), &key);
    assert_eq!((bench.examine(&newer).step, bench.examine(&newer).asks), (Step::Upgrade, false));
    bench.install(&newer, &Allowed::default()).expect("nothing new is asked");
    assert_eq!((bench.version().as_deref(), bench.files().len()), (Some("0.2.0"), 1), "the old file is gone");
    bench.install(&signed("0.3.0", "", &key), &Allowed::default()).expect("less is no question");
    // What was agreed to once for these rights and this key holds on.
    bench.install(&signed("0.4.0", PLACE, &key), &Allowed::default()).expect("agreed to before");
    bench.shelf(|shelf| shelf.remove("trial")).expect("there");
    assert_eq!((bench.version(), bench.files().len()), (None, 0));
    bench.install(&signed("0.4.0", PLACE, &key), &Allowed::default()).expect("agreed to before");
}

#[test]
fn a_wider_upgrade_is_refused_with_what_is_new_and_no_more() {
    let bench = Bench::new();
    let key = key();
    bench.agreed(&signed("0.1.0", PLACE, &key));
    let wider = signed("0.2.0", &PLACE.replace("[\"GET\"]", "[\"GET\", \"DELETE\"]"), &key);
    let sentence = bench.install(&wider, &Allowed::default()).expect_err("more than before");
    assert!(sentence.contains("delete at api.example.com") && !sentence.contains("read and"), "{sentence}");
    assert_eq!(bench.version().as_deref(), Some("0.1.0"));
    bench.agreed(&wider);
    assert_eq!(bench.version().as_deref(), Some("0.2.0"));
}

#[test]
fn another_key_and_an_older_version_need_their_own_word() {
    let bench = Bench::new();
    let (key, thief) = (key(), key());
    bench.agreed(&signed("0.2.0", PLACE, &key));
    let stolen = signed("0.3.0", PLACE, &thief);
    let examined = bench.examine(&stolen);
    assert!(examined.asks, "a yes to one publisher is none to another");
    let grant = Some(examined.consent.to_string());
    let sentence = bench.install(&stolen, &Allowed { grant: grant.clone(), ..Allowed::default() }).expect_err("another key");
    assert!(sentence.contains(&key.publisher().short()) && sentence.contains(&thief.publisher().short()), "{sentence}");
    // Not even after a removal: the name does not change hands silently.
    bench.shelf(|shelf| shelf.remove("trial")).expect("there");
    assert!(bench.install(&stolen, &Allowed { grant: grant.clone(), ..Allowed::default() }).is_err());
    bench.install(&stolen, &Allowed { grant, new_key: true, ..Allowed::default() }).expect("checked with the author");
    assert!(bench.install(&signed("0.4.0", PLACE, &key), &Allowed::default()).is_err(), "the old key no longer counts");
    let older = signed("0.1.0", PLACE, &thief);
    assert!(bench.install(&older, &Allowed::default()).expect_err("older").contains("--force"));
    bench.install(&older, &Allowed { force: true, ..Allowed::default() }).expect("wanted");
    assert_eq!(bench.version().as_deref(), Some("0.1.0"));
}

#[test]
fn an_installation_that_fails_leaves_everything_as_it_was() {
    let bench = Bench::new();
    let key = key();
    bench.agreed(&signed("0.1.0", PLACE, &key));
    let before = bench.files();
    let newer = signed("0.2.0", PLACE, &key);
    let examined = bench.examine(&newer);
    let broken = bench.with(&|_| Err("It cannot be compiled.".into()), |shelf| shelf.install(&examined, &Allowed::default()));
    assert_eq!(broken.expect_err("does not compile").0, "It cannot be compiled.");
    assert_eq!((bench.files(), bench.version().as_deref()), (before.clone(), Some("0.1.0")));
    // Somebody removes it between look and yes.
    bench.shelf(|shelf| shelf.remove("trial")).expect("there");
    let late = bench.shelf(|shelf| shelf.install(&examined, &Allowed::default())).expect_err("changed meanwhile");
    assert!(late.0.contains("meanwhile"), "{late}");
    assert_eq!(bench.files().len(), 0);
    // The store refuses: the file that was written goes again.
    let fresh = bench.examine(&newer);
    let pin = |_: &Package| {
        let other = SigningKey::generate().map_err(|e| e.0)?.publisher().as_str().to_owned();
        let op = Op::Plugin(PluginOp::Repin { name: "trial".into(), key: other });
        bench.store.commit(beffroi::store::Change::new(Timestamp::from_millis(1), vec![op])).map(drop).map_err(|e| e.to_string())
    };
    let refused = bench.with(&pin, |shelf| shelf.install(&fresh, &Allowed::default())).expect_err("the key changed meanwhile");
    assert!(refused.0.contains("not the one pinned"), "{refused}");
    assert_eq!((bench.files().len(), bench.version()), (0, None));
    drop(before);
}

#[test]
fn leftovers_go_at_the_next_start_and_what_is_needed_stays() {
    let bench = Bench::new();
    bench.agreed(&signed("0.1.0", "", &key()));
    let folder = install::folder(bench.store.path());
    for name in ["trial-0000.wasm", "trial-0000.new", "notes.txt"] {
        std::fs::write(folder.join(name), "x").expect("written");
    }
    bench.shelf(|shelf| shelf.tidy()).expect("readable");
    let names: Vec<String> = bench.files().iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().any(|name| name == "notes.txt"), "what is not ours stays");
    assert!(bench.folder.path().exists());
}

#[test]
fn a_suspended_plugin_says_why_and_an_unknown_one_is_nearly_named() {
    let bench = Bench::new();
    bench.agreed(&signed("0.1.0", "", &key()));
    bench.shelf(|shelf| shelf.suspend("trial", Some("holidays".into()))).expect("there");
    let row = bench.shelf(|shelf| shelf.rows()).expect("readable").remove(0);
    assert_eq!(row.suspended.map(|(reason, _)| reason).as_deref(), Some("holidays"));
    bench.shelf(|shelf| shelf.suspend("trial", None)).expect("there");
    let sentence = bench.shelf(|shelf| shelf.suspend("trail", None)).expect_err("no such plugin").0;
    assert!(sentence.contains("Did you mean \"trial\"?"), "{sentence}");
}

#[test]
fn a_package_comes_from_an_address_with_its_digest() {
    let bench = Bench::new();
    let bytes = signed("0.1.0", "", &key());
    let answer = Response { status: 200, headers: Vec::new(), body: bytes.clone() };
    bench.network.answer("GET https://example.com/trial.wasm", Ok(answer));
    let source = Source::parse(&format!("https://example.com/trial.wasm#sha256={}", Digest::of(&bytes))).expect("whole");
    assert_eq!(bench.shelf(|shelf| shelf.fetch(&source)), Ok(bytes));
}

/// A daemon in this process, asked over its socket.
struct Home {
    _folder: tempfile::TempDir,
    app: Arc<App>,
    server: Option<tokio::runtime::Runtime>,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("beffroi.toml");
        std::fs::write(&config, beffroi_tests::HEAD).expect("written");
        let clock = Arc::new(SystemClock::new());
        let injected =
            Injected { clock, dice: Arc::new(Dice::seeded(1)), network: Arc::new(ScriptedNetwork::new()), mode: Mode::Inline };
        let engine = Engine::start(&config, Base::default(), injected).expect("it starts");
        let listening = socket::listen(engine.socket()).expect("a socket");
        let app = App::new(engine, Box::new(Engine::reload));
        let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
        let serving = app.clone();
        server.spawn(async move {
            let server = listening.server().expect("a socket");
            admin::serve(serving, server).await.expect("it serves");
            drop(listening);
        });
        Self { _folder: folder, app, server: Some(server) }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.app.enter(Phase::Ended);
        if let Some(server) = self.server.take() {
            server.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

#[test]
fn a_running_daemon_installs_what_it_was_told_yes_to() {
    let home = Home::new();
    let mut caller = Caller::connect(home.app.engine.socket()).expect("it answers");
    // Larger than what a request may usually be.
    let large = [component(&[], FEED), section("data", &vec![7; 3 << 20])].concat();
    let large = package::embed(&large, &manifest("trial", "0.1.0", PLACE)).expect("packed");
    let bytes = package::sign(&large, &key()).expect("signed");
    let mut body = json!({ "source": "trial.wasm", "package": BASE64.encode(&bytes), "by": "Ana" });
    let examined = caller.post("/v1/plugins/examine", &body).expect("read").json().expect("JSON");
    assert_eq!((&examined["asks"], &examined["step"]), (&json!(true), &json!("first")));
    assert!(examined["question"].as_str().is_some_and(|text| text.contains("to read")), "{examined}");
    let refused = caller.post("/v1/plugins", &body).err().expect("nobody said yes").to_string();
    assert!(refused.contains("nobody has agreed"), "{refused}");
    body["grant"] = examined["grant"].clone();
    body["name"] = json!("other");
    let other = caller.post("/v1/plugins", &body).err().expect("another plugin was meant").to_string();
    assert!(other.contains("is the plugin trial, not other"), "{other}");
    body["name"] = json!("trial");
    let installed = caller.post("/v1/plugins", &body).expect("agreed to").json().expect("JSON");
    assert_eq!((&installed["state"], &installed["version"]), (&json!("ready"), &json!("0.1.0")));
    caller.post("/v1/plugins/trial/suspend", &json!({ "reason": "holidays" })).expect("there");
    let list = caller.get("/v1/plugins").expect("readable").json().expect("JSON");
    assert_eq!((&list[0]["state"], &list[0]["reason"]), (&json!("suspended"), &json!("holidays")));
    assert_eq!(list[0]["abilities"], json!(["plugin", "feed"]));
    let resumed = caller.post("/v1/plugins/trial/resume", &json!({})).expect("there").json().expect("JSON");
    assert_eq!(resumed["was"], "holidays");
    caller.send(Method::DELETE, "/v1/plugins/trial", None).expect("there");
    assert_eq!(caller.get("/v1/plugins").expect("readable").text, "[]");
    for (path, body, word) in [
        ("/v1/plugins/trial/resume", json!({}), "There is no plugin"),
        ("/v1/plugins", json!({ "source": "/etc/passwd" }), "base64"),
        ("/v1/plugins", json!({ "source": "x", "package": "~" }), "base64"),
        ("/v1/plugins", json!({ "source": "https://a.example/x.wasm" }), "#sha256="),
        ("/v1/plugins/examine", json!({ "source": "x", "package": BASE64.encode(b"nonsense") }), "not WebAssembly"),
    ] {
        let sentence = caller.post(path, &body).err().expect(word).to_string();
        assert!(sentence.contains(word), "{sentence}");
    }
}
