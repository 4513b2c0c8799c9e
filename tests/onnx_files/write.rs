//! Builds small ONNX files.

use prost::Message;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    tensor_shape_proto::{Dimension, dimension::Value as Size},
    type_proto::{Tensor as TensorType, Value as Type},
};

pub fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: operator.into(),
        name: output.into(),
        input: inputs.iter().map(|name| (*name).into()).collect(),
        output: vec![output.into()],
        ..NodeProto::default()
    }
}

pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: 7,
        ints: values.into(),
        ..AttributeProto::default()
    }
}

pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 2, i: value, ..AttributeProto::default() }
}

/// A tensor of 32-bit floats with these axes, each a size or a name.
pub fn value(name: &str, axes: &[&str]) -> ValueInfoProto {
    let dim = axes.iter().map(|axis| Dimension {
        value: match axis.parse() {
            Ok(size) => Some(Size::DimValue(size)),
            Err(_) if axis.is_empty() => None,
            Err(_) => Some(Size::DimParam((*axis).into())),
        },
        ..Dimension::default()
    });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(Type::TensorType(TensorType { elem_type: 1, shape })),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

pub fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: dims.into(),
        data_type: 1,
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

pub fn integers(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: 7,
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

/// The same tensor with external data, at the location that these entries give.
pub fn elsewhere(tensor: &TensorProto, entries: &[(&str, &str)]) -> TensorProto {
    let entry = |(key, value): &(&str, &str)| StringStringEntryProto {
        key: (*key).into(),
        value: (*value).into(),
    };
    TensorProto {
        raw_data: Vec::new(),
        external_data: entries.iter().map(entry).collect(),
        data_location: Some(1),
        ..tensor.clone()
    }
}

pub fn model(
    nodes: Vec<NodeProto>,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    initializers: Vec<TensorProto>,
) -> Vec<u8> {
    let graph = GraphProto {
        name: "graph".into(),
        node: nodes,
        input: inputs,
        output: outputs,
        initializer: initializers,
        ..GraphProto::default()
    };
    let opset = OperatorSetIdProto { domain: String::new(), version: 17 };
    let model = ModelProto {
        ir_version: 8,
        opset_import: vec![opset],
        graph: Some(graph),
        ..ModelProto::default()
    };
    model.encode_to_vec()
}
