//! Runs the tests that lie beside scripts: `tests/NAME.test.rhai`, each `test_*` function in a world of its own.
//!
//! In: test files and the scripts they test. Out: which passed, and for the others where and why they failed.
//! Never: leaves the world of a test: its clock is simulated, its network is what the test says, its posts stay unsent.

use crate::config::Base;
use crate::domain::{Json, Timestamp, parse_span};
use crate::network::Response;
use crate::problem::Problem;
use crate::rehearsal::Rehearsal;
use crate::run::script::STACK;
use crate::run::script::value::{revived, written_as_json};
use crate::store::view;
use rhai::{Dynamic, Engine, EvalAltResult, FuncRegistration, Module, Position, Scope};
use serde::Serialize;
use serde_json::{Map, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Monday 5 January 2026, eight in the morning in Paris.
const START: &str = "2026-01-05T08:00:00+01:00";
/// A test that runs longer than this many operations does not end.
const OPERATIONS: u64 = 100_000_000;

/// The result of one test.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// The test file.
    pub file: PathBuf,
    /// The function.
    pub test: String,
    /// Whether it passed.
    pub passed: bool,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Runs the tests of these files, or of the folders' `tests` and themselves.
///
/// # Errors
/// A sentence, when a path cannot be read or holds no tests.
pub fn run(paths: &[PathBuf]) -> Result<Vec<Verdict>, String> {
    let mut files = Vec::new();
    for path in paths {
        find(path, &mut files)?;
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        return Err("There are no tests here. Put them beside the scripts, as tests/NAME.test.rhai, or name the folder.".into());
    }
    let mut verdicts = Vec::new();
    for file in files {
        // Scripts may nest deeply; they get the stack they have in the daemon.
        let job = std::thread::Builder::new().name("tests".into()).stack_size(STACK).spawn(move || test_file(&file));
        let found = job.map_err(|e| format!("The machine gives no thread: {e}."))?.join();
        verdicts.extend(found.map_err(|_| "A test ended the thread it ran on.".to_owned())??);
    }
    Ok(verdicts)
}

fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let is_test = |p: &Path| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with(".test.rhai"));
    if !path.is_dir() {
        if !path.exists() {
            return Err(format!("{} does not exist. Name a test file, or the folder that holds the scripts.", path.display()));
        }
        files.push(path.to_owned());
        return Ok(());
    }
    for folder in [path.to_owned(), path.join("tests")] {
        let Ok(list) = std::fs::read_dir(&folder) else { continue };
        files.extend(list.flatten().map(|e| e.path()).filter(|p| is_test(p)));
    }
    Ok(())
}

fn test_file(file: &Path) -> Result<Vec<Verdict>, String> {
    let source = std::fs::read_to_string(file).map_err(|e| format!("{} cannot be read: {e}.", file.display()))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let scripts =
        if folder.file_name().is_some_and(|n| n == "tests") { folder.parent().unwrap_or(Path::new(".")) } else { folder };
    let scripts = scripts.canonicalize().map_err(|e| format!("{} cannot be read: {e}.", scripts.display()))?;
    let engine = engine();
    let verdict = |test: &str, problem: Option<Problem>| Verdict {
        file: file.to_owned(),
        test: test.into(),
        passed: problem.is_none(),
        problem,
    };
    let ast = match engine.compile(&source) {
        Ok(ast) => ast,
        Err(error) => {
            let (line, column) = place(error.position());
            return Ok(vec![verdict(
                "(file)",
                Some(Problem::at(file, &source, line, column, 1, error.err_type().to_string(), "")),
            )]);
        }
    };
    let mut names: Vec<(String, usize)> = ast
        .iter_functions()
        .filter(|f| f.name.starts_with("test_") && f.params.is_empty())
        .map(|f| (f.name.to_owned(), source.find(&format!("fn {}(", f.name)).unwrap_or(0)))
        .collect();
    names.sort_by_key(|(_, at)| *at);
    if names.is_empty() {
        return Ok(vec![verdict(
            "(file)",
            Some(Problem::file(file, "There is no test in this file.", "Write fn test_what_holds() { … }.")),
        )]);
    }
    let mut verdicts = Vec::new();
    for (name, _) in names {
        let world = World::new(&scripts)?;
        WORLD.with_borrow_mut(|slot| *slot = Some(world));
        let result = engine.call_fn::<Dynamic>(&mut Scope::new(), &ast, &name, ());
        WORLD.with_borrow_mut(|slot| *slot = None);
        let problem = result.err().map(|error| {
            let (line, column) = place(innermost(&error).position());
            Problem::at(file, &source, line, column, 1, sentence(innermost(&error)), "")
        });
        verdicts.push(verdict(&name, problem));
    }
    Ok(verdicts)
}

fn place(position: Position) -> (usize, usize) {
    (position.line().unwrap_or(0), position.position().unwrap_or(0))
}

fn innermost(error: &EvalAltResult) -> &EvalAltResult {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => innermost(inner),
        other => other,
    }
}

fn sentence(error: &EvalAltResult) -> String {
    match error {
        EvalAltResult::ErrorRuntime(value, _) => value.to_string(),
        other => {
            let mut plain = other.clone_without_position();
            plain = plain.trim_end_matches('.').to_owned();
            format!("{plain}.")
        }
    }
}

/// The text of an error without its place, which is told beside it.
trait Unplaced {
    fn clone_without_position(&self) -> String;
}

impl Unplaced for EvalAltResult {
    fn clone_without_position(&self) -> String {
        let text = self.to_string();
        text.rsplit_once(" (line ").map_or(text.clone(), |(before, _)| before.to_owned())
    }
}

type Failed = Box<EvalAltResult>;

fn failed(message: impl Into<String>) -> Failed {
    EvalAltResult::ErrorRuntime(message.into().into(), Position::NONE).into()
}

fn with_world<T>(work: impl FnOnce(&mut World) -> Result<T, String>) -> Result<T, Failed> {
    WORLD.with_borrow_mut(|world| work(world.as_mut().ok_or("A test's world exists inside a test only.")?).map_err(failed))
}

fn given(value: &Dynamic, what: &str) -> Result<Json, String> {
    written_as_json(value).map_err(|sentence| format!("{what}: {sentence}"))
}

fn engine() -> Engine {
    let mut engine = Engine::new();
    engine.set_max_expr_depths(64, 32).set_max_operations(OPERATIONS).set_strict_variables(true);
    engine.set_fail_on_invalid_map_property(true);
    engine.register_fn(
        "assert",
        |holds: bool, message: &str| if holds { Ok(()) } else { Err(failed(format!("Not so: {message}"))) },
    );
    engine.register_fn("assert", |holds: bool| if holds { Ok(()) } else { Err(failed("Not so.")) });
    engine.register_fn("assert_eq", |actual: Dynamic, expected: Dynamic| {
        let (actual, expected) =
            (given(&actual, "the first value").map_err(failed)?, given(&expected, "the second value").map_err(failed)?);
        if actual == expected { Ok(()) } else { Err(failed(format!("Expected {expected}, but it is {actual}."))) }
    });
    let mut module = Module::new();
    macro_rules! world {
        ($name:literal, |$world:ident $(, $arg:ident: $kind:ty)*| $work:expr) => {
            FuncRegistration::new($name).set_into_module(&mut module, |$($arg: $kind),*| -> Result<Dynamic, Failed> {
                with_world(|$world| $work)
            });
        };
    }
    world!("clock", |world, text: &str| world.set_clock(text).map(|()| Dynamic::UNIT));
    world!("advance", |world, span: &str| world.advance(span).map(|()| Dynamic::UNIT));
    world!("business", |world, map: Dynamic| world.merge("business", &given(&map, "world::business")?).map(|()| Dynamic::UNIT));
    world!("account", |world, name: &str, map: Dynamic| {
        world.accounts.insert(name.into(), given(&map, "world::account")?);
        world.changed()
    });
    world!("library", |world, list: Dynamic| world.set_library(&given(&list, "world::library")?).map(|()| Dynamic::UNIT));
    world!("stock", |world, list: Dynamic| world.set_stock(&given(&list, "world::stock")?).map(|()| Dynamic::UNIT));
    world!("feed", |world, name: &str, list: Dynamic| {
        world.set_feed(name, &given(&list, "world::feed")?, "sector").map(|()| Dynamic::UNIT)
    });
    world!("feed", |world, name: &str, list: Dynamic, topic: &str| {
        world.set_feed(name, &given(&list, "world::feed")?, topic).map(|()| Dynamic::UNIT)
    });
    world!("metric", |world, account: &str, date: &str, name: &str, value: i64| world.add_metric(
        account,
        date,
        name,
        &value.to_string()
    ));
    world!("metric", |world, account: &str, date: &str, name: &str, value: f64| world.add_metric(
        account,
        date,
        name,
        &value.to_string()
    ));
    world!("setting", |world, name: &str, value: Dynamic| {
        let value = given(&value, "world::setting")?;
        world.settings.insert(name.into(), value);
        world.changed()
    });
    world!("http", |world, request: &str, answer: Dynamic| world
        .answer(request, &given(&answer, "world::http")?)
        .map(|()| Dynamic::UNIT));
    world!("run", |world, name: &str| world.run(name));
    engine.register_static_module("world", module.into());
    engine
}

/// The world of one test: a folder with a configuration, and an engine on it from the first run on.
struct World {
    folder: tempfile::TempDir,
    scripts: PathBuf,
    now: Timestamp,
    business: Map<String, Json>,
    accounts: BTreeMap<String, Json>,
    feeds: BTreeMap<String, String>,
    settings: Map<String, Json>,
    workflows: Vec<String>,
    metrics: String,
    has_stock: bool,
    has_library: bool,
    stale: bool,
    answers: Vec<(String, Response)>,
    /// Each file is dated a little later than the one before: two that are written at one moment of the simulated clock differ.
    writes: std::cell::Cell<u64>,
    rehearsal: Option<Rehearsal>,
}

impl World {
    fn new(scripts: &Path) -> Result<Self, String> {
        let business = json!({ "name": "Test", "town": "Arras", "zone": "Europe/Paris", "language": "fr", "currency": "EUR" });
        let Json::Object(business) = business else { return Err("The world of a test has no business.".into()) };
        Ok(Self {
            folder: tempfile::tempdir().map_err(|e| format!("There is no room for a test: {e}."))?,
            scripts: scripts.to_owned(),
            now: Timestamp::parse(START).ok_or("The start of the test's clock is not an instant.")?,
            business,
            accounts: BTreeMap::new(),
            feeds: BTreeMap::new(),
            settings: Map::new(),
            workflows: Vec::new(),
            metrics: "account,date,name,value\n".into(),
            has_stock: false,
            has_library: false,
            stale: true,
            answers: Vec::new(),
            writes: std::cell::Cell::new(0),
            rehearsal: None,
        })
    }

    #[allow(clippy::unnecessary_wraps, reason = "the end of a chain of calls that can fail")]
    fn changed(&mut self) -> Result<Dynamic, String> {
        self.stale = true;
        Ok(Dynamic::UNIT)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.file(name);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let written = made
            .and_then(|()| std::fs::write(&path, text))
            .and_then(|()| crate::sample::date_file(&path, self.now, self.writes.replace(self.writes.get() + 1)));
        written.map_err(|e| format!("The test cannot write {}: {e}.", path.display()))
    }

    fn set_clock(&mut self, text: &str) -> Result<(), String> {
        let to = Timestamp::parse(text).ok_or_else(|| format!("\"{text}\" is not an instant such as {START}."))?;
        if self.rehearsal.is_some() && to < self.now {
            return Err("After the first run the clock may only go forward.".into());
        }
        self.move_to(to);
        Ok(())
    }

    fn advance(&mut self, span: &str) -> Result<(), String> {
        let span = parse_span(span).map_err(|e| e.0)?;
        self.move_to(self.now.plus(span));
        Ok(())
    }

    fn move_to(&mut self, to: Timestamp) {
        self.now = to;
        if let Some(rehearsal) = &self.rehearsal {
            rehearsal.clock.set(to);
        }
    }

    fn merge(&mut self, _: &str, map: &Json) -> Result<(), String> {
        let Json::Object(map) = map else { return Err("world::business needs a map.".into()) };
        self.business.extend(map.clone());
        self.stale = true;
        Ok(())
    }

    fn set_library(&mut self, list: &Json) -> Result<(), String> {
        let folder = self.file("library");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(|e| format!("The test cannot clear its library: {e}."))?;
        }
        for entry in list.as_array().ok_or("world::library needs a list of maps.")? {
            let map = entry.as_object().ok_or("world::library needs a list of maps.")?;
            let item = map.get("item").and_then(Json::as_str).ok_or("Every entry of world::library needs an item.")?;
            let mut front = format!("+++\nid = {}\n", json!(item));
            for (key, value) in map.iter().filter(|(k, _)| !["item", "text"].contains(&k.as_str())) {
                let _ = writeln!(front, "{key} = {}", toml(value));
            }
            let text = map.get("text").and_then(Json::as_str).unwrap_or_default();
            self.write(&format!("library/{item}.md"), &format!("{front}+++\n{text}\n"))?;
        }
        self.has_library = true;
        self.stale = true;
        Ok(())
    }

    fn set_stock(&mut self, list: &Json) -> Result<(), String> {
        let mut csv = String::from("sku;title;available;price;was;url;category\n");
        for entry in list.as_array().ok_or("world::stock needs a list of maps.")? {
            let text = |key: &str| entry.get(key).and_then(Json::as_str).unwrap_or_default().replace([';', '"', '\n'], " ");
            let cents = |key: &str| {
                entry.get(key).and_then(Json::as_i64).map(|n| format!("{}.{:02}", n / 100, n % 100)).unwrap_or_default()
            };
            let available = entry.get("available").and_then(Json::as_i64).map(|n| n.to_string()).unwrap_or_default();
            let (sku, title) = (text("sku"), text("title"));
            let _ = writeln!(
                csv,
                "{sku};{title};{available};{};{};{};{}",
                cents("price"),
                cents("was"),
                text("url"),
                text("category")
            );
        }
        self.write("stock.csv", &csv)?;
        self.has_stock = true;
        self.stale = true;
        Ok(())
    }

    fn set_feed(&mut self, name: &str, list: &Json, topic: &str) -> Result<(), String> {
        let mut items = Vec::new();
        for entry in list.as_array().ok_or("world::feed needs a list of maps.")? {
            let field = |key: &str| entry.get(key).cloned().unwrap_or_default();
            items.push(json!({ "id": field("id"), "title": field("title"), "url": field("url"), "date_published": field("published"), "content_text": field("summary") }));
        }
        let feed = json!({ "version": "https://jsonfeed.org/version/1.1", "title": name, "items": items });
        self.write(&format!("feeds/{name}.json"), &feed.to_string())?;
        self.feeds.insert(name.into(), topic.into());
        self.stale = true;
        Ok(())
    }

    fn add_metric(&mut self, account: &str, date: &str, name: &str, value: &str) -> Result<Dynamic, String> {
        let _ = writeln!(self.metrics, "{account},{date},{name},{value}");
        self.changed()
    }

    fn answer(&mut self, request: &str, answer: &Json) -> Result<(), String> {
        let body = match answer.get("body") {
            Some(Json::String(text)) => text.clone().into_bytes(),
            Some(value) => value.to_string().into_bytes(),
            None => Vec::new(),
        };
        let status = answer.get("status").and_then(Json::as_u64).and_then(|n| u16::try_from(n).ok()).unwrap_or(200);
        let headers = answer.get("headers").and_then(Json::as_object).into_iter().flatten();
        let headers = headers.filter_map(|(k, v)| Some((k.to_lowercase(), v.as_str()?.to_owned()))).collect();
        let response = Response { status, headers, body };
        match &self.rehearsal {
            Some(rehearsal) => rehearsal.network.answer(request, Ok(response)),
            None => self.answers.push((request.into(), response)),
        }
        Ok(())
    }

    /// Writes the configuration that the world has come to.
    fn configure(&self) -> Result<(), String> {
        let mut out = format!(
            "business = {}\nscripts = {}\n",
            toml(&Json::Object(self.business.clone())),
            toml(&json!({ "folder": self.scripts }))
        );
        out.push_str(
            "limits = { watch = false }\npeople = { owner = { channel = \"folder\", folder = \"mail\", language = \"fr\" } }\n",
        );
        if self.has_library {
            out.push_str("library = { folder = \"library\" }\n");
        }
        if self.has_stock {
            out.push_str("catalogs = { shop = { file = \"stock.csv\" } }\n");
        }
        self.write("metrics.csv", &self.metrics)?;
        out.push_str("metrics = { files = [\"metrics.csv\"] }\n");
        let mut accounts = Map::new();
        for (name, given) in &self.accounts {
            let mut map = given.as_object().cloned().ok_or("world::account needs a map.")?;
            map.insert("channel".into(), "folder".into());
            map.insert("folder".into(), format!("posts/{name}").into());
            accounts.insert(name.clone(), map.into());
        }
        let feeds = self
            .feeds
            .iter()
            .map(|(name, topic)| (name.clone(), json!({ "file": format!("feeds/{name}.json"), "topic": topic })));
        let workflow = |name: &String| {
            // No schedule: time passes in a test without anything starting by itself.
            (name.clone(), json!({ "script": format!("{name}.rhai"), "retries": 0, "pause_after": 0, "settings": self.settings }))
        };
        let workflows = self.workflows.iter().map(workflow);
        for (table, map) in [("accounts", accounts), ("feeds", feeds.collect()), ("workflows", workflows.collect())] {
            if !map.is_empty() {
                let _ = writeln!(out, "{table} = {}", toml(&map.into()));
            }
        }
        self.write("beffroi.toml", &out)
    }

    fn run(&mut self, name: &str) -> Result<Dynamic, String> {
        if !self.workflows.iter().any(|w| w == name) {
            self.workflows.push(name.to_owned());
            self.stale = true;
        }
        if self.stale {
            self.configure()?;
        }
        let config = self.file("beffroi.toml");
        let shown = |problems: &[Problem]| problems.iter().map(Problem::render).collect::<String>();
        if self.rehearsal.is_none() {
            let base = Base { state: None, builtin: Some(crate::sample::builtin) };
            let rehearsal = Rehearsal::start(&config, base, self.now, 1).map_err(|e| e.to_string())?;
            for (request, answer) in self.answers.drain(..) {
                rehearsal.network.answer(&request, Ok(answer));
            }
            self.rehearsal = Some(rehearsal);
        } else if self.stale {
            let rehearsal = self.rehearsal.as_ref().ok_or("The world has no engine.")?;
            rehearsal.engine.reload().map_err(|problems| shown(&problems))?;
            rehearsal.engine.collect_again().map_err(|e| e.to_string())?;
        }
        self.stale = false;
        let rehearsal = self.rehearsal.as_ref().ok_or("The world has no engine.")?;
        let detail = rehearsal.run(name, None)?;
        let reader = rehearsal.engine.store.read().map_err(|e| e.to_string())?;
        let (state, _, _) = view::state_list(&reader, "").map_err(|e| e.to_string())?;
        let state: Map<String, Json> =
            state.into_iter().map(|(k, v)| (k, serde_json::from_str(&v).unwrap_or_default())).collect();
        let effects = detail.effects.unwrap_or_default();
        let list = |key: &str| effects.get(key).and_then(Json::as_array).cloned().unwrap_or_default();
        let posts: Vec<Json> = list("posts").iter().map(planned_post).collect();
        let notices: Vec<Json> = list("notices").iter().map(planned_notice).collect();
        let withdrawn = withdrawn(&reader, &list("withdrawn"))?;
        let logs: Vec<Json> = detail.log.iter().map(|l| json!({ "level": l.level, "text": l.text })).collect();
        revived(&json!({
            "ok": detail.row.error.is_none(), "error": detail.row.error, "value": detail.value, "posts": posts, "notices": notices,
            "withdrawn": withdrawn, "state": state, "logs": logs,
        }))
    }
}

/// A planned post in the words of posts::plan.
fn planned_post(post: &Json) -> Json {
    let deliveries = post.get("deliveries").and_then(Json::as_array).cloned().unwrap_or_default();
    let of = |d: &Json, key: &str| d.get(key).cloned().unwrap_or_default();
    let content = |d: &Json, key: &str| d.get("content").map(|c| of(c, key)).unwrap_or_default();
    let first = deliveries.first().cloned().unwrap_or_default();
    let accounts: Vec<Json> = deliveries.iter().map(|d| of(d, "account")).collect();
    let texts: Map<String, Json> =
        deliveries.iter().filter_map(|d| Some((of(d, "account").as_str()?.to_owned(), content(d, "text")))).collect();
    let mut guards = of(post, "guards");
    let on_fail = guards.as_object_mut().and_then(|map| {
        map.retain(|_, value| !value.is_null());
        map.remove("on_fail")
    });
    json!({
        "accounts": accounts, "text": content(&first, "text"), "per_network": texts, "link": content(&first, "link"),
        "media": content(&first, "media"), "format": content(&first, "format"), "item": of(post, "item"), "theme": of(post, "theme"),
        "once": of(post, "once"), "why": of(post, "why"), "guards": guards, "on_fail": on_fail, "draft": of(&first, "needs_yes"),
        "at": of(&first, "at"), "expires": of(&first, "until"), "fallback": of(&first, "fallback"),
    })
}

fn planned_notice(notice: &Json) -> Json {
    let mut map = notice.get("notice").and_then(Json::as_object).cloned().unwrap_or_default();
    for key in ["to", "once"] {
        map.insert(key.into(), notice.get(key).cloned().unwrap_or_default());
    }
    map.into()
}

/// The posts that a run's withdrawals took back.
fn withdrawn(db: &rusqlite::Connection, withdrawals: &[Json]) -> Result<Vec<Json>, String> {
    let cancelled = view::deliveries(db, Some("cancelled"), None, 1_000).map_err(|e| e.to_string())?;
    let mut seen = std::collections::BTreeSet::new();
    let matches = |once: &str, reason: &str| {
        withdrawals.iter().any(|w| {
            let text = |key: &str| w.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
            once.starts_with(&text("prefix")) && reason == text("reason")
        })
    };
    Ok(cancelled
        .into_iter()
        .filter_map(|d| Some((d.once?, d.reason?)))
        .filter(|(once, reason)| matches(once, reason) && seen.insert(once.clone()))
        .map(|(once, reason)| json!({ "once": once, "reason": reason }))
        .collect())
}

/// A value as TOML on one line; null has no form there and is left out.
fn toml(value: &Json) -> String {
    match value {
        Json::Null => "\"\"".into(),
        Json::Array(list) => format!("[{}]", list.iter().filter(|v| !v.is_null()).map(toml).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let pairs = map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| format!("{} = {}", json!(k), toml(v)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        // Texts of JSON and of TOML share their escapes, but for the delete character.
        Json::String(_) => value.to_string().replace('\u{7f}', "\\u007F"),
        Json::Bool(_) | Json::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(script: &str, test: &str) -> Vec<Verdict> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("tests")).expect("made");
        std::fs::write(folder.path().join("count.rhai"), script).expect("written");
        std::fs::write(folder.path().join("tests/count.test.rhai"), test).expect("written");
        run(&[folder.path().to_owned()]).expect("tests were found")
    }

    #[test]
    fn tests_pass_and_fail_with_their_place() {
        let script = "state::add(\"n\", run::setting(\"by\", 1))";
        let test = "fn test_counts() {\n  world::setting(\"by\", 2);\n  world::run(\"count\");\n  assert_eq(world::run(\"count\").value, 4);\n}\nfn test_wrong() {\n  let r = world::run(\"count\");\n  assert_eq(r.state.n, 7);\n}\n";
        let verdicts = judged(script, test);
        assert_eq!(
            verdicts.iter().map(|v| (v.test.as_str(), v.passed)).collect::<Vec<_>>(),
            [("test_counts", true), ("test_wrong", false)]
        );
        let problem = verdicts[1].problem.as_ref().expect("it failed");
        assert_eq!((problem.line, problem.message.as_str()), (8, "Expected 7, but it is 1."));
    }

    #[test]
    fn http_is_what_the_test_says_and_nothing_else() {
        let script = "let p = http::get(\"https://shop.example/x\"); p.body";
        let test = "fn test_answer() { world::http(\"GET https://shop.example/x\", #{ status: 200, body: \"yes\" }); assert_eq(world::run(\"count\").value, \"yes\"); }\n\
                    fn test_none() { let r = world::run(\"count\"); assert(!r.ok && r.error.contains(\"no answer\"), r.error); }";
        let verdicts = judged(script, test);
        assert!(verdicts.iter().all(|v| v.passed), "{verdicts:#?}");
    }
}
