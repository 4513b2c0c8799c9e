//! ONNX files: external weights, axes of open size, damage and hostile sizes.
#![cfg(feature = "onnx")]

mod axes;
mod external_weights;
mod hostile;
mod kinds;
mod numbers;
#[cfg(feature = "ort")]
mod run_model;
mod write;
