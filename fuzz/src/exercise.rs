//! What is done with an input: shared by the fuzz targets and an ordinary test.

use std::time::Duration;

use modelgate::{Clock, FlagSet, ManualClock, OwnedContext, Value, dialect::flagd::Flagd};
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
    let keys: Vec<&str> = set.iter().map(modelgate::Flag::key).collect();
    for key in keys {
        let plain = set.evaluate(key, context, clock);
        let (explained, _) = set.explain(key, context, clock);
        // Where the outcome is drawn at random the two may differ.
        if !plain.missing_key {
            let answers = [&plain, &explained].map(|answer| format!("{answer:?}"));
            assert_eq!(answers[0], answers[1], "flag `{key}`");
        }
    }
}
