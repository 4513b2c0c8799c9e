//! Labels: late, twice, unknown, of one class only.

use super::*;

#[test]
fn labels_are_joined_whenever_they_come_and_counted_when_they_cannot_be() {
    let verdict = builder().metric(Metric::accuracy()).open_labels(3).build().unwrap();
    // Before its comparison.
    assert_eq!(verdict.label(id(1), 7), LabelOutcome::Waits);
    assert_eq!(verdict.label(id(1), 8), LabelOutcome::Duplicate);
    verdict.record(&pair(1, Ok(7), Ok(0)));
    assert_eq!(verdict.label(id(1), 7), LabelOutcome::Duplicate);
    // After it.
    verdict.record(&pair(2, Ok(0), Ok(7)));
    assert_eq!(verdict.label(id(2), 7), LabelOutcome::Joined);
    assert_eq!(verdict.label(id(2), 7), LabelOutcome::Duplicate);
    // Of a user who had been scored.
    let mut again = pair(3, Ok(7), Ok(7));
    again.key_hash = Some(key(2));
    verdict.record(&again);
    assert_eq!(verdict.label(id(3), 7), LabelOutcome::Repeated);
    let tally = verdict.tally();
    assert_eq!(
        tally.metrics["accuracy"],
        MetricCounts::Paired { worse: 1, same: 0, better: 1, both_bad: 0 }
    );
    // Too late: four pairs later there is no room left.
    for user in 10..15 {
        verdict.record(&pair(user, Ok(7), Ok(7)));
    }
    assert_eq!(verdict.label(id(10), 7), LabelOutcome::Waits);
    let labels = verdict.tally().labels;
    assert_eq!((labels.joined, labels.duplicate, labels.repeated), (2, 3, 1));
    assert_eq!((labels.pairs, labels.expired), (7, 2));
    // Labels that nothing fits make room for each other.
    for unknown in 100..110 {
        verdict.label(id(unknown), 7);
    }
    assert_eq!(verdict.tally().labels.unknown, 8);
}

#[test]
fn labels_for_everything_twice_change_nothing() {
    let (once, twice) = (
        builder().metric(Metric::accuracy()).build().unwrap(),
        builder().metric(Metric::accuracy()).build().unwrap(),
    );
    for user in 0..200 {
        for verdict in [&once, &twice] {
            verdict.record(&pair(user, Ok(0), Ok((user % 7 == 0).into())));
            verdict.label(id(user), 0);
        }
        twice.label(id(user), 0);
        twice.label(id(user), 1);
    }
    assert_eq!(once.tally().metrics, twice.tally().metrics);
    assert_eq!(twice.tally().labels.duplicate, 400);
}

#[test]
fn a_pair_expires_by_its_time_and_not_when_the_clock_goes_back() {
    let hour = Duration::from_secs(3_600);
    let verdict = builder().metric(Metric::accuracy()).labels_within(hour).build().unwrap();
    for (user, minutes) in [(1, 0), (2, 90), (3, 10), (4, 95), (5, 151)] {
        let mut comparison = pair(user, Ok(0), Ok(0));
        comparison.time = UNIX_EPOCH + Duration::from_secs(minutes * 60);
        verdict.record(&comparison);
    }
    assert_eq!(verdict.tally().labels.expired, 3);
    assert_eq!(verdict.label(id(4), 0), LabelOutcome::Joined);
}

#[test]
fn labels_of_one_class_only_hold_the_candidate_up() {
    let verdict = builder().metric(Metric::accuracy()).build().unwrap();
    for user in 0..4_000 {
        let class = i64::from(user % 2 == 0);
        verdict.record(&pair(user, Ok(class), Ok(class)));
        if class == 1 {
            verdict.label(id(user), 1);
        }
    }
    let judgement = verdict.judge();
    assert!(judgement.metric("accuracy").unwrap().finding.passes());
    assert_eq!(judgement.overall, Overall::Hold);
    assert!(judgement.why.iter().any(|why| why.contains("of some classes only")), "{judgement}");
    // All labels together, however many are still missing, hold nothing up.
    let verdict = builder().metric(Metric::accuracy()).build().unwrap();
    for user in 0..4_000 {
        let class = i64::from(user % 2 == 0);
        verdict.record(&pair(user, Ok(class), Ok(class)));
        if user < 3_000 {
            verdict.label(id(user), class);
        }
    }
    assert_eq!(verdict.judge().overall, Overall::Advance, "{}", verdict.judge());
    verdict.close_labels();
    assert_eq!(verdict.judge().overall, Overall::Hold, "a quarter without a label");
}
