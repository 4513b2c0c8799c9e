//! The answer of a feature, in Flagsmith's words.

use std::fmt;

use super::evaluate::{Cause, Decision, VariantChoice};
use crate::value::{Map, Value};

/// What Flagsmith answers for one feature. Borrows from the set: making one allocates nothing.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FeatureResult<'a> {
    /// Whether the feature is switched on. Its value stands beside that: a feature that is off has
    /// one as well.
    pub enabled: bool,
    /// The value: text, a boolean, a number or null.
    pub value: &'a Value,
    /// The name of the variant that the identity got, `control` when it got none of them; `None`
    /// when the feature has no variants, when the variant has no name, and without an identity.
    pub variant: Option<&'a str>,
    /// Why.
    pub reason: Reason<'a>,
    /// The feature's metadata, or that of the override which counts.
    pub metadata: &'a Map,
}

/// Why a feature has its value. Displays as Flagsmith spells it: `TARGETING_MATCH; segment=beta`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason<'a> {
    /// `STATIC`: no segment overrides the feature.
    Static,
    /// `DEFAULT`: segments override the feature, and none of them matched.
    Default,
    /// `TARGETING_MATCH; segment=NAME`: this segment overrides the feature.
    TargetingMatch {
        /// The segment's name.
        segment: &'a str,
    },
    /// `SPLIT; weight=WEIGHT`: the identity fell to a variant of this weight, in percent.
    Split {
        /// The variant's weight.
        weight: f64,
    },
    /// `ERROR; code=CIRCULAR_DEPENDENCY`: the feature depends on itself through `$.flags`.
    CircularDependency,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Static => f.write_str("STATIC"),
            Reason::Default => f.write_str("DEFAULT"),
            Reason::TargetingMatch { segment } => write!(f, "TARGETING_MATCH; segment={segment}"),
            Reason::Split { weight } => write!(f, "SPLIT; weight={weight}"),
            Reason::CircularDependency => f.write_str("ERROR; code=CIRCULAR_DEPENDENCY"),
        }
    }
}

impl<'a> FeatureResult<'a> {
    pub(super) fn of(decision: &Decision<'a>) -> FeatureResult<'a> {
        FeatureResult {
            enabled: decision.state.enabled,
            value: decision.value(),
            variant: decision.variant(),
            reason: decision.reason(),
            metadata: &decision.state.metadata,
        }
    }
}

impl<'a> Decision<'a> {
    #[inline]
    pub(super) fn value(&self) -> &'a Value {
        match self.choice {
            VariantChoice::None | VariantChoice::Control => &self.state.value,
            VariantChoice::Variant(variant) => &variant.value,
        }
    }

    #[inline]
    pub(super) fn variant(&self) -> Option<&'a str> {
        match self.choice {
            VariantChoice::None => None,
            VariantChoice::Control => Some("control"),
            VariantChoice::Variant(variant) => variant.name.as_deref(),
        }
    }

    fn reason(&self) -> Reason<'a> {
        match (self.cause, self.choice) {
            (Cause::Circular, _) => Reason::CircularDependency,
            (_, VariantChoice::Variant(variant)) => Reason::Split { weight: variant.weight },
            (Cause::Segment(segment), _) => Reason::TargetingMatch { segment },
            (Cause::Default, _) => Reason::Default,
            (Cause::Static, _) => Reason::Static,
        }
    }
}

/// A segment that the context belongs to.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SegmentResult<'a> {
    /// The segment's name.
    pub name: &'a str,
    /// The segment's metadata.
    pub metadata: &'a Map,
}
