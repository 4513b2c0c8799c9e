//! How long to wait before trying again.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// Waits longer than this are not taken from a server.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The pauses after failures: the first, and the limit up to which they double.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    pub(crate) first: Duration,
    pub(crate) max: Duration,
}

impl Retry {
    pub(crate) fn seconds(first: u64, max: u64) -> Retry {
        Retry { first: Duration::from_secs(first), max: Duration::from_secs(max) }
    }
}

/// Pauses that double with each failure in a row, up to a limit; each is cut by up to a half at
/// random, so that services that lost a server together do not all come back together.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    retry: Retry,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(retry: Retry) -> Backoff {
        Backoff { retry, failures: 0 }
    }

    /// The pause after one more failure; longer if the server asked for it.
    pub(crate) fn pause(&mut self, retry_after: Option<Duration>) -> Duration {
        let pause = self.pause_with(random());
        pause.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER))
    }

    fn pause_with(&mut self, random: f64) -> Duration {
        let doubled = self.retry.first.saturating_mul(2_u32.saturating_pow(self.failures.min(30)));
        self.failures = self.failures.saturating_add(1);
        scaled(doubled.min(self.retry.max), 0.5 + 0.5 * random)
    }

    /// Things went well: the next pause is the first again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many failures there were in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

/// An interval, give or take a tenth.
pub(crate) fn jittered(interval: Duration) -> Duration {
    scaled(interval, 0.9 + 0.2 * random())
}

/// An interval, or up to a twentieth more: for whom a server asks not to come more often.
#[cfg(feature = "launchdarkly")]
pub(crate) fn no_sooner(interval: Duration) -> Duration {
    scaled(interval, 1.0 + 0.05 * random())
}

fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// A number in `0..1`, good enough to keep services from asking in step: the standard library
/// seeds each hasher anew.
fn random() -> f64 {
    (RandomState::new().hash_one(0_u8) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_start_anew_after_a_success() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(Retry::seconds(1, 30));
        let longest: Vec<_> = (0..7).map(|_| backoff.pause_with(1.0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.pause_with(0.0), seconds(15));
        backoff.reset();
        assert_eq!(backoff.pause_with(1.0), seconds(1));
    }

    #[test]
    fn an_outage_of_an_hour_costs_a_server_few_requests() {
        let requests = |first, max, random| {
            let mut backoff = Backoff::new(Retry::seconds(first, max));
            let (mut elapsed, mut requests) = (Duration::ZERO, 0);
            while elapsed < Duration::from_secs(3600) {
                elapsed += backoff.pause_with(random);
                requests += 1;
            }
            requests
        };
        // The fewest and the most that chance allows: polling, LaunchDarkly's stream, flagd's.
        assert_eq!([1.0, 0.0].map(|random| requests(1, 300, random)), [20, 32]);
        assert_eq!([1.0, 0.0].map(|random| requests(1, 30, random)), [124, 244]);
        assert_eq!([1.0, 0.0].map(|random| requests(1, 12, random)), [303, 603]);
    }

    #[test]
    fn a_server_may_ask_for_more_but_not_for_ever() {
        let mut backoff = Backoff::new(Retry::seconds(1, 30));
        assert_eq!(backoff.pause(Some(Duration::from_secs(90))), Duration::from_secs(90));
        assert_eq!(backoff.pause(Some(Duration::from_secs(1 << 40))), MAX_RETRY_AFTER);
    }

    #[test]
    fn no_number_of_failures_overflows() {
        let mut backoff = Backoff::new(Retry { first: Duration::MAX, max: Duration::MAX });
        backoff.failures = u32::MAX;
        assert!(backoff.pause_with(1.0) > Duration::from_secs(1));
        assert_eq!(backoff.failures(), u32::MAX);
    }
}
