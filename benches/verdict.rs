//! A verdict: a scored pair, a live answer, a judgement.
//!
//! `cargo bench --no-default-features --bench verdict`

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use modelgate::{
    PredictionId, Version,
    compare::{Agreement, Comparison, Run, key::KeyHasher, sink::ComparisonSink},
    router::{AnswerObserver, LiveAnswer},
    verdict::{Metric, Verdict, VerdictBuilder},
};

const PAIRS: usize = 20_000;

fn pairs() -> Vec<Comparison<i64>> {
    let hasher = KeyHasher::new([7; 32]).unwrap();
    let pair = |n: usize| {
        let class = n as i64;
        let run = |version, class| Run::new(version, Ok(class), Duration::from_micros(100));
        let mut pair = Comparison::new(run("v1", class % 3), run("v2", (class + class % 2) % 3));
        pair.prediction_id = PredictionId::from_u128(n as u128);
        pair.key_hash = Some(hasher.hash(&n.to_string()));
        pair.agreement = Agreement::of("label", n % 2 == 0);
        pair
    };
    (0..PAIRS).map(pair).collect()
}

fn builder() -> VerdictBuilder<i64, i64> {
    Verdict::builder("v2").against("v1").metric(Metric::failures()).metric(Metric::disagreement())
}

fn scored(criterion: &mut Criterion) {
    let pairs = pairs();
    let mut group = criterion.benchmark_group("verdict: 20,000 pairs");
    group.sample_size(20);
    group.throughput(criterion::Throughput::Elements(PAIRS as u64));
    group.bench_function("failures, disagreement", |bencher| {
        bencher.iter_batched_ref(
            || builder().build().unwrap(),
            |verdict| pairs.iter().for_each(|pair| verdict.record(black_box(pair))),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("and accuracy, until its label", |bencher| {
        bencher.iter_batched_ref(
            || builder().metric(Metric::accuracy()).build().unwrap(),
            |verdict| pairs.iter().for_each(|pair| verdict.record(black_box(pair))),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("and its label", |bencher| {
        bencher.iter_batched_ref(
            || builder().metric(Metric::accuracy()).build().unwrap(),
            |verdict| {
                for pair in &pairs {
                    verdict.record(black_box(pair));
                    verdict.label(pair.prediction_id, 1);
                }
                assert_eq!(verdict.tally().labels.joined, PAIRS as u64);
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn live(criterion: &mut Criterion) {
    let verdict = Verdict::<i64>::builder("v2")
        .metric(Metric::live_failures())
        .expected_users(1_000_000)
        .build()
        .unwrap();
    let named = Version::new("v2");
    let keys: Vec<String> = (0..10_000).map(|user| format!("user-{user}")).collect();
    let mut turn = 0;
    let mut next = || {
        turn = (turn + 1) % keys.len();
        LiveAnswer::new(&named, Some(&keys[turn]))
    };
    // The answer itself is made on the way; what that costs is to be taken off.
    let mut group = criterion.benchmark_group("verdict: a live answer");
    group.bench_function("made", |bencher| bencher.iter(|| black_box(next())));
    group.bench_function("made and told, no stage", |bencher| {
        bencher.iter(|| verdict.answered(black_box(&next())));
    });
    assert!(verdict.enter_stage(1, 5_000));
    group.bench_function("made and told, user known", |bencher| {
        bencher.iter(|| verdict.answered(black_box(&next())));
    });
    group.finish();
}

fn judged(criterion: &mut Criterion) {
    let mut builder = builder().metric(Metric::accuracy());
    for n in 0..7 {
        let loss = Metric::loss(format!("loss-{n}"), |a: &i64, b: &i64| (a - b).abs() as f64 / 3.0);
        builder = builder.metric(loss.margin(0.1));
    }
    let verdict = builder.build().unwrap();
    for pair in pairs() {
        verdict.record(&pair);
        verdict.label(pair.prediction_id, 1);
    }
    let mut group = criterion.benchmark_group("verdict: judge");
    group.bench_function("ten metrics", |bencher| bencher.iter(|| verdict.judge()));
    group.bench_function("tally", |bencher| bencher.iter(|| verdict.tally()));
    group.finish();
}

criterion_group!(benches, scored, live, judged);
criterion_main!(benches);
