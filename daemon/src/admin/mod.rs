//! The admin socket: HTTP and JSON over a Unix socket, the only way into a running daemon.
//!
//! In: requests from the command line, from `curl --unix-socket`, from monitoring. Out: JSON, a stream of events, metrics.
//! Never: serves a web page's request, lets somebody write who may only read, or blocks its threads for long.

pub mod doctor;
mod events;
mod metrics;
mod openapi;
mod outbox;
mod plugins;
mod reads;
mod replay;
mod routes;
pub mod shown;
pub mod socket;
#[cfg(test)]
mod tests;
mod why;
pub mod words;
mod writes;

pub use routes::{Field, Route, routes};
pub use why::why;

use crate::daemon::Engine;
use crate::domain::{Json, Language, Timestamp};
use crate::problem::Problem;
use crate::store::CommitError;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use axum::{Extension, Router};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::UnixListener;
use tokio::sync::watch;

/// The header that names the business's language: `fr` or `en`.
pub const LANGUAGE: HeaderName = HeaderName::from_static("beffroi-language");

/// Where the daemon stands, for whoever has to end with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It works.
    Running,
    /// It takes no new work; runs may finish.
    Stopping,
    /// The workers have ended; requests that still wait get an answer, then the server ends.
    Ended,
}

/// A reload that was refused.
#[derive(Debug, Clone)]
pub struct Refused {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub problems: Vec<Problem>,
}

/// Reads the configuration again.
pub type Reload = Box<dyn Fn(&Engine) -> Result<Vec<Problem>, Vec<Problem>> + Send + Sync>;

/// What the requests work on.
pub struct App {
    /// The engine.
    pub engine: Arc<Engine>,
    phase: watch::Sender<Phase>,
    reload: Reload,
    /// The last reload, when it was refused. One reload at a time holds the lock.
    refused: Mutex<Option<Refused>>,
    /// Held while a reload goes on.
    reloading: Mutex<()>,
}

impl App {
    /// An app on an engine. `reload` is how the configuration is read again.
    pub fn new(engine: Arc<Engine>, reload: Reload) -> Arc<Self> {
        let phase = watch::Sender::new(Phase::Running);
        Arc::new(Self { engine, phase, reload, refused: Mutex::default(), reloading: Mutex::default() })
    }

    /// Where the daemon stands, to be waited for.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Moves on to a phase; never back.
    pub fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| std::mem::replace(now, phase.max(*now)) < phase);
    }

    /// Reads the configuration again. A refused one is kept for `status`, and what was in force stays so.
    ///
    /// # Errors
    /// Every problem.
    pub fn reload(&self) -> Result<Vec<Problem>, Vec<Problem>> {
        let _one = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = (self.reload)(&self.engine);
        let refused = outcome.as_ref().err().map(|problems| {
            let problems = problems.clone();
            Refused { at: self.engine.clock.now(), problems }
        });
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        outcome
    }

    /// The last reload, when it was refused.
    pub fn refused(&self) -> Option<Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why a request gets no answer: a status and a sentence.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    error: String,
    problems: Option<Vec<Problem>>,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), problems: None }
    }

    /// The sentence.
    pub fn sentence(&self) -> &str {
        &self.error
    }

    fn missing(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    fn conflict(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error)
    }

    fn wrong(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error)
    }

    fn unavailable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.error });
        if let Some(problems) = &self.problems {
            body["problems"] = serde_json::to_value(problems).unwrap_or_default();
        }
        (self.status, answer(&body)).into_response()
    }
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict(_) => Self::conflict(format!("{error}. Look again, then repeat the command.")),
            CommitError::Refused(text) => Self::conflict(text),
            CommitError::Full | CommitError::Storage(_) => Self::unavailable(error.to_string()),
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn unreadable(error: rusqlite::Error) -> Refusal {
    Refusal::unavailable(format!("The database cannot be read: {error}. Check the disk and the file's permissions."))
}

type Answer = Result<Response, Refusal>;

/// A JSON answer.
fn answer(body: &Json) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.to_string()).into_response()
}

/// Does something that may wait for a disk on a thread that may wait.
async fn aside<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&App) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let app = app.clone();
    let done = tokio::task::spawn_blocking(move || work(&app)).await;
    done.unwrap_or_else(|_| {
        Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "This request went wrong inside the daemon. Its log says more."))
    })
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
struct Peer {
    /// Whether they may change anything.
    may_write: bool,
}

/// Decides what the other end of a connection may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door {
    /// The user the daemon runs as.
    uid: u32,
    /// The group of the socket's file.
    gid: u32,
    /// Whether anybody on the machine may connect: then being connected proves nothing.
    open_to_all: bool,
}

impl Door {
    /// Root and the daemon's own user may write, and so may the socket's group. Whoever else could connect may read.
    fn admits(self, uid: u32, gid: u32) -> bool {
        uid == 0 || uid == self.uid || gid == self.gid || !self.open_to_all
    }
}

#[derive(Clone)]
struct Caller(Option<(u32, u32)>);

impl Connected<IncomingStream<'_, UnixListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|who| (who.uid(), who.gid())))
    }
}

/// Everything that a request must pass before a route sees it.
async fn guard(State((app, door)): State<(Arc<App>, Door)>, request: Request, next: Next) -> Response {
    // A browser sends these; a page that somebody visits has no business here.
    if [header::ORIGIN, header::REFERER].iter().any(|name| request.headers().contains_key(name)) {
        let text = "Requests from web pages are refused. Use the command line, or curl --unix-socket.";
        return Refusal::new(StatusCode::FORBIDDEN, text).into_response();
    }
    let caller = request.extensions().get::<ConnectInfo<Caller>>().and_then(|ConnectInfo(caller)| caller.0);
    let peer = Peer { may_write: caller.is_some_and(|(uid, gid)| door.admits(uid, gid)) };
    if !peer.may_write && !matches!(*request.method(), Method::GET | Method::HEAD) {
        let text =
            "You may look, but not change anything: that is for root, for the daemon's own user and for the socket's group.";
        return Refusal::new(StatusCode::FORBIDDEN, text).into_response();
    }
    let mut response = in_words(next.run(request).await);
    let language = app.engine.current.get().business.language;
    response.headers_mut().insert(LANGUAGE, HeaderValue::from_static(code(language)));
    response
}

/// What is refused before a route sees it says so in the form of every other refusal.
fn in_words(response: Response) -> Response {
    let status = response.status();
    let told = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if told || !status.is_client_error() {
        return response;
    }
    let text = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "The body is larger than this address takes. A package has its own, POST /v1/plugins.",
        _ => "The address cannot be read. Write its parts in UTF-8, and other than plain letters as %XX.",
    };
    Refusal::new(status, text).into_response()
}

/// `fr` or `en`.
pub fn code(language: Language) -> &'static str {
    language.pick("fr", "en")
}

/// The router: every route of the table, behind the guard.
fn router(app: &Arc<App>, door: Door) -> Router {
    let mut router = Router::new();
    for route in routes() {
        router = router.route(route.path, route.handler);
    }
    let table = Arc::new(openapi::document());
    router
        .fallback(async || Refusal::missing("There is no such address here. GET /v1/openapi.json lists them all."))
        .method_not_allowed_fallback(async || {
            let text = "This address does not know that method. GET /v1/openapi.json lists what there is.";
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, text)
        })
        .layer(from_fn_with_state((app.clone(), door), guard))
        .layer(Extension(table))
        .with_state(app.clone())
}

/// The routes, asked from inside the process without a socket. Whoever holds this may do everything.
pub struct Inside(Router);

impl Inside {
    /// The routes of an app.
    pub fn of(app: &Arc<App>) -> Self {
        Self(router(app, Door { uid: 0, gid: 0, open_to_all: false }))
    }

    /// The answer that a request of root's gets on the socket.
    pub async fn ask(&self, request: hyper::Request<Vec<u8>>) -> Response {
        let mut request = request.map(axum::body::Body::from);
        request.extensions_mut().insert(ConnectInfo(Caller(Some((0, 0)))));
        match TowerToHyperService::new(self.0.clone()).call(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

/// Serves the socket until the daemon has ended and every request that still waited has its answer.
///
/// # Errors
/// When the server cannot go on.
pub async fn serve(app: Arc<App>, server: socket::Server) -> std::io::Result<()> {
    let socket::Server { listener, door } = server;
    let router = router(&app, door).into_make_service_with_connect_info::<Caller>();
    let mut phase = app.phase();
    let ended = async move {
        // The sender lives as long as the app, which the router holds.
        let _ = phase.wait_for(|phase| *phase == Phase::Ended).await;
    };
    axum::serve(listener, router).with_graceful_shutdown(ended).await
}
