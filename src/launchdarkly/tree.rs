//! Flags and segments as they are evaluated: everything read, split, hashed and looked up that can
//! be when they are compiled.

use std::sync::Arc;

use super::operator::Test;
use crate::{
    hash::{NameSet, Names, Sha1},
    value::Value,
};

/// A flag.
pub(super) struct LaunchDarklyFlag {
    /// Mostly the one that the flag stands under, and then the same text.
    pub(super) key: Arc<str>,
    pub(super) on: bool,
    /// `None`: off, the flag leaves its value to the caller.
    pub(super) off: Option<Variation>,
    pub(super) prerequisites: Box<[Prerequisite]>,
    pub(super) targets: Box<[Targets]>,
    pub(super) rules: Box<[Rule]>,
    pub(super) fallthrough: Serve,
    /// Whoever counts the answers has them as well.
    pub(super) variations: Arc<[Value]>,
    pub(super) version: u64,
    pub(super) tracking: Tracking,
    /// Whether SDKs of browsers may know of it.
    pub(super) client_side: bool,
}

/// Which of its answers a flag wants reported, and how.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "launchdarkly"),
    allow(dead_code, reason = "the source reports, and it is a feature")
)]
pub(super) struct Tracking {
    /// Every answer.
    pub(super) all: bool,
    /// Those of no rule.
    pub(super) fallthrough: bool,
    /// Those of some rule, or of those who take part in an experiment.
    pub(super) some: bool,
    /// Until then, in milliseconds since 1970; 0: not.
    pub(super) debug_until: u64,
    /// One in so many; 0: none.
    pub(super) sampling_ratio: u64,
    pub(super) in_summaries: bool,
}

/// The place of one of the flag's variations; `None` where the data names one that is not there.
pub(super) type Variation = Option<u32>;

pub(super) struct Prerequisite {
    pub(super) key: Box<str>,
    pub(super) variation: i64,
}

/// The keys of one context kind that have a variation of their own.
pub(super) struct Targets {
    pub(super) kind: ContextKind,
    pub(super) variations: KeyMap,
}

pub(super) struct Rule {
    pub(super) id: Box<str>,
    /// Whether its answers are to be reported one by one.
    pub(super) tracked: bool,
    pub(super) clauses: Box<[Clause]>,
    pub(super) serve: Serve,
}

/// What is served when a rule matches, or none does.
pub(super) enum Serve {
    Variation(Variation),
    Rollout(Box<Rollout>),
}

pub(super) struct Rollout {
    pub(super) experiment: bool,
    pub(super) bucket: Bucket,
    pub(super) shares: Box<[Share]>,
}

pub(super) struct Share {
    pub(super) variation: Variation,
    /// The weights so far, in the vendor's own arithmetic: single precision, added up in order.
    pub(super) end: f32,
    pub(super) untracked: bool,
}

/// How a context is given its place between 0 and 1.
pub(super) struct Bucket {
    pub(super) kind: ContextKind,
    pub(super) by: Attribute,
    /// The hash of what stands before the attribute's value: the same for every context.
    pub(super) prefix: Sha1,
}

pub(super) enum Clause {
    /// An attribute of one kind of context.
    Attribute { kind: ContextKind, attribute: Attribute, test: Test, negate: bool },
    /// The kinds themselves: the test holds when it holds for one of them.
    Kinds { test: Test, negate: bool },
    /// Membership in one of these segments.
    Segments { keys: Box<[Box<str>]>, negate: bool },
    /// An attribute reference that is none: the flag cannot be evaluated.
    Invalid { reference: Box<str> },
}

/// A context kind that a flag asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ContextKind {
    User,
    Other(Box<str>),
    /// A name that no kind can have.
    Nowhere,
}

/// What is read from a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Key,
    Kind,
    Name,
    Anonymous,
    Custom(Box<str>),
    /// A member of a member of an attribute.
    Path(Box<str>, Box<[Box<str>]>),
    /// Not addressable: always absent.
    Nothing,
    /// No reference at all, as it was written.
    Invalid(Box<str>),
}

/// A segment.
pub(super) struct Segment {
    pub(super) key: Box<str>,
    pub(super) members: Members,
    pub(super) rules: Box<[SegmentRule]>,
}

/// Who is in a segment, or out of it, by name.
pub(super) enum Members {
    Listed {
        included: Box<[Keys]>,
        excluded: Box<[Keys]>,
    },
    /// A big segment: its list is kept elsewhere, under this name.
    Big {
        kind: ContextKind,
        name: Option<Box<str>>,
    },
}

/// Keys of one context kind.
pub(super) struct Keys {
    pub(super) kind: ContextKind,
    pub(super) keys: KeySet,
}

pub(super) struct SegmentRule {
    pub(super) clauses: Box<[Clause]>,
    /// The share of the contexts that the rule lets in; `None`: all.
    pub(super) share: Option<(f32, Box<Bucket>)>,
}

/// How many keys are compared one by one rather than hashed.
const FEW: usize = 8;

/// A set of keys.
pub(super) enum KeySet {
    Few(Box<[Box<str>]>),
    Many(NameSet<Box<str>>),
}

impl KeySet {
    pub(super) fn new(keys: Vec<Box<str>>) -> KeySet {
        if keys.len() <= FEW {
            KeySet::Few(keys.into())
        } else {
            KeySet::Many(keys.into_iter().collect())
        }
    }

    #[inline]
    pub(super) fn contains(&self, key: &str) -> bool {
        match self {
            KeySet::Few(keys) => keys.iter().any(|one| **one == *key),
            KeySet::Many(keys) => keys.contains(key),
        }
    }
}

/// Variations by key; of two for one key the first counts.
pub(super) enum KeyMap {
    Few(Box<[(Box<str>, Variation)]>),
    Many(Names<Box<str>, Variation>),
}

impl KeyMap {
    pub(super) fn new(entries: Vec<(Box<str>, Variation)>) -> KeyMap {
        if entries.len() <= FEW {
            return KeyMap::Few(entries.into());
        }
        let mut map = Names::with_capacity_and_hasher(entries.len(), Default::default());
        for (key, variation) in entries {
            map.entry(key).or_insert(variation);
        }
        KeyMap::Many(map)
    }

    #[inline]
    pub(super) fn get(&self, key: &str) -> Option<Variation> {
        match self {
            KeyMap::Few(entries) => {
                entries.iter().find(|(one, _)| **one == *key).map(|(_, variation)| *variation)
            }
            KeyMap::Many(map) => map.get(key).copied(),
        }
    }
}
