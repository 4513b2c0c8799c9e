//! A model of columns of several types, as scikit-learn's exporter writes a `ColumnTransformer`.
use std::{error::Error, path::PathBuf};

use modelgate::{
    Classification, Context, Features, Model, ModelRouter, Rollout,
    features::FeatureValue,
    model::{Batched, Label},
    onnx::{self, LoadError},
    tensor::Dtype,
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

const CHURN: &str = "tests/data/churn.onnx";

fn golden() -> Vec<Json> {
    serde_json::from_str(&std::fs::read_to_string("tests/data/churn.golden.json").unwrap()).unwrap()
}

fn features(json: &Json) -> Features {
    serde_json::from_value(json.clone()).unwrap()
}

/// Loads the model with this sidecar.
fn load(sidecar: &Json) -> Result<onnx::ColumnClassifier, LoadError> {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let model: PathBuf = folder.path().join("churn.onnx");
    std::fs::copy(CHURN, &model).unwrap();
    std::fs::write(folder.path().join("churn.schema.json"), sidecar.to_string()).unwrap();
    onnx::ColumnClassifier::load(model)
}

fn refusal(sidecar: &Json) -> String {
    let error = load(sidecar).unwrap_err();
    let text = match Error::source(&error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    };
    text.split_once("schema.json: ").map(|(_, text)| text.to_owned()).unwrap_or(text)
}

fn described() -> Json {
    json!([
        {"name": "age", "type": "integer", "range": [0, 150]},
        {"name": "income", "optional": true},
        {"name": "plan", "type": "text", "values": ["free", "pro", "team"]},
    ])
}

#[test]
fn the_inputs_of_the_file_are_the_features() {
    let model = onnx::ColumnClassifier::load(CHURN).unwrap();
    assert_eq!(model.names().collect::<Vec<_>>(), ["age", "income", "plan"]);
    let types: Vec<_> = model.inputs().map(|input| input.dtype.unwrap()).collect();
    assert_eq!(types, [Dtype::I64, Dtype::F32, Dtype::Text]);
    assert_eq!(model.class_labels().unwrap(), ["leaves", "stays"].map(Label::from));
}

#[test]
fn it_answers_as_onnx_runtime_does_alone_and_in_batches() {
    let model = onnx::ColumnClassifier::load(CHURN).unwrap();
    let rows: Vec<Features> = golden().iter().map(|row| features(&row["features"])).collect();
    let expected: Vec<Classification> =
        golden().into_iter().map(|row| serde_json::from_value(row).unwrap()).collect();
    let near = Classification::within(1e-5);
    for (row, expected) in rows.iter().zip(&expected) {
        near(expected, &model.predict(row).unwrap()).unwrap();
    }
    let mut batch: Vec<&Features> = rows.iter().collect();
    let bad = Features::named([("age", "old")]);
    batch.insert(2, &bad);
    let mut answers = model.predict_batch(&batch);
    let refused = answers.remove(2).unwrap_err();
    assert_eq!(refused.to_string(), r#"features.age: found "old", expected a whole number"#);
    for (found, expected) in answers.into_iter().zip(&expected) {
        near(expected, &found.unwrap()).unwrap();
    }
}

#[test]
fn features_that_do_not_fit_are_refused_by_name() {
    let model = load(&json!({"features": described(), "also_accept": ["postcode"]})).unwrap();
    let message = |json: Json| model.predict(&features(&json)).unwrap_err().to_string();
    assert!(
        model
            .predict(&features(&json!({"plan": "pro", "postcode": 8001, "income": 2, "age": 30})))
            .is_ok()
    );
    for (sent, refused) in [
        (
            json!({"age": 30.5, "income": 1, "plan": "pro"}),
            "features.age: found 30.5, expected a whole number from 0 to 150",
        ),
        (
            json!({"age": 30, "income": 1, "plan": "gold"}),
            r#"features.plan: found "gold", expected one of "free", "pro", "team""#,
        ),
        (
            json!({"age": 30, "income": 1, "plan": 3}),
            r#"features.plan: found 3, expected one of "free", "pro", "team""#,
        ),
        (
            json!({"age": 30, "income": 1e39, "plan": "pro"}),
            "features.income: found 1e39, expected",
        ),
        (
            json!({"age": 30, "income": 1}),
            r#"features.plan: found nothing, expected one of "free", "pro", "team""#,
        ),
        (
            json!({"age": 30, "income": 1, "plan": "pro", "size": 2}),
            "features.size: found an unknown name, expected only names of the model's features",
        ),
        (json!([30, 1]), "features: found 2 values, expected 3 values"),
        (json!([null, 1, "pro"]), "features[0] (age): found null, expected a whole number"),
    ] {
        let found = message(sent);
        assert!(found.starts_with(refused), "{found}");
    }
    let twice: Features = serde_json::from_str(r#"{"age": 1, "age": 2}"#).unwrap();
    assert_eq!(
        model.predict(&twice).unwrap_err().to_string(),
        "features.age: found a second value, expected each name once"
    );
}

#[test]
fn a_number_that_may_be_left_out_reads_as_missing() {
    let model = load(&json!({"features": described()})).unwrap();
    let scores = model.predict(&features(&json!({"age": 30, "plan": "pro"}))).unwrap();
    // A linear model gives no finite answer for a missing value; that it was called shows that the
    // value was accepted.
    assert!(scores.probabilities.iter().all(|probability| probability.is_nan()));
}

#[test]
fn a_sidecar_is_checked_against_the_input_types_and_its_golden_rows_are_verified() {
    let with = |place: usize, feature: Json| {
        let mut features = described();
        features[place] = feature;
        json!({ "features": features })
    };
    assert_eq!(
        refusal(&with(2, json!({"name": "plan", "type": "integer"}))),
        "features[2].type: found integer, expected a type that fits an input of text"
    );
    assert_eq!(
        refusal(&with(0, json!({"name": "age", "optional": true}))),
        "features[0].optional: found true, expected false, as i64 has no value for a missing one"
    );
    assert_eq!(
        refusal(&with(1, json!({"name": "age"}))),
        "features: found a name twice, expected each name once"
    );
    assert_eq!(
        refusal(&json!({"features": [{"name": "age"}]})),
        "features: found 1, expected 3, as the model has columns"
    );
    // The row with which a model is tried at load time has integers where the features are
    // integers.
    load(&with(0, json!({"name": "age", "range": [0.5, 2.5]}))).unwrap();
    assert_eq!(
        refusal(&with(0, json!({"name": "age", "range": [0.2, 0.8]}))),
        "features[0].range: found [0.2, 0.8], expected a range that holds a whole number"
    );
    let mut golden = golden();
    let model = load(&json!({"golden": golden})).unwrap();
    model.acceptance().accept(&model).unwrap();
    golden[3]["label"] = "stays".into();
    assert_eq!(
        refusal(&json!({"golden": golden})),
        "golden row 3: label: found leaves, expected stays"
    );
}

#[test]
fn columns_of_one_input_need_a_sidecar_for_their_names() {
    let error = onnx::ColumnClassifier::load("tests/data/two_inputs.onnx").unwrap_err().to_string();
    assert_eq!(
        error,
        "schema in the model file: features: found no names for the 2 columns of `left`, expected \
         a sidecar that names every feature"
    );
    let refused = onnx::Classifier::load(CHURN).unwrap_err().to_string();
    assert!(refused.contains("`load_columns`"), "{refused}");
}

#[test]
fn it_serves_a_router_alone_and_in_batches() {
    let model = onnx::ColumnClassifier::load(CHURN).unwrap();
    let router = ModelRouter::<Features, Classification>::builder("version")
        .model("v1", Batched::new(model))
        .fallback("v1")
        .source(Rollout::everyone("v1").flag("version").unwrap())
        .build()
        .unwrap();
    let values: [(&str, FeatureValue); 3] =
        [("plan", "team".into()), ("age", 62.0.into()), ("income", 65_699.15.into())];
    let answer = router.predict(&Context::new("user"), &Features::named(values)).unwrap();
    assert_eq!(answer.output().label, Label::from("stays"));
}
