//! Forms of operators that the engine runs otherwise than the specification says: a graph with one
//! of them is interpreted.
//!
//! Each was found by the ONNX project's own operator tests or by random graphs against ONNX Runtime.

use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto};

/// Whether a graph has a node that the engine would answer wrongly.
pub(super) fn is_wrong(graph: &GraphProto, model: &ModelProto) -> bool {
    if asks_for_infinities(graph) {
        return true;
    }
    let standard = model.opset_import.iter().filter(|s| matches!(&*s.domain, "" | "ai.onnx"));
    let opset = standard.map(|set| set.version).max().unwrap_or(1);
    let mut graphs = vec![graph];
    while let Some(graph) = graphs.pop() {
        for node in &graph.node {
            if node_is_wrong(node, opset) || is_approximate(node, graph) {
                return true;
            }
            graphs.extend(node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()));
        }
    }
    false
}

/// A row of nothing but minus infinity is NaN by the specification, and not by the engine: whoever
/// asks for NaN behind a softmax relies on it.
fn asks_for_infinities(graph: &GraphProto) -> bool {
    let has = |name: &str| graph.node.iter().any(|node| node.op_type == name);
    (has("Softmax") && has("IsNaN"))
        // The largest of minus infinities is the smallest number to the engine.
        || ((has("ReduceMax") || has("ReduceMin")) && (has("Equal") || has("IsInf")))
}

fn node_is_wrong(node: &NodeProto, opset: i64) -> bool {
    if !matches!(&*node.domain, "" | "ai.onnx" | "com.microsoft") {
        return false;
    }
    let given = |place: usize| node.input.get(place).is_some_and(|name| !name.is_empty());
    let is = |name: &str, value: &[u8]| attribute(node, name).is_some_and(|a| a.s == value);
    match &*node.op_type {
        // Answers for the last step of time where the first is the last; lengths are passed over.
        "LSTM" | "GRU" | "RNN" => {
            given(4)
                || attribute(node, "direction").is_some_and(|a| a.s != b"forward")
                || attribute(node, "layout").is_some_and(|a| a.i != 0)
        }
        // Windows, a past, and rows without anything to look at.
        "Attention" => true,
        "SpaceToDepth" | "DepthToSpace" => is("mode", b"CRD"),
        // Loses alpha.
        "SwiGLU" | "Swish" | "Celu" => true,
        // Overflows in the host's own arithmetic.
        "BitShift" => true,
        // Sums in another order than its result can bear.
        "DFT" | "STFT" => true,
        // Rounds otherwise.
        "DynamicQuantizeLinear" => true,
        // Ours for the engine knows neither blocks nor other types.
        "QuantizeLinear" | "DequantizeLinear" => {
            let says = |name: &str| attribute(node, name).is_some_and(|a| a.i != 0);
            says("block_size") || says("output_dtype")
        }
        // Without axes it makes a size of its own that nothing else knows.
        "Slice" => opset >= 10 && !given(3),
        _ => false,
    }
}

/// The engine's sigmoid is off by a millionth, which is all there is of `1 - z` where `z` is nearly 1. With
/// weights of the file that is tried when it is loaded; of weights that come with each request, nothing is
/// known.
fn is_approximate(node: &NodeProto, graph: &GraphProto) -> bool {
    node.op_type == "GRU"
        && node.input.get(1).is_some_and(|name| {
            graph.input.iter().any(|input| input.name == *name)
                && graph.initializer.iter().all(|constant| constant.name != *name)
        })
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}
