//! What would fool a careless verdict. Each of these is a test, here or where it is named:
//!
//! | what would fool it | test |
//! |---|---|
//! | a user who comes ten times | `simulation::ten_pairs_a_user_fool_the_unit_of_requests_and_not_that_of_users` |
//! | users whom the flag never meant, as control | `live::a_version_that_was_blocked_and_one_that_was_not_meant_are_no_control`, and through a router, `where_the_flag_means_a_region_that_fails_more_its_own_users_are_the_control` of the autopilot's |
//! | a shadow that is slow because its threads are idle ones | `shadows::different_is_not_worse_and_a_shadow_that_is_slow_condemns_nobody` |
//! | an input that both refuse, or the candidate alone | `an_input_that_both_refuse_is_no_pair_and_one_that_only_the_candidate_refuses_is_its_failure` |
//! | runs lost because of the candidate, and others | `shadows::a_deadline_is_the_candidates_failure_and_a_full_queue_is_a_missing_pair`, `shadows::too_many_missing_pairs_stop_an_advance` |
//! | NaN | `extremes::a_loss_that_is_no_number_is_the_worst_of_the_version_that_gave_it` |
//! | margins and losses at the ends of their range | `extremes::infinite_and_huge_losses_are_cut_and_shown`, `extremes::what_cannot_be_asked_is_refused_with_the_field_that_is_wrong` |
//! | evidence beyond what a number holds | `extremes::huge_counts_are_judged` |
//! | a base rate that rises while the share does | `live::a_rising_rate_of_failures_is_nobodys_fault_when_the_share_rises_with_it` |
//! | restarts, duplicates, other orders | `attempts::a_verdict_goes_on_after_a_restart_as_if_there_had_been_none`, `tally::*` |
//! | worse in one guardrail, ready in the others | `worse_in_one_guardrail_rolls_back_whatever_the_others_say` |
//! | another try of the same candidate | `attempts::each_attempt_asks_for_twice_the_evidence_of_the_one_before` |
//! | another margin, half-way | `attempts::another_margin_is_another_question_whose_sums_are_never_mixed` |
//! | a flag whose targeting follows what came out | `users::a_flag_that_follows_the_outcome_fools_it_and_the_guide_says_so` |
//! | labels of one class only | `labels::labels_of_one_class_only_hold_the_candidate_up` |
//! | labels late, twice, unknown, of a repeat | `labels::labels_are_joined_whenever_they_come_and_counted_when_they_cannot_be` |
//! | two versions that never disagree | `no_difference_for_ever_is_not_worse_at_exactly_pair_903` |
//! | a sample that draws the same users for ever | `users::a_sample_of_the_same_users_runs_out_of_them_and_says_so` |

mod attempts;
mod extremes;
mod labels;
mod shadows;
mod shown;
mod users;

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
        self, Evidence, Finding, LabelOutcome, Metric, MetricCounts, Overall, Role, Tally, Unit,
        Verdict, judge,
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
        MetricCounts::Paired { worse: 1, same: 0, better: 1, both_bad: 0 }
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
