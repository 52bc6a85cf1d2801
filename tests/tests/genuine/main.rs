//! The channels against genuine servers, through the whole engine: the real network, the real host, the packages as they are
//! shipped, secrets in files. The line to the server is cut at random places; every post is there exactly once all the same, and
//! what is secret is found nowhere but on that line.
//!
//! `.ci/lanes/servers.sh` starts the servers and runs this. `BEFFROI_SEED` chooses other places to cut.

mod bluesky;
mod house;
mod proxy;
mod snac2;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set for the process that works; it names the folder.
const FOLDER: &str = "BEFFROI_GENUINE_FOLDER";
/// The file in that folder that says what is secret, one secret a line.
const SECRETS: &str = "canaries";

#[test]
#[ignore = "needs a genuine Bluesky server: .ci/lanes/servers.sh"]
fn bluesky_holds_every_post_exactly_once_and_nothing_secret_stays_behind() {
    works_and_hides("bluesky_at_work");
}

#[test]
#[ignore = "needs a genuine snac2: .ci/lanes/servers.sh"]
fn snac2_holds_every_post_exactly_once_and_nothing_secret_stays_behind() {
    works_and_hides("snac2_at_work");
}

#[test]
#[ignore = "the process that another test starts"]
fn bluesky_at_work() {
    at_work(bluesky::work);
}

#[test]
#[ignore = "the process that another test starts"]
fn snac2_at_work() {
    at_work(snac2::work);
}

/// Works, writes down what was secret on the way, and ends like a kill: whatever is on disk then stays as it is.
fn at_work(work: fn(&Path) -> (house::House, Vec<String>)) {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    beffroi::service::start_log(tracing::Level::TRACE);
    let (_house, secrets) = work(&folder.join("house"));
    fs::write(folder.join(SECRETS), secrets.join("\n")).expect("written");
    println!("the work is done");
    std::process::exit(0);
}

/// Lets a process of its own do the work, with the log at its most talkative, and then looks for every secret in all that is left.
fn works_and_hides(work: &str) {
    // Built here: its output is nothing to look through.
    beffroi_tests::packages();
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("house")).expect("made");
    let log = folder.path().join("log");
    let file = fs::File::create(&log).expect("made");
    let status = Command::new(std::env::current_exe().expect("this program"))
        .args([work, "--ignored", "--exact", "--nocapture"])
        .env(FOLDER, folder.path())
        .env("BEFFROI_LOG", "trace")
        .stdout(file.try_clone().expect("a second handle"))
        .stderr(file)
        .status()
        .expect("the process runs");
    let said = fs::read_to_string(&log).expect("the log is text");
    // From the panic on, where there is one: what comes after it is the stack.
    let last = || match said.find(" panicked at ") {
        Some(at) => said[at..].lines().take(20).collect::<Vec<_>>().join("\n"),
        None => said.lines().skip(said.lines().count().saturating_sub(60)).collect::<Vec<_>>().join("\n"),
    };
    assert!(status.success() && said.contains("the work is done"), "{status}:\n{}", last());
    for line in said.lines().filter_map(|line| line.strip_prefix("seen: ")) {
        println!("{line}");
    }
    let secrets = fs::read_to_string(folder.path().join(SECRETS)).expect("kept");
    let secrets: Vec<&str> = secrets.lines().collect();
    assert!(secrets.len() >= 2 && secrets.iter().all(|s| s.len() >= 12), "{} secrets", secrets.len());
    let mut places = vec![log];
    files(&folder.path().join("house"), &mut places);
    assert!(places.iter().any(|p| p.to_string_lossy().ends_with("-wal")), "the database's own log is there: {places:?}");
    let mut bytes = 0;
    for place in &places {
        let content = fs::read(place).expect("readable");
        bytes += content.len();
        for (number, secret) in secrets.iter().enumerate() {
            for form in forms(secret) {
                let found = memchr::memmem::find(&content, form.as_bytes());
                assert!(found.is_none(), "{} holds secret {number} at {found:?}", place.display());
            }
        }
    }
    println!("{} secrets are in none of {} files, {bytes} bytes", secrets.len(), places.len());
}

/// The ways in which a secret could be written down; for a token also its parts.
fn forms(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
    let list = secret.bytes().map(|b| b.to_string()).collect::<Vec<_>>().join(", ");
    let parts = secret.split('.').filter(|part| part.len() >= 40).map(str::to_owned);
    [secret.to_owned(), hex, list].into_iter().chain(parts).collect()
}

/// Every file under a folder but the secrets themselves.
fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true if path.file_name().is_some_and(|name| name == "secrets") => {}
            true => files(&path, out),
            false => out.push(path),
        }
    }
}
