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

/// Flags or segments in a long row, each of which leads to one or two after it.
const ROW: &[&str] = &[
    "flag", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
    "tenth", "eleventh",
];

/// The case of this number. Each is made from its own seed, so that one can be had again alone.
pub fn case(number: usize) -> Case {
    let mut random = Random::new(SEED ^ (number as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
    let random = &mut random;
    let mut context = context::context(random);
    let pair = number.is_multiple_of(4).then(|| pair(random, &mut context, number / 4));
    let singles = context::singles(&context);
    let long = number % 4 == 3 && random.chance(0.04);
    let mut maker = Maker { random, singles: &singles, segments: SEGMENTS };
    let mut flags = match (number % 4, pair) {
        _ if long => flags_in_a_row(&mut maker),
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
    let mut segments = if long { segments_in_a_row(&mut maker) } else { a_few(&mut maker) };
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

/// Segments of which one refers to the other.
fn a_few(maker: &mut Maker<'_>) -> Map<String, Json> {
    let mut segments = Map::new();
    let round = maker.random.chance(0.1);
    for (place, key) in SEGMENTS.iter().enumerate() {
        if !maker.random.chance(0.06) {
            // The second refers to the first, and only now and then the other way round.
            let nested = if place == 1 || round { 0.3 } else { 0.0 };
            segments.insert((*key).to_owned(), maker.segment(key, nested));
        }
    }
    segments
}

fn segments_in_a_row(maker: &mut Maker<'_>) -> Map<String, Json> {
    let round = maker.random.chance(0.2);
    let mut segments = Map::new();
    for (place, key) in ROW.iter().enumerate().skip(1) {
        let after = &ROW[place + 1..ROW.len().min(place + 3)];
        let after = if after.is_empty() { &ROW[1..if round { 3 } else { 1 }] } else { after };
        let mut maker =
            Maker { random: &mut *maker.random, singles: maker.singles, segments: after };
        let mut segment = json!({"key": key, "version": 2, "included": [], "excluded": [],
            "salt": "", "rules": []});
        if maker.random.chance(0.1) {
            segment = maker.segment(key, if after.is_empty() { 0.0 } else { 0.3 });
        } else if !after.is_empty() {
            let clauses = [maker.segment_match(), maker.segment_match()];
            segment["rules"] = json!([{"clauses": clauses}, {"clauses": [clauses[1]]}]);
        }
        segments.insert((*key).to_owned(), segment);
    }
    segments
}

fn flags_in_a_row(maker: &mut Maker<'_>) -> Json {
    let round = maker.random.chance(0.2);
    let mut flags = Map::new();
    for (place, key) in ROW.iter().enumerate() {
        let after = &ROW[place + 1..ROW.len().min(place + 3)];
        let after = if after.is_empty() { &ROW[..if round { 2 } else { 0 }] } else { after };
        let shape =
            Shape { prerequisites: after, required: 0.9, rules: 1, targets: 0.1, splits: 0.1 };
        let mut flag = maker.flag(key, &shape);
        flag["on"] = json!(true);
        if place > 0 && maker.random.chance(0.9) {
            // It is met that its neighbours serve the first variation.
            flag["fallthrough"] = json!({"variation": 0});
            flag["rules"] = json!([]);
            flag["targets"] = json!([]);
            flag["contextTargets"] = json!([]);
        }
        for prerequisite in flag["prerequisites"].as_array_mut().into_iter().flatten() {
            if maker.random.chance(0.95) {
                prerequisite["variation"] = json!(0);
            }
        }
        flags.insert((*key).to_owned(), flag);
    }
    Json::Object(flags)
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
