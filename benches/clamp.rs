//! What an autopilot adds to a decision: for a user who is let through, one who is held back, and
//! nothing where there is none.
//!
//! `cargo bench --no-default-features --bench clamp`

#[path = "../tests/support/not_worse.rs"]
mod not_worse;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use modelgate::{
    Context, ModelRouter, Rollout,
    autopilot::{Autopilot, Stage, draw, store::MemoryStore},
    model_fn,
};
use not_worse::NotWorse;

const NAME: &str = "ml-model-version";

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
