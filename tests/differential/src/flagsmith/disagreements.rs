//! Where we answer differently from the official Rust engine on purpose: each with a name, who
//! decides, and what the input has to look like for it.

use serde_json::{Map, Value as Json};

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
        name: "metadata that is not given",
        why: "Flagsmith's suite: metadata is whatever the context has; the engine's has a feature id, a type and a source always, and nothing else ever",
        concerns: |case| {
            let reads = |path: &str| path.starts_with("$.") && path.contains("metadata");
            !case.is_document() && case.conditions().iter().any(|one| reads(one.property))
        },
    },
    Disagreement {
        name: "overrides of identities among the segments",
        why: "ours to decide: a path finds the segments that the document has; the engine's finds those that its mapper makes as well, by the digests that it gives them",
        concerns: |case| {
            let overridden = case.environment["identity_overrides"].as_array();
            let reads = |path: &str| {
                let rest = path.strip_prefix("$.segments").or(path.strip_prefix("$"));
                let rest = rest.unwrap_or_default();
                [".*", "[*]", "..", "[?"].iter().any(|all| rest.starts_with(all))
            };
            overridden.is_some_and(|overridden| !overridden.is_empty())
                && case.conditions().iter().any(|condition| reads(condition.property))
        },
    },
    Disagreement {
        name: "the first of several members",
        why: "the engine in a build of its own: in the order of their names; here it shares its JSON with crates that keep members as they come, from its hash maps in another order every time",
        concerns: |case| {
            let several = |path: &str| {
                let all = [
                    ("$.features", case.features().len()),
                    ("$.identity.traits", case.traits().map_or(0, Map::len)),
                    ("$.segments", case.segments().len()),
                    ("$", usize::MAX),
                ];
                all.into_iter().any(|(of, count)| {
                    let rest = path.strip_prefix(of).unwrap_or_default();
                    count > 1 && [".*", "[*]", "..", "[?"].iter().any(|all| rest.starts_with(all))
                })
            };
            case.conditions().iter().any(|condition| several(condition.property))
        },
    },
];

fn beyond(value: &Json) -> bool {
    match value {
        Json::Number(number) => number.is_u64() && !number.is_i64(),
        Json::Array(elements) => elements.iter().any(beyond),
        // In rules it is no more than its digits, on either side.
        Json::Object(members) => {
            members.iter().any(|(name, member)| name != "rules" && beyond(member))
        }
        _ => false,
    }
}
