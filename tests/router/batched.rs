//! Rows of callers on threads, run together.

use std::{sync::Arc, thread, time::Duration};

use modelgate::{
    Context, FallbackCause, Model, ModelError, ModelRouter, Rollout,
    model::{Batched, ErrorKind},
    model_fn,
    router::{BreakerPolicy, stats::VersionState},
};

use crate::{
    doubles::{Doubles, Handle, doubles},
    support::{Gate, OpensAtTheEnd, quiet_panics, until},
};

type Doubling = Batched<Arc<Doubles>, [f32], f32>;

/// One batch at a time, and no row in a hurry.
fn one_at_a_time(model: &Arc<Doubles>) -> Doubling {
    Batched::new(Arc::clone(model)).concurrency(1).max_delay(Duration::from_secs(3_600))
}

/// Asks for these rows while the model is held, in this order, and returns their answers.
fn together(handle: &Handle, batched: &Doubling, rows: &[f32]) -> Vec<Result<f32, ModelError>> {
    thread::scope(|scope| {
        let held = scope.spawn(|| batched.predict(&[0.0]));
        handle.entered.recv().unwrap();
        let mut callers = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            callers.push(scope.spawn(move || batched.predict(&[*row])));
            until("the row waits", || batched.stats().waiting == place as u64 + 1);
        }
        handle.go.send(()).unwrap();
        assert_eq!(held.join().unwrap().unwrap(), 0.0);
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    })
}

#[test]
fn a_row_alone_runs_at_once_and_on_its_callers_thread() {
    let handle = doubles();
    let batched: Doubling = Batched::new(handle.model.clone());
    assert_eq!(batched.predict(&[4.0]).unwrap(), 8.0);
    assert_eq!(*handle.model.ran.lock().unwrap(), [(vec![4.0], thread::current().id())]);
    let stats = batched.stats();
    assert_eq!((stats.rows, stats.batches, stats.queue_wait.count), (1, 1, 0));
}

#[test]
fn rows_that_arrive_while_the_model_is_busy_run_as_one_batch() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model);
    let answers = together(&handle, &batched, &[1.0, 2.0, 3.0, 4.0, 5.0]);
    let answers: Vec<f32> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [2.0, 4.0, 6.0, 8.0, 10.0]);
    assert_eq!(handle.model.batches(), [vec![0.0], vec![1.0, 2.0, 3.0, 4.0, 5.0]]);
    let stats = batched.stats();
    assert_eq!((stats.rows, stats.batches, stats.largest, stats.overdue), (6, 2, 5, 0));
    assert_eq!((stats.waiting, stats.queue_wait.count), (0, 5));
}

#[test]
fn no_batch_is_larger_than_asked_for_and_the_first_come_are_first() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model).max_rows(2);
    together(&handle, &batched, &[1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(handle.model.batches(), [vec![0.0], vec![1.0, 2.0], vec![3.0, 4.0], vec![5.0]]);
}

#[test]
fn a_row_that_has_waited_for_the_delay_begins_beside_those_that_run() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model).max_delay(Duration::from_millis(1));
    thread::scope(|scope| {
        let held = scope.spawn(|| batched.predict(&[0.0]));
        handle.entered.recv().unwrap();
        // Answered while the other is still held.
        assert_eq!(batched.predict(&[3.0]).unwrap(), 6.0);
        let stats = batched.stats();
        assert_eq!((stats.overdue, stats.queue_wait.count), (1, 1));
        assert!(stats.queue_wait.max >= Duration::from_millis(1));
        handle.go.send(()).unwrap();
        assert_eq!(held.join().unwrap().unwrap(), 0.0);
    });
    // Nothing is left behind: the next one is alone again.
    assert_eq!(batched.predict(&[3.0]).unwrap(), 6.0);
    assert_eq!(batched.stats().queue_wait.count, 1);
}

#[test]
fn a_bad_row_fails_alone() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model);
    let answers = together(&handle, &batched, &[1.0, -2.0, 3.0]);
    assert_eq!(*answers[0].as_ref().unwrap(), 2.0);
    assert_eq!(answers[1].as_ref().unwrap_err().to_string(), "row: found -2, expected at least 0");
    assert_eq!(*answers[2].as_ref().unwrap(), 6.0);
    assert_eq!(batched.stats().split, 0);
}

#[test]
fn a_panic_fails_only_the_row_that_panics_and_is_counted() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model);
    let answers = together(&handle, &batched, &[1.0, 13.0, 3.0]);
    assert_eq!(*answers[0].as_ref().unwrap(), 2.0);
    assert_eq!(answers[1].as_ref().unwrap_err().kind(), ErrorKind::Panicked);
    assert_eq!(*answers[2].as_ref().unwrap(), 6.0);
    assert_eq!(batched.stats().split, 1);
    // A panic alone is an error as well, and leaves nothing running.
    assert_eq!(batched.predict(&[13.0]).unwrap_err().kind(), ErrorKind::Panicked);
    assert_eq!(batched.predict(&[1.0]).unwrap(), 2.0);
}

#[test]
fn a_batch_that_loses_an_answer_is_run_again_row_by_row() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model);
    let answers = together(&handle, &batched, &[1.0, 99.0, 3.0]);
    let answers: Vec<f32> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [2.0, 198.0, 6.0]);
    assert_eq!(batched.stats().split, 1);
}

#[test]
fn a_full_queue_refuses_at_once_and_says_so() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model).queue(1);
    thread::scope(|scope| {
        let held = scope.spawn(|| batched.predict(&[0.0]));
        handle.entered.recv().unwrap();
        let waits = scope.spawn(|| batched.predict(&[1.0]));
        until("they wait", || batched.stats().waiting == 1);
        let refused = batched.predict(&[2.0]).unwrap_err();
        // Before anything is asserted: nobody is left waiting.
        handle.go.send(()).unwrap();
        assert_eq!(refused.kind(), ErrorKind::Overloaded);
        assert_eq!(refused.to_string(), "too many requests: 1 rows already wait for a batch");
        assert_eq!(waits.join().unwrap().unwrap(), 2.0);
        held.join().unwrap().unwrap();
    });
    assert_eq!(batched.stats().refused, 1);
}

/// A row whose copies panic when they are dropped.
struct Row(f32, bool);

impl Clone for Row {
    fn clone(&self) -> Row {
        Row(self.0, true)
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        assert!(!self.1, "a copy was dropped");
    }
}

#[test]
fn copies_of_rows_that_panic_when_they_are_dropped_fail_no_row_and_leave_nothing_running() {
    quiet_panics();
    let gate = Gate::new();
    let waits = gate.clone();
    let model = model_fn(move |row: &Row| {
        if row.0 == 0.0 {
            waits.pass();
        }
        Ok(row.0 * 2.0)
    });
    let batched = Batched::<_, Row, f32>::new(model).concurrency(1);
    let overdue = batched.clone().max_delay(Duration::from_millis(1));
    let patient = batched.clone().max_delay(Duration::from_secs(3_600));
    thread::scope(|scope| {
        let _open = OpensAtTheEnd(gate.clone());
        let held = scope.spawn(|| patient.predict(&Row(0.0, false)));
        gate.wait_for(1);
        // One that takes its own copy out of the queue, because it has waited for too long.
        assert_eq!(overdue.predict(&Row(1.0, false)).unwrap(), 2.0);
        // A leader and two whose rows it runs.
        let patient = &patient;
        let callers = [2.0, 3.0, 4.0]
            .map(|value| (value, scope.spawn(move || patient.predict(&Row(value, false)))));
        until("they wait", || batched.stats().waiting == 3);
        gate.open();
        assert_eq!(held.join().unwrap().unwrap(), 0.0);
        for (value, caller) in callers {
            assert_eq!(caller.join().unwrap().unwrap(), value * 2.0);
        }
    });
    let waited = batched.stats().queue_wait.count;
    assert_eq!(patient.predict(&Row(5.0, false)).unwrap(), 10.0);
    assert_eq!(batched.stats().queue_wait.count, waited, "nothing runs, so it ran at once");
}

#[test]
fn a_refusal_for_want_of_room_says_nothing_of_the_version() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model).queue(1);
    let router = ModelRouter::<[f32], f32>::builder("version")
        .model("plain", model_fn(|_: &[f32]| Ok(-1.0)))
        .model("batched", batched.clone())
        .fallback("plain")
        .source(Rollout::everyone("batched").flag("version").unwrap())
        .breaker(BreakerPolicy::new(1, Duration::from_secs(3_600)))
        .build()
        .unwrap();
    let ask = |row: f32| router.predict(&Context::new("user"), &[row]).unwrap();
    let refused = thread::scope(|scope| {
        let held = scope.spawn(|| ask(0.0));
        handle.entered.recv().unwrap();
        let waits = scope.spawn(|| ask(1.0));
        until("it waits", || batched.stats().waiting == 1);
        let refused = ask(2.0);
        // Before anything is asserted: nobody is left waiting.
        handle.go.send(()).unwrap();
        held.join().unwrap();
        waits.join().unwrap();
        refused
    });
    assert_eq!(refused.fallback(), Some(FallbackCause::Failed(ErrorKind::Overloaded)));
    let stats = router.stats();
    let version = stats.versions.iter().find(|stats| stats.version.as_str() == "batched").unwrap();
    assert_eq!((version.overloaded, &version.state), (1, &VersionState::Eligible));
    assert_eq!(ask(3.0).version(), "batched", "it was busy, not broken");
}

#[test]
fn every_caller_gets_the_answer_of_its_own_row_whatever_the_bounds() {
    const CALLERS: usize = 8;
    const ROWS: usize = 300;
    for (rows, concurrency, delay) in [(1, 1, 5), (4, 1, 0), (3, 2, 0), (32, 1, 50_000), (32, 2, 1)]
    {
        let handle = doubles();
        let batched: Doubling = Batched::new(handle.model.clone())
            .max_rows(rows)
            .concurrency(concurrency)
            .max_delay(Duration::from_micros(delay));
        thread::scope(|scope| {
            for caller in 0..CALLERS {
                let batched = &batched;
                scope.spawn(move || {
                    for row in 0..ROWS {
                        let value = (caller * ROWS + row + 100) as f32;
                        assert_eq!(batched.predict(&[value]).unwrap(), value * 2.0);
                    }
                });
            }
        });
        let stats = batched.stats();
        assert_eq!(stats.rows, (CALLERS * ROWS) as u64);
        assert!(stats.largest <= rows as u64);
        assert_eq!(stats.waiting, 0);
        assert!(handle.model.batches().len() as u64 == stats.batches);
    }
}

#[test]
fn a_router_falls_back_for_the_row_that_panics_and_for_no_other() {
    let handle = doubles();
    let batched = one_at_a_time(&handle.model);
    let router = ModelRouter::<[f32], f32>::builder("version")
        .model("plain", model_fn(|_: &[f32]| Ok(-1.0)))
        .model("batched", batched.clone())
        .fallback("plain")
        .source(Rollout::everyone("batched").flag("version").unwrap())
        .build()
        .unwrap();
    let ask = |row: f32| router.predict(&Context::new("user"), &[row]).unwrap();
    thread::scope(|scope| {
        let held = scope.spawn(|| ask(0.0));
        handle.entered.recv().unwrap();
        let callers = [1.0, 13.0, 3.0].map(|row| scope.spawn(move || *ask(row).output()));
        until("they wait", || batched.stats().waiting == 3);
        handle.go.send(()).unwrap();
        held.join().unwrap();
        assert_eq!(callers.map(|caller| caller.join().unwrap()), [2.0, -1.0, 6.0]);
    });
    let stats = router.stats();
    let batched = stats.versions.iter().find(|stats| stats.version.as_str() == "batched").unwrap();
    assert_eq!((batched.panics, batched.answered.total()), (1, 3));
}

#[cfg(feature = "onnx")]
#[test]
fn a_networks_answers_are_those_of_its_rows_alone() {
    let model = modelgate::onnx::Classifier::load("examples/models/digits_v2.onnx").unwrap();
    let batched = Batched::new(model.clone()).concurrency(1);
    thread::scope(|scope| {
        for caller in 0..6_u32 {
            let (model, batched) = (&model, &batched);
            scope.spawn(move || {
                for number in 0..40_u32 {
                    let value = |place: u32| ((caller * 40 + number) * 7 + place * 3) % 17;
                    let row: Vec<f32> = (0..64).map(|place| value(place) as f32).collect();
                    let (found, alone) =
                        (batched.predict(&row).unwrap(), model.predict(&row).unwrap());
                    modelgate::Classification::within(1e-5)(&alone, &found).unwrap();
                }
            });
        }
    });
    assert_eq!(batched.stats().rows, 240);
}
