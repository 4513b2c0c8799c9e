//! An interpreter of ONNX graphs, written from the [specification of the operators]. Correctness
//! comes before speed.
//!
//! It runs what tract refuses (shapes that depend on values, strings, sequences, loops), and is the
//! reference that tract's answers are compared with when a graph is loaded. Floats are computed in 64
//! bits and integers in 128, then rounded or wrapped to the type that the specification demands.
//!
//! Indices are computed from shapes that have been checked. If one is out of range nevertheless,
//! the panic is caught where the program is called and becomes a model error.
//!
//! [specification of the operators]: https://onnx.ai/onnx/operators/
#![allow(clippy::indexing_slicing, clippy::needless_range_loop, clippy::type_complexity)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "sizes and indices, checked where they come from outside"
)]

mod attention;
mod call;
mod control;
mod convolution;
mod elementwise;
mod fourier;
mod gather;
mod indexing;
mod loss;
mod matrix;
mod normalization;
mod operators;
mod order;
mod parts;
mod pooling;
mod quantization;
mod recurrent;
mod reduction;
mod resize;
mod scatter;
mod selection;
mod sequences;
mod shapes;
mod signal;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, ValueInfoProto,
    tensor_shape_proto::dimension::Value as Size, type_proto::Value as Type,
};

use self::{
    call::Call,
    value::{OperatorError, Outcome, Value},
};
use crate::{
    model::ModelError,
    tensor::{Data, Dtype, Tensor},
};

/// A graph whose operators are all known, ready to be interpreted.
pub(super) struct Program {
    graph: Subgraph,
    /// The version of the standard operators.
    opset: i64,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

/// The model's graph, or the graph in an attribute of a node.
struct Subgraph {
    nodes: Vec<Step>,
    constants: HashMap<String, Value>,
}

struct Step {
    node: NodeProto,
    run: fn(&Call<'_>) -> Outcome,
    /// The graphs in the node's attributes.
    graphs: HashMap<String, Arc<Body>>,
    /// The values that no later step reads; they are freed after this one.
    last: Vec<String>,
}

/// The body of a loop or a branch.
struct Body {
    graph: Subgraph,
    inputs: Vec<String>,
    outputs: Vec<Declared>,
}

/// An output of a body.
struct Declared {
    name: String,
    /// Its element type and shape, if the body declares both. An axis without a fixed size has the
    /// size 0.
    empty: Option<(Dtype, Vec<usize>)>,
}

/// The first operator that cannot be interpreted, and the node that uses it.
#[derive(Debug)]
pub(super) struct Unknown {
    pub(super) domain: String,
    pub(super) operator: String,
    pub(super) node: String,
}

/// The work that the caller still allows, counted in multiplications.
pub(super) type Budget = Cell<u64>;

/// The work charged for each node in addition to that of its operator, because nested loops are
/// expensive however little each of their steps does.
const STEP: usize = 128;

/// The values by name, in a graph and in the graphs that enclose it.
struct Scope<'a> {
    outer: Option<&'a Scope<'a>>,
    constants: &'a HashMap<String, Value>,
    values: HashMap<String, Value>,
}

impl Scope<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        let own = self.values.get(name).or_else(|| self.constants.get(name));
        own.cloned().or_else(|| self.outer.and_then(|outer| outer.get(name)))
    }
}

/// The state that all nodes of a run share.
struct Run<'a> {
    opset: i64,
    budget: &'a Budget,
}

impl Program {
    /// Compiles a model's graph into a program that computes the given outputs.
    ///
    /// # Errors
    ///
    /// The first unknown operator or damaged initializer.
    pub(super) fn new(
        model: &ModelProto,
        inputs: &[&str],
        outputs: &[&str],
    ) -> Result<Program, Unknown> {
        let standard = model.opset_import.iter().filter(|known| is_standard(&known.domain));
        let opset = standard.map(|known| known.version).max().unwrap_or(1);
        let none = GraphProto::default();
        let wanted: Vec<String> = outputs.iter().map(|name| (*name).to_owned()).collect();
        let graph = Subgraph::new(model.graph.as_ref().unwrap_or(&none), &wanted, opset)?;
        let inputs = inputs.iter().map(|name| (*name).to_owned()).collect();
        Ok(Program { graph, opset, inputs, outputs: wanted })
    }

    /// Runs the program on one tensor per input, in the order of the inputs.
    pub(super) fn run<'t>(
        &self,
        inputs: impl Iterator<Item = &'t Tensor>,
        budget: &Budget,
    ) -> Result<Vec<Tensor>, ModelError> {
        let mut values = HashMap::new();
        for (name, tensor) in self.inputs.iter().zip(inputs) {
            if tensor.data().is_empty() {
                value::count(tensor.shape()).map_err(failed)?;
            }
            values.insert(name.clone(), Value::Tensor(Arc::new(tensor.clone())));
        }
        let mut scope = Scope { outer: None, constants: &self.graph.constants, values };
        let run = Run { opset: self.opset, budget };
        self.graph.run(&run, &mut scope).map_err(failed)?;
        let outputs = self.outputs.iter().map(|name| match scope.get(name) {
            Some(Value::Tensor(tensor)) => Ok((*tensor).clone()),
            Some(Value::Sequence(values)) => sequences::joined(&values).map_err(failed),
            _ => Err(ModelError::new(format!("output `{name}` is not a tensor"))),
        });
        outputs.collect()
    }
}

#[cold]
fn failed(fault: OperatorError) -> ModelError {
    ModelError::new(String::from(fault.0))
}

impl Body {
    fn new(proto: &GraphProto, opset: i64) -> Result<Body, Unknown> {
        let outputs: Vec<Declared> = proto.output.iter().map(Declared::new).collect();
        let names: Vec<String> = outputs.iter().map(|output| output.name.clone()).collect();
        let graph = Subgraph::new(proto, &names, opset)?;
        Ok(Body { graph, inputs: proto.input.iter().map(|i| i.name.clone()).collect(), outputs })
    }

    /// Runs the body with these values as its inputs.
    fn run(&self, call: &Call<'_>, inputs: Vec<Value>) -> Outcome {
        let values = self.inputs.iter().cloned().zip(inputs).collect();
        let mut scope = Scope { outer: Some(call.scope), constants: &self.graph.constants, values };
        self.graph.run(call.run, &mut scope)?;
        let outputs = self.outputs.iter().map(|output| {
            let name = &output.name;
            scope.get(name).ok_or_else(|| OperatorError::new(format!("nothing makes `{name}`")))
        });
        outputs.collect()
    }
}

impl Declared {
    fn new(output: &ValueInfoProto) -> Declared {
        let tensor = output.r#type.as_ref().and_then(|r#type| match r#type.value.as_ref()? {
            Type::TensorType(tensor) => Some(tensor),
        });
        let empty = tensor.and_then(|tensor| {
            let sizes = tensor.shape.as_ref()?.dim.iter().map(|axis| match axis.value {
                Some(Size::DimValue(size)) => usize::try_from(size).unwrap_or(0),
                _ => 0,
            });
            Some((value::dtype(tensor.elem_type.into()).ok()?, sizes.collect()))
        });
        Declared { name: output.name.clone(), empty }
    }
}

impl Subgraph {
    fn new(proto: &GraphProto, outputs: &[String], opset: i64) -> Result<Subgraph, Unknown> {
        let mut constants = HashMap::new();
        for tensor in &proto.initializer {
            let value = value::from_proto(tensor).map_err(|fault| Unknown {
                domain: "ai.onnx".to_owned(),
                operator: format!("initializer ({fault})"),
                node: tensor.name.clone(),
            })?;
            constants.insert(tensor.name.clone(), Value::Tensor(Arc::new(value)));
        }
        let mut nodes = Vec::with_capacity(proto.node.len());
        for node in order::sorted(&proto.node) {
            let unknown = || Unknown {
                domain: if node.domain.is_empty() { "ai.onnx" } else { &*node.domain }.to_owned(),
                operator: node.op_type.clone(),
                node: node.output.first().cloned().unwrap_or_default(),
            };
            // Before version 9 `Scan` had a batch axis, which is not implemented.
            let is_old = node.op_type == "Scan" && opset < 9;
            let run = operators::find(node).filter(|_| !is_old).ok_or_else(unknown)?;
            let mut graphs = HashMap::new();
            for attribute in &node.attribute {
                if let Some(graph) = &attribute.g {
                    graphs.insert(attribute.name.clone(), Arc::new(Body::new(graph, opset)?));
                }
            }
            let mut node = node.clone();
            node.attribute.iter_mut().for_each(|attribute| attribute.g = None);
            nodes.push(Step { node, run, graphs, last: Vec::new() });
        }
        let mut used: HashSet<String> = outputs.iter().cloned().collect();
        let mut inner: Vec<&GraphProto> = Vec::new();
        for attribute in proto.node.iter().flat_map(|node| &node.attribute) {
            inner.extend(&attribute.g);
        }
        // A body may run again, so the values that it reads are kept until the end.
        while let Some(graph) = inner.pop() {
            used.extend(graph.node.iter().flat_map(|node| node.input.iter().cloned()));
            used.extend(graph.output.iter().map(|output| output.name.clone()));
            inner.extend(graph.node.iter().flat_map(|n| &n.attribute).filter_map(|a| a.g.as_ref()));
        }
        for step in nodes.iter_mut().rev() {
            for name in step.node.input.iter().chain(&step.node.output) {
                if used.insert(name.clone()) {
                    step.last.push(name.clone());
                }
            }
        }
        Ok(Subgraph { nodes, constants })
    }

    fn run(&self, run: &Run<'_>, scope: &mut Scope<'_>) -> Result<(), OperatorError> {
        for step in &self.nodes {
            let node = &step.node;
            let mut inputs = Vec::with_capacity(node.input.len());
            for name in &node.input {
                inputs.push(match &**name {
                    "" => None,
                    name => Some(
                        scope
                            .get(name)
                            .ok_or_else(|| OperatorError::new(format!("nothing makes `{name}`")))?,
                    ),
                });
            }
            let call = Call { node, graphs: &step.graphs, inputs, scope, run };
            call.spend(&[STEP])?;
            let outputs = (step.run)(&call).map_err(|fault| {
                let name = node.output.first().map_or("", |name| &**name);
                OperatorError::new(format!("{} (`{name}`): {fault}", node.op_type))
            })?;
            for (name, value) in node.output.iter().zip(outputs) {
                if !name.is_empty() {
                    scope.values.insert(name.clone(), value);
                }
            }
            for name in &step.last {
                scope.values.remove(name);
            }
        }
        Ok(())
    }
}

/// Whether a node's operator is known.
pub(super) fn knows(node: &NodeProto) -> bool {
    operators::find(node).is_some()
}

fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}
