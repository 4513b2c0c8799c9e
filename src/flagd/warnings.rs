//! What a compiled rule is told about: faults, and forms on which flagd's engines differ.

use super::{
    compile::{CompileError, Compiler, ValuePosition},
    operator::Operator,
    place::Place,
    tree::Expression,
};
use crate::{flag::Problem, value::Value};

impl Compiler<'_, '_> {
    /// Marks forms on which flagd's engines visibly differ: most often the Go core, which is what
    /// is followed, from the others.
    pub(super) fn warn_about_operator(
        &mut self,
        operator: Operator,
        arguments: &[Expression],
        listed: bool,
        place: Place,
    ) {
        use Operator as Is;
        let constant = |test: fn(&Value) -> bool| {
            arguments
                .iter()
                .any(|argument| matches!(argument, Expression::Constant(value) if test(value)))
        };
        let warning = match operator {
            Is::Abs | Is::Set | Is::ContainsAll | Is::ContainsAny | Is::ContainsNone => Some((
                "an operator that only flagd's Go core has",
                "an operator of JSONLogic or flagd",
            )),
            Is::Equal | Is::NotEqual | Is::StrictEqual | Is::StrictNotEqual
                if constant(is_nested) =>
            {
                Some(("an array or object, which equals nothing", "values that can be equal"))
            }
            Is::Below | Is::AtMost | Is::Above | Is::AtLeast if constant(is_nested) => Some((
                "an array or object, which compares with nothing",
                "values that can be ordered",
            )),
            Is::AtMost | Is::AtLeast if constant(|value| *value == Value::Null) => {
                Some(("null, which is neither below nor equal to 0", "a number or text"))
            }
            Is::Cat if constant(|value| matches!(value, Value::Bool(_)) || is_nested(value)) => {
                Some(("a boolean, array or object, which has no text", "text or numbers"))
            }
            Is::Cat if constant(|value| !matches!(value, Value::Text(_) | Value::Int(_))) => {
                Some(("a constant whose text differs between engines", "text or integers"))
            }
            Is::Cat
                if arguments.len() > 1 && (blank(arguments.first()) || blank(arguments.last())) =>
            {
                Some(("blanks at an end, which are dropped", "text without blanks around it"))
            }
            Is::Min | Is::Max if arguments.is_empty() => Some(("nothing", "numbers")),
            Is::Add | Is::Subtract | Is::Multiply | Is::Divide | Is::Modulo | Is::Min | Is::Max
                if constant(|value| !matches!(value, Value::Text(_)) && !is_number(value)) =>
            {
                Some(("a constant that flagd's Go core does not compute with", "numbers"))
            }
            Is::Min | Is::Max if constant(|value| !is_number(value)) => {
                Some(("a constant that is no number", "numbers"))
            }
            Is::Subtract | Is::Divide | Is::Modulo | Is::Min | Is::Max | Is::Cat | Is::Substr
                if !listed && constant(|value| !matches!(value, Value::List(_))) =>
            {
                Some(("one argument outside of an array", "an array of arguments"))
            }
            Is::In => match arguments {
                [Expression::Constant(needle), Expression::Constant(Value::Text(_))]
                    if !matches!(needle, Value::Text(_)) =>
                {
                    Some(("no text looked for in text", "text"))
                }
                [_, Expression::Constant(Value::List(values))]
                    if values
                        .iter()
                        .any(|value| !matches!(value, Value::Text(_)) && !is_number(value)) =>
                {
                    Some(("a list in which numbers cannot be looked for", "text or numbers"))
                }
                _ => None,
            },
            _ => None,
        };
        if let Some((found, expected)) = warning {
            self.warn_at(place, found, expected);
        }
    }

    /// Marks a member of an element that an attribute of the context would hide.
    pub(super) fn warn_if_hidden(&mut self, levels: usize, put_in: bool, path: &str, place: Place) {
        let hidden =
            put_in && self.levels.get(levels).is_some_and(|levels| levels.first() > levels.last());
        if hidden {
            let found = format!("`{path}`, which an attribute of the context of that name hides");
            self.warn_at(place, found, "a name that no attribute of the context has");
        }
    }

    /// Marks a first argument of `fractional` that the engines take differently.
    pub(super) fn warn_about_bucket_by(&mut self, arguments: &[Expression], place: Place) {
        let found = match arguments.first() {
            Some(Expression::Constant(Value::Null)) => "null as the key",
            Some(Expression::Constant(value))
                if !matches!(value, Value::Text(_) | Value::List(_)) =>
            {
                "a key that is no text"
            }
            _ => return,
        };
        self.warn_at(place, found, "text, or the variants straight away");
    }

    pub(super) fn warn(&mut self, spot: ValuePosition, found: impl Into<String>, expected: &str) {
        let place = self.here(spot);
        self.warn_at(place, found, expected);
    }

    pub(super) fn warn_at(&mut self, place: Place, found: impl Into<String>, expected: &str) {
        let path = self.places.pointer(place);
        self.problems.push(Problem::warning(self.key, path, found, expected));
    }

    #[cold]
    pub(super) fn rejected(
        &mut self,
        spot: ValuePosition,
        found: &str,
        expected: String,
    ) -> CompileError {
        let place = self.here(spot);
        let path = self.places.pointer(place);
        CompileError::Rejected(Box::new(Problem::rejected(self.key, path, found, expected)))
    }
}

fn is_nested(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_))
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Float(_))
}

/// Whether an end of a constant is blank.
fn blank(part: Option<&Expression>) -> bool {
    match part {
        Some(Expression::Constant(Value::Text(text))) => text.trim().len() != text.len(),
        _ => false,
    }
}
