//! How values of different types meet: the rules of flagd's Go core, whose engine most flagd
//! services run. `tests/data/flagd_matrix.tsv` has its answer for every operator and pair of types.

use std::{cmp::Ordering, fmt};

use super::{evaluate::EvaluationFailed, tree::Order};
use crate::value::{Value, ValueRef};

/// Whether a value counts as true: not `null`, `false`, `0`, `""`, `[]` or `{}`.
#[inline]
pub(super) fn truthy(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Null => false,
        ValueRef::Bool(value) => value,
        ValueRef::Int(value) => value != 0,
        ValueRef::Float(value) => value != 0.0,
        ValueRef::Text(text) => !text.is_empty(),
        ValueRef::List(list) => !list.is_empty(),
        ValueRef::Map(map) => {
            let mut empty = true;
            map.visit(&mut |_, _| empty = false);
            !empty
        }
    }
}

/// What `!` and `!!` go by: of a list that has elements, the first one.
pub(super) fn first_truthy(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::List(list) => list.element(0).is_some_and(truthy),
        value => truthy(value),
    }
}

/// `==`: `null` equals only `null`, text equals the same text, and everything else goes by
/// [`comparable`]: lists and objects equal nothing, not even themselves.
pub(super) fn loose_equal(left: ValueRef<'_>, right: ValueRef<'_>) -> bool {
    use ValueRef::{Null, Text};
    match (left, right) {
        (Text(a), Text(b)) => a == b,
        (Null, other) | (other, Null) => matches!(other, Null),
        _ => comparable(left) == comparable(right),
    }
}

/// `===`: [`loose_equal`] of values of one type, all numbers being one type.
pub(super) fn strict_equal(left: ValueRef<'_>, right: ValueRef<'_>) -> bool {
    use ValueRef::{Bool, Float, Int, Null, Text};
    match (left, right) {
        (Text(a), Text(b)) => a == b,
        (Bool(a), Bool(b)) => a == b,
        (Null, Null) => true,
        (Int(_) | Float(_), Int(_) | Float(_)) => comparable(left) == comparable(right),
        _ => false,
    }
}

/// `<` and its like. Two texts by their bytes, everything else by [`comparable`]; the equality in
/// `<=` and `>=` is that of `==`, so that `null <= 0` is false.
pub(super) fn ordered(left: ValueRef<'_>, right: ValueRef<'_>, order: Order) -> bool {
    use ValueRef::{Float, Int, Null, Text};
    let found = match (left, right) {
        (Int(a), Int(b)) => (a as f64).partial_cmp(&(b as f64)),
        (Text(a), Text(b)) => Some(a.cmp(b)),
        (Null, Null) => Some(Ordering::Equal),
        (Int(_) | Float(_), Int(_) | Float(_)) => comparable(left).partial_cmp(&comparable(right)),
        _ => {
            let found = comparable(left).partial_cmp(&comparable(right));
            let null = matches!(left, Null) || matches!(right, Null);
            found.filter(|found| !(null && found.is_eq()))
        }
    };
    found.is_some_and(|found| match order {
        Order::Below => found == Ordering::Less,
        Order::AtMost => found != Ordering::Greater,
        Order::Above => found == Ordering::Greater,
        Order::AtLeast => found != Ordering::Less,
    })
}

/// A value as comparisons see it: text by its digits (blank text is 0), booleans as 1 and 0, `null`
/// as 0. Text that is no number, a list and an object are NaN: unlike everything.
pub(super) fn comparable(value: ValueRef<'_>) -> f64 {
    match value {
        ValueRef::Int(value) => value as f64,
        ValueRef::Float(value) => value,
        ValueRef::Bool(value) => f64::from(u8::from(value)),
        ValueRef::Null => 0.0,
        ValueRef::Text(text) if text.trim().is_empty() => 0.0,
        ValueRef::Text(text) => parse(text).unwrap_or(f64::NAN),
        ValueRef::List(_) | ValueRef::Map(_) => f64::NAN,
    }
}

/// A value as arithmetic sees it: text by its digits, or else 0; only numbers and text are any.
#[inline]
pub(super) fn number(value: ValueRef<'_>) -> Result<f64, EvaluationFailed> {
    match value {
        ValueRef::Int(value) => Ok(value as f64),
        ValueRef::Float(value) => Ok(value),
        ValueRef::Text(text) => Ok(parse(text).unwrap_or(0.0)),
        _ => Err(EvaluationFailed),
    }
}

/// A number cut down to an integer; one that no integer can hold becomes the least there is.
pub(super) fn whole(value: f64) -> i64 {
    // 2^63 is a float, but no `i64`.
    if value >= i64::MIN as f64 && value < -(i64::MIN as f64) { value as i64 } else { i64::MIN }
}

/// The number that a text is, blanks around it not allowed.
pub(super) fn parse(text: &str) -> Option<f64> {
    // Rust reads a sign before `nan`, the core does not.
    let signed_nan = text.len() == 4 && text.ends_with(['n', 'N']);
    text.parse().ok().filter(|_| !signed_nan)
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
fn exact_integer(value: f64) -> Option<i64> {
    // The upper bound is 2^63, which a float can be and an `i64` cannot.
    let fits = value.fract() == 0.0 && value >= i64::MIN as f64 && value < -(i64::MIN as f64);
    fits.then_some(value as i64)
}

/// The result of arithmetic: an integer wherever it is one. There is a zero below zero.
pub(super) fn from_float(value: f64) -> Value {
    match exact_integer(value) {
        Some(integer) if integer != 0 || value.is_sign_positive() => Value::Int(integer),
        _ => Value::Float(value),
    }
}

/// Writes text or a number the way `cat` shows it: no exponents, no zeros after the point, nothing
/// for `null`. Booleans, lists and objects have no text.
pub(super) fn write_text(
    value: ValueRef<'_>,
    out: &mut impl fmt::Write,
) -> Result<(), EvaluationFailed> {
    let written = match value {
        ValueRef::Null => Ok(()),
        ValueRef::Text(text) => out.write_str(text),
        ValueRef::Int(value) => write_integer(value, out),
        ValueRef::Float(value) => write_float(value, out),
        _ => return Err(EvaluationFailed),
    };
    written.map_err(|_| EvaluationFailed)
}

/// All numbers of a rule are floats: an integer beyond 2^53 is shown as the nearest one.
pub(super) fn write_integer(value: i64, out: &mut impl fmt::Write) -> fmt::Result {
    const EXACT: i64 = 1 << 53;
    if (-EXACT..=EXACT).contains(&value) {
        write!(out, "{value}")
    } else {
        write!(out, "{}", value as f64)
    }
}

fn write_float(value: f64, out: &mut impl fmt::Write) -> fmt::Result {
    if value.is_infinite() {
        out.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        write!(out, "{value}")
    }
}
