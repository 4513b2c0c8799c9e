//! The verdict itself: a sink of comparisons that can be asked for a judgement.

mod intake;
mod users;
mod watch;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

pub use self::{intake::OutcomeReceipt, watch::GuardJudgement};
use super::{
    Builder, Config, Evidence, Judgement, Tally, TallyMismatch, classes::Classes, judge,
    live::LiveCounts, plan::VerdictPlan, state::VerdictState, user_filter::UserFilter,
};

/// Decides whether a candidate is worse, not worse, better or equal, from what its shadows
/// answered; safe to ask after every request.
///
/// It is a [`ComparisonSink`](crate::compare::sink::ComparisonSink), and with live metrics an observer
/// of the router as well: give the router one handle, and keep another. A clone is the same verdict.
///
/// ```
/// use modelgate::{
///     Context, ModelRouter, Rollout, Shadow, model_fn,
///     verdict::{Metric, Overall, Verdict},
/// };
///
/// let verdict = Verdict::<f32>::builder("v2").against("v1").metric(Metric::failures()).build()?;
/// let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
///     .model("v1", model_fn(|features: &[f32]| Ok(features.iter().sum())))
///     .model("v2", model_fn(|features: &[f32]| Ok(features.iter().rev().sum())))
///     .fallback("v1")
///     .source(Rollout::everyone("v1").flag("ml-model-version")?)
///     .shadow(Shadow::always().candidate("v2").joined())
///     .sink(verdict.clone())
///     .build()?;
///
/// for user in 0..1_000 {
///     let key = format!("user-{user}");
///     router.predict(&Context::new(&key), &[1.0, 2.0])?;
/// }
/// let judgement = verdict.judge();
/// assert_eq!(judgement.overall, Overall::Advance);
/// println!("{judgement}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Verdict<P, L = ()> {
    inner: Arc<VerdictShared<P, L>>,
}

struct VerdictShared<P, L> {
    plan: VerdictPlan<P, L>,
    state: Mutex<VerdictState<P, L>>,
    seen: UserFilter,
    live: LiveCounts,
    /// What earlier processes counted, given to [`Verdict::resume`].
    before: Mutex<Option<Tally>>,
    attempt: AtomicU32,
}

impl<P, L> Clone for Verdict<P, L> {
    fn clone(&self) -> Verdict<P, L> {
        Verdict { inner: Arc::clone(&self.inner) }
    }
}

impl<P, L> Verdict<P, L> {
    /// Begins a verdict on this version.
    pub fn builder(candidate: impl AsRef<str>) -> Builder<P, L> {
        Builder::new(candidate.as_ref())
    }

    pub(super) fn from_parts(
        plan: VerdictPlan<P, L>,
        classes: Option<Box<dyn Classes<P, L>>>,
        seen: UserFilter,
        live: LiveCounts,
        open_labels: usize,
        patience: Duration,
    ) -> Verdict<P, L> {
        let attempt = AtomicU32::new(plan.attempt);
        let state = Mutex::new(VerdictState::new(&plan, classes, open_labels, patience));
        let before = Mutex::new(None);
        Verdict { inner: Arc::new(VerdictShared { plan, state, seen, live, before, attempt }) }
    }

    /// The question that this verdict answers.
    pub fn config(&self) -> &Config {
        &self.inner.plan.config
    }

    /// What the evidence says now. Costs microseconds, and may be called as often as you like: the
    /// error rates hold for all looks together.
    pub fn judge(&self) -> Judgement {
        judge(self.config(), &self.tally())
    }

    /// The judgement with everything it was made from.
    pub fn evidence(&self) -> Evidence {
        Evidence::new(self.config().clone(), self.tally())
    }

    /// All that has been counted, by earlier processes too ([`resume`](Verdict::resume)).
    pub fn tally(&self) -> Tally {
        let mut tally = self.own_tally();
        if let Some(before) = &*self.inner.before.lock() {
            // `resume` has checked that it can be added.
            let _ = tally.merge(before);
        }
        tally
    }

    /// What this process has counted itself.
    fn own_tally(&self) -> Tally {
        let state = self.inner.state.lock();
        let mut tally = state.tally(&self.inner.plan);
        tally.attempt = self.attempt();
        tally.live = self.inner.live.tally();
        tally
    }

    /// Continues from what an earlier process has counted: its sums become part of this verdict's.
    ///
    /// # Errors
    ///
    /// [`TallyMismatch`] when those sums answer another question: the configuration or the attempt
    /// has changed. Begin a new [attempt](Builder::attempt) then.
    pub fn resume(&self, earlier: &Tally) -> Result<(), TallyMismatch> {
        let mut sum = self.own_tally();
        let mut before = self.inner.before.lock();
        if let Some(before) = &*before {
            sum.merge(before)?;
        }
        // A trial: it must fit what is counted here as well as what was taken in before.
        sum.merge(earlier)?;
        match &mut *before {
            Some(before) => before.merge(earlier),
            none => {
                *none = Some(earlier.clone());
                Ok(())
            }
        }
    }

    /// Forgets all that was counted, and begins this attempt, which may spend half the error of the one
    /// before. Live stages begin anew; after 64 calls in one process no further stage can be entered.
    pub fn begin_attempt(&self, attempt: u32) {
        let VerdictShared { plan, state, seen, live, before, attempt: current } = &*self.inner;
        let mut state = state.lock();
        state.reset(plan);
        seen.clear();
        live.reset(attempt);
        *before.lock() = None;
        current.store(attempt, Ordering::Relaxed);
    }

    /// The number of the attempt, from 0.
    pub fn attempt(&self) -> u32 {
        self.inner.attempt.load(Ordering::Relaxed)
    }

    pub(super) fn scored(&self) -> u64 {
        self.inner.state.lock().pairs_scored()
    }
}

impl<P, L> fmt::Debug for Verdict<P, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verdict")
            .field("candidate", &self.inner.plan.candidate)
            .field("pairs", &self.scored())
            .finish_non_exhaustive()
    }
}
