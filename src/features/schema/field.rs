//! One feature of a schema: what it may hold.

use std::fmt;

use super::UNSET;
use crate::features::FeatureValue;

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) kind: FieldType,
    pub(super) range: Option<(f32, f32)>,
    /// Whether it may be left out.
    pub(super) optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FieldType {
    Number,
    Integer,
    Boolean,
}

impl Field {
    /// The value as the model reads it, or what was expected.
    pub(super) fn read(&self, value: &FeatureValue) -> Result<f32, Expectation> {
        let number = match (value, self.kind) {
            (FeatureValue::Number(number), _) => *number,
            (FeatureValue::Bool(value), FieldType::Boolean) => f64::from(u8::from(*value)),
            (FeatureValue::Null, _) if self.optional => return Ok(UNSET),
            _ => return Err(self.expectation()),
        };
        if !number.is_finite() {
            return Err(Expectation::Finite);
        }
        let narrow = number as f32;
        if !narrow.is_finite() {
            return Err(Expectation::WithinF32);
        }
        let of_kind = match self.kind {
            FieldType::Number => true,
            FieldType::Integer => number.fract() == 0.0,
            FieldType::Boolean => number == 0.0 || number == 1.0,
        };
        let in_range = self.range.is_none_or(|(low, high)| low <= narrow && narrow <= high);
        if of_kind && in_range { Ok(narrow) } else { Err(self.expectation()) }
    }

    pub(super) fn expectation(&self) -> Expectation {
        match (self.kind, self.range) {
            (kind, Some((low, high))) => Expectation::Range(kind, low, high),
            (kind, None) => Expectation::Kind(kind),
        }
    }
}

/// What a value should have been; a message only when one is asked for.
pub(super) enum Expectation {
    Kind(FieldType),
    Range(FieldType, f32, f32),
    Finite,
    WithinF32,
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = |kind: &FieldType| match kind {
            FieldType::Number => "a number",
            FieldType::Integer => "a whole number",
            FieldType::Boolean => "a boolean",
        };
        match self {
            Expectation::Kind(of) => f.write_str(kind(of)),
            Expectation::Range(of, low, high) => write!(f, "{} from {low} to {high}", kind(of)),
            Expectation::Finite => f.write_str("a finite number"),
            Expectation::WithinF32 => {
                write!(f, "a number from {:e} to {:e}", f32::MIN, f32::MAX)
            }
        }
    }
}
