//! `examples/evaluate`, driven as its users drive it: lines in, lines out.

#[allow(dead_code, reason = "the program's own `main` is not called")]
#[path = "../examples/evaluate/main.rs"]
mod evaluate;

use std::{fs, io::BufReader};

use serde_json::{Value, json};

fn ask(questions: &str, explain: bool) -> Vec<Value> {
    let mut answers = Vec::new();
    evaluate::run(&mut BufReader::new(questions.as_bytes()), &mut answers, explain).unwrap();
    String::from_utf8(answers)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn environment() -> Value {
    json!({"flags": {"model": {
        "state": "ENABLED", "variants": {"v1": "one", "v2": "two"}, "defaultVariant": "v1",
        "targeting": {"if": [{"==": [{"var": "region"}, "eu"]}, "v2",
            {"fractional": [["v2", 25], ["v1", 75]]}]},
        "metadata": {"owner": "risk"},
    }}})
}

#[test]
fn a_question_is_answered_in_the_vendors_words() {
    let question = json!({
        "id": 7, "dialect": "flagd", "environment": environment(), "flag": "model",
        "context": {"targetingKey": "u", "region": "eu"}, "options": {"type": "string"},
    });
    assert_eq!(
        ask(&question.to_string(), false),
        [json!({
            "id": 7, "value": "two", "variant": "v2", "reason": "TARGETING_MATCH",
            "error_code": null, "metadata": {"owner": "risk"},
        })]
    );
}

#[test]
fn an_error_answers_the_default_with_its_code() {
    let mut question = json!({
        "id": "x", "dialect": "flagd", "environment": environment(), "flag": "model",
        "context": {"region": "eu"}, "options": {"type": "integer", "default": 13},
    });
    let answer = &ask(&question.to_string(), false)[0];
    assert_eq!((&answer["value"], &answer["error_code"]), (&json!(13), &json!("TYPE_MISMATCH")));
    question["flag"] = json!("absent");
    assert_eq!(ask(&question.to_string(), false)[0]["error_code"], "FLAG_NOT_FOUND");
}

#[test]
fn an_explanation_names_rule_attribute_and_bucket() {
    let question = json!({
        "id": 1, "dialect": "flagd", "environment": environment(), "flag": "model",
        "context": {"targetingKey": "u", "region": "us"},
    });
    let answer = &ask(&question.to_string(), true)[0];
    let trace = answer["trace"].as_array().unwrap();
    let read = json!({"step": "read", "attribute": "region", "value": "us"});
    assert!(trace.contains(&read), "{trace:?}");
    let compared = json!({"step": "operator", "path": "/targeting/if/0/==", "operator": "==", "result": false});
    assert!(trace.contains(&compared), "{trace:?}");
    let bucket = trace.iter().find(|step| step["step"] == "bucket").unwrap();
    assert_eq!(bucket["path"], "/targeting/if/2/fractional");
    assert_eq!(bucket["total"], 100.0);
}

#[test]
fn a_line_that_cannot_be_evaluated_says_why_and_the_next_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flags.json");
    fs::write(&file, environment().to_string()).unwrap();
    let good = json!({
        "id": "good", "dialect": "flagd", "environment_file": file, "flag": "model",
        "options": {"fractional": "v2", "default": "none"},
    });
    let mut generation = good.clone();
    generation["options"]["fractional"] = json!("v9");
    let mut absent = good.clone();
    absent["environment_file"] = json!("/nowhere/flags.json");
    let lines = [
        "not json".to_owned(),
        "[]".to_owned(),
        r#"{"id": 2, "dialect": "paper"}"#.to_owned(),
        r#"{"id": 3, "dialect": "flagd", "flag": "f"}"#.to_owned(),
        r#"{"id": 4, "dialect": "flagd", "flag": "f", "environment": {"flags": 1}}"#.to_owned(),
        generation.to_string(),
        absent.to_string(),
        String::new(),
        good.to_string(),
    ];
    let answers = ask(&lines.join("\n"), false);
    let error = |index: usize| answers[index]["error"].as_str().unwrap_or_default().to_owned();
    assert_eq!(answers[0]["id"], Value::Null);
    assert!(error(0).contains("invalid JSON"), "{answers:?}");
    assert!(error(1).contains("expected an object"), "{answers:?}");
    assert_eq!(answers[2]["id"], 2);
    assert!(error(2).contains("`paper`") && error(2).contains("flagd"), "{answers:?}");
    assert!(error(3).contains("environment"), "{answers:?}");
    assert!(error(4).contains("`flags`: found number"), "{answers:?}");
    assert!(error(5).contains("options.fractional"), "{answers:?}");
    assert!(error(6).contains("/nowhere/flags.json"), "{answers:?}");
    assert_eq!(answers[7]["id"], "good");
    assert_eq!(answers[7]["value"], "one", "no targeting key: the default variant");
    assert_eq!(answers.len(), 8);
}

#[test]
fn flagsmith_answers_features_and_segments() {
    let environment = json!({
        "environment": {"key": "env", "name": "Production"},
        "features": {"model": {"key": "1", "name": "model", "enabled": true, "value": "v1"}},
        "segments": {"7": {
            "key": "7", "name": "beta", "metadata": {"id": 7},
            "rules": [{"type": "ALL", "conditions":
                [{"property": "plan", "operator": "EQUAL", "value": "pro"}]}],
            "overrides": [{"key": "2", "name": "model", "enabled": false, "value": "v2"}],
        }},
    });
    let feature = json!({
        "id": 1, "dialect": "flagsmith", "environment": environment, "flag": "model",
        "context": {"identity": {"identifier": "u", "traits": {"plan": "pro"}}},
    });
    let mut segments = feature.clone();
    segments["kind"] = json!("segments");
    let mut absent = feature.clone();
    absent["flag"] = json!("absent");
    let answers = ask(&[feature, segments, absent].map(|line| line.to_string()).join("\n"), false);
    assert_eq!(
        answers[..2],
        [
            json!({"id": 1, "enabled": false, "value": "v2", "variant": null,
                "reason": "TARGETING_MATCH; segment=beta", "metadata": {}}),
            json!({"id": 1, "segments": [{"name": "beta", "metadata": {"id": 7}}]}),
        ]
    );
    assert!(answers[2]["error"].as_str().unwrap().contains("`absent`"), "{answers:?}");
}
