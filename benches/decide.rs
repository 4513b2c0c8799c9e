//! One decision: a flag of a set, and a router's version.
//!
//! `cargo bench --no-default-features --bench decide`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use modelgate::{
    FlagSet, Flags, ModelRouter,
    clock::{Clock, SystemClock},
    model_fn,
};

mod support;

use support::{Dialect, Rules, USERS, User, is_second};

const FLAGS: [usize; 3] = [1, 100, 5_000];

fn decide(criterion: &mut Criterion) {
    for dialect in Dialect::ALL {
        for rules in Rules::ALL {
            for flags in FLAGS {
                measure(criterion, dialect, rules, flags);
            }
        }
    }
}

fn measure(criterion: &mut Criterion, dialect: Dialect, rules: Rules, flags: usize) {
    let users = support::users();
    let contexts: Vec<_> = users.iter().map(User::context).collect();
    let clock = SystemClock::new();
    let clock: &dyn Clock = &clock;
    let set = dialect.compile(&dialect.definition(rules, flags));
    let key = support::key(flags / 2);
    let router = router(dialect, &set, &key);

    let second = contexts.iter().filter(|context| {
        let by_set = dialect.is_second(&set.evaluate_at(&key, *context, clock));
        let decision = router.decide(*context).unwrap();
        assert_eq!(is_second(decision.version().as_str()), by_set);
        assert!(!decision.fell_back());
        by_set
    });
    let (count, (expected, tolerance)) = (second.count(), rules.expected());
    assert!(count.abs_diff(expected) <= tolerance, "{rules:?}: {count} of {expected}");

    let mut turn = 0;
    let mut next = || {
        turn = (turn + 1) % USERS;
        turn
    };
    let mut group =
        criterion.benchmark_group(format!("decide: {}, {}", dialect.name(), rules.name()));
    group.bench_function(BenchmarkId::new("set, context prebuilt", flags), |bencher| {
        bencher.iter(|| {
            let context = &contexts[next()];
            dialect.is_second(&set.evaluate_at(black_box(&key), black_box(context), clock))
        });
    });
    group.bench_function(BenchmarkId::new("set, context per call", flags), |bencher| {
        bencher.iter(|| {
            let context = black_box(&users[next()]).context();
            dialect.is_second(&set.evaluate_at(black_box(&key), &context, clock))
        });
    });
    group.bench_function(BenchmarkId::new("router, context prebuilt", flags), |bencher| {
        bencher.iter(|| router.decide(black_box(&contexts[next()])).unwrap());
    });
    group.bench_function(BenchmarkId::new("router, context per call", flags), |bencher| {
        bencher.iter(|| router.decide(&black_box(&users[next()]).context()).unwrap());
    });
    group.finish();
}

fn router(dialect: Dialect, set: &FlagSet, key: &str) -> ModelRouter<[f32], f32> {
    ModelRouter::builder(dialect.binding(key))
        .model("fraud-v1", model_fn(|_: &[f32]| Ok(0.1)))
        .model("fraud-v2", model_fn(|_: &[f32]| Ok(0.2)))
        .fallback("fraud-v1")
        .flags(Flags::from(set.clone()))
        .build()
        .unwrap()
}

criterion_group!(benches, decide);
criterion_main!(benches);
