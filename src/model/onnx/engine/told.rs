//! What an ONNX file says about itself beside its graph: metadata, and the names of its classes.
//!
//! Exporters write the classes into the operators: `ZipMap` and the classifiers of ONNX-ML hold
//! them in the order of the probabilities; where a classifier is written in standard operators,
//! the label is picked from a list of them by `ArgMax`. Anything else says nothing.

use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

use super::Document;
use crate::model::{Label, onnx::ml};

/// Longer chains from an output back to its operator are no exporter's; a circle has no end.
const LONGEST_CHAIN: usize = 32;

impl Document {
    /// The metadata under this key.
    pub(in crate::model::onnx) fn metadata(&self, key: &str) -> Option<&str> {
        let found = self.proto.metadata_props.iter().find(|entry| entry.key == key);
        found.map(|entry| &*entry.value)
    }

    /// The classes in the order of the probabilities, as far as the graph says them.
    pub(in crate::model::onnx) fn class_labels(
        &self,
        label: Option<&str>,
        probabilities: &str,
    ) -> Option<Vec<Label>> {
        let graph = self.proto.graph.as_ref()?;
        of_probabilities(graph, probabilities)
            .or_else(|| label.and_then(|label| of_label(graph, label)))
    }
}

fn maker<'a>(graph: &'a GraphProto, name: &str) -> Option<&'a NodeProto> {
    graph.node.iter().find(|node| node.output.iter().any(|output| output == name))
}

fn of_probabilities(graph: &GraphProto, output: &str) -> Option<Vec<Label>> {
    let mut name = output;
    for _ in 0..LONGEST_CHAIN {
        let node = maker(graph, name)?;
        match &*node.op_type {
            "Identity" | "Cast" => name = node.input.first()?,
            "ZipMap" => return listed(node),
            // Its other outputs are no probabilities.
            _ if is_classifier(node) && node.output.get(1).is_some_and(|second| second == name) => {
                return listed(node);
            }
            _ => return None,
        }
    }
    None
}

fn of_label(graph: &GraphProto, output: &str) -> Option<Vec<Label>> {
    let mut name = output;
    for _ in 0..LONGEST_CHAIN {
        let node = maker(graph, name)?;
        match &*node.op_type {
            "Identity" | "Cast" | "Reshape" | "Squeeze" | "Unsqueeze" => {
                name = node.input.first()?
            }
            "ArrayFeatureExtractor" | "Gather" => {
                let (list, place) = (node.input.first()?, node.input.get(1)?);
                return comes_from_argmax(graph, place).then(|| constant(graph, list)).flatten();
            }
            _ if is_classifier(node) && node.output.first().is_some_and(|first| first == name) => {
                return listed(node);
            }
            _ => return None,
        }
    }
    None
}

fn is_classifier(node: &NodeProto) -> bool {
    matches!(&*node.op_type, "LinearClassifier" | "SVMClassifier" | "TreeEnsembleClassifier")
}

fn comes_from_argmax(graph: &GraphProto, name: &str) -> bool {
    let mut name = name;
    for _ in 0..LONGEST_CHAIN {
        let Some(node) = maker(graph, name) else { return false };
        match (&*node.op_type, node.input.first()) {
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
fn listed(node: &NodeProto) -> Option<Vec<Label>> {
    let mut lists = node.attribute.iter().filter(|a| a.name.starts_with("classlabels_"));
    lists.find_map(|list| match (&list.ints[..], &list.strings[..]) {
        ([], []) => None,
        (ints, []) => Some(ints.iter().copied().map(Label::Int).collect()),
        (_, texts) => {
            let label = |bytes: &Vec<u8>| std::str::from_utf8(bytes).ok().map(Label::from);
            texts.iter().map(label).collect()
        }
    })
}

fn constant(graph: &GraphProto, name: &str) -> Option<Vec<Label>> {
    let tensor = graph.initializer.iter().find(|tensor| tensor.name == name);
    let tensor: Option<&TensorProto> = tensor.or_else(|| {
        let node = maker(graph, name).filter(|node| node.op_type == "Constant")?;
        node.attribute.iter().find(|a| a.name == "value")?.t.as_ref()
    });
    ml::labels_of(tensor?)
}
