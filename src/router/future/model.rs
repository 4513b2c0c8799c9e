//! Models that wait rather than compute.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{contain::contained, model::ModelError};

/// The answer of an [`AsyncModel`], once it is there.
pub type PredictFuture<'a, P> = Pin<Box<dyn Future<Output = Result<P, ModelError>> + Send + 'a>>;

/// A model version that waits for something else: an inference server, a feature store.
///
/// Its future is polled by the caller's runtime when it answers a request. As a detached shadow it
/// is polled on a thread of the router's, where timers and sockets of the tokio runtime in which the
/// router was built work as well (feature `tokio`); for another runtime see
/// [`RouterBuilder::spawner`](crate::RouterBuilder::spawner). Dropping the future must give the call
/// up.
pub trait AsyncModel<F: ?Sized, P>: Send + Sync {
    /// Scores one set of features.
    ///
    /// # Errors
    ///
    /// As [`Model::predict`](crate::Model::predict).
    fn predict<'a>(&'a self, features: &'a F) -> PredictFuture<'a, P>;

    /// Whether the model can answer now. Routers do not send requests to one that cannot: a server
    /// that is starting, or that no longer has the version.
    ///
    /// Asked on the path of every request that may reach the model, in the shadow of another as
    /// well: answer from what is at hand. A panic counts as `false`.
    fn is_loaded(&self) -> bool {
        true
    }

    /// Makes the model ready to answer if it is not.
    ///
    /// # Errors
    ///
    /// When it cannot be made ready; a later call tries again.
    fn load(&self) -> PredictFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A closure as an [`AsyncModel`]; made by [`async_model_fn`].
#[derive(Clone, Copy)]
pub struct AsyncFnModel<T>(T);

/// Makes an async model of a closure that returns a boxed future.
///
/// ```
/// use modelgate::async_model_fn;
///
/// let model = async_model_fn(|features: &[f32]| {
///     Box::pin(async move { Ok(features.iter().sum::<f32>()) })
/// });
/// # let _: &dyn modelgate::AsyncModel<[f32], f32> = &model;
/// ```
pub fn async_model_fn<F: ?Sized, P, T>(function: T) -> AsyncFnModel<T>
where
    T: for<'a> Fn(&'a F) -> PredictFuture<'a, P> + Send + Sync,
{
    AsyncFnModel(function)
}

impl<F: ?Sized, P, T> AsyncModel<F, P> for AsyncFnModel<T>
where
    T: for<'a> Fn(&'a F) -> PredictFuture<'a, P> + Send + Sync,
{
    fn predict<'a>(&'a self, features: &'a F) -> PredictFuture<'a, P> {
        (self.0)(features)
    }
}

impl<T> fmt::Debug for AsyncFnModel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsyncFnModel({})", std::any::type_name::<T>())
    }
}

/// Makes an async model of a state and a closure: each call gets a clone of the state and features
/// of its own, so that neither has to be carried into the future by hand.
///
/// ```
/// use modelgate::{ModelError, model::async_model_with};
///
/// #[derive(Clone)]
/// struct Client;
///
/// impl Client {
///     async fn complete(&self, prompt: &str) -> Result<String, std::io::Error> {
///         Ok(prompt.to_uppercase())
///     }
/// }
///
/// let model = async_model_with(Client, |client, prompt: String| async move {
///     client.complete(&prompt).await.map_err(ModelError::new)
/// });
/// # let _: &dyn modelgate::AsyncModel<str, String> = &model;
/// ```
///
/// The features are copied for each call; [`async_model_fn`] borrows them.
pub fn async_model_with<S, A, T, R>(state: S, function: T) -> AsyncFnModel<(S, T)>
where
    S: Clone + Send + Sync,
    T: Fn(S, A) -> R + Send + Sync,
    R: Future + Send + 'static,
{
    AsyncFnModel((state, function))
}

impl<F, P, S, T, R> AsyncModel<F, P> for AsyncFnModel<(S, T)>
where
    F: ToOwned + ?Sized,
    S: Clone + Send + Sync,
    T: Fn(S, F::Owned) -> R + Send + Sync,
    R: Future<Output = Result<P, ModelError>> + Send + 'static,
{
    fn predict<'a>(&'a self, features: &'a F) -> PredictFuture<'a, P> {
        let (state, function) = &self.0;
        Box::pin(function(state.clone(), features.to_owned()))
    }
}

/// A model's future whose `Drop` may panic: when it is given up at a deadline, or by a caller who
/// has gone, that must not reach the caller.
pub(crate) struct Guarded<'a, P>(Option<PredictFuture<'a, P>>);

impl<'a, P> Guarded<'a, P> {
    pub(crate) fn new(future: PredictFuture<'a, P>) -> Guarded<'a, P> {
        Guarded(Some(future))
    }
}

impl<P> Future for Guarded<'_, P> {
    type Output = Result<P, ModelError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(future) => future.as_mut().poll(context),
            None => Poll::Ready(Err(ModelError::not_loaded())),
        }
    }
}

impl<P> Drop for Guarded<'_, P> {
    fn drop(&mut self) {
        let future = self.0.take();
        let _ = contained(|| drop(future));
    }
}
