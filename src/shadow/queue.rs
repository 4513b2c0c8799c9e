//! How jobs come from requests to the pool's threads, and what becomes of them when it closes. A
//! request takes no lock here but the channel's own, and waits for nobody.

use super::{
    parker::Parker,
    sync::{AtomicBool, Ordering, Receiver, Sender, fence, unbounded},
};

/// The jobs that wait, and the threads that park until there are some.
pub(crate) struct JobQueue<J> {
    sender: Sender<Message<J>>,
    receiver: Receiver<Message<J>>,
    closed: AtomicBool,
    /// One for each thread.
    parkers: Box<[Parker]>,
}

enum Message<J> {
    Job(J),
    /// For one thread: end.
    Stop,
}

/// What a thread finds to do.
pub(crate) enum Next<J> {
    Run(J),
    /// What comes once the queue is closed is lost.
    Lose(J),
    Rest,
    Stop,
}

impl<J> JobQueue<J> {
    pub(crate) fn new(threads: usize) -> JobQueue<J> {
        let (sender, receiver) = unbounded();
        let parkers = (0..threads).map(|_| Parker::default()).collect();
        JobQueue { sender, receiver, closed: AtomicBool::new(false), parkers }
    }

    /// The thread of this number parks here.
    pub(crate) fn parker(&self, number: usize) -> Option<&Parker> {
        self.parkers.get(number)
    }

    /// Whether new jobs are refused. A stale answer does no harm: [`send`](Self::send) looks again.
    #[inline]
    pub(crate) fn may_be_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// Hands a job over: a thread will take it, or it is given to `lose`, by whomever.
    pub(crate) fn send(&self, job: J, lose: impl Fn(J)) {
        // The channel cannot be closed: both ends are here.
        let _ = self.sender.send(Message::Job(job));
        // Pairs with the fences in `close` and in `Parker::park`.
        fence(Ordering::SeqCst);
        self.unpark_one();
        if self.is_closed() {
            self.lose_all(lose);
        }
    }

    /// What the thread that asks is to do now.
    pub(crate) fn next(&self) -> Next<J> {
        match self.receiver.try_recv() {
            Ok(Message::Job(job)) => {
                // The thread may have been unparked just when it found work by itself: pass it on.
                if !self.is_empty() {
                    self.unpark_one();
                }
                if self.is_closed() { Next::Lose(job) } else { Next::Run(job) }
            }
            Ok(Message::Stop) => Next::Stop,
            Err(_) => Next::Rest,
        }
    }

    /// Refuses new jobs, loses those that wait, and has so many threads end; answers whether it had
    /// not been closed before.
    pub(crate) fn close(&self, threads: usize, lose: impl Fn(J)) -> bool {
        if self.closed.swap(true, Ordering::SeqCst) {
            self.lose_all(lose);
            return false;
        }
        // Pairs with the fence in `send`: either the sender sees `closed` and empties the queue
        // itself, or its job is in the queue by now.
        fence(Ordering::SeqCst);
        self.lose_all(lose);
        for _ in 0..threads {
            let _ = self.sender.send(Message::Stop);
        }
        self.unpark_all();
        true
    }

    /// Loses everything that waits.
    pub(crate) fn lose_all(&self, lose: impl Fn(J)) {
        let mut stops = 0_usize;
        while let Ok(message) = self.receiver.try_recv() {
            match message {
                Message::Job(job) => lose(job),
                Message::Stop => stops = stops.saturating_add(1),
            }
        }
        // These were for the threads.
        for _ in 0..stops {
            let _ = self.sender.send(Message::Stop);
        }
        if stops > 0 {
            self.unpark_all();
        }
    }

    pub(crate) fn unpark_one(&self) {
        let _ = self.parkers.iter().any(Parker::unpark);
    }

    pub(crate) fn unpark_all(&self) {
        fence(Ordering::SeqCst);
        self.parkers.iter().for_each(|parker| {
            parker.unpark();
            parker.end_pause();
        });
    }
}
