//! flagd's cases: typed resolution by the generation of `fractional` that a case names.

use std::{fs, path::Path};

use modelgate::{
    OwnedContext,
    clock::SystemClock,
    flag::ValueType,
    flagd::{Flagd, Fractional},
    value::Value,
};
use serde_json::{Value as Json, json};

use super::Verdict;

pub fn answer(suite: &Path, case: &Json) -> Verdict {
    if case["kind"] != "evaluate" {
        return Verdict::Failed(format!("cases of kind {} are unknown", case["kind"]));
    }
    let tagged = |tag: &str| case["tags"].as_array().is_some_and(|tags| tags.contains(&json!(tag)));
    if tagged("no-default") {
        return Verdict::Skipped("withdrawn by its vendor for `no-default-variant`".to_owned());
    }
    let named = [
        ("fractional-v1", Fractional::V1),
        ("fractional-v2", Fractional::V2),
        ("fractional-v3", Fractional::V3),
    ];
    let named: Vec<_> = named.into_iter().filter(|(tag, _)| tagged(tag)).collect();
    // A case of two generations has to pass under both, one of none under the default.
    let generations: Vec<_> = match &*named {
        [] => vec![Fractional::default()],
        named => named.iter().map(|(_, generation)| *generation).collect(),
    };
    for generation in generations {
        if let Some(found) = miss(suite, case, generation) {
            return Verdict::Failed(format!("{generation:?}: {found}"));
        }
    }
    Verdict::Passed
}

/// What came instead of the expectation, if anything.
fn miss(suite: &Path, case: &Json, generation: Fractional) -> Option<String> {
    let environment = case["environment"].as_str().expect("a case names its environment");
    let environment = fs::read_to_string(suite.join("environments").join(environment)).unwrap();
    let options = &case["options"];
    let mut dialect = Flagd::new().with_fractional(generation);
    if let Json::Object(context) = &options["static_context"] {
        let context = context.iter().map(|(name, value)| (name.as_str(), value_of(value)));
        dialect = dialect.with_static_context(context.collect());
    }
    let flags = match dialect.compile(&environment) {
        Ok(flags) => flags,
        Err(error) => return Some(error.to_string()),
    };
    let (context, clock) = (context(&case["context"]), SystemClock::new());
    let key = case["flag"].as_str().expect("a case names its flag");
    let expected = match options["type"].as_str() {
        Some("boolean") => ValueType::Boolean,
        Some("string") => ValueType::String,
        Some("integer") => ValueType::Integer,
        Some("float") => ValueType::Float,
        Some("object") => ValueType::Object,
        other => return Some(format!("type {other:?} is unknown")),
    };
    let plain = flags.evaluate_at(key, &context, &clock);
    let (explained, _) = flags.explain_at(key, &context, &clock);
    if (plain.value, plain.variant, plain.reason, plain.error)
        != (explained.value, explained.variant, explained.reason, explained.error)
    {
        return Some(format!("{plain:?}, but explained {explained:?}"));
    }
    let found = plain.of_type(expected);
    let default = value_of(&options["default"]);
    let value = match found.value {
        Some(_) if expected == ValueType::Integer => json!(found.integer(0).value),
        value => serde_json::to_value(value.unwrap_or(&default)).unwrap(),
    };
    let metadata = serde_json::to_value(found.metadata).unwrap();
    for (field, expected) in case["expect"].as_object().expect("a case expects something") {
        let equal = match field.as_str() {
            "value" => same(&value, expected),
            "reason" => *expected == json!(found.reason.as_str()),
            "error_code" => *expected == json!(found.error.map(|code| code.as_str())),
            "metadata" => same(&metadata, expected),
            _ => false,
        };
        if !equal {
            return Some(format!("{field}: expected {expected}, found {value} of {found:?}"));
        }
    }
    None
}

/// Equal as JSON, where `1` and `1.0` are one number.
fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        _ => left == right,
    }
}

fn context(json: &Json) -> OwnedContext {
    let mut context = match json["targetingKey"].as_str() {
        Some(key) => OwnedContext::new(key),
        None => OwnedContext::anonymous(),
    };
    for (name, value) in json.as_object().into_iter().flatten() {
        if name != "targetingKey" || !value.is_string() {
            context = context.with(name.as_str(), value_of(value));
        }
    }
    context
}

fn value_of(json: &Json) -> Value {
    serde_json::from_value(json.clone()).expect("every JSON value is a value")
}
