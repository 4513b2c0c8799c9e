//! What a source's connection to its server has been through.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{clock::Clock, flag::store::ConnectionStatus};

/// Counts what a connection does, for the status of its source. A clone counts for the same source.
///
/// Everything is relaxed: each figure is right by itself, and nothing else hangs on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<ConnectionFigures>);

#[derive(Debug, Default)]
struct ConnectionFigures {
    /// The store's, once the source is watched; nothing is asked of a server before.
    clock: OnceLock<Arc<dyn Clock>>,
    streaming: AtomicBool,
    requests: AtomicU64,
    failures: AtomicU64,
    streams: AtomicU64,
    bytes: AtomicU64,
    reports: AtomicU64,
    report_failures: AtomicU64,
    /// One more than the status; 0 for none yet.
    status: AtomicU32,
    requested: AtomicMoment,
    succeeded: AtomicMoment,
}

/// One more than the nanoseconds of the store's clock; 0 for never.
#[derive(Debug, Default)]
struct AtomicMoment(AtomicU64);

impl AtomicMoment {
    fn is(&self, now: Option<Duration>) {
        let Some(now) = now else { return };
        let nanoseconds = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanoseconds.saturating_add(1), Relaxed);
    }

    fn since(&self, now: Duration) -> Option<Duration> {
        let then = self.0.load(Relaxed).checked_sub(1)?;
        Some(now.saturating_sub(Duration::from_nanos(then)))
    }
}

impl Meter {
    /// Reads the time from this clock from now on.
    pub(crate) fn set_clock(&self, clock: Arc<dyn Clock>) {
        // A source subscribes once.
        let _ = self.0.clock.set(clock);
    }

    /// The server is asked for flags.
    pub(crate) fn requested(&self) {
        self.0.requests.fetch_add(1, Relaxed);
        self.0.requested.is(self.now());
    }

    /// What the server answered, in numbers.
    pub(crate) fn answered(&self, status: u16) {
        self.0.status.store(u32::from(status).saturating_add(1), Relaxed);
    }

    /// A request brought what it should, or a stream brought something.
    pub(crate) fn succeeded(&self) {
        self.0.succeeded.is(self.now());
    }

    /// A request or an open stream failed.
    pub(crate) fn failed(&self) {
        self.0.failures.fetch_add(1, Relaxed);
    }

    /// Bytes that came, as they are after decompression.
    pub(crate) fn received(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// The server was told something: usage, registration.
    pub(super) fn reported(&self, well: bool) {
        self.0.reports.fetch_add(1, Relaxed);
        if !well {
            self.0.report_failures.fetch_add(1, Relaxed);
        }
    }

    /// A stream is open for as long as this is kept.
    pub(crate) fn streaming(&self) -> Streaming {
        self.0.streams.fetch_add(1, Relaxed);
        self.0.streaming.store(true, Relaxed);
        Streaming(self.clone())
    }

    /// The figures at this moment of the store's clock.
    pub(crate) fn status(&self, now: Duration) -> ConnectionStatus {
        let figures = &*self.0;
        let status = figures.status.load(Relaxed).checked_sub(1);
        ConnectionStatus {
            streaming: figures.streaming.load(Relaxed),
            requests: figures.requests.load(Relaxed),
            failures: figures.failures.load(Relaxed),
            reconnects: figures.streams.load(Relaxed).saturating_sub(1),
            bytes_received: figures.bytes.load(Relaxed),
            last_status: status.and_then(|status| u16::try_from(status).ok()),
            last_request: figures.requested.since(now),
            last_success: figures.succeeded.since(now),
            reports: figures.reports.load(Relaxed),
            report_failures: figures.report_failures.load(Relaxed),
        }
    }

    /// The time since an open stream last gave a sign of life: had anything changed before that, it
    /// would be here.
    pub(crate) fn alive(&self, now: Duration) -> Option<Duration> {
        self.0.streaming.load(Relaxed).then(|| self.0.succeeded.since(now)).flatten()
    }

    fn now(&self) -> Option<Duration> {
        self.0.clock.get().map(|clock| clock.monotonic())
    }
}

/// An open stream, for the status.
#[derive(Debug)]
pub(crate) struct Streaming(Meter);

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.0.streaming.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn figures_are_of_the_stores_clock_and_a_stream_is_open_while_it_is_held() {
        let (meter, clock) = (Meter::default(), Arc::new(ManualClock::default()));
        assert_eq!(meter.status(Duration::ZERO), ConnectionStatus::default());
        meter.set_clock(clock.clone());
        meter.requested();
        clock.advance(Duration::from_secs(2));
        meter.answered(200);
        let streams = [meter.streaming(), meter.streaming()];
        meter.received(7);
        meter.succeeded();
        assert!(meter.status(clock.monotonic()).streaming);
        clock.advance(Duration::from_secs(1));
        assert_eq!(meter.alive(clock.monotonic()), Some(Duration::from_secs(1)));
        drop(streams);
        assert_eq!(meter.alive(clock.monotonic()), None);
        meter.failed();
        clock.advance(Duration::from_secs(2));
        let status = meter.status(clock.monotonic());
        assert!(!status.streaming);
        assert_eq!((status.requests, status.failures, status.reconnects), (1, 1, 1));
        assert_eq!((status.bytes_received, status.last_status), (7, Some(200)));
        assert_eq!(status.last_request, Some(Duration::from_secs(5)));
        assert_eq!(status.last_success, Some(Duration::from_secs(3)));
    }
}
