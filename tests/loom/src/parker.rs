//! The shadows' threads: a job that was handed over is taken and a pool that closes ends them,
//! whatever meets whatever. A thread that sleeps for ever fails the model.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use loom::{
    model::Builder,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    },
    thread,
};

use crate::shadow::parker::Parker;

enum Message {
    Job,
    Stop,
}

/// What the pool has around a parker: the queue, which is a channel there, and its steps in order.
struct Pool {
    queue: Mutex<VecDeque<Message>>,
    /// How many are in it. Whoever is about to park looks here: loom forgets that a thread was
    /// unparked when it comes to wait for a lock.
    queued: AtomicUsize,
    parkers: Vec<Parker>,
    closed: AtomicBool,
    ran: AtomicUsize,
    lost: AtomicUsize,
}

impl Pool {
    fn new(threads: usize) -> Arc<Pool> {
        Arc::new(Pool {
            queue: Mutex::new(VecDeque::new()),
            queued: AtomicUsize::new(0),
            parkers: (0..threads).map(|_| Parker::default()).collect(),
            closed: AtomicBool::new(false),
            ran: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
        })
    }

    fn start(self: &Arc<Pool>, number: usize) -> thread::JoinHandle<()> {
        let pool = Arc::clone(self);
        thread::spawn(move || {
            let parker = &pool.parkers[number];
            parker.attach();
            loop {
                match pool.pop() {
                    Some(Message::Job) => {
                        if pool.has_work() {
                            pool.unpark_one();
                        }
                        pool.ran.fetch_add(1, Ordering::SeqCst);
                    }
                    Some(Message::Stop) => return,
                    None => parker.park(|| pool.has_work()),
                }
            }
        })
    }

    fn has_work(&self) -> bool {
        self.queued.load(Ordering::SeqCst) > 0
    }

    fn push(&self, message: Message) {
        let mut queue = self.queue.lock().unwrap();
        queue.push_back(message);
        self.queued.store(queue.len(), Ordering::SeqCst);
    }

    fn pop(&self) -> Option<Message> {
        let mut queue = self.queue.lock().unwrap();
        let message = queue.pop_front();
        self.queued.store(queue.len(), Ordering::SeqCst);
        message
    }

    fn unpark_one(&self) {
        let _ = self.parkers.iter().any(Parker::unpark);
    }

    fn unpark_all(&self) {
        fence(Ordering::SeqCst);
        for parker in &self.parkers {
            parker.unpark();
            parker.end_pause();
        }
    }

    /// As a request hands a job over.
    fn send(&self) {
        self.push(Message::Job);
        fence(Ordering::SeqCst);
        self.unpark_one();
        if self.closed.load(Ordering::SeqCst) {
            self.lose_all();
        }
    }

    /// As a shutdown ends the threads.
    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.lose_all();
        for _ in &self.parkers {
            self.push(Message::Stop);
        }
        self.unpark_all();
    }

    fn lose_all(&self) {
        let mut stops = 0;
        while let Some(message) = self.pop() {
            match message {
                Message::Job => {
                    self.lost.fetch_add(1, Ordering::SeqCst);
                }
                Message::Stop => stops += 1,
            }
        }
        for _ in 0..stops {
            self.push(Message::Stop);
        }
        if stops > 0 {
            self.unpark_all();
        }
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
        pool.push(Message::Stop);
        fence(Ordering::SeqCst);
        pool.unpark_one();
        worker.join().unwrap();
        assert_eq!(pool.ran.load(Ordering::SeqCst), 1);
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
        pool.close();
        sender.join().unwrap();
        worker.join().unwrap();
        pool.lose_all();
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
        pool.close();
        for worker in workers {
            worker.join().unwrap();
        }
        pool.lose_all();
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
