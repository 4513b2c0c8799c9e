//! Compiled toggles.

use std::sync::Arc;

use crate::hash::NameSet;
use chrono::{DateTime, Utc};

use super::{
    field::Field,
    lowercase::Needle,
    network::{Network, any_contains},
    options::{Custom, UnleashOptions},
};
use crate::{
    flag::{Reason, SwitchedOutcome, pattern::Pattern, semver::Version},
    hash::Murmur3,
    value::{Map, Value},
};

/// A compiled feature toggle.
pub(super) struct FeatureToggle {
    pub(super) name: Box<str>,
    pub(super) enabled: bool,
    /// A strategy cannot be compiled: the toggle is off for everybody.
    pub(super) poisoned: bool,
    pub(super) dependencies: Box<[Parent]>,
    pub(super) strategies: Box<[Strategy]>,
    /// The segments of all strategies, each once.
    pub(super) segments: Box<[Box<str>]>,
    pub(super) variants: Variants,
    pub(super) options: Arc<UnleashOptions>,
    pub(super) metadata: Map,
}

impl FeatureToggle {
    /// Numbers the variants, after the two outcomes without one: off and on.
    pub(super) fn number_outcomes(&mut self) {
        let lists = self.strategies.iter_mut().map(|strategy| &mut strategy.variants);
        let variants = lists.chain([&mut self.variants]).flat_map(|variants| &mut variants.list);
        for (variant, outcome) in variants.zip(2..) {
            variant.outcome = outcome;
        }
    }

    /// What the toggle can answer, in the order of the numbers.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = SwitchedOutcome> {
        let bare = [false, true].map(|on| SwitchedOutcome { on, variant: None });
        let lists = self.strategies.iter().map(|strategy| &strategy.variants);
        let variants = lists.chain([&self.variants]).flat_map(|variants| &variants.list);
        bare.into_iter().chain(
            variants.map(|variant| SwitchedOutcome {
                on: true,
                variant: Some((&*variant.name).into()),
            }),
        )
    }
}

/// A toggle that this one depends on.
pub(super) struct Parent {
    /// Where it is first named.
    pub(super) place: usize,
    pub(super) feature: Box<str>,
    pub(super) wanted: Vec<ParentCondition>,
}

/// What a parent has to be like.
pub(super) struct ParentCondition {
    pub(super) enabled: bool,
    /// One of these; any when there are none.
    pub(super) variants: TextSet,
}

pub(super) struct Strategy {
    pub(super) name: Box<str>,
    pub(super) base: StrategyKind,
    pub(super) constraints: Box<[Constraint]>,
    pub(super) segments: Box<[Box<str>]>,
    pub(super) variants: Variants,
    /// Why, when this strategy is the one that switches the toggle on.
    pub(super) reason: Reason,
}

/// What a strategy asks apart from its constraints.
pub(super) enum StrategyKind {
    Always,
    Never,
    UserWithId(TextSet),
    Rollout(Rollout),
    /// On when a random number of 1 to 99 is below this.
    Random(u64),
    RemoteAddress(Box<[Network]>),
    Custom(Box<CustomCall>),
}

/// A strategy of the caller's; without one the toggle's strategy is false.
pub(super) struct CustomCall {
    pub(super) strategy: Option<Arc<Custom>>,
    pub(super) parameters: Map,
}

pub(super) struct Rollout {
    /// How many of 100 buckets are in.
    pub(super) percent: u32,
    pub(super) sticky: Stickiness,
    /// The state after the group and its colon.
    pub(super) prefix: Murmur3,
    /// The group is the name of the toggle that is asked, which for a parent is its child.
    pub(super) by_asked: bool,
}

/// What a split hangs on.
pub(super) enum Stickiness {
    /// The user, else the session, else nothing.
    Default,
    Random,
    Field(Field),
}

/// Weighted variants, and who gets which one in any case.
pub(super) struct Variants {
    pub(super) list: Box<[Variant]>,
    pub(super) total: u32,
    /// Whether a variant has an override.
    pub(super) overridden: bool,
    pub(super) sticky: Stickiness,
    /// The state after the group and its colon.
    pub(super) prefix: Murmur3,
}

pub(super) struct Variant {
    pub(super) name: Box<str>,
    /// The bucket after the last one of this variant.
    pub(super) end: u32,
    pub(super) payload: Option<(Box<str>, Box<str>)>,
    pub(super) value: Value,
    pub(super) overrides: Box<[(Field, TextSet)]>,
    /// Which of the toggle's outcomes it is.
    pub(super) outcome: u32,
}

pub(super) struct Constraint {
    /// One and the same for constraints of one field that follow each other.
    pub(super) field: Arc<Field>,
    pub(super) operator: &'static str,
    pub(super) test: Test,
    pub(super) inverted: bool,
}

pub(super) enum Test {
    Never,
    OneOf(TextSet),
    Starts(Box<[Box<str>]>),
    Ends(Box<[Box<str>]>),
    Contains(Box<[Box<str>]>),
    StartsLower(Box<[Needle]>),
    EndsLower(Box<[Needle]>),
    ContainsLower(Box<[Needle]>),
    Number(f64, Order),
    Date(DateTime<Utc>, Order),
    Version(Box<str>, Order),
    Pattern(Box<Pattern>),
    Networks(Box<[Network]>),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Stickiness {
    /// Whether a random choice is what was asked for.
    pub(super) fn is_random(&self) -> bool {
        match self {
            Stickiness::Default => false,
            Stickiness::Random => true,
            Stickiness::Field(field) => field.name() == "random",
        }
    }
}

impl Variants {
    /// The first bucket of a variant and the one after its last.
    pub(super) fn bounds(&self, variant: &Variant) -> (u32, u32) {
        let before = self.list.iter().take_while(|other| !std::ptr::eq(*other, variant));
        (before.last().map_or(0, |other| other.end), variant.end)
    }
}

impl Order {
    /// Numbers that differ by next to nothing are equal.
    pub(super) fn admits_number(self, left: f64, right: f64) -> bool {
        match self {
            Order::Equal => (left - right).abs() < f64::EPSILON,
            order => order.admits(&left, &right),
        }
    }

    fn admits<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Order::Equal => left == right,
            Order::Less => left < right,
            Order::LessOrEqual => left <= right,
            Order::Greater => left > right,
            Order::GreaterOrEqual => left >= right,
        }
    }
}

impl Test {
    #[inline]
    pub(super) fn is_met_by(&self, text: &str) -> bool {
        match self {
            Test::OneOf(texts) => texts.contains(text),
            other => other.is_met_by_other(text),
        }
    }

    #[inline(never)]
    fn is_met_by_other(&self, text: &str) -> bool {
        match self {
            Test::Never => false,
            Test::OneOf(texts) => texts.contains(text),
            Test::Starts(starts) => starts.iter().any(|start| text.starts_with(&**start)),
            Test::Ends(ends) => ends.iter().any(|end| text.ends_with(&**end)),
            Test::Contains(parts) => parts.iter().any(|part| text.contains(&**part)),
            Test::StartsLower(needles) => needles.iter().any(|needle| needle.starts(text)),
            Test::EndsLower(needles) => needles.iter().any(|needle| needle.ends(text)),
            Test::ContainsLower(needles) => needles.iter().any(|needle| needle.is_part_of(text)),
            Test::Number(number, order) => {
                text.parse().is_ok_and(|found| order.admits_number(found, *number))
            }
            Test::Date(date, order) => {
                text.parse::<DateTime<Utc>>().is_ok_and(|found| order.admits(&found, date))
            }
            Test::Version(version, order) => {
                match (Version::strict(text), Version::strict(version)) {
                    (Some(found), Some(version)) => {
                        order.admits(&found.precedence(&version), &std::cmp::Ordering::Equal)
                    }
                    _ => false,
                }
            }
            Test::Pattern(pattern) => pattern.is_found_in(text),
            Test::Networks(networks) => any_contains(networks, text),
        }
    }
}

/// A set of texts.
pub(super) enum TextSet {
    Few(Box<[Box<str>]>),
    Many(NameSet<Box<str>>),
}

/// Lists at most this long are scanned, which is faster than hashing.
const SCANNED: usize = 8;

impl TextSet {
    #[inline]
    pub(super) fn contains(&self, text: &str) -> bool {
        match self {
            TextSet::Few(texts) => texts.iter().any(|known| **known == *text),
            TextSet::Many(texts) => texts.contains(text),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            TextSet::Few(texts) => texts.is_empty(),
            TextSet::Many(texts) => texts.is_empty(),
        }
    }
}

impl<S: Into<Box<str>>> FromIterator<S> for TextSet {
    fn from_iter<I: IntoIterator<Item = S>>(texts: I) -> TextSet {
        let texts: Box<[Box<str>]> = texts.into_iter().map(Into::into).collect();
        if texts.len() <= SCANNED {
            TextSet::Few(texts)
        } else {
            TextSet::Many(texts.into_iter().collect())
        }
    }
}
