//! `+ - * / % min max`.

use smallvec::SmallVec;

use super::{
    coercion::{from_float, integer, integral, number},
    evaluate::{Failed, Scene},
    expression::{Answer, Held, Scope, evaluate},
    operator::Operator,
    trace::Watcher,
    tree::Expression,
};
use crate::value::{Value, ValueRef};

type Operands<'v> = SmallVec<[ValueRef<'v>; 4]>;

impl<'a, W: Watcher> Scene<'a, W> {
    pub(super) fn arithmetic<'s>(
        &mut self,
        operator: Operator,
        arguments: &'a [Expression],
        scope: Scope<'s>,
    ) -> Answer<'s>
    where
        'a: 's,
    {
        use Operator::{Add, Divide, Max, Min, Modulo, Multiply};
        match (operator, arguments) {
            // These do not take a written list for its elements.
            (
                Add | Multiply | Min | Max,
                [Expression::List(_) | Expression::Constant(Value::List(_))],
            ) => return Err(Failed),
            // A division by zero ends it before what comes after is evaluated.
            (Divide | Modulo, [_, _, ..]) => {
                let operands = arguments.iter().map(|argument| evaluate(argument, self, scope));
                return divide(operands, quotient(operator)).map(Held::Owned);
            }
            _ => {}
        }
        let values = self.all(arguments, scope)?;
        // A single list stands for its elements.
        let operands: Operands<'_> = match &*values {
            [single] => match single.borrow() {
                ValueRef::List(list) => {
                    (0..list.len()).filter_map(|index| list.element(index)).collect()
                }
                value => return one(operator, value).map(Held::Owned),
            },
            values => values.iter().map(Held::borrow).collect(),
        };
        many(operator, &operands).map(Held::Owned)
    }
}

fn one(operator: Operator, value: ValueRef<'_>) -> Result<Value, Failed> {
    match operator {
        Operator::Add | Operator::Multiply => many(operator, &[value]),
        Operator::Subtract => match integral(value).and_then(i64::checked_neg) {
            Some(value) => Ok(Value::Int(value)),
            None => Ok(from_float(-number(value).ok_or(Failed)?)),
        },
        Operator::Divide => match number(value) {
            Some(value) if value != 0.0 => Ok(from_float(1.0 / value)),
            _ => Err(Failed),
        },
        Operator::Min | Operator::Max => match value {
            ValueRef::Int(_) | ValueRef::Float(_) => Ok(value.to_value()),
            _ => Err(Failed),
        },
        _ => Err(Failed),
    }
}

fn many(operator: Operator, operands: &[ValueRef<'_>]) -> Result<Value, Failed> {
    match operator {
        Operator::Add => fold(Some(Value::Int(0)), operands, i64::checked_add, |a, b| a + b),
        Operator::Multiply => fold(Some(Value::Int(1)), operands, i64::checked_mul, |a, b| a * b),
        Operator::Subtract => fold(None, operands, i64::checked_sub, |a, b| a - b),
        Operator::Modulo if operands.len() < 2 => Err(Failed),
        Operator::Divide | Operator::Modulo => {
            let operands = operands.iter().map(|operand| Ok(Held::Borrowed(*operand)));
            divide(operands, quotient(operator))
        }
        Operator::Min => extreme(operands, f64::INFINITY, |value, best| value < best),
        Operator::Max => extreme(operands, f64::NEG_INFINITY, |value, best| value > best),
        _ => Err(Failed),
    }
}

/// Folds as integers for as long as they are integers and do not overflow, then as floats.
fn fold(
    start: Option<Value>,
    operands: &[ValueRef<'_>],
    exact: fn(i64, i64) -> Option<i64>,
    float: fn(f64, f64) -> f64,
) -> Result<Value, Failed> {
    let mut result = start;
    for operand in operands {
        let operand = match integer(*operand) {
            Some(operand) => Value::Int(operand),
            None => Value::Float(number(*operand).ok_or(Failed)?),
        };
        result = Some(match (result, operand) {
            (None, operand) => operand,
            (Some(Value::Int(a)), Value::Int(b)) => {
                exact(a, b).map_or_else(|| Value::Float(float(a as f64, b as f64)), Value::Int)
            }
            (Some(a), b) => {
                Value::Float(float(a.as_f64().unwrap_or_default(), b.as_f64().unwrap_or_default()))
            }
        });
    }
    match result.ok_or(Failed)? {
        Value::Float(value) => Ok(from_float(value)),
        value => Ok(value),
    }
}

fn quotient(operator: Operator) -> fn(f64, f64) -> f64 {
    match operator {
        Operator::Modulo => |a, b| a % b,
        _ => |a, b| a / b,
    }
}

fn divide<'v>(
    mut operands: impl Iterator<Item = Answer<'v>>,
    apply: fn(f64, f64) -> f64,
) -> Result<Value, Failed> {
    let first = operands.next().ok_or(Failed)??;
    let mut result = number(first.borrow()).ok_or(Failed)?;
    let mut whole = integral(first.borrow()).is_some();
    for operand in operands {
        let operand = operand?;
        let divisor = number(operand.borrow()).ok_or(Failed)?;
        if divisor == 0.0 {
            // Among integers an error; otherwise the largest number there is.
            return match (whole && integral(operand.borrow()).is_some(), result) {
                (true, _) => Err(Failed),
                (false, result) if result > 0.0 => Ok(Value::Float(f64::MAX)),
                (false, result) if result < 0.0 => Ok(Value::Float(f64::MIN)),
                (false, _) => Ok(Value::Int(0)),
            };
        }
        result = apply(result, divisor);
        whole = result.fract() == 0.0 && result.abs() <= i64::MAX as f64;
    }
    Ok(from_float(result))
}

/// The best of numbers, `null` when none is better than `worst`: NaN never is.
fn extreme(
    operands: &[ValueRef<'_>],
    worst: f64,
    better: fn(f64, f64) -> bool,
) -> Result<Value, Failed> {
    if operands.is_empty() {
        return Err(Failed);
    }
    let (mut best, mut found) = (worst, ValueRef::Null);
    for operand in operands {
        let value = match operand {
            ValueRef::Int(value) => *value as f64,
            ValueRef::Float(value) => *value,
            _ => return Err(Failed),
        };
        if better(value, best) {
            (best, found) = (value, *operand);
        }
    }
    Ok(found.to_value())
}
