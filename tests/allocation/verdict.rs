//! Scoring a pair allocates nothing, and neither does counting a live answer.

use crate::counting;

use std::time::Duration;

use counting::{allocations, held};
use modelgate::{
    PredictionId, Version,
    compare::{Agreement, Comparison, Run, key::KeyHasher, sink::ComparisonSink},
    router::{AnswerObserver, LiveAnswer},
    verdict::{Metric, Unit, Verdict},
};

#[test]
fn a_scored_pair_and_its_label_allocate_nothing() {
    let verdict = Verdict::<i64, i64>::builder("v2")
        .against("v1")
        .metric(Metric::failures())
        .metric(Metric::disagreement())
        .metric(Metric::accuracy())
        .metric(Metric::loss("loss", |a: &i64, b: &i64| (a - b).abs() as f64).margin(0.1))
        .open_labels(10_000)
        .build()
        .unwrap();
    let hasher = KeyHasher::new([7; 32]).unwrap();
    let pairs: Vec<Comparison<i64>> = (0..4_000_i64)
        .map(|n| {
            let run = |version, class| Run::new(version, Ok(class), Duration::from_micros(100));
            let mut pair = Comparison::new(run("v1", n % 3), run("v2", (n + n % 2) % 3));
            pair.prediction_id = PredictionId::from_u128(n as u128);
            pair.key_hash = Some(hasher.hash(&n.to_string()));
            pair.agreement = Agreement::of("label", n % 2 == 0);
            pair
        })
        .collect();
    let feed = |pairs: &[Comparison<i64>]| {
        for pair in pairs {
            verdict.record(pair);
            verdict.label(pair.prediction_id, 1);
        }
    };
    // The classes are met, and the lines of the report have their points.
    feed(&pairs[..2_000]);
    let of_histograms = allocations(|| feed(&pairs[2_000..]));
    // The line of a histogram keeps a point now and then: a hundred in all of two thousand pairs.
    assert!(of_histograms <= 150, "{of_histograms}");
    assert_eq!(verdict.tally().pairs.scored, 4_000);
}

#[test]
fn a_live_answer_of_a_known_user_allocates_nothing() {
    let verdict = Verdict::<i64>::builder("v2").metric(Metric::live_failures()).build().unwrap();
    verdict.enter_stage(1, 5_000);
    let named = Version::new("v2");
    let answer = LiveAnswer::new(&named, Some("user-42"));
    verdict.answered(&answer);
    let made = allocations(|| (0..1_000).for_each(|_| verdict.answered(&answer)));
    assert_eq!(made, 0);
    assert_eq!(verdict.tally().live[&1].candidate.requests, 1_001);
}

/// docs/BENCHMARKS.md says what was measured; this keeps it true.
#[test]
fn a_million_users_and_a_hundred_thousand_open_labels_fit_in_megabytes() {
    let mega = 1_000_000;
    let (by_user, bytes) = held(|| {
        Verdict::<i64, i64>::builder("v2")
            .metric(Metric::failures())
            .expected_users(1_000_000)
            .build()
            .unwrap()
    });
    println!("a million users: {bytes} bytes");
    assert!(bytes < 3 * mega, "{bytes}");
    drop(by_user);

    let (with_labels, empty) = held(|| {
        Verdict::<i64, i64>::builder("v2")
            .metric(Metric::accuracy())
            .metric(Metric::loss("loss", |a: &i64, b: &i64| (a - b).abs() as f64).margin(0.1))
            .unit(Unit::Request)
            .build()
            .unwrap()
    });
    let ((), bytes) = held(|| {
        for n in 0..120_000 {
            let run = |version| Run::new(version, Ok(n % 3), Duration::from_micros(100));
            let mut pair = Comparison::new(run("v1"), run("v2"));
            pair.prediction_id = PredictionId::from_u128(n as u128);
            with_labels.record(&pair);
        }
    });
    println!("100,000 open labels: {} bytes", empty + bytes);
    assert!(empty + bytes < 20 * mega, "{}", empty + bytes);
    assert_eq!(with_labels.tally().labels.expired, 20_000);
}
