//! Requests that arrive together, run as one batch.

mod queue;
mod run;
mod stats;
#[cfg(feature = "async")]
mod tasks;

use std::{borrow::Borrow, fmt, marker::PhantomData, sync::Arc, time::Duration};

pub use self::stats::BatchedStats;
#[cfg(feature = "async")]
pub use self::tasks::AsyncBatched;
use self::{
    queue::{Arrival, Bounds, Queue, WaitOutcome},
    stats::Counters,
};
use super::{ErrorKind, Model, ModelError};
use crate::{cpu_time, router::Input, shadow::is_shadow};

/// A model whose callers' rows run as one batch when they arrive together.
///
/// Nobody waits for company that may not come: a row that finds the model idle runs at once, on its
/// caller's own thread. Rows that arrive while the model is busy are collected, and run as one batch
/// as soon as a run ends; so batches grow by themselves with the load. No row waits longer than
/// [`max_delay`](Self::max_delay) for its batch to begin: then it begins beside those that run.
///
/// A row fails alone. A batch that panics is run again row by row, is counted
/// ([`BatchedStats::split`]), and only the rows that fail again fail. The answer of a row is the
/// same as alone within what the model's own `predict_batch` promises: for an
/// [`onnx::Classifier`](crate::onnx::Classifier), the rounding of a sum (some 1e-7).
///
/// A shadow's row joins no batch and leads none, and takes no place of one: it runs alone, on the
/// shadow's thread ([`into_async`](Self::into_async): on a thread for shadows only).
///
/// It pays where the model is faster on a batch than in a loop by more than waking a thread costs:
/// a network of several layers, a model on a GPU or with threads of its own. A small
/// tree or a linear model is better called directly.
///
/// ```
/// use std::time::Duration;
/// use modelgate::{Model, model::Batched, model_fn};
///
/// let model = model_fn(|row: &[f32]| Ok(row.iter().sum::<f32>()));
/// let batched = Batched::new(model).max_rows(32).max_delay(Duration::from_millis(2));
/// assert_eq!(batched.predict(&[1.0, 2.0])?, 3.0);
/// assert_eq!(batched.stats().largest, 1);
/// # Ok::<(), modelgate::ModelError>(())
/// ```
///
/// A clone is another handle of the same queue: keep one to read its [`stats`](Self::stats).
pub struct Batched<M, F: Input + ?Sized, P> {
    bounds: Bounds,
    shared: Arc<SyncBatcher<M, F, P>>,
}

struct SyncBatcher<M, F: Input + ?Sized, P> {
    model: M,
    queue: Queue<F::Owned, P>,
    counters: Counters,
    features: PhantomData<fn(&F)>,
}

impl<M, F: Input + ?Sized, P> Batched<M, F, P> {
    /// This model, with the default bounds.
    pub fn new(model: M) -> Batched<M, F, P>
    where
        M: Model<F, P>,
    {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let bounds = Bounds {
            rows: 32,
            delay: Duration::from_millis(10),
            concurrency: processors,
            queue: 1_024,
        };
        let (queue, counters) = (Queue::new(), Counters::new());
        Batched {
            bounds,
            shared: Arc::new(SyncBatcher { model, queue, counters, features: PhantomData }),
        }
    }

    /// The most rows of a batch; at least 1. Default: 32.
    #[must_use]
    pub fn max_rows(mut self, rows: usize) -> Batched<M, F, P> {
        self.bounds.rows = rows.max(1);
        self
    }

    /// The longest that a row waits for its batch to begin. Default: 10 ms.
    ///
    /// It is reached only when the model is slower than that, or its callers are more than it can
    /// serve; set it above the time of one batch. Nothing is ever delayed on purpose.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Batched<M, F, P> {
        self.bounds.delay = delay;
        self
    }

    /// How many batches run side by side before rows are collected; at least 1. Default: one for
    /// each processor. For a model that uses every processor by itself, or a GPU, say 1.
    #[must_use]
    pub fn concurrency(mut self, batches: usize) -> Batched<M, F, P> {
        self.bounds.concurrency = batches.max(1);
        self
    }

    /// How many rows may wait; a further one fails at once
    /// ([`Overloaded`](ErrorKind::Overloaded)), and its router answers with the fallback
    /// version and asks this one again for the next request: no breaker counts it. At least 1. Default: 1,024.
    #[must_use]
    pub fn queue(mut self, rows: usize) -> Batched<M, F, P> {
        self.bounds.queue = rows.max(1);
        self
    }

    /// What has been counted.
    pub fn stats(&self) -> BatchedStats {
        self.shared.counters.read(self.shared.queue.waiting())
    }

    /// The model behind it.
    pub fn model(&self) -> &M {
        &self.shared.model
    }
}

impl<M: Model<F, P>, F: Input + ?Sized, P: Send> Model<F, P> for Batched<M, F, P> {
    fn predict(&self, features: &F) -> Result<P, ModelError> {
        let Batched { bounds, shared } = self;
        let SyncBatcher { model, queue, counters, .. } = &**shared;
        if is_shadow() {
            counters.shadow(1);
            return run::one(model, features);
        }
        let (waiter, since) = match queue.arrive(bounds, || features.to_owned()) {
            Arrival::Alone => {
                let _running = queue.running(bounds);
                counters.batch(1);
                return run::one(model, features);
            }
            Arrival::Full => {
                counters.refused();
                return Err(full(bounds.queue));
            }
            Arrival::Wait(waiter, since) => (waiter, since),
        };
        // Others compute for this row, or this thread for the rows of others.
        cpu_time::is_spent_elsewhere();
        let companions = match queue.wait(&waiter, since, bounds, counters) {
            WaitOutcome::Answered(answer) => return answer,
            WaitOutcome::Lead(companions) => companions,
        };
        let running = queue.running(bounds);
        let mut rows: Vec<&F> = Vec::with_capacity(companions.len().saturating_add(1));
        rows.push(features);
        rows.extend(companions.iter().map(|companion| companion.row.borrow()));
        let mut answers = run::all(model, &rows, counters).into_iter();
        drop(rows);
        // The next batch begins before these answers are handed out.
        drop(running);
        let own = answers.next().unwrap_or_else(|| Err(ModelError::new("the batch was lost")));
        for (companion, answer) in companions.into_iter().zip(answers) {
            companion.answer(answer);
        }
        own
    }

    /// Rows that come as a batch run as one, on their caller's thread.
    fn predict_batch(&self, rows: &[&F]) -> Vec<Result<P, ModelError>> {
        if is_shadow() {
            self.shared.counters.shadow(rows.len());
        } else if !rows.is_empty() {
            self.shared.counters.batch(rows.len());
        }
        self.shared.model.predict_batch(rows)
    }

    fn is_loaded(&self) -> bool {
        self.shared.model.is_loaded()
    }

    fn load(&self) -> Result<(), ModelError> {
        self.shared.model.load()
    }
}

#[cold]
fn full(rows: usize) -> ModelError {
    let message = format!("too many requests: {rows} rows already wait for a batch");
    ModelError::of_kind(ErrorKind::Overloaded, message)
}

impl<M, F: Input + ?Sized, P> Clone for Batched<M, F, P> {
    fn clone(&self) -> Batched<M, F, P> {
        Batched { bounds: self.bounds, shared: Arc::clone(&self.shared) }
    }
}

impl<M, F: Input + ?Sized, P> fmt::Debug for Batched<M, F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batched").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}
