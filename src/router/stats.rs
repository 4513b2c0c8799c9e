//! What a router counts: answers by reason, failures by kind, fallbacks by cause, service times.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use histogram::{AtomicHistogram, Histogram};
use serde::Serialize;

use super::FallbackCause;
use crate::{
    flag::Reason, model::ModelErrorKind, shadow::ShadowStats, sharded::Sharded, version::Version,
};

/// Buckets of at most 3 % width, up to 2^37 ns: more than two minutes.
const GROUPING_POWER: u8 = 5;
const MAX_VALUE_POWER: u8 = 37;

/// The counters of one version. Written by the thread that served the request, each to a shard of
/// its own.
#[derive(Debug)]
pub(crate) struct VersionCounters {
    shards: Sharded<Shard>,
}

#[derive(Debug)]
struct Shard {
    answered: [AtomicU64; Reason::COUNT],
    /// By [`FallbackCause::index`]: how often this version was wanted and the fallback stood in.
    replaced: [AtomicU64; FallbackCause::COUNT],
    failed: [AtomicU64; FAILURES],
    service_time: Option<AtomicHistogram>,
    longest: AtomicU64,
}

const FAILURES: usize = 6;

const FAILURE_KINDS: [ModelErrorKind; FAILURES] = [
    ModelErrorKind::InvalidInput,
    ModelErrorKind::Failed,
    ModelErrorKind::Panicked,
    ModelErrorKind::NonFinite,
    ModelErrorKind::Deadline,
    ModelErrorKind::NotLoaded,
];

fn failure(kind: ModelErrorKind) -> usize {
    match kind {
        ModelErrorKind::InvalidInput => 0,
        ModelErrorKind::Failed => 1,
        ModelErrorKind::Panicked => 2,
        ModelErrorKind::NonFinite => 3,
        ModelErrorKind::Deadline => 4,
        ModelErrorKind::NotLoaded => 5,
    }
}

impl VersionCounters {
    pub(crate) fn new() -> VersionCounters {
        VersionCounters {
            shards: Sharded::new(|| Shard {
                answered: Default::default(),
                replaced: Default::default(),
                failed: Default::default(),
                service_time: AtomicHistogram::new(GROUPING_POWER, MAX_VALUE_POWER).ok(),
                longest: AtomicU64::new(0),
            }),
        }
    }

    /// The version's answer went to the caller.
    #[inline]
    pub(crate) fn answered(&self, reason: Reason) {
        self.count(|shard| shard.answered.get(reason.index()));
    }

    /// The version was wanted and the fallback answered.
    #[cold]
    pub(crate) fn replaced(&self, cause: FallbackCause) {
        self.count(|shard| shard.replaced.get(cause.index()));
    }

    #[cold]
    pub(crate) fn failed(&self, kind: ModelErrorKind) {
        self.count(|shard| shard.failed.get(failure(kind)));
    }

    /// One finished call, whatever came of it.
    #[inline]
    pub(crate) fn took(&self, service_time: Duration) {
        let shard = self.shards.mine();
        let nanoseconds = u64::try_from(service_time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(histogram) = &shard.service_time {
            // Beyond the last bucket counts as the last bucket; `longest` keeps the truth.
            let _ = histogram.increment(nanoseconds.min((1 << MAX_VALUE_POWER) - 1));
        }
        if nanoseconds > shard.longest.load(Ordering::Relaxed) {
            shard.longest.fetch_max(nanoseconds, Ordering::Relaxed);
        }
    }

    #[inline]
    fn count<'a>(&'a self, counter: impl FnOnce(&'a Shard) -> Option<&'a AtomicU64>) {
        if let Some(counter) = counter(self.shards.mine()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn sum(&self, counter: impl Fn(&Shard) -> Option<&AtomicU64>) -> u64 {
        self.shards.iter().filter_map(counter).map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// How long calls took, in nanoseconds.
    pub(crate) fn distribution(&self) -> Option<Histogram> {
        let mut total: Option<Histogram> = None;
        for part in self.shards.iter().filter_map(|shard| shard.service_time.as_ref()) {
            let part = part.load();
            total = match total {
                None => Some(part),
                Some(sum) => sum.checked_add(&part).ok().or(Some(sum)),
            };
        }
        total
    }

    fn service_time(&self) -> Latency {
        let total = self.distribution();
        let quantile = |q: f64| {
            let bucket = total.as_ref().and_then(|h| h.quantile_bucket(q).ok().flatten());
            Duration::from_nanos(bucket.map_or(0, |bucket| bucket.end()))
        };
        let longest = self.shards.iter().map(|shard| shard.longest.load(Ordering::Relaxed)).max();
        let max = Duration::from_nanos(longest.unwrap_or(0));
        Latency {
            count: total.as_ref().map_or(0, |h| h.as_slice().iter().sum()),
            // A bucket's upper end may lie beyond the longest call there was.
            p50: quantile(0.5).min(max),
            p90: quantile(0.9).min(max),
            p99: quantile(0.99).min(max),
            max,
        }
    }

    /// Answers that went to callers, by the reason of the decision.
    pub(crate) fn answers(&self) -> Counts {
        let by_reason = Reason::ALL
            .iter()
            .map(|reason| (reason.as_str(), self.sum(|shard| shard.answered.get(reason.index()))))
            .filter(|(_, count)| *count > 0);
        Counts(by_reason.collect())
    }

    /// How often the fallback stood in, by cause.
    pub(crate) fn replacements(&self) -> Counts {
        named(|index| self.sum(|shard| shard.replaced.get(index)))
    }

    /// How often calls failed, by kind.
    pub(crate) fn failures(&self) -> [(&'static str, u64); FAILURES] {
        FAILURE_KINDS.map(|kind| (kind.as_str(), self.failed_by(kind)))
    }

    fn failed_by(&self, kind: ModelErrorKind) -> u64 {
        self.sum(|shard| shard.failed.get(failure(kind)))
    }

    pub(crate) fn read(&self, version: &Version, state: VersionState) -> VersionStats {
        let failed = |kind| self.failed_by(kind);
        VersionStats {
            version: version.clone(),
            state,
            answered: self.answers(),
            replaced: self.replacements(),
            invalid_inputs: failed(ModelErrorKind::InvalidInput),
            errors: failed(ModelErrorKind::Failed),
            panics: failed(ModelErrorKind::Panicked),
            non_finite: failed(ModelErrorKind::NonFinite),
            deadlines: failed(ModelErrorKind::Deadline),
            service_time: self.service_time(),
        }
    }
}

fn named(count: impl Fn(usize) -> u64) -> Counts {
    Counts(
        FallbackCause::NAMES
            .iter()
            .enumerate()
            .map(|(index, name)| (*name, count(index)))
            .filter(|(_, count)| *count > 0)
            .collect(),
    )
}

/// How often the flags named no version, by cause.
#[derive(Debug)]
pub(crate) struct FallbackCounters {
    shards: Sharded<[AtomicU64; FallbackCause::COUNT]>,
}

impl FallbackCounters {
    pub(crate) fn new() -> FallbackCounters {
        FallbackCounters { shards: Sharded::new(Default::default) }
    }

    #[cold]
    pub(crate) fn count(&self, cause: FallbackCause) {
        if let Some(counter) = self.shards.mine().get(cause.index()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Counts {
        named(|index| {
            let counters = self.shards.iter().filter_map(|shard| shard.get(index));
            counters.map(|count| count.load(Ordering::Relaxed)).sum()
        })
    }
}

/// Named counts; those at zero are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(Vec<(&'static str, u64)>);

impl Counts {
    /// The count of `name`.
    pub fn get(&self, name: &str) -> u64 {
        self.0.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count)
    }

    /// The names and counts that are not zero.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }

    /// The sum of all counts.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }
}

impl Serialize for Counts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// What a router has counted since it was built; see [`ModelRouter::stats`](crate::ModelRouter::stats).
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RouterStats {
    /// The revision of the flags in force.
    pub revision: u64,
    /// How often the fallback version answered because the flags named no version that could, by
    /// [cause](FallbackCause::as_str).
    pub fallbacks: Counts,
    /// Each version.
    pub versions: Vec<VersionStats>,
    /// Each shadow candidate.
    pub shadows: Vec<ShadowStats>,
}

/// What a router has counted for one version.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct VersionStats {
    /// The version.
    pub version: Version,
    /// Whether it may answer.
    #[serde(flatten)]
    pub state: VersionState,
    /// Answers that went to callers, by the [reason](Reason::as_str) of the decision.
    pub answered: Counts,
    /// How often this version was wanted and the fallback answered, by [cause](FallbackCause::as_str).
    pub replaced: Counts,
    /// Calls refused because of what the caller sent.
    pub invalid_inputs: u64,
    /// Calls that returned an error.
    pub errors: u64,
    /// Calls that panicked.
    pub panics: u64,
    /// Answers refused because they held NaN or an infinity.
    pub non_finite: u64,
    /// Calls that came too late.
    pub deadlines: u64,
    /// How long calls took, warm-up excluded.
    pub service_time: Latency,
}

/// Whether a version may answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum VersionState {
    /// It may.
    Eligible,
    /// It may not: it did not load, or failed its checks.
    Ineligible {
        /// Why.
        why: String,
    },
    /// It is registered and has not been loaded yet.
    NotLoaded,
    /// An operator blocked it.
    Blocked,
    /// Its breaker is open.
    BreakerOpen,
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
        let counters = VersionCounters::new();
        for microsecond in 1..=1_000 {
            counters.took(Duration::from_micros(microsecond));
        }
        let latency = counters.service_time();
        assert_eq!((latency.count, latency.max), (1_000, Duration::from_millis(1)));
        for (found, exact) in [(latency.p50, 500.0), (latency.p90, 900.0), (latency.p99, 990.0)] {
            let found = found.as_nanos() as f64 / 1_000.0;
            assert!((found - exact).abs() <= exact * 0.035, "{found} for {exact}");
        }
    }

    #[test]
    fn a_call_longer_than_the_histogram_is_counted_and_kept_exactly() {
        let counters = VersionCounters::new();
        counters.took(Duration::from_secs(3_600));
        let latency = counters.service_time();
        assert_eq!((latency.count, latency.max), (1, Duration::from_secs(3_600)));
    }
}
