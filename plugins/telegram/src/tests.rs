//! The plugin against answers as the Bot API gives them.

use super::*;
use beffroi_plugin::fake::{Answer, Host};

const BOT: &str = "https://api.telegram.org/bot{token}/";

fn host() -> Host {
    Host::new().language("en").settings(json!({
        "chat": "@bakery", "silent": false, "preview": true, "service": "https://api.telegram.org/",
    }))
}

fn on(method: &str) -> String {
    format!("POST {BOT}{method}")
}

fn ok(result: Value) -> Answer {
    Answer::json(200, json!({ "ok": true, "result": result }))
}

fn refused(status: u16, description: &str) -> Answer {
    Answer::json(status, json!({ "ok": false, "error_code": status, "description": description }))
}

fn sent(id: i64) -> Value {
    json!({ "message_id": id, "date": 1_767_265_200, "chat": { "id": -1_001_234, "type": "channel", "username": "bakery", "title": "Bakery" } })
}

fn published(host: &Host, post: &Post) -> Result<Outcome, Error> {
    host.run(|| Telegram::publish("d1", post, None))
}

#[test]
fn a_text_goes_out_as_written_with_its_link() {
    let host = host().answer(&on("sendMessage"), ok(sent(7)));
    let mut post = Post::new("Croissants & <brioches>");
    post.link = Some("https://bakery.example".into());
    let outcome = published(&host, &post).expect("published");
    assert_eq!(outcome, Outcome::Online(Receipt::new("-1001234:7", Some("https://t.me/bakery/7".into()))));
    let request = &host.requests()[0];
    assert_eq!(request.credential.as_deref(), Some("token"));
    let body = request.json();
    assert_eq!(body["text"], "Croissants & <brioches>\n\nhttps://bakery.example");
    assert_eq!(body["chat_id"], "@bakery");
    assert_eq!(body.get("parse_mode"), None);
    assert_eq!(body["link_preview_options"], json!({ "is_disabled": false, "url": "https://bakery.example" }));
}

#[test]
fn a_link_with_words_of_its_own_is_html_with_everything_escaped() {
    let host = host().answer(&on("sendMessage"), ok(sent(7)));
    let mut post = Post::new("1 < 2 & \"3\"");
    post.link = Some("https://bakery.example/?a=1&b=\"2\"".into());
    post.options.push(Attribute::new("link-text", "Shop <now>"));
    published(&host, &post).expect("published");
    let body = host.requests()[0].json();
    assert_eq!(body["parse_mode"], "HTML");
    assert_eq!(
        body["text"],
        "1 &lt; 2 &amp; &quot;3&quot;\n\n<a href=\"https://bakery.example/?a=1&amp;b=&quot;2&quot;\">Shop &lt;now&gt;</a>"
    );
}

#[test]
fn one_picture_is_a_photo_and_several_are_an_album() {
    let host = host()
        .file("a", "image/jpeg", vec![1; 10])
        .file("b", "video/mp4", vec![2; 10])
        .answer(&on("sendPhoto"), ok(sent(8)))
        .answer(&on("sendMediaGroup"), ok(json!([sent(9), sent(10)])))
        .answer(&on("deleteMessage"), ok(json!(true)));
    let mut post = Post::new("Fresh");
    post.assets = vec![host.asset("a")];
    published(&host, &post).expect("published");
    let photo = &host.requests()[0];
    assert_eq!((photo.part("caption").as_deref(), photo.part("photo").as_deref()), (Some("Fresh"), Some("a")));

    post.assets.push(host.asset("b"));
    let outcome = published(&host, &post).expect("published");
    assert_eq!(outcome, Outcome::Online(Receipt::new("-1001234:9", Some("https://t.me/bakery/9".into()))));
    let album = &host.requests()[1];
    let media: Value = album.part("media").and_then(|text| text.parse().ok()).expect("JSON");
    assert_eq!(
        media,
        json!([
            { "type": "photo", "media": "attach://file0", "caption": "Fresh" },
            { "type": "video", "media": "attach://file1" },
        ])
    );
    assert_eq!((album.part("file0").as_deref(), album.part("file1").as_deref()), (Some("a"), Some("b")));

    // Taking an album down takes down all of it.
    assert_eq!(host.run(|| Telegram::unpublish("-1001234:9")), Ok(()));
    let deleted: Vec<Value> = host.requests()[2..].iter().map(|request| request.json()["message_id"].clone()).collect();
    assert_eq!(deleted, [json!(9), json!(10)]);
    assert!(host.state().is_empty());
}

#[test]
fn an_answer_goes_to_the_chat_of_what_it_answers() {
    let host = host().answer(&on("sendMessage"), ok(sent(7)));
    let mut post = Post::new("Thank you!");
    post.reply_to = Some("-100999:42".into());
    published(&host, &post).expect("published");
    let body = host.requests()[0].json();
    assert_eq!((&body["chat_id"], &body["reply_parameters"]), (&json!("-100999"), &json!({ "message_id": 42 })));
}

#[test]
fn what_does_not_fit_is_said_before_sending() {
    let host = host().file("pdf", "application/pdf", vec![0; 3]).file("gif", "image/gif", vec![0; 3]).file(
        "big",
        "image/png",
        vec![0; (10 << 20) + 1],
    );
    let codes = |post: &Post| host.run(|| Telegram::validate(post)).into_iter().map(|p| p.code).collect::<Vec<_>>();
    assert_eq!(codes(&Post::new("")), ["empty"]);
    assert!(codes(&Post::new("é".repeat(4096))).is_empty());
    assert_eq!(codes(&Post::new("é".repeat(4097))), ["text-too-long"]);
    assert_eq!(codes(&Post::new("👍".repeat(2049))), ["text-too-long"]);
    let with = |ids: &[&str], text: &str| {
        let mut post = Post::new(text);
        post.assets = ids.iter().map(|id| host.asset(id)).collect();
        post
    };
    assert_eq!(codes(&with(&["pdf"], "x")), ["file-type"]);
    assert_eq!(codes(&with(&["big"], "x")), ["file-too-large"]);
    assert_eq!(codes(&with(&["gif"], &"x".repeat(1025))), ["text-too-long"]);
    assert_eq!(codes(&with(&["gif", "gif"], "x")), ["animation-in-album", "animation-in-album"]);
    let mut wide = with(&["gif"], "x");
    wide.assets[0].media_type = "image/png".into();
    wide.assets[0].dimensions = Some((2100, 100));
    assert_eq!(codes(&wide), ["picture-shape"]);
    let mut story = Post::new("x");
    story.format = "story".into();
    story.reply_to = Some("nonsense".into());
    assert_eq!(codes(&story), ["format", "reply-to"]);
    assert!(host.requests().is_empty());
}

#[test]
fn refusals_say_what_to_do_next() {
    let cases = [
        (refused(401, "Unauthorized"), "reconnect token-refused"),
        (refused(404, "Not Found"), "reconnect token-refused"),
        (refused(403, "Forbidden: bot was kicked from the channel chat"), "reconnect bot-shut-out"),
        (refused(400, "Bad Request: chat not found"), "reconnect chat-closed"),
        (refused(400, "Bad Request: need administrator rights in the channel chat"), "reconnect chat-closed"),
        (refused(400, "Bad Request: message is too long"), "reject telegram-refused"),
        (refused(500, "Internal Server Error"), "uncertain http-500"),
        (Answer::text(502, "<html>Bad Gateway</html>"), "uncertain http-502"),
        (Answer::text(200, "{\"ok\":true,\"resu"), "uncertain answer-unreadable"),
        (Answer::json(200, json!({ "ok": true, "result": {} })), "uncertain no-number"),
        (Answer::json(200, json!([])), "uncertain answer-unreadable"),
        (Answer::lost(), "uncertain lost"),
        (Answer::not_sent(), "retry not-sent"),
        (Answer::text(413, "<html>Request Entity Too Large</html>"), "reject http-413"),
    ];
    for (answer, expected) in cases {
        let host = host().answer(&on("sendMessage"), answer);
        let error = published(&host, &Post::new("Hello")).expect_err("no success");
        assert_eq!(format!("{} {}", kind(&error), error.code()), expected);
        assert_eq!(host.requests().len(), 1, "never repeated by itself");
    }
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
fn a_rest_that_telegram_asks_for_is_kept() {
    let body = json!({ "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 35", "parameters": { "retry_after": 35 } });
    let host = host().now(1_000_000).answer(&on("sendMessage"), Answer::json(429, body));
    let Err(Error::Retry(retry)) = published(&host, &Post::new("Hello")) else { panic!("a rest") };
    assert_eq!(retry.not_before, Some(1_035_000));
}

#[test]
fn a_group_that_moved_names_its_new_number() {
    let body = json!({
        "ok": false, "error_code": 400, "description": "Bad Request: group chat was upgraded to a supergroup chat",
        "parameters": { "migrate_to_chat_id": -1_009_876_i64 },
    });
    let host = host().answer(&on("sendMessage"), Answer::json(400, body));
    let error = published(&host, &Post::new("Hello")).expect_err("moved");
    assert_eq!((kind(&error), error.code()), ("reconnect", "chat-migrated"));
    assert!(error.message().contains("-1009876"), "{error}");
}

#[test]
fn taking_down_what_is_gone_succeeds_and_what_is_stuck_says_so() {
    let host = host()
        .answer(&on("deleteMessage"), refused(400, "Bad Request: message to delete not found"))
        .answer(&on("deleteMessage"), refused(400, "Bad Request: message can't be deleted"))
        .answer(&on("deleteMessage"), Answer::lost());
    assert_eq!(host.run(|| Telegram::unpublish("-1001234:9")), Ok(()));
    assert_eq!(host.run(|| Telegram::unpublish("-1001234:9")).map_err(|e| e.code().to_owned()), Err("too-old-to-delete".into()));
    assert_eq!(host.run(|| Telegram::unpublish("-1001234:9")).map_err(|e| kind(&e)), Err("retry"));
    assert_eq!(host.run(|| Telegram::unpublish("elsewhere")).map_err(|e| kind(&e)), Err("reject"));
}

#[test]
fn the_inbox_brings_what_people_wrote_and_moves_on() {
    let user = json!({ "id": 5, "is_bot": false, "first_name": "Claire", "last_name": "M." });
    let group = json!({ "id": -1_005_678, "type": "supergroup", "title": "Talk" });
    let copy = json!({
        "message_id": 3, "chat": group, "date": 1, "is_automatic_forward": true, "text": "Our post",
        "forward_origin": { "type": "channel", "chat": { "id": -1_001_234 }, "message_id": 9 },
    });
    let updates = json!([
        { "update_id": 100, "message": { "message_id": 1, "from": user, "chat": { "id": 5, "type": "private" }, "date": 1_767_000_000, "text": "Open today?" } },
        { "update_id": 101, "message": copy },
        { "update_id": 102, "message": { "message_id": 4, "from": user, "chat": group, "date": 1_767_000_001, "text": "Yummy", "reply_to_message": copy } },
        { "update_id": 103, "message": { "message_id": 5, "from": { "is_bot": false, "username": "zoe" }, "chat": group, "date": 2, "text": "Hi @Bakery_Bot" } },
        { "update_id": 104, "message": { "message_id": 6, "from": user, "chat": group, "date": 2, "new_chat_members": [] } },
        { "update_id": 105, "message": { "message_id": 7, "from": user, "chat": { "id": -1_000_000, "type": "supergroup" }, "date": 2, "text": "elsewhere" } },
        { "update_id": 106, "message": { "message_id": 8, "from": { "is_bot": true, "username": "other" }, "chat": group, "date": 2, "text": "spam" } },
        { "update_id": 107, "edited_message": {} },
    ]);
    let host = host()
        .answer(&on("getMe"), ok(json!({ "id": 77, "is_bot": true, "username": "bakery_bot" })))
        .answer(&on("getChat"), ok(json!({ "id": -1_001_234, "type": "channel", "linked_chat_id": -1_005_678 })))
        .answer(&on("getUpdates"), ok(updates))
        .answer(&on("getUpdates"), ok(json!([])));
    let page = host.run(|| Telegram::poll(None)).expect("read");
    let seen: Vec<_> = page
        .messages
        .iter()
        .map(|m| (m.remote_id.as_str(), m.kind.as_str(), m.author.as_str(), m.in_reply_to.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [
            ("5:1", "direct", "Claire M.", None),
            ("-1005678:4", "comment", "Claire M.", Some("-1001234:9")),
            ("-1005678:5", "mention", "@zoe", None),
        ]
    );
    assert_eq!(page.messages[1].url.as_deref(), Some("https://t.me/c/5678/4"));
    assert_eq!(page.messages[0].at, 1_767_000_000_000);
    assert_eq!((page.next.as_deref(), page.more), (Some("108"), false));
    assert_eq!(host.requests()[2].json().get("offset"), None);

    let page = host.run(|| Telegram::poll(Some("108"))).expect("read");
    assert_eq!((page.messages.len(), page.next.as_deref()), (0, Some("108")));
    assert_eq!(host.requests()[5].json()["offset"], 108);
}

#[test]
fn a_webhook_elsewhere_is_explained() {
    let host = host()
        .answer(&on("getMe"), ok(json!({ "id": 77 })))
        .answer(&on("getChat"), ok(json!({ "id": 5 })))
        .answer(
            &on("getUpdates"),
            refused(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook"),
        )
        .answer(&on("getUpdates"), refused(409, "Conflict: terminated by other getUpdates request"))
        .answer(&on("getUpdates"), Answer::text(200, ""));
    let codes: Vec<String> = (0..3)
        .map(|_| host.run(|| Telegram::poll(None)).map_or_else(|e| format!("{} {}", kind(&e), e.code()), |_| "ok".into()))
        .collect();
    assert_eq!(codes, ["reject webhook-set", "retry other-reader", "retry answer-unreadable"]);
}

#[test]
fn figures_are_the_subscribers() {
    let host = host().answer(&on("getChatMemberCount"), ok(json!(321)));
    assert_eq!(host.run(|| Telegram::read(&["-1001234:9".into()])), Ok(vec![Sample::of_account("followers", 321.0)]));
}

#[test]
fn the_check_names_the_channel_and_misses_rights() {
    let host = host()
        .answer(&on("getMe"), ok(json!({ "id": 77, "username": "bakery_bot" })))
        .answer(&on("getChat"), ok(json!({ "id": -1_001_234, "type": "channel", "title": "Bakery" })))
        .answer(&on("getChatMember"), ok(json!({ "status": "administrator", "can_post_messages": true })))
        .answer(&on("getChatMember"), ok(json!({ "status": "member" })));
    assert_eq!(host.run(Telegram::check), Ok("Bakery (@bakery_bot)".into()));
    assert_eq!(host.run(Telegram::check).map_err(|e| e.code().to_owned()), Err("not-administrator".into()));
    let typo = Host::new().settings(json!({ "chat": "bakery" }));
    assert_eq!(typo.run(Telegram::check).map_err(|e| e.code().to_owned()), Err("chat-setting".into()));
}

#[test]
fn sentences_are_in_the_firms_language() {
    let host = host().language("fr").answer(&on("sendMessage"), refused(401, "Unauthorized"));
    let error = published(&host, &Post::new("Bonjour")).expect_err("refused");
    assert!(error.message().contains("jeton"), "{error}");
}
