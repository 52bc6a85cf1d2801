//! Backlogs that drip, and what is handed over to people.

use super::*;

#[test]
fn a_backlog_drips_in_the_order_in_which_it_was_due_even_without_any_spacing() {
    let network = channel([]);
    let mut world = world(&network);
    for (text, at) in [("3", "3h"), ("1", "1h"), ("2", "2h")] {
        post(&mut world, json!({ "text": text, "at": at, "expires": "30d" }));
    }
    post(&mut world, json!({ "text": "stale", "at": "1h" }));
    post(&mut world, json!({ "text": "on time", "at": "3d5m", "expires": "30d" }));
    world.restart("3d");
    world.settle();
    // Not a second process either makes it a burst.
    world.restart("1m");
    world.advance("2h");
    assert_eq!(network.online(), ["1", "on time", "2", "3"]);
    assert_eq!(
        network.rhythm()[2..],
        [900, 1_800],
        "a quarter of an hour between two that are late; what is on time is not slowed"
    );
    let (ended, why) = world.delivery(4);
    assert!(ended == "cancelled" && why.contains("its window ended"), "{why}");
}

#[test]
fn a_thaw_a_mended_breaker_and_a_late_yes_make_no_burst() {
    for how in ["freeze", "breaker", "yes"] {
        let network = channel([]);
        let mut world = world(&network);
        for n in 0..4 {
            post(&mut world, json!({ "text": n.to_string(), "draft": how == "yes", "expires": "30d" }));
        }
        match how {
            "freeze" => world.freeze("storm"),
            "breaker" => world.order(vec![Op::Breaker { account: "facebook".into(), reason: Some("x".into()) }]).unwrap(),
            _ => {}
        }
        world.advance("6h");
        match how {
            "freeze" => world.thaw(None),
            "breaker" => world.thaw(Some("facebook")),
            _ => (1..=4).for_each(|n| world.approve(n)),
        }
        world.advance("1h");
        assert_eq!(network.rhythm(), [0, 900, 1_800, 2_700], "{how}");
        assert!(network.online().is_sorted());
    }
}

#[test]
fn a_backlog_does_not_trip_the_breaker_and_does_not_make_others_trip_it() {
    let network = channel([]);
    let mut world = World::new()
        .with("\n[accounts.facebook]\nnetwork = \"facebook\"\nchannel = \"folder\"\nfolder = \"posts\"\nceilings = { spacing = \"0s\", per_hour = 2, per_day = 100 }\n")
        .workflow("say", "", "posts::plan(run::payload());")
        .channel("facebook", &network);
    for n in 0..6 {
        post(&mut world, json!({ "text": format!("late {n}"), "at": "1h", "expires": "30d" }));
    }
    world.restart("1d");
    world.advance("50m");
    assert_eq!(network.online(), ["late 0", "late 1"], "the ceiling holds");
    post(&mut world, json!({ "text": "on time" }));
    world.advance("4h");
    assert!(world.ask(view::breakers).is_empty());
    assert_eq!(network.online().len(), 7);
    assert!(network.rhythm().windows(3).all(|w| w[2] - w[0] >= 3_600), "two in an hour: {:?}", network.rhythm());
}

#[test]
fn notices_are_not_slowed_by_a_backlog() {
    let (network, mailbox) = (channel([]), channel([]));
    let mut world = world(&network).workflow("tell", "", "notify::send(run::payload());").notifier("owner", &mailbox);
    world.freeze("storm");
    for n in 0..4 {
        world.run_with("tell", Some(json!({ "title": n.to_string(), "text": "x" })));
    }
    world.advance("6h");
    world.thaw(None);
    world.settle();
    assert_eq!(mailbox.online(), ["0", "1", "2", "3"]);
}

#[test]
fn a_network_that_was_down_is_tried_as_often_as_before_and_then_drips() {
    let network = Arc::new(ScriptedChannel::always(Answer::Retry(None)));
    let mut world = world(&network);
    for n in 0..6 {
        post(&mut world, json!({ "text": n.to_string(), "expires": "30d" }));
    }
    world.advance("6h");
    assert!(network.asked("publish").len() >= 6 * 8, "{}", network.asked("publish").len());
    network.now_answers(Answer::Online);
    world.advance("4h");
    assert_eq!(network.online().len(), 6);
    assert!(network.rhythm().windows(2).all(|w| w[1] - w[0] >= 900), "{:?}", network.rhythm());
}

// ---- handing over ---------------------------------------------------------------------------------------------------------------

#[test]
fn an_unknown_that_nobody_can_settle_goes_to_every_person_once_in_their_language() {
    let network = Arc::new(ScriptedChannel::new([Answer::LostAfter]).read_back(ReadBack::No));
    let mut world = world(&network).with("\n[people.luc]\nchannel = \"folder\"\nfolder = \"luc\"\nlanguage = \"fr\"\n");
    post(&mut world, json!({ "text": "Bread is\nout.", "expires": "30d" }));
    world.settle();
    world.advance("10m");
    assert_eq!(world.delivery(1).0, "unknown");
    let told: Vec<DeliveryRow> = world.deliveries().into_iter().filter(|d| d.kind == "notice").collect();
    let text = |to: &str| told.iter().find(|d| d.target == to).expect("told").content["text"].as_str().unwrap().to_owned();
    let (english, french) = (text("owner"), text("luc"));
    for part in [
        "nobody can tell",
        "  | Bread is\n  | out.",
        "facebook (facebook)",
        "Sent: 1\u{a0}January 09:00",
        "The network did not answer in time.",
        "this network cannot be read back",
        "approve d1 --done",
        "approve d1 --again",
        "How to look",
    ] {
        assert!(english.contains(part), "{part}: {english}");
    }
    for part in [
        "Ce message a été envoyé",
        "Envoyé\u{a0}: 1er\u{a0}janvier 09:00",
        "Pour le voir",
        "approve d1 --done",
        "  | Bread is\n  | out.",
    ] {
        assert!(french.contains(part), "{part}: {french}");
    }
    // Whatever happens then, nobody is told twice.
    world.restart("1d");
    world.reconfigure(|c| c);
    world.advance("5d");
    assert_eq!(notices(&mut world).len(), 2);
    assert!(world.deliveries().iter().filter(|d| d.kind == "notice").all(|d| d.state == "online"));
}

#[test]
fn what_the_network_sits_on_is_followed_more_and_more_rarely_and_told_after_a_day() {
    let network = channel([Answer::Pending(100_000)]);
    let mut world = world(&network);
    post(&mut world, json!({ "text": "In moderation." }));
    world.advance("20h");
    assert!(notices(&mut world).is_empty());
    let looks = network.asked("find").len();
    assert!((20..120).contains(&looks), "{looks} looks in 20 hours");
    world.restart("1m");
    world.advance("5h");
    assert_eq!(notices(&mut world), ["d1 does not appear on facebook"]);
    world.advance("5d");
    assert_eq!(notices(&mut world).len(), 1);
    assert!(network.asked("find").len() < looks + 160, "{}", network.asked("find").len());
    assert_eq!((world.delivery(1).0.as_str(), network.asked("publish").len()), ("unknown", 1));
}

#[test]
fn a_read_back_that_cannot_tell_or_fails_is_told_when_it_has_been_tried_for_long() {
    for (how, quiet, told) in [(ReadBack::Unsure, "50m", "2h"), (ReadBack::Fails, "23h", "3h")] {
        let network = Arc::new(ScriptedChannel::new([Answer::LostAfter]).read_back(how));
        let mut world = world(&network);
        post(&mut world, json!({ "text": "Perhaps." }));
        world.advance(quiet);
        assert!(notices(&mut world).is_empty(), "{how:?}");
        world.advance(told);
        assert_eq!(notices(&mut world), ["Is d1 online on facebook?"], "{how:?}");
    }
}

#[test]
fn what_is_given_up_is_told_once_and_a_notice_that_fails_is_not() {
    let (network, mailbox) =
        (Arc::new(ScriptedChannel::always(Answer::Defect)), Arc::new(ScriptedChannel::always(Answer::Defect)));
    let mut world = world(&network).workflow("tell", "", "notify::send(run::payload());").notifier("owner", &mailbox);
    post(&mut world, json!({ "text": "Never.", "expires": "30d" }));
    world.run_with("tell", Some(json!({ "title": "hello", "text": "x" })));
    world.advance("10d");
    assert_eq!(world.delivery(1).0, "dead");
    assert_eq!(notices(&mut world), ["hello", "d1 was given up on facebook"]);
    assert_eq!([world.delivery(2).0, world.delivery(3).0], ["dead", "dead"], "and nothing is told about those");
    let text = row(&mut world, 3).content["text"].as_str().unwrap().to_owned();
    assert!(text.contains("given up after 8 tries") && text.contains("beffroi reject d1"), "{text}");
}
