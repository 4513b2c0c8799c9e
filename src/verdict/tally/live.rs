//! Sums of what was answered live.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{TallyMismatch, add};
use crate::verdict::stats::{asymptotic::Arm, rate_ratio::Stratum};

/// One stage of a ramp, in which the share did not change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageCounts {
    /// The candidate's share of users, in thousandths of a percent.
    pub share: u32,
    /// Users whom the candidate answered.
    pub candidate: ArmCounts,
    /// Users whom the flag meant for the candidate and who were held back: the control group.
    pub held_back: ArmCounts,
    /// Users seen in both arms.
    pub both: u64,
}

/// One arm of a stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ArmCounts {
    /// Requests.
    pub requests: u64,
    /// Requests that failed.
    pub failed_requests: u64,
    /// Users, each once.
    pub keys: u64,
    /// Users with a request that failed.
    pub failed: KeySample,
    /// Users with a late request, by metric.
    pub late: BTreeMap<String, KeySample>,
    /// Outcomes, by metric.
    pub outcomes: BTreeMap<String, OutcomeCounts>,
}

/// Which users something happened to: their hashes, so that one whom two replicas saw counts once.
///
/// At most [`LIMIT`](KeySample::LIMIT) are kept, the smallest ones: a random sample of the users
/// that does not depend on what they did. Where a sample is full, only users with hashes below the
/// smallest that either arm has left out are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySample {
    hashes: BTreeSet<u64>,
    /// The smallest hash that was left out.
    below: Option<u64>,
}

impl KeySample {
    /// How many hashes are kept.
    pub const LIMIT: usize = 4_096;

    /// How many users are held.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether no user is held.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether users have been left out.
    pub fn is_saturated(&self) -> bool {
        self.below.is_some()
    }

    pub(in crate::verdict) fn insert(&mut self, hash: u64) {
        if self.below.is_none_or(|below| hash < below) {
            self.hashes.insert(hash);
            self.cut();
        }
    }

    fn cut(&mut self) {
        if let Some(below) = self.below {
            self.hashes.split_off(&below);
        }
        while self.hashes.len() > KeySample::LIMIT {
            self.below = self.hashes.pop_last();
        }
    }

    fn merge(&mut self, other: &KeySample) {
        self.hashes.extend(&other.hashes);
        self.below = match (self.below, other.below) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        self.cut();
    }

    fn count_below(&self, limit: Option<u64>) -> u64 {
        match limit {
            Some(limit) => self.hashes.range(..limit).count() as u64,
            None => self.hashes.len() as u64,
        }
    }
}

/// The sums of an outcome, each value as one of 65,536 steps of a range given beforehand. Exact up to
/// 2^32 values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OutcomeCounts {
    /// How many.
    pub n: u64,
    /// Their sum.
    pub sum: u64,
    /// The sum of their squares.
    pub sum_of_squares: u64,
    /// Values that were cut to the range.
    pub clipped: u64,
}

impl OutcomeCounts {
    const LARGEST: f64 = 65_535.0;

    /// Adds a value, which must not be NaN.
    pub(in crate::verdict) fn observe(&mut self, value: f64, (low, high): (f64, f64)) {
        let step = ((value.clamp(low, high) - low) / (high - low) * OutcomeCounts::LARGEST).round();
        let step = step as u64;
        add(&mut self.n, 1);
        add(&mut self.sum, step);
        add(&mut self.sum_of_squares, step * step);
        add(&mut self.clipped, u64::from(value < low || value > high));
    }

    /// The sums of the values less the range's lower end, in units of its length.
    pub(in crate::verdict) fn arm(&self) -> Arm {
        Arm {
            n: self.n as f64,
            sum: self.sum as f64 / OutcomeCounts::LARGEST,
            sum_of_squares: self.sum_of_squares as f64 / OutcomeCounts::LARGEST.powi(2),
        }
    }

    fn merge(&mut self, other: &OutcomeCounts) {
        add(&mut self.n, other.n);
        add(&mut self.sum, other.sum);
        add(&mut self.sum_of_squares, other.sum_of_squares);
        add(&mut self.clipped, other.clipped);
    }
}

impl StageCounts {
    /// The share as a number from 0 to 1.
    pub fn share(&self) -> f64 {
        f64::from(self.share) / 100_000.0
    }

    /// The users who failed, as [`rate_ratio`](crate::verdict::stats::rate_ratio) takes them.
    pub fn failures(&self) -> Stratum {
        self.compared(Some(&self.candidate.failed), Some(&self.held_back.failed))
    }

    /// The users who were late.
    pub fn late(&self, metric: &str) -> Stratum {
        self.compared(self.candidate.late.get(metric), self.held_back.late.get(metric))
    }

    fn compared(&self, candidate: Option<&KeySample>, held_back: Option<&KeySample>) -> Stratum {
        let below = |sample: Option<&KeySample>| sample.and_then(|sample| sample.below);
        let limit = match (below(candidate), below(held_back)) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let count = |sample: Option<&KeySample>| sample.map_or(0, |s| s.count_below(limit));
        Stratum { share: self.share(), candidate: count(candidate), held_back: count(held_back) }
    }

    pub(super) fn merge(&mut self, other: &StageCounts) -> Result<(), TallyMismatch> {
        if self.share != other.share {
            return Err(TallyMismatch::new("stage share", other.share, self.share));
        }
        self.candidate.merge(&other.candidate);
        self.held_back.merge(&other.held_back);
        add(&mut self.both, other.both);
        Ok(())
    }
}

impl ArmCounts {
    fn merge(&mut self, other: &ArmCounts) {
        add(&mut self.requests, other.requests);
        add(&mut self.failed_requests, other.failed_requests);
        add(&mut self.keys, other.keys);
        self.failed.merge(&other.failed);
        for (name, sample) in &other.late {
            self.late.entry(name.clone()).or_default().merge(sample);
        }
        for (name, counts) in &other.outcomes {
            self.outcomes.entry(name.clone()).or_default().merge(counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::stats::rounding::splitmix64;

    #[test]
    fn a_user_whom_two_replicas_saw_counts_once_whatever_the_order() {
        let sample = |numbers: std::ops::Range<u64>| {
            let mut sample = KeySample::default();
            numbers.for_each(|n| sample.insert(splitmix64(n)));
            sample
        };
        let parts = [sample(0..3_000), sample(2_000..7_000), sample(100..200)];
        let merged = |order: [usize; 3]| {
            let mut sum = KeySample::default();
            order.iter().for_each(|part| sum.merge(&parts[*part]));
            sum
        };
        assert_eq!(merged([0, 1, 2]), merged([2, 1, 0]));
        assert_eq!(merged([0, 1, 2]), sample(0..7_000));
        assert_eq!(merged([0, 0, 2]).len(), 3_000);
        assert!(merged([1, 0, 2]).is_saturated());
    }
}
