//! A lazy model is loaded once, by whoever asks for it, and by a request only if that was wanted.

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
    model::{FnModel, LazyModel, ModelErrorKind},
    model_fn,
};

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
    assert_eq!(model.predict(&1).unwrap_err().kind(), ModelErrorKind::NotLoaded);
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
    assert_eq!(error.kind(), ModelErrorKind::NotLoaded);
    assert!(error.source().is_some());
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(model.predict(&1).unwrap_err().kind(), ModelErrorKind::NotLoaded);
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    clock.advance(Duration::from_millis(1));
    assert_eq!(model.predict(&1).unwrap(), 2);
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}
