//! What a definition may leave out by the vendor's own model, though the official Rust evaluator
//! then refuses it: taken away, and put back.

use serde_json::{Map, Value as Json, json};

use crate::random::Random;

/// The lists of a flag that may be absent or null.
const LISTS: &[&str] = &["targets", "rules", "prerequisites", "variations"];

const SEGMENT_LISTS: &[&str] = &["included", "excluded", "rules"];

/// Takes something away from each of these flags.
pub fn thin(random: &mut Random, flags: &mut Json) {
    for (_, flag) in flags.as_object_mut().into_iter().flatten() {
        let Some(members) = flag.as_object_mut() else { continue };
        for name in LISTS {
            take(random, members, name, 0.3);
        }
        for name in ["salt", "on", "fallthrough"] {
            if random.chance(0.1) {
                members.remove(name);
            }
        }
        for rule in each(members, "rules") {
            take(random, rule, "clauses", 0.1);
            take_away(random, rule, "trackEvents", 0.6);
            for clause in each(rule, "clauses") {
                take(random, clause, "values", 0.1);
            }
        }
        for list in ["targets", "contextTargets"] {
            for target in each(members, list) {
                take(random, target, "values", 0.3);
            }
        }
    }
}

pub fn thin_segment(random: &mut Random, segment: &mut Json) {
    let Some(members) = segment.as_object_mut() else { return };
    for name in SEGMENT_LISTS {
        take(random, members, name, 0.4);
    }
    take_away(random, members, "salt", 0.2);
    take_away(random, members, "version", 0.2);
    for rule in each(members, "rules") {
        take(random, rule, "clauses", 0.1);
    }
    for list in ["includedContexts", "excludedContexts"] {
        for target in each(members, list) {
            take(random, target, "values", 0.3);
        }
    }
}

fn take(random: &mut Random, members: &mut Map<String, Json>, name: &str, often: f64) {
    if random.chance(often) {
        match random.below(3) {
            0 => drop(members.insert(name.to_owned(), Json::Null)),
            _ => drop(members.remove(name)),
        }
    }
}

fn take_away(random: &mut Random, members: &mut Map<String, Json>, name: &str, often: f64) {
    if random.chance(often) {
        members.remove(name);
    }
}

/// The environment with everything in place that the official Rust evaluator wants.
pub fn completed(environment: &Json) -> Json {
    let mut environment = environment.clone();
    for (key, flag) in environment["flags"].as_object_mut().into_iter().flatten() {
        if let Some(flag) = flag.as_object_mut() {
            complete_flag(key, flag);
        }
    }
    for (key, segment) in environment["segments"].as_object_mut().into_iter().flatten() {
        if let Some(segment) = segment.as_object_mut() {
            complete_segment(key, segment);
        }
    }
    environment
}

fn complete_flag(key: &str, flag: &mut Map<String, Json>) {
    for name in LISTS {
        put(flag, name, json!([]));
    }
    put(flag, "key", json!(key));
    put(flag, "on", json!(false));
    put(flag, "salt", json!(""));
    put(flag, "fallthrough", json!({}));
    for rule in each(flag, "rules") {
        put(rule, "trackEvents", json!(false));
        complete_clauses(rule);
    }
    for list in ["targets", "contextTargets"] {
        each(flag, list).for_each(|target| put(target, "values", json!([])));
    }
}

fn complete_segment(key: &str, segment: &mut Map<String, Json>) {
    for name in SEGMENT_LISTS {
        put(segment, name, json!([]));
    }
    put(segment, "key", json!(key));
    put(segment, "salt", json!(""));
    put(segment, "version", json!(0));
    each(segment, "rules").for_each(complete_clauses);
    for list in ["includedContexts", "excludedContexts"] {
        each(segment, list).for_each(|target| put(target, "values", json!([])));
    }
}

fn complete_clauses(rule: &mut Map<String, Json>) {
    put(rule, "clauses", json!([]));
    each(rule, "clauses").for_each(|clause| put(clause, "values", json!([])));
}

fn put(members: &mut Map<String, Json>, name: &str, value: Json) {
    if members.get(name).is_none_or(Json::is_null) {
        members.insert(name.to_owned(), value);
    }
}

fn each<'m>(
    members: &'m mut Map<String, Json>,
    name: &str,
) -> impl Iterator<Item = &'m mut Map<String, Json>> {
    let list = members.get_mut(name).and_then(Json::as_array_mut);
    list.into_iter().flatten().filter_map(Json::as_object_mut)
}
