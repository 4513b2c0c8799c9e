//! Callers that are threads: who runs the batch, and who waits for it.
//!
//! No thread of ours is involved. A caller that finds nobody at work runs its own row at once. One
//! that finds others at work leaves a copy of its row in the queue and sleeps, until it is told its
//! answer, or told to lead, or has waited for too long: then it leads without being told. The leader takes the
//! rows that wait and runs them with its own. Whoever ends a run tells the first that waits to lead
//! next.
//!
//! `running` counts the runs, those of leaders that have been told and are about to wake among
//! them. Rows wait only while as many run as may, and each of those tells another when it ends: no
//! row is forgotten. The queue and `running` are under one lock; each seat has one of its own,
//! which is never held while the queue's is waited for.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::stats::Counters;
use crate::{contain::contained, model::ModelError};

pub(super) struct Queue<R, P>(Mutex<QueueState<R, P>>);

struct QueueState<R, P> {
    waiting: VecDeque<Entry<R, P>>,
    running: usize,
}

struct Entry<R, P> {
    row: R,
    since: Instant,
    waiter: Arc<Waiter<P>>,
}

/// Where one caller waits.
pub(super) struct Waiter<P> {
    delivery: Mutex<Delivery<P>>,
    wake: Condvar,
}

enum Delivery<P> {
    Nothing,
    Lead,
    Answer(Result<P, ModelError>),
}

impl<P> Waiter<P> {
    fn deliver(&self, what: Delivery<P>) {
        *self.delivery.lock() = what;
        self.wake.notify_one();
    }
}

/// The bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) rows: usize,
    pub(super) delay: Duration,
    pub(super) concurrency: usize,
    pub(super) queue: usize,
}

/// What a caller that arrives is to do.
pub(super) enum Arrival<P> {
    /// Run its row at once.
    Alone,
    /// Wait.
    Wait(Arc<Waiter<P>>, Instant),
    /// Fail: too many wait.
    Full,
}

/// What came of waiting.
pub(super) enum WaitOutcome<R, P> {
    /// Another ran the row.
    Answered(Result<P, ModelError>),
    /// Run it, and these with it.
    Lead(Vec<QueuedRow<R, P>>),
}

/// A row of another caller, who waits for its answer.
pub(super) struct QueuedRow<R, P> {
    pub(super) row: R,
    waiter: Option<Arc<Waiter<P>>>,
}

impl<R, P> QueuedRow<R, P> {
    pub(super) fn answer(mut self, answer: Result<P, ModelError>) {
        if let Some(waiter) = self.waiter.take() {
            waiter.deliver(Delivery::Answer(answer));
        }
        drop_copy(self);
    }
}

impl<R, P> Drop for QueuedRow<R, P> {
    /// Whatever goes wrong, nobody waits for ever.
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            waiter.deliver(Delivery::Answer(Err(ModelError::new("the batch was lost"))));
        }
    }
}

impl<R, P> Queue<R, P> {
    pub(super) fn new() -> Queue<R, P> {
        Queue(Mutex::new(QueueState { waiting: VecDeque::new(), running: 0 }))
    }

    pub(super) fn waiting(&self) -> usize {
        self.0.lock().waiting.len()
    }

    /// Whether a row may run at once; if not, a copy of it is queued.
    pub(super) fn arrive(&self, bounds: &Bounds, copy: impl FnOnce() -> R) -> Arrival<P> {
        if let Some(arrival) = self.0.lock().at_once(bounds) {
            return arrival;
        }
        // The copy is the caller's code: not under the lock.
        let (row, since) = (copy(), Instant::now());
        let waiter =
            Arc::new(Waiter { delivery: Mutex::new(Delivery::Nothing), wake: Condvar::new() });
        let mut state = self.0.lock();
        if let Some(arrival) = state.at_once(bounds) {
            drop(state);
            drop_copy(row);
            return arrival;
        }
        state.waiting.push_back(Entry { row, since, waiter: Arc::clone(&waiter) });
        Arrival::Wait(waiter, since)
    }

    /// Waits for the answer, or for the turn to run.
    pub(super) fn wait(
        &self,
        waiter: &Arc<Waiter<P>>,
        since: Instant,
        bounds: &Bounds,
        counters: &Counters,
    ) -> WaitOutcome<R, P> {
        // A delay beyond the clock's end is none.
        let mut until = since.checked_add(bounds.delay);
        let mut delivery = waiter.delivery.lock();
        loop {
            match std::mem::replace(&mut *delivery, Delivery::Nothing) {
                Delivery::Answer(answer) => return WaitOutcome::Answered(answer),
                Delivery::Lead => {
                    drop(delivery);
                    counters.waited(since.elapsed());
                    return WaitOutcome::Lead(self.0.lock().take(bounds.rows, counters));
                }
                Delivery::Nothing => {}
            }
            let Some(moment) = until else {
                waiter.wake.wait(&mut delivery);
                continue;
            };
            if waiter.wake.wait_until(&mut delivery, moment).timed_out()
                && matches!(*delivery, Delivery::Nothing)
            {
                drop(delivery);
                if let Some(companions) = self.lead_overdue(waiter, bounds, counters) {
                    counters.waited(since.elapsed());
                    return WaitOutcome::Lead(companions);
                }
                // Its batch has begun just now, or its turn has come.
                until = None;
                delivery = waiter.delivery.lock();
            }
        }
    }

    /// Takes a row that has waited for too long out of the queue, and others with it.
    #[cold]
    fn lead_overdue(
        &self,
        waiter: &Arc<Waiter<P>>,
        bounds: &Bounds,
        counters: &Counters,
    ) -> Option<Vec<QueuedRow<R, P>>> {
        let mut state = self.0.lock();
        let place = state.waiting.iter().position(|entry| Arc::ptr_eq(&entry.waiter, waiter))?;
        let own = state.waiting.remove(place);
        state.running = state.running.saturating_add(1);
        let companions = state.take(bounds.rows, counters);
        drop(state);
        drop_copy(own);
        counters.overdue();
        Some(companions)
    }

    /// Ends a run when it is dropped.
    pub(super) fn running<'a>(&'a self, bounds: &'a Bounds) -> Running<'a, R, P> {
        Running { queue: self, bounds }
    }
}

impl<R, P> QueueState<R, P> {
    /// What a caller is to do, unless it is to wait.
    fn at_once(&mut self, bounds: &Bounds) -> Option<Arrival<P>> {
        if self.running < bounds.concurrency && self.waiting.is_empty() {
            self.running = self.running.saturating_add(1);
            return Some(Arrival::Alone);
        }
        (self.waiting.len() >= bounds.queue).then_some(Arrival::Full)
    }

    /// The first that wait: as many as fill a batch, less the leader's own.
    fn take(&mut self, rows: usize, counters: &Counters) -> Vec<QueuedRow<R, P>> {
        let count = self.waiting.len().min(rows.saturating_sub(1));
        let taken = self.waiting.drain(..count).map(|entry| {
            counters.waited(entry.since.elapsed());
            QueuedRow { row: entry.row, waiter: Some(entry.waiter) }
        });
        taken.collect()
    }
}

/// Drops a copy of a row. Its `Drop` is the caller's code: a panic in it is nobody else's.
fn drop_copy(copy: impl Sized) {
    let _ = contained(|| drop(copy));
}

/// One run; dropped when it has ended, however it ended.
pub(super) struct Running<'a, R, P> {
    queue: &'a Queue<R, P>,
    bounds: &'a Bounds,
}

impl<R, P> Drop for Running<'_, R, P> {
    fn drop(&mut self) {
        let mut state = self.queue.0.lock();
        // Beside what is allowed, one that was overdue gives its place to nobody.
        let next = match state.running <= self.bounds.concurrency {
            true => state.waiting.pop_front(),
            false => None,
        };
        if next.is_none() {
            state.running = state.running.saturating_sub(1);
        }
        drop(state);
        if let Some(Entry { row, waiter, .. }) = next {
            waiter.deliver(Delivery::Lead);
            // The leader has its own row.
            drop_copy(row);
        }
    }
}
