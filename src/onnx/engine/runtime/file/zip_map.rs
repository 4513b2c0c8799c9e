//! Removes `ZipMap`, which turns a matrix of scores into a map for each row. Without it the matrix
//! itself is the output, which is faster, and is what tract returns.

use prost::Message;

use super::{
    AxisSize, TensorInfo,
    proto::{Axis, Node, Shape, TensorType, Type, Value},
    wire::{append, fields},
};
use crate::tensor::Dtype;

const GRAPH: u64 = 7;
const NODE: u64 = 1;
const OUTPUT: u64 = 12;
const FLOAT: i32 = 1;

/// One `ZipMap` of a graph.
pub(super) struct ZipMap {
    scores: String,
    pub(super) output: String,
    classes: usize,
}

impl ZipMap {
    pub(super) fn describe(&self) -> TensorInfo {
        TensorInfo {
            name: self.output.as_str().into(),
            dtype: Some(Dtype::F32),
            shape: Some(vec![AxisSize::Free, AxisSize::Fixed(self.classes)]),
        }
    }
}

/// A node without its attributes, which would be slow to decode for every node: there may be long lists
/// among them.
#[derive(Clone, PartialEq, Message)]
struct Wiring {
    #[prost(string, repeated, tag = "1")]
    inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    outputs: Vec<String>,
    #[prost(string, tag = "4")]
    operator: String,
}

fn read(node: &[u8]) -> Option<Option<ZipMap>> {
    let Wiring { inputs, outputs, operator } = Wiring::decode(node).ok()?;
    if operator != "ZipMap" {
        return Some(None);
    }
    let node = Node::decode(node).ok()?;
    let classes = node.attributes.iter().find_map(|attribute| match &*attribute.name {
        "classlabels_int64s" => Some(attribute.integers.len()),
        "classlabels_strings" => Some(attribute.texts.len()),
        _ => None,
    })?;
    let scores = inputs.into_iter().next()?;
    let output = outputs.into_iter().next()?;
    Some(Some(ZipMap { scores, output, classes }))
}

/// Every `ZipMap` of a model's graph; `None` if the file is damaged.
pub(super) fn find(model: &[u8]) -> Option<Vec<ZipMap>> {
    let mut found = Vec::new();
    for field in fields(model) {
        let field = field?;
        let (GRAPH, Some(graph)) = (field.number, field.content) else { continue };
        for field in fields(graph) {
            let field = field?;
            let (NODE, Some(node)) = (field.number, field.content) else { continue };
            found.extend(read(node)?);
        }
    }
    Some(found)
}

/// The model with each of these `ZipMap`s replaced by an `Identity`.
pub(super) fn replace(model: &[u8], maps: &[ZipMap]) -> Option<Vec<u8>> {
    let mut copy = Vec::with_capacity(model.len());
    for field in fields(model) {
        let field = field?;
        match (field.number, field.content) {
            (GRAPH, Some(graph)) => append(GRAPH, &replace_in(graph, maps)?, &mut copy),
            _ => copy.extend_from_slice(field.whole),
        }
    }
    Some(copy)
}

fn replace_in(graph: &[u8], maps: &[ZipMap]) -> Option<Vec<u8>> {
    let mut copy = Vec::with_capacity(graph.len());
    for field in fields(graph) {
        let field = field?;
        match (field.number, field.content) {
            (NODE, Some(node)) => match read(node)? {
                Some(map) => {
                    let identity = Wiring {
                        inputs: vec![map.scores],
                        outputs: vec![map.output],
                        operator: "Identity".to_owned(),
                    };
                    append(NODE, &identity.encode_to_vec(), &mut copy);
                }
                None => copy.extend_from_slice(field.whole),
            },
            (OUTPUT, Some(output)) => {
                let name = Value::decode(output).ok()?.name;
                match maps.iter().find(|map| map.output == name) {
                    Some(map) => append(OUTPUT, &map.value().encode_to_vec(), &mut copy),
                    None => copy.extend_from_slice(field.whole),
                }
            }
            _ => copy.extend_from_slice(field.whole),
        }
    }
    Some(copy)
}

impl ZipMap {
    fn value(&self) -> Value {
        let free = Axis { size: None, name: None };
        let shape = Shape { axes: vec![free.clone(), free] };
        let tensor = TensorType { element: FLOAT, shape: Some(shape) };
        Value { name: self.output.clone(), r#type: Some(Type { tensor: Some(tensor) }) }
    }
}
