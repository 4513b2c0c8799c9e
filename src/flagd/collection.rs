//! Operators on lists: `map filter reduce all some none merge missing missing_some`.

use super::{
    coercion::{from_float, number, truthy, whole, write_text},
    evaluate::{EvaluationFailed, Evaluator},
    expression::{Evaluated, evaluate},
    operand::{Operand, Operands, Scope},
    trace::Tracer,
    tree::Expression,
};
use crate::value::{Value, ValueRef};

/// How many elements one evaluation may go through: lists in lists multiply.
const VISITS: u32 = 1_000_000;

/// How many bytes of text `reduce` may accumulate: its body can double them at each step.
const ACCUMULATED: usize = 1 << 20;

impl<W> Evaluator<'_, W> {
    fn visit(&mut self) -> Result<(), EvaluationFailed> {
        self.visited += 1;
        if self.visited > VISITS { Err(EvaluationFailed) } else { Ok(()) }
    }
}

pub(super) enum Quantifier {
    Every,
    Some,
    None,
}

/// What an operator goes through: a written list as it is written, or what an operator comes to.
/// Anything else written is no list.
fn subject<'a: 's, 's, W: Tracer>(
    evaluator: &mut Evaluator<'a, W>,
    written: &'a Expression,
    scope: Scope<'s>,
) -> Evaluated<'s> {
    match written {
        Expression::Constant(Value::List(_) | Value::Map(_)) => evaluate(written, evaluator, scope),
        Expression::Constant(_) => Ok(Operand::NULL),
        operator => evaluate(operator, evaluator, scope),
    }
}

/// Visits each element of a list until `visit` says to stop.
fn each(
    list: &Operand<'_>,
    mut visit: impl FnMut(ValueRef<'_>) -> Result<bool, EvaluationFailed>,
) -> Result<(), EvaluationFailed> {
    let ValueRef::List(list) = list.borrow() else { return Err(EvaluationFailed) };
    for index in 0..list.len() {
        if !visit(list.element(index).unwrap_or_default())? {
            break;
        }
    }
    Ok(())
}

/// Evaluates a rule for each element of a list, and shows the element with what the rule came to.
fn for_each<'a: 's, 's, W: Tracer>(
    evaluator: &mut Evaluator<'a, W>,
    arguments: &'a [Expression],
    scope: Scope<'s>,
    mut show: impl FnMut(ValueRef<'_>, Operand<'_>),
) -> Result<(), EvaluationFailed> {
    let [list, body, ..] = arguments else { return Ok(()) };
    let list = subject(evaluator, list, scope)?;
    if list.is_null() {
        return Ok(());
    }
    each(&list, |item| {
        evaluator.visit()?;
        show(item, evaluate(body, evaluator, Scope::Element { item, outer: &scope })?);
        Ok(true)
    })
}

pub(super) fn map<'a: 's, 's, W: Tracer>(
    evaluator: &mut Evaluator<'a, W>,
    arguments: &'a [Expression],
    scope: Scope<'s>,
) -> Evaluated<'s> {
    let mut mapped = Vec::new();
    for_each(evaluator, arguments, scope, |_, result| mapped.push(result.into_value()))?;
    Ok(Operand::Owned(Value::List(mapped)))
}

pub(super) fn filter<'a: 's, 's, W: Tracer>(
    evaluator: &mut Evaluator<'a, W>,
    arguments: &'a [Expression],
    scope: Scope<'s>,
) -> Evaluated<'s> {
    let mut kept = Vec::new();
    for_each(evaluator, arguments, scope, |item, result| {
        if truthy(result.borrow()) {
            kept.push(item.to_value());
        }
    })?;
    Ok(Operand::Owned(Value::List(kept)))
}

/// What `reduce` keeps is of its start's type throughout: a boolean, a number or text.
pub(super) fn reduce<'a: 's, 's, W: Tracer>(
    evaluator: &mut Evaluator<'a, W>,
    arguments: &'a [Expression],
    scope: Scope<'s>,
) -> Evaluated<'s> {
    let [list, body, start, ..] = arguments else { return Ok(Operand::Owned(Value::Int(0))) };
    let mut result = match evaluate(start, evaluator, scope)?.into_value() {
        value @ (Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_)) => value,
        _ => return Err(EvaluationFailed),
    };
    let list = subject(evaluator, list, scope)?;
    if list.is_null() {
        return Ok(Operand::Owned(Value::Int(0)));
    }
    each(&list, |current| {
        if matches!(current, ValueRef::Null) {
            return Ok(true);
        }
        evaluator.visit()?;
        let step = Scope::Step { current, accumulator: result.borrow(), outer: &scope };
        let value = evaluate(body, evaluator, step)?;
        let value = value.borrow();
        result = match &result {
            Value::Bool(_) => Value::Bool(truthy(value)),
            Value::Text(_) => {
                let mut text = String::new();
                write_text(value, &mut text)?;
                if text.len() > ACCUMULATED {
                    return Err(EvaluationFailed);
                }
                text.into()
            }
            _ => from_float(number(value)?),
        };
        Ok(true)
    })?;
    Ok(Operand::Owned(result))
}

pub(super) fn quantify<'a: 's, 's, W: Tracer>(
    evaluator: &mut Evaluator<'a, W>,
    arguments: &'a [Expression],
    scope: Scope<'s>,
    quantifier: Quantifier,
) -> Evaluated<'s> {
    let list = subject(evaluator, arguments.first().ok_or(EvaluationFailed)?, scope)?;
    if !truthy(list.borrow()) {
        return Ok(matches!(quantifier, Quantifier::None).into());
    }
    let body = arguments.get(1).ok_or(EvaluationFailed)?;
    let stop_at = !matches!(quantifier, Quantifier::Every);
    let mut stopped = false;
    each(&list, |item| {
        evaluator.visit()?;
        let inner = Scope::Element { item, outer: &scope };
        stopped = truthy(evaluate(body, evaluator, inner)?.borrow()) == stop_at;
        Ok(!stopped)
    })?;
    let some = matches!(quantifier, Quantifier::Some);
    Ok((stopped == some).into())
}

pub(super) fn merge<'s>(operands: &Operands<'s>) -> Evaluated<'s> {
    let mut merged = Vec::new();
    if let Some(single) = operands.single() {
        return match single {
            ValueRef::Null | ValueRef::Map(_) => Err(EvaluationFailed),
            scalar => Ok(Operand::Owned(Value::List(vec![scalar.to_value()]))),
        };
    }
    for index in 0..operands.len() {
        match operands.at(index).to_value() {
            Value::List(values) => merged.extend(values),
            value => merged.push(value),
        }
    }
    Ok(Operand::Owned(Value::List(merged)))
}

impl<'a, W: Tracer> Evaluator<'a, W> {
    pub(super) fn missing<'s>(&mut self, names: &Operands<'s>, scope: Scope<'s>) -> Evaluated<'s>
    where
        'a: 's,
    {
        let mut missing = Vec::new();
        match names.single() {
            Some(name @ ValueRef::Text(_)) => {
                self.note_missing(name, scope, &mut missing)?;
            }
            Some(_) => return Err(EvaluationFailed),
            None => {
                for index in 0..names.len() {
                    self.note_missing(names.at(index), scope, &mut missing)?;
                }
            }
        }
        Ok(Operand::Owned(Value::List(missing)))
    }

    pub(super) fn missing_some<'s>(
        &mut self,
        operands: &Operands<'s>,
        scope: Scope<'s>,
    ) -> Evaluated<'s>
    where
        'a: 's,
    {
        if operands.single().is_some() || operands.len() < 2 {
            return Err(EvaluationFailed);
        }
        let wanted = whole(number(operands.at(0))?);
        let ValueRef::List(names) = operands.at(1) else { return Err(EvaluationFailed) };
        let mut missing = Vec::new();
        let mut present = 0_i64;
        for index in 0..names.len() {
            let name = names.element(index).unwrap_or_default();
            present += i64::from(!self.note_missing(name, scope, &mut missing)?);
        }
        if wanted <= present {
            missing.clear();
        }
        Ok(Operand::Owned(Value::List(missing)))
    }

    /// Notes a name that leads nowhere, or to `null`.
    fn note_missing<'s>(
        &mut self,
        name: ValueRef<'_>,
        scope: Scope<'s>,
        missing: &mut Vec<Value>,
    ) -> Result<bool, EvaluationFailed>
    where
        'a: 's,
    {
        let found = self.computed(name, scope)?;
        let absent = found.is_none_or(|found| found.is_null());
        if absent {
            missing.push(name.to_value());
        }
        Ok(absent)
    }
}
