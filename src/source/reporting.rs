//! Telling a server what was counted, beside everything else that a source does.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

use super::network::{Backoff, Failure, StopSignal};

/// How often counts are collected: those of flags that were replaced since take memory.
const COLLECT: Duration = Duration::from_secs(5);

/// How long a report that is on its way when the store goes may still take.
const PARTING: Duration = Duration::from_secs(1);

/// What is reported, and to whom.
pub(crate) trait Reporter: Send {
    /// Takes up what was counted since the last time.
    fn collect(&mut self);

    /// Says what there is to say; the pause until the next time.
    ///
    /// It may be cut off at any point. What was on its way then is not to be sent again: whether
    /// it has arrived nobody knows, and better a count too few than one twice.
    fn round(
        &mut self,
        interval: Duration,
        backoff: &mut Backoff,
    ) -> impl Future<Output = Duration> + Send;

    /// Says what is left.
    fn last_words(&mut self) -> impl Future<Output = ()> + Send;
}

/// Reports at this interval, and once more at the end.
pub(crate) async fn keep_reporting(
    mut reporter: impl Reporter,
    interval: Duration,
    retry: (Duration, Duration),
    mut stopped: StopSignal,
) {
    let (first, max) = retry;
    let mut backoff = Backoff::new(first, max);
    let mut pause = Duration::ZERO;
    while !collect_for(&mut reporter, pause, &mut stopped).await {
        let mut round = Box::pin(reporter.round(interval, &mut backoff));
        tokio::select! {
            next = &mut round => pause = next,
            () = stopped.wait() => {
                // What of it has arrived would else be lost, or counted twice.
                let _ = tokio::time::timeout(PARTING, round).await;
                break;
            }
        }
    }
    reporter.collect();
    reporter.last_words().await;
}

/// Whether it was told to stop before the pause was over.
async fn collect_for(
    reporter: &mut impl Reporter,
    pause: Duration,
    stopped: &mut StopSignal,
) -> bool {
    // A pause past the end of time is a very long one.
    let end = Instant::now().checked_add(pause);
    loop {
        reporter.collect();
        let left = end.map_or(COLLECT, |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(left.min(COLLECT)) => {}
            () = stopped.wait() => return true,
        }
    }
}

/// Whether the server may have the report all the same. A gateway that gave up waiting does not
/// know either.
pub(crate) fn may_have_arrived(failure: &Failure) -> bool {
    failure.may_have_arrived() || failure.status == Some(504)
}
