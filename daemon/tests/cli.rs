//! The program as people use it: a real daemon on a small shop in a temporary folder, driven by its own commands.
//!
//! In: the built binary. Out: what it prints, how it ends, what it leaves behind.
//! Never: waits for a clock: readiness is what the daemon tells its service manager.

use serde_json::Value as Json;
use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const CONFIG: &str = r#"[business]
name = "Boulangerie du Beffroi"
zone = "Europe/Paris"
language = "fr"

[accounts.facebook]
folder = "out/facebook"
approval = "drafts"
ceilings = { spacing = "0s" }

[accounts.vitrine]
network = "instagram"
folder = "out/vitrine"
approval = "always"
ceilings = { spacing = "0s" }

[workflows.count]
script = "count.rhai"
purpose = "Compte les passages."
schedule = "30 7 * * *"

[workflows.pain]
script = "pain.rhai"
purpose = "Annonce le pain du jour."
schedule = "0 12 * * mon-sat"

[workflows.froid]
script = "froid.rhai"
events = ["panne"]
"#;

const SCRIPTS: [(&str, &str); 3] = [
    (
        "count.rhai",
        "let n = state::get(\"count\", 0) + 1;\nstate::set(\"count\", n);\nlog::info(`compté ${n}`);\n`compté ${n}`\n",
    ),
    (
        "pain.rhai",
        "posts::plan(#{ text: \"Les croissants sont prêts.\", accounts: [\"facebook\", \"vitrine\"], why: [\"c'est le matin\"] });\n\"annoncé\"\n",
    ),
    ("froid.rhai", "throw \"le four est froid\";\n"),
];

/// A folder with the shop.
struct Shop {
    folder: TempDir,
    daemon: Option<Daemon>,
    /// Whether the daemon is started where there is no network.
    alone: bool,
}

/// A network namespace of its own, with nothing in it.
const ALONE: [&str; 3] = ["--map-root-user", "--net", "--"];

/// A daemon that was started here, and where it says how it is.
struct Daemon {
    child: Child,
    notices: UnixDatagram,
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.child.kill();
            let _ = daemon.child.wait();
        }
    }
}

/// How a command ended.
#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    status: i32,
}

impl Said {
    #[track_caller]
    fn good(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        self.out
    }

    #[track_caller]
    fn json(self) -> Json {
        let out = self.good();
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
    }

    /// Failed with this status and this in its sentence, and nothing on standard output.
    #[track_caller]
    fn bad(self, status: i32, word: &str) {
        assert_eq!((self.status, self.out.as_str()), (status, ""), "{self:?}");
        assert!(self.err.contains(word), "{word}: {self:?}");
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
        Self { out: text(output.stdout), err: text(output.stderr), status: output.status.code().unwrap_or(-1) }
    }
}

impl Shop {
    fn new() -> Self {
        let shop = Self { folder: tempfile::tempdir().expect("a temporary folder"), daemon: None, alone: false };
        std::fs::create_dir(shop.path("scripts")).expect("a new folder");
        for (name, text) in SCRIPTS {
            std::fs::write(shop.path("scripts").join(name), text).expect("written");
        }
        std::fs::write(shop.path("beffroi.toml"), CONFIG).expect("written");
        shop
    }

    /// A shop whose daemon is ready.
    fn open() -> Self {
        let mut shop = Self::new();
        shop.start(&[]);
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beffroi"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in
            ["NOTIFY_SOCKET", "WATCHDOG_USEC", "BEFFROI_SOCKET", "BEFFROI_LOG", "STATE_DIRECTORY", "LC_ALL", "LC_MESSAGES"]
        {
            command.env_remove(name);
        }
        command.env("LANG", "en_GB.UTF-8").env("USER", "ana").env_remove("SUDO_USER");
        command
    }

    /// One command to its end.
    fn say(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().expect("the program starts").into()
    }

    /// Starts the daemon and waits until it says that it is ready.
    fn start(&mut self, environment: &[(&str, &str)]) {
        let path = self.path("notify");
        let _ = std::fs::remove_file(&path);
        let notices = UnixDatagram::bind(&path).expect("a socket in the folder of the test");
        notices.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit above zero");
        let log = std::fs::File::create(self.path("log")).expect("a new file");
        let mut command = self.command(&["start"]);
        if self.alone {
            let plain = command;
            command = Command::new("unshare");
            command.args(ALONE).arg(plain.get_program()).args(plain.get_args()).current_dir(self.folder.path());
        }
        command.env("NOTIFY_SOCKET", &path).stderr(log).stdout(Stdio::null()).envs(environment.iter().copied());
        let daemon = Daemon { child: command.spawn().expect("the program starts"), notices };
        daemon.until("READY=1", &self.path("log"));
        self.daemon = Some(daemon);
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("a started daemon")
    }

    /// Waits until the daemon tells its service manager this.
    fn told(&self, word: &str) -> String {
        self.daemon.as_ref().expect("a started daemon").until(word, &self.path("log"))
    }
}

impl Daemon {
    fn until(&self, word: &str, log: &Path) -> String {
        let mut buffer = [0; 4_096];
        loop {
            match self.notices.recv(&mut buffer) {
                Ok(length) => {
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    if text.contains(word) {
                        return text;
                    }
                }
                Err(error) => panic!("{word}: {error}\n{}", std::fs::read_to_string(log).unwrap_or_default()),
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().expect("kill is there");
        assert!(sent.success());
    }
}

#[test]
fn a_run_by_hand_is_shown_to_people_and_to_programs() {
    let shop = Shop::open();
    let run = shop.say(&["run", "count", "--wait", "--json", "--payload", "{\"at\": 5}"]).json();
    assert_eq!((run["run"].as_str(), run["state"].as_str(), run["line"].as_str()), (Some("r1"), Some("done"), Some("compté 1")));
    assert_eq!(run["effects"], serde_json::json!({ "state": { "count": 1 } }));
    assert_eq!(run["payload"]["at"], 5);
    assert_eq!(run["log"][0]["text"], "compté 1");
    assert!(run["due"].as_str().is_some_and(|at| at.len() > 19 && at.contains('T')), "{run}");
    let text = shop.say(&["run", "count", "--wait"]).good();
    assert!(text.starts_with("r2 count\u{a0}: fait\n  Lancé à la main, prévu aujourd'hui "), "{text}");
    assert!(text.contains("    • mémoire\u{a0}: count = 2\n"), "{text}");
    assert_eq!(shop.say(&["run", "count"]).good(), "r3\n");

    let failed = shop.say(&["run", "froid", "--wait", "--json"]);
    assert_eq!(failed.status, 1);
    let failed: Json = serde_json::from_str(&failed.out).unwrap();
    assert_eq!(failed["state"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("froid.rhai:1:1"), "{failed}");

    assert!(shop.say(&["show", "r2"]).good().contains("compté 2"));
    assert!(shop.say(&["logs", "r2"]).good().contains(" info  compté 2\n"));
    let runs = shop.say(&["runs", "--json"]).json();
    assert_eq!(runs.as_array().unwrap().len(), 4);
    assert_eq!(shop.say(&["runs", "count", "--json", "--limit", "1"]).json()[0]["run"], "r3");
    shop.say(&["run", "cuont"]).bad(1, "Did you mean \"count\"?");
    shop.say(&["show", "r99"]).bad(1, "There is no run r99");
    shop.say(&["cancel", "r1"]).bad(1, "r1 has ended already");
}

#[test]
fn posts_are_approved_as_they_stand_rejected_and_explained() {
    let shop = Shop::open();
    shop.say(&["run", "pain", "--wait"]).good();
    shop.say(&["run", "pain", "--wait"]).good();
    let waiting = shop.say(&["posts", "--account", "vitrine", "--json"]).json();
    let states: Vec<&str> = waiting.as_array().unwrap().iter().map(|d| d["approval"].as_str().unwrap()).collect();
    assert_eq!(states, ["needed", "needed"]);
    let status = shop.say(&["status"]).good();
    assert!(status.starts_with("Boulangerie du Beffroi — Beffroi "), "{status}");
    assert!(
        status.contains("d2 attend votre accord (vitrine, aujourd'hui ") && status.contains("      beffroi approve d2\n"),
        "{status}"
    );

    let said = shop.say(&["approve", "p1", "--by", "Ana"]).good();
    assert!(said.starts_with("d2 est approuvé pour vitrine, ") && said.contains("  │ Les croissants sont prêts.\n"), "{said}");
    shop.say(&["approve", "p1"]).bad(1, "beffroi why p1");
    shop.say(&["approve", "d2"]).bad(1, "does not wait for a yes");
    shop.say(&["approve", "d2", "--again"]).bad(1, "nothing to answer");
    shop.say(&["approve", "x2"]).bad(1, "neither a delivery");
    let said = shop.say(&["reject", "d4", "--reason", "trop tôt"]).good();
    assert!(said.starts_with("d4 est refusé"), "{said}");
    assert_eq!(shop.say(&["posts", "--state", "cancelled", "--json"]).json()[0]["reason"], "trop tôt");

    let why = shop.say(&["why", "d4"]).good();
    for part in ["d4 n'est pas en ligne sur vitrine (annulé)", "pain — Annonce le pain du jour.", "c'est le matin", "trop tôt"]
    {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert!(shop.say(&["why", "vitrine"]).good().contains("Derniers en ligne"));
    assert!(shop.say(&["why", "froid"]).good().contains("il répond à des événements"));
    assert!(shop.say(&["why", "d2", "--json"]).json()["steps"].as_array().unwrap().len() > 3);
    shop.say(&["why", "fruid"]).bad(1, "Did you mean \"froid\"?");
}

#[test]
fn freezing_pausing_and_remembering_work_by_hand() {
    let shop = Shop::open();
    assert!(shop.say(&["freeze", "--reason", "congés"]).good().contains("beffroi thaw"));
    shop.say(&["run", "pain", "--wait"]).good();
    shop.say(&["approve", "p1"]).good();
    let status = shop.say(&["status", "--json"]).json();
    assert_eq!(status["needs"]["frozen"], "congés");
    let said = shop.say(&["thaw"]).good();
    assert!(said.starts_with("Les envois reprennent.") && said.contains("d1") && said.contains("d2"), "{said}");
    shop.say(&["freeze", "facebok"]).bad(1, "Did you mean \"facebook\"?");
    shop.say(&["freeze", "facebook"]).good();
    assert_eq!(shop.say(&["status", "--json"]).json()["needs"]["stopped"][0]["account"], "facebook");
    assert!(shop.say(&["thaw", "facebook"]).good().starts_with("Le compte facebook est débloqué."));

    shop.say(&["pause", "pain", "--reason", "travaux"]).good();
    let table = shop.say(&["workflows"]).good();
    assert!(table.contains("en pause (travaux)") && table.contains("Compte les passages."), "{table}");
    assert!(shop.say(&["why", "pain"]).good().contains("il est en pause (travaux)"));
    assert!(shop.say(&["resume", "pain"]).good().contains("reprend"));

    assert_eq!(shop.say(&["state", "set", "a/b", "{\"n\": 1}"]).good(), "a/b = {\"n\":1}\n");
    assert_eq!(shop.say(&["state", "get", "a/b", "--json"]).json(), serde_json::json!({ "n": 1 }));
    assert_eq!(shop.say(&["state", "list", "a/", "--json"]).json(), serde_json::json!({ "a/b": { "n": 1 } }));
    shop.say(&["state", "remove", "a/b"]).good();
    shop.say(&["state", "get", "a/b"]).bad(1, "There is no key");

    let copy = shop.path("copy.db");
    assert!(shop.say(&["backup", "copy.db"]).good().contains("vérifiée"));
    assert!(copy.exists());
    shop.say(&["backup", "copy.db"]).bad(1, "exists already");
}

#[test]
fn due_times_come_from_the_daemon_or_from_an_expression() {
    let shop = Shop::open();
    let from = "2026-03-28T22:50:00+01:00";
    let asked = ["next", "pain", "--from", from, "--count", "2", "--json"];
    assert_eq!(shop.say(&asked).json(), serde_json::json!(["2026-03-30T12:00:00+02:00", "2026-03-31T12:00:00+02:00"]));
    let table = shop.say(&["next", "pain", "--from", from, "--zone", "UTC", "--count", "1"]).good();
    assert_eq!(table, "Du lundi au samedi à 12\u{a0}h\n2026-03-30T10:00:00+00:00  lundi\n".replace('\u{a0}', &nbsp(&table)));
    assert!(shop.say(&["next", "froid"]).good().contains("il répond à panne"));
    let closed = Shop::new();
    let asked = ["next", "30 2 * * *", "--zone", "Europe/Paris", "--from", from, "--count", "2", "--json"];
    assert_eq!(closed.say(&asked).good(), "[\"2026-03-29T03:00:00+02:00\",\"2026-03-30T02:30:00+02:00\"]\n");
    closed.say(&["next", "61 * * * *"]).bad(1, "expression:1:1: error");
    closed.say(&["next", "@dayly"]).bad(1, "Did you mean \"@daily\"?");
}

/// The space before the unit is the schedule's to choose.
fn nbsp(table: &str) -> String {
    table.split("12").nth(1).and_then(|rest| rest.chars().next()).map(String::from).unwrap_or_default()
}

#[test]
fn wrong_calls_are_told_from_what_goes_wrong() {
    let shop = Shop::new();
    for call in [
        &["fly"][..],
        &["run"],
        &["run", "count", "--payload", "{"],
        &["next", "@daily", "--zone", "Europe/Pari"],
        &["next", "@daily", "--from", "yesterday"],
        &["approve", "d1", "--again", "--done"],
        &["status", "--jason"],
        &["feed"],
    ] {
        shop.say(call).bad(2, "error:");
    }
    for call in [&["status"][..], &["run", "count"], &["stop"], &["next", "count"], &["posts", "--json"]] {
        shop.say(call).bad(1, "No Beffroi answers at /run/beffroi/admin.sock. Start it with");
    }
    shop.say(&["status", "--socket", "other.sock"]).bad(1, "No Beffroi answers at other.sock.");
    assert!(shop.say(&["--help"]).good().contains("approve"));
    assert!(shop.say(&["--version"]).good().starts_with("beffroi "));
}

#[test]
fn a_check_names_every_problem_and_a_start_refuses_them() {
    let shop = Shop::new();
    assert_eq!(shop.say(&["check"]).good(), "beffroi.toml: no problem found.\n");
    assert_eq!(shop.say(&["check", "--json"]).good(), "[]\n");
    std::fs::write(shop.path("beffroi.toml"), CONFIG.replace("30 7 * * *", "61 7 * * *") + "\nsurprise = 1\n").unwrap();
    std::fs::write(shop.path("scripts/count.rhai"), "let n = state::gte(\"a\");\n").unwrap();
    let found = shop.say(&["check", "--config", "beffroi.toml", "--json"]);
    assert_eq!(found.status, 1);
    let found: Json = serde_json::from_str(&found.out).unwrap();
    for problem in found.as_array().unwrap() {
        let mut keys: Vec<&str> = problem.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["column", "file", "help", "line", "message", "severity"]);
    }
    assert!(found.as_array().unwrap().len() >= 2, "{found}");
    let text = shop.say(&["check"]);
    assert!(text.status == 1 && text.out.contains("surprise") && text.out.ends_with("2 errors.\n"), "{text:?}");
    shop.say(&["start"]).bad(1, "There is no key \"surprise\"");
    shop.say(&["start", "--config", "missing.toml"]).bad(1, "There is no such file.");
}

#[test]
fn a_feed_is_read_without_a_daemon() {
    let shop = Shop::new();
    let feed = "<rss version=\"2.0\"><channel><title>V</title><item><guid>a</guid><title>March&#233;</title>\
        <pubDate>Sat, 21 Nov 2026 08:00:00 +0100</pubDate><link>https://ville.example/a</link></item></channel></rss>";
    std::fs::write(shop.path("ville.xml"), feed).unwrap();
    let items = shop.say(&["feed", "ville.xml", "--json"]).json();
    assert_eq!(items[0]["title"], "Marché");
    assert_eq!(items[0]["published"], "2026-11-21T07:00:00+00:00");
    assert!(shop.say(&["feed", "ville.xml"]).good().ends_with("1\u{a0}item.\n"));
    shop.say(&["feed", "missing.xml"]).bad(1, "There is no file missing.xml");
    shop.say(&["feed", "http://127.0.0.1:9/", "--json"]).bad(1, "127.0.0.1");
}

#[test]
fn the_reference_is_printed_and_written() {
    let shop = Shop::new();
    assert!(shop.say(&["functions"]).good().contains("### `state::get("));
    let files = shop.say(&["functions", "--definitions", "editor"]).good();
    assert!(files.contains("editor/state.d.rhai"), "{files}");
    assert!(std::fs::read_to_string(shop.path("editor/state.d.rhai")).unwrap().contains("fn get("));
}

#[test]
fn one_daemon_serves_one_socket_and_one_database() {
    let shop = Shop::open();
    shop.say(&["start"]).bad(1, "is in use by another Beffroi");
    let other = CONFIG.to_owned() + "\n[store]\npath = \"other.db\"\n";
    std::fs::write(shop.path("other.toml"), other).unwrap();
    shop.say(&["start", "--config", "other.toml"]).bad(1, "Another Beffroi answers at ");
    assert!(shop.say(&["status"]).good().contains("Rien ne demande votre attention."));
}

#[test]
fn a_reload_takes_over_what_is_right_and_nothing_else() {
    let mut shop = Shop::new();
    // What the watch would do by itself is asked for here.
    let quiet = CONFIG.to_owned() + "\n[limits]\nwatch = false\n";
    std::fs::write(shop.path("beffroi.toml"), &quiet).unwrap();
    shop.start(&[]);
    std::fs::write(shop.path("beffroi.toml"), quiet.replace("Compte les passages.", "Compte tout.") + "surprise = 1\n").unwrap();
    let refused = shop.say(&["reload"]);
    assert!(refused.status == 1 && refused.err.contains("surprise") && refused.err.contains("stays"), "{refused:?}");
    let status = shop.say(&["status"]).good();
    assert!(status.contains("l'ancienne reste en vigueur") && status.contains("surprise"), "{status}");
    assert!(shop.say(&["workflows"]).good().contains("Compte les passages."));
    shop.told("RELOADING=1");
    assert!(shop.told("READY=1").contains("errors"));

    std::fs::write(shop.path("beffroi.toml"), quiet.replace("Compte les passages.", "Compte tout.")).unwrap();
    shop.daemon().signal("HUP");
    shop.told("RELOADING=1");
    shop.told("READY=1");
    assert!(shop.say(&["workflows"]).good().contains("Compte tout."));
    assert!(!shop.say(&["status"]).good().contains("surprise"));
}

#[test]
fn an_edited_file_is_taken_up_by_itself_however_it_was_written() {
    let shop = Shop::open();
    let edited = CONFIG.replace("Compte les passages.", "Compte tout.");
    std::fs::write(shop.path("beffroi.toml"), &edited).unwrap();
    shop.told("RELOADING=1");
    shop.told("READY=1");
    assert!(shop.say(&["workflows"]).good().contains("Compte tout."));
    // The way of most editors: a new file is put in the old one's place. Twice, since the watch must follow.
    for word in ["Compte encore.", "Compte toujours."] {
        std::fs::write(shop.path("new"), CONFIG.replace("Compte les passages.", word)).unwrap();
        std::fs::rename(shop.path("new"), shop.path("beffroi.toml")).unwrap();
        shop.told("RELOADING=1");
        shop.told("READY=1");
        assert!(shop.say(&["workflows"]).good().contains(word));
    }
    std::fs::write(shop.path("scripts/count.rhai"), "\"autre\"").unwrap();
    shop.told("RELOADING=1");
    shop.told("READY=1");
    assert!(shop.say(&["run", "count", "--wait"]).good().contains("autre"));
}

#[test]
fn the_watchdog_is_fed_while_the_daemon_lives() {
    let mut shop = Shop::new();
    shop.start(&[("WATCHDOG_USEC", "400000")]);
    shop.told("WATCHDOG=1");
    shop.told("WATCHDOG=1");
}

#[test]
fn a_stop_is_orderly_by_command_and_by_signal() {
    let mut shop = Shop::open();
    shop.say(&["run", "count", "--wait"]).good();
    assert_eq!(shop.say(&["stop"]).good(), "Beffroi est arrêté.\n");
    shop.told("STOPPING=1");
    assert!(shop.daemon().child.wait().unwrap().success());
    assert!(!shop.path("beffroi.sock").exists());
    assert!(!shop.path("beffroi.db-wal").exists(), "a daemon that ended well leaves one database file");
    shop.start(&[("JOURNAL_STREAM", "8:1")]);
    assert_eq!(shop.say(&["state", "get", "count"]).good(), "1\n");
    shop.daemon().signal("TERM");
    assert!(shop.daemon().child.wait().unwrap().success());
    let mut log = String::new();
    std::fs::File::open(shop.path("log")).unwrap().read_to_string(&mut log).unwrap();
    assert!(log.lines().all(|line| line.starts_with('<')) && log.contains("<6>stopped"), "{log}");
    shop.say(&["status"]).bad(1, "No Beffroi answers");
}

/// Starts a run that goes on until it is stopped, and waits until it does.
fn endless(shop: &Shop) {
    assert_eq!(shop.say(&["run", "endless"]).good(), "r1\n");
    for _ in 0..2_000 {
        if shop.say(&["status", "--json"]).json()["running"][0]["run"] == "r1" {
            return;
        }
    }
    panic!("r1 did not start");
}

fn shop_with_an_endless_script() -> Shop {
    let mut shop = Shop::new();
    std::fs::write(shop.path("scripts/endless.rhai"), "loop {}\n").expect("written");
    let more = "\n[workflows.endless]\nscript = \"endless.rhai\"\noperations = 5000000000\ntimeout = \"50s\"\n";
    std::fs::write(shop.path("beffroi.toml"), CONFIG.to_owned() + more).expect("written");
    shop.start(&[]);
    shop
}

#[test]
fn a_run_that_goes_on_can_be_cancelled() {
    let shop = shop_with_an_endless_script();
    endless(&shop);
    assert!(shop.say(&["cancel", "r1"]).good().contains("r1 va s'arrêter"));
    for _ in 0..2_000 {
        let run = shop.say(&["show", "r1", "--json"]).json();
        if run["state"] == "cancelled" {
            assert_eq!(run["effects"], Json::Null);
            return;
        }
    }
    panic!("r1 did not stop");
}

#[test]
fn a_second_signal_ends_at_once_and_the_next_start_takes_the_run_up_again() {
    let mut shop = shop_with_an_endless_script();
    endless(&shop);
    shop.daemon().signal("TERM");
    shop.told("STOPPING=1");
    // While runs may finish, the daemon still says how it is.
    assert_eq!(shop.say(&["status", "--json"]).json()["stopping"], true);
    shop.say(&["run", "count", "--wait"]).bad(1, "is stopping");
    shop.daemon().signal("INT");
    assert_eq!(shop.daemon().child.wait().unwrap().code(), Some(130));
    assert!(!shop.path("beffroi.sock").exists());
    std::fs::write(shop.path("scripts/endless.rhai"), "\"mended\"").unwrap();
    shop.start(&[]);
    for _ in 0..2_000 {
        let run = shop.say(&["show", "r1", "--json"]).json();
        if run["state"] == "done" {
            assert_eq!((&run["line"], &run["attempt"]), (&Json::from("mended"), &Json::from(2)));
            return;
        }
    }
    panic!("r1 was not taken up again");
}

#[test]
fn a_killed_daemon_leaves_a_socket_that_the_next_one_replaces() {
    let mut shop = Shop::open();
    shop.say(&["run", "count", "--wait"]).good();
    shop.daemon().child.kill().unwrap();
    shop.daemon().child.wait().unwrap();
    assert!(shop.path("beffroi.sock").exists());
    shop.say(&["status"]).bad(1, "No Beffroi answers at ./beffroi.sock.");
    shop.start(&[]);
    assert_eq!(shop.say(&["state", "get", "count"]).good(), "1\n");
}

#[test]
fn a_run_is_replayed_tried_with_another_script_and_passed_on() {
    let shop = Shop::open();
    let run = shop.say(&["run", "pain", "--wait", "--json"]).json()["run"].as_str().expect("a number").to_owned();
    let same = shop.say(&["replay", &run]).good();
    assert!(same.contains("exactement les mêmes effets"), "{same}");

    let other = SCRIPTS[1].1.replace("Les croissants sont prêts.", "Les croissants sortent du four.");
    std::fs::write(shop.path("scripts/autre.rhai"), other).expect("written");
    let tried = shop.say(&["replay", &run, "--with", "scripts/autre.rhai"]).good();
    assert!(tried.contains("~ publication sur facebook"), "{tried}");
    assert!(
        tried.replace('\u{a0}', " ").contains("« Les croissants sont prêts. » → « Les croissants sortent du four. »"),
        "{tried}"
    );
    std::fs::write(shop.path("scripts/cassé.rhai"), "posts::plan(#{ text: 1 });").expect("written");
    let broken = shop.say(&["replay", &run, "--with", "scripts/cassé.rhai"]);
    assert_eq!(broken.status, 1, "{broken:?}");
    assert!(broken.out.contains("Il ne va pas jusqu'au bout"), "{broken:?}");

    let passed = shop.say(&["bundle", &run, "--out", "a.json"]).good();
    assert!(passed.contains("a.json") && passed.contains("Relisez"), "{passed}");
    shop.say(&["bundle", &run, "--out", "a.json"]).bad(1, "exists already");
    // Elsewhere there is neither the daemon nor its database.
    shop.say(&["stop"]).good();
    let elsewhere = Shop::new();
    std::fs::copy(shop.path("a.json"), elsewhere.path("a.json")).expect("copied");
    assert!(elsewhere.say(&["replay", "a.json"]).good().contains("exactement les mêmes effets"));
    std::fs::write(elsewhere.path("b.json"), "{}").expect("written");
    elsewhere.say(&["replay", "b.json"]).bad(1, "This is no recording");
    elsewhere.say(&["replay", "c.json"]).bad(1, "neither a run (r12) nor a file");
    // Without a daemon, from the database file.
    let database = std::fs::read_dir(shop.folder.path()).expect("listed").flatten().map(|e| e.path());
    let database = database.into_iter().find(|p| p.extension().is_some_and(|e| e == "db")).expect("a database");
    let offline = shop.say(&["replay", &run, "--database", database.to_str().expect("text")]).good();
    assert!(offline.contains("exactement les mêmes effets"), "{offline}");
    shop.say(&["replay", "r999", "--database", database.to_str().expect("text")]).bad(1, "There is no run r999");
}

#[test]
fn a_dry_run_shows_the_calendar_and_leaves_it_as_it_is() {
    let shop = Shop::open();
    shop.say(&["run", "pain", "--wait"]).good();
    let posts = |shop: &Shop| shop.say(&["posts", "--json"]).json().as_array().map(Vec::len);
    let before = posts(&shop);
    let dry = shop.say(&["run", "pain", "--dry", "--record", "dit.json"]).good();
    assert!(dry.contains("à blanc") && dry.contains("+ publication sur vitrine"), "{dry}");
    let day = dry.split("\nvitrine, ").nth(1).expect("the calendar of the account");
    assert!(day.lines().any(|l| l.starts_with("    ")) && day.lines().any(|l| l.starts_with("  + ")), "{dry}");
    assert_eq!(posts(&shop), before);
    let again = shop.say(&["run", "pain", "--dry", "--from", "dit.json", "--json"]).json();
    let first = shop.say(&["replay", "dit.json", "--json"]).json();
    assert_eq!(again["replayed"]["effects_hash"], first["replayed"]["effects_hash"]);
    assert!(first["same"] == true, "{first}");
    let count = shop.say(&["run", "count", "--dry"]).good();
    assert!(count.contains("la clé count devient 1"), "{count}");
    shop.say(&["run", "count", "--wait"]).good();
    let count = shop.say(&["run", "count", "--dry"]).good();
    assert!(count.contains("~ la clé count devient 2") && count.replace('\u{a0}', " ").contains("valeur : 1 → 2"), "{count}");
    let cold = shop.say(&["run", "froid", "--dry"]);
    assert_eq!(cold.status, 1);
    assert!(cold.out.contains("Le four est froid") || cold.out.contains("le four est froid"), "{cold:?}");
    shop.say(&["run", "pain", "--dry", "--wait"]).bad(2, "cannot be used with");
    shop.say(&["run", "pain", "--dry", "--from", "r999"]).bad(1, "There is no run r999");
}

#[test]
fn a_dry_run_from_a_recording_needs_no_network() {
    if !Command::new("unshare").args(ALONE).arg("true").status().is_ok_and(|status| status.success()) {
        eprintln!("This machine gives no network namespaces; tests on the simulated network say the same.");
        return;
    }
    let mut shop = Shop::open();
    shop.say(&["run", "pain", "--wait"]).good();
    let dry = shop.say(&["run", "pain", "--dry", "--record", "dit.json", "--json"]).json();
    shop.say(&["stop"]).good();
    shop.daemon = None;
    // The daemon again, where there is no network at all, not even a loopback that is up.
    shop.alone = true;
    shop.start(&[]);
    let again = shop.say(&["run", "pain", "--dry", "--from", "dit.json", "--json"]).json();
    assert_eq!(again["replayed"]["effects_hash"], dry["replayed"]["effects_hash"]);
    assert_eq!(again["lines"], dry["lines"]);
    let earlier = shop.say(&["run", "pain", "--dry", "--from", "r1", "--json"]).json();
    assert!(earlier["replayed"]["effects_hash"].is_string(), "{earlier}");
    shop.say(&["stop"]).good();
    shop.daemon = None;
}

#[test]
fn a_new_version_runs_beside_and_is_promoted() {
    let shop = Shop::open();
    shop.say(&["shadow", "count"]).bad(1, "No version runs beside");
    std::fs::write(shop.path("neuf.rhai"), SCRIPTS[0].1.replace("compté", "vu")).expect("written");
    std::fs::write(shop.path("faux.rhai"), "let x = ;").expect("written");
    shop.say(&["shadow", "count", "--put", "faux.rhai"]).bad(1, "faux.rhai:1:9");
    let put = shop.say(&["shadow", "count", "--put", "neuf.rhai"]).good();
    assert!(put.contains("neuf.rhai tourne à côté"), "{put}");
    shop.say(&["run", "count", "--wait"]).good();
    let seen = shop.say(&["shadow", "count"]).good();
    assert!(seen.contains("1 comparaison(s)"), "{seen}");
    assert!(seen.replace('\u{a0}', " ").contains(": 1 identique(s)"), "the log is no effect: {seen}");
    std::fs::write(shop.path("neuf.rhai"), SCRIPTS[0].1.replace("+ 1", "+ 10")).expect("written");
    shop.say(&["shadow", "count", "--put", "neuf.rhai"]).good();
    shop.say(&["run", "count", "--wait"]).good();
    let seen = shop.say(&["shadow", "count"]).good();
    assert!(seen.contains("~ la clé count devient 2") && seen.contains("2 → 11"), "{seen}");
    let promoted = shop.say(&["shadow", "count", "--promote"]).good();
    assert!(promoted.contains("nouvelle version"), "{promoted}");
    shop.say(&["run", "count", "--wait"]).good();
    assert_eq!(shop.say(&["state", "get", "count"]).good().trim(), "12");
    shop.say(&["shadow", "count"]).bad(1, "No version runs beside");
}
