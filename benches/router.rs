//! What a router adds to its models, and what readers of flags cost each other.
//!
//! `cargo bench --no-default-features --features onnx --bench router`; without `onnx` the digits
//! model is left out.

use std::{
    hint::black_box,
    sync::{Arc, RwLock},
    time::Duration,
};

use criterion::{Criterion, criterion_group, criterion_main};
use modelgate::{
    FlagSet, Model, ModelRouter, Shadow,
    clock::{Clock, SystemClock},
    flagd::Flagd,
    model_fn,
};

mod support;

use support::{Fed, Rules, Updating, User};

/// A router that sends everybody in the given rules' v2 share to the same model as all others, so
/// that only the routing makes a difference.
fn router<P: Clone + Send + Sync + 'static, M: Model<[f32], P> + Clone + 'static>(
    model: &M,
    shadow: bool,
) -> ModelRouter<[f32], P> {
    let flag = support::flagd::flag(Rules::RuleThenSplit, support::PERCENT).to_string();
    let flag = Flagd::new().compile_flag("ml-model-version", &flag).unwrap();
    let set: FlagSet = [flag].into_iter().collect();
    let builder = ModelRouter::builder("ml-model-version")
        .model("fraud-v1", model.clone())
        .model("fraud-v2", model.clone())
        .model("candidate", model.clone())
        .fallback("fraud-v1")
        .flags(set.into());
    let builder = match shadow {
        true => builder.shadow(Shadow::always().candidate("candidate")),
        false => builder,
    };
    builder.build().unwrap()
}

fn overhead(criterion: &mut Criterion) {
    let constant = model_fn(|row: &[f32]| Ok(row[0]));
    compare(criterion, "constant", &Arc::new(constant), &[0.5; 64]);
    #[cfg(feature = "onnx")]
    digits(criterion);
}

#[cfg(feature = "onnx")]
fn digits(criterion: &mut Criterion) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/digits_v2.onnx");
    let model: Arc<dyn Model<[f32], modelgate::Classification>> =
        Arc::new(modelgate::onnx::Classifier::load(path).unwrap());
    let rows = include_str!("../examples/models/digits_heldout.csv");
    let row: Vec<f32> = rows
        .lines()
        .nth(1)
        .unwrap()
        .split(',')
        .take(64)
        .map(|cell| cell.parse().unwrap())
        .collect();
    compare(criterion, "digits MLP", &model, &row);
}

fn compare<P: Clone + Send + Sync + 'static, M: Model<[f32], P> + Clone + 'static>(
    criterion: &mut Criterion,
    name: &str,
    model: &M,
    row: &[f32],
) {
    let users = support::users();
    let (plain, shadowed) = (router(model, false), router(model, true));
    let answer = plain.predict(&users[0].context(), row).unwrap();
    assert!(answer.version().as_str().starts_with("fraud") && !answer.fell_back());
    let mut turn = 0;
    let mut next = || {
        turn = (turn + 1) % support::USERS;
        users[turn].context()
    };
    let mut group = criterion.benchmark_group(format!("router over {name}"));
    group.bench_function("bare model", |bencher| {
        bencher.iter(|| black_box(model).predict(black_box(row)).unwrap());
    });
    group.bench_function("router", |bencher| {
        bencher.iter(|| plain.predict(&next(), black_box(row)).unwrap());
    });
    // The pool works on the other core as long as it keeps up; what does not fit its line is
    // counted and dropped, which is what a caller pays under overload.
    group.bench_function("router, detached shadow of every request", |bencher| {
        bencher.iter(|| shadowed.predict(&next(), black_box(row)).unwrap());
    });
    group.finish();
    assert!(shadowed.flush(Duration::from_secs(30)), "the shadows are done in time");
    let counts = plain.stats();
    assert_eq!(counts.fallbacks.iter().map(|(_, count)| count).sum::<u64>(), 0);
}

/// A flag read through the store, beside the same flags behind a lock.
fn readers(criterion: &mut Criterion) {
    let rules = Rules::RuleThenSplit;
    let fed = Fed::new(support::switches(rules, 100));
    let locked = Arc::new(RwLock::new(Arc::new(support::switches(rules, 100))));
    let key = support::key(50);
    let users = support::users();
    let contexts: Vec<_> = users.iter().map(User::context).collect();
    let clock = SystemClock::new();
    let clock: &dyn Clock = &clock;
    let by_store = |user: usize| fed.flags.boolean(&key, &contexts[user], false);
    let by_lock = |user: usize| {
        let set = Arc::clone(&locked.read().unwrap());
        set.evaluate_at(&key, &contexts[user], clock).boolean(false).value
    };
    let on = |read: &dyn Fn(usize) -> bool| (0..users.len()).filter(|user| read(*user)).count();
    assert_eq!(on(&by_store), on(&by_lock));
    assert!(on(&by_store) > 0);

    let mut group = criterion.benchmark_group("one flag of 100, one rule then a split");
    for (name, threads, updated) in [
        ("1 thread", 1, false),
        ("2 threads", 2, false),
        ("2 threads, 1,000 updates a second", 2, true),
    ] {
        group.bench_function(format!("Flags::boolean, {name}"), |bencher| {
            let _updating = updated.then(|| fed.updating(support::switching(rules)));
            bencher.iter_custom(|count| {
                support::together(threads, count, |count| ask(count, &by_store))
            });
        });
        group.bench_function(format!("RwLock<Arc<FlagSet>>, {name}"), |bencher| {
            let _updating = updated.then(|| {
                let (locked, sets) = (Arc::clone(&locked), sets());
                Updating::start(move |turn| {
                    *locked.write().unwrap() = Arc::clone(&sets[turn % 2]);
                })
            });
            bencher.iter_custom(|count| {
                support::together(threads, count, |count| ask(count, &by_lock))
            });
        });
    }
    group.finish();
}

fn ask(count: u64, read: &(dyn Fn(usize) -> bool + Sync)) {
    for turn in 0..count as usize {
        black_box(read(turn % support::USERS));
    }
}

fn sets() -> [Arc<FlagSet>; 2] {
    [(); 2].map(|()| Arc::new(support::switches(Rules::RuleThenSplit, 100)))
}

/// Requests of several threads through one router.
fn threads(criterion: &mut Criterion) {
    let model = Arc::new(model_fn(|row: &[f32]| Ok(row[0])));
    let router = router(&model, false);
    let users = support::users();
    let mut group = criterion.benchmark_group("router over constant, by threads");
    for threads in [1, 2] {
        group.bench_function(format!("{threads} threads"), |bencher| {
            bencher.iter_custom(|count| {
                support::together(threads, count, |count| {
                    for turn in 0..count as usize {
                        let context = users[turn % support::USERS].context();
                        black_box(router.predict(&context, &[0.5]).unwrap());
                    }
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, overhead, readers, threads);
criterion_main!(benches);
