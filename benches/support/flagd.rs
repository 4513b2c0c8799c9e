//! The flags as flagd has them.

use serde_json::{Value as Json, json};

use super::{Rules, key};

pub fn targeting(rules: Rules, percent: u32) -> Json {
    let split = json!({"fractional": [["v2", percent], ["v1", 100 - percent]]});
    let var = |name: &str| json!({"var": name});
    match rules {
        Rules::Split => split,
        Rules::RuleThenSplit => json!({"if": [{"==": [var("region"), "eu"]}, "v2", split]}),
        Rules::Ten => json!({"if": [
            {"==": [var("region"), "eu"]}, "v1",
            {"==": [var("plan"), "free"]}, "v1",
            {"<": [var("age"), 18]}, "v1",
            {"in": [var("region"), ["br", "in", "jp"]]}, "v1",
            {"ends_with": [var("email"), "@example.org"]}, "v1",
            {"!=": [var("plan"), "pro"]}, "v1",
            {">": [var("age"), 99]}, "v1",
            {"starts_with": [var("email"), "test+"]}, "v1",
            {"==": [var("region"), "ca"]}, "v1",
            {"in": [var("plan"), ["pro", "team"]]}, "v2",
            split,
        ]}),
    }
}

/// One flag as it stands in a definition.
pub fn flag(rules: Rules, percent: u32) -> Json {
    json!({
        "state": "ENABLED",
        "variants": {"v1": "fraud-v1", "v2": "fraud-v2"},
        "defaultVariant": "v1",
        "targeting": targeting(rules, percent),
    })
}

/// One that is on for v2 and off for v1.
pub fn switch(rules: Rules, percent: u32) -> Json {
    let mut flag = flag(rules, percent);
    flag["variants"] = json!({"v1": false, "v2": true});
    flag
}

pub fn definition(rules: Rules, flags: usize) -> Json {
    of((0..flags).map(|index| (key(index), flag(rules, super::PERCENT))))
}

pub fn switches(rules: Rules, flags: usize) -> Json {
    of((0..flags).map(|index| (key(index), switch(rules, super::PERCENT))))
}

fn of(flags: impl Iterator<Item = (String, Json)>) -> Json {
    let flags: serde_json::Map<String, Json> = flags.collect();
    json!({ "flags": flags })
}
