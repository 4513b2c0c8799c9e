//! The async router: the same decisions, models on a pool or on their own I/O, deadlines.

mod batch;
pub(crate) mod model;
mod pool;

use std::{
    borrow::Borrow,
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{
    FutureExt,
    future::{Either, join, join_all, select},
};

pub(crate) use self::model::Blocking;
use self::model::{AsyncModel, Guarded, block_on};
use self::pool::{ComputePool, Progress, Refused};
use super::{
    Answered, BuildError, Decision, Explanation, Input, OperateError, Output, PredictError,
    Prediction, RouterBuilder, RouterStats,
    builder::Parts,
    call::{Called, FiniteCheck, call, checked},
    conclude,
    core::{Choice, Core, KeyRefused},
    operate::operations,
    registered::AnyModel,
    shadowing::{self, ComparedOn, Joined, Served, Shadowable, Shadowing},
    slot::Handle,
    table::{Candidate, Candidates, Table},
};
use crate::{
    context::EvaluationContext,
    flag::store::{Flags, FlagsStatus, NotReadyError},
    model::{Acceptance, Model, ModelError, ModelErrorKind},
    prediction_id::PredictionId,
    timer::Timer,
    version::Version,
};

/// What a builder knows of the async side.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compute {
    threads: Option<usize>,
    queue: Option<usize>,
    deadline: Option<Duration>,
}

/// Requests that may wait for the pool before further ones are refused.
const QUEUE: usize = 1_024;

/// More is a mistake, and asking the system for a billion threads takes it down.
const MOST_THREADS: usize = 1_024;

/// The queue's memory is taken when it is made.
const LONGEST_QUEUE: usize = 1 << 20;

impl Compute {
    fn validate(&self) -> Result<(), BuildError> {
        let wrong =
            |field, found: String, expected| Err(BuildError::Setting { field, found, expected });
        match *self {
            Compute { threads: Some(threads), .. } if !(1..=MOST_THREADS).contains(&threads) => {
                wrong("compute_threads", threads.to_string(), "1 to 1024")
            }
            Compute { queue: Some(queue), .. } if !(1..=LONGEST_QUEUE).contains(&queue) => {
                wrong("compute_queue", queue.to_string(), "1 to 1048576")
            }
            Compute { deadline: Some(Duration::ZERO), .. } => {
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
    /// A computation that is already running cannot be interrupted: it ends on its pool thread and
    /// its answer is thrown away. One that still waits for a thread is never started. When every
    /// thread is held up by late computations, another is started in their place (up to 32), so
    /// that a version that hangs leaves the fallback a thread to answer on.
    pub fn deadline(mut self, deadline: Duration) -> RouterBuilder<F, P> {
        self.compute.deadline = Some(deadline);
        self
    }

    /// Async only: the threads of the pool that runs models which compute. Default: one for each
    /// processor.
    pub fn compute_threads(mut self, threads: usize) -> RouterBuilder<F, P> {
        self.compute.threads = Some(threads);
        self
    }

    /// Async only: how many requests may wait for the pool. A further one is
    /// [refused](PredictError::is_overloaded) at once. Default: 1,024.
    pub fn compute_queue(mut self, requests: usize) -> RouterBuilder<F, P> {
        self.compute.queue = Some(requests);
        self
    }

    /// Builds an [`AsyncModelRouter`].
    ///
    /// # Errors
    ///
    /// [`BuildError`], naming the setting.
    pub fn build_async(self) -> Result<AsyncModelRouter<F, P>, BuildError> {
        self.compute.validate()?;
        let Parts { core, shadowing, finite, compute } = self.assemble(|_, model| Ok(model))?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = compute.threads.unwrap_or(processors);
        let pool = ComputePool::start(threads, compute.queue.unwrap_or(QUEUE))
            .map_err(BuildError::Thread)?;
        let deadline = match compute.deadline {
            Some(limit) => Some((limit, Timer::start().map_err(BuildError::Thread)?)),
            None => None,
        };
        let inner = Inner { core, shadowing, finite, pool, deadline };
        Ok(AsyncModelRouter { inner: Arc::new(inner) })
    }
}

impl<F: Input + ?Sized, P: Output> Handle for AnyModel<F, P> {
    fn can_answer(&self) -> bool {
        match self {
            AnyModel::Compute(model) => model.is_loaded(),
            AnyModel::Waiting(model) => model.is_loaded(),
        }
    }
    fn load(&self) -> Result<(), ModelError> {
        match self {
            AnyModel::Compute(model) => Model::load(&**model),
            AnyModel::Waiting(model) => block_on(model.load()),
        }
    }
}

impl<F: Input + ?Sized, P: Output> Shadowable<F, P> for AnyModel<F, P> {
    fn shadow(&self) -> Arc<dyn Model<F, P>> {
        match self {
            AnyModel::Compute(model) => Arc::clone(model),
            AnyModel::Waiting(model) => Arc::new(Blocking(Arc::clone(model))),
        }
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
    inner: Arc<Inner<F, P>>,
}

struct Inner<F: ?Sized, P> {
    core: Arc<Core<AnyModel<F, P>>>,
    shadowing: Shadowing<F, P>,
    finite: FiniteCheck<P>,
    pool: ComputePool,
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
struct Started<F: ?Sized + Input, P: Output> {
    table: Arc<Table<AnyModel<F, P>>>,
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
        let version = version.into();
        self.inner.core.install_checked(version.clone(), model.check(acceptance), model)?;
        self.inner.shadowing.forgive(&version);
        Ok(())
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
        self.inner.core.install_checked(version.into(), model.check(acceptance), model)
    }
}

operations!(AsyncModelRouter);

impl Refused {
    fn into_error(self) -> PredictError {
        match self {
            Refused::Full => PredictError::overloaded(),
            Refused::Stopped => PredictError::stopped(),
        }
    }
}

impl<F: ?Sized + Input, P: Output> Inner<F, P> {
    fn start(&self, context: &dyn EvaluationContext) -> Result<Started<F, P>, PredictError> {
        self.start_from(&self.core.table.load().to_arc(), context)
    }

    fn start_from(
        &self,
        table: &Arc<Table<AnyModel<F, P>>>,
        context: &dyn EvaluationContext,
    ) -> Result<Started<F, P>, PredictError> {
        let id = PredictionId::generate();
        let choice = self
            .core
            .choose(table, context, true)
            .map_err(|KeyRefused| PredictError::missing_key())?;
        self.core.count(table, &choice);
        let candidates = self.core.candidates(table, context, choice.slot, id);
        let key = match candidates.is_empty() && self.core.named(&choice).is_none() {
            true => None,
            false => shadowing::key(context).map(Box::from),
        };
        Ok(Started { table: Arc::clone(table), id, choice, candidates, key })
    }

    async fn run(
        &self,
        started: Started<F, P>,
        features: Arc<F::Owned>,
    ) -> Result<Prediction<P>, PredictError> {
        let Started { table, id, choice, candidates, key } = started;
        let named = self.core.named(&choice);
        let (beside, detached): (Candidates, Candidates) =
            candidates.iter().copied().partition(|candidate| self.shadowing.is_joined(candidate));
        let (answered, joined) = join(
            self.answer(&table, choice, &features),
            join_all(beside.iter().map(|candidate| self.join(&table, *candidate, &features))),
        )
        .await;
        let answered = answered?;
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
        table: &Table<AnyModel<F, P>>,
        choice: Choice,
        features: &Arc<F::Owned>,
    ) -> Result<Answered<P>, PredictError> {
        let (mut choice, mut first) = (choice, None);
        loop {
            let called = self.ask(table, &choice, features).await?;
            match called.outcome {
                Err(error) if choice.slot != table.fallback => {
                    choice = self.core.fall_back(table, choice, Some(&error));
                    first = first.or(Some(error));
                }
                _ => return Ok(Answered { choice, called, first }),
            }
        }
    }

    /// A joined candidate: asked beside the primary, with the same deadline.
    async fn join(
        &self,
        table: &Table<AnyModel<F, P>>,
        candidate: Candidate,
        features: &Arc<F::Owned>,
    ) -> Joined<P> {
        let model = table.slots.get(candidate.slot).and_then(|slot| slot.model.as_ref().ok());
        let called = match model {
            Some(model) => self.call(model, features).await,
            None => Ok(Called::not_loaded()),
        };
        // A full pool is the candidate's loss, never the caller's.
        Joined { candidate, called: called.ok() }
    }

    async fn ask(
        &self,
        table: &Table<AnyModel<F, P>>,
        choice: &Choice,
        features: &Arc<F::Owned>,
    ) -> Result<Called<P>, PredictError> {
        let slot = table.slots.get(choice.slot);
        let Some((slot, Ok(model))) = slot.map(|slot| (slot, &slot.model)) else {
            return Ok(Called::not_loaded());
        };
        let called = self.call(model, features).await.map_err(Refused::into_error)?;
        let clock = &*self.core.settings.clock;
        slot.finished(&called.outcome, called.service_time, choice.ticket, clock);
        Ok(called)
    }

    /// One call within the deadline.
    async fn call(
        &self,
        model: &AnyModel<F, P>,
        features: &Arc<F::Owned>,
    ) -> Result<Called<P>, Refused> {
        let started = Instant::now();
        let Some((limit, timer)) = &self.deadline else {
            return self.unhurried(model, features, None).await;
        };
        let Some(moment) = started.checked_add(*limit) else {
            return self.unhurried(model, features, None).await;
        };
        let progress = Arc::new(Progress::default());
        let watched = Some(Arc::clone(&progress));
        let unhurried = std::pin::pin!(self.unhurried(model, features, watched));
        match select(unhurried, timer.sleep_until(moment)).await {
            Either::Left((called, _)) => called,
            Either::Right(((), _)) => {
                self.pool.overdue(&progress);
                Ok(Called {
                    outcome: Err(ModelError::of_kind(
                        ModelErrorKind::Deadline,
                        format!("no answer within {limit:?}"),
                    )),
                    service_time: started.elapsed(),
                })
            }
        }
    }

    async fn unhurried(
        &self,
        model: &AnyModel<F, P>,
        features: &Arc<F::Owned>,
        progress: Option<Arc<Progress>>,
    ) -> Result<Called<P>, Refused> {
        match model {
            AnyModel::Compute(model) => {
                let (model, features, finite) =
                    (Arc::clone(model), Arc::clone(features), self.finite);
                self.pool.run(progress, move || call(&*model, (*features).borrow(), finite)).await
            }
            AnyModel::Waiting(model) => {
                let started = Instant::now();
                let features: &F = (**features).borrow();
                // Made inside the block, so that a panic before the first await is caught as well.
                let answer = std::panic::AssertUnwindSafe(async {
                    Guarded::new(model.predict(features)).await
                });
                let outcome = answer.catch_unwind().await;
                let service_time = started.elapsed();
                let outcome = outcome.unwrap_or_else(|payload| Err(ModelError::panicked(payload)));
                let outcome = outcome.and_then(|output| checked(output, self.finite));
                Ok(Called { outcome, service_time })
            }
        }
    }
}
