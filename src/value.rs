//! Attribute and flag values: owned ([`Value`]) and borrowed ([`ValueRef`]).

mod borrowed;
mod json;
mod map;
mod short_text;

use std::fmt;

pub use self::{
    borrowed::{AsValue, Mapping, Sequence, ValueRef},
    map::Map,
};
pub(crate) use self::{json::number_in, short_text::ShortText};

/// An owned value: what a flag serves, and what an owned context attribute holds.
///
/// Integers that fit an `i64` stay integers, every other number is an `f64`, so that `10` and
/// `10.0` remain distinguishable where a vendor distinguishes them.
///
/// ```
/// use modelgate::value::Value;
///
/// let value: Value = serde_json::from_str(r#"{"version": "v2", "share": 0.25}"#)?;
/// assert_eq!(value.get("version").and_then(Value::as_str), Some("v2"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// JSON `null`.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Box<str>),
    /// A list.
    List(Vec<Value>),
    /// An object, member order kept.
    Map(Map),
}

impl Value {
    /// The borrowed form of this value.
    pub fn borrow(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Bool(value) => ValueRef::Bool(*value),
            Value::Int(value) => ValueRef::Int(*value),
            Value::Float(value) => ValueRef::Float(*value),
            Value::Text(value) => ValueRef::Text(value),
            Value::List(values) => ValueRef::List(values),
            Value::Map(map) => ValueRef::Map(map),
        }
    }

    /// The text, if this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if this is one. A float is not, even when it is integral.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The number as a float, if this is a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The list, if this is one.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(values) => Some(values),
            _ => None,
        }
    }

    /// The object, if this is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The member `key`, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map().and_then(|map| map.get(key))
    }

    /// The JSON type name, for error messages: `null`, `boolean`, `number`, `string`, `array`,
    /// `object`.
    pub fn type_name(&self) -> &'static str {
        self.borrow().type_name()
    }
}

impl fmt::Display for Value {
    /// Writes the value as JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

macro_rules! value_from {
    ($($from:ty => |$name:ident| $value:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($name: $from) -> Value {
                $value
            }
        })*
    };
}
value_from! {
    bool => |value| Value::Bool(value);
    i32 => |value| Value::Int(value.into());
    u32 => |value| Value::Int(value.into());
    i64 => |value| Value::Int(value);
    f32 => |value| Value::Float(value.into());
    f64 => |value| Value::Float(value);
    &str => |value| Value::Text(value.into());
    String => |value| Value::Text(value.into());
    Box<str> => |value| Value::Text(value);
    Vec<Value> => |values| Value::List(values);
    Map => |map| Value::Map(map);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_key_keeps_its_first_place_and_its_last_value() {
        let map: Map = serde_json::from_str(r#"{"a": 1, "b": 2, "a": 3}"#).unwrap();
        assert_eq!(map.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(map.get("a"), Some(&Value::Int(3)));
    }

    #[test]
    fn wide_objects_are_searched_and_narrow_ones_scanned_alike() {
        for width in [0, 1, 8, 9, 100] {
            let mut inserted = Map::new();
            for n in (0..width).rev() {
                assert_eq!(inserted.insert(format!("k{n}"), i64::from(n)), None);
            }
            let collected: Map = (0..width).map(|n| (format!("k{n}"), i64::from(n))).collect();
            assert_eq!(inserted, collected);
            for n in 0..width {
                assert_eq!(collected.get(&format!("k{n}")), Some(&Value::Int(n.into())));
            }
            assert_eq!(collected.get("absent"), None);
        }
    }

    #[test]
    fn numbers_keep_their_kind() {
        let values: Vec<Value> =
            serde_json::from_str("[1, 1.0, -9223372036854775808, 9223372036854775808]").unwrap();
        assert_eq!(
            values,
            [
                Value::Int(1),
                Value::Float(1.0),
                Value::Int(i64::MIN),
                Value::Float(9_223_372_036_854_775_808.0)
            ]
        );
    }
}
