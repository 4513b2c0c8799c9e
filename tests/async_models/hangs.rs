//! Versions that hang on the async router: they cost their own threads and nobody else's.
use crate::{asking::poll_once, support};

use std::{future::Future, time::Duration};

use futures::{executor::block_on, future::join_all};
use modelgate::testing::TestFlags;
use modelgate::{
    AsyncModelRouter, Context, FallbackCause, ModelRouter, RouterBuilder,
    model::ErrorKind,
    model_fn,
    router::{
        BreakerPolicy,
        stats::{VersionState, VersionStats},
    },
};
use support::{Gate, OpensAtTheEnd, Puppet, flags as compiled_flags, serving, test_flags, until};

const FLAG: &str = "ml-model-version";
/// Of a call. The fallback is called anew and has as long: enough for a machine that is busy.
const DEADLINE: Duration = Duration::from_millis(500);
/// Calls at once, and threads of a version: those that hang pass their deadlines together.
const AT_ONCE: usize = 8;
/// Threads of a version that may be written off, as `RouterBuilder::deadline` says.
const WRITTEN_OFF: usize = 32;

type Router = AsyncModelRouter<[f64], f64>;

/// v1 answers; v2, to which the flags send everybody, hangs at the gate.
fn builder(gate: &Gate, source: TestFlags) -> RouterBuilder<[f64], f64> {
    let hangs = gate.clone();
    ModelRouter::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model(
            "v2",
            model_fn(move |_: &[f64]| {
                hangs.pass();
                Ok(2.0)
            }),
        )
        .fallback("v1")
        .source(source)
        .breaker(BreakerPolicy::disabled())
}

fn ask(router: &Router) -> impl Future<Output = (String, Option<FallbackCause>)> + Send + use<> {
    let answer = router.predict(&Context::new("user-1"), vec![0.5]);
    async move {
        let answer = answer.await.expect("the fallback answers");
        (answer.version().to_string(), answer.fallback())
    }
}

fn asked_at_once(gate: &Gate) -> Router {
    builder(gate, test_flags(&serving(FLAG, "v2")))
        .compute_threads(AT_ONCE)
        .deadline(DEADLINE)
        .build_async()
        .unwrap()
}

fn ask_at_once(router: &Router) -> Vec<(String, Option<FallbackCause>)> {
    block_on(join_all((0..AT_ONCE).map(|_| ask(router))))
}

fn stats_of(router: &Router, version: &str) -> VersionStats {
    let stats = router.stats();
    stats.versions.into_iter().find(|stats| stats.version == *version).unwrap()
}

#[test]
fn a_version_that_hangs_never_takes_the_fallback_with_it_however_often_it_is_probed() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let router = asked_at_once(&gate);
    let mut refused = 0;
    for (version, cause) in (0..20).flat_map(|_| ask_at_once(&router)) {
        assert_eq!(version, "v1");
        refused += usize::from(cause == Some(FallbackCause::Failed(ErrorKind::Overloaded)));
    }
    // What it may hold is bounded; beyond that it is not even asked.
    assert!(gate.arrived() <= AT_ONCE + WRITTEN_OFF, "{}", gate.arrived());
    assert!(refused > 0);
    router.block("v2").unwrap();
    assert_eq!(block_on(ask(&router)), ("v1".to_owned(), Some(FallbackCause::Blocked)));
    router.retire("v2").unwrap();
    assert_eq!(block_on(ask(&router)), ("v1".to_owned(), Some(FallbackCause::UnknownVersion)));
}

#[test]
fn a_version_whose_hung_calls_come_back_is_asked_again() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let router = asked_at_once(&gate);
    let overloaded = Some(FallbackCause::Failed(ErrorKind::Overloaded));
    until("v2 is refused", || ask_at_once(&router).iter().any(|(_, cause)| *cause == overloaded));
    gate.open();
    until("v2 answers", || block_on(ask(&router)).0 == "v2");
}

#[test]
fn callers_that_leave_a_hung_version_cost_a_healthy_one_nothing() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let source = test_flags(&serving(FLAG, "v2"));
    let router = builder(&gate, source.clone())
        .compute_threads(2)
        .deadline(Duration::from_secs(20))
        .build_async()
        .unwrap();
    for hung in 1..=6 {
        let mut leaves = Box::pin(ask(&router));
        assert!(poll_once(&mut leaves).is_pending());
        gate.wait_for(hung.min(2));
        drop(leaves);
    }
    router.block("v2").unwrap();
    source.replace(compiled_flags(&serving(FLAG, "v1")));
    for _ in 0..10 {
        assert_eq!(block_on(ask(&router)), ("v1".to_owned(), None));
    }
}

#[test]
fn a_call_whose_caller_has_left_counts_at_its_deadline_and_its_thread_is_replaced() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let router = builder(&gate, test_flags(&serving(FLAG, "v2")))
        .compute_threads(1)
        .deadline(Duration::from_millis(50))
        .breaker(BreakerPolicy::new(2, Duration::from_secs(3_600)))
        .build_async()
        .unwrap();
    for hung in 1..=2 {
        let mut leaves = Box::pin(ask(&router));
        assert!(poll_once(&mut leaves).is_pending());
        // The second runs on the thread that stands in for the first's.
        gate.wait_for(hung);
        drop(leaves);
        until("the call is counted", || stats_of(&router, "v2").deadlines == hung as u64);
    }
    assert_eq!(stats_of(&router, "v2").state, VersionState::BreakerOpen);
    assert_eq!(block_on(ask(&router)), ("v1".to_owned(), Some(FallbackCause::BreakerOpen)));
}

#[test]
fn a_version_without_room_leaves_the_request_to_the_fallback() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let router = builder(&gate, test_flags(&serving(FLAG, "v2")))
        .compute_threads(1)
        .compute_queue(1)
        .build_async()
        .unwrap();
    let mut running = Box::pin(ask(&router));
    assert!(poll_once(&mut running).is_pending());
    gate.wait_for(1);
    let mut waiting = Box::pin(ask(&router));
    assert!(poll_once(&mut waiting).is_pending());
    let overloaded = Some(FallbackCause::Failed(ErrorKind::Overloaded));
    assert_eq!(block_on(ask(&router)), ("v1".to_owned(), overloaded));
    gate.open();
    assert_eq!((block_on(running).0, block_on(waiting).0), ("v2".to_owned(), "v2".to_owned()));
    assert_eq!(stats_of(&router, "v2").service_time.count, 2, "a refusal is no call");
}

#[test]
fn blocking_a_hung_version_frees_those_who_wait_for_its_threads() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let router =
        builder(&gate, test_flags(&serving(FLAG, "v2"))).compute_threads(1).build_async().unwrap();
    let mut running = Box::pin(ask(&router));
    assert!(poll_once(&mut running).is_pending());
    gate.wait_for(1);
    let mut waiting = Box::pin(ask(&router));
    assert!(poll_once(&mut waiting).is_pending());
    router.block("v2").unwrap();
    assert_eq!(block_on(waiting).0, "v1");
    router.unblock("v2").unwrap();
    gate.open();
    assert_eq!(block_on(running).0, "v2");
    assert_eq!(block_on(ask(&router)).0, "v2");
}
