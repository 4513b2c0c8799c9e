//! Single events as they are sent.

use serde_json::{Value as Json, json};

use super::context::Privacy;
use crate::launchdarkly::{ContextSnapshot, Note, SingleAnswer};

/// The events of what a request left.
pub(super) fn events(noted: Note, privacy: &Privacy) -> Vec<Json> {
    match noted {
        Note::Seen { time, who } => vec![index(time, &who, privacy)],
        Note::Answer(answer) => {
            let mut events = Vec::new();
            if answer.as_debug {
                events.push(single("debug", &answer, privacy.shown(&answer.who, false)));
            }
            if answer.as_feature {
                events.push(single("feature", &answer, privacy.shown(&answer.who, true)));
            }
            events
        }
    }
}

fn index(time: u64, who: &ContextSnapshot, privacy: &Privacy) -> Json {
    json!({"kind": "index", "creationDate": time, "context": privacy.shown(who, false)})
}

fn single(kind: &str, answer: &SingleAnswer, context: Json) -> Json {
    let mut event = json!({
        "kind": kind,
        "creationDate": answer.time,
        "context": context,
        "key": answer.flag,
        "value": answer.value,
        "variation": answer.variation,
        "default": answer.default,
        "version": answer.version,
    });
    let mut add = |name: &str, value: Json| {
        if let Some(members) = event.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    if let Some(reason) = &answer.reason {
        add("reason", reason.clone());
    }
    if let Some(of) = &answer.prerequisite_of {
        add("prereqOf", json!(of));
    }
    if answer.sampling_ratio != 1 {
        add("samplingRatio", json!(answer.sampling_ratio));
    }
    if !answer.in_summaries {
        add("excludeFromSummaries", json!(true));
    }
    event
}
