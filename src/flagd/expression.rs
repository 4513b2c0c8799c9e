//! Evaluating expressions to values.

use smallvec::SmallVec;

use super::{
    arithmetic,
    coercion::{first_truthy, loose_equal, ordered, strict_equal, truthy},
    collection::{self, Quantifier},
    evaluate::{EvaluationFailed, Evaluator, is_rule},
    fractional::Chosen,
    membership,
    operand::{Operand, Operands, Scope},
    operator::Operator,
    trace::Tracer,
    tree::{Call, Expression, Order},
};
use crate::value::{Value, ValueRef};

/// What evaluating an expression came to.
pub(super) type Evaluated<'s> = Result<Operand<'s>, EvaluationFailed>;

pub(super) fn evaluate<'a: 's, 's, W: Tracer>(
    expression: &'a Expression,
    evaluator: &mut Evaluator<'a, W>,
    scope: Scope<'s>,
) -> Evaluated<'s> {
    match expression {
        Expression::Constant(value) => Ok(Operand::Borrowed(value.borrow())),
        Expression::Variable(variable) => evaluator.variable(variable, scope),
        Expression::Call(call) => evaluator.call(call, scope),
        Expression::Split(split) => {
            let value = match evaluator.split(split, scope)? {
                Chosen::Share(share) => split.constant(share),
                Chosen::Value(value) => value,
            };
            evaluator.tracer.operator(split.place, "fractional", value.borrow());
            Ok(value)
        }
        Expression::List(elements) => elements
            .iter()
            .map(|element| evaluate(element, evaluator, scope).map(Operand::into_value))
            .collect::<Result<Vec<_>, EvaluationFailed>>()
            .map(|values| Operand::Owned(Value::List(values))),
        Expression::Fail(place) => {
            evaluator.tracer.failed(*place, "");
            Err(EvaluationFailed)
        }
    }
}

impl<'a, W: Tracer> Evaluator<'a, W> {
    fn call<'s>(&mut self, call: &'a Call, scope: Scope<'s>) -> Evaluated<'s>
    where
        'a: 's,
    {
        let answer = self.operate(call, scope);
        match &answer {
            Ok(value) => self.tracer.operator(call.place, call.operator.name(), value.borrow()),
            Err(_) => self.tracer.failed(call.place, call.operator.name()),
        }
        answer
    }

    fn operate<'s>(&mut self, call: &'a Call, scope: Scope<'s>) -> Evaluated<'s>
    where
        'a: 's,
    {
        let arguments = &*call.arguments;
        match call.operator {
            Operator::If | Operator::Ternary => self.choose(arguments, scope),
            Operator::And => self.until(arguments, scope, false),
            Operator::Or => self.until(arguments, scope, true),
            Operator::Not => Ok((!self.first_truth(call, scope)?).into()),
            Operator::Truth => Ok(self.first_truth(call, scope)?.into()),
            Operator::Equal => self.compare(call, scope, loose_equal),
            Operator::NotEqual => Ok((!self.holds_for(call, scope, loose_equal)?).into()),
            Operator::StrictEqual => self.strictly(call, scope, true),
            Operator::StrictNotEqual => self.strictly(call, scope, false),
            Operator::Below => self.in_order(call, scope, Order::Below),
            Operator::AtMost => self.in_order(call, scope, Order::AtMost),
            Operator::Above => self.in_order(call, scope, Order::Above),
            Operator::AtLeast => self.in_order(call, scope, Order::AtLeast),
            Operator::In => self.contained(call, scope),
            Operator::Cat => {
                let operands = self.operands(call, scope)?;
                super::text::joined(&operands).map(|text| Operand::Owned(text.into()))
            }
            Operator::Substr => self.substring(call, scope),
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo
            | Operator::Min
            | Operator::Max
            | Operator::Abs => {
                let operands = self.operands(call, scope)?;
                arithmetic::arithmetic(call.operator, &operands).map(Operand::Owned)
            }
            Operator::Set => arithmetic::set(&self.operands(call, scope)?).map(Operand::Owned),
            Operator::Merge => collection::merge(&self.operands(call, scope)?),
            Operator::Missing => {
                let names = self.operands(call, scope)?;
                self.missing(&names, scope)
            }
            Operator::MissingSome => {
                let operands = self.operands(call, scope)?;
                self.missing_some(&operands, scope)
            }
            Operator::Map => collection::map(self, arguments, scope),
            Operator::Filter => collection::filter(self, arguments, scope),
            Operator::Reduce => collection::reduce(self, arguments, scope),
            Operator::Every => collection::quantify(self, arguments, scope, Quantifier::Every),
            Operator::Some => collection::quantify(self, arguments, scope, Quantifier::Some),
            Operator::None => collection::quantify(self, arguments, scope, Quantifier::None),
            Operator::ContainsAll | Operator::ContainsAny | Operator::ContainsNone => {
                let operands = self.operands(call, scope)?;
                membership::contains_many(call.operator, &operands).map(Operand::from)
            }
            Operator::SemVer => self.semantic_version(call, scope),
            Operator::StartsWith => self.texts(call, scope, |text, end| text.starts_with(end)),
            Operator::EndsWith => self.texts(call, scope, |text, end| text.ends_with(end)),
            // These two have forms of their own in the tree.
            Operator::Var | Operator::Fractional => Err(EvaluationFailed),
        }
    }

    fn choose<'s>(&mut self, arguments: &'a [Expression], scope: Scope<'s>) -> Evaluated<'s>
    where
        'a: 's,
    {
        let mut rest = arguments;
        loop {
            match rest {
                [] => return Ok(Operand::NULL),
                [otherwise] => return self.branch_value(otherwise, scope),
                [condition, then, more @ ..] => {
                    if truthy(evaluate(condition, self, scope)?.borrow()) {
                        return self.branch_value(then, scope);
                    }
                    rest = more;
                }
            }
        }
    }

    /// The first argument that is `wanted`, or the last.
    fn until<'s>(
        &mut self,
        arguments: &'a [Expression],
        scope: Scope<'s>,
        wanted: bool,
    ) -> Evaluated<'s>
    where
        'a: 's,
    {
        let mut last = Operand::NULL;
        for argument in arguments {
            last = evaluate(argument, self, scope)?;
            if truthy(last.borrow()) == wanted {
                break;
            }
        }
        Ok(last)
    }

    /// What a branch comes to, which the core takes for a rule again: from data, never.
    fn branch_value<'s>(&mut self, branch: &'a Expression, scope: Scope<'s>) -> Evaluated<'s>
    where
        'a: 's,
    {
        let value = evaluate(branch, self, scope)?;
        match value.borrow() {
            map @ ValueRef::Map(_) if is_rule(map) => Err(EvaluationFailed),
            _ => Ok(value),
        }
    }

    fn first_truth(&mut self, call: &'a Call, scope: Scope<'_>) -> Result<bool, EvaluationFailed> {
        match &*call.arguments {
            [argument] if !call.listed => {
                Ok(first_truthy(evaluate(argument, self, scope)?.borrow()))
            }
            arguments => {
                let values = self.all(arguments, scope)?;
                Ok(values.first().is_some_and(|value| truthy(value.borrow())))
            }
        }
    }

    fn holds_for(
        &mut self,
        call: &'a Call,
        scope: Scope<'_>,
        test: fn(ValueRef<'_>, ValueRef<'_>) -> bool,
    ) -> Result<bool, EvaluationFailed> {
        if let ([left, right], true) = (&*call.arguments, call.listed) {
            let (left, right) = (evaluate(left, self, scope)?, evaluate(right, self, scope)?);
            return Ok(test(left.borrow(), right.borrow()));
        }
        let operands = self.operands(call, scope)?.list()?;
        Ok(operands.len() >= 2 && test(operands.at(0), operands.at(1)))
    }

    fn compare<'s>(
        &mut self,
        call: &'a Call,
        scope: Scope<'s>,
        test: fn(ValueRef<'_>, ValueRef<'_>) -> bool,
    ) -> Evaluated<'s>
    where
        'a: 's,
    {
        self.holds_for(call, scope, test).map(Operand::from)
    }

    /// `===` and `!==` take what is no list for unequal.
    fn strictly<'s>(&mut self, call: &'a Call, scope: Scope<'s>, wanted: bool) -> Evaluated<'s>
    where
        'a: 's,
    {
        let operands = self.operands(call, scope)?;
        let equal = operands.single().is_none()
            && operands.len() >= 2
            && strict_equal(operands.at(0), operands.at(1));
        Ok((equal == wanted).into())
    }

    fn in_order<'s>(&mut self, call: &'a Call, scope: Scope<'s>, order: Order) -> Evaluated<'s>
    where
        'a: 's,
    {
        if let ([left, right], true) = (&*call.arguments, call.listed) {
            let (left, right) = (evaluate(left, self, scope)?, evaluate(right, self, scope)?);
            return Ok(ordered(left.borrow(), right.borrow(), order).into());
        }
        let operands = self.operands(call, scope)?.list()?;
        let holds = |index| ordered(operands.at(index), operands.at(index + 1), order);
        Ok((operands.len() >= 2 && holds(0) && (operands.len() != 3 || holds(1))).into())
    }

    fn contained<'s>(&mut self, call: &'a Call, scope: Scope<'s>) -> Evaluated<'s>
    where
        'a: 's,
    {
        if let ([needle, Expression::List(elements)], true) = (&*call.arguments, call.listed) {
            let needle = evaluate(needle, self, scope)?;
            let mut found = Ok(false);
            for element in elements {
                // All of them are evaluated: one that fails fails the rule.
                let element = evaluate(element, self, scope)?;
                if found == Ok(false) {
                    found = membership::matches(needle.borrow(), element.borrow());
                }
            }
            return found.map(Operand::from);
        }
        let operands = self.operands(call, scope)?.list()?;
        if operands.is_empty() {
            return Err(EvaluationFailed);
        }
        membership::contains(operands.at(0), operands.at(1)).map(Operand::from)
    }

    pub(super) fn operands<'s>(
        &mut self,
        call: &'a Call,
        scope: Scope<'s>,
    ) -> Result<Operands<'s>, EvaluationFailed>
    where
        'a: 's,
    {
        match &*call.arguments {
            [argument] if !call.listed => evaluate(argument, self, scope).map(Operands::Unlisted),
            arguments => self.all(arguments, scope).map(Operands::Listed),
        }
    }

    /// Every argument's value, on the stack for as many as a written operator has.
    pub(super) fn all<'s>(
        &mut self,
        arguments: &'a [Expression],
        scope: Scope<'s>,
    ) -> Result<SmallVec<[Operand<'s>; 4]>, EvaluationFailed>
    where
        'a: 's,
    {
        let mut values = SmallVec::new();
        for argument in arguments {
            values.push(evaluate(argument, self, scope)?);
        }
        Ok(values)
    }
}
