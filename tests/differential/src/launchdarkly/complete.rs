//! What the vendor's own model puts up with, though the official Rust evaluator does not: something
//! left out, or a kind that is none. Done to a definition, and mended.

use serde_json::{Map, Value as Json, json};

use crate::random::Random;

type Members = Map<String, Json>;

/// The lists of a flag that may be absent or null.
const LISTS: &[&str] = &["targets", "rules", "prerequisites", "variations"];

const SEGMENT_LISTS: &[&str] = &["included", "excluded", "rules"];

const FLAG_TARGETS: &[&str] = &["targets", "contextTargets"];

const SEGMENT_TARGETS: &[&str] = &["includedContexts", "excludedContexts"];

/// A context kind that nobody is of, in the place of one that nobody can be of.
const NOBODY: &str = "nobody";

/// Does something to each of these flags.
pub fn thin(random: &mut Random, flags: &mut Json) {
    for (_, flag) in flags.as_object_mut().into_iter().flatten() {
        let Some(flag) = flag.as_object_mut() else { continue };
        for name in LISTS {
            take(random, flag, name, 0.25);
        }
        for name in ["salt", "on", "fallthrough"] {
            take_away(random, flag, name, 0.1);
        }
        for rule in each(flag, "rules") {
            take_away(random, rule, "trackEvents", 0.6);
            thin_served(random, rule);
            thin_clauses(random, rule);
        }
        if let Some(fallthrough) = flag.get_mut("fallthrough").and_then(Json::as_object_mut) {
            thin_served(random, fallthrough);
        }
        for list in FLAG_TARGETS {
            for target in each(flag, list) {
                take(random, target, "values", 0.2);
                spoil_kind(random, target, "contextKind");
            }
        }
    }
}

pub fn thin_segment(random: &mut Random, segment: &mut Json) {
    let Some(segment) = segment.as_object_mut() else { return };
    for name in SEGMENT_LISTS {
        take(random, segment, name, 0.3);
    }
    take_away(random, segment, "salt", 0.2);
    take_away(random, segment, "version", 0.2);
    spoil_kind(random, segment, "unboundedContextKind");
    for rule in each(segment, "rules") {
        thin_clauses(random, rule);
        spoil_kind(random, rule, "rolloutContextKind");
    }
    for list in SEGMENT_TARGETS {
        for target in each(segment, list) {
            take(random, target, "values", 0.2);
            spoil_kind(random, target, "contextKind");
            take_away(random, target, "contextKind", 0.1);
        }
    }
}

fn thin_clauses(random: &mut Random, rule: &mut Members) {
    take(random, rule, "clauses", 0.1);
    for clause in each(rule, "clauses") {
        take(random, clause, "values", 0.1);
        spoil_kind(random, clause, "contextKind");
    }
}

fn thin_served(random: &mut Random, served: &mut Members) {
    let Some(rollout) = served.get_mut("rollout").and_then(Json::as_object_mut) else { return };
    if random.chance(0.1) {
        rollout.insert("kind".to_owned(), json!("canary"));
    }
    take(random, rollout, "variations", 0.1);
    spoil_kind(random, rollout, "contextKind");
    for entry in each(rollout, "variations") {
        take_away(random, entry, "weight", 0.1);
        take_away(random, entry, "variation", 0.1);
    }
}

fn take(random: &mut Random, members: &mut Members, name: &str, often: f64) {
    if random.chance(often) {
        match random.below(3) {
            0 => drop(members.insert(name.to_owned(), Json::Null)),
            _ => drop(members.remove(name)),
        }
    }
}

fn take_away(random: &mut Random, members: &mut Members, name: &str, often: f64) {
    if random.chance(often) {
        members.remove(name);
    }
}

fn spoil_kind(random: &mut Random, members: &mut Members, name: &str) {
    if members.contains_key(name) && random.chance(0.1) {
        let kinds = [json!(""), json!("multi"), json!("kind"), json!("a b"), Json::Null];
        members.insert(name.to_owned(), random.of(&kinds).clone());
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

fn complete_flag(key: &str, flag: &mut Members) {
    for name in LISTS {
        put(flag, name, json!([]));
    }
    put(flag, "key", json!(key));
    put(flag, "on", json!(false));
    put(flag, "salt", json!(""));
    put(flag, "fallthrough", json!({}));
    for rule in each(flag, "rules") {
        put(rule, "trackEvents", json!(false));
        complete_served(rule);
        complete_clauses(rule);
    }
    if let Some(fallthrough) = flag.get_mut("fallthrough").and_then(Json::as_object_mut) {
        complete_served(fallthrough);
    }
    for list in FLAG_TARGETS {
        for target in each(flag, list) {
            put(target, "values", json!([]));
            mend_kind(target, "contextKind");
        }
    }
}

fn complete_segment(key: &str, segment: &mut Members) {
    for name in SEGMENT_LISTS {
        put(segment, name, json!([]));
    }
    put(segment, "key", json!(key));
    put(segment, "salt", json!(""));
    put(segment, "version", json!(0));
    mend_kind(segment, "unboundedContextKind");
    for rule in each(segment, "rules") {
        complete_clauses(rule);
        mend_kind(rule, "rolloutContextKind");
    }
    for list in SEGMENT_TARGETS {
        for target in each(segment, list) {
            put(target, "values", json!([]));
            mend_kind(target, "contextKind");
            put(target, "contextKind", json!("user"));
        }
    }
}

fn complete_clauses(rule: &mut Members) {
    put(rule, "clauses", json!([]));
    for clause in each(rule, "clauses") {
        put(clause, "values", json!([]));
        mend_kind(clause, "contextKind");
    }
}

fn complete_served(served: &mut Members) {
    let Some(rollout) = served.get_mut("rollout").and_then(Json::as_object_mut) else { return };
    if rollout.get("kind").is_some_and(|kind| kind.is_string() && kind != "experiment") {
        rollout.insert("kind".to_owned(), json!("rollout"));
    }
    put(rollout, "variations", json!([]));
    mend_kind(rollout, "contextKind");
    for entry in each(rollout, "variations") {
        put(entry, "variation", json!(0));
        put(entry, "weight", json!(0));
    }
}

fn put(members: &mut Members, name: &str, value: Json) {
    if members.get(name).is_none_or(Json::is_null) {
        members.insert(name.to_owned(), value);
    }
}

/// An empty kind is none, and one that nobody can be of is one that nobody is of.
fn mend_kind(members: &mut Members, name: &str) {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    match members.get(name) {
        Some(Json::Null) => drop(members.remove(name)),
        Some(Json::String(kind)) if kind.is_empty() => drop(members.remove(name)),
        Some(Json::String(kind))
            if matches!(kind.as_str(), "kind" | "multi") || !kind.chars().all(allowed) =>
        {
            members.insert(name.to_owned(), json!(NOBODY));
        }
        _ => {}
    }
}

fn each<'m>(members: &'m mut Members, name: &str) -> impl Iterator<Item = &'m mut Members> {
    let list = members.get_mut(name).and_then(Json::as_array_mut);
    list.into_iter().flatten().filter_map(Json::as_object_mut)
}
