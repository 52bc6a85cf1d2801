//! Values out of Rust's own types, and `json!`.
//!
//! In: texts, numbers, lists of them. Out: a value. Never: fails; a floating point number that is none becomes `null`.

use super::value::{Digits, Map, Number, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What can stand in [`json!`](crate::json!).
pub trait ToValue {
    /// The same as JSON.
    fn to_value(&self) -> Value;
}

macro_rules! numbers {
    ($($kind:ident as $wide:ident $digits:expr;)*) => {
        $(
            impl From<$kind> for Value {
                fn from(number: $kind) -> Self {
                    let digits: fn($wide) -> Digits = $digits;
                    Self::Number(Number(digits(number as $wide)))
                }
            }

            impl ToValue for $kind {
                fn to_value(&self) -> Value {
                    (*self).into()
                }
            }

            impl PartialEq<$kind> for Value {
                fn eq(&self, other: &$kind) -> bool {
                    let digits: fn($wide) -> Digits = $digits;
                    self.as_number().is_some_and(|number| number.0 == digits(*other as $wide))
                }
            }
        )*
    };
}

numbers! {
    u8 as u64 Digits::Up;
    u16 as u64 Digits::Up;
    u32 as u64 Digits::Up;
    u64 as u64 Digits::Up;
    usize as u64 Digits::Up;
    i8 as i64 signed;
    i16 as i64 signed;
    i32 as i64 signed;
    i64 as i64 signed;
    isize as i64 signed;
}

fn signed(number: i64) -> Digits {
    u64::try_from(number).map_or(Digits::Down(number), Digits::Up)
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        if number.is_finite() { Self::Number(Number(Digits::Text(format!("{number:?}")))) } else { Self::Null }
    }
}

impl PartialEq<f64> for Value {
    fn eq(&self, other: &f64) -> bool {
        self.as_f64() == Some(*other)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl PartialEq<bool> for Value {
    fn eq(&self, other: &bool) -> bool {
        self.as_bool() == Some(*other)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::String(text.clone())
    }
}

impl PartialEq<str> for Value {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<String> for Value {
    fn eq(&self, other: &String) -> bool {
        *self == **other
    }
}

impl PartialEq<Value> for str {
    fn eq(&self, other: &Value) -> bool {
        other == self
    }
}

impl PartialEq<Value> for &str {
    fn eq(&self, other: &Value) -> bool {
        other == self
    }
}

impl PartialEq<Value> for String {
    fn eq(&self, other: &Value) -> bool {
        other == self
    }
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::Null
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Object(map)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(list: Vec<T>) -> Self {
        list.into_iter().collect()
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(list: [T; N]) -> Self {
        list.into_iter().collect()
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(items: I) -> Self {
        Self::Object(items.into_iter().collect())
    }
}

/// Types that are cheap to copy, or have to be.
macro_rules! copied {
    ($($kind:ty: $name:ident => $value:expr;)*) => {
        $(impl ToValue for $kind {
            fn to_value(&self) -> Value {
                let $name = self;
                $value
            }
        })*
    };
}

copied! {
    Value: value => value.clone();
    Map: map => Value::Object(map.clone());
    str: text => text.into();
    String: text => text.as_str().into();
    Cow<'_, str>: text => text.as_ref().into();
    bool: truth => Value::Bool(*truth);
    f64: number => (*number).into();
    f32: number => f64::from(*number).into();
    (): _nothing => Value::Null;
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }
}

impl<T: ToValue> ToValue for [T] {
    fn to_value(&self) -> Value {
        Value::Array(self.iter().map(T::to_value).collect())
    }
}

impl<T: ToValue> ToValue for Vec<T> {
    fn to_value(&self) -> Value {
        self.as_slice().to_value()
    }
}

impl<T: ToValue, const N: usize> ToValue for [T; N] {
    fn to_value(&self) -> Value {
        self.as_slice().to_value()
    }
}

impl<A: ToValue, B: ToValue> ToValue for (A, B) {
    fn to_value(&self) -> Value {
        Value::Array(vec![self.0.to_value(), self.1.to_value()])
    }
}

impl<A: ToValue, B: ToValue, C: ToValue> ToValue for (A, B, C) {
    fn to_value(&self) -> Value {
        Value::Array(vec![self.0.to_value(), self.1.to_value(), self.2.to_value()])
    }
}

impl<N: AsRef<str>, T: ToValue> ToValue for BTreeMap<N, T> {
    fn to_value(&self) -> Value {
        Value::Object(self.iter().map(|(name, value)| (name.as_ref(), value.to_value())).collect())
    }
}

/// Writes JSON down in code: `json!({ "text": post.text, "tags": [tag, "bread"], "reply": null })`.
///
/// What stands in it are texts, numbers, truths, values, and lists and options of them; see [`ToValue`](crate::json::ToValue).
/// A name is a literal, a variable, or anything else in parentheses.
#[macro_export]
macro_rules! json {
    (null) => { $crate::json::Value::Null };
    ([ $($inside:tt)* ]) => {
        $crate::json::Value::Array({
            #[allow(unused_mut, clippy::vec_init_then_push, reason = "it may stay empty, and its items are added one by one")]
            {
                let mut list = ::std::vec::Vec::<$crate::json::Value>::new();
                $crate::__json_list!(list $($inside)*);
                list
            }
        })
    };
    ({ $($inside:tt)* }) => {
        $crate::json::Value::Object({
            #[allow(unused_mut, reason = "it may stay empty")]
            let mut map = $crate::json::Map::new();
            $crate::__json_map!(map $($inside)*);
            map
        })
    };
    ($other:expr) => { $crate::json::ToValue::to_value(&$other) };
}

/// The items of a list in [`json!`](crate::json!).
#[doc(hidden)]
#[macro_export]
macro_rules! __json_list {
    ($list:ident) => {};
    ($list:ident null $(, $($rest:tt)*)?) => {
        $list.push($crate::json::Value::Null);
        $($crate::__json_list!($list $($rest)*);)?
    };
    ($list:ident [ $($inside:tt)* ] $(, $($rest:tt)*)?) => {
        $list.push($crate::json!([ $($inside)* ]));
        $($crate::__json_list!($list $($rest)*);)?
    };
    ($list:ident { $($inside:tt)* } $(, $($rest:tt)*)?) => {
        $list.push($crate::json!({ $($inside)* }));
        $($crate::__json_list!($list $($rest)*);)?
    };
    ($list:ident $value:expr $(, $($rest:tt)*)?) => {
        $list.push($crate::json!($value));
        $($crate::__json_list!($list $($rest)*);)?
    };
}

/// The names and values of an object in [`json!`](crate::json!).
#[doc(hidden)]
#[macro_export]
macro_rules! __json_map {
    ($map:ident) => {};
    ($map:ident $name:tt : null $(, $($rest:tt)*)?) => {
        $map.put($name.as_ref(), $crate::json::Value::Null);
        $($crate::__json_map!($map $($rest)*);)?
    };
    ($map:ident $name:tt : [ $($inside:tt)* ] $(, $($rest:tt)*)?) => {
        $map.put($name.as_ref(), $crate::json!([ $($inside)* ]));
        $($crate::__json_map!($map $($rest)*);)?
    };
    ($map:ident $name:tt : { $($inside:tt)* } $(, $($rest:tt)*)?) => {
        $map.put($name.as_ref(), $crate::json!({ $($inside)* }));
        $($crate::__json_map!($map $($rest)*);)?
    };
    ($map:ident $name:tt : $value:expr $(, $($rest:tt)*)?) => {
        $map.put($name.as_ref(), $crate::json!($value));
        $($crate::__json_map!($map $($rest)*);)?
    };
}
