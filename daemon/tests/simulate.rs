//! `beffroi simulate` as people type it: beside no daemon, beside one that runs, and with wrong words.
//!
//! In: the built binary. Out: what it prints, how it ends, what it leaves behind.
//! Never: waits for a clock.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

const CONFIG: &str = r#"[business]
name = "Boulangerie du Beffroi"
zone = "Europe/Paris"
language = "fr"

[accounts.facebook]
folder = "out/facebook"
approval = "drafts"

[workflows.pain]
script = "pain.rhai"
purpose = "Annonce le pain du jour."
schedule = "0 12 * * mon-sat"
"#;

const PAIN: &str = "posts::plan(#{ account: \"facebook\", text: `Les croissants du ${time::show(run::due(), \"%d/%m\")} sont prêts.`, expires: \"10h\" });\n";

struct Shop(TempDir);

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("scripts")).expect("a new folder");
        std::fs::write(folder.path().join("scripts/pain.rhai"), PAIN).expect("written");
        std::fs::write(folder.path().join("beffroi.toml"), CONFIG).expect("written");
        Self(folder)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beffroi"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        for name in ["NOTIFY_SOCKET", "BEFFROI_SOCKET", "STATE_DIRECTORY", "COLUMNS", "LC_ALL", "LC_MESSAGES"] {
            command.env_remove(name);
        }
        command.env("LANG", "en_GB.UTF-8");
        command
    }

    fn simulate(&self, more: &[&str]) -> Output {
        let mut arguments = vec!["simulate"];
        arguments.extend(more);
        self.command(&arguments).output().expect("the program starts")
    }

    #[track_caller]
    fn good(&self, more: &[&str]) -> String {
        let output = self.simulate(more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Refused with a sentence, and nothing printed.
    #[track_caller]
    fn refused(&self, more: &[&str], words: &[&str]) {
        let output = self.simulate(more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && output.stdout.is_empty(), "{more:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{more:?}: {said}");
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut out = BTreeMap::new();
        collect(self.0.path(), &mut out);
        out
    }
}

fn collect(folder: &Path, out: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("readable").flatten() {
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            collect(&entry.path(), out);
        } else if kind.is_file() {
            out.insert(entry.path().display().to_string(), std::fs::read(entry.path()).expect("readable"));
        }
    }
}

#[test]
fn two_processes_with_the_same_seed_print_the_same_bytes_and_touch_nothing() {
    let shop = Shop::new();
    let before = shop.files();
    for format in ["text", "json", "ics", "page"] {
        let arguments = ["--from", "2026-10-20", "--days", "14", "--seed", "7", "--format", format];
        let first = shop.good(&arguments);
        assert_eq!(first, shop.good(&arguments), "{format}");
        assert!(first.contains("croissants"), "{format}: {first}");
    }
    assert_eq!(shop.files(), before);
}

#[test]
fn it_writes_where_it_is_told_and_speaks_json_when_asked() {
    let shop = Shop::new();
    let said = shop.good(&["--from", "2026-12-01", "--days", "3", "--format", "page", "--out", "month.html"]);
    assert_eq!(said, "The simulation is in month.html.\n");
    let page = std::fs::read_to_string(shop.0.path().join("month.html")).expect("written");
    assert!(page.starts_with("<!doctype html>"));
    let json = shop.good(&["--from", "2026-12-01", "--days", "3", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["version"], &json["past"]), (&1.into(), &"none".into()));
}

#[test]
fn wrong_words_are_refused_with_what_to_write() {
    let shop = Shop::new();
    shop.refused(&["--from", "soon"], &["\"soon\" is no day", "--from 2026-12-01"]);
    for days in ["0", "-3", "367", "many"] {
        shop.refused(&["--days", days], &["--days", "a number of days from 1 to 366"]);
    }
    shop.refused(&["--format", "pdf"], &["text", "json", "ics", "page"]);
    shop.refused(&["--approve", "perhaps"], &["never, always, or after:2h"]);
    shop.refused(&["--config", "nowhere.toml"], &["There is no such file"]);
    shop.refused(&["--stock", "nowhere.csv"], &["nowhere.csv", "--stock"]);
    shop.refused(&["--socket", "nowhere.sock"], &["No Beffroi answers at nowhere.sock"]);
    shop.refused(&["--out", "no/such/folder/file", "--days", "1"], &["cannot be written"]);
    std::fs::write(shop.0.path().join("levels.csv"), "sku,date,available\nA,someday,3\n").expect("written");
    shop.refused(&["--stock", "levels.csv"], &["levels.csv", "Line 2", "someday"]);
    std::fs::write(shop.0.path().join("scripts/pain.rhai"), "posts::plan(").expect("written");
    shop.refused(&["--days", "1"], &["pain.rhai"]);
}

/// A daemon that is killed at the end, whatever happens.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn beside_a_daemon_that_runs_it_begins_with_what_that_one_knows() {
    let shop = Shop::new();
    let notify = shop.0.path().join("notify");
    let notices = std::os::unix::net::UnixDatagram::bind(&notify).expect("a socket in the folder of the test");
    notices.set_read_timeout(Some(std::time::Duration::from_secs(60))).expect("a limit above zero");
    let mut start = shop.command(&["start"]);
    let start = start.env("NOTIFY_SOCKET", &notify).stdout(Stdio::null()).stderr(Stdio::null());
    let daemon = Daemon(start.spawn().expect("the program starts"));
    let mut told = String::new();
    let mut buffer = [0; 4_096];
    while !told.contains("READY=1") {
        let length = notices.recv(&mut buffer).expect("the daemon says that it is ready");
        told.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    let ran = shop.command(&["run", "pain", "--wait"]).output().expect("the program starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let json = shop.good(&["--days", "7", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["past"], "running");
    let entries: usize = json["days"].as_array().expect("days").iter().map(|d| d["entries"].as_array().map_or(0, Vec::len)).sum();
    assert!((6..=8).contains(&entries), "{entries} posts in a week of six days: {json}");
    // The daemon's own folders hold what it published itself and nothing of the days ahead.
    let pages = std::fs::read_dir(shop.0.path().join("out/facebook"))
        .map_or(0, |list| list.flatten().filter(|e| e.file_name().to_string_lossy().ends_with(".md")).count());
    assert!(pages <= 1, "{pages} posts lie in the folder");
    drop(daemon);
    // Its database stays, and a daemon that does not run is started when the span begins.
    let json: serde_json::Value = serde_json::from_str(&shop.good(&["--days", "7", "--json"])).expect("JSON");
    assert_eq!(json["past"], "resting");
}
