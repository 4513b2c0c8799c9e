//! What operators do while the router runs.

use super::*;

#[test]
fn operators_pin_and_block_above_every_flag() {
    let (v1, v2) = puppets();
    let router = builder(&v1, &v2).source(test_flags(&serving(FLAG, "v2"))).build().unwrap();
    let user = Context::new("user-1");
    let ask = || {
        let answer = router.predict(&user, &[]).unwrap();
        (answer.version().to_string(), answer.reason(), answer.fallback())
    };
    router.pin("v1").unwrap();
    assert_eq!(ask(), ("v1".into(), Reason::Pinned, None));
    router.unpin();
    router.block("v2").unwrap();
    assert_eq!(ask(), ("v1".into(), Reason::Static, Some(FallbackCause::Blocked)));
    assert_eq!(router.stats().versions[1].state, VersionState::Blocked);
    router.unblock("v2").unwrap();
    assert_eq!(ask(), ("v2".into(), Reason::Static, None));
    assert_eq!(router.pin("v9"), Err(OperateError::UnknownVersion("v9".into())));
    assert_eq!(router.block("v1"), Err(OperateError::IsFallback("v1".into())));
    assert_eq!(router.retire("v1"), Err(OperateError::IsFallback("v1".into())));
}

#[test]
fn versions_come_and_go_while_the_router_runs_and_the_old_model_is_freed() {
    let (v1, v2) = puppets();
    let held = Arc::new(());
    let watched: Weak<()> = Arc::downgrade(&held);
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", v1)
        .model("v2", model_fn(move |_: &[f64]| Ok(Arc::strong_count(&held) as f64)))
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .build()
        .unwrap();
    let user = Context::new("user-1");
    assert_eq!(*router.predict(&user, &[]).unwrap().output(), 1.0);

    router.install("v2", v2, &Acceptance::new()).unwrap();
    assert_eq!(*router.predict(&user, &[]).unwrap().output(), 2.0);
    // On a thread of its own, and soon.
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while watched.upgrade().is_some() {
        assert!(std::time::Instant::now() < until, "the old model is freed after its last user");
        std::thread::yield_now();
    }

    router.retire("v2").unwrap();
    let answer = router.predict(&user, &[]).unwrap();
    assert_eq!(answer.fallback(), Some(FallbackCause::UnknownVersion));

    router.install("v2", Puppet::new(20.0), &Acceptance::new()).unwrap();
    assert_eq!(*router.predict(&user, &[]).unwrap().output(), 20.0);
}

#[test]
fn a_version_that_did_not_load_does_not_stop_the_service() {
    let (v1, v2) = puppets();
    let missing = || std::fs::read("no such model.onnx").map(|_| Puppet::new(2.0));
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", v1)
        .try_model("v2", missing())
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .build()
        .unwrap();
    let user = Context::new("user-1");
    let answer = router.predict(&user, &[]).unwrap();
    assert_eq!(
        (answer.version().as_str(), answer.fallback()),
        ("v1", Some(FallbackCause::Ineligible))
    );
    assert!(matches!(&router.stats().versions[1].state, VersionState::Ineligible { .. }));

    router.install("v2", v2, &Acceptance::new()).unwrap();
    assert_eq!(router.predict(&user, &[]).unwrap().version(), "v2");

    let refused = ModelRouter::<[f64], f64>::builder(FLAG)
        .try_model("v1", missing())
        .fallback("v1")
        .build()
        .unwrap_err();
    assert!(matches!(refused, BuildError::FallbackIneligible { .. }), "{refused}");
}
