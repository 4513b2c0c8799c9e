//! Versions that are late or hang, requests that are given up or too many.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::asking::{FLAG, Waits, ask, builder, busy, fell_back, on_every_executor, poll_once};
use crate::support::{
    Gate, OpensAtTheEnd, PATIENCE, Puppet, quiet_panics, serving, settled, test_flags, until,
};
use futures::{channel::oneshot, executor::block_on};
use modelgate::{
    Context, ModelError, ModelRouter, Shadow, async_model_fn, model::ErrorKind, model_fn,
    router::BreakerPolicy, shadow::DropCause, testing::PuppetModel,
};
use parking_lot::Mutex;

#[test]
fn a_version_that_is_late_is_replaced_after_the_deadline() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let slow = model_fn(move |_: &[f64]| {
        sleeps.pass();
        Ok(2.0)
    });
    // The fallback waits for no thread: its own deadline cannot pass on a busy machine.
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .async_model("v1", async_model_fn(|_: &[f64]| Box::pin(async { Ok(1.5) })))
        .model("v2", slow)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .deadline(Duration::from_millis(20))
        .build_async()
        .unwrap();
    assert_eq!(block_on(ask(&router)), fell_back(ErrorKind::Deadline));
    gate.open();
    let deadlines = router.stats().versions.iter().map(|version| version.deadlines).sum::<u64>();
    assert_eq!(deadlines, 1);
}

#[test]
fn a_puppet_that_waits_is_held_up_without_a_thread_and_does_as_it_is_told_then() {
    quiet_panics();
    let v2 = PuppetModel::answering(2.0);
    v2.hold();
    let router = builder().async_model("v2", v2.clone()).build_async().unwrap();
    let mut asked = Box::pin(ask(&router));
    assert!(poll_once(&mut asked).is_pending());
    assert_eq!(v2.calls(), 1);
    v2.fail(ErrorKind::Failed);
    v2.release();
    assert_eq!(block_on(asked), fell_back(ErrorKind::Failed));
    v2.panic();
    assert_eq!(block_on(ask(&router)), fell_back(ErrorKind::Panicked));
    v2.answer(3.0);
    assert_eq!(block_on(ask(&router)), ("v2".to_owned(), 3.0, None));
}

#[test]
fn an_async_version_that_never_answers_is_given_up_after_the_deadline() {
    struct GivenUp(Arc<AtomicBool>);
    impl Drop for GivenUp {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let given_up = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&given_up);
    let never = async_model_fn(move |_: &[f64]| {
        let given_up = GivenUp(Arc::clone(&seen));
        Box::pin(async move {
            let _given_up = given_up;
            std::future::pending().await
        })
    });
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .async_model("v1", async_model_fn(|_: &[f64]| Box::pin(async { Ok(1.5) })))
        .async_model("v2", never)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .breaker(BreakerPolicy::disabled())
        .deadline(Duration::from_millis(20))
        .build_async()
        .unwrap();
    let shared = Arc::new(router);
    let theirs = Arc::clone(&shared);
    on_every_executor(move || {
        let answer = ask(&theirs);
        async move { assert_eq!(answer.await, fell_back(ErrorKind::Deadline)) }
    });
    assert!(given_up.load(Ordering::SeqCst));
}

#[test]
fn a_version_that_hangs_cannot_take_every_thread_from_the_others() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let hangs = model_fn(move |_: &[f64]| {
        sleeps.pass();
        Ok(2.0)
    });
    let v1 = Puppet::new(1.0);
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", v1.clone())
        .model("v2", hangs)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .breaker(BreakerPolicy::disabled())
        .compute_threads(1)
        .deadline(Duration::from_secs(1))
        .build_async()
        .unwrap();
    for hung in 1..=3 {
        // v2 hangs on the only thread it has, and v1 has its own.
        assert_eq!(block_on(ask(&router)), fell_back(ErrorKind::Deadline));
        assert_eq!((gate.arrived(), v1.calls()), (hung, hung as u64));
    }
    gate.open();
    until("v2 answers again", || block_on(ask(&router)).0 == "v2");
}

#[test]
fn when_both_are_late_the_error_says_so() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let slow = Arc::new(model_fn(move |_: &[f64]| {
        sleeps.pass();
        Ok(2.0)
    }));
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", Arc::clone(&slow))
        .model("v2", slow)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .deadline(Duration::from_millis(10))
        .build_async()
        .unwrap();
    let error = block_on(router.predict(&Context::new("user-1"), vec![])).unwrap_err();
    assert!(error.is_deadline(), "{error:?}");
    assert_eq!(error.first_error().unwrap().kind(), ErrorKind::Deadline);
}

#[test]
fn a_request_that_was_given_up_in_the_queue_never_runs() {
    let (router, gate, running) = busy(8);
    let _open = OpensAtTheEnd(gate.clone());
    let mut given_up = Box::pin(ask(&router));
    assert!(poll_once(&mut given_up).is_pending());
    let mut kept = Box::pin(ask(&router));
    assert!(poll_once(&mut kept).is_pending());
    drop(given_up);
    gate.open();
    block_on(running);
    assert_eq!(block_on(kept).0, "v1");
    assert_eq!(gate.arrived(), 2);
    assert_eq!(router.stats().versions[0].given_up, 1);
}

#[test]
fn a_request_too_many_is_refused_at_once() {
    let (router, gate, running) = busy(1);
    let _open = OpensAtTheEnd(gate.clone());
    let mut waiting = Box::pin(ask(&router));
    assert!(poll_once(&mut waiting).is_pending());
    let refused = block_on(router.predict(&Context::new("user-1"), vec![])).unwrap_err();
    assert!(refused.is_overloaded(), "{refused:?}");
    gate.open();
    block_on(running);
    assert_eq!(block_on(waiting).0, "v1");
    assert_eq!(gate.arrived(), 2);
    assert_eq!(block_on(ask(&router)).0, "v1", "there is room again");
}

#[test]
fn a_joined_shadow_that_is_late_is_lost_to_the_deadline() {
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .async_model("v1", Waits(0))
        .async_model("v2", async_model_fn(|_: &[f64]| Box::pin(std::future::pending())))
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v1")))
        .shadow(Shadow::always().candidate("v2").joined())
        .deadline(Duration::from_millis(100))
        .build_async()
        .unwrap();
    assert_eq!(block_on(ask(&router)).0, "v1");
    assert!(router.flush(PATIENCE));
    assert_eq!(settled(&router.stats(), "v2").dropped(DropCause::Deadline), 1);
}

#[test]
fn a_future_that_is_dropped_at_any_moment_leaves_nothing_stuck() {
    let calls = Arc::new(AtomicU64::new(0));
    let senders = Arc::new(Mutex::new(Vec::new()));
    let (counted, kept) = (Arc::clone(&calls), Arc::clone(&senders));
    let waits = async_model_fn(move |_: &[f64]| {
        counted.fetch_add(1, Ordering::SeqCst);
        let (sender, receiver) = oneshot::channel::<f64>();
        kept.lock().push(sender);
        Box::pin(async move { receiver.await.map_err(ModelError::new) })
    });
    let router = builder()
        .async_model("v2", waits)
        .deadline(Duration::from_secs(3_600))
        .build_async()
        .unwrap();
    // Never polled: decided, and never asked.
    drop(ask(&router));
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    let mut polled = Box::pin(ask(&router));
    assert!(poll_once(&mut polled).is_pending());
    drop(polled);
    assert!(senders.lock().pop().unwrap().is_canceled(), "the call is given up");
    let mut answered = Box::pin(ask(&router));
    assert!(poll_once(&mut answered).is_pending());
    senders.lock().pop().unwrap().send(7.0).unwrap();
    assert_eq!(block_on(answered), ("v2".to_owned(), 7.0, None));
}
