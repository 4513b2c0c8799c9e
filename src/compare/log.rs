//! Comparisons as log events.

use super::{Comparison, ComparisonSink};

/// Writes each comparison as a `tracing` event of the target `modelgate::compare`: a failed side
/// at `warn`, a disagreement at `info`, everything else at `debug`.
///
/// The fields are `version`, `candidate`, `revision`, `prediction_id`, `agrees`, `distance`,
/// `measure`, `primary_us`, `candidate_us`, `queue_wait_us` and, where a side failed,
/// `primary_error` and `error`. Neither outputs nor features nor anything of the user is in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingSink(());

impl TracingSink {
    /// The sink; it writes to whatever subscriber the service installs.
    pub fn new() -> TracingSink {
        TracingSink(())
    }
}

impl<P> ComparisonSink<P> for TracingSink {
    fn record(&self, comparison: &Comparison<P>) {
        let failed = comparison.primary.outcome.is_err() || comparison.candidate.outcome.is_err();
        macro_rules! event {
            ($level:ident, $message:literal) => {
                tracing::$level!(
                    target: "modelgate::compare",
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
                    primary_error = comparison.primary.outcome.as_ref().err().map(tracing::field::display),
                    error = comparison.candidate.outcome.as_ref().err().map(tracing::field::display),
                    $message
                )
            };
        }
        if failed {
            event!(warn, "one side failed");
        } else if comparison.agreement.agrees() == Some(false) {
            event!(info, "versions disagree");
        } else {
            event!(debug, "versions compared");
        }
    }
}
