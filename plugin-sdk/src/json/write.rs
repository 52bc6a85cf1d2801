//! The writer.
//!
//! In: a value, or a type with serde's `Serialize`. Out: JSON without spaces. Never: what [`super::from_slice`] cannot read.

use super::Error;
use super::value::{Digits, Number, Value};
use serde::Serialize;
use std::fmt;

/// What can be written as JSON: a [`Value`], and every type with serde's `Serialize`.
pub trait Write {
    /// The document, without spaces.
    ///
    /// # Errors
    /// When the type cannot be written as JSON.
    fn write(&self) -> Result<String, Error>;
}

impl<T: Serialize + ?Sized> Write for T {
    fn write(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|e| Error(e.to_string()))
    }
}

impl Write for Value {
    fn write(&self) -> Result<String, Error> {
        Ok(self.compact())
    }
}

impl Write for &Value {
    fn write(&self) -> Result<String, Error> {
        Ok(self.compact())
    }
}

impl Value {
    /// The document, without spaces.
    pub(crate) fn compact(&self) -> String {
        let mut out = String::new();
        add(self, &mut out);
        out
    }
}

fn add(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&number.text()),
        Value::String(text) => quote(text, out),
        Value::Array(list) => {
            out.push('[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                add(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (at, (name, item)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quote(name, out);
                out.push(':');
                add(item, out);
            }
            out.push('}');
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        let short = match letter {
            '"' | '\\' => letter,
            '\u{8}' => 'b',
            '\u{c}' => 'f',
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\0'..' ' => {
                let code = letter as u32;
                out.push_str(if code < 16 { "\\u000" } else { "\\u001" });
                out.extend(char::from_digit(code % 16, 16));
                continue;
            }
            _ => {
                out.push(letter);
                continue;
            }
        };
        out.push('\\');
        out.push(short);
    }
    out.push('"');
}

impl Number {
    /// As it is written.
    pub(crate) fn text(&self) -> String {
        match &self.0 {
            Digits::Up(number) => number.to_string(),
            Digits::Down(number) => number.to_string(),
            Digits::Text(text) => text.clone(),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.compact())
    }
}
