//! Attacks by what a plugin answers: too much, without end, out of range, untrue, or meant for somebody's terminal or browser.

use crate::{act, deed, size, text};
use beffroi_plugin::prelude::*;

/// Signs that steer terminals, turn text around, or end strings.
const DIRT: &str = "a\0b\u{1b}[2J\u{202e}c\r\nd\u{2028}e\u{9b}f\u{200f}g";

fn dirty(orders: &Value) -> Failure {
    let message = if size(orders, "size") > 0 { "m".repeat(size(orders, "size")) } else { DIRT.into() };
    Failure {
        code: format!("Code {DIRT}"),
        message,
        attributes: (0..200).map(|n| Attribute::new(format!("{DIRT}{n}"), DIRT.repeat(100))).collect(),
    }
}

pub(crate) fn check(orders: &Value) -> Option<Result<String, Error>> {
    match deed(orders) {
        "name" => Some(Ok(format!("{DIRT}{}", "n".repeat(size(orders, "size"))))),
        _ => None,
    }
}

pub(crate) fn validate(orders: &Value, post: &Post) -> Vec<Problem> {
    match deed(orders) {
        "objections" => (0..size(orders, "count")).map(|n| Problem::new(DIRT, format!("{n} {}", DIRT.repeat(500)))).collect(),
        "validate-by-network" => {
            let sent = http::get(text(orders, "url")).send_raw();
            vec![Problem::new("told", format!("{sent:?}"))]
        }
        "validate-loop" => act().map(|_| Vec::new()).unwrap_or_default(),
        "loop" => loop {
            std::hint::black_box(());
        },
        _ if post.text.is_empty() => vec![Problem::new("empty", "The post is empty.")],
        _ => Vec::new(),
    }
}

pub(crate) fn publish(orders: &Value, prepared: Option<&str>) -> Option<Result<Outcome, Error>> {
    Some(match deed(orders) {
        "receipt" => Ok(Outcome::Online(Receipt::new(
            if size(orders, "size") > 0 { "r".repeat(size(orders, "size")) } else { format!("id {DIRT}") },
            Some(text(orders, "url").into()),
        ))),
        "reject-after-sending" => {
            drop(http::post(text(orders, "url")).bytes("posted", "text/plain").send_raw());
            Err(Error::reject("no", "It was not posted."))
        }
        "pending-for-ever" => {
            Ok(Outcome::Pending(Pause::new(format!("{}x", prepared.unwrap_or_default()), u64::MAX, "Still at it.")))
        }
        "pending-huge" => Ok(Outcome::Pending(Pause::new("h".repeat(size(orders, "size")), 0, DIRT))),
        "fail-dirty" => Err(Error::Reject(dirty(orders))),
        "fail-internal" => Err(Error::internal("own-defect", "I am broken.")),
        "retry-never" => Err(Error::retry_at("later", "Much later.", u64::MAX)),
        _ => return None,
    })
}

pub(crate) fn prepare(orders: &Value, so_far: Option<&str>) -> Result<Preparation, Error> {
    match deed(orders) {
        "never-ready" => Ok(Preparation::Again(Pause::new("same", 0, "Almost there."))),
        "growing-handle" => {
            let handle = format!("{}{}", so_far.unwrap_or_default(), "h".repeat(size(orders, "size")));
            Ok(Preparation::Again(Pause::new(handle, 0, DIRT)))
        }
        "huge-handle" => Ok(Preparation::Ready(Some("h".repeat(size(orders, "size"))))),
        "far-pause" => Ok(Preparation::Again(Pause::new("far", u64::MAX, "In a while."))),
        _ => Ok(Preparation::Ready(so_far.map(str::to_owned))),
    }
}

pub(crate) fn find(orders: &Value) -> Result<Finding, Error> {
    Ok(match deed(orders) {
        "find-lie" => Finding::Online(Receipt::new("made-up", Some("javascript:alert(1)".into()))),
        "find-dirt" => Finding::Refused(DIRT.repeat(1_000)),
        "find-pending" => Finding::Pending(Pause::new("p".repeat(size(orders, "size")), u64::MAX, DIRT)),
        _ => Finding::Absent,
    })
}

pub(crate) fn samples(orders: &Value) -> Result<Vec<Sample>, Error> {
    Ok(match deed(orders) {
        "figures" => vec![
            Sample::of_account("likes", f64::NAN),
            Sample::of_account("likes", f64::INFINITY),
            Sample::of_account("likes", f64::NEG_INFINITY),
            Sample::of_account(DIRT, 1.0),
            Sample::of_account("likes", -5.0),
            Sample::of_account("likes", f64::MAX),
            Sample::of_account("", 1.0),
            Sample::of_post("never-asked-for", "likes", 1_000_000.0),
            Sample::of_account("likes", 3.0),
        ],
        "many-figures" => (0..size(orders, "count")).map(|n| Sample::of_account(format!("n{n}"), 1.0)).collect(),
        _ => {
            act()?;
            Vec::new()
        }
    })
}

pub(crate) fn messages(orders: &Value, since: Option<&str>) -> Result<InboxPage, Error> {
    let message = |id: String, text: String, at: u64| Message {
        remote_id: id,
        kind: DIRT.into(),
        author: format!("{DIRT}{}", "a".repeat(1_000)),
        text,
        at,
        in_reply_to: Some(DIRT.into()),
        url: Some("javascript:alert(1)".into()),
        attributes: Vec::new(),
    };
    Ok(match deed(orders) {
        "messages" => InboxPage {
            messages: vec![message(DIRT.into(), DIRT.repeat(10), u64::MAX), message(String::new(), "t".repeat(100_000), 0)],
            next: Some("c".repeat(size(orders, "size"))),
            more: false,
        },
        "messages-endless" => InboxPage { messages: Vec::new(), next: since.map(str::to_owned), more: true },
        _ => {
            act()?;
            InboxPage { messages: Vec::new(), next: None, more: false }
        }
    })
}

pub(crate) fn signals(orders: &Value) -> Option<SignalPage> {
    let page = |signals| SignalPage { signals, next: None, unchanged: false };
    Some(match deed(orders) {
        "many-signals" => page((0..size(orders, "count")).map(|n| Signal::new(n.to_string(), "s")).collect()),
        "huge-title" => page(vec![Signal::new("1", "t".repeat(size(orders, "size")))]),
        "dirty-signals" => page(vec![
            Signal {
                id: format!("id{DIRT}"),
                title: format!("title {DIRT}"),
                summary: DIRT.repeat(1_000),
                url: Some("javascript:alert(document.cookie)".into()),
                published: Some(u64::MAX),
                attributes: vec![Attribute::new(DIRT, DIRT)],
            },
            Signal { url: Some("https://u:p@example.com/\u{202e}".into()), ..Signal::new("", "no id") },
            Signal { url: Some("data:text/html,<script>".into()), published: Some(0), ..Signal::new("3", "") },
        ]),
        "same-signals" => page((0..size(orders, "count")).map(|_| Signal::new("same", "same")).collect()),
        "huge-cursor" => SignalPage { signals: Vec::new(), next: Some("c".repeat(size(orders, "size"))), unchanged: false },
        "unchanged-but-full" => SignalPage { signals: vec![Signal::new("1", "x")], next: None, unchanged: true },
        _ => return None,
    })
}

pub(crate) fn stock(orders: &Value, since: Option<&str>) -> Result<StockPage, Error> {
    let page = |items, next: Option<String>, more| StockPage { items, removed: Vec::new(), changes: false, next, more };
    let price = |minor, currency: &str| Some(Price { minor, currency: currency.into() });
    let step = since.and_then(|s| s.trim_start_matches('p').parse::<u64>().ok()).unwrap_or_default();
    Ok(match deed(orders) {
        "stock-stuck" => page(Vec::new(), Some("again".into()), true),
        "stock-endless" => page(vec![Item::new("same", "Pain")], Some(format!("p{}", step + 1)), true),
        "stock-circle" => page(vec![Item::new("same", "Pain")], Some(format!("p{}", (step + 1) % 3)), true),
        "stock-none" => page(vec![Item::new("same", "Pain")], None, true),
        "stock-many" => {
            let items = (0..size(orders, "count")).map(|n| Item::new(format!("{step}-{n}"), "x")).collect();
            page(items, Some(format!("p{}", step + 1)), true)
        }
        "stock-mixed" => StockPage { changes: step % 2 == 1, ..page(Vec::new(), Some(format!("p{}", step + 1)), true) },
        "stock-removed" => {
            StockPage { removed: vec!["r".repeat(10_000); size(orders, "count")], changes: true, ..page(Vec::new(), None, false) }
        }
        "stock-odd" => page(
            vec![
                Item { available: Some(i64::MIN), price: price(-100, "EUR"), ..Item::new("least", "Pain") },
                Item { available: Some(i64::MAX), price: price(i64::MIN, "EUR"), ..Item::new("most", "Pain") },
                Item { available: Some(1), price: price(100, "DOUBLOON\u{1b}[2J"), ..Item::new("odd", "Pain") },
                Item { price: price(100, ""), was: price(i64::MAX, "eur"), ..Item::new("none", "Pain") },
                Item {
                    url: Some("javascript:alert(1)".into()),
                    image: Some("file:///etc/passwd".into()),
                    category: Some(DIRT.into()),
                    ..Item::new(format!("sku{DIRT}"), format!("title {DIRT}"))
                },
                Item::new("", ""),
            ],
            None,
            false,
        ),
        _ => {
            act()?;
            page(Vec::new(), None, false)
        }
    })
}

pub(crate) fn generation(orders: &Value) -> Result<Generation, Error> {
    let usage = |cost| Usage { model: format!("m{DIRT}"), input_tokens: u64::MAX, output_tokens: u64::MAX, cost_micros: cost };
    Ok(match deed(orders) {
        "texts" => Generation { texts: vec![DIRT.repeat(10_000); size(orders, "count")], usage: usage(Some(u64::MAX)) },
        _ => {
            act()?;
            Generation { texts: Vec::new(), usage: usage(None) }
        }
    })
}
