//! What the official Rust engine answers.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use flagsmith_flag_engine::{
    engine::get_evaluation_result,
    engine_eval::{
        EngineEvaluationContext, add_identity_to_context, environment_to_context,
        remove_identity_from_context,
    },
    environments::Environment,
    identities::Trait,
    types::{FlagsmithValue, FlagsmithValueType},
};
use serde_json::{Map, Value as Json, json};

use super::case::{Answer, Answers, Case};

/// The answers, or why there are none.
pub fn answer(case: &Case) -> Result<Answers, String> {
    let context = if case.is_document() { mapped(case)? } else { read(case)? };
    let result = quietly(|| get_evaluation_result(&context))?;
    let flags = result.flags.into_values().map(|flag| {
        let value = value(&flag.value);
        let (enabled, variant, reason) = (flag.enabled, flag.variant, flag.reason);
        (flag.name, Answer { enabled, value, variant, reason })
    });
    let segments = result.segments.into_iter().map(|segment| segment.name).collect();
    Ok(Answers { flags: flags.collect(), segments })
}

fn read(case: &Case) -> Result<EngineEvaluationContext, String> {
    let mut context = case.environment.clone();
    if let Some(identity) = case.identity() {
        let mut identity = identity.clone();
        identity.insert("traits".to_owned(), Json::Object(traits(case)));
        context["identity"] = Json::Object(identity);
    }
    serde_json::from_value(context).map_err(|error| error.to_string())
}

/// The steps of a client that has an environment document.
fn mapped(case: &Case) -> Result<EngineEvaluationContext, String> {
    let environment: Environment =
        serde_json::from_value(case.environment.clone()).map_err(|error| error.to_string())?;
    let context = quietly(|| environment_to_context(environment))?;
    let Some(identity) = case.identity() else { return Ok(remove_identity_from_context(&context)) };
    let traits: Vec<Trait> = traits(case)
        .into_iter()
        .map(|(trait_key, value)| {
            let trait_value = serde_json::from_value(value).map_err(|error| error.to_string())?;
            Ok(Trait { trait_key, trait_value })
        })
        .collect::<Result<_, String>>()?;
    let identifier = identity["identifier"].as_str().unwrap_or_default();
    let mut context = add_identity_to_context(&context, identifier, &traits);
    if let (Some(key), Some(identity)) =
        (identity.get("key").and_then(Json::as_str), &mut context.identity)
        && !key.is_empty()
    {
        identity.key = key.to_owned();
    }
    Ok(context)
}

/// Asks the engine, which panics where it has to write down an integer beyond 64 bits.
fn quietly<T>(ask: impl FnOnce() -> T) -> Result<T, String> {
    thread_local!(static ASKING: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !ASKING.get() {
                loud(info);
            }
        }));
    });
    ASKING.set(true);
    let answer = panic::catch_unwind(AssertUnwindSafe(ask));
    ASKING.set(false);
    answer.map_err(|_| "the engine panicked".to_owned())
}

/// The traits that the engine's types can hold.
fn traits(case: &Case) -> Map<String, Json> {
    let traits = case.traits().into_iter().flatten();
    let scalar = traits.filter(|(_, value)| !value.is_array() && !value.is_object());
    scalar.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn value(value: &FlagsmithValue) -> Json {
    let text = &value.value;
    match value.value_type {
        FlagsmithValueType::String => json!(text),
        FlagsmithValueType::Bool => json!(text == "true"),
        FlagsmithValueType::Integer => match text.parse::<i64>() {
            Ok(number) => json!(number),
            Err(_) => json!(text.parse::<u64>().ok()),
        },
        FlagsmithValueType::Float => json!(text.parse::<f64>().ok()),
        FlagsmithValueType::None => Json::Null,
    }
}
