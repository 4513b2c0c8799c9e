//! The flags as LaunchDarkly streams them.

use serde_json::{Value as Json, json};

use super::{PERCENT, Rules, key};

fn rules(rules: Rules) -> Vec<Json> {
    let rule =
        |id: usize, attribute: &str, op: &str, values: Json, negate: bool, variation: i64| {
            json!({
                "id": format!("rule-{id}"),
                "variation": variation,
                "clauses": [{
                    "contextKind": "user",
                    "attribute": attribute,
                    "op": op,
                    "values": values,
                    "negate": negate,
                }],
                "trackEvents": false,
            })
        };
    match rules {
        Rules::Split => vec![],
        Rules::RuleThenSplit => vec![rule(0, "region", "in", json!(["eu"]), false, 1)],
        Rules::Ten => vec![
            rule(0, "region", "in", json!(["eu"]), false, 0),
            rule(1, "plan", "in", json!(["free"]), false, 0),
            rule(2, "age", "lessThan", json!([18]), false, 0),
            rule(3, "region", "in", json!(["br", "in", "jp"]), false, 0),
            rule(4, "email", "endsWith", json!(["@example.org"]), false, 0),
            rule(5, "plan", "in", json!(["pro"]), true, 0),
            rule(6, "age", "greaterThan", json!([99]), false, 0),
            rule(7, "email", "startsWith", json!(["test+"]), false, 0),
            rule(8, "region", "in", json!(["ca"]), false, 0),
            rule(9, "plan", "in", json!(["pro", "team"]), false, 1),
        ],
    }
}

/// One flag as a `patch` carries it.
pub fn flag(of: Rules, index: usize, percent: u32) -> Json {
    json!({
        "key": key(index),
        "version": 7,
        "on": true,
        "targets": [],
        "contextTargets": [],
        "rules": rules(of),
        "prerequisites": [],
        "fallthrough": {"rollout": {
            "kind": "rollout",
            "contextKind": "user",
            "variations": [
                {"variation": 1, "weight": percent * 1_000},
                {"variation": 0, "weight": 100_000 - percent * 1_000},
            ],
        }},
        "offVariation": 0,
        "variations": ["fraud-v1", "fraud-v2"],
        "clientSideAvailability": {"usingMobileKey": false, "usingEnvironmentId": false},
        "clientSide": false,
        // Short enough for key, salt and user to fill one block of SHA-1.
        "salt": format!("salt-{index:04x}"),
        "trackEvents": false,
        "trackEventsFallthrough": false,
        "debugEventsUntilDate": null,
        "deleted": false,
    })
}

/// What a `put` carries.
pub fn definition(rules: Rules, flags: usize) -> Json {
    let flags: serde_json::Map<String, Json> =
        (0..flags).map(|index| (key(index), flag(rules, index, PERCENT))).collect();
    json!({"flags": flags, "segments": {}})
}
