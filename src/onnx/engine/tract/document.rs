//! Parses and checks an ONNX file before tract sees it.

use std::collections::HashSet;

use tract_onnx::{
    pb::{
        GraphProto, NodeProto, TensorProto, ValueInfoProto, tensor_proto::DataLocation,
        tensor_shape_proto::dimension::Value as Size, type_proto::Value as Type,
    },
    tract_hir::internal::Framework,
};

use super::{
    Document, ExternalData, Graph, ParsedFile, external::Files, functions, limits, rewrite, sizes,
};
use crate::{
    onnx::{AxisSize, LoadError, TensorInfo, UnsupportedOperator, describe, interpreter, ml},
    tensor::Dtype,
};

/// Parses a file, and checks that it is whole and that each of its operators is implemented.
pub(super) fn read(bytes: &[u8], external_data: &ExternalData<'_>) -> Result<Document, LoadError> {
    let not_onnx = |detail: &str| LoadError::NotOnnx { detail: detail.into() };
    if bytes.is_empty() {
        return Err(not_onnx("the file is empty"));
    }
    let mut proto = tract_onnx::onnx()
        .proto_model_for_read(&mut &*bytes)
        .map_err(|_| not_onnx("the file is damaged, cut short, or of another format"))?;
    // Almost any short run of bytes decodes as some protobuf message: require what every model has.
    let graph = proto.graph.as_ref().ok_or_else(|| not_onnx("it holds no graph"))?;
    if graph.output.is_empty() {
        return Err(not_onnx("its graph has no output"));
    }
    if proto.opset_import.is_empty() {
        return Err(not_onnx("it names no operator set"));
    }
    functions::inline(&mut proto)?;
    let mut files = Files::new(external_data);
    if let Some(graph) = &mut proto.graph {
        load_weights(graph, &mut files)?;
        sizes::forget_question_marks(graph);
    }
    let external_bytes: usize = files.done()?.values().map(|bytes| bytes.len()).sum();
    rewrite::split_gemm(&mut proto);
    let graph = proto.graph.as_ref().ok_or_else(|| not_onnx("it holds no graph"))?;
    check_operators(graph)?;
    check_outputs(graph)?;
    limits::check(graph, bytes.len().saturating_add(external_bytes))?;
    let initial: HashSet<&str> = graph.initializer.iter().map(|t| &*t.name).collect();
    let inputs = graph.input.iter().filter(|input| !initial.contains(&*input.name));
    let inputs = inputs.map(describe).collect();
    let outputs = graph.output.iter().map(|output| describe_output(output, graph)).collect();
    let parsed_file = ParsedFile::read(bytes);
    Ok(Document { inputs, outputs, parsed_file, graph: Graph::Tract(Box::new(proto)) })
}

/// Describes an output. A `ZipMap` is replaced by the scores it is made of, and described as such.
fn describe_output(output: &ValueInfoProto, graph: &GraphProto) -> TensorInfo {
    let mut described = describe(output);
    let maker = graph.node.iter().find(|node| node.output.contains(&output.name));
    if let Some(classes) =
        maker.filter(|node| node.op_type == "ZipMap").and_then(ml::zip_map_classes)
    {
        described.dtype = Some(Dtype::F32);
        described.shape = Some(vec![AxisSize::Free, AxisSize::Fixed(classes)]);
    }
    described
}

fn describe(value: &ValueInfoProto) -> TensorInfo {
    let r#type = value.r#type.as_ref().and_then(|r#type| r#type.value.as_ref());
    let tensor = r#type.map(|Type::TensorType(tensor)| tensor);
    let dtype = tensor.and_then(|tensor| describe::dtype(tensor.elem_type));
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| {
        let sizes = shape.dim.iter().map(|axis| match &axis.value {
            Some(Size::DimValue(size)) => AxisSize::new(Some(*size), None),
            Some(Size::DimParam(name)) => AxisSize::new(None, Some(name)),
            None => AxisSize::Free,
        });
        sizes.collect()
    });
    TensorInfo { name: value.name.as_str().into(), dtype, shape }
}

/// The domains of which operators are implemented. tract looks an operator up by its name alone, and
/// would take one of any other domain for the standard operator of that name; of ONNX Runtime's domain it
/// may have those that the interpreter knows as well.
const DOMAINS: [&str; 4] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];

fn check_operators(graph: &GraphProto) -> Result<(), LoadError> {
    let known = ml::registered().op_register.0;
    let mut operators: Vec<UnsupportedOperator> = Vec::new();
    let mut graphs = vec![graph];
    while let Some(graph) = graphs.pop() {
        for node in &graph.node {
            graphs.extend(node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()));
            let advice = if !DOMAINS.contains(&&*node.domain) {
                "it is not a standard operator; export the model without it"
            } else if trains(node, graph) {
                "it drops elements at random; export the model for inference"
            } else if !interpreter::knows(node)
                && (node.domain == "com.microsoft" || !known.contains_key(&*node.op_type))
            {
                advice(&node.op_type)
            } else {
                match ml::check(node) {
                    Ok(()) => continue,
                    Err(ml::NodeError::Unsupported(why)) => why,
                    Err(ml::NodeError::Damaged(what)) => {
                        let (name, operator) = (node_name(node), &node.op_type);
                        return Err(LoadError::NotOnnx {
                            detail: format!("its node `{name}` ({operator}) is damaged: {what}")
                                .into(),
                        });
                    }
                }
            };
            let domain = if node.domain.is_empty() { "ai.onnx" } else { &*node.domain };
            let seen = |known: &UnsupportedOperator| {
                *known.name == *node.op_type && *known.domain == *domain
            };
            if !operators.iter().any(seen) {
                operators.push(UnsupportedOperator {
                    name: node.op_type.as_str().into(),
                    domain: domain.into(),
                    node: node_name(node).into(),
                    advice,
                });
            }
        }
    }
    if operators.is_empty() { Ok(()) } else { Err(LoadError::Unsupported { operators }) }
}

/// Whether a node is a `Dropout` in training mode, or may be: one whose mode is computed.
fn trains(node: &NodeProto, graph: &GraphProto) -> bool {
    let asked = node.input.get(2).filter(|name| node.op_type == "Dropout" && !name.is_empty());
    asked.is_some_and(|name| {
        let known = graph.initializer.iter().find(|tensor| tensor.name == *name);
        known.is_none_or(|tensor| tensor.raw_data.contains(&1) || tensor.int32_data.contains(&1))
    })
}

fn node_name(node: &NodeProto) -> &str {
    match node.output.first() {
        Some(output) if node.name.is_empty() => output,
        _ => &node.name,
    }
}

fn advice(operator: &str) -> &'static str {
    match operator {
        "DictVectorizer" | "CastMap" => {
            "it takes a map, but inputs are tensors; export the model with a tensor of features"
        }
        _ => {
            "export for another operator set (13 to 17 are the best supported), or replace it \
             before exporting"
        }
    }
}

/// Reads external weights into the graph and the graphs nested in it.
fn load_weights(graph: &mut GraphProto, files: &mut Files<'_>) -> Result<(), LoadError> {
    for tensor in &mut graph.initializer {
        load_tensor(tensor, files)?;
    }
    for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
        for tensor in attribute.t.iter_mut().chain(&mut attribute.tensors) {
            load_tensor(tensor, files)?;
        }
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            load_weights(graph, files)?;
        }
    }
    Ok(())
}

fn load_tensor(tensor: &mut TensorProto, files: &mut Files<'_>) -> Result<(), LoadError> {
    let is_elsewhere = tensor.data_location == Some(DataLocation::External as i32);
    if !is_elsewhere && tensor.external_data.is_empty() {
        return Ok(());
    }
    let entries = tensor.external_data.iter().map(|entry| (&*entry.key, &*entry.value));
    let bytes = files.bytes(&tensor.name, (&tensor.dims, tensor.data_type), entries)?;
    tensor.raw_data = bytes.to_vec();
    tensor.external_data.clear();
    tensor.data_location = None;
    Ok(())
}

/// Refuses an output that no node computes: tract would panic.
fn check_outputs(graph: &GraphProto) -> Result<(), LoadError> {
    let made: HashSet<&str> = graph
        .node
        .iter()
        .flat_map(|node| node.output.iter().map(|name| &**name))
        .chain(graph.input.iter().map(|input| &*input.name))
        .chain(graph.initializer.iter().map(|tensor| &*tensor.name))
        .collect();
    match graph.output.iter().find(|output| !made.contains(&*output.name)) {
        Some(output) => Err(LoadError::NotOnnx {
            detail: format!("no node computes its output `{}`", output.name).into(),
        }),
        None => Ok(()),
    }
}
