//! The threads of one version, and the bounded queue before them.
//!
//! Each version that computes has a lane of its own: one that hangs, or is slow, holds up its own
//! threads and nobody else's, whatever it is asked and however often.
//!
//! # Protocol
//!
//! Everything is decided under one lock that is held for a few instructions and never while a
//! user's code runs. A call *waits*, *runs*, and *ends*; or it is given up while it waits and never
//! runs; or it is *overdue*: it still runs after the deadline of those who asked. A thread with an
//! overdue call is written off. Another may be started in its place, up to
//! [`MOST_WRITTEN_OFF`]; beyond that the lane does with the threads that are left, and when every
//! one of them is held up it refuses. A thread that comes back after all is one too many, and ends.
//!
//! Threads are started when there is work for them and none is idle. They end when the lane is
//! gone, or released, and nothing waits.
//!
//! `tests/loom` checks this over every interleaving of small programs.

use std::{collections::VecDeque, io, sync::Arc};

use super::super::sync::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering, PoisonError, start};
use crate::contain::contained;

/// Threads of a lane that may be written off and replaced. Bounded, for each keeps its stack; a version
/// that goes on hanging is a matter for its breaker, and in the end for the operator.
pub(crate) const MOST_WRITTEN_OFF: usize = 32;

/// One computation. It says through [`RunningCall::end`] when it has its result.
pub(crate) type Job = Box<dyn FnOnce(RunningCall) + Send>;

/// The handle of a lane. When it is dropped, the threads end once nothing waits; nobody waits for
/// them: a model that never returns must not keep its service from stopping.
#[derive(Debug)]
pub(crate) struct Lane {
    shared: Arc<LaneShared>,
}

/// A computation that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneError {
    /// Too many wait.
    Full,
    /// Every thread there may be is written off.
    Hung,
    /// The system refused the lane its first thread, or the version was blocked while the call
    /// waited.
    Stopped,
}

/// What became of a call that is given up.
pub(crate) enum AbandonOutcome {
    /// It has not run and will not. What it would have run is the caller's to drop.
    NeverRan(Job),
    /// It is running.
    Running,
    /// It has ended.
    Ended,
}

/// A call in a lane.
#[derive(Debug)]
pub(crate) struct LaneCall {
    /// One of the stages below. Only read and written under the lane's lock.
    stage: AtomicU64,
}

const WAITING: u64 = 0;
const RUNNING: u64 = 1;
const OVERDUE: u64 = 2;
const OVER: u64 = 3;

impl LaneCall {
    fn is(&self, stage: u64) -> bool {
        self.stage.load(Ordering::Relaxed) == stage
    }

    fn set_stage(&self, stage: u64) {
        self.stage.store(stage, Ordering::Relaxed);
    }
}

struct LaneShared {
    /// Threads that are not written off, at most.
    threads: usize,
    queue: usize,
    state: Mutex<LaneState>,
    changed: Condvar,
}

#[derive(Default)]
struct LaneState {
    waiting: VecDeque<(Arc<LaneCall>, Job)>,
    /// Threads that have been started and have not ended.
    alive: usize,
    /// Threads that wait for work, those that have been woken for it among them.
    idle: usize,
    /// Threads that are written off.
    overdue: usize,
    /// No thread lingers.
    released: bool,
    /// Threads started so far, for their names.
    started: usize,
}

impl Lane {
    /// A lane without threads yet.
    pub(crate) fn new(threads: usize, queue: usize) -> Lane {
        let (state, changed) = (Mutex::new(LaneState::default()), Condvar::new());
        let (threads, queue) = (threads.max(1), queue.max(1));
        Lane { shared: Arc::new(LaneShared { threads, queue, state, changed }) }
    }

    /// Starts every thread now, rather than when there is work for it.
    pub(crate) fn fill(&self) -> io::Result<()> {
        (0..self.shared.threads).try_for_each(|_| {
            let number = self.shared.lock().add_thread();
            self.shared.start(number)
        })
    }

    /// Has `job` run, unless there is no room.
    pub(crate) fn submit(&self, job: Job) -> Result<Arc<LaneCall>, LaneError> {
        let shared = &self.shared;
        let call = Arc::new(LaneCall { stage: AtomicU64::new(WAITING) });
        let new_thread = {
            let mut state = shared.lock();
            if shared.is_hung(&state) {
                return Err(LaneError::Hung);
            }
            // Those who are idle take one each.
            if state.waiting.len() >= shared.queue.saturating_add(state.idle) {
                return Err(LaneError::Full);
            }
            state.waiting.push_back((Arc::clone(&call), job));
            shared.thread_needed(&mut state)
        };
        match new_thread {
            Some(number) if shared.start(number).is_err() && call.is_stranded(shared) => {
                Err(LaneError::Stopped)
            }
            _ => Ok(call),
        }
    }

    /// The caller of this call has gone: if it waits, it never runs.
    pub(crate) fn give_up(&self, call: &LaneCall) -> AbandonOutcome {
        let mut state = self.shared.lock();
        match call.stage.load(Ordering::Relaxed) {
            WAITING => match state.take(call) {
                Some(job) => AbandonOutcome::NeverRan(job),
                None => AbandonOutcome::Ended,
            },
            RUNNING => AbandonOutcome::Running,
            _ => AbandonOutcome::Ended,
        }
    }

    /// The deadline of this call has passed. If it waits, it never runs; if it runs, its thread is
    /// written off.
    pub(crate) fn overdue(&self, call: &LaneCall) -> AbandonOutcome {
        let given_up = self.give_up(call);
        if !matches!(given_up, AbandonOutcome::Running) {
            return given_up;
        }
        let new_thread = {
            let mut state = self.shared.lock();
            // It may have ended just now, or another may have seen this.
            if !call.is(RUNNING) {
                return AbandonOutcome::Ended;
            }
            call.set_stage(OVERDUE);
            state.overdue = state.overdue.saturating_add(1);
            self.shared.thread_needed(&mut state)
        };
        if let Some(number) = new_thread
            && let Err(error) = self.shared.start(number)
        {
            tracing::warn!(
                target: "modelgate::router",
                %error,
                "the compute threads of a version are held up, and no other could be started"
            );
        }
        AbandonOutcome::Running
    }

    /// Lets the threads go, and what waits for them; or lets them linger again.
    pub(crate) fn release(&self, released: bool) {
        let withdrawn = {
            let mut state = self.shared.lock();
            state.released = released;
            match released {
                true => std::mem::take(&mut state.waiting),
                false => VecDeque::new(),
            }
        };
        self.shared.changed.notify_all();
        // Outside the lock: this drops what users made.
        let _ = contained(|| drop(withdrawn));
    }

    /// No thread lingers from now on. What waits still runs, and so does what comes after all.
    pub(crate) fn retire(&self) {
        self.shared.lock().released = true;
        self.shared.changed.notify_all();
    }

    /// Threads alive, and those of them that are overdue: the models of the interleavings ask.
    #[cfg(test)]
    #[allow(dead_code)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.alive, state.overdue)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.retire();
    }
}

impl LaneCall {
    /// Whether the call waits and nobody is there to take it; then it is taken back.
    fn is_stranded(&self, shared: &LaneShared) -> bool {
        let taken = {
            let mut state = shared.lock();
            if state.alive > 0 { None } else { state.take(self) }
        };
        taken.is_some()
    }
}

impl LaneState {
    /// Takes a waiting call out of the queue.
    fn take(&mut self, call: &LaneCall) -> Option<Job> {
        let place = self.waiting.iter().position(|(other, _)| std::ptr::eq(&**other, call))?;
        call.set_stage(OVER);
        self.waiting.remove(place).map(|(_, job)| job)
    }

    /// Counts a thread that is about to be started.
    fn add_thread(&mut self) -> usize {
        self.alive = self.alive.saturating_add(1);
        self.started = self.started.saturating_add(1);
        self.started
    }
}

impl LaneShared {
    // A panic under the lock is not possible: no user's code runs there.
    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn most_threads(&self) -> usize {
        self.threads.saturating_add(MOST_WRITTEN_OFF)
    }

    fn is_hung(&self, state: &LaneState) -> bool {
        state.overdue >= self.most_threads()
    }

    /// Sees to it that somebody takes what waits: wakes a thread, or says that one is to be started.
    fn thread_needed(&self, state: &mut LaneState) -> Option<usize> {
        if state.waiting.is_empty() {
            return None;
        }
        if state.waiting.len() <= state.idle {
            self.changed.notify_one();
            return None;
        }
        let standing = state.alive.saturating_sub(state.overdue);
        (standing < self.threads && state.alive < self.most_threads()).then(|| state.add_thread())
    }

    fn start(self: &Arc<Self>, number: usize) -> io::Result<()> {
        let shared = Arc::clone(self);
        start(format!("modelgate-compute-{number}"), move || shared.work()).inspect_err(|_| {
            let mut state = self.lock();
            state.alive = state.alive.saturating_sub(1);
        })
    }

    fn work(self: Arc<Self>) {
        let mut state = self.lock();
        loop {
            if let Some((call, job)) = state.waiting.pop_front() {
                call.set_stage(RUNNING);
                drop(state);
                let running = RunningCall { shared: Arc::clone(&self), call: Some(call) };
                // Models are contained where they are called; this is for what is dropped after
                // them.
                let _ = contained(|| job(running));
                state = self.lock();
                let standing = state.alive.saturating_sub(state.overdue);
                if standing <= self.threads {
                    continue;
                }
                // It was written off and replaced.
                break;
            }
            if state.released {
                break;
            }
            state.idle = state.idle.saturating_add(1);
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle = state.idle.saturating_sub(1);
        }
        state.alive = state.alive.saturating_sub(1);
    }
}

impl std::fmt::Debug for LaneShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaneShared").field("threads", &self.threads).finish_non_exhaustive()
    }
}

/// A call that runs; it ends when this is dropped, at the latest.
pub(crate) struct RunningCall {
    shared: Arc<LaneShared>,
    call: Option<Arc<LaneCall>>,
}

impl RunningCall {
    /// The call has its result; `true` if that is in time.
    pub(crate) fn end(mut self) -> bool {
        self.ended()
    }

    fn ended(&mut self) -> bool {
        let Some(call) = self.call.take() else { return false };
        let mut state = self.shared.lock();
        let overdue = call.is(OVERDUE);
        if overdue {
            state.overdue = state.overdue.saturating_sub(1);
        }
        call.set_stage(OVER);
        !overdue
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.ended();
    }
}
