//! Versions that are retired or blocked while the router lives on.

use super::*;

#[test]
fn a_retired_version_keeps_no_idle_thread_and_no_model_though_requests_are_under_way() {
    let _alone = alone();
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let waits = gate.clone();
    let slow = model_fn(move |_: &[f64]| {
        waits.pass();
        Ok(1.0)
    });
    let router = builder(model_fn(move |_: &[f64]| Ok(Arc::strong_count(&held) as f64)))
        .model("v3", slow)
        .source(test_flags(&serving(FLAG, "v2")))
        .compute_threads(1)
        .build_async()
        .unwrap();
    let user = Context::new("user-1");
    futures::executor::block_on(router.predict(&user, vec![])).unwrap();
    router.pin("v3").unwrap();
    let under_way = {
        let router = router.clone();
        thread::spawn(move || {
            let user = Context::new("user-1");
            futures::executor::block_on(router.predict(&user, vec![])).map(drop).unwrap();
        })
    };
    gate.wait_for(1);
    let lingering = || our_threads().iter().filter(|name| *name == "modelgate-compu").count();
    until("all three have begun", || lingering() == 3);
    router.retire("v2").unwrap();
    // That of v2 ends; those of the fallback and of the version under way stay.
    until("the idle thread of v2 ends", || lingering() == 2);
    gate.open();
    under_way.join().unwrap();
    until("the model of v2 is freed", || Arc::strong_count(&alive) == 1);
    drop(router);
    nothing_runs();
}

#[test]
fn a_blocked_version_keeps_no_idle_thread_and_has_them_again_when_it_is_not() {
    let _alone = alone();
    let router = builder(Puppet::new(2.0))
        .source(test_flags(&serving(FLAG, "v2")))
        .compute_threads(1)
        .build_async()
        .unwrap();
    let ask = || {
        let answer = router.predict(&Context::new("user-1"), vec![]);
        futures::executor::block_on(answer).unwrap().version().to_string()
    };
    let lingering = || our_threads().iter().filter(|name| *name == "modelgate-compu").count();
    assert_eq!(ask(), "v2");
    until("those of v1 and v2 have begun", || lingering() == 2);
    router.block("v2").unwrap();
    until("that of v2 ends", || lingering() == 1);
    assert_eq!(ask(), "v1");
    router.unblock("v2").unwrap();
    assert_eq!(ask(), "v2");
    until("v2 has a thread again", || lingering() == 2);
    drop(router);
    nothing_runs();
}
