//! What a decision is made of: the evidence of the whole fleet, summed up.

use serde::{Deserialize, Serialize};

/// What a metric may do to a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MetricRole {
    /// Worse rolls back; not worse by its margin must be shown before the next stage.
    Guardrail,
    /// It only ever rolls back: live failures, which prove nothing by their absence.
    Alarm,
    /// Bad holds the rollout for as long as it is.
    Signal,
    /// Shown, and nothing else.
    Watch,
}

/// What the evidence says about a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MetricFinding {
    /// Worse for certain.
    Worse,
    /// Not worse by the margin for certain; better and equivalent are among it.
    NotWorse,
    /// Neither, yet.
    Undecided,
    /// Nothing has arrived.
    NoData,
}

/// One metric, judged over the fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSum {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: MetricRole,
    /// What the evidence says.
    pub finding: MetricFinding,
    /// The logarithm of the evidence that it is worse.
    pub ln_e_worse: f64,
    /// How many more pairs it will take to decide, about.
    pub expected_pairs: Option<u64>,
    /// All of it in words.
    pub sentence: String,
}

/// What one kind of evidence says over the fleet; made by [`Evidence::judge`](super::Evidence::judge).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    /// Scored pairs of this attempt.
    pub pairs: u64,
    /// Users of the present stage who reached the candidate.
    pub keys_let_through: u64,
    /// Users of the present stage who were held back; `None` where the evidence does not count them.
    pub keys_held_back: Option<u64>,
    /// Every metric.
    pub metrics: Vec<MetricSum>,
    /// Which share of the shadows was lost, so that their outcome is not known; in 0 to 1.
    pub lost: f64,
    /// Which share of the pairs that a guardrail wants labelled has been; in 0 to 1.
    pub labelled: Option<f64>,
    /// The logarithm of the evidence that users did not arrive in the arms by the share.
    pub ln_sample_ratio: f64,
    /// Users seen in both arms of one stage.
    pub seen_in_both: u64,
    /// Users seen in either.
    pub seen: u64,
    /// The sums this was judged by, as they can be judged again.
    pub judgement: serde_json::Value,
}

/// The evidence of the fleet and the state of its replicas at one tick: what
/// [`step`](super::machine::step) decides by.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FleetSums {
    pub(super) findings: Findings,
    /// Why a replica stopped sending users to the candidate on its own evidence.
    pub(super) veto: Option<String>,
    /// Why the guard over a finished rollout sounds.
    pub(super) alarm: Option<String>,
    /// How often the candidate's breaker opened lately, over the fleet.
    pub(super) breaker_opens: u64,
    /// Replicas heard lately.
    pub(super) replicas: usize,
    /// Those of them on which the candidate can answer.
    pub(super) eligible: usize,
    /// Those of them that follow another plan.
    pub(super) strangers: usize,
    /// How many processes have counted for this attempt, those that are gone included.
    pub(super) boots: u64,
    /// Why a writer found that somebody else changed what it writes.
    pub(super) conflict: Option<String>,
}

impl FleetSums {
    /// Whether the candidate can answer on more than half of the replicas that are heard.
    pub(super) fn quorum(&self) -> bool {
        self.eligible * 2 > self.replicas
    }
}
