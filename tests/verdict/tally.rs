//! Tallies add up: in any parts, in any order, with duplicates and restarts.

use std::{collections::BTreeMap, time::Duration};

use modelgate::{
    PredictionId,
    compare::{Agreement, Comparison, Run, key::KeyHasher, sink::ComparisonSink},
    verdict::{Metric, Tally, Verdict, judge},
};
use proptest::prelude::*;

fn verdict() -> Verdict<i64, i64> {
    Verdict::builder("v2")
        .against("v1")
        .metric(Metric::failures())
        .metric(Metric::disagreement().at_most(0.2))
        .metric(Metric::accuracy())
        .metric(Metric::loss("loss", |a: &i64, t: &i64| (a - t).abs() as f64 / 10.0).margin(0.1))
        .by_comparison("parity", |comparison| {
            Some((comparison.prediction_id.as_u128() % 2).to_string())
        })
        .score(0.0..=5.0, |answer: &i64| Some(*answer as f64))
        .expected_users(10_000)
        .open_labels(1_000)
        .build()
        .unwrap()
}

/// Request `n`: what both versions answer, and the label.
fn feed(verdict: &Verdict<i64, i64>, hasher: &KeyHasher, n: u64, (p, c): (i64, i64)) {
    let run = |version, class: i64| Run::new(version, Ok(class), Duration::from_micros(n % 900));
    let mut comparison = Comparison::new(run("v1", p), run("v2", c));
    comparison.prediction_id = PredictionId::from_u128(u128::from(n));
    comparison.key_hash = Some(hasher.hash(&format!("user-{n}")));
    comparison.agreement = Agreement::of("label", p == c).with_distance((p - c).abs() as f64);
    verdict.record(&comparison);
    if !n.is_multiple_of(5) {
        verdict.label(comparison.prediction_id, 0);
    }
}

fn sum(tallies: &[Tally]) -> Tally {
    let mut sum = Tally::new(tallies[0].config_hash.clone(), tallies[0].attempt);
    tallies.iter().for_each(|tally| sum.merge(tally).unwrap());
    sum
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_parts_in_any_order_add_up_to_the_whole(
        requests in proptest::collection::vec((0..8_usize, 0..5_i64, 0..5_i64), 1..300),
        replicas in 1..8_usize,
        order in any::<u64>(),
    ) {
        let hasher = KeyHasher::new([7; 32]).unwrap();
        let whole = verdict();
        let parts: Vec<_> = (0..replicas).map(|_| verdict()).collect();
        // What each replica sent, again and again; the newest of each is what counts.
        let mut newest: BTreeMap<usize, Tally> = BTreeMap::new();
        for (n, (replica, p, c)) in requests.iter().enumerate() {
            let replica = replica % replicas;
            feed(&whole, &hasher, n as u64, (*p, *c));
            feed(&parts[replica], &hasher, n as u64, (*p, *c));
            if n % 7 == 0 {
                newest.insert(replica, parts[replica].tally());
            }
        }
        for (replica, part) in parts.iter().enumerate() {
            newest.insert(replica, part.tally());
        }
        let mut tallies: Vec<Tally> = newest.into_values().collect();
        let turn = order as usize % tallies.len();
        tallies.rotate_left(turn);
        if order % 2 == 0 {
            tallies.reverse();
        }
        let added = sum(&tallies);
        prop_assert_eq!(&added, &whole.tally());
        // To the bit, so that two readers of the same sums decide alike.
        let judgement = serde_json::to_string(&judge(whole.config(), &added)).unwrap();
        prop_assert_eq!(judgement, serde_json::to_string(&whole.judge()).unwrap());
        // Through JSON and back it is the same.
        let json = serde_json::to_string(&added).unwrap();
        prop_assert_eq!(serde_json::from_str::<Tally>(&json).unwrap(), added);
    }
}

#[test]
fn a_user_whom_another_process_scored_is_not_scored_again() {
    let hasher = KeyHasher::new([7; 32]).unwrap();
    let (one, other) = (verdict(), verdict());
    (0..100).for_each(|n| feed(&one, &hasher, n, (1, 1)));
    other.merge_seen(&one.seen()).unwrap();
    (0..150).for_each(|n| feed(&other, &hasher, n, (1, 1)));
    let pairs = other.tally().pairs;
    assert_eq!((pairs.scored, pairs.repeated), (50, 100));
    assert!(other.merge_seen(&[0; 3]).is_err());
}
