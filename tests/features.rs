//! Maps and rows of features: what fits is put in the model's order, what does not is refused by
//! name.

use std::collections::HashSet;

use modelgate::{Features, Model, ModelError, features::Schema, model::ErrorKind, model_fn};
use proptest::prelude::*;

fn json(text: &str) -> Features {
    serde_json::from_str(text).unwrap()
}

fn ab() -> Schema {
    Schema::new(["a", "b"]).unwrap()
}

fn refusal(schema: &Schema, text: &str) -> String {
    let error = schema.row(&json(text)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    error.to_string()
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let schema = ab();
    let cases = [
        (r#"{"a": 1}"#, "features.b: found nothing, expected a number"),
        (r#"{}"#, "features.a: found nothing, expected a number"),
        (
            r#"{"a": 1, "c": 3, "b": 2}"#,
            "features.c: found an unknown name, expected only names of the schema",
        ),
        (
            r#"{"a": 1, "b": 2, "a": 1}"#,
            "features.a: found a second value, expected each name once",
        ),
        (r#"{"a": 1, "b": "abc"}"#, r#"features.b: found "abc", expected a number"#),
        (r#"{"a": 1, "b": "2"}"#, r#"features.b: found "2", expected a number"#),
        (r#"{"a": 1, "b": null}"#, "features.b: found null, expected a number"),
        (r#"{"a": true, "b": 1}"#, "features.a: found true, expected a number"),
        (r#"{"a": [1, {"x": []}], "b": 1}"#, "features.a: found a list, expected a number"),
        (r#"{"a": {"a": 1}, "b": 1}"#, "features.a: found an object, expected a number"),
        (
            r#"{"a": 1e39, "b": 1}"#,
            "features.a: found 1e39, expected a number from -3.4028235e38 to 3.4028235e38",
        ),
        ("[1]", "features: found 1 value, expected 2 values"),
        ("[1, 2, 3]", "features: found 3 values, expected 2 values"),
        ("[]", "features: found 0 values, expected 2 values"),
        (r#"[1, "abc"]"#, r#"features[1] (b): found "abc", expected a number"#),
        (
            "[-1e300, 1]",
            "features[0] (a): found -1e300, expected a number from -3.4028235e38 to 3.4028235e38",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal(&schema, text), expected, "{text}");
    }
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = schema.row(&Features::named([("b", bad), ("a", 1.0)])).unwrap_err();
        assert_eq!(error.to_string(), format!("features.b: found {bad}, expected a finite number"));
        let error = schema.row(&Features::row([1.0, bad])).unwrap_err();
        assert!(error.to_string().starts_with("features[1] (b)"), "{error}");
    }
}

#[test]
fn a_hostile_name_or_text_is_cut_and_escaped() {
    let long = "x".repeat(100_000);
    let error = refusal(&ab(), &format!(r#"{{"{long}": 1}}"#));
    assert!(error.len() < 200, "{} characters", error.len());
    let error = refusal(&ab(), &format!(r#"{{"a": "{long}"}}"#));
    assert!(error.len() < 200, "{} characters", error.len());
    let error = refusal(&ab(), r#"{"a\nb": 1}"#);
    assert!(error.starts_with(r#"features["a\nb"]"#), "{error}");
}

#[test]
fn what_is_neither_a_list_nor_an_object_is_not_features() {
    for text in ["1", "null", r#""abc""#, "{", "[1,", r#"{"a": 1e400}"#] {
        assert!(serde_json::from_str::<Features>(text).is_err(), "{text}");
    }
}

#[test]
fn kinds_and_ranges_are_held() {
    let schema = Schema::new(["age", "member", "rate"])
        .unwrap()
        .integers(["age"])
        .unwrap()
        .booleans(["member"])
        .unwrap()
        .range("age", 0.0..=150.0)
        .unwrap();
    assert_eq!(
        schema.row(&json(r#"{"age": 40, "member": true, "rate": 0.5}"#)).unwrap(),
        [40.0, 1.0, 0.5]
    );
    assert_eq!(schema.row(&json("[0, 0, 0]")).unwrap(), [0.0, 0.0, 0.0]);
    assert_eq!(
        refusal(&schema, "[40.5, 1, 0]"),
        "features[0] (age): found 40.5, expected a whole number from 0 to 150"
    );
    assert_eq!(
        refusal(&schema, "[151, 1, 0]"),
        "features[0] (age): found 151, expected a whole number from 0 to 150"
    );
    assert_eq!(refusal(&schema, "[1, 2, 0]"), "features[1] (member): found 2, expected a boolean");
}

#[test]
fn a_schema_that_makes_no_sense_is_refused() {
    let none: [&str; 0] = [];
    let errors = [
        (Schema::new(none), "schema: names: found none, expected at least one"),
        (
            Schema::new(["a", "b", "a"]),
            r#"schema: names: found "a" twice, expected each name once"#,
        ),
        (
            ab().range("c", 0.0..=1.0),
            r#"schema: feature: found "c", expected one of the schema's names"#,
        ),
        (
            ab().range("a", 1.0..=0.0),
            r#"schema: range of "a": found 1..=0, expected a range that holds a number"#,
        ),
        (ab().shaped([3]), "schema: shape: found [3], expected one of 2 places"),
    ];
    for (result, expected) in errors {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
    assert_eq!(ab().shaped([2, 1]).unwrap().shape(), [2, 1]);
}

/// A model whose answer shows the order of what it read.
fn digits_of() -> impl Model<[f32], f32> {
    model_fn(|row: &[f32]| Ok::<f32, ModelError>(row.iter().fold(0.0, |sum, x| sum * 10.0 + x)))
}

#[test]
fn two_versions_with_different_schemas_serve_the_same_map() {
    let v1 = ab().also_accept(["c"]).model(digits_of());
    let v2 = Schema::new(["c", "a"]).unwrap().also_accept(["b"]).model(digits_of());
    let versions: [&dyn Model<Features, f32>; 2] = [&v1, &v2];
    let map = json(r#"{"c": 3, "b": 2, "a": 1}"#);
    let answers: Vec<f32> = versions.iter().map(|v| v.predict(&map).unwrap()).collect();
    assert_eq!(answers, [12.0, 31.0]);
    let error = v1.predict(&json(r#"{"c": 3, "b": 2, "a": 1, "d": 4}"#)).unwrap_err();
    assert!(error.to_string().starts_with("features.d"), "{error}");
}

#[test]
fn in_a_batch_a_bad_row_fails_alone() {
    let model = ab().model(digits_of());
    let sent: Vec<Features> = [r#"{"b": 2, "a": 1}"#, r#"{"b": 2}"#, "[3, 4]", "[1]", "[5, 6]"]
        .iter()
        .map(|text| json(text))
        .collect();
    let answers = model.predict_batch(&sent.iter().collect::<Vec<_>>());
    let found: Vec<Option<f32>> = answers.iter().map(|a| a.as_ref().ok().copied()).collect();
    assert_eq!(found, [Some(12.0), None, Some(34.0), None, Some(56.0)]);
    assert_eq!(
        answers[1].as_ref().unwrap_err().to_string(),
        "features.a: found nothing, expected a number"
    );
    assert!(model.predict_batch(&[]).is_empty());
}

#[test]
fn features_keep_what_was_sent_and_show_none_of_it() {
    let sent = json(r#"{"secret": "s3cr3t", "b": 2, "secret": 1}"#);
    assert_eq!(sent.entries().map(|(name, _)| name).collect::<Vec<_>>(), ["secret", "b", "secret"]);
    assert_eq!(sent.clone(), sent);
    let written = serde_json::to_string(&sent).unwrap();
    assert_eq!(written, r#"{"secret":"s3cr3t","b":2.0,"secret":1.0}"#);
    assert_eq!(json(&written), sent);
    assert_eq!(serde_json::to_string(&Features::row([1.5, 2.0])).unwrap(), "[1.5,2.0]");
    assert_eq!(format!("{sent:?}"), "Features(named, 3 values)");
}

proptest! {
    #[test]
    fn any_order_of_keys_gives_the_same_row_bit_for_bit(
        values in proptest::collection::vec(-1e30_f64..1e30, 1..80),
        seed in any::<u64>(),
    ) {
        let names: Vec<String> = (0..values.len()).map(|place| format!("pixel_{place}")).collect();
        let schema = Schema::new(names.clone()).unwrap();
        let mut order: Vec<usize> = (0..values.len()).collect();
        let mut state = seed;
        for place in (1..order.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            order.swap(place, (state >> 33) as usize % (place + 1));
        }
        let as_row = schema.row(&Features::row(values.clone())).unwrap();
        let text: Vec<String> =
            order.iter().map(|&place| format!("{:?}:{:?}", names[place], values[place])).collect();
        let as_map = schema.row(&json(&format!("{{{}}}", text.join(",")))).unwrap();
        let bits = |row: &[f32]| row.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&as_row), bits(&as_map));
    }

    #[test]
    fn any_json_map_is_read_whole_or_refused_for_a_reason(
        keys in proptest::collection::vec("[abc]", 0..5),
    ) {
        let text: Vec<String> = keys.iter().map(|key| format!("{key:?}: 1")).collect();
        let row = ab().row(&json(&format!("{{{}}}", text.join(","))));
        let distinct: HashSet<&String> = keys.iter().collect();
        let fits = keys.len() == 2 && distinct.len() == 2 && !keys.contains(&"c".to_owned());
        prop_assert_eq!(row.is_ok(), fits, "{:?}", keys);
    }
}

#[cfg(feature = "onnx")]
mod on_real_models {
    use super::*;
    use modelgate::{Classification, onnx};

    fn example(file: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models").join(file)
    }

    #[test]
    fn held_out_rows_sent_as_maps_in_any_order_are_answered_as_rows() {
        let csv = std::fs::read_to_string(example("breast_cancer_heldout.csv")).unwrap();
        let mut lines = csv.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        let names = &names[..names.len() - 1];
        let model = onnx::Classifier::load(example("breast_cancer_v1.onnx")).unwrap();
        let by_name =
            Schema::new(names.iter().copied()).unwrap().onnx_model(model.clone()).unwrap();
        let mut count = 0;
        for line in lines {
            let texts: Vec<&str> = line.split(',').collect();
            let row: Vec<f32> = texts[..names.len()].iter().map(|v| v.parse().unwrap()).collect();
            let alone: Classification = model.predict(&row).unwrap();
            let member = |place: usize| format!("{:?}: {}", names[place], texts[place]);
            let backwards: Vec<String> = (0..names.len()).rev().map(member).collect();
            let mut sorted: Vec<String> = (0..names.len()).map(member).collect();
            sorted.sort();
            for members in [backwards, sorted] {
                let sent = json(&format!("{{{}}}", members.join(", ")));
                assert_eq!(by_name.predict(&sent).unwrap(), alone);
            }
            count += 1;
        }
        assert_eq!(count, 143);
        let error = ab().onnx_model(model).unwrap_err();
        assert_eq!(
            error.to_string(),
            "schema: names: found 2, expected 30, as the model's rows have"
        );
    }
}

/// Counts badly: one answer fewer than rows, and none at all for no rows.
struct LosesCount;

impl Model<[f32], f32> for LosesCount {
    fn predict(&self, row: &[f32]) -> Result<f32, ModelError> {
        Ok(row[0])
    }
    fn predict_batch(&self, rows: &[&[f32]]) -> Vec<Result<f32, ModelError>> {
        assert!(!rows.is_empty(), "asked about nothing");
        rows.iter().skip(1).map(|row| self.predict(row)).collect()
    }
}

#[test]
fn no_row_gets_the_answer_of_another_when_the_model_loses_count() {
    let model = ab().model(LosesCount);
    let rows = [r#"{"a": 1, "b": 0}"#, r#"{"a": 2, "b": 0}"#, r#"{"b": 0}"#].map(json);
    let answers = model.predict_batch(&rows.each_ref());
    assert_eq!(*answers[0].as_ref().unwrap(), 1.0, "an answer of its own");
    assert_eq!(*answers[1].as_ref().unwrap(), 2.0);
    assert_eq!(answers[2].as_ref().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_model_is_not_asked_about_rows_of_which_none_fits() {
    let model = ab().model(LosesCount);
    let rows = [r#"{"a": 1}"#, r#"{"b": 0}"#].map(json);
    for answer in model.predict_batch(&rows.each_ref()) {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
