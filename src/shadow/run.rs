//! One shadow run: the candidate, the comparison, the sinks.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, UNIX_EPOCH},
};

use parking_lot::Mutex;

use super::{
    budget::{Account, Meter},
    counts::{CandidateCounts, DropCause},
    dropped::{Claim, DropNotice, DropNotices, Dropped, ShadowRequest},
    policy::Filter,
    pool::{Job, Running},
};
use crate::{
    clock::Clock,
    compare::{
        Agreement, Comparator, Comparison, Run, Slices,
        key::KeyHasher,
        sink::{ComparisonSink, FanOut},
    },
    contain::contained,
    cpu_time,
    model::{ErrorKind, ModelError},
    prediction_id::PredictionId,
    value::Value,
};

/// What a request leaves behind for the comparison with its shadow.
pub(crate) struct PrimaryAnswer<P> {
    pub(crate) prediction_id: PredictionId,
    /// The flag revision of the request's snapshot.
    pub(crate) revision: u64,
    /// Hashed on the shadow side, and kept only if the policy asks for it.
    pub(crate) targeting_key: Option<Box<str>>,
    /// Only where [`ShadowLine::records_features`](super::ShadowLine::records_features).
    pub(crate) features: Option<Value>,
    pub(crate) slices: Slices,
    pub(crate) primary: Run<P>,
}

impl<P> PrimaryAnswer<P> {
    pub(super) fn wanted(&self) -> ShadowRequest {
        ShadowRequest {
            prediction_id: self.prediction_id,
            revision: self.revision,
            targeting_key: self.targeting_key.clone(),
            primary: self.primary.version.clone(),
        }
    }
}

/// When a run was handed over: by both clocks.
#[derive(Clone, Copy)]
pub(super) struct HandOverTime {
    pub(super) monotonic: Duration,
    pub(super) unix: Duration,
}

/// What all runs of a router share.
pub(super) struct RunContext<P> {
    pub(super) comparator: Option<Box<dyn Comparator<P>>>,
    pub(super) sinks: FanOut<P>,
    pub(super) hasher: KeyHasher,
    pub(super) keeps_targeting_key: bool,
    pub(super) filter: Option<Filter>,
    pub(super) notices: Arc<DropNotices>,
    /// Held by the one who empties the notices.
    pub(super) telling: Mutex<()>,
    pub(super) account: Arc<Account>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) deadline: Option<Duration>,
    pub(super) comparator_panics: AtomicU64,
}

/// A comparator that panics when it is dropped does not keep the router from going.
impl<P> Drop for RunContext<P> {
    fn drop(&mut self) {
        let comparator = self.comparator.take();
        let _ = contained(|| drop(comparator));
    }
}

impl<P> RunContext<P> {
    fn is_late(&self, since: Duration, now: Duration) -> bool {
        self.deadline.is_some_and(|deadline| now.saturating_sub(since) > deadline)
    }

    /// The right to say how this run ended.
    pub(super) fn claim(
        &self,
        candidate: &Arc<CandidateCounts>,
        answered: &PrimaryAnswer<P>,
        at: HandOverTime,
    ) -> Claim {
        Claim::new(candidate, &self.notices, at.unix, || answered.wanted())
    }

    /// Tells the sinks of the drops that wait to be told, unless somebody is at it already.
    pub(super) fn tell_of_drops(&self) {
        if !self.notices.are_empty()
            && let Some(_telling) = self.telling.try_lock()
        {
            let meter = Meter::of_short_work();
            self.empty_notices();
            meter.charge(&self.account, &*self.clock);
        }
    }

    /// Tells the sinks of the drops that wait to be told, after waiting for one who is at it.
    pub(super) fn tell_of_all_drops(&self, timeout: Duration) -> bool {
        let told = self.telling.try_lock_for(timeout).map(|_telling| self.empty_notices());
        told.is_some()
    }

    fn empty_notices(&self) {
        while let Some(DropNotice { wanted, candidate, cause, time }) = self.notices.take() {
            let mut dropped = Dropped::new(wanted.primary, candidate.version().clone(), cause);
            dropped.prediction_id = wanted.prediction_id;
            dropped.time = UNIX_EPOCH.checked_add(time).unwrap_or(UNIX_EPOCH);
            dropped.revision = wanted.revision;
            dropped.key_hash = wanted.targeting_key.as_deref().map(|key| self.hasher.hash(key));
            self.sinks.dropped(&dropped);
        }
        // Last: of a candidate that other candidates' drops left no room for there may be no notice.
        while let Some((candidate, runs)) = self.notices.take_unreported() {
            if runs > 0 {
                self.sinks.dropped_unreported(candidate.version(), runs);
            }
        }
    }

    /// Whether the policy's filter lets this user's run in. It is asked about users only, and a
    /// filter that panics keeps nobody out.
    pub(super) fn admits(&self, targeting_key: Option<&str>) -> bool {
        match (&self.filter, targeting_key) {
            (Some(filter), Some(key)) => {
                contained(|| filter.admits(&self.hasher.hash(key))).unwrap_or(true)
            }
            _ => true,
        }
    }

    fn agreement(
        &self,
        primary: &Result<P, ModelError>,
        candidate: &Result<P, ModelError>,
    ) -> Agreement {
        let (Some(comparator), Ok(primary), Ok(candidate)) = (&self.comparator, primary, candidate)
        else {
            return Agreement::not_compared();
        };
        let compared = catch_unwind(AssertUnwindSafe(|| comparator.compare(primary, candidate)));
        compared.unwrap_or_else(|payload| {
            let error = ModelError::panicked(payload);
            if self.comparator_panics.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!(
                    target: "modelgate::compare",
                    error = %error.redacted(),
                    "the comparator panicked; further panics are only counted"
                );
            }
            Agreement::not_compared()
        })
    }

    /// Ends a run that came to an outcome: counts it by the right that `settle` gives, and shows
    /// it to the sinks.
    ///
    /// A panic is lost to [`DropCause::Panic`], and shown to the sinks as the candidate's error;
    /// an outcome past the deadline is lost, and shown to nobody. So each sink sees exactly the
    /// runs that completed and those that panicked.
    pub(super) fn conclude(
        &self,
        answered: PrimaryAnswer<P>,
        candidate: Run<P>,
        queue_wait: Duration,
        at: HandOverTime,
        settle: impl FnOnce() -> Option<Claim>,
    ) {
        let kind = candidate.outcome.as_ref().err().map(ModelError::kind);
        if kind == Some(ErrorKind::Deadline)
            || (kind != Some(ErrorKind::Panicked)
                && self.is_late(at.monotonic, self.clock.monotonic()))
        {
            if let Some(claim) = settle() {
                claim.dropped(DropCause::Deadline);
            }
            return;
        }
        let agreement = self.agreement(&answered.primary.outcome, &candidate.outcome);
        let Some(claim) = settle() else { return };
        if kind == Some(ErrorKind::Panicked) {
            claim.panicked(self.clock.monotonic());
        } else {
            let cpu_times = (answered.primary.cpu_time, candidate.cpu_time);
            claim.completed(agreement.agrees(), cpu_times);
        }
        if self.sinks.is_empty() {
            return;
        }
        let mut comparison = Comparison::new(answered.primary, candidate);
        comparison.prediction_id = answered.prediction_id;
        comparison.time = UNIX_EPOCH.checked_add(at.unix).unwrap_or(UNIX_EPOCH);
        comparison.revision = answered.revision;
        comparison.key_hash = answered.targeting_key.as_deref().map(|key| self.hasher.hash(key));
        comparison.targeting_key = answered.targeting_key.filter(|_| self.keeps_targeting_key);
        comparison.features = answered.features;
        comparison.slices = answered.slices;
        comparison.queue_wait = queue_wait;
        comparison.agreement = agreement;
        self.sinks.record(&comparison);
    }
}

/// A candidate to be run.
pub(super) struct ShadowRun<P, C> {
    pub(super) context: Arc<RunContext<P>>,
    pub(super) candidate: Arc<CandidateCounts>,
    pub(super) answered: PrimaryAnswer<P>,
    pub(super) call: C,
    pub(super) at: HandOverTime,
}

impl<P, C> Job for ShadowRun<P, C>
where
    P: Send,
    C: FnOnce() -> Result<P, ModelError> + Send,
{
    fn claim(&self) -> Claim {
        self.context.claim(&self.candidate, &self.answered, self.at)
    }

    fn run(self: Box<Self>, running: &Running) {
        let ShadowRun { context, candidate, answered, call, at } = *self;
        let lost = |cause| {
            if let Some(claim) = running.settle() {
                claim.dropped(cause);
            }
        };
        let now = context.clock.monotonic();
        if context.is_late(at.monotonic, now) {
            return lost(DropCause::Deadline);
        }
        // Asked again: those before it may have panicked.
        if candidate.panics.is_on(|| now) {
            return lost(DropCause::Resting);
        }
        // Asked again: what was charged while this waited may have used the budget up.
        if !context.account.may_run(&*context.clock) {
            return lost(DropCause::Budget);
        }
        if !context.admits(answered.targeting_key.as_deref()) {
            if let Some(claim) = running.settle() {
                claim.passed_over();
            }
            return;
        }
        let meter = Meter::start(&context.account);
        let begun = Instant::now();
        let (outcome, cpu_time) = cpu_time::measure(true, || catch_unwind(AssertUnwindSafe(call)));
        let service_time = begun.elapsed();
        let outcome = outcome.unwrap_or_else(|payload| Err(ModelError::panicked(payload)));
        // Before the sinks, which may block and keep the budget from knowing.
        meter.charge(&context.account, &*context.clock);
        let meter = Meter::of_short_work();
        let side = Run::new(candidate.version(), outcome, service_time).with_cpu_time(cpu_time);
        context.conclude(answered, side, now.saturating_sub(at.monotonic), at, || running.settle());
        meter.charge(&context.account, &*context.clock);
    }
}

/// A candidate that has run elsewhere, to be compared.
#[cfg(any(feature = "async", test))]
pub(super) struct Finished<P> {
    pub(super) context: Arc<RunContext<P>>,
    pub(super) candidate: Arc<CandidateCounts>,
    pub(super) answered: PrimaryAnswer<P>,
    pub(super) side: Run<P>,
    pub(super) at: HandOverTime,
}

#[cfg(any(feature = "async", test))]
impl<P: Send> Job for Finished<P> {
    fn claim(&self) -> Claim {
        self.context.claim(&self.candidate, &self.answered, self.at)
    }

    fn run(self: Box<Self>, running: &Running) {
        let Finished { context, answered, side, at, .. } = *self;
        let meter = Meter::of_short_work();
        context.conclude(answered, side, Duration::ZERO, at, || running.settle());
        meter.charge(&context.account, &*context.clock);
    }
}
