//! The features and classes that a model file and its sidecar declare.
use std::{error::Error, path::PathBuf};

use modelgate::{
    Classification, Context, Features, Model, ModelRouter, Rollout,
    model::Label,
    onnx::{self, LoadError},
    router::stats::VersionState,
};
use prost::Message;
use tempfile::TempDir;
use tract_onnx::pb::{ModelProto, StringStringEntryProto};

/// A model of the fixtures with this sidecar.
struct Site {
    _folder: TempDir,
    model: PathBuf,
}

fn site(fixture: &str, sidecar: &str) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("m.v2.onnx");
    std::fs::copy(format!("tests/data/{fixture}.onnx"), &model).unwrap();
    std::fs::write(folder.path().join("m.v2.schema.json"), sidecar).unwrap();
    Site { _folder: folder, model }
}

fn load(fixture: &str, sidecar: &str) -> Result<onnx::Classifier, LoadError> {
    onnx::Classifier::load(site(fixture, sidecar).model)
}

/// The message of a refusal, without the folder.
fn refusal(fixture: &str, sidecar: &str) -> String {
    let error = load(fixture, sidecar).unwrap_err();
    let text = match Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    match text.split_once("m.v2.schema.json: ") {
        Some((_, text)) => text.to_owned(),
        None => text,
    }
}

fn texts<const N: usize>(names: [&str; N]) -> Vec<Label> {
    names.map(Label::from).into()
}

fn numbers<const N: usize>(numbers: [i64; N]) -> Vec<Label> {
    numbers.map(Label::Int).into()
}

fn fixture(name: &str) -> onnx::Classifier {
    onnx::Classifier::load(format!("tests/data/{name}.onnx")).unwrap()
}

#[test]
fn classes_are_read_from_the_operators_of_the_graph() {
    assert_eq!(fixture("text_label").class_labels().unwrap(), texts(["cat", "dog", "fox"]));
    assert_eq!(fixture("zipmap").class_labels().unwrap(), numbers([0, 1, 2]));
    let digits = onnx::Classifier::load("examples/models/digits_v2.onnx").unwrap();
    let labels = digits.class_labels().unwrap();
    assert_eq!(labels, numbers([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    let scores = digits.predict(&[0.0; 64]).unwrap();
    assert_eq!(scores.probability_of(&Label::Int(3), labels), Some(scores.probabilities[3]));
}

#[test]
fn no_names_are_invented_for_classes_or_features_that_have_none() {
    let model = fixture("unnamed_batch");
    assert_eq!(model.class_labels(), None);
    assert!(model.schema().is_none());
    assert_eq!(
        model.with_schema().unwrap_err().to_string(),
        "schema: names: found none in the model file, and no sidecar, expected the features in a \
         sidecar beside the file, or a schema of your own"
    );
}

#[test]
fn a_sidecar_beside_the_file_names_features_and_classes() {
    let model = load(
        "unnamed_batch",
        r#"{
            "features": [{"name": "age", "type": "integer", "range": [0, 150]}, {"name": "income"}],
            "also_accept": ["postcode"],
            "classes": ["low", "middle", "high"]
        }"#,
    )
    .unwrap();
    assert_eq!(model.class_labels().unwrap(), texts(["low", "middle", "high"]));
    let alone = fixture("unnamed_batch").predict(&[40.0, 2.5]).unwrap();
    let model = model.with_schema().unwrap();
    let ask = |age: f64| {
        model.predict(&Features::named([("income", 2.5), ("postcode", 8001.0), ("age", age)]))
    };
    let scores = ask(40.0).unwrap();
    assert_eq!(scores.probabilities, alone.probabilities);
    let Label::Int(place) = alone.label else { panic!("{:?}", alone.label) };
    assert_eq!(scores.label, texts(["low", "middle", "high"])[place as usize]);
    assert_eq!(
        ask(40.5).unwrap_err().to_string(),
        "features.age: found 40.5, expected a whole number from 0 to 150"
    );
}

#[test]
fn numeric_classes_may_be_given_names_and_named_classes_keep_theirs() {
    let named = load("zipmap", r#"{"classes": ["a", "b", "c"]}"#).unwrap();
    let plain = fixture("zipmap").predict(&[1.0, 2.0]).unwrap();
    let Label::Int(place) = plain.label else { panic!("{:?}", plain.label) };
    let scores = named.predict(&[1.0, 2.0]).unwrap();
    assert_eq!(scores.label, texts(["a", "b", "c"])[place as usize]);

    assert!(load("text_label", r#"{"classes": ["cat", "dog", "fox"]}"#).is_ok());
    assert_eq!(
        refusal("text_label", r#"{"classes": ["dog", "cat", "fox"]}"#),
        "classes: found `dog`, `cat`, `fox`, expected `cat`, `dog`, `fox`"
    );
}

#[test]
fn a_sidecar_that_does_not_fit_is_refused_by_field() {
    for (sidecar, refused) in [
        (r#"{"classes": ["a", "b"]}"#, "classes: found 2, expected 3, as the model has"),
        (r#"{"classes": [1, 1, 2]}"#, "classes: found a class twice, expected each class once"),
        (
            r#"{"features": [{"name": "a"}]}"#,
            "features: found 1, expected 2, as the model's rows have",
        ),
        (
            r#"{"features": [{"name": "a"}, {"name": "b", "type": "text"}]}"#,
            "features[1].type: found text, expected a number, as the model's rows hold",
        ),
        (
            r#"{"features": [{"name": "a"}, {"name": "a"}]}"#,
            "features: names: found \"a\" twice, expected each name once",
        ),
        (
            r#"{"features": [{"name": "a", "range": [2, 1]}, {"name": "b"}]}"#,
            "features: range of \"a\": found 2..=1, expected a range that holds a number",
        ),
        (
            r#"{"features": [{"name": "a"}, {"name": "b"}], "shape": [3]}"#,
            "shape: found [3], expected one of 2 places",
        ),
        (r#"{"sha256": "00"}"#, "sha256: found 00, expected"),
    ] {
        let found = refusal("unnamed_batch", sidecar);
        assert!(found.starts_with(refused), "{found}");
    }
}

#[test]
fn a_sidecar_that_cannot_be_read_says_where() {
    for (sidecar, field) in [
        ("", "json: "),
        (r#"{"features": [{"name": "a"}, {"nme": "b"}]}"#, "features[1].nme: "),
        (r#"{"features": [{"name": "a", "type": "float"}]}"#, "features[0].type: "),
        (r#"{"clases": []}"#, "clases: "),
        (r#"{} {}"#, "json: "),
    ] {
        let found = refusal("unnamed_batch", sidecar);
        assert!(found.starts_with(field), "{sidecar}: {found}");
    }
}

#[test]
fn golden_rows_are_verified_when_the_model_is_loaded() {
    let good = fixture("unnamed_batch").predict(&[1.0, 2.0]).unwrap();
    let golden = |features: &str, label: &str, probabilities: &[f32]| {
        format!(
            r#"{{
                "features": [{{"name": "a"}}, {{"name": "b"}}],
                "classes": ["x", "y", "z"],
                "golden": [
                    {{"features": {{"b": 2.0, "a": 1.0}}, "label": "y"}},
                    {{"features": {features}, "label": "{label}", "probabilities": {probabilities:?}}}
                ]
            }}"#
        )
    };
    let model = load("unnamed_batch", &golden("[1, 2]", "y", &good.probabilities)).unwrap();
    // The golden rows stay with the model, to verify another form of it.
    model.acceptance().accept(&model).unwrap();
    assert!(
        model.acceptance().accept(&fixture("unnamed_batch")).is_err(),
        "its labels are numbers"
    );

    let mut wrong = good.probabilities.clone();
    wrong[2] += 0.25;
    let Err(LoadError::Golden(ineligible)) = load("unnamed_batch", &golden("[1, 2]", "y", &wrong))
    else {
        panic!("it is not refused")
    };
    assert_eq!(ineligible.golden_row(), Some(1));
    let expected = format!(
        "golden row 1: probabilities[2]: found {}, expected {} within 0.00001",
        good.probabilities[2], wrong[2]
    );
    assert_eq!(ineligible.to_string(), expected);
    assert_eq!(
        refusal("unnamed_batch", &golden("[1, 2]", "z", &good.probabilities)),
        "the model failed its golden rows: golden row 1: label: found y, expected z"
    );
    assert_eq!(
        refusal("unnamed_batch", &golden("[1]", "y", &good.probabilities)),
        "golden[1]: found features: found 1 value, expected 2 values, expected features that fit \
         the model"
    );
}

#[test]
fn an_error_in_a_sidecar_names_its_field() {
    assert_eq!(
        refusal("unnamed_batch", r#"{"tolerance": -0.1}"#),
        "tolerance: found -0.1, expected a finite number that is not negative"
    );
    assert!(refusal("unnamed_batch", r#"{"tolerance": 1e39}"#).starts_with("tolerance: found "));
    assert_eq!(
        refusal(
            "unnamed_batch",
            r#"{"features": [{"name": "a"}, {"name": "b", "values": ["x"]}]}"#
        ),
        "features[1].values: found a list, expected none, as the model's rows hold numbers"
    );
    let long = format!("{}{{}}", " ".repeat(16 << 20));
    let refused = load("unnamed_batch", &long).unwrap_err().to_string();
    assert!(
        refused.contains("m.v2.schema.json: size: found more than 16777216 bytes"),
        "{refused}"
    );
}

#[test]
fn a_version_that_fails_its_golden_rows_is_ineligible_and_says_why() {
    let sidecar = r#"{"golden": [{"features": [1, 2], "label": 7}]}"#;
    let router = ModelRouter::<[f32], Classification>::builder("version")
        .model("v1", fixture("unnamed_batch"))
        .try_model("v2", load("unnamed_batch", sidecar))
        .fallback("v1")
        .source(Rollout::everyone("v2").flag("version").unwrap())
        .build()
        .unwrap();
    let answer = router.predict(&Context::new("user"), &[1.0, 2.0]).unwrap();
    assert_eq!(answer.version(), "v1");
    let stats = router.stats();
    let state = &stats.versions.iter().find(|stats| stats.version.as_str() == "v2").unwrap().state;
    let why = "the model failed its golden rows: golden row 0: label: found 1, expected 7";
    assert_eq!(*state, VersionState::Ineligible { why: why.to_owned() });
}

#[test]
fn a_sidecar_is_found_by_name_required_or_ignored() {
    let site = site("unnamed_batch", r#"{"classes": ["a", "b", "c"]}"#);
    let labels = |model: onnx::Classifier| model.class_labels().map(<[Label]>::to_vec);
    let abc = Some(texts(["a", "b", "c"]));
    assert_eq!(labels(onnx::Classifier::load(&site.model).unwrap()), abc);
    let without = onnx::Classifier::builder().without_sidecar().load(&site.model).unwrap();
    assert_eq!(labels(without), None);
    let bytes = std::fs::read(&site.model).unwrap();
    assert_eq!(labels(onnx::Classifier::from_bytes(&bytes).unwrap()), None);
    let path = site.model.with_extension("schema.json");
    let named = onnx::Classifier::builder().sidecar(&path).from_bytes(&bytes).unwrap();
    assert_eq!(labels(named), abc);
    std::fs::remove_file(&path).unwrap();
    let gone = onnx::Classifier::builder().sidecar(&path).from_bytes(&bytes);
    assert!(matches!(gone, Err(LoadError::Io { .. })));
}

fn with_metadata(key: &str, value: &str) -> Vec<u8> {
    let bytes = std::fs::read("tests/data/unnamed_batch.onnx").unwrap();
    let mut model = ModelProto::decode(&*bytes).unwrap();
    let entry = StringStringEntryProto { key: key.into(), value: value.into() };
    model.metadata_props.push(entry);
    model.encode_to_vec()
}

#[test]
fn the_files_own_metadata_may_replace_a_sidecar() {
    let json = r#"{"features": [{"name": "a"}, {"name": "b"}], "classes": ["x", "y", "z"]}"#;
    let model = onnx::Classifier::from_bytes(&with_metadata("modelgate.schema", json)).unwrap();
    assert_eq!(model.class_labels().unwrap(), texts(["x", "y", "z"]));
    assert_eq!(model.schema().unwrap().names().collect::<Vec<_>>(), ["a", "b"]);
    let bad =
        onnx::Classifier::from_bytes(&with_metadata("modelgate.schema", r#"{"classes": [1]}"#));
    assert_eq!(
        bad.unwrap_err().to_string(),
        "schema in metadata `modelgate.schema`: classes: found 1, expected 3, as the model \
         has"
    );
}

#[test]
fn class_names_in_ultralytics_metadata_are_used_where_they_fit() {
    let named =
        onnx::Classifier::from_bytes(&with_metadata("names", "{0: 'a', 1: 'b', 2: 'c'}")).unwrap();
    assert_eq!(named.class_labels().unwrap(), texts(["a", "b", "c"]));
    let others = onnx::Classifier::from_bytes(&with_metadata("names", "{0: 'a', 1: 'b'}")).unwrap();
    assert_eq!(others.class_labels(), None);
}

#[test]
fn a_feature_that_may_be_left_out_reads_as_missing() {
    let model =
        load("text_label", r#"{"features": [{"name": "a"}, {"name": "b", "optional": true}]}"#)
            .unwrap();
    assert_eq!(model.schema().unwrap().row(&Features::named([("a", 1.0)])).unwrap()[0], 1.0);
    let model = model.with_schema().unwrap();
    assert!(model.predict(&Features::named([("a", 1.0)])).is_ok());
    let missing = model.predict(&Features::named([("b", 1.0)])).unwrap_err();
    assert_eq!(missing.to_string(), "features.a: found nothing, expected a number");
}

#[test]
fn a_batch_has_the_labels_of_its_rows() {
    let model = load("unnamed_batch", r#"{"classes": ["a", "b", "c"]}"#).unwrap();
    let rows: [&[f32]; 3] = [&[1.0, -3.0], &[0.0, 5.0], &[-2.0, 0.5]];
    for (row, found) in rows.iter().zip(model.predict_batch(&rows)) {
        Classification::within(1e-6)(&model.predict(row).unwrap(), &found.unwrap()).unwrap();
    }
}
