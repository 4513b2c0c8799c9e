//! What a router holds of its shadows.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{
    Counts, Error, Shadow,
    budget::Account,
    counts::{CandidateCounts, DropCause},
    dropped::{DropNotice, DropNotices, ShadowRequest},
    pool::{Hooks, Pool, contained},
    run::{HandOverTime, PrimaryAnswer, RunContext, ShadowRun},
    scope::AccountHandle,
};
use crate::{
    clock::Clock,
    compare::{
        Comparator, Run, Slices,
        key::KeyHasher,
        sink::{self, ComparisonSink, FanOut},
    },
    context::EvaluationContext,
    model::ModelError,
    version::Version,
};

/// The way from requests to comparisons: threads, budget, comparator, sinks and counts.
///
/// Dropping it stops the threads, waiting for a running shadow no longer than the policy's grace,
/// and then drops the sinks.
pub(crate) struct ShadowLine<P> {
    // Before `context`, so that no shadow runs when the sinks go.
    pool: Pool,
    context: Arc<RunContext<P>>,
    candidates: Mutex<Vec<Arc<CandidateCounts>>>,
    declared: Box<[Version]>,
    records_features: bool,
}

impl<P: Send + 'static> ShadowLine<P> {
    /// Checks the policy and starts its threads.
    pub(crate) fn start(
        policy: &Shadow,
        comparator: Option<Box<dyn Comparator<P>>>,
        sinks: FanOut<P>,
        clock: Arc<dyn Clock>,
    ) -> Result<ShadowLine<P>, Error> {
        policy.validate()?;
        let context = Arc::new(RunContext {
            comparator,
            notices: Arc::new(DropNotices::new(!sinks.is_empty())),
            telling: Mutex::new(()),
            filter: policy.filter.clone(),
            sinks,
            hasher: policy.hasher.clone().unwrap_or_else(KeyHasher::random),
            keeps_targeting_key: policy.targeting_key,
            account: Arc::new(Account::new(policy.budget, clock.monotonic())),
            clock,
            deadline: policy.deadline,
            comparator_panics: AtomicU64::new(0),
        });
        let (telling, account) =
            (Arc::clone(&context), AccountHandle::new(&context.account, &context.clock));
        let paid = Arc::clone(&context);
        let hooks = Hooks {
            between: Box::new(move || telling.tell_of_drops()),
            pause: Box::new(move || paid.account.until_room(&*paid.clock)),
        };
        let pool = Pool::start(policy.threads, policy.queue, policy.grace, &account, hooks)
            .map_err(Error::no_thread)?;
        Ok(ShadowLine {
            pool,
            context,
            candidates: Mutex::new(Vec::new()),
            declared: policy.candidates.as_slice().into(),
            records_features: policy.features,
        })
    }

    /// The counts of a candidate, begun at zero when it is new. Takes a lock: call it when
    /// versions or flags change, not for each request.
    pub(crate) fn candidate(&self, version: &Version) -> Arc<CandidateCounts> {
        let mut candidates = self.candidates.lock();
        if let Some(known) = candidates.iter().find(|known| known.version() == version) {
            return known.clone();
        }
        let new = Arc::new(CandidateCounts::new(version.clone()));
        candidates.push(new.clone());
        new
    }

    /// There is another model under this version's name: it is not left alone for the old one's panics.
    pub(crate) fn end_pause(&self, version: &Version) {
        for candidate in self.candidates.lock().iter().filter(|one| one.version() == version) {
            candidate.panics.end();
        }
    }

    /// After this time an outcome counts no more.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.context.deadline
    }

    /// Whether a run would be taken on, as far as the budget goes.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.context.account.has_room(&*self.context.clock) || self.pool.has_pausing_thread()
    }

    /// Whether [`PrimaryAnswer::features`] is wanted.
    pub(crate) fn records_features(&self) -> bool {
        self.records_features
    }

    /// The parts of the traffic that the sinks say a request belongs to.
    pub(crate) fn slices(&self, context: &dyn EvaluationContext) -> Slices {
        self.context.sinks.slices(context)
    }

    /// Hands a run over. `prepare` copies what the run needs, and is called only once there is
    /// room for it; `wanted` says what the run was for, where there is none. Never waits; a panic of
    /// `prepare` stays here.
    pub(crate) fn offer<C>(
        &self,
        candidate: &Arc<CandidateCounts>,
        wanted: impl FnOnce() -> ShadowRequest,
        prepare: impl FnOnce() -> (PrimaryAnswer<P>, C),
    ) -> Result<(), DropCause>
    where
        C: FnOnce() -> Result<P, ModelError> + Send + 'static,
    {
        let refuse = |cause| {
            self.refuse(candidate, cause, wanted);
            Err(cause)
        };
        if candidate.panics.is_on(|| self.context.clock.monotonic()) {
            return refuse(DropCause::Resting);
        }
        // What there is no room for yet may wait, if a thread wakes when there is.
        if !self.has_room() {
            return refuse(DropCause::Budget);
        }
        let place = match self.pool.reserve() {
            Ok(place) => place,
            Err(cause) => return refuse(cause),
        };
        let Some((answered, call)) = contained(prepare) else {
            return refuse(DropCause::Panic);
        };
        let at = self.now();
        candidate.handed_over();
        place.send(Box::new(ShadowRun {
            context: self.context.clone(),
            candidate: candidate.clone(),
            answered,
            call,
            at,
        }));
        Ok(())
    }

    /// Hands over a candidate that has run elsewhere (in an async task, say), to be compared and
    /// recorded by the shadow threads. Never waits; neither budget nor deadline applies.
    #[cfg(any(feature = "async", test))]
    pub(crate) fn offer_finished(
        &self,
        candidate: &Arc<CandidateCounts>,
        answered: PrimaryAnswer<P>,
        side: Run<P>,
    ) -> Result<(), DropCause> {
        let place = match self.pool.reserve() {
            Ok(place) => place,
            Err(cause) => {
                self.refuse(candidate, cause, || answered.wanted());
                return Err(cause);
            }
        };
        candidate.handed_over();
        place.send(Box::new(super::run::Finished {
            context: self.context.clone(),
            candidate: candidate.clone(),
            answered,
            side,
            at: self.now(),
        }));
        Ok(())
    }

    /// Compares and records on this thread, for joined shadows: it takes as long as the comparator
    /// and the sinks take, and keeps their panics. Counts as handed over and ended.
    pub(crate) fn record_finished(
        &self,
        candidate: &Arc<CandidateCounts>,
        answered: PrimaryAnswer<P>,
        side: Run<P>,
    ) {
        candidate.handed_over();
        let at = self.now();
        let claim = self.context.claim(candidate, &answered, at);
        if !self.context.admits(answered.targeting_key.as_deref()) {
            return claim.passed_over();
        }
        let mut claim = Some(claim);
        let concluded = catch_unwind(AssertUnwindSafe(|| {
            self.context.conclude(answered, side, Duration::ZERO, at, || claim.take());
        }));
        if let Err(payload) = concluded {
            drop(ModelError::panicked(payload));
        }
        if let Some(claim) = claim {
            claim.dropped(DropCause::Panic);
        }
        self.context.tell_of_drops();
    }

    /// Counts a run that was wanted and that the caller could not start: for those who run
    /// candidates elsewhere. Never waits.
    pub(crate) fn refuse(
        &self,
        candidate: &Arc<CandidateCounts>,
        cause: DropCause,
        wanted: impl FnOnce() -> ShadowRequest,
    ) {
        candidate.refused(cause);
        let context = &*self.context;
        if !context.notices.are_wanted() {
            return;
        }
        let half_full = context.notices.put(DropNotice {
            wanted: wanted(),
            candidate: Arc::clone(candidate),
            cause,
            time: context.clock.unix(),
        });
        // Without room in the budget nobody is woken: else the telling, which is paid from it,
        // would leave nothing for shadows.
        if half_full && context.account.has_room(&*context.clock) {
            self.pool.wake();
        }
    }

    /// Waits until every run handed over before this call has ended and its comparison is where
    /// it belongs. Answers `false` when the runs took longer than `timeout`; the sinks bound
    /// their own waiting.
    pub(crate) fn flush(&self, timeout: Duration) -> Result<bool, sink::Error> {
        let until = Instant::now() + timeout.min(Duration::from_secs(86_400));
        let ended = self.pool.flush(timeout);
        let told = self.context.tell_of_all_drops(until.saturating_duration_since(Instant::now()));
        self.context.sinks.flush()?;
        Ok(ended && told)
    }

    /// As [`flush`](Self::flush), and then stops the threads: what has not ended by then is lost.
    pub(crate) fn shutdown(&self, timeout: Duration) -> Result<bool, sink::Error> {
        let until = Instant::now() + timeout.min(Duration::from_secs(86_400));
        let left = || until.saturating_duration_since(Instant::now());
        let ended = self.pool.flush(timeout);
        self.pool.shutdown(left().min(self.pool.grace));
        let told = self.context.tell_of_all_drops(left());
        self.context.sinks.flush()?;
        Ok(ended && told)
    }

    /// What dropping the line does to its runs, while it can still be asked what became of them.
    #[cfg(test)]
    pub(super) fn stop(&self) -> Result<(), sink::Error> {
        self.pool.shutdown(self.pool.grace);
        self.context.tell_of_all_drops(self.pool.grace);
        self.context.sinks.flush()
    }

    /// The candidates the policy declares, and those that a flag has named.
    fn counts(&self) -> Vec<Counts> {
        let candidates = self.candidates.lock();
        let counts = candidates.iter().map(|candidate| candidate.counts());
        counts
            .filter(|counts| counts.wanted() > 0 || self.declared.contains(counts.candidate()))
            .collect()
    }

    /// What became of all runs so far.
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            candidates: self.counts(),
            waiting: self.pool.waiting(),
            comparator_panics: self.context.comparator_panics.load(Ordering::Relaxed),
            sink_panics: self.context.sinks.panics(),
            unreported_drops: self.context.notices.unreported(),
            sinks: self.context.sinks.counts(),
        }
    }

    fn now(&self) -> HandOverTime {
        HandOverTime { monotonic: self.context.clock.monotonic(), unix: self.context.clock.unix() }
    }
}

/// Stops the threads, and tells the sinks of what was dropped thereby.
impl<P> Drop for ShadowLine<P> {
    fn drop(&mut self) {
        self.pool.shutdown(self.pool.grace);
        self.context.tell_of_all_drops(self.pool.grace);
    }
}

impl<P> fmt::Debug for ShadowLine<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShadowLine").field("waiting", &self.pool.waiting()).finish_non_exhaustive()
    }
}

/// What became of a router's shadows and comparisons.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// The counts of each candidate that the policy declares or a flag has named.
    pub candidates: Vec<Counts>,
    /// Shadows that wait for a thread.
    pub waiting: usize,
    /// How often the comparator panicked.
    pub comparator_panics: u64,
    /// How often a sink panicked.
    pub sink_panics: u64,
    /// Dropped runs of which sinks have heard, or will hear, the number only, because too many came at
    /// once.
    pub unreported_drops: u64,
    /// What became of the comparisons, summed over all sinks.
    pub sinks: sink::Counts,
}
