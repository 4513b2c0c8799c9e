//! Whether a condition holds: the checks of attributes, and what joins them.

use super::{EvaluationFailed, Evaluator};
use crate::{
    flagd::{
        coercion::{first_truthy, loose_equal, ordered, strict_equal, truthy},
        expression::evaluate,
        membership,
        operand::Scope,
        trace::Tracer,
        tree::{Check, Condition, Test},
    },
    value::{Value, ValueRef},
};

// Inlined by force where text is compared, as in the module above.
impl<'a, W: Tracer> Evaluator<'a, W> {
    #[inline(always)]
    pub(super) fn holds(&mut self, condition: &'a Condition) -> Result<bool, EvaluationFailed> {
        match condition {
            Condition::Check(check) => self.check(check),
            other => self.holds_other(other),
        }
    }

    #[inline(never)]
    fn holds_other(&mut self, condition: &'a Condition) -> Result<bool, EvaluationFailed> {
        Ok(match condition {
            Condition::Check(check) => self.check(check)?,
            Condition::All(place, conditions) => {
                let mut all = true;
                for condition in conditions {
                    if !self.holds(condition)? {
                        all = false;
                        break;
                    }
                }
                self.tracer.operator(*place, "and", ValueRef::Bool(all));
                all
            }
            Condition::Any(place, conditions) => {
                let mut any = false;
                for condition in conditions {
                    if self.holds(condition)? {
                        any = true;
                        break;
                    }
                }
                self.tracer.operator(*place, "or", ValueRef::Bool(any));
                any
            }
            Condition::Not(place, condition) => {
                let not = !self.holds(condition)?;
                self.tracer.operator(*place, "!", ValueRef::Bool(not));
                not
            }
            Condition::Truth(expression) => {
                truthy(evaluate(expression, self, Scope::Data)?.borrow())
            }
            Condition::FirstTruth(expression) => {
                first_truthy(evaluate(expression, self, Scope::Data)?.borrow())
            }
        })
    }

    /// Text against text, which most checks are; the others are out of its way.
    #[inline(always)]
    fn check(&mut self, check: &'a Check) -> Result<bool, EvaluationFailed> {
        let found = self.read(&check.attribute).unwrap_or_default();
        match (&check.test, found) {
            (Test::Equal { value: Value::Text(text), negated }, ValueRef::Text(found)) => {
                let holds = (*found == **text) != *negated;
                self.tracer.operator(check.place, check.operator.name(), ValueRef::Bool(holds));
                Ok(holds)
            }
            _ => self.check_other(check, found),
        }
    }

    #[inline(never)]
    fn check_other(
        &mut self,
        check: &'a Check,
        found: ValueRef<'a>,
    ) -> Result<bool, EvaluationFailed> {
        let holds = match &check.test {
            Test::Equal { value, negated } => loose_equal(found, value.borrow()) != *negated,
            Test::Compare { value, order, constant_first } => {
                let value = value.borrow();
                let (left, right) = if *constant_first { (value, found) } else { (found, value) };
                ordered(left, right, *order)
            }
            Test::Same { value, negated } => strict_equal(found, value.borrow()) != *negated,
            Test::OneOf(values) => match membership::contains(found, values.borrow()) {
                Ok(holds) => holds,
                Err(failed) => return self.fail(check, failed),
            },
            Test::OneOfTexts { texts, list } => match found {
                ValueRef::Text(found) => texts.binary_search_by(|text| (**text).cmp(found)).is_ok(),
                other => match membership::contains(other, list.borrow()) {
                    Ok(holds) => holds,
                    Err(failed) => return self.fail(check, failed),
                },
            },
            Test::PartOf(text) => match found {
                ValueRef::Text(found) => text.contains(found),
                _ => return self.fail(check, EvaluationFailed),
            },
            Test::Holds(text) => match membership::contains(ValueRef::Text(text), found) {
                Ok(holds) => holds,
                Err(failed) => return self.fail(check, failed),
            },
            Test::Prefix(prefix) => match found {
                ValueRef::Text(found) => found.starts_with(&**prefix),
                _ => false,
            },
            Test::Suffix(suffix) => match found {
                ValueRef::Text(found) => found.ends_with(&**suffix),
                _ => false,
            },
        };
        self.tracer.operator(check.place, check.operator.name(), ValueRef::Bool(holds));
        Ok(holds)
    }

    #[cold]
    fn fail(&mut self, check: &Check, failed: EvaluationFailed) -> Result<bool, EvaluationFailed> {
        self.tracer.failed(check.place, check.operator.name());
        Err(failed)
    }
}
