//! The commands that a person can give a rollout.

use std::{fmt, time::Duration};

use super::{gate::Gate, phase::Phase};

/// A command, and why a person gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) kind: CommandKind,
    pub(super) reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CommandKind {
    Approve { waived: Vec<Gate> },
    Pause,
    Resume,
    Abort,
    Retry,
}

impl CommandKind {
    pub(super) fn name(&self) -> &'static str {
        match self {
            CommandKind::Approve { .. } => "approve",
            CommandKind::Pause => "pause",
            CommandKind::Resume => "resume",
            CommandKind::Abort => "abort",
            CommandKind::Retry => "retry",
        }
    }
}

/// A command that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// It does not apply in this phase.
    NotNow {
        /// The command.
        command: &'static str,
        /// The phase.
        phase: Phase,
        /// The phases in which it applies.
        expected: &'static str,
    },
    /// A retry within the [cool-down](super::Builder::cool_down) after a rollback.
    CoolingDown {
        /// How much of it is left.
        left: Duration,
    },
    /// The next stage needs no approval, and no gate was named to waive.
    NothingToApprove {
        /// The phase.
        phase: Phase,
    },
    /// The next stage is approved already.
    ApprovedAlready {
        /// The phase.
        phase: Phase,
    },
    /// This gate protects users or the evidence, and cannot be waived.
    NotWaivable(Gate),
    /// It has no reason.
    NoReason,
    /// The state could not be changed in time. An abort is in force in this process all the same, and is
    /// committed as soon as the store answers.
    StoreUnavailable {
        /// What the store said.
        why: String,
    },
    /// The autopilot has not been attached to a router, or has ended.
    NotRunning,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::NotNow { command, phase, expected } => {
                write!(f, "{command}: found phase {phase}, expected {expected}")
            }
            CommandError::CoolingDown { left } => {
                write!(f, "retry: {} s of the cool-down are left", left.as_secs_f64().ceil())
            }
            CommandError::NothingToApprove { phase } => {
                write!(f, "approve: in phase {phase} the next stage asks for no approval")
            }
            CommandError::ApprovedAlready { phase } => {
                write!(f, "approve: in phase {phase} the next stage is approved already")
            }
            CommandError::NotWaivable(gate) => {
                write!(f, "approve: gate `{gate}` cannot be waived")
            }
            CommandError::NoReason => f.write_str("reason: found nothing, expected a sentence"),
            CommandError::StoreUnavailable { why } => {
                write!(f, "the state could not be changed: {why}")
            }
            CommandError::NotRunning => f.write_str("the autopilot is not running"),
        }
    }
}

impl std::error::Error for CommandError {}
