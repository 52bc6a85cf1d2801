//! The Bluesky channel against a remote that answers as the genuine one does, and as it does on bad days.
//!
//! In: the fake host, with answers in the genuine shapes. Out: what was sent, in which order, and what it meant.
//! Never: the network; `live.rs` goes to a genuine server.

use beffroi_plugin::fake::{Answer, Host};
use beffroi_plugin::prelude::*;
use beffroi_plugin_bluesky::Bluesky;

const XRPC: &str = "https://pds.example/xrpc/";
const DID: &str = "did:plc:wdnzuyo5zx44vcage3ykqrur";
const NOON: u64 = 1_795_348_800_000;

fn call(method: &str, name: &str) -> String {
    format!("{method} {XRPC}{name}")
}

/// A host whose account is connected.
fn connected() -> Host {
    let session =
        json!({ "did": DID, "handle": "atelier.test", "email": "a@example.test", "emailConfirmed": false, "active": true });
    Host::new()
        .now(NOON)
        .settings(json!({ "service": "https://pds.example/", "handle": "atelier.test" }))
        .answer(&call("GET", "com.atproto.server.getSession"), Answer::json(200, session))
}

fn refusal(status: u16, error: &str, message: &str) -> Answer {
    Answer::json(status, json!({ "error": error, "message": message }))
}

fn put(answer: Answer) -> Host {
    connected().answer(&call("POST", "com.atproto.repo.putRecord"), answer)
}

fn put_ok() -> Answer {
    Answer::json(
        200,
        json!({ "uri": "at://…", "cid": "bafyrei", "commit": { "cid": "bafy", "rev": "3n2" }, "validationStatus": "valid" }),
    )
}

/// The handle that publishing gets, after all steps.
fn prepared(host: &Host, post: &Post) -> String {
    let mut handle: Option<String> = None;
    for _ in 0..10 {
        match host.run(|| Bluesky::prepare("delivery-1", post, handle.as_deref())).expect("every step goes well") {
            Preparation::Ready(ready) => return ready.expect("Bluesky always has a handle"),
            Preparation::Again(pause) => handle = Some(pause.handle),
        }
    }
    panic!("preparation never ends")
}

fn ready(handle: &str) -> (String, Value) {
    let handle: Value = json::from_str(handle).expect("a handle is JSON");
    (handle["ready"]["rkey"].as_str().unwrap_or_default().to_owned(), handle["ready"]["record"].clone())
}

fn publish(host: &Host, post: &Post, handle: &str) -> Result<Outcome, Error> {
    host.run(|| Bluesky::publish("delivery-1", post, Some(handle)))
}

fn picture(host: &Host, id: &str) -> Asset {
    Asset { alt: "Une brioche".into(), dimensions: Some((1200, 800)), ..host.asset(id) }
}

#[test]
fn the_key_and_the_record_are_fixed_before_anything_is_sent() {
    let host = put(put_ok());
    let post = Post::new("Croissants chauds !");
    let handle = prepared(&host, &post);
    let (rkey, record) = ready(&handle);
    assert_eq!(rkey.len(), 13);
    assert_eq!(
        record,
        json!({ "$type": "app.bsky.feed.post", "text": "Croissants chauds !", "createdAt": "2026-11-22T12:00:00.000Z", "langs": ["fr"] })
    );
    let host = host.now(NOON + 86_400_000).attempt_number(3);
    let Ok(Outcome::Online(receipt)) = publish(&host, &post, &handle) else { panic!("it is online") };
    assert_eq!(receipt.remote_id, format!("at://{DID}/app.bsky.feed.post/{rkey}"));
    assert_eq!(receipt.url, Some(format!("https://bsky.app/profile/{DID}/post/{rkey}")));
    let requests = host.requests();
    let sent = requests.last().expect("something was sent");
    assert_eq!(
        sent.json(),
        json!({ "repo": DID, "collection": "app.bsky.feed.post", "rkey": rkey, "swapRecord": null, "record": record })
    );
    assert!(requests.iter().all(|sent| sent.credential.as_deref() == Some("session")));
    assert!(!requests.iter().any(|sent| sent.url.contains("createSession") || sent.url.contains("refreshSession")));
}

#[test]
fn pictures_go_up_one_per_step_with_their_description_and_shape() {
    let blob = |n: u32| json!({ "$type": "blob", "ref": { "$link": format!("bafkrei{n}") }, "mimeType": "image/png", "size": 5 });
    let upload = call("POST", "com.atproto.repo.uploadBlob");
    let host = put(put_ok())
        .file("one", "image/png", *b"bytes")
        .file("two", "image/jpeg", *b"more bytes")
        .answer(&upload, Answer::json(200, json!({ "blob": blob(1) })))
        .answer(&upload, Answer::lost())
        .answer(&upload, Answer::json(200, json!({ "blob": blob(2) })));
    let mut post = Post::new("Deux images");
    post.link = Some("https://www.example.com/brioches/les-plus-belles-de-la-region/".into());
    post.assets = vec![picture(&host, "one"), Asset { dimensions: None, ..picture(&host, "two") }];
    let first = host.run(|| Bluesky::prepare("d", &post, None)).expect("one picture is up");
    let Preparation::Again(pause) = first else { panic!("there is a second picture") };
    assert_eq!(pause.message, "Image 1 sur 2 envoyée.");
    let lost = host.run(|| Bluesky::prepare("d", &post, Some(&pause.handle)));
    assert!(matches!(lost, Err(Error::Retry(_))), "an upload may be repeated: {lost:?}");
    let Ok(Preparation::Again(pause)) = host.run(|| Bluesky::prepare("d", &post, Some(&pause.handle))) else {
        panic!("the second is up")
    };
    let Ok(Preparation::Ready(Some(handle))) = host.run(|| Bluesky::prepare("d", &post, Some(&pause.handle))) else {
        panic!("ready")
    };
    let (_, record) = ready(&handle);
    assert_eq!(
        record["embed"],
        json!({ "$type": "app.bsky.embed.images", "images": [
            { "image": blob(1), "alt": "Une brioche", "aspectRatio": { "width": 1200, "height": 800 } },
            { "image": blob(2), "alt": "Une brioche" },
        ] })
    );
    // There is no room for a card, so the link stands in the text, shortened, with the whole address behind it.
    assert_eq!(record["text"], "Deux images\n\nexample.com/brioches/les-plus…");
    let facet = &record["facets"][0];
    assert_eq!(facet["features"][0]["uri"], "https://www.example.com/brioches/les-plus-belles-de-la-region/");
    assert_eq!((facet["index"]["byteStart"].as_u64(), facet["index"]["byteEnd"].as_u64()), (Some(13), Some(45)));
    let requests = host.requests();
    let uploads: Vec<_> = requests.iter().filter(|sent| sent.url.ends_with("uploadBlob")).collect();
    assert_eq!(uploads.iter().map(|sent| sent.file()).collect::<Vec<_>>(), [Some("one"), Some("two"), Some("two")]);
    assert_eq!(uploads[1].header("content-type"), Some("image/jpeg"));
    // A finished preparation asked again changes nothing: the key stays.
    let again = host.run(|| Bluesky::prepare("d", &post, Some(&handle)));
    assert_eq!(again.ok().and_then(|step| if let Preparation::Ready(handle) = step { handle } else { None }), Some(handle));
}

#[test]
fn links_mentions_and_hashtags_are_clickable() {
    let resolve = call("GET", "com.atproto.identity.resolveHandle");
    let host = connected()
        .answer(&format!("{resolve}?handle=claire.test"), Answer::json(200, json!({ "did": "did:plc:claire" })))
        .answer(&format!("{resolve}?handle=nobody.test"), refusal(400, "HandleNotFound", "Unable to resolve handle"));
    let post = Post::new("Été : @claire.test, @nobody.test et https://example.com/é #pâtisserie @claire.test");
    let (_, record) = ready(&prepared(&host, &post));
    let text = record["text"].as_str().unwrap_or_default();
    let facets = record["facets"].as_array().expect("there are some");
    let shown: Vec<(&str, &Value)> = facets
        .iter()
        .map(|facet| {
            let at = |name: &str| facet["index"][name].as_u64().unwrap_or_default() as usize;
            (&text[at("byteStart")..at("byteEnd")], &facet["features"][0])
        })
        .collect();
    let mention = json!({ "$type": "app.bsky.richtext.facet#mention", "did": "did:plc:claire" });
    assert_eq!(
        shown,
        [
            ("@claire.test", &mention),
            ("https://example.com/é", &json!({ "$type": "app.bsky.richtext.facet#link", "uri": "https://example.com/é" })),
            ("#pâtisserie", &json!({ "$type": "app.bsky.richtext.facet#tag", "tag": "pâtisserie" })),
            ("@claire.test", &mention),
        ]
    );
    assert_eq!(host.requests().iter().filter(|sent| sent.url.contains("resolveHandle")).count(), 2);
}

#[test]
fn a_link_without_pictures_becomes_a_card() {
    let host = connected();
    let mut post = Post::new("À lire");
    post.link = Some("https://example.com/recette".into());
    post.options = vec![Attribute::new("link-title", "La recette"), Attribute::new("language", "fr, en,es, de")];
    let (_, record) = ready(&prepared(&host, &post));
    assert_eq!(
        record["embed"],
        json!({ "$type": "app.bsky.embed.external",
            "external": { "uri": "https://example.com/recette", "title": "La recette", "description": "" } })
    );
    assert_eq!(record["langs"], json!(["fr", "en", "es"]));
    assert_eq!(record["text"], "À lire");
}

#[test]
fn an_answer_names_the_message_and_where_the_conversation_began() {
    let parent = "at://did:plc:claire/app.bsky.feed.post/3mparent22222";
    let root = json!({ "uri": "at://did:plc:paul/app.bsky.feed.post/3mroot2222222", "cid": "bafyroot" });
    let value = json!({ "$type": "app.bsky.feed.post", "text": "Ouvert ?", "createdAt": "2026-11-22T06:00:00Z",
        "reply": { "root": root, "parent": root } });
    let read = call("GET", "com.atproto.repo.getRecord");
    let host = connected()
        .answer(&read, Answer::json(200, json!({ "uri": parent, "cid": "bafyparent", "value": value })))
        .answer(&read, Answer::json(200, json!({ "uri": parent, "cid": "bafyparent", "value": { "text": "Ouvert ?" } })))
        .answer(&read, refusal(400, "RecordNotFound", "Could not locate record"));
    let mut post = Post::new("Oui, dès 7 h.");
    post.reply_to = Some(parent.into());
    let own = json!({ "uri": parent, "cid": "bafyparent" });
    assert_eq!(ready(&prepared(&host, &post)).1["reply"], json!({ "root": root, "parent": own }));
    assert_eq!(ready(&prepared(&host, &post)).1["reply"], json!({ "root": own, "parent": own }));
    let gone = host.run(|| Bluesky::prepare("d", &post, None)).expect_err("it is gone");
    assert!(matches!(gone, Error::Reject(_)) && gone.code() == "reply-gone", "{gone:?}");
}

#[test]
fn a_lost_answer_is_uncertain_and_the_record_tells() {
    let host = put(Answer::lost());
    let post = Post::new("Croissants chauds !");
    let handle = prepared(&host, &post);
    let (rkey, record) = ready(&handle);
    assert!(matches!(publish(&host, &post, &handle), Err(Error::Uncertain(_))));
    let read = call("GET", "com.atproto.repo.getRecord");
    let kept = json!({ "uri": format!("at://{DID}/app.bsky.feed.post/{rkey}"), "cid": "bafy", "value": record });
    let host = host
        .answer(&read, refusal(400, "RecordNotFound", "Could not locate record: at://…"))
        .answer(&read, Answer::lost())
        .answer(&read, Answer::status(502))
        .answer(&read, Answer::text(200, "{\"uri\":\"at://did"))
        .answer(&read, Answer::json(200, kept))
        .answer(
            &read,
            Answer::json(200, json!({ "uri": "at://…", "value": { "text": "Autre", "createdAt": "2026-11-22T12:00:00.000Z" } })),
        );
    let find = || host.run(|| Bluesky::find("delivery-1", &post, Some(&handle)));
    assert!(matches!(find(), Ok(Finding::Absent)));
    for _ in 0..3 {
        assert!(matches!(find(), Err(Error::Retry(_))));
    }
    let Ok(Finding::Online(receipt)) = find() else { panic!("it is there") };
    assert!(receipt.remote_id.ends_with(&rkey));
    assert!(matches!(find(), Ok(Finding::Unsure(_))));
    // Without a complete preparation nothing was ever sent.
    assert!(matches!(host.run(|| Bluesky::find("delivery-1", &post, None)), Ok(Finding::Absent)));
}

#[test]
fn every_way_of_not_answering_a_publish_is_uncertain() {
    for answer in [
        Answer::lost(),
        refusal(500, "InternalServerError", "Internal Server Error"),
        Answer::text(502, "<html>Bad Gateway</html>"),
        Answer::text(504, ""),
        Answer::text(200, "{\"uri\":\"at:/"),
        Answer::text(200, "<html>maintenance</html>"),
        Answer::json(200, json!({})),
    ] {
        let host = put(answer.clone());
        let post = Post::new("Croissants chauds !");
        let handle = prepared(&host, &post);
        let result = publish(&host, &post, &handle);
        assert!(matches!(result, Err(Error::Uncertain(_))), "{answer:?}: {result:?}");
    }
}

#[test]
fn a_refused_publish_says_what_to_do() {
    let cases = [
        (Answer::not_sent(), "not-sent", "retry"),
        (refusal(429, "RateLimitExceeded", "Rate Limit Exceeded").header("ratelimit-reset", "1795349100"), "http-429", "retry"),
        (refusal(400, "InvalidToken", "Token could not be verified"), "invalid-token", "reconnect"),
        (refusal(400, "ExpiredToken", "Token has expired"), "expired-token", "reconnect"),
        (refusal(401, "AuthMissing", "Authentication Required"), "auth-missing", "reconnect"),
        (refusal(400, "AccountTakedown", "Account has been taken down"), "account-takedown", "reconnect"),
        (refusal(400, "AccountDeactivated", "Account is deactivated"), "account-deactivated", "reconnect"),
        (refusal(400, "InvalidRequest", "Invalid app.bsky.feed.post record: grapheme too big"), "invalid-request", "reject"),
        (Answer::text(403, "nope"), "http-403", "reconnect"),
    ];
    for (answer, code, kind) in cases {
        let host = put(answer);
        let post = Post::new("Croissants chauds !");
        let handle = prepared(&host, &post);
        let error = publish(&host, &post, &handle).expect_err("it was refused");
        let seen = match &error {
            Error::Retry(retry) => {
                if code == "http-429" {
                    assert_eq!(retry.not_before, Some(1_795_349_100_000));
                }
                "retry"
            }
            Error::Reconnect(_) => "reconnect",
            Error::Reject(_) => "reject",
            Error::Uncertain(_) => "uncertain",
            Error::Internal(_) => "internal",
        };
        assert_eq!((error.code(), seen), (code, kind), "{error:?}");
        assert!(error.message().ends_with('.'), "{error}");
    }
}

#[test]
fn a_key_that_is_taken_by_the_same_post_is_that_post() {
    let host = put(refusal(400, "InvalidSwap", "Record was at bafyreif"));
    let post = Post::new("Croissants chauds !");
    let handle = prepared(&host, &post);
    let (_, record) = ready(&handle);
    let read = call("GET", "com.atproto.repo.getRecord");
    let kept = |value: Value| Answer::json(200, json!({ "uri": "at://…", "cid": "bafy", "value": value }));
    let host = host
        .answer(&read, kept(record))
        .answer(&read, kept(json!({ "text": "Autre", "createdAt": "2020-01-01T00:00:00Z" })))
        .answer(&read, Answer::lost())
        .answer(&read, refusal(400, "RecordNotFound", "Could not locate record"));
    assert!(matches!(publish(&host, &post, &handle), Ok(Outcome::Online(_))));
    assert!(matches!(publish(&host, &post, &handle), Err(Error::Reject(_))));
    assert!(matches!(publish(&host, &post, &handle), Err(Error::Uncertain(_))));
    assert!(matches!(publish(&host, &post, &handle), Err(Error::Uncertain(_))));
}

#[test]
fn pictures_that_the_server_forgot_go_up_again() {
    let blob = json!({ "blob": { "$type": "blob", "ref": { "$link": "bafkrei1" }, "mimeType": "image/png", "size": 5 } });
    let host = put(refusal(400, "BlobNotFound", "Could not find blob: bafkrei1"))
        .answer(&call("POST", "com.atproto.repo.putRecord"), put_ok())
        .answer(&call("POST", "com.atproto.repo.uploadBlob"), Answer::json(200, blob))
        .file("one", "image/png", *b"bytes");
    let mut post = Post::new("");
    post.assets = vec![picture(&host, "one")];
    let handle = prepared(&host, &post);
    assert!(matches!(publish(&host, &post, &handle), Ok(Outcome::Online(_))));
    let requests = host.requests();
    let names: Vec<&str> = requests.iter().filter_map(|sent| sent.url.rsplit('.').next()).collect();
    assert_eq!(names, ["getSession", "uploadBlob", "putRecord", "uploadBlob", "putRecord"]);
}

#[test]
fn what_bluesky_would_refuse_is_named_before_anything_is_sent() {
    let host = connected().file("big", "image/png", vec![0; 2_000_001]).file("film", "video/mp4", *b"film").file(
        "fine",
        "image/webp",
        *b"fine",
    );
    let codes = |post: &Post| {
        let problems = host.run(|| Bluesky::validate(post));
        problems.into_iter().map(|problem| problem.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&Post::new("é".repeat(300))), Vec::<String>::new());
    assert_eq!(codes(&Post::new("é".repeat(301))), ["text-too-long"]);
    assert_eq!(codes(&Post::new("👨‍👩‍👧‍👦".repeat(121))), ["text-too-long"]);
    assert_eq!(codes(&Post::new(" ")), ["empty"]);
    let mut post = Post::new("x");
    post.format = "story".into();
    post.link = Some("example.com".into());
    post.reply_to = Some("12345".into());
    post.assets =
        vec![host.asset("big"), picture(&host, "film"), picture(&host, "fine"), picture(&host, "fine"), picture(&host, "fine")];
    assert_eq!(
        codes(&post),
        [
            "format-unknown",
            "link-unusable",
            "reply-unknown",
            "too-many-pictures",
            "picture-too-large",
            "alt-missing",
            "media-unusable"
        ]
    );
    let refused = host.run(|| Bluesky::prepare("d", &post, None)).expect_err("it has problems");
    assert!(matches!(refused, Error::Reject(_)));
    let english = connected().language("en");
    let problems = english.run(|| Bluesky::validate(&Post::new("a".repeat(310))));
    assert_eq!(problems[0].message, "Bluesky takes 300 characters and this text has 310: take out 10.");
    assert!(host.requests().is_empty());
}

#[test]
fn taking_down_twice_is_taking_down() {
    let host = connected().answer(&call("POST", "com.atproto.repo.deleteRecord"), Answer::json(200, json!({})));
    let uri = format!("at://{DID}/app.bsky.feed.post/3mabcdefghijk");
    for _ in 0..2 {
        assert_eq!(host.run(|| Bluesky::unpublish(&uri)), Ok(()));
    }
    assert_eq!(host.requests()[0].json(), json!({ "repo": DID, "collection": "app.bsky.feed.post", "rkey": "3mabcdefghijk" }));
    assert!(matches!(host.run(|| Bluesky::unpublish("42")), Err(Error::Reject(_))));
}

#[test]
fn figures_come_in_few_requests_and_wait_when_their_source_is_down() {
    let uri = |n: u32| format!("at://{DID}/app.bsky.feed.post/3mabcdefghi{n:02}");
    let counted =
        |n: u32| json!({ "uri": uri(n), "likeCount": n, "repostCount": 2, "quoteCount": 3, "replyCount": 4, "bookmarkCount": 5 });
    let posts = call("GET", "app.bsky.feed.getPosts");
    let profile = call("GET", "app.bsky.actor.getProfile");
    let host = connected()
        .answer(&posts, refusal(502, "UpstreamFailure", "Upstream service unreachable"))
        .answer(&posts, Answer::json(200, json!({ "posts": (0..25).map(counted).collect::<Vec<_>>() })))
        .answer(&posts, Answer::json(200, json!({ "posts": [{ "uri": uri(25) }] })))
        .answer(&profile, Answer::json(200, json!({ "did": DID, "handle": "atelier.test", "followersCount": 321 })));
    let ids: Vec<String> = (0..26).map(uri).collect();
    let down = host.run(|| Bluesky::read(&ids)).expect_err("the source is down");
    assert!(matches!(down, Error::Retry(_)), "{down:?}");
    let samples = host.run(|| Bluesky::read(&ids)).expect("it is up again");
    let of = |n: u32, name: &str| {
        samples.iter().find(|s| s.remote_id.as_deref() == Some(uri(n).as_str()) && s.name == name).map(|s| s.value)
    };
    assert_eq!((of(7, "likes"), of(7, "shares"), of(7, "replies"), of(7, "saves")), (Some(7.0), Some(5.0), Some(4.0), Some(5.0)));
    assert_eq!((of(25, "likes"), of(25, "saves")), (Some(0.0), None));
    assert_eq!(samples.last().map(|s| (s.remote_id.clone(), s.name.as_str(), s.value)), Some((None, "followers", 321.0)));
    assert_eq!(host.requests().len(), 4);
}

fn notification(n: u64, reason: &str) -> Value {
    let record = json!({ "$type": "app.bsky.feed.post", "text": format!("message {n}"),
        "reply": { "parent": { "uri": format!("at://{DID}/app.bsky.feed.post/3mown"), "cid": "b" } } });
    json!({ "uri": format!("at://did:plc:claire/app.bsky.feed.post/{n}"), "cid": "bafy", "reason": reason, "isRead": false,
        "indexedAt": time::write(NOON + n * 1_000), "author": { "did": "did:plc:claire", "handle": "claire.test", "displayName": "Claire" },
        "record": record })
}

#[test]
fn the_inbox_reads_back_to_where_it_was_and_no_further() {
    let list = call("GET", "app.bsky.notification.listNotifications");
    let page = |from: u64, to: u64, cursor: Option<&str>| {
        let notifications: Vec<Value> = (from..to).rev().map(|n| notification(n, "reply")).collect();
        Answer::json(200, json!({ "notifications": notifications, "cursor": cursor }))
    };
    let host = connected()
        .answer(&list, page(0, 3, Some("old")))
        .answer(&list, page(5, 8, Some("p2")))
        .answer(&list, page(1, 5, Some("p3")))
        .answer(&list, Answer::json(200, json!({ "notifications": [notification(9, "like"), notification(8, "mention")] })))
        .answer(&list, Answer::json(200, json!({ "notifications": [] })));
    let poll = |since: Option<String>| host.run(|| Bluesky::poll(since.as_deref())).expect("it answers");
    let texts = |page: &InboxPage| page.messages.iter().map(|m| m.text.clone()).collect::<Vec<_>>();
    let first = poll(None);
    assert_eq!((texts(&first), first.more), (vec!["message 2".into(), "message 1".into(), "message 0".into()], false));
    assert_eq!(first.messages[0].kind, "comment");
    assert_eq!(first.messages[0].author, "Claire (@claire.test)");
    assert_eq!(first.messages[0].in_reply_to, Some(format!("at://{DID}/app.bsky.feed.post/3mown")));
    assert_eq!(first.messages[0].at, NOON + 2_000);
    let second = poll(first.next);
    assert_eq!((texts(&second).len(), second.more), (3, true));
    let third = poll(second.next);
    // The last one known is read again, and dropped by whoever knows it; what is older is not.
    assert_eq!((texts(&third), third.more), (vec!["message 4".into(), "message 3".into(), "message 2".into()], false));
    let fourth = poll(third.next);
    assert_eq!((texts(&fourth), fourth.messages[0].kind.as_str()), (vec!["message 8".to_owned()], "mention"));
    let fifth = poll(fourth.next.clone());
    assert_eq!((texts(&fifth).len(), fifth.more, fifth.next), (0, false, fourth.next));
    let urls: Vec<String> = host.requests().into_iter().map(|sent| sent.url).collect();
    assert!(urls[2].ends_with("&cursor=p2") && !urls[1].contains("cursor=") && !urls[3].contains("cursor="), "{urls:?}");
}

#[test]
fn the_check_names_the_account() {
    assert_eq!(connected().run(Bluesky::check), Ok("@atelier.test".to_owned()));
    let session = call("GET", "com.atproto.server.getSession");
    let settings = json!({ "service": "https://pds.example", "handle": "atelier.test" });
    let closed = Host::new()
        .settings(settings)
        .answer(&session, Answer::json(200, json!({ "did": DID, "handle": "a.test", "active": false })));
    assert!(matches!(closed.run(Bluesky::check), Err(Error::Reconnect(_))));
}
