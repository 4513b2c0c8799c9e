//! Numbers at the ends of their ranges, and beyond.

use super::*;

#[test]
fn a_loss_that_is_no_number_is_the_worst_of_the_version_that_gave_it() {
    for (champion, candidate, expected) in [(0, 1, 128), (1, 0, 0), (1, 1, 64)] {
        let verdict = builder()
            .metric(
                Metric::loss(
                    "odd",
                    |answer: &i64, _: &i64| if *answer == 1 { f64::NAN } else { 0.5 },
                )
                .margin(0.1),
            )
            .build()
            .unwrap();
        verdict.record(&pair(1, Ok(champion), Ok(candidate)));
        assert_eq!(verdict.label(id(1), 0), LabelOutcome::Joined);
        let tally = verdict.tally();
        let MetricCounts::Histogram { bins, not_a_number, .. } = &tally.metrics["odd"] else {
            panic!()
        };
        assert_eq!((bins[expected], *not_a_number), (1, 1));
        assert_eq!(verdict.judge().health.not_a_number["odd"], 1);
    }
}

#[test]
fn infinite_and_huge_losses_are_cut_and_shown() {
    let verdict = builder()
        .metric(
            Metric::loss("odd", |answer: &i64, _: &i64| match answer {
                0 => f64::INFINITY,
                1 => f64::NEG_INFINITY,
                _ => 1e300,
            })
            .bound(2.0)
            .margin(0.1),
        )
        .metric(Metric::distance("far", |a: &i64, b: &i64| if a == b { f64::NAN } else { 1e300 }))
        .build()
        .unwrap();
    for (user, (champion, candidate)) in
        [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (1, 1)].into_iter().enumerate()
    {
        verdict.record(&pair(user as u64, Ok(champion), Ok(candidate)));
        verdict.label(id(user as u64), 0);
    }
    let judgement = verdict.judge();
    let odd = judgement.metric("odd").unwrap();
    assert_eq!(odd.pairs, 6);
    assert!(odd.estimate.unwrap().abs() <= 2.0);
    assert_eq!(judgement.health.clipped["odd"], 4);
    assert_eq!(judgement.health.not_a_number["far"], 2);
    finite(&judgement);
    verdict.evidence().verify().unwrap();
}

/// Nothing in a judgement is infinite or no number: JSON would have to say `null` there.
fn finite(judgement: &modelgate::verdict::Judgement) {
    for metric in &judgement.metrics {
        let numbers = [Some(metric.ln_e_worse), metric.ln_e_not_worse, metric.ln_e_better]
            .into_iter()
            .chain([metric.ln_e_not_better, metric.estimate])
            .chain([metric.interval.map(|it| it.0), metric.interval.map(|it| it.1)]);
        for number in numbers.flatten() {
            assert!(number.is_finite(), "{metric:?}");
        }
    }
}

#[test]
fn huge_counts_are_judged() {
    let verdict = builder()
        .metric(Metric::failures())
        .metric(Metric::disagreement().at_most(0.1))
        .metric(Metric::accuracy())
        .metric(Metric::loss("loss", |_: &i64, _: &i64| 0.0).margin(0.1))
        .metric(Metric::live_failures())
        .build()
        .unwrap();
    for n in [1_000_000_000_u64, 1_000_000_000_000, u64::MAX] {
        let mut tally = verdict.tally();
        for counts in tally.metrics.values_mut() {
            match counts {
                MetricCounts::Paired { worse, same, better, both_bad } => {
                    (*worse, *same, *better, *both_bad) = (n, n, n / 2, n);
                }
                MetricCounts::Share { yes, no } => (*yes, *no) = (n, n),
                MetricCounts::Histogram { bins, .. } => bins.fill(n),
                _ => {}
            }
        }
        tally.pairs.scored = n;
        let judgement = judge(verdict.config(), &tally);
        finite(&judgement);
        assert_eq!(judgement.metric("failures").unwrap().finding, Finding::Worse);
        let doubled = {
            let mut sum = tally.clone();
            sum.merge(&tally).unwrap();
            sum
        };
        finite(&judge(verdict.config(), &doubled));
    }
}

#[test]
fn closures_that_panic_count_as_the_worst_and_stop_nothing() {
    let verdict = builder()
        .metric(Metric::distance("far", |_: &i64, _: &i64| -> f64 { panic!("far") }))
        .metric(Metric::loss("loss", |_: &i64, _: &i64| -> f64 { panic!("loss") }).margin(0.1))
        .by_comparison("slice", |_| panic!("slice"))
        .score(0.0..=1.0, |_: &i64| panic!("score"))
        .drift("drift", 0.0..=1.0, |_| panic!("drift"))
        .show_disagreements(|_| panic!("show"))
        .build()
        .unwrap();
    for user in 0..20 {
        verdict.record(&pair(user, Ok(0), Ok(1)));
        assert_eq!(verdict.label(id(user), 0), LabelOutcome::Joined);
    }
    let health = verdict.judge().health;
    assert_eq!((health.not_a_number["far"], health.not_a_number["loss"]), (20, 20));
    assert!(verdict.disagreements().worst.is_empty());
}

#[test]
fn what_cannot_be_asked_is_refused_with_the_field_that_is_wrong() {
    let refused = |builder: verdict::Builder<i64, i64>| builder.build().unwrap_err().to_string();
    assert_eq!(
        refused(builder().metric(Metric::failures().margin(f64::NAN))),
        "metric: found margin of `failures`: NaN, expected from 0 to half the bound (a limit: to the bound)"
    );
    for wrong in [
        builder().metric(Metric::failures().margin(0.6)),
        builder().metric(Metric::failures().margin(-0.1)),
        builder().metric(Metric::failures()).metric(Metric::failures()),
        builder().metric(Metric::failures().named("")),
        builder().metric(Metric::loss("loss", |_, _| 0.0)),
        builder().metric(Metric::loss("loss", |_, _| 0.0).margin(0.1).bound(0.0)),
        builder().metric(Metric::noise()),
        builder().metric(Metric::outcome("value", 1.0..=1.0)),
        builder().metric(Metric::live_failures().at_most_times(f64::INFINITY)),
        builder().metric(Metric::disagreement().guardrail()),
        builder().expected_users(0),
        builder().open_labels(0),
        builder().unit(Unit::KeyPer(0)),
        builder().max_missing(f64::NAN),
        builder().score(f64::NAN..=1.0, |_| None),
        Verdict::builder("v1").against("v1"),
        Verdict::builder(""),
        builder().again("v1"),
    ] {
        refused(wrong);
    }
}
