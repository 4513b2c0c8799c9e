//! ONNX files of one node, written and run.

use modelgate::{
    Model, ModelError,
    onnx::{self, LoadError, NonFiniteInput},
    tensor::{Data, Dtype, Tensor, Tensors},
};
use prost::Message;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
    tensor_shape_proto::{Dimension, dimension::Value as Size},
    type_proto::{Tensor as TensorType, Value as Type},
};

/// A node being written.
#[derive(Clone)]
pub struct Node(NodeProto);

pub fn node(operator: &str) -> Node {
    let outputs = if operator.ends_with("Classifier") { 2 } else { 1 };
    Node(NodeProto {
        name: "node".into(),
        op_type: operator.into(),
        domain: "ai.onnx.ml".into(),
        output: (0..outputs).map(|place| format!("y{place}")).collect(),
        ..NodeProto::default()
    })
}

/// A node of the standard operators.
pub fn standard(operator: &str) -> Node {
    let mut node = node(operator);
    node.0.domain.clear();
    node
}

impl Node {
    pub fn with(mut self, name: &str, kind: i32, attribute: AttributeProto) -> Node {
        self.0.attribute.retain(|known| known.name != name);
        self.0.attribute.push(AttributeProto { name: name.into(), r#type: kind, ..attribute });
        self
    }

    pub fn float(self, name: &str, value: f32) -> Node {
        self.with(name, 1, AttributeProto { f: value, ..AttributeProto::default() })
    }

    pub fn int(self, name: &str, value: i64) -> Node {
        self.with(name, 2, AttributeProto { i: value, ..AttributeProto::default() })
    }

    pub fn text(self, name: &str, value: &str) -> Node {
        self.with(name, 3, AttributeProto { s: value.into(), ..AttributeProto::default() })
    }

    pub fn floats(self, name: &str, values: &[f32]) -> Node {
        self.with(name, 6, AttributeProto { floats: values.into(), ..AttributeProto::default() })
    }

    pub fn ints(self, name: &str, values: &[i64]) -> Node {
        self.with(name, 7, AttributeProto { ints: values.into(), ..AttributeProto::default() })
    }

    pub fn texts(self, name: &str, values: &[&str]) -> Node {
        let strings = values.iter().map(|text| text.as_bytes().to_vec()).collect();
        self.with(name, 8, AttributeProto { strings, ..AttributeProto::default() })
    }

    pub fn tensor(self, name: &str, tensor: TensorProto) -> Node {
        self.with(name, 4, AttributeProto { t: Some(tensor), ..AttributeProto::default() })
    }

    /// The output of this place is left out.
    pub fn without_output(mut self, place: usize) -> Node {
        self.0.output[place].clear();
        self
    }

    /// The file, for inputs of these types and shapes (but for the number of rows).
    pub fn file(&self, inputs: &[Tensor]) -> Vec<u8> {
        let names: Vec<String> = (0..inputs.len()).map(|place| format!("x{place}")).collect();
        let node = NodeProto { input: names.clone(), ..self.0.clone() };
        let value = |name: &str, r#type: Option<TypeProto>| ValueInfoProto {
            name: name.into(),
            r#type,
            ..ValueInfoProto::default()
        };
        let outputs = node.output.iter().filter(|name| !name.is_empty());
        let graph = GraphProto {
            name: "graph".into(),
            input: names
                .iter()
                .zip(inputs)
                .map(|(n, tensor)| value(n, Some(type_of(tensor))))
                .collect(),
            output: outputs.map(|name| value(name, None)).collect(),
            node: vec![node],
            ..GraphProto::default()
        };
        let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.into(), version };
        let model = ModelProto {
            ir_version: 8,
            opset_import: vec![opset("", 17), opset("ai.onnx.ml", 5)],
            graph: Some(graph),
            ..ModelProto::default()
        };
        model.encode_to_vec()
    }

    pub fn load(&self, inputs: &[Tensor]) -> Result<onnx::Graph, LoadError> {
        onnx::Classifier::builder()
            .non_finite(NonFiniteInput::Allowed)
            .graph_from_bytes(&self.file(inputs))
    }

    /// The outputs for these inputs.
    pub fn try_run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, ModelError> {
        let graph =
            self.load(inputs).unwrap_or_else(|error| panic!("{error}: {:?}", source(&error)));
        let named = inputs.iter().cloned().enumerate().map(|(place, x)| (format!("x{place}"), x));
        let outputs = graph.predict(&named.collect::<Tensors>())?;
        Ok(outputs.iter().map(|(_, tensor)| tensor.clone()).collect())
    }

    pub fn run(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        self.try_run(inputs).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The only output for one input.
    pub fn one(&self, input: Tensor) -> Tensor {
        self.run(&[input]).remove(0)
    }

    /// Why the file is refused.
    pub fn refused(&self, inputs: &[Tensor]) -> String {
        let error = self.load(inputs).unwrap_err();
        format!("{error} {}", source(&error))
    }
}

fn source(error: &LoadError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

fn type_of(tensor: &Tensor) -> TypeProto {
    let elem_type = match tensor.dtype() {
        Dtype::F32 => 1,
        Dtype::I32 => 6,
        Dtype::I64 => 7,
        Dtype::Text => 8,
        Dtype::F64 => 11,
        other => panic!("{other}"),
    };
    let rows = tensor.shape().len() > 1;
    let dim = tensor.shape().iter().enumerate().map(|(axis, size)| Dimension {
        value: Some(match axis {
            0 if rows => Size::DimParam("rows".into()),
            _ => Size::DimValue(i64::try_from(*size).unwrap()),
        }),
        ..Dimension::default()
    });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    TypeProto {
        value: Some(Type::TensorType(TensorType { elem_type, shape })),
        ..TypeProto::default()
    }
}

/// Rows of this many values.
pub fn rows(width: usize, values: impl Into<Data>) -> Tensor {
    let values = values.into();
    Tensor::new([values.len() / width, width], values).unwrap()
}

pub fn texts(values: &[&str]) -> Vec<Box<str>> {
    values.iter().map(|text| (*text).into()).collect()
}

pub fn f64s(values: &[f64]) -> TensorProto {
    TensorProto {
        dims: vec![i64::try_from(values.len()).unwrap()],
        data_type: 11,
        double_data: values.into(),
        ..TensorProto::default()
    }
}

/// 32-bit floats, as raw bytes: both ways of keeping numbers are read.
pub fn f32s(values: &[f32]) -> TensorProto {
    TensorProto {
        dims: vec![i64::try_from(values.len()).unwrap()],
        data_type: 1,
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

pub fn u8s(values: &[u8]) -> TensorProto {
    TensorProto {
        dims: vec![i64::try_from(values.len()).unwrap()],
        data_type: 2,
        raw_data: values.into(),
        ..TensorProto::default()
    }
}

#[track_caller]
pub fn assert_near(found: &Tensor, expected: &[f32]) {
    let found = found.as_f32().unwrap();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (one, other) in found.iter().zip(expected) {
        let near = (one - other).abs() <= 1e-6 + 1e-6 * other.abs();
        assert!(near || one == other || (one.is_nan() && other.is_nan()), "{found:?} {expected:?}");
    }
}
