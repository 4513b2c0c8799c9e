//! The async router: the same decisions, models on a pool or on their own I/O, deadlines.

mod batch;
mod compute;
mod hosted;
mod lane;
pub(crate) mod model;
mod request;
mod runtime;
mod settings;
mod wait;

use std::{fmt, future::Future, sync::Arc, time::Duration};

pub use self::runtime::{Spawned, Spawner};
use self::{
    hosted::{Hosted, Lanes},
    model::AsyncModel,
};
pub(crate) use self::{
    runtime::{Blocking, Runtime},
    settings::ComputeSettings,
};
use super::{
    Decision, Explanation, Input, OperateError, Output, PredictError, Prediction, RouterStats,
    call::FiniteCheck,
    core::{Core, MissingKeyError},
    deferred_drop::DeferredDrop,
    operate::operations,
    registered::AnyModel,
    shadowing::Shadowing,
};
use crate::{
    blocking::run_on_thread,
    context::EvaluationContext,
    flag::store::{self, Flags, NotReadyError},
    model::{Acceptance, Model},
    process::OwnerProcess,
    timer::Timer,
    version::Version,
};

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
        self.inner.core.debug("AsyncModelRouter", f)
    }
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
        self.inner.shadowing.end_pause(&version);
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
        self.inner.core.flags.ready(timeout).await
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
