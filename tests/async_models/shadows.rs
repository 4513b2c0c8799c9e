//! Shadows of async models: they run wherever the service runs, and are known for what they are.
use crate::support;

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

use futures::executor::block_on;
use modelgate::{
    AsyncModel, AsyncModelRouter, Context, ModelError, ModelRouter, RouterBuilder, Shadow,
    async_model_fn,
    model::PredictFuture,
    model_fn,
    shadow::{Budget, DropCause, is_shadow},
    verdict::{Metric, MetricCounts, Verdict},
};
use parking_lot::Mutex;
use support::{PATIENCE, serving, settled, test_flags};

const FLAG: &str = "ml-model-version";

fn builder(v2: impl AsyncModel<[f64], f64> + 'static) -> RouterBuilder<[f64], f64> {
    ModelRouter::builder(FLAG)
        .model("v1", model_fn(|_: &[f64]| Ok(1.0)))
        .async_model("v2", v2)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v1")))
}

fn shadow() -> Shadow {
    Shadow::always().candidate("v2").budget(Budget::unlimited())
}

async fn ask(router: &AsyncModelRouter<[f64], f64>) -> f64 {
    *router.predict(&Context::new("user-1"), vec![]).await.unwrap().output()
}

#[test]
fn a_wake_up_is_not_lost_to_code_that_parks_the_thread() {
    let parks = async_model_fn(|_: &[f64]| {
        let mut polls = 0;
        Box::pin(poll_fn(move |context| {
            polls += 1;
            if polls == 2 {
                return Poll::Ready(Ok(2.0));
            }
            context.waker().wake_by_ref();
            // Takes the token of the thread, as a blocking hand-over inside of a library may.
            std::thread::park_timeout(std::time::Duration::from_millis(1));
            Poll::Pending
        }))
    });
    let router = builder(parks).shadow(shadow()).build_async().unwrap();
    assert_eq!(block_on(ask(&router)), 1.0);
    assert!(router.flush(PATIENCE));
    assert_eq!(settled(&router.stats(), "v2").completed(), 1);
}

/// Counts the calls, and those that were known as a shadow's: when called, and in each poll.
#[derive(Clone, Default)]
struct Looks {
    calls: Arc<AtomicUsize>,
    live: Arc<AtomicBool>,
}

impl Looks {
    fn look(&self) {
        self.live.fetch_or(!is_shadow(), Ordering::SeqCst);
    }
}

impl AsyncModel<[f64], f64> for Looks {
    fn predict<'a>(&'a self, _: &'a [f64]) -> PredictFuture<'a, f64> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.look();
        let mut polls = 0;
        Box::pin(poll_fn(move |context| {
            self.look();
            polls += 1;
            context.waker().wake_by_ref();
            if polls < 3 { Poll::Pending } else { Poll::Ready(Ok(2.0)) }
        }))
    }
}

#[test]
fn an_async_shadow_knows_in_each_poll_that_it_is_one_detached_or_joined() {
    for policy in [shadow(), shadow().joined()] {
        let looks = Looks::default();
        let router = builder(looks.clone()).shadow(policy).build_async().unwrap();
        assert_eq!(block_on(ask(&router)), 1.0);
        assert!(router.flush(PATIENCE));
        assert_eq!(settled(&router.stats(), "v2").completed(), 1);
        assert_eq!(looks.calls.load(Ordering::SeqCst), 1);
        assert!(!looks.live.load(Ordering::SeqCst));
        assert!(!is_shadow());
    }
}

#[test]
fn a_joined_shadow_that_computes_knows_on_its_thread_that_it_is_one() {
    let live = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&live);
    let computes = model_fn(move |_: &[f64]| -> Result<f64, ModelError> {
        seen.fetch_or(!is_shadow(), Ordering::SeqCst);
        Ok(3.0)
    });
    let router = builder(Looks::default())
        .model("v3", computes)
        .shadow(Shadow::always().candidate("v3").joined())
        .build_async()
        .unwrap();
    assert_eq!(block_on(ask(&router)), 1.0);
    assert!(router.flush(PATIENCE));
    assert_eq!(settled(&router.stats(), "v3").completed(), 1);
    assert!(!live.load(Ordering::SeqCst));
}

/// A model that needs tokio's timers around it.
fn sleeps() -> impl AsyncModel<[f64], f64> + 'static {
    async_model_fn(|_: &[f64]| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            // And its tasks.
            tokio::spawn(async { Ok(2.0) }).await.unwrap()
        })
    })
}

async fn a_shadow_of_a_model_that_sleeps_completes() {
    let router = builder(sleeps()).shadow(shadow()).build_async().unwrap();
    router.ready(PATIENCE).await.unwrap();
    assert_eq!(ask(&router).await, 1.0);
    assert!(router.flushed(PATIENCE).await);
    assert_eq!(settled(&router.stats(), "v2").completed(), 1);
    assert!(router.shutdown(PATIENCE).await);
    assert_eq!(ask(&router).await, 1.0);
    assert_eq!(settled(&router.stats(), "v2").dropped(DropCause::Shutdown), 1);
}

#[cfg(feature = "tokio")]
mod with_tokio {
    use super::*;

    #[tokio::test]
    async fn a_shadow_finds_the_runtime_in_a_test_of_tokio() {
        a_shadow_of_a_model_that_sleeps_completes().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_shadow_finds_the_runtime_of_many_threads() {
        a_shadow_of_a_model_that_sleeps_completes().await;
    }

    #[test]
    fn a_shadow_finds_the_runtime_of_the_main_function() {
        #[tokio::main]
        async fn main() {
            a_shadow_of_a_model_that_sleeps_completes().await;
        }
        #[tokio::main(flavor = "current_thread")]
        async fn of_one_thread() {
            a_shadow_of_a_model_that_sleeps_completes().await;
        }
        main();
        of_one_thread();
    }

    /// As actix does it: tasks that stay on their thread. `examples/actix` tests actix itself.
    #[test]
    fn a_shadow_finds_the_runtime_of_a_local_set() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(&runtime, a_shadow_of_a_model_that_sleeps_completes());
    }

    #[tokio::test]
    async fn a_flush_that_blocks_the_runtime_of_its_shadows_ends_in_time_and_says_no() {
        let router = builder(sleeps()).shadow(shadow()).build_async().unwrap();
        assert_eq!(ask(&router).await, 1.0);
        assert!(!router.flush(Duration::from_millis(50)));
        assert!(router.flushed(PATIENCE).await);
        assert_eq!(settled(&router.stats(), "v2").completed(), 1);
    }

    #[test]
    fn a_runtime_that_nobody_drives_any_more_costs_the_shadow_and_holds_no_thread() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let policy = shadow().deadline(Duration::from_millis(20));
        let router = runtime.block_on(async {
            let router = builder(sleeps()).shadow(policy).build_async().unwrap();
            assert_eq!(ask(&router).await, 1.0);
            router
        });
        // From here on the runtime stands still, and its timers with it.
        assert!(router.flush(PATIENCE));
        let counts = settled(&router.stats(), "v2");
        assert_eq!(counts.completed() + counts.dropped(DropCause::Deadline), 1);
        block_on(ask(&router));
        assert!(router.flush(PATIENCE));
        assert!(settled(&router.stats(), "v2").dropped(DropCause::Deadline) >= 1);
        drop(runtime);
        // Now it is gone.
        block_on(ask(&router));
        assert!(router.flush(PATIENCE));
        let counts = settled(&router.stats(), "v2");
        assert_eq!((counts.wanted(), counts.completed() + counts.dropped_in_all()), (3, 3));
        assert!(counts.dropped_in_all() >= 2);
    }

    /// Answers once it has been loaded, with a timer of tokio's.
    struct LoadsAsleep(AtomicBool);

    impl AsyncModel<[f64], f64> for LoadsAsleep {
        fn predict<'a>(&'a self, _: &'a [f64]) -> PredictFuture<'a, f64> {
            Box::pin(async { Ok(2.0) })
        }
        fn is_loaded(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
        fn load(&self) -> PredictFuture<'_, ()> {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                self.0.store(true, Ordering::SeqCst);
                Ok(())
            })
        }
    }

    #[tokio::test]
    async fn loading_on_the_thread_that_drives_the_runtime_says_so_instead_of_waiting_for_ever() {
        let router = builder(LoadsAsleep(AtomicBool::new(false))).build_async().unwrap();
        let error = router.load("v2").unwrap_err().to_string();
        assert!(error.contains("drives the runtime"), "{error}");
        let theirs = router.clone();
        tokio::task::spawn_blocking(move || theirs.load("v2")).await.unwrap().unwrap();
        router.pin("v2").unwrap();
        assert_eq!(ask(&router).await, 2.0);
    }

    #[tokio::test]
    async fn waiting_on_the_thread_that_drives_a_source_says_so_and_awaiting_works() {
        use modelgate::{Flags, source::Polled};

        let source = Polled::every(Duration::from_secs(3_600), "table", || async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(support::flags(&serving(FLAG, "v1")))
        });
        let flags = Flags::builder().source(source).build().unwrap();
        let router = ModelRouter::<[f64], f64>::builder(FLAG)
            .model("v1", model_fn(|_: &[f64]| Ok(1.0)))
            .fallback("v1")
            .flags(flags.clone())
            .build()
            .unwrap();
        let error = router.wait_ready(Duration::from_millis(50)).unwrap_err();
        assert!(error.held_up_runtime(), "{error}");
        assert!(error.to_string().contains("await `Flags::ready` instead"), "{error}");
        // Nothing of the router's waits for the runtime.
        assert_eq!(*router.predict(&Context::new("user-1"), &[]).unwrap().output(), 1.0);
        assert!(router.flush(PATIENCE));
        flags.ready(PATIENCE).await.unwrap();
        router.wait_ready(Duration::ZERO).unwrap();
    }

    #[test]
    fn a_polled_source_finds_the_runtime_too() {
        use modelgate::{Flags, source::Polled};

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let flags = runtime.block_on(async {
            let source = Polled::every(Duration::from_secs(3_600), "table", || async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(support::flags(&serving(FLAG, "v1")))
            });
            Flags::builder().source(source).build().unwrap()
        });
        flags.wait_ready(PATIENCE).unwrap();
    }
}

#[test]
fn without_any_runtime_a_shadow_that_needs_none_completes() {
    let router = builder(Looks::default()).shadow(shadow()).build_async().unwrap();
    block_on(router.ready(PATIENCE)).unwrap();
    assert_eq!(block_on(ask(&router)), 1.0);
    assert!(block_on(router.flushed(PATIENCE)));
    assert_eq!(settled(&router.stats(), "v2").completed(), 1);
    assert!(block_on(router.shutdown(PATIENCE)));
}

#[test]
fn a_spawner_runs_the_shadows_and_they_know_that_they_are_some() {
    let looks = Looks::default();
    let names = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&names);
    let router = builder(looks.clone())
        .shadow(shadow())
        .spawner(move |future: modelgate::router::Spawned| {
            let seen = Arc::clone(&seen);
            let run = move || {
                seen.lock().push(thread::current().name().map(str::to_owned));
                block_on(future);
            };
            thread::Builder::new().name("an-executor".into()).spawn(run).unwrap();
        })
        .build_async()
        .unwrap();
    assert_eq!(block_on(ask(&router)), 1.0);
    assert!(router.flush(PATIENCE));
    assert_eq!(settled(&router.stats(), "v2").completed(), 1);
    assert_eq!(*names.lock(), [Some("an-executor".to_owned())]);
    assert!(!looks.live.load(Ordering::SeqCst));
}

#[test]
fn a_spawner_that_drops_or_forgets_its_futures_costs_the_shadows_and_nothing_else() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeps = Arc::clone(&kept);
    let turn = AtomicUsize::new(0);
    let router = builder(Looks::default())
        .shadow(shadow().deadline(Duration::from_millis(20)))
        .spawner(move |future: modelgate::router::Spawned| {
            match turn.fetch_add(1, Ordering::SeqCst) {
                0 => drop(future),
                _ => keeps.lock().push(future),
            }
        })
        .build_async()
        .unwrap();
    for dropped in 1..=2 {
        assert_eq!(block_on(ask(&router)), 1.0);
        assert!(router.flush(PATIENCE));
        assert_eq!(settled(&router.stats(), "v2").dropped(DropCause::Deadline), dropped);
    }
    // Should the executor come to it after all, the model is not asked.
    let late = std::mem::take(&mut *kept.lock());
    late.into_iter().for_each(block_on);
    assert_eq!(settled(&router.stats(), "v2").completed(), 0);
}

/// Lets others go first, once.
async fn once_more() {
    let mut waited = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[test]
fn slices_by_the_context_are_those_of_the_awaited_request() {
    let verdict = Verdict::<f64>::builder("v2")
        .against("v1")
        .metric(Metric::failures())
        .by("country", |context| Some(context.attribute("country")?.as_str()?.to_owned()))
        .build()
        .unwrap();
    let fails = async_model_fn(|features: &[f64]| {
        let refused = features.first() == Some(&1.0);
        Box::pin(async move {
            // The slice is the request's own, not that of whoever runs it last.
            once_more().await;
            if refused { Err(ModelError::new("not in this country")) } else { Ok(1.0) }
        })
    });
    for joined in [true, false] {
        let policy = shadow().deadline(Duration::from_secs(600));
        let policy = if joined { policy.joined() } else { policy };
        let router = builder(fails).shadow(policy).sink(verdict.clone()).build_async().unwrap();
        let ask = |user: usize| {
            let (router, country) = (&router, if user.is_multiple_of(4) { "se" } else { "no" });
            async move {
                let key = format!("user-{joined}-{user}");
                let context = Context::new(&key).with("country", country);
                let features = vec![if user.is_multiple_of(8) { 1.0 } else { 0.0 }];
                router.predict(&context, features).await.unwrap();
            }
        };
        // Ten at a time on one thread, so that their awaits interleave.
        for ten in 0..10 {
            block_on(futures::future::join_all((ten * 10..ten * 10 + 10).map(ask)));
            assert!(router.flush(PATIENCE));
        }
        let context = Context::new("somebody");
        block_on(router.predict(&context, vec![0.0])).unwrap();
        assert!(router.flush(PATIENCE));
    }
    let tally = verdict.tally();
    let pairs = |slice: &str| match tally.slices.get(slice).map(|slice| &slice["failures"]) {
        Some(MetricCounts::Paired { worse, same, .. }) => (*worse, *same),
        other => panic!("{slice}: {other:?}"),
    };
    // Of a hundred users twice: every fourth is from one country, half of whom it refuses.
    assert_eq!((pairs("country=se"), pairs("country=no")), ((26, 24), (0, 150)));
    assert_eq!(tally.slices.len(), 2, "who names no country is in no slice");
}
