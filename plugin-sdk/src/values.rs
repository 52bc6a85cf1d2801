//! The values of the contract, by the names that plugins use, and short ways to make them.
//!
//! In: the bindings. Out: plain structs with public fields. Never: a field that the contract has not.

pub use crate::bindings::contract::media::Asset;
pub use crate::bindings::contract::post_types::{Finding, Outcome, Pause, Post, Preparation, Problem, Receipt};
pub use crate::bindings::contract::types::{Attribute, Error, Failure, Retry};
pub use crate::bindings::feed::exports::beffroi::plugin::feed::{Page as SignalPage, Signal};
pub use crate::bindings::generate::exports::beffroi::plugin::generate::{Generation, Prompt, Usage};
pub use crate::bindings::inbox::exports::beffroi::plugin::inbox::{Message, Page as InboxPage};
pub use crate::bindings::metrics::exports::beffroi::plugin::metrics::Sample;
pub use crate::bindings::notify::exports::beffroi::plugin::notify::Notice;
pub use crate::bindings::stock::exports::beffroi::plugin::stock::{Item, Page as StockPage, Price};
pub use crate::bindings::workflow::exports::beffroi::plugin::workflow::Trigger;

use crate::error::pick;
use serde::de::DeserializeOwned;

impl Post {
    /// A plain post: a text in the format `post`, nothing with it.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), link: None, assets: Vec::new(), format: "post".to_owned(), reply_to: None, options: Vec::new() }
    }

    /// A wish for one network, such as `visibility`.
    pub fn option(&self, name: &str) -> Option<&str> {
        named(&self.options, name)
    }
}

impl Problem {
    /// A reason why a post cannot go out as it is.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl Receipt {
    /// Proof that a post is online.
    pub fn new(remote_id: impl Into<String>, url: Option<String>) -> Self {
        Self { remote_id: remote_id.into(), url }
    }
}

impl Pause {
    /// A step that is not over.
    pub fn new(handle: impl Into<String>, not_before: u64, message: impl Into<String>) -> Self {
        Self { handle: handle.into(), not_before, message: message.into() }
    }
}

impl Sample {
    /// A figure of one post.
    pub fn of_post(remote_id: impl Into<String>, name: impl Into<String>, value: f64) -> Self {
        Self { remote_id: Some(remote_id.into()), name: name.into(), value }
    }

    /// A figure of the account as a whole.
    pub fn of_account(name: impl Into<String>, value: f64) -> Self {
        Self { remote_id: None, name: name.into(), value }
    }
}

impl Signal {
    /// A signal with what every signal has.
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self { id: id.into(), title: title.into(), summary: String::new(), url: None, published: None, attributes: Vec::new() }
    }
}

impl Item {
    /// A product that is not counted and has no price yet.
    pub fn new(sku: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            sku: sku.into(),
            title: title.into(),
            available: None,
            price: None,
            was: None,
            url: None,
            image: None,
            category: None,
            attributes: Vec::new(),
        }
    }
}

impl Prompt {
    /// A fact by its name.
    pub fn fact(&self, name: &str) -> Option<&str> {
        named(&self.facts, name)
    }
}

impl Trigger {
    /// What came with the trigger, as a type of the plugin's own.
    ///
    /// # Errors
    /// `Reject` with the code `payload` when something else came.
    pub fn payload_as<T: DeserializeOwned + 'static>(&self) -> Result<T, Error> {
        crate::json::from_str(&self.payload).map_err(|e| {
            let text = pick(
                "Ce qui a lancé ce travail n'a pas la forme attendue. Vérifiez l'événement qui le déclenche.",
                "What started this run does not have the expected shape. Check the event that triggers it.",
            );
            Error::reject("payload", text).with("detail", e.to_string())
        })
    }
}

fn named<'a>(list: &'a [Attribute], name: &str) -> Option<&'a str> {
    list.iter().find(|a| a.name == name).map(|a| a.value.as_str())
}
