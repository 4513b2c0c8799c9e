//! What a verdict was made of, and how it is made.

mod builder;
mod check;

use std::sync::Arc;

pub use self::{builder::VerdictBuilder, check::VerdictError};
use super::{
    Disagreement, VerdictConfig,
    metric::{Distance, Loss},
};
use crate::{compare::Comparison, version::Version};

/// What a metric looks at.
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

type SliceOf<P> = Arc<dyn Fn(&Comparison<P>) -> Option<String> + Send + Sync>;
type NumberOf<P> = Arc<dyn Fn(&Comparison<P>) -> Option<f64> + Send + Sync>;
type ScoreOf<P> = Arc<dyn Fn(&P) -> Option<f64> + Send + Sync>;
type FormatOutput<P> = Arc<dyn Fn(&P) -> String + Send + Sync>;
type Redaction = Arc<dyn Fn(&mut Disagreement) + Send + Sync>;
type CloneOutput<P> = fn(&P) -> P;

/// A number in a range, in so many bins.
pub(super) struct WatchedNumber<P> {
    pub(super) name: String,
    pub(super) range: (f64, f64),
    pub(super) of: NumberOf<P>,
}

impl<P> WatchedNumber<P> {
    pub(super) const BINS: usize = 10;
}

/// What a verdict was made of; never changes.
pub(super) struct VerdictPlan<P, L> {
    pub(super) config: VerdictConfig,
    pub(super) config_hash: String,
    pub(super) attempt: u32,
    pub(super) candidate: Version,
    pub(super) champion: Option<Version>,
    /// The champion's second name.
    pub(super) again: Option<Version>,
    /// In the order of the configuration.
    pub(super) observers: Vec<Observer<P, L>>,
    pub(super) slices: Vec<SliceOf<P>>,
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
