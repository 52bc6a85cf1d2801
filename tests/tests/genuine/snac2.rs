//! The engine at work with snac2, which speaks Mastodon's language and ignores idempotency keys: what is there is told by reading
//! back alone.

use crate::house::{self, House, port, read, seed, variable};
use crate::proxy::{self, Fate, Proxy};
use beffroi::clock::{Clock as _, SimClock};
use beffroi::domain::Json;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const POSTS: usize = 110;
const STATUSES: &str = "/api/v1/statuses";

struct Server {
    url: String,
    id: String,
    token: String,
}

impl Server {
    fn open() -> Self {
        let (url, data) = (variable("BEFFROI_LIVE_MASTODON"), variable("BEFFROI_LIVE_MASTODON_DATA"));
        let script = beffroi_plugins::root().join(".ci/servers/snac2.sh");
        let name = format!("atelier{}", house::now().millis() % 100_000_000);
        let output = Command::new(script).args(["account", &data, &name]).output().expect("the script runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        let token = said["token"].as_str().expect("a token").to_owned();
        let own = read(&format!("{url}/api/v1/accounts/verify_credentials"), Some(&token));
        Self { id: own["id"].as_str().expect("an id").to_owned(), url, token }
    }

    /// Every post of the account, newest first.
    fn posts(&self) -> Vec<Json> {
        let list = read(&format!("{}/api/v1/accounts/{}/statuses?limit=40", self.url, self.id), Some(&self.token));
        list.as_array().cloned().unwrap_or_default()
    }

    fn post(&self, id: Option<&String>) -> Json {
        let id = id.expect("what is online has a number");
        let found = self.posts().into_iter().find(|status| status["id"] == id.as_str());
        found.unwrap_or_else(|| panic!("{id} is not there"))
    }
}

fn post(text: &str) -> Json {
    json!({ "text": text, "account": "one", "expires": "7d" })
}

/// Does all of it; gives the daemon as it stands, and what was secret.
pub(crate) fn work(folder: &Path) -> (House, Vec<String>) {
    let clock = Arc::new(SimClock::new(house::now()));
    let server = Server::open();
    let proxy = Proxy::new(port(&server.url), clock.clone(), seed());
    house::put_secret(folder, "one-token", &server.token);
    let settings = format!("server = \"http://127.0.0.1:{}\"", proxy.port);
    let account = house::account("one", "mastodon", &settings, "token = \"one-token\"");
    let house = House::start(folder, &account, "mastodon", &proxy, &clock);

    everything_a_post_can_be(&house, &server);
    let wrong = a_refused_token_waits_for_the_owner(&house, &server);
    every_post_exactly_once(&house, &server, &proxy);
    (house, vec![server.token, wrong])
}

fn everything_a_post_can_be(house: &House, server: &Server) {
    let text = house.deliver(&post("Le pain est chaud"));
    assert!(server.post(text.remote_id.as_ref())["content"].as_str().is_some_and(|c| c.contains("Le pain est chaud")));
    let mut answer = post("En image");
    answer["reply_to"] = json!(text.remote_id);
    answer["media"] = json!([{ "path": "pixel.png", "alt": "Un carre" }]);
    answer["link"] = json!("https://example.com/four");
    let answer = house.deliver(&answer);
    let status = server.post(answer.remote_id.as_ref());
    assert_eq!(status["in_reply_to_id"].as_str(), text.remote_id.as_deref(), "{status}");
    assert_eq!(status["media_attachments"][0]["description"], "Un carre", "{status}");
    assert!(status["content"].as_str().is_some_and(|c| c.contains("https://example.com/four")), "{status}");
    println!("seen: snac2: text, link, picture, answer");
}

fn a_refused_token_waits_for_the_owner(house: &House, server: &Server) -> String {
    let (before, wrong) = (server.posts().len(), "0123456789abcdef-not-this-one".to_owned());
    house.secret("one-token", &wrong);
    let row = house.say(&post("Sans le bon jeton"));
    let reason = house.stopped("one").expect("the account is stopped");
    assert_eq!(row.state, "held", "{reason}");
    assert_eq!(server.posts().len(), before);
    house.secret("one-token", &server.token);
    house.thaw("one");
    assert_eq!(house.delivery(&row).state, "online");
    assert_eq!(server.posts().len(), before + 1);
    println!("seen: snac2: a refused token, the account stopped, and went on with the right one");
    wrong
}

fn every_post_exactly_once(house: &House, server: &Server, proxy: &Proxy) {
    let before: Vec<Json> = server.posts().iter().map(|status| status["id"].clone()).collect();
    let (mark, first) = (proxy.count(), house.deliveries().len());
    // Every twentieth says the same as the one before it.
    let text = |n: usize| format!("Fournee numero {} du matin", n - usize::from(n % 20 == 19));
    let posts: Vec<Json> = (0..POSTS).map(|n| post(&text(n))).collect();
    // What is on its way for long arrives while the daemon still looks for it: whatever comes later no list can foretell.
    proxy.plan(proxy::cutting(seed() + 1, 1, |method, path| method == "POST" && path == STATUSES));
    house.run("many", &json!(posts));
    // Behind the first that is cut all the others become late, and what is late leaves a quarter of an hour apart.
    for _ in 0..600 {
        house.advance("15m");
        if house.deliveries()[first..].iter().all(|row| row.state == "online") {
            break;
        }
    }
    proxy.mend();
    let rows = house.deliveries();
    let rows = &rows[first..];
    let open: Vec<_> = rows.iter().filter(|r| r.state != "online").map(|r| (r.id, &r.state, &r.reason)).collect();
    assert!(rows.len() == POSTS && open.is_empty(), "{} of {POSTS}: {open:?}", rows.len());
    let mut there: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for status in server.posts().into_iter().filter(|status| !before.contains(&status["id"])) {
        let content = status["content"].as_str().expect("a text");
        let words = content.split(['<', '>']).find(|part| part.contains("Fournee")).unwrap_or(content).trim();
        there.entry(words.to_owned()).or_default().push(status["id"].as_str().expect("an id").to_owned());
    }
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (n, row) in rows.iter().enumerate() {
        said.entry(text(n)).or_default().push(row.remote_id.clone().expect("what is online has a number"));
    }
    there.values_mut().chain(said.values_mut()).for_each(|ids| ids.sort());
    assert_eq!(there, said, "every post is there exactly once, and where the daemon says");

    let passed = proxy.since(mark);
    let sent: Vec<_> = passed.iter().filter(|e| e.is("POST", STATUSES)).collect();
    let cut = |sort: fn(&Fate) -> bool| sent.iter().filter(|e| sort(&e.fate)).count();
    let cuts = [
        cut(|f| matches!(f, Fate::CutRequest(_))),
        cut(|f| matches!(f, Fate::Unanswered)),
        cut(|f| matches!(f, Fate::Held(_))),
        cut(|f| matches!(f, Fate::CutAnswer(_))),
        cut(|f| matches!(f, Fate::Stall(_))),
    ];
    let all: usize = cuts.iter().sum();
    assert!(all >= POSTS && cuts.iter().all(|n| *n >= 6), "cut {cuts:?}");
    // What makes this server worth the trouble: the daemon gives it the same key each time, and it takes no notice.
    let mut keys: Vec<_> = sent.iter().filter_map(|e| e.asked("idempotency-key")).collect();
    let asked = keys.len();
    keys.sort();
    keys.dedup();
    println!(
        "seen: snac2: {POSTS} posts, each there once: {asked} times sent under {} keys, {all} times cut {cuts:?} (within the request, \
         unanswered, late, within the answer, stalled); {} requests in all, at most {} tries, {} of the daemon's time",
        keys.len(),
        passed.len(),
        rows.iter().map(|r| r.attempts).max().unwrap_or(0),
        beffroi::domain::show_span(house.hand.clock.now().since(passed[0].at)),
    );
}
