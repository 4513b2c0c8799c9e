//! ONNX models: what loads, what is refused, and what is answered.

#![cfg(feature = "onnx")]

mod columns;
mod exported;
mod heldout;
mod load;
mod schema;
mod text;
