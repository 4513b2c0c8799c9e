//! The whole context as one document, for the rare property that is a query over it.
//!
//! Members are in the order of their names, so that the first node of a query is always the same.

use serde_json::{Map as Object, Number, Value as Json, json};

use super::{
    condition::{Condition, ConditionValue},
    environment::Environment,
    evaluate::{Decision, Feature},
    identity::Identity,
    result::FeatureResult,
    segments::Segments,
    tree::{FeatureState, Rule, Segment, Variant},
};
use crate::{
    flag::FlagSet,
    value::{Map, Value, ValueRef},
};

pub(super) fn environment(environment: &Environment) -> Json {
    json!({"key": &*environment.key, "name": &*environment.name})
}

/// `key` is the identity's key as conditions see it.
pub(super) fn identity(identity: &Identity<'_>, key: &str) -> Json {
    let mut traits = Vec::new();
    identity.visit_traits(&mut |name, value| {
        if let Some(value) = scalar(value) {
            traits.push((name.to_owned(), value));
        }
    });
    traits.sort_by(|(a, _), (b, _)| a.cmp(b));
    let traits: Object<_, _> = traits.into_iter().collect();
    json!({"identifier": identity.identifier, "key": key, "traits": traits})
}

pub(super) fn features(set: &FlagSet) -> Json {
    let mut features: Vec<_> = set
        .iter()
        .filter_map(|flag| flag.rules::<Feature>())
        .map(|feature| (feature.state.name.to_string(), state(&feature.state)))
        .collect();
    features.sort_by(|(a, _), (b, _)| a.cmp(b));
    Json::Object(features.into_iter().collect())
}

pub(super) fn segments(segments: &Segments, counts: impl Fn(&Segment) -> bool) -> Json {
    let mut found: Vec<_> = segments
        .in_order()
        .into_iter()
        .filter(|segment| counts(segment))
        .map(|segment| (segment.id.to_string(), self::segment(segment)))
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Json::Object(found.into_iter().collect())
}

/// A document that holds nothing but the result of one feature.
pub(super) fn flag(decision: &Decision<'_>) -> Json {
    let result = FeatureResult::of(decision);
    let name = decision.state.name.to_string();
    let flag = json!({
        "enabled": result.enabled,
        "metadata": map(result.metadata),
        "name": name,
        "reason": result.reason.to_string(),
        "value": scalar(result.value.borrow()),
        "variant": result.variant,
    });
    json!({"flags": Object::from_iter([(name, flag)])})
}

fn state(state: &FeatureState) -> Json {
    let mut variants: Vec<_> = state.variants.iter().collect();
    variants.sort_unstable_by_key(|variant| variant.place);
    let variants: Vec<_> = variants.into_iter().map(variant).collect();
    object([
        ("enabled", Some(state.enabled.into())),
        ("key", Some((*state.key).into())),
        ("metadata", Some(map(&state.metadata))),
        ("name", Some((*state.name).into())),
        ("priority", priority(state.priority)),
        ("value", scalar(state.value.borrow())),
        ("variants", (!variants.is_empty()).then(|| variants.into())),
    ])
}

fn variant(variant: &Variant) -> Json {
    object([
        ("key", variant.name.as_deref().map(Json::from)),
        ("priority", priority(variant.priority)),
        ("value", scalar(variant.value.borrow())),
        ("weight", Some(variant.weight.into())),
    ])
}

fn priority(priority: f64) -> Option<Json> {
    (priority != f64::INFINITY).then(|| priority.into())
}

/// The members that there are.
fn object<const N: usize>(members: [(&str, Option<Json>); N]) -> Json {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Json::Object(members.collect())
}

fn segment(segment: &Segment) -> Json {
    json!({
        "key": &*segment.key,
        "metadata": map(&segment.metadata),
        "name": &*segment.name,
        "overrides": segment.overrides.iter().map(|own| state(own)).collect::<Json>(),
        "rules": segment.rules.iter().map(rule).collect::<Json>(),
    })
}

fn rule(rule: &Rule) -> Json {
    json!({
        "conditions": rule.conditions.iter().map(condition).collect::<Json>(),
        "rules": rule.rules.iter().map(self::rule).collect::<Json>(),
        "type": rule.kind.as_str(),
    })
}

fn condition(condition: &Condition) -> Json {
    json!({
        "operator": condition.operator.as_str(),
        "property": &*condition.property.text,
        "value": match &condition.value {
            ConditionValue::One(text) => Json::from(&**text),
            ConditionValue::Many(texts) => texts.iter().map(|text| Json::from(&**text)).collect(),
        },
    })
}

fn map(map: &Map) -> Json {
    // Metadata came from JSON and goes back to it.
    serde_json::to_value(map).unwrap_or_default()
}

/// A scalar; lists and objects are none.
fn scalar(value: ValueRef<'_>) -> Option<Json> {
    match value {
        ValueRef::Null => Some(Json::Null),
        ValueRef::Bool(value) => Some(value.into()),
        ValueRef::Int(value) => Some(value.into()),
        // JSON has no infinite numbers.
        ValueRef::Float(value) => Some(Number::from_f64(value).map_or(Json::Null, Json::Number)),
        ValueRef::Text(value) => Some(value.into()),
        ValueRef::List(_) | ValueRef::Map(_) => None,
    }
}

/// A node as a property's value; nothing when it is no scalar, or null.
pub(super) fn value(node: &Json) -> Option<Value> {
    match node {
        Json::Bool(value) => Some(Value::Bool(*value)),
        Json::String(text) => Some(Value::Text(text.as_str().into())),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Some(Value::Int(number)),
            None => number.as_f64().map(Value::Float),
        },
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}
