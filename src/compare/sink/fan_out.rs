//! Several sinks as one.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::compare::{
    Comparison, Slices,
    sink::{ComparisonSink, Counts, Error},
};
use crate::{
    contain::contained, context::EvaluationContext, model::ModelError, shadow::Dropped,
    version::Version,
};

/// Passes each comparison to several sinks, in order. A panic of one is counted as a failure, and the
/// others are called all the same.
#[must_use]
pub(crate) struct FanOut<P> {
    sinks: Vec<Box<dyn ComparisonSink<P>>>,
    panics: AtomicU64,
}

impl<P> FanOut<P> {
    /// Without sinks.
    pub(crate) fn new() -> FanOut<P> {
        FanOut { sinks: Vec::new(), panics: AtomicU64::new(0) }
    }

    /// With this sink as well.
    pub(crate) fn and(mut self, sink: impl ComparisonSink<P> + 'static) -> FanOut<P> {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Whether there are no sinks.
    pub(crate) fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }

    /// How often a sink panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    fn guarded<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(result) => Some(result),
            Err(payload) => {
                let error = ModelError::panicked(payload);
                if self.panics.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!(
                        target: "modelgate::compare",
                        error = %error.redacted(),
                        "a comparison sink panicked; further panics are only counted"
                    );
                }
                None
            }
        }
    }
}

impl<P> ComparisonSink<P> for FanOut<P> {
    fn record(&self, comparison: &Comparison<P>) {
        for sink in &self.sinks {
            self.guarded(|| sink.record(comparison));
        }
    }

    fn dropped(&self, dropped: &Dropped) {
        for sink in &self.sinks {
            self.guarded(|| sink.dropped(dropped));
        }
    }

    fn dropped_unreported(&self, candidate: &Version, runs: u64) {
        for sink in &self.sinks {
            self.guarded(|| sink.dropped_unreported(candidate, runs));
        }
    }

    fn slices(&self, context: &dyn EvaluationContext) -> Slices {
        let mut slices = Slices::default();
        for sink in &self.sinks {
            slices.append(self.guarded(|| sink.slices(context)).unwrap_or_default());
        }
        slices
    }

    /// Flushes every sink, and reports the first failure.
    fn flush(&self) -> Result<(), Error> {
        let mut first = Ok(());
        for sink in &self.sinks {
            let flushed = self
                .guarded(|| sink.flush())
                .unwrap_or_else(|| Err(Error::new("sink failed", "it panicked")));
            if first.is_ok() {
                first = flushed;
            }
        }
        first
    }

    /// The sums over all sinks; a panic counts as a failure.
    fn counts(&self) -> Counts {
        let mut sum = Counts { failed: self.panics(), ..Counts::default() };
        for sink in &self.sinks {
            let counts = self.guarded(|| sink.counts()).unwrap_or_default();
            sum.recorded = sum.recorded.saturating_add(counts.recorded);
            sum.dropped = sum.dropped.saturating_add(counts.dropped);
            sum.failed = sum.failed.saturating_add(counts.failed);
        }
        sum
    }
}

/// A sink that panics when it is dropped does not keep the others from being dropped.
impl<P> Drop for FanOut<P> {
    fn drop(&mut self) {
        for sink in self.sinks.drain(..) {
            let _ = contained(|| drop(sink));
        }
    }
}

impl<P> Default for FanOut<P> {
    fn default() -> FanOut<P> {
        FanOut::new()
    }
}

impl<P> fmt::Debug for FanOut<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOut").field("sinks", &self.sinks.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::compare::{Run, sink::MemorySink};

    #[test]
    fn a_sink_that_panics_keeps_nothing_from_the_others() {
        let kept = Arc::new(MemorySink::new(8));
        let sinks =
            FanOut::new().and(|_: &Comparison<u8>| panic!("no disk today")).and(kept.clone());
        let side = || Run::new("v", Ok(1_u8), Duration::ZERO);
        sinks.record(&Comparison::new(side(), side()));
        sinks.record(&Comparison::new(side(), side()));
        assert_eq!(kept.len(), 2);
        assert_eq!(sinks.panics(), 2);
        assert_eq!(sinks.counts(), Counts { recorded: 2, dropped: 0, failed: 2 });
    }
}
