//! A host for `cargo test`: scripted answers, a fixed time, a state that commits, and a note of everything that was asked.
//!
//! In: what the host knows (settings, files) and what others answer. Out: what the plugin asked for, wrote and logged.
//! Never: the network, the clock, or the disk; and never compiled for WASM.
//!
//! ```
//! use beffroi_plugin::fake::{Answer, Host};
//! use beffroi_plugin::prelude::*;
//!
//! let host = Host::new().answer("GET https://api.example.com/me", Answer::json(200, json!({ "name": "Claire" })));
//! let name = host.run(|| http::get("https://api.example.com/me").send()?.json::<Value>());
//! assert_eq!(name.map(|n| n["name"].clone()), Ok(json!("Claire")));
//! assert_eq!(host.requests().len(), 1);
//! ```

use crate::bindings::contract::http::{Header, HttpError};
use crate::bindings::contract::log::Level;
use crate::json::{self, Map, Value};
use crate::values::{Asset, Attribute};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::rc::Rc;

pub mod desk;
pub(crate) mod wire;

/// A request as the plugin sent it.
pub use sent::Sent;
mod sent;

thread_local! {
    static CURRENT: RefCell<Option<Rc<RefCell<World>>>> = const { RefCell::new(None) };
}

/// What a plugin is killed with by [`Answer::dies_after_sending`].
struct Killed;

/// The host of one plugin, for one account, feed or workflow.
pub struct Host {
    world: Rc<RefCell<World>>,
}

/// Answers for a whole remote.
type Remote = Box<dyn FnMut(&Sent) -> Option<Answer>>;

/// What the host knows, and what it noted.
struct World {
    id: String,
    name: String,
    now: u64,
    attempt: u32,
    time_left: u64,
    time_zone: String,
    language: String,
    settings: Value,
    kept: BTreeMap<String, Vec<u8>>,
    draft: BTreeMap<String, Vec<u8>>,
    quota: usize,
    files: BTreeMap<String, (Asset, Vec<u8>)>,
    signatures: BTreeMap<String, Vec<u8>>,
    answers: HashMap<String, VecDeque<Answer>>,
    remote: Option<Remote>,
    requests: Vec<Sent>,
    log: Vec<Line>,
    desk: desk::Desk,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub message: String,
    /// What goes with it.
    pub fields: Vec<Attribute>,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub struct Answer(Fate);

#[derive(Debug, Clone)]
enum Fate {
    Response { status: u16, headers: Vec<Header>, body: Vec<u8> },
    Error(HttpError),
    Death,
}

impl Answer {
    /// An answer with a status and nothing else.
    pub fn status(status: u16) -> Self {
        Self::bytes(status, "", Vec::new())
    }

    /// An answer in JSON.
    pub fn json(status: u16, value: impl Into<Value>) -> Self {
        Self::bytes(status, "application/json", value.into().to_string())
    }

    /// An answer in plain text; see [`Answer::header`] for another type.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::bytes(status, "text/plain; charset=utf-8", text.into())
    }

    /// An answer of any type.
    pub fn bytes(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let answer = Self(Fate::Response { status, headers: Vec::new(), body: body.into() });
        if media_type.is_empty() { answer } else { answer.header("content-type", media_type) }
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Fate::Response { headers, .. } = &mut self.0 {
            headers.push(Header { name: name.to_ascii_lowercase(), value: value.into() });
        }
        self
    }

    /// The request leaves, and no answer comes.
    pub fn lost() -> Self {
        Self::error(HttpError::Lost("The connection broke before the answer came.".to_owned()))
    }

    /// Nothing leaves.
    pub fn not_sent() -> Self {
        Self::error(HttpError::NotSent("There is no connection to the service.".to_owned()))
    }

    /// The request leaves, and the plugin dies on the spot; see [`Host::attempt`].
    pub fn dies_after_sending() -> Self {
        Self(Fate::Death)
    }

    /// Any error of the contract.
    pub fn error(error: HttpError) -> Self {
        Self(Fate::Error(error))
    }
}

/// Whether a call succeeded, and so what it wrote is kept. Only an `Err` did not.
pub trait Fared {
    /// Whether the host would commit.
    fn well(&self) -> bool {
        true
    }
}

impl<T, E> Fared for Result<T, E> {
    fn well(&self) -> bool {
        self.is_ok()
    }
}
impl<T> Fared for Vec<T> {}
impl<T> Fared for Option<T> {}
impl Fared for String {}
impl Fared for bool {}
impl Fared for () {}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A host that knows nothing yet: an account named `test` of a firm in France, on 1 January 2026 at noon in Paris.
    pub fn new() -> Self {
        let world = World {
            id: "delivery-1".to_owned(),
            name: "test".to_owned(),
            now: 1_767_265_200_000,
            attempt: 1,
            time_left: 30_000,
            time_zone: "Europe/Paris".to_owned(),
            language: "fr".to_owned(),
            settings: Value::Object(Map::new()),
            kept: BTreeMap::new(),
            draft: BTreeMap::new(),
            quota: 1 << 20,
            files: BTreeMap::new(),
            signatures: BTreeMap::new(),
            answers: HashMap::new(),
            remote: None,
            requests: Vec::new(),
            log: Vec::new(),
            desk: desk::Desk::default(),
        };
        Self { world: Rc::new(RefCell::new(world)) }
    }

    fn set(self, change: impl FnOnce(&mut World)) -> Self {
        change(&mut self.world.borrow_mut());
        self
    }

    /// What the calls take for now, in milliseconds since 1970.
    #[must_use]
    pub fn now(self, now: u64) -> Self {
        self.set(|w| w.now = now)
    }

    /// What names the call.
    #[must_use]
    pub fn id(self, id: &str) -> Self {
        self.set(|w| w.id = id.to_owned())
    }

    /// The name of the account, feed, catalog, generator, person or workflow.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.set(|w| w.name = name.to_owned())
    }

    /// Which attempt it is.
    #[must_use]
    pub fn attempt_number(self, attempt: u32) -> Self {
        self.set(|w| w.attempt = attempt)
    }

    /// How many milliseconds are left.
    #[must_use]
    pub fn time_left(self, milliseconds: u64) -> Self {
        self.set(|w| w.time_left = milliseconds)
    }

    /// The firm's zone.
    #[must_use]
    pub fn time_zone(self, zone: &str) -> Self {
        self.set(|w| w.time_zone = zone.to_owned())
    }

    /// The firm's language: `fr` or `en`.
    #[must_use]
    pub fn language(self, language: &str) -> Self {
        self.set(|w| w.language = language.to_owned())
    }

    /// What the owner filled in. The manifest's defaults are not added.
    #[must_use]
    pub fn settings(self, settings: Value) -> Self {
        self.set(|w| w.settings = settings)
    }

    /// A value that an earlier call kept.
    #[must_use]
    pub fn kept(self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        self.set(|w| drop(w.kept.insert(key.to_owned(), value.into())))
    }

    /// How many bytes the state may have in all; 1 MiB when left out.
    #[must_use]
    pub fn quota(self, bytes: usize) -> Self {
        self.set(|w| w.quota = bytes)
    }

    /// A file of the post; [`Host::asset`] gives what goes into the post.
    #[must_use]
    pub fn file(self, id: &str, media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let asset = Asset {
            id: id.to_owned(),
            media_type: media_type.to_owned(),
            size: bytes.len() as u64,
            dimensions: None,
            alt: String::new(),
        };
        self.set(|w| drop(w.files.insert(id.to_owned(), (asset, bytes))))
    }

    /// What [`http::sign`](crate::http::sign) gives for a credential.
    #[must_use]
    pub fn signature(self, credential: &str, signature: impl Into<Vec<u8>>) -> Self {
        self.set(|w| drop(w.signatures.insert(credential.to_owned(), signature.into())))
    }

    /// What happens to `METHOD URL`, with its query or without. Several are used in order, and the last one stays.
    #[must_use]
    pub fn answer(self, request: &str, answer: Answer) -> Self {
        self.set(|w| w.answers.entry(request.to_owned()).or_default().push_back(answer))
    }

    /// What happens to every request that no [`Host::answer`] covers: a remote with a memory of its own.
    #[must_use]
    pub fn remote(self, remote: impl FnMut(&Sent) -> Option<Answer> + 'static) -> Self {
        self.set(|w| w.remote = Some(Box::new(remote)))
    }

    /// What a function of the desk gives, such as `library-next`. Several are used in order, and the last one stays.
    #[must_use]
    pub fn desk(self, function: &str, answer: impl Into<Value>) -> Self {
        let answer = answer.into();
        self.set(|w| w.desk.script(function, Ok(answer)))
    }

    /// The sentence with which a function of the desk refuses.
    #[must_use]
    pub fn desk_refuses(self, function: &str, sentence: &str) -> Self {
        self.set(|w| w.desk.script(function, Err(sentence.to_owned())))
    }

    /// Answers for the whole desk: gets the function's name and its arguments by name; `None` leaves it to the others.
    #[must_use]
    pub fn desk_with(self, answer: impl FnMut(&str, &Value) -> Option<Result<Value, String>> + 'static) -> Self {
        self.set(|w| w.desk.closure = Some(Box::new(answer)))
    }

    /// Makes one call. What it wrote to the state is kept unless it gives an `Err`.
    ///
    /// # Panics
    /// When the plugin does, also by [`Answer::dies_after_sending`].
    pub fn run<T: Fared>(&self, call: impl FnOnce() -> T) -> T {
        self.attempt(call).expect("the plugin died after sending; `Host::attempt` expects that")
    }

    /// Makes one call that may die after sending; gives `None` then, and keeps nothing.
    ///
    /// # Panics
    /// When the plugin panics by itself.
    pub fn attempt<T: Fared>(&self, call: impl FnOnce() -> T) -> Option<T> {
        {
            let mut world = self.world.borrow_mut();
            world.draft = world.kept.clone();
            world.desk.begin();
        }
        let before = CURRENT.with(|c| c.replace(Some(Rc::clone(&self.world))));
        let result = catch_unwind(AssertUnwindSafe(call));
        CURRENT.with(|c| c.replace(before));
        match result {
            Ok(value) => {
                let mut world = self.world.borrow_mut();
                if value.well() {
                    world.kept = std::mem::take(&mut world.draft);
                    world.desk.commit();
                }
                Some(value)
            }
            Err(cause) if cause.is::<Killed>() => None,
            Err(cause) => resume_unwind(cause),
        }
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<Sent> {
        self.world.borrow().requests.clone()
    }

    /// The state as the last good call left it.
    pub fn state(&self) -> BTreeMap<String, Vec<u8>> {
        self.world.borrow().kept.clone()
    }

    /// One value of the state as JSON, `null` when it is not there or something else.
    pub fn state_json(&self, key: &str) -> Value {
        self.world.borrow().kept.get(key).and_then(|v| json::from_slice(v).ok()).unwrap_or_default()
    }

    /// Every line of the log so far.
    pub fn log(&self) -> Vec<Line> {
        self.world.borrow().log.clone()
    }

    /// Every call at the desk so far, in order.
    pub fn desk_calls(&self) -> Vec<desk::Call> {
        self.world.borrow().desk.calls.clone()
    }

    /// The calls of one function of the desk.
    pub fn desk_calls_of(&self, function: &str) -> Vec<Value> {
        self.desk_calls().into_iter().filter(|c| c.function == function).map(|c| c.arguments).collect()
    }

    /// The asset of a file, to put into a post.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn asset(&self, id: &str) -> Asset {
        self.world.borrow().files.get(id).unwrap_or_else(|| panic!("there is no file {id:?}; add it with `file`")).0.clone()
    }
}

/// Gives the world of the call that is going on.
fn with<T>(look: impl FnOnce(&mut World) -> T) -> T {
    let world = CURRENT.with(|c| c.borrow().clone()).expect("host functions work inside `fake::Host::run` only");
    let mut world = world.borrow_mut();
    look(&mut world)
}
