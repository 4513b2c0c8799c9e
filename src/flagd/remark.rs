//! What a compiled rule is told about: faults, and forms on which flagd's engines differ.

use super::{
    compile::{Compiler, Refusal, Spot},
    operator::Operator,
    place::Place,
    tree::Expression,
};
use crate::{flag::FlagProblem, value::Value};

impl Compiler<'_, '_> {
    /// Marks forms on which flagd's engines visibly differ.
    pub(super) fn remark(&mut self, operator: Operator, arguments: &[Expression], place: Place) {
        let constant = |test: fn(&Value) -> bool| {
            arguments
                .iter()
                .any(|argument| matches!(argument, Expression::Constant(value) if test(value)))
        };
        let nested = |value: &Value| matches!(value, Value::List(_) | Value::Map(_));
        let number = |value: &Value| matches!(value, Value::Int(_) | Value::Float(_));
        let remark = match operator {
            Operator::Equal | Operator::NotEqual if constant(nested) => {
                Some(("an array or object", "values that every engine can compare"))
            }
            Operator::Below | Operator::AtMost | Operator::Above | Operator::AtLeast
                if constant(nested) =>
            {
                Some(("an array or object", "values that can be ordered"))
            }
            Operator::Cat if constant(|value| !matches!(value, Value::Text(_) | Value::Int(_))) => {
                Some(("a constant whose text differs between engines", "text or integers"))
            }
            Operator::Min | Operator::Max if arguments.is_empty() => Some(("nothing", "numbers")),
            Operator::Min | Operator::Max
                if arguments.iter().any(
                    |argument| matches!(argument, Expression::Constant(value) if !number(value)),
                ) =>
            {
                Some(("a constant that is no number", "numbers"))
            }
            Operator::In => match arguments {
                [Expression::Constant(needle), Expression::Constant(Value::Text(_))]
                    if !matches!(needle, Value::Text(_)) =>
                {
                    Some(("no text looked for in text", "text"))
                }
                _ => None,
            },
            _ => None,
        };
        if let Some((found, expected)) = remark {
            self.problem(place, found, expected);
        }
    }

    pub(super) fn warn(&mut self, spot: Spot, found: impl Into<String>, expected: &str) {
        let place = self.here(spot);
        self.problem(place, found, expected);
    }

    pub(super) fn problem(&mut self, place: Place, found: impl Into<String>, expected: &str) {
        let path = self.places.pointer(place);
        self.problems.push(FlagProblem::warning(self.key, path, found, expected));
    }

    #[cold]
    pub(super) fn rejected(&mut self, spot: Spot, found: &str, expected: String) -> Refusal {
        let place = self.here(spot);
        let path = self.places.pointer(place);
        Refusal::Rejected(Box::new(FlagProblem::rejected(self.key, path, found, expected)))
    }
}
