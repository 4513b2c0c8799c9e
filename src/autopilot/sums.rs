//! What a decision is made from: the evidence of the whole fleet, summed up.

use serde::{Deserialize, Serialize};

/// What a metric may do to a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MetricRole {
    /// Worse rolls back, and not worse by its margin must be shown before the next stage.
    Guardrail,
    /// It only rolls back, as live failures do, whose absence proves nothing.
    Alarm,
    /// It holds the rollout for as long as it is bad.
    Signal,
    /// Shown, and nothing else.
    Watch,
}

/// What the evidence says about a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MetricFinding {
    /// Worse, at the error that was allowed.
    Worse,
    /// Not worse by the margin, better and equivalent included.
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
    /// The finding in a sentence.
    pub sentence: String,
}

/// What the evidence says over the fleet; returned by [`Judge::judge`](super::Judge::judge).
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
    /// The share of the wanted pairs that is missing, from 0 to 1.
    pub lost: f64,
    /// The largest such share with which a stage may end; 0.1 where it is `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lost: Option<f64>,
    /// The share of the pairs due that have a label, from 0 to 1; `None` where no guardrail needs labels.
    pub labelled: Option<f64>,
    /// The smallest such share with which a stage may end; 0.8 where it is `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_labelled: Option<f64>,
    /// In words, why the labels that came are not representative; such labels hold a stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels_uneven: Option<String>,
    /// The logarithm of the evidence that users did not arrive in the arms by the share.
    pub ln_sample_ratio: f64,
    /// Users seen in both arms of one stage.
    pub seen_in_both: u64,
    /// Users seen in either.
    pub seen: u64,
    /// The sums that this was judged from, from which it can be recomputed.
    pub judgement: serde_json::Value,
}

/// The evidence of the fleet and the state of its replicas at one tick, from which
/// [`step`](super::machine::step) decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FleetSums {
    pub(super) findings: Findings,
    /// Why a replica stopped sending users to the candidate on its own evidence.
    pub(super) veto: Option<String>,
    /// Why the guard after 100 % raises its alarm.
    pub(super) alarm: Option<String>,
    /// How often the candidate's breaker opened lately, over the fleet.
    pub(super) breaker_opens: u64,
    /// Replicas whose tally has changed within the last three periods.
    pub(super) replicas: usize,
    /// Those of them on which the candidate can answer.
    pub(super) eligible: usize,
    /// Those of them that follow another plan.
    pub(super) other_plan: usize,
    /// How many processes have counted for this attempt, including those that are gone.
    pub(super) boots: u64,
    /// Why a writer found that somebody else changed what it writes.
    pub(super) conflict: Option<String>,
}

impl FleetSums {
    /// Whether the candidate can answer on more than half of these replicas.
    pub(super) fn quorum(&self) -> bool {
        self.eligible * 2 > self.replicas
    }
}
