//! What routers count, for a flag server that sets it beside the flags it has changed.
//!
//! Nothing here is on the way of a request: what routers count by themselves is read when it is
//! taken.

mod series;
mod watch;

use std::{fmt, sync::Arc};

use parking_lot::Mutex;

pub use self::series::{ImpactMetric, ImpactValue};
pub(crate) use self::watch::ImpactFeed;

/// Carries what routers count to where their flags come from: how long each version takes, how
/// often it answers and fails, and how often shadows disagree with it.
///
/// Give it to a [router](crate::RouterBuilder::impact_metrics), or to several under different
/// names, and to the one source that reports it, `Source::impact_metrics`. A clone is the
/// same handle.
///
/// | name | kind | labels besides `router` |
/// |---|---|---|
/// | `modelgate_answers_total` | counter | `version`, `reason` |
/// | `modelgate_failures_total` | counter | `version`, `kind` |
/// | `modelgate_fallbacks_total` | counter | `version` (the one wanted; `none` when the flags named none), `cause` |
/// | `modelgate_service_seconds` | histogram | `version` |
/// | `modelgate_shadows_completed_total` | counter | `candidate`, `agreement` (`agreed`, `disagreed`, `not_compared`) |
/// | `modelgate_shadows_dropped_total` | counter | `candidate`, `cause` |
/// | `modelgate_shadow_disagreement` | gauge | `candidate`; the share of the runs compared since the last time |
///
/// The values of labels mean what they mean in [`RouterStats`](crate::router::stats::RouterStats).
///
/// ```
/// use modelgate::{Context, ModelRouter, Rollout, model_fn, unleash::{ImpactMetrics, ImpactValue}};
///
/// let impact = ImpactMetrics::new();
/// let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
///     .model("v1", model_fn(|features: &[f32]| Ok(features.iter().sum())))
///     .fallback("v1")
///     .source(Rollout::everyone("v1").flag("ml-model-version")?)
///     .impact_metrics("fraud", &impact)
///     .build()?;
/// router.predict(&Context::new("user-42"), &[1.0, 2.0])?;
///
/// let taken = impact.take();
/// let answers = taken.iter().find(|metric| metric.name == "modelgate_answers_total").unwrap();
/// assert_eq!(answers.value, ImpactValue::Counter(1));
/// assert!(answers.labels.contains(&("version", "v1".to_owned())));
/// assert!(impact.take().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct ImpactMetrics(Arc<Mutex<Vec<Arc<ImpactFeed>>>>);

impl ImpactMetrics {
    /// Carries nothing yet.
    pub fn new() -> ImpactMetrics {
        ImpactMetrics::default()
    }

    /// What was counted since the last time: counters and histograms are what has been added, a
    /// gauge is what it is. What has not changed is left out. Everything is taken exactly once,
    /// also what a router counted last before it was dropped.
    pub fn take(&self) -> Vec<ImpactMetric> {
        let mut taken = Vec::new();
        self.0.lock().retain(|feed| {
            // Looked at before it is taken: whoever still holds the feed may still count.
            let in_use = Arc::strong_count(feed) > 1;
            feed.take(&mut taken);
            in_use
        });
        taken
    }

    /// The way in for one router.
    pub(crate) fn open(&self, router: String) -> Arc<ImpactFeed> {
        let feed = Arc::new(ImpactFeed::new(router));
        self.0.lock().push(Arc::clone(&feed));
        feed
    }
}

impl fmt::Debug for ImpactMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImpactMetrics")
            .field("routers", &self.0.lock().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
