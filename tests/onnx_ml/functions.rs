//! Functions that a file brings with it, and what is made of NaN beside the operators of ONNX-ML.

use modelgate::{
    onnx::{self, NonFiniteInput},
    tensor::Tensor,
};
use prost::Message;
use tract_onnx::pb::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
};

use crate::file::{assert_near, node, rows, standard};

fn call(domain: &str, operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    NodeProto {
        domain: domain.into(),
        op_type: operator.into(),
        input: owned(inputs),
        output: owned(outputs),
        ..NodeProto::default()
    }
}

fn function(name: &str, nodes: Vec<NodeProto>) -> FunctionProto {
    FunctionProto {
        domain: Some("mine".into()),
        name: Some(name.into()),
        input: vec!["a".into()],
        output: vec!["b".into()],
        node: nodes,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 18 }],
        ..FunctionProto::default()
    }
}

/// A file of a call of `Twice`, with these functions.
fn file(functions: Vec<FunctionProto>, attributes: Vec<AttributeProto>) -> Vec<u8> {
    let bytes = node("Binarizer").file(&[rows(2, vec![0.0_f32; 2])]);
    let mut model = ModelProto::decode(&*bytes).unwrap();
    let GraphProto { node, .. } = model.graph.as_mut().unwrap();
    let mut twice = call("mine", "Twice", &["x0"], &["y0"]);
    twice.attribute = attributes;
    *node = vec![twice];
    model.opset_import.push(OperatorSetIdProto { domain: "mine".into(), version: 1 });
    model.functions = functions;
    model.encode_to_vec()
}

fn run(file: &[u8], input: Tensor) -> Result<Tensor, String> {
    let graph =
        onnx::Classifier::builder().non_finite(NonFiniteInput::Allowed).graph_from_bytes(file);
    let graph = graph.map_err(|error| error.to_string())?;
    let inputs = [("x0", input)].into_iter().collect();
    let outputs = modelgate::Model::predict(&graph, &inputs).map_err(|error| error.to_string())?;
    Ok(outputs.get("y0").unwrap().clone())
}

/// Calls a function twice, so that the names inside of the calls must differ.
fn twice() -> FunctionProto {
    let mut calls =
        vec![call("mine", "Step", &["a"], &["c"]), call("mine", "Step", &["c"], &["b"])];
    for node in &mut calls {
        node.attribute = vec![reference("alpha", "slope")];
    }
    function("Twice", calls)
}

/// `LeakyRelu(x) - 1`, with the slope of the caller.
fn step() -> FunctionProto {
    let mut leaky = call("", "LeakyRelu", &["a"], &["inside"]);
    leaky.attribute = vec![reference("alpha", "alpha")];
    let one = AttributeProto {
        name: "value_float".into(),
        r#type: 1,
        f: 1.0,
        ..AttributeProto::default()
    };
    let mut constant = call("", "Constant", &[], &["one"]);
    constant.attribute = vec![one];
    function("Step", vec![leaky, constant, call("", "Sub", &["inside", "one"], &["b"])])
}

fn reference(name: &str, of: &str) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        ref_attr_name: of.into(),
        r#type: 1,
        ..AttributeProto::default()
    }
}

fn slope() -> AttributeProto {
    AttributeProto { name: "slope".into(), r#type: 1, f: 0.5, ..AttributeProto::default() }
}

#[test]
fn functions_of_a_file_are_put_in_the_place_of_their_calls() {
    let found = run(&file(vec![twice(), step()], vec![slope()]), rows(2, vec![4.0_f32, -2.0]));
    // 4 → 3 → 2; -2 → -1 - 1 = -2 → -2.
    assert_near(&found.unwrap(), &[2.0, -2.0]);
}

#[test]
fn a_call_without_an_attribute_that_its_function_needs_is_refused() {
    let error = run(&file(vec![twice(), step()], vec![]), rows(2, vec![0.0_f32; 2])).unwrap_err();
    assert!(error.contains("operator `Twice` of domain `mine`"), "{error}");
}

#[test]
fn functions_that_call_each_other_without_end_are_refused() {
    let circle = function("Twice", vec![call("mine", "Twice", &["a"], &["b"])]);
    let error = run(&file(vec![circle], vec![]), rows(2, vec![0.0_f32; 2])).unwrap_err();
    assert!(error.contains("without end"), "{error}");
    // Each calls the next ten times: 10^12 nodes.
    let names: Vec<String> = (0..12)
        .map(|depth| if depth == 0 { "Twice".into() } else { format!("F{depth}") })
        .collect();
    let many = (0..12).map(|depth| {
        let next = names.get(depth + 1).map_or("Identity", |name| &**name);
        let domain = if depth == 11 { "" } else { "mine" };
        function(&names[depth], (0..10).map(|_| call(domain, next, &["a"], &["b"])).collect())
    });
    let error = run(&file(many.collect(), vec![]), rows(2, vec![0.0_f32; 2])).unwrap_err();
    assert!(error.contains("too often"), "{error}");
}

#[test]
fn nan_stays_nan_where_rows_may_hold_it() {
    let nan = || rows(3, vec![f32::NAN, -1.0, 1.0]);
    assert_near(&standard("Relu").one(nan()), &[f32::NAN, 0.0, 1.0]);
    assert_near(&standard("Tanh").one(nan()), &[f32::NAN, -0.761_594_2, 0.761_594_2]);
    assert_near(&standard("Sigmoid").one(nan()), &[f32::NAN, 0.268_941_4, 0.731_058_6]);
    let others = rows(3, vec![0.0_f32, f32::NAN, 0.5]);
    for operator in ["Max", "Min"] {
        let found = standard(operator).run(&[nan(), others.clone()]).remove(0);
        let third = if operator == "Max" { 1.0 } else { 0.5 };
        assert_near(&found, &[f32::NAN, f32::NAN, third]);
    }
    let found = standard("Relu").one(rows(2, vec![f64::NAN, -1.0]));
    assert!(matches!(found.as_f64(), Some([first, 0.0]) if first.is_nan()));
}
