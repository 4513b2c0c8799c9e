//! Counts and service times for the [`metrics`](https://docs.rs/metrics) facade.
//!
//! Nothing is recorded on the path of a request: a recorder is somebody else's code, and none of
//! it may delay an answer. What the router has counted by itself is published from a thread of its
//! own, or when a scrape asks for it.

mod autopilot;
mod router;
mod sources;

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

pub use self::{
    autopilot::publish_autopilot_metrics, router::publish_metrics, sources::publish_source_metrics,
};
use crate::{flag::store, latency::Latency, router::RouterStats};

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
