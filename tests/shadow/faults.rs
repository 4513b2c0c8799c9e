//! Whatever a shadow, a comparator or a sink does: the caller has the right answer of the right
//! version, and every run that was wanted is accounted for.

mod copies;
mod sinks;

use crate::support;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use modelgate::{
    Context, EvaluationContext, Model, ModelError, ModelRouter, RouterBuilder, Shadow,
    clock::ManualClock,
    compare::{
        Agreement, Comparison, Tolerance,
        sink::{ChannelSink, ComparisonSink, MemorySink},
    },
    model::ErrorKind,
    model_fn,
    shadow::{Budget, DropCause},
    value::Value,
};
use std::time::Duration;
use support::{
    Gate, Mood, OpensAtTheEnd, PATIENCE, Puppet, panic_nastily, quiet_panics, serving, settled,
    test_flags, until,
};

const FLAG: &str = "ml-model-version";

type Router = ModelRouter<[f64], f64>;

/// Normal priority: a busy machine may leave an idle thread aside for longer than a test lasts.
fn policy() -> Shadow {
    Shadow::always().candidate("v2").budget(Budget::unlimited())
}

/// v1 answers everybody with 1.0 plus the features; v2 is whatever the test says.
fn builder(v2: impl Model<[f64], f64> + 'static) -> RouterBuilder<[f64], f64> {
    ModelRouter::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model("v2", v2)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v1")))
        .compare(Tolerance::absolute(0.1))
}

fn ask(router: &Router, times: usize) {
    for n in 0..times {
        let answer = router.predict(&Context::new("user-1"), &[n as f64]).unwrap();
        assert_eq!((answer.version().as_str(), *answer.output()), ("v1", 1.0 + n as f64));
        assert!(!answer.fell_back());
    }
}

fn ask_as_a_batch(router: &Router, rows: usize) {
    let user = Context::new("user-1");
    let features: Vec<[f64; 1]> = (0..rows).map(|n| [n as f64]).collect();
    let rows: Vec<(&dyn EvaluationContext, &[f64])> =
        features.iter().map(|row| (&user as _, &row[..])).collect();
    for (row, answer) in features.iter().zip(router.predict_batch(&rows)) {
        let answer = answer.unwrap();
        assert_eq!((answer.version().as_str(), *answer.output()), ("v1", 1.0 + row[0]));
    }
}

fn flush(router: &Router) {
    assert!(router.flush(PATIENCE), "shadows did not end");
}

#[test]
fn a_shadow_that_sleeps_loses_what_does_not_fit_and_holds_nobody() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let v2 = model_fn(move |_: &[f64]| {
        sleeps.pass();
        Ok(1.0)
    });
    let sink = Arc::new(MemorySink::new(100));
    let router = builder(v2).shadow(policy().queue(4)).sink(sink.clone()).build().unwrap();
    ask(&router, 1);
    gate.wait_for(1);
    ask(&router, 49);
    ask_as_a_batch(&router, 50);
    let before = router.stats().shadows[0].candidates[0].clone();
    assert_eq!((before.wanted(), before.pending()), (100, 5), "one runs and four wait");
    assert_eq!(before.dropped(DropCause::QueueFull), 95);
    assert!(!router.flush(Duration::from_millis(1)), "it still sleeps");
    gate.open();
    flush(&router);
    let counts = settled(&router.stats(), "v2");
    assert_eq!((counts.completed(), counts.dropped(DropCause::QueueFull)), (5, 95));
    assert_eq!(sink.len(), 5);
}

#[test]
fn a_shadow_that_spins_at_the_lowest_priority_holds_nobody() {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let v2 = model_fn(move |_: &[f64]| {
        while !stopped.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
        Ok(1.0)
    });
    let router = builder(v2).shadow(Shadow::always().candidate("v2").queue(2)).build().unwrap();
    ask(&router, 100);
    // Fewer than the bound may be in the queue, when the thread has taken one out.
    let lost = router.stats().shadows[0].candidates[0].dropped(DropCause::QueueFull);
    assert!((97..=98).contains(&lost), "{lost}");
    stop.store(true, Ordering::SeqCst);
    flush(&router);
    let counts = settled(&router.stats(), "v2");
    assert_eq!((counts.wanted(), counts.completed()), (100, 100 - lost));
}

#[test]
fn a_shadow_that_panics_is_lost_and_shown_with_its_error() {
    quiet_panics();
    fn plainly() -> Result<f64, ModelError> {
        panic!("out of luck")
    }
    fn nastily() -> Result<f64, ModelError> {
        panic_nastily()
    }
    for panics in [plainly as fn() -> Result<f64, ModelError>, nastily] {
        let v2 = model_fn(move |_: &[f64]| panics());
        let sink = Arc::new(MemorySink::new(100));
        let router = builder(v2).shadow(policy()).sink(sink.clone()).build().unwrap();
        ask(&router, 20);
        ask_as_a_batch(&router, 20);
        flush(&router);
        let counts = settled(&router.stats(), "v2");
        // Three in a row, and then it is left alone.
        let (panics, rests) =
            (counts.dropped(DropCause::Panic), counts.dropped(DropCause::Resting));
        assert_eq!((counts.wanted(), panics, rests), (40, 3, 37));
        let shown = sink.take();
        assert_eq!(shown.len(), 3);
        for comparison in shown {
            assert_eq!(comparison.primary.version, "v1");
            let error = comparison.candidate.outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Panicked);
        }
    }
}

#[test]
fn a_flood_is_counted_to_the_last_run() {
    let sink = Arc::new(MemorySink::new(100_000));
    let v2 = Puppet::new(1.0);
    let router = builder(v2.clone()).shadow(policy().queue(1)).sink(sink.clone()).build().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ask(&router, 1_000));
        }
    });
    flush(&router);
    let counts = settled(&router.stats(), "v2");
    assert_eq!(counts.wanted(), 4_000);
    assert_eq!(counts.dropped_in_all(), counts.dropped(DropCause::QueueFull));
    assert_eq!(counts.agreed(), counts.completed());
    assert_eq!((sink.len() as u64, v2.calls()), (counts.completed(), counts.completed()));
}

#[test]
fn a_shadow_that_errs_or_answers_nan_is_completed_and_not_compared() {
    let v2 = Puppet::new(1.0);
    let router = builder(v2.clone()).shadow(policy()).refuse_non_finite().build().unwrap();
    for mood in [Mood::Errors, Mood::AnswersNaN, Mood::RefusesInput] {
        v2.behave(mood);
        ask(&router, 10);
        flush(&router);
    }
    let counts = settled(&router.stats(), "v2");
    assert_eq!((counts.completed(), counts.not_compared()), (30, 30));
    // None of it was the answer: the version's own breaker and counts know nothing of it.
    let stats = router.stats();
    assert_eq!((stats.versions[1].errors, stats.versions[1].non_finite), (0, 0));
    assert_eq!(stats.versions[1].state, modelgate::router::stats::VersionState::Eligible);
}

#[test]
fn a_shadow_that_comes_too_late_is_lost_to_the_deadline_and_shown_to_nobody() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let v2 = model_fn(move |_: &[f64]| {
        sleeps.pass();
        Ok(1.0)
    });
    let clock = Arc::new(ManualClock::default());
    let sink = Arc::new(MemorySink::new(100));
    let router = builder(v2)
        .shadow(policy().deadline(Duration::from_millis(10)))
        .sink(sink.clone())
        .clock(clock.clone())
        .build()
        .unwrap();
    ask(&router, 1);
    gate.wait_for(1);
    ask(&router, 3);
    clock.advance(Duration::from_millis(11));
    gate.open();
    flush(&router);
    let counts = settled(&router.stats(), "v2");
    assert_eq!(counts.dropped(DropCause::Deadline), 4);
    assert_eq!((gate.arrived(), sink.len()), (1, 0), "those that waited are not started");
}

#[test]
fn a_spent_budget_refuses_until_time_has_paid_it_off() {
    let clock = Arc::new(ManualClock::default());
    let v2 = Puppet::new(1.0);
    let router = builder(v2.clone())
        .shadow(policy().budget(Budget::cpu_percent(1e-6).burst(Duration::ZERO)))
        .clock(clock.clone())
        .build()
        .unwrap();
    ask(&router, 1);
    flush(&router);
    ask(&router, 10);
    ask_as_a_batch(&router, 10);
    flush(&router);
    assert_eq!(settled(&router.stats(), "v2").dropped(DropCause::Budget), 20);
    // Whatever one run has used is paid off in that time.
    clock.advance(Duration::from_secs(86_400 * 365 * 100));
    ask(&router, 1);
    flush(&router);
    let counts = settled(&router.stats(), "v2");
    assert_eq!((counts.completed(), counts.dropped_in_all(), v2.calls()), (2, 20, 2));
}

#[test]
fn a_hung_shadow_does_not_hold_the_last_handle() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let v2 = model_fn(move |_: &[f64]| {
        sleeps.pass();
        Ok(1.0)
    });
    let dropped = Arc::new(AtomicU64::new(0));
    struct Counted(Arc<AtomicU64>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let counted = Counted(Arc::clone(&dropped));
    let router = builder(v2)
        .shadow(policy().grace(Duration::from_millis(5)))
        .sink(move |_: &Comparison<f64>| {
            let _held = &counted;
        })
        .build()
        .unwrap();
    ask(&router, 3);
    gate.wait_for(1);
    drop(router);
    assert_eq!(dropped.load(Ordering::SeqCst), 0, "its sink is not taken from a run that goes on");
    gate.open();
    until("the sink is dropped", || dropped.load(Ordering::SeqCst) == 1);
}
