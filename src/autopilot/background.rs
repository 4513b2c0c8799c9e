//! An event loop on a thread of its own, for clients that need one where there may be none.

use std::{future::Future, io, sync::mpsc, thread, time::Duration};

use tokio::{
    runtime::{self, Handle},
    sync::oneshot,
};

/// Drives the requests of a client. It may be made, used and dropped on any thread, one that drives
/// another event loop included.
pub(super) struct BackgroundRuntime {
    handle: Handle,
    /// Dropped, it ends the thread.
    _stop: oneshot::Sender<()>,
}

/// Why nothing came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestError {
    /// It took too long, and was given up.
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
            // An error is the sender dropped, which is how it is stopped.
            let _ = runtime.block_on(stopped);
            // A look-up of a name may hang: nobody waits for it.
            runtime.shutdown_background();
        })?;
        Ok(BackgroundRuntime { handle, _stop: stop })
    }

    /// Waits for a request, for so long at most.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        patience: Duration,
        request: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, RequestError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let task = self.handle.spawn(async move {
            // Whoever asked may have given up.
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
