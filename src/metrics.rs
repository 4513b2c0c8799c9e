//! Counts and service times for the [`metrics`](https://docs.rs/metrics) facade.
//!
//! Nothing is recorded on the path of a request: a recorder is somebody else's code, and none of
//! it may delay an answer. What the router has counted by itself is published from a thread of its
//! own, or when a scrape asks for it.

mod autopilot;
mod sources;

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

pub use self::{autopilot::publish_autopilot_metrics, sources::publish_source_metrics};
use crate::{
    compare::sink,
    flag::store,
    latency::Latency,
    router::{RouterStats, stats::VersionState},
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
    let router = router.to_owned();
    metrics::gauge!("modelgate_flag_revision", "router" => router.clone())
        .set(stats.revision as f64);
    let fallbacks = |version: &str, cause: &'static str, count| {
        let labels = [("router", router.clone()), ("version", version.to_owned())];
        let labels = labels.into_iter().chain([("cause", cause.to_owned())]);
        counter("modelgate_fallbacks_total", labels, count);
    };
    for (cause, count) in stats.fallbacks.iter() {
        fallbacks("", cause, count);
    }
    for version in &stats.versions {
        let name = version.version.as_str();
        let labels = |key: &'static str, value: &str| {
            [("router", router.clone()), ("version", name.to_owned()), (key, value.to_owned())]
        };
        for (reason, count) in version.answered.iter() {
            counter("modelgate_answers_total", labels("reason", reason), count);
        }
        for (cause, count) in version.replaced.iter() {
            fallbacks(name, cause, count);
        }
        for (kind, count) in [
            ("invalid_input", version.invalid_inputs),
            ("error", version.errors),
            ("panic", version.panics),
            ("non_finite", version.non_finite),
            ("deadline", version.deadlines),
            ("not_loaded", version.not_loaded),
            ("overloaded", version.overloaded),
        ] {
            counter("modelgate_failures_total", labels("kind", kind), count);
        }
        let eligible = version.state == VersionState::Eligible;
        metrics::gauge!("modelgate_version_eligible", "router" => router.clone(), "version" => name.to_owned())
            .set(f64::from(eligible));
        for (quantile, time) in quantiles(&version.service_time) {
            metrics::gauge!("modelgate_service_seconds", &labels("quantile", quantile))
                .set(time.as_secs_f64());
        }
    }
    publish_sinks(&router, stats);
    // Several policies may run one candidate: its figures are their sum.
    let all: Vec<_> = stats.shadows.iter().flat_map(|shadow| &shadow.candidates).collect();
    for (place, first) in all.iter().enumerate() {
        let same = |other: &&&shadow::Counts| other.candidate() == first.candidate();
        if all.iter().take(place).any(|other| same(&other)) {
            continue;
        }
        let sum = |count: &dyn Fn(&shadow::Counts) -> u64| -> u64 {
            all.iter().filter(same).map(|counts| count(counts)).sum()
        };
        let candidate = ("candidate", first.candidate().to_string());
        let router = ("router", router.clone());
        for (agreement, count) in [
            ("agreed", sum(&shadow::Counts::agreed)),
            ("disagreed", sum(&shadow::Counts::disagreed)),
            ("not_compared", sum(&shadow::Counts::not_compared)),
        ] {
            let labels = [router.clone(), candidate.clone(), ("agreement", agreement.to_owned())];
            counter("modelgate_shadows_completed_total", labels, count);
        }
        // Distributions have no sum: those of the policy that compared most.
        if let Some(most) = all.iter().filter(same).max_by_key(|one| one.candidate_cpu().count) {
            for (side, time) in
                [("primary", most.primary_cpu()), ("candidate", most.candidate_cpu())]
            {
                for (quantile, time) in quantiles(&time) {
                    let labels = [
                        router.clone(),
                        candidate.clone(),
                        ("side", side.to_owned()),
                        ("quantile", quantile.to_owned()),
                    ];
                    metrics::gauge!("modelgate_shadow_cpu_seconds", &labels)
                        .set(time.as_secs_f64());
                }
            }
        }
        for cause in DropCause::ALL {
            let labels = [router.clone(), candidate.clone(), ("cause", cause.as_str().to_owned())];
            counter(
                "modelgate_shadows_dropped_total",
                labels,
                sum(&|counts| counts.dropped(cause)),
            );
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

fn counter(
    name: &'static str,
    labels: impl IntoIterator<Item = (&'static str, String)>,
    count: u64,
) {
    let labels: Vec<metrics::Label> =
        labels.into_iter().map(|(key, value)| metrics::Label::new(key, value)).collect();
    metrics::counter!(name, labels).absolute(count);
}

fn quantiles(latency: &Latency) -> [(&'static str, Duration); 4] {
    [("0.5", latency.p50), ("0.9", latency.p90), ("0.99", latency.p99), ("1", latency.max)]
}

/// A thread that publishes the counts of a router, of a store's sources, or of a rollout, again and
/// again; it ends when this is dropped.
#[derive(Debug)]
#[must_use = "publishing ends when the reporter is dropped"]
pub struct MetricsReporter {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
    /// Disconnected when the thread has ended.
    ended: crossbeam_channel::Receiver<()>,
}

/// Figures are not published more often than this, whatever is asked for: without a pause the thread
/// would take a processor for itself.
const SHORTEST: Duration = Duration::from_millis(10);

/// How long dropping a reporter waits for its last round: what a recorder does is its own affair.
const PATIENCE: Duration = Duration::from_secs(1);

impl MetricsReporter {
    /// Publishes what `stats` returns under the label `router`: at once, and then each time that
    /// `every` has passed.
    ///
    /// ```
    /// # use modelgate::{ModelRouter, Rollout, metrics::MetricsReporter, model_fn};
    /// # let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
    /// #     .model("v1", model_fn(|features: &[f32]| Ok(features.iter().sum())))
    /// #     .fallback("v1")
    /// #     .build()?;
    /// let counted = router.clone();
    /// let every = std::time::Duration::from_secs(10);
    /// let reporter = MetricsReporter::start("fraud", every, move || counted.stats())?;
    /// # drop(reporter);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the operating system refuses a thread.
    pub fn start(
        router: impl Into<String>,
        every: Duration,
        stats: impl Fn() -> RouterStats + Send + 'static,
    ) -> io::Result<MetricsReporter> {
        let router = router.into();
        MetricsReporter::keep(every, move || publish_metrics(&router, &stats()))
    }

    /// Publishes what `status` returns under the label `store`: at once, and then each time that
    /// `every` has passed.
    ///
    /// ```
    /// # use modelgate::{FlagSet, Flags, metrics::MetricsReporter};
    /// # let flags = Flags::from(FlagSet::new());
    /// let watched = flags.clone();
    /// let every = std::time::Duration::from_secs(10);
    /// let reporter = MetricsReporter::start_sources("flags", every, move || watched.status())?;
    /// # drop(reporter);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the operating system refuses a thread.
    pub fn start_sources(
        store: impl Into<String>,
        every: Duration,
        status: impl Fn() -> store::Status + Send + 'static,
    ) -> io::Result<MetricsReporter> {
        let store = store.into();
        MetricsReporter::keep(every, move || publish_source_metrics(&store, &status()))
    }

    /// Publishes what `status` returns of a rollout: at once, and then each time that `every` has
    /// passed.
    ///
    /// # Errors
    ///
    /// When the operating system refuses a thread.
    pub fn start_autopilot(
        every: Duration,
        status: impl Fn() -> crate::autopilot::Status + Send + 'static,
    ) -> io::Result<MetricsReporter> {
        MetricsReporter::keep(every, move || publish_autopilot_metrics(&status()))
    }

    fn keep(every: Duration, publish: impl Fn() + Send + 'static) -> io::Result<MetricsReporter> {
        let every = every.max(SHORTEST);
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let publish = move || {
            // A recorder that panics loses one round of figures and nothing else.
            if catch_unwind(AssertUnwindSafe(&publish)).is_err() {
                tracing::warn!(target: "modelgate::metrics", "the metrics recorder panicked");
            }
        };
        let (alive, ended) = crossbeam_channel::bounded::<()>(0);
        let thread =
            std::thread::Builder::new().name("modelgate-metrics".into()).spawn(move || {
                let _alive = alive;
                let (stopped, changed) = &*stopped;
                let mut stopped = stopped.lock();
                while !*stopped {
                    parking_lot::MutexGuard::unlocked(&mut stopped, &publish);
                    if !*stopped {
                        changed.wait_for(&mut stopped, every);
                    }
                }
            })?;
        Ok(MetricsReporter { stop, thread: Some(thread), ended })
    }
}

/// Waits for the round that is being published, but not for ever: a recorder that hangs is left to
/// itself.
impl Drop for MetricsReporter {
    fn drop(&mut self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        let Some(thread) = self.thread.take() else { return };
        // What is published may own the reporter.
        if thread.thread().id() == std::thread::current().id() {
            return;
        }
        if self.ended.recv_timeout(PATIENCE).is_err_and(|error| error.is_disconnected()) {
            let _ = thread.join();
        }
    }
}
