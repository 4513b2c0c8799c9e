//! The async router: the same decisions, models on a pool or on their own I/O, deadlines.

mod batch;
mod compute;
mod hosted;
mod lane;
pub(crate) mod model;
mod runtime;
mod wait;

use std::{borrow::Borrow, fmt, future::Future, sync::Arc, time::Duration};

use futures::future::{join, join_all};

pub(crate) use self::runtime::{Blocking, Runtime};
pub use self::runtime::{Spawned, Spawner};
use self::{
    compute::{CallReport, Computed, compute},
    hosted::{Hosted, Lanes},
    lane::LaneError,
    model::AsyncModel,
    runtime::run_on_thread,
    wait::wait,
};
use super::{
    BuildError, Decision, Explanation, Input, OperateError, Output, PredictError, Prediction,
    RouterBuilder, RouterStats, ServedAnswer,
    builder::Parts,
    call::{Called, FiniteCheck, measured_call},
    conclude,
    core::{Choice, Core, MissingKeyError},
    deferred_drop::DeferredDrop,
    operate::operations,
    registered::AnyModel,
    shadowing::{self, ComparedOn, JoinedShadow, Served, Shadowing},
    table::{Candidate, Candidates, RoutingTable},
};
use crate::{
    context::EvaluationContext,
    flag::store::{Flags, FlagsStatus, NotReadyError},
    model::{Acceptance, Model},
    prediction_id::PredictionId,
    process::OwnerProcess,
    shadow::{Marked, ShadowScope, is_shadow},
    timer::Timer,
    version::Version,
};

/// What a builder knows of the async side.
#[derive(Clone, Default)]
pub(crate) struct ComputeSettings {
    threads: Option<usize>,
    queue: Option<usize>,
    deadline: Option<Duration>,
    spawner: Option<Arc<dyn Spawner>>,
}

/// Requests that may wait for the pool before further ones are refused.
const QUEUE: usize = 1_024;

/// More is a mistake, and asking the system for a billion threads takes it down.
const MOST_THREADS: usize = 1_024;

/// The queue's memory is taken when it is made.
const LONGEST_QUEUE: usize = 1 << 20;

impl ComputeSettings {
    fn validate(&self) -> Result<(), BuildError> {
        let wrong =
            |field, found: String, expected| Err(BuildError::Setting { field, found, expected });
        match *self {
            ComputeSettings { threads: Some(threads), .. }
                if !(1..=MOST_THREADS).contains(&threads) =>
            {
                wrong("compute_threads", threads.to_string(), "1 to 1024")
            }
            ComputeSettings { queue: Some(queue), .. } if !(1..=LONGEST_QUEUE).contains(&queue) => {
                wrong("compute_queue", queue.to_string(), "1 to 1048576")
            }
            ComputeSettings { deadline: Some(Duration::ZERO), .. } => {
                wrong("deadline", "0 s".to_owned(), "more than 0 s")
            }
            _ => Ok(()),
        }
    }
}

impl<F: ?Sized + Input, P: Output> RouterBuilder<F, P> {
    /// Async only: how long a version may take before the fallback is asked instead. The fallback
    /// then has as long again. Default: no limit.
    ///
    /// A computation that is already running cannot be interrupted: it ends on its thread and its
    /// answer is thrown away. One that still waits for a thread is never started. The thread of a
    /// late computation is written off and another started in its place, up to 32 for each version;
    /// a version that holds up all of its threads and these is refused
    /// ([`Overloaded`](crate::model::ModelErrorKind::Overloaded)), and the fallback answers at once.
    /// The threads of other versions are never touched. A caller that goes away before the deadline
    /// changes nothing about this: its call is counted by how it ends.
    pub fn deadline(mut self, deadline: Duration) -> RouterBuilder<F, P> {
        self.compute.deadline = Some(deadline);
        self
    }

    /// Async only: the threads of each version that computes. A version uses only its own, so that
    /// one that hangs leaves the others theirs; those of the fallback versions are started with the
    /// router, those of others when they are first needed. Default: one for each processor.
    pub fn compute_threads(mut self, threads: usize) -> RouterBuilder<F, P> {
        self.compute.threads = Some(threads);
        self
    }

    /// Async only: how many requests may wait for the threads of each version. A further one is
    /// answered by the fallback; where that has no room either, it is
    /// [refused](PredictError::is_overloaded) at once. Default: 1,024.
    pub fn compute_queue(mut self, requests: usize) -> RouterBuilder<F, P> {
        self.compute.queue = Some(requests);
        self
    }

    /// Async only: where detached shadows of models that wait ([`AsyncModel`](crate::AsyncModel))
    /// are polled. Default: on the shadows' own threads, with the tokio runtime around them in which
    /// [`build_async`](Self::build_async) was called, if there was one (feature `tokio`): its timers
    /// and sockets work there, and none of its threads is taken from a live request. That suits
    /// tokio, actix, and every model that brings its own runtime or needs none.
    ///
    /// With a spawner the shadows run among the other tasks of that executor: they share its threads
    /// with live requests. A shadow's thread waits for each, so that queue, deadline and budget hold
    /// all the same.
    pub fn spawner(mut self, spawner: impl Spawner) -> RouterBuilder<F, P> {
        self.compute.spawner = Some(Arc::new(spawner));
        self
    }

    /// Builds an [`AsyncModelRouter`].
    ///
    /// # Errors
    ///
    /// [`BuildError`], naming the setting.
    pub fn build_async(self) -> Result<AsyncModelRouter<F, P>, BuildError> {
        self.compute.validate()?;
        let ComputeSettings { threads, queue, deadline, spawner } = self.compute.clone();
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let lanes = Lanes {
            threads: threads.unwrap_or_else(processors),
            queue: queue.unwrap_or(QUEUE),
            runtime: Runtime::here(spawner),
        };
        let fallbacks = self.fallbacks.clone();
        let hosted = |version: &Version, model| {
            let hosted = Hosted::new(model, &lanes);
            match fallbacks.contains(version) {
                true => hosted.filled().map_err(BuildError::Thread),
                false => Ok(hosted),
            }
        };
        let Parts { core, shadowing, finite } = self.assemble(hosted)?;
        let deadline = match deadline {
            Some(limit) => Some((limit, Timer::start().map_err(BuildError::Thread)?)),
            None => None,
        };
        let (owner, _deferred_drop) = (OwnerProcess::current(), shadowing.deferred_drop(&core));
        let inner =
            AsyncRouterState { _deferred_drop, owner, core, shadowing, finite, lanes, deadline };
        Ok(AsyncModelRouter { inner: Arc::new(inner) })
    }
}

/// The async face of the router, for any runtime.
///
/// It decides as [`ModelRouter`](crate::ModelRouter) does, from the same flags. Models that compute
/// run on a pool of the router's own, never on an executor's worker, so that other requests of the
/// service do not wait behind them; models that wait ([`AsyncModel`](crate::AsyncModel)) are polled in place.
///
/// ```
/// use modelgate::{Context, ModelRouter, Rollout, model_fn};
///
/// # futures::executor::block_on(async {
/// let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
///     .model("v1", model_fn(|features: &[f32]| Ok(features.iter().sum())))
///     .fallback("v1")
///     .source(Rollout::everyone("v1").flag("ml-model-version")?)
///     .deadline(std::time::Duration::from_millis(50))
///     .build_async()?;
///
/// let answer = router.predict(&Context::new("user-42"), vec![1.0, 2.0]).await?;
/// assert_eq!(*answer.output(), 3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct AsyncModelRouter<F: ?Sized, P> {
    inner: Arc<AsyncRouterState<F, P>>,
}

struct AsyncRouterState<F: ?Sized, P> {
    // First: what follows is then not the last to go.
    _deferred_drop: DeferredDrop,
    owner: OwnerProcess,
    core: Arc<Core<Hosted<F, P>>>,
    shadowing: Shadowing<F, P>,
    finite: FiniteCheck<P>,
    lanes: Lanes,
    deadline: Option<(Duration, Timer)>,
}

impl<F: ?Sized, P> Clone for AsyncModelRouter<F, P> {
    fn clone(&self) -> AsyncModelRouter<F, P> {
        AsyncModelRouter { inner: Arc::clone(&self.inner) }
    }
}

impl<F: ?Sized + Input, P: Output> fmt::Debug for AsyncModelRouter<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncModelRouter")
            .field("binding", &self.inner.core.settings.binding)
            .field("versions", &self.versions())
            .field("fallbacks", &self.inner.core.settings.fallbacks)
            .finish_non_exhaustive()
    }
}

/// A request that has been decided and is about to run.
struct DecidedRequest<F: ?Sized + Input, P: Output> {
    table: Arc<RoutingTable<Hosted<F, P>>>,
    id: PredictionId,
    choice: Choice,
    candidates: Candidates,
    /// Kept only for requests with shadows, or with an observer.
    key: Option<Box<str>>,
}

impl<F: ?Sized + Input, P: Output> AsyncModelRouter<F, P> {
    /// Answers with the version that the flags choose for this context.
    ///
    /// The decision is taken at once, before the returned future is polled; the context need not
    /// outlive this call. Dropping the future gives the request up: a computation that still waits
    /// for a thread is then never started.
    ///
    /// # Errors
    ///
    /// As [`ModelRouter::predict`], and [`PredictError::is_overloaded`] when too many requests wait
    /// for the pool.
    ///
    /// [`ModelRouter::predict`]: crate::ModelRouter::predict
    pub fn predict<I: Into<F::Owned>>(
        &self,
        context: &dyn EvaluationContext,
        features: I,
    ) -> impl Future<Output = Result<Prediction<P>, PredictError>> + Send + use<F, P, I> {
        let inner = Arc::clone(&self.inner);
        let started = inner.start(context);
        let features = Arc::new(features.into());
        async move { inner.run(started?, features).await }
    }

    /// Puts a version in, or replaces it; see [`ModelRouter::install`].
    ///
    /// [`ModelRouter::install`]: crate::ModelRouter::install
    ///
    /// # Errors
    ///
    /// [`OperateError::Ineligible`] when the model fails its checks.
    pub fn install(
        &self,
        version: impl Into<Version>,
        model: impl Model<F, P> + 'static,
        acceptance: &Acceptance<F, P>,
    ) -> Result<(), OperateError> {
        let model = AnyModel::compute(model);
        self.put_in(version.into(), model, acceptance)
    }
}

impl<F: ?Sized + Input, P: Output> AsyncModelRouter<F, P> {
    /// Puts a version in that waits for something else, or replaces it; as
    /// [`install`](AsyncModelRouter::install). Its checks wait on the calling thread: where that
    /// thread drives the runtime which the model needs, call this on another one.
    ///
    /// # Errors
    ///
    /// [`OperateError::Ineligible`] when the model fails its checks.
    pub fn install_async_model(
        &self,
        version: impl Into<Version>,
        model: impl AsyncModel<F, P> + 'static,
        acceptance: &Acceptance<F, P>,
    ) -> Result<(), OperateError> {
        let model = AnyModel::waiting(model);
        self.put_in(version.into(), model, acceptance)
    }

    fn put_in(
        &self,
        version: Version,
        model: AnyModel<F, P>,
        acceptance: &Acceptance<F, P>,
    ) -> Result<(), OperateError> {
        let (checked, hosted) = (model.check(acceptance), Hosted::new(model, &self.inner.lanes));
        self.inner.core.install_checked(version.clone(), checked, hosted)?;
        self.inner.shadowing.forgive(&version);
        Ok(())
    }
}

operations!(AsyncModelRouter);

impl<F: ?Sized + Input, P: Output> AsyncModelRouter<F, P> {
    /// As [`wait_ready`](Self::wait_ready), without holding up the thread that polls this.
    ///
    /// # Errors
    ///
    /// [`NotReadyError`](crate::flag::store::NotReadyError), when `timeout` passes first.
    pub async fn ready(&self, timeout: Duration) -> Result<(), NotReadyError> {
        let flags = self.inner.core.flags.clone();
        run_on_thread(move || flags.wait_ready(timeout)).await
    }

    /// As [`flush`](Self::flush), without holding up the thread that polls this: where that thread
    /// drives the runtime which the shadows wait for, only this one comes to its end.
    pub async fn flushed(&self, timeout: Duration) -> bool {
        let inner = Arc::clone(&self.inner);
        run_on_thread(move || inner.shadowing.flush(timeout)).await
    }

    /// Ends what runs beside the answers; see
    /// [`ModelRouter::shutdown`](crate::ModelRouter::shutdown). Nothing of it holds up the thread
    /// that polls this.
    pub async fn shutdown(&self, timeout: Duration) -> bool {
        let inner = Arc::clone(&self.inner);
        run_on_thread(move || inner.shadowing.shutdown(timeout)).await
    }
}

impl LaneError {
    /// What a caller is told, or the failure that has the next version asked.
    fn otherwise<P>(self, is_last: bool) -> Result<Called<P>, PredictError> {
        match (self, is_last) {
            (refused, false) => Ok(Called::failed(refused.into_model_error(), Duration::ZERO)),
            (LaneError::Full | LaneError::Hung, true) => Err(PredictError::overloaded()),
            (LaneError::Stopped, true) => Err(PredictError::stopped()),
        }
    }
}

/// A request with shadows that has no answer yet. Dropped before it has one, it counts its runs.
struct UnansweredShadows<'a, F: ?Sized + Input, P: Output> {
    shadowing: &'a Shadowing<F, P>,
    table: &'a RoutingTable<Hosted<F, P>>,
    candidates: &'a [Candidate],
    slot: usize,
    of: (Option<&'a str>, PredictionId),
}

impl<F: ?Sized + Input, P: Output> UnansweredShadows<'_, F, P> {
    /// There is an answer.
    fn end(mut self) {
        self.candidates = &[];
    }
}

impl<F: ?Sized + Input, P: Output> Drop for UnansweredShadows<'_, F, P> {
    fn drop(&mut self) {
        self.shadowing.unanswered(self.table, self.candidates, self.slot, self.of);
    }
}

impl<F: ?Sized + Input, P: Output> AsyncRouterState<F, P> {
    fn start(&self, context: &dyn EvaluationContext) -> Result<DecidedRequest<F, P>, PredictError> {
        self.start_from(&self.core.table.load().to_arc(), context)
    }

    fn start_from(
        &self,
        table: &Arc<RoutingTable<Hosted<F, P>>>,
        context: &dyn EvaluationContext,
    ) -> Result<DecidedRequest<F, P>, PredictError> {
        if !self.owner.is_current() {
            return Err(PredictError::stopped());
        }
        let id = PredictionId::generate();
        let mut choice = self
            .core
            .choose(table, context, true)
            .map_err(|MissingKeyError| PredictError::missing_key())?;
        self.core.count(table, &choice);
        let candidates = self.core.candidates(table, context, choice.slot, id);
        choice.is_compared = self.shadowing.has_room(&candidates);
        let key = match candidates.is_empty() && self.core.named(&choice).is_none() {
            true => None,
            false => shadowing::key(context).map(Box::from),
        };
        Ok(DecidedRequest { table: Arc::clone(table), id, choice, candidates, key })
    }

    async fn run(
        &self,
        started: DecidedRequest<F, P>,
        features: Arc<F::Owned>,
    ) -> Result<Prediction<P>, PredictError> {
        let DecidedRequest { table, id, choice, candidates, key } = started;
        let named = self.core.named(&choice);
        // Also when the caller gives the request up.
        let unanswered = UnansweredShadows {
            shadowing: &self.shadowing,
            table: &table,
            candidates: &candidates,
            slot: choice.slot,
            of: (key.as_deref(), id),
        };
        let (join_pool, detached): (Candidates, Candidates) =
            candidates.iter().copied().partition(|candidate| self.shadowing.is_joined(candidate));
        let (answered, joined) = join(
            self.answer(&table, choice, &features),
            join_all(join_pool.iter().map(|candidate| self.join(&table, *candidate, &features))),
        )
        .await;
        let answered = answered?;
        unanswered.end();
        let (choice, called) = (&answered.choice, &answered.called);
        if !candidates.is_empty()
            && let Some(served) = Served::new(&table, choice, called, key.as_deref(), id)
        {
            let features: &F = (*features).borrow();
            let on = ComparedOn::ShadowThread;
            self.shadowing.compare_joined(&table, &served, features, joined, on);
            self.shadowing.offer(&table, &detached, &served, features);
        }
        self.core.observe(&table, named, &answered, (key.as_deref(), id));
        conclude(&table, answered, id)
    }

    async fn answer(
        &self,
        table: &RoutingTable<Hosted<F, P>>,
        choice: Choice,
        features: &Arc<F::Owned>,
    ) -> Result<ServedAnswer<P>, PredictError> {
        let (mut choice, mut first) = (choice, None);
        loop {
            let called = self.ask(table, &choice, features).await?;
            match called.outcome {
                Err(error) if choice.slot != table.fallback => {
                    choice = self.core.fall_back(table, choice, Some(&error));
                    first = first.or(Some(error));
                }
                _ => return Ok(ServedAnswer { choice, called, first }),
            }
        }
    }

    /// A joined candidate: asked beside the primary, with the same deadline.
    async fn join(
        &self,
        table: &RoutingTable<Hosted<F, P>>,
        candidate: Candidate,
        features: &Arc<F::Owned>,
    ) -> JoinedShadow<P> {
        let hosted = table.slots.get(candidate.slot).and_then(|slot| slot.model.as_ref().ok());
        let called = match hosted {
            Some(hosted) => {
                let report =
                    CallReport::new::<()>(None, [], &self.core.settings.clock).measured(true);
                Marked::new(self.call(hosted, report, features), None).await
            }
            None => Ok(Called::not_loaded()),
        };
        // A lane without room is the candidate's loss, never the caller's.
        JoinedShadow { candidate, called: called.ok() }
    }

    async fn ask(
        &self,
        table: &RoutingTable<Hosted<F, P>>,
        choice: &Choice,
        features: &Arc<F::Owned>,
    ) -> Result<Called<P>, PredictError> {
        let slot = table.slots.get(choice.slot);
        let Some((slot, Ok(hosted))) = slot.map(|slot| (slot, &slot.model)) else {
            return Ok(Called::not_loaded());
        };
        let report = CallReport::new(Some(slot), [choice.ticket], &self.core.settings.clock)
            .measured(choice.is_compared);
        let called = self.call(hosted, report, features).await;
        called.or_else(|refused| refused.otherwise(choice.slot == table.fallback))
    }

    /// One call within the deadline, counted however it ends.
    async fn call(
        &self,
        hosted: &Hosted<F, P>,
        report: CallReport,
        features: &Arc<F::Owned>,
    ) -> Result<Called<P>, LaneError> {
        let deadline = self.deadline.as_ref();
        match (&hosted.model, &hosted.lane) {
            (AnyModel::Compute(model), Some(lane)) => {
                let (model, features, finite) =
                    (Arc::clone(model), Arc::clone(features), self.finite);
                let for_shadow = is_shadow();
                let measured = report.is_measured;
                let work = move || {
                    let _inside = for_shadow.then(|| ShadowScope::enter(None));
                    measured_call(&*model, (*features).borrow(), finite, measured)
                };
                match compute(lane, deadline, report, std::slice::from_ref, work).await {
                    Computed::Done(called) => Ok(called),
                    Computed::Late(error, waited) => Ok(Called::failed(error, waited)),
                    Computed::Refused(refused) => Err(refused),
                }
            }
            (AnyModel::Waiting(model), _) => {
                let features: &F = (**features).borrow();
                Ok(wait(&**model, features, self.finite, deadline, report).await)
            }
            // Every model that computes has a lane.
            (AnyModel::Compute(_), None) => Ok(Called::not_loaded()),
        }
    }
}
