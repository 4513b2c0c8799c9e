//! Refuses sizes that no real model has: allocating them would abort the process, which tract cannot
//! report as an error.

use std::collections::HashMap;

use tract_onnx::{
    pb::{AttributeProto, GraphProto, NodeProto, TensorProto},
    tract_hir::internal::{TractResult, TypedModel, format_err},
};

use crate::onnx::LoadError;

/// The most elements of a tensor whose size a graph states: 256 MiB of 32-bit floats.
const MOST_ELEMENTS: u64 = 1 << 26;

/// The most elements of an intermediate tensor: 1 GiB of 32-bit floats.
const MOST_INTERMEDIATE: i64 = 1 << 28;

/// The largest kernel, padding, stride or count. Sizes computed from larger ones overflow, or take
/// more memory than there is.
const LARGEST: i64 = 1 << 16;

/// More axes than any tensor has; tract would allocate shapes up to an axis that does not exist.
const MOST_AXES: i64 = 64;

/// Attributes that name axes.
const AXES: [&str; 6] = ["axes", "axis", "batch_axis", "batch_dims", "perm", "time_axis"];

/// Attributes that are the shape of an output.
const SHAPES: [&str; 3] = ["output_shape", "repeats", "shape"];

/// Attributes that may be any integer.
const FREE: [&str; 5] = ["ends", "starts", "seed", "value_int", "value_ints"];

/// Operators whose output has a size that is given by inputs, and the indices of these inputs.
const SIZED: [(&str, &[usize]); 6] = [
    ("ConstantOfShape", &[0]),
    ("Expand", &[1]),
    ("OneHot", &[1]),
    ("Range", &[0, 1]),
    ("Resize", &[3]),
    ("Tile", &[1]),
];

/// Operators that broadcast their inputs to one shape: small constants may give a large one.
const BROADCAST: [&str; 23] = [
    "Add",
    "And",
    "BitShift",
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseXor",
    "Div",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Max",
    "Mean",
    "Min",
    "Mod",
    "Mul",
    "Or",
    "Pow",
    "Sub",
    "Sum",
    "Where",
    "Xor",
];

/// Checks the sizes that are stated in a file of so many bytes.
pub(super) fn check(graph: &GraphProto, bytes: usize) -> Result<(), LoadError> {
    let mut graphs = vec![graph];
    while let Some(graph) = graphs.pop() {
        let mut sizes: HashMap<&str, u64> = HashMap::new();
        let mut shapes: HashMap<&str, Vec<u64>> = HashMap::new();
        for tensor in &graph.initializer {
            check_tensor(tensor, &tensor.name, bytes)?;
            sizes.insert(&tensor.name, product(tensor));
            shapes.insert(&tensor.name, shape(tensor));
        }
        for node in &graph.node {
            for attribute in &node.attribute {
                check_attribute(attribute, node, bytes)?;
                graphs.extend(attribute.g.iter().chain(&attribute.graphs));
                let made = node.output.first().filter(|_| node.op_type == "Constant");
                match (made, &attribute.t) {
                    (Some(output), Some(tensor)) => {
                        sizes.insert(output, product(tensor));
                        shapes.insert(output, shape(tensor));
                    }
                    (Some(output), None) if attribute.name == "value_ints" => {
                        sizes.insert(output, product_of(attribute.ints.iter().copied()));
                        shapes.insert(output, vec![attribute.ints.len() as u64]);
                    }
                    _ => {}
                }
            }
            if let Some(made) = broadcast(node, &shapes) {
                let elements = made.iter().fold(1_u64, |all, size| all.saturating_mul(*size));
                if elements > MOST_ELEMENTS {
                    return Err(too_large(node, "makes more than 2^26 elements of constants"));
                }
                shapes.extend(node.output.first().map(|output| (&**output, made)));
            }
            let sized = SIZED.iter().find(|(operator, _)| *operator == node.op_type);
            let places = sized.map_or(&[][..], |(_, places)| places);
            let asked = places.iter().filter_map(|place| sizes.get(&**node.input.get(*place)?));
            if asked.max().is_some_and(|asked| *asked > MOST_ELEMENTS) {
                return Err(too_large(node, "asks for more than 2^26 elements"));
            }
        }
    }
    Ok(())
}

fn check_attribute(
    attribute: &AttributeProto,
    node: &NodeProto,
    bytes: usize,
) -> Result<(), LoadError> {
    for tensor in attribute.t.iter().chain(&attribute.tensors) {
        check_tensor(tensor, &attribute.name, bytes)?;
    }
    let sparse = attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors);
    if sparse.count() > 0 {
        return Err(too_large(node, "has a sparse tensor, which may be of any size"));
    }
    // The operators of ONNX-ML are our own, and check their attributes themselves.
    if node.domain == "ai.onnx.ml" || FREE.contains(&&*attribute.name) {
        return Ok(());
    }
    let limit = if AXES.contains(&&*attribute.name) { MOST_AXES } else { LARGEST };
    let is_large = |int: &i64| int.checked_abs().is_none_or(|int| int > limit);
    if attribute.ints.iter().chain([&attribute.i]).any(is_large) {
        return Err(too_large(node, &format!("has `{}` beyond {limit}", attribute.name)));
    }
    let sizes = attribute.ints.iter().map(|size| size.unsigned_abs());
    let product = sizes.fold(1, |product: u64, size| product.saturating_mul(size.max(1)));
    if SHAPES.contains(&&*attribute.name) && product > MOST_ELEMENTS {
        return Err(too_large(node, "asks for more than 2^26 elements"));
    }
    Ok(())
}

/// Refuses a tensor of more elements than the file can hold: none takes less than half a byte.
fn check_tensor(tensor: &TensorProto, name: &str, bytes: usize) -> Result<(), LoadError> {
    let mut dims = tensor.dims.iter().map(|size| usize::try_from(*size).ok());
    let elements = dims.try_fold(1_usize, |product, size| product.checked_mul(size?.max(1)));
    match elements {
        Some(elements) if elements <= bytes.saturating_mul(2) => Ok(()),
        _ => Err(LoadError::NotOnnx {
            detail: format!("the shape of its tensor `{name}` is larger than the file").into(),
        }),
    }
}

fn shape(tensor: &TensorProto) -> Vec<u64> {
    tensor.dims.iter().map(|size| size.unsigned_abs()).collect()
}

/// The shape that a node's inputs broadcast to, where all of them are known.
fn broadcast(node: &NodeProto, shapes: &HashMap<&str, Vec<u64>>) -> Option<Vec<u64>> {
    if !BROADCAST.contains(&&*node.op_type) {
        return None;
    }
    let inputs = node.input.iter().map(|input| shapes.get(&**input));
    let inputs = inputs.collect::<Option<Vec<_>>>()?;
    let rank = inputs.iter().map(|shape| shape.len()).max()?;
    let along = |axis: usize| {
        // Counted from the last axis, as broadcasting counts.
        inputs.iter().filter_map(|shape| shape.iter().rev().nth(axis)).copied().max()
    };
    Some((0..rank).rev().filter_map(along).collect())
}

/// Refuses intermediate tensors, as far as their sizes are known before the graph runs, that are too
/// large.
pub(super) fn check_facts(graph: &TypedModel) -> TractResult<()> {
    for node in &graph.nodes {
        for output in &node.outputs {
            let sizes = output.fact.shape.iter().filter_map(|size| size.to_i64().ok());
            let elements = sizes.fold(1, |all: i64, size| all.saturating_mul(size.max(1)));
            if elements > MOST_INTERMEDIATE {
                let (name, operator) = (&node.name, node.op.name());
                return Err(format_err!("`{name}` ({operator}) makes more than 2^28 elements"));
            }
        }
    }
    Ok(())
}

/// The number of elements of a shape whose axes are this tensor's integers.
fn product(tensor: &TensorProto) -> u64 {
    let raw = tensor.raw_data.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok());
    product_of(tensor.int64_data.iter().copied().chain(raw.map(i64::from_le_bytes)))
}

fn product_of(ints: impl Iterator<Item = i64>) -> u64 {
    // 0 and -1 have a meaning of their own as a size, such as "keep" or "infer": count them as 1.
    ints.fold(1, |product: u64, size| product.saturating_mul(size.unsigned_abs().max(1)))
}

fn too_large(node: &NodeProto, what: &str) -> LoadError {
    let name = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
    let name = name.map_or("", |name| &**name);
    LoadError::NotOnnx { detail: format!("its node `{name}` ({}) {what}", node.op_type).into() }
}
