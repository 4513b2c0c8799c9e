//! What a router counts: answers by reason, failures by kind, fallbacks by cause, service times.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use histogram::Histogram;
use serde::Serialize;

pub use crate::latency::Latency;

use super::FallbackCause;
use crate::{
    flag::Reason, latency::Latencies, model::ErrorKind, shadow, sharded::Sharded, version::Version,
};

/// The counters of one version. Written by the thread that served the request, each to a shard of
/// its own.
#[derive(Debug)]
pub(crate) struct VersionCounters {
    shards: Sharded<Shard>,
    /// How often its breaker opened. Rare, so in one place.
    breaker_opens: AtomicU64,
}

#[derive(Debug)]
struct Shard {
    answered: [AtomicU64; Reason::COUNT],
    /// By [`FallbackCause::index`]: how often this version was wanted and the fallback stood in.
    replaced: [AtomicU64; FallbackCause::COUNT],
    failed: [AtomicU64; ErrorKind::ALL.len()],
    given_up: AtomicU64,
    service_time: Latencies,
}

impl VersionCounters {
    pub(crate) fn new() -> VersionCounters {
        VersionCounters {
            shards: Sharded::new(|| Shard {
                answered: Default::default(),
                replaced: Default::default(),
                failed: Default::default(),
                given_up: AtomicU64::new(0),
                service_time: Latencies::new(),
            }),
            breaker_opens: AtomicU64::new(0),
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
    pub(crate) fn failed(&self, kind: ErrorKind) {
        self.count(|shard| shard.failed.get(kind.index()));
    }

    /// Its breaker opened.
    #[cold]
    pub(crate) fn breaker_opened(&self) {
        self.breaker_opens.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn breaker_opens(&self) -> u64 {
        self.breaker_opens.load(Ordering::Relaxed)
    }

    /// How often an autopilot kept a user from it.
    pub(crate) fn held_back(&self) -> u64 {
        self.sum(|shard| shard.replaced.get(FallbackCause::HeldBack.index()))
    }

    /// The caller has gone before there was an answer.
    #[cfg(feature = "async")]
    #[cold]
    pub(crate) fn given_up(&self) {
        self.count(|shard| Some(&shard.given_up));
    }

    /// One finished call, whatever came of it.
    #[inline]
    pub(crate) fn took(&self, service_time: Duration) {
        self.shards.of_this_thread().service_time.count(service_time);
    }

    #[inline]
    fn count<'a>(&'a self, counter: impl FnOnce(&'a Shard) -> Option<&'a AtomicU64>) {
        if let Some(counter) = counter(self.shards.of_this_thread()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn sum(&self, counter: impl Fn(&Shard) -> Option<&AtomicU64>) -> u64 {
        self.shards.iter().filter_map(counter).map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// How long calls took, in nanoseconds.
    pub(crate) fn distribution(&self) -> Option<Histogram> {
        Latencies::total(self.shards.iter().map(|shard| &shard.service_time)).0
    }

    fn buckets(&self) -> Vec<(f64, u64)> {
        let Some(histogram) = self.distribution() else { return Vec::new() };
        let taken = histogram.into_iter().filter(|bucket| bucket.count() > 0);
        taken.map(|bucket| (bucket.end() as f64 / 1e3, bucket.count())).collect()
    }

    fn service_time(&self) -> Latency {
        Latencies::read(self.shards.iter().map(|shard| &shard.service_time))
    }

    /// Answers that went to callers, by the reason of the decision.
    pub(crate) fn answers(&self) -> NamedCounts {
        let by_reason = Reason::ALL
            .iter()
            .map(|reason| (reason.as_str(), self.sum(|shard| shard.answered.get(reason.index()))))
            .filter(|(_, count)| *count > 0);
        NamedCounts(by_reason.collect())
    }

    /// How often the fallback stood in, by cause.
    pub(crate) fn replacements(&self) -> NamedCounts {
        named(|index| self.sum(|shard| shard.replaced.get(index)))
    }

    /// How often calls failed, by kind.
    pub(crate) fn failures(&self) -> [(&'static str, u64); ErrorKind::ALL.len()] {
        ErrorKind::ALL.map(|kind| (kind.as_str(), self.failed_by(kind)))
    }

    fn failed_by(&self, kind: ErrorKind) -> u64 {
        self.sum(|shard| shard.failed.get(kind.index()))
    }

    pub(crate) fn read(&self, version: &Version, state: VersionState) -> VersionStats {
        let failed = |kind| self.failed_by(kind);
        VersionStats {
            version: version.clone(),
            state,
            answered: self.answers(),
            replaced: self.replacements(),
            invalid_inputs: failed(ErrorKind::InvalidInput),
            errors: failed(ErrorKind::Failed),
            panics: failed(ErrorKind::Panicked),
            non_finite: failed(ErrorKind::NonFinite),
            deadlines: failed(ErrorKind::Deadline),
            not_loaded: failed(ErrorKind::NotLoaded),
            overloaded: failed(ErrorKind::Overloaded),
            given_up: self.sum(|shard| Some(&shard.given_up)),
            service_time: self.service_time(),
            service_times: self.buckets(),
        }
    }
}

fn named(count: impl Fn(usize) -> u64) -> NamedCounts {
    NamedCounts(
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
        if let Some(counter) = self.shards.of_this_thread().get(cause.index()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> NamedCounts {
        named(|index| {
            let counters = self.shards.iter().filter_map(|shard| shard.get(index));
            counters.map(|count| count.load(Ordering::Relaxed)).sum()
        })
    }
}

/// Named counts; those at zero are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedCounts(Vec<(&'static str, u64)>);

impl NamedCounts {
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

impl Serialize for NamedCounts {
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
    pub fallbacks: NamedCounts,
    /// Each version.
    pub versions: Vec<VersionStats>,
    /// Each shadow candidate.
    pub shadows: Vec<shadow::Stats>,
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
    pub answered: NamedCounts,
    /// How often this version was wanted and the fallback answered, by [cause](FallbackCause::as_str).
    pub replaced: NamedCounts,
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
    /// Calls of a model that could not be loaded for them, or whose threads had been let go.
    pub not_loaded: u64,
    /// Calls refused because too many were at work or waiting; they are not in the service time.
    pub overloaded: u64,
    /// Calls of an async router that were given up by their callers: before they ran, or, of a model
    /// that waits, before it answered. One that had begun to compute is counted by how it ends.
    pub given_up: u64,
    /// How long calls took, warm-up excluded.
    pub service_time: Latency,
    /// The same by buckets that are not empty: upper end in microseconds, calls.
    #[serde(skip)]
    pub(crate) service_times: Vec<(f64, u64)>,
}

#[cfg(feature = "metrics")]
impl VersionStats {
    /// How many calls failed, by every kind there is.
    pub(crate) fn failures(&self) -> [(ErrorKind, u64); ErrorKind::ALL.len()] {
        ErrorKind::ALL.map(|kind| {
            let count = match kind {
                ErrorKind::InvalidInput => self.invalid_inputs,
                ErrorKind::Failed => self.errors,
                ErrorKind::Panicked => self.panics,
                ErrorKind::NonFinite => self.non_finite,
                ErrorKind::Deadline => self.deadlines,
                ErrorKind::NotLoaded => self.not_loaded,
                ErrorKind::Overloaded => self.overloaded,
            };
            (kind, count)
        })
    }
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
