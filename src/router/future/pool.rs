//! The pool that computes for the async router.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use futures::channel::oneshot;

use crate::contain::contained;

type Job = Box<dyn FnOnce() + Send>;

/// Stand-ins for threads that a version hangs on. There is an end to them: a version that hangs
/// for ever is the breaker's, and at last the operator's.
const MOST_STAND_INS: usize = 32;

/// Named threads of the router's own, and a bounded queue before them.
#[derive(Debug)]
pub(crate) struct ComputePool {
    jobs: Sender<Job>,
    queued: Receiver<Job>,
    crew: Arc<Crew>,
}

/// A computation that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Stopped,
}

/// Who is at work. The counts stand for themselves: one that is read late costs a thread more, or
/// one fewer, for a while.
#[derive(Debug)]
struct Crew {
    threads: usize,
    stand_ins: AtomicUsize,
    /// Computations that still run after the deadline of those who asked.
    overdue: AtomicUsize,
}

/// How far a computation is, for the one who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU8);

const WAITING: u8 = 0;
const GIVEN_UP: u8 = 1;
const RUNNING: u8 = 2;
const OVERDUE: u8 = 3;
const ENDED: u8 = 4;

impl ComputePool {
    pub(crate) fn start(threads: usize, queue: usize) -> io::Result<ComputePool> {
        let (jobs, queued) = bounded::<Job>(queue.max(1));
        let crew = Crew { threads, stand_ins: AtomicUsize::new(0), overdue: AtomicUsize::new(0) };
        let pool = ComputePool { jobs, queued, crew: Arc::new(crew) };
        (0..threads).try_for_each(|number| pool.hire(number))?;
        Ok(pool)
    }

    /// Starts a thread. Nobody waits for its end: a model that never returns must not keep its
    /// service from stopping. It ends when the pool is gone and the queue empty.
    fn hire(&self, number: usize) -> io::Result<()> {
        let (queued, crew) = (self.queued.clone(), Arc::clone(&self.crew));
        std::thread::Builder::new().name(format!("modelgate-compute-{number}")).spawn(
            move || {
                for job in &queued {
                    // Models are contained where they are called; this is for what is dropped
                    // after them.
                    let _ = contained(job);
                    if crew.has_one_too_many() {
                        return;
                    }
                }
            },
        )?;
        Ok(())
    }

    /// Runs `work` on the pool. Dropping the future before a thread is free means that it never
    /// runs.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        progress: Option<Arc<Progress>>,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Refused> {
        let (answer, answered) = oneshot::channel();
        let crew = Arc::clone(&self.crew);
        let job: Job = Box::new(move || {
            if answer.is_canceled() {
                return;
            }
            let Some(watched) = Watched::begin(progress, crew) else { return };
            let result = work();
            drop(watched);
            // The caller may give up just now; then nobody misses the answer.
            let _ = answer.send(result);
        });
        match self.jobs.try_send(job) {
            Ok(()) => answered.await.map_err(|_| Refused::Stopped),
            Err(TrySendError::Full(_)) => Err(Refused::Full),
            Err(TrySendError::Disconnected(_)) => Err(Refused::Stopped),
        }
    }

    /// The deadline of a computation has passed. When every thread is held up by such a one,
    /// another thread is started: a version that hangs must not take the fallback with it.
    pub(crate) fn overdue(&self, progress: &Progress) {
        let Crew { threads, stand_ins, overdue } = &*self.crew;
        // Counted first, so that the thread that ends it never counts below zero.
        let held_up = overdue.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        let before = progress.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| match now {
            WAITING => Some(GIVEN_UP),
            RUNNING => Some(OVERDUE),
            _ => None,
        });
        if before != Ok(RUNNING) {
            // It will never run, or it has ended just now: it holds up no thread.
            overdue.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        let hired = stand_ins.load(Ordering::SeqCst);
        if held_up < threads.saturating_add(hired) || hired >= MOST_STAND_INS {
            return;
        }
        stand_ins.fetch_add(1, Ordering::SeqCst);
        if let Err(error) = self.hire(threads.saturating_add(hired)) {
            stand_ins.fetch_sub(1, Ordering::SeqCst);
            tracing::warn!(
                target: "modelgate::router",
                %error,
                "every compute thread is held up, and no other could be started"
            );
        }
    }
}

impl Crew {
    /// Whether the calling thread is one more than needed: one that was held up has come back.
    fn has_one_too_many(&self) -> bool {
        self.stand_ins
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |hired| {
                (hired > self.overdue.load(Ordering::SeqCst)).then(|| hired.saturating_sub(1))
            })
            .is_ok()
    }
}

/// A computation that is running; says when it ends, however it ends.
struct Watched(Option<(Arc<Progress>, Arc<Crew>)>);

impl Watched {
    /// `None` when nobody wants it any more.
    fn begin(progress: Option<Arc<Progress>>, crew: Arc<Crew>) -> Option<Watched> {
        let Some(progress) = progress else { return Some(Watched(None)) };
        progress
            .0
            .compare_exchange(WAITING, RUNNING, Ordering::SeqCst, Ordering::SeqCst)
            .ok()
            .map(|_| Watched(Some((progress, crew))))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some((progress, crew)) = &self.0
            && progress.0.swap(ENDED, Ordering::SeqCst) == OVERDUE
        {
            crew.overdue.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
