//! Several fallback versions: asked in order, by single requests, by batches and by the async router.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use modelgate::{
    BuildError, Context, EvaluationContext, FallbackCause, ModelError, ModelRouter, Rollout,
    RouterBuilder,
    clock::ManualClock,
    model::ErrorKind,
    model_fn,
    router::{BreakerPolicy, OperateError, stats::VersionState},
};

/// Which versions work.
#[derive(Clone, Default)]
struct Broken(Arc<[AtomicBool; 3]>);

impl Broken {
    fn set(&self, version: usize, broken: bool) {
        self.0[version].store(broken, Ordering::SeqCst);
    }

    fn model(&self, version: usize) -> impl modelgate::Model<[f32], usize> + use<> {
        let broken = self.clone();
        model_fn(move |_: &[f32]| match broken.0[version].load(Ordering::SeqCst) {
            true => Err(ModelError::of_kind(ErrorKind::Failed, format!("v{version} is broken"))),
            false => Ok(version),
        })
    }
}

fn builder(broken: &Broken, serving: &str) -> RouterBuilder<[f32], usize> {
    ModelRouter::builder("m")
        .model("v2", broken.model(2))
        .model("v1", broken.model(1))
        .model("v0", broken.model(0))
        .fallback("v1")
        .fallback("v0")
        .source(Rollout::everyone(serving).flag("m").unwrap())
        .breaker(BreakerPolicy::new(3, Duration::from_secs(30)))
}

fn asked(router: &ModelRouter<[f32], usize>) -> usize {
    *router.predict(&Context::new("u"), &[0.0]).unwrap().output()
}

#[test]
fn a_broken_baseline_leaves_the_next_to_answer() {
    let broken = Broken::default();
    let router = builder(&broken, "v2").build().unwrap();
    assert_eq!(asked(&router), 2);
    broken.set(2, true);
    assert_eq!(asked(&router), 1);
    broken.set(1, true);
    let answer = router.predict(&Context::new("u"), &[0.0]).unwrap();
    assert_eq!((*answer.output(), answer.version().as_str()), (0, "v0"));
    assert_eq!(answer.fallback(), Some(FallbackCause::Failed(ErrorKind::Failed)));
    broken.set(0, true);
    let error = router.predict(&Context::new("u"), &[0.0]).unwrap_err();
    assert_eq!(error.first_error().unwrap().to_string(), "v2 is broken");
    assert_eq!(error.version().unwrap(), "v0");
    assert_eq!(error.model_error().unwrap().to_string(), "v0 is broken");
}

#[test]
fn a_baseline_that_keeps_failing_is_left_alone_like_any_other_and_the_last_never() {
    let (broken, clock) = (Broken::default(), Arc::new(ManualClock::default()));
    let router = builder(&broken, "nobody-registered").clock(Arc::clone(&clock) as _);
    let router = router.build().unwrap();
    assert_eq!(asked(&router), 1);
    broken.set(1, true);
    (0..3).for_each(|_| assert_eq!(asked(&router), 0));
    let decision = router.decide(&Context::new("u")).unwrap();
    assert_eq!(
        (decision.version().as_str(), decision.fallback()),
        ("v0", Some(FallbackCause::BreakerOpen))
    );
    broken.set(1, false);
    assert_eq!(asked(&router), 0, "v1 rests");
    clock.advance(Duration::from_secs(31));
    assert_eq!(asked(&router), 1);

    broken.set(0, true);
    broken.set(1, true);
    for _ in 0..10 {
        router.predict(&Context::new("u"), &[0.0]).unwrap_err();
    }
    let stats = router.stats();
    let last = stats.versions.iter().find(|stats| stats.version == *"v0").unwrap();
    assert_eq!((last.state.clone(), last.errors), (VersionState::Eligible, 10));
}

#[test]
fn a_batch_takes_each_row_as_far_as_it_must() {
    let broken = Broken::default();
    let router = builder(&broken, "v2").build().unwrap();
    broken.set(2, true);
    broken.set(1, true);
    let context = Context::new("u");
    let rows: Vec<(&dyn EvaluationContext, &[f32])> = vec![(&context, &[0.0]); 3];
    for answer in router.predict_batch(&rows) {
        assert_eq!(answer.unwrap().version(), "v0");
    }
    broken.set(0, true);
    for answer in router.predict_batch(&rows) {
        let error = answer.unwrap_err();
        // The breakers of v2 and v1 have opened: only the last is asked.
        assert_eq!(error.version().unwrap(), "v0");
    }
}

#[cfg(feature = "async")]
#[test]
fn the_async_router_asks_them_in_the_same_order() {
    let broken = Broken::default();
    let router = builder(&broken, "v2").build_async().unwrap();
    let ask = || futures::executor::block_on(router.predict(&Context::new("u"), vec![0.0]));
    broken.set(2, true);
    assert_eq!(ask().unwrap().version(), "v1");
    broken.set(1, true);
    assert_eq!(ask().unwrap().version(), "v0");
    broken.set(0, true);
    let error = ask().unwrap_err();
    assert_eq!(error.first_error().unwrap().to_string(), "v2 is broken");

    broken.set(0, false);
    let contexts = [Context::new("u"), Context::new("u")];
    let rows = contexts.iter().map(|context| (context as &dyn EvaluationContext, vec![0.0]));
    for answer in futures::executor::block_on(router.predict_batch(rows.collect())) {
        assert_eq!(answer.unwrap().version(), "v0");
    }
}

#[test]
fn operators_may_block_a_fallback_but_the_last_and_retire_none() {
    let router = builder(&Broken::default(), "nobody-registered").build().unwrap();
    router.block("v1").unwrap();
    assert_eq!(asked(&router), 0);
    assert_eq!(router.block("v0"), Err(OperateError::IsFallback("v0".into())));
    assert_eq!(router.retire("v1"), Err(OperateError::IsFallback("v1".into())));
    router.unblock("v1").unwrap();
    assert_eq!(asked(&router), 1);
}

#[test]
fn only_the_last_must_be_able_to_answer_when_the_router_is_built() {
    let broken = Broken::default();
    let missing = || {
        Err::<modelgate::model::FnModel<fn(&[f32]) -> Result<usize, ModelError>>, _>(
            ModelError::new("no file"),
        )
    };
    let two = |first, last| {
        ModelRouter::<[f32], usize>::builder("m")
            .try_model("v1", missing())
            .model("v0", broken.model(0))
            .fallback(first)
            .fallback(last)
            .source(Rollout::everyone("v1").flag("m").unwrap())
            .build()
    };
    assert_eq!(asked(&two("v1", "v0").unwrap()), 0);
    assert!(matches!(two("v0", "v1"), Err(BuildError::FallbackIneligible { .. })));
    assert!(matches!(two("v0", "v0"), Err(BuildError::RepeatedFallback(_))));
    assert!(matches!(two("v0", "v9"), Err(BuildError::UnknownVersion { field: "fallback", .. })));
}
