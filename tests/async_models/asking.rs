//! Routers of the tests, and how they are asked.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
};

use crate::support::{Gate, Puppet, panic_nastily, serving, test_flags};
use futures::executor::block_on;
use modelgate::{
    AsyncModel, AsyncModelRouter, Context, FallbackCause, ModelError, ModelRouter, RouterBuilder,
    model::{ErrorKind, PredictFuture},
    model_fn,
    router::BreakerPolicy,
};

pub const FLAG: &str = "ml-model-version";

pub type Router = AsyncModelRouter<[f64], f64>;

/// v1 answers 1.0 plus the features and is the fallback; flags send everybody to v2.
pub fn builder() -> RouterBuilder<[f64], f64> {
    ModelRouter::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .breaker(BreakerPolicy::disabled())
}

/// The request as a future that borrows nothing.
pub fn ask(
    router: &Router,
) -> impl Future<Output = (String, f64, Option<FallbackCause>)> + Send + use<> {
    let key = "user-1".to_owned();
    let answer = router.predict(&Context::new(&key), vec![0.5]);
    async move {
        let answer = answer.await.unwrap();
        (answer.version().to_string(), *answer.output(), answer.fallback())
    }
}

pub fn fell_back(kind: ErrorKind) -> (String, f64, Option<FallbackCause>) {
    ("v1".to_owned(), 1.5, Some(FallbackCause::Failed(kind)))
}

/// Runs the same on each executor.
pub fn on_every_executor<T, W>(work: impl Fn() -> W)
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

pub fn plainly<T>(future: impl Future<Output = T>) -> T {
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

pub fn poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Poll<T> {
    std::pin::Pin::new(future).poll(&mut TaskContext::from_waker(Waker::noop()))
}

pub async fn yield_now() {
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

/// An async model that misbehaves at the moment of the test's choice: before there is a future, before
/// it waits, after. A closure that returns a future has no say before it, and a puppet no such moments.
pub struct Waits(pub u8);

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

/// A router whose only version has one compute thread, kept busy at the gate by the returned
/// future.
pub fn busy(
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
