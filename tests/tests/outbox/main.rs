//! What the owner can rely on around the sending itself: fallbacks, recalls, freezes undone post by post, backlogs that drip, and
//! what the daemon cannot settle handed over. All of it over restarts.

mod backlog;
mod chance;
mod freeze;
mod typed;

use beffroi::clock::Clock;
use beffroi::domain::{DeliveryId, Json, Timestamp};
use beffroi::effects::seal;
use beffroi::store::outbox::OutboxOp;
use beffroi::store::view::{self, DeliveryRow};
use beffroi::store::{CommitError, NewDelivery, NewFallback, Op};
use beffroi_tests::World;
use beffroi_tests::channel::{Answer, Down, ReadBack, ScriptedChannel};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const STOCK: &str = "\n[catalogs.till]\nfile = \"stock.csv\"\nmax_age = \"600h\"\n";

/// A shop with an account `facebook` on this channel, without limits of its own, and a workflow that plans what it is given.
fn world(channel: &Arc<ScriptedChannel>) -> World {
    let world = World::new()
        .account()
        .with(STOCK)
        .workflow(
            "say",
            "",
            "let p = run::payload(); if \"prefix\" in p { posts::withdraw(p.prefix, \"over\"); } else { posts::plan(p); }",
        )
        .channel("facebook", channel);
    stock(&world, 5);
    world
}

fn stock(world: &World, available: u32) {
    world.file("stock.csv", &format!("sku,title,stock,price\nTARTE,Tarte,{available},12.00\n"));
}

fn channel(answers: impl IntoIterator<Item = Answer>) -> Arc<ScriptedChannel> {
    Arc::new(ScriptedChannel::new(answers))
}

fn post(world: &mut World, post: Json) {
    let run = world.run_with("say", Some(post));
    assert_eq!(run.row.state, "done", "{:?}", run.row.error);
}

/// A post about the tart, with another one for when there is none.
fn guarded(text: &str) -> Json {
    json!({ "text": text, "guards": { "sku": "TARTE" }, "on_fail": "swap", "fallback": { "text": format!("Instead of {text}") } })
}

fn with(mut post: Json, more: Json) -> Json {
    post.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    post
}

fn row(world: &mut World, number: i64) -> DeliveryRow {
    world.ask(|db| view::delivery(db, DeliveryId(number))).expect("such a delivery")
}

fn recall(world: &mut World, number: i64) -> Result<(), CommitError> {
    world.order(vec![Op::Outbox(OutboxOp::Recall { id: DeliveryId(number), by: "owner".into(), reason: "a mistake".into() })])
}

fn recalled(world: &mut World, number: i64) -> (String, String) {
    let recall = row(world, number).recall.expect("it was called back");
    (recall.state, recall.note.unwrap_or_default())
}

fn release(number: i64) -> Op {
    Op::Outbox(OutboxOp::Release { id: DeliveryId(number), by: "owner".into(), note: "let through".into() })
}

fn history(world: &mut World, number: i64) -> Vec<String> {
    world
        .ask(|db| view::delivery_history(db, DeliveryId(number)))
        .into_iter()
        .map(|(_, state, text)| format!("{state}: {text}"))
        .collect()
}

/// Titles of the notices that people got, in order.
fn notices(world: &mut World) -> Vec<String> {
    let rows = world.deliveries();
    rows.into_iter().filter(|d| d.kind == "notice").map(|d| d.content["title"].as_str().expect("a title").to_owned()).collect()
}

fn now(world: &mut World) -> Timestamp {
    world.on().clock.now()
}

// ---- fallbacks ------------------------------------------------------------------------------------------------------

#[test]
fn a_post_whose_condition_fails_is_swapped_for_its_fallback_in_its_place() {
    let network = channel([]);
    let mut world = world(&network);
    post(&mut world, with(guarded("the tart"), json!({ "at": "1h" })));
    post(&mut world, json!({ "text": "Later planned, same hour.", "at": "1h" }));
    stock(&world, 0);
    world.restart("10m");
    world.advance("2h");
    assert_eq!(network.online(), ["Instead of the tart", "Later planned, same hour."], "it keeps its place");
    assert_eq!(world.delivery(1), ("cancelled".into(), "\"Tarte\" is sold out; d2 stands in for it".into()));
    assert_eq!(world.delivery(2).0, "online");
    assert!(history(&mut world, 2).contains(&"held: stands in for d1: \"Tarte\" is sold out".to_owned()));
    let (primary, fallback) = (row(&mut world, 1), row(&mut world, 2));
    assert_eq!((primary.fallback, fallback.stands_in_for), (Some(DeliveryId(2)), Some(DeliveryId(1))));
    assert_eq!((primary.due, primary.until, &primary.target), (fallback.due, fallback.until, &fallback.target));
    assert!(fallback.guards.is_none() && primary.armed_at.is_none());
}

#[test]
fn a_fallback_ends_with_its_post_whatever_becomes_of_that() {
    let network = channel([Answer::Online, Answer::Reject]);
    let mut world = world(&network);
    for (n, more) in
        [json!({}), json!({ "at": "1m" }), json!({ "at": "3h", "once": "a/1" }), json!({ "at": "3h" })].into_iter().enumerate()
    {
        post(&mut world, with(guarded(&n.to_string()), more));
    }
    post(&mut world, with(guarded("recalled"), json!({ "at": "3h" })));
    post(&mut world, with(guarded("expired"), json!({ "draft": true, "expires": "1h" })));
    world.advance("10m");
    world.run_with("say", Some(json!({ "prefix": "a/" })));
    world.order(vec![Op::Reject { id: DeliveryId(7), by: "owner".into(), reason: "no".into() }]).unwrap();
    recall(&mut world, 9).unwrap();
    world.restart("1m");
    world.advance("2d");
    let states: Vec<String> = world.deliveries().into_iter().map(|d| d.state).collect();
    assert_eq!(states[..4], ["online", "cancelled", "refused", "cancelled"]);
    assert!(states[4..].iter().all(|state| state == "cancelled"), "{states:?}");
    assert_eq!(world.delivery(2).1, "d1 ended without it");
    assert_eq!(network.asked("publish").len(), 2);
}

#[test]
fn a_fallback_of_the_library_has_its_own_text_for_each_network() {
    let network = channel([]);
    let mut world = world(&network).with("\n[library]\nfolder = \"library\"\n");
    world.file(
        "library/recipe.md",
        "---\ntheme: recipes\nlink: https://b.example/r\n---\nHow we bake.\n\n## facebook\nHow we bake, for you.\n",
    );
    stock(&world, 0);
    post(&mut world, with(guarded("x"), json!({ "fallback": "recipe" })));
    world.settle();
    let fallback = row(&mut world, 2);
    assert_eq!((fallback.item.as_deref(), fallback.theme.as_deref()), (Some("recipe"), Some("recipes")));
    assert_eq!(fallback.content["link"], "https://b.example/r");
    assert_eq!(network.online().len(), 1);
    assert!(network.online()[0].starts_with("How we bake"), "{:?}", network.online());
    for wrong in [
        json!({ "text": "x", "on_fail": "swap", "guards": { "sku": "TARTE" } }),
        json!({ "text": "x", "on_fail": "swap", "fallback": { "text": "y" } }),
        json!({ "text": "x", "guards": { "sku": "TARTE" }, "fallback": { "text": "y" } }),
        with(guarded("x"), json!({ "fallback": "no-such-item" })),
        with(guarded("x"), json!({ "fallback": { "text": " " } })),
        with(guarded("x"), json!({ "fallback": { "text": "y", "guards": {} } })),
        with(guarded("x"), json!({ "fallback": 5 })),
    ] {
        let run = world.run_with("say", Some(wrong.clone()));
        assert!(
            run.row.state == "failed"
                && run.row.error.is_some_and(|e| e.contains("fallback")
                    || e.contains("swap")
                    || e.contains("stands in")
                    || e.contains("library")),
            "{wrong}"
        );
    }
}

#[test]
fn the_effects_of_a_run_show_the_fallback_and_are_what_they_were_without_one() {
    let mut world = world(&channel([]));
    let run = world.run_with("say", Some(json!({ "text": "Plain." }))).effects.unwrap();
    assert!(run["posts"][0]["deliveries"][0].get("fallback").is_none(), "{run}");
    let run = world.run_with("say", Some(guarded("x"))).effects.unwrap();
    assert_eq!(run["posts"][0]["deliveries"][0]["fallback"]["content"]["text"], "Instead of x");
    assert_eq!(run["posts"][0]["guards"]["on_fail"], "swap");
}

#[test]
fn a_fallback_needs_its_own_yes_even_after_its_post_got_one() {
    let network = channel([]);
    let mut world = world(&network);
    post(&mut world, with(guarded("x"), json!({ "draft": true })));
    post(&mut world, with(guarded("y"), json!({ "draft": true })));
    world.settle();
    stock(&world, 0);
    // A yes to the first post alone, past the socket, which gives both or none; and to both of the second.
    for number in [1, 3, 4] {
        world.approve(number);
    }
    world.advance("1h");
    assert_eq!(network.online(), ["Instead of y"]);
    assert_eq!(world.delivery(1).0, "cancelled");
    assert_eq!(world.delivery(2), ("held".into(), "waits for a yes".into()));
    world.approve(2);
    world.advance("1h");
    assert_eq!(network.online(), ["Instead of y", "Instead of x"]);
}

#[test]
fn an_account_that_begins_to_ask_asks_for_the_fallback_too() {
    let network = channel([]);
    let mut world = world(&network);
    post(&mut world, with(guarded("x"), json!({ "at": "1h" })));
    world.reconfigure(|c| c.replace("folder = \"posts\"", "folder = \"posts\"\napproval = \"always\""));
    world.advance("2h");
    assert_eq!([row(&mut world, 1).approval, row(&mut world, 2).approval], ["needed", "needed"]);
    stock(&world, 0);
    world.approve(1);
    world.approve(2);
    world.settle();
    assert_eq!(network.online(), ["Instead of x"]);
}

#[test]
fn no_code_path_can_send_a_fallback_beside_its_post() {
    let network = channel([Answer::LostAfter]);
    let mut world = world(&network);
    post(&mut world, guarded("sent"));
    post(&mut world, with(guarded("cancelled before"), json!({ "at": "1h" })));
    post(&mut world, with(json!({ "text": "plain" }), json!({ "at": "1h" })));
    world.settle();
    recall(&mut world, 3).unwrap();
    world.advance("1s");
    let raw = rusqlite::Connection::open(world.database()).unwrap();
    for tampering in [
        "UPDATE delivery SET state = 'due' WHERE id = 2",
        "UPDATE delivery SET state = 'armed' WHERE id = 2",
        "UPDATE delivery SET state = 'preparing' WHERE id = 2",
        "UPDATE fallback SET swapped_at = 1 WHERE delivery = 2",
        "UPDATE fallback SET swapped_at = 1 WHERE delivery = 4",
        "UPDATE fallback SET stands_in_for = 5 WHERE delivery = 2",
        "DELETE FROM fallback",
        "INSERT INTO fallback (delivery, stands_in_for) VALUES (5, 1)",
        "INSERT INTO fallback (delivery, stands_in_for) VALUES (5, 2)",
        "INSERT INTO recall (delivery, state, by_whom, look_at, asked_at) VALUES (5, 'asked', 'x', 0, 0)",
    ] {
        assert!(raw.execute(tampering, []).is_err(), "{tampering}");
    }
    world.order(vec![Op::Freeze(Some("storm".into()))]).unwrap();
    assert!(raw.execute("UPDATE delivery SET state = 'armed' WHERE id = 5", []).is_err(), "frozen");
    drop(raw);
    world.advance("1d");
    assert_eq!(network.online(), ["sent"]);
}

// ---- recall -----------------------------------------------------------------------------------------------------------

#[test]
fn a_post_that_is_online_is_taken_down_even_while_all_is_frozen() {
    let network = Arc::new(ScriptedChannel::default().taking_down([Down::Gone]));
    let mut world = world(&network);
    post(&mut world, json!({ "text": "Wrong price." }));
    post(&mut world, json!({ "text": "Right." }));
    world.settle();
    world.freeze("a mistake went out");
    recall(&mut world, 1).unwrap();
    world.settle();
    assert_eq!(network.online(), ["Right."]);
    assert_eq!(recalled(&mut world, 1), ("gone".into(), "taken down from the network".into()));
    assert_eq!(world.delivery(1).0, "online", "what was online stays told");
    assert!(recall(&mut world, 1).is_err_and(|e| e.to_string().contains("taken down already")));
    world.restart("1d");
    world.advance("1d");
    assert_eq!(network.asked("unpublish").len(), 1);
    let remote = row(&mut world, 1).remote_id.unwrap();
    assert_eq!(network.asked("unpublish")[0].text, remote);
    assert_ne!(network.asked("unpublish")[0].key, network.asked("publish")[0].key, "a request of its own");
}

#[test]
fn a_folder_takes_its_files_away_and_nothing_else() {
    let mut world = World::new().account().workflow("say", "", "posts::plan(run::payload());");
    for text in ["Wrong price.", "Right."] {
        post(&mut world, json!({ "text": text }));
    }
    world.settle();
    let index = |world: &World| std::fs::read_to_string(world.path("posts/index.html")).unwrap();
    assert!(world.files("posts", ".md").len() == 2 && index(&world).contains("Wrong price."));
    recall(&mut world, 1).unwrap();
    world.settle();
    assert_eq!(recalled(&mut world, 1).0, "gone");
    assert_eq!((world.files("posts", ".md").len(), world.files("posts", ".html").len()), (1, 2));
    assert!(index(&world).contains("Right.") && !index(&world).contains("Wrong price."));
    // Somebody was faster, and by hand.
    for name in world.files("posts", ".md") {
        std::fs::remove_file(world.path("posts").join(name)).unwrap();
    }
    recall(&mut world, 2).unwrap();
    world.settle();
    assert_eq!(recalled(&mut world, 2).0, "gone");
    let raw = rusqlite::Connection::open(world.database()).unwrap();
    raw.execute("UPDATE delivery SET remote_id = ?1 WHERE id = 1", ["../scripts/say.md"]).unwrap();
    raw.execute("DELETE FROM recall", []).unwrap();
    drop(raw);
    recall(&mut world, 1).unwrap();
    world.settle();
    assert_eq!(recalled(&mut world, 1).0, "impossible");
}

#[test]
fn what_has_not_gone_out_is_cancelled_by_a_recall() {
    let network = Arc::new(ScriptedChannel::new([Answer::Retry(None)]).taking_down([Down::Gone]));
    let mut world = world(&network);
    post(&mut world, json!({ "text": "Tried." }));
    post(&mut world, json!({ "text": "Later.", "at": "1h" }));
    post(&mut world, json!({ "text": "Draft.", "draft": true }));
    world.settle();
    for number in 1..=3 {
        recall(&mut world, number).unwrap();
        assert_eq!(world.delivery(number), ("cancelled".into(), "a mistake".into()));
        assert!(recall(&mut world, number).is_err_and(|e| e.to_string().contains("nothing to take down")));
    }
    world.advance("1d");
    assert!(network.online().is_empty() && network.asked("unpublish").is_empty());
}

#[test]
fn a_recall_of_what_may_be_out_waits_until_that_is_known() {
    for (answer, ends) in [(Answer::LostAfter, "online"), (Answer::LostBefore, "cancelled"), (Answer::Pending(3), "online")] {
        let network = Arc::new(ScriptedChannel::new([answer.clone()]).taking_down([Down::Gone]));
        let mut world = world(&network);
        post(&mut world, json!({ "text": "Perhaps.", "expires": "30d" }));
        world.settle();
        assert_eq!(world.delivery(1).0, "unknown");
        recall(&mut world, 1).unwrap();
        world.settle();
        assert!(network.asked("unpublish").is_empty(), "nothing is known yet");
        world.restart("1s");
        world.advance("1h");
        assert_eq!(world.delivery(1).0, ends, "{answer:?}");
        assert_eq!(recalled(&mut world, 1).0, "gone");
        assert!(network.online().is_empty());
        world.advance("2d");
        assert_eq!(network.asked("publish").len(), 1, "a recalled post is never sent again");
        assert_eq!(network.asked("unpublish").len(), usize::from(ends == "online"));
    }
}

#[test]
fn the_owners_answer_about_a_recalled_unknown_counts() {
    for again in [true, false] {
        let network = Arc::new(ScriptedChannel::new([Answer::LostAfter]).read_back(ReadBack::No).taking_down([Down::Gone]));
        let mut world = world(&network);
        post(&mut world, json!({ "text": "Perhaps.", "expires": "30d" }));
        world.settle();
        recall(&mut world, 1).unwrap();
        world.advance("1h");
        assert_eq!(world.delivery(1).0, "unknown");
        let to = if again { "retrying" } else { "online" };
        let receipt = (!again).then(|| beffroi::kinds::Receipt { remote_id: "x".into(), url: None });
        let step = beffroi::store::DeliveryMove {
            id: DeliveryId(1),
            from: &["unknown"],
            to,
            reason: "looked".into(),
            look_at: if again { now(&mut world) } else { Timestamp::NEVER },
            prepared: None,
            receipt,
            attempt: false,
            tell: true,
            private: Vec::new(),
        };
        world.order(vec![Op::Move(Box::new(step))]).unwrap();
        world.advance("1h");
        assert_eq!(network.asked("publish").len(), 1);
        assert_eq!(network.asked("unpublish").len(), usize::from(!again));
        assert_eq!(recalled(&mut world, 1).0, "gone");
        assert_eq!(world.delivery(1).0, if again { "cancelled" } else { "online" });
    }
}

#[test]
fn taking_down_is_repeated_after_a_lost_answer_and_a_crash_and_ends_with_a_person() {
    let network = Arc::new(ScriptedChannel::default().taking_down([Down::Fails, Down::GoneAndLost, Down::Gone]));
    let mut world = world(&network);
    post(&mut world, json!({ "text": "Off with it." }));
    world.settle();
    recall(&mut world, 1).unwrap();
    world.settle();
    let (state, note) = recalled(&mut world, 1);
    assert!(state == "retrying" && note.contains("overloaded") && note.contains("Tried again in"), "{note}");
    world.restart("5s");
    world.advance("1h");
    assert_eq!(recalled(&mut world, 1).0, "gone");
    assert_eq!(network.asked("unpublish").len(), 3);

    for (way, tries) in [(Down::Fails, 30), (Down::GoneAndLost, 8), (Down::Rejects, 1), (Down::Cannot, 0)] {
        let network = Arc::new(ScriptedChannel::default().taking_down([way]));
        let mut world = self::world(&network);
        post(&mut world, json!({ "text": "Off with it." }));
        world.settle();
        recall(&mut world, 1).unwrap();
        world.advance("3d");
        let (state, note) = recalled(&mut world, 1);
        let place = row(&mut world, 1).remote_id.unwrap();
        assert!(state == "impossible" && note.contains(&place) && note.contains("beffroi recall d1 --done"), "{way:?}: {note}");
        assert_eq!(network.asked("unpublish").len(), tries);
        assert_eq!(notices(&mut world), ["d1 is still online on facebook"]);
        assert!(world.ask(beffroi::store::outbox::recalls_in_need).contains(&DeliveryId(1)));
        // Asked again, it is tried again; the notice is not repeated.
        network.now_takes_down([Down::Gone]);
        recall(&mut world, 1).unwrap();
        world.settle();
        assert_eq!(recalled(&mut world, 1).0, "gone");
        assert_eq!(notices(&mut world).len(), 1);
    }
}

// ---- freeze and thaw, post by post ---------------------------------------------------------------------------------------

#[test]
fn one_post_let_through_a_freeze_leaves_the_rest_frozen_and_another_freeze_stops_it_again() {
    let network = channel([Answer::Retry(None)]);
    let mut world = world(&network);
    for text in ["1", "2", "3"] {
        post(&mut world, json!({ "text": text, "at": "1h", "expires": "30d" }));
    }
    post(&mut world, json!({ "text": "draft", "draft": true }));
    world.freeze("storm");
    world.advance("2h");
    world.order(vec![release(2), Op::Reject { id: DeliveryId(3), by: "owner".into(), reason: "dropped".into() }]).unwrap();
    assert_eq!(world.delivery(3).0, "cancelled", "a drop counts at once");
    world.settle();
    assert_eq!((network.asked("publish").len(), world.delivery(2).0), (1, "retrying".into()));
    // The freeze is said again before the second try.
    world.freeze("a second storm");
    world.advance("1h");
    assert_eq!((network.asked("publish").len(), world.delivery(2).0), (1, "held".into()));
    world.order(vec![release(2)]).unwrap();
    world.restart("1m");
    world.advance("1h");
    assert_eq!(network.online(), ["2"]);
    assert_eq!(world.delivery(1), ("held".into(), "everything is frozen: storm".into()));
    for number in [2, 3, 4] {
        assert!(world.order(vec![release(number)]).is_err(), "{number} is online, dropped, or waits for a yes");
    }
    // All or nothing: the good half of a request with a bad one does not happen either.
    assert!(world.order(vec![release(1), release(4)]).is_err());
    world.advance("1h");
    assert_eq!(world.delivery(1).0, "held");
    world.thaw(None);
    world.settle();
    assert_eq!(network.online(), ["2", "1"]);
}

#[test]
fn one_post_let_through_a_stopped_account_goes_and_the_next_trip_stops_it() {
    let network = channel([Answer::Reconnect]);
    let mut world = world(&network);
    for text in ["1", "2"] {
        post(&mut world, json!({ "text": text, "expires": "30d" }));
    }
    world.settle();
    assert_eq!(world.ask(view::breakers).len(), 1);
    world.order(vec![release(2)]).unwrap();
    world.settle();
    assert_eq!(network.online(), ["2"]);
    assert_eq!(world.delivery(1).0, "held");
    assert_eq!(world.ask(view::breakers).len(), 1, "the account stays stopped");
    network.now_answers(Answer::Reconnect);
    world.order(vec![release(1)]).unwrap();
    world.advance("1h");
    assert_eq!(network.asked("publish").len(), 3);
    network.now_answers(Answer::Online);
    world.advance("1d");
    assert_eq!(network.asked("publish").len(), 3, "it was let through the first stop, not the second");
}

/// The same content at another moment, as the socket makes it.
fn at_another_moment(row: &DeliveryRow, twin: Option<&DeliveryRow>, at: Timestamp) -> NewDelivery {
    let until = row.until.map(|end| at.plus(end.since(row.due)));
    let fallback = twin.map(|twin| {
        let content = twin.content.to_string();
        Box::new(NewFallback { seal: seal(&row.target, &content, at, until), content, item: None, theme: None })
    });
    let content = row.content.to_string();
    NewDelivery {
        target: row.target.clone(),
        held: (row.approval != "none").then(|| "waits for a yes".into()),
        seal: seal(&row.target, &content, at, until),
        content,
        needs_yes: row.approval != "none",
        due: at,
        until,
        guards: row.guards.as_ref().map(Json::to_string),
        fallback,
    }
}

#[test]
fn another_moment_is_a_new_seal_and_a_yes_goes_along_only_when_somebody_says_so() {
    for (yes, online) in [(Some("owner"), vec!["Instead of x"]), (None, vec![])] {
        let network = channel([]);
        let mut world = world(&network);
        post(&mut world, with(guarded("x"), json!({ "draft": true, "once": "x" })));
        world.settle();
        world.approve(1);
        world.approve(2);
        world.freeze("storm");
        world.advance("1m");
        let (old, twin) = (row(&mut world, 1), row(&mut world, 2));
        let at = now(&mut world).plus(Duration::from_secs(3_600));
        let to = at_another_moment(&old, Some(&twin), at);
        let move_it = |to: NewDelivery| {
            Op::Outbox(OutboxOp::Reslot {
                id: DeliveryId(1),
                to: Box::new(to),
                note: "moved, now {id}".into(),
                yes: yes.map(str::to_owned),
            })
        };
        let other = NewDelivery { content: to.content.replace('x', "z"), ..to.clone() };
        assert!(world.order(vec![move_it(other)]).is_err(), "the same content or none");
        assert!(
            world.order(vec![move_it(NewDelivery { needs_yes: false, held: None, ..to.clone() })]).is_err(),
            "it needs a yes as before"
        );
        world.order(vec![move_it(to)]).unwrap();
        assert_eq!(world.delivery(1), ("cancelled".into(), "moved, now d3".into()));
        assert_eq!(world.delivery(2).0, "cancelled");
        let new = row(&mut world, 3);
        assert_eq!((new.post, new.due, new.once.as_deref()), (old.post, at, Some("x")));
        assert_ne!(new.seal, old.seal);
        assert_eq!(new.approval, if yes.is_some() { "given" } else { "needed" });
        assert_eq!(new.fallback, Some(DeliveryId(4)));
        stock(&world, 0);
        world.thaw(None);
        world.restart("1m");
        world.advance("2h");
        assert_eq!(network.online(), online);
    }
}
