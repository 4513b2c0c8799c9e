//! The gates that a rollout must pass before it goes on.

mod evaluate;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(super) use self::evaluate::{
    evaluate, grace, in_words, needs_approval, required_dwell, signal_holds,
};
use super::transition::Cause;

/// A condition that must hold before a rollout goes on, in the order in which they are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Gate {
    /// No replica has stopped on its own evidence.
    Veto,
    /// No guardrail is worse, and no guard raises its alarm.
    Worse,
    /// The candidate's breaker does not keep opening.
    Breaker,
    /// Nobody else has changed what a writer writes.
    Conflict,
    /// The candidate can answer on most replicas.
    Eligible,
    /// Users arrive in the arms by the share, and each in one arm.
    SampleRatio,
    /// Most replicas follow this plan.
    Configuration,
    /// Processes do not keep restarting while the candidate answers.
    Restarts,
    /// Data arrives to judge by.
    NoData,
    /// The phase has lasted long enough.
    Dwell,
    /// Enough pairs were scored, and enough users held back.
    MinPairs,
    /// Not too many pairs are missing or without a label.
    Coverage,
    /// Every guardrail is known not to be worse by its margin.
    Undecided,
    /// No signal is bad.
    Signal,
    /// Somebody has approved the next stage, where it needs that.
    Approval,
}

impl Gate {
    /// Every gate, in order.
    pub const ALL: [Gate; 15] = [
        Gate::Veto,
        Gate::Worse,
        Gate::Breaker,
        Gate::Conflict,
        Gate::Eligible,
        Gate::SampleRatio,
        Gate::Configuration,
        Gate::Restarts,
        Gate::NoData,
        Gate::Dwell,
        Gate::MinPairs,
        Gate::Coverage,
        Gate::Undecided,
        Gate::Signal,
        Gate::Approval,
    ];

    /// The gate's stable name, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Gate::Veto => "veto",
            Gate::Worse => "worse",
            Gate::Breaker => "breaker",
            Gate::Conflict => "conflict",
            Gate::Eligible => "eligible",
            Gate::SampleRatio => "sample_ratio",
            Gate::Configuration => "configuration",
            Gate::Restarts => "restarts",
            Gate::NoData => "no_data",
            Gate::Dwell => "dwell",
            Gate::MinPairs => "min_pairs",
            Gate::Coverage => "coverage",
            Gate::Undecided => "undecided",
            Gate::Signal => "signal",
            Gate::Approval => "approval",
        }
    }

    /// Whether a person may waive it for a stage. Those that protect users or the evidence cannot be
    /// waived.
    pub(super) fn is_waivable(self) -> bool {
        matches!(
            self,
            Gate::Dwell | Gate::MinPairs | Gate::Coverage | Gate::Undecided | Gate::Signal
        )
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a gate stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum GateOutcome {
    /// It is passed.
    Passed,
    /// It does not matter in this phase.
    NotApplicable,
    /// Somebody waived it for this stage.
    Waived,
    /// It keeps the rollout where it is until it is passed.
    Holds {
        /// Why.
        why: String,
    },
    /// It pauses the rollout, for a person to look at.
    Pauses {
        /// The cause of the transition.
        cause: Cause,
        /// Why.
        why: String,
    },
    /// It rolls the rollout back.
    RollsBack {
        /// The cause of the transition.
        cause: Cause,
        /// Why.
        why: String,
    },
}

impl GateOutcome {
    pub(super) fn lets_pass(&self) -> bool {
        matches!(self, GateOutcome::Passed | GateOutcome::NotApplicable | GateOutcome::Waived)
    }
}

/// One gate and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GateReport {
    /// The gate.
    pub gate: Gate,
    /// How it stands.
    #[serde(flatten)]
    pub outcome: GateOutcome,
}
