//! Sizes that no model has: refused before the engine would allocate them, which is no error that it
//! could report.

use std::collections::HashMap;

use tract_onnx::{
    pb::{AttributeProto, GraphProto, NodeProto, TensorProto},
    tract_hir::internal::{TractResult, TypedModel, format_err},
};

use crate::onnx::LoadError;

/// The most elements of a tensor that a graph makes by saying a size: 256 MiB of 32-bit floats.
const MOST_ELEMENTS: u64 = 1 << 26;

/// The most elements of a tensor that a graph makes on its way: a GiB of 32-bit floats.
const MOST_BETWEEN: i64 = 1 << 28;

/// The largest kernel, padding, step, count: beyond it what is computed from them overflows or takes
/// memory without end.
const LARGEST: i64 = 1 << 16;

/// No tensor has more axes; the engine counts up to one that is not there.
const MOST_AXES: i64 = 64;

/// Attributes that name axes.
const AXES: [&str; 6] = ["axes", "axis", "batch_axis", "batch_dims", "perm", "time_axis"];

/// Attributes that are the sizes of something that is made.
const SHAPES: [&str; 3] = ["output_shape", "repeats", "shape"];

/// Attributes that may be any integer.
const FREE: [&str; 5] = ["ends", "starts", "seed", "value_int", "value_ints"];

/// Operators that make something as large as an input says, and the places of these inputs.
const SIZED: [(&str, &[usize]); 6] = [
    ("ConstantOfShape", &[0]),
    ("Expand", &[1]),
    ("OneHot", &[1]),
    ("Range", &[0, 1]),
    ("Resize", &[3]),
    ("Tile", &[1]),
];

/// Operators whose inputs broadcast to one shape: small constants may come to a large one.
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

/// Checks the sizes that stand in a file of so many bytes.
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
                if let (Some(output), Some(tensor)) = (made, &attribute.t) {
                    sizes.insert(output, product(tensor));
                    shapes.insert(output, shape(tensor));
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
    // Operators of ONNX-ML are ours, and check their own.
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

/// No element takes less than half a byte.
fn check_tensor(tensor: &TensorProto, name: &str, bytes: usize) -> Result<(), LoadError> {
    let mut dims = tensor.dims.iter().map(|size| usize::try_from(*size).ok());
    let elements = dims.try_fold(1_usize, |product, size| product.checked_mul(size?.max(1)));
    match elements {
        Some(elements) if elements <= bytes.saturating_mul(2) => Ok(()),
        _ => Err(LoadError::NotOnnx {
            detail: format!("its tensor `{name}` says that it is larger than the file").into(),
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

/// What is made while a graph runs, and has a size that is known by then.
pub(super) fn check_facts(graph: &TypedModel) -> TractResult<()> {
    for node in &graph.nodes {
        for output in &node.outputs {
            let sizes = output.fact.shape.iter().filter_map(|size| size.to_i64().ok());
            let elements = sizes.fold(1, |all: i64, size| all.saturating_mul(size.max(1)));
            if elements > MOST_BETWEEN {
                let (name, operator) = (&node.name, node.op.name());
                return Err(format_err!("`{name}` ({operator}) makes more than 2^28 elements"));
            }
        }
    }
    Ok(())
}

/// What the integers of a tensor come to when they are the sizes of axes.
fn product(tensor: &TensorProto) -> u64 {
    let raw = tensor.raw_data.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok());
    let ints = tensor.int64_data.iter().copied().chain(raw.map(i64::from_le_bytes));
    // Those that stand for "as it is" do not count.
    ints.fold(1, |product: u64, size| product.saturating_mul(size.unsigned_abs().max(1)))
}

fn too_large(node: &NodeProto, what: &str) -> LoadError {
    let name = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
    let name = name.map_or("", |name| &**name);
    LoadError::NotOnnx { detail: format!("its node `{name}` ({}) {what}", node.op_type).into() }
}
