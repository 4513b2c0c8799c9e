//! What a property of the context holds.

use std::fmt::Write;

use super::identity::Identity;
use crate::{
    hash::Md5,
    value::{ShortText, Value, ValueRef},
};

/// A scalar, with the text that Flagsmith has for it.
#[derive(Clone, Debug)]
pub(super) enum Subject<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A float that was read through JSON, and has JSON's text: `1.0`, where others have `1`.
    JsonFloat(f64),
    Text(&'a str),
    /// The key that is made of the environment's and the identifier.
    Key(Identity<'a>),
    /// What only a query over the whole context finds.
    Found(Value),
}

impl<'a> Subject<'a> {
    /// A trait; lists and objects are none.
    #[inline]
    pub(super) fn of(value: ValueRef<'a>) -> Option<Subject<'a>> {
        match value {
            ValueRef::Null => Some(Subject::Null),
            ValueRef::Bool(value) => Some(Subject::Bool(value)),
            ValueRef::Int(value) => Some(Subject::Int(value)),
            ValueRef::Float(value) => Some(Subject::Float(value)),
            ValueRef::Text(value) => Some(Subject::Text(value)),
            ValueRef::List(_) | ValueRef::Map(_) => None,
        }
    }

    /// As it is when it is read through JSON, where null is nothing.
    #[inline]
    pub(super) fn through_json(self) -> Option<Subject<'a>> {
        match self {
            Subject::Null => None,
            Subject::Float(value) if value.is_finite() => Some(Subject::JsonFloat(value)),
            // JSON has no such number.
            Subject::Float(_) => None,
            other => Some(other),
        }
    }

    /// Lends the text, from the stack when it has to be made.
    #[inline]
    pub(super) fn with_text<T>(&self, read: impl FnOnce(&str) -> T) -> T {
        match self {
            Subject::Null => read(""),
            Subject::Bool(true) => read("true"),
            Subject::Bool(false) => read("false"),
            Subject::Text(text) => read(text),
            Subject::Found(Value::Text(text)) => read(text),
            Subject::Key(identity) => identity.with_key(read),
            number => {
                let mut text = ShortText::default();
                number.write_number(&mut text);
                read(text.as_str())
            }
        }
    }

    /// Adds the text to a hash.
    #[inline]
    pub(super) fn hash(&self, hash: &mut Md5) {
        match self {
            Subject::Int(_) | Subject::Float(_) | Subject::JsonFloat(_) | Subject::Found(_) => {
                self.with_text(|text| hash.write(text.as_bytes()));
            }
            Subject::Key(identity) => identity.hash_key(hash),
            other => other.with_text(|text| hash.write(text.as_bytes())),
        }
    }

    fn write_number(&self, text: &mut ShortText) {
        // Writing to it cannot fail.
        let _ = match self {
            Subject::Int(value) | Subject::Found(Value::Int(value)) => write!(text, "{value}"),
            Subject::Float(value) => write!(text, "{value}"),
            Subject::JsonFloat(value) | Subject::Found(Value::Float(value)) => {
                match serde_json::Number::from_f64(*value) {
                    Some(number) => write!(text, "{number}"),
                    None => Ok(()),
                }
            }
            Subject::Found(Value::Bool(value)) => write!(text, "{value}"),
            _ => Ok(()),
        };
    }

    /// The type that comparisons go by.
    #[inline]
    pub(super) fn kind(&self) -> SubjectType {
        match self {
            Subject::Null => SubjectType::Null,
            Subject::Bool(value) | Subject::Found(Value::Bool(value)) => SubjectType::Bool(*value),
            Subject::Int(value) | Subject::Found(Value::Int(value)) => SubjectType::Int(*value),
            Subject::Float(value)
            | Subject::JsonFloat(value)
            | Subject::Found(Value::Float(value)) => SubjectType::Float(*value),
            Subject::Text(_) | Subject::Key(_) | Subject::Found(Value::Text(_)) => {
                SubjectType::Text
            }
            Subject::Found(_) => SubjectType::Null,
        }
    }

    /// For a trace. Allocates.
    pub(super) fn to_value(&self) -> Value {
        match self.kind() {
            SubjectType::Null => Value::Null,
            SubjectType::Bool(value) => Value::Bool(value),
            SubjectType::Int(value) => Value::Int(value),
            SubjectType::Float(value) => Value::Float(value),
            SubjectType::Text => self.with_text(|text| Value::Text(text.into())),
        }
    }
}

/// The type of a subject, with its value where that is no text.
#[derive(Clone, Copy, Debug)]
pub(super) enum SubjectType {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text,
}
