//! Somebody who asks, as the vendor's SDKs write it down.

use serde_json::{Map, Value as Json, json};

use super::pool::{self, Type};
use crate::random::Random;

/// The fields that a context has beside its properties.
pub const FIELDS: &[&str] =
    &["userId", "sessionId", "environment", "appName", "currentTime", "remoteAddress"];

/// A context whose properties are mostly of the type that they are named after.
pub fn context(random: &mut Random) -> Map<String, Json> {
    let mut context = Map::new();
    match random.below(12) {
        0 => {}
        1 => drop(context.insert("userId".into(), json!(""))),
        2 => drop(context.insert("userId".into(), json!(pool::text(random)))),
        3 => drop(context.insert("userId".into(), pool::number(random))),
        _ => {
            let key = format!("user-{}", random.below(1000));
            context.insert("userId".into(), json!(key));
        }
    }
    if random.chance(0.6) {
        let key = format!("session-{}", random.below(1000));
        context.insert("sessionId".into(), json!(key));
    }
    let fields: [(&str, &[&str]); 2] = [
        ("environment", &["production", "dev", "Dev", ""]),
        ("appName", &["web", "checkout", "a"]),
    ];
    for (name, choices) in fields {
        if random.chance(0.5) {
            context.insert(name.into(), json!(random.of(choices)));
        }
    }
    if random.chance(0.7) {
        context.insert("currentTime".into(), Type::Date.value(random));
    }
    if random.chance(0.6) {
        context.insert("remoteAddress".into(), Type::Address.value(random));
    }
    let properties = properties(random, &mut context);
    if !properties.is_empty() {
        context.insert("properties".into(), Json::Object(properties));
    }
    match random.below(12) {
        0 => drop(context.insert("sessionId".into(), pool::number(random))),
        1 => drop(context.insert("appName".into(), json!(random.chance(0.5)))),
        2 => drop(context.insert("userId".into(), Json::Null)),
        // An unknown member is a property too, and goes before one of the same name.
        3 => drop(context.insert("text".into(), json!(pool::text(random)))),
        4 => drop(context.insert("extra".into(), json!(pool::text(random)))),
        _ => {}
    }
    context
}

fn properties(random: &mut Random, context: &mut Map<String, Json>) -> Map<String, Json> {
    let mut properties = Map::new();
    if random.chance(0.05) {
        return properties;
    }
    for of in Type::ALL {
        if of != Type::Missing && random.chance(0.9) {
            let of = if random.chance(0.9) { of } else { *random.of(&Type::ALL) };
            properties.insert(Type::property(of).into(), of.value(random));
        }
    }
    for name in ["odd name", "a.b", "a/b", "random", "default", "userid", "", "quo\\\"te"] {
        if random.chance(0.15) {
            properties.insert(name.into(), json!(pool::text(random)));
        }
    }
    if random.chance(0.1) {
        let nested = [Json::Null, json!([1]), json!({"a": 1})];
        properties.insert("text".into(), random.of(&nested).clone());
    }
    // The fields may stand among the properties; what stands outside goes before.
    if random.chance(0.15) {
        let name = *random.of(FIELDS);
        if random.chance(0.7) {
            context.remove(name);
        }
        properties.insert(name.into(), json!(pool::text(random)));
    }
    properties
}

/// What a constraint on this name finds in the context, before it is made a text.
pub fn find<'a>(context: &'a Map<String, Json>, name: &str) -> Option<&'a Json> {
    let property = context.get("properties").and_then(|properties| properties.get(name));
    let found = if FIELDS.contains(&name) {
        context.get(name).or(property)
    } else {
        context.get(name).filter(|value| value.is_string() && name != "properties").or(property)
    };
    found.filter(|value| matches!(value, Json::String(_) | Json::Number(_) | Json::Bool(_)))
}

/// The text that the vendor makes of it.
pub fn find_text(context: &Map<String, Json>, name: &str) -> Option<String> {
    find(context, name).map(|value| match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    })
}
