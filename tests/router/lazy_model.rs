//! A lazy model is loaded once, by whoever asks for it, and by a request only if that was wanted.

use crate::support;

use std::{
    error::Error,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use modelgate::{
    Model, ModelError,
    clock::ManualClock,
    model::{ErrorKind, FnModel, LazyModel},
    model_fn,
};

use support::{Gate, OpensAtTheEnd};

type Doubler = FnModel<fn(&i32) -> Result<i32, ModelError>>;

fn doubler() -> Doubler {
    let double: fn(&i32) -> Result<i32, ModelError> = |number| Ok(number.saturating_mul(2));
    model_fn(double)
}

/// A lazy model that counts its loads and fails the first `failures` of them.
fn counted(failures: usize) -> (LazyModel<Doubler>, Arc<AtomicUsize>) {
    let loads = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&loads);
    let model = LazyModel::new(move || match seen.fetch_add(1, Ordering::SeqCst) {
        load if load < failures => Err("the disk is away"),
        _ => Ok(doubler()),
    });
    (model, loads)
}

#[test]
fn a_request_does_not_load_the_model() {
    let (model, loads) = counted(0);
    assert_eq!(model.predict(&1).unwrap_err().kind(), ErrorKind::NotLoaded);
    assert!(model.predict_batch(&[&1, &2]).iter().all(Result::is_err));
    assert_eq!((loads.load(Ordering::SeqCst), model.is_loaded()), (0, false));
    model.load().unwrap();
    assert_eq!(model.predict(&21).unwrap(), 42);
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[test]
fn a_failed_load_says_why_and_may_be_tried_again() {
    let (model, loads) = counted(1);
    let error = model.load().unwrap_err();
    assert_eq!(error.to_string(), "the model could not be loaded");
    assert_eq!(error.source().unwrap().to_string(), "the disk is away");
    assert!(!model.is_loaded());
    model.load().unwrap();
    model.load().unwrap();
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

#[test]
fn of_many_that_load_at_once_one_does() {
    let (model, loads) = counted(0);
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(model.load().unwrap().predict(&3).unwrap(), 6);
            });
        }
    });
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[test]
fn a_loader_that_panics_is_an_error() {
    let model: LazyModel<Doubler> =
        LazyModel::new(|| -> Result<Doubler, ModelError> { panic!("no such layer") });
    let error = model.load().unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "model panicked: no such layer");
    assert!(model.load().is_err());
    assert!(!model.is_loaded());
}

#[test]
fn a_request_loads_it_where_that_was_asked_for_and_leaves_a_failure_alone_for_a_while() {
    let (model, loads) = counted(1);
    let clock = Arc::new(ManualClock::default());
    let model =
        model.load_on_request().retry_after(Duration::from_secs(10)).clock(Arc::clone(&clock));
    let error = model.predict(&1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotLoaded);
    assert!(error.source().is_some());
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(model.predict(&1).unwrap_err().kind(), ErrorKind::NotLoaded);
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    clock.advance(Duration::from_millis(1));
    assert_eq!(model.predict(&1).unwrap(), 2);
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

#[test]
fn requests_that_wait_for_a_loader_do_not_try_it_one_after_the_other() {
    let (gate, loads) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let _open = OpensAtTheEnd(gate.clone());
    let (waits, counts) = (gate.clone(), Arc::clone(&loads));
    let loader = move || {
        counts.fetch_add(1, Ordering::SeqCst);
        waits.pass();
        Err::<Doubler, _>("the disk is away")
    };
    let model = Arc::new(LazyModel::new(loader).load_on_request());
    let (about_to_ask, asking) = std::sync::mpsc::channel();
    let requests: Vec<_> = (0..8)
        .map(|_| {
            let (model, about_to_ask) = (Arc::clone(&model), about_to_ask.clone());
            thread::spawn(move || {
                about_to_ask.send(()).unwrap();
                model.predict(&1).unwrap_err()
            })
        })
        .collect();
    (0..8).for_each(|_| asking.recv().unwrap());
    gate.wait_for(1);
    gate.open();
    for request in requests {
        assert_eq!(request.join().unwrap().kind(), ErrorKind::NotLoaded);
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[test]
fn callers_of_load_that_waited_for_an_attempt_fail_with_it_and_a_later_one_tries_again() {
    let (gate, loads) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let _open = OpensAtTheEnd(gate.clone());
    let (waits, counts) = (gate.clone(), Arc::clone(&loads));
    let loader = move || {
        counts.fetch_add(1, Ordering::SeqCst);
        waits.pass();
        Err::<Doubler, _>("the disk is away")
    };
    let model = Arc::new(LazyModel::new(loader));
    let theirs = Arc::clone(&model);
    let first = thread::spawn(move || theirs.load().map(drop).unwrap_err().to_string());
    gate.wait_for(1);
    gate.open();
    assert_eq!(first.join().unwrap(), "the model could not be loaded");
    assert!(model.load().is_err());
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}
