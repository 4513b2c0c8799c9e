//! modelgate
#![forbid(unsafe_code)]

pub mod dialect;

mod clock;
mod compare;
mod contain;
mod context;
mod features;
mod flag;
mod hash;
#[cfg(feature = "metrics")]
mod metrics;
mod model;
mod parallel;
mod prediction_id;
mod rollout;
mod router;
mod shadow;
mod sharded;
mod source;
mod store;
#[cfg(feature = "async")]
mod timer;
mod value;
mod version;

#[cfg(feature = "onnx")]
pub use crate::model::{
    AxisSize, Batch, EngineError, LoadError, OnnxBuilder, OnnxGraph, OnnxModel, TensorDescription,
    UnsupportedOperator,
};
pub use crate::{
    clock::{Clock, ManualClock, SystemClock},
    compare::{
        Agreement, ChannelSink, Classified, Comparator, Comparison, ComparisonSink, FanOut,
        JsonlBuilder, JsonlSink, KeyHash, KeyHasher, Labels, MemorySink, Probabilities,
        ProbabilityVector, Score, Side, SinkCounts, SinkError, Tolerance, TopK, TracingSink,
        WeakSecret,
    },
    context::{Context, EvaluationContext, INLINE_ATTRIBUTES, OwnedContext},
    features::{FeatureValue, Features, Schema, SchemaError, SchemaModel},
    flag::{
        DocumentError, ErrorCode, Evaluation, Flag, FlagProblem, FlagSet, Reason, Resolution,
        Severity, Trace, TraceStep, ValueType,
    },
    model::{
        Admission, Dtype, Finite, FnModel, Ineligible, Label, LazyLoadError, LazyModel, Model,
        ModelError, ModelErrorKind, Scores, Tensor, TensorData, TensorError, Tensors, model_fn,
    },
    prediction_id::{ParsePredictionIdError, PredictionId},
    rollout::{AttributeCondition, Condition, Rollout, RolloutError, Schedule, Shares},
    router::{
        Binding, BreakerPolicy, BuildError, Counts, Decision, ExplainedFlag, Explanation,
        FallbackCause, Input, Latency, MissingKey, ModelRouter, OperateError, Output, PredictError,
        Prediction, RouterBuilder, RouterStats, Switches, VersionState, VersionStats,
    },
    shadow::{Budget, LossCause, Priority, Shadow, ShadowCounts, ShadowError, ShadowStats},
    source::{Compile, EnvironmentSource, FlagSink, FlagSource, SourceError, Subscription},
    store::{
        FlagDetail, FlagValue, Flags, FlagsBuilder, FlagsStatus, LastKnownGood, LastKnownGoodError,
        NotReady, Saved, Snapshot, SourceState, SourceStatus, StartError,
    },
    value::{AsValue, Map, Mapping, Sequence, Value, ValueRef},
    version::Version,
};

#[cfg(feature = "metrics")]
pub use crate::metrics::{MetricsReporter, publish_metrics};
#[cfg(feature = "async")]
pub use crate::router::{AsyncFnModel, AsyncModel, AsyncModelRouter, ModelFuture, async_model_fn};
#[cfg(feature = "file")]
pub use crate::source::FileSource;
#[cfg(feature = "http")]
pub use crate::source::HttpSource;
pub(crate) use crate::source::chain as error_chain;
