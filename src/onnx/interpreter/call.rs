//! [`Call`], through which operators read their attributes and inputs.

use std::{collections::HashMap, sync::Arc};

use tract_onnx::pb::{AttributeProto, NodeProto};

use super::{
    Body, Run, Scope, Tensor,
    value::{self, OperatorError, Value},
};

/// A node and its input values in one run.
pub(super) struct Call<'a> {
    pub(super) node: &'a NodeProto,
    pub(super) graphs: &'a HashMap<String, Arc<Body>>,
    pub(super) inputs: Vec<Option<Value>>,
    pub(super) scope: &'a Scope<'a>,
    pub(super) run: &'a Run<'a>,
}

impl<'a> Call<'a> {
    /// The version of the standard operators.
    pub(super) fn opset(&self) -> i64 {
        self.run.opset
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.node.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.int(name, 0) != 0
    }

    pub(super) fn float(&self, name: &str, default: f64) -> f64 {
        self.attribute(name).map_or(default, |attribute| f64::from(attribute.f))
    }

    pub(super) fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| &*attribute.ints)
    }

    pub(super) fn floats(&self, name: &str) -> Option<Vec<f64>> {
        let attribute = self.attribute(name)?;
        Some(attribute.floats.iter().map(|value| f64::from(*value)).collect())
    }

    pub(super) fn text(&self, name: &str, default: &str) -> String {
        match self.attribute(name) {
            Some(attribute) => String::from_utf8_lossy(&attribute.s).into_owned(),
            None => default.to_owned(),
        }
    }

    pub(super) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let attribute = self.attribute(name)?;
        let texts = attribute.strings.iter();
        Some(texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect())
    }

    /// A graph in an attribute.
    pub(super) fn body(&self, name: &str) -> Result<&'a Body, OperatorError> {
        let body = self.graphs.get(name).map(|body| &**body);
        body.ok_or_else(|| OperatorError::new(format!("there is no graph `{name}`")))
    }

    /// The input tensor at this index, which is required.
    pub(super) fn tensor(&self, index: usize) -> Result<&Tensor, OperatorError> {
        self.maybe(index)?.ok_or_else(|| OperatorError::new(format!("input {index} is missing")))
    }

    /// The optional input tensor at this index.
    pub(super) fn maybe(&self, index: usize) -> Result<Option<&Tensor>, OperatorError> {
        match self.inputs.get(index) {
            Some(Some(Value::Tensor(tensor))) => Ok(Some(tensor)),
            None | Some(None) => Ok(None),
            Some(Some(_)) => Err(OperatorError::new(format!("input {index} is not a tensor"))),
        }
    }

    pub(super) fn value(&self, index: usize) -> Result<Value, OperatorError> {
        let value = self.inputs.get(index).cloned().flatten();
        value.ok_or_else(|| OperatorError::new(format!("input {index} is missing")))
    }

    /// All inputs, each of which must be a tensor.
    pub(super) fn tensors(&self) -> Result<Vec<&Tensor>, OperatorError> {
        (0..self.inputs.len()).map(|index| self.tensor(index)).collect()
    }

    /// The integers of an optional input.
    pub(super) fn indices(&self, index: usize) -> Result<Option<Vec<i64>>, OperatorError> {
        self.maybe(index)?.map(value::indices).transpose()
    }

    /// The integers of what is an attribute in older versions of an operator and an input in newer
    /// ones.
    pub(super) fn ints_or(
        &self,
        name: &str,
        index: usize,
    ) -> Result<Option<Vec<i64>>, OperatorError> {
        match self.ints(name) {
            Some(ints) => Ok(Some(ints.to_vec())),
            None => self.indices(index),
        }
    }

    /// Deducts work from the budget: the product of these factors, in multiplications.
    pub(super) fn spend(&self, factors: &[usize]) -> Result<(), OperatorError> {
        let work = factors.iter().fold(1, |all: u64, factor| all.saturating_mul(*factor as u64));
        let left = self.run.budget.get().checked_sub(work);
        self.run.budget.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(|| OperatorError::new("it takes more work than was allowed"))
    }
}
