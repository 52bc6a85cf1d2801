//! A small server that speaks Mastodon's language, well or badly, with a memory.
//!
//! In: requests of the channel. Out: answers in the genuine shapes, or in those of servers that only resemble it.
//! Never: anything but the few paths that the channel uses.

use beffroi_plugin::fake::{Answer, Sent};
use beffroi_plugin::prelude::*;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// The address of the server.
pub(crate) const SERVER: &str = "https://social.example";

/// What becomes of the next request to post.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    /// Taken and answered.
    Answered,
    /// Never reached the server, although it left.
    LostBefore,
    /// Taken, and the answer was lost.
    LostAfter,
    /// Taken, and answered with half an answer.
    Truncated,
    /// Taken, and answered by a gateway that gave up.
    GatewayTimeout,
    /// Taken only when it is asked for the list the second time.
    Late,
    /// Refused for a while.
    Busy,
}

/// How the server differs from the genuine one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ways {
    /// Makes a second post of a repeated key.
    pub(crate) ignores_keys: bool,
    /// Gives its whole list whatever was asked.
    pub(crate) cannot_page: bool,
    /// Gives the text as it was sent, next to the HTML.
    pub(crate) tells_text: bool,
    /// Adds a line at the end of each text.
    pub(crate) adds_a_line: bool,
    /// Shows private posts to nobody.
    pub(crate) hides_private: bool,
    /// Describes itself as Mastodon does.
    pub(crate) genuine: bool,
}

/// A post as the server keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Counts up.
    pub(crate) id: u64,
    /// As it came.
    pub(crate) body: Value,
    key: String,
    at: u64,
}

/// What the server knows.
pub(crate) struct Server {
    /// Its ways.
    pub(crate) ways: Ways,
    /// All posts, oldest first.
    pub(crate) posts: Vec<Kept>,
    /// What becomes of the next posts; answered when there is none left.
    pub(crate) fates: VecDeque<Fate>,
    /// Its clock.
    pub(crate) now: u64,
    late: Option<(Value, String, u32)>,
}

/// The server, shared with the test.
pub(crate) type Shared = Rc<RefCell<Server>>;

/// A server with some posts from before.
pub(crate) fn server(ways: Ways, before: u64) -> Shared {
    let mut server = Server { ways, posts: Vec::new(), fates: VecDeque::new(), now: 1_795_000_000_000, late: None };
    for n in 0..before {
        server.take(json!({ "status": format!("Un post d'avant, le {n}"), "visibility": "public" }), "");
    }
    Rc::new(RefCell::new(server))
}

/// Answers for the server.
pub(crate) fn answers(server: &Shared) -> impl FnMut(&Sent) -> Option<Answer> + 'static {
    let server = Rc::clone(server);
    move |sent| Some(server.borrow_mut().answer(sent))
}

impl Server {
    fn take(&mut self, body: Value, key: &str) -> u64 {
        if let Some(known) = self.posts.iter().find(|post| !self.ways.ignores_keys && !key.is_empty() && post.key == key) {
            return known.id;
        }
        self.now += 700;
        let id = 1_000 + self.posts.len() as u64;
        self.posts.push(Kept { id, body, key: key.to_owned(), at: self.now });
        id
    }

    /// Puts a post there by other means than the channel.
    pub(crate) fn by_hand(&mut self, text: &str) -> u64 {
        self.take(json!({ "status": text, "visibility": "public" }), "")
    }

    /// How many posts have this text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.posts.iter().filter(|post| post.body["status"] == text).count()
    }

    fn shown(&self, post: &Kept) -> Value {
        let text = post.body["status"].as_str().unwrap_or_default();
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', "<br />");
        let content = if self.ways.adds_a_line { format!("{escaped}<br>") } else { format!("<p>{escaped}</p>") };
        let id = post.id.to_string();
        let mut shown = json!({
            "id": id, "created_at": time::write(post.at / 1_000 * 1_000), "url": format!("{SERVER}/@atelier/{id}"),
            "uri": format!("{SERVER}/users/atelier/statuses/{id}"), "content": content, "visibility": post.body["visibility"],
            "in_reply_to_id": post.body["in_reply_to_id"], "in_reply_to_account_id": null, "reblog": null, "spoiler_text": "",
            "media_attachments": post.body["media_ids"].as_array().cloned().unwrap_or_default().iter()
                .map(|id| json!({ "id": id, "type": "image" })).collect::<Vec<_>>(),
            "favourites_count": post.id % 7, "reblogs_count": 2, "replies_count": 1,
        });
        if self.ways.tells_text {
            shown["text"] = json!(text);
        }
        shown
    }

    fn list(&self, url: &str) -> Vec<Value> {
        let value =
            |name: &str| url.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)).and_then(|v| v.parse::<u64>().ok());
        let (limit, before) = match self.ways.cannot_page {
            true => (usize::MAX, u64::MAX),
            false => (value("limit=").unwrap_or(20) as usize, value("max_id=").unwrap_or(u64::MAX)),
        };
        let listed = |post: &&Kept| post.id < before && !(self.ways.hides_private && post.body["visibility"] == "private");
        self.posts.iter().rev().filter(listed).take(limit).map(|post| self.shown(post)).collect()
    }

    fn answer(&mut self, sent: &Sent) -> Answer {
        assert_eq!(sent.credential.as_deref(), Some("token"));
        let url = sent.url.as_str();
        let path = url.strip_prefix(SERVER).unwrap_or_default().split('?').next().unwrap_or_default();
        match (sent.method.as_str(), path) {
            ("GET", "/api/v1/accounts/verify_credentials") => Answer::json(
                200,
                json!({ "id": "7", "username": "atelier", "acct": "atelier", "display_name": "Atelier", "followers_count": 12 }),
            ),
            ("GET", "/api/v2/instance") if self.ways.genuine => Answer::json(
                200,
                json!({ "domain": "social.example", "version": "4.5.2", "source_url": "https://github.com/mastodon/mastodon",
                    "configuration": {
                        "statuses": { "max_characters": 500, "max_media_attachments": 4, "characters_reserved_per_url": 23 },
                        "media_attachments": { "supported_mime_types": ["image/jpeg", "image/png", "video/mp4"],
                            "description_limit": 1500, "image_size_limit": 16_777_216, "video_size_limit": 103_809_024 } },
                    "api_versions": { "mastodon": 7 } }),
            ),
            ("GET", "/api/v1/instance") if !self.ways.genuine => Answer::json(
                200,
                json!({ "uri": "social.example", "version": "4.0.0 (not true)",
                    "configuration": { "statuses": { "max_characters": 100_000, "max_media_attachments": 4 } } }),
            ),
            ("GET", "/api/v1/accounts/7/statuses") => {
                match self.late.take() {
                    Some((body, key, 0)) => drop(self.take(body, &key)),
                    Some((body, key, looks)) => self.late = Some((body, key, looks - 1)),
                    None => {}
                }
                Answer::json(200, self.list(url))
            }
            ("POST", "/api/v1/statuses") => {
                let key = sent.header("idempotency-key").unwrap_or_default().to_owned();
                self.post(sent.json(), &key)
            }
            ("GET", _) => {
                match path.strip_prefix("/api/v1/statuses/").and_then(|id| self.posts.iter().find(|p| p.id.to_string() == id)) {
                    Some(post) => Answer::json(200, self.shown(post)),
                    None => missing(),
                }
            }
            _ => missing(),
        }
    }

    fn post(&mut self, body: Value, key: &str) -> Answer {
        let fate = self.fates.pop_front().unwrap_or(Fate::Answered);
        if matches!(fate, Fate::LostBefore | Fate::Late) {
            self.late = (fate == Fate::Late).then(|| (body, key.to_owned(), 1));
            return Answer::lost();
        }
        if fate == Fate::Busy {
            return Answer::json(429, json!({ "error": "Too many requests" }))
                .header("x-ratelimit-reset", time::write(self.now + 60_000));
        }
        let id = self.take(body, key);
        let shown = self.posts.iter().find(|post| post.id == id).map(|post| self.shown(post)).unwrap_or_default();
        match fate {
            Fate::LostAfter => Answer::lost(),
            Fate::Truncated => Answer::bytes(200, "application/json", &shown.to_string().as_bytes()[..40]),
            Fate::GatewayTimeout => Answer::text(504, "<html>504</html>"),
            _ => Answer::json(200, shown),
        }
    }
}

/// How servers that only resemble Mastodon say that there is nothing.
pub(crate) fn missing() -> Answer {
    Answer::bytes(404, "text/html; charset=utf-8", "<h1>404 Not Found (snac/2.75)</h1>")
}
