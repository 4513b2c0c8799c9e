//! What one router counts, and what of it was taken already.

use std::{collections::BTreeMap, sync::Arc};

use histogram::Histogram;
use parking_lot::Mutex;

use super::{ImpactMetric, ImpactValue};
use crate::{
    router::{
        stats::{FallbackCounters, VersionCounters},
        table::RoutingTable,
    },
    shadow::{CandidateCounts, DropCause},
    version::Version,
};

/// What one router counts. It holds the counters and nothing else of the router, so that the last
/// figures can be taken when the router is gone, and a source that has this does not keep alive the
/// router that has the source.
pub(crate) struct ImpactFeed {
    router: String,
    watched: Mutex<WatchedCounters>,
}

#[derive(Default)]
struct WatchedCounters {
    fallbacks: Vec<CounterWatch<FallbackCounters>>,
    versions: Vec<CounterWatch<VersionCounters>>,
    candidates: Vec<CounterWatch<CandidateCounts>>,
}

struct CounterWatch<T> {
    name: Version,
    counters: Arc<T>,
    taken: LastTaken,
}

/// What was taken already, by metric and label.
#[derive(Default)]
struct LastTaken {
    counts: BTreeMap<(&'static str, &'static str), u64>,
    service_time: Option<Histogram>,
}

/// Where figures go, with the labels that are the same for all of them.
struct MetricWriter<'t> {
    router: &'t str,
    subject: (&'static str, &'t Version),
    taken: &'t mut LastTaken,
    metrics: &'t mut Vec<ImpactMetric>,
}

impl ImpactFeed {
    pub(super) fn new(router: String) -> ImpactFeed {
        ImpactFeed { router, watched: Mutex::default() }
    }

    /// Counts what no version is to blame for.
    pub(crate) fn watch_fallbacks(&self, counters: &Arc<FallbackCounters>) {
        watch(&mut self.watched.lock().fallbacks, "none".into(), counters);
    }

    /// Counts the versions of this table from now on, and goes on counting those it knows.
    pub(crate) fn watch<M>(&self, table: &RoutingTable<M>) {
        let mut watched = self.watched.lock();
        for slot in &table.slots {
            watch(&mut watched.versions, slot.version.clone(), &slot.counters);
        }
        for candidate in table.shadows.iter().flat_map(|route| &route.counts) {
            watch(&mut watched.candidates, candidate.version().clone(), candidate);
        }
    }

    pub(super) fn take(&self, metrics: &mut Vec<ImpactMetric>) {
        let WatchedCounters { fallbacks, versions, candidates } = &mut *self.watched.lock();
        let router = &*self.router;
        take_each(fallbacks, router, "version", metrics, take_fallbacks);
        take_each(versions, router, "version", metrics, take_version);
        take_each(candidates, router, "candidate", metrics, take_candidate);
    }
}

fn watch<T>(watches: &mut Vec<CounterWatch<T>>, name: Version, counters: &Arc<T>) {
    if !watches.iter().any(|known| Arc::ptr_eq(&known.counters, counters)) {
        let counters = Arc::clone(counters);
        watches.push(CounterWatch { name, counters, taken: LastTaken::default() });
    }
}

fn take_each<T>(
    watches: &mut Vec<CounterWatch<T>>,
    router: &str,
    key: &'static str,
    metrics: &mut Vec<ImpactMetric>,
    take: impl Fn(&T, MetricWriter<'_>),
) {
    watches.retain_mut(|watch| {
        // Looked at before it is taken: whoever still holds the counters may still count.
        let in_use = Arc::strong_count(&watch.counters) > 1;
        let subject = (key, &watch.name);
        take(&watch.counters, MetricWriter { router, subject, taken: &mut watch.taken, metrics });
        in_use
    });
}

const FALLBACKS: (&str, &str) =
    ("modelgate_fallbacks_total", "Requests that the fallback version answered for another.");

fn take_fallbacks(counters: &FallbackCounters, mut figures: MetricWriter<'_>) {
    for (cause, count) in counters.read().iter() {
        figures.count(FALLBACKS, ("cause", cause), count);
    }
}

fn take_version(counters: &VersionCounters, mut figures: MetricWriter<'_>) {
    let answers = ("modelgate_answers_total", "Answers that went to callers.");
    for (reason, count) in counters.answers().iter() {
        figures.count(answers, ("reason", reason), count);
    }
    let failures = ("modelgate_failures_total", "Calls that gave no answer.");
    for (kind, count) in counters.failures() {
        figures.count(failures, ("kind", kind), count);
    }
    for (cause, count) in counters.replacements().iter() {
        figures.count(FALLBACKS, ("cause", cause), count);
    }
    if let Some(service_time) = counters.distribution() {
        figures.distribute(
            ("modelgate_service_seconds", "How long calls of the version took."),
            service_time,
        );
    }
}

fn take_candidate(candidate: &CandidateCounts, mut figures: MetricWriter<'_>) {
    let counts = candidate.counts();
    let completed = ("modelgate_shadows_completed_total", "Shadow runs that came to an end.");
    let mut agreement =
        |agreement, count| figures.count(completed, ("agreement", agreement), count);
    let agreed = agreement("agreed", counts.agreed());
    let disagreed = agreement("disagreed", counts.disagreed());
    agreement("not_compared", counts.not_compared());
    let compared = agreed.saturating_add(disagreed);
    if compared > 0 {
        let help = "The share of compared shadow runs that disagreed with what was served.";
        let share = ImpactValue::Gauge(disagreed as f64 / compared as f64);
        figures.push(("modelgate_shadow_disagreement", help), None, share);
    }
    let lost = ("modelgate_shadows_dropped_total", "Shadow runs that came to no end.");
    for cause in DropCause::ALL {
        figures.count(lost, ("cause", cause.as_str()), counts.dropped(cause));
    }
}

type Named = (&'static str, &'static str);

impl MetricWriter<'_> {
    /// What was added to this counter; nothing is taken when that is nothing.
    fn count(&mut self, metric: Named, label: Named, count: u64) -> u64 {
        let taken = self.taken.counts.entry((metric.0, label.1)).or_default();
        let added = count.saturating_sub(*taken);
        *taken = count;
        if added > 0 {
            self.push(metric, Some(label), ImpactValue::Counter(added));
        }
        added
    }

    fn distribute(&mut self, metric: Named, distribution: Histogram) {
        let added = match &self.taken.service_time {
            Some(taken) => distribution.wrapping_sub(taken).ok(),
            None => Some(distribution.clone()),
        };
        self.taken.service_time = Some(distribution);
        if let Some(added) = added.filter(|added| added.as_slice().iter().any(|count| *count > 0)) {
            self.push(metric, None, ImpactValue::seconds(&added));
        }
    }

    fn push(&mut self, (name, help): Named, label: Option<Named>, value: ImpactValue) {
        let (key, subject) = self.subject;
        let mut labels = vec![("router", self.router.to_owned()), (key, subject.to_string())];
        labels.extend(label.map(|(key, value)| (key, value.to_owned())));
        self.metrics.push(ImpactMetric { name, help, labels, value });
    }
}
