//! The Mastodon channel against a genuine server, whichever runs at BEFFROI_LIVE_MASTODON with the token in
//! BEFFROI_LIVE_MASTODON_TOKEN; `.ci/lanes/servers.sh` starts one.
//!
//! In: an account that nobody else uses. Out: what is really there afterwards.
//! Never: in a plain `cargo test`, where these are ignored.

#[path = "../../../.ci/servers/curl.rs"]
mod curl;

use beffroi_plugin::fake::{Answer, Host, Sent};
use beffroi_plugin::prelude::*;
use beffroi_plugin_mastodon::Mastodon;
use std::cell::Cell;
use std::collections::BTreeMap;
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
    server: String,
    token: String,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; see .ci/servers/README.md"))
}

fn live() -> Live {
    let (server, token) = (variable("BEFFROI_LIVE_MASTODON"), variable("BEFFROI_LIVE_MASTODON_TOKEN"));
    let fate = Rc::new(Cell::new(Fate::Answered));
    let (next, bearer) = (Rc::clone(&fate), format!("Bearer {token}"));
    let files = BTreeMap::from([("pixel".to_owned(), PIXEL.to_vec())]);
    let remote = move |sent: &Sent| {
        let fate =
            if sent.method == "POST" && sent.url.ends_with("/statuses") { next.replace(Fate::Answered) } else { Fate::Answered };
        if fate == Fate::LostBefore {
            return Some(Answer::lost());
        }
        let answer = curl::send(sent, sent.credential.as_ref().map(|_| bearer.as_str()), &files);
        Some(if fate == Fate::LostAfter { Answer::lost() } else { answer })
    };
    let now = std::process::Command::new("date").arg("+%s000").output().expect("there is a clock");
    let now = String::from_utf8_lossy(&now.stdout).trim().parse().expect("the clock gives a number");
    let host = Host::new()
        .now(now)
        .settings(json!({ "server": server, "visibility": "public" }))
        .file("pixel", "image/png", PIXEL)
        .remote(remote);
    Live { host, fate, server, token }
}

impl Live {
    fn prepare(&self, delivery: &str, post: &Post) -> String {
        let mut handle = None;
        for _ in 0..20 {
            match self.host.run(|| Mastodon::prepare(delivery, post, handle.as_deref())).expect("every step goes well") {
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
            match self.host.run(|| Mastodon::publish(delivery, post, Some(&handle))) {
                Ok(Outcome::Online(receipt)) => return receipt,
                Err(Error::Uncertain(_)) => {}
                other => panic!("not what a post becomes: {other:?}"),
            }
            match self.host.run(|| Mastodon::find(delivery, post, Some(&handle))) {
                Ok(Finding::Online(receipt)) => return receipt,
                Ok(Finding::Absent) => {}
                other => panic!("not what a look gives: {other:?}"),
            }
        }
        panic!("it never ends")
    }

    /// Reads what the server has, past the channel.
    fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.server);
        let output = std::process::Command::new("curl")
            .args(["-s", "--globoff", "-H", &format!("Authorization: Bearer {}", self.token), &url])
            .output()
            .expect("curl is installed");
        json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// How many posts of the account show this text.
    fn count(&self, text: &str) -> usize {
        let own = self.get("/api/v1/accounts/verify_credentials")["id"].as_str().unwrap_or_default().to_owned();
        let list = self.get(&format!("/api/v1/accounts/{own}/statuses?limit=40"));
        list.as_array()
            .into_iter()
            .flatten()
            .filter(|status| status["content"].as_str().unwrap_or_default().contains(text))
            .count()
    }
}

#[test]
#[ignore = "needs a genuine server"]
fn it_names_the_account_and_refuses_a_bad_token() {
    let live = live();
    let name = live.host.run(Mastodon::check).expect("the token is good");
    assert!(name.starts_with('@') && name.matches('@').count() == 2, "{name}");
    let bad = Host::new()
        .settings(json!({ "server": live.server }))
        .remote(|sent| Some(curl::send(sent, Some("Bearer nonsense"), &BTreeMap::new())));
    let error = bad.run(Mastodon::check).expect_err("the token is bad");
    assert!(matches!(error, Error::Reconnect(_)), "{error:?}");
}

#[test]
#[ignore = "needs a genuine server"]
fn texts_links_pictures_answers_and_figures() {
    let live = live();
    let mut post = Post::new("Été & *brioches* <chaudes> : 🥐 #pain :-)");
    post.link = Some("https://example.com/four?a=1&b=2".into());
    post.assets = vec![Asset { alt: "Un carré".into(), ..live.host.asset("pixel") }];
    live.fate.set(Fate::LostAfter);
    let first = live.deliver("everything", &post);
    let shown = live.get(&format!("/api/v1/statuses/{}", first.remote_id));
    assert_eq!(shown["media_attachments"][0]["description"], "Un carré", "{shown}");
    assert!(shown["content"].as_str().unwrap_or_default().contains("four?a=1"), "{shown}");
    let mut answer = Post::new("Et demain aussi.");
    answer.reply_to = Some(first.remote_id.clone());
    live.fate.set(Fate::LostAfter);
    let second = live.deliver("answer", &answer);
    let shown = live.get(&format!("/api/v1/statuses/{}", second.remote_id));
    assert_eq!(shown["in_reply_to_id"], json!(first.remote_id), "{shown}");
    let samples = live.host.run(|| Mastodon::read(&[first.remote_id.clone(), "12345".into()])).expect("it answers");
    assert!(samples.iter().any(|sample| sample.remote_id.as_ref() == Some(&first.remote_id) && sample.name == "likes"));
    assert!(samples.iter().any(|sample| sample.remote_id.is_none() && sample.name == "followers"));
    let page = live.host.run(|| Mastodon::poll(None)).expect("it answers");
    assert!(!page.more);
    // Some servers cannot delete: then the post is there and the channel says so.
    let taken_down = live.host.run(|| Mastodon::unpublish(&second.remote_id));
    let there = live.get(&format!("/api/v1/statuses/{}", second.remote_id))["id"].is_string();
    match taken_down {
        Ok(()) => assert!(!there),
        Err(error) => assert!(there && error.code() == "delete-unsupported", "{error:?}"),
    }
}

#[test]
#[ignore = "needs a genuine server"]
fn lost_answers_leave_every_post_there_exactly_once() {
    let live = live();
    let fates = [Fate::LostAfter, Fate::LostBefore, Fate::Answered];
    for number in 0..30 {
        // Every third text repeats the one before, to the letter.
        let text = format!("Fournée numéro {} !", number - usize::from(number % 3 == 2));
        let before = live.count(&text);
        live.fate.set(fates[number % 7 % 3]);
        live.deliver(&format!("batch-{number}"), &Post::new(text.as_str()));
        assert_eq!(live.count(&text), before + 1, "{text}");
    }
}
