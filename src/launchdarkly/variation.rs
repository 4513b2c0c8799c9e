//! Typed variations, as the vendor's clients have them.

use super::{
    detail::{Detail, ErrorKind, Reason},
    operator::{number, whole},
};
use crate::value::Value;

/// A flag's answer as a value of one type: the flag's, or the caller's default with the reason.
///
/// ```
/// use modelgate::{Context, launchdarkly::{ErrorKind, LaunchDarkly}};
///
/// let launchdarkly = LaunchDarkly::new();
/// let flags = launchdarkly.compile(r#"{"flagValues": {"limit": 2.5}}"#)?;
/// let user = Context::new("user-42");
/// let limit = launchdarkly.detail(&flags, "limit", &user).integer(7);
/// assert_eq!((limit.value, limit.variation_index), (2, Some(0)));
/// let text = launchdarkly.detail(&flags, "limit", &user).string("none");
/// assert_eq!((text.value, text.reason.error_kind), ("none", Some(ErrorKind::WrongType)));
/// # Ok::<(), modelgate::flag::DocumentError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Variation<'a, T> {
    /// The flag's value, or the default.
    pub value: T,
    /// The variation's place among the flag's variations; `None` with the default.
    pub variation_index: Option<usize>,
    /// Why.
    pub reason: Reason<'a>,
}

impl<'a> Detail<'a> {
    /// The answer as a boolean.
    pub fn boolean(self, default: bool) -> Variation<'a, bool> {
        self.typed(Value::as_bool, default)
    }

    /// The answer as an integer: a number without its fraction, unless it is beyond ±(2^53 − 1).
    pub fn integer(self, default: i64) -> Variation<'a, i64> {
        self.typed(|value| number(value.borrow()).and_then(whole), default)
    }

    /// The answer as a number.
    pub fn double(self, default: f64) -> Variation<'a, f64> {
        self.typed(Value::as_f64, default)
    }

    /// The answer as text.
    pub fn string(self, default: &'a str) -> Variation<'a, &'a str> {
        self.typed(Value::as_str, default)
    }

    /// The answer as it is, of any type.
    pub fn json(self, default: &'a Value) -> Variation<'a, &'a Value> {
        self.typed(Some, default)
    }

    fn typed<T>(self, read: impl FnOnce(&'a Value) -> Option<T>, default: T) -> Variation<'a, T> {
        let Detail { value, variation_index, reason } = self;
        match value.map(read) {
            Some(Some(value)) => Variation { value, variation_index, reason },
            None => Variation { value: default, variation_index, reason },
            Some(None) => Variation {
                value: default,
                variation_index: None,
                reason: Reason::error(ErrorKind::WrongType),
            },
        }
    }
}
