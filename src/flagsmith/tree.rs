//! The compiled form: features, and the segments that override them.

use std::sync::Arc;

use super::{condition::Condition, hashing::Prefix};
use crate::{
    flag::table::NameHash,
    value::{Map, Value},
};

/// One state of a feature: the environment's, or the one a segment or an identity has instead.
#[derive(Debug)]
pub(super) struct FeatureState {
    pub(super) name: Arc<str>,
    /// What its overrides are found by.
    pub(super) name_hash: NameHash,
    /// What its splits are salted with; empty when it has no splits.
    pub(super) key: Box<str>,
    /// For the identities without a key of their own, where they get different variants.
    pub(super) prefix: Option<Box<Prefix>>,
    pub(super) enabled: bool,
    pub(super) value: Value,
    /// Lower is stronger; infinity when there is none.
    pub(super) priority: f64,
    /// By priority.
    pub(super) variants: Box<[Variant]>,
    pub(super) metadata: Map,
}

#[derive(Clone, Debug)]
pub(super) struct Variant {
    pub(super) name: Option<Box<str>>,
    pub(super) value: Value,
    /// A percentage.
    pub(super) weight: f64,
    pub(super) priority: f64,
    /// Where it stands among the variants of its document.
    pub(super) place: usize,
}

#[derive(Debug)]
pub(super) struct Segment {
    /// What it is called among the segments of its set.
    pub(super) id: Arc<str>,
    /// What its percentage splits are salted with.
    pub(super) key: Box<str>,
    pub(super) prefix: Prefix,
    pub(super) name: Arc<str>,
    pub(super) metadata: Map,
    pub(super) rules: Box<[Rule]>,
    pub(super) overrides: Box<[Arc<FeatureState>]>,
    pub(super) reads: Reads,
}

/// What the conditions of a segment read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reads {
    /// Other flags.
    pub(super) flags: bool,
    /// Anything but the environment and other flags.
    pub(super) identity: bool,
    /// The identity, for a percentage split.
    pub(super) split: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) kind: RuleKind,
    pub(super) conditions: Box<[Condition]>,
    pub(super) rules: Box<[Rule]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum RuleKind {
    All,
    Any,
    None,
}

impl RuleKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            RuleKind::All => "ALL",
            RuleKind::Any => "ANY",
            RuleKind::None => "NONE",
        }
    }

    /// Folds results, and stops as soon as the answer is known.
    #[inline(always)]
    pub(super) fn fold<'p, T>(
        self,
        parts: &'p [T],
        mut matches: impl FnMut(usize, &'p T) -> bool,
    ) -> bool {
        // One loop for all kinds, so that what is called in it is inlined once: one that does not match
        // decides ALL, one that does the others.
        let decisive = self != RuleKind::All;
        for (index, part) in parts.iter().enumerate() {
            if matches(index, part) == decisive {
                return self == RuleKind::Any;
            }
        }
        self != RuleKind::Any
    }
}
