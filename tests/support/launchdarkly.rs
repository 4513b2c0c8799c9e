//! LaunchDarkly flags as several test files write them.
#![allow(dead_code)]

use modelgate::{FlagSet, OwnedContext, launchdarkly::LaunchDarkly, value::Value};
use serde_json::{Value as Json, json};

pub fn compile(document: Json) -> FlagSet {
    LaunchDarkly::new().compile(&document.to_string()).unwrap()
}

/// A flag that serves variation 1 where these rules match, and 0 otherwise.
pub fn flag(rules: Json) -> Json {
    json!({"on": true, "variations": ["no", "yes", "third"], "offVariation": 2, "salt": "s",
        "rules": rules, "fallthrough": {"variation": 0}})
}

/// A flag with one rule of one clause.
pub fn clause(clause: Json) -> FlagSet {
    let flags = compile(json!({"flags": {"flag": flag(json!([{"clauses": [clause],
        "variation": 1}]))}}));
    assert_eq!(flags.problems(), []);
    flags
}

pub fn asks(attribute: &str, operator: &str, values: Json) -> Json {
    json!({"contextKind": "user", "attribute": attribute, "op": operator, "values": values})
}

pub fn segment_flag(segments: Json) -> Json {
    flag(json!([{"id": "r", "variation": 1, "clauses": [
        {"attribute": "", "op": "segmentMatch", "values": segments}]}]))
}

pub fn value<'a>(flags: &'a FlagSet, key: &str, context: &'a OwnedContext) -> &'a str {
    let detail = LaunchDarkly::new().detail(flags, key, context);
    detail.value.and_then(Value::as_str).unwrap_or("default")
}

pub fn kind(flags: &FlagSet, key: &str, context: &OwnedContext) -> String {
    let reason = LaunchDarkly::new().detail(flags, key, context).reason;
    match reason.error_kind {
        Some(error) => error.to_string(),
        None => reason.kind.to_string(),
    }
}

pub fn user() -> OwnedContext {
    OwnedContext::new("user-1")
}
