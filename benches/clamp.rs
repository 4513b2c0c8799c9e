//! What an autopilot adds to a decision: for a user who is let through, one who is held back, and
//! nothing where there is none.
//!
//! `cargo bench --no-default-features --bench clamp`

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use modelgate::{
    Context, ModelRouter, Rollout,
    autopilot::{
        Autopilot, Evidence, Findings, MetricFinding, MetricRole, MetricSum, Share, Stage, draw,
        store::MemoryStore,
    },
    model_fn,
};
use serde_json::Value;

const NAME: &str = "ml-model-version";

/// Evidence that lets everything pass.
#[derive(Clone)]
struct NotWorse;

impl Evidence for NotWorse {
    fn config_hash(&self) -> String {
        String::new()
    }
    fn begin(&self, _attempt: u32) {}
    fn enter(&self, _stage: usize, _share: Share) {}
    fn counts(&self) -> Value {
        Value::Null
    }
    fn judge(&self, _counts: &[&Value], _attempt: u32, _stage: usize) -> Findings {
        Findings {
            pairs: 1_000,
            metrics: vec![MetricSum {
                name: "failures".to_owned(),
                role: MetricRole::Guardrail,
                finding: MetricFinding::NotWorse,
                ln_e_worse: 0.0,
                expected_pairs: None,
                sentence: String::new(),
            }],
            ..Findings::default()
        }
    }
    fn veto(&self, _attempt: u32) -> Option<String> {
        None
    }
}

/// One that waits at 25 %, and then looks at its store so seldom that it disturbs nothing.
fn autopilot() -> Autopilot {
    let stage = |percent| Stage::percent(percent).for_at_least(Duration::ZERO);
    Autopilot::builder(NAME, "v2")
        .stages([stage(25.0), stage(50.0).approval()])
        .shadow_for(Duration::ZERO)
        .require(&NotWorse)
        .store(MemoryStore::new())
        .every(Duration::from_millis(200))
        .build()
        .unwrap()
}

fn router(autopilot: Option<&Autopilot>) -> ModelRouter<[f32], f32> {
    let builder = ModelRouter::builder(NAME)
        .model("v1", model_fn(|_: &[f32]| Ok(0.1)))
        .model("v2", model_fn(|_: &[f32]| Ok(0.2)))
        .fallback("v1")
        .source(Rollout::everyone("v2").flag(NAME).unwrap());
    match autopilot {
        Some(autopilot) => builder.autopilot(autopilot),
        None => builder,
    }
    .build()
    .unwrap()
}

fn clamp(criterion: &mut Criterion) {
    let autopilot = autopilot();
    let (with, without) = (router(Some(&autopilot)), router(None));
    let deadline = Instant::now() + Duration::from_secs(60);
    while autopilot.status().share != 25.0 {
        assert!(Instant::now() < deadline, "{}", autopilot.status());
        std::thread::sleep(Duration::from_millis(10));
    }
    let user = |through| {
        let mut keys = (0..1_000).map(|n| format!("user-{n:012}"));
        keys.find(|key| (draw(NAME, key) < 25_000) == through).unwrap()
    };
    let (through, held) = (user(true), user(false));
    let cases = [
        ("no autopilot", &without, &through, "v2"),
        ("let through", &with, &through, "v2"),
        ("held back", &with, &held, "v1"),
    ];
    let mut group = criterion.benchmark_group("decide under an autopilot");
    for (name, router, key, version) in cases {
        let context = Context::new(key);
        assert_eq!(router.decide(&context).unwrap().version().as_str(), version);
        group.bench_function(name, |bencher| {
            bencher.iter(|| router.decide(black_box(&context)).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, clamp);
criterion_main!(benches);
