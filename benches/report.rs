//! A report: made from what a verdict has counted, and drawn.
//!
//! `cargo bench --no-default-features --bench report`

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use modelgate::{
    PredictionId,
    compare::{Agreement, Comparison, Run, key::KeyHasher, sink::ComparisonSink},
    report::Report,
    verdict::{Metric, Verdict},
};

const PAIRS: u64 = 1_000_000;

/// What a page may take.
const BYTES: usize = 150_000;

/// A verdict that has met a million users, ten classes, scores and labels.
fn verdict() -> Verdict<i64, i64> {
    let verdict = Verdict::builder("v2")
        .against("v1")
        .metric(Metric::failures())
        .metric(Metric::disagreement())
        .metric(Metric::accuracy())
        .metric(
            Metric::loss("loss", |output: &i64, truth: &i64| (output - truth).abs() as f64 / 10.0)
                .margin(0.01),
        )
        .score(0.0..=10.0, |class| Some(*class as f64))
        .show_disagreements(|class| class.to_string())
        .expected_users(PAIRS)
        .build()
        .unwrap();
    let hasher = KeyHasher::new([7; 32]).unwrap();
    for user in 0..PAIRS {
        let truth = (user % 10) as i64;
        let answer = |one_in: u64| if user % one_in == 7 { (truth + 3) % 10 } else { truth };
        let run =
            |version, class, micros| Run::new(version, Ok(class), Duration::from_micros(micros));
        let (champion, candidate) = (answer(53), answer(47));
        let mut pair = Comparison::new(
            run("v1", champion, 60 + user % 90),
            run("v2", candidate, 80 + user % 300),
        );
        pair.prediction_id = PredictionId::from_u128(u128::from(user));
        pair.key_hash = Some(hasher.hash(&user.to_string()));
        pair.agreement = Agreement::of("label", champion == candidate)
            .with_distance((champion - candidate).abs() as f64);
        verdict.record(&pair);
        verdict.label(pair.prediction_id, truth);
    }
    verdict
}

fn report(criterion: &mut Criterion) {
    let verdict = verdict();
    let make = || Report::builder("ml-model-version").verdict(&verdict).build();
    let page = make().html();
    println!("a page of {} pairs takes {} bytes", verdict.tally().pairs.scored, page.len());
    assert!(page.len() <= BYTES, "{} bytes", page.len());
    let mut group = criterion.benchmark_group("report: a million pairs");
    group.bench_function("made", |bencher| bencher.iter(|| black_box(make())));
    let made = make();
    group.bench_function("drawn", |bencher| bencher.iter(|| black_box(&made).html()));
    group.bench_function("made and drawn", |bencher| bencher.iter(|| black_box(make()).html()));
    group.bench_function("as JSON", |bencher| bencher.iter(|| black_box(&made).json()));
    group.finish();
}

criterion_group!(benches, report);
criterion_main!(benches);
