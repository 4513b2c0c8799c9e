//! What a verdict was asked: frozen, and named by its hash.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Role, stats::budget::ErrorBudget};

/// Raised whenever the grid, the bins or the rules of judging change: part of the hash.
const RULES: u32 = 1;

/// How a metric observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MetricKind {
    /// Which of the two failed on the same request.
    Failures,
    /// Whether the two disagree.
    Disagreement,
    /// How far apart the two are.
    Distance,
    /// Whether the candidate disagrees with the champion more than the champion with itself.
    Noise,
    /// Which of the two was wrong, by the label.
    Accuracy,
    /// How much more the candidate lost, by the label.
    Loss,
    /// Which of the two took too long in shadow.
    Late,
    /// Users whose live requests failed.
    LiveFailures,
    /// Users whose live requests took too long.
    LiveLate,
    /// A number that comes later.
    Outcome,
}

impl MetricKind {
    /// Whether each observation compares both versions on the same request.
    pub fn is_paired(self) -> bool {
        !matches!(self, MetricKind::LiveFailures | MetricKind::LiveLate | MetricKind::Outcome)
    }

    /// Whether it needs labels.
    pub fn needs_labels(self) -> bool {
        matches!(self, MetricKind::Accuracy | MetricKind::Loss)
    }
}

/// One metric of a verdict: all of it that changes what the sums mean or what they decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MetricConfig {
    /// Its name, unique in a verdict.
    pub name: String,
    /// How it observes.
    pub kind: MetricKind,
    /// What it may do to the rollout: roll it back, hold it up, or nothing.
    pub role: Role,
    /// How much worse counts as not worse, in the metric's own unit: for a share a difference of
    /// shares (0.01 is one point), for a loss a difference of losses. Of a disagreement or a distance
    /// it is the most allowed. Without a margin a metric is never found not worse.
    pub margin: Option<f64>,
    /// The largest loss, distance or difference told apart: they are divided by it, and clipped to it.
    pub bound: f64,
    /// The longest time that is not late, in microseconds.
    pub limit_us: Option<u64>,
    /// The failure rate allowed, as a multiple of the other arm's.
    pub ratio: Option<f64>,
    /// The range of an outcome's values.
    pub range: Option<(f64, f64)>,
    /// Whether larger outcomes are better.
    pub larger_is_better: bool,
    /// Whether both versions ran in shadow, so that their times can be compared.
    pub both_in_shadow: bool,
}

impl MetricConfig {
    pub(super) fn new(name: impl Into<String>, kind: MetricKind, role: Role) -> MetricConfig {
        MetricConfig {
            name: name.into(),
            kind,
            role,
            margin: None,
            bound: 1.0,
            limit_us: None,
            ratio: None,
            range: None,
            larger_is_better: true,
            both_in_shadow: false,
        }
    }

    /// Whether the metric may roll the candidate back. Different is not worse: a disagreement
    /// never does.
    pub fn may_roll_back(&self) -> bool {
        self.role == Role::Guardrail
            && !matches!(
                self.kind,
                MetricKind::Disagreement | MetricKind::Distance | MetricKind::Outcome
            )
    }

    /// Whether the candidate has to pass it to advance. Few live failures prove nothing: a live
    /// metric only ever rolls back.
    pub fn must_pass(&self) -> bool {
        self.role == Role::Guardrail && self.kind.is_paired()
    }
}

/// What counts as one observation of the candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A user, once an attempt: the first pair of each key hash. Assumes nothing about a user's later
    /// requests, which may all be alike.
    #[default]
    Key,
    /// A user, once in each window of this many milliseconds. Asserts that, given how the versions
    /// differ, what happened to a user in one window says nothing about the next.
    KeyPer(u64),
    /// A request. Asserts that requests are independent of each other, as they nearly are when users
    /// seldom come twice. Where each user makes ten requests that end alike, half of all equal
    /// candidates are called worse (300 users, simulated).
    Request,
}

/// Everything that changes what a verdict's sums mean or decide. Its [hash](Config::hash) is
/// kept with the sums.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Config {
    /// The version judged.
    pub candidate: String,
    /// The version it is judged against; `None` is whichever answered.
    pub champion: Option<String>,
    /// What counts as one observation.
    pub unit: Unit,
    /// The metrics.
    pub metrics: Vec<MetricConfig>,
    /// The probabilities of error of the first attempt.
    pub budget: ErrorBudget,
    /// Pairs that must be scored before a candidate may advance.
    pub min_pairs: u64,
    /// The largest share of the wanted pairs that may be missing for a candidate to advance.
    pub max_missing: f64,
    /// The smallest share of the pairs due that must have a label for a candidate to advance.
    pub min_coverage: f64,
    /// The names by which slices are shown.
    pub slices: Vec<String>,
    /// The version of the rules of judging.
    pub rules: u32,
}

impl Config {
    pub(super) fn new(candidate: impl Into<String>) -> Config {
        Config {
            candidate: candidate.into(),
            champion: None,
            unit: Unit::default(),
            metrics: Vec::new(),
            budget: ErrorBudget::default(),
            min_pairs: 100,
            max_missing: 0.1,
            min_coverage: 0.8,
            slices: Vec::new(),
            rules: RULES,
        }
    }

    /// SHA-256 of this configuration as compact JSON, in hexadecimal digits. Sums under different
    /// hashes are never added.
    pub fn hash(&self) -> String {
        // Numbers, text and lists always serialize.
        hex(&Sha256::digest(serde_json::to_vec(self).unwrap_or_default()))
    }

    /// How many metrics share the probability of a false rollback.
    pub fn rollback_metrics(&self) -> usize {
        self.metrics.iter().filter(|metric| metric.may_roll_back()).count()
    }

    /// The metric of this name.
    pub fn metric(&self, name: &str) -> Option<&MetricConfig> {
        self.metrics.iter().find(|metric| metric.name == name)
    }
}

/// The bytes in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
