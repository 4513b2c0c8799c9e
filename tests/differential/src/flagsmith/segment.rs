//! Segments: trees of rules with conditions.

use serde_json::{Value as Json, json};

use super::{
    operand::{self, Shape},
    property::Names,
    split,
};
use crate::random::Random;

pub const OPERATORS: &[&str] = &[
    "EQUAL",
    "NOT_EQUAL",
    "GREATER_THAN",
    "GREATER_THAN_INCLUSIVE",
    "LESS_THAN",
    "LESS_THAN_INCLUSIVE",
    "CONTAINS",
    "NOT_CONTAINS",
    "IN",
    "REGEX",
    "PERCENTAGE_SPLIT",
    "MODULO",
    "IS_SET",
    "IS_NOT_SET",
];

const DEPTH: usize = 3;

/// What the segments of one case are made with.
pub struct Maker<'m> {
    pub random: &'m mut Random,
    pub names: Names<'m>,
    /// Texts that the case has of its own, for comparisons to hit.
    pub own: &'m [String],
    /// What everybody in this case is hashed by.
    pub identity_key: Option<&'m str>,
    /// How often a condition reads another flag.
    pub flags: f64,
}

impl Maker<'_> {
    /// The rules of a segment with this key.
    pub fn rules(&mut self, key: &str) -> Json {
        if self.random.chance(0.15) {
            // Everybody's, so that overrides meet each other.
            return json!([{"type": self.random.of(&["ALL", "ANY", "NONE"])}]);
        }
        let count = [0, 1, 1, 1, 1, 1, 1, 2, 2, 3][self.random.below(10)];
        (0..count).map(|_| self.rule(key, 1)).collect()
    }

    fn rule(&mut self, key: &str, depth: usize) -> Json {
        let of = *self.random.of(&["ALL", "ALL", "ANY", "ANY", "NONE"]);
        let below = if depth == DEPTH { 0 } else { [0, 0, 0, 1, 2, 3][self.random.below(6)] };
        let here = match below {
            0 => [0, 1, 1, 1, 1, 2, 2, 3][self.random.below(8)],
            _ => self.random.below(3),
        };
        let conditions: Vec<Json> = (0..here).map(|_| self.condition(key)).collect();
        let rules: Vec<Json> = (0..below).map(|_| self.rule(key, depth + 1)).collect();
        let mut rule = json!({"type": of});
        // A part that is not there is as good as an empty one.
        if !conditions.is_empty() || self.random.chance(0.5) {
            rule["conditions"] = Json::Array(conditions);
        }
        if !rules.is_empty() || self.random.chance(0.5) {
            rule["rules"] = Json::Array(rules);
        }
        rule
    }

    pub fn condition(&mut self, key: &str) -> Json {
        if self.random.chance(self.flags) {
            return self.dependency();
        }
        let operator = *self.random.of(OPERATORS);
        let property = match operator {
            "PERCENTAGE_SPLIT" if self.random.chance(0.6) => String::new(),
            _ => self.names.any(self.random),
        };
        let shape = Shape::fitting(self.random, operator);
        let value = match operator {
            "PERCENTAGE_SPLIT" if self.random.chance(0.7) => {
                let own = self.text_of(&property);
                let subject = if property.is_empty() { self.identity_key } else { own.as_deref() };
                json!(split::weight(self.random, key, subject).to_string())
            }
            _ => self.value(shape, &property),
        };
        json!({"operator": operator, "property": property, "value": value})
    }

    /// A value for this property to be compared with.
    pub fn value(&mut self, shape: Shape, property: &str) -> Json {
        match self.text_of(property) {
            Some(own) if self.random.chance(0.7) => operand::value(self.random, shape, &[own]),
            _ => operand::value(self.random, shape, self.own),
        }
    }

    /// A condition on what another flag came to.
    fn dependency(&mut self) -> Json {
        let template = match self.random.below(10) {
            0..=4 => "$.flags.F.enabled",
            5 | 6 => "$.flags.F.value",
            7 => "$.flags.F.variant",
            8 => "$.flags['F'].enabled",
            _ => "$.flags[\"F\"]['variant','value']",
        };
        let property = self.names.fill(self.random, template).path;
        let operator =
            *self.random.of(&["EQUAL", "EQUAL", "NOT_EQUAL", "IS_SET", "IS_NOT_SET", "IN"]);
        let value = if property.ends_with("enabled") {
            json!(self.random.of(&["true", "false", "1"]))
        } else {
            operand::value(self.random, Shape::Text, self.own)
        };
        json!({"operator": operator, "property": property, "value": value})
    }

    /// The text of the trait that is called so.
    fn text_of(&self, property: &str) -> Option<String> {
        let traits = self.names.context.get("identity")?.get("traits")?;
        let name = property.strip_prefix("$.identity.traits.").unwrap_or(property);
        text(traits.get(name)?)
    }
}

/// The text of a value, as a condition would have it.
pub fn text(value: &Json) -> Option<String> {
    match value {
        Json::Null | Json::Array(_) | Json::Object(_) => None,
        Json::String(text) => Some(text.clone()),
        Json::Number(number) if number.is_f64() => number.as_f64().map(|float| float.to_string()),
        other => Some(other.to_string()),
    }
}
