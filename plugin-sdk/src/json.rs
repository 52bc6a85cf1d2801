//! JSON, small: a document, a way to write one down in code, a reader and a writer.
//!
//! In: bytes from a service, or `json!({ "text": text })`. Out: a [`Value`], or the document without spaces.
//! Never: floating point where nobody asks for it. A number with a decimal point stays the text that was written.
//!
//! A plugin that reads and writes nothing but [`Value`] carries this module and no other JSON: 50 KB less than with
//! `serde_json`. A type of the plugin's own, with serde's `Deserialize` or `Serialize`, works everywhere, too, and brings
//! `serde_json` with it. `Value` can be part of a type that is read; in one that is written, `serde_json::Value` can.

mod make;
mod read;
mod value;
mod write;

pub use make::ToValue;
pub use value::{Key, Map, Number, Value};
pub use write::Write;

use serde::de::DeserializeOwned;
use std::any::Any;
use std::fmt;

/// Why something is no JSON, or not the JSON that is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Reads a document: as a [`Value`], or as a type of the plugin's own.
///
/// # Errors
/// When it is cut short, no JSON, nested more than 128 deep, or not of this type.
pub fn from_slice<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<T, Error> {
    let mut read: Option<T> = None;
    // Decided by the compiler: whoever asks for values only gets no part of serde_json.
    if let Some(read) = (&mut read as &mut dyn Any).downcast_mut::<Option<Value>>() {
        *read = Some(read::document(bytes)?);
    } else {
        read = Some(serde_json::from_slice(bytes).map_err(|e| Error(e.to_string()))?);
    }
    read.ok_or_else(|| Error(String::new()))
}

/// Reads a text; see [`from_slice`].
///
/// # Errors
/// As [`from_slice`].
pub fn from_str<T: DeserializeOwned + 'static>(text: &str) -> Result<T, Error> {
    from_slice(text.as_bytes())
}

/// A value as a type of the plugin's own.
///
/// # Errors
/// When it does not fit.
pub fn from_value<T: DeserializeOwned + 'static>(value: Value) -> Result<T, Error> {
    from_str(&value.compact())
}

/// Writes a value, or a type of the plugin's own, without spaces.
///
/// # Errors
/// When the type cannot be written as JSON, such as a map whose keys are lists.
pub fn to_string(value: &(impl Write + ?Sized)) -> Result<String, Error> {
    value.write()
}

impl std::str::FromStr for Value {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        read::document(text.as_bytes())
    }
}

#[cfg(test)]
mod tests;
