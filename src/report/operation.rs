//! What a router has counted and the state of its flags, as sections of a report.

use super::content::{Content, Count, Latency, Shadow, Source, Standing, Version};
use crate::{
    flag::store::{self, SourceState},
    latency,
    router::stats::{NamedCounts, RouterStats, VersionState, VersionStats},
    shadow::{self, DropCause},
};

pub(super) fn fill_stats(content: &mut Content, stats: &RouterStats) {
    content.versions = stats.versions.iter().map(version).collect();
    content.latency.extend(stats.versions.iter().map(service_time));
    let candidates = || stats.shadows.iter().flat_map(|line| &line.candidates);
    content.latency.extend(candidates().flat_map(processor_times));
    content.shadows = candidates()
        .map(|candidate| {
            let dropped = DropCause::ALL.into_iter().map(|cause| Count {
                name: cause.as_str().to_owned(),
                count: candidate.dropped(cause),
            });
            Shadow {
                candidate: candidate.candidate().to_string(),
                wanted: candidate.wanted(),
                completed: candidate.completed(),
                dropped: dropped.filter(|count| count.count > 0).collect(),
            }
        })
        .collect();
}

fn version(stats: &VersionStats) -> Version {
    let (state, standing) = match &stats.state {
        VersionState::Eligible => ("may answer".to_owned(), Standing::Good),
        VersionState::Ineligible { why } => (format!("may not answer: {why}"), Standing::Bad),
        VersionState::NotLoaded => ("not loaded yet".to_owned(), Standing::Neutral),
        VersionState::Blocked => ("blocked by an operator".to_owned(), Standing::Caution),
        VersionState::BreakerOpen => ("resting after failures".to_owned(), Standing::Bad),
    };
    let failures = [
        ("invalid input", stats.invalid_inputs),
        ("error", stats.errors),
        ("panic", stats.panics),
        ("not finite", stats.non_finite),
        ("deadline", stats.deadlines),
        ("not loaded", stats.not_loaded),
        ("overloaded", stats.overloaded),
    ];
    Version {
        version: stats.version.to_string(),
        state,
        standing,
        answered: stats.answered.total(),
        replaced: counts(&stats.replaced),
        failures: failures
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| Count { name: name.to_owned(), count })
            .collect(),
    }
}

fn counts(counts: &NamedCounts) -> Vec<Count> {
    counts.iter().map(|(name, count)| Count { name: name.to_owned(), count }).collect()
}

/// Of both sides of the comparisons in which both are known.
fn processor_times(counts: &shadow::Counts) -> Vec<Latency> {
    let candidate = counts.candidate();
    let sides = [
        (format!("compared with {candidate}"), "answering a caller, processor time"),
        (candidate.to_string(), "in shadow, processor time"),
    ];
    let times = [counts.primary_cpu(), counts.candidate_cpu()];
    let known = sides.into_iter().zip(times).filter(|(_, time)| time.count > 0);
    known.map(|((version, place), time)| summary(version, place, &time)).collect()
}

fn service_time(stats: &VersionStats) -> Latency {
    let version = stats.version.to_string();
    Latency {
        buckets: stats.service_times.clone(),
        ..summary(version, "answering a caller, by the clock", &stats.service_time)
    }
}

fn summary(version: String, measured: &str, time: &latency::Latency) -> Latency {
    let micros = |time: std::time::Duration| time.as_nanos() as f64 / 1e3;
    Latency {
        version,
        measured: measured.to_owned(),
        count: time.count,
        p50_us: micros(time.p50),
        p90_us: micros(time.p90),
        p99_us: micros(time.p99),
        max_us: micros(time.max),
        buckets: Vec::new(),
    }
}

pub(super) fn fill_flags(content: &mut Content, status: &store::Status) {
    content.sources = status
        .sources
        .iter()
        .map(|source| {
            let (state, standing) = match &source.state {
                SourceState::Ready => ("up to date".to_owned(), Standing::Good),
                SourceState::Starting { attempts, .. } => {
                    (format!("starting, {attempts} attempts failed"), Standing::Caution)
                }
                SourceState::Stale { reason, .. } => (format!("stale: {reason}"), Standing::Bad),
                SourceState::Rejected { reason, .. } => {
                    (format!("rejected: {reason}"), Standing::Bad)
                }
                #[allow(unreachable_patterns)] // The enum grows.
                _ => ("in another state".to_owned(), Standing::Caution),
            };
            Source {
                name: source.name.clone(),
                state,
                standing,
                age_seconds: source.age.map(|age| age.as_secs_f64()),
                flags: source.flags as u64,
                problems: source.problems.len() as u64,
            }
        })
        .collect();
}
