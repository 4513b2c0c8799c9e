//! Compiling features and segments.

use std::sync::Arc;

use super::{
    constraint,
    field::Field,
    model,
    options::UnleashOptions,
    quoted::quoted,
    segment::Segment,
    strategy,
    tree::{Constraint, FeatureToggle, Parent, ParentCondition, Stickiness, Variant, Variants},
};
use crate::{
    hash::Murmur3,
    value::{Map, Value},
};

/// The seed of the hash that distributes variants.
const VARIANTS: u32 = 86_028_157;

/// Why a strategy or a segment cannot be compiled, and so poisons what it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CompileError {
    /// Where, from the item's own object on.
    pub(super) path: String,
    pub(super) found: String,
    pub(super) expected: &'static str,
}

impl CompileError {
    pub(super) fn new(
        path: impl Into<String>,
        found: impl Into<String>,
        expected: &'static str,
    ) -> CompileError {
        CompileError { path: path.into(), found: found.into(), expected }
    }

    /// The same, seen from what holds the item.
    pub(super) fn within(mut self, place: &str, index: usize) -> CompileError {
        self.path = format!("/{place}/{index}{}", self.path);
        self
    }
}

/// Compiles a feature. A fault is of a strategy of it: the toggle is poisoned.
pub(super) fn feature(
    options: &Arc<UnleashOptions>,
    feature: &model::Feature<'_>,
) -> (FeatureToggle, Option<CompileError>) {
    let mut last = None;
    let strategies = feature.strategies.iter().enumerate().map(|(index, strategy)| {
        strategy::strategy(options, &feature.name, strategy, &mut last)
            .map_err(|fault| fault.within("strategies", index))
    });
    let (strategies, fault) = match strategies.collect::<Result<Box<[_]>, CompileError>>() {
        Ok(strategies) => (strategies, None),
        Err(fault) => (Box::default(), Some(fault)),
    };
    let mut segments: Vec<Box<str>> =
        strategies.iter().flat_map(|strategy| strategy.segments.iter().cloned()).collect();
    segments.sort();
    segments.dedup();
    let sticky = match feature.variants.first() {
        Some(variant) => variant_sticky(variant.stickiness.as_deref()),
        None => Stickiness::Default,
    };
    let mut toggle = FeatureToggle {
        name: (&*feature.name).into(),
        enabled: feature.enabled,
        poisoned: fault.is_some(),
        dependencies: parents(&feature.dependencies),
        strategies,
        segments: segments.into(),
        variants: variants(&feature.variants, true, sticky, &feature.name),
        options: Arc::clone(options),
        metadata: metadata(feature),
    };
    toggle.number_outcomes();
    (toggle, fault)
}

pub(super) fn segment(segment: &model::Segment<'_>) -> Segment {
    match constraints(&segment.constraints, &mut None) {
        Ok(constraints) => Segment::Constraints(constraints.into()),
        Err(fault) => Segment::Poisoned(Arc::new(fault)),
    }
}

pub(super) fn constraints(
    constraints: &[model::Constraint<'_>],
    last: &mut Option<Arc<Field>>,
) -> Result<Box<[Constraint]>, CompileError> {
    let compiled = constraints.iter().enumerate().map(|(index, constraint)| {
        constraint::constraint(constraint, last).map_err(|fault| fault.within("constraints", index))
    });
    compiled.collect()
}

/// Variants with their weights summed up. The vendor sums them in 32 bits and lets them wrap.
pub(super) fn variants(
    variants: &[model::Variant<'_>],
    overridable: bool,
    sticky: Stickiness,
    group: &str,
) -> Variants {
    let mut total = 0_u32;
    let list = variants.iter().map(|variant| {
        total = total.wrapping_add(variant.weight as u32);
        let overrides = if overridable { &*variant.overrides } else { &[] };
        let payload = variant.payload.as_ref();
        Variant {
            name: (&*variant.name).into(),
            end: total,
            value: payload.map_or(Value::Bool(true), payload_value),
            payload: payload.map(|payload| ((&*payload.kind).into(), (&*payload.value).into())),
            overrides: overrides
                .iter()
                .map(|by| {
                    let values = by.values.iter().map(|value| &**value).collect();
                    (Field::named(&by.context_name), values)
                })
                .collect(),
            outcome: 0,
        }
    });
    let list: Box<[Variant]> = list.collect();
    let overridden = list.iter().any(|variant| !variant.overrides.is_empty());
    Variants { list, total, overridden, sticky, prefix: prefix(VARIANTS, group) }
}

/// What a split of variants hangs on. There, `random` is the name of a property like any other,
/// and the time is nothing to hang on.
pub(super) fn variant_sticky(stickiness: Option<&str>) -> Stickiness {
    match stickiness {
        None | Some("default") => Stickiness::Default,
        Some("currentTime") => Stickiness::Random,
        Some(name) => Stickiness::Field(Field::named(name)),
    }
}

/// The state of a hash after a group's name and a colon.
pub(super) fn prefix(seed: u32, group: &str) -> Murmur3 {
    let mut state = Murmur3::new(seed);
    state.write(group.as_bytes());
    state.byte(b':');
    state
}

/// The value of a payload: a number, what JSON there is, or else its text.
fn payload_value(payload: &model::Payload<'_>) -> Value {
    let parsed = match &*payload.kind {
        "json" => serde_json::from_str(&payload.value).ok(),
        "number" => serde_json::from_str(&payload.value).ok().filter(is_number),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::from(&*payload.value))
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Float(_))
}

/// The parents, each once, so that depending on one in many ways does not ask it many times.
fn parents(dependencies: &[model::Dependency<'_>]) -> Box<[Parent]> {
    let mut places = crate::hash::Names::default();
    let mut parents: Vec<Parent> = Vec::new();
    for (index, dependency) in dependencies.iter().enumerate() {
        let wanted = ParentCondition {
            enabled: dependency.enabled.unwrap_or(true),
            variants: dependency.variants.iter().map(|name| &**name).collect(),
        };
        let place = *places.entry(&*dependency.feature).or_insert(parents.len());
        match parents.get_mut(place) {
            Some(parent) => parent.wanted.push(wanted),
            None => {
                let feature = (&*dependency.feature).into();
                parents.push(Parent { place: index, feature, wanted: vec![wanted] });
            }
        }
    }
    parents.into()
}

fn metadata(feature: &model::Feature<'_>) -> Map {
    let mut metadata = Map::new();
    if let Some(project) = &feature.project {
        metadata.insert("project", &**project);
    }
    if let Some(kind) = &feature.kind {
        metadata.insert("type", &**kind);
    }
    if feature.stale == Some(true) {
        metadata.insert("stale", true);
    }
    if feature.impression_data == Some(true) {
        metadata.insert("impressionData", true);
    }
    metadata
}

/// A name that must fit between quotes.
pub(super) fn quotable(member: &str, text: &str) -> Result<String, CompileError> {
    quoted(text).ok_or_else(|| {
        CompileError::new(member, "a quote, or a backslash at the end", "text without them")
    })
}
