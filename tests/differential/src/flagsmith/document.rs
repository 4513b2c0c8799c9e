//! An environment as the API serves it, made of an engine evaluation context.

use serde_json::{Map, Value as Json, json};

use super::feature;
use crate::random::Random;

/// The document of this environment, with what single identities have overridden.
pub fn document(random: &mut Random, environment: &Json, context: &Map<String, Json>) -> Json {
    let features = environment["features"].as_object();
    let names: Vec<String> = features.into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let states: Vec<Json> =
        features.into_iter().flatten().map(|(_, feature)| state(random, feature)).collect();
    let segments: Vec<Json> = environment["segments"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, segment)| {
            let overrides = segment["overrides"].as_array().into_iter().flatten();
            let states: Vec<Json> = overrides.map(|feature| state(random, feature)).collect();
            json!({
                "id": key.parse().unwrap_or(77_u32),
                "name": segment["name"],
                "rules": rules(&segment["rules"]),
                "feature_states": states,
            })
        })
        .collect();
    let key = &environment["environment"]["key"];
    let mut document = json!({
        "id": 1,
        "api_key": key,
        "name": environment["environment"]["name"],
        "project": {
            "id": 1,
            "name": "project",
            "hide_disabled_flags": false,
            "organisation": {
                "id": 1,
                "name": "organisation",
                "feature_analytics": false,
                "stop_serving_flags": false,
                "persist_trait_data": true,
            },
            "segments": segments,
        },
        "feature_states": states,
    });
    let overrides = identities(random, &names, key, context);
    if !overrides.is_empty() || random.chance(0.3) {
        document["identity_overrides"] = Json::Array(overrides);
    }
    document
}

fn rules(rules: &Json) -> Json {
    let rules = rules.as_array().into_iter().flatten().map(|rule| {
        let conditions = rule["conditions"].as_array().into_iter().flatten().map(|condition| {
            let value = match &condition["value"] {
                text @ (Json::String(_) | Json::Null) => text.clone(),
                other => json!(other.to_string()),
            };
            let property = &condition["property"];
            // An empty property is served as none.
            let property = if property == "" { &Json::Null } else { property };
            json!({"operator": condition["operator"], "property_": property, "value": value})
        });
        json!({
            "type": rule["type"],
            "conditions": conditions.collect::<Vec<_>>(),
            "rules": self::rules(&rule["rules"]),
        })
    });
    rules.collect()
}

/// A feature's state, in an environment, in a segment or of an identity.
fn state(random: &mut Random, feature: &Json) -> Json {
    let name = feature["name"].as_str().unwrap_or_default();
    let place = feature::NAMES.iter().position(|known| *known == name).unwrap_or(50);
    let variants = feature["variants"].as_array().into_iter().flatten().enumerate();
    let variants = variants.map(|(place, variant)| {
        let mut option = json!({"id": place, "value": variant["value"]});
        if let Some(key) = variant.get("key") {
            option["key"] = key.clone();
        }
        json!({
            // Not in their order, which is that of the document all the same.
            "id": 90 - place,
            "multivariate_feature_option": option,
            "percentage_allocation": variant["weight"],
            "mv_fs_value_uuid": format!("m-{place}"),
        })
    });
    let of = random.of(&[Some("STANDARD"), Some("MULTIVARIATE"), None]);
    let mut state = json!({
        "feature": {"id": place, "name": name, "type": of},
        "enabled": feature["enabled"],
        "feature_state_value": feature["value"],
        "multivariate_feature_state_values": variants.collect::<Vec<_>>(),
    });
    let key = feature["key"].as_str().unwrap_or_default();
    state["featurestate_uuid"] = json!(key);
    match key.parse::<u32>() {
        Ok(number) => {
            state["django_id"] = json!(number);
            state["featurestate_uuid"] = json!(format!("uuid-{number}"));
        }
        Err(_) if random.chance(0.5) => state["django_id"] = Json::Null,
        Err(_) => {}
    }
    match feature["priority"].as_u64() {
        Some(priority) => state["feature_segment"] = json!({"priority": priority}),
        None if random.chance(0.3) => state["feature_segment"] = Json::Null,
        None => {}
    }
    state
}

/// Identities whose features are their own: often the one that asks.
fn identities(
    random: &mut Random,
    names: &[String],
    key: &Json,
    context: &Map<String, Json>,
) -> Vec<Json> {
    let mut identifiers = vec![json!("user-1"), json!("somebody, else")];
    if let Some(identity) = context.get("identity")
        && !identifiers.contains(&identity["identifier"])
        && random.chance(0.5)
    {
        identifiers.insert(random.below(3), identity["identifier"].clone());
    }
    let shared = own(random, names);
    let identities = identifiers.into_iter().filter(|_| random.chance(0.6)).collect::<Vec<_>>();
    let identities = identities.into_iter().map(|identifier| {
        // Some have the very same, and are one segment then.
        let features = if random.chance(0.3) { shared.clone() } else { own(random, names) };
        json!({
            "identifier": identifier,
            "environment_api_key": key,
            "created_date": "2024-01-01T00:00:00.000000Z",
            "identity_features": features,
            "identity_traits": [],
            "identity_uuid": "i",
            "django_id": null,
        })
    });
    identities.collect()
}

fn own(random: &mut Random, names: &[String]) -> Vec<Json> {
    let mut names = names.to_vec();
    random.shuffle(&mut names);
    // Now and then none at all, or one of them twice.
    names.truncate([0, 1, 1, 1, 2, 2][random.below(6)]);
    if random.chance(0.1) {
        names.extend(names.first().cloned());
    }
    names
        .iter()
        .map(|name| {
            let feature = feature::feature(random, name, None);
            state(random, &feature)
        })
        .collect()
}
