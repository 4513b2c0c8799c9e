//! Documents of the tests, and what they answer.

use modelgate::{
    Context, FlagSet,
    flagsmith::{Engine, Flagsmith},
};
use serde_json::{Value as Json, json};

pub fn compile(document: &Json) -> FlagSet {
    let flags = Flagsmith::new().with_max_memory(1 << 30).compile(&document.to_string()).unwrap();
    assert!(flags.problems().is_empty(), "{:?}", flags.problems());
    flags
}

/// A feature of an evaluation context.
pub fn feature(name: &str, value: impl Into<Json>) -> Json {
    json!({"key": name, "name": name, "enabled": true, "value": value.into()})
}

/// A segment that overrides `flag` for those about whom all these conditions hold.
pub fn segment(id: &str, flag: &str, value: &str, conditions: Json) -> Json {
    json!({
        "key": id, "name": format!("segment {id}"),
        "rules": [{"type": "ALL", "conditions": conditions}],
        "overrides": [feature(flag, value)],
    })
}

pub fn context_of(features: &[Json], segments: &[Json]) -> Json {
    let named = |items: &[Json], name: &str| -> Json {
        let key = |item: &Json| item[name].as_str().unwrap().to_owned();
        items.iter().map(|item| (key(item), item.clone())).collect::<serde_json::Map<_, _>>().into()
    };
    json!({
        "environment": {"key": "env", "name": "Production"},
        "features": named(features, "name"), "segments": named(segments, "key"),
    })
}

/// Whether one condition holds.
pub fn holds(condition: &Json, context: &Context<'_>) -> bool {
    let document =
        context_of(&[feature("f", "no")], &[segment("1", "f", "yes", json!([condition]))]);
    served(&compile(&document), "f", context) == "yes"
}

/// The same for the Rust engine.
pub fn holds_in_rust(condition: &Json, context: &Context<'_>) -> bool {
    let document =
        context_of(&[feature("f", "no")], &[segment("1", "f", "yes", json!([condition]))]);
    let dialect = Flagsmith::new().with_engine(Engine::Rust);
    let flags = dialect.compile(&document.to_string()).unwrap();
    served(&flags, "f", context) == "yes"
}

pub fn condition(property: &str, operator: &str, value: impl Into<Json>) -> Json {
    json!({"property": property, "operator": operator, "value": value.into()})
}

pub fn served(flags: &FlagSet, name: &str, context: &Context<'_>) -> String {
    let result = Flagsmith::new().feature(flags, name, context).unwrap();
    result.value.as_str().map_or_else(|| result.value.to_string(), str::to_owned)
}

pub fn reason(flags: &FlagSet, name: &str, context: &Context<'_>) -> String {
    Flagsmith::new().feature(flags, name, context).unwrap().reason.to_string()
}

/// An environment document of one multivariate feature, one segment and one identity.
pub fn document() -> Json {
    let state = |value: &str| {
        json!({
            "feature": {"id": 1, "name": "model", "type": "MULTIVARIATE"}, "enabled": true,
            "django_id": 11, "feature_state_value": value, "feature_segment": null,
        })
    };
    let mut overriding = state("eu");
    overriding["feature_segment"] = json!({"priority": 3});
    let mut environment = state("v1");
    environment["multivariate_feature_state_values"] = json!([
        {"id": 9, "percentage_allocation": 25, "multivariate_feature_option":
            {"id": 1, "key": "two", "value": "v2"}},
        {"id": 5, "percentage_allocation": 25, "multivariate_feature_option":
            {"id": 2, "value": "v3"}},
    ]);
    json!({
        "id": 1, "api_key": "env", "name": "Production",
        "feature_states": [environment],
        "project": {"segments": [{
            "id": 7, "name": "europe", "feature_states": [overriding],
            "rules": [{"type": "ALL", "rules": [], "conditions":
                [{"operator": "EQUAL", "property_": "region", "value": "eu"}]}],
        }]},
        "identity_overrides": [{"identifier": "vip", "identity_features": [state("pinned")]}],
    })
}
