//! The pool that computes for the async router.

use std::{io, thread::JoinHandle};

use crossbeam_channel::{Sender, TrySendError, bounded};
use futures::channel::oneshot;

use crate::contain::contained;

type Job = Box<dyn FnOnce() + Send>;

/// Named threads of the router's own, and a bounded queue before them.
#[derive(Debug)]
pub(crate) struct ComputePool {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// A computation that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Stopped,
}

impl ComputePool {
    pub(crate) fn start(threads: usize, queue: usize) -> io::Result<ComputePool> {
        let (jobs, queued) = bounded::<Job>(queue.max(1));
        let threads = (0..threads)
            .map(|number| {
                let queued = queued.clone();
                std::thread::Builder::new()
                    .name(format!("modelgate-compute-{number}"))
                    .spawn(move || queued.iter().for_each(run))
            })
            .collect::<io::Result<_>>()?;
        Ok(ComputePool { jobs: Some(jobs), threads })
    }

    /// Runs `work` on the pool. Dropping the future before a thread is free means that it never
    /// runs.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Refused> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            if !answer.is_canceled() {
                // The caller may give up just now; then nobody misses the answer.
                let _ = answer.send(work());
            }
        });
        match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => answered.await.map_err(|_| Refused::Stopped),
            Some(Err(TrySendError::Full(_))) => Err(Refused::Full),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(Refused::Stopped),
        }
    }
}

/// Models are contained where they are called; this is for what is dropped after them.
fn run(job: Job) {
    let _ = contained(job);
}

impl Drop for ComputePool {
    /// Lets the threads end after what they are at. It does not wait for them: a model that never
    /// returns must not keep its service from stopping.
    fn drop(&mut self) {
        self.jobs = None;
        self.threads.clear();
    }
}
