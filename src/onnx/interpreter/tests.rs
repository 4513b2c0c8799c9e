//! Operators at the edges of their specifications, run one node at a time.

mod answers;
mod bounds;
mod refusals;

use std::cell::Cell;

use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto,
    TypeProto, ValueInfoProto,
    tensor_shape_proto::{Dimension, dimension::Value as Size},
    type_proto::{Tensor as TensorType, Value as Type},
};

use super::{Program, Unknown};
use crate::tensor::{Data, Tensor};

/// A node whose inputs are named `0`, `1` and so on.
fn node(operator: &str, attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto { op_type: operator.into(), attribute: attributes, ..NodeProto::default() }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 2, i, ..AttributeProto::default() }
}

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 7, ints: ints.into(), ..AttributeProto::default() }
}

fn word(name: &str, text: &str) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 3, s: text.into(), ..AttributeProto::default() }
}

fn words(name: &str, texts: &[&str]) -> AttributeProto {
    let strings = texts.iter().map(|text| (*text).into()).collect();
    AttributeProto { name: name.into(), r#type: 8, strings, ..AttributeProto::default() }
}

fn body(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 5, g: Some(graph), ..AttributeProto::default() }
}

/// The declaration of a value's element type and shape.
fn value(name: &str, elem_type: i32, shape: &[i64]) -> ValueInfoProto {
    let size =
        |size: &i64| Dimension { value: Some(Size::DimValue(*size)), ..Dimension::default() };
    let shape = Some(TensorShapeProto { dim: shape.iter().map(size).collect() });
    let value = Some(Type::TensorType(TensorType { elem_type, shape }));
    let r#type = Some(TypeProto { value, ..TypeProto::default() });
    ValueInfoProto { name: name.into(), r#type, ..ValueInfoProto::default() }
}

/// A node of a body.
fn step(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|name| (*name).into()).collect(),
        output: vec![output.into()],
        ..node(operator, vec![])
    }
}

/// Runs one node with this many outputs.
struct Asked {
    opset: i64,
    outputs: usize,
    budget: u64,
}

const ASKED: Asked = Asked { opset: 21, outputs: 1, budget: u64::MAX };

impl Asked {
    fn run(&self, mut node: NodeProto, inputs: &[Option<Tensor>]) -> Result<Vec<Tensor>, String> {
        let names: Vec<String> = (0..inputs.len()).map(|at| at.to_string()).collect();
        let name = |(name, input): (&String, &Option<Tensor>)| match input {
            Some(_) => name.clone(),
            None => String::new(),
        };
        node.input = names.iter().zip(inputs).map(name).collect();
        node.output = (0..self.outputs).map(|at| format!("out{at}")).collect();
        let outputs = node.output.clone();
        let set = |domain: &str, version| OperatorSetIdProto { domain: domain.into(), version };
        let model = ModelProto {
            opset_import: vec![set("", self.opset), set("com.microsoft", 1)],
            graph: Some(GraphProto { node: vec![node], ..GraphProto::default() }),
            ..ModelProto::default()
        };
        let given: Vec<&str> = (names.iter().zip(inputs))
            .filter(|(_, input)| input.is_some())
            .map(|(name, _)| &**name)
            .collect();
        let outputs: Vec<&str> = outputs.iter().map(|name| &**name).collect();
        let program = Program::new(&model, &given, &outputs)
            .map_err(|unknown: Unknown| format!("{unknown:?}"))?;
        let answer = program.run(inputs.iter().flatten(), &Cell::new(self.budget));
        answer.map_err(|error| format!("{error:?}"))
    }

    fn one(&self, node: NodeProto, inputs: &[Tensor]) -> Tensor {
        let inputs: Vec<Option<Tensor>> = inputs.iter().cloned().map(Some).collect();
        self.run(node, &inputs).unwrap().remove(0)
    }
}

/// The first output of a node, in a recent version of the operators.
fn one(node: NodeProto, inputs: &[Tensor]) -> Tensor {
    ASKED.one(node, inputs)
}

fn tensor(shape: &[usize], data: impl Into<Data>) -> Tensor {
    Tensor::new(shape, data.into()).unwrap()
}

/// A tensor with one axis.
fn list(data: impl Into<Data>) -> Tensor {
    Tensor::vector(data.into())
}

fn text(values: &[&str]) -> Tensor {
    list(values.iter().map(|value| Box::from(*value)).collect::<Vec<Box<str>>>())
}
