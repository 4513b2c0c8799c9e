//! A version that fails: who answers instead, and when it is left alone.

use super::*;

#[test]
fn a_version_that_misbehaves_is_replaced_in_the_same_request() {
    quiet_panics();
    let moods = [
        (Mood::Errors, ErrorKind::Failed),
        (Mood::Panics, ErrorKind::Panicked),
        (Mood::AnswersNaN, ErrorKind::NonFinite),
        (Mood::RefusesInput, ErrorKind::InvalidInput),
    ];
    for (mood, kind) in moods {
        let (v1, v2) = puppets();
        let router = builder(&v1, &v2)
            .source(test_flags(&serving(FLAG, "v2")))
            .refuse_non_finite()
            .build()
            .unwrap();
        v2.behave(mood);
        let answer = router.predict(&Context::new("user-1"), &[0.25]).unwrap();
        assert_eq!((answer.version().as_str(), *answer.output()), ("v1", 1.25), "{mood:?}");
        assert_eq!(answer.fallback(), Some(FallbackCause::Failed(kind)));
        let stats = router.stats();
        let [of_v1, of_v2] = stats.versions.as_slice() else { panic!("{stats:?}") };
        assert_eq!(of_v2.replaced.get(FallbackCause::Failed(kind).as_str()), 1);
        assert_eq!((of_v2.answered.total(), of_v1.answered.total()), (0, 1));
        let counted = [of_v2.errors, of_v2.panics, of_v2.non_finite, of_v2.invalid_inputs]
            .iter()
            .sum::<u64>();
        assert_eq!(counted, 1, "{mood:?}: {of_v2:?}");
    }
}

#[test]
fn when_the_fallback_fails_too_the_error_names_both() {
    quiet_panics();
    let (v1, v2) = puppets();
    let router = builder(&v1, &v2).source(test_flags(&serving(FLAG, "v2"))).build().unwrap();
    v1.behave(Mood::RefusesInput);
    v2.behave(Mood::Panics);
    let error = router.predict(&Context::new("user-1"), &[]).unwrap_err();
    assert_eq!(error.version().unwrap(), "v1");
    assert!(error.is_invalid_input());
    assert_eq!(error.first_error().unwrap().kind(), ErrorKind::Panicked);
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "features: found these, expected others"
    );
}

#[test]
fn a_version_that_keeps_failing_is_left_alone_and_tried_again() {
    let (v1, v2) = puppets();
    let clock = Arc::new(ManualClock::default());
    let router = builder(&v1, &v2)
        .source(test_flags(&serving(FLAG, "v2")))
        .breaker(BreakerPolicy::new(3, Duration::from_secs(30)))
        .clock(clock.clone())
        .build()
        .unwrap();
    let ask = || router.predict(&Context::new("user-1"), &[]).unwrap().fallback();
    v2.behave(Mood::Errors);
    for _ in 0..3 {
        assert_eq!(ask(), Some(FallbackCause::Failed(ErrorKind::Failed)));
    }
    assert_eq!(ask(), Some(FallbackCause::BreakerOpen));
    assert_eq!(v2.calls(), 3);
    assert_eq!(router.stats().versions[1].state, VersionState::BreakerOpen);

    clock.advance(Duration::from_secs(30));
    assert_eq!(router.decide(&Context::new("user-1")).unwrap().version(), "v2");
    assert_eq!(ask(), Some(FallbackCause::Failed(ErrorKind::Failed)), "the probe");
    assert_eq!(ask(), Some(FallbackCause::BreakerOpen));
    v2.behave(Mood::Answers);
    clock.advance(Duration::from_secs(30));
    assert_eq!((ask(), ask()), (None, None));
}

#[test]
fn wrong_input_never_opens_the_breaker() {
    let (v1, v2) = puppets();
    let router = builder(&v1, &v2)
        .source(test_flags(&serving(FLAG, "v2")))
        .breaker(BreakerPolicy::new(1, Duration::from_secs(30)))
        .build()
        .unwrap();
    v2.behave(Mood::RefusesInput);
    for _ in 0..10 {
        router.predict(&Context::new("user-1"), &[]).unwrap();
    }
    assert_eq!(v2.calls(), 10);
}
