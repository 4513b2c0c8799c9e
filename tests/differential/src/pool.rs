//! The values that contexts and rules are made of: few, and colliding on purpose. Every dialect
//! draws from them.

use serde_json::{Value as Json, json};

use crate::random::Random;

/// The types that operands are told apart by; `Missing` is a `var` that leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    Null,
    Bool,
    Number,
    Text,
    List,
    Object,
    Missing,
}

impl Type {
    pub const ALL: [Type; 7] =
        [Type::Null, Type::Bool, Type::Number, Type::Text, Type::List, Type::Object, Type::Missing];

    pub fn of(value: &Json) -> Type {
        match value {
            Json::Null => Type::Null,
            Json::Bool(_) => Type::Bool,
            Json::Number(_) => Type::Number,
            Json::String(_) => Type::Text,
            Json::Array(_) => Type::List,
            Json::Object(_) => Type::Object,
        }
    }
}

pub const TEXTS: &[&str] = &[
    "",
    "a",
    "ab",
    "abc",
    "A",
    "é",
    "ΟΔΟΣ",
    "🦀",
    "a\"b",
    "a\\b",
    "a/b",
    "a~b",
    "a.b",
    "a|b",
    "1",
    "1.0",
    "0",
    " 5",
    "5",
    "+5",
    ".5",
    "-1",
    "1e3",
    "inf",
    "NaN",
    "true",
    "TRUE",
    "false",
    "null",
    "on",
    "off",
    "v1",
    "v2",
    "eu",
    "us",
    "user-42",
    "person@example.com",
    "@example.com",
];

pub const VERSIONS: &[&str] = &[
    "1",
    "1.0",
    "1.0.0",
    "v1.0.0",
    "V2.1.0",
    "01.0.0",
    "1.0.0-rc.1",
    "1.0.0-rc.10",
    "1.0.0-alpha",
    "1.0.0+b1",
    "1.0.0+b2",
    "1.0.0.0",
    "1.2.3",
    "1.3.0",
    "2.0.0",
    "10.0.0",
    "0.9.9",
    "nonsense",
];

pub fn text(random: &mut Random) -> Json {
    if random.chance(0.15) { json!(random.of(VERSIONS)) } else { json!(random.of(TEXTS)) }
}

pub fn number(random: &mut Random) -> Json {
    match random.below(20) {
        0 => json!(-0.0),
        1 => json!(1.0),
        2 => json!(1.5),
        3 => json!(9_007_199_254_740_991_i64),
        4 => json!(9_007_199_254_740_992_i64),
        5 => json!(9_223_372_036_854_775_807_i64),
        6 => json!(9_223_372_036_854_775_808_u64),
        7 => json!(1e21),
        8 => json!(1e-7),
        9 => json!(-3),
        10 => json!(0.1),
        11 => json!(100),
        12 => json!(-2.5),
        13 => json!(65_504.0),
        14 => json!(3.4e38),
        _ => json!(random.below(10)),
    }
}

pub fn list(random: &mut Random) -> Json {
    match random.below(10) {
        0 => json!([]),
        1 => json!([[]]),
        2 => json!([null]),
        3 => json!([[1], {"a": 1}]),
        4 => json!([1, 1.0, "1", true]),
        _ => {
            let texts = random.chance(0.6);
            let count = random.below(4) + if random.chance(0.1) { 9 } else { 1 };
            (0..count).map(|_| if texts { text(random) } else { number(random) }).collect()
        }
    }
}

pub fn object(random: &mut Random) -> Json {
    match random.below(5) {
        0 => json!({}),
        1 => json!({"a": null}),
        2 => json!({"tier": text(random), "visits": number(random), "tags": list(random)}),
        3 => json!({"b": 1, "a": {"c": [1, 2, {"d": text(random)}]}, "aa": number(random)}),
        _ => json!({"tier": text(random)}),
    }
}

/// A constant of this type; nothing for one that only a `var` can be.
pub fn value(random: &mut Random, of: Type) -> Json {
    match of {
        Type::Null | Type::Missing => Json::Null,
        Type::Bool => json!(random.chance(0.5)),
        Type::Number => number(random),
        Type::Text => text(random),
        Type::List => list(random),
        Type::Object => object(random),
    }
}

pub fn anything(random: &mut Random) -> Json {
    let of = *random.of(&Type::ALL[..6]);
    value(random, of)
}
