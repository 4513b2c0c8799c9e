//! What is done with an input: shared by the fuzz targets and an ordinary test.

use std::time::Duration;

use modelgate::{
    FlagSet, OwnedContext,
    clock::{Clock, ManualClock},
    flagd::Flagd,
    flagsmith::Flagsmith,
    launchdarkly::LaunchDarkly,
    unleash::Unleash,
    value::Value,
};
use serde_json::Value as Json;

/// The line between a document and a context.
const BETWEEN: &str = "\n---\n";

/// A flagd definition.
pub fn flagd(input: &[u8]) {
    let Some((document, context)) = split(input) else { return };
    let dialect = Flagd::new();
    let Ok(set) = dialect.compile(document) else { return };
    evaluate(&set, &context);
}

/// LaunchDarkly's flag data, whole and then item by item.
pub fn launchdarkly(input: &[u8]) {
    let Some((document, context)) = split(input) else { return };
    let dialect = LaunchDarkly::new();
    let Ok(set) = dialect.compile(document) else { return };
    evaluate(&set, &context);
    let Ok(data) = serde_json::from_str::<Json>(document) else { return };
    let data = if data["data"].is_object() { &data["data"] } else { &data };
    let mut built = FlagSet::new();
    for (key, segment) in data["segments"].as_object().into_iter().flatten() {
        built = dialect.with_segment(&built, key, &segment.to_string()).unwrap_or(built);
    }
    for (key, flag) in data["flags"].as_object().into_iter().flatten() {
        built = dialect.with_flag(&built, key, &flag.to_string()).unwrap_or(built);
    }
    evaluate(&built, &context);
    for flag in set.iter() {
        let _ = dialect.detail(&set, flag.key(), &context);
    }
}

/// Unleash's client features or delta events, compiled and then applied to themselves.
pub fn unleash(input: &[u8]) {
    let Some((document, context)) = split(input) else { return };
    // Nothing is left to chance: evaluating twice has to answer alike.
    let dialect = Unleash::new().with_app_name("app").with_random(|| 1 << 63);
    let Ok(set) = dialect.compile(document) else { return };
    evaluate(&set, &context);
    let clock = ManualClock::at_unix(Duration::from_secs(1_767_600_000));
    if let Ok(again) = dialect.apply(&set, document) {
        for flag in set.iter() {
            let first = dialect.toggle(&set, flag.key(), &context, &clock);
            let second = dialect.toggle(&again, flag.key(), &context, &clock);
            assert!(document.contains("events") || first == second, "toggle `{}`", flag.key());
        }
    }
}

/// Flagsmith's environment document or evaluation context.
pub fn flagsmith(input: &[u8]) {
    let Some((document, context)) = split(input) else { return };
    let dialect = Flagsmith::new();
    let Ok(set) = dialect.compile(document) else { return };
    evaluate(&set, &context);
    for flag in set.iter() {
        let _ = dialect.feature(&set, flag.key(), &context);
    }
    let _ = dialect.segments(&set, &context);
}

/// The document and the context of an input; what has no context gets an ordinary one.
fn split(input: &[u8]) -> Option<(&str, OwnedContext)> {
    let text = std::str::from_utf8(input).ok()?;
    let (document, context) = text.split_once(BETWEEN).unwrap_or((text, r#"{"targetingKey":"u"}"#));
    Some((document, context_of(&serde_json::from_str(context).unwrap_or_default())))
}

/// Members are attributes, `targetingKey` is the key, and members of `kinds` are contexts of other
/// kinds.
fn context_of(json: &Json) -> OwnedContext {
    let mut context = match json["targetingKey"].as_str() {
        Some(key) => OwnedContext::new(key),
        None => OwnedContext::anonymous(),
    };
    for (name, value) in json.as_object().into_iter().flatten() {
        if name == "kinds" {
            for (kind, other) in value.as_object().into_iter().flatten() {
                // One level: kinds of kinds mean nothing.
                let mut other = other.clone();
                if let Some(members) = other.as_object_mut() {
                    members.remove("kinds");
                }
                context = context.with_kind(kind.as_str(), context_of(&other));
            }
        } else if let Ok(value) = serde_json::from_value::<Value>(value.clone()) {
            context = context.with(name.as_str(), value);
        }
    }
    context
}

/// Evaluates and explains every flag.
fn evaluate(set: &FlagSet, context: &OwnedContext) {
    let clock = ManualClock::at_unix(Duration::from_secs(1_767_600_000));
    let clock: &dyn Clock = &clock;
    let keys: Vec<&str> = set.iter().map(modelgate::flag::Flag::key).collect();
    for key in keys {
        let plain = set.evaluate_at(key, context, clock);
        let (explained, _) = set.explain_at(key, context, clock);
        // Where the outcome is drawn at random the two may differ.
        if !plain.missing_key {
            let answers = [&plain, &explained].map(|answer| format!("{answer:?}"));
            assert_eq!(answers[0], answers[1], "flag `{key}`");
        }
    }
}
