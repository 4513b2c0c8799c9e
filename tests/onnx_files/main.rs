//! Weights in files beside a model, and axes that a file leaves open.
#![cfg(feature = "onnx")]

mod axes;
mod beside;
mod faces;
mod hostile;
mod numbers;
#[cfg(feature = "ort")]
mod run_model;
mod write;
