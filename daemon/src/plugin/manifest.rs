//! What a plugin says of itself: who it is, where it wants to call, with which credentials, and what the owner fills in.
//!
//! In: the text of `beffroi-plugin.toml`, which is also what the package carries. Out: a [`Manifest`], or every problem with its place.
//! Never: grants anything. A manifest only asks.

mod read;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use read::{covers, fits, parse, version};

use crate::domain::{Currency, Json, Language, PluginName};
use std::time::Duration;

/// A text in the two languages of owners.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// French.
    pub fr: String,
    /// English.
    pub en: String,
}

impl Words {
    /// The one of this language.
    pub fn pick(&self, language: Language) -> &str {
        language.pick(&self.fr, &self.en)
    }
}

/// The whole manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The plugin's name.
    pub name: PluginName,
    /// Its version: three numbers with dots, and perhaps more, as in semver.
    pub version: String,
    /// The line of the contract it was written against, such as `0.1`.
    pub api: String,
    /// What people call it.
    pub title: Words,
    /// What it does, in a sentence.
    pub summary: Words,
    /// Under which terms it may be used.
    pub license: String,
    /// Where to read more.
    pub homepage: Option<String>,
    /// Where it wants to call.
    pub places: Vec<AskedPlace>,
    /// Which credentials it names.
    pub credentials: Vec<Credential>,
    /// What the owner fills in, in the order of the file.
    pub settings: Vec<Setting>,
    /// What it wants to use up.
    pub limits: Asked,
    /// How long after a lost answer a post may still appear.
    pub settles_within: Duration,
    /// The currency of what its texts cost.
    pub cost: Option<Currency>,
    /// The functions of the desk it wants to call: `posts::plan`, `library::*`.
    pub desk: Vec<String>,
}

/// A place a plugin wants to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedPlace {
    /// `example.com`, `*.example.com`, or `setting:NAME` for host and port of the address in that setting.
    pub host: String,
    /// In capitals.
    pub methods: Vec<String>,
    /// Exact, or prefixes that end in `*`.
    pub paths: Vec<String>,
    /// Why, for the owner.
    pub reason: Words,
}

/// A secret a plugin names and never sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    /// What requests call it.
    pub name: String,
    /// How the host applies it.
    pub kind: CredentialKind,
    /// Hosts, written as in [`AskedPlace::host`], that it may be sent to.
    pub hosts: Vec<String>,
    /// What the owner has to provide.
    pub label: Words,
    /// Why, for the owner.
    pub reason: Words,
}

/// How a credential goes along.
#[derive(Debug, Clone, PartialEq)]
pub enum CredentialKind {
    /// `Authorization: Bearer SECRET`.
    Bearer,
    /// A header of this name, with this before the secret.
    Header {
        /// The header.
        name: String,
        /// What stands before the secret.
        prefix: String,
    },
    /// A parameter of the query.
    Query {
        /// Its name.
        parameter: String,
    },
    /// In the path, where the placeholder stands.
    Path {
        /// Such as `{token}`.
        placeholder: String,
    },
    /// `Authorization: Basic …`. Without a user, the secret is `user:password`.
    Basic {
        /// A name, or `setting:NAME`.
        user: Option<String>,
    },
    /// For signing only; never sent.
    Hmac,
    /// Tokens that the host gets and renews.
    Session(Box<Session>),
}

/// How tokens are got and renewed.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// The first exchange; without one, the secret itself is the first refresh token.
    pub login: Option<Exchange>,
    /// How new tokens are got.
    pub refresh: Exchange,
    /// JSON pointer to the access token in the answers.
    pub access: String,
    /// JSON pointer to the refresh token. An empty or missing one in an answer leaves the old one in force.
    pub refresh_token: String,
    /// JSON pointer to the seconds an access token lives; otherwise its `exp` is read if it is a JWT.
    pub expires_in: Option<String>,
    /// Values at `/error` of a 400 or 401 that mean that the access token has expired. A 401 always does.
    pub expired: Vec<String>,
}

/// One request that gives tokens. Texts may hold `{secret}`, `{refresh}` and `{setting:NAME}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Where to; its host must be among the credential's hosts.
    pub url: String,
    /// What to send.
    pub body: ExchangeBody,
    /// Whether the refresh token goes along as bearer.
    pub bearer_refresh: bool,
}

/// What an exchange sends.
#[derive(Debug, Clone, PartialEq)]
pub enum ExchangeBody {
    /// Nothing.
    Empty,
    /// JSON.
    Json(Json),
    /// A form.
    Form(Vec<(String, String)>),
}

/// One thing the owner fills in.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its key.
    pub name: String,
    /// What it takes.
    pub kind: SettingKind,
    /// What holds when it is not filled in.
    pub default: Option<Json>,
    /// Whether it may be left out without a default.
    pub optional: bool,
    /// What it is, for the owner.
    pub label: Words,
}

/// What a setting takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingKind {
    /// A text.
    Text,
    /// An http or https address.
    Url,
    /// A whole number.
    Whole,
    /// A number.
    Number,
    /// true or false.
    Truth,
    /// One of these.
    Choice(Vec<String>),
}

/// What a plugin wants to use up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Bytes of memory.
    pub memory: usize,
    /// Wall-clock time of one call.
    pub time: Duration,
    /// Bytes of one answer.
    pub response: usize,
    /// Requests of one call.
    pub requests: u32,
    /// Bytes sent and received in one call.
    pub bytes: u64,
    /// Bytes of private state, in all.
    pub state: u64,
    /// Lines of log of one call.
    pub log_lines: u32,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            memory: 32 << 20,
            time: Duration::from_secs(30),
            response: 4 << 20,
            requests: 50,
            bytes: 20 << 20,
            state: 1 << 20,
            log_lines: 200,
        }
    }
}
