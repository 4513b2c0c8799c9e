//! Where the futures of async models are polled when no request does: as detached shadows, when
//! they are checked, and when they are loaded.
// Without tokio there is nothing to enter and nothing to drive.
#![cfg_attr(
    not(feature = "tokio"),
    allow(clippy::let_unit_value, clippy::default_constructed_unit_structs)
)]

use std::{
    borrow::Borrow,
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use futures::{FutureExt, channel::oneshot, future::abortable};
use parking_lot::{Condvar, Mutex};

use super::{compute::late, model::AsyncModel};
use crate::{
    cpu_time,
    model::{ErrorKind, Model, ModelError},
    router::{Input, Output},
    shadow::{AccountHandle, Marked},
};

/// Runs futures, as the executor of a runtime does; see
/// [`RouterBuilder::spawner`](crate::RouterBuilder::spawner). Closures are spawners:
///
/// ```
/// use modelgate::router::{Spawned, Spawner};
///
/// let runtime = tokio::runtime::Runtime::new()?;
/// let handle = runtime.handle().clone();
/// let spawner = move |future: Spawned| drop(handle.spawn(future));
/// # let _: &dyn Spawner = &spawner;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Spawner: Send + Sync + 'static {
    /// Has the future run to its end. One that is dropped instead counts as a lost shadow.
    fn spawn(&self, future: Spawned);
}

/// What a [`Spawner`] is to run.
pub type Spawned = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<T: Fn(Spawned) + Send + Sync + 'static> Spawner for T {
    fn spawn(&self, future: Spawned) {
        self(future);
    }
}

/// The runtime that a router's futures need around them.
#[derive(Clone, Default)]
pub(crate) struct Runtime {
    spawner: Option<Arc<dyn Spawner>>,
    ambient: ambient::AmbientRuntime,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("spawner", &self.spawner.is_some()).finish_non_exhaustive()
    }
}

impl Runtime {
    /// The one in which this is called, if there is one.
    pub(crate) fn here(spawner: Option<Arc<dyn Spawner>>) -> Runtime {
        Runtime { spawner, ambient: ambient::AmbientRuntime::here() }
    }

    /// Waits for a future on this thread.
    ///
    /// # Errors
    ///
    /// Where this thread is the one that drives the runtime around it, and the future does not get
    /// on without.
    pub(crate) fn wait_for<T>(&self, future: impl Future<Output = T>) -> Result<T, ModelError> {
        let _entered = self.ambient.enter();
        let mut driven = ambient::DriverCheck::default();
        let waited = poll_until(future, |flag| driven.wait(flag));
        waited.ok_or_else(|| {
            ModelError::of_kind(
                ErrorKind::Failed,
                "called on the thread that drives the runtime which the model waits for: call it \
                 on another, by `spawn_blocking` say",
            )
        })
    }
}

impl Runtime {
    /// Waits for a future on a thread of ours, which drives no runtime.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let _entered = self.ambient.enter();
        let mut future = pin!(future);
        loop {
            if let Some(answer) = poll_until(future.as_mut(), |flag| flag.wait_until(None)) {
                return answer;
            }
        }
    }
}

/// Polls the future here whenever it is woken; `None` when `wait` gives up.
fn poll_until<T>(
    future: impl Future<Output = T>,
    mut wait: impl FnMut(&Arc<WakeFlag>) -> bool,
) -> Option<T> {
    let (flag, mut future) = (Arc::new(WakeFlag::default()), pin!(future));
    let waker = Waker::from(Arc::clone(&flag));
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(answer);
        }
        if !wait(&flag) {
            return None;
        }
    }
}

/// Remembers that it was woken. Not `futures::executor::block_on`, which panics where that executor
/// is already running (a router may be built, and its versions checked, in there); and not the
/// thread's own token, which the future's code may use up: by parking the thread, or by waiting in a
/// library that does.
#[derive(Default)]
struct WakeFlag {
    notified: Mutex<bool>,
    changed: Condvar,
}

impl WakeFlag {
    /// `false` when the moment has come first.
    fn wait_until(&self, moment: Option<Instant>) -> bool {
        let mut notified = self.notified.lock();
        while !*notified {
            match moment {
                None => self.changed.wait(&mut notified),
                Some(moment) if self.changed.wait_until(&mut notified, moment).timed_out() => break,
                Some(_) => {}
            }
        }
        std::mem::take(&mut *notified)
    }
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        *self.notified.lock() = true;
        self.changed.notify_one();
    }
}

/// An async model waited for on the calling thread: for its checks.
pub(crate) struct Blocking<M>(pub(crate) M);

impl<F: ?Sized, P> Model<F, P> for Blocking<Arc<dyn AsyncModel<F, P>>> {
    fn predict(&self, features: &F) -> Result<P, ModelError> {
        // The future may compute on any thread.
        cpu_time::is_spent_elsewhere();
        Runtime::default().wait_for(self.0.predict(features))?
    }

    fn is_loaded(&self) -> bool {
        self.0.is_loaded()
    }

    fn load(&self) -> Result<(), ModelError> {
        Runtime::default().wait_for(self.0.load())?
    }
}

/// An async model as a detached shadow.
pub(super) struct DetachedModel<F: ?Sized, P> {
    pub(super) model: Arc<dyn AsyncModel<F, P>>,
    pub(super) runtime: Runtime,
    /// How long a call may take. One that is woken no more, because its runtime has gone or is
    /// driven by nobody, holds the shadow's thread no longer.
    pub(super) limit: Option<Duration>,
}

impl<F: Input + ?Sized, P: Output> DetachedModel<F, P> {
    fn within<T>(&self, future: impl Future<Output = T>) -> Result<T, ModelError> {
        let limit = self.limit.unwrap_or(LONGEST);
        let moment = Instant::now().checked_add(limit);
        poll_until(future, |flag| flag.wait_until(moment)).ok_or_else(|| late(limit))
    }

    /// On an executor of the service's, while this thread waits.
    fn spawned(&self, spawner: &dyn Spawner, features: &F) -> Result<P, ModelError> {
        let (model, features) = (Arc::clone(&self.model), features.to_owned());
        let call = async move { model.predict(features.borrow()).await };
        let call =
            AssertUnwindSafe(Marked::new(call, AccountHandle::of_this_thread())).catch_unwind();
        let (call, abort) = abortable(call);
        let (answer, answered) = oneshot::channel();
        spawner.spawn(Box::pin(async move {
            if let Ok(called) = call.await {
                // Nobody may be waiting any more.
                let _ = answer.send(called);
            }
        }));
        let called = self.within(answered).inspect_err(|_| abort.abort())?;
        match called {
            Ok(outcome) => outcome.unwrap_or_else(|payload| Err(ModelError::panicked(payload))),
            // The executor dropped it. That is a run that did not end in time, not a failure of the
            // model's.
            Err(oneshot::Canceled) => Err(ModelError::of_kind(
                ErrorKind::Deadline,
                "the executor dropped the call before its end",
            )),
        }
    }
}

/// For policies without a deadline.
const LONGEST: Duration = Duration::from_secs(60);

impl<F: Input + ?Sized, P: Output> Model<F, P> for DetachedModel<F, P> {
    fn predict(&self, features: &F) -> Result<P, ModelError> {
        cpu_time::is_spent_elsewhere();
        match &self.runtime.spawner {
            Some(spawner) => self.spawned(&**spawner, features),
            None => {
                let _entered = self.runtime.ambient.enter();
                self.within(self.model.predict(features))?
            }
        }
    }

    fn is_loaded(&self) -> bool {
        self.model.is_loaded()
    }
}

#[cfg(feature = "tokio")]
mod ambient {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        task::Wake,
        time::{Duration, Instant},
    };

    use tokio::runtime::{EnterGuard, Handle};

    use super::WakeFlag;

    /// The tokio runtime in which the router was built.
    #[derive(Clone, Debug, Default)]
    pub(super) struct AmbientRuntime(Option<Handle>);

    impl AmbientRuntime {
        pub(super) fn here() -> AmbientRuntime {
            AmbientRuntime(Handle::try_current().ok())
        }

        /// Lets this thread use its timers and sockets. It runs nothing of the runtime's.
        pub(super) fn enter(&self) -> Option<EnterGuard<'_>> {
            // One in which the caller is already is the caller's choice.
            match Handle::try_current() {
                Ok(_) => None,
                Err(_) => self.0.as_ref().map(Handle::enter),
            }
        }
    }

    /// A runtime that runs nothing for so long is taken for one that waits for this very thread.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// Whether somebody else drives the runtime around this thread.
    #[derive(Default)]
    pub(super) struct DriverCheck(Arc<AtomicBool>);

    impl DriverCheck {
        /// Waits to be woken; `false` when the runtime runs nothing meanwhile.
        pub(super) fn wait(&mut self, flag: &Arc<WakeFlag>) -> bool {
            let Ok(handle) = Handle::try_current() else { return flag.wait_until(None) };
            if !self.0.load(Ordering::Acquire) {
                let (driven, waker) = (Arc::clone(&self.0), Arc::clone(flag));
                handle.spawn(async move {
                    driven.store(true, Ordering::Release);
                    waker.wake();
                });
                return flag.wait_until(Instant::now().checked_add(PATIENCE));
            }
            flag.wait_until(None)
        }
    }
}

#[cfg(not(feature = "tokio"))]
mod ambient {
    use std::sync::Arc;

    use super::WakeFlag;

    /// No runtime needs to be around.
    #[derive(Clone, Debug, Default)]
    pub(super) struct AmbientRuntime;

    impl AmbientRuntime {
        pub(super) fn here() -> AmbientRuntime {
            AmbientRuntime
        }

        pub(super) fn enter(&self) {}
    }

    #[derive(Default)]
    pub(super) struct DriverCheck;

    impl DriverCheck {
        pub(super) fn wait(&mut self, flag: &Arc<WakeFlag>) -> bool {
            flag.wait_until(None)
        }
    }
}
