//! Shadows that are slow or lost, and a champion that varies.

use super::*;

#[test]
fn different_is_not_worse_and_a_shadow_that_is_slow_condemns_nobody() {
    let verdict = builder()
        .metric(Metric::disagreement().at_most(0.01).guardrail())
        .metric(Metric::late(Duration::from_micros(1)))
        .build()
        .unwrap();
    for user in 0..1_000 {
        let mut comparison = pair(user, Ok(0), Ok(1));
        comparison.candidate.service_time = Duration::from_secs(5);
        verdict.record(&comparison);
    }
    let judgement = verdict.judge();
    assert_eq!(judgement.metric("disagreement").unwrap().finding, Finding::Worse);
    assert_eq!(judgement.metric("late").unwrap().finding, Finding::NoData);
    assert_eq!(judgement.overall, Overall::Hold, "{judgement}");
    // It may not even be asked for as a guardrail without the champion in shadow.
    let asked = builder().metric(Metric::late(Duration::from_micros(1)).guardrail()).build();
    assert!(asked.unwrap_err().to_string().contains("again"));
}

#[test]
fn lateness_goes_by_processor_time_where_both_sides_know_it() {
    let late = || Metric::late(Duration::from_millis(1));
    let cpu = Duration::from_micros;
    let verdict = builder().metric(late()).build().unwrap();
    for user in 0..1_000 {
        // By the clock the shadow took seconds; what it computed took longer for one user in ten.
        let mut comparison = pair(user, Ok(0), Ok(0));
        comparison.candidate.service_time = Duration::from_secs(5);
        comparison.primary.cpu_time = Some(cpu(100));
        comparison.candidate.cpu_time = Some(cpu(if user % 10 == 0 { 1_100 } else { 900 }));
        verdict.record(&comparison);
    }
    let expected = MetricCounts::Paired { worse: 100, same: 900, better: 0, both_bad: 0 };
    assert_eq!(verdict.tally().metrics["late"], expected);

    // Both in shadow: by processor time where it is known, else by the clock.
    let verdict = builder().again("v1-again").metric(late()).build().unwrap();
    for user in 0..20 {
        let mut candidate = pair(user, Ok(0), Ok(0));
        let mut again = pair(user, Ok(0), Ok(0));
        again.candidate.version = "v1-again".into();
        candidate.candidate.service_time = Duration::from_secs(5);
        if user < 15 {
            candidate.candidate.cpu_time = Some(cpu(900));
            again.candidate.cpu_time = Some(cpu(900));
        }
        verdict.record(&candidate);
        verdict.record(&again);
    }
    let expected = MetricCounts::Paired { worse: 5, same: 15, better: 0, both_bad: 0 };
    assert_eq!(verdict.tally().metrics["late"], expected);
}

#[test]
fn a_champion_that_disagrees_with_itself_is_the_measure_of_its_candidate() {
    let verdict = builder().again("v1-again").metric(Metric::noise()).metric(Metric::failures());
    let verdict = verdict.build().unwrap();
    for user in 0..4_000_u64 {
        // Both jitter on one user in twenty, on others.
        let candidate = i64::from(user % 20 == 0);
        let again = i64::from(user % 20 == 7);
        let mut shadow = pair(user, Ok(0), Ok(again));
        shadow.candidate = Run::new("v1-again", Ok(again), Duration::ZERO);
        if user % 2 == 0 {
            verdict.record(&shadow);
        }
        verdict.record(&pair(user, Ok(0), Ok(candidate)));
        if user % 2 == 1 {
            verdict.record(&shadow);
        }
    }
    let judgement = verdict.judge();
    let noise = judgement.metric("noise").unwrap();
    assert_eq!((noise.pairs, noise.finding), (4_000, Finding::Equivalent), "{judgement}");
    assert_eq!((noise.champion, noise.candidate), (Some(0.05), Some(0.05)));
}

#[test]
fn a_deadline_is_the_candidates_failure_and_a_full_queue_is_a_missing_pair() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let sink = JsonlSink::builder(&path).dropped_runs().create().unwrap();
    let live = builder().metric(Metric::failures()).build().unwrap();
    let sinks: [&dyn ComparisonSink<i64>; 2] = [&live, &sink];
    for user in 0..1_000 {
        let drop = |cause| {
            let mut dropped = Dropped::new("v1", "v2", cause);
            dropped.prediction_id = id(user);
            dropped.key_hash = Some(key(user));
            sinks.iter().for_each(|sink| sink.dropped(&dropped));
        };
        match user % 10 {
            0 => drop(DropCause::Deadline),
            1 => drop(DropCause::QueueFull),
            2 => drop(DropCause::Budget),
            _ => sinks.iter().for_each(|sink| sink.record(&pair(user, Ok(1), Ok(1)))),
        }
    }
    // Too many at once to be told one by one; those of another candidate are not the verdict's.
    for (candidate, runs) in [("v2", 40), ("v3", 5), ("v2", 2)] {
        sinks.iter().for_each(|sink| sink.dropped_unreported(&candidate.into(), runs));
    }
    let tally = live.tally();
    assert_eq!(
        tally.metrics["failures"],
        MetricCounts::Paired { worse: 100, same: 700, better: 0, both_bad: 0 }
    );
    let judgement = live.judge();
    assert_eq!(judgement.metric("failures").unwrap().finding, Finding::Worse);
    assert_eq!(judgement.overall, Overall::RollBack, "missing pairs stop no rollback");
    assert!((judgement.health.missing_share - 242.0 / 1_042.0).abs() < 1e-12);
    // The file tells of dropped runs, and a replay makes the same of them.
    sink.flush().unwrap();
    let again = builder().metric(Metric::failures()).build().unwrap();
    let read = again.replay(&std::fs::read(&path).unwrap()[..]).unwrap();
    assert_eq!((read.comparisons, read.dropped, read.malformed), (700, 347, 0));
    assert_eq!(again.evidence(), live.evidence());
}

#[test]
fn too_many_missing_pairs_stop_an_advance() {
    let verdict = builder().metric(Metric::failures()).build().unwrap();
    let drop = |user| {
        let mut dropped = Dropped::new("v1", "v2", DropCause::QueueFull);
        dropped.key_hash = Some(key(user));
        ComparisonSink::<i64>::dropped(&verdict, &dropped);
    };
    for user in 0..2_000 {
        verdict.record(&pair(user, Ok(1), Ok(1)));
    }
    (0..222).for_each(drop);
    assert_eq!(verdict.judge().overall, Overall::Advance);
    drop(0);
    let judgement = verdict.judge();
    assert_eq!(judgement.overall, Overall::Hold);
    assert!(judgement.why[0].contains("are missing"), "{judgement}");
    // Those of which only the number is known are missing, too.
    let before = verdict.tally().pairs.missing();
    ComparisonSink::<i64>::dropped_unreported(&verdict, &"v2".into(), 1_000);
    ComparisonSink::<i64>::dropped_unreported(&verdict, &"v3".into(), 1_000);
    assert_eq!(verdict.tally().pairs.missing(), before + 1_000);
    // Those of other versions are somebody else's.
    ComparisonSink::<i64>::dropped(&verdict, &Dropped::new("v1", "v3", DropCause::Deadline));
    assert_eq!(verdict.tally().pairs.scored, 2_000);
}
