//! The verdict: its numbers, its evidence, and what would fool a careless one.

mod example;
mod golden;
mod live;
#[cfg(feature = "onnx")]
mod onnx;
mod real_data;
mod replay;
mod simulation;
mod tally;
mod traps;
