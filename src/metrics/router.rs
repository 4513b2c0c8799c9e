//! What a router has counted: answers, failures, fallbacks, shadows, comparisons.

use super::{counter, quantiles};
use crate::{
    compare::sink,
    router::{
        RouterStats,
        stats::{VersionState, VersionStats},
    },
    shadow::{self, DropCause},
};

/// Publishes what `stats` says to the installed recorder, under the label `router`.
///
/// | name | kind | labels besides `router` |
/// |---|---|---|
/// | `modelgate_answers_total` | counter | `version`, `reason` |
/// | `modelgate_failures_total` | counter | `version`, `kind` |
/// | `modelgate_fallbacks_total` | counter | `version` (the one wanted; empty when the flags named none), `cause` |
/// | `modelgate_service_seconds` | gauge | `version`, `quantile` (`0.5`, `0.9`, `0.99`, `1`) |
/// | `modelgate_shadows_completed_total` | counter | `candidate`, `agreement` (`agreed`, `disagreed`, `not_compared`) |
/// | `modelgate_shadows_dropped_total` | counter | `candidate`, `cause` |
/// | `modelgate_shadow_cpu_seconds` | gauge | `candidate`, `side` (`primary`, `candidate`), `quantile`: processor time on both sides of the same comparisons; `modelgate_service_seconds` is by the clock |
/// | `modelgate_shadows_waiting` | gauge | |
/// | `modelgate_comparisons_total` | counter | `outcome` (`recorded`, `dropped`, `failed`): what sinks made of them |
/// | `modelgate_version_eligible` | gauge | `version`: 1 while it may answer |
/// | `modelgate_flag_revision` | gauge | |
///
/// Handles are looked up at each call, so it does not matter whether the recorder was installed
/// before the router was built.
pub fn publish_metrics(router: &str, stats: &RouterStats) {
    metrics::gauge!("modelgate_flag_revision", "router" => router.to_owned())
        .set(stats.revision as f64);
    for (cause, count) in stats.fallbacks.iter() {
        publish_fallbacks(router, "", cause, count);
    }
    for version in &stats.versions {
        publish_version(router, version);
    }
    publish_sinks(router, stats);
    // Several policies may run one candidate: its figures are their sum.
    let all: Vec<_> = stats.shadows.iter().flat_map(|shadow| &shadow.candidates).collect();
    for (place, first) in all.iter().enumerate() {
        let is_same = |other: &&&shadow::Counts| other.candidate() == first.candidate();
        if !all.iter().take(place).any(|other| is_same(&other)) {
            let same: Vec<&shadow::Counts> = all.iter().filter(is_same).copied().collect();
            publish_candidate(router, first.candidate(), &same);
        }
    }
}

fn publish_fallbacks(router: &str, version: &str, cause: &'static str, count: u64) {
    let labels = [("router", router), ("version", version), ("cause", cause)];
    counter("modelgate_fallbacks_total", labels.map(|(key, of)| (key, of.to_owned())), count);
}

fn publish_version(router: &str, version: &VersionStats) {
    let name = version.version.as_str();
    let labels = |key: &'static str, value: &str| {
        [("router", router.to_owned()), ("version", name.to_owned()), (key, value.to_owned())]
    };
    for (reason, count) in version.answered.iter() {
        counter("modelgate_answers_total", labels("reason", reason), count);
    }
    for (cause, count) in version.replaced.iter() {
        publish_fallbacks(router, name, cause, count);
    }
    for (kind, count) in version.failures() {
        counter("modelgate_failures_total", labels("kind", kind.as_str()), count);
    }
    let eligible = version.state == VersionState::Eligible;
    metrics::gauge!("modelgate_version_eligible", "router" => router.to_owned(), "version" => name.to_owned())
        .set(f64::from(eligible));
    for (quantile, time) in quantiles(&version.service_time) {
        metrics::gauge!("modelgate_service_seconds", &labels("quantile", quantile))
            .set(time.as_secs_f64());
    }
}

/// Publishes the sums of what several policies counted for one candidate.
fn publish_candidate(router: &str, candidate: &str, counts: &[&shadow::Counts]) {
    let labels = |key: &'static str, value: &str| {
        [
            ("router", router.to_owned()),
            ("candidate", candidate.to_owned()),
            (key, value.to_owned()),
        ]
    };
    let sum = |count: &dyn Fn(&shadow::Counts) -> u64| -> u64 {
        counts.iter().map(|counts| count(counts)).sum()
    };
    for (agreement, count) in [
        ("agreed", sum(&shadow::Counts::agreed)),
        ("disagreed", sum(&shadow::Counts::disagreed)),
        ("not_compared", sum(&shadow::Counts::not_compared)),
    ] {
        counter("modelgate_shadows_completed_total", labels("agreement", agreement), count);
    }
    for cause in DropCause::ALL {
        let count = sum(&|counts| counts.dropped(cause));
        counter("modelgate_shadows_dropped_total", labels("cause", cause.as_str()), count);
    }
    // Distributions have no sum: those of the policy that compared most.
    let Some(most) = counts.iter().max_by_key(|one| one.candidate_cpu().count) else { return };
    for (side, time) in [("primary", most.primary_cpu()), ("candidate", most.candidate_cpu())] {
        for (quantile, time) in quantiles(&time) {
            let [router, candidate, side] = labels("side", side);
            let labels = [router, candidate, side, ("quantile", quantile.to_owned())];
            metrics::gauge!("modelgate_shadow_cpu_seconds", &labels).set(time.as_secs_f64());
        }
    }
}

/// What waits to be run, and what became of comparisons.
fn publish_sinks(router: &str, stats: &RouterStats) {
    let waiting: usize = stats.shadows.iter().map(|line| line.waiting).sum();
    metrics::gauge!("modelgate_shadows_waiting", "router" => router.to_owned()).set(waiting as f64);
    let sum = |count: fn(&sink::Counts) -> u64| stats.shadows.iter().map(|s| count(&s.sinks)).sum();
    for (outcome, count) in [
        ("recorded", sum(|sinks| sinks.recorded)),
        ("dropped", sum(|sinks| sinks.dropped)),
        ("failed", sum(|sinks| sinks.failed)),
    ] {
        let labels = [("router", router.to_owned()), ("outcome", outcome.to_owned())];
        counter("modelgate_comparisons_total", labels, count);
    }
}
