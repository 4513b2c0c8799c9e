use std::time::{Duration, Instant};

use super::{ImpactMetric, ImpactMetrics, ImpactValue};
use crate::{
    Context, ModelError, ModelRouter, Rollout, Shadow,
    compare::Tolerance,
    model::{Acceptance, function::model_fn},
    router::stats::VersionCounters,
};

/// The sum of a counter over the series with these labels.
fn count(taken: &[ImpactMetric], name: &str, labels: &[(&'static str, &str)]) -> u64 {
    let wanted = taken.iter().filter(|metric| metric.name == name).filter(|metric| {
        labels.iter().all(|(key, value)| {
            metric.labels.iter().any(|(found, held)| found == key && held == value)
        })
    });
    wanted
        .map(|metric| match metric.value {
            ImpactValue::Counter(count) | ImpactValue::Histogram { count, .. } => count,
            ImpactValue::Gauge(_) => 0,
        })
        .sum()
}

fn router(impact: &ImpactMetrics) -> ModelRouter<[f64], f64> {
    let split = Rollout::percent("v2", 50.0).or("v1").flag("m").unwrap();
    ModelRouter::builder("m")
        .model("v1", model_fn(|x: &[f64]| Ok(x[0])))
        .model(
            "v2",
            model_fn(|x: &[f64]| match x[0] < 0.0 {
                true => Err(ModelError::new("below zero")),
                false => Ok(x[0]),
            }),
        )
        .model("v3", model_fn(|x: &[f64]| Ok(x[0] + x[1])))
        .fallback("v1")
        .source(split)
        .shadow(
            Shadow::always().candidate("v3").queue(4096).budget(crate::shadow::Budget::unlimited()),
        )
        .compare(Tolerance::absolute(0.0))
        .impact_metrics("fraud", impact)
        .build()
        .unwrap()
}

#[test]
fn answers_times_failures_and_disagreement_are_taken_exactly_once() {
    let impact = ImpactMetrics::new();
    let router = router(&impact);
    let ask = |x: &[f64; 2]| {
        for user in 0..200 {
            router.predict(&Context::new(&format!("user-{user}")), x).unwrap();
        }
        assert!(router.flush(Duration::from_secs(60)));
    };
    ask(&[1.0, 0.0]);
    ask(&[1.0, 5.0]);
    let taken = impact.take();
    let of = |version| [("router", "fraud"), ("version", version)];
    let answers = |taken: &[ImpactMetric], version: &'static str| {
        count(taken, "modelgate_answers_total", &of(version))
    };
    assert_eq!(answers(&taken, "v1") + answers(&taken, "v2"), 400);
    assert!(answers(&taken, "v2") > 100);
    for version in ["v1", "v2"] {
        let calls = count(&taken, "modelgate_service_seconds", &of(version));
        assert_eq!(calls, answers(&taken, version));
    }
    let agreement = |agreement| {
        let labels = [("candidate", "v3"), ("agreement", agreement)];
        count(&taken, "modelgate_shadows_completed_total", &labels)
    };
    assert_eq!((agreement("agreed"), agreement("disagreed")), (200, 200));
    let share = taken.iter().find(|metric| metric.name == "modelgate_shadow_disagreement");
    assert_eq!(share.unwrap().value, ImpactValue::Gauge(0.5));
    assert_eq!(impact.take(), []);

    // Failures are few: the breaker soon leaves the version alone.
    ask(&[-1.0, 0.0]);
    let later = impact.take();
    let failures =
        count(&later, "modelgate_failures_total", &[("version", "v2"), ("kind", "error")]);
    assert!(failures > 0);
    assert_eq!(answers(&later, "v1") + answers(&later, "v2"), 200);
    let replaced = count(&later, "modelgate_fallbacks_total", &[("version", "v2")]);
    assert!(replaced >= failures, "{replaced} for {failures}");
    assert_eq!(impact.take(), []);
}

#[test]
fn what_a_router_counted_last_is_taken_after_it_is_gone_and_then_it_is_forgotten() {
    let impact = ImpactMetrics::new();
    let gone = router(&impact);
    gone.predict(&Context::new("user-1"), &[1.0, 0.0]).unwrap();
    drop(gone);
    let mut answers = count(&impact.take(), "modelgate_answers_total", &[]);
    // Its shadows end and it is freed on a thread of its own.
    let until = Instant::now() + Duration::from_secs(60);
    while !impact.0.lock().is_empty() {
        assert!(Instant::now() < until, "the router is remembered");
        answers += count(&impact.take(), "modelgate_answers_total", &[]);
        std::thread::yield_now();
    }
    assert_eq!(answers, 1);
}

#[test]
fn a_version_that_is_installed_later_is_counted_and_one_retired_taken_a_last_time() {
    let impact = ImpactMetrics::new();
    let router = router(&impact);
    router.install("v4", model_fn(|x: &[f64]| Ok(x[0])), &Acceptance::new()).unwrap();
    router.pin("v4").unwrap();
    router.predict(&Context::new("user-1"), &[1.0, 0.0]).unwrap();
    router.retire("v4").unwrap();
    router.predict(&Context::new("user-1"), &[1.0, 0.0]).unwrap();
    let taken = impact.take();
    assert_eq!(count(&taken, "modelgate_answers_total", &[("version", "v4")]), 1);
    assert_eq!(count(&taken, "modelgate_answers_total", &[]), 2);
}

#[test]
fn times_fall_into_the_bounds_and_their_sum_is_near() {
    let counters = VersionCounters::new();
    for microseconds in [50, 200, 3_000, 20_000_000] {
        counters.took(Duration::from_micros(microseconds));
    }
    let ImpactValue::Histogram { count, sum, buckets } =
        ImpactValue::seconds(&counters.distribution().unwrap())
    else {
        panic!("no histogram")
    };
    assert_eq!(count, 4);
    assert!((sum - 20.003_25).abs() < 20.003_25 * 0.02, "{sum}");
    let within = |bound: f64| buckets.iter().find(|(le, _)| *le == bound).unwrap().1;
    let found = [0.000_01, 0.000_1, 0.000_25, 0.002_5, 0.005, 10.0, f64::INFINITY].map(within);
    assert_eq!(found, [0, 1, 2, 2, 3, 3, 4]);
    assert!(buckets.is_sorted());
}
