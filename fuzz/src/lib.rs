//! What is done with an input, and how inputs are damaged.

pub mod damage;
mod exercise;
mod growth;
pub mod onnx;

pub use exercise::{flagd, flagsmith, launchdarkly, unleash};
pub use growth::growth;
