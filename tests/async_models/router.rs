//! The async router, on several executors.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use crate::asking::{FLAG, Waits, ask, builder, busy, fell_back, on_every_executor, poll_once};
use crate::support::{
    Gate, Mood, OpensAtTheEnd, PATIENCE, Puppet, flags as compiled_flags, panic_nastily,
    quiet_panics, serving, settled, test_flags,
};
use futures::{executor::block_on, future::join_all};
use modelgate::{
    BuildError, Context, FallbackCause, ModelError, ModelRouter, RouterBuilder, Shadow,
    async_model_fn,
    compare::{Tolerance, sink::MemorySink},
    model::{Acceptance, ErrorKind, LazyModel},
    model_fn,
    shadow::{Budget, DropCause},
};

#[test]
fn it_answers_on_every_executor() {
    let router = builder().model("v2", Puppet::new(2.0)).build_async().unwrap();
    on_every_executor(move || {
        let router = router.clone();
        async move {
            for _ in 0..20 {
                assert_eq!(ask(&router).await, ("v2".to_owned(), 2.5, None));
            }
            let many = join_all((0..50).map(|_| ask(&router))).await;
            assert!(many.iter().all(|answer| answer.0 == "v2"));
        }
    });
}

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
        let v2 = Puppet::new(2.0);
        v2.behave(mood);
        let router = builder().model("v2", v2).refuse_non_finite().build_async().unwrap();
        assert_eq!(block_on(ask(&router)), fell_back(kind));
        let stats = router.stats();
        let cause = FallbackCause::Failed(kind).as_str();
        let of = |version: &str| stats.versions.iter().find(|v| *v.version == *version).unwrap();
        assert_eq!((of("v2").replaced.get(cause), of("v1").answered.total()), (1, 1));
    }
    let nasty = builder().model("v2", model_fn(|_: &[f64]| panic_nastily()));
    let router = nasty.compute_threads(1).build_async().unwrap();
    for _ in 0..10 {
        assert_eq!(block_on(ask(&router)), fell_back(ErrorKind::Panicked));
    }
}

#[test]
fn an_async_model_answers_and_its_panics_are_its_failures() {
    quiet_panics();
    for fault in 0..=4 {
        let router = Arc::new(builder().async_model("v2", Waits(fault)).build_async().unwrap());
        on_every_executor(move || {
            let answer = ask(&router);
            async move {
                let expected = match fault {
                    0 => ("v2".to_owned(), 2.5, None),
                    4 => fell_back(ErrorKind::Failed),
                    _ => fell_back(ErrorKind::Panicked),
                };
                assert_eq!(answer.await, expected, "fault {fault}");
            }
        });
    }
}

/// Never ready, and panics when it is given up.
struct PanicsWhenDropped;

impl Future for PanicsWhenDropped {
    type Output = Result<f64, ModelError>;
    fn poll(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("given up, as the test asked");
    }
}

#[test]
fn a_future_that_panics_when_it_is_given_up_takes_nobody_with_it() {
    quiet_panics();
    let router = builder()
        .async_model("v2", async_model_fn(|_: &[f64]| Box::pin(PanicsWhenDropped)))
        .deadline(Duration::from_secs(1))
        .build_async()
        .unwrap();
    assert_eq!(block_on(ask(&router)), fell_back(ErrorKind::Deadline));
    // By a caller who has gone, too.
    drop(router.predict(&Context::new("user-1"), vec![0.5]));
}

#[test]
fn an_async_model_runs_in_the_shadow_as_well() {
    quiet_panics();
    // A detached candidate is left alone after three panics in a row.
    for (policy, panics) in [(Shadow::always(), 3), (Shadow::always().joined(), 10)] {
        let sink = Arc::new(MemorySink::new(100));
        let router = ModelRouter::<[f64], f64>::builder(FLAG)
            .model("v1", Puppet::new(1.0))
            .async_model("v2", Waits(0))
            .async_model("v3", Waits(1))
            .async_model("v4", Waits(3))
            .fallback("v1")
            .source(test_flags(&serving(FLAG, "v1")))
            .shadow(
                policy.candidate("v2").candidate("v3").candidate("v4").budget(Budget::unlimited()),
            )
            .compare(Tolerance::absolute(0.5))
            .sink(sink.clone())
            .build_async()
            .unwrap();
        for _ in 0..10 {
            assert_eq!(block_on(ask(&router)), ("v1".to_owned(), 1.5, None));
            assert!(router.flush(PATIENCE));
        }
        let stats = router.stats();
        assert_eq!(settled(&stats, "v2").disagreed(), 10);
        assert_eq!(settled(&stats, "v3").dropped(DropCause::Panic), panics);
        assert_eq!(settled(&stats, "v4").dropped(DropCause::Panic), panics);
        assert_eq!(sink.len() as u64, 10 + 2 * panics);
    }
}

#[test]
fn shadows_of_requests_without_an_answer_are_wanted_and_dropped_as_unanswered() {
    for joined in [true, false] {
        let gate = Gate::new();
        let _open = OpensAtTheEnd(gate.clone());
        let waits = gate.clone();
        let shadow = modelgate::Shadow::always().candidate("v2").budget(Budget::unlimited());
        let router = ModelRouter::<[f32], &'static str>::builder("m")
            .model(
                "v1",
                model_fn(move |_: &[f32]| {
                    waits.pass();
                    Ok("v1")
                }),
            )
            .model("v2", model_fn(|_: &[f32]| Ok("v2")))
            .fallback("v1")
            .source(modelgate::Rollout::everyone("v1").flag("m").unwrap())
            .shadow(if joined { shadow.joined() } else { shadow })
            .compute_threads(1)
            .compute_queue(1)
            .build_async()
            .unwrap();
        let context = Context::new("user-1");
        let ask = || Box::pin(router.predict(&context, vec![]));
        let mut running = ask();
        assert!(poll_once(&mut running).is_pending());
        gate.wait_for(1);
        let mut given_up = ask();
        assert!(poll_once(&mut given_up).is_pending());
        assert!(block_on(ask()).unwrap_err().is_overloaded());
        drop(given_up);
        gate.open();
        assert!(block_on(running).is_ok());
        assert!(router.flush(PATIENCE));
        let counts = router.stats().shadows[0].candidates[0].clone();
        assert_eq!((counts.wanted(), counts.completed()), (3, 1), "{counts:?}");
        assert_eq!(counts.dropped(DropCause::Unanswered), 2, "{counts:?}");
    }
}

#[test]
fn dropping_the_router_leaves_running_requests_their_answers() {
    let (router, gate, running) = busy(8);
    let _open = OpensAtTheEnd(gate.clone());
    let waiting = ask(&router);
    drop(router);
    gate.open();
    assert_eq!(block_on(running).0, "v1");
    assert_eq!(block_on(waiting).0, "v1");
}

#[test]
fn the_decision_is_taken_when_the_request_is_made() {
    let source = test_flags(&serving(FLAG, "v2"));
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model("v2", Puppet::new(2.0))
        .fallback("v1")
        .source(source.clone())
        .build_async()
        .unwrap();
    let before = ask(&router);
    source.replace(compiled_flags(&serving(FLAG, "v1")));
    router.retire("v2").unwrap();
    assert_eq!(block_on(before), ("v2".to_owned(), 2.5, None));
    assert_eq!(block_on(ask(&router)).0, "v1");
}

#[test]
fn joined_shadows_run_beside_the_primary_and_a_full_pool_is_their_loss_alone() {
    let sink = Arc::new(MemorySink::new(10_000));
    let v2 = Puppet::new(2.0);
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .async_model("v1", async_model_fn(|_: &[f64]| Box::pin(async { Ok(1.0) })))
        .model("v2", v2.clone())
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v1")))
        .shadow(Shadow::always().candidate("v2").joined().queue(1_000).budget(Budget::unlimited()))
        .sink(sink.clone())
        .compute_threads(1)
        .compute_queue(1)
        .build_async()
        .unwrap();
    let answers = block_on(join_all((0..200).map(|_| ask(&router))));
    assert!(answers.iter().all(|answer| (&*answer.0, answer.1) == ("v1", 1.0)));
    assert!(router.flush(PATIENCE));
    let counts = settled(&router.stats(), "v2");
    assert_eq!(counts.wanted(), 200);
    assert_eq!(counts.dropped_in_all(), counts.dropped(DropCause::QueueFull));
    assert!(counts.completed() > 0);
    assert_eq!((sink.len() as u64, v2.calls()), (counts.completed(), counts.completed()));
}

#[test]
fn other_tasks_go_on_while_eight_clients_keep_a_slow_model_busy() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let router = builder()
        .model(
            "v2",
            model_fn(move |_: &[f64]| {
                sleeps.pass();
                Ok(2.0)
            }),
        )
        .compute_threads(2)
        .build_async()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let clients: Vec<_> = (0..8).map(|_| tokio::spawn(ask(&router))).collect();
        let waiting = gate.clone();
        tokio::task::spawn_blocking(move || waiting.wait_for(2)).await.unwrap();
        // Both compute threads stand at the gate; each worker of the runtime still turns.
        let beats: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn(async {
                    for _ in 0..1_000 {
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for beat in beats {
            beat.await.unwrap();
        }
        assert_eq!(gate.arrived(), 2);
        gate.open();
        for client in clients {
            assert_eq!(client.await.unwrap().0, "v2");
        }
    });
}

#[test]
fn an_async_version_may_be_checked_while_an_executor_runs() {
    // `futures` refuses to run its executor inside itself; a check must not.
    block_on(async {
        let router = builder()
            .async_model("v2", Waits(0))
            .check("v2", Acceptance::new().probe([0.5]))
            .build_async()
            .unwrap();
        assert_eq!(ask(&router).await, ("v2".to_owned(), 2.5, None));
    });
}

#[test]
fn a_version_may_be_loaded_later() {
    let lazy = LazyModel::new(|| Ok::<_, std::io::Error>(Puppet::new(2.0)));
    let router = builder()
        .model("v2", lazy)
        .async_model("v3", Waits(0))
        .check("v2", Acceptance::new().probe([0.5]))
        .build_async()
        .unwrap();
    assert_eq!(block_on(ask(&router)).2, Some(FallbackCause::Ineligible));
    router.load("v2").unwrap();
    router.load("v3").unwrap();
    assert!(router.load("v9").is_err());
    assert_eq!(block_on(ask(&router)), ("v2".to_owned(), 2.5, None));
}

#[test]
fn what_cannot_work_is_refused_and_never_panics() {
    let field = |builder: RouterBuilder<[f64], f64>| match builder.build_async().unwrap_err() {
        BuildError::Setting { field, .. } => field,
        other => panic!("{other:?}"),
    };
    let sound = || builder().model("v2", Puppet::new(2.0));
    for threads in [0, usize::MAX] {
        assert_eq!(field(sound().compute_threads(threads)), "compute_threads");
    }
    for queue in [0, usize::MAX] {
        assert_eq!(field(sound().compute_queue(queue)), "compute_queue");
    }
    assert_eq!(field(sound().deadline(Duration::ZERO)), "deadline");
    let patient = sound().deadline(Duration::MAX).build_async().unwrap();
    assert_eq!(block_on(ask(&patient)).0, "v2");
}
