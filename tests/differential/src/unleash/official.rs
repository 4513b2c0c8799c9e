//! What the official Rust engine answers.

use std::{
    cell::Cell,
    collections::HashMap,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use serde_json::{Map, Value as Json, json};
use unleash_types::client_features::ClientFeaturesDelta;
use unleash_yggdrasil::{Context, EngineState, UpdateMessage, state::EnrichedContext};

use super::{
    case::{Answer, Case, elements},
    strategy,
};

pub struct Official {
    engine: EngineState,
    /// The toggles that the engine switched off because it could not compile them.
    pub poisoned: Vec<String>,
}

impl Official {
    /// The engine with these toggles, or why it refuses the whole document.
    pub fn new(environment: &Json) -> Result<Official, String> {
        let message: UpdateMessage =
            serde_json::from_value(environment.clone()).map_err(|error| error.to_string())?;
        let engine = EngineState::default();
        let warnings = engine.take_state(message).unwrap_or_default();
        let poisoned = warnings.into_iter().map(|warning| warning.toggle_name).collect();
        Ok(Official { engine, poisoned })
    }

    /// Applies one delta event.
    pub fn apply(&self, event: &Json) {
        let delta: ClientFeaturesDelta =
            serde_json::from_value(json!({"events": [event]})).expect("events are well-formed");
        self.engine.apply_delta(&delta);
    }

    /// The answer, or what the engine panicked with.
    pub fn answer(&self, case: &Case) -> Result<Answer, String> {
        let context = context(case)?;
        let external = case.definition().map(|toggle| external(toggle, &case.context));
        contained(|| {
            let enabled;
            let variant = match &case.options.host_name {
                None => {
                    enabled = self.engine.is_enabled(&case.flag, &context, &external);
                    self.engine.get_variant(&case.flag, &context, &external)
                }
                Some(host) => {
                    let mut asked = EnrichedContext::from(&context, &case.flag, external.as_ref());
                    asked.runtime_hostname = Some(host);
                    enabled = self.engine.check_enabled(&asked).unwrap_or(false);
                    let variant = self.engine.check_variant(&asked).unwrap_or_default();
                    let feature_enabled = enabled || variant.enabled;
                    variant.to_enriched_response(feature_enabled)
                }
            };
            Answer {
                enabled,
                name: variant.name,
                payload: variant.payload.map(|payload| (payload.payload_type, payload.value)),
                variant_enabled: variant.enabled,
                feature_enabled: variant.feature_enabled,
            }
        })
    }
}

fn context(case: &Case) -> Result<Context, String> {
    let mut context: Context = serde_json::from_value(Json::Object(case.context.clone()))
        .map_err(|error| error.to_string())?;
    context.app_name = context.app_name.or_else(|| case.options.app_name.clone());
    context.environment = context.environment.or_else(|| case.options.environment.clone());
    Ok(context)
}

/// The answers of the toggle's custom strategies, by which of them it is: as a client has to hand
/// them to the engine.
fn external(toggle: &Json, context: &Map<String, Json>) -> HashMap<String, bool> {
    let custom = elements(toggle, "strategies")
        .filter(|one| !strategy::is_known(one["name"].as_str().unwrap_or_default()));
    let answers = custom.enumerate().filter_map(|(place, one)| {
        let answer = strategy::custom(one["name"].as_str()?, &one["parameters"], context)?;
        Some((format!("customStrategy{}", place + 1), answer))
    });
    answers.collect()
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic, and says nothing about it on the console.
fn contained<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    QUIET.set(false);
    result.map_err(|cause| match cause.downcast::<String>() {
        Ok(text) => *text,
        Err(cause) => {
            cause.downcast::<&str>().map_or("a panic".to_owned(), |text| text.to_string())
        }
    })
}
