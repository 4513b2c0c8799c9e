//! What a version on another machine answers, and what it refuses to start with.

use std::time::Duration;

use futures::executor::block_on;
use modelgate::{
    AsyncModel,
    model::Label,
    remote,
    tensor::{Dtype, Tensor, Tensors},
};
use modelgate_remote_tests::{StandIn, answer_of};
use serde_json::json;

fn builder(server: &StandIn) -> remote::Builder {
    // Long enough for a busy machine: what is late is not the matter here.
    remote::Classifier::builder(server.url(), "echo").deadline(Duration::from_secs(30))
}

/// Every sign, the smallest and the largest, and such as lie between two decimals.
const ODD: [f32; 3] = [f32::MIN_POSITIVE / 3.0, -0.0, 16_777_217.0];

#[test]
fn a_row_comes_back_as_it_was_in_json_and_as_bytes() {
    for server in [StandIn::start(), StandIn::binary()] {
        let model = block_on(builder(&server).connect()).unwrap();
        for row in [[0.1, 0.7, 0.2], ODD, [f32::MAX, f32::MIN, 1.0e-30]] {
            let scores = block_on(model.predict(&row)).unwrap();
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&scores.probabilities), bits(&row));
            assert_eq!(scores.label, Label::Int(answer_of(&row)));
        }
        assert_eq!(server.state().inferences, 3);
        assert_eq!(server.state().connections, 1, "one connection for all");
        assert_eq!((model.inputs().len(), model.outputs().len()), (1, 2));
    }
}

#[test]
fn bytes_are_sent_only_where_the_server_lists_them() {
    for (server, kind) in
        [(StandIn::start(), "application/json"), (StandIn::binary(), "application/octet-stream")]
    {
        let model = block_on(builder(&server).connect()).unwrap();
        block_on(model.predict(&[1.0, 2.0, 3.0])).unwrap();
        let head = server.state().last.0.to_lowercase();
        assert!(head.contains(&format!("content-type: {kind}")), "{head}");
        assert_eq!(head.contains("inference-header-content-length"), kind.ends_with("stream"));
    }
}

#[test]
fn a_batch_is_one_request_and_a_bad_row_fails_alone() {
    let server = StandIn::binary();
    let model = block_on(builder(&server).connect()).unwrap();
    let rows: [&[f32]; 4] = [&[0.9, 0.0, 0.1], &[1.0], &[0.0, f32::NAN, 0.0], &[0.1, 0.2, 0.7]];
    let answers = block_on(model.predict_batch(&rows));
    assert_eq!(answers[0].as_ref().unwrap().label, Label::Int(0));
    assert_eq!(
        answers[1].as_ref().unwrap_err().to_string(),
        "features: found 1 value, expected 3 values"
    );
    let error = answers[2].as_ref().unwrap_err();
    assert_eq!(error.to_string(), "features[1]: found NaN, expected a finite number");
    assert_eq!(answers[3].as_ref().unwrap().label, Label::Int(2));
    assert_eq!(server.state().inferences, 1);

    assert!(block_on(model.predict_batch(&[])).is_empty());
    assert!(block_on(model.predict_batch(&[&[1.0]]))[0].is_err());
    assert_eq!(server.state().inferences, 1);

    let split = block_on(builder(&server).max_rows(2).connect()).unwrap();
    let rows: Vec<[f32; 3]> = (0..5).map(|row| [row as f32, 2.0, 0.0]).collect();
    let rows: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
    let answers = block_on(split.predict_batch(&rows));
    assert_eq!(server.state().inferences, 4);
    for (answer, row) in answers.iter().zip(rows) {
        assert_eq!(answer.as_ref().unwrap().probabilities, row);
    }
}

#[test]
fn a_server_that_takes_a_fixed_number_of_rows_is_sent_as_many() {
    let server = StandIn::binary();
    server.state().model["inputs"][0]["shape"] = json!([2, 3]);
    let model = block_on(builder(&server).connect()).unwrap();
    let rows: Vec<[f32; 3]> = (0..3).map(|row| [row as f32, 1.5, 0.0]).collect();
    let rows: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
    let answers = block_on(model.predict_batch(&rows));
    assert_eq!(server.state().inferences, 2);
    for (answer, row) in answers.iter().zip(&rows) {
        assert_eq!(answer.as_ref().unwrap().probabilities, *row);
    }
    assert_eq!(block_on(model.predict(rows[2])).unwrap().probabilities, rows[2]);
}

#[test]
fn not_a_number_goes_where_bytes_go_and_only_when_allowed() {
    let row = [f32::NAN, f32::INFINITY, 0.0];
    let binary = StandIn::binary();
    let model = block_on(builder(&binary).allow_non_finite().connect()).unwrap();
    let scores = block_on(model.predict(&row)).unwrap();
    assert!(scores.probabilities[0].is_nan() && scores.probabilities[1].is_infinite());

    let json = StandIn::start();
    let model = block_on(builder(&json).allow_non_finite().connect()).unwrap();
    let error = block_on(model.predict(&row)).unwrap_err();
    assert!(error.is_invalid_input());
    let expected = "features[0]: found NaN, expected a finite number, as this server takes JSON";
    assert_eq!(error.to_string(), expected);
    assert_eq!(json.state().inferences, 0);
}

#[test]
fn a_model_that_is_not_as_expected_is_refused_by_name() {
    type Set = fn(remote::Builder) -> remote::Builder;
    type Change = fn(&mut serde_json::Value);
    let cases: [(Change, Set, &str); 11] = [
        (|m| m["name"] = json!("other"), |b| b, "name: found `other`, expected `echo`"),
        (|_| {}, |b| b.version("3"), "versions: found `2`, expected `3`"),
        (
            |m| m["inputs"][0]["datatype"] = json!("INT64"),
            |b| b,
            "inputs.rows: datatype: found INT64, expected FP32 or FP64",
        ),
        (
            |_| {},
            |b| b.features(4),
            "inputs.rows: shape: found [-1, 3], expected 4 values in a row",
        ),
        (
            |_| {},
            |b| b.classes(2),
            "outputs.probabilities: shape: found [-1, 3], expected [rows, classes] with 2 classes",
        ),
        (
            |_| {},
            |b| b.probabilities_output("scores"),
            "outputs: found `label`, `probabilities`, expected `scores`",
        ),
        (
            |_| {},
            |b| b.label_output("probabilities"),
            "outputs.probabilities: datatype: found FP32, expected INT64, INT32 or BYTES",
        ),
        (
            |_| {},
            |b| b.expect_input("rows", Dtype::F64, [None, Some(3)]),
            "inputs.rows: datatype: found FP32, expected FP64",
        ),
        (
            |_| {},
            |b| b.expect_output("probabilities", Dtype::F32, [None, Some(4)]),
            "outputs.probabilities: shape: found [-1, 3], expected [-1, 4]",
        ),
        (
            |m| m["inputs"] = json!([]),
            |b| b.input("x").expect_input("x", Dtype::F32, []),
            "inputs: found none, expected `x`",
        ),
        (|m| m["outputs"] = json!([]), |b| b, "outputs: found none, expected an output"),
    ];
    for (change, set, expected) in cases {
        let server = StandIn::start();
        change(&mut server.state().model);
        let error = block_on(set(builder(&server)).connect()).unwrap_err();
        assert!(matches!(error, remote::Error::Mismatch { .. }), "{error:?}");
        assert!(error.to_string().starts_with(expected), "found {error}, expected {expected}");
    }
}

#[test]
fn a_server_that_describes_nothing_is_believed() {
    let server = StandIn::start();
    server.state().model = json!({"name": "echo"});
    let model = builder(&server)
        .label_output("label")
        .probabilities_output("probabilities")
        .features(3)
        .classes(3);
    let model = block_on(model.connect()).unwrap();
    assert_eq!(block_on(model.predict(&[3.0, 2.0, 1.0])).unwrap().label, Label::Int(0));
}

#[test]
fn a_server_that_is_not_ready_is_no_start() {
    let server = StandIn::start();
    server.state().model_ready = false;
    let error = block_on(builder(&server).connect()).unwrap_err();
    assert_eq!(error.to_string(), "model is not ready: server says that the model is not");
    server.state().server_ready = false;
    let error = block_on(builder(&server).connect()).unwrap_err();
    assert_eq!(error.to_string(), "model is not ready: server says that it is not itself");
    server.state().gone = true;
    let error = block_on(builder(&server).version("2").connect()).unwrap_err();
    let expected = "server does not have model `echo` in version `2`: no model `echo` here";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let model = |url: &str| remote::Classifier::builder(url, "echo");
    let url = "http://127.0.0.1:1";
    for (builder, setting) in [
        (model("127.0.0.1"), "url: found `[a malformed URL]`"),
        (model("ftp://user:secret@host/"), "url: found `ftp://host`"),
        (remote::Classifier::builder(url, ".."), "model: found `..`"),
        (model(url).in_flight(0), "in_flight: found 0"),
        (model(url).deadline(Duration::ZERO), "deadline: found 0 s"),
        (model(url).max_rows(0), "max_rows: found 0"),
    ] {
        let error = builder.start().unwrap_err();
        assert!(error.to_string().starts_with(setting), "found {error}, expected {setting}");
    }
    let shown = format!("{:?}", model("http://user:secret@host/?key=secret").token("secret"));
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn a_token_and_a_version_go_with_every_request() {
    let server = StandIn::start();
    let model = builder(&server).token("of-the-tests").version("2");
    let model = block_on(model.connect()).unwrap();
    block_on(model.predict(&[1.0, 2.0, 3.0])).unwrap();
    let head = server.state().last.0.clone();
    assert!(head.starts_with("POST /v2/models/echo/versions/2/infer "), "{head}");
    assert!(head.contains("authorization: Bearer of-the-tests"), "{head}");
    assert!(!format!("{model:?}").contains("of-the-tests"));
}

#[test]
fn triton_is_told_how_long_it_has() {
    let server = StandIn::start();
    server.state().server["name"] = json!("triton");
    let model = block_on(builder(&server).deadline(Duration::from_secs(9)).connect()).unwrap();
    block_on(model.predict(&[1.0, 2.0, 3.0])).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&server.state().last.1).unwrap();
    let timeout = body["parameters"]["timeout"].as_u64().unwrap();
    assert!((1..=9_000_000).contains(&timeout), "{timeout}");
}

#[test]
fn a_graph_takes_and_gives_named_tensors() {
    for server in [StandIn::start(), StandIn::binary()] {
        let graph = block_on(builder(&server).connect_graph()).unwrap();
        let rows = Tensor::new([2, 3], vec![1.0_f32, 2.0, 3.0, 6.0, 5.0, 4.0]).unwrap();
        let inputs = Tensors::new().with("rows", rows.clone());
        let outputs = block_on(graph.predict(&inputs)).unwrap();
        assert_eq!(outputs.get("probabilities"), Some(&rows));
        assert_eq!(outputs.get("label").and_then(Tensor::as_i64), Some(&[2, 0][..]));

        let some = block_on(builder(&server).outputs(["label"]).connect_graph()).unwrap();
        assert_eq!(block_on(some.predict(&inputs)).unwrap().len(), 1);

        for (inputs, expected) in [
            (Tensors::new(), "inputs.rows: found nothing, expected a tensor rows: FP32[-1, 3]"),
            (
                Tensors::new().with("rows", Tensor::row(vec![1_i64])),
                "inputs.rows: found INT64, expected FP32",
            ),
            (
                Tensors::new().with("rows", Tensor::row(vec![1.0_f32])),
                "inputs.rows: found shape [1, 1], expected shape [-1, 3]",
            ),
            (
                inputs.clone().with("more", Tensor::row(vec![1.0_f32])),
                "inputs.more: found an unknown name",
            ),
        ] {
            let error = block_on(graph.predict(&inputs)).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
            assert!(error.is_invalid_input());
        }
    }
}
