//! What a request takes while the autopilot's store is well, gone, full, or never answers: the median
//! and the 99th and 99.9th percentile of a prediction, which should not differ.
//!
//! `cargo bench --no-default-features --bench store`

#[path = "../tests/support/moody_store.rs"]
mod moody_store;
#[path = "../tests/support/not_worse.rs"]
mod not_worse;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use modelgate::{
    Context, ModelRouter, Rollout,
    autopilot::{Autopilot, Stage},
    model_fn,
};
use moody_store::{LetsGo, Mood, Moody};
use not_worse::NotWorse;

const NAME: &str = "ml-model-version";
const REQUESTS: usize = 500_000;

fn measure(mood: Mood) {
    let store = Moody::default();
    let stage = |percent| Stage::percent(percent).for_at_least(Duration::ZERO);
    let autopilot = Autopilot::builder(NAME, "v2")
        .stages([stage(50.0), stage(75.0).approval()])
        .shadow_for(Duration::ZERO)
        .require(&NotWorse)
        .store(store.clone())
        .every(Duration::from_millis(200))
        .build()
        .unwrap();
    let router = ModelRouter::<[f32], f32>::builder(NAME)
        .model("v1", model_fn(|_: &[f32]| Ok(0.1)))
        .model("v2", model_fn(|_: &[f32]| Ok(0.2)))
        .fallback("v1")
        .source(Rollout::everyone("v2").flag(NAME).unwrap())
        .autopilot(&autopilot)
        .build()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while autopilot.status().share != 50.0 {
        assert!(Instant::now() < deadline, "{}", autopilot.status());
        std::thread::sleep(Duration::from_millis(10));
    }
    store.is(mood);
    let let_go = LetsGo(store);
    let keys: Vec<String> = (0..1_000).map(|n| format!("user-{n:012}")).collect();
    let mut times: Vec<Duration> = (0..REQUESTS)
        .map(|n| {
            let context = Context::new(&keys[n % keys.len()]);
            let started = Instant::now();
            black_box(router.predict(black_box(&context), &[]).unwrap());
            started.elapsed()
        })
        .collect();
    drop(let_go);
    times.sort_unstable();
    let at = |share: f64| times[((REQUESTS - 1) as f64 * share) as usize];
    println!("{mood:?}: p50 {:?}, p99 {:?}, p99.9 {:?}", at(0.5), at(0.99), at(0.999));
}

fn main() {
    // `cargo test --benches` runs this as a test: nothing to measure then.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    for mood in [Mood::Well, Mood::Gone, Mood::Full, Mood::Slow, Mood::Hangs] {
        measure(mood);
    }
}
