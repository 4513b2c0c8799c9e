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
    Disagreement {
        name: "several members in one object",
        why: "flagd's Go core, Python and Node: a value; the crate cannot evaluate it",
        concerns: |case| has_object(&case.definition()["targeting"], &|members| members.len() > 1),
    },
    Disagreement {
        name: "an operator that goes through a list",
        why: "flagd's Go core: lists only, written ones as they are written; the crate: objects and single values too",
        concerns: |case| {
            const THROUGH: &[&str] = &["map", "filter", "reduce", "all", "some", "none"];
            mentions(case, &|operator, _| THROUGH.contains(&operator))
        },
    },
    Disagreement {
        name: "arithmetic with what is no number",
        why: "flagd's Go core: text by its digits or else 0, an error for anything else, no error for a division by zero",
        concerns: |case| {
            const NUMBERS: &[&str] = &["+", "-", "*", "/", "%", "min", "max"];
            mentions(case, &|operator, _| NUMBERS.contains(&operator))
        },
    },
    Disagreement {
        name: "the text of what is no text",
        why: "flagd's Go core: numbers without exponents, no text for booleans, lists and objects, no blanks at the ends",
        concerns: |case| mentions(case, &|operator, _| matches!(operator, "cat" | "substr")),
    },
    Disagreement {
        name: "names that are missing, and merged lists",
        why: "flagd's Go core: null is missing, and is merged",
        concerns: |case| {
            mentions(case, &|operator, _| matches!(operator, "missing" | "missing_some" | "merge"))
        },
    },
    Disagreement {
        name: "a variable's path or fallback",
        why: "flagd's Go core: the fallback stands in for null, paths skip empty segments, a list's first element for a word",
        concerns: |case| {
            mentions(case, &|operator, argument| operator == "var" && !argument.is_string())
                || mentions(case, &|operator, argument| {
                    operator == "var" && argument.as_str().is_some_and(|path| path.contains('.'))
                })
        },
    },
    Disagreement {
        name: "a list that is searched",
        why: "flagd's Go core: numbers among texts, lists as ranges, an error for what it cannot look for",
        concerns: |case| mentions(case, &|operator, _| operator == "in"),
    },
    Disagreement {
        name: "values of different types side by side",
        why: "flagd's Go core, mostly with Python and Node: no match, null equals only itself; the crate: an error",
        concerns: |case| {
            const SIDES: &[&str] = &["==", "!=", "===", "!==", "<", "<=", ">", ">="];
            mentions(case, &|operator, _| SIDES.contains(&operator))
        },
    },
    Disagreement {
        name: "the truth of a list",
        why: "flagd's Go core: `!` and `!!` go by the first element of a list; an object without members is false",
        concerns: |case| mentions(case, &|operator, _| matches!(operator, "!" | "!!")),
    },
    Disagreement {
        name: "an answer that is no text",
        why: "flagd's Go core: 1.0 names the variant `1`",
        concerns: |case| {
            case.context.values().any(|value| !value.is_string())
                || has_number(&case.definition()["targeting"])
        },
    },
];

fn has_object(rule: &Json, is: &dyn Fn(&serde_json::Map<String, Json>) -> bool) -> bool {
    match rule {
        Json::Array(elements) => elements.iter().any(|element| has_object(element, is)),
        Json::Object(members) => {
            is(members) || members.values().any(|member| has_object(member, is))
        }
        _ => false,
    }
}

fn has_number(rule: &Json) -> bool {
    match rule {
        Json::Number(_) => true,
        Json::Array(elements) => elements.iter().any(has_number),
        Json::Object(members) => members.values().any(has_number),
        _ => false,
    }
}

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
