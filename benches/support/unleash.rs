//! The flags as Unleash serves them to its backend clients. A toggle is on for whom the other
//! dialects give v2.

use serde_json::{Value as Json, json};

use super::{PERCENT, Rules, key};

fn strategies(rules: Rules, index: usize, percent: u32) -> Vec<Json> {
    let rollout = |percent: u32, constraints: Vec<Json>| {
        json!({
            "name": "flexibleRollout",
            "constraints": constraints,
            "parameters": {
                "groupId": key(index),
                "rollout": percent.to_string(),
                "stickiness": "userId",
            },
            "variants": [],
        })
    };
    let one_of = |name: &str, operator: &str, values: Json| {
        json!({
            "contextName": name,
            "operator": operator,
            "values": values,
            "inverted": false,
            "caseInsensitive": false,
        })
    };
    let number = |name: &str, operator: &str, value: &str| {
        json!({
            "contextName": name,
            "operator": operator,
            "values": [],
            "value": value,
            "inverted": false,
            "caseInsensitive": false,
        })
    };
    let constraints = match rules {
        Rules::Split => vec![],
        Rules::RuleThenSplit => vec![one_of("region", "IN", json!(["eu"]))],
        Rules::Ten => vec![
            one_of("region", "IN", json!(["eu"])),
            one_of("plan", "IN", json!(["free"])),
            number("age", "NUM_LT", "18"),
            one_of("region", "IN", json!(["br", "in", "jp"])),
            one_of("email", "STR_ENDS_WITH", json!(["@example.org"])),
            one_of("plan", "NOT_IN", json!(["pro"])),
            number("age", "NUM_GT", "99"),
            one_of("email", "STR_STARTS_WITH", json!(["test+"])),
            one_of("region", "IN", json!(["ca"])),
            one_of("plan", "IN", json!(["pro", "team"])),
        ],
    };
    let rules = constraints.into_iter().map(|constraint| rollout(100, vec![constraint]));
    rules.chain([rollout(percent, vec![])]).collect()
}

/// One toggle.
pub fn flag(rules: Rules, index: usize, percent: u32) -> Json {
    json!({
        "name": key(index),
        "type": "release",
        "enabled": true,
        "project": "default",
        "stale": false,
        "strategies": strategies(rules, index, percent),
        "variants": [],
        "description": null,
        "impressionData": false,
    })
}

/// What a delta that changes one toggle carries.
pub fn event(rules: Rules, index: usize, percent: u32) -> Json {
    let feature = flag(rules, index, percent);
    json!({"events": [{"type": "feature-updated", "eventId": 13, "feature": feature}]})
}

pub fn definition(rules: Rules, flags: usize) -> Json {
    let features: Vec<Json> = (0..flags).map(|index| flag(rules, index, PERCENT)).collect();
    json!({
        "version": 2,
        "features": features,
        "segments": [],
        "query": {"environment": "production", "inlineSegmentConstraints": false},
        "meta": {"revisionId": 12, "etag": "\"1fc12c72:12\"", "queryHash": "1fc12c72"},
    })
}
