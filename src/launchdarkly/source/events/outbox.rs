//! Single events as they are sent.

use serde_json::{Value as Json, json};

use super::context::Privacy;
use crate::launchdarkly::{ContextSnapshot, CustomEvent, LedgerEntry, SingleAnswer};

/// The events of one entry of the ledger.
pub(super) fn events(entry: LedgerEntry, privacy: &Privacy, omit_anonymous: bool) -> Vec<Json> {
    let named = |mut who: ContextSnapshot| {
        if omit_anonymous {
            who.parts.retain(|part| !part.anonymous);
        }
        (!who.parts.is_empty()).then_some(who)
    };
    match entry {
        LedgerEntry::Seen { time, who } => {
            named(who).map(|who| of_context("index", time, &who, privacy)).into_iter().collect()
        }
        LedgerEntry::Identified { time, who } => {
            named(who).map(|who| of_context("identify", time, &who, privacy)).into_iter().collect()
        }
        LedgerEntry::Custom { time, who, event } => {
            vec![custom(time, &event, privacy.shown(&who, true))]
        }
        LedgerEntry::Answer(answer) => {
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

fn of_context(kind: &str, time: u64, who: &ContextSnapshot, privacy: &Privacy) -> Json {
    json!({"kind": kind, "creationDate": time, "context": privacy.shown(who, false)})
}

fn custom(time: u64, custom: &CustomEvent, context: Json) -> Json {
    let key = custom.key();
    let mut event = json!({"kind": "custom", "creationDate": time, "key": key, "context": context});
    let data = custom.data_value().map(|data| ("data", json!(data)));
    let metric = custom.metric_value().filter(|value| value.is_finite());
    let metric = metric.map(|value| ("metricValue", json!(value)));
    if let Some(members) = event.as_object_mut() {
        let named = |(name, value): (&str, Json)| (name.to_owned(), value);
        members.extend(data.into_iter().chain(metric).map(named));
    }
    event
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
