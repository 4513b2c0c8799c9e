//! Whose pairs are scored, and how often.

use super::*;

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
    let guide = include_str!("../../../src/guide/verdict.md");
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
