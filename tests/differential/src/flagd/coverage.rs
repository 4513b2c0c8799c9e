//! Which operators have met which types: a cell that stays empty is something never tested.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::case::Case;
use crate::pool::Type;

/// The operators whose cells are pairs of types.
pub const PAIRED: &[&str] = &[
    "==",
    "!=",
    "===",
    "!==",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "and",
    "or",
    "starts_with",
    "ends_with",
    "sem_ver",
    "+",
    "-",
    "*",
    "/",
    "%",
    "min",
    "max",
    "cat",
    "substr",
    "merge",
];

/// The operators of which it is enough that they were met.
const MET: &[&str] = &[
    "if",
    "!",
    "!!",
    "var",
    "fractional",
    "map",
    "filter",
    "reduce",
    "all",
    "some",
    "none",
    "missing",
    "missing_some",
    "$ref",
];

#[derive(Default)]
pub struct Coverage(BTreeMap<String, usize>);

impl Coverage {
    pub fn note(&mut self, case: &Case) {
        let flag = case.definition();
        let targeted = match flag.get("targeting") {
            None => "no targeting",
            Some(Json::Null) => "null targeting",
            Some(Json::Object(rule)) if rule.is_empty() => "empty targeting",
            Some(_) => "targeting",
        };
        let default = match flag.get("defaultVariant") {
            None => "no default",
            Some(Json::Null) => "null default",
            Some(Json::String(name)) if name.is_empty() => "empty default",
            Some(name) if flag["variants"].get(name.as_str().unwrap_or_default()).is_none() => {
                "unknown default"
            }
            Some(_) => "default",
        };
        self.count(format!("{} {targeted}", flag["state"].as_str().unwrap_or("no flag")));
        self.count(default.to_owned());
        let metadata = if flag.get("metadata").is_some() { "with" } else { "without" };
        self.count(format!("{metadata} metadata"));
        let values = flag["variants"].as_object().into_iter().flatten();
        for (_, value) in values.take(1) {
            self.count(format!("{:?} asked as {}", Type::of(value), case.expected.name()));
        }
        self.walk(&flag["targeting"], &case.context);
        for (_, evaluator) in case.environment["$evaluators"].as_object().into_iter().flatten() {
            self.walk(evaluator, &case.context);
        }
    }

    fn count(&mut self, cell: String) {
        *self.0.entry(cell).or_default() += 1;
    }

    fn walk(&mut self, rule: &Json, context: &Map<String, Json>) {
        match rule {
            Json::Array(elements) => {
                elements.iter().for_each(|element| self.walk(element, context))
            }
            Json::Object(members) => {
                for (operator, arguments) in members {
                    self.operator(operator, arguments, context);
                    self.walk(arguments, context);
                }
            }
            _ => {}
        }
    }

    fn operator(&mut self, operator: &str, arguments: &Json, context: &Map<String, Json>) {
        self.count(operator.to_owned());
        let Some(arguments) = arguments.as_array() else { return };
        let right = if operator == "sem_ver" { arguments.get(2) } else { arguments.get(1) };
        if let (Some(left), Some(right)) = (arguments.first(), right)
            && PAIRED.contains(&operator)
            && let Some((left, right)) = operand(left, context).zip(operand(right, context))
        {
            self.count(format!("{operator} {left:?} {right:?}"));
        }
        if operator == "fractional" {
            let key = match arguments.first() {
                None => "nothing".to_owned(),
                Some(Json::Array(_)) => {
                    let key = context.get("targetingKey").map_or(Type::Missing, Type::of);
                    format!("implied {key:?}")
                }
                Some(key) => match operand(key, context) {
                    Some(key) => format!("{key:?}"),
                    None => "computed".to_owned(),
                },
            };
            self.count(format!("fractional by {key}"));
        }
    }

    /// The cells that should have been met and were not.
    pub fn empty_cells(&self) -> Vec<String> {
        let pairs = PAIRED.iter().flat_map(|operator| {
            Type::ALL.iter().flat_map(move |left| {
                Type::ALL.iter().map(move |right| format!("{operator} {left:?} {right:?}"))
            })
        });
        let keys = Type::ALL.iter().flat_map(|key| {
            // A key that is a constant object is an operator, one that is a list is implied.
            [format!("fractional by {key:?}"), format!("fractional by implied {key:?}")]
        });
        let asked = Type::ALL[1..6].iter().flat_map(|value| {
            crate::flagd::case::Expected::ALL
                .iter()
                .map(move |expected| format!("{value:?} asked as {}", expected.name()))
        });
        let others = [
            "ENABLED targeting",
            "ENABLED no targeting",
            "DISABLED targeting",
            "default",
            "no default",
            "null default",
            "empty default",
            "unknown default",
            "with metadata",
            "without metadata",
            "fractional by nothing",
            "fractional by computed",
        ];
        pairs
            .chain(keys.filter(|cell| cell != "fractional by implied Object"))
            .chain(asked)
            .chain(MET.iter().chain(&others).map(|cell| (*cell).to_owned()))
            .filter(|cell| !self.0.contains_key(cell))
            .collect()
    }

    pub fn cells(&self) -> usize {
        self.0.len()
    }
}

/// The type of an operand that is a constant or read from the context.
fn operand(operand: &Json, context: &Map<String, Json>) -> Option<Type> {
    match operand {
        Json::Object(members) if members.is_empty() => Some(Type::Object),
        Json::Object(members) => match members.get("var") {
            Some(Json::String(name)) if !name.contains('.') => {
                Some(context.get(name).map_or(Type::Missing, Type::of))
            }
            _ => None,
        },
        constant => Some(Type::of(constant)),
    }
}
