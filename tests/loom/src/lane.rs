//! The threads of a version: whatever meets whatever, every call that was taken runs or is given
//! up, each is counted once, and the threads end. A thread that waits for ever, or one more than
//! there should be, fails the model.

use std::sync::Arc;

use loom::{
    model::Builder,
    sync::{Condvar, Mutex},
};

use crate::router::future::lane::{AbandonOutcome, Job, Lane};

/// Counts to a number, and lets others wait for it.
#[derive(Clone)]
struct Counter(Arc<(Mutex<usize>, Condvar)>);

impl Counter {
    fn new() -> Counter {
        Counter(Arc::new((Mutex::new(0), Condvar::new())))
    }

    fn add(&self) {
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_all();
    }

    fn wait_for(&self, many: usize) {
        let mut count = self.0.0.lock().unwrap();
        while *count < many {
            count = self.0.1.wait(count).unwrap();
        }
    }
}

/// A job that says when it ran.
fn job(ran: &Counter) -> Job {
    let ran = ran.clone();
    Box::new(move |running| {
        assert!(running.end());
        ran.add();
    })
}

/// Bounded, or the schedules are too many: two preemptions find what there is to find here.
fn model(program: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(program);
}

#[test]
fn what_was_taken_runs_and_the_threads_end_with_the_lane() {
    model(|| {
        let (lane, ran) = (Lane::new(1, 4), Counter::new());
        lane.submit(job(&ran)).unwrap();
        lane.submit(job(&ran)).unwrap();
        // Gone while one may run and one wait.
        drop(lane);
        ran.wait_for(2);
    });
}

#[test]
fn an_idle_thread_and_a_new_call_never_miss_each_other() {
    model(|| {
        let (lane, ran) = (Lane::new(1, 4), Counter::new());
        lane.submit(job(&ran)).unwrap();
        ran.wait_for(1);
        // The thread is about to wait, or waits.
        lane.submit(job(&ran)).unwrap();
        ran.wait_for(2);
        assert!(lane.counts().0 <= 1, "one thread does");
    });
}

#[test]
fn a_thread_that_hangs_is_replaced_and_one_that_comes_back_is_not_one_too_many() {
    model(|| {
        let (lane, ran, begun, go_on) =
            (Lane::new(1, 4), Counter::new(), Counter::new(), Counter::new());
        let (begins, waits, late) = (begun.clone(), go_on.clone(), Counter::new());
        let was_late = late.clone();
        let hung = lane
            .submit(Box::new(move |running| {
                begins.add();
                waits.wait_for(1);
                assert!(!running.end(), "it is overdue");
                was_late.add();
            }))
            .unwrap();
        begun.wait_for(1);
        assert!(matches!(lane.overdue(&hung), AbandonOutcome::Running));
        assert_eq!(lane.counts(), (1, 1));
        lane.submit(job(&ran)).unwrap();
        ran.wait_for(1);
        go_on.add();
        late.wait_for(1);
        assert_eq!(lane.counts().1, 0);
        assert!(lane.counts().0 <= 2);
    });
}

#[test]
fn a_call_at_its_deadline_is_counted_by_one_side() {
    model(|| {
        let lane = Lane::new(1, 4);
        let in_time = Counter::new();
        let over = Counter::new();
        let (ended, is_over) = (in_time.clone(), over.clone());
        let call = lane
            .submit(Box::new(move |running| {
                if running.end() {
                    ended.add();
                }
                is_over.add();
            }))
            .unwrap();
        let counted_late = match lane.overdue(&call) {
            AbandonOutcome::NeverRan(_) => {
                assert_eq!(*over.0.0.lock().unwrap(), 0);
                return;
            }
            AbandonOutcome::Running => 1,
            AbandonOutcome::Ended => 0,
        };
        over.wait_for(1);
        assert_eq!(counted_late + *in_time.0.0.lock().unwrap(), 1);
        assert_eq!(lane.counts().1, 0, "the thread is back");
    });
}

#[test]
fn a_retired_lane_runs_what_waits_and_what_comes_late_and_keeps_no_thread() {
    model(|| {
        let (lane, ran) = (Arc::new(Lane::new(1, 4)), Counter::new());
        let retires = Arc::clone(&lane);
        let operator = loom::thread::spawn(move || {
            retires.retire();
            // A request under way still has the table with this version in it.
            retires
        });
        lane.submit(job(&ran)).unwrap();
        let kept = operator.join().unwrap();
        lane.submit(job(&ran)).unwrap();
        ran.wait_for(2);
        // The handles stay for as long as the model runs: a thread that waits for ever fails it.
        std::mem::forget((lane, kept));
    });
}

#[test]
fn releasing_a_lane_ends_its_threads_and_lets_it_be_used_again() {
    model(|| {
        let (lane, ran) = (Lane::new(1, 4), Counter::new());
        lane.submit(job(&ran)).unwrap();
        lane.release(true);
        lane.release(false);
        let more = Counter::new();
        lane.submit(job(&more)).unwrap();
        more.wait_for(1);
    });
}
