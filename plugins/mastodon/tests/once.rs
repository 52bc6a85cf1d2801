//! Every post exactly once, whatever becomes of the answers and whatever the server thinks of idempotency keys.
//!
//! In: a server with a memory and bad luck. Out: how often each post is there.
//! Never: a second chance that the daemon would not give; `deliver` does what the daemon does.

mod common;

use beffroi_plugin::fake::Host;
use beffroi_plugin::prelude::*;
use beffroi_plugin_mastodon::Mastodon;
use common::{Fate, SERVER, Shared, Ways, answers, server};

fn host(server: &Shared) -> Host {
    Host::new().settings(json!({ "server": SERVER, "visibility": "public" })).remote(answers(server))
}

/// What came of a delivery.
#[derive(Debug, PartialEq)]
enum End {
    Online(String),
    /// A person has to look.
    Asked,
}

fn prepare(host: &Host, delivery: &str, post: &Post) -> String {
    match host.run(|| Mastodon::prepare(delivery, post, None)) {
        Ok(Preparation::Ready(Some(handle))) => handle,
        other => panic!("a text is prepared in one step: {other:?}"),
    }
}

/// Publishes as the daemon does: after an uncertain answer it looks, and publishes again only when the post is absent.
fn settle(host: Host, delivery: &str, post: &Post, handle: &str) -> (Host, End) {
    let mut host = host;
    for attempt in 1..10 {
        host = host.attempt_number(attempt);
        match host.run(|| Mastodon::publish(delivery, post, Some(handle))) {
            Ok(Outcome::Online(receipt)) => return (host, End::Online(receipt.remote_id)),
            Err(Error::Retry(_)) => continue,
            Err(Error::Uncertain(_)) => {}
            other => panic!("not what a post becomes: {other:?}"),
        }
        match host.run(|| Mastodon::find(delivery, post, Some(handle))) {
            Ok(Finding::Online(receipt)) => return (host, End::Online(receipt.remote_id)),
            Ok(Finding::Absent) => {}
            Ok(Finding::Unsure(_)) => return (host, End::Asked),
            other => panic!("not what a look gives: {other:?}"),
        }
    }
    panic!("it never ends")
}

fn all_ways() -> Vec<Ways> {
    (0..32)
        .map(|bits: u32| Ways {
            ignores_keys: bits & 1 != 0,
            cannot_page: bits & 2 != 0,
            tells_text: bits & 4 != 0,
            adds_a_line: bits & 8 != 0,
            hides_private: false,
            genuine: bits & 16 != 0,
        })
        .collect()
}

#[test]
fn every_post_is_there_exactly_once() {
    let fates =
        [Fate::Answered, Fate::LostBefore, Fate::LostAfter, Fate::Truncated, Fate::GatewayTimeout, Fate::Late, Fate::Busy];
    let texts = [
        "Bonjour !",
        "Le menu du 12 : soupe & pain",
        "Le menu du 13 : soupe & pain",
        "🥐🥐",
        "Voir https://example.com/a?b=1 <3",
        "Bonjour !",
    ];
    let mut seed = 3_u64;
    let mut chance = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for ways in all_ways() {
        for before in [0, 3, 41] {
            let server = server(ways, before);
            let mut host = host(&server);
            let mut wanted: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
            for number in 0..12 {
                let text = texts[chance(texts.len())];
                server.borrow_mut().fates = (0..3).map(|_| fates[chance(fates.len())]).collect();
                let delivery = format!("delivery-{number}");
                let post = Post::new(text);
                let handle = prepare(&host, &delivery, &post);
                let (after, end) = settle(host, &delivery, &post, &handle);
                host = after;
                assert!(matches!(end, End::Online(_)), "{text:?} with {before} posts before on {ways:?}: {end:?}");
                *wanted.entry(text).or_default() += 1;
            }
            for (text, count) in wanted {
                assert_eq!(server.borrow().count(text), count, "{text:?} with {before} posts before on {ways:?}");
            }
        }
    }
}

#[test]
fn the_same_text_from_before_is_not_taken_for_the_new_post() {
    for ways in all_ways() {
        let server = server(ways, 5);
        server.borrow_mut().by_hand("Ouvert dimanche");
        let host = host(&server);
        let post = Post::new("Ouvert dimanche");
        let handle = prepare(&host, "d", &post);
        assert!(matches!(host.run(|| Mastodon::find("d", &post, Some(&handle))), Ok(Finding::Absent)));
        server.borrow_mut().fates.push_back(Fate::LostBefore);
        let (_, end) = settle(host, "d", &post, &handle);
        assert!(matches!(end, End::Online(_)));
        assert_eq!(server.borrow().count("Ouvert dimanche"), 2);
    }
}

#[test]
fn two_deliveries_of_one_text_do_not_take_each_others_post() {
    for ways in all_ways() {
        let server = server(ways, 5);
        let host = host(&server);
        let post = Post::new("Ouvert dimanche");
        let (first, second) = (prepare(&host, "first", &post), prepare(&host, "second", &post));
        // The first is lost before it arrives, the second arrives; only then is the first looked for.
        server.borrow_mut().fates.push_back(Fate::LostBefore);
        assert!(matches!(host.run(|| Mastodon::publish("first", &post, Some(&first))), Err(Error::Uncertain(_))));
        assert!(matches!(host.run(|| Mastodon::publish("second", &post, Some(&second))), Ok(Outcome::Online(_))));
        assert!(matches!(host.run(|| Mastodon::find("first", &post, Some(&first))), Ok(Finding::Absent)), "{ways:?}");
        let (_, end) = settle(host, "first", &post, &first);
        assert!(matches!(end, End::Online(_)));
        assert_eq!(server.borrow().count("Ouvert dimanche"), 2, "{ways:?}");
    }
}

#[test]
fn an_edited_post_is_a_question_for_a_person() {
    let server = server(Ways::default(), 5);
    let host = host(&server);
    let post = Post::new("Les croissants de ce matin sont sortis du four, venez vite");
    let handle = prepare(&host, "d", &post);
    server.borrow_mut().by_hand("Les croissants de ce soir sont sortis du four, venez vite");
    assert!(matches!(host.run(|| Mastodon::find("d", &post, Some(&handle))), Ok(Finding::Unsure(_))));
}

#[test]
fn a_list_that_does_not_reach_back_proves_nothing() {
    let server = server(Ways::default(), 5);
    let host = host(&server);
    let post = Post::new("Ouvert dimanche");
    let handle = prepare(&host, "d", &post);
    for n in 0..150 {
        server.borrow_mut().by_hand(&format!("Chaque jour un autre mot {n}"));
    }
    assert!(matches!(host.run(|| Mastodon::find("d", &post, Some(&handle))), Ok(Finding::Absent)));
    for n in 0..150 {
        server.borrow_mut().by_hand(&format!("Encore un tout autre mot {n}"));
    }
    assert!(matches!(host.run(|| Mastodon::find("d", &post, Some(&handle))), Ok(Finding::Unsure(_))));
    // A server that cannot page and shows many posts, of an account that had none.
    let many = common::server(Ways { cannot_page: true, ..Ways::default() }, 0);
    let host = self::host(&many);
    let handle = prepare(&host, "d", &post);
    for n in 0..50 {
        many.borrow_mut().by_hand(&format!("Chaque jour un autre mot {n}"));
    }
    assert!(matches!(host.run(|| Mastodon::find("d", &post, Some(&handle))), Ok(Finding::Unsure(_))));
    // An account that had posts and now shows none.
    let emptied = common::server(Ways::default(), 5);
    let host = self::host(&emptied);
    let handle = prepare(&host, "d", &post);
    emptied.borrow_mut().posts.clear();
    assert!(matches!(host.run(|| Mastodon::find("d", &post, Some(&handle))), Ok(Finding::Unsure(_))));
}

#[test]
fn private_posts_that_a_fork_hides_are_not_called_absent() {
    let mut post = Post::new("Pour les abonnés");
    post.options = vec![Attribute::new("visibility", "private")];
    for (genuine, hides_private) in [(false, true), (false, false), (true, false)] {
        let server = server(Ways { genuine, hides_private, ..Ways::default() }, 5);
        let host = host(&server);
        let handle = prepare(&host, "d", &post);
        let finding = host.run(|| Mastodon::find("d", &post, Some(&handle)));
        assert_eq!(matches!(finding, Ok(Finding::Absent)), genuine, "{finding:?}");
        assert_eq!(matches!(finding, Ok(Finding::Unsure(_))), !genuine, "{finding:?}");
        server.borrow_mut().fates.push_back(Fate::LostAfter);
        assert!(matches!(host.run(|| Mastodon::publish("d", &post, Some(&handle))), Err(Error::Uncertain(_))));
        let finding = host.run(|| Mastodon::find("d", &post, Some(&handle)));
        assert_eq!(matches!(finding, Ok(Finding::Online(_))), !hides_private, "{finding:?}");
    }
}
