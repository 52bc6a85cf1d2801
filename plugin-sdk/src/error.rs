//! Errors as a plugin makes them, with sentences in the firm's language.
//!
//! In: a code and a sentence. Out: the contract's `Error`, named after what the daemon does next.
//! Never: a guess; what the daemon does with each variant is written in the contract.

use crate::bindings::contract::types::{Attribute, Error, Failure, Retry};

/// Chooses between the French and the English sentence, by the language of the firm that the call is for.
pub fn pick(fr: impl Into<String>, en: impl Into<String>) -> String {
    if crate::run::language().starts_with("fr") { fr.into() } else { en.into() }
}

impl Error {
    /// Passing: the daemon makes the same call again by itself.
    pub fn retry(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Retry(Retry { failure: Failure::new(code, message), not_before: None })
    }

    /// Passing, and the other side said when to come back (an instant in milliseconds).
    pub fn retry_at(code: impl Into<String>, message: impl Into<String>, not_before: u64) -> Self {
        Self::Retry(Retry { failure: Failure::new(code, message), not_before: Some(not_before) })
    }

    /// The credential is missing, expired or revoked: the account pauses and the owner is asked.
    pub fn reconnect(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Reconnect(Failure::new(code, message))
    }

    /// Final for this input: shown to the owner, never tried again.
    pub fn reject(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Reject(Failure::new(code, message))
    }

    /// It left and the answer was lost or makes no sense: it may have taken effect.
    pub fn uncertain(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Uncertain(Failure::new(code, message))
    }

    /// A defect of the plugin.
    pub fn internal(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Internal(Failure::new(code, message))
    }

    /// What went wrong, whatever the daemon does next.
    pub fn failure(&self) -> &Failure {
        match self {
            Self::Retry(retry) => &retry.failure,
            Self::Reconnect(failure) | Self::Reject(failure) | Self::Uncertain(failure) | Self::Internal(failure) => failure,
        }
    }

    /// The stable code, such as `http-503`.
    pub fn code(&self) -> &str {
        &self.failure().code
    }

    /// The sentence for the owner.
    pub fn message(&self) -> &str {
        &self.failure().message
    }

    /// The same error with one more thing worth keeping. Never a secret.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let failure = match &mut self {
            Self::Retry(retry) => &mut retry.failure,
            Self::Reconnect(failure) | Self::Reject(failure) | Self::Uncertain(failure) | Self::Internal(failure) => failure,
        };
        failure.attributes.push(Attribute::new(name, value));
        self
    }
}

impl Failure {
    /// A failure with its code and its sentence.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), attributes: Vec::new() }
    }
}

impl Attribute {
    /// A named value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}
