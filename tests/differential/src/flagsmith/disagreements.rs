//! Where we answer differently from the official Rust engine on purpose: each with a name, who
//! decides, and what the input has to look like for it.

use serde_json::Value as Json;

use super::case::Case;

pub struct Disagreement {
    pub name: &'static str,
    /// Why ours is the right answer.
    pub why: &'static str,
    /// Whether this input may be answered differently.
    pub concerns: fn(&Case) -> bool,
}

pub const DISAGREEMENTS: &[Disagreement] = &[
    Disagreement {
        name: "an empty identifier",
        why: "ours to decide: in every dialect an empty targeting key is none; the engine gives everybody without one the same bucket",
        concerns: |case| case.identity().is_some_and(|identity| identity["identifier"] == ""),
    },
    Disagreement {
        name: "a whole number beyond 64 bits",
        why: "ours to decide: it is a float as in every dialect; the engine keeps its digits, and panics when a path makes it write them down",
        concerns: |case| beyond(&case.environment) || case.context.values().any(beyond),
    },
    Disagreement {
        name: "the first of members without order",
        why: "ours to decide: as they are written; the engine keeps features and traits in hash maps, so that its answer changes from run to run",
        concerns: |case| {
            let features = case.features().len() > 1;
            let traits = case.traits().is_some_and(|traits| traits.len() > 1);
            (features || traits)
                && case.conditions().iter().any(|condition| {
                    let path = condition.property;
                    path.starts_with("$.")
                        && ["*", "..", "?"].iter().any(|part| path.contains(part))
                })
        },
    },
];

fn beyond(value: &Json) -> bool {
    match value {
        Json::Number(number) => number.is_u64() && !number.is_i64(),
        Json::Array(elements) => elements.iter().any(beyond),
        Json::Object(members) => members.values().any(beyond),
        _ => false,
    }
}
