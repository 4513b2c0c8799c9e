//! What a verdict says.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{ClassCoverage, Finding, MetricKind, Overall, Role};

/// What the evidence says now: of each metric, of the data's health, and over all.
///
/// Plain data: it serializes, and [`Evidence`](super::Evidence) carries it with the sums it was
/// made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Judgement {
    /// The recommendation: what to do with the candidate.
    pub overall: Overall,
    /// Why, a sentence each, the most important first.
    pub why: Vec<String>,
    /// The candidate.
    pub candidate: String,
    /// The version it is judged against; `None` is whichever answered.
    pub champion: Option<String>,
    /// The attempt, from 0.
    pub attempt: u32,
    /// The metrics, in the order in which they were configured.
    pub metrics: Vec<MetricJudgement>,
    /// Whether the data can be trusted.
    pub health: Health,
    /// Slices in which the candidate is worse, at a false discovery rate of 10 %. They decide nothing.
    pub slices: Vec<SliceJudgement>,
    /// The hash of the configuration.
    pub config_hash: String,
}

impl Judgement {
    /// The judgement of the metric of this name.
    pub fn metric(&self, name: &str) -> Option<&MetricJudgement> {
        self.metrics.iter().find(|metric| metric.name == name)
    }
}

/// As a person reads it: the recommendation, why, and a line a metric.
impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.candidate, self.overall)?;
        for reason in &self.why {
            write!(f, "\n  because {reason}")?;
        }
        for metric in &self.metrics {
            write!(f, "\n  {}", metric.sentence)?;
        }
        for note in &self.health.notes {
            write!(f, "\n  note: {note}")?;
        }
        Ok(())
    }
}

/// The `ln E` that a finding takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// For "worse".
    pub worse: f64,
    /// For "not worse", "better" and "equivalent".
    pub not_worse: f64,
}

/// What the evidence says of one metric.
///
/// Differences are the candidate's less the champion's, of something bad: above 0 is worse. A share
/// is a number from 0 to 1. Of a live metric, `estimate` and `interval` are the ratio of the
/// failure rates; of an outcome, the difference of the values themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MetricJudgement {
    /// Its name.
    pub name: String,
    /// How it observes.
    pub kind: MetricKind,
    /// What it may do to the rollout: roll it back, hold it up, or nothing.
    pub role: Role,
    /// What the evidence says.
    pub finding: Finding,
    /// The best guess; `None` without data.
    pub estimate: Option<f64>,
    /// Where the truth lies, at all times at once: each end is missed with a probability of at
    /// most 2.5 %. For showing: findings go by the evidence. `None` without data.
    pub interval: Option<(f64, f64)>,
    /// How much worse counts as not worse (of a disagreement or distance: the most allowed).
    pub margin: Option<f64>,
    /// The champion's own value, where it is known.
    pub champion: Option<f64>,
    /// The candidate's own value, where it is known.
    pub candidate: Option<f64>,
    /// `ln E` of "worse"; 0 is no evidence either way.
    pub ln_e_worse: f64,
    /// `ln E` of "not worse by the margin", where there is a margin.
    pub ln_e_not_worse: Option<f64>,
    /// `ln E` of "better".
    pub ln_e_better: Option<f64>,
    /// `ln E` of "not better by the margin".
    pub ln_e_not_better: Option<f64>,
    /// What each of these evidences must reach.
    pub threshold: Thresholds,
    /// Observations: pairs, failing users, or values.
    pub pairs: u64,
    /// About how many more pairs like those so far until the metric is decided; `None` when that
    /// cannot be told or would never happen.
    pub expected_pairs: Option<u64>,
    /// The finding, estimate and interval in one sentence.
    pub sentence: String,
}

/// Whether the data can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Health {
    /// Pairs scored.
    pub pairs: u64,
    /// Pairs of users who had been scored already.
    pub repeated: u64,
    /// Pairs without a key, where the unit is the user.
    pub unkeyed: u64,
    /// Pairs on which both versions refused the input.
    pub both_refused: u64,
    /// Shadow runs that came to no comparison, by cause.
    pub dropped: BTreeMap<String, u64>,
    /// The share of the wanted pairs that is missing.
    pub missing_share: f64,
    /// Whether that is too much to advance.
    pub too_much_missing: bool,
    /// Labels, where a metric needs them.
    pub labels: Option<LabelHealth>,
    /// Whether users were split as asked, where they were split.
    pub sample_ratio: Option<SampleRatio>,
    /// Users seen in both arms of one stage.
    pub seen_in_both_arms: u64,
    /// Whether those are too many to advance: over 1 %, and at least ten.
    pub too_many_in_both_arms: bool,
    /// Losses and distances that were cut to their bound, by metric, where there are any.
    pub clipped: BTreeMap<String, u64>,
    /// Losses and distances that were not numbers, and counted as the worst, by metric.
    pub not_a_number: BTreeMap<String, u64>,
    /// Distributions that are watched.
    pub drift: Vec<DriftJudgement>,
    /// What a person should know, a sentence each.
    pub notes: Vec<String>,
}

/// How many labels have come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LabelHealth {
    /// Scored pairs that can be labelled.
    pub pairs: u64,
    /// Labels joined to their pair.
    pub joined: u64,
    /// Pairs whose label did not come.
    pub expired: u64,
    /// Pairs still waiting for their label.
    pub open: u64,
    /// Second labels for the same pair.
    pub duplicate: u64,
    /// Labels for a pair left out as a repeat.
    pub repeated: u64,
    /// Labels for an id that is not known.
    pub unknown: u64,
    /// Labels joined to a pair whose class or loss is not known, which scored nothing.
    pub not_scored: u64,
    /// The share of the pairs due that have a label.
    pub coverage: Option<f64>,
    /// By version (`candidate`, `champion`) and predicted class.
    pub by_class: BTreeMap<String, BTreeMap<String, ClassCoverage>>,
    /// In words, a class whose pairs get labels far less often than another's: the comparison is then
    /// one of the classes that do.
    pub uneven: Option<String>,
    /// Whether coverage is too low, or too uneven, to advance.
    pub too_low: bool,
}

/// Whether users were split as asked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SampleRatio {
    /// The candidate's users.
    pub candidate: u64,
    /// Users held back.
    pub held_back: u64,
    /// The logarithm of the Bayes factor against the split asked for.
    pub ln_bayes_factor: f64,
    /// The p value, valid at all times.
    pub p: f64,
    /// Whether the split is wrong: the Bayes factor is at least 1,000.
    pub mismatch: bool,
}

/// Whether a distribution has moved since the beginning. It decides nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DriftJudgement {
    /// The name given to [`Builder::drift`](super::Builder::drift).
    pub name: String,
    /// Observations at the beginning.
    pub base: u64,
    /// Observations since.
    pub now: u64,
    /// The population stability index.
    pub psi: f64,
    /// What it must exceed to be called moved, at this number of observations and of looks.
    pub critical: f64,
    /// Whether it does.
    pub moved: bool,
}

/// A slice in which the candidate is worse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SliceJudgement {
    /// The slice (`country=de`).
    pub slice: String,
    /// The metric.
    pub metric: String,
    /// The difference found there.
    pub estimate: f64,
    /// `ln E` of "worse".
    pub ln_e_worse: f64,
    /// Pairs in the slice.
    pub pairs: u64,
}

/// How well the two versions agree: figures for a report, none of them a test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AgreementFigures {
    /// The share of pairs whose classes differ.
    pub churn: Option<f64>,
    /// Cohen's kappa of the classes.
    pub kappa: Option<f64>,
    /// With labels: the share of pairs that only the champion got right.
    pub negative_flips: Option<f64>,
    /// With labels: the champion's accuracy.
    pub champion_accuracy: Option<f64>,
    /// With labels: the candidate's accuracy.
    pub candidate_accuracy: Option<f64>,
    /// McNemar's table: both right, only the champion, only the candidate, both wrong.
    pub right_and_wrong: Option<[u64; 4]>,
    /// The classes met, in order: rows and columns of `table`.
    pub classes: Vec<String>,
    /// How often the champion said the row's class and the candidate the column's.
    pub table: Vec<Vec<u64>>,
    /// Lin's concordance of the scores.
    pub concordance: Option<f64>,
    /// The mean difference of the scores, candidate less champion, in units of their range.
    pub mean_difference: Option<f64>,
    /// The root mean square of the difference, in units of the range.
    pub root_mean_square: Option<f64>,
    /// The population stability index of the candidate's scores against the champion's.
    pub score_psi: Option<f64>,
    /// The critical value of that index at 5 %.
    pub score_psi_critical: Option<f64>,
}
