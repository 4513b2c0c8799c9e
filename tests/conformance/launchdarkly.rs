//! LaunchDarkly's cases: a variation with its detail, by the type that a case asks for.

use std::{fs, path::Path};

use modelgate::{
    EvaluationContext, FlagSet, OwnedContext,
    clock::SystemClock,
    launchdarkly::{LaunchDarkly, Reason},
    value::Value,
};
use serde_json::{Value as Json, json};

use super::{Verdict, allocations};

pub fn answer(suite: &Path, case: &Json) -> Verdict {
    if case["kind"] != "evaluate" {
        return Verdict::Failed(format!("cases of kind {} are unknown", case["kind"]));
    }
    match miss(suite, case) {
        Some(found) => Verdict::Failed(found),
        None => Verdict::Passed,
    }
}

/// What came instead of the expectation, if anything.
fn miss(suite: &Path, case: &Json) -> Option<String> {
    let environment = case["environment"].as_str().expect("a case names its environment");
    let text = fs::read_to_string(suite.join("environments").join(environment)).unwrap();
    let key = case["flag"].as_str().expect("a case names its flag");
    let (context, clock) = (context(&case["context"]), SystemClock::new());
    let launchdarkly = LaunchDarkly::new();
    let at_once = match launchdarkly.compile(&text) {
        Ok(flags) => flags,
        Err(error) => return Some(error.to_string()),
    };
    let one_by_one = piecemeal(&launchdarkly, &text);
    for flags in [&at_once, &one_by_one] {
        let mut plain = None;
        let count = allocations(|| plain = Some(flags.evaluate_at(key, &context, &clock)));
        let plain = plain.expect("it was evaluated");
        if count > 0 {
            return Some(format!("{count} allocations"));
        }
        let (explained, _) = flags.explain_at(key, &context, &clock);
        if (plain.value, plain.reason, plain.error, plain.missing_key)
            != (explained.value, explained.reason, explained.error, explained.missing_key)
        {
            return Some(format!("{plain:?}, but explained {explained:?}"));
        }
        if let Some(found) = detail_miss(&launchdarkly, flags, key, &context, case) {
            return Some(found);
        }
    }
    None
}

fn detail_miss(
    launchdarkly: &LaunchDarkly,
    flags: &FlagSet,
    key: &str,
    context: &dyn EvaluationContext,
    case: &Json,
) -> Option<String> {
    let options = &case["options"];
    let default: Value = serde_json::from_value(options["default"].clone()).unwrap();
    let mut detail = None;
    let count = allocations(|| detail = Some(launchdarkly.detail(flags, key, context)));
    let detail = detail.expect("it was evaluated");
    if count > 0 {
        return Some(format!("{count} allocations for a detail"));
    }
    let clock = SystemClock::new();
    let plain = flags.evaluate_at(key, context, &clock);
    if plain.value != detail.value {
        return Some(format!("{plain:?}, but in detail {detail:?}"));
    }
    let found = match options["value_type"].as_str() {
        Some("bool") => {
            let found = detail.boolean(default.as_bool().expect("a boolean"));
            seen(json!(found.value), found.variation_index, found.reason)
        }
        Some("int") => {
            let found = detail.integer(default.as_i64().expect("an integer"));
            seen(json!(found.value), found.variation_index, found.reason)
        }
        Some("double") => {
            let found = detail.double(default.as_f64().expect("a number"));
            seen(json!(found.value), found.variation_index, found.reason)
        }
        Some("string") => {
            let found = detail.string(default.as_str().expect("text"));
            seen(json!(found.value), found.variation_index, found.reason)
        }
        Some("any") => {
            let found = detail.json(&default);
            seen(json!(found.value), found.variation_index, found.reason)
        }
        other => return Some(format!("type {other:?} is unknown")),
    };
    let expected = case["expect"].as_object().expect("a case expects something");
    for (field, expected) in expected {
        let equal = match (field.as_str(), expected) {
            ("reason", Json::Object(members)) => {
                // Null, false and empty members are absent ones.
                let mut members = members.clone();
                members.retain(|_, member| {
                    !matches!(member, Json::Null | Json::Bool(false)) && member != ""
                });
                found["reason"] == Json::Object(members)
            }
            ("value" | "variation_index", expected) => same(&found[field], expected),
            _ => false,
        };
        if !equal {
            return Some(format!("{field}: expected {expected}, found {found}"));
        }
    }
    None
}

fn seen(value: Json, variation_index: Option<usize>, reason: Reason<'_>) -> Json {
    json!({"value": value, "variation_index": variation_index, "reason": reason})
}

/// The same set, made by adding flags and segments one by one, the last first.
fn piecemeal(launchdarkly: &LaunchDarkly, text: &str) -> FlagSet {
    let document: Json = serde_json::from_str(text).unwrap();
    let mut set = FlagSet::new();
    let items = |name: &str| document[name].as_object().cloned().unwrap_or_default();
    for (key, flag) in items("flags").iter().rev() {
        set = launchdarkly.with_flag(&set, key, &flag.to_string()).unwrap();
    }
    for (key, segment) in items("segments").iter().rev() {
        set = launchdarkly.with_segment(&set, key, &segment.to_string()).unwrap();
    }
    set
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

/// The vendor's context as one of ours: the context itself is the user.
fn context(json: &Json) -> OwnedContext {
    match json["kind"].as_str() {
        None => user(json),
        Some("multi") => {
            let kinds = json.as_object().into_iter().flatten().filter(|(kind, _)| *kind != "kind");
            let mut context = match json.get("user") {
                Some(user) => individual(user),
                None => OwnedContext::anonymous(),
            };
            for (kind, json) in kinds.filter(|(kind, _)| *kind != "user") {
                context = context.with_kind(kind.as_str(), individual(json));
            }
            context
        }
        Some("user") => individual(json),
        Some(kind) => OwnedContext::anonymous().with_kind(kind, individual(json)),
    }
}

fn individual(json: &Json) -> OwnedContext {
    let mut context = OwnedContext::new(json["key"].as_str().expect("a context has a key"));
    for (name, value) in json.as_object().into_iter().flatten() {
        if name != "kind" && name != "key" {
            context = context.with(name.as_str(), value_of(value));
        }
    }
    context
}

/// A user from before there were kinds: its custom attributes stand apart.
fn user(json: &Json) -> OwnedContext {
    let mut context = OwnedContext::new(json["key"].as_str().expect("a user has a key"));
    for (name, value) in json["custom"].as_object().into_iter().flatten() {
        context = context.with(name.as_str(), value_of(value));
    }
    for (name, value) in json.as_object().into_iter().flatten() {
        if name != "key" && name != "custom" {
            context = context.with(name.as_str(), value_of(value));
        }
    }
    context
}

fn value_of(json: &Json) -> Value {
    serde_json::from_value(json.clone()).expect("every JSON value is a value")
}
