//! A verdict: a scored pair, a live answer, a judgement.
//!
//! `cargo bench --no-default-features --bench verdict`

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use modelgate::{
    PredictionId, Version,
    compare::{Agreement, Comparison, Run, key::KeyHasher, sink::ComparisonSink},
    router::{AnswerObserver, LiveAnswer},
    verdict::{self, Metric, Unit, Verdict},
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
        pair.agreement = Agreement::of("label", n.is_multiple_of(2));
        pair
    };
    (0..PAIRS).map(pair).collect()
}

fn builder() -> verdict::Builder<i64, i64> {
    Verdict::builder("v2").against("v1").metric(Metric::failures()).metric(Metric::disagreement())
}

/// A verdict in which every pair counts and that has met as many as it keeps.
fn warm(builder: verdict::Builder<i64, i64>, pairs: &[Comparison<i64>]) -> Verdict<i64, i64> {
    let verdict = builder.unit(Unit::Request).open_labels(PAIRS / 2).build().unwrap();
    pairs.iter().for_each(|pair| verdict.record(pair));
    verdict
}

fn scored(criterion: &mut Criterion) {
    let pairs = pairs();
    let mut turn = 0;
    let mut next = || {
        turn = (turn + 1) % PAIRS;
        &pairs[turn]
    };
    let mut group = criterion.benchmark_group("verdict: a pair");
    let verdict = warm(builder(), &pairs);
    group.bench_function("failures, disagreement", |bencher| {
        bencher.iter(|| verdict.record(black_box(next())));
    });
    let verdict = warm(builder().metric(Metric::accuracy()), &pairs);
    group.bench_function("and accuracy, until its label", |bencher| {
        bencher.iter(|| verdict.record(black_box(next())));
    });
    group.bench_function("and its label", |bencher| {
        bencher.iter(|| {
            let pair = black_box(next());
            verdict.record(pair);
            verdict.label(pair.prediction_id, 1)
        });
    });
    assert!(verdict.tally().labels.joined > 0);
    // By user: the first pair of each, and then that it is no more.
    let verdict = builder().expected_users(1_000_000).build().unwrap();
    group.bench_function("of a user who has been scored", |bencher| {
        bencher.iter(|| verdict.record(black_box(next())));
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
