//! An autopilot whose evidence says what the test wants.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use modelgate::{
    ModelRouter, RouterBuilder,
    autopilot::{
        self, Autopilot, Findings, Judge, MetricFinding, MetricRole, MetricSum, Share, Stage,
        store::MemoryStore,
    },
    model_fn,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

pub const FLAG: &str = "ml-model-version";

/// Evidence that says what the test wants.
#[derive(Clone)]
pub struct Scripted {
    pub finding: Arc<Mutex<MetricFinding>>,
    pub veto: Arc<Mutex<Option<String>>>,
    pub pairs: Arc<AtomicU64>,
}

impl Scripted {
    pub fn new(finding: MetricFinding) -> Scripted {
        Scripted { finding: Arc::new(finding.into()), veto: Arc::default(), pairs: Arc::default() }
    }

    pub fn says(&self, finding: MetricFinding) {
        *self.finding.lock() = finding;
    }
}

impl Judge for Scripted {
    fn config_hash(&self) -> String {
        "scripted".to_owned()
    }
    fn begin(&self, _attempt: u32) {
        *self.veto.lock() = None;
    }
    fn enter(&self, _stage: usize, _share: Share) {}
    fn counts(&self) -> Value {
        // Something new arrives at every look.
        json!(self.pairs.fetch_add(1_000, Ordering::Relaxed) + 1_000)
    }
    fn judge(&self, counts: &[&Value], _attempt: u32, _stage: usize) -> Findings {
        Findings {
            pairs: counts.iter().filter_map(|count| count.as_u64()).sum(),
            metrics: vec![MetricSum {
                name: "failures".to_owned(),
                role: MetricRole::Guardrail,
                finding: *self.finding.lock(),
                ln_e_worse: 0.0,
                expected_pairs: None,
                sentence: "as scripted".to_owned(),
            }],
            ..Findings::default()
        }
    }
    fn veto(&self, _attempt: u32) -> Option<String> {
        self.veto.lock().clone()
    }
}

/// Stages that end as soon as the evidence lets them.
pub fn hurried(evidence: &Scripted) -> autopilot::Builder {
    let stage = |percent| Stage::percent(percent).for_at_least(Duration::ZERO);
    Autopilot::builder(FLAG, "v2")
        .stages([stage(5.0), stage(25.0), stage(50.0)])
        .shadow_for(Duration::ZERO)
        .cool_down(Duration::ZERO)
        .require(evidence)
        .store(MemoryStore::new())
        .every(Duration::from_millis(10))
}

pub fn router(autopilot: &Autopilot) -> RouterBuilder<[f32], f32> {
    ModelRouter::builder(FLAG)
        .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
        .model("v2", model_fn(|_: &[f32]| Ok(2.0)))
        .fallback("v1")
        .autopilot(autopilot)
}

/// Waits until it is so; the time is for machines that are busy with something else.
#[track_caller]
pub fn until(what: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !what() {
        assert!(Instant::now() < deadline, "not within a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// An autopilot that waits at 25 %, and everything that says so.
pub fn at_25_percent() -> (Autopilot, Scripted) {
    let evidence = Scripted::new(MetricFinding::NotWorse);
    let stage = |percent| Stage::percent(percent).for_at_least(Duration::ZERO);
    let autopilot = hurried(&evidence)
        .stages([stage(5.0), stage(25.0), stage(50.0).approval()])
        .build()
        .unwrap();
    (autopilot, evidence)
}

pub fn key(n: u32) -> String {
    format!("user-{n}")
}
