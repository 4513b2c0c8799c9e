//! For those who want to know more of the answers that are counted than how many there were.

use std::any::Any;

use super::{Flag, FlagSet, Request};
use crate::value::Value;

/// One answer that somebody goes by.
#[derive(Clone, Copy)]
#[cfg_attr(
    not(feature = "launchdarkly"),
    allow(dead_code, reason = "only the source of LaunchDarkly observes answers")
)]
pub(crate) struct ObservedAnswer<'a> {
    pub(crate) flag: &'a Flag,
    pub(crate) set: &'a FlagSet,
    pub(crate) request: &'a Request<'a>,
    pub(crate) default: CallersDefault<'a>,
    /// Whether the caller was told why.
    pub(crate) with_reason: bool,
}

/// Makes the value that a caller falls back to; `None` where it has none, as routers do.
pub(crate) type CallersDefault<'a> = Option<&'a dyn Fn() -> Value>;

/// Sees the answers of one compiled flag, inside of the requests that ask: it must not wait.
pub(crate) trait AnswerObserver: Any + Send + Sync {
    fn answered(&self, answer: &ObservedAnswer<'_>);
}
