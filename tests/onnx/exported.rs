//! Models written by `examples/models/export.py` load; their golden rows are scikit-learn's own
//! predictions.
use std::{error::Error, fs};

use modelgate::{Features, Model, features::FeatureValue, onnx};
use serde_json::{Value, json};

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

const RENT: &str = "tests/data/exported/rent.onnx";

fn flat(rooms: f64, area: f64, district: &str) -> Features {
    let values: [(&str, FeatureValue); 3] =
        [("district", district.into()), ("area", area.into()), ("rooms", rooms.into())];
    Features::named(values)
}

#[test]
fn a_regressor_of_mixed_columns_answers_by_name_alone_and_in_batches() {
    let model = onnx::ColumnRegressor::load(RENT).unwrap();
    // scikit-learn's predictions; the model was not trained on a district by the sea.
    let expected = [(flat(3.0, 71.5, "hill"), 896.15), (flat(5.0, 120.0, "sea"), 1_160.07)];
    let mut rows: Vec<&Features> = expected.iter().map(|(row, _)| row).collect();
    let unknown = Features::named([("rooms", 3.0)]);
    rows.insert(1, &unknown);
    let mut batch = model.predict_batch(&rows);
    assert!(batch.remove(1).unwrap_err().is_invalid_input());
    for ((row, expected), batched) in expected.iter().zip(batch) {
        for found in [model.predict(row), batched] {
            let found = found.unwrap();
            assert!((found - expected).abs() < 0.01, "found {found}, expected {expected}");
        }
    }
    let half = model.predict(&flat(3.5, 71.5, "hill")).unwrap_err();
    assert!(half.is_invalid_input(), "the sidecar says that rooms are whole: {half}");
}

#[test]
fn a_column_regressor_is_checked_against_its_golden_rows() {
    let sidecar: Value =
        serde_json::from_slice(&fs::read("tests/data/exported/rent.schema.json").unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let refusal = |change: &dyn Fn(&mut Value)| {
        let mut changed = sidecar.clone();
        change(&mut changed);
        let path = folder.path().join("rent.schema.json");
        fs::write(&path, changed.to_string()).unwrap();
        let loader = onnx::Classifier::builder().sidecar(path);
        let error = loader.load_column_regressor(RENT).unwrap_err();
        error.source().map_or_else(|| error.to_string(), ToString::to_string)
    };
    let wrong = refusal(&|sidecar| sidecar["golden"][1]["outputs"] = json!([758.0]));
    assert!(wrong.contains("golden row 1"), "{wrong}");
    let none = refusal(&|sidecar| sidecar["golden"][0]["outputs"] = json!([]));
    assert!(none.contains("golden[0].outputs: found 0 numbers, expected the one"), "{none}");
    let two = refusal(&|sidecar| sidecar["golden"][0]["outputs"] = json!([1, 2]));
    assert!(two.contains("golden[0].outputs: found 2 numbers, expected the one"), "{two}");
}

#[test]
fn models_that_are_not_column_regressors_are_refused_by_name() {
    let loader = onnx::Classifier::builder().without_sidecar();
    let several = loader.load_column_regressor("tests/data/exported/mixed.onnx").unwrap_err();
    let several = several.to_string();
    assert!(several.contains("2 numbers a row") && several.contains("expected 1"), "{several}");
    let one = onnx::Regressor::load(RENT).unwrap_err().to_string();
    assert!(one.contains("`load_column_regressor`"), "{one}");
}
