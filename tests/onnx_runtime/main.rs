//! ONNX Runtime behind the same models, options and errors as the engine in Rust.
#![cfg(feature = "ort")]

mod library;
#[cfg(feature = "onnx")]
mod verified;

use std::{path::PathBuf, sync::Arc, thread};

use modelgate::{
    Classification, Model,
    model::{Acceptance, ErrorKind, Label},
    onnx::{AxisSize, BatchAxis, LoadError, NonFiniteInput},
    tensor::{Dtype, Tensor, Tensors},
};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(format!("{name}.onnx"))
}

fn example(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/models").join(file)
}

fn rows(task: &str) -> Vec<Vec<f32>> {
    let text = std::fs::read_to_string(example(&format!("{task}_heldout.csv"))).unwrap();
    let row = |line: &str| {
        let mut values: Vec<f32> = line.split(',').map(|value| value.parse().unwrap()).collect();
        values.pop();
        values
    };
    text.lines().skip(1).map(row).collect()
}

fn expected(task: &str, version: &str) -> Vec<Classification> {
    let text = std::fs::read_to_string(example(&format!("{task}_expected.jsonl"))).unwrap();
    let scores = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        serde_json::from_value(line[version].clone()).unwrap()
    };
    text.lines().map(scores).collect()
}

#[test]
fn every_row_alone_and_in_batches_is_answered_as_expected() {
    let Some(runtime) = library::find() else { return };
    for (task, version) in
        [("digits", "v1"), ("digits", "v2"), ("breast_cancer", "v1"), ("breast_cancer", "v2")]
    {
        let (rows, expected) = (rows(task), expected(task, version));
        let borrowed: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        for batch in [BatchAxis::Automatic, BatchAxis::Pinned(7), BatchAxis::Symbolic] {
            let file = example(&format!("{task}_{version}.onnx"));
            let model = runtime.builder().batch(batch).load(file).unwrap();
            assert_eq!(model.classes(), expected[0].probabilities.len());
            let alone: Vec<_> = borrowed.iter().map(|row| model.predict(row)).collect();
            for answers in [alone, model.predict_batch(&borrowed)] {
                assert_eq!(answers.len(), expected.len());
                for (row, (expected, found)) in expected.iter().zip(answers).enumerate() {
                    let difference = Classification::within(1e-5)(expected, &found.unwrap());
                    assert_eq!(difference, Ok(()), "{task} {version} {batch:?} row {row}");
                }
            }
        }
    }
}

#[test]
fn golden_rows_admit_a_model_and_name_the_row_that_differs() {
    let Some(runtime) = library::find() else { return };
    let model = runtime.builder().load(example("digits_v2.onnx")).unwrap();
    let mut golden: Vec<_> =
        rows("digits").into_iter().zip(expected("digits", "v2")).take(20).collect();
    let acceptance = |golden: &[(Vec<f32>, Classification)]| {
        Acceptance::<[f32], Classification>::new()
            .golden(golden.to_vec(), Classification::within(1e-5))
    };
    acceptance(&golden).accept(&model).unwrap();
    golden[3].1.label = Label::Int(10);
    assert_eq!(acceptance(&golden).accept(&model).unwrap_err().golden_row(), Some(3));
}

#[test]
fn more_threads_than_sessions_are_all_answered() {
    let Some(runtime) = library::find() else { return };
    let model = runtime.sessions(2).builder().load(example("digits_v2.onnx")).unwrap();
    let rows = Arc::new(rows("digits"));
    let alone: Vec<Classification> = rows.iter().map(|row| model.predict(row).unwrap()).collect();
    let threads: Vec<_> = (0..6)
        .map(|thread| {
            let (model, rows, alone) = (model.clone(), Arc::clone(&rows), alone.clone());
            thread::spawn(move || {
                for step in 0..rows.len() {
                    let index = (step + thread * 71) % rows.len();
                    assert_eq!(model.predict(&rows[index]).unwrap(), alone[index], "row {index}");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn several_threads_for_one_call_give_the_same_answer() {
    let Some(runtime) = library::find() else { return };
    let file = example("digits_v2.onnx");
    let model = runtime.sessions(1).threads(2).builder().load(file).unwrap();
    for (row, expected) in rows("digits").iter().zip(expected("digits", "v2")).take(50) {
        assert_eq!(Classification::within(1e-5)(&expected, &model.predict(row).unwrap()), Ok(()));
    }
}

#[test]
fn the_file_says_the_same_schema_to_either_engine() {
    let Some(runtime) = library::find() else { return };
    let model = runtime.builder().load(fixture("zipmap")).unwrap();
    let sizes = model.outputs()[1].shape.clone();
    assert_eq!(model.outputs()[1].dtype, Some(Dtype::F32));
    assert_eq!(sizes, Some(vec![AxisSize::Free, AxisSize::Fixed(3)]));
    #[cfg(feature = "onnx")]
    for name in ["zipmap", "text_label", "unnamed_batch", "one_row_only", "two_inputs"] {
        let ours = modelgate::onnx::Graph::load(fixture(name)).unwrap();
        let theirs = runtime.builder().load_graph(fixture(name)).unwrap();
        assert_eq!(ours.inputs(), theirs.inputs(), "{name}");
        assert!(ours.outputs().eq(theirs.outputs()), "{name}");
        assert_eq!(ours.sha256(), theirs.sha256());
    }
}

#[test]
fn a_map_of_probabilities_comes_out_as_the_probabilities() {
    let Some(runtime) = library::find() else { return };
    let model = runtime.builder().load(fixture("zipmap")).unwrap();
    assert_eq!((model.input_len(), model.classes()), (2, 3));
    let alone = model.predict(&[1.0, 2.0]).unwrap();
    assert_eq!(alone.probabilities.len(), 3);
    let rows: [&[f32]; 2] = [&[1.0, 2.0], &[-1.0, 0.5]];
    assert_eq!(model.predict_batch(&rows)[0].as_ref().unwrap(), &alone);
    #[cfg(feature = "onnx")]
    for row in rows {
        let ours =
            modelgate::onnx::Classifier::load(fixture("zipmap")).unwrap().predict(row).unwrap();
        assert_eq!(Classification::within(1e-6)(&ours, &model.predict(row).unwrap()), Ok(()));
    }
}

#[test]
fn classes_with_names_are_answered_by_name() {
    let Some(runtime) = library::find() else { return };
    let model = runtime.builder().load(fixture("text_label")).unwrap();
    let label = model.predict(&vec![0.5; model.input_len()]).unwrap().label;
    assert!(matches!(label, Label::Text(_)), "{label}");
}

#[test]
fn a_file_for_one_row_serves_batches_row_by_row() {
    let Some(runtime) = library::find() else { return };
    let model = runtime.builder().load(fixture("one_row_only")).unwrap();
    assert!(!model.runs_batches());
    let row = vec![0.25; model.input_len()];
    let answers = model.predict_batch(&[&*row, &*row, &*row]);
    assert!(answers.iter().all(|answer| *answer.as_ref().unwrap() == model.predict(&row).unwrap()));
}

#[test]
fn a_graph_of_two_inputs_runs_and_checks_each() {
    let Some(runtime) = library::find() else { return };
    let graph = runtime.builder().load_graph(fixture("two_inputs")).unwrap();
    let names: Vec<String> = graph.inputs().iter().map(|input| input.name.to_string()).collect();
    let tensor = |values: Vec<f32>| Tensor::new([1, 2], values).unwrap();
    let inputs = Tensors::new()
        .with(&*names[0], tensor(vec![1.0, 2.0]))
        .with(&*names[1], tensor(vec![3.0, 4.0]));
    let outputs = graph.predict(&inputs).unwrap();
    assert_eq!(outputs.len(), graph.outputs().count());
    #[cfg(feature = "onnx")]
    {
        let ours = modelgate::onnx::Graph::load(fixture("two_inputs")).unwrap();
        assert_eq!(ours.predict(&inputs).unwrap(), outputs);
    }
    let missing = Tensors::new().with(&*names[0], tensor(vec![1.0, 2.0]));
    let error = graph.predict(&missing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let long = inputs.clone().with(&*names[1], Tensor::new([1, 3], vec![0.0_f32; 3]).unwrap());
    assert_eq!(graph.predict(&long).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_row_that_does_not_fit_is_refused_alone_and_names_its_feature() {
    let Some(runtime) = library::find() else { return };
    let model = runtime.builder().load(example("breast_cancer_v2.onnx")).unwrap();
    let good = rows("breast_cancer").remove(0);
    let mut bad = good.clone();
    bad[4] = f32::NAN;
    let answers = model.predict_batch(&[&good, &bad, &good[1..], &good]);
    assert_eq!(answers[0].as_ref().unwrap(), answers[3].as_ref().unwrap());
    let error = answers[1].as_ref().unwrap_err();
    assert_eq!(error.to_string(), "features[4]: found NaN, expected a finite number");
    let error = answers[2].as_ref().unwrap_err();
    assert_eq!(error.to_string(), "features: found 29 values, expected 30 values");
    let builder = runtime.builder().non_finite(NonFiniteInput::Missing);
    assert!(builder.load(example("breast_cancer_v2.onnx")).unwrap().predict(&bad).is_ok());
}

#[test]
fn what_cannot_serve_is_refused_with_the_same_errors() {
    let Some(runtime) = library::find() else { return };
    let pin = "0123456789abcdef".repeat(4);
    let error = runtime.builder().sha256(pin).load(fixture("zipmap")).unwrap_err();
    assert!(matches!(error, LoadError::PinMismatch { .. }), "{error}");
    let error = runtime.builder().from_bytes(b"hello, this is text").unwrap_err();
    assert!(matches!(error, LoadError::NotOnnx { .. }), "{error}");
    let error = runtime.builder().probabilities_output("no").load(fixture("zipmap")).unwrap_err();
    assert!(matches!(error, LoadError::NoSuchOutput { .. }), "{error}");
    let error = runtime.builder().load(fixture("two_inputs")).unwrap_err();
    assert!(matches!(error, LoadError::NoSuchInput { .. }), "{error}");
    let error = runtime.builder().load(fixture("unknown_features")).unwrap_err();
    assert!(matches!(error, LoadError::Shape { .. }), "{error}");
    let error = runtime.builder().load(fixture("one_score")).unwrap_err();
    assert!(matches!(error, LoadError::Shape { .. }), "{error}");
    let error = runtime.builder().load(fixture("foreign_domain")).unwrap_err();
    assert!(matches!(error, LoadError::Engine { step: "preparing the graph", .. }), "{error}");
}

#[test]
fn weights_in_another_file_are_refused() {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    struct Tensor {
        #[prost(string, tag = "8")]
        name: String,
        #[prost(int32, tag = "14")]
        location: i32,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Graph {
        #[prost(message, repeated, tag = "5")]
        initializers: Vec<Tensor>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Model {
        #[prost(message, optional, tag = "7")]
        graph: Option<Graph>,
    }

    let Some(runtime) = library::find() else { return };
    // A second graph in the file is joined with the first.
    let outside = Tensor { name: "weights".to_owned(), location: 1 };
    let model = Model { graph: Some(Graph { initializers: vec![outside] }) };
    let mut bytes = std::fs::read(fixture("zipmap")).unwrap();
    bytes.extend(model.encode_to_vec());
    let error = runtime.builder().from_bytes(&bytes).unwrap_err();
    assert!(matches!(&error, LoadError::ExternalData { tensor } if **tensor == *"weights"));
}

#[test]
fn a_damaged_file_is_refused_or_loads_but_never_panics() {
    let Some(runtime) = library::find() else { return };
    let runtime = runtime.sessions(1);
    let bytes = std::fs::read(fixture("zipmap")).unwrap();
    for end in (0..bytes.len()).step_by(3) {
        let _ = runtime.builder().from_bytes(&bytes[..end]);
    }
    let mut state = 7_u64;
    for _ in 0..200 {
        let mut damaged = bytes.clone();
        for _ in 0..2 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = (state >> 33) as usize % damaged.len();
            damaged[place] ^= 1 << (state >> 61);
        }
        if let Err(LoadError::Panicked { message, .. }) = runtime.builder().from_bytes(&damaged) {
            panic!("{message}");
        }
    }
}
