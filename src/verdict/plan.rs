//! What a verdict is made of, and how it is built.

mod builder;
mod check;

use std::sync::Arc;

pub use self::{builder::Builder, check::Error};
use super::{
    Config, Disagreement,
    metric::{Distance, Loss},
};
use crate::{
    compare::{Comparison, Slices},
    contain::contained,
    context::EvaluationContext,
    version::Version,
};

/// How a metric observes, with the closures that it calls.
pub(super) enum Observer<P, L> {
    Failures,
    Disagreement,
    Distance(Distance<P>),
    Noise,
    Accuracy,
    Loss(Loss<P, L>),
    Late(u64),
    Live,
}

type NumberOf<P> = Arc<dyn Fn(&Comparison<P>) -> Option<f64> + Send + Sync>;
type ScoreOf<P> = Arc<dyn Fn(&P) -> Option<f64> + Send + Sync>;
type FormatOutput<P> = Arc<dyn Fn(&P) -> String + Send + Sync>;
type Redaction = Arc<dyn Fn(&mut Disagreement) + Send + Sync>;
type CloneOutput<P> = fn(&P) -> P;

type SliceByContext = Arc<dyn Fn(&dyn EvaluationContext) -> Option<String> + Send + Sync>;
type SliceByComparison<P> = Arc<dyn Fn(&Comparison<P>) -> Option<String> + Send + Sync>;

/// How a slice is decided.
pub(super) enum SliceOf<P> {
    /// Called with the context at the request; the comparison carries the answer.
    Context(SliceByContext),
    Comparison(SliceByComparison<P>),
}

/// A number whose distribution over a range is watched.
pub(super) struct WatchedNumber<P> {
    pub(super) name: String,
    pub(super) range: (f64, f64),
    pub(super) of: NumberOf<P>,
}

impl<P> WatchedNumber<P> {
    pub(super) const BINS: usize = 10;
}

/// What a verdict is made of; never changes.
pub(super) struct VerdictPlan<P, L> {
    pub(super) config: Config,
    pub(super) config_hash: String,
    pub(super) attempt: u32,
    pub(super) candidate: Version,
    pub(super) champion: Option<Version>,
    /// The champion's second name.
    pub(super) again: Option<Version>,
    /// One for each metric, in the order of the configuration.
    pub(super) observers: Vec<Observer<P, L>>,
    /// Each with its name.
    pub(super) slices: Vec<(Arc<str>, SliceOf<P>)>,
    pub(super) score: Option<((f64, f64), ScoreOf<P>)>,
    pub(super) watched: Vec<WatchedNumber<P>>,
    pub(super) shown: Option<FormatOutput<P>>,
    pub(super) redaction: Option<Redaction>,
    /// Copies an answer until its label comes; where a loss needs it.
    pub(super) keep: Option<CloneOutput<P>>,
    pub(super) needs_labels: bool,
    /// Whether answers whose comparator says nothing are compared by their classes.
    pub(super) compares_classes: bool,
}

impl<P, L> VerdictPlan<P, L> {
    /// The parts of the traffic that a request with this context belongs to.
    pub(super) fn slices_by(&self, context: &dyn EvaluationContext) -> Slices {
        let mut slices = Slices::default();
        for (name, slice) in &self.slices {
            if let SliceOf::Context(slice) = slice
                && let Some(part) = contained(|| slice(context)).flatten()
            {
                slices.insert(Arc::clone(name), part);
            }
        }
        slices
    }
}

impl<P> SliceOf<P> {
    /// Calls `found` with the part of this slice that a comparison belongs to.
    pub(super) fn part<T>(
        &self,
        name: &str,
        comparison: &Comparison<P>,
        found: impl FnOnce(&str) -> T,
    ) -> Option<T> {
        match self {
            SliceOf::Context(_) => comparison.slices.part(name).map(found),
            SliceOf::Comparison(slice) => {
                contained(|| slice(comparison)).flatten().as_deref().map(found)
            }
        }
    }
}
