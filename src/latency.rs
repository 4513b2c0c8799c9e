//! Durations, counted in histograms that any thread may write to.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use histogram::{AtomicHistogram, Histogram};
use serde::Serialize;

/// Buckets of at most 3 % width, up to 2^37 ns: more than two minutes.
const GROUPING_POWER: u8 = 5;
const MAX_VALUE_POWER: u8 = 37;

/// Where durations are counted.
#[derive(Debug)]
pub(crate) struct Latencies {
    histogram: Option<AtomicHistogram>,
    longest: AtomicU64,
}

impl Latencies {
    pub(crate) fn new() -> Latencies {
        let histogram = AtomicHistogram::new(GROUPING_POWER, MAX_VALUE_POWER).ok();
        Latencies { histogram, longest: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn count(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(histogram) = &self.histogram {
            // Beyond the last bucket counts as the last bucket; `longest` keeps the truth.
            let _ = histogram.increment(nanoseconds.min((1 << MAX_VALUE_POWER) - 1));
        }
        if nanoseconds > self.longest.load(Ordering::Relaxed) {
            self.longest.fetch_max(nanoseconds, Ordering::Relaxed);
        }
    }

    /// What several places have counted together, in nanoseconds, and the longest.
    pub(crate) fn total<'a>(
        places: impl Iterator<Item = &'a Latencies>,
    ) -> (Option<Histogram>, Duration) {
        let mut total: Option<Histogram> = None;
        let mut longest = 0;
        for place in places {
            longest = longest.max(place.longest.load(Ordering::Relaxed));
            let Some(part) = place.histogram.as_ref().map(AtomicHistogram::load) else { continue };
            total = match total {
                None => Some(part),
                Some(sum) => sum.checked_add(&part).ok().or(Some(sum)),
            };
        }
        (total, Duration::from_nanos(longest))
    }

    /// What several places have counted together.
    pub(crate) fn read<'a>(places: impl Iterator<Item = &'a Latencies>) -> Latency {
        let (total, max) = Latencies::total(places);
        let quantile = |q: f64| {
            let bucket = total.as_ref().and_then(|h| h.quantile_bucket(q).ok().flatten());
            Duration::from_nanos(bucket.map_or(0, |bucket| bucket.end()))
        };
        Latency {
            count: total.as_ref().map_or(0, |h| h.as_slice().iter().sum()),
            // A bucket's upper end may lie beyond the longest time there was.
            p50: quantile(0.5).min(max),
            p90: quantile(0.9).min(max),
            p99: quantile(0.99).min(max),
            max,
        }
    }
}

/// A distribution of durations, from a histogram with buckets at most 3 % wide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// The median.
    #[serde(serialize_with = "microseconds", rename = "p50_us")]
    pub p50: Duration,
    /// Nine of ten took at most this.
    #[serde(serialize_with = "microseconds", rename = "p90_us")]
    pub p90: Duration,
    /// 99 of 100 took at most this.
    #[serde(serialize_with = "microseconds", rename = "p99_us")]
    pub p99: Duration,
    /// The longest, exactly.
    #[serde(serialize_with = "microseconds", rename = "max_us")]
    pub max: Duration,
}

fn microseconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_nanos() as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_within_three_percent_and_never_beyond_the_longest() {
        let latencies = Latencies::new();
        for microsecond in 1..=1_000 {
            latencies.count(Duration::from_micros(microsecond));
        }
        let latency = Latencies::read(std::iter::once(&latencies));
        assert_eq!((latency.count, latency.max), (1_000, Duration::from_millis(1)));
        for (found, exact) in [(latency.p50, 500.0), (latency.p90, 900.0), (latency.p99, 990.0)] {
            let found = found.as_nanos() as f64 / 1_000.0;
            assert!((found - exact).abs() <= exact * 0.035, "{found} for {exact}");
        }
    }

    #[test]
    fn a_time_longer_than_the_histogram_is_counted_and_kept_exactly() {
        let latencies = Latencies::new();
        latencies.count(Duration::from_secs(3_600));
        let latency = Latencies::read(std::iter::once(&latencies));
        assert_eq!((latency.count, latency.max), (1, Duration::from_secs(3_600)));
    }
}
