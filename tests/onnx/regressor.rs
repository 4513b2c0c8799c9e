//! Models that answer numbers: one a row, or several.
use std::fs;

use modelgate::{Features, Model, onnx};

const FILE: &str = "tests/data/one_score.onnx";

fn copied(schema: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    fs::copy(FILE, &path).unwrap();
    fs::write(folder.path().join("model.schema.json"), schema).unwrap();
    (folder, path)
}

fn row(model: &onnx::Regressor) -> Vec<f32> {
    (0..model.input_len()).map(|place| place as f32 * 0.5 - 1.0).collect()
}

#[test]
fn a_regressor_answers_one_number_a_row_alone_and_in_a_batch() {
    let model = onnx::Regressor::load(FILE).unwrap();
    let (first, zeros) = (row(&model), vec![0.0; model.input_len()]);
    let alone: f32 = model.predict(&first).unwrap();
    let bad = vec![f32::NAN; model.input_len()];
    let short = [1.0_f32; 99];
    let answers = model.predict_batch(&[&first, &bad, &zeros, &short]);
    assert_eq!(answers[0].as_ref().unwrap(), &alone);
    assert!(answers[1].as_ref().unwrap_err().is_invalid_input());
    assert_eq!(answers[2].as_ref().unwrap(), &model.predict(&zeros).unwrap());
    assert!(answers[3].as_ref().unwrap_err().is_invalid_input());
}

#[test]
fn a_model_of_several_numbers_is_no_regressor_and_says_what_loads_it() {
    let file = "examples/models/digits_v2.onnx";
    let loader = onnx::Graph::builder().outputs(["probabilities"]);
    let error = loader.load_regressor(file).unwrap_err().to_string();
    assert!(error.contains("10 numbers a row, expected 1"), "{error}");
    assert!(error.contains("load_vector"), "{error}");

    let vector = loader.load_vector(file).unwrap();
    assert_eq!(vector.output_len(), 10);
    let classifier = onnx::Classifier::load(file).unwrap();
    let rows: Vec<[f32; 64]> = (0..5).map(|place| [place as f32; 64]).collect();
    let rows: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
    for (answer, row) in vector.predict_batch(&rows).into_iter().zip(&rows) {
        let expected = classifier.predict(row).unwrap().probabilities;
        let near = answer.unwrap().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near);
    }
}

#[test]
fn a_regressor_has_the_schema_and_the_golden_rows_of_its_sidecar() {
    let model = onnx::Regressor::load(FILE).unwrap();
    let values = row(&model);
    let right: f32 = model.predict(&values).unwrap();
    let names: Vec<String> = (0..values.len()).map(|place| format!("feature_{place}")).collect();
    let features: Vec<_> = names.iter().map(|name| serde_json::json!({ "name": name })).collect();
    let sidecar = |outputs: serde_json::Value| {
        let golden = serde_json::json!([{ "features": values, "outputs": outputs }]);
        serde_json::json!({ "features": features, "golden": golden }).to_string()
    };

    let (_folder, path) = copied(&sidecar(serde_json::json!([right])));
    let model = onnx::Regressor::load(&path).unwrap().with_schema().unwrap();
    let named = names.iter().zip(&values).map(|(name, value)| (&**name, f64::from(*value)));
    let answer: f32 = model.predict(&Features::named(named)).unwrap();
    assert_eq!(answer, right);

    let (_folder, path) = copied(&sidecar(serde_json::json!([right + 1.0])));
    let error = onnx::Regressor::load(&path).unwrap_err();
    assert!(matches!(error, onnx::LoadError::Golden(_)), "{error}");

    let (_folder, path) = copied(&sidecar(serde_json::json!([])));
    let error = onnx::Regressor::load(&path).unwrap_err().to_string();
    assert!(error.contains("golden[0].outputs: found nothing"), "{error}");
}
