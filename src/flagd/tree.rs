//! A flag's compiled form. What is rare stands in a box of its own, so that the usual is small: a
//! document compiles to a few times its size.

use std::sync::Arc;

use super::{operator::Operator, place::Place};
use crate::{
    flag::split::BucketRanges,
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
    pub(super) settings: Arc<FlagdOptions>,
    pub(super) key: Box<str>,
    /// Where each operator of the rule stands.
    pub(super) places: Box<[super::place::Step]>,
}

/// What all flags of one source have in common.
#[derive(Debug, Default)]
pub(super) struct FlagdOptions {
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
    Computed(Box<ComputedRule>),
}

/// Any other expression: its value names the variant.
pub(super) struct ComputedRule {
    pub(super) expression: Expression,
    /// Whether a branch of `if` gives it.
    pub(super) branch: bool,
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
    Truth(Box<Expression>),
    /// Of a list that has elements, the truth of the first one.
    FirstTruth(Box<Expression>),
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
    /// Of the same type, and equal.
    Same {
        value: Value,
        negated: bool,
    },
    /// In this list.
    OneOf(Value),
    /// One of these texts, which are sorted; anything but text is looked for as in any list.
    OneOfTexts {
        texts: Box<[Box<str>]>,
        list: Value,
    },
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
    /// Whether the arguments were written as a list; otherwise there is one, which may come to one.
    pub(super) listed: bool,
}

pub(super) struct Variable {
    pub(super) path: Path,
    /// What stands in for nothing and for `null`.
    pub(super) fallback: Option<Box<Expression>>,
    /// Whose data is read, as steps outwards through the operators that go through lists: the first
    /// that has something. All but the last stand for what is put into the rule beforehand.
    pub(super) levels: Box<[u8]>,
    /// Whether the variable is all of a rule that has to be an operator.
    pub(super) whole_rule: bool,
}

pub(super) enum Path {
    /// A member of the rule's data.
    Attribute(Attribute),
    /// The whole of the rule's data.
    Everything,
    Level(Box<LevelPath>),
    /// The data at hand if it is text, a number or a boolean.
    Bare,
    Computed(Box<ComputedPath>),
}

/// A member of one level's data, which is the rule's at the outermost.
pub(super) struct LevelPath {
    pub(super) attribute: Attribute,
    /// Empty for all of the data.
    pub(super) segments: Box<[Box<str>]>,
}

/// A path that the rule itself names.
pub(super) struct ComputedPath {
    pub(super) expression: Expression,
    /// Whether it was written in a list.
    pub(super) listed: bool,
}

pub(super) enum Attribute {
    /// The targeting key.
    Key,
    /// Seconds since 1970.
    Timestamp,
    /// The flag's own key.
    FlagKey,
    /// `$flagd` itself.
    Flagd,
    Named(Box<str>),
    Nested(Box<NestedPath>),
    /// A path that leads nowhere, whatever the context.
    Nowhere,
}

/// A member of an attribute, or of a member of it.
pub(super) struct NestedPath {
    pub(super) name: Box<str>,
    pub(super) segments: Box<[Box<str>]>,
}

/// A `fractional` operator.
pub(super) struct Split {
    pub(super) place: Place,
    pub(super) bucket_by: BucketBy,
    /// The hash of what comes before the targeting key when that is implied.
    pub(super) prefix: Murmur3,
    /// The shares, when all variants and weights are constants.
    pub(super) shares: Option<BucketRanges>,
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
    /// What the only argument comes to is a list of everything.
    Listed,
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
            Attribute::FlagKey => "$flagd.flagKey".to_owned(),
            Attribute::Flagd => "$flagd".to_owned(),
            Attribute::Named(name) => name.clone().into(),
            Attribute::Nested(path) => format!("{}.{}", path.name, path.segments.join(".")),
            Attribute::Nowhere => "nowhere".to_owned(),
        }
    }
}
