//! Segments whose members are kept in a store of their own. The official Rust evaluator knows none
//! and reads their lists; it answers as its siblings do once the lists say what the store says.

use serde_json::{Map, Value as Json, json};

use super::context::Single;
use crate::random::Random;

/// What a store has on those who ask; most cases come without a store.
pub fn memberships(random: &mut Random, singles: &[Single]) -> Option<Map<String, Json>> {
    if !random.chance(0.4) {
        return None;
    }
    let mut memberships = Map::new();
    for single in singles {
        let mut known = Map::new();
        for segment in ["first.g3", "second.g3", "first.g0", "second.g0"] {
            match random.below(3) {
                0 => drop(known.insert(segment.to_owned(), json!(true))),
                1 => drop(known.insert(segment.to_owned(), json!(false))),
                _ => {}
            }
        }
        if random.chance(0.9) {
            memberships.insert(single.key.clone(), Json::Object(known));
        }
    }
    Some(memberships)
}

pub fn is_big(segment: &Json) -> bool {
    segment["unbounded"] == true
}

/// What has to be asked of a store to know who is in this segment: a key and the name it goes by.
pub fn question<'s>(segment: &Json, singles: &'s [Single]) -> Option<(&'s str, String)> {
    let kind = segment["unboundedContextKind"].as_str().unwrap_or("user");
    let single = singles.iter().find(|single| single.kind == kind)?;
    let generation = segment["generation"].as_i64()?;
    Some((&single.key, format!("{}.g{generation}", segment["key"].as_str()?)))
}

/// The environment with each big segment as a plain one that has the same members among these.
pub fn with_lists(
    mut environment: Json,
    singles: &[Single],
    memberships: Option<&Map<String, Json>>,
) -> Json {
    let segments = environment["segments"].as_object_mut().into_iter().flatten();
    for (_, segment) in segments.filter(|(_, segment)| is_big(segment)) {
        for list in ["included", "excluded", "includedContexts", "excludedContexts"] {
            segment[list] = json!([]);
        }
        let Some((key, name)) = question(segment, singles) else {
            segment["rules"] = json!([]);
            continue;
        };
        let kind = segment["unboundedContextKind"].as_str().unwrap_or("user").to_owned();
        let known = memberships.and_then(|memberships| memberships.get(key)?.get(&name)?.as_bool());
        let list = match known {
            Some(true) => "includedContexts",
            Some(false) => "excludedContexts",
            None => continue,
        };
        segment[list] = json!([{"contextKind": kind, "values": [key]}]);
    }
    environment
}
