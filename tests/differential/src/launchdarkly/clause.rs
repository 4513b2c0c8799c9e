//! Conditions on attributes, kinds and segments.

use serde_json::{Value as Json, json};

use super::{
    attribute,
    context::{KINDS, Single},
    operand,
};
use crate::{
    pool::{self, Type},
    random::Random,
};

/// Every operator on an attribute; the last is nobody's.
pub const OPERATORS: [&str; 15] = [
    "in",
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "lessThan",
    "lessThanOrEqual",
    "greaterThan",
    "greaterThanOrEqual",
    "before",
    "after",
    "semVerEqual",
    "semVerLessThan",
    "semVerGreaterThan",
    "resembles",
];

/// How often an operator is one for the attribute's type.
const WELL_TYPED: f64 = 0.8;

/// What flags and segments of one case are made with.
pub struct Maker<'m> {
    pub random: &'m mut Random,
    pub singles: &'m [Single],
    pub segments: &'m [&'m str],
}

impl Maker<'_> {
    /// A kind, most likely one of those who ask.
    pub fn kind(&mut self) -> String {
        if self.random.chance(0.75) {
            self.random.of(self.singles).kind.clone()
        } else {
            (*self.random.of(KINDS)).to_owned()
        }
    }

    pub fn single(&self, kind: &str) -> Option<&Single> {
        self.singles.iter().find(|single| single.kind == kind)
    }

    /// How many there are; now and then more than are searched one by one.
    pub fn count(&mut self, usual: &[usize]) -> usize {
        if self.random.chance(0.03) { 9 + self.random.below(6) } else { *self.random.of(usual) }
    }

    /// A context key, one of those who ask as often as not.
    pub fn key_of(&mut self, kind: &str) -> String {
        match self.single(kind).map(|single| single.key.clone()) {
            Some(key) if self.random.chance(0.35) => key,
            _ => super::context::key(self.random),
        }
    }

    pub fn clauses(&mut self, segments: f64) -> Vec<Json> {
        let count = *self.random.of(&[0, 1, 1, 1, 1, 1, 2, 2, 3]);
        (0..count).map(|_| self.clause(segments)).collect()
    }

    pub fn clause(&mut self, segments: f64) -> Json {
        if self.random.chance(segments) {
            return self.segment_match();
        }
        let aware = self.random.chance(0.6);
        let kind = if aware { self.kind() } else { "user".to_owned() };
        let single = self.singles.iter().find(|single| single.kind == kind);
        let text = attribute::text(self.random, single, aware);
        let own = match attribute::path(&text, aware) {
            Some(path) if path == ["kind"] => json!(self.random.of(self.singles).kind),
            Some(path) => single.map(|single| attribute::lookup(single, &path)).unwrap_or_default(),
            None => Json::Null,
        };
        let operator = self.operator(&own);
        let count = self.count(&[0, 1, 1, 1, 1, 2, 3]);
        let values: Vec<Json> = (0..count).map(|_| self.value(operator, &own)).collect();
        let mut clause = json!({"attribute": text, "op": operator, "values": values});
        if aware {
            clause["contextKind"] = json!(kind);
        }
        self.negate(&mut clause);
        clause
    }

    fn negate(&mut self, clause: &mut Json) {
        match self.random.below(4) {
            0 => clause["negate"] = json!(true),
            1 => {}
            _ => clause["negate"] = json!(false),
        }
    }

    fn operator(&mut self, own: &Json) -> &'static str {
        let random = &mut *self.random;
        if !random.chance(WELL_TYPED) {
            return random.of::<&'static str>(&OPERATORS);
        }
        let inner = match own {
            Json::Array(elements) => elements.first().unwrap_or(&Json::Null),
            own => own,
        };
        match inner {
            Json::String(_) => random.of::<&'static str>(&[
                "in",
                "in",
                "startsWith",
                "endsWith",
                "contains",
                "matches",
                "matches",
                "before",
                "after",
                "semVerEqual",
                "semVerLessThan",
                "semVerGreaterThan",
            ]),
            Json::Number(_) => random.of::<&'static str>(&[
                "in",
                "lessThan",
                "lessThanOrEqual",
                "greaterThan",
                "greaterThanOrEqual",
                "before",
                "after",
            ]),
            _ => "in",
        }
    }

    fn value(&mut self, operator: &str, own: &Json) -> Json {
        if self.random.chance(0.5) {
            return operand::counterpart(self.random, operator, own);
        }
        let of = match operator {
            _ if !self.random.chance(WELL_TYPED) => *self.random.of(&Type::ALL[..6]),
            "matches" => return json!(operand::pattern(self.random)),
            "before" | "after" => return operand::moment(self.random),
            "lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual" => Type::Number,
            "in" | "resembles" => *self.random.of(&Type::ALL[..6]),
            _ => Type::Text,
        };
        operand::of_type(self.random, operator, of)
    }

    pub fn segment_match(&mut self) -> Json {
        let count = *self.random.of(&[0, 1, 1, 1, 1, 2, 2, 3]);
        let values: Vec<Json> = (0..count)
            .map(|_| match self.random.below(12) {
                0 => json!("nowhere"),
                1 => pool::anything(self.random),
                _ => json!(self.random.of(self.segments)),
            })
            .collect();
        let mut clause = json!({"attribute": "", "op": "segmentMatch", "values": values});
        if self.random.chance(0.3) {
            clause["attribute"] = json!("key");
        }
        if self.random.chance(0.3) {
            clause["contextKind"] = json!(self.kind());
        }
        self.negate(&mut clause);
        clause
    }

    /// A clause of one operator that tests the attribute `operand` against one type of value.
    pub fn pair(&mut self, operator: &str, kind: &str, own: &Json, value: Type) -> Json {
        let beside = operand::counterpart(self.random, operator, own);
        let value = if Type::of(&beside) == value && self.random.chance(0.6) {
            beside
        } else if operator == "matches" && value == Type::Text {
            json!(operand::pattern(self.random))
        } else {
            operand::of_type(self.random, operator, value)
        };
        let mut clause = json!({"attribute": "operand", "op": operator, "values": [value]});
        if kind != "user" || self.random.chance(0.5) {
            clause["contextKind"] = json!(kind);
            if self.random.chance(0.3) {
                clause["attribute"] = json!("/operand");
            }
        }
        self.negate(&mut clause);
        clause
    }
}
