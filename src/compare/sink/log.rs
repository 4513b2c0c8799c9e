//! A sink that writes comparisons as log events.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use tracing::Level;

use crate::compare::{
    Comparison, Run,
    sink::{ComparisonSink, Counts},
};

/// Writes each comparison as a `tracing` event with the target `modelgate::compare`: a failed run at
/// `warn`, a disagreement at `info`, everything else at `debug`.
///
/// The fields are `version`, `candidate`, `revision`, `prediction_id`, `agrees`, `distance`,
/// `measure`, `primary_us` and `candidate_us` (by the clock), `primary_cpu_us` and `candidate_cpu_us`
/// (processor time, where it is known), `queue_wait_us` and, where a run failed, `primary_error` and
/// `error` (the candidate's): the failure and its causes,
/// [without features](crate::ModelError::redacted). An event holds no output, no feature, and nothing
/// about the user.
///
/// It writes at most 100 events a second ([`per_second`](TracingSink::per_second)), and counts the
/// others as dropped: a subscriber that writes to the standard output holds a lock for which requests
/// that log would wait.
///
/// Without a subscriber that listens at an event's level, the comparison counts as dropped too
/// ([`Counts`](crate::compare::sink::Counts)).
#[derive(Debug)]
pub struct TracingSink {
    recorded: AtomicU64,
    dropped: AtomicU64,
    rate: RateLimit,
}

impl Default for TracingSink {
    fn default() -> TracingSink {
        TracingSink::new()
    }
}

impl TracingSink {
    /// The sink; it writes to whatever subscriber the service installs.
    pub fn new() -> TracingSink {
        TracingSink {
            recorded: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            rate: RateLimit::new(100),
        }
    }

    /// How many events it writes in a second at most; 100 by default, `u32::MAX` for no bound.
    #[must_use]
    pub fn per_second(mut self, events: u32) -> TracingSink {
        self.rate = RateLimit::new(events);
        self
    }
}

/// Features are in no log, whatever the policy says: see [`ModelError::redacted`].
fn error_of<P>(side: &Run<P>) -> Option<impl tracing::Value> {
    let error = side.outcome.as_ref().err()?;
    Some(tracing::field::display(error.redacted()))
}

fn cpu_us<P>(side: &Run<P>) -> Option<u64> {
    Some(side.cpu_time?.as_micros() as u64)
}

impl<P> ComparisonSink<P> for TracingSink {
    fn record(&self, comparison: &Comparison<P>) {
        let failed = comparison.primary.outcome.is_err() || comparison.candidate.outcome.is_err();
        macro_rules! event {
            ($level:ident, $message:literal) => {{
                let heard = tracing::enabled!(target: "modelgate::compare", Level::$level)
                    && self.rate.allows();
                if !heard {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                self.recorded.fetch_add(1, Ordering::Relaxed);
                tracing::event!(
                    target: "modelgate::compare",
                    Level::$level,
                    version = %comparison.primary.version,
                    candidate = %comparison.candidate.version,
                    revision = comparison.revision,
                    prediction_id = %comparison.prediction_id,
                    agrees = comparison.agreement.agrees(),
                    distance = comparison.agreement.distance(),
                    measure = comparison.agreement.measure(),
                    primary_us = comparison.primary.service_time.as_micros() as u64,
                    candidate_us = comparison.candidate.service_time.as_micros() as u64,
                    primary_cpu_us = cpu_us(&comparison.primary),
                    candidate_cpu_us = cpu_us(&comparison.candidate),
                    queue_wait_us = comparison.queue_wait.as_micros() as u64,
                    primary_error = error_of(&comparison.primary),
                    error = error_of(&comparison.candidate),
                    $message
                );
            }};
        }
        if failed {
            event!(WARN, "one side failed");
        } else if comparison.agreement.agrees() == Some(false) {
            event!(INFO, "versions disagree");
        } else {
            event!(DEBUG, "versions compared");
        }
    }

    fn counts(&self) -> Counts {
        Counts {
            recorded: self.recorded.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            failed: 0,
        }
    }
}

/// A limit on the events of a second, all of which may come at once: the generic cell rate algorithm
/// (ITU-T I.371), with a burst of one second.
#[derive(Debug)]
struct RateLimit {
    /// Nanoseconds of a second that one event takes; 0 for no limit, and more than a second to allow
    /// none at all.
    each: u64,
    since: Instant,
    /// When the events allowed so far are paid for, in nanoseconds since `since`.
    paid_at: AtomicU64,
}

const SECOND: u64 = 1_000_000_000;

impl RateLimit {
    fn new(per_second: u32) -> RateLimit {
        let each = match per_second {
            0 => u64::MAX,
            u32::MAX => 0,
            some => SECOND / u64::from(some),
        };
        RateLimit { each, since: Instant::now(), paid_at: AtomicU64::new(0) }
    }

    fn allows(&self) -> bool {
        self.allows_at(u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn allows_at(&self, now: u64) -> bool {
        // Relaxed: no other memory depends on the number.
        let taken = self.paid_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid_at| {
            let paid_at = paid_at.max(now).saturating_add(self.each);
            (paid_at <= now.saturating_add(SECOND)).then_some(paid_at)
        });
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_a_second_grants_at_once_and_then_one_by_one() {
        let rate = RateLimit::new(100);
        let allowed = |now: u64| (0..1_000).filter(|_| rate.allows_at(now)).count();
        assert_eq!(allowed(0), 100);
        assert_eq!(allowed(SECOND / 100), 1);
        assert_eq!(allowed(SECOND / 2), 49);
        assert_eq!(allowed(100 * SECOND), 100, "no more than a second's are saved up");
    }

    #[test]
    fn none_and_all_can_be_said() {
        assert!(!RateLimit::new(0).allows_at(5));
        assert!((0..10_000).all(|_| RateLimit::new(u32::MAX).allows_at(0)));
    }
}
