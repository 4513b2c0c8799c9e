//! What the official Rust evaluator would answer without its known accidents: everything that it
//! gets right is asked of it, and the rest is written here as plainly as possible.

use std::collections::HashMap;

use launchdarkly_server_sdk_evaluation::{Context, Rollout};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{
    big_segments,
    case::{Answer, Case},
    complete::completed,
    context, dates,
    official::{self, Official},
};

/// The answer; `None` when the official evaluator cannot read the environment even then.
pub fn answer(case: &Case) -> Option<Answer> {
    let singles = context::singles(&case.context);
    let environment = completed(&case.environment);
    let environment = by_key(&environment);
    let (environment, asking) = dates::refused(&environment, &case.context, &singles);
    let mut environment =
        big_segments::with_lists(environment, &singles, case.memberships.as_ref());
    let mut prerequisites = HashMap::new();
    for (key, flag) in environment["flags"].as_object_mut()? {
        let list = std::mem::replace(flag.get_mut("prerequisites")?, json!([]));
        prerequisites.insert(key.clone(), list);
    }
    let served = environment["flags"].as_object()?.values().all(serves_readably);
    if !served || !kinds_are_texts(&environment) {
        return None;
    }
    let official = Official::of(&environment);
    let readable = |one: &Json| one["key"].is_string() && one["variation"].is_i64();
    let lists_readable = prerequisites
        .values()
        .all(|list| list.as_array().is_some_and(|list| list.iter().all(readable)));
    if !official.refused.is_empty() || !lists_readable {
        return None;
    }
    let context = official::context(&asking);
    let chain = Chain {
        flags: environment["flags"].as_object()?,
        prerequisites: &prerequisites,
        official: &official,
        context: &context,
    };
    let mut answer = chain.answer(&case.flag, &mut Vec::new());
    let mut status = None;
    for key in official.asked() {
        let segment = &environment["segments"][&key];
        if !big_segments::is_big(segment) {
            continue;
        }
        let asked = big_segments::question(segment, &singles).is_some();
        if segment["generation"].is_null() || (asked && case.memberships.is_none()) {
            status = Some("NOT_CONFIGURED");
        } else if asked {
            status = status.or(Some("HEALTHY"));
        }
    }
    if let Some(status) = status {
        answer.reason["bigSegmentsStatus"] = json!(status);
    }
    Some(answer)
}

/// The environment without any `bucketBy` that is empty: for the vendor's Go and Python SDKs there is
/// none, and so the key counts, where the official Rust evaluator finds the flag malformed.
pub fn by_key(environment: &Json) -> Json {
    match environment {
        Json::Array(elements) => elements.iter().map(by_key).collect(),
        Json::Object(members) => Json::Object(
            members
                .iter()
                .filter(|(name, value)| *name != "bucketBy" || **value != "")
                .map(|(name, value)| (name.clone(), by_key(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Whether the official evaluator reads what the flag serves; where it cannot, it reads on.
fn serves_readably(flag: &Json) -> bool {
    let rules = flag["rules"].as_array().into_iter().flatten();
    let readable = |served: &Json| {
        let variation = matches!(&served["variation"], Json::Null) || served["variation"].is_i64();
        let rollout = &served["rollout"];
        variation && (rollout.is_null() || Rollout::deserialize(rollout).is_ok())
    };
    flag["fallthrough"].is_object() && rules.chain([&flag["fallthrough"]]).all(readable)
}

/// Whether every context kind in here is a text; the official evaluator overlooks others.
fn kinds_are_texts(value: &Json) -> bool {
    let is_kind = |name: &str| matches!(name, "contextKind" | "rolloutContextKind");
    match value {
        Json::Array(elements) => elements.iter().all(kinds_are_texts),
        Json::Object(members) => members
            .iter()
            .all(|(name, value)| kinds_are_texts(value) && (!is_kind(name) || value.is_string())),
        _ => true,
    }
}

/// Flags whose prerequisites are seen to here.
struct Chain<'c> {
    flags: &'c Map<String, Json>,
    prerequisites: &'c HashMap<String, Json>,
    /// The same flags, each without its prerequisites.
    official: &'c Official,
    context: &'c Context,
}

impl Chain<'_> {
    /// The answer of a flag that is a prerequisite of these, directly or not.
    fn answer(&self, key: &str, above: &mut Vec<String>) -> Answer {
        let Some(flag) = self.flags.get(key) else { return Answer::error("FLAG_NOT_FOUND") };
        if flag["on"] != true {
            return self.official.answer(key, self.context);
        }
        above.push(key.to_owned());
        let failed = self.failed(key, above);
        above.pop();
        match failed {
            Some(reason) if reason["kind"] == "ERROR" => Answer::error("MALFORMED_FLAG"),
            Some(reason) => off(flag, reason),
            None => self.official.answer(key, self.context),
        }
    }

    /// Why not all prerequisites are met, if so.
    fn failed(&self, key: &str, above: &mut Vec<String>) -> Option<Json> {
        let list = self.prerequisites.get(key).and_then(Json::as_array);
        for prerequisite in list.into_iter().flatten() {
            let key = prerequisite["key"].as_str().unwrap_or_default();
            let failed = json!({"kind": "PREREQUISITE_FAILED", "prerequisiteKey": key});
            let Some(required) = self.flags.get(key) else { return Some(failed) };
            if above.iter().any(|one| one == key) {
                return Some(json!({"kind": "ERROR"}));
            }
            let answer = self.answer(key, above);
            if answer.reason["kind"] == "ERROR" {
                return Some(answer.reason);
            }
            let met = answer.variation_index == prerequisite["variation"].as_i64();
            if required["on"] != true || answer.variation_index.is_none() || !met {
                return Some(failed);
            }
        }
        None
    }
}

/// The value of a flag that is taken to be off.
fn off(flag: &Json, reason: Json) -> Answer {
    let Some(index) = flag["offVariation"].as_i64() else {
        return Answer { value: None, variation_index: None, reason };
    };
    match usize::try_from(index).ok().and_then(|place| flag["variations"].get(place)) {
        Some(value) => Answer { value: Some(value.clone()), variation_index: Some(index), reason },
        None => Answer::error("MALFORMED_FLAG"),
    }
}
