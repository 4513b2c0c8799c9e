//! Waiting, freeing and ending are bounded, and happen in nobody's request.

mod support;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use modelgate::{
    Context, Model, ModelError, ModelRouter, Rollout, RouterBuilder, Shadow,
    compare::{
        Comparison,
        sink::{self, ComparisonSink},
    },
    model_fn,
    shadow::{Budget, DropCause},
};
use parking_lot::Mutex;
use support::{Gate, OpensAtTheEnd, PATIENCE, settled, until};

/// The name of the thread on which a model was freed.
type FreedOn = Arc<Mutex<Option<String>>>;

struct Tells(FreedOn);

/// A model that tells where it is freed.
fn tells(freed: &FreedOn) -> impl Model<[f64], f64> + 'static {
    let tells = Tells(Arc::clone(freed));
    model_fn(move |_: &[f64]| {
        let _held = &tells;
        Ok(2.0)
    })
}

impl Drop for Tells {
    fn drop(&mut self) {
        *self.0.lock() = Some(thread::current().name().unwrap_or_default().to_owned());
    }
}

fn freed_on(freed: &FreedOn) -> String {
    until("the model is freed", || freed.lock().is_some());
    freed.lock().clone().unwrap()
}

fn builder(v2: impl Model<[f64], f64> + 'static) -> RouterBuilder<[f64], f64> {
    ModelRouter::<[f64], f64>::builder("m")
        .model("v1", model_fn(|_: &[f64]| Ok(1.0)))
        .model("v2", v2)
        .fallback("v1")
        .source(Rollout::everyone("v1").flag("m").unwrap())
}

fn shadow() -> Shadow {
    Shadow::always().candidate("v2").budget(Budget::unlimited())
}

#[test]
fn a_retired_model_is_freed_neither_in_the_next_request_nor_by_the_operator() {
    let freed = FreedOn::default();
    let router = builder(tells(&freed)).build().unwrap();
    let ask = || *router.predict(&Context::new("u"), &[0.0]).unwrap().output();
    assert_eq!(ask(), 1.0);
    let operator = router.clone();
    thread::spawn(move || operator.retire("v2").unwrap()).join().unwrap();
    // This thread held the last table with v2 in it.
    assert_eq!(ask(), 1.0);
    assert_eq!(freed_on(&freed), "modelgate-reaper");
}

#[test]
fn the_last_handle_of_a_router_waits_for_nothing() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let (freed, waits) = (FreedOn::default(), gate.clone());
    let hangs = model_fn(move |_: &[f64]| {
        waits.pass();
        Ok(2.0)
    });
    let router = builder(hangs)
        .model("v3", tells(&freed))
        .shadow(shadow().grace(Duration::from_secs(3_600)))
        .build()
        .unwrap();
    router.predict(&Context::new("u"), &[0.0]).unwrap();
    gate.wait_for(1);
    // Would last for an hour if it waited for the shadow.
    let (dropped, told) = mpsc::channel();
    thread::spawn(move || {
        drop(router);
        dropped.send(()).unwrap();
    });
    told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(freed_on(&freed), "modelgate-reaper");
}

#[cfg(feature = "async")]
#[test]
fn a_request_under_way_does_not_end_its_router() {
    use futures::{channel::oneshot, executor::block_on};

    let freed = FreedOn::default();
    let (answer, answered) = oneshot::channel::<f64>();
    let answered = Mutex::new(Some(answered));
    let waits = modelgate::async_model_fn(move |_: &[f64]| {
        let answered = answered.lock().take();
        Box::pin(async move { answered.unwrap().await.map_err(ModelError::new) })
    });
    let router =
        builder(tells(&freed)).async_model("v3", waits).deadline(PATIENCE).build_async().unwrap();
    router.pin("v3").unwrap();
    let request = router.predict(&Context::new("u"), vec![0.0]);
    drop(router);
    answer.send(7.0).unwrap();
    assert_eq!(*block_on(request).unwrap().output(), 7.0);
    assert_eq!(freed_on(&freed), "modelgate-reaper");
}

#[test]
fn a_router_that_is_shut_down_has_written_everything_and_answers_without_shadows() {
    let seen = Arc::new(Mutex::new(0));
    let counts = Arc::clone(&seen);
    let router = builder(model_fn(|_: &[f64]| Ok(2.0)))
        .shadow(shadow().queue(100))
        .sink(move |_: &Comparison<f64>| *counts.lock() += 1)
        .build()
        .unwrap();
    let ask = || *router.predict(&Context::new("u"), &[0.0]).unwrap().output();
    (0..100).for_each(|_| assert_eq!(ask(), 1.0));
    assert!(router.shutdown(PATIENCE));
    assert_eq!(*seen.lock(), 100);
    assert_eq!(ask(), 1.0);
    let counts = settled(&router.stats(), "v2");
    assert_eq!((counts.completed(), counts.dropped(DropCause::Shutdown)), (100, 1));
    assert!(router.shutdown(PATIENCE), "once more does no harm");
}

#[test]
fn a_shutdown_ends_at_its_deadline_whatever_a_shadow_does() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let waits = gate.clone();
    let hangs = model_fn(move |_: &[f64]| {
        waits.pass();
        Ok(2.0)
    });
    let router = builder(hangs).shadow(shadow().grace(Duration::from_secs(3_600))).build().unwrap();
    router.predict(&Context::new("u"), &[0.0]).unwrap();
    gate.wait_for(1);
    assert!(!router.shutdown(Duration::from_millis(50)));
    until("it is counted", || settled_now(&router.stats()).is_some_and(|lost| lost == 1));
}

/// Shadows of v2 lost to a shutdown, once none is pending.
fn settled_now(stats: &modelgate::router::stats::RouterStats) -> Option<u64> {
    let counts = stats.shadows.first()?.candidates.first()?;
    (counts.pending() == 0).then(|| counts.dropped(DropCause::Shutdown))
}

/// A sink whose flush stands at the gate.
struct Stuck(Gate);

impl ComparisonSink<f64> for Stuck {
    fn record(&self, _: &Comparison<f64>) {}

    fn flush(&self) -> Result<(), sink::Error> {
        self.0.pass();
        Ok(())
    }
}

#[test]
fn a_flush_returns_at_its_deadline_whatever_a_sink_does() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let router = ModelRouter::<[f64], f64>::builder("m")
        .model("v1", model_fn(|_: &[f64]| Ok(1.0)))
        .model("v2", model_fn(|_: &[f64]| Ok(1.0)))
        .fallback("v1")
        .source(Rollout::everyone("v1").flag("m").unwrap())
        .shadow(Shadow::always().candidate("v2"))
        .sink(Stuck(gate.clone()))
        .build()
        .unwrap();
    router.predict(&Context::new("u"), &[0.0]).unwrap();
    let (done, flushed) = mpsc::channel();
    let flushing = router.clone();
    thread::spawn(move || done.send(flushing.flush(Duration::from_millis(50))).unwrap());
    assert_eq!(flushed.recv_timeout(PATIENCE), Ok(false));
    assert_eq!(gate.arrived(), 1, "the sink is still at it");
}
