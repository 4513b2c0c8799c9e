//! Real data with one thing changed.

use serde_json::Value as Json;

use super::{operand::PATTERNS, segment::OPERATORS, split, traits};
use crate::{pool, random::Random};

/// The environment, with one value in it changed or taken away.
pub fn mutated(random: &mut Random, environment: &Json) -> Json {
    let mut environment = environment.clone();
    let count = places(&environment);
    if count > 0 {
        let mut place = random.below(count);
        change(random, &mut environment, &mut place, "");
    }
    environment
}

/// How many values have a place of their own in this one.
fn places(value: &Json) -> usize {
    match value {
        Json::Object(members) => members.values().map(|member| 1 + places(member)).sum(),
        Json::Array(elements) => elements.iter().map(|element| 1 + places(element)).sum(),
        _ => 0,
    }
}

/// Changes the value at this place; whether it was here.
fn change(random: &mut Random, value: &mut Json, place: &mut usize, name: &str) -> bool {
    match value {
        Json::Object(members) => {
            let names: Vec<String> = members.keys().cloned().collect();
            for name in names {
                if *place == 0 {
                    match random.chance(0.15) {
                        true => drop(members.shift_remove(&name)),
                        false => replace(random, &mut members[&name], &name),
                    }
                    return true;
                }
                *place -= 1;
                if change(random, &mut members[&name], place, &name) {
                    return true;
                }
            }
        }
        Json::Array(elements) => {
            for at in 0..elements.len() {
                if *place == 0 {
                    match random.below(4) {
                        0 => drop(elements.remove(at)),
                        1 => elements.push(elements[at].clone()),
                        2 => elements.swap(0, at),
                        _ => replace(random, &mut elements[at], name),
                    }
                    return true;
                }
                *place -= 1;
                if change(random, &mut elements[at], place, name) {
                    return true;
                }
            }
        }
        _ => {}
    }
    false
}

/// Puts something in the place of a value that most likely fits there.
fn replace(random: &mut Random, value: &mut Json, name: &str) {
    *value = match (name, &*value) {
        ("operator", _) => (*random.of(OPERATORS)).into(),
        ("type", _) => (*random.of(&["ALL", "ANY", "NONE"])).into(),
        ("value", Json::String(_)) if random.chance(0.3) => (*random.of(PATTERNS)).into(),
        ("weight", _) => split::weight(random, "1", None).into(),
        (_, Json::Bool(value)) => (!*value).into(),
        (_, Json::Number(_)) => pool::number(random),
        (_, Json::String(_)) if random.chance(0.8) => pool::text(random),
        (_, Json::Array(_) | Json::Object(_)) => return,
        _ => traits::scalar(random),
    };
}
