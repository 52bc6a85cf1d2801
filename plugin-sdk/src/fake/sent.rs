//! A request as the fake host got it.
//!
//! In: the contract's request. Out: what tests want to know of it. Never: changed.

use crate::http::{Body, Content, Part};
use crate::json;
use crate::json::Value;

/// A request as the plugin sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Such as `POST`.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// Names as the plugin wrote them.
    pub headers: Vec<(String, String)>,
    /// What it carries.
    pub body: Body,
    /// The credential that it names.
    pub credential: Option<String>,
}

impl Sent {
    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text; empty for files and forms.
    pub fn text(&self) -> String {
        match &self.body {
            Body::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Body::Empty | Body::File(_) | Body::Form(_) => String::new(),
        }
    }

    /// The body as JSON, `null` when it is something else.
    pub fn json(&self) -> Value {
        json::from_str(&self.text()).unwrap_or_default()
    }

    /// The id of the file that it carries.
    pub fn file(&self) -> Option<&str> {
        match &self.body {
            Body::File(id) => Some(id),
            Body::Empty | Body::Bytes(_) | Body::Form(_) => None,
        }
    }

    /// The parts of its form.
    pub fn parts(&self) -> &[Part] {
        match &self.body {
            Body::Form(parts) => parts,
            Body::Empty | Body::Bytes(_) | Body::File(_) => &[],
        }
    }

    /// The text of a part of its form.
    pub fn part(&self, name: &str) -> Option<String> {
        self.parts().iter().find(|p| p.name == name).map(|p| match &p.content {
            Content::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Content::File(id) => id.clone(),
        })
    }
}
