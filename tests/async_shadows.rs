//! Shadows of async models: they run wherever the service runs, and are known for what they are.
#![cfg(feature = "async")]

mod support;

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
};

use futures::executor::block_on;
use modelgate::{
    AsyncModel, AsyncModelRouter, Context, ModelError, ModelRouter, RouterBuilder, Shadow,
    async_model_fn, model_fn,
    model::ModelFuture,
    shadow::{Budget, is_shadow},
};
use support::{ByHand, PATIENCE, serving, settled};

const FLAG: &str = "ml-model-version";

fn builder(v2: impl AsyncModel<[f64], f64> + 'static) -> RouterBuilder<[f64], f64> {
    ModelRouter::builder(FLAG)
        .model("v1", model_fn(|_: &[f64]| Ok(1.0)))
        .async_model("v2", v2)
        .fallback("v1")
        .source(ByHand::with(&serving(FLAG, "v1")))
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
    fn predict<'a>(&'a self, _: &'a [f64]) -> ModelFuture<'a, f64> {
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
