//! The shadows' threads: a job that was handed over is taken and a pool that closes ends them,
//! whatever meets whatever. A thread that sleeps for ever fails the model.

use std::{sync::Arc, time::Duration};

use loom::{
    model::Builder,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    thread,
};

use crate::shadow::{
    parker::Parker,
    queue::{JobQueue, Next},
};

/// What the pool has around its queue: threads that take from it, and counts.
struct Pool {
    queue: JobQueue<()>,
    threads: usize,
    ran: AtomicUsize,
    lost: AtomicUsize,
}

impl Pool {
    fn new(threads: usize) -> Arc<Pool> {
        let (ran, lost) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Pool { queue: JobQueue::new(threads), threads, ran, lost })
    }

    fn start(self: &Arc<Pool>, number: usize) -> thread::JoinHandle<()> {
        let pool = Arc::clone(self);
        thread::spawn(move || {
            let parker = pool.queue.parker(number).unwrap();
            parker.attach();
            loop {
                match pool.queue.next() {
                    Next::Run(()) => drop(pool.ran.fetch_add(1, Ordering::SeqCst)),
                    Next::Lose(()) => pool.lose(()),
                    Next::Rest => parker.park(|| !pool.queue.is_empty()),
                    Next::Stop => return,
                }
            }
        })
    }

    /// As a request hands a job over.
    fn send(&self) {
        self.queue.send((), |job| self.lose(job));
    }

    /// As a shutdown ends the threads.
    fn close(&self) -> bool {
        self.queue.close(self.threads, |job| self.lose(job))
    }

    fn lose(&self, (): ()) {
        self.lost.fetch_add(1, Ordering::SeqCst);
    }

    fn ended(&self) -> usize {
        self.ran.load(Ordering::SeqCst) + self.lost.load(Ordering::SeqCst)
    }
}

/// Bounded, or the schedules are too many: three preemptions find what there is to find here.
fn model(program: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(program);
}

#[test]
fn a_thread_that_is_about_to_park_never_misses_a_job() {
    model(|| {
        let pool = Pool::new(1);
        let worker = pool.start(0);
        pool.send();
        // Only what has run, or is lost by the closing, was not forgotten.
        while pool.ran.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        assert!(pool.close());
        worker.join().unwrap();
        assert_eq!(pool.ended(), 1);
    });
}

#[test]
fn a_job_that_meets_the_shutdown_runs_or_is_lost_and_the_thread_ends() {
    model(|| {
        let pool = Pool::new(1);
        let worker = pool.start(0);
        let sender = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.send())
        };
        assert!(pool.close());
        worker.join().unwrap();
        // The last that a shutdown does: what is sent later, the sender loses itself.
        pool.queue.lose_all(|job| pool.lose(job));
        sender.join().unwrap();
        assert_eq!(pool.ended(), 1, "counted once");
    });
}

#[test]
fn two_threads_both_end_whoever_takes_the_job() {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let pool = Pool::new(2);
        let workers = [pool.start(0), pool.start(1)];
        pool.send();
        assert!(pool.close());
        for worker in workers {
            worker.join().unwrap();
        }
        pool.queue.lose_all(|job| pool.lose(job));
        assert_eq!(pool.ended(), 1);
    });
}

#[test]
fn a_pause_that_has_just_begun_hears_that_it_is_over() {
    model(|| {
        let parker = Arc::new(Parker::default());
        let over = Arc::new(AtomicBool::new(false));
        let pausing = {
            let (parker, over) = (Arc::clone(&parker), Arc::clone(&over));
            thread::spawn(move || {
                parker.attach();
                parker.pause(Duration::from_secs(3_600), || over.load(Ordering::SeqCst));
            })
        };
        over.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        parker.end_pause();
        pausing.join().unwrap();
    });
}
