//! What a builder settles for the async router, and the building itself.

use std::{sync::Arc, time::Duration};

use super::{
    AsyncModelRouter, AsyncRouterState, Runtime, Spawner,
    hosted::{Hosted, Lanes},
};
use crate::{
    process::OwnerProcess,
    router::{BuildError, Input, Output, RouterBuilder, builder::Parts},
    timer::Timer,
    version::Version,
};

/// What a builder knows of the async side.
#[derive(Clone, Default)]
pub(crate) struct ComputeSettings {
    threads: Option<usize>,
    queue: Option<usize>,
    deadline: Option<Duration>,
    spawner: Option<Arc<dyn Spawner>>,
}

/// Requests that may wait for the pool before further ones are refused.
const QUEUE: usize = 1_024;

/// More is a mistake, and asking the system for a billion threads takes it down.
const MOST_THREADS: usize = 1_024;

/// The queue's memory is taken when it is made.
const LONGEST_QUEUE: usize = 1 << 20;

impl ComputeSettings {
    fn validate(&self) -> Result<(), BuildError> {
        let wrong =
            |field, found: String, expected| Err(BuildError::Setting { field, found, expected });
        match *self {
            ComputeSettings { threads: Some(threads), .. }
                if !(1..=MOST_THREADS).contains(&threads) =>
            {
                wrong("compute_threads", threads.to_string(), "1 to 1024")
            }
            ComputeSettings { queue: Some(queue), .. } if !(1..=LONGEST_QUEUE).contains(&queue) => {
                wrong("compute_queue", queue.to_string(), "1 to 1048576")
            }
            ComputeSettings { deadline: Some(Duration::ZERO), .. } => {
                wrong("deadline", "0 s".to_owned(), "more than 0 s")
            }
            _ => Ok(()),
        }
    }
}

impl<F: ?Sized + Input, P: Output> RouterBuilder<F, P> {
    /// Async only: how long a version may take before the fallback is asked instead. The fallback
    /// then has as long again. Default: no limit.
    ///
    /// A computation that is already running cannot be interrupted: it ends on its thread and its
    /// answer is thrown away. One that still waits for a thread is never started. The thread of a
    /// late computation is written off and another started in its place, up to 32 for each version;
    /// a version that holds up all of its threads and these is refused
    /// ([`Overloaded`](crate::model::ErrorKind::Overloaded)), and the fallback answers at once.
    /// The threads of other versions are never touched. A caller that goes away before the deadline
    /// changes nothing about this: its call is counted by how it ends.
    pub fn deadline(mut self, deadline: Duration) -> RouterBuilder<F, P> {
        self.compute.deadline = Some(deadline);
        self
    }

    /// Async only: the threads of each version that computes. A version uses only its own, so that
    /// one that hangs leaves the others theirs; those of the fallback versions are started with the
    /// router, those of others when they are first needed. Default: one for each processor.
    pub fn compute_threads(mut self, threads: usize) -> RouterBuilder<F, P> {
        self.compute.threads = Some(threads);
        self
    }

    /// Async only: how many requests may wait for the threads of each version. A further one is
    /// answered by the fallback; where that has no room either, it is
    /// [refused](crate::PredictError::is_overloaded) at once. Default: 1,024.
    pub fn compute_queue(mut self, requests: usize) -> RouterBuilder<F, P> {
        self.compute.queue = Some(requests);
        self
    }

    /// Async only: where detached shadows of models that wait ([`AsyncModel`](crate::AsyncModel))
    /// are polled. Default: on the shadows' own threads, with the tokio runtime around them in which
    /// [`build_async`](Self::build_async) was called, if there was one (feature `tokio`): its timers
    /// and sockets work there, and none of its threads is taken from a live request. That suits
    /// tokio, actix, and every model that brings its own runtime or needs none.
    ///
    /// With a spawner the shadows run among the other tasks of that executor: they share its threads
    /// with live requests. A shadow's thread waits for each, so that queue, deadline and budget hold
    /// all the same.
    pub fn spawner(mut self, spawner: impl Spawner) -> RouterBuilder<F, P> {
        self.compute.spawner = Some(Arc::new(spawner));
        self
    }

    /// Builds an [`AsyncModelRouter`].
    ///
    /// # Errors
    ///
    /// [`BuildError`], naming the setting.
    pub fn build_async(self) -> Result<AsyncModelRouter<F, P>, BuildError> {
        self.compute.validate()?;
        let ComputeSettings { threads, queue, deadline, spawner } = self.compute.clone();
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let lanes = Lanes {
            threads: threads.unwrap_or_else(processors),
            queue: queue.unwrap_or(QUEUE),
            runtime: Runtime::here(spawner),
        };
        let fallbacks = self.fallbacks.clone();
        let hosted = |version: &Version, model| {
            let hosted = Hosted::new(model, &lanes);
            match fallbacks.contains(version) {
                true => hosted.filled().map_err(BuildError::Thread),
                false => Ok(hosted),
            }
        };
        let Parts { core, shadowing, finite } = self.assemble(hosted)?;
        let deadline = match deadline {
            Some(limit) => Some((limit, Timer::start().map_err(BuildError::Thread)?)),
            None => None,
        };
        let (owner, _deferred_drop) = (OwnerProcess::current(), shadowing.deferred_drop(&core));
        let inner =
            AsyncRouterState { _deferred_drop, owner, core, shadowing, finite, lanes, deadline };
        Ok(AsyncModelRouter { inner: Arc::new(inner) })
    }
}
