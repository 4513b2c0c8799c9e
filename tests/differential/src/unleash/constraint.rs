//! Constraints: every operator with every shape of its value.

use serde_json::{Map, Value as Json, json};

use super::{
    context::{FIELDS, find_text},
    pool::{self, LISTS, NETWORKS, PATTERNS, SHAPES, Type},
};
use crate::random::Random;

/// The operators that read `values`.
pub const LISTED: &[&str] =
    &["IN", "NOT_IN", "STR_STARTS_WITH", "STR_ENDS_WITH", "STR_CONTAINS", "IN_CIDR"];

/// The operators that compare with `value`.
pub const ORDERED: &[&str] = &[
    "NUM_EQ",
    "NUM_GT",
    "NUM_GTE",
    "NUM_LT",
    "NUM_LTE",
    "DATE_AFTER",
    "DATE_BEFORE",
    "SEMVER_EQ",
    "SEMVER_GT",
    "SEMVER_GTE",
    "SEMVER_LT",
    "SEMVER_LTE",
];

/// Every operator, with the shapes that what it compares with can have.
pub fn shaped() -> impl Iterator<Item = (&'static str, &'static str)> {
    let listed =
        LISTED.iter().flat_map(|operator| LISTS.iter().map(move |shape| (*operator, *shape)));
    let ordered = ORDERED.iter().flat_map(|operator| {
        let shapes = SHAPES.iter().map(|(shape, _)| *shape).chain(["absent"]);
        shapes.map(move |shape| (*operator, shape))
    });
    let patterns = PATTERNS.iter().map(|(shape, _)| *shape).chain(["absent"]);
    listed.chain(ordered).chain(patterns.map(|shape| ("REGEX", shape)))
}

/// The shape of what this constraint compares with.
pub fn shape(constraint: &Json) -> &'static str {
    let operator = constraint["operator"].as_str().unwrap_or_default();
    if LISTED.contains(&operator) {
        return pool::list_shape(constraint["values"].as_array());
    }
    let shapes = if operator == "REGEX" { PATTERNS } else { SHAPES };
    pool::shape_of(shapes, constraint["value"].as_str())
}

pub struct Maker<'a> {
    pub random: &'a mut Random,
    /// Who is going to ask: operands are drawn from what they hold.
    pub contexts: &'a [Map<String, Json>],
}

impl Maker<'_> {
    /// A constraint that mostly compiles, and mostly compares like with like.
    pub fn constraint(&mut self) -> Json {
        if self.random.chance(0.01) {
            let operator = *self.random.of(&["UNKNOWN", "in", ""]);
            return json!({"contextName": "userId", "operator": operator, "values": ["a"]});
        }
        let operator = match self.random.below(10) {
            0..4 => *self.random.of(LISTED),
            4 => "REGEX",
            _ => *self.random.of(ORDERED),
        };
        let name =
            if self.random.chance(0.5) { likely(operator, self.random) } else { self.name() };
        let shape = self.shape_for(operator);
        self.shaped(operator, &name, shape)
    }

    /// A constraint with this operator, on this name, and a value of this shape.
    pub fn shaped(&mut self, operator: &str, name: &str, shape: &str) -> Json {
        let mut constraint = json!({"contextName": name, "operator": operator});
        for (flag, probability) in [("inverted", 0.3), ("caseInsensitive", 0.3)] {
            if self.random.chance(probability) {
                constraint[flag] = json!(true);
            } else if self.random.chance(0.5) {
                constraint[flag] = json!(false);
            }
        }
        if LISTED.contains(&operator) {
            if let Some(values) = self.list(operator, name, shape) {
                constraint["values"] = values;
            }
            return constraint;
        }
        let shapes = if operator == "REGEX" { PATTERNS } else { SHAPES };
        if let Some((_, values)) = shapes.iter().find(|(one, _)| *one == shape) {
            let own = self.own(name).filter(|own| values.contains(&&**own));
            constraint["value"] = match own {
                Some(own) if self.random.chance(0.5) => json!(own),
                _ => json!(self.random.of(values)),
            };
        }
        constraint
    }

    /// A name that a constraint or stickiness may ask for.
    pub fn name(&mut self) -> String {
        match self.random.below(40) {
            0 => "odd name".into(),
            1 => "a.b".into(),
            2 => "a/b".into(),
            3 => "extra".into(),
            4 => "quo\\\"te".into(),
            5 if self.random.chance(0.3) => "quo\"te".into(),
            6 if self.random.chance(0.3) => "back\\".into(),
            7 => (*self.random.of(&["", "random", "default", "userid"])).into(),
            8..25 => (*self.random.of(FIELDS)).into(),
            _ => self.random.of(&Type::ALL).property().into(),
        }
    }

    /// What one of those who ask holds under this name.
    pub fn own(&mut self, name: &str) -> Option<String> {
        find_text(self.random.of(self.contexts), name)
    }

    /// Mostly a shape that does not switch the whole toggle off.
    pub fn shape_for(&mut self, operator: &str) -> &'static str {
        if self.random.chance(0.03) {
            let shapes: Vec<_> = shaped().filter(|(one, _)| *one == operator).collect();
            return self.random.of(&shapes).1;
        }
        let shapes: &[&str] = match operator {
            "IN" | "NOT_IN" => LISTS,
            "REGEX" => &["empty", "plain", "anchored", "class", "other", "quoted", "invalid"],
            _ if LISTED.contains(&operator) => &["one", "many", "many", "empty text", "quoted"],
            _ if self.random.chance(0.2) => &["number", "version", "date"],
            _ if operator.starts_with("NUM") => &["number"],
            _ if operator.starts_with("DATE") => &["date"],
            _ => &["version"],
        };
        match *self.random.of(shapes) {
            "backslash end" => "many",
            shape => shape,
        }
    }

    fn list(&mut self, operator: &str, name: &str, shape: &str) -> Option<Json> {
        let mut values: Vec<String> = match shape {
            "absent" => return if self.random.chance(0.5) { None } else { Some(Json::Null) },
            "empty" => return Some(json!([])),
            "one" => vec![self.listed(operator, name)],
            "many" => (0..2 + self.random.below(4)).map(|_| self.listed(operator, name)).collect(),
            "empty text" => vec![self.listed(operator, name), String::new()],
            "quoted" => vec![self.listed(operator, name), "a\"b".into()],
            _ => vec![self.listed(operator, name), "a\\".into()],
        };
        self.random.shuffle(&mut values);
        Some(json!(values))
    }

    fn listed(&mut self, operator: &str, name: &str) -> String {
        // Lists with an empty text are a shape of their own.
        let own = self.own(name).filter(|own| !own.is_empty() && !own.ends_with('\\'));
        match own {
            Some(own) if self.random.chance(0.5) => {
                if operator.starts_with("STR_") {
                    self.part(&own)
                } else {
                    own
                }
            }
            _ if operator == "IN_CIDR" => (*self.random.of(NETWORKS)).into(),
            _ => pool::text(self.random).into(),
        }
    }

    /// A piece of the text, perhaps in other letters.
    fn part(&mut self, text: &str) -> String {
        let letters: Vec<char> = text.chars().collect();
        let from = self.random.below(letters.len() + 1);
        let to = from + self.random.below(letters.len() - from + 1);
        let part: String = match self.random.below(3) {
            0 => letters[..to].iter().collect(),
            1 => letters[from..].iter().collect(),
            _ => letters[from..to].iter().collect(),
        };
        let part = if part.ends_with('\\') { text.to_owned() } else { part };
        match self.random.below(4) {
            0 => part.to_uppercase(),
            1 => part.to_lowercase(),
            _ => part,
        }
    }
}

/// A name that holds what the operator compares.
fn likely(operator: &str, random: &mut Random) -> String {
    let of = match operator {
        "IN_CIDR" if random.chance(0.5) => return "remoteAddress".into(),
        "IN_CIDR" => Type::Address,
        _ if operator.starts_with("DATE") && random.chance(0.5) => return "currentTime".into(),
        _ if operator.starts_with("DATE") => Type::Date,
        _ if operator.starts_with("SEMVER") => Type::Version,
        _ if operator.starts_with("NUM") => *random.of(&[Type::Number, Type::Numeric]),
        _ => *random.of(&[Type::Text, Type::Bool, Type::Version, Type::Number]),
    };
    of.property().into()
}
