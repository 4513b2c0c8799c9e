//! Where we answer differently from the official Rust engine on purpose: each with a name, who
//! decides, and what the input has to look like for it.

use serde_json::{Map, Value as Json};

use super::{
    case::{Case, elements},
    context::find,
    strategy::is_known,
};

pub struct Disagreement {
    pub name: &'static str,
    /// Why ours is the right answer.
    pub why: &'static str,
    /// Whether this input may be answered differently.
    pub concerns: fn(&Case) -> bool,
    /// Whether only a long run is sure to show it.
    pub rare: bool,
}

pub const DISAGREEMENTS: &[Disagreement] = &[
    Disagreement {
        name: "variants that weigh nothing",
        why: "ours to decide: the disabled variant; the engine panics",
        concerns: |case| lists_of_variants(case).any(|list| total(list) == 0),
        rare: false,
    },
    Disagreement {
        name: "variants that weigh less than nothing",
        why: "ours to decide: the sum wraps, as in the engine's optimised builds; in others the engine panics",
        concerns: |case| {
            lists_of_variants(case)
                .flatten()
                .any(|one| one["weight"].as_i64().is_some_and(|weight| weight < 0))
        },
        rare: false,
    },
    Disagreement {
        name: "a parent's own strategy",
        why: "ours to decide: the service's answer for the parent; the engine takes its answers for the toggle that was asked",
        concerns: |case| {
            parents(case)
                .flat_map(|parent| elements(parent, "strategies"))
                .any(|one| one["name"].as_str().is_some_and(|name| !is_known(name)))
        },
        rare: false,
    },
    Disagreement {
        name: "an integer that no context of ours holds",
        why: "ours to decide: beyond 64 bits with a sign it is a float, and so written as one",
        concerns: |case| case.context.values().any(beyond),
        rare: false,
    },
    Disagreement {
        name: "a property with the name of a field",
        why: "ours to decide: an attribute has one value; the engine's variants find a property `currentTime` beside the field",
        concerns: |case| {
            let property =
                |name: &str| case.context.get("properties").and_then(|all| all.get(name));
            case.context.contains_key("currentTime") && property("currentTime").is_some()
        },
        rare: true,
    },
    Disagreement {
        name: "a parent that chance decides",
        why: "ours to decide: it is asked once; the engine draws again for its variant, and for each dependency on it",
        concerns: |case| {
            parents(case)
                .flat_map(|parent| elements(parent, "strategies"))
                .any(|strategy| by_chance(strategy, &case.context))
        },
        rare: false,
    },
];

/// The toggles that the one asked for depends on.
fn parents(case: &Case) -> impl Iterator<Item = &Json> {
    let dependencies =
        case.definition().into_iter().flat_map(|toggle| elements(toggle, "dependencies"));
    dependencies.filter_map(|dependency| case.toggle(dependency["feature"].as_str()?))
}

/// The variants of every toggle and strategy that is met on the way.
fn lists_of_variants(case: &Case) -> impl Iterator<Item = &Vec<Json>> {
    let toggles = case.definition().into_iter().chain(parents(case));
    let lists =
        toggles.flat_map(|toggle| [toggle].into_iter().chain(elements(toggle, "strategies")));
    lists.filter_map(|owner| owner["variants"].as_array()).filter(|list| !list.is_empty())
}

/// Whether this strategy may hold for one request and not for the next.
fn by_chance(strategy: &Json, context: &Map<String, Json>) -> bool {
    let nobody = || ["userId", "sessionId"].iter().all(|name| find(context, name).is_none());
    match strategy["name"].as_str() {
        Some("gradualRolloutRandom") => true,
        Some("flexibleRollout") => match strategy["parameters"]["stickiness"].as_str() {
            Some("random") => true,
            Some("default") | None => nobody(),
            Some(_) => false,
        },
        _ => false,
    }
}

fn beyond(value: &Json) -> bool {
    match value {
        Json::Number(number) => number.is_u64() && !number.is_i64(),
        Json::Object(members) => members.values().any(beyond),
        _ => false,
    }
}

fn total(variants: &[Json]) -> i64 {
    variants.iter().filter_map(|one| one["weight"].as_i64()).sum()
}
