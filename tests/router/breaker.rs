//! Breakers: a version that keeps failing rests, for its time and no longer.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use modelgate::{
    Context, FallbackCause, ModelError, ModelRouter, Rollout,
    clock::{Clock, ManualClock},
    model::ErrorKind,
    model_fn,
    router::{BreakerPolicy, stats::VersionState},
};

type Router = ModelRouter<[f32], f32>;

/// Fails on negative numbers, refuses NaN, answers others.
fn moody(features: &[f32]) -> Result<f32, ModelError> {
    match features.first() {
        Some(number) if number.is_nan() => {
            Err(ModelError::of_kind(ErrorKind::InvalidInput, "not a number"))
        }
        Some(number) if *number < 0.0 => Err(ModelError::new("negative")),
        _ => Ok(2.0),
    }
}

fn router(clock: Arc<dyn Clock>, serving: &str, failures: u32) -> Router {
    ModelRouter::builder("m")
        .model("v1", model_fn(moody))
        .model("v2", model_fn(moody))
        .fallback("v1")
        .source(Rollout::everyone(serving).flag("m").unwrap())
        .breaker(BreakerPolicy::new(failures, Duration::from_secs(30)))
        .clock(clock)
        .build()
        .unwrap()
}

fn version_of(router: &Router, features: &[f32]) -> String {
    router.predict(&Context::new("u"), features).unwrap().version().to_string()
}

fn state_of(router: &Router, version: &str) -> VersionState {
    let stats = router.stats();
    stats.versions.iter().find(|stats| stats.version == *version).unwrap().state.clone()
}

/// A clock that, when it is armed and read, runs something first: between the steps of whoever
/// reads it.
#[derive(Default)]
struct Interrupting {
    armed: AtomicBool,
    seconds: AtomicU64,
    interruption: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl std::fmt::Debug for Interrupting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interrupting")
    }
}

impl Clock for Interrupting {
    fn monotonic(&self) -> Duration {
        if self.armed.swap(false, Ordering::SeqCst)
            && let Some(interruption) = self.interruption.get()
        {
            interruption();
        }
        Duration::from_secs(self.seconds.load(Ordering::SeqCst))
    }

    fn unix(&self) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn a_success_between_the_steps_of_a_failure_leaves_no_healthy_version_out_for_good() {
    let clock = Arc::new(Interrupting::default());
    let router = router(Arc::clone(&clock) as _, "v2", 2);
    let other = router.clone();
    let interruption = move || assert_eq!(version_of(&other, &[1.0]), "v2");
    assert!(clock.interruption.set(Box::new(interruption)).is_ok());

    router.predict(&Context::new("u"), &[-1.0]).unwrap_err();
    clock.armed.store(true, Ordering::SeqCst);
    let _ = router.predict(&Context::new("u"), &[-1.0]);
    // From here on v2 answers everything. It may rest once, not for good.
    let answers = (0..10).map(|_| {
        clock.seconds.fetch_add(31, Ordering::SeqCst);
        version_of(&router, &[1.0])
    });
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers.last().map(AsRef::as_ref), Some("v2"));
    assert_eq!(state_of(&router, "v2"), VersionState::Eligible);
}

#[test]
fn the_last_fallback_is_never_reported_as_resting_and_never_rests() {
    let clock = Arc::new(ManualClock::default());
    let router = router(clock, "v1", 2);
    for _ in 0..5 {
        let refused = router.predict(&Context::new("u"), &[-1.0]).unwrap_err();
        assert_eq!(refused.version().unwrap(), "v1");
    }
    assert_eq!(state_of(&router, "v1"), VersionState::Eligible);
    assert_eq!(version_of(&router, &[1.0]), "v1");
}

#[test]
fn calls_from_before_the_rest_do_not_end_it() {
    for (kind, late) in [("an invalid input", f32::NAN), ("a success", 1.0)] {
        let clock = Arc::new(ManualClock::default());
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let held = Mutex::new(Some((begun, may_go_on)));
        let router: Router = ModelRouter::builder("m")
            .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
            .model(
                "v2",
                model_fn(move |features: &[f32]| {
                    // The second feature says: wait.
                    if features.len() == 2
                        && let Some((begun, may_go_on)) = held.lock().unwrap().take()
                    {
                        begun.send(()).unwrap();
                        may_go_on.recv().unwrap();
                    }
                    moody(features)
                }),
            )
            .fallback("v1")
            .source(Rollout::everyone("v2").flag("m").unwrap())
            .breaker(BreakerPolicy::new(3, Duration::from_secs(30)))
            .clock(Arc::clone(&clock) as _)
            .build()
            .unwrap();
        let old = router.clone();
        let old = thread::spawn(move || {
            let _ = old.predict(&Context::new("u"), &[late, 0.0]);
        });
        has_begun.recv().unwrap();
        for _ in 0..3 {
            assert_eq!(version_of(&router, &[-1.0]), "v1");
        }
        clock.advance(Duration::from_millis(1));
        go_on.send(()).unwrap();
        old.join().unwrap();
        let decision = router.decide(&Context::new("u")).unwrap();
        assert_eq!(decision.fallback(), Some(FallbackCause::BreakerOpen), "{kind} ended the rest");
        clock.advance(Duration::from_secs(30));
        assert_eq!(version_of(&router, &[1.0]), "v2");
        assert_eq!(state_of(&router, "v2"), VersionState::Eligible);
    }
}
