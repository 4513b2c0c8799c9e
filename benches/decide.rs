//! One decision: a flag of a set, and a router's version.
//!
//! `cargo bench --no-default-features --bench decide`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use modelgate::{Clock, FlagSet, Flags, ModelRouter, SystemClock, dialect::flagd::Flagd, model_fn};

mod support;

use support::{Rules, User};

const FLAGS: [usize; 3] = [1, 100, 5_000];

/// How many of the users get v2, by each kind of rules; frozen like every assignment.
fn second(rules: Rules) -> usize {
    match rules {
        Rules::Ten => support::USERS,
        _ => support::USERS / 4,
    }
}

fn decide(criterion: &mut Criterion) {
    let users = support::users();
    let contexts: Vec<_> = users.iter().map(User::context).collect();
    let clock = SystemClock::new();
    let clock: &dyn Clock = &clock;
    for rules in Rules::ALL {
        let mut group = criterion.benchmark_group(format!("decide: {}", rules.name()));
        for flags in FLAGS {
            let set = Flagd::new().compile(&support::definition(rules, flags)).unwrap();
            let key = support::key(flags / 2);
            let router = router(&set, &key);
            let served = |user: &User| {
                let context = user.context();
                let by_set = set.evaluate(&key, &context, clock).string("none").value;
                let decision = router.decide(&context).unwrap();
                assert_eq!(decision.version().as_str(), by_set);
                usize::from(by_set == "fraud-v2")
            };
            let count: usize = users.iter().map(served).sum();
            let expected = second(rules);
            assert!(count.abs_diff(expected) <= 12, "{rules:?}: {count} of {expected}");

            let mut turn = 0;
            let mut next = || {
                turn = (turn + 1) % support::USERS;
                turn
            };
            group.bench_function(BenchmarkId::new("set, context prebuilt", flags), |bencher| {
                bencher.iter(|| {
                    let context = &contexts[next()];
                    set.evaluate(black_box(&key), black_box(context), clock).variant.map(str::len)
                });
            });
            group.bench_function(BenchmarkId::new("set, context per call", flags), |bencher| {
                bencher.iter(|| {
                    let context = black_box(&users[next()]).context();
                    set.evaluate(black_box(&key), &context, clock).variant.map(str::len)
                });
            });
            group.bench_function(BenchmarkId::new("router, context prebuilt", flags), |bencher| {
                bencher.iter(|| router.decide(black_box(&contexts[next()])).unwrap());
            });
            group.bench_function(BenchmarkId::new("router, context per call", flags), |bencher| {
                bencher.iter(|| router.decide(&black_box(&users[next()]).context()).unwrap());
            });
        }
        group.finish();
    }
}

fn router(set: &FlagSet, key: &str) -> ModelRouter<[f32], f32> {
    ModelRouter::builder(key)
        .model("fraud-v1", model_fn(|_: &[f32]| Ok(0.1)))
        .model("fraud-v2", model_fn(|_: &[f32]| Ok(0.2)))
        .fallback("fraud-v1")
        .flags(Flags::from(set.clone()))
        .build()
        .unwrap()
}

criterion_group!(benches, decide);
criterion_main!(benches);
