//! Work side by side: on rayon where it is there, on threads or in turn where it is not.

#[cfg(feature = "rayon")]
mod enabled {
    use std::io;

    use rayon::prelude::*;

    use crate::contain::contained;

    /// What `work` makes of each chunk of at most `size`, joined in order: in parallel on the
    /// current rayon pool.
    pub(crate) fn map_chunks<T: Sync, R: Send>(
        items: &[T],
        size: usize,
        work: impl Fn(&[T]) -> Vec<R> + Sync,
    ) -> Vec<R> {
        match items.len() {
            0 => Vec::new(),
            few if few <= size => work(items),
            _ => items.par_chunks(size.max(1)).flat_map_iter(&work).collect(),
        }
    }

    /// A pool for what runs beside a caller. Never rayon's global one: a thread of the host that
    /// waits inside `rayon::join` would steal a candidate's run and pay for it on a live request.
    pub(crate) struct JoinPool(rayon::ThreadPool);

    impl JoinPool {
        pub(crate) fn start(threads: usize) -> io::Result<JoinPool> {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|number| format!("modelgate-joined-{number}"))
                .build()
                .map(JoinPool)
                .map_err(io::Error::other)
        }

        /// Runs `main` on this thread and `others` on the pool, and returns when all are done. One
        /// of the others that panics has no result.
        ///
        /// Not by a rayon scope: a caller that is a worker of its host's own rayon pool would steal
        /// the host's next request while it waits, that one the next, until the stack is full.
        pub(crate) fn run<A, B: Send + 'static>(
            &self,
            main: impl FnOnce() -> A,
            others: impl Iterator<Item = impl FnOnce() -> B + Send + 'static>,
        ) -> (A, Vec<B>) {
            let (done, finished) = crossbeam_channel::unbounded();
            for (place, other) in others.enumerate() {
                let done = done.clone();
                self.0.spawn(move || {
                    // The caller cannot have gone: it waits for every sender to be dropped.
                    let _ = contained(other).map(|result| done.send((place, result)));
                });
            }
            drop(done);
            let main = main();
            let mut results: Vec<(usize, B)> = finished.iter().collect();
            results.sort_by_key(|(place, _)| *place);
            (main, results.into_iter().map(|(_, result)| result).collect())
        }
    }
}

#[cfg(not(feature = "rayon"))]
mod disabled {
    use std::io;

    /// What `work` makes of each chunk of at most `size`, joined in order.
    pub(crate) fn map_chunks<T, R>(
        items: &[T],
        size: usize,
        work: impl Fn(&[T]) -> Vec<R>,
    ) -> Vec<R> {
        items.chunks(size.max(1)).flat_map(work).collect()
    }

    /// Stands in for a pool: what runs beside a caller runs after it.
    pub(crate) struct JoinPool;

    impl JoinPool {
        pub(crate) fn start(_threads: usize) -> io::Result<JoinPool> {
            Ok(JoinPool)
        }

        /// Runs `main`, then `others`.
        pub(crate) fn run<A, B>(
            &self,
            main: impl FnOnce() -> A,
            others: impl Iterator<Item = impl FnOnce() -> B>,
        ) -> (A, Vec<B>) {
            let main = main();
            (main, others.map(|other| other()).collect())
        }
    }
}

#[cfg(not(feature = "rayon"))]
pub(crate) use disabled::{JoinPool, map_chunks};
#[cfg(feature = "rayon")]
pub(crate) use enabled::{JoinPool, map_chunks};
