//! What batching has counted.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::Serialize;

use crate::latency::{Latencies, Latency};

/// What a [`Batched`](super::Batched) model has counted since it was made.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct BatchedStats {
    /// Rows that the model was asked about.
    pub rows: u64,
    /// Calls of the model: `rows / batches` is the average batch.
    pub batches: u64,
    /// The most rows that ran as one batch.
    pub largest: u64,
    /// Batches that began beside all that were allowed, because a row had waited for `max_delay`:
    /// the model cannot keep up with its callers.
    pub overdue: u64,
    /// Rows refused because the queue was full.
    pub refused: u64,
    /// Rows whose caller gave up before they ran. Only callers that wait in a future can.
    pub abandoned: u64,
    /// Batches that panicked, or gave another number of answers, and were run again row by row.
    pub split: u64,
    /// Rows of shadows, which ran apart from the batches; the other counts leave them out.
    pub shadow_rows: u64,
    /// Rows that wait just now.
    pub waiting: u64,
    /// How long rows waited for their batch to begin; those that ran at once are not counted.
    pub queue_wait: Latency,
}

#[derive(Debug)]
pub(super) struct Counters {
    rows: AtomicU64,
    batches: AtomicU64,
    largest: AtomicU64,
    overdue: AtomicU64,
    refused: AtomicU64,
    abandoned: AtomicU64,
    split: AtomicU64,
    shadow_rows: AtomicU64,
    queue_wait: Latencies,
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn new() -> Counters {
        Counters {
            rows: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            largest: AtomicU64::new(0),
            overdue: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            split: AtomicU64::new(0),
            shadow_rows: AtomicU64::new(0),
            queue_wait: Latencies::new(),
        }
    }

    pub(super) fn batch(&self, rows: usize) {
        add(&self.rows, rows);
        add(&self.batches, 1);
        self.largest.fetch_max(rows as u64, Ordering::Relaxed);
    }

    pub(super) fn waited(&self, time: Duration) {
        self.queue_wait.count(time);
    }

    pub(super) fn overdue(&self) {
        add(&self.overdue, 1);
    }

    #[cold]
    pub(super) fn refused(&self) {
        add(&self.refused, 1);
    }

    #[cfg(feature = "async")]
    pub(super) fn abandoned(&self, rows: usize) {
        add(&self.abandoned, rows);
    }

    #[cold]
    pub(super) fn shadow(&self, rows: usize) {
        add(&self.shadow_rows, rows);
    }

    #[cold]
    pub(super) fn split(&self) {
        add(&self.split, 1);
    }

    pub(super) fn read(&self, waiting: usize) -> BatchedStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BatchedStats {
            rows: read(&self.rows),
            batches: read(&self.batches),
            largest: read(&self.largest),
            overdue: read(&self.overdue),
            refused: read(&self.refused),
            abandoned: read(&self.abandoned),
            split: read(&self.split),
            shadow_rows: read(&self.shadow_rows),
            waiting: waiting as u64,
            queue_wait: Latencies::read(std::iter::once(&self.queue_wait)),
        }
    }
}
