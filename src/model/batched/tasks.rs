//! Callers that wait in futures: the batches run on threads of ours, never on an executor's worker.
//!
//! As many threads as batches may run side by side, and a spare one that watches the queue: when a
//! row has waited for `max_delay` and all others are busy, it runs that row's batch itself and is
//! replaced. Idle threads sleep on a condition variable; rows and counts are under one lock, which
//! is not held while the model runs or a caller is woken.

use std::{
    borrow::Borrow,
    collections::VecDeque,
    fmt,
    future::Future,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::channel::oneshot;
use once_cell::sync::OnceCell;
use parking_lot::{Condvar, Mutex};

use super::{Batched, BatchedStats, full, queue::Bounds, run, stats::Counters};
use crate::{
    AsyncModel,
    contain::contained,
    cpu_time,
    model::{Model, ModelError, PredictFuture},
    router::{Input, Output},
    shadow::{AccountHandle, ShadowScope, is_shadow},
};

/// Threads for batches that are overdue, beside the usual ones; as many as a version's compute threads
/// that may be written off. Bounded, for each keeps its stack: a model that hangs for ever is a matter
/// for its router's breaker, and in the end for the operator.
const MOST_STAND_INS: usize = 32;

/// A [`Batched`] model for callers that wait in futures: an [`AsyncModel`] whose batches run on
/// threads of its own. Made by [`Batched::into_async`].
///
/// Rows of shadows have a queue and a thread of their own, started with the first of them.
///
/// A caller that drops its future takes its row out of the queue. The threads end when the last
/// clone is dropped, after the batch they run; rows that still wait then fail.
pub struct AsyncBatched<F: Input + ?Sized, P: Output> {
    owner: Arc<Owner<F, P>>,
}

/// Stops the threads when the last handle goes; they themselves hold only what is shared.
struct Owner<F: Input + ?Sized, P: Output> {
    shared: Arc<AsyncBatcher<F, P>>,
    /// The same model for rows of shadows, apart: no live row waits in a batch with one of them.
    for_shadows: OnceCell<Arc<AsyncBatcher<F, P>>>,
}

struct AsyncBatcher<F: Input + ?Sized, P> {
    model: Arc<dyn Model<F, P>>,
    bounds: Bounds,
    thread: &'static str,
    counters: Counters,
    state: Mutex<TaskQueue<F::Owned, P>>,
    changed: Condvar,
}

struct TaskQueue<R, P> {
    waiting: VecDeque<Task<R, P>>,
    /// Batches that run.
    running: usize,
    /// Threads, and how many of them run nothing.
    threads: usize,
    idle: usize,
    stopped: bool,
}

struct Task<R, P> {
    row: R,
    since: Instant,
    answer: oneshot::Sender<Result<P, ModelError>>,
    /// The row is a shadow's.
    shadow: bool,
    /// What it is charged to, where a budget applies.
    account: Option<AccountHandle>,
}

impl<M: Model<F, P> + 'static, F: Input + ?Sized, P: Output> Batched<M, F, P> {
    /// The same model and bounds for callers that wait in futures. It has a queue and counts of its
    /// own.
    ///
    /// ```
    /// use modelgate::{AsyncModel, model::Batched, model_fn};
    ///
    /// let model = model_fn(|row: &[f32]| Ok(row.iter().sum::<f32>()));
    /// let batched = Batched::new(model).max_rows(16).into_async()?;
    /// # futures::executor::block_on(async {
    /// assert_eq!(batched.predict(&[1.0, 2.0]).await?, 3.0);
    /// # Ok::<(), modelgate::ModelError>(()) }).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When a thread cannot be started.
    pub fn into_async(self) -> io::Result<AsyncBatched<F, P>> {
        let model: Arc<dyn Model<F, P>> = Arc::new(Unbatched(self.shared));
        let shared = AsyncBatcher::start(model, self.bounds, "modelgate-batch")?;
        Ok(AsyncBatched { owner: Arc::new(Owner { shared, for_shadows: OnceCell::new() }) })
    }
}

/// The model behind a [`Batched`].
struct Unbatched<M, F: Input + ?Sized, P>(Arc<super::SyncBatcher<M, F, P>>);

impl<M: Model<F, P>, F: Input + ?Sized, P: Output> Model<F, P> for Unbatched<M, F, P> {
    fn predict(&self, features: &F) -> Result<P, ModelError> {
        self.0.model.predict(features)
    }
    fn predict_batch(&self, rows: &[&F]) -> Vec<Result<P, ModelError>> {
        self.0.model.predict_batch(rows)
    }
}

impl<F: Input + ?Sized, P: Output> AsyncBatched<F, P> {
    /// Queues a row; the future is ready when its batch has run. Dropping the future gives the row
    /// up. It does not keep the model alive.
    ///
    /// # Errors
    ///
    /// The model's own, or that too many rows wait, or that the model was dropped meanwhile.
    pub fn submit(
        &self,
        features: F::Owned,
    ) -> impl Future<Output = Result<P, ModelError>> + Send + use<F, P> + 'static {
        let answer = self.owner.lane().and_then(|shared| shared.queue(features));
        async move {
            answer?.await.unwrap_or_else(|_| Err(ModelError::new("the batched model was dropped")))
        }
    }

    /// What has been counted.
    pub fn stats(&self) -> BatchedStats {
        let Owner { shared, for_shadows } = &*self.owner;
        let mut stats = shared.counters.read(shared.state.lock().waiting.len());
        stats.shadow_rows =
            for_shadows.get().map_or(0, |for_shadows| for_shadows.counters.read(0).rows);
        stats
    }
}

impl<F: Input + ?Sized, P: Output> AsyncModel<F, P> for AsyncBatched<F, P> {
    fn predict<'a>(&'a self, features: &'a F) -> PredictFuture<'a, P> {
        Box::pin(async move { self.submit(features.to_owned()).await })
    }
}

impl<F: Input + ?Sized, P: Output> Owner<F, P> {
    /// Where the calling code's rows go.
    fn lane(&self) -> Result<&Arc<AsyncBatcher<F, P>>, ModelError> {
        match is_shadow() {
            true => self.for_shadows.get_or_try_init(|| {
                let Bounds { rows, queue, .. } = self.shared.bounds;
                // One batch at a time, and however late none beside it.
                let bounds = Bounds { rows, queue, concurrency: 1, delay: Duration::MAX };
                let model = Arc::clone(&self.shared.model);
                AsyncBatcher::start(model, bounds, "modelgate-batch-shadow")
                    .map_err(ModelError::new)
            }),
            false => Ok(&self.shared),
        }
    }
}

type AnswerReceiver<P> = oneshot::Receiver<Result<P, ModelError>>;

impl<F: Input + ?Sized, P: Output> AsyncBatcher<F, P> {
    fn start(
        model: Arc<dyn Model<F, P>>,
        bounds: Bounds,
        thread: &'static str,
    ) -> io::Result<Arc<AsyncBatcher<F, P>>> {
        let shared = Arc::new(AsyncBatcher {
            model,
            bounds,
            thread,
            counters: Counters::new(),
            state: Mutex::new(TaskQueue {
                waiting: VecDeque::new(),
                running: 0,
                threads: 0,
                idle: 0,
                stopped: false,
            }),
            changed: Condvar::new(),
        });
        let started = (0..=bounds.concurrency).try_for_each(|_| shared.start_thread());
        if let Err(error) = started {
            shared.stop();
            return Err(error);
        }
        Ok(shared)
    }

    /// Ends the threads; rows that still wait fail.
    fn stop(&self) {
        let mut state = self.state.lock();
        state.stopped = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.changed.notify_all();
        contained(|| drop(waiting));
    }

    fn queue(&self, row: F::Owned) -> Result<AnswerReceiver<P>, ModelError> {
        let (answer, answered) = oneshot::channel();
        let (shadow, account) = (is_shadow(), AccountHandle::of_this_thread());
        let task = Task { row, since: Instant::now(), answer, shadow, account };
        let mut gone = Vec::new();
        let mut state = self.state.lock();
        if state.waiting.len() >= self.bounds.queue {
            gone = state.abandoned();
        }
        if state.waiting.len() >= self.bounds.queue {
            drop(state);
            self.counters.refused();
            return Err(full(self.bounds.queue));
        }
        // Whoever was woken for a row that waits already takes this one with it.
        let first = state.waiting.is_empty();
        state.waiting.push_back(task);
        drop(state);
        if first {
            self.changed.notify_one();
        }
        self.forget(gone);
        Ok(answered)
    }

    /// Rows are the caller's code when they are dropped: not under the lock.
    fn forget(&self, gone: Vec<Task<F::Owned, P>>) {
        if !gone.is_empty() {
            self.counters.abandoned(gone.len());
            contained(|| drop(gone));
        }
    }

    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        let number = {
            let mut state = self.state.lock();
            state.threads = state.threads.saturating_add(1);
            state.idle = state.idle.saturating_add(1);
            state.threads
        };
        let shared = Arc::clone(self);
        let started = std::thread::Builder::new()
            .name(format!("{}-{number}", self.thread))
            .spawn(move || shared.work());
        if started.is_err() {
            let mut state = self.state.lock();
            state.threads = state.threads.saturating_sub(1);
            state.idle = state.idle.saturating_sub(1);
        }
        started.map(drop)
    }

    fn work(self: &Arc<Self>) {
        loop {
            let Some(Batch { tasks, gone, overdue, alone }) = self.next() else { return };
            if overdue {
                self.counters.overdue();
            }
            if alone && let Err(error) = self.start_thread() {
                tracing::warn!(
                    target: "modelgate::model",
                    %error,
                    "every thread for batches is busy, and no other could be started"
                );
            }
            self.forget(gone);
            let _ = contained(|| self.run(tasks));
            let mut state = self.state.lock();
            state.running = state.running.saturating_sub(1);
            state.idle = state.idle.saturating_add(1);
        }
    }

    fn run(&self, tasks: Vec<Task<F::Owned, P>>) {
        if tasks.is_empty() {
            return;
        }
        for task in &tasks {
            self.counters.waited(task.since.elapsed());
        }
        let rows: Vec<&F> = tasks.iter().map(|task| task.row.borrow()).collect();
        // All of a queue's rows are shadows', or none.
        let first = tasks.first().filter(|task| task.shadow);
        let inside = first.map(|task| ShadowScope::enter(task.account.clone()));
        let before = inside.as_ref().map(|_| cpu_time::to_charge());
        let answers = run::all(&*self.model, &rows, &self.counters);
        drop((rows, inside));
        if let Some(before) = before {
            let used = cpu_time::to_charge().saturating_sub(before);
            let each = used / u32::try_from(tasks.len()).unwrap_or(u32::MAX);
            tasks
                .iter()
                .filter_map(|task| task.account.as_ref())
                .for_each(|account| account.charge(each));
        }
        for (task, answer) in tasks.into_iter().zip(answers) {
            // Wakes the caller, whose executor may run it right here; it may also have gone.
            let _ = contained(|| task.answer.send(answer));
        }
    }

    /// Waits for a batch; `None` when the thread is to end.
    fn next(&self) -> Option<Batch<F::Owned, P>> {
        let mut state = self.state.lock();
        loop {
            let usual = self.bounds.concurrency.saturating_add(1);
            if state.stopped || (state.threads > usual && state.idle > 1) {
                state.threads = state.threads.saturating_sub(1);
                state.idle = state.idle.saturating_sub(1);
                return None;
            }
            let Some(first) = state.waiting.front() else {
                self.changed.wait(&mut state);
                continue;
            };
            let overdue = state.running >= self.bounds.concurrency;
            if overdue {
                match first.since.checked_add(self.bounds.delay) {
                    Some(moment) if moment > Instant::now() => {
                        self.changed.wait_until(&mut state, moment);
                        continue;
                    }
                    Some(_) => {}
                    None => {
                        self.changed.wait(&mut state);
                        continue;
                    }
                }
            }
            let gone = state.abandoned();
            let count = state.waiting.len().min(self.bounds.rows);
            let tasks: Vec<_> = state.waiting.drain(..count).collect();
            state.running = state.running.saturating_add(1);
            state.idle = state.idle.saturating_sub(1);
            let alone = state.idle == 0 && state.threads < usual.saturating_add(MOST_STAND_INS);
            let more = !state.waiting.is_empty();
            drop(state);
            if more {
                self.changed.notify_one();
            }
            return Some(Batch { overdue: overdue && !tasks.is_empty(), tasks, gone, alone });
        }
    }
}

struct Batch<R, P> {
    tasks: Vec<Task<R, P>>,
    /// Rows whose callers have gone.
    gone: Vec<Task<R, P>>,
    overdue: bool,
    /// Whether no other thread watches the queue.
    alone: bool,
}

impl<R, P> TaskQueue<R, P> {
    /// Takes out the rows whose callers have gone.
    fn abandoned(&mut self) -> Vec<Task<R, P>> {
        if !self.waiting.iter().any(|task| task.answer.is_canceled()) {
            return Vec::new();
        }
        let (gone, waiting): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).partition(|task| task.answer.is_canceled());
        self.waiting = waiting.into();
        gone
    }
}

impl<F: Input + ?Sized, P: Output> Drop for Owner<F, P> {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(for_shadows) = self.for_shadows.get() {
            for_shadows.stop();
        }
    }
}

impl<F: Input + ?Sized, P: Output> Clone for AsyncBatched<F, P> {
    fn clone(&self) -> AsyncBatched<F, P> {
        AsyncBatched { owner: Arc::clone(&self.owner) }
    }
}

impl<F: Input + ?Sized, P: Output> fmt::Debug for AsyncBatched<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncBatched")
            .field("bounds", &self.owner.shared.bounds)
            .finish_non_exhaustive()
    }
}
