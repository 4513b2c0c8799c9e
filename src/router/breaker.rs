//! Leaving a version alone that keeps failing.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use crate::clock::Clock;

/// When a version is left alone, and for how long.
///
/// After `failures` failed calls in a row the version is not asked for `cool_down`; the fallback
/// answers at once. Then one request is let through: if the version answers it is back, if not it
/// rests again. A caller's invalid input is no failure. The fallback version itself has no breaker:
/// there is nobody else to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    pub(crate) failures: u32,
    pub(crate) cool_down: Duration,
}

impl BreakerPolicy {
    /// Opens after `failures` failed calls in a row (at least 1), for `cool_down`.
    pub fn new(failures: u32, cool_down: Duration) -> BreakerPolicy {
        BreakerPolicy { failures: failures.max(1), cool_down }
    }

    /// Never opens.
    pub fn disabled() -> BreakerPolicy {
        BreakerPolicy { failures: u32::MAX, cool_down: Duration::ZERO }
    }
}

impl Default for BreakerPolicy {
    /// Five failures in a row, thirty seconds.
    fn default() -> BreakerPolicy {
        BreakerPolicy::new(5, Duration::from_secs(30))
    }
}

/// The state of one version's breaker. Healthy calls only read it.
#[derive(Debug)]
pub(crate) struct Breaker {
    policy: BreakerPolicy,
    in_a_row: AtomicU32,
    /// Monotonic nanoseconds at which the next call may pass; 0 when closed. These atomics order
    /// nothing else: a late reader lets one more call through, or one fewer.
    opens_again: AtomicU64,
}

impl Breaker {
    pub(crate) fn new(policy: BreakerPolicy) -> Breaker {
        Breaker { policy, in_a_row: AtomicU32::new(0), opens_again: AtomicU64::new(0) }
    }

    /// Whether a call may pass now. When half open, the first to ask takes the one probe by moving
    /// the moment on, so that a probe that never returns does not keep the breaker open for ever.
    #[inline]
    pub(crate) fn admits(&self, clock: &dyn Clock) -> bool {
        let opens_again = self.opens_again.load(Ordering::Relaxed);
        opens_again == 0 || self.half_open(opens_again, clock)
    }

    /// What [`Breaker::admits`] would answer, without taking the probe.
    pub(crate) fn would_admit(&self, clock: &dyn Clock) -> bool {
        let opens_again = self.opens_again.load(Ordering::Relaxed);
        opens_again == 0 || nanoseconds(clock.monotonic()) >= opens_again
    }

    /// Whether the version is being left alone, or probed.
    pub(crate) fn is_open(&self) -> bool {
        self.opens_again.load(Ordering::Relaxed) != 0
    }

    #[cold]
    fn half_open(&self, opens_again: u64, clock: &dyn Clock) -> bool {
        let now = nanoseconds(clock.monotonic());
        now >= opens_again
            && self
                .opens_again
                .compare_exchange(
                    opens_again,
                    self.rest_from(now),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    #[inline]
    pub(crate) fn succeeded(&self) {
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
            self.opens_again.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a failure; `true` when this one opened the breaker.
    #[cold]
    pub(crate) fn failed(&self, clock: &dyn Clock) -> bool {
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if in_a_row < self.policy.failures {
            return false;
        }
        let until = self.rest_from(nanoseconds(clock.monotonic()));
        self.opens_again.swap(until, Ordering::Relaxed) == 0
    }

    /// The call said nothing about the version. If it was the probe, the next call is one again.
    #[cold]
    pub(crate) fn learned_nothing(&self, clock: &dyn Clock) {
        if self.is_open() {
            self.opens_again.store(nanoseconds(clock.monotonic()).max(1), Ordering::Relaxed);
        }
    }

    fn rest_from(&self, now: u64) -> u64 {
        now.saturating_add(nanoseconds(self.policy.cool_down)).max(1)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn breaker() -> (Breaker, ManualClock) {
        let policy = BreakerPolicy::new(3, Duration::from_secs(30));
        (Breaker::new(policy), ManualClock::default())
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let (breaker, clock) = breaker();
        for _ in 0..10 {
            assert!(!breaker.failed(&clock) && !breaker.failed(&clock));
            breaker.succeeded();
        }
        assert!(breaker.admits(&clock));
        assert!(!breaker.failed(&clock) && !breaker.failed(&clock) && breaker.failed(&clock));
        assert!(!breaker.admits(&clock));
    }

    #[test]
    fn one_probe_passes_when_half_open_and_decides() {
        let (breaker, clock) = breaker();
        (0..3).for_each(|_| {
            assert!(breaker.admits(&clock) && !breaker.failed(&clock) || breaker.is_open())
        });
        clock.advance(Duration::from_secs(29));
        assert!(!breaker.admits(&clock));
        clock.advance(Duration::from_secs(1));
        assert!(breaker.admits(&clock), "the probe");
        assert!(!breaker.admits(&clock), "only one");
        assert!(!breaker.failed(&clock), "it was open already");
        clock.advance(Duration::from_secs(30));
        assert!(breaker.admits(&clock), "the second probe");
        breaker.succeeded();
        assert!(breaker.admits(&clock) && breaker.admits(&clock), "closed");
    }

    #[test]
    fn a_probe_that_never_returns_does_not_shut_the_version_out_for_ever() {
        let (breaker, clock) = breaker();
        (0..3).for_each(|_| {
            assert!(breaker.admits(&clock) && !breaker.failed(&clock) || breaker.is_open())
        });
        for _ in 0..3 {
            clock.advance(Duration::from_secs(30));
            assert!(breaker.admits(&clock));
        }
    }
}
