//! The metadata of an ONNX file, and the names of its classes.
//!
//! ONNX has no field for class names, but exporters write them into operators: `ZipMap` and the
//! classifiers of ONNX-ML hold them in the order of the probabilities, and a classifier made of
//! standard operators picks its label from a constant list by `ArgMax`. Nothing else is searched.

#[cfg(feature = "onnx")]
use prost::Message;
use prost::bytes::Bytes;

use super::proto::{Graph, Model, Node, Tensor};
use crate::model::Label;

/// How far an output is followed back: further than any exporter's chain of casts, and an end to
/// cycles.
const LONGEST_CHAIN: usize = 32;

/// The element types of labels, numbered as in `TensorProto.DataType` of `onnx.proto`.
const I32: i32 = 6;
const I64: i32 = 7;
const TEXT: i32 = 8;

/// The part of a file that is of interest here. Large tensors stay in its bytes.
#[derive(Clone)]
pub(super) struct ParsedFile(Model);

impl ParsedFile {
    /// Parses a file that an engine has accepted already. A damaged one reads as empty: what it
    /// holds is optional, and the engine has reported the damage.
    #[cfg(feature = "onnx")]
    pub(super) fn read(bytes: &[u8]) -> ParsedFile {
        ParsedFile(Model::decode(Bytes::copy_from_slice(bytes)).unwrap_or_default())
    }

    #[cfg(feature = "ort")]
    pub(super) fn of(model: Model) -> ParsedFile {
        ParsedFile(model)
    }

    pub(super) fn metadata(&self, key: &str) -> Option<&str> {
        let found = self.0.metadata.iter().find(|entry| entry.key == key);
        found.map(|entry| &*entry.value)
    }

    pub(super) fn class_labels(
        &self,
        label: Option<&str>,
        probabilities: &str,
    ) -> Option<Vec<Label>> {
        let graph = self.0.graph.as_ref()?;
        of_probabilities(graph, probabilities)
            .or_else(|| label.and_then(|label| of_label(graph, label)))
    }
}

fn maker<'a>(graph: &'a Graph, name: &str) -> Option<&'a Node> {
    graph.nodes.iter().find(|node| node.outputs.iter().any(|output| output == name))
}

fn of_probabilities(graph: &Graph, output: &str) -> Option<Vec<Label>> {
    let mut name = output;
    for _ in 0..LONGEST_CHAIN {
        let node = maker(graph, name)?;
        match &*node.operator {
            "Identity" | "Cast" => name = node.inputs.first()?,
            "ZipMap" => return listed(node),
            // The first output of a classifier is its label.
            _ if is_classifier(node)
                && node.outputs.get(1).is_some_and(|second| second == name) =>
            {
                return listed(node);
            }
            _ => return None,
        }
    }
    None
}

fn of_label(graph: &Graph, output: &str) -> Option<Vec<Label>> {
    let mut name = output;
    for _ in 0..LONGEST_CHAIN {
        let node = maker(graph, name)?;
        match &*node.operator {
            "Identity" | "Cast" | "Reshape" | "Squeeze" | "Unsqueeze" => {
                name = node.inputs.first()?;
            }
            "ArrayFeatureExtractor" | "Gather" => {
                let (list, place) = (node.inputs.first()?, node.inputs.get(1)?);
                return comes_from_argmax(graph, place).then(|| constant(graph, list)).flatten();
            }
            _ if is_classifier(node) && node.outputs.first().is_some_and(|first| first == name) => {
                return listed(node);
            }
            _ => return None,
        }
    }
    None
}

fn is_classifier(node: &Node) -> bool {
    matches!(&*node.operator, "LinearClassifier" | "SVMClassifier" | "TreeEnsembleClassifier")
}

fn comes_from_argmax(graph: &Graph, name: &str) -> bool {
    let mut name = name;
    for _ in 0..LONGEST_CHAIN {
        let Some(node) = maker(graph, name) else { return false };
        match (&*node.operator, node.inputs.first()) {
            ("ArgMax", _) => return true,
            ("Identity" | "Cast" | "Reshape" | "Squeeze" | "Unsqueeze", Some(input)) => {
                name = input;
            }
            _ => return false,
        }
    }
    false
}

/// The classes in a node's attributes: `classlabels_strings`, `classlabels_ints`,
/// `classlabels_int64s`.
fn listed(node: &Node) -> Option<Vec<Label>> {
    let mut lists = node.attributes.iter().filter(|a| a.name.starts_with("classlabels_"));
    lists.find_map(|list| match (&list.integers[..], &list.texts[..]) {
        ([], []) => None,
        (integers, []) => Some(integers.iter().copied().map(Label::Int).collect()),
        (_, texts) => named(texts),
    })
}

fn named(texts: &[Bytes]) -> Option<Vec<Label>> {
    texts.iter().map(|text| std::str::from_utf8(text).ok().map(Label::from)).collect()
}

fn constant(graph: &Graph, name: &str) -> Option<Vec<Label>> {
    let tensor = graph.initializers.iter().find(|tensor| tensor.name == name);
    let tensor = tensor.or_else(|| {
        let node = maker(graph, name).filter(|node| node.operator == "Constant")?;
        node.attributes.iter().find(|a| a.name == "value")?.tensor.as_ref()
    });
    labels(tensor?)
}

/// The labels that a tensor of integers or texts holds.
fn labels(tensor: &Tensor) -> Option<Vec<Label>> {
    let number = |value: i32| Label::Int(value.into());
    Some(match (tensor.element, &tensor.raw[..]) {
        (TEXT, _) => return named(&tensor.texts),
        (I64, []) => tensor.integers.iter().copied().map(Label::Int).collect(),
        (I64, raw) => raw
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| Label::Int(i64::from_le_bytes(*bytes)))
            .collect(),
        (I32, []) => tensor.narrow.iter().copied().map(number).collect(),
        (I32, raw) => {
            raw.as_chunks::<4>().0.iter().map(|bytes| number(i32::from_le_bytes(*bytes))).collect()
        }
        _ => return None,
    })
}
