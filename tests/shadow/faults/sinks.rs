//! Sinks and comparators that block and panic.

use super::*;

#[test]
fn a_sink_that_blocks_holds_up_shadows_and_nobody_else() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let blocks = gate.clone();
    let sink = Arc::new(MemorySink::new(100));
    let router = builder(Puppet::new(1.0))
        .shadow(policy().queue(4))
        .sink(move |_: &Comparison<f64>| blocks.pass())
        .sink(sink.clone())
        .build()
        .unwrap();
    ask(&router, 1);
    gate.wait_for(1);
    ask(&router, 99);
    gate.open();
    flush(&router);
    let counts = settled(&router.stats(), "v2");
    assert_eq!((counts.completed(), counts.dropped(DropCause::QueueFull)), (5, 95));
    assert_eq!(sink.len(), 5);
}

/// Panics at every occasion a sink has.
struct Panicking;

impl ComparisonSink<f64> for Panicking {
    fn record(&self, _: &Comparison<f64>) {
        panic_nastily();
    }
    fn flush(&self) -> Result<(), modelgate::compare::sink::Error> {
        panic!("flush");
    }
    fn counts(&self) -> modelgate::compare::sink::Counts {
        panic!("counts");
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        panic!("drop");
    }
}

#[test]
fn a_sink_that_panics_wherever_it_can_is_counted_and_keeps_nothing_from_the_others() {
    quiet_panics();
    for policy in [policy(), policy().joined()] {
        let sink = Arc::new(MemorySink::new(100));
        let router = builder(Puppet::new(1.0))
            .shadow(policy)
            .sink(Panicking)
            .sink(sink.clone())
            .build()
            .unwrap();
        ask(&router, 10);
        assert!(!router.flush(PATIENCE), "it could not be flushed");
        until("all runs ended", || router.stats().shadows[0].candidates[0].pending() == 0);
        let stats = router.stats();
        assert_eq!(settled(&stats, "v2").agreed(), 10);
        assert_eq!(sink.len(), 10);
        assert!(stats.shadows[0].sink_panics >= 10);
        drop(router);
    }
}

#[test]
fn a_comparator_that_panics_leaves_a_run_completed_and_not_compared() {
    quiet_panics();
    for policy in [policy(), policy().joined()] {
        let sink = Arc::new(MemorySink::new(100));
        let router = builder(Puppet::new(1.0))
            .compare(|_: &f64, _: &f64| -> Agreement { panic_nastily() })
            .shadow(policy)
            .sink(sink.clone())
            .build()
            .unwrap();
        ask(&router, 10);
        flush(&router);
        let stats = router.stats();
        let counts = settled(&stats, "v2");
        assert_eq!((counts.completed(), counts.not_compared()), (10, 10));
        assert_eq!(stats.shadows[0].comparator_panics, 10);
        assert!(sink.take().iter().all(|comparison| comparison.agreement.agrees().is_none()));
    }
}

#[test]
fn nobody_receiving_any_more_is_counted() {
    let (sink, comparisons) = ChannelSink::new(3);
    let sink = Arc::new(sink);
    let router = builder(Puppet::new(1.0)).shadow(policy()).sink(sink.clone()).build().unwrap();
    ask(&router, 10);
    flush(&router);
    let sinks = router.stats().shadows[0].sinks;
    assert_eq!((sinks.recorded, sinks.dropped), (3, 7));
    drop(comparisons);
    ask(&router, 10);
    flush(&router);
    assert_eq!(router.stats().shadows[0].sinks.dropped, 17);
    assert_eq!(settled(&router.stats(), "v2").completed(), 20);
}
