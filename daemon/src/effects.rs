//! What a run planned, as one value, and what it was built on.
//!
//! In: the desk's calls, one after the other. Out: JSON for people, a digest for comparison, and the operations of one change.
//! Never: does anything itself; nothing here has happened until the change is committed.

use crate::domain::{AccountName, Digest, Json, PersonName, RunId, Timestamp, WorkflowName};
use crate::instance::{Approval, Instance, Workflow};
use crate::kinds::{Notice, Outgoing, PrivateWrite};
use crate::store::{MarkRead, NewDelivery, NewFallback, NewOccurrence, NewPost, NewSignal, Op, PluginOp, TriggerKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What happens to a delivery whose guard does not hold at the moment of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFail {
    /// It waits until the guard holds, or its window ends.
    #[default]
    Hold,
    /// It is cancelled.
    Drop,
    /// What stands in for it takes its place.
    Swap,
}

/// Conditions checked inside the send step, against data of known age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guards {
    /// The product.
    pub sku: String,
    /// Its catalog; `None` for the first that knows the product.
    pub catalog: Option<String>,
    /// The least stock.
    pub at_least: i64,
    /// The price in minor units that the text names.
    pub price: Option<i64>,
    /// Data older than this is not believed, in milliseconds; `None` for the catalog's own limit.
    pub max_age: Option<i64>,
    /// What happens when a condition does not hold.
    pub on_fail: OnFail,
}

/// One post to one account, as planned.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedDelivery {
    /// The account.
    pub account: AccountName,
    /// Exactly what will be sent.
    pub content: Outgoing,
    /// Not before.
    pub at: Timestamp,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Whether a person has to say yes.
    pub needs_yes: bool,
    /// What takes its place when a guard does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<PlannedFallback>,
}

/// What stands in for a post to one account, as planned: for the same moment, and behind the same yes.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedFallback {
    /// The library item it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Its theme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theme: Option<String>,
    /// Exactly what will be sent.
    pub content: Outgoing,
}

/// A post, as planned.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedPost {
    /// At most one post is ever made for a given key and workflow.
    pub once: Option<String>,
    /// The library item it came from.
    pub item: Option<String>,
    /// Its theme.
    pub theme: Option<String>,
    /// The campaign its links are tagged with.
    pub campaign: Option<String>,
    /// Why it was planned.
    pub why: Vec<String>,
    /// Conditions at the moment of sending.
    pub guards: Option<Guards>,
    /// One for each account.
    pub deliveries: Vec<PlannedDelivery>,
}

/// A notice, as planned.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedNotice {
    /// Who gets it.
    pub to: PersonName,
    /// At most one notice is ever made for a given key and person.
    pub once: Option<String>,
    /// What it says.
    pub notice: Notice,
}

/// Something other workflows may answer.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedEvent {
    /// Its name.
    pub name: String,
    /// What it brings.
    pub payload: Json,
}

/// A future run of the same workflow.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedRun {
    /// When.
    pub at: Timestamp,
    /// What it is given.
    pub payload: Json,
}

/// Unsent posts to be cancelled.
#[derive(Debug, Clone, Serialize)]
pub struct Withdrawal {
    /// The beginning of their once keys.
    pub prefix: String,
    /// Why.
    pub reason: String,
}

/// What a feed gave.
#[derive(Debug, Clone, Serialize)]
pub struct FeedRead {
    /// The feed.
    pub feed: String,
    /// How many signals were new to the daemon.
    pub new: usize,
    /// What went wrong, if it did.
    pub error: Option<String>,
    #[serde(skip)]
    pub(crate) cursor: Option<String>,
    #[serde(skip)]
    pub(crate) signals: Vec<NewSignal>,
    /// Whether the workflow now has seen all of it.
    pub seen: bool,
}

/// Everything a run planned.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Effects {
    /// Keys set, or removed (`null`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub state: BTreeMap<String, Option<Json>>,
    /// Posts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub posts: Vec<PlannedPost>,
    /// Notices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<PlannedNotice>,
    /// Events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<PlannedEvent>,
    /// Future runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<PlannedRun>,
    /// Withdrawals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<Withdrawal>,
    /// Feeds read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub feeds: Vec<FeedRead>,
    /// What adapters want remembered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub private: Vec<PrivateWrite>,
}

/// What a run read, so that its commit can check that it is still so.
#[derive(Debug, Clone, Default)]
pub struct Reads(BTreeSet<MarkRead>);

impl Reads {
    /// Remembers one.
    pub fn note(&mut self, mark: MarkRead) {
        self.0.insert(mark);
    }

    /// All of them.
    pub fn into_marks(self) -> Vec<MarkRead> {
        self.0.into_iter().collect()
    }
}

/// The digest a yes is given to: content, target and window.
pub fn seal(target: &str, content: &str, due: Timestamp, until: Option<Timestamp>) -> Digest {
    let until = until.map_or(0, Timestamp::millis);
    // Lengths first, so that no two different things read the same.
    Digest::of(format!("{}:{target}{}:{content}{}:{until}", target.len(), content.len(), due.millis()).as_bytes())
}

/// The depth of a chain of events travels in the payload, out of the workflows' sight.
pub const DEPTH: &str = "_depth";

/// What an event brings to those that listen: the payload, and how many events led to it.
pub fn brought(name: &str, depth: u64, payload: Json) -> Json {
    serde_json::json!({ DEPTH: depth, "event": name, "payload": payload })
}

fn opened(
    target: &Arc<Workflow>,
    kind: TriggerKind,
    at: Timestamp,
    payload: Json,
    number: &mut impl FnMut() -> RunId,
    ops: &mut Vec<Op>,
) -> (NewOccurrence, Arc<Workflow>) {
    let row = NewOccurrence::open(number(), target.name.as_str(), kind, at);
    let occurrence = NewOccurrence { payload: Some(payload), ..row };
    ops.push(Op::Occur(occurrence.clone()));
    (occurrence, target.clone())
}

/// Occurrences that a committed change added, still to be put on the board.
pub type Started = Vec<(NewOccurrence, Arc<Workflow>)>;

impl Effects {
    /// Whether a post planned now for this account needs a yes.
    pub fn needs_yes(instance: &Instance, account: &AccountName, draft: bool) -> bool {
        draft || instance.accounts.get(account).is_none_or(|a| a.approval == Approval::Always)
    }

    /// As JSON text, keys in a fixed order.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("effects are plain data")
    }

    /// The operations that make all of this so. `number` gives numbers for new occurrences.
    pub fn into_ops(
        self,
        run: RunId,
        workflow: &WorkflowName,
        instance: &Instance,
        now: Timestamp,
        mut number: impl FnMut() -> RunId,
    ) -> (Vec<Op>, Started) {
        let mut ops = Vec::new();
        let mut started = Vec::new();
        for (key, value) in self.state {
            ops.push(Op::State { key, value: value.map(|v| v.to_string()), run });
        }
        for withdrawal in self.withdrawn {
            ops.push(Op::Withdraw { workflow: workflow.as_str().into(), prefix: withdrawal.prefix, reason: withdrawal.reason });
        }
        for post in self.posts {
            ops.push(Op::Plan(Box::new(post.into_row(run, workflow))));
        }
        for planned in self.notices {
            ops.push(planned.into_op(run, now));
        }
        for read in self.feeds {
            if read.seen {
                // After the signals are in, so that "seen" covers them.
                let FeedRead { feed, error, cursor, signals, .. } = read;
                ops.push(Op::FeedRead { feed: feed.clone(), cursor, error, signals });
                ops.push(Op::FeedSeen { workflow: workflow.as_str().into(), feed });
            } else {
                ops.push(Op::FeedRead { feed: read.feed, cursor: read.cursor, error: read.error, signals: read.signals });
            }
        }
        if !self.private.is_empty() {
            ops.push(Op::Plugin(PluginOp::State(self.private)));
        }
        for event in self.events {
            started.extend(Self::emitted(&event.name, event.payload, Some(run), instance, now, &mut number, &mut ops));
        }
        for later in self.later {
            if let Some(target) = instance.workflows.get(workflow) {
                started.push(opened(target, TriggerKind::Later, later.at, later.payload, &mut number, &mut ops));
            }
        }
        (ops, started)
    }

    /// Adds the operations that record an event, and an occurrence of every workflow that listens to it.
    pub fn emitted(
        name: &str,
        payload: Json,
        run: Option<RunId>,
        instance: &Instance,
        now: Timestamp,
        number: &mut impl FnMut() -> RunId,
        ops: &mut Vec<Op>,
    ) -> Started {
        let listens = |w: &&Arc<Workflow>| w.enabled && w.events.iter().any(|event| event == name);
        let started = instance
            .workflows
            .values()
            .filter(listens)
            .map(|target| opened(target, TriggerKind::Event, now, payload.clone(), number, ops))
            .collect();
        ops.push(Op::Event { name: name.to_owned(), payload, run });
        started
    }
}

impl PlannedNotice {
    /// The operation that makes it so; it goes out from `now` on.
    pub fn into_op(self, run: RunId, now: Timestamp) -> Op {
        let content = serde_json::to_string(&self.notice).expect("a notice is plain data");
        let target = self.to.as_str().to_owned();
        let delivery = NewDelivery {
            seal: seal(&target, &content, now, None),
            target,
            held: None,
            content,
            needs_yes: false,
            due: now,
            until: None,
            guards: None,
            fallback: None,
        };
        Op::Notice { run, once: self.once, delivery: Box::new(delivery) }
    }
}

impl PlannedPost {
    fn into_row(self, run: RunId, workflow: &WorkflowName) -> NewPost {
        let guards = self.guards.as_ref().map(|g| serde_json::to_string(g).expect("guards are plain data"));
        let deliveries = self
            .deliveries
            .into_iter()
            .map(|d| {
                let content = serde_json::to_string(&d.content).expect("a post is plain data");
                let target = d.account.as_str().to_owned();
                let fallback = d.fallback.map(|f| {
                    let content = serde_json::to_string(&f.content).expect("a post is plain data");
                    let seal = seal(&target, &content, d.at, d.until);
                    Box::new(NewFallback { content, seal, item: f.item, theme: f.theme })
                });
                NewDelivery {
                    seal: seal(&target, &content, d.at, d.until),
                    target,
                    held: d.needs_yes.then(|| "waits for a yes".to_owned()),
                    content,
                    needs_yes: d.needs_yes,
                    due: d.at,
                    until: d.until,
                    guards: guards.clone(),
                    fallback,
                }
            })
            .collect();
        NewPost {
            run,
            workflow: workflow.as_str().into(),
            once: self.once,
            item: self.item,
            theme: self.theme,
            campaign: self.campaign,
            why: self.why,
            deliveries,
        }
    }
}
