//! Typed reads of flags.

use super::FlagSnapshot;
use crate::{
    clock::Clock,
    context::EvaluationContext,
    flag::{ErrorCode, Reason, Request, ValueType},
    value::{Map, Value},
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
    /// The [revision](FlagSnapshot::revision) that answered.
    pub revision: u64,
}

/// A type a flag can be read as: `bool`, `i64`, `f64`, `String`, [`Map`], and [`Value`] for
/// whatever it is. An integer is a float as well; a float is no integer, even a whole one.
pub trait FlagValue: Sized + sealed::Sealed {
    #[doc(hidden)]
    fn of(value: &Value) -> Option<Self>;
    #[doc(hidden)]
    fn value(&self) -> Value;
    /// Whether a flag that is a switch beside its value answers as the switch.
    #[doc(hidden)]
    const SWITCH: bool = false;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! flag_value {
    ($($type:ty => $read:expr $(, switch: $switch:expr)?;)*) => {
        $(
            impl sealed::Sealed for $type {}
            impl FlagValue for $type {
                fn of(value: &Value) -> Option<$type> {
                    $read(value)
                }
                fn value(&self) -> Value {
                    Value::from(self.clone())
                }
                $(const SWITCH: bool = $switch;)?
            }
        )*
    };
}
flag_value! {
    bool => Value::as_bool, switch: true;
    i64 => Value::as_i64;
    f64 => Value::as_f64;
    String => |value: &Value| value.as_str().map(str::to_owned);
    Map => |value: &Value| value.as_map().cloned();
    Value => |value: &Value| Some(value.clone());
}

pub(super) fn read<T: FlagValue>(
    snapshot: &FlagSnapshot,
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
    let request = Request { context, key_override: None, counted: true, clock };
    let Some((flag, set)) = snapshot.find(key) else {
        return if snapshot.is_ready() {
            for set in snapshot.sources().filter_map(|(_, set)| set) {
                set.missed(key, &request, &|| default.value());
            }
            failed(default, Reason::Error, Some(ErrorCode::FlagNotFound))
        } else {
            failed(default, Reason::NotReady, None)
        };
    };
    let answer = flag.evaluate(&request, set);
    flag.count(&answer, &request, set, Some(&|| default.value()));
    let answer = if T::SWITCH { answer.of_type(ValueType::Boolean) } else { answer };
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
    fn types_are_read_as_in_an_evaluation() {
        let values = [Value::Bool(true), Value::Int(3), Value::Float(3.0), Value::from("3")];
        for value in values.into_iter().chain([Value::Map(Map::new()), Value::Null]) {
            assert_eq!(bool::of(&value).is_some(), ValueType::Boolean.admits(&value));
            assert_eq!(i64::of(&value).is_some(), ValueType::Integer.admits(&value));
            assert_eq!(f64::of(&value).is_some(), ValueType::Float.admits(&value));
            assert_eq!(String::of(&value).is_some(), ValueType::String.admits(&value));
            assert_eq!(Map::of(&value).is_some(), ValueType::Object.admits(&value));
            assert_eq!(Value::of(&value), Some(value));
        }
    }
}
