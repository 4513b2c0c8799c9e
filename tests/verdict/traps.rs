//! What would fool a careless verdict. Each of these is a test, here or where it is named:
//!
//! | what would fool it | test |
//! |---|---|
//! | a user who comes ten times | `simulation::ten_pairs_a_user_fool_the_unit_of_requests_and_not_that_of_users` |
//! | users whom the flag never meant, as control | `live::a_version_that_was_blocked_and_one_that_was_not_meant_are_no_control`, and through a router, `where_the_flag_means_a_region_that_fails_more_its_own_users_are_the_control` of the autopilot's |
//! | a shadow that is slow because its threads are idle ones | `different_is_not_worse_and_a_shadow_that_is_slow_condemns_nobody` |
//! | an input that both refuse, or the candidate alone | `an_input_that_both_refuse_is_no_pair_and_one_that_only_the_candidate_refuses_is_its_failure` |
//! | runs lost because of the candidate, and others | `a_deadline_is_the_candidates_failure_and_a_full_queue_is_a_missing_pair`, `too_many_missing_pairs_stop_an_advance` |
//! | NaN | `a_loss_that_is_no_number_is_the_worst_of_the_version_that_gave_it` |
//! | margins and losses at the ends of their range | `infinite_and_huge_losses_are_cut_and_shown`, `what_cannot_be_asked_is_refused_with_the_field_that_is_wrong` |
//! | evidence beyond what a number holds | `huge_counts_are_judged` |
//! | a base rate that rises while the share does | `live::a_rising_rate_of_failures_is_nobodys_fault_when_the_share_rises_with_it` |
//! | restarts, duplicates, other orders | `a_verdict_goes_on_after_a_restart_as_if_there_had_been_none`, `tally::*` |
//! | worse in one guardrail, ready in the others | `worse_in_one_guardrail_rolls_back_whatever_the_others_say` |
//! | another try of the same candidate | `each_attempt_asks_for_twice_the_evidence_of_the_one_before` |
//! | another margin, half-way | `another_margin_is_another_question_whose_sums_are_never_mixed` |
//! | a flag whose targeting follows what came out | `a_flag_that_follows_the_outcome_fools_it_and_the_guide_says_so` |
//! | labels of one class only | `labels_of_one_class_only_hold_the_candidate_up` |
//! | labels late, twice, unknown, of a repeat | `labels_are_joined_whenever_they_come_and_counted_when_they_cannot_be` |
//! | two versions that never disagree | `no_difference_for_ever_is_not_worse_at_exactly_pair_903` |
//! | a sample that draws the same users for ever | `a_sample_of_the_same_users_runs_out_of_them_and_says_so` |

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use modelgate::{
    Context, EvaluationContext, ModelError, ModelRouter, PredictionId, Rollout, Shadow,
    compare::{
        Agreement, Comparison, Run,
        key::{KeyHash, KeyHasher},
        sink::{ComparisonSink, JsonlSink},
    },
    model::ErrorKind,
    model_fn,
    shadow::{Budget, DropCause, Dropped},
    verdict::{
        self, Counts, Evidence, Finding, LabelOutcome, Metric, Overall, Role, Tally, Unit, Verdict,
        judge,
    },
};

type Answer = Result<i64, ErrorKind>;

fn key(user: u64) -> KeyHash {
    KeyHasher::new([7; 32]).unwrap().hash(&format!("user-{user}"))
}

fn pair(user: u64, champion: Answer, candidate: Answer) -> Comparison<i64> {
    let run = |version, answer: Answer| {
        let answer = answer.map_err(|kind| ModelError::of_kind(kind, "made up"));
        Run::new(version, answer, Duration::from_micros(100))
    };
    let mut comparison = Comparison::new(run("v1", champion), run("v2", candidate));
    comparison.prediction_id = PredictionId::from_u128(u128::from(user));
    comparison.key_hash = Some(key(user));
    if let (Ok(p), Ok(c)) = (champion, candidate) {
        comparison.agreement = Agreement::of("label", p == c);
    }
    comparison
}

fn builder() -> verdict::Builder<i64, i64> {
    Verdict::builder("v2").against("v1")
}

fn id(user: u64) -> PredictionId {
    PredictionId::from_u128(u128::from(user))
}

#[test]
fn an_input_that_both_refuse_is_no_pair_and_one_that_only_the_candidate_refuses_is_its_failure() {
    let verdict = builder().metric(Metric::failures()).build().unwrap();
    let refused = Err(ErrorKind::InvalidInput);
    verdict.record(&pair(1, refused, refused));
    verdict.record(&pair(2, Ok(1), refused));
    verdict.record(&pair(3, refused, Ok(1)));
    let tally = verdict.tally();
    assert_eq!(tally.pairs.both_refused, 1);
    assert_eq!((tally.pairs.candidate_refused, tally.pairs.champion_refused), (1, 1));
    assert_eq!(
        tally.metrics["failures"],
        Counts::Paired { worse: 1, same: 0, better: 1, both_bad: 0 }
    );
    let notes = verdict.judge().health.notes.join("\n");
    assert!(notes.contains("candidate alone refused the input of 1 pair"), "{notes}");
}

#[test]
fn a_candidate_that_panics_is_worse_after_few_pairs_and_not_after_one() {
    let verdict = builder().metric(Metric::failures()).build().unwrap();
    for user in 0..4 {
        assert_eq!(verdict.judge().overall, Overall::Hold, "{user}");
        verdict.record(&pair(user, Ok(1), Err(ErrorKind::Panicked)));
    }
    for user in 4..14 {
        verdict.record(&pair(user, Ok(1), Err(ErrorKind::Panicked)));
    }
    let judgement = verdict.judge();
    assert_eq!(judgement.overall, Overall::RollBack);
    assert!(judgement.metric("failures").unwrap().sentence.contains("v2 is worse than v1"));
}

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
        let Counts::Histogram { bins, not_a_number, .. } = &tally.metrics["odd"] else { panic!() };
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
                Counts::Paired { worse, same, better, both_bad } => {
                    (*worse, *same, *better, *both_bad) = (n, n, n / 2, n);
                }
                Counts::Share { yes, no } => (*yes, *no) = (n, n),
                Counts::Histogram { bins, .. } => bins.fill(n),
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
fn a_user_is_scored_once_and_one_without_a_key_never() {
    let verdict = builder().metric(Metric::failures()).build().unwrap();
    for request in 0..50 {
        let mut comparison = pair(request, Ok(1), Err(ErrorKind::Failed));
        comparison.key_hash = Some(key(request % 5));
        assert_eq!(verdict.wants(&key(request % 5), Duration::ZERO), request < 5);
        verdict.record(&comparison);
        comparison.key_hash = None;
        verdict.record(&comparison);
    }
    let pairs = verdict.tally().pairs;
    assert_eq!((pairs.scored, pairs.repeated, pairs.unkeyed), (5, 45, 50));
    assert!(verdict.judge().health.notes[0].contains("Unit::Request"));
}

#[test]
fn a_window_lets_a_user_count_again_and_a_clock_that_goes_back_breaks_nothing() {
    let verdict =
        builder().metric(Metric::failures()).unit(Unit::KeyPer(86_400_000)).build().unwrap();
    let day = 86_400_000;
    for millis in [0, 1, day, day + 5, 3, 10 * day, day - 1, 1 << 60] {
        let mut comparison = pair(1, Ok(1), Ok(1));
        comparison.time =
            UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH);
        verdict.record(&comparison);
    }
    let pairs = verdict.tally().pairs;
    assert_eq!((pairs.scored, pairs.repeated), (4, 4));
}

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
        Counts::Paired { worse: 1, same: 0, better: 1, both_bad: 0 }
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

#[test]
fn no_difference_for_ever_is_not_worse_at_exactly_pair_903() {
    let verdict = builder().metric(Metric::failures()).build().unwrap();
    for user in 0..902 {
        verdict.record(&pair(user, Ok(1), Ok(1)));
    }
    let failures = verdict.judge().metric("failures").unwrap().clone();
    assert_eq!((failures.finding, failures.expected_pairs), (Finding::Undecided, Some(1)));
    verdict.record(&pair(902, Ok(1), Ok(1)));
    assert!(verdict.judge().metric("failures").unwrap().finding.passes());
}

#[test]
fn each_attempt_asks_for_twice_the_evidence_of_the_one_before() {
    let pairs_to_roll_back = |attempt: u32| {
        let verdict = builder().metric(Metric::failures()).attempt(attempt).build().unwrap();
        let judgement = verdict.judge();
        assert_eq!(judgement.attempt, attempt);
        judgement.metric("failures").unwrap().threshold.worse
    };
    let [first, second, third] = [0, 1, 2].map(pairs_to_roll_back);
    assert!((second - first - 2_f64.ln()).abs() < 1e-12);
    assert!((third - first - 4_f64.ln()).abs() < 1e-12, "the third needs four times as much");
}

#[test]
fn metrics_that_may_roll_back_share_the_error_and_those_that_may_not_do_not() {
    let verdict = builder()
        .metric(Metric::failures())
        .metric(Metric::accuracy())
        .metric(Metric::disagreement())
        .build()
        .unwrap();
    let judgement = verdict.judge();
    let worse = |name: &str| judgement.metric(name).unwrap().threshold.worse;
    assert!((worse("failures") - 40_f64.ln()).abs() < 1e-12);
    assert!((worse("disagreement") - 20_f64.ln()).abs() < 1e-12);
    assert!(
        (judgement.metric("accuracy").unwrap().threshold.not_worse - 20_f64.ln()).abs() < 1e-12
    );
}

#[test]
fn another_margin_is_another_question_whose_sums_are_never_mixed() {
    let ask = |margin: f64| builder().metric(Metric::failures().margin(margin)).build().unwrap();
    let (one, other) = (ask(0.005), ask(0.01));
    assert_ne!(one.config().hash(), other.config().hash());
    other.record(&pair(1, Ok(1), Ok(1)));
    let mismatch = one.resume(&other.tally()).unwrap_err();
    assert_eq!(mismatch.field(), "config_hash");
    let before = one.tally();
    assert!(one.tally().merge(&other.tally()).is_err());
    assert_eq!(one.tally(), before);
}

#[test]
fn a_verdict_goes_on_after_a_restart_as_if_there_had_been_none() {
    let fresh = || builder().metric(Metric::failures()).metric(Metric::accuracy()).build().unwrap();
    let whole = fresh();
    let (first, second) = (fresh(), fresh());
    for user in 0..1_000 {
        let comparison = pair(user, Ok(0), Ok((user % 9 == 0).into()));
        whole.record(&comparison);
        whole.label(id(user), 0);
        let part = if user < 400 { &first } else { &second };
        part.record(&comparison);
        part.label(id(user), 0);
    }
    let stored = serde_json::to_string(&first.tally()).unwrap();
    second.resume(&serde_json::from_str::<Tally>(&stored).unwrap()).unwrap();
    assert_eq!(second.tally(), whole.tally());
    assert_eq!(second.evidence(), whole.evidence());
}

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
    let expected = Counts::Paired { worse: 100, same: 900, better: 0, both_bad: 0 };
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
    let expected = Counts::Paired { worse: 5, same: 15, better: 0, both_bad: 0 };
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
fn no_data_never_advances() {
    let verdict = builder().build().unwrap();
    let judgement = verdict.judge();
    assert_eq!(judgement.overall, Overall::Hold);
    assert!(judgement.metrics.iter().all(|metric| metric.finding == Finding::NoData));
    assert_eq!(judgement.metrics[0].sentence, "failures: no data yet.");
    let watched = builder().metric(Metric::failures().watch()).build().unwrap();
    assert_eq!(watched.config().metrics[0].role, Role::Watch);
    for user in 0..2_000 {
        watched.record(&pair(user, Ok(0), Ok(0)));
    }
    assert_eq!(watched.judge().overall, Overall::Hold, "nothing that could let it pass");
}

#[test]
fn worse_in_one_guardrail_rolls_back_whatever_the_others_say() {
    let verdict = builder().metric(Metric::failures()).metric(Metric::accuracy()).build().unwrap();
    for user in 0..2_000 {
        verdict.record(&pair(user, Ok(0), Ok((user % 10 == 0).into())));
        verdict.label(id(user), 0);
    }
    let judgement = verdict.judge();
    assert!(judgement.metric("failures").unwrap().finding.passes());
    assert_eq!(judgement.overall, Overall::RollBack);
    assert_eq!(judgement.why, ["accuracy is worse"]);
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
fn a_slice_in_which_the_candidate_is_worse_is_named_and_rolls_nothing_back() {
    let verdict = builder()
        .metric(Metric::failures())
        .by_comparison("half", |comparison| {
            Some((comparison.prediction_id.as_u128() % 2).to_string())
        })
        .build()
        .unwrap();
    for user in 0..4_000_u64 {
        // In one half it fails now and then, in the other the champion does.
        let fails = user % 40 < 2;
        let failed = Err(ErrorKind::Failed);
        verdict.record(&match (fails, user % 2) {
            (true, 0) => pair(user, Ok(0), failed),
            (true, _) => pair(user, failed, Ok(0)),
            _ => pair(user, Ok(0), Ok(0)),
        });
    }
    let judgement = verdict.judge();
    assert_ne!(judgement.overall, Overall::RollBack);
    let [slice] = &judgement.slices[..] else { panic!("{:?}", judgement.slices) };
    assert_eq!(
        (slice.slice.as_str(), slice.metric.as_str(), slice.pairs),
        ("half=0", "failures", 2_000)
    );
    assert!((slice.estimate - 0.05).abs() < 1e-12);
}

#[test]
fn evidence_says_when_anything_in_it_was_changed() {
    let verdict = builder().metric(Metric::failures()).metric(Metric::accuracy()).build().unwrap();
    for user in 0..300 {
        verdict.record(&pair(user, Ok(0), Ok((user % 9 == 0).into())));
        verdict.label(id(user), 0);
    }
    let evidence = verdict.evidence();
    evidence.verify().unwrap();
    let json = serde_json::to_string(&evidence).unwrap();
    let again: Evidence = serde_json::from_str(&json).unwrap();
    assert_eq!(again, evidence);
    // Every digit and letter inside it, one after the other.
    let (mut found, mut tried) = (0, 0);
    for (place, byte) in json.bytes().enumerate().step_by(7) {
        let other = match byte {
            b'0'..=b'8' => byte + 1,
            b'9' => b'0',
            b'a'..=b'y' => byte + 1,
            _ => continue,
        };
        let mut changed = json.clone().into_bytes();
        changed[place] = other;
        let Ok(changed) = serde_json::from_slice::<Evidence>(&changed) else { continue };
        if changed == evidence {
            continue;
        }
        tried += 1;
        found += usize::from(changed.verify().is_err());
    }
    assert!(tried > 100, "{tried}");
    assert_eq!(found, tried);
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
        Counts::Paired { worse: 100, same: 700, better: 0, both_bad: 0 }
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

#[test]
fn a_shadow_of_a_user_who_has_been_scored_does_not_run() {
    let verdict = Verdict::<f32>::builder("v2").build().unwrap();
    let ran = Arc::new(AtomicU64::new(0));
    let runs = Arc::clone(&ran);
    let router = ModelRouter::<[f32], f32>::builder("flag")
        .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
        .model(
            "v2",
            model_fn(move |_: &[f32]| {
                runs.fetch_add(1, Ordering::Relaxed);
                Ok(1.0)
            }),
        )
        .fallback("v1")
        .source(Rollout::everyone("v1").flag("flag").unwrap())
        .shadow(
            Shadow::always()
                .candidate("v2")
                .first_sight(&verdict)
                .budget(modelgate::shadow::Budget::unlimited()),
        )
        .sink(verdict.clone())
        .build()
        .unwrap();
    for request in 0..50 {
        let key = format!("user-{}", request % 5);
        router.predict(&Context::new(&key), &[1.0]).unwrap();
        assert!(router.flush(Duration::from_secs(30)));
    }
    assert_eq!(ran.load(Ordering::Relaxed), 5);
    assert_eq!(verdict.tally().pairs.scored, 5);
}

#[test]
fn a_promoted_version_that_gets_worse_sounds_the_guard() {
    let verdict = builder().metric(Metric::failures()).metric(Metric::accuracy()).build().unwrap();
    let feed = |users: std::ops::Range<u64>, wrong: u64| {
        for user in users {
            // The candidate answers now, the champion runs in its shadow.
            let mut reversed = pair(user, Ok(0), Ok(0));
            reversed.primary = Run::new("v2", Ok((user % 100 < wrong).into()), Duration::ZERO);
            reversed.candidate = Run::new("v1", Ok((user % 100 == 99).into()), Duration::ZERO);
            verdict.record(&reversed);
            verdict.label(id(user), 0);
        }
    };
    feed(0..10_000, 1);
    assert!(verdict.guard(1e-6).iter().all(|guard| !guard.alarm), "{:?}", verdict.guard(1e-6));
    feed(10_000..15_000, 6);
    let alarms: Vec<_> =
        verdict.guard(1e-6).into_iter().filter(|guard| guard.alarm).map(|it| it.name).collect();
    assert_eq!(alarms, ["accuracy"]);
    // What is watched after promotion adds nothing to what was decided before.
    assert_eq!(verdict.tally().pairs.scored, 0);
}

#[test]
fn a_distribution_that_moves_is_shown_and_decides_nothing() {
    let verdict = builder()
        .metric(Metric::failures())
        .drift("time of day", 0.0..=24.0, |comparison| {
            Some((comparison.prediction_id.as_u128() % 24) as f64)
        })
        .drift("amount", 0.0..=100.0, |comparison| {
            let id = comparison.prediction_id.as_u128();
            Some(if id < 2_000 { (id % 50) as f64 } else { (id % 100) as f64 })
        })
        .build()
        .unwrap();
    for user in 0..6_000 {
        verdict.record(&pair(user, Ok(1), Ok(1)));
    }
    let judgement = verdict.judge();
    let moved = |name: &str| judgement.health.drift.iter().find(|it| it.name == name).unwrap();
    assert!(moved("amount").moved && !moved("time of day").moved, "{judgement}");
    assert_eq!((moved("amount").base, moved("amount").now), (1_000, 5_000));
    assert_eq!(judgement.overall, Overall::Advance);
}

#[test]
fn the_worst_disagreements_are_kept_and_redacted() {
    let verdict = builder()
        .metric(Metric::disagreement())
        .metric(Metric::accuracy())
        .show_disagreements(|answer| format!("class {answer}"))
        .redact(|shown| shown.champion = "hidden".to_owned())
        .build()
        .unwrap();
    for user in 0..500 {
        let mut comparison = pair(user, Ok(0), Ok(1));
        comparison.agreement =
            Agreement::of("label", user % 2 == 0).with_distance((user % 97) as f64);
        verdict.record(&comparison);
    }
    let kept = verdict.disagreements();
    assert_eq!((kept.worst.len(), kept.random.len()), (10, 10));
    assert!(kept.worst.windows(2).all(|pair| pair[0].distance >= pair[1].distance));
    assert!(kept.worst.iter().all(|it| it.distance >= Some(93.0)), "{:?}", kept.worst);
    assert!(kept.worst.iter().all(|it| it.champion == "hidden" && it.candidate == "class 1"));
    verdict.label(kept.worst[0].prediction_id, 1);
    assert_eq!(verdict.disagreements().worst[0].label.as_deref(), Some("1"));
}

#[test]
fn timelines_are_thin_and_end_at_the_present() {
    let verdict = builder().metric(Metric::failures()).build().unwrap();
    assert!(verdict.timelines()[0].points.is_empty());
    for user in 0..5_003 {
        verdict.record(&pair(user, Ok(1), Ok(1)));
    }
    let line = &verdict.timelines()[0];
    assert!((50..=201).contains(&line.points.len()), "{}", line.points.len());
    assert!(line.points.windows(2).all(|pair| pair[0].pairs < pair[1].pairs));
    assert_eq!(line.points.last().map(|point| point.pairs), Some(5_003));
}

/// What a bandit does: it gives the candidate the users for whom it knows that it does well. Pairs
/// on the same input stay honest about those who were asked; nobody can see who was not.
#[test]
fn a_flag_that_follows_the_outcome_fools_it_and_the_guide_says_so() {
    let verdict = builder().metric(Metric::failures()).build().unwrap();
    for user in 0..2_000_u64 {
        // It would fail for every fifth user, and these are never shadowed.
        if user % 5 != 0 {
            verdict.record(&pair(user, Ok(0), Ok(0)));
        }
    }
    assert_eq!(verdict.judge().metric("failures").unwrap().finding, Finding::Equivalent);
    let guide = include_str!("../../src/guide/verdict.md");
    assert!(guide.contains("steered by the outcomes"), "the limit is written down");
}

#[test]
fn a_sample_of_the_same_users_runs_out_of_them_and_says_so() {
    for first_sight in [false, true] {
        let verdict = Verdict::<f32>::builder("v2").build().unwrap();
        let shadow = Shadow::always().candidate("v2").sample(50.0).joined();
        let router = ModelRouter::<[f32], f32>::builder("flag")
            .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
            .model("v2", model_fn(|_: &[f32]| Ok(1.0)))
            .fallback("v1")
            .source(Rollout::everyone("v1").flag("flag").unwrap())
            .shadow(if first_sight { shadow.first_sight(&verdict) } else { shadow })
            .sink(verdict.clone())
            .build()
            .unwrap();
        let day = |users: u64| {
            for user in 0..users {
                let key = format!("user-{user}");
                router.predict(&Context::new(&key), &[1.0]).unwrap();
            }
        };
        day(500);
        assert_eq!(verdict.users_left(), None, "too few requests to say");
        let scored = verdict.tally().pairs.scored;
        assert!((200..=300).contains(&scored), "half of five hundred: {scored}");
        // The same users come every day, and none of them is new.
        (0..16).for_each(|_| day(500));
        assert_eq!(verdict.tally().pairs.scored, scored, "first_sight: {first_sight}");
        let left = verdict.users_left().unwrap();
        assert!(left <= scored / 10, "{left} of {scored} left: as good as none");
        // New users are seen to come.
        day(4_000);
        assert!(verdict.users_left().unwrap() > scored, "{:?}", verdict.users_left());
    }
}

#[test]
fn slices_by_the_context_are_those_of_the_request_live_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let sink = Arc::new(JsonlSink::create(&path).unwrap());
    let sliced = || {
        Verdict::<f32>::builder("v2")
            .against("v1")
            .metric(Metric::failures())
            .by("country", |context| Some(context.attribute("country")?.as_str()?.to_owned()))
            .by("broken", |_| panic!("a slice that panics"))
            .build()
            .unwrap()
    };
    let live = sliced();
    let router = |policy: Shadow| {
        ModelRouter::<[f32], f32>::builder("flag")
            .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
            .model(
                "v2",
                model_fn(|features: &[f32]| match features {
                    [1.0, ..] => Err(ModelError::new("not in this country")),
                    _ => Ok(1.0),
                }),
            )
            .fallback("v1")
            .source(Rollout::everyone("v1").flag("flag").unwrap())
            .shadow(policy)
            .sink(live.clone())
            .sink(Arc::clone(&sink))
            .build()
            .unwrap()
    };
    let hasher = || KeyHasher::new([7; 32]).unwrap();
    let policy = || Shadow::always().candidate("v2").key_hasher(hasher());
    let roomy = Budget::cpu_percent(100.0);
    let (joined, detached) = (
        router(policy().joined()),
        router(policy().budget(roomy).deadline(Duration::from_secs(600))),
    );
    for user in 0..1_000_u32 {
        let key = format!("user-{user}");
        let country = if user % 4 == 0 { "se" } else { "no" };
        let context = Context::new(&key).with("country", country);
        let features = [if country == "se" && user % 8 == 0 { 1.0 } else { 0.0 }];
        joined.predict(&context, &features).unwrap();
    }
    // A request without the attribute is in no slice, and a detached shadow carries its own.
    let context = Context::new("somebody");
    joined.predict(&context, &[0.0]).unwrap();
    let context = Context::new("somebody-else").with("country", "dk");
    detached.predict(&context, &[0.0]).unwrap();
    let context = Context::new("one-of-many").with("country", "fi");
    let many: [(&dyn EvaluationContext, &[f32]); 1] = [(&context, &[0.0])];
    detached.predict_batch(&many).into_iter().for_each(|answer| drop(answer.unwrap()));
    assert!(detached.flush(Duration::from_secs(30)));

    let tally = live.tally();
    let pairs = |slice: &str| match tally.slices.get(slice).map(|slice| &slice["failures"]) {
        Some(Counts::Paired { worse, same, .. }) => (*worse, *same),
        other => panic!("{slice}: {other:?}"),
    };
    assert_eq!(pairs("country=se"), (125, 125));
    assert_eq!(pairs("country=no"), (0, 750));
    assert_eq!((pairs("country=dk"), pairs("country=fi")), ((0, 1), (0, 1)));
    let judgement = live.judge();
    assert_eq!(judgement.slices[0].slice, "country=se");

    // The records carry them: a replay makes the same of them, and says where they do not.
    JsonlSink::flush(&sink).unwrap();
    let records = std::fs::read_to_string(&path).unwrap();
    let again = sliced();
    let read = again.replay(records.as_bytes()).unwrap();
    assert_eq!(again.tally().slices, tally.slices);
    assert_eq!(read.without_slice, read.comparisons, "none says anything of `broken`");
    let other = Verdict::<f32>::builder("v2").by("tenant", |_| None).build().unwrap();
    let read = other.replay(records.as_bytes()).unwrap();
    assert_eq!(read.without_slice, read.comparisons);
    let other = Verdict::<f32>::builder("v2").by("country", |_| None).build().unwrap();
    assert_eq!(other.replay(records.as_bytes()).unwrap().without_slice, 1);
}
