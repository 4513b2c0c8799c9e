//! Taking flags in: a whole definition, and one flag of many.
//!
//! `cargo bench --no-default-features --bench ingest`

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use modelgate::{FlagSet, clock::SystemClock};

mod support;

use support::{Dialect, PERCENT, Rules, USERS, User};

const FLAGS: usize = 5_000;

fn ingest(criterion: &mut Criterion) {
    for dialect in Dialect::ALL {
        for rules in Rules::ALL {
            measure(criterion, dialect, rules);
        }
    }
}

fn measure(criterion: &mut Criterion, dialect: Dialect, rules: Rules) {
    let mut group = criterion.benchmark_group(format!("ingest: {}", dialect.name()));
    group.sample_size(20);
    let definition = dialect.definition(rules, FLAGS);
    let set = dialect.compile(&definition);
    assert_eq!((set.len(), set.problems().len()), (FLAGS, 0));
    group.bench_function(format!("{FLAGS} flags, {}", rules.name()), |bencher| {
        bencher.iter(|| dialect.compile(black_box(&definition)).len());
    });

    let key = support::key(FLAGS / 2);
    let change = dialect.change(rules, FLAGS / 2, 3 * PERCENT);
    let changed = dialect.update(&set, &key, &change);
    assert_eq!((changed.len(), changed.problems().len()), (FLAGS, 0));
    let (before, after) = (second(dialect, &set, &key), second(dialect, &changed, &key));
    assert!(before < after || rules == Rules::Ten, "{before}, then {after} of {USERS}");
    assert_eq!(
        second(dialect, &set, &support::key(1)),
        second(dialect, &changed, &support::key(1))
    );
    group.bench_function(format!("one of {FLAGS} flags, {}", rules.name()), |bencher| {
        bencher.iter(|| dialect.update(black_box(&set), black_box(&key), &change));
    });
    group.finish();
}

/// How many users get v2.
fn second(dialect: Dialect, set: &FlagSet, key: &str) -> usize {
    let clock = SystemClock::new();
    let users = support::users();
    let contexts = users.iter().map(User::context);
    contexts.filter(|context| dialect.is_second(&set.evaluate_at(key, context, &clock))).count()
}

criterion_group!(benches, ingest);
criterion_main!(benches);
