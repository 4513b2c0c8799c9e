//! The metrics of a verdict: what is observed, and what it may do to a rollout.

use std::{
    borrow::Borrow,
    fmt::{self, Display},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use super::{
    MetricConfig, MetricKind, Role,
    classes::{ClassTable, Classes},
};
use crate::compare::HasLabel;

/// One question about a candidate: what is observed, and what the answer may do to the rollout.
///
/// `P` is what the models answer, `L` what the truth turns out to be.
///
/// | metric | observes | role, margin |
/// |---|---|---|
/// | [`failures`](Metric::failures) | which of both failed on a request | guardrail, half a point |
/// | [`accuracy`](Metric::accuracy) | which was wrong, by the label | guardrail, one point |
/// | [`loss`](Metric::loss) | how much more it lost, by the label | guardrail; say the margin |
/// | [`disagreement`](Metric::disagreement) | whether they disagree | signal |
/// | [`noise`](Metric::noise) | whether it disagrees more than the champion with itself | signal, two points |
/// | [`distance`](Metric::distance) | how far apart they are | watch |
/// | [`late`](Metric::late) | which took too long, in shadow | signal, one point |
/// | [`live_failures`](Metric::live_failures) | users whose live requests failed | guardrail |
/// | [`live_late`](Metric::live_late) | users whose live requests took too long | guardrail |
/// | [`outcome`](Metric::outcome) | a number that comes later | signal |
#[must_use]
pub struct Metric<P, L = ()> {
    pub(super) config: MetricConfig,
    pub(super) observes: Observes<P, L>,
}

/// How far apart two answers are.
pub(super) type Distance<P> = Arc<dyn Fn(&P, &P) -> f64 + Send + Sync>;
/// What an answer lost by the truth.
pub(super) type Loss<P, L> = Arc<dyn Fn(&P, &L) -> f64 + Send + Sync>;

pub(super) enum Observes<P, L> {
    Nothing,
    Distance(Distance<P>),
    Classes(Box<dyn Classes<P, L>>),
    Loss(Loss<P, L>),
}

impl<P, L> Metric<P, L> {
    fn new(name: impl Into<String>, kind: MetricKind, role: Role) -> Metric<P, L> {
        Metric { config: MetricConfig::new(name, kind, role), observes: Observes::Nothing }
    }

    /// `failures`: which of the two versions failed on the same request, by an error, a panic, a
    /// non-finite output, a missed deadline or an overload. An input that both refuse is no pair; one
    /// that only one of them refuses is its failure. A guardrail, with half a point of margin.
    pub fn failures() -> Metric<P, L> {
        Metric::new("failures", MetricKind::Failures, Role::Guardrail).margin(0.005)
    }

    /// `disagreement`: whether the two versions disagree, by the router's comparator, or by their
    /// classes where it has none and the verdict knows them. A signal. Different is not worse: it
    /// never rolls back, and says something only with a limit ([`at_most`](Metric::at_most)).
    pub fn disagreement() -> Metric<P, L> {
        Metric::new("disagreement", MetricKind::Disagreement, Role::Signal)
    }

    /// How far apart the two answers are, from 0 to [`bound`](Metric::bound). Only watched.
    pub fn distance(
        name: impl Into<String>,
        distance: impl Fn(&P, &P) -> f64 + Send + Sync + 'static,
    ) -> Metric<P, L> {
        Metric {
            observes: Observes::Distance(Arc::new(distance)),
            ..Metric::new(name, MetricKind::Distance, Role::Watch)
        }
    }

    /// `noise`: whether the candidate disagrees with the champion more often than the champion with
    /// itself, on the same request. Needs the champion registered and shadowed a second time, under
    /// the name given to [`Builder::again`](super::Builder::again). A signal, with
    /// two points of margin; equivalent means that what differs is noise.
    pub fn noise() -> Metric<P, L> {
        Metric::new("noise", MetricKind::Noise, Role::Signal).margin(0.02)
    }

    /// The loss of an answer once the truth is known, from 0 (right) to [`bound`](Metric::bound). A
    /// version that failed has lost the bound. A guardrail, whose [`margin`](Metric::margin) must be
    /// given: only you know what a loss is worth.
    pub fn loss(
        name: impl Into<String>,
        loss: impl Fn(&P, &L) -> f64 + Send + Sync + 'static,
    ) -> Metric<P, L> {
        Metric {
            observes: Observes::Loss(Arc::new(loss)),
            ..Metric::new(name, MetricKind::Loss, Role::Guardrail)
        }
    }

    /// `late`: which of the two versions took longer than this *in shadow*. A signal, with a point
    /// of margin.
    ///
    /// The wall-clock time of a shadow cannot be compared with that of a live answer: it may have had to
    /// share its processor. So this compares the candidate's shadow with that of the champion under its
    /// second name ([`Builder::again`](super::Builder::again)), on the same request: by
    /// processor time where both [know theirs](crate::compare::Run::cpu_time), else by the clock.
    ///
    /// Without that name it compares the processor time of the shadow with that of the live answer,
    /// and scores nothing where one of them is not known. That says what a model computes, not what
    /// it waits for; and a model that runs seldom finds its data less often in the processor's
    /// caches. So it cannot be made a guardrail then.
    pub fn late(limit: Duration) -> Metric<P, L> {
        let mut metric = Metric::new("late", MetricKind::Late, Role::Signal).margin(0.01);
        metric.config.limit_us = Some(micros(limit));
        metric
    }

    /// `live_failures`: whether more of the candidate's users fail, live, than of those held back.
    /// A guardrail that only ever rolls back.
    pub fn live_failures() -> Metric<P, L> {
        Metric::new("live_failures", MetricKind::LiveFailures, Role::Guardrail).at_most_times(1.0)
    }

    /// `live_late`: whether more of the candidate's users wait longer than this, live, than of
    /// those held back; a quarter more is allowed. A guardrail that only ever rolls back.
    pub fn live_late(limit: Duration) -> Metric<P, L> {
        let mut metric = Metric::new("live_late", MetricKind::LiveLate, Role::Guardrail);
        metric.config.limit_us = Some(micros(limit));
        metric.at_most_times(1.25)
    }

    /// A number within this range that comes later and is given to
    /// [`Verdict::outcome`](super::Verdict::outcome): its mean over the users answered by the candidate,
    /// against those held back. Larger is better, unless [said otherwise](Metric::smaller_is_better). A
    /// signal, since its error rate holds only in the limit of many users.
    pub fn outcome(name: impl Into<String>, range: std::ops::RangeInclusive<f64>) -> Metric<P, L> {
        let mut metric = Metric::new(name, MetricKind::Outcome, Role::Signal);
        metric.config.range = Some((*range.start(), *range.end()));
        metric
    }

    /// How much worse counts as not worse, in the metric's own unit: for shares, 0.01 is a point.
    pub fn margin(mut self, margin: f64) -> Metric<P, L> {
        self.config.margin = Some(margin);
        self
    }

    /// For a disagreement or a distance: the most that is allowed. As a guardrail it must then be
    /// shown to be less before the candidate advances.
    pub fn at_most(self, limit: f64) -> Metric<P, L> {
        self.margin(limit)
    }

    /// For a live metric: the rate allowed, as a multiple of that of the users held back.
    pub fn at_most_times(mut self, ratio: f64) -> Metric<P, L> {
        self.config.ratio = Some(ratio);
        self
    }

    /// The largest loss, distance or difference told apart: they are divided by the bound, and clipped
    /// to it. 1 by default.
    ///
    /// A tight bound decides sooner: a mean difference of 0.005 with a standard deviation of 0.05 takes
    /// 1,070 pairs with a bound of 1, 681 with 0.5 and 578 with 0.3 (simulated medians). But what is
    /// clipped is not seen in full: the judgement says how many values were.
    pub fn bound(mut self, bound: f64) -> Metric<P, L> {
        self.config.bound = bound;
        self
    }

    /// Says that smaller outcomes are better.
    pub fn smaller_is_better(mut self) -> Metric<P, L> {
        self.config.larger_is_better = false;
        self
    }

    /// The metric's name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// What the metric observes.
    pub fn kind(&self) -> MetricKind {
        self.config.kind
    }

    /// Gives the metric another name.
    pub fn named(mut self, name: impl Into<String>) -> Metric<P, L> {
        self.config.name = name.into();
        self
    }

    /// Rolls back when worse, and must be not worse for the candidate to advance.
    pub fn guardrail(mut self) -> Metric<P, L> {
        self.config.role = Role::Guardrail;
        self
    }

    /// Holds the candidate up while it is worse; never rolls back.
    pub fn signal(mut self) -> Metric<P, L> {
        self.config.role = Role::Signal;
        self
    }

    /// Is shown, and decides nothing.
    pub fn watch(mut self) -> Metric<P, L> {
        self.config.role = Role::Watch;
        self
    }

    pub(super) fn with_classes(classes: Box<dyn Classes<P, L>>) -> Metric<P, L> {
        Metric {
            observes: Observes::Classes(classes),
            ..Metric::new("accuracy", MetricKind::Accuracy, Role::Guardrail).margin(0.01)
        }
    }
}

impl<P, L> Metric<P, L>
where
    P: HasLabel,
    P::Label: ToOwned<Owned: Eq + Hash + Send + Sync> + Eq + Hash + Display + 'static,
    L: Borrow<P::Label>,
{
    /// `accuracy`: which of the two versions named a class other than the label's. A version that
    /// failed was wrong. A guardrail, with one point of margin.
    ///
    /// A shadow lost to its deadline leaves no pair to label, and counts in
    /// [`failures`](Metric::failures) alone: ask for both where deadlines are missed.
    pub fn accuracy() -> Metric<P, L> {
        Metric::with_classes(Box::new(ClassTable::<P::Label>::default()))
    }
}

fn micros(limit: Duration) -> u64 {
    u64::try_from(limit.as_micros()).unwrap_or(u64::MAX)
}

impl<P, L> fmt::Debug for Metric<P, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metric").field(&self.config).finish()
    }
}
