//! Attribute and flag values: owned ([`Value`]) and borrowed ([`ValueRef`]).

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap, SerializeSeq},
};

/// An owned value: what a flag serves, and what an owned context attribute holds.
///
/// Integers that fit an `i64` stay integers, every other number is an `f64`, so that `10` and
/// `10.0` remain distinguishable where a vendor distinguishes them.
///
/// ```
/// use modelgate::Value;
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

/// The members of an object, in the order they were written; a repeated key keeps its first
/// place and its last value.
#[derive(Clone, Default)]
pub struct Map {
    entries: Vec<(Box<str>, Value)>,
    /// Positions in key order, so that a wide object is searched, not scanned.
    order: Vec<u32>,
}

/// Objects at most this wide are scanned: faster than a binary search over scattered strings.
const SCANNED: usize = 8;

impl Map {
    /// An object without members.
    pub fn new() -> Map {
        Map::default()
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        if self.entries.len() <= SCANNED {
            return self.entries.iter().find(|(name, _)| &**name == key).map(|(_, value)| value);
        }
        let found = self.search(key).ok()?;
        let position = *self.order.get(found)? as usize;
        self.entries.get(position).map(|(_, value)| value)
    }

    /// Sets `key`, and returns the value it had.
    pub fn insert(&mut self, key: impl Into<Box<str>>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.search(&key) {
            Ok(found) => {
                let position = *self.order.as_slice().get(found)? as usize;
                let (_, held) = self.entries.get_mut(position)?;
                Some(std::mem::replace(held, value))
            }
            Err(place) => {
                self.order.insert(place, self.entries.len() as u32);
                self.entries.push((key, value));
                None
            }
        }
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The members, in the order they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (&**key, value))
    }

    fn search(&self, key: &str) -> Result<usize, usize> {
        self.order.binary_search_by(|position| {
            self.entries.get(*position as usize).map_or("", |(name, _)| name).cmp(key)
        })
    }
}

impl PartialEq for Map {
    /// Equal members, whatever their order.
    fn eq(&self, other: &Map) -> bool {
        self.len() == other.len() && self.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Into<Box<str>>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Map {
        // Sorted once at the end: inserting one by one would be quadratic for a hostile document.
        let mut places = rustc_hash::FxHashMap::<Box<str>, usize>::default();
        let mut entries: Vec<(Box<str>, Value)> = Vec::new();
        for (key, value) in members {
            let (key, value) = (key.into(), value.into());
            match places.get(&key).and_then(|place| entries.get_mut(*place)) {
                Some((_, held)) => *held = value,
                None => {
                    places.insert(key.clone(), entries.len());
                    entries.push((key, value));
                }
            }
        }
        let mut sorted: Vec<(&str, u32)> =
            entries.iter().zip(0..).map(|((key, _), place)| (&**key, place)).collect();
        sorted.sort_unstable();
        let order = sorted.into_iter().map(|(_, place)| place).collect();
        Map { entries, order }
    }
}

/// A borrowed value: what a context lends to a rule. Copying one copies a pointer.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub enum ValueRef<'a> {
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
    Text(&'a str),
    /// A list, of whatever type the caller keeps it in.
    List(&'a dyn Sequence),
    /// An object, of whatever type the caller keeps it in.
    Map(&'a dyn Mapping),
}

/// A list that can lend its elements: `Vec<T>` and slices of any [`AsValue`], or a type of yours.
pub trait Sequence: Send + Sync {
    /// The number of elements.
    fn len(&self) -> usize;

    /// Whether there are no elements.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`, from 0.
    fn element(&self, index: usize) -> Option<ValueRef<'_>>;
}

/// An object that can lend its members: [`Map`], or a type of yours.
pub trait Mapping: Send + Sync {
    /// The member `key`.
    fn member(&self, key: &str) -> Option<ValueRef<'_>>;

    /// Shows every member to `visit`, in order.
    fn visit(&self, visit: &mut dyn FnMut(&str, ValueRef<'_>));
}

/// What can be lent as a [`ValueRef`].
pub trait AsValue {
    /// The borrowed value.
    fn as_value(&self) -> ValueRef<'_>;
}

impl<T: AsValue + Send + Sync> Sequence for Vec<T> {
    fn len(&self) -> usize {
        Vec::len(self)
    }
    fn element(&self, index: usize) -> Option<ValueRef<'_>> {
        self.as_slice().get(index).map(AsValue::as_value)
    }
}

impl<T: AsValue + Send + Sync> Sequence for &[T] {
    fn len(&self) -> usize {
        <[T]>::len(self)
    }
    fn element(&self, index: usize) -> Option<ValueRef<'_>> {
        <[T]>::get(self, index).map(AsValue::as_value)
    }
}

impl<T: AsValue + Send + Sync, const N: usize> Sequence for [T; N] {
    fn len(&self) -> usize {
        N
    }
    fn element(&self, index: usize) -> Option<ValueRef<'_>> {
        self.as_slice().get(index).map(AsValue::as_value)
    }
}

impl Mapping for Map {
    fn member(&self, key: &str) -> Option<ValueRef<'_>> {
        Map::get(self, key).map(Value::borrow)
    }
    fn visit(&self, visit: &mut dyn FnMut(&str, ValueRef<'_>)) {
        for (key, value) in self.iter() {
            visit(key, value.borrow());
        }
    }
}

impl AsValue for Value {
    fn as_value(&self) -> ValueRef<'_> {
        self.borrow()
    }
}

impl<T: AsValue + ?Sized> AsValue for &T {
    fn as_value(&self) -> ValueRef<'_> {
        (**self).as_value()
    }
}

impl<T: AsValue> AsValue for Option<T> {
    fn as_value(&self) -> ValueRef<'_> {
        self.as_ref().map_or(ValueRef::Null, AsValue::as_value)
    }
}

macro_rules! borrowed {
    ($($from:ty => |$name:ident| $value:expr;)*) => {
        $(impl<'a> From<$from> for ValueRef<'a> {
            fn from($name: $from) -> ValueRef<'a> {
                $value
            }
        })*
    };
}
borrowed! {
    bool => |value| ValueRef::Bool(value);
    i32 => |value| ValueRef::Int(value.into());
    u32 => |value| ValueRef::Int(value.into());
    i64 => |value| ValueRef::Int(value);
    f32 => |value| ValueRef::Float(value.into());
    f64 => |value| ValueRef::Float(value);
    &'a str => |value| ValueRef::Text(value);
    &'a String => |value| ValueRef::Text(value);
    &'a Value => |value| value.borrow();
    &'a Map => |map| ValueRef::Map(map);
}

impl<'a, T: AsValue + Send + Sync> From<&'a Vec<T>> for ValueRef<'a> {
    fn from(values: &'a Vec<T>) -> ValueRef<'a> {
        ValueRef::List(values)
    }
}

impl<'a, T: AsValue + Send + Sync, const N: usize> From<&'a [T; N]> for ValueRef<'a> {
    fn from(values: &'a [T; N]) -> ValueRef<'a> {
        ValueRef::List(values)
    }
}

macro_rules! as_value {
    ($($type:ty),*) => {
        $(impl AsValue for $type {
            fn as_value(&self) -> ValueRef<'_> {
                ValueRef::from(*self)
            }
        })*
    };
}
as_value!(bool, i32, u32, i64, f32, f64);

impl AsValue for str {
    fn as_value(&self) -> ValueRef<'_> {
        ValueRef::Text(self)
    }
}

impl AsValue for String {
    fn as_value(&self) -> ValueRef<'_> {
        ValueRef::Text(self)
    }
}

impl ValueRef<'_> {
    /// The JSON type name: `null`, `boolean`, `number`, `string`, `array`, `object`.
    pub fn type_name(self) -> &'static str {
        match self {
            ValueRef::Null => "null",
            ValueRef::Bool(_) => "boolean",
            ValueRef::Int(_) | ValueRef::Float(_) => "number",
            ValueRef::Text(_) => "string",
            ValueRef::List(_) => "array",
            ValueRef::Map(_) => "object",
        }
    }

    /// An owned copy. Allocates for text, lists and objects.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Bool(value) => Value::Bool(value),
            ValueRef::Int(value) => Value::Int(value),
            ValueRef::Float(value) => Value::Float(value),
            ValueRef::Text(value) => Value::Text(value.into()),
            ValueRef::List(list) => Value::List(
                (0..list.len())
                    .filter_map(|index| list.element(index))
                    .map(ValueRef::to_value)
                    .collect(),
            ),
            ValueRef::Map(map) => {
                let mut members = Vec::new();
                map.visit(&mut |key, value| {
                    members.push((Box::<str>::from(key), value.to_value()))
                });
                Value::Map(members.into_iter().collect())
            }
        }
    }
}

impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_value().fmt(f)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Text(value) => serializer.serialize_str(value),
            Value::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(value)?;
                }
                list.end()
            }
            Value::Map(map) => map.serialize(serializer),
        }
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self.iter() {
            members.serialize_entry(key, value)?;
        }
        members.end()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Map, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Map(map) => Ok(map),
            other => Err(serde::de::Error::invalid_type(
                serde::de::Unexpected::Other(other.type_name()),
                &"an object",
            )),
        }
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
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
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members: Vec<(Box<str>, Value)> = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Value::Map(members.into_iter().collect()))
    }
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
