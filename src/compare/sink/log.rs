//! Comparisons as log events.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Level;

use crate::compare::{
    Comparison, Run,
    sink::{ComparisonSink, SinkCounts},
};

/// Writes each comparison as a `tracing` event of the target `modelgate::compare`: a failed side
/// at `warn`, a disagreement at `info`, everything else at `debug`.
///
/// The fields are `version`, `candidate`, `revision`, `prediction_id`, `agrees`, `distance`,
/// `measure`, `primary_us`, `candidate_us`, `queue_wait_us` and, where a side failed,
/// `primary_error` and `error`: the failure and its causes,
/// [without features](crate::ModelError::redacted). Neither outputs nor features nor anything of
/// the user is in it.
///
/// Without a subscriber, or with one that does not listen at that level, nothing is written
/// anywhere: such a comparison counts as dropped in [`SinkCounts`](crate::compare::sink::SinkCounts).
#[derive(Debug, Default)]
pub struct TracingSink {
    recorded: AtomicU64,
    dropped: AtomicU64,
}

impl TracingSink {
    /// The sink; it writes to whatever subscriber the service installs.
    pub fn new() -> TracingSink {
        TracingSink::default()
    }
}

/// Features are in no log, whatever the policy says: see [`ModelError::redacted`].
fn error_of<P>(side: &Run<P>) -> Option<impl tracing::Value> {
    let error = side.outcome.as_ref().err()?;
    Some(tracing::field::display(error.redacted()))
}

impl<P> ComparisonSink<P> for TracingSink {
    fn record(&self, comparison: &Comparison<P>) {
        let failed = comparison.primary.outcome.is_err() || comparison.candidate.outcome.is_err();
        macro_rules! event {
            ($level:ident, $message:literal) => {{
                let count = match tracing::enabled!(target: "modelgate::compare", Level::$level) {
                    true => &self.recorded,
                    false => &self.dropped,
                };
                count.fetch_add(1, Ordering::Relaxed);
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

    fn counts(&self) -> SinkCounts {
        SinkCounts {
            recorded: self.recorded.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            failed: 0,
        }
    }
}
