//! What the sources of flag servers have in common: one thread, one HTTP client.
//!
//! All network sources of a store share one background thread. It drives a private event loop, so
//! that a service may run on any runtime or on none, and so that an open stream costs no thread of
//! its own.

mod backoff;
pub(crate) mod client;
#[cfg(feature = "flagd")]
mod connector;
mod events;
mod failure;
mod key;
mod meter;
mod proxy;
mod resolver;
mod secret;
mod settings;
#[cfg(any(feature = "flagd", feature = "grpc"))]
mod status_code;
mod tls;
pub(crate) mod url;

use std::{
    future::Future,
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use crossbeam_channel::Receiver;
use parking_lot::Mutex;
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
};

#[cfg(feature = "launchdarkly")]
pub(crate) use self::backoff::no_sooner;
#[cfg(feature = "flagd")]
pub(crate) use self::connector::Connector;
#[cfg(any(feature = "flagsmith", feature = "launchdarkly", feature = "unleash"))]
pub(crate) use self::secret::Address;
#[cfg(any(feature = "flagd", feature = "grpc"))]
pub(crate) use self::status_code::code_name;
pub(crate) use self::{
    backoff::{Backoff, Retry, jittered},
    client::{Client, Conditions, Fetched},
    events::Events,
    failure::Failure,
    key::{Changes, Key},
    meter::{Meter, Streaming},
    proxy::Proxies,
    resolver::Resolver,
    secret::Secret,
    tls::provider as tls_provider,
    url::public_part,
};
pub use self::{key::KeyHandle, settings::HttpSettings};
use super::Error;

/// How long dropping waits for the thread: tasks end at their next wait; what they are in the
/// middle of, compiling a large document, may take longer and ends by itself.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long the thread goes on for tasks that have something to say at the end. Nobody waits for
/// it that long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The network thread of a store; started by the first source that needs it, stopped when the last
/// one lets go.
#[derive(Default)]
pub(crate) struct NetworkSlot(Mutex<Weak<Network>>);

impl NetworkSlot {
    pub(crate) fn get(&self) -> Result<Arc<Network>, Error> {
        let mut slot = self.0.lock();
        if let Some(network) = slot.upgrade() {
            return Ok(network);
        }
        let network = Arc::new(Network::start()?);
        *slot = Arc::downgrade(&network);
        Ok(network)
    }
}

/// A thread that drives the tasks of network sources.
pub(crate) struct Network {
    handle: runtime::Handle,
    /// Held by every task that has something to say at the end.
    speaking: Option<mpsc::Sender<()>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
    ended: Receiver<()>,
}

impl Network {
    pub(crate) fn start() -> Result<Network, Error> {
        let failed = |error| Error::with_source("network thread could not be started", error);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            // Name look-ups block, and are few.
            .max_blocking_threads(2)
            .thread_name("modelgate-resolver")
            .thread_keep_alive(Duration::from_secs(1))
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let (speaking, mut spoken) = mpsc::channel::<()>(1);
        let (alive, ended) = crossbeam_channel::bounded::<()>(0);
        let thread = thread::Builder::new()
            .name("modelgate-network".to_owned())
            .spawn(move || {
                let _alive = alive;
                runtime.block_on(async {
                    // An error is the sender dropped: stopped as well.
                    let _ = stopped.await;
                    let _ = tokio::time::timeout(LAST_WORDS, spoken.recv()).await;
                });
                // Tasks end here, at whatever they were waiting for; a look-up that hangs is left.
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        let (speaking, stop, thread) = (Some(speaking), Some(stop), Some(thread));
        Ok(Network { handle, speaking, stop, thread, ended })
    }

    /// For what can be made only where the event loop is known.
    pub(crate) fn enter(&self) -> runtime::EnterGuard<'_> {
        self.handle.enter()
    }

    /// Runs a task until it ends or its handle is dropped.
    pub(crate) fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) -> Task {
        let task = self.handle.spawn(task);
        Task { end: TaskEnd::Abort(task.abort_handle()), network: Arc::clone(self) }
    }

    /// Runs a task that is told when its handle is dropped, and then has a moment to say what it
    /// still has to say.
    pub(crate) fn spawn_until<F>(self: &Arc<Self>, task: impl FnOnce(StopSignal) -> F) -> Task
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let speaking = self.speaking.clone();
        let task = task(StopSignal(Some(stopped)));
        self.handle.spawn(async move {
            let _speaking = speaking;
            task.await;
        });
        Task { end: TaskEnd::Tell(Some(stop)), network: Arc::clone(self) }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.speaking.take());
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else { return };
        // The last handle of a store may be dropped by a callback, on this very thread.
        if thread.thread().id() == thread::current().id() {
            return;
        }
        if self.ended.recv_timeout(PATIENCE).is_err_and(|error| error.is_disconnected()) {
            drop(thread.join());
        }
    }
}

/// A running task; dropping it ends the task at its next wait.
pub(crate) struct Task {
    end: TaskEnd,
    /// The thread ends with the last of its tasks.
    #[expect(dead_code, reason = "held to keep the thread")]
    network: Arc<Network>,
}

enum TaskEnd {
    Abort(tokio::task::AbortHandle),
    Tell(Option<oneshot::Sender<()>>),
}

impl Drop for Task {
    fn drop(&mut self) {
        match &mut self.end {
            TaskEnd::Abort(task) => task.abort(),
            TaskEnd::Tell(stop) => drop(stop.take()),
        }
    }
}

/// Signals a task to end.
pub(crate) struct StopSignal(Option<oneshot::Receiver<()>>);

impl StopSignal {
    /// Returns when the task is to end. May be dropped and called again.
    pub(crate) async fn wait(&mut self) {
        if let Some(stopped) = &mut self.0 {
            // An error means that the sender was dropped, which is the signal.
            let _ = stopped.await;
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::{Duration, Network, NetworkSlot, thread};
    use std::sync::Arc;

    #[test]
    fn sources_of_one_store_share_a_thread_that_ends_with_the_last_of_them() {
        let slot = NetworkSlot::default();
        let (first, second) = (slot.get().unwrap(), slot.get().unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        let weak = Arc::downgrade(&first);
        let (sender, receiver) = mpsc::channel();
        let task = first.spawn(async move {
            sender.send(thread::current().name().map(str::to_owned)).unwrap();
            std::future::pending::<()>().await;
        });
        drop((first, second));
        let name = receiver.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(name.as_deref(), Some("modelgate-network"));
        drop(task);
        assert!(weak.upgrade().is_none());
    }

    #[test]
    fn a_task_that_is_dropped_lets_go_of_what_it_holds() {
        let network = Arc::new(Network::start().unwrap());
        let (sender, receiver) = mpsc::channel::<()>();
        let task = network.spawn(async move {
            let _held = sender;
            std::future::pending::<()>().await;
        });
        drop(task);
        let gone = receiver.recv_timeout(Duration::from_secs(10));
        assert_eq!(gone, Err(mpsc::RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_task_may_say_its_last_words_also_when_nobody_waits_for_them() {
        let network = Arc::new(Network::start().unwrap());
        let (sender, receiver) = mpsc::channel();
        let task = network.spawn_until(|mut stopped| async move {
            stopped.wait().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            sender.send("goodbye").unwrap();
        });
        drop(network);
        drop(task);
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)), Ok("goodbye"));
    }
}
