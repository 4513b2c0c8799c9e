//! Cases from a seed.

use serde_json::{Map, Value as Json, json};

use super::{
    case::Case,
    document, feature,
    operand::{self, Shape},
    property::{Form, Names},
    segment::{self, Maker, OPERATORS},
    split::{self, ENVIRONMENT, KEYS},
    traits::{self, Type},
};
use crate::{pool, random::Random};

const SEED: u64 = 0x666c_6167_736d_6974;

/// Which cases are made of what.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// One condition: an operator, a trait of a type, a value of a shape, each with each.
    Pair(usize),
    /// One path, and whether it leads anywhere.
    Path(usize),
    /// Flags that depend on each other, most of them in circles.
    Graph,
    /// Anything.
    Free,
}

fn mode(number: usize) -> Mode {
    match number % 8 {
        0 | 1 => Mode::Pair(number / 8 * 2 + number % 8),
        2 | 6 => Mode::Path(number / 4),
        3 => Mode::Graph,
        _ => Mode::Free,
    }
}

/// The path that the case of this number asks to be set, if it is about one.
pub fn path_of(number: usize) -> Option<&'static str> {
    match mode(number) {
        Mode::Path(number) if number.is_multiple_of(2) => Some(template(number)),
        _ => None,
    }
}

fn template(number: usize) -> &'static str {
    let paths: Vec<&'static str> =
        Form::PATHS.iter().flat_map(|form| form.paths()).copied().collect();
    paths[number / 2 % paths.len()]
}

/// The case of this number. Each is made from its own seed, so that one can be had again alone.
pub fn case(number: usize) -> Case {
    let mut random = Random::new(SEED ^ (number as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
    let random = &mut random;
    let mode = mode(number);
    let mut context = traits::context(random);
    let key = match random.below(20) {
        0 => pool::text(random).as_str().unwrap_or_default().to_owned(),
        _ => ENVIRONMENT.to_owned(),
    };
    let pair = match mode {
        Mode::Pair(number) => Some(pair(random, number, &mut context)),
        _ => None,
    };
    let identity_key = split::identity_key(&key, &context);
    let mut features = feature::features(random, identity_key.as_deref());
    if matches!(mode, Mode::Path(_)) && random.chance(0.5) {
        // Of one there is no other order.
        features = features.into_iter().take(1).collect();
    }
    let names: Vec<String> = features.keys().cloned().collect();
    let name = *random.of(&["Production", "Production", "eu", "1", ""]);
    let mut environment = json!({"environment": {"key": key, "name": name}, "features": features});

    let mut keys: Vec<String> = KEYS.iter().map(|key| (*key).to_owned()).collect();
    random.shuffle(&mut keys);
    keys.truncate(match mode {
        Mode::Pair(_) | Mode::Path(_) => 1 + random.below(2),
        Mode::Graph => names.len() + random.below(2),
        Mode::Free => random.below(6),
    });
    let own = own(&environment, &context, &keys);
    let named = if keys.is_empty() { vec!["1".to_owned()] } else { keys.clone() };
    let mut segments = Map::new();
    for (place, key) in keys.iter().enumerate() {
        let mut maker = Maker {
            random,
            names: Names { features: &names, segments: &named, context: &context },
            own: &own,
            identity_key: identity_key.as_deref(),
            flags: if mode == Mode::Graph { 0.7 } else { 0.05 },
        };
        let rules = match (mode, &pair) {
            (Mode::Pair(_), Some(condition)) if place == 0 => one(condition.clone()),
            (Mode::Path(number), _) if place == 0 => {
                // A second rule, for paths that look for one.
                let mut rules = one(path(&mut maker, number));
                rules
                    .as_array_mut()
                    .into_iter()
                    .for_each(|rules| rules.push(json!({"type": "ANY"})));
                rules
            }
            _ => maker.rules(key),
        };
        let mut overrides = feature::overrides(random, &names, identity_key.as_deref());
        if matches!(mode, Mode::Path(_)) && place == 0 && random.chance(0.7) {
            // A flag that it reads would depend on itself.
            overrides = json!([]);
        }
        if mode == Mode::Graph {
            // Each flag has a segment that decides on it.
            let name = &names[place % names.len()];
            overrides = json!([feature::feature(random, name, identity_key.as_deref())]);
        }
        segments.insert(key.clone(), segment(random, key, rules, overrides));
    }
    if !segments.is_empty() || random.chance(0.5) {
        environment["segments"] = Json::Object(segments);
    }
    let id = format!("flagsmith-{number}");
    if number / 8 % 4 == 1 {
        environment = document::document(random, &environment, &context);
    }
    Case { id, environment, context }
}

fn segment(random: &mut Random, key: &str, rules: Json, overrides: Json) -> Json {
    let name = match random.below(12) {
        0 => "same".to_owned(),
        1 => pool::text(random).as_str().unwrap_or_default().to_owned(),
        _ => format!("segment_{key}"),
    };
    // What is hashed is the key that the segment has inside.
    let key = if random.chance(0.05) { "inside" } else { key };
    let mut segment = json!({"key": key, "name": name, "rules": rules});
    if overrides.as_array().is_some_and(|overrides| !overrides.is_empty()) || random.chance(0.5) {
        segment["overrides"] = overrides;
    }
    segment
}

fn one(condition: Json) -> Json {
    json!([{"type": "ALL", "conditions": [condition]}])
}

/// The condition of this number, and the trait that it asks for.
fn pair(random: &mut Random, number: usize, context: &mut Map<String, Json>) -> Json {
    let operator = OPERATORS[number % OPERATORS.len()];
    let number = number / OPERATORS.len();
    let of = Type::ALL[number % Type::ALL.len()];
    let shape = Shape::ALL[number / Type::ALL.len() % Shape::ALL.len()];
    let value = match of {
        // Of texts those that operators understand, so that they have something to do.
        Type::Text if random.chance(0.5) => match shape {
            Shape::Version => json!(random.of(pool::VERSIONS)),
            Shape::BoolWord => json!(random.of(&["true", "TRUE", "false", "1", "0"])),
            _ => traits::value(random, traits::Type::Whole).to_string().into(),
        },
        of => traits::value(random, of),
    };
    let own: Vec<String> = segment::text(&value).into_iter().collect();
    if context.get("identity").is_none() {
        context.insert("identity".to_owned(), json!({"identifier": split::chosen(random)}));
    }
    let identity = &mut context["identity"];
    if !identity["traits"].is_object() {
        identity["traits"] = json!({});
    }
    if let Some(traits) = identity["traits"].as_object_mut()
        && of != Type::Missing
    {
        traits.insert("pair".to_owned(), value);
    }
    let value = operand::value(random, shape, &own);
    json!({"operator": operator, "property": "pair", "value": value})
}

/// A condition on the path of this number.
fn path(maker: &mut Maker<'_>, number: usize) -> Json {
    let property = maker.names.fill(maker.random, template(number)).path;
    if number.is_multiple_of(2) {
        return json!({"operator": "IS_SET", "property": property, "value": ""});
    }
    let operator = *maker.random.of(OPERATORS);
    let shape = Shape::fitting(maker.random, operator);
    json!({"operator": operator, "property": property, "value": maker.value(shape, &property)})
}

/// The texts that a case has of its own.
fn own(environment: &Json, context: &Map<String, Json>, keys: &[String]) -> Vec<String> {
    let mut own: Vec<String> = Vec::new();
    if let Some(identity) = context.get("identity") {
        own.extend(["identifier", "key"].iter().filter_map(|name| segment::text(&identity[*name])));
        let traits = identity["traits"].as_object().into_iter().flatten();
        own.extend(traits.filter_map(|(_, value)| segment::text(value)));
    }
    for (name, feature) in environment["features"].as_object().into_iter().flatten() {
        own.push(name.clone());
        own.extend(segment::text(&feature["value"]));
        for variant in feature["variants"].as_array().into_iter().flatten() {
            own.extend(["key", "value"].iter().filter_map(|name| segment::text(&variant[*name])));
        }
    }
    own.extend(keys.iter().map(|key| format!("segment_{key}")));
    own.extend(keys.iter().cloned());
    own.extend(
        ["env", "Production", "true", "false", "control", "ALL", "EQUAL"].map(str::to_owned),
    );
    own
}
