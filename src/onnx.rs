//! Models from ONNX files, run by tract (feature `onnx`) or by ONNX Runtime (feature `ort`).
//!
//! | a model that takes | and gives | is a |
//! |---|---|---|
//! | a row of numbers | a label and probabilities | [`Classifier`] |
//! | the named columns of a table | a label and probabilities | [`ColumnClassifier`] |
//! | the named columns of a table | one number | [`ColumnRegressor`] |
//! | a text | a label and probabilities | [`TextClassifier`] |
//! | a row of numbers | any number of labels | [`MultiLabelClassifier`] |
//! | a row of numbers | one number | [`Regressor`] |
//! | a row of numbers | a vector | [`VectorModel`] |
//! | named tensors | named tensors | [`Graph`] |
//!
//! Each is loaded by [`Loader`], which checks the file, prepares its graph and runs it once, so that what
//! cannot run is refused with a [`LoadError`] before any request. The [guide](crate::guide::models) tells
//! how to export models, which operators there are, and how to name features and classes.

mod axes;
mod batch;
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
    columns::{ColumnClassifier, ColumnRegressor, TextClassifier},
    describe::{AxisSize, TensorInfo},
    graph::Graph,
    load_error::{EngineError, LoadError, UnsupportedOperator},
    numbers::{MultiLabelClassifier, Regressor, VectorModel},
};
use self::{
    classifier::LoadedClassifier,
    engine::{Document, Engine, ExternalData, Outputs, Plan, Rows},
};

/// The most rows that are run at once. Intermediate tensors grow with the number of rows: this bounds
/// the memory that they take, however large a request is.
const LARGEST_BATCH: usize = 1024;
