//! The async router, on several executors.
use crate::support;

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context as TaskContext, Poll, Waker},
    time::Duration,
};

use futures::{channel::oneshot, executor::block_on, future::join_all};
use modelgate::{
    AsyncModel, AsyncModelRouter, BuildError, Context, FallbackCause, ModelError, ModelRouter,
    RouterBuilder, Shadow, async_model_fn,
    compare::{Tolerance, sink::MemorySink},
    model::{Acceptance, ErrorKind, LazyModel, PredictFuture},
    model_fn,
    router::BreakerPolicy,
    shadow::{Budget, DropCause},
};
use parking_lot::Mutex;
use support::{
    Gate, Mood, OpensAtTheEnd, PATIENCE, Puppet, flags as compiled_flags, panic_nastily,
    quiet_panics, serving, settled, test_flags, until,
};

const FLAG: &str = "ml-model-version";

type Router = AsyncModelRouter<[f64], f64>;

/// v1 answers 1.0 plus the features and is the fallback; flags send everybody to v2.
fn builder() -> RouterBuilder<[f64], f64> {
    ModelRouter::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .breaker(BreakerPolicy::disabled())
}

/// The request as a future that borrows nothing.
fn ask(
    router: &Router,
) -> impl Future<Output = (String, f64, Option<FallbackCause>)> + Send + use<> {
    let key = "user-1".to_owned();
    let answer = router.predict(&Context::new(&key), vec![0.5]);
    async move {
        let answer = answer.await.unwrap();
        (answer.version().to_string(), *answer.output(), answer.fallback())
    }
}

fn fell_back(kind: ErrorKind) -> (String, f64, Option<FallbackCause>) {
    ("v1".to_owned(), 1.5, Some(FallbackCause::Failed(kind)))
}

/// Runs the same on each executor.
fn on_every_executor<T, W>(work: impl Fn() -> W)
where
    W: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    block_on(work());
    let current = tokio::runtime::Builder::new_current_thread().build().unwrap();
    current.block_on(work());
    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    many.block_on(async { tokio::spawn(work()).await.unwrap() });
    // An executor of the plainest kind: poll, park, poll again.
    plainly(work());
}

fn plainly<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Poll<T> {
    std::pin::Pin::new(future).poll(&mut TaskContext::from_waker(Waker::noop()))
}

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

/// An async model that misbehaves at the moment of the test's choice.
struct Waits(u8);

impl AsyncModel<[f64], f64> for Waits {
    fn predict<'a>(&'a self, row: &'a [f64]) -> PredictFuture<'a, f64> {
        assert!(self.0 != 1, "before there is a future");
        Box::pin(async move {
            assert!(self.0 != 2, "before the first await");
            yield_now().await;
            match self.0 {
                3 => panic_nastily(),
                4 => Err(ModelError::new("no connection")),
                _ => Ok(2.0 + row[0]),
            }
        })
    }
}

async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
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
fn a_version_that_is_late_is_replaced_after_the_deadline() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let slow = model_fn(move |_: &[f64]| {
        sleeps.pass();
        Ok(2.0)
    });
    // The fallback waits for no thread: its own deadline cannot pass on a busy machine.
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .async_model("v1", async_model_fn(|_: &[f64]| Box::pin(async { Ok(1.5) })))
        .model("v2", slow)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .deadline(Duration::from_millis(20))
        .build_async()
        .unwrap();
    assert_eq!(block_on(ask(&router)), fell_back(ErrorKind::Deadline));
    gate.open();
    let deadlines = router.stats().versions.iter().map(|version| version.deadlines).sum::<u64>();
    assert_eq!(deadlines, 1);
}

#[test]
fn an_async_version_that_never_answers_is_given_up_after_the_deadline() {
    struct Never(Arc<AtomicBool>);
    struct GivenUp(Arc<AtomicBool>);
    impl Drop for GivenUp {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    impl AsyncModel<[f64], f64> for Never {
        fn predict<'a>(&'a self, _: &'a [f64]) -> PredictFuture<'a, f64> {
            let given_up = GivenUp(Arc::clone(&self.0));
            Box::pin(async move {
                let _given_up = given_up;
                std::future::pending().await
            })
        }
    }
    let given_up = Arc::new(AtomicBool::new(false));
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .async_model("v1", async_model_fn(|_: &[f64]| Box::pin(async { Ok(1.5) })))
        .async_model("v2", Never(Arc::clone(&given_up)))
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .breaker(BreakerPolicy::disabled())
        .deadline(Duration::from_millis(20))
        .build_async()
        .unwrap();
    let shared = Arc::new(router);
    let theirs = Arc::clone(&shared);
    on_every_executor(move || {
        let answer = ask(&theirs);
        async move { assert_eq!(answer.await, fell_back(ErrorKind::Deadline)) }
    });
    assert!(given_up.load(Ordering::SeqCst));
}

#[test]
fn a_version_that_hangs_cannot_take_every_thread_from_the_others() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let hangs = model_fn(move |_: &[f64]| {
        sleeps.pass();
        Ok(2.0)
    });
    let v1 = Puppet::new(1.0);
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", v1.clone())
        .model("v2", hangs)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .breaker(BreakerPolicy::disabled())
        .compute_threads(1)
        .deadline(Duration::from_secs(1))
        .build_async()
        .unwrap();
    for hung in 1..=3 {
        // v2 hangs on the only thread it has, and v1 has its own.
        assert_eq!(block_on(ask(&router)), fell_back(ErrorKind::Deadline));
        assert_eq!((gate.arrived(), v1.calls()), (hung, hung as u64));
    }
    gate.open();
    until("v2 answers again", || block_on(ask(&router)).0 == "v2");
}

#[test]
fn when_both_are_late_the_error_says_so() {
    let gate = Gate::new();
    let _open = OpensAtTheEnd(gate.clone());
    let sleeps = gate.clone();
    let slow = Arc::new(model_fn(move |_: &[f64]| {
        sleeps.pass();
        Ok(2.0)
    }));
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", Arc::clone(&slow))
        .model("v2", slow)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .deadline(Duration::from_millis(10))
        .build_async()
        .unwrap();
    let error = block_on(router.predict(&Context::new("user-1"), vec![])).unwrap_err();
    assert!(error.is_deadline(), "{error:?}");
    assert_eq!(error.first_error().unwrap().kind(), ErrorKind::Deadline);
}

/// A router whose only version has one compute thread, kept busy at the gate by the returned
/// future.
fn busy(
    queue: usize,
) -> (Router, Gate, impl Future<Output = (String, f64, Option<FallbackCause>)>) {
    let gate = Gate::new();
    let sleeps = gate.clone();
    let slow = model_fn(move |_: &[f64]| {
        sleeps.pass();
        Ok(1.0)
    });
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", slow)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v1")))
        .compute_threads(1)
        .compute_queue(queue)
        .build_async()
        .unwrap();
    let mut running = Box::pin(ask(&router));
    assert!(poll_once(&mut running).is_pending());
    gate.wait_for(1);
    (router, gate, running)
}

#[test]
fn a_request_that_was_given_up_in_the_queue_never_runs() {
    let (router, gate, running) = busy(8);
    let _open = OpensAtTheEnd(gate.clone());
    let mut given_up = Box::pin(ask(&router));
    assert!(poll_once(&mut given_up).is_pending());
    let mut kept = Box::pin(ask(&router));
    assert!(poll_once(&mut kept).is_pending());
    drop(given_up);
    gate.open();
    block_on(running);
    assert_eq!(block_on(kept).0, "v1");
    assert_eq!(gate.arrived(), 2);
    assert_eq!(router.stats().versions[0].given_up, 1);
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
        assert!(router.flush(support::PATIENCE));
        let counts = router.stats().shadows[0].candidates[0].clone();
        assert_eq!((counts.wanted(), counts.completed()), (3, 1), "{counts:?}");
        assert_eq!(counts.dropped(DropCause::Unanswered), 2, "{counts:?}");
    }
}

#[test]
fn a_request_too_many_is_refused_at_once() {
    let (router, gate, running) = busy(1);
    let _open = OpensAtTheEnd(gate.clone());
    let mut waiting = Box::pin(ask(&router));
    assert!(poll_once(&mut waiting).is_pending());
    let refused = block_on(router.predict(&Context::new("user-1"), vec![])).unwrap_err();
    assert!(refused.is_overloaded(), "{refused:?}");
    gate.open();
    block_on(running);
    assert_eq!(block_on(waiting).0, "v1");
    assert_eq!(gate.arrived(), 2);
    assert_eq!(block_on(ask(&router)).0, "v1", "there is room again");
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
fn a_joined_shadow_that_is_late_is_lost_to_the_deadline() {
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .async_model("v1", Waits(0))
        .async_model("v2", async_model_fn(|_: &[f64]| Box::pin(std::future::pending())))
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v1")))
        .shadow(Shadow::always().candidate("v2").joined())
        .deadline(Duration::from_millis(100))
        .build_async()
        .unwrap();
    assert_eq!(block_on(ask(&router)).0, "v1");
    assert!(router.flush(PATIENCE));
    assert_eq!(settled(&router.stats(), "v2").dropped(DropCause::Deadline), 1);
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

#[test]
fn a_future_that_is_dropped_at_any_moment_leaves_nothing_stuck() {
    let calls = Arc::new(AtomicU64::new(0));
    let senders = Arc::new(Mutex::new(Vec::new()));
    let (counted, kept) = (Arc::clone(&calls), Arc::clone(&senders));
    let waits = async_model_fn(move |_: &[f64]| {
        counted.fetch_add(1, Ordering::SeqCst);
        let (sender, receiver) = oneshot::channel::<f64>();
        kept.lock().push(sender);
        Box::pin(async move { receiver.await.map_err(ModelError::new) })
    });
    let router = builder()
        .async_model("v2", waits)
        .deadline(Duration::from_secs(3_600))
        .build_async()
        .unwrap();
    // Never polled: decided, and never asked.
    drop(ask(&router));
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    let mut polled = Box::pin(ask(&router));
    assert!(poll_once(&mut polled).is_pending());
    drop(polled);
    assert!(senders.lock().pop().unwrap().is_canceled(), "the call is given up");
    let mut answered = Box::pin(ask(&router));
    assert!(poll_once(&mut answered).is_pending());
    senders.lock().pop().unwrap().send(7.0).unwrap();
    assert_eq!(block_on(answered), ("v2".to_owned(), 7.0, None));
}
