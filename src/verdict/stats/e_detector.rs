//! Watching a version that was promoted: the e-detector.
//!
//! A test on the whole history needs long to see that something changed after a long good time; a
//! detector forgets. Per stake of [`grid`](super::grid), with `L = 1 - c + c x / m` of each
//! observation:
//!
//! ```text
//! Shiryaev-Roberts  M = L (M + 1)        CUSUM  M = L max(M, 1)
//! ```
//!
//! averaged over the stakes with the grid's weights. While all is well, the mean number of
//! observations until an alarm at `M >= 1/α` is at least `1/α`. Source: Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric
//! framework for sequential change detection", NEJSDS 2024 (arXiv 2203.03532).
//!
//! The state depends on the order of the observations and cannot be merged: each replica runs a
//! detector of its own, at `α` divided by their number.

use serde::{Deserialize, Serialize};

use super::grid::{STAKES, WEIGHTS};

/// No state grows beyond this: an infinite one would stay infinite for ever.
const CEILING: f64 = 1e200;

/// The detector's state: one number for each stake in each of the two forms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EDetector {
    null: f64,
    shiryaev_roberts: [f64; STAKES.len()],
    cusum: [f64; STAKES.len()],
}

impl EDetector {
    /// Detects that the mean of paired differences in `[-1, 1]` has risen above `margin`, which is
    /// cut to `[0, 0.5]`.
    pub fn new(margin: f64) -> EDetector {
        let margin = if margin.is_nan() { 0.0 } else { margin.clamp(0.0, 0.5) };
        EDetector {
            null: f64::midpoint(margin, 1.0),
            shiryaev_roberts: [0.0; STAKES.len()],
            cusum: [0.0; STAKES.len()],
        }
    }

    /// Adds a difference; NaN counts as 1, the worst.
    pub fn observe(&mut self, difference: f64) {
        let difference = if difference.is_nan() { 1.0 } else { difference.clamp(-1.0, 1.0) };
        let gain = f64::midpoint(difference, 1.0) / self.null - 1.0;
        let states = self.shiryaev_roberts.iter_mut().zip(&mut self.cusum);
        for ((sr, cusum), stake) in states.zip(STAKES) {
            let factor = 1.0 + stake * gain;
            *sr = (factor * (*sr + 1.0)).min(CEILING);
            *cusum = (factor * cusum.max(1.0)).min(CEILING);
        }
    }

    /// `ln M` of the Shiryaev-Roberts form, which raises the alarm: compare it with `ln(1/α)`. `None`
    /// before the first observation.
    pub fn ln_shiryaev_roberts(&self) -> Option<f64> {
        weighed(&self.shiryaev_roberts)
    }

    /// `ln M` of the CUSUM form.
    pub fn ln_cusum(&self) -> Option<f64> {
        weighed(&self.cusum)
    }

    /// Whether the alarm is due, at a mean run length of `1/alpha` observations to a false one.
    pub fn alarms(&self, alpha: f64) -> bool {
        self.ln_shiryaev_roberts().is_some_and(|m| m >= -alpha.ln())
    }
}

fn weighed(states: &[f64]) -> Option<f64> {
    let sum: f64 = states.iter().zip(WEIGHTS).map(|(state, weight)| state * weight).sum();
    (sum > 0.0).then(|| sum.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_stays_finite_however_bad_it_gets() {
        let mut detector = EDetector::new(0.0);
        assert_eq!(detector.ln_shiryaev_roberts(), None);
        for _ in 0..10_000 {
            detector.observe(f64::NAN);
            detector.observe(f64::INFINITY);
        }
        assert!(detector.ln_shiryaev_roberts().unwrap().is_finite());
        assert!(detector.alarms(1e-6));
    }
}
