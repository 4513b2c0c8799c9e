//! How values of different types meet. JSONLogic engines agree on a core only; outside of it this
//! follows the table of the official Rust evaluator.

use std::{cmp::Ordering, fmt};

use super::{evaluate::Failed, tree::Order};
use crate::value::{Map, Value, ValueRef};

/// Whether a value counts as true: not `null`, `false`, `0`, `""`, `[]` or `{}`.
#[inline]
pub(super) fn truthy(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Null => false,
        ValueRef::Bool(value) => value,
        ValueRef::Int(value) => value != 0,
        ValueRef::Float(value) => value != 0.0 && !value.is_nan(),
        ValueRef::Text(text) => !text.is_empty(),
        ValueRef::List(list) => !list.is_empty(),
        ValueRef::Map(map) => {
            let mut empty = true;
            map.visit(&mut |_, _| empty = false);
            !empty
        }
    }
}

/// `==`.
///
/// | left | right | equal when |
/// |---|---|---|
/// | same type | | the values are |
/// | number | text | the text, read as a number, is; text that is none is an error |
/// | number | boolean | the number is 1 or 0 |
/// | text | boolean | the text is `true` or `false` |
/// | null | number, boolean, text | it is 0, `false` or empty |
/// | list | list | they are; different lists are an error |
/// | list, object | another type | an error |
/// | object | object | never |
pub(super) fn loose_equal(left: ValueRef<'_>, right: ValueRef<'_>) -> Result<bool, Failed> {
    use ValueRef::{Bool, Float, Int, List, Map, Null, Text};
    Ok(match (left, right) {
        (Text(a), Text(b)) => a == b,
        (Null, Null) => true,
        (Bool(a), Bool(b)) => a == b,
        (Int(_) | Float(_), Int(_) | Float(_)) => float(left) == float(right),
        (number @ (Int(_) | Float(_)), Text(text)) | (Text(text), number @ (Int(_) | Float(_))) => {
            text.parse::<f64>().map_err(|_| Failed)? == float(number)
        }
        (number @ (Int(_) | Float(_)), Bool(value))
        | (Bool(value), number @ (Int(_) | Float(_))) => {
            float(number) == f64::from(u8::from(value))
        }
        (Text(text), Bool(value)) | (Bool(value), Text(text)) => {
            text == if value { "true" } else { "false" }
        }
        (Null, number @ (Int(_) | Float(_))) | (number @ (Int(_) | Float(_)), Null) => {
            float(number) == 0.0
        }
        (Null, Bool(value)) | (Bool(value), Null) => !value,
        (Null, Text(text)) | (Text(text), Null) => text.is_empty(),
        (List(_), List(_)) if strict_equal(left, right) => true,
        (Map(_), Map(_)) => false,
        _ => return Err(Failed),
    })
}

/// `===`, and membership in a list: the same type and the same value, all numbers being one type.
pub(super) fn strict_equal(left: ValueRef<'_>, right: ValueRef<'_>) -> bool {
    use ValueRef::{Bool, Float, Int, List, Map, Null, Text};
    match (left, right) {
        (Text(a), Text(b)) => a == b,
        (Null, Null) => true,
        (Bool(a), Bool(b)) => a == b,
        (Int(_) | Float(_), Int(_) | Float(_)) => float(left) == float(right),
        (List(a), List(b)) => {
            a.len() == b.len()
                && (0..a.len()).all(|index| match (a.element(index), b.element(index)) {
                    (Some(a), Some(b)) => strict_equal(a, b),
                    (a, b) => a.is_none() && b.is_none(),
                })
        }
        (Map(a), Map(b)) => {
            let (mut equal, mut left, mut right) = (true, 0_usize, 0_usize);
            a.visit(&mut |name, value| {
                left += 1;
                equal &= b.member(name).is_some_and(|other| strict_equal(value, other));
            });
            b.visit(&mut |_, _| right += 1);
            equal && left == right
        }
        _ => false,
    }
}

/// `<` and its like. Two texts by their bytes, everything else by [`number`]; a number and a text
/// that is none is an error, as is a list or an object.
pub(super) fn ordered(
    left: ValueRef<'_>,
    right: ValueRef<'_>,
    order: Order,
) -> Result<bool, Failed> {
    use ValueRef::{Float, Int, List, Map, Text};
    let found = match (left, right) {
        (Int(_) | Float(_), Int(_) | Float(_)) => float(left).partial_cmp(&float(right)),
        (Text(a), Text(b)) => Some(a.cmp(b)),
        (List(_) | Map(_), _) | (_, List(_) | Map(_)) => return Err(Failed),
        _ => match (number(left), number(right)) {
            (Some(a), Some(b)) => a.partial_cmp(&b),
            _ if matches!(left, Int(_) | Float(_)) || matches!(right, Int(_) | Float(_)) => {
                return Err(Failed);
            }
            _ => None,
        },
    };
    Ok(found.is_some_and(|found| match order {
        Order::Below => found == Ordering::Less,
        Order::AtMost => found != Ordering::Greater,
        Order::Above => found == Ordering::Greater,
        Order::AtLeast => found != Ordering::Less,
    }))
}

/// A number's value; of anything else, zero.
#[inline]
fn float(value: ValueRef<'_>) -> f64 {
    match value {
        ValueRef::Int(value) => value as f64,
        ValueRef::Float(value) => value,
        _ => 0.0,
    }
}

/// A value as a number: text by its digits (empty text is 0), booleans as 1 and 0, `null` as 0.
pub(super) fn number(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Int(_) | ValueRef::Float(_) => Some(float(value)),
        ValueRef::Text("") | ValueRef::Null => Some(0.0),
        ValueRef::Text(text) => text.parse().ok(),
        ValueRef::Bool(value) => Some(f64::from(u8::from(value))),
        ValueRef::List(_) | ValueRef::Map(_) => None,
    }
}

/// A value as an integer, by the same rules; a number with a fraction is none.
pub(super) fn integer(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Text("") | ValueRef::Null => Some(0),
        ValueRef::Text(text) => text.parse().ok(),
        ValueRef::Bool(value) => Some(i64::from(value)),
        _ => integral(value),
    }
}

/// A number that is an integer, however it is written.
pub(super) fn integral(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Int(value) => Some(value),
        ValueRef::Float(value) => exact_integer(value),
        _ => None,
    }
}

/// The integer that a float is exactly.
pub(super) fn exact_integer(value: f64) -> Option<i64> {
    // The upper bound is 2^63, which a float can be and an `i64` cannot.
    let fits = value.fract() == 0.0 && value >= i64::MIN as f64 && value < -(i64::MIN as f64);
    fits.then_some(value as i64)
}

/// The result of arithmetic: an integer wherever it is one.
pub(super) fn from_float(value: f64) -> Value {
    exact_integer(value).map_or(Value::Float(value), Value::Int)
}

/// Writes a value the way `cat` shows it. A list shows its elements one after the other.
pub(super) fn write_text(value: ValueRef<'_>, out: &mut impl fmt::Write) -> fmt::Result {
    let ValueRef::List(list) = value else { return write_flat(value, out) };
    (0..list.len())
        .filter_map(|index| list.element(index))
        .try_for_each(|element| write_flat(element, out))
}

/// Writes a value as text; lists and objects as JSON.
pub(super) fn write_flat(value: ValueRef<'_>, out: &mut impl fmt::Write) -> fmt::Result {
    match value {
        ValueRef::Null => Ok(()),
        ValueRef::Bool(value) => out.write_str(if value { "true" } else { "false" }),
        ValueRef::Int(value) => write!(out, "{value}"),
        ValueRef::Float(value) => write_float(value, out),
        ValueRef::Text(text) => out.write_str(text),
        ValueRef::List(_) | ValueRef::Map(_) => write_json(&value.to_value(), out),
    }
}

/// Writes a value as JSON, with exponents as the official evaluator has them: `1e21`.
fn write_json(value: &Value, out: &mut impl fmt::Write) -> fmt::Result {
    match value {
        Value::Float(_) => out.write_str(&value.to_string().replace('+', "")),
        Value::List(values) => {
            out.write_char('[')?;
            for (index, value) in values.iter().enumerate() {
                out.write_str(if index == 0 { "" } else { "," })?;
                write_json(value, out)?;
            }
            out.write_char(']')
        }
        Value::Map(map) => {
            out.write_char('{')?;
            for (index, (name, value)) in map.iter().enumerate() {
                out.write_str(if index == 0 { "" } else { "," })?;
                write!(out, "{}:", Value::from(name))?;
                write_json(value, out)?;
            }
            out.write_char('}')
        }
        value => write!(out, "{value}"),
    }
}

/// Writes a float as JSON does, a whole one with its `.0`.
fn write_float(value: f64, out: &mut impl fmt::Write) -> fmt::Result {
    match exact_integer(value) {
        Some(whole) => write!(out, "{whole}.0"),
        None if !value.is_finite() => out.write_str("null"),
        None if value.fract() == 0.0 => write!(out, "{value:?}"),
        None => write!(out, "{value}"),
    }
}

/// The members of any object, owned. Allocates.
pub(super) fn owned_map(value: ValueRef<'_>) -> Map {
    match value.to_value() {
        Value::Map(map) => map,
        _ => Map::new(),
    }
}
