//! Telling a server what was counted, beside everything else that a source does.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

use super::network::{Backoff, Failure, Retry, StopSignal};

/// How often counts are collected: those of flags that were replaced since take memory.
const COLLECT: Duration = Duration::from_secs(5);

/// The least pause between two rounds, which is the timer's own grain. Without one a round that has
/// nothing to say would never give the network thread back to the other sources.
const LEAST_PAUSE: Duration = Duration::from_millis(1);

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
    retry: Retry,
    mut stopped: StopSignal,
) {
    let mut backoff = Backoff::new(retry);
    let mut pause = Duration::ZERO;
    while !collect_for(&mut reporter, pause, &mut stopped).await {
        let mut round = Box::pin(reporter.round(interval, &mut backoff));
        tokio::select! {
            next = &mut round => pause = next.max(LEAST_PAUSE),
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;
    use crate::source::{network::Network, testing::PATIENCE};

    /// Says each round and the last words to the test, and wants no pause.
    struct Hasty(mpsc::Sender<&'static str>);

    impl Reporter for Hasty {
        fn collect(&mut self) {}

        async fn round(&mut self, interval: Duration, _: &mut Backoff) -> Duration {
            let _ = self.0.send("round");
            interval
        }

        async fn last_words(&mut self) {
            let _ = self.0.send("last words");
        }
    }

    #[test]
    fn a_reporter_that_wants_no_pause_leaves_the_thread_to_others_and_can_be_stopped() {
        let network = Arc::new(Network::start().unwrap());
        let (said, heard) = mpsc::channel();
        let reporting = network.spawn_until(|stopped| {
            keep_reporting(Hasty(said), Duration::ZERO, Retry::seconds(1, 1), stopped)
        });
        assert_eq!(heard.recv_timeout(PATIENCE), Ok("round"));
        let (ran, runs) = mpsc::channel();
        let other = network.spawn(async move { ran.send(()).unwrap() });
        assert_eq!(runs.recv_timeout(PATIENCE), Ok(()), "another source's task runs");
        drop((reporting, other));
        assert_eq!(heard.iter().last(), Some("last words"));
    }
}
