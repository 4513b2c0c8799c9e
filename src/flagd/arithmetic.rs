//! `+ - * / % min max abs`, on floats as flagd's Go core has them.

use super::{
    coercion::{from_float, number},
    evaluate::EvaluationFailed,
    operand::Operands,
    operator::Operator,
};
use crate::value::{Value, ValueRef};

pub(super) fn arithmetic(
    operator: Operator,
    operands: &Operands<'_>,
) -> Result<Value, EvaluationFailed> {
    if let Some(single) = operands.single() {
        // What is no list: the sum of itself, and nothing for the others.
        return match operator {
            Operator::Add => number(single).map(from_float),
            Operator::Abs => number(single).map(|value| from_float(value.abs())),
            _ => Err(EvaluationFailed),
        };
    }
    let at = |index| match index < operands.len() {
        true => number(operands.at(index)),
        false => Err(EvaluationFailed),
    };
    let rest = |start: f64, first: usize, apply: fn(f64, f64) -> f64| {
        (first..operands.len()).try_fold(start, |value, index| Ok(apply(value, at(index)?)))
    };
    Ok(from_float(match operator {
        Operator::Add if operands.len() == 1 => at(0)?,
        Operator::Add => rest(0.0, 0, |a, b| a + b)?,
        Operator::Multiply => rest(1.0, 0, |a, b| a * b)?,
        Operator::Subtract | Operator::Divide if operands.is_empty() => 0.0,
        Operator::Subtract if operands.len() == 1 => -at(0)?,
        Operator::Subtract => rest(at(0)?, 1, |a, b| a - b)?,
        Operator::Divide => rest(at(0)?, 1, |a, b| a / b)?,
        Operator::Modulo => at(0)? % at(1)?,
        Operator::Abs => at(0)?.abs(),
        Operator::Min | Operator::Max if operands.is_empty() => return Ok(Value::Null),
        Operator::Min => rest(at(0)?, 1, |a, b| if a > b { b } else { a })?,
        Operator::Max => rest(at(0)?, 1, |a, b| if b > a { b } else { a })?,
        _ => return Err(EvaluationFailed),
    }))
}

/// `set`: an object with one member changed.
pub(super) fn set(operands: &Operands<'_>) -> Result<Value, EvaluationFailed> {
    if operands.single().is_some() {
        return Err(EvaluationFailed);
    }
    let object = operands.at(0).to_value();
    match (object, operands.at(1)) {
        (Value::Map(mut map), name) if operands.len() >= 3 => match name {
            ValueRef::Text(name) => {
                map.insert(name, operands.at(2).to_value());
                Ok(Value::Map(map))
            }
            _ => Err(EvaluationFailed),
        },
        (object, _) => Ok(object),
    }
}
