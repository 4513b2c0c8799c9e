//! The verdict itself: a sink of comparisons that can be asked.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;

use super::{
    Counts, Disagreements, Evidence, Judgement, LabelOutcome, MetricKind, MetricTimeline,
    StageMark, Tally, TallyMismatch, TimelinePoint, Unit, VerdictBuilder, VerdictConfig,
    classes::Classes,
    judge,
    live::{Arm, LiveCounts, LiveRequest},
    plan::VerdictPlan,
    state::{VerdictState, since_epoch},
    user_filter::{self, UserFilter},
};
use crate::{
    compare::{Comparison, key::KeyHash, sink::ComparisonSink},
    prediction_id::PredictionId,
    router::{AnswerObserver, LiveAnswer},
    shadow::{Dropped, policy::Shadow},
};

/// Decides whether a candidate is worse, not worse, better or equal, from what its shadows
/// answered; safe to ask after every request.
///
/// It is a [`ComparisonSink`]: give the router one handle, and keep another. A clone is the same
/// verdict.
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
    /// What earlier runs of this process have counted.
    before: Mutex<Option<Tally>>,
    attempt: AtomicU32,
}

impl<P, L> Clone for Verdict<P, L> {
    fn clone(&self) -> Verdict<P, L> {
        Verdict { inner: Arc::clone(&self.inner) }
    }
}

/// What became of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutcomeReceipt {
    /// Counted for the version that answered.
    Counted,
    /// The prediction is not known: it was not a user's first, or is too old, or its outcome has
    /// come already.
    Unknown,
    /// No such metric was asked for.
    NoMetric,
}

/// Whether a promoted version has got worse.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct GuardJudgement {
    /// The metric.
    pub name: String,
    /// `ln M` of the detector; `None` before the first pair.
    pub ln_m: Option<f64>,
    /// Where it raises the alarm.
    pub threshold: f64,
    /// Whether it has.
    pub alarm: bool,
}

impl<P, L> Verdict<P, L> {
    /// Begins a verdict on this version.
    pub fn builder(candidate: impl AsRef<str>) -> VerdictBuilder<P, L> {
        VerdictBuilder::new(candidate.as_ref())
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

    /// What was asked.
    pub fn config(&self) -> &VerdictConfig {
        &self.inner.plan.config
    }

    /// What the evidence says now. Costs microseconds, and may be asked as often as you like: the
    /// evidence is valid at every look.
    pub fn judge(&self) -> Judgement {
        judge(self.config(), &self.tally())
    }

    /// The judgement with everything it was made from.
    pub fn evidence(&self) -> Evidence {
        Evidence::new(self.config().clone(), self.tally())
    }

    /// All that has been counted.
    pub fn tally(&self) -> Tally {
        let mut tally = self.own_tally();
        if let Some(before) = &*self.inner.before.lock() {
            // It was checked when it was taken in.
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

    /// Goes on from what an earlier process has counted: from then on its sums are part of this
    /// verdict's.
    ///
    /// # Errors
    ///
    /// [`TallyMismatch`] when those sums answer another question: the configuration or the attempt
    /// has changed. Begin a new [attempt](VerdictBuilder::attempt) then.
    pub fn resume(&self, earlier: &Tally) -> Result<(), TallyMismatch> {
        let mut sum = self.own_tally();
        let mut before = self.inner.before.lock();
        if let Some(before) = &*before {
            sum.merge(before)?;
        }
        // The test is the same for what has not been counted yet.
        sum.merge(earlier)?;
        match &mut *before {
            Some(before) => before.merge(earlier),
            none => {
                *none = Some(earlier.clone());
                Ok(())
            }
        }
    }

    /// Forgets all that was counted, and begins this attempt: each may spend half the error of the
    /// one before. Live stages begin anew; of these, 64 attempts can be told apart in one process.
    pub fn begin_attempt(&self, attempt: u32) {
        let VerdictShared { plan, state, seen, live, before, attempt: current } = &*self.inner;
        let mut state = state.lock();
        state.reset(plan);
        seen.clear();
        live.reset(attempt);
        *before.lock() = None;
        current.store(attempt, Ordering::Relaxed);
    }

    /// The attempt, from 0.
    pub fn attempt(&self) -> u32 {
        self.inner.attempt.load(Ordering::Relaxed)
    }

    /// Says what the truth was of the prediction with this id, from any thread, at any time later:
    /// both versions' answers are scored by it.
    pub fn label(&self, id: PredictionId, truth: L) -> LabelOutcome {
        self.inner.state.lock().label(&self.inner.plan, id, truth)
    }

    /// Says that no further label will come: pairs without one count as not labelled.
    pub fn close_labels(&self) {
        self.inner.state.lock().close_labels();
    }

    /// Says what came of a live prediction in the end: a sale, a complaint, minutes watched. For
    /// the first [`Metric::outcome`](super::Metric::outcome) asked for. Only a user's first
    /// request in a stage counts.
    pub fn outcome(&self, id: PredictionId, value: f64) -> OutcomeReceipt {
        self.outcome_named(None, id, value)
    }

    /// The same for the outcome of this name.
    pub fn outcome_of(&self, name: &str, id: PredictionId, value: f64) -> OutcomeReceipt {
        self.outcome_named(Some(name), id, value)
    }

    fn outcome_named(&self, name: Option<&str>, id: PredictionId, value: f64) -> OutcomeReceipt {
        let live = &self.inner.live;
        match live.outcome(name, id, value) {
            None => OutcomeReceipt::NoMetric,
            Some(false) => OutcomeReceipt::Unknown,
            Some(true) => {
                if live.has_one_outcome() {
                    live.forget(id);
                }
                OutcomeReceipt::Counted
            }
        }
    }

    /// Whether a pair of this user would be scored, at this time since 1970.
    pub fn wants(&self, key: &KeyHash, time: Duration) -> bool {
        let window = match self.config().unit {
            Unit::Request => return true,
            Unit::Key => 0,
            Unit::KeyPer(window) => {
                1 + u64::try_from(time.as_millis()).unwrap_or(u64::MAX) / window.max(1)
            }
        };
        !self.inner.seen.contains(user_filter::of_key(key, window))
    }

    /// The users scored so far, as bits: for other processes that judge the same candidate with
    /// the same [key hasher](crate::Shadow::key_hasher), so that a user is scored once in all of
    /// them. About two bytes a user expected.
    pub fn seen(&self) -> Vec<u8> {
        self.inner.seen.to_bytes()
    }

    /// Takes in the users that another process has scored.
    ///
    /// # Errors
    ///
    /// [`TallyMismatch`] when the other one expected another number of users.
    pub fn merge_seen(&self, other: &[u8]) -> Result<(), TallyMismatch> {
        self.inner.seen.merge(other)
    }

    /// The users seen live so far, as bits, like [`seen`](Verdict::seen).
    pub fn seen_live(&self) -> Vec<u8> {
        self.inner.live.seen().to_bytes()
    }

    /// Takes in the users that another process has seen live.
    ///
    /// # Errors
    ///
    /// [`TallyMismatch`] when the other one expected another number of users.
    pub fn merge_seen_live(&self, other: &[u8]) -> Result<(), TallyMismatch> {
        self.inner.live.seen().merge(other)
    }

    /// From now on, live requests belong to this stage of the ramp, in which the candidate has
    /// this share of the users whom the flag means for it, in thousandths of a percent. Stages are
    /// numbered from 0 to 15, and each has one share. Answers `false`, and changes nothing, for
    /// another number or a stage that was begun with another share.
    pub fn enter_stage(&self, stage: u32, share: u32) -> bool {
        let entered = self.inner.live.enter(stage, share);
        if entered {
            self.inner.state.lock().begin_stage(stage, share);
        }
        entered
    }

    /// Live requests belong to no stage, and are not counted: the state at the start.
    pub fn leave_stage(&self) {
        self.inner.live.leave();
    }

    /// Whether the promoted candidate has got worse, for each paired guardrail: fed by the pairs in
    /// which the candidate answered and the champion ran in its shadow, each user once a day. Worse
    /// is worse by more than the metric's margin, for by less it was allowed to be. Of this process alone;
    /// divide `alpha` (1e-6, say) by the number of processes.
    pub fn guard(&self, alpha: f64) -> Vec<GuardJudgement> {
        let threshold = -alpha.clamp(1e-300, 1.0).ln();
        let state = self.inner.state.lock();
        let metrics = self.config().metrics.iter().zip(&state.guards);
        metrics
            .filter(|(metric, _)| {
                metric.must_pass()
                    && matches!(
                        metric.kind,
                        MetricKind::Failures | MetricKind::Accuracy | MetricKind::Loss
                    )
            })
            .map(|(metric, guard)| {
                let ln_m = guard.ln_shiryaev_roberts();
                GuardJudgement {
                    name: metric.name.clone(),
                    ln_m,
                    threshold,
                    alarm: ln_m.is_some_and(|ln_m| ln_m >= threshold),
                }
            })
            .collect()
    }

    /// How each paired metric came to where it is. Costs up to some ten milliseconds.
    pub fn timelines(&self) -> Vec<MetricTimeline> {
        let lines: Vec<(Vec<Counts>, Vec<StageMark>)> = {
            let state = self.inner.state.lock();
            let lines = state.timelines.iter().enumerate();
            lines.map(|(place, line)| (line.points().to_vec(), state.stage_marks(place))).collect()
        };
        let now = self.tally();
        let metrics = self.config().metrics.iter().zip(lines);
        metrics
            .filter(|(metric, _)| metric.kind.is_paired())
            .map(|(metric, (mut counts, stages))| {
                if let Some(now) = now.metrics.get(&metric.name)
                    && counts.last() != Some(now)
                {
                    counts.push(now.clone());
                }
                let points = counts.iter().filter_map(|counts| self.point(&metric.name, counts));
                MetricTimeline { name: metric.name.clone(), points: points.collect(), stages }
            })
            .collect()
    }

    fn point(&self, name: &str, counts: &Counts) -> Option<TimelinePoint> {
        let judged = super::judge::of_counts(self.config(), name, counts)?;
        let (lower, upper) = judged.interval?;
        Some(TimelinePoint {
            pairs: judged.pairs,
            estimate: judged.estimate?,
            lower,
            upper,
            ln_e_worse: judged.ln_e_worse,
            ln_e_not_worse: judged.ln_e_not_worse,
        })
    }

    /// The disagreements that were kept
    /// ([`VerdictBuilder::show_disagreements`](VerdictBuilder::show_disagreements)).
    pub fn disagreements(&self) -> Disagreements {
        self.inner.state.lock().disagreements.all()
    }

    pub(super) fn take(&self, comparison: &Comparison<P>) {
        self.inner.state.lock().record(&self.inner.plan, &self.inner.seen, comparison);
    }

    pub(super) fn scored(&self) -> u64 {
        self.inner.state.lock().pairs_scored()
    }

    /// A run that came to no comparison.
    pub(super) fn take_dropped(
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
}

impl Shadow {
    /// Runs a candidate only for users whose pair this verdict would score: by default each user
    /// once, which spares the work of shadows that nobody would look at. An
    /// [`admit`](Shadow::admit) of the policy is replaced.
    ///
    /// A [sample](Shadow::sample) draws the same users for ever: with this, once each of them has
    /// been scored, nothing runs any more. Draw more of them then.
    pub fn first_sight<P, L>(self, verdict: &Verdict<P, L>) -> Shadow
    where
        P: Send + Sync + 'static,
        L: Send + Sync + 'static,
    {
        let verdict = verdict.clone();
        self.admit(move |key| {
            let time = match verdict.config().unit {
                Unit::KeyPer(_) => since_epoch(SystemTime::now()),
                _ => Duration::ZERO,
            };
            verdict.wants(key, time)
        })
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

    /// Missing pairs, whatever their cause: nobody knows whose they were.
    fn dropped_unreported(&self, candidate: &crate::Version, runs: u64) {
        let VerdictShared { plan, state, .. } = &*self.inner;
        if *candidate == plan.candidate {
            state.lock().unreported(runs);
        }
    }
}

/// Counts users and failures of the stage that the ramp is in, by arm: the candidate's, and those
/// whom the flag meant for it and an autopilot held back. All others are left out.
///
/// A user who has been seen costs a request a hash of the key, a look at one cache line and a
/// counter of the thread's own.
impl<P: Send + Sync, L: Send + Sync> AnswerObserver for Verdict<P, L> {
    #[inline]
    fn answered(&self, answer: &LiveAnswer<'_>) {
        let VerdictShared { live, plan, .. } = &*self.inner;
        if !live.is_on() || *answer.named != plan.candidate {
            return;
        }
        let arm = match (answer.asked, answer.held_back) {
            (true, _) => Arm::Candidate,
            (false, true) => Arm::HeldBack,
            // Blocked, or left alone by its breaker: no comparison.
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

impl<P, L> fmt::Debug for Verdict<P, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verdict")
            .field("candidate", &self.inner.plan.candidate)
            .field("pairs", &self.scored())
            .finish_non_exhaustive()
    }
}
