//! What an autopilot does to a router's requests.

use std::{sync::Arc, time::Duration};

use modelgate::{
    Context, FallbackCause, ModelError, ModelRouter, Reason,
    autopilot::{MetricFinding, Phase, draw, verify_history},
    flag::EvaluationCounts,
    model_fn,
    unleash::Unleash,
    verdict::{Finding, Metric, Overall, Verdict},
};

use crate::{
    scripted::{FLAG, at_25_percent, key, router, until},
    support::{flags as compiled_flags, serving, test_flags},
};

#[test]
fn a_held_back_request_is_answered_by_the_fallback_with_a_reason_of_its_own() {
    let (autopilot, _evidence) = at_25_percent();
    let router = router(&autopilot).source(test_flags(&serving(FLAG, "v2"))).build().unwrap();
    until(|| autopilot.status().share == 25.0);
    let (mut through, mut held) = (0, 0);
    for n in 0..400 {
        let answer = router.predict(&Context::new(&key(n)), &[]).unwrap();
        let passes = draw(FLAG, &key(n)) < 25_000;
        match passes {
            true => {
                through += 1;
                assert_eq!((answer.version().as_str(), answer.fallback()), ("v2", None));
            }
            false => {
                held += 1;
                let found = (answer.version().as_str(), answer.fallback());
                assert_eq!(found, ("v1", Some(FallbackCause::HeldBack)));
            }
        }
        assert_eq!(answer.reason(), Reason::Static, "the flag's own reason stays");
    }
    let stats = router.stats();
    let v2 = &stats.versions[1];
    assert_eq!((v2.replaced.get("held_back"), v2.replaced.total()), (held, held));
    assert_eq!((v2.answered.total(), v2.errors + v2.panics), (through, 0));
    assert_eq!(stats.fallbacks.total(), 0);
}

#[test]
fn whoever_has_no_key_waits_for_everybody() {
    let (autopilot, _evidence) = at_25_percent();
    let router = router(&autopilot)
        .source(test_flags(&serving(FLAG, "v2")))
        .missing_key(modelgate::router::MissingKey::Random)
        .build()
        .unwrap();
    until(|| autopilot.status().share == 25.0);
    for _ in 0..50 {
        for context in [Context::anonymous(), Context::new("")] {
            let decision = router.decide(&context).unwrap();
            assert_eq!(decision.fallback(), Some(FallbackCause::HeldBack));
        }
    }
    autopilot.approve("looked at it").unwrap();
    until(|| autopilot.status().share == 100.0);
    assert_eq!(router.decide(&Context::anonymous()).unwrap().version().as_str(), "v2");
}

#[test]
fn growing_keeps_everybody_and_a_retry_returns_the_same_users() {
    let (autopilot, evidence) = at_25_percent();
    let router = router(&autopilot).source(test_flags(&serving(FLAG, "v2"))).build().unwrap();
    let through = || -> Vec<u32> {
        let reached = |n: &u32| router.decide(&Context::new(&key(*n))).unwrap().version() == "v2";
        (0..2_000).filter(reached).collect()
    };
    until(|| autopilot.status().share == 25.0);
    let first = through();
    evidence.says(MetricFinding::Worse);
    until(|| autopilot.status().phase == Some(Phase::RolledBack));
    assert!(through().is_empty());
    evidence.says(MetricFinding::NotWorse);
    autopilot.retry("the cause was found").unwrap();
    until(|| autopilot.status().share == 25.0);
    assert_eq!(through(), first);
    autopilot.approve("looked at it").unwrap();
    until(|| autopilot.status().share == 50.0);
    let grown = through();
    assert!(first.iter().all(|user| grown.contains(user)) && grown.len() > first.len());
    let status = autopilot.status();
    assert_eq!(status.attempt, 1);
    verify_history(&status.transitions).unwrap();
}

#[test]
fn the_vendors_switch_and_the_operator_are_stronger_and_nobody_unmeant_is_reached() {
    let (autopilot, _evidence) = at_25_percent();
    let flags = test_flags(&serving(FLAG, "v2"));
    let router = router(&autopilot).source(flags.clone()).build().unwrap();
    until(|| autopilot.status().share == 25.0);
    let through = (0..1_000).map(key).find(|key| draw(FLAG, key) < 25_000).unwrap();
    let held = (0..1_000).map(key).find(|key| draw(FLAG, key) >= 25_000).unwrap();
    let ask = |key: &str| {
        let decision = router.decide(&Context::new(key)).unwrap();
        (decision.version().to_string(), decision.fallback())
    };
    assert_eq!(ask(&through).0, "v2");

    router.pin("v2").unwrap();
    assert_eq!(ask(&held), ("v2".to_owned(), None));
    router.unpin();
    router.block("v2").unwrap();
    for user in [&through, &held] {
        assert_eq!(ask(user), ("v1".to_owned(), Some(FallbackCause::Blocked)));
    }
    router.unblock("v2").unwrap();

    flags.replace(compiled_flags(&serving(FLAG, "v1")));
    assert_eq!(ask(&through), ("v1".to_owned(), None), "the flag does not name it");
    flags.replace(compiled_flags(&serving(FLAG, "v2").replace("ENABLED", "DISABLED")));
    assert_eq!(ask(&through), ("v1".to_owned(), Some(FallbackCause::FlagDisabled)));
    flags.replace(compiled_flags(&serving(FLAG, "v2")));
    assert_eq!(ask(&through).0, "v2");
}

/// Users whom the flag does not mean answer by the champion, too: they are no control.
#[test]
fn where_the_flag_means_a_region_that_fails_more_its_own_users_are_the_control() {
    let (autopilot, _evidence) = at_25_percent();
    let verdict = Verdict::<f32>::builder("v2").metric(Metric::live_failures()).build().unwrap();
    let fails = |row: &[f32]| match row {
        [1.0, ..] => Err(ModelError::new("what this region asks is hard")),
        _ => Ok(1.0),
    };
    let router = ModelRouter::<[f32], f32>::builder(FLAG)
        .model("v1", model_fn(fails))
        .model("v2", model_fn(fails))
        .fallback("v1")
        .source(test_flags(
            r#"{"flags": {"ml-model-version": {"state": "ENABLED", "defaultVariant": "old",
                "variants": {"old": "v1", "new": "v2"},
                "targeting": {"if": [{"==": [{"var": "region"}, "eu"]}, "new", "old"]}}}}"#,
        ))
        .autopilot(&autopilot)
        .observer(verdict.clone())
        .build()
        .unwrap();
    until(|| autopilot.status().share == 25.0);
    verdict.enter_stage(1, 25_000);
    for n in 0..6_000 {
        // One in ten fails there, whichever version answers, and one in a thousand elsewhere.
        let (region, hard) = if n % 2 == 0 { ("eu", n % 20 == 0) } else { ("us", n % 999 == 0) };
        let row = [f32::from(u8::from(hard))];
        drop(router.predict(&Context::new(&key(n)).with("region", region), &row));
    }
    let tally = verdict.tally();
    let live = &tally.live[&1];
    assert_eq!(live.candidate.requests + live.held_back.requests, 3_000, "those of the region");
    assert_eq!(live.failures().candidate + live.failures().held_back, 300);
    let judgement = verdict.judge();
    let failures = judgement.metric("live_failures").unwrap();
    assert_ne!(failures.finding, Finding::Worse, "{}", failures.sentence);
    assert_ne!(judgement.overall, Overall::RollBack, "{judgement}");
    assert!(!judgement.health.sample_ratio.unwrap().mismatch, "{judgement}");
}

#[test]
fn a_breakers_probe_is_not_spent_on_somebody_held_back() {
    let (autopilot, _evidence) = at_25_percent();
    let clock = Arc::new(modelgate::clock::ManualClock::default());
    let router = ModelRouter::<[f32], f32>::builder(FLAG)
        .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
        .model("v2", model_fn(|_: &[f32]| Err(ModelError::new("broken"))))
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .clock(clock.clone())
        .autopilot(&autopilot)
        .build()
        .unwrap();
    until(|| autopilot.status().share == 25.0);
    let through = (0..1_000).map(key).find(|key| draw(FLAG, key) < 25_000).unwrap();
    let held = (0..1_000).map(key).find(|key| draw(FLAG, key) >= 25_000).unwrap();
    let ask = |key: &str| router.predict(&Context::new(key), &[]).unwrap().fallback();
    (0..5).for_each(|_| assert!(matches!(ask(&through), Some(FallbackCause::Failed(_)))));
    assert_eq!(ask(&through), Some(FallbackCause::BreakerOpen));
    assert_eq!(ask(&held), Some(FallbackCause::BreakerOpen), "it would have been closed to all");
    clock.advance(Duration::from_secs(30));
    assert_eq!(ask(&held), Some(FallbackCause::HeldBack));
    assert!(matches!(ask(&through), Some(FallbackCause::Failed(_))), "the probe was left");
}

#[test]
fn the_vendor_hears_of_no_exposure_of_those_held_back() {
    let (autopilot, _evidence) = at_25_percent();
    let counts = EvaluationCounts::new();
    let unleash = Unleash::new().with_evaluation_counts(&counts);
    let flags = unleash
        .compile(
            r#"{"version": 2, "features": [{"name": "use-v2", "enabled": true,
                "strategies": [{"name": "default", "parameters": {}}]}]}"#,
        )
        .unwrap();
    let router = ModelRouter::<[f32], f32>::builder(
        modelgate::Binding::switch("use-v2", "v2").otherwise("v1"),
    )
    .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
    .model("v2", model_fn(|_: &[f32]| Ok(2.0)))
    .fallback("v1")
    .source(flags)
    .autopilot(&autopilot)
    .build()
    .unwrap();
    until(|| autopilot.status().share == 25.0);
    let through = (0..400).filter(|n| draw(FLAG, &key(*n)) < 25_000).count() as u64;
    (0..400).for_each(|n| drop(router.decide(&Context::new(&key(n))).unwrap()));
    let taken = counts.take();
    assert_eq!(taken.iter().map(|one| one.count).sum::<u64>(), through, "{taken:?}");
}

#[test]
fn explain_shows_the_draw_and_the_share() {
    let (autopilot, _evidence) = at_25_percent();
    let router = router(&autopilot).source(test_flags(&serving(FLAG, "v2"))).build().unwrap();
    until(|| autopilot.status().share == 25.0);
    let held = (0..1_000).map(key).find(|key| draw(FLAG, key) >= 25_000).unwrap();
    let explained = router.explain(&Context::new(&held)).unwrap().autopilot.unwrap();
    assert!(explained.held_back && explained.below == 25_000);
    assert_eq!(explained.draw, Some(draw(FLAG, &held)));
    assert!(explained.to_string().ends_with("(25 %), v2 held back: stage 2 of 4"), "{explained}");
    router.pin("v2").unwrap();
    assert_eq!(router.explain(&Context::new(&held)).unwrap().autopilot, None);
}

#[test]
fn without_a_vendor_the_autopilot_is_the_flags_source() {
    let (autopilot, _evidence) = at_25_percent();
    let router = router(&autopilot).source(autopilot.as_source(FLAG).unwrap()).build().unwrap();
    until(|| autopilot.status().share == 25.0);
    for n in 0..200 {
        let reached = router.decide(&Context::new(&key(n))).unwrap().version() == "v2";
        assert_eq!(reached, draw(FLAG, &key(n)) < 25_000);
    }
}
