//! A plugin that means harm: it does what the setting `orders` says, in whichever ability it is called.
//!
//! In: orders as JSON, `{do, …}`. Out: the attack, and what there is to tell of it: the title of a signal, a receipt, a run's line.
//! Never: installed anywhere but in tests.

mod answers;
mod runtime;
mod sandbox;

use beffroi_plugin::json::from_str;
use beffroi_plugin::prelude::*;

struct Hostile;

beffroi_plugin::export!(
    Hostile: publish, prepare, lookup, unpublish, metrics, inbox, feed, stock, generate, notify, workflow
);

/// What the test wants done.
fn orders() -> Value {
    let settings: Value = settings::get().unwrap_or_default();
    settings["orders"].as_str().and_then(|text| from_str(text).ok()).unwrap_or_default()
}

fn deed(orders: &Value) -> &str {
    orders["do"].as_str().unwrap_or_default()
}

fn text<'o>(orders: &'o Value, name: &str) -> &'o str {
    orders[name].as_str().unwrap_or_default()
}

fn size(orders: &Value, name: &str) -> usize {
    orders[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or_default()
}

/// Does it; what it tells is for the test.
fn act() -> Result<String, Error> {
    let orders = orders();
    runtime::act(&orders).or_else(|| sandbox::act(&orders)).unwrap_or_else(|| Ok("nothing to do".into()))
}

impl Plugin for Hostile {
    fn check() -> Result<String, Error> {
        answers::check(&orders()).unwrap_or_else(act)
    }
}

impl Publish for Hostile {
    fn validate(post: &Post) -> Vec<Problem> {
        answers::validate(&orders(), post)
    }

    fn publish(_: &str, post: &Post, prepared: Option<&str>) -> Result<Outcome, Error> {
        let orders = orders();
        if let Some(told) = sandbox::with_media(&orders, post) {
            return told.map(|told| Outcome::Online(Receipt::new(told, None)));
        }
        answers::publish(&orders, prepared).unwrap_or_else(|| act().map(|told| Outcome::Online(Receipt::new(told, None))))
    }
}

impl Prepare for Hostile {
    fn prepare(_: &str, _: &Post, so_far: Option<&str>) -> Result<Preparation, Error> {
        answers::prepare(&orders(), so_far)
    }
}

impl Lookup for Hostile {
    fn find(_: &str, _: &Post, _: Option<&str>) -> Result<Finding, Error> {
        answers::find(&orders())
    }
}

impl Unpublish for Hostile {
    fn unpublish(_: &str) -> Result<(), Error> {
        act().map(drop)
    }
}

impl Metrics for Hostile {
    fn read(_: &[String]) -> Result<Vec<Sample>, Error> {
        answers::samples(&orders())
    }
}

impl Inbox for Hostile {
    fn poll(since: Option<&str>) -> Result<InboxPage, Error> {
        answers::messages(&orders(), since)
    }
}

impl Feed for Hostile {
    fn poll(_: Option<&str>) -> Result<SignalPage, Error> {
        match answers::signals(&orders()) {
            Some(page) => Ok(page),
            // In pieces: one title holds only so many characters.
            None => act().map(|told| {
                let pieces: Vec<char> = told.chars().collect();
                let signals = pieces.chunks(400).enumerate();
                let signals = signals.map(|(n, piece)| Signal::new(n.to_string(), piece.iter().collect::<String>()));
                SignalPage { signals: signals.collect(), next: None, unchanged: false }
            }),
        }
    }
}

impl Stock for Hostile {
    fn poll(since: Option<&str>) -> Result<StockPage, Error> {
        answers::stock(&orders(), since)
    }
}

impl Generate for Hostile {
    fn generate(_: &Prompt) -> Result<Generation, Error> {
        answers::generation(&orders())
    }
}

impl Notify for Hostile {
    fn notify(_: &str, _: &Notice) -> Result<Receipt, Error> {
        answers::publish(&orders(), None).map_or_else(
            || act().map(|told| Receipt::new(told, None)),
            |outcome| {
                outcome.map(|outcome| match outcome {
                    Outcome::Online(receipt) => receipt,
                    Outcome::Pending(pause) => Receipt::new(pause.handle, None),
                })
            },
        )
    }
}

impl Workflow for Hostile {
    fn run(_: &Trigger) -> Result<String, Error> {
        let orders = orders();
        sandbox::at_desk(&orders).unwrap_or_else(act)
    }
}
