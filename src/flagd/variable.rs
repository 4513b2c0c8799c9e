//! `var`: reading the rule's data, or what an operator on a list is at.

use super::{
    coercion::write_text,
    evaluate::{EvaluationFailed, Evaluator, at_path, is_rule},
    expression::{Evaluated, evaluate},
    operand::{Operand, Scope},
    trace::Tracer,
    tree::{Attribute, Path, Variable},
};
use crate::value::{ShortText, Value, ValueRef};

impl<'a, W: Tracer> Evaluator<'a, W> {
    pub(super) fn variable<'s>(&mut self, variable: &'a Variable, scope: Scope<'s>) -> Evaluated<'s>
    where
        'a: 's,
    {
        let found = match &variable.path {
            Path::Attribute(Attribute::Flagd) => Some(Operand::Owned(Value::Map(self.flagd()))),
            Path::Attribute(attribute) => self.read(attribute).map(Operand::Borrowed),
            Path::Everything => Some(Operand::Owned(Value::Map(self.everything()))),
            Path::Bare => match scope {
                Scope::Element { item, .. } if is_scalar(item) => Some(Operand::Borrowed(item)),
                _ => None,
            },
            Path::Level(_) | Path::Computed(_) => return self.by_level(variable, scope),
        };
        self.or_fallback(found, variable, scope)
    }

    /// The fallback is evaluated whether or not it is needed, as any argument is.
    fn or_fallback<'s>(
        &mut self,
        found: Option<Operand<'s>>,
        variable: &'a Variable,
        scope: Scope<'s>,
    ) -> Evaluated<'s>
    where
        'a: 's,
    {
        let fallback = match &variable.fallback {
            Some(fallback) => evaluate(fallback, self, scope)?,
            None => Operand::NULL,
        };
        Ok(found.filter(|found| !found.is_null()).unwrap_or(fallback))
    }

    /// What the first level has that has anything. Whatever comes from a level before the last is
    /// put into the rule, and evaluated with it: an object of one member would be an operator.
    fn by_level<'s>(&mut self, variable: &'a Variable, scope: Scope<'s>) -> Evaluated<'s>
    where
        'a: 's,
    {
        for (index, level) in variable.levels.iter().enumerate() {
            let scope = scope.out(*level);
            let found = match &variable.path {
                Path::Level(path) => match scope {
                    Scope::Data if path.segments.is_empty() => {
                        Some(Operand::Owned(Value::Map(self.everything())))
                    }
                    Scope::Data if matches!(path.attribute, Attribute::Flagd) => {
                        Some(Operand::Owned(Value::Map(self.flagd())))
                    }
                    Scope::Data => self.read(&path.attribute).map(Operand::Borrowed),
                    scope => inner(scope, path.segments.iter().map(|segment| &**segment)),
                },
                Path::Computed(named) => {
                    let path = evaluate(&named.expression, self, scope)?;
                    match (path.borrow(), named.listed) {
                        (path @ ValueRef::Text(_), true) => self.computed(path, scope)?,
                        (_, true) => return Err(EvaluationFailed),
                        (path, false) => self.computed(path, scope)?,
                    }
                }
                _ => None,
            };
            let found = self.or_fallback(found, variable, scope)?;
            if !found.is_null() {
                let put_in = index + 1 < variable.levels.len();
                let whole = variable.whole_rule && !matches!(found.borrow(), ValueRef::Map(_));
                if put_in && (whole || is_rule(found.borrow())) {
                    return Err(EvaluationFailed);
                }
                return Ok(found);
            }
        }
        Ok(Operand::NULL)
    }

    /// Follows a path that the rule itself made: text, a number, or a list of a path and a fallback.
    pub(super) fn computed<'s>(
        &mut self,
        path: ValueRef<'_>,
        scope: Scope<'s>,
    ) -> Result<Option<Operand<'s>>, EvaluationFailed>
    where
        'a: 's,
    {
        let mut buffer = ShortText::default();
        let (path, fallback) = match path {
            ValueRef::Null => {
                return Ok(match scope {
                    Scope::Element { item, .. } if is_scalar(item) => Some(Operand::Borrowed(item)),
                    _ => None,
                });
            }
            ValueRef::Text(path) => (path, None),
            number @ (ValueRef::Int(_) | ValueRef::Float(_)) => {
                write_text(number, &mut buffer)?;
                (buffer.as_str(), None)
            }
            ValueRef::List(list) if list.is_empty() => ("", None),
            ValueRef::List(list) => match list.element(0) {
                Some(ValueRef::Text(path)) => {
                    (path, list.element(1).filter(|_| list.len() == 2).map(ValueRef::to_value))
                }
                _ => return Err(EvaluationFailed),
            },
            _ => return Err(EvaluationFailed),
        };
        let mut segments = path.split('.').filter(|segment| !segment.is_empty());
        let found = match scope {
            Scope::Data => match segments.next() {
                None => Some(Operand::Owned(Value::Map(self.everything()))),
                Some("$flagd") => at_path(ValueRef::Map(&self.flagd()), segments)
                    .map(|found| Operand::Owned(found.to_value())),
                Some(first) => {
                    let start =
                        if first == "targetingKey" { self.key() } else { self.named(first) };
                    let found = start.and_then(|start| at_path(start, segments));
                    self.tracer.read(|| path.to_owned(), found);
                    found.map(Operand::Borrowed)
                }
            },
            scope => inner(scope, segments),
        };
        Ok(found.filter(|found| !found.is_null()).or(fallback.map(Operand::Owned)))
    }
}

/// Follows a path from what an operator that goes through a list is at.
fn inner<'s, 'p>(scope: Scope<'s>, mut path: impl Iterator<Item = &'p str>) -> Option<Operand<'s>> {
    let start = match scope {
        Scope::Data => return None,
        Scope::Element { item, .. } => item,
        Scope::Step { current, accumulator, .. } => {
            let kind = match accumulator {
                ValueRef::Bool(_) => "bool",
                ValueRef::Text(_) => "string",
                _ => "number",
            };
            match path.next() {
                Some("current") => current,
                Some("accumulator") => accumulator,
                Some("valueType") => ValueRef::Text(kind),
                Some(_) => return None,
                None => {
                    let members = [
                        ("current", current.to_value()),
                        ("accumulator", accumulator.to_value()),
                        ("valueType", kind.into()),
                    ];
                    let step = members.map(|(name, value)| (name.to_owned(), value));
                    return Some(Operand::Owned(Value::Map(step.into_iter().collect())));
                }
            }
        }
    };
    at_path(start, path).map(Operand::Borrowed)
}

fn is_scalar(value: ValueRef<'_>) -> bool {
    !matches!(value, ValueRef::Null | ValueRef::List(_) | ValueRef::Map(_))
}
