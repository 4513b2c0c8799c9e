//! What a person writes over a writer stays, until somebody lets the rollout go on.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use modelgate::{
    ModelRouter,
    autopilot::{
        Autopilot, Cause, Phase, Stage,
        store::{MemoryStore, StateStore as _},
        writer::{Intent, ShareWriter, WriteError, Written},
    },
    model_fn,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    not_worse::NotWorse,
    support::{serving, test_flags},
};

const FLAG: &str = "ml-model-version";

/// A vendor's page; each replica writes it through a writer of its own.
#[derive(Clone)]
struct Page {
    shown: Arc<Mutex<Value>>,
    found_a_conflict: Arc<AtomicBool>,
}

impl Page {
    fn seen_by_another(&self) -> Page {
        Page { shown: Arc::clone(&self.shown), found_a_conflict: Arc::default() }
    }
}

impl ShareWriter for Page {
    fn name(&self) -> Cow<'static, str> {
        "page".into()
    }

    fn write(&self, intent: &Intent, last: Option<&Written>) -> Result<Written, WriteError> {
        let mut shown = self.shown.lock();
        if last.is_some_and(|last| last.0 != *shown) {
            self.found_a_conflict.store(true, Ordering::Release);
            return Err(WriteError::conflict("somebody else changed the page"));
        }
        *shown = json!(intent.share.percent());
        Ok(Written(shown.clone()))
    }
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_conflict_that_one_replica_found_is_over_when_somebody_resumes_on_another() {
    let page = Page { shown: Arc::default(), found_a_conflict: Arc::default() };
    let pages = [page.clone(), page.seen_by_another()];
    let store = MemoryStore::new();
    let stage = |percent| Stage::percent(percent).for_at_least(Duration::ZERO).approval();
    let replicas = pages.clone().map(|page| {
        let autopilot = Autopilot::builder(FLAG, "v2")
            .stages([5.0, 25.0, 50.0].map(stage))
            .shadow_for(Duration::ZERO)
            .require(&NotWorse)
            .store(store.clone())
            .writer(page)
            .every(Duration::from_millis(10))
            .build()
            .unwrap();
        let router = ModelRouter::<[f32], f32>::builder(FLAG)
            .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
            .model("v2", model_fn(|_: &[f32]| Ok(2.0)))
            .fallback("v1")
            .autopilot(&autopilot)
            .source(test_flags(&serving(FLAG, "v2")))
            .build()
            .unwrap();
        (autopilot, router)
    });
    let status = || replicas[0].0.status();
    // Shown, and known to the fleet to be: one step at a time, for each replica writes its own.
    let shown = |percent: f64| {
        until("it is shown", || {
            let record = store.load(&format!("{FLAG}/writer/page.json")).unwrap();
            let record = record.map(|(bytes, _)| serde_json::from_slice::<Value>(&bytes).unwrap());
            record.is_some_and(|record| record["written"] == json!(percent))
        });
        assert_eq!(*page.shown.lock(), json!(percent));
    };
    shown(0.0);
    replicas[0].0.approve("it does no harm in shadow").unwrap();
    shown(5.0);

    *page.shown.lock() = json!("a person's");
    replicas[1].0.approve("it looks good").unwrap();
    until("it is paused", || matches!(status().phase, Some(Phase::Paused { .. })));
    assert_eq!(status().transitions.last().unwrap().cause, Cause::Conflict);
    assert!(status().headline.contains("somebody else changed the page"), "{}", status());
    assert_eq!(*page.shown.lock(), "a person's");

    let found = pages.each_ref().map(|page| page.found_a_conflict.load(Ordering::Acquire));
    let other = found.iter().position(|found| !found).unwrap_or(0);
    replicas[other].0.resume("the page may go on").unwrap();
    shown(25.0);
    replicas[other].0.approve("it still looks good").unwrap();
    shown(50.0);
    let causes: Vec<_> = status().transitions.iter().map(|one| one.cause).collect();
    let conflicts = causes.iter().filter(|cause| **cause == Cause::Conflict).count();
    assert_eq!(conflicts, 1, "{causes:?}");
}
