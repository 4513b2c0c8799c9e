//! The models that the engines are compared on, written as ONNX files.

use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
    tensor_shape_proto::{Dimension, dimension::Value as Size},
    type_proto::{Tensor as TensorType, Value as Type},
};

use prost::Message;

use crate::{
    file,
    tree_nodes::{self, Numbers, Tree},
};

/// A model: its file, and the shape of a row.
pub struct Model {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub row: Vec<usize>,
    pub label: Option<&'static str>,
    pub probabilities: &'static str,
    /// The engine in Rust has these operators, and not too slow a form of them.
    pub tract: bool,
}

impl Model {
    pub fn width(&self) -> usize {
        self.row.iter().product()
    }
}

pub fn all() -> Vec<Model> {
    vec![
        boosted("trees 100 x 4", 100, 4),
        boosted("trees 500 x 8", 500, 8),
        forest("forest 100 x 10"),
        linear("linear 30, 2 classes"),
        mlp("MLP 64-128-64-10"),
        cnn("CNN 28 x 28"),
    ]
}

const FEATURES: usize = 30;

fn fraction(numbers: &mut Numbers) -> f32 {
    numbers.next(1 << 20) as f32 / (1 << 20) as f32
}

/// Whole trees of this depth, split at random, whose leaves vote for one score, as boosting makes.
fn boosted(name: &'static str, count: usize, depth: u64) -> Model {
    fn tree(numbers: &mut Numbers, depth: u64) -> Tree {
        if depth == 0 {
            return tree_nodes::leaf(0, fraction(numbers) - 0.5);
        }
        let (feature, threshold) = (numbers.next(FEATURES as u64) as i64, fraction(numbers));
        let (yes, no) = (tree(numbers, depth - 1), tree(numbers, depth - 1));
        tree_nodes::split(feature, "BRANCH_LEQ", threshold, yes, no)
    }
    let mut numbers = Numbers(5);
    let trees: Vec<Tree> = (0..count).map(|_| tree(&mut numbers, depth)).collect();
    classifier(name, &trees, "LOGISTIC")
}

/// Trees of uneven depth whose leaves hold a share for each of three classes, as a forest has.
fn forest(name: &'static str) -> Model {
    const TREES: usize = 100;
    fn tree(numbers: &mut Numbers, depth: u64) -> Tree {
        if depth == 0 || (depth < 8 && numbers.next(5) == 0) {
            let shares = [0, 1, 2].map(|class| (class, fraction(numbers)));
            let sum: f32 = shares.iter().map(|(_, share)| share).sum();
            let share = |(class, share)| (class, share / sum / TREES as f32);
            return Tree::Leaf(shares.into_iter().map(share).collect());
        }
        let (feature, threshold) = (numbers.next(FEATURES as u64) as i64, fraction(numbers));
        let (yes, no) = (tree(numbers, depth - 1), tree(numbers, depth - 1));
        tree_nodes::split(feature, "BRANCH_LEQ", threshold, yes, no)
    }
    let mut numbers = Numbers(6);
    let trees: Vec<Tree> = (0..TREES).map(|_| tree(&mut numbers, 10)).collect();
    classifier(name, &trees, "NONE")
}

fn classifier(name: &'static str, trees: &[Tree], transform: &str) -> Model {
    let classes: &[i64] = if transform == "LOGISTIC" { &[0, 1] } else { &[0, 1, 2] };
    let node = tree_nodes::classifier(classes, trees).text("post_transform", transform);
    Model {
        name,
        bytes: written(&node),
        row: vec![FEATURES],
        label: Some("y0"),
        probabilities: "y1",
        tract: false,
    }
}

/// The file of a node, of the version in which ONNX Runtime knows these operators.
fn written(node: &file::Node) -> Vec<u8> {
    let bytes = node.file(&[file::rows(FEATURES, vec![0.0_f32; FEATURES])]);
    let mut model = ModelProto::decode(&*bytes).unwrap();
    for opset in model.opset_import.iter_mut().filter(|opset| opset.domain == "ai.onnx.ml") {
        opset.version = 3;
    }
    model.encode_to_vec()
}

fn linear(name: &'static str) -> Model {
    let mut numbers = Numbers(7);
    let weights: Vec<f32> = (0..2 * FEATURES).map(|_| fraction(&mut numbers) - 0.5).collect();
    let node = file::node("LinearClassifier")
        .floats("coefficients", &weights)
        .floats("intercepts", &[0.1, -0.1])
        .ints("classlabels_ints", &[0, 1])
        .text("post_transform", "SOFTMAX");
    Model {
        name,
        bytes: written(&node),
        row: vec![FEATURES],
        label: Some("y0"),
        probabilities: "y1",
        tract: true,
    }
}

/// A graph of standard operators, written node by node.
struct Graph {
    nodes: Vec<NodeProto>,
    weights: Vec<TensorProto>,
    numbers: Numbers,
    last: String,
}

impl Graph {
    fn new() -> Graph {
        let (nodes, weights) = Default::default();
        Graph { nodes, weights, numbers: Numbers(8), last: "x".to_owned() }
    }

    fn weights(&mut self, shape: &[usize]) -> String {
        let name = format!("w{}", self.weights.len());
        let count: usize = shape.iter().product();
        let spread = 2.0 / (count as f32 / *shape.last().unwrap() as f32).sqrt();
        self.weights.push(TensorProto {
            name: name.clone(),
            dims: shape.iter().map(|size| *size as i64).collect(),
            data_type: 1,
            float_data: (0..count).map(|_| (fraction(&mut self.numbers) - 0.5) * spread).collect(),
            ..TensorProto::default()
        });
        name
    }

    fn add(&mut self, operator: &str, weights: &[String], attributes: Vec<AttributeProto>) {
        let output = format!("t{}", self.nodes.len());
        let input = [std::slice::from_ref(&self.last), weights].concat();
        self.nodes.push(NodeProto {
            op_type: operator.into(),
            name: format!("{operator}{}", self.nodes.len()),
            input,
            output: vec![output.clone()],
            attribute: attributes,
            ..NodeProto::default()
        });
        self.last = output;
    }

    fn dense(&mut self, from: usize, to: usize) {
        let (matrix, bias) = (self.weights(&[from, to]), self.weights(&[to]));
        self.add("MatMul", &[matrix], vec![]);
        self.add("Add", &[bias], vec![]);
    }

    fn convolution(&mut self, from: usize, to: usize) {
        let (kernel, bias) = (self.weights(&[to, from, 3, 3]), self.weights(&[to]));
        let attributes = vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])];
        self.add("Conv", &[kernel, bias], attributes);
        self.add("Relu", &[], vec![]);
        let attributes = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
        self.add("MaxPool", &[], attributes);
    }

    fn model(mut self, name: &'static str, row: &[usize], classes: usize) -> Model {
        let axis = AttributeProto { name: "axis".into(), r#type: 2, i: -1, ..Default::default() };
        self.add("Softmax", &[], vec![axis]);
        self.nodes.last_mut().unwrap().output = vec!["probabilities".to_owned()];
        let graph = GraphProto {
            name: "graph".into(),
            input: vec![value("x", row)],
            output: vec![value("probabilities", &[classes])],
            node: self.nodes,
            initializer: self.weights,
            ..GraphProto::default()
        };
        let opset = OperatorSetIdProto { domain: String::new(), version: 17 };
        let model = ModelProto {
            ir_version: 8,
            opset_import: vec![opset],
            graph: Some(graph),
            ..ModelProto::default()
        };
        Model {
            name,
            bytes: model.encode_to_vec(),
            row: row.to_vec(),
            label: None,
            probabilities: "probabilities",
            tract: true,
        }
    }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 7, ints: values.into(), ..Default::default() }
}

fn value(name: &str, row: &[usize]) -> ValueInfoProto {
    let rows = Size::DimParam("rows".into());
    let sizes = row.iter().map(|size| Size::DimValue(*size as i64));
    let dim = std::iter::once(rows)
        .chain(sizes)
        .map(|value| Dimension { value: Some(value), ..Dimension::default() });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    let tensor = TensorType { elem_type: 1, shape };
    let value = TypeProto { value: Some(Type::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.into(), r#type: Some(value), ..ValueInfoProto::default() }
}

fn mlp(name: &'static str) -> Model {
    let mut graph = Graph::new();
    for (from, to) in [(64, 128), (128, 64)] {
        graph.dense(from, to);
        graph.add("Relu", &[], vec![]);
    }
    graph.dense(64, 10);
    graph.model(name, &[64], 10)
}

fn cnn(name: &'static str) -> Model {
    let mut graph = Graph::new();
    graph.convolution(1, 8);
    graph.convolution(8, 16);
    graph.add("Flatten", &[], vec![]);
    graph.dense(16 * 7 * 7, 10);
    graph.model(name, &[1, 28, 28], 10)
}
