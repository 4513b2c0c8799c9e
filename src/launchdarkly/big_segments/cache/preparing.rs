//! Waiting for a context to be fetched, on a thread or in a task.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

/// A context on its way into a [`Cache`](super::Cache). Answers whether what the store says of it
/// is there, and fresh.
#[must_use = "it says whether it worked"]
pub struct Prepare(Arc<Outcome>);

/// The fetching side. Dropped, it answers no.
pub(super) struct Ticket(Arc<Outcome>);

#[derive(Default)]
struct Outcome {
    state: Mutex<WaitState>,
    changed: Condvar,
}

#[derive(Default)]
struct WaitState {
    done: Option<bool>,
    waker: Option<Waker>,
}

impl Ticket {
    pub(super) fn new() -> (Ticket, Prepare) {
        let outcome = Arc::<Outcome>::default();
        (Ticket(Arc::clone(&outcome)), Prepare(outcome))
    }

    pub(super) fn answer(self, done: bool) {
        self.0.settle(done);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.settle(false);
    }
}

impl Outcome {
    fn settle(&self, done: bool) {
        let waker = {
            let mut state = self.state.lock();
            state.done.get_or_insert(done);
            state.waker.take()
        };
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Prepare {
    pub(super) fn done(done: bool) -> Prepare {
        let (ticket, prepare) = Ticket::new();
        ticket.answer(done);
        prepare
    }

    /// Waits on this thread; `false` as well when `timeout` was not enough.
    pub fn wait(self, timeout: Duration) -> bool {
        let end = Instant::now().checked_add(timeout);
        let mut state = self.0.state.lock();
        loop {
            if let Some(done) = state.done {
                return done;
            }
            match end {
                Some(end) if self.0.changed.wait_until(&mut state, end).timed_out() => {
                    return state.done.unwrap_or(false);
                }
                Some(_) => {}
                None => self.0.changed.wait(&mut state),
            }
        }
    }
}

impl Future for Prepare {
    type Output = bool;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.0.state.lock();
        if let Some(done) = state.done {
            return Poll::Ready(done);
        }
        state.waker = Some(task.waker().clone());
        Poll::Pending
    }
}

impl fmt::Debug for Prepare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepare").field("done", &self.0.state.lock().done).finish()
    }
}
