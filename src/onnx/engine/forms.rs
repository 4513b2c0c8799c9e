//! Uses of operators for which tract departs from the ONNX specification; a graph that has one is
//! interpreted instead.
//!
//! Each was found by the ONNX project's own operator tests, or by comparing random graphs with ONNX
//! Runtime.

use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto};

/// Whether tract would answer a node of this graph wrongly.
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

/// Whether the graph relies on what becomes of infinities. By the specification the softmax of a row
/// of minus infinities is NaN, which tract does not give; a graph that tests for NaN expects it.
fn asks_for_infinities(graph: &GraphProto) -> bool {
    let has = |name: &str| graph.node.iter().any(|node| node.op_type == name);
    (has("Softmax") && has("IsNaN"))
        // tract's maximum of minus infinities is the smallest finite number.
        || ((has("ReduceMax") || has("ReduceMin")) && (has("Equal") || has("IsInf")))
}

fn node_is_wrong(node: &NodeProto, opset: i64) -> bool {
    if !matches!(&*node.domain, "" | "ai.onnx" | "com.microsoft") {
        return false;
    }
    let given = |place: usize| node.input.get(place).is_some_and(|name| !name.is_empty());
    let is = |name: &str, value: &[u8]| attribute(node, name).is_some_and(|a| a.s == value);
    match &*node.op_type {
        // tract ignores `sequence_lens`, and in the other directions returns the wrong step's state
        // as the last.
        "LSTM" | "GRU" | "RNN" => {
            given(4)
                || attribute(node, "direction").is_some_and(|a| a.s != b"forward")
                || attribute(node, "layout").is_some_and(|a| a.i != 0)
        }
        // Sliding windows, past keys and values, and rows whose mask leaves nothing to attend to.
        "Attention" => true,
        "SpaceToDepth" | "DepthToSpace" => is("mode", b"CRD"),
        // tract ignores `alpha`.
        "SwiGLU" | "Swish" | "Celu" => true,
        // Overflows where the distance reaches the type's width.
        "BitShift" => true,
        // The order in which tract sums loses too much precision.
        "DFT" | "STFT" => true,
        // Rounds differently.
        "DynamicQuantizeLinear" => true,
        // Our own operator for tract supports neither blocks nor other output types.
        "QuantizeLinear" | "DequantizeLinear" => {
            let has = |name: &str| attribute(node, name).is_some_and(|a| a.i != 0);
            has("block_size") || has("output_dtype")
        }
        // Without `axes`, tract introduces a symbolic size that the rest of the graph cannot resolve.
        "Slice" => opset >= 10 && !given(3),
        _ => false,
    }
}

/// Whether a GRU takes its weights from an input. tract's sigmoid is off by about a millionth, which
/// can be all that is left of `1 - z` where `z` is nearly 1. Weights in the file are probed when it is
/// loaded; weights that come with each request cannot be.
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
