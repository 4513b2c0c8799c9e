//! Typed reads of flags.

use super::Snapshot;
use crate::{
    clock::Clock,
    context::EvaluationContext,
    flag::{
        BorrowedDetails, ErrorCode, EvaluationDetails, Reason, Request, ValueType,
        value_type::truncated,
    },
    value::{Map, Value},
};

/// A type a flag can be read as: `bool`, `i64`, `f64`, `String`, [`Map`], and [`Value`] for
/// whatever it is. An integer is a float as well; a float is an integer, less its fraction, only in
/// the flags of flagd and LaunchDarkly, whose own SDKs read it so.
pub trait FlagValue: Sized + sealed::Sealed {
    #[doc(hidden)]
    fn of(value: &Value) -> Option<Self>;
    #[doc(hidden)]
    fn value(&self) -> Value;
    /// The value without its fraction, for an integer.
    #[doc(hidden)]
    fn truncated(_: &Value) -> Option<Self> {
        None
    }
    /// Whether a flag that is a switch beside its value answers as the switch.
    #[doc(hidden)]
    const SWITCH: bool = false;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! flag_value {
    ($($type:ty => $read:expr $(, switch: $switch:expr)? $(, truncated: $truncated:expr)?;)*) => {
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
                $(fn truncated(value: &Value) -> Option<$type> {
                    $truncated(value)
                })?
            }
        )*
    };
}
flag_value! {
    bool => Value::as_bool, switch: true;
    i64 => Value::as_i64, truncated: truncated;
    f64 => Value::as_f64;
    String => |value: &Value| value.as_str().map(str::to_owned);
    Map => |value: &Value| value.as_map().cloned();
    Value => |value: &Value| Some(value.clone());
}

/// The flag's answer as a `T`, or the default and why.
pub(super) fn read<'a, T: FlagValue>(
    snapshot: &'a Snapshot,
    key: &str,
    context: &'a dyn EvaluationContext,
    clock: &'a dyn Clock,
    default: T,
) -> BorrowedDetails<'a, T> {
    let request = Request { context, key_override: None, counted: true, clock };
    let Some((flag, set)) = snapshot.find(key) else {
        if !snapshot.is_ready() {
            return unanswered(default, Reason::NotReady, None);
        }
        for set in snapshot.sources().filter_map(|(_, set)| set) {
            set.missed(key, &request, &|| default.value());
        }
        return unanswered(default, Reason::Error, Some(ErrorCode::FlagNotFound));
    };
    let answer = flag.evaluate(&request, set);
    flag.count(&answer, &request, set, Some(&|| default.value()));
    let answer = if T::SWITCH { answer.of_type(ValueType::Boolean) } else { answer };
    let defaulted =
        |default, error| BorrowedDetails { variant: None, error, ..answer }.map(|_| default);
    let read =
        |value| T::of(value).or_else(|| if answer.truncates { T::truncated(value) } else { None });
    match answer.value.map(read) {
        _ if answer.error.is_some() => defaulted(default, answer.error),
        Some(Some(value)) => answer.map(|_| value),
        Some(None) => {
            let details = defaulted(default, Some(ErrorCode::TypeMismatch));
            BorrowedDetails { reason: Reason::Error, ..details }
        }
        None => answer.map(|_| default),
    }
}

static NO_METADATA: Map = Map::new();

/// What is answered where there is no flag to ask.
fn unanswered<'a, T>(
    default: T,
    reason: Reason,
    error: Option<ErrorCode>,
) -> BorrowedDetails<'a, T> {
    EvaluationDetails {
        value: default,
        variant: None,
        reason,
        error,
        metadata: &NO_METADATA,
        on: None,
        missing_key: false,
        outcome: 0,
        truncates: false,
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
