//! Flagsmith's cases: one feature's result, or the segments that a context belongs to.

use std::{fs, hint::black_box, path::Path};

use modelgate::{
    FlagSet, OwnedContext,
    clock::SystemClock,
    flag::{Problem, ProblemSeverity},
    flagsmith::{FeatureResult, Flagsmith, Generation},
    value::Value,
};
use serde_json::{Value as Json, json};

use super::{Verdict, counting::allocations};

pub fn answer(suite: &Path, case: &Json) -> Verdict {
    let environment = case["environment"].as_str().expect("a case names its environment");
    let environment = fs::read_to_string(suite.join("environments").join(environment)).unwrap();
    let generations = [
        (Generation::BeforeFlagDependencies, "reason"),
        (Generation::FlagDependencies, "reason_since_flag_dependencies"),
    ];
    for (generation, reason) in generations {
        let dialect = Flagsmith::new().with_generation(generation);
        let flags = match dialect.compile(&environment) {
            // A condition that can never match is only warned of.
            Ok(flags) if flags.problems().iter().all(is_warning) => flags,
            Ok(flags) => return Verdict::Failed(format!("{:?}", flags.problems())),
            Err(error) => return Verdict::Failed(error.to_string()),
        };
        let pieces = piece_by_piece(&dialect, &serde_json::from_str(&environment).unwrap());
        let context = context(&case["context"]);
        let mut expected = case["expect"].clone();
        if let Some(new) = expected.get("reason_since_flag_dependencies").cloned() {
            expected.as_object_mut().unwrap().remove("reason_since_flag_dependencies");
            if reason != "reason" {
                expected["reason"] = new;
            }
        }
        for flags in [&flags, &pieces] {
            let miss = match case["kind"].as_str() {
                Some("evaluate") => feature(&dialect, flags, case, &context, &expected),
                Some("segments") => segments(&dialect, flags, &context, &expected),
                other => Some(format!("cases of kind {other:?} are unknown")),
            };
            if let Some(miss) = miss {
                return Verdict::Failed(format!("{generation:?}: {miss}"));
            }
        }
    }
    Verdict::Passed
}

fn is_warning(problem: &Problem) -> bool {
    problem.severity == ProblemSeverity::Warning
}

/// The same set, built from its features in reverse order, and from segments of which every one is
/// replaced once more.
fn piece_by_piece(dialect: &Flagsmith, environment: &Json) -> FlagSet {
    let empty = json!({"environment": environment["environment"]});
    let mut flags = dialect.compile(&empty.to_string()).unwrap();
    let pieces = |name: &str| -> Vec<String> {
        let members = environment[name].as_object().into_iter().flatten();
        members.map(|(_, item)| item.to_string()).collect()
    };
    for segment in pieces("segments") {
        flags = dialect.with_segment(&flags, &segment).unwrap();
    }
    for feature in pieces("features").iter().rev() {
        flags = dialect.with_feature(&flags, feature).unwrap();
    }
    for segment in pieces("segments").iter().rev() {
        flags = dialect.with_segment(&flags, segment).unwrap();
    }
    flags
}

/// What a feature answered instead of the expectation, if anything.
fn feature(
    dialect: &Flagsmith,
    flags: &FlagSet,
    case: &Json,
    context: &OwnedContext,
    expected: &Json,
) -> Option<String> {
    let name = case["flag"].as_str().expect("a case names its flag");
    let mut found = None;
    let count = allocations(|| found = black_box(dialect.feature(flags, name, context)));
    let Some(found) = found else {
        return Some("there is no such feature".to_owned());
    };
    if count > 0 {
        return Some(format!("{count} allocations"));
    }
    if let Some(miss) = neutral(flags, name, context, &found) {
        return Some(miss);
    }
    let FeatureResult { enabled, value, variant, reason, metadata, .. } = found;
    let answer = json!({
        "enabled": enabled, "value": value, "variant": variant,
        "reason": reason.to_string(), "metadata": metadata,
    });
    let misses = |(field, expected): &(&String, &Json)| answer[field.as_str()] != **expected;
    let missed = expected.as_object().into_iter().flatten().find(misses);
    missed.map(|(field, expected)| format!("{field}: expected {expected}, found {answer}"))
}

/// What is wrong with the neutral answer, or with the explained one, if anything.
fn neutral(
    flags: &FlagSet,
    name: &str,
    context: &OwnedContext,
    result: &FeatureResult<'_>,
) -> Option<String> {
    let clock = SystemClock::new();
    let plain = flags.evaluate_at(name, context, &clock);
    let (explained, _) = flags.explain_at(name, context, &clock);
    let differs = (plain.value, plain.variant, plain.reason, plain.error, plain.on)
        != (explained.value, explained.variant, explained.reason, explained.error, explained.on);
    let wrong = plain.on != Some(result.enabled)
        || plain.value != result.enabled.then_some(result.value)
        || plain.variant != result.variant;
    (differs || wrong).then(|| format!("{result:?}, but {plain:?}, explained {explained:?}"))
}

fn segments(
    dialect: &Flagsmith,
    flags: &FlagSet,
    context: &OwnedContext,
    expected: &Json,
) -> Option<String> {
    let found = dialect.segments(flags, context);
    let expected = expected["segments"].as_array().expect("a case expects segments");
    let equal = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| {
            expected["name"] == found.name
                && expected
                    .get("metadata")
                    .is_none_or(|metadata| *metadata == json!(found.metadata))
        });
    (!equal).then(|| format!("expected {expected:?}, found {found:?}"))
}

fn context(json: &Json) -> OwnedContext {
    let identity = &json["identity"];
    let mut context = match identity["identifier"].as_str() {
        Some(identifier) => OwnedContext::new(identifier),
        None => OwnedContext::anonymous(),
    };
    if let Some(key) = identity["key"].as_str() {
        context = context.with("$.identity.key", key);
    }
    for (name, value) in identity["traits"].as_object().into_iter().flatten() {
        context =
            context.with(name.as_str(), serde_json::from_value::<Value>(value.clone()).unwrap());
    }
    context
}
