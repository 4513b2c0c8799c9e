//! Answers of a given type: the one place where a flag's value meets the type that was asked for.

use super::{BorrowedDetails, ErrorCode, Evaluation, Reason};
use crate::value::{Map, Value};

/// The type that a caller expects of a flag's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueType {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// An integer; `10.0` is none. A flag of flagd or LaunchDarkly may be a float as well: reading
    /// it drops the fraction.
    Integer,
    /// Any number.
    Float,
    /// An object.
    Object,
}

impl ValueType {
    /// Whether a value is of this type.
    pub fn admits(self, value: &Value) -> bool {
        match self {
            ValueType::Boolean => matches!(value, Value::Bool(_)),
            ValueType::String => matches!(value, Value::Text(_)),
            ValueType::Integer => matches!(value, Value::Int(_)),
            ValueType::Float => matches!(value, Value::Int(_) | Value::Float(_)),
            ValueType::Object => matches!(value, Value::Map(_)),
        }
    }
}

/// A float without its fraction, as far as every whole number is a float.
pub(super) fn truncated(value: &Value) -> Option<i64> {
    /// 2^53 − 1.
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    match value {
        Value::Float(value) if value.abs() <= LARGEST => Some(*value as i64),
        _ => None,
    }
}

/// What a switch answers when it is asked as a boolean.
static SWITCHED: [Value; 2] = [Value::Bool(false), Value::Bool(true)];

impl<'a> BorrowedDetails<'a> {
    /// The same answer, or [`ErrorCode::TypeMismatch`] without a value when its value is not of
    /// this type. A float that an [`integer`](Self::integer) read of this flag truncates stays as it
    /// is. As a boolean, a flag that is a switch [beside](super::EvaluationDetails::on) its value answers
    /// whether it is on.
    #[must_use]
    pub fn of_type(self, expected: ValueType) -> Evaluation<'a> {
        if let (ValueType::Boolean, Some(on)) = (expected, self.on) {
            return Evaluation { value: SWITCHED.get(usize::from(on)), ..self };
        }
        match self.value {
            Some(value) if !expected.admits(value) && !self.stands_in(expected, value) => {
                Evaluation {
                    value: None,
                    variant: None,
                    reason: Reason::Error,
                    error: Some(ErrorCode::TypeMismatch),
                    ..self
                }
            }
            _ => self,
        }
    }

    /// Whether a value is read as a type that it is not of.
    fn stands_in(&self, expected: ValueType, value: &Value) -> bool {
        self.truncates && expected == ValueType::Integer && truncated(value).is_some()
    }

    /// The answer as a boolean.
    pub fn boolean(self, default: bool) -> BorrowedDetails<'a, bool> {
        self.resolve(ValueType::Boolean, Value::as_bool, default)
    }

    /// The answer as text.
    pub fn string(self, default: &'a str) -> BorrowedDetails<'a, &'a str> {
        self.resolve(ValueType::String, Value::as_str, default)
    }

    /// The answer as an integer. A float loses its fraction where the flag's vendor has it so, in
    /// flagd and LaunchDarkly, as long as it is within ±(2^53 − 1); otherwise, and in the other
    /// dialects, it is a mismatch, even a whole one.
    ///
    /// ```
    /// use modelgate::{Context, flagd::Flagd};
    ///
    /// let flags = Flagd::new().compile(r#"{"flags": {"top-k": {
    ///     "state": "ENABLED", "variants": {"few": 3.7}, "defaultVariant": "few"}}}"#)?;
    /// let user = Context::new("user-42");
    /// let details = flags.evaluate("top-k", &user);
    /// assert_eq!((details.integer(0).value, details.float(0.0).value), (3, 3.7));
    /// # Ok::<(), modelgate::flag::DocumentError>(())
    /// ```
    pub fn integer(self, default: i64) -> BorrowedDetails<'a, i64> {
        self.resolve(
            ValueType::Integer,
            |value| value.as_i64().or_else(|| truncated(value)),
            default,
        )
    }

    /// The answer as a float; an integer will do.
    pub fn float(self, default: f64) -> BorrowedDetails<'a, f64> {
        self.resolve(ValueType::Float, Value::as_f64, default)
    }

    /// The answer as an object.
    pub fn object(self, default: &'a Map) -> BorrowedDetails<'a, &'a Map> {
        self.resolve(ValueType::Object, Value::as_map, default)
    }

    #[inline]
    fn resolve<T>(
        self,
        expected: ValueType,
        read: fn(&'a Value) -> Option<T>,
        default: T,
    ) -> BorrowedDetails<'a, T> {
        self.of_type(expected).map(|value| value.and_then(read).unwrap_or(default))
    }
}
