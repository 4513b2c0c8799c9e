//! ONNX graphs, run by tract or ONNX Runtime.

mod axes;
mod builder;
mod classifier;
mod columns;
mod describe;
mod engine;
mod graph;
#[cfg(feature = "onnx")]
mod interpreter;
mod load_error;
#[cfg(feature = "onnx")]
mod ml;
mod names;
mod numbers;
mod row;
mod schema;
mod scores;
mod select;
mod sidecar;
#[cfg(all(test, feature = "onnx"))]
mod tests;
#[cfg(all(feature = "onnx", feature = "ort"))]
mod verify;

#[cfg(feature = "ort")]
pub use self::engine::{Runtime, RuntimeError};
pub use self::{
    axes::AxisSizes,
    builder::{BatchAxis, Loader, NonFiniteInput},
    classifier::Classifier,
    columns::{ColumnClassifier, TextClassifier},
    describe::{AxisSize, TensorInfo},
    graph::Graph,
    load_error::{EngineError, LoadError, UnsupportedOperator},
    numbers::{MultiLabelClassifier, Regressor, VectorModel},
};
use self::{
    classifier::LoadedClassifier,
    engine::{Document, Engine, ExternalData, Outputs, Plan, Rows},
};

/// Rows are run in batches of at most this many, so that a large request needs no more memory for
/// what lies between the layers than a middling one.
const LARGEST_BATCH: usize = 1024;
