//! Shadows of async models: they run wherever the service runs, and are known for what they are.

#[cfg(feature = "tokio")]
mod with_tokio;

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

/// Counts the calls, and those that were known as a shadow's: when called, and in each poll. A type
/// of its own, which live and shadowed versions share.
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
