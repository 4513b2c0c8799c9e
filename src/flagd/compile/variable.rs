//! Compiling `var`.

use super::{AT_HAND, Compiled, Compiler, DataSource, ValuePosition};
use crate::{
    flagd::{
        coercion,
        place::Place,
        tree::{Attribute, ComputedPath, Expression, LevelPath, NestedPath, Path, Variable},
    },
    value::Value,
};

impl Compiler<'_, '_> {
    pub(super) fn variable(
        &mut self,
        arguments: &[Value],
        listed: bool,
        place: Place,
        data: DataSource,
    ) -> Compiled<Expression> {
        // What a variable is made of sees one level's data at a time.
        let part = match data {
            DataSource::Context => DataSource::Context,
            DataSource::Levels(_) => DataSource::Levels(AT_HAND),
        };
        let fallback = match (arguments, listed) {
            ([_, fallback], true) => {
                let spot = ValuePosition::argument(place, 1, part);
                Some(Box::new(self.expression(fallback, spot)?))
            }
            _ => None,
        };
        let mut number = String::new();
        let mut put_in = true;
        let path = match arguments.first() {
            None => "",
            Some(Value::Null) if !listed => {
                return Ok(self.read(Path::Bare, None, data, false));
            }
            Some(Value::Text(path)) => {
                put_in = listed || !(path.is_empty() || path.starts_with('.'));
                path
            }
            Some(value @ (Value::Int(_) | Value::Float(_))) if !listed => {
                if coercion::write_text(value.borrow(), &mut number).is_err() {
                    return Ok(Expression::Fail(place));
                }
                &*number
            }
            Some(value @ (Value::Map(_) | Value::List(_))) => {
                let expression = self.expression(value, ValuePosition::argument(place, 0, part))?;
                let path = Path::Computed(Box::new(ComputedPath { expression, listed }));
                return Ok(self.read(path, fallback, data, true));
            }
            Some(value) => {
                self.warn_at(place, value.type_name(), "a path");
                return Ok(Expression::Fail(place));
            }
        };
        if path.ends_with(".length") {
            self.warn_at(place, format!("`{path}`"), "a path that all engines read alike");
        }
        let path = match data {
            DataSource::Context => match path {
                "$flagd.flagKey" if fallback.is_none() => {
                    return Ok(Expression::Constant(self.key.into()));
                }
                path if path.split('.').all(str::is_empty) => Path::Everything,
                path => Path::Attribute(attribute(path)),
            },
            DataSource::Levels(index) => {
                self.warn_if_hidden(index, put_in, path, place);
                let segments = path.split('.').filter(|segment| !segment.is_empty());
                let segments = segments.map(Box::from).collect();
                Path::Level(Box::new(LevelPath { attribute: attribute(path), segments }))
            }
        };
        drop(number);
        Ok(self.read(path, fallback, data, put_in))
    }

    pub(super) fn read(
        &self,
        path: Path,
        fallback: Option<Box<Expression>>,
        data: DataSource,
        put_in: bool,
    ) -> Expression {
        let levels = match data {
            DataSource::Levels(index) if put_in => index,
            _ => AT_HAND,
        };
        let levels = self.levels.get(levels).cloned().unwrap_or_default();
        Expression::Variable(Box::new(Variable { path, fallback, levels, whole_rule: false }))
    }
}

/// The attribute that a path of the context names.
fn attribute(path: &str) -> Attribute {
    let mut segments = path.split('.').filter(|segment| !segment.is_empty());
    let (first, rest) = (segments.next().unwrap_or_default(), segments);
    let rest: Box<[Box<str>]> = rest.map(Box::from).collect();
    match (first, &*rest) {
        ("targetingKey", []) => Attribute::Key,
        ("$flagd", []) => Attribute::Flagd,
        ("$flagd", [name]) if **name == *"timestamp" => Attribute::Timestamp,
        ("$flagd", [name]) if **name == *"flagKey" => Attribute::FlagKey,
        ("targetingKey" | "$flagd", _) => Attribute::Nowhere,
        (name, []) => Attribute::Named(name.into()),
        (name, _) => Attribute::Nested(Box::new(NestedPath { name: name.into(), segments: rest })),
    }
}
