//! Unleash's cases: is a toggle enabled, and which variant does it give?

use std::{fs, path::Path};

use modelgate::{FlagSet, OwnedContext, clock::SystemClock, unleash::Unleash, value::Value};
use serde_json::{Value as Json, json};

use super::{Verdict, counting::allocations};

/// The fields of Unleash's context that are no properties.
const FIELDS: [&str; 6] =
    ["userId", "sessionId", "environment", "appName", "currentTime", "remoteAddress"];

pub fn answer(suite: &Path, case: &Json) -> Verdict {
    match miss(suite, case) {
        None => Verdict::Passed,
        Some(found) => Verdict::Failed(found),
    }
}

/// What came instead of the expectation, if anything.
fn miss(suite: &Path, case: &Json) -> Option<String> {
    let environment = case["environment"].as_str().expect("a case names its environment");
    let environment = fs::read_to_string(suite.join("environments").join(environment)).unwrap();
    let (field, expected) = match case["kind"].as_str() {
        Some("enabled") => ("enabled", &case["expect"]["enabled"]),
        Some("variant") => ("variant", &case["expect"]["variant"]),
        other => return Some(format!("cases of kind {other:?} are unknown")),
    };
    let dialect = Unleash::new();
    let at_once = match dialect.compile(&environment) {
        Ok(flags) => flags,
        Err(error) => return Some(error.to_string()),
    };
    let by_events = step_by_step(&dialect, &environment);
    let name = case["flag"].as_str().expect("a case names its flag");
    let (context, clock) = (context(&case["context"]), SystemClock::new());
    for (how, flags) in [("at once", &at_once), ("by events", &by_events)] {
        let toggle = dialect.toggle(flags, name, &context, &clock);
        let found = serde_json::to_value(toggle).unwrap();
        if found[field] != *expected {
            return Some(format!("{how}: expected {expected}, found {found}"));
        }
        let plain = flags.evaluate_at(name, &context, &clock);
        let (explained, _) = flags.explain_at(name, &context, &clock);
        // What has nothing to stick to draws at random: another draw may differ.
        let drawn = draws(flags, name, &context);
        if !drawn
            && (plain.value, plain.variant, plain.reason, plain.on)
                != (explained.value, explained.variant, explained.reason, explained.on)
        {
            return Some(format!("{how}: {plain:?}, but explained {explained:?}"));
        }
        if !drawn && plain.on.unwrap_or(false) != toggle.enabled {
            return Some(format!("{how}: {plain:?} beside {toggle:?}"));
        }
        let allocated = allocations(|| {
            std::hint::black_box(dialect.toggle(flags, name, &context, &clock));
            std::hint::black_box(flags.evaluate_at(name, &context, &clock));
        });
        if allocated != 0 {
            return Some(format!("{how}: {allocated} allocations"));
        }
    }
    None
}

/// Whether the answer is drawn at random: asked often enough, it is not always the same.
fn draws(flags: &FlagSet, name: &str, context: &OwnedContext) -> bool {
    let clock = SystemClock::new();
    let answer = || {
        let answer = flags.evaluate_at(name, context, &clock);
        (answer.variant, answer.on)
    };
    let first = answer();
    (0..256).any(|_| answer() != first)
}

/// The same state, one event for each feature and segment, the last first.
fn step_by_step(dialect: &Unleash, environment: &str) -> FlagSet {
    let environment: Json = serde_json::from_str(environment).unwrap();
    if let Json::Array(events) = &environment["events"] {
        return events.iter().fold(FlagSet::new(), |flags, event| {
            dialect.apply(&flags, &json!({"events": [event]}).to_string()).unwrap()
        });
    }
    let items = |kind: &str| environment[kind].as_array().cloned().unwrap_or_default();
    let features = items("features")
        .into_iter()
        .map(|feature| json!({"type": "feature-updated", "eventId": 1, "feature": feature}));
    let segments = items("segments")
        .into_iter()
        .map(|segment| json!({"type": "segment-updated", "eventId": 1, "segment": segment}));
    let events: Vec<_> = segments.chain(features).collect();
    events.iter().rev().fold(FlagSet::new(), |flags, event| {
        dialect.apply(&flags, &json!({"events": [event]}).to_string()).unwrap()
    })
}

/// Unleash's context as one of ours.
fn context(json: &Json) -> OwnedContext {
    let properties = &json["properties"];
    let field = |name: &str| json.get(name).or(properties.get(name));
    let mut context = match field("userId").and_then(Json::as_str) {
        Some(user) => OwnedContext::new(user),
        None => OwnedContext::anonymous(),
    };
    for (name, value) in properties.as_object().into_iter().flatten() {
        context = context.with(name.as_str(), value_of(value));
    }
    for name in FIELDS.into_iter().skip(1) {
        if let Some(value) = field(name) {
            context = context.with(name, value_of(value));
        }
    }
    context
}

fn value_of(json: &Json) -> Value {
    serde_json::from_value(json.clone()).expect("every JSON value is a value")
}
