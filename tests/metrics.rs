//! What is published to the `metrics` facade.
#![cfg(feature = "metrics")]

mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use modelgate::{
    Context, Flags, ModelRouter, Shadow,
    metrics::{publish_metrics, publish_source_metrics},
    model::ErrorKind,
    shadow::Budget,
    testing::{PuppetModel, TestFlags},
};
use parking_lot::Mutex;
use support::{Mood, Puppet, flags as compiled_flags, serving, test_flags};

/// Keeps every counter and gauge by its name and labels.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Kept {
    fn cell(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Arc::clone(self.0.lock().entry(name).or_default())
    }

    fn count(&self, name: &str) -> Option<u64> {
        self.0.lock().get(name).map(|cell| cell.load(Ordering::SeqCst))
    }

    fn gauge(&self, name: &str) -> Option<f64> {
        self.count(name).map(f64::from_bits)
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn counts_are_published_as_they_stand_however_often() {
    let v2 = Puppet::new(2.0);
    let router = ModelRouter::<[f64], f64>::builder("ml-model-version")
        .model("v1", Puppet::new(1.0))
        .model("v2", v2.clone())
        .fallback("v1")
        .source(test_flags(&serving("ml-model-version", "v2")))
        .build()
        .unwrap();
    let ask = || router.predict(&Context::new("user-1"), &[]).unwrap();
    (0..3).for_each(|_| drop(ask()));
    v2.behave(Mood::Errors);
    drop(ask());

    let kept = Kept::default();
    // Twice: what was counted is published, not what has come since.
    for _ in 0..2 {
        with_local_recorder(&kept, || publish_metrics("fraud", &router.stats()));
    }
    let counted = |name: &str| kept.count(name).unwrap_or_default();
    assert_eq!(counted("modelgate_answers_total router=fraud version=v2 reason=STATIC"), 3);
    assert_eq!(counted("modelgate_answers_total router=fraud version=v1 reason=STATIC"), 1);
    assert_eq!(counted("modelgate_failures_total router=fraud version=v2 kind=error"), 1);
    assert_eq!(counted("modelgate_fallbacks_total router=fraud version=v2 cause=error"), 1);
}

/// A router with two policies that run the same candidate, one of them beside each answer.
fn twice_shadowed() -> ModelRouter<[f64], f64> {
    let unlimited = |shadow: Shadow| shadow.candidate("v2").budget(Budget::unlimited());
    ModelRouter::<[f64], f64>::builder("ml-model-version")
        .model("v1", Puppet::new(1.0))
        .model("v2", Puppet::new(2.0))
        .fallback("v1")
        .source(test_flags(&serving("ml-model-version", "v1")))
        .shadow(unlimited(Shadow::flag("asks-for-it")))
        .shadow(unlimited(Shadow::always()))
        .compare(modelgate::compare::Tolerance::absolute(0.1))
        .build()
        .unwrap()
}

#[test]
fn policies_with_one_candidate_have_counts_of_their_own_and_one_published_sum() {
    let router = twice_shadowed();
    let both = Flags::builder()
        .source(test_flags(&format!(
            r#"{{"flags": {{"ml-model-version": {}, "asks-for-it": {}}}}}"#,
            r#"{"state": "ENABLED", "variants": {"v1": "v1"}, "defaultVariant": "v1"}"#,
            r#"{"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"}"#
        )))
        .build()
        .unwrap();
    let asked_for = ModelRouter::<[f64], f64>::builder("ml-model-version")
        .model("v1", Puppet::new(1.0))
        .model("v2", Puppet::new(2.0))
        .fallback("v1")
        .flags(both)
        .shadow(
            Shadow::flag("asks-for-it").candidate("v2").sample(30.0).budget(Budget::unlimited()),
        )
        .shadow(Shadow::always().candidate("v2").budget(Budget::unlimited()))
        .compare(modelgate::compare::Tolerance::absolute(0.1))
        .build()
        .unwrap();
    for router in [&router, &asked_for] {
        for user in 0..200 {
            router.predict(&Context::new(format!("user-{user}").as_str()), &[]).unwrap();
            assert!(router.flush(std::time::Duration::from_secs(60)));
        }
        let stats = router.stats();
        let counted: Vec<u64> =
            stats.shadows.iter().map(|policy| policy.candidates[0].disagreed()).collect();
        assert_eq!(counted.len(), 2);
        let kept = Kept::default();
        with_local_recorder(&kept, || publish_metrics("fraud", &stats));
        let published = kept.count(
            "modelgate_shadows_completed_total router=fraud candidate=v2 agreement=disagreed",
        );
        assert_eq!(published, Some(counted.iter().sum()), "{counted:?}");
        assert_eq!(
            counted.iter().sum::<u64>(),
            200,
            "a candidate runs once a request: {counted:?}"
        );
    }
    let counted = asked_for.stats().shadows.iter().map(|one| one.candidates[0].disagreed()).min();
    assert!(counted > Some(0), "each policy counts its own");
}

#[test]
fn a_published_counter_never_falls_when_its_version_is_retired_and_comes_back() {
    let router = ModelRouter::<[f64], f64>::builder("ml-model-version")
        .model("v1", Puppet::new(1.0))
        .model("v2", Puppet::new(2.0))
        .fallback("v1")
        .source(test_flags(&serving("ml-model-version", "v2")))
        .build()
        .unwrap();
    // As Prometheus' client has it from another: what it is told is what it shows.
    let answers = || {
        let kept = Kept::default();
        with_local_recorder(&kept, || publish_metrics("fraud", &router.stats()));
        kept.count("modelgate_answers_total router=fraud version=v2 reason=STATIC")
    };
    let ask = || router.predict(&Context::new("user-1"), &[]).unwrap();
    (0..10).for_each(|_| drop(ask()));
    assert_eq!(answers(), Some(10));
    for again in 1..=3 {
        router.retire("v2").unwrap();
        assert_eq!(answers(), None, "it is not there");
        drop(ask());
        router.install("v2", Puppet::new(2.0), &modelgate::model::Acceptance::new()).unwrap();
        drop(ask());
        assert_eq!(answers(), Some(10 + again));
    }
}

#[test]
fn a_call_without_room_has_a_figure_and_no_service_time() {
    let full = modelgate::model_fn(|_: &[f64]| {
        let kind = modelgate::model::ErrorKind::Overloaded;
        Err::<f64, _>(modelgate::ModelError::of_kind(kind, "no room"))
    });
    let router = ModelRouter::<[f64], f64>::builder("ml-model-version")
        .model("v1", Puppet::new(1.0))
        .model("v2", full)
        .fallback("v1")
        .source(test_flags(&serving("ml-model-version", "v2")))
        .build()
        .unwrap();
    (0..3).for_each(|_| drop(router.predict(&Context::new("user-1"), &[]).unwrap()));
    let stats = router.stats();
    let v2 = stats.versions.iter().find(|one| one.version == "v2").unwrap();
    assert_eq!((v2.overloaded, v2.errors, v2.service_time.count), (3, 0, 0));
    let kept = Kept::default();
    with_local_recorder(&kept, || publish_metrics("fraud", &stats));
    let failures = |kind: &str| {
        kept.count(&format!("modelgate_failures_total router=fraud version=v2 kind={kind}"))
    };
    assert_eq!((failures("overloaded"), failures("error")), (Some(3), Some(0)));
}

#[test]
fn every_kind_of_failure_has_a_figure() {
    let named = [
        (ErrorKind::InvalidInput, "invalid_input"),
        (ErrorKind::Failed, "error"),
        (ErrorKind::Panicked, "panic"),
        (ErrorKind::NonFinite, "non_finite"),
        (ErrorKind::Deadline, "deadline"),
        (ErrorKind::NotLoaded, "not_loaded"),
        (ErrorKind::Overloaded, "overloaded"),
    ];
    for (kind, name) in named {
        let v2 = PuppetModel::answering(2.0);
        v2.fail(kind);
        let router = ModelRouter::<[f64], f64>::builder("ml-model-version")
            .model("v1", Puppet::new(1.0))
            .model("v2", v2)
            .fallback("v1")
            .source(test_flags(&serving("ml-model-version", "v2")))
            .build()
            .unwrap();
        drop(router.predict(&Context::new("user-1"), &[]).unwrap());
        let kept = Kept::default();
        with_local_recorder(&kept, || publish_metrics("fraud", &router.stats()));
        for (_, other) in named {
            let figure = format!("modelgate_failures_total router=fraud version=v2 kind={other}");
            assert_eq!(kept.count(&figure), Some(u64::from(other == name)), "{figure}");
        }
    }
}

#[test]
fn a_decision_without_an_answer_changes_no_figure_of_the_router() {
    // What the flags count, `tests/unleash/router.rs` asks.
    let router = twice_shadowed();
    let before = serde_json::to_value(router.stats()).unwrap();
    (0..5).for_each(|_| drop(router.decide(&Context::new("user-1")).unwrap()));
    assert_eq!(serde_json::to_value(router.stats()).unwrap(), before);
}

#[test]
fn a_source_says_how_fresh_its_flags_are() {
    let source = TestFlags::silent();
    let flags = Flags::builder().source(source.clone()).build().unwrap();
    let published = || {
        let kept = Kept::default();
        with_local_recorder(&kept, || publish_source_metrics("flags", &flags.status()));
        kept
    };
    let labels = "store=flags source=test";
    let gauge = |name: &str| published().gauge(&format!("modelgate_source_{name} {labels}"));
    assert_eq!(gauge("ready"), Some(0.0));
    assert_eq!(gauge("age_seconds"), Some(f64::INFINITY), "an alert must not miss it");
    source.replace(compiled_flags(&serving("m", "v2")));
    assert_eq!((gauge("ready"), gauge("flags")), (Some(1.0), Some(1.0)));
    assert!(gauge("age_seconds").unwrap().is_finite());
    source.fail("away");
    source.fail("away");
    assert_eq!((gauge("ready"), gauge("failed_attempts")), (Some(0.0), Some(2.0)));
    // It has no connection.
    assert_eq!(published().count(&format!("modelgate_connection_requests_total {labels}")), None);
}

#[cfg(feature = "http")]
#[test]
fn a_connection_says_what_it_has_been_through() {
    use std::time::Duration;

    // Nothing listens on port 9 of this machine.
    let source = modelgate::source::HttpSource::poll("http://127.0.0.1:9/")
        .retry(Duration::from_millis(1), Duration::from_millis(10));
    let flags = Flags::builder().source(source).build().unwrap();
    let failed = |status: &modelgate::flag::store::Status| {
        status.sources[0].connection.as_ref().is_some_and(|connection| connection.failures >= 3)
    };
    assert!(flags.wait_until(Duration::from_secs(30), failed), "{:#?}", flags.status());
    let kept = Kept::default();
    with_local_recorder(&kept, || publish_source_metrics("flags", &flags.status()));
    let labels = "store=flags source=http";
    let count = |name: &str| kept.count(&format!("modelgate_connection_{name} {labels}"));
    assert!(count("failures_total") >= Some(3), "{:?}", count("failures_total"));
    assert!(count("requests_total") >= count("failures_total"));
    assert_eq!(count("received_bytes_total"), Some(0));
    assert_eq!((count("last_status"), count("last_success_seconds")), (None, None));
}

#[test]
fn dropping_a_reporter_does_not_wait_for_a_round_that_hangs() {
    use std::{sync::mpsc, time::Duration};

    let (begin, begun) = mpsc::channel();
    let (_held, hangs) = mpsc::channel::<()>();
    let status = move || {
        begin.send(()).unwrap();
        let _ = hangs.recv();
        Flags::from(modelgate::FlagSet::new()).status()
    };
    let every = Duration::MAX;
    let reporter =
        modelgate::metrics::MetricsReporter::start_sources("flags", every, status).unwrap();
    begun.recv().unwrap();
    // It comes back at all.
    drop(reporter);
}
