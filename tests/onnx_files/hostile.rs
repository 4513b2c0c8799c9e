//! Files whose sizes would exhaust memory or time are refused by name, or run within bounds.

use modelgate::{
    Model,
    onnx::{Classifier, Graph, LoadError},
    tensor::{Data, Tensor, Tensors},
};
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto};

use crate::write::{self, floats, int, integers, node, value};

fn refused(bytes: &[u8]) -> LoadError {
    let error = Graph::builder().graph_from_bytes(bytes).unwrap_err();
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() < 1_000, "{text}");
    error
}

/// Asserts that a file is refused as every kind of model.
fn refused_by_all(bytes: &[u8]) {
    let loader = Classifier::builder();
    assert!(loader.graph_from_bytes(bytes).is_err());
    assert!(loader.from_bytes(bytes).is_err());
    assert!(loader.clone().features(8).from_bytes(bytes).is_err());
    assert!(loader.regressor_from_bytes(bytes).is_err());
    assert!(loader.text_from_bytes(bytes).is_err());
}

#[test]
fn an_axis_of_size_0_does_not_hide_the_sizes_of_the_others() {
    for shape in [["0", "2147483648"], ["1099511627776", "0"], ["67108865", "1"]] {
        let bytes = write::model(
            vec![node("Neg", &["x"], "y")],
            vec![value("x", &shape)],
            vec![value("y", &[])],
            vec![],
        );
        refused_by_all(&bytes);
        let LoadError::Shape { tensor, found, expected } = refused(&bytes) else {
            panic!("no error of shape");
        };
        assert_eq!(&*tensor, "x");
        assert!(found.contains(shape[0]), "{found}");
        assert!(expected.contains("2^26"), "{expected}");
    }
}

#[test]
fn small_constants_that_broadcast_to_a_large_one_are_refused() {
    let long = vec![0.0; 8192];
    let bytes = write::model(
        vec![
            node("Add", &["a", "b"], "ab"),
            node("Mul", &["ab", "c"], "abc"),
            node("Add", &["x", "abc"], "y"),
        ],
        vec![value("x", &["N", "1"])],
        vec![value("y", &[])],
        vec![
            floats("a", &[8192, 1, 1], &long),
            floats("b", &[1, 8192, 1], &long),
            floats("c", &[1, 1, 8192], &long),
        ],
    );
    let error = refused(&bytes).to_string();
    assert!(error.contains("`abc` (Mul)") && error.contains("2^26"), "{error}");
}

#[test]
fn the_values_that_a_graph_computes_from_its_inputs_are_bounded() {
    let long = vec![0.0; 65_536];
    let bytes = write::model(
        vec![node("Add", &["x", "a"], "xa"), node("Add", &["xa", "b"], "y")],
        vec![value("x", &["N", "1", "1"])],
        vec![value("y", &[])],
        vec![floats("a", &[65_536, 1], &long), floats("b", &[65_536], &long)],
    );
    let error = refused(&bytes);
    let LoadError::Engine { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().contains("2^28"), "{source}");
}

#[test]
fn a_convolution_without_output_channels_visits_no_positions() {
    let bytes = write::model(
        vec![node("Conv", &["x", "w"], "y")],
        vec![value("x", &["0", "1", "1048576", "64"])],
        vec![value("y", &[])],
        vec![floats("w", &[0, 1, 1, 1], &[])],
    );
    // Either result will do; the call has to end, with little memory.
    let _ = Graph::builder().graph_from_bytes(&bytes);
}

#[test]
fn results_of_excessive_size_are_refused_by_the_operators_names() {
    let huge = integers("size", &[1 << 20, 1 << 20]);
    let output = || vec![value("y", &[])];
    let cases: Vec<(NodeProto, Vec<TensorProto>)> = vec![
        (node("ConstantOfShape", &["size"], "y"), vec![huge.clone()]),
        (node("Expand", &["x", "size"], "y"), vec![huge.clone()]),
        (node("Tile", &["x", "size"], "y"), vec![huge]),
    ];
    let listed = NodeProto {
        attribute: vec![write::ints("value_ints", &[1 << 20, 1 << 20])],
        ..node("Constant", &[], "size")
    };
    for (node, initializers) in cases {
        let operator = node.op_type.clone();
        let x = || vec![value("x", &["N", "2"])];
        let with_list = write::model(vec![listed.clone(), node.clone()], x(), output(), vec![]);
        let bytes = write::model(vec![node], x(), output(), initializers);
        for bytes in [bytes, with_list] {
            let error = refused(&bytes).to_string();
            assert!(error.contains(&operator) && error.contains("2^26"), "{error}");
        }
    }
}

fn graph(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: 5, g: Some(graph), ..AttributeProto::default() }
}

fn of_type(mut value: ValueInfoProto, elements: i32) -> ValueInfoProto {
    use tract_onnx::pb::type_proto::Value as Type;
    let r#type = value.r#type.as_mut().and_then(|r#type| r#type.value.as_mut());
    if let Some(Type::TensorType(tensor)) = r#type {
        tensor.elem_type = elements;
    }
    value
}

/// A loop of ten iterations within a loop of ten iterations, and so on.
fn loops(depth: usize, output: &str) -> NodeProto {
    let named = |name: &str| format!("{output}{name}");
    let inner = match depth {
        0 => node("Identity", &["x"], &named("o")),
        depth => loops(depth - 1, &named("o")),
    };
    let body = GraphProto {
        name: named("body"),
        node: vec![inner, node("Identity", &[&named("go")], &named("on"))],
        input: vec![
            of_type(value(&named("i"), &[]), 7),
            of_type(value(&named("go"), &[]), 9),
            value(&named("v"), &[""]),
        ],
        output: vec![of_type(value(&named("on"), &[]), 9), value(&named("o"), &[""])],
        ..GraphProto::default()
    };
    NodeProto { attribute: vec![graph("body", body)], ..node("Loop", &["ten", "", "x"], output) }
}

#[test]
fn loading_a_model_of_nested_loops_takes_bounded_work() {
    let bytes = write::model(
        vec![loops(9, "y")],
        vec![value("x", &["N", "2"])],
        vec![value("y", &["N", "2"])],
        vec![integers("ten", &[10])],
    );
    // Loading must not run the ten thousand million iterations.
    let _ = Graph::builder().graph_from_bytes(&bytes);
}

#[test]
fn a_model_of_nested_ifs_is_loaded() {
    fn choice(depth: usize, output: &str) -> NodeProto {
        let branch = |name: &str, made: NodeProto| {
            let output = value(&made.output[0], &[]);
            graph(
                name,
                GraphProto {
                    name: name.into(),
                    node: vec![made],
                    output: vec![output],
                    ..GraphProto::default()
                },
            )
        };
        let then = match depth {
            0 => node("Identity", &["x"], &format!("{output}t")),
            depth => choice(depth - 1, &format!("{output}t")),
        };
        let otherwise = node("Neg", &["x"], &format!("{output}e"));
        NodeProto {
            attribute: vec![branch("then_branch", then), branch("else_branch", otherwise)],
            ..node("If", &["c"], output)
        }
    }
    let sum = NodeProto { attribute: vec![int("keepdims", 0)], ..node("ReduceSum", &["x"], "s") };
    let bytes = write::model(
        vec![sum, node("Greater", &["s", "zero"], "c"), choice(20, "y")],
        vec![value("x", &["N", "2"])],
        vec![value("y", &["N", "2"])],
        vec![floats("zero", &[], &[0.0])],
    );
    let model = Graph::builder().graph_from_bytes(&bytes).unwrap();
    for (row, expected) in [([1.0, 2.0], [1.0, 2.0]), ([-1.0, -2.0], [1.0, 2.0])] {
        let mut inputs = Tensors::new();
        inputs.insert("x", Tensor::new([1, 2], Data::F32(row.to_vec())).unwrap());
        let answer = model.predict(&inputs).unwrap();
        assert_eq!(answer.get("y").unwrap().data(), &Data::F32(expected.to_vec()));
    }
}
