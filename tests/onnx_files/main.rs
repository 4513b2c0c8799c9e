//! Files of ONNX models: weights beside them, axes that they leave open, damage and hostile sizes.
#![cfg(feature = "onnx")]

mod axes;
mod beside;
mod hostile;
mod kinds;
mod numbers;
#[cfg(feature = "ort")]
mod run_model;
mod write;
