//! An ONNX file, read and checked before the engine sees it.

use std::{collections::HashSet, mem};

use tract_onnx::{
    pb::{
        GraphProto, ModelProto, NodeProto, ValueInfoProto, tensor_proto::DataType,
        tensor_shape_proto::dimension::Value as Size, type_proto::Value as Type,
    },
    tract_hir::internal::Framework,
};

use super::trees;
use crate::model::{
    Dtype,
    onnx::{AxisSize, LoadError, TensorDescription, UnsupportedOperator},
};

/// An ONNX file that the engine has every operator for.
pub(in crate::model::onnx) struct Document {
    pub(super) proto: ModelProto,
    pub(in crate::model::onnx) inputs: Vec<TensorDescription>,
    pub(in crate::model::onnx) outputs: Vec<TensorDescription>,
    labels: Vec<ClassifierLabel>,
}

/// The label output of a classifier node, where the engine's own cannot be used as it is.
#[derive(Clone)]
struct ClassifierLabel {
    output: Box<str>,
    source: LabelSource,
}

/// Where the label of an output comes from.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model::onnx) enum LabelSource {
    /// The output holds it.
    Output,
    /// The output holds the place of it in these names. (The engine has no text labels: they are
    /// numbered before it sees the graph.)
    NameOf(Box<[Box<str>]>),
    /// The output is wrong, and the largest probability says which of these it is. (The engine
    /// labels binary tree ensembles wrongly; their probabilities are right.)
    LargestNumber(Box<[i64]>),
    /// The same, for classes known by names.
    LargestName(Box<[Box<str>]>),
}

impl Document {
    /// Reads and checks the bytes of a file.
    pub(in crate::model::onnx) fn read(bytes: &[u8]) -> Result<Document, LoadError> {
        let not_onnx = |detail: &str| LoadError::NotOnnx { detail: detail.into() };
        if bytes.is_empty() {
            return Err(not_onnx("the file is empty"));
        }
        let mut proto = tract_onnx::onnx()
            .proto_model_for_read(&mut &*bytes)
            .map_err(|_| not_onnx("the file is damaged, cut short, or of another format"))?;
        // Almost any short run of bytes decodes as some protobuf message: ask for what every
        // model has.
        let graph = proto.graph.as_mut().ok_or_else(|| not_onnx("it holds no graph"))?;
        if graph.output.is_empty() {
            return Err(not_onnx("its graph has no output"));
        }
        if proto.opset_import.is_empty() {
            return Err(not_onnx("it names no operator set"));
        }
        check_operators(graph)?;
        check_weights(graph)?;
        check_outputs(graph)?;
        let initial: HashSet<&str> = graph.initializer.iter().map(|t| &*t.name).collect();
        let inputs = graph.input.iter().filter(|input| !initial.contains(&*input.name));
        let inputs = inputs.map(describe).collect();
        let labels = number_labels(graph)?;
        let outputs = graph
            .output
            .iter()
            .map(|output| {
                let mut described = describe(output);
                let named = labels.iter().any(|label| {
                    *label.output == *output.name
                        && matches!(
                            label.source,
                            LabelSource::NameOf(_) | LabelSource::LargestName(_)
                        )
                });
                if named {
                    described.dtype = Some(Dtype::Text);
                }
                described
            })
            .collect();
        Ok(Document { proto, inputs, outputs, labels })
    }

    /// Where the label of this output comes from.
    pub(in crate::model::onnx) fn label_source(&self, output: &str) -> LabelSource {
        let found = self.labels.iter().find(|label| *label.output == *output);
        found.map_or(LabelSource::Output, |label| label.source.clone())
    }
}

fn describe(value: &ValueInfoProto) -> TensorDescription {
    let r#type = value.r#type.as_ref().and_then(|r#type| r#type.value.as_ref());
    let tensor = r#type.map(|Type::TensorType(tensor)| tensor);
    let dtype = tensor.and_then(|tensor| match DataType::try_from(tensor.elem_type) {
        Ok(DataType::Float) => Some(Dtype::F32),
        Ok(DataType::Double) => Some(Dtype::F64),
        Ok(DataType::Int64) => Some(Dtype::I64),
        Ok(DataType::Int32) => Some(Dtype::I32),
        Ok(DataType::Uint8) => Some(Dtype::U8),
        Ok(DataType::Bool) => Some(Dtype::Bool),
        Ok(DataType::String) => Some(Dtype::Text),
        _ => None,
    });
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| {
        let sizes = shape.dim.iter().map(|axis| match &axis.value {
            Some(Size::DimValue(size)) => {
                usize::try_from(*size).map_or(AxisSize::Free, AxisSize::Fixed)
            }
            Some(Size::DimParam(name)) if !name.is_empty() => AxisSize::Named(name.as_str().into()),
            _ => AxisSize::Free,
        });
        sizes.collect()
    });
    TensorDescription { name: value.name.as_str().into(), dtype, shape }
}

/// The domains whose operators the engine looks up. It looks by name alone, so that an operator
/// of somebody else's domain would silently be taken for the standard one of its name.
const DOMAINS: [&str; 4] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];

fn check_operators(graph: &GraphProto) -> Result<(), LoadError> {
    let known = tract_onnx::onnx().op_register.0;
    let mut operators: Vec<UnsupportedOperator> = Vec::new();
    let mut graphs = vec![graph];
    while let Some(graph) = graphs.pop() {
        for node in &graph.node {
            if node.op_type == "TreeEnsembleClassifier" {
                trees::check(node)?;
            }
            graphs.extend(node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()));
            let advice = if !DOMAINS.contains(&&*node.domain) {
                "it is no standard operator; export the model without it"
            } else if !known.contains_key(&*node.op_type) {
                advice(&node.op_type)
            } else if let Some(advice) = runs_wrongly(node) {
                advice
            } else {
                continue;
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

fn node_name(node: &NodeProto) -> &str {
    match node.output.first() {
        Some(output) if node.name.is_empty() => output,
        _ => &node.name,
    }
}

fn advice(operator: &str) -> &'static str {
    match operator {
        "ZipMap" => "export with skl2onnx's `options={'zipmap': False}`",
        "Scaler" => {
            "export with skl2onnx's `black_op={'Scaler'}`, which writes a subtraction and a \
             division instead"
        }
        "TreeEnsembleRegressor" | "TreeEnsemble" => {
            "tree ensembles run as `TreeEnsembleClassifier` only; serve this model by another \
             engine through `model_fn`"
        }
        "LabelEncoder" | "OneHotEncoder" | "Imputer" | "FeatureVectorizer" | "DictVectorizer"
        | "Binarizer" => {
            "do this step of preparation before the model, and export what comes after it"
        }
        "SVMClassifier" | "SVMRegressor" => {
            "export an equivalent linear model, or serve this one by another engine through \
             `model_fn`"
        }
        _ => {
            "export for another operator set (13 to 17 are the best supported), or replace it \
             before exporting"
        }
    }
}

/// Why a node that the engine accepts must not run: it would answer wrongly without a word.
fn runs_wrongly(node: &NodeProto) -> Option<&'static str> {
    if node.op_type != "TreeEnsembleClassifier" {
        return None;
    }
    let modes = node.attribute.iter().find(|attribute| attribute.name == "nodes_modes")?;
    let greater_or_equal = modes.strings.iter().any(|mode| mode == b"BRANCH_GTE");
    greater_or_equal
        .then_some("its `BRANCH_GTE` nodes run wrongly; export the trees with `BRANCH_LEQ` nodes")
}

fn check_weights(graph: &GraphProto) -> Result<(), LoadError> {
    let outside = graph.initializer.iter().find(|tensor| !tensor.external_data.is_empty());
    match outside {
        Some(tensor) => Err(LoadError::ExternalData { tensor: tensor.name.as_str().into() }),
        None => Ok(()),
    }
}

/// An output that nothing makes would be a panic in the engine.
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
            detail: format!("no node makes its output `{}`", output.name).into(),
        }),
        None => Ok(()),
    }
}

/// Numbers the text labels of classifier nodes, and finds the outputs that carry labels of nodes
/// whose own label cannot be used.
fn number_labels(graph: &mut GraphProto) -> Result<Vec<ClassifierLabel>, LoadError> {
    let mut labels: Vec<ClassifierLabel> = Vec::new();
    for node in &mut graph.node {
        let trees = node.op_type == "TreeEnsembleClassifier";
        if !trees && node.op_type != "LinearClassifier" {
            continue;
        }
        let numbers_name = if trees { "classlabels_int64s" } else { "classlabels_ints" };
        let mut source = None;
        for attribute in &mut node.attribute {
            if attribute.name == "classlabels_strings" && !attribute.strings.is_empty() {
                let texts = mem::take(&mut attribute.strings);
                let names: Box<[Box<str>]> =
                    texts.iter().map(|text| String::from_utf8_lossy(text).into()).collect();
                attribute.ints = (0_i64..).take(names.len()).collect();
                attribute.name = numbers_name.to_owned();
                attribute.r#type = INTS;
                source = Some(match trees {
                    true => LabelSource::LargestName(names),
                    false => LabelSource::NameOf(names),
                });
            } else if attribute.name == numbers_name && trees {
                source = Some(LabelSource::LargestNumber(attribute.ints.as_slice().into()));
            }
        }
        if let (Some(source), Some(output)) = (source, node.output.first()) {
            labels.push(ClassifierLabel { output: output.as_str().into(), source });
        }
    }
    follow_labels(graph, &mut labels)?;
    Ok(labels)
}

/// `AttributeProto.AttributeType.INTS`.
const INTS: i32 = 7;

/// Follows such a label to the outputs that pass it on unchanged; anything computed from it would
/// be wrong, and is refused.
fn follow_labels(graph: &GraphProto, labels: &mut Vec<ClassifierLabel>) -> Result<(), LoadError> {
    let mut next = 0;
    while let Some(label) = labels.get(next).cloned() {
        next += 1;
        for node in &graph.node {
            if !node.input.iter().any(|input| **input == *label.output) {
                continue;
            }
            match (&*node.op_type, node.output.first()) {
                // A graph is acyclic, but a hostile file need not be.
                ("Identity" | "Cast", Some(output)) if labels.len() <= graph.node.len() => {
                    labels.push(ClassifierLabel {
                        output: output.as_str().into(),
                        source: label.source.clone(),
                    });
                }
                _ => {
                    return Err(LoadError::Unsupported {
                        operators: vec![UnsupportedOperator {
                            name: node.op_type.as_str().into(),
                            domain: "ai.onnx".into(),
                            node: node_name(node).into(),
                            advice: "it computes with a classifier's label, which the engine does \
                                     not give as the file has it; let the label be an output as \
                                     it is",
                        }],
                    });
                }
            }
        }
    }
    Ok(())
}
