//! What a verdict shows besides its judgement: the guard after promotion, lines over time, single
//! disagreements.

use super::Verdict;
use crate::verdict::{
    Disagreements, MetricCounts, MetricKind, MetricTimeline, StageMark, TimelinePoint, judge,
};

/// Whether a promoted version has become worse by one metric.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct GuardJudgement {
    /// The metric.
    pub name: String,
    /// `ln M` of the detector; `None` before the first pair.
    pub ln_m: Option<f64>,
    /// The `ln M` at which it raises the alarm.
    pub threshold: f64,
    /// Whether it has.
    pub alarm: bool,
}

impl<P, L> Verdict<P, L> {
    /// Whether the promoted candidate has become worse, for each guardrail of failures, accuracy or
    /// loss: by the [e-detector](crate::verdict::stats::e_detector), over the pairs in which the
    /// candidate answered and the champion ran in its shadow, each user once a day. Worse means worse
    /// by more than the metric's margin, which it was allowed to be.
    ///
    /// Counts this process's pairs alone: divide `alpha` by the number of processes. With 1e-6 a false
    /// alarm comes on average after a million pairs or more.
    pub fn guard(&self, alpha: f64) -> Vec<GuardJudgement> {
        let threshold = -alpha.clamp(1e-300, 1.0).ln();
        let state = self.inner.state.lock();
        let metrics = self.config().metrics.iter().zip(&state.guards);
        metrics
            .filter(|(metric, _)| {
                metric.must_pass()
                    && matches!(
                        metric.kind,
                        MetricKind::Failures | MetricKind::Accuracy | MetricKind::Loss
                    )
            })
            .map(|(metric, guard)| {
                let ln_m = guard.ln_shiryaev_roberts();
                GuardJudgement {
                    name: metric.name.clone(),
                    ln_m,
                    threshold,
                    alarm: ln_m.is_some_and(|ln_m| ln_m >= threshold),
                }
            })
            .collect()
    }

    /// How each paired metric came to where it is. Costs up to about ten milliseconds, on the caller's
    /// thread.
    pub fn timelines(&self) -> Vec<MetricTimeline> {
        let lines: Vec<(Vec<MetricCounts>, Vec<StageMark>)> = {
            let state = self.inner.state.lock();
            let lines = state.timelines.iter().enumerate();
            lines.map(|(place, line)| (line.points().to_vec(), state.stage_marks(place))).collect()
        };
        let now = self.tally();
        let metrics = self.config().metrics.iter().zip(lines);
        metrics
            .filter(|(metric, _)| metric.kind.is_paired())
            .map(|(metric, (mut counts, stages))| {
                if let Some(now) = now.metrics.get(&metric.name)
                    && counts.last() != Some(now)
                {
                    counts.push(now.clone());
                }
                let points = counts.iter().filter_map(|counts| self.point(&metric.name, counts));
                MetricTimeline { name: metric.name.clone(), points: points.collect(), stages }
            })
            .collect()
    }

    fn point(&self, name: &str, counts: &MetricCounts) -> Option<TimelinePoint> {
        let judged = judge::of_counts(self.config(), name, counts)?;
        let (lower, upper) = judged.interval?;
        Some(TimelinePoint {
            pairs: judged.pairs,
            estimate: judged.estimate?,
            lower,
            upper,
            ln_e_worse: judged.ln_e_worse,
            ln_e_not_worse: judged.ln_e_not_worse,
        })
    }

    /// The disagreements that were kept
    /// ([`Builder::show_disagreements`](crate::verdict::Builder::show_disagreements)).
    pub fn disagreements(&self) -> Disagreements {
        self.inner.state.lock().disagreements.all()
    }
}
