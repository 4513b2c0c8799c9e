//! Compiling `fractional`.

use super::{Compiled, Compiler, DataSource, named};
use crate::{
    flag::split::BucketRanges,
    flagd::{
        Fractional,
        fractional::weight,
        operator::Operator,
        place::Place,
        tree::{Attribute, BucketBy, Expression, Outcome, Path, Split},
    },
    value::Value,
};

impl Compiler<'_, '_> {
    pub(super) fn split(
        &mut self,
        arguments: &[Value],
        listed: bool,
        place: Place,
        data: DataSource,
    ) -> Compiled<Expression> {
        self.shared.has_split = true;
        let arguments = self.expressions(arguments, place, data)?;
        let generation = self.shared.settings.fractional;
        let is_key = |expression: &Expression| match expression {
            Expression::Variable(variable) => {
                matches!(variable.path, Path::Attribute(Attribute::Key))
                    && variable.fallback.is_none()
            }
            _ => false,
        };
        let bucket_by = match arguments.first() {
            Some(_) if !listed => BucketBy::Listed,
            None => BucketBy::Nothing,
            Some(Expression::Constant(Value::Null)) => match generation {
                Fractional::V3 => BucketBy::Nothing,
                _ => BucketBy::First(true),
            },
            Some(Expression::List(_) | Expression::Constant(Value::List(_))) => BucketBy::Implied,
            Some(first) if is_key(first) => BucketBy::Key,
            Some(Expression::Call(call)) if call.operator == Operator::Cat => {
                BucketBy::First(call.arguments.iter().any(is_key))
            }
            Some(_) => BucketBy::First(false),
        };
        self.warn_about_bucket_by(&arguments, place);
        let entries = match bucket_by {
            BucketBy::Implied => &*arguments,
            _ => arguments.get(1..).unwrap_or_default(),
        };
        let constants: Option<Vec<(&Value, u32)>> =
            entries.iter().map(|entry| constant_entry(entry, generation)).collect();
        let (mut shares, mut outcomes) = (None, Box::default());
        if let (Some(constants), true) = (constants, listed) {
            shares = BucketRanges::new(constants.iter().map(|(_, weight)| *weight));
            outcomes = constants
                .iter()
                .map(|(value, _)| named(self.variants, value))
                .collect::<Box<[Outcome]>>();
            if shares.is_none() {
                self.warn_at(place, "weights that sum to nothing", "a sum from 1 to 2^31 - 1");
            }
        }
        let prefix = match bucket_by {
            BucketBy::Implied => generation.prefix(self.key),
            _ => crate::hash::Murmur3::new(0),
        };
        let split = Split { place, bucket_by, prefix, shares, outcomes, arguments };
        Ok(Expression::Split(Box::new(split)))
    }
}

/// The variant and weight of a share that is a constant.
fn constant_entry(expression: &Expression, generation: Fractional) -> Option<(&Value, u32)> {
    let Expression::Constant(Value::List(members)) = expression else { return None };
    let variant = members.first()?;
    if matches!(variant, Value::List(_) | Value::Map(_)) {
        return None;
    }
    let weight = members.get(1).map_or(Some(1), |value| weight(value.borrow(), generation))?;
    Some((variant, weight))
}
