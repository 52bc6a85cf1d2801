//! Credentials and sessions against a service that behaves, misbehaves and breaks.

use super::*;
use crate::clock::SimClock;
use crate::plugin::manifest::{Exchange, ExchangeBody, Session, Words};
use crate::store::{Mode, plugins};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What a service answers, by the kind of request and how often it has come.
type Act = dyn Fn(&str, usize, &Request) -> Result<Response, NetworkError> + Send + Sync;

/// A service: `login`, `refresh`, and everything else as `use`.
struct Service {
    act: Box<Act>,
    seen: Mutex<Vec<(String, String)>>,
}

impl Network for Service {
    fn send(&self, request: &Request) -> Result<Response, NetworkError> {
        let url = Url::parse(&request.url).expect("a URL");
        let kind = url.path().rsplit('/').next().filter(|k| ["login", "refresh"].contains(k)).unwrap_or("use").to_owned();
        let with = match &request.sealed.body {
            Some(body) => body.expose().to_owned(),
            None => request.sealed.headers.first().map(|(_, v)| v.expose().to_owned()).unwrap_or_default(),
        };
        let nth = {
            let mut seen = self.seen.lock().expect("not poisoned");
            seen.push((kind.clone(), with));
            seen.iter().filter(|(k, _)| *k == kind).count()
        };
        (self.act)(&kind, nth, request)
    }
}

impl Service {
    fn new(act: impl Fn(&str, usize, &Request) -> Result<Response, NetworkError> + Send + Sync + 'static) -> Self {
        Self { act: Box::new(act), seen: Mutex::default() }
    }

    /// What came since the last look, kinds only.
    fn kinds(&self) -> String {
        self.calls().into_iter().map(|(kind, _)| kind).collect::<Vec<_>>().join(" ")
    }

    fn calls(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.seen.lock().expect("not poisoned"))
    }
}

fn says(status: u16, json: &Json) -> Result<Response, NetworkError> {
    Ok(Response { status, body: json.to_string().into_bytes(), ..Response::default() })
}

fn pair(n: usize) -> Result<Response, NetworkError> {
    says(200, &json!({ "accessJwt": format!("access-token-{n}"), "refreshJwt": format!("refresh-token-{n}"), "ttl": 7_200 }))
}

fn lost() -> Result<Response, NetworkError> {
    Err(NetworkError::Lost("It broke off.".into()))
}

/// Everything fine: the n-th exchange of all gives the n-th pair.
fn fine() -> Service {
    let given = AtomicUsize::new(0);
    Service::new(
        move |kind, _, _| if kind == "use" { says(200, &json!({})) } else { pair(given.fetch_add(1, Ordering::SeqCst) + 1) },
    )
}

fn exchange(name: &str, body: ExchangeBody, bearer_refresh: bool) -> Exchange {
    Exchange { url: format!("{{setting:service}}/xrpc/{name}"), body, bearer_refresh }
}

fn session(login: bool) -> Session {
    let password = json!({ "identifier": "{setting:handle}", "password": "{secret}" });
    let form = vec![("grant_type".to_owned(), "refresh_token".to_owned()), ("refresh_token".to_owned(), "{refresh}".to_owned())];
    Session {
        login: login.then(|| exchange("login", ExchangeBody::Json(password), false)),
        refresh: exchange("refresh", if login { ExchangeBody::Empty } else { ExchangeBody::Form(form) }, login),
        access: "/accessJwt".into(),
        refresh_token: "/refreshJwt".into(),
        expires_in: Some("/ttl".into()),
        expired: vec!["ExpiredToken".into()],
    }
}

fn credential(kind: CredentialKind) -> Credential {
    let label = Words { fr: "Mot de passe".into(), en: "Password".into() };
    Credential { name: "token".into(), kind, hosts: vec!["setting:service".into()], label: label.clone(), reason: label }
}

fn place(host: &str) -> Place {
    Place { host: host.into(), plain: false, methods: vec!["GET".into()], paths: vec!["/*".into()] }
}

/// Secrets on a store of their own, with a clock that is moved by hand.
struct Desk {
    dir: tempfile::TempDir,
    clock: Arc<SimClock>,
    store: Arc<Store>,
    secrets: Secrets,
    environment: Arc<Mutex<HashMap<String, String>>>,
    user: SecretUse,
    credential: Credential,
}

impl Desk {
    fn new(kind: CredentialKind) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let clock = Arc::new(SimClock::new(Timestamp::parse("2026-11-22T08:00:00Z").expect("RFC 3339")));
        let store = Arc::new(Store::open(&dir.path().join("test.db"), Mode::Threaded).expect("a store"));
        let environment = Arc::new(Mutex::new(HashMap::new()));
        let secrets = Self::secrets(&dir, &store, &clock, &environment);
        let user = SecretUse {
            plugin: PluginName::parse("bluesky").expect("a name"),
            scope: "account:shop".into(),
            name: "shop".into(),
            settings: Arc::new(json!({ "service": "https://pds.example/", "handle": "shop.example" })),
            secrets: Arc::default(),
            language: Language::En,
        };
        let desk = Self { dir, clock, store, secrets, environment, user, credential: credential(kind) };
        desk.put("the-app-password");
        desk
    }

    fn session(login: bool) -> Self {
        Self::new(CredentialKind::Session(Box::new(session(login))))
    }

    fn secrets(
        dir: &tempfile::TempDir,
        store: &Arc<Store>,
        clock: &Arc<SimClock>,
        environment: &Arc<Mutex<HashMap<String, String>>>,
    ) -> Secrets {
        let variables = environment.clone();
        let environment: Environment = Arc::new(move |name| variables.lock().expect("not poisoned").get(name).cloned());
        let sources = Sources { credentials: None, folder: dir.path().join("secrets"), environment };
        Secrets::new(store.clone(), clock.clone(), sources, dir.path())
    }

    fn put(&self, secret: &str) {
        self.environment.lock().expect("not poisoned").insert("BEFFROI_SECRET_SHOP_TOKEN".into(), secret.into());
    }

    fn restart(&mut self) {
        self.secrets = Self::secrets(&self.dir, &self.store, &self.clock, &self.environment);
    }

    fn ask(&self, service: &Service, request: Request) -> Result<Response, SecretError> {
        let host = Url::parse(self.user.settings["service"].as_str().expect("a text")).expect("a URL");
        let host = host[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        let resolve = move |pattern: &str| if pattern == "setting:service" { vec![place(&host)] } else { vec![place(pattern)] };
        self.secrets.send(service, request, &self.credential, &self.user, &resolve)
    }

    fn send(&self, service: &Service) -> Result<u16, SecretError> {
        self.ask(service, Request::get("https://pds.example/xrpc/post")).map(|r| r.status)
    }

    fn sealed(&self) -> Option<Vec<u8>> {
        plugins::token(&self.store.read().expect("a reader"), "bluesky", "account:shop", "token").expect("an answer")
    }

    fn pass(&self, minutes: u64) {
        self.clock.advance(Duration::from_secs(minutes * 60));
    }
}

fn retry(outcome: &Result<u16, SecretError>) -> bool {
    matches!(outcome, Err(SecretError::Retry(..)))
}

#[test]
fn a_session_begins_with_one_login_and_survives_a_restart() {
    let (mut desk, service) = (Desk::session(true), fine());
    assert_eq!((desk.send(&service), desk.send(&service)), (Ok(200), Ok(200)));
    let calls = service.calls();
    assert_eq!(calls[0], ("login".to_owned(), r#"{"identifier":"shop.example","password":"the-app-password"}"#.to_owned()));
    assert_eq!(calls[1..].iter().map(|(_, with)| with.as_str()).collect::<Vec<_>>(), ["Bearer access-token-1"; 2]);
    desk.restart();
    assert_eq!(desk.send(&service), Ok(200));
    assert_eq!(service.calls(), [("use".to_owned(), "Bearer access-token-1".to_owned())]);
    let sealed = desk.sealed().expect("kept");
    assert!(!String::from_utf8_lossy(&sealed).contains("token-1"), "it is kept sealed");
}

#[test]
fn tokens_are_renewed_a_minute_before_their_end_with_the_refresh_token() {
    let (desk, service) = (Desk::session(true), fine());
    desk.send(&service).expect("sent");
    desk.pass(118);
    desk.send(&service).expect("sent");
    assert_eq!(service.kinds(), "login use use");
    desk.pass(1);
    desk.send(&service).expect("sent");
    let renewed =
        [("refresh".to_owned(), "Bearer refresh-token-1".to_owned()), ("use".to_owned(), "Bearer access-token-2".to_owned())];
    assert_eq!(service.calls(), renewed);
}

#[test]
fn a_refused_token_is_renewed_and_the_request_sent_once_more() {
    for refusal in [says(401, &json!({})), says(400, &json!({ "error": "ExpiredToken" }))] {
        let desk = Desk::session(true);
        desk.send(&fine()).expect("begun");
        let service = Service::new(move |kind, nth, _| match (kind, nth) {
            ("use", 1) => refusal.clone(),
            ("use", _) => says(200, &json!({})),
            _ => pair(2),
        });
        assert_eq!(desk.send(&service), Ok(200));
        assert_eq!(service.kinds(), "use refresh use");
    }
    for (answer, kinds) in [
        (says(401, &json!({})), "use refresh use"),
        (says(400, &json!({ "error": "InvalidRequest" })), "use"),
        (says(403, &json!({ "error": "ExpiredToken" })), "use"),
        (says(500, &json!({ "error": "ExpiredToken" })), "use"),
    ] {
        let desk = Desk::session(true);
        desk.send(&fine()).expect("begun");
        let status = answer.as_ref().expect("an answer").status;
        let service = Service::new(move |kind, _, _| if kind == "use" { answer.clone() } else { pair(2) });
        assert_eq!(desk.send(&service), Ok(status), "what the service says in the end is what the plugin gets");
        assert_eq!(service.kinds(), kinds);
    }
}

#[test]
fn a_token_of_this_moment_is_not_renewed_again() {
    let desk = Desk::session(true);
    let service = Service::new(|kind, _, _| if kind == "use" { says(401, &json!({})) } else { pair(1) });
    assert_eq!(desk.send(&service), Ok(401));
    assert_eq!(service.kinds(), "login use");
}

#[test]
fn postiz_1884_empty_refresh_token() {
    let desk = Desk::session(true);
    desk.send(&fine()).expect("begun");
    let service = Service::new(|kind, nth, _| match kind {
        "use" => says(200, &json!({})),
        _ => says(200, &json!({ "accessJwt": format!("later-access-{nth}"), "refreshJwt": "", "ttl": 7_200 })),
    });
    for _ in 0..2 {
        desk.pass(120);
        assert_eq!(desk.send(&service), Ok(200));
    }
    let calls = service.calls();
    assert_eq!(calls.iter().filter(|(k, with)| k == "refresh" && with == "Bearer refresh-token-1").count(), 2, "{calls:?}");
    assert!(!calls.iter().any(|(kind, _)| kind == "login"));
}

#[test]
fn postiz_2084_502_is_not_auth() {
    type Answer = fn() -> Result<Response, NetworkError>;
    let troubles: [Answer; 9] = [
        || says(502, &json!({ "error": "UpstreamFailure" })),
        || says(503, &json!({ "error": "invalid_grant" })),
        || says(429, &json!({ "error": "RateLimitExceeded" })),
        || says(408, &json!({})),
        || says(400, &json!({ "error": "temporarily_unavailable" })),
        || says(403, &json!("<html>blocked by a proxy</html>")),
        || says(200, &json!({ "accessJwt": "" })),
        || Err(NetworkError::NotSent("No connection.".into())),
        lost,
    ];
    for login in [true, false] {
        let desk = Desk::session(login);
        desk.send(&fine()).expect("begun");
        for trouble in troubles {
            desk.pass(120);
            let service = Service::new(move |_, _, _| trouble());
            let outcome = desk.send(&service);
            assert!(retry(&outcome), "{outcome:?}");
            assert_eq!(service.kinds(), "refresh", "no login, and nothing sent without a token");
        }
        assert_eq!(desk.send(&fine()), Ok(200), "the refresh token is still the old one");
    }
}

#[test]
fn trouble_at_the_first_login_is_no_refusal() {
    let desk = Desk::session(true);
    for trouble in [says(502, &json!({})), lost()] {
        let outcome = desk.send(&Service::new(move |_, _, _| trouble.clone()));
        assert!(retry(&outcome), "{outcome:?}");
    }
    assert_eq!(desk.send(&fine()), Ok(200));
}

#[test]
fn after_a_lost_answer_the_old_refresh_token_is_tried_again() {
    let desk = Desk::session(true);
    desk.send(&fine()).expect("begun");
    desk.pass(120);
    let service = Service::new(|kind, nth, _| match (kind, nth) {
        ("refresh", 1) => lost(),
        ("use", _) => says(200, &json!({})),
        _ => pair(3),
    });
    assert!(retry(&desk.send(&service)));
    assert_eq!(desk.send(&service), Ok(200));
    let with: Vec<_> = service.calls().into_iter().map(|(_, with)| with).collect();
    assert_eq!(with, ["Bearer refresh-token-1", "Bearer refresh-token-1", "Bearer access-token-3"]);
}

#[test]
fn a_rest_that_the_service_asks_for_is_kept() {
    let desk = Desk::session(true);
    let service = Service::new(|_, _, _| {
        let mut answer = says(429, &json!({}))?;
        answer.headers.push(("retry-after".into(), "289".into()));
        Ok(answer)
    });
    let until = desk.clock.now().plus(Duration::from_secs(289));
    for _ in 0..3 {
        assert!(matches!(desk.send(&service), Err(SecretError::Retry(_, Some(when))) if when == until));
    }
    assert_eq!(service.kinds(), "login");
    desk.pass(5);
    assert_eq!(desk.send(&fine()), Ok(200));
}

#[test]
fn a_refused_refresh_leads_to_one_login() {
    for refusal in [says(401, &json!({})), says(400, &json!({ "error": "ExpiredToken" }))] {
        let desk = Desk::session(true);
        desk.send(&fine()).expect("begun");
        desk.pass(120);
        let service = Service::new(move |kind, _, _| match kind {
            "refresh" => refusal.clone(),
            "login" => pair(7),
            _ => says(200, &json!({})),
        });
        assert_eq!((desk.send(&service), desk.send(&service)), (Ok(200), Ok(200)));
        assert_eq!(service.kinds(), "refresh login use use");
    }
}

#[test]
fn a_refused_login_is_not_repeated_until_the_secret_changes_or_time_passes() {
    let desk = Desk::session(true);
    let service = Service::new(|kind, _, request| match kind {
        "login" if request.sealed.body.as_ref().is_some_and(|b| b.expose().contains("right-password")) => pair(1),
        "login" => says(401, &json!({ "error": "AuthenticationRequired" })),
        _ => says(200, &json!({})),
    });
    for _ in 0..5 {
        let Err(SecretError::Reconnect(text)) = desk.send(&service) else { panic!("it was not refused") };
        assert!(text.contains("pds.example") && text.contains("shop-token") && text.contains("Password"), "{text}");
        desk.pass(2);
    }
    assert_eq!(service.kinds(), "login");
    desk.pass(6);
    assert!(matches!(desk.send(&service), Err(SecretError::Reconnect(_))));
    assert_eq!(service.kinds(), "login", "after a quarter of an hour it is tried again");
    desk.put("the-right-password");
    assert_eq!(desk.send(&service), Ok(200), "a new secret is tried at once");
}

#[test]
fn logins_are_few_even_when_they_succeed() {
    let desk = Desk::session(true);
    let service = Service::new(|kind, nth, _| match kind {
        "login" => says(200, &json!({ "accessJwt": format!("short-lived-{nth}"), "ttl": 1 })),
        _ => says(200, &json!({})),
    });
    for _ in 0..3 {
        assert_eq!(desk.send(&service), Ok(200));
        desk.clock.advance(Duration::from_secs(1));
    }
    let outcome = desk.send(&service);
    assert!(matches!(outcome, Err(SecretError::Retry(_, Some(_)))), "{outcome:?}");
    desk.pass(5);
    assert_eq!(desk.send(&service), Ok(200));
}

#[test]
fn without_a_login_the_secret_is_the_first_refresh_token() {
    let (desk, service) = (Desk::session(false), fine());
    desk.send(&service).expect("sent");
    desk.pass(120);
    desk.send(&service).expect("sent");
    let refreshes: Vec<_> = service.calls().into_iter().filter(|(k, _)| k == "refresh").map(|(_, with)| with).collect();
    assert_eq!(
        refreshes,
        ["grant_type=refresh_token&refresh_token=the-app-password", "grant_type=refresh_token&refresh_token=refresh-token-1"]
    );
    desk.pass(120);
    let refused = Service::new(|_, _, _| says(400, &json!({ "error": "invalid_grant" })));
    assert!(matches!(desk.send(&refused), Err(SecretError::Reconnect(_))));
    desk.put("a-new-first-token");
    let service = fine();
    assert_eq!(desk.send(&service), Ok(200));
    assert!(service.calls()[0].1.ends_with("=a-new-first-token"));
}

#[test]
fn thirty_two_threads_log_in_once_and_renew_once() {
    let (desk, service) = (Desk::session(true), fine());
    for kinds in ["login", "refresh"] {
        thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| assert_eq!(desk.send(&service), Ok(200)));
            }
        });
        let seen = service.calls();
        assert_eq!(seen.len(), 33, "{seen:?}");
        assert_eq!(seen.iter().filter(|(k, _)| k != "use").map(|(k, _)| k.as_str()).collect::<Vec<_>>(), [kinds]);
        desk.pass(120);
    }
}

#[test]
fn threads_that_are_refused_together_renew_once() {
    let desk = Desk::session(true);
    desk.send(&fine()).expect("begun");
    let together = std::sync::Barrier::new(32);
    let service = Arc::new(Service::new(|kind, _, request| {
        let old = request.sealed.headers.first().is_some_and(|(_, v)| v.expose() == "Bearer access-token-1");
        if kind == "use" && old {
            says(401, &json!({}))
        } else if kind == "use" {
            says(200, &json!({}))
        } else {
            pair(2)
        }
    }));
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                together.wait();
                assert_eq!(desk.send(&service), Ok(200));
            });
        }
    });
    assert_eq!(service.calls().iter().filter(|(k, _)| k == "refresh").count(), 1);
}

#[test]
fn who_waited_for_a_failed_try_does_not_try_again() {
    let desk = Desk::session(true);
    let (here, arrived) = std::sync::mpsc::channel();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let service = Service::new(move |_, nth, _| {
        if nth == 1 {
            here.send(()).expect("the test listens");
            gate.lock().expect("not poisoned").recv().expect("the test lets it go");
        }
        lost()
    });
    thread::scope(|scope| {
        let first = scope.spawn(|| desk.send(&service));
        arrived.recv().expect("the first one is at the service");
        let others: Vec<_> = (0..8).map(|_| scope.spawn(|| desk.send(&service))).collect();
        go.send(()).expect("the service listens");
        assert!(retry(&first.join().expect("no panic")));
        assert!(others.into_iter().all(|o| retry(&o.join().expect("no panic"))));
    });
    // Those who came before the first one was done took its word; a late one may have asked for itself.
    assert!(service.calls().len() <= 9);
}

#[test]
fn tokens_are_on_disk_before_they_are_used() {
    let desk = Desk::session(true);
    let store = desk.store.clone();
    let at_exchange = Mutex::new(None);
    let given = AtomicUsize::new(0);
    let service = Service::new(move |kind, _, _| {
        let row = plugins::token(&store.read().expect("a reader"), "bluesky", "account:shop", "token").expect("an answer");
        if kind == "use" {
            assert!(row.is_some() && row != *at_exchange.lock().expect("not poisoned"), "the new tokens are not on disk");
            return says(200, &json!({}));
        }
        *at_exchange.lock().expect("not poisoned") = row;
        pair(given.fetch_add(1, Ordering::SeqCst) + 1)
    });
    for _ in 0..3 {
        assert_eq!(desk.send(&service), Ok(200));
        desk.pass(120);
    }
}

#[test]
fn tokens_that_cannot_be_kept_are_not_used_and_not_thrown_away() {
    let (desk, service) = (Desk::session(true), fine());
    let other = rusqlite::Connection::open(desk.dir.path().join("test.db")).expect("a second connection");
    other
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON token BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
        .expect("a trigger");
    for _ in 0..2 {
        assert!(retry(&desk.send(&service)));
    }
    other.execute_batch("DROP TRIGGER full").expect("dropped");
    assert_eq!(desk.send(&service), Ok(200));
    assert_eq!(service.kinds(), "login use", "the tokens of the first login were kept until they could be written down");
    assert!(desk.sealed().is_some());
}

#[test]
fn tokens_of_one_service_never_go_to_another() {
    let (mut desk, service) = (Desk::session(true), fine());
    desk.send(&service).expect("sent");
    service.calls();
    desk.user.settings = Arc::new(json!({ "service": "https://other.example", "handle": "shop.example" }));
    let ask = |desk: &Desk| desk.ask(&service, Request::get("https://other.example/x")).map(|r| r.status);
    assert_eq!(ask(&desk), Ok(200));
    desk.restart();
    assert_eq!(ask(&desk), Ok(200));
    let calls = service.calls();
    assert_eq!(calls.iter().map(|(k, _)| k.as_str()).collect::<Vec<_>>(), ["login", "use", "use"]);
    assert!(calls.iter().all(|(_, with)| !with.contains("token-1")), "{calls:?}");
}

#[test]
fn a_session_sealed_under_a_lost_key_is_begun_anew() {
    let (mut desk, service) = (Desk::session(true), fine());
    desk.send(&service).expect("sent");
    std::fs::remove_file(desk.dir.path().join("sealing.key")).expect("lost");
    desk.restart();
    assert_eq!(desk.send(&service), Ok(200));
    assert_eq!(service.kinds(), "login use login use");
}

#[test]
fn sessions_of_a_removed_plugin_are_forgotten() {
    let (desk, service) = (Desk::session(true), fine());
    desk.send(&service).expect("sent");
    let row = "DELETE FROM token";
    rusqlite::Connection::open(desk.dir.path().join("test.db")).and_then(|c| c.execute(row, [])).expect("removed");
    desk.secrets.forget(&desk.user.plugin);
    desk.send(&service).expect("sent");
    assert_eq!(service.kinds(), "login use login use");
}

#[test]
fn a_plugin_does_not_get_tokens_by_asking_for_them_itself() {
    let (desk, service) = (Desk::session(true), fine());
    for path in ["/xrpc/refresh", "/xrpc/login", "/xrpc/refresh?x=y", "/a/../xrpc/refresh", "/xrpc/%72efresh", "/xrpc//refresh"] {
        let outcome = desk.ask(&service, Request::get(&format!("https://pds.example{path}")));
        assert!(matches!(outcome, Err(SecretError::NotBound(_))), "{path}: {outcome:?}");
    }
    assert_eq!(service.kinds(), "");
}

#[test]
fn a_credential_goes_only_where_it_is_bound() {
    let desk = Desk::new(CredentialKind::Bearer);
    let service = fine();
    for url in [
        "https://evil.example/",
        "http://pds.example/",
        "https://pds.example:8443/",
        "https://pds.example@evil.example/",
        "https://user@pds.example/",
        "https://sub.pds.example/",
        "https://pds.example.evil.example/",
        "ftp://pds.example/",
    ] {
        let outcome = desk.ask(&service, Request::get(url));
        assert!(matches!(&outcome, Err(SecretError::NotBound(text)) if text.contains("is not bound to")), "{url}: {outcome:?}");
    }
    assert!(matches!(desk.ask(&service, Request::get("no url")), Err(SecretError::Network(NetworkError::Forbidden(_)))));
    assert_eq!(service.kinds(), "");
    assert_eq!(desk.send(&service), Ok(200));
    assert_eq!(service.calls()[0].1, "Bearer the-app-password");
}

#[test]
fn a_secret_is_read_at_every_use_and_its_absence_explained() {
    let desk = Desk::new(CredentialKind::Bearer);
    let service = fine();
    desk.send(&service).expect("sent");
    desk.put("another-password");
    desk.send(&service).expect("sent");
    let with: Vec<_> = service.calls().into_iter().map(|(_, with)| with).collect();
    assert_eq!(with, ["Bearer the-app-password", "Bearer another-password"]);
    desk.environment.lock().expect("not poisoned").clear();
    let Err(SecretError::NoCredential(text)) = desk.send(&service) else { panic!("there is no secret") };
    assert!(text.contains("shop-token") && text.contains("BEFFROI_SECRET_SHOP_TOKEN"), "{text}");
    assert_eq!(desk.secrets.check(&desk.credential, &desk.user), Err(SecretError::NoCredential(text)));
}

#[test]
fn the_owner_may_name_the_secret() {
    let mut desk = Desk::new(CredentialKind::Bearer);
    desk.user.secrets = Arc::new(BTreeMap::from([("token".to_owned(), "my-own-name".to_owned())]));
    desk.user.language = Language::Fr;
    let Err(SecretError::NoCredential(text)) = desk.send(&fine()) else { panic!("there is no secret") };
    assert!(text.starts_with("Le secret my-own-name manque."), "{text}");
}

#[test]
fn what_a_service_repeats_does_not_reach_the_plugin() {
    let echo = || {
        Service::new(|kind, _, request| {
            let header = request.sealed.headers.first().map(|(_, v)| v.expose().to_owned()).unwrap_or_default();
            if kind != "use" {
                return pair(1);
            }
            let body = format!("\u{fffd}{header} and {header}").replace('\u{fffd}', "you sent: ");
            Ok(Response { status: 200, headers: vec![("x-echo".into(), header)], body: [body.as_bytes(), b"\xff"].concat() })
        })
    };
    for (kind, scheme) in [
        (CredentialKind::Bearer, "Bearer"),
        (CredentialKind::Basic { user: Some("me".into()) }, "Basic"),
        (CredentialKind::Session(Box::new(session(true))), "Bearer"),
    ] {
        let desk = Desk::new(kind);
        let answer = desk.ask(&echo(), Request::get("https://pds.example/echo")).expect("an answer");
        let body = String::from_utf8_lossy(&answer.body);
        assert!(body.starts_with(&format!("you sent: {scheme} ")) && body.matches("***").count() == 2, "{body}");
        assert!(answer.header("x-echo").is_some_and(|v| v.contains("***")), "{answer:?}");
        assert!(!body.contains("password") && !body.contains("access-token"), "{body}");
    }
}

#[test]
fn signatures_are_those_of_the_standard() {
    let desk = Desk::new(CredentialKind::Hmac);
    // RFC 4231, test case 1.
    desk.put(&"\u{b}".repeat(20));
    let signed = desk.secrets.sign(&desk.credential, &desk.user, b"Hi There").expect("signed");
    let hex: String = signed.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert!(matches!(desk.send(&fine()), Err(SecretError::NotBound(_))), "it is never sent");
    let bearer = credential(CredentialKind::Bearer);
    assert!(matches!(desk.secrets.sign(&bearer, &desk.user, b"x"), Err(SecretError::NotBound(_))));
}

#[test]
fn no_error_repeats_a_secret_that_a_service_or_the_network_told() {
    let desk = Desk::session(true);
    let service = Service::new(|kind, _, _| match kind {
        "login" => says(401, &json!({ "error": "wrong: the-app-password" })),
        _ => says(200, &json!({})),
    });
    let Err(error) = desk.send(&service) else { panic!("it was refused") };
    assert!(!format!("{error} {error:?}").contains("the-app-password"), "{error}");
    let desk = Desk::new(CredentialKind::Query { parameter: "key".into() });
    let service = Service::new(|_, _, request| {
        let url = request.sealed.url.as_ref().expect("sealed").expose();
        Err(NetworkError::Lost(format!("It broke off at {url}.")))
    });
    let Err(error) = desk.send(&service) else { panic!("it was lost") };
    assert_eq!(error, SecretError::Network(NetworkError::Lost("It broke off at https://pds.example/xrpc/post?key=***.".into())));
}
