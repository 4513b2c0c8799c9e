//! Time, from a clock that a test can turn by hand.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Where modelgate reads the time: schedules in flags, ages of sources, breakers and budgets.
///
/// Service times are not read from it: they are always measured.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Time since an arbitrary fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// Time since 1970-01-01 UTC; may jump when the system's clock is set.
    fn unix(&self) -> Duration;
}

/// The machine's own clock.
#[derive(Clone, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    pub fn new() -> SystemClock {
        SystemClock { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
    fn unix(&self) -> Duration {
        // A clock set before 1970 reads as 1970: there is nothing better to say.
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// A clock that moves only when told to: for tests.
///
/// ```
/// use std::time::Duration;
/// use modelgate::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::at_unix(Duration::from_secs(1_700_000_000));
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.unix(), Duration::from_secs(1_700_000_060));
/// assert_eq!(clock.monotonic(), Duration::from_secs(60));
/// ```
#[derive(Debug, Default)]
pub struct ManualClock {
    unix_start: Duration,
    nanoseconds: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at this time since 1970-01-01 UTC, and at zero monotonic time.
    pub fn at_unix(unix: Duration) -> ManualClock {
        ManualClock { unix_start: unix, nanoseconds: AtomicU64::new(0) }
    }

    /// Moves both times forward.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }
    fn unix(&self) -> Duration {
        self.unix_start.saturating_add(self.monotonic())
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }
    fn unix(&self) -> Duration {
        (**self).unix()
    }
}
