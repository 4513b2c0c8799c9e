//! Networks of random weights, written as ONNX.

use modelgate::onnx;
use prost::Message;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
    tensor_shape_proto::{Dimension, dimension::Value as Size},
    type_proto::{Tensor as TensorType, Value as Type},
};

/// As many values, always the same for a seed, from -0.5 to 0.5.
pub fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[derive(Default)]
struct Network {
    nodes: Vec<NodeProto>,
    weights: Vec<TensorProto>,
}

impl Network {
    fn weight(&mut self, shape: &[i64]) -> String {
        let count = shape.iter().product::<i64>() as usize;
        let name = format!("w{}", self.weights.len());
        // Small enough for the sums of a layer to stay near one.
        let scale = 2.0 / (count as f32 / shape[0] as f32).sqrt();
        self.weights.push(TensorProto {
            name: name.clone(),
            dims: shape.into(),
            data_type: 1,
            float_data: values(count, self.weights.len() as u64 + 1)
                .into_iter()
                .map(|value| value * scale)
                .collect(),
            ..TensorProto::default()
        });
        name
    }

    fn node(mut self, operator: &str, weights: &[&[i64]], lists: &[(&str, &[i64])]) -> Network {
        let mut input = vec![match self.nodes.len() {
            0 => "input".to_owned(),
            count => format!("t{count}"),
        }];
        input.extend(weights.iter().map(|shape| self.weight(shape)).collect::<Vec<_>>());
        let attribute = lists.iter().map(|(name, ints)| AttributeProto {
            name: (*name).into(),
            r#type: 7,
            ints: ints.to_vec(),
            ..AttributeProto::default()
        });
        self.nodes.push(NodeProto {
            name: format!("n{}", self.nodes.len()),
            op_type: operator.into(),
            input,
            output: vec![format!("t{}", self.nodes.len() + 1)],
            attribute: attribute.collect(),
            ..NodeProto::default()
        });
        self
    }

    fn file(mut self, row: &[i64], classes: i64) -> Vec<u8> {
        if let Some(last) = self.nodes.last_mut() {
            last.output = vec!["probabilities".into()];
        }
        let value = |name: &str, row: &[i64]| {
            let rows = Size::DimParam("rows".into());
            let sizes = std::iter::once(rows).chain(row.iter().map(|size| Size::DimValue(*size)));
            let dim = sizes.map(|size| Dimension { value: Some(size), ..Dimension::default() });
            let shape = Some(TensorShapeProto { dim: dim.collect() });
            let tensor = Type::TensorType(TensorType { elem_type: 1, shape });
            ValueInfoProto {
                name: name.into(),
                r#type: Some(TypeProto { value: Some(tensor), ..TypeProto::default() }),
                ..ValueInfoProto::default()
            }
        };
        let graph = GraphProto {
            name: "network".into(),
            node: self.nodes,
            initializer: self.weights,
            input: vec![value("input", row)],
            output: vec![value("probabilities", &[classes])],
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
}

/// Two hidden layers of this width, ten classes.
pub fn mlp(inputs: i64, width: i64) -> Vec<u8> {
    Network::default()
        .node("MatMul", &[&[inputs, width]], &[])
        .node("Relu", &[], &[])
        .node("MatMul", &[&[width, width]], &[])
        .node("Relu", &[], &[])
        .node("MatMul", &[&[width, 10]], &[])
        .node("Softmax", &[], &[])
        .file(&[inputs], 10)
}

/// Two convolutions over images of 16 by 16, ten classes.
pub fn cnn() -> Vec<u8> {
    Network::default()
        .node("Conv", &[&[8, 1, 3, 3]], &[("kernel_shape", &[3, 3])])
        .node("Relu", &[], &[])
        .node("MaxPool", &[], &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])])
        .node("Conv", &[&[16, 8, 3, 3]], &[("kernel_shape", &[3, 3])])
        .node("Relu", &[], &[])
        .node("GlobalAveragePool", &[], &[])
        .node("Flatten", &[], &[])
        .node("MatMul", &[&[16, 10]], &[])
        .node("Softmax", &[], &[])
        .file(&[1, 16, 16], 10)
}

/// The network, which runs batches at once.
pub fn load(file: &[u8]) -> onnx::Classifier {
    let model = onnx::Classifier::from_bytes(file).unwrap();
    assert!(model.runs_batches());
    model
}
