//! Waiting, freeing and ending are bounded, and happen in nobody's request.

mod support;

use std::{sync::mpsc, thread, time::Duration};

use modelgate::{
    Context, ModelRouter, Rollout, Shadow,
    compare::{
        Comparison,
        sink::{ComparisonSink, SinkError},
    },
    model_fn,
};
use support::{Gate, OpensAtTheEnd, PATIENCE};

/// A sink whose flush stands at the gate.
struct Stuck(Gate);

impl ComparisonSink<f64> for Stuck {
    fn record(&self, _: &Comparison<f64>) {}

    fn flush(&self) -> Result<(), SinkError> {
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
