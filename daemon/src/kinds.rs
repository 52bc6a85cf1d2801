//! What an adapter can be: source, catalog, channel, notifier. Built-in adapters and plugins implement the same traits.
//!
//! In: a call with the time, the network and a cursor or a post. Out: pages of items, receipts, or a failure
//! named after what the daemon does next.
//! Never: touches the store. What an adapter must remember it gives back as a cursor or a handle, and the daemon
//! keeps it in the transaction that uses it.

use crate::domain::{Language, Money, Timestamp, Zone};
use crate::network::Network;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Something an adapter wants remembered: one key of its private store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateWrite {
    /// Whose store: a plugin's name.
    pub owner: String,
    /// Which part of it: what the call was for, such as `account:bluesky`.
    pub scope: String,
    /// The key.
    pub key: String,
    /// The value; `None` removes the key.
    pub value: Option<Vec<u8>>,
}

/// What adapters want remembered of a call. Whoever called commits it together with what comes of the answer.
#[derive(Debug, Default)]
pub struct Keep(std::sync::Mutex<Vec<PrivateWrite>>);

impl Keep {
    /// Adds writes, later ones over earlier ones.
    pub fn add(&self, writes: impl IntoIterator<Item = PrivateWrite>) {
        self.lock().extend(writes);
    }

    /// What was added so far under one owner and scope, in order.
    pub fn of(&self, owner: &str, scope: &str) -> Vec<PrivateWrite> {
        self.lock().iter().filter(|w| w.owner == owner && w.scope == scope).cloned().collect()
    }

    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Takes everything out, to be committed.
    pub fn take(&self) -> Vec<PrivateWrite> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<PrivateWrite>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Facts about the call in progress.
pub struct Call<'a> {
    /// Names it in remote logs: a run, a delivery.
    pub id: &'a str,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Most time it may take.
    pub time: Duration,
    /// What the adapter wants remembered.
    pub keep: &'a Keep,
    /// The time this call considers to be now.
    pub now: Timestamp,
    /// The only network.
    pub network: &'a dyn Network,
    /// The business's zone.
    pub zone: Zone,
    /// The business's language.
    pub language: Language,
}

/// What went wrong, for people and for logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A sentence that makes sense to a shop owner and says what to do.
    pub message: String,
    /// A stable code in lower case with dashes, such as `http-503` or `text-too-long`.
    pub code: String,
}

impl Failure {
    /// A failure with its code and sentence.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), code: code.into() }
    }
}

/// Why a call failed, named after what the daemon does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KindError {
    /// Transient: try the same call again, not before the given moment.
    #[error("{}", .0.message)]
    Retry(Failure, Option<Timestamp>),
    /// The credential is missing, expired or revoked: the account pauses and keeps its queue.
    #[error("{}", .0.message)]
    Reconnect(Failure),
    /// Permanent for this input: shown to the owner, never retried.
    #[error("{}", .0.message)]
    Reject(Failure),
    /// It left and the answer was lost: read back, never repeat blindly.
    #[error("{}", .0.message)]
    Uncertain(Failure),
    /// A defect in the adapter. From `publish` or `notify` it counts as `Uncertain`.
    #[error("{}", .0.message)]
    Internal(Failure),
}

impl KindError {
    /// A picture or film of a post that cannot be read: final when it is gone, passing otherwise.
    pub fn media_missing(language: Language, path: &str, error: &std::io::Error) -> Self {
        let failure = Failure::new(
            "media-missing",
            language.pick(
                format!("L'image «\u{a0}{path}\u{a0}» ne se lit pas ({error}). Remettez-la à sa place."),
                format!("The picture \"{path}\" cannot be read ({error}). Put it back in its place."),
            ),
        );
        if error.kind() == std::io::ErrorKind::NotFound { Self::Reject(failure) } else { Self::Retry(failure, None) }
    }

    /// The failure inside.
    pub fn failure(&self) -> &Failure {
        match self {
            Self::Retry(f, _) | Self::Reconnect(f) | Self::Reject(f) | Self::Uncertain(f) | Self::Internal(f) => f,
        }
    }
}

/// One thing worth knowing, read from a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Unique per source and stable between reads.
    pub id: String,
    /// One line of plain text.
    pub title: String,
    /// Where to read on.
    pub url: Option<String>,
    /// When it appeared, if the source says so.
    pub published: Option<Timestamp>,
    /// Plain text, without markup, at most 2,000 characters.
    pub summary: String,
}

/// A page of signals.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SignalPage {
    /// In the source's order.
    pub signals: Vec<Signal>,
    /// What to give back at the next poll (validators of a conditional GET, for example).
    pub cursor: Option<String>,
    /// The source said nothing changed since the cursor.
    pub unchanged: bool,
    /// Things a person should know that did not stop the read: sentences.
    pub remarks: Vec<String>,
}

/// Reads trends, news or events.
pub trait Source: Send + Sync {
    /// Reads what is there; `since` is the cursor of the last successful read.
    ///
    /// # Errors
    /// [`KindError`], named after what to do next.
    fn poll(&self, call: &Call<'_>, since: Option<&str>) -> Result<SignalPage, KindError>;
}

/// One product as a catalog sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The catalog's own identifier.
    pub sku: String,
    /// The product's name.
    pub title: String,
    /// How many there are; `None` when the catalog does not count this product.
    pub available: Option<i64>,
    /// The price, tax included, as the catalog shows it.
    pub price: Option<Money>,
    /// The price before a reduction.
    pub was: Option<Money>,
    /// The product's page.
    pub url: Option<String>,
    /// A picture.
    pub image: Option<String>,
    /// Words to sort products by.
    pub category: Option<String>,
}

/// A catalog at one moment: the whole of it, or what changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StockPage {
    /// Every product; one that is missing here is unknown, not sold out.
    pub items: Vec<Item>,
    /// The items are only those that changed since the cursor; the others are as they were.
    pub changes: bool,
    /// With `changes`: products that are no longer sold.
    pub removed: Vec<String>,
    /// When the catalog itself was last written, if known.
    pub as_of: Option<Timestamp>,
    /// What to give back at the next poll.
    pub cursor: Option<String>,
    /// Nothing changed since the cursor; `items` is empty then.
    pub unchanged: bool,
    /// Things a person should know that did not stop the read: sentences.
    pub remarks: Vec<String>,
}

/// Knows products, stock levels and prices.
pub trait Catalog: Send + Sync {
    /// Reads the catalog.
    ///
    /// # Errors
    /// [`KindError::Retry`] for a file that is being written, [`KindError::Reject`] for one that does not make sense.
    fn poll(&self, call: &Call<'_>, since: Option<&str>) -> Result<StockPage, KindError>;

    /// How long what was read may be used before it is read again.
    fn rest(&self) -> Duration {
        Duration::ZERO
    }
}

/// A picture or film that goes with a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Path of the file on this machine.
    pub path: String,
    /// Description for people who cannot see it.
    pub alt: String,
    /// SHA-256 of the file's bytes in hexadecimal, taken when the post was planned: the seal covers it.
    pub digest: String,
}

/// One post exactly as it goes to one account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outgoing {
    /// The text.
    pub text: String,
    /// A link, when it is not in the text.
    pub link: Option<String>,
    /// In display order.
    pub media: Vec<Media>,
    /// `post`, `story`, `reel`, `long`.
    pub format: String,
    /// The network's identifier of the message this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Wishes for one network, such as `visibility`; unknown ones are ignored.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub options: std::collections::BTreeMap<String, String>,
}

/// Proof that a post is online.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The network's identifier.
    pub remote_id: String,
    /// Where a person can see it.
    pub url: Option<String>,
}

/// What a read-back shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is there.
    Online(Receipt),
    /// It is certainly not there: safe to publish again.
    Absent,
    /// The network accepted it first and then refused it; the sentence says why.
    Refused(String),
    /// Cannot tell; the sentence says why.
    Unsure(String),
    /// Still being worked on: ask again.
    Pending(Pause),
}

/// A step that is not over: ask again with this handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Give this back.
    pub handle: String,
    /// Not before this moment.
    pub not_before: Timestamp,
    /// What is going on, for the owner.
    pub message: String,
}

/// Where preparing stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preparation {
    /// Ready to publish, with this handle if any.
    Ready(Option<String>),
    /// Call `prepare` again.
    Again(Pause),
}

/// What publishing reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Online, with the proof.
    Online(Receipt),
    /// Accepted; the network decides later. Followed by `find`.
    Pending(Pause),
}

/// Publishes posts to one account. Publishing is prepare, commit, settle; only `publish` is dangerous.
pub trait Channel: Send + Sync {
    /// Every reason this post would be refused, without calling the network. Must be fast.
    fn objections(&self, post: &Outgoing) -> Vec<Failure>;

    /// Everything that may be repeated without a post appearing (uploads, containers).
    ///
    /// # Errors
    /// [`KindError`], named after what to do next.
    fn prepare(&self, call: &Call<'_>, key: &str, post: &Outgoing, so_far: Option<&str>) -> Result<Preparation, KindError> {
        let _ = (call, key, post);
        Ok(Preparation::Ready(so_far.map(str::to_owned)))
    }

    /// Puts the post online. `key` is the same for every attempt at this delivery, on every machine.
    ///
    /// # Errors
    /// [`KindError`]; `Uncertain` when it may have taken effect. `Internal` is taken for the same, for a defect knows nothing;
    /// all others say that it certainly did not.
    fn publish(&self, call: &Call<'_>, key: &str, post: &Outgoing, prepared: Option<&str>) -> Result<Outcome, KindError>;

    /// How long after a publish whose answer was lost it may still appear: before that, "absent" is not believed.
    fn settles_within(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// Whether an uncertain publish took effect. `None` when this channel cannot read back.
    fn find(&self, call: &Call<'_>, key: &str, post: &Outgoing, prepared: Option<&str>) -> Option<Result<Finding, KindError>>;

    /// Whether the account works, without changing anything: the name to show. `None` when there is nothing to ask.
    fn check(&self, call: &Call<'_>) -> Option<Result<String, KindError>> {
        let _ = call;
        None
    }

    /// Takes a post down; succeeds also when it was gone before. `None` when this channel cannot.
    fn unpublish(&self, call: &Call<'_>, remote_id: &str) -> Option<Result<(), KindError>> {
        let _ = (call, remote_id);
        None
    }

    /// The figures of these posts and of the account as a whole. `None` when this channel has none.
    fn metrics(&self, call: &Call<'_>, remote_ids: &[String]) -> Option<Result<Vec<Sample>, KindError>> {
        let _ = (call, remote_ids);
        None
    }

    /// What the public wrote since. `None` when this channel has no inbox.
    fn inbox(&self, call: &Call<'_>, since: Option<&str>) -> Option<Result<MessagePage, KindError>> {
        let _ = (call, since);
        None
    }
}

/// One figure of a post or of an account.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The network's identifier of the post; `None` for the account as a whole.
    pub remote_id: Option<String>,
    /// `impressions`, `reach`, `likes`, `replies`, `shares`, `clicks`, `saves`, `followers` or another word.
    pub name: String,
    /// The running total, as the network counts it.
    pub value: f64,
}

/// A comment, a mention, a message, a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Unique per account.
    pub id: String,
    /// `comment`, `mention`, `direct`, `review`.
    pub kind: String,
    /// Who wrote it, as the network shows them.
    pub author: String,
    /// Plain text.
    pub text: String,
    /// When.
    pub at: Timestamp,
    /// The post or message it answers.
    pub reply_to: Option<String>,
    /// Where a person can see it.
    pub url: Option<String>,
}

/// A page of messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessagePage {
    /// In the network's order.
    pub messages: Vec<Message>,
    /// What to give back at the next poll.
    pub cursor: Option<String>,
    /// There is more: ask again at once.
    pub more: bool,
}

/// What to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Who writes, and what it must never do.
    pub instructions: String,
    /// What to write now; may quote strangers.
    pub task: String,
    /// Facts to use, by name.
    pub facts: Vec<(String, String)>,
    /// How many texts to give.
    pub variants: u32,
    /// Most characters of one.
    pub max_chars: Option<u32>,
    /// In which language.
    pub language: Language,
}

/// Texts, and what they cost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Generation {
    /// The texts, at most as many as were asked for.
    pub texts: Vec<String>,
    /// Who wrote them.
    pub model: String,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Millionths of the currency's unit, where known.
    pub cost_micros: Option<u64>,
}

/// Writes texts.
pub trait Generator: Send + Sync {
    /// Writes.
    ///
    /// # Errors
    /// [`KindError`], named after what to do next.
    fn generate(&self, call: &Call<'_>, prompt: &Prompt) -> Result<Generation, KindError>;
}

/// One message to one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// `digest`, `approval`, `alert` or `note`.
    pub kind: String,
    /// One line.
    pub title: String,
    /// Plain text.
    pub text: String,
    /// The same as a whole HTML page, when there is one.
    pub html: Option<String>,
}

/// Tells people something.
pub trait Notifier: Send + Sync {
    /// Sends one notice. `key` is the same for every attempt.
    ///
    /// # Errors
    /// [`KindError`], named after what to do next.
    fn notify(&self, call: &Call<'_>, key: &str, notice: &Notice) -> Result<Receipt, KindError>;

    /// How long after a notice whose answer was lost it may still appear: before that, "absent" is not believed.
    fn settles_within(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// Whether an uncertain notice went out. `None` when this notifier cannot read back.
    fn find(&self, call: &Call<'_>, key: &str, notice: &Notice) -> Option<Result<Finding, KindError>>;
}
