//! Typed reads of flags.

use super::Snapshot;
use crate::{
    clock::Clock,
    context::EvaluationContext,
    flag::{ErrorCode, Reason, Request},
    value::Value,
};

/// A flag's answer with how it came about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FlagDetail<T> {
    /// The value, or the caller's default.
    pub value: T,
    /// The variant's name, where the flag's dialect names one.
    pub variant: Option<String>,
    /// Why.
    pub reason: Reason,
    /// What went wrong, when `value` is the default for that.
    pub error: Option<ErrorCode>,
    /// The [revision](Snapshot::revision) that answered.
    pub revision: u64,
}

/// A type a flag can be read as: `bool`, `i64`, `f64`, `String` and [`Value`].
pub trait FlagValue: Sized + sealed::Sealed {
    #[doc(hidden)]
    fn of(value: &Value) -> Option<Self>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! flag_value {
    ($($type:ty => $read:expr;)*) => {
        $(
            impl sealed::Sealed for $type {}
            impl FlagValue for $type {
                fn of(value: &Value) -> Option<$type> {
                    $read(value)
                }
            }
        )*
    };
}
flag_value! {
    bool => Value::as_bool;
    i64 => integer;
    f64 => Value::as_f64;
    String => |value: &Value| value.as_str().map(str::to_owned);
    Value => |value: &Value| Some(value.clone());
}

/// Documents write `3.0` for three as well: JSON has one kind of number.
fn integer(value: &Value) -> Option<i64> {
    /// From here on a float does not name one integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;

    value.as_i64().or_else(|| match value {
        Value::Float(float) if float.fract() == 0.0 && float.abs() < EXACT => Some(*float as i64),
        _ => None,
    })
}

pub(super) fn read<T: FlagValue>(
    snapshot: &Snapshot,
    key: &str,
    context: &dyn EvaluationContext,
    clock: &dyn Clock,
    default: T,
) -> FlagDetail<T> {
    let revision = snapshot.revision();
    let failed = |default, reason, error| FlagDetail {
        value: default,
        variant: None,
        reason,
        error,
        revision,
    };
    let Some((flag, set)) = snapshot.flag(key) else {
        return if snapshot.is_ready() {
            failed(default, Reason::Error, Some(ErrorCode::FlagNotFound))
        } else {
            failed(default, Reason::NotReady, None)
        };
    };
    let answer = flag.evaluate(&Request { context, key_override: None, clock, set });
    if answer.error.is_some() {
        return failed(default, answer.reason, answer.error);
    }
    let value = match answer.value.map(T::of) {
        Some(Some(value)) => value,
        Some(None) => return failed(default, Reason::Error, Some(ErrorCode::TypeMismatch)),
        None => default,
    };
    FlagDetail {
        value,
        variant: answer.variant.map(str::to_owned),
        reason: answer.reason,
        error: None,
        revision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integral_float_is_an_integer_and_no_other_is() {
        assert_eq!(i64::of(&Value::Float(3.0)), Some(3));
        assert_eq!(i64::of(&Value::Int(3)), Some(3));
        assert_eq!(f64::of(&Value::Int(3)), Some(3.0));
        for value in [3.5, 1e300, f64::NAN, f64::INFINITY] {
            assert_eq!(i64::of(&Value::Float(value)), None);
        }
        assert_eq!(i64::of(&Value::from("3")), None);
    }
}
