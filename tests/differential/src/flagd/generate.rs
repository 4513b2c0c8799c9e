//! Cases from a seed.

use modelgate::flagd::Fractional;
use serde_json::{Map, Value as Json, json};

use super::{
    case::{Case, Expected},
    coverage::PAIRED,
    expression::{Kind, Maker},
    fractional::{VARIANTS, split, variant},
};
use crate::{
    pool::{self, Type},
    random::Random,
};

const SEED: u64 = 0x6d6f_6465_6c67_6174;

/// The case of this number. Each is made from its own seed, so that one can be had again alone.
pub fn case(number: usize) -> Case {
    let mut random = Random::new(SEED ^ (number as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
    let random = &mut random;
    let context = context(random);
    let evaluators = evaluators(random, &context);
    let names: Vec<String> = evaluators.keys().cloned().collect();
    let mut maker = Maker { random, context: &context, evaluators: &names };
    let targeting = match number % 4 {
        0 => Some(pair(&mut maker, number / 4)),
        1 => Some(split(&mut maker, 2)),
        _ => targeting(&mut maker),
    };
    let mut flags = Map::new();
    flags.insert("flag".to_owned(), flag(random, targeting));
    for name in ["neighbour", "another"] {
        if random.chance(0.3) {
            flags.insert(name.to_owned(), flag(random, None));
        }
    }
    let mut environment = json!({"flags": flags});
    if !evaluators.is_empty() {
        environment["$evaluators"] = Json::Object(evaluators);
    }
    if random.chance(0.1) {
        environment["metadata"] = json!({"set": "all", "weight": pool::number(random)});
    }
    let flag = if random.chance(0.02) { "nowhere" } else { "flag" }.to_owned();
    let expected = expected(random, &environment["flags"]["flag"]);
    // The older generations have a reference of their own.
    let fractional = Fractional::V3;
    Case { id: format!("flagd-{number}"), environment, context, flag, expected, fractional }
}

/// A case of splits alone, for the generation that its number comes to.
pub fn split_case(number: usize) -> Case {
    let mut random = Random::new(SEED ^ 0xff ^ (number as u64).wrapping_mul(0x9e6c_63d0_876a_3f6b));
    let random = &mut random;
    let context = context(random);
    let mut maker = Maker { random, context: &context, evaluators: &[] };
    let mut rule = split(&mut maker, 0);
    if maker.random.chance(0.3) {
        rule = json!({"if": [{"==": [1, 1]}, rule]});
    }
    let flag = flag_of(random, true, true, Some(rule));
    let fractional = if number.is_multiple_of(2) { Fractional::V1 } else { Fractional::V2 };
    let environment = json!({"flags": {"flag": flag}});
    let expected = expected(random, &environment["flags"]["flag"]);
    let (id, flag) = (format!("split-{number}"), "flag".to_owned());
    Case { id, environment, context, flag, expected, fractional }
}

fn context(random: &mut Random) -> Map<String, Json> {
    let mut context = Map::new();
    match random.below(12) {
        0 => {}
        1 => drop(context.insert("targetingKey".into(), json!(""))),
        2 => drop(context.insert("targetingKey".into(), pool::text(random))),
        3 => {
            // No text, and so no targeting key, but an attribute of that name.
            let of = *random.of(&[Type::Null, Type::Bool, Type::Number, Type::List]);
            context.insert("targetingKey".into(), pool::value(random, of));
        }
        _ => {
            let key = format!("user-{}", random.below(1000));
            context.insert("targetingKey".into(), json!(key));
        }
    }
    let attributes = [
        ("region", Type::Text),
        ("email", Type::Text),
        ("age", Type::Number),
        ("score", Type::Number),
        ("beta", Type::Bool),
        ("tags", Type::List),
        ("profile", Type::Object),
        ("nothing", Type::Null),
        ("odd.name", Type::Text),
    ];
    for (name, of) in attributes {
        if random.chance(0.6) {
            let value =
                if random.chance(0.85) { pool::value(random, of) } else { pool::anything(random) };
            context.insert(name.to_owned(), value);
        }
    }
    if random.chance(0.6) {
        context.insert("version".to_owned(), json!(random.of(pool::VERSIONS)));
    }
    if random.chance(0.3) {
        context.insert("nested".to_owned(), pool::object(random));
    }
    if random.chance(0.01) {
        context.insert("$flagd".to_owned(), json!({"flagKey": "another", "timestamp": 5}));
    }
    context
}

fn evaluators(random: &mut Random, context: &Map<String, Json>) -> Map<String, Json> {
    let mut evaluators = Map::new();
    if !random.chance(0.2) {
        return evaluators;
    }
    let mut names: Vec<String> = Vec::new();
    for name in ["first", "second", "third"] {
        let mut maker = Maker { random, context, evaluators: &names };
        let rule = match maker.random.below(6) {
            0 if !names.is_empty() => json!({"$ref": names[0]}),
            1 => json!({"or": [maker.truth(1), {"==": [{"var": "region"}, "eu"]}]}),
            _ => maker.truth(2),
        };
        evaluators.insert(name.to_owned(), rule);
        names.push(name.to_owned());
    }
    if random.chance(0.05) {
        evaluators.insert("round".to_owned(), json!({"!": [{"$ref": "round"}]}));
    }
    evaluators
}

fn flag(random: &mut Random, targeting: Option<Json>) -> Json {
    let enabled = !random.chance(0.03);
    let has_default = !random.chance(0.05);
    flag_of(random, enabled, has_default, targeting)
}

fn flag_of(random: &mut Random, enabled: bool, has_default: bool, targeting: Option<Json>) -> Json {
    let of = *random.of(&[Type::Bool, Type::Text, Type::Text, Type::Number, Type::Object]);
    let mixed = random.chance(0.1);
    let variants: Map<String, Json> = VARIANTS
        .iter()
        .filter(|name| **name != "absent")
        .filter(|_| !random.number().is_multiple_of(20))
        .copied()
        .collect::<Vec<_>>()
        .into_iter()
        .map(|name| {
            let value = if mixed { pool::anything(random) } else { pool::value(random, of) };
            (name.to_owned(), value)
        })
        .collect();
    let mut flag = json!({
        "state": if enabled { "ENABLED" } else { "DISABLED" },
        "variants": variants,
    });
    match random.below(20) {
        _ if !has_default => match random.below(3) {
            0 => flag["defaultVariant"] = Json::Null,
            1 => flag["defaultVariant"] = json!(""),
            _ => {}
        },
        0 => flag["defaultVariant"] = json!("absent"),
        _ => flag["defaultVariant"] = json!(random.of(&["v1", "off"])),
    }
    match targeting {
        Some(targeting) => flag["targeting"] = targeting,
        None if random.chance(0.3) => flag["targeting"] = json!({}),
        None if random.chance(0.3) => flag["targeting"] = Json::Null,
        None => {}
    }
    if random.chance(0.2) {
        flag["metadata"] = json!({"owner": pool::text(random), "weight": pool::number(random)});
    }
    flag
}

/// A rule that names a variant, or none.
fn targeting(maker: &mut Maker<'_>) -> Option<Json> {
    Some(match maker.random.below(20) {
        0 => return None,
        1 | 2 => {
            let kind = *maker.random.of(&[Kind::Bool, Kind::Number, Kind::Text, Kind::List]);
            match maker.expression(kind, 3) {
                rule @ Json::Object(_) => rule,
                value => json!({"if": [true, value]}),
            }
        }
        3 => {
            let operator = *maker.random.of(&["and", "or"]);
            json!({operator: [maker.truth(2), variant(maker)]})
        }
        4 if !maker.evaluators.is_empty() => {
            let unknown = "unknown".to_owned();
            let name =
                if maker.random.chance(0.1) { &unknown } else { maker.random.of(maker.evaluators) };
            json!({"if": [{"$ref": name}, variant(maker), variant(maker)]})
        }
        _ => {
            let mut arguments = Vec::new();
            for _ in 0..1 + maker.random.below(3) {
                arguments.push(maker.truth(2));
                arguments.push(result(maker));
            }
            if maker.random.chance(0.6) {
                arguments.push(result(maker));
            }
            json!({"if": arguments})
        }
    })
}

fn result(maker: &mut Maker<'_>) -> Json {
    match maker.random.below(8) {
        0 | 1 => split(maker, 1),
        2 => json!({"if": [maker.truth(1), variant(maker)]}),
        _ => variant(maker),
    }
}

/// One operator on operands of two given types, and what comes of it where it can be seen.
fn pair(maker: &mut Maker<'_>, number: usize) -> Json {
    let types = Type::ALL.len();
    let operator = PAIRED[number / (types * types) % PAIRED.len()];
    let left = maker.operand(Type::ALL[number / types % types]);
    let right = maker.operand(Type::ALL[number % types]);
    let call = match operator {
        "sem_ver" => {
            let comparison = *maker.random.of(&["=", ">=", "^"]);
            json!({"sem_ver": [left, comparison, right]})
        }
        operator => json!({operator: [left, right]}),
    };
    // Arithmetic and text are shown as the key of a split, so that every digit counts.
    match operator {
        "+" | "-" | "*" | "/" | "%" | "min" | "max" | "cat" | "merge" | "substr" => {
            json!({"fractional": [call, ["v1", 1], ["v2", 1], ["on", 1], ["off", 1], ["true", 1]]})
        }
        _ => json!({"if": [call, "v1", "v2"]}),
    }
}

/// Mostly the type that the flag's values are of.
fn expected(random: &mut Random, flag: &Json) -> Expected {
    if random.chance(0.2) {
        return *random.of(&Expected::ALL);
    }
    let values = flag["variants"].as_object();
    match values.and_then(|values| values.values().next()) {
        Some(Json::Bool(_)) => Expected::Boolean,
        Some(Json::Number(number)) if number.is_i64() && random.chance(0.5) => Expected::Integer,
        Some(Json::Number(_)) => Expected::Float,
        Some(Json::Object(_)) => Expected::Object,
        _ => Expected::String,
    }
}
