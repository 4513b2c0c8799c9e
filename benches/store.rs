//! What a request takes while the autopilot's store is well, gone, full, or never answers: the median
//! and the 99th and 99.9th percentile of a prediction, which should not differ.
//!
//! `cargo bench --no-default-features --bench store`

#[path = "../tests/support/not_worse.rs"]
mod not_worse;

use std::{
    hint::black_box,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use modelgate::{
    Context, ModelRouter, Rollout,
    autopilot::{
        Autopilot, Stage,
        store::{Expect, MemoryStore, StateStore, StoreError, Tag},
    },
    model_fn,
};
use not_worse::NotWorse;

const NAME: &str = "ml-model-version";
const REQUESTS: usize = 500_000;

/// How the store is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum Mood {
    Well,
    Gone,
    Full,
    Slow,
    Hangs,
}

#[derive(Clone, Default)]
struct Moody {
    store: MemoryStore,
    mood: Arc<AtomicU8>,
    over: Arc<(Mutex<bool>, Condvar)>,
}

impl Moody {
    fn answer(&self, writes: bool) -> Result<(), StoreError> {
        let mood = self.mood.load(Ordering::Relaxed);
        if mood == Mood::Gone as u8 || (mood == Mood::Full as u8 && writes) {
            return Err(StoreError::new("store", "it does not do it"));
        }
        if mood == Mood::Slow as u8 {
            std::thread::sleep(Duration::from_secs(1));
        }
        if mood == Mood::Hangs as u8 {
            let mut over = self.over.0.lock().unwrap_or_else(PoisonError::into_inner);
            while !*over {
                over = self.over.1.wait(over).unwrap_or_else(PoisonError::into_inner);
            }
        }
        Ok(())
    }

    fn let_go(&self) {
        *self.over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.over.1.notify_all();
    }
}

impl StateStore for Moody {
    fn load(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, StoreError> {
        self.answer(false)?;
        self.store.load(name)
    }
    fn store(&self, name: &str, bytes: &[u8], expect: Expect) -> Result<Tag, StoreError> {
        self.answer(true)?;
        self.store.store(name, bytes, expect)
    }
    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.answer(false)?;
        self.store.list(prefix)
    }
    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.answer(true)?;
        self.store.remove(name)
    }
}

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
    store.mood.store(mood as u8, Ordering::Relaxed);
    let keys: Vec<String> = (0..1_000).map(|n| format!("user-{n:012}")).collect();
    let mut times: Vec<Duration> = (0..REQUESTS)
        .map(|n| {
            let context = Context::new(&keys[n % keys.len()]);
            let started = Instant::now();
            black_box(router.predict(black_box(&context), &[]).unwrap());
            started.elapsed()
        })
        .collect();
    store.let_go();
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
