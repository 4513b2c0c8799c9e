//! LaunchDarkly flag data: what its streaming and polling services, its relay and its file sources
//! carry.
//!
//! ```
//! use modelgate::{Context, Reason, clock::SystemClock, launchdarkly::LaunchDarkly};
//!
//! let launchdarkly = LaunchDarkly::new();
//! let flags = launchdarkly.compile(
//!     r#"{"flags": {"ml-model-version": {
//!         "key": "ml-model-version", "on": true, "salt": "a1",
//!         "variations": ["fraud-v1", "fraud-v2"], "offVariation": 0,
//!         "rules": [{"id": "eu", "variation": 1, "clauses": [
//!             {"contextKind": "user", "attribute": "region", "op": "in", "values": ["eu"]}]}],
//!         "fallthrough": {"rollout": {"variations": [
//!             {"variation": 0, "weight": 75000}, {"variation": 1, "weight": 25000}]}}
//!     }}, "segments": {}}"#,
//! )?;
//! let (context, clock) = (Context::new("user-42").with("region", "eu"), SystemClock::new());
//! let answer = flags.evaluate_at("ml-model-version", &context, &clock).string("none");
//! assert_eq!((answer.value, answer.reason), ("fraud-v2", Reason::TargetingMatch));
//!
//! // The same answer in the vendor's own words:
//! let detail = launchdarkly.detail(&flags, "ml-model-version", &context);
//! assert_eq!(detail.variation_index, Some(1));
//! assert_eq!((detail.reason.kind.as_str(), detail.reason.rule_id), ("RULE_MATCH", Some("eu")));
//! # Ok::<(), modelgate::flag::DocumentError>(())
//! ```
//!
//! # Contexts
//!
//! The vendor evaluates flags for contexts of one or several kinds. One
//! [`EvaluationContext`] serves for all of them:
//!
//! | the vendor's | here |
//! |---|---|
//! | context of kind `user` | the context itself |
//! | its `key` | the targeting key |
//! | `name`, `anonymous`, attributes | the attributes of those names |
//! | context of another kind | [`EvaluationContext::kind`], added by [`Context::with_kind`](crate::Context::with_kind) |
//! | multi-kind context | the context itself with other kinds beside it |
//! | multi-kind context without a `user` | other kinds beside a context that has no targeting key |
//! | legacy user with an empty key | the targeting key `""` |
//! | private attributes | [`EvaluationContext::visit_private`], added by [`Context::with_private`](crate::Context::with_private); an attribute `_meta` with `privateAttributes` in it says the same |
//!
//! - A kind without a key of its own, or under a name that the vendor does not allow, is not there.
//!   One named `user` counts only beside a context that has no targeting key.
//! - A context with no key of any kind is none that the vendor would evaluate: the answer is
//!   [`TARGETING_KEY_MISSING`](crate::flag::ErrorCode::TargetingKeyMissing), in the vendor's words
//!   `USER_NOT_SPECIFIED`, whatever the flag says. A router then does what its
//!   [`MissingKey`](crate::router::MissingKey) policy says.
//! - `name` counts when it is text, `anonymous` when it is a boolean; `key` and `kind` are never
//!   read from attributes. A null attribute is absent.
//!
//! # Answers
//!
//! [`LaunchDarkly::detail`] answers as the vendor's own method of that name does. In the neutral
//! terms of [`EvaluationDetails`](crate::flag::EvaluationDetails):
//!
//! | the vendor's reason | [`Reason`](crate::Reason) |
//! |---|---|
//! | `OFF`, `PREREQUISITE_FAILED` | `Disabled`: routes to the fallback version, whatever the off variation is |
//! | `FALLTHROUGH` | `Default` |
//! | `TARGET_MATCH`, `RULE_MATCH` | `TargetingMatch` |
//! | `FALLTHROUGH`, `RULE_MATCH`, where a rollout chose | `Split` |
//! | `ERROR` | `Error`, with `PARSE_ERROR` for `MALFORMED_FLAG` |
//!
//! Variations have no names in this data, so there is no variant: bind a router to the value of a
//! string flag, to a field of a JSON flag, or to boolean flags as switches.
//!
//! # What is read
//!
//! Absent and null members stand for their defaults, as in the vendor's own server: only what is of
//! the wrong type is refused, flag by flag and segment by segment. Data that can be read and makes
//! no sense (a variation that is not there, a malformed attribute reference) answers
//! `MALFORMED_FLAG` when the evaluation comes to it, and is a warning among the set's
//! [problems](crate::FlagSet::problems), where segments go by the name `segments/KEY`.
//! Flags and segments marked as deleted are left out. Versions are not compared: what is handed
//! over is in force.
//!
//! # Where SDKs differ
//!
//! The vendor's public suite goes first, then its Rust SDK; buckets are computed in single
//! precision, as there. Known differences:
//!
//! - A flag that is met a second time on the way through prerequisites is evaluated once and is no
//!   cycle, as in the Python SDK; the Rust SDK takes it for one when a prerequisite failed before.
//! - Dates in fractions of a millisecond lose the fraction, as in the Rust SDK.
//! - The Rust SDK evaluates big segments by the lists in the flag data. Here, as in the SDKs that
//!   know them, [`BigSegments`] says who is listed, and the segment's rules decide on everybody else.
//!   Without such a store nobody is listed, and the reason has the vendor's `bigSegmentsStatus`:
//!   `NOT_CONFIGURED`.
//! - `matches` reads patterns as the `regex` crate does, without look-around and back-references; one
//!   that it refuses matches nothing.
//!
//! # Limits
//!
//! Every prerequisite and every segment is evaluated at most once for one answer, without
//! recursion: no lattice or chain of them costs more than going through it once. Cycles answer
//! `MALFORMED_FLAG`. One flag or segment gets at most 20 warnings.
//!
//! # What allocates
//!
//! Evaluating allocates nothing, except for:
//! - more than eight prerequisites, or segments with rules, in one evaluation, or more than four of
//!   them within each other;
//! - `matches` on text that is not ASCII, with word boundaries or large classes in the pattern
//!   (`\b`, `\w+`), or on any text with a pattern too large for a table, on a thread that has not
//!   used it yet or while others use it;
//! - the store of big segments, whose own documentation says what it does.

pub mod big_segments;
mod compile;
mod context_json;
mod detail;
mod document;
mod evaluate;
mod evaluator;
mod flags_state;
mod hook;
#[cfg(feature = "launchdarkly")]
mod ledger;
mod model;
mod operator;
mod prerequisite_recorder;
mod prerequisites;
mod reference;
mod segment;
#[cfg(feature = "launchdarkly")]
mod source;
mod time;
mod trace;
mod tree;
mod variation;
mod visited;
mod walk;

use std::{fmt, sync::Arc};

#[cfg(feature = "launchdarkly")]
pub use self::source::{Client, DualReads, Events, Source};
use self::{
    big_segments::BigSegments,
    evaluator::Evaluator,
    hook::{HookedFlag, Hooks},
    segment::Segments,
    trace::Untraced,
    tree::LaunchDarklyFlag,
};
pub use self::{
    context_json::{ContextError, context_from_json, context_to_json},
    detail::{Detail, ErrorKind, Reason, ReasonKind},
    flags_state::{FlagsState, FlagsStateOptions},
    hook::{CustomEvent, EvaluationSeries, Hook, HookError, TrackSeries},
    variation::Variation,
};
#[cfg(feature = "launchdarkly")]
pub(crate) use self::{
    ledger::{ContextSnapshot, Ledger, LedgerEntry, SingleAnswer, SingleContext, SummaryEntry},
    reference::components,
};
use crate::{
    context::EvaluationContext,
    flag::{DocumentError, EvaluationCounts, Flag, FlagSet, MemoryLimit, Outcomes, Problem},
};

/// Reads LaunchDarkly flag data.
#[derive(Clone, Default)]
pub struct LaunchDarkly {
    big_segments: Option<Arc<dyn BigSegments>>,
    counts: Option<EvaluationCounts>,
    hooks: Option<Arc<Hooks>>,
    memory: MemoryLimit,
    #[cfg(feature = "launchdarkly")]
    ledger: Option<Arc<Ledger>>,
}

impl LaunchDarkly {
    /// The dialect without a store of big segments.
    pub fn new() -> LaunchDarkly {
        LaunchDarkly::default()
    }

    /// The memory in bytes that compiling one document may take; otherwise eight times its size,
    /// and for any document 32 MiB.
    #[must_use]
    pub fn with_max_memory(self, bytes: u64) -> LaunchDarkly {
        LaunchDarkly { memory: MemoryLimit::bytes(bytes), ..self }
    }

    /// Asks this store who is in a big segment.
    #[must_use]
    pub fn with_big_segments(self, store: impl BigSegments) -> LaunchDarkly {
        LaunchDarkly { big_segments: Some(Arc::new(store)), ..self }
    }

    /// Counts here what the flags compiled from now on answer: each variation, and the caller's own
    /// default, which has none. Not counted are answers to a context that has no key of any kind.
    ///
    /// ```
    /// use modelgate::{Context, Flags, flag::EvaluationCounts, launchdarkly::LaunchDarkly};
    ///
    /// let counts = EvaluationCounts::new();
    /// let launchdarkly = LaunchDarkly::new().with_evaluation_counts(&counts);
    /// let flags = Flags::from(launchdarkly.compile(
    ///     r#"{"flags": {"m": {"key": "m", "version": 7, "on": false, "variations": ["v1", "v2"],
    ///         "offVariation": 1}}}"#,
    /// )?);
    /// flags.string("m", &Context::new("user-42"), "v1");
    /// let taken = counts.take();
    /// assert_eq!((taken[0].version, taken[0].variation, taken[0].count), (Some(7), Some(1), 1));
    /// # Ok::<(), modelgate::flag::DocumentError>(())
    /// ```
    #[must_use]
    pub fn with_evaluation_counts(self, counts: &EvaluationCounts) -> LaunchDarkly {
        LaunchDarkly { counts: Some(counts.clone()), ..self }
    }

    /// Runs this hook around the evaluation of the flags compiled from now on; may be called again for
    /// more.
    #[must_use]
    pub fn with_hook(self, hook: impl Hook) -> LaunchDarkly {
        let mut hooks = self.hooks.as_deref().cloned().unwrap_or_default();
        hooks.add(Arc::new(hook));
        LaunchDarkly { hooks: Some(Arc::new(hooks)), ..self }
    }

    /// The hooks, in their order.
    #[cfg(feature = "launchdarkly")]
    fn hooks(&self) -> Arc<Hooks> {
        self.hooks.clone().unwrap_or_default()
    }

    /// Notes here what else is reported of the answers that are counted.
    #[cfg(feature = "launchdarkly")]
    pub(crate) fn with_ledger(self, ledger: Arc<Ledger>) -> LaunchDarkly {
        LaunchDarkly { ledger: Some(ledger), ..self }
    }

    /// What the flags of a set have in common before there are segments.
    fn no_segments(&self) -> Segments {
        Segments {
            big: self.big_segments.clone(),
            #[cfg(feature = "launchdarkly")]
            ledger: self.ledger.clone(),
            ..Segments::default()
        }
    }

    /// The flag, counted and with hooks around it where that is asked for.
    fn flag(&self, key: Arc<str>, flag: LaunchDarklyFlag) -> Flag {
        let Some(counts) = &self.counts else { return self.uncounted(key, flag) };
        let outcomes = Outcomes::Variations(Arc::clone(&flag.variations));
        let version = Some(flag.version);
        #[cfg(feature = "launchdarkly")]
        let observer = self.ledger.as_ref().map(|ledger| ledger.observer(&flag));
        #[cfg(not(feature = "launchdarkly"))]
        let observer = None;
        self.uncounted(key, flag).counted_in(counts, version, outcomes, observer)
    }

    fn uncounted(&self, key: Arc<str>, flag: LaunchDarklyFlag) -> Flag {
        match &self.hooks {
            None => Flag::new(key, flag),
            Some(hooks) => {
                let hooked = HookedFlag { flag, key: Arc::clone(&key), hooks: Arc::clone(hooks) };
                Flag::new(key, hooked)
            }
        }
    }

    /// Compiles a whole document: `{"flags": {...}, "segments": {...}}`, bare or as the `data` of a
    /// stream's `put`, or the vendor's file form, which may have `flagValues` beside them: keys with
    /// a value for everybody. A flag or segment that is wrong is left out and reported in the set's
    /// [problems](FlagSet::problems); it never takes its neighbours with it.
    ///
    /// # Errors
    /// When the text is not JSON, or has neither flags nor segments, or would take
    /// [more memory](DocumentError::too_large) than it may.
    pub fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        document::compile(self, crate::dialect::without_mark(text))
    }

    /// The set with this flag added or replaced; without it where the data says that it was
    /// deleted. Compiles the one flag and copies pointers to the others.
    ///
    /// # Errors
    /// What is wrong with it, and where; `set` stays good.
    pub fn with_flag(&self, set: &FlagSet, key: &str, text: &str) -> Result<FlagSet, Problem> {
        document::with_flag(self, set, key, text)
    }

    /// The set with this segment added or replaced; without it where the data says that it was
    /// deleted. The flags that refer to it are not compiled again.
    ///
    /// # Errors
    /// What is wrong with it, and where; `set` stays good.
    pub fn with_segment(&self, set: &FlagSet, key: &str, text: &str) -> Result<FlagSet, Problem> {
        document::with_segment(self, set, key, text)
    }

    /// The set without this segment. A flag goes by [`FlagSet::without`].
    #[must_use]
    pub fn without_segment(&self, set: &FlagSet, key: &str) -> FlagSet {
        document::without_segment(self, set, key)
    }

    /// Evaluates the flag `key` and answers in the vendor's own terms. Takes no lock and allocates
    /// nothing, as evaluating by [`FlagSet::evaluate`] does.
    pub fn detail<'a>(
        &self,
        set: &'a FlagSet,
        key: &str,
        context: &'a dyn EvaluationContext,
    ) -> Detail<'a> {
        match set.get(key).and_then(LaunchDarklyFlag::of) {
            Some(flag) => Evaluator::new(context, None, set, Untraced).detail(flag),
            None => Detail {
                value: None,
                variation_index: None,
                reason: Reason::error(ErrorKind::FlagNotFound),
            },
        }
    }
}

impl fmt::Debug for LaunchDarkly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaunchDarkly")
            .field("big_segments", &self.big_segments.is_some())
            .finish_non_exhaustive()
    }
}
