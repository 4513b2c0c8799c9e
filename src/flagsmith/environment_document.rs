//! The shape of the environment document, which the API serves for local evaluation.

use std::{borrow::Cow, sync::Arc};

use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    Engine, VariantOrder,
    condition::{Condition, ConditionValue},
    environment::Environment,
    evaluation_context::{by_priority, priority},
    hashing::Prefix,
    read::{Name, Scalar, or_default},
    tree::{FeatureState, Reads, Rule, RuleKind, Segment, Variant},
};
use crate::{
    flag::table::NameHash,
    value::{Map, Value},
};

#[derive(Deserialize)]
pub(super) struct ProjectJson<S> {
    pub(super) segments: Option<Vec<S>>,
}

#[derive(Deserialize)]
pub(super) struct FeatureStateJson<'a> {
    #[serde(borrow)]
    feature: FeatureJson<'a>,
    enabled: bool,
    django_id: Option<u64>,
    #[serde(borrow)]
    featurestate_uuid: Option<Name<'a>>,
    #[serde(default)]
    feature_state_value: Scalar,
    feature_segment: Option<FeatureSegmentJson>,
    #[serde(default, deserialize_with = "or_default")]
    multivariate_feature_state_values: Vec<VariantJson>,
}

#[derive(Deserialize)]
struct FeatureJson<'a> {
    id: u64,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Option<Name<'a>>,
}

#[derive(Deserialize)]
struct FeatureSegmentJson {
    priority: Option<f64>,
}

#[derive(Deserialize)]
struct VariantJson {
    id: Option<u64>,
    multivariate_feature_option: OptionJson,
    percentage_allocation: f64,
}

#[derive(Deserialize)]
struct OptionJson {
    key: Option<Box<str>>,
    #[serde(default)]
    value: Scalar,
}

#[derive(Deserialize)]
pub(super) struct SegmentJson<'a> {
    pub(super) id: u64,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    rules: Vec<RuleJson<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    feature_states: Vec<FeatureStateJson<'a>>,
}

#[derive(Deserialize)]
struct RuleJson<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    conditions: Vec<ConditionJson<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    rules: Vec<RuleJson<'a>>,
}

#[derive(Deserialize)]
struct ConditionJson<'a> {
    #[serde(borrow)]
    operator: Cow<'a, str>,
    #[serde(borrow, default, rename = "property_", deserialize_with = "or_default")]
    property: Name<'a>,
    value: Option<Json>,
}

#[derive(Deserialize)]
pub(super) struct IdentityJson<'a> {
    #[serde(borrow)]
    pub(super) identifier: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    identity_features: Vec<FeatureStateJson<'a>>,
}

/// Only who it is about: for an identity that is wrong in another place.
#[derive(Deserialize)]
pub(super) struct IdentifierJson {
    pub(super) identifier: Box<str>,
}

/// Only which one it is: for a segment that is wrong in another place.
#[derive(Deserialize)]
pub(super) struct IdJson {
    pub(super) id: u64,
}

/// Only the feature's name: for a feature that is wrong in another place.
#[derive(Deserialize)]
pub(super) struct NamedJson {
    pub(super) feature: NameJson,
}

#[derive(Deserialize)]
pub(super) struct NameJson {
    pub(super) name: Box<str>,
}

impl FeatureStateJson<'_> {
    pub(super) fn compile(self, environment: &Environment) -> FeatureState {
        let order = environment.options.order;
        let key: Box<str> = match (self.django_id, self.featurestate_uuid) {
            (Some(id), _) => id.to_string().into(),
            (None, Some(Name(uuid))) => uuid.as_ref().into(),
            (None, None) => Box::default(),
        };
        let variants = self.multivariate_feature_state_values.into_iter().enumerate();
        let variants = variants.map(|(place, variant)| Variant {
            name: variant.multivariate_feature_option.key,
            value: variant.multivariate_feature_option.value.0,
            weight: match environment.options.engine {
                Engine::Python => variant.percentage_allocation,
                // In single precision, to which the official Rust client rounds what it has read.
                Engine::Rust => f64::from(variant.percentage_allocation as f32),
            },
            priority: match (order, variant.id) {
                (VariantOrder::ById, Some(id)) => id as f64,
                _ => f64::INFINITY,
            },
            place,
        });
        let kind = self.feature.kind.map_or("STANDARD".into(), |Name(kind)| kind);
        let variants = by_priority(variants.collect());
        FeatureState {
            prefix: Prefix::of_splits(&variants, &key, &environment.key),
            key,
            enabled: self.enabled,
            value: self.feature_state_value.0,
            priority: priority(self.feature_segment.and_then(|segment| segment.priority)),
            variants,
            metadata: metadata([
                ("feature_id", number(self.feature.id)),
                ("feature_type", Value::from(&*kind)),
            ]),
            name_hash: NameHash::new(&self.feature.name),
            name: self.feature.name.into(),
        }
    }
}

impl SegmentJson<'_> {
    pub(super) fn compile(self, environment: &Environment) -> Segment {
        let rules: Box<[Rule]> =
            self.rules.into_iter().map(|rule| rule.compile(environment)).collect();
        let id = self.id.to_string();
        Segment {
            prefix: Prefix::new(&id),
            key: id.as_str().into(),
            id: id.into(),
            name: self.name.into(),
            metadata: metadata([("segment_id", number(self.id)), ("source", "api".into())]),
            reads: Reads::of(&rules),
            rules,
            overrides: self
                .feature_states
                .into_iter()
                .map(|state| Arc::new(state.compile(environment)))
                .collect(),
        }
    }
}

impl RuleJson<'_> {
    fn compile(self, environment: &Environment) -> Rule {
        Rule {
            // The official client takes a type that it does not know for ALL.
            kind: match &*self.kind {
                "ANY" => RuleKind::Any,
                "NONE" => RuleKind::None,
                _ => RuleKind::All,
            },
            conditions: self
                .conditions
                .into_iter()
                .map(|condition| condition.compile(environment))
                .collect(),
            rules: self.rules.into_iter().map(|rule| rule.compile(environment)).collect(),
        }
    }
}

impl ConditionJson<'_> {
    fn compile(self, environment: &Environment) -> Condition {
        let value = ConditionValue::of_document(self.value);
        Condition::new(&self.property.0, &self.operator, value, environment.options.engine)
    }
}

impl IdentityJson<'_> {
    /// What the identity has instead, each feature once.
    pub(super) fn compile(self, environment: &Environment) -> Vec<FeatureState> {
        let mut states: Vec<FeatureState> = Vec::new();
        for state in self.identity_features {
            let mut state = state.compile(environment);
            // An identity's own features have no variants.
            (state.variants, state.key, state.prefix) = Default::default();
            state.priority = f64::NEG_INFINITY;
            states.push(state);
        }
        // Of two overrides of one feature, the official client takes the first of this order.
        let rank = |state: &FeatureState| (state.enabled, state.value.to_string());
        states.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| rank(a).cmp(&rank(b))));
        states.dedup_by(|later, first| later.name == first.name);
        states
    }
}

fn number(id: u64) -> Value {
    i64::try_from(id).map_or(Value::Float(id as f64), Value::Int)
}

fn metadata<const N: usize>(members: [(&str, Value); N]) -> Map {
    let mut metadata = Map::new();
    for (name, value) in members {
        metadata.insert(name, value);
    }
    metadata
}
