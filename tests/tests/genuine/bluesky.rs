//! The engine at work with a genuine Bluesky server.

use crate::house::{self, House, port, read, seed, straight, variable};
use crate::proxy::{self, Exchange, Fate, Proxy};
use beffroi::clock::{Clock as _, SimClock};
use beffroi::domain::{Json, Timestamp, parse_span};
use beffroi::kinds::KindError;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const POSTS: usize = 200;
const LOGIN: &str = "/xrpc/com.atproto.server.createSession";
const REFRESH: &str = "/xrpc/com.atproto.server.refreshSession";
const PUT: &str = "/xrpc/com.atproto.repo.putRecord";

/// The server, past the daemon.
struct Server {
    url: String,
    data: PathBuf,
    clock: Arc<SimClock>,
}

/// An account on it.
struct Account {
    did: String,
    handle: String,
    password: String,
}

impl Server {
    fn script(arguments: &[&str]) -> String {
        let script = beffroi_plugins::root().join(".ci/servers/bluesky.sh");
        let output = Command::new(script).args(arguments).output().expect("the script runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn account(&self, name: &str) -> Account {
        let handle = format!("{name}-{}.test", house::now().millis() % 100_000_000);
        let said = Self::script(&["account", &port(&self.url).to_string(), &handle]);
        let said: Json = serde_json::from_str(&said).expect("JSON");
        let word = |name: &str| said[name].as_str().expect("a word").to_owned();
        Account { did: word("did"), handle: word("handle"), password: word("password") }
    }

    /// The server's clock, and the daemon's unless it stays behind.
    fn ahead(&self, until: Timestamp) {
        let ahead = until.since(house::now()).as_millis().to_string();
        Self::script(&["ahead", &self.data.to_string_lossy(), &ahead]);
    }

    /// The server's clock stands where the daemon's does.
    fn follow(&self) {
        self.ahead(self.clock.now());
    }

    /// Time passes for both, the server always a little ahead.
    fn pass(&self, house: &House, span: &str) {
        let end = self.clock.now().plus(parse_span(span).expect("a span"));
        while self.clock.now() < end {
            let next = self.clock.now().plus(parse_span("15m").expect("a span")).min(end);
            self.ahead(next);
            house.hand.advance_to(next).expect("the engine goes on");
        }
    }

    fn call(&self, name: &str, token: Option<&str>, body: &Json) -> (u16, Json, Option<u64>) {
        let answer = straight("POST", &format!("{}/xrpc/{name}", self.url), token, Some(body));
        let reset = answer.header("ratelimit-reset").and_then(|text| text.parse().ok());
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default(), reset)
    }

    /// Every post of an account, newest first.
    fn posts(&self, did: &str) -> Vec<Json> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let query = format!("repo={did}&collection=app.bsky.feed.post&limit=100{after}");
            let page = read(&format!("{}/xrpc/com.atproto.repo.listRecords?{query}", self.url), None);
            all.extend(page["records"].as_array().into_iter().flatten().cloned());
            match page["cursor"].as_str() {
                Some(cursor) => after = format!("&cursor={cursor}"),
                None => return all,
            }
        }
    }

    fn post(&self, did: &str, uri: Option<&String>) -> Json {
        let uri = uri.expect("what is online has an address");
        let found = self.posts(did).into_iter().find(|record| record["uri"] == uri.as_str());
        found.unwrap_or_else(|| panic!("{uri} is not there"))["value"].clone()
    }
}

fn post(text: &str, account: &str) -> Json {
    json!({ "text": text, "account": account, "expires": "7d" })
}

fn with(mut post: Json, more: Json) -> Json {
    for (name, value) in more.as_object().expect("a map") {
        post[name] = value.clone();
    }
    post
}

/// Does all of it; gives the daemon as it stands, and what was secret.
pub(crate) fn work(folder: &Path) -> (House, Vec<String>) {
    let clock = Arc::new(SimClock::new(house::now()));
    let url = variable("BEFFROI_LIVE_BLUESKY");
    let server = Server { data: variable("BEFFROI_LIVE_BLUESKY_DATA").into(), clock: clock.clone(), url };
    let (one, two) = (server.account("atelier"), server.account("fournil"));
    let proxy = Proxy::new(port(&server.url), clock.clone(), seed());
    let service = format!("http://127.0.0.1:{}", proxy.port);
    let account = |name: &str, of: &Account| {
        let settings = format!("service = \"{service}\", handle = \"{}\"", of.handle);
        house::account(name, "bluesky", &settings, &format!("session = \"{name}-password\""))
    };
    house::put_secret(folder, "one-password", &one.password);
    let accounts = format!("{}{}", account("one", &one), account("two", &two));
    let house = House::start(folder, &accounts, "bluesky", &proxy, &clock);

    everything_a_post_can_be(&house, &server, &one);
    let renewed = tokens_are_renewed(&house, &server, &proxy, &one);
    a_refused_password_waits_for_the_owner(&house, &server, &one);
    too_many_logins(&house, &server, &proxy, &two);
    too_many_posts(&house, &server, &proxy, &one);
    every_post_exactly_once(&house, &server, &proxy, &one);

    let mut secrets = vec![one.password, two.password];
    for exchange in proxy.since(0) {
        let tokens = [exchange.json()["accessJwt"].take(), exchange.json()["refreshJwt"].take()];
        secrets.extend(tokens.iter().filter_map(Json::as_str).map(str::to_owned));
        secrets.extend(exchange.asked("authorization").and_then(|v| v.strip_prefix("Bearer ").map(str::to_owned)));
    }
    secrets.sort();
    secrets.dedup();
    assert!(secrets.len() > 2 + 2 * renewed, "tokens were seen on the way: {}", secrets.len());
    (house, secrets)
}

fn everything_a_post_can_be(house: &House, server: &Server, one: &Account) {
    let name = house.ask("one", |channel, call| channel.check(call)).expect("the account works");
    assert_eq!(name, format!("@{}", one.handle));
    let text = house.deliver(&post("Le pain est chaud 🥐 #fournil", "one"));
    let record = server.post(&one.did, text.remote_id.as_ref());
    assert_eq!(record["facets"][0]["features"][0]["tag"], "fournil", "{record}");
    let link =
        json!({ "link": "https://example.com/four", "options": { "link-title": "Le four", "link-description": "Et son feu" } });
    let card = house.deliver(&with(post("Notre four", "one"), link));
    let record = server.post(&one.did, card.remote_id.as_ref());
    let external = &record["embed"]["external"];
    assert_eq!([&external["uri"], &external["title"]], ["https://example.com/four", "Le four"], "{record}");
    let picture = json!({ "media": [{ "path": "pixel.png", "alt": "Un carré" }], "reply_to": text.remote_id });
    let answer = house.deliver(&with(post("En image", "one"), picture));
    let record = server.post(&one.did, answer.remote_id.as_ref());
    let image = &record["embed"]["images"][0];
    assert_eq!(
        (image["alt"].as_str(), image["image"]["size"].as_u64()),
        (Some("Un carré"), Some(house::PIXEL.len() as u64)),
        "{record}"
    );
    assert_eq!(record["reply"]["parent"]["uri"].as_str(), text.remote_id.as_deref(), "{record}");
    assert_eq!(server.posts(&one.did).len(), 3);
    let uri = answer.remote_id.expect("it is online");
    for _ in 0..2 {
        house.ask("one", |channel, call| channel.unpublish(call, &uri)).expect("it is taken down, or gone");
    }
    let left = server.posts(&one.did);
    assert!(left.len() == 2 && left.iter().all(|record| record["uri"] != uri.as_str()), "{left:?}");
    // The counters live elsewhere and are down here.
    let figures = house.ask("one", |channel, call| channel.metrics(call, std::slice::from_ref(&uri)));
    assert!(matches!(figures, Err(KindError::Retry(..))), "{figures:?}");
    println!("seen: bluesky: text, card, picture, answer, taken down");
}

fn paths(exchanges: &[Exchange]) -> Vec<String> {
    exchanges
        .iter()
        .map(|e| {
            format!("{} {}", e.line().1.rsplit('.').next().unwrap_or_default().split('?').next().unwrap_or_default(), e.status())
        })
        .collect()
}

fn refresh_token(exchange: &Exchange) -> (String, String) {
    let used = exchange.asked("authorization").expect("a token").replace("Bearer ", "");
    (used, exchange.json()["refreshJwt"].as_str().expect("a new one").to_owned())
}

/// Gives how many new pairs there were.
fn tokens_are_renewed(house: &House, server: &Server, proxy: &Proxy, one: &Account) -> usize {
    let before = server.posts(&one.did).len();
    // Figures and messages are read now and then, in vain: they come from elsewhere.
    let own = |mark: usize| {
        let all = proxy.since(mark).into_iter();
        all.filter(|e| !e.line().1.starts_with("/xrpc/app.bsky.")).collect::<Vec<_>>()
    };
    let mut kept = vec![house.kept("bluesky", "one", "session")];

    // The server alone thinks that the token has expired.
    let mark = proxy.count();
    server.ahead(server.clock.now().plus(parse_span("125m").expect("a span")));
    house.deliver(&post("Avec un nouveau jeton", "one"));
    let passed = own(mark);
    assert_eq!(paths(&passed)[..3], ["getSession 400", "refreshSession 200", "getSession 200"], "{:?}", paths(&passed));
    assert_eq!(passed[0].json()["error"], "ExpiredToken");
    kept.push(house.kept("bluesky", "one", "session"));

    // The daemon knows by itself.
    house.advance("125m");
    let mark = proxy.count();
    server.pass(house, "2h30m");
    house.deliver(&post("Avec encore un autre", "one"));
    let passed = own(mark);
    assert!(passed.iter().any(|e| e.is("POST", REFRESH)) && passed.iter().all(|e| e.status() == 200), "{:?}", paths(&passed));
    kept.push(house.kept("bluesky", "one", "session"));

    // The server renews, and its answer is lost.
    let mut cut = false;
    proxy.plan(move |_, path, _| {
        let now = !cut && path == REFRESH;
        cut |= now;
        if now { Fate::CutAnswer(100) } else { Fate::Through }
    });
    server.pass(house, "2h30m");
    proxy.mend();
    house.deliver(&post("Malgré une réponse perdue", "one"));
    kept.push(house.kept("bluesky", "one", "session"));

    let all = own(0);
    let logins: Vec<_> = all.iter().filter(|e| e.is("POST", LOGIN)).collect();
    assert_eq!(logins.len(), 1, "one login serves for all of it");
    let mut latest = logins[0].json()["refreshJwt"].as_str().expect("a token").to_owned();
    let (mut renewed, mut lost) = (0, 0);
    for exchange in all.iter().filter(|e| e.is("POST", REFRESH)) {
        let (used, new) = refresh_token(exchange);
        assert!(used == latest && new != used, "each refresh uses the token that the one before it brought");
        if exchange.fate == Fate::Through {
            (latest, renewed) = (new, renewed + 1);
        } else {
            lost += 1;
        }
    }
    assert!(renewed >= 3 && lost == 1, "{renewed} and {lost} lost");
    assert_eq!(server.posts(&one.did).len(), before + 3);
    for (number, sealed) in kept.iter().enumerate() {
        assert!(kept[..number].iter().all(|other| other != sealed), "each new pair is on disk");
        assert!(!sealed.windows(3).any(|w| w == b"eyJ"), "and sealed");
    }
    println!("seen: bluesky: 1 login, {renewed} refreshes in a chain and {lost} lost, each new pair on disk and sealed");
    renewed
}

fn a_refused_password_waits_for_the_owner(house: &House, server: &Server, one: &Account) {
    let before = server.posts(&one.did).len();
    house.secret("one-password", "aaaa-bbbb-cccc-dddd");
    let row = house.say(&post("Sans le bon mot de passe", "one"));
    let reason = house.stopped("one").expect("the account is stopped");
    assert!(row.state == "held" && reason.contains("one-password"), "{}: {reason}", row.state);
    server.pass(house, "1h");
    house.secret("one-password", &one.password);
    house.thaw("one");
    assert_eq!(house.delivery(&row).state, "online", "{:?}", house.delivery(&row).reason);
    assert_eq!(server.posts(&one.did).len(), before + 1);
    println!("seen: bluesky: 401, the account stopped, and went on with the right password");
}

/// A delivery that met a limit is sent again when the server allows it, and not before.
fn waits_as_told(
    house: &House,
    server: &Server,
    proxy: &Proxy,
    row: &beffroi::store::view::DeliveryRow,
    path: &str,
    mark: usize,
) {
    assert_eq!(row.state, "retrying", "{:?}", row.reason);
    let passed = proxy.since(mark);
    let refused =
        passed.iter().find(|e| e.is("POST", path) && e.status() == 429).unwrap_or_else(|| panic!("{:?}", paths(&passed)));
    let told: u64 = refused.answered("retry-after").and_then(|v| v.parse().ok()).expect("the server says how long");
    let until = refused.at.plus(std::time::Duration::from_secs(told));
    assert!(told > 60 && row.look_at >= until, "told {told} s at {}, tried again at {}", refused.at, row.look_at);
    let mark = proxy.count();
    let before = until.minus(std::time::Duration::from_secs(1));
    house.hand.advance_to(before).expect("the engine goes on");
    assert_eq!(proxy.count(), mark, "{:?}", paths(&proxy.since(mark)));
    server.ahead(until.plus(std::time::Duration::from_secs(30)));
    house.advance("10m");
    assert_eq!(house.delivery(row).state, "online", "{:?}", house.delivery(row).reason);
    println!("seen: bluesky: {} 429, told to wait {told} s, silent until then", path.rsplit('.').next().unwrap_or_default());
}

fn too_many_logins(house: &House, server: &Server, proxy: &Proxy, two: &Account) {
    server.follow();
    let wrong = json!({ "identifier": two.handle, "password": "not-this-one" });
    let refused = (0..40).any(|_| server.call("com.atproto.server.createSession", None, &wrong).0 == 429);
    assert!(refused, "logins are limited: start the server with RATE_LIMITS=1");
    let mark = proxy.count();
    // It has none yet, so it has never logged in.
    house.secret("two-password", &two.password);
    let row = house.say(&post("Après trop de connexions", "two"));
    waits_as_told(house, server, proxy, &row, LOGIN, mark);
    assert_eq!(server.posts(&two.did).len(), 1);
}

fn too_many_posts(house: &House, server: &Server, proxy: &Proxy, one: &Account) {
    let before = server.posts(&one.did).len();
    // A first post, so that only the next one's sending can be refused.
    server.follow();
    let login = json!({ "identifier": one.handle, "password": one.password });
    let session = server.call("com.atproto.server.createSession", None, &login).1;
    let token = session["accessJwt"].as_str().expect("a token");
    // They count although the server then finds them wanting.
    let create = json!({ "$type": "com.atproto.repo.applyWrites#create", "collection": "app.bsky.feed.post",
        "value": { "$type": "app.bsky.feed.post" } });
    let writes = json!({ "repo": one.did, "writes": vec![create; 200] });
    let full = (0..40).any(|_| server.call("com.atproto.repo.applyWrites", Some(token), &writes).0 == 429);
    assert!(full, "posts are limited: start the server with RATE_LIMITS=1");
    let mark = proxy.count();
    let row = house.say(&post("Après trop de posts", "one"));
    waits_as_told(house, server, proxy, &row, PUT, mark);
    assert_eq!(server.posts(&one.did).len(), before + 1);
}

fn every_post_exactly_once(house: &House, server: &Server, proxy: &Proxy, one: &Account) {
    let before: Vec<Json> = server.posts(&one.did);
    let (mark, began) = (proxy.count(), server.clock.now());
    let first = house.deliveries().len();
    // Every twentieth says the same as the one before it.
    let text = |n: usize| format!("Fournée numéro {} : brioches à la praline.", n - usize::from(n % 20 == 19));
    let posts: Vec<Json> = (0..POSTS).map(|n| post(&text(n), "one")).collect();
    proxy.plan(proxy::cutting(seed(), 4, |method, path| method == "POST" && path == PUT));
    house.run("many", &json!(posts));
    // Behind the first that is cut all the others become late, and what is late leaves a quarter of an hour apart.
    for _ in 0..600 {
        house.advance("15m");
        server.follow();
        if house.deliveries()[first..].iter().all(|row| row.state == "online") {
            break;
        }
    }
    proxy.mend();
    let rows = house.deliveries();
    let rows = &rows[first..];
    let open: Vec<_> = rows.iter().filter(|r| r.state != "online").map(|r| (r.id, &r.state, &r.reason)).collect();
    assert!(rows.len() == POSTS && open.is_empty(), "{} of {POSTS}: {open:?}", rows.len());
    let passed = proxy.since(mark);
    let mut there: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in server.posts(&one.did).into_iter().filter(|record| !before.contains(record)) {
        let word = |value: &Json| value.as_str().expect("a word").to_owned();
        there.entry(word(&record["value"]["text"])).or_default().push(word(&record["uri"]));
    }
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (n, row) in rows.iter().enumerate() {
        said.entry(text(n)).or_default().push(row.remote_id.clone().expect("what is online has an address"));
    }
    there.values_mut().chain(said.values_mut()).for_each(|uris| uris.sort());
    assert_eq!(there, said, "every post is there exactly once, and where the daemon says");
    assert_eq!(there.values().map(Vec::len).sum::<usize>(), POSTS);

    let cut = |sort: fn(&Fate) -> bool| passed.iter().filter(|e| e.is("POST", PUT) && sort(&e.fate)).count();
    let cuts = [
        cut(|f| matches!(f, Fate::CutRequest(_))),
        cut(|f| matches!(f, Fate::Unanswered)),
        cut(|f| matches!(f, Fate::Held(_))),
        cut(|f| matches!(f, Fate::CutAnswer(_))),
        cut(|f| matches!(f, Fate::Stall(_))),
    ];
    let all: usize = cuts.iter().sum();
    assert!(all >= POSTS && cuts.iter().all(|n| *n >= 10), "cut {cuts:?}");
    let puts = passed.iter().filter(|e| e.is("POST", PUT)).count();
    let others = passed.iter().filter(|e| e.fate != Fate::Through).count() - all;
    let tries = rows.iter().map(|r| r.attempts).max().unwrap_or(0);
    println!(
        "seen: bluesky: {POSTS} posts, each there once: {puts} times sent, {all} times cut {cuts:?} (within the request, unanswered, \
         late, within the answer, stalled), {others} other requests cut; {} requests in all, at most {tries} tries, {:?} of the daemon's time",
        passed.len(),
        server.clock.now().since(began)
    );
}
