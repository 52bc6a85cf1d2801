//! The sample business at work: laid out in a folder, every workflow run once through the scheduler, and a word on what came of it.
//!
//! In: a folder. Out: posts and previews in it, a draft that waits, a promotion held back, a digest to open; and a report.
//! Never: reaches anything outside the folder, or lays the sample over files of somebody else's.

use crate::daemon::Engine;
use crate::domain::{Json, Language, RunId, Timestamp};
use crate::kinds::Outgoing;
use crate::plugin::install::Allowed;
use crate::store::view::{self, DeliveryRow};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// The first round is over within this, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// The plugin of the sample, as its package is called.
const PLUGIN: &str = "rotation";

/// The package of the sample's plugin in a folder of packages.
pub fn package(packages: &Path) -> PathBuf {
    packages.join(format!("{PLUGIN}.wasm"))
}

/// Installs the sample's plugin: whoever starts the demonstration says yes to what it asks for, which is neither network nor files.
///
/// # Errors
/// A sentence: the package cannot be read, or is not taken.
pub fn install(engine: &Engine, packages: &Path) -> Result<(), String> {
    let file = package(packages);
    let bytes =
        std::fs::read(&file).map_err(|e| format!("{} cannot be read: {e}. Build it with: cargo plugins", file.display()))?;
    engine
        .with_shelf(|shelf| {
            let examined = shelf.examine(bytes, &file.display().to_string())?;
            // Built anew since the last time, perhaps by another key of development.
            let grant = Some(examined.consent.to_string());
            shelf.install(&examined, &Allowed { grant, by: "demo".into(), force: true, new_key: true })
        })
        .map(drop)
        .map_err(|refused| refused.to_string())
}

/// Lays the sample out in a folder, or takes the one that lies there; with the workflow that is a plugin, when its package is at
/// hand. Gives back its configuration.
///
/// # Errors
/// A sentence: the folder holds something else, or cannot be written.
pub fn prepare(folder: &Path, now: Timestamp, with_plugin: bool) -> Result<PathBuf, String> {
    let config = folder.join("beffroi.toml");
    let occupied = std::fs::read_dir(folder).is_ok_and(|mut list| list.next().is_some());
    if occupied && !config.exists() {
        return Err(format!("{} holds other files. Name an empty or a new folder with --dir.", folder.display()));
    }
    if !config.exists() {
        crate::sample::lay_out(folder, now)?;
        if with_plugin {
            let added = std::fs::OpenOptions::new().append(true).open(&config);
            added
                .and_then(|mut file| std::io::Write::write_all(&mut file, crate::sample::PLUGINS.as_bytes()))
                .map_err(|e| format!("{} cannot be written: {e}.", config.display()))?;
        }
    }
    let absolute = config.canonicalize().map_err(|e| format!("{} cannot be read: {e}.", config.display()))?;
    Ok(absolute)
}

/// Lets every workflow run once, due now, and waits until their posts and notices have gone where they can go now.
///
/// # Errors
/// A sentence, when it does not come to an end.
pub fn first_round(engine: &Engine) -> Result<Vec<RunId>, String> {
    let (to, ended) = mpsc::channel();
    let runs = engine.begin_all(|| {
        let to = to.clone();
        // Who has stopped listening does not want to know.
        Box::new(move |id| {
            let _ = to.send(id);
        })
    })?;
    let begin = engine.clock.monotonic();
    let left = || PATIENCE.saturating_sub(engine.clock.monotonic().saturating_sub(begin));
    for _ in &runs {
        ended.recv_timeout(left()).map_err(|_| "The first round did not come to an end. Look at 'beffroi runs'.".to_owned())?;
    }
    // The outbox serves what the runs planned; whoever is due later or held is looked at later.
    let bell = crate::clock::Nudge::default();
    loop {
        if engine.delivered().map_err(|e| e.to_string())? {
            return Ok(runs);
        }
        if left().is_zero() {
            return Err("The first posts did not leave. Look at 'beffroi posts'.".into());
        }
        engine.clock.wait(&bell, Some(engine.clock.now().plus(Duration::from_millis(10))));
    }
}

/// What the first round came to.
pub struct Report {
    folder: PathBuf,
    socket: PathBuf,
    runs: Vec<view::RunDetail>,
    deliveries: Vec<DeliveryRow>,
}

fn text(delivery: &DeliveryRow) -> String {
    let content: Option<Outgoing> = serde_json::from_value(delivery.content.clone()).ok();
    let line = content.map(|c| c.text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default().to_owned()).unwrap_or_default();
    crate::craft::words::fit(&line, 70)
}

fn place(delivery: &DeliveryRow) -> String {
    let url = delivery.url.clone().unwrap_or_default();
    url.strip_prefix("file://").map_or(url.clone(), str::to_owned)
}

impl Report {
    /// Looks at what these runs came to.
    ///
    /// # Errors
    /// A sentence, when the store cannot be read.
    pub fn of(engine: &Engine, folder: &Path, runs: &[RunId]) -> Result<Self, String> {
        let reader = engine.store.read().map_err(|e| e.to_string())?;
        let read = |id: &RunId| view::run(&reader, *id).map_err(|e| e.to_string());
        let details = runs.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut deliveries = view::deliveries(&reader, None, None, 200).map_err(|e| e.to_string())?;
        deliveries.reverse();
        Ok(Self {
            folder: folder.to_owned(),
            socket: engine.socket().to_owned(),
            runs: details.into_iter().flatten().collect(),
            deliveries,
        })
    }

    /// Whether every run of the round ended well.
    pub fn good(&self) -> bool {
        self.runs.iter().all(|r| r.row.error.is_none())
    }

    fn posts(&self, keep: impl Fn(&DeliveryRow) -> bool) -> impl Iterator<Item = &DeliveryRow> {
        self.deliveries.iter().filter(move |d| d.kind == "post" && keep(d))
    }

    fn digests(&self) -> impl Iterator<Item = &DeliveryRow> {
        self.deliveries.iter().filter(|d| d.kind == "notice" && d.content.get("kind").and_then(Json::as_str) == Some("digest"))
    }

    /// As one JSON document.
    pub fn json(&self) -> Json {
        let post = |d: &DeliveryRow| json!({ "id": d.id, "account": d.target, "state": d.state, "reason": d.reason, "text": text(d), "file": place(d) });
        json!({
            "folder": self.folder,
            "socket": self.socket,
            "runs": self.runs.iter().map(|r| json!({ "run": r.row.run, "workflow": r.row.workflow, "state": r.row.state, "error": r.row.error })).collect::<Vec<_>>(),
            "online": self.posts(|d| d.state == "online").map(post).collect::<Vec<_>>(),
            "to_approve": self.posts(|d| d.state == "held" && d.approval == "needed").map(post).collect::<Vec<_>>(),
            "held": self.posts(|d| d.state != "online" && d.approval != "needed").map(post).collect::<Vec<_>>(),
            "digest": self.digests().map(place).next(),
        })
    }

    /// In plain words: what was done, and what to type next, with the program as it can be typed.
    pub fn words(&self, language: Language, running: bool, program: &str) -> String {
        let mut out = String::new();
        let say = |fr: &str, en: &str| language.pick(fr.to_owned(), en.to_owned());
        let online: Vec<_> = self.posts(|d| d.state == "online").collect();
        let drafts: Vec<_> = self.posts(|d| d.state == "held" && d.approval == "needed").collect();
        let held: Vec<_> = self.posts(|d| d.state != "online" && d.approval != "needed").collect();
        let _ = writeln!(
            out,
            "\n{}\n",
            say(
                "La Boulangerie du Beffroi, à Arras, est ouverte. Chaque programme a fait un premier tour :",
                "The Boulangerie du Beffroi, in Arras, is open. Every workflow has made its first round:"
            )
        );
        for run in &self.runs {
            let outcome =
                run.row.error.as_deref().map_or_else(|| say("fait", "done"), |e| e.lines().next().unwrap_or_default().to_owned());
            let _ = writeln!(out, "  {:<12} {:<4} {outcome}", run.row.workflow, run.row.run.to_string());
        }
        let section = |title: String, lines: Vec<String>, out: &mut String| {
            if !lines.is_empty() {
                let _ = writeln!(out, "\n{title}");
                lines.into_iter().for_each(|line| {
                    let _ = writeln!(out, "{line}");
                });
            }
        };
        let with_text = |d: &DeliveryRow, second: String| format!("  {:<10} {}\n  {:<10} {second}", d.target, text(d), "");
        section(
            say(
                "Publié dans des dossiers, avec une page à ouvrir dans un navigateur :",
                "Published into folders, with a page to open in a browser:",
            ),
            online.iter().map(|d| with_text(d, place(d))).collect(),
            &mut out,
        );
        section(
            say("Attend votre accord (rien ne part sans lui) :", "Waits for your yes (nothing leaves without it):"),
            drafts.iter().map(|d| format!("  {:<4} {:<10} {}", d.id.to_string(), d.target, text(d))).collect(),
            &mut out,
        );
        section(
            say("Retenu, et pourquoi :", "Held back, and why:"),
            held.iter()
                .map(|d| format!("  {:<4} {:<10} {}", d.id.to_string(), d.target, d.reason.clone().unwrap_or_default()))
                .collect(),
            &mut out,
        );
        section(
            say("Les chiffres de la semaine :", "The week's figures:"),
            self.digests().map(|d| format!("  {}", place(d))).collect(),
            &mut out,
        );
        if running {
            let socket = self.socket.display();
            let draft = drafts.first().map_or_else(|| "d1".to_owned(), |d| d.id.to_string());
            let stopped =
                held.iter().find(|d| d.guards.is_some()).or(held.first()).map_or_else(|| "d1".to_owned(), |d| d.id.to_string());
            let _ = writeln!(
                out,
                "\n{}\n\n  export BEFFROI_SOCKET={socket}\n  {program} posts\n  {program} approve {draft}\n  {program} why {stopped}\n  {program} status\n\n{}\n",
                say("Et maintenant, dans un autre terminal :", "And now, in another terminal:"),
                say(
                    "Beffroi continue selon son horaire. Ctrl-C l'arrête proprement ; rien n'est perdu.",
                    "Beffroi goes on by its schedule. Ctrl-C stops it cleanly; nothing is lost."
                )
            );
        } else {
            let _ = writeln!(out);
        }
        out
    }
}
