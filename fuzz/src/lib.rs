//! What is done with an input, and how inputs are damaged.

pub mod damage;
mod exercise;
pub mod onnx;

pub use exercise::{flagd, flagsmith, launchdarkly, unleash};
