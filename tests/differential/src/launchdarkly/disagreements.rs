//! Where we answer differently from the official Rust evaluator on purpose: each with a name, who
//! decides, and what the input has to look like for it. What we answer instead is not left open:
//! it is what [`reference`](super::reference) says.

use super::{big_segments, case::Case, complete, context, dates, reference};

pub struct Disagreement {
    pub name: &'static str,
    /// Why ours is the right answer.
    pub why: &'static str,
    /// Whether this input may be answered differently.
    pub concerns: fn(&Case) -> bool,
}

pub const DISAGREEMENTS: &[Disagreement] = &[
    Disagreement {
        name: "what the vendor's own model puts up with",
        why: "something absent, or a kind that is none; the crate refuses the item or the rollout",
        concerns: |case| complete::completed(&case.environment) != case.environment,
    },
    Disagreement {
        name: "a big segment",
        why: "its members are in a store, if any; the crate reads its lists (Q3)",
        concerns: |case| {
            let segments = case.environment["segments"].as_object();
            segments.into_iter().flatten().any(|(_, segment)| big_segments::is_big(segment))
        },
    },
    Disagreement {
        name: "an empty `bucketBy`",
        why: "the vendor's Go and Python SDKs: none, and so the key; the crate: MALFORMED_FLAG",
        concerns: |case| {
            let environment = complete::completed(&case.environment);
            reference::by_key(&environment) != environment
        },
    },
    Disagreement {
        name: "a date that only the crate reads",
        why: "the vendor's Go and Python SDKs: no leap second, a colon in the offset, capital letters",
        concerns: |case| {
            // The official evaluator's own view of what is absent does not count here.
            let environment = complete::completed(&case.environment);
            let singles = context::singles(&case.context);
            dates::refused(&environment, &case.context, &singles)
                != (environment, case.context.clone())
        },
    },
    Disagreement {
        name: "a prerequisite that is met a second time",
        why: "that is no cycle; the crate forgets to forget a flag whose prerequisite failed (Q1)",
        concerns: |case| meets_again(case, &case.flag, &mut Vec::new(), &mut Vec::new()),
    },
];

/// Whether a flag with prerequisites of its own is met again, though not within itself.
fn meets_again(case: &Case, key: &str, above: &mut Vec<String>, met: &mut Vec<String>) -> bool {
    let prerequisites = case.environment["flags"][key]["prerequisites"].as_array();
    let Some(prerequisites) = prerequisites.filter(|list| !list.is_empty()) else { return false };
    if above.iter().any(|one| one == key) {
        return false;
    }
    if met.iter().any(|one| one == key) {
        return true;
    }
    met.push(key.to_owned());
    above.push(key.to_owned());
    let again = prerequisites.iter().any(|prerequisite| {
        let key = prerequisite["key"].as_str().unwrap_or_default();
        meets_again(case, key, above, met)
    });
    above.pop();
    again
}
