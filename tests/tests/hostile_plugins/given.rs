//! Attacks on what the host gives: WASI, private state, the files of a post.
//!
//! In: tricks with keys, names and ranges. Out: nothing that is somebody else's. Never: a byte beyond the post in hand.

use crate::bench::{Bench, Case, End, Nowhere, Seen, Setup, post, told};
use crate::network::{case, granted};
use crate::server::{Server, ok};
use beffroi::kinds::{Outcome, PrivateWrite};
use beffroi::store::{Change, Op, PluginOp};
use serde_json::{Value, json};
use std::time::Duration;

/// Lets it attack as a channel, with a picture in its hand.
fn publish(bench: &Bench, name: &str, setup: &Setup, orders: &Value, network: &dyn beffroi::network::Network) -> Seen {
    let used = bench.attacker(name, setup, orders);
    let call = bench.call(name, setup.time, network);
    let answer = bench.plugins.channel(&used).publish(&call, "key", &post(bench), None);
    Seen::of(answer, |outcome| match outcome {
        Outcome::Online(receipt) => receipt.remote_id,
        Outcome::Pending(pause) => pause.message,
    })
}

fn account() -> Setup {
    Setup { scope: "account:town".into(), ..Setup::default() }
}

/// Others have something in their state: another plugin for the same purpose, and the same plugin for another purpose.
fn beside_others(bench: &Bench, name: &str, keys: &Value) -> Seen {
    let write = |owner: &str, scope: &str, key: &str| PrivateWrite {
        owner: owner.into(),
        scope: scope.into(),
        key: key.into(),
        value: Some(b"treasure".to_vec()),
    };
    let theirs = vec![
        write("victim", "feed:town", "hidden-a"),
        write("victim", "feed:town", "feed:town/hidden-b"),
        write(name, "feed:other", "hidden-c"),
        write(name, "feed:town2", "hidden-d"),
        write(&format!("{name}2"), "feed:town", "hidden-e"),
        write("", "", "hidden-f"),
    ];
    let before = theirs.len();
    bench.store().commit(Change::new(bench.now(), vec![Op::Plugin(PluginOp::State(theirs))])).expect("committed");
    let page = bench.poll(name, &Setup::default(), &json!({ "do": "keys", "keys": keys }), &Nowhere);
    let seen = Seen::of(page, told);
    // What it removed would be removed now.
    let call = bench.call(name, Duration::ZERO, &Nowhere);
    let writes = call.keep.take();
    let reached = writes.iter().filter(|w| w.owner != name || w.scope != "feed:town").count();
    bench.store().commit(Change::new(bench.now(), vec![Op::Plugin(PluginOp::State(writes))])).expect("committed");
    let db = bench.store().read().expect("a reader");
    let left: i64 =
        db.query_row("SELECT count(*) FROM plugin_state WHERE key LIKE '%hidden-%'", [], |row| row.get(0)).expect("a count");
    let harm = if reached > 0 || left != before as i64 { "HARMED " } else { "" };
    Seen { end: seen.end, sentence: format!("{harm}{}", seen.sentence) }
}

pub(crate) const CASES: &[Case] = &[
    case!(
        "look-around",
        "looks for files, sockets, variables, names, processes and the machine's clock",
        "WASI with nothing in it",
        &["found nothing"],
        Stopped,
        |b, n| b.attack(n, &Setup::default(), &json!({ "do": "look" }))
    ),
    case!(
        "state-others",
        "looks for other plugins' state by tricks with keys",
        "state is private to plugin and purpose",
        &["saw []"],
        Stopped,
        |b, n| beside_others(
            b,
            n,
            &json!([
                "hidden-a",
                "victim/hidden-a",
                "feed:town/hidden-b",
                "feed:other/hidden-c",
                "../hidden-c",
                "hidden-",
                "%",
                "_",
                "%hidden%",
                "*",
                "' OR '1'='1",
                "hidden-a\0",
                "\0",
                "\u{10ffff}",
                "",
                "feed:town\0hidden-a",
                "victim\0feed:town\0hidden-a",
                "\u{1f}",
                "hidden-f",
            ])
        )
    ),
    case!(
        "state-many",
        "fills its state with many small values",
        "state per plugin, keys included",
        &["private state is full: 10240 bytes", "[limits] state"],
        Stopped,
        |b, n| b.attack(n, &Setup::with("[limits]\nstate = \"10 KiB\"\n"), &json!({ "do": "fill", "count": 100_000, "size": 0 }))
    ),
    case!(
        "state-large",
        "writes one large value",
        "state per plugin",
        &["refused at 0", "private state is full: 1048576 bytes"],
        Stopped,
        |b, n| b.attack(n, &Setup::default(), &json!({ "do": "fill", "count": 1, "size": 2 << 20 }))
    ),
    case!(
        "state-key-long",
        "writes under a key of a megabyte",
        "keys of 1 to 256 bytes",
        &["has 1 to 256 bytes"],
        Stopped,
        |b, n| b.attack(n, &Setup::default(), &json!({ "do": "fill", "count": 1, "size": 1, "key": 1 << 20 }))
    ),
    case!(
        "state-asked",
        "asks for a terabyte of state in its manifest",
        "the most that a manifest may ask for",
        &["state"],
        Refused,
        |_, n| { crate::packages::refusal_of_manifest(&crate::bench::manifest_text(n, "[limits]\nstate = \"1000 GiB\"\n")) }
    ),
    case!(
        "state-failing",
        "writes to its state and fails",
        "what a failed call wrote is dropped",
        &["As ordered."],
        Reject,
        |b, n| b.attack(n, &Setup::default(), &json!({ "do": "keep-and-fail" }))
    ),
    case!(
        "state-dying",
        "writes to its state and dies",
        "what a failed call wrote is dropped",
        &["after writing"],
        Defect,
        |b, n| b.attack(n, &Setup::default(), &json!({ "do": "keep-and-panic" }))
    ),
    case!(
        "media-others",
        "reads files that are not the post's",
        "the post's own files, by number",
        &["read []", "There is no file"],
        Stopped,
        |b, n| publish(b, n, &account(), &json!({ "do": "media-others" }), &Nowhere)
    ),
    case!(
        "media-range",
        "reads beyond the end of a file",
        "ranges lie inside the file",
        &["has only 14 bytes", "14 bytes", "1 bytes"],
        Stopped,
        |b, n| publish(b, n, &account(), &json!({ "do": "media-range" }), &Nowhere)
    ),
    case!(
        "media-send-others",
        "sends a file that is not the post's",
        "the post's own files, by number",
        &["There is no file", "in this call"],
        Stopped,
        |b, n| {
            let server = Server::saying(ok(""));
            let net = b.opening(&[server.rule()]);
            let setup = Setup { scope: "account:town".into(), ..granted(&server.url("")) };
            let seen = publish(b, n, &setup, &json!({ "do": "media-send-others", "url": server.url("/x") }), &net);
            if server.connections() > 0 { Seen::stopped("a connection was made") } else { seen }
        }
    ),
    case!(
        "form-injection",
        "ends a part of a form early, to begin one of its own",
        "names in forms are quoted",
        &["answer 200", "smuggled: false"],
        Stopped,
        |b, n| {
            let server = Server::new(|_, _, stream| drop(std::io::Write::write_all(stream, &ok(""))));
            let name = "a\"\r\nContent-Type: text/html\r\n\r\nevil";
            let request = json!({ "method": "POST", "url": server.url("/x"), "form": name, "type": "text/plain" });
            let orders = json!({ "do": "fetch", "requests": [request] });
            let seen = crate::network::fetch(b, n, &granted(&server.url("")), &orders, &b.opening(&[server.rule()]));
            let smuggled = server.seen().iter().any(|request| request.contains("\r\n\r\nevil"));
            Seen::stopped(format!("{} smuggled: {smuggled}", seen.sentence))
        }
    ),
    case!(
        "form-type",
        "smuggles headers in the type of a part",
        "no line ends in types",
        &["holds a forbidden character"],
        Stopped,
        |b, n| {
            let server = Server::saying(ok(""));
            let request = json!({ "method": "POST", "url": server.url("/x"), "form": "a", "type": "text/plain\r\n\r\nevil" });
            let orders = json!({ "do": "fetch", "requests": [request] });
            crate::network::fetch(b, n, &granted(&server.url("")), &orders, &b.opening(&[server.rule()]))
        }
    ),
    case!(
        "desk-elsewhere",
        "plans at the desk while it should only read",
        "only a run is at a desk",
        &["only a workflow's run is at a desk"],
        Defect,
        |b, n| b.attack(n, &Setup::with("[workflow]\ndesk = [\"run::now\"]\n"), &json!({ "do": "desk-elsewhere" }))
    ),
];
