//! Values of scripts and JSON, each into the other.
//!
//! In: a script's value. Out: the same as JSON, or the place inside it that has no JSON form; and back. Also what a value
//! weighs, how it is written for people, and whether two are equal: all bounded in depth and memory, because the
//! language's own versions are not.
//! Never: turns something into a different thing silently, as a timestamp into text or not-a-number into null.

use super::context::Run;
use crate::domain::Json;
use rhai::{Dynamic, ImmutableString, Map};
use std::fmt::Write as _;

/// How deeply a value may be nested to leave the script, or to come in.
pub(super) const DEEPEST: usize = 64;

/// Why a value has no JSON form.
pub(super) struct Unfit {
    /// The way to the place, innermost first.
    path: Vec<String>,
    what: String,
}

impl Unfit {
    fn here(what: impl Into<String>) -> Self {
        Self { path: Vec::new(), what: what.into() }
    }

    fn under(mut self, step: String) -> Self {
        // Of a very deep place the innermost part says enough.
        if self.path.len() < 8 {
            self.path.push(step);
        }
        self
    }

    /// A sentence; `name` is what the whole value is called in it.
    pub(super) fn sentence(&self, name: &str) -> String {
        let path: String = self.path.iter().rev().map(String::as_str).collect();
        format!("{name}{path} {}.", self.what)
    }
}

/// What a value is, for the middle of a sentence.
pub(super) fn phrase(value: &Dynamic) -> &'static str {
    phrase_of_type(value.type_name())
}

/// The same from the engine's name of a type.
pub(super) fn phrase_of_type(name: &str) -> &'static str {
    match name {
        "()" => "nothing ()",
        "bool" => "true or false",
        "i64" => "a whole number",
        "f64" => "a number with decimals",
        "char" => "a character",
        "string" | "&str" | "String" | "ImmutableString" => "a text",
        "array" | "Array" => "a list",
        "map" | "Map" => "a map",
        "blob" | "Blob" => "a blob",
        "Fn" | "FnPtr" => "a function",
        "timestamp" => "a timestamp",
        name if name.contains("ange") => "a range",
        _ => "a value of the language itself",
    }
}

/// A value as JSON.
///
/// # Errors
/// The first place inside it that has no JSON form.
pub(super) fn to_json(value: &Dynamic, run: &Run) -> Result<Json, Unfit> {
    convert(value, &|| run.over(), DEEPEST)
}

/// The same outside a run, for the tests of scripts.
///
/// # Errors
/// A sentence about the first place inside it that has no JSON form.
pub(crate) fn written_as_json(value: &Dynamic) -> Result<Json, String> {
    convert(value, &|| false, DEEPEST).map_err(|unfit| unfit.sentence("the value"))
}

/// JSON as a script's value, outside a run.
///
/// # Errors
/// A sentence: it is nested too deeply.
pub(crate) fn revived(json: &Json) -> Result<Dynamic, String> {
    revive(json, DEEPEST).map_err(|unfit| unfit.sentence("the value"))
}

fn convert(value: &Dynamic, over: &dyn Fn() -> bool, deeper: usize) -> Result<Json, Unfit> {
    if value.is_unit() {
        return Ok(Json::Null);
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(Json::String(text.as_str().to_owned()));
    }
    if let Ok(number) = value.as_int() {
        return Ok(number.into());
    }
    if let Ok(truth) = value.as_bool() {
        return Ok(truth.into());
    }
    if let Ok(number) = value.as_float() {
        return serde_json::Number::from_f64(number)
            .map(Json::Number)
            .ok_or_else(|| Unfit::here(format!("is {number}, which is not a number that can be kept")));
    }
    if let Ok(character) = value.as_char() {
        return Ok(Json::String(character.to_string()));
    }
    if deeper == 0 {
        return Err(Unfit::here(format!("is nested more than {DEEPEST} levels deep")));
    }
    // A text may be held in many places at once without taking memory for each; as JSON it does.
    let watch = || if over() { Err(Unfit::here("needs more memory than the run may use")) } else { Ok(()) };
    if let Ok(list) = value.as_array_ref() {
        let mut out = Vec::with_capacity(list.len());
        for (index, item) in list.iter().enumerate() {
            watch()?;
            out.push(convert(item, over, deeper - 1).map_err(|e| e.under(format!("[{index}]")))?);
        }
        return Ok(Json::Array(out));
    }
    if let Ok(map) = value.as_map_ref() {
        let mut out = serde_json::Map::with_capacity(map.len());
        for (key, item) in map.iter() {
            watch()?;
            let item = convert(item, over, deeper - 1).map_err(|e| e.under(property(key)))?;
            out.insert(key.to_string(), item);
        }
        return Ok(Json::Object(out));
    }
    Err(Unfit::here(format!("is {}, which cannot be kept", phrase(value))))
}

fn property(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { format!(".{key}") } else { format!("[{key:?}]") }
}

/// JSON as a script's value.
///
/// # Errors
/// It is nested too deeply.
pub(super) fn from_json(json: &Json) -> Result<Dynamic, Unfit> {
    revive(json, DEEPEST)
}

fn revive(json: &Json, deeper: usize) -> Result<Dynamic, Unfit> {
    Ok(match json {
        Json::Null => Dynamic::UNIT,
        Json::Bool(truth) => (*truth).into(),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(number)) => number.into(),
            (None, None) => return Err(Unfit::here("is a number that scripts cannot hold")),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(_) | Json::Object(_) if deeper == 0 => {
            return Err(Unfit::here(format!("is nested more than {DEEPEST} levels deep")));
        }
        Json::Array(list) => {
            let mut out = rhai::Array::with_capacity(list.len());
            for (index, item) in list.iter().enumerate() {
                out.push(revive(item, deeper - 1).map_err(|e| e.under(format!("[{index}]")))?);
            }
            out.into()
        }
        Json::Object(map) => {
            let mut out = Map::new();
            for (key, item) in map {
                let item = revive(item, deeper - 1).map_err(|e| e.under(property(key)))?;
                out.insert(key.as_str().into(), item);
            }
            out.into()
        }
    })
}

/// About how many bytes and pieces a copy of a value takes; `None` when it is nested too deeply.
pub(super) fn weight(value: &Dynamic) -> Option<(usize, usize)> {
    fn add(value: &Dynamic, deeper: usize, sum: &mut (usize, usize)) -> Option<()> {
        sum.0 += size_of::<Dynamic>();
        if let Ok(list) = value.as_array_ref() {
            *sum = (sum.0 + 32, sum.1 + 2);
            list.iter().try_for_each(|item| add(item, deeper.checked_sub(1)?, sum))
        } else if let Ok(map) = value.as_map_ref() {
            *sum = (sum.0 + 32, sum.1 + 2);
            map.iter().try_for_each(|(key, item)| {
                sum.0 += size_of_val(key) + key.len();
                add(item, deeper.checked_sub(1)?, sum)
            })
        } else {
            Some(())
        }
    }
    let mut sum = (0, 0);
    add(value, DEEPEST, &mut sum).map(|()| sum)
}

/// Why a value is not written out.
pub(super) enum Unwritten {
    /// It takes more bytes than allowed.
    Long,
    /// It is nested more than [`DEEPEST`] levels deep.
    Deep,
}

/// A value as the language writes it, in at most `room` bytes; texts are quoted when `quoted` or inside something.
///
/// # Errors
/// It is too long or too deep.
pub(super) fn written(value: &Dynamic, quoted: bool, room: usize) -> Result<ImmutableString, Unwritten> {
    let mut out = String::new();
    write_into(&mut out, value, quoted, room, DEEPEST)?;
    Ok(out.into())
}

fn write_into(out: &mut String, value: &Dynamic, quoted: bool, room: usize, deeper: usize) -> Result<(), Unwritten> {
    if let Ok(list) = value.as_array_ref() {
        let deeper = deeper.checked_sub(1).ok_or(Unwritten::Deep)?;
        out.push('[');
        for (index, item) in list.iter().enumerate() {
            out.push_str(if index > 0 { ", " } else { "" });
            write_into(out, item, true, room, deeper)?;
        }
        out.push(']');
    } else if let Ok(map) = value.as_map_ref() {
        let deeper = deeper.checked_sub(1).ok_or(Unwritten::Deep)?;
        out.push_str("#{");
        for (index, (key, item)) in map.iter().enumerate() {
            let _ = write!(out, "{}{key:?}: ", if index > 0 { ", " } else { "" });
            write_into(out, item, true, room, deeper)?;
        }
        out.push('}');
    } else if let Ok(text) = value.as_immutable_string_ref() {
        if text.len() > room.saturating_sub(out.len()) {
            return Err(Unwritten::Long);
        }
        let _ = if quoted { write!(out, "{:?}", text.as_str()) } else { write!(out, "{}", text.as_str()) };
    } else if value.is_fnptr() {
        out.push_str("a function");
    } else if quoted && value.is_unit() {
        out.push_str("()");
    } else if quoted && let Ok(character) = value.as_char() {
        let _ = write!(out, "{character:?}");
    } else {
        let _ = write!(out, "{value}");
    }
    if out.len() > room { Err(Unwritten::Long) } else { Ok(()) }
}

/// Whether two values are equal, item by item; `None` when they are nested too deeply or the run is over.
pub(super) fn equal(a: &Dynamic, b: &Dynamic, run: Option<&Run>) -> Option<bool> {
    fn same(a: &Dynamic, b: &Dynamic, run: Option<&Run>, deeper: usize) -> Option<bool> {
        if run.is_some_and(Run::over) {
            return None;
        }
        if let (Ok(a), Ok(b)) = (a.as_array_ref(), b.as_array_ref()) {
            if a.len() != b.len() {
                return Some(false);
            }
            let deeper = deeper.checked_sub(1)?;
            for (a, b) in a.iter().zip(b.iter()) {
                if !same(a, b, run, deeper)? {
                    return Some(false);
                }
            }
            return Some(true);
        }
        if let (Ok(a), Ok(b)) = (a.as_map_ref(), b.as_map_ref()) {
            if a.len() != b.len() {
                return Some(false);
            }
            let deeper = deeper.checked_sub(1)?;
            for ((a_key, a), (b_key, b)) in a.iter().zip(b.iter()) {
                if a_key != b_key || !same(a, b, run, deeper)? {
                    return Some(false);
                }
            }
            return Some(true);
        }
        if let (Ok(a), Ok(b)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
            return Some(*a == *b);
        }
        if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
            return Some(a == b);
        }
        if let (Some(a), Some(b)) = (number(a), number(b)) {
            return Some(a == b);
        }
        Some(match (a.as_bool(), b.as_bool(), a.as_char(), b.as_char()) {
            (Ok(a), Ok(b), ..) => a == b,
            (.., Ok(a), Ok(b)) => a == b,
            _ => a.is_unit() && b.is_unit(),
        })
    }
    same(a, b, run, DEEPEST)
}

/// A whole or decimal number as the latter.
#[allow(clippy::cast_precision_loss, reason = "comparing a whole number with a decimal one is as exact as the latter")]
pub(super) fn number(value: &Dynamic) -> Option<f64> {
    value.as_float().ok().or_else(|| value.as_int().ok().map(|n| n as f64))
}
