//! The shape of the engine's evaluation context.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    Engine,
    condition::{Condition, ConditionValue, Operator, Test},
    environment::Environment,
    hashing::Prefix,
    property::Property,
    read::{Scalar, given, or_default, shortened},
    tree::{FeatureState, Reads, Rule, RuleKind, Segment, Variant},
};
use crate::{
    flag::{Problem, table::NameHash},
    value::Map,
};

#[derive(Deserialize)]
pub(super) struct EnvironmentJson {
    pub(super) key: Box<str>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) name: Box<str>,
}

#[derive(Deserialize)]
pub(super) struct FeatureJson {
    #[serde(default, deserialize_with = "or_default")]
    key: Box<str>,
    name: Box<str>,
    enabled: bool,
    #[serde(default)]
    value: Scalar,
    priority: Option<f64>,
    #[serde(default, deserialize_with = "or_default")]
    variants: Vec<VariantJson>,
    #[serde(default, deserialize_with = "or_default")]
    metadata: Map,
}

#[derive(Deserialize)]
struct VariantJson {
    key: Option<Box<str>>,
    #[serde(default)]
    value: Scalar,
    weight: f64,
    priority: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct SegmentJson {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) key: Box<str>,
    name: Box<str>,
    #[serde(default, deserialize_with = "or_default")]
    metadata: Map,
    #[serde(default, deserialize_with = "or_default")]
    overrides: Vec<FeatureJson>,
    #[serde(default, deserialize_with = "or_default")]
    rules: Vec<RuleJson>,
}

#[derive(Deserialize)]
struct RuleJson {
    #[serde(rename = "type")]
    kind: RuleKind,
    #[serde(default, deserialize_with = "or_default")]
    conditions: Vec<ConditionJson>,
    #[serde(default, deserialize_with = "or_default")]
    rules: Vec<RuleJson>,
}

#[derive(Deserialize)]
struct ConditionJson {
    operator: Box<str>,
    #[serde(default, deserialize_with = "or_default")]
    property: Box<str>,
    #[serde(default, deserialize_with = "given")]
    value: Option<Json>,
}

impl FeatureJson {
    pub(super) fn compile(self, environment: &Environment) -> FeatureState {
        let variants = self.variants.into_iter().enumerate().map(|(place, variant)| Variant {
            name: variant.key,
            value: variant.value.0,
            weight: variant.weight,
            priority: variant.priority.unwrap_or(f64::INFINITY),
            place,
        });
        let variants = by_priority(variants.collect());
        FeatureState {
            name_hash: NameHash::new(&self.name),
            name: self.name.into(),
            prefix: Prefix::of_splits(&variants, &self.key, &environment.key),
            key: self.key,
            enabled: self.enabled,
            value: self.value.0,
            priority: priority(self.priority),
            variants,
            metadata: self.metadata,
        }
    }
}

/// A priority by which overrides are ordered. Zero has one sign only: two priorities that are equal
/// must not be told apart.
pub(super) fn priority(given: Option<f64>) -> f64 {
    given.map_or(f64::INFINITY, |priority| priority + 0.0)
}

/// The order in which variants take their shares: equal ones stay as they were.
pub(super) fn by_priority(mut variants: Vec<Variant>) -> Box<[Variant]> {
    variants.sort_by(|a, b| (a.priority + 0.0).total_cmp(&(b.priority + 0.0)));
    variants.into()
}

impl SegmentJson {
    /// `id` is what the segment is called in the document.
    pub(super) fn compile(self, id: &str, environment: &Environment) -> Segment {
        let rules: Box<[Rule]> =
            self.rules.into_iter().map(|rule| rule.compile(environment)).collect();
        Segment {
            id: id.into(),
            prefix: Prefix::new(&self.key),
            key: self.key,
            name: self.name.into(),
            metadata: self.metadata,
            reads: Reads::of(&rules),
            rules,
            overrides: self
                .overrides
                .into_iter()
                .map(|state| Arc::new(state.compile(environment)))
                .collect(),
        }
    }
}

impl RuleJson {
    fn compile(self, environment: &Environment) -> Rule {
        Rule {
            kind: self.kind,
            conditions: self
                .conditions
                .into_iter()
                .map(|condition| condition.compile(environment))
                .collect(),
            rules: self.rules.into_iter().map(|rule| rule.compile(environment)).collect(),
        }
    }
}

impl ConditionJson {
    fn compile(self, environment: &Environment) -> Condition {
        let engine = environment.options.engine;
        let value = ConditionValue::of_context(self.value, engine);
        Condition::new(&self.property, &self.operator, value, engine)
    }
}

impl Condition {
    pub(super) fn new(
        property: &str,
        operator: &str,
        value: ConditionValue,
        engine: Engine,
    ) -> Condition {
        let named = Operator::named(operator);
        let (test, mut problem) = Test::new(named.unwrap_or(Operator::Unknown), &value, engine);
        if let (None, Some(problem)) = (named, &mut problem) {
            problem.found = format!("`{}`", shortened(operator));
        }
        Condition {
            property: Property::new(property),
            operator: named.unwrap_or(Operator::Unknown),
            value,
            test,
            problem: problem.map(Box::new),
        }
    }
}

impl Segment {
    /// The conditions that can never match, for the problems of the set; `path` is the segment's.
    pub(super) fn condition_problems(&self, path: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        collect_problems(&self.rules, path, &mut problems);
        problems
    }
}

fn collect_problems(rules: &[Rule], path: &str, problems: &mut Vec<Problem>) {
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("{path}/rules/{index}");
        for (index, condition) in rule.conditions.iter().enumerate() {
            if let Some(problem) = &condition.problem {
                let path = format!("{path}/conditions/{index}");
                problems.push(Problem::warning("", path, problem.found.clone(), problem.expected));
            }
        }
        collect_problems(&rule.rules, &path, problems);
    }
}

impl Reads {
    pub(super) fn of(rules: &[Rule]) -> Reads {
        let mut reads = Reads::default();
        for rule in rules {
            for condition in &rule.conditions {
                let property = &condition.property;
                reads.flags |= property.reads_flags();
                reads.identity |= !property.is_free_of_identity();
                reads.split |= matches!(condition.test, Test::Split(_)) && property.is_identity();
            }
            let nested = Reads::of(&rule.rules);
            reads.flags |= nested.flags;
            reads.identity |= nested.identity;
            reads.split |= nested.split;
        }
        reads
    }
}
