//! How a metric came to where it is: at most two hundred points.

use serde::Serialize;

use super::MetricCounts;

/// More points than this are thinned to half.
const MOST: usize = 200;

/// The sums after each `stride` observations.
pub(super) struct Timeline {
    stride: u64,
    points: Vec<MetricCounts>,
    observed: u64,
}

impl Timeline {
    pub(super) fn new() -> Timeline {
        Timeline { stride: 1, points: Vec::with_capacity(MOST), observed: 0 }
    }

    pub(super) fn note(&mut self, counts: &MetricCounts) {
        self.observed = self.observed.saturating_add(1);
        if !self.observed.is_multiple_of(self.stride) {
            return;
        }
        if self.points.len() >= MOST {
            // Every second point stays: those at multiples of twice the stride.
            let mut place = 0_usize;
            self.points.retain(|_| {
                place += 1;
                place.is_multiple_of(2)
            });
            self.stride = self.stride.saturating_mul(2);
            if !self.observed.is_multiple_of(self.stride) {
                return;
            }
        }
        self.points.push(counts.clone());
    }

    pub(super) fn points(&self) -> &[MetricCounts] {
        &self.points
    }
}

/// How one metric came to where it is. Of this process alone: lines do not add up.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MetricTimeline {
    /// The metric.
    pub name: String,
    /// Points, oldest first; two hundred at most, the last one being now.
    pub points: Vec<TimelinePoint>,
    /// The stages of the ramp that began meanwhile, oldest first.
    pub stages: Vec<StageMark>,
}

/// Where a stage of the ramp began on a metric's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StageMark {
    /// The stage's number.
    pub stage: u32,
    /// The candidate's share in it, in thousandths of a percent.
    pub share: u32,
    /// Observations of the metric until then.
    pub pairs: u64,
}

/// What was known at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TimelinePoint {
    /// Observations until then.
    pub pairs: u64,
    /// The best guess.
    pub estimate: f64,
    /// The lower end of the interval.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
    /// `ln E` of "worse".
    pub ln_e_worse: f64,
    /// `ln E` of "not worse by the margin", where there is one.
    pub ln_e_not_worse: Option<f64>,
}
