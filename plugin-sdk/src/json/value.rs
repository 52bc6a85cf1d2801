//! The document.
//!
//! In: what was read or made. Out: its parts, by name, by place, by pointer. Never: a panic for a part that is not there.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::ops;

/// Any JSON.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// Values by name.
    Object(Map),
}

/// A number, exactly as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Number(pub(super) Digits);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Digits {
    /// Zero and above.
    Up(u64),
    /// Below zero.
    Down(i64),
    /// With a decimal point or an exponent, or too long.
    Text(String),
}

impl Number {
    /// The number, if it is whole and fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Digits::Up(number) => i64::try_from(number).ok(),
            Digits::Down(number) => Some(number),
            Digits::Text(_) => None,
        }
    }

    /// The number, if it is whole, not below zero, and fits.
    pub fn as_u64(&self) -> Option<u64> {
        if let Digits::Up(number) = self.0 { Some(number) } else { None }
    }

    /// The number, as near as floating point gets.
    pub fn as_f64(&self) -> Option<f64> {
        match &self.0 {
            Digits::Up(number) => Some(*number as f64),
            Digits::Down(number) => Some(*number as f64),
            Digits::Text(text) => text.parse().ok(),
        }
    }

    /// The whole part, whatever comes behind the decimal point, if it is below 9 × 10¹⁵ in size; `1.2e3` is 1200.
    pub(crate) fn whole(&self) -> Option<i64> {
        let Digits::Text(text) = &self.0 else { return self.as_i64() };
        let (negative, text) = text.strip_prefix('-').map_or((false, text.as_str()), |rest| (true, rest));
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let mut left = whole.len() as i64 + i64::from(exponent.parse::<i32>().ok()?);
        let mut given = whole.bytes().chain(decimals.bytes());
        let mut number = 0_i64;
        while left > 0 {
            let digit = match given.next() {
                Some(digit) => digit - b'0',
                None if number == 0 => break,
                None => 0,
            };
            number = number * 10 + i64::from(digit);
            if number >= 9_000_000_000_000_000 {
                return None;
            }
            left -= 1;
        }
        Some(if negative { -number } else { number })
    }
}

/// Values by name, in the order of the names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map(Vec<(String, Value)>);

impl Map {
    /// An empty one.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_str().cmp(name))
    }

    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.place(name).ok().map(|at| &self.0[at].1)
    }

    /// The value of this name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.place(name).ok().map(|at| &mut self.0[at].1)
    }

    /// Whether there is a value of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Adds a value, or puts it in place of the one of the same name, which it gives back.
    pub fn insert(&mut self, name: impl Into<String>, value: Value) -> Option<Value> {
        let name = name.into();
        match self.place(&name) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (name, value));
                None
            }
        }
    }

    /// Takes a value away.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.place(name).ok().map(|at| self.0.remove(at).1)
    }

    /// What [`json!`](crate::json!) adds.
    #[doc(hidden)]
    pub fn put(&mut self, name: &str, value: Value) {
        self.insert(name, value);
    }

    /// Names and values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&String, &Value)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The names.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &String> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The values.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Out of a document: in any order, and of two values of the same name the last.
    pub(super) fn of(list: Vec<(String, Value)>) -> Self {
        Self(if list.is_sorted_by(|a, b| a.0 < b.0) { list } else { sorted(list) })
    }
}

/// Sorts by name. By halves and by hand: the sort of the standard library would be in each component.
fn sorted(mut list: Vec<(String, Value)>) -> Vec<(String, Value)> {
    if list.len() < 2 {
        return list;
    }
    let right = list.split_off(list.len() / 2);
    let mut all = Vec::with_capacity(list.len() + right.len());
    let (mut left, mut right) = (sorted(list).into_iter(), sorted(right).into_iter());
    let (mut next_left, mut next_right) = (left.next(), right.next());
    loop {
        let take_left = match (&next_left, &next_right) {
            (Some(a), Some(b)) if a.0 == b.0 => {
                next_left = left.next();
                false
            }
            (Some(a), Some(b)) => a.0 < b.0,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return all,
        };
        if take_left {
            all.extend(std::mem::replace(&mut next_left, left.next()));
        } else {
            all.extend(std::mem::replace(&mut next_right, right.next()));
        }
    }
}

impl IntoIterator for Map {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<N: Into<String>, V: Into<Value>> Extend<(N, V)> for Map {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, items: I) {
        for (name, value) in items {
            self.insert(name, value.into());
        }
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(items: I) -> Self {
        let mut map = Self::new();
        map.extend(items);
        map
    }
}

/// What leads to a part of a value: a name or a place.
pub trait Key {
    /// The part, if it is there.
    fn find<'v>(&self, value: &'v Value) -> Option<&'v Value>;
    /// The part to be changed, if it is there.
    fn find_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value>;
    /// The part to be changed; a name that is not there comes into being.
    ///
    /// # Panics
    /// When the value is neither `null` nor one that can have such a part.
    fn make<'v>(&self, value: &'v mut Value) -> &'v mut Value;
}

impl Key for str {
    fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.as_object()?.get(self)
    }

    fn find_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        value.as_object_mut()?.get_mut(self)
    }

    fn make<'v>(&self, value: &'v mut Value) -> &'v mut Value {
        if value.is_null() {
            *value = Value::Object(Map::new());
        }
        let Value::Object(map) = value else { panic!("only an object has values by name") };
        let at = match map.place(self) {
            Ok(at) => at,
            Err(at) => {
                map.0.insert(at, (self.to_owned(), Value::Null));
                at
            }
        };
        &mut map.0[at].1
    }
}

impl Key for String {
    fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        Key::find(self.as_str(), value)
    }

    fn find_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        self.as_str().find_mut(value)
    }

    fn make<'v>(&self, value: &'v mut Value) -> &'v mut Value {
        self.as_str().make(value)
    }
}

impl Key for usize {
    fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.as_array()?.get(*self)
    }

    fn find_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        value.as_array_mut()?.get_mut(*self)
    }

    fn make<'v>(&self, value: &'v mut Value) -> &'v mut Value {
        self.find_mut(value).expect("only a list that is long enough has a value at this place")
    }
}

impl<K: Key + ?Sized> Key for &K {
    fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        (**self).find(value)
    }

    fn find_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        (**self).find_mut(value)
    }

    fn make<'v>(&self, value: &'v mut Value) -> &'v mut Value {
        (**self).make(value)
    }
}

impl<K: Key> ops::Index<K> for Value {
    type Output = Value;

    /// The part, `null` when it is not there.
    fn index(&self, key: K) -> &Value {
        key.find(self).unwrap_or(&Value::Null)
    }
}

impl<K: Key> ops::IndexMut<K> for Value {
    fn index_mut(&mut self, key: K) -> &mut Value {
        key.make(self)
    }
}

impl Value {
    /// The part of this name or at this place.
    pub fn get(&self, key: impl Key) -> Option<&Value> {
        key.find(self)
    }

    /// The part of this name or at this place, to be changed.
    pub fn get_mut(&mut self, key: impl Key) -> Option<&mut Value> {
        key.find_mut(self)
    }

    /// The part that a JSON pointer leads to, such as `/items/0/name`; all of it for an empty one.
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        let mut value = self;
        let mut rest = pointer;
        while !rest.is_empty() {
            let step = rest.strip_prefix('/')?;
            let end = step.bytes().position(|byte| byte == b'/').unwrap_or(step.len());
            let (name, behind) = step.split_at(end);
            rest = behind;
            value = match value {
                Value::Array(list) => list.get(name.parse::<usize>().ok()?)?,
                Value::Object(map) if name.contains('~') => map.get(&name.replace("~1", "/").replace("~0", "~"))?,
                Value::Object(map) => map.get(name)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// Takes it out and leaves `null`.
    pub fn take(&mut self) -> Value {
        std::mem::take(self)
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// Whether `true`, if it is either.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<&Number> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// The number, if it is a whole one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()?.as_i64()
    }

    /// The number, if it is a whole one that is not below zero and fits.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_number()?.as_u64()
    }

    /// The number, if it is one, as near as floating point gets.
    pub fn as_f64(&self) -> Option<f64> {
        self.as_number()?.as_f64()
    }

    /// The list, if it is one.
    pub fn as_array(&self) -> Option<&Vec<Value>> {
        if let Self::Array(list) = self { Some(list) } else { None }
    }

    /// The list to be changed, if it is one.
    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Value>> {
        if let Self::Array(list) = self { Some(list) } else { None }
    }

    /// The values by name, if that is what it is.
    pub fn as_object(&self) -> Option<&Map> {
        if let Self::Object(map) = self { Some(map) } else { None }
    }

    /// The values by name to be changed, if that is what it is.
    pub fn as_object_mut(&mut self) -> Option<&mut Map> {
        if let Self::Object(map) = self { Some(map) } else { None }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it is `true` or `false`.
    pub fn is_boolean(&self) -> bool {
        matches!(self, Self::Bool(_))
    }

    /// Whether it is a number.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }

    /// Whether it is a text.
    pub fn is_string(&self) -> bool {
        matches!(self, Self::String(_))
    }

    /// Whether it is a list.
    pub fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    /// Whether it is values by name.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }
}

/// For types of the plugin's own that have a value in them.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
                Value::deserialize(deserializer)
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
                Ok(Value::Bool(truth))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
                Ok(number.into())
            }

            fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
                Ok(number.into())
            }

            fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
                Ok(number.into())
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(text.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Value::Array(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_entry()? {
                    list.push(item);
                }
                Ok(Value::Object(Map::of(list)))
            }
        }

        deserializer.deserialize_any(Any)
    }
}
