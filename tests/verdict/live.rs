//! What a verdict makes of live answers.

use std::time::Duration;

use modelgate::{
    Context, ModelError, ModelRouter, PredictionId, Rollout, Version, model_fn,
    router::{AnswerObserver, LiveAnswer},
    verdict::{self, Finding, Metric, OutcomeReceipt, Overall, Verdict},
};

fn builder() -> verdict::Builder<f32> {
    Verdict::builder("v2").against("v1")
}

/// A user's request: by the candidate, or held back from it.
fn ask(verdict: &Verdict<f32>, user: &str, held_back: bool, failed: bool) -> PredictionId {
    let named = Version::new("v2");
    let mut answer = LiveAnswer::new(&named, Some(user));
    answer.asked = !held_back;
    answer.held_back = held_back;
    answer.failed = failed;
    verdict.answered(&answer);
    answer.prediction_id
}

#[test]
fn a_user_counts_once_a_stage_however_often_it_fails() {
    let verdict = builder().metric(Metric::live_failures()).build().unwrap();
    ask(&verdict, "before any stage", false, true);
    assert!(verdict.enter_stage(1, 5_000));
    for _ in 0..10 {
        ask(&verdict, "a", false, true);
        ask(&verdict, "b", true, false);
    }
    // A share is one of its stage.
    assert!(!verdict.enter_stage(1, 25_000));
    assert!(!verdict.enter_stage(16, 25_000));
    assert!(verdict.enter_stage(2, 25_000));
    ask(&verdict, "a", false, true);
    ask(&verdict, "b", false, false);
    ask(&verdict, "b", true, false);
    verdict.leave_stage();
    ask(&verdict, "c", false, true);
    let live = verdict.tally().live;
    assert_eq!(live.len(), 2);
    let one = &live[&1];
    assert_eq!((one.candidate.requests, one.candidate.failed_requests), (10, 10));
    assert_eq!((one.candidate.keys, one.held_back.keys, one.both), (1, 1, 0));
    assert_eq!((one.failures().candidate, one.failures().held_back), (1, 0));
    let two = &live[&2];
    assert_eq!((two.candidate.keys, two.held_back.keys, two.both), (2, 1, 1));
}

#[test]
fn eight_failing_users_of_a_twentieth_against_twenty_of_the_rest_roll_back() {
    let verdict = builder().metric(Metric::live_failures()).build().unwrap();
    verdict.enter_stage(1, 5_000);
    for user in 0..28 {
        ask(&verdict, &format!("user-{user}"), user >= 8, true);
    }
    let judgement = verdict.judge();
    let failures = judgement.metric("live_failures").unwrap();
    assert!((failures.ln_e_worse - 6.611_523_919_8).abs() < 1e-9);
    assert!((failures.interval.unwrap().0 - 1.667_849_161_9).abs() < 1e-9);
    assert_eq!((failures.finding, judgement.overall), (Finding::Worse, Overall::RollBack));
    verdict.evidence().verify().unwrap();
}

#[test]
fn a_rising_rate_of_failures_is_nobodys_fault_when_the_share_rises_with_it() {
    // 1 % of users fail at a share of 5 %, 4 % at 50 %: pooled, the candidate would look worse.
    let verdict = builder().metric(Metric::live_failures()).build().unwrap();
    for (stage, share, percent) in [(1, 5_000, 1), (2, 50_000, 4)] {
        verdict.enter_stage(stage, share);
        for user in 0..20_000_u64 {
            let candidate = user.wrapping_mul(0x9E37_79B9) % 100_000 < u64::from(share);
            let fails = user.wrapping_mul(0x85EB_CA6B) % 100 < percent;
            ask(&verdict, &format!("user-{user}"), !candidate, fails);
        }
    }
    let judgement = verdict.judge();
    let failures = judgement.metric("live_failures").unwrap();
    assert_eq!(failures.finding, Finding::Undecided, "{}", failures.sentence);
    assert!((0.8..1.25).contains(&failures.estimate.unwrap()), "{}", failures.sentence);
    assert!(!judgement.health.sample_ratio.unwrap().mismatch);
}

#[test]
fn a_split_that_is_not_as_asked_holds_the_candidate_up() {
    let verdict = builder().metric(Metric::live_failures()).build().unwrap();
    verdict.enter_stage(1, 50_000);
    for user in 0..3_000 {
        // A fifth of the candidate's users never arrive.
        if user % 2 == 1 || user % 10 != 0 {
            ask(&verdict, &format!("user-{user}"), user % 2 == 1, false);
        }
    }
    let judgement = verdict.judge();
    let ratio = judgement.health.sample_ratio.unwrap();
    assert_eq!((ratio.candidate, ratio.held_back, ratio.mismatch), (1_200, 1_500, true));
    assert!(judgement.why.contains(&"users are not split as asked".to_owned()));
}

#[test]
fn a_version_that_was_blocked_and_one_that_was_not_meant_are_no_control() {
    let verdict = builder().metric(Metric::live_failures()).build().unwrap();
    verdict.enter_stage(1, 50_000);
    let (v1, v2) = (Version::new("v1"), Version::new("v2"));
    let mut blocked = LiveAnswer::new(&v2, Some("a"));
    blocked.asked = false;
    verdict.answered(&blocked);
    verdict.answered(&LiveAnswer::new(&v1, Some("b")));
    let live = &verdict.tally().live[&1];
    assert_eq!((live.candidate.requests, live.held_back.requests), (0, 0));
}

#[test]
fn late_users_are_judged_by_what_is_allowed() {
    let metric = Metric::live_late(Duration::from_millis(50)).at_most_times(1.25);
    let verdict = builder().metric(metric).build().unwrap();
    verdict.enter_stage(1, 50_000);
    let named = Version::new("v2");
    for user in 0..120 {
        let key = format!("user-{user}");
        let mut answer = LiveAnswer::new(&named, Some(&key));
        answer.held_back = user % 3 == 0;
        answer.asked = !answer.held_back;
        answer.service_time = Duration::from_millis(51);
        verdict.answered(&answer);
    }
    let judgement = verdict.judge();
    let late = judgement.metric("live_late").unwrap();
    assert_eq!((late.pairs, late.estimate), (120, Some(2.0)));
    assert!(late.ln_e_worse > 0.0);
}

#[test]
fn an_outcome_counts_for_the_version_that_answered_and_once() {
    let verdict = builder().metric(Metric::outcome("minutes", 0.0..=60.0)).build().unwrap();
    assert_eq!(verdict.outcome(PredictionId::from_u128(1), 5.0), OutcomeReceipt::Unknown);
    verdict.enter_stage(1, 50_000);
    for user in 0..2_000_u32 {
        let held_back = user % 2 == 0;
        let id = ask(&verdict, &format!("user-{user}"), held_back, false);
        let minutes = f64::from(user % 20) + if held_back { 10.0 } else { 0.0 };
        assert_eq!(verdict.outcome(id, minutes), OutcomeReceipt::Counted);
        assert_eq!(verdict.outcome(id, minutes), OutcomeReceipt::Unknown);
        assert_eq!(verdict.outcome_of("other", id, 1.0), OutcomeReceipt::NoMetric);
        // A further request of the same user is no further outcome.
        let again = ask(&verdict, &format!("user-{user}"), held_back, false);
        assert_eq!(verdict.outcome(again, 60.0), OutcomeReceipt::Unknown);
    }
    let nan = ask(&verdict, "odd", false, false);
    assert_eq!(verdict.outcome(nan, f64::NAN), OutcomeReceipt::Unknown);
    let judgement = verdict.judge();
    let minutes = judgement.metric("minutes").unwrap();
    assert_eq!((minutes.pairs, minutes.finding), (2_000, Finding::Worse));
    assert!((minutes.estimate.unwrap() + 9.0).abs() < 0.01, "{}", minutes.sentence);
    assert_eq!(judgement.overall, Overall::Hold, "a signal");
}

#[test]
fn of_several_outcomes_each_counts_once() {
    let verdict = builder()
        .metric(Metric::outcome("minutes", 0.0..=60.0))
        .metric(Metric::outcome("sales", 0.0..=1.0))
        .build()
        .unwrap();
    verdict.enter_stage(1, 50_000);
    let id = ask(&verdict, "a", false, false);
    assert_eq!(verdict.outcome_of("minutes", id, f64::NAN), OutcomeReceipt::Unknown);
    for _ in 0..2 {
        let minutes = verdict.outcome_of("minutes", id, 5.0);
        let sales = verdict.outcome_of("sales", id, 1.0);
        assert_eq!(minutes, sales);
    }
    let outcomes = &verdict.tally().live[&1].candidate.outcomes;
    assert_eq!((outcomes["minutes"].n, outcomes["sales"].n), (1, 1));
}

#[test]
fn another_attempt_begins_with_nothing_counted() {
    let verdict = builder().metric(Metric::live_failures()).build().unwrap();
    for attempt in 0..3 {
        verdict.begin_attempt(attempt);
        assert_eq!(verdict.judge().attempt, attempt);
        assert!(verdict.enter_stage(1, 5_000 + attempt), "a stage of another share");
        ask(&verdict, "a", false, true);
        assert_eq!(verdict.tally().live[&1].candidate.keys, 1);
    }
}

#[test]
fn a_router_tells_who_answered_and_who_failed_and_gives_the_same_answers() {
    let verdict = builder().metric(Metric::live_failures()).build().unwrap();
    verdict.enter_stage(1, 50_000);
    let build = |observed: bool| {
        let router = ModelRouter::<[f32], f32>::builder("flag")
            .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
            .model(
                "v2",
                model_fn(|row: &[f32]| match row[0] < 0.0 {
                    true => Err(ModelError::new("negative")),
                    false => Ok(2.0),
                }),
            )
            .fallback("v1")
            .source(Rollout::everyone("v2").flag("flag").unwrap());
        let router = if observed { router.observer(verdict.clone()) } else { router };
        router.build().unwrap()
    };
    let (observed, plain) = (build(true), build(false));
    for (user, row) in [("a", 1.0), ("b", -1.0), ("b", 1.0), ("c", 1.0)] {
        let answers = [&observed, &plain]
            .map(|router| *router.predict(&Context::new(user), &[row]).unwrap().output());
        assert_eq!(answers[0], answers[1]);
    }
    let rows: Vec<(Context<'_>, [f32; 1])> =
        vec![(Context::new("d"), [1.0]), (Context::new("e"), [-1.0])];
    let rows: Vec<_> = rows
        .iter()
        .map(|(context, row)| (context as &dyn modelgate::EvaluationContext, &row[..]))
        .collect();
    assert!(observed.predict_batch(&rows).iter().all(Result::is_ok));
    let live = &verdict.tally().live[&1];
    assert_eq!((live.candidate.requests, live.candidate.failed_requests), (6, 2));
    assert_eq!((live.candidate.keys, live.failures().candidate), (5, 2));
}

#[test]
fn an_observer_that_panics_changes_no_answer() {
    struct Panics;
    impl AnswerObserver for Panics {
        fn answered(&self, _: &LiveAnswer<'_>) {
            panic!("observer");
        }
    }
    let router = ModelRouter::<[f32], f32>::builder("flag")
        .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
        .fallback("v1")
        .source(Rollout::everyone("v1").flag("flag").unwrap())
        .observer(Panics)
        .build()
        .unwrap();
    assert_eq!(*router.predict(&Context::new("a"), &[0.0]).unwrap().output(), 1.0);
}
