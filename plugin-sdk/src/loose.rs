//! Reading JSON from services that do not keep to their own types: numbers as text, text as numbers, absent and null alike.
//!
//! In: a document and a JSON pointer. Out: what is meant, or nothing.
//! Never: fails; what must be there is checked by the one who asks.

use crate::json;
use crate::json::Value;

/// The text at a pointer; numbers count as text, everything else is empty.
pub fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.text(),
        _ => String::new(),
    }
}

/// The text at a pointer, if there is any.
pub fn some_text(value: &Value, pointer: &str) -> Option<String> {
    Some(text(value, pointer)).filter(|text| !text.is_empty())
}

/// The whole number at a pointer, as a number or as text.
pub fn whole(value: &Value, pointer: &str) -> Option<i64> {
    match value.pointer(pointer)? {
        Value::Number(number) => number.whole(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Whether the value at a pointer means yes: `true`, `1`, `"1"`, `"true"`, `"yes"`.
pub fn truth(value: &Value, pointer: &str) -> bool {
    match value.pointer(pointer) {
        Some(Value::Bool(truth)) => *truth,
        Some(Value::Number(number)) => number.as_i64() != Some(0),
        Some(Value::String(text)) => matches!(text.as_str(), "1" | "true" | "yes"),
        _ => false,
    }
}

/// The list at a pointer; empty when there is none.
pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The document as text, without spaces.
pub fn compact(value: &Value) -> String {
    value.compact()
}

/// A document out of text; `null` when it is none.
pub fn document(text: &str) -> Value {
    json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn loose_types_are_read_as_meant() {
        let value = json!({ "a": "12", "b": 12, "c": null, "d": [1], "e": "yes", "f": 0, "g": 12.0, "h": 1e300 });
        assert_eq!(
            (text(&value, "/a"), text(&value, "/b"), text(&value, "/c"), text(&value, "/x")),
            ("12".into(), "12".into(), "".into(), "".into())
        );
        assert_eq!((whole(&value, "/a"), whole(&value, "/b"), whole(&value, "/g")), (Some(12), Some(12), Some(12)));
        assert_eq!((whole(&value, "/c"), whole(&value, "/e"), whole(&value, "/h")), (None, None, None));
        assert_eq!((truth(&value, "/e"), truth(&value, "/f"), truth(&value, "/c")), (true, false, false));
        assert_eq!((list(&value, "/d").len(), list(&value, "/a").len()), (1, 0));
        assert_eq!(some_text(&value, "/c"), None);
        assert_eq!(document(&compact(&value)), value);
        assert_eq!(document("{\"cut"), Value::Null);
    }
}
