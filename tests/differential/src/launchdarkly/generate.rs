//! Cases from a seed.

use serde_json::{Map, Value as Json, json};

use super::{
    big_segments,
    case::Case,
    clause::{Maker, OPERATORS},
    complete, context,
    flag::Shape,
    operand,
};
use crate::{pool::Type, random::Random};

const SEED: u64 = 0x6c61_756e_6368_6461;

const SEGMENTS: &[&str] = &["first", "second"];

/// The case of this number. Each is made from its own seed, so that one can be had again alone.
pub fn case(number: usize) -> Case {
    let mut random = Random::new(SEED ^ (number as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
    let random = &mut random;
    let mut context = context::context(random);
    let pair = (number % 4 == 0).then(|| pair(random, &mut context, number / 4));
    let singles = context::singles(&context);
    let mut maker = Maker { random, singles: &singles, segments: SEGMENTS };
    let mut flags = match (number % 4, pair) {
        (_, Some((operator, kind, own, value))) => {
            let clause = maker.pair(operator, &kind, &own, value);
            one(&mut maker, clause)
        }
        (1, _) => {
            let shape =
                Shape { prerequisites: &[], required: 0.0, rules: 1, targets: 0.0, splits: 0.95 };
            json!({"flag": maker.flag("flag", &shape)})
        }
        _ => graph(&mut maker),
    };
    let mut segments = Map::new();
    let round = maker.random.chance(0.1);
    for (place, key) in SEGMENTS.iter().enumerate() {
        if !maker.random.chance(0.06) {
            // The second refers to the first, and only now and then the other way round.
            let nested = if place == 1 || round { 0.3 } else { 0.0 };
            segments.insert((*key).to_owned(), maker.segment(key, nested));
        }
    }
    let memberships = big_segments::memberships(maker.random, &singles);
    if maker.random.chance(0.04) {
        complete::thin(maker.random, &mut flags);
        for segment in segments.values_mut() {
            complete::thin_segment(maker.random, segment);
        }
    }
    let flag = if maker.random.chance(0.01) { "nowhere" } else { "flag" }.to_owned();
    let environment = json!({"flags": flags, "segments": segments});
    Case { id: format!("launchdarkly-{number}"), environment, context, flag, memberships }
}

/// One operator on an attribute of one type and a value of another, by turns.
fn pair(
    random: &mut Random,
    context: &mut Json,
    number: usize,
) -> (&'static str, String, Json, Type) {
    let values = &Type::ALL[..6];
    let operator = OPERATORS[number % OPERATORS.len()];
    let number = number / OPERATORS.len();
    let (attribute, value) = match number % 2 {
        0 => (
            Type::ALL[number / 2 % Type::ALL.len()],
            values[number / 2 / Type::ALL.len() % values.len()],
        ),
        _ => usual(random, operator),
    };
    let singles = context::singles(context);
    let kind = random.of(&singles).kind.clone();
    let own = operand::of_type(random, operator, attribute);
    if attribute != Type::Missing {
        context::insert(context, &kind, "operand", own.clone());
    }
    (operator, kind, own, value)
}

/// The types that the operator is for.
fn usual(random: &mut Random, operator: &str) -> (Type, Type) {
    let of = match operator {
        "in" | "resembles" => *random.of(&Type::ALL[1..6]),
        "before" | "after" => *random.of(&[Type::Text, Type::Text, Type::Number]),
        "lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual" => Type::Number,
        _ => Type::Text,
    };
    (if random.chance(0.15) { Type::List } else { of }, of)
}

/// A flag that shows whether a clause holds.
fn one(maker: &mut Maker<'_>, clause: Json) -> Json {
    let salt = *maker.random.of(&["", "salt"]);
    json!({"flag": {
        "key": "flag",
        "version": 2,
        "on": true,
        "variations": ["it holds", "it does not"],
        "offVariation": 1,
        "prerequisites": [],
        "targets": [],
        "rules": [{"id": "pair", "variation": 0, "clauses": [clause], "trackEvents": false}],
        "fallthrough": {"variation": 1},
        "salt": salt,
    }})
}

/// Flags that may depend on one another.
fn graph(maker: &mut Maker<'_>) -> Json {
    let plain = Shape { prerequisites: &[], required: 0.3, rules: 2, targets: 0.3, splits: 0.3 };
    let round = maker.random.chance(0.2);
    let depends: [&'static [&'static str]; 4] = if round {
        [&["second", "third"], &["third", "flag", "fourth"], &["fourth", "second"], &["flag"]]
    } else {
        [&["second", "third"], &["third", "fourth"], &["fourth"], &[]]
    };
    let asked = Shape { prerequisites: depends[0], rules: 4, targets: 0.5, ..plain };
    let mut flags = json!({"flag": maker.flag("flag", &asked)});
    for (place, key) in ["second", "third", "fourth"].into_iter().enumerate() {
        if maker.random.chance(0.95) {
            let shape = Shape { prerequisites: depends[place + 1], required: 0.2, ..plain };
            flags[key] = maker.flag(key, &shape);
        }
    }
    flags
}
