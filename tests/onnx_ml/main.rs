//! Every operator of ONNX-ML, in files written here, against answers worked out by hand from the
//! specification.
#![cfg(feature = "onnx")]

mod damaged;
mod file;
mod functions;
mod linear;
mod prepare;
mod svm;
mod tree_nodes;
mod trees;
