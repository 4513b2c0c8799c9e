//! What is wrong with a row.

use std::borrow::Cow;

use super::NonFiniteInput;
use crate::model::ModelError;

#[cold]
pub(super) fn wrong_length(found: usize, expected: usize) -> ModelError {
    let values = |count: usize| match count {
        1 => Cow::Borrowed("1 value"),
        count => Cow::Owned(format!("{count} values")),
    };
    ModelError::wrong_form("features", values(found), values(expected))
}

#[cold]
pub(super) fn not_finite(row: &[f32], allowed: NonFiniteInput) -> ModelError {
    let refused = |value: f32| !allowed.allows(&[value], f32::is_finite, f32::is_nan);
    let bad = row.iter().enumerate().find(|(_, value)| refused(**value));
    let (index, found) = bad.map_or((0, f32::NAN), |(index, value)| (index, *value));
    let expected = match allowed {
        NonFiniteInput::Missing => "a finite number or NaN",
        _ => "a finite number",
    };
    ModelError::invalid_input(format_args!("features[{index}]"), found, expected)
}
