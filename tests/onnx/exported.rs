//! What `examples/models/export.py` writes, loads: its golden rows are scikit-learn's own answers.
use modelgate::{Features, Model, features::FeatureValue, onnx};

#[test]
fn a_pipeline_of_mixed_columns_answers_by_name() {
    let loader = onnx::Classifier::builder();
    let model = loader.load_columns("tests/data/exported/mixed.onnx").unwrap();
    let features = Features::named([
        ("country", FeatureValue::from("fr")),
        ("device", FeatureValue::from("web")),
        ("age", FeatureValue::from(52.0)),
        ("amount", FeatureValue::from(98.86)),
    ]);
    let answer = model.predict(&features).unwrap();
    assert_eq!(answer.label.to_string(), "fraud");
    assert!((answer.probabilities[1] - 0.718_771_06).abs() < 1e-4, "{answer:?}");
}

#[test]
fn a_regressor_answers_by_name() {
    let model = onnx::Regressor::load("tests/data/exported/price.onnx").unwrap();
    let model = model.with_schema().unwrap();
    let answer: f32 = model.predict(&Features::named([("age", 52.0), ("amount", 98.86)])).unwrap();
    assert!((answer - 249.7).abs() < 0.1, "{answer}");
}
