//! The operators of ONNX-ML, in place of tract's, which lacks most of them and computes wrongly
//! some (the label of binary tree ensembles, `BRANCH_GTE`, casts of large integers).
//!
//! Each is written from the [ONNX-ML specification]; where that leaves a choice, or where every
//! known exporter relies on it, it does as ONNX Runtime does. What can be wrong with a node is
//! found when it is read, so that running one has only its inputs to check.
//!
//! [ONNX-ML specification]: https://github.com/onnx/onnx/blob/main/docs/Operators-ml.md

mod array_feature_extractor;
mod attributes;
mod binarizer;
mod cast;
mod direct;
mod dot;
mod feature_vectorizer;
mod imputer;
mod label_encoder;
mod labels;
mod linear;
mod log_sum_exp;
mod normalizer;
mod one_hot_encoder;
mod operator;
mod post_transform;
mod quantization;
mod rows;
mod scaler;
mod svm;
mod trees;
mod zip_map;

use std::sync::Arc;

use tract_onnx::{
    Onnx,
    model::ParsingContext,
    pb::NodeProto,
    tract_hir::internal::{InferenceOp, IntoTValue, TValue, ToDim, TractResult, format_err},
};

use self::operator::{Fact, FromNode, Operator};
pub(super) use self::{direct::Direct, zip_map::classes as zip_map_classes};
use super::engine::{from_engine, to_engine};
use crate::tensor::Tensor;

/// What is wrong with a node.
#[derive(Clone, Debug)]
pub(super) enum NodeError {
    /// The specification does not allow it.
    Damaged(Box<str>),
    /// The specification allows it, but it is not supported.
    Unsupported(&'static str),
}

impl NodeError {
    fn damaged(what: impl Into<Box<str>>) -> NodeError {
        NodeError::Damaged(what.into())
    }
}

/// tract's registry of operators, with those of this module in place of its own.
pub(super) fn registered() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    for operator in OPERATORS {
        onnx.op_register.insert(operator.name, operator.build);
    }
    // Standard operators, but ones that models of ONNX-ML use.
    onnx.op_register.insert("Cast", cast::build);
    onnx.op_register.insert("QuantizeLinear", build::<quantization::Quantize>);
    onnx.op_register.insert("DequantizeLinear", build::<quantization::Dequantize>);
    onnx.op_register.insert("ReduceLogSumExp", log_sum_exp::build);
    onnx
}

/// Checks a node, if its operator is in this module.
pub(super) fn check(node: &NodeProto) -> Result<(), NodeError> {
    match OPERATORS.iter().find(|operator| *operator.name == *node.op_type) {
        Some(operator) => (operator.check)(node),
        None => Ok(()),
    }
}

type Build =
    fn(&ParsingContext<'_>, &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

struct Registered {
    name: &'static str,
    build: Build,
    check: fn(&NodeProto) -> Result<(), NodeError>,
    alone: fn(&NodeProto) -> Option<Arc<dyn Operator>>,
}

const fn ours<O: FromNode>(name: &'static str) -> Registered {
    Registered {
        name,
        build: build::<O>,
        check: |node| O::from_node(node).map(|_| ()),
        alone: |node| Some(Arc::new(O::from_node(node).ok()?)),
    }
}

/// The operator of a node for these inputs, if it is in this module.
fn operator(node: &NodeProto, inputs: &[Fact]) -> Option<Arc<dyn Operator>> {
    let registered = OPERATORS.iter().find(|operator| *operator.name == *node.op_type)?;
    let operator = (registered.alone)(node)?;
    let dtypes: Vec<_> = inputs.iter().map(|input| input.dtype).collect();
    let operator = operator.specialized(&dtypes).ok()?.unwrap_or(operator);
    operator.outputs(inputs).is_ok().then_some(operator)
}

/// Whether the operator of a node is in this module.
pub(super) fn is_known(node: &NodeProto) -> bool {
    OPERATORS.iter().any(|operator| *operator.name == *node.op_type)
}

/// Runs a node whose operator is in this module, without tract.
pub(super) fn evaluate(node: &NodeProto, inputs: &[&Tensor]) -> TractResult<Vec<Tensor>> {
    let inputs: Vec<TValue> = inputs
        .iter()
        .map(|tensor| to_engine(tensor).map(IntoTValue::into_tvalue))
        .collect::<TractResult<_>>()?;
    let facts: Vec<Fact> = inputs
        .iter()
        .map(|input| Fact::new(input.datum_type(), input.shape().iter().map(|size| size.to_dim())))
        .collect();
    let operator = operator(node, &facts).ok_or_else(|| format_err!("inputs that do not fit"))?;
    let outputs = operator.run(&inputs)?;
    let ours = |output: &TValue| from_engine(output).ok_or_else(|| format_err!("an unknown type"));
    outputs.iter().map(ours).collect()
}

fn build<O: FromNode>(
    _: &ParsingContext<'_>,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let operator = O::from_node(node).map_err(|flaw| match flaw {
        NodeError::Damaged(what) => format_err!("{what}"),
        NodeError::Unsupported(what) => format_err!("{what}"),
    })?;
    Ok((operator::wrap(operator, node), Vec::new()))
}

const OPERATORS: &[Registered] = &[
    ours::<array_feature_extractor::ArrayFeatureExtractor>("ArrayFeatureExtractor"),
    ours::<binarizer::Binarizer>("Binarizer"),
    ours::<label_encoder::CategoryMapper>("CategoryMapper"),
    ours::<feature_vectorizer::FeatureVectorizer>("FeatureVectorizer"),
    ours::<imputer::Imputer>("Imputer"),
    ours::<label_encoder::LabelEncoder>("LabelEncoder"),
    ours::<linear::LinearClassifier>("LinearClassifier"),
    ours::<linear::LinearRegressor>("LinearRegressor"),
    ours::<normalizer::Normalizer>("Normalizer"),
    ours::<one_hot_encoder::OneHotEncoder>("OneHotEncoder"),
    ours::<scaler::Scaler>("Scaler"),
    ours::<svm::SvmClassifier>("SVMClassifier"),
    ours::<svm::SvmRegressor>("SVMRegressor"),
    ours::<trees::TreeEnsemble>("TreeEnsemble"),
    ours::<trees::TreeEnsembleClassifier>("TreeEnsembleClassifier"),
    ours::<trees::TreeEnsembleRegressor>("TreeEnsembleRegressor"),
    ours::<zip_map::ZipMap>("ZipMap"),
];
