//! `ZipMap`: scores by the names of their classes. A tensor of scores in the order of the classes
//! says the same, so that is what comes out.

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{DatumType, TValue, TVec, TractResult, ensure, tvec},
};

use super::{
    NodeError,
    attributes::Attributes,
    labels::Labels,
    operator::{Fact, FromNode, Operator, input},
};

#[derive(Debug)]
pub(super) struct ZipMap {
    classes: usize,
}

impl FromNode for ZipMap {
    fn from_node(node: &NodeProto) -> Result<ZipMap, NodeError> {
        let attributes = Attributes::of(node);
        let labels = Labels::read(&attributes, "classlabels_int64s", "classlabels_strings")?;
        Ok(ZipMap { classes: labels.len() })
    }
}

/// The number of classes of a `ZipMap` node.
pub(in crate::onnx) fn classes(node: &NodeProto) -> Option<usize> {
    ZipMap::from_node(node).ok().map(|map| map.classes)
}

impl Operator for ZipMap {
    fn name(&self) -> &'static str {
        "ZipMap"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let fact = input(inputs, 0)?;
        ensure!(fact.dtype == DatumType::F32, "found {:?}, expected 32-bit floats", fact.dtype);
        fact.rows_of(self.classes)?;
        Ok(tvec!(fact.clone()))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        Ok(tvec!(input(inputs, 0)?.clone()))
    }
}
