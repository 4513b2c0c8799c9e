//! Taking flags in: a whole definition, and one flag of many.
//!
//! `cargo bench --no-default-features --bench ingest`

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use modelgate::{Context, SystemClock, dialect::flagd::Flagd};

mod support;

use support::Rules;

const FLAGS: usize = 5_000;

fn ingest(criterion: &mut Criterion) {
    let flagd = Flagd::new();
    let mut group = criterion.benchmark_group("ingest");
    group.sample_size(20);
    for rules in Rules::ALL {
        let definition = support::definition(rules, FLAGS);
        let set = flagd.compile(&definition).unwrap();
        assert_eq!((set.len(), set.problems().len()), (FLAGS, 0));
        group.bench_function(format!("{FLAGS} flags, {}", rules.name()), |bencher| {
            bencher.iter(|| flagd.compile(black_box(&definition)).unwrap().len());
        });

        let key = support::key(FLAGS / 2);
        let update = support::flag(rules, "v2").to_string();
        let changed = set.clone().with(flagd.compile_flag(&key, &update).unwrap());
        let (nobody, clock) = (Context::anonymous(), SystemClock::new());
        if rules == Rules::Split {
            assert_eq!(changed.evaluate(&key, &nobody, &clock).variant, Some("v2"));
            assert_eq!(set.evaluate(&key, &nobody, &clock).variant, Some("v1"));
        }
        assert_eq!(changed.len(), FLAGS);
        group.bench_function(format!("one of {FLAGS} flags, {}", rules.name()), |bencher| {
            bencher.iter(|| {
                let flag = flagd.compile_flag(black_box(&key), black_box(&update)).unwrap();
                set.clone().with(flag)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, ingest);
criterion_main!(benches);
