//! Text classifiers: a text in, a label and probabilities out.
use std::{error::Error, path::PathBuf};

use modelgate::{
    Classification, Context, Features, Model, ModelRouter, Rollout,
    features::FeatureValue,
    model::Label,
    onnx::{self, LoadError},
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

const SPAM: &str = "tests/data/spam.onnx";

/// Texts, and ONNX Runtime's answers.
fn golden() -> Vec<(String, Classification)> {
    let json = std::fs::read_to_string("tests/data/spam.golden.json").unwrap();
    let rows: Vec<Json> = serde_json::from_str(&json).unwrap();
    let row = |row: Json| {
        let text = row["features"][0].as_str().unwrap().to_owned();
        (text, serde_json::from_value(row).unwrap())
    };
    rows.into_iter().map(row).collect()
}

/// Loads the model with this sidecar.
fn load(sidecar: &Json) -> Result<onnx::TextClassifier, LoadError> {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let model: PathBuf = folder.path().join("spam.onnx");
    std::fs::copy(SPAM, &model).unwrap();
    std::fs::write(folder.path().join("spam.schema.json"), sidecar.to_string()).unwrap();
    onnx::TextClassifier::load(model)
}

#[test]
fn texts_are_answered_as_onnx_runtime_does_alone_and_in_batches() {
    let model = onnx::TextClassifier::load(SPAM).unwrap();
    assert_eq!(model.class_labels().unwrap(), ["ham", "spam"].map(Label::from));
    let near = Classification::within(1e-5);
    let golden = golden();
    for (text, expected) in &golden {
        near(expected, &model.predict(text).unwrap()).unwrap();
    }
    let texts: Vec<&str> = golden.iter().map(|(text, _)| &**text).collect();
    // More rows than one run of the engine takes.
    let many: Vec<&str> = texts.iter().copied().cycle().take(1500).collect();
    let answers = model.predict_batch(&many);
    assert_eq!(answers.len(), many.len());
    for (place, answer) in answers.into_iter().enumerate() {
        near(&golden[place % golden.len()].1, &answer.unwrap()).unwrap();
    }
    assert!(model.predict_batch(&[]).is_empty());
}

#[test]
fn a_router_takes_texts() {
    let model = onnx::TextClassifier::load(SPAM).unwrap();
    let router = ModelRouter::<str, Classification>::builder("spam-version")
        .model("v1", model.clone())
        .model("v2", model)
        .fallback("v1")
        .source(Rollout::percent("v2", 50.0).or("v1").flag("spam-version").unwrap())
        .build()
        .unwrap();
    let answer = router.predict(&Context::new("user-1"), "claim your free prize").unwrap();
    assert_eq!(answer.output().label, Label::from("spam"));
}

#[test]
fn golden_rows_of_the_sidecar_are_verified() {
    let rows: Vec<Json> = golden()
        .iter()
        .map(|(text, scores)| {
            json!({"features": [text], "label": scores.label,
                                     "probabilities": scores.probabilities})
        })
        .collect();
    let model = load(&json!({"golden": rows})).unwrap();
    model.acceptance().accept(&model).unwrap();
    let named = json!({
        "features": [{"name": "mail", "type": "text"}],
        "golden": [{"features": {"mail": "win money"}, "label": "spam"}],
    });
    load(&named).unwrap();
    let wrong = json!({"golden": [{"features": ["win money"], "label": "ham"}]});
    let error = load(&wrong).unwrap_err();
    assert!(matches!(error, LoadError::Golden(_)));
    assert_eq!(
        error.source().unwrap().to_string(),
        "golden row 0: label: found spam, expected ham"
    );
}

#[test]
fn a_sidecar_narrows_the_texts_and_names_the_input() {
    let described = json!({"features": [{"name": "kind", "values": ["win money", "the meeting"]}]});
    let model = load(&described).unwrap();
    assert_eq!(model.predict("win money").unwrap().label, Label::from("spam"));
    let refused = model.predict("lunch").unwrap_err();
    assert_eq!(
        refused.to_string(),
        r#"text: found "lunch", expected one of "win money", "the meeting""#
    );
    let mut answers = model.predict_batch(&["win money", "lunch", "the meeting"]);
    assert!(answers.remove(1).is_err());
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
    let columns = model.into_columns();
    let features = Features::named([("kind", FeatureValue::from("the meeting"))]);
    assert_eq!(columns.predict(&features).unwrap().label, Label::from("ham"));
}

#[test]
fn models_that_take_no_text_are_refused_by_name() {
    let error = onnx::TextClassifier::load("tests/data/zipmap.onnx").unwrap_err();
    assert!(matches!(error, LoadError::Dtype { .. }), "{error}");
    assert!(error.to_string().ends_with("found f32, expected text"), "{error}");
    let error = onnx::TextClassifier::load("tests/data/churn.onnx").unwrap_err();
    assert_eq!(
        error.to_string(),
        "input: found `age`, `income`, `plan`, expected one input of texts (a table of columns is \
         loaded with `load_columns`)"
    );
}
