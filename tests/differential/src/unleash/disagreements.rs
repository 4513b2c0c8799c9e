//! Where we answer differently from the official Rust engine on purpose: each with a name, who
//! decides, and what the input has to look like for it.

use serde_json::Value as Json;

use super::{
    case::{Case, elements},
    strategy::is_known,
};

pub struct Disagreement {
    pub name: &'static str,
    /// Why ours is the right answer.
    pub why: &'static str,
    /// Whether this input may be answered differently.
    pub concerns: fn(&Case) -> bool,
}

pub const DISAGREEMENTS: &[Disagreement] = &[
    Disagreement {
        name: "variants that weigh nothing",
        why: "ours to decide: the disabled variant; the engine panics",
        concerns: |case| lists_of_variants(case).any(|list| total(list) == 0),
    },
    Disagreement {
        name: "variants that weigh less than nothing",
        why: "ours to decide: no share; the engine reads them as huge, and panics where its sum overflows",
        concerns: |case| {
            lists_of_variants(case)
                .flatten()
                .any(|one| one["weight"].as_i64().is_some_and(|weight| weight < 0))
        },
    },
    Disagreement {
        name: "a parent's own strategy",
        why: "ours to decide: the service's answer for the parent; the engine takes its answers for the toggle that was asked",
        concerns: |case| {
            parents(case)
                .flat_map(|parent| elements(parent, "strategies"))
                .any(|one| one["name"].as_str().is_some_and(|name| !is_known(name)))
        },
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

fn total(variants: &[Json]) -> i64 {
    variants.iter().filter_map(|one| one["weight"].as_i64()).sum()
}
