//! A named thread of a source, which stops when its handle is dropped.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use parking_lot::{Condvar, Mutex};

/// How a worker is woken.
#[derive(Debug, Default)]
pub(super) struct Signal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SignalState {
    stopping: bool,
    woken: bool,
}

/// Why [`Signal::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    Stop,
    Event,
    Timeout,
}

impl Signal {
    /// Ends the current wait, or the next one.
    pub(super) fn wake(&self) {
        self.state.lock().woken = true;
        self.changed.notify_one();
    }

    /// Waits for an event, the end, or `timeout`.
    pub(super) fn wait(&self, timeout: Duration) -> Wake {
        // A timeout past the end of time is none.
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.state.lock();
        loop {
            if state.stopping {
                return Wake::Stop;
            }
            if std::mem::take(&mut state.woken) {
                return Wake::Event;
            }
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) => {
                    if self.changed.wait_until(&mut state, deadline).timed_out()
                        && !state.stopping
                        && !state.woken
                    {
                        return Wake::Timeout;
                    }
                }
            }
        }
    }

    fn stop(&self) {
        self.state.lock().stopping = true;
        self.changed.notify_one();
    }
}

/// A running thread. Dropping it stops the thread and waits for its end, but not for ever: what
/// it is in the middle of may not be interruptible (a name look-up, a slow callback).
pub(super) struct Worker {
    signal: Arc<Signal>,
    thread: Option<thread::JoinHandle<()>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    patience: Duration,
}

impl Worker {
    pub(super) fn start(
        name: &str,
        signal: Arc<Signal>,
        patience: Duration,
        run: impl FnOnce(&Signal) + Send + 'static,
    ) -> io::Result<Worker> {
        let (alive, ended) = crossbeam_channel::bounded::<()>(0);
        let thread = thread::Builder::new().name(name.to_owned()).spawn({
            let signal = Arc::clone(&signal);
            move || {
                let _alive = alive;
                run(&signal);
            }
        })?;
        Ok(Worker { signal, thread: Some(thread), ended, patience })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.signal.stop();
        let Some(thread) = self.thread.take() else { return };
        // The last handle of a store may be dropped by a callback, on this very thread.
        if thread.thread().id() == thread::current().id() {
            return;
        }
        match self.ended.recv_timeout(self.patience) {
            Err(RecvTimeoutError::Disconnected) => drop(thread.join()),
            _ => tracing::debug!(
                target: "modelgate::source",
                thread = thread.thread().name().unwrap_or_default(),
                "left a busy thread to end by itself"
            ),
        }
    }
}
