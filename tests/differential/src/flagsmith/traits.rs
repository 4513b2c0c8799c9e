//! Who asks: identities and their traits.

use serde_json::{Map, Value as Json, json};

use super::split;
use crate::{pool, random::Random};

/// The types that a trait can be of; `Missing` is one that the identity does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    Text,
    Bool,
    Whole,
    Fraction,
    Null,
    Missing,
}

impl Type {
    pub const ALL: [Type; 6] =
        [Type::Text, Type::Bool, Type::Whole, Type::Fraction, Type::Null, Type::Missing];

    pub fn of(value: Option<&Json>) -> Type {
        match value {
            Some(Json::Null) => Type::Null,
            Some(Json::Bool(_)) => Type::Bool,
            Some(Json::Number(number)) if number.is_f64() => Type::Fraction,
            Some(Json::Number(_)) => Type::Whole,
            Some(Json::String(_)) => Type::Text,
            // No trait is a list or an object.
            Some(_) | None => Type::Missing,
        }
    }
}

/// The traits that an identity may have; some are called like a path.
const TRAITS: &[(&str, Type)] = &[
    ("region", Type::Text),
    ("email", Type::Text),
    ("age", Type::Whole),
    ("score", Type::Fraction),
    ("beta", Type::Bool),
    ("nothing", Type::Null),
    ("version", Type::Text),
    ("odd name", Type::Text),
    ("a.b", Type::Whole),
    ("it's", Type::Text),
    ("a\"b", Type::Text),
    ("é", Type::Text),
];

/// Traits that are in the shadow of what their name leads to, where it leads anywhere.
pub const SHADOWED: &[&str] = &[
    "$.environment.name",
    "$.identity.nothing",
    "$.identity.traits.absent",
    "$.",
    "$.identity.traits",
    "$.flags.banner.variant",
    "$.segments[?",
    "$",
    "",
];

/// A value of this type; nothing for a missing one.
pub fn value(random: &mut Random, of: Type) -> Json {
    match of {
        Type::Text => pool::text(random),
        Type::Bool => json!(random.chance(0.5)),
        Type::Whole => loop {
            let number = pool::number(random);
            if number.is_i64() {
                return number;
            }
        },
        Type::Fraction => loop {
            let number = pool::number(random);
            if number.is_f64() {
                return number;
            }
        },
        Type::Null | Type::Missing => Json::Null,
    }
}

pub fn scalar(random: &mut Random) -> Json {
    let of = *random.of(&Type::ALL[..5]);
    value(random, of)
}

/// An identity, or nobody.
pub fn context(random: &mut Random) -> Map<String, Json> {
    let mut context = Map::new();
    if !random.chance(0.12) {
        context.insert("identity".to_owned(), identity(random));
    }
    context
}

fn identity(random: &mut Random) -> Json {
    let chosen = split::chosen(random);
    let mut identity = match random.below(60) {
        0 => json!({"identifier": ""}),
        1..=6 => json!({"identifier": pool::text(random)}),
        _ => json!({"identifier": chosen}),
    };
    match random.below(20) {
        0 => identity["key"] = json!(""),
        1 | 2 => identity["key"] = pool::text(random),
        3..=8 => identity["key"] = json!(split::composed(&chosen)),
        _ => {}
    }
    let mut traits = Map::new();
    for (name, of) in TRAITS {
        if random.chance(0.6) {
            let value = match of {
                Type::Text if *name == "version" => json!(random.of(pool::VERSIONS)),
                of if random.chance(0.85) => value(random, *of),
                _ => scalar(random),
            };
            traits.insert((*name).to_owned(), value);
        }
    }
    for name in SHADOWED {
        if random.chance(0.1) {
            traits.insert((*name).to_owned(), scalar(random));
        }
    }
    match random.below(200) {
        // The vendor's types cannot hold it; it is there as little as a missing one.
        0 => drop(traits.insert("region".to_owned(), json!(["eu", "us"]))),
        1 => drop(traits.insert("age".to_owned(), json!(9_223_372_036_854_775_808_u64))),
        _ => {}
    }
    if !traits.is_empty() || random.chance(0.5) {
        identity["traits"] = Json::Object(traits);
    }
    identity
}
