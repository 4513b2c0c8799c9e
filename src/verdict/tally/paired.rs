//! Sums of what was observed on the same request.

use serde::{Deserialize, Serialize};

use super::{TallyMismatch, add, add_bins};
use crate::verdict::stats::{
    agreement::Moments,
    grid::{self, Observed},
    rounding::STEPS,
};

/// The sums of one paired metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MetricCounts {
    /// Differences of two yes-or-no observations.
    Paired {
        /// Bad for the candidate only.
        worse: u64,
        /// Alike for both.
        same: u64,
        /// Bad for the champion only.
        better: u64,
        /// Of `same`, those that were bad for both.
        both_bad: u64,
    },
    /// Yes-or-no observations.
    Share {
        /// Yes.
        yes: u64,
        /// No.
        no: u64,
    },
    /// Observations in `[0, 1]`, rounded to 129 bins without moving their mean. A difference `d`
    /// in `[-1, 1]` is kept as `(d + 1) / 2`.
    Histogram {
        /// The bins; none before the first observation.
        bins: Vec<u64>,
        /// Observations that were cut to the bound.
        clipped: u64,
        /// Observations that were not numbers, and counted as the worst.
        not_a_number: u64,
    },
}

impl MetricCounts {
    /// How many observations.
    pub fn observed(&self) -> u64 {
        match self {
            MetricCounts::Paired { worse, same, better, .. } => {
                worse.saturating_add(*same).saturating_add(*better)
            }
            MetricCounts::Share { yes, no } => yes.saturating_add(*no),
            MetricCounts::Histogram { bins, .. } => {
                bins.iter().fold(0, |sum, count| sum.saturating_add(*count))
            }
        }
    }

    /// As values in `[0, 1]` and how often each was seen: what [`grid`] takes.
    pub fn observations(&self) -> Vec<Observed> {
        match self {
            MetricCounts::Paired { worse, same, better, .. } => {
                grid::ternary(*worse, *same, *better).into()
            }
            MetricCounts::Share { yes, no } => grid::bernoulli(*yes, *no).into(),
            MetricCounts::Histogram { bins, .. } => grid::histogram(bins),
        }
    }

    pub(in crate::verdict) fn no_pairs() -> MetricCounts {
        MetricCounts::Paired { worse: 0, same: 0, better: 0, both_bad: 0 }
    }

    pub(in crate::verdict) fn no_shares() -> MetricCounts {
        MetricCounts::Share { yes: 0, no: 0 }
    }

    pub(in crate::verdict) fn no_values() -> MetricCounts {
        MetricCounts::Histogram { bins: vec![0; STEPS + 1], clipped: 0, not_a_number: 0 }
    }

    /// Adds a paired observation: whether it was bad for each version.
    pub(in crate::verdict) fn pair(&mut self, candidate_bad: bool, champion_bad: bool) {
        if let MetricCounts::Paired { worse, same, better, both_bad } = self {
            match (candidate_bad, champion_bad) {
                (true, false) => add(worse, 1),
                (false, true) => add(better, 1),
                (both, _) => {
                    add(same, 1);
                    add(both_bad, u64::from(both));
                }
            }
        }
    }

    pub(in crate::verdict) fn share(&mut self, is: bool) {
        if let MetricCounts::Share { yes, no } = self {
            add(if is { yes } else { no }, 1);
        }
    }

    pub(super) fn merge(&mut self, other: &MetricCounts) -> Result<(), TallyMismatch> {
        match (self, other) {
            (
                MetricCounts::Paired { worse, same, better, both_bad },
                MetricCounts::Paired { worse: w, same: s, better: b, both_bad: both },
            ) => {
                add(both_bad, *both);
                add(worse, *w);
                add(same, *s);
                add(better, *b);
                Ok(())
            }
            (MetricCounts::Share { yes, no }, MetricCounts::Share { yes: y, no: n }) => {
                add(yes, *y);
                add(no, *n);
                Ok(())
            }
            (
                MetricCounts::Histogram { bins, clipped, not_a_number },
                MetricCounts::Histogram { bins: b, clipped: c, not_a_number: n },
            ) => {
                add_bins(bins, b)?;
                add(clipped, *c);
                add(not_a_number, *n);
                Ok(())
            }
            (mine, theirs) => Err(TallyMismatch::new("metric", theirs.word(), mine.word())),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            MetricCounts::Paired { .. } => "paired counts",
            MetricCounts::Share { .. } => "a share",
            MetricCounts::Histogram { .. } => "a histogram",
        }
    }
}

/// Sums of both versions' scores, each as one of 65,536 steps of a range given beforehand. Exact up to
/// 2^32 pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScoreCounts {
    /// How many pairs.
    pub n: u64,
    /// `Σ x`, the champion's.
    pub x: u64,
    /// `Σ y`, the candidate's.
    pub y: u64,
    /// `Σ x²`.
    pub xx: u64,
    /// `Σ y²`.
    pub yy: u64,
    /// `Σ x y`.
    pub xy: u64,
    /// The champion's scores, in twenty bins of the range.
    pub champion: Vec<u64>,
    /// The candidate's.
    pub candidate: Vec<u64>,
    /// Candidate less champion where they differ, in 41 bins over the range from minus its length to its
    /// length.
    #[serde(default)]
    pub differences: Vec<u64>,
}

impl ScoreCounts {
    pub(in crate::verdict) const BINS: usize = 20;
    /// Odd, so that the middle one is around 0.
    const DIFFERENCES: usize = 41;
    const LARGEST: f64 = 65_535.0;

    pub(in crate::verdict) fn begun() -> ScoreCounts {
        let bins = vec![0; ScoreCounts::BINS];
        ScoreCounts {
            champion: bins.clone(),
            candidate: bins,
            differences: vec![0; ScoreCounts::DIFFERENCES],
            ..ScoreCounts::default()
        }
    }

    /// Adds a pair of scores, each as its place in the range, from 0 to 1.
    pub(in crate::verdict) fn observe(&mut self, champion: f64, candidate: f64) {
        // A float that does not fit an integer is cut to its range.
        let step = |place: f64| (place.clamp(0.0, 1.0) * ScoreCounts::LARGEST).round() as u64;
        let bin = |place: f64| {
            ((place.clamp(0.0, 1.0) * ScoreCounts::BINS as f64) as usize).min(ScoreCounts::BINS - 1)
        };
        let (x, y) = (step(champion), step(candidate));
        for (sum, more) in [
            (&mut self.n, 1),
            (&mut self.x, x),
            (&mut self.y, y),
            (&mut self.xx, x * x),
            (&mut self.yy, y * y),
            (&mut self.xy, x * y),
        ] {
            add(sum, more);
        }
        for (bins, place) in [(&mut self.champion, champion), (&mut self.candidate, candidate)] {
            if let Some(count) = bins.get_mut(bin(place)) {
                add(count, 1);
            }
        }
        if x != y {
            let place = (y as f64 - x as f64) / ScoreCounts::LARGEST;
            let bin = f64::midpoint(place, 1.0) * ScoreCounts::DIFFERENCES as f64;
            let bin = (bin as usize).min(ScoreCounts::DIFFERENCES - 1);
            if let Some(count) = self.differences.get_mut(bin) {
                add(count, 1);
            }
        }
    }

    /// The sums in units of the range's length.
    pub fn moments(&self) -> Moments {
        let (one, two) = (ScoreCounts::LARGEST, ScoreCounts::LARGEST.powi(2));
        Moments {
            n: self.n as f64,
            x: self.x as f64 / one,
            y: self.y as f64 / one,
            xx: self.xx as f64 / two,
            yy: self.yy as f64 / two,
            xy: self.xy as f64 / two,
        }
    }

    pub(super) fn merge(&mut self, other: &ScoreCounts) -> Result<(), TallyMismatch> {
        for (mine, theirs) in [
            (&mut self.n, other.n),
            (&mut self.x, other.x),
            (&mut self.y, other.y),
            (&mut self.xx, other.xx),
            (&mut self.yy, other.yy),
            (&mut self.xy, other.xy),
        ] {
            add(mine, theirs);
        }
        add_bins(&mut self.champion, &other.champion)?;
        add_bins(&mut self.candidate, &other.candidate)?;
        add_bins(&mut self.differences, &other.differences)
    }
}

/// A distribution at the beginning and since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DriftCounts {
    /// The first observations, by bin.
    pub base: Vec<u64>,
    /// All later ones.
    pub now: Vec<u64>,
}

impl DriftCounts {
    /// How many observations make the base.
    pub const BASE: u64 = 1_000;

    pub(super) fn merge(&mut self, other: &DriftCounts) -> Result<(), TallyMismatch> {
        add_bins(&mut self.base, &other.base)?;
        add_bins(&mut self.now, &other.now)
    }

    pub(in crate::verdict) fn observe(&mut self, bin: usize) {
        let based = self.base.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let bins = if based < DriftCounts::BASE { &mut self.base } else { &mut self.now };
        if let Some(count) = bins.get_mut(bin) {
            add(count, 1);
        }
    }
}
