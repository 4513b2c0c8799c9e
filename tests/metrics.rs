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
use modelgate::{Context, ModelRouter, publish_metrics};
use parking_lot::Mutex;
use support::{ByHand, Mood, Puppet, serving};

/// Keeps every counter by its name and labels.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Counter::from_arc(Arc::clone(self.0.lock().entry(name).or_default()))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
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
        .source(ByHand::with(&serving("ml-model-version", "v2")))
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
    let counted =
        |name: &str| kept.0.lock().get(name).map_or(0, |count| count.load(Ordering::SeqCst));
    assert_eq!(counted("modelgate_answers_total router=fraud version=v2 reason=STATIC"), 3);
    assert_eq!(counted("modelgate_answers_total router=fraud version=v1 reason=STATIC"), 1);
    assert_eq!(counted("modelgate_failures_total router=fraud version=v2 kind=error"), 1);
    assert_eq!(counted("modelgate_fallbacks_total router=fraud version=v2 cause=error"), 1);
}
