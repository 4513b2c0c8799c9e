//! The flags as Flagsmith serves them to clients that evaluate themselves: an environment document.
//! Its segments belong to the project, and each overrides every feature.

use serde_json::{Value as Json, json};

use super::{PERCENT, Rules, key};

fn segments(rules: Rules, features: &[usize]) -> Vec<Json> {
    let segment = |id: usize, property: &str, operator: &str, value: &str, serves: &str| {
        let condition = json!({"operator": operator, "value": value, "property_": property});
        let overrides: Vec<Json> =
            features.iter().map(|&index| state(index, 0, serves, Some(id))).collect();
        json!({
            "id": id + 1,
            "name": format!("{property} {operator} {value}"),
            "rules": [{"type": "ALL", "conditions": [], "rules": [
                {"type": "ANY", "conditions": [condition], "rules": []},
            ]}],
            "feature_states": overrides,
        })
    };
    match rules {
        Rules::Split => vec![],
        Rules::RuleThenSplit => vec![segment(0, "region", "EQUAL", "eu", "fraud-v2")],
        Rules::Ten => vec![
            segment(0, "region", "EQUAL", "eu", "fraud-v1"),
            segment(1, "plan", "EQUAL", "free", "fraud-v1"),
            segment(2, "age", "LESS_THAN", "18", "fraud-v1"),
            segment(3, "region", "IN", "br,in,jp", "fraud-v1"),
            segment(4, "email", "CONTAINS", "@example.org", "fraud-v1"),
            segment(5, "plan", "NOT_EQUAL", "pro", "fraud-v1"),
            segment(6, "age", "GREATER_THAN", "99", "fraud-v1"),
            segment(7, "email", "CONTAINS", "test+", "fraud-v1"),
            segment(8, "region", "EQUAL", "ca", "fraud-v1"),
            segment(9, "plan", "IN", "pro,team", "fraud-v2"),
        ],
    }
}

/// A feature's state, in the environment or, with a priority, in a segment.
fn state(index: usize, percent: u32, value: &str, priority: Option<usize>) -> Json {
    let id = priority.map_or(0, |priority| priority + 1) * 1_000_000 + index + 1;
    let second = json!({
        "multivariate_feature_option": {"value": "fraud-v2", "id": id, "key": "v2"},
        "percentage_allocation": f64::from(percent),
        "id": id,
        "mv_fs_value_uuid": format!("a358b4fc-4f3d-4e8a-ae7a-{id:012x}"),
    });
    json!({
        "feature": {
            "id": index + 1,
            "name": key(index),
            "type": if percent > 0 { "MULTIVARIATE" } else { "STANDARD" },
        },
        "enabled": true,
        "django_id": id,
        "feature_segment": priority.map(|priority| json!({ "priority": priority })),
        "featurestate_uuid": format!("2de1670e-3d64-4eaf-807a-{id:012x}"),
        "feature_state_value": value,
        "multivariate_feature_state_values": if percent > 0 { vec![second] } else { vec![] },
    })
}

/// One feature's state in the environment.
pub fn flag(index: usize, percent: u32) -> Json {
    state(index, percent, "fraud-v1", None)
}

pub fn definition(rules: Rules, flags: usize) -> Json {
    changed(rules, flags, usize::MAX, PERCENT)
}

/// The document in which the feature `index` has another share.
pub fn changed(rules: Rules, flags: usize, index: usize, percent: u32) -> Json {
    let features: Vec<usize> = (0..flags).collect();
    let share = |feature: usize| if feature == index { percent } else { PERCENT };
    let states: Vec<Json> = features.iter().map(|&feature| flag(feature, share(feature))).collect();
    json!({
        "id": 1,
        "api_key": "TnajHV4ALxs2kvsCj5AouX",
        "name": "Production",
        "project": {
            "id": 1,
            "name": "fraud",
            "organisation": {
                "id": 1,
                "name": "modelgate",
                "feature_analytics": false,
                "stop_serving_flags": false,
                "persist_trait_data": true,
            },
            "hide_disabled_flags": false,
            "segments": segments(rules, &features),
        },
        "feature_states": states,
        "identity_overrides": [],
        "updated_at": "2026-11-22T07:55:08.620212+00:00",
    })
}
