//! Counters that threads do not share: each thread writes to its own shard.
//!
//! A single shared counter on the request path costs more than the decision it counts: two threads
//! that write one cache line wait for each other.

use std::{
    cell::Cell,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// More shards than this gain nothing on the machines this runs on and cost memory on all.
const MOST: usize = 64;

/// One `T` a shard, each on cache lines of its own.
#[derive(Debug)]
pub(crate) struct Sharded<T> {
    /// Apart from the others, so that there is always one.
    first: CacheLines<T>,
    others: Box<[CacheLines<T>]>,
}

/// Two lines: processors prefetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct CacheLines<T>(T);

impl<T> Sharded<T> {
    /// A shard for each thread that can run at once, made by `make`.
    pub(crate) fn new(make: impl Fn() -> T) -> Sharded<T> {
        let threads = threads();
        // Twice as many: threads are numbered as they come, so two busy ones may meet.
        let count = (threads * 2).next_power_of_two().min(MOST);
        Sharded {
            first: CacheLines(make()),
            others: (1..count).map(|_| CacheLines(make())).collect(),
        }
    }

    /// The calling thread's shard.
    #[inline]
    pub(crate) fn of_this_thread(&self) -> &T {
        // Their number and the first are a power of two together, so this masks one out.
        let place = thread_number() & self.others.len();
        match self.others.get(place) {
            Some(line) => &line.0,
            None => &self.first.0,
        }
    }

    /// Every shard, to add up.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.others).map(|line| &line.0)
    }
}

/// How many threads can run at once. Asked once: the answer is read from several files.
fn threads() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// A number of the calling thread's own, from 0.
#[inline]
pub(crate) fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    NUMBER.with(|number| match number.get() {
        usize::MAX => {
            let mine = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(mine);
            mine
        }
        known => known,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn nothing_is_lost_when_many_threads_count() {
        let counts = Sharded::new(|| AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        counts.of_this_thread().fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(counts.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>(), 8_000);
    }
}
