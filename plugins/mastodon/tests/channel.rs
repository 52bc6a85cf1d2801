//! The Mastodon channel against answers of the genuine server and of those that only resemble it.
//!
//! In: the fake host, with answers in the shapes that were seen. Out: what was sent, in which order, and what it meant.
//! Never: the question of exactly once, which is `once.rs`; or the network, which is `live.rs`.

use beffroi_plugin::fake::{Answer, Host};
use beffroi_plugin::prelude::*;
use beffroi_plugin_mastodon::Mastodon;

const SERVER: &str = "https://social.example";
const NOON: u64 = 1_795_348_800_000;

fn call(method: &str, path: &str) -> String {
    format!("{method} {SERVER}{path}")
}

fn missing() -> Answer {
    Answer::bytes(404, "text/html; charset=utf-8", "<h1>404 Not Found (snac/2.75)</h1>")
}

fn instance() -> Value {
    json!({ "version": "4.5.2", "source_url": "https://github.com/mastodon/mastodon", "api_versions": { "mastodon": 7 }, "configuration": {
        "statuses": { "max_characters": 600, "max_media_attachments": 4, "characters_reserved_per_url": 23 },
        "media_attachments": { "supported_mime_types": ["image/jpeg", "image/png", "video/mp4"], "description_limit": 20,
            "image_size_limit": 1_000, "video_size_limit": 5_000 } } })
}

fn status(id: &str, text: &str) -> Value {
    json!({ "id": id, "created_at": "2026-11-22T11:00:00.000Z", "url": format!("{SERVER}/@atelier/{id}"), "content": format!("<p>{text}</p>"),
        "visibility": "public", "in_reply_to_id": null, "in_reply_to_account_id": null, "media_attachments": [],
        "favourites_count": 3, "reblogs_count": 2, "quotes_count": 1, "replies_count": 4 })
}

fn settled() -> Host {
    Host::new().now(NOON).settings(json!({ "server": "https://social.example/", "visibility": "unlisted", "language": "br" }))
}

/// A host whose account is connected to a genuine server and has one post.
fn connected() -> Host {
    settled()
        .answer(
            &call("GET", "/api/v1/accounts/verify_credentials"),
            Answer::json(200, json!({ "id": "7", "acct": "atelier", "display_name": "Atelier", "followers_count": 12 })),
        )
        .answer(&call("GET", "/api/v2/instance"), Answer::json(200, instance()))
        .answer(&call("GET", "/api/v1/accounts/7/statuses"), Answer::json(200, json!([status("100", "Un post d'avant")])))
}

/// Takes every step of preparation; gives the handle and what each pause said.
fn prepared(host: &Host, post: &Post) -> (String, Vec<Pause>) {
    let (mut handle, mut pauses) = (None, Vec::new());
    for _ in 0..20 {
        match host.run(|| Mastodon::prepare("d", post, handle.as_deref())).expect("every step goes well") {
            Preparation::Ready(ready) => return (ready.expect("there is always a handle"), pauses),
            Preparation::Again(pause) => {
                handle = Some(pause.handle.clone());
                pauses.push(pause);
            }
        }
    }
    panic!("preparation never ends")
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Retry(_) => "retry",
        Error::Reconnect(_) => "reconnect",
        Error::Reject(_) => "reject",
        Error::Uncertain(_) => "uncertain",
        Error::Internal(_) => "internal",
    }
}

#[test]
fn a_post_carries_the_key_and_the_owners_wishes() {
    let host = connected().answer(&call("POST", "/api/v1/statuses"), Answer::json(200, status("101", "Chaud !")));
    let mut post = Post::new("Chaud ! \n");
    post.link = Some("https://example.com/four".into());
    post.reply_to = Some("55".into());
    post.options = vec![
        Attribute::new("sensitive", "true"),
        Attribute::new("warning", "Gourmandise"),
        Attribute::new("visibility", "public"),
        Attribute::new("unknown", "ignored"),
    ];
    let (handle, _) = prepared(&host, &post);
    let Ok(Outcome::Online(receipt)) = host.run(|| Mastodon::publish("delivery-9", &post, Some(&handle))) else {
        panic!("online")
    };
    assert_eq!((receipt.remote_id.as_str(), receipt.url.as_deref()), ("101", Some("https://social.example/@atelier/101")));
    let requests = host.requests();
    let sent = requests.last().expect("it was sent");
    assert_eq!(sent.header("idempotency-key"), Some("delivery-9"));
    assert_eq!(
        sent.json(),
        json!({ "status": "Chaud !\n\nhttps://example.com/four", "visibility": "public", "language": "br", "in_reply_to_id": "55",
            "spoiler_text": "Gourmandise", "sensitive": true })
    );
    assert!(requests.iter().all(|sent| sent.credential.as_deref() == Some("token")));
    // As the account is set up, and a server that does otherwise is told on.
    let plain = Post::new("Chaud !");
    let (handle, _) = prepared(&host, &plain);
    assert!(host.run(|| Mastodon::publish("delivery-10", &plain, Some(&handle))).is_ok());
    assert_eq!(host.requests().last().map(|sent| sent.json()["visibility"].clone()), Some(json!("unlisted")));
    assert!(host.log().iter().any(|line| line.message.contains("« public »")));
    assert_eq!(host.state_json("claimed"), json!([["delivery-9", "101"]]));
}

#[test]
fn files_go_up_one_by_one_and_are_waited_for() {
    let media = call("POST", "/api/v2/media");
    let look = call("GET", "/api/v1/media/m2");
    let host = connected()
        .file("one", "image/png", *b"bytes")
        .file("two", "image/jpeg", *b"more")
        .answer(&media, Answer::json(200, json!({ "id": "m1", "type": "image", "url": "https://…" })))
        .answer(&media, Answer::json(202, json!({ "id": "m2", "type": "image", "url": null })))
        .answer(&look, Answer::json(206, json!({ "id": "m2", "url": null })))
        .answer(&look, Answer::json(206, json!({ "id": "m2", "url": null })))
        .answer(&look, Answer::json(200, json!({ "id": "m2", "url": "https://…" })))
        .answer(&call("POST", "/api/v1/statuses"), Answer::json(200, status("101", "Deux images")));
    let mut post = Post::new("Deux images");
    post.assets = vec![Asset { alt: "Une brioche".into(), ..host.asset("one") }, host.asset("two")];
    let (handle, pauses) = prepared(&host, &post);
    let waits: Vec<u64> = pauses.iter().map(|pause| pause.not_before - NOON).collect();
    assert_eq!(waits, [0, 1_000, 2_000, 4_000, 0]);
    assert_eq!(pauses[0].message, "Fichier 1 sur 2 envoyé.");
    assert_eq!(pauses[1].message, "Votre serveur traite le fichier 2 sur 2.");
    assert!(host.run(|| Mastodon::publish("d", &post, Some(&handle))).is_ok());
    let requests = host.requests();
    let uploads: Vec<_> = requests.iter().filter(|sent| sent.url.ends_with("/api/v2/media")).collect();
    assert_eq!(uploads[0].part("description").as_deref(), Some("Une brioche"));
    assert_eq!(uploads[0].part("file").as_deref(), Some("one"));
    assert_eq!(uploads[1].part("description"), None);
    assert_eq!(requests.last().map(|sent| sent.json()["media_ids"].clone()), Some(json!(["m1", "m2"])));
}

#[test]
fn older_servers_and_forgotten_or_spoiled_files() {
    let asset = |host: &Host| Post { assets: vec![host.asset("one")], ..Post::new("Une image") };
    // The newer way of sending files is unknown to some.
    let old = connected()
        .file("one", "image/png", *b"bytes")
        .answer(&call("POST", "/api/v2/media"), missing())
        .answer(&call("POST", "/api/v1/media"), Answer::json(200, json!({ "id": "m1" })));
    prepared(&old, &asset(&old));
    // Forgotten while it was digested: it goes up again.
    let forgetful = connected()
        .file("one", "image/png", *b"bytes")
        .answer(&call("POST", "/api/v2/media"), Answer::json(202, json!({ "id": "m1" })))
        .answer(&call("POST", "/api/v2/media"), Answer::json(200, json!({ "id": "m2" })))
        .answer(&call("GET", "/api/v1/media/m1"), missing());
    assert!(prepared(&forgetful, &asset(&forgetful)).0.contains("\"m2\""));
    // Refused, or lost on the way.
    for (answer, expected) in [
        (Answer::json(422, json!({ "error": "Error processing thumbnail for uploaded media" })), "reject"),
        (Answer::lost(), "retry"),
        (Answer::status(503), "retry"),
        (Answer::text(413, "<html>"), "reject"),
        (Answer::text(200, "{\"id\":"), "retry"),
    ] {
        let host = connected().file("one", "image/png", *b"bytes").answer(&call("POST", "/api/v2/media"), answer.clone());
        let error = host.run(|| Mastodon::prepare("d", &asset(&host), None)).expect_err("it does not go well");
        assert_eq!(kind(&error), expected, "{answer:?}: {error:?}");
    }
}

#[test]
fn what_a_refused_or_unanswered_post_means() {
    let later = "2026-11-22T12:05:00.000Z";
    let cases = [
        (Answer::lost(), "uncertain"),
        (Answer::not_sent(), "retry"),
        (Answer::status(500), "uncertain"),
        (Answer::text(502, "<html>Bad gateway</html>"), "uncertain"),
        (Answer::text(200, "{\"id\":\"10"), "uncertain"),
        (Answer::text(200, "<html>maintenance</html>"), "uncertain"),
        (Answer::json(200, json!({})), "uncertain"),
        (Answer::json(429, json!({ "error": "Too many requests" })).header("X-RateLimit-Reset", later), "retry"),
        (Answer::json(401, json!({ "error": "The access token is invalid" })), "reconnect"),
        (Answer::json(403, json!({ "error": "This action is outside the authorized scopes" })), "reconnect"),
        (Answer::json(422, json!({ "error": "Validation failed: Text character limit of 500 exceeded" })), "reject"),
        (Answer::bytes(422, "text/html", ""), "reject"),
        (missing(), "reject"),
    ];
    for (answer, expected) in cases {
        let host = connected().answer(&call("POST", "/api/v1/statuses"), answer.clone());
        let post = Post::new("Chaud !");
        let (handle, _) = prepared(&host, &post);
        let error = host.run(|| Mastodon::publish("d", &post, Some(&handle))).expect_err("it was not taken");
        assert_eq!(kind(&error), expected, "{answer:?}: {error:?}");
        assert!(error.message().ends_with('.'), "{error}");
        if error.code() == "http-429" {
            assert!(matches!(&error, Error::Retry(retry) if retry.not_before == Some(NOON + 300_000)), "{error:?}");
        }
    }
}

#[test]
fn a_bad_token_is_known_even_where_it_is_answered_with_422_and_silence() {
    let silent = Answer::bytes(422, "text/html; charset=utf-8", "");
    let host = connected().answer(&call("POST", "/api/v1/statuses"), silent.clone());
    let post = Post::new("Chaud !");
    let (handle, _) = prepared(&host, &post);
    let revoked = settled()
        .answer(&call("POST", "/api/v1/statuses"), silent.clone())
        .answer(&call("GET", "/api/v1/accounts/verify_credentials"), silent);
    for result in [revoked.run(|| Mastodon::publish("d", &post, Some(&handle))).map(drop), revoked.run(Mastodon::check).map(drop)]
    {
        assert_eq!(result.as_ref().map_err(kind), Err("reconnect"), "{result:?}");
    }
}

#[test]
fn limits_are_the_servers_own_and_are_asked_for_once_a_day() {
    let host = connected();
    let long = Post::new("é".repeat(550));
    // Before anything was asked, Mastodon's usual limits hold.
    assert_eq!(host.run(|| Mastodon::validate(&long))[0].code, "text-too-long");
    prepared(&host, &long);
    assert!(host.run(|| Mastodon::validate(&long)).is_empty());
    prepared(&host, &long);
    let asked = |host: &Host| host.requests().iter().filter(|sent| sent.url.ends_with("/instance")).count();
    assert_eq!(asked(&host), 1);
    let host = host.now(NOON + 86_400_001);
    prepared(&host, &long);
    assert_eq!(asked(&host), 2);
    // Servers without the newer description give the older one.
    let fork = settled()
        .answer(&call("GET", "/api/v1/accounts/verify_credentials"), Answer::json(200, json!({ "id": "7", "acct": "atelier" })))
        .answer(&call("GET", "/api/v1/accounts/7/statuses"), Answer::json(200, json!([])))
        .answer(&call("GET", "/api/v2/instance"), missing())
        .answer(
            &call("GET", "/api/v1/instance"),
            Answer::json(200, json!({ "version": "2.7.2 (compatible)", "max_toot_chars": 5_000 })),
        );
    let longer = Post::new("é".repeat(4_900));
    prepared(&fork, &longer);
    assert!(fork.run(|| Mastodon::validate(&longer)).is_empty());
    assert_eq!(fork.state_json("limits")["genuine"], false);
}

#[test]
fn what_the_server_would_refuse_is_named_before_anything_is_sent() {
    let host = connected().file("big", "image/png", vec![0; 1_001]).file("film", "video/mp4", vec![0; 4_000]).file(
        "odd",
        "image/tiff",
        *b"odd",
    );
    prepared(&host, &Post::new("x"));
    let before = host.requests().len();
    let codes = |post: &Post| host.run(|| Mastodon::validate(post)).into_iter().map(|problem| problem.code).collect::<Vec<_>>();
    assert_eq!(codes(&Post::new(" ")), ["empty"]);
    assert_eq!(codes(&Post::new(format!("{} https://example.com/{}", "é".repeat(576), "a".repeat(200)))), Vec::<String>::new());
    assert_eq!(codes(&Post::new(format!("{} https://example.com/{}", "é".repeat(577), "a".repeat(200)))), ["text-too-long"]);
    let mut post = Post::new("x");
    post.format = "reel".into();
    post.options = vec![Attribute::new("visibility", "everyone")];
    let described = Asset { alt: "é".repeat(21), ..host.asset("film") };
    post.assets = vec![host.asset("big"), described, host.asset("odd"), host.asset("odd"), host.asset("odd")];
    let all = codes(&post);
    for code in [
        "format-unknown",
        "visibility-unknown",
        "too-many-files",
        "film-with-others",
        "file-too-large",
        "alt-too-long",
        "media-unusable",
    ] {
        assert!(all.iter().any(|seen| seen == code), "{code} is not in {all:?}");
    }
    assert!(matches!(host.run(|| Mastodon::prepare("d", &post, None)), Err(Error::Reject(_))));
    assert_eq!(host.requests().len(), before);
}

#[test]
fn taking_down_succeeds_only_when_the_post_is_gone() {
    let (remove, read) = (call("DELETE", "/api/v1/statuses/101"), call("GET", "/api/v1/statuses/101"));
    let gone = Answer::json(404, json!({ "error": "Record not found" }));
    let with = |answer: Answer, read_answer: Answer| connected().answer(&remove, answer).answer(&read, read_answer);
    assert_eq!(with(Answer::json(200, status("101", "x")), gone.clone()).run(|| Mastodon::unpublish("101")), Ok(()));
    assert_eq!(with(gone.clone(), gone.clone()).run(|| Mastodon::unpublish("101")), Ok(()));
    // A server that cannot delete says 404 too, and the post is still there.
    let kept =
        with(missing(), Answer::json(200, status("101", "x"))).run(|| Mastodon::unpublish("101")).expect_err("it is there");
    assert_eq!((kind(&kept), kept.code()), ("reject", "delete-unsupported"));
    assert!(kept.message().contains("https://social.example/@atelier/101"));
    let lost = with(Answer::lost(), gone).run(|| Mastodon::unpublish("101")).expect_err("nobody knows");
    assert_eq!(kind(&lost), "retry");
    for strange in ["", "../accounts", "1/2", "1?x"] {
        assert!(matches!(connected().run(|| Mastodon::unpublish(strange)), Err(Error::Reject(_))), "{strange}");
    }
}

#[test]
fn figures_come_from_the_list_and_the_rest_one_by_one() {
    let host = connected()
        .answer(
            &call("GET", "/api/v1/accounts/7/statuses?limit=40&exclude_reblogs=true&max_id=100"),
            Answer::json(200, json!([])),
        )
        .answer(&call("GET", "/api/v1/statuses/50"), Answer::json(200, status("50", "vieux")))
        .answer(&call("GET", "/api/v1/statuses/51"), missing());
    let samples = host.run(|| Mastodon::read(&["100".into(), "50".into(), "51".into()])).expect("it answers");
    let of = |id: Option<&str>, name: &str| {
        samples.iter().find(|sample| sample.remote_id.as_deref() == id && sample.name == name).map(|sample| sample.value)
    };
    for id in ["100", "50"] {
        assert_eq!((of(Some(id), "likes"), of(Some(id), "shares"), of(Some(id), "replies")), (Some(3.0), Some(3.0), Some(4.0)));
    }
    assert_eq!((of(Some("51"), "likes"), of(None, "followers")), (None, Some(12.0)));
    assert_eq!(host.requests().len(), 5);
    let none = host.run(|| Mastodon::read(&[])).expect("it answers");
    assert_eq!((none.len(), host.requests().len()), (1, 6));
}

fn mention(id: u64, visibility: &str, answered: Value) -> Value {
    let mut status = status(&format!("9{id}"), "@atelier Ouvert <b>demain</b>&nbsp;?");
    status["visibility"] = json!(visibility);
    status["in_reply_to_account_id"] = answered;
    json!({ "id": id.to_string(), "type": "mention", "created_at": "2026-11-22T11:00:01Z",
        "account": { "id": "8", "acct": "claire@other.example", "display_name": "Claire" }, "status": status })
}

#[test]
fn the_inbox_tells_answers_mentions_and_private_messages_apart() {
    let list = call("GET", "/api/v1/notifications");
    let follow = json!({ "id": "34", "type": "follow", "created_at": "2026-11-22T11:00:01Z", "account": { "id": "8", "acct": "x" }, "status": null });
    let first =
        json!([follow, mention(33, "direct", json!("7")), mention(32, "public", json!("7")), mention(31, "public", json!("9"))]);
    let full: Vec<Value> = (0..40).rev().map(|n| mention(100 + n, "public", Value::Null)).collect();
    let host = connected()
        .answer(&list, Answer::json(200, first))
        .answer(&list, Answer::json(200, full))
        .answer(&list, Answer::json(200, json!([])));
    let page = host.run(|| Mastodon::poll(None)).expect("it answers");
    let kinds: Vec<(&str, &str)> = page.messages.iter().map(|m| (m.remote_id.as_str(), m.kind.as_str())).collect();
    assert_eq!(kinds, [("933", "direct"), ("932", "comment"), ("931", "mention")]);
    assert_eq!(page.messages[0].author, "Claire (@claire@other.example)");
    assert_eq!(page.messages[0].text, "@atelier Ouvert demain\u{a0}?");
    assert_eq!((page.next.as_deref(), page.more), (Some("34"), false));
    let page = host.run(|| Mastodon::poll(Some("34"))).expect("it answers");
    assert_eq!((page.messages.len(), page.next.as_deref(), page.more), (40, Some("139"), true));
    let page = host.run(|| Mastodon::poll(Some("139"))).expect("it answers");
    assert_eq!((page.messages.len(), page.next.as_deref(), page.more), (0, Some("139"), false));
    assert!(host.requests().iter().any(|sent| sent.url.ends_with("?types%5B%5D=mention&limit=40&min_id=34")));
}

#[test]
fn the_check_names_the_account_with_its_server() {
    assert_eq!(connected().run(Mastodon::check), Ok("@atelier@social.example".to_owned()));
}
