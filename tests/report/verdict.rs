//! What a report shows of a verdict that lives.

use std::time::Duration;

use modelgate::{
    PredictionId,
    compare::{Agreement, Comparison, Run, key::KeyHasher, sink::ComparisonSink},
    report::Report,
    verdict::{self, Metric, Verdict},
};
use serde_json::{Value, json};

fn shown(builder: verdict::Builder<i64>, feed: impl Fn(&Verdict<i64>)) -> Value {
    let verdict = builder.against("v1").build().unwrap();
    feed(&verdict);
    let report = Report::builder("digits").verdict(&verdict).build();
    serde_json::from_str(&report.json()).unwrap()
}

/// Users with these numbers ask; every tenth gets another class from the candidate.
fn ask(verdict: &Verdict<i64>, users: std::ops::Range<i64>) {
    let hasher = KeyHasher::new([7; 32]).unwrap();
    for user in users {
        let run =
            |version, class, micros| Run::new(version, Ok(class), Duration::from_micros(micros));
        let (champion, candidate) =
            (user % 3, if user % 10 == 0 { user % 3 + 1 } else { user % 3 });
        let mut pair = Comparison::new(run("v1", champion, 100), run("v2", candidate, 400));
        pair.prediction_id = PredictionId::from_u128(user as u128);
        pair.key_hash = Some(hasher.hash(&user.to_string()));
        pair.agreement = Agreement::of("label", champion == candidate);
        verdict.record(&pair);
    }
}

#[test]
fn stages_are_marked_on_the_charts_where_they_began() {
    let builder = || Verdict::<i64>::builder("v2").metric(Metric::failures());
    let report = shown(builder(), |verdict| {
        ask(verdict, 0..50);
        assert!(verdict.enter_stage(1, 5_000));
        ask(verdict, 50..80);
        // An autopilot says so at each of its looks.
        assert!(verdict.enter_stage(1, 5_000));
        assert!(verdict.enter_stage(2, 25_000));
        ask(verdict, 80..90);
    });
    assert_eq!(report["series"][0]["stages"], json!([[50, "5\u{202f}%"], [80, "25\u{202f}%"]]));

    let begun_again = shown(builder(), |verdict| {
        ask(verdict, 0..50);
        verdict.enter_stage(1, 5_000);
        verdict.begin_attempt(1);
        ask(verdict, 50..80);
    });
    assert_eq!(begun_again["series"][0]["stages"], json!([]));
}

#[test]
fn the_live_report_has_score_differences_times_and_classes_without_labels() {
    let builder = Verdict::<i64>::builder("v2").metric(Metric::disagreement());
    let builder = builder.score(0.0..=10.0, |class| Some(*class as f64));
    let report = shown(builder, |verdict| ask(verdict, 0..200));
    let differences = &report["agreement"]["differences"];
    let counts: Vec<u64> = serde_json::from_value(differences["counts"].clone()).unwrap();
    // One class of eleven higher, for every tenth; those that agree are left out.
    assert_eq!(counts.iter().sum::<u64>(), 20);
    assert_eq!(counts.last(), Some(&20));
    assert_eq!(counts.len() % 2, 1);
    assert!(report["agreement"]["classes"].as_array().unwrap().is_empty());

    let latency = report["latency"].as_array().unwrap();
    assert_eq!((&latency[0]["version"], &latency[1]["version"]), (&json!("v1"), &json!("v2")));
    for (side, micros) in latency.iter().zip([100.0, 400.0]) {
        assert_eq!(side["count"], 200);
        let p99 = side["p99_us"].as_f64().unwrap();
        // Bins are a quarter of a doubling wide.
        assert!(p99 >= micros && p99 < micros * 1.2, "{side}");
    }
}

#[test]
fn classes_are_told_apart_without_labels_where_that_is_asked_for() {
    let verdict = Verdict::<i64, i64>::builder("v2").metric(Metric::disagreement()).classes();
    let verdict = verdict.build().unwrap();
    let hasher = KeyHasher::new([7; 32]).unwrap();
    for user in 0..30_i64 {
        let run = |version, class| Run::new(version, Ok(class), Duration::ZERO);
        let mut pair = Comparison::new(run("v1", user % 3), run("v2", 1));
        pair.key_hash = Some(hasher.hash(&user.to_string()));
        verdict.record(&pair);
    }
    let report = Report::builder("digits").verdict(&verdict).build();
    let report: Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(report["agreement"]["classes"], json!(["0", "1", "2"]));
    assert_eq!(report["agreement"]["confusion"], json!([[0, 10, 0], [0, 10, 0], [0, 10, 0]]));
    // What no comparator has compared is no disagreement for that.
    assert_eq!(report["metrics"][0]["pairs"], 0);
}
