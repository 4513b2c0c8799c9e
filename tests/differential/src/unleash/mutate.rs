//! Real toggles with something changed in them.

use serde_json::{Value as Json, json};

use super::{
    constraint::{LISTED, ORDERED},
    context::FIELDS,
    pool,
    pool::Type,
};
use crate::random::Random;

/// Changes one member somewhere.
pub fn mutate(environment: &Json, random: &mut Random) -> Json {
    let mut mutated = environment.clone();
    let mut places = Vec::new();
    collect(&mutated, String::new(), &mut places);
    let place = random.of(&places).clone();
    let (parent, name) = place.rsplit_once('/').unwrap_or_default();
    if random.chance(0.15) {
        match mutated.pointer_mut(parent) {
            Some(Json::Object(members)) => drop(members.shift_remove(name)),
            Some(Json::Array(elements)) => {
                if let Ok(place) = name.parse::<usize>() {
                    let element = elements.remove(place);
                    if random.chance(0.3) {
                        elements.extend([element.clone(), element]);
                    }
                }
            }
            _ => {}
        }
    } else if let Some(value) = mutated.pointer_mut(&place) {
        *value = changed(name, value, random);
    }
    mutated
}

fn changed(name: &str, value: &Json, random: &mut Random) -> Json {
    match (name, value) {
        ("operator", _) => {
            let operators = *random.of(&[LISTED, ORDERED, &["REGEX", "NEW"]]);
            json!(random.of(operators))
        }
        ("contextName" | "stickiness", _) if random.chance(0.5) => json!(random.of(FIELDS)),
        ("rollout" | "percentage", _) => json!(random.below(102).to_string()),
        ("weight", _) => json!(random.below(3) * 50),
        (_, Json::Bool(value)) => json!(!value),
        (_, Json::Number(_)) => json!(random.below(5)),
        (_, Json::String(_)) if random.chance(0.3) => {
            let of = *random.of(&[Type::Numeric, Type::Date, Type::Version, Type::Address]);
            of.value(random)
        }
        (_, Json::String(_)) => json!(pool::text(random)),
        (_, Json::Array(elements)) if random.chance(0.5) => {
            let mut elements = elements.clone();
            random.shuffle(&mut elements);
            json!(elements)
        }
        (_, Json::Array(_)) => json!([]),
        (_, Json::Object(_)) => json!({}),
        (_, Json::Null) => Json::Null,
    }
}

fn collect(value: &Json, at: String, places: &mut Vec<String>) {
    let mut add = |name: String, value: &Json| {
        let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        places.push(place.clone());
        collect(value, place, places);
    };
    match value {
        Json::Array(elements) => {
            elements
                .iter()
                .enumerate()
                .for_each(|(place, element)| add(place.to_string(), element));
        }
        Json::Object(members) => {
            members.iter().for_each(|(name, member)| add(name.clone(), member));
        }
        _ => {}
    }
}
