//! modelgate
#![forbid(unsafe_code)]

pub mod dialect;

mod clock;
mod context;
mod flag;
mod model;
mod store;
mod value;
mod version;

pub use crate::{
    clock::{Clock, ManualClock, SystemClock},
    context::{Context, EvaluationContext, INLINE_ATTRIBUTES, OwnedContext},
    flag::{
        DocumentError, ErrorCode, Evaluation, Flag, FlagProblem, FlagSet, Reason, Severity, Trace,
        TraceStep,
    },
    model::{FnModel, Model, ModelError, ModelErrorKind, model_fn},
    value::{AsValue, Map, Mapping, Sequence, Value, ValueRef},
    version::Version,
};
