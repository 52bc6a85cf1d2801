//! Accounts that lost their connection, or their posts, over an answer that said nothing about them.
//!
//! The channel is the plugin for Bluesky as it is installed; login server and network are a function of the test.

use beffroi::domain::Json;
use beffroi::network::{NetworkError, Request};
use beffroi::store::view::{self, DeliveryRow};
use beffroi_tests::stage::{Reply, Stage, answer};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

const CONFIG: &str = r#"
[secrets]
folder = "secrets"
[accounts.sky]
network = "bluesky"
plugin = "bluesky"
settings = { service = "https://pds.example", handle = "bakery.test" }
ceilings = { spacing = "0s", per_minute = 1000, per_hour = 1000, per_day = 1000 }
[workflows.say]
script = "say.rhai"
"#;

/// What the login server and the network said and saw.
#[derive(Default)]
struct Server {
    /// Which access token is in force; any other has expired.
    access: u32,
    logins: u32,
    /// The refresh tokens that came.
    refreshed: Vec<String>,
    online: Vec<Json>,
    /// What a refresh gives as the next refresh token; `None` for no such field.
    gives: Option<String>,
    /// In place of any answer.
    trouble: Option<Reply>,
}

impl Server {
    fn answer(&mut self, request: &Request) -> Reply {
        if let Some(trouble) = &self.trouble {
            return trouble.clone();
        }
        let path = request.url.rsplit("/xrpc/").next().unwrap_or_default().to_owned();
        let bearer = request
            .sealed
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
            .map(|(_, value)| value.expose().trim_start_matches("Bearer ").to_owned())
            .unwrap_or_default();
        let says = |status, body: Json| answer(status, &body.to_string());
        match path.split('?').next().unwrap_or_default() {
            "com.atproto.server.createSession" => {
                self.logins += 1;
                self.access += 1;
                says(
                    200,
                    json!({ "accessJwt": format!("access-{}", self.access), "refreshJwt": "refresh-1", "did": "did:plc:a" }),
                )
            }
            "com.atproto.server.refreshSession" => {
                self.refreshed.push(bearer.clone());
                if bearer.is_empty() || !bearer.starts_with("refresh-") {
                    return says(401, json!({ "error": "InvalidToken" }));
                }
                self.access += 1;
                let mut tokens = json!({ "accessJwt": format!("access-{}", self.access), "did": "did:plc:a" });
                if let Some(next) = &self.gives {
                    tokens["refreshJwt"] = json!(next);
                }
                says(200, tokens)
            }
            _ if bearer != format!("access-{}", self.access) => {
                says(400, json!({ "error": "ExpiredToken", "message": "expired" }))
            }
            "com.atproto.server.getSession" => says(200, json!({ "did": "did:plc:a", "handle": "bakery.test", "active": true })),
            "com.atproto.repo.putRecord" => {
                let body: Json = serde_json::from_slice(&request.body).expect("JSON");
                self.online.push(body["record"]["text"].clone());
                says(200, json!({ "uri": format!("at://did:plc:a/app.bsky.feed.post/{}", body["rkey"]), "cid": "bafy" }))
            }
            "com.atproto.repo.getRecord" => says(400, json!({ "error": "RecordNotFound", "message": "not there" })),
            _ => says(200, json!({})),
        }
    }
}

fn connected() -> (Stage, Arc<Mutex<Server>>) {
    let stage = Stage::start(CONFIG, &[("say", super::SAY)]);
    let secret = stage.path("secrets/sky-session");
    std::fs::create_dir_all(stage.path("secrets")).expect("made");
    std::fs::write(&secret, "app-password").expect("written");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("set");
    let package = std::fs::read(beffroi_tests::package("bluesky")).expect("the package is there");
    beffroi_tests::install(&stage.hand.engine, package);
    let server: Arc<Mutex<Server>> = Arc::default();
    let answering = server.clone();
    stage.when_asked(move |_, _, request| answering.lock().expect("not poisoned").answer(request));
    (stage, server)
}

fn post(stage: &Stage, text: &str) {
    let run = stage.hand.run("say", Some(json!({ "text": text, "expires": "7d" }))).expect("the run ends");
    assert_eq!(run.row.state, "done", "{:?}", run.row.error);
    stage.settle();
}

fn deliveries(stage: &Stage) -> Vec<DeliveryRow> {
    stage.ask(|db| view::deliveries(db, None, None, 100))
}

/// A login server renews the access token and sends an empty refresh token, or none. The good one stays in force: the account goes on,
/// and nobody has to connect it again.
#[test]
fn postiz_1884_empty_refresh_token() {
    for gives in [Some(String::new()), None, Some("refresh-next".to_owned())] {
        let (stage, server) = connected();
        let with = |change: &dyn Fn(&mut Server)| change(&mut server.lock().expect("not poisoned"));
        with(&|s| s.gives.clone_from(&gives));
        post(&stage, "first");
        for n in 0..3 {
            // The access token has expired meanwhile.
            with(&|s| s.access += 100);
            stage.advance("3h");
            post(&stage, &format!("later {n}"));
            stage.advance("10m");
        }
        let server = server.lock().expect("not poisoned");
        assert_eq!(server.online.len(), 4, "{gives:?}: {:#?}", deliveries(&stage));
        assert_eq!(server.logins, 1, "{gives:?}: the session went on");
        assert!(server.refreshed.len() >= 3 && server.refreshed.iter().all(|token| !token.is_empty()), "{:?}", server.refreshed);
        let kept = if gives.as_ref().is_some_and(|g| !g.is_empty()) { "refresh-next" } else { "refresh-1" };
        assert_eq!(server.refreshed.last().map(String::as_str), Some(kept), "{:?}", server.refreshed);
        assert!(stage.ask(view::breakers).is_empty());
    }
}

/// The network, or its login server, is down for half a day in every way that servers are. The account stays connected, and all four
/// posts go out when it is back.
#[test]
fn postiz_2084_502_is_not_auth() {
    let page = "<html><body>Bad gateway</body></html>";
    let troubles: [Reply; 6] = [
        answer(502, page),
        answer(503, "{\"error\":\"UpstreamFailure\"}"),
        answer(504, ""),
        answer(429, "{\"error\":\"RateLimitExceeded\"}"),
        Err(NetworkError::NotSent("No connection.".into())),
        Err(NetworkError::Lost("The line went dead.".into())),
    ];
    for trouble in troubles {
        for expired in [false, true] {
            let (stage, server) = connected();
            post(&stage, "before");
            {
                let mut server = server.lock().expect("not poisoned");
                server.gives = Some("refresh-next".into());
                server.trouble = Some(trouble.clone());
                server.access += u32::from(expired) * 100;
            }
            for n in 0..4 {
                post(&stage, &format!("during {n}"));
            }
            stage.advance("12h");
            assert!(stage.ask(view::breakers).is_empty(), "{trouble:?}: {:?}", stage.ask(view::breakers));
            server.lock().expect("not poisoned").trouble = None;
            stage.advance("6h");
            let server = server.lock().expect("not poisoned");
            assert_eq!(server.online.len(), 5, "{trouble:?}, expired: {expired}: {:#?}", deliveries(&stage));
            assert_eq!(server.logins, 1, "{trouble:?}, expired: {expired}");
            assert!(stage.ask(view::breakers).is_empty());
        }
    }
}
