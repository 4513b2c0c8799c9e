//! Files that cannot serve are refused when they are loaded, with an error that says what to do.
use std::{error::Error, path::PathBuf};

use modelgate::{
    Model,
    model::{ErrorKind, Label},
    onnx::{self, AxisSize, BatchAxis, LoadError, NonFiniteInput},
    tensor::{Dtype, Tensor, Tensors},
};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(format!("{name}.onnx"))
}

fn digits() -> Vec<u8> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/models/digits_v1.onnx");
    std::fs::read(file).unwrap()
}

fn refused(name: &str) -> LoadError {
    onnx::Classifier::load(fixture(name)).unwrap_err()
}

#[test]
fn a_missing_file_is_named() {
    let error = onnx::Classifier::load("no/such/file.onnx").unwrap_err();
    assert!(matches!(error, LoadError::Io { .. }));
    assert_eq!(error.to_string(), "no/such/file.onnx could not be read");
    assert!(error.source().is_some());
}

#[test]
fn a_file_other_than_the_pinned_one_is_refused() {
    let pin = "0123456789abcdef".repeat(4);
    let error = onnx::Classifier::builder().sha256(pin.clone()).from_bytes(&digits()).unwrap_err();
    match &error {
        LoadError::PinMismatch { found, expected } => {
            assert_eq!(**expected, *pin);
            assert_eq!(
                **found,
                *"fcccee1e835a08ae09c091d9dc27fe37b0809031c582e118bf16847514d72d0a"
            );
        }
        other => panic!("{other}"),
    }
    let error = onnx::Classifier::builder().sha256("abc").from_bytes(&digits()).unwrap_err();
    assert_eq!(error.to_string(), "sha256: found 3 characters, expected 64 hexadecimal digits");
}

#[test]
fn a_file_larger_than_allowed_is_not_read() {
    let error =
        onnx::Classifier::builder().max_file_bytes(100).load(fixture("unnamed_batch")).unwrap_err();
    assert_eq!(error.to_string(), "model file: found 219 bytes, expected at most 100 bytes");
}

#[test]
fn a_file_that_is_not_onnx_is_refused() {
    let zip: &[u8] = b"PK\x03\x04 a zip archive";
    for bytes in [&b""[..], b"\x00", b"hello, this is text", br#"{"json": true}"#, zip, &[0xff; 99]]
    {
        let error = onnx::Classifier::from_bytes(bytes).unwrap_err();
        assert!(matches!(error, LoadError::NotOnnx { .. }), "{bytes:?}: {error}");
    }
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let whole = digits();
    for length in (0..whole.len()).step_by(61).chain([whole.len() - 1]) {
        let error = onnx::Classifier::from_bytes(&whole[..length]);
        assert!(error.is_err(), "{length} of {} bytes were taken for a model", whole.len());
    }
}

#[test]
fn a_damaged_file_is_refused_or_loads_but_never_panics() {
    let whole = digits();
    for place in (0..whole.len()).step_by(23) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x5a;
        if let Ok(model) = onnx::Classifier::from_bytes(&damaged) {
            let _ = model.predict(&vec![1.0; model.input_len()]);
        }
    }
}

#[test]
fn an_operator_that_is_missing_is_named_with_what_to_do() {
    let mut bytes = std::fs::read(fixture("zipmap")).unwrap();
    let place = bytes.windows(6).position(|window| window == b"ZipMap").unwrap();
    bytes[place..place + 6].copy_from_slice(b"TipMap");
    match onnx::Classifier::from_bytes(&bytes).unwrap_err() {
        LoadError::Unsupported { operators } => {
            assert_eq!(operators.len(), 1);
            assert_eq!(*operators[0].name, *"TipMap");
            assert_eq!(*operators[0].domain, *"ai.onnx.ml");
            assert_eq!(*operators[0].node, *"zipmap");
            assert!(operators[0].advice.contains("operator set"));
        }
        other => panic!("{other}"),
    }
    let error = refused("foreign_domain").to_string();
    assert!(
        error.starts_with("operator `Softmax` of domain `com.example` (node `mine`)"),
        "{error}"
    );
}

#[test]
fn a_map_of_probabilities_comes_out_as_the_probabilities() {
    let model = onnx::Classifier::load(fixture("zipmap")).unwrap();
    let zipped = &model.outputs()[1];
    assert_eq!(zipped.to_string(), "zipped: f32[?, 3]");
    let scores = model.predict(&[3.0, 0.0]).unwrap();
    assert_eq!((scores.label, scores.probabilities.len()), (Label::Int(0), 3));
}

#[test]
fn trees_test_whether_a_value_is_at_least_the_threshold() {
    let model = onnx::Classifier::load(fixture("trees_gte")).unwrap();
    let labels = [0.25, 0.5, 0.75].map(|value| model.predict(&[value, 0.0]).unwrap().label);
    assert_eq!(labels, [Label::Int(20), Label::Int(10), Label::Int(10)]);
}

#[test]
fn malformed_trees_are_refused_before_the_engine_reads_them() {
    for (name, flaw) in [
        ("trees_class", "a leaf votes for a class that does not exist"),
        ("trees_nowhere", "a branch leads to a node that does not exist"),
        ("trees_circle", "or one leads back to the first"),
    ] {
        let error = refused(name).to_string();
        assert!(error.contains(flaw), "{name}: {error}");
    }
}

#[test]
fn the_label_of_trees_goes_with_their_probabilities() {
    let model = onnx::Classifier::load(fixture("trees")).unwrap();
    let low = model.predict(&[0.25, 0.0]).unwrap();
    let high = model.predict(&[0.75, 0.0]).unwrap();
    assert_eq!((low.label, low.probabilities), (Label::Int(10), vec![0.75, 0.25]));
    assert_eq!((high.label, high.probabilities), (Label::Int(20), vec![0.125, 0.875]));
    let graph = onnx::Graph::load(fixture("trees")).unwrap();
    let row = Tensor::new([1, 2], vec![0.75_f32, 0.0]).unwrap();
    let outputs = graph.predict(&Tensors::new().with("input", row)).unwrap();
    assert_eq!(outputs.get("label").unwrap().as_i64(), Some(&[20][..]));
    assert_eq!(outputs.get("probabilities").unwrap().as_f32(), Some(&[0.125, 0.875][..]));
}

#[test]
fn missing_values_and_infinities_reach_the_model_only_if_allowed() {
    let answers = |non_finite| {
        let model =
            onnx::Classifier::builder().non_finite(non_finite).load(fixture("trees")).unwrap();
        [f32::NAN, f32::INFINITY]
            .map(|value| model.predict(&[value, 0.0]).map(|scores| scores.label.to_string()))
            .map(|answer| answer.unwrap_or_else(|error| error.to_string()))
    };
    let refused = |value: &str, expected: &str| {
        format!("features[0]: found {value}, expected a finite number{expected}")
    };
    assert_eq!(answers(NonFiniteInput::Refused), [refused("NaN", ""), refused("inf", "")]);
    assert_eq!(answers(NonFiniteInput::Missing), ["20".to_owned(), refused("inf", " or NaN")]);
    assert_eq!(answers(NonFiniteInput::Allowed), ["20", "20"]);
}

#[test]
fn a_first_axis_without_a_name_takes_any_number_of_rows() {
    let model = onnx::Classifier::load(fixture("unnamed_batch")).unwrap();
    assert_eq!(model.inputs()[0].shape, Some(vec![AxisSize::Free, AxisSize::Fixed(2)]));
    // Without a label output, the label is the index of the largest probability.
    assert_eq!(model.predict(&[3.0, 0.0]).unwrap().label, Label::Int(0));
    let labels: Vec<Label> = model
        .predict_batch(&[&[3.0, 0.0], &[0.0, 3.0], &[0.0, -9.0]])
        .into_iter()
        .map(|scores| scores.unwrap().label)
        .collect();
    assert_eq!(labels, [Label::Int(0), Label::Int(1), Label::Int(2)]);
}

#[test]
fn a_file_for_one_row_serves_batches_row_by_row() {
    for name in ["one_row_only", "rows_fixed_inside"] {
        let model = onnx::Classifier::load(fixture(name)).unwrap();
        let answers = model.predict_batch(&[&[3.0, 0.0], &[0.0, 3.0], &[0.0, -9.0]]);
        let labels: Vec<Label> = answers.into_iter().map(|scores| scores.unwrap().label).collect();
        assert_eq!(labels, [Label::Int(0), Label::Int(1), Label::Int(2)], "{name}");
    }
    let error = onnx::Classifier::builder()
        .batch(BatchAxis::Symbolic)
        .load(fixture("one_row_only"))
        .unwrap_err();
    assert!(error.to_string().contains("the batch is symbolic"), "{error}");
    let error =
        onnx::Classifier::builder().batch(BatchAxis::Symbolic).load(fixture("rows_fixed_inside"));
    assert!(error.is_err(), "a graph that runs one row at a time is no symbolic one");
}

#[test]
fn a_width_that_the_file_leaves_open_must_be_given() {
    let error = refused("unknown_features");
    assert_eq!(
        error.to_string(),
        "shape of `input`: found [rows, columns], expected a known number of values in a row: \
         say it with `features(n)`"
    );
    let model = onnx::Classifier::builder().features(2).load(fixture("unknown_features")).unwrap();
    assert_eq!(model.predict(&[0.0, 3.0]).unwrap().label, Label::Int(1));
    let error = onnx::Classifier::builder().features(3).load(fixture("unnamed_batch")).unwrap_err();
    assert_eq!(error.to_string(), "shape of `input`: found [?, 2], expected 3 values in a row");
}

#[test]
fn unknown_names_are_refused_and_the_error_lists_the_known_ones() {
    let error = onnx::Classifier::builder().input("rows").from_bytes(&digits()).unwrap_err();
    assert_eq!(error.to_string(), "input: found `input`, expected `rows`");
    let error =
        onnx::Classifier::builder().label_output("class").from_bytes(&digits()).unwrap_err();
    assert_eq!(error.to_string(), "output: found `label`, `probabilities`, expected `class`");
    let error = onnx::Classifier::builder()
        .probabilities_output("label")
        .from_bytes(&digits())
        .unwrap_err();
    assert_eq!(error.to_string(), "element type of `label`: found i64, expected f32");
    let error = onnx::Classifier::builder().label_output("probabilities").from_bytes(&digits());
    assert_eq!(
        error.unwrap_err().to_string(),
        "element type of `probabilities`: found f32, expected i64 or text"
    );
    let error =
        onnx::Classifier::builder().batch(BatchAxis::Pinned(0)).from_bytes(&digits()).unwrap_err();
    assert_eq!(error.to_string(), "batch: found Pinned(0), expected at least 1 row");
}

#[test]
fn models_that_are_not_row_classifiers_are_refused() {
    assert!(refused("two_inputs").to_string().contains("`left`, `right`"));
    assert_eq!(
        refused("double_input").to_string(),
        "element type of `input`: found f64, expected f32"
    );
    let error = refused("one_score").to_string();
    assert!(error.contains("at least 2 classes, or an output that holds the label"), "{error}");
    assert!(refused("missing_output").to_string().contains("`nowhere`"));
    let error = refused("shapes_disagree");
    assert!(matches!(error, LoadError::Engine { .. } | LoadError::Panicked { .. }), "{error:?}");
}

#[test]
fn classes_with_names_are_answered_by_name() {
    let model = onnx::Classifier::load(fixture("text_label")).unwrap();
    assert_eq!(model.outputs()[0].dtype, Some(Dtype::Text));
    assert_eq!(model.predict(&[3.0, 0.0]).unwrap().label, Label::from("cat"));
    assert_eq!(model.predict(&[0.0, 3.0]).unwrap().label, Label::from("dog"));
    let graph = onnx::Graph::load(fixture("text_label")).unwrap();
    let rows = Tensor::new([2, 2], vec![3.0_f32, 0.0, 0.0, 3.0]).unwrap();
    let outputs = graph.predict(&Tensors::new().with("input", rows)).unwrap();
    let labels: Vec<&str> =
        outputs.get("label").unwrap().as_text().unwrap().iter().map(|label| &**label).collect();
    assert_eq!(labels, ["cat", "dog"]);
}

#[test]
fn a_row_that_does_not_fit_is_refused_alone_and_names_its_feature() {
    let model = onnx::Classifier::from_bytes(&digits()).unwrap();
    let good = [1.0_f32; 64];
    let error = model.predict(&good[..63]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "features: found 63 values, expected 64 values");
    let mut bad = good;
    bad[3] = f32::NAN;
    let error = model.predict(&bad).unwrap_err();
    assert_eq!(error.to_string(), "features[3]: found NaN, expected a finite number");
    bad[3] = f32::NEG_INFINITY;
    let answers = model.predict_batch(&[&good, &bad, &good[..1], &good, &[]]);
    let refused: Vec<Option<String>> =
        answers.iter().map(|a| a.as_ref().err().map(ToString::to_string)).collect();
    assert_eq!(
        refused,
        [
            None,
            Some("features[3]: found -inf, expected a finite number".to_owned()),
            Some("features: found 1 value, expected 64 values".to_owned()),
            None,
            Some("features: found 0 values, expected 64 values".to_owned()),
        ]
    );
    let alone = model.predict(&good).unwrap();
    for answer in [&answers[0], &answers[3]] {
        modelgate::Classification::within(1e-6)(&alone, answer.as_ref().unwrap()).unwrap();
    }
    assert!(model.predict_batch(&[]).is_empty());
    assert!(model.predict_batch(&[&bad]).iter().all(Result::is_err));
}

#[test]
fn an_answer_that_is_not_finite_can_be_recognised() {
    let model = onnx::Classifier::load(fixture("not_finite")).unwrap();
    assert!(modelgate::model::FiniteOutput::is_finite(&model.predict(&[4.0, 1.0]).unwrap()));
    let scores = model.predict(&[-1.0, -1.0]).unwrap();
    assert!(!modelgate::model::FiniteOutput::is_finite(&scores));
}

#[test]
fn a_graph_of_two_inputs_runs_and_checks_each() {
    let graph = onnx::Graph::load(fixture("two_inputs")).unwrap();
    let described: Vec<String> = graph.inputs().iter().map(ToString::to_string).collect();
    assert_eq!(described, ["left: f32[rows, 2]", "right: f32[rows, 2]"]);
    let tensor = |rows: usize, value: f32| Tensor::new([rows, 2], vec![value; rows * 2]).unwrap();
    for rows in [1, 3] {
        let inputs =
            Tensors::new().with("right", tensor(rows, 2.0)).with("left", tensor(rows, 1.0));
        let outputs = graph.predict(&inputs).unwrap();
        assert_eq!(outputs.get("sum"), Some(&tensor(rows, 3.0)));
        assert_eq!(outputs.get("largest"), Some(&Tensor::vector(vec![0_i64; rows])));
    }
    let wrong = |inputs: Tensors| graph.predict(&inputs).unwrap_err().to_string();
    let left = Tensors::new().with("left", tensor(1, 1.0));
    assert_eq!(
        wrong(left.clone()),
        "inputs.right: found nothing, expected a tensor right: f32[rows, 2]"
    );
    assert_eq!(
        wrong(left.clone().with("right", Tensor::vector(vec![1.0_f32]))),
        "inputs.right: found shape [1], expected shape [rows, 2]"
    );
    assert_eq!(
        wrong(left.clone().with("right", Tensor::row(vec![1_i64, 2]))),
        "inputs.right: found i64, expected f32"
    );
    assert_eq!(
        wrong(left.clone().with("right", tensor(1, f32::NAN))),
        "inputs.right: found a NaN or infinity, expected finite numbers"
    );
    assert_eq!(
        wrong(left.clone().with("right", tensor(1, 1.0)).with("up", tensor(1, 1.0))),
        "inputs.up: found an unknown name, expected the names of the graph's inputs only"
    );
    assert_eq!(
        wrong(left.with("right", tensor(3, 1.0))),
        "inputs.right: axis `rows`: found 3, expected 1, as another input has"
    );
}

#[test]
fn a_batch_that_no_first_row_could_fill_is_refused() {
    for count in [65_537, usize::MAX] {
        let found =
            onnx::Classifier::builder().batch(BatchAxis::Pinned(count)).from_bytes(&digits());
        let Err(LoadError::Shape { expected, .. }) = found else { panic!("{found:?}") };
        assert!(expected.contains("at most 65,536 rows"), "{expected}");
    }
}
