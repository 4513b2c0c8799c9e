//! A flag's compiled form.

use std::sync::Arc;

use super::{operator::Operator, place::Place};
use crate::{
    flag::split::Shares,
    hash::Murmur3,
    value::{Map, Value},
};

/// One flag of a flagd definition, compiled.
pub(super) struct FlagdFlag {
    /// In the order of their names.
    pub(super) variants: Box<[Variant]>,
    pub(super) body: Body,
    pub(super) default: Outcome,
    pub(super) metadata: Arc<Map>,
    pub(super) settings: Arc<Settings>,
    pub(super) key: Box<str>,
    /// Where each operator of the rule stands.
    pub(super) places: Box<[super::place::Step]>,
}

/// What all flags of one source have in common.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) fractional: super::Fractional,
    pub(super) static_context: Map,
}

pub(super) struct Variant {
    pub(super) name: Box<str>,
    pub(super) value: Value,
}

pub(super) enum Body {
    Disabled,
    /// The targeting cannot be evaluated at all.
    Broken,
    /// There is no targeting.
    Static,
    Targeted(Rule),
}

/// What a rule's answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// This variant.
    Variant(u32),
    /// The rule leaves it to the default variant; of the default variant itself: to the caller.
    Default,
    /// A variant that the flag does not define.
    Unknown,
}

/// A rule whose answer names a variant.
pub(super) enum Rule {
    Serve(Outcome),
    /// The first branch whose condition holds, or the last rule.
    If(Box<Branches>),
    Split(Box<Split>),
    /// Any other expression: its value names the variant.
    Computed(Expression),
}

pub(super) struct Branches {
    pub(super) place: Place,
    pub(super) branches: Box<[(Condition, Rule)]>,
    pub(super) otherwise: Rule,
}

/// An expression of which only the truth is wanted.
pub(super) enum Condition {
    /// An attribute against a constant: nearly all conditions there are.
    Check(Box<Check>),
    All(Place, Box<[Condition]>),
    Any(Place, Box<[Condition]>),
    Not(Place, Box<Condition>),
    Truth(Expression),
}

pub(super) struct Check {
    pub(super) place: Place,
    pub(super) operator: Operator,
    pub(super) attribute: Attribute,
    pub(super) test: Test,
}

pub(super) enum Test {
    /// Equal to text, and what a value that is no text compares by.
    Equal {
        value: Value,
        negated: bool,
    },
    Compare {
        value: Value,
        order: Order,
        constant_first: bool,
    },
    /// Strictly equal to one of these.
    OneOf {
        values: Box<[Value]>,
        negated: bool,
    },
    /// One of these texts, which are sorted.
    OneOfTexts(Box<[Box<str>]>),
    /// Part of this text.
    PartOf(Box<str>),
    /// Has this text as a part or as an element.
    Holds(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Below,
    AtMost,
    Above,
    AtLeast,
}

pub(super) enum Expression {
    Constant(Value),
    List(Box<[Expression]>),
    Variable(Box<Variable>),
    Call(Box<Call>),
    Split(Box<Split>),
    /// What no engine can evaluate: an unknown operator, arguments it cannot take.
    Fail(Place),
}

pub(super) struct Call {
    pub(super) place: Place,
    pub(super) operator: Operator,
    pub(super) arguments: Box<[Expression]>,
}

pub(super) struct Variable {
    pub(super) path: Path,
    pub(super) fallback: Option<Expression>,
}

pub(super) enum Path {
    /// A member of the rule's data.
    Attribute(Attribute),
    /// A member of the element that `map` and its like are at; empty for the element itself.
    Element(Box<[Box<str>]>),
    /// The whole of the rule's data.
    Everything,
    /// Named by the rule itself.
    Computed(Expression),
}

pub(super) enum Attribute {
    /// The targeting key.
    Key,
    /// Seconds since 1970.
    Timestamp,
    /// `$flagd` itself.
    Flagd,
    Named(Box<str>),
    Nested(Box<str>, Box<[Box<str>]>),
    /// A path that leads nowhere, whatever the context.
    Nowhere,
}

/// A `fractional` operator.
pub(super) struct Split {
    pub(super) place: Place,
    pub(super) bucket_by: BucketBy,
    /// The hash of what comes before the targeting key when that is implied.
    pub(super) prefix: Murmur3,
    /// The shares, when all variants and weights are constants.
    pub(super) shares: Option<Shares>,
    /// For each share, the variant it names.
    pub(super) outcomes: Box<[Outcome]>,
    /// Everything as it was written.
    pub(super) arguments: Box<[Expression]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BucketBy {
    /// The flag's key and the targeting key.
    Implied,
    /// The targeting key alone.
    Key,
    /// The first argument; `true` when the targeting key is part of it.
    First(bool),
    /// Nothing a split can work with.
    Nothing,
}

/// The variant of this name.
pub(super) fn variant(variants: &[Variant], name: &str) -> Outcome {
    match variants.binary_search_by(|variant| (*variant.name).cmp(name)) {
        Ok(index) => Outcome::Variant(index as u32),
        Err(_) => Outcome::Unknown,
    }
}

impl Attribute {
    /// The path as it is written.
    pub(super) fn path(&self) -> String {
        match self {
            Attribute::Key => "targetingKey".to_owned(),
            Attribute::Timestamp => "$flagd.timestamp".to_owned(),
            Attribute::Flagd => "$flagd".to_owned(),
            Attribute::Named(name) => name.clone().into(),
            Attribute::Nested(name, path) => format!("{name}.{}", path.join(".")),
            Attribute::Nowhere => "nowhere".to_owned(),
        }
    }
}
