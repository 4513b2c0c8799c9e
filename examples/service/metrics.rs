//! `GET /metrics`: the router's counts, in the text format of Prometheus.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use modelgate::{
    autopilot,
    flag::store,
    metrics::{publish_autopilot_metrics, publish_metrics, publish_source_metrics},
    router::stats::RouterStats,
};

/// What Prometheus scrapes. A service with metrics of its own installs the recorder for the whole
/// process (`PrometheusBuilder::install_recorder`) and has a `MetricsReporter` publish to it; here it
/// is filled when it is asked, so that two services may live in one process.
pub struct Metrics(PrometheusRecorder);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    pub fn new() -> Metrics {
        Metrics(PrometheusBuilder::new().build_recorder())
    }

    /// Everything there is to scrape.
    pub fn render(
        &self,
        stats: &RouterStats,
        status: &store::Status,
        rollout: Option<&autopilot::Status>,
    ) -> String {
        metrics::with_local_recorder(&self.0, || {
            publish_metrics("ml-model-version", stats);
            publish_source_metrics("flags", status);
            if let Some(rollout) = rollout {
                publish_autopilot_metrics(rollout);
            }
        });
        self.0.handle().render()
    }
}
