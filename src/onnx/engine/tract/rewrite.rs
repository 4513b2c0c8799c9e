//! Rewrites parts of a graph into an equivalent form that tract computes correctly.

use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, tensor_proto::DataType, type_proto::Value as Type,
};

/// Operators that tract computes by clamping, so that NaN becomes a bound.
const BOUNDED: [&str; 6] = ["Clip", "HardSigmoid", "HardSwish", "Relu", "Sigmoid", "Tanh"];

/// Operators for which tract returns another input when one is NaN.
const CHOSEN: [&str; 2] = ["Max", "Min"];

/// Adds nodes behind each such operator that let NaN through. They cost time, so this is only done
/// for a model whose rows may hold NaN.
pub(in crate::onnx::engine) fn keep_nan(model: &mut ModelProto) {
    // `Where` came with version 9 of the standard operators.
    let standard_domain = |domain: &str| matches!(domain, "" | "ai.onnx");
    let has_where =
        model.opset_import.iter().any(|known| standard_domain(&known.domain) && known.version >= 9);
    let Some(graph) = model.graph.as_mut().filter(|_| has_where) else { return };
    for mut node in std::mem::take(&mut graph.node) {
        let inputs = match &*node.op_type {
            _ if !standard(&node) => 0,
            operator if BOUNDED.contains(&operator) => 1,
            operator if CHOSEN.contains(&operator) => node.input.len(),
            _ => 0,
        };
        let inputs: Vec<String> = node.input.iter().take(inputs).cloned().collect();
        let Some(output) = node.output.first_mut().filter(|_| !inputs.is_empty()) else {
            graph.node.push(node);
            continue;
        };
        let mut number = format!("{output}/number");
        let output = std::mem::replace(output, number.clone());
        graph.node.push(node);
        for (place, input) in inputs.iter().enumerate() {
            let is_number = format!("{output}/is_number_{place}");
            let last = place.saturating_add(1) == inputs.len();
            let kept = if last { output.clone() } else { format!("{output}/kept_{place}") };
            // NaN alone differs from itself. `IsNaN` will not do: tract's takes no 64-bit floats.
            graph.node.push(made("Equal", &[input, input], &is_number));
            graph.node.push(made("Where", &[&is_number, &number, input], &kept));
            number = kept;
        }
    }
}

/// Moves the addition out of each `Gemm` of a graph with 64-bit or 16-bit floats: tract multiplies the
/// addend by a 32-bit `beta`, whose type does not match.
pub(super) fn split_gemm(model: &mut ModelProto) {
    let Some(graph) = model.graph.as_mut().filter(|graph| has_other_floats(graph)) else { return };
    for mut node in std::mem::take(&mut graph.node) {
        let plain = |name: &str| {
            let mut found = node.attribute.iter().filter(|attribute| attribute.name == name);
            found.all(|attribute| attribute.f == 1.0)
        };
        let splits = standard(&node) && node.op_type == "Gemm" && plain("alpha") && plain("beta");
        let (Some(output), [_, _, added]) = (node.output.first().cloned(), &node.input[..]) else {
            graph.node.push(node);
            continue;
        };
        if !splits || added.is_empty() {
            graph.node.push(node);
            continue;
        }
        let (added, product) = (added.clone(), format!("{output}/product"));
        node.input.truncate(2);
        node.output = vec![product.clone()];
        graph.node.push(node);
        graph.node.push(made("Add", &[&product, &added], &output));
    }
}

fn has_other_floats(graph: &GraphProto) -> bool {
    let is_other =
        |element| element == DataType::Double as i32 || element == DataType::Float16 as i32;
    graph.initializer.iter().any(|tensor| is_other(tensor.data_type))
        || graph.input.iter().any(|input| {
            let found = input.r#type.as_ref().and_then(|found| found.value.as_ref());
            matches!(found, Some(Type::TensorType(tensor)) if is_other(tensor.elem_type))
        })
}

fn standard(node: &NodeProto) -> bool {
    matches!(&*node.domain, "" | "ai.onnx")
}

fn made(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: operator.to_owned(),
        name: output.to_owned(),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}
