//! An async runtime on a thread of its own, for clients that need one where there may be none.

use std::{future::Future, io, sync::mpsc, thread, time::Duration};

use tokio::{
    runtime::{self, Handle},
    sync::oneshot,
};

/// Drives the requests of an async client. It may be created, used and dropped on any thread, even on
/// one that drives another runtime.
pub(super) struct BackgroundRuntime {
    handle: Handle,
    /// Its drop ends the thread.
    _stop: oneshot::Sender<()>,
}

/// Why a request gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestError {
    /// It took too long, and was cancelled.
    Late,
    /// It panicked, or the thread has ended.
    Gone,
}

impl BackgroundRuntime {
    pub(super) fn start(name: &str) -> io::Result<BackgroundRuntime> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(2)
            .thread_keep_alive(Duration::from_secs(1))
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // The error of a dropped sender, which is how it is stopped.
            let _ = runtime.block_on(stopped);
            // Not waiting for a name lookup, which may hang.
            runtime.shutdown_background();
        })?;
        Ok(BackgroundRuntime { handle, _stop: stop })
    }

    /// Waits for a request, for `patience` at most.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        patience: Duration,
        request: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, RequestError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let task = self.handle.spawn(async move {
            // The caller may have stopped waiting.
            let _ = sender.send(request.await);
        });
        receiver.recv_timeout(patience).map_err(|error| {
            task.abort();
            match error {
                mpsc::RecvTimeoutError::Timeout => RequestError::Late,
                mpsc::RecvTimeoutError::Disconnected => RequestError::Gone,
            }
        })
    }
}
