//! Borrowed values, and the traits by which a caller lends its own types.

use std::fmt;

use super::{Map, Value};

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

impl<'a> ValueRef<'a> {
    /// The text, if this is one.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            ValueRef::Text(text) => Some(text),
            _ => None,
        }
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
