//! modelgate
#![forbid(unsafe_code)]

pub mod dialect;

mod clock;
mod compare;
mod context;
mod flag;
mod hash;
mod model;
mod prediction_id;
mod shadow;
mod value;
mod version;

pub use crate::{
    clock::{Clock, ManualClock, SystemClock},
    compare::{
        Agreement, ChannelSink, Classified, Comparator, Comparison, ComparisonSink, FanOut,
        JsonlBuilder, JsonlSink, KeyHash, KeyHasher, Labels, MemorySink, Probabilities,
        ProbabilityVector, Score, Side, SinkCounts, SinkError, Tolerance, TopK, TracingSink,
        WeakSecret,
    },
    context::{Context, EvaluationContext, INLINE_ATTRIBUTES, OwnedContext},
    flag::{
        DocumentError, ErrorCode, Evaluation, Flag, FlagProblem, FlagSet, Reason, Resolution,
        Severity, Trace, TraceStep, ValueType,
    },
    model::{FnModel, Model, ModelError, ModelErrorKind, model_fn},
    prediction_id::{ParsePredictionIdError, PredictionId},
    shadow::{Budget, LossCause, Priority, Shadow, ShadowCounts, ShadowError, ShadowStats},
    value::{AsValue, Map, Mapping, Sequence, Value, ValueRef},
    version::Version,
};
