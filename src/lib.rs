//! modelgate
#![forbid(unsafe_code)]

pub mod dialect;

mod clock;
mod context;
mod flag;
mod hash;
mod model;
mod rollout;
mod source;
mod store;
mod value;
mod version;

pub use crate::{
    clock::{Clock, ManualClock, SystemClock},
    context::{Context, EvaluationContext, INLINE_ATTRIBUTES, OwnedContext},
    flag::{
        DocumentError, ErrorCode, Evaluation, Flag, FlagProblem, FlagSet, Reason, Resolution,
        Severity, Trace, TraceStep, ValueType,
    },
    model::{FnModel, Model, ModelError, ModelErrorKind, model_fn},
    rollout::{AttributeCondition, Condition, Rollout, RolloutError, Schedule, Shares},
    source::{Compile, EnvironmentSource, FlagSink, FlagSource, SourceError, Subscription},
    store::{
        FlagDetail, FlagValue, Flags, FlagsBuilder, FlagsStatus, LastKnownGood, LastKnownGoodError,
        NotReady, Saved, Snapshot, SourceState, SourceStatus, StartError,
    },
    value::{AsValue, Map, Mapping, Sequence, Value, ValueRef},
    version::Version,
};

#[cfg(feature = "file")]
pub use crate::source::FileSource;
#[cfg(feature = "http")]
pub use crate::source::HttpSource;
