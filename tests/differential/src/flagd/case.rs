//! One question, and its answer.

use modelgate::{flag::ValueType, flagd::Fractional};
use serde_json::{Map, Value as Json, json};

use crate::same::same;

/// The type that the caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    Boolean,
    String,
    Integer,
    Float,
    Object,
}

impl Expected {
    pub const ALL: [Expected; 5] =
        [Expected::Boolean, Expected::String, Expected::Integer, Expected::Float, Expected::Object];

    pub fn name(self) -> &'static str {
        match self {
            Expected::Boolean => "boolean",
            Expected::String => "string",
            Expected::Integer => "integer",
            Expected::Float => "float",
            Expected::Object => "object",
        }
    }

    pub fn ours(self) -> ValueType {
        match self {
            Expected::Boolean => ValueType::Boolean,
            Expected::String => ValueType::String,
            Expected::Integer => ValueType::Integer,
            Expected::Float => ValueType::Float,
            Expected::Object => ValueType::Object,
        }
    }
}

/// A flag definition, somebody who asks, and for what.
#[derive(Clone, Debug)]
pub struct Case {
    pub id: String,
    pub environment: Json,
    pub context: Map<String, Json>,
    pub flag: String,
    pub expected: Expected,
    pub fractional: Fractional,
}

impl Case {
    /// The flag that is asked for, as it is defined.
    pub fn definition(&self) -> &Json {
        &self.environment["flags"][&self.flag]
    }

    /// The case as a line of conformance data; `examples/evaluate` reads it as well.
    pub fn line(&self, expect: &Answer) -> Json {
        let fractional = match self.fractional {
            Fractional::V1 => "v1",
            Fractional::V2 => "v2",
            _ => "v3",
        };
        json!({
            "id": self.id,
            "kind": "evaluate",
            "dialect": "flagd",
            "environment": self.environment,
            "context": self.context,
            "flag": self.flag,
            "options": {"type": self.expected.name(), "fractional": fractional},
            "expect": expect.json(),
        })
    }

    /// The case of a line.
    pub fn of_line(line: &Json) -> Case {
        let options = &line["options"];
        let expected = Expected::ALL.into_iter().find(|one| options["type"] == one.name());
        Case {
            id: line["id"].as_str().expect("a line has an id").to_owned(),
            environment: line["environment"].clone(),
            context: line["context"].as_object().cloned().unwrap_or_default(),
            flag: line["flag"].as_str().expect("a line names its flag").to_owned(),
            expected: expected.expect("a line names the type it asks for"),
            fractional: match options["fractional"].as_str() {
                Some("v1") => Fractional::V1,
                Some("v2") => Fractional::V2,
                _ => Fractional::V3,
            },
        }
    }
}

/// What a flag answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// `None` for the caller's own default.
    pub value: Option<Json>,
    pub variant: Option<String>,
    pub reason: String,
    pub error_code: Option<String>,
}

impl Answer {
    pub fn error(code: &str) -> Answer {
        let (reason, code) = ("ERROR".to_owned(), code.to_owned());
        Answer { value: None, variant: None, reason, error_code: Some(code) }
    }

    /// Whether the two say the same; numbers by their value, however they are written.
    pub fn same(&self, other: &Answer) -> bool {
        let values = match (&self.value, &other.value) {
            (Some(a), Some(b)) => same(a, b),
            (a, b) => a == b,
        };
        values
            && self.variant == other.variant
            && self.reason == other.reason
            && self.error_code == other.error_code
    }

    pub fn json(&self) -> Json {
        json!({
            "value": self.value,
            "variant": self.variant,
            "reason": self.reason,
            "error_code": self.error_code,
        })
    }
}
