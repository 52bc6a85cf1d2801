//! A run done again, from what it was told: offline, as often as one likes, with the same script or a changed one.
//!
//! In: a recording, from the store or from a file; perhaps another script. Out: what the run plans now, beside what it planned then.
//! Never: reaches the network, a database or a clock that a run could see; nothing it plans happens.

use super::calls;
use super::desk::{Facts, Leavings, Outside, RunDesk};
use super::journal::{self, Journal, Recorded, Told, Written};
use super::scene::Scene;
use super::script::{Ended, Limits, Outcome, Scripts, on_stack};
use crate::clock::{Clock, SystemClock};
use crate::domain::{Digest, Json, RunId, Timestamp};
use crate::instance::Instance;
use crate::network::Response;
use crate::store::journal as kept;
use crate::store::view::{self, SignalRow};
use crate::store::{LogLine, TriggerKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The form of recordings that this program writes.
const FORM: u32 = 1;

/// Everything a run was told, and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// The form, to be read by later programs.
    pub form: u32,
    /// The run's number.
    pub run: i64,
    /// What started it.
    pub trigger: TriggerKind,
    /// When it was due.
    pub due: Timestamp,
    /// What it took for now.
    pub now: Timestamp,
    /// The attempt.
    pub attempt: u32,
    /// What the trigger brought.
    pub payload: Json,
    /// What it could see.
    pub scene: Scene,
    /// What it was told, in order.
    pub answers: Vec<(String, Arc<Told>)>,
    /// What it planned.
    pub effects: Option<Json>,
    /// Digest of that.
    pub effects_hash: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Set when something was blacked out: the digest of what it plans from what is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<Redacted>,
}

/// What blacking out came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redacted {
    /// How many places were blacked out.
    pub places: usize,
    /// Digest of the effects that a replay of this file gives; the same as the run's when nothing it planned was touched.
    pub effects_hash: Option<String>,
}

/// What a replay came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Replayed {
    /// What it plans.
    pub effects: Json,
    /// Digest of that; `None` when it failed.
    pub effects_hash: Option<String>,
    /// The line for the history.
    pub line: String,
    /// Why it failed.
    pub error: Option<String>,
    /// What it logged.
    pub log: Vec<LogLine>,
    /// What it asked and the recording does not answer.
    pub unanswered: Vec<String>,
    /// What the recording answers and it did not ask.
    pub unasked: Vec<String>,
}

impl Replayed {
    /// Whether this is what the recorded run came to.
    pub fn is_as(&self, recording: &Recording) -> bool {
        let wanted = match &recording.redacted {
            Some(redacted) => &redacted.effects_hash,
            None => &recording.effects_hash,
        };
        match (wanted, &recording.error) {
            (Some(hash), _) => self.effects_hash.as_ref() == Some(hash),
            (None, Some(error)) => self.error.as_ref().is_some_and(|now| without_folders(now) == without_folders(error)),
            (None, None) => false,
        }
    }
}

/// An error without the folders of the files it names, which are others on another machine.
fn without_folders(error: &str) -> String {
    error.split(' ').map(|word| word.rsplit_once('/').map_or(word, |(_, file)| file)).collect::<Vec<_>>().join(" ")
}

/// Answers with their parts and signals in their places.
///
/// # Errors
/// A sentence, when something of it is no longer there.
pub fn resolve(
    data: &[u8],
    mut part: impl FnMut(Digest) -> Result<Option<Vec<u8>>, String>,
    mut signals: impl FnMut(&[(i64, i64)]) -> Result<Vec<SignalRow>, String>,
) -> Result<Vec<(String, Arc<Told>)>, String> {
    const DAMAGED: &str = "The journal of this run is damaged, so it cannot be replayed.";
    let mut known: HashMap<Digest, Arc<Told>> = HashMap::new();
    let mut answers = Vec::new();
    for (question, written) in journal::entries(data).ok_or(DAMAGED)? {
        let told = match written {
            Written::Told(told) => Arc::new(told),
            Written::Part(digest) => match known.get(&digest) {
                Some(told) => told.clone(),
                None => {
                    let told = Arc::new(Told::Text(text_of(part(digest)?, DAMAGED)?));
                    known.insert(digest, told.clone());
                    told
                }
            },
            Written::Signals(spans) => {
                let rows = signals(&spans)?;
                let wanted: u64 = spans.iter().map(|(a, b)| a.abs_diff(*b) + 1).sum();
                if rows.len() as u64 != wanted {
                    return Err(format!(
                        "The run read {wanted} signals, of which the database now has {}. It cannot be replayed.",
                        rows.len()
                    ));
                }
                Arc::new(Told::Signals(rows))
            }
        };
        answers.push((question, told));
    }
    Ok(answers)
}

fn text_of(part: Option<Vec<u8>>, damaged: &str) -> Result<String, String> {
    let folded =
        part.ok_or("A part of this run's journal was pruned, so it cannot be replayed. Raise journal_size under [limits].")?;
    journal::unfold(&folded).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| damaged.to_owned())
}

/// The pages that the latest runs read, by address, each as it was when it was last read. A journal or part that cannot be read is
/// passed over.
///
/// # Errors
/// When the database cannot be read.
pub fn pages(db: &Connection, runs: u32) -> rusqlite::Result<HashMap<String, Response>> {
    let mut found = HashMap::new();
    for row in kept::latest(db, runs)? {
        // Within a run the last answer is the newest.
        for (question, written) in journal::entries(&row.data).unwrap_or_default().into_iter().rev() {
            let Some(url) = question.strip_prefix("GET ").filter(|url| !found.contains_key(*url)) else { continue };
            let text = match written {
                Written::Told(Told::Text(text)) => Some(text),
                Written::Part(digest) => kept::part(db, digest)?.and_then(|folded| text_of(Some(folded), "").ok()),
                _ => None,
            };
            if let Some(page) = text.as_deref().and_then(page) {
                found.insert(url.to_owned(), page);
            }
        }
    }
    Ok(found)
}

/// An answer from the network as a script or as a plugin was told it; none when it was told that there is none.
fn page(told: &str) -> Option<Response> {
    let told: Json = serde_json::from_str(told).ok()?;
    let answer = told.get("Ok")?;
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let headers = match &answer["headers"] {
        Json::Object(map) => map.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect(),
        Json::Array(list) => list.iter().filter_map(|pair| Some((text(&pair[0])?, text(&pair[1])?))).collect(),
        _ => Vec::new(),
    };
    let body = match (&answer["body"], &answer["text"], &answer["bytes"]) {
        (Json::String(text), ..) | (_, Json::String(text), _) => text.clone().into_bytes(),
        (.., Json::String(bytes)) => STANDARD.decode(bytes).ok()?,
        _ => Vec::new(),
    };
    Some(Response { status: u16::try_from(answer["status"].as_u64()?).ok()?, headers, body })
}

impl Recording {
    /// The recording of a run that has ended.
    ///
    /// # Errors
    /// A sentence: there is no such run, it has not ended, or its journal is no longer there.
    pub fn of_run(db: &Connection, id: RunId) -> Result<Self, String> {
        let failed = |e: rusqlite::Error| format!("The database cannot be read: {e}.");
        let missing = || format!("There is no run {id}. 'beffroi runs' lists the latest.");
        let run = view::run(db, id).map_err(failed)?.ok_or_else(missing)?;
        let Some(row) = kept::journal(db, id).map_err(failed)? else {
            let why = if run.row.finished.is_none() {
                "it has not ended"
            } else {
                "its journal is not kept: it is older than keep_journals, was pushed out by newer ones (journal_size), or the run was stopped before it began"
            };
            return Err(format!("{id} cannot be replayed: {why}. See [limits] in the configuration."));
        };
        let part = |digest| kept::part(db, digest).map_err(failed);
        let scene = text_of(part(row.scene)?, "The scene of this run is damaged, so it cannot be replayed.")?;
        let scene = serde_json::from_str(&scene)
            .map_err(|e| format!("The scene of this run was written by another program and cannot be read: {e}."))?;
        let answers = resolve(&row.data, part, |spans| view::signals_numbered(db, spans).map_err(failed))?;
        Ok(Self {
            form: FORM,
            run: id.0,
            trigger: run.row.trigger,
            due: run.row.due,
            now: row.at,
            attempt: run.row.attempt,
            payload: run.payload.unwrap_or_default(),
            scene,
            answers,
            effects: run.effects,
            effects_hash: run.effects_hash,
            error: run.row.error,
            redacted: None,
        })
    }

    /// The recording of a run without effect.
    pub(super) fn of_dry(facts: &Facts, scene: Scene, answers: Vec<(String, Arc<Told>)>, done: &Replayed) -> Self {
        Self {
            form: FORM,
            run: facts.id.0,
            trigger: facts.kind,
            due: facts.due,
            now: facts.now,
            attempt: facts.attempt,
            payload: facts.payload.clone(),
            scene,
            answers,
            effects: Some(done.effects.clone()),
            effects_hash: done.effects_hash.clone(),
            error: done.error.clone(),
            redacted: None,
        }
    }

    /// Reads a recording from a file.
    ///
    /// # Errors
    /// A sentence, when it is none, or one of a later program.
    pub fn read(text: &str) -> Result<Self, String> {
        let form = serde_json::from_str::<Json>(text).ok().and_then(|v| v.get("form").and_then(Json::as_u64));
        match form {
            Some(form) if form == u64::from(FORM) => {}
            Some(form) => {
                return Err(format!("This is a recording of form {form}; this program reads form {FORM}. Use a newer Beffroi."));
            }
            None => return Err("This is no recording. Make one with: beffroi bundle RUN".into()),
        }
        serde_json::from_str(text)
            .map_err(|e| format!("The recording cannot be read: {e}. Make it again with: beffroi bundle RUN"))
    }

    /// As a file: JSON that a person can read before passing it on.
    pub fn write(&self) -> String {
        serde_json::to_string_pretty(self).expect("a recording is plain data")
    }

    /// Blacks out what people would not want to pass on: whatever `find` names, private values that plugins keep, headers of
    /// answers, addresses in queries. What it plans from what is left is worked out anew, and said.
    ///
    /// # Errors
    /// A sentence, when what is left cannot be replayed at all.
    pub fn redact(mut self, replayer: &Replayer, find: &dyn Fn(&str) -> String) -> Result<Self, String> {
        if self.scene.workflow.plugin.is_some() {
            return Err(format!(
                "The workflow \"{}\" is a plugin. A bundle holds scripts, not plugins: pass on the plugin's package and the run's log.",
                self.scene.workflow.name
            ));
        }
        let mut places = 0;
        let mut clean = |text: &str| {
            let out = black_out(&find(text));
            places += usize::from(out != *text);
            out
        };
        for (question, told) in &mut self.answers {
            *question = clean(question);
            let new = match &**told {
                Told::Text(text) if question == "kept" || question == "private" => Told::Text(blacked(text, &mut clean, true)),
                Told::Text(text) => Told::Text(blacked(text, &mut clean, false)),
                Told::Refused(sentence) => Told::Refused(clean(sentence)),
                Told::Signals(rows) => Told::Signals(rows.clone()),
            };
            *told = Arc::new(new);
        }
        let texts = serde_json::to_string(&self.payload).expect("a payload is plain data");
        self.payload = serde_json::from_str(&blacked(&texts, &mut clean, false)).unwrap_or_default();
        if let Some(effects) = &self.effects {
            self.effects = serde_json::from_str(&blacked(&effects.to_string(), &mut clean, false)).ok();
        }
        self.error = self.error.as_deref().map(&mut clean);
        let scene = serde_json::to_string(&self.scene).expect("a scene is plain data");
        let scene = blacked(&scene, &mut clean, false);
        self.scene = serde_json::from_str(&scene).map_err(|e| format!("What is left of the scene cannot be used: {e}."))?;
        let left = replayer.replay(&self, None)?;
        if left.effects_hash != self.effects_hash {
            self.effects = Some(left.effects);
        }
        self.redacted = Some(Redacted { places, effects_hash: left.effects_hash });
        Ok(self)
    }
}

/// Header names of answers that may carry what is nobody's business.
const HEADERS: [&str; 6] = ["set-cookie", "authorization", "cookie", "x-api-key", "www-authenticate", "proxy-authenticate"];

/// JSON text with its texts cleaned; with `values`, numbers lists that stand for kept bytes are emptied too.
fn blacked(text: &str, clean: &mut impl FnMut(&str) -> String, values: bool) -> String {
    fn walk(value: &mut Json, key: Option<&str>, clean: &mut impl FnMut(&str) -> String, values: bool) {
        match value {
            Json::String(text) => {
                *text = match key {
                    Some(key) if HEADERS.contains(&key.to_ascii_lowercase().as_str()) => "█".to_owned(),
                    _ => match serde_json::from_str::<Json>(text) {
                        // A body or a kept answer that is JSON itself.
                        Ok(inner @ (Json::Object(_) | Json::Array(_))) => {
                            let mut inner = inner;
                            let before = inner.clone();
                            walk(&mut inner, None, clean, values);
                            if inner == before { text.clone() } else { inner.to_string() }
                        }
                        _ => clean(text),
                    },
                }
            }
            Json::Array(list) if values && key == Some("value") => list.clear(),
            Json::Array(list) => list.iter_mut().for_each(|item| walk(item, key, clean, values)),
            Json::Object(map) => map.iter_mut().for_each(|(key, item)| walk(item, Some(key.as_str()), clean, values)),
            _ => {}
        }
    }
    match serde_json::from_str::<Json>(text) {
        Ok(mut value) => {
            walk(&mut value, None, clean, values);
            value.to_string()
        }
        Err(_) => clean(text),
    }
}

/// Blacks out addresses of mail, long numbers of telephones, and what queries of addresses carry under telling names.
fn black_out(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "<>\"'(),;".contains(c)) {
        let end = word.trim_end_matches(|c: char| c.is_whitespace() || "<>\"'(),;".contains(c)).len();
        let (core, rest) = word.split_at(end);
        out.push_str(&black_word(core));
        out.push_str(rest);
    }
    out
}

fn black_word(word: &str) -> String {
    let mail = word.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && !name.contains('/') && host.contains('.') && !host.starts_with('.') && !host.contains('@')
    });
    if mail {
        return "█@█".into();
    }
    if let Ok(mut url) = url::Url::parse(word)
        && url.has_host()
    {
        const TELLING: [&str; 9] = ["token", "key", "secret", "password", "auth", "signature", "sig", "session", "code"];
        let tells = |name: &str| TELLING.iter().any(|t| name.to_ascii_lowercase().contains(t));
        if url.query_pairs().any(|(name, _)| tells(&name)) || !url.username().is_empty() || url.password().is_some() {
            let pairs: Vec<(String, String)> = url
                .query_pairs()
                .map(|(name, value)| (name.to_string(), if tells(&name) { "█".into() } else { value.to_string() }))
                .collect();
            url.set_query(None);
            for (name, value) in pairs {
                url.query_pairs_mut().append_pair(&name, &value);
            }
            let _ = url.set_username("");
            let _ = url.set_password(None);
            return url.into();
        }
        return word.to_owned();
    }
    let digits = word.chars().filter(char::is_ascii_digit).count();
    if (word.starts_with('+') || word.starts_with("00"))
        && digits >= 9
        && word.chars().all(|c| c.is_ascii_digit() || "+.-/".contains(c))
    {
        return "█".into();
    }
    word.to_owned()
}

/// Does runs again. One serves many recordings: scripts are compiled once.
pub struct Replayer {
    folder: tempfile::TempDir,
    plain: Scripts,
    clock: Arc<SystemClock>,
}

/// Another script in the place of the recorded one.
#[derive(Debug, Clone)]
pub struct Other {
    /// The file; what it imports is looked for in its folder.
    pub file: PathBuf,
    /// Its text.
    pub source: String,
}

impl Replayer {
    /// A replayer.
    ///
    /// # Errors
    /// A sentence, when the machine gives no folder for what scripts import.
    pub fn new() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| format!("The machine gives no temporary folder: {e}."))?;
        let plain = Scripts::new(calls::functions(), folder.path());
        Ok(Self { folder, plain, clock: Arc::new(SystemClock::new()) })
    }

    /// Does a run again, on a thread with the stack that scripts need.
    ///
    /// # Errors
    /// A sentence, when it cannot be done again at all.
    pub fn replay(&self, recording: &Recording, other: Option<&Other>) -> Result<Replayed, String> {
        let done = on_stack("replay", || self.replay_here(recording, other));
        done.map_err(|e| format!("The machine gives no thread: {e}."))?
            .map_err(|_| "The replay itself failed. This is a fault of the program; please report it.".to_owned())?
    }

    /// The same on this thread, which needs a stack of [`super::script::STACK`] bytes: for many replays in a row.
    ///
    /// # Errors
    /// A sentence, when it cannot be done again at all.
    pub fn replay_here(&self, recording: &Recording, other: Option<&Other>) -> Result<Replayed, String> {
        let instance = Arc::new(recording.scene.instance()?);
        let scene = &recording.scene.workflow;
        if scene.plugin.is_some() && other.is_none() {
            return Err(format!(
                "The workflow \"{}\" is a plugin. Replays of plugins need the daemon that has it: run 'beffroi replay' there.",
                scene.name
            ));
        }
        let own;
        let (scripts, file, source) = match other {
            Some(other) => {
                let root = other.file.parent().unwrap_or(Path::new("."));
                own = Scripts::new(calls::functions(), root);
                (&own, other.file.clone(), other.source.as_str())
            }
            None if scene.imports.is_empty() => (&self.plain, PathBuf::from(&scene.script), &*scene.source),
            None => {
                let root = self.lay_out(&scene.imports)?;
                own = Scripts::new(calls::functions(), &root);
                (&own, PathBuf::from(&scene.script), &*scene.source)
            }
        };
        let recorded = Recorded::new(recording.answers.iter().cloned());
        let desk = self.desk(recording, instance, recorded)?;
        Ok(run_script(scripts, &file, source, desk).0)
    }

    /// Puts imported files where a script finds them.
    fn lay_out(&self, imports: &[(String, Arc<str>)]) -> Result<PathBuf, String> {
        let name = serde_json::to_vec(imports).expect("texts are plain data");
        let root = self.folder.path().join(Digest::of(&name).short());
        for (path, source) in imports {
            let mut file = root.join(path);
            if !file.starts_with(&root) || path.split(['/', '\\']).any(|part| part == "..") {
                return Err(format!("The recording imports \"{path}\", which leads out of its folder."));
            }
            if file.extension().is_none_or(|e| e != "rhai") {
                file.as_mut_os_string().push(".rhai");
            }
            let failed = |e: std::io::Error| format!("{} cannot be written: {e}.", file.display());
            std::fs::create_dir_all(file.parent().unwrap_or(&root)).map_err(failed)?;
            std::fs::write(&file, source.as_bytes()).map_err(failed)?;
        }
        Ok(root)
    }

    fn desk(&self, recording: &Recording, instance: Arc<Instance>, recorded: Recorded) -> Result<RunDesk, String> {
        let workflow = instance.workflows.values().next().cloned().ok_or("The recording names no workflow.")?;
        let facts = Facts {
            id: RunId(recording.run),
            workflow,
            kind: recording.trigger,
            due: recording.due,
            now: recording.now,
            attempt: recording.attempt,
            payload: recording.payload.clone(),
        };
        let clock: Arc<dyn Clock> = self.clock.clone();
        Ok(RunDesk::new(Outside::recorded(recorded, clock), instance, facts, Arc::default(), false, false))
    }
}

/// Runs a script at a desk whose plans do not count.
pub(super) fn run_script(scripts: &Scripts, file: &Path, source: &str, desk: RunDesk) -> (Replayed, Option<Journal>) {
    let budget = desk.facts.workflow.budget;
    let compiled = match scripts.compile(file, source) {
        Ok(compiled) => compiled,
        Err(problems) => {
            let text: String = problems.iter().map(crate::problem::Problem::render).collect();
            return replayed(desk.leave(), String::new(), Some(text.trim_end().to_owned()));
        }
    };
    let limits = Limits { operations: budget.operations, memory: budget.memory };
    let (desk, Ended { outcome, .. }) = scripts.execute(&compiled, Box::new(desk), limits);
    let desk: Box<dyn Any> = desk;
    let desk = desk.downcast::<RunDesk>().expect("the desk that went in comes out");
    match outcome {
        Outcome::Finished { line, .. } => replayed(desk.leave(), line, None),
        Outcome::Failed { problem, .. } => replayed(desk.leave(), String::new(), Some(problem.render().trim_end().to_owned())),
    }
}

/// What a run at a desk whose plans do not count came to, and what it was told.
pub(super) fn replayed(left: Leavings, line: String, error: Option<String>) -> (Replayed, Option<Journal>) {
    let effects = left.effects.to_json();
    let done = Replayed {
        effects_hash: error.is_none().then(|| Digest::of(effects.as_bytes()).to_string()),
        effects: serde_json::from_str(&effects).expect("what was written reads"),
        line,
        error,
        log: left.log,
        unanswered: left.unanswered,
        unasked: left.unasked,
    };
    (done, left.journal)
}
