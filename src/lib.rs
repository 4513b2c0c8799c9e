//! modelgate
#![forbid(unsafe_code)]

pub mod dialect;

mod clock;
mod context;
mod features;
mod flag;
mod model;
mod value;
mod version;

#[cfg(feature = "onnx")]
pub use crate::model::{
    AxisSize, Batch, EngineError, LoadError, OnnxBuilder, OnnxGraph, OnnxModel, TensorDescription,
    UnsupportedOperator,
};
pub use crate::{
    clock::{Clock, ManualClock, SystemClock},
    context::{Context, EvaluationContext, INLINE_ATTRIBUTES, OwnedContext},
    features::{FeatureValue, Features, Schema, SchemaError, SchemaModel},
    flag::{
        DocumentError, ErrorCode, Evaluation, Flag, FlagProblem, FlagSet, Reason, Severity, Trace,
        TraceStep,
    },
    model::{
        Admission, Dtype, Finite, FnModel, Ineligible, Label, LazyLoadError, LazyModel, Model,
        ModelError, ModelErrorKind, Scores, Tensor, TensorData, TensorError, Tensors, model_fn,
    },
    value::{AsValue, Map, Mapping, Sequence, Value, ValueRef},
    version::Version,
};
