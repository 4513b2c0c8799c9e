//! How a thread of the pool sleeps and is woken without a lock that whoever wakes it could wait for.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use super::sync::{AtomicBool, Ordering, Thread, current, fence, park, park_timeout};

/// Where one thread parks until there is work, or pauses for a time.
#[derive(Default)]
pub(crate) struct Parker {
    parked: AtomicBool,
    pausing: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Parker {
    /// Makes it the calling thread's. Nobody else parks here.
    pub(crate) fn attach(&self) {
        let _ = self.thread.set(current());
    }

    /// Wakes the thread if it is parked, and says whether it was. Whoever has work for it makes that
    /// visible and passes a `SeqCst` fence before.
    pub(crate) fn unpark(&self) -> bool {
        // The load spares threads that are awake the write, and who comes second writes nothing: the
        // only `false` that can follow a `true` is that of whoever wakes the thread, or its own.
        let parked = self.parked.load(Ordering::SeqCst)
            && self
                .parked
                .compare_exchange(true, false, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok();
        if parked && let Some(thread) = self.thread.get() {
            thread.unpark();
        }
        parked
    }

    /// Sleeps until woken, unless there is work. May return early.
    pub(crate) fn park(&self, has_work: impl Fn() -> bool) {
        self.parked.store(true, Ordering::SeqCst);
        // Pairs with the fence before `unpark`: either that sees that this thread is parked, or this
        // thread sees the work.
        fence(Ordering::SeqCst);
        if !has_work() {
            park();
        }
        self.parked.store(false, Ordering::SeqCst);
    }

    /// Has the thread look whether its pause is over.
    pub(crate) fn end_pause(&self) {
        if self.pausing.load(Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Sleeps for so long, whatever work comes meanwhile, unless the pause is over before that.
    pub(crate) fn pause(&self, pause: Duration, is_over: impl Fn() -> bool) {
        self.pausing.store(true, Ordering::SeqCst);
        // Pairs with the fence before `end_pause`: either that sees the pause, or this the reason.
        fence(Ordering::SeqCst);
        let until = Instant::now() + pause;
        while !is_over() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            park_timeout(left);
        }
        self.pausing.store(false, Ordering::SeqCst);
    }
}
