//! What is done with an ONNX file: shared by the fuzz target and an ordinary test.

use modelgate::{
    Model,
    onnx::{self, NonFiniteInput},
    tensor::{Data, Tensor, Tensors},
};

/// Loads a file in both ways and, where that succeeds, runs a first row.
///
/// Nothing may panic on the way in. What the engine panics over later is the router's to catch.
pub fn onnx(input: &[u8]) {
    let options = onnx::Classifier::builder().non_finite(NonFiniteInput::Allowed);
    if let Ok(graph) = options.graph_from_bytes(input) {
        let mut tensors = Tensors::new();
        for described in graph.inputs() {
            let width = match described.shape.as_deref() {
                Some([_, modelgate::onnx::AxisSize::Fixed(width)]) => (*width).min(1 << 16),
                _ => 1,
            };
            let data = Data::F32(vec![1.0; width]);
            if let Ok(tensor) = Tensor::new([1, width], data) {
                tensors.insert(&*described.name, tensor);
            }
        }
        let run = || graph.predict(&tensors).is_ok();
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    }
    // The same work again with two plans: only where it is cheap.
    if input.len() <= 4096 {
        let _ = options.features(8).from_bytes(input);
    }
}
