//! A model whose behaviour a test decides.

use std::{fmt, sync::Arc};
#[cfg(feature = "async")]
use std::{
    future::poll_fn,
    task::{Context, Poll, Waker},
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::model::{ErrorKind, Model, ModelError};
#[cfg(feature = "async")]
use crate::{AsyncModel, model::PredictFuture};

/// A model that answers as a test decides, whatever its input. A clone is another handle on
/// the same model: give one to the router and keep one.
///
/// With the feature `async` it is an [`AsyncModel`](crate::AsyncModel) as well, whose calls hold no
/// thread while they are [held up](Self::hold).
///
/// ```
/// use modelgate::{Context, ModelRouter, Rollout, model::ErrorKind, testing::PuppetModel};
///
/// let v2 = PuppetModel::answering(2.0_f32);
/// let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
///     .model("v1", PuppetModel::answering(1.0))
///     .model("v2", v2.clone())
///     .fallback("v1")
///     .source(Rollout::everyone("v2").flag("ml-model-version")?)
///     .build()?;
///
/// let user = Context::new("user-42");
/// assert_eq!(*router.predict(&user, &[])?.output(), 2.0);
/// v2.fail(ErrorKind::Failed);
/// assert_eq!(*router.predict(&user, &[])?.output(), 1.0);
/// assert_eq!(v2.calls(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PuppetModel<P>(Arc<Puppet<P>>);

struct Puppet<P> {
    state: Mutex<PuppetState<P>>,
    changed: Condvar,
}

struct PuppetState<P> {
    does: Behaviour<P>,
    loaded: bool,
    held: bool,
    calls: u64,
    /// Those who wait in futures until the calls that are held up may go on.
    #[cfg(feature = "async")]
    wakers: Vec<Waker>,
}

#[derive(Clone)]
enum Behaviour<P> {
    Answer(P),
    Fail(ErrorKind),
    Panic,
}

impl<P> PuppetModel<P> {
    /// A model that answers with this.
    pub fn answering(output: P) -> PuppetModel<P> {
        let state = PuppetState {
            does: Behaviour::Answer(output),
            loaded: true,
            held: false,
            calls: 0,
            #[cfg(feature = "async")]
            wakers: Vec::new(),
        };
        PuppetModel(Arc::new(Puppet { state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// Answer with this from now on.
    pub fn answer(&self, output: P) {
        self.0.state.lock().does = Behaviour::Answer(output);
    }

    /// Fail in this way from now on.
    pub fn fail(&self, kind: ErrorKind) {
        self.0.state.lock().does = Behaviour::Fail(kind);
    }

    /// Panic from now on.
    pub fn panic(&self) {
        self.0.state.lock().does = Behaviour::Panic;
    }

    /// Hold every call up until [`release`](PuppetModel::release).
    pub fn hold(&self) {
        self.0.state.lock().held = true;
    }

    /// Let the calls that are held up go on.
    pub fn release(&self) {
        let mut state = self.0.state.lock();
        state.held = false;
        #[cfg(feature = "async")]
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.0.changed.notify_all();
        #[cfg(feature = "async")]
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until the model has been asked so often; for calls that are held up.
    pub fn wait_for_calls(&self, calls: u64) {
        let mut state = self.0.state.lock();
        self.0.changed.wait_while(&mut state, |state| state.calls < calls);
    }

    /// Whether the model counts as loaded. One that does not is loaded by the router's `load`.
    pub fn set_loaded(&self, loaded: bool) {
        self.0.state.lock().loaded = loaded;
    }

    /// How often it was asked.
    pub fn calls(&self) -> u64 {
        self.0.state.lock().calls
    }
}

impl<P> Behaviour<P> {
    // The test asked for the panic.
    #[allow(clippy::panic)]
    fn carry_out(self) -> Result<P, ModelError> {
        match self {
            Behaviour::Answer(output) => Ok(output),
            Behaviour::Fail(kind) => Err(ModelError::of_kind(kind, "told to fail by a test")),
            Behaviour::Panic => panic!("told to panic by a test"),
        }
    }
}

impl<P> Puppet<P> {
    /// Counts a call.
    fn called(&self) -> MutexGuard<'_, PuppetState<P>> {
        let mut state = self.state.lock();
        state.calls = state.calls.saturating_add(1);
        self.changed.notify_all();
        state
    }

    /// What a call is to do, once it is not held up.
    #[cfg(feature = "async")]
    fn poll_behaviour(&self, context: &Context<'_>) -> Poll<Behaviour<P>>
    where
        P: Clone,
    {
        let mut state = self.state.lock();
        if state.held {
            state.wakers.push(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(state.does.clone())
    }
}

impl<F: ?Sized, P: Clone + Send> Model<F, P> for PuppetModel<P> {
    fn predict(&self, _: &F) -> Result<P, ModelError> {
        let mut state = self.0.called();
        self.0.changed.wait_while(&mut state, |state| state.held);
        let does = state.does.clone();
        drop(state);
        does.carry_out()
    }

    fn is_loaded(&self) -> bool {
        self.0.state.lock().loaded
    }

    fn load(&self) -> Result<(), ModelError> {
        self.0.state.lock().loaded = true;
        Ok(())
    }
}

/// ```
/// use modelgate::{AsyncModelRouter, Context, ModelRouter, Rollout, testing::PuppetModel};
///
/// # futures::executor::block_on(async {
/// let router: AsyncModelRouter<str, u32> = ModelRouter::builder("ml-model-version")
///     .async_model("v1", PuppetModel::answering(7))
///     .fallback("v1")
///     .source(Rollout::everyone("v1").flag("ml-model-version")?)
///     .build_async()?;
/// assert_eq!(*router.predict(&Context::new("user-42"), "a text").await?.output(), 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[cfg(feature = "async")]
impl<F: ?Sized, P: Clone + Send> AsyncModel<F, P> for PuppetModel<P> {
    fn predict<'a>(&'a self, _: &'a F) -> PredictFuture<'a, P> {
        drop(self.0.called());
        Box::pin(async { poll_fn(|context| self.0.poll_behaviour(context)).await.carry_out() })
    }

    fn is_loaded(&self) -> bool {
        self.0.state.lock().loaded
    }

    fn load(&self) -> PredictFuture<'_, ()> {
        self.0.state.lock().loaded = true;
        Box::pin(std::future::ready(Ok(())))
    }
}

impl<P> Clone for PuppetModel<P> {
    fn clone(&self) -> PuppetModel<P> {
        PuppetModel(Arc::clone(&self.0))
    }
}

impl<P> fmt::Debug for PuppetModel<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("PuppetModel")
            .field("loaded", &state.loaded)
            .field("held", &state.held)
            .field("calls", &state.calls)
            .finish_non_exhaustive()
    }
}
