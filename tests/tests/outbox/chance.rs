//! Whatever people and networks do, in whatever order.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone)]
enum Act {
    Plan { draft: bool, guarded: bool },
    Pass(u16),
    Stock(bool),
    Freeze,
    Thaw,
    Stop,
    Mend,
    Release(u8),
    Recall(u8),
    Reject(u8),
    Approve(u8, bool),
    Move(u8, u16),
    Restart(u16),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (any::<bool>(), any::<bool>()).prop_map(|(draft, guarded)| Act::Plan { draft, guarded }),
        4 => (1_u16..90).prop_map(Act::Pass),
        2 => any::<bool>().prop_map(Act::Stock),
        1 => Just(Act::Freeze),
        2 => Just(Act::Thaw),
        1 => Just(Act::Stop),
        2 => Just(Act::Mend),
        2 => (0_u8..12).prop_map(Act::Release),
        2 => (0_u8..12).prop_map(Act::Recall),
        1 => (0_u8..12).prop_map(Act::Reject),
        3 => (0_u8..12, any::<bool>()).prop_map(|(n, both)| Act::Approve(n, both)),
        1 => (0_u8..12, 1_u16..90).prop_map(|(n, minutes)| Act::Move(n, minutes)),
        1 => (0_u16..90).prop_map(Act::Restart),
    ];
    prop::collection::vec(act, 6..28)
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let one = prop_oneof![
        4 => Just(Answer::Online),
        1 => Just(Answer::LostAfter),
        1 => Just(Answer::LostBefore),
        1 => Just(Answer::Retry(None)),
        1 => Just(Answer::Pending(2)),
        1 => Just(Answer::Reject),
    ];
    prop::collection::vec(one, 0..12)
}

/// What must hold after every act, whatever it was.
fn holds(world: &mut World, network: &ScriptedChannel) {
    let rows = world.deliveries();
    let by_id: BTreeMap<i64, &DeliveryRow> = rows.iter().map(|d| (d.id.0, d)).collect();
    for d in rows.iter().filter(|d| d.kind == "post") {
        let out = |d: &DeliveryRow| matches!(d.state.as_str(), "armed" | "unknown" | "online");
        let sealed = d.approval == "none" || (d.approval == "given" && d.approved_seal.as_ref() == Some(&d.seal));
        assert!(!out(d) || sealed, "sent without its yes: {d:#?}");
        if let Some(post) = d.stands_in_for.map(|id| by_id[&id.0]) {
            assert!(!(out(d) && out(post)), "both out: {d:#?} {post:#?}");
            assert_eq!(d.swapped_at.is_some(), d.swapped_at.is_some() && post.state == "cancelled", "{d:#?} {post:#?}");
            assert!(d.armed_at.is_none() || d.swapped_at.is_some(), "a fallback went out beside its post: {d:#?}");
            assert_eq!((d.due, d.until, &d.target), (post.due, post.until, &post.target));
        }
    }
    let texts = network.online();
    let distinct: BTreeSet<&String> = texts.iter().collect();
    assert_eq!(distinct.len(), texts.len(), "twice: {texts:?}");
    for text in &texts {
        assert!(!texts.contains(&format!("Instead of {text}")), "post and fallback: {texts:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_row_is_armed_without_its_yes_or_beside_its_twin_whatever_people_and_networks_do(acts in acts(), answers in answers()) {
        let network = Arc::new(ScriptedChannel::new(answers).taking_down([Down::Gone]));
        let mut world = world(&network);
        let mut planned = 0;
        for act in acts {
            let count = world.deliveries().len().max(1) as i64;
            let pick = |n: u8| i64::from(n) % count + 1;
            let before = network.asked("publish").len();
            let frozen = world.ask(view::freeze).is_some();
            let mut released = BTreeSet::new();
            // What people ask for may be refused; what matters is what holds then.
            match act {
                Act::Plan { draft, guarded: guard } => {
                    let text = format!("post {planned}");
                    planned += 1;
                    let plain = if guard { guarded(&text) } else { json!({ "text": text }) };
                    post(&mut world, with(plain, json!({ "draft": draft, "expires": "6h", "at": format!("{}m", planned % 3) })));
                }
                Act::Pass(minutes) => world.advance(&format!("{minutes}m")),
                Act::Stock(there) => stock(&world, if there { 5 } else { 0 }),
                Act::Freeze => world.freeze("storm"),
                Act::Thaw => world.thaw(None),
                Act::Stop => drop(world.order(vec![Op::Breaker { account: "facebook".into(), reason: Some("x".into()) }])),
                Act::Mend => world.thaw(Some("facebook")),
                Act::Release(n) => drop(world.order(vec![release(pick(n))])),
                Act::Recall(n) => drop(recall(&mut world, pick(n))),
                Act::Reject(n) => {
                    drop(world.order(vec![Op::Reject { id: DeliveryId(pick(n)), by: "o".into(), reason: "no".into() }]));
                }
                Act::Approve(n, both) => {
                    let Some(d) = world.ask(|db| view::delivery(db, DeliveryId(pick(n)))) else { continue };
                    let mut ops = vec![Op::Approve { id: d.id, seal: d.seal.clone(), by: "o".into() }];
                    if let Some(twin) = d.fallback.filter(|_| both).map(|id| row(&mut world, id.0)) {
                        ops.push(Op::Approve { id: twin.id, seal: twin.seal, by: "o".into() });
                    }
                    drop(world.order(ops));
                }
                Act::Move(n, minutes) => {
                    let Some(d) = world.ask(|db| view::delivery(db, DeliveryId(pick(n)))) else { continue };
                    let twin = d.fallback.map(|id| row(&mut world, id.0)).filter(DeliveryRow::stands_by);
                    let at = now(&mut world).plus(Duration::from_secs(60 * u64::from(minutes)));
                    let to = Box::new(at_another_moment(&d, twin.as_ref(), at));
                    let yes = (n % 2 == 0).then(|| "o".to_owned());
                    let moved = world.order(vec![Op::Outbox(OutboxOp::Reslot { id: d.id, to, note: "now {id}".into(), yes })]);
                    prop_assert!(moved.is_err() || row(&mut world, d.id.0).state == "cancelled");
                }
                Act::Restart(minutes) => world.restart(&format!("{minutes}m")),
            }
            world.settle();
            holds(&mut world, &network);
            if frozen && world.ask(view::freeze).is_some() {
                for d in world.deliveries() {
                    if world.ask(|db| beffroi::store::outbox::let_through(db, d.id)).0 {
                        released.insert(d.id.to_string());
                    }
                }
                for asked in &network.asked("publish")[before..] {
                    let id = asked.key.rsplit('-').next().unwrap_or_default();
                    prop_assert!(released.contains(id), "{id} was sent while all was frozen");
                }
            }
        }
        world.thaw(None);
        world.thaw(Some("facebook"));
        world.advance("3d");
        holds(&mut world, &network);
        for d in world.deliveries().into_iter().filter(|d| d.kind == "post") {
            prop_assert!(!matches!(d.state.as_str(), "due" | "preparing" | "armed" | "retrying"), "left hanging: {:#?}", d);
            if let Some(recall) = &d.recall {
                prop_assert_eq!(&recall.state, "gone");
                let text = d.content["text"].as_str().unwrap().to_owned();
                prop_assert!(!network.online().contains(&text), "still online: {:#?}", d);
            }
        }
    }

    #[test]
    fn a_backlog_of_any_shape_leaves_in_order_and_drips(
        dues in prop::collection::vec(0_u32..600, 1..12),
        outages in prop::collection::vec((0_u32..120, 0_u32..300, any::<bool>()), 0..4),
    ) {
        let network = channel([]);
        let mut world = world(&network);
        for (n, due) in dues.iter().enumerate() {
            post(&mut world, json!({ "text": format!("{n}"), "at": format!("{}m", due + 1), "expires": "60d" }));
        }
        for (up, down, freeze) in outages {
            world.advance(&format!("{up}m"));
            if freeze {
                world.freeze("storm");
                world.advance(&format!("{down}m"));
                world.thaw(None);
            } else {
                world.restart(&format!("{down}m"));
            }
        }
        world.advance("2d");
        let rows = world.deliveries();
        prop_assert!(rows.iter().all(|d| d.state == "online"));
        let mut sent: Vec<(Timestamp, Timestamp, i64)> = rows.iter().map(|d| (d.armed_at.unwrap(), d.due, d.id.0)).collect();
        sent.sort();
        let late: Vec<_> = sent.iter().filter(|(at, due, _)| at.since(*due) > Duration::from_secs(300)).collect();
        for pair in late.windows(2) {
            prop_assert!((pair[0].1, pair[0].2) < (pair[1].1, pair[1].2), "out of order: {:?}", late);
            prop_assert!(pair[1].0.since(pair[0].0) >= Duration::from_secs(900), "a burst: {:?}", late);
        }
    }
}
