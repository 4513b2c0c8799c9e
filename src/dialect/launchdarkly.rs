//! LaunchDarkly flag data: what its streaming and polling services, its relay and its file sources
//! carry.
//!
//! ```
//! use modelgate::{Context, Reason, SystemClock, dialect::launchdarkly::LaunchDarkly};
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
//! let answer = flags.evaluate("ml-model-version", &context, &clock).string("none");
//! assert_eq!((answer.value, answer.reason), ("fraud-v2", Reason::TargetingMatch));
//!
//! // The same answer in the vendor's own words:
//! let detail = launchdarkly.detail(&flags, "ml-model-version", &context);
//! assert_eq!(detail.variation_index, Some(1));
//! assert_eq!((detail.reason.kind.as_str(), detail.reason.rule_id), ("RULE_MATCH", Some("eu")));
//! # Ok::<(), modelgate::DocumentError>(())
//! ```

mod big_segments;
mod compile;
mod detail;
mod document;
mod evaluate;
mod model;
mod operator;
mod reference;
mod scene;
mod segment;
mod trace;
mod tree;
mod variation;
mod visited;

use std::{fmt, sync::Arc};

pub use self::{
    big_segments::{BigSegmentAnswer, BigSegments, BigSegmentsStatus},
    detail::{Detail, ErrorKind, Reason, ReasonKind},
    variation::Variation,
};
use self::{scene::Scene, trace::Unwatched, tree::LaunchDarklyFlag};
use crate::{
    context::EvaluationContext,
    flag::{DocumentError, FlagProblem, FlagSet},
};

/// Reads LaunchDarkly flag data.
#[derive(Clone, Default)]
pub struct LaunchDarkly {
    big_segments: Option<Arc<dyn BigSegments>>,
}

impl LaunchDarkly {
    /// The dialect without a store of big segments.
    pub fn new() -> LaunchDarkly {
        LaunchDarkly::default()
    }

    /// Asks this store who is in a big segment.
    #[must_use]
    pub fn with_big_segments(self, store: impl BigSegments) -> LaunchDarkly {
        LaunchDarkly { big_segments: Some(Arc::new(store)) }
    }

    /// Compiles a whole document: `{"flags": {...}, "segments": {...}}`, bare or as the `data` of a
    /// stream's `put`. A flag or segment that is wrong is left out and reported in the set's
    /// [problems](FlagSet::problems); it never takes its neighbours with it.
    ///
    /// # Errors
    /// When the text is not JSON, or has neither flags nor segments.
    pub fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        document::compile(&self.big_segments, text)
    }

    /// The set with this flag added or replaced; without it where the data says that it was
    /// deleted. Compiles the one flag and copies pointers to the others.
    ///
    /// # Errors
    /// What is wrong with it, and where; `set` stays good.
    pub fn with_flag(&self, set: &FlagSet, key: &str, text: &str) -> Result<FlagSet, FlagProblem> {
        document::with_flag(&self.big_segments, set, key, text)
    }

    /// The set with this segment added or replaced; without it where the data says that it was
    /// deleted. The flags that refer to it are not compiled again.
    ///
    /// # Errors
    /// What is wrong with it, and where; `set` stays good.
    pub fn with_segment(
        &self,
        set: &FlagSet,
        key: &str,
        text: &str,
    ) -> Result<FlagSet, FlagProblem> {
        document::with_segment(&self.big_segments, set, key, text)
    }

    /// The set without this segment. A flag goes by [`FlagSet::without`].
    #[must_use]
    pub fn without_segment(&self, set: &FlagSet, key: &str) -> FlagSet {
        document::without_segment(&self.big_segments, set, key)
    }

    /// Evaluates the flag `key` and answers in the vendor's own terms. Takes no lock and allocates
    /// nothing, as evaluating by [`FlagSet::evaluate`] does.
    pub fn detail<'a>(
        &self,
        set: &'a FlagSet,
        key: &str,
        context: &'a dyn EvaluationContext,
    ) -> Detail<'a> {
        match set.get(key).and_then(|flag| flag.rules::<LaunchDarklyFlag>()) {
            Some(flag) => Scene::new(context, None, set, Unwatched).detail(flag),
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
