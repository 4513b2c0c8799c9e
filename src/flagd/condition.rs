//! Compiling what only its truth is wanted of, most of all an attribute against a constant.

use super::{
    compile::{CompileError, Compiler, DataSource, ValuePosition, single},
    operator::Operator,
    tree::{Attribute, Check, Condition, Expression, Order, Path, Test},
};
use crate::value::Value;

impl Compiler<'_, '_> {
    pub(super) fn condition(
        &mut self,
        value: &Value,
        spot: ValuePosition,
    ) -> Result<Condition, CompileError> {
        if let Value::Map(map) = value
            && let Some((name, argument)) = single(map)
        {
            match (Operator::named(name), argument) {
                (Some(operator @ (Operator::And | Operator::Or)), Value::List(arguments))
                    if !arguments.is_empty() =>
                {
                    let place = self.operator(spot, name);
                    let conditions = self.nested(|this| {
                        arguments
                            .iter()
                            .enumerate()
                            .map(|(index, argument)| {
                                this.condition(
                                    argument,
                                    ValuePosition::argument(place, index, DataSource::Context),
                                )
                            })
                            .collect::<Result<Box<[_]>, CompileError>>()
                    })?;
                    return Ok(match operator {
                        Operator::And => Condition::All(place, conditions),
                        _ => Condition::Any(place, conditions),
                    });
                }
                (Some(Operator::Not), argument) => {
                    let (argument, listed) = match argument {
                        // With more arguments it is left to the operator to evaluate them all.
                        Value::List(arguments) => match &**arguments {
                            [argument] => (Some(argument), true),
                            _ => (None, true),
                        },
                        argument => (Some(argument), false),
                    };
                    if let Some(argument) = argument {
                        let place = self.operator(spot, name);
                        let spot = ValuePosition::argument(place, 0, DataSource::Context);
                        let condition = self.nested(|this| {
                            if listed || is_test(argument) {
                                return this.condition(argument, spot);
                            }
                            Ok(Condition::FirstTruth(Box::new(this.expression(argument, spot)?)))
                        })?;
                        return Ok(Condition::Not(place, Box::new(condition)));
                    }
                }
                _ => {}
            }
        }
        Ok(match self.expression(value, spot)? {
            Expression::Call(call) if !call.listed => truth(Expression::Call(call)),
            Expression::Call(mut call) => match check(call.operator, &mut call.arguments) {
                Some((attribute, test)) => {
                    let (place, operator) = (call.place, call.operator);
                    Condition::Check(Box::new(Check { place, operator, attribute, test }))
                }
                None => truth(Expression::Call(call)),
            },
            expression => truth(expression),
        })
    }
}

fn truth(expression: Expression) -> Condition {
    Condition::Truth(Box::new(expression))
}

/// Whether a rule never comes to a list.
fn is_test(rule: &Value) -> bool {
    let Value::Map(map) = rule else { return false };
    match single(map).map(|(name, argument)| (Operator::named(name), argument)) {
        Some((Some(Operator::And | Operator::Or), Value::List(arguments))) => {
            arguments.iter().all(is_test)
        }
        Some((Some(operator), _)) => operator.is_test(),
        _ => false,
    }
}

/// The check that a call comes to when it holds one plain attribute against one constant.
fn check(operator: Operator, arguments: &mut [Expression]) -> Option<(Attribute, Test)> {
    let [left, right] = arguments else { return None };
    let (variable, constant, constant_first) = match (&mut *left, &mut *right) {
        (Expression::Variable(variable), Expression::Constant(value)) => (variable, value, false),
        (Expression::Constant(value), Expression::Variable(variable)) => (variable, value, true),
        _ => return None,
    };
    let Path::Attribute(attribute) = &mut variable.path else { return None };
    if variable.fallback.is_some() || matches!(attribute, Attribute::Flagd) {
        return None;
    }
    let test = test(operator, constant, constant_first)?;
    Some((std::mem::replace(attribute, Attribute::Nowhere), test))
}

fn test(operator: Operator, constant: &mut Value, constant_first: bool) -> Option<Test> {
    let order = match operator {
        Operator::Equal | Operator::NotEqual => {
            let negated = operator == Operator::NotEqual;
            return Some(Test::Equal { value: std::mem::take(constant), negated });
        }
        Operator::StrictEqual | Operator::StrictNotEqual => {
            let negated = operator == Operator::StrictNotEqual;
            return Some(Test::Same { value: std::mem::take(constant), negated });
        }
        Operator::In => return member(constant, constant_first),
        Operator::StartsWith | Operator::EndsWith => {
            let Value::Text(text) = constant else { return None };
            if constant_first {
                return None;
            }
            let text = std::mem::take(text);
            return Some(match operator {
                Operator::StartsWith => Test::Prefix(text),
                _ => Test::Suffix(text),
            });
        }
        Operator::Below => Order::Below,
        Operator::AtMost => Order::AtMost,
        Operator::Above => Order::Above,
        Operator::AtLeast => Order::AtLeast,
        _ => return None,
    };
    Some(Test::Compare { value: std::mem::take(constant), order, constant_first })
}

fn member(constant: &mut Value, constant_first: bool) -> Option<Test> {
    match (&mut *constant, constant_first) {
        (Value::Text(text), true) => Some(Test::Holds(std::mem::take(text))),
        (Value::Text(text), false) => Some(Test::PartOf(std::mem::take(text))),
        (Value::List(values), false) => {
            let texts = values.iter().all(|value| matches!(value, Value::Text(_)));
            // A few are compared one by one; a long list is searched.
            if texts && values.len() > 8 {
                let mut texts: Box<[Box<str>]> =
                    values.iter().filter_map(Value::as_str).map(Box::from).collect();
                texts.sort();
                let list = std::mem::take(constant);
                return Some(Test::OneOfTexts { texts, list });
            }
            Some(Test::OneOf(std::mem::take(constant)))
        }
        _ => None,
    }
}
