//! Compiling the operators that go through a list, and what `var` reads inside of them.

use super::{AT_HAND, Compiled, Compiler, DataSource, ValuePosition};
use crate::{
    flagd::{
        operator::Operator,
        place::Place,
        tree::{Attribute, Call, Expression, Path},
    },
    value::Value,
};

impl Compiler<'_, '_> {
    /// An operator that goes through a list. A list that is written out is taken as it is written.
    pub(super) fn through(
        &mut self,
        operator: Operator,
        arguments: &[Value],
        place: Place,
        data: DataSource,
    ) -> Compiled<Expression> {
        let mut compiled = Vec::with_capacity(arguments.len());
        for (index, argument) in arguments.iter().enumerate() {
            let spot = ValuePosition::argument(place, index, data);
            compiled.push(match (index, argument) {
                (0, Value::List(values)) => {
                    if values.iter().any(|value| matches!(value, Value::Map(_))) {
                        self.warn(spot, "a written list of rules", "values: they stay as written");
                    }
                    Expression::Constant(argument.clone())
                }
                // The flag's key is a constant anywhere else; here it is what an operator came to, and
                // no list.
                (0, Value::Map(_)) => match self.expression(argument, spot)? {
                    Expression::Constant(Value::Text(_)) => {
                        let path = Path::Attribute(Attribute::FlagKey);
                        self.read(path, None, DataSource::Context, false)
                    }
                    expression => expression,
                },
                (1, body) => self.body(operator, body, spot)?,
                _ => self.expression(argument, spot)?,
            });
        }
        let arguments = compiled.into();
        Ok(Expression::Call(Box::new(Call { place, operator, arguments, listed: true })))
    }

    /// The rule for each element.
    pub(super) fn body(
        &mut self,
        operator: Operator,
        body: &Value,
        spot: ValuePosition,
    ) -> Compiled<Expression> {
        let any_value = matches!(operator, Operator::Map | Operator::Filter);
        if !any_value && !matches!(body, Value::Map(_)) {
            let place = self.here(spot);
            self.warn_at(place, body.type_name(), "an operator");
            return Ok(Expression::Fail(place));
        }
        let data = self.inside(operator, spot.data);
        let mut body = self.expression(body, ValuePosition { data, ..spot })?;
        if let Expression::Variable(variable) = &mut body {
            variable.whole_rule = !any_value;
        }
        Ok(body)
    }

    /// What `var` reads from inside of an operator that goes through a list. `filter` and `none` put
    /// what the data around them has into the rule before they begin, `some` that and then what the
    /// element has, `all` what the element has: so an attribute of the context wins over a member of
    /// the element that has its name.
    pub(super) fn inside(&mut self, operator: Operator, around: DataSource) -> DataSource {
        let around = match around {
            DataSource::Context => AT_HAND,
            DataSource::Levels(index) => index,
        };
        let around = self.levels.get(around).map_or(&[][..], |levels| levels);
        let put_in = around.split_last().map_or(&[][..], |(_, before)| before);
        let mut levels: Vec<u8> = put_in.iter().map(|level| level.saturating_add(1)).collect();
        levels.extend(match operator {
            Operator::Filter | Operator::None => &[1][..],
            Operator::Some => &[1, 0],
            Operator::Every => &[0],
            _ => &[],
        });
        levels.push(0);
        self.levels.push(levels.into());
        DataSource::Levels(self.levels.len() - 1)
    }
}
