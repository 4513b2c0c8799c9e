//! The threads that run shadows, and the bounded queue before them.
//!
//! Requests hand over and never wait, not even for a lock: a thread may be put aside by the
//! system while it holds one. So the queue has no bound of its own, for at the
//! bound a sender may have to wait for a receiver; places in it are counted instead, and taken
//! before anything is copied. And its receivers never block in it, which takes a lock that senders
//! take as well; they park, and are unparked.
//!
//! Unparking a thread is a system call of some microseconds, on the request's path. So while shadows
//! cost as much as they may, a thread does not wait to be woken: it pauses until the budget
//! has room again, one run may wait for that meanwhile, and nobody unparks it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{
    counts::DropCause,
    dropped::Claim,
    parker::Parker,
    queue::{JobQueue, Next},
    scope::{AccountHandle, ShadowScope},
};
pub(super) use crate::contain::contained;

/// One shadow run.
pub(super) trait Job: Send {
    /// The right to say how the run ended.
    fn claim(&self) -> Claim;

    /// Runs it. Whoever gets the claim from [`Running::settle`] says how the run ended.
    fn run(self: Box<Self>, running: &Running);
}

/// What a thread runs just now.
#[derive(Default)]
pub(super) struct Running(Mutex<Option<Claim>>);

impl Running {
    /// The right to say how the current run ended; `None` if the pool was shut down in the
    /// meantime and has counted it as dropped.
    pub(super) fn settle(&self) -> Option<Claim> {
        self.0.lock().take()
    }
}

pub(super) struct Pool {
    shared: Arc<PoolState>,
    running: Vec<Arc<Running>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    flushing: Mutex<()>,
    pub(super) grace: Duration,
}

/// A job, and the phase it was accepted in.
type QueuedJob = (Box<dyn Job>, usize);

struct PoolState {
    capacity: usize,
    /// Places taken in the queue.
    waiting: AtomicUsize,
    queue: JobQueue<QueuedJob>,
    /// Flips with every wait in `flush`; its parity says where new jobs are counted.
    phase: AtomicUsize,
    /// Jobs accepted in an even and in an odd phase that have not ended.
    open: [AtomicUsize; 2],
    alive: AtomicUsize,
    /// Threads that pause, and will look for a job when that is over.
    pausing: AtomicUsize,
    /// Those who wait in `flush`, for whom pauses are cut short.
    flushing: AtomicUsize,
    hooks: Hooks,
    /// Held while `open` or `alive` is looked at by one who waits on `changed`.
    watch: Mutex<()>,
    changed: Condvar,
}

/// What the pool's owner has its threads do.
pub(super) struct Hooks {
    /// What a thread does when it has ended a job, and before it sleeps.
    pub(super) between: Box<dyn Fn() + Send + Sync>,
    /// How long there is no point in running a job, if there is not.
    pub(super) pause: Box<dyn Fn() -> Option<Duration> + Send + Sync>,
}

impl Pool {
    pub(super) fn start(
        threads: usize,
        capacity: usize,
        grace: Duration,
        account: &AccountHandle,
        hooks: Hooks,
    ) -> std::io::Result<Pool> {
        let shared = Arc::new(PoolState {
            capacity,
            waiting: AtomicUsize::new(0),
            queue: JobQueue::new(threads),
            phase: AtomicUsize::new(0),
            open: [AtomicUsize::new(0), AtomicUsize::new(0)],
            alive: AtomicUsize::new(0),
            pausing: AtomicUsize::new(0),
            flushing: AtomicUsize::new(0),
            hooks,
            watch: Mutex::new(()),
            changed: Condvar::new(),
        });
        let running: Vec<Arc<Running>> = (0..threads).map(|_| Arc::default()).collect();
        let pool = Pool {
            shared,
            running,
            threads: Mutex::new(Vec::new()),
            flushing: Mutex::new(()),
            grace,
        };
        for (number, running) in pool.running.iter().enumerate() {
            let (shared, running) = (pool.shared.clone(), running.clone());
            pool.shared.alive.fetch_add(1, Ordering::SeqCst);
            let (alive, account) = (Alive(shared), account.clone());
            // Should this fail, `alive` is dropped with the closure, and the threads that did
            // start are stopped with the pool.
            let thread = std::thread::Builder::new()
                .name(format!("modelgate-shadow-{number}"))
                .spawn(move || {
                    let _inside = ShadowScope::enter(Some(account));
                    work(&alive.0, number, &running);
                })?;
            pool.threads.lock().push(thread);
        }
        Ok(pool)
    }

    /// Takes a place in the queue. Writes nothing when there is none.
    #[inline]
    pub(super) fn reserve(&self) -> Result<Place<'_>, DropCause> {
        if self.shared.queue.may_be_closed() {
            return Err(DropCause::Shutdown);
        }
        // Relaxed: the count only bounds; what is in the queue is published by the channel.
        self.shared
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < self.shared.capacity).then(|| taken.saturating_add(1))
            })
            .map_err(|_| DropCause::QueueFull)?;
        let phase = self.shared.phase.load(Ordering::SeqCst) % 2;
        self.shared.open(phase).fetch_add(1, Ordering::SeqCst);
        Ok(Place { pool: self, phase, sent: false })
    }

    /// Whether a thread pauses for which no job waits yet. A stale answer lets one wait more or less.
    #[inline]
    pub(super) fn has_pausing_thread(&self) -> bool {
        let pausing = self.shared.pausing.load(Ordering::Relaxed);
        pausing > 0 && pausing > self.waiting()
    }

    /// Wakes a thread, to do what is to be done between jobs.
    pub(super) fn wake(&self) {
        self.shared.queue.unpark_one();
    }

    /// Jobs that wait for a thread.
    pub(super) fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Waits until everything accepted before this call has ended; answers whether it has.
    ///
    /// New jobs are counted apart, by flipping the phase, so that a steady stream of them cannot
    /// keep this waiting. Both parities are waited for in turn: a job accepted earlier stands in
    /// one of them.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout.min(LONGEST);
        let Some(_one_at_a_time) = self.flushing.try_lock_until(until) else {
            return false;
        };
        self.shared.flushing.fetch_add(1, Ordering::SeqCst);
        self.shared.queue.unpark_all();
        let ended = (0..2).all(|_| {
            let old = self.shared.phase.fetch_add(1, Ordering::SeqCst) % 2;
            self.shared.wait(until, || self.shared.open(old).load(Ordering::SeqCst) == 0)
        });
        self.shared.flushing.fetch_sub(1, Ordering::SeqCst);
        ended
    }

    /// Refuses new jobs, counts those in the queue as lost, and waits for the running ones up to
    /// the grace period. One that still runs then is counted as lost, and its thread left to end
    /// by itself.
    pub(super) fn shutdown(&self, grace: Duration) {
        let mut threads = self.threads.lock();
        if !self.shared.queue.close(threads.len(), |job| self.shared.lose(job)) {
            // Those who still run have been waited for.
            return;
        }
        let until = Instant::now() + grace.min(LONGEST);
        let ended = self.shared.wait(until, || self.shared.alive.load(Ordering::SeqCst) == 0);
        for running in &self.running {
            if let Some(claim) = running.settle() {
                claim.dropped(DropCause::Shutdown);
            }
        }
        self.shared.queue.lose_all(|job| self.shared.lose(job));
        for thread in threads.drain(..) {
            if ended || thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

/// Longer waits are as good as for ever, and would overflow the clock.
const LONGEST: Duration = Duration::from_secs(86_400 * 365);

impl Drop for Pool {
    fn drop(&mut self) {
        self.shutdown(self.grace);
    }
}

/// A place in the queue; given back if dropped.
pub(super) struct Place<'a> {
    pool: &'a Pool,
    phase: usize,
    sent: bool,
}

impl Place<'_> {
    pub(super) fn send(mut self, job: Box<dyn Job>) {
        self.sent = true;
        let shared = &self.pool.shared;
        shared.queue.send((job, self.phase), |job| shared.lose(job));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.sent {
            self.pool.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            self.pool.shared.ended(self.phase);
        }
    }
}

/// A longer pause is not waited for: what waited for its end would be of no interest any more.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl PoolState {
    /// Parks until there is something to do; pauses while that would be in vain.
    fn rest(&self, parker: &Parker) {
        let is_wanted = || self.queue.is_closed() || self.flushing.load(Ordering::SeqCst) > 0;
        let pause = contained(&self.hooks.pause).flatten();
        match pause.filter(|pause| *pause <= LONGEST_PAUSE && !is_wanted()) {
            Some(pause) => {
                self.pausing.fetch_add(1, Ordering::SeqCst);
                parker.pause(pause, is_wanted);
                self.pausing.fetch_sub(1, Ordering::SeqCst);
            }
            None => parker.park(|| !self.queue.is_empty()),
        }
    }

    /// A job that nobody will run.
    fn lose(&self, (job, phase): QueuedJob) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        lose(job);
        self.ended(phase);
    }

    /// The count of the jobs accepted in a phase of this parity.
    fn open(&self, phase: usize) -> &AtomicUsize {
        let [even, odd] = &self.open;
        if phase.is_multiple_of(2) { even } else { odd }
    }

    fn ended(&self, phase: usize) {
        if self.open(phase).fetch_sub(1, Ordering::SeqCst) == 1 {
            self.announce();
        }
    }

    /// Wakes those who wait. Passing through the lock makes sure that one who has just looked is
    /// asleep by now.
    fn announce(&self) {
        drop(self.watch.lock());
        self.changed.notify_all();
    }

    fn wait(&self, until: Instant, done: impl Fn() -> bool) -> bool {
        let mut watch = self.watch.lock();
        while !done() {
            if self.changed.wait_until(&mut watch, until).timed_out() {
                return done();
            }
        }
        true
    }
}

/// Says when a thread has ended, however it ends.
struct Alive(Arc<PoolState>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
        self.0.announce();
    }
}

fn work(shared: &PoolState, number: usize, running: &Running) {
    let Some(parker) = shared.queue.parker(number) else { return };
    parker.attach();
    loop {
        let (job, phase, is_lost) = match shared.queue.next() {
            Next::Run((job, phase)) => (job, phase, false),
            Next::Lose((job, phase)) => (job, phase, true),
            Next::Rest => {
                contained(&shared.hooks.between);
                shared.rest(parker);
                continue;
            }
            Next::Stop => return,
        };
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
        if is_lost {
            lose(job);
        } else {
            *running.0.lock() = Some(job.claim());
            contained(|| job.run(running));
            // Only a panic outside the model leaves this unsettled: an answer that panics when it
            // is dropped, say.
            if let Some(claim) = running.settle() {
                claim.dropped(DropCause::Panic);
            }
        }
        contained(&shared.hooks.between);
        shared.ended(phase);
    }
}

fn lose(job: Box<dyn Job>) {
    job.claim().dropped(DropCause::Shutdown);
    contained(|| drop(job));
}
