//! Answers that are too much, without end, out of range, untrue, or meant for a terminal or a browser.
//!
//! In: what the attacker answers in each of its abilities. Out: values within bounds, or a failure. Never: a control character, an
//! address that is not of the web, a figure that is none.

use crate::bench::{Bench, Case, End, Nowhere, Seen, Setup, post};
use crate::network::{case, granted};
use crate::server::{Server, ok};
use beffroi::domain::{Language, Timestamp};
use beffroi::kinds::{Channel, Finding, Notice, Outcome, Pause, Preparation, Prompt, SignalPage};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn account() -> Setup {
    Setup { scope: "account:town".into(), ..Setup::default() }
}

fn channel(bench: &Bench, name: &str, orders: &Value) -> Arc<dyn Channel> {
    bench.plugins.channel(&bench.attacker(name, &account(), orders))
}

/// What is wrong with a text that an owner or a workflow is shown.
fn dirt(text: &str, most: usize) -> Option<String> {
    let bad =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    if let Some(c) = text.chars().find(|c| bad(*c) && *c != '\n') {
        return Some(format!("{c:?} came through"));
    }
    (text.chars().count() > most).then(|| format!("{} characters came through", text.chars().count()))
}

/// The first thing that is wrong, or that all is well.
fn judged(faults: impl IntoIterator<Item = Option<String>>, well: impl Into<String>) -> Seen {
    Seen::cleaned(faults.into_iter().flatten().next().unwrap_or_else(|| well.into()))
}

fn fault(wrong: bool, what: &str) -> Option<String> {
    wrong.then(|| what.to_owned())
}

/// Far away, but a date that a calendar has.
fn sane(at: Timestamp) -> bool {
    at.millis() >= 0 && at.local(chrono_tz::Europe::Paris).format("%Y").to_string().len() == 4
}

fn poll(bench: &Bench, name: &str, orders: &Value) -> Result<SignalPage, Seen> {
    bench.poll(name, &Setup { time: Duration::from_secs(10), ..Setup::default() }, orders, &Nowhere).map_err(|e| Seen::failed(&e))
}

fn signals(bench: &Bench, name: &str, orders: &Value, judge: impl FnOnce(SignalPage) -> Seen) -> Seen {
    match poll(bench, name, orders) {
        Ok(page) => judge(page),
        Err(seen) => seen,
    }
}

fn paused(pause: &Pause) -> Vec<Option<String>> {
    vec![
        dirt(&pause.message, 1_000),
        fault(!sane(pause.not_before), "a moment beyond all calendars came through"),
        fault(pause.handle.len() > 64 << 10, "a huge handle came through"),
    ]
}

fn prepared(bench: &Bench, name: &str, orders: &Value) -> Result<Preparation, Seen> {
    let channel = channel(bench, name, orders);
    let call = bench.call(name, Duration::from_secs(10), &Nowhere);
    channel.prepare(&call, "key", &post(bench), None).map_err(|e| Seen::failed(&e))
}

fn stock(bench: &Bench, name: &str, orders: &Value) -> Seen {
    stock_within(bench, name, orders, Duration::from_secs(10))
}

fn stock_within(bench: &Bench, name: &str, orders: &Value, time: Duration) -> Seen {
    let used = bench.attacker(name, &Setup { scope: "catalog:shop".into(), ..Setup::default() }, orders);
    let call = bench.call(name, time, &Nowhere);
    match bench.plugins.catalog(&used).poll(&call, None) {
        Err(error) => Seen::failed(&error),
        Ok(page) => judged(
            page.items.iter().flat_map(|item| {
                let web = |url: &Option<String>| url.as_ref().is_some_and(|u| !u.starts_with("http"));
                [
                    dirt(&item.title, 500),
                    dirt(&item.sku, 500),
                    dirt(item.category.as_deref().unwrap_or_default(), 200),
                    fault(item.sku.is_empty(), "a product without a number came through"),
                    fault(web(&item.url) || web(&item.image), "an address that is not of the web came through"),
                    fault(item.available.is_some_and(|n| n < 0), "a negative stock came through"),
                    fault(
                        item.price.is_some_and(|p| p.minor < 0) || item.was.is_some_and(|p| p.minor < 0),
                        "a negative price came through",
                    ),
                ]
            }),
            format!("{} products, {} removed; {}", page.items.len(), page.removed.len(), page.remarks.join(" ")),
        ),
    }
}

pub(crate) const CASES: &[Case] = &[
    case!(
        "signals-many",
        "gives 50 000 signals at once",
        "signals per read",
        &["2000 signals", "gave more than 2000 signals at once"],
        Cleaned,
        |b, n| signals(b, n, &json!({ "do": "many-signals", "count": 50_000 }), |page| Seen::cleaned(format!(
            "{} signals. {}",
            page.signals.len(),
            page.remarks.join(" ")
        )))
    ),
    case!(
        "signals-million",
        "gives a million signals at once",
        "memory per call, or what a call may hand over at once",
        &["stopped"],
        Defect,
        |b, n| signals(b, n, &json!({ "do": "many-signals", "count": 1_000_000 }), |page| Seen::cleaned(format!(
            "{}",
            page.signals.len()
        )))
    ),
    case!("title-huge", "gives a title of 10 MB", "length of a title", &["a title of 501 characters"], Cleaned, |b, n| signals(
        b,
        n,
        &json!({ "do": "huge-title", "size": 10_000_000 }),
        |page| Seen::cleaned(format!("a title of {} characters", page.signals[0].title.chars().count()))
    )),
    case!(
        "answer-64-mib",
        "gives a text of 64 MiB",
        "memory per call",
        &["needed more than 32 MiB of memory"],
        Defect,
        |b, n| signals(b, n, &json!({ "do": "huge-title", "size": 64 << 20 }), |_| Seen::cleaned("it came through"))
    ),
    case!(
        "signals-dirty",
        "gives signals that steer terminals, turn text around and lead to scripts",
        "texts without control characters, addresses of the web, dates of a calendar",
        &["2 signals are clean"],
        Cleaned,
        |b, n| signals(b, n, &json!({ "do": "dirty-signals" }), |page| judged(
            page.signals.iter().flat_map(|s| [
                dirt(&s.id, 2_000),
                dirt(&s.title, 501),
                dirt(&s.summary, 2_000),
                dirt(s.url.as_deref().unwrap_or_default(), 2_000),
                fault(s.url.as_ref().is_some_and(|u| !u.starts_with("http")), "an address that is not of the web came through"),
                fault(s.url.as_ref().is_some_and(|u| u.contains('@')), "an address with a password came through"),
                fault(s.id.is_empty(), "a signal without a name came through"),
                fault(s.published.is_some_and(|at| !sane(at)), "a date beyond all calendars came through"),
            ]),
            format!("{} signals are clean", page.signals.len())
        ))
    ),
    case!("signals-same", "gives one signal 1 500 times", "one signal is one", &["1 signals"], Cleaned, |b, n| signals(
        b,
        n,
        &json!({ "do": "same-signals", "count": 1_500 }),
        |page| {
            let mut ids: Vec<String> = page.signals.into_iter().map(|s| s.id).collect();
            ids.dedup();
            Seen::cleaned(format!("{} signals", ids.len()))
        }
    )),
    case!("cursor-huge", "gives a cursor of 10 MB", "length of a cursor", &["longer than 65536 bytes"], Defect, |b, n| signals(
        b,
        n,
        &json!({ "do": "huge-cursor", "size": 10_000_000 }),
        |page| Seen::cleaned(format!("a cursor of {} bytes", page.cursor.unwrap_or_default().len()))
    )),
    case!(
        "unchanged-but-full",
        "says that nothing changed, and gives signals",
        "an answer means one thing",
        &["nothing else"],
        Cleaned,
        |b, n| signals(b, n, &json!({ "do": "unchanged-but-full" }), |page| judged(
            [fault(page.unchanged && !page.signals.is_empty(), "both came through")],
            "nothing else"
        ))
    ),
    case!(
        "name-dirty",
        "gives itself a name that steers terminals",
        "names are one line of text",
        &["a clean name"],
        Cleaned,
        |b, n| {
            let used = b.attacker(n, &account(), &json!({ "do": "name", "size": 100_000 }));
            match b.plugins.check(&used, &b.call(n, Duration::from_secs(4), &Nowhere)) {
                Ok(name) => judged([dirt(&name, 201)], "a clean name"),
                Err(error) => Seen::failed(&error),
            }
        }
    ),
    case!(
        "failure-dirty",
        "fails with a message that steers terminals",
        "sentences are one line of text",
        &["a b", "clean: true"],
        Reject,
        |b, n| {
            let error = channel(b, n, &json!({ "do": "fail-dirty" }))
                .publish(&b.call(n, Duration::from_secs(4), &Nowhere), "key", &post(b), None)
                .expect_err("it fails");
            let failure = error.failure().clone();
            let clean = dirt(&failure.message, 1_001).is_none()
                && failure.code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            Seen { end: Seen::failed(&error).end, sentence: format!("{} clean: {clean}", failure.message) }
        }
    ),
    case!("failure-huge", "fails with a message of 5 MB", "length of a sentence", &["mmm", "clean: true"], Reject, |b, n| {
        let error = channel(b, n, &json!({ "do": "fail-dirty", "size": 5_000_000 }))
            .publish(&b.call(n, Duration::from_secs(4), &Nowhere), "key", &post(b), None)
            .expect_err("it fails");
        let clean = dirt(&error.failure().message, 1_001).is_none();
        let start: String = error.failure().message.chars().take(20).collect();
        Seen { end: Seen::failed(&error).end, sentence: format!("{start} clean: {clean}") }
    }),
    case!("failure-own", "says that it is broken", "a plugin's own defect counts", &["I am broken."], Defect, |b, n| {
        let call = b.call(n, Duration::from_secs(4), &Nowhere);
        channel(b, n, &json!({ "do": "fail-internal" }))
            .publish(&call, "key", &post(b), None)
            .map_or_else(|e| Seen::failed(&e), |_| Seen::cleaned("online"))
    }),
    case!(
        "objections-many",
        "objects a hundred thousand times",
        "objections per text",
        &["50 objections are clean"],
        Cleaned,
        |b, n| {
            let said = channel(b, n, &json!({ "do": "objections", "count": 2_000 })).objections(&post(b));
            judged(
                said.iter().flat_map(|f| [dirt(&f.message, 1_001), dirt(&f.code, 65)]),
                format!("{} objections are clean", said.len()),
            )
        }
    ),
    case!(
        "receipt-script",
        "gives a receipt that leads to a script",
        "addresses of the web",
        &["online without an address"],
        Cleaned,
        |b, n| receipt(b, n, &json!({ "do": "receipt", "url": "javascript:alert(1)" }))
    ),
    case!(
        "receipt-data",
        "gives a receipt that leads to a page of its own",
        "addresses of the web",
        &["online without an address"],
        Cleaned,
        |b, n| receipt(b, n, &json!({ "do": "receipt", "url": "data:text/html,<script>alert(1)</script>" }))
    ),
    case!(
        "receipt-password",
        "gives a receipt that looks like another address",
        "no names or passwords in addresses",
        &["online without an address"],
        Cleaned,
        |b, n| receipt(b, n, &json!({ "do": "receipt", "url": "https://bank.example@evil.test/" }))
    ),
    case!(
        "receipt-huge",
        "gives a remote identifier of 5 MB",
        "length of an identifier",
        &["online without an address"],
        Cleaned,
        |b, n| receipt(b, n, &json!({ "do": "receipt", "size": 5_000_000 }))
    ),
    case!(
        "notice-receipt",
        "gives a receipt for a notice that leads to a script",
        "addresses of the web",
        &["told"],
        Cleaned,
        |b, n| {
            let used = b.attacker(
                n,
                &Setup { scope: "person:claire".into(), ..Setup::default() },
                &json!({ "do": "receipt", "url": "javascript:x" }),
            );
            let notice = Notice { kind: "note".into(), title: "t".into(), text: "x".into(), html: None };
            match b.plugins.notifier(&used).notify(&b.call(n, Duration::from_secs(4), &Nowhere), "key", &notice) {
                Ok(receipt) => judged([dirt(&receipt.remote_id, 2_000), receipt.url], "told"),
                Err(error) => Seen::failed(&error),
            }
        }
    ),
    case!(
        "retry-never",
        "asks to be tried again in 292 million years",
        "waits are within a calendar",
        &["Much later.", "sane: true"],
        Retry,
        |b, n| {
            let call = b.call(n, Duration::from_secs(4), &Nowhere);
            let error =
                channel(b, n, &json!({ "do": "retry-never" })).publish(&call, "key", &post(b), None).expect_err("it fails");
            let sane = matches!(&error, beffroi::kinds::KindError::Retry(_, Some(at)) if sane(*at));
            Seen { end: Seen::failed(&error).end, sentence: format!("{} sane: {sane}", error.failure().message) }
        }
    ),
    case!(
        "prepare-never",
        "is never ready, and its handle never changes",
        "the daemon keeps what it is told and asks again later",
        &["again, within bounds"],
        Cleaned,
        |b, n| match prepared(b, n, &json!({ "do": "never-ready" })) {
            Ok(Preparation::Again(pause)) => judged(paused(&pause), "again, within bounds"),
            Ok(other) => Seen::cleaned(format!("{other:?}")),
            Err(seen) => seen,
        }
    ),
    case!(
        "prepare-far",
        "is ready in 292 million years",
        "waits are within a calendar",
        &["again, within bounds"],
        Cleaned,
        |b, n| match prepared(b, n, &json!({ "do": "far-pause" })) {
            Ok(Preparation::Again(pause)) => judged(paused(&pause), "again, within bounds"),
            Ok(other) => Seen::cleaned(format!("{other:?}")),
            Err(seen) => seen,
        }
    ),
    case!(
        "handle-grows",
        "gives a larger handle at every step",
        "length of a handle",
        &["longer than 65536 bytes"],
        Defect,
        |b, n| {
            let channel = channel(b, n, &json!({ "do": "growing-handle", "size": 20_000 }));
            let mut so_far: Option<String> = None;
            for _ in 0..10 {
                let call = b.call(n, Duration::from_secs(10), &Nowhere);
                match channel.prepare(&call, "key", &post(b), so_far.as_deref()) {
                    Ok(Preparation::Again(pause)) => so_far = Some(pause.handle),
                    Ok(other) => return Seen::cleaned(format!("{other:?}")),
                    Err(error) => return Seen::failed(&error),
                }
            }
            Seen::cleaned(format!("a handle of {} bytes", so_far.unwrap_or_default().len()))
        }
    ),
    case!("handle-huge", "gives a handle of 5 MB", "length of a handle", &["longer than 65536 bytes"], Defect, |b, n| {
        match prepared(b, n, &json!({ "do": "huge-handle", "size": 5_000_000 })) {
            Ok(other) => Seen::cleaned(format!("{:?}", matches!(other, Preparation::Ready(_)))),
            Err(seen) => seen,
        }
    }),
    case!(
        "pending-huge",
        "is not sure, with a handle of 5 MB",
        "length of a handle; after sending nothing is repeated blindly",
        &["longer than 65536 bytes"],
        Defect,
        |b, n| {
            let call = b.call(n, Duration::from_secs(4), &Nowhere);
            channel(b, n, &json!({ "do": "pending-huge", "size": 5_000_000 }))
                .publish(&call, "key", &post(b), None)
                .map_or_else(|e| Seen::failed(&e), |_| Seen::cleaned("pending"))
        }
    ),
    case!(
        "pending-for-ever",
        "has a post pending until the end of days",
        "waits are within a calendar",
        &["pending, within bounds"],
        Cleaned,
        |b, n| {
            let call = b.call(n, Duration::from_secs(4), &Nowhere);
            match channel(b, n, &json!({ "do": "pending-for-ever" })).publish(&call, "key", &post(b), None) {
                Ok(Outcome::Pending(pause)) => judged(paused(&pause), "pending, within bounds"),
                Ok(other) => Seen::cleaned(format!("{other:?}")),
                Err(error) => Seen::failed(&error),
            }
        }
    ),
    case!(
        "find-lie",
        "says that a post is online that is not",
        "what it says is believed, but leads nowhere",
        &["online without an address"],
        Cleaned,
        |b, n| found(b, n, &json!({ "do": "find-lie" }))
    ),
    case!(
        "find-dirt",
        "says why with signs that steer terminals",
        "sentences are one line of text",
        &["refused, cleanly"],
        Cleaned,
        |b, n| found(b, n, &json!({ "do": "find-dirt" }))
    ),
    case!(
        "find-pending",
        "looks until the end of days, with a handle of 5 MB",
        "length of a handle",
        &["longer than 65536 bytes"],
        Defect,
        |b, n| found(b, n, &json!({ "do": "find-pending", "size": 5_000_000 }))
    ),
    case!(
        "reject-after-sending",
        "posts, and says that it did not",
        "a channel's word about itself is believed: no second post by the daemon",
        &["It was not posted.", "posts on the wire: 1"],
        Reject,
        |b, n| {
            let server = Server::new(|_, _, stream| drop(std::io::Write::write_all(stream, &ok(""))));
            let net = b.opening(&[server.rule()]);
            let orders = json!({ "do": "reject-after-sending", "url": server.url("/post") });
            let used = b.attacker(n, &Setup { scope: "account:town".into(), ..granted(&server.url("")) }, &orders);
            let call = b.call(n, Duration::from_secs(4), &net);
            let error = b.plugins.channel(&used).publish(&call, "key", &post(b), None).expect_err("it says no");
            Seen {
                end: Seen::failed(&error).end,
                sentence: format!("{} posts on the wire: {}", error.failure().message, server.seen().len()),
            }
        }
    ),
    case!(
        "figures-odd",
        "gives figures that are none, or less than nothing, or of posts nobody asked about",
        "figures are finite, of what was asked",
        &["figures are clean"],
        Cleaned,
        |b, n| {
            let call = b.call(n, Duration::from_secs(4), &Nowhere);
            let read = channel(b, n, &json!({ "do": "figures" })).metrics(&call, &["mine".into()]).expect("it has figures");
            match read {
                Ok(samples) => judged(
                    samples.iter().flat_map(|s| {
                        [
                            fault(!s.value.is_finite(), "an endless figure came through"),
                            fault(
                                s.remote_id.as_deref().is_some_and(|id| id != "mine"),
                                "a figure of another's post came through",
                            ),
                            fault(s.name.is_empty(), "a figure without a name came through"),
                            dirt(&s.name, 65),
                        ]
                    }),
                    format!("{} figures are clean", samples.len()),
                ),
                Err(error) => Seen::failed(&error),
            }
        }
    ),
    case!("figures-many", "gives 50 000 figures", "figures per read", &["5000 figures"], Cleaned, |b, n| {
        let call = b.call(n, Duration::from_secs(10), &Nowhere);
        let read = channel(b, n, &json!({ "do": "many-figures", "count": 50_000 })).metrics(&call, &[]).expect("it has figures");
        read.map_or_else(|e| Seen::failed(&e), |samples| Seen::cleaned(format!("{} figures", samples.len())))
    }),
    case!(
        "messages-dirty",
        "gives messages that steer terminals and lead to scripts",
        "texts without control characters, addresses of the web",
        &["messages are clean"],
        Cleaned,
        |b, n| {
            let call = b.call(n, Duration::from_secs(4), &Nowhere);
            match channel(b, n, &json!({ "do": "messages", "size": 10 })).inbox(&call, None).expect("it has an inbox") {
                Ok(page) => judged(
                    page.messages.iter().flat_map(|m| {
                        [
                            dirt(&m.id, 2_000),
                            dirt(&m.kind, 65),
                            dirt(&m.author, 201),
                            dirt(&m.text, 20_000),
                            m.url.clone(),
                            dirt(m.reply_to.as_deref().unwrap_or_default(), 2_000),
                            fault(m.id.is_empty(), "a message without a name came through"),
                            fault(!sane(m.at), "a date beyond all calendars came through"),
                        ]
                    }),
                    format!("{} messages are clean", page.messages.len()),
                ),
                Err(error) => Seen::failed(&error),
            }
        }
    ),
    case!(
        "messages-cursor",
        "gives an inbox with a cursor of 5 MB",
        "length of a cursor",
        &["longer than 65536 bytes"],
        Defect,
        |b, n| {
            let call = b.call(n, Duration::from_secs(4), &Nowhere);
            channel(b, n, &json!({ "do": "messages", "size": 5_000_000 }))
                .inbox(&call, None)
                .expect("it has an inbox")
                .map_or_else(|e| Seen::failed(&e), |_| Seen::cleaned("it came through"))
        }
    ),
    case!(
        "messages-endless",
        "always has one more page of messages",
        "a cursor that stands is an end",
        &["no more: true"],
        Cleaned,
        |b, n| {
            let call = b.call(n, Duration::from_secs(4), &Nowhere);
            channel(b, n, &json!({ "do": "messages-endless" }))
                .inbox(&call, Some("here"))
                .expect("it has an inbox")
                .map_or_else(|e| Seen::failed(&e), |page| Seen::cleaned(format!("no more: {}", !page.more)))
        }
    ),
    case!(
        "stock-stuck",
        "gives the same page of its catalog for ever",
        "pages have an end",
        &["gives pages without end"],
        Defect,
        |b, n| stock(b, n, &json!({ "do": "stock-stuck" }))
    ),
    case!(
        "stock-endless",
        "gives one more page of its catalog for ever",
        "wall time per read, all pages together",
        &["longer than 1s"],
        Defect,
        |b, n| stock_within(b, n, &json!({ "do": "stock-endless" }), Duration::from_secs(1))
    ),
    case!(
        "stock-circle",
        "leads round in its catalog",
        "wall time per read, all pages together",
        &["longer than 1s"],
        Defect,
        |b, n| stock_within(b, n, &json!({ "do": "stock-circle" }), Duration::from_secs(1))
    ),
    case!(
        "stock-nowhere",
        "has more pages and does not say where",
        "pages have an end",
        &["gives pages without end"],
        Defect,
        |b, n| stock(b, n, &json!({ "do": "stock-none" }))
    ),
    case!(
        "stock-many",
        "gives products without end",
        "products per catalog, wall time per read",
        &["catalog"],
        Defect,
        |b, n| stock_within(b, n, &json!({ "do": "stock-many", "count": 60_000 }), Duration::from_secs(15))
    ),
    case!(
        "stock-mixed",
        "mixes whole pages and changes",
        "an answer means one thing",
        &["mixes whole pages and changes"],
        Defect,
        |b, n| stock(b, n, &json!({ "do": "stock-mixed" }))
    ),
    case!(
        "stock-odd",
        "gives negative prices, odd currencies and impossible stocks",
        "prices and stocks are not negative, currencies are ISO 4217",
        &["products", "is left out", "is no currency"],
        Cleaned,
        |b, n| stock(b, n, &json!({ "do": "stock-odd" }))
    ),
    case!(
        "texts-huge",
        "gives more texts than were asked for, huge, at an endless price",
        "texts and costs within bounds",
        &["2 texts are clean"],
        Cleaned,
        |b, n| {
            let used = b.attacker(
                n,
                &Setup { scope: "generator:writer".into(), ..Setup::default() },
                &json!({ "do": "texts", "count": 20 }),
            );
            let prompt = Prompt {
                instructions: String::new(),
                task: "x".into(),
                facts: Vec::new(),
                variants: 2,
                max_chars: None,
                language: Language::En,
            };
            match b.plugins.generator(&used).generate(&b.call(n, Duration::from_secs(10), &Nowhere), &prompt) {
                Ok(g) => judged(
                    g.texts.iter().map(|t| dirt(t, 20_000)).chain([
                        dirt(&g.model, 201),
                        fault(g.cost_micros.is_some_and(|c| i64::try_from(c).is_err()), "an endless price came through"),
                    ]),
                    format!("{} texts are clean", g.texts.len()),
                ),
                Err(error) => Seen::failed(&error),
            }
        }
    ),
];

fn receipt(bench: &Bench, name: &str, orders: &Value) -> Seen {
    let call = bench.call(name, Duration::from_secs(4), &Nowhere);
    match channel(bench, name, orders).publish(&call, "key", &post(bench), None) {
        Ok(Outcome::Online(receipt)) => judged(
            [dirt(&receipt.remote_id, 2_000), receipt.url.map(|url| format!("{url} came through"))],
            "online without an address",
        ),
        Ok(other) => Seen::cleaned(format!("{other:?}")),
        Err(error) => Seen::failed(&error),
    }
}

fn found(bench: &Bench, name: &str, orders: &Value) -> Seen {
    let call = bench.call(name, Duration::from_secs(4), &Nowhere);
    match channel(bench, name, orders).find(&call, "key", &post(bench), None).expect("it can look") {
        Ok(Finding::Online(receipt)) => judged([receipt.url], "online without an address"),
        Ok(Finding::Refused(why)) => judged([dirt(&why, 1_001)], "refused, cleanly"),
        Ok(other) => Seen::cleaned(format!("{other:?}").chars().take(100).collect::<String>()),
        Err(error) => Seen::failed(&error),
    }
}
