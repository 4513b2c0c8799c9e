//! Leaving a version alone that keeps failing.

mod state;

use std::time::Duration;

pub(crate) use self::state::Ticket;
use self::state::{BreakerState, Milliseconds};
use crate::clock::Clock;

/// A number of failures that no breaker counts to.
const NEVER: u32 = u32::MAX;

/// When a version is left alone, and for how long.
///
/// After `failures` failed calls in a row the version is not asked for `cool_down`; the fallback
/// answers at once. Then one request is let through: if the version answers it is back, if not it
/// rests again. A caller's invalid input is no failure, nor is a refusal for want of room
/// ([`Overloaded`](crate::model::ErrorKind::Overloaded)): the version was busy, not broken. A call
/// that began before the version was left alone no longer counts. The last [fallback](crate::RouterBuilder::fallback) version has no
/// breaker: there is nobody else to ask.
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
        BreakerPolicy { failures: NEVER, cool_down: Duration::ZERO }
    }
}

impl Default for BreakerPolicy {
    /// Five failures in a row, thirty seconds.
    fn default() -> BreakerPolicy {
        BreakerPolicy::new(5, Duration::from_secs(30))
    }
}

/// The breaker of one version. Healthy calls only read it.
#[derive(Debug)]
pub(crate) struct Breaker {
    policy: BreakerPolicy,
    state: BreakerState,
}

impl Breaker {
    pub(crate) fn new(policy: BreakerPolicy) -> Breaker {
        Breaker { policy, state: BreakerState::closed() }
    }

    /// Lets a call through, or not. When the rest is over, the first to ask takes the one probe;
    /// should that never return, another may go after a further rest.
    #[inline]
    pub(crate) fn admits(&self, clock: &dyn Clock) -> Option<Ticket> {
        match self.state.pass() {
            Some(ticket) => Some(ticket),
            None => self.probe(clock),
        }
    }

    #[cold]
    fn probe(&self, clock: &dyn Clock) -> Option<Ticket> {
        self.state.probe(now(clock), self.rest())
    }

    /// What [`Breaker::admits`] would answer, without taking the probe.
    pub(crate) fn would_admit(&self, clock: &dyn Clock) -> bool {
        self.state.would_pass(|| now(clock))
    }

    /// Whether the version is being left alone, or probed.
    pub(crate) fn is_open(&self) -> bool {
        !self.state.is_closed()
    }

    #[inline]
    pub(crate) fn succeeded(&self, ticket: Ticket) {
        self.state.succeeded(ticket);
    }

    /// Counts a failure; `true` when this one opened the breaker.
    #[cold]
    pub(crate) fn failed(&self, ticket: Ticket, clock: &dyn Clock) -> bool {
        self.policy.failures != NEVER
            && self.state.failed(ticket, self.policy.failures, now(clock), self.rest())
    }

    /// The call said nothing about the version. If it was the probe, the next call is one.
    #[cold]
    pub(crate) fn learned_nothing(&self, ticket: Ticket, clock: &dyn Clock) {
        self.state.learned_nothing(ticket, now(clock));
    }

    /// Rounded up: a version rests no shorter than was asked for.
    fn rest(&self) -> Milliseconds {
        milliseconds(self.policy.cool_down.saturating_add(Duration::from_nanos(999_999)))
    }
}

fn now(clock: &dyn Clock) -> Milliseconds {
    milliseconds(clock.monotonic())
}

fn milliseconds(time: Duration) -> Milliseconds {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn breaker() -> (Breaker, ManualClock) {
        let policy = BreakerPolicy::new(3, Duration::from_secs(30));
        (Breaker::new(policy), ManualClock::default())
    }

    /// Opens it, and returns the ticket of a call that is still under way.
    fn open(breaker: &Breaker, clock: &ManualClock) -> Ticket {
        let under_way = breaker.admits(clock).unwrap();
        for failure in 1..=3 {
            let ticket = breaker.admits(clock).unwrap();
            assert_eq!(breaker.failed(ticket, clock), failure == 3);
        }
        assert!(breaker.admits(clock).is_none());
        under_way
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let (breaker, clock) = breaker();
        let ticket = breaker.admits(&clock).unwrap();
        for _ in 0..10 {
            assert!(!breaker.failed(ticket, &clock) && !breaker.failed(ticket, &clock));
            breaker.succeeded(ticket);
        }
        open(&breaker, &clock);
    }

    #[test]
    fn one_probe_passes_when_the_rest_is_over_and_decides() {
        let (breaker, clock) = breaker();
        open(&breaker, &clock);
        clock.advance(Duration::from_secs(29));
        assert!(breaker.admits(&clock).is_none());
        clock.advance(Duration::from_secs(1));
        let probe = breaker.admits(&clock).expect("the probe");
        assert!(breaker.admits(&clock).is_none(), "only one");
        assert!(!breaker.failed(probe, &clock), "it was open already");
        clock.advance(Duration::from_secs(30));
        let probe = breaker.admits(&clock).expect("the second probe");
        breaker.succeeded(probe);
        assert!(breaker.admits(&clock).is_some() && breaker.admits(&clock).is_some(), "closed");
    }

    #[test]
    fn a_probe_that_never_returns_does_not_shut_the_version_out_for_ever() {
        let (breaker, clock) = breaker();
        open(&breaker, &clock);
        for _ in 0..3 {
            clock.advance(Duration::from_secs(30));
            assert!(breaker.admits(&clock).is_some());
            assert!(breaker.admits(&clock).is_none());
        }
    }

    #[test]
    fn a_call_from_before_the_rest_neither_ends_it_nor_speaks_for_the_probe() {
        let (breaker, clock) = breaker();
        let old = open(&breaker, &clock);
        clock.advance(Duration::from_millis(1));
        breaker.learned_nothing(old, &clock);
        assert!(breaker.admits(&clock).is_none(), "an invalid input ended the rest");
        breaker.succeeded(old);
        assert!(breaker.admits(&clock).is_none(), "an old success ended the rest");
        clock.advance(Duration::from_secs(30));
        let probe = breaker.admits(&clock).unwrap();
        breaker.failed(old, &clock);
        breaker.learned_nothing(old, &clock);
        assert!(breaker.admits(&clock).is_none(), "the probe is still under way");
        breaker.succeeded(probe);
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_probe_that_said_nothing_leaves_the_trial_to_the_next_call() {
        let (breaker, clock) = breaker();
        open(&breaker, &clock);
        clock.advance(Duration::from_secs(30));
        let probe = breaker.admits(&clock).unwrap();
        breaker.learned_nothing(probe, &clock);
        let probe = breaker.admits(&clock).expect("the next call");
        breaker.succeeded(probe);
        assert!(!breaker.is_open());
    }

    #[test]
    fn one_that_is_disabled_never_opens() {
        let (breaker, clock) = (Breaker::new(BreakerPolicy::disabled()), ManualClock::default());
        let ticket = breaker.admits(&clock).unwrap();
        assert!((0..10_000).all(|_| !breaker.failed(ticket, &clock)));
        assert!(!breaker.is_open());
    }
}
