//! Waiting without holding up the thread that polls.

use std::sync::Arc;

use futures::channel::oneshot;

/// Runs blocking work on a thread of its own, so that an executor's worker need not wait for it.
pub(crate) async fn run_on_thread<T: Send + 'static>(
    work: impl Fn() -> T + Send + Sync + 'static,
) -> T {
    let work = Arc::new(work);
    let (done, waited) = oneshot::channel();
    let thread_work = Arc::clone(&work);
    let thread = std::thread::Builder::new().name("modelgate-wait".into()).spawn(move || {
        let result = thread_work();
        drop(thread_work);
        // Nobody may be waiting any more.
        let _ = done.send(result);
    });
    match thread {
        Ok(_) => match waited.await {
            Ok(result) => result,
            // It panicked there: it does so again here, where its caller sees it.
            Err(oneshot::Canceled) => work(),
        },
        // Where the system has no thread left, it is waited for here.
        Err(_) => work(),
    }
}
