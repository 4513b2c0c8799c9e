//! One question, and its answer.

use serde_json::{Map, Value as Json, json};

use crate::same::same;

/// What a caller gets where the flag has no value for it, in the lines of cases.
const DEFAULT: &str = "the caller's default";

/// Flags and segments, somebody who asks, and for what.
#[derive(Clone, Debug)]
pub struct Case {
    pub id: String,
    pub environment: Json,
    pub context: Json,
    pub flag: String,
    /// The big segments that each context key is known to be in or not, `None` without a store.
    pub memberships: Option<Map<String, Json>>,
}

impl Case {
    /// The flag that is asked for, as it is defined.
    pub fn definition(&self) -> &Json {
        &self.environment["flags"][&self.flag]
    }

    /// The case as a line of conformance data.
    pub fn line(&self, expect: &Answer) -> Json {
        let mut options = json!({"default": DEFAULT, "value_type": "any"});
        if let Some(memberships) = &self.memberships {
            options["big_segments"] = Json::Object(memberships.clone());
        }
        json!({
            "id": self.id,
            "kind": "evaluate",
            "dialect": "launchdarkly",
            "environment": self.environment,
            "context": self.context,
            "flag": self.flag,
            "options": options,
            "expect": expect.json(),
        })
    }

    /// The case of a line.
    pub fn of_line(line: &Json) -> Case {
        Case {
            id: line["id"].as_str().expect("a line has an id").to_owned(),
            environment: line["environment"].clone(),
            context: line["context"].clone(),
            flag: line["flag"].as_str().expect("a line names its flag").to_owned(),
            memberships: line["options"]["big_segments"].as_object().cloned(),
        }
    }
}

/// What a flag answered, the reason as LaunchDarkly writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// `None` for the caller's own default.
    pub value: Option<Json>,
    pub variation_index: Option<i64>,
    pub reason: Json,
}

impl Answer {
    pub fn error(kind: &str) -> Answer {
        let reason = json!({"kind": "ERROR", "errorKind": kind});
        Answer { value: None, variation_index: None, reason }
    }

    /// Whether the two say the same; numbers by their value, however they are written.
    pub fn same(&self, other: &Answer) -> bool {
        let values = match (&self.value, &other.value) {
            (Some(a), Some(b)) => same(a, b),
            (a, b) => a == b,
        };
        values && self.variation_index == other.variation_index && self.reason == other.reason
    }

    pub fn json(&self) -> Json {
        json!({
            "value": self.value.clone().unwrap_or(json!(DEFAULT)),
            "variation_index": self.variation_index,
            "reason": self.reason,
        })
    }
}
