//! The plugin against answers as Discord gives them.

use super::*;
use beffroi_plugin::fake::{Answer, Host};

const API: &str = "https://discord.com/api/v10/";

fn host() -> Host {
    Host::new()
        .language("en")
        .settings(json!({ "channel": "500", "file-limit": 1, "inbox": "answers", "service": "https://discord.com" }))
}

fn messages() -> String {
    format!("{API}channels/500/messages")
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

fn ours(id: u64, content: &str) -> Value {
    json!({ "id": id.to_string(), "type": 0, "content": content, "author": { "id": "9", "bot": true }, "attachments": [], "timestamp": "2026-01-01T10:00:00.000000+00:00" })
}

#[test]
fn a_post_has_a_nonce_and_pings_nobody() {
    let host = host().answer(&format!("POST {}", messages()), Answer::json(200, json!({ "id": "601" })));
    let mut post = Post::new("Hello @everyone");
    post.link = Some("https://bakery.example".into());
    post.reply_to = Some("500/44".into());
    let outcome =
        host.run(|| Discord::publish("delivery-with-a-very-long-name-0123456789", &post, Some("7/600"))).expect("published");
    assert_eq!(outcome, Outcome::Online(Receipt::new("500/601", Some("https://discord.com/channels/7/500/601".into()))));
    let request = &host.requests()[0];
    let body = request.json();
    assert_eq!(body["content"], "Hello @everyone\n\nhttps://bakery.example");
    assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
    assert_eq!(body["enforce_nonce"], true);
    assert_eq!(body["nonce"].as_str().map(str::len), Some(25));
    assert_eq!(body["message_reference"], json!({ "message_id": "44", "fail_if_not_exists": false }));
    assert_eq!(request.credential.as_deref(), Some("token"));
    assert!(request.header("user-agent").is_some_and(|agent| agent.starts_with("DiscordBot (")));
}

#[test]
fn nonces_are_the_same_for_the_same_delivery_only() {
    let mut seen: Vec<String> = (0..2000).map(|n| posting::nonce(&format!("delivery-{n}"))).collect();
    assert!(seen.iter().all(|nonce| nonce.len() == 25));
    assert_eq!(posting::nonce("delivery-7"), seen[7]);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 2000);
}

#[test]
fn files_go_along_with_their_descriptions() {
    let host = host()
        .file("a", "image/jpeg", vec![1; 10])
        .answer(&format!("POST {}", messages()), Answer::json(200, json!({ "id": "601" })));
    let mut post = Post::new("");
    post.assets = vec![host.asset("a")];
    post.assets[0].alt = "A croissant".into();
    host.run(|| Discord::publish("d", &post, None)).expect("published");
    let request = &host.requests()[0];
    let body: Value = request.part("payload_json").and_then(|text| text.parse().ok()).expect("JSON");
    assert_eq!(body["attachments"], json!([{ "id": 0, "filename": "1.jpg", "description": "A croissant" }]));
    assert_eq!(request.part("files[0]").as_deref(), Some("a"));
    assert_eq!(request.parts()[1].filename.as_deref(), Some("1.jpg"));
}

#[test]
fn what_does_not_fit_is_said_before_sending() {
    let host = host().file("big", "video/mp4", vec![0; (1 << 20) + 1]);
    let codes = |post: &Post| host.run(|| Discord::validate(post)).into_iter().map(|p| p.code).collect::<Vec<_>>();
    assert_eq!(codes(&Post::new(" ")), ["empty"]);
    assert_eq!(codes(&Post::new("x".repeat(2001))), ["text-too-long"]);
    let mut post = Post::new("x");
    post.assets = vec![host.asset("big"); 11];
    post.format = "reel".into();
    assert_eq!(codes(&post), ["format", "too-many-files", "file-too-large"]);
}

#[test]
fn refusals_say_what_to_do_next() {
    let refused = |status, code: i64| Answer::json(status, json!({ "message": "No.", "code": code }));
    let cases = [
        (refused(401, 0), "reconnect token-refused"),
        (refused(403, 50_013), "reconnect rights-missing"),
        (refused(404, 10_003), "reconnect channel-gone"),
        (refused(413, 40_005), "reject file-too-large"),
        (
            Answer::json(400, json!({ "message": "Invalid Form Body", "code": 50_035, "errors": { "content": {} } })),
            "reject discord-refused",
        ),
        (Answer::text(502, "<html>"), "uncertain http-502"),
        (Answer::text(200, "{\"id\": \"6"), "uncertain answer"),
        (Answer::json(200, json!({})), "uncertain no-number"),
        (Answer::lost(), "uncertain lost"),
        (Answer::not_sent(), "retry not-sent"),
        (Answer::text(429, "error code: 1015").header("retry-after", "12"), "retry http-429"),
    ];
    for (answer, expected) in cases {
        let host = host().answer(&format!("POST {}", messages()), answer);
        let error = host.run(|| Discord::publish("d", &Post::new("Hello"), None)).expect_err("no success");
        assert_eq!(format!("{} {}", kind(&error), error.code()), expected);
        assert_eq!(host.requests().len(), 1);
    }
}

#[test]
fn a_rest_is_kept_to_the_millisecond() {
    let body = json!({ "message": "You are being rate limited.", "retry_after": 64.5701, "global": false });
    let host = host().now(1000).answer(&format!("POST {}", messages()), Answer::json(429, body));
    let Err(Error::Retry(retry)) = host.run(|| Discord::publish("d", &Post::new("Hello"), None)) else { panic!("a rest") };
    assert_eq!(retry.not_before, Some(65_571));
}

fn find(list: Value) -> (Result<Finding, Error>, usize) {
    let host = host()
        .answer(&format!("GET {API}users/@me"), Answer::json(200, json!({ "id": "9" })))
        .answer(&format!("GET {}", messages()), Answer::json(200, list));
    (host.run(|| Discord::find("d", &Post::new("Hello "), Some("7/600"))), host.requests().len())
}

#[test]
fn a_lost_post_is_found_after_the_note_and_never_before_it() {
    let online = Finding::Online(Receipt::new("500/601", Some("https://discord.com/channels/7/500/601".into())));
    assert_eq!(find(json!([ours(601, "Hello"), ours(600, "old")])).0, Ok(online.clone()));
    assert_eq!(
        find(json!([{ "id": "601", "content": "", "author": { "id": "1" }, "nonce": posting::nonce("d") }])).0,
        Ok(online)
    );
    // The same words, but from before.
    assert_eq!(find(json!([ours(600, "Hello"), ours(599, "Hello")])).0, Ok(Finding::Absent));
    // The same words, but from somebody else, or with a file.
    let other = json!([{ "id": "601", "content": "Hello", "author": { "id": "8" } }, { "id": "602", "content": "Hello", "author": { "id": "9" }, "attachments": [{}] }, ours(600, "x")]);
    assert_eq!(find(other).0, Ok(Finding::Absent));
}

#[test]
fn an_empty_channel_proves_nothing() {
    assert!(matches!(find(json!([])).0, Ok(Finding::Unsure(_))));
    let host = host();
    assert!(matches!(host.run(|| Discord::find("d", &Post::new("Hello"), None)), Ok(Finding::Unsure(_))));
}

#[test]
fn a_busy_channel_is_read_in_pages_and_given_up_in_the_end() {
    let busy: Vec<Value> = (0..100).map(|n| ours(2000 - n, "chat")).collect();
    let (finding, requests) = find(Value::Array(busy));
    assert!(matches!(finding, Ok(Finding::Unsure(_))), "{finding:?}");
    assert_eq!(requests, 6);

    let host = host()
        .answer(&format!("GET {API}users/@me"), Answer::json(200, json!({ "id": "9" })))
        .answer(
            &format!("GET {}?limit=100", messages()),
            Answer::json(200, Value::Array((0..100).map(|n| ours(2000 - n, "chat")).collect())),
        )
        .answer(&format!("GET {}?limit=100&before=1901", messages()), Answer::json(200, json!([ours(700, "Hello")])));
    let finding = host.run(|| Discord::find("d", &Post::new("Hello"), Some("0/600")));
    assert_eq!(finding, Ok(Finding::Online(Receipt::new("500/700", None))));
}

#[test]
fn preparing_notes_the_newest_message() {
    let channel = format!("GET {API}channels/500");
    let host = host()
        .answer(&channel, Answer::json(200, json!({ "id": "500", "type": 0, "guild_id": "7", "last_message_id": "600" })))
        .answer(&channel, Answer::json(200, json!({ "id": "500", "type": 0, "last_message_id": null })));
    let prepare = || Discord::prepare("d", &Post::new("Hello"), None);
    assert_eq!(host.run(prepare), Ok(Preparation::Ready(Some("7/600".into()))));
    assert_eq!(host.run(prepare), Ok(Preparation::Ready(Some("0/0".into()))));
}

#[test]
fn taking_down_what_is_gone_succeeds() {
    let target = format!("DELETE {}/601", messages());
    let host = host()
        .answer(&target, Answer::status(204))
        .answer(&target, Answer::json(404, json!({ "message": "Unknown Message", "code": 10_008 })))
        .answer(&target, Answer::lost());
    let unpublish = || Discord::unpublish("500/601");
    assert_eq!(host.run(unpublish), Ok(()));
    assert_eq!(host.run(unpublish), Ok(()));
    assert_eq!(host.run(unpublish).map_err(|e| kind(&e)), Err("retry"));
}

#[test]
fn figures_come_from_one_page_where_possible() {
    let mut liked = ours(601, "Hello");
    liked["reactions"] = json!([{ "count": 3 }, { "count": 4 }]);
    let host = host()
        .answer(&format!("GET {}", messages()), Answer::json(200, json!([liked])))
        .answer(&format!("GET {}/300", messages()), Answer::json(200, ours(300, "Old")))
        .answer(&format!("GET {}/200", messages()), Answer::json(404, json!({ "message": "Unknown Message", "code": 10_008 })))
        .answer(&format!("GET {API}channels/500"), Answer::json(200, json!({ "guild_id": "7" })))
        .answer(&format!("GET {API}guilds/7"), Answer::json(200, json!({ "approximate_member_count": 55 })));
    let samples = host.run(|| Discord::read(&["500/601".into(), "500/300".into(), "500/200".into(), "nonsense".into()]));
    assert_eq!(
        samples,
        Ok(vec![
            Sample::of_post("500/601", "likes", 7.0),
            Sample::of_post("500/300", "likes", 0.0),
            Sample::of_account("followers", 55.0),
        ])
    );
}

#[test]
fn the_inbox_brings_answers_and_mentions_in_order() {
    let person = json!({ "id": "1", "username": "claire", "global_name": "Claire" });
    let list = json!([
        { "id": "614", "type": 0, "channel_id": "500", "author": person, "content": "", "timestamp": "2026-01-01T10:00:04+00:00" },
        { "id": "613", "type": 0, "channel_id": "500", "author": person, "content": "just chat", "timestamp": "2026-01-01T10:00:03+00:00" },
        { "id": "612", "type": 0, "channel_id": "500", "author": { "id": "2", "username": "zoe" }, "content": "<@9> open?", "mentions": [{ "id": "9" }], "timestamp": "2026-01-01T10:00:02+00:00" },
        { "id": "611", "type": 19, "channel_id": "500", "author": person, "content": "Yummy", "timestamp": "2026-01-01T10:00:01.5+00:00",
          "message_reference": { "message_id": "601", "channel_id": "500" }, "referenced_message": { "author": { "id": "9" } }, "mentions": [{ "id": "9" }] },
        { "id": "610", "type": 0, "channel_id": "500", "author": { "id": "3", "bot": true }, "content": "beep", "timestamp": "2026-01-01T10:00:00+00:00" },
        { "id": "609", "type": 7, "channel_id": "500", "author": person, "content": "joined", "timestamp": "2026-01-01T10:00:00+00:00" },
    ]);
    let host = host()
        .answer(&format!("GET {API}users/@me"), Answer::json(200, json!({ "id": "9" })))
        .answer(&format!("GET {}?limit=100&after=600", messages()), Answer::json(200, list))
        .answer(&format!("GET {}?limit=50", messages()), Answer::json(200, json!([])));
    let page = host.run(|| Discord::poll(Some("600"))).expect("read");
    let seen: Vec<_> = page
        .messages
        .iter()
        .map(|m| (m.remote_id.as_str(), m.kind.as_str(), m.author.as_str(), m.in_reply_to.as_deref()))
        .collect();
    assert_eq!(seen, [("500/611", "comment", "Claire", Some("500/601")), ("500/612", "mention", "zoe", None)]);
    assert_eq!(page.messages[0].at, 1_767_261_601_500);
    assert_eq!((page.next.as_deref(), page.more), (Some("614"), false));
    assert_eq!(host.log().len(), 1, "the empty message is explained");

    let page = host.run(|| Discord::poll(None)).expect("read");
    assert_eq!((page.next, page.more), (None, false));
}

#[test]
fn the_check_refuses_what_is_no_text_channel() {
    let channel = format!("GET {API}channels/500");
    let host = host()
        .answer(&format!("GET {API}users/@me"), Answer::json(200, json!({ "id": "9", "username": "beffroi" })))
        .answer(&channel, Answer::json(200, json!({ "type": 0, "name": "news" })))
        .answer(&channel, Answer::json(200, json!({ "type": 15, "name": "forum" })));
    assert_eq!(host.run(Discord::check), Ok("#news (beffroi)".into()));
    assert_eq!(host.run(Discord::check).map_err(|e| e.code().to_owned()), Err("channel-kind".into()));
    let typo = Host::new().settings(json!({ "channel": "#news" }));
    assert_eq!(typo.run(Discord::check).map_err(|e| e.code().to_owned()), Err("channel-setting".into()));
}
