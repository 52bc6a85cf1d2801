//! The Bluesky channel against a genuine server, whichever runs at BEFFROI_LIVE_BLUESKY with an account named in
//! BEFFROI_LIVE_BLUESKY_HANDLE and its app password in BEFFROI_LIVE_BLUESKY_PASSWORD; `.ci/lanes/servers.sh` starts one.
//!
//! In: an account that nobody else uses. Out: what is really there afterwards.
//! Never: in a plain `cargo test`, where these are ignored; or more than one login for each test.

#[path = "../../../.ci/servers/curl.rs"]
mod curl;

use beffroi_plugin::fake::{Answer, Host, Sent};
use beffroi_plugin::prelude::*;
use beffroi_plugin_bluesky::Bluesky;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::Command;
use std::rc::Rc;

const PIXEL: &[u8] = include_bytes!("pixel.png");

/// What becomes of the next post.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    LostBefore,
    LostAfter,
}

struct Live {
    host: Host,
    fate: Rc<Cell<Fate>>,
    service: String,
    handle: String,
    did: String,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; see .ci/servers/README.md"))
}

fn curl_json(arguments: &[&str]) -> Value {
    let output = Command::new("curl").args(["-s", "--globoff"]).args(arguments).output().expect("curl is installed");
    json::from_slice(&output.stdout).unwrap_or_default()
}

fn live() -> Live {
    let (service, handle) = (variable("BEFFROI_LIVE_BLUESKY"), variable("BEFFROI_LIVE_BLUESKY_HANDLE"));
    let login = json!({ "identifier": handle, "password": variable("BEFFROI_LIVE_BLUESKY_PASSWORD") }).to_string();
    let url = format!("{service}/xrpc/com.atproto.server.createSession");
    let session = curl_json(&["-H", "Content-Type: application/json", "-d", &login, &url]);
    let word = |name: &str| session[name].as_str().unwrap_or_else(|| panic!("the login failed: {session}")).to_owned();
    let (did, bearer) = (word("did"), format!("Bearer {}", word("accessJwt")));
    let fate = Rc::new(Cell::new(Fate::Answered));
    let next = Rc::clone(&fate);
    let files = BTreeMap::from([("pixel".to_owned(), PIXEL.to_vec())]);
    let remote = move |sent: &Sent| {
        let fate = if sent.url.ends_with("putRecord") { next.replace(Fate::Answered) } else { Fate::Answered };
        if fate == Fate::LostBefore {
            return Some(Answer::lost());
        }
        let answer = curl::send(sent, sent.credential.as_ref().map(|_| bearer.as_str()), &files);
        Some(if fate == Fate::LostAfter { Answer::lost() } else { answer })
    };
    let now = Command::new("date").arg("+%s%3N").output().expect("there is a clock");
    let now = String::from_utf8_lossy(&now.stdout).trim().parse().expect("the clock gives a number");
    let host = Host::new()
        .now(now)
        .settings(json!({ "service": service, "handle": handle }))
        .file("pixel", "image/png", PIXEL)
        .remote(remote);
    Live { host, fate, service, handle, did }
}

impl Live {
    fn prepare(&self, delivery: &str, post: &Post) -> String {
        let mut handle = None;
        for _ in 0..20 {
            match self.host.run(|| Bluesky::prepare(delivery, post, handle.as_deref())).expect("every step goes well") {
                Preparation::Ready(ready) => return ready.expect("there is always a handle"),
                Preparation::Again(pause) => handle = Some(pause.handle),
            }
        }
        panic!("preparation never ends")
    }

    /// Publishes as the daemon does, and gives the receipt.
    fn deliver(&self, delivery: &str, post: &Post) -> Receipt {
        let handle = self.prepare(delivery, post);
        for _ in 0..5 {
            match self.host.run(|| Bluesky::publish(delivery, post, Some(&handle))) {
                Ok(Outcome::Online(receipt)) => return receipt,
                Err(Error::Uncertain(_)) => {}
                other => panic!("not what a post becomes: {other:?}"),
            }
            match self.host.run(|| Bluesky::find(delivery, post, Some(&handle))) {
                Ok(Finding::Online(receipt)) => return receipt,
                Ok(Finding::Absent) => {}
                other => panic!("not what a look gives: {other:?}"),
            }
        }
        panic!("it never ends")
    }

    /// The account's posts, read past the channel.
    fn posts(&self) -> Vec<Value> {
        let query = format!("repo={}&collection=app.bsky.feed.post&limit=100", self.did);
        let read = curl_json(&[&format!("{}/xrpc/com.atproto.repo.listRecords?{query}", self.service)]);
        read["records"].as_array().cloned().unwrap_or_default()
    }

    fn post(&self, receipt: &Receipt) -> Value {
        let found = self.posts().into_iter().find(|record| record["uri"] == receipt.remote_id.as_str());
        found.unwrap_or_else(|| panic!("{} is not there", receipt.remote_id))
    }
}

#[test]
#[ignore = "needs a genuine server"]
fn it_names_the_account_and_refuses_a_bad_token() {
    let live = live();
    assert_eq!(live.host.run(Bluesky::check), Ok(format!("@{}", live.handle)));
    let settings = json!({ "service": live.service, "handle": live.handle });
    let bad = Host::new().settings(settings).remote(|sent| Some(curl::send(sent, Some("Bearer nonsense"), &BTreeMap::new())));
    let error = bad.run(Bluesky::check).expect_err("the token is bad");
    assert!(matches!(error, Error::Reconnect(_)), "{error:?}");
}

#[test]
#[ignore = "needs a genuine server"]
fn texts_links_pictures_answers_and_taking_down() {
    let live = live();
    let mut card = Post::new(format!("Été 🥐 : @{} et @nobody-at-all.test #pâtisserie https://example.com/é", live.handle));
    card.link = Some("https://example.com/four".into());
    let first = live.deliver("card", &card);
    let record = live.post(&first)["value"].clone();
    assert_eq!(record["embed"]["external"]["uri"], "https://example.com/four", "{record}");
    assert_eq!(record["facets"].as_array().map(Vec::len), Some(3), "{record}");
    let mut pictures = Post::new("");
    pictures.assets = vec![Asset { alt: "Un carré".into(), dimensions: Some((2, 2)), ..live.host.asset("pixel") }; 2];
    pictures.reply_to = Some(first.remote_id.clone());
    live.fate.set(Fate::LostAfter);
    let second = live.deliver("pictures", &pictures);
    let record = live.post(&second)["value"].clone();
    assert_eq!(record["embed"]["images"][1]["alt"], "Un carré", "{record}");
    assert_eq!(record["reply"]["root"]["uri"], first.remote_id.as_str(), "{record}");
    let mut third = Post::new("Et demain aussi.");
    third.reply_to = Some(second.remote_id.clone());
    let third = live.deliver("third", &third);
    let record = live.post(&third)["value"].clone();
    assert_eq!(record["reply"]["root"]["uri"], first.remote_id.as_str(), "{record}");
    assert_eq!(record["reply"]["parent"]["uri"], second.remote_id.as_str(), "{record}");
    for _ in 0..2 {
        assert_eq!(live.host.run(|| Bluesky::unpublish(&third.remote_id)), Ok(()));
    }
    assert!(!live.posts().iter().any(|record| record["uri"] == third.remote_id.as_str()));
    // The counters live elsewhere and are down here.
    for error in [
        live.host.run(|| Bluesky::read(std::slice::from_ref(&first.remote_id))).err(),
        live.host.run(|| Bluesky::poll(None)).err(),
    ] {
        assert!(matches!(error, Some(Error::Retry(_))), "{error:?}");
    }
}

#[test]
#[ignore = "needs a genuine server"]
fn what_the_channel_lets_through_the_server_takes() {
    let live = live();
    for (name, text) in [
        ("letters", "é".repeat(300)),
        ("families", "👨‍👩‍👧‍👦".repeat(119)),
        ("flags", "🇫🇷".repeat(300)),
        ("mixed", "e\u{301}🏳️‍🌈".repeat(150)),
    ] {
        let post = Post::new(text);
        let refused = !live.host.run(|| Bluesky::validate(&post)).is_empty();
        if !refused {
            live.deliver(name, &post);
        }
        assert_eq!(refused, post.text.len() > 3_000, "{name}");
    }
}

#[test]
#[ignore = "needs a genuine server"]
fn sending_again_is_one_post_and_a_taken_key_is_recognised() {
    let live = live();
    let post = Post::new("Une fois pour toutes");
    let handle = live.prepare("again", &post);
    let before = live.posts().len();
    for _ in 0..3 {
        assert!(matches!(live.host.run(|| Bluesky::publish("again", &post, Some(&handle))), Ok(Outcome::Online(_))));
    }
    assert_eq!(live.posts().len(), before + 1);
    let other = handle.replace("Une fois", "Deux fois");
    let error = live.host.run(|| Bluesky::publish("again", &post, Some(&other))).expect_err("the key is taken");
    assert_eq!(error.code(), "key-taken");
    assert!(matches!(live.host.run(|| Bluesky::find("again", &post, Some(&other))), Ok(Finding::Unsure(_))));
}

#[test]
#[ignore = "needs a genuine server"]
fn lost_answers_leave_every_post_there_exactly_once() {
    let live = live();
    let fates = [Fate::LostAfter, Fate::LostBefore, Fate::Answered];
    for number in 0..30 {
        let text = format!("Fournée numéro {} !", number - usize::from(number % 3 == 2));
        let count = || live.posts().iter().filter(|record| record["value"]["text"] == text.as_str()).count();
        let before = count();
        live.fate.set(fates[number % 7 % 3]);
        live.deliver(&format!("batch-{number}"), &Post::new(text.as_str()));
        assert_eq!(count(), before + 1, "{text}");
    }
}
