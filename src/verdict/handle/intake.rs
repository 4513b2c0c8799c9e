//! What comes into a verdict: comparisons, live answers, labels and outcomes.

use std::time::Duration;

use super::{Verdict, VerdictShared};
use crate::{
    compare::{Comparison, Slices, key::KeyHash, sink::ComparisonSink},
    context::EvaluationContext,
    prediction_id::PredictionId,
    router::{AnswerObserver, LiveAnswer},
    shadow::Dropped,
    verdict::{
        LabelOutcome,
        live::{Arm, LiveRequest},
        plan::SliceOf,
        state::since_epoch,
    },
};

/// What became of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutcomeReceipt {
    /// Counted for the version that answered.
    Counted,
    /// Nothing was counted: the prediction was not a user's first or is too old, its outcome has come
    /// already, or the value is NaN.
    Unknown,
    /// No such metric was asked for.
    NoMetric,
}

impl<P, L> Verdict<P, L> {
    /// Tells the truth about the prediction with this id, from any thread and at any later time; both
    /// versions' answers are scored by it. A label that comes before its comparison waits for it.
    pub fn label(&self, id: PredictionId, truth: L) -> LabelOutcome {
        self.inner.state.lock().label(&self.inner.plan, id, truth)
    }

    /// Says that no further label will come: the pairs that still wait count as expired.
    pub fn close_labels(&self) {
        self.inner.state.lock().close_labels();
    }

    /// Says what came of a live prediction in the end (a sale, a complaint, minutes watched), for the
    /// first [`Metric::outcome`](crate::verdict::Metric::outcome) asked for. Only a user's first request
    /// in a stage counts, and its first value.
    pub fn outcome(&self, id: PredictionId, value: f64) -> OutcomeReceipt {
        self.inner.live.outcome(None, id, value)
    }

    /// The same for the outcome of this name.
    pub fn outcome_of(&self, name: &str, id: PredictionId, value: f64) -> OutcomeReceipt {
        self.inner.live.outcome(Some(name), id, value)
    }

    pub(in crate::verdict) fn take(&self, comparison: &Comparison<P>) {
        self.inner.state.lock().record(&self.inner.plan, &self.inner.seen, comparison);
    }

    /// Whether a comparison lacks the part of a slice that is decided from the request's context.
    pub(in crate::verdict) fn misses_slice(&self, comparison: &Comparison<P>) -> bool {
        let asked = self.inner.plan.slices.iter();
        asked
            .filter(|(_, slice)| matches!(slice, SliceOf::Context(_)))
            .any(|(name, _)| comparison.slices.part(name).is_none())
    }

    /// A run that came to no comparison.
    pub(in crate::verdict) fn take_dropped(
        &self,
        versions: (&crate::Version, &crate::Version),
        cause: &'static str,
        request: (Option<&KeyHash>, PredictionId, Duration),
    ) {
        let VerdictShared { plan, seen, .. } = &*self.inner;
        if plan.is_pair(versions.0, versions.1) {
            self.inner.state.lock().dropped(plan, seen, cause, request);
        }
    }

    /// Runs of which only the number is known: missing pairs.
    pub(in crate::verdict) fn take_unreported(&self, candidate: &crate::Version, runs: u64) {
        let VerdictShared { plan, state, .. } = &*self.inner;
        if *candidate == plan.candidate {
            state.lock().unreported(runs);
        }
    }
}

impl<P: Send + Sync, L: Send + Sync> ComparisonSink<P> for Verdict<P, L> {
    fn record(&self, comparison: &Comparison<P>) {
        self.take(comparison);
    }

    fn dropped(&self, dropped: &Dropped) {
        let key = dropped.key_hash.as_ref();
        self.take_dropped(
            (&dropped.primary, &dropped.candidate),
            dropped.cause.as_str(),
            (key, dropped.prediction_id, since_epoch(dropped.time)),
        );
    }

    fn slices(&self, context: &dyn EvaluationContext) -> Slices {
        self.inner.plan.slices_by(context)
    }

    fn dropped_unreported(&self, candidate: &crate::Version, runs: u64) {
        self.take_unreported(candidate, runs);
    }
}

/// Counts users and failures of the stage that the ramp is in, by arm: the candidate's, and those
/// whom the flag meant for it and an autopilot held back. All others are left out.
///
/// For a user who has been seen, this adds to a request a hash of the key, a read of one cache line
/// and an increment of a counter of the thread's own.
impl<P: Send + Sync, L: Send + Sync> AnswerObserver for Verdict<P, L> {
    #[inline]
    fn answered(&self, answer: &LiveAnswer<'_>) {
        let VerdictShared { live, plan, .. } = &*self.inner;
        // Under a pin nobody is held back, so there is no control group.
        if !live.is_on() || answer.pinned || *answer.named != plan.candidate {
            return;
        }
        let arm = match (answer.asked, answer.held_back) {
            (true, _) => Arm::Candidate,
            (false, true) => Arm::HeldBack,
            // Blocked, or its breaker is open: such users are in neither arm.
            (false, false) => return,
        };
        live.answered(&LiveRequest {
            id: answer.prediction_id,
            key: answer.targeting_key,
            arm,
            failed: answer.failed,
            time: answer.service_time,
        });
    }
}
