//! Compiled flags: what a dialect makes of a document, and what evaluating one answers.
#![cfg_attr(
    not(all(
        feature = "flagsmith-dialect",
        feature = "launchdarkly-dialect",
        feature = "unleash-dialect"
    )),
    allow(
        dead_code,
        unused_imports,
        reason = "each dialect uses a part of it, together they use all"
    )
)]

mod answer_observer;
mod bound;
mod constant;
pub(crate) mod evaluation;
mod evaluation_counts;
pub(crate) mod memory;
#[cfg(any(
    feature = "flagsmith-dialect",
    feature = "launchdarkly-dialect",
    feature = "unleash-dialect"
))]
pub(crate) mod pattern;
pub(crate) mod problem;
pub(crate) mod problem_list;
pub(crate) mod semver;
pub(crate) mod set;
pub(crate) mod split;
pub mod store;
pub(crate) mod table;
mod value_type;

use std::{any::Any, fmt, sync::Arc};

use self::constant::Constant;
pub use self::store::details::FlagValue;
pub(crate) use self::{
    answer_observer::{AnswerObserver, CallersDefault, ObservedAnswer},
    bound::Bound,
    evaluation::{Evaluation, Reason},
    evaluation_counts::{Counted, Outcomes, SwitchedOutcome},
    memory::{Costs, MemoryLimit, PartCosts},
    problem_list::ProblemList,
    set::{FlagSet, SetData},
};
pub use self::{
    evaluation::{BorrowedDetails, ErrorCode, EvaluationDetails, EvaluationTrace, TraceStep},
    evaluation_counts::{EvaluationCount, EvaluationCounts},
    memory::DocumentTooLarge,
    problem::{DocumentError, Problem, ProblemSeverity},
    value_type::ValueType,
};
use crate::{
    clock::Clock,
    context::EvaluationContext,
    value::{Map, Value},
};

/// One compiled flag. A clone copies pointers.
#[derive(Clone)]
pub struct Flag {
    key: Arc<str>,
    rules: Arc<dyn Evaluate>,
    /// Where its answers are counted, if its source reports them.
    counted: Option<Arc<Counted>>,
}

impl Flag {
    /// A flag that answers everybody alike.
    ///
    /// ```
    /// use modelgate::{Context, FlagSet, flag::Flag};
    ///
    /// let set = FlagSet::new().with(Flag::constant("ml-model-version", "v2"));
    /// let user = Context::new("user-42");
    /// assert_eq!(set.evaluate("ml-model-version", &user).string("none").value, "v2");
    /// ```
    pub fn constant(key: impl Into<Arc<str>>, value: impl Into<Value>) -> Flag {
        Flag::new(key, Constant { value: value.into(), metadata: Map::new() })
    }

    pub(crate) fn new(key: impl Into<Arc<str>>, rules: impl Evaluate + 'static) -> Flag {
        Flag { key: key.into(), rules: Arc::new(rules), counted: None }
    }

    /// The same flag, whose answers are counted here, and seen by this observer.
    pub(crate) fn counted_in(
        mut self,
        counts: &EvaluationCounts,
        version: Option<u64>,
        outcomes: Outcomes,
        observer: Option<Box<dyn AnswerObserver>>,
    ) -> Flag {
        self.counted = Some(counts.open(Arc::clone(&self.key), version, outcomes, observer));
        self
    }

    /// The flag's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The flag's metadata, that of its set included.
    pub fn metadata(&self) -> &Map {
        self.rules.metadata()
    }

    /// Evaluates the flag. Takes no lock; allocates nothing for the common rules (each dialect
    /// lists the rare forms that do).
    #[inline]
    pub(crate) fn evaluate<'a>(
        &'a self,
        request: &Request<'a>,
        set: &'a FlagSet,
    ) -> Evaluation<'a> {
        self.rules.evaluate(request, set)
    }

    /// Counts an answer that somebody goes by.
    #[inline]
    pub(crate) fn count<'a>(
        &'a self,
        evaluation: &Evaluation<'a>,
        request: &'a Request<'a>,
        set: &'a FlagSet,
        default: CallersDefault<'a>,
    ) {
        if let Some(counted) = &self.counted {
            // First, so that whoever takes the count finds what the observer noted.
            if let Some(observer) = counted.observer() {
                let with_reason = false;
                observer.answered(&ObservedAnswer {
                    flag: self,
                    set,
                    request,
                    default,
                    with_reason,
                });
            }
            counted.count(evaluation.outcome as usize);
        }
    }

    /// Where its answers are counted.
    #[cfg(feature = "launchdarkly")]
    pub(crate) fn counted(&self) -> Option<&Counted> {
        self.counted.as_deref()
    }

    /// Evaluates the flag and records how the answer came about. Allocates.
    pub(crate) fn explain<'a>(
        &'a self,
        request: &Request<'a>,
        set: &'a FlagSet,
    ) -> (Evaluation<'a>, EvaluationTrace) {
        self.rules.explain(request, set)
    }

    /// The compiled rules, if they are of this dialect: for flags that refer to one another.
    #[inline]
    pub(crate) fn rules<T: Evaluate>(&self) -> Option<&T> {
        let rules: &dyn Any = &*self.rules;
        rules.downcast_ref()
    }
}

impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flag").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What a dialect's compiled flag can do. `set` is the set that the flag is evaluated in: what it
/// refers to by name is found there, so that a changed segment recompiles none of its users.
pub(crate) trait Evaluate: Any + Send + Sync {
    fn evaluate<'a>(&'a self, request: &Request<'a>, set: &'a FlagSet) -> Evaluation<'a>;

    fn explain<'a>(
        &'a self,
        request: &Request<'a>,
        set: &'a FlagSet,
    ) -> (Evaluation<'a>, EvaluationTrace);

    fn metadata(&self) -> &Map;
}

/// One evaluation's input.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) context: &'a dyn EvaluationContext,
    /// Stands in for the context's targeting key: the random draw of
    /// [`MissingKey::Random`](crate::router::MissingKey::Random).
    pub(crate) key_override: Option<&'a str>,
    /// Whether somebody goes by the answer: what is only explained is not reported.
    pub(crate) counted: bool,
    pub(crate) clock: &'a dyn Clock,
}

impl<'a> Request<'a> {
    /// The targeting key; an empty one is none.
    #[inline]
    pub(crate) fn targeting_key(&self) -> Option<&'a str> {
        self.key_override.or_else(|| self.context.targeting_key()).filter(|key| !key.is_empty())
    }
}
