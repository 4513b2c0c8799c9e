//! `in`, and the operators on whole lists that only flagd's Go core has.

use super::{coercion::number, evaluate::EvaluationFailed, operand::Operands, operator::Operator};
use crate::value::{Sequence, ValueRef};

/// `in`: a part of text, or an element of a list; false for any other place.
pub(super) fn contains(
    needle: ValueRef<'_>,
    place: ValueRef<'_>,
) -> Result<bool, EvaluationFailed> {
    match (place, needle) {
        (ValueRef::Text(text), ValueRef::Text(needle)) => Ok(text.contains(needle)),
        (ValueRef::Text(_), _) => Err(EvaluationFailed),
        (ValueRef::List(list), needle) => {
            for index in 0..list.len() {
                if matches(needle, list.element(index).unwrap_or_default())? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Ok(false),
    }
}

/// Whether one element of a list is what is looked for. A number is looked for among numbers, text
/// as numbers included; a list is a range of numbers, its ends included.
pub(super) fn matches(
    needle: ValueRef<'_>,
    element: ValueRef<'_>,
) -> Result<bool, EvaluationFailed> {
    use ValueRef::{Bool, Float, Int, List, Map, Null, Text};
    match (needle, element) {
        (needle, List(range)) => {
            let [from, to] = [0, 1].map(|index| range.element(index));
            let (Some(from), Some(to)) = (from, to) else { return Err(EvaluationFailed) };
            let value = number(needle)?;
            Ok(value >= number(from)? && number(to)? >= value)
        }
        (needle @ (Int(_) | Float(_)), element) => Ok(number(element)? == number(needle)?),
        (Text(a), Text(b)) => Ok(a == b),
        (Bool(a), Bool(b)) => Ok(a == b),
        (Null, Null) => Ok(true),
        // The core cannot compare two objects.
        (Map(_), Map(_)) => Err(EvaluationFailed),
        _ => Ok(false),
    }
}

/// `contains_all`, `contains_any` and `contains_none`: which elements of the second list the first
/// has.
pub(super) fn contains_many(
    operator: Operator,
    operands: &Operands<'_>,
) -> Result<bool, EvaluationFailed> {
    let none = matches!(operator, Operator::ContainsNone);
    if operands.single().is_some() || operands.len() != 2 {
        return Ok(none);
    }
    let (ValueRef::List(list), ValueRef::List(wanted)) = (operands.at(0), operands.at(1)) else {
        return Ok(none);
    };
    let all = matches!(operator, Operator::ContainsAll);
    for index in 0..wanted.len() {
        if has(list, wanted.element(index).unwrap_or_default())? != all {
            return Ok(!(all || none));
        }
    }
    Ok(all || none)
}

/// Whether a list has this element, without any conversion.
fn has(list: &dyn Sequence, wanted: ValueRef<'_>) -> Result<bool, EvaluationFailed> {
    use ValueRef::{Bool, Float, Int, List, Map, Null, Text};
    for index in 0..list.len() {
        let found = match (list.element(index).unwrap_or_default(), wanted) {
            (a @ (Int(_) | Float(_)), b @ (Int(_) | Float(_))) => number(a)? == number(b)?,
            (Text(a), Text(b)) => a == b,
            (Bool(a), Bool(b)) => a == b,
            (Null, Null) => true,
            (List(_), List(_)) | (Map(_), Map(_)) => return Err(EvaluationFailed),
            _ => false,
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
