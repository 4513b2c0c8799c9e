//! Where we answer differently from the official Rust evaluator on purpose: each with a name, who
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
        name: "a flag that is switched off",
        why: "flagd's suite: reason DISABLED and the caller's default; the crate: FLAG_NOT_FOUND (Q16)",
        concerns: |case| case.definition()["state"] == "DISABLED",
    },
    Disagreement {
        name: "no default variant",
        why: "flagd's suite: the caller's default; the crate refuses all flags (Q17)",
        concerns: |case| {
            flags(case).any(|flag| flag["defaultVariant"].as_str().is_none_or(str::is_empty))
        },
    },
    Disagreement {
        name: "a shared evaluator that leads nowhere",
        why: "flagd's suite: PARSE_ERROR of that flag; the crate refuses all flags (Q15)",
        concerns: |case| {
            has(&case.environment, &|operator, argument| {
                operator == "$ref" && (argument == "unknown" || argument == "round")
            })
        },
    },
    Disagreement {
        name: "the end of what is no text",
        why: "flagd's suite: null unless both are text and there are two; the crate: false (Q19)",
        concerns: |case| {
            mentions(case, &|operator, _| matches!(operator, "starts_with" | "ends_with"))
        },
    },
    Disagreement {
        name: "a version that is not strictly one",
        why: "flagd's suite: `v` dropped, parts left out, numbers, build ignored; the crate is strict (Q20)",
        concerns: |case| mentions(case, &|operator, _| operator == "sem_ver"),
    },
    Disagreement {
        name: "an attribute called `$flagd`",
        why: "ours to decide: a context cannot make a rule believe in another flag or time",
        concerns: |case| case.context.contains_key("$flagd"),
    },
    Disagreement {
        name: "the order of an object's members",
        why: "ours to decide: as they are written; the SDK's contexts lose it, so that the crate's answer changes from run to run",
        concerns: |case| {
            const VISIT: &[&str] =
                &["cat", "substr", "map", "filter", "reduce", "all", "some", "none"];
            mentions(case, &|operator, _| VISIT.contains(&operator))
                && case.context.values().any(wide)
        },
    },
];

/// Whether there is an object of several members in it.
fn wide(value: &Json) -> bool {
    match value {
        Json::Object(members) => members.len() > 1 || members.values().any(wide),
        Json::Array(elements) => elements.iter().any(wide),
        _ => false,
    }
}

fn flags(case: &Case) -> impl Iterator<Item = &Json> {
    case.environment["flags"].as_object().into_iter().flat_map(|flags| flags.values())
}

/// Whether the flag's rule, or a shared one, has such an operator.
fn mentions(case: &Case, is: &dyn Fn(&str, &Json) -> bool) -> bool {
    has(&case.definition()["targeting"], is) || has(&case.environment["$evaluators"], is)
}

fn has(rule: &Json, is: &dyn Fn(&str, &Json) -> bool) -> bool {
    match rule {
        Json::Array(elements) => elements.iter().any(|element| has(element, is)),
        Json::Object(members) => {
            members.iter().any(|(operator, argument)| is(operator, argument) || has(argument, is))
        }
        _ => false,
    }
}
