//! One series of figures, as it is taken.

use histogram::Histogram;

/// One figure of a router, since it was taken last.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ImpactMetric {
    /// The metric's name.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub help: &'static str,
    /// What tells this figure from others of its name. The same keys for all of a name.
    pub labels: Vec<(&'static str, String)>,
    /// The figure.
    pub value: ImpactValue,
}

/// A figure, by its kind.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ImpactValue {
    /// How much was added.
    Counter(u64),
    /// How much it is.
    Gauge(f64),
    /// What was observed.
    Histogram {
        /// How many observations.
        count: u64,
        /// Their sum, within 2 %.
        sum: f64,
        /// How many were at most this, for rising bounds the last of which is infinite; within 3 %
        /// of the bound.
        buckets: Vec<(f64, u64)>,
    },
}

/// Bounds in seconds: models that take microseconds, and those that ask another server.
const BOUNDS: [f64; 18] = [
    0.000_01,
    0.000_1,
    0.000_25,
    0.000_5,
    0.001,
    0.002_5,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    f64::INFINITY,
];

impl ImpactValue {
    /// A distribution of nanoseconds, in seconds.
    pub(super) fn seconds(distribution: &Histogram) -> ImpactValue {
        let (mut count, mut sum) = (0_u64, 0.0);
        let mut buckets: Vec<(f64, u64)> = BOUNDS.iter().map(|bound| (*bound, 0)).collect();
        for bucket in distribution.into_iter().filter(|bucket| bucket.count() > 0) {
            let middle = (bucket.start() as f64 + bucket.end() as f64) / 2e9;
            count = count.saturating_add(bucket.count());
            sum += middle * bucket.count() as f64;
            for (_, within) in buckets.iter_mut().filter(|(bound, _)| middle <= *bound) {
                *within = within.saturating_add(bucket.count());
            }
        }
        ImpactValue::Histogram { count, sum, buckets }
    }

    /// Adds what came later to what could not be reported before. Of a gauge the later counts.
    #[cfg(feature = "unleash")]
    pub(crate) fn merge(&mut self, later: ImpactValue) {
        match (self, later) {
            (ImpactValue::Counter(sum), ImpactValue::Counter(more)) => {
                *sum = sum.saturating_add(more);
            }
            (
                ImpactValue::Histogram { count, sum, buckets },
                ImpactValue::Histogram { count: more, sum: added, buckets: later },
            ) => {
                *count = count.saturating_add(more);
                *sum += added;
                for ((_, within), (_, more)) in buckets.iter_mut().zip(later) {
                    *within = within.saturating_add(more);
                }
            }
            (held, later) => *held = later,
        }
    }
}
