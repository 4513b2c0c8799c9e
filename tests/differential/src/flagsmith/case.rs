//! One environment, somebody who asks, and all that comes of it.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

/// An environment and who asks. It is asked for every feature, and for the segments that match.
#[derive(Clone, Debug)]
pub struct Case {
    pub id: String,
    /// An engine evaluation context without its identity, or an environment document.
    pub environment: Json,
    /// `{"identity": ...}`, or nothing.
    pub context: Map<String, Json>,
}

impl Case {
    /// Whether the environment is a document, as the API serves it.
    pub fn is_document(&self) -> bool {
        self.environment.get("feature_states").is_some()
    }

    pub fn identity(&self) -> Option<&Map<String, Json>> {
        self.context.get("identity").and_then(Json::as_object)
    }

    pub fn traits(&self) -> Option<&Map<String, Json>> {
        self.identity().and_then(|identity| identity.get("traits")).and_then(Json::as_object)
    }

    /// The segments, in their order.
    pub fn segments(&self) -> Vec<&Json> {
        match &self.environment["segments"] {
            Json::Object(segments) => segments.values().collect(),
            _ => self.environment["project"]["segments"].as_array().into_iter().flatten().collect(),
        }
    }

    /// The features' names.
    pub fn features(&self) -> Vec<&str> {
        let states = self.environment["feature_states"].as_array().into_iter().flatten();
        let features = self.environment["features"].as_object().into_iter().flatten();
        let names = states.map(|state| &state["feature"]["name"]);
        let names = names.chain(features.map(|(_, feature)| &feature["name"]));
        names.filter_map(Json::as_str).collect()
    }

    /// Every condition there is.
    pub fn conditions(&self) -> Vec<Condition<'_>> {
        let mut conditions = Vec::new();
        for segment in self.segments() {
            collect(&segment["rules"], &mut conditions);
        }
        conditions
    }

    /// What differs between the answers, as lines of conformance data that expect theirs.
    pub fn lines(&self, ours: &Answers, theirs: &Answers) -> Vec<Json> {
        let line = |kind: &str| {
            json!({
                "id": self.id,
                "kind": kind,
                "dialect": "flagsmith",
                "environment": self.environment,
                "context": self.context,
            })
        };
        let mut lines = Vec::new();
        for (name, expect) in &theirs.flags {
            if ours.flags.get(name).is_none_or(|answer| !answer.same(expect)) {
                let mut line = line("evaluate");
                line["flag"] = json!(name);
                line["expect"] = expect.json();
                lines.push(line);
            }
        }
        if ours.segments != theirs.segments {
            let mut line = line("segments");
            let segments = theirs.segments.iter().map(|name| json!({"name": name}));
            line["expect"] = json!({"segments": segments.collect::<Vec<_>>()});
            lines.push(line);
        }
        lines
    }

    /// The case of a line.
    pub fn of_line(line: &Json) -> Case {
        Case {
            id: line["id"].as_str().expect("a line has an id").to_owned(),
            environment: line["environment"].clone(),
            context: line["context"].as_object().cloned().unwrap_or_default(),
        }
    }
}

/// A condition, whichever way it is written.
#[derive(Clone, Copy)]
pub struct Condition<'c> {
    pub operator: &'c str,
    pub property: &'c str,
    pub value: &'c Json,
}

fn collect<'c>(rules: &'c Json, conditions: &mut Vec<Condition<'c>>) {
    for rule in rules.as_array().into_iter().flatten() {
        for condition in rule["conditions"].as_array().into_iter().flatten() {
            let property = condition.get("property").or(condition.get("property_"));
            conditions.push(Condition {
                operator: condition["operator"].as_str().unwrap_or_default(),
                property: property.and_then(Json::as_str).unwrap_or_default(),
                value: &condition["value"],
            });
        }
        collect(&rule["rules"], conditions);
    }
}

/// What one feature answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub enabled: bool,
    pub value: Json,
    pub variant: Option<String>,
    /// As the vendor spells it.
    pub reason: String,
}

impl Answer {
    /// Whether the two say the same; a whole number is none with a fraction.
    pub fn same(&self, other: &Answer) -> bool {
        let values = match (&self.value, &other.value) {
            (Json::Number(a), Json::Number(b)) => {
                a.is_f64() == b.is_f64() && (a == b || a.as_f64() == b.as_f64())
            }
            (a, b) => a == b,
        };
        values
            && self.enabled == other.enabled
            && self.variant == other.variant
            && self.reason == other.reason
    }

    pub fn json(&self) -> Json {
        json!({
            "enabled": self.enabled,
            "value": self.value,
            "variant": self.variant,
            "reason": self.reason,
        })
    }
}

/// What all features answered, and the names of the segments that matched, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    pub flags: BTreeMap<String, Answer>,
    pub segments: Vec<String>,
}

impl Answers {
    pub fn same(&self, other: &Answers) -> bool {
        self.segments == other.segments
            && self.flags.len() == other.flags.len()
            && self
                .flags
                .iter()
                .zip(&other.flags)
                .all(|((name, answer), (other, theirs))| name == other && answer.same(theirs))
    }

    pub fn json(&self) -> Json {
        let flags = self.flags.iter().map(|(name, answer)| (name.clone(), answer.json()));
        json!({"flags": flags.collect::<Map<_, _>>(), "segments": self.segments})
    }
}
