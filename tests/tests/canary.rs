//! A secret goes out on the wire and nowhere else: not into the database, the log, an error, or what a plugin keeps.
//!
//! One process does everything that can be done with a secret, with the log at its most talkative, and dies without tidying up.
//! Another one then looks for the secret, and for every token it brought, in all that is left.

use beffroi::clock::{Clock, Dice, SystemClock};
use beffroi::domain::{Language, PluginName, Secret};
use beffroi::egress::{Egress, Rules};
use beffroi::kinds::{Keep, PrivateWrite};
use beffroi::network::{Place, Reach, Request};
use beffroi::plugin::manifest::{Credential, CredentialKind, Exchange, ExchangeBody, Session, Words};
use beffroi::secrets::{SecretError, SecretUse, Secrets, Sources};
use beffroi::store::{Change, Mode, Op, PluginOp, Store};
use serde_json::json;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Set for the process that works; it names the folder.
const FOLDER: &str = "BEFFROI_CANARY_FOLDER";

#[test]
fn a_secret_is_found_on_the_wire_and_nowhere_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dice = Dice::fair();
    let secret = format!("canary/{:016x}+\"é\" {:016x}", dice.any(), dice.any());
    fs::create_dir(folder.path().join("secrets")).expect("made");
    for name in ["shop-token", "shop-basic", "shop-path", "shop-query", "shop-sign"] {
        put(&folder.path().join("secrets").join(name), &secret);
    }
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["works_with_a_secret_and_dies", "--ignored", "--exact", "--nocapture"])
        .env(FOLDER, folder.path())
        .env("BEFFROI_LOG", "trace")
        .env("RUST_BACKTRACE", "1")
        .output()
        .expect("the process runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let wire = fs::read_to_string(folder.path().join("wire")).unwrap_or_else(|e| panic!("{e}: the process said:\n{said}"));
    assert!(said.contains("the work is done"), "{said}");
    assert!(said.contains("told outright: ***") && said.contains("a defect with ***"), "{said}");
    assert!(said.contains("session renewed"), "the log is at its most talkative: {said}");

    let mut canaries: Vec<String> =
        fs::read_to_string(folder.path().join("tokens")).expect("kept").lines().map(str::to_owned).collect();
    assert!(canaries.len() >= 4, "logins and refreshes gave tokens: {canaries:?}");
    assert!(canaries.iter().filter(|c| wire.contains(c.as_str())).count() >= 3, "tokens were used");
    canaries.push(secret.clone());
    assert!(wire.contains(&serde_json::to_string(&secret).expect("JSON")), "the login told the secret: {wire}");

    let mut places = vec![("what it said".to_owned(), said.into_bytes())];
    for entry in fs::read_dir(folder.path().join("state")).expect("the state folder").flatten() {
        places.push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("readable")));
    }
    assert!(places.iter().any(|(name, bytes)| name.ends_with("-wal") && bytes.len() > 4_096), "the log of the database is there");
    for canary in &canaries {
        for form in written(canary) {
            for (name, bytes) in &places {
                assert!(!bytes.windows(form.len()).any(|w| w == form.as_bytes()), "{name} holds {form}");
            }
        }
    }
}

/// The ways in which a secret is written down.
fn written(secret: &str) -> Vec<String> {
    let json = serde_json::to_string(secret).expect("JSON");
    let percent = |text: &str, space: &str| {
        text.bytes().fold(String::new(), |out, b| match b {
            b' ' => out + space,
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => format!("{out}{}", char::from(b)),
            b => format!("{out}%{b:02X}"),
        })
    };
    let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
    let list = secret.bytes().map(|b| b.to_string()).collect::<Vec<_>>().join(", ");
    // The heart of it, too: what is left when the edges are damaged.
    let heart = secret.get(8..20).unwrap_or(secret).to_owned();
    vec![secret.to_owned(), json[1..json.len() - 1].to_owned(), percent(secret, "%20"), percent(secret, "+"), hex, list, heart]
}

fn put(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).expect("a new file");
    file.write_all(text.as_bytes()).expect("written");
}

/// What a service makes of a request, and of how often it has come: status and body, or nothing at all.
type Answer<'a> = &'a dyn Fn(&str, usize) -> Option<(u16, String)>;

/// Takes one request and answers it.
fn serve(stream: TcpStream, answer: Answer<'_>, seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if !matches!(reader.read_line(&mut line), Ok(n) if n > 0) {
            return;
        }
        if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().expect("a length");
        }
        request.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a whole body");
    request.push_str(&String::from_utf8_lossy(&body));
    let nth = {
        let mut seen = seen.lock().expect("not poisoned");
        seen.push(request.clone());
        let path = |r: &str| r.split(['?', ' ']).nth(1).unwrap_or_default().to_owned();
        seen.iter().filter(|r| path(r) == path(&request)).count()
    };
    // Without an answer, the line goes dead.
    if let Some((status, body)) = answer(&request, nth) {
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let mut stream = stream;
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
    }
}

fn credential(name: &str, kind: CredentialKind) -> Credential {
    let words = Words { fr: "Secret".into(), en: "Secret".into() };
    Credential { name: name.into(), kind, hosts: vec!["setting:service".into()], label: words.clone(), reason: words }
}

fn session() -> CredentialKind {
    let exchange =
        |name: &str, body, bearer_refresh| Exchange { url: format!("{{setting:service}}/{name}"), body, bearer_refresh };
    CredentialKind::Session(Box::new(Session {
        login: Some(exchange("login", ExchangeBody::Json(json!({ "password": "{secret}" })), false)),
        refresh: exchange("refresh", ExchangeBody::Empty, true),
        access: "/access".into(),
        refresh_token: "/refresh".into(),
        expires_in: None,
        expired: Vec::new(),
    }))
}

#[test]
#[ignore = "the process that the other test starts"]
fn works_with_a_secret_and_dies() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    beffroi::service::start_log(tracing::Level::TRACE);
    let (seen, tokens) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let (log, given, dice) = (seen.clone(), tokens.clone(), Dice::fair());
    let answer = move |request: &str, nth: usize| {
        let pair = || {
            let (access, refresh) =
                (format!("access-{:016x}{:016x}", dice.any(), dice.any()), format!("refresh-{:032x}", dice.any()));
            given.lock().expect("not poisoned").extend([access.clone(), refresh.clone()]);
            json!({ "access": access, "refresh": refresh }).to_string()
        };
        match (request.split([' ', '?']).nth(1).unwrap_or_default(), nth) {
            // The first login meets a broken server that repeats what it was told, the second a dead line.
            ("/login", 1) => Some((502, request.to_owned())),
            ("/login", 2) => None,
            ("/refresh", 1) => None,
            ("/refresh", 2) => Some((503, request.to_owned())),
            ("/login" | "/refresh", _) => Some((200, pair())),
            ("/expires", 1 | 3 | 5) => Some((401, request.to_owned())),
            ("/dead", _) => None,
            ("/away", _) => Some((500, request.to_owned())),
            _ => Some((200, request.to_owned())),
        }
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            serve(stream, &answer, &log);
        }
    });

    let clock = Arc::new(SystemClock::new());
    let state = folder.join("state");
    let store = Arc::new(Store::open(&state.join("beffroi.db"), Mode::Threaded).expect("a store"));
    let sources = Sources { credentials: None, folder: folder.join("secrets"), environment: Arc::new(|_| None) };
    let secrets = Secrets::new(store.clone(), clock.clone(), sources, &state);
    let own = format!("127.0.0.1:{port}");
    let rules = Rules { allow_private: vec![own.clone()], spacing: Duration::ZERO, ..Rules::default() };
    let net = Egress::new(&rules, clock.clone()).expect("good rules");
    let place = Place { host: own.clone(), plain: true, methods: vec!["GET".into(), "POST".into()], paths: vec!["/*".into()] };
    let user = SecretUse {
        plugin: PluginName::parse("canary").expect("a name"),
        scope: "account:shop".into(),
        name: "shop".into(),
        settings: Arc::new(json!({ "service": format!("http://{own}") })),
        secrets: Arc::default(),
        language: Language::En,
    };
    let keep = Keep::default();
    let mut outcomes = Vec::new();
    let ask = |credential: &Credential, method: &str, path: &str| {
        let reach = Some(Arc::new(Reach { places: vec![place.clone()], of: "canary".into() }));
        let request = Request { method: method.into(), reach, ..Request::get(&format!("http://{own}{path}")) };
        tracing::trace!(?request, ?user, ?credential, "asks");
        let outcome = secrets.send(&net, request, credential, &user, &|_| vec![place.clone()]);
        match &outcome {
            Ok(response) => {
                tracing::debug!(?response, "{}", String::from_utf8_lossy(&response.body));
                let (owner, scope, key) = ("canary".to_owned(), "account:shop".to_owned(), format!("{method} {path}"));
                keep.add([PrivateWrite { owner, scope, key, value: Some(response.body.clone()) }]);
            }
            Err(error) => {
                tracing::warn!(?error, "{error}");
                let text = format!("{error} {error:?}");
                let crash = PluginOp::Crash { name: "canary".into(), text };
                store.commit(Change::new(clock.now(), vec![Op::Plugin(crash)])).expect("committed");
            }
        }
        outcome.map(|r| r.status)
    };

    let token = credential("token", session());
    for _ in 0..2 {
        let outcome = ask(&token, "GET", "/x");
        assert!(matches!(outcome, Err(SecretError::Retry(..))), "{outcome:?}");
    }
    outcomes.push(ask(&token, "POST", "/x"));
    // A 401, then a refresh that is lost, then one that meets a broken server, then one that works.
    for _ in 0..5 {
        outcomes.push(ask(&token, "GET", "/expires"));
    }
    outcomes.push(ask(&token, "POST", "/dead"));
    outcomes.push(ask(&token, "GET", "/login"));
    for (name, kind) in [
        ("basic", CredentialKind::Basic { user: Some("me".into()) }),
        ("path", CredentialKind::Path { placeholder: "{token}".into() }),
        ("query", CredentialKind::Query { parameter: "key".into() }),
    ] {
        let credential = credential(name, kind);
        for path in ["/bot{token}/x", "/{token}dead", "/away{token}", "/dead"] {
            outcomes.push(ask(&credential, "GET", path));
        }
    }
    let signed = secrets.sign(&credential("sign", CredentialKind::Hmac), &user, b"x");
    tracing::info!(?outcomes, ?signed, ?keep, "all outcomes");
    let good = outcomes[..6].iter().map(Result::is_ok).collect::<Vec<_>>();
    assert_eq!(good, [true, false, true, false, true, true]);
    store
        .commit(Change::new(clock.now(), vec![Op::Plugin(PluginOp::State(keep.of("canary", "account:shop")))]))
        .expect("committed");

    // Whoever tells it outright is not heard.
    let secret = Secret::new(fs::read_to_string(folder.join("secrets/shop-token")).expect("there"));
    tracing::error!(debugged = ?secret.expose(), "told outright: {}", secret.expose());
    let text = secret.expose().to_owned();
    let defect = std::thread::spawn(move || panic!("a defect with {text}"));
    assert!(defect.join().is_err());

    fs::write(folder.join("tokens"), tokens.lock().expect("not poisoned").join("\n")).expect("written");
    fs::write(folder.join("wire"), seen.lock().expect("not poisoned").join("\n\n")).expect("written");
    println!("the work is done");
    // Like a kill: the database's own log stays as it is.
    std::process::exit(0);
}
